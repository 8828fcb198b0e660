//! Makes the tags of all identifiers anew under the present index key, beside the old ones, and then takes the old ones away: reads look
//! for every version meanwhile, so nobody is lost between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::audit::{Action, Actor, NewRecord};
use domain::id::SubjectId;
use domain::identity::IdentifierTag;
use domain::profile::{Schema, SourceNumber};
use enforcement::vault::{IndexKeys, RecordTags, SegmentTag};
use storage::identifier::StoredIdentifier;
use storage::profile_segment::StoredSegment;
use storage::source_record::StoredSourceRecord;
use storage::subject::StoredKey;
use storage::{Tx, identifier, profile_segment, source_record, subject};

use super::rewrap::Rewrapped;
use crate::profile::{identifier_rows, place_of, subject_key};
use crate::{Privity, Problem};

/// Subjects in one transaction: about 20 ms of the one writer.
const STEP: u32 = 400;
/// Rows that are looked at in one transaction for old tags.
const SWEEP: u32 = 5_000;

/// Tags everything under the present index key, and removes the tags of older ones. When a subject could not be opened, old tags stay.
pub(crate) async fn all(p: &Privity) -> Result<Rewrapped, Problem> {
    let mut done = Rewrapped::default();
    let older = p.keys().index_versions().older;
    let Some(schema) = p.schema().cloned() else {
        return Ok(done);
    };
    if older.is_empty() {
        return Ok(done);
    }
    tag_all(p, &schema, &mut done).await?;
    if done.unreadable == 0 {
        for version in older {
            sweep(p, version).await?;
        }
    }
    let record = NewRecord::new(p.now(), Actor::System, Action::KeysRewrapped)
        .with("kind", "index")
        .with("version", p.keys().index_versions().present)
        .with("subjects", done.subjects)
        .with("unreadable", done.unreadable);
    p.append(vec![record]).await?;
    Ok(done)
}

async fn tag_all(p: &Privity, schema: &Arc<Schema>, done: &mut Rewrapped) -> Result<(), Problem> {
    let counted = p.read("count keys", |tx| Ok(subject::count_by_epoch(tx)?));
    let all = counted.await?.iter().map(|(_, keys)| keys).sum();
    let (mut after, mut seen) = (None, 0);
    loop {
        let page = p
            .read("walk keys", move |tx| {
                Ok(subject::walk_keys(tx, after, STEP)?)
            })
            .await?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after = Some(*last);
        seen += page.len() as u64;
        let step = Step {
            p: p.clone(),
            schema: Arc::clone(schema),
            keys: p.keys().index_keys(schema),
            page,
        };
        let tagged = p.write_silently("tag subjects", move |tx| Ok((step.run(tx)?, Vec::new())));
        let ((subjects, unreadable), _) = tagged.await?;
        done.subjects += subjects;
        done.unreadable += unreadable;
        p.progress().tell("subjects looked at", seen, all);
    }
}

/// Some subjects, tagged anew in one transaction.
struct Step {
    p: Privity,
    schema: Arc<Schema>,
    keys: IndexKeys,
    page: Vec<(SubjectId, StoredKey)>,
}

#[derive(Default)]
struct Tagged {
    identifiers: Vec<StoredIdentifier>,
    /// Tags under which records of sources may be kept, each with what takes its place.
    records: Vec<(StoredSourceRecord, StoredSourceRecord)>,
}

impl Step {
    /// Answers how many subjects were tagged, and how many could not be opened. Holds them, so that no writer moves a tag meanwhile.
    fn run(&self, tx: &mut Tx) -> Result<(u64, u64), Problem> {
        let ids: BTreeSet<_> = self.page.iter().map(|(id, _)| *id).collect();
        let held = subject::hold(tx, &ids)?;
        let mut segments: BTreeMap<SubjectId, Vec<StoredSegment>> = BTreeMap::new();
        for segment in profile_segment::of_subjects(tx, &held)? {
            segments.entry(segment.subject).or_default().push(segment);
        }
        let (mut all, mut unreadable) = (Tagged::default(), 0);
        for (id, key) in self.page.iter().filter(|(id, _)| held.contains(id)) {
            let own = segments.remove(id).unwrap_or_default();
            match self.tags(*id, key, &own) {
                Some(tags) => self.add(*id, &tags, &mut all),
                None => unreadable += 1,
            }
        }
        identifier::insert_many(tx, &all.identifiers)?;
        self.move_records(tx, &all.records)?;
        Ok((held.len() as u64 - unreadable, unreadable))
    }

    fn tags(&self, id: SubjectId, key: &StoredKey, own: &[StoredSegment]) -> Option<RecordTags> {
        let key = subject_key(&self.p, id, key).ok()?;
        let places = own.iter().map(|one| (place_of(one), &one.sealed));
        key.record_tags(&self.schema, &self.keys, places).ok()
    }

    fn add(&self, id: SubjectId, tags: &RecordTags, all: &mut Tagged) {
        // A record is of one source; what finds possible matches is kept under it as well.
        let source = tags
            .identifiers
            .first()
            .map_or(SourceNumber(0), |tag| tag.source);
        let rows = identifier_rows(id, source, tags).into_iter();
        all.identifiers
            .extend(rows.filter(|row| row.key_version == self.keys.present()));
        let keys: Vec<_> = tags
            .identifiers
            .iter()
            .filter(|tag| self.finds(tag))
            .collect();
        for old in keys.iter().filter(|tag| tag.version != self.keys.present()) {
            let new = keys.iter().find(|new| {
                new.version == self.keys.present()
                    && (new.attribute, new.source) == (old.attribute, old.source)
            });
            all.records
                .extend(new.map(|new| (record(id, old), record(id, new))));
        }
    }

    /// Whether a source finds its record again by this.
    fn finds(&self, tag: &SegmentTag) -> bool {
        let source = self.schema.source(tag.source);
        source.is_some_and(|source| source.record == Some(tag.attribute))
    }

    /// Those that are kept under an old tag are kept under the new one as well.
    fn move_records(
        &self,
        tx: &mut Tx,
        records: &[(StoredSourceRecord, StoredSourceRecord)],
    ) -> Result<(), Problem> {
        let mut by_source: BTreeMap<SourceNumber, BTreeSet<IdentifierTag>> = BTreeMap::new();
        for (old, _) in records {
            by_source.entry(old.source).or_default().insert(old.tag);
        }
        let mut moved = BTreeSet::new();
        for (source, tags) in by_source {
            let whose = source_record::find_many(tx, source, tags)?;
            let of_source = records.iter().filter(|(old, _)| old.source == source);
            moved.extend(
                of_source
                    .filter(|(old, _)| whose.get(&old.tag) == Some(&old.subject))
                    .map(|(_, new)| *new),
            );
        }
        source_record::insert_many(tx, &moved.into_iter().collect::<Vec<_>>())?;
        Ok(())
    }
}

const fn record(subject: SubjectId, tag: &SegmentTag) -> StoredSourceRecord {
    StoredSourceRecord {
        source: tag.source,
        tag: tag.tag,
        subject,
        key_version: tag.version,
    }
}

/// Takes the tags of an old version away.
async fn sweep(p: &Privity, version: u32) -> Result<(), Problem> {
    let mut after = None;
    loop {
        let from = after.clone();
        let swept = p.write_silently("remove old tags", move |tx| {
            let (_, next) = identifier::delete_with_key_version(tx, version, from.as_ref(), SWEEP)?;
            Ok((next, Vec::new()))
        });
        let (next, _) = swept.await?;
        if next.is_none() {
            break;
        }
        after = next;
    }
    let mut after = None;
    loop {
        let from = after.clone();
        let swept = p.write_silently("remove old records of sources", move |tx| {
            let (_, next) =
                source_record::delete_with_key_version(tx, version, from.as_ref(), SWEEP)?;
            Ok((next, Vec::new()))
        });
        let (next, _) = swept.await?;
        if next.is_none() {
            return Ok(());
        }
        after = next;
    }
}
