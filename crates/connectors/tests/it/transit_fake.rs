//! The transit engine and the AppRole login as HashiCorp Vault and OpenBao answer them over HTTP: no binary of either is to be had
//! from the package registries that the tests use, so this stands in for them. Paths, statuses, error bodies and the form of a
//! ciphertext follow their API documentation; keys are AES-256-GCM, with the associated data that the real ones bind.
#![allow(
    clippy::result_large_err,
    reason = "an answer that says no is an answer"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub const TOKEN: &str = "hvs.a-token-that-stays-secret";
pub const ROLE: &str = "role-of-privity";
/// Made with `derived=true`.
pub const DERIVED: &str = "derived";
pub const SECRET_ID: &str = "a-secret-id-that-stays-secret";

/// One server; clones share it.
#[derive(Clone, Default)]
pub struct TransitFake {
    keys: Arc<Mutex<BTreeMap<String, [u8; 32]>>>,
    namespace: Option<&'static str>,
    /// So many calls are answered with 503 first, as by a service that is sealed.
    sealed_for: Arc<AtomicU32>,
    calls: Arc<AtomicU32>,
}

impl TransitFake {
    /// With a key named `privity`, one named `other`, and one named `derived` that is a derived one.
    pub fn new() -> Self {
        let fake = Self::default();
        fake.keys.lock().unwrap().extend([
            ("privity".to_owned(), [7; 32]),
            ("other".to_owned(), [8; 32]),
            (DERIVED.to_owned(), [9; 32]),
        ]);
        fake
    }

    pub fn in_namespace(mut self, namespace: &'static str) -> Self {
        self.namespace = Some(namespace);
        self
    }

    pub fn sealed_for(self, calls: u32) -> Self {
        self.sealed_for.store(calls, Ordering::SeqCst);
        self
    }

    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/transit/encrypt/{key}", post(encrypt))
            .route("/v1/transit/decrypt/{key}", post(decrypt))
            .route("/v1/auth/approle/login", post(login))
            .fallback(|| async { refusal(404, "no handler for route") })
            .with_state(self.clone())
    }

    /// Whether the call is let in; the answer otherwise.
    fn admits(&self, headers: &HeaderMap) -> Result<(), Response> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        self.is_unsealed()?;
        if header("x-vault-namespace") != self.namespace {
            return Err(refusal(404, "no handler for route"));
        }
        if header("x-vault-token") != Some(TOKEN) {
            return Err(refusal(403, "permission denied"));
        }
        Ok(())
    }

    fn is_unsealed(&self) -> Result<(), Response> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let left = self
            .sealed_for
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match left {
            Ok(_) => Err(refusal(503, "Vault is sealed")),
            Err(_) => Ok(()),
        }
    }

    /// The key of a call, and what its ciphertext is bound to beside it. A derived one is another key for each context; of any other the
    /// context is passed over, as the real ones do.
    fn key(&self, name: &str, body: &Value) -> Result<(LessSafeKey, Vec<u8>), Response> {
        let keys = self.keys.lock().unwrap();
        let key = keys
            .get(name)
            .ok_or_else(|| refusal(400, "encryption key not found"))?;
        let bound_to = bytes(body, "associated_data")?;
        let key = if name == DERIVED {
            let context = bytes(body, "context")?;
            if context.is_empty() {
                return Err(refusal(400, "missing 'context' for key derivation"));
            }
            let base = hmac::Key::new(hmac::HMAC_SHA256, key);
            hmac::sign(&base, &context).as_ref().to_vec()
        } else {
            key.to_vec()
        };
        let key = UnboundKey::new(&AES_256_GCM, &key).unwrap();
        Ok((LessSafeKey::new(key), bound_to))
    }
}

fn refusal(status: u16, words: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, Json(json!({"errors": [words]}))).into_response()
}

fn bytes(body: &Value, member: &str) -> Result<Vec<u8>, Response> {
    let text = body[member].as_str().unwrap_or_default();
    STANDARD
        .decode(text)
        .map_err(|_| refusal(400, "failed to base64-decode"))
}

async fn encrypt(
    State(fake): State<TransitFake>,
    Path(key): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Response, Response> {
    fake.admits(&headers)?;
    let (key, data) = fake.key(&key, &body)?;
    let mut sealed = bytes(&body, "plaintext")?;
    let nonce = [3; 12];
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(data),
        &mut sealed,
    )
    .unwrap();
    let ciphertext = STANDARD.encode([&nonce[..], &sealed].concat());
    let data = json!({"ciphertext": format!("vault:v1:{ciphertext}"), "key_version": 1});
    Ok(Json(json!({"request_id": "1", "data": data})).into_response())
}

async fn decrypt(
    State(fake): State<TransitFake>,
    Path(key): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Response, Response> {
    fake.admits(&headers)?;
    let (key, data) = fake.key(&key, &body)?;
    let ciphertext = body["ciphertext"].as_str().unwrap_or_default();
    let invalid = || refusal(400, "invalid ciphertext: no prefix");
    let ciphertext = ciphertext.strip_prefix("vault:v1:").ok_or_else(invalid)?;
    let mut sealed = STANDARD.decode(ciphertext).map_err(|_| invalid())?;
    let nonce = Nonce::try_assume_unique_for_key(&sealed.drain(..12).collect::<Vec<_>>()).unwrap();
    let opened = key
        .open_in_place(nonce, Aad::from(data), &mut sealed)
        .map_err(|_| refusal(400, "cipher: message authentication failed"))?;
    let data = json!({"plaintext": STANDARD.encode(opened)});
    Ok(Json(json!({"request_id": "2", "data": data})).into_response())
}

async fn login(
    State(fake): State<TransitFake>,
    Json(body): Json<Value>,
) -> Result<Response, Response> {
    fake.is_unsealed()?;
    if body != json!({"role_id": ROLE, "secret_id": SECRET_ID}) {
        return Err(refusal(400, "invalid role or secret ID"));
    }
    let auth = json!({"client_token": TOKEN, "lease_duration": 1200, "renewable": true});
    Ok(Json(json!({"auth": auth})).into_response())
}
