//! The task queue on both engines.

use std::collections::BTreeSet;

use domain::id::TaskId;
use domain::task::{Task, TaskKind, TaskState};
use futures_util::future::join_all;
use storage::task::{self, Claim};
use storage::{Database, Error};

use crate::place::on_each_engine;
use crate::sample::{at, insert_requests, request_id, task as new_task, task_id};

async fn insert(database: &Database, tasks: Vec<Task>) -> u64 {
    database
        .write("insert tasks", move |tx| {
            task::insert_many(tx, &tasks, at(0))
        })
        .await
        .unwrap()
}

fn claim_at(kind: TaskKind, seconds: i64, owner: &str) -> Claim {
    Claim {
        kind,
        same_target: false,
        limit: 10,
        now: at(seconds),
        owner: owner.to_owned(),
        lease_until: at(seconds + 60),
    }
}

async fn claim(database: &Database, claim: Claim) -> Vec<TaskId> {
    let tasks = database
        .write("claim", move |tx| task::claim(tx, &claim))
        .await
        .unwrap();
    tasks.into_iter().map(|task: Task| task.id).collect()
}

fn ids(numbers: &[u32]) -> Vec<TaskId> {
    numbers.iter().copied().map(task_id).collect()
}

#[tokio::test]
async fn enqueueing_twice_is_harmless() {
    on_each_engine(async |database| {
        insert_requests(database, 1).await;
        let erase = |number| new_task(number, TaskKind::Erase, 0, "shop", at(1));
        assert_eq!(
            insert(
                database,
                vec![erase(1), new_task(2, TaskKind::Erase, 0, "crm", at(1))]
            )
            .await,
            2
        );
        assert_eq!(insert(database, vec![erase(3)]).await, 0);
        claim(database, claim_at(TaskKind::Erase, 1, "a")).await;
        database
            .write("finish", |tx| task::finish(tx, &[task_id(1)], "a"))
            .await
            .unwrap();
        assert_eq!(
            insert(database, vec![erase(4)]).await,
            0,
            "a task that is done stays done"
        );
        let again = vec![erase(5)];
        assert_eq!(
            database
                .write("again", move |tx| task::insert_again(tx, &again, at(2)))
                .await,
            Ok::<_, Error>(1)
        );
        let stored = database
            .read("get", |tx| task::get(tx, task_id(1)))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((stored.state, stored.attempts), (TaskState::Ready, 0));
        let missing = vec![new_task(6, TaskKind::Plan, 9, "", at(1))];
        let orphan: Result<u64, Error> = database
            .write("orphan", move |tx| task::insert_many(tx, &missing, at(0)))
            .await;
        assert!(
            orphan.is_err(),
            "a task belongs to a privacy request that exists"
        );
    })
    .await;
}

#[tokio::test]
async fn the_longest_waiting_task_is_claimed_first_and_not_before_its_time() {
    on_each_engine(async |database| {
        insert_requests(database, 4).await;
        let tasks = [(1, 30), (2, 10), (3, 20), (4, 99)];
        insert(
            database,
            tasks
                .map(|(number, run_at)| {
                    new_task(number, TaskKind::Plan, number - 1, "", at(run_at))
                })
                .to_vec(),
        )
        .await;
        assert!(
            claim(database, claim_at(TaskKind::Plan, 9, "a"))
                .await
                .is_empty()
        );
        assert!(
            claim(database, claim_at(TaskKind::Erase, 50, "a"))
                .await
                .is_empty()
        );
        assert_eq!(
            claim(
                database,
                Claim {
                    limit: 2,
                    ..claim_at(TaskKind::Plan, 50, "a")
                }
            )
            .await,
            ids(&[2, 3])
        );
        assert_eq!(
            claim(database, claim_at(TaskKind::Plan, 50, "b")).await,
            ids(&[1])
        );
        assert_eq!(
            database
                .read("kinds", |tx| task::claimable_kinds(tx, at(98)))
                .await,
            Ok(vec![])
        );
        assert_eq!(
            database
                .read("kinds", |tx| task::claimable_kinds(tx, at(99)))
                .await,
            Ok(vec![TaskKind::Plan])
        );
    })
    .await;
}

#[tokio::test]
async fn a_claim_of_one_target_takes_many_requests_of_the_system_that_waits_longest() {
    on_each_engine(async |database| {
        insert_requests(database, 5).await;
        let tasks = [
            (1, "shop", 5),
            (2, "crm", 3),
            (3, "shop", 1),
            (4, "crm", 4),
            (5, "shop", 2),
        ];
        insert(
            database,
            tasks
                .map(|(number, target, run_at)| {
                    new_task(number, TaskKind::Erase, number - 1, target, at(run_at))
                })
                .to_vec(),
        )
        .await;
        let same_target = || Claim {
            same_target: true,
            ..claim_at(TaskKind::Erase, 9, "a")
        };
        assert_eq!(claim(database, same_target()).await, ids(&[3, 5, 1]));
        assert_eq!(claim(database, same_target()).await, ids(&[2, 4]));
        assert!(claim(database, same_target()).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_ended_gives_the_task_to_another_worker_and_refuses_the_first() {
    on_each_engine(async |database| {
        insert_requests(database, 1).await;
        insert(database, vec![new_task(1, TaskKind::Plan, 0, "", at(0))]).await;
        assert_eq!(
            claim(database, claim_at(TaskKind::Plan, 0, "a")).await,
            ids(&[1])
        );
        assert!(
            claim(database, claim_at(TaskKind::Plan, 59, "b"))
                .await
                .is_empty()
        );
        database
            .write("renew", |tx| task::renew(tx, &[task_id(1)], "a", at(100)))
            .await
            .unwrap();
        assert!(
            claim(database, claim_at(TaskKind::Plan, 99, "b"))
                .await
                .is_empty()
        );
        assert_eq!(
            claim(database, claim_at(TaskKind::Plan, 100, "b")).await,
            ids(&[1])
        );
        let changed = |result: Result<(), Error>| {
            assert!(matches!(result, Err(Error::Changed { .. })), "{result:?}")
        };
        changed(
            database
                .write("finish", |tx| task::finish(tx, &[task_id(1)], "a"))
                .await,
        );
        changed(
            database
                .write("renew", |tx| task::renew(tx, &[task_id(1)], "a", at(200)))
                .await,
        );
        changed(
            database
                .write("stick", |tx| task::stick(tx, task_id(1), "a", "late"))
                .await,
        );
        changed(
            database
                .write("retry", |tx| {
                    task::retry_at(tx, task_id(1), "a", at(0), None)
                })
                .await,
        );
        database
            .write("finish", |tx| task::finish(tx, &[task_id(1)], "b"))
            .await
            .unwrap();
        changed(
            database
                .write("finish", |tx| task::finish(tx, &[task_id(1)], "b"))
                .await,
        );
        let stored = database
            .read("get", |tx| task::get(tx, task_id(1)))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((stored.state, stored.attempts), (TaskState::Done, 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_never_get_the_same_task() {
    on_each_engine(async |database| {
        insert_requests(database, 200).await;
        insert(
            database,
            (0..200)
                .map(|number| new_task(number, TaskKind::Erase, number, "shop", at(0)))
                .collect(),
        )
        .await;
        let workers = (0..8).map(|worker| async move {
            let mut mine = Vec::new();
            loop {
                let some = claim(
                    database,
                    Claim {
                        limit: 7,
                        same_target: worker % 2 == 0,
                        ..claim_at(TaskKind::Erase, 1, &format!("worker {worker}"))
                    },
                )
                .await;
                if some.is_empty() {
                    return mine;
                }
                mine.extend(some);
            }
        });
        let claimed: Vec<_> = join_all(workers).await.concat();
        let distinct: BTreeSet<_> = claimed.iter().copied().collect();
        assert_eq!(distinct.len(), claimed.len());
        let left = claim(
            database,
            Claim {
                limit: 300,
                ..claim_at(TaskKind::Erase, 1, "last")
            },
        )
        .await;
        assert_eq!(distinct.len() + left.len(), 200);
    })
    .await;
}

#[tokio::test]
async fn a_task_that_fails_is_retried_then_stuck_then_released_by_an_operator() {
    on_each_engine(async |database| {
        insert_requests(database, 1).await;
        insert(
            database,
            vec![
                new_task(1, TaskKind::Erase, 0, "shop", at(0)),
                new_task(2, TaskKind::Erase, 0, "crm", at(0)),
            ],
        )
        .await;
        let both = || {
            database.read("unfinished", |tx| {
                task::unfinished(tx, &[request_id(0), request_id(8)], TaskKind::Erase)
            })
        };
        assert_eq!(both().await, Ok(vec![2, 0]));
        claim(database, claim_at(TaskKind::Erase, 0, "a")).await;
        database
            .write("retry", |tx| {
                task::retry_at(
                    tx,
                    task_id(1),
                    "a",
                    at(5),
                    Some("the system is unreachable"),
                )
            })
            .await
            .unwrap();
        database
            .write("finish", |tx| task::finish(tx, &[task_id(2)], "a"))
            .await
            .unwrap();
        assert_eq!(both().await, Ok(vec![1, 0]));
        assert_eq!(
            claim(database, claim_at(TaskKind::Erase, 5, "a")).await,
            ids(&[1])
        );
        database
            .write("stick", |tx| {
                task::stick(tx, task_id(1), "a", "the password was refused")
            })
            .await
            .unwrap();
        assert!(
            claim(database, claim_at(TaskKind::Erase, 999, "a"))
                .await
                .is_empty()
        );
        let stuck = database
            .read("stuck", |tx| task::stuck(tx, 10))
            .await
            .unwrap();
        assert_eq!(
            (stuck.len(), stuck[0].attempts, stuck[0].error.as_deref()),
            (1, 2, Some("the password was refused"))
        );
        database
            .write("unstick", |tx| task::unstick(tx, task_id(1), at(9)))
            .await
            .unwrap();
        assert_eq!(
            claim(database, claim_at(TaskKind::Erase, 9, "a")).await,
            ids(&[1])
        );
        assert_eq!(
            database.write("release", |tx| task::release(tx, "a")).await,
            Ok::<_, Error>(1)
        );
        let stored = database
            .read("get", |tx| task::get(tx, task_id(1)))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((stored.state, stored.attempts), (TaskState::Ready, 0));
        database
            .write("by hand", |tx| task::finish_by_hand(tx, task_id(1)))
            .await
            .unwrap();
        let again: Result<(), Error> = database
            .write("by hand", |tx| task::finish_by_hand(tx, task_id(1)))
            .await;
        assert!(matches!(again, Err(Error::Changed { .. })));
        assert_eq!(
            database
                .read("all", |tx| task::of_request(tx, request_id(0)))
                .await
                .map(|tasks: Vec<Task>| tasks.len()),
            Ok::<_, Error>(2)
        );
    })
    .await;
}

#[tokio::test]
async fn work_by_hand_is_listed_and_keeps_no_worker_awake() {
    on_each_engine(async |database| {
        insert_requests(database, 1).await;
        let by_hand = Task {
            due: "2026-11-20".parse().ok(),
            ..new_task(1, TaskKind::ManualWork, 0, "archive", at(0))
        };
        insert(
            database,
            vec![
                by_hand.clone(),
                new_task(2, TaskKind::Remind, 0, "x", at(77)),
            ],
        )
        .await;
        assert_eq!(
            database
                .read("open", |tx| task::open_of_kind(tx, TaskKind::ManualWork, 5))
                .await,
            Ok(vec![by_hand])
        );
        assert_eq!(
            database
                .write("remove", |tx| task::remove_ready(tx, request_id(0)))
                .await,
            Ok::<_, Error>(2)
        );
        assert_eq!(
            database
                .read("open", |tx| task::of_request(tx, request_id(0)))
                .await,
            Ok(vec![])
        );
    })
    .await;
}
