//! The overview's figures are those of the lists behind them, in SQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use domain::privacy_request::RequestKind;
use governance::privacy_request::console::{self, Filter};
use jiff::SignedDuration;

use crate::house::House;

async fn listed(house: &House, filter: Filter) -> u64 {
    let filter = Filter {
        limit: 500,
        ..filter
    };
    console::list(&house.p, filter).await.unwrap().len() as u64
}

/// Overdue, due soon, to approve, in need of an operator: as listed, after the overview said the same.
async fn figures(house: &House) -> [u64; 5] {
    let only = |set: fn(&mut Filter)| {
        let mut filter = Filter::default();
        set(&mut filter);
        filter
    };
    let lists = [
        listed(house, only(|filter| filter.open_only = true)).await,
        listed(house, only(|filter| filter.overdue = true)).await,
        listed(house, only(|filter| filter.due_soon = true)).await,
        listed(house, only(|filter| filter.to_approve = true)).await,
        listed(house, only(|filter| filter.need_operator = true)).await,
    ];
    let told = console::overview(&house.p).await.unwrap();
    let told = [
        told.open,
        told.overdue,
        told.due_soon,
        told.to_approve,
        told.need_operator,
    ];
    assert_eq!(told, lists);
    lists
}

#[tokio::test]
async fn a_request_moves_from_the_open_ones_to_the_soon_due_and_the_late_ones() {
    let house = House::new().await;
    house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    house.ask(RequestKind::Delete, "sam@example.org").await;
    assert_eq!(figures(&house).await, [2, 0, 0, 1, 0]);
    // Asked on November 2 in Sacramento, so due on December 17: 45 days.
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    house.clock.advance(days(37));
    assert_eq!(figures(&house).await, [2, 0, 0, 1, 0], "8 days are left");
    house.clock.advance(days(1));
    assert_eq!(figures(&house).await, [2, 0, 2, 1, 0], "7 days are left");
    house.clock.advance(days(7));
    assert_eq!(figures(&house).await, [2, 0, 2, 1, 0], "it is the last day");
    // Evening of the last day in Sacramento, and the next day by the clock of the machine.
    house.clock.advance(SignedDuration::from_hours(12));
    assert_eq!(figures(&house).await, [2, 0, 2, 1, 0], "it still is, there");
    house.clock.advance(SignedDuration::from_hours(12));
    assert_eq!(figures(&house).await, [2, 2, 0, 1, 0]);
}

#[tokio::test]
async fn a_filtered_list_goes_page_by_page_without_a_gap() {
    let house = House::new().await;
    for _ in 0..3 {
        house
            .ask_verified(RequestKind::Delete, "maya@example.org")
            .await;
        house.ask(RequestKind::Delete, "sam@example.org").await;
    }
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let filter = Filter {
            to_approve: true,
            after,
            limit: 1,
            ..Filter::default()
        };
        let page = console::list(&house.p, filter).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        found.extend(page.into_iter().map(|listed| listed.id));
    }
    assert_eq!(found.len(), 3, "{found:?}");
}
