//! Verification codes: only their hashes, how often they were tried, and when the next one may be sent.

use domain::id::RequestId;
use jiff::Timestamp;

use crate::db::Tx;
use crate::error::Error;

/// The code that was last sent for a privacy request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The privacy request.
    pub request: RequestId,
    /// Keyed hash of the code.
    pub code_tag: Vec<u8>,
    /// When the code ends.
    pub expires_at: Timestamp,
    /// Wrong answers so far.
    pub tries: u32,
    /// Codes sent so far.
    pub sends: u32,
    /// When another may be sent.
    pub next_send_at: Timestamp,
    /// When the right one came.
    pub verified_at: Option<Timestamp>,
}

/// Stores it, in place of what was there.
pub fn save(tx: &mut Tx, verification: &Verification) -> Result<(), Error> {
    let sql = "-- save verification
        INSERT INTO verification (request_id, code_tag, expires_at, tries, sends, next_send_at, verified_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (request_id) DO UPDATE SET code_tag = excluded.code_tag, expires_at = excluded.expires_at, tries = excluded.tries,
            sends = excluded.sends, next_send_at = excluded.next_send_at, verified_at = excluded.verified_at";
    let values = [
        verification.request.into(),
        verification.code_tag.clone().into(),
        verification.expires_at.into(),
        verification.tries.into(),
        verification.sends.into(),
        verification.next_send_at.into(),
        verification.verified_at.into(),
    ];
    tx.execute(sql, &values).map(|_| ())
}

/// The verification of a privacy request.
pub fn get(tx: &mut Tx, request: RequestId) -> Result<Option<Verification>, Error> {
    let sql = "-- get verification\nSELECT * FROM verification WHERE request_id = ?1";
    let Some(row) = tx.query_optional(sql, &[request.into()])? else {
        return Ok(None);
    };
    Ok(Some(Verification {
        request,
        code_tag: row.bytes("code_tag")?.to_vec(),
        expires_at: row.time("expires_at")?,
        tries: row.count("tries")?,
        sends: row.count("sends")?,
        next_send_at: row.time("next_send_at")?,
        verified_at: row.opt_time("verified_at")?,
    }))
}

/// Counts one try and answers how many there were, this one included. To call before the code is compared: tries made at once
/// then each count.
pub fn count_try(tx: &mut Tx, request: RequestId) -> Result<u32, Error> {
    let sql = "-- count try\nUPDATE verification SET tries = tries + 1 WHERE request_id = ?1 RETURNING tries";
    tx.query_one(sql, &[request.into()])?.count("tries")
}

/// Records that the right code came. `false` when that had happened before, so that one code verifies once.
pub fn mark_verified(tx: &mut Tx, request: RequestId, at: Timestamp) -> Result<bool, Error> {
    let sql = "-- mark verified\nUPDATE verification SET verified_at = ?2 WHERE request_id = ?1 AND verified_at IS NULL";
    Ok(tx.execute(sql, &[request.into(), at.into()])? == 1)
}
