//! What becomes of attributes that policies answered alike for: verdicts, their hash and the list of their names are worked out once, and
//! shared by all subjects of whom a recipient gets the same.
//!
//! It is no cache of decisions: each disclosure is decided by the table with the subject's own facts, and what is shared is found by the
//! answer.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use domain::audit::Hash;
use domain::disclosure::{NeverDisclosed, RecipientQuery, RecipientQueryFacts, WithholdReason};
use domain::policy::{AttributeSet, AttributeSlot, Decision, Layout, Table};
use domain::profile::{AttributeKey, AttributeRule, Schema};

use crate::decide::strictest_rule;
use crate::judgement::{Judgement, Refusal, Sorted};
use crate::permit::{Names, Verdict};

/// Lists of attributes that are kept: the ways in which recipients ask are few. More of them, and all are made anew.
const MOST_LISTS: usize = 256;
/// Answers to each that are kept.
const MOST_ANSWERS: usize = 1_024;

/// What was judged for recipients before.
#[derive(Default)]
pub struct RecipientJudgements(Mutex<HashMap<Asking, Arc<Asked>>>);

/// Which attributes, under which policies.
#[derive(PartialEq, Eq, Hash)]
struct Asking {
    policies: Hash,
    attributes: Arc<[AttributeKey]>,
}

/// Attributes that are asked for together, with what schema and law say of them.
pub(crate) struct Asked {
    schema: Arc<Schema>,
    known_categories: Arc<BTreeSet<String>>,
    never_disclosed: Arc<[NeverDisclosed]>,
    attributes: Arc<[AttributeKey]>,
    /// Of each attribute its place, or why it stays whatever policies say.
    places: Vec<Result<AttributeSlot, Refusal>>,
    wanted: AttributeSet,
    answers: Mutex<HashMap<Decision, Arc<Judgement>>>,
}

impl RecipientJudgements {
    pub(crate) fn asked(
        &self,
        query: &RecipientQuery,
        facts: &RecipientQueryFacts,
        table: &Table,
    ) -> Arc<Asked> {
        let asking = Asking {
            policies: table.hash(),
            attributes: Arc::clone(&query.attributes),
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&asking).filter(|asked| asked.rests_on(facts)) {
            return Arc::clone(found);
        }
        let made = Arc::new(Asked::of(query, facts, table.layout()));
        if known.len() >= MOST_LISTS {
            known.clear();
        }
        known.insert(asking, Arc::clone(&made));
        made
    }
}

impl Asked {
    fn of(query: &RecipientQuery, facts: &RecipientQueryFacts, layout: &Layout) -> Self {
        let keys = query.attributes.iter();
        let places: Vec<_> = keys
            .map(|key| place(facts.schema.attribute_of(key.as_ref()), facts, layout))
            .collect();
        let open = places.iter().filter_map(|place| place.as_ref().ok());
        Self {
            wanted: open.copied().collect(),
            places,
            schema: Arc::clone(&facts.schema),
            known_categories: Arc::clone(&facts.known_categories),
            never_disclosed: Arc::clone(&facts.never_disclosed),
            attributes: Arc::clone(&query.attributes),
            answers: Mutex::default(),
        }
    }

    fn rests_on(&self, facts: &RecipientQueryFacts) -> bool {
        Arc::ptr_eq(&self.schema, &facts.schema)
            && Arc::ptr_eq(&self.known_categories, &facts.known_categories)
            && Arc::ptr_eq(&self.never_disclosed, &facts.never_disclosed)
    }

    /// What policies are asked about.
    pub(crate) const fn wanted(&self) -> &AttributeSet {
        &self.wanted
    }

    /// What becomes of each attribute by an answer.
    pub(crate) fn judgement(&self, answer: &Decision) -> Arc<Judgement> {
        let mut known = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(answer) {
            return Arc::clone(found);
        }
        let made = Arc::new(self.judge(answer));
        if known.len() >= MOST_ANSWERS {
            known.clear();
        }
        known.insert(*answer, Arc::clone(&made));
        made
    }

    fn judge(&self, answer: &Decision) -> Judgement {
        let mut sorted = Sorted::default();
        for (key, place) in self.attributes.iter().zip(&self.places) {
            let judged = place.clone().and_then(|slot| {
                Verdict::of(answer.release(slot)).ok_or((WithholdReason::WithheldByPolicy, None))
            });
            sorted.put(key, self.schema.attribute_of(key.as_ref()), judged);
        }
        let names = Names::by_release(&sorted.verdicts, &sorted.withheld);
        sorted.judgement(names)
    }
}

/// Where policies have an attribute: declared, of a known category, and not of a kind that never leaves.
fn place(
    rule: Option<&AttributeRule>,
    facts: &RecipientQueryFacts,
    layout: &Layout,
) -> Result<AttributeSlot, Refusal> {
    let rule = rule.ok_or((WithholdReason::UnknownAttribute, None))?;
    if !facts.known_categories.contains(&rule.category) {
        return Err((WithholdReason::UnknownCategory, None));
    }
    if let Some(never) = strictest_rule(&rule.category, &facts.never_disclosed) {
        return Err((WithholdReason::NeverDisclosed, Some(never.citation.clone())));
    }
    let slot = layout.attribute(rule.key.as_ref());
    slot.ok_or((WithholdReason::WithheldByPolicy, None))
}
