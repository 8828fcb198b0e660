//! Recipients: whoever gets personal data from the business, in which role, and how they are told to stop or to delete.
//!
//! Law: Cal. Civ. Code 1798.105(c)(1), (3); 11 CCR 7022(b)-(c), 7026(f), 7051(c), 7053.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::data_map::{IdentifierKind, RecipientKey};

/// A recipient of personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Its key.
    pub key: RecipientKey,
    /// Its name for people, subjects included.
    pub title: String,
    /// What it is to the business, as declared.
    pub role: RecipientRole,
    /// Whether its contract has every term that the law asks for; without one a service provider counts as a third party.
    pub contract_compliant: bool,
    /// Data categories that it gets.
    pub categories: BTreeSet<String>,
    /// Why it gets them, in words.
    pub purpose: String,
    /// Whether data is sold to it (for money or anything of value).
    pub sold: bool,
    /// Whether data is shared with it for cross-context behavioural advertising.
    pub shared: bool,
    /// What the business gets for data that is sold or shared, in its own words.
    pub consideration: Option<String>,
    /// How it is told.
    pub channel: ChannelKind,
    /// Identifiers by which it knows the subject; only these are sent to it.
    pub known_by: Vec<IdentifierKind>,
    /// How far an outreach must be proven before the privacy request can be fulfilled.
    pub required_level: VerificationLevel,
    /// Days after which a reminder goes out, and after which an operator is called.
    pub reminders: ReminderRule,
    /// Subjects that it may ask about in a minute, on each node.
    pub subjects_a_minute: NonZeroU32,
}

impl Recipient {
    /// What `subjects_a_minute` is if left out: a thousand a second.
    pub const SUBJECTS_A_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(59_999);

    /// The role that counts in law: 11 CCR 7051(c) makes a service provider or contractor without a compliant contract a third party.
    pub const fn effective_role(&self) -> RecipientRole {
        match self.role {
            RecipientRole::ServiceProvider | RecipientRole::Contractor
                if !self.contract_compliant =>
            {
                RecipientRole::ThirdParty
            }
            role => role,
        }
    }
}

/// What a recipient is to the business (facts.md 1.4, `recipient_role`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientRole {
    /// An application of the business itself.
    Internal,
    /// Works for the business under a written contract.
    ServiceProvider,
    /// As a service provider, and certifies that it understands.
    Contractor,
    /// Everybody else.
    ThirdParty,
}

/// How a recipient is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// A webhook signed by Standard Webhooks.
    Webhook,
    /// OpenDSR 2.0.
    Opendsr,
    /// An e-mail with a link to a page where the recipient answers.
    Email,
}

impl ChannelKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Opendsr, Self::Email];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Opendsr => "opendsr",
            Self::Email => "email",
        }
    }
}

/// How far an outreach is proven. The order is that of strength: *sent is never done*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationLevel {
    /// Nothing has gone out yet.
    None,
    /// We sent it.
    Sent,
    /// The other side's machine took it.
    Delivered,
    /// The other side said that it has it.
    Acknowledged,
    /// A person there stated the outcome.
    Attested,
    /// The outcome came with a signature that we verified.
    Signed,
    /// We asked again afterwards and the data was gone.
    Probed,
}

impl VerificationLevel {
    /// All levels, the weakest first.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Sent,
        Self::Delivered,
        Self::Acknowledged,
        Self::Attested,
        Self::Signed,
        Self::Probed,
    ];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Acknowledged => "acknowledged",
            Self::Attested => "attested",
            Self::Signed => "signed",
            Self::Probed => "probed",
        }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

/// When a silent recipient is reminded, and when an operator is told. In whole days after sending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReminderRule {
    /// Days after which a reminder goes out.
    pub remind_after_days: Vec<u16>,
    /// Days after which an operator is called.
    pub escalate_after_days: u16,
}

impl Default for ReminderRule {
    fn default() -> Self {
        Self {
            remind_after_days: vec![3, 7],
            escalate_after_days: 10,
        }
    }
}
