//! Wrapped keys of privacy requests and of remembered answers, by the epoch that wraps them: bytes two to five of each (docs/decisions/004).
//!
//! Those of subjects are in [`crate::subject`], which has a column for the epoch, since there are millions of them.

use domain::id::RequestId;

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// Where such keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Privacy requests.
    PrivacyRequest,
    /// Answers that are remembered for a repeated call.
    Answer,
}

/// One wrapped key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedRow {
    /// The row's own key: the text of an id, or a tag.
    row: Value,
    /// The privacy request that the key is bound to.
    pub request: RequestId,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
}

impl Owner {
    /// Both.
    pub const ALL: [Self; 2] = [Self::PrivacyRequest, Self::Answer];
}

/// Keys that another epoch wraps, after one of them, at most `limit`.
pub fn of_other_epochs(
    tx: &mut Tx,
    owner: Owner,
    epoch: u32,
    after: Option<&WrappedRow>,
    limit: u32,
) -> Result<Vec<WrappedRow>, Error> {
    let sql = match owner {
        Owner::PrivacyRequest => {
            "-- list privacy_request of other epochs
            SELECT id, id AS request_id, wrapped_key FROM privacy_request
            WHERE wrapped_key IS NOT NULL AND SUBSTR(wrapped_key, 2, 4) <> ?1 AND id > ?2 ORDER BY id LIMIT ?3"
        }
        Owner::Answer => {
            "-- list idempotency of other epochs
            SELECT tag, request_id, wrapped_key FROM idempotency
            WHERE SUBSTR(wrapped_key, 2, 4) <> ?1 AND tag > ?2 ORDER BY tag LIMIT ?3"
        }
    };
    let start = match owner {
        Owner::PrivacyRequest => Value::from(""),
        Owner::Answer => Value::Bytes(Vec::new()),
    };
    let after = after.map_or(start, |row| row.row.clone());
    let rows = tx.query(sql, &[epoch_bytes(epoch), after, limit.into()])?;
    rows.iter().map(|row| wrapped_row(row, owner)).collect()
}

/// Puts rewrapped keys in the place of those that were read, and answers how many. A key that was destroyed meanwhile stays destroyed.
pub fn save(tx: &mut Tx, owner: Owner, keys: &[(WrappedRow, Vec<u8>)]) -> Result<u64, Error> {
    let sql = match owner {
        Owner::PrivacyRequest => {
            "-- rewrap privacy_request\nUPDATE privacy_request SET wrapped_key = ?3 WHERE id = ?1 AND wrapped_key = ?2"
        }
        Owner::Answer => {
            "-- rewrap idempotency\nUPDATE idempotency SET wrapped_key = ?3 WHERE tag = ?1 AND wrapped_key = ?2"
        }
    };
    let values = |(read, new): &(WrappedRow, Vec<u8>)| {
        vec![
            read.row.clone(),
            read.wrapped.clone().into(),
            new.clone().into(),
        ]
    };
    tx.execute_many(sql, &keys.iter().map(values).collect::<Vec<_>>())
}

/// How many keys each epoch wraps. Passes over all of them.
pub fn count_by_epoch(tx: &mut Tx) -> Result<Vec<(u32, u64)>, Error> {
    let sql = "-- count wrapped keys by epoch
        SELECT epoch, COUNT(*) AS keys FROM (
            SELECT SUBSTR(wrapped_key, 2, 4) AS epoch FROM privacy_request WHERE wrapped_key IS NOT NULL
            UNION ALL SELECT SUBSTR(wrapped_key, 2, 4) FROM idempotency
        ) AS every GROUP BY epoch ORDER BY epoch";
    let rows = tx.query(sql, &[])?;
    rows.iter()
        .map(|row| {
            // Whatever was cut short counts as the oldest, which then can't be destroyed unseen.
            let epoch = row.bytes("epoch")?.try_into().map(u32::from_be_bytes);
            Ok((epoch.unwrap_or(0), row.count("keys")?))
        })
        .collect()
}

fn epoch_bytes(epoch: u32) -> Value {
    Value::Bytes(epoch.to_be_bytes().to_vec())
}

fn wrapped_row(row: &Row, owner: Owner) -> Result<WrappedRow, Error> {
    Ok(WrappedRow {
        row: match owner {
            Owner::PrivacyRequest => row.text("id")?.into(),
            Owner::Answer => row.bytes("tag")?.into(),
        },
        request: row.parsed("request_id")?,
        wrapped: row.bytes("wrapped_key")?.to_vec(),
    })
}
