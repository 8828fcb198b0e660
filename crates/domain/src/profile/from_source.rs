//! How profiles follow a source system: which collection's fields are which attributes, as written, and its values as attributes take them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::overlap::{Overlap, seconds};
use crate::data_map::ValueKind;
use crate::row::JsonValue;
use crate::sensitive::Sensitive;

/// One collection that a source is filled from, as written under `sync` in profile.yaml.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncText {
    /// The source whose records the rows are.
    pub source: String,
    /// The source system; follows from the collection where nothing is said.
    #[serde(default)]
    pub system: Option<String>,
    /// The collection by its key in the data map, e.g. `shop.customer`.
    pub collection: String,
    /// The field that every change of a row moves on; without it every synchronisation reads all rows.
    #[serde(default)]
    pub watermark: Option<String>,
    /// How far before the last watermark it begins again.
    #[serde(default)]
    pub overlap: Overlap,
    /// How often `privity serve` synchronises by itself, e.g. `10m`; never where nothing is said.
    #[serde(default)]
    pub every: Option<Every>,
    /// Which field is which attribute.
    pub fields: BTreeMap<String, String>,
}

/// A time between two synchronisations, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every(pub u64);

impl<'de> Deserialize<'de> for Every {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            serde::de::Error::custom(format!(
                "`{text}` is no time between two runs; write e.g. `10m`, `1h` or `1d`"
            ))
        };
        seconds(&text)
            .filter(|seconds| *seconds > 0)
            .map(Self)
            .ok_or_else(wrong)
    }
}

/// A value of a source system as an attribute of this kind takes it; `None` where it is empty. What an attribute can't take stays as
/// it is and is refused later. A moment without zone counts as UTC, and gives its day to a date.
pub fn text_of(kind: ValueKind, value: &Sensitive<JsonValue>) -> Option<Sensitive<String>> {
    let text = match &value.expose().0 {
        Value::Null => return None,
        Value::String(text) => text_of_kind(kind, text),
        Value::Number(number) if kind == ValueKind::Boolean => match number.as_i64() {
            Some(0) => "false".to_owned(),
            Some(1) => "true".to_owned(),
            _ => number.to_string(),
        },
        Value::Number(number) if kind == ValueKind::Integer => whole(&number.to_string()),
        other => other.to_string(),
    };
    Some(Sensitive::new(text))
}

/// A text as an attribute of this kind takes it: `False` is a truth, `42.00` a whole number.
pub fn loosely(kind: ValueKind, text: &Sensitive<String>) -> Sensitive<String> {
    Sensitive::new(text_of_kind(kind, text.expose()))
}

/// The moment that a value of a source system says, if it says one.
pub fn moment_of(value: &Sensitive<JsonValue>) -> Option<jiff::Timestamp> {
    match &value.expose().0 {
        Value::String(text) => with_zone(text)?.parse().ok(),
        _ => None,
    }
}

fn text_of_kind(kind: ValueKind, text: &str) -> String {
    let trimmed = text.trim();
    match kind {
        ValueKind::Integer => whole(trimmed),
        ValueKind::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "1" | "t" | "yes" | "y" | "true" => "true".to_owned(),
            "0" | "f" | "no" | "n" | "false" => "false".to_owned(),
            _ => text.to_owned(),
        },
        ValueKind::Timestamp => with_zone(trimmed).unwrap_or_else(|| text.to_owned()),
        ValueKind::Date => trimmed
            .parse::<jiff::civil::DateTime>()
            .map_or_else(|_| text.to_owned(), |moment| moment.date().to_string()),
        _ => text.to_owned(),
    }
}

/// `42.00` of a decimal column is a whole number.
fn whole(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        _ => text.to_owned(),
    }
}

fn with_zone(text: &str) -> Option<String> {
    if text.parse::<jiff::Timestamp>().is_ok() {
        return Some(text.to_owned());
    }
    text.parse::<jiff::civil::DateTime>().ok()?;
    Some(if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        format!("{text}Z")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;
    use crate::profile::canonical_value;

    fn taken(kind: ValueKind, value: Value) -> Option<String> {
        let text = text_of(kind, &Sensitive::new(JsonValue(value)))?;
        let taken = canonical_value(kind, text).unwrap();
        Some(taken.expose().clone())
    }

    #[test]
    fn what_databases_write_is_what_attributes_take() {
        use ValueKind::{Boolean, Date, Decimal, Integer, Json, Text, Timestamp};
        for (kind, value, expected) in [
            (Text, json!("Ann"), "Ann"),
            (Text, json!(42), "42"),
            (Integer, json!("42.00"), "42"),
            (Integer, json!(42), "42"),
            (Decimal, json!("10.50"), "10.5"),
            (Boolean, json!(1), "true"),
            (Boolean, json!("f"), "false"),
            (Date, json!("1980-01-02"), "1980-01-02"),
            (Date, json!("1980-01-02T00:00:00"), "1980-01-02"),
            (
                Timestamp,
                json!("2024-05-05T10:00:00"),
                "2024-05-05T10:00:00Z",
            ),
            (
                Timestamp,
                json!("2024-05-05T10:00:00.5+02:00"),
                "2024-05-05T08:00:00.5Z",
            ),
            (Timestamp, json!("2024-05-05"), "2024-05-05T00:00:00Z"),
            (Json, json!({"a": [1]}), "{\"a\":[1]}"),
        ] {
            assert_eq!(taken(kind, value).as_deref(), Some(expected), "{kind:?}");
        }
        assert_eq!(taken(Text, Value::Null), None);
    }

    #[test]
    fn garbage_stays_garbage_and_is_refused() {
        for (kind, value) in [
            (ValueKind::Integer, json!("42.5")),
            (ValueKind::Boolean, json!(2)),
            (ValueKind::Date, json!("soon")),
            (ValueKind::Timestamp, json!("soon")),
        ] {
            let text = text_of(kind, &Sensitive::new(JsonValue(value))).unwrap();
            assert!(canonical_value(kind, text).is_err(), "{kind:?}");
        }
    }
}
