//! One JSON value has one text: RFC 8785 narrowed to what audit records need (no fractions, integers below 2^53).
//!
//! A record is hashed and signed as bytes, so two programs must write the same bytes for the same record.

use std::cmp::Ordering;

use serde_json::Value;

/// The largest integer that every JSON reader keeps exactly (RFC 7493).
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A value that has no single exact text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CanonicalError {
    /// Fractions are written differently by different programs.
    #[error(
        "a number with a fraction cannot be part of an audit record; write it as a text or in a smaller unit"
    )]
    Fraction,
    /// Above 2^53 some readers round.
    #[error("a number beyond 2^53 cannot be part of an audit record; write it as a text")]
    TooLarge,
}

/// The canonical text of a whole value, against which tests hold what records write member by member.
#[cfg(test)]
pub(super) fn canonical_json(value: &Value) -> Result<String, CanonicalError> {
    let mut text = String::new();
    write_value(&mut text, value)?;
    Ok(text)
}

pub(super) fn write_value(text: &mut String, value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => text.push_str(&integer(number)?),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => write_array(text, items)?,
        Value::Object(members) => write_object(text, members)?,
    }
    Ok(())
}

fn integer(number: &serde_json::Number) -> Result<String, CanonicalError> {
    let size = number
        .as_u64()
        .or_else(|| number.as_i64().map(i64::unsigned_abs))
        .ok_or(CanonicalError::Fraction)?;
    if size > MAX_INTEGER {
        return Err(CanonicalError::TooLarge);
    }
    Ok(number.to_string())
}

pub(super) fn write_count(text: &mut String, count: u64) -> Result<(), CanonicalError> {
    text.push_str(&integer(&count.into())?);
    Ok(())
}

fn write_array(text: &mut String, items: &[Value]) -> Result<(), CanonicalError> {
    text.push('[');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        write_value(text, item)?;
    }
    text.push(']');
    Ok(())
}

fn write_object(
    text: &mut String,
    members: &serde_json::Map<String, Value>,
) -> Result<(), CanonicalError> {
    // Sorted here, because whether serde_json's map is sorted depends on a feature that any crate can switch on.
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| utf16_order(a, b));
    text.push('{');
    for (position, (name, member)) in sorted.into_iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        write_string(text, name);
        text.push(':');
        write_value(text, member)?;
    }
    text.push('}');
    Ok(())
}

pub(super) fn utf16_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        a.cmp(b)
    } else {
        a.encode_utf16().cmp(b.encode_utf16())
    }
}

pub(super) fn write_string(text: &mut String, string: &str) {
    text.push('"');
    let mut rest = string;
    while let Some(at) = rest.bytes().position(is_escaped) {
        let (plain, escaped) = rest.split_at(at);
        text.push_str(plain);
        let mut characters = escaped.chars();
        characters
            .next()
            .iter()
            .for_each(|character| write_escape(text, *character));
        rest = characters.as_str();
    }
    text.push_str(rest);
    text.push('"');
}

/// All that is escaped is ASCII, of which no byte is part of another character.
const fn is_escaped(byte: u8) -> bool {
    byte < b' ' || matches!(byte, b'"' | b'\\')
}

fn write_escape(text: &mut String, character: char) {
    match character {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\u{8}' => text.push_str("\\b"),
        '\t' => text.push_str("\\t"),
        '\n' => text.push_str("\\n"),
        '\u{c}' => text.push_str("\\f"),
        '\r' => text.push_str("\\r"),
        control => text.push_str(&format!("\\u{:04x}", u32::from(control))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_sorted_by_utf16_and_escaped_as_rfc_8785_says() {
        let value = json!({"\u{fb33}": 1, "\u{1f600}": 2, "b": [true, null, -3], "a": "\u{8}\t\u{1f}\"é\u{7f}"});
        assert_eq!(
            canonical_json(&value).unwrap(),
            "{\"a\":\"\\b\\t\\u001f\\\"é\u{7f}\",\"b\":[true,null,-3],\"\u{1f600}\":2,\"\u{fb33}\":1}"
        );
    }

    #[test]
    fn numbers_that_readers_round_are_refused() {
        assert_eq!(
            canonical_json(&json!({"a": [1.0]})),
            Err(CanonicalError::Fraction)
        );
        assert_eq!(
            canonical_json(&json!(1u64 << 53)),
            Err(CanonicalError::TooLarge)
        );
        assert_eq!(
            canonical_json(&json!(-(1i64 << 53))),
            Err(CanonicalError::TooLarge)
        );
        assert_eq!(
            canonical_json(&json!((1u64 << 53) - 1)).unwrap(),
            "9007199254740991"
        );
    }

    proptest! {
        #[test]
        fn the_text_reads_back_as_the_same_value(strings in proptest::collection::btree_map(".*", ".*", 0..8), number in -(1i64 << 53) + 1..1i64 << 53) {
            let value = json!({"strings": strings, "number": number});
            let text = canonical_json(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }
}
