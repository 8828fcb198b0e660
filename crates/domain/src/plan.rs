//! What an erasure will do, collection by collection, before anything is touched; and the steps that connectors carry out.
//!
//! Law: Cal. Civ. Code 1798.105(c)-(d); 11 CCR 7022 (what goes, what may stay and must be explained).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data_map::graph::Pointer;
use crate::data_map::{
    Collection, CollectionErasure, CollectionKey, Field, FieldErasure, FieldName, KeepReason,
    RecipientKey, Relation, SystemKey, ValueKind,
};
use crate::purpose_of_use::PurposeKey;
use crate::row::Tuple;
use crate::sensitive::Sensitive;

/// A look-up: the fields that are compared with the values of a [`Tuple`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Way {
    /// The fields, in the order of the tuple.
    pub fields: Vec<FieldName>,
    /// Whether upper and lower case are the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// One look-up with the values that are looked for.
#[derive(Clone)]
pub struct WaySearch {
    /// The fields.
    pub way: Way,
    /// The values, one tuple per wanted combination.
    pub values: Sensitive<Vec<Tuple>>,
}

/// A search in one collection: rows that match any of the look-ups.
#[derive(Clone)]
pub struct Search {
    /// Where.
    pub collection: Arc<Collection>,
    /// By what; a row that matches several is one row.
    pub ways: Vec<WaySearch>,
    /// The fields to bring back, in this order.
    pub select: Vec<FieldName>,
    /// When set, rows come back grouped by the selected fields, with their number.
    pub grouped: bool,
    /// When set, each row (or group) says whether it must stay by this rule.
    pub retained: Option<Cutoff>,
    /// When not empty, only rows that none of these point at from outside the look-ups named with it are counted as the subject's alone.
    pub guards: Vec<GuardSearch>,
}

/// Rows elsewhere that point at rows here, leaving out those that the same subjects' look-ups find.
#[derive(Clone)]
pub struct GuardSearch {
    /// Who points.
    pub pointer: Pointer,
    /// The collection that points.
    pub collection: Arc<Collection>,
    /// The look-ups whose rows don't count, because they go as well.
    pub except: Vec<WaySearch>,
}

/// A row, or a group of equal rows, that a search found.
pub struct LocatedRow {
    /// Values of the selected fields in canonical text; `None` where empty.
    pub values: Vec<Option<Sensitive<String>>>,
    /// How many rows.
    pub rows: u64,
    /// Whether a retention rule keeps it.
    pub retained: bool,
    /// Whether somebody else's row points at it.
    pub shared: bool,
}

/// Rows whose `field` is at or after `from` must stay; all rows when there is no field. An empty field counts as must stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cutoff {
    /// The field that holds the moment; `None` keeps every row.
    pub since: Option<(FieldName, ValueKind)>,
    /// The moment before which rows may go.
    pub from: Timestamp,
}

/// How one field of a row that stays is overwritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redaction {
    /// With nothing.
    Null,
    /// With a text that the source system casts to the field's type.
    Fixed(String),
    /// With a keyed hash of its value: `erased-` and hexadecimal digits, at most this many characters.
    Hash(u32),
}

/// What a connector does to one collection for a batch of subjects.
#[derive(Clone)]
pub struct EraseStep {
    /// Where.
    pub collection: Arc<Collection>,
    /// Whose rows.
    pub ways: Vec<WaySearch>,
    /// Whether rows are deleted (else they are redacted).
    pub delete: bool,
    /// How the fields of rows that can't be deleted, or aren't, are overwritten.
    pub redactions: Vec<(FieldName, Redaction)>,
    /// Which rows must stay.
    pub retained: Option<Cutoff>,
    /// How the fields of rows that must stay are overwritten; mostly empty.
    pub retained_redactions: Vec<(FieldName, Redaction)>,
    /// Rows pointed at from here are somebody else's too and stay untouched.
    pub guards: Vec<Pointer>,
    /// Rows pointed at from here can't be deleted, only redacted.
    pub blockers: Vec<Pointer>,
    /// Rows that any of these look-ups finds stay untouched, whoever else's they are: a legal hold keeps somebody's.
    pub spared: Vec<WaySearch>,
}

/// What a connector does to one system for a batch of subjects, in order. Steps of one group point at each other in a circle.
#[derive(Clone)]
pub struct Erasure {
    /// Groups of steps: rows that point before rows pointed at.
    pub groups: Vec<Vec<EraseStep>>,
    /// Key for [`Redaction::Hash`].
    pub hash_key: Sensitive<Vec<u8>>,
    /// How many rows the plan found; decides whether one transaction is short enough.
    pub rows: u64,
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Rows deleted.
    pub deleted: u64,
    /// Rows overwritten.
    pub redacted: u64,
}

/// What will happen to a subject's rows, as shown to the operator and kept with the privacy request. Holds no personal value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// When it was made.
    pub made_at: Timestamp,
    /// Collections in which rows were found, and those searched in vain.
    pub collections: Vec<PlannedCollection>,
    /// Systems that people search by hand.
    pub manual: Vec<SystemKey>,
    /// Collections with rows that legal holds covered when the figures were made.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub held: BTreeSet<CollectionKey>,
    /// Who got data of hers, by the ledger of disclosures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disclosed: Vec<DisclosedTo>,
}

/// What went to a recipient for a purpose, by the ledger of disclosures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisclosedTo {
    /// Who got it.
    pub recipient: RecipientKey,
    /// What for.
    pub purpose: PurposeKey,
    /// Keys of the attributes, in whatever form.
    pub attributes: BTreeSet<String>,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
    /// How often.
    pub times: u64,
    /// Whether it was ever sold.
    pub sold: bool,
    /// Whether it was ever shared for advertising.
    pub shared: bool,
}

impl Plan {
    /// All rows found.
    pub fn rows(&self) -> u64 {
        self.collections
            .iter()
            .map(|collection| collection.rows)
            .sum()
    }

    /// Systems with rows or to be searched by hand.
    pub fn systems(&self) -> BTreeSet<SystemKey> {
        self.collections
            .iter()
            .filter(|collection| collection.rows > 0)
            .map(|collection| collection.system.clone())
            .chain(self.manual.iter().cloned())
            .collect()
    }

    /// Reasons for which something stays.
    pub fn reasons(&self) -> BTreeSet<KeepReason> {
        self.collections
            .iter()
            .flat_map(|collection| collection.kept.iter().map(|kept| kept.reason.clone()))
            .collect()
    }
}

/// One collection of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCollection {
    /// Which one.
    pub collection: CollectionKey,
    /// In which system.
    pub system: SystemKey,
    /// Its name for people.
    pub title: String,
    /// Rows of the subject.
    pub rows: u64,
    /// Rows that will be deleted.
    pub delete: u64,
    /// Rows that will stay with their personal fields overwritten.
    pub redact: u64,
    /// Rows that stay, and why.
    pub kept: Vec<Kept>,
    /// Data categories of its fields.
    pub categories: BTreeSet<String>,
}

/// Rows that stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// How many.
    pub rows: u64,
    /// Why.
    pub reason: KeepReason,
}

/// Rows that a re-read still finds and no reason keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residue {
    /// Where.
    pub collection: CollectionKey,
    /// How many rows.
    pub rows: u64,
}

/// How each field of a row that stays is overwritten: as the data map says, else personal fields are emptied, or
/// overwritten where the source system wants a value. Keys and foreign keys stay, or nothing would hold together; a reference
/// that no source system enforces, such as one to another system by e-mail address, does not.
pub fn redactions(
    collection: &Collection,
    pointed_at: &BTreeSet<FieldName>,
) -> Vec<(FieldName, Redaction)> {
    collection
        .fields
        .iter()
        .filter_map(|field| {
            redaction(collection, pointed_at, field)
                .map(|redaction| (field.name.clone(), redaction))
        })
        .collect()
}

/// The overwriting that the data map demands even of rows which must stay.
pub fn retained_redactions(
    collection: &Collection,
    pointed_at: &BTreeSet<FieldName>,
) -> Vec<(FieldName, Redaction)> {
    let demanded = collection
        .fields
        .iter()
        .filter(|field| field.erasure.is_some());
    demanded
        .filter_map(|field| {
            redaction(collection, pointed_at, field)
                .map(|redaction| (field.name.clone(), redaction))
        })
        .collect()
}

fn redaction(
    collection: &Collection,
    pointed_at: &BTreeSet<FieldName>,
    field: &Field,
) -> Option<Redaction> {
    match &field.erasure {
        Some(FieldErasure::Keep(_)) => None,
        Some(FieldErasure::Null) => Some(Redaction::Null),
        Some(FieldErasure::Redact) => Some(Redaction::Fixed(blank(field))),
        Some(FieldErasure::Hash) => Some(Redaction::Hash(field.max_length.unwrap_or(39))),
        None if lets_go(collection, pointed_at, field) => Some(Redaction::Null),
        None if !field.is_personal() || is_key(collection, pointed_at, field) => None,
        None if field.nullable => Some(Redaction::Null),
        None if field.unique && field.kind == ValueKind::Text => {
            Some(Redaction::Hash(field.max_length.unwrap_or(39)))
        }
        None => Some(Redaction::Fixed(blank(field))),
    }
}

/// Whether the field only leads to a detail of the row, such as a customer's address. A row that is overwritten lets go of its
/// details: a record that says nothing must not keep her address alive.
fn lets_go(collection: &Collection, pointed_at: &BTreeSet<FieldName>, field: &Field) -> bool {
    let mut references = collection
        .references
        .iter()
        .filter(|reference| reference.fields.contains(&field.name))
        .peekable();
    let leads_somewhere = references.peek().is_some();
    let only_to_details = references.all(|reference| reference.relation == Relation::Detail);
    field.nullable
        && leads_somewhere
        && only_to_details
        && !collection.primary_key.contains(&field.name)
        && !pointed_at.contains(&field.name)
}

fn is_key(collection: &Collection, pointed_at: &BTreeSet<FieldName>, field: &Field) -> bool {
    collection.primary_key.contains(&field.name)
        || pointed_at.contains(&field.name)
        || collection
            .references
            .iter()
            .any(|reference| reference.enforced && reference.fields.contains(&field.name))
}

/// A value of the field's type that says nothing.
fn blank(field: &Field) -> String {
    let text = match field.kind {
        ValueKind::Text | ValueKind::Other => "[erased]",
        ValueKind::Integer | ValueKind::Decimal => "0",
        ValueKind::Boolean => "false",
        ValueKind::Date => "1900-01-01",
        ValueKind::Timestamp => "1900-01-01 00:00:00",
        ValueKind::Uuid => "00000000-0000-0000-0000-000000000000",
        ValueKind::Json => "{}",
        ValueKind::Bytes => "",
    };
    let longest = field
        .max_length
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(usize::MAX);
    if field.kind == ValueKind::Text {
        text.chars().take(longest).collect()
    } else {
        text.to_owned()
    }
}

/// Whether the collection's rows are deleted when nothing keeps them.
pub fn deletes_rows(collection: &Collection) -> bool {
    collection.erasure == CollectionErasure::Delete
}
