//! Whether the views are in the database as they would be written. What a view would be PostgreSQL itself says: it is made once more in a transaction that
//! is taken back.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use deadpool_postgres::Object;
use tokio_postgres::{Error, Transaction};

use super::text::{
    OURS, constant, key, of_rows, part, part_table, quote, select, subject_table, visible,
    visible_table,
};
use super::{Difference, ViewCell, Viewed, Views};
use crate::ConnectorError;
use crate::sql::table::Table;

const APPLY: &str = "look who changed it and why, then `privity policy postgres apply`";
const REVOKE: &str = "revoke it: whoever has it reads around the views";
const REFRESH: &str =
    "see that `privity serve` runs and reaches this database; until then the views are empty";

/// SQL that drops what was written before and is written no more: views for whom nothing is permitted any more, and what is kept of rows under
/// another mapping.
pub(super) async fn old(tx: &Transaction<'_>, views: &Views) -> Result<String, Error> {
    let mut sql = String::new();
    if !is_there(tx).await? {
        return Ok(sql);
    }
    let rows = tx.query("SELECT mapping FROM privity.state", &[]).await?;
    let is_same = rows
        .iter()
        .all(|row| row.get::<_, String>(0) == views.mapping);
    let written = written(tx).await?;
    if views
        .cells
        .iter()
        .any(|cell| !written.contains(&cell.schema))
    {
        // Nothing was decided for a cell that wasn't there.
        sql.push_str("UPDATE privity.state SET policies = '';\n");
    }
    for schema in written {
        let cell = views.cells.iter().find(|cell| cell.schema == schema);
        let kept = |view: &str| {
            let mut all = views.collections.iter();
            cell.is_some() && all.any(|viewed| viewed.name == view)
        };
        let found = tx.query(VIEWS_IN, &[&schema]).await?;
        let names = found.iter().map(|row| row.get::<_, String>(0));
        for view in names.filter(|view| !kept(view)) {
            let _ = writeln!(sql, "DROP VIEW {}.{};", quote(&schema), quote(&view));
        }
        if cell.is_none() {
            let _ = writeln!(
                sql,
                "DROP SCHEMA IF EXISTS {};\nDELETE FROM privity.written WHERE schema_name = {};\nDELETE FROM privity.released WHERE cell = {};",
                quote(&schema),
                constant(&schema),
                constant(&schema)
            );
            // Of another mapping they are dropped anyway.
            for viewed in views.collections.iter().filter(|_| is_same) {
                let _ = writeln!(sql, "DROP TABLE IF EXISTS {};", part(viewed, &schema));
            }
        }
    }
    if !is_same {
        let found = tx.query(OUR_TABLES, &[]).await?;
        let names = found.iter().map(|row| row.get::<_, String>(0));
        let subjects: Vec<String> = names
            .filter(|name| !OURS.contains(&name.as_str()))
            .collect();
        // The views that read them are written anew, all of them.
        for cell in &views.cells {
            for viewed in &views.collections {
                let _ = writeln!(
                    sql,
                    "DROP VIEW IF EXISTS {}.{};",
                    quote(&cell.schema),
                    quote(&viewed.name)
                );
            }
        }
        for table in subjects {
            // A part goes with the whole, whichever comes first.
            let _ = writeln!(sql, "DROP TABLE IF EXISTS privity.{};", quote(&table));
        }
        sql.push_str("DELETE FROM privity.released;\nDELETE FROM privity.vector;\nUPDATE privity.state SET policies = '', read_to = NULL, seen_at = NULL;\n");
    }
    Ok(sql)
}

const VIEWS_IN: &str = "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1::text AND c.relkind = 'v' ORDER BY 1";
const OUR_TABLES: &str = "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'privity' AND c.relkind IN ('r', 'p') ORDER BY 1";

/// The schemas that were written.
async fn written(tx: &Transaction<'_>) -> Result<BTreeSet<String>, Error> {
    let sql = "SELECT schema_name FROM privity.written";
    let rows = tx.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn is_there(tx: &Transaction<'_>) -> Result<bool, Error> {
    let row = tx
        .query_one("SELECT to_regclass('privity.state') IS NOT NULL", &[])
        .await?;
    Ok(row.get(0))
}

/// What should be there.
pub(super) struct Expected<'e> {
    pub(super) views: &'e Views,
    pub(super) tables: &'e [Arc<Table>],
}

impl Expected<'_> {
    pub(super) async fn differences(
        &self,
        connection: &mut Object,
    ) -> Result<Result<Vec<Difference>, Error>, ConnectorError> {
        let mut selects = Vec::new();
        for cell in &self.views.cells {
            for (viewed, table) in self.views.collections.iter().zip(self.tables) {
                selects.push((cell, viewed, select(self.views, cell, viewed, table)?));
            }
        }
        let mut keys = Vec::new();
        for (viewed, table) in self.views.collections.iter().zip(self.tables) {
            keys.push((viewed, key(viewed, table)?.declared.clone()));
        }
        Ok(self.look(connection, &selects, &keys).await)
    }

    async fn look(
        &self,
        connection: &mut Object,
        selects: &[(&ViewCell, &Viewed, String)],
        keys: &[(&Viewed, String)],
    ) -> Result<Vec<Difference>, Error> {
        // Taken back when it is dropped.
        let tx = connection.transaction().await?;
        let mut found = Vec::new();
        if !is_there(&tx).await? {
            found.push(difference(
                "nothing was ever written there",
                "run `privity policy postgres apply`",
            ));
            return Ok(found);
        }
        let written = written(&tx).await?;
        self.ours(&tx, keys, &written, &mut found).await?;
        if !found.is_empty() {
            // What the views rest on has to be right before they can be compared.
            return Ok(found);
        }
        self.freshness(&tx, &mut found).await?;
        for cell in &self.views.cells {
            self.schema(&tx, cell, &mut found).await?;
            self.role(&tx, cell, &mut found).await?;
        }
        self.others(&tx, &mut found).await?;
        tx.batch_execute("CREATE SCHEMA privity_expected").await?;
        let selects = selects.iter().enumerate();
        // A schema that was never written is missing as a whole.
        for (number, (cell, viewed, select)) in
            selects.filter(|(_, (cell, ..))| written.contains(&cell.schema))
        {
            let expected = format!("CREATE VIEW privity_expected.v{number} AS {select}");
            tx.batch_execute(&expected).await?;
            let one = format!("privity_expected.v{number}");
            view(&tx, cell, viewed, &one, &mut found).await?;
        }
        Ok(found)
    }

    /// The tables that the views read.
    async fn ours(
        &self,
        tx: &Transaction<'_>,
        keys: &[(&Viewed, String)],
        written: &BTreeSet<String>,
        found: &mut Vec<Difference>,
    ) -> Result<(), Error> {
        let cells = self.views.cells.iter();
        let schemas = cells.map(|cell| cell.schema.as_str());
        let schemas: Vec<&str> = schemas.filter(|schema| written.contains(*schema)).collect();
        let names = OURS.iter().map(|name| (*name).to_owned());
        let names = names.chain(of_rows(self.views, &schemas));
        for name in names {
            let row = tx
                .query_opt(TABLE, &[&format!("privity.{}", quote(&name))])
                .await?;
            let Some(row) = row else {
                found.push(difference(
                    format!("the table `privity.{name}` is not there"),
                    APPLY,
                ));
                continue;
            };
            let (secured, policies, others, owned): (bool, bool, bool, bool) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            if !secured || policies {
                found.push(difference(format!("row security of `privity.{name}` is off, or has policies that we didn't write"), APPLY));
            }
            if others {
                found.push(difference(
                    format!("others than its owner were granted something on `privity.{name}`"),
                    REVOKE,
                ));
            }
            if !owned {
                found.push(difference(format!("`privity.{name}` belongs to another role than the one that Privity signs in as"), APPLY));
            }
        }
        let mapping = tx
            .query_opt("SELECT mapping FROM privity.state", &[])
            .await?;
        if mapping.is_none_or(|row| row.get::<_, String>(0) != self.views.mapping) {
            found.push(difference(
                "it was written for another data map or another schema of attributes",
                "run `privity policy postgres apply`; until then the views are empty",
            ));
        }
        for (viewed, _) in keys {
            for schema in &schemas {
                let (name, whole) = (part(viewed, schema), visible(viewed));
                let row = tx.query_opt(PART, &[&name, &whole]).await?;
                let bound = format!("FOR VALUES IN ({})", constant(schema));
                if row.is_some_and(|row| row.get::<_, Option<String>>(0) != Some(bound)) {
                    let bare = part_table(viewed, schema);
                    found.push(difference(
                        format!("`privity.{bare}` is not the part of `privity.{}` for `{}`", visible_table(viewed), schema),
                        "drop that table, and the view that reads it, then `privity policy postgres apply`",
                    ));
                }
            }
        }
        for (viewed, declared) in keys {
            for name in [subject_table(viewed), visible_table(viewed)] {
                let row = tx
                    .query_opt(KEY_TYPE, &[&format!("privity.{}", quote(&name))])
                    .await?;
                if row.is_some_and(|row| row.get::<_, String>(0) != *declared) {
                    found.push(difference(
                        format!(
                            "`{}` of `{}` has the type {declared} by now, and `privity.{name}` another",
                            viewed.record, viewed.collection.key
                        ),
                        "drop that table, and the views that read it, then `privity policy postgres apply`",
                    ));
                }
            }
        }
        Ok(())
    }

    async fn freshness(
        &self,
        tx: &Transaction<'_>,
        found: &mut Vec<Difference>,
    ) -> Result<(), Error> {
        let sql = "SELECT coalesce(seen_at > clock_timestamp() - $1::bigint * interval '1 second', false) FROM privity.state";
        let seconds = i64::from(self.views.stale_after_seconds);
        if !tx.query_one(sql, &[&seconds]).await?.get::<_, bool>(0) {
            found.push(difference(
                format!("nothing was refreshed within {seconds} seconds"),
                REFRESH,
            ));
        }
        Ok(())
    }

    async fn schema(
        &self,
        tx: &Transaction<'_>,
        cell: &ViewCell,
        found: &mut Vec<Difference>,
    ) -> Result<(), Error> {
        let row = tx.query_opt(SCHEMA, &[&cell.schema, &cell.role]).await?;
        let Some(row) = row else {
            found.push(difference(
                format!("the schema `{}` is not there", cell.schema),
                APPLY,
            ));
            return Ok(());
        };
        let (exact, owned): (bool, bool) = (row.get(0), row.get(1));
        if !exact {
            found.push(difference(
                format!(
                    "grants on the schema `{}` are not USAGE for `{}` alone",
                    cell.schema, cell.role
                ),
                APPLY,
            ));
        }
        if !owned {
            found.push(difference(
                format!(
                    "the schema `{}` belongs to another role than the one that Privity signs in as",
                    cell.schema
                ),
                APPLY,
            ));
        }
        let views = tx.query(RELATIONS_IN, &[&cell.schema]).await?;
        let known: BTreeSet<&str> = self
            .views
            .collections
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        for row in views {
            let name: String = row.get(0);
            if !known.contains(name.as_str()) {
                found.push(difference(
                    format!("`{}.{name}` is none of ours", cell.schema),
                    "move it elsewhere",
                ));
            }
        }
        Ok(())
    }

    /// The role must not reach by another way what the views keep from it.
    async fn role(
        &self,
        tx: &Transaction<'_>,
        cell: &ViewCell,
        found: &mut Vec<Difference>,
    ) -> Result<(), Error> {
        let Some(row) = tx.query_opt(ROLE, &[&cell.role]).await? else {
            found.push(difference(
                format!("the role `{}` is not there", cell.role),
                APPLY,
            ));
            return Ok(());
        };
        if row.get::<_, bool>(0) {
            found.push(difference(
                format!("the role `{}` is a superuser, passes row security, or is a member of the role that owns the views", cell.role),
                REVOKE,
            ));
        }
        let names: Vec<String> = self.tables.iter().map(|table| table.name.clone()).collect();
        for row in tx.query(DIRECT, &[&cell.role, &names]).await? {
            let what = format!(
                "the role `{}` may read the table {} itself",
                cell.role,
                row.get::<_, String>(0)
            );
            found.push(difference(what, REVOKE));
        }
        Ok(())
    }

    /// Schemas that were written for whom nothing is permitted any more.
    async fn others(&self, tx: &Transaction<'_>, found: &mut Vec<Difference>) -> Result<(), Error> {
        for row in tx
            .query("SELECT schema_name FROM privity.written ORDER BY 1", &[])
            .await?
        {
            let name: String = row.get(0);
            if !self.views.cells.iter().any(|cell| cell.schema == name) {
                found.push(difference(format!("the schema `{name}` is for a recipient and purpose that policies permit nothing any more"), "run `privity policy postgres apply`; its views are empty"));
            }
        }
        Ok(())
    }
}

/// One view, beside what it would be.
async fn view(
    tx: &Transaction<'_>,
    cell: &ViewCell,
    viewed: &Viewed,
    expected: &str,
    found: &mut Vec<Difference>,
) -> Result<(), Error> {
    let name = format!("{}.{}", quote(&cell.schema), quote(&viewed.name));
    let Some(row) = tx.query_opt(VIEW, &[&name, &expected, &cell.role]).await? else {
        found.push(difference(format!("the view {name} is not there"), APPLY));
        return Ok(());
    };
    let facts: [(bool, &str); 4] = [
        (row.get(0), "is not what would be written now"),
        (
            row.get(1),
            "is no security barrier, or asks with the rights of whoever reads it",
        ),
        (row.get(2), "has grants other than SELECT for its role"),
        (
            row.get(3),
            "belongs to another role than the one that Privity signs in as",
        ),
    ];
    for (is_right, what) in facts {
        if !is_right {
            found.push(difference(format!("the view {name} {what}"), APPLY));
        }
    }
    Ok(())
}

fn difference(what: impl Into<String>, todo: &'static str) -> Difference {
    Difference {
        what: what.into(),
        todo,
    }
}

const TABLE: &str = "SELECT c.relrowsecurity, EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid), \
    EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner) OR EXISTS (SELECT FROM pg_catalog.pg_attribute t WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL), \
    pg_catalog.pg_get_userbyid(c.relowner) = current_user \
    FROM pg_catalog.pg_class c WHERE c.oid = to_regclass($1::text)";

const PART: &str = "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND i.inhparent = to_regclass($2::text)) THEN pg_get_expr(c.relpartbound, c.oid) END \
    FROM pg_catalog.pg_class c WHERE c.oid = to_regclass($1::text)";

const KEY_TYPE: &str = "SELECT format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a WHERE a.attrelid = to_regclass($1::text) AND a.attname = 'key'";

const SCHEMA: &str = "SELECT (SELECT coalesce(array_agg(a.privilege_type ORDER BY a.privilege_type), '{}') = ARRAY['USAGE'] FROM aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner) \
    AND EXISTS (SELECT FROM aclexplode(n.nspacl) a JOIN pg_catalog.pg_roles r ON r.oid = a.grantee WHERE r.rolname = $2::text AND NOT a.is_grantable), \
    pg_catalog.pg_get_userbyid(n.nspowner) = current_user \
    FROM pg_catalog.pg_namespace n WHERE n.nspname = $1::text";

const RELATIONS_IN: &str = "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1::text ORDER BY 1";

const ROLE: &str = "SELECT r.rolsuper OR r.rolbypassrls OR pg_catalog.pg_has_role(r.oid, current_user::name, 'MEMBER') FROM pg_catalog.pg_roles r WHERE r.rolname = $1::text";

const DIRECT: &str = "SELECT t FROM unnest($2::text[]) AS t WHERE has_table_privilege($1::text::name, t, 'SELECT') OR has_any_column_privilege($1::text::name, t, 'SELECT') ORDER BY 1";

const VIEW: &str = "SELECT pg_get_viewdef(c.oid) = pg_get_viewdef(to_regclass($2::text)), \
    'security_barrier=true' = ANY (coalesce(c.reloptions, '{}')) AND NOT 'security_invoker=true' = ANY (coalesce(c.reloptions, '{}')), \
    (SELECT coalesce(array_agg(r.rolname::text || ' ' || a.privilege_type), '{}') = ARRAY[$3::text || ' SELECT'] FROM aclexplode(c.relacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee \
        WHERE a.grantee <> c.relowner AND (r.rolname IS NOT NULL OR a.grantee = 0)) AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = 0) \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute t WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL), \
    pg_catalog.pg_get_userbyid(c.relowner) = current_user \
    FROM pg_catalog.pg_class c WHERE c.oid = to_regclass($1::text) AND c.relkind = 'v'";
