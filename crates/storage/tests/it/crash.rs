//! `kill -9` at any moment loses nothing that was acknowledged: a child process writes, the test kills it and looks.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use domain::audit::{Action, Actor, NewRecord};
use storage::{Database, Error, audit};

use crate::place::on_each_place;
use crate::sample::at;

const PLACE: &str = "PRIVITY_CRASH_TEST_DATABASE";
const ACKNOWLEDGED_BEFORE_THE_KILL: usize = 300;
const WRITERS: i64 = 32;

#[tokio::test]
async fn every_acknowledged_write_survives_kill_9() {
    on_each_place(async |url| {
        let database = Database::open(url).await.unwrap();
        let make = "-- make written\nCREATE TABLE written (id BIGINT NOT NULL PRIMARY KEY, half BIGINT NOT NULL)";
        database.write("make written", move |tx| tx.execute(make, &[])).await.unwrap();
        database.close().await;

        let acknowledged = write_until_killed(url);
        assert!(acknowledged.len() >= ACKNOWLEDGED_BEFORE_THE_KILL);

        let database = Database::open(url).await.unwrap();
        let rows = database.read("list", |tx| tx.query("-- list written\nSELECT id, half FROM written", &[])).await.unwrap();
        let found: BTreeSet<i64> = rows.iter().map(|row| row.int("id").unwrap()).collect();
        assert_eq!(acknowledged.difference(&found).collect::<Vec<_>>(), Vec::<&i64>::new());
        let log = database.read("log", |tx| audit::state(tx, "log")).await.unwrap();
        assert_eq!(log.frontier.size() * 2, rows.len() as u64, "each has its record");
        for row in &rows {
            assert!(found.contains(&-row.int("id").unwrap()), "a transaction is there as a whole or not at all");
        }
        database.close().await;
    })
    .await;
}

/// Starts this test binary again as the writer, kills it in the middle, and answers what it had reported as saved.
fn write_until_killed(url: &str) -> BTreeSet<i64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::writer_for_the_crash_test",
            "--nocapture",
            "--ignored",
        ])
        .env(PLACE, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = BTreeSet::new();
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        acknowledged.extend(
            line.unwrap()
                .strip_prefix("saved ")
                .and_then(|id| id.parse::<i64>().ok()),
        );
        if acknowledged.len() >= ACKNOWLEDGED_BEFORE_THE_KILL && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(killed && !child.wait().unwrap().success());
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by every_acknowledged_write_survives_kill_9, which kills it"]
async fn writer_for_the_crash_test() {
    let Ok(url) = std::env::var(PLACE) else {
        return;
    };
    let database = Database::open(&url).await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let database = database.clone();
        tokio::spawn(async move {
            for id in (1 + writer..).step_by(usize::try_from(WRITERS).unwrap()) {
                let insert = "-- insert written\nINSERT INTO written (id, half) VALUES (?1, ?2)";
                let both = database.write_recorded("insert both", move |tx| {
                    tx.execute(insert, &[id.into(), 1_i64.into()])?;
                    tx.execute(insert, &[(-id).into(), 2_i64.into()])?;
                    let record = NewRecord::new(at(0), Actor::System, Action::Erased);
                    Ok::<_, Error>(((), audit::append(tx, "log", vec![record])?))
                });
                both.await.unwrap();
                writeln!(std::io::stdout(), "saved {id}").unwrap();
            }
        })
    });
    futures_util::future::join_all(writers).await;
}
