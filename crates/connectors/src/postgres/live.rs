//! A table as PostgreSQL's catalog describes it: the types to cast to, and collations that compare otherwise than byte by byte.

use std::collections::HashMap;

use deadpool_postgres::Object;
use domain::data_map::CollectionKey;
use tokio_postgres::Error;

use crate::sql::Dialect;
use crate::sql::table::{Class, Column, Table};

const COLUMNS: &str = "
    SELECT a.attname::text,
           coalesce(b.typname, y.typname)::text,
           format_type(a.atttypid, a.atttypmod),
           coalesce(l.collisdeterministic, true),
           coalesce(nullif(l.collctype, ''), d.datctype, '') IN ('C', 'POSIX') AND coalesce(l.collprovider, d.datlocprovider) <> 'i',
           c.relkind IN ('p') OR c.relhassubclass
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type y ON y.oid = a.atttypid
    LEFT JOIN pg_type b ON b.oid = y.typbasetype AND y.typtype = 'd'
    LEFT JOIN pg_collation l ON l.oid = a.attcollation AND l.collname <> 'default'
    JOIN pg_database d ON d.datname = current_database()
    WHERE c.oid = to_regclass($1::text)";

const ICU: &str = "SELECT count(*)::text FROM pg_collation WHERE collname = 'und-x-icu'";

/// Reads a table's columns; `None` where there is no such table.
pub(super) async fn table(
    connection: &Object,
    key: &CollectionKey,
    schema: Option<&str>,
    table: &str,
) -> Result<Option<Table>, Error> {
    let name = Dialect::Postgres.table(schema, table);
    let statement = connection
        .prepare_cached(&columns_text(connection).await?)
        .await?;
    let rows = connection.query(&statement, &[&name]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let icu = connection
        .query_one(&connection.prepare_cached(ICU).await?, &[])
        .await?
        .get::<_, String>(0)
        != "0";
    let mut columns = HashMap::new();
    let mut parts = false;
    for row in rows {
        let (field, base, declared): (String, String, String) =
            (row.get(0), row.get(1), row.get(2));
        let (deterministic, ascii_only): (bool, bool) = (row.get(3), row.get(4));
        parts = row.get(5);
        columns.insert(
            field.clone(),
            column(&field, &base, declared, deterministic, ascii_only && icu),
        );
    }
    let row_id = if parts {
        vec!["tableoid".to_owned(), "ctid".to_owned()]
    } else {
        vec!["ctid".to_owned()]
    };
    Ok(Some(Table {
        key: key.clone(),
        dialect: Dialect::Postgres,
        table: table.to_owned(),
        schema: schema.map(str::to_owned),
        name,
        columns,
        row_id,
    }))
}

/// Servers before version 15 have no locale provider of the database.
async fn columns_text(connection: &Object) -> Result<String, Error> {
    let version = connection
        .prepare_cached("SELECT current_setting('server_version_num')")
        .await?;
    let version: u32 = connection
        .query_one(&version, &[])
        .await?
        .get::<_, String>(0)
        .parse()
        .unwrap_or(150_000);
    Ok(if version < 150_000 {
        COLUMNS.replace("d.datlocprovider", "'c'")
    } else {
        COLUMNS.to_owned()
    })
}

fn column(
    name: &str,
    base: &str,
    declared: String,
    deterministic: bool,
    ascii_only: bool,
) -> Column {
    let class = class(base);
    Column {
        name: Dialect::Postgres.quote(name),
        class,
        declared,
        element: element(base),
        // `character(n)` ignores spaces at the end, `citext` case, and a collation whatever it was made for.
        folds: base == "bpchar" || base == "citext" || !deterministic,
        folds_case: false,
        collation: (ascii_only && class == Class::Text).then(|| "\"und-x-icu\"".to_owned()),
    }
}

/// What a type of the catalog is for us.
pub(super) fn class(base: &str) -> Class {
    match base {
        "text" | "varchar" | "bpchar" | "citext" | "name" => Class::Text,
        "int2" => Class::Integer(i16::MIN.into(), i16::MAX.unsigned_abs().into()),
        "int4" => Class::Integer(i32::MIN.into(), i32::MAX.unsigned_abs().into()),
        "int8" => Class::Integer(i64::MIN, i64::MAX.unsigned_abs()),
        "oid" => Class::Integer(0, u32::MAX.into()),
        "numeric" => Class::Decimal,
        "float4" | "float8" => Class::Float,
        "bool" => Class::Boolean,
        "date" => Class::Date,
        "timestamp" => Class::Timestamp,
        "timestamptz" => Class::TimestampZoned,
        "uuid" => Class::Uuid,
        "bytea" => Class::Bytes,
        "json" | "jsonb" => Class::Json,
        _ => Class::Other,
    }
}

/// The type to which a look-up's texts are cast, without length: a cast with length would cut values and find others.
fn element(base: &str) -> Option<String> {
    let cast = matches!(
        class(base),
        Class::Integer(..)
            | Class::Decimal
            | Class::Float
            | Class::Boolean
            | Class::Date
            | Class::Timestamp
            | Class::TimestampZoned
            | Class::Uuid
    );
    (cast || matches!(base, "bpchar" | "citext" | "name")).then(|| base.to_owned())
}
