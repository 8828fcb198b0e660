//! The data map fits the databases as they are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use demo::start_business;
use governance::data_map::{Severity, check_live, load};

use crate::now;

#[tokio::test(flavor = "multi_thread")]
async fn the_data_map_names_every_column_of_the_live_systems_and_reaches_every_collection() {
    let dir = tempfile::tempdir().unwrap();
    let business = start_business(dir.path(), 0, now()).await.unwrap();
    let law = governance::law::load(None).unwrap();
    let loaded =
        load(&business.data_map, &|_| None, &law).unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(
        (loaded.map.systems.len(), loaded.map.recipients.len()),
        (3, 3)
    );
    let findings: Vec<String> = check_live(&loaded)
        .await
        .into_iter()
        .filter(|finding| finding.severity != Severity::Note)
        .map(|finding| finding.to_string())
        .collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
