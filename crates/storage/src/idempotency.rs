//! What calls with an `Idempotency-Key` were answered, so that the same call gets the same answer, also after a restart.
//!
//! Source: draft-ietf-httpapi-idempotency-key-header-07. Neither key nor body is kept, only keyed hashes of them.

use domain::id::RequestId;
use domain::sensitive::Sealed;
use jiff::Timestamp;

use crate::db::{Row, Tx};
use crate::error::Error;

/// A call that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Keyed hash of the route, the caller and the key.
    pub tag: Vec<u8>,
    /// Keyed hash of the body.
    pub body_tag: Vec<u8>,
    /// The privacy request that came of it.
    pub request: RequestId,
    /// The HTTP status.
    pub status: u16,
    /// The key that the answer is sealed under, wrapped.
    pub wrapped_key: Vec<u8>,
    /// The answer's body, sealed.
    pub response: Sealed,
    /// Until when it is remembered.
    pub expires_at: Timestamp,
}

/// Remembers an answer, in the transaction that does what the call asks for. `false` when the call was answered before: then
/// nothing else of it may be done. Of calls at the same moment, one gets `true`; the others wait until it is durable.
pub fn insert(tx: &mut Tx, answered: &Answered, now: Timestamp) -> Result<bool, Error> {
    tx.execute(
        "-- remove expired idempotency of call\nDELETE FROM idempotency WHERE tag = ?1 AND expires_at <= ?2",
        &[answered.tag.clone().into(), now.into()],
    )?;
    let sql = "-- insert idempotency
        INSERT INTO idempotency (tag, body_tag, request_id, status, wrapped_key, response, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (tag) DO NOTHING";
    let values = [
        answered.tag.clone().into(),
        answered.body_tag.clone().into(),
        answered.request.into(),
        i64::from(answered.status).into(),
        answered.wrapped_key.clone().into(),
        (&answered.response).into(),
        answered.expires_at.into(),
    ];
    Ok(tx.execute(sql, &values)? == 1)
}

/// What the call with this hash was answered, unless its time is over.
pub fn get(tx: &mut Tx, tag: &[u8], now: Timestamp) -> Result<Option<Answered>, Error> {
    let sql = "-- get idempotency\nSELECT * FROM idempotency WHERE tag = ?1 AND expires_at > ?2";
    tx.query_optional(sql, &[tag.into(), now.into()])?
        .as_ref()
        .map(answered)
        .transpose()
}

/// Removes answers whose time is over, and says how many.
pub fn remove_expired(tx: &mut Tx, now: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "-- remove expired idempotency\nDELETE FROM idempotency WHERE expires_at <= ?1",
        &[now.into()],
    )
}

fn answered(row: &Row) -> Result<Answered, Error> {
    Ok(Answered {
        tag: row.bytes("tag")?.to_vec(),
        body_tag: row.bytes("body_tag")?.to_vec(),
        request: row.parsed("request_id")?,
        status: row.count("status")?,
        wrapped_key: row.bytes("wrapped_key")?.to_vec(),
        response: row.sealed("response")?,
        expires_at: row.time("expires_at")?,
    })
}
