//! Names of systems, collections, fields and recipients: cheap to copy, each its own type.

use std::fmt;
use std::sync::Arc;

/// Key of a source system, e.g. `shop`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemKey(Arc<str>);

/// `dataset.collection`, e.g. `shop.customer`. The dataset's key has no dot in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionKey(Arc<str>);

/// Name of a field within its collection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldName(Arc<str>);

/// Key of a recipient, e.g. `mail_house`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecipientKey(Arc<str>);

impl CollectionKey {
    /// Puts a key together.
    pub fn new(dataset: &str, collection: &str) -> Self {
        Self(format!("{dataset}.{collection}").into())
    }

    /// The part before the first dot.
    pub fn dataset(&self) -> &str {
        self.0
            .split_once('.')
            .map_or(&self.0, |(dataset, _)| dataset)
    }

    /// The part after the first dot.
    pub fn collection(&self) -> &str {
        self.0
            .split_once('.')
            .map_or("", |(_, collection)| collection)
    }
}

/// What the four names share: text in, text out.
trait Name: From<String> + AsRef<str> {}
impl Name for SystemKey {}
impl Name for CollectionKey {}
impl Name for FieldName {}
impl Name for RecipientKey {}

impl From<String> for SystemKey {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
impl From<String> for CollectionKey {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
impl From<String> for FieldName {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
impl From<String> for RecipientKey {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
impl From<&str> for SystemKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}
impl From<&str> for CollectionKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}
impl From<&str> for FieldName {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}
impl From<&str> for RecipientKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}
impl AsRef<str> for SystemKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
impl AsRef<str> for CollectionKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
impl AsRef<str> for FieldName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
impl AsRef<str> for RecipientKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for SystemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for CollectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for SystemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for CollectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn serialize<N: Name, S: serde::Serializer>(name: &N, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_ref())
}

fn deserialize<'de, N: Name, D: serde::Deserializer<'de>>(deserializer: D) -> Result<N, D::Error> {
    <String as serde::Deserialize>::deserialize(deserializer).map(N::from)
}

impl serde::Serialize for SystemKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self, serializer)
    }
}
impl serde::Serialize for CollectionKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self, serializer)
    }
}
impl serde::Serialize for FieldName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self, serializer)
    }
}
impl serde::Serialize for RecipientKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self, serializer)
    }
}
impl<'de> serde::Deserialize<'de> for SystemKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}
impl<'de> serde::Deserialize<'de> for CollectionKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}
impl<'de> serde::Deserialize<'de> for FieldName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}
impl<'de> serde::Deserialize<'de> for RecipientKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}
