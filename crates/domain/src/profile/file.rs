//! The schema of attributes as a business writes it, before anything in it is checked.

use serde::Deserialize;

use super::from_source::SyncText;
use super::schema::{Preference, Segment, Sensitivity};
use crate::data_map::ValueKind;
use crate::identity::IdentifierRule;
use crate::scim::ScimText;

/// The file `profile.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaFile {
    /// Grows with every change; sealed segments are bound to the version that they were sealed under.
    pub version: u32,
    /// How subjects are told to be the same.
    #[serde(default)]
    pub identity: IdentityText,
    /// The attribute that holds the birth date, by which is known who may consent; that of `possible_match` where nothing is said.
    #[serde(default)]
    pub birth_date: Option<String>,
    /// Which attributes say where she lives, by which is known what law protects her; the business's own law where nothing is said.
    #[serde(default)]
    pub lives_in: Option<LivesInText>,
    /// Where attributes come from; where an attribute names none of its own, this order is their precedence.
    pub sources: Vec<SourceText>,
    /// What a profile may hold.
    pub attributes: Vec<AttributeText>,
    /// From which collections of source systems profiles are filled.
    #[serde(default)]
    pub sync: Vec<SyncText>,
    /// How SCIM clients fill profiles; not at all where nothing is said.
    #[serde(default)]
    pub scim: Option<ScimText>,
    /// Numbers of attributes that were removed; never given again.
    #[serde(default)]
    pub retired_attributes: Vec<u16>,
    /// Numbers of sources that were removed; never given again.
    #[serde(default)]
    pub retired_sources: Vec<u16>,
}

/// Which attributes say where a subject lives, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivesInText {
    /// The attribute with the country: an ISO 3166 code or an English name.
    #[serde(default)]
    pub country: Option<String>,
    /// The attribute with the state of the United States.
    #[serde(default)]
    pub region: Option<String>,
}

/// Rules of identity resolution as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityText {
    /// Country of phone numbers that are written without one, e.g. `US`.
    #[serde(default)]
    pub default_country: Option<String>,
    /// An identifier that more subjects than this have links nobody; 10 where nothing is said.
    #[serde(default)]
    pub most_subjects: Option<u32>,
    /// Which attributes together make an operator look whether two subjects are one.
    #[serde(default)]
    pub possible_match: Option<PossibleMatchText>,
}

/// Attributes of a possible match as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PossibleMatchText {
    /// Attributes that make the name, e.g. `[first_name, last_name]`.
    pub name: Vec<String>,
    /// The attribute that holds the birth date.
    pub birth_date: String,
    /// Attributes that make the address, e.g. `[street, postcode]`.
    pub address: Vec<String>,
}

/// A source as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceText {
    /// Its key.
    pub source: String,
    /// Its number.
    pub number: u16,
    /// Its name for people.
    pub title: String,
    /// The identifier by which a record of the source is found again, e.g. `customer_number`; without it nothing can be written.
    #[serde(default)]
    pub record: Option<String>,
    /// Identifiers that the source has proven: it sent a code there, or gives the number out itself.
    #[serde(default)]
    pub proves: Vec<String>,
}

/// An attribute as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeText {
    /// Its key.
    pub attribute: String,
    /// Its number.
    pub number: u16,
    /// Its name for people.
    pub title: String,
    /// What kind of value it holds.
    #[serde(default)]
    pub kind: ValueKind,
    /// Its data category, a key of law/categories.yaml.
    pub category: String,
    /// How carefully it is kept.
    #[serde(default)]
    pub sensitivity: Sensitivity,
    /// With which others it is sealed; follows from the sensitivity where nothing is said.
    #[serde(default)]
    pub segment: Option<Segment>,
    /// Its sources, the most trusted first; all of the file's where empty.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Which of several values counts.
    #[serde(default)]
    pub prefer: Preference,
    /// How long a value is kept.
    #[serde(default)]
    pub retention: Option<RetentionText>,
    /// Whether it tells who somebody is (a name, a birth date), even if it finds nobody by itself.
    #[serde(default)]
    pub identifies: bool,
    /// Set when it finds a subject.
    #[serde(default)]
    pub identifier: Option<IdentifierText>,
}

/// A retention rule as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionText {
    /// How long after it was observed, e.g. `3 years`.
    pub keep_for: String,
    /// Why, in words that the subject may read.
    pub because: String,
}

/// How an attribute finds a subject, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentifierText {
    /// Which identifier it is, e.g. `email`; the attribute's own key where nothing is said.
    #[serde(default)]
    pub kind: Option<String>,
    /// How it is brought to one form.
    pub rule: IdentifierRule,
    /// Whether two records with the same verified one are about the same subject.
    #[serde(default)]
    pub unique: bool,
    /// Whether pages and apps name her by it, as a `pseudonym` or a `device`: what is chosen under it then holds for her at once.
    #[serde(default)]
    pub pseudonym: bool,
    /// Whether nobody has two of them, so that two different ones prove two subjects.
    #[serde(default)]
    pub one_per_subject: bool,
}
