//! The schema of attributes, checked: what a profile may hold, from where, for how long, and how each value is kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SpanFieldwise, Timestamp};
use serde::{Deserialize, Serialize};

use super::key::{AttributeKey, AttributeNumber, SourceKey, SourceNumber};
use crate::data_map::{IdentifierKind, ValueKind};
use crate::identity::{IdentifierRule, IdentityRules};

/// What a profile may hold. Made by [`Schema::check`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    pub(super) version: u32,
    pub(super) identity: IdentityRules,
    pub(super) sources: BTreeMap<SourceNumber, Source>,
    /// By number.
    pub(super) attributes: Vec<AttributeRule>,
    // Looked up for every attribute of every question.
    pub(super) numbers: HashMap<AttributeKey, AttributeNumber>,
    pub(super) source_numbers: BTreeMap<SourceKey, SourceNumber>,
    pub(super) possible_match: Option<PossibleMatchRule>,
    pub(super) birth_date: Option<AttributeNumber>,
    pub(super) lives_in: Option<LivesIn>,
    pub(super) retired_attributes: Vec<AttributeNumber>,
    pub(super) retired_sources: Vec<SourceNumber>,
    pub(super) keys: Arc<[AttributeKey]>,
    pub(super) plain_keys: Arc<[AttributeKey]>,
}

/// Which attributes say where a subject lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LivesIn {
    /// The country.
    pub country: Option<AttributeNumber>,
    /// The state of the United States.
    pub region: Option<AttributeNumber>,
}

/// Where attributes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its key.
    pub key: SourceKey,
    /// Its name for people.
    pub title: String,
    /// The identifier by which a record is found again; without it nothing can be written.
    pub record: Option<AttributeNumber>,
    /// Identifiers whose values it has proven, unless it says otherwise of one.
    pub proves: BTreeSet<AttributeNumber>,
}

/// Which attributes together make an operator look whether two subjects are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PossibleMatchRule {
    /// What makes the name.
    pub name: Vec<AttributeNumber>,
    /// The birth date.
    pub birth_date: AttributeNumber,
    /// What makes the address.
    pub address: Vec<AttributeNumber>,
}

/// What is declared of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeRule {
    /// Its number, in sealed bodies.
    pub number: AttributeNumber,
    /// Its key.
    pub key: AttributeKey,
    /// Its name for people.
    pub title: String,
    /// What kind of value it holds.
    pub kind: ValueKind,
    /// Its data category.
    pub category: String,
    /// How carefully it is kept.
    pub sensitivity: Sensitivity,
    /// With which others it is sealed.
    pub segment: Segment,
    /// Its sources, the most trusted first; never empty.
    pub sources: Vec<SourceNumber>,
    /// Which of several values counts.
    pub prefer: Preference,
    /// How long a value is kept; `None` as long as the profile.
    pub retention: Option<AttributeRetention>,
    /// Whether it tells who somebody is.
    pub identifies: bool,
    /// Set when it finds a subject.
    pub identifier: Option<IdentifierUse>,
}

/// How carefully an attribute is kept.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// A name, an address, a preference.
    #[default]
    Basic,
    /// A card number, a government id, health: a segment of its own, and every look recorded before it happens.
    Sensitive,
    /// A JSON document such as a purchase history.
    Unstructured,
}

/// A part of a profile that is sealed and opened as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// Name, language, and whatever says nothing else.
    Core,
    /// How to reach the subject.
    Contact,
    /// What is sensitive.
    Sensitive,
    /// What the subject likes and chose.
    Preferences,
    /// Documents: purchases, visits.
    Events,
}

/// Which of several values of one attribute counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preference {
    /// The most trusted source's; the newest of those.
    #[default]
    Precedence,
    /// The newest; of equally new ones the most trusted source's.
    Recency,
}

/// How long a value is kept after it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeRetention {
    /// How long, as it was written: a year is not 365 days.
    pub keep_for: SpanFieldwise,
    /// Why, in words.
    pub because: String,
}

/// How an attribute finds a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierUse {
    /// Which identifier it is.
    pub kind: IdentifierKind,
    /// How it is brought to one form.
    pub rule: IdentifierRule,
    /// Whether pages and apps name her by it, as a pseudonym or a device.
    pub pseudonym: bool,
}

impl Segment {
    /// All segments.
    pub const ALL: [Self; 5] = [
        Self::Core,
        Self::Contact,
        Self::Sensitive,
        Self::Preferences,
        Self::Events,
    ];

    /// The stable text: part of what sealed bytes are bound to.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Contact => "contact",
            Self::Sensitive => "sensitive",
            Self::Preferences => "preferences",
            Self::Events => "events",
        }
    }

    /// The segment with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|segment| segment.text() == text)
    }
}

impl Schema {
    /// Its version.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// How subjects are told to be the same.
    pub const fn identity(&self) -> &IdentityRules {
        &self.identity
    }

    /// Which attributes together make a possible match.
    pub const fn possible_match(&self) -> Option<&PossibleMatchRule> {
        self.possible_match.as_ref()
    }

    /// The attribute that holds the birth date, by which is known who may consent; `None` where the business keeps none.
    pub fn birth_date(&self) -> Option<&AttributeRule> {
        self.attribute(self.birth_date?)
    }

    /// Which attributes say where a subject lives; `None` where the business keeps none.
    pub const fn lives_in(&self) -> Option<LivesIn> {
        self.lives_in
    }

    /// The attributes that say which law protects a subject, and how old she is.
    pub fn describing(&self) -> impl Iterator<Item = &AttributeRule> {
        let lives_in = self.lives_in.unwrap_or_default();
        let numbers = [lives_in.country, lives_in.region, self.birth_date];
        numbers
            .into_iter()
            .flatten()
            .filter_map(|number| self.attribute(number))
    }

    /// All sources, by number.
    pub fn sources(&self) -> impl Iterator<Item = (SourceNumber, &Source)> {
        self.sources
            .iter()
            .map(|(number, source)| (*number, source))
    }

    /// All attributes, by number.
    pub fn attributes(&self) -> impl Iterator<Item = &AttributeRule> {
        self.attributes.iter()
    }

    /// The keys of all attributes, by number.
    pub const fn keys(&self) -> &Arc<[AttributeKey]> {
        &self.keys
    }

    /// The keys of all attributes that are not sensitive, by number.
    pub const fn plain_keys(&self) -> &Arc<[AttributeKey]> {
        &self.plain_keys
    }

    /// The attribute with a number.
    pub fn attribute(&self, number: AttributeNumber) -> Option<&AttributeRule> {
        // Numbers are given from 1 on, and few are ever retired.
        let usual = self.attributes.get(usize::from(number.0).wrapping_sub(1));
        usual.filter(|rule| rule.number == number).or_else(|| {
            let by_number = |rule: &AttributeRule| rule.number;
            let found = self.attributes.binary_search_by_key(&number, by_number);
            self.attributes.get(found.ok()?)
        })
    }

    /// The attribute with a key.
    pub fn attribute_of(&self, key: &str) -> Option<&AttributeRule> {
        self.attribute(*self.numbers.get(key)?)
    }

    /// Whether records are compared by an attribute: it finds a subject, or is part of what makes a possible match.
    pub fn is_compared(&self, attribute: AttributeNumber) -> bool {
        let rule = self.attribute(attribute);
        rule.is_some_and(|rule| rule.identifier.is_some())
            || self.possible_match.as_ref().is_some_and(|rule| {
                rule.birth_date == attribute
                    || rule.name.contains(&attribute)
                    || rule.address.contains(&attribute)
            })
    }

    /// The source with a number.
    pub fn source(&self, number: SourceNumber) -> Option<&Source> {
        self.sources.get(&number)
    }

    /// The identifier by which a value surely names a subject: one that links subjects, and that was proven or is the key of its source's
    /// records. `None` for everything else.
    pub fn sure_identifier(
        &self,
        attribute: AttributeNumber,
        source: SourceNumber,
        verified: bool,
    ) -> Option<&IdentifierKind> {
        let kind = &self.attribute(attribute)?.identifier.as_ref()?.kind;
        let links = self
            .identity
            .kinds
            .get(kind)
            .is_some_and(|rule| rule.unique);
        let is_key = self.source(source)?.record == Some(attribute);
        (links && (verified || is_key)).then_some(kind)
    }

    /// The number of a source.
    pub fn source_of(&self, key: &str) -> Option<SourceNumber> {
        self.source_numbers.get(key).copied()
    }
}

impl AttributeRule {
    /// Place of a source among the attribute's own, 0 being the most trusted; whatever is not declared comes last.
    pub fn rank(&self, source: SourceNumber) -> usize {
        let place = self.sources.iter().position(|known| *known == source);
        place.unwrap_or(self.sources.len())
    }

    /// When a value's time is over; `None` when it is kept as long as the profile. A span too long to count never ends.
    pub fn expires(&self, observed_at: Timestamp) -> Option<Timestamp> {
        let retention = self.retention.as_ref()?;
        // In UTC, since a value has no place: years and months need a calendar, not a time zone.
        let end = observed_at
            .to_zoned(TimeZone::UTC)
            .checked_add(retention.keep_for.0);
        end.ok().map(|end| end.timestamp())
    }
}
