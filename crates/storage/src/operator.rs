//! Operators: who may work in the Console, each with a key of which only the hash is kept.

use domain::id::OperatorId;
use jiff::Timestamp;

use crate::db::{Row, Tx};
use crate::error::Error;

/// A person of the business who works in the Console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Its id.
    pub id: OperatorId,
    /// The name shown beside what the operator did.
    pub name: String,
    /// Key of the role, e.g. `privacy`.
    pub role: String,
    /// Hash of the key.
    pub key_tag: Vec<u8>,
    /// When the operator was shut out.
    pub disabled_at: Option<Timestamp>,
    /// When the operator was added.
    pub created_at: Timestamp,
}

/// Stores a new operator.
pub fn insert(tx: &mut Tx, operator: &Operator) -> Result<(), Error> {
    let sql = "-- insert operator\nINSERT INTO operator (id, name, role, key_tag, disabled_at, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = [
        operator.id.into(),
        (&operator.name).into(),
        (&operator.role).into(),
        operator.key_tag.clone().into(),
        operator.disabled_at.into(),
        operator.created_at.into(),
    ];
    tx.execute(sql, &values).map(|_| ())
}

/// The operator with this id, shut out or not.
pub fn get(tx: &mut Tx, id: OperatorId) -> Result<Option<Operator>, Error> {
    tx.query_optional(
        "-- get operator\nSELECT * FROM operator WHERE id = ?1",
        &[id.into()],
    )?
    .as_ref()
    .map(operator)
    .transpose()
}

/// The operator whose key has this hash, unless shut out.
pub fn get_by_key_tag(tx: &mut Tx, tag: &[u8]) -> Result<Option<Operator>, Error> {
    let sql =
        "-- get operator by key\nSELECT * FROM operator WHERE key_tag = ?1 AND disabled_at IS NULL";
    tx.query_optional(sql, &[tag.into()])?
        .as_ref()
        .map(operator)
        .transpose()
}

/// All operators, oldest first.
pub fn list(tx: &mut Tx) -> Result<Vec<Operator>, Error> {
    tx.query("-- list operator\nSELECT * FROM operator ORDER BY id", &[])?
        .iter()
        .map(operator)
        .collect()
}

/// Shuts an operator out at once: the key no longer opens, and every session ends. `false` when that had happened before.
pub fn disable(tx: &mut Tx, id: OperatorId, at: Timestamp) -> Result<bool, Error> {
    let sql = "-- disable operator\nUPDATE operator SET disabled_at = ?2 WHERE id = ?1 AND disabled_at IS NULL";
    let changed = tx.execute(sql, &[id.into(), at.into()])?;
    tx.execute(
        "-- end sessions of operator\nDELETE FROM session WHERE operator_id = ?1",
        &[id.into()],
    )?;
    Ok(changed == 1)
}

pub(crate) fn operator(row: &Row) -> Result<Operator, Error> {
    Ok(Operator {
        id: row.parsed("id")?,
        name: row.text("name")?.to_owned(),
        role: row.text("role")?.to_owned(),
        key_tag: row.bytes("key_tag")?.to_vec(),
        disabled_at: row.opt_time("disabled_at")?,
        created_at: row.time("created_at")?,
    })
}
