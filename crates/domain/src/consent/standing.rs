//! From a history to an answer: may data be used for this purpose, by this recipient, this attribute of it, at this moment?
//!
//! The rules, in the order in which they are asked:
//!
//! 1. **What is asked for** comes from the purpose and the laws that protect the subject, the strictest of them ([`super::regime`]): nothing,
//!    that nobody opted out, that somebody consented, or more than anybody can give.
//! 2. **A no stands until it is lifted.** Refusals, withdrawals and opt-outs that cover the question count, whoever made them and however old
//!    they are. A yes lifts a no when it is later (at the same moment the no wins) and names at least what the no names: a consent to
//!    a recipient lifts an older opt-out of everything for that recipient; a consent to everything does not lift an older refusal of one recipient.
//!    So a narrower no wins over a wider yes of any time, a wider no wins over an older narrower yes, and only a later explicit yes
//!    for the same or something narrower wins over a no. An event with three attributes is three events.
//! 3. **A yes counts** when it names its purpose, rests on a version of the notice that still says what happens, has not ended, was said in
//!    two steps where the law asks for them, and was said by somebody who could: the subject of age, below that age a guardian with proof, an
//!    agent only with a power of attorney, a signal never. Both ends are tested: a child's own yes never counts, not even when she is of
//!    age, and a guardian's ends on the birthday from which she decides herself. A yes of an unknown visitor lifts only what was said
//!    under the same device or pseudonym, not what a known subject said.
//! 4. **A signal** is a no for everything that is sold, shared or used for targeted advertising. It is sent with every request, so what it says
//!    again is not news: a known subject who consented to a named purpose after being told of the signal of this device keeps that
//!    consent while the device goes on sending (11 CCR 7025(c)(3)), until she says no in any other way. The signal of another device is
//!    a new no, and for an unknown visitor the signal always counts.
//! 5. **An answer is stable**: it holds at least until `until` if nothing new is recorded, and events after the moment asked about are not seen.
//!
//! Two passes over the history: what was said yes to, then whether a no is left. No order of the events is assumed.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::age::{Age, day_of};
use super::judge::Judge;
use super::regime::{Demand, next_birthday, regime};
use super::{AttributeKey, ConsentEvent, Terms};
use crate::data_map::RecipientKey;
use crate::purpose_of_use::PurposeOfUse;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// For which purpose.
    pub purpose: &'a PurposeOfUse,
    /// By whom; none for the business itself.
    pub recipient: Option<&'a RecipientKey>,
    /// Which attribute; none for the purpose as a whole.
    pub attribute: Option<&'a AttributeKey>,
}

/// What an answer rests on besides the history.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is known of the subject's age.
    pub age: Age,
    /// Where she lives: birthdays and waits begin at midnight there.
    pub time_zone: &'a TimeZone,
    /// What the laws that protect her say on that day.
    pub terms: &'a Terms,
    /// Whether the data was collected while no notice of the right to opt out was posted (11 CCR 7013(h)).
    pub collected_without_notice: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the data may be used.
    pub allowed: bool,
    /// Why.
    pub reason: Reason,
    /// The row or right of law data behind it, for [`crate::law::LawBook::citation`]; none where only the business's own word is.
    pub rule: Option<Arc<str>>,
    /// The moment of the choice that decided; none when none did.
    pub since: Option<Timestamp>,
    /// Whether a no stands that nothing has lifted, whatever the reason says: somebody whose later yes doesn't count should hear what was missing.
    /// Not looked at where there is no choice.
    pub opposed: bool,
    /// Until when the answer holds at least, if nothing new is recorded: a consent ends, or a birthday comes.
    pub until: Option<Timestamp>,
    /// Set while a no stands after which the law wants silence.
    pub may_ask_again: Option<AskAgain>,
    /// Set when only a signal stands against it, of which the subject may be told at once.
    pub conflict: Option<Conflict>,
}

/// The first day on which consent may be asked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskAgain {
    /// That day, where the subject lives.
    pub from: Date,
    /// The row behind it.
    pub rule: Arc<str>,
}

/// What a signal is in conflict with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// A consent that was given before (11 CCR 7025(c)(3)).
    EarlierConsent,
    /// A financial incentive (11 CCR 7025(c)(4)).
    Incentive,
}

/// Why a use is allowed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Allowed: the subject has no choice about it.
    NoChoice,
    /// Allowed: nobody opted out.
    NotOptedOut,
    /// Allowed: consented.
    Consented,
    /// Allowed: consented after a no.
    ConsentedAgain,
    /// Nobody consented.
    NoConsent,
    /// Refused when asked.
    Refused,
    /// The consent was withdrawn.
    Withdrawn,
    /// Opted out.
    OptedOut,
    /// A signal opted out.
    Signal,
    /// The consent has ended.
    Expired,
    /// It was said in one step and not confirmed.
    NotConfirmed,
    /// It rests on a notice that no longer says what happens.
    OldNotice,
    /// It was given by somebody who can't.
    NotHersToGive,
    /// Only a parent or guardian can consent, and must be shown to be one.
    GuardianNeeded,
    /// Only the minor herself can consent.
    MinorsConsentNeeded,
    /// Nobody can consent at her age.
    TooYoung,
    /// Nobody can consent to that use of such data.
    NeverAllowed,
    /// It was collected while the notice of the right to opt out was not posted, and nobody consented.
    CollectedWithoutNotice,
}

impl Reason {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoChoice => "no_choice",
            Self::NotOptedOut => "not_opted_out",
            Self::Consented => "consented",
            Self::ConsentedAgain => "consented_again",
            Self::NoConsent => "no_consent",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::OptedOut => "opted_out",
            Self::Signal => "signal",
            Self::Expired => "expired",
            Self::NotConfirmed => "not_confirmed",
            Self::OldNotice => "old_notice",
            Self::NotHersToGive => "not_hers_to_give",
            Self::GuardianNeeded => "guardian_needed",
            Self::MinorsConsentNeeded => "minors_consent_needed",
            Self::TooYoung => "too_young",
            Self::NeverAllowed => "never_allowed",
            Self::CollectedWithoutNotice => "collected_without_notice",
        }
    }
}

/// Whether the answer for a purpose can depend on how old the subject is: only then is it worth to open a birth date. `has_yes` says whether
/// she, or somebody for her, ever said yes; the age in `facts` isn't looked at.
pub fn depends_on_age(
    purpose: &PurposeOfUse,
    has_yes: bool,
    on: Timestamp,
    facts: &Facts<'_>,
) -> bool {
    let unknown = Facts {
        age: Age::Unknown,
        ..*facts
    };
    let laws = || facts.terms.laws.iter();
    let guards_sale = purpose.is_sale_like()
        && laws().any(|law| law.sale_by_consent.is_some() || law.sale_ban.is_some());
    let guards_yes = laws().any(|law| law.guardian.is_some());
    match regime(purpose, &unknown, day_of(on, facts.time_zone)).demand {
        Demand::Nothing | Demand::Impossible => false,
        Demand::NoOptOut => guards_sale || (guards_yes && has_yes),
        Demand::Consent => guards_sale || guards_yes,
    }
}

/// What a history allows at a moment. `events` are those of the subject, of her pseudonyms and of the device that asks, as far as they are
/// linked, in any order; those of an unknown visitor are of the device alone.
pub fn standing(
    events: &[ConsentEvent],
    question: &Question<'_>,
    on: Timestamp,
    facts: &Facts<'_>,
) -> Standing {
    let today = day_of(on, facts.time_zone);
    let regime = regime(question.purpose, facts, today);
    let mut answer = Standing {
        allowed: regime.demand == Demand::Nothing,
        reason: regime.unmet,
        rule: regime.rule.clone(),
        since: None,
        opposed: false,
        until: None,
        may_ask_again: None,
        conflict: None,
    };
    if regime.demand == Demand::Nothing {
        answer.reason = Reason::NoChoice;
        return answer;
    }
    answer.until = next_birthday(facts, on);
    let judge = Judge {
        question,
        on,
        facts,
        today,
    };
    let said = judge.yeses(events);
    let left = judge.noes_left(events, &said);
    answer.opposed = left.is_any();
    if regime.demand == Demand::Impossible {
        return answer;
    }
    if answer.opposed {
        judge.denied(&mut answer, &said, &left);
    } else {
        judge.unopposed(&mut answer, &regime, &said);
    }
    answer
}
