//! A table as `information_schema` describes it, and values as the driver carries them.

use std::collections::HashMap;

use domain::data_map::CollectionKey;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, Row, Value};

use crate::sql::cell::Cell;
use crate::sql::statement::PointerFromOutside;
use crate::sql::table::{Class, Column, Table};
use crate::sql::{Dialect, Parameter};

const COLUMNS: &str = "
    SELECT CAST(column_name AS CHAR), CAST(data_type AS CHAR), CAST(column_type AS CHAR), CAST(collation_name AS CHAR)
    FROM information_schema.columns
    WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";

const KEY: &str = "
    SELECT CAST(column_name AS CHAR) FROM information_schema.statistics
    WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND index_name = 'PRIMARY' ORDER BY seq_in_index";

const POINTERS: &str = "
    SELECT CAST(constraint_name AS CHAR), CAST(table_schema AS CHAR), CAST(table_name AS CHAR), CAST(column_name AS CHAR), CAST(referenced_column_name AS CHAR)
    FROM information_schema.key_column_usage
    WHERE referenced_table_schema = COALESCE(?, DATABASE()) AND referenced_table_name = ?
    ORDER BY table_schema, table_name, constraint_name, ordinal_position";

/// Reads a table's columns; `None` where there is no such table, or none that we may see.
pub(super) async fn table(
    connection: &mut Conn,
    key: &CollectionKey,
    schema: Option<&str>,
    table: &str,
) -> Result<Option<Table>, Error> {
    let rows: Vec<(String, String, String, Option<String>)> =
        connection.exec(COLUMNS, (schema, table)).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let columns = rows
        .into_iter()
        .map(|(name, data_type, column_type, collation)| {
            (
                name.clone(),
                column(&name, &data_type, column_type, collation),
            )
        })
        .collect::<HashMap<_, _>>();
    let primary_key: Vec<String> = connection.exec(KEY, (schema, table)).await?;
    let row_id = primary_key
        .iter()
        .map(|name| Dialect::Mysql.quote(name))
        .collect();
    let name = Dialect::Mysql.table(schema, table);
    Ok(Some(Table {
        key: key.clone(),
        dialect: Dialect::Mysql,
        table: table.to_owned(),
        schema: schema.map(str::to_owned),
        name,
        columns,
        row_id,
    }))
}

fn column(name: &str, data_type: &str, column_type: String, collation: Option<String>) -> Column {
    let class = class(data_type, &column_type, collation.as_deref());
    Column {
        name: Dialect::Mysql.quote(name),
        class,
        declared: column_type,
        element: None,
        // Most collations take upper and lower case, accents and spaces at the end for the same.
        folds: class == Class::Text,
        folds_case: collation
            .as_deref()
            .is_some_and(|collation| collation.ends_with("_ci")),
        collation,
    }
}

/// What a type is for us.
pub(super) fn class(data_type: &str, column_type: &str, collation: Option<&str>) -> Class {
    let unsigned = column_type.contains("unsigned");
    let integer = |bits: u32| {
        if unsigned {
            Class::Integer(0, u64::MAX >> (64 - bits))
        } else {
            Class::Integer(i64::MIN >> (64 - bits), u64::MAX >> (65 - bits))
        }
    };
    match data_type.to_ascii_lowercase().as_str() {
        "tinyint" if column_type.starts_with("tinyint(1)") => Class::Boolean,
        "tinyint" => integer(8),
        "smallint" => integer(16),
        "mediumint" => integer(24),
        "int" | "integer" => integer(32),
        "bigint" => integer(64),
        "year" => Class::Integer(0, 2155),
        "decimal" | "numeric" => Class::Decimal,
        "float" | "double" => Class::Float,
        "date" => Class::Date,
        "datetime" => Class::Timestamp,
        "timestamp" => Class::TimestampZoned,
        "uuid" => Class::Uuid,
        "json" => Class::Json,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set"
            if collation.is_some() =>
        {
            Class::Text
        }
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Class::Bytes,
        _ => Class::Other,
    }
}

/// Foreign keys that point at a table, as far as our account sees the tables that they are of.
pub(super) async fn pointers(
    connection: &mut Conn,
    table: &Table,
) -> Result<Vec<PointerFromOutside>, Error> {
    let rows: Vec<(String, String, String, String, String)> = connection
        .exec(POINTERS, (&table.schema, &table.table))
        .await?;
    let mut pointers: Vec<(String, PointerFromOutside)> = Vec::new();
    for (constraint, schema, from, there, here) in rows {
        let name = Dialect::Mysql.table(Some(&schema), &from);
        if pointers
            .last()
            .is_none_or(|(last, pointer)| *last != constraint || pointer.name != name)
        {
            pointers.push((
                constraint,
                PointerFromOutside {
                    table: from,
                    name,
                    pairs: Vec::new(),
                },
            ));
        }
        if let Some((_, pointer)) = pointers.last_mut() {
            pointer
                .pairs
                .push((Dialect::Mysql.quote(&there), Dialect::Mysql.quote(&here)));
        }
    }
    Ok(pointers.into_iter().map(|(_, pointer)| pointer).collect())
}

/// The values of a row, whose first columns are of these classes.
pub(super) fn cells(row: Row, classes: impl Iterator<Item = Class>) -> Vec<Option<Cell>> {
    let classes = classes.map(Some).chain(std::iter::repeat(None));
    row.unwrap_raw()
        .into_iter()
        .zip(classes)
        .map(|(value, class)| cell(value.unwrap_or(Value::NULL), class))
        .collect()
}

fn cell(value: Value, class: Option<Class>) -> Option<Cell> {
    match value {
        Value::NULL => None,
        Value::Int(number) => Some(Cell::Integer(number)),
        Value::UInt(number) => Some(Cell::Unsigned(number)),
        // The shortest text of the small float, not the digits that it gets as a large one.
        Value::Float(number) => Some(Cell::Float(
            number
                .to_string()
                .parse()
                .unwrap_or_else(|_| f64::from(number)),
        )),
        Value::Double(number) => Some(Cell::Float(number)),
        Value::Bytes(bytes) if class == Some(Class::Bytes) => Some(Cell::Bytes(bytes)),
        Value::Bytes(bytes) => Some(
            String::from_utf8(bytes)
                .map_or_else(|error| Cell::Bytes(error.into_bytes()), Cell::Text),
        ),
        Value::Date(year, month, day, ..) if class == Some(Class::Date) => {
            Some(Cell::Text(format!("{year:04}-{month:02}-{day:02}")))
        }
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let fraction = if micros == 0 {
                String::new()
            } else {
                format!(".{micros:06}")
            };
            Some(Cell::Text(format!(
                "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}"
            )))
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            let sign = if negative { "-" } else { "" };
            let fraction = if micros == 0 {
                String::new()
            } else {
                format!(".{micros:06}")
            };
            Some(Cell::Text(format!(
                "{sign}{:02}:{minutes:02}:{seconds:02}{fraction}",
                days * 24 + u32::from(hours)
            )))
        }
    }
}

/// The primary key of a row, as parameters.
pub(super) fn row_id(row: Row) -> Vec<Parameter> {
    let parameter = |value: Value| match cell(value, None)? {
        Cell::Text(text) => Some(Parameter::Text(text)),
        Cell::Integer(number) => Some(Parameter::Integer(number)),
        Cell::Unsigned(number) => Some(Parameter::Unsigned(number)),
        Cell::Float(number) => Some(Parameter::Float(number)),
        Cell::Bytes(bytes) => Some(Parameter::Bytes(bytes)),
    };
    row.unwrap().into_iter().filter_map(parameter).collect()
}

/// A parameter as the driver takes it.
pub(super) fn value(parameter: &Parameter) -> Value {
    match parameter {
        Parameter::Text(text) => Value::Bytes(text.clone().into_bytes()),
        Parameter::Bytes(bytes) => Value::Bytes(bytes.clone()),
        Parameter::Integer(number) => Value::Int(*number),
        Parameter::Unsigned(number) => Value::UInt(*number),
        Parameter::Float(number) => Value::Double(*number),
        Parameter::Texts(_) | Parameter::Blobs(_) => Value::NULL,
    }
}
