//! The attacker has an old backup of the database, and today's key file: whoever was erased since stays forgotten.

use std::path::Path;
use std::time::Duration;

use governance::key::{self, KeyKind};
use storage::{Database, Error, subject};

use super::{PLANTED, opens, segments};
use crate::profile_house::{ProfileHouse, SHOP};

const SAM: [(&str, &str); 2] = [("customer_number", "2"), ("first_name", "Sam")];

async fn backup(house: &ProfileHouse, to: &Path) -> Database {
    for end in ["", "-wal"] {
        let file = house.dir.path().join(format!("privity.db{end}"));
        if file.exists() {
            std::fs::copy(file, to.join(format!("privity.db{end}"))).unwrap();
        }
    }
    Database::open(&format!("sqlite:{}", to.join("privity.db").display()))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_subjects_backup_is_dead_once_the_keys_were_changed() {
    let house = ProfileHouse::new(None).await;
    let written = house.write(SHOP, &[&PLANTED, &SAM]).await;
    let maya = written.subjects[0].unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let old = backup(&house, elsewhere.path()).await;
    let old_keys = elsewhere.path().join("old.key");
    let keys = house.dir.path().join("privity.key");
    std::fs::copy(&keys, &old_keys).unwrap();

    let now = house.p.now();
    let erase = house
        .p
        .database()
        .write("erase", move |tx| subject::erase(tx, &[maya].into(), now));
    assert_eq!(
        erase.await.unwrap_or_else(|error: Error| panic!("{error}")),
        1
    );
    key::rotate(&house.p, KeyKind::Epoch, Duration::ZERO)
        .await
        .unwrap();

    let rows = segments(&old).await;
    let hers: Vec<_> = rows.iter().filter(|row| row.subject == maya).collect();
    assert!(!hers.is_empty(), "the backup still has her rows");
    for row in hers {
        assert!(
            !opens(&old, &keys, &house, row).await,
            "today's key file opens nothing of hers"
        );
        // The honest limit: a copy of the key file of that time would. Copies of it must end with it.
        assert!(opens(&old, &old_keys, &house, row).await);
    }
    for row in segments(house.p.database())
        .await
        .iter()
        .filter(|row| row.subject != maya)
    {
        assert!(
            opens(house.p.database(), &keys, &house, row).await,
            "the others are there"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_hold_no_wrapped_key_of_an_erased_subject() {
    let house = ProfileHouse::new(None).await;
    let written = house.write(SHOP, &[&PLANTED, &SAM]).await;
    let maya = written.subjects[0].unwrap();
    let read = house
        .p
        .database()
        .read("read", move |tx| subject::get_many(tx, &[maya].into()));
    let key = read.await.unwrap_or_else(|error: Error| panic!("{error}"))[0]
        .key
        .clone()
        .unwrap()
        .wrapped;
    let present = |bytes: &[u8]| bytes.windows(key.len()).any(|window| window == key);
    assert!(present(&house.everything_stored().await));
    let now = house.p.now();
    let erase = house
        .p
        .database()
        .write("erase", move |tx| subject::erase(tx, &[maya].into(), now));
    erase.await.unwrap_or_else(|error: Error| panic!("{error}"));
    house.p.database().scrub().await.unwrap();
    assert!(!present(&house.everything_stored().await));
}
