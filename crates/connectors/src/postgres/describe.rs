//! The schema of a PostgreSQL database, from its catalog; and what our role may do in it.

use std::collections::BTreeMap;

use deadpool_postgres::Object;
use domain::data_map::ValueKind;
use domain::progress::Progress;
use domain::sensitive::Sensitive;
use tokio_postgres::{Error, Row};

use super::live::class;
use crate::sql::table::Class;
use crate::sql::{Dialect, schema};
use crate::{DescribedCollection, DescribedField, DescribedReference, Description};

const TABLES: &str = "
    SELECT c.oid, n.nspname::text, c.relname::text, pg_table_is_visible(c.oid), greatest(c.reltuples, 0)::float8,
           CASE WHEN has_table_privilege(c.oid, 'SELECT') THEN 1 ELSE 0 END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
      AND ($1::text IS NULL OR n.nspname = $1)
      AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
    ORDER BY 2, 3";

const FIELDS: &str = "
    SELECT a.attrelid, a.attname::text, format_type(a.atttypid, a.atttypmod), coalesce(b.typname, y.typname)::text,
           NOT (a.attnotnull OR y.typnotnull),
           CASE WHEN coalesce(b.typname, y.typname) IN ('varchar', 'bpchar')
                THEN nullif(greatest(a.atttypmod, y.typtypmod), -1) - 4 END,
           EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
           EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indpred IS NULL AND i.indkey[0] = a.attnum)
    FROM pg_attribute a
    JOIN pg_type y ON y.oid = a.atttypid
    LEFT JOIN pg_type b ON b.oid = y.typbasetype AND y.typtype = 'd'
    WHERE a.attrelid = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum";

const KEYS: &str = "
    SELECT i.indrelid, ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
                             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.place)
    FROM pg_index i WHERE i.indrelid = ANY($1) AND i.indisprimary";

const REFERENCES: &str = "
    SELECT k.conrelid, tn.nspname::text, t.relname::text, pg_table_is_visible(t.oid),
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY c(attnum, place)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.attnum ORDER BY c.place),
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY c(attnum, place)
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.attnum ORDER BY c.place)
    FROM pg_constraint k
    JOIN pg_class t ON t.oid = k.confrelid
    JOIN pg_namespace tn ON tn.oid = t.relnamespace
    WHERE k.contype = 'f' AND k.conrelid = ANY($1)
    ORDER BY k.conrelid, k.conname";

const STATISTICS: &str = "
    SELECT null_frac::float8, n_distinct::float8 FROM pg_stats
    WHERE schemaname = $1 AND tablename = $2 AND attname = $3";

/// Describes the tables of one schema, or of all that aren't the system's.
pub(super) async fn describe(
    connection: &Object,
    only: Option<&str>,
    with_samples: bool,
    progress: &Progress,
) -> Result<Description, Error> {
    let tables = connection.query(TABLES, &[&only]).await?;
    let oids: Vec<u32> = tables.iter().map(|row| row.get(0)).collect();
    let mut fields = by_table(connection.query(FIELDS, &[&oids]).await?);
    let mut keys = by_table(connection.query(KEYS, &[&oids]).await?);
    let mut references = by_table(connection.query(REFERENCES, &[&oids]).await?);
    let mut description = Description::default();
    let count = tables.len() as u64;
    for (done, row) in (0..).zip(tables) {
        progress.tell(schema::TABLES_READ, done, count);
        let table = LiveTable::of(&row);
        let fields = fields
            .remove(&table.oid)
            .unwrap_or_default()
            .iter()
            .map(field)
            .collect();
        let primary_key = keys
            .remove(&table.oid)
            .and_then(|rows| rows.first().map(|row| row.get(1)))
            .unwrap_or_default();
        let mut collection = DescribedCollection {
            schema: table.shown_schema(),
            table: table.name.clone(),
            fields,
            primary_key,
            references: Vec::new(),
            rows: table.rows(connection).await?,
        };
        for row in references.remove(&table.oid).unwrap_or_default() {
            collection
                .references
                .push(reference(connection, &table, collection.rows, &row).await?);
        }
        if with_samples && table.readable {
            take_samples(connection, &table, &mut collection).await?;
        }
        description.collections.push(collection);
    }
    progress.tell(schema::TABLES_READ, count, count);
    Ok(description)
}

fn by_table(rows: Vec<Row>) -> BTreeMap<u32, Vec<Row>> {
    let mut grouped: BTreeMap<u32, Vec<Row>> = BTreeMap::new();
    for row in rows {
        grouped.entry(row.get(0)).or_default().push(row);
    }
    grouped
}

struct LiveTable {
    oid: u32,
    schema: String,
    name: String,
    visible: bool,
    estimated: f64,
    readable: bool,
}

impl LiveTable {
    fn of(row: &Row) -> Self {
        Self {
            oid: row.get(0),
            schema: row.get(1),
            name: row.get(2),
            visible: row.get(3),
            estimated: row.get(4),
            readable: row.get::<_, i32>(5) == 1,
        }
    }

    /// The schema, where the table isn't found without naming it.
    fn shown_schema(&self) -> Option<String> {
        (!self.visible).then(|| self.schema.clone())
    }

    fn quoted(&self) -> String {
        Dialect::Postgres.table(Some(&self.schema), &self.name)
    }

    /// Exact up to a million, else the planner's estimate.
    async fn rows(&self, connection: &Object) -> Result<u64, Error> {
        if !self.readable {
            return Ok(whole(self.estimated));
        }
        let counted = connection
            .query_one(&schema::count_rows(&self.quoted()), &[])
            .await?
            .get::<_, i64>(0);
        let counted = u64::try_from(counted).unwrap_or(0);
        Ok(if counted > schema::EXACT {
            counted.max(whole(self.estimated))
        } else {
            counted
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate; a float saturates"
)]
fn whole(estimate: f64) -> u64 {
    estimate.max(0.0).round() as u64
}

fn field(row: &Row) -> DescribedField {
    let class = class(row.get(3));
    let max_length = row
        .get::<_, Option<i32>>(5)
        .and_then(|length| u32::try_from(length).ok());
    DescribedField {
        name: row.get(1),
        declared_type: row.get(2),
        kind: class.kind(),
        nullable: row.get(4),
        unique: row.get(6),
        indexed: row.get(7),
        max_length: max_length.filter(|_| class == Class::Text),
        samples: Vec::new(),
    }
}

async fn reference(
    connection: &Object,
    table: &LiveTable,
    rows: u64,
    row: &Row,
) -> Result<DescribedReference, Error> {
    let (to_schema, to_table, visible): (String, String, bool) =
        (row.get(1), row.get(2), row.get(3));
    let fields: Vec<String> = row.get(4);
    let (pointing_rows, distinct_targets) = match (table.readable, rows > schema::EXACT) {
        (false, _) => (0, 0),
        (true, false) => counted(connection, table, &fields).await?,
        (true, true) => estimated(connection, table, rows, &fields).await?,
    };
    let to_schema = (!visible).then_some(to_schema);
    Ok(DescribedReference {
        fields,
        to_schema,
        to_table,
        to_fields: row.get(5),
        pointing_rows,
        distinct_targets,
    })
}

async fn counted(
    connection: &Object,
    table: &LiveTable,
    fields: &[String],
) -> Result<(u64, u64), Error> {
    let row = connection
        .query_one(
            &schema::count_pointing(Dialect::Postgres, &table.quoted(), fields),
            &[],
        )
        .await?;
    let number = |place: usize| u64::try_from(row.get::<_, i64>(place)).unwrap_or(0);
    Ok((number(0), number(1)))
}

/// From the planner's statistics: of several columns the emptiest and the one with most values decide.
async fn estimated(
    connection: &Object,
    table: &LiveTable,
    rows: u64,
    fields: &[String],
) -> Result<(u64, u64), Error> {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let all = rows as f64;
    let (mut pointing, mut targets) = (all, 0.0_f64);
    for field in fields {
        let Some(row) = connection
            .query_opt(STATISTICS, &[&table.schema, &table.name, field])
            .await?
        else {
            return counted(connection, table, fields).await;
        };
        let (empty, distinct): (f64, f64) = (row.get(0), row.get(1));
        pointing = pointing.min(all * (1.0 - empty));
        targets = targets.max(if distinct < 0.0 {
            -distinct * all
        } else {
            distinct
        });
    }
    Ok((whole(pointing), whole(targets.min(pointing))))
}

async fn take_samples(
    connection: &Object,
    table: &LiveTable,
    collection: &mut DescribedCollection,
) -> Result<(), Error> {
    for field in collection
        .fields
        .iter_mut()
        .filter(|field| field.kind == ValueKind::Text)
    {
        let rows = connection
            .query(
                &schema::samples(Dialect::Postgres, &table.quoted(), &field.name),
                &[],
            )
            .await?;
        field.samples = rows.iter().map(|row| Sensitive::new(row.get(0))).collect();
    }
    Ok(())
}

const PRIVILEGES: &str = "
    SELECT count(*), count(*) FILTER (WHERE has_table_privilege(c.oid, 'SELECT')),
           count(*) FILTER (WHERE has_table_privilege(c.oid, 'UPDATE')), count(*) FILTER (WHERE has_table_privilege(c.oid, 'DELETE'))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname NOT LIKE 'pg\\_%' AND ($1::text IS NULL OR n.nspname = $1)";

/// The version, and what our role may do, in words.
pub(super) async fn check(connection: &Object, only: Option<&str>) -> Result<String, Error> {
    let version: String = connection
        .query_one("SELECT current_setting('server_version')", &[])
        .await?
        .get(0);
    let row = connection.query_one(PRIVILEGES, &[&only]).await?;
    let count = |place: usize| row.get::<_, i64>(place);
    let (all, select, update, delete) = (count(0), count(1), count(2), count(3));
    Ok(format!(
        "PostgreSQL {version}, {all} tables; this role may read {select}, change {update} and delete from {delete} of them"
    ))
}
