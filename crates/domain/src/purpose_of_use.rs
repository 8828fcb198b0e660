//! Purposes of use: why the business uses data, as it declares it, and what a subject may choose about each.
//!
//! Not [`crate::disclosure::Purpose`], which says why Privity itself opens something. Law: Civ. Code 1798.100(a), 1798.120, 1798.121,
//! 1798.125(b); 11 CCR 7002, 7027; GDPR Art. 6.

mod check;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audit::Detail;
use crate::data_map::RecipientKey;
use crate::notice::{NoticeKey, Way};
use crate::wording::Wording;

/// Key of a purpose of use, e.g. `marketing_email`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct PurposeKey(Arc<str>);

impl From<String> for PurposeKey {
    fn from(key: String) -> Self {
        Self(key.into())
    }
}
impl From<&str> for PurposeKey {
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}
impl From<PurposeKey> for Detail {
    fn from(key: PurposeKey) -> Self {
        Self::Key(key.0)
    }
}
impl From<PurposeKey> for String {
    fn from(key: PurposeKey) -> Self {
        key.0.as_ref().to_owned()
    }
}
impl AsRef<str> for PurposeKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for PurposeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for PurposeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a law looks at in a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UseKind {
    /// Made available to a third party for money or anything of value (Civ. Code 1798.140(ad)).
    Sale,
    /// Made available for cross-context behavioural advertising (Civ. Code 1798.140(ah)).
    Sharing,
    /// Targeted advertising, as the other states call it.
    TargetedAdvertising,
    /// Sensitive data used beyond what the subject expects (Civ. Code 1798.121; 11 CCR 7027(m)).
    Sensitive,
    /// Part of a financial incentive such as a loyalty programme (Civ. Code 1798.125(b)).
    Incentive,
}

impl UseKind {
    /// Whether an opt-out of sale and sharing, by form or by signal, reaches it, and a minor is protected from it.
    pub const fn is_sale_like(self) -> bool {
        matches!(self, Self::Sale | Self::Sharing | Self::TargetedAdvertising)
    }
}

/// What a subject may choose about a purpose; the order is that of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Nothing: the use is needed for what the subject asked for, or the law demands it.
    None,
    /// Used until the subject opts out.
    OptOut,
    /// Used only after the subject consented.
    OptIn,
}

/// The file of purposes as the business writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeFile {
    /// Purposes by key.
    pub purposes: BTreeMap<String, PurposeText>,
}

/// One purpose as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeText {
    /// Its name, by language.
    pub title: Wording,
    /// What happens, in a sentence or two, by language.
    pub description: Wording,
    /// Data categories that are used (keys of law/categories.yaml).
    pub categories: Vec<String>,
    /// What the law looks at in it.
    #[serde(default)]
    pub uses: Vec<UseKind>,
    /// What a subject may choose where `choice_under` names no law of hers; consent, when nothing is said.
    #[serde(default = "opt_in")]
    pub choice: Choice,
    /// What a subject may choose under a law, by the law's key.
    #[serde(default)]
    pub choice_under: BTreeMap<String, Choice>,
    /// Recipients that get the data for it.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// After so many months a consent ends and is asked for anew.
    #[serde(default)]
    pub consent_lasts_months: Option<u16>,
    /// The notice that a consent rests on.
    #[serde(default)]
    pub notice: Option<NoticeNeeded>,
    /// How its data is collected.
    #[serde(default)]
    pub collected_by: Vec<Way>,
    /// Its term in the Data Privacy Vocabulary, for records, e.g. `DirectMarketing`.
    #[serde(default)]
    pub dpv: Option<String>,
}

/// The notice that a consent must rest on. A version that changes what was agreed to is named here, and older consents stop counting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeNeeded {
    /// Its key.
    pub key: NoticeKey,
    /// The oldest version that still says what happens.
    pub from_version: u32,
}

const fn opt_in() -> Choice {
    Choice::OptIn
}

/// A checked purpose of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurposeOfUse {
    /// Its key.
    pub key: PurposeKey,
    /// Its name.
    pub title: Wording,
    /// What happens.
    pub description: Wording,
    /// Data categories that are used.
    pub categories: BTreeSet<String>,
    /// Keys of sensitive personal information among them (law/categories.yaml), e.g. `precise_geolocation`.
    pub sensitive: BTreeSet<String>,
    /// What the law looks at in it.
    pub uses: BTreeSet<UseKind>,
    /// What a subject may choose where no law of hers is in `choice_under`.
    pub choice: Choice,
    /// What a subject may choose, by law.
    pub choice_under: BTreeMap<String, Choice>,
    /// Recipients that get the data for it.
    pub recipients: BTreeSet<RecipientKey>,
    /// After so many months a consent ends.
    pub consent_lasts_months: Option<u16>,
    /// The notice that a consent rests on.
    pub notice: Option<NoticeNeeded>,
    /// How its data is collected.
    pub collected_by: BTreeSet<Way>,
    /// Its term in the Data Privacy Vocabulary.
    pub dpv: Option<String>,
}

impl PurposeOfUse {
    /// What the business declares for a law, before the law has its say.
    pub fn declared(&self, law: &str) -> Choice {
        self.choice_under.get(law).copied().unwrap_or(self.choice)
    }

    /// Whether an opt-out of sale and sharing reaches it.
    pub fn is_sale_like(&self) -> bool {
        self.uses.iter().any(|kind| kind.is_sale_like())
    }

    /// Whether it uses sensitive data, declared or by its categories.
    pub fn is_sensitive(&self) -> bool {
        self.uses.contains(&UseKind::Sensitive) || !self.sensitive.is_empty()
    }

    /// Whether it is part of a financial incentive.
    pub fn is_incentive(&self) -> bool {
        self.uses.contains(&UseKind::Incentive)
    }
}

/// All purposes of use, checked.
#[derive(Clone, Debug, Default)]
pub struct PurposeBook {
    purposes: BTreeMap<PurposeKey, PurposeOfUse>,
}

impl PurposeBook {
    /// A purpose by key.
    pub fn get(&self, key: &PurposeKey) -> Option<&PurposeOfUse> {
        self.purposes.get(key)
    }

    /// All purposes by key.
    pub fn iter(&self) -> impl Iterator<Item = &PurposeOfUse> {
        self.purposes.values()
    }

    /// Whether the business sells or shares data at all (11 CCR 7025(c)(1), 7013(g): without it a signal asks for nothing).
    pub fn sells_or_shares(&self) -> bool {
        self.iter().any(PurposeOfUse::is_sale_like)
    }
}
