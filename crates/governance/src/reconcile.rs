//! Compares every sealed part of a profile with what the audit log says was last written there: whoever writes into our database can put
//! an older row back, which opens as it did then, but he can't put back what was recorded. Of the new rows of large batches the log knows
//! that they are there, and the vault whether they are whole; who was erased, only the log says.
//!
//! Decision: docs/decisions/003-audit-log.md and 004-vault.md.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Record};
use domain::id::SubjectId;
use domain::profile::{Schema, Segment};
use serde::Serialize;
use storage::profile_segment::{self, StoredSegment};
use storage::subject::StoredKey;
use storage::{Tx, audit, subject};

use crate::profile::{NEW_ROWS, Parts, new_rows, place_of, row_hash, row_text, subject_key};
use crate::{Privity, Problem};

/// Rows, and records of the audit log, that are read at a time.
const PAGE: u32 = 2_000;

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Rows that were compared.
    pub rows: u64,
    /// Records of the audit log that were read.
    pub records: u64,
    /// Rows that are not as they were last written.
    pub findings: Vec<RowFinding>,
}

/// One row that is not as it was last written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowFinding {
    /// Whose it is.
    pub subject: SubjectId,
    /// Which part of her profile.
    pub segment: String,
    /// What is wrong.
    pub fault: RowFault,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowFault {
    /// An older version was put back.
    RolledBack,
    /// It has the version that was written last, and other bytes; or it doesn't open.
    Altered,
    /// It has a version that nobody recorded.
    Unrecorded,
    /// It is gone, although its subject was not erased.
    Missing,
}

impl RowFault {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::RolledBack => "an older version was put back",
            Self::Altered => "its bytes are not those that were written",
            Self::Unrecorded => "nobody recorded that it was written",
            Self::Missing => "it is gone, although its subject was not erased",
        }
    }
}

type Place = (SubjectId, Segment);

/// Version and hash, as the audit log has them.
type Written = (u64, String);

/// What must be there, by the audit log.
#[derive(Default)]
struct Expected {
    /// Rows that are recorded one by one: all changes, and the first versions of small batches.
    rows: BTreeMap<Place, Written>,
    /// First versions of large batches.
    new: BTreeMap<SubjectId, Parts>,
    /// Whether an erasure had more records than its record of the log names.
    erased_unnamed: bool,
}

/// Compares all rows, over one unchanging state of the database.
pub async fn reconcile(p: &Privity) -> Result<Reconciled, Problem> {
    let q = p.clone();
    p.read("reconcile profiles", move |tx| {
        let mut done = Reconciled::default();
        let mut expected = read_log(&q, tx, &mut done)?;
        compare(&q, tx, &mut expected, &mut done)?;
        missing(tx, expected, &mut done)?;
        Ok(done)
    })
    .await
}

fn read_log(p: &Privity, tx: &mut Tx, done: &mut Reconciled) -> Result<Expected, Problem> {
    let (log, mut expected) = (p.log_name(), Expected::default());
    let size = audit::state(tx, &log)?.frontier.size();
    loop {
        let page = audit::entries(tx, &log, done.records, PAGE)?;
        if page.is_empty() {
            return Ok(expected);
        }
        for entry in &page {
            let record = Record::from_entry(&entry.bytes)
                .map_err(|error| Problem::internal("reading the audit log", &error))?;
            match record.action {
                Action::ProfilesWritten => expected.add(&record),
                Action::ProfileErased => expected.forget(&record),
                _ => {}
            }
        }
        done.records += page.len() as u64;
        p.progress().tell("records read", done.records, size);
    }
}

impl Expected {
    fn add(&mut self, record: &Record) {
        let rows = record.details.get("rows").and_then(|rows| rows.as_array());
        let texts = rows.into_iter().flatten().filter_map(|row| row.as_str());
        for (place, written) in texts.filter_map(parse) {
            self.take_new(place);
            self.rows.insert(place, written);
        }
        let new = record.details.get(NEW_ROWS).and_then(|text| text.as_str());
        for (subject, parts) in new.into_iter().flat_map(new_rows) {
            self.new.entry(subject).or_default().extend(parts);
        }
    }

    /// Nothing of those who were erased must be there.
    fn forget(&mut self, record: &Record) {
        let subject = record.details.get("subject").into_iter();
        let merged = record.details.get("merged").and_then(|all| all.as_array());
        let named: Vec<SubjectId> = subject
            .chain(merged.into_iter().flatten())
            .filter_map(|id| id.as_str()?.parse().ok())
            .collect();
        let keys = record.details.get("keys").and_then(|keys| keys.as_u64());
        self.erased_unnamed |= keys.unwrap_or_default() > named.len() as u64;
        for subject in named {
            self.new.remove(&subject);
            for segment in Segment::ALL {
                self.rows.remove(&(subject, segment));
            }
        }
    }

    fn take_new(&mut self, (subject, segment): Place) {
        if let Some(parts) = self.new.get_mut(&subject) {
            parts.remove(segment);
        }
    }
}

/// `SUBJECT.SEGMENT.VERSION.HASH`
fn parse(text: &str) -> Option<(Place, Written)> {
    let mut parts = text.split('.');
    let subject = SubjectId::from_uuid(uuid::Uuid::try_parse(parts.next()?).ok()?);
    let segment = Segment::from_text(parts.next()?)?;
    let version = parts.next()?.parse().ok()?;
    Some(((subject, segment), (version, parts.next()?.to_owned())))
}

/// Takes each row that is there out of what is expected.
fn compare(
    p: &Privity,
    tx: &mut Tx,
    expected: &mut Expected,
    done: &mut Reconciled,
) -> Result<(), Problem> {
    let all = profile_segment::count(tx)?;
    let mut after = None;
    loop {
        let page = profile_segment::walk(tx, after, PAGE)?;
        let Some(end) = page.last() else {
            return Ok(());
        };
        after = Some((end.subject, end.segment));
        let mut unlisted = Vec::new();
        for row in &page {
            let place = (row.subject, row.segment);
            expected.take_new(place);
            match expected.rows.remove(&place) {
                Some(written) => done.find(place, fault_of(row, written)),
                None if row.row_version > 1 => done.find(place, Some(RowFault::Unrecorded)),
                None => unlisted.push(row),
            }
        }
        look_inside(p, tx, &unlisted, done)?;
        done.rows += page.len() as u64;
        p.progress().tell("rows compared", done.rows, all);
    }
}

fn fault_of(row: &StoredSegment, (version, hash): Written) -> Option<RowFault> {
    if row.row_version < version {
        return Some(RowFault::RolledBack);
    }
    if row.row_version > version {
        return Some(RowFault::Unrecorded);
    }
    let is_same = row_text(row, &row_hash(row)).ends_with(&format!(".{hash}"));
    (!is_same).then_some(RowFault::Altered)
}

/// First versions whose hash the log doesn't have on its own: there is no older one to put in their place, so whatever opens is theirs.
fn look_inside(
    p: &Privity,
    tx: &mut Tx,
    rows: &[&StoredSegment],
    done: &mut Reconciled,
) -> Result<(), Problem> {
    if rows.is_empty() {
        return Ok(());
    }
    let schema = p.needed_schema()?;
    let ids: BTreeSet<_> = rows.iter().map(|row| row.subject).collect();
    let stored = subject::get_many(tx, &ids)?.into_iter();
    let keys: BTreeMap<_, _> = stored.filter_map(|one| Some((one.id, one.key?))).collect();
    for row in rows {
        let fault = match keys.get(&row.subject) {
            // Who was erased, or never was, has no rows.
            None => Some(RowFault::Unrecorded),
            Some(key) => (!is_whole(p, &schema, key, row)).then_some(RowFault::Altered),
        };
        done.find((row.subject, row.segment), fault);
    }
    Ok(())
}

/// Whether it opens where it lies; nothing of it comes out.
fn is_whole(p: &Privity, schema: &Schema, key: &StoredKey, row: &StoredSegment) -> bool {
    subject_key(p, row.subject, key).is_ok_and(|key| {
        key.segment_tags(schema, &[], &place_of(row), &row.sealed)
            .is_ok()
    })
}

/// What was written and is not there. Who was erased is known from the log alone: whoever writes into the database can say it there.
fn missing(tx: &mut Tx, expected: Expected, done: &mut Reconciled) -> Result<(), Problem> {
    let rows = expected.rows.into_keys();
    let new = expected.new.into_iter();
    let new = new.flat_map(|(subject, parts)| parts.segments().map(move |part| (subject, part)));
    let gone: BTreeSet<Place> = rows.chain(new).collect();
    let mut erased = BTreeSet::new();
    if expected.erased_unnamed {
        let ids: BTreeSet<_> = gone.iter().map(|(subject, _)| *subject).collect();
        let stored = subject::get_many(tx, &ids)?.into_iter();
        erased.extend(
            stored
                .filter(|one| one.erased_at.is_some())
                .map(|one| one.id),
        );
    }
    for place in gone {
        let fault = (!erased.contains(&place.0)).then_some(RowFault::Missing);
        done.find(place, fault);
    }
    Ok(())
}

impl Reconciled {
    fn find(&mut self, (subject, segment): Place, fault: Option<RowFault>) {
        self.findings.extend(fault.map(|fault| RowFinding {
            subject,
            segment: segment.text().to_owned(),
            fault,
        }));
    }
}
