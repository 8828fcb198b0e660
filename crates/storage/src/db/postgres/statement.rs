//! Values and errors of PostgreSQL in our words; its `DETAIL` and some of its messages hold row values and are never passed on.

use std::error::Error as _;
use std::sync::Arc;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::db::row::Row;
use crate::db::transaction::Failure;
use crate::db::value::Value;
use crate::error::Error;

pub(super) fn parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}

/// The sets turned on their side: the first values of all, the second of all, …
pub(super) fn columns(sets: &[Vec<Value>]) -> Vec<Vec<&Value>> {
    let width = sets.first().map_or(0, Vec::len);
    (0..width)
        .map(|place| sets.iter().filter_map(|values| values.get(place)).collect())
        .collect()
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Text(text) if <&str as ToSql>::accepts(ty) => text.as_str().to_sql(ty, out),
            Self::Int(number) if *ty == Type::INT8 => number.to_sql(ty, out),
            Self::Int(number) if *ty == Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
            Self::Bytes(bytes) if *ty == Type::BYTEA => bytes.to_sql(ty, out),
            other => {
                Err(format!("the statement wants {ty} where {} was given", other.kind()).into())
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(
        ty: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(Self::Int),
            Type::INT4 => i32::from_sql(ty, raw).map(|number| Self::Int(i64::from(number))),
            Type::INT2 => i16::from_sql(ty, raw).map(|number| Self::Int(i64::from(number))),
            Type::BOOL => bool::from_sql(ty, raw).map(|flag| Self::Int(i64::from(flag))),
            Type::BYTEA => Ok(Self::Bytes(raw.to_vec())),
            _ => <&str>::from_sql(ty, raw).map(Self::from),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(
            *ty,
            Type::INT8 | Type::INT4 | Type::INT2 | Type::BOOL | Type::BYTEA
        ) || <&str as FromSql<'_>>::accepts(ty)
    }
}

pub(super) fn read_rows(
    rows: &[tokio_postgres::Row],
    statement: &str,
) -> Result<Vec<Row>, Failure> {
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let columns: Arc<[String]> = first
        .columns()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    let read = |row: &tokio_postgres::Row| {
        let values = (0..columns.len())
            .map(|place| row.try_get(place))
            .collect::<Result<_, _>>()?;
        Ok(Row::new(Arc::clone(&columns), values))
    };
    rows.iter()
        .map(read)
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(|error| {
            let reason = format!("{error}; cast it to TEXT, BIGINT or BYTEA");
            Failure {
                error: Error::Statement {
                    statement: statement.to_owned(),
                    code: "driver".to_owned(),
                    reason,
                },
                passing: false,
            }
        })
}

/// A failure to connect. Only what may pass by itself is tried again.
pub(super) fn connection_error(target: &str, error: &tokio_postgres::Error) -> Failure {
    let target = target.to_owned();
    let lasting = |error| Failure {
        error,
        passing: false,
    };
    let missing_password = error
        .source()
        .is_some_and(|source| source.to_string().contains("password missing"));
    match error.code() {
        Some(code)
            if [
                SqlState::INVALID_PASSWORD,
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            ]
            .contains(code) =>
        {
            lasting(Error::WrongPassword { target })
        }
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => {
            lasting(Error::NoSuchDatabase { target })
        }
        Some(code) => Failure {
            error: Error::Unreachable {
                target,
                reason: format!("the server answered SQLSTATE {}", code.code()),
            },
            passing: true,
        },
        None if missing_password => lasting(Error::WrongPassword { target }),
        None => Failure {
            error: Error::Unreachable {
                target,
                reason: without_server_text(error),
            },
            passing: true,
        },
    }
}

/// Our words for a statement's failure.
pub(super) fn failure(
    transaction: &str,
    statement: &str,
    target: &str,
    error: &tokio_postgres::Error,
) -> Failure {
    let lasting = |error| Failure {
        error,
        passing: false,
    };
    let statement = statement.to_owned();
    let Some(answer) = error.as_db_error() else {
        if error.is_closed()
            || error
                .source()
                .is_some_and(|source| source.is::<std::io::Error>())
        {
            return Failure {
                error: Error::Unreachable {
                    target: target.to_owned(),
                    reason: without_server_text(error),
                },
                passing: true,
            };
        }
        return lasting(Error::Statement {
            statement,
            code: "driver".to_owned(),
            reason: without_server_text(error),
        });
    };
    let code = answer.code();
    if is_passing(code) || is_outdated_plan(error) {
        return Failure {
            error: Error::Busy {
                transaction: transaction.to_owned(),
            },
            passing: true,
        };
    }
    if [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN].contains(code) {
        let reason = "the server is shutting down".to_owned();
        return Failure {
            error: Error::Unreachable {
                target: target.to_owned(),
                reason,
            },
            passing: true,
        };
    }
    let rule = || {
        answer
            .constraint()
            .or(answer.table())
            .unwrap_or("unnamed")
            .to_owned()
    };
    lasting(match code.code() {
        "53100" => Error::DiskFull,
        "25006" => Error::ReadOnly { statement },
        // Also a table that another program is just making.
        "23505" | "42710" | "42P07" => Error::AlreadyExists {
            statement,
            rule: rule(),
        },
        // Class 42 is about names and syntax: no row was read yet.
        class if class.starts_with("42") => Error::Statement {
            statement,
            code: class.to_owned(),
            reason: answer.message().to_owned(),
        },
        other => Error::Statement {
            statement,
            code: other.to_owned(),
            reason: format!("the server refused it ({})", rule()),
        },
    })
}

/// Another transaction got in the way; alone, this one would have succeeded.
fn is_passing(code: &SqlState) -> bool {
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
    ]
    .contains(code)
}

/// A newer program has changed a table under a prepared statement; prepared again, it runs. (The routine's name is not translated.)
pub(super) fn is_outdated_plan(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().and_then(|answer| answer.routine()) == Some("RevalidateCachedQuery")
}

/// The driver's own words and the system's, for errors that the server didn't send.
fn without_server_text(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
