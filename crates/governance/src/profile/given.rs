//! Records as a source gives them, checked one by one: a bad one is refused with its reason and without its values, the rest goes on.

use domain::data_map::IdentifierKind;
use domain::identity::{IdentifierTag, InvalidIdentifier, normalise};
use domain::profile::{
    AttributeKey, AttributeNumber, AttributeRule, AttributeValue, Confidence, InvalidValue, Schema,
    Source, SourceNumber, canonical_value, loosely,
};
use domain::sensitive::Sensitive;
use enforcement::vault::IndexKeys;
use jiff::Timestamp;

use crate::Problem;

/// What a source says of one of its records.
#[derive(Clone, Default)]
pub struct GivenRecord {
    /// Its values, by attribute.
    pub values: Vec<(AttributeNumber, GivenValue)>,
    /// When they were seen there; the present moment if nobody says.
    pub observed_at: Option<Timestamp>,
}

/// What a source says of one attribute.
#[derive(Clone)]
pub struct GivenValue {
    /// The value; `None` takes out what the source said before.
    pub value: Option<Sensitive<String>>,
    /// Whether it was proven; what the schema says of the source where nothing is said.
    pub verified: Option<bool>,
    /// How sure the source is.
    pub confidence: Confidence,
}

impl From<Sensitive<String>> for GivenValue {
    fn from(value: Sensitive<String>) -> Self {
        Self {
            value: Some(value),
            verified: None,
            confidence: Confidence::FULL,
        }
    }
}

/// Why a record was refused. Names attributes, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Without it the record could not be found again.
    #[error("`{0}`, by which records of this source are found, is missing")]
    NoKey(AttributeKey),
    /// The key is no identifier of its kind.
    #[error("`{attribute}`: {reason}")]
    Key {
        /// The attribute that is the record's key.
        attribute: AttributeKey,
        /// What is wrong.
        reason: InvalidIdentifier,
    },
    /// A value that is not of its attribute's kind.
    #[error("`{attribute}`: {reason}")]
    Value {
        /// The attribute.
        attribute: AttributeKey,
        /// What is wrong.
        reason: InvalidValue,
    },
    /// The schema does not know it.
    #[error("the schema has no attribute with number {}", .0.0)]
    UnknownAttribute(AttributeNumber),
    /// The attribute comes from other sources.
    #[error(
        "`{0}` does not come from this source; add it to the attribute's `sources` in the schema"
    )]
    OtherSource(AttributeKey),
    /// She was forgotten; what is on the suppression list must not be collected again.
    #[error(
        "`{}` is on the suppression list: this subject was forgotten; only when she comes back by herself may she be kept again", .0.0
    )]
    Suppressed(IdentifierKind),
    /// The record could not be read at all.
    #[error("{0}")]
    Unreadable(String),
}

/// A record that may be written.
pub(super) struct CheckedRecord {
    /// Its place among those given.
    pub(super) position: usize,
    /// The tags of its key in every version of the index key, the present one first.
    pub(super) key_tags: Vec<(u32, IdentifierTag)>,
    /// Values to set, by attribute and none twice, and attributes whose values to take out.
    pub(super) set: Vec<(AttributeNumber, AttributeValue)>,
    pub(super) remove: Vec<AttributeNumber>,
}

/// What records of one source are checked by.
pub(super) struct Checker<'a> {
    schema: &'a Schema,
    keys: &'a IndexKeys,
    number: SourceNumber,
    source: &'a Source,
    record: &'a AttributeRule,
    now: Timestamp,
}

impl<'a> Checker<'a> {
    /// # Errors
    /// [`Problem`] when the schema has no such source, or does not say how its records are found.
    pub(super) fn new(
        schema: &'a Schema,
        keys: &'a IndexKeys,
        number: SourceNumber,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let source = schema
            .source(number)
            .ok_or_else(|| Problem::invalid("source", "the schema has no such source"))?;
        let record = source.record.and_then(|record| schema.attribute(record));
        let record = record.ok_or_else(|| {
            let words = format!("the schema does not say how records of `{}` are found again; set `record` of that source", source.key);
            Problem::invalid("source", words)
        })?;
        Ok(Self {
            schema,
            keys,
            number,
            source,
            record,
            now,
        })
    }

    pub(super) fn check(
        &self,
        position: usize,
        given: GivenRecord,
    ) -> Result<CheckedRecord, Refusal> {
        let observed_at = given.observed_at.unwrap_or(self.now);
        let (mut set, mut remove) = (Vec::with_capacity(given.values.len()), Vec::new());
        for (number, value) in given.values {
            let rule = self.rule(number)?;
            match value.value.filter(|text| !is_blank(text)) {
                None => remove.push(number),
                Some(text) => {
                    let text =
                        canonical_value(rule.kind, text).map_err(|reason| Refusal::Value {
                            attribute: rule.key.clone(),
                            reason,
                        })?;
                    let verified = value
                        .verified
                        .unwrap_or_else(|| self.source.proves.contains(&number));
                    let value = AttributeValue {
                        value: text,
                        source: self.number,
                        observed_at,
                        confidence: value.confidence,
                        verified,
                    };
                    put(&mut set, number, value);
                }
            }
        }
        Ok(CheckedRecord {
            position,
            key_tags: self.key_tags(&set)?,
            set,
            remove,
        })
    }

    fn rule(&self, number: AttributeNumber) -> Result<&'a AttributeRule, Refusal> {
        let rule = self
            .schema
            .attribute(number)
            .ok_or(Refusal::UnknownAttribute(number))?;
        if rule.sources.contains(&self.number) {
            Ok(rule)
        } else {
            Err(Refusal::OtherSource(rule.key.clone()))
        }
    }

    /// The tags of a record of which nothing but its key in the source is told; none where that is no key.
    pub(super) fn tags_of_key(&self, text: &Sensitive<String>) -> Vec<IdentifierTag> {
        let value = GivenValue {
            value: Some(loosely(self.record.kind, text)),
            verified: None,
            confidence: Confidence::FULL,
        };
        let given = GivenRecord {
            values: vec![(self.record.number, value)],
            observed_at: None,
        };
        let checked = self.check(0, given);
        let tags = checked.map(|record| record.key_tags).unwrap_or_default();
        tags.into_iter().map(|(_, tag)| tag).collect()
    }

    fn key_tags(
        &self,
        set: &[(AttributeNumber, AttributeValue)],
    ) -> Result<Vec<(u32, IdentifierTag)>, Refusal> {
        let missing = || Refusal::NoKey(self.record.key.clone());
        let used = self.record.identifier.as_ref().ok_or_else(missing)?;
        let value = set.iter().find(|(number, _)| *number == self.record.number);
        let (_, value) = value.ok_or_else(missing)?;
        let country = self.schema.identity().default_country;
        let normal =
            normalise(used.rule, &value.value, country).map_err(|reason| Refusal::Key {
                attribute: self.record.key.clone(),
                reason,
            })?;
        let keys = self.keys.of_kind(&used.kind);
        Ok(keys.map(|key| (key.version(), key.tag(&normal))).collect())
    }
}

/// Sets the value of an attribute in the place of the one before, in order: nearly always behind all others.
pub(super) fn put(
    set: &mut Vec<(AttributeNumber, AttributeValue)>,
    number: AttributeNumber,
    value: AttributeValue,
) {
    match set.binary_search_by_key(&number, |(known, _)| *known) {
        Ok(found) => {
            if let Some((_, known)) = set.get_mut(found) {
                *known = value;
            }
        }
        Err(free) => set.insert(free, (number, value)),
    }
}

/// Whether a text says nothing: an empty cell of a table.
#[expect(
    clippy::disallowed_methods,
    reason = "looked at for nothing but whether there is anything"
)]
fn is_blank(text: &Sensitive<String>) -> bool {
    text.expose().trim().is_empty()
}
