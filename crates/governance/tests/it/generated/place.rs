//! Generated businesses on real databases, made and looked at with the databases' own programs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::model::{Kind, Model, Row, System, Table};

/// Where one system lives.
pub(crate) enum Place {
    Sqlite(PathBuf),
    /// The URL of a database of our own, and the server's.
    Postgres {
        url: String,
        server: String,
        name: String,
    },
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Place {
    pub(crate) fn sqlite(dir: &Path, name: &str) -> Self {
        Self::Sqlite(dir.join(name))
    }

    /// A fresh database on a server.
    pub(crate) fn postgres(server: &str) -> Self {
        let name = format!(
            "generated_{}_{}",
            std::process::id(),
            DATABASES.fetch_add(1, Ordering::Relaxed)
        );
        psql(server, &format!("CREATE DATABASE {name}"));
        let (base, _) = server.rsplit_once('/').expect("a URL with a database");
        Self::Postgres {
            url: format!("{base}/{name}"),
            server: server.to_owned(),
            name,
        }
    }

    pub(crate) fn connection(&self) -> Value {
        match self {
            Self::Sqlite(path) => json!({"kind": "sqlite", "path": path}),
            Self::Postgres { url, .. } => {
                json!({"kind": "postgres", "url": format!("{url}?sslmode=disable")})
            }
        }
    }

    /// Makes the tables of a system and their rows.
    pub(crate) fn make(&self, model: &Model, system: System) {
        let tables: Vec<&Table> = model
            .tables
            .iter()
            .filter(|table| table.system == system)
            .collect();
        let mut script = String::new();
        for table in &tables {
            script.push_str(&self.create(model, table));
        }
        for table in &tables {
            for row in &table.rows {
                let values: Vec<String> = row
                    .iter()
                    .map(|value| {
                        value
                            .as_ref()
                            .map_or_else(|| "NULL".to_owned(), |text| constant(text))
                    })
                    .collect();
                script.push_str(&format!(
                    "INSERT INTO {} VALUES ({});\n",
                    quote(&table.name),
                    values.join(", ")
                ));
            }
        }
        if let Self::Postgres { .. } = self {
            tables
                .iter()
                .for_each(|table| script.push_str(&foreign_keys(model, table)));
        }
        self.run(&script);
    }

    fn create(&self, model: &Model, table: &Table) -> String {
        let mut parts: Vec<String> = table
            .fields
            .iter()
            .map(|field| {
                let kind = match field.kind {
                    Kind::Integer => "INTEGER",
                    Kind::Date => "DATE",
                    Kind::Text => "TEXT",
                };
                let not_null = if field.nullable { "" } else { " NOT NULL" };
                let unique = if field.unique { " UNIQUE" } else { "" };
                let name = quote(&field.name);
                let length = field.max_length.map_or_else(String::new, |length| {
                    format!(" CHECK (length({name}) <= {length})")
                });
                format!("{name} {kind}{not_null}{unique}{length}")
            })
            .collect();
        parts.push(format!("PRIMARY KEY ({})", list(table, &table.primary_key)));
        if let Self::Sqlite(_) = self {
            parts.extend(
                table
                    .references
                    .iter()
                    .filter(|reference| reference.enforced)
                    .map(|reference| {
                        let there = &model.tables[reference.to];
                        format!(
                            "FOREIGN KEY ({}) REFERENCES {} ({})",
                            list(table, &reference.fields),
                            quote(&there.name),
                            list(there, &reference.to_fields)
                        )
                    }),
            );
        }
        format!(
            "CREATE TABLE {} ({});\n",
            quote(&table.name),
            parts.join(", ")
        )
    }

    /// All rows of all tables of a system, in the order of their keys.
    pub(crate) fn dump(&self, model: &Model, system: System) -> Vec<(usize, Vec<Row>)> {
        let tables: Vec<(usize, &Table)> = model
            .tables
            .iter()
            .enumerate()
            .filter(|(_, table)| table.system == system)
            .collect();
        let mut script = String::new();
        for (_, table) in &tables {
            let texts: Vec<String> = table
                .fields
                .iter()
                .map(|field| format!("CAST({} AS TEXT)", quote(&field.name)))
                .collect();
            script.push_str(&match self {
                Self::Sqlite(_) => format!(
                    "SELECT json_group_array(json_array({})) FROM {};\n",
                    texts.join(", "),
                    quote(&table.name)
                ),
                Self::Postgres { .. } => format!(
                    "SELECT coalesce(jsonb_agg(jsonb_build_array({})), '[]') FROM {};\n",
                    texts.join(", "),
                    quote(&table.name)
                ),
            });
        }
        let answer = self.run(&script);
        let lines: Vec<&str> = answer
            .lines()
            .filter(|line| line.starts_with('['))
            .collect();
        assert_eq!(lines.len(), tables.len(), "{answer}");
        tables
            .iter()
            .zip(lines)
            .map(|((number, _), line)| (*number, serde_json::from_str(line).unwrap()))
            .collect()
    }

    /// Runs statements and answers what they print.
    pub(crate) fn run(&self, script: &str) -> String {
        match self {
            Self::Sqlite(path) => {
                let mut command = Command::new("sqlite3");
                command.arg("-bail").arg(path);
                through(
                    command,
                    &format!(
                        "PRAGMA foreign_keys=OFF; PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; BEGIN;\n{script}COMMIT;"
                    ),
                )
            }
            Self::Postgres { url, .. } => psql(url, script),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Postgres { server, name, .. } = self {
            psql(
                server,
                &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            );
        }
    }
}

/// Runs statements with PostgreSQL's own program.
pub(crate) fn psql(url: &str, script: &str) -> String {
    let mut command = Command::new("psql");
    command
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url])
        .env("PGOPTIONS", "-c client_min_messages=warning")
        .env("PGCLIENTENCODING", "UTF8");
    through(command, script)
}

fn through(mut command: Command, script: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the database's program is installed");
    let mut stdin = child.stdin.take().unwrap();
    let script = script.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _written = writer.join().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn foreign_keys(model: &Model, table: &Table) -> String {
    let keys = table
        .references
        .iter()
        .filter(|reference| reference.enforced)
        .map(|reference| {
            let there = &model.tables[reference.to];
            format!(
                "ALTER TABLE {} ADD FOREIGN KEY ({}) REFERENCES {} ({});\n",
                quote(&table.name),
                list(table, &reference.fields),
                quote(&there.name),
                list(there, &reference.to_fields)
            )
        });
    keys.collect()
}

fn list(table: &Table, fields: &[usize]) -> String {
    fields
        .iter()
        .map(|field| quote(&table.fields[*field].name))
        .collect::<Vec<_>>()
        .join(", ")
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn constant(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
