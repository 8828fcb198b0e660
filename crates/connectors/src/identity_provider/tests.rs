#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
//! Real keys, real signatures and a real key server; then everything that somebody may try.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://login.example.com";
const AUDIENCE: &str = "https://privacy.example.com";
const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A pair of keys that signs.
enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Pair {
    fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    fn ed() -> Self {
        Self::Ed(Ed25519KeyPair::generate().unwrap())
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding =
                    if algorithm == "PS256" {
                        &RSA_PSS_SHA256
                    } else {
                        &RSA_PKCS1_SHA256
                    };
                pair.sign(padding, &rng, message, &mut signature).unwrap();
                signature
            }
            Self::P256(pair) | Self::P384(pair) => {
                pair.sign(&rng, message).unwrap().as_ref().into()
            }
            Self::Ed(pair) => pair.sign(message).as_ref().into(),
        }
    }

    fn jwk(&self, kid: &str) -> Value {
        let mut jwk = match self {
            Self::Rsa(pair) => {
                // DER of an RSAPublicKey (RFC 8017, A.1.1) with 2048 bits: always at the same places.
                let der = pair.public_key().as_ref();
                assert_eq!((der.len(), &der[4..9]), (270, &[2, 0x82, 1, 1, 0][..]));
                json!({"kty": "RSA", "n": encoded(&der[9..265]), "e": encoded(&der[267..])})
            }
            Self::P256(pair) | Self::P384(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y)})
            }
            Self::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key())})
            }
        };
        jwk["kid"] = kid.into();
        jwk["use"] = "sig".into();
        jwk
    }

    fn token(&self, header: &Value, claims: &Value) -> Sensitive<String> {
        let message = format!(
            "{}.{}",
            encoded(header.to_string()),
            encoded(claims.to_string())
        );
        let signature = self.sign(header["alg"].as_str().unwrap(), message.as_bytes());
        Sensitive::new(format!("{message}.{}", encoded(signature)))
    }
}

fn header(algorithm: &str) -> Value {
    json!({"alg": algorithm, "typ": "at+jwt", "kid": "one"})
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "client_id": "campaigns", "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 300, "sub": "campaigns"})
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

fn config(settings: Value) -> IdentityProviderConfig {
    let mut whole = json!({
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "clients": {"campaigns": {"recipient": "mill", "purposes": ["catalogue"]}},
    });
    for (name, value) in settings.as_object().unwrap() {
        whole[name] = value.clone();
    }
    serde_json::from_value(whole).unwrap()
}

/// Providers whose keys lie in a file, which goes with the folder.
fn from_file(keys: &[Value], settings: Value) -> (tempfile::TempDir, IdentityProviders) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, json!({"keys": keys}).to_string()).unwrap();
    let config = config(with(settings, "jwks_file", path.to_str().unwrap().into()));
    (folder, IdentityProviders::new(&[config]).unwrap())
}

fn refusal(result: Result<VerifiedClient, TokenError>) -> &'static str {
    match result {
        Err(TokenError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tokens_of_each_algorithm_name_their_client() {
    for (pair, algorithm) in [
        (Pair::rsa(), "RS256"),
        (Pair::rsa(), "PS256"),
        (Pair::p256(), "ES256"),
        (Pair::p384(), "ES384"),
        (Pair::ed(), "EdDSA"),
    ] {
        let (_folder, providers) = from_file(&[pair.jwk("one")], json!({}));
        let token = pair.token(&header(algorithm), &claims());
        assert!(providers.may_know(&token));
        let client = providers.verify(&token, at(NOW)).await.unwrap();
        assert_eq!(
            (&*client.issuer, client.client.as_str()),
            (ISSUER, "campaigns")
        );
        assert_eq!(client.recipient, "mill".into());
        assert_eq!(client.purposes, ["catalogue".into()]);
        let several = with(claims(), "aud", json!(["https://other.example", AUDIENCE]));
        let long = with(header(algorithm), "typ", json!("application/AT+JWT"));
        let token = pair.token(&long, &several);
        providers.verify(&token, at(NOW)).await.unwrap();
        // One bit of the signature, and one letter of what it is of.
        let text = token.expose().clone();
        let (front, signature) = text.rsplit_once('.').unwrap();
        let mut other = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        other[7] ^= 1;
        let changed = Sensitive::new(format!("{front}.{}", encoded(other)));
        assert_eq!(
            refusal(providers.verify(&changed, at(NOW)).await),
            "its signature doesn't fit"
        );
        let mine = with(several, "sub", json!("somebody_else"));
        let mine = format!(
            "{}.{}.{signature}",
            encoded(long.to_string()),
            encoded(mine.to_string())
        );
        let mine = Sensitive::new(mine);
        assert_eq!(
            refusal(providers.verify(&mine, at(NOW)).await),
            "its signature doesn't fit"
        );
    }
}

#[tokio::test]
async fn what_a_token_claims_has_to_fit() {
    let pair = Pair::p256();
    let (_folder, providers) = from_file(&[pair.jwk("one")], json!({}));
    let cases = [
        (
            "iss",
            json!("https://evil.example"),
            "nobody knows its issuer",
        ),
        ("iss", json!([ISSUER]), "it names no issuer"),
        (
            "aud",
            json!("https://other.example"),
            "it is for somebody else",
        ),
        ("aud", json!([]), "it is for somebody else"),
        ("aud", Value::Null, "it is for somebody else"),
        ("exp", json!(NOW - 31), "it is over"),
        ("exp", json!("never"), "a moment in it is no number"),
        ("nbf", json!(NOW + 31), "it doesn't hold yet"),
        ("iat", json!(NOW + 31), "it doesn't hold yet"),
        ("client_id", json!("stranger"), "nobody knows its client"),
        ("client_id", json!(["campaigns"]), "it names no client"),
        (
            "cnf",
            json!({"jkt": "x"}),
            "it holds only together with a key",
        ),
    ];
    for (name, value, why) in cases {
        let token = pair.token(&header("ES256"), &with(claims(), name, value));
        assert_eq!(
            refusal(providers.verify(&token, at(NOW)).await),
            why,
            "{name}"
        );
    }
    let mut endless = claims();
    endless.as_object_mut().unwrap().remove("exp");
    let endless = pair.token(&header("ES256"), &endless);
    assert_eq!(
        refusal(providers.verify(&endless, at(NOW)).await),
        "it has no end"
    );
    // Clocks may differ a little.
    let late = pair.token(&header("ES256"), &with(claims(), "exp", json!(NOW - 29)));
    providers.verify(&late, at(NOW)).await.unwrap();
    let early = pair.token(&header("ES256"), &with(claims(), "nbf", json!(NOW + 29)));
    providers.verify(&early, at(NOW)).await.unwrap();
}

#[tokio::test]
async fn attacks_by_the_header_are_refused() {
    let (pair, rsa, theirs) = (Pair::p256(), Pair::rsa(), Pair::p256());
    let keys = [pair.jwk("one"), with(rsa.jwk("rsa"), "alg", json!("PS256"))];
    let (_folder, providers) = from_file(&keys, json!({}));
    let refused = async |token: &Sensitive<String>| refusal(providers.verify(token, at(NOW)).await);
    let not_allowed = "it isn't signed in a way that is allowed";
    for algorithm in ["none", "None", "HS256", "ES512", "RS512", "es256", ""] {
        let message = format!(
            "{}.{}",
            encoded(header(algorithm).to_string()),
            encoded(claims().to_string())
        );
        let unsigned = Sensitive::new(format!("{message}."));
        assert_eq!(refused(&unsigned).await, not_allowed, "{algorithm}");
    }
    // The public key as the secret of an HMAC.
    let public = pair.jwk("one").to_string();
    let message = format!(
        "{}.{}",
        encoded(header("HS256").to_string()),
        encoded(claims().to_string())
    );
    let secret = hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes());
    let tag = hmac::sign(&secret, message.as_bytes());
    let confused = Sensitive::new(format!("{message}.{}", encoded(tag)));
    assert_eq!(refused(&confused).await, not_allowed);
    // A key verifies by its own algorithm alone.
    let other = with(header("RS256"), "kid", json!("rsa"));
    let unknown = "no key is known that it could be signed with";
    assert_eq!(refused(&rsa.token(&other, &claims())).await, unknown);
    let crossed = with(header("PS256"), "kid", json!("one"));
    assert_eq!(refused(&rsa.token(&crossed, &claims())).await, unknown);
    providers
        .verify(
            &rsa.token(&with(crossed, "kid", json!("rsa")), &claims()),
            at(NOW),
        )
        .await
        .unwrap();
    // Keys that the token brings itself.
    for (name, value) in [
        ("jwk", theirs.jwk("one")),
        ("jku", json!("http://127.0.0.1:9/keys")),
        ("x5c", json!(["MIIB"])),
    ] {
        let own = with(header("ES256"), name, value);
        assert_eq!(
            refused(&theirs.token(&own, &claims())).await,
            "its signature doesn't fit",
            "{name}"
        );
    }
    let unknown_kid = with(header("ES256"), "kid", json!("two"));
    assert_eq!(refused(&pair.token(&unknown_kid, &claims())).await, unknown);
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ] {
        let asks = with(header("ES256"), name, value);
        assert_eq!(
            refused(&pair.token(&asks, &claims())).await,
            "its header asks for what we don't know"
        );
    }
    for kind in [json!("id+jwt"), json!("logout+jwt"), json!(""), Value::Null] {
        let typed = with(header("ES256"), "typ", kind);
        assert_eq!(
            refused(&pair.token(&typed, &claims())).await,
            "it is no token of the kind that is taken"
        );
    }
    // Without a `kid`, of two keys for one algorithm nobody knows which.
    let mut nameless = header("ES256");
    nameless.as_object_mut().unwrap().remove("kid");
    providers
        .verify(&pair.token(&nameless, &claims()), at(NOW))
        .await
        .unwrap();
    let (_folder, two) = from_file(&[pair.jwk("one"), theirs.jwk("two")], json!({}));
    let unclear = two.verify(&pair.token(&nameless, &claims()), at(NOW)).await;
    assert_eq!(
        refusal(unclear),
        "it doesn't say by `kid` which key it is signed with"
    );
    let (_folder, fewer) = from_file(&keys, json!({"algorithms": ["PS256"]}));
    let narrowed = fewer
        .verify(&pair.token(&header("ES256"), &claims()), at(NOW))
        .await;
    assert_eq!(refusal(narrowed), not_allowed);
}

#[tokio::test]
async fn what_two_readers_could_read_differently_is_refused() {
    let pair = Pair::ed();
    let (_folder, providers) = from_file(&[pair.jwk("one")], json!({}));
    let sign = |header: &str, claims: &str| {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let signature = encoded(pair.sign("EdDSA", message.as_bytes()));
        (message, signature)
    };
    let (header, claims) = (header("EdDSA").to_string(), claims().to_string());
    let twice = claims.replacen('{', "{\"client_id\":\"stranger\",", 1);
    let twice_in_header = header.replacen('{', "{\"alg\":\"none\",", 1);
    let unreadable = "it holds no object of JSON, or a member twice";
    for (header, claims) in [
        (&header, &twice),
        (&twice_in_header, &claims),
        (&header, &"[]".to_owned()),
    ] {
        let (message, signature) = sign(header, claims);
        let token = Sensitive::new(format!("{message}.{signature}"));
        assert_eq!(refusal(providers.verify(&token, at(NOW)).await), unreadable);
    }
    let (message, signature) = sign(&header, &claims);
    for token in [
        format!("{message}.{signature}="),
        format!("{message}.{signature}.x"),
        format!("{message} .{signature}"),
        format!("{message}.{signature}\n"),
        message.clone(),
        String::new(),
    ] {
        assert!(
            providers
                .verify(&Sensitive::new(token), at(NOW))
                .await
                .is_err()
        );
    }
    let long = "a".repeat(9000);
    let (message, signature) = sign(
        &header,
        &claims.replacen('{', &format!("{{\"x\":\"{long}\","), 1),
    );
    let long = Sensitive::new(format!("{message}.{signature}"));
    assert_eq!(
        refusal(providers.verify(&long, at(NOW)).await),
        "it is too long"
    );
}

/// A server of keys: what it answers can be changed, and its calls are counted.
struct Server {
    url: String,
    answer: Arc<Mutex<(StatusCode, String)>>,
    calls: Arc<AtomicUsize>,
}

impl Server {
    async fn new(keys: &[Value]) -> Self {
        let answer = Arc::new(Mutex::new((
            StatusCode::OK,
            json!({"keys": keys}).to_string(),
        )));
        let calls = Arc::new(AtomicUsize::new(0));
        let (inside, counted) = (Arc::clone(&answer), Arc::clone(&calls));
        let router = Router::new().route(
            "/jwks",
            get(async move || {
                counted.fetch_add(1, Ordering::SeqCst);
                inside.lock().unwrap().clone()
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, answer, calls }
    }

    fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (StatusCode::from_u16(status).unwrap(), body.to_owned());
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn providers(&self) -> IdentityProviders {
        IdentityProviders::new(&[config(json!({"jwks_url": self.url}))]).unwrap()
    }
}

/// A token that holds around a moment.
fn token_at(pair: &Pair, kid: &str, second: i64) -> Sensitive<String> {
    let mut claims = with(claims(), "exp", json!(second + 300));
    claims["nbf"] = json!(second);
    claims["iat"] = json!(second);
    pair.token(&with(header("ES256"), "kid", json!(kid)), &claims)
}

#[tokio::test]
async fn keys_are_read_once_and_again_when_a_new_one_turns_up() {
    let (old, new) = (Pair::p256(), Pair::p256());
    let server = Server::new(&[old.jwk("old")]).await;
    let providers = server.providers();
    for second in 0..5 {
        providers
            .verify(&token_at(&old, "old", NOW), at(NOW + second))
            .await
            .unwrap();
    }
    assert_eq!(server.calls(), 1);
    server.answers(200, &json!({"keys": [new.jwk("new")]}).to_string());
    // Not yet: whoever makes up keys must not make us hammer the provider.
    for second in 5..60 {
        let early = providers
            .verify(&token_at(&new, "new", NOW), at(NOW + second))
            .await;
        assert_eq!(
            refusal(early),
            "no key is known that it could be signed with"
        );
    }
    assert_eq!(server.calls(), 1);
    providers
        .verify(&token_at(&new, "new", NOW), at(NOW + 60))
        .await
        .unwrap();
    assert_eq!(server.calls(), 2);
    let gone = providers
        .verify(&token_at(&old, "old", NOW), at(NOW + 60))
        .await;
    assert_eq!(
        refusal(gone),
        "no key is known that it could be signed with"
    );
}

#[tokio::test]
async fn keys_that_can_t_be_read_again_end_after_their_time() {
    let pair = Pair::p256();
    let server = Server::new(&[pair.jwk("one")]).await;
    let providers = server.providers();
    let keys = server.answer.lock().unwrap().1.clone();
    providers
        .verify(&token_at(&pair, "one", NOW), at(NOW))
        .await
        .unwrap();
    server.answers(500, "");
    let later = NOW + 1801;
    providers
        .verify(&token_at(&pair, "one", later), at(later))
        .await
        .unwrap();
    assert_eq!(
        server.calls(),
        2,
        "after half of their time they are read again"
    );
    let over = NOW + 3600;
    let none = providers
        .verify(&token_at(&pair, "one", over), at(over))
        .await;
    assert!(matches!(none, Err(TokenError::NoKeys(_))), "{none:?}");
    server.answers(200, &keys);
    let still = providers
        .verify(&token_at(&pair, "one", over), at(over + 59))
        .await;
    assert!(matches!(still, Err(TokenError::NoKeys(_))));
    providers
        .verify(&token_at(&pair, "one", over), at(over + 60))
        .await
        .unwrap();
    // A clock that was set back makes no key young.
    server.answers(404, "");
    let back = NOW - 86_400;
    let none = providers
        .verify(&token_at(&pair, "one", back), at(back))
        .await;
    assert!(matches!(none, Err(TokenError::NoKeys(_))));
}

#[tokio::test]
async fn without_keys_nobody_is_let_in() {
    let pair = Pair::p256();
    let large = format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(300_000));
    let many: Vec<_> = (0..65).map(|kid| pair.jwk(&kid.to_string())).collect();
    let many = json!({ "keys": many }).to_string();
    let secret =
        json!({"keys": [{"kty": "oct", "kid": "one", "k": encoded("secret")}]}).to_string();
    let other_use = json!({"keys": [with(pair.jwk("one"), "use", json!("enc"))]}).to_string();
    let crooked = json!({"keys": [with(pair.jwk("one"), "x", json!("AA"))]}).to_string();
    for (status, body) in [
        (200, "<html>"),
        (200, "{\"keys\": []}"),
        (200, &large),
        (200, &many),
        (200, &secret),
        (200, &other_use),
        (200, &crooked),
        (404, ""),
        (302, ""),
        (503, "{}"),
    ] {
        let server = Server::new(&[]).await;
        server.answers(status, body);
        let none = server
            .providers()
            .verify(&token_at(&pair, "one", NOW), at(NOW))
            .await;
        assert!(
            matches!(none, Err(TokenError::NoKeys(_))),
            "{status} {none:?}"
        );
    }
    // Nobody listens there.
    let closed = config(json!({"jwks_url": "http://127.0.0.1:1/jwks"}));
    let providers = IdentityProviders::new(&[closed]).unwrap();
    let none = providers
        .verify(&token_at(&pair, "one", NOW), at(NOW))
        .await;
    assert!(matches!(none, Err(TokenError::NoKeys(_))));
    assert!(providers.look(at(NOW)).await[0].1.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_read_the_keys_once() {
    let pair = Pair::p256();
    let server = Server::new(&[pair.jwk("one")]).await;
    let providers = server.providers();
    let token = token_at(&pair, "one", NOW);
    let all = (0..32).map(|_| {
        let (providers, token) = (providers.clone(), token.clone());
        tokio::spawn(async move { providers.verify(&token, at(NOW)).await.unwrap() })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    assert_eq!(server.calls(), 1);
}

#[test]
fn a_wrong_setting_is_told() {
    for (settings, words) in [
        (json!({}), "set either"),
        (
            json!({"jwks_url": "http://login.example.com/keys"}),
            "https://",
        ),
        (
            json!({"jwks_url": "https://a:b@login.example.com/keys"}),
            "https://",
        ),
        (json!({"jwks_file": "/nowhere/keys.json"}), "can't be read"),
        (
            json!({"jwks_url": "https://x.example/", "audience": ""}),
            "audience",
        ),
        (
            json!({"jwks_url": "https://x.example/", "algorithms": []}),
            "algorithms",
        ),
        (
            json!({"jwks_url": "https://x.example/", "leeway_seconds": 301}),
            "leeway_seconds",
        ),
        (
            json!({"jwks_url": "https://x.example/", "refresh_seconds": 4}),
            "refresh_seconds",
        ),
        (
            json!({"jwks_url": "https://x.example/", "keys_seconds": 90}),
            "keys_seconds",
        ),
        (
            json!({"jwks_url": "https://x.example/", "clients": {"a b": {"recipient": "mill", "purposes": ["x"]}}}),
            "clients",
        ),
        (
            json!({"jwks_url": "https://x.example/", "clients": {"a": {"recipient": "mill", "purposes": []}}}),
            "purposes",
        ),
    ] {
        let wrong = IdentityProviders::new(&[config(settings)]).err().unwrap();
        assert!(wrong.contains(words) && wrong.contains(ISSUER), "{wrong}");
    }
    let one = config(json!({"jwks_url": "https://x.example/"}));
    let twice = IdentityProviders::new(&[one.clone(), one]).err().unwrap();
    assert!(twice.contains("twice"), "{twice}");
    let symmetric = serde_json::from_value::<Vec<Algorithm>>(json!(["HS256"]));
    assert!(symmetric.is_err());
}

proptest! {
    #[test]
    fn nothing_makes_the_reader_fall_over(text in ".{0,200}", parts in proptest::collection::vec("[A-Za-z0-9_-]{0,60}", 1..5)) {
        let _refused = Token::read(&text).is_err();
        prop_assert!(Token::read(&parts.join(".")).is_err() || parts.len() == 3);
        let _unreadable = KeySet::read(text.as_bytes(), &Algorithm::ALL).is_err();
    }
}
