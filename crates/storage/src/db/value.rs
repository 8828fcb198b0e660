//! What a statement takes and a row holds: the few types that both engines store alike.

use domain::id::{Id, Noun};
use domain::sensitive::Sealed;

/// A parameter or a column's content.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// Nothing.
    Null,
    /// TEXT: names, ids, ISO dates, JSON.
    Text(String),
    /// BIGINT: counts, flags (0 or 1), times in microseconds since 1970.
    Int(i64),
    /// BYTEA or BLOB: hashes, keys, sealed envelopes.
    Bytes(Vec<u8>),
}

/// Shows the kind only: a value may be personal.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

impl Value {
    /// An id as its 16 bytes, for rows of which there are millions.
    pub fn id<N: Noun>(id: Id<N>) -> Self {
        Self::Bytes(id.uuid().as_bytes().to_vec())
    }

    /// `null`, `text`, `int` or `bytes`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text(_) => "text",
            Self::Int(_) => "int",
            Self::Bytes(_) => "bytes",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}
/// Counts and sizes; beyond `i64::MAX` (which no row reaches) it stays there.
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Int(i64::from(flag))
    }
}
impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}
impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}
impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}
impl From<&Sealed> for Value {
    fn from(sealed: &Sealed) -> Self {
        Self::Bytes(sealed.envelope().to_vec())
    }
}
impl<N: Noun> From<Id<N>> for Value {
    fn from(id: Id<N>) -> Self {
        Self::Text(id.to_string())
    }
}
/// Microseconds since 1970.
impl From<jiff::Timestamp> for Value {
    fn from(time: jiff::Timestamp) -> Self {
        Self::Int(time.as_microsecond())
    }
}
/// `2026-11-02`.
impl From<jiff::civil::Date> for Value {
    fn from(date: jiff::civil::Date) -> Self {
        Self::Text(date.to_string())
    }
}
impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
