//! What is known of subjects for policies, packed, and for how many the same is known. Nothing here is a personal value, but the moment at
//! which a child's facts change may tell her birthday.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::Hash;
use domain::id::SubjectId;
use jiff::Timestamp;

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// What is kept of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFacts {
    /// The packed vector; `None` when it was never worked out.
    pub packed: Option<Vec<u8>>,
    /// Grows with every change of what is known.
    pub version: u64,
    /// When it changes by itself; `None` never, the first moment of 1970 when it is outdated already.
    pub changes_at: Option<Timestamp>,
}

/// Of a subject that was asked for: who stands for her, and what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The id that was asked for.
    pub asked: SubjectId,
    /// Who stands for her.
    pub canonical: SubjectId,
    /// What is kept; `None` when there is no row.
    pub stored: Option<StoredFacts>,
}

/// The facts of these subjects; whoever is not there, or was erased, is left out.
pub fn find(tx: &mut Tx, subjects: &BTreeSet<SubjectId>) -> Result<Vec<Found>, Error> {
    let sql = "-- find subject_facts
        SELECT s.id, s.canonical, f.packed, f.version, f.changes_at FROM (VALUES (?1 /* BYTEA */)) AS given
        JOIN subject s ON s.id = column1 LEFT JOIN subject_facts f ON f.subject_id = COALESCE(s.canonical, s.id)
        WHERE s.erased_at IS NULL";
    let found = tx.query_given(sql, &sets(subjects))?;
    let read = |row: &Row| {
        let asked = row.id("id")?;
        Ok(Found {
            asked,
            canonical: row.opt_id("canonical")?.unwrap_or(asked),
            stored: opt_facts(row)?,
        })
    };
    found.iter().map(read).collect()
}

/// Holds the rows whose moment has come, the earliest first, until the transaction ends.
pub fn hold_due(
    tx: &mut Tx,
    now: Timestamp,
    limit: u32,
) -> Result<BTreeMap<SubjectId, StoredFacts>, Error> {
    let sql = "-- hold due subject_facts
        SELECT f.subject_id, f.packed, f.version, f.changes_at FROM subject_facts f
        WHERE f.changes_at IS NOT NULL AND f.changes_at <= ?1 ORDER BY f.changes_at, f.subject_id LIMIT ?2 /* skip locked */";
    let rows = tx.query(sql, &[now.into(), limit.into()])?;
    rows.iter()
        .map(|row| Ok((row.id("subject_id")?, facts(row)?)))
        .collect()
}

/// Whether a row waits to be worked out anew.
pub fn is_any_due(tx: &mut Tx, now: Timestamp) -> Result<bool, Error> {
    let sql = "-- look for due subject_facts\nSELECT 1 AS due FROM subject_facts WHERE changes_at IS NOT NULL AND changes_at <= ?1 LIMIT 1";
    Ok(tx.query_optional(sql, &[now.into()])?.is_some())
}

/// How many rows wait to be worked out anew.
pub fn count_due(tx: &mut Tx, now: Timestamp) -> Result<u64, Error> {
    let sql = "-- count due subject_facts\nSELECT COUNT(*) AS due FROM subject_facts WHERE changes_at IS NOT NULL AND changes_at <= ?1";
    tx.query_one(sql, &[now.into()])?.count("due")
}

/// How many rows were worked out to nothing and are tried again later: what is recorded of these subjects can't be read.
pub fn count_damaged(tx: &mut Tx, now: Timestamp) -> Result<u64, Error> {
    let sql = "-- count damaged subject_facts\nSELECT COUNT(*) AS damaged FROM subject_facts WHERE changes_at > ?1 AND packed IS NULL";
    tx.query_one(sql, &[now.into()])?.count("damaged")
}

/// Makes rows for new subjects, to be worked out.
pub fn insert_new(tx: &mut Tx, subjects: &[SubjectId]) -> Result<u64, Error> {
    let sql = "-- insert subject_facts
        INSERT INTO subject_facts (subject_id, version, changes_at) SELECT column1, column2, column3
        FROM (VALUES (?1 /* BYTEA */, ?2 /* BIGINT */, ?3 /* BIGINT */)) AS given";
    tx.load(sql, subjects, |id| {
        vec![Value::id(*id), 0i64.into(), 0i64.into()]
    })
}

/// Says that what is kept of these records, and of whoever stands for them, has to be worked out anew. The rows are held, so that whoever
/// works them out at this moment comes before or after; and who stands for them is asked only then, since whoever merges or splits holds them, too.
pub fn outdate(tx: &mut Tx, records: &BTreeSet<SubjectId>) -> Result<(), Error> {
    outdate_rows(tx, records)?;
    let sql = "-- find who stands for subjects
        SELECT s.canonical FROM (VALUES (?1 /* BYTEA */)) AS given JOIN subject s ON s.id = column1 WHERE s.canonical IS NOT NULL";
    let standing = tx.query_given(sql, &sets(records))?;
    let standing = standing.iter().map(|row| row.id("canonical"));
    let standing = standing.collect::<Result<BTreeSet<SubjectId>, _>>()?;
    if standing.is_empty() {
        return Ok(());
    }
    outdate_rows(tx, &standing)
}

/// The same for exactly these rows.
pub fn outdate_rows(tx: &mut Tx, subjects: &BTreeSet<SubjectId>) -> Result<(), Error> {
    let sql = "-- outdate row of subject_facts
        UPDATE subject_facts SET changes_at = 0 FROM (VALUES (?1 /* BYTEA */)) AS given WHERE subject_id = column1";
    tx.execute_many(sql, &sets(subjects)).map(drop)
}

/// The same for everybody, those included of whom no row was made yet. Passes over all subjects; and writes those that are outdated already, since
/// whoever works one of them out at this moment doesn't see yet what changed.
pub fn outdate_all(tx: &mut Tx) -> Result<(), Error> {
    let all = "-- outdate all subject_facts\nUPDATE subject_facts SET changes_at = 0";
    tx.execute(all, &[])?;
    let missing = "-- insert missing subject_facts
        INSERT INTO subject_facts (subject_id, version, changes_at) SELECT s.id, 0, 0 FROM subject s
        WHERE s.erased_at IS NULL AND NOT EXISTS (SELECT 1 FROM subject_facts f WHERE f.subject_id = s.id)
        ON CONFLICT DO NOTHING";
    tx.execute(missing, &[]).map(drop)
}

/// Who may have other facts since a moment: whose were saved then or later, and who was forgotten.
pub fn changed_since(tx: &mut Tx, since: Timestamp) -> Result<BTreeSet<SubjectId>, Error> {
    let saved = "-- find saved subject_facts
        SELECT subject_id AS id FROM subject_facts WHERE saved_at IS NOT NULL AND saved_at >= ?1";
    let forgotten = "-- find forgotten subjects
        SELECT id, canonical FROM subject WHERE erased_at IS NOT NULL AND erased_at >= ?1";
    let mut changed = BTreeSet::new();
    for row in tx.query(saved, &[since.into()])? {
        changed.insert(row.id("id")?);
    }
    for row in tx.query(forgotten, &[since.into()])? {
        changed.insert(row.id("id")?);
        changed.extend(row.opt_id("canonical")?);
    }
    Ok(changed)
}

/// Saves what was worked out at a moment, of rows that are held.
pub fn save(
    tx: &mut Tx,
    facts: &BTreeMap<SubjectId, StoredFacts>,
    at: Timestamp,
) -> Result<(), Error> {
    let sql = "-- save subject_facts
        UPDATE subject_facts SET packed = column2, version = column3, changes_at = column4, saved_at = column5
        FROM (VALUES (?1 /* BYTEA */, ?2 /* BYTEA */, ?3 /* BIGINT */, ?4 /* BIGINT */, ?5 /* BIGINT */)) AS given WHERE subject_id = column1";
    let values = |(id, facts): (&SubjectId, &StoredFacts)| {
        vec![
            Value::id(*id),
            facts.packed.clone().map_or(Value::Null, Value::Bytes),
            facts.version.into(),
            facts.changes_at.into(),
            at.into(),
        ]
    };
    tx.execute_many(sql, &facts.iter().map(values).collect::<Vec<_>>())
        .map(drop)
}

/// Removes what is kept of forgotten subjects, and counts them out.
pub fn forget(tx: &mut Tx, subjects: &BTreeSet<SubjectId>) -> Result<(), Error> {
    let sql =
        "-- forget subject_facts\nDELETE FROM subject_facts WHERE subject_id = ?1 RETURNING packed";
    let mut counts = Counts::default();
    for row in tx.query_many(sql, &sets(subjects))?.iter().flatten() {
        if let Some(packed) = row.opt_bytes("packed")? {
            counts.add(packed, -1);
        }
    }
    count(tx, &counts)
}

/// Changes of counts by packed vector.
#[derive(Clone, Debug, Default)]
pub struct Counts(BTreeMap<Vec<u8>, i64>);

impl Counts {
    /// Adds heads to a vector, or takes some away.
    pub fn add(&mut self, packed: &[u8], heads: i64) {
        *self.0.entry(packed.to_vec()).or_default() += heads;
    }
}

/// Applies changes of counts.
pub fn count(tx: &mut Tx, counts: &Counts) -> Result<(), Error> {
    let sql = "-- count facts
        INSERT INTO facts_count (vector, packed, subjects) SELECT column1, column2, column3
        FROM (VALUES (?1 /* BYTEA */, ?2 /* BYTEA */, ?3 /* BIGINT */)) AS given
        WHERE TRUE ON CONFLICT (vector) DO UPDATE SET subjects = facts_count.subjects + excluded.subjects";
    let changed = counts.0.iter().filter(|(_, heads)| **heads != 0);
    let mut rows: Vec<_> = changed
        .map(|(packed, heads)| (Hash::of(packed).0, packed, *heads))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    // In one order, so that two who count meet in one place.
    rows.sort_unstable();
    let set = |(vector, packed, heads): &([u8; 32], &Vec<u8>, i64)| {
        vec![
            vector.to_vec().into(),
            packed.to_vec().into(),
            (*heads).into(),
        ]
    };
    tx.execute_many(sql, &rows.iter().map(set).collect::<Vec<_>>())?;
    let gone =
        "-- remove empty facts_count\nDELETE FROM facts_count WHERE vector = ?1 AND subjects <= 0";
    let less = rows.iter().filter(|(_, _, heads)| *heads < 0);
    let sets: Vec<_> = less
        .map(|(vector, ..)| vec![vector.to_vec().into()])
        .collect();
    tx.execute_many(gone, &sets).map(drop)
}

/// Each packed vector with how many subjects have it.
pub fn counts(tx: &mut Tx) -> Result<Vec<(Vec<u8>, u64)>, Error> {
    let rows = tx.query("-- list facts_count\nSELECT packed, subjects FROM facts_count WHERE subjects > 0 ORDER BY vector", &[])?;
    rows.iter()
        .map(|row| Ok((row.bytes("packed")?.to_vec(), row.count("subjects")?)))
        .collect()
}

/// What is kept, where the row of a join has any.
pub(crate) fn opt_facts(row: &Row) -> Result<Option<StoredFacts>, Error> {
    let is_there = row.opt_int("version")?.is_some();
    is_there.then(|| facts(row)).transpose()
}

fn facts(row: &Row) -> Result<StoredFacts, Error> {
    Ok(StoredFacts {
        packed: row.opt_bytes("packed")?.map(<[u8]>::to_vec),
        version: row.count("version")?,
        changes_at: row.opt_time("changes_at")?,
    })
}

fn sets(ids: &BTreeSet<SubjectId>) -> Vec<Vec<Value>> {
    ids.iter().map(|id| vec![Value::id(*id)]).collect()
}
