//! Calls with an `Idempotency-Key`, repeated at once, later, after a restart, and by somebody else.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::office::{Answer, Office};

const PATH: &str = "/api/v1/privacy-requests";

async fn create(office: &Office, key: &str, repeat: &str, email: &str) -> Answer {
    let body = json!({"kind": "delete", "email": email, "verified": true});
    let request = Request::post(PATH)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .header("idempotency-key", repeat);
    office
        .send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

/// How many privacy requests there are.
async fn count(office: &Office, key: &str) -> usize {
    let request = Request::get(PATH).header("authorization", format!("Bearer {key}"));
    let list = office.send(request.body(Body::empty()).unwrap()).await;
    let list: Value = serde_json::from_str(&list.text).unwrap();
    list["items"].as_array().unwrap().len()
}

fn code(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.text).unwrap();
    body["code"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_made_at_once_with_one_key_make_one_privacy_request() {
    let office = Office::open().await;
    let key = office.key().await;
    let calls = (0..12).map(|_| create(&office, &key, "\"one\"", "canary@once.example"));
    let answers = join_all(calls).await;
    let first = &answers[0];
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    for answer in &answers {
        assert_eq!(
            (answer.status, &answer.text, &answer.location),
            (first.status, &first.text, &first.location)
        );
    }
    assert_eq!(count(&office, &key).await, 1);
}

#[tokio::test]
async fn a_repeated_call_gets_the_first_answer_after_a_restart_too() {
    let mut office = Office::open().await;
    let key = office.key().await;
    let first = create(&office, &key, "one", "canary@restart.example").await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    office.restart().await;
    let again = create(&office, &key, "one", "canary@restart.example").await;
    assert_eq!(
        (again.status, &again.text, &again.location),
        (StatusCode::CREATED, &first.text, &first.location)
    );
    assert_eq!(count(&office, &key).await, 1);
    let body: Value = serde_json::from_str(&again.text).unwrap();
    let tracker = body["tracker_url"].as_str().unwrap();
    let page = office.get(tracker.trim_start_matches("http://office.test"));
    assert_eq!(
        page.await.status,
        StatusCode::OK,
        "the link still leads to her page"
    );
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused_and_makes_nothing() {
    let office = Office::open().await;
    let key = office.key().await;
    create(&office, &key, "one", "canary@first.example").await;
    let other = create(&office, &key, "one", "canary@second.example").await;
    assert_eq!(
        (other.status, code(&other).as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused")
    );
    assert_eq!(count(&office, &key).await, 1);
}

#[tokio::test]
async fn two_callers_may_choose_the_same_key() {
    let office = Office::open().await;
    let (robin, other) = (office.key().await, office.key().await);
    let hers = create(&office, &robin, "one", "canary@robin.example").await;
    let theirs = create(&office, &other, "one", "canary@robin.example").await;
    assert_eq!(theirs.status, StatusCode::CREATED);
    assert_ne!(theirs.location, hers.location);
}

#[tokio::test]
async fn a_call_that_failed_may_be_repeated_with_its_key() {
    let office = Office::open().await;
    let key = office.key().await;
    let refused = create(&office, &key, "one", "no address").await;
    assert_eq!(code(&refused), "invalid_value");
    let mended = create(&office, &key, "one", "canary@mended.example").await;
    assert_eq!(mended.status, StatusCode::CREATED, "{}", mended.text);
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let office = Office::open().await;
    let key = office.key().await;
    let first = create(&office, &key, "one", "canary@day.example").await;
    office.clock.advance(SignedDuration::from_hours(24));
    let later = create(&office, &key, "one", "canary@day.example").await;
    assert_eq!(later.status, StatusCode::CREATED);
    assert_ne!(later.location, first.location);
}
