//! Rows on their way out: what a recorded permit allows stays, what it describes becomes a description, the rest is gone.

use std::collections::BTreeMap;

use domain::data_map::{CollectionKey, FieldName};
use domain::disclosure::AttributeName;
use domain::row::{FoundRow, JsonValue};
use domain::sensitive::Sensitive;
use serde::{Serialize, Serializer};

use crate::permit::{RecordedPermit, Verdict};

/// A row that may be written out. Made by [`release`] alone.
pub struct ReleasedRow {
    collection: CollectionKey,
    fields: BTreeMap<FieldName, Released>,
}

/// One field of a released row.
pub enum Released {
    /// The value itself.
    Value(Sensitive<JsonValue>),
    /// What is held, in words, instead of the value.
    Description(String),
}

/// Passes a row through a recorded permit. Fields that the permit does not name are dropped, and their values wiped.
pub fn release(permit: &RecordedPermit, row: FoundRow) -> ReleasedRow {
    let FoundRow { collection, values } = row;
    let mut fields = BTreeMap::new();
    for (field, value) in values {
        let name = AttributeName::Field(collection.clone(), field);
        let released = match permit.verdict(&name) {
            Some(Verdict::Allowed) => Released::Value(value),
            // Nothing is held where the value is empty, and saying otherwise would be false.
            Some(Verdict::Described { .. }) if value.expose().0.is_null() => Released::Value(value),
            Some(Verdict::Described { text, .. }) => Released::Description(text.clone()),
            Some(Verdict::AgeOnly | Verdict::Null | Verdict::Changed(_)) | None => continue,
        };
        if let AttributeName::Field(_, field) = name {
            fields.insert(field, released);
        }
    }
    ReleasedRow { collection, fields }
}

impl ReleasedRow {
    /// Where the row was found.
    pub const fn collection(&self) -> &CollectionKey {
        &self.collection
    }

    /// Its fields by name.
    pub const fn fields(&self) -> &BTreeMap<FieldName, Released> {
        &self.fields
    }

    /// One field as the text of a CSV cell: texts as they are, nothing for an empty or withheld one, other values as JSON.
    pub fn text(&self, field: &FieldName) -> String {
        match self.fields.get(field) {
            None => String::new(),
            Some(Released::Description(text)) => text.clone(),
            Some(Released::Value(value)) => match &value.expose().0 {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            },
        }
    }
}

impl Serialize for Released {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.expose().0.serialize(serializer),
            Self::Description(text) => serializer.serialize_str(text),
        }
    }
}

impl Serialize for ReleasedRow {
    /// An object of fields; the collection is not part of it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.fields)
    }
}
