//! Reads profiles: a subject is found by the tag of an identifier, the decision about her attributes is durable in the audit log, and
//! only then her segments open; her records are seen as one, with what their sources say differently beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::IdentifierKind;
use domain::disclosure::{DisclosureRecipient, ProfileQuery, Purpose, Withheld};
use domain::id::{OperatorId, SubjectId};
use domain::identity::{IdentifierTag, normalise};
use domain::profile::{AttributeKey, AttributeNumber, Profile, Schema, merge};
use domain::rng::new_id;
use domain::sensitive::Sensitive;
use enforcement::{RecordedPermit, ReleasedProfile, release_profile, release_sources};
pub use enforcement::{ReleasedAttribute, ReleasedSources, ReleasedValue};
use jiff::Timestamp;
use storage::profile_segment::{self, StoredSegment};
use storage::subject::{self, StoredSubject};
use storage::{Tx, profile};

use super::seal::{place_of, subject_key};
use crate::disclosure::open_profile;
use crate::{Privity, Problem};

/// Whoever has an identifier, at most so many; what more of them share finds nobody.
const MOST_FOUND: usize = 10;

/// Who looks at a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// The subject herself, who has shown who she is.
    Subject,
    /// An operator.
    Operator(OperatorId),
}

/// Which attributes are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedAttributes {
    /// All but what is sensitive.
    Plain,
    /// All.
    All,
    /// These.
    These(Vec<AttributeKey>),
}

/// A profile on its way to whoever may see it.
pub struct Shown {
    /// The canonical subject.
    pub subject: SubjectId,
    /// Her records, the canonical one among them.
    pub records: BTreeSet<SubjectId>,
    schema: Arc<Schema>,
    permit: RecordedPermit,
    opened: Opened,
    now: Timestamp,
    profile: OnceLock<ReleasedProfile>,
    sources: OnceLock<ReleasedSources>,
}

impl Shown {
    /// What counts of each attribute.
    pub fn profile(&self) -> &ReleasedProfile {
        self.profile.get_or_init(|| {
            let merged = merge(&self.schema, &self.opened.profiles, self.now);
            release_profile(&self.permit, &self.schema, &merged, &self.opened.described)
        })
    }

    /// What each source says.
    pub fn sources(&self) -> &ReleasedSources {
        self.sources.get_or_init(|| {
            let merged = merge(&self.schema, &self.opened.profiles, self.now);
            release_sources(&self.permit, &self.schema, &merged, &self.opened.described)
        })
    }

    /// What was withheld, and why.
    pub fn withheld(&self) -> &[Withheld] {
        self.permit.permit().withheld()
    }
}

/// Finds subjects by an identifier and shows each, most often one. That nobody was found is recorded, too.
///
/// # Errors
/// [`Problem`] when there is no such kind of identifier, or more than ten subjects have it.
pub async fn find(
    p: &Privity,
    by: (&IdentifierKind, &Sensitive<String>),
    wanted: &WantedAttributes,
    viewer: Viewer,
    actor: &Actor,
) -> Result<Vec<Shown>, Problem> {
    let schema = p.needed_schema()?;
    let tags = tags_of(p, &schema, by)?;
    let kind = by.0.clone();
    let found = p
        .read_few("find profile", move |tx| found_by(tx, &kind, &tags))
        .await?;
    if found.len() > MOST_FOUND {
        return Err(Problem::conflict(
            "too many subjects have this identifier; look for another one of hers",
        ));
    }
    if found.is_empty() {
        let record = NewRecord::new(p.now(), actor.clone(), Action::DisclosureDenied)
            .with("reason", "nobody_found")
            .with("found_by", by.0.0.clone());
        p.append(vec![record]).await?;
    }
    let mut shown = Vec::with_capacity(found.len());
    for held in found {
        shown.push(show_held(p, &schema, held, wanted, viewer, Some(by.0), actor.clone()).await?);
    }
    Ok(shown)
}

/// Shows the profile of a subject, by the id of any of her records.
///
/// # Errors
/// [`Problem`] when there is none, or nothing of it may be shown.
pub async fn show(
    p: &Privity,
    subject: SubjectId,
    wanted: &WantedAttributes,
    viewer: Viewer,
    actor: &Actor,
) -> Result<Shown, Problem> {
    let schema = p.needed_schema()?;
    let found = p
        .read_few("read profile", move |tx| held(tx, &[subject].into()))
        .await?;
    let held = found
        .into_iter()
        .next()
        .ok_or_else(|| Problem::not_found("profile"))?;
    show_held(p, &schema, held, wanted, viewer, None, actor.clone()).await
}

/// A subject's records as they lie in our database.
pub(crate) struct Held {
    pub(crate) canonical: SubjectId,
    pub(crate) records: Vec<StoredSubject>,
    pub(crate) segments: Vec<StoredSegment>,
}

/// The subjects that have one of these tags, with all of their records.
fn found_by(
    tx: &mut Tx,
    kind: &IdentifierKind,
    tags: &[IdentifierTag],
) -> Result<Vec<Held>, Problem> {
    let found = profile::find(tx, kind, tags)?;
    if found.iter().any(|one| one.has_others) {
        return held(tx, &found.iter().map(|one| one.subject.id).collect());
    }
    let whole = found.into_iter().filter(|one| one.subject.key.is_some());
    let whole = whole.map(|one| Held {
        canonical: one.subject.id,
        records: vec![one.subject],
        segments: one.segments,
    });
    Ok(whole.collect())
}

/// The subjects that these records belong to, with all of their records; those erased are left out.
pub(crate) fn held(tx: &mut Tx, found: &BTreeSet<SubjectId>) -> Result<Vec<Held>, Problem> {
    let canonical: BTreeSet<_> = subject::get_many(tx, found)?
        .iter()
        .map(StoredSubject::stands_for)
        .collect();
    if canonical.is_empty() {
        return Ok(Vec::new());
    }
    let mut all: BTreeMap<SubjectId, Held> = BTreeMap::new();
    for record in subject::members(tx, &canonical)? {
        if record.key.is_some() {
            let canonical = record.stands_for();
            let held = all.entry(canonical).or_insert_with(|| Held {
                canonical,
                records: Vec::new(),
                segments: Vec::new(),
            });
            held.records.push(record);
        }
    }
    for held in all.values_mut() {
        let ids = held.records.iter().map(|record| record.id).collect();
        held.segments = profile_segment::of_subjects(tx, &ids)?;
    }
    Ok(all.into_values().collect())
}

/// The tags of an identifier in every version of the index key.
pub(crate) fn tags_of(
    p: &Privity,
    schema: &Schema,
    (kind, value): (&IdentifierKind, &Sensitive<String>),
) -> Result<Vec<IdentifierTag>, Problem> {
    let rule = schema.identity().kinds.get(kind).ok_or_else(|| {
        let known: Vec<_> = schema
            .identity()
            .kinds
            .keys()
            .map(|kind| kind.0.as_str())
            .collect();
        Problem::invalid(
            "by",
            format!(
                "profiles are not found by `{}`; they are by {}",
                kind.0,
                known.join(", ")
            ),
        )
    })?;
    let normal = normalise(rule.rule, value, schema.identity().default_country)
        .map_err(|error| Problem::invalid("value", error.to_string()))?;
    let keys = p.keys();
    let versions = keys.index_versions();
    let versions = std::iter::once(versions.present).chain(versions.older);
    let keys = versions.filter_map(|version| keys.index_key(version, kind));
    Ok(keys.map(|key| key.tag(&normal)).collect())
}

pub(super) async fn show_held(
    p: &Privity,
    schema: &Arc<Schema>,
    held: Held,
    wanted: &WantedAttributes,
    viewer: Viewer,
    found_by: Option<&IdentifierKind>,
    actor: Actor,
) -> Result<Shown, Problem> {
    let records: BTreeSet<_> = held.records.iter().map(|record| record.id).collect();
    let query = query(p, schema, held.canonical, wanted, viewer);
    let facts = p.parts.deciding.profile_facts(
        Arc::clone(schema),
        held.canonical,
        records.clone(),
        viewer == Viewer::Subject,
    );
    let permit = open_profile(p, &query, &facts, found_by, actor).await?;
    let opened = open(p, schema, &permit, &held)?;
    Ok(Shown {
        subject: held.canonical,
        records,
        schema: Arc::clone(schema),
        permit,
        opened,
        now: p.now(),
        profile: OnceLock::new(),
        sources: OnceLock::new(),
    })
}

fn query(
    p: &Privity,
    schema: &Schema,
    subject: SubjectId,
    wanted: &WantedAttributes,
    viewer: Viewer,
) -> ProfileQuery {
    let attributes = match wanted {
        WantedAttributes::These(keys) => keys.iter().cloned().collect(),
        WantedAttributes::All => Arc::clone(schema.keys()),
        WantedAttributes::Plain => Arc::clone(schema.plain_keys()),
    };
    let (recipient, purpose) = match viewer {
        Viewer::Subject => (DisclosureRecipient::Subject, Purpose::GiveAccess),
        Viewer::Operator(id) => (DisclosureRecipient::Operator(id), Purpose::ShowOperator),
    };
    ProfileQuery {
        id: new_id(p.rng(), p.now()),
        subject,
        recipient,
        purpose,
        attributes,
    }
}

struct Opened {
    profiles: Vec<Profile>,
    described: BTreeSet<AttributeNumber>,
}

/// Opens those segments that hold something that the permit names; the others stay shut.
fn open(
    p: &Privity,
    schema: &Schema,
    permit: &RecordedPermit,
    held: &Held,
) -> Result<Opened, Problem> {
    let named = permit.permit().segments();
    let mut opened = Opened {
        profiles: Vec::with_capacity(held.segments.len()),
        described: BTreeSet::new(),
    };
    for record in &held.records {
        let Some(stored) = &record.key else { continue };
        let key = subject_key(p, record.id, stored)?;
        let own = held.segments.iter().filter(|one| one.subject == record.id);
        for one in own.filter(|one| named.contains(&one.segment)) {
            let segment = key
                .open_segment(permit, schema, &place_of(one), &one.sealed)
                .map_err(|error| Problem::internal("opening a profile", &error))?;
            opened.profiles.push(segment.profile);
            opened.described.extend(segment.described);
        }
    }
    Ok(opened)
}
