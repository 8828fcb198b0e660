//! What must be true before a purpose is allowed for a subject: the strictest of what the business declares and what each law says.

use jiff::Timestamp;
use jiff::civil::Date;

use super::age::Turns;
use super::standing::{Facts, Reason};
use super::terms::{AgeRule, LawTerms, RuleKey, Sensitive};
use crate::purpose_of_use::{Choice, PurposeOfUse, UseKind};

/// Key of a precise place among the sensitive categories (law/categories.yaml).
const PRECISE_PLACE: &str = "precise_geolocation";

/// What is asked for; the order is that of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Demand {
    /// Nothing.
    Nothing,
    /// That nobody opted out.
    NoOptOut,
    /// That somebody who may consent did.
    Consent,
    /// More than anybody can give.
    Impossible,
}

/// The demand, why it fails when nothing is recorded, and where that stands.
#[derive(Clone, Debug)]
pub(super) struct Regime {
    pub(super) demand: Demand,
    pub(super) unmet: Reason,
    pub(super) rule: Option<RuleKey>,
}

impl Regime {
    fn raise(&mut self, demand: Demand, unmet: Reason, rule: Option<RuleKey>) {
        let says_more = demand == self.demand && self.rule.is_none() && rule.is_some();
        if demand > self.demand || says_more {
            *self = Self {
                demand,
                unmet,
                rule,
            };
        }
    }
}

/// The demand on that day.
pub(super) fn regime(purpose: &PurposeOfUse, facts: &Facts<'_>, today: Date) -> Regime {
    let mut regime = Regime {
        demand: Demand::Nothing,
        unmet: Reason::NoConsent,
        rule: None,
    };
    for law in &facts.terms.laws {
        sale(&mut regime, purpose, facts, law, today);
        sensitive(&mut regime, purpose, law);
        if purpose.is_incentive() {
            let rule = law.incentive.clone();
            regime.raise(Demand::Consent, Reason::NoConsent, rule);
        }
        declared(&mut regime, purpose.declared(&law.law), law.consent.clone());
    }
    if facts.terms.laws.is_empty() {
        declared(&mut regime, purpose.choice, None);
    }
    if regime.demand == Demand::Consent
        && let Some(age) = strictest_guardian(facts, today)
    {
        (regime.unmet, regime.rule) = (Reason::GuardianNeeded, Some(age.rule.clone()));
    }
    regime
}

fn declared(regime: &mut Regime, choice: Choice, rule: Option<RuleKey>) {
    match choice {
        Choice::None => {}
        Choice::OptOut => regime.raise(Demand::NoOptOut, Reason::NoConsent, None),
        Choice::OptIn => regime.raise(Demand::Consent, Reason::NoConsent, rule),
    }
}

fn sale(
    regime: &mut Regime,
    purpose: &PurposeOfUse,
    facts: &Facts<'_>,
    law: &LawTerms,
    today: Date,
) {
    if !purpose.is_sale_like() {
        return;
    }
    regime.raise(Demand::NoOptOut, Reason::NoConsent, law.opt_out.clone());
    if facts.collected_without_notice && law.without_notice.is_some() {
        let rule = law.without_notice.clone();
        regime.raise(Demand::Consent, Reason::CollectedWithoutNotice, rule);
    }
    let young = |rule: &Option<AgeRule>| rule.clone().filter(|rule| is_below(facts, rule, today));
    if let Some(age) = young(&law.sale_by_consent) {
        regime.raise(Demand::Consent, Reason::MinorsConsentNeeded, Some(age.rule));
    }
    if let Some(age) = young(&law.sale_ban) {
        regime.raise(Demand::Impossible, Reason::TooYoung, Some(age.rule));
    }
    let sells_places =
        purpose.uses.contains(&UseKind::Sale) && purpose.sensitive.contains(PRECISE_PLACE);
    if let Some(rule) = law.location_sale_ban.clone().filter(|_| sells_places) {
        regime.raise(Demand::Impossible, Reason::NeverAllowed, Some(rule));
    }
}

/// What the business declares to be needed for what the subject asked for is taken at its word, but not where it is sold.
fn sensitive(regime: &mut Regime, purpose: &PurposeOfUse, law: &LawTerms) {
    let is_needed = purpose.declared(&law.law) == Choice::None && !purpose.is_sale_like();
    let Some((term, rule)) = law
        .sensitive
        .clone()
        .filter(|_| purpose.is_sensitive() && !is_needed)
    else {
        return;
    };
    match term {
        Sensitive::OptOut => regime.raise(Demand::NoOptOut, Reason::NoConsent, Some(rule)),
        Sensitive::OptIn => regime.raise(Demand::Consent, Reason::NoConsent, Some(rule)),
        Sensitive::NecessaryOnly => {
            regime.raise(Demand::Impossible, Reason::NeverAllowed, Some(rule));
        }
    }
}

fn is_below(facts: &Facts<'_>, rule: &AgeRule, day: Date) -> bool {
    facts.age.turns(rule.years).is_younger_on(day)
}

/// The rule by which only a guardian consents on that day, if one does.
pub(super) fn strictest_guardian<'f>(facts: &Facts<'f>, day: Date) -> Option<&'f AgeRule> {
    let rules = facts
        .terms
        .laws
        .iter()
        .filter_map(|law| law.guardian.as_ref());
    rules
        .filter(|rule| is_below(facts, rule, day))
        .max_by_key(|rule| rule.years)
}

/// The next birthday on which a rule for her age ends.
pub(super) fn next_birthday(facts: &Facts<'_>, on: Timestamp) -> Option<Timestamp> {
    let ages = facts.terms.laws.iter().flat_map(|law| {
        [&law.guardian, &law.sale_by_consent, &law.sale_ban]
            .into_iter()
            .flatten()
    });
    let turns = ages.map(|age| facts.age.turns(age.years));
    turns
        .filter_map(|turns: Turns| turns.after(on, facts.time_zone))
        .min()
}
