//! What is remembered of repeated calls: nothing that can be read, and not for longer than a day.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use domain::data_map::IdentifierKind;
use domain::id::OperatorId;
use domain::privacy_request::IntakeChannel;
use domain::sensitive::Sensitive;
use governance::Problem;
use governance::privacy_request::intake::{Intake, Received};
use governance::privacy_request::repeat::{Call, Reply, receive_once};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::house::House;

fn call() -> Call {
    Call {
        caller: OperatorId::from_uuid(Uuid::from_u128(7)),
        route: "POST /here",
        key: Sensitive::new("zqcanary-key".to_owned()),
        body: Sensitive::new(b"zqcanary-body".to_vec()),
    }
}

fn intake() -> Intake {
    let email = Sensitive::new("maya@example.org".to_owned());
    Intake::OptOut {
        law: None,
        locate: vec![(IdentifierKind::email(), email)],
        language: "en".to_owned(),
        channel: IntakeChannel::Api,
        address: None,
    }
}

fn answer(received: &Received) -> Result<Reply, Problem> {
    Ok(Reply {
        request: received.id,
        status: 201,
        body: Sensitive::new(b"zqcanary-answer".to_vec()),
    })
}

async fn rows(house: &House) -> Vec<storage::Row> {
    let rows = house
        .p
        .database()
        .read::<_, storage::Error, _>("all", |tx| {
            tx.query("-- all\nSELECT * FROM idempotency", &[])
        });
    rows.await.unwrap()
}

#[tokio::test]
async fn what_is_remembered_is_hashed_or_sealed_and_gone_after_a_day() {
    let house = House::new().await;
    let first = receive_once(&house.p, &call(), intake(), answer)
        .await
        .unwrap();
    let kept = rows(&house).await;
    assert_eq!(kept.len(), 1);
    for column in ["tag", "body_tag", "wrapped_key", "response"] {
        let bytes = kept[0].bytes(column).unwrap();
        assert!(
            !bytes.windows(8).any(|part| part == b"zqcanary"),
            "{column}"
        );
    }
    house.clock.advance(SignedDuration::from_hours(23));
    governance::housekeeping::clear(&house.p).await.unwrap();
    assert_eq!(rows(&house).await.len(), 1);
    house.clock.advance(SignedDuration::from_hours(1));
    governance::housekeeping::clear(&house.p).await.unwrap();
    assert!(rows(&house).await.is_empty());
    let later = receive_once(&house.p, &call(), intake(), answer)
        .await
        .unwrap();
    assert_ne!(later.request, first.request);
}

#[tokio::test]
async fn the_first_answer_outlives_the_request_and_giving_it_again_is_recorded() {
    let house = House::new().await;
    let first = receive_once(&house.p, &call(), intake(), answer)
        .await
        .unwrap();
    house.work().await;
    let id = first.request;
    house
        .p
        .database()
        .write::<_, storage::Error, _>("destroy", move |tx| {
            storage::privacy_request::destroy_keys(
                tx,
                &[id],
                "2026-11-02T19:00:00Z".parse().unwrap(),
            )
        })
        .await
        .unwrap();
    let records = || governance::privacy_request::console::detail(&house.p, id);
    let before = records().await.unwrap().records.len();
    let again = receive_once(&house.p, &call(), intake(), answer)
        .await
        .unwrap();
    assert!(again.request == id && again.status == 201);
    #[expect(clippy::disallowed_methods, reason = "a test compares it")]
    let body = again.body.expose().clone();
    assert_eq!(body, b"zqcanary-answer");
    let after = records().await.unwrap().records;
    assert_eq!(after.len(), before + 1);
    assert!(
        after
            .last()
            .unwrap()
            .details
            .to_string()
            .contains("idempotency.response")
    );
}

#[tokio::test]
async fn a_key_belongs_to_one_route_and_one_body() {
    let house = House::new().await;
    receive_once(&house.p, &call(), intake(), answer)
        .await
        .unwrap();
    let other = Call {
        body: Sensitive::new(b"another".to_vec()),
        ..call()
    };
    let refused = receive_once(&house.p, &other, intake(), answer).await;
    assert_eq!(refused.err().unwrap().code, "idempotency_key_reused");
    let elsewhere = Call {
        route: "POST /there",
        ..other
    };
    assert!(
        receive_once(&house.p, &elsewhere, intake(), answer)
            .await
            .is_ok()
    );
}
