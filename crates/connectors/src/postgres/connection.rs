//! Connecting to PostgreSQL: what a URL may say, and TLS as its `sslmode` wants it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres::NoTls;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresConfig;
use crate::sql::Parameter;

/// How far the server's certificate is looked at, as PostgreSQL's own clients take `sslmode`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Encrypted, whoever it is.
    Anyone,
    /// A certificate of a known authority, whatever its name.
    Authority,
    /// A certificate of a known authority for this host.
    Host,
}

/// Makes the pool and finds the schema that the URL names; errors are in words and hold nothing of the URL.
pub(super) fn pool(config: &PostgresConfig) -> Result<(Pool, Option<String>), String> {
    let (url, options) = split(config.url.expose());
    let option = |name: &str| {
        options
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
    };
    let unreadable = "its URL can't be read; it should look like `postgresql://role:password@host:5432/database?sslmode=verify-full`";
    let mut settings: tokio_postgres::Config = url.parse().map_err(|_| unreadable.to_owned())?;
    settings
        .application_name("privity")
        .connect_timeout(Duration::from_secs(10));
    let manager = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let root = option("sslrootcert").map(PathBuf::from);
    let manager = match option("sslmode").as_deref() {
        Some("disable") => {
            settings.ssl_mode(tokio_postgres::config::SslMode::Disable);
            Manager::from_config(settings, NoTls, manager)
        }
        mode => {
            let (required, trust) = trust(mode)?;
            settings.ssl_mode(if required {
                tokio_postgres::config::SslMode::Require
            } else {
                tokio_postgres::config::SslMode::Prefer
            });
            Manager::from_config(
                settings,
                MakeRustlsConnect::new(tls(trust, root.as_deref())?),
                manager,
            )
        }
    };
    let schema = option("schema");
    let hello = hello(config, schema.as_deref());
    let pool = Pool::builder(manager)
        .max_size(config.pool.unwrap_or(4).max(1))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_secs(60)))
        .create_timeout(Some(Duration::from_secs(15)))
        .post_create(Hook::async_fn(move |client, _| {
            let hello = hello.clone();
            Box::pin(async move {
                client
                    .batch_execute(&hello)
                    .await
                    .map_err(HookError::Backend)
            })
        }));
    Ok((
        pool.build()
            .map_err(|_| "its pool of connections can't be made".to_owned())?,
        schema,
    ))
}

/// What every session begins with: one way to write moments and numbers, and an end to waiting.
fn hello(config: &PostgresConfig, schema: Option<&str>) -> String {
    let timeout = config.statement_timeout_seconds.unwrap_or(300);
    let search_path = schema
        .map(|schema| {
            format!(
                "SET search_path = {};",
                crate::sql::Dialect::Postgres.quote(schema)
            )
        })
        .unwrap_or_default();
    format!(
        "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'iso_8601'; SET timezone = 'UTC'; SET bytea_output = 'hex'; SET extra_float_digits = 1; \
         SET standard_conforming_strings = on; SET statement_timeout = '{timeout}s'; SET jit = off; {search_path}"
    )
}

fn trust(mode: Option<&str>) -> Result<(bool, Trust), String> {
    match mode {
        None | Some("prefer" | "allow") => Ok((false, Trust::Anyone)),
        Some("require") => Ok((true, Trust::Anyone)),
        Some("verify-ca") => Ok((true, Trust::Authority)),
        Some("verify-full") => Ok((true, Trust::Host)),
        Some(_) => Err("its URL's `sslmode` is none of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`".to_owned()),
    }
}

/// Takes out of the URL what the driver doesn't know.
fn split(url: &str) -> (String, Vec<(String, String)>) {
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), Vec::new());
    };
    let ours = ["sslmode", "sslrootcert", "schema"];
    let pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let rest: Vec<String> = pairs
        .iter()
        .filter(|(name, _)| !ours.contains(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let taken = pairs
        .iter()
        .filter(|(name, _)| ours.contains(name))
        .map(|(name, value)| ((*name).to_owned(), unescape(value)))
        .collect();
    (
        if rest.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", rest.join("&"))
        },
        taken,
    )
}

/// Reads `%20` and the like.
pub(crate) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(|_| first == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn tls(trust: Trust, root: Option<&Path>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|_| "TLS can't be set up".to_owned())?;
    if trust == Trust::Anyone {
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Lenient {
                provider,
                authority: None,
            }))
            .with_no_client_auth());
    }
    let roots = roots(root)?;
    if trust == Trust::Host {
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    let authority = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|_| "no certificate authority is known".to_owned())?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Lenient {
            provider,
            authority: Some(authority),
        }))
        .with_no_client_auth())
}

/// The authorities of `sslrootcert`, or those that the operating system trusts.
fn roots(file: Option<&Path>) -> Result<RootCertStore, String> {
    let systems = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    let found = file.or_else(|| systems.iter().map(Path::new).find(|path| path.is_file()));
    let path =
        found.ok_or("no certificate authorities are installed; name a file with `sslrootcert=`")?;
    let unreadable = || format!("the certificates in `{}` can't be read", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|_| unreadable())? {
        roots.add_parsable_certificates([certificate.map_err(|_| unreadable())?]);
    }
    if roots.is_empty() {
        Err(unreadable())
    } else {
        Ok(roots)
    }
}

/// Looks at less of a certificate than its name, because the URL says so.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    authority: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authority) = &self.authority else {
            return Ok(ServerCertVerified::assertion());
        };
        match authority.verify_server_cert(certificate, intermediates, server, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parameter")
    }
}

impl ToSql for Parameter {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut tokio_postgres::types::private::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Text(text) => text.to_sql(ty, out),
            Self::Texts(texts) => texts.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
            Self::Blobs(blobs) => blobs.to_sql(ty, out),
            Self::Integer(number) => number.to_sql(ty, out),
            Self::Unsigned(number) => i64::try_from(*number).unwrap_or(i64::MAX).to_sql(ty, out),
            Self::Float(number) => number.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_what_the_driver_knows() {
        let (url, options) =
            split("postgresql://a:b@h/d?sslmode=verify-ca&keepalives=1&schema=Two%20Words");
        assert_eq!(url, "postgresql://a:b@h/d?keepalives=1");
        assert_eq!(
            options,
            [
                ("sslmode".to_owned(), "verify-ca".to_owned()),
                ("schema".to_owned(), "Two Words".to_owned())
            ]
        );
    }
}
