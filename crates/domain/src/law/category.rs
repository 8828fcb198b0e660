//! Data categories: what a taxonomy key means to a reader, to Civ. Code 1798.140 and to the list of what is never disclosed.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::row::Confidence;

/// The file `categories.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryFile {
    /// Letter of Civ. Code 1798.140(v)(1) to its words.
    pub ccpa_categories: BTreeMap<String, CategoryTerm>,
    /// Key of sensitive personal information, Civ. Code 1798.140(ae), to its words.
    pub sensitive_categories: BTreeMap<String, CategoryTerm>,
    /// All data categories.
    pub categories: Vec<Category>,
}

/// A term of the statute.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryTerm {
    /// The words that a notice uses.
    pub title: String,
    /// Where it stands.
    #[serde(default)]
    pub citation: String,
    /// How far it was checked.
    pub confidence: Confidence,
    /// Keys of `sources.yaml`.
    #[serde(default)]
    pub source: Option<String>,
    /// First day on which the term holds, when it was added later.
    #[serde(default)]
    pub valid_from: Option<Date>,
}

/// One data category.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Taxonomy key, e.g. `user.contact.email`.
    pub category: String,
    /// Plain words for a subject or operator.
    pub title: String,
    /// Letters of the CCPA's categories, A to L; empty for what is not personal information.
    #[serde(default)]
    pub ccpa: Vec<String>,
    /// Key of the CCPA's sensitive personal information.
    #[serde(default)]
    pub sensitive: Option<String>,
    /// Set when the value must never be disclosed, only described.
    #[serde(default)]
    pub never_disclose: Option<NeverDisclose>,
}

/// Why a value is described and not shown.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NeverDisclose {
    /// Where it stands.
    #[serde(default)]
    pub citation: String,
    /// How far it was checked.
    pub confidence: Confidence,
    /// Keys of `sources.yaml`.
    #[serde(default)]
    pub source: Option<String>,
}

/// The nearest of `key` and its parents (`user.contact.email`, `user.contact`, `user`) that `find` knows.
pub(super) fn nearest<'a, T>(key: &'a str, find: impl Fn(&'a str) -> Option<T>) -> Option<T> {
    let mut rest = key;
    loop {
        if let Some(found) = find(rest) {
            return Some(found);
        }
        rest = rest.rsplit_once('.')?.0;
    }
}
