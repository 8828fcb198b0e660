//! What a record says beyond who did what, and when: ids, names of attributes, counts, reason codes and hashes; never a value.
//!
//! Records of disclosures come by the thousand a second, and nearly all of what they say are ids and hashes. These are kept as they are and
//! become text once, in the entry.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::canonical::{CanonicalError, utf16_order, write_string, write_value};
use super::hash::Hash;
use crate::id::{Id, Noun};

/// One thing that a record says.
#[derive(Clone, Debug)]
pub enum Detail {
    /// An id of ours: the prefix of its noun, and itself.
    Id(&'static str, Uuid),
    /// A hash.
    Hash(Hash),
    /// A word of the program's own.
    Word(&'static str),
    /// A key of the configuration, shared with it.
    Key(Arc<str>),
    /// Anything else.
    Json(Value),
}

/// All of it, each under its name. Reads as the JSON object that it is in the entry; that is made when somebody first looks.
#[derive(Clone, Debug, Default)]
pub struct Details {
    said: Vec<(Cow<'static, str>, Detail)>,
    object: OnceLock<Map<String, Value>>,
}

impl<T: Into<Value>> From<T> for Detail {
    fn from(value: T) -> Self {
        Self::Json(value.into())
    }
}
impl<N: Noun> From<Id<N>> for Detail {
    fn from(id: Id<N>) -> Self {
        Self::Id(N::PREFIX, id.uuid())
    }
}
impl From<Hash> for Detail {
    fn from(hash: Hash) -> Self {
        Self::Hash(hash)
    }
}

impl Detail {
    fn json(&self) -> Value {
        match self {
            Self::Id(prefix, id) => format!("{prefix}_{}", id.simple()).into(),
            Self::Hash(hash) => hash.to_string().into(),
            Self::Word(word) => (*word).into(),
            Self::Key(key) => key.as_ref().into(),
            Self::Json(value) => value.clone(),
        }
    }

    fn write(&self, text: &mut String) -> Result<(), CanonicalError> {
        match self {
            Self::Id(prefix, id) => {
                let mut digits = [0; 32];
                let digits = id.simple().encode_lower(&mut digits);
                // Prefixes and digits are plain ASCII.
                for part in ["\"", prefix, "_", digits, "\""] {
                    text.push_str(part);
                }
            }
            Self::Hash(hash) => {
                text.push('"');
                hash.write(text);
                text.push('"');
            }
            Self::Word(word) => write_string(text, word),
            Self::Key(key) => write_string(text, key),
            Self::Json(value) => write_value(text, value)?,
        }
        Ok(())
    }

    fn holds_at_sign(&self) -> bool {
        match self {
            Self::Id(..) | Self::Hash(_) => false,
            Self::Word(word) => word.contains('@'),
            Self::Key(key) => key.contains('@'),
            Self::Json(value) => holds_at_sign(value),
        }
    }
}

impl Details {
    /// Says one thing more; what was said under this name before is said no longer.
    pub(super) fn put(&mut self, name: Cow<'static, str>, detail: Detail) {
        if self.said.is_empty() {
            // Room for what most records say, at once.
            self.said.reserve(12);
        }
        self.object.take();
        match self.said.iter_mut().find(|(known, _)| *known == name) {
            Some((_, before)) => *before = detail,
            None => self.said.push((name, detail)),
        }
    }

    /// The object that they are in the entry.
    pub fn object(&self) -> &Map<String, Value> {
        self.object.get_or_init(|| {
            let said = self.said.iter();
            said.map(|(name, detail)| (name.clone().into_owned(), detail.json()))
                .collect()
        })
    }

    /// What is said under a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self.detail(name)? {
            Detail::Json(value) => Some(value),
            _ => self.object().get(name),
        }
    }

    /// The hash under a name, if it is one.
    pub fn hash(&self, name: &str) -> Option<Hash> {
        match self.detail(name)? {
            Detail::Hash(hash) => Some(*hash),
            Detail::Json(value) => value.as_str()?.parse().ok(),
            _ => None,
        }
    }

    /// The id under a name, if it is one of this noun.
    pub fn id<N: Noun>(&self, name: &str) -> Option<Id<N>> {
        match self.detail(name)? {
            Detail::Id(prefix, id) => (*prefix == N::PREFIX).then(|| Id::from_uuid(*id)),
            Detail::Json(value) => value.as_str()?.parse().ok(),
            _ => None,
        }
    }

    fn detail(&self, name: &str) -> Option<&Detail> {
        let mut said = self.said.iter();
        said.find(|(known, _)| known == name)
            .map(|(_, detail)| detail)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// The name of one that looks like an e-mail address, or whose name does.
    pub(super) fn personal(&self) -> Option<&str> {
        let mut said = self.said.iter();
        said.find(|(name, detail)| name.contains('@') || detail.holds_at_sign())
            .map(|(name, _)| name.as_ref())
    }

    pub(super) fn write(&self, text: &mut String) -> Result<(), CanonicalError> {
        let mut sorted: Vec<_> = self.said.iter().collect();
        sorted.sort_by(|(a, _), (b, _)| utf16_order(a, b));
        text.push('{');
        for (position, (name, detail)) in sorted.into_iter().enumerate() {
            if position > 0 {
                text.push(',');
            }
            write_string(text, name);
            text.push(':');
            detail.write(text)?;
        }
        text.push('}');
        Ok(())
    }
}

impl Deref for Details {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Map<String, Value> {
        self.object()
    }
}

/// The same entry, however it came to be.
impl PartialEq for Details {
    fn eq(&self, other: &Self) -> bool {
        self.object() == other.object()
    }
}
impl Eq for Details {}

impl From<Map<String, Value>> for Details {
    fn from(object: Map<String, Value>) -> Self {
        let said = object.into_iter();
        Self {
            said: said
                .map(|(name, value)| (name.into(), Detail::Json(value)))
                .collect(),
            object: OnceLock::new(),
        }
    }
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self::from)
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

#[cfg(test)]
mod tests {
    use super::super::canonical::canonical_json;
    use super::*;
    use crate::id::SubjectId;

    fn of(said: impl IntoIterator<Item = (&'static str, Detail)>) -> Details {
        let mut details = Details::default();
        for (name, detail) in said {
            details.put(name.into(), detail);
        }
        details
    }

    fn written(details: &Details) -> String {
        let mut text = String::new();
        assert_eq!(details.write(&mut text), Ok(()));
        text
    }

    #[test]
    fn what_is_kept_as_it_is_becomes_the_text_that_it_always_had() {
        let (id, hash) = (
            SubjectId::from_uuid(Uuid::from_u128(7)),
            Hash::of(b"policies"),
        );
        let typed = of([
            ("subject", id.into()),
            ("policies", hash.into()),
            ("door", Detail::Word("gateway")),
            ("purpose", Detail::Key("a \"key\"".into())),
            ("facts", 41.into()),
        ]);
        let texts = of([
            ("subject", id.to_string().into()),
            ("policies", hash.to_string().into()),
            ("door", "gateway".into()),
            ("purpose", "a \"key\"".into()),
            ("facts", 41.into()),
        ]);
        assert_eq!(written(&typed), written(&texts));
        let object = Value::Object(typed.object().clone());
        assert_eq!(Ok(written(&typed)), canonical_json(&object));
        assert_eq!(typed, texts);
        assert_eq!(typed["subject"], id.to_string());
        for details in [&typed, &texts] {
            assert_eq!(details.id("subject"), Some(id));
            assert_eq!(details.hash("policies"), Some(hash));
            assert_eq!(details.id::<crate::id::Request>("subject"), None);
            assert_eq!(details.hash("door"), None);
        }
    }

    #[test]
    fn the_last_word_under_a_name_counts() {
        let mut details = of([("rows", 1.into()), ("swept", 0.into())]);
        assert_eq!(details["rows"], 1);
        details.put("rows".into(), 2.into());
        assert_eq!(details["rows"], 2);
        assert_eq!(written(&details), r#"{"rows":2,"swept":0}"#);
    }

    #[test]
    fn an_at_sign_is_found_wherever_text_stands() {
        let personal = |detail| of([("whom", detail)]).personal().map(str::to_owned);
        let whom = Some("whom".to_owned());
        assert_eq!(personal(Detail::Word("ada@example.com")), whom);
        assert_eq!(personal(Detail::Key("ada@example.com".into())), whom);
        assert_eq!(personal(serde_json::json!([{"a@b": 1}]).into()), whom);
        assert_eq!(personal("ada".into()), None);
        assert!(of([("a@b", 1.into())]).personal().is_some());
    }
}
