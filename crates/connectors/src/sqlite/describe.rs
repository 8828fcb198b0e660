//! The schema of a SQLite file, from its own pragmas.

use domain::data_map::ValueKind;
use domain::progress::Progress;
use domain::sensitive::Sensitive;
use rusqlite::{Connection, OptionalExtension};

use super::live::class;
use crate::sql::table::Class;
use crate::sql::{Dialect, schema};
use crate::{DescribedCollection, DescribedField, DescribedReference, Description};

/// Describes all tables of the file.
pub(super) fn describe(
    connection: &Connection,
    with_samples: bool,
    progress: &Progress,
) -> rusqlite::Result<Description> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")?;
    let names: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let count = names.len() as u64;
    let described = (0..).zip(names).map(|(done, name)| {
        progress.tell(schema::TABLES_READ, done, count);
        describe_table(connection, name, with_samples)
    });
    let collections = described.collect::<Result<_, _>>()?;
    progress.tell(schema::TABLES_READ, count, count);
    Ok(Description { collections })
}

fn describe_table(
    connection: &Connection,
    table: String,
    with_samples: bool,
) -> rusqlite::Result<DescribedCollection> {
    let quoted = Dialect::Sqlite.quote(&table);
    let mut statement = connection.prepare_cached("SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid")?;
    let rows: Vec<(String, String, bool, i64)> = statement
        .query_map([&table], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut key: Vec<_> = rows.iter().filter(|row| row.3 > 0).collect();
    key.sort_by_key(|row| row.3);
    let primary_key: Vec<String> = key.into_iter().map(|row| row.0.clone()).collect();
    let indexes = indexes(connection, &table)?;
    let mut fields = Vec::with_capacity(rows.len());
    for (name, declared, required, place) in rows {
        let mut field = describe_field(name, declared, !required && place == 0);
        let alone = primary_key.len() == 1 && primary_key.first() == Some(&field.name);
        field.unique = alone
            || indexes.iter().any(|(unique, columns)| {
                *unique && columns.as_slice() == std::slice::from_ref(&field.name)
            });
        field.indexed = primary_key.first() == Some(&field.name)
            || indexes
                .iter()
                .any(|(_, columns)| columns.first() == Some(&field.name));
        if with_samples && field.kind == ValueKind::Text {
            field.samples = samples(connection, &quoted, &field.name)?;
        }
        fields.push(field);
    }
    let rows = connection.query_row(&format!("SELECT count(*) FROM {quoted}"), [], |row| {
        row.get::<_, i64>(0)
    })?;
    let references = references(connection, &table)?;
    Ok(DescribedCollection {
        schema: None,
        table,
        fields,
        primary_key,
        references,
        rows: count(rows),
    })
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}

fn describe_field(name: String, declared: String, nullable: bool) -> DescribedField {
    let says_uuid = ["UUID", "GUID", "UNIQUEIDENTIFIER"]
        .iter()
        .any(|word| declared.to_ascii_uppercase().contains(word));
    let class = class(&declared);
    let kind = if says_uuid {
        ValueKind::Uuid
    } else if declared.is_empty() {
        ValueKind::Other
    } else {
        class.kind()
    };
    let max_length = if class == Class::Text {
        length(&declared)
    } else {
        None
    };
    DescribedField {
        name,
        declared_type: declared,
        kind,
        nullable,
        unique: false,
        indexed: false,
        max_length,
        samples: Vec::new(),
    }
}

/// SQLite doesn't keep to the length that a type declares, but the programs that use the file may.
fn length(declared: &str) -> Option<u32> {
    let (_, rest) = declared.split_once('(')?;
    rest.split_once(')')?.0.trim().parse().ok()
}

/// Indexes over whole tables: whether they are unique, and their columns.
fn indexes(connection: &Connection, table: &str) -> rusqlite::Result<Vec<(bool, Vec<String>)>> {
    let mut list = connection
        .prepare_cached("SELECT name, \"unique\" FROM pragma_index_list(?1) WHERE partial = 0")?;
    let names: Vec<(String, bool)> = list
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut columns = connection
        .prepare_cached("SELECT coalesce(name, '') FROM pragma_index_info(?1) ORDER BY seqno")?;
    names
        .into_iter()
        .map(|(name, unique)| {
            Ok((
                unique,
                columns
                    .query_map([name], |row| row.get(0))?
                    .collect::<Result<_, _>>()?,
            ))
        })
        .collect()
}

fn samples(
    connection: &Connection,
    table: &str,
    field: &str,
) -> rusqlite::Result<Vec<Sensitive<String>>> {
    let mut statement = connection.prepare(&schema::samples(Dialect::Sqlite, table, field))?;
    statement
        .query_map([], |row| row.get::<_, String>(0).map(Sensitive::new))?
        .collect()
}

fn references(connection: &Connection, table: &str) -> rusqlite::Result<Vec<DescribedReference>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
    )?;
    let rows: Vec<(i64, String, String, Option<String>)> = statement
        .query_map([table], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut references: Vec<(i64, DescribedReference)> = Vec::new();
    for (id, to_table, from, to) in rows {
        if references.last().is_none_or(|(last, _)| *last != id) {
            let to_table = real_name(connection, to_table)?;
            references.push((
                id,
                DescribedReference {
                    fields: Vec::new(),
                    to_schema: None,
                    to_table,
                    to_fields: Vec::new(),
                    pointing_rows: 0,
                    distinct_targets: 0,
                },
            ));
        }
        if let Some((_, reference)) = references.last_mut() {
            reference.fields.push(from);
            reference.to_fields.extend(to);
        }
    }
    references
        .into_iter()
        .map(|(_, reference)| complete(connection, table, reference))
        .collect()
}

/// A foreign key may name its table in other letters than the table's own.
fn real_name(connection: &Connection, name: String) -> rusqlite::Result<String> {
    let found = connection
        .query_row(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE",
            [&name],
            |row| row.get(0),
        )
        .optional()?;
    Ok(found.unwrap_or(name))
}

/// A foreign key that names no columns points at the primary key.
fn complete(
    connection: &Connection,
    table: &str,
    mut reference: DescribedReference,
) -> rusqlite::Result<DescribedReference> {
    if reference.to_fields.is_empty() {
        let mut statement = connection
            .prepare_cached("SELECT name FROM pragma_table_xinfo(?1) WHERE pk > 0 ORDER BY pk")?;
        reference.to_fields = statement
            .query_map([&reference.to_table], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
    }
    let figures = schema::count_pointing(
        Dialect::Sqlite,
        &Dialect::Sqlite.quote(table),
        &reference.fields,
    );
    let (pointing, targets) =
        connection.query_row(&figures, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    (reference.pointing_rows, reference.distinct_targets) = (count(pointing), count(targets));
    Ok(reference)
}
