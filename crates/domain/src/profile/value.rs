//! One value of an attribute: what it is, who said so, when, and how sure we are.

use jiff::Timestamp;
use zeroize::Zeroize;

use super::key::SourceNumber;
use crate::data_map::ValueKind;
use crate::row::canonical;
use crate::sensitive::Sensitive;

/// The most bytes that one value may have; a longer document is split by whoever sends it.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// One value of one attribute from one source.
#[derive(Clone, PartialEq, Eq)]
pub struct AttributeValue {
    /// The value, as the canonical text of its kind (see [`canonical_value`]).
    pub value: Sensitive<String>,
    /// Who says so.
    pub source: SourceNumber,
    /// When it was seen there. Kept to the microsecond.
    pub observed_at: Timestamp,
    /// How sure the source is.
    pub confidence: Confidence,
    /// Whether somebody proved it: an e-mail address that a code was sent to and came back from.
    pub verified: bool,
}

/// How sure a source is, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Confidence(u8);

impl Confidence {
    /// Nothing is known against it.
    pub const FULL: Self = Self(100);

    /// Percent from 0 to 100.
    pub const fn percent(percent: u8) -> Option<Self> {
        if percent <= 100 {
            Some(Self(percent))
        } else {
            None
        }
    }

    /// Percent from 0 to 100.
    pub const fn as_percent(self) -> u8 {
        self.0
    }
}

/// A text that is no value of its kind. Does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Not of the kind.
    #[error("the value is not {0}; write it in the form that the schema's `kind` names")]
    Kind(&'static str),
    /// More than [`MAX_VALUE_BYTES`].
    #[error("the value has {0} bytes, at most 1,048,576 fit")]
    TooLong(usize),
}

/// One text for one value of a kind: numbers without padding, dates and moments in ISO 8601, UUIDs in lower case, JSON without
/// spaces; texts as they are.
///
/// # Errors
/// [`InvalidValue`], without the value.
pub fn canonical_value(
    kind: ValueKind,
    value: Sensitive<String>,
) -> Result<Sensitive<String>, InvalidValue> {
    let text = value.expose();
    if text.len() > MAX_VALUE_BYTES {
        return Err(InvalidValue::TooLong(text.len()));
    }
    if kind == ValueKind::Text {
        return Ok(value);
    }
    let trimmed = text.trim();
    let one_form = match kind {
        ValueKind::Integer => trimmed.parse::<i64>().ok().map(|whole| whole.to_string()),
        ValueKind::Decimal => is_decimal(trimmed).then(|| canonical(kind, trimmed)),
        ValueKind::Boolean => trimmed.parse::<bool>().ok().map(|truth| truth.to_string()),
        ValueKind::Date => parsed::<jiff::civil::Date>(trimmed),
        ValueKind::Timestamp => parsed::<Timestamp>(trimmed),
        ValueKind::Uuid => uuid::Uuid::try_parse(trimmed).ok().map(|id| id.to_string()),
        ValueKind::Json => compact_json(trimmed),
        ValueKind::Text | ValueKind::Bytes | ValueKind::Other => None,
    };
    one_form
        .map(Sensitive::new)
        .ok_or_else(|| InvalidValue::Kind(in_words(kind)))
}

fn parsed<T: std::str::FromStr + ToString>(text: &str) -> Option<String> {
    text.parse::<T>().ok().map(|value| value.to_string())
}

fn compact_json(text: &str) -> Option<String> {
    let mut document = crate::row::JsonValue(serde_json::from_str(text).ok()?);
    let compact = document.0.to_string();
    document.zeroize();
    Some(compact)
}

fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction)
}

const fn in_words(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Text => "a text",
        ValueKind::Integer => "a whole number",
        ValueKind::Decimal => "a number",
        ValueKind::Boolean => "`true` or `false`",
        ValueKind::Date => "a date such as `1990-12-31`",
        ValueKind::Timestamp => "a moment such as `2026-01-31T12:00:00Z`",
        ValueKind::Uuid => "a UUID",
        ValueKind::Json => "a JSON document",
        ValueKind::Bytes | ValueKind::Other => "something that a profile can hold",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_one_text_and_garbage_is_refused_without_being_repeated() {
        let good = [
            (ValueKind::Integer, " 0042 ", "42"),
            (ValueKind::Decimal, "+1.50", "1.5"),
            (ValueKind::Boolean, "true", "true"),
            (ValueKind::Date, "1990-12-31", "1990-12-31"),
            (
                ValueKind::Timestamp,
                "2026-01-31T13:00:00+01:00",
                "2026-01-31T12:00:00Z",
            ),
            (
                ValueKind::Uuid,
                "67E5504410B1426F9247BB680E5FE0C8",
                "67e55044-10b1-426f-9247-bb680e5fe0c8",
            ),
            (ValueKind::Json, "{ \"a\" : [1, 2] }", "{\"a\":[1,2]}"),
            (ValueKind::Text, " as it is ", " as it is "),
        ];
        for (kind, text, expected) in good {
            let canonical = canonical_value(kind, text.to_owned().into());
            assert!(
                canonical.is_ok_and(|value| value.expose() == expected),
                "{text}"
            );
        }
        let bad = [
            (ValueKind::Integer, "1e3"),
            (ValueKind::Decimal, "1.2.3"),
            (ValueKind::Decimal, "--1"),
            (ValueKind::Boolean, "maybe"),
            (ValueKind::Date, "31.12.1990"),
            (ValueKind::Timestamp, "yesterday"),
            (ValueKind::Uuid, "ada"),
            (ValueKind::Json, "{"),
            (ValueKind::Bytes, "00"),
        ];
        for (kind, text) in bad {
            let error = canonical_value(kind, text.to_owned().into()).err();
            assert!(
                error.is_some_and(|error| !error.to_string().contains(text)),
                "{text}"
            );
        }
    }
}
