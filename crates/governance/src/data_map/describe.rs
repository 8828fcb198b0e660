//! A first draft of a data map from a live schema: every column with a suggested category and how sure that is, every foreign key
//! with what it says about whose row it is, so that a person only reviews.

mod category;
mod implied;
mod relation;
mod samples;
mod words;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use connectors::{DescribedCollection, DescribedField, Description};
use domain::data_map::{Relation, SystemKey, SystemKind, ValueKind};

use self::category::{About, OPERATIONS, Suggestion, about};
use self::implied::with_implied;
use self::relation::{Decision, Table, decide};
pub(super) use self::words::tokens;
pub(super) use self::write::scalar;
use super::vocabulary::Vocabulary;

/// The system that was described, as the draft names it.
#[derive(Clone, Debug)]
pub struct DescribedSystem {
    /// Its key.
    pub key: SystemKey,
    /// Which connector.
    pub kind: SystemKind,
    /// The path of a SQLite file; for others the environment's variable that will hold the URL.
    pub reached_by: String,
}

/// Drafts a data map of one system as YAML, which the loader reads without further edits.
pub fn suggest(
    description: &Description,
    system: &DescribedSystem,
    vocabulary: &dyn Vocabulary,
) -> String {
    let (description, declared) = with_implied(description);
    let mut draft = Draft::new(&description, vocabulary);
    for (drafted, declared) in draft.collections.iter_mut().zip(declared) {
        drafted.declared = declared;
    }
    write::write(&draft, system)
}

/// A collection with everything that is suggested for it.
struct Drafted<'d> {
    described: &'d DescribedCollection,
    about: About,
    /// One for each field.
    suggestions: Vec<Suggestion>,
    /// The identifier that each field holds, if it finds a subject.
    identities: Vec<Option<&'static str>>,
    /// One for each reference.
    decisions: Vec<Decision>,
    /// The number of the collection that each reference leads to.
    targets: Vec<Option<usize>>,
    /// How many of the references are foreign keys; those behind them are only implied by names.
    declared: usize,
}

struct Draft<'d> {
    collections: Vec<Drafted<'d>>,
}

impl<'d> Draft<'d> {
    fn new(description: &'d Description, vocabulary: &dyn Vocabulary) -> Self {
        let by_name: BTreeMap<_, _> = description
            .collections
            .iter()
            .enumerate()
            .map(|(number, collection)| {
                (
                    (collection.schema.as_deref(), collection.table.as_str()),
                    number,
                )
            })
            .collect();
        let mut collections: Vec<Drafted<'d>> =
            description.collections.iter().map(Drafted::new).collect();
        for drafted in &mut collections {
            let references = drafted.described.references.iter();
            drafted.targets = references
                .map(|reference| {
                    by_name
                        .get(&(reference.to_schema.as_deref(), reference.to_table.as_str()))
                        .copied()
                })
                .collect();
        }
        let decisions = decide(
            &collections
                .iter()
                .map(Drafted::as_table)
                .collect::<Vec<_>>(),
        );
        for (drafted, decisions) in collections.iter_mut().zip(decisions) {
            drafted.decisions = decisions;
        }
        let mut draft = Self { collections };
        draft.name_keys();
        draft.keep_to(vocabulary);
        draft
    }

    /// Keys are named last: whether they stand for a subject depends on the relations.
    fn name_keys(&mut self) {
        let subjects = self.subjects();
        for (number, drafted) in self.collections.iter_mut().enumerate() {
            drafted.name_keys(number, &subjects);
        }
    }

    /// Which collections have a row for each subject: those about persons and those that identifiers name.
    fn subjects(&self) -> BTreeSet<usize> {
        let named = self
            .collections
            .iter()
            .flat_map(|drafted| drafted.decisions.iter().zip(&drafted.targets))
            .filter(|(decision, _)| decision.relation == Relation::SameSubject);
        let named = named.filter_map(|(_, target)| *target);
        let about_persons = self
            .collections
            .iter()
            .enumerate()
            .filter(|(_, drafted)| matches!(drafted.about, About::Persons | About::Staff))
            .map(|(number, _)| number);
        about_persons.chain(named).collect()
    }

    /// Categories that the law data lacks give way to their nearest parent that it has.
    fn keep_to(&mut self, vocabulary: &dyn Vocabulary) {
        let known = vocabulary.categories();
        for suggestion in self
            .collections
            .iter_mut()
            .flat_map(|drafted| drafted.suggestions.iter_mut())
        {
            while !known.contains(&suggestion.category) {
                let Some((parent, _)) = suggestion.category.rsplit_once('.') else {
                    break;
                };
                suggestion.category = parent;
            }
        }
    }
}

impl<'d> Drafted<'d> {
    fn new(described: &'d DescribedCollection) -> Self {
        let suggestions: Vec<Suggestion> = described
            .fields
            .iter()
            .map(|field| category::suggest(described, field))
            .collect();
        let identities = described
            .fields
            .iter()
            .zip(&suggestions)
            .map(|(field, suggestion)| identity(described, field, suggestion))
            .collect();
        Self {
            described,
            about: about(&described.table),
            suggestions,
            identities,
            decisions: Vec::new(),
            targets: Vec::new(),
            declared: described.references.len(),
        }
    }

    fn as_table(&self) -> Table<'d> {
        let is_own = |field: &DescribedField| !self.is_referring(&field.name);
        let is_personal = self
            .described
            .fields
            .iter()
            .zip(&self.suggestions)
            .any(|(field, suggestion)| is_own(field) && suggestion.category.starts_with("user."));
        Table {
            described: self.described,
            has_identity: self.identities.iter().any(Option::is_some),
            is_personal,
            targets: self.targets.clone(),
        }
    }

    fn is_referring(&self, field: &str) -> bool {
        self.described
            .references
            .iter()
            .any(|reference| reference.fields.iter().any(|name| name == field))
    }

    /// A number that stands for a subject is personal wherever it is; every other key isn't.
    fn name_keys(&mut self, number: usize, subjects: &BTreeSet<usize>) {
        let is_subject = subjects.contains(&number);
        for (field, suggestion) in self.described.fields.iter().zip(&mut self.suggestions) {
            let references = self
                .described
                .references
                .iter()
                .zip(&self.targets)
                .zip(&self.decisions);
            let mut referring = references
                .filter(|((reference, _), _)| reference.fields.contains(&field.name))
                .peekable();
            let is_referring = referring.peek().is_some();
            let is_subjects = referring.any(|((_, target), decision)| {
                decision.relation != Relation::Link
                    && target.is_some_and(|target| subjects.contains(&target))
            });
            let is_own_key = self.described.primary_key == [field.name.clone()];
            let is_number = is_subject
                && suggestion.category == OPERATIONS
                && (is_own_key
                    || field.kind == ValueKind::Uuid
                    || field.unique
                    || tokens(&field.name) == ["row", "uuid"]);
            if is_subjects || (is_number && !is_referring) {
                *suggestion = Suggestion {
                    category: "user.unique_id",
                    confidence: 0.85,
                };
            } else if is_referring {
                *suggestion = Suggestion {
                    category: OPERATIONS,
                    confidence: 0.75,
                };
            } else if self.described.primary_key.contains(&field.name)
                && suggestion.category == OPERATIONS
            {
                *suggestion = Suggestion {
                    category: OPERATIONS,
                    confidence: 0.8,
                };
            }
        }
    }
}

/// Words that say that an identifier is somebody else's than the row's.
const OTHERS: [&str; 18] = [
    "support",
    "rep",
    "agent",
    "manager",
    "supervisor",
    "assigned",
    "assignee",
    "creator",
    "created",
    "updated",
    "approver",
    "approved",
    "referrer",
    "referred",
    "friend",
    "emergency",
    "sender",
    "vendor",
];

/// The identifier by which a column finds a subject, if no two subjects should share its values.
fn identity(
    table: &DescribedCollection,
    field: &DescribedField,
    suggestion: &Suggestion,
) -> Option<&'static str> {
    let words = tokens(&field.name);
    let own = tokens(&table.table);
    let is_others = words
        .iter()
        .any(|word| OTHERS.contains(&word.as_str()) && !own.contains(word));
    let is_searchable = matches!(
        field.kind,
        ValueKind::Text | ValueKind::Integer | ValueKind::Uuid
    );
    let about = about(&table.table);
    if is_others || !is_searchable || about == About::Choices {
        return None;
    }
    let is_number = words.last().is_some_and(|word| word == "number")
        && words.iter().any(|word| {
            [
                "customer",
                "account",
                "member",
                "client",
                "patient",
                "subscriber",
            ]
            .contains(&word.as_str())
        });
    match suggestion.category {
        "user.contact.email" if field.kind == ValueKind::Text => Some("email"),
        "user.contact.phone_number" if field.unique && about != About::Organizations => {
            Some("phone")
        }
        _ if is_number
            && field.unique
            && matches!(about, About::Persons | About::Things)
            && !suggestion.category.starts_with("user.financial") =>
        {
            Some("customer_number")
        }
        _ => None,
    }
}
