//! Weighs a history for one question: what was said yes to, then whether a no is left. The rules stand in [`super::standing`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::age::{Age, day_of};
use super::regime::{Demand, Regime, strictest_guardian};
use super::standing::{AskAgain, Conflict, Facts, Question, Reason, Standing};
use super::terms::RuleKey;
use super::{Assent, By, ConsentEvent, Matter, Party, Steps, Tag};
use crate::law::add_months;

/// Reads a history for one question.
pub(super) struct Judge<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) on: Timestamp,
    pub(super) facts: &'a Facts<'a>,
    pub(super) today: Date,
}

/// What an event names of a question, one bit each. A level with more bits is narrower.
type Level = u8;
const PURPOSE: Level = 1;
const RECIPIENT: Level = 2;
const ATTRIBUTE: Level = 4;
const LEVELS: Level = 8;

/// A yes that counts.
#[derive(Clone, Copy)]
struct Yes {
    at: Timestamp,
    expires: Option<Timestamp>,
}

/// What was said yes to, as far as it covers the question.
#[derive(Default)]
pub(super) struct Yeses<'e> {
    /// The latest by what it names, and by whom: `None` is a known subject.
    latest: BTreeMap<(Level, Option<&'e Party>), Yes>,
    /// The latest of a known subject in the face of a device's signal.
    despite: BTreeMap<Tag, Yes>,
    /// The latest that doesn't count, and why not.
    flawed: Option<(Timestamp, Reason, Option<RuleKey>)>,
    /// Any no but a signal's.
    last_word: Option<Timestamp>,
    /// Whether a no was said at all.
    was_opposed: bool,
}

/// A no that covers the question.
struct No<'e> {
    level: Level,
    party: &'e Party,
    at: Timestamp,
    reason: Reason,
    /// For a signal: the device that sent it.
    signal_of: Option<Option<Tag>>,
}

/// The noes that no yes lifts: the latest of each sort.
#[derive(Default)]
pub(super) struct Left {
    word: Option<(Timestamp, Reason)>,
    signal: Option<Timestamp>,
}

impl Left {
    pub(super) const fn is_any(&self) -> bool {
        self.word.is_some() || self.signal.is_some()
    }

    fn latest(&self) -> Option<Timestamp> {
        self.word.map(|(at, _)| at).max(self.signal)
    }
}

impl Yeses<'_> {
    /// Whether something lifts that no (rules 2 to 4).
    fn lift(&self, no: &No<'_>) -> bool {
        let levels = (0..LEVELS).filter(|level| level & no.level == no.level);
        let is_lifted = levels
            .flat_map(|level| [(level, None), (level, Some(no.party))])
            .filter_map(|slot| self.latest.get(&slot))
            .any(|yes| yes.at > no.at);
        is_lifted || self.lift_repeated(no)
    }

    fn lift_repeated(&self, no: &No<'_>) -> bool {
        let Some(Some(device)) = no.signal_of else {
            return false;
        };
        let yes = self.despite.get(&device);
        yes.is_some_and(|yes| self.last_word.is_none_or(|word| yes.at > word))
    }

    fn newest(&self) -> Option<Timestamp> {
        self.latest.values().map(|yes| yes.at).max()
    }

    /// The first moment at which one that may have decided ends.
    fn first_end(&self) -> Option<Timestamp> {
        let all = self.latest.values().chain(self.despite.values());
        all.filter_map(|yes| yes.expires).min()
    }
}

impl Judge<'_> {
    /// What the event names of the question; none when it is about something else or lies in the future.
    fn level(&self, event: &ConsentEvent) -> Option<Level> {
        let purpose = match &event.scope.of {
            Matter::Purpose(key) if *key == self.question.purpose.key => PURPOSE,
            Matter::Every(kinds) if !kinds.is_disjoint(&self.question.purpose.uses) => 0,
            Matter::Purpose(_) | Matter::Every(_) => return None,
        };
        let recipient = match (&event.scope.recipient, self.question.recipient) {
            (None, _) => 0,
            (Some(named), Some(asked)) if named == asked => RECIPIENT,
            (Some(_), _) => return None,
        };
        let attribute = match self.question.attribute {
            _ if event.scope.attributes.is_empty() => 0,
            Some(asked) if event.scope.attributes.contains(asked) => ATTRIBUTE,
            _ => return None,
        };
        (event.at <= self.on).then_some(purpose | recipient | attribute)
    }

    pub(super) fn yeses<'e>(&self, events: &'e [ConsentEvent]) -> Yeses<'e> {
        let mut said = Yeses::default();
        for event in events {
            let Some(level) = self.level(event) else {
                continue;
            };
            match event.act.assent() {
                Some(assent) => self.yes(&mut said, event, level, assent),
                None => {
                    said.was_opposed = true;
                    if !matches!(event.by, By::Signal { .. }) {
                        said.last_word = said.last_word.max(Some(event.at));
                    }
                }
            }
        }
        said
    }

    fn yes<'e>(
        &self,
        said: &mut Yeses<'e>,
        event: &'e ConsentEvent,
        level: Level,
        assent: &Assent,
    ) {
        let expires = self.expires(event, assent);
        if let Some((reason, rule)) = self.flaw(event, level, assent, expires) {
            said.flawed = said.flawed.take().max(Some((event.at, reason, rule)));
            return;
        }
        let yes = Yes {
            at: event.at,
            expires,
        };
        let is_known = matches!(event.party, Party::Subject(_));
        let who = (!is_known).then_some(&event.party);
        keep_later(said.latest.entry((level, who)), yes);
        if let Some(device) = assent.despite_signal_of.filter(|_| is_known) {
            keep_later(said.despite.entry(device), yes);
        }
    }

    /// When a yes ends: as recorded, or as the purpose says, whichever is first.
    fn expires(&self, event: &ConsentEvent, assent: &Assent) -> Option<Timestamp> {
        let given = event.at.to_zoned(self.facts.time_zone.clone());
        let ends = self.question.purpose.consent_lasts_months.map(|months| {
            let last = add_months(given.date(), i64::from(months)).ok();
            let end = last.and_then(|day| given.with().date(day).build().ok());
            // A consent whose end can't be told has ended.
            end.map_or(event.at, |end| end.timestamp())
        });
        assent.expires.into_iter().chain(ends).min()
    }

    /// Why a yes doesn't count, if it doesn't (rule 3).
    fn flaw(
        &self,
        event: &ConsentEvent,
        level: Level,
        assent: &Assent,
        expires: Option<Timestamp>,
    ) -> Option<(Reason, Option<RuleKey>)> {
        if level & PURPOSE == 0 {
            return Some((Reason::NoConsent, None));
        }
        if let Some(flaw) = self.flaw_of_giver(event) {
            return Some(flaw);
        }
        let purpose = self.question.purpose;
        let is_old = |needed: &&crate::purpose_of_use::NoticeNeeded| {
            needed.key != assent.shown.notice || assent.shown.version < needed.from_version
        };
        if purpose.notice.as_ref().filter(is_old).is_some() {
            return Some((Reason::OldNotice, None));
        }
        let two_steps = self.facts.terms.first(|law| law.two_steps.as_ref());
        if two_steps.is_some() && purpose.is_sale_like() && assent.steps == Steps::One {
            return Some((Reason::NotConfirmed, two_steps));
        }
        let has_ended = expires.is_some_and(|end| end <= self.on);
        has_ended.then_some((Reason::Expired, None))
    }

    fn flaw_of_giver(&self, event: &ConsentEvent) -> Option<(Reason, Option<RuleKey>)> {
        let guardian_on = |day| strictest_guardian(self.facts, day);
        match &event.by {
            By::Subject
            | By::Agent {
                power_of_attorney: true,
            } => {
                let then = day_of(event.at, self.facts.time_zone);
                let rule = guardian_on(then)?;
                Some((Reason::GuardianNeeded, Some(rule.rule.clone())))
            }
            By::Guardian { proof } => match guardian_on(self.today) {
                Some(rule) if proof.is_none() => {
                    Some((Reason::GuardianNeeded, Some(rule.rule.clone())))
                }
                Some(_) => None,
                None if self.facts.age == Age::Unknown && proof.is_some() => None,
                None => Some((Reason::NotHersToGive, None)),
            },
            By::Agent { .. } | By::Signal { .. } => Some((Reason::NotHersToGive, None)),
        }
    }

    pub(super) fn noes_left<'e>(&self, events: &'e [ConsentEvent], said: &Yeses<'e>) -> Left {
        let mut left = Left::default();
        for event in events {
            let no = self.level(event).and_then(|level| no(event, level));
            let Some(no) = no.filter(|no| !said.lift(no)) else {
                continue;
            };
            if no.signal_of.is_some() {
                left.signal = left.signal.max(Some(no.at));
            } else {
                left.word = left.word.max(Some((no.at, no.reason)));
            }
        }
        left
    }

    pub(super) fn denied(&self, answer: &mut Standing, said: &Yeses<'_>, left: &Left) {
        let terms = self.facts.terms;
        answer.allowed = false;
        (answer.since, answer.reason) = match (left.word, left.signal) {
            (Some((at, reason)), _) => (Some(at), reason),
            (None, at) => (at, Reason::Signal),
        };
        let opt_out = || terms.first(|law| law.opt_out.as_ref());
        answer.rule = match answer.reason {
            Reason::Signal => terms.first(|law| law.signal.as_ref()).or_else(opt_out),
            _ if self.question.purpose.is_sale_like() => opt_out(),
            _ => answer.rule.take(),
        };
        // Whoever tried to say yes afterwards should hear what was missing.
        if let Some((at, reason, rule)) = said.flawed.clone()
            && Some(at) > left.latest()
        {
            (answer.since, answer.reason, answer.rule) = (Some(at), reason, rule);
        }
        answer.conflict = self.conflict(said, left);
        answer.may_ask_again = left
            .latest()
            .filter(|_| answer.conflict.is_none())
            .and_then(|at| self.ask_again(day_of(at, self.facts.time_zone)));
    }

    fn conflict(&self, said: &Yeses<'_>, left: &Left) -> Option<Conflict> {
        if left.word.is_some() {
            return None;
        }
        if self.question.purpose.is_incentive() {
            return Some(Conflict::Incentive);
        }
        said.newest().map(|_| Conflict::EarlierConsent)
    }

    /// The longest silence that a law asks for after a no on that day.
    fn ask_again(&self, day: Date) -> Option<AskAgain> {
        let purpose = self.question.purpose;
        let mut waits = Vec::new();
        for law in &self.facts.terms.laws {
            if purpose.is_incentive()
                && let Some(wait) = &law.silence_incentive
            {
                waits.push((wait.ends(day), wait));
            }
            let grown_up = law
                .sale_by_consent
                .as_ref()
                .map(|age| self.facts.age.turns(age.years));
            let is_minor = grown_up.is_some_and(|turns| turns.is_younger_on(day));
            if purpose.is_sale_like() && is_minor {
                if let Some(wait) = &law.silence_minor {
                    // Whoever comes of age meanwhile has the choice of an adult.
                    let of_age = grown_up.and_then(super::age::Turns::day);
                    waits.push((wait.ends(day).into_iter().chain(of_age).min(), wait));
                }
            } else if (purpose.is_sale_like() || purpose.is_sensitive())
                && let Some(wait) = &law.silence
            {
                waits.push((wait.ends(day), wait));
            }
        }
        let ends = waits
            .into_iter()
            .filter_map(|(end, wait)| Some((end?, wait)));
        ends.max_by_key(|(end, _)| *end)
            .map(|(from, wait)| AskAgain {
                from,
                rule: wait.rule.clone(),
            })
    }

    pub(super) fn unopposed(&self, answer: &mut Standing, regime: &Regime, said: &Yeses<'_>) {
        answer.since = said.newest();
        if answer.since.is_some() {
            answer.allowed = true;
            answer.reason = if said.was_opposed {
                Reason::ConsentedAgain
            } else {
                Reason::Consented
            };
            answer.until = answer.until.into_iter().chain(said.first_end()).min();
            self.cite_despite(answer, said);
        } else if regime.demand == Demand::NoOptOut {
            (answer.allowed, answer.reason) = (true, Reason::NotOptedOut);
        } else if let Some((at, reason, rule)) = said.flawed.clone() {
            let is_weaker = matches!(reason, Reason::NoConsent | Reason::NotHersToGive);
            let is_minors = regime.unmet != Reason::NoConsent;
            if !(is_weaker && is_minors) {
                answer.reason = reason;
                answer.rule = rule.or_else(|| answer.rule.take());
            }
            answer.since = Some(at);
        }
    }

    /// A consent that stands beside a signal rests on its own rule.
    fn cite_despite(&self, answer: &mut Standing, said: &Yeses<'_>) {
        if said.despite.is_empty() {
            return;
        }
        let terms = self.facts.terms;
        let rule = if self.question.purpose.is_incentive() {
            terms.first(|law| law.signal_and_incentive.as_ref())
        } else {
            terms.first(|law| law.signal_and_consent.as_ref())
        };
        answer.rule = rule.or_else(|| answer.rule.take());
    }
}

/// The no in an event, if it is one.
fn no(event: &ConsentEvent, level: Level) -> Option<No<'_>> {
    let reason = match &event.act {
        super::Act::Given(_) | super::Act::OptedInAgain(_) => return None,
        super::Act::Refused { .. } => Reason::Refused,
        super::Act::Withdrawn { .. } => Reason::Withdrawn,
        super::Act::OptedOut { .. } => Reason::OptedOut,
    };
    let signal_of = match (&event.by, &event.party) {
        (By::Signal { .. }, Party::Device(tag)) => Some(Some(*tag)),
        (By::Signal { device, .. }, _) => Some(*device),
        _ => None,
    };
    Some(No {
        level,
        party: &event.party,
        at: event.at,
        reason,
        signal_of,
    })
}

fn keep_later<K: Ord>(slot: std::collections::btree_map::Entry<'_, K, Yes>, yes: Yes) {
    let kept = slot.or_insert(yes);
    // Of two at the same moment the one that ends first.
    let ends_first = |a: &Yes, b: &Yes| {
        a.expires
            .is_some_and(|end| b.expires.is_none_or(|other| end < other))
    };
    if yes.at > kept.at || (yes.at == kept.at && ends_first(&yes, kept)) {
        *kept = yes;
    }
}
