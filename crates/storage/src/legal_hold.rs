//! Legal holds: named reasons that keep named data from deletion for now.

use std::collections::BTreeSet;

use domain::data_map::CollectionKey;
use domain::id::{Id, Noun, OperatorId, RequestId};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::db::{Row, Tx};
use crate::error::Error;

/// A legal hold.
#[derive(Clone, Copy, Debug)]
pub struct LegalHoldNoun;
impl Noun for LegalHoldNoun {
    const PREFIX: &'static str = "hld";
}
/// Id of a legal hold.
pub type LegalHoldId = Id<LegalHoldNoun>;

/// A named reason that keeps named data from deletion for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegalHold {
    /// Its id.
    pub id: LegalHoldId,
    /// Its name for operators.
    pub name: String,
    /// The code in law/reasons.yaml.
    pub reason_code: String,
    /// What operators should know; never a personal value.
    pub note: String,
    /// What it covers.
    pub covers: BTreeSet<CollectionKey>,
    /// Only the data of this privacy request's subject; of everybody when `None`.
    pub request: Option<RequestId>,
    /// Keyed hashes of that subject's identifiers, in hexadecimal, so that it covers her under another privacy request too.
    pub subject_tags: BTreeSet<String>,
    /// Who placed it.
    pub placed_by: OperatorId,
    /// When.
    pub placed_at: Timestamp,
    /// The last day on which it holds; until lifted when `None`.
    pub until: Option<Date>,
    /// When it was lifted.
    pub lifted_at: Option<Timestamp>,
}

/// Places a legal hold.
pub fn insert(tx: &mut Tx, hold: &LegalHold) -> Result<(), Error> {
    let sql = "-- insert legal_hold
        INSERT INTO legal_hold (id, name, reason_code, note, covers, request_id, subject_tags, placed_by, placed_at, until_day, lifted_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let values = [
        hold.id.into(),
        (&hold.name).into(),
        (&hold.reason_code).into(),
        (&hold.note).into(),
        json("covers", &hold.covers)?.into(),
        hold.request.into(),
        json("subject_tags", &hold.subject_tags)?.into(),
        hold.placed_by.into(),
        hold.placed_at.into(),
        hold.until.into(),
        hold.lifted_at.into(),
    ];
    tx.execute(sql, &values).map(|_| ())
}

fn json<T: Ord + serde::Serialize>(column: &str, list: &BTreeSet<T>) -> Result<String, Error> {
    serde_json::to_string(list).map_err(|_| Error::Column {
        column: column.to_owned(),
        problem: "it has no JSON form".to_owned(),
    })
}

/// Legal holds in force on `today`, for everybody and for single subjects, oldest first.
pub fn in_force(tx: &mut Tx, today: Date) -> Result<Vec<LegalHold>, Error> {
    let sql = "-- list legal_hold in force\nSELECT * FROM legal_hold WHERE lifted_at IS NULL AND (until_day IS NULL OR until_day >= ?1) ORDER BY id";
    tx.query(sql, &[today.into()])?.iter().map(hold).collect()
}

/// One legal hold.
pub fn get(tx: &mut Tx, id: LegalHoldId) -> Result<Option<LegalHold>, Error> {
    let sql = "-- get legal_hold\nSELECT * FROM legal_hold WHERE id = ?1";
    tx.query_optional(sql, &[id.into()])?
        .as_ref()
        .map(hold)
        .transpose()
}

/// All legal holds, lifted ones too, newest first.
pub fn list(tx: &mut Tx) -> Result<Vec<LegalHold>, Error> {
    tx.query(
        "-- list legal_hold\nSELECT * FROM legal_hold ORDER BY id DESC",
        &[],
    )?
    .iter()
    .map(hold)
    .collect()
}

/// Lifts a legal hold. `false` when that had happened before or there is none.
pub fn lift(tx: &mut Tx, id: LegalHoldId, at: Timestamp) -> Result<bool, Error> {
    let sql = "-- lift legal_hold\nUPDATE legal_hold SET lifted_at = ?2 WHERE id = ?1 AND lifted_at IS NULL";
    Ok(tx.execute(sql, &[id.into(), at.into()])? == 1)
}

/// Removes legal holds that were lifted, or whose last day was, before then. Answers how many.
pub fn remove_ended_before(tx: &mut Tx, at: Timestamp, day: Date) -> Result<u64, Error> {
    let sql =
        "-- remove ended legal_hold\nDELETE FROM legal_hold WHERE lifted_at < ?1 OR until_day < ?2";
    tx.execute(sql, &[at.into(), day.into()])
}

fn hold(row: &Row) -> Result<LegalHold, Error> {
    Ok(LegalHold {
        id: row.parsed("id")?,
        name: row.text("name")?.to_owned(),
        reason_code: row.text("reason_code")?.to_owned(),
        note: row.text("note")?.to_owned(),
        covers: row.json("covers")?,
        request: row.opt_parsed("request_id")?,
        subject_tags: row.json("subject_tags")?,
        placed_by: row.parsed("placed_by")?,
        placed_at: row.time("placed_at")?,
        until: row.opt_parsed("until_day")?,
        lifted_at: row.opt_time("lifted_at")?,
    })
}
