//! What is known of subjects when a disclosure is decided: one small vector for each, kept beside her profile.
//!
//! Whatever changes it says so in its own transaction; then it is worked out anew, by whoever asks first or by the worker. What a vector
//! says by itself, until a consent ends or a birthday comes, holds until that moment and no longer.
//! Decision: docs/decisions/014-facts-are-kept-with-the-profile.md.

use std::collections::{BTreeMap, BTreeSet};

use domain::consent::{Age, Party};
use domain::id::SubjectId;
use domain::policy::{AgeBand, Layout, SubjectFacts, UNKNOWN};
use domain::profile::Segment;
use enforcement::vault::{VaultError, WrappedSubjectKey};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use storage::Tx;
use storage::profile_segment::{self, StoredSegment};
use storage::subject::{self, StoredSubject};
use storage::subject_facts::{self, Counts, StoredFacts};

use super::InForce;
use super::ground::is_taken;
use super::working::{Circumstances, work_out};
use crate::consent::read_histories;
use crate::legal_hold::HeldProfiles;
use crate::profile::place_of;
use crate::{Privity, Problem};

/// Subjects whose facts are worked out in one transaction.
const AT_ONCE: u32 = 500;

/// When it is tried again to work out the facts of whoever has a damaged record. Whoever asks about her tries each time.
const AFTER_DAMAGE: SignedDuration = SignedDuration::from_hours(1);

/// The facts of these subjects, by the ids that were asked for; those that have no profile here, those that were forgotten, and those with a
/// damaged record are left out.
///
/// # Errors
/// Our database doesn't answer.
pub(crate) fn facts_in(
    p: &Privity,
    tx: &mut Tx,
    in_force: &InForce,
    subjects: &BTreeSet<SubjectId>,
) -> Result<BTreeMap<SubjectId, SubjectFacts>, Problem> {
    let found = subject_facts::find(tx, subjects)?;
    let kept = found.iter();
    let kept: Vec<_> = kept
        .map(|one| (one.canonical, one.stored.as_ref()))
        .collect();
    let facts = facts_of(p, tx, in_force, &kept)?;
    let known = found.iter().zip(facts);
    Ok(known
        .filter_map(|(one, facts)| Some((one.asked, facts?)))
        .collect())
}

/// The same of what was found already, in its order: who stands for somebody, and what is kept of her.
///
/// # Errors
/// Our database doesn't answer.
pub(crate) fn facts_of(
    p: &Privity,
    tx: &mut Tx,
    in_force: &InForce,
    found: &[(SubjectId, Option<&StoredFacts>)],
) -> Result<Vec<Option<SubjectFacts>>, Problem> {
    let (layout, now) = (in_force.table.layout(), p.now());
    let mut facts: Vec<_> = found
        .iter()
        .map(|(_, stored)| usable(*stored, layout, now))
        .collect();
    let outdated = found.iter().zip(&facts);
    let outdated: BTreeMap<_, _> = outdated
        .filter(|(_, facts)| facts.is_none())
        .map(|(one, _)| *one)
        .collect();
    if outdated.is_empty() {
        return Ok(facts);
    }
    let ids = outdated.keys().copied().collect();
    let worked_out = worked_out(p, tx, layout, &ids, now)?;
    for ((id, stored), facts) in found.iter().zip(&mut facts) {
        if facts.is_none() {
            *facts = worked_out.get(id).map(|new| {
                let version = next_version(*stored, &new.pack());
                new.clone().numbered(version)
            });
        }
    }
    Ok(facts)
}

/// The facts of one subject now, or as her choices were at a moment before.
pub(super) fn facts_at(
    p: &Privity,
    tx: &mut Tx,
    layout: &Layout,
    id: SubjectId,
    on: Option<Timestamp>,
) -> Result<Option<SubjectFacts>, Problem> {
    let Some(found) = subject_facts::find(tx, &[id].into())?.pop() else {
        return Ok(None);
    };
    let now = p.now();
    if let Some(kept) = usable(found.stored.as_ref(), layout, now).filter(|_| on.is_none()) {
        return Ok(Some(kept));
    }
    let one = [found.canonical].into();
    let mut worked_out = worked_out(p, tx, layout, &one, on.unwrap_or(now))?;
    let facts = worked_out
        .remove(&found.canonical)
        .ok_or_else(|| Problem::internal("working out facts", &"a record of hers is damaged"))?;
    let version = next_version(found.stored.as_ref(), &facts.pack());
    Ok(Some(facts.numbered(version)))
}

/// What is kept, if it holds at this moment and under this layout.
fn usable(stored: Option<&StoredFacts>, layout: &Layout, now: Timestamp) -> Option<SubjectFacts> {
    let stored = stored?;
    if stored.changes_at.is_some_and(|at| at <= now) {
        return None;
    }
    let facts = SubjectFacts::unpack(stored.packed.as_ref()?, stored.version, stored.changes_at);
    // A later layout has places that this vector says nothing of.
    facts.ok().filter(|facts| facts.layout() == layout.mark())
}

/// The version counts the changes of what is known, not the looks at it.
fn next_version(stored: Option<&StoredFacts>, packed: &[u8]) -> u64 {
    let Some(stored) = stored else {
        return 1;
    };
    let is_same = stored.packed.as_deref() == Some(packed);
    stored.version + u64::from(!is_same)
}

/// Works out the facts of whoever stands for a subject, from everything that is recorded. Whoever has a damaged record is left out, so that
/// nothing is allowed about her, and all others get theirs.
fn worked_out(
    p: &Privity,
    tx: &mut Tx,
    layout: &Layout,
    canonical: &BTreeSet<SubjectId>,
    now: Timestamp,
) -> Result<BTreeMap<SubjectId, SubjectFacts>, Problem> {
    let circumstances = circumstances(p, tx, canonical, now)?;
    let histories = read_histories(tx, canonical)?;
    let facts = histories.iter().filter_map(|(id, history)| {
        let circumstances = circumstances.get(id)?;
        Some((*id, work_out(p, layout, history, circumstances, now)))
    });
    facts.map(|(id, facts)| Ok((id, facts?))).collect()
}

/// Where subjects live and how old they are, by all records of each, and whether a legal hold keeps their data.
fn circumstances(
    p: &Privity,
    tx: &mut Tx,
    canonical: &BTreeSet<SubjectId>,
    now: Timestamp,
) -> Result<BTreeMap<SubjectId, Circumstances>, Problem> {
    let mut records = subject::members(tx, canonical)?;
    records.retain(|record| record.erased_at.is_none());
    let held = HeldProfiles::read(p, tx)?;
    let segments = describing(p, tx, &records, held.names_subjects())?;
    let mut all: BTreeMap<SubjectId, Said> = BTreeMap::new();
    let mut damaged = BTreeSet::new();
    for record in &records {
        let said = all.entry(record.stands_for()).or_insert_with(Said::nothing);
        let segments = segments.get(&record.id).map_or(&[][..], Vec::as_slice);
        match said.record(p, record, segments, &held, now) {
            Ok(()) => {}
            Err(cause @ (VaultError::Damaged(_) | VaultError::WrongSubjectKey)) => {
                tracing::error!(record = %record.id, %cause, "nothing is known of a subject, and nothing is allowed about her; restore this record from a backup, or forget her");
                damaged.insert(record.stands_for());
            }
            Err(error) => return Err(Problem::internal("working out facts", &error)),
        }
    }
    let own = own_jurisdiction(p)?;
    all.into_iter()
        .filter(|(id, _)| !damaged.contains(id))
        .map(|(id, said)| Ok((id, said.circumstances(p, &own, now)?)))
        .collect()
}

fn own_jurisdiction(p: &Privity) -> Result<String, Problem> {
    let own = p.law().law(&p.settings().business.default_law);
    let own = own.map_err(|error| Problem::internal("reading the law", &error))?;
    Ok(own.jurisdiction.clone())
}

/// The segments in which something stands of where she lives and when she was born; all of them where identifiers are asked for.
fn describing(
    p: &Privity,
    tx: &mut Tx,
    records: &[StoredSubject],
    whole: bool,
) -> Result<BTreeMap<SubjectId, Vec<StoredSegment>>, Problem> {
    let wanted: BTreeSet<Segment> = match p.schema() {
        Some(_) if whole => Segment::ALL.into_iter().collect(),
        Some(schema) => schema.describing().map(|rule| rule.segment).collect(),
        None => BTreeSet::new(),
    };
    let ids = records.iter().map(|record| record.id).collect();
    let mut segments: BTreeMap<SubjectId, Vec<StoredSegment>> = BTreeMap::new();
    for one in wanted {
        for segment in profile_segment::of_segment(tx, &ids, one)? {
            segments.entry(segment.subject).or_default().push(segment);
        }
    }
    Ok(segments)
}

/// What the records of one subject say together.
struct Said {
    jurisdictions: BTreeSet<String>,
    age: Age,
    held: (bool, Option<Date>),
}

impl Said {
    const fn nothing() -> Self {
        Self {
            jurisdictions: BTreeSet::new(),
            age: Age::Unknown,
            held: (false, None),
        }
    }

    /// What can't be read is told, not passed over: a child must not become an adult by damage.
    ///
    /// # Errors
    /// Key or segments of this record were changed; the key ring lacks an epoch.
    fn record(
        &mut self,
        p: &Privity,
        record: &StoredSubject,
        segments: &[StoredSegment],
        held: &HeldProfiles,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        self.hold(held.everybody());
        let (Some(key), Some(schema)) = (&record.key, p.schema()) else {
            return Ok(());
        };
        let wrapped = WrappedSubjectKey::from_parts(key.version, key.wrapped.clone());
        let key = p.keys().unwrap_subject_key(record.id, &wrapped)?;
        let places = segments.iter().map(|one| (place_of(one), &one.sealed));
        let said = key.circumstances(schema, places, now)?;
        self.jurisdictions.extend(said.jurisdiction);
        self.age = self.age.or_younger(said.age);
        if held.names_subjects() {
            for segment in segments {
                let tags =
                    key.suppression_tags(&p.keys(), schema, &place_of(segment), &segment.sealed);
                for (_, tag) in tags? {
                    self.hold(held.of(&tag));
                }
            }
        }
        Ok(())
    }

    fn hold(&mut self, (is_held, until): (bool, Option<Date>)) {
        if is_held {
            self.held = (true, self.held.1.into_iter().chain(until).min());
        }
    }

    fn circumstances(
        self,
        p: &Privity,
        own: &str,
        now: Timestamp,
    ) -> Result<Circumstances, Problem> {
        let schema = p.schema();
        let says_where = schema.is_some_and(|schema| schema.lives_in().is_some());
        let mut places = self.jurisdictions.into_iter();
        let jurisdiction = match (says_where, places.next(), places.next()) {
            (false, ..) => own.to_owned(),
            (true, Some(one), None) => one,
            // Records that contradict each other say nothing, and then every pack protects.
            _ => UNKNOWN.to_owned(),
        };
        let law = p.law_of(&jurisdiction);
        let zone = p.ground(law.as_deref(), now)?.time_zone;
        let day_after = |day: Date| {
            Some(
                day.tomorrow()
                    .ok()?
                    .to_zoned(zone.clone())
                    .ok()?
                    .timestamp(),
            )
        };
        Ok(Circumstances {
            band: Some(AgeBand::of(self.age, now, &zone)),
            age: self.age,
            jurisdiction,
            held: (self.held.0, self.held.1.and_then(day_after)),
        })
    }
}

/// Says that what is known of these parties changed: of the subjects among them and of those to whom the others are linked. Part of the
/// transaction that changes it; does nothing where no policies are in force.
///
/// # Errors
/// Our database doesn't answer.
pub(crate) fn outdate(
    p: &Privity,
    tx: &mut Tx,
    parties: impl IntoIterator<Item = Party>,
) -> Result<(), Problem> {
    if !p.keeps_facts() {
        return Ok(());
    }
    let (mut subjects, mut others) = (BTreeSet::new(), BTreeSet::new());
    for party in parties {
        match party {
            Party::Subject(id) => drop(subjects.insert(id)),
            other => drop(others.insert(other)),
        }
    }
    if !others.is_empty() {
        // Whoever links them to subjects waits here, too: one of the two sees what the other one wrote.
        storage::audit::hold(tx, &p.log_name())?;
        let near = storage::party_link::of_parties(tx, &others)?;
        let mut between = BTreeSet::new();
        for (from, to) in near {
            match to {
                Party::Subject(id) => drop(subjects.insert(id)),
                Party::Pseudonym(_) if matches!(from, Party::Device(_)) => drop(between.insert(to)),
                Party::Pseudonym(_) | Party::Device(_) => {}
            }
        }
        if !between.is_empty() {
            let far = storage::party_link::of_parties(tx, &between)?.into_iter();
            subjects.extend(far.filter_map(|(_, to)| match to {
                Party::Subject(id) => Some(id),
                Party::Pseudonym(_) | Party::Device(_) => None,
            }));
        }
    }
    if subjects.is_empty() {
        return Ok(());
    }
    Ok(subject_facts::outdate(tx, &subjects)?)
}

/// Says that what is known of everybody has to be worked out anew: a legal hold came or went.
///
/// # Errors
/// Our database doesn't answer.
pub(crate) fn outdate_all(p: &Privity, tx: &mut Tx) -> Result<(), Problem> {
    if p.keeps_facts() {
        subject_facts::outdate_all(tx)?;
    }
    Ok(())
}

/// Works out what is due, all of it. Answers of how many subjects.
///
/// # Errors
/// Our database doesn't answer.
pub async fn refresh_facts(p: &Privity) -> Result<u64, Problem> {
    let mut done = 0;
    loop {
        let some = refresh_some(p).await?;
        done += some;
        if some < u64::from(AT_ONCE) {
            return Ok(done);
        }
    }
}

async fn refresh_some(p: &Privity) -> Result<u64, Problem> {
    let Some(in_force) = p.policies() else {
        return Ok(0);
    };
    let inside = p.clone();
    let now = p.now();
    let is_due = p.read_few("look for due facts", move |tx| {
        Ok(subject_facts::is_any_due(tx, now)?)
    });
    if !is_due.await? {
        return Ok(0);
    }
    let write = move |tx: &mut Tx| {
        let done = refresh(&inside, tx, &in_force, now)?;
        Ok((done, Vec::new()))
    };
    // What a power cut takes back is still due.
    p.write_in_passing("work out facts", write).await
}

fn refresh(p: &Privity, tx: &mut Tx, in_force: &InForce, now: Timestamp) -> Result<u64, Problem> {
    let due = subject_facts::hold_due(tx, now, AT_ONCE)?;
    if !is_taken(p, tx)? {
        return Ok(0);
    }
    let ids: BTreeSet<SubjectId> = due.keys().copied().collect();
    let alive = subject::get_many(tx, &ids)?;
    let standing = alive
        .iter()
        .filter(|one| one.canonical.is_none() && one.erased_at.is_none());
    let standing: BTreeSet<SubjectId> = standing.map(|one| one.id).collect();
    let mut new = worked_out(p, tx, in_force.table.layout(), &standing, now)?;
    let (mut save, mut counts) = (BTreeMap::new(), Counts::default());
    for (id, before) in &due {
        let facts = new.remove(id);
        let packed = facts.as_ref().map(SubjectFacts::pack);
        if before.packed != packed {
            before
                .packed
                .iter()
                .for_each(|packed| counts.add(packed, -1));
            packed.iter().for_each(|packed| counts.add(packed, 1));
        }
        let version = packed
            .as_ref()
            .map_or(before.version, |packed| next_version(Some(before), packed));
        let changes_at = match facts {
            Some(facts) => facts.changes_at(),
            None if standing.contains(id) => Some(now + AFTER_DAMAGE),
            // Nobody stands in a row of a record that was merged away.
            None => None,
        };
        save.insert(
            *id,
            StoredFacts {
                packed,
                version,
                changes_at,
            },
        );
    }
    subject_facts::save(tx, &save, now)?;
    subject_facts::count(tx, &counts)?;
    Ok(save.len() as u64)
}
