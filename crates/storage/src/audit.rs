//! The audit log's tables: entries, leaf hashes, hashes of full tiles and signed checkpoints, appended inside the transaction that they tell of.
//!
//! Decision: docs/decisions/003-audit-log.md. Nothing here is ever updated or deleted but the log's end.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::merkle::{Frontier, HashRange};
use domain::audit::{self, Appended, ChainHead, ChainHeads, Hash, LogState, NewRecord, Pending};
use domain::id::RequestId;

use crate::db::{Database, Row, Tx, Value};
use crate::error::Error;

/// One stored entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log, from 0.
    pub sequence: u64,
    /// The record's canonical bytes.
    pub bytes: Vec<u8>,
    /// Its leaf hash.
    pub leaf: Hash,
}

/// A signed statement of the log's size and root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many records it covers.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
    /// The signed note, as C2SP signed-note lays it out.
    pub note: String,
}

impl Database {
    /// [`Database::write`] for a closure that also appends to the audit log ([`append`]): answers the proof that each record is in the log
    /// for good. This is the only way to get such a proof, and data leaves only against one.
    ///
    /// Closures that wait at the same time run one after another in one transaction, on both engines: each sees what those before it
    /// did, and is undone alone when it fails.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place: the transaction above has committed"
    )]
    pub async fn write_recorded<T, E, F>(
        &self,
        name: &'static str,
        closure: F,
    ) -> Result<(T, Vec<Appended>), E>
    where
        F: Fn(&mut Tx) -> Result<(T, Pending), E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (value, pending) = self.write_together(name, closure).await?;
        Ok((value, pending.durable()))
    }
}

/// Appends records to the log within the caller's transaction, and to the chain of each privacy request that they name.
///
/// Once a closure, and last: it holds the log's end until the commit, so that appends of one log follow one another. Chain heads are
/// read under that hold, and held rows of privacy requests are not touched, so that two transactions don't wait for each other. (On
/// PostgreSQL several closures may share a transaction, where they can; `db/postgres/writer.rs` says how that is resolved.)
///
/// # Errors
/// [`Error::Record`] when a record has no canonical form.
pub fn append(tx: &mut Tx, log: &str, records: Vec<NewRecord>) -> Result<Pending, Error> {
    let state = lock_log(tx, log)?;
    let requests: BTreeSet<RequestId> =
        records.iter().filter_map(|record| record.request).collect();
    let heads = chain_heads(tx, &requests)?;
    let pending = audit::append(&state, &heads, records).map_err(|error| Error::Record {
        position: error.position,
        reason: error.source.to_string(),
    })?;
    tx.execute_all(&[
        entries_to_insert(log, &pending),
        tiles_to_insert(log, &pending),
        log_to_save(log, &pending),
    ])?;
    tx.holds_log(pending.state());
    Ok(pending)
}

/// Holds the log's end until the transaction ends, for what has to be decided one after another: who is who, when two imports at once
/// bring the same identifier. Whoever does this takes no row locks that others hold while they wait to append. (A transaction that holds it
/// already asks no more.)
pub fn hold(tx: &mut Tx, log: &str) -> Result<(), Error> {
    lock_log(tx, log).map(drop)
}

/// Where the chains of these privacy requests end; those without records are left out.
pub fn chain_heads(tx: &mut Tx, requests: &BTreeSet<RequestId>) -> Result<ChainHeads, Error> {
    let sql = "-- read chain head
        SELECT e.request_id, e.request_sequence, e.leaf FROM (VALUES (?1 /* TEXT */)) AS given
        JOIN audit_entry e ON e.request_id = given.column1
            AND e.request_sequence = (SELECT MAX(m.request_sequence) FROM audit_entry m WHERE m.request_id = given.column1)";
    let sets: Vec<_> = requests.iter().map(|id| vec![(*id).into()]).collect();
    let head = |row: &Row| {
        let records = row.count::<u64>("request_sequence")? + 1;
        Ok((
            row.parsed("request_id")?,
            ChainHead {
                records,
                last: Hash(row.hash("leaf")?),
            },
        ))
    };
    tx.query_given(sql, &sets)?.iter().map(head).collect()
}

/// Reads the log's end and holds it; makes the log when it is new. Where this transaction holds it already, no statement is needed.
fn lock_log(tx: &mut Tx, log: &str) -> Result<LogState, Error> {
    if let Some(state) = tx.held_log(log) {
        return Ok(state);
    }
    let sql = "-- lock audit_log
        INSERT INTO audit_log (log, size, frontier) VALUES (?1, 0, ?2)
        ON CONFLICT (log) DO UPDATE SET size = audit_log.size
        RETURNING frontier";
    let row = tx.query_one(sql, &[log.into(), Frontier::default().to_bytes().into()])?;
    let state = LogState {
        log: log.to_owned(),
        frontier: frontier(&row)?,
    };
    tx.holds_log(&state);
    Ok(state)
}

/// A statement and the sets of values that it runs over.
type Statement = (&'static str, Vec<Vec<Value>>);

fn entries_to_insert(log: &str, pending: &Pending) -> Statement {
    let sql = "-- insert audit_entry
        INSERT INTO audit_entry (log, sequence, entry, leaf, request_id, request_sequence, at)
        SELECT column1, column2, column3, column4, column5, column6, column7
        FROM (VALUES (?1 /* TEXT */, ?2 /* BIGINT */, ?3 /* BYTEA */, ?4 /* BYTEA */, ?5 /* TEXT */, ?6 /* BIGINT */, ?7 /* BIGINT */)) AS given";
    let values = |entry: &audit::NewEntry| -> Vec<Value> {
        let record = &entry.record;
        vec![
            log.into(),
            record.sequence.into(),
            entry.bytes.clone().into(),
            entry.leaf.0.into(),
            record.request.map(|link| link.id).into(),
            record.request.map(|link| link.sequence).into(),
            record.at.into(),
        ]
    };
    (sql, pending.entries().iter().map(values).collect())
}

fn tiles_to_insert(log: &str, pending: &Pending) -> Statement {
    let sql = "-- insert audit_tile\nINSERT INTO audit_tile (log, level, position, hash) VALUES (?1, ?2, ?3, ?4)";
    let values = |tile: &audit::merkle::SubtreeHash| -> Vec<Value> {
        vec![
            log.into(),
            u32::from(tile.level).into(),
            tile.index.into(),
            tile.hash.0.into(),
        ]
    };
    (sql, pending.subtrees().iter().map(values).collect())
}

fn log_to_save(log: &str, pending: &Pending) -> Statement {
    let frontier = &pending.state().frontier;
    let sql = "-- save audit_log\nUPDATE audit_log SET size = ?2, frontier = ?3 WHERE log = ?1";
    let values = vec![
        log.into(),
        frontier.size().into(),
        frontier.to_bytes().into(),
    ];
    (sql, vec![values])
}

/// Where the log ends now; an empty one when nothing was appended yet.
pub fn state(tx: &mut Tx, log: &str) -> Result<LogState, Error> {
    let row = tx.query_optional(
        "-- get audit_log\nSELECT frontier FROM audit_log WHERE log = ?1",
        &[log.into()],
    )?;
    let Some(row) = row else {
        return Ok(LogState::empty(log));
    };
    Ok(LogState {
        log: log.to_owned(),
        frontier: frontier(&row)?,
    })
}

/// Entries from `first` on, at most `limit`.
pub fn entries(tx: &mut Tx, log: &str, first: u64, limit: u32) -> Result<Vec<Entry>, Error> {
    let sql = "-- list audit_entry
        SELECT sequence, entry, leaf FROM audit_entry WHERE log = ?1 AND sequence >= ?2 ORDER BY sequence LIMIT ?3";
    tx.query(sql, &[log.into(), first.into(), limit.into()])?
        .iter()
        .map(entry)
        .collect()
}

/// All entries of a privacy request's chain, in order.
pub fn of_request(tx: &mut Tx, log: &str, request: RequestId) -> Result<Vec<Entry>, Error> {
    tx.query(OF_REQUEST, &[request.into(), log.into()])?
        .iter()
        .map(entry)
        .collect()
}

// By the request's own sequence, which orders as the log's does: by that one SQLite would walk through the whole log.
const OF_REQUEST: &str = "-- list audit_entry of request
    SELECT sequence, entry, leaf FROM audit_entry WHERE request_id = ?1 AND log = ?2 ORDER BY request_sequence";

/// The stored hashes that a proof needs ([`domain::audit::merkle::inclusion_needs`]), as a `HashReader`.
pub fn hashes(
    tx: &mut Tx,
    log: &str,
    needs: &[HashRange],
) -> Result<BTreeMap<(u8, u64), Hash>, Error> {
    let leaves = "-- read leaf hashes
        SELECT sequence AS position, leaf AS hash FROM audit_entry WHERE log = ?1 AND sequence >= ?2 AND sequence < ?3";
    let tiles = "-- read tile hashes
        SELECT position, hash FROM audit_tile WHERE log = ?1 AND level = ?4 AND position >= ?2 AND position < ?3";
    let mut found = BTreeMap::new();
    for range in needs.iter().copied().collect::<BTreeSet<_>>() {
        let mut values = vec![
            log.into(),
            range.first.into(),
            (range.first + range.count).into(),
        ];
        let sql = if range.level == 0 { leaves } else { tiles };
        if range.level > 0 {
            values.push(u32::from(range.level).into());
        }
        for row in tx.query(sql, &values)? {
            found.insert(
                (range.level, row.count("position")?),
                Hash(row.hash("hash")?),
            );
        }
    }
    Ok(found)
}

/// Stores a signed checkpoint; one of the same size stays as it is.
pub fn save_checkpoint(tx: &mut Tx, log: &str, checkpoint: &Checkpoint) -> Result<(), Error> {
    let sql = "-- save checkpoint
        INSERT INTO audit_checkpoint (log, size, root, note) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (log, size) DO NOTHING";
    tx.execute(
        sql,
        &[
            log.into(),
            checkpoint.size.into(),
            checkpoint.root.0.into(),
            (&checkpoint.note).into(),
        ],
    )
    .map(|_| ())
}

/// The checkpoint that covers most.
pub fn latest_checkpoint(tx: &mut Tx, log: &str) -> Result<Option<Checkpoint>, Error> {
    let sql = "-- get latest checkpoint\nSELECT size, root, note FROM audit_checkpoint WHERE log = ?1 ORDER BY size DESC LIMIT 1";
    tx.query_optional(sql, &[log.into()])?
        .as_ref()
        .map(checkpoint)
        .transpose()
}

/// The smallest checkpoint that covers the record at `sequence`.
pub fn checkpoint_covering(
    tx: &mut Tx,
    log: &str,
    sequence: u64,
) -> Result<Option<Checkpoint>, Error> {
    let sql = "-- get covering checkpoint\nSELECT size, root, note FROM audit_checkpoint WHERE log = ?1 AND size > ?2 ORDER BY size LIMIT 1";
    tx.query_optional(sql, &[log.into(), sequence.into()])?
        .as_ref()
        .map(checkpoint)
        .transpose()
}

fn frontier(row: &Row) -> Result<Frontier, Error> {
    Frontier::from_bytes(row.bytes("frontier")?).map_err(|error| Error::Column {
        column: "frontier".to_owned(),
        problem: error.to_string(),
    })
}

fn entry(row: &Row) -> Result<Entry, Error> {
    Ok(Entry {
        sequence: row.count("sequence")?,
        bytes: row.bytes("entry")?.to_vec(),
        leaf: Hash(row.hash("leaf")?),
    })
}

fn checkpoint(row: &Row) -> Result<Checkpoint, Error> {
    Ok(Checkpoint {
        size: row.count("size")?,
        root: Hash(row.hash("root")?),
        note: row.text("note")?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Whoever opens one privacy request must not wait for the records of all others to be walked through.
    #[tokio::test]
    async fn the_records_of_a_privacy_request_are_found_by_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("privity.db").display());
        let database = Database::open(&url).await.unwrap();
        let plan = database.read("explain", |tx| {
            let sql = format!("EXPLAIN QUERY PLAN {}", OF_REQUEST);
            let rows = tx.query(&sql, &["x".into(), "y".into()])?;
            rows.iter()
                .map(|row| row.text("detail").map(str::to_owned))
                .collect::<Result<Vec<_>, Error>>()
        });
        assert_eq!(
            plan.await.unwrap(),
            ["SEARCH audit_entry USING INDEX audit_entry_request (request_id=?)"]
        );
    }
}
