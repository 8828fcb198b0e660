//! Recipients told by OpenDSR 2.0 (formerly OpenGDPR), whose answers are signed with a certificate.
//!
//! OpenDSR knows access, portability and erasure, and no opt-out. An opt-out is sent only to a processor whose discovery lists
//! a request type `opt_out`, agreed upon beforehand; dressed up as another type it could make the processor do the wrong thing.

mod certificate;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::data_map::{IdentifierKind, RecipientKey};
use domain::id::OutreachId;
use domain::outreach::{Answer, OutreachAction};
use domain::recipient::VerificationLevel;
use domain::sensitive::Sensitive;
use domain::time::Clock;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::channel::{
    Channel, ChannelError, Delivery, Notification, ReceivedAnswer, VerifiedAnswer,
};
use crate::http::outbound::{Destinations, Exchange, exchange};
use crate::webhook::{hashed, sha256};
use certificate::{Chain, Fault, Trust};

const MOST_BYTES: usize = 1024 * 1024;

/// How long a processor's certificate is kept before it is looked up again.
const CERTIFICATE_SECONDS: i64 = 3600;

/// The least time between two look-ups, so that bad callbacks can't make us ask the processor again and again.
const LOOK_UP_SECONDS: i64 = 60;

/// How one processor is reached by OpenDSR 2.0.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpendsrConfig {
    /// Where its API begins, with the major version first: `https://processor.example/v2`.
    pub url: String,
    /// Domains by which the processor may sign. Its certificate must name the domain.
    pub domains: Vec<String>,
    /// Authorities (PEM) that may have issued the certificate with which the processor signs; trusted for TLS as well.
    #[serde(default)]
    pub trusted_ca: Option<String>,
    /// The certificate (PEM) with which the processor signs, when it was handed over instead of looked up and traced to an
    /// authority. One of the two is needed.
    #[serde(default)]
    pub pinned_certificate: Option<String>,
    /// Sent as `Authorization: Bearer …`, where the processor asks for it.
    #[serde(default)]
    pub bearer: Option<Sensitive<String>>,
    /// Which of our identifiers goes as which OpenDSR identity type, e.g. `customer_number: controller_customer_id`; `email`
    /// goes as `email`.
    #[serde(default)]
    pub identity_types: BTreeMap<String, String>,
    /// The domain under which an opt-out is repeated in `extensions`, for processors that take opt-outs.
    #[serde(default)]
    pub opt_out_extension: Option<String>,
    /// How long one call may take.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: NonZeroU32,
    /// Allows this machine as the destination, over `http://` too. For demonstrations and tests.
    #[serde(default)]
    pub allow_loopback: bool,
}

const fn default_timeout_seconds() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(29)
}

/// Tells a processor by OpenDSR.
pub struct OpendsrChannel {
    recipient: RecipientKey,
    config: OpendsrConfig,
    base: String,
    /// `requests`, or what version 1 called it.
    requests: &'static str,
    destinations: Destinations,
    client: Client,
    trust: Trust,
    certificate: Mutex<Option<(Timestamp, Chain)>>,
    clock: Arc<dyn Clock>,
}

/// What a processor says about itself.
#[derive(Deserialize)]
struct Discovery {
    supported_identities: Vec<SupportedIdentity>,
    supported_subject_request_types: Vec<String>,
    processor_certificate: String,
}

#[derive(Deserialize)]
struct SupportedIdentity {
    identity_type: String,
    identity_format: String,
}

/// What we read of a processor's answers. `encoded_request`, which repeats the subject's identifiers, is never read into
/// anything: the specification forbids keeping it.
#[derive(Deserialize)]
struct Status {
    subject_request_id: String,
    #[serde(default)]
    request_status: Option<String>,
    #[serde(default)]
    status_callback_url: Option<String>,
}

impl OpendsrChannel {
    /// A channel to `recipient`; refuses a configuration that can't work.
    pub fn new(
        recipient: RecipientKey,
        config: OpendsrConfig,
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
        let version = major_version(&url).ok_or_else(|| {
            wrong(
                "`url` must name the major version first, as in `https://processor.example/v2`"
                    .to_owned(),
            )
        })?;
        if config.domains.is_empty() {
            return Err(wrong(
                "`domains` must name the domain by which the processor signs".to_owned(),
            ));
        }
        let trust = match (&config.pinned_certificate, &config.trusted_ca) {
            (Some(pem), _) => Trust::pinned(pem),
            (None, Some(pem)) => Trust::authorities(pem),
            (None, None) => Err("set `trusted_ca` to the authority that issued the processor's certificate, or `pinned_certificate` to the certificate itself".to_owned()),
        };
        let timeout = Duration::from_secs(u64::from(config.timeout_seconds.get()));
        Ok(Self {
            base: url.as_str().trim_end_matches('/').to_owned(),
            requests: if version == 1 {
                "opengdpr_requests"
            } else {
                "requests"
            },
            client: destinations
                .client(timeout, config.trusted_ca.as_deref())
                .map_err(&wrong)?,
            trust: trust.map_err(&wrong)?,
            certificate: Mutex::new(None),
            recipient,
            config,
            destinations,
            clock,
        })
    }

    fn refused(&self, reason: impl Into<String>) -> ChannelError {
        ChannelError::Refused {
            recipient: self.recipient.clone(),
            reason: reason.into(),
        }
    }

    fn unreachable(&self, reason: String) -> ChannelError {
        ChannelError::Unreachable {
            recipient: self.recipient.clone(),
            reason,
        }
    }

    fn unreadable(&self, reason: &str) -> ChannelError {
        ChannelError::Unreadable {
            recipient: self.recipient.clone(),
            reason: reason.to_owned(),
        }
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Exchange, ChannelError> {
        let request = match &self.config.bearer {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        };
        let answer = exchange(request.header(ACCEPT, "application/json"), MOST_BYTES)
            .await
            .map_err(|error| self.unreachable(error.reason(MOST_BYTES)))?;
        if answer.is_transient() {
            return Err(self.unreachable(format!("it answered {}", answer.status.as_u16())));
        }
        Ok(answer)
    }

    async fn discover(&self) -> Result<Discovery, ChannelError> {
        let answer = self
            .exchange(self.client.get(format!("{}/discovery", self.base)))
            .await?;
        if !answer.status.is_success() {
            return Err(self.refused(format!(
                "its discovery answered {}; check `url`",
                answer.status.as_u16()
            )));
        }
        answer.json().ok_or_else(|| self.unreadable("its discovery lacks `supported_identities`, `supported_subject_request_types` or `processor_certificate`"))
    }

    /// The certificate to verify with; looked up again when `renew` is set and the last look-up isn't too fresh. Says whether it was.
    async fn certificate(&self, renew: bool) -> Result<(Chain, bool), ChannelError> {
        if let Some(pinned) = self.trust.known() {
            return Ok((pinned, false));
        }
        let mut kept = self.certificate.lock().await;
        let now = self.clock.now();
        if let Some((at, chain)) = kept.as_ref() {
            let age = now.as_second().saturating_sub(at.as_second());
            if age
                < if renew {
                    LOOK_UP_SECONDS
                } else {
                    CERTIFICATE_SECONDS
                }
            {
                return Ok((chain.clone(), false));
            }
        }
        let url = self.discover().await?.processor_certificate;
        let url = self
            .destinations
            .parse(&url)
            .map_err(|reason| self.refused(format!("`processor_certificate`: {reason}")))?;
        // Without our credentials: the certificate is public, and may be somewhere else.
        let answer = exchange(self.client.get(url), MOST_BYTES)
            .await
            .map_err(|error| self.unreachable(error.reason(MOST_BYTES)))?;
        if !answer.status.is_success() {
            return Err(self.unreachable(format!(
                "its certificate's address answered {}",
                answer.status.as_u16()
            )));
        }
        let chain = Chain::read(answer.body.expose()).map_err(|reason| self.unreadable(&reason))?;
        *kept = Some((now, chain.clone()));
        Ok((chain, true))
    }

    /// Verifies a signed body. The allow-list comes first, so that strangers can't make us look anything up.
    async fn verify(
        &self,
        domain: Option<&str>,
        signature: Option<&str>,
        body: &[u8],
    ) -> Result<(), ChannelError> {
        let refused = |reason: &str| ChannelError::NotAuthentic {
            recipient: self.recipient.clone(),
            reason: reason.to_owned(),
        };
        let (Some(domain), Some(signature)) = (domain, signature) else {
            return Err(refused(
                "its headers `X-OpenDSR-Processor-Domain` and `X-OpenDSR-Signature` are missing",
            ));
        };
        if !self
            .config
            .domains
            .iter()
            .any(|known| known.eq_ignore_ascii_case(domain))
        {
            return Err(refused("it comes from a domain that isn't in `domains`"));
        }
        let (chain, fresh) = self.certificate(false).await.map_err(unverifiable)?;
        let now = self.clock.now();
        let Err(fault) = self.trust.verify(&chain, domain, now, body, signature) else {
            return Ok(());
        };
        // The processor may have changed its certificate since we looked.
        if fresh {
            return Err(self.not_believed(&fault));
        }
        let (chain, _) = self.certificate(true).await.map_err(unverifiable)?;
        self.trust
            .verify(&chain, domain, now, body, signature)
            .map_err(|fault| self.not_believed(&fault))
    }

    fn not_believed(&self, fault: &Fault) -> ChannelError {
        let recipient = self.recipient.clone();
        match fault {
            Fault::Certificate(reason) => ChannelError::NotAuthentic {
                recipient,
                reason: (*reason).to_owned(),
            },
            Fault::Signature(reason) => ChannelError::Forged {
                recipient,
                reason: (*reason).to_owned(),
            },
        }
    }

    async fn is_signed(&self, answer: &Exchange) -> bool {
        let header = |names: [&str; 2]| names.into_iter().find_map(|name| answer.header(name));
        self.verify(header(DOMAIN), header(SIGNATURE), answer.body.expose())
            .await
            .is_ok()
    }

    async fn submit(&self, notification: &Notification) -> Result<Delivery, ChannelError> {
        let discovery = self.discover().await?;
        let body = Sensitive::new(
            self.request(notification, &discovery)?
                .to_string()
                .into_bytes(),
        );
        let request = self
            .client
            .post(format!("{}/{}", self.base, self.requests))
            .header(CONTENT_TYPE, "application/json")
            .body(body.expose().clone());
        let answer = self.exchange(request).await?;
        if !answer.status.is_success() {
            return self.repeated(notification, answer.status).await;
        }
        let status: Status = answer
            .json()
            .ok_or_else(|| self.unreadable("its answer lacks `subject_request_id`"))?;
        if status.subject_request_id != notification.external_id {
            return Err(self.unreadable("its answer is about another `subject_request_id`"));
        }
        let level = if self.is_signed(&answer).await {
            VerificationLevel::Acknowledged
        } else {
            VerificationLevel::Delivered
        };
        Ok(Delivery {
            level,
            answer: None,
            external_id: Some(notification.external_id.clone()),
        })
    }

    /// A request that the processor doesn't take may be one that it has taken before.
    async fn repeated(
        &self,
        notification: &Notification,
        status: StatusCode,
    ) -> Result<Delivery, ChannelError> {
        if let Ok(Some(delivery)) = self.status(&notification.external_id).await {
            return Ok(delivery);
        }
        Err(self.refused(format!(
            "it answered {} to the request; check `url`, `bearer` and `identity_types`",
            status.as_u16()
        )))
    }

    /// The state of a request; `None` when the processor doesn't know it.
    async fn status(&self, external_id: &str) -> Result<Option<Delivery>, ChannelError> {
        self.check_external_id(external_id)?;
        let answer = self
            .exchange(
                self.client
                    .get(format!("{}/{}/{external_id}", self.base, self.requests)),
            )
            .await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(self.refused(format!(
                "it answered {} when asked for the request's status",
                answer.status.as_u16()
            )));
        }
        let status: Status = answer.json().ok_or_else(|| {
            self.unreadable("its answer lacks `subject_request_id` and `request_status`")
        })?;
        if status.subject_request_id != external_id {
            return Err(self.unreadable("its answer is about another `subject_request_id`"));
        }
        let outcome = self.outcome(status.request_status.as_deref())?;
        let level = if outcome.is_some() && self.is_signed(&answer).await {
            VerificationLevel::Signed
        } else {
            VerificationLevel::Acknowledged
        };
        Ok(Some(Delivery {
            level,
            answer: outcome,
            external_id: Some(external_id.to_owned()),
        }))
    }

    /// A cancelled request is not an outcome but a reason to call an operator.
    fn outcome(&self, status: Option<&str>) -> Result<Option<Answer>, ChannelError> {
        match status {
            Some("completed") => Ok(Some(Answer::Done)),
            Some("pending" | "in_progress") => Ok(None),
            Some("cancelled") => {
                Err(self.refused("it cancelled the request; ask why, and tell it again"))
            }
            _ => Err(self.unreadable(
                "`request_status` must be `pending`, `in_progress`, `completed` or `cancelled`",
            )),
        }
    }

    fn request(
        &self,
        notification: &Notification,
        discovery: &Discovery,
    ) -> Result<Value, ChannelError> {
        self.check_external_id(&notification.external_id)?;
        let regulation = match notification.law.as_str() {
            "gdpr" | "uk_gdpr" => "gdpr",
            "ccpa" | "cpra" => "ccpa",
            _ => {
                return Err(self
                    .refused("OpenDSR knows only `gdpr` and `ccpa`; tell it by another channel"));
            }
        };
        let kind = match notification.action {
            OutreachAction::Delete => "erasure",
            OutreachAction::OptOut => "opt_out",
        };
        if !discovery
            .supported_subject_request_types
            .iter()
            .any(|supported| supported == kind)
        {
            return Err(self.refused(format!(
                "it doesn't take requests of type `{kind}`; tell it by another channel"
            )));
        }
        let mut request = json!({
            "regulation": regulation,
            "subject_request_id": notification.external_id,
            "subject_request_type": kind,
            "submitted_time": notification.submitted_at.to_string(),
            "subject_identities": self.identities(notification, discovery)?,
            "api_version": "2.0",
            "status_callback_urls": [notification.answer_url.expose()],
        });
        let extension = self
            .config
            .opt_out_extension
            .as_ref()
            .filter(|_| notification.action == OutreachAction::OptOut);
        if let (Some(domain), Some(members)) = (extension, request.as_object_mut()) {
            members.insert(
                "extensions".to_owned(),
                json!({ domain: { "opt_out_of_sale_and_sharing": true } }),
            );
        }
        Ok(request)
    }

    /// The identifiers by which the processor knows the subject, as they are where it takes them so: two sides that normalise
    /// differently before they hash would miss each other.
    fn identities(
        &self,
        notification: &Notification,
        discovery: &Discovery,
    ) -> Result<Vec<Value>, ChannelError> {
        let identity = |(kind, value): &(IdentifierKind, Sensitive<String>)| {
            let name = self
                .config
                .identity_types
                .get(&kind.0)
                .map(String::as_str)
                .or_else(|| (kind.0 == "email").then_some("email"))?;
            let takes = |format: &str| {
                discovery.supported_identities.iter().any(|supported| {
                    supported.identity_type == name && supported.identity_format == format
                })
            };
            let (value, format) = match (takes("raw"), takes("sha256")) {
                (true, _) => (value.expose().clone(), "raw"),
                (false, true) => (hashed(kind, value), "sha256"),
                (false, false) => return None,
            };
            Some(
                json!({ "identity_type": name, "identity_value": value, "identity_format": format }),
            )
        };
        let identities: Vec<Value> = notification
            .identifiers
            .iter()
            .filter_map(identity)
            .collect();
        if identities.is_empty() {
            return Err(self.refused("it takes none of the identifiers by which it should know the subject; check `known_by` and `identity_types`"));
        }
        Ok(identities)
    }

    fn check_external_id(&self, external_id: &str) -> Result<(), ChannelError> {
        let is_v4 = uuid::Uuid::try_parse(external_id).is_ok_and(|id| {
            id.get_version_num() == 4 && id.hyphenated().to_string() == external_id
        });
        if is_v4 {
            Ok(())
        } else {
            Err(self.unreadable("`subject_request_id` must be a UUID v4 in lower case"))
        }
    }
}

/// Header names, the present one and that of version 1, which must be honoured still (section 10.1).
const DOMAIN: [&str; 2] = ["x-opendsr-processor-domain", "x-opengdpr-processor-domain"];
const SIGNATURE: [&str; 2] = ["x-opendsr-signature", "x-opengdpr-signature"];

fn major_version(url: &Url) -> Option<u32> {
    url.path_segments()?.next()?.strip_prefix('v')?.parse().ok()
}

/// Whatever keeps us from the certificate says nothing about the message; it may be sent again.
fn unverifiable(error: ChannelError) -> ChannelError {
    match error {
        ChannelError::Refused { recipient, reason }
        | ChannelError::Unreadable { recipient, reason } => {
            ChannelError::Unreachable { recipient, reason }
        }
        other => other,
    }
}

#[async_trait]
impl Channel for OpendsrChannel {
    async fn send(&self, notification: &Notification) -> Result<Delivery, ChannelError> {
        self.submit(notification).await
    }

    /// OpenDSR has no reminder: the processor is asked for the status, and told again if it has lost the request.
    async fn remind(&self, notification: &Notification) -> Result<Delivery, ChannelError> {
        match self.status(&notification.external_id).await? {
            Some(delivery) => Ok(delivery),
            None => self.submit(notification).await,
        }
    }

    async fn poll(
        &self,
        _outreach: OutreachId,
        external_id: &str,
    ) -> Result<Option<Delivery>, ChannelError> {
        match self.status(external_id).await? {
            Some(delivery) => Ok(Some(delivery)),
            None => Err(self.refused("it doesn't know the request; tell it again")),
        }
    }

    async fn probe(&self, _notification: &Notification) -> Result<Option<bool>, ChannelError> {
        Ok(None)
    }

    async fn verify_answer(
        &self,
        message: &ReceivedAnswer,
    ) -> Result<VerifiedAnswer, ChannelError> {
        let header = |names: [&str; 2]| {
            names.into_iter().find_map(|name| {
                message
                    .headers
                    .iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| value.as_str())
            })
        };
        let body = message.body.expose();
        self.verify(header(DOMAIN), header(SIGNATURE), body).await?;
        let status: Status = serde_json::from_slice(body)
            .map_err(|_| self.unreadable("it needs `subject_request_id` and `request_status`"))?;
        let same = |url: &String| {
            Url::parse(url)
                .ok()
                .zip(Url::parse(&message.url).ok())
                .is_some_and(|(theirs, ours)| theirs == ours)
        };
        if !status.status_callback_url.as_ref().is_some_and(same) {
            let reason =
                "its `status_callback_url` is not the address that it was sent to".to_owned();
            return Err(ChannelError::Forged {
                recipient: self.recipient.clone(),
                reason,
            });
        }
        self.check_external_id(&status.subject_request_id)?;
        let answer = self.outcome(status.request_status.as_deref())?;
        let level = if answer.is_some() {
            VerificationLevel::Signed
        } else {
            VerificationLevel::Acknowledged
        };
        Ok(VerifiedAnswer {
            external_id: status.subject_request_id,
            answer,
            level,
            body_hash: sha256(body),
        })
    }
}
