//! Our own database: the only place that knows which engine runs, SQLite for one machine or PostgreSQL beyond it.
//!
//! Everything else writes one SQL text and hands in closures; see `docs/decisions/002-two-engines-one-sql.md`.

mod dialect;
mod migration;
mod postgres;
mod retry;
mod row;
mod sqlite;
mod target;
mod tls;
mod transaction;
mod value;
mod waiting;

use std::sync::Arc;
use std::time::Instant;

use domain::progress::Progress;

pub use dialect::SKIP_LOCKED;
pub use row::Row;
pub use transaction::Tx;
pub use value::Value;

use crate::error::Error;
use target::Target;

/// A handle on our own database; clones share it.
#[derive(Clone)]
pub struct Database {
    engine: Arc<Engine>,
}

enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write(Durable),
}

/// When a write has to be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durable {
    /// When its caller is answered.
    Now,
    /// When the next one is that can't wait.
    Later,
}

impl Database {
    /// Opens the database, making a SQLite file when there is none, and applies the migrations that are missing.
    ///
    /// `url` is `sqlite:PATH`, a bare path, or `postgres://NAME:PASSWORD@HOST/DATABASE?sslmode=…`, where `sslmode` is
    /// `disable`, `prefer` (the default: encrypt if the server can, without proof of who it is) or `require` (encrypt, and check the server
    /// against this machine's root certificates or those in `sslrootcert=FILE`).
    pub async fn open(url: &str) -> Result<Self, Error> {
        Self::open_watched(url, &Progress::unwatched()).await
    }

    /// [`Database::open`], telling how many statements of the migrations are done.
    pub async fn open_watched(url: &str, progress: &Progress) -> Result<Self, Error> {
        let database = Self::connect(url).await?;
        migration::apply(&database, migration::MIGRATIONS, progress).await?;
        Ok(database)
    }

    async fn connect(url: &str) -> Result<Self, Error> {
        let engine = match Target::parse(url)? {
            Target::Sqlite(path) => Engine::Sqlite(sqlite::Sqlite::open(path).await?),
            Target::Postgres(server) => Engine::Postgres(postgres::Postgres::open(*server).await?),
        };
        Ok(Self {
            engine: Arc::new(engine),
        })
    }

    /// Runs `closure` in a transaction that is durable when this returns `Ok`, and undone when it returns `Err`.
    ///
    /// The closure may run more than once: it touches nothing but the transaction. On SQLite, transactions that wait together are
    /// committed together. A dropped future doesn't stop a transaction that has begun.
    pub async fn write<T, E, F>(&self, name: &'static str, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_durably(name, Durable::Now, closure).await
    }

    /// [`Database::write`] for one of many transactions of a long piece of work that goes on where it stopped: a power cut may take back the
    /// last of them, each whole and in order, until a later [`Database::write`] has returned. A crash of the program takes back nothing.
    pub async fn write_in_passing<T, E, F>(&self, name: &'static str, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_durably(name, Durable::Later, closure).await
    }

    async fn write_durably<T, E, F>(
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
        let start = Instant::now();
        let access = Access::Write(durable);
        let result = match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(name, durable, closure).await,
            Engine::Postgres(postgres) => postgres.run(name, access, closure).await,
        };
        measure(name, "write", start, result.is_ok());
        result
    }

    /// [`Database::write`] for a closure that holds what all such closures hold until they commit, as the end of the audit log: on both
    /// engines, those that wait together are committed together, and none of them runs beside another.
    pub(crate) async fn write_together<T, E, F>(
        &self,
        name: &'static str,
        closure: F,
    ) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let start = Instant::now();
        let result = match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(name, Durable::Now, closure).await,
            Engine::Postgres(postgres) => postgres.write_together(name, closure).await,
        };
        measure(name, "write", start, result.is_ok());
        result
    }

    /// Runs `closure` over one unchanging state of the database. The closure may run more than once and can't write.
    pub async fn read<T, E, F>(&self, name: &'static str, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let start = Instant::now();
        let result = match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(name, closure).await,
            Engine::Postgres(postgres) => postgres.run(name, Access::Read, closure).await,
        };
        measure(name, "read", start, result.is_ok());
        result
    }

    /// [`Database::read`] for a few rows found by their keys: on SQLite they are read where the caller is, since waking another thread
    /// costs several times as much. Never for a search or a walk, which would keep others waiting.
    pub async fn read_few<T, E, F>(&self, name: &'static str, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let start = Instant::now();
        let result = match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.read_here(name, closure).await,
            Engine::Postgres(postgres) => postgres.run(name, Access::Read, closure).await,
        };
        measure(name, "read", start, result.is_ok());
        result
    }

    /// Whether [`Database::read_few`] reads where the caller is. Where it doesn't, each read is a way to the server and back, and those who wait
    /// anyway had better read together.
    pub fn reads_few_here(&self) -> bool {
        matches!(&*self.engine, Engine::Sqlite(_))
    }

    /// Clears from the files what deletions left behind: SQLite's write-ahead log is emptied, PostgreSQL's dead rows are vacuumed.
    /// To call after keys or sealed bytes were deleted for good. Backups and archived logs are beyond its reach.
    pub async fn scrub(&self) -> Result<(), Error> {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.scrub().await,
            Engine::Postgres(postgres) => postgres.scrub().await,
        }
    }

    /// Waits for the transactions under way, then closes. Later calls on any clone answer [`Error::Closed`].
    pub async fn close(&self) {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }

    /// Where the database is, without credentials: for `doctor` and the start's message.
    pub fn describe(&self) -> String {
        match &*self.engine {
            Engine::Sqlite(sqlite) => format!("SQLite at {}", sqlite.target()),
            Engine::Postgres(postgres) => format!("PostgreSQL at {}", postgres.target()),
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({})", self.describe())
    }
}

fn measure(name: &'static str, access: &'static str, start: Instant, kept: bool) {
    let duration_ms = start.elapsed().as_secs_f64() * 1_000.0;
    tracing::debug!(
        transaction.name = name,
        transaction.access = access,
        transaction.kept = kept,
        duration_ms,
        "transaction ended"
    );
}
