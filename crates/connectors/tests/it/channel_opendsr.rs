//! Recipients told by OpenDSR, against a processor with a real certificate.

use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use connectors::opendsr::{OpendsrChannel, OpendsrConfig};
use connectors::{Channel, ChannelError, Delivery, VerifiedAnswer};
use domain::id::OutreachId;
use domain::outreach::{Answer, OutreachAction};
use domain::recipient::VerificationLevel;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, date_time_ymd};
use serde_json::{Value, json};

use crate::channel_support::{CALLBACK, EXTERNAL_ID, clock, notification, received, words};
use crate::http_server::{Authority, serve};

const DOMAIN: &str = "processor.example";

/// The processor's key, with certificates as a test wants them.
struct Signer {
    key: KeyPair,
    authority: Authority,
}

impl Signer {
    fn new() -> Self {
        Self {
            key: KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap(),
            authority: Authority::new(),
        }
    }

    fn certificate(&self, domain: &str, until: i32) -> String {
        let mut params = CertificateParams::new(vec![domain.to_owned()]).unwrap();
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
        self.authority.issue(&params, &self.key).pem()
    }

    fn sign(&self, body: &[u8]) -> String {
        let key = RsaKeyPair::from_pkcs8(&self.key.serialize_der()).unwrap();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            body,
            &mut signature,
        )
        .unwrap();
        BASE64_STANDARD.encode(signature)
    }
}

struct Processor {
    signer: Signer,
    certificate: Mutex<String>,
    /// Types of requests that it takes.
    takes: Value,
    identities: Value,
    /// What it answers to a request and to a question, and whether with its signature.
    answers: Mutex<(u16, bool)>,
    status: Mutex<Option<&'static str>>,
    requests: Mutex<Vec<Value>>,
    looked_up: Mutex<u32>,
    base: Mutex<String>,
}

impl Processor {
    async fn start() -> Arc<Self> {
        Self::start_with(json!(["erasure", "access"]), json!([{"identity_type": "email", "identity_format": "raw"}, {"identity_type": "controller_customer_id", "identity_format": "sha256"}])).await
    }

    async fn start_with(takes: Value, identities: Value) -> Arc<Self> {
        let signer = Signer::new();
        let processor = Arc::new(Self {
            certificate: Mutex::new(signer.certificate(DOMAIN, 2040)),
            signer,
            takes,
            identities,
            answers: Mutex::new((201, true)),
            status: Mutex::new(None),
            requests: Mutex::default(),
            looked_up: Mutex::default(),
            base: Mutex::default(),
        });
        let router = Router::new()
            .route("/v2/discovery", get(discovery))
            .route("/v1/discovery", get(discovery))
            .route("/cert.pem", get(certificate))
            .route("/v2/requests", post(take))
            .route("/v1/opengdpr_requests", post(take))
            .route("/v2/requests/{id}", get(status))
            .with_state(Arc::clone(&processor));
        let base = serve(router).await;
        *processor.base.lock().unwrap() = base;
        processor
    }

    fn signed(&self, status: u16, body: &Value) -> Response {
        let body = body.to_string();
        let status = StatusCode::from_u16(status).unwrap();
        if !self.answers.lock().unwrap().1 {
            return (status, body).into_response();
        }
        let signature = self.signer.sign(body.as_bytes());
        (
            status,
            [
                ("x-opendsr-processor-domain", DOMAIN.to_owned()),
                ("x-opendsr-signature", signature),
            ],
            body,
        )
            .into_response()
    }

    fn config(&self) -> Value {
        json!({
            "url": format!("{}/v2", self.base.lock().unwrap()), "domains": [DOMAIN], "trusted_ca": self.signer.authority.pem(),
            "identity_types": {"customer_number": "controller_customer_id"}, "timeout_seconds": 5, "allow_loopback": true
        })
    }

    fn channel(&self) -> OpendsrChannel {
        channel(self.config()).unwrap()
    }

    /// What a signed callback with this status comes to.
    async fn calls_back(
        &self,
        channel: &OpendsrChannel,
        status: &str,
    ) -> Result<VerifiedAnswer, ChannelError> {
        let body = callback(status);
        let signature = self.signer.sign(body.as_bytes());
        channel
            .verify_answer(&received(
                &[
                    ("x-opendsr-processor-domain", DOMAIN),
                    ("x-opendsr-signature", &signature),
                ],
                body.as_bytes(),
            ))
            .await
    }
}

fn channel(config: Value) -> Result<OpendsrChannel, ChannelError> {
    OpendsrChannel::new(
        "processor".into(),
        serde_json::from_value::<OpendsrConfig>(config).unwrap(),
        clock(),
    )
}

fn callback(status: &str) -> String {
    json!({"controller_id": "shop", "expected_completion_time": "2026-12-01T00:00:00Z", "status_callback_url": CALLBACK, "subject_request_id": EXTERNAL_ID, "request_status": status}).to_string()
}

type Shared = State<Arc<Processor>>;

async fn discovery(State(processor): Shared) -> Json<Value> {
    *processor.looked_up.lock().unwrap() += 1;
    let certificate = format!("{}/cert.pem", processor.base.lock().unwrap());
    Json(
        json!({"api_version": "2.0", "supported_identities": processor.identities, "supported_subject_request_types": processor.takes, "processor_certificate": certificate}),
    )
}

async fn certificate(State(processor): Shared) -> String {
    processor.certificate.lock().unwrap().clone()
}

async fn take(State(processor): Shared, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["content-type"], "application/json");
    let request: Value = serde_json::from_slice(&body).unwrap();
    let answer = json!({
        "controller_id": "shop", "expected_completion_time": "2026-12-01T00:00:00Z", "received_time": "2026-11-21T12:00:00Z",
        "encoded_request": BASE64_STANDARD.encode(&body), "subject_request_id": request["subject_request_id"]
    });
    processor.requests.lock().unwrap().push(request);
    let status = processor.answers.lock().unwrap().0;
    processor.signed(status, &answer)
}

async fn status(State(processor): Shared) -> Response {
    let status = *processor.status.lock().unwrap();
    match status {
        Some(status) => processor.signed(200, &json!({"controller_id": "shop", "subject_request_id": EXTERNAL_ID, "request_status": status, "api_version": "2.0"})),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn delete() -> connectors::Notification {
    notification(OutreachAction::Delete)
}

#[tokio::test]
async fn a_processor_gets_a_request_with_every_required_member() {
    let processor = Processor::start().await;
    let delivery = processor.channel().send(&delete()).await.unwrap();
    assert_eq!(
        delivery,
        Delivery {
            level: VerificationLevel::Acknowledged,
            answer: None,
            external_id: Some(EXTERNAL_ID.to_owned())
        }
    );
    let expected = json!({
        "regulation": "ccpa",
        "subject_request_id": EXTERNAL_ID,
        "subject_request_type": "erasure",
        "submitted_time": "2026-11-20T09:00:00Z",
        "subject_identities": [
            {"identity_type": "email", "identity_value": "Mia@Bakery.example", "identity_format": "raw"},
            {"identity_type": "controller_customer_id", "identity_value": "7009f1b0b53c98e0b39c1c22eec964cfc2ab803b4f419f2165fccbfd0327ca2a", "identity_format": "sha256"}
        ],
        "api_version": "2.0",
        "status_callback_urls": [CALLBACK]
    });
    assert_eq!(*processor.requests.lock().unwrap(), [expected]);
}

#[test]
fn what_we_send_uses_only_the_contracts_words() {
    let contract: Value =
        serde_json::from_str(include_str!("../vectors/opendsr/contract.json")).unwrap();
    let has = |list: &str, word: &str| {
        contract[list]
            .as_array()
            .unwrap()
            .iter()
            .any(|known| known == word)
    };
    assert!(
        has("request_types", "erasure")
            && has("identity_types", "email")
            && has("identity_types", "controller_customer_id")
    );
    assert!(
        has("identity_formats", "raw")
            && has("identity_formats", "sha256")
            && has("regulations", "ccpa")
            && has("regulations", "gdpr")
    );
    assert!(has("headers", "X-OpenDSR-Processor-Domain") && has("headers", "X-OpenDSR-Signature"));
}

#[tokio::test]
async fn an_answer_without_a_good_signature_is_only_delivered() {
    let processor = Processor::start().await;
    processor.answers.lock().unwrap().1 = false;
    assert_eq!(
        processor.channel().send(&delete()).await.unwrap().level,
        VerificationLevel::Delivered
    );
    processor.answers.lock().unwrap().1 = true;
    *processor.certificate.lock().unwrap() = Signer::new().certificate(DOMAIN, 2040);
    assert_eq!(
        processor.channel().send(&delete()).await.unwrap().level,
        VerificationLevel::Delivered
    );
}

#[tokio::test]
async fn a_request_sent_twice_is_one_request() {
    let processor = Processor::start().await;
    let channel = processor.channel();
    channel.send(&delete()).await.unwrap();
    *processor.answers.lock().unwrap() = (400, true);
    *processor.status.lock().unwrap() = Some("in_progress");
    assert_eq!(
        channel.send(&delete()).await.unwrap().level,
        VerificationLevel::Acknowledged
    );
    *processor.status.lock().unwrap() = None;
    let error = channel.send(&delete()).await.unwrap_err();
    assert!(matches!(error, ChannelError::Refused { .. }) && words(&error).contains("400"));
}

#[tokio::test]
async fn a_processor_that_is_asked_says_how_far_it_is() {
    let processor = Processor::start().await;
    let channel = processor.channel();
    let poll = || channel.poll(OutreachId::from_uuid(uuid::Uuid::nil()), EXTERNAL_ID);
    for (status, level, answer) in [
        ("pending", VerificationLevel::Acknowledged, None),
        ("in_progress", VerificationLevel::Acknowledged, None),
        ("completed", VerificationLevel::Signed, Some(Answer::Done)),
    ] {
        *processor.status.lock().unwrap() = Some(status);
        let delivery = poll().await.unwrap().unwrap();
        assert_eq!((delivery.level, delivery.answer), (level, answer));
    }
    processor.answers.lock().unwrap().1 = false;
    assert_eq!(
        poll().await.unwrap().unwrap().level,
        VerificationLevel::Acknowledged
    );
    for status in [Some("cancelled"), Some("great"), None] {
        *processor.status.lock().unwrap() = status;
        assert!(!poll().await.unwrap_err().is_transient());
    }
}

#[tokio::test]
async fn a_reminder_asks_first_and_tells_again_only_what_was_lost() {
    let processor = Processor::start().await;
    let channel = processor.channel();
    *processor.status.lock().unwrap() = Some("completed");
    assert_eq!(
        channel.remind(&delete()).await.unwrap().answer,
        Some(Answer::Done)
    );
    assert!(processor.requests.lock().unwrap().is_empty());
    *processor.status.lock().unwrap() = None;
    channel.remind(&delete()).await.unwrap();
    assert_eq!(processor.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_signed_callback_counts_as_signed_and_the_certificate_is_looked_up_once() {
    let processor = Processor::start().await;
    let channel = processor.channel();
    let done = processor.calls_back(&channel, "completed").await.unwrap();
    assert_eq!(
        (done.external_id.as_str(), done.answer, done.level),
        (EXTERNAL_ID, Some(Answer::Done), VerificationLevel::Signed)
    );
    let pending = processor.calls_back(&channel, "pending").await.unwrap();
    assert_eq!(
        (pending.answer, pending.level),
        (None, VerificationLevel::Acknowledged)
    );
    assert!(matches!(
        processor.calls_back(&channel, "cancelled").await,
        Err(ChannelError::Refused { .. })
    ));
    assert_eq!(*processor.looked_up.lock().unwrap(), 1);
}

#[tokio::test]
async fn the_header_names_of_version_1_are_honoured() {
    let processor = Processor::start().await;
    let body = callback("completed");
    let signature = processor.signer.sign(body.as_bytes());
    let message = received(
        &[
            ("x-opengdpr-processor-domain", DOMAIN),
            ("x-opengdpr-signature", &signature),
        ],
        body.as_bytes(),
    );
    assert_eq!(
        processor
            .channel()
            .verify_answer(&message)
            .await
            .unwrap()
            .level,
        VerificationLevel::Signed
    );
    let mut config = processor.config();
    config["url"] = json!(config["url"].as_str().unwrap().replace("/v2", "/v1"));
    channel(config).unwrap().send(&delete()).await.unwrap();
    assert_eq!(processor.requests.lock().unwrap().len(), 1);
}

/// Refused as nobody's, or in words of its own what the processor never signed for us.
async fn refused(channel: &OpendsrChannel, headers: &[(&str, &str)], body: &str) -> String {
    let error = channel
        .verify_answer(&received(headers, body.as_bytes()))
        .await
        .unwrap_err();
    match error {
        ChannelError::NotAuthentic { .. } => format!("not authentic: {}", words(&error)),
        ChannelError::Forged { .. } => format!("forged: {}", words(&error)),
        other => panic!("{}", words(&other)),
    }
}

fn is(told: &str, kind: &str, reason: &str) -> bool {
    told.starts_with(kind) && told.contains(reason)
}

#[tokio::test]
async fn forged_callbacks_are_refused() {
    let processor = Processor::start().await;
    let channel = processor.channel();
    let body = callback("completed");
    let good = processor.signer.sign(body.as_bytes());
    let forged = Signer::new().sign(body.as_bytes());
    let from = |domain: &'static str, signature| {
        [
            ("x-opendsr-processor-domain", domain),
            ("x-opendsr-signature", signature),
        ]
    };
    let unsigned = refused(&channel, &[], &body).await;
    assert!(is(&unsigned, "not authentic", "missing"), "{unsigned}");
    let stranger = refused(&channel, &from("evil.example", &good), &body).await;
    assert!(is(&stranger, "not authentic", "`domains`"), "{stranger}");
    assert_eq!(*processor.looked_up.lock().unwrap(), 0);
    let other_key = refused(&channel, &from(DOMAIN, &forged), &body).await;
    assert!(is(&other_key, "forged", "doesn't fit"), "{other_key}");
    let no_base64 = refused(&channel, &from(DOMAIN, "not base64"), &body).await;
    assert!(is(&no_base64, "forged", "base64"), "{no_base64}");
    let changed = refused(&channel, &from(DOMAIN, &good), &callback("pending")).await;
    assert!(is(&changed, "forged", "doesn't fit"), "{changed}");
    let elsewhere = body.replace(CALLBACK, "https://other.example/callback");
    let signed = processor.signer.sign(elsewhere.as_bytes());
    let replayed = refused(&channel, &from(DOMAIN, &signed), &elsewhere).await;
    assert!(is(&replayed, "forged", "status_callback_url"), "{replayed}");
    // However many bad callbacks come, the processor is asked once.
    assert_eq!(*processor.looked_up.lock().unwrap(), 1);
}

#[tokio::test]
async fn only_a_valid_certificate_of_the_domain_by_a_trusted_authority_counts() {
    let processor = Processor::start().await;
    let body = callback("completed");
    let good = processor.signer.sign(body.as_bytes());
    let headers = [
        ("x-opendsr-processor-domain", DOMAIN),
        ("x-opendsr-signature", good.as_str()),
    ];
    let stranger = Signer {
        key: KeyPair::from_pem(&processor.signer.key.serialize_pem()).unwrap(),
        authority: Authority::new(),
    };
    let certificates = [
        (
            processor.signer.certificate("other.example", 2040),
            "doesn't name",
        ),
        (processor.signer.certificate(DOMAIN, 2025), "not valid now"),
        (stranger.certificate(DOMAIN, 2040), "trusted authority"),
    ];
    for (pem, expected) in certificates {
        *processor.certificate.lock().unwrap() = pem;
        let words = refused(&processor.channel(), &headers, &body).await;
        assert!(is(&words, "not authentic", expected), "{words}");
    }
    // A wildcard stands for one label, and not for a whole top-level domain.
    *processor.certificate.lock().unwrap() = processor.signer.certificate("*.example", 2040);
    assert!(
        refused(&processor.channel(), &headers, &body)
            .await
            .contains("doesn't name")
    );
    *processor.certificate.lock().unwrap() =
        processor.signer.certificate("*.processor.example", 2040);
    let mut config = processor.config();
    config["domains"] = json!(["eu.processor.example"]);
    let headers = [
        ("x-opendsr-processor-domain", "eu.processor.example"),
        headers[1],
    ];
    assert!(
        channel(config)
            .unwrap()
            .verify_answer(&received(&headers, body.as_bytes()))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_pinned_certificate_is_used_without_asking_anybody() {
    let processor = Processor::start().await;
    let mut config = processor.config();
    config["pinned_certificate"] = json!(processor.signer.certificate(DOMAIN, 2040));
    let channel = channel(config).unwrap();
    assert_eq!(
        processor
            .calls_back(&channel, "completed")
            .await
            .unwrap()
            .level,
        VerificationLevel::Signed
    );
    assert_eq!(*processor.looked_up.lock().unwrap(), 0);
}

#[tokio::test]
async fn an_opt_out_goes_only_to_a_processor_that_knows_the_word() {
    let processor = Processor::start().await;
    let error = processor
        .channel()
        .send(&notification(OutreachAction::OptOut))
        .await
        .unwrap_err();
    assert!(matches!(error, ChannelError::Refused { .. }) && words(&error).contains("opt_out"));
    assert!(processor.requests.lock().unwrap().is_empty());
    let willing = Processor::start_with(
        json!(["erasure", "opt_out"]),
        json!([{"identity_type": "email", "identity_format": "sha256"}]),
    )
    .await;
    let mut config = willing.config();
    config["opt_out_extension"] = json!(DOMAIN);
    channel(config)
        .unwrap()
        .send(&notification(OutreachAction::OptOut))
        .await
        .unwrap();
    let request = willing.requests.lock().unwrap()[0].clone();
    assert_eq!(
        (
            &request["subject_request_type"],
            &request["extensions"][DOMAIN]
        ),
        (
            &json!("opt_out"),
            &json!({"opt_out_of_sale_and_sharing": true})
        )
    );
    assert_eq!(request["subject_identities"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_opendsr_cannot_carry_is_refused_before_anything_goes_out() {
    let processor = Processor::start_with(
        json!(["erasure"]),
        json!([{"identity_type": "android_id", "identity_format": "raw"}]),
    )
    .await;
    let mut other_law = delete();
    other_law.law = "vcdpa".to_owned();
    let mut other_id = delete();
    other_id.external_id = EXTERNAL_ID.to_uppercase();
    for (notification, expected) in [
        (other_law, "gdpr"),
        (other_id, "UUID v4"),
        (delete(), "identity_types"),
    ] {
        let error = processor.channel().send(&notification).await.unwrap_err();
        assert!(words(&error).contains(expected), "{}", words(&error));
    }
    assert!(processor.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_certificate_at_a_private_address_is_not_fetched() {
    let inside = json!({"supported_identities": [], "supported_subject_request_types": [], "processor_certificate": "http://169.254.169.254/latest"});
    let base =
        serve(Router::new().route("/v2/discovery", get(move || async move { Json(inside) }))).await;
    let processor = Processor::start().await;
    let mut config = processor.config();
    config["url"] = json!(format!("{base}/v2"));
    let error = processor
        .calls_back(&channel(config).unwrap(), "completed")
        .await
        .unwrap_err();
    assert!(
        words(&error).contains("processor_certificate"),
        "{}",
        words(&error)
    );
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let refused = |change: Value| {
        let mut config = json!({"url": "https://processor.example/v2", "domains": [DOMAIN], "trusted_ca": Authority::new().pem()});
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
    assert!(refused(json!({"url": "https://processor.example/api/v2"})).contains("major version"));
    assert!(refused(json!({"url": "https://10.0.0.1/v2"})).contains("private"));
    assert!(refused(json!({"domains": []})).contains("domains"));
    assert!(refused(json!({"trusted_ca": null})).contains("pinned_certificate"));
    assert!(refused(json!({"trusted_ca": "x"})).contains("trusted_ca"));
}
