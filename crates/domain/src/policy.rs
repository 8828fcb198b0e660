//! Central policies: who may have which attribute for which purpose, as an immutable table that answers in a fraction of a microsecond.
//!
//! Authors write Cedar; the crate `policy` compiles it to a [`Table`], and nothing here knows of Cedar. A permit allows its [`Release`] and
//! whatever gives less; a forbid takes away whatever gives more than it leaves; without a permit nothing is released, and of what is left
//! the attribute gets what gives most. A fact that nobody knows fulfils no condition of a permit and every condition of a forbid. Law behind
//! the default: 11 CCR 7002, GDPR Art. 5(1)(b)-(c), 45 CFR 164.502(b).

mod attribute_set;
mod build;
mod configuration;
mod fact;
mod layout;
mod reason;
mod release;
mod residence;
mod subject_facts;
mod table;

use serde::{Deserialize, Serialize};

pub use attribute_set::{AttributeSet, AttributeSlot};
pub use build::{RuleDraft, TableDraft, TableError};
pub use configuration::{Configuration, PolicyAttribute, PolicyPurpose, PolicyRecipient};
pub use fact::{AgeBand, Condition, Conjunction, Fact, OTHER, UNKNOWN};
pub use layout::{KeptLayout, Layout, LayoutError, LayoutMark, PurposeSlot, RecipientSlot};
pub use reason::{ConjunctionNumber, Reasons, Why};
pub use release::Release;
pub use residence::jurisdiction_of;
pub use subject_facts::{ChoiceFacts, Exception, NotFacts, Seen, SubjectFacts, Unusable};
pub use table::{Cell, Decision, PolicyNumber, Question, Reach, Table};

/// What a policy says of itself, and what it does where its condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its id, unique among all policies, e.g. `ccpa.opt-out-of-sale`.
    pub id: String,
    /// The file that it stands in, e.g. `ccpa.cedar`.
    pub file: String,
    /// The law, contract or decision behind it.
    pub citation: String,
    /// Its name for people.
    pub title: String,
    /// Why, in words for the subject.
    pub reason_subject: String,
    /// Why, in words for an operator.
    pub reason_operator: String,
    /// What it does.
    pub effect: Effect,
}

/// What a policy does where its condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Allows that release and whatever gives less.
    Permit(Release),
    /// Takes away whatever gives more than that release.
    Forbid(Release),
}
