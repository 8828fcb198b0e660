//! The choices that somebody is offered: each purpose of use with where it stands, what she can say to it, and whether she may be asked now.
//!
//! Pure: books and a history in, an offer out. Law: Civ. Code 1798.135(c)(4), 1798.140(h); 11 CCR 7004, 7013-7016, 7025-7028.

mod gpp;
mod proven;
mod visitor;

use domain::consent::{Age, AskAgain, Facts, Party, Question, Reason, Standing, Tag};
use domain::data_map::RecipientKey;
use domain::gpp::Gpp;
use domain::id::Id;
use domain::law::{Law, add_months};
use domain::notice::{Notice, NoticeBook, NoticeKey, NoticeKind, Shown, Text};
use domain::purpose_of_use::{PurposeBook, PurposeOfUse};
use domain::signal::Signal;
use jiff::Timestamp;
use jiff::civil::Date;
use storage::consent::StoredConsent;

pub use proven::{Proven, may_choose};
pub use visitor::{Chosen, SignalOf, Visitor, is_device};

use super::History;
use crate::Problem;

/// Months of silence after a no where no law says how long: ours, after the longest that one asks for (Civ. Code 1798.135(c)(4)).
const SILENCE_MONTHS: i64 = 12;

/// What a business declares and has published.
#[derive(Clone, Copy)]
pub(super) struct Books<'b> {
    pub(super) purposes: &'b PurposeBook,
    pub(super) notices: &'b NoticeBook,
}

/// Who looks, and from where.
#[derive(Clone, Copy)]
pub(super) struct Visit<'a> {
    /// What was chosen so far.
    pub(super) history: &'a History,
    /// Her device, once a choice was made on it.
    pub(super) device: Option<Tag>,
    /// The opt-out preference signal of her browser.
    pub(super) signal: SignalOf,
    /// The law where she is.
    pub(super) law: &'a Law,
    /// What the answers rest on.
    pub(super) facts: &'a Facts<'a>,
    /// Now.
    pub(super) now: Timestamp,
    /// Whether anything is sold or shared.
    pub(super) sells: bool,
    /// Whether a guardian who was shown to be one chooses for her child.
    pub(super) is_guardian: bool,
}

/// What she is offered.
#[derive(Clone, Debug)]
pub struct Choices<'b> {
    /// Whether a signal came, which has then been honoured.
    pub signal: bool,
    /// Whether the business sells or shares at all; if not, a signal asks for nothing (11 CCR 7013(g)).
    pub sells: bool,
    /// Every purpose: first what is sold, then what is sensitive, last what leaves no choice.
    pub purposes: Vec<OfferedPurpose<'b>>,
    /// What is told to tags on a page of the business.
    pub gpp: Gpp,
}

/// One purpose as it stands for her.
#[derive(Clone, Debug)]
pub struct OfferedPurpose<'b> {
    /// The purpose of use.
    pub purpose: &'b PurposeOfUse,
    /// Where it stands.
    pub standing: Standing,
    /// Where it stands for somebody who never chose.
    pub without_choice: Standing,
    /// Whether a yes can be said, and what it rests on.
    pub yes: Option<&'b Notice>,
    /// Whether a no can be said.
    pub no: bool,
    /// Whether a yes is said in two steps (11 CCR 7028(a)).
    pub twice: bool,
    /// Whether she may be asked now.
    pub ask: bool,
    /// Where it stands for each recipient.
    pub recipients: Vec<OfferedRecipient<'b>>,
}

/// One recipient of a purpose.
#[derive(Clone, Debug)]
pub struct OfferedRecipient<'b> {
    /// The recipient.
    pub key: &'b RecipientKey,
    /// Where the purpose stands for it.
    pub standing: Standing,
}

/// The choices for a visit.
///
/// # Errors
/// The GPP string can't be written, which is a fault of ours.
pub(super) fn offer<'b>(books: Books<'b>, visit: &Visit<'_>) -> Result<Choices<'b>, Problem> {
    let zone = visit.facts.time_zone.clone();
    let mut history = visit.history.clone();
    history.own.extend(visit.present_signal());
    let desk = Desk {
        books,
        visit,
        history: &history,
        today: visit.now.to_zoned(zone).date(),
    };
    let all = books.purposes.iter();
    let mut purposes: Vec<_> = all.map(|purpose| desk.offered(purpose)).collect();
    purposes.sort_by_key(OfferedPurpose::place);
    let signal = visit.signal != SignalOf::Nobody;
    Ok(Choices {
        signal,
        sells: visit.sells,
        gpp: gpp::string(&purposes, visit.law, signal)?,
        purposes,
    })
}

impl Visit<'_> {
    /// A signal is there with every page and needs no record to count: it is read as said just now. One of an earlier page, which is recorded
    /// as soon as there is a device to record it for, came before everything that was chosen since.
    fn present_signal(&self) -> Option<StoredConsent> {
        let at = match self.signal {
            SignalOf::ThisPage => self.now,
            SignalOf::EarlierPage if self.device.is_none() => self.now,
            SignalOf::EarlierPage | SignalOf::Nobody => return None,
        };
        let device = self.device.unwrap_or(Tag([0; 16]));
        let id = || Id::from_uuid(uuid::Uuid::nil());
        let said = Signal::Gpc.opt_outs([Party::Device(device)], Some(device), at, "signal", id);
        let stored = |event| StoredConsent {
            event,
            recorded_at: at,
        };
        said.into_iter().next().map(stored)
    }
}

/// Answers for one visit.
struct Desk<'a, 'b> {
    books: Books<'b>,
    visit: &'a Visit<'a>,
    history: &'a History,
    today: Date,
}

impl<'b> Desk<'_, 'b> {
    fn offered(&self, purpose: &'b PurposeOfUse) -> OfferedPurpose<'b> {
        let now = self.standing(self.history, purpose, None);
        let without_choice = self.standing(&History::default(), purpose, None);
        let is_free = !matches!(
            without_choice.reason,
            Reason::NoChoice | Reason::TooYoung | Reason::NeverAllowed
        );
        let yes = self
            .notice(purpose)
            .filter(|_| is_free && self.can_say_yes(&without_choice) && !self.is_stopped(purpose));
        let recipients = purpose.recipients.iter().map(|key| OfferedRecipient {
            key,
            standing: self.standing(self.history, purpose, Some(key)),
        });
        OfferedPurpose {
            purpose,
            ask: yes.is_some() && self.may_ask(&now, &without_choice),
            yes,
            no: is_free,
            twice: purpose.is_sale_like(),
            recipients: recipients.collect(),
            standing: now,
            without_choice,
        }
    }

    fn standing(
        &self,
        history: &History,
        purpose: &PurposeOfUse,
        recipient: Option<&RecipientKey>,
    ) -> Standing {
        let question = Question {
            purpose,
            recipient,
            attribute: None,
        };
        history.standing(&question, self.visit.now, self.visit.facts)
    }

    /// Below the age a guardian alone, and for nobody else a guardian: a yes that would not count is not offered.
    fn can_say_yes(&self, without_choice: &Standing) -> bool {
        let is_childs = without_choice.reason == Reason::GuardianNeeded;
        if self.visit.is_guardian {
            return is_childs || self.visit.facts.age == Age::Unknown;
        }
        !is_childs
    }

    /// While the signal of an unknown visitor is there, no yes of hers would count (11 CCR 7025(c)(3)).
    fn is_stopped(&self, purpose: &PurposeOfUse) -> bool {
        self.visit.signal == SignalOf::ThisPage && purpose.is_sale_like()
    }

    /// Only where the law or the business asks for consent at all, and not within the silence after a no.
    fn may_ask(&self, now: &Standing, without_choice: &Standing) -> bool {
        if now.allowed || without_choice.allowed {
            return false;
        }
        match now.reason {
            Reason::Refused | Reason::Withdrawn | Reason::OptedOut | Reason::Signal => {
                self.silence_is_over(now)
            }
            Reason::NotHersToGive | Reason::GuardianNeeded => false,
            _ => true,
        }
    }

    fn silence_is_over(&self, now: &Standing) -> bool {
        if let Some(AskAgain { from, .. }) = &now.may_ask_again {
            return *from <= self.today;
        }
        let said = now
            .since
            .map(|at| at.to_zoned(self.visit.facts.time_zone.clone()).date());
        let ends = said.and_then(|day| add_months(day, SILENCE_MONTHS).ok());
        ends.is_some_and(|day| day <= self.today)
    }

    /// The notice that a yes would rest on: the one that the purpose names, else the one in force that explains it best.
    fn notice(&self, purpose: &PurposeOfUse) -> Option<&'b Notice> {
        if let Some(needed) = &purpose.notice {
            let notice = self.in_force(&needed.key)?;
            let says_it =
                notice.version >= needed.from_version && notice.purposes.contains(&purpose.key);
            return says_it.then_some(notice);
        }
        let explains = |notice: &&Notice| {
            notice.purposes.contains(&purpose.key)
                && notice.kind != NoticeKind::PrivacyPolicy
                && self
                    .in_force(&notice.key)
                    .is_some_and(|shown| shown.version == notice.version)
        };
        self.books
            .notices
            .iter()
            .filter(explains)
            .min_by_key(|notice| notice.kind != NoticeKind::Consent)
    }

    fn in_force(&self, key: &NoticeKey) -> Option<&'b Notice> {
        self.books.notices.in_force(key, self.visit.now)
    }
}

impl OfferedPurpose<'_> {
    /// What matters most to her comes first.
    fn place(&self) -> (bool, bool, bool) {
        (
            !self.no,
            !self.purpose.is_sale_like(),
            !self.purpose.is_sensitive(),
        )
    }

    /// What she last said, if she said anything that still stands.
    pub const fn said(&self) -> Option<bool> {
        said(&self.standing)
    }
}

/// What a standing rests on, if on a choice: yes or no.
pub const fn said(standing: &Standing) -> Option<bool> {
    match standing.reason {
        Reason::Consented | Reason::ConsentedAgain => Some(true),
        Reason::Refused | Reason::Withdrawn | Reason::OptedOut | Reason::Signal => Some(false),
        _ => None,
    }
}

/// A notice's text for a reader: in her language, else its main language, else English, else the first there is; and what a consent
/// given after it has to say about it.
pub fn text_for<'n>(notice: &'n Notice, language: &str) -> Option<(&'n Text, Shown)> {
    let main = language.split('-').next().unwrap_or(language);
    let wanted = [language, main, "en"].into_iter();
    let mut languages = wanted.chain(notice.languages());
    languages.find_map(|language| Some((notice.text(language)?, notice.shown_in(language)?)))
}

#[cfg(test)]
mod tests;
