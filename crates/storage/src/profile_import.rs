//! How far imports and synchronisations of profiles are: saved in the transaction of each batch, so that one that was killed goes on
//! where it stopped and writes nothing twice.

use domain::id::{Id, Noun};
use domain::profile::SourceNumber;
use jiff::Timestamp;

use crate::db::{Row, Tx};
use crate::error::Error;

/// One import or synchronisation.
#[derive(Debug, Clone, Copy)]
pub struct ImportNoun;
impl Noun for ImportNoun {
    const PREFIX: &'static str = "imp";
}
/// Id of an import.
pub type ImportId = Id<ImportNoun>;

/// An import or a synchronisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImport {
    /// Its id.
    pub id: ImportId,
    /// Into which source's records.
    pub source: SourceNumber,
    /// What is imported: hash of a file, or key of a collection.
    pub origin: String,
    /// How far it is; what is counted is the importer's own matter.
    pub position: u64,
    /// Where the next synchronisation goes on.
    pub watermark: Option<String>,
    /// What came of it, as JSON of counts.
    pub counts: String,
    /// Whether it came to its end.
    pub finished: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last saved.
    pub updated_at: Timestamp,
}

/// Stores an import unless there is one of the same source and origin, and answers the one that is there now.
pub fn begin(tx: &mut Tx, import: &StoredImport) -> Result<StoredImport, Error> {
    let sql = "-- begin profile_import
        INSERT INTO profile_import (id, source, origin, position, watermark, counts, state, started_at, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (source, origin) DO NOTHING";
    let values = [
        import.id.into(),
        u32::from(import.source.0).into(),
        (&import.origin).into(),
        import.position.into(),
        import.watermark.as_deref().into(),
        (&import.counts).into(),
        state(import.finished).into(),
        import.started_at.into(),
        import.updated_at.into(),
    ];
    tx.execute(sql, &values)?;
    let sql = "-- get profile_import of origin\nSELECT * FROM profile_import WHERE source = ?1 AND origin = ?2";
    let row = tx.query_one(
        sql,
        &[u32::from(import.source.0).into(), (&import.origin).into()],
    )?;
    stored(&row)
}

/// Saves how far an import is, in the transaction that wrote the batch.
///
/// # Errors
/// [`Error::Changed`] when it is not where it was: another one works at the same import, and nothing of this batch may be kept.
pub fn save(tx: &mut Tx, import: &StoredImport, before: u64) -> Result<(), Error> {
    let sql = "-- save profile_import
        UPDATE profile_import SET position = ?2, watermark = ?3, counts = ?4, state = ?5, updated_at = ?6 WHERE id = ?1 AND position = ?7";
    let values = [
        import.id.into(),
        import.position.into(),
        import.watermark.as_deref().into(),
        (&import.counts).into(),
        state(import.finished).into(),
        import.updated_at.into(),
        before.into(),
    ];
    if tx.execute(sql, &values)? == 1 {
        return Ok(());
    }
    Err(Error::Changed {
        statement: "save profile_import".to_owned(),
    })
}

/// Takes an import for `holder` until a moment, or keeps it so much longer. `false` while another one holds it.
pub fn hold(
    tx: &mut Tx,
    id: ImportId,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, Error> {
    let sql = "-- hold profile_import
        UPDATE profile_import SET held_by = ?2, held_until = ?3
        WHERE id = ?1 AND (held_by IS NULL OR held_by = ?2 OR held_until <= ?4)";
    let values = [id.into(), holder.into(), until.into(), now.into()];
    Ok(tx.execute(sql, &values)? == 1)
}

/// Who holds an import, and until when.
pub fn holder(tx: &mut Tx, id: ImportId) -> Result<Option<(String, Timestamp)>, Error> {
    let sql = "-- holder of profile_import
        SELECT held_by, held_until FROM profile_import WHERE id = ?1 AND held_by IS NOT NULL";
    let Some(row) = tx.query_optional(sql, &[id.into()])? else {
        return Ok(None);
    };
    Ok(Some((
        row.text("held_by")?.to_owned(),
        row.time("held_until")?,
    )))
}

/// Lets go of an import that `holder` holds.
pub fn let_go(tx: &mut Tx, id: ImportId, holder: &str) -> Result<(), Error> {
    let sql = "-- let go of profile_import
        UPDATE profile_import SET held_by = NULL, held_until = NULL WHERE id = ?1 AND held_by = ?2";
    tx.execute(sql, &[id.into(), holder.into()])?;
    Ok(())
}

/// The import of a source and an origin, if there is one.
pub fn of_origin(
    tx: &mut Tx,
    source: SourceNumber,
    origin: &str,
) -> Result<Option<StoredImport>, Error> {
    let sql = "-- get profile_import of origin\nSELECT * FROM profile_import WHERE source = ?1 AND origin = ?2";
    let row = tx.query_optional(sql, &[u32::from(source.0).into(), origin.into()])?;
    row.as_ref().map(stored).transpose()
}

/// The latest imports, the newest first.
pub fn latest(tx: &mut Tx, limit: u32) -> Result<Vec<StoredImport>, Error> {
    let sql = "-- list profile_import\nSELECT * FROM profile_import ORDER BY id DESC LIMIT ?1";
    tx.query(sql, &[limit.into()])?.iter().map(stored).collect()
}

const fn state(finished: bool) -> &'static str {
    if finished { "finished" } else { "running" }
}

fn stored(row: &Row) -> Result<StoredImport, Error> {
    Ok(StoredImport {
        id: row.parsed("id")?,
        source: SourceNumber(row.count("source")?),
        origin: row.text("origin")?.to_owned(),
        position: row.count("position")?,
        watermark: row.opt_text("watermark")?.map(str::to_owned),
        counts: row.text("counts")?.to_owned(),
        finished: row.text("state")? == state(true),
        started_at: row.time("started_at")?,
        updated_at: row.time("updated_at")?,
    })
}
