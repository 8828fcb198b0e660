//! What a row must be for a step to touch it: not retained, not somebody else's too, not pointed at.

use std::collections::BTreeMap;

use domain::data_map::CollectionKey;
use domain::data_map::graph::Pointer;
use domain::plan::{Cutoff, GuardSearch};

use super::lookup::{self, binary};
use super::table::{Class, Column, Table, Tables};
use super::{Dialect, Parameter, Sql, moment};
use crate::ConnectorError;

/// Rows as they are named within one transaction.
pub(crate) type RowIds = Vec<Vec<Parameter>>;

/// Rows that go together, so that it doesn't matter that they point at each other.
pub(crate) type Doomed = BTreeMap<CollectionKey, RowIds>;

/// Writes whether a retention rule keeps the row; never null in SQL, since an empty field means that it stays.
pub(crate) fn write_retained(
    sql: &mut Sql,
    table: &Table,
    alias: &str,
    cutoff: &Cutoff,
) -> Result<(), ConnectorError> {
    let Some((field, _)) = &cutoff.since else {
        sql.push("1 = 1");
        return Ok(());
    };
    let column = table.column(field)?;
    let name = format!("{alias}.{}", column.name);
    match sql.dialect {
        Dialect::Sqlite => {
            sql.push(&format!("NOT privity_before({name}, "))
                .bind(Parameter::Integer(cutoff.from.as_microsecond()))
                .push(")");
        }
        Dialect::Postgres => write_at_or_after(
            sql,
            column,
            &name,
            cutoff,
            ["date", "timestamp", "timestamptz", "float8"],
        ),
        Dialect::Mysql => write_at_or_after(
            sql,
            column,
            &name,
            cutoff,
            ["DATE", "DATETIME(6)", "DATETIME(6)", "DOUBLE"],
        ),
    }
    Ok(())
}

fn write_at_or_after(
    sql: &mut Sql,
    column: &Column,
    name: &str,
    cutoff: &Cutoff,
    [date, timestamp, zoned, float]: [&str; 4],
) {
    let from = cutoff.from;
    let typed = if sql.dialect == Dialect::Postgres {
        "::text"
    } else {
        ""
    };
    let cast = |sql: &mut Sql, text: String, to: &str| {
        sql.push("CAST(")
            .bind(Parameter::Text(text))
            .push(&format!("{typed} AS {to})"));
    };
    sql.push("COALESCE(");
    match column.class {
        Class::Date => {
            sql.push(&format!("{name} >= "));
            cast(sql, moment::day(from), date);
        }
        Class::Timestamp => {
            sql.push(&format!("{name} >= "));
            cast(sql, moment::civil(from), timestamp);
        }
        Class::TimestampZoned => {
            sql.push(&format!("{name} >= "));
            let text = if sql.dialect == Dialect::Postgres {
                from.to_string()
            } else {
                moment::civil(from)
            };
            cast(sql, text, zoned);
        }
        // Seconds, milliseconds or microseconds since 1970, told apart by their size.
        Class::Integer(..) | Class::Decimal | Class::Float => {
            sql.push(&format!("CASE WHEN abs({name}) >= 1e14 THEN {name} / 1e6 WHEN abs({name}) >= 1e11 THEN {name} / 1e3 ELSE {name} END >= "));
            cast(sql, from.as_second().to_string(), float);
        }
        // A text is compared by its day; what doesn't begin with one stays.
        Class::Text => {
            let (matches, prefix) = match sql.dialect {
                Dialect::Postgres => (
                    format!("{name}::text ~ "),
                    format!("left({name}::text, 10) COLLATE \"C\""),
                ),
                _ => (
                    format!("{name} REGEXP "),
                    binary(&format!("LEFT({name}, 10)")),
                ),
            };
            sql.push(&format!(
                "CASE WHEN {matches}'^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}' THEN {prefix} >= "
            ));
            sql.bind(Parameter::Text(moment::day(from)))
                .push(&format!("{typed} ELSE 1 = 1 END"));
        }
        _ => {
            sql.push("1 = 1");
        }
    }
    sql.push(", 1 = 1)");
}

/// Writes whether any row that doesn't go itself points at the row.
pub(crate) fn write_pointed_at(
    sql: &mut Sql,
    tables: &Tables,
    table: &Table,
    alias: &str,
    pointers: &[Pointer],
    doomed: &Doomed,
) -> Result<(), ConnectorError> {
    if pointers.is_empty() {
        sql.push("1 = 0");
        return Ok(());
    }
    sql.push("(");
    sql.list(pointers, " OR ", |sql, pointer| {
        let from = tables.get(&pointer.from)?;
        write_exists(sql, from, table, alias, pointer)?;
        if let Some(rows) = doomed.get(&pointer.from).filter(|rows| !rows.is_empty()) {
            sql.push(" AND NOT ");
            write_rows(sql, from, "x", rows);
        }
        sql.push(")");
        Ok(())
    })?;
    sql.push(")");
    Ok(())
}

/// Writes whether a row of somebody else points at the row.
pub(crate) fn write_shared(
    sql: &mut Sql,
    tables: &Tables,
    table: &Table,
    alias: &str,
    guards: &[GuardSearch],
) -> Result<(), ConnectorError> {
    sql.push("(");
    sql.list(guards, " OR ", |sql, guard| {
        let from = tables.get(&guard.pointer.from)?;
        write_exists(sql, from, table, alias, &guard.pointer)?;
        let except = lookup::fit(from, &guard.collection, &guard.except)?;
        if !except.is_empty() {
            // A row with an empty field is found by no look-up.
            sql.push(" AND (");
            lookup::write_any(sql, "x", &except);
            sql.push(") IS NOT TRUE");
        }
        sql.push(")");
        Ok(())
    })?;
    sql.push(")");
    Ok(())
}

fn write_exists(
    sql: &mut Sql,
    from: &Table,
    table: &Table,
    alias: &str,
    pointer: &Pointer,
) -> Result<(), ConnectorError> {
    sql.push(&format!("EXISTS (SELECT 1 FROM {} AS x WHERE ", from.name));
    sql.list(&pointer.pairs, " AND ", |sql, (there, here)| {
        let (there, here) = (from.column(there)?, table.column(here)?);
        sql.push(&equality(
            sql.dialect,
            (&format!("x.{}", there.name), there),
            (&format!("{alias}.{}", here.name), here),
        ));
        Ok(())
    })
}

/// Equality in the engine's own sense, which is that of its foreign keys; as texts where the types have none.
fn equality(
    dialect: Dialect,
    (there_name, there): (&str, &Column),
    (here_name, here): (&str, &Column),
) -> String {
    match dialect {
        Dialect::Postgres if !there.class.compares_with(here.class) => {
            format!("{there_name}::text = {here_name}::text")
        }
        Dialect::Mysql
            if there.class == Class::Text
                && here.class == Class::Text
                && there.collation != here.collation =>
        {
            format!("{} = {}", binary(there_name), binary(here_name))
        }
        _ => format!("{there_name} = {here_name}"),
    }
}

/// Writes whether the row is one of these.
pub(crate) fn write_rows(sql: &mut Sql, table: &Table, alias: &str, rows: &RowIds) {
    if rows.is_empty() {
        sql.push("1 = 0");
        return;
    }
    let names: Vec<String> = table
        .row_id
        .iter()
        .map(|name| format!("{alias}.{name}"))
        .collect();
    match sql.dialect {
        Dialect::Postgres => write_tuple_ids(sql, alias, &names, rows),
        Dialect::Sqlite
            if names.len() == 1
                && rows
                    .iter()
                    .flatten()
                    .all(|id| matches!(id, Parameter::Integer(_))) =>
        {
            let numbers = rows.iter().flatten().filter_map(|id| {
                if let Parameter::Integer(number) = id {
                    Some((*number).into())
                } else {
                    None
                }
            });
            let list = serde_json::Value::Array(numbers.collect()).to_string();
            sql.push(&format!(
                "({} IN (SELECT value FROM json_each(",
                names.join(", ")
            ))
            .bind(Parameter::Text(list))
            .push(")))");
        }
        Dialect::Sqlite | Dialect::Mysql => {
            let values = if sql.dialect == Dialect::Sqlite {
                "VALUES "
            } else {
                ""
            };
            sql.push(&format!("(({}) IN ({values}", names.join(", ")));
            for (number, row) in rows.iter().enumerate() {
                sql.push(if number > 0 { ",(" } else { "(" });
                for (place, id) in row.iter().enumerate() {
                    sql.push(if place > 0 { "," } else { "" }).bind(id.clone());
                }
                sql.push(")");
            }
            sql.push("))");
        }
    }
}

/// PostgreSQL names a row by its place; in a table of several parts, by its part and its place there.
fn write_tuple_ids(sql: &mut Sql, alias: &str, names: &[String], rows: &RowIds) {
    let texts: Vec<String> = rows
        .iter()
        .flatten()
        .filter_map(|id| {
            if let Parameter::Text(text) = id {
                Some(text.clone())
            } else {
                None
            }
        })
        .collect();
    let places = texts
        .iter()
        .filter_map(|text| text.find('(').and_then(|start| text.get(start..)))
        .map(str::to_owned)
        .collect();
    sql.push(&format!("({alias}.ctid = ANY("))
        .bind(Parameter::Texts(places))
        .push("::text[]::tid[])");
    if names.len() > 1 {
        sql.push(&format!(
            " AND {alias}.tableoid::text || {alias}.ctid::text = ANY("
        ))
        .bind(Parameter::Texts(texts))
        .push("::text[])");
    }
    sql.push(")");
}
