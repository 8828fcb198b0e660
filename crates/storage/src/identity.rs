//! Who is who: the history of merges and splits, and the questions that wait for an operator.
//!
//! Events are only ever added, until a subject of theirs is erased; in which order they are read does not matter, since
//! [`domain::identity::History`] says the same of them in any.

use std::collections::BTreeSet;

use domain::data_map::IdentifierKind;
use domain::id::{Id, Noun, SubjectId};
use domain::identity::{
    Decided, IdentityEvent, Merge, MergeId, MergeReason, Review, ReviewId, ReviewKind, ReviewState,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// One event of who is who.
#[derive(Debug, Clone, Copy)]
pub struct EventNoun;
impl Noun for EventNoun {
    const PREFIX: &'static str = "ide";
}
/// Id of an event.
pub type EventId = Id<EventNoun>;

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its id.
    pub id: EventId,
    /// The two subjects that it is about.
    pub subjects: (SubjectId, SubjectId),
    /// What happened.
    pub event: IdentityEvent,
    /// When.
    pub at: Timestamp,
}

/// Adds events.
pub fn insert_events(tx: &mut Tx, events: &[StoredEvent]) -> Result<(), Error> {
    let sql = "-- insert identity_event
        INSERT INTO identity_event (id, kind, merge_id, one, other, reason, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let sets = events
        .iter()
        .map(event_values)
        .collect::<Result<Vec<_>, _>>()?;
    tx.execute_many(sql, &sets).map(drop)
}

/// Events that name one of these subjects, merges before what takes them apart.
pub fn events_of(tx: &mut Tx, subjects: &BTreeSet<SubjectId>) -> Result<Vec<StoredEvent>, Error> {
    let sql = "-- list identity_event of subject
        SELECT id, kind, merge_id, one, other, reason, at FROM identity_event WHERE one = ?1
        UNION SELECT id, kind, merge_id, one, other, reason, at FROM identity_event WHERE other = ?1";
    let sets: Vec<_> = subjects.iter().map(|id| vec![Value::id(*id)]).collect();
    let answers = tx.query_many(sql, &sets)?;
    let mut events = answers
        .iter()
        .flatten()
        .map(event)
        .collect::<Result<Vec<_>, _>>()?;
    events.sort_by_key(|event| (rank(&event.event), event.at, event.id));
    events.dedup_by_key(|event| event.id);
    Ok(events)
}

/// Merges that an identifier made, for any of these reasons; whether they stand or not.
pub fn merges_because_of(tx: &mut Tx, reasons: &[MergeReason]) -> Result<Vec<StoredEvent>, Error> {
    let sql = "-- list identity_event of reason
        SELECT id, kind, merge_id, one, other, reason, at FROM identity_event WHERE kind = 'merged' AND reason = ?1";
    let sets = reasons
        .iter()
        .map(|reason| Ok(vec![json(reason)?.into()]))
        .collect::<Result<Vec<_>, Error>>()?;
    let answers = tx.query_many(sql, &sets)?;
    answers.iter().flatten().map(event).collect()
}

/// The merge with this id, and whether it stands.
pub fn merge(tx: &mut Tx, id: MergeId) -> Result<Option<(Merge, bool)>, Error> {
    let sql = "-- get merge\nSELECT id, kind, merge_id, one, other, reason, at FROM identity_event WHERE merge_id = ?1";
    let (mut found, mut stands) = (None, true);
    for row in tx.query(sql, &[id.into()])? {
        match event(&row)?.event {
            IdentityEvent::Merged(merge) => found = Some(merge),
            IdentityEvent::Split { .. } => stands = false,
            IdentityEvent::KeptApart { .. } => {}
        }
    }
    Ok(found.map(|merge| (merge, stands)))
}

/// Adds questions. One that was asked before stays as an operator answered it; one that had answered itself is open again. Answers how
/// many were new or are open again.
pub fn insert_reviews(tx: &mut Tx, reviews: &[Review]) -> Result<u64, Error> {
    let sql = "-- insert identity_review
        INSERT INTO identity_review (id, kind, one, other, identifier_kind, state, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (kind, one, other, identifier_kind) DO UPDATE SET state = excluded.state WHERE identity_review.state = 'settled'";
    let values = |review: &Review| -> Vec<Value> {
        vec![
            review.id.into(),
            review.kind.text().into(),
            Value::id(review.one),
            review.other.map_or(Value::Bytes(Vec::new()), Value::id),
            review.identifier.as_ref().map_or("", |kind| &kind.0).into(),
            review.state.text().into(),
            review.created_at.into(),
        ]
    };
    tx.execute_many(sql, &reviews.iter().map(values).collect::<Vec<_>>())
}

/// Open questions after one of them, the oldest first.
pub fn open_reviews(
    tx: &mut Tx,
    after: Option<ReviewId>,
    limit: u32,
) -> Result<Vec<Review>, Error> {
    let sql = "-- list open identity_review\nSELECT * FROM identity_review WHERE state = 'open' AND id > ?1 ORDER BY id LIMIT ?2";
    let after = after.map_or_else(|| Value::from(""), Value::from);
    let rows = tx.query(sql, &[after, limit.into()])?;
    rows.iter().map(review).collect()
}

/// How many questions are open.
pub fn count_open_reviews(tx: &mut Tx) -> Result<u64, Error> {
    let sql = "-- count open identity_review\nSELECT COUNT(*) AS reviews FROM identity_review WHERE state = 'open'";
    tx.query_one(sql, &[])?.count("reviews")
}

/// The question with this id.
pub fn review_with_id(tx: &mut Tx, id: ReviewId) -> Result<Option<Review>, Error> {
    let sql = "-- get identity_review\nSELECT * FROM identity_review WHERE id = ?1";
    tx.query_optional(sql, &[id.into()])?
        .as_ref()
        .map(review)
        .transpose()
}

/// Open questions about two of these subjects.
pub fn open_reviews_between(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
) -> Result<Vec<Review>, Error> {
    let sql = "-- list open identity_review of subject\nSELECT * FROM identity_review WHERE one = ?1 AND state = 'open'";
    let sets: Vec<_> = subjects.iter().map(|id| vec![Value::id(*id)]).collect();
    let answers = tx.query_many(sql, &sets)?;
    let reviews = answers
        .iter()
        .flatten()
        .map(review)
        .collect::<Result<Vec<_>, _>>()?;
    let of_two = |review: &Review| review.other.is_some_and(|other| subjects.contains(&other));
    Ok(reviews.into_iter().filter(of_two).collect())
}

/// Open questions about any of these subjects.
pub fn open_reviews_of(tx: &mut Tx, subjects: &BTreeSet<SubjectId>) -> Result<Vec<Review>, Error> {
    let sql = "-- list open identity_review of either
        SELECT * FROM identity_review WHERE one = ?1 AND state = 'open'
        UNION SELECT * FROM identity_review WHERE other = ?1 AND state = 'open'";
    let sets: Vec<_> = subjects.iter().map(|id| vec![Value::id(*id)]).collect();
    let answers = tx.query_many(sql, &sets)?;
    answers.iter().flatten().map(review).collect()
}

/// Answers open questions; `decided` is who did, if it was a person. Answers how many were open.
pub fn close_reviews(
    tx: &mut Tx,
    ids: &[ReviewId],
    state: ReviewState,
    decided: Option<(domain::id::OperatorId, Timestamp)>,
) -> Result<u64, Error> {
    let sql = "-- close identity_review
        UPDATE identity_review SET state = ?2, decided_by = ?3, decided_at = ?4 WHERE id = ?1 AND state = 'open'";
    let values = |id: &ReviewId| -> Vec<Value> {
        vec![
            (*id).into(),
            state.text().into(),
            decided.map(|(by, _)| by).into(),
            decided.map(|(_, at)| at).into(),
        ]
    };
    tx.execute_many(sql, &ids.iter().map(values).collect::<Vec<_>>())
}

/// Removes everything that names one of these subjects: they were erased.
pub fn forget(tx: &mut Tx, subjects: &BTreeSet<SubjectId>) -> Result<(), Error> {
    let sets: Vec<_> = subjects.iter().map(|id| vec![Value::id(*id)]).collect();
    for sql in [
        "-- forget identity_event of one\nDELETE FROM identity_event WHERE one = ?1",
        "-- forget identity_event of other\nDELETE FROM identity_event WHERE other = ?1",
        "-- forget identity_review of one\nDELETE FROM identity_review WHERE one = ?1",
        "-- forget identity_review of other\nDELETE FROM identity_review WHERE other = ?1",
    ] {
        tx.execute_many(sql, &sets)?;
    }
    Ok(())
}

const fn rank(event: &IdentityEvent) -> u8 {
    match event {
        IdentityEvent::Merged(_) => 0,
        IdentityEvent::Split { .. } => 1,
        IdentityEvent::KeptApart { .. } => 2,
    }
}

fn event_values(stored: &StoredEvent) -> Result<Vec<Value>, Error> {
    let (kind, merge, reason) = match &stored.event {
        IdentityEvent::Merged(merge) => ("merged", Some(merge.id), json(&merge.reason)?),
        IdentityEvent::Split { merge, by } => ("split", Some(*merge), json(by)?),
        IdentityEvent::KeptApart { by, .. } => ("kept_apart", None, json(by)?),
    };
    Ok(vec![
        stored.id.into(),
        kind.into(),
        merge.map_or_else(|| "".into(), Value::from),
        Value::id(stored.subjects.0),
        Value::id(stored.subjects.1),
        reason.into(),
        stored.at.into(),
    ])
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Column {
        column: "reason".to_owned(),
        problem: error.to_string(),
    })
}

fn event(row: &Row) -> Result<StoredEvent, Error> {
    let (one, other) = (row.id("one")?, row.id("other")?);
    let event = match row.text("kind")? {
        "merged" => IdentityEvent::Merged(Merge {
            id: row.parsed("merge_id")?,
            one,
            other,
            reason: row.json::<MergeReason>("reason")?,
        }),
        "split" => IdentityEvent::Split {
            merge: row.parsed("merge_id")?,
            by: row.json::<Decided>("reason")?,
        },
        "kept_apart" => IdentityEvent::KeptApart {
            one,
            other,
            by: row.json("reason")?,
        },
        _ => {
            return Err(Error::Column {
                column: "kind".to_owned(),
                problem: "the word is not one that this program knows".to_owned(),
            });
        }
    };
    Ok(StoredEvent {
        id: row.parsed("id")?,
        subjects: (one, other),
        event,
        at: row.time("at")?,
    })
}

fn review(row: &Row) -> Result<Review, Error> {
    let other = row.bytes("other")?;
    let identifier = row.text("identifier_kind")?;
    let decided_at = row.opt_time("decided_at")?;
    Ok(Review {
        id: row.parsed("id")?,
        kind: row.word("kind", ReviewKind::from_text)?,
        one: row.id("one")?,
        other: if other.is_empty() {
            None
        } else {
            Some(row.id("other")?)
        },
        identifier: (!identifier.is_empty()).then(|| IdentifierKind(identifier.to_owned())),
        state: row.word("state", ReviewState::from_text)?,
        decided: row.opt_parsed("decided_by")?.zip(decided_at),
        created_at: row.time("created_at")?,
    })
}
