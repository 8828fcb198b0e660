//! Real engines for the tests: a SQLite file always, PostgreSQL and MariaDB where the environment names a server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use connectors::Connector;
use connectors::mysql::{MysqlConfig, MysqlConnector};
use connectors::postgres::{PostgresConfig, PostgresConnector};
use connectors::sqlite::{SqliteConfig, SqliteConnector};
use domain::data_map::{Collection, SystemKey};
use domain::sensitive::Sensitive;
use mysql_async::prelude::Queryable as _;

/// One engine with an empty database of its own.
pub enum Engine {
    Sqlite { folder: tempfile::TempDir },
    Postgres { server: String, database: String },
    Mysql { server: String, database: String },
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The engines that are here; says in words which aren't.
pub async fn engines() -> Vec<Engine> {
    let mut engines = vec![Engine::Sqlite {
        folder: tempfile::tempdir().unwrap(),
    }];
    let database = format!(
        "privity_it_{}_{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    );
    match std::env::var("PRIVITY_TEST_POSTGRES") {
        Ok(server) => {
            let created = Engine::Postgres {
                server: server.clone(),
                database: database_of(&server, "postgres"),
            };
            created.run(&format!("CREATE DATABASE {database}")).await;
            engines.push(Engine::Postgres {
                server,
                database: database.clone(),
            });
        }
        Err(_) => println!("not run on PostgreSQL: PRIVITY_TEST_POSTGRES names no server"),
    }
    match std::env::var("PRIVITY_TEST_MARIADB") {
        Ok(server) => {
            let created = Engine::Mysql {
                server: server.clone(),
                database: String::new(),
            };
            created
                .run(&format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"))
                .await;
            engines.push(Engine::Mysql { server, database });
        }
        Err(_) => println!("not run on MariaDB: PRIVITY_TEST_MARIADB names no server"),
    }
    engines
}

fn database_of(url: &str, otherwise: &str) -> String {
    let path = url
        .rsplit_once('/')
        .map_or("", |(_, path)| path)
        .split('?')
        .next()
        .unwrap_or_default();
    if path.is_empty() || path.contains('@') {
        otherwise.to_owned()
    } else {
        path.to_owned()
    }
}

impl Engine {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
            Self::Mysql { .. } => "MariaDB",
        }
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite { .. })
    }

    pub fn is_mysql(&self) -> bool {
        matches!(self, Self::Mysql { .. })
    }

    pub fn path(&self) -> std::path::PathBuf {
        let Self::Sqlite { folder } = self else {
            panic!("only SQLite has a file")
        };
        folder.path().join("shop.sqlite")
    }

    /// The URL of the database, for another account where one is given.
    pub fn url(&self, account: Option<(&str, &str)>) -> String {
        let (server, database) = match self {
            Self::Sqlite { .. } => return String::new(),
            Self::Postgres { server, database } | Self::Mysql { server, database } => {
                (server, database)
            }
        };
        let (scheme, rest) = server.split_once("://").unwrap();
        let (login, host) = rest.split_once('@').unwrap_or(("", rest));
        let host = host.split(['/', '?']).next().unwrap();
        let login = account.map_or_else(
            || login.to_owned(),
            |(name, password)| format!("{name}:{password}"),
        );
        format!("{scheme}://{login}@{host}/{database}")
    }

    /// SQL in standard quotes, in this engine's own.
    pub fn words(&self, sql: &str) -> String {
        if self.is_mysql() {
            sql.replace('"', "`")
        } else {
            sql.to_owned()
        }
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) {
        match self {
            Self::Sqlite { .. } => rusqlite::Connection::open(self.path())
                .unwrap()
                .execute_batch(&format!("PRAGMA foreign_keys = ON; {sql}"))
                .unwrap(),
            Self::Postgres { .. } => self.postgres().await.batch_execute(sql).await.unwrap(),
            Self::Mysql { .. } => self.run_as_is(&self.words(sql)).await,
        }
    }

    /// Runs statements that are in this engine's own quotes.
    pub async fn run_as_is(&self, sql: &str) {
        match self {
            Self::Sqlite { .. } | Self::Postgres { .. } => Box::pin(self.run(sql)).await,
            Self::Mysql { .. } => {
                let mut connection = self.mysql().await;
                let mut result = connection.query_iter(sql).await.unwrap();
                while !result.is_empty() {
                    result.for_each(|_| ()).await.unwrap();
                }
                drop(result);
                connection.disconnect().await.unwrap();
            }
        }
    }

    /// Rows as text, fields separated by bars.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        match self {
            Self::Sqlite { .. } => {
                let connection = rusqlite::Connection::open(self.path()).unwrap();
                let mut statement = connection.prepare(sql).unwrap();
                let width = statement.column_count();
                let text = |value: rusqlite::types::Value| match value {
                    rusqlite::types::Value::Null => "-".to_owned(),
                    rusqlite::types::Value::Integer(number) => number.to_string(),
                    rusqlite::types::Value::Real(number) => number.to_string(),
                    rusqlite::types::Value::Text(text) => text,
                    rusqlite::types::Value::Blob(bytes) => format!("{bytes:?}"),
                };
                let rows = statement
                    .query_map([], |row| {
                        (0..width)
                            .map(|place| row.get(place).map(text))
                            .collect::<Result<Vec<_>, _>>()
                    })
                    .unwrap();
                rows.map(|row| row.unwrap().join("|")).collect()
            }
            Self::Postgres { .. } => {
                let messages = self.postgres().await.simple_query(sql).await.unwrap();
                let row = |message: &tokio_postgres::SimpleQueryMessage| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => Some(
                        (0..row.len())
                            .map(|place| row.get(place).unwrap_or("-").to_owned())
                            .collect::<Vec<_>>()
                            .join("|"),
                    ),
                    _ => None,
                };
                messages.iter().filter_map(row).collect()
            }
            Self::Mysql { .. } => {
                let mut connection = self.mysql().await;
                let rows: Vec<mysql_async::Row> = connection.query(self.words(sql)).await.unwrap();
                connection.disconnect().await.unwrap();
                let text = |value| {
                    if value == mysql_async::Value::NULL {
                        "-".to_owned()
                    } else {
                        mysql_async::from_value::<String>(value)
                    }
                };
                rows.into_iter()
                    .map(|row| {
                        row.unwrap()
                            .into_iter()
                            .map(text)
                            .collect::<Vec<_>>()
                            .join("|")
                    })
                    .collect()
            }
        }
    }

    pub async fn count(&self, table: &str) -> u64 {
        self.rows(&format!("SELECT count(*) FROM {table}")).await[0]
            .parse()
            .unwrap()
    }

    /// A connector as the system `shop`.
    pub fn connector<'a>(
        &self,
        collections: impl IntoIterator<Item = &'a Collection>,
    ) -> Box<dyn Connector> {
        self.connector_as(None, collections)
    }

    pub fn connector_as<'a>(
        &self,
        account: Option<(&str, &str)>,
        collections: impl IntoIterator<Item = &'a Collection>,
    ) -> Box<dyn Connector> {
        let system = SystemKey::from("shop");
        let url = Sensitive::new(self.url(account));
        match self {
            Self::Sqlite { .. } => Box::new(
                SqliteConnector::new(
                    system,
                    SqliteConfig {
                        path: self.path(),
                        busy_timeout_seconds: Some(1),
                    },
                )
                .with_collections(collections)
                .with_samples(true),
            ),
            Self::Postgres { .. } => {
                let config = PostgresConfig {
                    url,
                    pool: None,
                    statement_timeout_seconds: Some(60),
                    lock_timeout_seconds: Some(1),
                };
                Box::new(
                    PostgresConnector::new(system, config)
                        .with_collections(collections)
                        .with_samples(true),
                )
            }
            Self::Mysql { .. } => {
                let config = MysqlConfig {
                    url,
                    pool: None,
                    statement_timeout_seconds: Some(60),
                    lock_timeout_seconds: Some(1),
                };
                Box::new(
                    MysqlConnector::new(system, config)
                        .with_collections(collections)
                        .with_samples(true),
                )
            }
        }
    }

    /// A connector that waits long for locks.
    pub fn patient_connector<'a>(
        &self,
        collections: impl IntoIterator<Item = &'a Collection>,
    ) -> Box<dyn Connector> {
        let (system, url) = (SystemKey::from("shop"), Sensitive::new(self.url(None)));
        match self {
            Self::Sqlite { .. } => self.connector(collections),
            Self::Postgres { .. } => {
                let config = PostgresConfig {
                    url,
                    pool: None,
                    statement_timeout_seconds: None,
                    lock_timeout_seconds: Some(600),
                };
                Box::new(PostgresConnector::new(system, config).with_collections(collections))
            }
            Self::Mysql { .. } => {
                let config = MysqlConfig {
                    url,
                    pool: None,
                    statement_timeout_seconds: None,
                    lock_timeout_seconds: Some(600),
                };
                Box::new(MysqlConnector::new(system, config).with_collections(collections))
            }
        }
    }

    pub fn connector_to(&self, url: &str) -> Box<dyn Connector> {
        let (system, url) = (SystemKey::from("shop"), Sensitive::new(url.to_owned()));
        match self {
            Self::Mysql { .. } => Box::new(MysqlConnector::new(
                system,
                MysqlConfig {
                    url,
                    pool: None,
                    statement_timeout_seconds: None,
                    lock_timeout_seconds: None,
                },
            )),
            _ => Box::new(PostgresConnector::new(
                system,
                PostgresConfig {
                    url,
                    pool: None,
                    statement_timeout_seconds: None,
                    lock_timeout_seconds: None,
                },
            )),
        }
    }

    /// Comes back when a statement waits for a lock.
    pub async fn until_somebody_waits(&self) {
        let waiting = match self {
            Self::Postgres { .. } => {
                "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()"
            }
            _ => "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
        };
        while self.rows(waiting).await == ["0"] {
            // MariaDB shows this table as it was until nobody has read it for a tenth of a second.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }

    /// An account that may read all tables, and its name.
    pub async fn reader(&self) -> String {
        let name = format!(
            "reader_{}_{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        match self {
            Self::Postgres { .. } => self.run(&format!("CREATE ROLE {name} LOGIN PASSWORD 'read0nly'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")).await,
            Self::Mysql { database, .. } => {
                // A server may have an account for anybody on its own host, which goes before one for any host.
                for host in ["%", "localhost"] {
                    self.run(&format!("CREATE USER {name}@'{host}' IDENTIFIED BY 'read0nly'; GRANT SELECT ON {database}.* TO {name}@'{host}'")).await;
                }
            }
            Self::Sqlite { .. } => {}
        }
        name
    }

    pub async fn drop_reader(&self, name: &str) {
        match self {
            Self::Postgres { .. } => {
                self.run(&format!("DROP OWNED BY {name}; DROP ROLE {name}"))
                    .await
            }
            Self::Mysql { .. } => {
                self.run(&format!("DROP USER {name}@'%', {name}@'localhost'"))
                    .await
            }
            Self::Sqlite { .. } => {}
        }
    }

    pub async fn postgres(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url(None), tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    pub async fn mysql(&self) -> mysql_async::Conn {
        mysql_async::Conn::new(mysql_async::Opts::from_url(&self.url(None)).unwrap())
            .await
            .unwrap()
    }

    /// Drops the database; what is left of a failed test goes with its throwaway server.
    pub async fn drop_database(self) {
        match &self {
            Self::Sqlite { .. } => {}
            Self::Postgres { server, database } => {
                let outside = Self::Postgres {
                    server: server.clone(),
                    database: database_of(server, "postgres"),
                };
                outside
                    .run(&format!("DROP DATABASE {database} WITH (FORCE)"))
                    .await;
            }
            Self::Mysql { server, database } => {
                let outside = Self::Mysql {
                    server: server.clone(),
                    database: String::new(),
                };
                outside.run(&format!("DROP DATABASE {database}")).await;
            }
        }
    }
}

/// Somebody who holds a lock on Ann's row.
pub enum Holder {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
    Mysql(mysql_async::Conn),
}

impl Holder {
    pub async fn lock(engine: &Engine) -> Self {
        match engine {
            Engine::Sqlite { .. } => {
                let connection = rusqlite::Connection::open(engine.path()).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                Self::Sqlite(connection)
            }
            Engine::Postgres { .. } => {
                let client = engine.postgres().await;
                client
                    .batch_execute("BEGIN; SELECT * FROM customer WHERE id = 1 FOR UPDATE")
                    .await
                    .unwrap();
                Self::Postgres(client)
            }
            Engine::Mysql { .. } => {
                let mut connection = engine.mysql().await;
                connection.query_drop("START TRANSACTION").await.unwrap();
                connection
                    .query_drop("SELECT * FROM customer WHERE id = 1 FOR UPDATE")
                    .await
                    .unwrap();
                Self::Mysql(connection)
            }
        }
    }

    pub async fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch("ROLLBACK").unwrap(),
            Self::Postgres(client) => client.batch_execute("ROLLBACK").await.unwrap(),
            Self::Mysql(connection) => connection.disconnect().await.unwrap(),
        }
    }
}
