//! Notices: published, versioned texts that subjects are shown, with a digest of each exact text, so that what was shown can be proven.
//!
//! Law: Civ. Code 1798.100(a), 1798.130(a)(5); 11 CCR 7003, 7012-7016; GDPR Art. 7(1), 13.

mod check;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::audit::Hash;
use crate::purpose_of_use::PurposeKey;

/// Key of a notice, e.g. `newsletter`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct NoticeKey(Arc<str>);

impl From<String> for NoticeKey {
    fn from(key: String) -> Self {
        Self(key.into())
    }
}
impl From<&str> for NoticeKey {
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}
impl From<NoticeKey> for String {
    fn from(key: NoticeKey) -> Self {
        key.0.as_ref().to_owned()
    }
}
impl AsRef<str> for NoticeKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for NoticeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for NoticeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a notice is in law. Each has a row in law/messages.yaml that says what it must contain, but the last two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// At or before collection (11 CCR 7012).
    AtCollection,
    /// Of the right to opt out of sale and sharing (11 CCR 7013).
    RightToOptOut,
    /// Of the right to limit sensitive personal information (11 CCR 7014).
    RightToLimit,
    /// Of a financial incentive (11 CCR 7016).
    FinancialIncentive,
    /// The text beside a question for consent.
    Consent,
    /// The privacy policy (11 CCR 7011).
    PrivacyPolicy,
}

impl NoticeKind {
    /// Key of the row of law/messages.yaml with what it must contain.
    pub const fn contents_row(self) -> Option<&'static str> {
        match self {
            Self::AtCollection => Some("notice_at_collection"),
            Self::RightToOptOut => Some("notice_right_to_opt_out"),
            Self::RightToLimit => Some("notice_right_to_limit"),
            Self::FinancialIncentive => Some("notice_financial_incentive"),
            Self::Consent | Self::PrivacyPolicy => None,
        }
    }
}

/// The way in which something is told, collected or chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// A page in a browser.
    Web,
    /// An app.
    App,
    /// An e-mail.
    Email,
    /// A call.
    Phone,
    /// A form on paper.
    Paper,
    /// Face to face.
    InPerson,
    /// A device that is neither, e.g. a television.
    Device,
}

impl Way {
    /// The word used in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::App => "app",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Paper => "paper",
            Self::InPerson => "in_person",
            Self::Device => "device",
        }
    }
}

/// The file of notices as the business writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeFile {
    /// Every version of every notice.
    pub notices: Vec<NoticeText>,
}

/// One version of a notice as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeText {
    /// Its key.
    pub notice: NoticeKey,
    /// Its version, from 1.
    pub version: u32,
    /// What it is in law.
    pub kind: NoticeKind,
    /// From when on it is shown.
    pub published_from: Timestamp,
    /// The purposes of use that it explains.
    pub purposes: Vec<PurposeKey>,
    /// How it is told.
    pub told_by: Vec<Way>,
    /// What the text contains, in the words of law/messages.yaml, as its author affirms.
    #[serde(default)]
    pub contains: Vec<String>,
    /// The exact text, by language.
    pub texts: BTreeMap<String, Text>,
}

/// The words of a notice in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Its heading.
    pub title: String,
    /// The whole text below it.
    pub body: String,
}

/// One version of a notice, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its key.
    pub key: NoticeKey,
    /// Its version.
    pub version: u32,
    /// What it is in law.
    pub kind: NoticeKind,
    /// From when on it is shown.
    pub published_from: Timestamp,
    /// The purposes of use that it explains.
    pub purposes: BTreeSet<PurposeKey>,
    /// How it is told.
    pub told_by: BTreeSet<Way>,
    texts: BTreeMap<String, (Text, Hash)>,
}

impl Notice {
    /// The text in exactly that language.
    pub fn text(&self, language: &str) -> Option<&Text> {
        self.texts.get(language).map(|(text, _)| text)
    }

    /// All languages that it is written in.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// What a consent that was given after this text has to say about it.
    pub fn shown_in(&self, language: &str) -> Option<Shown> {
        let (_, digest) = self.texts.get(language)?;
        Some(Shown {
            notice: self.key.clone(),
            version: self.version,
            language: language.to_owned(),
            digest: *digest,
        })
    }
}

/// What somebody was shown: which notice, in which version and language, and the SHA-256 of its exact text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The notice.
    pub notice: NoticeKey,
    /// Its version.
    pub version: u32,
    /// The language.
    pub language: String,
    /// [`digest`] of the text.
    pub digest: Hash,
}

/// SHA-256 of a notice's exact text. Each part goes in behind its length, so that no two texts run into one.
pub fn digest(key: &NoticeKey, version: u32, language: &str, text: &Text) -> Hash {
    let mut hasher = Sha256::new();
    let version = version.to_string();
    let parts = [
        "privity notice 1",
        key.as_ref(),
        &version,
        language,
        &text.title,
        &text.body,
    ];
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    Hash(hasher.finalize().into())
}

/// All notices in all their versions, checked.
#[derive(Clone, Debug, Default)]
pub struct NoticeBook {
    notices: BTreeMap<(NoticeKey, u32), Notice>,
}

/// What somebody is said to have been shown isn't what was published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// No such notice, version or language.
    #[error(
        "no notice `{notice}` was published as version {version} in `{language}`; send what the notice endpoint answered"
    )]
    Unknown {
        /// The notice.
        notice: NoticeKey,
        /// Its version.
        version: u32,
        /// The language.
        language: String,
    },
    /// The text was another.
    #[error(
        "the digest is not that of notice `{notice}` version {version} in `{language}`: another text was shown, or it was changed \
         without a new version"
    )]
    OtherText {
        /// The notice.
        notice: NoticeKey,
        /// Its version.
        version: u32,
        /// The language.
        language: String,
    },
    /// It wasn't out yet.
    #[error("notice `{notice}` version {version} was not published before {published_from}")]
    NotYet {
        /// The notice.
        notice: NoticeKey,
        /// Its version.
        version: u32,
        /// From when on it is shown.
        published_from: Timestamp,
    },
}

impl NoticeBook {
    /// The version of a notice that is shown at that moment.
    pub fn in_force(&self, key: &NoticeKey, at: Timestamp) -> Option<&Notice> {
        let versions = self
            .notices
            .range((key.clone(), 0)..=(key.clone(), u32::MAX));
        versions
            .map(|(_, notice)| notice)
            .rfind(|notice| notice.published_from <= at)
    }

    /// All versions of all notices.
    pub fn iter(&self) -> impl Iterator<Item = &Notice> {
        self.notices.values()
    }

    /// The notice that somebody was shown at that moment, proven by the digest of its text.
    ///
    /// # Errors
    /// No such text was published then.
    pub fn prove(&self, shown: &Shown, at: Timestamp) -> Result<&Notice, NotShown> {
        let (notice, version) = (shown.notice.clone(), shown.version);
        let language = shown.language.clone();
        let found = self.notices.get(&(notice.clone(), version));
        let found = found.and_then(|found| Some((found, &found.texts.get(&language)?.1)));
        let Some((found, digest)) = found else {
            return Err(NotShown::Unknown {
                notice,
                version,
                language,
            });
        };
        if *digest != shown.digest {
            return Err(NotShown::OtherText {
                notice,
                version,
                language,
            });
        }
        if at < found.published_from {
            return Err(NotShown::NotYet {
                notice,
                version,
                published_from: found.published_from,
            });
        }
        Ok(found)
    }

    /// Whether a notice of that kind was out at that moment: what was collected before the notice of the right to opt out is not
    /// sold without consent (11 CCR 7013(h)).
    pub fn was_posted(&self, kind: NoticeKind, at: Timestamp) -> bool {
        self.iter()
            .any(|notice| notice.kind == kind && notice.published_from <= at)
    }
}
