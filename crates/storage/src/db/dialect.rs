//! The few places where the engines read SQL differently: placeholders, waiting for locked rows, and column types.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Written after `LIMIT` in a statement that claims rows: PostgreSQL passes over rows that another worker is claiming;
/// SQLite, which has one writer, reads a comment.
pub const SKIP_LOCKED: &str = "/* skip locked */";

/// Written at the end of a `SELECT` whose rows nobody else may change until the transaction ends; SQLite, which has one writer, reads a
/// comment. An `UPDATE` that changes nothing would do as well, and would write the whole row again on both engines.
pub(super) const FOR_UPDATE: &str = "/* for update */";

/// Written after the closing bracket of `CREATE TABLE` when small rows are found by their whole key: SQLite keeps them in the key's own
/// tree, a half of the space and of the page writes. PostgreSQL, whose tables are heaps, reads a comment. Not for rows beyond a few
/// hundred bytes, which such a tree holds badly (measured: a third more space).
const CLUSTERED: &str = "/* clustered */";

/// Statements already rewritten for an engine. Their number is that of the statements in this crate.
#[derive(Debug)]
pub(super) struct Rewritten {
    known: RwLock<HashMap<String, Arc<str>>>,
    rewrite: fn(&str) -> String,
}

impl Rewritten {
    /// For PostgreSQL.
    pub(super) fn for_postgres() -> Self {
        Self {
            known: RwLock::default(),
            rewrite: for_postgres,
        }
    }

    /// For many sets of values on SQLite.
    pub(super) fn for_sqlite() -> Self {
        Self {
            known: RwLock::default(),
            rewrite: |sql| insert_for_sqlite(sql).unwrap_or_else(|| sql.to_owned()),
        }
    }

    /// The statement as the engine wants it.
    pub(super) fn get(&self, sql: &str) -> Arc<str> {
        let known = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(sql)
            .cloned();
        known.unwrap_or_else(|| {
            let text: Arc<str> = (self.rewrite)(sql).into();
            self.known
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(sql.to_owned(), Arc::clone(&text));
            text
        })
    }
}

/// `?1` becomes `$1`, outside of quoted text and comments.
fn for_postgres(sql: &str) -> String {
    let casts = with_casts(sql);
    let sql = casts.as_deref().unwrap_or(sql);
    let mut text = String::with_capacity(sql.len() + 16);
    let mut quote = None;
    for line in sql.split_inclusive('\n') {
        if quote.is_none() && line.trim_start().starts_with("--") {
            text.push_str(line);
            continue;
        }
        for letter in line.chars() {
            match quote {
                Some(open) if letter == open => quote = None,
                None if letter == '\'' || letter == '"' => quote = Some(letter),
                _ => {}
            }
            text.push(if letter == '?' && quote.is_none() {
                '$'
            } else {
                letter
            });
        }
    }
    text.replace(SKIP_LOCKED, "FOR UPDATE SKIP LOCKED")
        .replace(FOR_UPDATE, "FOR UPDATE")
}

/// A statement over one given row, `(VALUES (?1 /* TEXT */, ?2 /* BIGINT */)) AS given`, as the same statement over many rows given as
/// PostgreSQL arrays. `None` when it has no such part.
pub(super) fn over_arrays(sql: &str) -> Option<String> {
    let (before, given, after) = given_row(sql)?;
    let arrays: Vec<_> = given
        .iter()
        .map(|(place, kind)| format!("CAST({place} AS {kind}[])"))
        .collect();
    let columns: Vec<_> = (1..=given.len())
        .map(|number| format!("column{number}"))
        .collect();
    let (arrays, columns) = (arrays.join(", "), columns.join(", "));
    Some(format!(
        "{before}(SELECT * FROM unnest({arrays}) AS rows ({columns})) AS given{after}"
    ))
}

/// An `INSERT` of one given row, as SQLite likes it best: `VALUES` and no `SELECT`, before which SQLite keeps a copy of every page that
/// the statement changes. `None` for every other statement.
pub(super) fn insert_for_sqlite(sql: &str) -> Option<String> {
    let (insert, places, after) = insert_of_given_row(sql)?;
    if !(after.is_empty() || after.starts_with("ON CONFLICT")) {
        return None;
    }
    Some(format!("{insert}VALUES ({}) {after}", places.join(", ")))
}

/// An `INSERT` of one given row, as PostgreSQL's `COPY` of many in its binary format. `None` for every other statement, and for one that
/// says what a conflict means: `COPY` only fails.
pub(super) fn copy_for_postgres(sql: &str) -> Option<String> {
    let (insert, _, after) = insert_of_given_row(sql)?;
    let (_, table) = insert.split_once("INSERT INTO ")?;
    let table = table.trim_end();
    after
        .is_empty()
        .then(|| format!("COPY {table} FROM STDIN (FORMAT binary)"))
}

/// Of an `INSERT` of one given row as it stands, what is before the row, the row's placeholders, and what is after it.
fn insert_of_given_row(sql: &str) -> Option<(&str, Vec<&str>, &str)> {
    let (before, given, after) = given_row(sql)?;
    let columns: Vec<_> = (1..=given.len())
        .map(|number| format!("column{number}"))
        .collect();
    let select = before.trim_end().strip_suffix("FROM")?.trim_end();
    let insert = select.strip_suffix(&columns.join(", "))?.trim_end();
    let insert = insert.strip_suffix("SELECT")?;
    let after = after.trim_start();
    let after = after
        .strip_prefix("WHERE TRUE")
        .unwrap_or(after)
        .trim_start();
    let places = given.iter().map(|(place, _)| *place).collect();
    Some((insert, places, after))
}

/// The same with its one row; PostgreSQL wants to know the types.
fn with_casts(sql: &str) -> Option<String> {
    let (before, given, after) = given_row(sql)?;
    let casts: Vec<_> = given
        .iter()
        .map(|(place, kind)| format!("CAST({place} AS {kind})"))
        .collect();
    Some(format!(
        "{before}(VALUES ({})) AS given{after}",
        casts.join(", ")
    ))
}

/// A placeholder and its type.
type Given<'a> = (&'a str, &'a str);

/// What is before the given row, its placeholders with their types, and what is after it.
fn given_row(sql: &str) -> Option<(&str, Vec<Given<'_>>, &str)> {
    let (before, rest) = sql.split_once("(VALUES (?1 /* ")?;
    let (_, rest_with_first) = sql.split_at(sql.len() - rest.len() - "?1 /* ".len());
    let (row, after) = rest_with_first.split_once(" */)) AS given")?;
    let given = row
        .split(" */, ")
        .map(|value| value.split_once(" /* "))
        .collect::<Option<_>>()?;
    Some((before, given, after))
}

/// Our DDL is written with PostgreSQL's types; SQLite gets its own names and `STRICT`, so that both refuse a wrong type.
pub(super) fn ddl_for_sqlite(ddl: &str) -> String {
    let text = ddl.replace("BYTEA", "BLOB").replace("BIGINT", "INTEGER");
    if let Some(text) = text.trim_end().strip_suffix(CLUSTERED) {
        format!("{text} STRICT, WITHOUT ROWID")
    } else if text.contains("CREATE TABLE") {
        format!("{text} STRICT")
    } else {
        text
    }
}

/// The name in a statement's first line, `-- name`.
pub(super) fn statement_name(sql: &str) -> &str {
    let first = sql.trim_start().lines().next().unwrap_or_default();
    first.strip_prefix("--").map_or("unnamed", str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_rewritten_outside_of_quotes_and_comments() {
        let sql = "-- why? name\nSELECT '?1', \"a?b\" FROM t WHERE a = ?1 AND b = ?12 LIMIT ?2 /* skip locked */";
        let expected = "-- why? name\nSELECT '?1', \"a?b\" FROM t WHERE a = $1 AND b = $12 LIMIT $2 FOR UPDATE SKIP LOCKED";
        assert_eq!(&*Rewritten::for_postgres().get(sql), expected);
    }

    #[test]
    fn one_given_row_becomes_arrays_of_many() {
        let sql = "UPDATE t SET b = column2 FROM (VALUES (?1 /* TEXT */, ?2 /* BIGINT */)) AS given WHERE a = column1";
        let many = "UPDATE t SET b = column2 FROM (SELECT * FROM unnest(CAST(?1 AS TEXT[]), CAST(?2 AS BIGINT[])) AS rows (column1, column2)) AS given WHERE a = column1";
        let one = "UPDATE t SET b = column2 FROM (VALUES (CAST($1 AS TEXT), CAST($2 AS BIGINT))) AS given WHERE a = column1";
        assert_eq!(over_arrays(sql).as_deref(), Some(many));
        assert_eq!(for_postgres(sql), one);
        assert_eq!(over_arrays("INSERT INTO t VALUES (?1)"), None);
    }

    #[test]
    fn an_insert_of_a_given_row_is_plain_on_sqlite() {
        let given = "FROM (VALUES (?1 /* TEXT */, ?2 /* BIGINT */)) AS given";
        let insert = format!("-- insert t\nINSERT INTO t (a, b)\nSELECT column1, column2\n{given}");
        assert_eq!(
            insert_for_sqlite(&insert).as_deref(),
            Some("-- insert t\nINSERT INTO t (a, b)\nVALUES (?1, ?2) ")
        );
        let upsert = format!("{insert}\nWHERE TRUE ON CONFLICT (a) DO NOTHING");
        assert_eq!(
            insert_for_sqlite(&upsert).as_deref(),
            Some("-- insert t\nINSERT INTO t (a, b)\nVALUES (?1, ?2) ON CONFLICT (a) DO NOTHING")
        );
        let other_order = format!("INSERT INTO t SELECT column2, column1 {given}");
        let filtered = format!("{insert} WHERE column1 > 'a'");
        let update = format!("UPDATE t SET b = column2 {given} WHERE a = column1");
        for sql in [other_order, filtered, update] {
            assert_eq!(insert_for_sqlite(&sql), None);
        }
    }

    #[test]
    fn an_insert_of_a_given_row_is_a_copy_unless_it_minds_conflicts() {
        let given = "FROM (VALUES (?1 /* TEXT */, ?2 /* BIGINT */)) AS given";
        let insert = format!("-- insert t\nINSERT INTO t (a, b)\nSELECT column1, column2\n{given}");
        assert_eq!(
            copy_for_postgres(&insert).as_deref(),
            Some("COPY t (a, b) FROM STDIN (FORMAT binary)")
        );
        for end in [
            "WHERE TRUE ON CONFLICT (a) DO NOTHING",
            "WHERE column1 > 'a'",
            "RETURNING a",
        ] {
            assert_eq!(copy_for_postgres(&format!("{insert}\n{end}")), None);
        }
    }

    #[test]
    fn a_clustered_table_has_no_row_ids_on_sqlite() {
        let ddl = "CREATE TABLE t (a BYTEA NOT NULL PRIMARY KEY) /* clustered */";
        assert_eq!(
            ddl_for_sqlite(ddl),
            "CREATE TABLE t (a BLOB NOT NULL PRIMARY KEY)  STRICT, WITHOUT ROWID"
        );
    }

    #[test]
    fn a_statement_is_named_by_its_first_line() {
        assert_eq!(statement_name("-- insert task\nINSERT"), "insert task");
        assert_eq!(statement_name("SELECT 1"), "unnamed");
    }
}
