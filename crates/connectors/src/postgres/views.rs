//! Views in the business's own database that show each recipient what policies let it have: they are written, filled and looked at here; what
//! they show is decided elsewhere.
//!
//! In the schema `privity` stands, for each row's key, which subject it is about and which facts are known of her (a number), and for each recipient,
//! purpose and such number in which form each attribute goes out. Which rows each of them sees stands there, too, so that a look-up by the key finds
//! it by an index that knows of no other row. Whatever is not there is not shown. Decision: docs/decisions/017-policies-as-views.md.

mod alter;
mod drift;
mod text;

use std::collections::BTreeSet;
use std::sync::Arc;

use deadpool_postgres::Object;
use domain::data_map::{Collection, CollectionKey, FieldName, RecipientKey, SystemKey};
use domain::profile::{AttributeNumber, Manner};
use domain::purpose_of_use::PurposeKey;
use domain::sensitive::Sensitive;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::{PostgresConnector, failure};
use crate::ConnectorError;
use crate::sql::table::{Places, Table, place};

/// A form as `privity.released` has it; 0 is withheld.
pub type Form = i16;
/// That the attribute is there.
pub const NULL: Form = 1;
/// A token; nothing in the business's database could make one, so that a view shows NULL.
pub const TOKEN: Form = 2;
/// A piece.
pub const MASK: Form = 3;
/// Something coarser.
pub const GENERALISE: Form = 4;
/// The value.
pub const KEEP: Form = 5;

/// All views in one system.
#[derive(Clone, Debug)]
pub struct Views {
    /// One view for each of these and each cell.
    pub collections: Vec<Viewed>,
    /// One schema for each.
    pub cells: Vec<ViewCell>,
    /// After so many seconds without a word from us the views are empty.
    pub stale_after_seconds: u32,
    /// Names which column is which attribute and how rows are found: views of another mapping are never filled.
    pub mapping: String,
}

/// A table that is shown.
#[derive(Clone, Debug)]
pub struct Viewed {
    /// Name of its views.
    pub name: String,
    /// The table.
    pub collection: Arc<Collection>,
    /// The field that says whose a row is.
    pub record: FieldName,
    /// Columns of the views.
    pub columns: Vec<ViewedColumn>,
}

impl Viewed {
    /// The column that shows the field that says whose a row is.
    #[must_use]
    pub fn record_column(&self) -> Option<&ViewedColumn> {
        let mut columns = self.columns.iter();
        columns.find(|column| column.field == self.record)
    }
}

/// A column of a view.
#[derive(Clone, Debug)]
pub struct ViewedColumn {
    /// Its name.
    pub name: String,
    /// The field whose values it shows.
    pub field: FieldName,
    /// The attribute that decides in which form.
    pub attribute: AttributeNumber,
    /// What a piece of it is.
    pub masked: Option<Manner>,
    /// What is coarser.
    pub coarser: Option<Manner>,
}

/// Who sees views, and what for.
#[derive(Clone, Debug)]
pub struct ViewCell {
    /// The schema of the views; names the cell in `privity.released`, too.
    pub schema: String,
    /// Who.
    pub recipient: RecipientKey,
    /// What for.
    pub purpose: PurposeKey,
    /// The role that reads them.
    pub role: String,
    /// Whether that role is made where it isn't there.
    pub is_our_role: bool,
    /// Attributes of which policies may let out a part: their columns are texts, whatever the column's type is.
    pub in_part: BTreeSet<AttributeNumber>,
    /// Attributes of which policies may let out a token: their columns are NULL then.
    pub tokens: BTreeSet<AttributeNumber>,
}

/// A column that is NULL wherever policies let out a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenColumn {
    /// The view's schema.
    pub schema: String,
    /// The view.
    pub view: String,
    /// The column.
    pub column: String,
}

impl Views {
    /// Columns that are NULL wherever policies let out a token, since what makes tokens doesn't belong in the business's database.
    #[must_use]
    pub fn token_columns(&self) -> Vec<TokenColumn> {
        let cells = self.cells.iter();
        cells.flat_map(|cell| self.tokens_of(cell)).collect()
    }

    fn tokens_of(&self, cell: &ViewCell) -> impl Iterator<Item = TokenColumn> {
        let columns = self.collections.iter().flat_map(|viewed| {
            let columns = viewed.columns.iter();
            columns.map(move |column| (viewed, column))
        });
        let columns = columns.filter(|(_, column)| cell.tokens.contains(&column.attribute));
        columns.map(|(viewed, column)| TokenColumn {
            schema: cell.schema.clone(),
            view: viewed.name.clone(),
            column: column.name.clone(),
        })
    }
}

/// Something that is not as it would be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub what: String,
    /// What to do.
    pub todo: &'static str,
}

/// How far the views are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewsState {
    /// The mapping that they were written for.
    pub mapping: String,
    /// Hash of the policies by which `released` was decided; empty before the first round.
    pub policies: String,
    /// Up to when changes of facts were read, in microseconds of our database's time.
    pub read_to: Option<i64>,
    /// The schemas that are there.
    pub written: BTreeSet<String>,
}

/// Which subject a row is about.
#[derive(Clone)]
pub struct SubjectRow {
    /// Its key, as PostgreSQL writes it.
    pub key: Sensitive<String>,
    /// Whoever stands for her.
    pub subject: Uuid,
    /// The number of what is known of her.
    pub vector: i32,
    /// For how many microseconds from the beginning of the round that holds; `None` without an end.
    pub remaining: Option<i64>,
}

/// What is kept of a row.
pub struct KeptRow {
    /// Its key, as PostgreSQL writes it.
    pub key: Sensitive<String>,
    /// Whoever it was about when it was written.
    pub subject: Uuid,
    /// The number of what was known of her.
    pub vector: i32,
}

/// What is known of subjects, under a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vector {
    /// The number.
    pub id: i32,
    /// SHA-256 of the facts.
    pub facts: Vec<u8>,
    /// Hash of the policies that its forms were decided by.
    pub policies: String,
}

/// The forms of one cell for one vector, by the number of the attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Released {
    /// The cell's schema.
    pub cell: String,
    /// The vector's number.
    pub vector: i32,
    /// The forms.
    pub forms: Vec<Form>,
}

impl PostgresConnector {
    /// The SQL that writes the views.
    ///
    /// # Errors
    /// The database can't be reached, or a table is not as the data map says.
    pub async fn views_text(&self, views: &Views) -> Result<String, ConnectorError> {
        let connection = self.connection().await?;
        text::whole(views, &self.viewed_tables(&connection, views).await?)
    }

    /// Writes the views, all of them or none. What was kept for another mapping is dropped.
    ///
    /// # Errors
    /// As [`Self::views_text`], or a privilege is missing, or something of the business's own rests on a view that changes.
    pub async fn apply_views(&self, views: &Views) -> Result<(), ConnectorError> {
        let mut connection = self.connection().await?;
        let tables = self.viewed_tables(&connection, views).await?;
        let sql = text::whole(views, &tables)?;
        let failed = |error: Error| self.of_views("writing the views", &error);
        let tx = connection.transaction().await.map_err(failed)?;
        let encoding = tx.query_one("SHOW server_encoding", &[]).await;
        if encoding.map_err(failed)?.get::<_, String>(0) != "UTF8" {
            return Err(self.refused("its encoding is not UTF8, and masks would cut letters in two; views can't be written there"));
        }
        for role in views.cells.iter().filter(|cell| !cell.is_our_role) {
            let there = "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1::text::name";
            let found = tx.query_opt(there, &[&role.role]).await;
            if found.map_err(failed)?.is_none() {
                return Err(self.refused(&format!("there is no role `{}`; create it, or leave it out under `views` in the settings", role.role)));
            }
        }
        let old = drift::old(&tx, views).await.map_err(failed)?;
        tx.batch_execute(&old).await.map_err(failed)?;
        tx.batch_execute(&sql).await.map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    /// What is not as [`Self::apply_views`] would write it; nothing where everything is.
    ///
    /// # Errors
    /// The database can't be reached.
    pub async fn check_views(&self, views: &Views) -> Result<Vec<Difference>, ConnectorError> {
        match self.look_at_views(views).await {
            Err(ConnectorError::Drift { collection, reason }) => Ok(vec![Difference {
                what: format!("`{collection}`: {reason}"),
                todo: "correct the data map and profile.yaml, then `privity policy postgres apply`",
            }]),
            found => found,
        }
    }

    async fn look_at_views(&self, views: &Views) -> Result<Vec<Difference>, ConnectorError> {
        let mut connection = self.connection().await?;
        let tables = self.viewed_tables(&connection, views).await?;
        let expected = drift::Expected {
            views,
            tables: &tables,
        };
        let found = expected.differences(&mut connection).await?;
        found.map_err(|error| self.of_views("looking at the views", &error))
    }

    /// Begins a round, if nobody else is at one.
    ///
    /// # Errors
    /// The database can't be reached.
    pub async fn begin_views(
        &self,
        views: &Arc<Views>,
    ) -> Result<Option<ViewsRound>, ConnectorError> {
        let connection = self.connection().await?;
        let tables = self.viewed_tables(&connection, views).await?;
        let mut round = ViewsRound {
            connection: Some(connection),
            system: self.system.clone(),
            views: Arc::clone(views),
            tables,
            began: String::new(),
        };
        let row = round.one(TAKE, &[]).await?;
        if !row.get::<_, bool>(0) {
            round.connection.take();
            return Ok(None);
        }
        round.began = row.get(1);
        Ok(Some(round))
    }

    async fn viewed_tables(
        &self,
        connection: &Object,
        views: &Views,
    ) -> Result<Vec<Arc<Table>>, ConnectorError> {
        // What is known of tables may be from before somebody changed them.
        self.forget_tables();
        let viewed = views.collections.iter();
        let places: Places = viewed
            .map(|one| (one.collection.key.clone(), place(&one.collection)))
            .collect();
        let tables = self.tables(connection, places).await?;
        let viewed = views.collections.iter();
        viewed
            .map(|one| tables.shared(&one.collection.key))
            .collect()
    }

    fn of_views(&self, doing: &'static str, error: &Error) -> ConnectorError {
        let code = error.as_db_error().map(|answer| answer.code().code());
        match code {
            Some("2BP01") => self.refused("something of your own rests on a view that changes or goes; drop it, or write it anew afterwards"),
            Some("42P01" | "3F000") => self.refused("the views are not there, or not all; run `privity policy postgres apply`"),
            _ => failure::of_statement(&self.system, doing, None, error),
        }
    }

    fn refused(&self, reason: &str) -> ConnectorError {
        ConnectorError::Refused {
            system: self.system.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// Two at once would take back what the other one took away.
const TAKE: &str = "SELECT pg_try_advisory_lock(1886546297, 17), clock_timestamp()::text";
const LET_GO: &str = "SELECT pg_advisory_unlock(1886546297, 17)";

/// One round of filling the views. Nobody else fills them until it ends; dropped in the middle, its connection is closed, and with it the lock.
pub struct ViewsRound {
    connection: Option<Object>,
    system: SystemKey,
    views: Arc<Views>,
    tables: Vec<Arc<Table>>,
    /// When it began, by the business's own clock.
    began: String,
}

impl Drop for ViewsRound {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

/// Keys and subjects as parameters; values that PostgreSQL sees and nobody else.
type Given<'a> = &'a [&'a (dyn ToSql + Sync)];

impl ViewsRound {
    /// How far the views are; `None` where they were never written.
    ///
    /// # Errors
    /// As all of these: the database can't be reached, or refuses.
    pub async fn state(&self) -> Result<Option<ViewsState>, ConnectorError> {
        let there = self.one("SELECT to_regclass('privity.state') IS NOT NULL", &[]);
        if !there.await?.get::<_, bool>(0) {
            return Ok(None);
        }
        let rows = self
            .rows("SELECT mapping, policies, read_to FROM privity.state", &[])
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let written = "SELECT schema_name FROM privity.written";
        let written = self.rows(written, &[]).await?;
        Ok(Some(ViewsState {
            mapping: row.get(0),
            policies: row.get(1),
            read_to: row.get(2),
            written: written.iter().map(|row| row.get(0)).collect(),
        }))
    }

    /// All vectors.
    pub async fn vectors(&self) -> Result<Vec<Vector>, ConnectorError> {
        let rows = self.rows(
            "SELECT id, facts, policies FROM privity.vector ORDER BY id",
            &[],
        );
        let rows = rows.await?;
        let vector = |row: &Row| Vector {
            id: row.get(0),
            facts: row.get(1),
            policies: row.get(2),
        };
        Ok(rows.iter().map(vector).collect())
    }

    /// What is released for them.
    pub async fn released(&self) -> Result<Vec<Released>, ConnectorError> {
        let rows = self.rows(
            "SELECT cell, vector, forms FROM privity.released ORDER BY cell, vector",
            &[],
        );
        let rows = rows.await?;
        let released = |row: &Row| Released {
            cell: row.get(0),
            vector: row.get(1),
            forms: row.get(2),
        };
        Ok(rows.iter().map(released).collect())
    }

    /// Keys of rows of whom nobody knows yet which subject they are about, in their order after one.
    pub async fn unknown_keys(
        &self,
        at: usize,
        after: Option<&Sensitive<String>>,
        limit: u32,
    ) -> Result<Vec<Sensitive<String>>, ConnectorError> {
        let (viewed, table) = self.viewed(at)?;
        let (key, subjects) = (text::key(viewed, table)?, text::subjects(viewed));
        let sql = format!(
            "SELECT k::text FROM (SELECT DISTINCT t.{0} AS k FROM {1} AS t WHERE t.{0} IS NOT NULL AND ($1::text IS NULL OR t.{0} > $1::text::{2}) \
             AND NOT EXISTS (SELECT FROM {subjects} AS s WHERE s.key = t.{0}) ORDER BY 1 LIMIT {limit}) AS page",
            key.name, table.name, key.declared
        );
        let after = after.map(Sensitive::expose);
        self.keys(&sql, &[&after]).await
    }

    /// Keys of rows about these subjects.
    pub async fn keys_of_subjects(
        &self,
        at: usize,
        subjects: &[Uuid],
    ) -> Result<Vec<Sensitive<String>>, ConnectorError> {
        let subjects: Vec<String> = subjects.iter().map(Uuid::to_string).collect();
        let name = text::subjects(self.viewed(at)?.0);
        let sql = format!("SELECT key::text FROM {name} WHERE subject = ANY ($1::text[]::uuid[])");
        self.keys(&sql, &[&subjects]).await
    }

    /// Keys of some rows that have one of these vectors.
    pub async fn keys_of_vectors(
        &self,
        at: usize,
        vectors: &[i32],
        limit: u32,
    ) -> Result<Vec<Sensitive<String>>, ConnectorError> {
        let name = text::subjects(self.viewed(at)?.0);
        let sql = format!("SELECT key::text FROM {name} WHERE vector = ANY ($1) LIMIT {limit}");
        self.keys(&sql, &[&vectors]).await
    }

    /// Keys of known rows, in their order after one.
    pub async fn known_keys(
        &self,
        at: usize,
        after: Option<&Sensitive<String>>,
        limit: u32,
    ) -> Result<Vec<Sensitive<String>>, ConnectorError> {
        let (viewed, table) = self.viewed(at)?;
        let key = text::key(viewed, table)?;
        let sql = format!(
            "SELECT key::text FROM (SELECT key FROM {} WHERE $1::text IS NULL OR key > $1::text::{} ORDER BY key LIMIT {limit}) AS page",
            text::subjects(viewed),
            key.declared
        );
        let after = after.map(Sensitive::expose);
        self.keys(&sql, &[&after]).await
    }

    /// What is kept of each of these keys; those that nobody knows are left out.
    pub async fn kept_of(
        &self,
        at: usize,
        keys: &[Sensitive<String>],
    ) -> Result<Vec<KeptRow>, ConnectorError> {
        let (viewed, table) = self.viewed(at)?;
        let (key, name) = (text::key(viewed, table)?, text::subjects(viewed));
        let sql = format!(
            "SELECT key::text, vector, subject::text FROM {name} WHERE key = ANY ($1::text[]::{}[])",
            key.declared
        );
        let rows = self.rows(&sql, &[&exposed(keys)]).await?;
        let one = |row: &Row| KeptRow {
            key: Sensitive::new(row.get(0)),
            vector: row.get(1),
            subject: Uuid::parse_str(row.get(2)).unwrap_or_default(),
        };
        Ok(rows.iter().map(one).collect())
    }

    /// Says of rows which subject they are about, and shows them to whom something of their vectors is released.
    pub async fn save(&self, at: usize, rows: &[SubjectRow]) -> Result<(), ConnectorError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (viewed, table) = self.viewed(at)?;
        let (key, name) = (text::key(viewed, table)?, text::subjects(viewed));
        let sql = format!(
            "WITH g AS (SELECT DISTINCT ON (g.k) g.k::{0} AS key, g.u::uuid AS subject, g.v AS vector, CASE WHEN g.r IS NOT NULL THEN $5::text::timestamptz + g.r * interval '1 microsecond' END AS until \
             FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[]) AS g(k, u, v, r)), \
             s AS (INSERT INTO {name} AS s (key, subject, vector, until) SELECT key, subject, vector, until FROM g \
             ON CONFLICT (key) DO UPDATE SET subject = excluded.subject, vector = excluded.vector, until = excluded.until \
             WHERE (s.subject, s.vector) IS DISTINCT FROM (excluded.subject, excluded.vector) OR {4}), \
             v AS (SELECT f.cell, g.key, CASE WHEN {1} THEN g.key END AS shown, g.vector, g.until FROM g JOIN privity.released AS f ON f.vector = g.vector JOIN privity.written AS w ON w.schema_name = f.cell WHERE {2}), \
             d AS (DELETE FROM {3} AS x USING g WHERE x.key = g.key AND NOT EXISTS (SELECT FROM v WHERE v.key = x.key AND v.cell = x.cell)) \
             INSERT INTO {3} AS x (cell, key, shown, vector, until) SELECT cell, key, shown, vector, until FROM v \
             ON CONFLICT (key, cell) DO UPDATE SET shown = excluded.shown, vector = excluded.vector, until = excluded.until \
             WHERE x.vector <> excluded.vector OR x.shown IS DISTINCT FROM excluded.shown OR {5}",
            key.declared,
            text::key_is_kept(viewed).unwrap_or_else(|| "false".to_owned()),
            text::any(viewed),
            text::visible(viewed),
            text::until_moved("s"),
            text::until_moved("x"),
        );
        let keys: Vec<&String> = rows.iter().map(|row| row.key.expose()).collect();
        let subjects: Vec<String> = rows.iter().map(|row| row.subject.to_string()).collect();
        let vectors: Vec<i32> = rows.iter().map(|row| row.vector).collect();
        let remaining: Vec<Option<i64>> = rows.iter().map(|row| row.remaining).collect();
        self.run(&sql, &[&keys, &subjects, &vectors, &remaining, &self.began])
            .await
    }

    /// Takes rows away.
    pub async fn remove(
        &self,
        at: usize,
        keys: &[Sensitive<String>],
    ) -> Result<(), ConnectorError> {
        if keys.is_empty() {
            return Ok(());
        }
        let (viewed, table) = self.viewed(at)?;
        let (key, name) = (text::key(viewed, table)?, text::subjects(viewed));
        let sql = format!(
            "WITH s AS (DELETE FROM {name} WHERE key = ANY ($1::text[]::{0}[])) DELETE FROM {1} WHERE key = ANY ($1::text[]::{0}[])",
            key.declared,
            text::visible(viewed)
        );
        self.run(&sql, &[&exposed(keys)]).await
    }

    /// Takes away what is kept of rows that are gone from the table, and vectors that nobody has.
    pub async fn tidy(&self) -> Result<(), ConnectorError> {
        let mut used = String::new();
        for (viewed, table) in self.views.collections.iter().zip(&self.tables) {
            let (key, name) = (text::key(viewed, table)?, text::subjects(viewed));
            let sql = format!(
                "WITH gone AS (DELETE FROM {name} AS s WHERE NOT EXISTS (SELECT FROM {} AS t WHERE t.{} = s.key) RETURNING key) \
                 DELETE FROM {} AS k USING gone WHERE k.key = gone.key",
                table.name,
                key.name,
                text::visible(viewed)
            );
            self.run(&sql, &[]).await?;
            used.push_str(&format!(
                " AND NOT EXISTS (SELECT FROM {name} AS s WHERE s.vector = v.id)"
            ));
        }
        let gone = format!(
            "WITH gone AS (DELETE FROM privity.vector AS v WHERE true{used} RETURNING id) DELETE FROM privity.released USING gone WHERE vector = gone.id"
        );
        self.run(&gone, &[]).await
    }

    /// Takes from each cell the keys of rows that it sees nothing of any more, among some of a table in their order after one; answers the last of
    /// them, and none when there are no others. The views don't show such keys anyway; but who measures a look-up could tell that they were there.
    pub async fn sweep(
        &self,
        at: usize,
        after: Option<&Sensitive<String>>,
        limit: u32,
    ) -> Result<Option<Sensitive<String>>, ConnectorError> {
        let (viewed, table) = self.viewed(at)?;
        let (key, visible) = (text::key(viewed, table)?, text::visible(viewed));
        let some = format!(
            "SELECT key::text FROM (SELECT key FROM {visible} WHERE $1::text IS NULL OR key > $1::text::{} ORDER BY key LIMIT {limit}) AS page",
            key.declared
        );
        let mut keys = self.keys(&some, &[&after.map(Sensitive::expose)]).await?;
        if keys.is_empty() {
            return Ok(None);
        }
        let still = [
            format!(
                "SELECT FROM privity.released AS f WHERE f.cell = k.cell AND f.vector = k.vector AND ({})",
                text::any(viewed)
            ),
            format!(
                "SELECT FROM {} AS s WHERE s.key = k.key AND s.vector = k.vector",
                text::subjects(viewed)
            ),
        ];
        for still in still {
            let sql = format!(
                "DELETE FROM {visible} AS k WHERE k.key = ANY ($1::text[]::{}[]) AND NOT EXISTS ({still})",
                key.declared
            );
            self.run(&sql, &[&exposed(&keys)]).await?;
        }
        let is_end = u32::try_from(keys.len()).is_ok_and(|count| count < limit);
        Ok(keys.pop().filter(|_| !is_end))
    }

    /// Adds vectors and what is released for them; no row has one of them yet.
    pub async fn add_vectors(
        &self,
        vectors: &[Vector],
        released: &[Released],
    ) -> Result<(), ConnectorError> {
        let sql = "WITH v AS (INSERT INTO privity.vector SELECT * FROM unnest($1::integer[], $2::bytea[], $3::text[])) \
            INSERT INTO privity.released SELECT g.c, g.v, g.f::smallint[] FROM unnest($4::text[], $5::integer[], $6::text[]) AS g(c, v, f)";
        let ids: Vec<i32> = vectors.iter().map(|one| one.id).collect();
        let facts: Vec<&[u8]> = vectors.iter().map(|one| one.facts.as_slice()).collect();
        let policies: Vec<&str> = vectors.iter().map(|one| one.policies.as_str()).collect();
        let (cells, of, forms) = columns(released);
        self.run(sql, &[&ids, &facts, &policies, &cells, &of, &forms])
            .await
    }

    /// Puts other vectors and releases in the place of all there are, decided by these policies; rows with a vector that is gone show nothing.
    pub async fn replace_vectors(
        &self,
        vectors: &[Vector],
        released: &[Released],
        policies: &str,
    ) -> Result<(), ConnectorError> {
        let sql = "WITH g AS (DELETE FROM privity.vector WHERE id <> ALL ($1::integer[])), \
            u AS (UPDATE privity.vector AS v SET policies = g.p FROM unnest($1::integer[], $2::text[]) AS g(i, p) WHERE v.id = g.i), \
            r AS (DELETE FROM privity.released WHERE (cell, vector) NOT IN (SELECT c, v FROM unnest($3::text[], $4::integer[]) AS g(c, v))), \
            w AS (UPDATE privity.released AS r SET forms = g.f::smallint[] FROM unnest($3::text[], $4::integer[], $5::text[]) AS g(c, v, f) WHERE r.cell = g.c AND r.vector = g.v) \
            UPDATE privity.state SET policies = $6::text";
        let ids: Vec<i32> = vectors.iter().map(|one| one.id).collect();
        let by: Vec<&str> = vectors.iter().map(|one| one.policies.as_str()).collect();
        let (cells, of, forms) = columns(released);
        self.run(sql, &[&ids, &by, &cells, &of, &forms, &policies])
            .await
    }

    /// Says that everything that changed up to a moment was taken away: the views show something for as long as this is fresh. They are as fresh as
    /// the beginning of the round.
    pub async fn tell_fresh(&self, read_to: i64) -> Result<(), ConnectorError> {
        let sql = "UPDATE privity.state SET read_to = $1, seen_at = $2::text::timestamptz";
        self.run(sql, &[&read_to, &self.began]).await
    }

    /// Ends the round.
    pub async fn end(mut self) -> Result<(), ConnectorError> {
        self.one(LET_GO, &[]).await?;
        self.connection.take();
        Ok(())
    }

    fn viewed(&self, at: usize) -> Result<(&Viewed, &Table), ConnectorError> {
        let found = self.views.collections.get(at).zip(self.tables.get(at));
        let found = found.map(|(viewed, table)| (viewed, table.as_ref()));
        found.ok_or_else(|| ConnectorError::Interrupted("there is no such view".to_owned()))
    }

    async fn keys(
        &self,
        sql: &str,
        given: Given<'_>,
    ) -> Result<Vec<Sensitive<String>>, ConnectorError> {
        let rows = self.rows(sql, given).await?;
        Ok(rows.iter().map(|row| Sensitive::new(row.get(0))).collect())
    }

    async fn one(&self, sql: &str, given: Given<'_>) -> Result<Row, ConnectorError> {
        let rows = self.rows(sql, given).await?;
        let none = || ConnectorError::Interrupted("the database answered nothing".to_owned());
        rows.into_iter().next().ok_or_else(none)
    }

    async fn rows(&self, sql: &str, given: Given<'_>) -> Result<Vec<Row>, ConnectorError> {
        let connection = self.open()?;
        let prepared = connection.prepare_cached(sql).await;
        let prepared = prepared.map_err(|error| self.error(&error))?;
        let rows = connection.query(&prepared, given).await;
        rows.map_err(|error| self.error(&error))
    }

    async fn run(&self, sql: &str, given: Given<'_>) -> Result<(), ConnectorError> {
        let connection = self.open()?;
        let prepared = connection.prepare_cached(sql).await;
        let prepared = prepared.map_err(|error| self.error(&error))?;
        let done = connection.execute(&prepared, given).await;
        done.map(drop).map_err(|error| self.error(&error))
    }

    fn open(&self) -> Result<&Object, ConnectorError> {
        let gone = || ConnectorError::Interrupted("the round is over".to_owned());
        self.connection.as_ref().ok_or_else(gone)
    }

    fn error(&self, error: &Error) -> ConnectorError {
        failure::of_statement(
            &self.system,
            "filling the views",
            None::<&CollectionKey>,
            error,
        )
    }
}

fn exposed(keys: &[Sensitive<String>]) -> Vec<&String> {
    keys.iter().map(Sensitive::expose).collect()
}

type Columns<'r> = (Vec<&'r str>, Vec<i32>, Vec<String>);

fn columns(released: &[Released]) -> Columns<'_> {
    let forms = |one: &Released| {
        let forms: Vec<String> = one.forms.iter().map(ToString::to_string).collect();
        format!("{{{}}}", forms.join(","))
    };
    let cells = released.iter().map(|one| one.cell.as_str());
    let of = released.iter().map(|one| one.vector);
    (
        cells.collect(),
        of.collect(),
        released.iter().map(forms).collect(),
    )
}
