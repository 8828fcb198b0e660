//! Which record of a source is which subject: by the keyed tag of the identifier that the source finds it by. Two imports at once
//! meet here, and the one that comes second finds the record that the first one made.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::SubjectId;
use domain::identity::IdentifierTag;
use domain::profile::SourceNumber;

use crate::db::{Row, Tx, Value};
use crate::error::Error;
use crate::identifier::{by_subject, places, swept, tag_of};

/// One record of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredSourceRecord {
    /// Which source.
    pub source: SourceNumber,
    /// The tag of its key there.
    pub tag: IdentifierTag,
    /// Which record of ours it is.
    pub subject: SubjectId,
    /// Version of the index key that made the tag.
    pub key_version: u32,
}

/// Where a walk over all records is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    source: i64,
    tag: Vec<u8>,
}

const INSERT: &str = "-- insert source_record
    INSERT INTO source_record (source, tag, subject_id, key_version)
    SELECT column1, column2, column3, column4
    FROM (VALUES (?1 /* BIGINT */, ?2 /* BYTEA */, ?3 /* BYTEA */, ?4 /* BIGINT */)) AS given";

/// Stores records that are not there yet and answers the subjects of those that were new. Whoever is left out met a record that
/// another one stored, which is committed by now.
pub fn insert_many(tx: &mut Tx, records: &[StoredSourceRecord]) -> Result<Vec<SubjectId>, Error> {
    let sql = format!("{INSERT} WHERE TRUE ON CONFLICT (source, tag) DO NOTHING");
    let sorted = sorted(records);
    let sets: Vec<_> = sorted.iter().map(values).collect();
    let new = tx.insert_new(&sql, ("subject_id", 2), &sets)?;
    let new = new.into_iter().filter_map(|place| sorted.get(place));
    Ok(new.map(|record| record.subject).collect())
}

/// Stores records that nobody had when they were looked for.
///
/// # Errors
/// [`Error::AlreadyExists`] when another one has stored one of them meanwhile, which is committed by now.
pub fn insert_unmet(tx: &mut Tx, records: &[StoredSourceRecord]) -> Result<(), Error> {
    tx.load(INSERT, &sorted(records), values).map(drop)
}

/// In the order of the key: two transactions that meet wait for each other in one order, and the tree is walked through once.
fn sorted(records: &[StoredSourceRecord]) -> Vec<StoredSourceRecord> {
    let mut sorted = records.to_vec();
    sorted.sort_unstable();
    sorted
}

fn values(record: &StoredSourceRecord) -> Vec<Value> {
    let mut values = key(record);
    values.extend([Value::id(record.subject), record.key_version.into()]);
    values
}

/// Whose these records are, by tag; those not there are left out. None of the tags twice.
pub fn find_many(
    tx: &mut Tx,
    source: SourceNumber,
    tags: impl IntoIterator<Item = IdentifierTag>,
) -> Result<BTreeMap<IdentifierTag, SubjectId>, Error> {
    let sql = "-- find source_record
        SELECT r.tag, r.subject_id FROM (VALUES (?1 /* BIGINT */, ?2 /* BYTEA */)) AS given
        JOIN source_record r ON r.source = column1 AND r.tag = column2";
    let sets: Vec<_> = tags
        .into_iter()
        .map(|tag| vec![u32::from(source.0).into(), tag.0.into()])
        .collect();
    let rows = tx.query_given(sql, &sets)?;
    rows.iter()
        .map(|row| Ok((tag_of(row)?, row.id("subject_id")?)))
        .collect()
}

/// Removes records and answers how many were there.
pub fn remove_many(tx: &mut Tx, records: &[StoredSourceRecord]) -> Result<u64, Error> {
    let sql = "-- remove source_record\nDELETE FROM source_record WHERE source = ?1 AND tag = ?2 AND subject_id = ?3";
    let values = |record: &StoredSourceRecord| {
        let mut values = key(record);
        values.push(Value::id(record.subject));
        values
    };
    tx.execute_many(sql, &records.iter().map(values).collect::<Vec<_>>())
}

/// The subjects that have a record of a source, `limit` of them after the first `skipped`, in the order of their ids.
pub fn page_of_source(
    tx: &mut Tx,
    source: SourceNumber,
    skipped: u64,
    limit: u32,
) -> Result<Vec<SubjectId>, Error> {
    let sql = "-- page source_record of source
        SELECT DISTINCT subject_id FROM source_record WHERE source = ?1 ORDER BY subject_id LIMIT ?2 OFFSET ?3";
    let values = [u32::from(source.0).into(), limit.into(), skipped.into()];
    let rows = tx.query(sql, &values)?;
    rows.iter().map(|row| row.id("subject_id")).collect()
}

/// How many subjects have a record of a source. Passes over all of its records.
pub fn count_of_source(tx: &mut Tx, source: SourceNumber) -> Result<u64, Error> {
    let sql = "-- count source_record of source
        SELECT COUNT(DISTINCT subject_id) AS subjects FROM source_record WHERE source = ?1";
    tx.query_one(sql, &[u32::from(source.0).into()])?
        .count("subjects")
}

/// Removes every record of these subjects, whatever its tag was made of, and answers how many went, by subject. Passes over all records
/// once for each [`crate::identifier::SWEPT`] subjects.
pub fn sweep(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
) -> Result<BTreeMap<SubjectId, u64>, Error> {
    let sql = format!(
        "-- sweep source_record\nDELETE FROM source_record WHERE subject_id IN {} RETURNING subject_id",
        places()
    );
    by_subject(tx.query_many(&sql, &swept(subjects))?.iter().flatten())
}

/// Removes records of subjects who are to be forgotten, and answers how many went, by subject.
pub fn forget(
    tx: &mut Tx,
    records: &BTreeSet<StoredSourceRecord>,
) -> Result<BTreeMap<SubjectId, u64>, Error> {
    let sql = "-- forget source_record\nDELETE FROM source_record WHERE source = ?1 AND tag = ?2 AND subject_id = ?3 RETURNING subject_id";
    let values = |record: &StoredSourceRecord| {
        let mut values = key(record);
        values.push(Value::id(record.subject));
        values
    };
    let sets: Vec<_> = records.iter().map(values).collect();
    by_subject(tx.query_many(sql, &sets)?.iter().flatten())
}

/// How many tags a version of the index key made. Passes over all of them.
pub fn count_with_key_version(tx: &mut Tx, version: u32) -> Result<u64, Error> {
    let sql = "-- count source_record with key version\nSELECT COUNT(*) AS tags FROM source_record WHERE key_version = ?1";
    tx.query_one(sql, &[version.into()])?.count("tags")
}

/// How many tags each version of the index key made, the oldest first. Passes over all of them.
pub fn count_by_key_version(tx: &mut Tx) -> Result<Vec<(u32, u64)>, Error> {
    let sql = "-- count source_record by key version
        SELECT key_version, COUNT(*) AS tags FROM source_record GROUP BY key_version ORDER BY key_version";
    let rows = tx.query(sql, &[])?;
    rows.iter()
        .map(|row| Ok((row.count("key_version")?, row.count("tags")?)))
        .collect()
}

/// Removes tags that a version of the index key made, from the next `limit` rows after a place. Answers how many went, and where to go
/// on; `None` at the end.
pub fn delete_with_key_version(
    tx: &mut Tx,
    version: u32,
    after: Option<&Place>,
    limit: u32,
) -> Result<(u64, Option<Place>), Error> {
    let walk = "-- walk source_record
        SELECT source, tag, subject_id, key_version FROM source_record
        WHERE (source, tag) > (?1, ?2) ORDER BY source, tag LIMIT ?3";
    let (source, tag) = after.map_or((-1, Vec::new()), |place| (place.source, place.tag.clone()));
    let rows = tx.query(walk, &[source.into(), tag.into(), limit.into()])?;
    let read = rows.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
    let next = (read.len() as u64 >= u64::from(limit))
        .then(|| read.last().map(place))
        .flatten();
    let old: Vec<_> = read
        .into_iter()
        .filter(|record| record.key_version == version)
        .collect();
    Ok((remove_many(tx, &old)?, next))
}

fn place(record: &StoredSourceRecord) -> Place {
    Place {
        source: record.source.0.into(),
        tag: record.tag.0.to_vec(),
    }
}

fn key(record: &StoredSourceRecord) -> Vec<Value> {
    vec![u32::from(record.source.0).into(), record.tag.0.into()]
}

fn stored(row: &Row) -> Result<StoredSourceRecord, Error> {
    Ok(StoredSourceRecord {
        source: SourceNumber(row.count("source")?),
        tag: tag_of(row)?,
        subject: row.id("subject_id")?,
        key_version: row.count("key_version")?,
    })
}
