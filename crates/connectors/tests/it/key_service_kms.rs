//! AWS KMS as key service, against moto's server, which checks each signature and each right as AWS does.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::routing::{get, put};
use axum::{Json, Router};
use connectors::key_service::{AwsKms, AwsKmsConfig};
use domain::key_service::{KeyService, KeyServiceError, Refusal};
use domain::sensitive::Sensitive;
use domain::time::Clock;
use serde_json::{Value, json};

use crate::http_server::serve;

const BOUND_TO: &str = "privity key file v3";
type Environment = BTreeMap<&'static str, String>;

fn key() -> Sensitive<[u8; 32]> {
    Sensitive::new([42; 32])
}

/// Signatures are dated, so this takes the real moment.
struct RealClock;
impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "a server checks the moment")]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

fn service(endpoint: &str, key: &str, environment: &Environment) -> AwsKms {
    let config: AwsKmsConfig = serde_json::from_value(
        json!({"key": key, "region": "us-east-1", "endpoint": endpoint, "timeout_seconds": 1}),
    )
    .unwrap();
    let environment = environment.clone();
    AwsKms::new(
        config,
        &move |name| environment.get(name).cloned(),
        Arc::new(RealClock),
    )
    .unwrap_or_else(|reason| panic!("{reason}"))
}

fn credentials(id: &str, secret: &str) -> Environment {
    BTreeMap::from([
        ("AWS_ACCESS_KEY_ID", id.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
    ])
}

async fn refusal(service: &AwsKms, wrapped: &[u8], bound_to: &str) -> Refusal {
    let error = service.unwrap(wrapped, bound_to).await.err().unwrap();
    let words = format!("{error} {error:?}");
    assert!(!words.contains("secret"), "{words}");
    match error {
        KeyServiceError::Refused { refusal, .. } => refusal,
        other => panic!("{other:?}"),
    }
}

/// moto, with a login that may encrypt and decrypt, and two keys.
struct Moto {
    endpoint: String,
    client: reqwest::Client,
    login: Environment,
    key: String,
    other: String,
}

impl Moto {
    /// `None` when no server was named.
    async fn start() -> Option<Self> {
        let Ok(endpoint) = std::env::var("PRIVITY_TEST_AWS") else {
            println!("the test against moto's AWS did not run: PRIVITY_TEST_AWS names no server");
            return None;
        };
        let mut moto = Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            client: reqwest::Client::new(),
            login: Environment::new(),
            key: String::new(),
            other: String::new(),
        };
        moto.tell("reset", String::new()).await;
        moto.rights_are_checked_after(1_000_000).await;
        moto.login = moto.new_login().await;
        moto.key = moto.new_key().await;
        moto.other = moto.new_key().await;
        moto.rights_are_checked_after(0).await;
        Some(moto)
    }

    async fn rights_are_checked_after(&self, calls: u32) {
        self.tell("reset-auth", calls.to_string()).await;
    }

    async fn tell(&self, what: &str, body: String) {
        let url = format!("{}/moto-api/{what}", self.endpoint);
        let request = self.client.post(url).header("Content-Type", "text/plain");
        let answer = request.body(body).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    async fn iam(&self, form: &[(&str, &str)]) -> String {
        let request = self
            .client
            .post(format!("{}/", self.endpoint))
            .header("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0")
            .form(form);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success());
        answer.text().await.unwrap()
    }

    async fn new_login(&self) -> Environment {
        let name = format!("privity-{}", std::process::id());
        let version = ("Version", "2010-05-08");
        let rights = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*"}]}).to_string();
        self.iam(&[("Action", "CreateUser"), ("UserName", &name), version])
            .await;
        self.iam(&[
            ("Action", "PutUserPolicy"),
            ("UserName", &name),
            ("PolicyName", "p"),
            ("PolicyDocument", &rights),
            version,
        ])
        .await;
        let made = self
            .iam(&[("Action", "CreateAccessKey"), ("UserName", &name), version])
            .await;
        let text = |tag: &str| {
            let (_, rest) = made.split_once(&format!("<{tag}>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        credentials(&text("AccessKeyId"), &text("SecretAccessKey"))
    }

    async fn new_key(&self) -> String {
        let request = self
            .client
            .post(format!("{}/", self.endpoint))
            .header("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=0")
            .header("X-Amz-Target", "TrentService.CreateKey")
            .header("Content-Type", "application/x-amz-json-1.1")
            .body("{}");
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }
}

/// One test, since moto's switch that turns the checks on is one for the whole server.
#[tokio::test]
async fn moto_takes_our_signatures_and_refuses_what_aws_would_refuse() {
    let Some(moto) = Moto::start().await else {
        return;
    };
    let (endpoint, login) = (&moto.endpoint, &moto.login);
    let ours = service(endpoint, &moto.key, login);
    let wrapped = ours.wrap(&key(), BOUND_TO).await.unwrap();
    assert!(ours.unwrap(&wrapped, BOUND_TO).await.unwrap() == key());
    assert_eq!(
        refusal(&ours, &wrapped, "something else").await,
        Refusal::Wrapped
    );
    assert_eq!(refusal(&ours, b"changed", BOUND_TO).await, Refusal::Wrapped);
    let missing = service(endpoint, &format!("{}0", moto.key), login);
    let error = missing.wrap(&key(), BOUND_TO).await;
    assert!(matches!(
        error,
        Err(KeyServiceError::Refused {
            refusal: Refusal::Key,
            ..
        })
    ));

    let wrong_secret = credentials(&login["AWS_ACCESS_KEY_ID"], "a-wrong-secret");
    let wrong = service(endpoint, &moto.key, &wrong_secret);
    assert_eq!(refusal(&wrong, &wrapped, BOUND_TO).await, Refusal::Login);
    let stranger = service(endpoint, &moto.key, &credentials("AKIAEXAMPLE", "a-secret"));
    assert_eq!(refusal(&stranger, &wrapped, BOUND_TO).await, Refusal::Login);
}

/// What KMS says in its own words; moto can't be made to say them.
async fn saying(status: u16, body: Value) -> String {
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    let router = Router::new().fallback(move || {
        let body = body.clone();
        async move { (status, Json(body)) }
    });
    serve(router).await
}

#[tokio::test]
async fn throttling_and_faults_are_unavailable_and_refusals_are_told_apart() {
    let login = credentials("AKIDEXAMPLE", "a-secret");
    let no = |code: &str| json!({"__type": code, "message": "x"});
    for (status, code) in [
        (400, "ThrottlingException"),
        (500, "KMSInternalException"),
        (503, "DependencyTimeoutException"),
    ] {
        let address = saying(status, no(code)).await;
        let error = service(&address, "alias/privity", &login)
            .wrap(&key(), BOUND_TO)
            .await;
        assert!(
            matches!(error, Err(KeyServiceError::Unavailable { .. })),
            "{code}"
        );
    }
    for (code, refusal) in [
        ("AccessDeniedException", Refusal::Login),
        ("com.amazonaws.kms#DisabledException", Refusal::Key),
        ("IncorrectKeyException", Refusal::Wrapped),
    ] {
        let address = saying(400, no(code)).await;
        let service = service(&address, "alias/privity", &login);
        assert_eq!(
            self::refusal(&service, b"x", BOUND_TO).await,
            refusal,
            "{code}"
        );
    }
    let address = saying(200, json!("<html>")).await;
    let error = service(&address, "alias/privity", &login)
        .unwrap(b"x", BOUND_TO)
        .await;
    assert!(matches!(
        error.err(),
        Some(KeyServiceError::Unintelligible { .. })
    ));
}

/// Answers only whoever brings the session's token of the credentials that were fetched.
fn kms_for_session(token: &'static str) -> Router {
    Router::new().fallback(move |headers: axum::http::HeaderMap| async move {
        let is_hers = headers
            .get("x-amz-security-token")
            .is_some_and(|value| value == token);
        let signed = headers["authorization"]
            .to_str()
            .unwrap()
            .contains("x-amz-security-token");
        if is_hers && signed {
            Ok(Json(json!({"CiphertextBlob": "d3JhcHBlZA=="})))
        } else {
            Err(axum::http::StatusCode::FORBIDDEN)
        }
    })
}

#[tokio::test]
async fn a_container_and_a_machine_give_credentials_that_end() {
    let given = json!({"AccessKeyId": "ASIA", "SecretAccessKey": "a-secret", "Token": "session", "Expiration": "2026-11-22T12:00:00Z"});
    let kms = serve(kms_for_session("session")).await;

    let answer = given.clone();
    let container = Router::new().route(
        "/credentials",
        get(move |headers: axum::http::HeaderMap| async move {
            match headers
                .get("authorization")
                .is_some_and(|value| value == "pod-token")
            {
                true => Ok(Json(answer)),
                false => Err(axum::http::StatusCode::UNAUTHORIZED),
            }
        }),
    );
    let url = format!("{}/credentials", serve(container).await);
    let mut environment = BTreeMap::from([("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]);
    let without = service(&kms, "alias/privity", &environment)
        .wrap(&key(), BOUND_TO)
        .await;
    assert!(matches!(
        without,
        Err(KeyServiceError::Refused {
            refusal: Refusal::Login,
            ..
        })
    ));
    environment.insert("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token".to_owned());
    let wrapped = service(&kms, "alias/privity", &environment)
        .wrap(&key(), BOUND_TO)
        .await
        .unwrap();
    assert_eq!(wrapped, b"wrapped");

    let machine = Router::new()
        .route("/latest/api/token", put(|| async { "metadata-token" }))
        .route(
            "/latest/meta-data/iam/security-credentials/",
            get(|| async { "privity-role\n" }),
        )
        .route(
            "/latest/meta-data/iam/security-credentials/privity-role",
            get(move || async move { Json(given) }),
        );
    let environment = BTreeMap::from([("AWS_EC2_METADATA_SERVICE_ENDPOINT", serve(machine).await)]);
    let wrapped = service(&kms, "alias/privity", &environment)
        .wrap(&key(), BOUND_TO)
        .await
        .unwrap();
    assert_eq!(wrapped, b"wrapped");
}
