//! What our own transactions cost, in CPU of this process and, on PostgreSQL, of its servers; run by hand:
//! `cargo test --release -p storage --test it cost -- --ignored --nocapture`.

use std::time::Instant;

use domain::audit::{Action, Actor, NewRecord};
use domain::task::TaskKind;
use futures_util::stream::{self, StreamExt as _};
use storage::task::{self, Claim};
use storage::{Database, Error, audit, privacy_request};

use crate::place::on_each_place;
use crate::sample::{at, new_request, request_id, task as new_task, task_id};

const LOG: &str = "privity.test/audit";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn cost_of_small_transactions() {
    on_each_place(async |url| {
        let database = Database::open(url).await.unwrap();
        println!(
            "\n{}",
            if url.starts_with("postgres") {
                "PostgreSQL"
            } else {
                "SQLite"
            }
        );
        let intake = |number: u32| {
            let database = &database;
            async move {
                let (new, task) = (
                    new_request(number),
                    new_task(number, TaskKind::Erase, number, "shop", at(0)),
                );
                let write = database.write_recorded("intake", move |tx| {
                    privacy_request::insert(tx, &new)?;
                    task::insert_many(tx, std::slice::from_ref(&task), at(0))?;
                    Ok::<_, Error>(((), audit::append(tx, LOG, vec![record(new.request.id)])?))
                });
                write.await.unwrap();
            }
        };
        measure(
            "intake (request, task, audit record), 1 waiting",
            500,
            || stream::iter(0..500).for_each(intake),
        )
        .await;
        measure("the same, 64 waiting", 5_000, || {
            stream::iter(500..5_500).for_each_concurrent(64, intake)
        })
        .await;
        let make = "-- make written\nCREATE TABLE written (id BIGINT NOT NULL PRIMARY KEY, times BIGINT NOT NULL)";
        database.write("make written", move |tx| tx.execute(make, &[])).await.unwrap();
        let single = |number: i64| {
            let database = &database;
            async move {
                let save = "-- save written
                    INSERT INTO written (id, times) VALUES (?1, 1) ON CONFLICT (id) DO UPDATE SET times = written.times + 1";
                let record = NewRecord::new(at(0), Actor::System, Action::Erased);
                let write = database.write_recorded("single", move |tx| {
                    tx.execute(save, &[(number % 1_000).into()])?;
                    Ok::<_, Error>(((), audit::append(tx, LOG, vec![record.clone()])?))
                });
                write.await.unwrap();
            }
        };
        measure("one row and one record, 1 waiting", 500, || {
            stream::iter(0..500).for_each(single)
        })
        .await;
        measure("the same, 256 waiting", 5_000, || {
            stream::iter(0..5_000).for_each_concurrent(256, single)
        })
        .await;
        let get = |number: u32| {
            let database = &database;
            async move {
                database
                    .read("get", move |tx| {
                        privacy_request::get(tx, request_id(number))
                    })
                    .await
                    .unwrap();
            }
        };
        measure("read one request", 5_000, || {
            stream::iter(0..5_000).for_each(get)
        })
        .await;
        let claim = |round: u32| {
            let database = &database;
            async move {
                let claim = Claim {
                    kind: TaskKind::Erase,
                    same_target: true,
                    limit: 500,
                    now: at(1),
                    owner: "a".to_owned(),
                    lease_until: at(60),
                };
                let tasks = database
                    .write("claim", move |tx| task::claim(tx, &claim))
                    .await
                    .unwrap();
                let ids: Vec<_> = tasks
                    .iter()
                    .map(|task: &domain::task::Task| task.id)
                    .collect();
                assert!(ids.len() == 500 && ids.contains(&task_id(round * 500)));
                let records: Vec<_> = tasks.iter().map(|task| record(task.request)).collect();
                let write = database.write_recorded("finish", move |tx| {
                    task::finish(tx, &ids, "a")?;
                    Ok::<_, Error>(((), audit::append(tx, LOG, records.clone())?))
                });
                write.await.unwrap();
            }
        };
        measure("claim, finish and record, by 500", 5_500, || {
            stream::iter(0..11).for_each(claim)
        })
        .await;
        database.close().await;
    })
    .await;
}

fn record(request: domain::id::RequestId) -> NewRecord {
    NewRecord::new(at(0), Actor::System, Action::Erased)
        .with("rows", 3)
        .for_request(request)
}

async fn measure<F: Future<Output = ()>>(what: &str, count: u32, work: impl FnOnce() -> F) {
    let (start, own, servers) = (Instant::now(), cpu_micros("self"), server_cpu_micros());
    work().await;
    let each = |before: u64, after: u64| after.saturating_sub(before) / u64::from(count);
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    let (own, servers) = (
        each(own, cpu_micros("self")),
        each(servers, server_cpu_micros()),
    );
    println!(
        "{what}: {own} µs of CPU here, {servers} µs in PostgreSQL's processes, {rate:.0} a second"
    );
}

/// User and system time of a process so far; the kernel counts in hundredths of a second.
fn cpu_micros(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    fields
        .get(11..13)
        .map_or(0, |times| times.iter().sum::<u64>() * 10_000)
}

fn server_cpu_micros() -> u64 {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let is_server = |pid: &String| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.trim() == "postgres")
    };
    processes
        .filter_map(|process| process.file_name().into_string().ok())
        .filter(is_server)
        .map(|pid| cpu_micros(&pid))
        .sum()
}
