//! What a driver brings back, as canonical text for searches and as JSON for the access package.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::data_map::ValueKind;
use domain::row::{JsonValue, canonical};
use domain::sensitive::Sensitive;
use serde_json::Value;

use super::table::Class;

/// One value as the driver gives it.
pub(crate) enum Cell {
    Text(String),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Bytes(Vec<u8>),
}

impl Cell {
    /// Canonical text.
    pub(crate) fn text(self, class: Class, kind: ValueKind) -> Sensitive<String> {
        let text = match self {
            Self::Integer(number) if class == Class::Boolean => (number != 0).to_string(),
            Self::Bytes(bytes) if matches!(class, Class::Bytes | Class::Other) => to_base64(&bytes),
            Self::Bytes(bytes) => {
                String::from_utf8(bytes).unwrap_or_else(|error| to_base64(error.as_bytes()))
            }
            Self::Text(text) => text,
            Self::Integer(number) => number.to_string(),
            Self::Unsigned(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
        };
        // Numbers have one text each, whatever the map takes them for.
        let kind = if matches!(class, Class::Integer(..) | Class::Decimal | Class::Float) {
            class.kind()
        } else {
            kind
        };
        Sensitive::new(canonical(kind, &text))
    }

    /// A JSON value that loses nothing: whole numbers as numbers, decimals as their text, bytes in base64, moments in ISO 8601.
    pub(crate) fn json(self, class: Class) -> Sensitive<JsonValue> {
        let value = match self {
            Self::Integer(number) if class == Class::Boolean => (number != 0).into(),
            Self::Integer(number) => number.into(),
            Self::Unsigned(number) => number.into(),
            Self::Float(number) => serde_json::Number::from_f64(number)
                .map_or_else(|| number.to_string().into(), Value::Number),
            Self::Bytes(bytes) if class == Class::Bytes => to_base64(&bytes).into(),
            Self::Bytes(bytes) => String::from_utf8(bytes).map_or_else(
                |error| to_base64(error.as_bytes()).into(),
                |text| text_json(class, text),
            ),
            Self::Text(text) => text_json(class, text),
        };
        Sensitive::new(JsonValue(value))
    }

    /// Bytes that tell the value from others of its column.
    pub(crate) fn print(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Integer(number) => number.to_be_bytes().to_vec(),
            Self::Unsigned(number) => number.to_be_bytes().to_vec(),
            Self::Float(number) => number.to_be_bytes().to_vec(),
            Self::Bytes(bytes) => bytes.clone(),
        }
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Integer(_) | Self::Unsigned(_) | Self::Float(_) => 8,
        }
    }

    /// A count or a flag of ours.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Integer(number) => u64::try_from(*number).unwrap_or(0),
            Self::Unsigned(number) => *number,
            Self::Text(text) => text.parse().unwrap_or(0),
            Self::Bytes(bytes) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            Self::Float(_) => 0,
        }
    }
}

fn text_json(class: Class, text: String) -> Value {
    match class {
        Class::Integer(..) => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<u64>().map(Value::from))
            .unwrap_or_else(|_| text.into()),
        Class::Float => text
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map_or_else(|| text.into(), Value::Number),
        Class::Boolean => text
            .parse::<bool>()
            .map_or_else(|_| text.into(), Value::from),
        Class::Json if !has_long_number(&text) => {
            serde_json::from_str(&text).unwrap_or_else(|_| text.into())
        }
        Class::Timestamp => text.replacen(' ', "T", 1).into(),
        Class::TimestampZoned => text
            .replacen(' ', "T", 1)
            .strip_suffix("+00")
            .map_or_else(|| text.replacen(' ', "T", 1), |moment| format!("{moment}Z"))
            .into(),
        _ => text.into(),
    }
}

/// A number with so many digits could lose some on its way through a float; such a document stays text.
fn has_long_number(text: &str) -> bool {
    let mut run = 0;
    text.bytes().any(|byte| {
        run = if byte.is_ascii_digit() || byte == b'.' {
            run + 1
        } else {
            0
        };
        run > 16
    })
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_on_the_way_to_json() {
        let json = |text: &str, class| Cell::Text(text.to_owned()).json(class).expose().0.clone();
        assert_eq!(
            json("9007199254740993", Class::Integer(i64::MIN, u64::MAX)).to_string(),
            "9007199254740993"
        );
        assert_eq!(json("0.10", Class::Decimal).to_string(), "\"0.10\"");
        assert_eq!(
            json("2024-01-01 10:00:00+00", Class::TimestampZoned),
            "2024-01-01T10:00:00Z"
        );
        assert_eq!(
            json("{\"a\":12345678901234567890123}", Class::Json),
            "{\"a\":12345678901234567890123}"
        );
        assert_eq!(json("{\"a\":1}", Class::Json).to_string(), "{\"a\":1}");
        assert_eq!(Cell::Bytes(vec![255]).json(Class::Bytes).expose().0, "/w==");
        assert_eq!(Cell::Integer(1).json(Class::Boolean).expose().0, true);
    }
}
