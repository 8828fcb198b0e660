//! The sales team's database: contacts by the shop's customer number, notes, calls and campaigns.

use std::path::Path;

use jiff::civil::Date;
use rusqlite::{Transaction, params};

use crate::customer::{Customer, Customers, MAYA, SPOUSE, days_before};
use crate::random::Random;
use crate::shop::{add, in_bulk};

const SCHEMA: &str = "
CREATE TABLE sales_rep (rep_id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE);
CREATE TABLE contact (
    contact_id TEXT PRIMARY KEY, customer_number INTEGER UNIQUE, full_name TEXT NOT NULL, email TEXT, phone TEXT,
    rep_id INTEGER NOT NULL REFERENCES sales_rep, lead_score INTEGER, guess TEXT);
CREATE TABLE note (
    note_id INTEGER PRIMARY KEY, contact_id TEXT NOT NULL REFERENCES contact, written_by INTEGER NOT NULL REFERENCES sales_rep, words TEXT NOT NULL, written_on TEXT NOT NULL);
CREATE TABLE call (
    call_id INTEGER PRIMARY KEY, contact_id TEXT NOT NULL REFERENCES contact, started_at TEXT NOT NULL, minutes INTEGER NOT NULL, summary TEXT);
CREATE TABLE campaign (campaign_id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE campaign_member (
    campaign_id INTEGER NOT NULL REFERENCES campaign, contact_id TEXT NOT NULL REFERENCES contact, opened INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, contact_id)) WITHOUT ROWID;
";

const INDEXES: &str = "
CREATE INDEX contact_email ON contact (email COLLATE NOCASE);
CREATE INDEX contact_rep ON contact (rep_id);
CREATE INDEX note_contact ON note (contact_id);
CREATE INDEX note_rep ON note (written_by);
CREATE INDEX call_contact ON call (contact_id);
CREATE INDEX campaign_member_contact ON campaign_member (contact_id);
";

const REPS: [(&str, &str); 5] = [
    ("Priya Nair", "priya"),
    ("Tom Abel", "tom"),
    ("Ines Duarte", "ines"),
    ("Oskar Lind", "oskar"),
    ("Faye Coleman", "faye"),
];
const CAMPAIGNS: [&str; 4] = [
    "Winter stollen",
    "Sourdough starter kit",
    "Win-back vouchers",
    "Bakers’ breakfast",
];

/// Makes the database.
///
/// # Errors
/// The file can't be written.
pub(crate) fn write(path: &Path, customers: &Customers, today: Date) -> anyhow::Result<()> {
    in_bulk(path, |tx| {
        tx.execute_batch(SCHEMA)?;
        for (number, (name, mailbox)) in (1..).zip(REPS) {
            tx.execute(
                "INSERT INTO sales_rep VALUES (?1, ?2, ?3)",
                params![number, name, format!("{mailbox}@hearth-and-crumb.example")],
            )?;
        }
        for (number, name) in (1..).zip(CAMPAIGNS) {
            tx.execute(
                "INSERT INTO campaign VALUES (?1, ?2)",
                params![number, name],
            )?;
        }
        let mut crm = Crm {
            tx,
            random: Random::of("crm"),
            today,
        };
        for customer in &customers.all {
            crm.contact(customer)?;
        }
        Ok(tx.execute_batch(INDEXES)?)
    })
}

struct Crm<'a> {
    tx: &'a Transaction<'a>,
    random: Random,
    today: Date,
}

impl Crm<'_> {
    fn contact(&mut self, customer: &Customer) -> anyhow::Result<()> {
        let always = matches!(customer.number, MAYA | SPOUSE);
        if !always && !self.random.happens(60) {
            return Ok(());
        }
        let id = format!("C-{:06}", customer.number * 7);
        // A third of them wrote their address by hand at a fair.
        let email = if customer.number % 3 == 2 {
            capitalised(&customer.email)
        } else {
            customer.email.clone()
        };
        let guess = self.random.pick(&[
            "household with children",
            "small business",
            "retired",
            "will pay for speed",
        ]);
        add(
            self.tx,
            "INSERT INTO contact VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                id,
                customer.number,
                customer.full_name(),
                email,
                customer.phone,
                1 + self.random.below(5),
                self.random.below(100),
                guess
            ],
        )?;
        let (notes, calls) = if customer.number == MAYA {
            (3, 2)
        } else {
            (self.random.below(3), self.random.below(2))
        };
        (0..notes).try_for_each(|_| self.note(&id, customer))?;
        (0..calls).try_for_each(|_| self.call(&id, customer))?;
        let first = self.random.below(4);
        for campaign in 0..(1 + self.random.below(2)) {
            add(
                self.tx,
                "INSERT INTO campaign_member VALUES (?1, ?2, ?3)",
                params![1 + (first + campaign) % 4, id, self.random.below(2)],
            )?;
        }
        Ok(())
    }

    fn note(&mut self, contact: &str, customer: &Customer) -> anyhow::Result<()> {
        let words = self.random.pick(&[
            "asked for a price by the pallet",
            "moves house in spring",
            "angry about a torn bag, sent a voucher",
            "bakes for the school fair; mentioned a nut allergy in the family",
        ]);
        let written_on = days_before(self.today, self.random.below(1_500)).to_string();
        add(
            self.tx,
            "INSERT INTO note (contact_id, written_by, words, written_on) VALUES (?1, ?2, ?3, ?4)",
            params![
                contact,
                1 + self.random.below(5),
                format!("{} {words}", customer.first_name),
                written_on
            ],
        )
    }

    fn call(&mut self, contact: &str, customer: &Customer) -> anyhow::Result<()> {
        let started_at = format!(
            "{}T{:02}:15:00Z",
            days_before(self.today, self.random.below(700)),
            9 + self.random.below(9)
        );
        let summary = format!(
            "{} ({}) wants to be called after five",
            customer.full_name(),
            customer.phone
        );
        add(
            self.tx,
            "INSERT INTO call (contact_id, started_at, minutes, summary) VALUES (?1, ?2, ?3, ?4)",
            params![contact, started_at, 1 + self.random.below(25), summary],
        )
    }
}

/// `grace.hale.1@example.com` as people write it by hand: `Grace.Hale.1@example.com`.
fn capitalised(email: &str) -> String {
    let (local, host) = email.split_once('@').unwrap_or((email, "example.com"));
    let words: Vec<String> = local
        .split('.')
        .map(|word| {
            word.chars()
                .take(1)
                .flat_map(char::to_uppercase)
                .chain(word.chars().skip(1))
                .collect()
        })
        .collect();
    format!("{}@{host}", words.join("."))
}
