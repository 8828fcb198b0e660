//! The statements of each operation, put together from look-ups, predicates and redactions.

use std::hash::{Hash as _, Hasher as _};

use domain::data_map::graph::Pointer;
use domain::data_map::{Collection, CollectionKey, FieldName, ValueKind};
use domain::plan::{EraseStep, LocatedRow, Redaction, Search, WaySearch};
use domain::row::{FoundRow, JsonValue};
use domain::sensitive::Sensitive;

use super::cell::Cell;
use super::lookup::{self, Fitted, binary};
use super::predicate::{
    Doomed, RowIds, write_pointed_at, write_retained, write_rows, write_shared,
};
use super::redaction::{write_done, write_set};
use super::table::{Class, Column, Places, Table, Tables, place};
use super::{Dialect, Parameter, Sql, Statement};
use crate::ConnectorError;

/// The tables that a search speaks of.
pub(crate) fn places_of_search(search: &Search) -> Places {
    let guards = search
        .guards
        .iter()
        .map(|guard| (guard.pointer.from.clone(), place(&guard.collection)));
    guards
        .chain([(search.collection.key.clone(), place(&search.collection))])
        .collect()
}

/// A search as a statement; `None` where no look-up can find anything.
pub(crate) type Written = Result<Option<(Statement, Layout)>, ConnectorError>;

/// What writes one.
pub(crate) type Write = fn(Dialect, &Tables, &Search) -> Written;

/// The columns that come back from a search.
pub(crate) struct Layout {
    columns: Vec<(FieldName, Class, ValueKind)>,
    always_retained: bool,
    retained: bool,
    shared: bool,
    grouped: bool,
}

impl Layout {
    /// Reads a row of [`locate`]; `None` for a group without rows.
    pub(crate) fn located(&self, cells: Vec<Option<Cell>>) -> Option<LocatedRow> {
        let mut cells = cells.into_iter();
        let values = self
            .columns
            .iter()
            .map(|(_, class, kind)| cells.next().flatten().map(|cell| cell.text(*class, *kind)))
            .collect();
        let mut number = |wanted: bool, otherwise: u64| {
            if wanted {
                cells
                    .next()
                    .flatten()
                    .map_or(otherwise, |cell| cell.number())
            } else {
                otherwise
            }
        };
        let retained = number(self.retained, u64::from(self.always_retained)) > 0;
        let shared = number(self.shared, 0) > 0;
        let rows = number(self.grouped, 1);
        (rows > 0).then_some(LocatedRow {
            values,
            rows,
            retained,
            shared,
        })
    }

    /// Reads a row of [`export`].
    pub(crate) fn found(&self, collection: &Collection, cells: Vec<Option<Cell>>) -> FoundRow {
        let values = self
            .columns
            .iter()
            .zip(cells)
            .map(|((name, class, _), cell)| {
                let value = cell.map_or_else(
                    || Sensitive::new(JsonValue(serde_json::Value::Null)),
                    |cell| cell.json(*class),
                );
                (name.clone(), value)
            });
        FoundRow {
            collection: collection.key.clone(),
            values: values.collect(),
        }
    }

    /// The classes of the fields that come back, which come first.
    pub(crate) fn classes(&self) -> impl Iterator<Item = Class> + '_ {
        self.columns.iter().map(|(_, class, _)| *class)
    }

    /// A print of some fields of a row; `None` where they aren't all among those that come back.
    pub(crate) fn fingerprint(&self, fields: &[FieldName], cells: &[Option<Cell>]) -> Option<u64> {
        let mut hasher = std::hash::DefaultHasher::new();
        for field in fields {
            let place = self.columns.iter().position(|(name, ..)| name == field)?;
            cells
                .get(place)?
                .as_ref()
                .map(Cell::print)
                .hash(&mut hasher);
        }
        Some(hasher.finish())
    }

    pub(crate) fn width(&self) -> usize {
        self.columns.len()
            + usize::from(self.retained)
            + usize::from(self.shared)
            + usize::from(self.grouped)
    }
}

pub(crate) fn selected(column: &Column, dialect: Dialect, alias: &str) -> String {
    as_read(dialect, column.class, format!("{alias}.{}", column.name))
}

/// An expression of a column's class, written so that the driver brings it back as the class says.
pub(crate) fn as_read(dialect: Dialect, class: Class, name: String) -> String {
    match (dialect, class) {
        (Dialect::Postgres, Class::Bytes) => {
            format!("translate(encode({name}, 'base64'), E'\\n', '')")
        }
        (Dialect::Postgres, _) => format!("{name}::text"),
        (Dialect::Sqlite, _) => format!("{name} COLLATE BINARY"),
        (Dialect::Mysql, Class::Text) => binary(&name),
        (Dialect::Mysql, Class::Json) => format!("CAST({name} AS CHAR)"),
        (Dialect::Mysql, _) => name,
    }
}

/// The classes and kinds in which fields come back.
pub(crate) fn layout(
    table: &Table,
    collection: &Collection,
    fields: &[FieldName],
) -> Result<Vec<(FieldName, Class, ValueKind)>, ConnectorError> {
    let described = |name: &FieldName| {
        let column = table.column(name)?;
        let kind = collection
            .field(name)
            .map_or(column.class.kind(), |field| field.kind);
        let class = if kind == ValueKind::Boolean
            && matches!(column.class, Class::Integer(..) | Class::Decimal)
        {
            Class::Boolean
        } else {
            column.class
        };
        Ok((name.clone(), class, kind))
    };
    fields.iter().map(described).collect()
}

/// Selects what a search asks for; `None` where no look-up can find anything.
pub(crate) fn locate(dialect: Dialect, tables: &Tables, search: &Search) -> Written {
    let table = tables.get(&search.collection.key)?;
    let ways = lookup::fit(table, &search.collection, &search.ways)?;
    if ways.is_empty() {
        return Ok(None);
    }
    let cutoff = search.retained.as_ref();
    let layout = Layout {
        columns: layout(table, &search.collection, &search.select)?,
        always_retained: cutoff.is_some(),
        retained: cutoff.is_some_and(|cutoff| cutoff.since.is_some()),
        shared: !search.guards.is_empty(),
        grouped: search.grouped,
    };
    let mut sql = Sql::new(dialect);
    sql.push("SELECT ");
    write_columns(&mut sql, tables, table, search, &layout)?;
    sql.push(&format!(" FROM {} AS t WHERE ", table.name));
    lookup::write_any(&mut sql, "t", &ways);
    write_groups(&mut sql, &layout);
    Ok(Some((sql.finish(), layout)))
}

fn write_columns(
    sql: &mut Sql,
    tables: &Tables,
    table: &Table,
    search: &Search,
    layout: &Layout,
) -> Result<(), ConnectorError> {
    let mut written: Vec<String> = Vec::new();
    for field in &search.select {
        written.push(selected(table.column(field)?, sql.dialect, "t"));
    }
    sql.push(&written.join(", "));
    let mut comma = if written.is_empty() { "" } else { ", " };
    if let Some(cutoff) = search.retained.as_ref().filter(|_| layout.retained) {
        sql.push(comma).push("CASE WHEN ");
        write_retained(sql, table, "t", cutoff)?;
        sql.push(" THEN '1' ELSE '0' END");
        comma = ", ";
    }
    if layout.shared {
        sql.push(comma).push("CASE WHEN ");
        write_shared(sql, tables, table, "t", &search.guards)?;
        sql.push(" THEN '1' ELSE '0' END");
        comma = ", ";
    }
    if layout.grouped {
        sql.push(comma);
        sql.push(if sql.dialect == Dialect::Postgres {
            "count(*)::text"
        } else {
            "count(*)"
        });
    } else if layout.width() == 0 {
        sql.push("NULL");
    }
    Ok(())
}

fn write_groups(sql: &mut Sql, layout: &Layout) {
    if layout.grouped && layout.width() > 1 {
        let places: Vec<String> = (1..layout.width()).map(|place| place.to_string()).collect();
        sql.push(&format!(" GROUP BY {}", places.join(", ")));
    }
}

/// Selects all mapped fields of the rows that a search finds.
pub(crate) fn export(dialect: Dialect, tables: &Tables, search: &Search) -> Written {
    let select = search
        .collection
        .fields
        .iter()
        .map(|field| field.name.clone())
        .collect();
    let all = Search {
        select,
        grouped: false,
        retained: None,
        guards: Vec::new(),
        ..search.clone()
    };
    locate(dialect, tables, &all)
}

/// Overwrites fields of the rows that a search finds.
pub(crate) fn correct(
    dialect: Dialect,
    tables: &Tables,
    search: &Search,
    values: &[(FieldName, Sensitive<JsonValue>)],
) -> Result<Option<Statement>, ConnectorError> {
    let table = tables.get(&search.collection.key)?;
    let ways = lookup::fit(table, &search.collection, &search.ways)?;
    if ways.is_empty() || values.is_empty() {
        return Ok(None);
    }
    let (mut sql, alias) = update(dialect, table);
    sql.list(values, ", ", |sql, (field, value)| {
        let column = table.column(field)?;
        sql.push(&format!("{} = ", column.name));
        write_json(sql, column, &value.expose().0);
        Ok::<_, ConnectorError>(())
    })?;
    sql.push(" WHERE ");
    lookup::write_any(&mut sql, &alias, &ways);
    Ok(Some(sql.finish()))
}

fn write_json(sql: &mut Sql, column: &Column, value: &serde_json::Value) {
    let text = match value {
        serde_json::Value::Null => {
            sql.push("NULL");
            return;
        }
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Bool(yes) if sql.dialect != Dialect::Postgres => {
            u8::from(*yes).to_string()
        }
        other => other.to_string(),
    };
    match (
        sql.dialect,
        super::cell::from_base64(&text).filter(|_| column.class == Class::Bytes),
    ) {
        (Dialect::Postgres, Some(bytes)) => sql.bind(Parameter::Bytes(bytes)).push("::bytea"),
        (Dialect::Postgres, None) => sql
            .push("CAST(")
            .bind(Parameter::Text(text))
            .push(&format!("::text AS {})", column.declared)),
        (_, Some(bytes)) => sql.bind(Parameter::Bytes(bytes)),
        (Dialect::Mysql, None) if column.class == Class::Timestamp => {
            sql.bind(Parameter::Text(text.replacen('T', " ", 1)))
        }
        (_, None) => sql.bind(Parameter::Text(text)),
    };
}

/// `UPDATE … SET ` and the name by which the row goes. MySQL's row goes by its table's name, since its DELETE with a limit
/// knows no other.
fn update(dialect: Dialect, table: &Table) -> (Sql, String) {
    let mut sql = Sql::new(dialect);
    let alias = row_name(dialect, table);
    sql.push(&match dialect {
        Dialect::Mysql => format!("UPDATE {} SET ", table.name),
        _ => format!("UPDATE {} AS t SET ", table.name),
    });
    (sql, alias)
}

fn row_name(dialect: Dialect, table: &Table) -> String {
    if dialect == Dialect::Mysql {
        table.name.clone()
    } else {
        "t".to_owned()
    }
}

/// Which of the rows that match a step's look-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Those that a retention rule keeps and the data map wants overwritten all the same.
    Retained,
    /// Those that a retention rule keeps, before anybody has looked who points at them.
    Ruled,
    /// Those that stay and are to be overwritten.
    Redacted,
    /// Those that go.
    Deleted,
    /// Those that may go, before anybody has looked who points at them.
    Candidates,
    /// Those that go and nothing in the circle points at.
    Leaves,
}

/// The parts of a step, in the order in which they are carried out.
pub(crate) fn parts(step: &EraseStep) -> Vec<Part> {
    let mut parts = Vec::new();
    if step.retained.is_some() && !step.retained_redactions.is_empty() {
        parts.push(Part::Retained);
    }
    if !step.redactions.is_empty() && (!step.delete || !step.blockers.is_empty()) {
        parts.push(Part::Redacted);
    }
    if step.delete {
        parts.push(Part::Deleted);
    }
    parts
}

/// A step with the live tables it speaks of, and those of its look-ups that one statement can take.
pub(crate) struct Scope<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) step: &'a EraseStep,
    pub(crate) ways: &'a [WaySearch],
    pub(crate) hash_key: &'a [u8],
}

impl Scope<'_> {
    fn table(&self) -> Result<&Table, ConnectorError> {
        self.tables.get(&self.step.collection.key)
    }

    /// Overwrites or deletes a part of the step's rows, at most `limit` of them.
    pub(crate) fn change(
        &self,
        part: Part,
        limit: Option<usize>,
    ) -> Result<Option<Statement>, ConnectorError> {
        let table = self.table()?;
        let ways = lookup::fit(table, &self.step.collection, self.ways)?;
        if ways.is_empty() {
            return Ok(None);
        }
        let (mut sql, alias) = self.verb(table, part)?;
        sql.push(" WHERE ");
        match (limit, table.dialect) {
            (None, _) => self.write_part(&mut sql, table, &alias, &ways, part)?,
            (Some(limit), Dialect::Mysql) => {
                self.write_part(&mut sql, table, &alias, &ways, part)?;
                sql.push(&format!(" LIMIT {limit}"));
            }
            (Some(limit), dialect) => {
                let (open, close) = if dialect == Dialect::Postgres && table.row_id.len() == 1 {
                    ("= ANY(ARRAY(", "))")
                } else {
                    ("IN (", ")")
                };
                sql.push(&format!(
                    "{} {open}SELECT {} FROM {} AS p WHERE ",
                    row_id(table, &alias),
                    row_id_list(table, "p"),
                    table.name
                ));
                self.write_part(&mut sql, table, "p", &ways, part)?;
                sql.push(&format!(" LIMIT {limit}{close}"));
            }
        }
        Ok(Some(sql.finish()))
    }

    fn verb(&self, table: &Table, part: Part) -> Result<(Sql, String), ConnectorError> {
        let Some(redactions) = self.redactions(part) else {
            return Ok(delete(table));
        };
        let (mut sql, alias) = update(table.dialect, table);
        write_set(&mut sql, table, &alias, redactions, self.hash_key)?;
        Ok((sql, alias))
    }

    /// Names the rows of a part and locks them.
    pub(crate) fn row_ids(
        &self,
        part: Part,
        limit: Option<usize>,
    ) -> Result<Option<Statement>, ConnectorError> {
        let table = self.identified()?;
        let ways = lookup::fit(table, &self.step.collection, self.ways)?;
        if ways.is_empty() {
            return Ok(None);
        }
        let mut sql = select_row_ids(table);
        self.write_part(&mut sql, table, "t", &ways, part)?;
        if let Some(limit) = limit {
            sql.push(&format!(" LIMIT {limit}"));
        }
        lock(&mut sql);
        Ok(Some(sql.finish()))
    }

    /// Those of the rows that none of these point at, leaving out pointing rows that are named with them.
    pub(crate) fn unpointed(
        &self,
        rows: &RowIds,
        pointers: &[(Vec<Pointer>, &Doomed)],
    ) -> Result<Statement, ConnectorError> {
        let table = self.identified()?;
        let mut sql = select_row_ids(table);
        write_rows(&mut sql, table, "t", rows);
        for (pointers, but) in pointers {
            sql.push(" AND NOT ");
            write_pointed_at(&mut sql, self.tables, table, "t", pointers, but)?;
        }
        Ok(sql.finish())
    }

    /// Overwrites or deletes named rows.
    pub(crate) fn change_rows(
        &self,
        part: Part,
        rows: &RowIds,
    ) -> Result<Statement, ConnectorError> {
        let table = self.identified()?;
        let (mut sql, alias) = self.verb(table, part)?;
        sql.push(" WHERE ");
        write_rows(&mut sql, table, &alias, rows);
        if let Some(redactions) = self.redactions(part) {
            sql.push(" AND NOT ");
            write_done(&mut sql, table, &alias, redactions)?;
        }
        Ok(sql.finish())
    }

    /// How a part's rows are overwritten, if they aren't to go.
    const fn redactions(&self, part: Part) -> Option<&Vec<(FieldName, Redaction)>> {
        match part {
            Part::Retained | Part::Ruled => Some(&self.step.retained_redactions),
            Part::Redacted => Some(&self.step.redactions),
            Part::Deleted | Part::Candidates | Part::Leaves => None,
        }
    }

    fn identified(&self) -> Result<&Table, ConnectorError> {
        let table = self.table()?;
        if table.row_id.is_empty() {
            let reason = "its rows point at each other and it has no primary key to tell them apart; give it one, or set its erasure to `keep`".to_owned();
            return Err(ConnectorError::Drift {
                collection: table.key.clone(),
                reason,
            });
        }
        Ok(table)
    }

    fn write_part(
        &self,
        sql: &mut Sql,
        table: &Table,
        alias: &str,
        ways: &[Fitted<'_>],
        part: Part,
    ) -> Result<(), ConnectorError> {
        lookup::write_any(sql, alias, ways);
        self.write_unless_spared(sql, table, alias)?;
        if let Some(cutoff) = &self.step.retained {
            sql.push(if matches!(part, Part::Retained | Part::Ruled) {
                " AND ("
            } else {
                " AND NOT ("
            });
            write_retained(sql, table, alias, cutoff)?;
            sql.push(")");
        }
        if matches!(part, Part::Candidates | Part::Ruled) {
            return Ok(());
        }
        self.write_unless_pointed_at(sql, table, alias, part)?;
        let Some(redactions) = self.redactions(part) else {
            return Ok(());
        };
        sql.push(" AND NOT ");
        write_done(sql, table, alias, redactions)
    }

    /// What a legal hold keeps for somebody is left alone, whoever else's it is.
    fn write_unless_spared(
        &self,
        sql: &mut Sql,
        table: &Table,
        alias: &str,
    ) -> Result<(), ConnectorError> {
        let spared = lookup::fit(table, &self.step.collection, &self.step.spared)?;
        if !spared.is_empty() {
            // A row with an empty field is found by no look-up.
            sql.push(" AND (");
            lookup::write_any(sql, alias, &spared);
            sql.push(") IS NOT TRUE");
        }
        Ok(())
    }

    fn write_unless_pointed_at(
        &self,
        sql: &mut Sql,
        table: &Table,
        alias: &str,
        part: Part,
    ) -> Result<(), ConnectorError> {
        if !self.step.guards.is_empty() {
            sql.push(" AND NOT ");
            write_pointed_at(
                sql,
                self.tables,
                table,
                alias,
                &self.step.guards,
                &Doomed::new(),
            )?;
        }
        if part == Part::Retained || !self.step.delete || self.step.blockers.is_empty() {
            return Ok(());
        }
        sql.push(if part == Part::Redacted {
            " AND "
        } else {
            " AND NOT "
        });
        write_pointed_at(
            sql,
            self.tables,
            table,
            alias,
            &self.step.blockers,
            &Doomed::new(),
        )
    }

    /// Counts, by the values of one look-up, rows that should have gone or been overwritten.
    pub(crate) fn remaining(&self, way: &WaySearch) -> Written {
        let table = self.table()?;
        let ways = lookup::fit(table, &self.step.collection, std::slice::from_ref(way))?;
        if ways.is_empty() || (!self.step.delete && self.step.redactions.is_empty()) {
            return Ok(None);
        }
        let columns = layout(table, &self.step.collection, &way.way.fields)?;
        let layout = Layout {
            columns,
            always_retained: false,
            retained: false,
            shared: false,
            grouped: true,
        };
        let names = way
            .way
            .fields
            .iter()
            .map(|field| Ok(selected(table.column(field)?, table.dialect, "t")))
            .collect::<Result<Vec<_>, ConnectorError>>()?;
        let mut sql = Sql::new(table.dialect);
        let count = if table.dialect == Dialect::Postgres {
            "count(*)::text"
        } else {
            "count(*)"
        };
        sql.push(&format!(
            "SELECT {}, {count} FROM {} AS t WHERE ",
            names.join(", "),
            table.name
        ));
        lookup::write_any(&mut sql, "t", &ways);
        self.write_unless_spared(&mut sql, table, "t")?;
        if let Some(cutoff) = &self.step.retained {
            sql.push(" AND NOT (");
            write_retained(&mut sql, table, "t", cutoff)?;
            sql.push(")");
        }
        if !self.step.guards.is_empty() {
            sql.push(" AND NOT ");
            write_pointed_at(
                &mut sql,
                self.tables,
                table,
                "t",
                &self.step.guards,
                &Doomed::new(),
            )?;
        }
        self.write_unfinished(&mut sql, table)?;
        write_groups(&mut sql, &layout);
        Ok(Some((sql.finish(), layout)))
    }

    /// A row that something still points at may stay, overwritten.
    fn write_unfinished(&self, sql: &mut Sql, table: &Table) -> Result<(), ConnectorError> {
        if self.step.delete && self.step.blockers.is_empty() {
            return Ok(());
        }
        sql.push(" AND NOT (");
        if self.step.delete {
            write_pointed_at(
                sql,
                self.tables,
                table,
                "t",
                &self.step.blockers,
                &Doomed::new(),
            )?;
            sql.push(" AND ");
        }
        write_done(sql, table, "t", &self.step.redactions)?;
        sql.push(")");
        Ok(())
    }
}

fn delete(table: &Table) -> (Sql, String) {
    let mut sql = Sql::new(table.dialect);
    sql.push(&match table.dialect {
        Dialect::Mysql => format!("DELETE FROM {}", table.name),
        _ => format!("DELETE FROM {} AS t", table.name),
    });
    (sql, row_name(table.dialect, table))
}

fn select_row_ids(table: &Table) -> Sql {
    let mut sql = Sql::new(table.dialect);
    let ids = match (table.dialect, table.row_id.len()) {
        (Dialect::Postgres, 1) => "t.ctid::text".to_owned(),
        (Dialect::Postgres, _) => "t.tableoid::text || t.ctid::text".to_owned(),
        _ => row_id_list(table, "t"),
    };
    sql.push(&format!("SELECT {ids} FROM {} AS t WHERE ", table.name));
    sql
}

fn lock(sql: &mut Sql) {
    match sql.dialect {
        Dialect::Postgres => sql.push(" FOR UPDATE OF t"),
        Dialect::Mysql => sql.push(" FOR UPDATE"),
        Dialect::Sqlite => sql,
    };
}

fn row_id_list(table: &Table, alias: &str) -> String {
    table
        .row_id
        .iter()
        .map(|name| format!("{alias}.{name}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn row_id(table: &Table, alias: &str) -> String {
    let list = row_id_list(table, alias);
    if table.row_id.len() == 1 {
        list
    } else {
        format!("({list})")
    }
}

/// Deletes named rows.
pub(crate) fn delete_rows(
    tables: &Tables,
    key: &CollectionKey,
    rows: &RowIds,
) -> Result<Statement, ConnectorError> {
    let table = tables.get(key)?;
    let (mut sql, alias) = delete(table);
    sql.push(" WHERE ");
    write_rows(&mut sql, table, &alias, rows);
    Ok(sql.finish())
}

/// How many named rows one statement takes.
pub(crate) fn rows_at_once(tables: &Tables, key: &CollectionKey) -> Result<usize, ConnectorError> {
    Ok(20_000 / tables.get(key)?.row_id.len().max(1))
}

/// A foreign key that points at a table, whether the data map knows it or not.
pub(crate) struct PointerFromOutside {
    /// The bare name of the table that points.
    pub(crate) table: String,
    /// Its name, quoted and qualified.
    pub(crate) name: String,
    /// Pairs of (column there, column here), quoted.
    pub(crate) pairs: Vec<(String, String)>,
}

/// Selects a row that points at one of the doomed and isn't doomed itself.
pub(crate) fn pointing_from_outside(
    tables: &Tables,
    key: &CollectionKey,
    pointer: &PointerFromOutside,
    doomed: &Doomed,
) -> Result<Statement, ConnectorError> {
    let table = tables.get(key)?;
    let pairs: Vec<String> = pointer
        .pairs
        .iter()
        .map(|(there, here)| format!("x.{there} = t.{here}"))
        .collect();
    let mut sql = Sql::new(table.dialect);
    sql.push(&format!(
        "SELECT 1 FROM {} AS t JOIN {} AS x ON {} WHERE ",
        table.name,
        pointer.name,
        pairs.join(" AND ")
    ));
    write_rows(
        &mut sql,
        table,
        "t",
        doomed.get(key).unwrap_or(&RowIds::new()),
    );
    if let Some(from) = tables.key_of(&pointer.table)
        && let Some(rows) = doomed.get(&from).filter(|rows| !rows.is_empty())
    {
        sql.push(" AND NOT ");
        write_rows(&mut sql, tables.get(&from)?, "x", rows);
    }
    sql.push(" LIMIT 1");
    Ok(sql.finish())
}

/// Deletes rows of several tables in one statement, at whose end foreign keys are checked (PostgreSQL).
pub(crate) fn delete_together(
    tables: &Tables,
    doomed: &Doomed,
) -> Result<Statement, ConnectorError> {
    let mut sql = Sql::new(Dialect::Postgres);
    sql.push("WITH ");
    for (number, (key, rows)) in doomed.iter().enumerate() {
        let table = tables.get(key)?;
        sql.push(if number > 0 { ", " } else { "" });
        sql.push(&format!(
            "d{number} AS (DELETE FROM {} AS t WHERE ",
            table.name
        ));
        write_rows(&mut sql, table, "t", rows);
        sql.push(" RETURNING 1)");
    }
    let counts: Vec<String> = (0..doomed.len())
        .map(|number| format!("(SELECT count(*) FROM d{number})::text"))
        .collect();
    sql.push(&format!(" SELECT {}", counts.join(", ")));
    Ok(sql.finish())
}
