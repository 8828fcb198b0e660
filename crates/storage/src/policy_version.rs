//! Versions of the policies: never changed once published, but for their state. The newest activation is what decides.

use jiff::Timestamp;

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionState {
    /// Published, and deciding nothing.
    Draft,
    /// Decides beside the active one, and nothing follows from it but counts.
    Shadow,
    /// Decides.
    Active,
    /// Decided before.
    Retired,
}

impl VersionState {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Shadow => "shadow",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Draft, Self::Shadow, Self::Active, Self::Retired];
        all.into_iter().find(|state| state.as_str() == word)
    }
}

/// A version as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// Counted from 1.
    pub number: u64,
    /// Hash of the table.
    pub table_hash: String,
    /// Who published it.
    pub author: String,
    /// Why.
    pub note: String,
    /// The texts, as JSON.
    pub sources: String,
    /// The layout, as JSON.
    pub layout: String,
    /// Where it stands.
    pub state: VersionState,
    /// When it was published.
    pub published_at: Timestamp,
    /// When it is to become active by itself.
    pub activates_at: Option<Timestamp>,
    /// When it last became active.
    pub activated_at: Option<Timestamp>,
}

const COLUMNS: &str = "number, table_hash, author, note, sources, layout, state, published_at, activates_at, activated_at";

/// Stores a version.
///
/// # Errors
/// [`Error::AlreadyExists`] when somebody else published one under its number meanwhile.
pub fn insert(tx: &mut Tx, version: &StoredVersion) -> Result<(), Error> {
    let sql = format!(
        "-- insert policy_version\nINSERT INTO policy_version ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
    );
    let values: [Value; 10] = [
        version.number.into(),
        (&version.table_hash).into(),
        (&version.author).into(),
        (&version.note).into(),
        (&version.sources).into(),
        (&version.layout).into(),
        version.state.as_str().into(),
        version.published_at.into(),
        version.activates_at.into(),
        version.activated_at.into(),
    ];
    tx.execute(&sql, &values).map(drop)
}

/// All versions, the newest first.
pub fn list(tx: &mut Tx) -> Result<Vec<StoredVersion>, Error> {
    let sql = format!(
        "-- list policy_version\nSELECT {COLUMNS} FROM policy_version ORDER BY number DESC"
    );
    tx.query(&sql, &[])?.iter().map(stored).collect()
}

/// One version.
pub fn get(tx: &mut Tx, number: u64) -> Result<Option<StoredVersion>, Error> {
    let sql =
        format!("-- get policy_version\nSELECT {COLUMNS} FROM policy_version WHERE number = ?1");
    tx.query_optional(&sql, &[number.into()])?
        .as_ref()
        .map(stored)
        .transpose()
}

/// The newest version.
pub fn newest(tx: &mut Tx) -> Result<Option<StoredVersion>, Error> {
    let sql = format!(
        "-- newest policy_version\nSELECT {COLUMNS} FROM policy_version ORDER BY number DESC LIMIT 1"
    );
    tx.query_optional(&sql, &[])?
        .as_ref()
        .map(stored)
        .transpose()
}

/// What decides: the numbers of the active version, of the shadow, and of those whose moment has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointers {
    /// What decides.
    pub active: Option<u64>,
    /// What decides beside it.
    pub shadow: Option<u64>,
    /// What is to become active, and when.
    pub scheduled: Vec<(u64, Timestamp)>,
}

/// Holds the pointers until the transaction ends, where the engine has rows to hold: of two who change what decides, the second reads what the
/// first has written.
pub fn hold(tx: &mut Tx) -> Result<(), Error> {
    let sql = "-- hold policy_version
        SELECT number FROM policy_version ORDER BY number LIMIT 1 /* for update */";
    tx.query(sql, &[]).map(drop)
}

/// A few bytes that every node reads several times a second.
pub fn pointers(tx: &mut Tx) -> Result<Pointers, Error> {
    let sql = "-- read pointers of policy_version
        SELECT number, state, activates_at FROM policy_version WHERE state IN ('active', 'shadow') OR activates_at IS NOT NULL";
    let mut pointers = Pointers::default();
    for row in tx.query(sql, &[])? {
        let number = row.count("number")?;
        match row.word("state", VersionState::parse)? {
            VersionState::Active => pointers.active = Some(number),
            VersionState::Shadow => pointers.shadow = Some(number),
            VersionState::Draft | VersionState::Retired => {}
        }
        if let Some(at) = row.opt_time("activates_at")? {
            pointers.scheduled.push((number, at));
        }
    }
    Ok(pointers)
}

/// Makes a version the active one; the one before retires, and a moment that is over takes no other one back.
pub fn activate(tx: &mut Tx, number: u64, at: Timestamp) -> Result<(), Error> {
    let retire = "-- retire policy_version\nUPDATE policy_version SET state = 'retired' WHERE state = 'active' AND number <> ?1";
    tx.execute(retire, &[number.into()])?;
    let sql = "-- activate policy_version\nUPDATE policy_version SET state = 'active', activates_at = NULL, activated_at = ?2 WHERE number = ?1";
    tx.execute(sql, &[number.into(), at.into()])?;
    let over = "-- end schedules of policy_version\nUPDATE policy_version SET activates_at = NULL WHERE activates_at IS NOT NULL AND activates_at <= ?1";
    tx.execute(over, &[at.into()]).map(drop)
}

/// Says when a version is to become active by itself, in the place of every other one that was to.
pub fn schedule(tx: &mut Tx, number: u64, at: Timestamp) -> Result<(), Error> {
    unschedule(tx)?;
    let sql =
        "-- schedule policy_version\nUPDATE policy_version SET activates_at = ?2 WHERE number = ?1";
    tx.execute(sql, &[number.into(), at.into()]).map(drop)
}

/// Says that none becomes active by itself.
pub fn unschedule(tx: &mut Tx) -> Result<(), Error> {
    let sql = "-- unschedule policy_version\nUPDATE policy_version SET activates_at = NULL WHERE activates_at IS NOT NULL";
    tx.execute(sql, &[]).map(drop)
}

/// Makes a version the shadow, and no other; `None` ends it.
pub fn shadow(tx: &mut Tx, number: Option<u64>) -> Result<(), Error> {
    let end = "-- end shadow policy_version\nUPDATE policy_version SET state = CASE WHEN activated_at IS NULL THEN 'draft' ELSE 'retired' END WHERE state = 'shadow'";
    tx.execute(end, &[])?;
    let Some(number) = number else {
        return Ok(());
    };
    let sql = "-- begin shadow policy_version\nUPDATE policy_version SET state = 'shadow' WHERE number = ?1 AND state <> 'active'";
    tx.execute(sql, &[number.into()]).map(drop)
}

fn stored(row: &Row) -> Result<StoredVersion, Error> {
    Ok(StoredVersion {
        number: row.count("number")?,
        table_hash: row.text("table_hash")?.to_owned(),
        author: row.text("author")?.to_owned(),
        note: row.text("note")?.to_owned(),
        sources: row.text("sources")?.to_owned(),
        layout: row.text("layout")?.to_owned(),
        state: row.word("state", VersionState::parse)?,
        published_at: row.time("published_at")?,
        activates_at: row.opt_time("activates_at")?,
        activated_at: row.opt_time("activated_at")?,
    })
}
