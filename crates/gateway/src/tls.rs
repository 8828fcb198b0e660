//! TLS towards recipients: the gateway shows its own certificate, and reads the one that a recipient shows.
//!
//! A recipient's certificate need not come from an authority. The handshake proves that whoever shows it holds its key (RFC 8446, section
//! 4.4.3), and which recipient that is, if any, its fingerprint says (RFC 8705, section 2.2): looked up at each call, so that one that was
//! revoked opens nothing any more, whatever connections are open.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use domain::audit::Hash;
use governance::Problem;
use jiff::Timestamp;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use crate::route::load::Stamp;

/// SHA-256 of a certificate in DER, as recipients' certificates are registered.
pub(crate) type Fingerprint = [u8; 32];

/// The gateway's certificate and its key, which may be renewed while it runs.
pub(crate) struct Tls {
    files: Files,
    stamp: Mutex<[Stamp; 2]>,
    in_force: RwLock<Arc<ServerConfig>>,
}

/// Where they lie.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    /// # Errors
    /// [`Problem`] when a file can't be read, holds something else, or the key is another certificate's.
    pub(crate) fn open(certificate: &Path, key: &Path) -> Result<Self, Problem> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        Ok(Self {
            stamp: Mutex::new(files.stamp()),
            in_force: RwLock::new(files.read()?),
            files,
        })
    }

    /// Reads the files again if they have changed: whether they have. Connections that are open go on as they began.
    ///
    /// # Errors
    /// As [`Tls::open`]; what was in force stays.
    pub(crate) fn reload(&self) -> Result<bool, Problem> {
        let now = self.files.stamp();
        {
            let mut stamp = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
            if *stamp == now {
                return Ok(false);
            }
            *stamp = now;
        }
        let read = self.files.read()?;
        *self
            .in_force
            .write()
            .unwrap_or_else(PoisonError::into_inner) = read;
        Ok(true)
    }

    /// Shakes hands: the connection, and the fingerprint of the certificate whose key the other side holds, if it showed one.
    ///
    /// # Errors
    /// The other side speaks no TLS that we do, or its certificate isn't valid now or not its own.
    pub(crate) async fn accept<S>(
        &self,
        stream: S,
    ) -> std::io::Result<(TlsStream<S>, Option<Fingerprint>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let in_force = {
            let in_force = self.in_force.read();
            Arc::clone(&in_force.unwrap_or_else(PoisonError::into_inner))
        };
        let stream = TlsAcceptor::from(in_force).accept(stream).await?;
        let (_, session) = stream.get_ref();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let shown = shown.map(|certificate| Hash::of(certificate).0);
        Ok((stream, shown))
    }
}

impl Files {
    fn stamp(&self) -> [Stamp; 2] {
        [Stamp::of(&self.certificate), Stamp::of(&self.key)]
    }

    fn read(&self) -> Result<Arc<ServerConfig>, Problem> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|_| {
            wrong("gateway.tls_key", &self.key, "is no unencrypted private key in PEM form; see that this account may read it, and give the certificate's own")
        })?;
        let verifier = Arc::new(WhoeverHoldsTheKey::new(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                Problem::new("setup", 500, format!("TLS can't be set up ({error})"))
            })?;
        let config = config.with_client_cert_verifier(verifier);
        let mut config = config.with_single_cert(chain, key).map_err(|_| {
            wrong("gateway.tls_key", &self.key, "is not the key of the certificate in `gateway.tls_certificate`; give the two that belong together")
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Each connection shows its certificate itself: nothing that was shown an hour ago speaks for it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// When the certificate in this file ends.
///
/// # Errors
/// [`Problem`] when there is none in it.
pub(crate) fn ends(file: &Path) -> Result<Timestamp, Problem> {
    let chain = certificates(file)?;
    let ends = chain.first().and_then(|own| {
        let (_, own) = X509Certificate::from_der(own).ok()?;
        Timestamp::from_second(own.validity().not_after.timestamp()).ok()
    });
    ends.ok_or_else(|| no_certificate(file))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let chain =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) | Err(_) => Err(no_certificate(file)),
    }
}

fn no_certificate(file: &Path) -> Problem {
    let words = "holds no certificate in PEM form; see that this account may read it, and give the gateway's own first, then those that lead to its authority";
    wrong("gateway.tls_certificate", file, words)
}

fn wrong(setting: &str, file: &Path, words: &str) -> Problem {
    let words = format!("`{setting}`: `{}` {words}", file.display());
    Problem::new("setup", 500, words)
}

/// Takes every certificate that is valid now from whoever holds its key, and connections without one: those may show a key of ours.
#[derive(Debug)]
struct WhoeverHoldsTheKey(WebPkiSupportedAlgorithms);

impl WhoeverHoldsTheKey {
    const fn new(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }
}

impl ClientCertVerifier for WhoeverHoldsTheKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        _leading: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let (rest, own) =
            X509Certificate::from_der(own).map_err(|_| CertificateError::BadEncoding)?;
        if !rest.is_empty() {
            return Err(CertificateError::BadEncoding.into());
        }
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let now = ASN1Time::from_timestamp(now).map_err(|_| CertificateError::Expired)?;
        if now < own.validity().not_before {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > own.validity().not_after {
            return Err(CertificateError::Expired.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, own, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, own, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
