//! A subject found by an identifier or her id, with everything sealed of hers or without it, in one statement: the way of nearly every look
//! at a profile.

use std::collections::{BTreeMap, BTreeSet};

use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::IdentifierTag;

use crate::db::{Row, Tx, Value};
use crate::error::Error;
use crate::profile_segment::{self, StoredSegment};
use crate::subject::{self, StoredSubject};

/// One record, as an identifier finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundProfile {
    /// The record.
    pub subject: StoredSubject,
    /// Whether other records are the same subject: those are not here.
    pub has_others: bool,
    /// Its segments.
    pub segments: Vec<StoredSegment>,
}

/// Whoever has one of these tags: those of one identifier under every version of the index key.
pub fn find(
    tx: &mut Tx,
    kind: &IdentifierKind,
    tags: &[IdentifierTag],
) -> Result<Vec<FoundProfile>, Error> {
    let sql = "-- find profile
        SELECT s.id, s.canonical, s.key_version, s.key_epoch, s.wrapped_key, s.created_at, s.erased_at,
            CASE WHEN s.canonical IS NULL THEN EXISTS (SELECT 1 FROM subject m WHERE m.canonical = s.id) ELSE TRUE END AS has_others,
            g.subject_id, g.segment, g.row_version, g.schema_version, g.sealed, g.updated_at
        FROM (VALUES (?1 /* TEXT */, ?2 /* BYTEA */)) AS given
        JOIN identifier i ON i.kind = column1 AND i.tag = column2
        JOIN subject s ON s.id = i.subject_id
        LEFT JOIN profile_segment g ON g.subject_id = s.id";
    let rows = tx.query_given(sql, &sets_of(kind, tags))?;
    profiles(&rows)
}

/// The same without what is sealed.
pub fn find_subjects(
    tx: &mut Tx,
    kind: &IdentifierKind,
    tags: &[IdentifierTag],
) -> Result<Vec<FoundProfile>, Error> {
    let sql = "-- find subject
        SELECT s.id, s.canonical, s.key_version, s.key_epoch, s.wrapped_key, s.created_at, s.erased_at,
            CASE WHEN s.canonical IS NULL THEN EXISTS (SELECT 1 FROM subject m WHERE m.canonical = s.id) ELSE TRUE END AS has_others,
            NULL AS segment
        FROM (VALUES (?1 /* TEXT */, ?2 /* BYTEA */)) AS given
        JOIN identifier i ON i.kind = column1 AND i.tag = column2
        JOIN subject s ON s.id = i.subject_id";
    let rows = tx.query_given(sql, &sets_of(kind, tags))?;
    profiles(&rows)
}

/// The records with these ids.
pub fn get_many(tx: &mut Tx, ids: &BTreeSet<SubjectId>) -> Result<Vec<FoundProfile>, Error> {
    let sql = "-- get profile
        SELECT s.id, s.canonical, s.key_version, s.key_epoch, s.wrapped_key, s.created_at, s.erased_at,
            CASE WHEN s.canonical IS NULL THEN EXISTS (SELECT 1 FROM subject m WHERE m.canonical = s.id) ELSE TRUE END AS has_others,
            g.subject_id, g.segment, g.row_version, g.schema_version, g.sealed, g.updated_at
        FROM (VALUES (?1 /* BYTEA */)) AS given
        JOIN subject s ON s.id = column1
        LEFT JOIN profile_segment g ON g.subject_id = s.id";
    let sets: Vec<_> = ids.iter().map(|id| vec![Value::id(*id)]).collect();
    profiles(&tx.query_given(sql, &sets)?)
}

/// The same without what is sealed.
pub fn get_subjects(tx: &mut Tx, ids: &BTreeSet<SubjectId>) -> Result<Vec<FoundProfile>, Error> {
    let sql = "-- get subject and whether there are others
        SELECT s.id, s.canonical, s.key_version, s.key_epoch, s.wrapped_key, s.created_at, s.erased_at,
            CASE WHEN s.canonical IS NULL THEN EXISTS (SELECT 1 FROM subject m WHERE m.canonical = s.id) ELSE TRUE END AS has_others,
            NULL AS segment
        FROM (VALUES (?1 /* BYTEA */)) AS given
        JOIN subject s ON s.id = column1";
    let sets: Vec<_> = ids.iter().map(|id| vec![Value::id(*id)]).collect();
    profiles(&tx.query_given(sql, &sets)?)
}

fn sets_of(kind: &IdentifierKind, tags: &[IdentifierTag]) -> Vec<Vec<Value>> {
    let set = |tag: &IdentifierTag| vec![Value::from(kind.0.as_str()), tag.0.into()];
    tags.iter().map(set).collect()
}

fn profiles(rows: &[Row]) -> Result<Vec<FoundProfile>, Error> {
    let mut found: BTreeMap<SubjectId, FoundProfile> = BTreeMap::new();
    for row in rows {
        let id = row.id("id")?;
        if let std::collections::btree_map::Entry::Vacant(free) = found.entry(id) {
            free.insert(FoundProfile {
                subject: subject::subject(row)?,
                has_others: row.flag("has_others")?,
                segments: Vec::new(),
            });
        }
        let Some(profile) = found.get_mut(&id) else {
            continue;
        };
        // Two sources may say the same identifier, and then every segment comes twice.
        if let Some(segment) = profile_segment::opt_stored(row)?
            && profile
                .segments
                .iter()
                .all(|known| known.segment != segment.segment)
        {
            profile.segments.push(segment);
        }
    }
    Ok(found.into_values().collect())
}
