//! The third part: she asks to be forgotten. Nothing is touched before an operator has seen the plan; afterwards nothing is left
//! but what the law makes the business keep.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use domain::plan::Plan;
use domain::privacy_request::{RequestState, Waiting};
use domain::recipient::VerificationLevel;
use governance::privacy_request::console;
use governance::view::{RequestDetail, Tracker};

use super::{Before, Forgotten, Story};
use crate::business::PAPER_MILL;
use crate::claim::{self, Keys, Witness, changed, counts, files_with, texts_of};
use crate::teller::{same, that};
use crate::vault::Vault;
use crate::visitor::Visitor;

/// What of hers stays, by the story's own reckoning: invoices of the last seven years and the emptied account that they belong to.
/// Her address stays as well, but only her husband leads there now.
const STAYS: [(&str, u64); 2] = [("shop.customer", 1), ("shop.invoice", 4)];

impl Story<'_> {
    pub(super) async fn be_forgotten(
        &mut self,
        witness: &Witness<'_>,
        before: &Before,
    ) -> anyhow::Result<Forgotten> {
        self.teller.part("3  Forget me");
        let (maya, mails) = (self.maya()?, self.mails());
        let email = self.business.maya.email.clone();
        let tracker = maya
            .fill("/ask/delete", &[("email", &email), ("name", "Maya")])
            .await?
            .leads_to()?;
        self.keep_link("Maya’s deletion", &tracker);
        self.show_who_she_is(&maya, &tracker, mails).await?;
        let seen = self
            .wait_until(&tracker, "planned", |seen| {
                seen.waiting == Some(Waiting::Approval)
            })
            .await?;
        let mut console = Visitor::new(self.base)?;
        console.sign_in(self.key).await?;
        let detail = console::detail(self.privity, seen.id).await?;
        self.look_at_plan(&console, &detail, witness, before)
            .await?;
        let page = format!("/console/requests/{}", seen.id);
        console
            .fill(&format!("{page}/approve"), &[])
            .await?
            .leads_to()
            .context("the approval was not taken")?;
        self.keep_link("the operator’s view of it", &page);
        self.teller.say("The operator reads it and approves. Now it is erased, read again, and those who got it are told.");
        self.answer_as_paper_mill(&maya, mails).await?;
        let seen = self
            .wait_until(&tracker, "closed", |seen| seen.state.is_closed())
            .await?;
        self.check_what_is_left(witness, before).await?;
        self.check_vault(before)?;
        self.check_everybody_else(witness, before).await?;
        self.check_recipients(witness, &seen).await?;
        self.check_answer(&seen, mails).await?;
        Ok(Forgotten {
            id: seen.id,
            console,
        })
    }

    async fn look_at_plan(
        &mut self,
        operator: &Visitor,
        detail: &RequestDetail,
        witness: &Witness<'_>,
        before: &Before,
    ) -> anyhow::Result<()> {
        let plan = detail.plan.as_ref().context("the Console shows no plan")?;
        let list = operator.open("/console/requests?show=to_approve").await?;
        self.teller.claim(
            "In the Console it waits for an operator’s approval",
            that(
                list.text().contains(&detail.listed.id.to_string()),
                "the privacy request in the list",
            ),
        );
        self.show_plan(plan);
        self.teller.claim(
            "Nothing was touched to find that out",
            same(
                &changed(&before.all, &witness.fingerprint().await?),
                &Keys::new(),
            ),
        );
        self.check_plan(plan, before);
        Ok(())
    }

    fn show_plan(&self, plan: &Plan) {
        for collection in plan
            .collections
            .iter()
            .filter(|collection| collection.rows > 0)
        {
            let stays: Vec<String> = collection
                .kept
                .iter()
                .map(|kept| format!("{} stay ({})", kept.rows, kept.reason.code))
                .collect();
            let overwritten = if collection.redact > 0 {
                format!(", {} overwritten", collection.redact)
            } else {
                String::new()
            };
            self.teller.aside(&format!(
                "{:<28} {:>3} found, {:>3} go{overwritten}{}{}",
                collection.title,
                collection.rows,
                collection.delete,
                if stays.is_empty() { "" } else { ", " },
                stays.join(", ")
            ));
        }
    }

    fn check_plan(&mut self, plan: &Plan, before: &Before) {
        let planned: BTreeMap<String, u64> = plan
            .collections
            .iter()
            .filter(|collection| collection.rows > 0)
            .map(|collection| (collection.collection.to_string(), collection.rows))
            .collect();
        let (own, planned): (BTreeMap<_, _>, BTreeMap<_, _>) = planned
            .into_iter()
            .partition(|(collection, _)| collection.starts_with("privity."));
        let expected = ["privity.identifier", "privity.profile"].map(|key| (key.to_owned(), 1));
        self.teller.claim(
            "Her profile in the vault was found by her e-mail address, and is planned to go",
            same(&own, &expected.into()),
        );
        self.teller.claim(
            "The plan’s counts are those of the databases, counted there by hand",
            same(&planned, &counts(&before.rows)),
        );
        let kept: BTreeMap<String, u64> = plan
            .collections
            .iter()
            .filter(|collection| !collection.kept.is_empty())
            .map(|collection| {
                (
                    collection.collection.to_string(),
                    collection.kept.iter().map(|kept| kept.rows).sum(),
                )
            })
            .collect();
        let expected = BTreeMap::from([
            ("shop.address".to_owned(), 1),
            ("shop.invoice".to_owned(), 4),
        ]);
        self.teller.claim("It says what stays and why: four invoices of the last seven years, and the address that she shares", same(&kept, &expected));
    }

    /// The mail house has no machine: a person there opens the link of the mail and says that it is done.
    async fn answer_as_paper_mill(&mut self, person: &Visitor, mails: usize) -> anyhow::Result<()> {
        let mail = self
            .mail(mails, PAPER_MILL, "Please delete personal data")
            .await?;
        let link = mail
            .link(&format!("{}/outreach/", self.base))
            .context("the mail holds no link")?
            .to_owned();
        self.keep_link("Paper Mill’s page", &link);
        let page = person.open(&link).await?;
        let names_her = page
            .text()
            .to_lowercase()
            .contains(&self.business.maya.email);
        self.teller.claim("Paper Mill’s privacy desk gets a mail with one link, to a page that says whose data and until when", that(page.status == 200 && names_her, "a page that names her"));
        let answer = person
            .fill_multipart(
                &link,
                &[
                    ("answer", "done"),
                    ("note", "Struck from the mailing list."),
                ],
            )
            .await?;
        self.teller.claim(
            "It answers there, without an account",
            that(answer.status == 303, "an answer that is taken"),
        );
        Ok(())
    }

    async fn check_what_is_left(
        &mut self,
        witness: &Witness<'_>,
        before: &Before,
    ) -> anyhow::Result<()> {
        let maya = &self.business.maya;
        let left = witness.rows_of(maya).await?;
        let expected: BTreeMap<String, u64> =
            STAYS.map(|(name, rows)| (name.to_owned(), rows)).into();
        self.teller.claim(
            "Of all her rows, in all three systems, only what the plan named is left",
            same(&counts(&left), &expected),
        );
        let account = claim::account(self.business, maya)?;
        let is_empty = !claim::holds_any(
            &account.join(" "),
            &[
                maya.first_name.clone(),
                maya.last_name.clone(),
                maya.phone.clone(),
                "example".to_owned(),
            ],
        );
        self.teller.claim(
            "Her account, to which the invoices belong, was overwritten: a number without a person",
            that(is_empty, "no name, no e-mail address, no phone number"),
        );
        let oldest = |keys: &Keys| keys.get("shop.invoice").and_then(BTreeSet::first).cloned();
        self.teller.claim(
            "Her oldest invoice, from before the seven years, is gone",
            that(
                oldest(&before.rows) != oldest(&left),
                "another oldest invoice",
            ),
        );
        let traces: Vec<String> = witness.traces(&texts_of(maya)).await?.into_keys().collect();
        self.teller.claim("Every table read from end to end: her name is on those invoices and nowhere else; her addresses, phone and card are nowhere", same(&traces, &vec!["shop.invoice.billed_to".to_owned()]));
        Ok(())
    }

    fn check_vault(&mut self, before: &Before) -> anyhow::Result<()> {
        let gone = Vault::look(self.business)?.gone_since(&before.vault);
        self.teller.claim(
            "In the vault one key was destroyed, with all that was sealed under it and all that led to it; nobody else’s",
            gone.is_one_subject(),
        );
        let rest = gone.files_with_rest(&self.own_files()?)?;
        self.teller.claim(
            "Not even the sealed bytes are left in any of Privity’s files",
            that(
                !gone.secrets.is_empty() && rest.is_empty(),
                "no file with what was sealed for her",
            ),
        );
        Ok(())
    }

    async fn check_everybody_else(
        &mut self,
        witness: &Witness<'_>,
        before: &Before,
    ) -> anyhow::Result<()> {
        let after = witness.fingerprint().await?;
        let changed = changed(&before.all, &after);
        let strangers: Keys = changed
            .iter()
            .map(|(name, keys)| {
                (
                    name.clone(),
                    keys.difference(before.rows.get(name).unwrap_or(&BTreeSet::new()))
                        .cloned()
                        .collect::<BTreeSet<_>>(),
                )
            })
            .filter(|(_, keys)| !keys.is_empty())
            .collect();
        let others: usize = before.all.values().map(BTreeMap::len).sum::<usize>()
            - before.rows.values().map(BTreeSet::len).sum::<usize>();
        self.teller.claim(&format!("Not one of the {others} rows of everybody else changed (checksums of all of them, before and after)"), same(&strangers, &Keys::new()));
        let spouse = witness.rows_of(&self.business.spouse).await?;
        let is_his = spouse
            .get("shop.address")
            .is_some_and(|keys| Some(keys) == before.rows.get("shop.address"));
        let is_untouched = !changed.contains_key("shop.address");
        self.teller.claim(
            "Her husband still has his address, which was hers too",
            that(is_his && is_untouched, "the same address row, untouched"),
        );
        Ok(())
    }

    async fn check_recipients(
        &mut self,
        witness: &Witness<'_>,
        seen: &Tracker,
    ) -> anyhow::Result<()> {
        let email = &self.business.maya.email;
        let level = |title: &str| {
            seen.recipients
                .iter()
                .find(|line| line.title.starts_with(title))
                .map(|line| line.level)
        };
        let carried = (
            witness.shipments_of(email).await?.len(),
            witness
                .shipments_of(&self.business.spouse.email)
                .await?
                .len(),
        );
        self.teller.claim(
            "Parcel Post deleted her shipments and kept her husband’s",
            same(&carried, &(0, 1)),
        );
        self.teller.claim(
            "It said so by OpenDSR, signed with the certificate of its domain, which was verified",
            same(&level("Parcel Post"), &Some(VerificationLevel::Signed)),
        );
        self.teller.claim(
            "Sweet Leads deleted her",
            same(&witness.leads_of(email).await?.len(), &0),
        );
        self.teller.claim(
            "Nobody took its word for it: it was asked again, by a hash, and holds her no more",
            same(&level("Sweet Leads"), &Some(VerificationLevel::Probed)),
        );
        self.teller.claim(
            "Paper Mill’s answer counts for what it is: a person’s statement",
            same(&level("Paper Mill"), &Some(VerificationLevel::Attested)),
        );
        Ok(())
    }

    async fn check_answer(&mut self, seen: &Tracker, mails: usize) -> anyhow::Result<()> {
        self.teller.claim(
            "The privacy request is closed as partly fulfilled, which is the truth",
            same(&seen.state, &RequestState::PartlyFulfilled),
        );
        for reason in &seen.reasons {
            self.teller
                .aside(&format!("{}: {}", reason.code, reason.explanation));
        }
        let codes: Vec<&str> = seen
            .reasons
            .iter()
            .map(|reason| reason.code.as_str())
            .collect();
        self.teller.claim(
            "Its reasons are those of the plan: a law, and another person’s rights",
            same(
                &codes,
                &vec!["D8_legal_obligation", "X7_belongs_to_other_person"],
            ),
        );
        let mail = self
            .mail(mails, &self.business.maya.email, "Your data was deleted")
            .await?;
        self.teller.claim(
            "The mail to her says what stays, and who was told",
            that(
                mail.text.contains("Tax law") && mail.text.contains("Sweet Leads"),
                "the reason and the recipients",
            ),
        );
        let own = self.own_files()?;
        self.teller.claim(
            &format!(
                "Privity’s own {} files hold nothing of hers in the clear",
                own.len()
            ),
            same(
                &files_with(&own, &texts_of(&self.business.maya))?,
                &Vec::new(),
            ),
        );
        Ok(())
    }

    /// Privity's database, keys and packages.
    pub(super) fn own_files(&self) -> anyhow::Result<Vec<std::path::PathBuf>> {
        let mut files = Vec::new();
        for folder in [
            self.business.dir.join("privity"),
            self.business.dir.join("privity/packages"),
        ] {
            for entry in std::fs::read_dir(&folder)
                .with_context(|| format!("`{}` can't be read", folder.display()))?
            {
                let path = entry?.path();
                if path.is_file() {
                    files.push(path);
                }
            }
        }
        Ok(files)
    }
}
