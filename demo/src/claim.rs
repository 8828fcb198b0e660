//! What the story claims is looked up where it happened: in the business's databases by SQL, and at its vendors by HTTP.
//! INVARIANT: nothing here asks Privity, which would be its own witness.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use anyhow::Context as _;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, params};
use serde::de::DeserializeOwned;

use crate::business::Business;
use crate::customer::Customer;
use crate::help_desk::{HelpDesk, MAYA_AT_WORK, Message, Ticket};
use crate::parcel_post::Shipment;
use crate::shop::card_number;
use crate::sweet_leads::Lead;

/// Keys of rows by `dataset.collection`.
pub type Keys = BTreeMap<String, BTreeSet<String>>;
/// A hash of every row by `dataset.collection` and key.
pub type Fingerprint = BTreeMap<String, BTreeMap<String, u64>>;

/// Which rows are a customer's, as somebody would find out who knows the shop's tables.
const SHOP: [(&str, &str); 10] = [
    (
        "shop.customer",
        "SELECT customer_id FROM customer, she WHERE customer_id = number",
    ),
    (
        "shop.customer_address",
        "SELECT customer_id, address_id FROM customer_address, she WHERE customer_id = number",
    ),
    (
        "shop.address",
        "SELECT address_id FROM address, she WHERE address_id IN (SELECT address_id FROM customer_address WHERE customer_id = number UNION SELECT ship_to FROM orders WHERE customer_id = number)",
    ),
    (
        "shop.payment_card",
        "SELECT card_id FROM payment_card, she WHERE customer_id = number",
    ),
    (
        "shop.orders",
        "SELECT order_id FROM orders, she WHERE customer_id = number",
    ),
    (
        "shop.order_item",
        "SELECT order_id, line FROM order_item JOIN orders USING (order_id), she WHERE customer_id = number",
    ),
    (
        "shop.invoice",
        "SELECT invoice_id FROM invoice, she WHERE customer_id = number",
    ),
    (
        "shop.review",
        "SELECT review_id FROM review, she WHERE customer_id = number",
    ),
    (
        "shop.login",
        "SELECT login_id FROM login, she WHERE customer_id = number",
    ),
    (
        "shop.newsletter",
        "SELECT newsletter.email FROM newsletter, she WHERE lower(newsletter.email) = lower(she.email)",
    ),
];

/// The same for the sales team's tables.
const CRM: [(&str, &str); 4] = [
    (
        "crm.contact",
        "SELECT contact_id FROM contact, she WHERE customer_number = number",
    ),
    (
        "crm.note",
        "SELECT note_id FROM note JOIN contact USING (contact_id), she WHERE customer_number = number",
    ),
    (
        "crm.call",
        "SELECT call_id FROM call JOIN contact USING (contact_id), she WHERE customer_number = number",
    ),
    (
        "crm.campaign_member",
        "SELECT campaign_id, contact_id FROM campaign_member JOIN contact USING (contact_id), she WHERE customer_number = number",
    ),
];

/// Asks the vendors and the help desk.
pub struct Witness<'a> {
    business: &'a Business,
    client: reqwest::Client,
}

impl<'a> Witness<'a> {
    /// A witness for this business.
    pub fn new(business: &'a Business) -> Self {
        Self {
            business,
            client: reqwest::Client::new(),
        }
    }

    /// Every row of a customer in all systems.
    ///
    /// # Errors
    /// A database or the help desk does not answer.
    pub async fn rows_of(&self, customer: &Customer) -> anyhow::Result<Keys> {
        let mut keys = rows_in(&self.business.shop, &SHOP, customer)?;
        keys.extend(rows_in(&self.business.crm, &CRM, customer)?);
        let tickets = self.tickets().await?;
        let is_hers = |ticket: &&Ticket| {
            ticket.customer_number == Some(customer.number)
                || ticket.requester.email.eq_ignore_ascii_case(&customer.email)
        };
        let hers: BTreeSet<u32> = tickets
            .iter()
            .filter(is_hers)
            .map(|ticket| ticket.id)
            .collect();
        let messages = self
            .messages()
            .await?
            .into_iter()
            .filter(|message| hers.contains(&message.ticket_id))
            .map(|message| message.id);
        keys.insert("help_desk.messages".to_owned(), messages.collect());
        keys.insert(
            "help_desk.tickets".to_owned(),
            hers.iter().map(ToString::to_string).collect(),
        );
        keys.retain(|_, keys| !keys.is_empty());
        Ok(keys)
    }

    /// Every row of everybody, as hashes.
    ///
    /// # Errors
    /// A database or the help desk does not answer.
    pub async fn fingerprint(&self) -> anyhow::Result<Fingerprint> {
        let mut all = self.in_both(fingerprint_of).await?;
        let tickets = self
            .tickets()
            .await?
            .into_iter()
            .map(|ticket| (ticket.id.to_string(), hash_of(&format!("{ticket:?}"))));
        let messages = self
            .messages()
            .await?
            .into_iter()
            .map(|message| (message.id.clone(), hash_of(&format!("{message:?}"))));
        all.insert("help_desk.tickets".to_owned(), tickets.collect());
        all.insert("help_desk.messages".to_owned(), messages.collect());
        Ok(all)
    }

    /// Where in the databases and at the help desk any of these texts stands, as `dataset.collection.field` with the number of rows.
    ///
    /// # Errors
    /// A database or the help desk does not answer.
    pub async fn traces(&self, texts: &[String]) -> anyhow::Result<BTreeMap<String, u64>> {
        let wanted = texts.to_vec();
        let mut found = self
            .in_both(move |dataset, path| traces_in(dataset, path, &wanted))
            .await?;
        let tickets = self
            .tickets()
            .await?
            .into_iter()
            .filter(|ticket| holds_any(&format!("{ticket:?}"), texts))
            .count();
        let messages = self
            .messages()
            .await?
            .into_iter()
            .filter(|message| holds_any(&format!("{message:?}"), texts))
            .count();
        found.insert("help_desk.tickets".to_owned(), tickets as u64);
        found.insert("help_desk.messages".to_owned(), messages as u64);
        found.retain(|_, rows| *rows > 0);
        Ok(found)
    }

    /// What Parcel Post holds about somebody.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn shipments_of(&self, email: &str) -> anyhow::Result<Vec<Shipment>> {
        self.ask(
            &format!("{}/shipments", self.business.parcel_post.url),
            email,
        )
        .await
    }

    /// What Sweet Leads holds about somebody.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn leads_of(&self, email: &str) -> anyhow::Result<Vec<Lead>> {
        self.ask(&format!("{}/leads", self.business.sweet_leads.url), email)
            .await
    }

    async fn ask<T: DeserializeOwned>(&self, url: &str, email: &str) -> anyhow::Result<T> {
        Ok(self
            .client
            .get(url)
            .query(&[("email", email)])
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?)
    }

    /// Reads both databases at once, on threads that may block.
    async fn in_both<T: Send + 'static>(
        &self,
        read: impl Fn(&str, &Path) -> anyhow::Result<BTreeMap<String, T>> + Clone + Send + 'static,
    ) -> anyhow::Result<BTreeMap<String, T>> {
        let (shop, crm) = (self.business.shop.clone(), self.business.crm.clone());
        let read_too = read.clone();
        let shop = tokio::task::spawn_blocking(move || read("shop", &shop));
        let crm = tokio::task::spawn_blocking(move || read_too("crm", &crm));
        let mut all = shop.await??;
        all.extend(crm.await??);
        Ok(all)
    }

    async fn tickets(&self) -> anyhow::Result<Vec<Ticket>> {
        self.all("tickets").await
    }

    async fn messages(&self) -> anyhow::Result<Vec<Message>> {
        self.all("messages").await
    }

    /// All pages of one of the help desk's lists.
    async fn all<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Vec<T>> {
        let HelpDesk { url, token } = &self.business.help_desk;
        let mut all = Vec::new();
        for page in 1.. {
            let request = self
                .client
                .get(format!("{url}/api/v1/{name}?per_page=200&page={page}"))
                .bearer_auth(token);
            let mut answer: serde_json::Value =
                request.send().await?.error_for_status()?.json().await?;
            let part: Vec<T> = serde_json::from_value(
                answer
                    .get_mut(name)
                    .context("the help desk's answer has no list")?
                    .take(),
            )?;
            if part.is_empty() {
                break;
            }
            all.extend(part);
        }
        Ok(all)
    }
}

/// What tells a customer from everybody else: each must be found nowhere once she is forgotten, but where something has to stay.
pub fn texts_of(customer: &Customer) -> Vec<String> {
    let mut texts = vec![
        customer.email.clone(),
        customer.full_name(),
        customer.phone.clone(),
        card_number(customer.number),
    ];
    if customer.number == crate::customer::MAYA {
        texts.push(MAYA_AT_WORK.to_owned());
    }
    texts
}

/// Rows that are not as they were: gone, new or changed.
pub fn changed(before: &Fingerprint, after: &Fingerprint) -> Keys {
    let nothing = BTreeMap::new();
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changed = Keys::new();
    for name in names {
        let (before, after) = (
            before.get(name).unwrap_or(&nothing),
            after.get(name).unwrap_or(&nothing),
        );
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let different: BTreeSet<String> = keys
            .into_iter()
            .filter(|key| before.get(*key) != after.get(*key))
            .cloned()
            .collect();
        if !different.is_empty() {
            changed.insert(name.clone(), different);
        }
    }
    changed
}

/// Files below a folder in which any of the texts stands in the clear.
///
/// # Errors
/// A file can't be read.
pub fn files_with(paths: &[std::path::PathBuf], texts: &[String]) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for path in paths {
        let bytes =
            std::fs::read(path).with_context(|| format!("`{}` can't be read", path.display()))?;
        if holds_any(&String::from_utf8_lossy(&bytes), texts) {
            found.push(path.display().to_string());
        }
    }
    Ok(found)
}

/// How many rows of each collection.
pub fn counts(keys: &Keys) -> BTreeMap<String, u64> {
    keys.iter()
        .map(|(name, keys)| (name.clone(), keys.len() as u64))
        .collect()
}

/// The overwritten row of a customer whose invoices must stay: the texts that are still in it.
///
/// # Errors
/// The shop's database does not answer.
pub fn account(business: &Business, customer: &Customer) -> anyhow::Result<Vec<String>> {
    let shop = open(&business.shop)?;
    let texts = |row: &Row<'_>| {
        (0..6)
            .map(|column| Ok(text_of(row.get_ref(column)?)))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(shop.query_row("SELECT email, first_name, last_name, phone, birth_date, taste FROM customer WHERE customer_id = ?1", params![customer.number], texts)?)
}

/// Whether a text holds any of the others, in whatever case.
pub fn holds_any(text: &str, texts: &[String]) -> bool {
    let text = text.to_lowercase();
    texts
        .iter()
        .any(|wanted| text.contains(&wanted.to_lowercase()))
}

fn open(path: &Path) -> anyhow::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("`{}` can't be opened", path.display()))
}

fn rows_in(path: &Path, queries: &[(&str, &str)], customer: &Customer) -> anyhow::Result<Keys> {
    let database = open(path)?;
    let mut keys = Keys::new();
    for (name, sql) in queries {
        let mut statement = database.prepare(&format!(
            "WITH she (number, email) AS (VALUES (?1, ?2)) {sql}"
        ))?;
        let width = statement.column_count();
        let found = statement.query_map(params![customer.number, customer.email], |row| {
            key_of(row, &(0..width).collect::<Vec<_>>())
        })?;
        keys.insert((*name).to_owned(), found.collect::<Result<_, _>>()?);
    }
    Ok(keys)
}

fn key_of(row: &Row<'_>, columns: &[usize]) -> rusqlite::Result<String> {
    let texts: rusqlite::Result<Vec<String>> = columns
        .iter()
        .map(|column| Ok(text_of(row.get_ref(*column)?)))
        .collect();
    Ok(texts?.join("|"))
}

pub(crate) fn text_of(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
    }
}

/// A table's name, its columns and, among them, those of its primary key.
type Table = (String, Vec<String>, Vec<usize>);

/// The tables of a database.
fn tables(database: &Connection) -> anyhow::Result<Vec<Table>> {
    let mut names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")?;
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut tables = Vec::new();
    for name in names {
        let mut statement =
            database.prepare("SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid")?;
        let columns: Vec<(String, u32)> = statement
            .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut key: Vec<(u32, usize)> = columns
            .iter()
            .enumerate()
            .filter(|(_, (_, pk))| *pk > 0)
            .map(|(place, (_, pk))| (*pk, place))
            .collect();
        key.sort_unstable();
        tables.push((
            name,
            columns.into_iter().map(|(name, _)| name).collect(),
            key.into_iter().map(|(_, place)| place).collect(),
        ));
    }
    Ok(tables)
}

fn fingerprint_of(dataset: &str, path: &Path) -> anyhow::Result<Fingerprint> {
    let database = open(path)?;
    let mut all = Fingerprint::new();
    for (name, columns, key) in tables(&database)? {
        let mut statement = database.prepare(&format!("SELECT * FROM {name}"))?;
        let rows = statement.query_map([], |row| {
            let mut hasher = DefaultHasher::new();
            (0..columns.len()).try_for_each(|column| {
                row.get_ref(column)
                    .map(|value| (value.data_type().to_string(), text_of(value)).hash(&mut hasher))
            })?;
            Ok((key_of(row, &key)?, hasher.finish()))
        })?;
        all.insert(format!("{dataset}.{name}"), rows.collect::<Result<_, _>>()?);
    }
    Ok(all)
}

pub(crate) fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn traces_in(
    dataset: &str,
    path: &Path,
    texts: &[String],
) -> anyhow::Result<BTreeMap<String, u64>> {
    let database = open(path)?;
    let mut found = BTreeMap::new();
    for (name, columns, _) in tables(&database)? {
        let whole_row = columns
            .iter()
            .map(|column| format!("coalesce({column}, '')"))
            .collect::<Vec<_>>()
            .join(" || char(1) || ");
        if count(&database, &name, &whole_row, texts)? == 0 {
            continue;
        }
        for column in columns {
            found.insert(
                format!("{dataset}.{name}.{column}"),
                count(&database, &name, &format!("coalesce({column}, '')"), texts)?,
            );
        }
    }
    Ok(found)
}

/// Rows in which an expression holds any of the texts. The limit makes SQLite work the expression out once for each row.
fn count(
    database: &Connection,
    table: &str,
    expression: &str,
    texts: &[String],
) -> anyhow::Result<u64> {
    let wanted = (1..=texts.len())
        .map(|place| format!("instr(it, lower(?{place})) > 0"))
        .collect::<Vec<_>>()
        .join(" OR ");
    let sql = format!(
        "SELECT count(*) FROM (SELECT lower({expression}) AS it FROM {table} LIMIT -1) WHERE {wanted}"
    );
    Ok(u64::try_from(database.query_row(
        &sql,
        rusqlite::params_from_iter(texts),
        |row| row.get::<_, i64>(0),
    )?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_gone_new_or_different_is_changed() {
        let rows = |rows: &[(&str, u64)]| {
            Fingerprint::from([(
                "a.b".to_owned(),
                rows.iter()
                    .map(|(key, hash)| ((*key).to_owned(), *hash))
                    .collect(),
            )])
        };
        let different = changed(
            &rows(&[("1", 1), ("2", 2), ("3", 3)]),
            &rows(&[("1", 1), ("2", 9), ("4", 4)]),
        );
        assert_eq!(
            different,
            Keys::from([("a.b".to_owned(), ["2", "3", "4"].map(str::to_owned).into())])
        );
    }
}
