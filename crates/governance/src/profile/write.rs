//! Writes profiles: records of a source become new subjects or change those that they are of, sealed before they reach storage.
//!
//! A batch is checked and sealed beside the database's writer, then stored in one transaction together with who is who and with the
//! record of the audit log. Two writers at once meet at the source's record and at the segments' versions, and the one that comes
//! second looks again. Decision: docs/decisions/004-vault.md.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::audit::{Actor, NewRecord};
use domain::consent::Party;
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::IdentifierTag;
use domain::profile::{Schema, SourceNumber};
use domain::sensitive::Sensitive;
use enforcement::vault::IndexKeys;
use storage::profile_segment::StoredSegment;
use storage::{Tx, identifier, profile_segment, source_record, subject};

use super::given::{CheckedRecord, Checker, GivenRecord, Refusal};
use super::read::tags_of;
use super::seal::{Changes, Known, Ours, seal};
use super::suppression::suppressed;
use super::trace::trace;
use crate::consent::link_carried;
use crate::identity;
use crate::{Privity, Problem, policy};

/// Rounds before a batch is given up: in each one somebody else was faster.
const ROUNDS: u32 = 20;

/// More records than this are sealed beside the runtime's threads.
const INLINE: usize = 8;

/// From so many new subjects on, nobody else is expected to have made one of them since they were looked for: what is sure of that is
/// stored for half of the cost, and where somebody was faster after all, the batch is looked at again.
const MANY: usize = 500;

/// What came of a batch. Records of one batch with one key count as one that changed the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// New subjects.
    pub new: u64,
    /// Records that changed a subject.
    pub changed: u64,
    /// Records that said nothing new.
    pub unchanged: u64,
    /// Records that were refused: their place among those given, and why.
    pub refused: Vec<(usize, Refusal)>,
    /// Whose each record is, by its place; `None` for those refused.
    pub subjects: Vec<Option<SubjectId>>,
}

/// Writes records of one source. Bad ones are refused one by one; the rest is durable when this returns.
///
/// # Errors
/// [`Problem`] when there is no schema or no such source, or our database can't take it; nothing of the batch was kept then, or
/// repeating it changes nothing.
pub async fn write(
    p: &Privity,
    source: SourceNumber,
    records: Vec<GivenRecord>,
    actor: Actor,
) -> Result<Written, Problem> {
    let ready = prepare(p, source, records).await?;
    store(p, ready, actor, Kept::Now, |_, _| Ok(())).await
}

/// When a batch has to be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// When its caller is answered.
    Now,
    /// At the end of the work that it is part of, and which goes on where it stopped.
    AtTheEnd,
}

/// How a record was when somebody decided to change it.
#[derive(Clone, Debug)]
struct Seen {
    /// Whose it is.
    subject: SubjectId,
    /// Versions that it may have ([`super::record::ShownRecord::version`]).
    versions: Vec<u64>,
}

/// What has to hold where a record is written that no other one may be like.
#[derive(Clone, Default)]
pub struct Sole {
    /// The record that may be there before; any other one is another's.
    pub known: Option<SubjectId>,
    /// Versions that it may have; any if left out.
    pub versions: Option<Vec<u64>>,
    /// What no other record of the source may say.
    pub name: Option<(IdentifierKind, Sensitive<String>)>,
}

/// [`write()`] of one record, unless another one is there; looked at in the transaction that writes, one after another. `None` when it is,
/// and then nothing was kept.
///
/// # Errors
/// As [`write()`], and status 412 when the known record was changed or erased meanwhile; nothing was kept then.
pub async fn write_sole(
    p: &Privity,
    source: SourceNumber,
    record: GivenRecord,
    sole: Sole,
    actor: Actor,
) -> Result<Option<Written>, Problem> {
    let mut ready = prepare(p, source, vec![record]).await?;
    let tags = match &sole.name {
        Some((kind, value)) => match tags_of(p, &ready.batch.schema, (kind, value)) {
            Ok(tags) => Some((kind.clone(), tags)),
            // What is no identifier is nobody's.
            Err(problem) if problem.field == Some("value") => None,
            Err(problem) => return Err(problem),
        },
        None => None,
    };
    let (known, log) = (sole.known, p.log_name());
    let versions = sole.versions.zip(known);
    ready.seen = versions.map(|(versions, subject)| Seen { subject, versions });
    let alone = move |tx: &mut Tx, written: &Written| {
        let subject = written.subjects.first().copied().flatten();
        if subject.is_some() && written.new == 0 && subject != known {
            return Err(taken());
        }
        let Some((kind, tags)) = &tags else {
            return Ok(());
        };
        // Two that bring the same name at once don't see each other before.
        storage::audit::hold(tx, &log)?;
        let mut others = identifier::find_of_source(tx, source, kind, tags)?;
        others.retain(|one| Some(*one) != subject && Some(*one) != known);
        let others = subject::get_many(tx, &others)?;
        if others.iter().any(|one| one.key.is_some()) {
            return Err(taken());
        }
        Ok(())
    };
    match store(p, ready, actor, Kept::Now, alone).await {
        Ok(written) => Ok(Some(written)),
        Err(problem) if problem.code == TAKEN => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// The code under which a round says that another one has the name; it never leaves this file.
const TAKEN: &str = "taken_write";

fn taken() -> Problem {
    Problem::new(TAKEN, 409, "another record has this name")
}

/// A batch that was checked and sealed for the state of the database that it met.
pub(crate) struct Ready {
    pub(crate) written: Written,
    batch: Arc<Batch>,
    changes: Changes,
    seen: Option<Seen>,
}

/// What stays the same over all rounds of a batch.
struct Batch {
    schema: Arc<Schema>,
    keys: IndexKeys,
    source: SourceNumber,
    records: Vec<CheckedRecord>,
}

/// Checks records, looks up what they meet, and seals. Touches nothing.
pub(crate) async fn prepare(
    p: &Privity,
    source: SourceNumber,
    records: Vec<GivenRecord>,
) -> Result<Ready, Problem> {
    let schema = p.needed_schema()?;
    let count = records.len();
    let inside = p.clone();
    let (batch, written) = beside(count, move || check(&inside, schema, source, records)).await??;
    let batch = Arc::new(batch);
    let todo: Vec<usize> = (0..batch.records.len()).collect();
    let (changes, suppressed) = prepared(p, &batch, todo).await?;
    let mut written = written;
    written.refused.extend(suppressed);
    written.refused.sort_by_key(|(position, _)| *position);
    Ok(Ready {
        written,
        batch,
        changes,
        seen: None,
    })
}

/// Whether one of these records would be refused because it names somebody who was forgotten. Touches nothing.
///
/// # Errors
/// As [`write()`].
pub async fn names_forgotten(
    p: &Privity,
    source: SourceNumber,
    records: Vec<GivenRecord>,
) -> Result<bool, Problem> {
    let (batch, _) = check(p, p.needed_schema()?, source, records)?;
    let inside = p.clone();
    p.read_few("look for forgotten", move |tx| {
        let all: Vec<usize> = (0..batch.records.len()).collect();
        let known = look_up(tx, &batch, &all)?;
        let forgotten = look_for_forgotten(&inside, tx, &batch, &all, &known)?;
        Ok(!forgotten.is_empty())
    })
    .await
}

/// Stores a batch; `also` runs in the transaction that completes it, with what came of it.
pub(crate) async fn store(
    p: &Privity,
    ready: Ready,
    actor: Actor,
    kept: Kept,
    also: impl Fn(&mut Tx, &Written) -> Result<(), Problem> + Clone + Send + 'static,
) -> Result<Written, Problem> {
    let Ready {
        mut written,
        batch,
        mut changes,
        seen,
    } = ready;
    for number in 0..ROUNDS {
        let round = Arc::new(Round {
            is_first: number == 0,
            p: p.clone(),
            batch: Arc::clone(&batch),
            changes,
            written,
            seen: seen.clone(),
            actor: actor.clone(),
        });
        let (inside, last) = (Arc::clone(&round), also.clone());
        let run = move |tx: &mut Tx| inside.run(tx, &last);
        let outcome = match kept {
            Kept::Now => p.write_silently("write profiles", run).await.map(first),
            Kept::AtTheEnd => p.write_in_passing("write profiles", run).await,
        };
        let todo = match outcome {
            Ok(Stored {
                written: now,
                again,
            }) => {
                if again.is_empty() {
                    let size = round.batch.records.len();
                    drop(tokio::spawn(beside(size, move || drop(round))));
                    return Ok(now);
                }
                written = now;
                again
            }
            Err(problem) if problem.code == RIVAL => {
                written = round.written.clone();
                round.changes.todo.clone()
            }
            Err(problem) => return Err(problem),
        };
        let suppressed;
        (changes, suppressed) = prepared(p, &batch, todo).await?;
        written.refused.extend(suppressed);
    }
    Err(Problem::conflict(
        "others keep changing the same profiles; nothing of this was lost, please try again",
    ))
}

fn first<T, U>((one, _): (T, U)) -> T {
    one
}

/// The code under which a round says that somebody else was faster; it never leaves this file.
const RIVAL: &str = "rival_write";

fn rival() -> Problem {
    let words = "somebody else changed this profile meanwhile; please try again";
    Problem::new(RIVAL, 409, words)
}

/// One attempt to store what was prepared.
struct Round {
    is_first: bool,
    p: Privity,
    batch: Arc<Batch>,
    changes: Changes,
    written: Written,
    seen: Option<Seen>,
    actor: Actor,
}

struct Stored {
    written: Written,
    /// Records that somebody else made meanwhile: to be looked at again.
    again: Vec<usize>,
}

impl Seen {
    /// Holds the record, so that it stays as it is found here until the transaction ends.
    fn check(&self, tx: &mut Tx) -> Result<(), Problem> {
        let one = BTreeSet::from([self.subject]);
        let held = subject::hold(tx, &one)?;
        let segments = profile_segment::of_subjects(tx, &held)?;
        if !held.is_empty() && self.versions.contains(&version_of(&segments)) {
            return Ok(());
        }
        Err(Problem::new(
            "not_possible_now",
            412,
            "the record was changed meanwhile; read it again and repeat",
        ))
    }
}

/// The version of a record: it grows with every change, since segments are never taken out of one.
pub(crate) fn version_of(segments: &[StoredSegment]) -> u64 {
    segments.iter().map(|segment| segment.row_version).sum()
}

impl Round {
    fn run(
        &self,
        tx: &mut Tx,
        also: &impl Fn(&mut Tx, &Written) -> Result<(), Problem>,
    ) -> Result<(Stored, Vec<NewRecord>), Problem> {
        if let Some(seen) = &self.seen {
            seen.check(tx)?;
        }
        let (ours, again) = self.insert(tx)?;
        self.amend(tx)?;
        let mut written = self.written.clone();
        self.count(&ours, &mut written);
        let mut records = identity::link(
            &self.p,
            tx,
            &self.batch.schema,
            &self.batch.keys,
            self.changes.moved(&ours),
        )?;
        self.link(tx, &ours)?;
        if again.is_empty() {
            also(tx, &written)?;
        }
        let segments = self.changes.segments(&ours);
        let source = self.batch.schema.source(self.batch.source);
        let source = source
            .map(|source| source.key.to_string())
            .unwrap_or_default();
        records.extend(trace(
            self.p.now(),
            &self.actor,
            &source,
            &written,
            &self.written,
            &segments,
        ));
        Ok((Stored { written, again }, records))
    }

    /// What was chosen under identifiers that these records carry holds for them from here on.
    fn link(&self, tx: &mut Tx, ours: &Ours) -> Result<(), Problem> {
        // The first choice of all under an identifier came after this batch was prepared.
        if !self.changes.chosen && storage::consent::any_pseudonym(tx)? {
            return Err(rival());
        }
        link_carried(&self.p, tx, self.changes.carried(ours))
    }

    /// Stores new subjects but for their tags; answers which of them are ours, and which records another writer was faster with.
    fn insert(&self, tx: &mut Tx) -> Result<(Ours, Vec<usize>), Problem> {
        let new = &self.changes.new;
        if new.is_empty() {
            return Ok((Ours::All, Vec::new()));
        }
        let ours = self.claim(tx)?;
        let again = match &ours {
            Ours::All => Vec::new(),
            Ours::These(subjects) => {
                let theirs = new.iter().filter(|new| !subjects.contains(&new.subject.id));
                theirs.flat_map(|new| new.places.iter().copied()).collect()
            }
        };
        let kept = || self.changes.ours(&ours);
        subject::insert_many(tx, kept().map(|new| &new.subject))?;
        profile_segment::insert_many(tx, kept().flat_map(|new| &new.segments))?;
        if self.p.keeps_facts() {
            let ids: Vec<_> = kept().map(|new| new.subject.id).collect();
            storage::subject_facts::insert_new(tx, &ids)?;
        }
        Ok((ours, again))
    }

    /// Stores whose the source's records are.
    fn claim(&self, tx: &mut Tx) -> Result<Ours, Problem> {
        let records: Vec<_> = self.changes.new.iter().map(|new| new.record).collect();
        if self.is_first && records.len() >= MANY {
            return match source_record::insert_unmet(tx, &records) {
                Ok(()) => Ok(Ours::All),
                Err(storage::Error::AlreadyExists { .. }) => Err(rival()),
                Err(error) => Err(error.into()),
            };
        }
        let ours = source_record::insert_many(tx, &records)?;
        if ours.len() == records.len() {
            return Ok(Ours::All);
        }
        Ok(Ours::These(ours.into_iter().collect()))
    }

    /// Changes known subjects, all of them or none.
    fn amend(&self, tx: &mut Tx) -> Result<(), Problem> {
        let changed = &self.changes.changed;
        if changed.is_empty() {
            return Ok(());
        }
        let ids: BTreeSet<_> = changed.iter().map(|one| one.subject).collect();
        let segments: Vec<_> = changed
            .iter()
            .flat_map(|one| one.segments.iter().cloned())
            .collect();
        let missed = subject::hold(tx, &ids)?.len() < ids.len()
            || !profile_segment::save_many(tx, &segments)?.is_empty();
        if missed {
            return Err(rival());
        }
        let described = changed.iter().filter(|one| one.describes);
        policy::outdate(
            &self.p,
            tx,
            described.map(|one| Party::Subject(one.subject)),
        )?;
        let gone: Vec<_> = changed
            .iter()
            .flat_map(|one| one.gone.iter().cloned())
            .collect();
        let come: Vec<_> = changed
            .iter()
            .flat_map(|one| one.come.iter().cloned())
            .collect();
        if !gone.is_empty() {
            storage::identifier::remove_many(tx, &gone)?;
        }
        if !come.is_empty() {
            storage::identifier::insert_many(tx, &come)?;
        }
        Ok(())
    }

    fn count(&self, ours: &Ours, written: &mut Written) {
        let mut say = |subject: SubjectId, places: &[usize]| {
            for place in places {
                let position = self.batch.records.get(*place).map(|record| record.position);
                if let Some(slot) = position.and_then(|at| written.subjects.get_mut(at)) {
                    *slot = Some(subject);
                }
            }
            places.len() as u64
        };
        for new in self.changes.ours(ours) {
            let records = say(new.subject.id, &new.places);
            written.new += 1;
            written.changed += records.saturating_sub(1);
        }
        for one in &self.changes.changed {
            written.changed += say(one.subject, &one.places);
        }
        for (subject, places) in &self.changes.unchanged {
            written.unchanged += say(*subject, places);
        }
    }
}

/// The tags by which the records with these keys are found in a source; none for what is no key there.
pub(crate) fn key_tags(
    p: &Privity,
    source: SourceNumber,
    keys: &[Sensitive<String>],
) -> Result<Vec<Vec<IdentifierTag>>, Problem> {
    let schema = p.needed_schema()?;
    let index = p.keys().index_keys(&schema);
    let checker = Checker::new(&schema, &index, source, p.now())?;
    Ok(keys.iter().map(|key| checker.tags_of_key(key)).collect())
}

fn check(
    p: &Privity,
    schema: Arc<Schema>,
    source: SourceNumber,
    records: Vec<GivenRecord>,
) -> Result<(Batch, Written), Problem> {
    let keys = p.keys().index_keys(&schema);
    let mut written = Written {
        subjects: vec![None; records.len()],
        ..Written::default()
    };
    let mut checked = Vec::with_capacity(records.len());
    let checker = Checker::new(&schema, &keys, source, p.now())?;
    for (position, record) in records.into_iter().enumerate() {
        match checker.check(position, record) {
            Ok(record) => checked.push(record),
            Err(refusal) => written.refused.push((position, refusal)),
        }
    }
    let batch = Batch {
        schema,
        keys,
        source,
        records: checked,
    };
    Ok((batch, written))
}

/// Records that are refused for whom they are about: their place among those given, and why.
type Suppressed = Vec<(usize, Refusal)>;

/// Looks up what these records of a batch meet, and seals them for it; those that would bring back somebody who was forgotten are left out.
async fn prepared(
    p: &Privity,
    batch: &Arc<Batch>,
    mut todo: Vec<usize>,
) -> Result<(Changes, Suppressed), Problem> {
    let (q, reading) = (p.clone(), Arc::clone(batch));
    let wanted = todo.clone();
    let look = move |tx: &mut Tx| {
        let known = look_up(tx, &reading, &wanted)?;
        let suppressed = look_for_forgotten(&q, tx, &reading, &wanted, &known)?;
        Ok((known, suppressed))
    };
    let (known, suppressed) = if todo.len() <= INLINE {
        p.read_few("look up profiles", look).await?
    } else {
        p.read("look up profiles", look).await?
    };
    todo.retain(|place| !suppressed.contains_key(place));
    let refused = suppressed.into_iter().filter_map(|(place, kind)| {
        let record = batch.records.get(place)?;
        Some((record.position, Refusal::Suppressed(kind)))
    });
    let refused = refused.collect();
    let (inside, batch) = (p.clone(), Arc::clone(batch));
    let changes = beside(todo.len(), move || {
        seal(
            &inside,
            &batch.schema,
            &batch.keys,
            batch.source,
            &batch.records,
            todo,
            known,
        )
    });
    Ok((changes.await??, refused))
}

/// Records that are new here and name somebody who was forgotten.
fn look_for_forgotten(
    p: &Privity,
    tx: &mut Tx,
    batch: &Batch,
    todo: &[usize],
    known: &Known,
) -> Result<BTreeMap<usize, IdentifierKind>, Problem> {
    let records = todo
        .iter()
        .filter_map(|place| Some((*place, batch.records.get(*place)?)));
    let new = records.filter(|(_, record)| {
        let mut tags = record.key_tags.iter();
        !tags.any(|(_, tag)| known.whose.contains_key(tag))
    });
    suppressed(p, tx, &batch.schema, batch.source, new)
}

fn look_up(tx: &mut Tx, batch: &Batch, todo: &[usize]) -> Result<Known, Problem> {
    let records = todo.iter().filter_map(|place| batch.records.get(*place));
    let mut tags: Vec<_> = records
        .flat_map(|record| record.key_tags.iter().map(|(_, tag)| *tag))
        .collect();
    tags.sort_unstable();
    tags.dedup();
    let whose = source_record::find_many(tx, batch.source, tags)?;
    let ids: BTreeSet<_> = whose.values().copied().collect();
    let mut known = Known {
        whose,
        chosen: storage::consent::any_pseudonym(tx)?,
        ..Known::default()
    };
    if ids.is_empty() {
        return Ok(known);
    }
    for subject in subject::get_many(tx, &ids)? {
        known.subjects.insert(subject.id, subject);
    }
    for segment in profile_segment::of_subjects(tx, &ids)? {
        known
            .segments
            .entry(segment.subject)
            .or_default()
            .push(segment);
    }
    Ok(known)
}

/// Runs work of some milliseconds beside the runtime's threads; little work where it is, since handing it over costs more.
pub(crate) async fn beside<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if size <= INLINE {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Problem::internal("preparing profiles", &"the work panicked"))
}
