//! What every kind of recipient's channel can do: tell it, ask how far it is, and verify what it answers.

use async_trait::async_trait;
use domain::data_map::{IdentifierKind, RecipientKey};
use domain::id::{OutreachId, RequestId};
use domain::outreach::{Answer, OutreachAction};
use domain::recipient::VerificationLevel;
use domain::sensitive::Sensitive;

/// Reaches one recipient.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Tells the recipient. Repeating it with the same outreach id must not make it do the work twice.
    async fn send(&self, notification: &Notification) -> Result<Delivery, ChannelError>;

    /// Reminds the recipient of what it was told.
    async fn remind(&self, notification: &Notification) -> Result<Delivery, ChannelError>;

    /// Asks the recipient's system how far it is; `None` where the channel has no such question.
    async fn poll(
        &self,
        outreach: OutreachId,
        external_id: &str,
    ) -> Result<Option<Delivery>, ChannelError>;

    /// Asks, after the recipient said it is done, whether the data is gone; `None` where it offers no such question.
    async fn probe(&self, notification: &Notification) -> Result<Option<bool>, ChannelError>;

    /// Verifies a message that claims to come from the recipient and reads its answer.
    async fn verify_answer(&self, message: &ReceivedAnswer)
    -> Result<VerifiedAnswer, ChannelError>;
}

/// What a recipient is told.
pub struct Notification {
    /// The outreach; the idempotency key towards the recipient.
    pub outreach: OutreachId,
    /// The privacy request.
    pub request: RequestId,
    /// A UUID v4 for protocols that want one (OpenDSR `subject_request_id`); stable for the outreach.
    pub external_id: String,
    /// What it is to do.
    pub action: OutreachAction,
    /// The law in force, e.g. `ccpa`.
    pub law: String,
    /// The business's name.
    pub business: String,
    /// Identifiers by which this recipient knows the subject, and no others.
    pub identifiers: Vec<(IdentifierKind, Sensitive<String>)>,
    /// What it got of the subject: names, and no values.
    pub received: Vec<ReceivedData>,
    /// By when.
    pub due: Option<jiff::civil::Date>,
    /// When the privacy request came in.
    pub submitted_at: jiff::Timestamp,
    /// Where the recipient's answer goes: the page without account (e-mail) or the callback URL.
    pub answer_url: Sensitive<String>,
}

/// Something that a recipient got, by its name. An attribute stands in the ledger of disclosures; where only a data category is named, the
/// data map says that the recipient gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedData {
    /// Key of the attribute, if the ledger names one.
    pub attribute: Option<String>,
    /// Key of the data category, e.g. `user.contact.email`, if it is known.
    pub category: Option<String>,
    /// In words.
    pub title: String,
}

/// What came of telling or asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How far this proves it.
    pub level: VerificationLevel,
    /// An answer, where the recipient gave one at once.
    pub answer: Option<Answer>,
    /// The recipient's own id for it.
    pub external_id: Option<String>,
}

/// A message that claims to come from a recipient.
pub struct ReceivedAnswer {
    /// Header names in lower case, and their values.
    pub headers: Vec<(String, String)>,
    /// The raw body, as signed.
    pub body: Sensitive<Vec<u8>>,
    /// Our URL that it was sent to.
    pub url: String,
    /// When it came.
    pub received_at: jiff::Timestamp,
}

/// An answer whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAnswer {
    /// The id under which the recipient knows the outreach (its own or ours).
    pub external_id: String,
    /// What it says, if it says that it has ended.
    pub answer: Option<Answer>,
    /// How far this proves it.
    pub level: VerificationLevel,
    /// SHA-256 of the signed body, for the audit log.
    pub body_hash: [u8; 32],
}

/// What went wrong with a recipient. Never holds a value or a secret.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Not reached; later may help.
    #[error("`{recipient}` can't be reached: {reason}")]
    Unreachable {
        /// Whom.
        recipient: RecipientKey,
        /// Why and what to do.
        reason: String,
    },
    /// It refuses for good.
    #[error("`{recipient}` refuses: {reason}")]
    Refused {
        /// Who.
        recipient: RecipientKey,
        /// Why and what to do.
        reason: String,
    },
    /// A message that nothing shows to be the recipient's: it isn't signed, or by somebody who may not speak for it.
    #[error("a message that claims to come from `{recipient}` is refused: {reason}")]
    NotAuthentic {
        /// From whom it claims to come.
        recipient: RecipientKey,
        /// What is wrong with it.
        reason: String,
    },
    /// A message in the recipient's name that isn't what it signed, or that it signed for another address.
    #[error("a message of `{recipient}` is refused: {reason}")]
    Forged {
        /// In whose name.
        recipient: RecipientKey,
        /// What is wrong with it.
        reason: String,
    },
    /// A message that can't be understood.
    #[error("a message of `{recipient}` can't be read: {reason}")]
    Unreadable {
        /// Whose.
        recipient: RecipientKey,
        /// What is wrong with it.
        reason: String,
    },
}

impl ChannelError {
    /// Whether trying again later, unchanged, can help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

pub use domain::recipient::ChannelKind;

/// The parts that make channels of the data map's recipients; see [`crate::webhook`], [`crate::opendsr`], [`crate::email`].
pub type Channels = std::collections::BTreeMap<RecipientKey, std::sync::Arc<dyn Channel>>;
