//! A transaction as the nouns see it: statements in, rows out, the same on both engines.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::dialect::statement_name;
use super::postgres::Session;
use super::row::Row;
use super::sqlite;
use super::value::Value;
use crate::error::Error;

/// A transaction under way. A failed statement ends it: whatever the closure does next, nothing of it is kept.
pub struct Tx {
    pub(super) connection: Connection,
    name: &'static str,
    fault: Option<Fault>,
}

pub(super) enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres(Box<Session>),
}

#[derive(Clone, Copy)]
enum Fault {
    /// The same closure may succeed when it runs again.
    Passing,
    Lasting,
}

/// A statement's failure, and whether running the whole transaction again may help.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) passing: bool,
}

/// Which rows an insert made.
enum New {
    /// Whether each is new.
    Each(Vec<bool>),
    /// The new ones, told apart by a column.
    These(Vec<Row>),
}

/// What one run of a closure came to.
pub(super) enum Attempt<T, E> {
    Done(T),
    Failed(E),
    /// Failed, but another run may succeed.
    Again(E),
}

impl Tx {
    pub(super) const fn new(connection: Connection) -> Self {
        Self {
            connection,
            name: "",
            fault: None,
        }
    }

    /// Runs a statement and answers how many rows it changed. Placeholders are `?1`, `?2`, …; the text begins `-- name`.
    pub fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, Error> {
        self.run(|connection, name| match connection {
            Connection::Sqlite(sqlite) => sqlite::execute(sqlite, name, sql, values),
            Connection::Postgres(session) => session.execute(name, sql, values),
        })
    }

    /// Runs one statement for each set of values, in one round trip where the engine is remote, and answers how many rows changed in all.
    ///
    /// A statement that takes its values from `(VALUES (?1 /* TEXT */, ?2 /* BIGINT */)) AS given`, as `column1` and so on,
    /// runs on PostgreSQL once over arrays: a tenth of the CPU for hundreds of rows. Such sets must not name one row twice.
    pub fn execute_many(&mut self, sql: &str, sets: &[Vec<Value>]) -> Result<u64, Error> {
        self.run(|connection, name| match connection {
            Connection::Sqlite(sqlite) => {
                sqlite::execute_many(sqlite, name, sql, sets.iter().map(Vec::as_slice))
            }
            Connection::Postgres(session) => session.execute_many(name, sql, sets),
        })
    }

    /// Inserts given rows (see [`Tx::execute_many`]) unless they are there, and answers the places of those that were new. The statement
    /// says `ON CONFLICT … DO NOTHING`; `column`, at `place` in each set, tells the rows apart.
    pub fn insert_new(
        &mut self,
        sql: &str,
        (column, place): (&str, usize),
        sets: &[Vec<Value>],
    ) -> Result<Vec<usize>, Error> {
        let new = self.run(|connection, name| match connection {
            Connection::Sqlite(sqlite) => {
                let sets = sets.iter().map(Vec::as_slice);
                Ok(New::Each(sqlite::execute_each(sqlite, name, sql, sets)?))
            }
            Connection::Postgres(session) => {
                let sql = format!("{sql} RETURNING {column}");
                let rows = session.query_given(name, &sql, sets)?;
                Ok(New::These(rows))
            }
        })?;
        match new {
            New::Each(new) => Ok((0..sets.len())
                .zip(new)
                .filter_map(|(place, is_new)| is_new.then_some(place))
                .collect()),
            New::These(rows) => {
                let new: HashSet<_> = rows
                    .iter()
                    .map(|row| row.value(column))
                    .collect::<Result<_, _>>()?;
                let is_new =
                    |set: &Vec<Value>| set.get(place).is_some_and(|value| new.contains(value));
                let all = sets.iter().enumerate();
                Ok(all
                    .filter(|(_, set)| is_new(set))
                    .map(|(place, _)| place)
                    .collect())
            }
        }
    }

    /// Inserts rows of which none is there yet, and answers how many: [`Error::AlreadyExists`] when one is. Many of them go to PostgreSQL in
    /// one stream, at half the CPU of arrays there.
    ///
    /// The statement inserts one given row (see [`Tx::execute_many`]) as it stands, and says nothing of conflicts.
    pub fn load<I>(
        &mut self,
        sql: &str,
        items: &[I],
        values: impl Fn(&I) -> Vec<Value>,
    ) -> Result<u64, Error> {
        self.run(|connection, name| match connection {
            Connection::Sqlite(sqlite) => {
                let sets: Vec<_> = items.iter().map(values).collect();
                let sets = sets.iter().map(Vec::as_slice);
                sqlite::execute_many(sqlite, name, sql, sets)
            }
            Connection::Postgres(session) => session.load(name, sql, items, values),
        })
    }

    /// Runs statements that don't build on one another, each once for each of its sets of values, in one round trip where the engine is
    /// remote.
    pub fn execute_all(&mut self, statements: &[(&str, Vec<Vec<Value>>)]) -> Result<(), Error> {
        self.run(|connection, name| match connection {
            Connection::Sqlite(sqlite) => statements.iter().try_for_each(|(sql, sets)| {
                let sets = sets.iter().map(Vec::as_slice);
                sqlite::execute_many(sqlite, name, sql, sets).map(drop)
            }),
            Connection::Postgres(session) => session.execute_all(name, statements),
        })
    }

    /// Runs a statement and answers its rows.
    pub fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
        self.run(|connection, name| match connection {
            Connection::Sqlite(sqlite) => sqlite::query(sqlite, name, sql, values),
            Connection::Postgres(session) => session.query(name, sql, values),
        })
    }

    /// Runs one statement for each set of values, in one round trip where the engine is remote, and answers the rows set by set.
    pub fn query_many(&mut self, sql: &str, sets: &[Vec<Value>]) -> Result<Vec<Vec<Row>>, Error> {
        self.run(|connection, name| match connection {
            Connection::Sqlite(sqlite) => {
                sqlite::query_many(sqlite, name, sql, sets.iter().map(Vec::as_slice))
            }
            Connection::Postgres(session) => session.query_many(name, sql, sets),
        })
    }

    /// As [`Tx::query_many`] for a statement with given rows (see [`Tx::execute_many`]); the rows come in no order.
    pub fn query_given(&mut self, sql: &str, sets: &[Vec<Value>]) -> Result<Vec<Row>, Error> {
        self.run(|connection, name| match connection {
            Connection::Sqlite(sqlite) => {
                let sets = sets.iter().map(Vec::as_slice);
                let answers = sqlite::query_many(sqlite, name, sql, sets)?;
                Ok(answers.into_iter().flatten().collect())
            }
            Connection::Postgres(session) => session.query_given(name, sql, sets),
        })
    }

    /// The one row of an answer; none is [`Error::NotFound`], which does not end the transaction.
    pub fn query_one(&mut self, sql: &str, values: &[Value]) -> Result<Row, Error> {
        self.query_optional(sql, values)?
            .ok_or_else(|| Error::NotFound {
                statement: statement_name(sql).to_owned(),
            })
    }

    /// The first row of an answer, if there is one.
    pub fn query_optional(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// Runs DDL, written with PostgreSQL's types.
    pub(super) fn define(&mut self, ddl: &str) -> Result<(), Error> {
        self.run(|connection, name| match connection {
            Connection::Sqlite(sqlite) => sqlite::define(sqlite, name, ddl),
            Connection::Postgres(session) => session.define(name, ddl),
        })
    }

    /// Runs `closure` once. INVARIANT: the caller keeps the transaction only on `Done`.
    pub(super) fn attempt<T, E: From<Error>>(
        &mut self,
        name: &'static str,
        closure: &impl Fn(&mut Self) -> Result<T, E>,
    ) -> Attempt<T, E> {
        self.name = name;
        self.fault = None;
        let Ok(result) = catch_unwind(AssertUnwindSafe(|| closure(self))) else {
            return Attempt::Failed(
                Error::Panicked {
                    transaction: name.to_owned(),
                }
                .into(),
            );
        };
        let went_on = || {
            Error::WentOn {
                transaction: name.to_owned(),
            }
            .into()
        };
        match (result, self.fault.take()) {
            (Ok(value), None) => Attempt::Done(value),
            (Ok(_), Some(Fault::Lasting)) => Attempt::Failed(went_on()),
            (Ok(_), Some(Fault::Passing)) => Attempt::Again(went_on()),
            (Err(error), Some(Fault::Passing)) => Attempt::Again(error),
            (Err(error), _) => Attempt::Failed(error),
        }
    }

    fn run<T>(
        &mut self,
        statement: impl FnOnce(&mut Connection, &'static str) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        if self.fault.is_some() {
            return Err(Error::WentOn {
                transaction: self.name.to_owned(),
            });
        }
        tracing::trace!(transaction = self.name, "statements to our database");
        statement(&mut self.connection, self.name).map_err(|failure| {
            self.fault = Some(if failure.passing {
                Fault::Passing
            } else {
                Fault::Lasting
            });
            failure.error
        })
    }
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tx({})", self.name)
    }
}
