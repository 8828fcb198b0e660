//! A source system in a SQLite file. SQLite blocks, so everything runs on a thread that may; pages come back through a
//! channel of bounded length.

mod describe;
mod function;
mod live;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::data_map::{Collection, CollectionKey, FieldName, SystemKey};
use domain::plan::{EraseStep, Erased, Erasure, LocatedRow, Search};
use domain::progress::Progress;
use domain::row::{FoundRow, JsonValue};
use domain::sensitive::Sensitive;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc;

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
/// Connections that are kept open for the next operation.
const IDLE: usize = 4;

/// How to reach a SQLite file.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteConfig {
    /// The file; it must exist.
    pub path: PathBuf,
    /// How long to wait for somebody else's lock; 5 seconds where nothing is said.
    #[serde(default)]
    pub busy_timeout_seconds: Option<u64>,
}

/// Reaches a SQLite file.
pub struct SqliteConnector {
    shared: Arc<Shared>,
    with_samples: bool,
}

struct Shared {
    system: SystemKey,
    config: SqliteConfig,
    places: Places,
    idle: Mutex<Vec<Connection>>,
}

impl SqliteConnector {
    /// A connector that opens the file when it is first needed.
    pub fn new(system: SystemKey, config: SqliteConfig) -> Self {
        let shared = Shared {
            system,
            config,
            places: Places::new(),
            idle: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            with_samples: false,
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
            .filter(|collection| collection.system == self.shared.system);
        let places = places
            .map(|collection| (collection.key.clone(), place(collection)))
            .collect();
        self.shared = Arc::new(Shared {
            system: self.shared.system.clone(),
            config: self.shared.config.clone(),
            places,
            idle: Mutex::default(),
        });
        self
    }

    /// Runs `work` with a connection on a thread that may block. A connection on which something failed isn't used again.
    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared, &mut Connection) -> Result<T, ConnectorError> + Send + 'static,
    ) -> Result<T, ConnectorError> {
        let shared = self.shared.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut connection = shared.connection()?;
            let outcome = work(&shared, &mut connection)?;
            shared.put_back(connection);
            Ok(outcome)
        });
        let broken = |_| ConnectorError::Failed {
            system: self.shared.system.clone(),
            doing: "working with the file",
            reason: "its thread ended early".to_owned(),
        };
        task.await.map_err(broken)?
    }

    /// Streams the rows of a search in pages.
    async fn stream<T: Send + 'static>(
        &self,
        search: &Search,
        write: Write,
        read: fn(&Layout, &Search, Vec<Option<Cell>>) -> Option<T>,
        page: &mut (dyn FnMut(Vec<T>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError> {
        if !has_values(&search.ways) {
            return Ok(());
        }
        let (sender, mut receiver) = mpsc::channel::<Vec<T>>(2);
        let search = search.clone();
        let rows = self.on_thread(move |shared, connection| {
            let tables = shared.tables(connection, places_of_search(&search))?;
            let Some((statement, layout)) = write(Dialect::Sqlite, &tables, &search)? else {
                return Ok(());
            };
            let failed = |error| shared.error("reading", Some(&search.collection.key), &error);
            send_pages(
                connection,
                &statement,
                layout.width(),
                |cells| read(&layout, &search, cells),
                &sender,
            )
            .map_err(failed)
        });
        let pages = async {
            let mut outcome = Ok(());
            while let Some(rows) = receiver.recv().await {
                outcome = page(rows);
                if outcome.is_err() {
                    break;
                }
            }
            // The thread stops at its next page when nobody takes it.
            receiver.close();
            outcome
        };
        let (read, taken) = futures_util::future::join(rows, pages).await;
        taken.and(read)
    }
}

fn send_pages<T>(
    connection: &Connection,
    statement: &Statement,
    width: usize,
    read: impl Fn(Vec<Option<Cell>>) -> Option<T>,
    sender: &mpsc::Sender<Vec<T>>,
) -> rusqlite::Result<()> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    let mut rows = prepared.query(rusqlite::params_from_iter(statement.parameters.expose()))?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.extend(read(live::cells(row, width)?));
        if page.len() >= PAGE && sender.blocking_send(std::mem::take(&mut page)).is_err() {
            return Ok(());
        }
    }
    if !page.is_empty() {
        // Nobody waits for the page any more when the receiver has gone.
        let _gone = sender.blocking_send(page);
    }
    Ok(())
}

impl Shared {
    fn connection(&self) -> Result<Connection, ConnectorError> {
        if let Some(connection) = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
        {
            return Ok(connection);
        }
        if !self.config.path.is_file() {
            let reason = format!(
                "there is no file at `{}`; correct the path in the configuration",
                self.config.path.display()
            );
            return Err(ConnectorError::Unreachable {
                system: self.system.clone(),
                reason,
            });
        }
        self.open()
            .map_err(|error| self.error("opening the file", None, &error))
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(
            &self.config.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(Duration::from_secs(
            self.config.busy_timeout_seconds.unwrap_or(5),
        ))?;
        // What was deleted is overwritten in the file, not only unlinked.
        connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;")?;
        connection.set_prepared_statement_cache_capacity(64);
        function::register(&connection)?;
        Ok(connection)
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE && connection.is_autocommit() {
            idle.push(connection);
        }
    }

    fn tables(&self, connection: &Connection, places: Places) -> Result<Tables, ConnectorError> {
        let mut tables = Tables::default();
        for (key, (schema, table)) in places {
            let live = live::table(connection, &key, schema.as_deref(), &table)
                .map_err(|error| self.error("reading the schema", Some(&key), &error))?;
            let missing = || ConnectorError::Drift {
                collection: key.clone(),
                reason: format!("there is no table `{table}` any more"),
            };
            tables.insert(Arc::new(live.ok_or_else(missing)?));
        }
        Ok(tables)
    }

    /// SQLite's own words name tables and columns, never values.
    fn error(
        &self,
        doing: &'static str,
        collection: Option<&CollectionKey>,
        error: &rusqlite::Error,
    ) -> ConnectorError {
        use rusqlite::ErrorCode;
        let system = self.system.clone();
        let (code, words) = match error {
            rusqlite::Error::SqliteFailure(failure, words) => (
                Some(failure.code),
                words.clone().unwrap_or_else(|| failure.to_string()),
            ),
            rusqlite::Error::SqlInputError { error, msg, .. } => (Some(error.code), msg.clone()),
            _ => (None, "a value of an unexpected type came back".to_owned()),
        };
        // A trigger's words are its author's, and may quote the row.
        let trigger = matches!(error, rusqlite::Error::SqliteFailure(failure, _) if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER);
        let words = if trigger {
            "a trigger forbids it; look into the database's schema at what it asks for".to_owned()
        } else {
            words
        };
        let drift = ["no such table", "no such column", "has no column named"]
            .iter()
            .any(|sign| words.contains(sign));
        match (code, collection) {
            (_, Some(collection)) if drift => ConnectorError::Drift {
                collection: collection.clone(),
                reason: words,
            },
            (
                Some(
                    ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::FileLockingProtocolFailed,
                ),
                _,
            ) => ConnectorError::TimedOut {
                system,
                reason: "another program holds the file's lock".to_owned(),
            },
            (
                Some(
                    ErrorCode::ReadOnly
                    | ErrorCode::PermissionDenied
                    | ErrorCode::AuthorizationForStatementDenied,
                ),
                _,
            ) => ConnectorError::Refused {
                system,
                reason: format!(
                    "{words}; let this program's account write to the file and its folder"
                ),
            },
            (Some(ErrorCode::CannotOpen), _) => ConnectorError::Unreachable {
                system,
                reason: format!(
                    "the file can't be opened ({words}); check that this program's account may read and write it and its folder"
                ),
            },
            (Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt), _) => {
                ConnectorError::Refused {
                    system,
                    reason: format!("the file isn't a SQLite database that can be read: {words}"),
                }
            }
            _ => ConnectorError::Failed {
                system,
                doing,
                reason: words,
            },
        }
    }
}

#[async_trait]
impl Connector for SqliteConnector {
    async fn describe_watched(&self, progress: &Progress) -> Result<Description, ConnectorError> {
        let (with_samples, progress) = (self.with_samples, progress.clone());
        self.on_thread(move |shared, connection| {
            describe::describe(connection, with_samples, &progress)
                .map_err(|error| shared.error("describing the schema", None, &error))
        })
        .await
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
        let scan = scan.clone();
        self.on_thread(move |shared, connection| {
            let table = shared.one_table(connection, &scan.collection)?;
            let (statement, mut reader) = sql::scan::scan(&table, &scan)?;
            let failed = |error| shared.error("reading", Some(&scan.collection.key), &error);
            let mut prepared = connection.prepare_cached(&statement.text).map_err(failed)?;
            let parameters = rusqlite::params_from_iter(statement.parameters.expose());
            let mut rows = prepared.query(parameters).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                if !reader.take(live::cells(row, reader.width()).map_err(failed)?) {
                    break;
                }
            }
            reader.finish()
        })
        .await
    }

    async fn newest(
        &self,
        collection: &Arc<Collection>,
        watermark: &FieldName,
    ) -> Result<Option<Mark>, ConnectorError> {
        let (collection, watermark) = (collection.clone(), watermark.clone());
        self.on_thread(move |shared, connection| {
            let table = shared.one_table(connection, &collection)?;
            let (statement, _) = sql::scan::newest(&table, &watermark)?;
            let failed = |error| shared.error("reading", Some(&collection.key), &error);
            let mut prepared = connection.prepare_cached(&statement.text).map_err(failed)?;
            let mut rows = prepared.query([]).map_err(failed)?;
            let cells = match rows.next().map_err(failed)? {
                Some(row) => live::cells(row, 1).map_err(failed)?,
                None => Vec::new(),
            };
            Ok(sql::scan::mark(cells.into_iter().next().flatten()))
        })
        .await
    }

    async fn count(&self, scan: &Scan) -> Result<Option<u64>, ConnectorError> {
        let scan = scan.clone();
        self.on_thread(move |shared, connection| {
            let table = shared.one_table(connection, &scan.collection)?;
            let statement = sql::scan::count(&table, &scan)?;
            let failed = |error| shared.error("reading", Some(&scan.collection.key), &error);
            let mut prepared = connection.prepare_cached(&statement.text).map_err(failed)?;
            let parameters = rusqlite::params_from_iter(statement.parameters.expose());
            let mut rows = prepared.query(parameters).map_err(failed)?;
            let cells = match rows.next().map_err(failed)? {
                Some(row) => live::cells(row, 1).map_err(failed)?,
                None => Vec::new(),
            };
            Ok(sql::scan::counted(cells.into_iter().next().flatten()))
        })
        .await
    }

    async fn correct(
        &self,
        search: &Search,
        values: &[(FieldName, Sensitive<JsonValue>)],
    ) -> Result<u64, ConnectorError> {
        let (search, values) = (search.clone(), values.to_vec());
        self.on_thread(move |shared, connection| {
            let tables = shared.tables(connection, places_of_search(&search))?;
            let Some(statement) = statement::correct(Dialect::Sqlite, &tables, &search, &values)?
            else {
                return Ok(0);
            };
            execute(connection, &statement)
                .map_err(|error| shared.error("correcting", Some(&search.collection.key), &error))
        })
        .await
    }

    async fn erase(
        &self,
        erasure: &Erasure,
    ) -> Result<Vec<(CollectionKey, Erased)>, ConnectorError> {
        let erasure = erasure.clone();
        let runtime = tokio::runtime::Handle::current();
        self.on_thread(move |shared, connection| {
            let tables = shared.tables(
                connection,
                places_of_steps(erasure.groups.iter().flatten(), &shared.places),
            )?;
            let mut session = SqliteSession {
                shared,
                connection,
                tables: &tables,
                last: None,
            };
            let outcome = runtime
                .block_on(Eraser::new(&mut session, &tables, &erasure, Dialect::Sqlite).erase());
            if outcome.is_err() && !connection.is_autocommit() {
                // The connection is closed in any case, which rolls back as well.
                let _closed = connection.execute_batch("ROLLBACK");
            }
            outcome
        })
        .await
    }

    async fn confirm_absent(&self, steps: &[EraseStep]) -> Result<Vec<Remaining>, ConnectorError> {
        let steps = steps.to_vec();
        self.on_thread(move |shared, connection| {
            let tables =
                shared.tables(connection, places_of_steps(steps.iter(), &shared.places))?;
            let mut remainder = Remainder::default();
            for step in &steps {
                shared.count_remaining(connection, &tables, step, &mut remainder)?;
            }
            Ok(remainder.finish())
        })
        .await
    }

    async fn check(&self) -> Result<String, ConnectorError> {
        self.on_thread(|shared, connection| {
            let version: String = connection.query_row("SELECT sqlite_version()", [], |row| row.get(0)).map_err(|error| shared.error("asking for the version", None, &error))?;
            let tables: i64 = connection
                .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'", [], |row| row.get(0))
                .map_err(|error| shared.error("reading the schema", None, &error))?;
            let writes = if connection.is_readonly("main").unwrap_or(true) { "may read but not change or delete" } else { "may read, change and delete" };
            Ok(format!("SQLite {version}, {tables} tables; this program {writes}"))
        })
        .await
    }
}

impl Shared {
    fn one_table(
        &self,
        connection: &Connection,
        collection: &Collection,
    ) -> Result<Arc<Table>, ConnectorError> {
        let places = Places::from([(collection.key.clone(), place(collection))]);
        self.tables(connection, places)?.shared(&collection.key)
    }

    fn count_remaining(
        &self,
        connection: &Connection,
        tables: &Tables,
        step: &EraseStep,
        remainder: &mut Remainder,
    ) -> Result<(), ConnectorError> {
        let failed = |error| self.error("reading again", Some(&step.collection.key), &error);
        for ways in chunks(&step.ways, values_at_once(Dialect::Sqlite, &step.ways)) {
            let scope = Scope {
                tables,
                step,
                ways: &ways,
                hash_key: &[],
            };
            for way in &ways {
                let Some((statement, layout)) = scope.remaining(way)? else {
                    continue;
                };
                let mut prepared = connection.prepare_cached(&statement.text).map_err(failed)?;
                let mut rows = prepared
                    .query(rusqlite::params_from_iter(statement.parameters.expose()))
                    .map_err(failed)?;
                while let Some(row) = rows.next().map_err(failed)? {
                    remainder.add(
                        step,
                        way,
                        layout.located(live::cells(row, layout.width()).map_err(failed)?),
                    );
                }
            }
        }
        Ok(())
    }
}

fn execute(connection: &Connection, statement: &Statement) -> rusqlite::Result<u64> {
    let rows = connection
        .prepare_cached(&statement.text)?
        .execute(rusqlite::params_from_iter(statement.parameters.expose()))?;
    Ok(u64::try_from(rows).unwrap_or(u64::MAX))
}

/// An erasure's connection. Foreign keys are checked when it commits, so that circles can go.
struct SqliteSession<'a> {
    shared: &'a Shared,
    connection: &'a mut Connection,
    tables: &'a Tables,
    last: Option<CollectionKey>,
}

impl SqliteSession<'_> {
    fn commit_now(&mut self) -> Result<(), ConnectorError> {
        let Err(error) = self.connection.execute_batch("COMMIT") else {
            return Ok(());
        };
        if error.sqlite_error_code() != Some(rusqlite::ErrorCode::ConstraintViolation) {
            return Err(self.shared.error("committing", self.last.as_ref(), &error));
        }
        Err(self
            .dangling()
            .unwrap_or_else(|| self.shared.error("committing", self.last.as_ref(), &error)))
    }

    /// After a commit that foreign keys refused: which rows would point at nothing.
    fn dangling(&self) -> Option<ConnectorError> {
        let mut statement = self
            .connection
            .prepare("SELECT DISTINCT \"table\", parent FROM pragma_foreign_key_check")
            .ok()?;
        let pairs: Vec<(String, String)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .ok()?
            .filter_map(Result::ok)
            .collect();
        let collection = |parent: &str| self.tables.key_of(parent).or_else(|| self.last.clone());
        let known = |table: &str| {
            self.shared.places.is_empty()
                || self.tables.has(table)
                || self
                    .shared
                    .places
                    .values()
                    .any(|(_, known)| known.eq_ignore_ascii_case(table))
        };
        if let Some((table, parent)) = pairs.iter().find(|(table, _)| !known(table)) {
            let reason = format!(
                "rows of the table `{table}`, which isn't in the map, point at rows that are to be erased"
            );
            return Some(ConnectorError::Drift {
                collection: collection(parent)?,
                reason,
            });
        }
        pairs
            .first()
            .and_then(|(_, parent)| collection(parent))
            .map(|collection| ConnectorError::Moved { collection })
    }
}

#[async_trait]
impl Session for SqliteSession<'_> {
    async fn begin(&mut self) -> Result<(), ConnectorError> {
        self.connection
            .execute_batch("BEGIN IMMEDIATE; PRAGMA defer_foreign_keys = ON;")
            .map_err(|error| self.shared.error("beginning", None, &error))
    }

    async fn commit(&mut self) -> Result<(), ConnectorError> {
        self.commit_now()
    }

    async fn run(&mut self, changes: Vec<Change>) -> Result<Vec<u64>, ConnectorError> {
        let mut counts = Vec::with_capacity(changes.len());
        for change in changes {
            let rows = execute(self.connection, &change.statement).map_err(|error| {
                self.shared
                    .error("erasing", Some(&change.collection), &error)
            })?;
            self.last = Some(change.collection);
            counts.push(rows);
        }
        Ok(counts)
    }

    async fn row_ids(&mut self, change: Change) -> Result<RowIds, ConnectorError> {
        let named = || -> rusqlite::Result<RowIds> {
            let mut prepared = self.connection.prepare_cached(&change.statement.text)?;
            let width = prepared.column_count();
            let mut rows = prepared.query(rusqlite::params_from_iter(
                change.statement.parameters.expose(),
            ))?;
            let mut ids = RowIds::new();
            while let Some(row) = rows.next()? {
                ids.push(
                    live::cells(row, width)?
                        .into_iter()
                        .flatten()
                        .map(parameter)
                        .collect(),
                );
            }
            Ok(ids)
        };
        named().map_err(|error| {
            self.shared
                .error("naming rows", Some(&change.collection), &error)
        })
    }

    async fn delete_together(&mut self, doomed: &Doomed) -> Result<Vec<u64>, ConnectorError> {
        let mut changes = Vec::new();
        for (key, rows) in doomed {
            changes.push(Change {
                collection: key.clone(),
                statement: statement::delete_rows(self.tables, key, rows)?,
            });
        }
        self.run(changes).await
    }
}

fn parameter(cell: Cell) -> Parameter {
    match cell {
        Cell::Text(text) => Parameter::Text(text),
        Cell::Integer(number) => Parameter::Integer(number),
        Cell::Unsigned(number) => Parameter::Unsigned(number),
        Cell::Float(number) => Parameter::Float(number),
        Cell::Bytes(bytes) => Parameter::Bytes(bytes),
    }
}
