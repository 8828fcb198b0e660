//! SQLite: one thread writes and commits whatever waits together with one fsync; readers work beside it on their own connections.
//!
//! Measured (docs/decisions/002): one transaction per fsync gives about 400 durable writes a second, group commit 9,000 to 12,000.

mod checkpoint;
mod room;
mod statement;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::RuntimeFlavor;
use tokio::sync::{Semaphore, mpsc, oneshot};

use statement::failure;
pub(super) use statement::{define, execute, execute_each, execute_many, query, query_many};
use writer::Message;

use super::Durable;
use super::retry;
use super::transaction::{Attempt, Connection, Tx};
use super::waiting::Pending;
use crate::error::Error;

/// Transactions that may wait for the writer before callers have to wait for a place in the queue.
const QUEUE: usize = 1_024;
const READERS: usize = 4;
/// How long another program's lock is waited for, per attempt.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Sqlite {
    path: PathBuf,
    queue: mpsc::Sender<Message>,
    readers: Arc<Readers>,
}

/// Connections for reading, opened when first needed.
struct Readers {
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Tx>>,
}

impl Sqlite {
    pub(super) async fn open(path: PathBuf) -> Result<Self, Error> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (opened, answer) = oneshot::channel();
        let file = path.clone();
        // One thread for the connection's whole life: prepared statements stay warm, and nothing else can write.
        let thread = std::thread::Builder::new().name("storage-writer".to_owned());
        let started = thread.spawn(move || {
            match prepare_file(&file).and_then(|()| connect(&file, BUSY_TIMEOUT)) {
                Ok(connection) => {
                    let _ = opened.send(Ok(()));
                    writer::serve(Tx::new(Connection::Sqlite(connection)), &file, waiting);
                }
                Err(error) => drop(opened.send(Err(error))),
            }
        });
        started.map_err(|error| unreachable(&path, &error))?;
        answer.await.unwrap_or(Err(Error::Closed))?;
        let readers = Arc::new(Readers {
            places: Arc::new(Semaphore::new(READERS)),
            idle: Mutex::new(Vec::new()),
        });
        Ok(Self {
            path,
            queue,
            readers,
        })
    }

    pub(super) fn target(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) async fn write<T, E, F>(
        &self,
        name: &'static str,
        durable: Durable,
        closure: F,
    ) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let pending = Pending::new(name, closure, reply);
        if self
            .queue
            .send(Message::Transaction(durable, Box::new(pending)))
            .await
            .is_err()
        {
            return Err(Error::Closed.into());
        }
        answer.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    pub(super) async fn read<T, E, F>(&self, name: &'static str, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let Ok(place) = Arc::clone(&self.readers.places).acquire_owned().await else {
            return Err(Error::Closed.into());
        };
        // A thread of the worker's own has nobody to keep waiting, and waking another one costs more than most reads.
        if tokio::runtime::Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            return self.readers.read(&self.path, name, &closure);
        }
        let (readers, path) = (Arc::clone(&self.readers), self.path.clone());
        let reading = move || {
            let result = readers.read(&path, name, &closure);
            // Held until here: a caller that goes away does not make room before its read has ended.
            drop(place);
            result
        };
        let reading = tokio::task::spawn_blocking(reading);
        reading.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// Reads on the caller's own thread.
    pub(super) async fn read_here<T, E, F>(&self, name: &'static str, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E>,
        E: From<Error>,
    {
        let Ok(_place) = self.readers.places.acquire().await else {
            return Err(Error::Closed.into());
        };
        self.readers.read(&self.path, name, &closure)
    }

    pub(super) async fn scrub(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .send(Message::Scrub(reply))
            .await
            .map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    pub(super) async fn close(&self) {
        self.readers.places.close();
        self.readers
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        let (reply, closed) = oneshot::channel();
        if self.queue.send(Message::Close(reply)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

impl Readers {
    fn read<T, E: From<Error>>(
        &self,
        path: &Path,
        name: &'static str,
        closure: &impl Fn(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut tx = self.take(path)?;
        let result = read_with_retries(&mut tx, name, closure);
        self.give_back(tx);
        result
    }

    fn take(&self, path: &Path) -> Result<Tx, Error> {
        if let Some(tx) = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
        {
            return Ok(tx);
        }
        let connection = connect(path, BUSY_TIMEOUT)?;
        // Not through `mmap_size`: a fault for every page that wasn't looked at yet costs more than reading it (measured: twice the CPU).
        connection
            .pragma_update(None, "query_only", "ON")
            .map_err(|error| failure("open", "query_only", error).error)?;
        Ok(Tx::new(Connection::Sqlite(connection)))
    }

    fn give_back(&self, tx: Tx) {
        if !self.places.is_closed() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(tx);
        }
    }
}

fn read_with_retries<T, E: From<Error>>(
    tx: &mut Tx,
    name: &'static str,
    closure: &impl Fn(&mut Tx) -> Result<T, E>,
) -> Result<T, E> {
    let mut attempt = 1;
    loop {
        tx.sqlite(name, "BEGIN")?;
        let outcome = tx.attempt(name, closure);
        // Nothing was written: COMMIT and ROLLBACK are the same here, and neither can lose anything.
        let ended = tx.sqlite(name, "ROLLBACK");
        attempt += 1;
        match outcome {
            Attempt::Done(value) => return ended.map(|()| value).map_err(E::from),
            Attempt::Again(_) if attempt <= retry::ATTEMPTS => retry::rest(attempt),
            Attempt::Failed(error) | Attempt::Again(error) => return Err(error),
        }
    }
}

impl Tx {
    /// Transaction control on SQLite; outside of a closure, so no fault is kept.
    fn sqlite(&mut self, name: &'static str, sql: &'static str) -> Result<(), Error> {
        match &mut self.connection {
            Connection::Sqlite(connection) => execute(connection, name, sql, &[])
                .map(|_| ())
                .map_err(|failure| failure.error),
            Connection::Postgres(_) => Err(Error::Closed),
        }
    }

    /// Whether the engine itself has ended the transaction, as SQLite may when the disk is full.
    fn ended_by_engine(&self) -> bool {
        matches!(&self.connection, Connection::Sqlite(connection) if connection.is_autocommit())
    }
}

/// Makes the file before SQLite does: readable by its owner alone, and so are the log files that take over its mode.
fn prepare_file(path: &Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .map(drop)
        .map_err(|error| unreachable(path, &error))
}

fn unreachable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unreachable {
        target: path.display().to_string(),
        reason: error.to_string(),
    }
}

fn connect(path: &Path, busy_timeout: Duration) -> Result<rusqlite::Connection, Error> {
    let mut attempt = 1;
    loop {
        match try_connect(path, busy_timeout) {
            Ok(connection) => return Ok(connection),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
                return Err(Error::NotADatabase {
                    target: path.display().to_string(),
                });
            }
            Err(error) => {
                let failure = failure("open", "open", error);
                attempt += 1;
                if !failure.passing || attempt > retry::ATTEMPTS {
                    return Err(failure.error);
                }
                retry::rest(attempt);
            }
        }
    }
}

fn try_connect(path: &Path, busy_timeout: Duration) -> rusqlite::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(256);
    // A plan does not depend on the values bound to it; without this, statements are prepared anew whenever a value changes.
    connection.set_db_config(
        rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG,
        true,
    )?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // FULL: a commit is on the disk when it returns. secure_delete: deleted keys and values are overwritten, not unlinked.
    // Temporary tables stay in memory, where no values are left behind. The log is moved into the file every 64 MiB, and cut to that when it was longer: a page that
    // is changed often is moved once.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 16000",
    )?;
    // SQLite takes a number of pages, or of KiB where it is negative.
    connection.pragma_update(None, "cache_size", -room::ORDINARY_KIB)?;
    Ok(connection)
}
