//! The SQL of the views: pure, in a stable order. What a view shows of a row follows from `privity.released` alone; no policy is evaluated here.

use std::fmt::Write as _;
use std::sync::Arc;

use super::alter::{altered, text};
use super::{GENERALISE, KEEP, MASK, TokenColumn, ViewCell, Viewed, ViewedColumn, Views};
use crate::ConnectorError;
use crate::sql::Dialect;
use crate::sql::table::{Column, Table};

/// What is there once, whoever the recipients are.
const TABLES: &str = "CREATE SCHEMA IF NOT EXISTS privity;
REVOKE ALL ON SCHEMA privity FROM PUBLIC;
CREATE TABLE IF NOT EXISTS privity.state (one boolean PRIMARY KEY CHECK (one), mapping text NOT NULL, policies text NOT NULL DEFAULT '', read_to bigint, seen_at timestamptz);
CREATE TABLE IF NOT EXISTS privity.written (schema_name text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS privity.vector (id integer PRIMARY KEY, facts bytea NOT NULL, policies text NOT NULL, UNIQUE (facts, policies));
CREATE TABLE IF NOT EXISTS privity.released (cell text NOT NULL, vector integer NOT NULL, forms smallint[] NOT NULL, PRIMARY KEY (cell, vector));
";

/// Tables of ours that a database has besides those of subjects.
pub(super) const OURS: [&str; 4] = ["state", "written", "vector", "released"];

pub(super) fn quote(name: &str) -> String {
    Dialect::Postgres.quote(name)
}

pub(super) fn constant(text: &str) -> String {
    Dialect::Postgres.constant(text)
}

/// The bare name of the table that says which subject a row is about.
pub(super) fn subject_table(viewed: &Viewed) -> String {
    bare(format!("subject_{}", viewed.name))
}

/// The bare name of the table that says which rows each cell sees.
pub(super) fn visible_table(viewed: &Viewed) -> String {
    bare(format!("visible_{}", viewed.name))
}

/// The bare name of the part of it that one cell reads, by the cell's schema.
pub(super) fn part_table(viewed: &Viewed, schema: &str) -> String {
    let table = visible_table(viewed);
    let start: String = table.chars().take(14).collect();
    format!("{start}_{}_part", short_hash(&format!("{table}\0{schema}")))
}

fn bare(name: String) -> String {
    if name.len() > LONGEST {
        index_name(&name, "of")
    } else {
        name
    }
}

pub(super) fn subjects(viewed: &Viewed) -> String {
    format!("privity.{}", quote(&subject_table(viewed)))
}

pub(super) fn visible(viewed: &Viewed) -> String {
    format!("privity.{}", quote(&visible_table(viewed)))
}

/// The part of [`visible`] that one cell reads.
pub(super) fn part(viewed: &Viewed, schema: &str) -> String {
    format!("privity.{}", quote(&part_table(viewed, schema)))
}

/// That what is kept holds for longer than it should, or for more than a minute less. Clocks never meet twice in the same place: without some play each
/// look would write each row anew.
pub(super) fn until_moved(kept: &str) -> String {
    format!(
        "({kept}.until IS NULL) <> (excluded.until IS NULL) OR excluded.until < {kept}.until OR excluded.until > {kept}.until + interval '1 minute'"
    )
}

/// That something of the table goes out, in forms `f`.
pub(super) fn any(viewed: &Viewed) -> String {
    let columns = viewed.columns.iter();
    let mut any: Vec<String> = columns
        .map(|column| format!("{} > 0", form(column)))
        .collect();
    any.dedup();
    any.join(" OR ")
}

/// That the value by which rows are of somebody goes out as it is, in forms `f`; none where no column shows it.
pub(super) fn key_is_kept(viewed: &Viewed) -> Option<String> {
    Some(format!("{} = {KEEP}", form(viewed.record_column()?)))
}

/// The column by which rows are of somebody.
pub(super) fn key<'t>(viewed: &Viewed, table: &'t Table) -> Result<&'t Column, ConnectorError> {
    let column = table.column(&viewed.record)?;
    if column.folds {
        return Err(ConnectorError::Drift {
            collection: viewed.collection.key.clone(),
            reason: format!(
                "`{}` has the type `{}`, which takes different texts for equal, so that its rows can't be told apart in a view",
                viewed.record, column.declared
            ),
        });
    }
    Ok(column)
}

/// Everything, as it is applied.
pub(super) fn whole(views: &Views, tables: &[Arc<Table>]) -> Result<String, ConnectorError> {
    let mut sql = ours(views, tables)?;
    for cell in &views.cells {
        sql.push('\n');
        sql.push_str(&schema(cell));
        for TokenColumn { view, column, .. } in views.tokens_of(cell) {
            let _ = writeln!(
                sql,
                "-- {} of {} is NULL wherever policies let out a token: the key that makes tokens doesn't belong in this database",
                one_line(&quote(&column)),
                one_line(&quote(&view))
            );
        }
        for (viewed, table) in views.collections.iter().zip(tables) {
            let name = format!("{}.{}", quote(&cell.schema), quote(&viewed.name));
            let role = quote(&cell.role);
            let select = select(views, cell, viewed, table)?;
            let _ = write!(
                sql,
                "DROP VIEW IF EXISTS {name};\nCREATE VIEW {name} WITH (security_barrier) AS\n{select};\nREVOKE ALL ON {name} FROM PUBLIC;\nGRANT SELECT ON {name} TO {role};\n"
            );
        }
    }
    Ok(sql)
}

/// The tables that the views read. Only their owner reaches them: nobody else was granted anything, and row security without a policy shows nothing to
/// whoever is granted something by mistake.
fn ours(views: &Views, tables: &[Arc<Table>]) -> Result<String, ConnectorError> {
    let mut sql = TABLES.to_owned();
    for (viewed, table) in views.collections.iter().zip(tables) {
        let (name, key) = (subjects(viewed), key(viewed, table)?);
        let bare = subject_table(viewed);
        let _ = write!(
            sql,
            "CREATE TABLE IF NOT EXISTS {name} (key {} PRIMARY KEY, subject uuid NOT NULL, vector integer NOT NULL, until timestamptz);\n\
             CREATE INDEX IF NOT EXISTS {} ON {name} (subject);\n\
             CREATE INDEX IF NOT EXISTS {} ON {name} (vector);\n",
            key.declared,
            quote(&index_name(&bare, "of")),
            quote(&index_name(&bare, "by")),
        );
        let visible = visible(viewed);
        let _ = write!(
            sql,
            "CREATE TABLE IF NOT EXISTS {visible} (cell text NOT NULL, key {0} NOT NULL, shown {0}, vector integer NOT NULL, until timestamptz, PRIMARY KEY (key, cell)) PARTITION BY LIST (cell);\n\
             CREATE INDEX IF NOT EXISTS {1} ON {visible} (shown);\n",
            key.declared,
            quote(&index_name(&visible_table(viewed), "by")),
        );
        for cell in &views.cells {
            let _ = writeln!(
                sql,
                "CREATE TABLE IF NOT EXISTS {} PARTITION OF {visible} FOR VALUES IN ({});",
                part(viewed, &cell.schema),
                constant(&cell.schema)
            );
        }
    }
    let schemas: Vec<&str> = views
        .cells
        .iter()
        .map(|cell| cell.schema.as_str())
        .collect();
    for table in OURS
        .map(str::to_owned)
        .into_iter()
        .chain(of_rows(views, &schemas))
    {
        let name = quote(&table);
        let _ = writeln!(
            sql,
            "ALTER TABLE privity.{name} ENABLE ROW LEVEL SECURITY;\nREVOKE ALL ON privity.{name} FROM PUBLIC;"
        );
    }
    let _ = writeln!(
        sql,
        "INSERT INTO privity.state (one, mapping) VALUES (true, {0}) ON CONFLICT (one) DO UPDATE SET mapping = {0};",
        constant(&views.mapping)
    );
    Ok(sql)
}

/// Bare names of the tables that say of rows whose they are, and who sees them, with the parts of these cells.
pub(super) fn of_rows(views: &Views, schemas: &[&str]) -> impl Iterator<Item = String> {
    let all = views.collections.iter();
    all.flat_map(|viewed| {
        let parts = schemas.iter().map(|schema| part_table(viewed, schema));
        [subject_table(viewed), visible_table(viewed)]
            .into_iter()
            .chain(parts)
            .collect::<Vec<_>>()
    })
}

/// The longest name of PostgreSQL, in bytes. It cuts longer ones, and then two may be one.
const LONGEST: usize = 63;

/// A short name instead of a long one.
fn index_name(table: &str, end: &str) -> String {
    let start: String = table.chars().take(14).collect();
    format!("{start}_{}_{end}", short_hash(table))
}

fn short_hash(text: &str) -> String {
    let hash = domain::audit::Hash::of(text.as_bytes()).to_string();
    let hash = hash.chars().filter(char::is_ascii_alphanumeric);
    hash.take(12).collect()
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn schema(cell: &ViewCell) -> String {
    let (schema, role) = (quote(&cell.schema), quote(&cell.role));
    let (recipient, purpose) = (
        one_line(cell.recipient.as_ref()),
        one_line(cell.purpose.as_ref()),
    );
    let mut sql = format!("-- {recipient} for {purpose}\n");
    if cell.is_our_role {
        let _ = writeln!(
            sql,
            "DO $privity$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {}) THEN CREATE ROLE {role} NOLOGIN; END IF; END $privity$;",
            constant(&cell.role)
        );
    }
    let _ = write!(
        sql,
        "CREATE SCHEMA IF NOT EXISTS {schema};\nREVOKE ALL ON SCHEMA {schema} FROM PUBLIC;\nGRANT USAGE ON SCHEMA {schema} TO {role};\nINSERT INTO privity.written VALUES ({}) ON CONFLICT DO NOTHING;\n",
        constant(&cell.schema)
    );
    sql
}

/// What a view is. `security_barrier` keeps a recipient's own functions from values that the view hides; that every condition of the recipient is over
/// the columns of the view keeps it from values that the view alters.
///
/// The key comes from the table of the rows that this cell sees, and not from the business's own: a look-up finds it by an index that holds no
/// key of a row that is hidden, and PostgreSQL guesses from what it knows of that table alone, so that neither time nor a plan tells of one. `shown` is what the row was shown with; where the key may be
/// seen no more, the row is gone until it is looked at again.
pub(super) fn select(
    views: &Views,
    cell: &ViewCell,
    viewed: &Viewed,
    table: &Table,
) -> Result<String, ConnectorError> {
    let own = viewed.record_column();
    let own = own.filter(|column| !cell.in_part.contains(&column.attribute));
    let columns = viewed.columns.iter().map(|column| {
        let is_own = own.is_some_and(|own| std::ptr::eq(own, column));
        let shown = if is_own {
            "k.shown".to_owned()
        } else {
            shown(cell, column, table.column(&column.field)?)
        };
        Ok(format!("{shown} AS {}", quote(&column.name)))
    });
    let columns: Vec<String> = columns.collect::<Result<_, ConnectorError>>()?;
    // A CASE, since PostgreSQL takes it for true half of the time, and the other way to say it for almost never.
    let unless_lowered = own.map_or_else(String::new, |own| {
        let form = form(own);
        format!("\n  AND CASE {form} WHEN {KEEP} THEN true ELSE k.shown IS NULL END")
    });
    let (part, key) = (part(viewed, &cell.schema), key(viewed, table)?);
    let name = constant(&cell.schema);
    Ok(format!(
        "SELECT {}\nFROM {} AS t\nJOIN {part} AS k ON k.key = t.{}\nJOIN privity.released AS f ON f.cell = {name} AND f.vector = k.vector\n\
         WHERE ({}){unless_lowered}\n  AND (k.until IS NULL OR k.until > statement_timestamp())\n  \
         AND (SELECT c.seen_at FROM privity.state AS c) > statement_timestamp() - interval '{} seconds'",
        columns.join(",\n  "),
        table.name,
        key.name,
        any(viewed),
        views.stale_after_seconds,
    ))
}

/// Where an attribute's form stands in `released.forms`; arrays begin with 1, and so do numbers of attributes, but that is not said of them.
fn form(column: &ViewedColumn) -> String {
    format!("f.forms[{}]", usize::from(column.attribute.0) + 1)
}

fn shown(cell: &ViewCell, column: &ViewedColumn, live: &Column) -> String {
    let form = form(column);
    if !cell.in_part.contains(&column.attribute) {
        return format!("CASE WHEN {form} = {KEEP} THEN t.{} END", live.name);
    }
    let mut arms = format!("WHEN {KEEP} THEN {}", text(live));
    for (is, manner) in [(MASK, column.masked), (GENERALISE, column.coarser)] {
        if let Some(altered) = manner.and_then(|manner| altered(manner, live)) {
            let _ = write!(arms, " WHEN {is} THEN {altered}");
        }
    }
    format!("CASE {form} {arms} END")
}
