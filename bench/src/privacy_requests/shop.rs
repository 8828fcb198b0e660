//! The shop: its tables, who is in them, and what must be left of them when everything is over.

use anyhow::{Context as _, ensure};
use tokio_postgres::{Client, NoTls};

/// Rows of one customer over all tables.
pub(crate) const ROWS_EACH: u64 = 16;
/// Each table, and which of its rows are those of the customers numbered in `$1`.
const TABLES: [(&str, &str); 10] = [
    ("address", "id = ANY($1)"),
    ("customer", "id = ANY($1)"),
    ("payment_card", "customer_id = ANY($1)"),
    ("orders", "customer_id = ANY($1)"),
    ("order_item", "order_id / 2 = ANY($1)"),
    ("visit", "id / 2 = ANY($1)"),
    ("login", "id / 3 = ANY($1)"),
    ("employee", "id < 0 AND id = ANY($1)"),
    ("service_request", "id = ANY($1)"),
    ("report", "id = ANY($1)"),
];

/// A shop in a database of its own.
pub(crate) struct Shop {
    /// Its URL.
    pub(crate) url: String,
    pub(crate) customers: u64,
    client: Client,
}

impl Shop {
    /// Makes the database and everybody in it.
    pub(crate) async fn make(server: &str, customers: u64) -> anyhow::Result<Self> {
        let name = format!("shop_{customers}");
        connect(&format!("{server}/postgres"))
            .await?
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await?;
        let url = format!("{server}/{name}");
        let client = connect(&url).await?;
        client
            .batch_execute(&include_str!("shop.sql").replace("$customers", &customers.to_string()))
            .await
            .context("making the shop")?;
        client.batch_execute("VACUUM ANALYZE").await?;
        client.batch_execute("CHECKPOINT").await?;
        Ok(Self {
            url,
            customers,
            client,
        })
    }

    /// Adds one customer with ten times `scale` rows besides herself and her address, and answers her number.
    pub(crate) async fn add_whale(&self, scale: u64) -> anyhow::Result<u64> {
        let number = self.customers + 1;
        let sql = include_str!("whale.sql")
            .replace("$number", &number.to_string())
            .replace("$scale", &scale.to_string());
        self.client
            .batch_execute(&sql.replace("$first", &(number * 10).to_string()))
            .await
            .context("adding the largest subject")?;
        self.client.batch_execute("VACUUM ANALYZE").await?;
        self.client.batch_execute("CHECKPOINT").await?;
        Ok(number)
    }

    /// What the tables hold of everybody but these customers: rows and a sum of hashes of whole rows, by table.
    pub(crate) async fn others(&self, but: &[i64]) -> anyhow::Result<Vec<(i64, String)>> {
        let mut prints = Vec::new();
        for (table, theirs) in TABLES {
            let sql = format!(
                "SELECT count(*), coalesce(sum(hashtextextended({table}::text, 0)::numeric), 0)::text FROM {table} WHERE NOT ({theirs})"
            );
            let row = self.client.query_one(&sql, &[&but]).await?;
            prints.push((row.get(0), row.get(1)));
        }
        Ok(prints)
    }

    /// How many rows these customers have, by their numbers and by their addresses.
    pub(crate) async fn rows_of(&self, customers: &[i64]) -> anyhow::Result<u64> {
        let mut rows = 0;
        for (table, theirs) in TABLES {
            rows += self
                .count(
                    &format!("SELECT count(*) FROM {table} WHERE {theirs}"),
                    customers,
                )
                .await?;
        }
        Ok(rows)
    }

    /// How often these customers' addresses stand in any table.
    pub(crate) async fn mentions_of(&self, customers: &[i64]) -> anyhow::Result<u64> {
        let mut rows = 0;
        for table in ["customer", "visit", "service_request", "report", "employee"] {
            let sql = format!(
                "SELECT count(*) FROM {table} WHERE lower(email) IN (SELECT 'customer.' || n || '@example.org' FROM unnest($1::bigint[]) AS n)"
            );
            rows += self.count(&sql, customers).await?;
        }
        Ok(rows)
    }

    async fn count(&self, sql: &str, customers: &[i64]) -> anyhow::Result<u64> {
        Ok(u64::try_from(
            self.client
                .query_one(sql, &[&customers])
                .await?
                .get::<_, i64>(0),
        )?)
    }

    /// The age of the oldest transaction of somebody else's, in milliseconds.
    pub(crate) async fn oldest_transaction_ms(&self) -> anyhow::Result<f64> {
        const SQL: &str = "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 * 1000 FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        Ok(self.client.query_one(SQL, &[]).await?.get(0))
    }

    /// Fails unless these customers are gone and everybody else is as before.
    pub(crate) async fn check_erased(
        &self,
        gone: &[i64],
        before: &[(i64, String)],
    ) -> anyhow::Result<()> {
        let (rows, mentions) = (self.rows_of(gone).await?, self.mentions_of(gone).await?);
        ensure!(
            rows == 0 && mentions == 0,
            "{rows} rows and {mentions} mentions of erased subjects remain"
        );
        let after = self.others(gone).await?;
        for (((table, _), before), after) in TABLES.iter().zip(before).zip(&after) {
            ensure!(
                before == after,
                "`{table}` has changed for people who asked for nothing: {} rows before, {} after",
                before.0,
                after.0
            );
        }
        Ok(())
    }
}

/// How a customer writes her address; the shop has it in other letters.
pub(crate) fn email(customer: i64) -> String {
    format!("customer.{customer}@example.org")
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("reaching the throwaway PostgreSQL")?;
    tokio::spawn(connection);
    Ok(client)
}
