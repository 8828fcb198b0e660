//! The data map: all source systems, their datasets, collections and fields, the references between them, and who receives data.
//!
//! This is the validated form. Files are parsed and checked in `governance::data_map`; the graph that searches and erasures
//! follow is derived from it in [`graph`].

pub mod graph;
mod key;

use std::collections::BTreeMap;

use jiff::Span;
use serde::{Deserialize, Serialize};

pub use key::{CollectionKey, FieldName, RecipientKey, SystemKey};

use crate::recipient::Recipient;

/// Everything that the business says about where personal data lives and to whom it goes.
#[derive(Clone, Debug, Default)]
pub struct DataMap {
    /// Source systems by key.
    pub systems: BTreeMap<SystemKey, System>,
    /// Collections by `dataset.collection`.
    pub collections: BTreeMap<CollectionKey, Collection>,
    /// Recipients of personal data by key.
    pub recipients: BTreeMap<RecipientKey, Recipient>,
    /// Legal holds that the files name; holds placed in the Console come from storage.
    pub legal_holds: Vec<LegalHold>,
}

/// A database or service of the business that holds personal data.
#[derive(Clone, Debug)]
pub struct System {
    /// Its key.
    pub key: SystemKey,
    /// Its name for people, subjects included.
    pub title: String,
    /// How it is reached: which kind of connector.
    pub kind: SystemKind,
    /// Where its data comes from: categories of sources (facts of 11 CCR 7001), e.g. `consumer_directly`.
    pub sources: Vec<String>,
    /// Why the data is collected and used, in words.
    pub purposes: Vec<String>,
}

/// Which connector reaches a source system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemKind {
    /// PostgreSQL, or what speaks its protocol.
    Postgres,
    /// A SQLite file.
    Sqlite,
    /// MySQL or MariaDB.
    Mysql,
    /// An HTTP service that speaks JSON.
    Http,
    /// A named operator does the work by hand and attaches evidence.
    Manual,
    /// Our own profiles; no file of a data map names it.
    Vault,
}

/// A table (or an HTTP resource) that holds rows.
#[derive(Clone, Debug)]
pub struct Collection {
    /// `dataset.collection`.
    pub key: CollectionKey,
    /// The system that it lives in.
    pub system: SystemKey,
    /// The schema (PostgreSQL) or database (MySQL) that it lives in, where it isn't the connection's default.
    pub schema: Option<String>,
    /// The table's own name.
    pub table: String,
    /// What it is for people.
    pub title: String,
    /// Fields in the order of the file.
    pub fields: Vec<Field>,
    /// Names of the fields that make a row unique; empty where nothing does.
    pub primary_key: Vec<FieldName>,
    /// References from this collection to others.
    pub references: Vec<Reference>,
    /// What an erasure does to its rows.
    pub erasure: CollectionErasure,
    /// Rows that must stay for a while.
    pub retention: Option<RetentionRule>,
}

impl Collection {
    /// A field by name.
    pub fn field(&self, name: &FieldName) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == *name)
    }
}

/// A column, or a member of a JSON object.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in the source system.
    pub name: FieldName,
    /// What it is for people.
    pub title: Option<String>,
    /// Its data category (a key of law/categories.yaml); `None` where nobody has said yet.
    pub category: Option<String>,
    /// What kind of value it holds.
    pub kind: ValueKind,
    /// Whether the source system accepts an empty value.
    pub nullable: bool,
    /// Whether the source system demands unique values.
    pub unique: bool,
    /// The longest text that it takes, in characters.
    pub max_length: Option<u32>,
    /// Set when a value of this field finds a subject.
    pub identity: Option<Identity>,
    /// What an erasure does to the field when the row stays.
    pub erasure: Option<FieldErasure>,
}

impl Field {
    /// Whether the field holds personal data, as far as anybody has said.
    pub fn is_personal(&self) -> bool {
        self.category
            .as_deref()
            .is_some_and(|category| category == "user" || category.starts_with("user."))
    }
}

/// What kind of value a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// Characters.
    #[default]
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers with a fraction.
    Decimal,
    /// True or false.
    Boolean,
    /// A civil date.
    Date,
    /// A moment.
    Timestamp,
    /// A UUID.
    Uuid,
    /// A JSON document.
    Json,
    /// Bytes.
    Bytes,
    /// Anything else; exported as text, never used to search.
    Other,
}

/// How a field finds a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which identifier it holds, e.g. `email`.
    pub kind: IdentifierKind,
    /// Whether upper and lower case are the same here.
    pub ignore_case: bool,
}

/// A kind of identifier: `email`, `phone`, or a name that the business gives (`customer_number`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdentifierKind(pub String);

impl IdentifierKind {
    /// The identifier that every privacy request carries.
    pub fn email() -> Self {
        Self("email".to_owned())
    }
}

/// A reference from fields of one collection to fields of another, in this system or another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The fields here.
    pub fields: Vec<FieldName>,
    /// The collection there.
    pub to: CollectionKey,
    /// The fields there, in the same order.
    pub to_fields: Vec<FieldName>,
    /// What the reference says about whose row this is.
    pub relation: Relation,
    /// Whether the source database enforces it.
    pub enforced: bool,
}

/// What a reference says about whose row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// This row belongs to the subject of the row it points at: an order to its customer. Followed from there to here.
    OwnedBy,
    /// Both rows are about the same subject: an e-mail row and its person row. Followed both ways.
    SameSubject,
    /// The row pointed at is a detail of this one: an address of an order. Followed from here to there;
    /// erased only when no row of anybody else points at it.
    Detail,
    /// Only a pointer: the employee who serves a customer, the product of an order line. Never followed.
    Link,
}

/// What an erasure does to a collection's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CollectionErasure {
    /// Rows are deleted; rows that something else still points at are redacted field by field.
    Delete,
    /// Rows stay, their personal fields are overwritten.
    Redact,
    /// Rows stay as they are, for a reason.
    Keep(KeepReason),
}

/// What an erasure does to one field of a row that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldErasure {
    /// Emptied.
    Null,
    /// Overwritten by a value of its type that says nothing.
    Redact,
    /// Overwritten by a keyed hash, so that equal values stay equal and nobody can tell which they were.
    Hash,
    /// Left as it is, for a reason.
    Keep(KeepReason),
}

/// Why data stays: a reason code of law/reasons.yaml, and the facts in words for the subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeepReason {
    /// For instance `D8_legal_obligation`.
    pub code: String,
    /// The facts, in words that the subject will read.
    pub explanation: String,
}

/// Which rows must stay for how long.
#[derive(Clone, Debug)]
pub struct RetentionRule {
    /// How long, counted from the value of `since`; `None` keeps every row.
    pub keep_for: Option<Span>,
    /// The field that holds the moment from which the time counts; required with `keep_for`.
    pub since: Option<FieldName>,
    /// Why.
    pub reason: KeepReason,
}

/// A named reason that keeps named data from deletion for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegalHold {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: KeepReason,
    /// The collections that it covers.
    pub covers: Vec<CollectionKey>,
    /// The last day on which it applies; `None` until lifted.
    pub until: Option<jiff::civil::Date>,
}
