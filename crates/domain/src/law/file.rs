//! The law files as read, before anything in them is checked, and what may be wrong with them.

use std::fmt;

use serde::Deserialize;

use super::{
    CalendarFile, CategoryFile, MessageFile, ReasonFile, RegulatorFile, Right, RowText, SourceFile,
};

/// One file of a jurisdiction's laws.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JurisdictionFile {
    /// Whose laws these are, e.g. `US-CA`.
    pub jurisdiction: String,
    /// Where its local dates are read, e.g. `America/Los_Angeles`.
    pub time_zone: String,
    /// Its laws.
    pub laws: Vec<LawText>,
}

/// One law as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LawText {
    /// Its key.
    pub law: String,
    /// Other names for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Its name.
    pub title: String,
    /// Where it stands.
    #[serde(default)]
    pub citation: String,
    /// Calendar of its business days.
    pub calendar: String,
    /// Its rights.
    #[serde(default)]
    pub rights: Vec<Right>,
    /// Its rows.
    #[serde(default)]
    pub rows: Vec<RowText>,
}

/// All files as read, each with its name for the error messages.
#[derive(Clone, Debug, Default)]
pub struct LawParts {
    /// The laws, one file a jurisdiction.
    pub jurisdictions: Vec<(String, JurisdictionFile)>,
    /// `calendars.yaml`.
    pub calendars: Option<(String, CalendarFile)>,
    /// `categories.yaml`.
    pub categories: Option<(String, CategoryFile)>,
    /// `reasons.yaml`.
    pub reasons: Option<(String, ReasonFile)>,
    /// `messages.yaml`.
    pub messages: Option<(String, MessageFile)>,
    /// `regulators.yaml`.
    pub regulators: Option<(String, RegulatorFile)>,
    /// `sources.yaml`.
    pub sources: Option<(String, SourceFile)>,
}

/// One thing wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file's name.
    pub file: String,
    /// The rule, law, right, calendar, category, reason or message it is in; empty for the file as a whole.
    pub rule: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rule.is_empty() {
            return write!(f, "{}: {}", self.file, self.problem);
        }
        write!(f, "{}: `{}`: {}", self.file, self.rule, self.problem)
    }
}

/// Everything wrong in the law files; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Faults(pub Vec<Fault>);
