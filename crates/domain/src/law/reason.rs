//! Why something is kept or refused, with its citation (Civ. Code 1798.105(d) and others), and where rows were checked.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::row::Confidence;

/// The file `reasons.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonFile {
    /// All reasons.
    pub reasons: Vec<Reason>,
}

/// What a reason is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// Data may be kept although the subject asked for deletion (D1 to D8).
    DeletionException,
    /// The right doesn't reach the data (X1 to X9).
    OutOfReach,
    /// The privacy request, or a part of it, is denied.
    Denial,
    /// A column of the yearly metrics.
    MetricsBucket,
}

/// One reason code.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The code, e.g. `D8_legal_obligation`.
    pub reason: String,
    /// What it is for.
    pub kind: ReasonKind,
    /// Plain words for a subject.
    pub title: String,
    /// For a denial: which bucket of the yearly metrics it counts in.
    #[serde(default)]
    pub bucket: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub citation: String,
    /// How far it was checked.
    pub confidence: Confidence,
    /// Keys of `sources.yaml`.
    #[serde(default)]
    pub source: Option<String>,
    /// When somebody last looked at it.
    pub reviewed_on: Date,
}

/// The file `sources.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Everything that a row may name as its source.
    pub sources: Vec<Source>,
}

/// Where a row was checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its key, e.g. `S1`.
    pub source: String,
    /// What it is.
    pub title: String,
    /// `primary`, `primary_page`, `paraphrase`, `quotes` or `secondary`.
    pub nature: String,
}
