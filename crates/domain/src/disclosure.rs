//! A governed read, before it is decided: who asks for which attributes for which purpose, and what the decision may rest on.
//!
//! `enforcement::decide` answers with a permit or a denial; only `governance::disclosure` asks it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::data_map::{CollectionKey, FieldName, IdentifierKind, RecipientKey, SystemKey};
use crate::id::{Id, Noun, OperatorId, RequestId, SubjectId};
use crate::policy::SubjectFacts;
use crate::privacy_request::{RequestKind, RequestState};
use crate::profile::{AttributeKey, AttributeNumber, Schema};
use crate::purpose_of_use::PurposeKey;
use crate::recipient::RecipientRole;

/// One governed read.
#[derive(Clone, Copy, Debug)]
pub struct Disclosure;
impl Noun for Disclosure {
    const PREFIX: &'static str = "dsc";
}
/// Id of a disclosure: fresh for each, so that one audit record releases one permit.
pub type DisclosureId = Id<Disclosure>;

/// What is asked: these attributes, for this recipient, for this purpose, on behalf of this privacy request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// A fresh id.
    pub id: DisclosureId,
    /// The privacy request that it serves.
    pub request: RequestId,
    /// Who gets the values.
    pub recipient: DisclosureRecipient,
    /// What for.
    pub purpose: Purpose,
    /// Which ones.
    pub attributes: Vec<Attribute>,
}

/// What is asked of a profile: these attributes of this subject, for this recipient, for this purpose. No privacy request stands
/// behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileQuery {
    /// A fresh id.
    pub id: DisclosureId,
    /// The canonical subject.
    pub subject: SubjectId,
    /// Who gets the values.
    pub recipient: DisclosureRecipient,
    /// What for.
    pub purpose: Purpose,
    /// Which ones, by their keys in the schema.
    pub attributes: Arc<[AttributeKey]>,
}

/// What a recipient asks of a subject's profile, for a purpose of its own. Policies decide it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientQuery {
    /// A fresh id.
    pub id: DisclosureId,
    /// The canonical subject; `None` where nobody was found. That is decided and recorded, too.
    pub subject: Option<SubjectId>,
    /// Who asks.
    pub recipient: RecipientKey,
    /// Its effective role.
    pub role: RecipientRole,
    /// What for.
    pub purpose: PurposeKey,
    /// Which attributes, by their keys in the schema; each once.
    pub attributes: Arc<[AttributeKey]>,
}

/// Who gets the values. Text form: `subject`, `source_system:KEY`, `recipient:KEY`, `operator:opr_…`, `nobody`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisclosureRecipient {
    /// The subject of the privacy request.
    Subject,
    /// A source system of the business, which is searched or changed.
    SourceSystem(SystemKey),
    /// A recipient, in its effective role.
    Recipient(RecipientKey, RecipientRole),
    /// An operator in the Console.
    Operator(OperatorId),
    /// Nobody: what is opened stays in the vault, and only what follows from it for a rule is used.
    Nobody,
}

impl fmt::Display for DisclosureRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("subject"),
            Self::SourceSystem(key) => write!(f, "source_system:{key}"),
            Self::Recipient(key, _) => write!(f, "recipient:{key}"),
            Self::Operator(id) => write!(f, "operator:{id}"),
            Self::Nobody => f.write_str("nobody"),
        }
    }
}

/// What values are used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Search source systems for the subject, erase there, read again.
    AnswerRequest,
    /// Give the subject her own copy.
    GiveAccess,
    /// Tell a recipient to delete or to stop.
    InformRecipient,
    /// Write to the subject at the address that she gave.
    WriteToSubject,
    /// Find out whether the subject is who she says.
    VerifyIdentity,
    /// Show an operator who works on the privacy request what it is about.
    ShowOperator,
    /// Find out who may consent: the subject herself or her guardian (Civ. Code 1798.120(c)).
    KnowWhoMayConsent,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 7] = [
        Self::AnswerRequest,
        Self::GiveAccess,
        Self::InformRecipient,
        Self::WriteToSubject,
        Self::VerifyIdentity,
        Self::ShowOperator,
        Self::KnowWhoMayConsent,
    ];

    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::AnswerRequest => "answer_request",
            Self::GiveAccess => "give_access",
            Self::InformRecipient => "inform_recipient",
            Self::WriteToSubject => "write_to_subject",
            Self::VerifyIdentity => "verify_identity",
            Self::ShowOperator => "show_operator",
            Self::KnowWhoMayConsent => "know_who_may_consent",
        }
    }
}

/// One attribute that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Where it is kept.
    pub name: AttributeName,
    /// Its data category (a key of law/categories.yaml); `None` where nobody has said, and then it is withheld.
    pub category: Option<String>,
    /// Set when it finds a subject.
    pub identifier: Option<IdentifierKind>,
}

/// Where an attribute is kept. Text form: `shop.customer.email`, `own:privacy_request.contact` in our own database, or
/// `profile:email` in a profile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttributeName {
    /// A field of a source system.
    Field(CollectionKey, FieldName),
    /// A sealed column of our own database.
    Own(OwnColumn),
    /// An attribute of a profile, by its number and its key in the schema.
    Profile(AttributeNumber, AttributeKey),
}

/// A sealed column of our own database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnColumn {
    /// Name of the table.
    pub table: &'static str,
    /// Name of the column.
    pub column: &'static str,
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(collection, field) => write!(f, "{collection}.{field}"),
            Self::Own(own) => write!(f, "own:{}.{}", own.table, own.column),
            Self::Profile(_, key) => write!(f, "profile:{key}"),
        }
    }
}

impl Serialize for AttributeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a decision may rest on, loaded in one read. Nothing here is a personal value; what comes from law data is shared, not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The privacy request.
    pub request: RequestFacts,
    /// The recipient, when one is to be told.
    pub recipient: Option<RecipientFacts>,
    /// Data categories that law data knows.
    pub known_categories: Arc<BTreeSet<String>>,
    /// Categories whose values never leave, only a description of what is held (11 CCR 7024(d)).
    pub never_disclosed: Arc<[NeverDisclosed]>,
}

/// What a decision about a profile may rest on, loaded in one read. Nothing here is a personal value.
#[derive(Clone, Debug)]
pub struct ProfileFacts {
    /// The canonical subject.
    pub subject: SubjectId,
    /// Her records, the canonical one included: what a permit opens.
    pub members: BTreeSet<SubjectId>,
    /// Whether the subject who asks has shown who she is.
    pub subject_verified: bool,
    /// Whether the operator's role may see sensitive attributes.
    pub operator_sees_sensitive: bool,
    /// What a profile may hold.
    pub schema: Arc<Schema>,
    /// Data categories that law data knows.
    pub known_categories: Arc<BTreeSet<String>>,
    /// Categories whose values never leave.
    pub never_disclosed: Arc<[NeverDisclosed]>,
}

/// What a decision for a recipient may rest on, loaded in one read. Nothing here is a personal value.
#[derive(Clone, Debug)]
pub struct RecipientQueryFacts {
    /// Her records, the canonical one included: what a permit opens. Empty for nobody.
    pub members: BTreeSet<SubjectId>,
    /// What policies may know of her.
    pub subject: SubjectFacts,
    /// What a profile may hold.
    pub schema: Arc<Schema>,
    /// Data categories that law data knows.
    pub known_categories: Arc<BTreeSet<String>>,
    /// Categories whose values never leave.
    pub never_disclosed: Arc<[NeverDisclosed]>,
    /// When.
    pub on: Timestamp,
}

/// What a decision must know about the privacy request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFacts {
    /// Its id.
    pub id: RequestId,
    /// Which right.
    pub kind: RequestKind,
    /// Where it stands.
    pub state: RequestState,
}

/// What a decision must know about a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientFacts {
    /// Its key.
    pub key: RecipientKey,
    /// Its effective role.
    pub role: RecipientRole,
    /// Identifiers by which it knows the subject.
    pub known_by: BTreeSet<IdentifierKind>,
}

/// A data category whose values never leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeverDisclosed {
    /// The category, and with it everything below it: `user.government_id` covers `user.government_id.passport_number`.
    pub category: String,
    /// What is said instead, for the subject, e.g. `a Social Security number`.
    pub description: String,
    /// The law.
    pub citation: String,
}

impl NeverDisclosed {
    /// Whether the rule covers a category.
    pub fn covers(&self, category: &str) -> bool {
        is_within(category, &self.category)
    }
}

/// Whether `category` is `ancestor` or below it.
pub fn is_within(category: &str, ancestor: &str) -> bool {
    category
        .strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// An attribute that does not go out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Withheld {
    /// Which one.
    pub attribute: AttributeName,
    /// Why.
    pub reason: WithholdReason,
    /// The law behind it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citation: Option<String>,
}

/// Why an attribute does not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WithholdReason {
    /// The data map does not say what it is.
    NoCategory,
    /// The data map names a category that law data does not know.
    UnknownCategory,
    /// Its values never leave; the subject is told that it is held.
    NeverDisclosed,
    /// The recipient does not know the subject by it.
    RecipientDoesNotKnowIt,
    /// The purpose has no use for it.
    NotForThisPurpose,
    /// The schema of attributes does not know it.
    UnknownAttribute,
    /// It is sensitive, and the operator's role may not see that.
    SensitiveForRole,
    /// Policies withhold it; which of them, is worked out again from the versions that the record names.
    WithheldByPolicy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_covers_what_is_below_it_and_not_what_only_starts_alike() {
        assert!(is_within(
            "user.government_id.passport_number",
            "user.government_id"
        ));
        assert!(is_within("user.government_id", "user.government_id"));
        assert!(!is_within("user.government_identity", "user.government_id"));
        assert!(!is_within("user", "user.government_id"));
    }
}
