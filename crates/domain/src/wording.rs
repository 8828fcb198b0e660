//! One text in several languages: what a business writes about its purposes and notices, for whoever reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The language that stands in where a reader's own is missing.
const FALLBACK: &str = "en";

/// A text by language (BCP 47, e.g. `en`, `es`, `pt-BR`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wording(BTreeMap<String, String>);

impl Wording {
    /// The text in that language, else in its main language (`pt` for `pt-BR`), else in English, else in the first there is.
    pub fn in_language(&self, language: &str) -> &str {
        let main = language.split('-').next().unwrap_or(language);
        [language, main, FALLBACK]
            .iter()
            .find_map(|language| self.0.get(*language))
            .or_else(|| self.0.values().next())
            .map_or("", String::as_str)
    }

    /// The text in exactly that language.
    pub fn exactly(&self, language: &str) -> Option<&str> {
        self.0.get(language).map(String::as_str)
    }

    /// All languages that it is written in.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What is wrong with it, in words; nothing when it is whole.
    pub(crate) fn problems(&self) -> Vec<String> {
        if self.0.is_empty() {
            return vec!["has no text; write it at least in one language, as `en: ...`".to_owned()];
        }
        let empty = self.0.iter().filter(|(_, text)| text.trim().is_empty());
        let empty = empty.map(|(language, _)| format!("is empty in `{language}`"));
        let odd = self.languages().filter(|language| !is_language(language));
        let odd = odd.map(|word| {
            format!("`{word}` is not a language; use a tag like `en`, `es` or `pt-BR`")
        });
        empty.chain(odd).collect()
    }
}

impl<L: Into<String>, T: Into<String>, const N: usize> From<[(L, T); N]> for Wording {
    fn from(texts: [(L, T); N]) -> Self {
        let texts = texts
            .into_iter()
            .map(|(language, text)| (language.into(), text.into()));
        Self(texts.collect())
    }
}

/// Whether a text looks like a language tag: two or three letters, then parts of letters and digits.
pub(crate) fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let main = parts.next().unwrap_or_default();
    (2..=3).contains(&main.len())
        && main.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts.all(|part| {
            (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_the_nearest_language() {
        let wording = Wording::from([("en", "Offers"), ("pt", "Ofertas")]);
        assert_eq!(wording.in_language("pt-BR"), "Ofertas");
        assert_eq!(wording.in_language("fi"), "Offers");
        assert_eq!(
            Wording::from([("de", "Angebote")]).in_language("fi"),
            "Angebote"
        );
        assert_eq!(wording.exactly("pt-BR"), None);
    }

    #[test]
    fn an_empty_text_and_a_word_that_is_no_language_are_named() {
        let problems = Wording::from([("english", "Offers"), ("es", " ")]).problems();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("`es`") && problems[1].contains("`english`"));
        assert_eq!(Wording::default().problems().len(), 1);
    }
}
