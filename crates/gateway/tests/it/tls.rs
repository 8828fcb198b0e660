//! The gateway ends TLS itself and knows recipients by their certificates: a real handshake with real keys, over both versions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway::{Gateway, Outcome};
use governance::disclosure::{CredentialTerms, add_certificate, revoke};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::house::{Answer, CUSTOMER, House, MAYA, rng};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

/// A certificate and its key, in PEM.
struct Identity {
    certificate: String,
    key: String,
}

impl Identity {
    fn new() -> Self {
        Self::valid(2025, 2040)
    }

    /// Valid from the first day of one year to that of another.
    fn valid(from: i32, to: i32) -> Self {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    fn fingerprint(&self) -> [u8; 32] {
        domain::audit::Hash::of(&self.der()).0
    }

    /// Writes both into a folder and gives the settings that name them.
    fn put(&self, folder: &Path) -> String {
        let (certificate, key) = files(folder);
        std::fs::write(&certificate, &self.certificate).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        format!(
            ", tls_certificate: {}, tls_key: {}",
            certificate.display(),
            key.display()
        )
    }
}

fn files(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("gateway.pem"), folder.join("gateway.key"))
}

/// What a client shows: a certificate, and a key that need not be its own.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl Shown {
    fn of(identity: &Identity) -> Option<Arc<Self>> {
        Self::signed_by(identity, identity)
    }

    fn signed_by(identity: &Identity, other: &Identity) -> Option<Arc<Self>> {
        let key = PrivateKeyDer::from_pem_slice(other.key.as_bytes()).unwrap();
        let key = any_supported_type(&key).unwrap();
        let both = CertifiedKey::new(vec![identity.der()], key);
        Some(Arc::new(Self(Arc::new(both))))
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A house whose gateway ends TLS, and what its clients trust.
struct TlsHouse {
    house: House,
    folder: tempfile::TempDir,
    own: Identity,
}

impl TlsHouse {
    async fn new() -> Self {
        Self::with("").await
    }

    async fn with(more: &str) -> Self {
        let (folder, own) = (tempfile::tempdir().unwrap(), Identity::new());
        let more = own.put(folder.path()) + more;
        let house = House::with(CUSTOMER, &[("1", &["email"])], &more).await;
        house.upstream.says(MAYA);
        Self { house, folder, own }
    }

    async fn know(&self, identity: &Identity) -> domain::id::CredentialId {
        let terms = CredentialTerms {
            purposes: Some(vec!["fulfil_orders".into()]),
            ends_at: None,
        };
        let shown = identity.fingerprint();
        add_certificate(&self.house.p, &"carrier".into(), terms, shown)
            .await
            .unwrap()
    }

    /// A connection on which this is shown, to a gateway that shows `own`.
    async fn connect(
        &self,
        version: &'static SupportedProtocolVersion,
        shown: Option<Arc<Shown>>,
        own: &Identity,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(own.der()).unwrap();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_webpki_verifier(verifier.build().unwrap());
        let config = match shown {
            Some(shown) => config.with_client_cert_resolver(shown),
            None => config.with_no_client_auth(),
        };
        let stream = TcpStream::connect(self.house.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// One call; nothing when the handshake failed. In TLS 1.3 a client learns that only as it reads.
    async fn call(
        &self,
        version: &'static SupportedProtocolVersion,
        shown: Option<Arc<Shown>>,
        headers: &str,
    ) -> Option<u16> {
        let mut stream = self.connect(version, shown, &self.own).await.ok()?;
        let call =
            format!("GET /customers/1 HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(call.as_bytes()).await.ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.ok()?;
        Some(Answer::read(&bytes, false).status)
    }
}

#[tokio::test]
async fn a_recipient_is_known_by_the_certificate_that_it_shows() {
    let (at, carrier, stranger) = (TlsHouse::new().await, Identity::new(), Identity::new());
    at.know(&carrier).await;
    let key = format!("authorization: Bearer {}\r\n", at.house.key());
    let told = format!(
        "x-client-cert-sha256: {}\r\n",
        domain::audit::Hash(carrier.fingerprint())
    );
    for version in VERSIONS {
        assert_eq!(
            at.call(version, Shown::of(&carrier), "").await,
            Some(200),
            "{version:?}"
        );
        assert_eq!(at.call(version, Shown::of(&stranger), "").await, Some(401));
        assert_eq!(at.call(version, None, "").await, Some(401));
        // A key does as well, but not beside a certificate: of two, nobody knows which one counts.
        assert_eq!(at.call(version, None, &key).await, Some(200));
        assert_eq!(at.call(version, Shown::of(&carrier), &key).await, Some(401));
        // What a header tells is nothing here.
        assert_eq!(at.call(version, None, &told).await, Some(401));
    }
    assert_eq!(at.house.count(Outcome::Served), 4);
}

#[tokio::test]
async fn whoever_does_not_hold_its_key_can_not_show_a_certificate() {
    let (at, carrier, thief) = (TlsHouse::new().await, Identity::new(), Identity::new());
    at.know(&carrier).await;
    for version in VERSIONS {
        let shown = Shown::signed_by(&carrier, &thief);
        assert_eq!(at.call(version, shown, "").await, None, "{version:?}");
    }
    assert_eq!(at.house.upstream.asked().len(), 0);
}

#[tokio::test]
async fn a_certificate_counts_only_while_it_is_valid() {
    let at = TlsHouse::new().await;
    for (from, to) in [(2020, 2021), (2090, 2091)] {
        let carrier = Identity::valid(from, to);
        at.know(&carrier).await;
        for version in VERSIONS {
            assert_eq!(
                at.call(version, Shown::of(&carrier), "").await,
                None,
                "{from} {version:?}"
            );
        }
    }
    assert_eq!(at.house.upstream.asked().len(), 0);
}

#[tokio::test]
async fn a_certificate_that_was_revoked_opens_nothing_on_a_connection_that_stays_open() {
    let (at, carrier) = (TlsHouse::new().await, Identity::new());
    let id = at.know(&carrier).await;
    let shown = Shown::of(&carrier);
    let mut stream = at.connect(VERSIONS[1], shown, &at.own).await.unwrap();
    let call = "GET /customers/1 HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut bytes = [0; 4096];
    let read = stream.read(&mut bytes).await.unwrap();
    assert_eq!(Answer::read(&bytes[..read], false).status, 200);
    revoke(&at.house.p, id).await.unwrap();
    stream.write_all(call.as_bytes()).await.unwrap();
    let read = stream.read(&mut bytes).await.unwrap();
    assert_eq!(Answer::read(&bytes[..read], false).status, 401);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_start_and_a_wrong_one_is_not() {
    let (at, next) = (TlsHouse::new().await, Identity::new());
    next.put(at.folder.path());
    until_shown(&at, &next).await;
    // A key of another certificate: what was in force stays.
    let (certificate, key) = files(at.folder.path());
    std::fs::write(&key, &at.own.key).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    assert!(at.connect(VERSIONS[1], None, &next).await.is_ok());
    // Nor does half a file.
    std::fs::write(&certificate, "-----BEGIN CERT").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    assert!(at.connect(VERSIONS[1], None, &next).await.is_ok());
    // The right pair is taken up however it came about.
    at.own.put(at.folder.path());
    until_shown(&at, &at.own).await;
}

async fn until_shown(at: &TlsHouse, identity: &Identity) {
    for _ in 0..200 {
        if at.connect(VERSIONS[1], None, identity).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the gateway still shows the certificate before");
}

#[tokio::test]
async fn whoever_speaks_no_tls_gets_no_answer() {
    let at = TlsHouse::new().await;
    let answer = at.house.get("/customers/1").await;
    assert_eq!((answer.status, answer.body.as_str()), (0, ""));
    assert_eq!(at.house.upstream.asked().len(), 0);
}

/// Envoy asks over a connection of its own, and what it shows there is not the recipient's.
#[tokio::test]
async fn the_certificate_of_whoever_asks_for_others_names_no_recipient() {
    let (at, envoy) = (TlsHouse::with(", ext_authz: /envoy").await, Identity::new());
    at.know(&envoy).await;
    let mut stream = (at.connect(VERSIONS[1], Shown::of(&envoy), &at.own).await).unwrap();
    let key = at.house.key();
    for (headers, status) in [
        (String::new(), 401),
        (format!("authorization: Bearer {key}\r\n"), 200),
    ] {
        let call = format!("GET /envoy/customers/1 HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        stream.write_all(call.as_bytes()).await.unwrap();
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).await.unwrap();
        let answer = Answer::read(&bytes[..read], false);
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

#[tokio::test]
async fn wrong_settings_of_tls_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = files(folder.path());
    let (one, other) = (Identity::new(), Identity::new());
    let both = one.put(folder.path());
    let only = |name: &str, file: &Path| format!(", {name}: {}", file.display());
    let pair = |certificate: &Path, key: &Path| {
        only("tls_certificate", certificate) + &only("tls_key", key)
    };
    let others = folder.path().join("other.key");
    std::fs::write(&others, &other.key).unwrap();
    let missing = folder.path().join("missing.pem");
    for (more, words) in [
        (only("tls_certificate", &certificate), "give both or none"),
        (only("tls_key", &key), "give both or none"),
        (
            format!("{both}, certificate_header: x-cert"),
            "leave one of the two out",
        ),
        (
            pair(&certificate, &others),
            "not the key of the certificate",
        ),
        (pair(&certificate, &missing), "no unencrypted private key"),
        (pair(&missing, &key), "holds no certificate in PEM form"),
        (pair(&key, &key), "holds no certificate in PEM form"),
    ] {
        let problem = House::settings_refused(&more).await;
        assert!(problem.contains(words), "{more}\n{problem}");
        assert!(!problem.contains("BEGIN"), "{problem}");
    }
    let ends = gateway::check_certificate(&House::opened(&both).await).unwrap();
    assert_eq!(ends.unwrap().to_string(), "2040-01-01T00:00:00Z");
}

impl House {
    async fn opened(more: &str) -> governance::Privity {
        Self::with(CUSTOMER, &[("1", &["email"])], more).await.p
    }

    /// What is said of settings with which no gateway opens.
    async fn settings_refused(more: &str) -> String {
        let p = Self::unopened(more).await;
        match Gateway::open(p, rng()) {
            Ok(_) => panic!("{more} opened"),
            Err(problem) => problem.to_string(),
        }
    }
}
