//! Compares every sealed part of a profile with what the audit log says was last written there: whoever writes into our database can put
//! an older row back, which opens as it did then, but he can't put back what was recorded.
//!
//! Decision: docs/decisions/003-audit-log.md and 004-vault.md.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Record};
use domain::id::SubjectId;
use serde::Serialize;
use storage::profile_segment::{self, StoredSegment};
use storage::{Tx, audit, subject};

use crate::profile::{row_hash, row_text};
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
    /// It has the version that was written last, and other bytes.
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

type Place = (SubjectId, String);

/// Version and hash, as the audit log has them.
type Written = (u64, String);

/// Compares all rows, over one unchanging state of the database.
pub async fn reconcile(p: &Privity) -> Result<Reconciled, Problem> {
    let q = p.clone();
    p.read("reconcile profiles", move |tx| {
        let mut done = Reconciled::default();
        let mut last = last_written(&q, tx, &mut done)?;
        compare(&q, tx, &mut last, &mut done)?;
        missing(tx, last, &mut done)?;
        Ok(done)
    })
    .await
}

/// What was last written to each row, as far as it is recorded row by row: all changes, and the first versions of small batches.
fn last_written(
    p: &Privity,
    tx: &mut Tx,
    done: &mut Reconciled,
) -> Result<BTreeMap<Place, Written>, Problem> {
    let (log, mut last) = (p.log_name(), BTreeMap::new());
    let size = audit::state(tx, &log)?.frontier.size();
    loop {
        let page = audit::entries(tx, &log, done.records, PAGE)?;
        if page.is_empty() {
            return Ok(last);
        }
        for entry in &page {
            let record = Record::from_entry(&entry.bytes)
                .map_err(|error| Problem::internal("reading the audit log", &error))?;
            if record.action == Action::ProfilesWritten {
                last.extend(rows_of(&record));
            }
        }
        done.records += page.len() as u64;
        p.progress().tell("records read", done.records, size);
    }
}

fn rows_of(record: &Record) -> Vec<(Place, Written)> {
    let rows = record.details.get("rows").and_then(|rows| rows.as_array());
    let texts = rows.into_iter().flatten().filter_map(|row| row.as_str());
    texts.filter_map(parse).collect()
}

/// `SUBJECT.SEGMENT.VERSION.HASH`
fn parse(text: &str) -> Option<(Place, Written)> {
    let mut parts = text.split('.');
    let subject = SubjectId::from_uuid(uuid::Uuid::try_parse(parts.next()?).ok()?);
    let segment = parts.next()?.to_owned();
    let version = parts.next()?.parse().ok()?;
    Some(((subject, segment), (version, parts.next()?.to_owned())))
}

/// Takes each row that is there out of `last`.
fn compare(
    p: &Privity,
    tx: &mut Tx,
    last: &mut BTreeMap<Place, Written>,
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
        for row in &page {
            let place = (row.subject, row.segment.text().to_owned());
            let written = last.remove(&place);
            if let Some(fault) = fault_of(row, written) {
                done.findings.push(finding(place, fault));
            }
        }
        done.rows += page.len() as u64;
        p.progress().tell("rows compared", done.rows, all);
    }
}

fn fault_of(row: &StoredSegment, written: Option<Written>) -> Option<RowFault> {
    let Some((version, hash)) = written else {
        // Large batches record the hash over all of their new rows instead of each.
        return (row.row_version > 1).then_some(RowFault::Unrecorded);
    };
    if row.row_version < version {
        return Some(RowFault::RolledBack);
    }
    if row.row_version > version {
        return Some(RowFault::Unrecorded);
    }
    let is_same = row_text(row, &row_hash(row)).ends_with(&format!(".{hash}"));
    (!is_same).then_some(RowFault::Altered)
}

/// What was written and is not there: of erased subjects it must not be.
fn missing(
    tx: &mut Tx,
    last: BTreeMap<Place, Written>,
    done: &mut Reconciled,
) -> Result<(), Problem> {
    let ids: BTreeSet<_> = last.keys().map(|(subject, _)| *subject).collect();
    let alive: BTreeSet<_> = subject::get_many(tx, &ids)?
        .into_iter()
        .filter(|subject| subject.erased_at.is_none())
        .map(|subject| subject.id)
        .collect();
    let gone = last
        .into_keys()
        .filter(|(subject, _)| alive.contains(subject));
    done.findings
        .extend(gone.map(|place| finding(place, RowFault::Missing)));
    Ok(())
}

fn finding((subject, segment): Place, fault: RowFault) -> RowFinding {
    RowFinding {
        subject,
        segment,
        fault,
    }
}
