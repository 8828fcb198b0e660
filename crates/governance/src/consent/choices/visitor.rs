//! A visitor at a page of the business or of the Privacy Center: nobody knows who she is, and her choices are kept under her device.
//!
//! Law: 11 CCR 7025(c)(1), 7026(d): neither an account nor anything about herself is asked for.

use domain::audit::Actor;
use domain::consent::{Age, By, How, Matter, Party, Scope, Steps, Tag};
use domain::data_map::{IdentifierKind, RecipientKey};
use domain::law::Law;
use domain::notice::Way;
use domain::purpose_of_use::{PurposeKey, UseKind};
use domain::sensitive::Sensitive;
use domain::signal::Signal;
use jiff::Timestamp;

use super::{Books, Choices, OfferedPurpose, Visit, offer, said};
use crate::consent::{
    Asked, Ground, History, NewChoice, PSEUDONYM, Recorded, Said, ShownNotice, Yes,
};
use crate::signal::Sender;
use crate::{Privity, Problem};

/// The most ids of the business's own that a page can name, and the longest.
const MOST_PSEUDONYMS: usize = 5;
const LONGEST_PSEUDONYM: usize = 200;
/// The longest key of a site.
const LONGEST_PLACE: usize = 100;

/// Somebody at a page.
#[derive(Clone, Default)]
pub struct Visitor {
    /// The random id in her browser; none before the first choice.
    pub device: Option<Sensitive<String>>,
    /// The business's own ids of her, under which it keeps a profile.
    pub pseudonyms: Vec<Sensitive<String>>,
    /// The opt-out preference signal of her browser.
    pub signal: SignalOf,
    /// The law where she is; the business's own, if nothing is said.
    pub law: Option<String>,
    /// The key of the site.
    pub place: String,
}

/// When her browser sent an opt-out preference signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignalOf {
    /// Never.
    #[default]
    Nobody,
    /// On an earlier page. It stands until she says otherwise.
    EarlierPage,
    /// On this page.
    ThisPage,
}

/// What a visitor says.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The page's own id of it: sent again it is the same choice.
    pub id: Option<String>,
    /// To what; none: to everything that is sold, shared or used for targeted advertising, which can only be a no.
    pub purpose: Option<PurposeKey>,
    /// Only for this recipient.
    pub recipient: Option<RecipientKey>,
    /// Yes or no.
    pub yes: bool,
    /// In how many steps.
    pub steps: Steps,
    /// The notice beside it.
    pub shown: Option<ShownNotice>,
    /// Whether a parent or guardian says it for a child.
    pub by_guardian: bool,
}

impl Visitor {
    /// What came from a browser is looked at before it is hashed, or kept as a place.
    #[expect(clippy::disallowed_methods, reason = "only measured")]
    pub(super) fn check(&self) -> Result<(), Problem> {
        if !self.device.as_ref().is_none_or(is_device) {
            return Err(Problem::invalid(
                "device",
                "a device’s id is 32 hexadecimal digits, made at random",
            ));
        }
        let is_long = |id: &Sensitive<String>| id.expose().len() > LONGEST_PSEUDONYM;
        if self.pseudonyms.len() > MOST_PSEUDONYMS || self.pseudonyms.iter().any(is_long) {
            return Err(Problem::invalid(
                "pseudonyms",
                format!(
                    "at most {MOST_PSEUDONYMS} ids of your own, of at most {LONGEST_PSEUDONYM} characters each"
                ),
            ));
        }
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
        let is_length = (1..=LONGEST_PLACE).contains(&self.place.len());
        if !is_length || !self.place.bytes().all(is_letter) {
            return Err(Problem::invalid(
                "site",
                format!(
                    "the key of a site has letters, digits, `_`, `-`, `.` and `/`, at most {LONGEST_PLACE}"
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn sender(&self, privity: &Privity) -> Sender {
        let kind = IdentifierKind(PSEUDONYM.to_owned());
        Sender {
            device: self.device.as_ref().map(|id| privity.device_tag(id)),
            pseudonyms: self
                .pseudonyms
                .iter()
                .map(|id| privity.pseudonym_tag(&kind, id))
                .collect(),
            subject: None,
        }
    }
}

/// Whether a text can be a device's id, as the page script and the Privacy Center make them: 32 hexadecimal digits.
#[expect(clippy::disallowed_methods, reason = "only measured")]
pub fn is_device(id: &Sensitive<String>) -> bool {
    id.expose().parse::<Tag>().is_ok()
}

impl Privity {
    /// A new id for a device on which a choice is made.
    pub fn new_device(&self) -> Sensitive<String> {
        let mut bytes = [0; 16];
        self.rng().fill(&mut bytes);
        Sensitive::new(Tag(bytes).to_string())
    }

    /// What a visitor is offered. Her browser's signal is honoured first: recorded for her device and pseudonyms where there are any, and
    /// without any record where there are none.
    ///
    /// # Errors
    /// An unknown law; our database doesn't answer.
    pub async fn choices(&self, visitor: &Visitor) -> Result<Choices<'_>, Problem> {
        visitor.check()?;
        self.greet(visitor).await?;
        self.offered_to(visitor).await
    }

    /// Records what a visitor says, and answers what became of each, in the order given.
    ///
    /// # Errors
    /// As [`Privity::choices`]; no device to keep it under.
    pub async fn choose(
        &self,
        visitor: &Visitor,
        chosen: Vec<Chosen>,
    ) -> Result<Vec<Recorded>, Problem> {
        visitor.check()?;
        let Some(device) = visitor.sender(self).device else {
            return Err(Problem::invalid(
                "device",
                "a choice is kept under the random id of a device; send one of 32 hexadecimal digits",
            ));
        };
        self.greet(visitor).await?;
        let offered = self.offered_to(visitor).await?;
        let mut refused = Vec::new();
        let mut choices = Vec::new();
        for one in &chosen {
            match put(one, &offered, visitor, Party::Device(device)) {
                Ok(choice) => {
                    choices.push(choice);
                    refused.push(None);
                }
                Err(problem) => refused.push(Some(problem)),
            }
        }
        let mut recorded = self
            .record_consents(choices, Actor::Subject, None)
            .await?
            .into_iter();
        let missing = || Recorded::Refused(Problem::internal("recording a choice", &"no outcome"));
        let outcome = |refused: Option<Problem>| match refused {
            Some(problem) => Recorded::Refused(problem),
            None => recorded.next().unwrap_or_else(missing),
        };
        Ok(refused.into_iter().map(outcome).collect())
    }

    /// Her signal, and the links between her device and the business's ids of her, are known before anything else is said.
    async fn greet(&self, visitor: &Visitor) -> Result<(), Problem> {
        let sender = visitor.sender(self);
        if self.is_news(visitor.signal, &sender).await? {
            self.honour_signal(Signal::Gpc, &sender, &visitor.place)
                .await?;
        }
        if sender.device.is_some() && !sender.pseudonyms.is_empty() {
            self.link_parties(&sender).await?;
        }
        Ok(())
    }

    /// A signal of an earlier page was there before the device got its number. Sent again because an answer was lost, it must not outdo
    /// what was chosen since.
    async fn is_news(&self, signal: SignalOf, sender: &Sender) -> Result<bool, Problem> {
        let Some(device) = sender.device.filter(|_| signal == SignalOf::EarlierPage) else {
            return Ok(signal != SignalOf::Nobody);
        };
        let history = self
            .consent_history(&Asked::of(Party::Device(device)))
            .await?;
        Ok(history.own.is_empty())
    }

    async fn offered_to(&self, visitor: &Visitor) -> Result<Choices<'_>, Problem> {
        let device = visitor.sender(self).device;
        let history = match device {
            Some(device) => {
                self.consent_history(&Asked::of(Party::Device(device)))
                    .await?
            }
            None => History::default(),
        };
        let now = self.now();
        let ground = self.ground(visitor.law.as_deref(), now)?;
        self.offered_on(visitor, &history, &ground, now)
    }

    fn offered_on(
        &self,
        visitor: &Visitor,
        history: &History,
        ground: &Ground,
        now: Timestamp,
    ) -> Result<Choices<'_>, Problem> {
        let visit = Visit {
            history,
            device: visitor.sender(self).device,
            signal: visitor.signal,
            law: self.protecting_law(visitor.law.as_deref())?,
            facts: &ground.facts(Age::Unknown),
            now,
            sells: self.sells_or_shares(),
            is_guardian: false,
        };
        offer(self.books(), &visit)
    }

    /// The law that protects her: the one that is named, or the business's own.
    pub(super) fn protecting_law(&self, named: Option<&str>) -> Result<&Law, Problem> {
        let name = named.unwrap_or(&self.settings().business.default_law);
        let law = self.law().law(name);
        law.map_err(|error| Problem::internal("reading the law", &error))
    }

    pub(super) fn books(&self) -> Books<'_> {
        Books {
            purposes: self.purposes(),
            notices: self.notices(),
        }
    }
}

/// One choice as it is recorded: what it is called follows from what stood before. A yes for a child is no choice of a browser's.
pub(super) fn put(
    chosen: &Chosen,
    offered: &Choices<'_>,
    visitor: &Visitor,
    party: Party,
) -> Result<NewChoice, Problem> {
    let known = |key: &PurposeKey| {
        let mut all = offered.purposes.iter();
        all.find(|offered| offered.purpose.key == *key)
    };
    let of = chosen.purpose.as_ref().and_then(known);
    if chosen.yes && chosen.by_guardian && matches!(party, Party::Device(_)) {
        return Err(Problem::new(
            "guardian_not_confirmed",
            422,
            "a yes for a child under 13 counts only from a parent or guardian who was shown to be one; write to us or call us, and we tell you how and send you a page for it",
        ));
    }
    if chosen.yes
        && visitor.signal == SignalOf::ThisPage
        && of.is_some_and(|offered| offered.purpose.is_sale_like())
    {
        return Err(Problem::new(
            "signal_says_no",
            409,
            "your browser sends an opt-out signal, which says no to this; turn the signal off for this site first if you want to say yes",
        ));
    }
    let scope = match &chosen.purpose {
        Some(key) => Scope {
            of: Matter::Purpose(key.clone()),
            ..Scope::purpose(key.clone())
        },
        None => Scope::every([
            UseKind::Sale,
            UseKind::Sharing,
            UseKind::TargetedAdvertising,
        ]),
    };
    Ok(NewChoice {
        id: chosen.id.clone(),
        party,
        scope: Scope {
            recipient: chosen.recipient.clone(),
            ..scope
        },
        said: act(chosen, of)?,
        by: if chosen.by_guardian {
            By::Guardian { proof: None }
        } else {
            By::Subject
        },
        how: How::Told(Way::Web),
        place: visitor.place.clone(),
        at: None,
        law: visitor.law.clone(),
    })
}

fn act(chosen: &Chosen, of: Option<&OfferedPurpose<'_>>) -> Result<Said, Problem> {
    let standing = of.map(|offered| {
        let mut recipients = offered.recipients.iter();
        let narrowed = chosen.recipient.as_ref();
        let narrowed = narrowed.and_then(|key| recipients.find(|one| one.key == key));
        narrowed.map_or(&offered.standing, |one| &one.standing)
    });
    let before = standing.and_then(said);
    let is_opt_out = of.is_none_or(|offered| offered.without_choice.allowed);
    if !chosen.yes {
        let shown = chosen.shown.clone();
        return Ok(match before {
            Some(true) => Said::Withdrawn(shown),
            _ if is_opt_out => Said::OptedOut(shown),
            _ => Said::Refused(shown),
        });
    }
    let Some(shown) = chosen.shown.clone() else {
        return Err(Problem::invalid(
            "shown",
            "a yes rests on a notice; send which one was shown",
        ));
    };
    let yes = Yes {
        shown,
        steps: chosen.steps,
        despite_signal_of: None,
        expires: None,
    };
    Ok(if is_opt_out && before == Some(false) {
        Said::OptedInAgain(yes)
    } else {
        Said::Given(yes)
    })
}
