//! What a record says, by name: what it says alone, and what it says alike of many others and is written only once.

use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::canonical::{CanonicalError, Member, text_of, write_members};

/// The details of a record: ids, names, counts and reason codes; never a value.
#[derive(Clone, Debug, Default)]
pub struct Details {
    own: Map<String, Value>,
    shared: Option<Arc<SharedDetails>>,
}

/// Details of many records, alike in each: the attributes that everybody who asks the same way is shown. Their text is made once, where
/// it would otherwise be most of the work of writing a record.
#[derive(Debug)]
pub struct SharedDetails(BTreeMap<String, Shared>);

#[derive(Debug)]
struct Shared {
    value: Value,
    /// None when it has no canonical form: then whoever writes it hears why.
    text: Option<String>,
    has_at_sign: bool,
}

impl Details {
    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.own.get(name).or_else(|| {
            let shared = self.shared.as_ref()?.0.get(name);
            shared.map(|shared| &shared.value)
        })
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        let own = self.own.iter().map(|(name, value)| (name.as_str(), value));
        own.chain(self.shared().map(|(name, shared)| (name, &shared.value)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Says something under a name, in place of what was said there.
    pub fn insert(&mut self, name: &str, value: Value) {
        self.own.insert(name.to_owned(), value);
    }

    /// Says what others say, too; what is said alone goes before it.
    pub fn share(&mut self, shared: Arc<SharedDetails>) {
        self.shared = Some(shared);
    }

    /// The first name that holds an at sign, or under which one is said.
    pub(super) fn with_at_sign(&self) -> Option<&str> {
        let mut own = self.own.iter();
        let found = own.find(|(name, value)| name.contains('@') || holds_at_sign(value));
        found.map(|(name, _)| name.as_str()).or_else(|| {
            let mut shared = self.shared();
            shared
                .find(|(_, shared)| shared.has_at_sign)
                .map(|(name, _)| name)
        })
    }

    pub(super) fn write(&self, text: &mut String) -> Result<(), CanonicalError> {
        let own = self.own.iter();
        let own = own.map(|(name, value)| (name.as_str(), Member::Value(value)));
        let shared = self.shared().map(|(name, shared)| {
            let value = Member::Value(&shared.value);
            (name, shared.text.as_deref().map_or(value, Member::Text))
        });
        write_members(text, own.chain(shared).collect())
    }

    fn shared(&self) -> impl Iterator<Item = (&str, &Shared)> {
        let shared = self.shared.iter().flat_map(|shared| &shared.0);
        shared
            .map(|(name, shared)| (name.as_str(), shared))
            .filter(|(name, _)| !self.own.contains_key(*name))
    }
}

impl SharedDetails {
    /// The same details for many records.
    pub fn new(details: impl IntoIterator<Item = (String, Value)>) -> Self {
        let shared = details.into_iter().map(|(name, value)| {
            let shared = Shared {
                text: text_of(&value).ok(),
                has_at_sign: name.contains('@') || holds_at_sign(&value),
                value,
            };
            (name, shared)
        });
        Self(shared.collect())
    }
}

// A backstop, not a filter: values have no business here, and an address is the one that slips in most easily.
fn holds_at_sign(detail: &Value) -> bool {
    match detail {
        Value::String(text) => text.contains('@'),
        Value::Array(items) => items.iter().any(holds_at_sign),
        Value::Object(members) => members
            .iter()
            .any(|(name, member)| name.contains('@') || holds_at_sign(member)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether the same is said, shared or not.
impl PartialEq for Details {
    fn eq(&self, other: &Self) -> bool {
        self.iter().count() == other.iter().count()
            && self
                .iter()
                .all(|(name, value)| other.get(name) == Some(value))
    }
}
impl Eq for Details {}

/// What is not said is `null`.
impl Index<&str> for Details {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}

impl FromIterator<(String, Value)> for Details {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(details: I) -> Self {
        Self {
            own: details.into_iter().collect(),
            shared: None,
        }
    }
}

impl From<&Details> for Value {
    fn from(details: &Details) -> Self {
        let members = details.iter();
        let members = members.map(|(name, value)| (name.to_owned(), value.clone()));
        Self::Object(members.collect())
    }
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let own = Map::deserialize(deserializer)?;
        Ok(Self { own, shared: None })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn text(details: &Details) -> String {
        let mut text = String::new();
        details.write(&mut text).unwrap();
        text
    }

    proptest! {
        #[test]
        fn what_is_shared_reads_and_is_written_as_if_it_were_said_alone(
            own in proptest::collection::btree_map("[a-d@é]{1,2}", "[a-z@\"]{0,3}", 0..4),
            shared in proptest::collection::btree_map("[a-d@é]{1,2}", proptest::collection::vec("[a-z@\\\\]{0,3}", 0..3), 0..4),
        ) {
            let value = |(name, text): (String, String)| (name, Value::from(text));
            let list = |(name, texts): (String, Vec<String>)| (name, Value::from(texts));
            let mut both: Details = own.clone().into_iter().map(value).collect();
            both.share(Arc::new(SharedDetails::new(shared.clone().into_iter().map(list))));
            let alone: Details = shared.into_iter().map(list).chain(own.into_iter().map(value)).collect();
            prop_assert_eq!(text(&both), text(&alone));
            prop_assert_eq!(&both, &alone);
            prop_assert_eq!(Value::from(&both), Value::from(&alone));
            prop_assert_eq!(both.with_at_sign().is_some(), alone.with_at_sign().is_some());
            prop_assert_eq!(both.is_empty(), alone.is_empty());
        }
    }

    #[test]
    fn shared_details_without_a_canonical_form_are_refused_when_written() {
        let mut details = Details::default();
        let shared = SharedDetails::new([("share".to_owned(), 0.5.into())]);
        details.share(Arc::new(shared));
        let refused = details.write(&mut String::new());
        assert_eq!(refused, Err(CanonicalError::Fraction));
    }
}
