//! What SQLite's own functions can't do: lower case beyond ASCII, keyed hashes, and telling what is before a moment.

use jiff::Timestamp;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ToSql, types::ToSqlOutput};

use crate::sql::cell::Cell;
use crate::sql::{Parameter, hash, moment};

/// Makes the functions known to a connection.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("privity_lower", 1, flags, |context| {
        Ok(lower(context.get_raw(0)))
    })?;
    connection.create_scalar_function("privity_before", 2, flags, |context| {
        Ok(is_before(context.get_raw(0), context.get(1)?))
    })?;
    connection.create_scalar_function("privity_is_hashed", 3, flags, is_hashed)?;
    connection.create_scalar_function("privity_hash", 4, flags, hashed)
}

fn lower(value: ValueRef<'_>) -> Option<String> {
    text(value).map(|text| text.to_lowercase())
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

/// Whether a moment is surely before the cut-off, in microseconds since 1970. What can't be read isn't.
fn is_before(value: ValueRef<'_>, from: i64) -> bool {
    let Ok(from) = Timestamp::from_microsecond(from) else {
        return false;
    };
    match value {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a cut-off doesn't depend on parts of a second"
        )]
        ValueRef::Integer(number) => {
            moment::from_number(number as f64).is_some_and(|moment| moment < from)
        }
        ValueRef::Real(number) => moment::from_number(number).is_some_and(|moment| moment < from),
        ValueRef::Text(bytes) => {
            std::str::from_utf8(bytes).is_ok_and(|text| moment::text_is_before(text, from))
        }
        ValueRef::Null | ValueRef::Blob(_) => false,
    }
}

fn is_hashed(context: &Context<'_>) -> rusqlite::Result<bool> {
    let (prefix, digits) = (context.get::<String>(1)?, count(context.get(2)?));
    let shape = |text: &str| {
        text.strip_prefix(prefix.as_str()).is_some_and(|rest| {
            rest.len() == digits
                && rest
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    Ok(text(context.get_raw(0)).is_some_and(|text| shape(&text)))
}

fn hashed(context: &Context<'_>) -> rusqlite::Result<Option<String>> {
    let (key, prefix, digits) = (
        context.get::<Vec<u8>>(1)?,
        context.get::<String>(2)?,
        count(context.get(3)?),
    );
    Ok(text(context.get_raw(0))
        .map(|text| format!("{prefix}{}", hash::digits(&key, text.as_bytes(), digits))))
}

fn count(digits: i64) -> usize {
    usize::try_from(digits).unwrap_or(0)
}

impl ToSql for Parameter {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Float(number) => ToSqlOutput::Owned(Value::Real(*number)),
            // SQLite has no larger number; one that doesn't fit equals none.
            Self::Unsigned(number) => {
                ToSqlOutput::Owned(i64::try_from(*number).map_or(Value::Null, Value::Integer))
            }
            Self::Texts(_) | Self::Blobs(_) => ToSqlOutput::Owned(Value::Null),
        })
    }
}

/// One value of a row.
pub(super) fn cell(value: ValueRef<'_>) -> Option<Cell> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(Cell::Integer(number)),
        ValueRef::Real(number) => Some(Cell::Float(number)),
        ValueRef::Text(bytes) => Some(Cell::Text(String::from_utf8_lossy(bytes).into_owned())),
        ValueRef::Blob(bytes) => Some(Cell::Bytes(bytes.to_vec())),
    }
}
