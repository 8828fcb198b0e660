//! The business's own identity providers: a signed token (JWT, RFC 7519 and RFC 9068) shows which client is calling.
//!
//! Keys are a JWK set (RFC 7517), read when they are needed and kept for a while: a key that the provider took back ends with that while at the
//! latest, and without keys nobody is let in. A token with a key that isn't known makes us look again, but only so often.

mod jwks;
mod token;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::data_map::RecipientKey;
use domain::purpose_of_use::PurposeKey;
use domain::sensitive::Sensitive;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Url};
use serde::Deserialize;

pub use self::jwks::Algorithm;
use self::jwks::KeySet;
use self::token::Token;
use crate::http::outbound::{Destinations, exchange};

/// Larger key sets are refused.
const MOST_BYTES: usize = 256 * 1024;

/// A provider that takes longer is one that doesn't answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// An identity provider, as configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityProviderConfig {
    /// The `iss` of its tokens, to the letter.
    pub issuer: String,
    /// What stands in `aud` of tokens that are for us.
    pub audience: String,
    /// Where its keys are; `https://`, or `http://` to this machine.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// The file with its keys, in place of an address.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// How it may sign; each key only as its own kind allows.
    #[serde(default = "all_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// What a token may call itself in `typ`, without `application/`; upper and lower case are the same.
    #[serde(default = "usual_types")]
    pub types: Vec<String>,
    /// The claim that names the client.
    #[serde(default = "usual_claim")]
    pub client_claim: String,
    /// Its clients, and whom each stands for. A client that isn't here is nobody.
    pub clients: BTreeMap<String, ClientConfig>,
    /// How far its clock may differ from ours, in seconds; at most 300.
    #[serde(default = "usual_leeway")]
    pub leeway_seconds: u32,
    /// How long to wait before its keys are looked for again, in seconds; at least 5.
    #[serde(default = "usual_pause")]
    pub refresh_seconds: u32,
    /// How long keys hold that can't be read again, in seconds; they are read again after half of it.
    #[serde(default = "usual_age")]
    pub keys_seconds: u32,
}

/// A client of the identity provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// The recipient that it is.
    pub recipient: RecipientKey,
    /// The purposes that it may declare.
    pub purposes: Vec<PurposeKey>,
}

fn all_algorithms() -> Vec<Algorithm> {
    Algorithm::ALL.to_vec()
}

fn usual_types() -> Vec<String> {
    vec!["at+jwt".to_owned(), "JWT".to_owned()]
}

fn usual_claim() -> String {
    "client_id".to_owned()
}

const fn usual_leeway() -> u32 {
    30
}

const fn usual_pause() -> u32 {
    60
}

const fn usual_age() -> u32 {
    3600
}

/// Why a token shows nothing. For tests and logs; whoever sent it isn't told which.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It doesn't hold.
    #[error("the token was refused: {0}")]
    Refused(&'static str),
    /// The provider's keys can't be had, so nothing can be said of it.
    #[error("the keys of the identity provider can't be had: {0}")]
    NoKeys(String),
}

/// A client whose token holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedClient {
    /// The provider that says so.
    pub issuer: Arc<str>,
    /// The client, as the configuration names it.
    pub client: String,
    /// The recipient that it is.
    pub recipient: RecipientKey,
    /// The purposes that it may declare.
    pub purposes: Vec<PurposeKey>,
}

/// All identity providers of the business.
#[derive(Clone, Default)]
pub struct IdentityProviders(Arc<[Provider]>);

#[derive(Clone)]
struct Provider(Arc<Inner>);

struct Inner {
    config: IdentityProviderConfig,
    issuer: Arc<str>,
    source: Source,
    known: Mutex<Arc<Known>>,
    /// Held while keys are read; when that was tried last, and what came of it.
    tried: tokio::sync::Mutex<Option<Tried>>,
}

struct Tried {
    at: Timestamp,
    failed: Option<String>,
}

enum Source {
    File(PathBuf),
    Url(Client, Url),
}

/// Keys, and when they were read.
#[derive(Default)]
struct Known {
    keys: KeySet,
    read_at: Option<Timestamp>,
}

impl IdentityProviders {
    /// Checks what is configured; reads files, and calls nobody.
    ///
    /// # Errors
    /// What is wrong, with the issuer that it is about and what to do.
    pub fn new(configs: &[IdentityProviderConfig]) -> Result<Self, String> {
        let mut providers: Vec<Provider> = Vec::with_capacity(configs.len());
        for config in configs {
            let about =
                |wrong: String| format!("`identity_providers`: `{}`: {wrong}", config.issuer);
            if providers.iter().any(|one| *one.0.issuer == *config.issuer) {
                return Err(about(
                    "stands there twice; write its clients together".to_owned(),
                ));
            }
            let inner = Inner::new(config).map_err(about)?;
            providers.push(Provider(Arc::new(inner)));
        }
        Ok(Self(providers.into()))
    }

    /// Whether there are any, and a text looks like a token of theirs rather than like a key of ours.
    pub fn may_know(&self, text: &Sensitive<String>) -> bool {
        !self.0.is_empty() && text.expose().matches('.').count() == 2
    }

    /// The client whose token this is.
    ///
    /// # Errors
    /// [`TokenError::Refused`] whatever is wrong with it; [`TokenError::NoKeys`] where its provider's keys can't be had.
    pub async fn verify(
        &self,
        text: &Sensitive<String>,
        now: Timestamp,
    ) -> Result<VerifiedClient, TokenError> {
        let token = Token::read(text.expose())?;
        let issuer = token.issuer()?;
        let mut providers = self.0.iter();
        let provider = providers.find(|one| *one.0.issuer == *issuer);
        let provider = provider.ok_or(TokenError::Refused("nobody knows its issuer"))?;
        provider.verify(&token, now).await
    }

    /// What each provider's keys are good for, read now: the issuer, and the number of keys or what is wrong.
    pub async fn look(&self, now: Timestamp) -> Vec<(Arc<str>, Result<usize, String>)> {
        let mut looks = Vec::with_capacity(self.0.len());
        for Provider(inner) in self.0.iter() {
            let looked = match inner.source.read(&inner.config).await {
                Ok(keys) => {
                    let count = keys.len();
                    inner.keep(keys, now);
                    Ok(count)
                }
                Err(wrong) => Err(wrong),
            };
            looks.push((Arc::clone(&inner.issuer), looked));
        }
        looks
    }
}

impl Inner {
    fn new(config: &IdentityProviderConfig) -> Result<Self, String> {
        check(config)?;
        let source = match (&config.jwks_url, &config.jwks_file) {
            (Some(url), None) => {
                let destinations = Destinations::Own {
                    allow_insecure: false,
                };
                let url = destinations.parse(url).map_err(|_| {
                    "`jwks_url` must be an `https://` address without a name or password, or `http://` to this machine".to_owned()
                })?;
                Source::Url(destinations.client(TIMEOUT, None)?, url)
            }
            (None, Some(path)) => Source::File(path.clone()),
            _ => return Err("set either `jwks_url` or `jwks_file`".to_owned()),
        };
        if let Source::File(path) = &source {
            let read = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
            KeySet::read(&read, &config.algorithms)?;
        }
        Ok(Self {
            issuer: config.issuer.as_str().into(),
            config: config.clone(),
            source,
            known: Mutex::default(),
            tried: tokio::sync::Mutex::default(),
        })
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, keys: KeySet, now: Timestamp) {
        let known = Known {
            keys,
            read_at: Some(now),
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    /// Reads the keys again unless that was tried a moment ago.
    async fn refresh(&self, kid: Option<&str>, now: Timestamp) -> Option<String> {
        let mut tried = self.tried.lock().await;
        let known = self.known();
        if !known.is_due(&self.config, now) && known.keys.may_know(kid) {
            return None;
        }
        let pause = SignedDuration::from_secs(i64::from(self.config.refresh_seconds));
        if let Some(last) = tried.as_ref().filter(|last| is_within(last.at, now, pause)) {
            return last.failed.clone();
        }
        let failed = match self.source.read(&self.config).await {
            Ok(keys) => {
                self.keep(keys, now);
                None
            }
            Err(wrong) => {
                tracing::warn!(
                    identity_provider.issuer = %self.issuer, cause = %wrong,
                    "the keys of an identity provider can't be read; its tokens are refused once the keys that are known are too old"
                );
                Some(wrong)
            }
        };
        *tried = Some(Tried {
            at: now,
            failed: failed.clone(),
        });
        failed
    }
}

fn check(config: &IdentityProviderConfig) -> Result<(), String> {
    let wrong = if config.issuer.is_empty() || config.audience.is_empty() {
        "`issuer` and `audience` can't be empty: without them every token of the provider would do"
    } else if config.algorithms.is_empty() {
        "`algorithms` can't be empty; leave it out for all"
    } else if config.types.is_empty() || config.client_claim.is_empty() {
        "`types` and `client_claim` can't be empty; leave them out for the usual ones"
    } else if config.clients.values().any(|one| one.purposes.is_empty()) {
        "each of `clients` needs the `purposes` that it may declare"
    } else if config.clients.keys().any(|name| !is_plain(name)) {
        "a name in `clients` has to be 1 to 200 characters long, without spaces and control characters"
    } else if config.leeway_seconds > 300 {
        "`leeway_seconds` can be 300 at most"
    } else if config.refresh_seconds < 5 {
        "`refresh_seconds` has to be 5 at least, so that nobody can make us hammer the provider"
    } else if config.keys_seconds < config.refresh_seconds.saturating_mul(2) {
        "`keys_seconds` has to be twice `refresh_seconds` at least"
    } else {
        return Ok(());
    };
    Err(wrong.to_owned())
}

/// A client's name stands in records.
fn is_plain(name: &str) -> bool {
    (1..=200).contains(&name.chars().count())
        && !name.contains(|one: char| one.is_control() || one.is_whitespace())
}

fn unreadable(path: &std::path::Path, error: &std::io::Error) -> String {
    format!("`{}` can't be read ({})", path.display(), error.kind())
}

/// Whether a moment lies less than a span back; one that is yet to come doesn't, since the clock was set.
fn is_within(at: Timestamp, now: Timestamp, span: SignedDuration) -> bool {
    let passed = now.duration_since(at);
    passed >= SignedDuration::ZERO && passed < span
}

impl Source {
    async fn read(&self, config: &IdentityProviderConfig) -> Result<KeySet, String> {
        let algorithms = &config.algorithms;
        match self {
            Self::File(path) => {
                let read = tokio::fs::read(path).await;
                KeySet::read(&read.map_err(|error| unreadable(path, &error))?, algorithms)
            }
            Self::Url(client, url) => {
                let asked = client.get(url.clone()).header("Accept", "application/json");
                let answer = exchange(asked, MOST_BYTES).await;
                let answer = answer.map_err(|error| error.reason(MOST_BYTES))?;
                if answer.status.as_u16() != 200 {
                    return Err(format!("`jwks_url` answered {}", answer.status.as_u16()));
                }
                KeySet::read(answer.body.expose(), algorithms)
            }
        }
    }
}

impl Known {
    fn age_is_under(&self, now: Timestamp, seconds: u32) -> bool {
        let span = SignedDuration::from_secs(i64::from(seconds));
        self.read_at.is_some_and(|at| is_within(at, now, span))
    }

    fn hold(&self, config: &IdentityProviderConfig, now: Timestamp) -> bool {
        self.age_is_under(now, config.keys_seconds)
    }

    fn is_due(&self, config: &IdentityProviderConfig, now: Timestamp) -> bool {
        !self.age_is_under(now, config.keys_seconds / 2)
    }
}

impl Provider {
    async fn verify(
        &self,
        token: &Token<'_>,
        now: Timestamp,
    ) -> Result<VerifiedClient, TokenError> {
        let config = &self.0.config;
        let algorithm = token.algorithm(config)?;
        // What is certain without a key is refused before one is looked for.
        let client = token.client(config, now)?;
        let known = config.clients.get(&client);
        let kid = token.kid()?;
        let keys = self.keys(kid, now).await?;
        let (message, signature) = token.signed();
        keys.keys.verify(algorithm, kid, message, signature)?;
        let known = known.ok_or(TokenError::Refused("nobody knows its client"))?;
        Ok(VerifiedClient {
            issuer: Arc::clone(&self.0.issuer),
            client,
            recipient: known.recipient.clone(),
            purposes: known.purposes.clone(),
        })
    }

    async fn keys(&self, kid: Option<&str>, now: Timestamp) -> Result<Arc<Known>, TokenError> {
        let config = &self.0.config;
        let known = self.0.known();
        if known.keys.may_know(kid) && !known.is_due(config, now) {
            return Ok(known);
        }
        // Whoever is content with the keys that there are does not wait while somebody else reads them.
        let is_good = known.hold(config, now) && known.keys.may_know(kid);
        if is_good && self.0.tried.try_lock().is_err() {
            return Ok(known);
        }
        // On its own, so that nobody keeps us from new keys by hanging up.
        let (inner, kid) = (Arc::clone(&self.0), kid.map(str::to_owned));
        let refreshed = tokio::spawn(async move { inner.refresh(kid.as_deref(), now).await });
        let failed = refreshed.await.unwrap_or(None);
        let known = self.0.known();
        if known.hold(config, now) {
            return Ok(known);
        }
        let reason = failed.unwrap_or_else(|| "they are too old".to_owned());
        Err(TokenError::NoKeys(reason))
    }
}

#[cfg(test)]
mod tests;
