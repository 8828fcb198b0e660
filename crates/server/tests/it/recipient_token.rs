//! Recipients that show a token of the business's identity provider, at every door. How tokens are verified, and every attack, is tested in
//! `connectors`.
#![allow(
    clippy::disallowed_methods,
    reason = "tests call with the tokens that recipients were given"
)]

use std::net::SocketAddr;
use std::sync::Arc;

use ::gateway::Gateway;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::audit::Actor;
use domain::id::SubjectId;
use domain::profile::{AttributeNumber, SourceNumber};
use domain::sensitive::Sensitive;
use governance::Problem;
use governance::profile::{GivenRecord, GivenValue, write};
use jiff::SignedDuration;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::office::{Answer, Office};
use crate::recipient::{POLICIES, PURPOSES, SCHEMA};

const ISSUER: &str = "https://login.office.test";

const ROUTES: &str = "routes:
  customer:
    path: /customers/{id}
    subject: { parameter: id }
    answer: { attributes: { $.first_name: first_name } }
";

struct Provider(KeyPair);

impl Provider {
    fn new() -> Self {
        Self(KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap())
    }

    fn keys(&self) -> String {
        let x = encoded(self.0.der_bytes());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]}).to_string()
    }

    /// A token with other claims than the usual ones.
    fn token(&self, office: &Office, other: Value) -> String {
        let now = governance_now(office);
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "one"});
        let mut claims = json!({"iss": ISSUER, "aud": "http://office.test", "azp": "letter-service", "iat": now, "exp": now + 300, "jti": "planted-jti"});
        for (name, value) in other.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let message = format!(
            "{}.{}",
            encoded(header.to_string()),
            encoded(claims.to_string())
        );
        let signature = self.0.sign(message.as_bytes()).unwrap();
        format!("{message}.{}", encoded(signature))
    }
}

fn governance_now(office: &Office) -> i64 {
    office.privity.now().as_second()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

async fn office(keys: &str) -> (Office, SubjectId) {
    office_with(keys, ROUTES).await
}

async fn office_with(keys: &str, routes: &str) -> (Office, SubjectId) {
    let files = [
        ("profile.yaml", SCHEMA),
        ("consent/purposes.yaml", PURPOSES),
        ("consent/notices.yaml", "notices: []\n"),
        ("policies/company.cedar", POLICIES),
        ("routes/shop.yaml", routes),
    ];
    let more = format!(
        "profile: profile.yaml\nconsent: consent\npolicies: policies
gateway: {{ listen: '127.0.0.1:0', routes: routes, ext_authz: /ext_authz }}
identity_providers:
  - issuer: {ISSUER}
    audience: http://office.test
    {keys}
    client_claim: azp
    clients:
      letter-service: {{ recipient: mill, purposes: [catalogue] }}
      both: {{ recipient: mill, purposes: [catalogue, letters] }}
"
    );
    let office = Office::with(&files, &more).await;
    let values = [(1, "maya@example.org"), (2, "Maya"), (3, "Lind")];
    let values = values.map(|(number, text)| {
        let value = GivenValue::from(Sensitive::new(text.to_owned()));
        (AttributeNumber(number), value)
    });
    let record = GivenRecord {
        values: values.into(),
        observed_at: None,
    };
    let written = write(
        &office.privity,
        SourceNumber(1),
        vec![record],
        Actor::CommandLine,
    )
    .await;
    let id = written.unwrap().subjects[0].unwrap();
    (office, id)
}

/// An office whose identity provider's keys lie in a file.
async fn with_file(provider: &Provider) -> (tempfile::TempDir, Office, SubjectId) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, provider.keys()).unwrap();
    let (office, id) = office(&format!("jwks_file: {}", path.display())).await;
    (folder, office, id)
}

async fn get(office: &Office, token: &str, path: &str) -> Answer {
    let request = Request::get(path).header("Authorization", format!("Bearer {token}"));
    office.send(request.body(Body::empty()).unwrap()).await
}

/// The newest records of the audit log.
async fn log(office: &Office) -> String {
    let database = office.privity.database();
    let read = database.read("read records", |tx| {
        let rows = tx.query(
            "-- all\nSELECT entry FROM audit_entry ORDER BY sequence",
            &[],
        )?;
        let texts = rows.iter().map(|row| row.bytes("entry"));
        let texts: Vec<&[u8]> = texts.collect::<Result<_, _>>()?;
        Ok::<_, Problem>(String::from_utf8_lossy(&texts.concat()).into_owned())
    });
    read.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_profile_api_for_its_purposes_alone() {
    let provider = Provider::new();
    let (_folder, office, id) = with_file(&provider).await;
    let path = format!("/recipient/v1/profiles/{id}?attributes=first_name,last_name");
    let token = provider.token(&office, json!({}));
    let expected = json!({"subject": id.to_string(), "attributes": {"first_name": "Maya"}});
    for path in [path.clone(), format!("{path}&purpose=catalogue")] {
        let answer = get(&office, &token, &path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(
            serde_json::from_str::<Value>(&answer.text).unwrap(),
            expected
        );
    }
    // What it may not declare is refused like a token that doesn't hold.
    let other = get(&office, &token, &format!("{path}&purpose=letters")).await;
    assert_eq!(other.status, StatusCode::UNAUTHORIZED);
    let both = provider.token(&office, json!({"azp": "both"}));
    assert_eq!(
        get(&office, &both, &path).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        get(&office, &both, &format!("{path}&purpose=catalogue"))
            .await
            .status,
        StatusCode::OK
    );
    let refused = [
        provider.token(&office, json!({"azp": "stranger"})),
        provider.token(&office, json!({"aud": "http://other.test"})),
        provider.token(&office, json!({"exp": governance_now(&office) - 31})),
        Provider::new().token(&office, json!({})),
        "a.b.c".to_owned(),
    ];
    for token in refused {
        let answer = get(&office, &token, &path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.text.contains("sign_in_refused") && !answer.text.contains("azp"));
    }
    // The record names issuer and client, and nothing holds the token.
    let log = log(&office).await;
    assert!(
        log.contains(ISSUER) && log.contains("letter-service"),
        "{log}"
    );
    let signature = token.rsplit('.').next().unwrap();
    assert!(!log.contains(signature) && !log.contains("planted-jti"));
    let files = office.bytes();
    let has = |text: &str| files.windows(text.len()).any(|one| one == text.as_bytes());
    assert!(!has(signature) && !has("planted-jti"));
    office.clock.advance(SignedDuration::from_secs(331));
    assert_eq!(
        get(&office, &token, &path).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn authzen_and_ext_authz_take_a_token() {
    let provider = Provider::new();
    let (_folder, office, id) = with_file(&provider).await;
    let token = provider.token(&office, json!({}));
    let asked = json!({
        "subject": {"type": "recipient", "id": "mill"},
        "action": {"name": "catalogue"},
        "resource": {"type": "attribute", "id": "first_name", "properties": {"subject": id.to_string()}},
    });
    let ask = async |token: &str| {
        let request = Request::post("/access/v1/evaluation")
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json");
        let request = request.body(Body::from(asked.to_string())).unwrap();
        office.send(request).await
    };
    let answer = ask(&token).await;
    assert!(answer.text.contains("\"decision\":true"), "{}", answer.text);
    let forged = Provider::new().token(&office, json!({}));
    assert_eq!(ask(&forged).await.status, StatusCode::UNAUTHORIZED);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gateway = Gateway::open(office.privity.clone(), governance::system_rng()).unwrap();
    let gateway = Arc::new(gateway);
    let (_stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(::gateway::serve(gateway, listener, stopped));
    let path = format!("/ext_authz/customers/{id}");
    let allowed = call(address, &token, &path).await;
    assert!(
        allowed.starts_with("HTTP/1.1 200") && allowed.contains("x-privity-attributes: first_name"),
        "{allowed}"
    );
    for wrong in [forged, provider.token(&office, json!({"azp": "stranger"}))] {
        let refused = call(address, &wrong, &path).await;
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    }
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_a_route_of_the_gateway_and_goes_no_further() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let routes = ROUTES.replace(
        "    subject:",
        &format!(
            "    upstream: http://{}/customers/{{id}}\n    subject:",
            upstream.local_addr().unwrap()
        ),
    );
    let (asked, mut came) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = upstream.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            asked.send(String::from_utf8(head).unwrap()).unwrap();
            let body = r#"{"first_name":"Maya","last_name":"planted"}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let provider = Provider::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, provider.keys()).unwrap();
    let keys = format!("jwks_file: {}", path.display());
    let (office, id) = office_with(&keys, &routes).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gateway = Gateway::open(office.privity.clone(), governance::system_rng()).unwrap();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(::gateway::serve(Arc::new(gateway), listener, stopped));

    let token = provider.token(&office, json!({}));
    let path = format!("/customers/{id}");
    let answer = call(address, &token, &path).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with(r#"{"first_name":"Maya"}"#), "{answer}");
    let head = came.try_recv().unwrap().to_lowercase();
    assert!(head.starts_with("get /customers/") && !head.contains("authorization"));
    assert!(!head.contains(&token.to_lowercase()));

    let late = json!({"exp": governance_now(&office) - 31});
    for wrong in [
        Provider::new().token(&office, json!({})),
        provider.token(&office, json!({"azp": "stranger"})),
        provider.token(&office, late),
    ] {
        let refused = call(address, &wrong, &path).await;
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    }
    assert!(came.try_recv().is_err(), "nothing was asked for them");
    let log = log(&office).await;
    assert!(log.contains(r#""door":"gateway""#) && log.contains("letter-service"));
    assert!(!log.contains(token.rsplit('.').next().unwrap()));
}

async fn call(address: SocketAddr, token: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let call = format!(
        "GET {path} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_a_token_is_denied_and_counted_and_a_key_of_ours_still_works() {
    let provider = Provider::new();
    // Nobody listens there.
    let (office, id) = office("jwks_url: 'http://127.0.0.1:1/keys'").await;
    let token = provider.token(&office, json!({}));
    let path = format!("/recipient/v1/profiles/{id}?purpose=catalogue&attributes=first_name");
    let answer = get(&office, &token, &path).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        answer.text.contains("identity_provider_unavailable"),
        "{}",
        answer.text
    );
    for _ in 0..299 {
        get(&office, &token, &path).await;
    }
    let over = get(&office, &token, &path).await;
    assert_eq!(over.status, StatusCode::TOO_MANY_REQUESTS);
    let terms = governance::disclosure::CredentialTerms::default();
    let added = governance::disclosure::add_key(&office.privity, &"mill".into(), terms).await;
    let (_, key) = added.unwrap();
    assert_eq!(
        get(&office, key.expose(), &path).await.status,
        StatusCode::OK
    );
    let findings = governance::doctor::check(&office.privity).await;
    let about = findings
        .iter()
        .find(|one| one.what.contains(ISSUER))
        .unwrap();
    assert!(
        !about.ok && about.words.contains("no connection"),
        "{}",
        about.words
    );
}
