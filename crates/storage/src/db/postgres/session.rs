//! One connection during one transaction. BEGIN travels together with the first statement, and many statements of one kind together.
//!
//! A transaction of many members ([`super::writer`]) has a savepoint for each; it travels the same way.

use std::sync::Arc;

use deadpool_postgres::{Client, Object};
use domain::audit::LogState;
use futures_util::future::join_all;
use tokio::runtime::{Handle, Runtime};
use tokio_postgres::Statement;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::copy;
use super::statement::{self, columns, parameters, read_rows};
use crate::db::dialect::{Rewritten, copy_for_postgres, over_arrays, statement_name};
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

/// From so many rows on, a stream of them costs less than arrays, though it takes two round trips more.
const STREAM: usize = 500;

const BEGIN_MEMBERS: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SAVEPOINT member";
const NEXT_MEMBER: &str = "RELEASE SAVEPOINT member; SAVEPOINT member";
const UNDO_MEMBER: &str = "ROLLBACK TO SAVEPOINT member";
// RELEASE also sees to it that a transaction in a failed state is refused: a bare COMMIT would roll it back and call that done.
const COMMIT_MEMBERS: &str = "RELEASE SAVEPOINT member; COMMIT";

/// A connection that a transaction holds.
pub(crate) struct Session {
    client: Client,
    runs: Runs,
    rewritten: Arc<Rewritten>,
    target: String,
    /// What has to be sent before the next statement: what opens the transaction, or a member of it.
    ahead: Option<&'static str>,
    /// Whether the server knows of the transaction.
    is_open: bool,
    /// The end of the log that this transaction holds, and what was known of it when the last member ended.
    log: [Option<LogState>; 2],
    commit: &'static str,
    access: Access,
    /// Unset when a stream of rows failed: where the server stopped reading it is not known, so that its next answer may be to anything.
    is_in_step: bool,
}

/// Where the connection's own work is done while a statement is waited for.
pub(super) enum Runs {
    /// On the threads of whoever opened it.
    Elsewhere(Handle),
    /// On the waiting thread itself, so that an answer wakes no other one.
    Here(Arc<Runtime>),
}

impl Runs {
    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        match self {
            Self::Elsewhere(handle) => handle.block_on(work),
            Self::Here(runtime) => runtime.block_on(work),
        }
    }
}

impl Session {
    pub(super) const fn new(
        client: Client,
        runs: Runs,
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
            runs,
            rewritten,
            target,
            ahead: Some(begin),
            is_open: false,
            log: [None, None],
            commit: "COMMIT",
            access,
            is_in_step: true,
        }
    }

    /// The same for a write of many members, each of which is kept ([`Session::keep_member`]) or undone ([`Session::undo_member`]).
    pub(super) fn of_members(self) -> Self {
        Self {
            ahead: Some(BEGIN_MEMBERS),
            commit: COMMIT_MEMBERS,
            ..self
        }
    }

    /// What was done since the last member ended stays, and the next statement is another member's.
    pub(super) fn keep_member(&mut self) {
        let [now, at_last_end] = &mut self.log;
        at_last_end.clone_from(now);
        if self.ahead.is_none() {
            self.ahead = Some(NEXT_MEMBER);
        }
    }

    /// Takes back what was done since the last member ended; its savepoint serves the next one.
    ///
    /// # Errors
    /// The whole transaction is lost.
    pub(super) fn undo_member(&mut self) -> Result<(), Failure> {
        // Whoever locked the log and is undone has let go of it.
        let [now, at_last_end] = &mut self.log;
        now.clone_from(at_last_end);
        if self.ahead.is_some() {
            return Ok(());
        }
        let undone = self.client.batch_execute(UNDO_MEMBER);
        self.runs
            .block_on(undone)
            .map_err(|error| statement::failure("group commit", "undo", &self.target, &error))
    }

    pub(super) fn log_end(&mut self) -> &mut Option<LogState> {
        let [now, _] = &mut self.log;
        now
    }

    pub(in crate::db) fn execute(
        &mut self,
        transaction: &str,
        sql: &str,
        values: &[Value],
    ) -> Result<u64, Failure> {
        let work = async {
            let statement = self.client.prepare_cached(&self.rewritten.get(sql)).await?;
            self.client.execute(&statement, &parameters(values)).await
        };
        let result = self.send(work);
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
            self.client.query(&statement, &parameters(values)).await
        };
        let result = self.send(work);
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

    pub(in crate::db) fn execute_all(
        &mut self,
        transaction: &str,
        statements: &[(&str, Vec<Vec<Value>>)],
    ) -> Result<(), Failure> {
        let runs = statements
            .iter()
            .map(|(sql, sets)| self.run_sets(sql, sets));
        let answers = match self.send(async { Ok(join_all(runs).await) }) {
            Ok(answers) => answers,
            Err(error) => vec![Err(error)],
        };
        let mut failed: Vec<_> = statements
            .iter()
            .zip(answers)
            .filter_map(|((sql, _), answer)| answer.err().map(|error| (*sql, error)))
            .collect();
        // Those that came behind it only say that the transaction has already failed.
        failed.sort_by_key(|(_, error)| error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
        match failed.into_iter().next() {
            Some((sql, error)) => self.settle(transaction, sql, Err(error)),
            None => self.settle(transaction, "", Ok(())),
        }
    }

    /// Members of one transaction are undone one by one, which a failed stream leaves no way to do: they insert arrays.
    pub(in crate::db) fn load<I>(
        &mut self,
        transaction: &str,
        sql: &str,
        items: &[I],
        values: impl Fn(&I) -> Vec<Value>,
    ) -> Result<u64, Failure> {
        let is_shared = self.commit == COMMIT_MEMBERS;
        let text = copy_for_postgres(sql).filter(|_| items.len() >= STREAM && !is_shared);
        let Some(text) = text else {
            let sets: Vec<_> = items.iter().map(values).collect();
            return self.execute_many(transaction, sql, &sets);
        };
        let work = async {
            let statement = self.client.prepare_cached(&text).await?;
            copy::stream(&self.client, &statement, items.iter().map(values)).await
        };
        let result = self.send(work);
        self.is_in_step &= result.is_ok();
        self.settle(transaction, sql, result)
    }

    async fn run_sets(&self, sql: &str, sets: &[Vec<Value>]) -> Result<(), tokio_postgres::Error> {
        if sets.is_empty() {
            return Ok(());
        }
        let arrays = over_arrays(sql);
        let text = self.rewritten.get(arrays.as_deref().unwrap_or(sql));
        let statement = self.client.prepare_cached(&text).await?;
        if arrays.is_some() {
            for part in sets.chunks(ARRAY) {
                let columns = columns(part);
                let arrays: Vec<_> = columns
                    .iter()
                    .map(|column| column as &(dyn ToSql + Sync))
                    .collect();
                self.client.execute(&statement, &arrays).await?;
            }
            return Ok(());
        }
        let runs = sets
            .iter()
            .map(async |values| self.client.execute(&statement, &parameters(values)).await);
        join_all(runs)
            .await
            .into_iter()
            .try_for_each(|run| run.map(drop))
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
        let result = self.send(self.client.batch_execute(ddl));
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
                let runs = part
                    .iter()
                    .map(|values| run(&self.client, &statement, values));
                join_all(runs).await.into_iter().collect()
            };
            let result: Result<Vec<T>, _> = self.send(work);
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
                let runs = join_all(part.chunks(ARRAY).map(one)).await;
                runs.into_iter().collect::<Result<Vec<T>, _>>()
            };
            let result = self.send(work);
            answers.extend(self.settle(transaction, sql, result)?);
        }
        Ok(answers)
    }

    /// Sends what goes ahead and the work's statements in one go; PostgreSQL works them off in order. The work begins with preparing its
    /// statement: one that can't be prepared must not spoil the member before it.
    fn send<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        let Some(ahead) = self.ahead else {
            return self.runs.block_on(work);
        };
        self.runs.block_on(async {
            let (begun, answer) = tokio::join!(biased; self.client.batch_execute(ahead), work);
            begun?;
            answer
        })
    }

    fn settle<T>(
        &mut self,
        transaction: &str,
        sql: &str,
        result: Result<T, tokio_postgres::Error>,
    ) -> Result<T, Failure> {
        self.ahead = None;
        self.is_open = true;
        result.map_err(|error| {
            if statement::is_outdated_plan(&error) {
                self.client.statement_cache.clear();
            }
            statement::failure(transaction, statement_name(sql), &self.target, &error)
        })
    }

    pub(super) fn commit(self, transaction: &'static str) -> Result<(), Failure> {
        if !self.is_open {
            return Ok(());
        }
        let Err(error) = self.runs.block_on(self.client.batch_execute(self.commit)) else {
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
        let is_undone = |session: &Self| {
            let undone = session.client.batch_execute("ROLLBACK");
            session.is_in_step && session.runs.block_on(undone).is_ok()
        };
        if self.is_open && !is_undone(&self) {
            self.discard();
        }
    }

    /// Keeps a connection in an unknown state out of the pool.
    fn discard(self) {
        drop(Object::take(self.client));
    }
}
