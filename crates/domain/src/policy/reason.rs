//! Why each attribute goes out or not. Worked out on demand from the same table and facts, so that a record needs neither.

use super::attribute_set::{AttributeSet, AttributeSlot, Words, bits};
use super::fact::Conjunction;
use super::release::Release;
use super::subject_facts::{Seen, Unusable};
use super::table::{
    Cell, Decision, Group, LEVELS, Levels, PolicyNumber, Question, Rule, Table, highest, put,
};

/// Place of a conjunction in a table, for [`Table::conditions`] and [`Table::missing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConjunctionNumber(pub(super) u32);

/// Why one attribute goes out, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Why {
    /// Nobody asked for it.
    #[default]
    NotAsked,
    /// A permit allows it.
    Allowed {
        /// In which form it goes out.
        release: Release,
        /// The first permit that allows that form and holds.
        permit: PolicyNumber,
        /// The first forbid that took a fuller form away.
        limited_by: Option<PolicyNumber>,
    },
    /// A forbid holds, whether or not a permit does.
    Forbidden {
        /// The first that holds and leaves nothing.
        forbid: PolicyNumber,
        /// Its conditions, the first that hold.
        conditions: ConjunctionNumber,
    },
    /// No permit holds that is about it.
    Unmet {
        /// The one that misses least.
        permit: PolicyNumber,
        /// Its conditions, those that miss least.
        conditions: ConjunctionNumber,
    },
    /// No permit is about it: the recipient has no use for it for that purpose.
    NoPolicy,
    /// The facts could not be decided on.
    Unusable(Unusable),
}

/// Reasons by attribute. Keep one and use it again, and nothing is allocated.
#[derive(Clone, Debug, Default)]
pub struct Reasons {
    asked: AttributeSet,
    /// What was written for others than those asked is of an earlier question.
    why: Vec<Why>,
    missed: Vec<u8>,
}

impl Reasons {
    /// Room for reasons.
    pub const fn new() -> Self {
        Self {
            asked: AttributeSet::EMPTY,
            why: Vec::new(),
            missed: Vec::new(),
        }
    }

    /// Why an attribute goes out or not.
    pub fn of(&self, attribute: AttributeSlot) -> Why {
        if !self.asked.contains(attribute) {
            return Why::NotAsked;
        }
        let why = self.why.get(usize::from(attribute.0));
        why.copied().unwrap_or_default()
    }

    /// Each attribute that was asked for, with its reason.
    pub fn iter(&self) -> impl Iterator<Item = (AttributeSlot, Why)> + '_ {
        self.asked.iter().map(|slot| (slot, self.of(slot)))
    }

    fn ask(&mut self, words: usize, asked: AttributeSet) {
        self.asked = asked;
        if self.why.len() < words * 64 {
            self.why.resize(words * 64, Why::NotAsked);
            self.missed.resize(words * 64, u8::MAX);
        }
    }

    #[inline]
    fn put<const W: usize>(&mut self, attributes: &Words<W>, why: Why) {
        for (word, chunk) in attributes.0.iter().zip(self.why.chunks_exact_mut(64)) {
            for bit in bits(*word) {
                if let Some(place) = chunk.get_mut(usize::from(bit)) {
                    *place = why;
                }
            }
        }
    }

    /// No permit so far.
    fn open<const W: usize>(&mut self, attributes: &Words<W>) {
        self.put(attributes, Why::NoPolicy);
        for (word, chunk) in attributes.0.iter().zip(self.missed.chunks_exact_mut(64)) {
            if *word != 0 {
                chunk.fill(u8::MAX);
            }
        }
    }

    /// Takes a permit that misses less than what was found before.
    #[inline]
    fn offer<const W: usize>(&mut self, attributes: &Words<W>, misses: u8, why: Why) {
        let chunks = self.why.chunks_exact_mut(64);
        let chunks = chunks.zip(self.missed.chunks_exact_mut(64));
        for (word, (whys, missed)) in attributes.0.iter().zip(chunks) {
            for bit in bits(*word) {
                let at = usize::from(bit);
                if let Some((place, best)) = whys.get_mut(at).zip(missed.get_mut(at))
                    && misses < *best
                {
                    (*place, *best) = (why, misses);
                }
            }
        }
    }

    fn limit(&mut self, attributes: &AttributeSet, by: PolicyNumber) {
        for slot in attributes.iter() {
            if let Some(Why::Allowed { limited_by, .. }) = self.why.get_mut(usize::from(slot.0)) {
                limited_by.get_or_insert(by);
            }
        }
    }
}

impl Table {
    /// Decides, and says why for each attribute that was asked for.
    pub fn decide_with_reasons(&self, question: &Question<'_>, reasons: &mut Reasons) -> Decision {
        let Question { cell, wanted, .. } = question;
        reasons.ask(self.words, wanted.and(&self.known));
        if let Some(unusable) = question.facts.unusable(&self.layout, question.on) {
            let asked = Words::<8>::of(&reasons.asked);
            reasons.put(&asked, Why::Unusable(unusable));
            return Decision {
                unusable: Some(unusable),
                ..Decision::NOTHING
            };
        }
        if let Some(seen) = question.facts.seen_as_one(*cell) {
            let asked = reasons.asked;
            return self.explain(*cell, seen, &asked, reasons);
        }
        let mut decision = Decision::NOTHING;
        let asked = reasons.asked;
        question.facts.each_part(*cell, &asked, |seen, part| {
            decision.take_in(&self.explain(*cell, seen, part, reasons));
        });
        decision
    }

    /// The same on bare facts, for a question that nobody asked yet.
    pub fn decide_seen_with_reasons(
        &self,
        cell: Cell,
        seen: Seen,
        wanted: &AttributeSet,
        reasons: &mut Reasons,
    ) -> Decision {
        let asked = wanted.and(&self.known);
        reasons.ask(self.words, asked);
        self.explain(cell, seen, &asked, reasons)
    }

    fn explain(
        &self,
        cell: Cell,
        seen: Seen,
        asked: &AttributeSet,
        reasons: &mut Reasons,
    ) -> Decision {
        let group = self.group(cell);
        match self.words {
            1 => self.explain_words::<1>(group, seen, &Words::of(asked), reasons),
            2 => self.explain_words::<2>(group, seen, &Words::of(asked), reasons),
            4 => self.explain_words::<4>(group, seen, &Words::of(asked), reasons),
            _ => self.explain_words::<8>(group, seen, &Words::of(asked), reasons),
        }
    }

    #[inline]
    fn explain_words<const W: usize>(
        &self,
        group: &Group,
        seen: Seen,
        asked: &Words<W>,
        reasons: &mut Reasons,
    ) -> Decision {
        let (open, forbidden) = self.forbiddances(group, seen, asked, reasons);
        let permitted = self.permitted(group, seen, &open);
        let before = highest(&permitted, &[Words::EMPTY; LEVELS]);
        let after = highest(&permitted, &forbidden);
        let open = self.allowances(group, seen, &open, &after, reasons);
        if before != after {
            self.limits(group, seen, (&before, &after), reasons);
        }
        if !open.is_empty() {
            reasons.open(&open);
            self.nearest_permits(group, seen, &open, reasons);
        }
        Decision::of(&after)
    }

    /// Writes which forbid withholds; gives what none does, and what forbids take away of that.
    #[inline]
    fn forbiddances<const W: usize>(
        &self,
        group: &Group,
        seen: Seen,
        asked: &Words<W>,
        reasons: &mut Reasons,
    ) -> (Words<W>, Levels<W>) {
        let mut open = *asked;
        let mut forbidden = [Words::EMPTY; LEVELS];
        for (_, rule, words) in self.rules_with_words(&group.forbids) {
            let part = words.and(&open);
            if part.is_empty() {
                continue;
            }
            let Some(conditions) = self.first_possible(rule, seen) else {
                continue;
            };
            if rule.levels == Release::Keep.levels_within() {
                let why = Why::Forbidden {
                    forbid: rule.policy,
                    conditions,
                };
                reasons.put(&part, why);
                open = open.minus(&part);
            } else {
                put(&mut forbidden, rule.levels, &part);
            }
        }
        (open, forbidden)
    }

    /// Writes which permit stands behind each allowance; gives what is not allowed.
    #[inline]
    fn allowances<const W: usize>(
        &self,
        group: &Group,
        seen: Seen,
        wanted: &Words<W>,
        after: &Levels<W>,
        reasons: &mut Reasons,
    ) -> Words<W> {
        let given = after.iter().fold(Words::EMPTY, |all, set| all.or(set));
        let mut open = given;
        for (_, rule, words) in self.rules_with_words(&group.permits) {
            let part = words.and(&open);
            if part.is_empty() || !self.surely_holds(rule, seen) {
                continue;
            }
            let forms = after.iter().enumerate();
            for ((level, set), release) in forms.zip(Release::ALL.into_iter().skip(1)) {
                let part = set.and(&part).only_if(rule.levels >> level & 1 == 1);
                let why = Why::Allowed {
                    release,
                    permit: rule.policy,
                    limited_by: None,
                };
                reasons.put(&part, why);
                open = open.minus(&part);
            }
        }
        wanted.minus(&given)
    }

    /// Writes which forbid took a fuller form away.
    fn limits<const W: usize>(
        &self,
        group: &Group,
        seen: Seen,
        (before, after): (&Levels<W>, &Levels<W>),
        reasons: &mut Reasons,
    ) {
        for (_, rule, words) in self.rules_with_words::<W>(&group.forbids) {
            if !self.may_hold(rule, seen) {
                continue;
            }
            for (level, (had, has)) in before.iter().zip(after).enumerate() {
                if rule.levels >> level & 1 == 1 {
                    reasons.limit(&had.minus(has).and(&words).set(), rule.policy);
                }
            }
        }
    }

    /// Writes which permit misses least.
    #[inline]
    fn nearest_permits<const W: usize>(
        &self,
        group: &Group,
        seen: Seen,
        open: &Words<W>,
        reasons: &mut Reasons,
    ) {
        for (_, rule, words) in self.rules_with_words(&group.permits) {
            let part = words.and(open);
            if part.is_empty() {
                continue;
            }
            if let Some((misses, conditions)) = self.nearest(rule, seen) {
                let why = Why::Unmet {
                    permit: rule.policy,
                    conditions,
                };
                reasons.offer(&part, misses, why);
            }
        }
    }

    #[inline]
    fn nearest(&self, rule: &Rule, seen: Seen) -> Option<(u8, ConjunctionNumber)> {
        let all = rule.conjunctions.clone().zip(self.conjunctions_of(rule));
        let counted = all.map(|(index, one)| (misses(seen, one), index));
        let (misses, index) = counted.min()?;
        let index = u32::try_from(index).ok()?;
        Some((misses, ConjunctionNumber(index)))
    }

    #[inline]
    fn first_possible(&self, rule: &Rule, seen: Seen) -> Option<ConjunctionNumber> {
        let mut all = rule.conjunctions.clone().zip(self.conjunctions_of(rule));
        let (index, _) = all.find(|(_, one)| seen.possibly(one))?;
        u32::try_from(index).ok().map(ConjunctionNumber)
    }
}

/// How many conditions are missing; an age or a place counts once.
fn misses(seen: Seen, one: &Conjunction) -> u8 {
    const FACTS: u128 = (1 << super::fact::AGE_SHIFT) - 1;
    const PLACES: u128 = u128::MAX << super::fact::JURISDICTION_SHIFT;
    let missing = seen.missing(one).bits();
    let facts = u8::try_from((missing & FACTS).count_ones()).unwrap_or(u8::MAX);
    let age = missing & super::fact::AgeBand::MASK != 0;
    let place = missing & PLACES != 0;
    facts
        .saturating_add(u8::from(age))
        .saturating_add(u8::from(place))
}
