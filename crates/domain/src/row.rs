//! Values and rows of source systems while we hold them in memory.

use std::collections::BTreeMap;

use zeroize::Zeroize;

use crate::data_map::{CollectionKey, FieldName, ValueKind};
use crate::sensitive::Sensitive;

/// The values of one look-up, in the order of its fields, in canonical text (see [`canonical`]).
pub type Tuple = Vec<String>;

/// One row of a source system on its way to the subject: nothing in it can be printed or serialised
/// until `enforcement::release` has passed it through a recorded permit.
pub struct FoundRow {
    /// Where it was found.
    pub collection: CollectionKey,
    /// The subject's values, by field.
    pub values: BTreeMap<FieldName, Sensitive<JsonValue>>,
}

/// A JSON value that is wiped when dropped, as far as its texts go.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonValue(pub serde_json::Value);

impl Zeroize for JsonValue {
    fn zeroize(&mut self) {
        match &mut self.0 {
            serde_json::Value::String(text) => text.zeroize(),
            serde_json::Value::Array(items) => {
                items.drain(..).for_each(|item| Self(item).zeroize())
            }
            serde_json::Value::Object(members) => std::mem::take(members)
                .into_iter()
                .for_each(|(_, member)| Self(member).zeroize()),
            scalar => *scalar = serde_json::Value::Null,
        }
    }
}

impl Default for JsonValue {
    fn default() -> Self {
        Self(serde_json::Value::Null)
    }
}

/// One text for one value, whatever system it came from, so that values can be compared across systems:
/// numbers without leading plus, padding, leading zeros and trailing zeros, UUIDs in lower case, texts as they are.
pub fn canonical(kind: ValueKind, text: &str) -> String {
    match kind {
        ValueKind::Integer | ValueKind::Decimal => canonical_number(text.trim()),
        ValueKind::Uuid => text.trim().to_ascii_lowercase(),
        _ => text.to_owned(),
    }
}

fn canonical_number(text: &str) -> String {
    let unsigned = text.trim_start_matches('+');
    if unsigned.is_empty()
        || !unsigned
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-')
    {
        return text.to_owned();
    }
    match unsigned.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => {
            let (whole, fraction) = (without_leading_zeros(whole), fraction.trim_end_matches('0'));
            if fraction.is_empty() {
                whole
            } else {
                format!("{whole}.{fraction}")
            }
        }
        _ => without_leading_zeros(unsigned),
    }
}

/// People type their customer number as it stands on the bill: `0042`.
fn without_leading_zeros(whole: &str) -> String {
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let trimmed = digits.trim_start_matches('0');
    if trimmed
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_digit())
    {
        format!("{sign}{trimmed}")
    } else if digits.starts_with('0') {
        format!("{sign}0{trimmed}")
    } else {
        whole.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_text_in_every_system() {
        assert_eq!(canonical(ValueKind::Decimal, "42.00"), "42");
        assert_eq!(canonical(ValueKind::Integer, " 42"), "42");
        assert_eq!(canonical(ValueKind::Decimal, "-0.50"), "-0.5");
        assert_eq!(canonical(ValueKind::Integer, "4200"), "4200");
        assert_eq!(canonical(ValueKind::Integer, "0042"), "42");
        assert_eq!(canonical(ValueKind::Decimal, "-00.50"), "-0.5");
        assert_eq!(canonical(ValueKind::Integer, "000"), "0");
        assert_eq!(canonical(ValueKind::Text, "007.0"), "007.0");
        assert_eq!(canonical(ValueKind::Uuid, "AB"), "ab");
    }
}
