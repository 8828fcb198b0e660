//! One connection during one transaction. BEGIN travels together with the first statement, and many statements of one kind together.

use std::sync::Arc;

use deadpool_postgres::{Client, Object};
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::statement::{self, columns, parameters, read_rows};
use crate::db::dialect::{Rewritten, over_arrays, statement_name};
use crate::db::row::Row;
use crate::db::transaction::Failure;
use crate::db::value::Value;
use crate::db::{Access, Durable};
use crate::error::Error;

/// Statements sent before the first answer is read.
const PIPELINE: usize = 256;

/// Rows in one statement over arrays.
const ARRAY: usize = 1_024;

/// Such statements sent before the first answer is read.
const ARRAYS: usize = 24;

/// A connection that a transaction holds.
pub(crate) struct Session {
    client: Client,
    handle: Handle,
    rewritten: Arc<Rewritten>,
    target: String,
    /// What opens the transaction, until it was sent.
    begin: Option<&'static str>,
    access: Access,
}

impl Session {
    pub(super) const fn new(
        client: Client,
        handle: Handle,
        access: Access,
        rewritten: Arc<Rewritten>,
        target: String,
    ) -> Self {
        // A read sees one unchanging state, as on SQLite. A write takes row locks where it needs order (see audit.rs).
        let begin = match access {
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write(Durable::Now) => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Access::Write(Durable::Later) => {
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off"
            }
        };
        Self {
            client,
            handle,
            rewritten,
            target,
            begin: Some(begin),
            access,
        }
    }

    pub(in crate::db) fn execute(
        &mut self,
        transaction: &str,
        sql: &str,
        values: &[Value],
    ) -> Result<u64, Failure> {
        let work = async {
            let statement = self.client.prepare_cached(&self.rewritten.get(sql)).await?;
            let parameters = parameters(values);
            let run = self.client.execute(&statement, &parameters);
            with_begin(&self.client, self.begin, run).await
        };
        let result = self.handle.block_on(work);
        self.settle(transaction, sql, result)
    }

    pub(in crate::db) fn query(
        &mut self,
        transaction: &str,
        sql: &str,
        values: &[Value],
    ) -> Result<Vec<Row>, Failure> {
        let work = async {
            let statement = self.client.prepare_cached(&self.rewritten.get(sql)).await?;
            let parameters = parameters(values);
            let run = self.client.query(&statement, &parameters);
            with_begin(&self.client, self.begin, run).await
        };
        let result = self.handle.block_on(work);
        read_rows(&self.settle(transaction, sql, result)?, statement_name(sql))
    }

    pub(in crate::db) fn execute_many(
        &mut self,
        transaction: &str,
        sql: &str,
        sets: &[Vec<Value>],
    ) -> Result<u64, Failure> {
        let changed = match over_arrays(sql) {
            Some(text) => self.in_arrays(
                transaction,
                sql,
                &text,
                sets,
                async |client, statement, arrays| client.execute(statement, arrays).await,
            )?,
            None => self.many(transaction, sql, sets, async |client, statement, values| {
                client.execute(statement, &parameters(values)).await
            })?,
        };
        Ok(changed.into_iter().sum())
    }

    pub(in crate::db) fn query_given(
        &mut self,
        transaction: &str,
        sql: &str,
        sets: &[Vec<Value>],
    ) -> Result<Vec<Row>, Failure> {
        let Some(text) = over_arrays(sql) else {
            return Ok(self
                .query_many(transaction, sql, sets)?
                .into_iter()
                .flatten()
                .collect());
        };
        let answers = self.in_arrays(
            transaction,
            sql,
            &text,
            sets,
            async |client, statement, arrays| client.query(statement, arrays).await,
        )?;
        let rows: Vec<_> = answers.into_iter().flatten().collect();
        read_rows(&rows, statement_name(sql))
    }

    pub(in crate::db) fn query_many(
        &mut self,
        transaction: &str,
        sql: &str,
        sets: &[Vec<Value>],
    ) -> Result<Vec<Vec<Row>>, Failure> {
        let answers = self.many(transaction, sql, sets, async |client, statement, values| {
            client.query(statement, &parameters(values)).await
        })?;
        answers
            .iter()
            .map(|rows| read_rows(rows, statement_name(sql)))
            .collect()
    }

    pub(in crate::db) fn define(&mut self, transaction: &str, ddl: &str) -> Result<(), Failure> {
        let result = self.handle.block_on(with_begin(
            &self.client,
            self.begin,
            self.client.batch_execute(ddl),
        ));
        self.settle(transaction, ddl, result)
    }

    /// Sends a statement once for each set without waiting between them. The first failure is the one that counts:
    /// those behind it only say that the transaction has already failed.
    fn many<T>(
        &mut self,
        transaction: &str,
        sql: &str,
        sets: &[Vec<Value>],
        run: impl AsyncFn(&Object, &Statement, &[Value]) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, Failure> {
        let mut answers = Vec::with_capacity(sets.len());
        for part in sets.chunks(PIPELINE) {
            let work = async {
                let statement = self.client.prepare_cached(&self.rewritten.get(sql)).await?;
                let runs = async {
                    Ok(join_all(
                        part.iter()
                            .map(|values| run(&self.client, &statement, values)),
                    )
                    .await)
                };
                with_begin(&self.client, self.begin, runs)
                    .await?
                    .into_iter()
                    .collect::<Result<Vec<T>, _>>()
            };
            let result = self.handle.block_on(work);
            answers.extend(self.settle(transaction, sql, result)?);
        }
        Ok(answers)
    }

    /// Runs a statement over all sets at once, each column as one array: the next rows are written out while the server works on those
    /// before.
    fn in_arrays<T>(
        &mut self,
        transaction: &str,
        sql: &str,
        text: &str,
        sets: &[Vec<Value>],
        run: impl AsyncFn(
            &Object,
            &Statement,
            &[&(dyn ToSql + Sync)],
        ) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, Failure> {
        let mut answers = Vec::new();
        for part in sets.chunks(ARRAY * ARRAYS) {
            let work = async {
                let statement = self
                    .client
                    .prepare_cached(&self.rewritten.get(text))
                    .await?;
                let one = async |rows: &[Vec<Value>]| {
                    let columns = columns(rows);
                    let arrays: Vec<_> = columns
                        .iter()
                        .map(|column| column as &(dyn ToSql + Sync))
                        .collect();
                    run(&self.client, &statement, &arrays).await
                };
                let runs = async { Ok(join_all(part.chunks(ARRAY).map(one)).await) };
                with_begin(&self.client, self.begin, runs)
                    .await?
                    .into_iter()
                    .collect::<Result<Vec<T>, _>>()
            };
            let result = self.handle.block_on(work);
            answers.extend(self.settle(transaction, sql, result)?);
        }
        Ok(answers)
    }

    fn settle<T>(
        &mut self,
        transaction: &str,
        sql: &str,
        result: Result<T, tokio_postgres::Error>,
    ) -> Result<T, Failure> {
        self.begin = None;
        result.map_err(|error| {
            if statement::is_outdated_plan(&error) {
                self.client.statement_cache.clear();
            }
            statement::failure(transaction, statement_name(sql), &self.target, &error)
        })
    }

    pub(super) fn commit(self, transaction: &'static str) -> Result<(), Failure> {
        if self.begin.is_some() {
            return Ok(());
        }
        let Err(error) = self.handle.block_on(self.client.batch_execute("COMMIT")) else {
            return Ok(());
        };
        let mut failure = statement::failure(transaction, "commit", &self.target, &error);
        // Without the server's word it is not known whether a write took effect, so it must not be repeated blindly.
        if error.as_db_error().is_none() && self.access != Access::Read {
            failure = Failure {
                error: Error::CommitUnknown {
                    transaction: transaction.to_owned(),
                },
                passing: false,
            };
        }
        self.discard();
        Err(failure)
    }

    pub(super) fn roll_back(self) {
        if self.begin.is_none()
            && self
                .handle
                .block_on(self.client.batch_execute("ROLLBACK"))
                .is_err()
        {
            self.discard();
        }
    }

    /// Keeps a connection in an unknown state out of the pool.
    fn discard(self) {
        drop(Object::take(self.client));
    }
}

/// Sends BEGIN and the first statement in one go; PostgreSQL works them off in order.
async fn with_begin<T>(
    client: &Object,
    begin: Option<&'static str>,
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, tokio_postgres::Error> {
    let Some(begin) = begin else {
        return statement.await;
    };
    let (begun, answer) = tokio::join!(biased; client.batch_execute(begin), statement);
    begun?;
    answer
}
