//! A law and its rights: what a person may ask for, how sure the business must be of who asks, and where dates are read.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Citation, Confidence, DueError, Received, Row, normal};

/// How sure the business must be of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// Asking for proof of identity is forbidden.
    Forbidden,
    /// To a reasonable degree of certainty.
    Reasonable,
    /// Reasonable or reasonably high, by the sensitivity of the data and the harm of a mistake.
    ReasonableOrHigh,
    /// To a reasonably high degree of certainty.
    ReasonablyHigh,
}

impl Verification {
    /// The word used in the files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Reasonable => "reasonable",
            Self::ReasonableOrHigh => "reasonable_or_high",
            Self::ReasonablyHigh => "reasonably_high",
        }
    }

    /// Whether identity may be asked for at all.
    pub const fn is_allowed(self) -> bool {
        !matches!(self, Self::Forbidden)
    }
}

/// One right under one law.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// Its key, e.g. `know_specific`.
    pub right: String,
    /// Plain words.
    pub title: String,
    /// Other names under which it is found, such as another law's key for the same wish.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// How sure the business must be of who asks.
    pub verification: Verification,
    /// Where it stands.
    #[serde(default)]
    pub citation: String,
    /// How far it was checked.
    pub confidence: Confidence,
    /// Keys of `sources.yaml`.
    #[serde(default)]
    pub source: Option<String>,
}

/// One law: its rights and its rows.
#[derive(Clone, Debug)]
pub struct Law {
    /// Its key, e.g. `ccpa`.
    pub key: String,
    /// Other names under which it is found.
    pub aliases: Vec<String>,
    /// Its name.
    pub title: String,
    /// Where it stands.
    pub citation: String,
    /// Whose law it is, e.g. `US-CA`.
    pub jurisdiction: String,
    /// The file it comes from.
    pub file: String,
    /// Its rights.
    pub rights: Vec<Right>,
    /// Its rows.
    pub rows: Vec<Row>,
    pub(super) time_zone: TimeZone,
    pub(super) calendar: String,
}

impl Law {
    /// A right by key or alias, in any case; `-` reads as `_`.
    ///
    /// # Errors
    /// The law has no such right; the error lists all.
    pub fn right(&self, name: &str) -> Result<&Right, DueError> {
        let key = normal(name);
        let exact = self.rights.iter().find(|right| right.right == key);
        let found = exact.or_else(|| {
            self.rights
                .iter()
                .find(|right| right.aliases.contains(&key))
        });
        let known = || {
            self.rights
                .iter()
                .map(|right| right.right.clone())
                .collect()
        };
        found.ok_or_else(|| DueError::UnknownRight {
            law: self.key.clone(),
            right: name.to_owned(),
            known: known(),
        })
    }

    /// The local date of receipt in the law's jurisdiction (facts T13).
    pub fn receipt_date(&self, received: &Received) -> Date {
        match received {
            Received::Date(date) => *date,
            Received::At(moment) => moment.to_zoned(self.time_zone.clone()).date(),
        }
    }

    /// The law's time zone, e.g. `America/Los_Angeles`.
    pub fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// The calendar that its business days use.
    pub fn calendar(&self) -> &str {
        &self.calendar
    }

    /// The rows that count from receipt of a privacy request for that right.
    pub(super) fn rows_of(&self, right: &Right) -> impl Iterator<Item = &Row> {
        let rows = self.rows.iter().filter(|row| row.is_counted_from_receipt());
        rows.filter(|row| row.text.rights.contains(&right.right))
    }

    /// A right that has rows, of which none holds on that day, gives an error instead of silence.
    pub(super) fn check_without_clock(
        &self,
        right: &Right,
        on: Date,
        from: Option<Date>,
    ) -> Result<(), DueError> {
        let has_clock = self.rows_of(right).any(|row| !row.is_valid_on(on));
        if !has_clock {
            return Ok(());
        }
        Err(DueError::NotInForce {
            law: self.key.clone(),
            name: right.right.clone(),
            on,
            from,
        })
    }
}

impl Right {
    pub(super) fn as_citation(&self) -> Citation {
        Citation {
            rule: self.right.clone(),
            clock: "right".to_owned(),
            citation: self.citation.clone(),
            confidence: self.confidence,
            source: self.source.clone(),
        }
    }
}
