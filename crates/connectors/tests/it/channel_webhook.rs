//! Recipients told by signed webhook, against real servers and the vectors of Standard Webhooks.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use connectors::webhook::signature::{Key, SignatureError, sign, verify};
use connectors::webhook::{WebhookChannel, WebhookConfig};
use connectors::{Channel, ChannelError};
use domain::outreach::{Answer, OutreachAction};
use domain::recipient::VerificationLevel;
use domain::sensitive::Sensitive;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::channel_support::{CALLBACK, EXTERNAL_ID, clock, notification, now, received, words};
use crate::http_server::{Authority, serve, serve_tls};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NEXT_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/standard-webhooks/vectors.json")).unwrap()
}

fn key(text: &str) -> Key {
    Key::parse(&Sensitive::new(text.to_owned())).unwrap()
}

fn headers(id: &str, timestamp: i64, signature: &str) -> Vec<(String, String)> {
    [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn every_vector_of_standard_webhooks_is_signed_and_verified_alike() {
    let mut shared = 0;
    for vector in vectors()["vectors"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap_or_default();
        let (timestamp, body) = (
            vector["timestamp"].as_i64().unwrap(),
            text("payload").as_bytes(),
        );
        let key = key(if text("kind") == "symmetric" {
            text("secret")
        } else {
            text("public_key")
        });
        assert_eq!(
            verify(
                std::slice::from_ref(&key),
                &headers(text("msg_id"), timestamp, text("signature")),
                body,
                at(timestamp)
            ),
            Ok(())
        );
        assert_eq!(
            verify(
                std::slice::from_ref(&key),
                &headers("msg_other", timestamp, text("signature")),
                body,
                at(timestamp)
            ),
            Err(SignatureError::Mismatch)
        );
        if text("kind") == "symmetric" {
            assert_eq!(
                sign(&[key], text("msg_id"), at(timestamp), body),
                text("signature")
            );
            shared += 1;
        }
    }
    assert_eq!(shared, 2);
}

#[test]
fn every_verification_case_of_standard_webhooks_ends_as_it_says() {
    let vectors = vectors();
    let first = &vectors["vectors"][0];
    let (id, timestamp) = (
        first["msg_id"].as_str().unwrap(),
        first["timestamp"].as_i64().unwrap(),
    );
    let (body, keys) = (first["payload"].as_str().unwrap().as_bytes(), [key(SECRET)]);
    for case in vectors["verification_cases_on_first_vector"]
        .as_array()
        .unwrap()
    {
        let Some(signature) = case["signature"].as_str() else {
            continue;
        };
        let moment = at(timestamp + case["clock_offset_s"].as_i64().unwrap_or(0));
        assert_eq!(
            verify(&keys, &headers(id, timestamp, signature), body, moment).is_ok(),
            case["valid"].as_bool().unwrap(),
            "{}",
            case["name"]
        );
    }
    for missing in 0..3 {
        let mut headers = headers(id, timestamp, first["signature"].as_str().unwrap());
        headers.remove(missing);
        assert!(verify(&keys, &headers, body, at(timestamp)).is_err());
    }
    for secret in [
        "",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whpk_c2hvcnQ=",
        "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    ] {
        assert!(
            Key::parse(&Sensitive::new(secret.to_owned())).is_err(),
            "{secret}"
        );
    }
}

/// A recipient that remembers what it got and answers as told.
#[derive(Clone, Default)]
struct Recipient {
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Recipient {
    fn router(&self, status: u16, answer: Value) -> Router {
        let got = Arc::clone(&self.got);
        let take = move |headers: HeaderMap, body: Bytes| async move {
            got.lock().unwrap().push((headers, body));
            (StatusCode::from_u16(status).unwrap(), answer.to_string())
        };
        Router::new().route("/hook", post(take))
    }

    fn last(&self) -> (Vec<(String, String)>, Bytes) {
        let (headers, body) = self.got.lock().unwrap().last().cloned().unwrap();
        (
            headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body,
        )
    }
}

fn config(url: &str) -> Value {
    json!({"url": url, "secrets": [SECRET, NEXT_SECRET], "timeout_seconds": 1, "allow_loopback": true})
}

fn channel(config: Value) -> Result<WebhookChannel, ChannelError> {
    WebhookChannel::new(
        "mail_house".into(),
        serde_json::from_value::<WebhookConfig>(config).unwrap(),
        clock(),
    )
}

async fn told(
    status: u16,
    answer: Value,
) -> (Recipient, Result<connectors::Delivery, ChannelError>) {
    let recipient = Recipient::default();
    let base = serve(recipient.router(status, answer)).await;
    let delivery = channel(config(&format!("{base}/hook")))
        .unwrap()
        .send(&notification(OutreachAction::Delete))
        .await;
    (recipient, delivery)
}

#[tokio::test]
async fn a_recipient_is_told_what_to_do_for_whom_and_by_when() {
    let (recipient, delivery) = told(204, Value::Null).await;
    assert_eq!(delivery.unwrap().level, VerificationLevel::Delivered);
    let (headers, body) = recipient.last();
    assert_eq!(verify(&[key(SECRET)], &headers, &body, now()), Ok(()));
    assert_eq!(verify(&[key(NEXT_SECRET)], &headers, &body, now()), Ok(()));
    assert!(headers.contains(&(
        "webhook-id".to_owned(),
        "out_00000000000000000000000000000001".to_owned()
    )));
    let expected = json!({
        "type": "privacy_request.delete",
        "timestamp": "2026-11-21T12:00:00Z",
        "data": {
            "request_id": "req_00000000000000000000000000000002",
            "external_id": EXTERNAL_ID,
            "business": "Bread & Butter",
            "law": "ccpa",
            "action": "delete",
            "identifiers": [{"kind": "email", "value": "Mia@Bakery.example"}, {"kind": "customer_number", "value": "C-77<b>"}],
            "received": [
                {"attribute": "email", "category": "user.contact.email", "title": "E-mail <b>\naddress"},
                {"attribute": null, "category": "user.name", "title": "Name"}
            ],
            "submitted_at": "2026-11-20T09:00:00Z",
            "respond_by": "2026-12-05",
            "answer_url": CALLBACK,
            "pass_on": true,
            "reminder": false
        }
    });
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
}

#[tokio::test]
async fn an_opt_out_and_a_reminder_say_so() {
    let recipient = Recipient::default();
    let base = serve(recipient.router(200, Value::Null)).await;
    channel(config(&format!("{base}/hook")))
        .unwrap()
        .remind(&notification(OutreachAction::OptOut))
        .await
        .unwrap();
    let message: Value = serde_json::from_slice(&recipient.last().1).unwrap();
    assert_eq!(
        (&message["type"], &message["data"]["reminder"]),
        (&json!("privacy_request.opt_out_sale_share"), &json!(true))
    );
}

#[tokio::test]
async fn an_unsigned_answer_never_counts_for_more_than_acknowledged() {
    for (said, answer) in [
        (json!({"status": "acknowledged"}), None),
        (json!({"status": "done"}), Some(Answer::Done)),
        (json!({"status": "not_found"}), Some(Answer::NotFound)),
        (
            json!({"status": "exception", "reason": "D8_legal_obligation"}),
            Some(Answer::Exception {
                reason: "D8_legal_obligation".to_owned(),
            }),
        ),
    ] {
        let delivery = told(200, said).await.1.unwrap();
        assert_eq!(
            (delivery.level, delivery.answer),
            (VerificationLevel::Acknowledged, answer)
        );
    }
    for said in [
        json!({"status": "exception"}),
        json!({"status": "exception", "reason": "<script>"}),
        json!({"status": "great"}),
        json!("ok"),
    ] {
        let delivery = told(200, said).await.1.unwrap();
        assert_eq!(
            (delivery.level, delivery.answer),
            (VerificationLevel::Delivered, None)
        );
    }
}

#[tokio::test]
async fn refusals_are_final_and_outages_are_not() {
    for (status, transient) in [
        (410, false),
        (400, false),
        (404, false),
        (307, false),
        (500, true),
        (503, true),
        (429, true),
    ] {
        let error = told(status, json!({"status": "done"})).await.1.unwrap_err();
        assert_eq!(error.is_transient(), transient, "{}", words(&error));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, recipient) = (Recipient::default(), Recipient::default());
    let target = format!("{}/hook", serve(elsewhere.router(200, Value::Null)).await);
    let redirect = Router::new().route(
        "/hook",
        post(move || async move {
            (StatusCode::TEMPORARY_REDIRECT, [("location", target)]).into_response()
        }),
    );
    let error = channel(config(&format!("{}/hook", serve(redirect).await)))
        .unwrap()
        .send(&notification(OutreachAction::Delete))
        .await
        .unwrap_err();
    assert!(words(&error).contains("redirects"));
    assert!(elsewhere.got.lock().unwrap().is_empty() && recipient.got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn private_addresses_are_refused_whether_written_or_resolved() {
    for url in [
        "https://10.0.0.1/hook",
        "https://[fd00::1]/hook",
        "https://127.0.0.1/hook",
        "http://mail-house.example/hook",
        "http://127.0.0.1/hook",
        "file:///etc/passwd",
    ] {
        let mut config = config(url);
        config["allow_loopback"] = json!(false);
        assert!(channel(config).is_err(), "{url}");
    }
    let (recipient, authority) = (Recipient::default(), Authority::new());
    let url = format!(
        "{}/hook",
        serve_tls(recipient.router(200, Value::Null), authority.acceptor()).await
    );
    let mut config = config(&url);
    config["trusted_ca"] = json!(authority.pem());
    channel(config.clone())
        .unwrap()
        .send(&notification(OutreachAction::Delete))
        .await
        .unwrap();
    assert_eq!(recipient.got.lock().unwrap().len(), 1);
    config["allow_loopback"] = json!(false);
    let error = channel(config)
        .unwrap()
        .send(&notification(OutreachAction::Delete))
        .await
        .unwrap_err();
    assert!(
        words(&error).contains("private address"),
        "{}",
        words(&error)
    );
    assert_eq!(recipient.got.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_unknown_authority_a_hanging_and_an_endless_answer_end_in_words() {
    let url = format!(
        "{}/hook",
        serve_tls(
            Recipient::default().router(200, Value::Null),
            Authority::new().acceptor()
        )
        .await
    );
    let error = channel(config(&url))
        .unwrap()
        .send(&notification(OutreachAction::Delete))
        .await
        .unwrap_err();
    assert!(words(&error).contains("certificate"), "{}", words(&error));
    let endless = || async {
        Response::new(Body::from_stream(futures_util::stream::repeat_with(|| {
            Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 65536]))
        })))
    };
    let bad = Router::new().route("/endless", post(endless)).route(
        "/hangs",
        post(|| async { std::future::pending::<()>().await }),
    );
    let base = serve(bad).await;
    for (path, expected) in [("endless", "larger than"), ("hangs", "time limit")] {
        let error = channel(config(&format!("{base}/{path}")))
            .unwrap()
            .send(&notification(OutreachAction::Delete))
            .await
            .unwrap_err();
        assert!(
            error.is_transient() && words(&error).contains(expected),
            "{}",
            words(&error)
        );
    }
}

/// A message from the recipient, signed with `keys` at `signed_at`.
async fn answered(
    keys: &[&str],
    signed_at: Timestamp,
    message: Value,
) -> Result<connectors::VerifiedAnswer, ChannelError> {
    let body = message.to_string();
    let keys: Vec<Key> = keys.iter().map(|text| key(text)).collect();
    let signature = sign(&keys, "msg_1", signed_at, body.as_bytes());
    let timestamp = signed_at.as_second().to_string();
    let message = received(
        &[
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", &timestamp),
            ("webhook-signature", &signature),
        ],
        body.as_bytes(),
    );
    channel(config("http://127.0.0.1:9/hook"))
        .unwrap()
        .verify_answer(&message)
        .await
}

fn says(status: &str) -> Value {
    json!({"type": "privacy_request.answer", "data": {"external_id": EXTERNAL_ID, "status": status, "reason": "D8_legal_obligation"}})
}

#[tokio::test]
async fn a_signed_answer_counts_as_signed() {
    for (status, answer) in [
        ("done", Answer::Done),
        ("not_found", Answer::NotFound),
        (
            "exception",
            Answer::Exception {
                reason: "D8_legal_obligation".to_owned(),
            },
        ),
    ] {
        let verified = answered(&[SECRET], now(), says(status)).await.unwrap();
        assert_eq!(
            (
                verified.external_id.as_str(),
                verified.answer,
                verified.level
            ),
            (EXTERNAL_ID, Some(answer), VerificationLevel::Signed)
        );
    }
    let heard = answered(&[NEXT_SECRET], now(), says("acknowledged"))
        .await
        .unwrap();
    assert_eq!(
        (heard.answer, heard.level),
        (None, VerificationLevel::Acknowledged)
    );
}

#[tokio::test]
async fn answers_that_are_forged_old_or_changed_are_refused() {
    let minutes = |minutes: i64| jiff::SignedDuration::from_mins(minutes);
    for (keys, at) in [
        (&["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"], now()),
        (&[SECRET], now() - minutes(6)),
        (&[SECRET], now() + minutes(6)),
    ] {
        let error = answered(keys, at, says("done")).await.unwrap_err();
        assert!(
            matches!(error, ChannelError::NotAuthentic { .. }),
            "{}",
            words(&error)
        );
    }
    let body = says("not_found").to_string();
    let signature = sign(&[key(SECRET)], "msg_1", now(), body.as_bytes());
    let timestamp = now().as_second().to_string();
    let headers = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", timestamp.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    let changed = received(&headers, says("done").to_string().as_bytes());
    let channel = channel(config("http://127.0.0.1:9/hook")).unwrap();
    assert!(matches!(
        channel.verify_answer(&changed).await,
        Err(ChannelError::NotAuthentic { .. })
    ));
    assert!(matches!(
        channel.verify_answer(&received(&[], body.as_bytes())).await,
        Err(ChannelError::NotAuthentic { .. })
    ));
}

#[tokio::test]
async fn signed_answers_that_say_nothing_are_unreadable() {
    let messages = [
        says("great"),
        json!({"data": {"external_id": EXTERNAL_ID, "status": "exception"}}),
        json!({"data": {"status": "done"}}),
        json!([]),
    ];
    for message in messages {
        let error = answered(&[SECRET], now(), message).await.unwrap_err();
        assert!(
            matches!(error, ChannelError::Unreadable { .. }),
            "{}",
            words(&error)
        );
    }
}

#[tokio::test]
async fn a_probe_asks_with_hashes_and_reports_what_is_held() {
    for (status, answer, held) in [
        (200, json!({"held": false}), Some(false)),
        (200, json!({"held": true}), Some(true)),
        (404, Value::Null, None),
    ] {
        let recipient = Recipient::default();
        let mut config = config("http://127.0.0.1:9/other");
        config["probe_url"] = json!(format!(
            "{}/hook",
            serve(recipient.router(status, answer)).await
        ));
        assert_eq!(
            channel(config)
                .unwrap()
                .probe(&notification(OutreachAction::Delete))
                .await
                .unwrap(),
            held
        );
        let (headers, body) = recipient.last();
        assert_eq!(verify(&[key(SECRET)], &headers, &body, now()), Ok(()));
        let question: Value = serde_json::from_slice(&body).unwrap();
        // printf mia@bakery.example | sha256sum
        assert_eq!(
            question["data"]["identifiers"][0],
            json!({"kind": "email", "sha256": "db5e65f5b4135632833b414953270fe6ba013c35400cf6d7d285cc7eb56f64d4"})
        );
        assert!(
            !String::from_utf8_lossy(&body)
                .to_lowercase()
                .contains("mia@")
        );
    }
    let unasked = channel(config("http://127.0.0.1:9/hook")).unwrap();
    assert_eq!(
        unasked
            .probe(&notification(OutreachAction::Delete))
            .await
            .unwrap(),
        None
    );
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let refused = |change: Value| {
        let mut config = config("https://mail-house.example/hook");
        change
            .as_object()
            .unwrap()
            .iter()
            .for_each(|(name, value)| config[name.as_str()] = value.clone());
        channel(config)
            .err()
            .map(|error| words(&error))
            .unwrap_or_default()
    };
    assert_eq!(refused(json!({})), "");
    assert!(refused(json!({"secrets": []})).contains("secrets"));
    assert!(refused(json!({"secrets": ["secret"]})).contains("whsec_"));
    assert!(refused(json!({"probe_url": "https://10.1.1.1/"})).contains("probe_url"));
    assert!(
        serde_json::from_value::<WebhookConfig>(
            json!({"url": "https://a.example", "secrets": [SECRET], "secert": 1})
        )
        .is_err()
    );
}
