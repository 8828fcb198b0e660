//! Somebody who has shown who she is, at the page of her choices: a subject who typed the code of a privacy request, or a guardian whom staff
//! know to be one. What she says is kept for the subject, and for her own browser too.
//!
//! A tracker's link shows no more than before; only after the code may choices be made with it, and only for whom the address belongs to.
//! Law: 11 CCR 7025(c)(1), 7026, 7070, 7071.

use domain::audit::Actor;
use domain::consent::{By, Party};
use domain::data_map::IdentifierKind;
use domain::disclosure::{DisclosureRecipient, Purpose};
use domain::privacy_request::{RequestKind, RequestState};
use domain::sensitive::Sensitive;
use domain::signal::Signal;

use super::visitor::put;
use super::{Choices, Chosen, SignalOf, Visit, Visitor, offer};
use crate::consent::{Asked, NewChoice, Recorded};
use crate::deciding::own;
use crate::disclosure::{Wanted, open};
use crate::privacy_request::verify::by_tracker;
use crate::requester::IDENTITY;
use crate::work::requester;
use crate::{Privity, Problem};

/// Somebody who may choose for a subject.
#[derive(Clone, Debug)]
pub struct Proven {
    party: Party,
    by: By,
    law: Option<String>,
}

impl Proven {
    pub(in crate::consent) const fn new(party: Party, by: By, law: Option<String>) -> Self {
        Self { party, by, law }
    }

    /// Whether she chooses for her child.
    pub const fn is_guardian(&self) -> bool {
        matches!(self.by, By::Guardian { .. })
    }

    /// Her browser is hers; a guardian's is not her child's.
    const fn has_browser(&self) -> bool {
        !self.is_guardian()
    }
}

/// Whether whoever made a privacy request has shown by it who she is, and can choose at its page.
pub fn may_choose(kind: RequestKind, state: RequestState) -> bool {
    let is_shown = matches!(
        state,
        RequestState::Verified
            | RequestState::InProgress
            | RequestState::Fulfilled
            | RequestState::PartlyFulfilled
    );
    is_shown && kind != RequestKind::OptOutSaleShare
}

impl Privity {
    /// The subject behind a privacy request, once she has typed its code: whoever the address belongs to, by our profiles, or the address's
    /// pseudonym. Opening the address is recorded.
    ///
    /// # Errors
    /// There is no such privacy request; she has not shown who she is yet, or what it held was destroyed.
    pub async fn proven_by_request(&self, tracker: &Sensitive<String>) -> Result<Proven, Problem> {
        let stored = by_tracker(self, tracker).await?;
        let (kind, state) = (stored.request.kind, stored.request.state);
        if !may_choose(kind, state) {
            return Err(Problem::conflict(
                "choices for all that we know about you need the code from our mail; type it on the page of your privacy request, or choose for this browser alone",
            ));
        }
        let wanted = Wanted {
            recipient: DisclosureRecipient::Nobody,
            known: None,
            purpose: Purpose::KnowWhoMayConsent,
            attributes: vec![own(IDENTITY, "user.contact.email", None)],
        };
        let opened = open(self, &stored, &wanted, Actor::Subject).await?;
        let asked = requester(&opened.key, &opened.permit, &stored).map_err(|stop| {
            Problem::internal("finding whose choices these are", &format!("{stop:?}"))
        })?;
        let Some(email) = asked.email.clone() else {
            return Err(Problem::conflict(
                "this privacy request came without an address; choose for this browser instead",
            ));
        };
        let email = Sensitive::new(email);
        let party = self.party_of(&IdentifierKind::email(), &email).await?;
        Ok(Proven::new(
            party,
            By::Subject,
            Some(stored.request.law.clone()),
        ))
    }

    /// What she is offered, for the subject. The signal of her own browser is honoured first, for both.
    ///
    /// # Errors
    /// As [`Privity::choices`].
    pub async fn choices_of(
        &self,
        proven: &Proven,
        visitor: &Visitor,
    ) -> Result<Choices<'_>, Problem> {
        visitor.check()?;
        self.greet_known(proven, visitor).await?;
        self.offered_to_known(proven, visitor).await
    }

    /// Records what she says for the subject, and what was kept of it for her browser too.
    ///
    /// # Errors
    /// As [`Privity::choices_of`].
    pub async fn choose_for(
        &self,
        proven: &Proven,
        visitor: &Visitor,
        chosen: &[Chosen],
    ) -> Result<Vec<Recorded>, Problem> {
        visitor.check()?;
        self.greet_known(proven, visitor).await?;
        let offered = self.offered_to_known(proven, visitor).await?;
        let mut outcomes = Vec::with_capacity(chosen.len());
        for one in chosen {
            let visitor = Visitor {
                law: proven.law.clone(),
                ..visitor.clone()
            };
            let choice = put(one, &offered, &visitor, proven.party.clone());
            let choice = choice.map(|choice| NewChoice {
                by: proven.by.clone(),
                ..choice
            });
            outcomes.push(match choice {
                Ok(choice) => self.keep_for(proven, &visitor, choice).await?,
                Err(problem) => Recorded::Refused(problem),
            });
        }
        Ok(outcomes)
    }

    async fn keep_for(
        &self,
        proven: &Proven,
        visitor: &Visitor,
        choice: NewChoice,
    ) -> Result<Recorded, Problem> {
        let recorded = self
            .record_consents(vec![choice.clone()], Actor::Subject, None)
            .await?
            .pop();
        let recorded =
            recorded.ok_or_else(|| Problem::internal("recording a choice", &"no outcome"))?;
        let device = visitor.sender(self).device.filter(|_| proven.has_browser());
        if let (Recorded::Kept { .. }, Some(device)) = (&recorded, device) {
            let here = NewChoice {
                party: Party::Device(device),
                ..choice
            };
            self.record_consents(vec![here], Actor::Subject, None)
                .await?;
        }
        Ok(recorded)
    }

    /// She sits at this browser: what it says, and said, is hers (11 CCR 7025(c)(1)).
    async fn greet_known(&self, proven: &Proven, visitor: &Visitor) -> Result<(), Problem> {
        if !proven.has_browser() {
            return Ok(());
        }
        let mut sender = visitor.sender(self);
        match proven.party {
            Party::Subject(id) => sender.subject = Some(id),
            Party::Pseudonym(tag) => sender.pseudonyms.push(tag),
            Party::Device(_) => {}
        }
        if visitor.signal == SignalOf::ThisPage {
            self.honour_signal(Signal::Gpc, &sender, &visitor.place)
                .await?;
        }
        if sender.device.is_some() {
            self.link_parties(&sender).await?;
        }
        Ok(())
    }

    async fn offered_to_known(
        &self,
        proven: &Proven,
        visitor: &Visitor,
    ) -> Result<Choices<'_>, Problem> {
        let device = visitor.sender(self).device.filter(|_| proven.has_browser());
        let asked = Asked {
            device,
            law: proven.law.clone(),
            ..Asked::of(proven.party.clone())
        };
        let history = self.consent_history(&asked).await?;
        let now = self.now();
        let ground = self.ground(asked.law.as_deref(), now)?;
        let age = self.age_for(&proven.party, &history, &ground, self.purposes().iter());
        let facts = ground.facts(age.await?);
        // A guardian's browser says nothing for her child.
        let signal = if proven.has_browser() {
            visitor.signal
        } else {
            SignalOf::Nobody
        };
        let visit = Visit {
            history: &history,
            device,
            signal,
            law: self.protecting_law(asked.law.as_deref())?,
            facts: &facts,
            now,
            sells: self.sells_or_shares(),
            is_guardian: proven.is_guardian(),
        };
        offer(self.books(), &visit)
    }
}
