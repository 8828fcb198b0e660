//! Throwaway databases on the servers that `PRIVITY_TEST_POSTGRES` and `PRIVITY_TEST_MARIADB` name, looked at through the
//! servers' own programs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::generated::place::psql;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    Mariadb,
}

/// A database of one's own; goes when it is dropped.
pub(crate) struct Store {
    pub(crate) engine: Engine,
    server: String,
    name: String,
}

static DATABASES: AtomicU64 = AtomicU64::new(0);

/// A fresh database, or why the test doesn't run.
pub(crate) fn engine(engine: Engine) -> Option<Store> {
    let variable = match engine {
        Engine::Postgres => "PRIVITY_TEST_POSTGRES",
        Engine::Mariadb => "PRIVITY_TEST_MARIADB",
    };
    let Ok(server) = std::env::var(variable) else {
        println!("did not run: {variable} names no server");
        return None;
    };
    let name = format!(
        "privity_{}_{}",
        std::process::id(),
        DATABASES.fetch_add(1, Ordering::Relaxed)
    );
    let store = Store {
        engine,
        server,
        name,
    };
    store.on_server(&match engine {
        Engine::Postgres => format!("CREATE DATABASE {}", store.name),
        Engine::Mariadb => format!("CREATE DATABASE {} CHARACTER SET utf8mb4", store.name),
    });
    Some(store)
}

impl Store {
    /// The URL of the database.
    pub(crate) fn url(&self) -> String {
        let (scheme, _) = self.server.split_once("://").expect("a URL");
        let (login, host) = self.login();
        format!("{scheme}://{login}@{host}/{}", self.name)
    }

    /// What a data map says of it, in YAML.
    pub(crate) fn connection(&self) -> String {
        let kind = match self.engine {
            Engine::Postgres => "postgres",
            Engine::Mariadb => "mysql",
        };
        format!("{{kind: {kind}, url: \"{}?sslmode=disable\"}}", self.url())
    }

    fn login(&self) -> (&str, &str) {
        let rest = self
            .server
            .split_once("://")
            .map_or(self.server.as_str(), |(_, rest)| rest);
        let (login, host) = rest.rsplit_once('@').expect("a URL with an account");
        (login, host.split(['/', '?']).next().unwrap_or_default())
    }

    /// Runs statements; answers their rows, columns separated by `|`.
    pub(crate) fn run(&self, statements: &str) -> String {
        match self.engine {
            Engine::Postgres => psql(&self.url(), statements).trim().to_owned(),
            Engine::Mariadb => self.mariadb(Some(&self.name), statements),
        }
    }

    fn on_server(&self, statements: &str) -> String {
        match self.engine {
            Engine::Postgres => psql(&self.server, statements),
            Engine::Mariadb => self.mariadb(None, statements),
        }
    }

    fn mariadb(&self, database: Option<&str>, statements: &str) -> String {
        let (login, host) = self.login();
        let (account, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = host.rsplit_once(':').unwrap_or((host, "3306"));
        let mut command = Command::new("mariadb");
        command.args([
            "--no-defaults",
            "--protocol=tcp",
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
            "-h",
            host,
            "-P",
            port,
            "-u",
            account,
        ]);
        command.arg(format!("--password={password}")).args(database);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("MariaDB's own client is installed");
        let mut stdin = child.stdin.take().unwrap();
        let statements = statements.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(statements.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let _written = writer.join().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .replace('\t', "|")
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.on_server(&match self.engine {
            Engine::Postgres => format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
            Engine::Mariadb => format!("DROP DATABASE IF EXISTS {}", self.name),
        });
    }
}
