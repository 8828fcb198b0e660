//! Law as data: rights, clocks, verification and reasons are dated, cited rows; the rules here only count what the rows say.
//!
//! INVARIANT: no legal number stands in code. A date that no row supports is an error, never a guess.

pub mod calendar;
pub mod category;
mod check;
pub mod clocks;
pub mod due;
pub mod file;
pub mod limit;
pub mod message;
pub mod reason;
pub mod right;
pub mod row;

use std::collections::BTreeMap;

pub use calendar::{
    Calendar, CalendarError, CalendarFile, add_calendar_days, add_months, add_years,
};
pub use category::{Category, CategoryFile, CategoryTerm, NeverDisclose};
pub use clocks::{Citation, Clocks, ExtensionError, InvalidReceived, Received, earliest};
pub(crate) use due::birthday;
pub use due::{DueError, RuleDate};
pub use file::{Fault, Faults, JurisdictionFile, LawParts, LawText};
pub use limit::Limit;
pub use message::{Message, MessageFile, Occasion, Regulator, RegulatorFile};
pub use reason::{Reason, ReasonFile, ReasonKind, Source, SourceFile};
pub use right::{Law, Right, Verification};
pub(crate) use row::Amount;
pub use row::{Confidence, Roll, Row, RowText, Unit, Value};

/// All law data, checked.
#[derive(Clone, Debug)]
pub struct LawBook {
    laws: BTreeMap<String, Law>,
    calendars: BTreeMap<String, Calendar>,
    categories: BTreeMap<String, Category>,
    ccpa_categories: BTreeMap<String, CategoryTerm>,
    sensitive_categories: BTreeMap<String, CategoryTerm>,
    reasons: Vec<Reason>,
    messages: Vec<Message>,
    regulators: Vec<Regulator>,
    sources: Vec<Source>,
}

impl LawBook {
    /// A law by key or alias, in any case; `-` reads as `_`.
    ///
    /// # Errors
    /// No law is called that; the error lists all.
    pub fn law(&self, name: &str) -> Result<&Law, DueError> {
        let key = normal(name);
        let found = self
            .laws
            .get(&key)
            .or_else(|| self.laws.values().find(|law| law.aliases.contains(&key)));
        found.ok_or_else(|| DueError::UnknownLaw {
            law: name.to_owned(),
            known: self.laws.keys().cloned().collect(),
        })
    }

    /// All laws by key.
    pub fn laws(&self) -> impl Iterator<Item = &Law> {
        self.laws.values()
    }

    /// How sure the business must be of who asks.
    ///
    /// # Errors
    /// Unknown law or right.
    pub fn verification(&self, law: &str, right: &str) -> Result<Verification, DueError> {
        Ok(self.law(law)?.right(right)?.verification)
    }

    /// A calendar by key, e.g. `CA-MIN`.
    pub fn calendar(&self, key: &str) -> Option<&Calendar> {
        self.calendars.get(key)
    }

    /// The exceptions for which data may be kept, and the cases that a deletion doesn't reach.
    pub fn exceptions(&self) -> impl Iterator<Item = &Reason> {
        let is_exception =
            |kind| matches!(kind, ReasonKind::DeletionException | ReasonKind::OutOfReach);
        self.reasons
            .iter()
            .filter(move |reason| is_exception(reason.kind))
    }

    /// All reasons: exceptions, denials and the buckets of the metrics.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// A reason by its code.
    pub fn reason(&self, code: &str) -> Option<&Reason> {
        self.reasons.iter().find(|reason| reason.reason == code)
    }

    /// What a message must contain.
    pub fn message(&self, key: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.message == key)
    }

    /// All messages whose content the law prescribes.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The messages whose fields have to be in what is written on these occasions. `law` is a key, `right` a key or an alias;
    /// `reason` the code for which something is denied.
    pub fn messages_for(
        &self,
        law: &str,
        right: &str,
        reason: Option<&str>,
        occasions: &[Occasion],
    ) -> Vec<&Message> {
        let known = self.law(law).and_then(|law| law.right(right));
        let right = known.map_or(right, |known| known.right.as_str());
        self.messages
            .iter()
            .filter(|message| message.governs(law, right, reason, occasions))
            .collect()
    }

    /// Where a subject complains under a law, if the data says so.
    pub fn regulator(&self, law: &str) -> Option<&Regulator> {
        self.regulators
            .iter()
            .find(|regulator| regulator.laws.iter().any(|key| key == law))
    }

    /// All regulators.
    pub fn regulators(&self) -> &[Regulator] {
        &self.regulators
    }

    /// What a row may name as its source.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Whether the taxonomy has that data category, exactly so written.
    pub fn is_known_category(&self, key: &str) -> bool {
        self.categories.contains_key(key)
    }

    /// All data categories by key.
    pub fn categories(&self) -> impl Iterator<Item = &Category> {
        self.categories.values()
    }

    /// A data category, or for a key that the taxonomy lacks its nearest parent (`user.contact.email.work`: `user.contact.email`).
    pub fn category(&self, key: &str) -> Option<&Category> {
        category::nearest(key, |key| self.categories.get(key))
    }

    /// Letters A to L of Civ. Code 1798.140(v)(1) for a data category; empty if it is unknown or no personal information.
    pub fn ccpa_categories(&self, key: &str) -> &[String] {
        self.category(key).map_or(&[], |category| &category.ccpa)
    }

    /// The words of a letter of Civ. Code 1798.140(v)(1).
    pub fn ccpa_category(&self, letter: &str) -> Option<&CategoryTerm> {
        self.ccpa_categories.get(letter)
    }

    /// The words of a key of sensitive personal information.
    pub fn sensitive_category(&self, key: &str) -> Option<&CategoryTerm> {
        self.sensitive_categories.get(key)
    }

    /// Where it stands that a value of this data category is described and never shown, if it stands anywhere. What lies under such
    /// a category is withheld with it.
    pub fn never_disclosed(&self, key: &str) -> Option<&str> {
        let find = |key| self.categories.get(key)?.never_disclose.as_ref();
        category::nearest(key, find).map(|reason| reason.citation.as_str())
    }
}

/// Keys are compared in lower case with `_`.
fn normal(name: &str) -> String {
    name.trim().to_lowercase().replace('-', "_")
}
