//! Forgetting subjects: all records of each, their tags, sealed segments and keys, in one transaction, and then the files are cleared of
//! what was deleted. What stays is an id, the moment, and the record of the audit log.
//!
//! Law: Cal. Civ. Code 1798.105(c)(1); 11 CCR 7022(b). Decision: docs/decisions/004-vault.md.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Actor, NewRecord};
use domain::consent::Tag;
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::{IdentifierTag, POSSIBLE_MATCH_KIND};
use domain::profile::Schema;
use enforcement::vault::{IndexKeys, RecordTags};
use storage::profile_segment::StoredSegment;
use storage::source_record::StoredSourceRecord;
use storage::subject::StoredSubject;
use storage::{Tx, identifier, identity, profile_segment, source_record, subject};

use super::seal::{place_of, subject_key};
use crate::consent::keep_noes;
use crate::{Privity, Problem};

/// More ids than this are counted in the audit record and not named: it has room for so many.
const NAMED: usize = 500;

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Subjects, each counted once however many records she had.
    pub subjects: u64,
    /// Records whose key was destroyed.
    pub records: u64,
    /// Sealed segments.
    pub segments: u64,
    /// Tags by which they could be found.
    pub identifiers: u64,
    /// Records of sources that led to them.
    pub source_records: u64,
}

/// Forgets subjects: all records of each, whichever of her ids is given. Who was forgotten before, or was never there, is passed over.
/// Repeating it is harmless, and finishes what a crash left.
///
/// # Errors
/// [`Problem`] when there is no schema or our database can't take it; nothing was forgotten then, or the files are still to be cleared.
pub async fn forget(
    p: &Privity,
    subjects: BTreeSet<SubjectId>,
    actor: Actor,
) -> Result<Forgotten, Problem> {
    let inside = p.clone();
    let (forgotten, _) = p
        .write_silently("forget subjects", move |tx| {
            erase(&inside, tx, &subjects, &actor)
        })
        .await?;
    scrub(p).await?;
    Ok(forgotten)
}

/// Clears the files of what was deleted. To be called once after a batch was durable, and again when that failed.
pub(crate) async fn scrub(p: &Privity) -> Result<(), Problem> {
    Ok(p.database().scrub().await?)
}

/// The same inside a transaction, without clearing the files; answers the records to be appended with it.
pub(crate) fn erase(
    p: &Privity,
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
    actor: &Actor,
) -> Result<(Forgotten, Vec<NewRecord>), Problem> {
    let groups = groups(tx, subjects)?;
    let members: BTreeSet<SubjectId> = groups.values().flatten().copied().collect();
    // Whoever changes a record holds it first: nobody adds a segment or a tag from here on.
    subject::hold(tx, &members)?;
    let stored = subject::get_many(tx, &members)?;
    let segments = segments(tx, &members)?;
    let traces = Traces::of(p, &*p.needed_schema()?, &stored, &segments);
    let mut kept = Vec::new();
    for members in groups.values() {
        let named = || named_surely(p, members, &stored, &segments);
        kept.extend(keep_noes(p, tx, members, named)?);
    }
    let mut tags = identifier::forget(tx, &traces.identifiers)?;
    let mut sources = source_record::forget(tx, &traces.sources)?;
    let unsure = traces.unsure(&tags);
    if !unsure.is_empty() {
        add(&mut tags, identifier::sweep(tx, &unsure)?);
        add(&mut sources, source_record::sweep(tx, &unsure)?);
    }
    identity::forget(tx, &members)?;
    profile_segment::remove(tx, &members)?;
    subject::erase(tx, &members, p.now())?;
    storage::subject_facts::forget(tx, &members)?;
    // Who got her data can still be asked, and has to be told, when it is gone here.
    let ends_at = crate::housekeeping::kept_until(p);
    ends_at.map_or(Ok(0), |end| storage::ledger::end(tx, &members, end))?;
    let keyed = stored.iter().filter(|one| one.key.is_some());
    let done = Done {
        keyed: keyed.map(|one| one.id).collect(),
        segments: segments
            .iter()
            .map(|(id, own)| (*id, own.len() as u64))
            .collect(),
        tags,
        sources,
        swept: unsure,
    };
    let (forgotten, mut records) = done.told(p, &groups, actor);
    records.extend(kept);
    Ok((forgotten, records))
}

/// Keyed hashes of whatever surely names a subject, as the suppression list has them. A damaged segment names nobody any more.
fn named_surely(
    p: &Privity,
    members: &BTreeSet<SubjectId>,
    stored: &[StoredSubject],
    segments: &BTreeMap<SubjectId, Vec<StoredSegment>>,
) -> BTreeSet<Tag> {
    let Some(schema) = p.schema() else {
        return BTreeSet::new();
    };
    let (ring, mut tags) = (p.keys(), BTreeSet::new());
    for one in stored.iter().filter(|one| members.contains(&one.id)) {
        let key = one.key.as_ref();
        let Some(key) = key.and_then(|key| subject_key(p, one.id, key).ok()) else {
            continue;
        };
        for segment in segments.get(&one.id).into_iter().flatten() {
            let place = place_of(segment);
            let found = key.suppression_tags(&ring, schema, &place, &segment.sealed);
            let found = found.unwrap_or_default().into_iter();
            tags.extend(found.map(|(_, tag)| Tag(tag)));
        }
    }
    tags
}

/// The records of these subjects, by the one that stands for her.
fn groups(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
) -> Result<BTreeMap<SubjectId, BTreeSet<SubjectId>>, Problem> {
    let found = subject::get_many(tx, subjects)?;
    let canonical = found.iter().map(StoredSubject::stands_for).collect();
    let mut groups: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for member in subject::members(tx, &canonical)? {
        groups
            .entry(member.stands_for())
            .or_default()
            .insert(member.id);
    }
    Ok(groups)
}

/// The sealed segments of these records.
fn segments(
    tx: &mut Tx,
    members: &BTreeSet<SubjectId>,
) -> Result<BTreeMap<SubjectId, Vec<StoredSegment>>, Problem> {
    let mut segments: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for segment in profile_segment::of_subjects(tx, members)? {
        segments.entry(segment.subject).or_default().push(segment);
    }
    Ok(segments)
}

/// What leads to records, as far as their segments say it.
#[derive(Default)]
struct Traces {
    identifiers: BTreeSet<(IdentifierKind, IdentifierTag, SubjectId)>,
    sources: BTreeSet<StoredSourceRecord>,
    /// How many tags each record has at least.
    least: BTreeMap<SubjectId, u64>,
    /// Records whose segments can't be trusted to name all tags.
    damaged: BTreeSet<SubjectId>,
}

impl Traces {
    fn of(
        p: &Privity,
        schema: &Schema,
        stored: &[StoredSubject],
        segments: &BTreeMap<SubjectId, Vec<StoredSegment>>,
    ) -> Self {
        let mut traces = Self::default();
        let keys = p.keys().index_keys(schema);
        for one in stored {
            let Some(key) = &one.key else {
                continue;
            };
            let own = segments.get(&one.id).map_or(&[][..], Vec::as_slice);
            let places = own.iter().map(|one| (place_of(one), &one.sealed));
            let tags = subject_key(p, one.id, key)
                .ok()
                .and_then(|key| key.record_tags(schema, &keys, places).ok());
            // By an older schema other attributes may have been identifiers, whose tags nobody would find now.
            if tags.is_none() || own.is_empty() || schema.version() > 1 {
                traces.damaged.insert(one.id);
            }
            if let Some(tags) = tags {
                traces.take(schema, one.id, tags, &keys);
            }
        }
        traces
    }

    fn take(&mut self, schema: &Schema, id: SubjectId, tags: RecordTags, keys: &IndexKeys) {
        let present = keys.present();
        let now = tags.identifiers.iter().filter(|tag| tag.version == present);
        let distinct: BTreeSet<_> = now.map(|tag| (&tag.kind, tag.tag, tag.source)).collect();
        let possible = u64::from(!tags.possible_match.is_empty());
        self.least.insert(id, distinct.len() as u64 + possible);
        for tag in &tags.identifiers {
            let source = schema.source(tag.source);
            if source.is_some_and(|source| source.record == Some(tag.attribute)) {
                self.sources.insert(StoredSourceRecord {
                    source: tag.source,
                    tag: tag.tag,
                    subject: id,
                    key_version: tag.version,
                });
            }
        }
        let possible = IdentifierKind(POSSIBLE_MATCH_KIND.to_owned());
        let matches = tags.possible_match.into_iter();
        self.identifiers
            .extend(matches.map(|(_, tag)| (possible.clone(), tag, id)));
        let tags = tags.identifiers.into_iter();
        self.identifiers
            .extend(tags.map(|tag| (tag.kind, tag.tag, id)));
    }

    /// Records of which tags may be left: damaged ones, and those of which fewer went than there must have been.
    fn unsure(&self, gone: &BTreeMap<SubjectId, u64>) -> BTreeSet<SubjectId> {
        let fewer = self
            .least
            .iter()
            .filter(|(id, least)| gone.get(id).copied().unwrap_or_default() < **least)
            .map(|(id, _)| *id);
        fewer.chain(self.damaged.iter().copied()).collect()
    }
}

/// What went, by record.
struct Done {
    keyed: BTreeSet<SubjectId>,
    segments: BTreeMap<SubjectId, u64>,
    tags: BTreeMap<SubjectId, u64>,
    sources: BTreeMap<SubjectId, u64>,
    swept: BTreeSet<SubjectId>,
}

impl Done {
    fn told(
        &self,
        p: &Privity,
        groups: &BTreeMap<SubjectId, BTreeSet<SubjectId>>,
        actor: &Actor,
    ) -> (Forgotten, Vec<NewRecord>) {
        let (mut all, mut records) = (Forgotten::default(), Vec::new());
        for (subject, members) in groups {
            let sum = |counts: &BTreeMap<SubjectId, u64>| {
                members.iter().filter_map(|id| counts.get(id)).sum::<u64>()
            };
            let one = Forgotten {
                subjects: 1,
                records: members.intersection(&self.keyed).count() as u64,
                segments: sum(&self.segments),
                identifiers: sum(&self.tags),
                source_records: sum(&self.sources),
            };
            // Forgotten before: there is nothing to tell.
            if one
                == (Forgotten {
                    subjects: 1,
                    ..Forgotten::default()
                })
            {
                continue;
            }
            let swept = members.intersection(&self.swept).count();
            records.push(record(p, actor, *subject, members, one).with("swept", swept));
            all.subjects += one.subjects;
            all.records += one.records;
            all.segments += one.segments;
            all.identifiers += one.identifiers;
            all.source_records += one.source_records;
        }
        (all, records)
    }
}

fn record(
    p: &Privity,
    actor: &Actor,
    subject: SubjectId,
    members: &BTreeSet<SubjectId>,
    one: Forgotten,
) -> NewRecord {
    let others = members.iter().filter(|id| **id != subject);
    let named: Vec<_> = others.take(NAMED).map(ToString::to_string).collect();
    NewRecord::new(p.now(), actor.clone(), Action::ProfileErased)
        .with("subject", subject.to_string())
        .with("merged", named)
        .with("keys", one.records)
        .with("segments", one.segments)
        .with("identifiers", one.identifiers)
        .with("source_records", one.source_records)
}

fn add(counts: &mut BTreeMap<SubjectId, u64>, more: BTreeMap<SubjectId, u64>) {
    for (id, count) in more {
        *counts.entry(id).or_default() += count;
    }
}
