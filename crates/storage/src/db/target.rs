//! Reading the database URL, so that no later message needs to repeat it: it may hold a password.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};

use crate::error::Error;

/// Where a PostgreSQL server that stays silent counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a database URL names.
pub(super) enum Target {
    Sqlite(PathBuf),
    Postgres(Box<Server>),
}

/// A PostgreSQL server and how to speak to it.
pub(super) struct Server {
    pub(super) config: tokio_postgres::Config,
    /// `host:port/database`, for messages.
    pub(super) name: String,
    /// Check the server's certificate.
    pub(super) verify: bool,
    /// A file of root certificates instead of this machine's.
    pub(super) roots: Option<PathBuf>,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Server::parse(url).map(|server| Self::Postgres(Box::new(server)));
        }
        let path = url.strip_prefix("sqlite:").unwrap_or(url);
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.contains("://") {
            return Err(invalid(
                "the part before `://` names neither SQLite nor PostgreSQL",
            ));
        }
        if path.is_empty() || path == ":memory:" {
            return Err(invalid("SQLite needs the path of a file"));
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

impl Server {
    fn parse(url: &str) -> Result<Self, Error> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut ssl = "prefer";
        let mut roots = None;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", mode)) => ssl = mode,
                Some(("sslrootcert", path)) => roots = Some(PathBuf::from(path)),
                _ => rest.push(pair),
            }
        }
        let separator = if rest.is_empty() { "" } else { "?" };
        let mut config = tokio_postgres::Config::from_str(&format!("{base}{separator}{}", rest.join("&")))
            .map_err(|_| invalid("it does not read as a PostgreSQL URL; percent-encode special characters in the password"))?;
        let (mode, verify) = match ssl {
            "disable" => (SslMode::Disable, false),
            "prefer" | "allow" => (SslMode::Prefer, false),
            "require" | "verify-ca" | "verify-full" => (SslMode::Require, true),
            _ => {
                return Err(invalid(
                    "`sslmode` is one of `disable`, `prefer`, `require`",
                ));
            }
        };
        config.ssl_mode(mode).application_name("privity");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let name = describe(&config);
        Ok(Self {
            config,
            name,
            verify,
            roots,
        })
    }
}

fn describe(config: &tokio_postgres::Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!(
        "{host}:{port}/{}",
        config
            .get_dbname()
            .or(config.get_user())
            .unwrap_or_default()
    )
}

fn invalid(reason: &str) -> Error {
    Error::InvalidUrl {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn a_server_is_named_without_its_password() {
        let Ok(Target::Postgres(server)) = Target::parse(
            "postgresql://ann:s3cret@db.example:5433/privity?sslmode=require&sslrootcert=/ca.pem",
        ) else {
            panic!()
        };
        assert_eq!(server.name, "db.example:5433/privity");
        assert!(server.verify && server.config.get_ssl_mode() == SslMode::Require);
        assert_eq!(server.roots, Some(PathBuf::from("/ca.pem")));
    }

    #[test]
    fn an_unusable_url_is_refused_without_repeating_it() {
        for url in [
            "mysql://root:s3cret@h/d",
            "postgres://u:s3cret@h/d?sslmode=maybe",
            "postgres://u:s3cret@h:port/d",
            "sqlite:",
            ":memory:",
        ] {
            let Err(error) = Target::parse(url) else {
                panic!("{url}")
            };
            assert!(matches!(error, Error::InvalidUrl { .. }));
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_bare_path_is_a_sqlite_file() {
        for url in [
            "sqlite:/var/lib/privity.db",
            "/var/lib/privity.db",
            "sqlite:///var/lib/privity.db",
        ] {
            let Ok(Target::Sqlite(path)) = Target::parse(url) else {
                panic!("{url}")
            };
            assert_eq!(path, PathBuf::from("/var/lib/privity.db"));
        }
    }
}
