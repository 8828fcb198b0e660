//! The writer thread: takes the transactions that wait, runs each in a savepoint, commits all with one fsync, then answers them.

use std::path::Path;

use tokio::sync::{mpsc, oneshot};

use super::super::Durable;
use super::super::retry;
use super::super::transaction::{Attempt, Connection, Tx};
use super::super::waiting::{Ran, Waiting};
use super::checkpoint::{Checkpointer, Todo};
use super::room::Room;
use super::statement::failure;
use super::unreachable;
use crate::error::Error;

/// Transactions in one commit, at most.
const GROUP: usize = 256;

pub(super) enum Message {
    Transaction(Durable, Box<dyn Waiting>),
    Scrub(oneshot::Sender<Result<(), Error>>),
    Close(oneshot::Sender<()>),
}

/// The thread's whole life: until every sender is gone or someone closes.
pub(super) fn serve(mut tx: Tx, path: &Path, mut queue: mpsc::Receiver<Message>) {
    let mut checkpointer = Checkpointer::new(path.to_owned());
    let mut messages = Vec::with_capacity(GROUP);
    let (mut durable, mut room) = (Durable::Now, Room::default());
    while queue.blocking_recv_many(&mut messages, GROUP) > 0 {
        let (mut group, mut scrubs, mut close) = (Vec::new(), Vec::new(), None);
        let mut wanted = Durable::Later;
        for message in messages.drain(..) {
            match message {
                Message::Transaction(durable, waiting) => {
                    // One that can't wait decides for all.
                    if durable == Durable::Now {
                        wanted = Durable::Now;
                    }
                    group.push(waiting);
                }
                Message::Scrub(reply) => scrubs.push(reply),
                Message::Close(reply) => close = Some(reply),
            }
        }
        if !group.is_empty() {
            if let Connection::Sqlite(connection) = &tx.connection {
                room.prepare(connection, wanted);
            }
            match prepare(&mut tx, &mut durable, wanted, &checkpointer) {
                Ok(()) => {
                    commit_together(&mut tx, group);
                    if durable == Durable::Later && checkpointer.after_commit() == Todo::MoveTheRest
                    {
                        move_the_rest(&mut tx);
                    }
                }
                Err(error) => answer_all(group, &Err(error)),
            }
        }
        for reply in scrubs {
            let held = checkpointer.hold();
            let _ = reply.send(empty_log(&mut tx));
            drop(held);
        }
        if let Some(reply) = close {
            drop(tx);
            let _ = reply.send(());
            return;
        }
    }
}

/// A commit that may wait leaves its pages to the system; before the next one that can't, they are taken to the disk. Meanwhile the log
/// may grow, so that a page that is changed by many such commits is moved into the file once.
fn prepare(
    tx: &mut Tx,
    durable: &mut Durable,
    wanted: Durable,
    checkpointer: &Checkpointer,
) -> Result<(), Error> {
    if *durable == wanted {
        return Ok(());
    }
    let pragmas = match wanted {
        Durable::Now => "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 16000",
        Durable::Later => "PRAGMA synchronous = NORMAL",
    };
    let Connection::Sqlite(connection) = &mut tx.connection else {
        return Err(Error::Closed);
    };
    if wanted == Durable::Now {
        // A commit that changes nothing would not wait for the disk, and leave them behind.
        sync_log(connection)?;
    }
    // Not as a statement that stays prepared: this one works while it is prepared, and only then.
    connection
        .execute_batch(pragmas)
        .map_err(|error| failure("group commit", "pragma", error).error)?;
    if wanted == Durable::Later {
        let watched = checkpointer.watch(connection);
        watched.map_err(|error| failure("group commit", "watch", error).error)?;
    }
    *durable = wanted;
    Ok(())
}

/// Takes to the disk what commits have left to the system. SQLite holds no locks on this file, so that closing it here drops none.
fn sync_log(connection: &rusqlite::Connection) -> Result<(), Error> {
    let path = connection.path().unwrap_or_default();
    match std::fs::File::open(format!("{path}-wal")).and_then(|log| log.sync_data()) {
        // Without a log, everything is in the main file, which is on the disk before the log goes.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        synced => synced.map_err(|error| unreachable(Path::new(path), &error)),
    }
}

/// Runs and commits a group. When the engine itself throws away the whole transaction because of one member (a full disk does that),
/// that member gets its error and the others, which never failed, run again without it.
fn commit_together(tx: &mut Tx, mut group: Vec<Box<dyn Waiting>>) {
    if group.len() == 1
        && let Some(one) = group.pop()
    {
        return commit_alone(tx, one);
    }
    while !group.is_empty() {
        let size = group.len();
        let spoiled = match begin(tx) {
            Ok(()) => run_all(tx, &mut group),
            Err(error) => return answer_all(group, &Err(error)),
        };
        match spoiled {
            Ok(None) => {
                let commit = end(tx);
                return answer_all(group, &commit);
            }
            Ok(Some(place)) => group.remove(place).answer(Ok(())),
            Err(error) => {
                let _ = tx.sqlite("group commit", "ROLLBACK");
                return answer_all(group, &Err(error));
            }
        }
        tracing::warn!(
            group.size = size,
            "SQLite rolled back a whole group; running it again without the member that failed"
        );
    }
}

/// Nobody else is in the transaction, so that it needs no savepoint, which would keep a copy of every page that is changed.
fn commit_alone(tx: &mut Tx, mut one: Box<dyn Waiting>) {
    let outcome = begin(tx).and_then(|()| match (is_done(one.run(tx)), tx.ended_by_engine()) {
        (_, true) => Ok(()),
        (true, false) => end(tx),
        (false, false) => tx.sqlite("group commit", "ROLLBACK"),
    });
    one.answer(outcome);
}

/// The writer holds the only write lock, so that another attempt would meet the same state.
const fn is_done(ran: Ran) -> bool {
    match ran {
        Ran::Done => true,
        Ran::Failed | Ran::Again => false,
    }
}

/// Runs each member in a savepoint. `Some(place)`: at that member the engine ended the transaction of all.
fn run_all(tx: &mut Tx, group: &mut [Box<dyn Waiting>]) -> Result<Option<usize>, Error> {
    for (place, waiting) in group.iter_mut().enumerate() {
        tx.sqlite("group commit", "SAVEPOINT member")?;
        let keep = is_done(waiting.run(tx));
        if tx.ended_by_engine() {
            return Ok(Some(place));
        }
        if !keep {
            tx.sqlite("group commit", "ROLLBACK TO member")?;
        }
        tx.sqlite("group commit", "RELEASE member")?;
    }
    Ok(None)
}

/// Another program may hold the write lock: waits for it, a few times.
fn begin(tx: &mut Tx) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        match tx.sqlite("group commit", "BEGIN IMMEDIATE") {
            Err(Error::Busy { .. }) if attempt < retry::ATTEMPTS => {
                attempt += 1;
                retry::rest(attempt);
            }
            other => return other,
        }
    }
}

fn end(tx: &mut Tx) -> Result<(), Error> {
    let commit = tx.sqlite("group commit", "COMMIT");
    if commit.is_err() && !tx.ended_by_engine() {
        let _ = tx.sqlite("group commit", "ROLLBACK");
    }
    commit
}

fn answer_all(group: Vec<Box<dyn Waiting>>, commit: &Result<(), Error>) {
    for waiting in group {
        waiting.answer(commit.clone());
    }
}

/// Moves the few pages that the other thread left. Where somebody still reads an old state, some stay for the next time.
fn move_the_rest(tx: &mut Tx) {
    let moved = tx.query_one("-- move pages\nPRAGMA wal_checkpoint(PASSIVE)", &[]);
    if let Err(error) = moved {
        tracing::warn!(%error, "the log could not be moved into the main file; it grows until it can");
    }
}

/// Moves everything into the main file, whose deleted parts are overwritten, and cuts the log to nothing.
fn empty_log(tx: &mut Tx) -> Result<(), Error> {
    let checkpoint = |tx: &mut Tx| {
        tx.query_one("-- empty the log\nPRAGMA wal_checkpoint(TRUNCATE)", &[])?
            .int("busy")
    };
    match tx.attempt("scrub", &checkpoint) {
        Attempt::Done(0) => Ok(()),
        Attempt::Done(_) => Err(Error::Busy {
            transaction: "scrub".to_owned(),
        }),
        Attempt::Failed(error) | Attempt::Again(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use std::time::Duration;

    use super::super::{Pending, Sqlite, connect};
    use super::*;

    type Reply = oneshot::Receiver<Result<(), Error>>;

    fn writer(path: &Path) -> Tx {
        let tx = Tx::new(Connection::Sqlite(connect(path, Duration::ZERO).unwrap()));
        let Connection::Sqlite(connection) = &tx.connection else {
            unreachable!()
        };
        connection
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS parent (id TEXT PRIMARY KEY);
                 CREATE TABLE IF NOT EXISTS child (id TEXT PRIMARY KEY, parent TEXT REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
            )
            .unwrap();
        tx
    }

    fn member(sql: &'static str) -> (Box<dyn Waiting>, Reply) {
        let (reply, answer) = oneshot::channel();
        let closure = move |tx: &mut Tx| tx.execute(sql, &[]).map(|_| ());
        (Box::new(Pending::new("test", closure, reply)), answer)
    }

    /// Runs the statements as one group and answers their results and the ids that are there afterwards.
    fn run(statements: &[&'static str]) -> (Vec<Result<(), Error>>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let mut tx = writer(&folder.path().join("db"));
        let (group, replies): (Vec<_>, Vec<_>) = statements.iter().map(|sql| member(sql)).unzip();
        commit_together(&mut tx, group);
        let results = replies
            .into_iter()
            .map(|mut reply| reply.try_recv().unwrap())
            .collect();
        let rows = tx
            .query(
                "SELECT id FROM parent UNION ALL SELECT id FROM child ORDER BY id",
                &[],
            )
            .unwrap();
        (
            results,
            rows.iter()
                .map(|row| row.text("id").unwrap().to_owned())
                .collect(),
        )
    }

    #[test]
    fn a_failed_member_undoes_only_itself() {
        let (results, ids) = run(&[
            "INSERT INTO parent VALUES ('a')",
            "INSERT INTO parent VALUES ('b'), ('a')",
            "INSERT INTO parent VALUES ('c')",
        ]);
        assert!(results[0].is_ok() && results[2].is_ok());
        assert!(
            matches!(&results[1], Err(Error::AlreadyExists { rule, .. }) if rule == "parent.id"),
            "{:?}",
            results[1]
        );
        assert_eq!(ids, ["a", "c"]);
    }

    #[test]
    fn a_lone_member_that_fails_leaves_nothing_and_blocks_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let mut tx = writer(&folder.path().join("db"));
        let (reply, mut answer) = oneshot::channel();
        let twice = |tx: &mut Tx| {
            tx.execute("INSERT INTO parent VALUES ('a')", &[])?;
            tx.execute("INSERT INTO parent VALUES ('a')", &[])
                .map(|_| ())
        };
        commit_together(&mut tx, vec![Box::new(Pending::new("test", twice, reply))]);
        let failed: Result<(), Error> = answer.try_recv().unwrap();
        assert!(matches!(failed, Err(Error::AlreadyExists { .. })));

        let (waiting, mut reply) = member("INSERT INTO parent VALUES ('b')");
        commit_together(&mut tx, vec![waiting]);
        assert_eq!(reply.try_recv().unwrap(), Ok(()));
        let rows = tx.query("SELECT id FROM parent", &[]).unwrap();
        assert_eq!(rows.len(), 1);
    }

    #[test]
    fn a_failed_commit_fails_every_member() {
        let (results, ids) = run(&[
            "INSERT INTO parent VALUES ('a')",
            "INSERT INTO child VALUES ('b', 'nobody')",
        ]);
        assert!(results.iter().all(Result::is_err), "{results:?}");
        assert!(ids.is_empty());
    }

    #[test]
    fn members_run_again_when_the_engine_throws_the_group_away() {
        let (results, ids) = run(&[
            "INSERT INTO parent VALUES ('a')",
            "INSERT OR ROLLBACK INTO parent VALUES ('a')",
            "INSERT INTO parent VALUES ('c')",
        ]);
        assert!(
            results[0].is_ok() && results[1].is_err() && results[2].is_ok(),
            "{results:?}"
        );
        assert_eq!(ids, ["a", "c"]);
    }

    #[test]
    fn another_programs_lock_ends_in_a_clear_error_and_not_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut tx = writer(&path);
        let other = connect(&path, Duration::ZERO).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (waiting, mut reply) = member("INSERT INTO parent VALUES ('a')");
        commit_together(&mut tx, vec![waiting]);
        assert!(matches!(reply.try_recv().unwrap(), Err(Error::Busy { .. })));

        other.execute_batch("COMMIT").unwrap();
        let (waiting, mut reply) = member("INSERT INTO parent VALUES ('a')");
        commit_together(&mut tx, vec![waiting]);
        assert_eq!(reply.try_recv().unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn what_can_wait_does_not_wait_for_the_disk_and_what_cannot_does() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(folder.path().join("db")).await.unwrap();
        let level = async |durable| {
            let ask = |tx: &mut Tx| tx.query_one("PRAGMA synchronous", &[])?.int("synchronous");
            sqlite.write("ask", durable, ask).await
        };
        let (normal, full): (Result<i64, Error>, Result<i64, Error>) = (Ok(1), Ok(2));
        assert_eq!(level(Durable::Now).await, full);
        assert_eq!(level(Durable::Later).await, normal);
        assert_eq!(level(Durable::Later).await, normal);
        assert_eq!(level(Durable::Now).await, full);
        // One that can't wait decides for those that come with it.
        let both = tokio::join!(
            biased;
            level(Durable::Now),
            level(Durable::Later),
            level(Durable::Now),
        );
        assert_eq!((both.0, both.2), (full.clone(), full));
    }

    #[tokio::test]
    async fn an_import_gets_room_that_other_work_does_without() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(folder.path().join("db")).await.unwrap();
        let room = async |durable| {
            let ask = |tx: &mut Tx| tx.query_one("PRAGMA cache_size", &[])?.int("cache_size");
            sqlite.write("ask", durable, ask).await
        };
        let (ordinary, roomy): (Result<i64, Error>, Result<i64, Error>) =
            (Ok(-32_000), Ok(-128_000));
        assert_eq!(room(Durable::Now).await, ordinary);
        assert_eq!(room(Durable::Later).await, roomy);
    }

    #[tokio::test]
    async fn a_full_disk_is_named_and_loses_nothing_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let sqlite = Sqlite::open(path.clone()).await.unwrap();
        let make =
            |tx: &mut Tx| tx.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)", &[]);
        sqlite.write("make", Durable::Now, make).await.unwrap();
        sqlite
            .write("limit", Durable::Now, |tx| {
                tx.query("PRAGMA max_page_count = 40", &[])
            })
            .await
            .unwrap();
        let insert = |number: i64| {
            sqlite.write("insert", Durable::Now, move |tx| {
                tx.execute(
                    "INSERT INTO t VALUES (?1, ?2)",
                    &[number.into(), vec![7; 3_000].into()],
                )
            })
        };
        let answers = futures_util::future::join_all((0..100).map(insert)).await;
        let kept: Vec<i64> = (0..100)
            .filter(|number| answers[usize::try_from(*number).unwrap()].is_ok())
            .collect();
        assert!(!kept.is_empty() && kept.len() < 100);
        assert!(
            answers
                .iter()
                .all(|answer: &Result<u64, Error>| matches!(answer, Ok(1) | Err(Error::DiskFull))),
            "{answers:?}"
        );

        sqlite.close().await;
        let reopened = Sqlite::open(path).await.unwrap();
        let rows = reopened
            .read("list", |tx| tx.query("SELECT id FROM t ORDER BY id", &[]))
            .await
            .unwrap();
        let found: Vec<i64> = rows.iter().map(|row| row.int("id").unwrap()).collect();
        assert_eq!(found, kept);
    }
}
