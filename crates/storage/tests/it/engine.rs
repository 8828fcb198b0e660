//! What both engines promise alike: atomic, durable, isolated transactions, retried when another one was in the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use storage::{Database, Error, Tx, Value};

use crate::place::{on_each_engine, on_each_place, on_postgres};

async fn make_table(database: &Database) {
    let sql = "-- make t\nCREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, word TEXT)";
    database
        .write("make t", move |tx| tx.execute(sql, &[]))
        .await
        .unwrap();
}

fn insert(tx: &mut Tx, id: i64, word: &str) -> Result<(), Error> {
    tx.execute(
        "-- insert t\nINSERT INTO t (id, word) VALUES (?1, ?2)",
        &[id.into(), word.into()],
    )
    .map(|_| ())
}

async fn ids(database: &Database) -> Vec<i64> {
    let rows = database
        .read("list t", |tx| {
            tx.query("-- list t\nSELECT id FROM t ORDER BY id", &[])
        })
        .await
        .unwrap();
    rows.iter().map(|row| row.int("id").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writes_keep_what_succeeded_and_nothing_of_what_failed() {
    on_each_engine(async |database| {
        make_table(database).await;
        let writes = (0..300_i64).map(|id| {
            database.write("insert two", move |tx| {
                insert(tx, id, "kept")?;
                insert(tx, if id % 3 == 0 { id } else { id + 1_000 }, "second")
            })
        });
        let results = join_all(writes).await;
        let expected: Vec<i64> = (0..300).filter(|id| id % 3 != 0).flat_map(|id| [id, id + 1_000]).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        assert_eq!(ids(database).await, expected);
        for (id, result) in results.iter().enumerate() {
            assert_eq!(result.is_ok(), id % 3 != 0, "{id}: {result:?}");
            assert!(result.is_ok() || matches!(result, Err(Error::AlreadyExists { statement, .. }) if statement == "insert t"));
        }
    })
    .await;
}

#[tokio::test]
async fn values_read_back_as_they_were_written() {
    on_each_engine(async |database| {
        let make = "-- make v\nCREATE TABLE v (id BIGINT NOT NULL PRIMARY KEY, word TEXT, number BIGINT)";
        database.write("make v", move |tx| tx.execute(make, &[])).await.unwrap();
        database
            .write("insert v", |tx| {
                let sql = "-- insert v\nINSERT INTO v (id, word, number) VALUES (?3, ?1, ?2)";
                tx.execute_many(sql, &[vec!["it's “?1”".into(), i64::MIN.into(), 1_i64.into()], vec![Value::Null, Value::Null, 2_i64.into()]])
            })
            .await
            .map(|changed| assert_eq!(changed, 2))
            .unwrap();
        database
            .read::<_, Error, _>("read v", |tx| {
                let rows = tx.query("-- read v\nSELECT id, word, number, word IS NULL AS missing FROM v ORDER BY id", &[])?;
                assert_eq!((rows[0].text("word")?, rows[0].int("number")?, rows[0].flag("missing")?), ("it's “?1”", i64::MIN, false));
                assert_eq!((rows[1].opt_text("word")?, rows[1].opt_int("number")?, rows[1].flag("missing")?), (None, None, true));
                assert!(matches!(rows[1].text("word"), Err(Error::Column { .. })));
                assert!(matches!(rows[1].text("id"), Err(Error::Column { .. })));
                assert!(matches!(rows[1].text("nothing"), Err(Error::Column { .. })));
                let found = tx.query_many("-- find v\nSELECT id FROM v WHERE id = ?1", &[vec![2_i64.into()], vec![9_i64.into()]])?;
                assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0]);
                assert!(matches!(tx.query_one("-- one v\nSELECT id FROM v WHERE id = 9", &[]), Err(Error::NotFound { statement }) if statement == "one v"));
                Ok(())
            })
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_goes_on_after_a_failed_statement_is_undone() {
    on_each_engine(async |database| {
        make_table(database).await;
        let result = database
            .write("go on", |tx| {
                insert(tx, 1, "first")?;
                let _ = insert(tx, 1, "again");
                Ok::<(), Error>(())
            })
            .await;
        assert_eq!(
            result,
            Err(Error::WentOn {
                transaction: "go on".to_owned()
            })
        );
        assert!(ids(database).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_panic_undoes_its_transaction_and_the_next_one_works() {
    on_each_engine(async |database| {
        make_table(database).await;
        let result: Result<(), Error> = database
            .write("panic", |tx| {
                insert(tx, 1, "first")?;
                panic!("on purpose")
            })
            .await;
        assert_eq!(
            result,
            Err(Error::Panicked {
                transaction: "panic".to_owned()
            })
        );
        database
            .write("next", |tx| insert(tx, 2, "second"))
            .await
            .unwrap();
        assert_eq!(ids(database).await, [2]);
    })
    .await;
}

// The reader waits for a writer, which on a runtime of one thread could never come to its turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_cannot_write_and_sees_one_state() {
    on_each_engine(async |database| {
        make_table(database).await;
        let result = database.read("write", |tx| insert(tx, 1, "no")).await;
        assert_eq!(
            result,
            Err(Error::ReadOnly {
                statement: "insert t".to_owned()
            })
        );
        let (writer, runtime) = (database.clone(), tokio::runtime::Handle::current());
        let counts = database.read("count twice", move |tx| {
            let sql = "-- count t\nSELECT COUNT(*) AS n FROM t";
            let before = tx.query_one(sql, &[])?.int("n")?;
            runtime.block_on(writer.write("insert", |tx| insert(tx, 2, "between")))?;
            Ok::<_, Error>((before, tx.query_one(sql, &[])?.int("n")?))
        });
        assert_eq!(counts.await, Ok((0, 0)));
        assert_eq!(ids(database).await, [2]);
    })
    .await;
}

#[tokio::test]
async fn a_serialization_failure_is_tried_again_and_a_lasting_one_is_reported() {
    on_postgres(async |url| {
        let database = Database::open(url).await.unwrap();
        make_table(&database).await;
        let make = "-- make fail\nCREATE FUNCTION fail_with(code TEXT) RETURNS BIGINT LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING ERRCODE = code; END'";
        database.write("make fail", move |tx| tx.execute(make, &[])).await.unwrap();
        for code in ["40001", "40P01"] {
            let runs = Arc::new(AtomicU32::new(0));
            let counter = Arc::clone(&runs);
            let write = database.write("retried", move |tx| {
                insert(tx, i64::from(counter.fetch_add(1, Ordering::SeqCst)), code)?;
                if counter.load(Ordering::SeqCst) < 3 {
                    tx.query("-- fail\nSELECT fail_with(?1)", &[code.into()])?;
                }
                tx.execute("-- clear t\nDELETE FROM t", &[])
            });
            assert_eq!(write.await, Ok::<_, Error>(1), "only the row of the last attempt was there");
            assert_eq!(runs.load(Ordering::SeqCst), 3);
        }
        let lasting = database.write("always", |tx| tx.query("-- fail\nSELECT fail_with('40001')", &[])).await;
        assert_eq!(lasting.err(), Some(Error::Busy { transaction: "always".to_owned() }));
        let full = database.write("full", |tx| tx.query("-- fail\nSELECT fail_with('53100')", &[])).await;
        assert_eq!(full.err(), Some(Error::DiskFull));
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rivals_for_one_row_lose_no_update() {
    on_each_engine(async |database| {
        make_table(database).await;
        database
            .write("first", |tx| insert(tx, 0, ""))
            .await
            .unwrap();
        let add = |_| {
            database.write("add", |tx| {
                tx.execute("-- add\nUPDATE t SET word = word || 'x' WHERE id = 0", &[])
            })
        };
        assert!(join_all((0..100).map(add)).await.iter().all(Result::is_ok));
        let word = database
            .read("word", |tx| {
                tx.query_one("-- word\nSELECT word FROM t", &[])?
                    .text("word")
                    .map(str::len)
            })
            .await;
        assert_eq!(word, Ok(100));
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_is_replaced() {
    on_postgres(async |url| {
        let database = Database::open(url).await.unwrap();
        make_table(&database).await;
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        crate::place::run_on_server(url, kill).await;
        database.write("after", |tx| insert(tx, 1, "x")).await.unwrap();
        assert_eq!(ids(&database).await, [1]);
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn programs_that_start_together_migrate_once() {
    on_each_place(async |url| {
        let databases = join_all((0..4).map(|_| Database::open(url))).await;
        for database in databases {
            database.unwrap().close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_closed_database_says_so_on_every_clone() {
    on_each_engine(async |database| {
        database.clone().close().await;
        assert_eq!(
            database.write("late", |tx| insert(tx, 1, "x")).await,
            Err(Error::Closed)
        );
        assert_eq!(
            database.read("late", |tx| insert(tx, 1, "x")).await,
            Err(Error::Closed)
        );
    })
    .await;
}

#[tokio::test]
async fn an_unreachable_server_and_a_missing_database_are_told_apart_without_the_password() {
    let silent = Database::open("postgres://ann:s3cret@127.0.0.1:1/privity")
        .await
        .unwrap_err();
    assert!(
        matches!(&silent, Error::Unreachable { target, .. } if target == "127.0.0.1:1/privity")
    );
    assert!(!silent.to_string().contains("s3cret"));
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no/such/folder/db");
    assert!(matches!(
        Database::open(nowhere.to_str().unwrap()).await,
        Err(Error::Unreachable { .. })
    ));
    on_postgres(async |url| {
        let missing = Database::open(&url.replace("/privity_test_", "/missing_"))
            .await
            .unwrap_err();
        assert!(matches!(missing, Error::NoSuchDatabase { .. }), "{missing}");
    })
    .await;
}

#[tokio::test]
#[cfg(unix)]
async fn a_new_file_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let database = Database::open(path.to_str().unwrap()).await.unwrap();
    make_table(&database).await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o077,
            0,
            "{:?}",
            file.file_name()
        );
    }
    database.close().await;
}

#[tokio::test]
async fn scrubbing_leaves_no_trace_of_deleted_bytes_in_sqlites_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let database = Database::open(path.to_str().unwrap()).await.unwrap();
    make_table(&database).await;
    let traces = || {
        let files = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files
            .filter(|bytes| bytes.windows(10).any(|part| part == b"wrappedkey"))
            .count()
    };
    database
        .write("insert", |tx| insert(tx, 1, "wrappedkey"))
        .await
        .unwrap();
    assert!(traces() > 0, "the search must be able to find it");
    database
        .write("delete", |tx| tx.execute("-- delete t\nDELETE FROM t", &[]))
        .await
        .unwrap();
    database.scrub().await.unwrap();
    assert_eq!(traces(), 0);
    database.close().await;
}

#[tokio::test]
async fn a_table_changed_by_a_newer_program_does_not_stop_this_one() {
    on_each_engine(async |database| {
        make_table(database).await;
        database
            .write("insert", |tx| insert(tx, 1, "x"))
            .await
            .unwrap();
        let read = || {
            database.read("read all", |tx| {
                tx.query("-- read all t\nSELECT * FROM t", &[])
            })
        };
        assert_eq!(read().await.unwrap().len(), 1);
        let alter = "-- alter t\nALTER TABLE t ADD COLUMN more TEXT";
        database
            .write("alter t", move |tx| tx.execute(alter, &[]))
            .await
            .unwrap();
        assert_eq!(read().await.unwrap()[0].opt_text("more"), Ok(None));
    })
    .await;
}
