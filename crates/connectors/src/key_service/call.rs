//! One call to a key service: three tries, and what may be said when none of them brought an answer.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::key_service::{KeyServiceError, Refusal};
use domain::sensitive::Sensitive;
use reqwest::{Client, RequestBuilder};
use zeroize::Zeroizing;

use crate::http::outbound::{Destinations, Exchange, exchange};

/// No answer of a key service is longer; what is, comes from something else.
const MAX_BYTES: usize = 64 << 10;
const TRIES: u32 = 3;
/// Before the second try; doubled before each further one.
const PAUSE: Duration = Duration::from_millis(150);

/// How long one try may take unless the settings say otherwise.
pub(super) const fn default_timeout_seconds() -> u64 {
    5
}

/// A client for a service of the business's own.
pub(super) fn client(
    allow_insecure: bool,
    timeout_seconds: u64,
    trusted_ca: Option<&str>,
) -> Result<Client, String> {
    let timeout = Duration::from_secs(timeout_seconds.clamp(1, 60));
    Destinations::Own { allow_insecure }.client(timeout, trusted_ca)
}

/// Why the last try failed. Holds no value and no URL.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("{0}")]
    Broken(String),
    #[error("it answered {0}, which says that it can't just now")]
    Status(u16),
}

/// Sends a request until something other than "not now" comes back.
pub(super) async fn ask(
    name: &str,
    mut request: impl FnMut() -> RequestBuilder,
    is_busy: impl Fn(&Exchange) -> bool,
) -> Result<Exchange, KeyServiceError> {
    let mut pause = PAUSE;
    for attempt in 1.. {
        let silence = match exchange(request(), MAX_BYTES).await {
            Ok(answer) if !answer.is_transient() && !is_busy(&answer) => return Ok(answer),
            Ok(answer) => Silence::Status(answer.status.as_u16()),
            Err(error) => Silence::Broken(error.reason(MAX_BYTES)),
        };
        if attempt >= TRIES {
            return Err(unavailable(name, silence));
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(unavailable(name, Silence::Status(0)))
}

fn unavailable(name: &str, silence: Silence) -> KeyServiceError {
    KeyServiceError::Unavailable {
        name: name.to_owned(),
        source: Some(Box::new(silence)),
    }
}

pub(super) fn refused(name: &str, refusal: Refusal) -> KeyServiceError {
    KeyServiceError::Refused {
        name: name.to_owned(),
        refusal,
    }
}

pub(super) fn unintelligible(name: &str) -> KeyServiceError {
    KeyServiceError::Unintelligible {
        name: name.to_owned(),
    }
}

/// A key as JSON services take it.
pub(super) fn encoded(key: &Sensitive<[u8; 32]>) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(key.expose()))
}

/// A key as JSON services give it; `None` when it isn't one.
pub(super) fn decoded(text: &Sensitive<String>) -> Option<Sensitive<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text.expose()).ok()?);
    <[u8; 32]>::try_from(bytes.as_slice())
        .ok()
        .map(Sensitive::new)
}

/// A text in quotes, with what JSON asks for.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
