//! Recipients told by a webhook that is signed by the Standard Webhooks scheme, and answering the same way.
//!
//! What a recipient gets and may answer is in docs/guides/recipients.md.

pub mod signature;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest;
use domain::data_map::{IdentifierKind, RecipientKey};
use domain::id::OutreachId;
use domain::outreach::{Answer, OutreachAction};
use domain::recipient::VerificationLevel;
use domain::sensitive::Sensitive;
use domain::time::Clock;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::channel::{
    Channel, ChannelError, Delivery, Notification, ReceivedAnswer, VerifiedAnswer,
};
use crate::http::outbound::{Destinations, Exchange, exchange};
use signature::{Key, sign, verify};

/// More than a recipient's answer ever needs.
const MOST_BYTES: usize = 64 * 1024;

/// How one recipient is reached by webhook.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where it takes messages; `https://`.
    pub url: String,
    /// Shared secrets, `whsec_` and base64. Messages are signed with each of them and answers verified with any, so that a
    /// secret can be changed without a gap.
    pub secrets: Vec<Sensitive<String>>,
    /// Public keys, `whpk_` and base64, where the recipient signs its answers with its own key (`v1a`).
    #[serde(default)]
    pub answer_keys: Vec<Sensitive<String>>,
    /// Where we may ask, afterwards, whether it still holds data about hashed identifiers.
    #[serde(default)]
    pub probe_url: Option<String>,
    /// How long one call may take.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: NonZeroU32,
    /// Allows this machine as the destination, over `http://` too. For demonstrations and tests.
    #[serde(default)]
    pub allow_loopback: bool,
    /// Certificates (PEM) of the authority that signs the recipient's TLS certificate, where it isn't a public one.
    #[serde(default)]
    pub trusted_ca: Option<String>,
}

const fn default_timeout_seconds() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(29)
}

/// Tells a recipient by webhook.
pub struct WebhookChannel {
    recipient: RecipientKey,
    client: Client,
    url: Url,
    probe_url: Option<Url>,
    signing: Vec<Key>,
    verifying: Vec<Key>,
    clock: Arc<dyn Clock>,
}

/// What a recipient may say, at once or in a message of its own.
#[derive(Deserialize)]
struct Said {
    status: String,
    #[serde(default)]
    reason: Option<String>,
}

impl WebhookChannel {
    /// A channel to `recipient`; refuses a configuration that can't work.
    pub fn new(
        recipient: RecipientKey,
        config: WebhookConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ChannelError> {
        let wrong = |reason: String| ChannelError::Refused {
            recipient: recipient.clone(),
            reason,
        };
        let destinations = Destinations::Public {
            allow_loopback: config.allow_loopback,
        };
        let url = destinations
            .parse(&config.url)
            .map_err(|reason| wrong(format!("`url`: {reason}")))?;
        let probe_url = config
            .probe_url
            .as_deref()
            .map(|url| destinations.parse(url))
            .transpose()
            .map_err(|reason| wrong(format!("`probe_url`: {reason}")))?;
        let keys = |texts: &[Sensitive<String>]| {
            texts
                .iter()
                .map(Key::parse)
                .collect::<Result<Vec<Key>, _>>()
                .map_err(|error| wrong(error.to_string()))
        };
        let signing = keys(&config.secrets)?;
        if !signing.iter().any(|key| matches!(key, Key::Shared(_))) {
            return Err(wrong(
                "`secrets` must hold at least one shared secret, `whsec_…`".to_owned(),
            ));
        }
        let verifying = signing
            .iter()
            .cloned()
            .chain(keys(&config.answer_keys)?)
            .collect();
        let timeout = Duration::from_secs(u64::from(config.timeout_seconds.get()));
        let client = destinations
            .client(timeout, config.trusted_ca.as_deref())
            .map_err(&wrong)?;
        Ok(Self {
            client,
            url,
            probe_url,
            signing,
            verifying,
            clock,
            recipient,
        })
    }

    async fn tell(
        &self,
        notification: &Notification,
        reminder: bool,
    ) -> Result<Delivery, ChannelError> {
        let answer = self
            .post(
                &self.url,
                &notification.outreach.to_string(),
                &message(notification, self.clock.now(), reminder),
            )
            .await?;
        self.check_taken(&answer)?;
        let said = answer
            .json::<Said>()
            .map(|said| (said.status == "acknowledged", outcome(&said)));
        // An answer without a signature is a word, not a proof: it never counts for more than having been heard.
        let (level, outcome) = match said {
            Some((_, Some(outcome))) => (VerificationLevel::Acknowledged, Some(outcome)),
            Some((true, None)) => (VerificationLevel::Acknowledged, None),
            _ => (VerificationLevel::Delivered, None),
        };
        Ok(Delivery {
            level,
            answer: outcome,
            external_id: Some(notification.external_id.clone()),
        })
    }

    /// Posts a signed message.
    async fn post(&self, url: &Url, id: &str, message: &Value) -> Result<Exchange, ChannelError> {
        let now = self.clock.now();
        let body = Sensitive::new(message.to_string().into_bytes());
        let request = self
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(signature::ID, id)
            .header(signature::TIMESTAMP, now.as_second().to_string())
            .header(
                signature::SIGNATURE,
                sign(&self.signing, id, now, body.expose()),
            )
            .body(body.expose().clone());
        exchange(request, MOST_BYTES)
            .await
            .map_err(|error| ChannelError::Unreachable {
                recipient: self.recipient.clone(),
                reason: error.reason(MOST_BYTES),
            })
    }

    fn check_taken(&self, answer: &Exchange) -> Result<(), ChannelError> {
        let recipient = self.recipient.clone();
        let status = answer.status;
        match status {
            _ if status.is_success() => Ok(()),
            _ if answer.is_transient() => Err(ChannelError::Unreachable {
                recipient,
                reason: format!("it answered {}", status.as_u16()),
            }),
            StatusCode::GONE => Err(ChannelError::Refused {
                recipient,
                reason: "it answered 410 and takes no more messages; ask it for a new address"
                    .to_owned(),
            }),
            _ if status.is_redirection() => Err(ChannelError::Refused {
                recipient,
                reason: "it redirects, which is not followed; configure the address that it names"
                    .to_owned(),
            }),
            _ => Err(ChannelError::Refused {
                recipient,
                reason: format!(
                    "it answered {}; check its address and the shared secret",
                    status.as_u16()
                ),
            }),
        }
    }
}

#[async_trait]
impl Channel for WebhookChannel {
    async fn send(&self, notification: &Notification) -> Result<Delivery, ChannelError> {
        self.tell(notification, false).await
    }

    async fn remind(&self, notification: &Notification) -> Result<Delivery, ChannelError> {
        self.tell(notification, true).await
    }

    async fn poll(
        &self,
        _outreach: OutreachId,
        _external_id: &str,
    ) -> Result<Option<Delivery>, ChannelError> {
        Ok(None)
    }

    /// Asks with SHA-256 of the normalised identifiers, so that the question itself tells nobody anything new.
    async fn probe(&self, notification: &Notification) -> Result<Option<bool>, ChannelError> {
        #[derive(Deserialize)]
        struct Held {
            held: bool,
        }
        let Some(url) = &self.probe_url else {
            return Ok(None);
        };
        let identifiers: Vec<Value> = notification
            .identifiers
            .iter()
            .map(|(kind, value)| json!({ "kind": kind, "sha256": hashed(kind, value) }))
            .collect();
        let question = json!({
            "type": "privacy_request.probe",
            "timestamp": self.clock.now().to_string(),
            "data": { "external_id": notification.external_id, "identifiers": identifiers },
        });
        let answer = self
            .post(url, &format!("{}.probe", notification.outreach), &question)
            .await?;
        if matches!(
            answer.status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
        ) {
            return Ok(None);
        }
        self.check_taken(&answer)?;
        match answer.json::<Held>() {
            Some(Held { held }) => Ok(Some(held)),
            None => Err(ChannelError::Unreadable {
                recipient: self.recipient.clone(),
                reason: "a probe must be answered with `{\"held\": true}` or `{\"held\": false}`"
                    .to_owned(),
            }),
        }
    }

    /// A message signed by the recipient. The same message within the tolerance verifies again: taking it twice changes nothing.
    async fn verify_answer(
        &self,
        message: &ReceivedAnswer,
    ) -> Result<VerifiedAnswer, ChannelError> {
        #[derive(Deserialize)]
        struct Message {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            external_id: String,
            #[serde(flatten)]
            said: Said,
        }
        let recipient = &self.recipient;
        let unreadable = |reason: &str| ChannelError::Unreadable {
            recipient: recipient.clone(),
            reason: reason.to_owned(),
        };
        let body = message.body.expose();
        verify(&self.verifying, &message.headers, body, message.received_at).map_err(|error| {
            ChannelError::NotAuthentic {
                recipient: recipient.clone(),
                reason: error.to_string(),
            }
        })?;
        let Message { data } = serde_json::from_slice(body)
            .map_err(|_| unreadable("it needs `data.external_id` and `data.status`"))?;
        let (answer, level) = match (outcome(&data.said), data.said.status.as_str()) {
            (Some(answer), _) => (Some(answer), VerificationLevel::Signed),
            (None, "acknowledged") => (None, VerificationLevel::Acknowledged),
            (None, "exception") => {
                return Err(unreadable(
                    "an exception needs the code of its reason in `data.reason`",
                ));
            }
            (None, _) => {
                return Err(unreadable(
                    "`data.status` must be `acknowledged`, `done`, `not_found` or `exception`",
                ));
            }
        };
        Ok(VerifiedAnswer {
            external_id: data.external_id,
            answer,
            level,
            body_hash: sha256(body),
        })
    }
}

/// The outcome that somebody states, if it is one. An exception without the code of a reason isn't.
fn outcome(said: &Said) -> Option<Answer> {
    match said.status.as_str() {
        "done" => Some(Answer::Done),
        "not_found" => Some(Answer::NotFound),
        "exception" => {
            let is_code = |reason: &&String| {
                (1..=64).contains(&reason.len())
                    && reason
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            said.reason
                .as_ref()
                .filter(is_code)
                .map(|reason| Answer::Exception {
                    reason: reason.clone(),
                })
        }
        _ => None,
    }
}

fn message(notification: &Notification, now: jiff::Timestamp, reminder: bool) -> Value {
    let identifiers: Vec<Value> = notification
        .identifiers
        .iter()
        .map(|(kind, value)| json!({ "kind": kind, "value": value.expose() }))
        .collect();
    let received: Vec<Value> = notification
        .received
        .iter()
        .map(|one| json!({ "attribute": one.attribute, "category": one.category, "title": one.title }))
        .collect();
    let (kind, action) = match notification.action {
        OutreachAction::Delete => ("privacy_request.delete", "delete"),
        OutreachAction::OptOut => ("privacy_request.opt_out_sale_share", "opt_out_sale_share"),
    };
    json!({
        "type": kind,
        "timestamp": now.to_string(),
        "data": {
            "request_id": notification.request,
            "external_id": notification.external_id,
            "business": notification.business,
            "law": notification.law,
            "action": action,
            "identifiers": identifiers,
            "received": received,
            "submitted_at": notification.submitted_at.to_string(),
            "respond_by": notification.due.map(|due| due.to_string()),
            "answer_url": notification.answer_url.expose(),
            "pass_on": true,
            "reminder": reminder,
        },
    })
}

/// SHA-256 in hexadecimal digits of an identifier as both sides can write it: e-mail addresses in lower case, phone
/// numbers as digits with their plus, everything without blanks around it.
pub fn hashed(kind: &IdentifierKind, value: &Sensitive<String>) -> String {
    let trimmed = value.expose().trim();
    let normalised = Sensitive::new(match kind.0.as_str() {
        "email" => trimmed.to_lowercase(),
        "phone" => trimmed
            .chars()
            .filter(|character| character.is_ascii_digit() || *character == '+')
            .collect(),
        _ => trimmed.to_owned(),
    });
    sha256(normalised.expose().as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.iter_mut()
        .zip(digest::digest(&digest::SHA256, bytes).as_ref())
        .for_each(|(to, from)| *to = *from);
    hash
}
