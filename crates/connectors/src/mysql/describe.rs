//! The schema of a MySQL or MariaDB database, from `information_schema`; and what our account may do in it.

use domain::data_map::ValueKind;
use domain::progress::Progress;
use domain::sensitive::Sensitive;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error};

use super::live::class;
use crate::sql::table::Class;
use crate::sql::{Dialect, schema};
use crate::{DescribedCollection, DescribedField, DescribedReference, Description};

const TABLES: &str = "
    SELECT CAST(table_name AS CHAR), CAST(COALESCE(table_rows, 0) AS SIGNED) FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name";

const FIELDS: &str = "
    SELECT CAST(column_name AS CHAR), CAST(data_type AS CHAR), CAST(column_type AS CHAR), CAST(collation_name AS CHAR),
           is_nullable = 'YES', CAST(character_maximum_length AS UNSIGNED)
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position";

const INDEXES: &str = "
    SELECT CAST(index_name AS CHAR), non_unique = 0, CAST(column_name AS CHAR) FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = ? AND column_name IS NOT NULL ORDER BY index_name, seq_in_index";

const REFERENCES: &str = "
    SELECT CAST(constraint_name AS CHAR), CAST(column_name AS CHAR), CAST(NULLIF(referenced_table_schema, DATABASE()) AS CHAR),
           CAST(referenced_table_name AS CHAR), CAST(referenced_column_name AS CHAR)
    FROM information_schema.key_column_usage
    WHERE table_schema = DATABASE() AND table_name = ? AND referenced_table_name IS NOT NULL
    ORDER BY constraint_name, ordinal_position";

/// Name, type, type with length, collation, whether it may be empty, length.
type FieldRow = (String, String, String, Option<String>, bool, Option<u64>);

struct Index {
    name: String,
    unique: bool,
    columns: Vec<String>,
}

/// Describes all tables of the connection's database that our account sees.
pub(super) async fn describe(
    connection: &mut Conn,
    with_samples: bool,
    progress: &Progress,
) -> Result<Description, Error> {
    let tables: Vec<(String, i64)> = connection.query(TABLES).await?;
    let mut description = Description::default();
    let count = tables.len() as u64;
    for (done, (table, estimated)) in (0..).zip(tables) {
        progress.tell(schema::TABLES_READ, done, count);
        description
            .collections
            .push(describe_table(connection, table, estimated, with_samples).await?);
    }
    progress.tell(schema::TABLES_READ, count, count);
    Ok(description)
}

async fn describe_table(
    connection: &mut Conn,
    table: String,
    estimated: i64,
    with_samples: bool,
) -> Result<DescribedCollection, Error> {
    let quoted = Dialect::Mysql.quote(&table);
    let indexes = indexes(connection, &table).await?;
    let primary_key = indexes
        .iter()
        .find(|index| index.name == "PRIMARY")
        .map(|index| index.columns.clone())
        .unwrap_or_default();
    let rows: Vec<FieldRow> = connection.exec(FIELDS, (&table,)).await?;
    let mut fields = Vec::with_capacity(rows.len());
    for (name, data_type, declared_type, collation, nullable, length) in rows {
        let class = class(&data_type, &declared_type, collation.as_deref());
        let unique = indexes
            .iter()
            .any(|index| index.unique && index.columns.as_slice() == std::slice::from_ref(&name));
        let indexed = indexes
            .iter()
            .any(|index| index.columns.first() == Some(&name));
        let max_length = length
            .filter(|_| class == Class::Text)
            .and_then(|length| u32::try_from(length).ok());
        fields.push(DescribedField {
            name,
            declared_type,
            kind: class.kind(),
            nullable,
            unique,
            indexed,
            max_length,
            samples: Vec::new(),
        });
    }
    let counted: i64 = connection
        .query_first(schema::count_rows(&quoted))
        .await?
        .unwrap_or(0);
    let rows = whole(if whole(counted) > schema::EXACT {
        counted.max(estimated)
    } else {
        counted
    });
    let references = references(connection, &table, &quoted).await?;
    let mut collection = DescribedCollection {
        schema: None,
        table,
        fields,
        primary_key,
        references,
        rows,
    };
    if with_samples {
        take_samples(connection, &quoted, &mut collection).await?;
    }
    Ok(collection)
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

async fn indexes(connection: &mut Conn, table: &str) -> Result<Vec<Index>, Error> {
    let rows: Vec<(String, bool, String)> = connection.exec(INDEXES, (table,)).await?;
    let mut indexes: Vec<Index> = Vec::new();
    for (name, unique, column) in rows {
        match indexes.last_mut().filter(|last| last.name == name) {
            Some(index) => index.columns.push(column),
            None => indexes.push(Index {
                name,
                unique,
                columns: vec![column],
            }),
        }
    }
    Ok(indexes)
}

async fn references(
    connection: &mut Conn,
    table: &str,
    quoted: &str,
) -> Result<Vec<DescribedReference>, Error> {
    let rows: Vec<(String, String, Option<String>, String, String)> =
        connection.exec(REFERENCES, (table,)).await?;
    let mut references: Vec<(String, DescribedReference)> = Vec::new();
    for (constraint, field, to_schema, to_table, to_field) in rows {
        if references
            .last()
            .is_none_or(|(last, _)| *last != constraint)
        {
            references.push((
                constraint,
                DescribedReference {
                    fields: Vec::new(),
                    to_schema,
                    to_table,
                    to_fields: Vec::new(),
                    pointing_rows: 0,
                    distinct_targets: 0,
                },
            ));
        }
        if let Some((_, reference)) = references.last_mut() {
            reference.fields.push(field);
            reference.to_fields.push(to_field);
        }
    }
    let mut counted = Vec::with_capacity(references.len());
    for (_, mut reference) in references {
        let figures: Option<(i64, i64)> = connection
            .query_first(schema::count_pointing(
                Dialect::Mysql,
                quoted,
                &reference.fields,
            ))
            .await?;
        let (pointing, targets) = figures.unwrap_or_default();
        (reference.pointing_rows, reference.distinct_targets) = (whole(pointing), whole(targets));
        counted.push(reference);
    }
    Ok(counted)
}

async fn take_samples(
    connection: &mut Conn,
    quoted: &str,
    collection: &mut DescribedCollection,
) -> Result<(), Error> {
    for field in collection
        .fields
        .iter_mut()
        .filter(|field| field.kind == ValueKind::Text)
    {
        let values: Vec<String> = connection
            .query(schema::samples(Dialect::Mysql, quoted, &field.name))
            .await?;
        field.samples = values.into_iter().map(Sensitive::new).collect();
    }
    Ok(())
}

const PRIVILEGES: &str = "
    SELECT (SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'),
           CAST(COALESCE(GROUP_CONCAT(DISTINCT privilege_type ORDER BY privilege_type), '') AS CHAR)
    FROM (SELECT privilege_type FROM information_schema.user_privileges
          UNION SELECT privilege_type FROM information_schema.schema_privileges WHERE DATABASE() LIKE table_schema
          UNION SELECT privilege_type FROM information_schema.table_privileges WHERE table_schema = DATABASE()
          UNION SELECT privilege_type FROM information_schema.column_privileges WHERE table_schema = DATABASE()) AS held";

/// The version, and what our account may do, in words.
pub(super) async fn check(connection: &mut Conn) -> Result<String, Error> {
    let version: String = connection
        .query_first("SELECT VERSION()")
        .await?
        .unwrap_or_default();
    let (tables, held): (i64, String) = connection
        .query_first(PRIVILEGES)
        .await?
        .unwrap_or_default();
    let held: Vec<&str> = held.split(',').collect();
    let may = |privilege: &str, word: &'static str| {
        if held.contains(&privilege) {
            format!("may {word}")
        } else {
            format!("may not {word}")
        }
    };
    let product = if version.contains("MariaDB") {
        "MariaDB"
    } else {
        "MySQL"
    };
    Ok(format!(
        "{product} {version}, {tables} tables that this account sees; it {}, {} and {}",
        may("SELECT", "read"),
        may("UPDATE", "change"),
        may("DELETE", "delete")
    ))
}
