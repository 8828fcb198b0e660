//! Vault's and OpenBao's transit engine as key service, against a server that answers as they do ([`crate::transit_fake`]).

use axum::Router;
use axum::http::StatusCode;
use connectors::key_service::{VaultTransit, VaultTransitConfig};
use domain::key_service::{KeyService, KeyServiceError, Refusal};
use domain::sensitive::Sensitive;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::http_server::{Authority, serve, serve_tls};
use crate::transit_fake::{DERIVED, ROLE, SECRET_ID, TOKEN, TransitFake};

const BOUND_TO: &str = "privity key file v3";

fn key() -> Sensitive<[u8; 32]> {
    Sensitive::new([42; 32])
}

fn service(address: &str, settings: Value) -> VaultTransit {
    VaultTransit::new(config(address, settings)).unwrap_or_else(|reason| panic!("{reason}"))
}

fn config(address: &str, settings: Value) -> VaultTransitConfig {
    let mut all = json!({"address": address, "key": "privity", "timeout_seconds": 1});
    let with_login = settings.get("role_id").is_some() || settings.get("token_file").is_some();
    if !with_login {
        all["token"] = TOKEN.into();
    }
    for (name, value) in settings.as_object().unwrap() {
        all[name] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

async fn round(service: &VaultTransit) {
    let wrapped = service.wrap(&key(), BOUND_TO).await.unwrap();
    assert!(wrapped.starts_with(b"vault:v1:"));
    let unwrapped = service.unwrap(&wrapped, BOUND_TO).await.unwrap();
    assert!(unwrapped == key());
}

/// What it refuses; the error must hold no secret and no key.
async fn refusal(service: &VaultTransit, wrapped: &[u8], bound_to: &str) -> Refusal {
    let error = service.unwrap(wrapped, bound_to).await.err().unwrap();
    let words = format!("{error} {error:?}");
    assert!(
        !words.contains("secret") && !words.contains("vault:v1"),
        "{words}"
    );
    match error {
        KeyServiceError::Refused { refusal, .. } => refusal,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_key_comes_back_by_token_by_token_file_and_by_role() {
    let fake = TransitFake::new();
    let address = serve(fake.router()).await;
    round(&service(&address, json!({}))).await;
    let folder = tempfile::tempdir().unwrap();
    let (token, secret) = (folder.path().join("token"), folder.path().join("secret"));
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    std::fs::write(&secret, SECRET_ID).unwrap();
    round(&service(&address, json!({"token_file": token}))).await;
    round(&service(
        &address,
        json!({"role_id": ROLE, "secret_id": SECRET_ID}),
    ))
    .await;
    round(&service(
        &address,
        json!({"role_id": ROLE, "secret_id_file": secret}),
    ))
    .await;
}

#[tokio::test]
async fn a_namespace_is_named_in_each_call() {
    let address = serve(TransitFake::new().in_namespace("team-a").router()).await;
    round(&service(&address, json!({"namespace": "team-a"}))).await;
    let without = service(&address, json!({}));
    assert_eq!(
        refusal(&without, b"vault:v1:AAAA", BOUND_TO).await,
        Refusal::Key
    );
}

#[tokio::test]
async fn what_is_bound_to_something_else_or_wrapped_with_another_key_is_refused() {
    let address = serve(TransitFake::new().router()).await;
    let (ours, other) = (
        service(&address, json!({})),
        service(&address, json!({"key": "other"})),
    );
    let wrapped = ours.wrap(&key(), BOUND_TO).await.unwrap();
    assert_eq!(
        refusal(&ours, &wrapped, "something else").await,
        Refusal::Wrapped
    );
    assert_eq!(refusal(&other, &wrapped, BOUND_TO).await, Refusal::Wrapped);
    assert_eq!(
        refusal(&ours, b"not vault's", BOUND_TO).await,
        Refusal::Wrapped
    );
    let missing = service(&address, json!({"key": "misspelt"}));
    assert_eq!(refusal(&missing, &wrapped, BOUND_TO).await, Refusal::Key);
}

#[tokio::test]
async fn a_derived_key_is_another_one_for_each_thing_that_it_is_bound_to() {
    let address = serve(TransitFake::new().router()).await;
    let derived = service(&address, json!({"key": DERIVED, "derived": true}));
    round(&derived).await;
    let wrapped = derived.wrap(&key(), BOUND_TO).await.unwrap();
    assert_eq!(
        refusal(&derived, &wrapped, "something else").await,
        Refusal::Wrapped
    );
    // Settings that don't say so are told that it is about the key.
    let not_said = service(&address, json!({"key": DERIVED}));
    let error = not_said.wrap(&key(), BOUND_TO).await.err().unwrap();
    assert!(matches!(
        error,
        KeyServiceError::Refused {
            refusal: Refusal::Key,
            ..
        }
    ));
    assert_eq!(refusal(&not_said, &wrapped, BOUND_TO).await, Refusal::Key);
}

#[tokio::test]
async fn a_wrong_login_is_refused_at_once_and_told_from_a_service_that_is_down() {
    let fake = TransitFake::new();
    let address = serve(fake.router()).await;
    let wrong = service(&address, json!({"token": "hvs.wrong-secret"}));
    assert_eq!(
        refusal(&wrong, b"vault:v1:AAAA", BOUND_TO).await,
        Refusal::Login
    );
    assert_eq!(fake.calls(), 1, "an answer of no is not asked for again");
    let wrong = service(
        &address,
        json!({"role_id": ROLE, "secret_id": "wrong-secret"}),
    );
    assert_eq!(
        refusal(&wrong, b"vault:v1:AAAA", BOUND_TO).await,
        Refusal::Login
    );
    let missing = service(&address, json!({"token_file": "/nowhere/secret-token"}));
    assert_eq!(
        refusal(&missing, b"vault:v1:AAAA", BOUND_TO).await,
        Refusal::Login
    );
}

#[tokio::test]
async fn a_service_that_is_sealed_for_a_moment_is_asked_again() {
    let fake = TransitFake::new().sealed_for(2);
    let address = serve(fake.router()).await;
    round(&service(&address, json!({}))).await;
    assert_eq!(fake.calls(), 4);
}

#[tokio::test]
async fn a_service_that_is_down_sealed_or_silent_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let down = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let sealed = serve(TransitFake::new().sealed_for(99).router()).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs = format!("http://{}", silent.local_addr().unwrap());
    for (address, word) in [
        (down, "no connection"),
        (sealed, "503"),
        (hangs, "time limit"),
    ] {
        let error = service(&address, json!({})).wrap(&key(), BOUND_TO).await;
        let Err(KeyServiceError::Unavailable { source, .. }) = error else {
            panic!("{address} should be unavailable");
        };
        let source = source.unwrap().to_string();
        assert!(source.contains(word), "{source}");
    }
}

#[tokio::test]
async fn garbage_is_told_as_such() {
    let of_wrong_length = json!({"data": {"plaintext": "AAAA"}}).to_string();
    for body in [
        "<html>Welcome</html>".to_owned(),
        "{}".to_owned(),
        of_wrong_length,
    ] {
        let router = Router::new().fallback(move || async move { (StatusCode::OK, body) });
        let address = serve(router).await;
        let error = service(&address, json!({}))
            .unwrap(b"vault:v1:AAAA", BOUND_TO)
            .await;
        let error = error.err().unwrap();
        assert!(
            matches!(error, KeyServiceError::Unintelligible { .. }),
            "{error}"
        );
    }
    let redirect = Router::new()
        .fallback(|| async { axum::response::Redirect::temporary("http://127.0.0.1:1/") });
    let address = serve(redirect).await;
    let error = service(&address, json!({}))
        .wrap(&key(), BOUND_TO)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, KeyServiceError::Unintelligible { .. }),
        "a token follows no redirect"
    );
}

#[tokio::test]
async fn its_certificate_must_be_one_that_the_business_trusts() {
    let authority = Authority::new();
    let address = serve_tls(TransitFake::new().router(), authority.acceptor()).await;
    let stranger = service(&address, json!({})).wrap(&key(), BOUND_TO).await;
    assert!(matches!(stranger, Err(KeyServiceError::Unavailable { .. })));
    round(&service(&address, json!({"trusted_ca": authority.pem()}))).await;
}

#[test]
fn settings_that_cannot_work_are_refused_before_any_call() {
    for (address, settings, word) in [
        ("http://vault.example:8200", json!({}), "http"),
        (
            "https://vault.example",
            json!({"role_id": "r", "token": "t"}),
            "login",
        ),
        ("https://vault.example", json!({"role_id": "r"}), "login"),
        ("vault.example", json!({}), "URL"),
    ] {
        let error = VaultTransit::new(config(address, settings)).err().unwrap();
        assert!(error.contains(word), "{error}");
    }
    assert_eq!(
        service("https://vault.example", json!({"namespace": "a"})).name(),
        "vault_transit:a/transit/privity"
    );
}
