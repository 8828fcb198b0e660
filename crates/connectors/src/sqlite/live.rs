//! A table as it is in the file: its columns' affinities, whether an index ignores case, and what names a row.

use std::collections::HashMap;

use domain::data_map::CollectionKey;
use rusqlite::{Connection, Row};

use super::function::cell;
use crate::sql::Dialect;
use crate::sql::cell::Cell;
use crate::sql::table::{Class, Column, Table};

/// The values of a row.
pub(super) fn cells(row: &Row<'_>, width: usize) -> rusqlite::Result<Vec<Option<Cell>>> {
    (0..width)
        .map(|place| row.get_ref(place).map(cell))
        .collect()
}

/// Reads a table's columns; `None` where there is no such table.
pub(super) fn table(
    connection: &Connection,
    key: &CollectionKey,
    schema: Option<&str>,
    table: &str,
) -> rusqlite::Result<Option<Table>> {
    let schema = schema.unwrap_or("main");
    let mut statement =
        connection.prepare_cached("SELECT name, type, pk FROM pragma_table_xinfo(?1, ?2)")?;
    let rows: Vec<(String, String, i64)> = statement
        .query_map((table, schema), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    if rows.is_empty() {
        return Ok(None);
    }
    let ignoring_case = indexed_ignoring_case(connection, schema, table)?;
    let mut columns = HashMap::new();
    for (name, declared, _) in &rows {
        columns.insert(
            name.clone(),
            column(name, declared, ignoring_case.contains(name)),
        );
    }
    let row_id = row_id(connection, schema, table, &rows)?;
    let name = Dialect::Sqlite.table(Some(schema).filter(|schema| *schema != "main"), table);
    Ok(Some(Table {
        key: key.clone(),
        dialect: Dialect::Sqlite,
        table: table.to_owned(),
        schema: Some(schema.to_owned()),
        name,
        columns,
        row_id,
    }))
}

fn column(name: &str, declared: &str, folds_case: bool) -> Column {
    let class = class(declared);
    Column {
        name: Dialect::Sqlite.quote(name),
        class,
        declared: declared.to_owned(),
        element: None,
        // The column may have a collation of its own, which no pragma tells.
        folds: matches!(
            class,
            Class::Text | Class::Other | Class::Json | Class::Uuid
        ),
        folds_case,
        collation: None,
    }
}

/// What a declared type means, by SQLite's rules of affinity and by what people mean with the rest.
pub(super) fn class(declared: &str) -> Class {
    let declared = declared.to_ascii_uppercase();
    let says = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if says(&["BOOL"]) {
        Class::Boolean
    } else if says(&["INT"]) {
        Class::Integer(i64::MIN, i64::MAX.unsigned_abs())
    } else if says(&["JSON"]) {
        Class::Json
    } else if says(&[
        "CHAR",
        "CLOB",
        "TEXT",
        "STRING",
        "UUID",
        "GUID",
        "UNIQUEIDENTIFIER",
    ]) {
        Class::Text
    } else if says(&["BLOB", "BINARY"]) {
        Class::Bytes
    } else if says(&["REAL", "FLOA", "DOUB"]) {
        Class::Float
    } else if says(&["TIMESTAMP", "DATETIME"]) {
        Class::Timestamp
    } else if declared == "DATE" {
        Class::Date
    } else if says(&["NUMERIC", "DECIMAL", "MONEY", "NUMBER"]) {
        Class::Decimal
    } else {
        Class::Other
    }
}

fn indexed_ignoring_case(
    connection: &Connection,
    schema: &str,
    table: &str,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT c.name FROM pragma_index_list(?1, ?2) AS i, pragma_index_xinfo(i.name, ?2) AS c
         WHERE c.seqno = 0 AND c.coll = 'NOCASE' AND i.partial = 0 AND c.name IS NOT NULL",
    )?;
    statement
        .query_map((table, schema), |row| row.get(0))?
        .collect()
}

/// The row's number by whichever of its three names no column has taken; the primary key where rows have no number.
fn row_id(
    connection: &Connection,
    schema: &str,
    table: &str,
    rows: &[(String, String, i64)],
) -> rusqlite::Result<Vec<String>> {
    let numberless: bool = connection.query_row(
        "SELECT coalesce(max(wr), 0) FROM pragma_table_list(?1) WHERE schema = ?2",
        (table, schema),
        |row| row.get(0),
    )?;
    let taken = |name: &&str| {
        rows.iter()
            .any(|(column, ..)| column.eq_ignore_ascii_case(name))
    };
    if let Some(name) = ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|name| !taken(name))
        .filter(|_| !numberless)
    {
        return Ok(vec![name.to_owned()]);
    }
    let mut key: Vec<_> = rows.iter().filter(|(.., place)| *place > 0).collect();
    key.sort_by_key(|(.., place)| *place);
    Ok(key
        .into_iter()
        .map(|(name, ..)| Dialect::Sqlite.quote(name))
        .collect())
}
