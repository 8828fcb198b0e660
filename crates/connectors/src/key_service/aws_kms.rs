//! AWS Key Management Service: it wraps with a key that never leaves it.
//!
//! Source: AWS KMS API Reference, `Encrypt` and `Decrypt`. What a key is bound to is its encryption context. The credentials need
//! `kms:Encrypt` and `kms:Decrypt` on this key.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::key_service::{KeyService, KeyServiceAnswer, KeyServiceError, Refusal};
use domain::sensitive::Sensitive;
use domain::time::Clock;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::aws_credentials::Source;
use super::call::{
    ask, client, decoded, default_timeout_seconds, encoded, quoted, refused, unintelligible,
};
use super::sigv4::{Call, Credentials, amz_date};
use crate::http::outbound::{Destinations, Exchange};

/// Which key to use, and where the service is. Credentials come from where AWS's own programs find them.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsKmsConfig {
    /// The key's ARN, id or alias (`alias/privity`); the ARN is best, since it can't come to mean another key.
    pub key: String,
    /// The region; from the ARN, or from AWS_REGION, when it isn't said.
    #[serde(default)]
    pub region: Option<String>,
    /// Another address than the region's own, e.g. of a VPC endpoint.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Certificates to trust beside this machine's, in PEM form.
    #[serde(default)]
    pub trusted_ca: Option<String>,
    /// Allow `http://` to another machine.
    #[serde(default)]
    pub allow_insecure: bool,
    /// How long one try may take.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u64,
}

/// AWS KMS as key service.
pub struct AwsKms {
    name: String,
    key: String,
    region: String,
    endpoint: Url,
    host: String,
    source: Source,
    client: Client,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wrapped {
    ciphertext_blob: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unwrapped {
    plaintext: Sensitive<String>,
}

#[derive(Deserialize)]
struct No {
    #[serde(rename = "__type")]
    code: String,
}

impl AwsKms {
    /// A service that is reached when it is asked. `environment` is where credentials and region may stand; the clock dates the
    /// signatures.
    ///
    /// # Errors
    /// In words, when the settings can't work.
    pub fn new(
        config: AwsKmsConfig,
        environment: &dyn Fn(&str) -> Option<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let region = config
            .region
            .or_else(|| region_of(&config.key))
            .or_else(|| environment("AWS_REGION"))
            .or_else(|| environment("AWS_DEFAULT_REGION"))
            .filter(|region| is_region(region))
            .ok_or("`key_service.region` is missing; set it, for example to us-west-2")?;
        let destinations = Destinations::Own {
            allow_insecure: config.allow_insecure,
        };
        let address = config.endpoint.unwrap_or_else(|| address_of(&region));
        let endpoint = destinations
            .parse(&address)
            .map_err(|reason| format!("`key_service.endpoint`: {reason}"))?;
        Ok(Self {
            name: format!("aws_kms:{}", config.key),
            key: config.key,
            region,
            host: host_of(&endpoint),
            endpoint,
            source: Source::find(environment)?,
            client: client(
                config.allow_insecure,
                config.timeout_seconds,
                config.trusted_ca.as_deref(),
            )?,
            clock,
        })
    }

    async fn wrap_there(
        &self,
        key: &Sensitive<[u8; 32]>,
        bound_to: &str,
    ) -> Result<Vec<u8>, KeyServiceError> {
        let body = self.body("Plaintext", &encoded(key), bound_to);
        let answer = self.call("Encrypt", &body).await?;
        let wrapped: Wrapped = answer.json().ok_or_else(|| unintelligible(&self.name))?;
        STANDARD
            .decode(wrapped.ciphertext_blob)
            .map_err(|_| unintelligible(&self.name))
    }

    async fn unwrap_there(
        &self,
        wrapped: &[u8],
        bound_to: &str,
    ) -> Result<Sensitive<[u8; 32]>, KeyServiceError> {
        let body = self.body("CiphertextBlob", &STANDARD.encode(wrapped), bound_to);
        let answer = self.call("Decrypt", &body).await?;
        let unwrapped: Unwrapped = answer.json().ok_or_else(|| unintelligible(&self.name))?;
        decoded(&unwrapped.plaintext).ok_or_else(|| unintelligible(&self.name))
    }

    fn body(&self, member: &str, encoded: &str, bound_to: &str) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{{\"KeyId\":{},\"{member}\":\"{encoded}\",\"EncryptionContext\":{{\"privity\":{}}}}}",
            quoted(&self.key),
            quoted(bound_to)
        ))
    }

    async fn call(&self, verb: &str, body: &str) -> Result<Exchange, KeyServiceError> {
        let credentials = self.source.credentials(&self.name, &self.client).await?;
        // Signed anew for each try, since a signature is dated.
        let request = || self.signed(verb, body, &credentials);
        let answer = ask(&self.name, request, |answer| {
            code_of(answer).is_some_and(|code| is_busy(&code))
        })
        .await?;
        if answer.status == StatusCode::OK {
            return Ok(answer);
        }
        Err(match (code_of(&answer), answer.status) {
            (Some(code), _) => refused(&self.name, refusal_of(&code)),
            (None, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                refused(&self.name, Refusal::Login)
            }
            (None, _) => unintelligible(&self.name),
        })
    }

    fn signed(&self, verb: &str, body: &str, credentials: &Credentials) -> RequestBuilder {
        let (at, target) = (self.clock.now(), format!("TrentService.{verb}"));
        let date = amz_date(at);
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1"),
            ("host", self.host.as_str()),
            ("x-amz-date", date.as_str()),
        ];
        let token = credentials.session_token.as_ref();
        headers.extend(token.map(|token| ("x-amz-security-token", token.expose().as_str())));
        headers.push(("x-amz-target", target.as_str()));
        let call = Call {
            method: "POST",
            region: &self.region,
            service: "kms",
            headers: &headers,
            body: body.as_bytes(),
            at,
        };
        let request = self
            .client
            .post(self.endpoint.clone())
            .header("Authorization", call.authorization(credentials))
            .body(body.to_owned());
        headers
            .iter()
            .filter(|(name, _)| *name != "host")
            .fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
    }
}

/// AWS's word for no, e.g. `AccessDeniedException`.
fn code_of(answer: &Exchange) -> Option<String> {
    if answer.status == StatusCode::OK {
        return None;
    }
    let no: No = answer.json()?;
    let code = no.code.rsplit('#').next()?;
    Some(code.to_owned())
}

/// What it says with status 400 although it means "not now".
fn is_busy(code: &str) -> bool {
    matches!(code, "ThrottlingException" | "LimitExceededException")
}

fn refusal_of(code: &str) -> Refusal {
    match code {
        "InvalidCiphertextException" | "IncorrectKeyException" | "InvalidGrantTokenException" => {
            Refusal::Wrapped
        }
        "NotFoundException"
        | "DisabledException"
        | "KMSInvalidStateException"
        | "InvalidKeyUsageException"
        | "InvalidArnException"
        | "ValidationException" => Refusal::Key,
        _ => Refusal::Login,
    }
}

/// `arn:aws:kms:REGION:ACCOUNT:key/ID`
fn region_of(key: &str) -> Option<String> {
    let mut parts = key.split(':');
    let is_arn = parts.next() == Some("arn");
    let region = parts.nth(2).filter(|region| !region.is_empty())?;
    is_arn.then(|| region.to_owned())
}

/// It becomes part of a host's name.
fn is_region(region: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !region.is_empty() && region.bytes().all(allowed)
}

fn address_of(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://kms.{region}.amazonaws.com{suffix}/")
}

/// As the client says it in its `Host` header.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl KeyService for AwsKms {
    fn name(&self) -> &str {
        &self.name
    }

    fn wrap<'a>(
        &'a self,
        key: &'a Sensitive<[u8; 32]>,
        bound_to: &'a str,
    ) -> KeyServiceAnswer<'a, Vec<u8>> {
        Box::pin(self.wrap_there(key, bound_to))
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        bound_to: &'a str,
    ) -> KeyServiceAnswer<'a, Sensitive<[u8; 32]>> {
        Box::pin(self.unwrap_there(wrapped, bound_to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_comes_from_the_keys_arn() {
        let arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd";
        assert_eq!(region_of(arn).as_deref(), Some("eu-central-1"));
        assert_eq!(region_of("alias/privity"), None);
        assert!(!is_region("evil.example/") && is_region("us-gov-west-1"));
    }

    #[test]
    fn what_aws_says_no_to_is_told_apart() {
        assert_eq!(refusal_of("InvalidCiphertextException"), Refusal::Wrapped);
        assert_eq!(refusal_of("DisabledException"), Refusal::Key);
        assert_eq!(refusal_of("AccessDeniedException"), Refusal::Login);
    }
}
