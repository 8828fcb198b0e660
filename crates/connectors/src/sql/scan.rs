//! The statement of one batch of a scan: rows in the order of their watermark and primary key, after the row where the batch before
//! ended.

use domain::data_map::{Collection, FieldName, ValueKind};
use domain::row::JsonValue;
use domain::sensitive::Sensitive;

use super::cell::{Cell, from_base64, to_base64};
use super::statement::{as_read, layout, selected};
use super::table::{Class, Column, Table};
use super::{Dialect, Parameter, Sql, Statement};
use crate::ConnectorError;
use crate::scan::{Batch, Key, MOST_BYTES, Mark, Position, Scan};

/// A batch's statement and how its rows are read.
pub(crate) fn scan(table: &Table, scan: &Scan) -> Result<(Statement, BatchReader), ConnectorError> {
    let reader = BatchReader::new(table, scan)?;
    let watermark = watermark(table, scan)?;
    let mut order = Vec::new();
    for field in reader.order() {
        order.push(table.column(field)?);
    }
    let columns = reader.fields.iter().map(|name| table.column(name));
    let columns = columns
        .chain(order.iter().copied().map(Ok))
        .map(|column| Ok(selected(column?, table.dialect, "t")));
    let columns = columns.collect::<Result<Vec<_>, ConnectorError>>()?;
    let mut sql = Sql::new(table.dialect);
    sql.push(&format!(
        "SELECT {} FROM {} AS t",
        columns.join(", "),
        table.name
    ));
    write_where(&mut sql, scan, watermark, &order)?;
    let ordered = order.iter().map(|column| ordered(table.dialect, column));
    sql.push(&format!(
        " ORDER BY {} LIMIT {}",
        ordered.collect::<Vec<_>>().join(", "),
        scan.limit
    ));
    Ok((sql.finish(), reader))
}

/// Asks for the greatest watermark.
pub(crate) fn newest(
    table: &Table,
    field: &FieldName,
) -> Result<(Statement, Class), ConnectorError> {
    let column = follows_changes(table, field)?;
    let greatest = format!("max({})", ordered(table.dialect, column));
    let text = as_read(table.dialect, column.class, greatest);
    let mut sql = Sql::new(table.dialect);
    sql.push(&format!("SELECT {text} FROM {} AS t", table.name));
    Ok((sql.finish(), column.class))
}

/// Rows up to this many are counted.
const COUNTED: u64 = 10_000_000;

/// Counts the rows that a scan has before it.
pub(crate) fn count(table: &Table, scan: &Scan) -> Result<Statement, ConnectorError> {
    let reader = BatchReader::new(table, scan)?;
    let order = reader.order().map(|field| table.column(field));
    let order = order.collect::<Result<Vec<_>, _>>()?;
    let mut sql = Sql::new(table.dialect);
    sql.push(match table.dialect {
        Dialect::Postgres => "SELECT count(*)::text FROM (SELECT 1 AS one FROM ",
        _ => "SELECT count(*) FROM (SELECT 1 AS one FROM ",
    });
    sql.push(&format!("{} AS t", table.name));
    write_where(&mut sql, scan, watermark(table, scan)?, &order)?;
    sql.push(&format!(" LIMIT {}) AS counted", COUNTED + 1));
    Ok(sql.finish())
}

/// What was counted; `None` where there were too many.
pub(crate) fn counted(cell: Option<Cell>) -> Option<u64> {
    cell.map(|cell| cell.number())
        .filter(|rows| *rows <= COUNTED)
}

/// A watermark as it came back.
pub(crate) fn mark(cell: Option<Cell>) -> Option<Mark> {
    cell.map(|cell| Mark::new(key(cell)))
}

/// The watermark's column, where the scan goes by it.
fn watermark<'a>(table: &'a Table, scan: &Scan) -> Result<Option<&'a Column>, ConnectorError> {
    match &scan.watermark {
        Some(field) if scan.from.is_some() => follows_changes(table, field).map(Some),
        _ => Ok(None),
    }
}

fn follows_changes<'a>(table: &'a Table, field: &FieldName) -> Result<&'a Column, ConnectorError> {
    let column = table.column(field)?;
    let grows = matches!(
        column.class,
        Class::Text
            | Class::Integer(..)
            | Class::Decimal
            | Class::Date
            | Class::Timestamp
            | Class::TimestampZoned
            | Class::Other
    );
    if grows {
        return Ok(column);
    }
    Err(ConnectorError::Drift {
        collection: table.key.clone(),
        reason: format!(
            "its field `{field}` is neither a moment nor a number, and can't be a watermark"
        ),
    })
}

fn write_where(
    sql: &mut Sql,
    scan: &Scan,
    watermark: Option<&Column>,
    order: &[&Column],
) -> Result<(), ConnectorError> {
    let mut word = " WHERE ";
    if let Some(position) = &scan.after {
        let keys = position.0.expose();
        if keys.len() != order.len() {
            return Err(elsewhere(scan));
        }
        sql.push(word);
        write_after(sql, order, keys);
        word = " AND ";
    } else if let Some((column, from)) = watermark.zip(scan.from.as_ref()) {
        sql.push(word);
        let operator = if scan.beyond { ">" } else { ">=" };
        write_comparison(sql, column, operator, from.0.expose());
        word = " AND ";
    }
    if let Some((column, until)) = watermark.zip(scan.until.as_ref()) {
        sql.push(word);
        write_comparison(sql, column, "<=", until.0.expose());
    }
    Ok(())
}

fn elsewhere(scan: &Scan) -> ConnectorError {
    ConnectorError::Drift {
        collection: scan.collection.key.clone(),
        reason: "its primary key is another one than when the reading began".to_owned(),
    }
}

/// Rows after the one with these keys. MySQL takes no index for a comparison of several columns at once, so that it gets them one in
/// the other, behind one that it does take an index for.
fn write_after(sql: &mut Sql, order: &[&Column], keys: &[Key]) {
    if sql.dialect == Dialect::Mysql {
        if let (Some(column), Some(key)) = (order.first(), keys.first()) {
            write_comparison(sql, column, ">=", key);
            sql.push(" AND ");
        }
        return write_nested(sql, order, keys);
    }
    let names = order.iter().map(|column| ordered(sql.dialect, column));
    let names = names.collect::<Vec<_>>().join(", ");
    sql.push(&format!("({names}) > ("));
    for (place, (column, key)) in order.iter().zip(keys).enumerate() {
        sql.push(if place > 0 { ", " } else { "" });
        write_key(sql, column, key);
    }
    sql.push(")");
}

fn write_nested(sql: &mut Sql, order: &[&Column], keys: &[Key]) {
    let (Some((column, order)), Some((key, keys))) = (order.split_first(), keys.split_first())
    else {
        return;
    };
    sql.push("(");
    write_comparison(sql, column, ">", key);
    if !order.is_empty() {
        sql.push(" OR (");
        write_comparison(sql, column, "=", key);
        sql.push(" AND ");
        write_nested(sql, order, keys);
        sql.push(")");
    }
    sql.push(")");
}

fn write_comparison(sql: &mut Sql, column: &Column, operator: &str, key: &Key) {
    sql.push(&format!("{} {operator} ", ordered(sql.dialect, column)));
    write_key(sql, column, key);
}

/// What a column is ordered by. MySQL orders an enumeration by its numbers and compares it by its words.
fn ordered(dialect: Dialect, column: &Column) -> String {
    let listed = column.declared.starts_with("enum(") || column.declared.starts_with("set(");
    if dialect == Dialect::Mysql && listed {
        format!("CAST(t.{} AS CHAR)", column.name)
    } else {
        format!("t.{}", column.name)
    }
}

fn write_key(sql: &mut Sql, column: &Column, key: &Key) {
    match (sql.dialect, key) {
        (_, Key::Bytes(text)) => {
            sql.bind(Parameter::Bytes(from_base64(text).unwrap_or_default()));
        }
        (Dialect::Postgres, Key::Text(text)) if column.class == Class::Bytes => {
            let bytes = from_base64(text).unwrap_or_default();
            sql.bind(Parameter::Bytes(bytes)).push("::bytea");
        }
        (Dialect::Postgres, Key::Text(text)) => {
            sql.push("CAST(")
                .bind(Parameter::Text(text.clone()))
                .push(&format!("::text AS {})", column.declared));
        }
        (Dialect::Mysql, Key::Text(text)) if column.class == Class::Decimal => {
            sql.push("CAST(")
                .bind(Parameter::Text(text.clone()))
                .push(" AS DECIMAL(65,30))");
        }
        (_, Key::Text(text)) => {
            sql.bind(Parameter::Text(text.clone()));
        }
        (_, Key::Integer(number)) => {
            sql.bind(Parameter::Integer(*number));
        }
        (_, Key::Unsigned(number)) => {
            sql.bind(Parameter::Unsigned(*number));
        }
        (_, Key::Float(number)) => {
            sql.bind(Parameter::Float(*number));
        }
    }
}

/// Takes the rows of a batch as they come.
pub(crate) struct BatchReader {
    fields: Vec<FieldName>,
    /// What was asked for, then what rows are ordered by.
    columns: Vec<(FieldName, Class, ValueKind)>,
    collection: std::sync::Arc<Collection>,
    limit: usize,
    bytes: usize,
    early: bool,
    last: Option<Vec<Option<Key>>>,
    rows: Vec<Vec<Sensitive<JsonValue>>>,
}

impl BatchReader {
    fn new(table: &Table, scan: &Scan) -> Result<Self, ConnectorError> {
        if scan.collection.primary_key.is_empty() {
            return Err(ConnectorError::Drift {
                collection: scan.collection.key.clone(),
                reason: "it has no primary key, so that its rows can't be read a batch at a time; name fields that tell its rows apart".to_owned(),
            });
        }
        let mut fields = scan.fields.clone();
        fields.extend(scan.watermark.clone().filter(|_| scan.from.is_some()));
        fields.extend(scan.collection.primary_key.iter().cloned());
        Ok(Self {
            fields: scan.fields.clone(),
            columns: layout(table, &scan.collection, &fields)?,
            collection: scan.collection.clone(),
            limit: scan.limit,
            bytes: 0,
            early: false,
            last: None,
            rows: Vec::with_capacity(scan.limit.min(1_000)),
        })
    }

    fn order(&self) -> impl Iterator<Item = &FieldName> {
        let order = self.columns.iter().skip(self.fields.len());
        order.map(|(name, ..)| name)
    }

    /// The classes of all columns that come back.
    pub(crate) fn classes(&self) -> impl Iterator<Item = Class> + '_ {
        self.columns.iter().map(|(_, class, _)| *class)
    }

    /// How many columns come back.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Takes a row, and says whether the batch has room for another one.
    pub(crate) fn take(&mut self, mut cells: Vec<Option<Cell>>) -> bool {
        self.bytes += cells.iter().flatten().map(Cell::size).sum::<usize>();
        let order = cells.split_off(self.fields.len().min(cells.len()));
        self.last = Some(order.into_iter().map(|cell| cell.map(key)).collect());
        let values = cells.into_iter().zip(&self.columns);
        let row = values.map(|(cell, (_, class, _))| {
            cell.map_or_else(Sensitive::default, |cell| cell.json(*class))
        });
        self.rows.push(row.collect());
        self.early = self.bytes >= MOST_BYTES;
        !self.early
    }

    /// The batch, with where the next one goes on.
    pub(crate) fn finish(self) -> Result<Batch, ConnectorError> {
        let more = self.early || self.rows.len() >= self.limit;
        let next = match self.last.filter(|_| more) {
            Some(keys) => {
                let keys = keys.into_iter().collect::<Option<Vec<_>>>();
                Some(Position(Sensitive::new(keys.ok_or_else(|| {
                    ConnectorError::Drift {
                        collection: self.collection.key.clone(),
                        reason: "a row's primary key is empty, so that nobody can go on after it"
                            .to_owned(),
                    }
                })?)))
            }
            None => None,
        };
        Ok(Batch {
            rows: self.rows,
            next,
            newest: None,
        })
    }
}

fn key(cell: Cell) -> Key {
    match cell {
        Cell::Text(text) => Key::Text(text),
        Cell::Integer(number) => Key::Integer(number),
        Cell::Unsigned(number) => Key::Unsigned(number),
        Cell::Float(number) => Key::Float(number),
        Cell::Bytes(bytes) => Key::Bytes(to_base64(&bytes)),
    }
}
