//! Sweet Leads, which bought data of the shop's customers and sells it on: told by a signed webhook, answers with a signature of
//! its own (Standard Webhooks, `v1a`), and can be asked afterwards whether it still holds somebody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{digest, hmac, rand};
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;

use crate::customer::{Customers, MAYA, SPOUSE};
use crate::loopback::{self, Now};
use crate::random::Random;

/// Sweet Leads as others reach it.
#[derive(Clone, Debug)]
pub struct SweetLeads {
    /// Its address, without a slash at the end.
    pub url: String,
    /// The secret shared with the business, `whsec_…`.
    pub secret: String,
    /// The public key with which it signs, `whpk_…`.
    pub public_key: String,
}

/// Somebody whose data it bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// What it sells.
    pub interests: String,
    /// Whether it may go on selling.
    pub may_sell: bool,
}

struct Company {
    now: Now,
    secret: hmac::Key,
    key: Ed25519KeyPair,
    client: reqwest::Client,
    leads: Mutex<Vec<Lead>>,
    heard: Mutex<Vec<Heard>>,
}

/// What it was told.
struct Heard {
    at: String,
    kind: String,
    external_id: String,
    found: usize,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    external_id: String,
    identifiers: Vec<Identifier>,
    #[serde(default)]
    answer_url: Option<String>,
}

#[derive(Deserialize)]
struct Identifier {
    kind: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
}

/// Starts Sweet Leads with data of some of the customers.
///
/// # Errors
/// No port is free, or no key could be made.
pub async fn start(
    servers: &mut JoinSet<()>,
    customers: &Customers,
    now: Now,
) -> anyhow::Result<SweetLeads> {
    let mut secret = [0u8; 32];
    rand::fill(&mut secret).map_err(|_| anyhow!("the operating system has no random numbers"))?;
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| anyhow!("no key could be made"))?;
    let key =
        Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|_| anyhow!("no key could be made"))?;
    let public_key = format!("whpk_{}", BASE64_STANDARD.encode(key.public_key().as_ref()));
    let company = Company {
        now,
        secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        key,
        client: reqwest::Client::new(),
        leads: Mutex::new(invent(customers)),
        heard: Mutex::default(),
    };
    let url = loopback::serve(servers, router(Arc::new(company))).await?;
    Ok(SweetLeads {
        url,
        secret: format!("whsec_{}", BASE64_STANDARD.encode(secret)),
        public_key,
    })
}

fn router(company: Arc<Company>) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/privacy", post(hear))
        .route("/probe", post(probe))
        .route("/leads", get(leads))
        .with_state(company)
}

type Shared = State<Arc<Company>>;

/// `POST /privacy`: a business that sold us data passes on what a person asked for.
async fn hear(State(company): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let Some(message) = company.authentic(&headers, &body) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let found = match message.kind.as_str() {
        "privacy_request.delete" => company.delete(&message.data),
        "privacy_request.opt_out_sale_share" => company.stop_selling(&message.data),
        _ => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
    };
    locked(&company.heard).push(Heard {
        at: (company.now)().to_string(),
        kind: message.kind,
        external_id: message.data.external_id.clone(),
        found,
    });
    if let Some(url) = message.data.answer_url {
        tokio::spawn(async move {
            if let Err(error) = company.answer(&url, &message.data.external_id, found).await {
                tracing::warn!(cause = %error, "the business did not take the answer of sweet leads");
            }
        });
    }
    (
        StatusCode::ACCEPTED,
        Json(json!({ "status": "acknowledged" })),
    )
        .into_response()
}

/// `POST /probe`: whether we hold anybody behind these hashes.
async fn probe(State(company): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let Some(message) = company.authentic(&headers, &body) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let held = locked(&company.leads)
        .iter()
        .any(|lead| message.data.names(lead));
    Json(json!({ "held": held })).into_response()
}

impl Data {
    fn names(&self, lead: &Lead) -> bool {
        self.identifiers
            .iter()
            .filter(|identifier| identifier.kind == "email")
            .any(|identifier| {
                let by_value = identifier
                    .value
                    .as_ref()
                    .is_some_and(|value| value.eq_ignore_ascii_case(&lead.email));
                by_value
                    || identifier
                        .sha256
                        .as_ref()
                        .is_some_and(|hash| *hash == sha256(&lead.email.to_lowercase()))
            })
    }
}

impl Company {
    fn authentic(&self, headers: &HeaderMap, body: &[u8]) -> Option<Message> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (id, timestamp, signatures) = (
            header("webhook-id")?,
            header("webhook-timestamp")?,
            header("webhook-signature")?,
        );
        let age = (self.now)().as_second().abs_diff(timestamp.parse().ok()?);
        let signed = [id.as_bytes(), timestamp.as_bytes(), body].join(&b'.');
        let fits = |signature: &str| {
            signature
                .strip_prefix("v1,")
                .and_then(|base64| BASE64_STANDARD.decode(base64).ok())
                .is_some_and(|tag| hmac::verify(&self.secret, &signed, &tag).is_ok())
        };
        let is_authentic = age <= 300 && signatures.split(' ').any(fits);
        serde_json::from_slice(body).ok().filter(|_| is_authentic)
    }

    fn delete(&self, data: &Data) -> usize {
        let mut leads = locked(&self.leads);
        let before = leads.len();
        leads.retain(|lead| !data.names(lead));
        before - leads.len()
    }

    fn stop_selling(&self, data: &Data) -> usize {
        locked(&self.leads)
            .iter_mut()
            .filter(|lead| data.names(lead))
            .map(|lead| lead.may_sell = false)
            .count()
    }

    /// Tells the business the outcome, signed with our own key.
    async fn answer(&self, url: &str, external_id: &str, found: usize) -> anyhow::Result<()> {
        let status = if found > 0 { "done" } else { "not_found" };
        let now = (self.now)();
        let body = json!({ "type": "privacy_request.answer", "timestamp": now.to_string(), "data": { "external_id": external_id, "status": status } }).to_string();
        let (id, seconds) = (format!("answer-{external_id}"), now.as_second().to_string());
        let signed = [id.as_bytes(), seconds.as_bytes(), body.as_bytes()].join(&b'.');
        let signature = format!("v1a,{}", BASE64_STANDARD.encode(self.key.sign(&signed)));
        for pause in [50, 200, 800, 3_200] {
            let request = self
                .client
                .post(url)
                .header("content-type", "application/json")
                .header("webhook-id", &id)
                .header("webhook-timestamp", &seconds);
            match request
                .header("webhook-signature", &signature)
                .body(body.clone())
                .send()
                .await
                .context("sending")
            {
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

async fn leads(State(company): Shared, Query(wanted): Query<Wanted>) -> Response {
    let is_wanted = |lead: &&Lead| {
        wanted
            .email
            .as_ref()
            .is_none_or(|email| lead.email.eq_ignore_ascii_case(email))
    };
    let found: Vec<Lead> = locked(&company.leads)
        .iter()
        .filter(is_wanted)
        .cloned()
        .collect();
    Json(found).into_response()
}

async fn front(State(company): Shared) -> Html<String> {
    let leads = locked(&company.leads);
    let heard = locked(&company.heard);
    let rows = heard.iter().map(|heard| {
        vec![
            heard.at.clone(),
            heard.kind.clone(),
            heard.external_id.clone(),
            heard.found.to_string(),
        ]
    });
    let shown = loopback::table(
        &["When", "What we were told", "Reference", "Leads found"],
        rows,
    );
    let sold = leads.iter().filter(|lead| lead.may_sell).count();
    let words = format!(
        "<p>We bought {} people from Hearth &amp; Crumb, and may still sell {sold} of them.</p>",
        leads.len()
    );
    Html(loopback::page("Sweet Leads", &format!("{words}{shown}")))
}

fn sha256(text: &str) -> String {
    digest::digest(&digest::SHA256, text.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn invent(customers: &Customers) -> Vec<Lead> {
    let mut random = Random::of("sweet leads");
    let mut leads = Vec::new();
    for customer in &customers.all {
        if matches!(customer.number, MAYA | SPOUSE) || random.happens(40) {
            let interests = random
                .pick(&[
                    "baking, gift baskets",
                    "premium groceries",
                    "kitchen tools, on credit",
                    "weddings",
                ])
                .to_owned();
            leads.push(Lead {
                name: customer.full_name(),
                email: customer.email.clone(),
                interests,
                may_sell: true,
            });
        }
    }
    leads
}
