//! How old subjects are, as far as the rules on who consents need it. The birth date lies sealed in the profile: a decision of its own is
//! recorded, the vault reads it, and only what the fold weighs comes out. It is opened where an answer depends on it, and nowhere else.
//!
//! Law: Civ. Code 1798.120(c); 15 U.S.C. 6501; 11 CCR 7070, 7071.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::audit::Actor;
use domain::consent::{Age, Party, depends_on_age};
use domain::disclosure::{DisclosureRecipient, ProfileFacts, ProfileQuery, Purpose};
use domain::id::SubjectId;
use domain::profile::{Schema, Segment};
use domain::purpose_of_use::PurposeOfUse;
use domain::rng::new_id;
use enforcement::RecordedPermit;
use storage::Tx;
use storage::profile_segment::{self, StoredSegment};
use storage::subject::{self, StoredSubject};

use super::{Ground, History};
use crate::disclosure::open_profiles;
use crate::profile::{beside, place_of, subject_key};
use crate::{Privity, Problem};

/// Subjects whose birth dates are looked at together, with their records in one transaction.
const AT_ONCE: usize = 1_000;

/// What is known of the ages of many subjects.
#[derive(Default)]
pub(super) struct Ages(BTreeMap<SubjectId, Age>);

impl Ages {
    /// The age of whom a choice is for. Of a device and a pseudonym nobody knows it.
    pub(super) fn of(&self, party: &Party) -> Age {
        match party {
            Party::Subject(id) => self.0.get(id).copied().unwrap_or(Age::Unknown),
            Party::Pseudonym(_) | Party::Device(_) => Age::Unknown,
        }
    }
}

impl Privity {
    /// The age of a party, where an answer for one of these purposes depends on it; unknown where none does, and then nothing is opened.
    pub(super) async fn age_for<'u>(
        &self,
        party: &Party,
        history: &History,
        ground: &Ground,
        mut purposes: impl Iterator<Item = &'u PurposeOfUse> + Send,
    ) -> Result<Age, Problem> {
        let Party::Subject(id) = party else {
            return Ok(Age::Unknown);
        };
        let (has_yes, facts) = (history.has_yes(), ground.facts(Age::Unknown));
        if !purposes.any(|purpose| depends_on_age(purpose, has_yes, ground.on, &facts)) {
            return Ok(Age::Unknown);
        }
        Ok(ages_of(self, &BTreeSet::from([*id])).await?.of(party))
    }
}

/// The one place where consent asks how old subjects are. Unknown stays who has no profile, or none that says it.
pub(super) async fn ages_of(p: &Privity, subjects: &BTreeSet<SubjectId>) -> Result<Ages, Problem> {
    let mut ages = Ages::default();
    let Some(schema) = p.schema() else {
        return Ok(ages);
    };
    let Some(segment) = schema.birth_date().map(|rule| rule.segment) else {
        return Ok(ages);
    };
    let all: Vec<_> = subjects.iter().copied().collect();
    for some in all.chunks(AT_ONCE) {
        let ids: BTreeSet<_> = some.iter().copied().collect();
        let held = p
            .read_few("read birth dates", move |tx| held(tx, &ids, segment))
            .await?;
        ages.0.extend(opened(p, schema, held).await?);
    }
    Ok(ages)
}

/// A subject's records, and of each the segment that her birth date would be in.
struct Held {
    canonical: SubjectId,
    records: Vec<(StoredSubject, Option<StoredSegment>)>,
}

/// Whose profile can say something: all records of each, those erased left out.
fn held(tx: &mut Tx, ids: &BTreeSet<SubjectId>, segment: Segment) -> Result<Vec<Held>, Problem> {
    let found = subject::get_many(tx, ids)?;
    let canonical = found.iter().map(StoredSubject::stands_for).collect();
    let mut records = subject::members(tx, &canonical)?;
    records.retain(|record| record.key.is_some());
    let ids = records.iter().map(|record| record.id).collect();
    let segments = profile_segment::of_segment(tx, &ids, segment)?.into_iter();
    let mut segments: BTreeMap<_, _> = segments.map(|one| (one.subject, one)).collect();
    let mut all: BTreeMap<SubjectId, Held> = BTreeMap::new();
    for record in records {
        let canonical = record.stands_for();
        let held = all.entry(canonical).or_insert_with(|| Held {
            canonical,
            records: Vec::new(),
        });
        let segment = segments.remove(&record.id);
        held.records.push((record, segment));
    }
    all.retain(|_, held| held.records.iter().any(|(_, segment)| segment.is_some()));
    Ok(all.into_values().collect())
}

async fn opened(
    p: &Privity,
    schema: &Arc<Schema>,
    held: Vec<Held>,
) -> Result<BTreeMap<SubjectId, Age>, Problem> {
    if held.is_empty() {
        return Ok(BTreeMap::new());
    }
    let asked: Vec<_> = held.iter().map(|held| asked(p, schema, held)).collect();
    let permits = open_profiles(p, &asked, &Actor::System).await?;
    let (inside, schema) = (p.clone(), Arc::clone(schema));
    let reading = move || {
        let mut ages = BTreeMap::new();
        for (held, permit) in held.iter().zip(&permits) {
            let age = age(&inside, &schema, held, permit)?;
            ages.extend(held.records.iter().map(|(record, _)| (record.id, age)));
        }
        Ok(ages)
    };
    beside(asked.len(), reading).await?
}

/// What is asked, and what the decision rests on.
fn asked(p: &Privity, schema: &Arc<Schema>, held: &Held) -> (ProfileQuery, ProfileFacts) {
    let members = held.records.iter().map(|(record, _)| record.id).collect();
    let query = ProfileQuery {
        id: new_id(p.rng(), p.now()),
        subject: held.canonical,
        recipient: DisclosureRecipient::Nobody,
        purpose: Purpose::KnowWhoMayConsent,
        attributes: schema
            .birth_date()
            .map(|rule| rule.key.clone())
            .into_iter()
            .collect(),
    };
    let deciding = &p.parts.deciding;
    let facts = deciding.profile_facts(Arc::clone(schema), held.canonical, members, false);
    (query, facts)
}

/// What all of her records say together. What can't be read is told, not passed over: a child must not become an adult by damage.
fn age(p: &Privity, schema: &Schema, held: &Held, permit: &RecordedPermit) -> Result<Age, Problem> {
    let mut age = Age::Unknown;
    for (record, segment) in &held.records {
        let (Some(key), Some(segment)) = (&record.key, segment) else {
            continue;
        };
        let key = subject_key(p, record.id, key)?;
        let said = key
            .age(permit, schema, &place_of(segment), &segment.sealed, p.now())
            .map_err(|error| Problem::internal("looking who may consent", &error))?;
        age = age.or_younger(said);
    }
    Ok(age)
}
