//! A version that decides beside the active one on all live traffic: nothing follows from it but counts of what it would change.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::data_map::RecipientKey;
use domain::policy::SubjectFacts;
use domain::policy::{
    AttributeSlot, Cell, Decision, PolicyNumber, Question, Reasons, Release, Table, Why,
};
use domain::profile::AttributeKey;
use domain::purpose_of_use::PurposeKey;
use jiff::Timestamp;
use serde::Serialize;

use super::InForce;

/// Divergences that are told apart; further ones are counted together.
const MOST: usize = 10_000;

/// A candidate, and what it would have changed since this program began to look.
#[derive(Debug)]
pub struct Shadow {
    /// The version that it is.
    pub version: u64,
    /// What it would decide by.
    pub table: Table,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    decisions: u64,
    by_place: BTreeMap<(Cell, AttributeSlot, u8, u8, Option<PolicyNumber>), u64>,
    others: u64,
}

/// What a candidate would change, as often as it was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// By whom.
    pub recipient: String,
    /// For what.
    pub purpose: String,
    /// Which attribute.
    pub attribute: String,
    /// In which form it goes out now.
    pub now: &'static str,
    /// In which form it would.
    pub would: &'static str,
    /// The policy of the candidate that makes the difference; none where no policy is about it.
    pub policy: Option<String>,
    /// How often.
    pub times: u64,
}

/// What a shadow saw on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShadowReport {
    /// The version.
    pub version: u64,
    /// Decisions that it was asked for.
    pub decisions: u64,
    /// What it would change, the most frequent first.
    pub divergences: Vec<Divergence>,
    /// How many more were met than are told apart.
    pub others: u64,
}

impl Shadow {
    pub(super) fn new(version: u64, table: Table) -> Self {
        Self {
            version,
            table,
            counted: Mutex::default(),
        }
    }

    /// Asks the candidate, too, and counts where it decides otherwise. To be called for every disclosure, after its decision.
    pub fn observe(&self, question: &Question<'_>, decided: &Decision) {
        let mut reasons = Reasons::new();
        let would = self.table.decide(question);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.decisions += 1;
        if would == *decided {
            return;
        }
        self.table.decide_with_reasons(question, &mut reasons);
        for slot in question.wanted.iter() {
            let (now, would) = (decided.release(slot), would.release(slot));
            if now == would {
                continue;
            }
            let place = (
                question.cell,
                slot,
                now as u8,
                would as u8,
                policy(reasons.of(slot)),
            );
            let is_full = counted.by_place.len() >= MOST && !counted.by_place.contains_key(&place);
            if is_full {
                counted.others += 1;
            } else {
                *counted.by_place.entry(place).or_default() += 1;
            }
        }
    }

    /// What it saw so far, on this node.
    pub fn report(&self) -> ShadowReport {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let layout = self.table.layout();
        let form = |at: u8| {
            Release::ALL
                .get(usize::from(at))
                .map_or("withhold", |form| form.text())
        };
        let line = |((cell, slot, now, would, policy), times): (
            &(Cell, AttributeSlot, u8, u8, Option<PolicyNumber>),
            &u64,
        )| {
            let recipient = layout.recipients().get(usize::from(cell.recipient.0));
            let purpose = layout.purposes().get(usize::from(cell.purpose.0));
            Divergence {
                recipient: recipient.map(ToString::to_string).unwrap_or_default(),
                purpose: purpose.map(ToString::to_string).unwrap_or_default(),
                attribute: layout
                    .attribute_key(*slot)
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                now: form(*now),
                would: form(*would),
                policy: policy.and_then(|number| Some(self.table.policy(number)?.id.clone())),
                times: *times,
            }
        };
        let mut divergences: Vec<_> = counted.by_place.iter().map(line).collect();
        divergences.sort_by_key(|divergence| std::cmp::Reverse(divergence.times));
        ShadowReport {
            version: self.version,
            decisions: counted.decisions,
            divergences,
            others: counted.others,
        }
    }
}

impl InForce {
    /// Lets the shadow, if there is one, look at a decision that was made.
    pub fn observe(&self, question: &Question<'_>, decided: &Decision) {
        if let Some(shadow) = &self.shadow {
            shadow.observe(question, decided);
        }
    }

    /// The same for what a recipient asked for. Of whom nobody knows anything as much is worked out, and nothing is counted, so that the
    /// time that it takes doesn't tell them apart.
    pub(crate) fn watch(&self, asked: &Watched<'_>) {
        let Some(shadow) = &self.shadow else {
            return;
        };
        let Some(cell) = self.table.cell(asked.recipient, asked.purpose) else {
            return;
        };
        let slots = asked.attributes.iter();
        let wanted = slots
            .filter_map(|key| self.table.layout().attribute(key.as_ref()))
            .collect();
        let question = Question {
            cell,
            facts: asked.facts,
            on: asked.on,
            wanted: &wanted,
        };
        let decided = self.table.decide(&question);
        if asked.is_known {
            shadow.observe(&question, &decided);
        } else {
            std::hint::black_box(shadow.table.decide(&question));
        }
    }
}

/// What a recipient asked for, as a shadow looks at it.
pub(crate) struct Watched<'a> {
    pub(crate) recipient: &'a RecipientKey,
    pub(crate) purpose: &'a PurposeKey,
    pub(crate) attributes: &'a [AttributeKey],
    pub(crate) facts: &'a SubjectFacts,
    pub(crate) on: Timestamp,
    pub(crate) is_known: bool,
}

/// The policy that a reason names.
pub(super) const fn policy(why: Why) -> Option<PolicyNumber> {
    match why {
        Why::Allowed {
            permit, limited_by, ..
        } => match limited_by {
            Some(forbid) => Some(forbid),
            None => Some(permit),
        },
        Why::Forbidden { forbid, .. } => Some(forbid),
        Why::Unmet { permit, .. } => Some(permit),
        Why::NoPolicy | Why::NotAsked | Why::Unusable(_) => None,
    }
}
