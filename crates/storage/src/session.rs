//! Sessions of operators: only the hash of the cookie's token is kept.

use domain::id::OperatorId;
use jiff::Timestamp;

use crate::db::Tx;
use crate::error::Error;
use crate::operator::{self, Operator};

/// Begins a session; `tag` is the hash of its token.
pub fn insert(
    tx: &mut Tx,
    tag: &[u8],
    operator: OperatorId,
    expires_at: Timestamp,
) -> Result<(), Error> {
    let sql =
        "-- insert session\nINSERT INTO session (tag, operator_id, expires_at) VALUES (?1, ?2, ?3)";
    tx.execute(sql, &[tag.into(), operator.into(), expires_at.into()])
        .map(|_| ())
}

/// The operator whose session this is, unless it has ended or the operator was shut out.
pub fn operator(tx: &mut Tx, tag: &[u8], now: Timestamp) -> Result<Option<Operator>, Error> {
    let sql = "-- get operator by session
        SELECT operator.* FROM session JOIN operator ON operator.id = session.operator_id
        WHERE session.tag = ?1 AND session.expires_at > ?2 AND operator.disabled_at IS NULL";
    tx.query_optional(sql, &[tag.into(), now.into()])?
        .as_ref()
        .map(operator::operator)
        .transpose()
}

/// Ends a session.
pub fn remove(tx: &mut Tx, tag: &[u8]) -> Result<(), Error> {
    tx.execute(
        "-- remove session\nDELETE FROM session WHERE tag = ?1",
        &[tag.into()],
    )
    .map(|_| ())
}

/// Removes sessions that have ended, and answers how many.
pub fn remove_expired(tx: &mut Tx, now: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "-- remove expired session\nDELETE FROM session WHERE expires_at <= ?1",
        &[now.into()],
    )
}
