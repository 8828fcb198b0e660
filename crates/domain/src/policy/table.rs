//! The compiled policies: for each recipient and purpose a few rules over sets of attributes, decided without allocation.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attribute_set::{AttributeSet, AttributeSlot, Words};
use super::fact::{AgeBand, Condition, Conjunction, Fact};
use super::layout::{Layout, PurposeSlot, RecipientSlot, jurisdiction_bit};
use super::reason::ConjunctionNumber;
use super::release::Release;
use super::subject_facts::{Seen, SubjectFacts, Unusable};
use super::{Effect, Policy};
use crate::audit::Hash;
use crate::data_map::RecipientKey;
use crate::purpose_of_use::PurposeKey;

/// Forms in which something goes out: all of [`Release`] but the first.
pub(super) const LEVELS: usize = 5;

/// Compiled policies, for good: a change is another table, told apart by its hash. Made by [`super::TableDraft::build`].
pub struct Table {
    pub(super) layout: Arc<Layout>,
    /// All attributes of the layout.
    pub(super) known: AttributeSet,
    pub(super) policies: Box<[Policy]>,
    /// For recipient × purpose, which of `groups` holds.
    pub(super) cells: Box<[u32]>,
    pub(super) groups: Box<[Group]>,
    pub(super) rules: Box<[Rule]>,
    /// Words of a rule's attributes, `words` for each rule: 1, 2, 4 or 8.
    pub(super) attributes: Box<[u64]>,
    pub(super) words: usize,
    pub(super) conjunctions: Box<[Conjunction]>,
    pub(super) hash: Hash,
}

/// Rules that some cells have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) forbids: Range<usize>,
    pub(super) permits: Range<usize>,
}

/// One policy where it is about some attributes.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) policy: PolicyNumber,
    /// The forms that a permit allows, or a forbid takes away, as bits.
    pub(super) levels: u8,
    pub(super) conjunctions: Range<usize>,
}

/// Place of a policy in a table: in the order of files and, within one, of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PolicyNumber(pub u16);

/// One recipient and one purpose: what a route or an API key asks for again and again. Found by [`Table::cell`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// The recipient.
    pub recipient: RecipientSlot,
    /// The purpose of use.
    pub purpose: PurposeSlot,
}

/// What is asked of a table.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// By whom and for what.
    pub cell: Cell,
    /// About whom.
    pub facts: &'a SubjectFacts,
    /// When.
    pub on: Timestamp,
    /// Which attributes.
    pub wanted: &'a AttributeSet,
}

/// The answer: one [`Release`] for each attribute that was asked for. Every other one is withheld.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decision {
    pub(super) levels: [AttributeSet; LEVELS],
    pub(super) unusable: Option<Unusable>,
}

/// For each form the attributes that get it, or may.
pub(super) type Levels<const W: usize> = [Words<W>; LEVELS];

/// Attributes by what may become of them in a cell: nothing outside of these ever happens, and something inside may never.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Permits let out anything of them to anybody.
    pub any: AttributeSet,
    /// Rules may let out a piece, or something coarser.
    pub in_part: AttributeSet,
    /// Rules may let out a token.
    pub tokens: AttributeSet,
}

impl Table {
    /// SHA-256 over everything in it, in one canonical form: the same policies over the same configuration have the same hash.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Where everything has its place.
    pub const fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// All policies, by number.
    pub const fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// A policy.
    pub fn policy(&self, number: PolicyNumber) -> Option<&Policy> {
        self.policies.get(usize::from(number.0))
    }

    /// Where a recipient's questions for a purpose are decided; none for what the configuration doesn't know, and then nothing is released.
    pub fn cell(&self, recipient: &RecipientKey, purpose: &PurposeKey) -> Option<Cell> {
        Some(Cell {
            recipient: self.layout.recipient(recipient)?,
            purpose: self.layout.purpose(purpose)?,
        })
    }

    /// All cells.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        let recipients = (0..)
            .map(RecipientSlot)
            .take(self.layout.recipients().len());
        recipients.flat_map(|recipient| {
            let purposes = (0..).map(PurposeSlot).take(self.layout.purposes().len());
            purposes.map(move |purpose| Cell { recipient, purpose })
        })
    }

    /// Decides.
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let Question { cell, wanted, .. } = question;
        if let Some(unusable) = question.facts.unusable(&self.layout, question.on) {
            return Decision {
                unusable: Some(unusable),
                ..Decision::NOTHING
            };
        }
        if let Some(seen) = question.facts.seen_as_one(*cell) {
            return self.decide_seen(*cell, seen, wanted);
        }
        let mut decision = Decision::NOTHING;
        question.facts.each_part(*cell, wanted, |seen, part| {
            decision.take_in(&self.decide_seen(*cell, seen, part));
        });
        decision
    }

    /// Decides about attributes on bare facts: for every reachable input in turn, where a change of policies is looked at.
    pub fn decide_seen(&self, cell: Cell, seen: Seen, wanted: &AttributeSet) -> Decision {
        match self.words {
            1 => self.decide_words::<1>(cell, seen, wanted),
            2 => self.decide_words::<2>(cell, seen, wanted),
            4 => self.decide_words::<4>(cell, seen, wanted),
            _ => self.decide_words::<8>(cell, seen, wanted),
        }
    }

    #[inline]
    fn decide_words<const W: usize>(
        &self,
        cell: Cell,
        seen: Seen,
        wanted: &AttributeSet,
    ) -> Decision {
        let (group, wanted) = (self.group(cell), Words::<W>::of(wanted));
        let mut forbidden = [Words::EMPTY; LEVELS];
        for (_, rule, words) in self.rules_with_words(&group.forbids) {
            if self.may_hold(rule, seen) {
                put(&mut forbidden, rule.levels, &words);
            }
        }
        let permitted = self.permitted(group, seen, &wanted);
        Decision::of(&highest(&permitted, &forbidden))
    }

    /// What permits allow.
    #[inline]
    pub(super) fn permitted<const W: usize>(
        &self,
        group: &Group,
        seen: Seen,
        wanted: &Words<W>,
    ) -> Levels<W> {
        let mut permitted = [Words::EMPTY; LEVELS];
        for (_, rule, words) in self.rules_with_words(&group.permits) {
            if self.surely_holds(rule, seen) {
                put(&mut permitted, rule.levels, &words.and(wanted));
            }
        }
        permitted
    }

    /// What a cell's rules may come to. Conditions are not looked at.
    pub fn reach(&self, cell: Cell) -> Reach {
        let group = self.group(cell);
        let mut reach = Reach::default();
        let whole = Release::Keep.levels_within() & !Release::Token.levels_within();
        let parts = (Release::Mask.levels_within() | Release::Generalise.levels_within())
            & !Release::Null.levels_within();
        let keep = whole & !parts;
        let token = Release::Token.levels_within() & !Release::Null.levels_within();
        for (at, rule) in self.rules_in(group.forbids.start..group.permits.end) {
            let left = if at >= group.permits.start {
                put_words(&mut reach.any, self.words_of(at));
                rule.levels
            } else {
                !rule.levels
            };
            if left & keep == 0 && left & parts != 0 {
                put_words(&mut reach.in_part, self.words_of(at));
            }
            if left & keep == 0 && left & token != 0 {
                put_words(&mut reach.tokens, self.words_of(at));
            }
        }
        reach
    }

    /// The attributes that a cell's permits let out as they are to anybody, and that no forbid takes from everybody. Nothing outside of these is
    /// ever kept, and something inside may never be.
    pub fn may_keep(&self, cell: Cell) -> AttributeSet {
        let group = self.group(cell);
        // Of what is left, a token is told from the value itself by the form that only the latter has.
        let keep = Release::Keep.levels_within()
            & !Release::Token.levels_within()
            & !Release::Mask.levels_within()
            & !Release::Generalise.levels_within();
        let (mut may, mut never) = (AttributeSet::EMPTY, AttributeSet::EMPTY);
        for (at, rule) in self.rules_in(group.forbids.start..group.permits.end) {
            let words = self.words_of(at);
            if at >= group.permits.start {
                if rule.levels & keep != 0 {
                    put_words(&mut may, words);
                }
            } else if rule.levels & keep != 0 {
                let mut all = self.conjunctions_of(rule).iter();
                if all.any(|one| one.bits() == 0) {
                    put_words(&mut never, words);
                }
            }
        }
        may.minus(&never)
    }

    /// The bits of facts that a cell's rules look at. Inputs that differ in no other are one to it.
    pub fn looks_at(&self, cell: Cell) -> (Vec<Fact>, bool, bool) {
        let bits = self.bits_looked_at(cell);
        let facts = Fact::ALL.into_iter().filter(|fact| bits & fact.bit() != 0);
        let at_age = bits & AgeBand::MASK != 0;
        let at_place = bits & self.layout.jurisdiction_bits() != 0;
        (facts.collect(), at_age, at_place)
    }

    fn bits_looked_at(&self, cell: Cell) -> u128 {
        let group = self.group(cell);
        let ranges = [group.forbids.clone(), group.permits.clone()];
        let rules = ranges.into_iter().flat_map(|range| self.rules_in(range));
        let all = rules.flat_map(|(_, rule)| self.conjunctions_of(rule));
        all.fold(0, |bits, one| bits | one.bits())
    }

    /// As much of a subject's facts as a cell can tell apart here or there: subjects of whom it is the same are decided alike by both. None where a
    /// choice of hers is about some attributes alone.
    pub fn seen_by_both<'t>(
        &'t self,
        other: &'t Self,
        cell: Cell,
    ) -> impl Fn(&SubjectFacts) -> Option<Seen> + 't {
        let bits = self.bits_looked_at(cell) | other.bits_looked_at(cell);
        move |facts| {
            let Seen { yes, no } = facts.seen_as_one(cell)?;
            Some(Seen {
                yes: yes & bits,
                no: no & bits,
            })
        }
    }

    /// Whether a cell decides the same here and there whatever is known, because its rules are the same; false says nothing.
    pub fn decides_alike(&self, other: &Self, cell: Cell) -> bool {
        let rules = |table: &Self| -> Vec<_> {
            let group = table.group(cell);
            let rules = table.rules_in(group.forbids.start..group.permits.end);
            let whole = |(index, rule): (usize, &Rule)| {
                let attributes = table.words_of(index).to_vec();
                let is_permit = index >= group.permits.start;
                (
                    is_permit,
                    rule.levels,
                    attributes,
                    table.conjunctions_of(rule).to_vec(),
                )
            };
            rules.map(whole).collect()
        };
        self.words == other.words && rules(self) == rules(other)
    }

    /// Every input that a cell here or there can tell apart, each once: facts, ages and jurisdictions that neither looks at are left at
    /// their first value.
    pub fn inputs(&self, other: &Self, cell: Cell) -> Vec<Seen> {
        let (mut facts, mut at_age, mut at_place) = self.looks_at(cell);
        let (more, age, place) = other.looks_at(cell);
        facts.extend(more);
        facts.sort_unstable();
        facts.dedup();
        (at_age, at_place) = (at_age || age, at_place || place);
        let ages = AgeBand::ALL
            .into_iter()
            .take(if at_age { AgeBand::ALL.len() } else { 1 });
        let places = if at_place {
            self.layout.jurisdictions().len()
        } else {
            1
        };
        let mut inputs = Vec::new();
        for age in ages {
            for place in self.layout.jurisdictions().iter().take(places) {
                for bits in 0..1u32 << facts.len() {
                    let is = facts
                        .iter()
                        .enumerate()
                        .filter(|(at, _)| bits >> at & 1 == 1);
                    let is: Vec<Fact> = is.map(|(_, fact)| *fact).collect();
                    inputs.push(Seen::known(&self.layout, &is, age, place));
                }
            }
        }
        inputs
    }

    /// Inputs that try each condition of a cell: for each conjunction one that fulfils it, and for each of its conditions one that fails
    /// in that alone. No two are the same.
    pub fn witnesses(&self, cell: Cell) -> Vec<Seen> {
        let group = self.group(cell);
        let rules = self.rules_in(group.forbids.start..group.permits.end);
        let all = rules.flat_map(|(_, rule)| self.conjunctions_of(rule));
        let places = self.layout.jurisdiction_bits();
        let mut found: Vec<_> = all.flat_map(|one| Seen::around(one, places)).collect();
        found.push(Seen::around_nothing(places));
        found.sort_unstable_by_key(|seen| seen.yes);
        found.dedup();
        found
    }

    pub(super) fn group(&self, cell: Cell) -> &Group {
        const NONE: &Group = &Group {
            forbids: 0..0,
            permits: 0..0,
        };
        let purposes = self.layout.purposes().len();
        let (recipient, purpose) = (usize::from(cell.recipient.0), usize::from(cell.purpose.0));
        if purpose >= purposes {
            return NONE;
        }
        let group = self.cells.get(recipient * purposes + purpose);
        let group = group.and_then(|group| self.groups.get(*group as usize));
        group.unwrap_or(NONE)
    }

    #[inline]
    pub(super) fn rules_in(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &Rule)> {
        let rules = self.rules.get(range.clone()).unwrap_or_default();
        range.zip(rules)
    }

    /// Rules with their places and attributes.
    #[inline]
    pub(super) fn rules_with_words<const W: usize>(
        &self,
        range: &Range<usize>,
    ) -> impl Iterator<Item = (usize, &Rule, Words<W>)> {
        let words = self.attributes.get(range.start * W..).unwrap_or_default();
        let words = words.as_chunks::<W>().0.iter();
        let rules = self.rules.get(range.clone()).unwrap_or_default();
        let rules = range.clone().zip(rules).zip(words);
        rules.map(|((index, rule), words)| (index, rule, Words(*words)))
    }

    pub(super) fn words_of(&self, rule: usize) -> &[u64] {
        let at = rule * self.words;
        self.attributes.get(at..at + self.words).unwrap_or_default()
    }

    #[inline]
    pub(super) fn conjunctions_of(&self, rule: &Rule) -> &[Conjunction] {
        let found = self.conjunctions.get(rule.conjunctions.clone());
        found.unwrap_or_default()
    }

    #[inline]
    pub(super) fn may_hold(&self, forbid: &Rule, seen: Seen) -> bool {
        let mut all = self.conjunctions_of(forbid).iter();
        all.any(|one| seen.possibly(one))
    }

    #[inline]
    pub(super) fn surely_holds(&self, permit: &Rule, seen: Seen) -> bool {
        let mut all = self.conjunctions_of(permit).iter();
        all.any(|one| seen.surely(one))
    }

    /// The conditions that a reason names, for people.
    pub fn conditions(&self, number: ConjunctionNumber) -> Vec<Condition> {
        let one = self.conjunctions.get(number.0 as usize);
        one.map_or_else(Vec::new, |one| self.in_words(one))
    }

    /// Those of them that do not surely hold: what is missing.
    pub fn missing(&self, number: ConjunctionNumber, seen: Seen) -> Vec<Condition> {
        let Some(one) = self.conjunctions.get(number.0 as usize) else {
            return Vec::new();
        };
        let missing = seen.missing(one).bits();
        let mut conditions = self.in_words(one);
        conditions.retain(|condition| match condition {
            Condition::Fact { fact, .. } => missing & fact.bit() != 0,
            Condition::Age { .. } => missing & AgeBand::MASK != 0,
            Condition::Jurisdiction { .. } | Condition::NotJurisdiction { .. } => {
                missing & self.layout.jurisdiction_bits() != 0
            }
        });
        conditions
    }

    fn in_words(&self, one: &Conjunction) -> Vec<Condition> {
        let facts = Fact::ALL.into_iter().filter_map(|fact| {
            let is = one.must & fact.bit() != 0;
            let is_asked = is || one.must_not & fact.bit() != 0;
            is_asked.then_some(Condition::Fact { fact, is })
        });
        facts.chain(age(one)).chain(self.place(one)).collect()
    }

    fn place(&self, one: &Conjunction) -> Option<Condition> {
        let all = || (0u8..).zip(self.layout.jurisdictions());
        let names = |is_out: bool| -> Vec<String> {
            let is_so = |place| (one.must_not & jurisdiction_bit(place) != 0) == is_out;
            let named = all().filter(|(place, _)| is_so(*place));
            named.map(|(_, name)| name.clone()).collect()
        };
        let (one_of, none_of) = (names(false), names(true));
        if none_of.is_empty() {
            None
        } else if none_of.len() < one_of.len() {
            Some(Condition::NotJurisdiction { none_of })
        } else {
            Some(Condition::Jurisdiction { one_of })
        }
    }
}

fn put_words(to: &mut AttributeSet, words: &[u64]) {
    for (to, word) in to.0.iter_mut().zip(words) {
        *to |= word;
    }
}

fn age(one: &Conjunction) -> Option<Condition> {
    let is_open = |band: &AgeBand| one.must_not & band.bit() == 0;
    let one_of: Vec<_> = AgeBand::ALL.into_iter().filter(is_open).collect();
    (one_of.len() < AgeBand::ALL.len()).then_some(Condition::Age { one_of })
}

/// Adds attributes to the sets of some forms.
#[inline]
pub(super) fn put<const W: usize>(levels: &mut Levels<W>, which: u8, words: &Words<W>) {
    for (level, set) in levels.iter_mut().enumerate() {
        *set = set.or(&words.only_if(which >> level & 1 == 1));
    }
}

/// Of what is left the form that ranks highest, for each attribute.
#[inline]
pub(super) fn highest<const W: usize>(permitted: &Levels<W>, forbidden: &Levels<W>) -> Levels<W> {
    let mut levels = [Words::EMPTY; LEVELS];
    let mut given = Words::EMPTY;
    let sets = levels.iter_mut().zip(permitted).zip(forbidden).rev();
    for ((level, permitted), forbidden) in sets {
        *level = permitted.minus(forbidden).minus(&given);
        given = given.or(level);
    }
    levels
}

impl Decision {
    /// Nothing is released.
    pub const NOTHING: Self = Self {
        levels: [AttributeSet::EMPTY; LEVELS],
        unusable: None,
    };

    #[inline]
    pub(super) fn of<const W: usize>(levels: &Levels<W>) -> Self {
        Self {
            levels: levels.map(|set| set.set()),
            unusable: None,
        }
    }

    pub(super) fn take_in(&mut self, part: &Self) {
        for (level, more) in self.levels.iter_mut().zip(&part.levels) {
            *level = level.or(more);
        }
    }

    /// In which form an attribute goes out.
    pub fn release(&self, attribute: AttributeSlot) -> Release {
        let mut forms = self.forms();
        let found = forms.find(|(_, set)| set.contains(attribute));
        found.map_or(Release::Withhold, |(release, _)| release)
    }

    /// The attributes that go out in one form; for [`Release::Withhold`] none, since all others are withheld.
    pub fn released_as(&self, release: Release) -> AttributeSet {
        let found = self.forms().find(|(form, _)| *form == release);
        found.map_or(AttributeSet::EMPTY, |(_, set)| *set)
    }

    /// The attributes that go out in any form.
    pub fn released(&self) -> AttributeSet {
        let all = self.levels.iter();
        all.fold(AttributeSet::EMPTY, |all, set| all.or(set))
    }

    /// Set when the facts could not be decided on, and nothing is released for that.
    pub const fn unusable(&self) -> Option<Unusable> {
        self.unusable
    }

    fn forms(&self) -> impl Iterator<Item = (Release, &AttributeSet)> {
        Release::ALL.into_iter().skip(1).zip(&self.levels)
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_map();
        for (release, set) in self.forms().filter(|(_, set)| !set.is_empty()) {
            shown.entry(&release.text(), set);
        }
        shown.finish()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("hash", &self.hash.to_string())
            .field("policies", &self.policies.len())
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

impl Rule {
    pub(super) const fn levels_of(effect: Effect) -> u8 {
        match effect {
            Effect::Permit(release) => release.levels_within(),
            Effect::Forbid(leaves) => Release::Keep.levels_within() & !leaves.levels_within(),
        }
    }
}
