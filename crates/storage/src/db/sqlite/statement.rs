//! Statements on SQLite: values in, rows out, errors without values.

use std::sync::{Arc, LazyLock};

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, Statement, params_from_iter};

use crate::db::dialect::{Rewritten, ddl_for_sqlite, statement_name};
use crate::db::row::Row;
use crate::db::transaction::Failure;
use crate::db::value::Value;
use crate::error::Error;

pub(in crate::db) fn execute(
    connection: &Connection,
    transaction: &str,
    sql: &str,
    values: &[Value],
) -> Result<u64, Failure> {
    execute_many(connection, transaction, sql, std::iter::once(values))
}

/// Once for each set of values; looked up and bound, the statement stays prepared.
pub(in crate::db) fn execute_many<'v>(
    connection: &Connection,
    transaction: &str,
    sql: &str,
    sets: impl Iterator<Item = &'v [Value]>,
) -> Result<u64, Failure> {
    let changed = prepare(connection, sql).and_then(|mut statement| run_each(&mut statement, sets));
    changed.map_err(|error| failure(transaction, statement_name(sql), error))
}

/// Once for each set of values; whether each of them changed anything.
pub(in crate::db) fn execute_each<'v>(
    connection: &Connection,
    transaction: &str,
    sql: &str,
    sets: impl Iterator<Item = &'v [Value]>,
) -> Result<Vec<bool>, Failure> {
    let changed = prepare(connection, sql).and_then(|mut statement| {
        sets.map(|values| Ok(statement.execute(params_from_iter(values))? > 0))
            .collect()
    });
    changed.map_err(|error| failure(transaction, statement_name(sql), error))
}

fn prepare<'c>(connection: &'c Connection, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
    static PLAIN: LazyLock<Rewritten> = LazyLock::new(Rewritten::for_sqlite);
    if sql.contains("AS given") {
        connection.prepare_cached(&PLAIN.get(sql))
    } else {
        connection.prepare_cached(sql)
    }
}

fn run_each<'v>(
    statement: &mut Statement<'_>,
    sets: impl Iterator<Item = &'v [Value]>,
) -> rusqlite::Result<u64> {
    let mut count = 0;
    for values in sets {
        // A statement with RETURNING answers rows; whoever asks only for the count gets it all the same.
        if statement.column_count() == 0 {
            count += statement.execute(params_from_iter(values))? as u64;
            continue;
        }
        let mut rows = statement.query(params_from_iter(values))?;
        while rows.next()?.is_some() {
            count += 1;
        }
    }
    Ok(count)
}

pub(in crate::db) fn query(
    connection: &Connection,
    transaction: &str,
    sql: &str,
    values: &[Value],
) -> Result<Vec<Row>, Failure> {
    let mut answers = query_many(connection, transaction, sql, std::iter::once(values))?;
    Ok(answers.pop().unwrap_or_default())
}

/// Once for each set of values, and the rows set by set.
pub(in crate::db) fn query_many<'v>(
    connection: &Connection,
    transaction: &str,
    sql: &str,
    sets: impl Iterator<Item = &'v [Value]>,
) -> Result<Vec<Vec<Row>>, Failure> {
    let answers = connection
        .prepare_cached(sql)
        .and_then(|mut statement| read_each(&mut statement, sets));
    answers.map_err(|error| failure(transaction, statement_name(sql), error))
}

pub(in crate::db) fn define(
    connection: &Connection,
    transaction: &str,
    ddl: &str,
) -> Result<(), Failure> {
    connection
        .execute_batch(&ddl_for_sqlite(ddl))
        .map_err(|error| failure(transaction, statement_name(ddl), error))
}

fn read_each<'v>(
    statement: &mut Statement<'_>,
    sets: impl Iterator<Item = &'v [Value]>,
) -> rusqlite::Result<Vec<Vec<Row>>> {
    let mut columns: Arc<[String]> = Arc::default();
    let mut answers = Vec::with_capacity(sets.size_hint().0);
    for values in sets {
        let mut rows = statement.query(params_from_iter(values))?;
        let mut answer = Vec::new();
        while let Some(row) = rows.next()? {
            // Known only now: the first step prepares the statement again if a newer program has changed the table.
            if columns.is_empty() {
                columns = row.as_ref().column_names().map(str::to_owned).collect();
            }
            let values = (0..columns.len())
                .map(|place| read_value(row, place))
                .collect::<rusqlite::Result<_>>()?;
            answer.push(Row::new(Arc::clone(&columns), values));
        }
        answers.push(answer);
    }
    Ok(answers)
}

fn read_value(row: &rusqlite::Row<'_>, place: usize) -> rusqlite::Result<Value> {
    let wrong = |kind| rusqlite::Error::InvalidColumnType(place, String::new(), kind);
    match row.get_ref(place)? {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        ValueRef::Text(text) => String::from_utf8(text.to_vec())
            .map(Value::Text)
            .map_err(|_| wrong(rusqlite::types::Type::Text)),
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes.to_vec())),
        ValueRef::Real(_) => Err(wrong(rusqlite::types::Type::Real)),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Our words for SQLite's error. Its messages name tables and columns, never values.
#[expect(
    clippy::needless_pass_by_value,
    reason = "used as the last step of map_err"
)]
pub(super) fn failure(transaction: &str, statement: &str, error: rusqlite::Error) -> Failure {
    let statement = statement.to_owned();
    let (code, reason) = match &error {
        rusqlite::Error::SqliteFailure(code, message) => (
            Some(*code),
            message.clone().unwrap_or_else(|| code.to_string()),
        ),
        rusqlite::Error::SqlInputError { error, msg, .. } => (Some(*error), msg.clone()),
        other => (None, other.to_string()),
    };
    let lasting = |error| Failure {
        error,
        passing: false,
    };
    let Some(code) = code else {
        return lasting(Error::Statement {
            statement,
            code: "driver".to_owned(),
            reason,
        });
    };
    match (code.code, code.extended_code) {
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Failure {
            error: Error::Busy {
                transaction: transaction.to_owned(),
            },
            passing: true,
        },
        (ErrorCode::DiskFull, _) => lasting(Error::DiskFull),
        (ErrorCode::ReadOnly, _) => lasting(Error::ReadOnly { statement }),
        (
            _,
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
        ) => {
            let rule = reason.rsplit(": ").next().unwrap_or_default().to_owned();
            lasting(Error::AlreadyExists { statement, rule })
        }
        (_, extended) => lasting(Error::Statement {
            statement,
            code: format!("SQLite {extended}"),
            reason,
        }),
    }
}
