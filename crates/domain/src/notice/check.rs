//! From the file of notices to the book: what the law wants in a notice is in it, or it isn't published.

use std::collections::{BTreeMap, BTreeSet};

use super::{Notice, NoticeBook, NoticeFile, NoticeKey, NoticeKind, NoticeText, digest};
use crate::law::{Fault, Faults, LawBook};
use crate::purpose_of_use::{PurposeBook, PurposeOfUse};
use crate::wording::is_language;

/// Collects what is wrong in one file.
struct Check<'a> {
    file: &'a str,
    law: &'a LawBook,
    purposes: &'a PurposeBook,
    faults: Vec<Fault>,
}

impl NoticeBook {
    /// Checks a file together with the purposes that its notices explain; `name` is its name in messages.
    ///
    /// # Errors
    /// Everything wrong in it, each with its place.
    pub fn check(
        name: &str,
        file: NoticeFile,
        law: &LawBook,
        purposes: &PurposeBook,
    ) -> Result<Self, Faults> {
        let mut check = Check {
            file: name,
            law,
            purposes,
            faults: Vec::new(),
        };
        let mut notices: BTreeMap<(NoticeKey, u32), Notice> = BTreeMap::new();
        for text in file.notices {
            check.notice(&text);
            let place = (text.notice.clone(), text.version);
            if notices.contains_key(&place) {
                check.fault(
                    &text,
                    "version",
                    "is listed twice; a changed text is a new version",
                );
            }
            notices.insert(place, build(text));
        }
        check.order(&notices);
        for purpose in purposes.iter() {
            check.explained(purpose, &notices);
        }
        if !check.faults.is_empty() {
            return Err(Faults(check.faults));
        }
        Ok(Self { notices })
    }
}

fn build(text: NoticeText) -> Notice {
    let (key, version) = (text.notice, text.version);
    let texts = text.texts.into_iter().map(|(language, text)| {
        let digest = digest(&key, version, &language, &text);
        (language, (text, digest))
    });
    Notice {
        texts: texts.collect(),
        version,
        kind: text.kind,
        published_from: text.published_from,
        purposes: text.purposes.into_iter().collect(),
        told_by: text.told_by.into_iter().collect(),
        key,
    }
}

impl Check<'_> {
    fn fault(&mut self, text: &NoticeText, place: &str, problem: impl Into<String>) {
        let at = format!("{} version {}", text.notice, text.version);
        self.fault_at(format!("{at}: {place}"), problem);
    }

    fn fault_at(&mut self, at: String, problem: impl Into<String>) {
        self.faults.push(Fault {
            file: self.file.to_owned(),
            rule: at,
            problem: problem.into(),
        });
    }

    fn notice(&mut self, text: &NoticeText) {
        if text.version == 0 {
            self.fault(text, "version", "is 0; versions count from 1");
        }
        if text.told_by.is_empty() {
            self.fault(
                text,
                "told_by",
                "is empty; say how it is told, e.g. `[web]`",
            );
        }
        for purpose in &text.purposes {
            if self.purposes.get(purpose).is_none() {
                self.fault(
                    text,
                    "purposes",
                    format!("no purpose is called `{purpose}`"),
                );
            }
        }
        self.texts(text);
        self.contents(text);
    }

    fn texts(&mut self, text: &NoticeText) {
        if text.texts.is_empty() {
            self.fault(text, "texts", "is empty; write it at least in one language");
        }
        for (language, words) in &text.texts {
            if !is_language(language) {
                self.fault(
                    text,
                    "texts",
                    format!("`{language}` is not a language; use a tag like `en`, `es` or `pt-BR`"),
                );
            }
            if words.title.trim().is_empty() || words.body.trim().is_empty() {
                self.fault(
                    text,
                    "texts",
                    format!("title or body is empty in `{language}`"),
                );
            }
        }
    }

    /// What the law wants in a notice of its kind.
    fn contents(&mut self, text: &NoticeText) {
        let Some(row) = text
            .kind
            .contents_row()
            .and_then(|key| self.law.message(key))
        else {
            return;
        };
        let present: Vec<&str> = text.contains.iter().map(String::as_str).collect();
        let missing = row.missing(&present).join("`, `");
        if !missing.is_empty() {
            let problem = format!(
                "lacks `{missing}`, which {} asks for; write it into the text and name it here",
                row.citation
            );
            self.fault(text, "contains", problem);
        }
    }

    /// A later version is published later.
    fn order(&mut self, notices: &BTreeMap<(NoticeKey, u32), Notice>) {
        let pairs = notices.values().zip(notices.values().skip(1));
        let wrong = pairs.filter(|(older, newer)| {
            older.key == newer.key && older.published_from >= newer.published_from
        });
        for (older, newer) in wrong {
            self.fault_at(
                format!("{} version {}: published_from", newer.key, newer.version),
                format!(
                    "must be later than that of version {}, {}",
                    older.version, older.published_from
                ),
            );
        }
    }

    /// The notice that a purpose rests on explains it, and whoever is asked by phone hears of the right to limit there (11 CCR 7014).
    fn explained(&mut self, purpose: &PurposeOfUse, notices: &BTreeMap<(NoticeKey, u32), Notice>) {
        if let Some(needed) = &purpose.notice {
            let versions = notices
                .range((needed.key.clone(), needed.from_version)..=(needed.key.clone(), u32::MAX));
            let mut explaining =
                versions.filter(|(_, notice)| notice.purposes.contains(&purpose.key));
            if explaining.next().is_none() {
                self.fault_at(
                    needed.key.to_string(),
                    format!(
                        "no version from {} explains the purpose `{}`, which rests on it",
                        needed.from_version, purpose.key
                    ),
                );
            }
        }
        if !purpose
            .uses
            .contains(&crate::purpose_of_use::UseKind::Sensitive)
        {
            return;
        }
        let told: BTreeSet<_> = notices
            .values()
            .filter(|notice| notice.kind == NoticeKind::RightToLimit)
            .flat_map(|notice| notice.told_by.iter().copied())
            .collect();
        for way in purpose.collected_by.difference(&told) {
            self.fault_at(
                format!("purpose {}: collected_by", purpose.key),
                format!(
                    "sensitive data is collected by `{}`, but no notice of the right to limit is told there (11 CCR 7014)",
                    way.as_str()
                ),
            );
        }
    }
}
