//! The attacker has a copy: of the database's files, of a dump, of everything but the key file, or of the key file alone.

use std::process::Command;

use enforcement::vault::KeyRing;

use super::{PLANTED, all_open};
use crate::canary::search;
use crate::profile_house::{ProfileHouse, SHOP, on_each_engine};

fn planted() -> Vec<String> {
    PLANTED
        .iter()
        .map(|(_, value)| (*value).to_owned())
        .collect()
}

/// What `pg_dump` writes goes beside the files; on SQLite the files are all there is.
fn dump(house: &ProfileHouse) {
    let storage = house.storage();
    let Some(url) = storage.strip_suffix("?sslmode=disable") else {
        return;
    };
    let dump = ["/usr/lib/postgresql/15/bin/pg_dump", "pg_dump"]
        .into_iter()
        .find_map(|program| Command::new(program).arg(url).output().ok());
    let Some(dump) = dump else {
        println!("the dump of PostgreSQL was not searched: pg_dump is not installed");
        return;
    };
    assert!(
        dump.status.success(),
        "{}",
        String::from_utf8_lossy(&dump.stderr)
    );
    std::fs::write(house.dir.path().join("dump.sql"), dump.stdout).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_dump_and_key_file_hold_no_value_in_any_encoding() {
    on_each_engine(async |house| {
        let written = house.write(SHOP, &[&PLANTED]).await;
        // Changed, found again, refused, merged and rotated: everything that touches a value.
        let changed = [PLANTED[0], PLANTED[1], ("first_name", "Zqcanarymaya Two")];
        house
            .write(
                SHOP,
                &[&changed, &[("email", "zqcanary.refused@example.org")]],
            )
            .await;
        for kind in governance::key::KeyKind::ALL {
            governance::key::rotate(&house.p, kind, std::time::Duration::ZERO)
                .await
                .unwrap();
        }
        assert!(
            all_open(house, written.subjects[0].unwrap()).await,
            "what is searched for is there, sealed"
        );
        dump(house);
        let leaks = search(house.dir.path(), &planted());
        assert_eq!(leaks, "", "a file holds a planted value");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_finds_what_is_not_sealed() {
    let house = ProfileHouse::new(None).await;
    let text = "x".repeat(100) + PLANTED[1].1;
    std::fs::write(house.dir.path().join("leak"), text).unwrap();
    assert!(search(house.dir.path(), &planted()).contains("leak"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_rows_share_a_nonce_and_equal_values_look_different() {
    let house = ProfileHouse::new(None).await;
    let records: Vec<Vec<(&str, String)>> = (0..50)
        .map(|number| {
            vec![
                ("customer_number", number.to_string()),
                ("first_name", "Same".to_owned()),
            ]
        })
        .collect();
    for record in &records {
        let record: Vec<(&str, &str)> = record
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        house.write(SHOP, &[&record]).await;
    }
    let rows = super::segments(house.p.database()).await;
    assert!(rows.len() >= 50);
    // [1 format][4 key version][12 nonce][ciphertext]
    let nonces: std::collections::BTreeSet<_> = rows
        .iter()
        .map(|row| row.sealed.envelope()[5..17].to_vec())
        .collect();
    assert_eq!(nonces.len(), rows.len());
    let bodies: std::collections::BTreeSet<_> = rows
        .iter()
        .map(|row| row.sealed.envelope()[17..].to_vec())
        .collect();
    assert_eq!(bodies.len(), rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_installations_key_file_opens_nothing() {
    let (house, other) = (ProfileHouse::new(None).await, ProfileHouse::new(None).await);
    house.write(SHOP, &[&PLANTED]).await;
    let foreign = other.dir.path().join("privity.key");
    assert!(KeyRing::open(&foreign).is_ok());
    for row in super::segments(house.p.database()).await {
        assert!(!super::opens(house.p.database(), &foreign, &house, &row).await);
    }
}
