//! Overwriting: what takes a field's place, and how to tell that it has been done.

use domain::data_map::FieldName;
use domain::plan::Redaction;

use super::table::{Class, Column, Table};
use super::{Dialect, Parameter, Sql, hash, lookup};
use crate::ConnectorError;

/// Writes `field = …, field = …`.
pub(crate) fn write_set(
    sql: &mut Sql,
    table: &Table,
    alias: &str,
    redactions: &[(FieldName, Redaction)],
    hash_key: &[u8],
) -> Result<(), ConnectorError> {
    sql.list(redactions, ", ", |sql, (field, redaction)| {
        let column = table.column(field)?;
        sql.push(&format!("{} = ", column.name));
        match redaction {
            Redaction::Null => {
                sql.push("NULL");
            }
            Redaction::Fixed(text) => write_fixed(sql, column, text),
            Redaction::Hash(length) => write_hash(
                sql,
                column,
                &format!("{alias}.{}", column.name),
                hash::shape(*length),
                hash_key,
            ),
        }
        Ok(())
    })
}

/// Writes whether all fields are as the redactions leave them.
pub(crate) fn write_done(
    sql: &mut Sql,
    table: &Table,
    alias: &str,
    redactions: &[(FieldName, Redaction)],
) -> Result<(), ConnectorError> {
    if redactions.is_empty() {
        sql.push("1 = 1");
        return Ok(());
    }
    sql.push("(");
    sql.list(redactions, " AND ", |sql, (field, redaction)| {
        let column = table.column(field)?;
        let name = format!("{alias}.{}", column.name);
        match redaction {
            Redaction::Null => {
                sql.push(&format!("{name} IS NULL"));
            }
            Redaction::Fixed(text) => write_is_fixed(sql, column, &name, text),
            Redaction::Hash(length) => {
                sql.push(&format!("({name} IS NULL OR "));
                write_is_hashed(sql, &name, hash::shape(*length));
                sql.push(")");
            }
        }
        Ok(())
    })?;
    sql.push(")");
    Ok(())
}

fn write_fixed(sql: &mut Sql, column: &Column, text: &str) {
    match sql.dialect {
        Dialect::Postgres => sql
            .push("CAST(")
            .bind(Parameter::Text(text.to_owned()))
            .push(&format!("::text AS {})", column.declared)),
        Dialect::Sqlite => sql.bind(fixed(column, text)),
        Dialect::Mysql => sql.bind(fixed(column, text)),
    };
}

fn write_is_fixed(sql: &mut Sql, column: &Column, name: &str, text: &str) {
    match sql.dialect {
        // Not every type has an equality; every type has a text.
        Dialect::Postgres => {
            sql.push(&format!("{name}::text IS NOT DISTINCT FROM "));
            write_fixed(sql, column, text);
            sql.push("::text");
        }
        Dialect::Sqlite => {
            sql.push(&format!("{name} IS "));
            write_fixed(sql, column, text);
        }
        Dialect::Mysql => {
            let name = if column.class == Class::Text {
                lookup::binary(name)
            } else if column.class == Class::Json {
                format!("CAST({name} AS CHAR)")
            } else {
                name.to_owned()
            };
            sql.push(&format!("{name} <=> "));
            write_fixed(sql, column, text);
        }
    }
}

/// The fixed value in the engine's own form.
fn fixed(column: &Column, text: &str) -> Parameter {
    match (column.class, text) {
        (Class::Boolean | Class::Integer(..), "true" | "1") => Parameter::Integer(1),
        (Class::Boolean | Class::Integer(..), "false" | "0") => Parameter::Integer(0),
        (Class::Bytes, _) => Parameter::Bytes(text.as_bytes().to_vec()),
        // MySQL's TIMESTAMP begins with 1970.
        (Class::TimestampZoned, moment) if moment < "1970-01-02" => {
            Parameter::Text("1970-01-02 00:00:00".to_owned())
        }
        _ => Parameter::Text(text.to_owned()),
    }
}

/// A value that has been hashed already stays, so that a second pass changes nothing.
fn write_hash(sql: &mut Sql, column: &Column, name: &str, shape: hash::Shape, key: &[u8]) {
    sql.push("CASE WHEN ");
    write_is_hashed(sql, name, shape);
    sql.push(&format!(" THEN {name} ELSE "));
    let (prefix, digits) = (sql.dialect.constant(shape.prefix), shape.digits);
    let (inner, outer) = hash::blocks(key);
    match sql.dialect {
        Dialect::Postgres => {
            sql.push(&format!("CAST({prefix} || left(encode(sha256("))
                .bind(Parameter::Bytes(outer))
                .push("::bytea || sha256(")
                .bind(Parameter::Bytes(inner));
            sql.push(&format!(
                "::bytea || convert_to({name}::text, 'UTF8'))), 'hex'), {digits}) AS {})",
                column.declared
            ));
        }
        Dialect::Sqlite => {
            sql.push(&format!("privity_hash({name}, "))
                .bind(Parameter::Bytes(key.to_vec()))
                .push(&format!(", {prefix}, {digits})"));
        }
        Dialect::Mysql => {
            sql.push(&format!("CONCAT({prefix}, LEFT(SHA2(CONCAT("))
                .bind(Parameter::Bytes(outer))
                .push(", UNHEX(SHA2(CONCAT(")
                .bind(Parameter::Bytes(inner));
            sql.push(&format!(
                ", {}), 256))), 256), {digits}))",
                lookup::binary(name)
            ));
        }
    }
    sql.push(" END");
}

fn write_is_hashed(sql: &mut Sql, name: &str, shape: hash::Shape) {
    let pattern = sql.dialect.constant(&shape.pattern());
    let prefix = sql.dialect.constant(shape.prefix);
    match sql.dialect {
        Dialect::Postgres => sql.push(&format!("{name}::text ~ {pattern}")),
        Dialect::Sqlite => sql.push(&format!(
            "privity_is_hashed({name}, {prefix}, {})",
            shape.digits
        )),
        Dialect::Mysql => sql.push(&format!(
            "CONVERT({name} USING utf8mb4) COLLATE utf8mb4_bin REGEXP {pattern}"
        )),
    };
}
