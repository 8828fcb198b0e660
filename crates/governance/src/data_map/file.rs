//! The shape of a data map's files, as people write them; the JSON Schema for editors is made from it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use domain::data_map::{Relation, ValueKind};
use domain::recipient::{RecipientRole, VerificationLevel};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::read::Located;

/// A file of a data map. Every part is optional; files of one folder are read as one map.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Privity data map")]
pub(super) struct MapFile {
    /// Databases and services that hold personal data, by key.
    #[serde(default)]
    pub(super) systems: Entries<SystemText>,
    /// What they hold, by key; a dataset's key is the first part of `dataset.collection`.
    #[serde(default)]
    pub(super) datasets: Entries<DatasetText>,
    /// Who gets personal data from the business, by key.
    #[serde(default)]
    pub(super) recipients: Entries<RecipientText>,
    /// Named reasons that keep data from deletion for now.
    #[serde(default)]
    pub(super) legal_holds: Vec<Located<LegalHoldText>>,
}

/// A database or service that holds personal data.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SystemText {
    /// Its name for people, subjects included; the key if left out.
    pub(super) title: Option<String>,
    /// Where its data comes from: categories of sources (11 CCR 7001), e.g. `consumer_directly`, `data_brokers`.
    #[serde(default)]
    pub(super) sources: Vec<String>,
    /// Why the data is collected and used, in words.
    #[serde(default)]
    pub(super) purposes: Vec<String>,
    /// How it is reached. `${NAME}` stands for a variable of the environment, so that no secret is in the file.
    #[schemars(with = "ConnectionShape")]
    #[expect(
        dead_code,
        reason = "only that it is there is checked here: `Connection` reads it"
    )]
    pub(super) connection: Located<IgnoredAny>,
}

/// How a source system is reached. What else belongs here depends on `kind`; see docs/guides/data-map.md.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "only its schema is used: each connector reads its own configuration"
)]
struct ConnectionShape {
    /// Which connector.
    kind: ConnectionKind,
}

/// Which connector reaches a source system.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ConnectionKind {
    /// A SQLite file: `path`.
    Sqlite,
    /// PostgreSQL: `url`.
    Postgres,
    /// MySQL or MariaDB: `url`.
    Mysql,
    /// An HTTP service that speaks JSON: `base_url`, `auth`, `collections`.
    Http,
    /// A named operator does the work by hand: `operator`, `instructions`, `due_days`.
    Manual,
}

/// A database's part that is described together.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DatasetText {
    /// The key of the system that it lives in.
    pub(super) system: Located<String>,
    /// The schema (PostgreSQL) or database (MySQL), where it isn't the connection's default.
    pub(super) schema: Option<String>,
    /// Its collections (tables, HTTP resources) by key.
    #[serde(default)]
    pub(super) collections: Entries<CollectionText>,
}

/// A table, or a resource of an HTTP service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CollectionText {
    /// What it is for people; made from the key if left out.
    pub(super) title: Option<String>,
    /// The table's own name, where it isn't the key.
    pub(super) table: Option<String>,
    /// The fields that make a row unique.
    #[serde(default)]
    pub(super) primary_key: Vec<Located<String>>,
    /// What an erasure does to rows: `delete` (the default), `redact`, or `keep` with a reason.
    pub(super) erasure: Option<CollectionErasureText>,
    /// Rows that must stay for a while.
    pub(super) retention: Option<Located<RetentionText>>,
    /// Its fields (columns) by name.
    #[serde(default)]
    pub(super) fields: Entries<FieldText>,
    /// References of several fields; a reference of one field can stand at the field.
    #[serde(default)]
    pub(super) references: Vec<Located<ReferenceText>>,
}

/// What an erasure does to a collection's rows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CollectionErasureText {
    /// Rows are deleted; rows that something else still points at are redacted.
    Delete,
    /// Rows stay, their personal fields are overwritten.
    Redact,
    /// Rows stay as they are, for a reason.
    Keep(ReasonText),
}

/// Why data stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonText {
    /// A code of law/reasons.yaml, e.g. `D8_legal_obligation`.
    pub(super) code: Located<String>,
    /// The facts, in words that the subject will read.
    pub(super) explanation: String,
}

/// Rows that must stay for a while.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetentionText {
    /// How long, e.g. `7 years`, `18 months`; every row stays if left out.
    pub(super) keep_for: Option<Located<String>>,
    /// The field with the date from which that time counts.
    pub(super) since: Option<Located<String>>,
    /// Why.
    pub(super) reason: ReasonText,
}

/// A field (column).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldText {
    /// What it is for people.
    pub(super) title: Option<String>,
    /// Its data category, e.g. `user.contact.email`; `system.operations` for what is not personal.
    pub(super) category: Option<Located<String>>,
    /// How sure whoever suggested the category was, from 0 to 1; remove it once a person has looked.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) confidence: Option<f64>,
    /// What kind of value it holds; `text` if left out.
    #[serde(rename = "type")]
    pub(super) kind: Option<ValueKindText>,
    /// The identifier that it holds, if a value of it finds a subject: `email`, `phone`, or a name of your own.
    pub(super) identity: Option<Located<String>>,
    /// Whether upper and lower case are the same when searching by `identity`; true for `email` if left out.
    pub(super) ignore_case: Option<Located<bool>>,
    /// Whether the source system accepts an empty value; true if left out.
    pub(super) nullable: Option<bool>,
    /// Whether the source system demands unique values.
    #[serde(default)]
    pub(super) unique: bool,
    /// The longest text that it takes, in characters.
    pub(super) max_length: Option<u32>,
    /// What an erasure does to it when the row stays.
    #[serde(default, deserialize_with = "even_null")]
    pub(super) erasure: Option<Located<FieldErasureText>>,
    /// The field elsewhere that its values are taken from.
    pub(super) references: Option<Located<FieldReferenceText>>,
}

/// What an erasure does to one field of a row that stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum FieldErasureText {
    /// Emptied.
    Null,
    /// Overwritten by a value of its type that says nothing.
    Redact,
    /// Overwritten by a keyed hash.
    Hash,
    /// Left as it is, for a reason.
    Keep(ReasonText),
}

/// A reference of one field.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldReferenceText {
    /// The field there: `dataset.collection.field`.
    pub(super) to: Located<String>,
    /// What it says about whose row this is.
    pub(super) relation: RelationText,
    /// Whether the source system enforces it (a foreign key); true if left out and both are in one system.
    pub(super) enforced: Option<bool>,
}

/// A reference of several fields.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReferenceText {
    /// The fields here.
    pub(super) fields: Vec<Located<String>>,
    /// The collection there: `dataset.collection`.
    pub(super) to: Located<String>,
    /// The fields there, in the same order.
    pub(super) to_fields: Located<Vec<Located<String>>>,
    /// What it says about whose row this is.
    pub(super) relation: RelationText,
    /// Whether the source system enforces it (a foreign key); true if left out and both are in one system.
    pub(super) enforced: Option<bool>,
}

/// Who gets personal data from the business.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecipientText {
    /// Its name for people, subjects included; the key if left out.
    pub(super) title: Option<String>,
    /// What it is to the business.
    pub(super) role: RoleText,
    /// Whether its contract has every term that the law asks for.
    #[serde(default)]
    pub(super) contract_compliant: bool,
    /// Data categories that it gets.
    pub(super) categories: Vec<Located<String>>,
    /// Why it gets them, in words.
    pub(super) purpose: String,
    /// Whether data is sold to it, for money or anything of value.
    #[serde(default)]
    pub(super) sold: bool,
    /// Whether data is shared with it for cross-context behavioural advertising.
    #[serde(default)]
    pub(super) shared: bool,
    /// What the business gets for what is sold or shared, in its own words.
    pub(super) consideration: Option<String>,
    /// Identifiers by which it knows the subject; only these are sent to it.
    pub(super) known_by: Located<BTreeSet<String>>,
    /// How far an outreach must be proven: `attested` if left out.
    pub(super) required_level: Option<LevelText>,
    /// How it is told. `${NAME}` stands for a variable of the environment.
    #[schemars(with = "ChannelShape")]
    #[expect(
        dead_code,
        reason = "only that it is there is checked here: `ChannelConfig` reads it"
    )]
    pub(super) channel: Located<IgnoredAny>,
    /// When a silent recipient is reminded.
    pub(super) reminders: Option<RemindersText>,
    /// Subjects that it may ask about in a minute, on each node: 60000 if left out.
    #[schemars(with = "Option<std::num::NonZeroU32>")]
    pub(super) subjects_a_minute: Option<Located<u32>>,
}

/// How a recipient is told. What else belongs here depends on `kind`; see docs/guides/data-map.md.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "only its schema is used: each channel reads its own configuration"
)]
struct ChannelShape {
    /// Which channel.
    kind: ChannelKindText,
}

/// Which channel leads to a recipient.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChannelKindText {
    /// A webhook signed by Standard Webhooks.
    Webhook,
    /// OpenDSR 2.0.
    Opendsr,
    /// An e-mail with a link to a page where the recipient answers.
    Email,
}

/// When a silent recipient is reminded, in days after sending.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemindersText {
    /// Days after which a reminder goes out, e.g. `[3, 7]`.
    pub(super) remind_after_days: Vec<u16>,
    /// Days after which an operator is called.
    pub(super) escalate_after_days: u16,
}

/// A named reason that keeps named data from deletion for now.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LegalHoldText {
    /// Its name.
    pub(super) name: String,
    /// Why.
    pub(super) reason: ReasonText,
    /// The collections that it covers, as `dataset.collection`.
    pub(super) covers: Vec<Located<String>>,
    /// The last day on which it applies, e.g. `2027-01-01`; until lifted if left out.
    pub(super) until: Option<Located<String>>,
}

/// What kind of value a field holds.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ValueKindText {
    /// Characters.
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

impl From<ValueKindText> for ValueKind {
    fn from(text: ValueKindText) -> Self {
        match text {
            ValueKindText::Text => Self::Text,
            ValueKindText::Integer => Self::Integer,
            ValueKindText::Decimal => Self::Decimal,
            ValueKindText::Boolean => Self::Boolean,
            ValueKindText::Date => Self::Date,
            ValueKindText::Timestamp => Self::Timestamp,
            ValueKindText::Uuid => Self::Uuid,
            ValueKindText::Json => Self::Json,
            ValueKindText::Bytes => Self::Bytes,
            ValueKindText::Other => Self::Other,
        }
    }
}

/// What a reference says about whose row it is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RelationText {
    /// This row belongs to the subject of the row it points at: an order to its customer.
    OwnedBy,
    /// Both rows are about the same subject: an e-mail row and its person row.
    SameSubject,
    /// The row pointed at is a detail of this one: an address of an order. Erased only when nobody else's row points at it.
    Detail,
    /// Only a pointer: the employee who serves a customer, the product of an order line. Never followed.
    Link,
}

impl From<RelationText> for Relation {
    fn from(text: RelationText) -> Self {
        match text {
            RelationText::OwnedBy => Self::OwnedBy,
            RelationText::SameSubject => Self::SameSubject,
            RelationText::Detail => Self::Detail,
            RelationText::Link => Self::Link,
        }
    }
}

/// What a recipient is to the business.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleText {
    /// An application of the business itself.
    Internal,
    /// Works for the business under a written contract.
    ServiceProvider,
    /// As a service provider, and certifies that it understands.
    Contractor,
    /// Everybody else.
    ThirdParty,
}

impl From<RoleText> for RecipientRole {
    fn from(text: RoleText) -> Self {
        match text {
            RoleText::Internal => Self::Internal,
            RoleText::ServiceProvider => Self::ServiceProvider,
            RoleText::Contractor => Self::Contractor,
            RoleText::ThirdParty => Self::ThirdParty,
        }
    }
}

/// How far an outreach must be proven.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LevelText {
    /// Nothing has gone out yet.
    None,
    /// We sent it.
    Sent,
    /// The other side's machine took it.
    Delivered,
    /// The other side said that it has it.
    Acknowledged,
    /// A person there stated the outcome.
    Attested,
    /// The outcome came with a signature that we verified.
    Signed,
    /// We asked again afterwards and the data was gone.
    Probed,
}

impl From<LevelText> for VerificationLevel {
    fn from(text: LevelText) -> Self {
        match text {
            LevelText::None => Self::None,
            LevelText::Sent => Self::Sent,
            LevelText::Delivered => Self::Delivered,
            LevelText::Acknowledged => Self::Acknowledged,
            LevelText::Attested => Self::Attested,
            LevelText::Signed => Self::Signed,
            LevelText::Probed => Self::Probed,
        }
    }
}

/// `null` is a word here, not the absence of one.
fn even_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Entries in the order of the file.
#[derive(Debug)]
pub struct Entries<T>(pub Vec<(Located<String>, Located<T>)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Entries<T>, A::Error> {
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            found.push(entry);
        }
        Ok(Entries(found))
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Map_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, T>::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
