//! Choices as they were made: only ever added to, and kept by party, so that a party's whole history is one range.
//!
//! Law: Civ. Code 1798.135(c); GDPR Art. 7(1) (whoever relies on a consent has to be able to show it). No personal value is in a row.

use std::collections::{BTreeSet, HashSet};

use domain::audit::Hash;
use domain::consent::{Act, By, ConsentEvent, ConsentId, How, Party, Scope, Tag};
use domain::id::SubjectId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// A choice and when it reached us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConsent {
    /// The choice.
    pub event: ConsentEvent,
    /// When it was stored.
    pub recorded_at: Timestamp,
}

/// Choices on their way into the database, written out before the transaction begins. An id that is given twice is the first one's.
#[derive(Clone, Debug)]
pub struct NewConsents {
    rows: Vec<NewRow>,
    /// The columns of each, in the order of the table, so that its tree is walked through once.
    sets: Vec<Vec<Value>>,
    /// The place in `rows` of each of them.
    places: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct NewRow {
    party: [u8; 17],
    id: ConsentId,
    hash: Hash,
}

/// What an insertion came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsertedConsents {
    /// Ids that were new, in the order given.
    pub new: Vec<ConsentId>,
    hashes: Vec<Hash>,
}

impl InsertedConsents {
    /// SHA-256 over the hashes of the new rows, in that order: says later whether one of them was changed or is gone.
    pub fn digest(&self) -> Hash {
        digest_of(&self.hashes)
    }

    /// The same in parts of at most so many.
    pub fn parts(&self, most: usize) -> impl Iterator<Item = Self> {
        let parts = self.new.chunks(most).zip(self.hashes.chunks(most));
        parts.map(|(new, hashes)| Self {
            new: new.to_vec(),
            hashes: hashes.to_vec(),
        })
    }
}

/// What is kept of a choice beside its columns.
#[derive(Serialize)]
struct Written<'e> {
    scope: &'e Scope,
    act: &'e Act,
    by: &'e By,
    how: How,
    place: &'e str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    scope: Scope,
    act: Act,
    by: By,
    how: How,
    place: String,
}

impl NewConsents {
    /// Writes choices out. Times are kept to the microsecond.
    ///
    /// # Errors
    /// [`Error::Column`] when one has no JSON form.
    pub fn new<'e>(
        events: impl IntoIterator<Item = &'e ConsentEvent>,
        recorded_at: Timestamp,
    ) -> Result<Self, Error> {
        let mut seen = HashSet::new();
        let events = events.into_iter().filter(|event| seen.insert(event.id));
        let rows = events.map(|event| row_of(event, recorded_at));
        let (rows, sets): (Vec<_>, Vec<_>) = rows.collect::<Result<_, Error>>()?;
        let mut ordered: Vec<_> = rows.iter().zip(sets).enumerate().collect();
        ordered.sort_unstable_by_key(|(_, (row, _))| (row.party, row.id));
        let ordered = ordered.into_iter().map(|(place, (_, set))| (place, set));
        let (places, sets) = ordered.unzip();
        Ok(Self { rows, sets, places })
    }

    /// For whom they hold.
    pub fn parties(&self) -> BTreeSet<Party> {
        let known = self.rows.iter().filter_map(|row| party_from(&row.party));
        known.collect()
    }

    /// Whether there is nothing to insert.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

fn row_of(event: &ConsentEvent, recorded_at: Timestamp) -> Result<(NewRow, Vec<Value>), Error> {
    let (party, id) = (party_bytes(&event.party), event.id.uuid().into_bytes());
    let text = written(event)?;
    let row = NewRow {
        party,
        id: event.id,
        hash: hash(&party, &id, event.at, recorded_at, &text),
    };
    let values = vec![
        party.into(),
        id.into(),
        event.at.into(),
        recorded_at.into(),
        text.into(),
    ];
    Ok((row, values))
}

fn written(event: &ConsentEvent) -> Result<String, Error> {
    let written = Written {
        scope: &event.scope,
        act: &event.act,
        by: &event.by,
        how: event.how,
        place: &event.place,
    };
    serde_json::to_string(&written).map_err(|error| Error::Column {
        column: "event".to_owned(),
        problem: error.to_string(),
    })
}

/// Every part has a fixed length but the last, so that no two rows run into one.
fn hash(
    party: &[u8; 17],
    id: &[u8; 16],
    at: Timestamp,
    recorded_at: Timestamp,
    text: &str,
) -> Hash {
    let mut bytes = Vec::with_capacity(49 + text.len());
    bytes.extend_from_slice(party);
    bytes.extend_from_slice(id);
    bytes.extend_from_slice(&at.as_microsecond().to_be_bytes());
    bytes.extend_from_slice(&recorded_at.as_microsecond().to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    Hash::of(&bytes)
}

/// SHA-256 over the hashes of stored choices in the order given: that of [`InsertedConsents`] when nothing was changed since.
///
/// # Errors
/// [`Error::Column`] when one has no JSON form.
pub fn digest(stored: &[StoredConsent]) -> Result<Hash, Error> {
    let hashes = stored.iter().map(|one| {
        let (row, _) = row_of(&one.event, one.recorded_at)?;
        Ok(row.hash)
    });
    Ok(digest_of(&hashes.collect::<Result<Vec<_>, Error>>()?))
}

fn digest_of(hashes: &[Hash]) -> Hash {
    Hash::of(&hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>())
}

/// Stores choices; those whose id is there already stay as they are.
pub fn insert_many(tx: &mut Tx, new: &NewConsents) -> Result<InsertedConsents, Error> {
    let sql = "-- insert consent_event
        INSERT INTO consent_event (party, id, at, recorded_at, event) SELECT column1, column2, column3, column4, column5
        FROM (VALUES (?1 /* BYTEA */, ?2 /* BYTEA */, ?3 /* BIGINT */, ?4 /* BIGINT */, ?5 /* TEXT */)) AS given
        WHERE TRUE ON CONFLICT DO NOTHING";
    let inserted = tx.insert_new(sql, ("id", 1), &new.sets)?.into_iter();
    let mut places: Vec<_> = inserted
        .filter_map(|place| new.places.get(place).copied())
        .collect();
    places.sort_unstable();
    let rows = places.iter().filter_map(|place| new.rows.get(*place));
    let (new, hashes) = rows.map(|row| (row.id, row.hash)).unzip();
    Ok(InsertedConsents { new, hashes })
}

/// Everything that these parties chose, oldest first.
pub fn of_parties(tx: &mut Tx, parties: &[Party]) -> Result<Vec<StoredConsent>, Error> {
    let sets = parties.iter().map(|party| vec![party_bytes(party).into()]);
    read(tx, OF_PARTIES, &sets.collect::<Vec<_>>())
}

const OF_PARTIES: &str = "-- list consent_event of parties
    SELECT e.party, e.id, e.at, e.recorded_at, e.event FROM (VALUES (?1 /* BYTEA */)) AS given
    JOIN consent_event e ON e.party = column1";

/// Choices by id; those that don't exist are left out.
pub fn get_many(tx: &mut Tx, ids: &[ConsentId]) -> Result<Vec<StoredConsent>, Error> {
    let sql = "-- get consent_event
        SELECT e.party, e.id, e.at, e.recorded_at, e.event FROM (VALUES (?1 /* BYTEA */)) AS given
        JOIN consent_event e ON e.id = column1";
    let sets = ids.iter().map(|id| vec![Value::id(*id)]);
    read(tx, sql, &sets.collect::<Vec<_>>())
}

fn read(tx: &mut Tx, sql: &str, sets: &[Vec<Value>]) -> Result<Vec<StoredConsent>, Error> {
    let rows = tx.query_given(sql, sets)?;
    let mut read: Vec<_> = rows.iter().map(stored).collect::<Result<_, _>>()?;
    read.sort_by_key(|stored| (stored.event.at, stored.recorded_at, stored.event.id));
    Ok(read)
}

/// Those of these parties for whom anything was ever chosen.
pub fn with_choices(tx: &mut Tx, parties: &BTreeSet<Party>) -> Result<BTreeSet<Party>, Error> {
    let sql = "-- look for consent_event of party
        SELECT column1 AS party FROM (VALUES (?1 /* BYTEA */)) AS given
        WHERE EXISTS (SELECT 1 FROM consent_event e WHERE e.party = column1)";
    let sets: Vec<_> = parties
        .iter()
        .map(|party| vec![party_bytes(party).into()])
        .collect();
    let rows = tx.query_given(sql, &sets)?;
    rows.iter().map(|row| party_of(row, "party")).collect()
}

/// Whether anything was ever chosen under a pseudonym. One look at the table's own key.
pub fn any_pseudonym(tx: &mut Tx) -> Result<bool, Error> {
    let sql = "-- find any pseudonym of consent_event\nSELECT party FROM consent_event WHERE party >= ?1 AND party < ?2 LIMIT 1";
    let (first, last): (Value, Value) = (vec![PSEUDONYM].into(), vec![PSEUDONYM + 1].into());
    Ok(tx.query_optional(sql, &[first, last])?.is_some())
}

/// How many choices there are.
pub fn count(tx: &mut Tx) -> Result<u64, Error> {
    tx.query_one(
        "-- count consent_event\nSELECT COUNT(*) AS n FROM consent_event",
        &[],
    )?
    .count("n")
}

/// Those of these subjects that have a record that isn't erased.
pub fn known_subjects(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
) -> Result<BTreeSet<SubjectId>, Error> {
    let sql = "-- know subjects
        SELECT s.id FROM (VALUES (?1 /* BYTEA */)) AS given JOIN subject s ON s.id = column1 WHERE s.erased_at IS NULL";
    let sets: Vec<_> = subjects.iter().map(|id| vec![Value::id(*id)]).collect();
    let rows = tx.query_given(sql, &sets)?;
    rows.iter().map(|row| row.id("id")).collect()
}

fn stored(row: &Row) -> Result<StoredConsent, Error> {
    let read: Read = row.json("event")?;
    let event = ConsentEvent {
        id: row.id("id")?,
        party: party_of(row, "party")?,
        scope: read.scope,
        act: read.act,
        at: row.time("at")?,
        by: read.by,
        how: read.how,
        place: read.place,
    };
    Ok(StoredConsent {
        event,
        recorded_at: row.time("recorded_at")?,
    })
}

/// A party's key: its kind, then the 16 bytes of its id or tag. A subject's rows lie together, so do a device's.
pub(crate) fn party_bytes(party: &Party) -> [u8; 17] {
    let (kind, body) = match party {
        Party::Subject(id) => (SUBJECT, id.uuid().into_bytes()),
        Party::Pseudonym(tag) => (PSEUDONYM, tag.0),
        Party::Device(tag) => (DEVICE, tag.0),
    };
    let mut bytes = [kind; 17];
    for (place, byte) in bytes.iter_mut().skip(1).zip(body) {
        *place = byte;
    }
    bytes
}

const SUBJECT: u8 = 1;
const PSEUDONYM: u8 = 2;
const DEVICE: u8 = 3;

pub(crate) fn party_of(row: &Row, column: &str) -> Result<Party, Error> {
    party_from(row.bytes(column)?).ok_or_else(|| Error::Column {
        column: column.to_owned(),
        problem: "expected the kind of a party and 16 bytes".to_owned(),
    })
}

fn party_from(bytes: &[u8]) -> Option<Party> {
    let (kind, body) = bytes.split_first()?;
    let body: [u8; 16] = body.try_into().ok()?;
    match *kind {
        SUBJECT => Some(Party::Subject(SubjectId::from_uuid(
            uuid::Uuid::from_bytes(body),
        ))),
        PSEUDONYM => Some(Party::Pseudonym(Tag(body))),
        DEVICE => Some(Party::Device(Tag(body))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Database;

    /// Every disclosure and every page asks for it.
    #[tokio::test]
    async fn a_partys_history_is_one_range_of_the_table_itself() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("privity.db").display());
        let database = Database::open(&url).await.unwrap();
        let plan = database.read("explain", |tx| {
            let rows = tx.query(&format!("EXPLAIN QUERY PLAN {OF_PARTIES}"), &["x".into()])?;
            rows.iter()
                .map(|row| row.text("detail").map(str::to_owned))
                .collect::<Result<Vec<_>, Error>>()
        });
        let plan = plan.await.unwrap();
        assert!(
            plan.contains(&"SEARCH e USING PRIMARY KEY (party=?)".to_owned()),
            "{plan:?}"
        );
    }
}
