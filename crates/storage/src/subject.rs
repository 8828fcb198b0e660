//! Subjects: one row for each record about a person, with the key that everything in it is sealed under.
//!
//! Deleting the key is what forgets her (docs/decisions/004-vault.md); the row stays, so that its id is never taken for a new one's.

use std::collections::BTreeSet;

use domain::id::SubjectId;
use jiff::Timestamp;

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// The key of a subject as it is kept: wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its version.
    pub version: u32,
    /// The epoch that wraps it.
    pub epoch: u32,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
}

/// A new subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubject {
    /// Its id.
    pub id: SubjectId,
    /// Its key.
    pub key: StoredKey,
    /// When it is stored.
    pub created_at: Timestamp,
}

/// A stored subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSubject {
    /// Its id.
    pub id: SubjectId,
    /// The older record that stands for her; `None` when this one does.
    pub canonical: Option<SubjectId>,
    /// Its key; `None` once she was erased.
    pub key: Option<StoredKey>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When its key was destroyed.
    pub erased_at: Option<Timestamp>,
}

impl StoredSubject {
    /// The subject that stands for her.
    pub fn stands_for(&self) -> SubjectId {
        self.canonical.unwrap_or(self.id)
    }
}

/// A key that is to take the place of the one that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrapped {
    /// Whose.
    pub subject: SubjectId,
    /// The bytes that were read.
    pub expected: Vec<u8>,
    /// The new epoch.
    pub epoch: u32,
    /// The new bytes.
    pub wrapped: Vec<u8>,
}

/// Stores new subjects and answers how many.
///
/// # Errors
/// [`Error::AlreadyExists`] when one of them is there already.
pub fn insert_many<'s>(
    tx: &mut Tx,
    subjects: impl IntoIterator<Item = &'s NewSubject>,
) -> Result<u64, Error> {
    let sql = "-- insert subject
        INSERT INTO subject (id, key_version, key_epoch, wrapped_key, created_at)
        SELECT column1, column2, column3, column4, column5
        FROM (VALUES (?1 /* BYTEA */, ?2 /* BIGINT */, ?3 /* BIGINT */, ?4 /* BYTEA */, ?5 /* BIGINT */)) AS given";
    let subjects: Vec<_> = subjects.into_iter().collect();
    tx.load(sql, &subjects, |subject| {
        vec![
            Value::id(subject.id),
            subject.key.version.into(),
            subject.key.epoch.into(),
            subject.key.wrapped.clone().into(),
            subject.created_at.into(),
        ]
    })
}

/// The subjects with these ids, in no order; whoever is not there is left out.
pub fn get_many(tx: &mut Tx, ids: &BTreeSet<SubjectId>) -> Result<Vec<StoredSubject>, Error> {
    let sql = "-- get subject
        SELECT s.id, s.canonical, s.key_version, s.key_epoch, s.wrapped_key, s.created_at, s.erased_at
        FROM (VALUES (?1 /* BYTEA */)) AS given JOIN subject s ON s.id = column1";
    tx.query_given(sql, &sets_of(ids))?
        .iter()
        .map(subject)
        .collect()
}

/// Holds subjects until the transaction ends, and answers those that still have a key: whoever was erased meanwhile must get no new
/// segment.
pub fn hold(tx: &mut Tx, ids: &BTreeSet<SubjectId>) -> Result<BTreeSet<SubjectId>, Error> {
    let sql = "-- hold subject
        SELECT s.id FROM (VALUES (?1 /* BYTEA */)) AS given JOIN subject s ON s.id = column1 WHERE s.wrapped_key IS NOT NULL /* for update */";
    let rows = tx.query_given(sql, &sets_of(ids))?;
    rows.iter().map(|row| row.id("id")).collect()
}

/// Subjects that have a key and stand for themselves, `limit` of them after a place, in the order of their ids.
pub fn page_of_canonical(
    tx: &mut Tx,
    after: Option<SubjectId>,
    limit: u32,
) -> Result<Vec<SubjectId>, Error> {
    let sql = "-- page canonical subject
        SELECT id FROM subject WHERE id > ?1 AND canonical IS NULL AND wrapped_key IS NOT NULL ORDER BY id LIMIT ?2";
    let after = after.map_or_else(|| Value::from(Vec::new()), Value::id);
    let rows = tx.query(sql, &[after, limit.into()])?;
    rows.iter().map(|row| row.id("id")).collect()
}

/// All records of these canonical subjects, the canonical ones included.
pub fn members(tx: &mut Tx, canonical: &BTreeSet<SubjectId>) -> Result<Vec<StoredSubject>, Error> {
    let sql = "-- list member of subject
        SELECT s.id, s.canonical, s.key_version, s.key_epoch, s.wrapped_key, s.created_at, s.erased_at
        FROM (VALUES (?1 /* BYTEA */)) AS given JOIN subject s ON s.canonical = column1";
    let mut found = get_many(tx, canonical)?;
    for row in tx.query_given(sql, &sets_of(canonical))? {
        found.push(subject(&row)?);
    }
    Ok(found)
}

/// Says which record stands for each of these; `None` when it stands for itself.
pub fn set_canonical(
    tx: &mut Tx,
    changes: &[(SubjectId, Option<SubjectId>)],
) -> Result<u64, Error> {
    let sql = "-- set canonical of subject
        UPDATE subject SET canonical = column2 FROM (VALUES (?1 /* BYTEA */, ?2 /* BYTEA */)) AS given WHERE id = column1";
    let values = |(id, canonical): &(SubjectId, Option<SubjectId>)| {
        vec![Value::id(*id), canonical.map_or(Value::Null, Value::id)]
    };
    tx.execute_many(sql, &changes.iter().map(values).collect::<Vec<_>>())
}

/// Destroys the keys of these subjects; those erased before stay as they are. Answers how many keys were destroyed.
/// [`crate::Database::scrub`] clears the files of them afterwards.
pub fn erase(tx: &mut Tx, ids: &BTreeSet<SubjectId>, at: Timestamp) -> Result<u64, Error> {
    let sql = "-- erase subject
        UPDATE subject SET wrapped_key = NULL, key_epoch = NULL, canonical = NULL, erased_at = ?2 WHERE id = ?1 AND erased_at IS NULL";
    let sets: Vec<_> = ids
        .iter()
        .map(|id| vec![Value::id(*id), at.into()])
        .collect();
    tx.execute_many(sql, &sets)
}

/// Subjects with their keys in the order of their ids, after one of them: for work that passes over all. Erased ones are left out.
pub fn walk_keys(
    tx: &mut Tx,
    after: Option<SubjectId>,
    limit: u32,
) -> Result<Vec<(SubjectId, StoredKey)>, Error> {
    let sql = "-- walk keys of subjects
        SELECT id, key_version, key_epoch, wrapped_key FROM subject
        WHERE id > ?1 AND wrapped_key IS NOT NULL ORDER BY id LIMIT ?2";
    let after = after.map_or_else(|| Value::Bytes(Vec::new()), Value::id);
    let rows = tx.query(sql, &[after, limit.into()])?;
    rows.iter()
        .map(|row| {
            let key = key(row)?.ok_or_else(|| Error::Column {
                column: "wrapped_key".to_owned(),
                problem: "holds no value".to_owned(),
            })?;
            Ok((row.id("id")?, key))
        })
        .collect()
}

/// Puts rewrapped keys in the place of those that were read, and answers how many. A key that changed meanwhile, and that of a subject
/// who was erased meanwhile, stays as it is.
pub fn save_wrapped_keys(tx: &mut Tx, keys: &[Rewrapped]) -> Result<u64, Error> {
    let sql = "-- save wrapped key of subject
        UPDATE subject SET wrapped_key = column3, key_epoch = column4
        FROM (VALUES (?1 /* BYTEA */, ?2 /* BYTEA */, ?3 /* BYTEA */, ?4 /* BIGINT */)) AS given
        WHERE id = column1 AND wrapped_key = column2";
    let values = |key: &Rewrapped| {
        vec![
            Value::id(key.subject),
            key.expected.clone().into(),
            key.wrapped.clone().into(),
            key.epoch.into(),
        ]
    };
    tx.execute_many(sql, &keys.iter().map(values).collect::<Vec<_>>())
}

/// How many keys an epoch wraps. Passes over all subjects.
pub fn count_in_epoch(tx: &mut Tx, epoch: u32) -> Result<u64, Error> {
    let sql =
        "-- count subject in epoch\nSELECT COUNT(*) AS subjects FROM subject WHERE key_epoch = ?1";
    tx.query_one(sql, &[epoch.into()])?.count("subjects")
}

/// How many keys each epoch wraps, the oldest first. Passes over all subjects.
pub fn count_by_epoch(tx: &mut Tx) -> Result<Vec<(u32, u64)>, Error> {
    let sql = "-- count subject by epoch
        SELECT key_epoch, COUNT(*) AS subjects FROM subject WHERE key_epoch IS NOT NULL GROUP BY key_epoch ORDER BY key_epoch";
    let rows = tx.query(sql, &[])?;
    rows.iter()
        .map(|row| Ok((row.count("key_epoch")?, row.count("subjects")?)))
        .collect()
}

fn sets_of(ids: &BTreeSet<SubjectId>) -> Vec<Vec<Value>> {
    ids.iter().map(|id| vec![Value::id(*id)]).collect()
}

pub(crate) fn subject(row: &Row) -> Result<StoredSubject, Error> {
    Ok(StoredSubject {
        id: row.id("id")?,
        canonical: row.opt_id("canonical")?,
        key: key(row)?,
        created_at: row.time("created_at")?,
        erased_at: row.opt_time("erased_at")?,
    })
}

fn key(row: &Row) -> Result<Option<StoredKey>, Error> {
    let Some(wrapped) = row.opt_bytes("wrapped_key")? else {
        return Ok(None);
    };
    Ok(Some(StoredKey {
        version: row.count("key_version")?,
        epoch: row.count("key_epoch")?,
        wrapped: wrapped.to_vec(),
    }))
}
