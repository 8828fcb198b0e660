//! A source system in PostgreSQL, or in what speaks its protocol. Statements of a batch are sent without waiting for each
//! other's answers, since what a batch costs is mostly waiting.

mod connection;
mod describe;
mod failure;
mod live;
pub mod views;

pub(crate) use connection::unescape;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool};
use domain::data_map::{Collection, CollectionKey, FieldName, SystemKey};
use domain::plan::{EraseStep, Erased, Erasure, LocatedRow, Search};
use domain::progress::Progress;
use domain::row::{FoundRow, JsonValue};
use domain::sensitive::Sensitive;
use futures_util::StreamExt as _;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::connector::has_values;
use crate::sql::cell::Cell;
use crate::sql::erasure::{Change, Eraser, Session, places_of_steps, values_at_once};
use crate::sql::lookup::chunks;
use crate::sql::predicate::{Doomed, RowIds};
use crate::sql::remaining::Remainder;
use crate::sql::statement::{self, Layout, Scope, Write, places_of_search};
use crate::sql::table::{Places, Table, Tables, place};
use crate::sql::{self, Dialect, Parameter, Statement};
use crate::{Batch, Connector, ConnectorError, Description, Mark, Remaining, Scan};

/// Rows in a page.
const PAGE: usize = 1_000;
/// Statements that are under way at once.
const PIPELINE: usize = 24;

/// How to reach a PostgreSQL database.
#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// `postgresql://role:password@host:port/database`; `?sslmode=disable|prefer|require|verify-ca|verify-full`,
    /// `&sslrootcert=FILE` and `&schema=NAME` are understood.
    pub url: Sensitive<String>,
    /// The most connections at once; 4 where nothing is said.
    #[serde(default)]
    pub pool: Option<usize>,
    /// The longest that one statement may take; 300 where nothing is said.
    #[serde(default)]
    pub statement_timeout_seconds: Option<u64>,
    /// The longest wait for somebody else's lock; 5 where nothing is said.
    #[serde(default)]
    pub lock_timeout_seconds: Option<u64>,
}

/// Reaches a PostgreSQL database.
pub struct PostgresConnector {
    system: SystemKey,
    /// What is wrong with the URL is told when the database is first needed.
    pool: Result<Pool, String>,
    schema: Option<String>,
    lock_timeout_seconds: u64,
    places: Places,
    with_samples: bool,
    live: Mutex<HashMap<CollectionKey, Arc<Table>>>,
}

impl PostgresConnector {
    /// A connector that connects when the database is first needed.
    pub fn new(system: SystemKey, config: PostgresConfig) -> Self {
        let (pool, schema) = match connection::pool(&config) {
            Ok((pool, schema)) => (Ok(pool), schema),
            Err(reason) => (Err(reason), None),
        };
        let lock_timeout_seconds = config.lock_timeout_seconds.unwrap_or(5).max(1);
        Self {
            system,
            pool,
            schema,
            lock_timeout_seconds,
            places: Places::new(),
            with_samples: false,
            live: Mutex::default(),
        }
    }

    /// Whether [`Connector::describe`] brings sample values.
    #[must_use]
    pub fn with_samples(mut self, with_samples: bool) -> Self {
        self.with_samples = with_samples;
        self
    }

    /// Tells where the tables of the data map's collections are, so that pointers from collections without a step are found.
    #[must_use]
    pub fn with_collections<'a>(
        mut self,
        collections: impl IntoIterator<Item = &'a Collection>,
    ) -> Self {
        let places = collections
            .into_iter()
            .filter(|collection| collection.system == self.system);
        self.places = places
            .map(|collection| (collection.key.clone(), place(collection)))
            .collect();
        self
    }

    async fn connection(&self) -> Result<Object, ConnectorError> {
        let pool = self
            .pool
            .as_ref()
            .map_err(|reason| ConnectorError::Refused {
                system: self.system.clone(),
                reason: reason.clone(),
            })?;
        pool.get()
            .await
            .map_err(|error| failure::of_pool(&self.system, error))
    }

    fn error(
        &self,
        doing: &'static str,
        collection: Option<&CollectionKey>,
        error: &tokio_postgres::Error,
    ) -> ConnectorError {
        // The live schema may have changed under us; it is read anew next time.
        self.forget_tables();
        failure::of_statement(&self.system, doing, collection, error)
    }

    fn forget_tables(&self) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.clear();
    }

    async fn tables(&self, connection: &Object, places: Places) -> Result<Tables, ConnectorError> {
        let mut tables = Tables::default();
        for (key, (schema, table)) in places {
            let known = self
                .live
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&key)
                .cloned();
            if let Some(known) = known {
                tables.insert(known);
                continue;
            }
            let found = live::table(connection, &key, schema.as_deref(), &table)
                .await
                .map_err(|error| self.error("reading the schema", Some(&key), &error))?;
            let missing = || ConnectorError::Drift {
                collection: key.clone(),
                reason: format!(
                    "there is no table `{table}` any more, or not in the schema that is searched"
                ),
            };
            let live = Arc::new(found.ok_or_else(missing)?);
            self.live
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key, live.clone());
            tables.insert(live);
        }
        Ok(tables)
    }

    async fn stream<T: Send>(
        &self,
        search: &Search,
        write: Write,
        read: fn(&Layout, &Search, Vec<Option<Cell>>) -> Option<T>,
        page: &mut (dyn FnMut(Vec<T>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError> {
        if !has_values(&search.ways) {
            return Ok(());
        }
        let connection = self.connection().await?;
        let tables = self.tables(&connection, places_of_search(search)).await?;
        let Some((statement, layout)) = write(Dialect::Postgres, &tables, search)? else {
            return Ok(());
        };
        let failed = |error| self.error("reading", Some(&search.collection.key), &error);
        let rows = query(&connection, &statement).await.map_err(failed)?;
        let mut rows = pin!(rows);
        let mut waiting = Vec::new();
        while let Some(row) = rows.next().await {
            waiting.extend(read(&layout, search, cells(&row.map_err(failed)?)));
            if waiting.len() >= PAGE {
                page(std::mem::take(&mut waiting))?;
            }
        }
        if waiting.is_empty() {
            Ok(())
        } else {
            page(waiting)
        }
    }

    fn commit_error(
        &self,
        tables: &Tables,
        collection: Option<&CollectionKey>,
        error: &tokio_postgres::Error,
    ) -> ConnectorError {
        let known = |table: &str| {
            self.places.is_empty()
                || tables.has(table)
                || self.places.values().any(|(_, known)| known == table)
        };
        failure::of_foreign_key(collection, error, known)
            .unwrap_or_else(|| self.error("erasing", collection, error))
    }
}

fn parameters(statement: &Statement) -> Vec<&(dyn ToSql + Sync)> {
    statement
        .parameters
        .expose()
        .iter()
        .map(|parameter| parameter as &(dyn ToSql + Sync))
        .collect()
}

async fn query(
    connection: &Object,
    statement: &Statement,
) -> Result<tokio_postgres::RowStream, tokio_postgres::Error> {
    let prepared = connection.prepare_cached(&statement.text).await?;
    connection.query_raw(&prepared, parameters(statement)).await
}

async fn execute(
    connection: &Object,
    prepared: &tokio_postgres::Statement,
    statement: &Statement,
) -> Result<u64, tokio_postgres::Error> {
    connection
        .execute_raw(prepared, parameters(statement))
        .await
}

/// All columns come as text, so that no type needs code of its own.
fn cells(row: &Row) -> Vec<Option<Cell>> {
    (0..row.len())
        .map(|place| {
            row.try_get::<_, Option<String>>(place)
                .ok()
                .flatten()
                .map(Cell::Text)
        })
        .collect()
}

#[async_trait]
impl Connector for PostgresConnector {
    async fn describe_watched(&self, progress: &Progress) -> Result<Description, ConnectorError> {
        let connection = self.connection().await?;
        describe::describe(
            &connection,
            self.schema.as_deref(),
            self.with_samples,
            progress,
        )
        .await
        .map_err(|error| self.error("describing the schema", None, &error))
    }

    async fn locate(
        &self,
        search: &Search,
        page: &mut (dyn FnMut(Vec<LocatedRow>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError> {
        self.stream(
            search,
            statement::locate,
            |layout, _, cells| layout.located(cells),
            page,
        )
        .await
    }

    async fn export(
        &self,
        search: &Search,
        page: &mut (dyn FnMut(Vec<FoundRow>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError> {
        self.stream(
            search,
            statement::export,
            |layout, search, cells| Some(layout.found(&search.collection, cells)),
            page,
        )
        .await
    }

    async fn scan(&self, scan: &Scan) -> Result<Batch, ConnectorError> {
        let (connection, table) = self.one_table(&scan.collection).await?;
        let (statement, mut reader) = sql::scan::scan(&table, scan)?;
        let failed = |error| self.error("reading", Some(&scan.collection.key), &error);
        let mut connection = connection;
        let reading = connection.build_transaction().read_only(true);
        let reading = reading.start().await.map_err(failed)?;
        let prepared = reading.prepare_cached(&statement.text).await;
        let rows = reading
            .query_raw(&prepared.map_err(failed)?, parameters(&statement))
            .await
            .map_err(failed)?;
        let mut rows = Box::pin(rows);
        while let Some(row) = rows.next().await {
            if !reader.take(cells(&row.map_err(failed)?)) {
                break;
            }
        }
        drop(rows);
        reading.commit().await.map_err(failed)?;
        reader.finish()
    }

    async fn newest(
        &self,
        collection: &Arc<Collection>,
        watermark: &FieldName,
    ) -> Result<Option<Mark>, ConnectorError> {
        let (connection, table) = self.one_table(collection).await?;
        let (statement, _) = sql::scan::newest(&table, watermark)?;
        let rows = self.rows(&connection, &collection.key, &statement).await?;
        let cell = rows.first().and_then(|row| cells(row).into_iter().next());
        Ok(sql::scan::mark(cell.flatten()))
    }

    async fn count(&self, scan: &Scan) -> Result<Option<u64>, ConnectorError> {
        let (connection, table) = self.one_table(&scan.collection).await?;
        let statement = sql::scan::count(&table, scan)?;
        let key = &scan.collection.key;
        let rows = self.rows(&connection, key, &statement).await?;
        let cell = rows.first().and_then(|row| cells(row).into_iter().next());
        Ok(sql::scan::counted(cell.flatten()))
    }

    async fn correct(
        &self,
        search: &Search,
        values: &[(FieldName, Sensitive<JsonValue>)],
    ) -> Result<u64, ConnectorError> {
        let connection = self.connection().await?;
        let tables = self.tables(&connection, places_of_search(search)).await?;
        let Some(statement) = statement::correct(Dialect::Postgres, &tables, search, values)?
        else {
            return Ok(0);
        };
        let failed = |error| self.error("correcting", Some(&search.collection.key), &error);
        let prepared = connection
            .prepare_cached(&statement.text)
            .await
            .map_err(failed)?;
        execute(&connection, &prepared, &statement)
            .await
            .map_err(failed)
    }

    async fn erase(
        &self,
        erasure: &Erasure,
    ) -> Result<Vec<(CollectionKey, Erased)>, ConnectorError> {
        let connection = self.connection().await?;
        let tables = self
            .tables(
                &connection,
                places_of_steps(erasure.groups.iter().flatten(), &self.places),
            )
            .await?;
        let mut session = PostgresSession {
            connector: self,
            connection: Some(connection),
            tables: &tables,
            last: None,
            open: false,
        };
        Eraser::new(&mut session, &tables, erasure, Dialect::Postgres)
            .erase()
            .await
    }

    async fn confirm_absent(&self, steps: &[EraseStep]) -> Result<Vec<Remaining>, ConnectorError> {
        let connection = self.connection().await?;
        let tables = self
            .tables(&connection, places_of_steps(steps.iter(), &self.places))
            .await?;
        let mut asked = Vec::new();
        for step in steps {
            for ways in chunks(&step.ways, values_at_once(Dialect::Postgres, &step.ways)) {
                let scope = Scope {
                    tables: &tables,
                    step,
                    ways: &ways,
                    hash_key: &[],
                };
                for way in &ways {
                    asked.extend(
                        scope
                            .remaining(way)?
                            .map(|(statement, layout)| (step, way.clone(), statement, layout)),
                    );
                }
            }
        }
        let mut remainder = Remainder::default();
        for batch in asked.chunks(PIPELINE) {
            let answers = batch.iter().map(|(step, _, statement, _)| {
                self.rows(&connection, &step.collection.key, statement)
            });
            for ((step, way, _, layout), rows) in batch
                .iter()
                .zip(futures_util::future::join_all(answers).await)
            {
                rows?
                    .iter()
                    .for_each(|row| remainder.add(step, way, layout.located(cells(row))));
            }
        }
        Ok(remainder.finish())
    }

    fn postgres(&self) -> Option<&PostgresConnector> {
        Some(self)
    }

    async fn check(&self) -> Result<String, ConnectorError> {
        let connection = self.connection().await?;
        describe::check(&connection, self.schema.as_deref())
            .await
            .map_err(|error| self.error("asking for privileges", None, &error))
    }
}

impl PostgresConnector {
    async fn one_table(
        &self,
        collection: &Collection,
    ) -> Result<(Object, Arc<Table>), ConnectorError> {
        let connection = self.connection().await?;
        let places = Places::from([(collection.key.clone(), place(collection))]);
        let tables = self.tables(&connection, places).await?;
        Ok((connection, tables.shared(&collection.key)?))
    }

    async fn rows(
        &self,
        connection: &Object,
        key: &CollectionKey,
        statement: &Statement,
    ) -> Result<Vec<Row>, ConnectorError> {
        let failed = |error| self.error("reading again", Some(key), &error);
        let rows = query(connection, statement).await.map_err(failed)?;
        pin!(rows)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(failed)
    }
}

/// An erasure's connection.
struct PostgresSession<'a> {
    connector: &'a PostgresConnector,
    connection: Option<Object>,
    tables: &'a Tables,
    last: Option<CollectionKey>,
    open: bool,
}

impl Drop for PostgresSession<'_> {
    /// Left in the middle of a transaction, the connection is closed rather than lent to somebody else.
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(|_| self.open) {
            drop(Object::take(connection));
        }
    }
}

impl PostgresSession<'_> {
    fn connection(&self) -> Result<&Object, ConnectorError> {
        let gone = || ConnectorError::Failed {
            system: self.connector.system.clone(),
            doing: "erasing",
            reason: "the connection is gone".to_owned(),
        };
        self.connection.as_ref().ok_or_else(gone)
    }

    fn error(&self, collection: &CollectionKey, error: &tokio_postgres::Error) -> ConnectorError {
        self.connector
            .commit_error(self.tables, Some(collection), error)
    }

    async fn batch(&self, changes: &[Change]) -> Result<Vec<u64>, ConnectorError> {
        let connection = self.connection()?;
        let mut prepared = Vec::with_capacity(changes.len());
        for change in changes {
            prepared.push(
                connection
                    .prepare_cached(&change.statement.text)
                    .await
                    .map_err(|error| self.error(&change.collection, &error))?,
            );
        }
        let running = prepared
            .iter()
            .zip(changes)
            .map(|(prepared, change)| execute(connection, prepared, &change.statement));
        // After one has failed all others do; the first tells why.
        let outcomes = futures_util::future::join_all(running).await;
        outcomes
            .into_iter()
            .zip(changes)
            .map(|(outcome, change)| {
                outcome.map_err(|error| self.error(&change.collection, &error))
            })
            .collect()
    }
}

#[async_trait]
impl Session for PostgresSession<'_> {
    async fn begin(&mut self) -> Result<(), ConnectorError> {
        let text = format!(
            "BEGIN; SET LOCAL lock_timeout = '{}s'; SET CONSTRAINTS ALL DEFERRED",
            self.connector.lock_timeout_seconds
        );
        self.open = true;
        let begun = self.connection()?.batch_execute(&text).await;
        begun.map_err(|error| self.connector.error("beginning", None, &error))
    }

    async fn commit(&mut self) -> Result<(), ConnectorError> {
        let committed = self.connection()?.batch_execute("COMMIT").await;
        committed.map_err(|error| {
            self.connector
                .commit_error(self.tables, self.last.as_ref(), &error)
        })?;
        self.open = false;
        Ok(())
    }

    async fn run(&mut self, changes: Vec<Change>) -> Result<Vec<u64>, ConnectorError> {
        let mut counts = Vec::with_capacity(changes.len());
        for batch in changes.chunks(PIPELINE) {
            counts.extend(self.batch(batch).await?);
        }
        self.last = changes
            .last()
            .map(|change| change.collection.clone())
            .or_else(|| self.last.take());
        Ok(counts)
    }

    async fn row_ids(&mut self, change: Change) -> Result<RowIds, ConnectorError> {
        let rows = self
            .connector
            .rows(self.connection()?, &change.collection, &change.statement)
            .await?;
        let id = |cell| {
            if let Some(Cell::Text(text)) = cell {
                Some(Parameter::Text(text))
            } else {
                None
            }
        };
        Ok(rows
            .iter()
            .map(|row| cells(row).into_iter().filter_map(id).collect())
            .collect())
    }

    async fn delete_together(&mut self, doomed: &Doomed) -> Result<Vec<u64>, ConnectorError> {
        let statement = statement::delete_together(self.tables, doomed)?;
        let collection = doomed.keys().next().cloned();
        let failed = |error| {
            self.connector
                .commit_error(self.tables, collection.as_ref(), &error)
        };
        let rows = query(self.connection()?, &statement)
            .await
            .map_err(failed)?;
        let rows: Vec<Row> = pin!(rows)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        Ok(rows
            .first()
            .map(|row| {
                cells(row)
                    .iter()
                    .map(|cell| cell.as_ref().map_or(0, Cell::number))
                    .collect()
            })
            .unwrap_or_default())
    }
}
