//! Signatures of the Standard Webhooks specification: `v1` (HMAC-SHA256) to sign and verify, `v1a` (Ed25519) to verify.

use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::sensitive::Sensitive;
use jiff::Timestamp;

/// How far a message's timestamp may be from now, in seconds, so that an old message can't be sent again.
pub const TOLERANCE_SECONDS: i64 = 300;

/// Name of the header with the message's id.
pub const ID: &str = "webhook-id";
/// Name of the header with the moment of signing, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// Name of the header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";

/// A key that verifies messages; a shared one also signs them.
#[derive(Clone)]
pub enum Key {
    /// `whsec_` and base64 of 24 to 64 bytes: shared by both sides.
    Shared(Sensitive<Vec<u8>>),
    /// `whpk_` and base64 of an Ed25519 public key: the other side's.
    Public([u8; 32]),
}

/// Why a key can't be used or a message isn't taken for authentic.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureError {
    /// Neither form of key.
    #[error(
        "a webhook secret should look like `whsec_` followed by base64 of 24 to 64 bytes, a public key like `whpk_` followed by base64 of 32 bytes"
    )]
    Key,
    /// A header is missing or isn't what it should be.
    #[error("its header `{0}` is missing or malformed")]
    Header(&'static str),
    /// Signed too long ago, or in the future.
    #[error("it was signed more than {TOLERANCE_SECONDS} seconds before or after it came")]
    Timestamp,
    /// No signature fits.
    #[error("none of its signatures fits a known key")]
    Mismatch,
}

impl Key {
    /// Reads a key's text form.
    pub fn parse(text: &Sensitive<String>) -> Result<Self, SignatureError> {
        let decode = |base64: &str| {
            BASE64_STANDARD
                .decode(base64)
                .map_err(|_| SignatureError::Key)
        };
        if let Some(base64) = text.expose().strip_prefix("whpk_") {
            return decode(base64)?
                .try_into()
                .map(Self::Public)
                .map_err(|_| SignatureError::Key);
        }
        let base64 = text
            .expose()
            .strip_prefix("whsec_")
            .ok_or(SignatureError::Key)?;
        let bytes = Sensitive::new(decode(base64)?);
        if (24..=64).contains(&bytes.expose().len()) {
            Ok(Self::Shared(bytes))
        } else {
            Err(SignatureError::Key)
        }
    }

    fn fits(&self, signed: &[u8], version: &str, signature: &[u8]) -> bool {
        match (self, version) {
            (Self::Shared(secret), "v1") => {
                hmac::verify(&hmac_key(secret), signed, signature).is_ok()
            }
            (Self::Public(key), "v1a") => {
                signature::UnparsedPublicKey::new(&signature::ED25519, key)
                    .verify(signed, signature)
                    .is_ok()
            }
            _ => false,
        }
    }
}

/// The value of `webhook-signature`: one signature for each shared key.
pub fn sign(keys: &[Key], id: &str, at: Timestamp, body: &[u8]) -> String {
    let signed = Sensitive::new(signed_content(id, &at.as_second().to_string(), body));
    let shared = keys.iter().filter_map(|key| {
        if let Key::Shared(secret) = key {
            Some(secret)
        } else {
            None
        }
    });
    let signatures: Vec<String> = shared
        .map(|secret| {
            format!(
                "v1,{}",
                BASE64_STANDARD.encode(hmac::sign(&hmac_key(secret), signed.expose()))
            )
        })
        .collect();
    signatures.join(" ")
}

/// Verifies a message with any of the keys; comparison takes the same time whatever the signature is. Header names are in lower case.
pub fn verify(
    keys: &[Key],
    headers: &[(String, String)],
    body: &[u8],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let header = |name: &'static str| {
        headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .ok_or(SignatureError::Header(name))
    };
    let (id, timestamp, signatures) = (header(ID)?, header(TIMESTAMP)?, header(SIGNATURE)?);
    let seconds: i64 = timestamp
        .parse()
        .map_err(|_| SignatureError::Header(TIMESTAMP))?;
    if now.as_second().abs_diff(seconds) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(SignatureError::Timestamp);
    }
    let signed = Sensitive::new(signed_content(id, timestamp, body));
    let fits = signatures
        .split(' ')
        .filter_map(|signature| signature.split_once(','))
        .any(|(version, base64)| {
            BASE64_STANDARD.decode(base64).is_ok_and(|signature| {
                keys.iter()
                    .any(|key| key.fits(signed.expose(), version, &signature))
            })
        });
    if fits {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

fn hmac_key(secret: &Sensitive<Vec<u8>>) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose())
}

fn signed_content(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), timestamp.as_bytes(), body].join(&b'.')
}
