//! The ledger of disclosures: who has what of whom, one row for all disclosures that were alike, while the audit log keeps each.
//!
//! Law: Civ. Code 1798.105(c)(1), 1798.130(a)(2)(B); 11 CCR 7022(b)-(c), 7026(f); GDPR Art. 15(1)(c), 19. Ids, keys and counts; no value.
//! INVARIANT: rows change only in transactions that hold the audit log's end, so that no two wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Hash, Pending};
use domain::data_map::RecipientKey;
use domain::id::SubjectId;
use domain::purpose_of_use::PurposeKey;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// What the ledger is told of one decision, beside its record in the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The place of its record among those that are appended with it.
    pub record: usize,
    /// The canonical subject; `None` when nothing went out.
    pub subject: Option<SubjectId>,
    /// Who asked.
    pub recipient: RecipientKey,
    /// What for.
    pub purpose: PurposeKey,
    /// Hash of the attributes by the form in which they went out.
    pub attributes: Hash,
    /// The same written out as JSON, when it may not be known yet.
    pub written: Option<String>,
    /// Whether that was a sale or a sharing, and what for.
    pub sale: Sale,
    /// When.
    pub at: Timestamp,
}

/// Whether data was sold or shared (Civ. Code 1798.140(ad), (ah)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sale {
    /// Sold: for money or anything of value.
    pub sold: bool,
    /// Shared for cross-context behavioural advertising.
    pub shared: bool,
    /// What the business gets for it, in its own words.
    pub consideration: Option<String>,
}

/// One row: what one recipient got of one subject for one purpose, in one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The subject as she stood then.
    pub subject: SubjectId,
    /// Who got it.
    pub recipient: RecipientKey,
    /// What for.
    pub purpose: PurposeKey,
    /// Hash of the attributes.
    pub attributes: Hash,
    /// The attributes by the form in which they went out: `keep`, `mask`, …, and `withheld`.
    pub names: AttributeLists,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
    /// How often.
    pub times: u64,
    /// Whether it was ever sold or shared.
    pub sale: Sale,
    /// The audit log's record of the last time.
    pub last_sequence: u64,
}

/// Names of attributes by the form in which they went out.
pub type AttributeLists = BTreeMap<String, Vec<String>>;

/// How often a recipient asked for something since a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who asked.
    pub recipient: RecipientKey,
    /// What for.
    pub purpose: PurposeKey,
    /// For which attributes, by what became of them.
    pub names: AttributeLists,
    /// How often.
    pub times: u64,
}

/// Where a walk over the whole ledger goes on.
pub type Place = (SubjectId, String, String, Hash);

type Key<'n> = (SubjectId, &'n str, &'n str, &'n [u8; 32]);

/// Enters decisions whose records were appended in the same transaction.
pub fn enter(tx: &mut Tx, pending: &Pending, noted: &[Noted]) -> Result<(), Error> {
    let sets = sets_to_insert(noted);
    let entries = entries_to_save(pending, noted);
    let asked = asked_to_save(noted);
    let statements = [sets, entries, asked];
    let statements: Vec<_> = statements
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .collect();
    if statements.is_empty() {
        return Ok(());
    }
    tx.execute_all(&statements)
}

/// A statement and the sets of values that it runs over.
type Statement = (&'static str, Vec<Vec<Value>>);

fn sets_to_insert(noted: &[Noted]) -> Statement {
    let sql = "-- insert attribute_set
        INSERT INTO attribute_set (hash, attributes) SELECT column1, column2
        FROM (VALUES (?1 /* BYTEA */, ?2 /* TEXT */)) AS given WHERE TRUE ON CONFLICT DO NOTHING";
    let written = noted
        .iter()
        .filter_map(|one| Some((one.attributes.0, one.written.as_ref()?)));
    let written: BTreeMap<_, _> = written.collect();
    let values = |(hash, text): ([u8; 32], &String)| vec![hash.into(), text.into()];
    (sql, written.into_iter().map(values).collect())
}

/// One upsert for each key: the same row must not be named twice.
fn entries_to_save(pending: &Pending, noted: &[Noted]) -> Statement {
    let sql = "-- save ledger
        INSERT INTO ledger (subject_id, recipient, purpose, attribute_set, first_at, last_at, times, sold, shared, consideration, last_sequence)
        SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11
        FROM (VALUES (?1 /* BYTEA */, ?2 /* TEXT */, ?3 /* TEXT */, ?4 /* BYTEA */, ?5 /* BIGINT */, ?6 /* BIGINT */, ?7 /* BIGINT */, ?8 /* BIGINT */, ?9 /* BIGINT */, ?10 /* TEXT */, ?11 /* BIGINT */)) AS given WHERE TRUE
        ON CONFLICT (subject_id, recipient, purpose, attribute_set) DO UPDATE SET
            last_at = CASE WHEN excluded.last_at > ledger.last_at THEN excluded.last_at ELSE ledger.last_at END,
            times = ledger.times + excluded.times,
            sold = CASE WHEN excluded.sold + ledger.sold > 0 THEN 1 ELSE 0 END,
            shared = CASE WHEN excluded.shared + ledger.shared > 0 THEN 1 ELSE 0 END,
            consideration = COALESCE(excluded.consideration, ledger.consideration),
            last_sequence = excluded.last_sequence";
    let mut joined: BTreeMap<Key<'_>, (&Noted, &Noted, u64, u64)> = BTreeMap::new();
    for one in noted {
        let entry = pending.entries().get(one.record);
        let (Some(subject), Some(entry)) = (one.subject, entry) else {
            continue;
        };
        let key = (
            subject,
            one.recipient.as_ref(),
            one.purpose.as_ref(),
            &one.attributes.0,
        );
        let row = joined.entry(key).or_insert((one, one, 0, 0));
        *row = (row.0, one, row.2 + 1, entry.record.sequence);
    }
    let values = joined
        .into_iter()
        .map(|(key, (first, last, times, sequence))| {
            vec![
                Value::id(key.0),
                key.1.into(),
                key.2.into(),
                (*key.3).into(),
                first.at.into(),
                last.at.into(),
                times.into(),
                last.sale.sold.into(),
                last.sale.shared.into(),
                last.sale.consideration.clone().into(),
                sequence.into(),
            ]
        });
    (sql, values.collect())
}

fn asked_to_save(noted: &[Noted]) -> Statement {
    let sql = "-- count asked
        INSERT INTO asked (day, recipient, purpose, attribute_set, times) SELECT column1, column2, column3, column4, column5
        FROM (VALUES (?1 /* TEXT */, ?2 /* TEXT */, ?3 /* TEXT */, ?4 /* BYTEA */, ?5 /* BIGINT */)) AS given WHERE TRUE
        ON CONFLICT (day, recipient, purpose, attribute_set) DO UPDATE SET times = asked.times + excluded.times";
    let mut joined: BTreeMap<_, u64> = BTreeMap::new();
    for one in noted {
        let day = one.at.to_zoned(TimeZone::UTC).date();
        let who = (one.recipient.as_ref(), one.purpose.as_ref());
        *joined.entry((day, who, one.attributes.0)).or_default() += 1;
    }
    let values = joined.into_iter().map(|((day, who, hash), times)| {
        vec![
            day.into(),
            who.0.into(),
            who.1.into(),
            hash.into(),
            times.into(),
        ]
    });
    (sql, values.collect())
}

const COLUMNS: &str = "l.subject_id, l.recipient, l.purpose, l.attribute_set, l.first_at, l.last_at, l.times, l.sold, l.shared, \
    l.consideration, l.last_sequence, s.attributes";

/// Everything that went out of these subjects, in the order of the key.
pub fn of_subjects(tx: &mut Tx, subjects: &BTreeSet<SubjectId>) -> Result<Vec<Entry>, Error> {
    let sql = format!(
        "-- list ledger
        SELECT {COLUMNS} FROM (VALUES (?1 /* BYTEA */)) AS given
        JOIN ledger l ON l.subject_id = given.column1 JOIN attribute_set s ON s.hash = l.attribute_set"
    );
    let sets: Vec<_> = subjects.iter().map(|id| vec![Value::id(*id)]).collect();
    let rows = tx.query_given(&sql, &sets)?;
    let mut entries: Vec<_> = rows.iter().map(entry).collect::<Result<_, _>>()?;
    entries.sort_by_cached_key(place);
    Ok(entries)
}

/// Entries after a place, in the order of the key: for work that passes over all.
pub fn walk(tx: &mut Tx, after: Option<&Place>, limit: u32) -> Result<Vec<Entry>, Error> {
    let sql = format!(
        "-- walk ledger
        SELECT {COLUMNS} FROM ledger l JOIN attribute_set s ON s.hash = l.attribute_set
        WHERE (l.subject_id, l.recipient, l.purpose, l.attribute_set) > (?1, ?2, ?3, ?4)
        ORDER BY l.subject_id, l.recipient, l.purpose, l.attribute_set LIMIT ?5"
    );
    let values = match after {
        None => [
            Value::Bytes(Vec::new()),
            "".into(),
            "".into(),
            Value::Bytes(Vec::new()),
            limit.into(),
        ],
        Some((subject, recipient, purpose, hash)) => [
            Value::id(*subject),
            recipient.into(),
            purpose.into(),
            hash.0.into(),
            limit.into(),
        ],
    };
    tx.query(&sql, &values)?.iter().map(entry).collect()
}

/// The place of an entry in the order of the key.
pub fn place(entry: &Entry) -> Place {
    (
        entry.subject,
        entry.recipient.to_string(),
        entry.purpose.to_string(),
        entry.attributes,
    )
}

/// What went out of one subject went out of the others as well: they were one when it did.
pub fn copy(tx: &mut Tx, from: SubjectId, to: &BTreeSet<SubjectId>) -> Result<u64, Error> {
    let sql = "-- copy ledger
        INSERT INTO ledger (subject_id, recipient, purpose, attribute_set, first_at, last_at, times, sold, shared, consideration, last_sequence)
        SELECT given.column1, l.recipient, l.purpose, l.attribute_set, l.first_at, l.last_at, l.times, l.sold, l.shared, l.consideration, l.last_sequence
        FROM (VALUES (?1 /* BYTEA */, ?2 /* BYTEA */)) AS given JOIN ledger l ON l.subject_id = given.column2
        WHERE TRUE ON CONFLICT DO NOTHING";
    let sets: Vec<_> = to
        .iter()
        .map(|id| vec![Value::id(*id), Value::id(from)])
        .collect();
    tx.execute_many(sql, &sets)
}

/// Says until when the entries of subjects who were forgotten are kept.
pub fn end(tx: &mut Tx, subjects: &BTreeSet<SubjectId>, at: Timestamp) -> Result<u64, Error> {
    let sql = "-- end ledger\nUPDATE ledger SET ends_at = ?2 WHERE subject_id = ?1";
    let sets: Vec<_> = subjects
        .iter()
        .map(|id| vec![Value::id(*id), at.into()])
        .collect();
    tx.execute_many(sql, &sets)
}

/// Removes what was kept until a moment, and days before one. Answers how many entries went.
pub fn remove_ended(tx: &mut Tx, now: Timestamp, since: Timestamp) -> Result<u64, Error> {
    let day = since.to_zoned(TimeZone::UTC).date();
    tx.execute(
        "-- remove old asked\nDELETE FROM asked WHERE day < ?1",
        &[day.into()],
    )?;
    tx.execute(
        "-- remove ended ledger\nDELETE FROM ledger WHERE ends_at <= ?1",
        &[now.into()],
    )
}

/// What was asked since a day, by recipient and purpose.
pub fn asked_since(tx: &mut Tx, since: Timestamp) -> Result<Vec<Asked>, Error> {
    let sql = "-- list asked
        SELECT a.recipient, a.purpose, s.attributes, CAST(SUM(a.times) AS BIGINT) AS times FROM asked a
        JOIN attribute_set s ON s.hash = a.attribute_set
        WHERE a.day >= ?1 GROUP BY a.recipient, a.purpose, s.hash, s.attributes ORDER BY a.recipient, a.purpose, s.hash";
    let day = since.to_zoned(TimeZone::UTC).date();
    let rows = tx.query(sql, &[day.into()])?;
    rows.iter()
        .map(|row| {
            Ok(Asked {
                recipient: row.text("recipient")?.into(),
                purpose: row.text("purpose")?.into(),
                names: row.json("attributes")?,
                times: row.count("times")?,
            })
        })
        .collect()
}

fn entry(row: &Row) -> Result<Entry, Error> {
    Ok(Entry {
        subject: row.id("subject_id")?,
        recipient: row.text("recipient")?.into(),
        purpose: row.text("purpose")?.into(),
        attributes: Hash(row.hash("attribute_set")?),
        names: row.json("attributes")?,
        first_at: row.time("first_at")?,
        last_at: row.time("last_at")?,
        times: row.count("times")?,
        sale: Sale {
            sold: row.flag("sold")?,
            shared: row.flag("shared")?,
            consideration: row.opt_text("consideration")?.map(str::to_owned),
        },
        last_sequence: row.count("last_sequence")?,
    })
}
