//! Records that wait together share a transaction, and each caller still gets what is theirs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use domain::audit::Action;
use domain::privacy_request::RequestKind;
use futures_util::future::join_all;
use governance::evidence;
use governance::privacy_request::console;

use crate::house::House;

/// Each makes a file of all records so far, so that many more would take minutes.
const CALLERS: usize = 48;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_wait_together_are_each_recorded_once() {
    let house = House::new().await;
    let received = house
        .ask(RequestKind::OptOutSaleShare, "maya@example.org")
        .await;
    let exports = (0..CALLERS).map(|_| {
        let p = house.p.clone();
        tokio::spawn(async move { evidence::export(&p, received.id).await })
    });
    for export in join_all(exports).await {
        export.unwrap().unwrap();
    }
    let detail = console::detail(&house.p, received.id).await.unwrap();
    let exported = Action::EvidenceExported.to_string();
    let recorded = detail.records.iter().filter(|one| one.action == exported);
    assert_eq!(recorded.count(), CALLERS);
    // The chain is whole: a file made now proves every record of it.
    let file = evidence::export(&house.p, received.id).await.unwrap();
    assert!(!file.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_go_away_keep_nobody_waiting() {
    let house = House::new().await;
    let received = house
        .ask(RequestKind::OptOutSaleShare, "maya@example.org")
        .await;
    let exports: Vec<_> = (0..CALLERS)
        .map(|_| {
            let p = house.p.clone();
            tokio::spawn(async move { evidence::export(&p, received.id).await.map(drop) })
        })
        .collect();
    for (place, export) in exports.into_iter().enumerate() {
        if place % 2 == 0 {
            export.abort();
        } else {
            export.await.unwrap().unwrap();
        }
    }
    evidence::export(&house.p, received.id).await.unwrap();
}
