//! Sealed segments of profiles: one row for each subject and part, with a version that a change has to name.

use std::collections::BTreeSet;

use domain::id::SubjectId;
use domain::profile::Segment;
use domain::sensitive::Sealed;
use jiff::Timestamp;

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// The table's name: part of what sealed bytes are bound to.
pub const TABLE: &str = "profile_segment";

/// One sealed segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSegment {
    /// Whose.
    pub subject: SubjectId,
    /// Which part.
    pub segment: Segment,
    /// Grows with every change; the first is 1.
    pub row_version: u64,
    /// Version of the schema under which it was sealed.
    pub schema_version: u32,
    /// What is inside.
    pub sealed: Sealed,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Stores the first segments of subjects.
///
/// # Errors
/// [`Error::AlreadyExists`] when a subject has the segment already.
pub fn insert_many<'s>(
    tx: &mut Tx,
    segments: impl IntoIterator<Item = &'s StoredSegment>,
) -> Result<u64, Error> {
    let sql = "-- insert profile_segment
        INSERT INTO profile_segment (subject_id, segment, row_version, schema_version, sealed, updated_at)
        SELECT column1, column2, column3, column4, column5, column6
        FROM (VALUES (?1 /* BYTEA */, ?2 /* TEXT */, ?3 /* BIGINT */, ?4 /* BIGINT */, ?5 /* BYTEA */, ?6 /* BIGINT */)) AS given";
    let segments: Vec<_> = segments.into_iter().collect();
    tx.load(sql, &segments, |segment| values(segment))
}

/// Changes segments, each from the version before its own; a segment of version 1 is new. Answers those whose stored version was
/// another: somebody else changed them meanwhile, and they stay as that one left them.
pub fn save_many(
    tx: &mut Tx,
    segments: &[StoredSegment],
) -> Result<BTreeSet<(SubjectId, Segment)>, Error> {
    let new = "-- insert profile_segment of known subject
        INSERT INTO profile_segment (subject_id, segment, row_version, schema_version, sealed, updated_at)
        SELECT column1, column2, column3, column4, column5, column6
        FROM (VALUES (?1 /* BYTEA */, ?2 /* TEXT */, ?3 /* BIGINT */, ?4 /* BIGINT */, ?5 /* BYTEA */, ?6 /* BIGINT */)) AS given
        WHERE TRUE ON CONFLICT (subject_id, segment) DO NOTHING RETURNING subject_id, segment";
    let changed = "-- save profile_segment
        UPDATE profile_segment SET row_version = column3, schema_version = column4, sealed = column5, updated_at = column6
        FROM (VALUES (?1 /* BYTEA */, ?2 /* TEXT */, ?3 /* BIGINT */, ?4 /* BIGINT */, ?5 /* BYTEA */, ?6 /* BIGINT */)) AS given
        WHERE subject_id = column1 AND segment = column2 AND row_version = column3 - 1
        RETURNING subject_id, segment";
    let mut missed: BTreeSet<_> = segments
        .iter()
        .map(|segment| (segment.subject, segment.segment))
        .collect();
    for (sql, first) in [(new, true), (changed, false)] {
        let sets: Vec<_> = segments
            .iter()
            .filter(|segment| (segment.row_version == 1) == first)
            .map(values)
            .collect();
        if sets.is_empty() {
            continue;
        }
        for row in tx.query_given(sql, &sets)? {
            missed.remove(&(row.id("subject_id")?, segment_of(&row)?));
        }
    }
    Ok(missed)
}

/// All segments of these subjects, in no order.
pub fn of_subjects(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
) -> Result<Vec<StoredSegment>, Error> {
    let sql = "-- list profile_segment
        SELECT s.subject_id, s.segment, s.row_version, s.schema_version, s.sealed, s.updated_at
        FROM (VALUES (?1 /* BYTEA */)) AS given JOIN profile_segment s ON s.subject_id = column1";
    let sets: Vec<_> = subjects.iter().map(|id| vec![Value::id(*id)]).collect();
    tx.query_given(sql, &sets)?.iter().map(stored).collect()
}

/// One part of these subjects' profiles, in no order; whoever doesn't have it is left out.
pub fn of_segment(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
    segment: Segment,
) -> Result<Vec<StoredSegment>, Error> {
    let sql = "-- list profile_segment of segment
        SELECT s.subject_id, s.segment, s.row_version, s.schema_version, s.sealed, s.updated_at
        FROM (VALUES (?1 /* BYTEA */, ?2 /* TEXT */)) AS given JOIN profile_segment s ON s.subject_id = column1 AND s.segment = column2";
    let sets: Vec<_> = subjects
        .iter()
        .map(|id| vec![Value::id(*id), segment.text().into()])
        .collect();
    tx.query_given(sql, &sets)?.iter().map(stored).collect()
}

/// Segments in the order of their subjects, after one of them: for work that passes over all.
pub fn walk(
    tx: &mut Tx,
    after: Option<(SubjectId, Segment)>,
    limit: u32,
) -> Result<Vec<StoredSegment>, Error> {
    let sql = "-- walk profile_segment
        SELECT subject_id, segment, row_version, schema_version, sealed, updated_at FROM profile_segment
        WHERE (subject_id, segment) > (?1, ?2) ORDER BY subject_id, segment LIMIT ?3";
    let (subject, segment) = after.map_or_else(
        || (Value::Bytes(Vec::new()), ""),
        |(subject, segment)| (Value::id(subject), segment.text()),
    );
    let rows = tx.query(sql, &[subject, segment.into(), limit.into()])?;
    rows.iter().map(stored).collect()
}

/// How many there are.
pub fn count(tx: &mut Tx) -> Result<u64, Error> {
    let sql = "-- count profile_segment\nSELECT COUNT(*) AS segments FROM profile_segment";
    tx.query_one(sql, &[])?.count("segments")
}

/// Which of these subjects have a segment.
pub fn holders(tx: &mut Tx, subjects: &BTreeSet<SubjectId>) -> Result<BTreeSet<SubjectId>, Error> {
    let sql = "-- list holder of profile_segment
        SELECT s.subject_id FROM (VALUES (?1 /* BYTEA */)) AS given JOIN profile_segment s ON s.subject_id = column1";
    let sets: Vec<_> = subjects.iter().map(|id| vec![Value::id(*id)]).collect();
    let rows = tx.query_given(sql, &sets)?;
    rows.iter().map(|row| row.id("subject_id")).collect()
}

/// Removes all segments of these subjects and answers how many there were.
pub fn remove(tx: &mut Tx, subjects: &BTreeSet<SubjectId>) -> Result<u64, Error> {
    let sql = "-- remove profile_segment\nDELETE FROM profile_segment WHERE subject_id = ?1";
    let sets: Vec<_> = subjects.iter().map(|id| vec![Value::id(*id)]).collect();
    tx.execute_many(sql, &sets)
}

fn values(segment: &StoredSegment) -> Vec<Value> {
    vec![
        Value::id(segment.subject),
        segment.segment.text().into(),
        segment.row_version.into(),
        segment.schema_version.into(),
        (&segment.sealed).into(),
        segment.updated_at.into(),
    ]
}

/// The segment of a row that may have none.
pub(crate) fn opt_stored(row: &Row) -> Result<Option<StoredSegment>, Error> {
    let is_there = row.opt_text("segment")?.is_some();
    is_there.then(|| stored(row)).transpose()
}

fn stored(row: &Row) -> Result<StoredSegment, Error> {
    Ok(StoredSegment {
        subject: row.id("subject_id")?,
        segment: segment_of(row)?,
        row_version: row.count("row_version")?,
        schema_version: row.count("schema_version")?,
        sealed: row.sealed("sealed")?,
        updated_at: row.time("updated_at")?,
    })
}

fn segment_of(row: &Row) -> Result<Segment, Error> {
    row.word("segment", Segment::from_text)
}
