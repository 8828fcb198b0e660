//! Holders of keys, and wrapped keys by epoch, on both engines.

use jiff::SignedDuration;
use storage::key_holder::{self, KeyHolder};
use storage::privacy_request::{self, NewPrivacyRequest};
use storage::wrapped_key::{self, Owner, WrappedRow};
use storage::{Database, Error};

use crate::place::on_each_engine;
use crate::sample::{at, new_request, request_id};

fn holder(id: &str, epoch: u32, until: i64) -> KeyHolder {
    KeyHolder {
        id: id.to_owned(),
        epoch_in_use: epoch,
        newest_epoch: epoch + 1,
        index_in_use: 1,
        newest_index: 1,
        check: "check".to_owned(),
        until: at(until),
    }
}

async fn hold(database: &Database, holder: &KeyHolder, now: i64) {
    let holder = holder.clone();
    database
        .write::<_, Error, _>("hold", move |tx| key_holder::hold(tx, &holder, at(now)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_holder_counts_until_its_time_is_over_or_it_lets_go() {
    on_each_engine(async |database| {
        hold(database, &holder("a", 1, 60), 0).await;
        hold(database, &holder("b", 1, 90), 0).await;
        hold(database, &holder("a", 2, 100), 30).await;
        let list = |now: i64| {
            database.read::<_, Error, _>("list", move |tx| key_holder::list(tx, at(now)))
        };
        assert_eq!(
            list(50).await.unwrap(),
            [holder("a", 2, 100), holder("b", 1, 90)]
        );
        assert_eq!(list(95).await.unwrap(), [holder("a", 2, 100)]);
        database
            .write::<_, Error, _>("let go", |tx| key_holder::let_go(tx, "a"))
            .await
            .unwrap();
        assert_eq!(list(95).await.unwrap(), []);
    })
    .await;
}

/// As the vault wraps: format, epoch, and what follows.
fn wrapped(epoch: u32, rest: u8) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend(epoch.to_be_bytes());
    bytes.push(rest);
    bytes
}

async fn others(database: &Database, epoch: u32, after: Option<WrappedRow>) -> Vec<WrappedRow> {
    database
        .read::<_, Error, _>("others", move |tx| {
            wrapped_key::of_other_epochs(tx, Owner::PrivacyRequest, epoch, after.as_ref(), 2)
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn keys_of_older_epochs_are_found_in_pages_replaced_and_counted() {
    on_each_engine(async |database| {
        let new: Vec<_> = (0..4)
            .map(|number| NewPrivacyRequest {
                wrapped_key: wrapped(if number == 3 { 257 } else { 1 }, number as u8),
                ..new_request(number)
            })
            .collect();
        database
            .write::<_, Error, _>("insert", move |tx| privacy_request::insert_many(tx, &new))
            .await
            .unwrap();

        let first = others(database, 257, None).await;
        let rest = others(database, 257, first.last().cloned()).await;
        let found: Vec<_> = first.iter().chain(&rest).map(|row| row.request).collect();
        assert_eq!(found, [request_id(0), request_id(1), request_id(2)]);

        // The key of 1 is destroyed while 0, 1 and 2 are wrapped again.
        database
            .write::<_, Error, _>("destroy", |tx| {
                privacy_request::destroy_keys(tx, &[request_id(1)], at(9))
            })
            .await
            .unwrap();
        let new: Vec<_> = first
            .into_iter()
            .chain(rest)
            .map(|row| (row, wrapped(257, 9)))
            .collect();
        let saved = database
            .write::<_, Error, _>("save", move |tx| {
                wrapped_key::save(tx, Owner::PrivacyRequest, &new)
            })
            .await;
        assert_eq!(saved.unwrap(), 2);
        let counts = database
            .read::<_, Error, _>("count", wrapped_key::count_by_epoch)
            .await;
        assert_eq!(counts.unwrap(), [(257, 3)]);
        assert!(others(database, 257, None).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_killed_program_is_forgotten_when_another_speaks() {
    on_each_engine(async |database| {
        hold(database, &holder("killed", 1, 60), 0).await;
        hold(database, &holder("lives", 1, 200), 61).await;
        let early = at(0) - SignedDuration::from_secs(1);
        let all = database
            .read::<_, Error, _>("list", move |tx| key_holder::list(tx, early))
            .await;
        assert_eq!(all.unwrap(), [holder("lives", 1, 200)]);
    })
    .await;
}
