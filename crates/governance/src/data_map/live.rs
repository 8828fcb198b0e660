//! Asks live systems what they are: for a first draft of a data map, and for a check of a finished one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use connectors::mysql::MysqlConfig;
use connectors::postgres::PostgresConfig;
use connectors::sqlite::SqliteConfig;
use connectors::{ConnectorError, Description};
use domain::data_map::{DataMap, SystemKey, SystemKind};
use domain::progress::Progress;

use super::LoadedMap;
use super::check::check;
use super::connection::Connection;
use super::describe::{DescribedSystem, suggest, tokens};
use super::finding::{Finding, Severity};
use super::vocabulary::Vocabulary;

/// What to describe.
#[derive(Clone)]
pub struct Describe {
    /// `sqlite:PATH`, `postgres://...` or `mysql://...`.
    pub connection: String,
    /// The system's key; taken from the connection where nothing is said.
    pub system: Option<String>,
    /// Only this schema (PostgreSQL).
    pub schema: Option<String>,
    /// Whether a few values of each column may be read to guess better.
    pub with_samples: bool,
}

/// A draft, and what it needs.
#[derive(Clone, Debug)]
pub struct Drafted {
    /// The data map as YAML.
    pub yaml: String,
    /// How many collections it has.
    pub collections: usize,
    /// The environment's variable that must hold the connection's URL before the map can be used.
    pub variable: Option<String>,
}

/// A system that can't be described. Never holds the connection's URL.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// Nobody knows what to do with the connection.
    #[error("the connection must start with `sqlite:`, `postgres://` or `mysql://`")]
    UnknownKind,
    /// The path or name is missing.
    #[error("the connection names no {0}; write for instance `{1}`")]
    Incomplete(&'static str, &'static str),
    /// `--schema` for something without schemas.
    #[error("only PostgreSQL has schemas to choose from; leave the schema out")]
    NoSchemas,
    /// It has nothing in it that this account may see.
    #[error(
        "`{0}` holds no table that this account may see; check the name, and grant it the right to read"
    )]
    Empty(SystemKey),
    /// The system said no.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
}

/// Drafts the data map of one live system.
pub async fn describe(
    describe: &Describe,
    vocabulary: &dyn Vocabulary,
) -> Result<Drafted, DescribeError> {
    describe_watched(describe, vocabulary, &Progress::unwatched()).await
}

/// [`describe`], telling how many tables are read of all.
pub async fn describe_watched(
    describe: &Describe,
    vocabulary: &dyn Vocabulary,
    progress: &Progress,
) -> Result<Drafted, DescribeError> {
    let (connection, system) = describe.target()?;
    let connector = connection.connect(&system.key, &DataMap::default(), describe.with_samples)?;
    let description = connector.describe_watched(progress).await?;
    if description.collections.is_empty() {
        return Err(DescribeError::Empty(system.key));
    }
    let variable = (system.kind != SystemKind::Sqlite).then(|| system.reached_by.clone());
    Ok(Drafted {
        yaml: suggest(&description, &system, vocabulary),
        collections: description.collections.len(),
        variable,
    })
}

/// Checks a map against its systems as they are now. A system that can't be reached is an error among the findings.
pub async fn check_live(loaded: &LoadedMap) -> Vec<Finding> {
    check_live_watched(loaded, &Progress::unwatched()).await
}

/// [`check_live`], telling which system's tables are read, how many of all.
pub async fn check_live_watched(loaded: &LoadedMap, progress: &Progress) -> Vec<Finding> {
    let mut live: BTreeMap<SystemKey, Description> = BTreeMap::new();
    let mut findings = Vec::new();
    for (system, connection) in &loaded.connections {
        let described = match connection.connect(system, &loaded.map, false) {
            Ok(connector) => {
                let progress = progress.of_part(system.as_ref());
                connector.describe_watched(&progress).await
            }
            Err(error) => Err(error),
        };
        match described {
            Ok(description) => {
                live.insert(system.clone(), description);
            }
            Err(error) => findings.push(unreachable(loaded, system, &error)),
        }
    }
    findings.extend(check(loaded, Some(&live)));
    findings
}

fn unreachable(loaded: &LoadedMap, system: &SystemKey, error: &ConnectorError) -> Finding {
    let what_to_do = "correct its `connection`, or check without `--live`".to_owned();
    Finding {
        severity: Severity::Error,
        place: loaded.place(system.as_ref()),
        message: error.to_string(),
        what_to_do,
    }
}

impl Describe {
    fn target(&self) -> Result<(Connection, DescribedSystem), DescribeError> {
        let (scheme, rest) = self
            .connection
            .split_once(':')
            .ok_or(DescribeError::UnknownKind)?;
        match scheme {
            "sqlite" => self.sqlite(rest),
            "postgres" | "postgresql" => {
                let url = self.schema.as_ref().map_or_else(
                    || self.connection.clone(),
                    |schema| with_parameter(&self.connection, "schema", schema),
                );
                let config = PostgresConfig {
                    url: url.into(),
                    pool: None,
                    statement_timeout_seconds: None,
                    lock_timeout_seconds: None,
                };
                Ok((
                    Connection::Postgres(config),
                    self.named(SystemKind::Postgres, rest),
                ))
            }
            "mysql" | "mariadb" if self.schema.is_none() => {
                let url = format!("mysql:{rest}");
                let config = MysqlConfig {
                    url: url.into(),
                    pool: None,
                    statement_timeout_seconds: None,
                    lock_timeout_seconds: None,
                };
                Ok((
                    Connection::Mysql(config),
                    self.named(SystemKind::Mysql, rest),
                ))
            }
            "mysql" | "mariadb" => Err(DescribeError::NoSchemas),
            _ => Err(DescribeError::UnknownKind),
        }
    }

    fn sqlite(&self, rest: &str) -> Result<(Connection, DescribedSystem), DescribeError> {
        let path = PathBuf::from(rest.strip_prefix("//").unwrap_or(rest));
        if self.schema.is_some() {
            return Err(DescribeError::NoSchemas);
        }
        let Some(stem) = path.file_stem() else {
            return Err(DescribeError::Incomplete("file", "sqlite:shop.sqlite"));
        };
        let key = self.key(&stem.to_string_lossy());
        // The draft may be kept elsewhere, from where a relative path would lead nowhere.
        let whole = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        let config = SqliteConfig {
            path,
            busy_timeout_seconds: None,
        };
        let system = DescribedSystem {
            key,
            kind: SystemKind::Sqlite,
            reached_by: Path::to_string_lossy(&whole).into_owned(),
        };
        Ok((Connection::Sqlite(config), system))
    }

    /// A server's system, named after its database.
    fn named(&self, kind: SystemKind, rest: &str) -> DescribedSystem {
        let without_parameters = rest.split('?').next().unwrap_or_default();
        let database = without_parameters
            .trim_start_matches('/')
            .split_once('/')
            .map_or("", |(_, database)| database);
        let key = self.key(if database.is_empty() {
            "database"
        } else {
            database
        });
        let variable = format!("{}_DATABASE_URL", key.as_ref().to_uppercase());
        DescribedSystem {
            key,
            kind,
            reached_by: variable,
        }
    }

    fn key(&self, name: &str) -> SystemKey {
        let name = self.system.as_deref().unwrap_or(name);
        let plain: String = name
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter.to_ascii_lowercase()
                } else {
                    '_'
                }
            })
            .collect();
        let is_plain = plain.starts_with(|letter: char| letter.is_ascii_alphabetic());
        if is_plain {
            SystemKey::from(plain)
        } else {
            SystemKey::from(format!("system_{}", tokens(name).join("_")))
        }
    }
}

fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    let value: String = value
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"_-.".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    format!("{url}{joint}{name}={value}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    fn target(connection: &str) -> (Connection, DescribedSystem) {
        let describe = Describe {
            connection: connection.to_owned(),
            system: None,
            schema: None,
            with_samples: false,
        };
        describe.target().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_system_is_named_after_its_database_and_never_shows_its_password() {
        let (_, system) =
            target("postgresql://app:secret@db.example.com:5432/Web-Shop?sslmode=require");
        assert_eq!(
            (system.key.as_ref(), system.reached_by.as_str(), system.kind),
            ("web_shop", "WEB_SHOP_DATABASE_URL", SystemKind::Postgres)
        );
        let (_, system) = target("mariadb://root@127.0.0.1/crm");
        assert_eq!(
            (system.key.as_ref(), system.kind),
            ("crm", SystemKind::Mysql)
        );
        let (connection, system) = target("sqlite:/data/2024 shop.sqlite");
        assert!(matches!(connection, Connection::Sqlite(_)));
        assert_eq!(
            (system.key.as_ref(), system.reached_by.as_str()),
            ("system_shop", "/data/2024 shop.sqlite")
        );
    }

    #[test]
    fn what_is_no_connection_is_refused_without_repeating_it() {
        let describe = Describe {
            connection: "oracle://app:secret@db/x".to_owned(),
            system: None,
            schema: None,
            with_samples: false,
        };
        let error = describe.target().err().unwrap().to_string();
        assert!(
            error.contains("`sqlite:`") && !error.contains("secret"),
            "{error}"
        );
    }
}
