//! Remembered answers on both engines.

use futures_util::future::join_all;
use storage::idempotency::{self, Answered};
use storage::{Database, Error};

use crate::place::{on_each_engine, on_each_place};
use crate::sample::{at, request_id, sealed};

fn answered(number: u32) -> Answered {
    Answered {
        tag: b"tag".to_vec(),
        body_tag: b"body".to_vec(),
        request: request_id(number),
        status: 201,
        wrapped_key: b"wrapped key".to_vec(),
        response: sealed("answer"),
        expires_at: at(60),
    }
}

async fn insert(database: &Database, answered: Answered, now: i64) -> bool {
    database
        .write::<_, Error, _>("insert", move |tx| {
            idempotency::insert(tx, &answered, at(now))
        })
        .await
        .unwrap()
}

async fn get(database: &Database, now: i64) -> Option<Answered> {
    database
        .read::<_, Error, _>("get", move |tx| idempotency::get(tx, b"tag", at(now)))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_calls_made_at_once_one_is_the_first_and_all_see_its_answer() {
    on_each_engine(async |database| {
        let calls = (0..20).map(|number| insert(database, answered(number), 0));
        let first: Vec<bool> = join_all(calls).await;
        assert_eq!(first.iter().filter(|first| **first).count(), 1);
        let winner = u32::try_from(first.iter().position(|first| *first).unwrap()).unwrap();
        assert_eq!(get(database, 1).await, Some(answered(winner)));
    })
    .await;
}

#[tokio::test]
async fn an_answer_ends_with_its_time_and_the_key_is_free_again() {
    on_each_engine(async |database| {
        assert!(insert(database, answered(1), 0).await);
        assert_eq!(get(database, 59).await, Some(answered(1)));
        assert_eq!(get(database, 60).await, None);
        let later = Answered {
            expires_at: at(120),
            ..answered(2)
        };
        assert!(insert(database, later.clone(), 60).await);
        assert_eq!(get(database, 60).await, Some(later));
        let remove = |now| {
            database
                .write::<_, Error, _>("remove", move |tx| idempotency::remove_expired(tx, at(now)))
        };
        assert_eq!((remove(119).await, remove(120).await), (Ok(0), Ok(1)));
    })
    .await;
}

#[tokio::test]
async fn an_answer_outlives_the_program() {
    on_each_place(async |url| {
        let database = Database::open(url).await.unwrap();
        assert!(insert(&database, answered(1), 0).await);
        database.close().await;
        let again = Database::open(url).await.unwrap();
        assert_eq!(get(&again, 1).await, Some(answered(1)));
        assert!(!insert(&again, answered(2), 1).await);
        again.close().await;
    })
    .await;
}
