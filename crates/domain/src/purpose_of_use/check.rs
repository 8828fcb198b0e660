//! From the file of purposes to the book: every name is looked up, and all that is wrong is told at once, with its place.

use std::collections::{BTreeMap, BTreeSet};

use super::{Choice, PurposeBook, PurposeFile, PurposeKey, PurposeOfUse, PurposeText, UseKind};
use crate::data_map::RecipientKey;
use crate::law::{Fault, Faults, LawBook};

/// Collects what is wrong in one file.
struct Check<'a> {
    file: &'a str,
    law: &'a LawBook,
    recipients: &'a BTreeSet<RecipientKey>,
    faults: Vec<Fault>,
}

impl PurposeBook {
    /// Checks a file; `name` is its name in messages, `recipients` are those of the data map.
    ///
    /// # Errors
    /// Everything wrong in it, each with its place.
    pub fn check(
        name: &str,
        file: PurposeFile,
        law: &LawBook,
        recipients: &BTreeSet<RecipientKey>,
    ) -> Result<Self, Faults> {
        let mut check = Check {
            file: name,
            law,
            recipients,
            faults: Vec::new(),
        };
        let mut purposes = BTreeMap::new();
        for (key, text) in file.purposes {
            check.purpose(&key, &text);
            let purpose = build(PurposeKey::from(key), text, law);
            purposes.insert(purpose.key.clone(), purpose);
        }
        if purposes.is_empty() {
            check.fault("purposes", "", "is empty; declare at least one purpose");
        }
        if !check.faults.is_empty() {
            return Err(Faults(check.faults));
        }
        Ok(Self { purposes })
    }
}

fn build(key: PurposeKey, text: PurposeText, law: &LawBook) -> PurposeOfUse {
    let sensitive = text.categories.iter().filter_map(|category| {
        law.category(category)
            .and_then(|category| category.sensitive.clone())
    });
    PurposeOfUse {
        key,
        sensitive: sensitive.collect(),
        title: text.title,
        description: text.description,
        categories: text.categories.into_iter().collect(),
        uses: text.uses.into_iter().collect(),
        choice: text.choice,
        choice_under: text.choice_under,
        recipients: text
            .recipients
            .into_iter()
            .map(RecipientKey::from)
            .collect(),
        consent_lasts_months: text.consent_lasts_months,
        notice: text.notice,
        collected_by: text.collected_by.into_iter().collect(),
        dpv: text.dpv,
    }
}

impl Check<'_> {
    fn fault(&mut self, purpose: &str, place: &str, problem: impl Into<String>) {
        let at = if place.is_empty() {
            purpose.to_owned()
        } else {
            format!("{purpose}.{place}")
        };
        self.faults.push(Fault {
            file: self.file.to_owned(),
            rule: at,
            problem: problem.into(),
        });
    }

    fn purpose(&mut self, key: &str, text: &PurposeText) {
        if !is_key(key) {
            self.fault(
                key,
                "",
                "is not a key; use small letters, digits and `_`, as in `marketing_email`",
            );
        }
        for (place, wording) in [("title", &text.title), ("description", &text.description)] {
            for problem in wording.problems() {
                self.fault(key, place, problem);
            }
        }
        for language in text.title.languages() {
            if text.description.exactly(language).is_none() {
                self.fault(
                    key,
                    "description",
                    format!("is missing in `{language}`, in which there is a title"),
                );
            }
        }
        self.categories(key, text);
        self.recipients(key, text);
        self.choices(key, text);
        self.small_things(key, text);
    }

    fn categories(&mut self, key: &str, text: &PurposeText) {
        if text.categories.is_empty() {
            self.fault(
                key,
                "categories",
                "is empty; name the data categories that are used",
            );
        }
        for category in &text.categories {
            if !self.law.is_known_category(category) {
                self.fault(
                    key,
                    "categories",
                    format!("no data category is called `{category}`; see law/categories.yaml"),
                );
            }
        }
    }

    fn recipients(&mut self, key: &str, text: &PurposeText) {
        for recipient in &text.recipients {
            if !self
                .recipients
                .contains(&RecipientKey::from(recipient.as_str()))
            {
                self.fault(
                    key,
                    "recipients",
                    format!("no recipient of the data map is called `{recipient}`"),
                );
            }
        }
        let leaves = |kind| matches!(kind, &UseKind::Sale | &UseKind::Sharing);
        if text.uses.iter().any(leaves) && text.recipients.is_empty() {
            self.fault(
                key,
                "recipients",
                "is empty, but what is sold or shared goes to somebody; name them",
            );
        }
    }

    /// A declared choice may be stricter than the law, never laxer.
    fn choices(&mut self, key: &str, text: &PurposeText) {
        let declared = std::iter::once(("choice".to_owned(), text.choice)).chain(
            text.choice_under
                .iter()
                .map(|(law, choice)| (format!("choice_under.{law}"), *choice)),
        );
        for (place, choice) in declared.collect::<Vec<_>>() {
            if choice == Choice::None && text.uses.iter().any(|kind| kind.is_sale_like()) {
                self.fault(
                    key,
                    &place,
                    "is `none`, but nobody may be kept from opting out of sale, sharing or targeted advertising; \
                     write `opt_out` or `opt_in`",
                );
            }
            if choice != Choice::OptIn && text.uses.contains(&UseKind::Incentive) {
                self.fault(
                    key,
                    &place,
                    "must be `opt_in`: a financial incentive is entered by consent only (Civ. Code 1798.125(b)(3))",
                );
            }
        }
        for law in text.choice_under.keys() {
            if !self.law.laws().any(|known| known.key == *law) {
                self.fault(
                    key,
                    "choice_under",
                    format!("no law is called `{law}`; `privity law list` names all"),
                );
            }
        }
    }

    fn small_things(&mut self, key: &str, text: &PurposeText) {
        if text.consent_lasts_months == Some(0) {
            self.fault(
                key,
                "consent_lasts_months",
                "is 0, so that no consent would ever hold; leave it out if a consent doesn't end",
            );
        }
        let is_term = |term: &String| {
            term.starts_with(|first: char| first.is_ascii_uppercase())
                && term.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if let Some(term) = text.dpv.as_ref().filter(|term| !is_term(term)) {
            self.fault(
                key,
                "dpv",
                format!("`{term}` is not a term of the Data Privacy Vocabulary; they look like `DirectMarketing`"),
            );
        }
    }
}

/// Whether a text can be a key: small letters, digits and `_`, a letter first.
pub(crate) fn is_key(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
