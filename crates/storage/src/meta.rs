//! Small values that the program keeps for itself: a check that the key fits the database, when the database was made.

use crate::db::Tx;
use crate::error::Error;

/// Seals a known text, so that a wrong key is found at the start and not at the first privacy request.
pub const KEY_CHECK: &str = "key_check";
/// When the database was made, in microseconds since 1970 as text.
pub const CREATED_AT: &str = "created_at";

/// The value under `name`.
pub fn get(tx: &mut Tx, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let row = tx.query_optional(
        "-- get meta\nSELECT value FROM meta WHERE name = ?1",
        &[name.into()],
    )?;
    row.map(|row| row.bytes("value").map(<[u8]>::to_vec))
        .transpose()
}

/// Stores a value unless there is one, and answers the one that is there now: of two programs that start at once, both use the same.
pub fn get_or_insert(tx: &mut Tx, name: &str, value: &[u8]) -> Result<Vec<u8>, Error> {
    let sql = "-- insert meta\nINSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    tx.execute(sql, &[name.into(), value.into()])?;
    get(tx, name)?.ok_or_else(|| Error::NotFound {
        statement: "get meta".to_owned(),
    })
}

/// Stores a value in place of what was there.
pub fn set(tx: &mut Tx, name: &str, value: &[u8]) -> Result<(), Error> {
    let sql = "-- set meta\nINSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.execute(sql, &[name.into(), value.into()]).map(|_| ())
}
