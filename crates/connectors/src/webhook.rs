//! Recipients told by a webhook that is signed by the Standard Webhooks scheme.

use std::sync::Arc;

use domain::data_map::RecipientKey;
use domain::sensitive::Sensitive;
use domain::time::Clock;
use serde::Deserialize;

use crate::channel::ChannelError;

/// How one recipient is reached by webhook.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where it takes messages; `https://`.
    pub url: String,
    /// Shared secrets, `whsec_` and base64. Messages are signed with each of them, so that a secret can be changed without a gap.
    pub secrets: Vec<Sensitive<String>>,
    /// Where we may ask, afterwards, whether it still holds data about hashed identifiers.
    #[serde(default)]
    pub probe_url: Option<String>,
    /// How long one call may take.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: std::num::NonZeroU32,
    /// Allows this machine as the destination, over `http://` too. For demonstrations and tests.
    #[serde(default)]
    pub allow_loopback: bool,
    /// Certificates (PEM) of the authority that signs the recipient's certificate, where it isn't a public one.
    #[serde(default)]
    pub trusted_ca: Option<String>,
}

const fn default_timeout_seconds() -> std::num::NonZeroU32 {
    std::num::NonZeroU32::MIN.saturating_add(29)
}

/// Tells a recipient by webhook.
pub struct WebhookChannel {
    recipient: RecipientKey,
    config: WebhookConfig,
    clock: Arc<dyn Clock>,
}

impl WebhookChannel {
    /// A channel to `recipient`; refuses a configuration that can't work.
    pub fn new(recipient: RecipientKey, config: WebhookConfig, clock: Arc<dyn Clock>) -> Result<Self, ChannelError> {
        Ok(Self { recipient, config, clock })
    }
}
