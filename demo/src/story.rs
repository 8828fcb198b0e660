//! One customer's story, step by step: she asks, stops the sale, is forgotten, and the proof is checked. Told as it happens, by
//! people who use pages, forms and mail as everybody does.

mod ask;
mod be_forgotten;
mod prove;
mod stop_the_sale;

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use domain::id::RequestId;
use domain::sensitive::Sensitive;
use governance::Privity;
use governance::privacy_request::tracker;
use governance::view::Tracker;

use crate::business::Business;
use crate::claim::{Fingerprint, Keys, Witness, files_with, texts_of};
use crate::mail::Mail;
use crate::teller::{Teller, same, that};
use crate::vault::Vault;
use crate::visitor::Visitor;

/// The longest that a step may take before the story says that it got stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the story needs, and what it leaves behind.
pub(crate) struct Story<'a> {
    pub(crate) business: &'a Business,
    pub(crate) privity: &'a Privity,
    /// The operator's key.
    pub(crate) key: &'a str,
    /// Where Privity's pages are.
    pub(crate) base: &'a str,
    pub(crate) teller: &'a mut Teller,
    /// Pages to look at afterwards, with their names.
    pub(crate) links: Vec<(String, String)>,
}

/// How everything was before anybody asked for anything.
pub(crate) struct Before {
    rows: Keys,
    all: Fingerprint,
    vault: Vault,
}

impl Story<'_> {
    /// Plays it from beginning to end. What is claimed and does not hold is told and counted; only a step that can't go on ends it.
    ///
    /// # Errors
    /// A step can't go on.
    pub(crate) async fn play(&mut self) -> anyhow::Result<()> {
        let witness = Witness::new(self.business);
        let before = Before {
            rows: witness.rows_of(&self.business.maya).await?,
            all: witness.fingerprint().await?,
            vault: Vault::look(self.business)?,
        };
        self.begin(&before)?;
        self.ask(&before)
            .await
            .context("she could not get her copy")?;
        self.stop_the_sale(&witness)
            .await
            .context("she could not stop the sale")?;
        let forgotten = self
            .be_forgotten(&witness, &before)
            .await
            .context("she could not be forgotten")?;
        self.prove(&forgotten)
            .await
            .context("it could not be proven")
    }

    fn begin(&mut self, before: &Before) -> anyhow::Result<()> {
        let rows: usize = before
            .rows
            .values()
            .map(std::collections::BTreeSet::len)
            .sum();
        let all: usize = before
            .all
            .values()
            .map(std::collections::BTreeMap::len)
            .sum();
        self.teller.part("Hearth & Crumb sells baking supplies");
        self.teller.say(&format!("{} customers, {all} rows in a shop database, a sales database and a help desk over HTTP.", self.business.customers));
        self.teller.say("Parcel Post carries its parcels, Paper Mill prints its catalogues, and Sweet Leads bought its customers’ data.");
        self.teller.say(&format!("Maya Okafor is one of the customers; {rows} rows are about her. A stranger just called her about gift baskets."));
        let own = self.own_files()?;
        self.teller.claim(
            "Her profile in Privity’s vault is sealed: none of its files holds anything of hers in the clear",
            same(&files_with(&own, &texts_of(&self.business.maya))?, &Vec::new()),
        );
        Ok(())
    }

    /// Maya at her browser.
    fn maya(&self) -> anyhow::Result<Visitor> {
        Visitor::new(self.base)
    }

    /// Types the code from the mail, once wrongly; answers when Privity believes her.
    async fn show_who_she_is(
        &mut self,
        maya: &Visitor,
        tracker: &str,
        mails_before: usize,
    ) -> anyhow::Result<()> {
        let mail = self
            .mail(mails_before, &self.business.maya.email.clone(), "Your code")
            .await?;
        let code = mail.code().context("the mail holds no code")?.to_owned();
        self.teller.say("A mail with a code arrives.");
        let wrong = if code == "123456" { "654321" } else { "123456" };
        let refused = maya
            .fill(&format!("{tracker}/code"), &[("code", wrong)])
            .await?;
        self.teller.claim(
            "A wrong code is refused, and may be tried again",
            that(
                refused.status == 422 && refused.text().contains("more times"),
                "the page says how many tries are left",
            ),
        );
        let taken = maya
            .fill(&format!("{tracker}/code"), &[("code", &code)])
            .await?;
        self.teller.claim(
            "The code from the mail is taken",
            that(taken.status == 303, "her page, verified"),
        );
        Ok(())
    }

    async fn mail(&self, after: usize, to: &str, about: &str) -> anyhow::Result<Mail> {
        self.business
            .mailbox
            .wait_for(after, to, about)
            .await
            .with_context(|| {
                format!("no mail about `{about}` came; look at the log for what went wrong")
            })
    }

    fn mails(&self) -> usize {
        self.business.mailbox.mails().len()
    }

    /// What the tracker says once it says what is waited for.
    async fn wait_until(
        &self,
        path: &str,
        what: &str,
        is_so: impl Fn(&Tracker) -> bool,
    ) -> anyhow::Result<Tracker> {
        let token = Sensitive::new(path.rsplit('/').next().unwrap_or_default().to_owned());
        let started = Instant::now();
        loop {
            let seen = tracker::view(self.privity, &token).await?;
            if is_so(&seen) {
                return Ok(seen);
            }
            if started.elapsed() > PATIENCE {
                bail!(
                    "after {} seconds it is still not {what}; see {}{path}",
                    PATIENCE.as_secs(),
                    self.base
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Something to look at afterwards.
    fn keep(&mut self, name: &str, what: &str) {
        self.links.push((name.to_owned(), what.to_owned()));
    }

    fn keep_link(&mut self, name: &str, path: &str) {
        let address = if path.starts_with('/') {
            format!("{}{path}", self.base)
        } else {
            path.to_owned()
        };
        self.keep(name, &address);
    }
}

/// What the deletion leaves for the last part.
pub(crate) struct Forgotten {
    id: RequestId,
    console: Visitor,
}
