//! Counting requests to know by a keyed hash of the address, on both engines.

use domain::privacy_request::{RequestKind, RequestState};
use storage::privacy_request::{self, NewPrivacyRequest, count_of_identity};
use storage::{Database, Error};

use crate::place::on_each_engine;
use crate::sample::{new_request, request_id};

fn asked(number: u32, kind: RequestKind, state: RequestState, on: &str) -> NewPrivacyRequest {
    let mut new = new_request(number);
    (new.request.kind, new.request.state) = (kind, state);
    new.request.clock.received_on = on.parse().unwrap();
    new.identity_tag = Some(b"maya".to_vec());
    new.look_back = Some("2020-01-01".parse().unwrap());
    new
}

async fn count(database: &Database, tag: &'static [u8], except: u32) -> u64 {
    let kinds = [RequestKind::KnowCategories, RequestKind::KnowSpecific];
    database
        .read::<_, Error, _>("count", move |tx| {
            let after = "2025-11-02".parse().unwrap();
            count_of_identity(tx, tag, &kinds, after, request_id(except))
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn verified_requests_to_know_of_one_address_within_the_window_are_counted_and_nothing_else() {
    use RequestKind::{Delete, KnowCategories, KnowSpecific};
    use RequestState::{Denied, Expired, Fulfilled, Received, Verified, Withdrawn};
    on_each_engine(async |database| {
        let stored = [
            (KnowSpecific, Fulfilled, "2025-11-02"),
            (KnowSpecific, Fulfilled, "2025-11-03"),
            (KnowCategories, Verified, "2026-11-02"),
            (KnowSpecific, Received, "2026-10-01"),
            (KnowSpecific, Denied, "2026-10-01"),
            (KnowSpecific, Withdrawn, "2026-10-01"),
            (KnowSpecific, Expired, "2026-10-01"),
            (Delete, Fulfilled, "2026-10-01"),
        ];
        let new: Vec<NewPrivacyRequest> = (0..)
            .zip(stored)
            .map(|(number, (kind, state, on))| asked(number, kind, state, on))
            .chain([NewPrivacyRequest {
                identity_tag: Some(b"sam".to_vec()),
                ..asked(20, KnowSpecific, Fulfilled, "2026-10-01")
            }])
            .collect();
        database
            .write::<_, Error, _>("insert", move |tx| privacy_request::insert_many(tx, &new))
            .await
            .unwrap();
        assert_eq!(count(database, b"maya", 99).await, 2);
        assert_eq!(count(database, b"maya", 2).await, 1, "but for itself");
        assert_eq!(count(database, b"sam", 99).await, 1);
        assert_eq!(count(database, b"nobody", 99).await, 0);
        let stored = database
            .read::<_, Error, _>("get", |tx| privacy_request::get(tx, request_id(0)))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stored.identity_tag, Some(b"maya".to_vec()));
        assert_eq!(stored.look_back, Some("2020-01-01".parse().unwrap()));
    })
    .await;
}
