//! Brings the tables to what this program expects: one DDL statement a transaction, each recorded with its checksum.
//!
//! One statement a transaction, since distributed engines allow no more. Two programs that start together are safe: whoever
//! records a statement first applies it, the other waits for that record and goes on.

use std::fmt::Write as _;

use domain::progress::Progress;
use sha2::{Digest, Sha256};

use super::{Database, Tx};
use crate::error::Error;

/// One file of `migrations/`.
pub(super) struct Migration {
    pub(super) version: i64,
    pub(super) sql: &'static str,
}

/// Every migration, oldest first. A published one is never edited: add another.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        sql: include_str!("../../migrations/001-first-tables.sql"),
    },
    Migration {
        version: 2,
        sql: include_str!("../../migrations/002-idempotency.sql"),
    },
    Migration {
        version: 3,
        sql: include_str!("../../migrations/003-legal-hold-subject.sql"),
    },
    Migration {
        version: 4,
        sql: include_str!("../../migrations/004-know-limit.sql"),
    },
    Migration {
        version: 5,
        sql: include_str!("../../migrations/005-no-index-of-leases.sql"),
    },
    Migration {
        version: 6,
        sql: include_str!("../../migrations/006-profiles.sql"),
    },
    Migration {
        version: 7,
        sql: include_str!("../../migrations/007-consents.sql"),
    },
    Migration {
        version: 8,
        sql: include_str!("../../migrations/008-key-holders.sql"),
    },
    Migration {
        version: 9,
        sql: include_str!("../../migrations/009-chains-only.sql"),
    },
    Migration {
        version: 10,
        sql: include_str!("../../migrations/010-policies.sql"),
    },
    Migration {
        version: 11,
        sql: include_str!("../../migrations/011-disclosures.sql"),
    },
    Migration {
        version: 12,
        sql: include_str!("../../migrations/012-views.sql"),
    },
];

const RECORD: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    version BIGINT NOT NULL,
    statement BIGINT NOT NULL,
    checksum TEXT NOT NULL,
    program TEXT NOT NULL,
    PRIMARY KEY (version, statement)
)";

/// Applies what is missing. Fails without changing anything when the database is newer or a migration was edited.
pub(super) async fn apply(
    database: &Database,
    migrations: &'static [Migration],
    progress: &Progress,
) -> Result<(), Error> {
    make_record(database).await?;
    check(database, migrations).await?;
    let all: Vec<_> = migrations
        .iter()
        .flat_map(|migration| {
            let numbered = (0_i64..).zip(statements(migration.sql));
            numbered.map(|(number, ddl)| (migration.version, number, ddl))
        })
        .collect();
    for (done, (version, number, ddl)) in (1..).zip(all.iter().copied()) {
        database
            .write("migrate", move |tx| {
                apply_statement(tx, version, number, ddl)
            })
            .await?;
        progress.tell("migrations", done, all.len() as u64);
    }
    Ok(())
}

/// Two programs may make the table at once; PostgreSQL then fails one of them although it said IF NOT EXISTS.
async fn make_record(database: &Database) -> Result<(), Error> {
    match database
        .write("make the record of migrations", |tx| tx.define(RECORD))
        .await
    {
        Err(Error::AlreadyExists { .. }) => {
            database
                .write("make the record of migrations", |tx| tx.define(RECORD))
                .await
        }
        other => other,
    }
}

async fn check(database: &Database, migrations: &'static [Migration]) -> Result<(), Error> {
    let known = migrations.last().map_or(0, |migration| migration.version);
    database
        .read("check migrations", move |tx| {
            let sql = "-- read applied migrations\nSELECT version, statement, checksum FROM schema_migration ORDER BY version, statement";
            for row in tx.query(sql, &[])? {
                let (version, number) = (row.int("version")?, row.count::<usize>("statement")?);
                if version > known {
                    return Err(Error::NewerSchema { found: version, known });
                }
                let migration = migrations.iter().find(|migration| migration.version == version);
                let ddl = migration.and_then(|migration| statements(migration.sql).nth(number));
                if ddl.is_none_or(|ddl| row.text("checksum") != Ok(&checksum(ddl))) {
                    return Err(Error::ChangedMigration { version });
                }
            }
            Ok(())
        })
        .await
}

/// INVARIANT: the record comes first. Its key makes a second program wait until the first one's DDL is committed or gone.
fn apply_statement(tx: &mut Tx, version: i64, number: i64, ddl: &str) -> Result<(), Error> {
    let sql = "-- record migration\nINSERT INTO schema_migration (version, statement, checksum, program) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let values = [
        version.into(),
        number.into(),
        checksum(ddl).into(),
        env!("CARGO_PKG_VERSION").into(),
    ];
    if tx.execute(sql, &values)? == 1 {
        tx.define(ddl)?;
    }
    Ok(())
}

/// The statements of a file: each ends with `;` at the end of a line.
fn statements(sql: &'static str) -> impl Iterator<Item = &'static str> {
    sql.split(";\n")
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
}

fn checksum(ddl: &str) -> String {
    Sha256::digest(ddl.as_bytes())
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const UNWATCHED: Progress = Progress::unwatched();
    const FIRST: Migration = Migration {
        version: 1,
        sql: "-- a\nCREATE TABLE a (id TEXT PRIMARY KEY, body BYTEA);\n\n-- b\nCREATE TABLE b (id BIGINT PRIMARY KEY);\n",
    };
    const SECOND: Migration = Migration {
        version: 2,
        sql: "-- c\nCREATE TABLE c (id TEXT PRIMARY KEY);\n",
    };
    const EDITED: Migration = Migration {
        version: 1,
        sql: "-- a\nCREATE TABLE a (id TEXT PRIMARY KEY, body TEXT);\n\n-- b\nCREATE TABLE b (id BIGINT PRIMARY KEY);\n",
    };
    const BROKEN: Migration = Migration {
        version: 2,
        sql: "-- c\nCREATE TABLE c (id TEXT PRIMARY KEY);\n\n-- d\nCREATE TABLE c (id TEXT PRIMARY KEY);\n",
    };

    async fn database(folder: &tempfile::TempDir) -> Database {
        Database::connect(folder.path().join("db").to_str().unwrap())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn migrations_apply_once_and_newer_ones_later() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(&folder).await;
        apply(&database, &[FIRST], &UNWATCHED).await.unwrap();
        apply(&database, &[FIRST, SECOND], &UNWATCHED)
            .await
            .unwrap();
        apply(&database, &[FIRST, SECOND], &UNWATCHED)
            .await
            .unwrap();
        let count = database
            .read("count", |tx| {
                tx.query_one("SELECT COUNT(*) AS n FROM schema_migration", &[])?
                    .int("n")
            })
            .await;
        assert_eq!(count, Ok(3));
    }

    #[tokio::test]
    async fn whoever_watches_hears_of_every_statement() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(&folder).await;
        let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = told.clone();
        let progress = Progress::new(move |what, done, of| {
            heard.lock().unwrap().push((what.to_owned(), done, of));
        });
        apply(&database, &[FIRST, SECOND], &progress).await.unwrap();
        let expected = (1..=3).map(|done| ("migrations".to_owned(), done, 3));
        assert_eq!(*told.lock().unwrap(), expected.collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_newer_or_an_edited_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(&folder).await;
        apply(&database, &[FIRST, SECOND], &UNWATCHED)
            .await
            .unwrap();
        assert_eq!(
            apply(&database, &[FIRST], &UNWATCHED).await,
            Err(Error::NewerSchema { found: 2, known: 1 })
        );
        assert_eq!(
            apply(&database, &[EDITED, SECOND], &UNWATCHED).await,
            Err(Error::ChangedMigration { version: 1 })
        );
    }

    #[tokio::test]
    async fn a_migration_that_failed_halfway_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(&folder).await;
        assert!(matches!(
            apply(&database, &[FIRST, BROKEN], &UNWATCHED).await,
            Err(Error::Statement { .. })
        ));
        // The statement that worked is recorded, so that a mended second one is all that is left to do.
        apply(&database, &[FIRST, SECOND], &UNWATCHED)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        std::fs::write(&path, "x".repeat(4096)).unwrap();
        assert!(matches!(
            Database::connect(path.to_str().unwrap()).await,
            Err(Error::NotADatabase { .. })
        ));
    }
}
