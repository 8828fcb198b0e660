//! How much work waits, on both engines.

use domain::task::{Task, TaskKind};
use storage::task::{self, Claim};
use storage::{Error, workload};

use crate::place::on_each_engine;
use crate::sample::{at, insert_requests, task as new_task};

#[tokio::test]
async fn tasks_of_later_and_of_other_workers_and_work_by_hand_are_not_due() {
    on_each_engine(async |database| {
        insert_requests(database, 1).await;
        let tasks: Vec<Task> = vec![
            new_task(1, TaskKind::Plan, 0, "", at(0)),
            new_task(2, TaskKind::Erase, 0, "shop", at(5)),
            new_task(3, TaskKind::Close, 0, "", at(60)),
            new_task(4, TaskKind::ManualWork, 0, "archive", at(0)),
            new_task(5, TaskKind::Confirm, 0, "", at(0)),
        ];
        let claim = Claim {
            kind: TaskKind::Confirm,
            same_target: false,
            limit: 1,
            now: at(5),
            owner: "another".to_owned(),
            lease_until: at(30),
        };
        database
            .write::<_, Error, _>("prepare", move |tx| {
                task::insert_many(tx, &tasks, at(0))?;
                task::claim(tx, &claim).map(|_| ())
            })
            .await
            .unwrap();
        for (now, due) in [(0, 1), (5, 2), (30, 3), (60, 4)] {
            let found = database.read("due", move |tx| workload::tasks_due(tx, at(now)));
            assert_eq!(found.await, Ok::<_, Error>(due), "after {now} seconds");
        }
    })
    .await;
}
