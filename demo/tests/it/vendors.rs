//! The help desk and the recipients do what real ones do: they ask who is there, sign what they say, and really delete.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use demo::Business;
use demo::claim::Witness;
use demo::start_business;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use x509_parser::prelude::FromDer;

use crate::now;

async fn business() -> (tempfile::TempDir, Business) {
    let dir = tempfile::tempdir().unwrap();
    let business = start_business(dir.path(), 0, now()).await.unwrap();
    (dir, business)
}

/// Somewhere that answers can be sent to; refuses the first one, as a business in trouble would.
async fn answers() -> (String, mpsc::UnboundedReceiver<(HeaderMap, Bytes)>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let refusals = Arc::new(Mutex::new(1));
    let take = async move |headers: HeaderMap, body: Bytes| {
        let mut refusals = refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        sender.send((headers, body)).unwrap();
        StatusCode::NO_CONTENT
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("http://{}/callbacks/x", listener.local_addr().unwrap());
    tokio::spawn(
        axum::serve(
            listener,
            axum::Router::new().route("/callbacks/x", post(take)),
        )
        .into_future(),
    );
    (url, receiver)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).unwrap().to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_desk_asks_for_a_token_pages_its_lists_and_keeps_tickets_that_have_messages() {
    let (_dir, business) = business().await;
    let (desk, client) = (&business.help_desk, reqwest::Client::new());
    let api = |path: &str| format!("{}/api/v1{path}", desk.url);
    assert_eq!(
        client.get(api("/tickets")).send().await.unwrap().status(),
        401
    );
    assert_eq!(
        client
            .get(api("/tickets"))
            .bearer_auth("guess")
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    let get = async |path: &str| {
        client
            .get(api(path))
            .bearer_auth(&desk.token)
            .send()
            .await
            .unwrap()
    };
    let first: Value = get("/tickets?per_page=7").await.json().await.unwrap();
    let second: Value = get("/tickets?per_page=7&page=2")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(first["tickets"].as_array().unwrap().len(), 7);
    assert_ne!(first["tickets"], second["tickets"]);
    let hers: Value = get(&format!(
        "/tickets?requester={}",
        business.maya.email.to_uppercase()
    ))
    .await
    .json()
    .await
    .unwrap();
    assert_eq!(
        hers["tickets"].as_array().unwrap().len(),
        2,
        "upper and lower case are the same"
    );
    let id = hers["tickets"][0]["id"].as_u64().unwrap();
    let delete = async |path: String| {
        client
            .delete(api(&path))
            .bearer_auth(&desk.token)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(delete(format!("/tickets/{id}")).await, 409);
    let messages: Value = get(&format!("/tickets/{id}/messages"))
        .await
        .json()
        .await
        .unwrap();
    for message in messages["messages"].as_array().unwrap() {
        assert_eq!(
            delete(format!("/messages/{}", message["id"].as_str().unwrap())).await,
            204
        );
    }
    assert_eq!(
        (
            delete(format!("/tickets/{id}")).await,
            delete(format!("/tickets/{id}")).await
        ),
        (204, 404)
    );
    assert_eq!(get(&format!("/tickets/{id}")).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn parcel_post_signs_with_the_key_of_its_certificate_and_deletes_what_it_carried() {
    let (_dir, business) = business().await;
    let (parcel_post, client) = (&business.parcel_post, reqwest::Client::new());
    let (url, mut answers) = answers().await;
    let id = "7b3ac5ad-0d3f-4c5e-8ce2-1f3f0e3f9a11";
    let request = json!({
        "regulation": "ccpa", "subject_request_id": id, "subject_request_type": "erasure", "submitted_time": "2026-11-21T10:00:00Z", "api_version": "2.0",
        "subject_identities": [{ "identity_type": "email", "identity_value": business.maya.email.to_uppercase(), "identity_format": "raw" }],
        "status_callback_urls": [url],
    });
    let submit = async |token: &str| {
        client
            .post(format!("{}/v2/requests", parcel_post.url))
            .bearer_auth(token)
            .json(&request)
            .send()
            .await
            .unwrap()
    };
    assert_eq!(submit("guess").await.status(), 401);
    assert_eq!(
        Witness::new(&business)
            .shipments_of(&business.maya.email)
            .await
            .unwrap()
            .len(),
        1
    );
    let taken = submit(&parcel_post.token).await;
    assert_eq!(taken.status(), 201);
    let (headers, body) = (taken.headers().clone(), taken.bytes().await.unwrap());
    let discovery: Value = client
        .get(format!("{}/v2/discovery", parcel_post.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let pem = client
        .get(discovery["processor_certificate"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    verify(&pem, &headers, &body);
    let (headers, body) = answers.recv().await.unwrap();
    verify(&pem, &headers, &body);
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (
            answer["subject_request_id"].as_str(),
            answer["request_status"].as_str(),
            answer["status_callback_url"].as_str()
        ),
        (Some(id), Some("completed"), Some(url.as_str()))
    );
    assert!(
        Witness::new(&business)
            .shipments_of(&business.maya.email)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        Witness::new(&business)
            .shipments_of(&business.spouse.email)
            .await
            .unwrap()
            .len(),
        1
    );
}

fn verify(pem: &[u8], headers: &HeaderMap, body: &[u8]) {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem).unwrap();
    let (_, certificate) =
        x509_parser::certificate::X509Certificate::from_der(&pem.contents).unwrap();
    let key = UnparsedPublicKey::new(
        &RSA_PKCS1_2048_8192_SHA256,
        certificate.public_key().subject_public_key.data.as_ref(),
    );
    let signature = BASE64_STANDARD
        .decode(header(headers, "x-opendsr-signature"))
        .unwrap();
    assert_eq!(
        header(headers, "x-opendsr-processor-domain"),
        demo::parcel_post::DOMAIN
    );
    key.verify(body, &signature).unwrap();
    assert!(key.verify(&[body, b" "].concat(), &signature).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn sweet_leads_listens_only_to_signed_messages_answers_with_its_own_signature_and_admits_what_it_holds()
 {
    let (_dir, business) = business().await;
    let (url, mut answers) = answers().await;
    let message = |kind: &str| {
        json!({ "type": kind, "data": { "external_id": "x-1", "answer_url": url, "identifiers": [{ "kind": "email", "value": business.maya.email.to_uppercase() }] } }).to_string()
    };
    assert_eq!(
        tell(
            &business,
            "/privacy",
            &message("privacy_request.delete"),
            "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldA=="
        )
        .await
        .0,
        401
    );
    let hers = async || {
        Witness::new(&business)
            .leads_of(&business.maya.email)
            .await
            .unwrap()
    };
    assert_eq!(hers().await.len(), 1);
    let secret = business.sweet_leads.secret.clone();
    assert_eq!(
        tell(
            &business,
            "/privacy",
            &message("privacy_request.opt_out_sale_share"),
            &secret
        )
        .await
        .0,
        202
    );
    assert!(!hers().await[0].may_sell);
    verify_answer(&business, answers.recv().await.unwrap());
    let hash =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, business.maya.email.as_bytes())
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
    let question = json!({ "type": "privacy_request.probe", "data": { "external_id": "x-1", "identifiers": [{ "kind": "email", "sha256": hash }] } }).to_string();
    assert_eq!(
        tell(&business, "/probe", &question, &secret).await.1,
        json!({ "held": true })
    );
    assert_eq!(
        tell(
            &business,
            "/privacy",
            &message("privacy_request.delete"),
            &secret
        )
        .await
        .0,
        202
    );
    verify_answer(&business, answers.recv().await.unwrap());
    assert!(hers().await.is_empty());
    assert_eq!(
        tell(&business, "/probe", &question, &secret).await.1,
        json!({ "held": false })
    );
}

async fn tell(business: &Business, path: &str, body: &str, secret: &str) -> (u16, Value) {
    let secret = BASE64_STANDARD
        .decode(secret.trim_start_matches("whsec_"))
        .unwrap();
    let seconds = now()().as_second().to_string();
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &secret),
        format!("m-1.{seconds}.{body}").as_bytes(),
    );
    let request = reqwest::Client::new()
        .post(format!("{}{path}", business.sweet_leads.url))
        .header("webhook-id", "m-1")
        .header("webhook-timestamp", seconds);
    let answer = request
        .header(
            "webhook-signature",
            format!("v1,{}", BASE64_STANDARD.encode(tag)),
        )
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    (
        answer.status().as_u16(),
        answer.json().await.unwrap_or_default(),
    )
}

fn verify_answer(business: &Business, (headers, body): (HeaderMap, Bytes)) {
    let signed = [
        header(&headers, "webhook-id").as_bytes(),
        header(&headers, "webhook-timestamp").as_bytes(),
        &body,
    ]
    .join(&b'.');
    let signature = BASE64_STANDARD
        .decode(
            header(&headers, "webhook-signature")
                .strip_prefix("v1a,")
                .unwrap(),
        )
        .unwrap();
    let key = BASE64_STANDARD
        .decode(business.sweet_leads.public_key.trim_start_matches("whpk_"))
        .unwrap();
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&signed, &signature)
        .unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (
            answer["data"]["external_id"].as_str(),
            answer["data"]["status"].as_str()
        ),
        (Some("x-1"), Some("done"))
    );
}
