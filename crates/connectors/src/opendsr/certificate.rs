//! The certificate with which an OpenDSR processor signs: whether it is the processor's, valid now and trusted, and whether a
//! signature was made with its key (OpenDSR 2.0, sections 6 and 8).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What makes a processor's certificate trusted.
pub(super) enum Trust {
    /// It is this one.
    Pinned(CertificateDer<'static>),
    /// One of these authorities issued it.
    Authorities(Arc<WebPkiServerVerifier>),
}

/// A processor's certificate with those that lead from it to its authority.
#[derive(Clone)]
pub(super) struct Chain(Vec<CertificateDer<'static>>);

/// Why a signed message isn't believed. The protocol's guidelines answer the two differently.
pub(super) enum Fault {
    /// The certificate may not speak for the domain.
    Certificate(&'static str),
    /// Whoever signed, it wasn't this body with the certificate's key.
    Signature(&'static str),
}

impl Trust {
    pub(super) fn pinned(pem: &str) -> Result<Self, String> {
        CertificateDer::from_pem_slice(pem.as_bytes())
            .map(Self::Pinned)
            .map_err(|_| "`pinned_certificate` is not a certificate in PEM form".to_owned())
    }

    pub(super) fn authorities(pem: &str) -> Result<Self, String> {
        let wrong = || "`trusted_ca` holds no certificates in PEM form".to_owned();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots
                .add(certificate.map_err(|_| wrong())?)
                .map_err(|_| wrong())?;
        }
        if roots.is_empty() {
            return Err(wrong());
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::new(default_provider()),
        )
        .build();
        verifier.map(Self::Authorities).map_err(|_| wrong())
    }

    /// The pinned certificate, which needs no look-up.
    pub(super) fn known(&self) -> Option<Chain> {
        match self {
            Self::Pinned(certificate) => Some(Chain(vec![certificate.clone()])),
            Self::Authorities(_) => None,
        }
    }

    /// Verifies that `signature` (base64) over `body` was made with the certificate's key, and that the certificate names
    /// `domain`, is valid at `now` and is trusted.
    pub(super) fn verify(
        &self,
        chain: &Chain,
        domain: &str,
        now: Timestamp,
        body: &[u8],
        signature: &str,
    ) -> Result<(), Fault> {
        let certificate = self
            .trusted(chain, domain, now)
            .map_err(Fault::Certificate)?;
        let signature = BASE64_STANDARD
            .decode(signature.trim())
            .map_err(|_| Fault::Signature("the signature is not base64"))?;
        let key = UnparsedPublicKey::new(
            &RSA_PKCS1_2048_8192_SHA256,
            certificate.public_key().subject_public_key.data.as_ref(),
        );
        key.verify(body, &signature)
            .map_err(|_| Fault::Signature("the signature doesn't fit the body"))
    }

    /// The processor's certificate, if it may speak for the domain now.
    fn trusted<'c>(
        &self,
        chain: &'c Chain,
        domain: &str,
        now: Timestamp,
    ) -> Result<X509Certificate<'c>, &'static str> {
        let (leaf, intermediates) = chain
            .0
            .split_first()
            .ok_or("the processor's certificate is empty")?;
        let (_, certificate) = X509Certificate::from_der(leaf)
            .map_err(|_| "the processor's certificate can't be read")?;
        if now.as_second() < certificate.validity().not_before.timestamp()
            || now.as_second() > certificate.validity().not_after.timestamp()
        {
            return Err("the processor's certificate is not valid now");
        }
        if !names(&certificate, domain) {
            return Err("the processor's certificate doesn't name the domain that it signs for");
        }
        match self {
            Self::Pinned(pinned) if pinned != leaf => {
                return Err("the processor's certificate is not the pinned one");
            }
            Self::Pinned(_) => {}
            Self::Authorities(verifier) => {
                let name = ServerName::try_from(domain)
                    .map_err(|_| "the processor's domain is not a domain name")?;
                let moment = UnixTime::since_unix_epoch(Duration::from_secs(
                    u64::try_from(now.as_second()).unwrap_or_default(),
                ));
                verifier
                    .verify_server_cert(leaf, intermediates, &name, &[], moment)
                    .map_err(
                        |_| "the processor's certificate doesn't come from a trusted authority",
                    )?;
            }
        }
        Ok(certificate)
    }
}

impl Chain {
    pub(super) fn read(pem: &[u8]) -> Result<Self, String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        certificates
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .map(Self)
            .ok_or_else(|| "`processor_certificate` leads to no certificate in PEM form".to_owned())
    }
}

/// Whether the certificate's alternative names hold the domain, itself or by a wildcard for its first label (never for a
/// whole top-level domain).
fn names(certificate: &X509Certificate<'_>, domain: &str) -> bool {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return false;
    };
    names.value.general_names.iter().any(|name| match name {
        GeneralName::DNSName(name) => {
            let wildcard = name
                .strip_prefix("*.")
                .zip(domain.split_once('.'))
                .is_some_and(|(suffix, (_, rest))| {
                    suffix.contains('.') && suffix.eq_ignore_ascii_case(rest)
                });
            wildcard || name.eq_ignore_ascii_case(domain)
        }
        _ => false,
    })
}
