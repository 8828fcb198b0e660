//! Parcel Post, which carries the shop's parcels: a service provider that speaks OpenDSR 2.0 and signs what it answers with
//! its own RSA key and a certificate of its authority (sections 6 to 8 of the specification).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, SigningKey as _, date_time_ymd,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::customer::{Customers, MAYA, SPOUSE};
use crate::loopback::{self, Now};
use crate::random::Random;

/// The domain by which it signs.
pub const DOMAIN: &str = "parcel-post.example";

/// Parcel Post as others reach it.
#[derive(Clone, Debug)]
pub struct ParcelPost {
    /// Its address, without a slash at the end.
    pub url: String,
    /// What it asks for in `Authorization: Bearer`.
    pub token: String,
    /// The authority (PEM) that issued its certificate.
    pub authority: String,
}

/// A parcel that it carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// Its number.
    pub number: u32,
    /// The name on the label.
    pub name: String,
    /// Where it writes to when the parcel is close.
    pub email: String,
    /// Where the driver calls.
    pub phone: String,
    /// Where it goes.
    pub address: String,
}

struct Post {
    url: String,
    token: String,
    key: KeyPair,
    certificate: String,
    now: Now,
    client: reqwest::Client,
    shipments: Mutex<Vec<Shipment>>,
    requests: Mutex<Vec<Taken>>,
}

/// A request that it has taken.
struct Taken {
    request: Requested,
    encoded: String,
    received_at: String,
    status: &'static str,
}

#[derive(Clone, Deserialize)]
struct Requested {
    subject_request_id: String,
    subject_request_type: String,
    subject_identities: Vec<Identity>,
    #[serde(default)]
    status_callback_urls: Vec<String>,
}

#[derive(Clone, Deserialize)]
struct Identity {
    identity_type: String,
    identity_value: String,
    identity_format: String,
}

/// Starts Parcel Post with shipments of the shop's customers.
///
/// # Errors
/// No port is free, or no key could be made.
pub async fn start(
    servers: &mut JoinSet<()>,
    customers: &Customers,
    now: Now,
) -> anyhow::Result<ParcelPost> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (key, certificate, authority) = tokio::task::spawn_blocking(certified_key).await??;
    let token = "hearth-and-crumb-ships-with-us".to_owned();
    let post = Arc::new(Post {
        url: url.clone(),
        token: token.clone(),
        key,
        certificate,
        now,
        client: reqwest::Client::new(),
        shipments: Mutex::new(invent(customers)),
        requests: Mutex::default(),
    });
    let router = router(post);
    servers.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(cause = %error, "parcel post stopped");
        }
    });
    Ok(ParcelPost {
        url,
        token,
        authority,
    })
}

/// A key with its certificate, and the authority's certificate.
fn certified_key() -> anyhow::Result<(KeyPair, String, String)> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority
        .distinguished_name
        .push(DnType::CommonName, "Demo authority for parcel services");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let mut own = CertificateParams::new(vec![DOMAIN.to_owned()])?;
    own.distinguished_name
        .push(DnType::CommonName, "Parcel Post");
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (own.not_before, own.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2049, 1, 1));
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
    let certificate = own
        .signed_by(&key, &Issuer::new(authority, authority_key))?
        .pem();
    Ok((key, certificate, authority_pem))
}

fn router(post_office: Arc<Post>) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/v2/discovery", get(discovery))
        .route("/v2/requests", post(take))
        .route("/v2/requests/{id}", get(status))
        .route("/certificate.pem", get(certificate))
        .route("/shipments", get(shipments))
        .with_state(post_office)
}

type Shared = State<Arc<Post>>;

async fn discovery(State(post): Shared) -> Response {
    Json(json!({
        "api_version": "2.0",
        "supported_identities": [{ "identity_type": "email", "identity_format": "raw" }],
        "supported_subject_request_types": ["erasure"],
        "processor_certificate": format!("{}/certificate.pem", post.url),
    }))
    .into_response()
}

async fn certificate(State(post): Shared) -> Response {
    (
        [(CONTENT_TYPE, "application/x-pem-file")],
        post.certificate.clone(),
    )
        .into_response()
}

/// `POST /v2/requests`: takes it, answers with a signature, and does the work afterwards.
async fn take(State(post): Shared, headers: HeaderMap, body: Bytes) -> Response {
    if !post.knows(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, "send the token of your contract");
    }
    let Ok(request) = serde_json::from_slice::<Requested>(&body) else {
        return refuse(StatusCode::BAD_REQUEST, "this is not an OpenDSR request");
    };
    if request.subject_request_type != "erasure" {
        return refuse(StatusCode::BAD_REQUEST, "we take requests of type erasure");
    }
    let id = request.subject_request_id.clone();
    let received_at = (post.now)().to_string();
    let encoded = BASE64_STANDARD.encode(&body);
    let is_new = {
        let mut requests = locked(&post.requests);
        let is_new = requests
            .iter()
            .all(|taken| taken.request.subject_request_id != id);
        if is_new {
            requests.push(Taken {
                request: request.clone(),
                encoded: encoded.clone(),
                received_at: received_at.clone(),
                status: "pending",
            });
        }
        is_new
    };
    if is_new {
        tokio::spawn(Arc::clone(&post).erase(request));
    }
    let answer = json!({ "controller_id": "hearth-and-crumb", "subject_request_id": id, "received_time": received_at, "expected_completion_time": received_at, "encoded_request": encoded });
    post.signed(StatusCode::CREATED, &answer)
}

async fn status(State(post): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if !post.knows(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, "send the token of your contract");
    }
    let answer = locked(&post.requests)
        .iter()
        .find(|taken| taken.request.subject_request_id == id)
        .map(|taken| {
            json!({
                "controller_id": "hearth-and-crumb",
                "subject_request_id": id,
                "request_status": taken.status,
                "received_time": taken.received_at,
                "encoded_request": taken.encoded,
                "api_version": "2.0",
            })
        });
    answer.map_or_else(
        || refuse(StatusCode::NOT_FOUND, "no such request"),
        |answer| post.signed(StatusCode::OK, &answer),
    )
}

fn refuse(status: StatusCode, words: &str) -> Response {
    (
        status,
        Json(json!({ "error": { "code": status.as_u16(), "message": words } })),
    )
        .into_response()
}

impl Post {
    fn knows(&self, headers: &HeaderMap) -> bool {
        let expected = format!("Bearer {}", self.token);
        headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            == Some(expected.as_str())
    }

    fn sign(&self, body: &[u8]) -> anyhow::Result<String> {
        Ok(BASE64_STANDARD.encode(self.key.sign(body).context("signing")?))
    }

    fn signed(&self, status: StatusCode, answer: &Value) -> Response {
        let body = answer.to_string();
        match self.sign(body.as_bytes()) {
            Ok(signature) => (
                status,
                [
                    ("content-type", "application/json"),
                    ("x-opendsr-processor-domain", DOMAIN),
                    ("x-opendsr-signature", &signature),
                ],
                body,
            )
                .into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    /// Deletes the person's shipments and tells the business, with a signature.
    async fn erase(self: Arc<Self>, request: Requested) {
        let is_hers = |shipment: &Shipment| {
            request.subject_identities.iter().any(|identity| {
                identity.identity_type == "email"
                    && identity.identity_format == "raw"
                    && identity
                        .identity_value
                        .eq_ignore_ascii_case(&shipment.email)
            })
        };
        locked(&self.shipments).retain(|shipment| !is_hers(shipment));
        if let Some(taken) = locked(&self.requests)
            .iter_mut()
            .find(|taken| taken.request.subject_request_id == request.subject_request_id)
        {
            taken.status = "completed";
        }
        for url in &request.status_callback_urls {
            if let Err(error) = self.call_back(url, &request.subject_request_id).await {
                tracing::warn!(cause = %error, "the business did not take the answer of parcel post; it can ask for the status");
            }
        }
    }

    async fn call_back(&self, url: &str, id: &str) -> anyhow::Result<()> {
        let message = json!({
            "controller_id": "hearth-and-crumb",
            "expected_completion_time": (self.now)().to_string(),
            "status_callback_url": url,
            "subject_request_id": id,
            "request_status": "completed",
        });
        let body = message.to_string();
        let signature = self.sign(body.as_bytes())?;
        for pause in [50, 200, 800, 3_200] {
            let request = self
                .client
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .header("x-opendsr-processor-domain", DOMAIN)
                .header("x-opendsr-signature", &signature);
            match request.body(body.clone()).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                _ => tokio::time::sleep(Duration::from_millis(pause)).await,
            }
        }
        anyhow::bail!("it refused four times")
    }
}

#[derive(Deserialize)]
struct Wanted {
    email: Option<String>,
}

async fn shipments(State(post): Shared, Query(wanted): Query<Wanted>) -> Response {
    let is_wanted = |shipment: &&Shipment| {
        wanted
            .email
            .as_ref()
            .is_none_or(|email| shipment.email.eq_ignore_ascii_case(email))
    };
    let found: Vec<Shipment> = locked(&post.shipments)
        .iter()
        .filter(is_wanted)
        .cloned()
        .collect();
    Json(found).into_response()
}

async fn front(State(post): Shared) -> Html<String> {
    let requests = locked(&post.requests);
    let rows = requests.iter().map(|taken| {
        vec![
            taken.request.subject_request_id.clone(),
            taken.request.subject_request_type.clone(),
            taken.received_at.clone(),
            taken.status.to_owned(),
        ]
    });
    let shown = loopback::table(&["OpenDSR request", "Type", "Received", "Status"], rows);
    let words = format!(
        "<p>A service provider of Hearth &amp; Crumb. It knows {} shipments and signs its answers as <code>{DOMAIN}</code>.</p>",
        locked(&post.shipments).len()
    );
    Html(loopback::page("Parcel Post", &format!("{words}{shown}")))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn invent(customers: &Customers) -> Vec<Shipment> {
    let mut random = Random::of("parcel post");
    let chosen = customers
        .all
        .iter()
        .filter(|customer| matches!(customer.number, MAYA | SPOUSE) || random.happens(30));
    let shipment = |(number, customer): (u32, &crate::customer::Customer)| Shipment {
        number,
        name: customer.full_name(),
        email: customer.email.clone(),
        phone: customer.phone.clone(),
        address: customers
            .address_of(customer)
            .map(crate::customer::Address::line)
            .unwrap_or_default(),
    };
    (70_001..).zip(chosen).map(shipment).collect()
}
