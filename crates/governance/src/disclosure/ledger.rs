//! The ledger of disclosures: who has what of whom, for the subject, for operators, and for telling whoever got data to delete it or to stop.
//!
//! Law: Civ. Code 1798.130(a)(2)(B), 1798.105(c)(1); 11 CCR 7022(b)-(c), 7026(f)(2); GDPR Art. 15(1)(c), 19. Decision:
//! docs/decisions/015-the-ledger-of-disclosures.md.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::{IdentifierKind, RecipientKey};
use domain::id::SubjectId;
use domain::identity::IdentifierTag;
use domain::plan::DisclosedTo;
use domain::purpose_of_use::{PurposeKey, UseKind};
use domain::sensitive::Sensitive;
use domain::traversal::Located;
use jiff::Timestamp;
use serde::Serialize;
use storage::ledger::{AttributeLists, Entry, Place, Sale};
use storage::{Tx, identifier, subject};

use crate::profile::read::tags_of;
use crate::{Privity, Problem};

/// Entries that an export reads at a time.
const AT_ONCE: u32 = 500;

/// What went to one recipient of one subject for one purpose in one form, as operators see it and as exports have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerLine {
    /// The subject as she stood then, `sub_…`.
    pub subject: SubjectId,
    /// Key of the recipient.
    pub recipient: RecipientKey,
    /// Key of the purpose.
    pub purpose: PurposeKey,
    /// Keys of the attributes by the form in which they went out: `keep`, `generalise`, `mask`, `token`, `null`.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
    /// How often.
    pub times: u64,
    /// Whether it was ever sold (Civ. Code 1798.140(ad)).
    pub sold: bool,
    /// Whether it was ever shared for advertising (Civ. Code 1798.140(ah)).
    pub shared: bool,
    /// What the business got for it, in its own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consideration: Option<String>,
    /// The audit log's record of the last time.
    pub last_sequence: u64,
}

/// The whole ledger on its way into a file.
pub struct LedgerExport {
    privity: Privity,
    after: Option<Place>,
}

/// Whether what goes to a recipient for a purpose is sold or shared: both the recipient and the purpose say so.
pub(super) fn sale_of(p: &Privity, recipient: &RecipientKey, purpose: &PurposeKey) -> Sale {
    let (Some(recipient), Some(purpose)) =
        (p.map().recipients.get(recipient), p.purposes().get(purpose))
    else {
        return Sale::default();
    };
    let sold = recipient.sold && purpose.uses.contains(&UseKind::Sale);
    let shared = recipient.shared && purpose.uses.contains(&UseKind::Sharing);
    let consideration = recipient.consideration.clone();
    Sale {
        sold,
        shared,
        consideration: consideration.filter(|_| sold || shared),
    }
}

/// Who has what of a subject, by the id of any of her records; those that were merged count together. Also of one who was forgotten, as long
/// as the ledger keeps it. That somebody looked is recorded before it is shown.
///
/// # Errors
/// Our database doesn't answer; nothing is shown then.
pub async fn of_subject(
    p: &Privity,
    subject: SubjectId,
    by: Actor,
) -> Result<Vec<LedgerLine>, Problem> {
    let read = p.read_few("read ledger of subject", move |tx| {
        entries(tx, &[subject].into())
    });
    let lines: Vec<_> = read.await?.into_iter().map(line).collect();
    let record = NewRecord::new(p.now(), by, Action::LedgerShown)
        .with("subject", subject.to_string())
        .with("count", lines.len());
    p.append(vec![record]).await?;
    Ok(lines)
}

impl LedgerExport {
    /// Begins at the first line. Who takes the ledger away, and in which format, is recorded before.
    ///
    /// # Errors
    /// Our database doesn't answer.
    pub async fn begin(p: &Privity, format: &str, by: Actor) -> Result<Self, Problem> {
        let record = NewRecord::new(p.now(), by, Action::LedgerExported).with("form", format);
        p.append(vec![record]).await?;
        Ok(Self {
            privity: p.clone(),
            after: None,
        })
    }

    /// The next lines; none at the end.
    ///
    /// # Errors
    /// Our database doesn't answer.
    pub async fn next_lines(&mut self) -> Result<Vec<LedgerLine>, Problem> {
        let after = self.after.clone();
        let read = self.privity.read("walk ledger", move |tx| {
            Ok(storage::ledger::walk(tx, after.as_ref(), AT_ONCE)?)
        });
        let entries = read.await?;
        if let Some(last) = entries.last() {
            self.after = Some(storage::ledger::place(last));
        }
        Ok(entries.into_iter().map(line).collect())
    }
}

/// The entries of all records that are one with these.
fn entries(tx: &mut Tx, ids: &BTreeSet<SubjectId>) -> Result<Vec<Entry>, Problem> {
    let known = subject::get_many(tx, ids)?;
    let canonical: BTreeSet<_> = known
        .iter()
        .map(subject::StoredSubject::stands_for)
        .collect();
    let members = subject::members(tx, &canonical)?;
    let mut all: BTreeSet<_> = members.iter().map(|member| member.id).collect();
    all.extend(ids);
    all.extend(canonical);
    Ok(storage::ledger::of_subjects(tx, &all)?)
}

fn line(entry: Entry) -> LedgerLine {
    LedgerLine {
        subject: entry.subject,
        recipient: entry.recipient,
        purpose: entry.purpose,
        attributes: went_out(entry.names),
        first_at: entry.first_at,
        last_at: entry.last_at,
        times: entry.times,
        sold: entry.sale.sold,
        shared: entry.sale.shared,
        consideration: entry.sale.consideration,
        last_sequence: entry.last_sequence,
    }
}

/// Keys of what went out, by form; `profile:email` is `email` here.
fn went_out(names: AttributeLists) -> BTreeMap<String, Vec<String>> {
    let forms = names.into_iter().filter(|(form, _)| form != WITHHELD);
    forms
        .map(|(form, names)| (form, names.iter().map(|name| key_of(name)).collect()))
        .collect()
}

pub(super) const WITHHELD: &str = "withheld";

pub(super) fn key_of(name: &str) -> String {
    name.strip_prefix("profile:").unwrap_or(name).to_owned()
}

/// Who got data of each of these subjects, who are known by identifiers alone: for their privacy requests.
///
/// # Errors
/// Our database doesn't answer.
pub(crate) async fn disclosed_to(
    p: &Privity,
    located: &[&Located],
) -> Result<Vec<Vec<DisclosedTo>>, Problem> {
    if p.schema().is_none() {
        return Ok(vec![Vec::new(); located.len()]);
    }
    let tags: Vec<_> = located.iter().map(|one| tags(p, one)).collect();
    let read = move |tx: &mut Tx| tags.iter().map(|tags| disclosed_by(tx, tags)).collect();
    p.read("read ledger for privacy requests", read).await
}

type Tags = Vec<(IdentifierKind, Vec<IdentifierTag>)>;

/// Kinds by which no profile is found, and texts that are no identifiers, find nobody.
fn tags(p: &Privity, located: &Located) -> Tags {
    let Some(schema) = p.schema() else {
        return Vec::new();
    };
    let values = located.identifiers.iter();
    let values = values.flat_map(|(kind, values)| values.iter().map(move |value| (kind, value)));
    values
        .filter_map(|(kind, value)| {
            let value = Sensitive::new(value.clone());
            let tags = tags_of(p, schema, (kind, &value)).ok()?;
            Some((kind.clone(), tags))
        })
        .collect()
}

fn disclosed_by(tx: &mut Tx, tags: &Tags) -> Result<Vec<DisclosedTo>, Problem> {
    let mut found = BTreeSet::new();
    for (kind, tags) in tags {
        found.extend(identifier::find(tx, kind, tags)?);
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    Ok(by_recipient(entries(tx, &found)?))
}

/// One for each recipient and purpose, whatever the forms were.
fn by_recipient(entries: Vec<Entry>) -> Vec<DisclosedTo> {
    let mut joined: BTreeMap<(RecipientKey, PurposeKey), DisclosedTo> = BTreeMap::new();
    for entry in entries {
        let line = line(entry);
        let attributes = line.attributes.into_values().flatten();
        let key = (line.recipient, line.purpose);
        let one = joined.entry(key.clone()).or_insert_with(|| DisclosedTo {
            recipient: key.0,
            purpose: key.1,
            attributes: BTreeSet::new(),
            first_at: line.first_at,
            last_at: line.last_at,
            times: 0,
            sold: false,
            shared: false,
        });
        one.attributes.extend(attributes);
        one.first_at = one.first_at.min(line.first_at);
        one.last_at = one.last_at.max(line.last_at);
        one.times += line.times;
        one.sold |= line.sold;
        one.shared |= line.shared;
    }
    joined.into_values().collect()
}
