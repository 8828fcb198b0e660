//! Conditions over facts and attributes: and, or and not of literals, and their normal form, which is bounded.

use domain::policy::{AgeBand, AttributeSet, Conjunction, Fact, Layout};

/// Conjunctions that one policy may have in one cell. A policy beyond it says several things, and is better said as several policies.
pub(crate) const MOST_TERMS: usize = 256;
/// Conjunctions on the way there.
const MOST_ON_THE_WAY: usize = 1_024;

/// A condition. Negation stands at the literals alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Formula {
    True,
    False,
    Literal(Literal),
    And(Vec<Formula>),
    Or(Vec<Formula>),
}

/// One thing that is so or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    /// A fact is so, or is not.
    Fact(Fact, bool),
    /// The age is one of these, by bit.
    Age(u128),
    /// The jurisdiction is one of these, by bit.
    Place(u128),
    /// The attribute is one of these.
    Attribute(AttributeSet),
}

/// What literals of one kind can be in all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    pub(crate) ages: u128,
    pub(crate) places: u128,
    pub(crate) attributes: AttributeSet,
}

/// Attributes, and what must be so for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Term {
    pub(crate) attributes: AttributeSet,
    pub(crate) conjunction: Conjunction,
    ages: u128,
    places: u128,
}

/// The normal form is too large.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Whole {
    pub(crate) fn of(layout: &Layout) -> Self {
        Self {
            ages: (1 << AgeBand::ALL.len()) - 1,
            places: u128::MAX >> (128 - layout.jurisdictions().len()),
            attributes: layout.attributes(),
        }
    }

    fn is_all(&self, literal: &Literal) -> bool {
        match literal {
            Literal::Fact(..) => false,
            Literal::Age(ages) => *ages == self.ages,
            Literal::Place(places) => *places == self.places,
            Literal::Attribute(set) => *set == self.attributes,
        }
    }

    fn not(&self, literal: &Literal) -> Literal {
        match literal {
            Literal::Fact(fact, is) => Literal::Fact(*fact, !is),
            Literal::Age(ages) => Literal::Age(self.ages & !ages),
            Literal::Place(places) => Literal::Place(self.places & !places),
            Literal::Attribute(set) => Literal::Attribute(self.attributes.minus(set)),
        }
    }

    /// The literal alone, or what it comes to.
    pub(crate) fn literal(&self, literal: Literal) -> Formula {
        if self.is_all(&literal) {
            return Formula::True;
        }
        if self.is_all(&self.not(&literal)) {
            return Formula::False;
        }
        Formula::Literal(literal)
    }

    pub(crate) fn negation(&self, formula: &Formula) -> Formula {
        let negated = |all: &[Formula]| all.iter().map(|one| self.negation(one)).collect();
        match formula {
            Formula::True => Formula::False,
            Formula::False => Formula::True,
            Formula::Literal(literal) => self.literal(self.not(literal)),
            Formula::And(all) => self.any(negated(all)),
            Formula::Or(all) => self.all(negated(all)),
        }
    }

    /// All of them.
    pub(crate) fn all(&self, parts: Vec<Formula>) -> Formula {
        let mut kept = Vec::new();
        for part in flat(parts, |part| match part {
            Formula::And(inner) => Ok(inner),
            other => Err(other),
        }) {
            match part {
                Formula::True => {}
                Formula::False => return Formula::False,
                part => {
                    if !self.join(&mut kept, &part, and) && !kept.contains(&part) {
                        kept.push(part);
                    }
                }
            }
        }
        if kept.contains(&Formula::False) {
            return Formula::False;
        }
        one_of(kept, Formula::True, Formula::And)
    }

    /// Any of them.
    pub(crate) fn any(&self, parts: Vec<Formula>) -> Formula {
        let mut kept = Vec::new();
        for part in flat(parts, |part| match part {
            Formula::Or(inner) => Ok(inner),
            other => Err(other),
        }) {
            match part {
                Formula::False => {}
                Formula::True => return Formula::True,
                part => {
                    if !self.join(&mut kept, &part, or) && !kept.contains(&part) {
                        kept.push(part);
                    }
                }
            }
        }
        if kept.contains(&Formula::True) {
            return Formula::True;
        }
        one_of(kept, Formula::False, Formula::Or)
    }

    /// Joins a literal with one of its kind that is there already: of ages, places and attributes one set says it all.
    fn join(
        &self,
        kept: &mut [Formula],
        part: &Formula,
        join: fn(&Literal, &Literal) -> Option<Literal>,
    ) -> bool {
        let Formula::Literal(new) = part else {
            return false;
        };
        for place in kept {
            if let Formula::Literal(old) = place
                && let Some(joined) = join(old, new)
            {
                *place = self.literal(joined);
                return true;
            }
        }
        false
    }

    /// The normal form: terms of which one has to hold, none of them implied by another.
    pub(crate) fn terms(&self, formula: &Formula) -> Result<Vec<Term>, TooLarge> {
        let terms = self.expand(formula)?;
        let terms = least(&terms);
        if terms.len() > MOST_TERMS {
            return Err(TooLarge);
        }
        Ok(terms)
    }

    fn expand(&self, formula: &Formula) -> Result<Vec<Term>, TooLarge> {
        match formula {
            Formula::True => Ok(vec![self.term()]),
            Formula::False => Ok(Vec::new()),
            Formula::Literal(literal) => Ok(self.term().and_literal(literal).into_iter().collect()),
            Formula::Or(all) => {
                let mut terms = Vec::new();
                for one in all {
                    terms.extend(self.expand(one)?);
                    within_bound(&terms)?;
                }
                Ok(terms)
            }
            Formula::And(all) => {
                let mut terms = vec![self.term()];
                for one in all {
                    terms = product(&terms, &self.expand(one)?)?;
                }
                Ok(terms)
            }
        }
    }

    const fn term(&self) -> Term {
        Term {
            attributes: self.attributes,
            conjunction: Conjunction::TRUE,
            ages: self.ages,
            places: self.places,
        }
    }
}

fn flat(
    parts: Vec<Formula>,
    open: impl Fn(Formula) -> Result<Vec<Formula>, Formula>,
) -> Vec<Formula> {
    let opened = parts.into_iter().map(open);
    opened
        .flat_map(|part| part.unwrap_or_else(|whole| vec![whole]))
        .collect()
}

fn one_of(mut parts: Vec<Formula>, none: Formula, join: fn(Vec<Formula>) -> Formula) -> Formula {
    match parts.len() {
        0 => none,
        1 => parts.pop().unwrap_or(none),
        _ => join(parts),
    }
}

fn and(one: &Literal, other: &Literal) -> Option<Literal> {
    match (one, other) {
        (Literal::Age(one), Literal::Age(other)) => Some(Literal::Age(one & other)),
        (Literal::Place(one), Literal::Place(other)) => Some(Literal::Place(one & other)),
        (Literal::Attribute(one), Literal::Attribute(other)) => {
            Some(Literal::Attribute(one.and(other)))
        }
        _ => None,
    }
}

fn or(one: &Literal, other: &Literal) -> Option<Literal> {
    match (one, other) {
        (Literal::Age(one), Literal::Age(other)) => Some(Literal::Age(one | other)),
        (Literal::Place(one), Literal::Place(other)) => Some(Literal::Place(one | other)),
        (Literal::Attribute(one), Literal::Attribute(other)) => {
            Some(Literal::Attribute(one.or(other)))
        }
        _ => None,
    }
}

fn within_bound(terms: &[Term]) -> Result<(), TooLarge> {
    if terms.len() > MOST_ON_THE_WAY {
        return Err(TooLarge);
    }
    Ok(())
}

fn product(left: &[Term], right: &[Term]) -> Result<Vec<Term>, TooLarge> {
    let mut terms = Vec::new();
    for one in left {
        terms.extend(right.iter().filter_map(|other| one.and(other)));
        within_bound(&terms)?;
    }
    Ok(least(&terms))
}

/// Without those that another one implies.
fn least(terms: &[Term]) -> Vec<Term> {
    let mut sorted = terms.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let is_least = |one: &&Term| {
        let mut others = sorted.iter().filter(|other| other != one);
        !others.any(|other| other.covers(one))
    };
    sorted.iter().filter(is_least).copied().collect()
}

impl Term {
    fn and_literal(mut self, literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Fact(fact, is) => {
                self.conjunction = self.conjunction.and(Conjunction::fact(*fact, *is));
            }
            Literal::Age(ages) => self.ages &= ages,
            Literal::Place(places) => self.places &= places,
            Literal::Attribute(set) => self.attributes = self.attributes.and(set),
        }
        self.is_possible().then_some(self)
    }

    fn and(&self, other: &Self) -> Option<Self> {
        let both = Self {
            attributes: self.attributes.and(&other.attributes),
            conjunction: self.conjunction.and(other.conjunction),
            ages: self.ages & other.ages,
            places: self.places & other.places,
        };
        both.is_possible().then_some(both)
    }

    fn is_possible(&self) -> bool {
        let contradicts = self.conjunction.contradicts_itself();
        !(self.attributes.is_empty() || self.ages == 0 || self.places == 0 || contradicts)
    }

    /// Whether it holds wherever `other` does.
    fn covers(&self, other: &Self) -> bool {
        other.attributes.minus(&self.attributes).is_empty()
            && other.ages & !self.ages == 0
            && other.places & !self.places == 0
            && self.conjunction.is_implied_by(&other.conjunction)
    }

    /// What must be so, ages and places included.
    pub(crate) fn whole_conjunction(&self, layout: &Layout) -> Conjunction {
        let ages = (0u32..).zip(AgeBand::ALL);
        let ages = ages.filter(|(bit, _)| self.ages >> bit & 1 == 1);
        let ages: Vec<_> = ages.map(|(_, band)| band).collect();
        let names = layout.jurisdictions();
        let is_in = |name: &str| {
            let place = names.iter().position(|one| one == name);
            place.is_some_and(|place| self.places >> place & 1 == 1)
        };
        self.conjunction
            .and(Conjunction::age(&ages))
            .and(layout.jurisdiction_where(is_in))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn whole() -> Whole {
        Whole {
            ages: 0b1_1111,
            places: 0b111,
            attributes: AttributeSet::first(3),
        }
    }

    fn fact(fact: Fact) -> Formula {
        Formula::Literal(Literal::Fact(fact, true))
    }

    #[test]
    fn places_that_cover_everywhere_ask_for_nothing() {
        let whole = whole();
        let parts = [0b001, 0b110].map(|places| whole.literal(Literal::Place(places)));
        assert_eq!(whole.any(parts.to_vec()), Formula::True);
        assert_eq!(whole.all(parts.to_vec()), Formula::False);
    }

    #[test]
    fn what_another_term_implies_is_left_out() {
        let whole = whole();
        let both = whole.all(vec![fact(Fact::Signal), fact(Fact::Limited)]);
        let either = whole.any(vec![both, fact(Fact::Signal)]);
        assert_eq!(whole.terms(&either).unwrap().len(), 1);
    }

    #[test]
    fn a_contradiction_has_no_terms() {
        let whole = whole();
        let not = whole.negation(&fact(Fact::Signal));
        let never = whole.all(vec![fact(Fact::Signal), not]);
        assert!(whole.terms(&never).unwrap().is_empty());
    }
}
