//! What calls with an `Idempotency-Key` that wrote profiles were answered: ids and counts, so that the same call gets the same answer
//! and writes nothing a second time, when somebody else has written since.
//!
//! Source: draft-ietf-httpapi-idempotency-key-header-07. Neither key nor body is kept, only keyed hashes of them.

use jiff::Timestamp;

use crate::db::{Row, Tx};
use crate::error::Error;

/// A call that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredCall {
    /// Keyed hash of the route, the caller and the key.
    pub tag: Vec<u8>,
    /// Keyed hash of the body.
    pub body_tag: Vec<u8>,
    /// The answer, as JSON without a value in it.
    pub answer: String,
    /// Until when it is remembered.
    pub expires_at: Timestamp,
}

/// Remembers an answer, in the transaction that does what the call asks for. `false` when the call was answered before: then nothing
/// else of it may be done.
pub fn insert(tx: &mut Tx, call: &AnsweredCall, now: Timestamp) -> Result<bool, Error> {
    tx.execute(
        "-- remove expired profile_call\nDELETE FROM profile_call WHERE tag = ?1 AND expires_at <= ?2",
        &[call.tag.clone().into(), now.into()],
    )?;
    let sql = "-- insert profile_call\nINSERT INTO profile_call (tag, body_tag, answer, expires_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (tag) DO NOTHING";
    let values = [
        call.tag.clone().into(),
        call.body_tag.clone().into(),
        (&call.answer).into(),
        call.expires_at.into(),
    ];
    Ok(tx.execute(sql, &values)? == 1)
}

/// What the call with this hash was answered, unless its time is over.
pub fn get(tx: &mut Tx, tag: &[u8], now: Timestamp) -> Result<Option<AnsweredCall>, Error> {
    let sql = "-- get profile_call\nSELECT * FROM profile_call WHERE tag = ?1 AND expires_at > ?2";
    tx.query_optional(sql, &[tag.into(), now.into()])?
        .as_ref()
        .map(answered)
        .transpose()
}

/// Removes answers whose time is over, and says how many.
pub fn remove_expired(tx: &mut Tx, now: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "-- remove all expired profile_call\nDELETE FROM profile_call WHERE expires_at <= ?1",
        &[now.into()],
    )
}

fn answered(row: &Row) -> Result<AnsweredCall, Error> {
    Ok(AnsweredCall {
        tag: row.bytes("tag")?.to_vec(),
        body_tag: row.bytes("body_tag")?.to_vec(),
        answer: row.text("answer")?.to_owned(),
        expires_at: row.time("expires_at")?,
    })
}
