//! The figures of a description: how many rows a table has, how many of them point where, and a few sample values.

use super::Dialect;

/// What a description counts, for whoever watches.
pub(crate) const TABLES_READ: &str = "tables read";

/// Tables up to this many rows are counted exactly.
pub(crate) const EXACT: u64 = 1_000_000;

/// Counts rows up to one more than [`EXACT`].
pub(crate) fn count_rows(table: &str) -> String {
    format!(
        "SELECT count(*) FROM (SELECT 1 AS one FROM {table} LIMIT {}) AS counted",
        EXACT + 1
    )
}

/// Counts rows whose reference isn't empty, and the different targets that they point at.
pub(crate) fn count_pointing(dialect: Dialect, table: &str, fields: &[String]) -> String {
    let names: Vec<String> = fields.iter().map(|field| dialect.quote(field)).collect();
    let set: Vec<String> = names
        .iter()
        .map(|name| format!("{name} IS NOT NULL"))
        .collect();
    let (names, set) = (names.join(", "), set.join(" AND "));
    format!(
        "SELECT (SELECT count(*) FROM {table} WHERE {set}), (SELECT count(*) FROM (SELECT DISTINCT {names} FROM {table} WHERE {set}) AS targets)"
    )
}

/// Up to 20 different values of a column, out of its first 500.
pub(crate) fn samples(dialect: Dialect, table: &str, field: &str) -> String {
    let name = dialect.quote(field);
    let text = match dialect {
        Dialect::Postgres => format!("left({name}::text, 200)"),
        Dialect::Sqlite => format!("substr(CAST({name} AS TEXT), 1, 200)"),
        Dialect::Mysql => format!("LEFT(CONVERT({name} USING utf8mb4), 200)"),
    };
    format!(
        "SELECT DISTINCT value FROM (SELECT {text} AS value FROM {table} WHERE {name} IS NOT NULL LIMIT 500) AS sampled LIMIT 20"
    )
}
