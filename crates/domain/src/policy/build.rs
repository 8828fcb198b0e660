//! From rules as they were compiled to a table: impossible and needless conditions go, cells with the same rules share them, everything gets
//! one order, and a hash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::attribute_set::AttributeSet;
use super::fact::Conjunction;
use super::layout::{Layout, PurposeSlot, RecipientSlot, write_number, write_text};
use super::table::{Group, PolicyNumber, Rule, Table};
use super::{Effect, Policy, Release};
use crate::audit::Hash;

/// A table in the making.
#[derive(Clone, Debug)]
pub struct TableDraft {
    /// Where everything has its place.
    pub layout: Arc<Layout>,
    /// All policies, in the order in which reasons name them.
    pub policies: Vec<Policy>,
    /// What they do, in any order.
    pub rules: Vec<RuleDraft>,
}

/// One policy where it is about one cell and some attributes.
#[derive(Clone, Debug)]
pub struct RuleDraft {
    /// By this recipient.
    pub recipient: RecipientSlot,
    /// For this purpose.
    pub purpose: PurposeSlot,
    /// Place of the policy in the draft.
    pub policy: usize,
    /// These attributes.
    pub attributes: AttributeSet,
    /// Where one of these is fulfilled.
    pub conjunctions: Vec<Conjunction>,
}

/// A draft that makes no table.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// An id twice.
    #[error("two policies are called `{0}`; give each an id of its own")]
    SameId(String),
    /// More than can be numbered.
    #[error("there are {0} policies, and a table holds at most 65,535; retire some")]
    TooManyPolicies(usize),
    /// A rule of a policy that is not in the draft.
    #[error("a rule belongs to policy {0}, which the draft does not have")]
    NoPolicy(usize),
}

/// A rule without its cell, in the order of a table: forbids first, then by policy.
type RuleKey = (bool, usize, AttributeSet, Vec<Conjunction>);

impl Table {
    /// The table of no policies over nothing: it releases nothing.
    pub fn empty() -> Self {
        let draft = TableDraft {
            layout: Arc::new(Layout::empty()),
            policies: Vec::new(),
            rules: Vec::new(),
        };
        let mut table = Shape::new(&draft).into_table(Vec::new());
        table.hash = hash(&table);
        table
    }
}

impl TableDraft {
    /// Makes the table.
    ///
    /// # Errors
    /// Ids that repeat, more policies than fit, a rule without its policy.
    pub fn build(self) -> Result<Table, TableError> {
        self.check()?;
        let cells = self.cells();
        let mut shape = Shape::new(&self);
        let mut cell_groups = Vec::new();
        for recipient in 0..self.layout.recipients().len() {
            for purpose in 0..self.layout.purposes().len() {
                let rules = cells.get(&(recipient, purpose));
                cell_groups.push(shape.group(rules.map_or(&[], Vec::as_slice)));
            }
        }
        let mut table = shape.into_table(cell_groups);
        table.policies = self.policies.into();
        table.hash = hash(&table);
        Ok(table)
    }

    fn check(&self) -> Result<(), TableError> {
        let mut ids = BTreeSet::new();
        for policy in &self.policies {
            if !ids.insert(policy.id.as_str()) {
                return Err(TableError::SameId(policy.id.clone()));
            }
        }
        if self.policies.len() > usize::from(u16::MAX) {
            return Err(TableError::TooManyPolicies(self.policies.len()));
        }
        let lost = self.rules.iter().map(|rule| rule.policy);
        let lost = lost
            .into_iter()
            .find(|policy| *policy >= self.policies.len());
        lost.map_or(Ok(()), |policy| Err(TableError::NoPolicy(policy)))
    }

    /// The rules of each cell, in order, those with the same conditions joined.
    fn cells(&self) -> BTreeMap<(usize, usize), Vec<RuleKey>> {
        type Joined = BTreeMap<(bool, usize, Vec<Conjunction>), AttributeSet>;
        let mut cells: BTreeMap<_, Joined> = BTreeMap::new();
        let (places, known) = (self.layout.jurisdiction_bits(), self.layout.attributes());
        for rule in &self.rules {
            let conjunctions = needed(&rule.conjunctions, places);
            let attributes = rule.attributes.and(&known);
            if conjunctions.is_empty() || attributes.is_empty() {
                continue;
            }
            let cell = (usize::from(rule.recipient.0), usize::from(rule.purpose.0));
            let key = (self.is_permit(rule.policy), rule.policy, conjunctions);
            let joined = cells.entry(cell).or_default().entry(key).or_default();
            *joined = joined.or(&attributes);
        }
        let in_order = |joined: Joined| {
            let keys = joined.into_iter();
            let mut keys: Vec<RuleKey> = keys
                .map(|((permit, policy, all), attributes)| (permit, policy, attributes, all))
                .collect();
            keys.sort();
            keys
        };
        let cells = cells.into_iter();
        cells
            .map(|(cell, joined)| (cell, in_order(joined)))
            .collect()
    }

    fn is_permit(&self, policy: usize) -> bool {
        let effect = self.policies.get(policy).map(|policy| policy.effect);
        matches!(effect, Some(Effect::Permit(_)))
    }
}

/// Without what nobody can fulfil, and without what asks for more than another does.
fn needed(all: &[Conjunction], places: u128) -> Vec<Conjunction> {
    let possible: BTreeSet<_> = all
        .iter()
        .filter(|one| !one.is_impossible(places))
        .collect();
    let is_least = |one: &&&Conjunction| {
        let others = possible.iter();
        !others
            .into_iter()
            .any(|other| other != *one && other.is_implied_by(one))
    };
    possible.iter().filter(is_least).map(|one| **one).collect()
}

/// The arrays of a table while they grow.
struct Shape<'d> {
    draft: &'d TableDraft,
    words: usize,
    known: BTreeMap<Vec<RuleKey>, u32>,
    groups: Vec<Group>,
    rules: Vec<Rule>,
    attributes: Vec<u64>,
    conjunctions: Vec<Conjunction>,
}

impl<'d> Shape<'d> {
    fn new(draft: &'d TableDraft) -> Self {
        Self {
            draft,
            words: draft
                .layout
                .attributes()
                .len()
                .div_ceil(64)
                .next_power_of_two(),
            known: BTreeMap::new(),
            groups: Vec::new(),
            rules: Vec::new(),
            attributes: Vec::new(),
            conjunctions: Vec::new(),
        }
    }

    /// The group with these rules, made if no cell had them before.
    fn group(&mut self, rules: &[RuleKey]) -> u32 {
        if let Some(group) = self.known.get(rules) {
            return *group;
        }
        let first = self.rules.len();
        let forbids = rules.iter().filter(|(is_permit, ..)| !is_permit).count();
        for rule in rules {
            self.rule(rule);
        }
        self.groups.push(Group {
            forbids: first..first + forbids,
            permits: first + forbids..self.rules.len(),
        });
        // INVARIANT: there are at most 4,096 × 64 cells, so that their groups fit.
        let group = u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX);
        self.known.insert(rules.to_vec(), group);
        group
    }

    fn rule(&mut self, (_, policy, attributes, conjunctions): &RuleKey) {
        let effect = self.draft.policies.get(*policy).map(|policy| policy.effect);
        let first = self.conjunctions.len();
        self.conjunctions.extend(conjunctions);
        self.attributes.extend(attributes.0.iter().take(self.words));
        self.rules.push(Rule {
            policy: PolicyNumber(u16::try_from(*policy).unwrap_or(u16::MAX)),
            levels: Rule::levels_of(effect.unwrap_or(Effect::Forbid(Release::Withhold))),
            conjunctions: first..self.conjunctions.len(),
        });
    }

    fn into_table(self, cells: Vec<u32>) -> Table {
        Table {
            layout: Arc::clone(&self.draft.layout),
            known: self.draft.layout.attributes(),
            policies: Box::default(),
            cells: cells.into(),
            groups: self.groups.into(),
            rules: self.rules.into(),
            attributes: self.attributes.into(),
            words: self.words,
            conjunctions: self.conjunctions.into(),
            hash: Hash([0; 32]),
        }
    }
}

/// SHA-256 over the canonical form: layout, policies, the groups in order of their first cell, the cells.
fn hash(table: &Table) -> Hash {
    let mut bytes = Vec::new();
    write_text(&mut bytes, "privity policy table 1");
    table.layout.write(&mut bytes);
    write_number(&mut bytes, table.policies.len());
    for policy in &table.policies {
        write_policy(&mut bytes, policy);
    }
    write_number(&mut bytes, table.groups.len());
    for group in &table.groups {
        for rules in [&group.forbids, &group.permits] {
            write_number(&mut bytes, rules.len());
            for (index, rule) in table.rules_in(rules.clone()) {
                write_rule(&mut bytes, table, index, rule);
            }
        }
    }
    for cell in &table.cells {
        write_number(&mut bytes, *cell as usize);
    }
    Hash::of(&bytes)
}

fn write_policy(to: &mut Vec<u8>, policy: &Policy) {
    let effect = match policy.effect {
        Effect::Permit(release) => ["permit", release.text()],
        Effect::Forbid(leaves) => ["forbid", leaves.text()],
    };
    let texts = [
        &policy.id,
        &policy.file,
        &policy.citation,
        &policy.title,
        &policy.reason_subject,
        &policy.reason_operator,
    ];
    let texts = texts.into_iter().map(String::as_str).chain(effect);
    texts.for_each(|text| write_text(to, text));
}

fn write_rule(to: &mut Vec<u8>, table: &Table, index: usize, rule: &Rule) {
    write_number(to, usize::from(rule.policy.0));
    for word in table.words_of(index) {
        to.extend_from_slice(&word.to_be_bytes());
    }
    let conjunctions = table.conjunctions_of(rule);
    write_number(to, conjunctions.len());
    for one in conjunctions {
        to.extend_from_slice(&one.must.to_be_bytes());
        to.extend_from_slice(&one.must_not.to_be_bytes());
    }
}
