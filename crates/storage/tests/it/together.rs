//! Recorded writes that wait at the same time share a transaction, and each still ends as if it had been alone.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use domain::audit::{Action, Actor, NewRecord};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use storage::{Database, Error, Tx, audit};

use crate::place::{on_each_engine, on_postgres, run_on_server};
use crate::sample::at;

const LOG: &str = "privity.test/audit";
const TABLES: &str = "-- make written
    CREATE TABLE written (id BIGINT NOT NULL PRIMARY KEY, xid TEXT NOT NULL)";

type Write<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

async fn run(database: &Database, sql: &'static str) {
    database
        .write("run", move |tx| tx.execute(sql, &[]))
        .await
        .unwrap();
}

/// A recorded write of whatever the closure does.
fn recorded<T: Send + 'static>(
    database: &Database,
    change: impl Fn(&mut Tx) -> Result<T, Error> + Send + 'static,
) -> Write<T> {
    let database = database.clone();
    Box::pin(async move {
        let write = database.write_recorded("recorded", move |tx| {
            let value = change(tx)?;
            let record = NewRecord::new(at(0), Actor::System, Action::Erased);
            Ok((value, audit::append(tx, LOG, vec![record])?))
        });
        write.await.map(|(value, appended)| {
            assert_eq!(appended.len(), 1);
            value
        })
    })
}

fn insert(tx: &mut Tx, id: i64) -> Result<(), Error> {
    tx.execute(
        "-- insert written\nINSERT INTO written (id, xid) VALUES (?1, '')",
        &[id.into()],
    )
    .map(|_| ())
}

/// Inserts a row that also says which transaction it was.
fn insert_with_xid(tx: &mut Tx, id: i64) -> Result<String, Error> {
    let sql = "-- insert xid
        INSERT INTO written (id, xid) VALUES (?1, CAST(pg_current_xact_id() AS TEXT)) RETURNING xid";
    tx.query_one(sql, &[id.into()])?
        .text("xid")
        .map(str::to_owned)
}

/// A first write, under way until it is let go: whatever comes meanwhile is the next group.
struct Held {
    write: tokio::task::JoinHandle<Result<(), Error>>,
    release: mpsc::Sender<()>,
}

impl Held {
    async fn new(database: &Database) -> Self {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (release, released) = mpsc::channel();
        let (begun, released) = (Mutex::new(Some(begun)), Mutex::new(released));
        let write = tokio::spawn(recorded(database, move |_| {
            if let Some(begun) = begun.lock().unwrap().take() {
                begun.send(()).unwrap();
                released.lock().unwrap().recv().unwrap();
            }
            Ok(())
        }));
        has_begun.await.unwrap();
        Self { write, release }
    }

    async fn let_go(self) {
        self.release.send(()).unwrap();
        self.write.await.unwrap().unwrap();
    }
}

fn queue<T>(write: &mut Write<T>) {
    assert!(write.now_or_never().is_none(), "it waits");
}

/// The results of writes that are run as one group.
async fn in_one_group<T>(database: &Database, mut writes: Vec<Write<T>>) -> Vec<Result<T, Error>> {
    let held = Held::new(database).await;
    writes.iter_mut().for_each(queue);
    held.let_go().await;
    join_all(writes).await
}

async fn ids(database: &Database) -> Vec<i64> {
    let sql = "-- list written\nSELECT id FROM written ORDER BY id";
    let rows = database.read("list", move |tx| tx.query(sql, &[])).await;
    let rows = rows.unwrap();
    rows.iter().map(|row| row.int("id").unwrap()).collect()
}

/// How many records there are; that they are one log without a gap is checked on the way.
async fn records(database: &Database) -> usize {
    let read = database.read("list records", |tx| audit::entries(tx, LOG, 0, 100_000));
    let entries = read.await.unwrap();
    for (sequence, entry) in (0_u64..).zip(&entries) {
        assert_eq!(entry.sequence, sequence);
        assert_eq!(domain::audit::leaf_hash(&entry.bytes), entry.leaf);
    }
    let state = database.read("state", |tx| audit::state(tx, LOG)).await;
    let mut frontier = domain::audit::merkle::Frontier::default();
    for entry in &entries {
        frontier.append(entry.leaf, &mut Vec::new());
    }
    assert_eq!(state.unwrap().frontier, frontier);
    entries.len()
}

#[tokio::test]
async fn recorded_writes_that_wait_share_one_transaction_and_are_one_log() {
    on_postgres(async |url| {
        let database = Database::open(url).await.unwrap();
        run(&database, TABLES).await;
        let writes = (0..16)
            .map(|id| recorded(&database, move |tx| insert_with_xid(tx, id)))
            .collect();
        let results = in_one_group(&database, writes).await;
        assert!(results[0].is_ok(), "{results:?}");
        assert!(results.iter().all(|one| *one == results[0]), "{results:?}");
        assert_eq!(ids(&database).await, (0..16).collect::<Vec<_>>());
        assert_eq!(records(&database).await, 17);
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn more_than_one_transaction_can_hold_are_all_written() {
    on_each_engine(async |database| {
        run(database, TABLES).await;
        let writes = (0..600)
            .map(|id| recorded(database, move |tx| insert(tx, id)))
            .collect();
        let results = in_one_group(database, writes).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(ids(database).await, (0..600).collect::<Vec<_>>());
        assert_eq!(records(database).await, 601);
    })
    .await;
}

#[tokio::test]
async fn a_failed_member_undoes_only_itself() {
    on_each_engine(async |database| {
        run(database, TABLES).await;
        let writes: Vec<Write<()>> = vec![
            recorded(database, |tx| insert(tx, 1)),
            // Stores two rows, the second of which is there already.
            recorded(database, |tx| insert(tx, 2).and_then(|()| insert(tx, 1))),
            // Fails after its statements, by its own word.
            recorded(database, |tx| {
                insert(tx, 3)?;
                Err(Error::ChangedMigration { version: 7 })
            }),
            // Fails before its first statement.
            recorded(database, |_| Err(Error::ChangedMigration { version: 8 })),
            recorded(database, |tx| insert(tx, 4)),
            // Can't even be prepared.
            recorded(database, |tx| {
                tx.execute("-- no such table\nDELETE FROM nothing", &[]).map(|_| ())
            }),
            recorded(database, |tx| {
                insert(tx, 5)?;
                panic!("on purpose")
            }),
            // Goes on after a failed statement.
            recorded(database, |tx| {
                let _ = insert(tx, 1);
                Ok(())
            }),
            recorded(database, |tx| insert(tx, 6)),
        ];
        let results = in_one_group(database, writes).await;
        let transaction = || "recorded".to_owned();
        for place in [0, 4, 8] {
            assert_eq!(results[place], Ok(()), "{place}");
        }
        assert!(matches!(&results[1], Err(Error::AlreadyExists { statement, .. }) if statement == "insert written"));
        assert_eq!(results[2], Err(Error::ChangedMigration { version: 7 }));
        assert_eq!(results[3], Err(Error::ChangedMigration { version: 8 }));
        assert!(matches!(&results[5], Err(Error::Statement { statement, .. }) if statement == "no such table"), "{:?}", results[5]);
        assert_eq!(results[6], Err(Error::Panicked { transaction: transaction() }));
        assert_eq!(results[7], Err(Error::WentOn { transaction: transaction() }));
        assert_eq!(ids(database).await, [1, 4, 6]);
        assert_eq!(records(database).await, 4);
    })
    .await;
}

#[tokio::test]
async fn a_member_that_fails_after_it_appended_takes_its_record_along() {
    on_each_engine(async |database| {
        run(database, TABLES).await;
        let appends_and_fails = |id| -> Write<()> {
            let database = database.clone();
            Box::pin(async move {
                let write = database.write_recorded("recorded", move |tx| {
                    insert(tx, id)?;
                    let record = NewRecord::new(at(0), Actor::System, Action::Erased);
                    let pending = audit::append(tx, LOG, vec![record])?;
                    insert(tx, id)?;
                    Ok(((), pending))
                });
                write.await.map(|((), _)| ())
            })
        };
        // The first of the group, so that it is also the first to hold the log.
        let writes = vec![
            appends_and_fails(1),
            recorded(database, |tx| insert(tx, 2)),
            appends_and_fails(3),
            recorded(database, |tx| insert(tx, 4)),
        ];
        let results = in_one_group(database, writes).await;
        let kept: Vec<_> = results.iter().map(Result::is_ok).collect();
        assert_eq!(kept, [false, true, false, true], "{results:?}");
        assert_eq!(ids(database).await, [2, 4]);
        assert_eq!(records(database).await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_failed_commit_fails_every_member() {
    on_postgres(async |url| {
        let database = Database::open(url).await.unwrap();
        run(&database, TABLES).await;
        let child = "-- make child
            CREATE TABLE child (id BIGINT NOT NULL PRIMARY KEY, written BIGINT REFERENCES written (id) DEFERRABLE INITIALLY DEFERRED)";
        run(&database, child).await;
        let orphan = "-- insert child\nINSERT INTO child (id, written) VALUES (1, 99)";
        let writes = vec![
            recorded(&database, |tx| insert(tx, 1)),
            recorded(&database, move |tx| tx.execute(orphan, &[]).map(|_| ())),
            recorded(&database, |tx| insert(tx, 2)),
        ];
        let results = in_one_group(&database, writes).await;
        assert!(
            results.iter().all(|result| matches!(result, Err(Error::Statement { statement, .. }) if statement == "commit")),
            "{results:?}"
        );
        assert!(ids(&database).await.is_empty());
        assert_eq!(records(&database).await, 1, "that of the first, which was alone");
        assert_eq!(recorded(&database, |tx| insert(tx, 3)).await, Ok(()));
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_member_that_another_transaction_got_in_the_way_of_runs_again_alone() {
    on_postgres(async |url| {
        let database = Database::open(url).await.unwrap();
        run(&database, TABLES).await;
        run(&database, "-- make fail\nCREATE FUNCTION fail_with(code TEXT) RETURNS BIGINT LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING ERRCODE = code; END'").await;
        let runs = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&runs);
        let writes = vec![
            recorded(&database, |tx| insert_with_xid(tx, 1)),
            recorded(&database, move |tx| {
                let xid = insert_with_xid(tx, 2)?;
                if counter.fetch_add(1, Ordering::SeqCst) < 2 {
                    tx.query("-- fail\nSELECT fail_with('40P01')", &[])?;
                }
                Ok(xid)
            }),
            recorded(&database, |tx| insert_with_xid(tx, 3)),
        ];
        let results = in_one_group(&database, writes).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(results[0], results[2], "the others are committed together");
        assert_ne!(results[0], results[1]);
        assert_eq!(runs.load(Ordering::SeqCst), 3, "once in the group, twice alone");
        assert_eq!(ids(&database).await, [1, 2, 3]);
        assert_eq!(records(&database).await, 4);

        let always = |tx: &mut Tx| tx.query("-- fail\nSELECT fail_with('40001')", &[]).map(|_| ());
        let writes = vec![recorded(&database, always), recorded(&database, |tx| insert(tx, 4))];
        let results = in_one_group(&database, writes).await;
        assert_eq!(results, [Err(Error::Busy { transaction: "recorded".to_owned() }), Ok(())]);
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_lost_in_the_middle_costs_no_member_its_write() {
    on_postgres(async |url| {
        let database = Database::open(url).await.unwrap();
        run(&database, TABLES).await;
        let killed = Arc::new(AtomicBool::new(false));
        let writes = (0..20)
            .map(|id| {
                let killed = Arc::clone(&killed);
                recorded(&database, move |tx| {
                    insert(tx, id)?;
                    if id == 7 && !killed.swap(true, Ordering::SeqCst) {
                        tx.query(
                            "-- end it\nSELECT pg_terminate_backend(pg_backend_pid())",
                            &[],
                        )?;
                    }
                    // Its own error, whichever member's fault it is.
                    if id == 9 {
                        Err(Error::ChangedMigration { version: 9 })
                    } else {
                        Ok(())
                    }
                })
            })
            .collect();
        let results = in_one_group(&database, writes).await;
        assert!(killed.load(Ordering::SeqCst));
        for (id, result) in results.iter().enumerate() {
            let expected = if id == 9 {
                Err(Error::ChangedMigration { version: 9 })
            } else {
                Ok(())
            };
            assert_eq!(*result, expected, "{id}");
        }
        assert_eq!(
            ids(&database).await,
            (0..20).filter(|id| *id != 9).collect::<Vec<_>>()
        );
        assert_eq!(records(&database).await, 20);
        database.close().await;
    })
    .await;
}

/// Whenever the server ends our connections: what was acknowledged is there, and nothing is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_killed_again_and_again_lose_and_repeat_nothing() {
    const WRITERS: i64 = 32;
    const EACH: i64 = 40;
    const KILLS: u32 = 15;
    on_postgres(async |url| {
        let database = Database::open(url).await.unwrap();
        // Without a key: a write that took effect twice would be seen.
        run(
            &database,
            "-- make written\nCREATE TABLE written (id BIGINT NOT NULL)",
        )
        .await;
        let write = async |writer: i64| {
            let mut acknowledged = Vec::new();
            for id in (writer..WRITERS * EACH).step_by(usize::try_from(WRITERS).unwrap()) {
                let insert = "-- insert written\nINSERT INTO written (id) VALUES (?1)";
                let write = recorded(&database, move |tx| tx.execute(insert, &[id.into()]));
                match write.await {
                    Ok(_) => acknowledged.push(id),
                    Err(Error::CommitUnknown { transaction }) => {
                        assert_eq!(transaction, "recorded")
                    }
                    Err(Error::Unreachable { .. } | Error::Busy { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            acknowledged
        };
        let kill = async {
            let server = std::env::var("PRIVITY_TEST_POSTGRES").unwrap();
            let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
            let sql = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            );
            for _ in 0..KILLS {
                run_on_server(&server, &sql).await;
            }
        };
        let (acknowledged, ()) = tokio::join!(join_all((0..WRITERS).map(write)), kill);
        let mut acknowledged = acknowledged.concat();
        acknowledged.sort_unstable();
        assert!(!acknowledged.is_empty());
        let found = ids(&database).await;
        let mut once = found.clone();
        once.dedup();
        assert_eq!(found, once, "nothing took effect twice");
        let missing: Vec<_> = acknowledged
            .iter()
            .filter(|id| found.binary_search(id).is_err())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(records(&database).await, found.len());
        database.close().await;
    })
    .await;
}

/// Two programs on one database, whose members take the same rows in any order: rings are found and broken, and all come through.
#[tokio::test(flavor = "multi_thread")]
async fn two_programs_that_want_the_same_rows_both_come_through() {
    const ROWS: i64 = 6;
    const WRITES: i64 = 200;
    on_postgres(async |url| {
        let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
        let server = std::env::var("PRIVITY_TEST_POSTGRES").unwrap();
        run_on_server(&server, &format!("ALTER DATABASE {name} SET deadlock_timeout = '20ms'")).await;
        let programs = [Database::open(url).await.unwrap(), Database::open(url).await.unwrap()];
        run(&programs[0], "-- make tally\nCREATE TABLE tally (id BIGINT NOT NULL PRIMARY KEY, times BIGINT NOT NULL)").await;
        run(&programs[0], "-- fill tally\nINSERT INTO tally SELECT id, 0 FROM generate_series(0, 5) AS row (id)").await;
        // The second program begins with another row.
        let starts = [(&programs[0], 0), (&programs[1], ROWS / 2)];
        let writes = (0..WRITES).flat_map(|number| starts.map(|(program, start)| (number + start, program)));
        let writes = writes.map(|(number, program)| async move {
            let add = "-- add\nUPDATE tally SET times = times + 1 WHERE id = ?1";
            // Whoever stays in the way five times running is told so, and asks again.
            loop {
                let write = recorded(program, move |tx| tx.execute(add, &[(number % ROWS).into()]));
                match write.await {
                    Err(Error::Busy { .. }) => {}
                    other => return other,
                }
            }
        });
        let results = join_all(writes).await;
        assert!(results.iter().all(|result| *result == Ok(1)), "{results:?}");
        let sum = "-- sum\nSELECT CAST(SUM(times) AS BIGINT) AS times FROM tally";
        let times = programs[1].read("sum", move |tx| tx.query_one(sum, &[])?.int("times")).await;
        assert_eq!(times, Ok(2 * WRITES));
        assert_eq!(records(&programs[0]).await, usize::try_from(2 * WRITES).unwrap());
        for program in programs {
            program.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_goes_away_keeps_nobody_waiting() {
    on_each_engine(async |database| {
        run(database, TABLES).await;
        let held = Held::new(database).await;
        let mut gone = recorded(database, |tx| insert(tx, 1));
        let mut stays = recorded(database, |tx| insert(tx, 2));
        queue(&mut gone);
        queue(&mut stays);
        drop(gone);
        held.let_go().await;
        assert_eq!(stays.await, Ok(()));
        assert_eq!(ids(database).await, [1, 2], "it had been handed in");
    })
    .await;
}

#[tokio::test]
async fn closing_waits_for_what_is_queued() {
    on_each_engine(async |database| {
        run(database, TABLES).await;
        let mut writes: Vec<_> = (0..30)
            .map(|id| recorded(database, move |tx| insert(tx, id)))
            .collect();
        let held = Held::new(database).await;
        writes.iter_mut().for_each(queue);
        tokio::join!(database.close(), held.let_go());
        let results = join_all(writes).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let late = recorded(database, |tx| insert(tx, 99)).await;
        assert_eq!(late, Err(Error::Closed));
    })
    .await;
}
