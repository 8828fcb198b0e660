//! A subject found by an identifier or her id, with everything sealed of hers or without it, in one statement: the way of nearly every look
//! at a profile.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::IdentifierTag;

use crate::db::{Row, Tx, Value};
use crate::error::Error;
use crate::identifier;
use crate::profile_segment::{self, StoredSegment};
use crate::subject::{self, StoredSubject};
use crate::subject_facts::{self, StoredFacts};

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

/// By what a recipient asks about a subject: the id of a record of hers, or the tag of an identifier of some kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AskedBy<'k> {
    /// A record.
    Id(SubjectId),
    /// An identifier.
    Tag(&'k str, IdentifierTag),
}

/// One record that a recipient asks about, with everything that the decision rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedAbout {
    /// Her record.
    pub found: FoundProfile,
    /// What is known of whoever stands for her.
    pub facts: Option<StoredFacts>,
}

/// Whoever is asked about, for each of what is asked, which is sorted; nobody has an empty list. Segments only where `with_segments`.
pub fn ask_about(
    tx: &mut Tx,
    asked: &[AskedBy<'_>],
    with_segments: bool,
) -> Result<Vec<Vec<AskedAbout>>, Error> {
    let (by_id, by_tag) = if with_segments {
        (ABOUT_IDS, ABOUT_TAGS)
    } else {
        (ABOUT_IDS_WITHOUT_SEGMENTS, ABOUT_TAGS_WITHOUT_SEGMENTS)
    };
    let (mut ids, mut tags) = (Vec::new(), Vec::new());
    for one in asked {
        match one {
            AskedBy::Id(id) => ids.push(vec![Value::id(*id)]),
            AskedBy::Tag(kind, tag) => tags.push(vec![(*kind).into(), tag.0.into()]),
        }
    }
    let mut about: Vec<Vec<AskedAbout>> = asked.iter().map(|_| Vec::new()).collect();
    let mut put = |by: AskedBy<'_>, row: &Row| {
        let place = asked.binary_search(&by).ok();
        let all = place.and_then(|place| about.get_mut(place));
        all.map_or(Ok(()), |all| put(all, row))
    };
    if !ids.is_empty() {
        for row in &tx.query_given(by_id, &ids)? {
            put(AskedBy::Id(row.id("id")?), row)?;
        }
    }
    if !tags.is_empty() {
        for row in &tx.query_given(by_tag, &tags)? {
            put(
                AskedBy::Tag(row.text("kind")?, identifier::tag_of(row)?),
                row,
            )?;
        }
    }
    Ok(about)
}

/// Adds what a row says: a record once for each of its segments, and of each source that says the identifier.
fn put(all: &mut Vec<AskedAbout>, row: &Row) -> Result<(), Error> {
    let id = row.id("id")?;
    let known = all.iter_mut().find(|known| known.found.subject.id == id);
    if let Some(known) = known {
        return add_segment(&mut known.found, row);
    }
    let mut new = AskedAbout {
        found: found(row)?,
        facts: subject_facts::opt_facts(row)?,
    };
    add_segment(&mut new.found, row)?;
    all.push(new);
    Ok(())
}

macro_rules! about {
    ($name:literal, $given:literal, $asked:literal, $segment:literal, $segments:literal) => {
        concat!(
            "-- ", $name, "
            SELECT ", $asked, " s.id, s.canonical, s.key_version, s.key_epoch, s.wrapped_key, s.created_at, s.erased_at,
                CASE WHEN s.canonical IS NULL THEN EXISTS (SELECT 1 FROM subject m WHERE m.canonical = s.id) ELSE TRUE END AS has_others,
                f.packed, f.version, f.changes_at, ", $segment, "
            FROM ", $given, "
            LEFT JOIN subject_facts f ON f.subject_id = COALESCE(s.canonical, s.id)", $segments
        )
    };
    ($name:literal, $given:literal, $asked:literal) => {
        about!($name, $given, $asked, "NULL AS segment", "")
    };
    ($name:literal, $given:literal, $asked:literal with segments) => {
        about!(
            $name, $given, $asked,
            "g.subject_id, g.segment, g.row_version, g.schema_version, g.sealed, g.updated_at",
            " LEFT JOIN profile_segment g ON g.subject_id = s.id"
        )
    };
}

const ABOUT_IDS: &str = about!(
    "ask about profile by id",
    "(VALUES (?1 /* BYTEA */)) AS given JOIN subject s ON s.id = column1",
    "" with segments
);
const ABOUT_IDS_WITHOUT_SEGMENTS: &str = about!(
    "ask about subject by id",
    "(VALUES (?1 /* BYTEA */)) AS given JOIN subject s ON s.id = column1",
    ""
);
const ABOUT_TAGS: &str = about!(
    "ask about profile by tag",
    "(VALUES (?1 /* TEXT */, ?2 /* BYTEA */)) AS given
        JOIN identifier i ON i.kind = column1 AND i.tag = column2 JOIN subject s ON s.id = i.subject_id",
    "i.kind, i.tag," with segments
);
const ABOUT_TAGS_WITHOUT_SEGMENTS: &str = about!(
    "ask about subject by tag",
    "(VALUES (?1 /* TEXT */, ?2 /* BYTEA */)) AS given
        JOIN identifier i ON i.kind = column1 AND i.tag = column2 JOIN subject s ON s.id = i.subject_id",
    "i.kind, i.tag,"
);

fn sets_of(kind: &IdentifierKind, tags: &[IdentifierTag]) -> Vec<Vec<Value>> {
    let set = |tag: &IdentifierTag| vec![Value::from(kind.0.as_str()), tag.0.into()];
    tags.iter().map(set).collect()
}

fn profiles(rows: &[Row]) -> Result<Vec<FoundProfile>, Error> {
    let mut all: BTreeMap<SubjectId, FoundProfile> = BTreeMap::new();
    for row in rows {
        match all.entry(row.id("id")?) {
            Entry::Occupied(mut known) => add_segment(known.get_mut(), row)?,
            Entry::Vacant(free) => add_segment(free.insert(found(row)?), row)?,
        }
    }
    Ok(all.into_values().collect())
}

fn found(row: &Row) -> Result<FoundProfile, Error> {
    Ok(FoundProfile {
        subject: subject::subject(row)?,
        has_others: row.flag("has_others")?,
        segments: Vec::new(),
    })
}

/// Two sources may say the same identifier, and then every segment comes twice.
fn add_segment(profile: &mut FoundProfile, row: &Row) -> Result<(), Error> {
    let Some(segment) = profile_segment::opt_stored(row)? else {
        return Ok(());
    };
    let mut known = profile.segments.iter();
    if known.all(|known| known.segment != segment.segment) {
        profile.segments.push(segment);
    }
    Ok(())
}
