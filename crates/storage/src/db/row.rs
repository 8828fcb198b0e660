//! One row of an answer, read by column name and with a clear error when it holds something else.

use std::str::FromStr;
use std::sync::Arc;

use domain::id::{Id, Noun};
use domain::sensitive::Sealed;
use jiff::Timestamp;

use super::value::Value;
use crate::error::Error;

/// A row of an answer.
#[derive(Debug, Clone)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    pub(super) const fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// Text of a column that is never empty of a value.
    pub fn text(&self, column: &str) -> Result<&str, Error> {
        self.opt_text(column)?.ok_or_else(|| missing(column))
    }

    /// Text, if any.
    pub fn opt_text(&self, column: &str) -> Result<Option<&str>, Error> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            other => Err(unexpected(column, "text", other)),
        }
    }

    /// A whole number.
    pub fn int(&self, column: &str) -> Result<i64, Error> {
        self.opt_int(column)?.ok_or_else(|| missing(column))
    }

    /// A whole number, if any.
    pub fn opt_int(&self, column: &str) -> Result<Option<i64>, Error> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Int(number) => Ok(Some(*number)),
            other => Err(unexpected(column, "int", other)),
        }
    }

    /// A number that fits the unsigned type asked for.
    pub fn count<N: TryFrom<i64>>(&self, column: &str) -> Result<N, Error> {
        N::try_from(self.int(column)?).map_err(|_| problem(column, "the number does not fit"))
    }

    /// A flag stored as 0 or 1.
    pub fn flag(&self, column: &str) -> Result<bool, Error> {
        Ok(self.int(column)? != 0)
    }

    /// Bytes.
    pub fn bytes(&self, column: &str) -> Result<&[u8], Error> {
        self.opt_bytes(column)?.ok_or_else(|| missing(column))
    }

    /// Bytes, if any.
    pub fn opt_bytes(&self, column: &str) -> Result<Option<&[u8]>, Error> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes)),
            other => Err(unexpected(column, "bytes", other)),
        }
    }

    /// A SHA-256 hash.
    pub fn hash(&self, column: &str) -> Result<[u8; 32], Error> {
        self.bytes(column)?
            .try_into()
            .map_err(|_| problem(column, "expected 32 bytes"))
    }

    /// An id that is stored as its 16 bytes.
    pub fn id<N: Noun>(&self, column: &str) -> Result<Id<N>, Error> {
        self.opt_id(column)?.ok_or_else(|| missing(column))
    }

    /// An id that is stored as its 16 bytes, if any.
    pub fn opt_id<N: Noun>(&self, column: &str) -> Result<Option<Id<N>>, Error> {
        let Some(bytes) = self.opt_bytes(column)? else {
            return Ok(None);
        };
        let uuid = uuid::Uuid::from_slice(bytes);
        uuid.map(|uuid| Some(Id::from_uuid(uuid)))
            .map_err(|_| problem(column, "expected 16 bytes"))
    }

    /// A sealed envelope.
    pub fn sealed(&self, column: &str) -> Result<Sealed, Error> {
        self.bytes(column)
            .map(|bytes| Sealed::from_envelope(bytes.to_vec()))
    }

    /// A sealed envelope, if any.
    pub fn opt_sealed(&self, column: &str) -> Result<Option<Sealed>, Error> {
        Ok(self
            .opt_bytes(column)?
            .map(|bytes| Sealed::from_envelope(bytes.to_vec())))
    }

    /// A time stored in microseconds.
    pub fn time(&self, column: &str) -> Result<Timestamp, Error> {
        self.opt_time(column)?.ok_or_else(|| missing(column))
    }

    /// A time stored in microseconds, if any.
    pub fn opt_time(&self, column: &str) -> Result<Option<Timestamp>, Error> {
        let Some(micros) = self.opt_int(column)? else {
            return Ok(None);
        };
        Timestamp::from_microsecond(micros)
            .map(Some)
            .map_err(|_| problem(column, "expected microseconds since 1970"))
    }

    /// Text parsed as an id, a date or a word of the domain.
    pub fn parsed<T: FromStr>(&self, column: &str) -> Result<T, Error> {
        self.opt_parsed(column)?.ok_or_else(|| missing(column))
    }

    /// Text parsed as an id, a date or a word of the domain, if any.
    pub fn opt_parsed<T: FromStr>(&self, column: &str) -> Result<Option<T>, Error> {
        let Some(text) = self.opt_text(column)? else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| problem(column, "the text is not of the expected form"))
    }

    /// Text read by a function of the domain, such as `TaskKind::parse`.
    pub fn word<T>(&self, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
        self.opt_word(column, parse)?.ok_or_else(|| missing(column))
    }

    /// Text read by a function of the domain, if any.
    pub fn opt_word<T>(
        &self,
        column: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.opt_text(column)? else {
            return Ok(None);
        };
        parse(text)
            .map(Some)
            .ok_or_else(|| problem(column, "the word is not one that this program knows"))
    }

    /// JSON text read into a type of the domain.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, Error> {
        self.opt_json(column)?.ok_or_else(|| missing(column))
    }

    /// JSON text read into a type of the domain, if any.
    pub fn opt_json<T: serde::de::DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.opt_text(column)? else {
            return Ok(None);
        };
        serde_json::from_str(text)
            .map(Some)
            .map_err(|_| problem(column, "the JSON is not of the expected form"))
    }

    pub(super) fn value(&self, column: &str) -> Result<&Value, Error> {
        let place = self.columns.iter().position(|name| name == column);
        place
            .and_then(|place| self.values.get(place))
            .ok_or_else(|| problem(column, "the statement does not return it"))
    }
}

fn missing(column: &str) -> Error {
    problem(column, "holds no value")
}

fn unexpected(column: &str, wanted: &str, found: &Value) -> Error {
    problem(
        column,
        &format!("expected {wanted}, found {}", found.kind()),
    )
}

fn problem(column: &str, problem: &str) -> Error {
    Error::Column {
        column: column.to_owned(),
        problem: problem.to_owned(),
    }
}
