//! The profile: everything held about one subject in one place, with where each value came from, when, and how sure we are.
//!
//! What a profile may hold is configuration ([`Schema`]); what it does hold is sealed by the vault segment by segment, in the form
//! that [`body`] describes. Several source records of one subject are seen as one through [`merge`]. Decision: docs/decisions/004-vault.md.

pub mod body;
mod check;
mod file;
mod from_source;
mod key;
mod manner;
mod overlap;
mod schema;
mod survivorship;
mod value;

use std::collections::BTreeMap;

pub use file::{
    AttributeText, IdentifierText, IdentityText, LivesInText, PossibleMatchText, RetentionText,
    SchemaFile, SourceText,
};
pub use from_source::{Every, SyncText, loosely, moment_of, text_of};
pub use key::{AttributeKey, AttributeNumber, SourceKey, SourceNumber};
pub use manner::{Manner, coarser, masked};
pub use overlap::{Overlap, seconds};
pub use schema::{
    AttributeRetention, AttributeRule, IdentifierUse, LivesIn, PossibleMatchRule, Preference,
    Schema, Segment, Sensitivity, Source,
};
pub use survivorship::{Candidate, Merged, MergedProfile, merge};
pub use value::{AttributeValue, Confidence, InvalidValue, MAX_VALUE_BYTES, canonical_value};

use crate::id::SubjectId;

/// The values of one subject: of one source record, or of one segment of it. At most one value for each attribute and source.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    subject: SubjectId,
    /// In the order of attribute and source, none twice. Values come in that order nearly always, so that they are put behind the others.
    values: Vec<(AttributeNumber, AttributeValue)>,
}

impl Profile {
    /// A profile without values.
    pub const fn new(subject: SubjectId) -> Self {
        Self {
            subject,
            values: Vec::new(),
        }
    }

    /// A profile without values that has room for so many.
    pub fn with_capacity(subject: SubjectId, values: usize) -> Self {
        Self {
            subject,
            values: Vec::with_capacity(values),
        }
    }

    /// Whose it is.
    pub const fn subject(&self) -> SubjectId {
        self.subject
    }

    /// Sets the value that one source has for an attribute, and gives back the one before.
    pub fn set(
        &mut self,
        attribute: AttributeNumber,
        value: AttributeValue,
    ) -> Option<AttributeValue> {
        let key = (attribute, value.source);
        if self.values.last().is_none_or(|last| place(last) < key) {
            self.values.push((attribute, value));
            return None;
        }
        match self.values.binary_search_by_key(&key, place) {
            Ok(found) => {
                let known = self.values.get_mut(found)?;
                Some(std::mem::replace(&mut known.1, value))
            }
            Err(free) => {
                self.values.insert(free, (attribute, value));
                None
            }
        }
    }

    /// Removes what one source said of an attribute.
    pub fn remove(
        &mut self,
        attribute: AttributeNumber,
        source: SourceNumber,
    ) -> Option<AttributeValue> {
        let found = self
            .values
            .binary_search_by_key(&(attribute, source), place);
        found.ok().map(|found| self.values.remove(found).1)
    }

    /// What one source says of an attribute.
    pub fn get(&self, attribute: AttributeNumber, source: SourceNumber) -> Option<&AttributeValue> {
        let found = self
            .values
            .binary_search_by_key(&(attribute, source), place);
        self.values.get(found.ok()?).map(|(_, value)| value)
    }

    /// All values, by attribute and then by source.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (AttributeNumber, &AttributeValue)> {
        self.values
            .iter()
            .map(|(attribute, value)| (*attribute, value))
    }

    /// The same values by the segment that each is sealed in; what the schema does not know is left out.
    pub fn split(self, schema: &Schema) -> BTreeMap<Segment, Self> {
        let mut segments = BTreeMap::new();
        let most = self.values.len();
        for (attribute, value) in self.values {
            let Some(rule) = schema.attribute(attribute) else {
                continue;
            };
            segments
                .entry(rule.segment)
                .or_insert_with(|| Self {
                    subject: self.subject,
                    values: Vec::with_capacity(most),
                })
                .set(attribute, value);
        }
        segments
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

const fn place(
    (attribute, value): &(AttributeNumber, AttributeValue),
) -> (AttributeNumber, SourceNumber) {
    (*attribute, value.source)
}

impl Extend<(AttributeNumber, AttributeValue)> for Profile {
    fn extend<I: IntoIterator<Item = (AttributeNumber, AttributeValue)>>(&mut self, values: I) {
        let values = values.into_iter();
        self.values.reserve(values.size_hint().0);
        for (attribute, value) in values {
            self.set(attribute, value);
        }
    }
}
