//! The key of the index changes while subjects are written and found; nobody gets lost and nobody twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::time::Duration;

use domain::data_map::IdentifierKind;
use domain::identity::IdentifierRule;
use domain::sensitive::Sensitive;
use enforcement::vault::KeyRing;
use governance::key::{self, KeyKind, Stage};
use governance::profile::Written;
use storage::{Error, identifier};

use crate::profile_house::{CRM, ProfileHouse, SHOP, on_each_engine};

const AT_ONCE: Duration = Duration::ZERO;

fn counts(written: &Written) -> (u64, u64, u64) {
    (written.new, written.changed, written.unchanged)
}

const MAYA: [(&str, &str); 3] = [
    ("customer_number", "1"),
    ("email", "maya@example.org"),
    ("first_name", "Maya"),
];
const SAM: [(&str, &str); 2] = [("customer_number", "2"), ("email", "sam@example.org")];

/// How many subjects the index finds by an e-mail address under the keys of the key file.
async fn found(house: &ProfileHouse, email: &str) -> usize {
    let ring = KeyRing::open(&house.dir.path().join("privity.key")).unwrap();
    let kind = IdentifierKind::email();
    let text = Sensitive::new(email.to_owned());
    let normal = domain::identity::normalise(IdentifierRule::Email, &text, None).unwrap();
    let versions = ring.index_versions();
    let all = versions.older.iter().chain([&versions.present]);
    let tags: Vec<_> = all
        .map(|version| ring.index_key(*version, &kind).unwrap().tag(&normal))
        .collect();
    let read = house
        .p
        .database()
        .read("find", move |tx| identifier::find(tx, &kind, &tags));
    read.await
        .unwrap_or_else(|error: Error| panic!("{error}"))
        .len()
}

async fn versions(house: &ProfileHouse) -> Vec<(u32, u64)> {
    let read = house
        .p
        .database()
        .read("count", identifier::count_by_key_version);
    read.await.unwrap_or_else(|error: Error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subject_is_found_at_each_step_and_known_again() {
    on_each_engine(async |house| {
        let p = &house.p;
        let first = house.write(SHOP, &[&MAYA, &SAM]).await;
        key::add(p, KeyKind::Index).await.unwrap();
        assert_eq!(found(house, "maya@example.org").await, 1);
        key::promote(p, KeyKind::Index, AT_ONCE).await.unwrap();
        // Between promotion and the new tags: known again by old ones, and new subjects get new ones.
        let again = house.write(SHOP, &[&MAYA]).await;
        assert_eq!(
            (counts(&again), &again.subjects[0]),
            ((0, 0, 1), &first.subjects[0])
        );
        let nora = house
            .write(
                SHOP,
                &[&[("customer_number", "3"), ("email", "nora@example.org")]],
            )
            .await;
        assert_eq!(counts(&nora), (1, 0, 0));
        assert_eq!(found(house, "nora@example.org").await, 1);

        let done = key::rewrap(p, KeyKind::Index).await.unwrap();
        assert_eq!((done.subjects, done.unreadable), (3, 0));
        let left = versions(house).await;
        assert_eq!(
            left.iter().map(|(version, _)| *version).collect::<Vec<_>>(),
            [2]
        );
        key::destroy(p, KeyKind::Index, 1, AT_ONCE).await.unwrap();

        for email in ["maya@example.org", "sam@example.org", "nora@example.org"] {
            assert_eq!(found(house, email).await, 1, "{email}");
        }
        let again = house.write(SHOP, &[&MAYA, &SAM]).await;
        assert_eq!(
            (counts(&again), again.subjects),
            ((0, 0, 2), first.subjects)
        );
        // Another source's record about her is linked by the new tags.
        let linked = house
            .write(
                CRM,
                &[&[("customer_number", "7"), ("email", "maya@example.org")]],
            )
            .await;
        assert_eq!(counts(&linked), (1, 0, 0));
        assert_eq!(found(house, "maya@example.org").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_changes_between_the_steps_leaves_no_old_tag() {
    on_each_engine(async |house| {
        let p = &house.p;
        house.write(SHOP, &[&MAYA]).await;
        key::add(p, KeyKind::Index).await.unwrap();
        key::promote(p, KeyKind::Index, AT_ONCE).await.unwrap();
        house
            .write(
                SHOP,
                &[&[("customer_number", "1"), ("email", "moved@example.org")]],
            )
            .await;
        assert_eq!(found(house, "maya@example.org").await, 0);
        assert_eq!(found(house, "moved@example.org").await, 1);
        let rotated = key::rotate(p, KeyKind::Index, AT_ONCE).await.unwrap();
        assert_eq!((rotated.present, rotated.finished_earlier), (2, true));
        assert_eq!(found(house, "maya@example.org").await, 0);
        assert_eq!(found(house, "moved@example.org").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_key_with_tags_left_is_not_destroyed() {
    on_each_engine(async |house| {
        let p = &house.p;
        house.write(SHOP, &[&MAYA]).await;
        key::add(p, KeyKind::Index).await.unwrap();
        key::promote(p, KeyKind::Index, AT_ONCE).await.unwrap();
        let needed = key::destroy(p, KeyKind::Index, 1, AT_ONCE)
            .await
            .unwrap_err();
        assert!(needed.title.contains("still needed by"), "{needed}");
        let status = key::status(p).await.unwrap();
        let old = status
            .keys
            .iter()
            .find(|state| state.kind == KeyKind::Index && state.version == 1);
        let old = old.unwrap();
        assert!(old.stage == Stage::Old && old.needed_by >= 2, "{old:?}");
    })
    .await;
}
