//! Whoever watches long work hears counts that go up to the total.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::sync::{Arc, Mutex};

use domain::privacy_request::RequestKind;
use domain::progress::Progress;
use governance::data_map::{self, Describe};
use governance::{evidence, law};

use crate::house::House;

/// What was told, in order.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<(String, u64, u64)>>>);

impl Heard {
    fn progress(&self) -> Progress {
        let heard = self.clone();
        Progress::new(move |what, done, of| {
            heard.0.lock().unwrap().push((what.to_owned(), done, of));
        })
    }

    /// The total of `what`, which was counted without a step back and to its end.
    fn total(&self, what: &str) -> u64 {
        let told = self.0.lock().unwrap();
        let counts: Vec<(u64, u64)> = told
            .iter()
            .filter(|(told, _, _)| told == what)
            .map(|(_, done, of)| (*done, *of))
            .collect();
        assert!(counts.is_sorted(), "{what}: {counts:?}");
        let (done, of) = *counts.last().unwrap_or_else(|| panic!("{told:?}"));
        assert_eq!(done, of, "{what}");
        of
    }
}

#[tokio::test]
async fn a_description_counts_the_tables() {
    let house = House::new().await;
    let heard = Heard::default();
    let describe = Describe {
        connection: format!("sqlite:{}", house.shop().display()),
        system: None,
        schema: None,
        with_samples: false,
    };
    let law = law::load(None).unwrap();
    let drafted = data_map::describe_watched(&describe, &law, &heard.progress())
        .await
        .unwrap();
    assert_eq!(heard.total("tables read"), drafted.collections as u64);
}

#[tokio::test]
async fn a_live_check_counts_the_tables_of_each_system() {
    let house = House::new().await;
    let heard = Heard::default();
    let law = law::load(None).unwrap();
    let map = house.dir.path().join("map.yaml");
    let environment = |_: &str| None;
    let loaded = data_map::load(&map, &environment, &law).unwrap_or_else(|_| panic!("the map"));
    data_map::check_live_watched(&loaded, &heard.progress()).await;
    assert!(heard.total("shop: tables read") > 1 && heard.total("crm: tables read") > 0);
}

#[tokio::test]
async fn evidence_counts_its_records_when_it_is_made_and_when_it_is_verified() {
    let house = House::new().await;
    let asked = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    let (made, verified) = (Heard::default(), Heard::default());
    let file = evidence::export_watched(&house.p, asked.id, &made.progress())
        .await
        .unwrap();
    evidence::verify_watched(&file, None, &verified.progress()).unwrap();
    let records = made.total("records proven");
    assert!(records > 3);
    assert_eq!(verified.total("records verified"), records);
}
