//! Programs that hold keys in memory: which keys each has loaded, and with which it still wraps and tags.
//!
//! A row ends by itself when its program does not renew it, so that one that was killed keeps nobody waiting for long.

use jiff::Timestamp;

use crate::db::{Row, Tx};
use crate::error::Error;

/// One program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHolder {
    /// Its name, made anew at each start.
    pub id: String,
    /// The oldest epoch that something it is writing just now may be wrapped under.
    pub epoch_in_use: u32,
    /// The newest epoch that it has loaded.
    pub newest_epoch: u32,
    /// The oldest version of the index key that something it is writing just now may be tagged with.
    pub index_in_use: u32,
    /// The newest version that it has loaded.
    pub newest_index: u32,
    /// Tells the newest keys from others of the same numbers.
    pub check: String,
    /// Until when it promises to have said so again.
    pub until: Timestamp,
}

/// Says what a program holds, in place of what it said before, and forgets the programs whose time is over.
pub fn hold(tx: &mut Tx, holder: &KeyHolder, now: Timestamp) -> Result<(), Error> {
    tx.execute(
        "-- remove ended key_holder\nDELETE FROM key_holder WHERE until < ?1",
        &[now.into()],
    )?;
    let sql = "-- hold key
        INSERT INTO key_holder (id, epoch_in_use, newest_epoch, index_in_use, newest_index, key_check, until)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (id) DO UPDATE SET epoch_in_use = excluded.epoch_in_use, newest_epoch = excluded.newest_epoch,
            index_in_use = excluded.index_in_use, newest_index = excluded.newest_index, key_check = excluded.key_check,
            until = excluded.until";
    let values = [
        (&holder.id).into(),
        holder.epoch_in_use.into(),
        holder.newest_epoch.into(),
        holder.index_in_use.into(),
        holder.newest_index.into(),
        (&holder.check).into(),
        holder.until.into(),
    ];
    tx.execute(sql, &values).map(drop)
}

/// A program that ends holds nothing any more.
pub fn let_go(tx: &mut Tx, id: &str) -> Result<(), Error> {
    let sql = "-- let go of key\nDELETE FROM key_holder WHERE id = ?1";
    tx.execute(sql, &[id.into()]).map(drop)
}

/// The programs that hold keys now.
pub fn list(tx: &mut Tx, now: Timestamp) -> Result<Vec<KeyHolder>, Error> {
    let sql = "-- list key_holder\nSELECT * FROM key_holder WHERE until >= ?1 ORDER BY id";
    tx.query(sql, &[now.into()])?.iter().map(holder).collect()
}

fn holder(row: &Row) -> Result<KeyHolder, Error> {
    Ok(KeyHolder {
        id: row.text("id")?.to_owned(),
        epoch_in_use: row.count("epoch_in_use")?,
        newest_epoch: row.count("newest_epoch")?,
        index_in_use: row.count("index_in_use")?,
        newest_index: row.count("newest_index")?,
        check: row.text("key_check")?.to_owned(),
        until: row.time("until")?,
    })
}
