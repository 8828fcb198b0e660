//! A profile on its way out: what a recorded permit allows stays, what it describes becomes a description, the rest is gone.

use std::collections::{BTreeMap, BTreeSet};

use domain::data_map::ValueKind;
use domain::profile::{
    AttributeKey, AttributeNumber, AttributeRule, Candidate, Merged, MergedProfile, Schema,
};
use domain::row::JsonValue;
use domain::sensitive::Sensitive;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::permit::{RecordedPermit, Verdict};
use crate::release::Released;

/// A profile that may be written out. Made by [`release_profile`] alone.
pub struct ReleasedProfile {
    /// In the order of the schema.
    attributes: Vec<(AttributeKey, Released)>,
}

/// Passes a merged profile through a recorded permit. `described` are attributes that are held and whose values never leave, as
/// opening the segments found them. What the permit does not name, and what stands in another subject's record, is dropped.
pub fn release_profile(
    permit: &RecordedPermit,
    schema: &Schema,
    merged: &MergedProfile<'_>,
    described: &BTreeSet<AttributeNumber>,
) -> ReleasedProfile {
    let mut attributes = Vec::with_capacity(merged.attributes().len() + described.len());
    attributes.extend(schema.attributes().filter_map(|rule| {
        let released = match permit.verdict_of(rule.number)? {
            Verdict::Allowed => merged
                .get(rule.number)
                .filter(|one| permit.covers(one.chosen.subject))
                .map(|one| Released::Value(json(rule, &one.chosen.value.value))),
            Verdict::Described { text, .. } => described
                .contains(&rule.number)
                .then(|| Released::Description(text.clone())),
            // What recipients get of a value is made by `RecipientReading` alone.
            Verdict::AgeOnly | Verdict::Null | Verdict::Changed(_) => None,
        };
        Some((rule.key.clone(), released?))
    }));
    ReleasedProfile { attributes }
}

/// A profile with what each source says of each attribute, what counts first. Made by [`release_sources`] alone.
pub struct ReleasedSources {
    attributes: BTreeMap<AttributeKey, ReleasedAttribute>,
}

/// One attribute of it.
pub enum ReleasedAttribute {
    /// What counts, and what else is said.
    Values(ReleasedValue, Vec<ReleasedValue>),
    /// What is held, in words, instead of the value.
    Description(String),
}

/// One value, and who says so.
#[derive(Serialize)]
pub struct ReleasedValue {
    value: Released,
    /// Key of the source.
    pub source: String,
    /// When it was seen there.
    pub observed_at: Timestamp,
    /// Whether it was proven.
    pub verified: bool,
    /// How sure the source is, in percent.
    pub confidence: u8,
    /// Whether it says something else than what counts.
    pub conflicts: bool,
}

/// As [`release_profile`], with every source's value: for whoever has to see where they differ.
pub fn release_sources(
    permit: &RecordedPermit,
    schema: &Schema,
    merged: &MergedProfile<'_>,
    described: &BTreeSet<AttributeNumber>,
) -> ReleasedSources {
    let attributes = schema.attributes().filter_map(|rule| {
        let released = match permit.verdict_of(rule.number)? {
            Verdict::Allowed => merged
                .get(rule.number)
                .and_then(|one| all_values(permit, schema, rule, one)),
            Verdict::Described { text, .. } => described
                .contains(&rule.number)
                .then(|| ReleasedAttribute::Description(text.clone())),
            Verdict::AgeOnly | Verdict::Null | Verdict::Changed(_) => None,
        };
        Some((rule.key.clone(), released?))
    });
    ReleasedSources {
        attributes: attributes.collect(),
    }
}

fn all_values(
    permit: &RecordedPermit,
    schema: &Schema,
    rule: &AttributeRule,
    merged: &Merged<'_>,
) -> Option<ReleasedAttribute> {
    let chosen = &merged.chosen.value.value;
    let value = |candidate: &Candidate<'_>| {
        let value = candidate.value;
        permit.covers(candidate.subject).then(|| ReleasedValue {
            value: Released::Value(json(rule, &value.value)),
            source: schema
                .source(value.source)
                .map(|source| source.key.to_string())
                .unwrap_or_default(),
            observed_at: value.observed_at,
            verified: value.verified,
            confidence: value.confidence.as_percent(),
            conflicts: value.value != *chosen,
        })
    };
    let first = value(&merged.chosen)?;
    let others = merged.others.iter().filter_map(value);
    Some(ReleasedAttribute::Values(first, others.collect()))
}

impl ReleasedSources {
    /// Its attributes by key.
    pub const fn attributes(&self) -> &BTreeMap<AttributeKey, ReleasedAttribute> {
        &self.attributes
    }
}

impl ReleasedValue {
    /// The value as a text for people: texts as they are, others as JSON.
    pub fn text(&self) -> String {
        match &self.value {
            Released::Description(text) => text.clone(),
            Released::Value(value) => match &value.expose().0 {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            },
        }
    }
}

impl Serialize for ReleasedSources {
    /// An object of attributes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.attributes)
    }
}

impl Serialize for ReleasedAttribute {
    /// The value that counts with its source, and `others`; or a `description`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Values<'a> {
            #[serde(flatten)]
            chosen: &'a ReleasedValue,
            others: &'a [ReleasedValue],
        }
        match self {
            Self::Values(chosen, others) => Values { chosen, others }.serialize(serializer),
            Self::Description(text) => serializer.collect_map([("description", text)]),
        }
    }
}

/// The JSON value of a canonical text: numbers that JSON keeps exactly, booleans and documents as themselves, the rest as text.
pub fn json(rule: &AttributeRule, value: &Sensitive<String>) -> Sensitive<JsonValue> {
    let text = value.expose();
    let typed = match rule.kind {
        ValueKind::Integer => text.parse::<i64>().ok().map(Value::from),
        ValueKind::Boolean => text.parse::<bool>().ok().map(Value::from),
        ValueKind::Json => serde_json::from_str(text).ok(),
        _ => None,
    };
    Sensitive::new(JsonValue(
        typed.unwrap_or_else(|| Value::String(text.clone())),
    ))
}

impl ReleasedProfile {
    pub(crate) const fn of(attributes: Vec<(AttributeKey, Released)>) -> Self {
        Self { attributes }
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// Its attributes, in the order of the schema.
    pub fn attributes(&self) -> impl ExactSizeIterator<Item = (&AttributeKey, &Released)> {
        self.attributes
            .iter()
            .map(|(key, released)| (key, released))
    }
}

impl Serialize for ReleasedProfile {
    /// An object of attributes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.attributes())
    }
}
