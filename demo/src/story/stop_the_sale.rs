//! The second part: she stops the sale with one click, and who bought has to answer.

use domain::privacy_request::RequestState;
use domain::recipient::VerificationLevel;
use governance::view::Tracker;

use super::Story;
use crate::claim::Witness;
use crate::teller::{same, that};

impl Story<'_> {
    pub(super) async fn stop_the_sale(&mut self, witness: &Witness<'_>) -> anyhow::Result<()> {
        self.teller.part("2  Stop selling my data");
        let (maya, mails) = (self.maya()?, self.mails());
        let email = self.business.maya.email.clone();
        let asked = maya
            .fill(
                "/opt-out",
                &[("email", &email), ("passport_number", "X1234567")],
            )
            .await?;
        self.teller.claim(
            "A form that asks for an ID is refused: stopping a sale needs no proof",
            same(&asked.status, &400),
        );
        let tracker = maya
            .fill("/opt-out", &[("email", &email)])
            .await?
            .leads_to()?;
        self.teller.say("One click, no code, no reason.");
        self.keep_link("Maya’s opt-out", &tracker);
        let seen = self
            .wait_until(&tracker, "answered by Sweet Leads", |seen| {
                seen.state.is_closed()
            })
            .await?;
        self.teller.claim(
            "The privacy request is fulfilled",
            same(&seen.state, &RequestState::Fulfilled),
        );
        self.check_buyer(witness, &seen).await?;
        self.mail(mails, &email, "We no longer sell or share your data")
            .await?;
        self.teller
            .say("A mail tells her that it took effect, and who was told.");
        let forged = maya
            .fill("/callbacks/sweet_leads", &[("data", "done")])
            .await?;
        self.teller.claim(
            "Somebody who answers in Sweet Leads’ name without its key is turned away, and the log warns",
            same(&forged.status, &401),
        );
        Ok(())
    }

    async fn check_buyer(&mut self, witness: &Witness<'_>, seen: &Tracker) -> anyhow::Result<()> {
        let told: Vec<&str> = seen
            .recipients
            .iter()
            .map(|line| line.title.as_str())
            .collect();
        self.teller.claim("Sweet Leads, which bought her data, was told; the others, to whom it was not sold, were not", same(&told, &vec!["Sweet Leads"]));
        let level = seen.recipients.first().map(|line| line.level);
        self.teller.claim(
            "Its answer came with a signature, which was verified",
            same(&level, &Some(VerificationLevel::Signed)),
        );
        let hers = witness.leads_of(&self.business.maya.email).await?;
        self.teller.claim(
            "In Sweet Leads’ own list she may no longer be sold",
            that(
                hers.len() == 1 && hers.iter().all(|lead| !lead.may_sell),
                "one lead that may not be sold",
            ),
        );
        let his = witness.leads_of(&self.business.spouse.email).await?;
        self.teller.claim(
            "Her husband, who said nothing, is as he was",
            that(
                his.len() == 1 && his.iter().all(|lead| lead.may_sell),
                "one lead that may be sold",
            ),
        );
        Ok(())
    }
}
