//! The few places where the engines read SQL differently: placeholders, waiting for locked rows, and column types.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Written after `LIMIT` in a statement that claims rows: PostgreSQL passes over rows that another worker is claiming;
/// SQLite, which has one writer, reads a comment.
pub const SKIP_LOCKED: &str = "/* skip locked */";

/// Statements already rewritten for PostgreSQL. Their number is that of the statements in this crate.
#[derive(Debug, Default)]
pub(super) struct Rewritten(RwLock<HashMap<String, Arc<str>>>);

impl Rewritten {
    /// The statement as PostgreSQL wants it.
    pub(super) fn get(&self, sql: &str) -> Arc<str> {
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(sql)
            .cloned();
        known.unwrap_or_else(|| {
            let text: Arc<str> = for_postgres(sql).into();
            self.0
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(sql.to_owned(), Arc::clone(&text));
            text
        })
    }
}

/// `?1` becomes `$1`, outside of quoted text and comments.
fn for_postgres(sql: &str) -> String {
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
}

/// Our DDL is written with PostgreSQL's types; SQLite gets its own names and `STRICT`, so that both refuse a wrong type.
pub(super) fn ddl_for_sqlite(ddl: &str) -> String {
    let text = ddl.replace("BYTEA", "BLOB").replace("BIGINT", "INTEGER");
    if text.contains("CREATE TABLE") {
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
        assert_eq!(&*Rewritten::default().get(sql), expected);
    }

    #[test]
    fn a_statement_is_named_by_its_first_line() {
        assert_eq!(statement_name("-- insert task\nINSERT"), "insert task");
        assert_eq!(statement_name("SELECT 1"), "unnamed");
    }
}
