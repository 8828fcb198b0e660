//! Our own profiles as a source system: a privacy request plans, erases, re-reads and holds them as it does what any other system keeps.
//!
//! Two collections stand in the data map beside those of the business. `privity.identifier` is the blind index: the identifiers that a
//! subject gave lead to her id. `privity.profile` is what is kept of her, looked up by that id, so that the sealed look-ups of a privacy
//! request still name her when her tags are gone. Nothing here opens a value; see [`super::access`].
//! Law: Cal. Civ. Code 1798.105(c)(1); 11 CCR 7022(b) (the business's own copy goes like any other).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use connectors::{
    Batch, Connector, ConnectorError, DescribedCollection, DescribedField, DescribedReference,
    Description, Mark, Remaining, Scan,
};
use domain::audit::Actor;
use domain::data_map::{
    Collection, CollectionErasure, CollectionKey, DataMap, Field, FieldName, IdentifierKind,
    Identity, KeepReason, Reference, Relation, System, SystemKey, SystemKind, ValueKind,
};
use domain::id::SubjectId;
use domain::identity::IdentifierTag;
use domain::plan::{EraseStep, Erased, Erasure, LocatedRow, Search, Way, WaySearch};
use domain::profile::Schema;
use domain::progress::Progress;
use domain::row::{FoundRow, JsonValue, Tuple};
use domain::sensitive::Sensitive;
use domain::traversal::Located;
use storage::{Tx, identifier, profile_segment, subject};

use super::erase::{Forgotten, erase, scrub};
use super::read::tags_of;
use crate::{Parts, Privity, Problem};

/// Key of the system; a data map may not give it to another.
const SYSTEM: &str = "privity";
/// The blind index.
const INDEX: &str = "privity.identifier";
/// What is kept of subjects.
const PROFILE: &str = "privity.profile";

/// The field that holds a subject's id. No attribute can have its name, nor that of the next two: keys begin with a letter.
pub(super) const SUBJECT: &str = "_subject";
/// Who said what a row says.
pub(super) const SOURCE: &str = "_source";
/// When it was seen there.
pub(super) const OBSERVED: &str = "_observed_at";
/// Why nothing is read from here in bulk.
const NO_SOURCE: &str = "profiles are filled from other systems, and fill none";
/// What says nothing about anybody.
const OWN: &str = "system.operations";

/// Whether a system is our own vault.
pub(crate) fn is_vault(system: &SystemKey) -> bool {
    system.as_ref() == SYSTEM
}

/// Whether a collection only leads to others: it counts, and there is nothing in it to be shown or to be held by itself.
pub(crate) fn is_index(collection: &CollectionKey) -> bool {
    collection.as_ref() == INDEX
}

/// Whoever's profile is held keeps her identifiers, and the other way round: without its tags nobody would find a profile again.
pub(crate) fn hold_together(held: &mut BTreeMap<CollectionKey, KeepReason>) {
    for (one, other) in [(PROFILE, INDEX), (INDEX, PROFILE)] {
        if let Some(reason) = held.get(&CollectionKey::from(one)).cloned() {
            held.entry(other.into()).or_insert(reason);
        }
    }
}

/// Puts our vault among the systems of a data map.
///
/// # Errors
/// [`Problem`] when the data map has given its name to another.
pub(crate) fn declare(map: &mut DataMap, schema: &Schema) -> Result<(), Problem> {
    let taken = map.systems.contains_key(&SystemKey::from(SYSTEM))
        || [INDEX, PROFILE]
            .into_iter()
            .any(|key| map.collections.contains_key(&CollectionKey::from(key)));
    if taken {
        return Err(Problem::new(
            "setup",
            500,
            "the data map has a system or a dataset `privity`, which is the name of our own profiles; give it another",
        ));
    }
    let system = System {
        key: SYSTEM.into(),
        title: "Profiles".to_owned(),
        kind: SystemKind::Vault,
        sources: schema
            .sources()
            .map(|(_, source)| source.title.clone())
            .collect(),
        purposes: Vec::new(),
    };
    map.systems.insert(system.key.clone(), system);
    for collection in [index(schema), profile(schema)] {
        map.collections.insert(collection.key.clone(), collection);
    }
    Ok(())
}

fn index(schema: &Schema) -> Collection {
    let identifier = |kind: &IdentifierKind| Field {
        identity: Some(Identity {
            kind: kind.clone(),
            ignore_case: false,
        }),
        ..field(&kind.0, None, OWN, ValueKind::Text)
    };
    let kinds = schema.identity().kinds.keys().map(identifier);
    let own = field(SUBJECT, Some("Subject"), OWN, ValueKind::Text);
    collection(
        INDEX,
        "Identifiers that lead to the profile",
        kinds.chain([own]).collect(),
        Vec::new(),
    )
}

fn profile(schema: &Schema) -> Collection {
    let own = [
        field(SUBJECT, Some("Subject"), OWN, ValueKind::Text),
        field(SOURCE, Some("Where it came from"), OWN, ValueKind::Text),
        field(
            OBSERVED,
            Some("When it was seen there"),
            OWN,
            ValueKind::Timestamp,
        ),
    ];
    let attributes = schema.attributes().map(|rule| {
        field(
            rule.key.as_ref(),
            Some(&rule.title),
            &rule.category,
            rule.kind,
        )
    });
    let found_by = Reference {
        fields: vec![SUBJECT.into()],
        to: INDEX.into(),
        to_fields: vec![SUBJECT.into()],
        relation: Relation::OwnedBy,
        enforced: false,
    };
    collection(
        PROFILE,
        "Profile",
        own.into_iter().chain(attributes).collect(),
        vec![found_by],
    )
}

fn collection(
    key: &str,
    title: &str,
    fields: Vec<Field>,
    references: Vec<Reference>,
) -> Collection {
    Collection {
        key: key.into(),
        system: SYSTEM.into(),
        schema: None,
        table: key.trim_start_matches("privity.").to_owned(),
        title: title.to_owned(),
        fields,
        primary_key: Vec::new(),
        references,
        erasure: CollectionErasure::Delete,
        retention: None,
    }
}

fn field(name: &str, title: Option<&str>, category: &str, kind: ValueKind) -> Field {
    Field {
        name: name.into(),
        title: title.map(str::to_owned),
        category: Some(category.to_owned()),
        kind,
        nullable: true,
        unique: false,
        max_length: None,
        identity: None,
        erasure: None,
    }
}

/// Reaches our own vault. The program holds it, and it holds the program only weakly.
pub(crate) struct Vault {
    parts: Weak<Parts>,
}

impl Vault {
    /// The connector of the program that is being put together.
    pub(crate) fn of(parts: &Weak<Parts>) -> (SystemKey, Arc<dyn Connector>) {
        let vault = Self {
            parts: Weak::clone(parts),
        };
        (SYSTEM.into(), Arc::new(vault))
    }

    fn privity(&self) -> Result<Privity, ConnectorError> {
        let parts = self.parts.upgrade();
        parts
            .map(|parts| Privity { parts })
            .ok_or_else(|| ConnectorError::Unreachable {
                system: SYSTEM.into(),
                reason: "the program is stopping".to_owned(),
            })
    }
}

#[async_trait]
impl Connector for Vault {
    async fn describe_watched(&self, _: &Progress) -> Result<Description, ConnectorError> {
        let p = self.privity()?;
        let own = p.map().collections.values();
        let own = own.filter(|collection| is_vault(&collection.system));
        Ok(Description {
            collections: own.map(described).collect(),
        })
    }

    async fn locate(
        &self,
        search: &Search,
        page: &mut (dyn FnMut(Vec<LocatedRow>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError> {
        let p = self.privity()?;
        let asked = Asked::of(&p, &search.ways)?;
        let (looked, hits) = look(&p, asked).await?;
        let rows: Vec<LocatedRow> = looked
            .iter()
            .zip(&hits)
            .flat_map(|(asked, hits)| {
                let hits = hits.iter().filter(|(_, records)| **records > 0);
                hits.map(move |(subject, records)| located(search, asked, *subject, *records))
            })
            .collect();
        page(rows)
    }

    async fn export(
        &self,
        _: &Search,
        _: &mut (dyn FnMut(Vec<FoundRow>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError> {
        Err(refused(
            "a profile opens only by a permit of its own; `profile::access` asks for one",
        ))
    }

    async fn scan(&self, _: &Scan) -> Result<Batch, ConnectorError> {
        Err(refused(NO_SOURCE))
    }

    async fn newest(
        &self,
        _: &Arc<Collection>,
        _: &FieldName,
    ) -> Result<Option<Mark>, ConnectorError> {
        Err(refused(NO_SOURCE))
    }

    async fn count(&self, _: &Scan) -> Result<Option<u64>, ConnectorError> {
        Err(refused(NO_SOURCE))
    }

    async fn correct(
        &self,
        _: &Search,
        _: &[(FieldName, Sensitive<JsonValue>)],
    ) -> Result<u64, ConnectorError> {
        Err(refused(
            "a profile is corrected by writing it, as a source that the schema names",
        ))
    }

    async fn erase(
        &self,
        erasure: &Erasure,
    ) -> Result<Vec<(CollectionKey, Erased)>, ConnectorError> {
        let p = self.privity()?;
        let steps: Vec<&EraseStep> = erasure.groups.iter().flatten().collect();
        let (wanted, spared) = (
            Asked::of_steps(&p, &steps, |step| &step.ways)?,
            Asked::of_steps(&p, &steps, |step| &step.spared)?,
        );
        let inside = p.clone();
        let written = p.write_silently("erase profiles", move |tx| {
            let spared = subjects(hits(tx, &spared)?);
            let mut subjects = subjects(hits(tx, &wanted)?);
            subjects.retain(|subject| !spared.contains(subject));
            erase(&inside, tx, &subjects, &Actor::System)
        });
        let (forgotten, _) = written
            .await
            .map_err(|problem| failed("erasing", problem))?;
        // Also when nothing was left to forget: a crash may have come between the two.
        scrub(&p)
            .await
            .map_err(|problem| failed("clearing the files of what was erased", problem))?;
        Ok(erased(&steps, &forgotten))
    }

    async fn confirm_absent(&self, steps: &[EraseStep]) -> Result<Vec<Remaining>, ConnectorError> {
        let p = self.privity()?;
        let steps: Vec<&EraseStep> = steps.iter().collect();
        let (_, spared) = look(&p, Asked::of_steps(&p, &steps, |step| &step.spared)?).await?;
        let spared = subjects(spared);
        let mut remaining = Vec::new();
        for step in steps {
            let (asked, hits) = look(&p, Asked::of(&p, &step.ways)?).await?;
            for (asked, hits) in asked.iter().zip(hits) {
                let left = hits.iter().filter(|(subject, _)| !spared.contains(subject));
                let rows: u64 = left.map(|(_, records)| asked.rows(*records)).sum();
                if rows > 0 {
                    remaining.push(Remaining {
                        collection: step.collection.key.clone(),
                        found_by: (asked.way.clone(), asked.value.clone()),
                        rows,
                    });
                }
            }
        }
        Ok(remaining)
    }

    async fn check(&self) -> Result<String, ConnectorError> {
        let p = self.privity()?;
        let first = p
            .read("check vault", |tx| Ok(subject::walk_keys(tx, None, 1)?))
            .await
            .map_err(|problem| failed("reading", problem))?;
        let Some((id, key)) = first.first() else {
            return Ok("it is ours, and holds no profile yet".to_owned());
        };
        super::seal::subject_key(&p, *id, key).map_err(|problem| failed("opening", problem))?;
        Ok("it is ours, and our keys open it".to_owned())
    }
}

/// One value of one look-up, ready to be looked for.
struct Asked {
    way: Way,
    value: Sensitive<Tuple>,
    by: By,
}

enum By {
    /// An identifier, by its tags under every version of the index key.
    Tags(IdentifierKind, Vec<IdentifierTag>),
    /// An id of ours.
    Subject(SubjectId),
    /// A text that is neither: it finds nobody.
    Nothing,
}

/// The subjects that a look-up found, each by the record that stands for her, with how many records of hers are there.
type Hits = BTreeMap<SubjectId, u64>;

impl Asked {
    fn of(p: &Privity, ways: &[WaySearch]) -> Result<Vec<Self>, ConnectorError> {
        let schema = p
            .needed_schema()
            .map_err(|problem| failed("looking for profiles", problem))?;
        Ok(ways
            .iter()
            .flat_map(|way| Self::of_way(p, &schema, way))
            .collect())
    }

    fn of_steps<'s>(
        p: &Privity,
        steps: &[&'s EraseStep],
        ways: impl Fn(&'s EraseStep) -> &'s Vec<WaySearch>,
    ) -> Result<Vec<Self>, ConnectorError> {
        let asked = steps.iter().map(|step| Self::of(p, ways(step)));
        Ok(asked
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "compared under keyed hashes; nothing of it is kept"
    )]
    fn of_way(p: &Privity, schema: &Schema, way: &WaySearch) -> Vec<Self> {
        let field = way.way.fields.first().map_or("", AsRef::as_ref);
        let values = way.values.expose().iter();
        values
            .map(|value| Self {
                way: way.way.clone(),
                value: Sensitive::new(value.clone()),
                by: By::of(p, schema, field, value),
            })
            .collect()
    }

    /// How many rows of the collection are meant: a tag is one, a subject has as many as she has records.
    const fn rows(&self, records: u64) -> u64 {
        match self.by {
            By::Subject(_) => records,
            _ => 1,
        }
    }
}

impl By {
    fn of(p: &Privity, schema: &Schema, field: &str, value: &Tuple) -> Self {
        let Some(text) = value.first() else {
            return Self::Nothing;
        };
        if field == SUBJECT {
            return text.parse().map_or(Self::Nothing, Self::Subject);
        }
        let kind = IdentifierKind(field.to_owned());
        // A text that is no identifier of its kind finds nobody.
        tags_of(p, schema, (&kind, &Sensitive::new(text.clone())))
            .map_or(Self::Nothing, |tags| Self::Tags(kind, tags))
    }
}

async fn look(
    p: &Privity,
    asked: Vec<Asked>,
) -> Result<(Arc<Vec<Asked>>, Vec<Hits>), ConnectorError> {
    let asked = Arc::new(asked);
    let inside = Arc::clone(&asked);
    let found = p
        .read("look for profiles", move |tx| hits(tx, &inside))
        .await;
    Ok((
        asked,
        found.map_err(|problem| failed("looking for profiles", problem))?,
    ))
}

/// What each look-up finds.
fn hits(tx: &mut Tx, asked: &[Asked]) -> Result<Vec<Hits>, Problem> {
    let mut found = Vec::with_capacity(asked.len());
    for one in asked {
        found.push(match &one.by {
            By::Tags(kind, tags) => identifier::find(tx, kind, tags)?,
            By::Subject(id) => BTreeSet::from([*id]),
            By::Nothing => BTreeSet::new(),
        });
    }
    let ids: BTreeSet<SubjectId> = found.iter().flatten().copied().collect();
    let stands: BTreeMap<SubjectId, SubjectId> = subject::get_many(tx, &ids)?
        .iter()
        .map(|one| (one.id, one.stands_for()))
        .collect();
    let records = records(tx, &stands.values().copied().collect())?;
    let hits = found.iter().zip(asked).map(|(ids, asked)| {
        let subjects = ids.iter().map(|id| stands.get(id).unwrap_or(id));
        let counted = subjects.map(|id| (*id, records.get(id).copied().unwrap_or_default()));
        // A tag that leads to nothing any more is something that is left.
        let counted = counted.map(|(id, records)| match asked.by {
            By::Subject(_) => (id, records),
            _ => (id, records.max(1)),
        });
        counted.collect()
    });
    Ok(hits.collect())
}

/// How many records of each subject still say something: those with a key, and those with a segment.
fn records(tx: &mut Tx, canonical: &BTreeSet<SubjectId>) -> Result<Hits, Problem> {
    let members = subject::members(tx, canonical)?;
    let sealed = profile_segment::holders(tx, &members.iter().map(|one| one.id).collect())?;
    let mut records = Hits::new();
    for one in members {
        if one.key.is_some() || sealed.contains(&one.id) {
            *records.entry(one.stands_for()).or_default() += 1;
        }
    }
    Ok(records)
}

fn subjects(hits: Vec<Hits>) -> BTreeSet<SubjectId> {
    hits.into_iter().flat_map(Hits::into_keys).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "handed back to the search that asked for it"
)]
fn located(search: &Search, asked: &Asked, subject: SubjectId, records: u64) -> LocatedRow {
    let value = |name: &FieldName| {
        if asked.way.fields.first() == Some(name) {
            return asked.value.expose().first().cloned().map(Sensitive::new);
        }
        (name.as_ref() == SUBJECT).then(|| Sensitive::new(subject.to_string()))
    };
    LocatedRow {
        values: search.select.iter().map(value).collect(),
        rows: asked.rows(records),
        retained: false,
        shared: false,
    }
}

fn erased(steps: &[&EraseStep], forgotten: &Forgotten) -> Vec<(CollectionKey, Erased)> {
    let done = |step: &&EraseStep| {
        let key = step.collection.key.clone();
        let deleted = if is_index(&key) {
            forgotten.identifiers
        } else {
            forgotten.records
        };
        (
            key,
            Erased {
                deleted,
                redacted: 0,
            },
        )
    };
    steps.iter().map(done).collect()
}

fn described(collection: &Collection) -> DescribedCollection {
    let field = |field: &Field| DescribedField {
        name: field.name.as_ref().to_owned(),
        declared_type: "sealed".to_owned(),
        kind: field.kind,
        nullable: field.nullable,
        unique: field.unique,
        indexed: field.identity.is_some() || field.name.as_ref() == SUBJECT,
        max_length: field.max_length,
        samples: Vec::new(),
    };
    let reference = |reference: &Reference| DescribedReference {
        fields: reference.fields.iter().map(ToString::to_string).collect(),
        to_schema: None,
        to_table: reference.to.to_string(),
        to_fields: reference
            .to_fields
            .iter()
            .map(ToString::to_string)
            .collect(),
        pointing_rows: 0,
        distinct_targets: 0,
    };
    DescribedCollection {
        schema: None,
        table: collection.table.clone(),
        fields: collection.fields.iter().map(field).collect(),
        primary_key: Vec::new(),
        references: collection.references.iter().map(reference).collect(),
        rows: 0,
    }
}

fn refused(reason: &str) -> ConnectorError {
    ConnectorError::Refused {
        system: SYSTEM.into(),
        reason: reason.to_owned(),
    }
}

/// What our own database can't do now it may do later.
pub(super) fn failed(doing: &'static str, problem: Problem) -> ConnectorError {
    let (system, reason) = (SYSTEM.into(), problem.title);
    if problem.status >= 500 {
        return ConnectorError::Unreachable { system, reason };
    }
    ConnectorError::Failed {
        system,
        doing,
        reason,
    }
}

/// The subjects of a privacy request's look-ups by id.
pub(super) fn located_subjects(located: &Located) -> BTreeSet<SubjectId> {
    let lookups = located.lookups.get(&CollectionKey::from(PROFILE));
    let values = lookups
        .into_iter()
        .flatten()
        .flat_map(|lookup| &lookup.values);
    values
        .filter_map(|value| value.first()?.parse().ok())
        .collect()
}

/// Whether a subject of a batch keeps her profile for a legal hold.
pub(crate) fn is_held(reason: &dyn Fn(&CollectionKey) -> bool) -> bool {
    reason(&PROFILE.into())
}

/// The subjects of look-ups by id.
#[expect(
    clippy::disallowed_methods,
    reason = "an id of ours, on its way to the vault"
)]
pub(super) fn named_subjects(search: &Search) -> BTreeSet<SubjectId> {
    let values = search.ways.iter().flat_map(|way| way.values.expose());
    values
        .filter_map(|value| value.first()?.parse().ok())
        .collect()
}
