//! A source system in MySQL or MariaDB.

mod connection;
mod describe;
mod failure;
mod live;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::data_map::{Collection, CollectionKey, FieldName, SystemKey};
use domain::plan::{EraseStep, Erased, Erasure, LocatedRow, Search, WaySearch};
use domain::progress::Progress;
use domain::row::{FoundRow, JsonValue};
use domain::sensitive::Sensitive;
use futures_util::StreamExt as _;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Params, Pool, Row, TxOpts, Value};

use crate::connector::has_values;
use crate::sql::cell::Cell;
use crate::sql::erasure::{Change, Eraser, Session, places_of_steps, values_at_once};
use crate::sql::lookup::chunks;
use crate::sql::predicate::{Doomed, RowIds};
use crate::sql::remaining::Remainder;
use crate::sql::statement::{self, Layout, Scope, Write, places_of_search};
use crate::sql::table::{Places, Table, Tables, place};
use crate::sql::{self, Dialect, Statement};
use crate::{Batch, Connector, ConnectorError, Description, Mark, Remaining, Scan};

/// Rows in a page.
const PAGE: usize = 1_000;

/// How to reach a MySQL or MariaDB database.
#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MysqlConfig {
    /// `mysql://account:password@host:port/database`; `?sslmode=disable|require|verify-ca|verify-full` and
    /// `&sslrootcert=FILE` are understood.
    pub url: Sensitive<String>,
    /// The most connections at once; 4 where nothing is said.
    #[serde(default)]
    pub pool: Option<usize>,
    /// The longest that one statement may take; 300 where nothing is said. MySQL knows it for reading only.
    #[serde(default)]
    pub statement_timeout_seconds: Option<u64>,
    /// The longest wait for somebody else's lock; 5 where nothing is said.
    #[serde(default)]
    pub lock_timeout_seconds: Option<u64>,
}

/// Reaches a MySQL or MariaDB database.
pub struct MysqlConnector {
    system: SystemKey,
    /// The pool starts on the runtime that first uses it.
    pool: Result<Pool, String>,
    places: Places,
    with_samples: bool,
    live: Mutex<HashMap<CollectionKey, Arc<Table>>>,
}

impl MysqlConnector {
    /// A connector that connects when the database is first needed.
    pub fn new(system: SystemKey, config: MysqlConfig) -> Self {
        let pool = connection::options(&config).map(Pool::new);
        Self {
            system,
            pool,
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

    async fn connection(&self) -> Result<Conn, ConnectorError> {
        let pool = self
            .pool
            .as_ref()
            .map_err(|reason| ConnectorError::Refused {
                system: self.system.clone(),
                reason: reason.clone(),
            })?;
        let late = |_| ConnectorError::Unreachable {
            system: self.system.clone(),
            reason: "no connection came about in 15 seconds; check host, port and firewall"
                .to_owned(),
        };
        let connected = tokio::time::timeout(std::time::Duration::from_secs(15), pool.get_conn())
            .await
            .map_err(late)?;
        connected.map_err(|error| self.error("connecting", None, &error))
    }

    fn error(
        &self,
        doing: &'static str,
        collection: Option<&CollectionKey>,
        error: &mysql_async::Error,
    ) -> ConnectorError {
        // The live schema may have changed under us; it is read anew next time.
        self.live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        failure::of_statement(&self.system, doing, collection, error)
    }

    async fn tables(
        &self,
        connection: &mut Conn,
        places: Places,
    ) -> Result<Tables, ConnectorError> {
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
                reason: format!("there is no table `{table}` any more, or no privilege on it"),
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

    /// Searches with more look-ups than a statement takes go in several, and a row that several of those find still
    /// comes once.
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
        let mut connection = self.connection().await?;
        let tables = self
            .tables(&mut connection, places_of_search(search))
            .await?;
        let parts = chunks(&search.ways, values_at_once(Dialect::Mysql, &search.ways));
        let mut seen = Seen::new(parts.len() > 1 && search.ways.len() > 1, &search.collection);
        let mut waiting = Vec::new();
        for ways in parts {
            let part = Search {
                ways,
                ..search.clone()
            };
            let Some((statement, layout)) = write(Dialect::Mysql, &tables, &part)? else {
                continue;
            };
            let failed = |error| self.error("reading", Some(&search.collection.key), &error);
            let mut rows = connection
                .exec_stream::<Row, _, _>(statement.text.as_str(), parameters(&statement))
                .await
                .map_err(failed)?;
            while let Some(row) = rows.next().await {
                let cells = live::cells(row.map_err(failed)?, layout.classes());
                if seen.is_new(&layout, &cells) {
                    waiting.extend(read(&layout, search, cells));
                }
                if waiting.len() >= PAGE {
                    page(std::mem::take(&mut waiting))?;
                }
            }
        }
        if waiting.is_empty() {
            Ok(())
        } else {
            page(waiting)
        }
    }

    async fn one_table(
        &self,
        collection: &Collection,
    ) -> Result<(Conn, Arc<Table>), ConnectorError> {
        let mut connection = self.connection().await?;
        let places = Places::from([(collection.key.clone(), place(collection))]);
        let tables = self.tables(&mut connection, places).await?;
        Ok((connection, tables.shared(&collection.key)?))
    }

    async fn execute(
        &self,
        connection: &mut Conn,
        statement: &Statement,
    ) -> Result<u64, mysql_async::Error> {
        connection
            .exec_drop(statement.text.as_str(), parameters(statement))
            .await?;
        Ok(connection.affected_rows())
    }

    async fn rows(
        &self,
        connection: &mut Conn,
        key: &CollectionKey,
        statement: &Statement,
    ) -> Result<Vec<Row>, ConnectorError> {
        let rows = connection
            .exec(statement.text.as_str(), parameters(statement))
            .await;
        rows.map_err(|error| self.error("reading again", Some(key), &error))
    }

    async fn count_remaining(
        &self,
        connection: &mut Conn,
        tables: &Tables,
        step: &EraseStep,
        ways: &[WaySearch],
        remainder: &mut Remainder,
    ) -> Result<(), ConnectorError> {
        for way in ways {
            let scope = Scope {
                tables,
                step,
                ways,
                hash_key: &[],
            };
            let Some((statement, layout)) = scope.remaining(way)? else {
                continue;
            };
            for row in self
                .rows(connection, &step.collection.key, &statement)
                .await?
            {
                remainder.add(
                    step,
                    way,
                    layout.located(live::cells(row, layout.classes())),
                );
            }
        }
        Ok(())
    }
}

/// Rows that have come already, by their primary key; remembered only where a search goes in several statements.
struct Seen {
    rows: Option<std::collections::HashSet<u64>>,
    key: Vec<FieldName>,
}

impl Seen {
    fn new(wanted: bool, collection: &Collection) -> Self {
        Self {
            rows: (wanted && !collection.primary_key.is_empty()).then(Default::default),
            key: collection.primary_key.clone(),
        }
    }

    fn is_new(&mut self, layout: &Layout, cells: &[Option<Cell>]) -> bool {
        let Some(rows) = &mut self.rows else {
            return true;
        };
        layout
            .fingerprint(&self.key, cells)
            .is_none_or(|print| rows.insert(print))
    }
}

fn parameters(statement: &Statement) -> Params {
    let values: Vec<Value> = statement
        .parameters
        .expose()
        .iter()
        .map(live::value)
        .collect();
    if values.is_empty() {
        Params::Empty
    } else {
        Params::Positional(values)
    }
}

#[async_trait]
impl Connector for MysqlConnector {
    async fn describe_watched(&self, progress: &Progress) -> Result<Description, ConnectorError> {
        let mut connection = self.connection().await?;
        describe::describe(&mut connection, self.with_samples, progress)
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
        let (mut connection, table) = self.one_table(&scan.collection).await?;
        let (statement, mut reader) = sql::scan::scan(&table, scan)?;
        let failed = |error| self.error("reading", Some(&scan.collection.key), &error);
        let mut options = TxOpts::default();
        options.with_readonly(Some(true));
        let mut reading = connection
            .start_transaction(options)
            .await
            .map_err(failed)?;
        let mut rows = reading
            .exec_stream::<Row, _, _>(statement.text.as_str(), parameters(&statement))
            .await
            .map_err(failed)?;
        while let Some(row) = rows.next().await {
            let cells = live::cells(row.map_err(failed)?, reader.classes());
            if !reader.take(cells) {
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
        let (mut connection, table) = self.one_table(collection).await?;
        let (statement, class) = sql::scan::newest(&table, watermark)?;
        let rows = self
            .rows(&mut connection, &collection.key, &statement)
            .await?;
        let cells = rows
            .into_iter()
            .next()
            .map(|row| live::cells(row, std::iter::once(class)));
        Ok(sql::scan::mark(
            cells.and_then(|cells| cells.into_iter().next()).flatten(),
        ))
    }

    async fn count(&self, scan: &Scan) -> Result<Option<u64>, ConnectorError> {
        let (mut connection, table) = self.one_table(&scan.collection).await?;
        let statement = sql::scan::count(&table, scan)?;
        let key = &scan.collection.key;
        let rows = self.rows(&mut connection, key, &statement).await?;
        let cells = rows
            .into_iter()
            .next()
            .map(|row| live::cells(row, std::iter::empty()));
        Ok(sql::scan::counted(
            cells.and_then(|cells| cells.into_iter().next()).flatten(),
        ))
    }

    async fn correct(
        &self,
        search: &Search,
        values: &[(FieldName, Sensitive<JsonValue>)],
    ) -> Result<u64, ConnectorError> {
        let mut connection = self.connection().await?;
        let tables = self
            .tables(&mut connection, places_of_search(search))
            .await?;
        let mut rows = 0;
        for ways in chunks(&search.ways, values_at_once(Dialect::Mysql, &search.ways)) {
            let part = Search {
                ways,
                ..search.clone()
            };
            let Some(statement) = statement::correct(Dialect::Mysql, &tables, &part, values)?
            else {
                continue;
            };
            rows += self
                .execute(&mut connection, &statement)
                .await
                .map_err(|error| self.error("correcting", Some(&search.collection.key), &error))?;
        }
        Ok(rows)
    }

    async fn erase(
        &self,
        erasure: &Erasure,
    ) -> Result<Vec<(CollectionKey, Erased)>, ConnectorError> {
        let mut connection = self.connection().await?;
        let tables = self
            .tables(
                &mut connection,
                places_of_steps(erasure.groups.iter().flatten(), &self.places),
            )
            .await?;
        let mut session = MysqlSession {
            connector: self,
            connection,
            tables: &tables,
        };
        let outcome = Eraser::new(&mut session, &tables, erasure, Dialect::Mysql)
            .erase()
            .await;
        if outcome.is_err() {
            // The pool resets the connection in any case, which rolls back as well.
            let _ended = session.connection.query_drop("ROLLBACK").await;
        }
        outcome
    }

    async fn confirm_absent(&self, steps: &[EraseStep]) -> Result<Vec<Remaining>, ConnectorError> {
        let mut connection = self.connection().await?;
        let tables = self
            .tables(&mut connection, places_of_steps(steps.iter(), &self.places))
            .await?;
        let mut remainder = Remainder::default();
        for step in steps {
            for ways in chunks(&step.ways, values_at_once(Dialect::Mysql, &step.ways)) {
                self.count_remaining(&mut connection, &tables, step, &ways, &mut remainder)
                    .await?;
            }
        }
        Ok(remainder.finish())
    }

    async fn check(&self) -> Result<String, ConnectorError> {
        let mut connection = self.connection().await?;
        describe::check(&mut connection)
            .await
            .map_err(|error| self.error("asking for privileges", None, &error))
    }
}

/// An erasure's connection. The pool resets it before anybody else gets it, which rolls back and checks foreign keys again.
struct MysqlSession<'a> {
    connector: &'a MysqlConnector,
    connection: Conn,
    tables: &'a Tables,
}

impl MysqlSession<'_> {
    fn error(
        &self,
        collection: Option<&CollectionKey>,
        error: &mysql_async::Error,
    ) -> ConnectorError {
        let connector = self.connector;
        let known = |table: &str| {
            connector.places.is_empty()
                || self.tables.has(table)
                || connector
                    .places
                    .values()
                    .any(|(_, known)| known.eq_ignore_ascii_case(table))
        };
        failure::of_foreign_key(collection, error, known)
            .unwrap_or_else(|| connector.error("erasing", collection, error))
    }

    async fn query(&mut self, text: &str) -> Result<(), ConnectorError> {
        let done = self.connection.query_drop(text).await;
        done.map_err(|error| self.error(None, &error))
    }

    /// Deletes what the foreign keys allow now; what they don't is left for the next round.
    async fn delete_allowed(
        &mut self,
        key: &CollectionKey,
        rows: &RowIds,
    ) -> Result<Option<u64>, ConnectorError> {
        let mut deleted = 0;
        for piece in rows.chunks(statement::rows_at_once(self.tables, key)?) {
            let statement = statement::delete_rows(self.tables, key, &piece.to_vec())?;
            match self
                .connector
                .execute(&mut self.connection, &statement)
                .await
            {
                Ok(rows) => deleted += rows,
                Err(error) if failure::is_foreign_key(&error) => return Ok(None),
                Err(error) => return Err(self.error(Some(key), &error)),
            }
        }
        Ok(Some(deleted))
    }

    /// MySQL checks foreign keys row by row, so that rows in a circle can only go unchecked; that nothing else points at
    /// them is looked up first.
    async fn delete_unchecked(
        &mut self,
        key: &CollectionKey,
        doomed: &Doomed,
    ) -> Result<u64, ConnectorError> {
        let Some(rows) = doomed.get(key) else {
            return Ok(0);
        };
        let pointers = live::pointers(&mut self.connection, self.tables.get(key)?)
            .await
            .map_err(|error| self.error(Some(key), &error))?;
        for pointer in pointers {
            let statement = statement::pointing_from_outside(self.tables, key, &pointer, doomed)?;
            if !self
                .connector
                .rows(&mut self.connection, key, &statement)
                .await?
                .is_empty()
            {
                return Err(ConnectorError::Moved {
                    collection: key.clone(),
                });
            }
        }
        self.query("SET SESSION foreign_key_checks = 0").await?;
        let deleted = self.delete_allowed(key, rows).await;
        self.query("SET SESSION foreign_key_checks = 1").await?;
        deleted.map(Option::unwrap_or_default)
    }
}

#[async_trait]
impl Session for MysqlSession<'_> {
    async fn begin(&mut self) -> Result<(), ConnectorError> {
        self.query("START TRANSACTION").await
    }

    async fn commit(&mut self) -> Result<(), ConnectorError> {
        self.query("COMMIT").await
    }

    async fn run(&mut self, changes: Vec<Change>) -> Result<Vec<u64>, ConnectorError> {
        let mut counts = Vec::with_capacity(changes.len());
        for change in changes {
            let rows = self
                .connector
                .execute(&mut self.connection, &change.statement)
                .await;
            counts.push(rows.map_err(|error| self.error(Some(&change.collection), &error))?);
        }
        Ok(counts)
    }

    async fn row_ids(&mut self, change: Change) -> Result<RowIds, ConnectorError> {
        let rows = self
            .connector
            .rows(&mut self.connection, &change.collection, &change.statement)
            .await?;
        Ok(rows.into_iter().map(live::row_id).collect())
    }

    async fn delete_together(&mut self, doomed: &Doomed) -> Result<Vec<u64>, ConnectorError> {
        let mut counts: HashMap<CollectionKey, u64> = HashMap::new();
        let mut left: Vec<CollectionKey> = doomed.keys().cloned().collect();
        loop {
            let before = left.len();
            for key in std::mem::take(&mut left) {
                let Some(rows) = doomed.get(&key) else {
                    continue;
                };
                match self.delete_allowed(&key, rows).await? {
                    Some(deleted) => *counts.entry(key).or_default() += deleted,
                    None => left.push(key),
                }
            }
            if left.is_empty() || left.len() == before {
                break;
            }
        }
        for key in left {
            let deleted = self.delete_unchecked(&key, doomed).await?;
            *counts.entry(key).or_default() += deleted;
        }
        Ok(doomed
            .keys()
            .map(|key| counts.get(key).copied().unwrap_or(0))
            .collect())
    }
}
