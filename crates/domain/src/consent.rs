//! Consent: a subject's recorded choice for a purpose of use, and the pure fold that says what her history of choices allows today.
//!
//! A history is a list of [`ConsentEvent`]s that is only ever added to. [`standing`] reads it; its rules are written down there.
//! Law: Civ. Code 1798.120, 1798.121, 1798.135(c), 1798.140(h); 11 CCR 7004, 7025-7028, 7070-7072; GDPR Art. 4(11), 7, 8.

mod age;
mod check;
mod judge;
mod offer;
mod regime;
mod standing;
mod terms;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use age::{Age, BirthDate};
pub(crate) use age::{Turns, day_of};
pub use check::InvalidConsent;
pub use offer::{Button, MissingWay, Offer, OptOutWay, OptOutWays, Says, UnfairOffer};
pub use standing::{
    AskAgain, Conflict, Facts, Question, Reason, Standing, depends_on_age, standing,
};
pub use terms::Terms;

use crate::data_map::RecipientKey;
use crate::id::{Id, Noun, SubjectId};
use crate::notice::{Shown, Way};
use crate::purpose_of_use::{PurposeKey, UseKind};
use crate::signal::Signal;

/// One recorded choice.
#[derive(Clone, Copy, Debug)]
pub struct Consent;
impl Noun for Consent {
    const PREFIX: &'static str = "cns";
}
/// Id of one recorded choice.
pub type ConsentId = Id<Consent>;

/// A keyed hash in place of an identifier (a device id, a cookie, a pseudonymous id): says nothing, compares equal. Text form: 32
/// hexadecimal digits, so that no value can be passed for one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; 16]);

/// A text that is no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a tag; it should be 32 lower-case hexadecimal digits")]
pub struct InvalidTag;

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(is_hex) {
            return Err(InvalidTag);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| InvalidTag)?;
        Ok(Self(number.to_be_bytes()))
    }
}
impl Serialize for Tag {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Key of an attribute of a profile to which a choice is narrowed, e.g. `purchase_history`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct AttributeKey(Arc<str>);

impl From<String> for AttributeKey {
    fn from(key: String) -> Self {
        Self(key.into())
    }
}
impl From<&str> for AttributeKey {
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}
impl From<AttributeKey> for String {
    fn from(key: AttributeKey) -> Self {
        key.0.as_ref().to_owned()
    }
}
impl AsRef<str> for AttributeKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for AttributeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One choice, as it was made. Holds no personal value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentEvent {
    /// Its id.
    pub id: ConsentId,
    /// For whom it holds.
    pub party: Party,
    /// What it is about.
    pub scope: Scope,
    /// What was chosen.
    pub act: Act,
    /// When.
    pub at: Timestamp,
    /// Who chose.
    pub by: By,
    /// How it reached the business.
    pub how: How,
    /// Where: the key of a site, an app or a desk of the business, e.g. `shop_checkout`.
    pub place: String,
}

/// For whom a choice holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// A known subject.
    Subject(SubjectId),
    /// Somebody under a pseudonym, e.g. a cookie's profile.
    Pseudonym(Tag),
    /// Whoever uses a browser or a device.
    Device(Tag),
}

/// What a choice is about. Narrower with each name that it gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The purpose, or every purpose with certain uses.
    pub of: Matter,
    /// Only for this recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<RecipientKey>,
    /// Only for these attributes; for all when empty. Each counts as if it stood alone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub attributes: BTreeSet<AttributeKey>,
}

impl Scope {
    /// A whole purpose, for every recipient and attribute.
    pub fn purpose(key: impl Into<PurposeKey>) -> Self {
        Self {
            of: Matter::Purpose(key.into()),
            recipient: None,
            attributes: BTreeSet::new(),
        }
    }

    /// Every purpose with one of these uses.
    pub fn every(kinds: impl IntoIterator<Item = UseKind>) -> Self {
        Self {
            of: Matter::Every(kinds.into_iter().collect()),
            recipient: None,
            attributes: BTreeSet::new(),
        }
    }
}

/// The purpose of a choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matter {
    /// One purpose by name.
    Purpose(PurposeKey),
    /// Every purpose with one of these uses, also one declared later: an opt-out of sale and sharing. A consent never has it, since a
    /// consent is for a particular purpose (Civ. Code 1798.140(h); GDPR Art. 6(1)(a)).
    Every(BTreeSet<UseKind>),
}

/// What was chosen. A no asks for nothing that a yes doesn't ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "chosen", rename_all = "snake_case")]
pub enum Act {
    /// Yes.
    Given(Assent),
    /// Yes, after an opt-out (11 CCR 7028).
    OptedInAgain(Assent),
    /// No, when asked.
    Refused {
        /// What was shown, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown: Option<Shown>,
    },
    /// No longer.
    Withdrawn {
        /// What was shown, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown: Option<Shown>,
    },
    /// No, without having been asked.
    OptedOut {
        /// What was shown, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown: Option<Shown>,
    },
}

impl Act {
    /// The yes in it.
    pub const fn assent(&self) -> Option<&Assent> {
        match self {
            Self::Given(assent) | Self::OptedInAgain(assent) => Some(assent),
            Self::Refused { .. } | Self::Withdrawn { .. } | Self::OptedOut { .. } => None,
        }
    }

    /// What was shown.
    pub const fn shown(&self) -> Option<&Shown> {
        match self {
            Self::Given(assent) | Self::OptedInAgain(assent) => Some(&assent.shown),
            Self::Refused { shown } | Self::Withdrawn { shown } | Self::OptedOut { shown } => {
                shown.as_ref()
            }
        }
    }

    /// The stable word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Given(_) => "given",
            Self::OptedInAgain(_) => "opted_in_again",
            Self::Refused { .. } => "refused",
            Self::Withdrawn { .. } => "withdrawn",
            Self::OptedOut { .. } => "opted_out",
        }
    }
}

/// What makes a yes count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assent {
    /// What was shown.
    pub shown: Shown,
    /// In how many steps it was said.
    pub steps: Steps,
    /// The device whose opt-out signal was there, when the subject was told of the conflict and consented in its face (11 CCR 7025(c)(3)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub despite_signal_of: Option<Tag>,
    /// When it ends by itself, if earlier than the purpose says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// In how many steps a yes was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Steps {
    /// Said.
    One,
    /// Said, then confirmed separately.
    Two,
}

/// Who chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The subject, or whoever uses the device.
    Subject,
    /// A parent or guardian of a child.
    Guardian {
        /// How that was shown; a no needs none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<GuardianProof>,
    },
    /// An authorized agent. May say no for the subject; yes only with a power of attorney (Civ. Code 1798.140(h)).
    Agent {
        /// Whether the agent holds one.
        #[serde(default)]
        power_of_attorney: bool,
    },
    /// An opt-out preference signal. Only ever says no.
    Signal {
        /// Which.
        signal: Signal,
        /// The device that sent it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<Tag>,
    },
}

/// How somebody was shown to be a child's parent or guardian (11 CCR 7070(a)(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardianProof {
    /// A form, signed under penalty of perjury.
    SignedForm,
    /// A card payment that tells the holder of each.
    CardPayment,
    /// A call to trained staff.
    Call,
    /// A video conference with trained staff.
    Video,
    /// Face to face with trained staff.
    InPerson,
    /// An identity document that was checked and then deleted.
    GovernmentId,
}

impl GuardianProof {
    /// All proofs.
    pub const ALL: [Self; 6] = [
        Self::SignedForm,
        Self::CardPayment,
        Self::Call,
        Self::Video,
        Self::InPerson,
        Self::GovernmentId,
    ];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedForm => "signed_form",
            Self::CardPayment => "card_payment",
            Self::Call => "call",
            Self::Video => "video",
            Self::InPerson => "in_person",
            Self::GovernmentId => "government_id",
        }
    }
}

/// How a choice reached the business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// By the subject's own action, that way.
    Told(Way),
    /// Through an application of the business.
    Api,
    /// In the request of a browser.
    Header,
    /// With data that came from elsewhere, e.g. an acquired business; a no stays a no (Civ. Code 1798.120 as amended by AB 1824).
    Imported,
}
