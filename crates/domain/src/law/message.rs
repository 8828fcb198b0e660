//! What a message must contain, by law, right and occasion (11 CCR 7021-7028 and others): whatever lacks it must not be sent.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::row::Confidence;

/// The file `messages.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageFile {
    /// All messages.
    pub messages: Vec<Message>,
}

/// A message whose content the law prescribes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its key, e.g. `delete_denied`.
    pub message: String,
    /// Who gets it: `consumer`, `service_provider`, `contractor`, `third_party`.
    pub to: Vec<String>,
    /// The laws under which it holds.
    pub laws: Vec<String>,
    /// The rights that it belongs to; all of the law when empty.
    #[serde(default)]
    pub rights: Vec<String>,
    /// What the program writes that has to carry its fields; empty while the program sends no such message.
    #[serde(default)]
    pub occasions: Vec<Occasion>,
    /// It holds only where something is denied for this code of `reasons.yaml`.
    #[serde(default)]
    pub reason: Option<String>,
    /// The row that says by when, if there is one.
    #[serde(default)]
    pub within: Option<String>,
    /// What it must contain.
    pub fields: Vec<String>,
    /// Where it stands.
    #[serde(default)]
    pub citation: String,
    /// How far it was checked.
    pub confidence: Confidence,
    /// Keys of `sources.yaml`.
    #[serde(default)]
    pub source: Option<String>,
    /// When somebody last looked at it.
    pub reviewed_on: Date,
    /// A remark for the next reader.
    #[serde(default)]
    pub note: Option<String>,
}

/// Why the program writes to somebody. One letter may have several: a deletion with something kept is `deleted` and `kept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A privacy request came in.
    Receipt,
    /// Nobody showed who asks, and the time for it is over.
    Unverified,
    /// The answer to a request to know is ready.
    Answered,
    /// Data was deleted.
    Deleted,
    /// Some of it stays, with a reason.
    Kept,
    /// A recipient that should have been told could not be.
    Untold,
    /// Sale and sharing were stopped.
    OptedOut,
    /// The whole privacy request is denied.
    Denied,
    /// It takes longer.
    Extended,
    /// A service provider or contractor is told what to do.
    ProcessorTold,
    /// A third party is told what to do.
    ThirdPartyTold,
}

impl Occasion {
    /// All occasions.
    pub const ALL: [Self; 11] = [
        Self::Receipt,
        Self::Unverified,
        Self::Answered,
        Self::Deleted,
        Self::Kept,
        Self::Untold,
        Self::OptedOut,
        Self::Denied,
        Self::Extended,
        Self::ProcessorTold,
        Self::ThirdPartyTold,
    ];
}

impl Message {
    /// Whether what is written on one of these occasions has to carry its fields; keys of the law and of its right, and the code for
    /// which something is denied.
    pub fn governs(
        &self,
        law: &str,
        right: &str,
        reason: Option<&str>,
        occasions: &[Occasion],
    ) -> bool {
        let has = |list: &[String], key: &str| list.iter().any(|item| item == key);
        has(&self.laws, law)
            && (self.rights.is_empty() || has(&self.rights, right))
            && occasions
                .iter()
                .any(|occasion| self.occasions.contains(occasion))
            && self
                .reason
                .as_deref()
                .is_none_or(|code| reason == Some(code))
    }

    /// The mandatory fields that are not among `given`; a message with any of them must not be sent.
    pub fn missing<'a>(&'a self, given: &[&str]) -> Vec<&'a str> {
        self.fields
            .iter()
            .map(String::as_str)
            .filter(|field| !given.contains(field))
            .collect()
    }
}

/// The file `regulators.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegulatorFile {
    /// All of them.
    pub regulators: Vec<Regulator>,
}

/// Where a subject complains.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regulator {
    /// Its key, e.g. `virginia_attorney_general`.
    pub regulator: String,
    /// The laws that it enforces.
    pub laws: Vec<String>,
    /// Its name, as it stands after "the".
    pub name: String,
    /// Where one complains, if an address is known.
    #[serde(default)]
    pub url: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub citation: String,
    /// How far it was checked.
    pub confidence: Confidence,
    /// Keys of `sources.yaml`.
    #[serde(default)]
    pub source: Option<String>,
    /// When somebody last looked at it.
    pub reviewed_on: Date,
}
