//! The blind index of profiles: keyed tags of identifiers, and whose they are.

use std::collections::{BTreeMap, BTreeSet};

use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::IdentifierTag;
use domain::profile::SourceNumber;

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// One tag of one subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredIdentifier {
    /// Which kind of identifier.
    pub kind: IdentifierKind,
    /// Its tag.
    pub tag: IdentifierTag,
    /// Whose.
    pub subject: SubjectId,
    /// Who says so.
    pub source: SourceNumber,
    /// Version of the index key that made the tag.
    pub key_version: u32,
    /// Whether somebody proved it.
    pub verified: bool,
}

/// Where a walk over all identifiers is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    tag: Vec<u8>,
    kind: String,
    subject: Vec<u8>,
    source: i64,
}

const INSERT: &str = "-- insert identifier
    INSERT INTO identifier (kind, tag, subject_id, source, key_version, verified)
    SELECT column1, column2, column3, column4, column5, column6
    FROM (VALUES (?1 /* TEXT */, ?2 /* BYTEA */, ?3 /* BYTEA */, ?4 /* BIGINT */, ?5 /* BIGINT */, ?6 /* BIGINT */)) AS given";

/// Stores identifiers; of those that are there already, version and proof are brought up to date. None of them twice.
pub fn insert_many<'i>(
    tx: &mut Tx,
    identifiers: impl IntoIterator<Item = &'i StoredIdentifier>,
) -> Result<u64, Error> {
    let sql = format!(
        "{INSERT} WHERE TRUE ON CONFLICT (kind, tag, subject_id, source)
        DO UPDATE SET key_version = excluded.key_version, verified = excluded.verified"
    );
    let sorted = sorted(identifiers);
    tx.execute_many(&sql, &sorted.iter().map(values).collect::<Vec<_>>())
}

/// Stores identifiers of new subjects, none of them twice, and answers how many.
///
/// # Errors
/// [`Error::AlreadyExists`] when one of them is there already.
pub fn insert_of_new<'i>(
    tx: &mut Tx,
    identifiers: impl IntoIterator<Item = &'i StoredIdentifier>,
) -> Result<u64, Error> {
    tx.load(INSERT, &sorted(identifiers), values)
}

/// In the order of the key, so that the tree is walked through once.
fn sorted<'i>(
    identifiers: impl IntoIterator<Item = &'i StoredIdentifier>,
) -> Vec<&'i StoredIdentifier> {
    let mut sorted: Vec<_> = identifiers.into_iter().collect();
    sorted.sort_unstable_by_key(|one| (one.tag, &one.kind));
    sorted
}

fn values(one: &&StoredIdentifier) -> Vec<Value> {
    let mut values = key(one);
    values.extend([one.key_version.into(), one.verified.into()]);
    values
}

/// Removes identifiers and answers how many were there.
pub fn remove_many(tx: &mut Tx, identifiers: &[StoredIdentifier]) -> Result<u64, Error> {
    let sql = "-- remove identifier\nDELETE FROM identifier WHERE kind = ?1 AND tag = ?2 AND subject_id = ?3 AND source = ?4";
    tx.execute_many(sql, &identifiers.iter().map(key).collect::<Vec<_>>())
}

/// Removes tags of subjects who are to be forgotten, whichever source said so. Answers how many rows went, by subject.
pub fn forget(
    tx: &mut Tx,
    tags: &BTreeSet<(IdentifierKind, IdentifierTag, SubjectId)>,
) -> Result<BTreeMap<SubjectId, u64>, Error> {
    let sql = "-- forget identifier\nDELETE FROM identifier WHERE kind = ?1 AND tag = ?2 AND subject_id = ?3 RETURNING subject_id";
    let sets: Vec<_> = tags
        .iter()
        .map(|(kind, tag, subject)| vec![kind.0.as_str().into(), tag.0.into(), Value::id(*subject)])
        .collect();
    by_subject(tx.query_many(sql, &sets)?.iter().flatten())
}

/// Removes every tag of these subjects, whatever it was made of. Passes over all tags once for each [`SWEPT`] subjects.
pub fn sweep(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
) -> Result<BTreeMap<SubjectId, u64>, Error> {
    let sql = format!(
        "-- sweep identifier\nDELETE FROM identifier WHERE subject_id IN {} RETURNING subject_id",
        places()
    );
    by_subject(tx.query_many(&sql, &swept(subjects))?.iter().flatten())
}

/// As many subjects are looked for in one pass over a table that has no index by subject.
pub const SWEPT: usize = 64;

/// The placeholders of one pass.
pub(crate) fn places() -> String {
    let places: Vec<_> = (1..=SWEPT).map(|place| format!("?{place}")).collect();
    format!("({})", places.join(", "))
}

/// The values of each pass; the last subject fills what is left.
pub(crate) fn swept(subjects: &BTreeSet<SubjectId>) -> Vec<Vec<Value>> {
    let ids: Vec<_> = subjects.iter().map(|id| Value::id(*id)).collect();
    let pass = |some: &[Value]| {
        let last = some.last().cloned().unwrap_or(Value::Null);
        let rest = std::iter::repeat_n(last, SWEPT.saturating_sub(some.len()));
        some.iter().cloned().chain(rest).collect()
    };
    ids.chunks(SWEPT).map(pass).collect()
}

/// How many of these rows are whose.
pub(crate) fn by_subject<'r>(
    rows: impl Iterator<Item = &'r Row>,
) -> Result<BTreeMap<SubjectId, u64>, Error> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.id("subject_id")?).or_default() += 1;
    }
    Ok(counts)
}

/// Whoever has one of these tags: those of one identifier under every version of the index key.
pub fn find(
    tx: &mut Tx,
    kind: &IdentifierKind,
    tags: &[IdentifierTag],
) -> Result<BTreeSet<SubjectId>, Error> {
    let sql = "-- find identifier
        SELECT i.subject_id FROM (VALUES (?1 /* TEXT */, ?2 /* BYTEA */)) AS given
        JOIN identifier i ON i.kind = column1 AND i.tag = column2";
    let sets: Vec<_> = tags
        .iter()
        .map(|tag| vec![kind.0.as_str().into(), tag.0.into()])
        .collect();
    let rows = tx.query_given(sql, &sets)?;
    rows.iter().map(|row| row.id("subject_id")).collect()
}

/// As [`find`], among the records of one source.
pub fn find_of_source(
    tx: &mut Tx,
    source: SourceNumber,
    kind: &IdentifierKind,
    tags: &[IdentifierTag],
) -> Result<BTreeSet<SubjectId>, Error> {
    let sql = "-- find identifier of source
        SELECT i.subject_id FROM (VALUES (?1 /* TEXT */, ?2 /* BYTEA */, ?3 /* BIGINT */)) AS given
        JOIN identifier i ON i.kind = column1 AND i.tag = column2 AND i.source = column3";
    let number = u32::from(source.0);
    let values = |tag: &IdentifierTag| vec![kind.0.as_str().into(), tag.0.into(), number.into()];
    let rows = tx.query_given(sql, &tags.iter().map(values).collect::<Vec<_>>())?;
    rows.iter().map(|row| row.id("subject_id")).collect()
}

/// Of these tags, each with whose it is, those that another subject has as well. None of them twice.
pub fn shared(
    tx: &mut Tx,
    tags: &[(&IdentifierKind, IdentifierTag, SubjectId)],
) -> Result<BTreeSet<(IdentifierKind, IdentifierTag)>, Error> {
    let sql = "-- find shared identifier
        SELECT column1 AS kind, column2 AS tag FROM (VALUES (?1 /* TEXT */, ?2 /* BYTEA */, ?3 /* BYTEA */)) AS given
        WHERE EXISTS (SELECT 1 FROM identifier i WHERE i.kind = column1 AND i.tag = column2 AND i.subject_id <> column3)";
    let values = |(kind, tag, subject): &(&IdentifierKind, IdentifierTag, SubjectId)| {
        vec![kind.0.as_str().into(), tag.0.into(), Value::id(*subject)]
    };
    let sets: Vec<_> = tags.iter().map(values).collect();
    let rows = tx.query_given(sql, &sets)?;
    rows.iter()
        .map(|row| Ok((kind_of(row)?, tag_of(row)?)))
        .collect()
}

/// A tag of a kind of identifier, and the subjects that have it.
pub type Holders = ((IdentifierKind, IdentifierTag), BTreeSet<SubjectId>);

/// The subjects that have each of these tags, the oldest `limit` of them.
pub fn holders_of_each(
    tx: &mut Tx,
    tags: &BTreeSet<(IdentifierKind, IdentifierTag)>,
    limit: usize,
) -> Result<Vec<Holders>, Error> {
    of_each(
        tx,
        "-- list holder of each identifier\nSELECT DISTINCT subject_id FROM identifier WHERE kind = ?1 AND tag = ?2 ORDER BY subject_id LIMIT ?3",
        tags,
        limit,
    )
}

/// The same, as the subjects that stand for them.
pub fn subjects_of_each(
    tx: &mut Tx,
    tags: &BTreeSet<(IdentifierKind, IdentifierTag)>,
    limit: usize,
) -> Result<Vec<Holders>, Error> {
    of_each(tx, "-- list subject of each identifier
        SELECT DISTINCT COALESCE(s.canonical, s.id) AS subject_id FROM identifier i JOIN subject s ON s.id = i.subject_id
        WHERE i.kind = ?1 AND i.tag = ?2 ORDER BY 1 LIMIT ?3", tags, limit)
}

fn of_each(
    tx: &mut Tx,
    sql: &str,
    tags: &BTreeSet<(IdentifierKind, IdentifierTag)>,
    limit: usize,
) -> Result<Vec<Holders>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sets: Vec<_> = tags
        .iter()
        .map(|(kind, tag)| vec![kind.0.as_str().into(), tag.0.into(), limit.into()])
        .collect();
    let answers = tx.query_many(sql, &sets)?;
    let found = tags.iter().zip(&answers);
    found
        .map(|(key, rows)| {
            let ids = rows.iter().map(|row| row.id("subject_id"));
            Ok((key.clone(), ids.collect::<Result<_, _>>()?))
        })
        .collect()
}

/// How many tags a version of the index key made. Passes over all of them.
pub fn count_with_key_version(tx: &mut Tx, version: u32) -> Result<u64, Error> {
    let sql = "-- count identifier with key version\nSELECT COUNT(*) AS tags FROM identifier WHERE key_version = ?1";
    tx.query_one(sql, &[version.into()])?.count("tags")
}

/// How many tags each version of the index key made, the oldest first. Passes over all of them.
pub fn count_by_key_version(tx: &mut Tx) -> Result<Vec<(u32, u64)>, Error> {
    let sql = "-- count identifier by key version
        SELECT key_version, COUNT(*) AS tags FROM identifier GROUP BY key_version ORDER BY key_version";
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
    let walk = "-- walk identifier
        SELECT kind, tag, subject_id, source, key_version, verified FROM identifier
        WHERE (tag, kind, subject_id, source) > (?1, ?2, ?3, ?4) ORDER BY tag, kind, subject_id, source LIMIT ?5";
    let start = after.map_or_else(
        || {
            vec![
                Value::Bytes(Vec::new()),
                "".into(),
                Value::Bytes(Vec::new()),
                (-1i64).into(),
            ]
        },
        place_values,
    );
    let values: Vec<_> = start.into_iter().chain([limit.into()]).collect();
    let rows = tx.query(walk, &values)?;
    let read = rows.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
    let next = (read.len() as u64 >= u64::from(limit))
        .then(|| read.last().map(place))
        .flatten();
    let old: Vec<_> = read
        .into_iter()
        .filter(|one| one.key_version == version)
        .collect();
    Ok((remove_many(tx, &old)?, next))
}

fn place(one: &StoredIdentifier) -> Place {
    Place {
        tag: one.tag.0.to_vec(),
        kind: one.kind.0.clone(),
        subject: one.subject.uuid().as_bytes().to_vec(),
        source: one.source.0.into(),
    }
}

fn place_values(place: &Place) -> Vec<Value> {
    vec![
        place.tag.clone().into(),
        (&place.kind).into(),
        place.subject.clone().into(),
        place.source.into(),
    ]
}

fn key(one: &StoredIdentifier) -> Vec<Value> {
    vec![
        one.kind.0.as_str().into(),
        one.tag.0.into(),
        Value::id(one.subject),
        u32::from(one.source.0).into(),
    ]
}

fn stored(row: &Row) -> Result<StoredIdentifier, Error> {
    Ok(StoredIdentifier {
        kind: kind_of(row)?,
        tag: tag_of(row)?,
        subject: row.id("subject_id")?,
        source: SourceNumber(row.count("source")?),
        key_version: row.count("key_version")?,
        verified: row.flag("verified")?,
    })
}

fn kind_of(row: &Row) -> Result<IdentifierKind, Error> {
    row.text("kind").map(|kind| IdentifierKind(kind.to_owned()))
}

pub(crate) fn tag_of(row: &Row) -> Result<IdentifierTag, Error> {
    let bytes = row.bytes("tag")?.try_into();
    bytes.map(IdentifierTag).map_err(|_| Error::Column {
        column: "tag".to_owned(),
        problem: "expected 16 bytes".to_owned(),
    })
}
