//! The first part: she asks what they know, and gets a copy that she can read.

use std::collections::BTreeMap;

use super::{Before, Story};
use crate::claim::{counts, holds_any};
use crate::help_desk::MAYA_AT_WORK;
use crate::shop::card_number;
use crate::teller::{same, that};
use crate::visitor::Package;

impl Story<'_> {
    pub(super) async fn ask(&mut self, before: &Before) -> anyhow::Result<()> {
        self.teller.part("1  What do you know about me?");
        let (maya, mails) = (self.maya()?, self.mails());
        let email = self.business.maya.email.clone();
        let home = maya.open("/").await?;
        self.teller.claim(
            "The Privacy Center opens without an account",
            that(
                home.status == 200 && home.text().contains("Hearth &amp; Crumb"),
                "a page that names the business",
            ),
        );
        let tracker = maya
            .fill(
                "/ask/know",
                &[
                    ("kind", "know_specific"),
                    ("email", &email),
                    ("name", "Maya"),
                ],
            )
            .await?
            .leads_to()?;
        self.teller.say("Maya types her e-mail address into one form and gets a page of her own, like a parcel’s.");
        self.keep_link("Maya’s copy", &tracker);
        self.show_who_she_is(&maya, &tracker, mails).await?;
        self.mail(mails, &email, "Your data is ready").await?;
        let answer = maya.open(&format!("{tracker}/package")).await?;
        self.teller.claim(
            "Her copy can be fetched",
            that(answer.status == 200, "a file"),
        );
        let package = Package::open(&answer.body)?;
        self.show_package(&package, answer.body.len());
        self.check_package(&package, before)
    }

    fn show_package(&self, package: &Package, size: usize) {
        let names: Vec<&str> = package
            .files
            .keys()
            .map(String::as_str)
            .filter(|name| !name.starts_with("csv/"))
            .collect();
        self.teller.say(&format!(
            "The file of {} KB holds {} and {} tables as CSV.",
            size.div_ceil(1024),
            names.join(", "),
            package.files.len() - names.len()
        ));
    }

    fn check_package(&mut self, package: &Package, before: &Before) -> anyhow::Result<()> {
        let rows = package.rows()?;
        let given: BTreeMap<String, u64> = rows
            .iter()
            .map(|(name, rows)| (name.clone(), rows.len() as u64))
            .collect();
        self.show_counts(&given);
        let (own, given): (BTreeMap<_, _>, BTreeMap<_, _>) = given
            .into_iter()
            .partition(|(collection, _)| collection.starts_with("privity."));
        self.teller.claim(
            "Her profile from the vault is in it, with where each value came from",
            that(
                own == BTreeMap::from([("privity.profile".to_owned(), 1)])
                    && package.text().contains("Web shop"),
                "one row, from the web shop",
            ),
        );
        self.teller.claim("It has every row about her that the databases have, counted there by hand, and no other", same(&given, &counts(&before.rows)));
        let card = rows
            .get("shop.payment_card")
            .and_then(|rows| rows.first())
            .and_then(|row| row.get("card_number"))
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        self.check_what_is_withheld(&package.text(), card);
        Ok(())
    }

    fn show_counts(&self, given: &BTreeMap<String, u64>) {
        for system in ["shop", "crm", "help_desk", "privity"] {
            let of_system: Vec<String> = given
                .iter()
                .filter(|(name, _)| name.split('.').next() == Some(system))
                .map(|(name, rows)| {
                    format!(
                        "{} {rows}",
                        name.rsplit('.')
                            .next()
                            .unwrap_or_default()
                            .replace('_', " ")
                    )
                })
                .collect();
            self.teller.aside(&format!(
                "{}: {}",
                system.replace('_', " "),
                of_system.join(", ")
            ));
        }
    }

    fn check_what_is_withheld(&mut self, text: &str, card: &str) {
        let is_described = !card.is_empty()
            && !card.contains("4000")
            && !text.contains(&card_number(self.business.maya.number));
        self.teller.claim(
            &format!("Her card number is described, not shown: “{card}”"),
            that(
                is_described,
                "a description, and the number nowhere in the file",
            ),
        );
        self.teller.claim(
            "Her password’s hash is not in it either",
            that(!text.contains("$argon2id"), "no hash anywhere in the file"),
        );
        let spouse = &self.business.spouse;
        let theirs = [
            spouse.email.clone(),
            spouse.phone.clone(),
            spouse.full_name(),
        ];
        self.teller.claim(
            "Her husband, who lives at the same address, is not in it",
            that(!holds_any(text, &theirs), "nothing of his in the file"),
        );
        let found_at_work = holds_any(text, &[MAYA_AT_WORK.to_owned()]);
        self.teller.claim(
            "The letter that she once wrote from work is in it, found by her customer number",
            that(found_at_work, "her ticket from work"),
        );
    }
}
