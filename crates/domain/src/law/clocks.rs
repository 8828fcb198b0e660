//! The clocks of one privacy request under one law: when it arrived, by when what is due, and the rows that say so.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::row::Confidence;

/// When a privacy request arrived. A moment becomes a date in the jurisdiction's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The local date of receipt is known.
    Date(Date),
    /// The moment of receipt is known.
    At(Timestamp),
}

/// Neither a date nor a moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a time of receipt; write a date like `2026-11-02`, or a moment with its offset like `2026-11-02T23:50:00-08:00`"
)]
pub struct InvalidReceived(String);

impl std::str::FromStr for Received {
    type Err = InvalidReceived;

    fn from_str(text: &str) -> Result<Self, InvalidReceived> {
        let text = text.trim();
        // A date is exactly ten characters; jiff would also read a date out of a moment without an offset, whose day is then a guess.
        if text.len() == 10 {
            return text
                .parse()
                .map(Self::Date)
                .map_err(|_| InvalidReceived(text.to_owned()));
        }
        text.parse()
            .map(Self::At)
            .map_err(|_| InvalidReceived(text.to_owned()))
    }
}

/// One row that a date rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// The row's id.
    pub rule: String,
    /// Which clock it gave.
    pub clock: String,
    /// Statute or regulation.
    pub citation: String,
    /// How far the row was checked.
    pub confidence: Confidence,
    /// Keys of `law/sources.yaml`.
    pub source: Option<String>,
}

/// All dates of one right under one law. Every date is the last permitted day, except `no_reask_before`, the first permitted one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// The law's key.
    pub law: String,
    /// The right's key in that law.
    pub right: String,
    /// Local date of receipt, day 0 of every count.
    pub received_on: Date,
    /// Receipt must be confirmed by then.
    pub ack_by: Option<Date>,
    /// The answer must be given by then.
    pub respond_by: Option<Date>,
    /// The answer must be given by then even if the time was extended; none where the law knows no extension.
    pub max_with_extension: Option<Date>,
    /// The house's own target before the law's date.
    pub internal_target: Option<Date>,
    /// The subject must not be asked to change the choice before then.
    pub no_reask_before: Option<Date>,
    /// When the time was extended, if it was.
    #[serde(default)]
    pub extended_on: Option<Date>,
    /// What the dates rest on.
    pub rows: Vec<Citation>,
}

/// An extension that the law doesn't allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtensionError {
    /// The right has no extension.
    #[error("`{law}` gives no extension for `{right}`")]
    NoExtension {
        /// The law's key.
        law: String,
        /// The right's key.
        right: String,
    },
    /// It was extended before; every law here allows it once.
    #[error("the time was already extended on {0}; it can be extended once")]
    AlreadyExtended(Date),
    /// The notice came after the first period.
    #[error(
        "an extension told on {on} is too late: it had to be told by {respond_by}, so the privacy request is overdue"
    )]
    TooLate {
        /// Day of the notice.
        on: Date,
        /// Last day of the first period.
        respond_by: Date,
    },
    /// The notice is dated before the privacy request.
    #[error("an extension told on {on} lies before the receipt on {received_on}")]
    BeforeReceipt {
        /// Day of the notice.
        on: Date,
        /// Day of receipt.
        received_on: Date,
    },
}

impl Clocks {
    pub(super) fn started(law: &str, right: &str, received_on: Date) -> Self {
        Self {
            law: law.to_owned(),
            right: right.to_owned(),
            received_on,
            ack_by: None,
            respond_by: None,
            max_with_extension: None,
            internal_target: None,
            no_reask_before: None,
            extended_on: None,
            rows: Vec::new(),
        }
    }

    /// The place of a clock that every privacy request may have; none for the clocks of single duties.
    pub(super) fn place(&mut self, clock: &str) -> Option<&mut Option<Date>> {
        Some(match clock {
            "ack_by" => &mut self.ack_by,
            "respond_by" => &mut self.respond_by,
            "max_with_extension" => &mut self.max_with_extension,
            "internal_target" => &mut self.internal_target,
            "no_reask_before" => &mut self.no_reask_before,
            _ => return None,
        })
    }

    /// The weakest mark among the rows behind the dates.
    pub fn confidence(&self) -> Confidence {
        self.rows
            .iter()
            .map(|row| row.confidence)
            .max()
            .unwrap_or(Confidence::MemoryUncertain)
    }

    /// The same clocks with the time extended by a notice told to the subject on `on`.
    ///
    /// The new date counts from receipt, never from the notice (facts T6), and the notice must lie within the first period (T7).
    ///
    /// # Errors
    /// The right has no extension, it was used already, or the notice is late or too early.
    pub fn extend(&self, on: Date) -> Result<Self, ExtensionError> {
        if let Some(earlier) = self.extended_on {
            return Err(ExtensionError::AlreadyExtended(earlier));
        }
        let (Some(respond_by), Some(max)) = (self.respond_by, self.max_with_extension) else {
            return Err(ExtensionError::NoExtension {
                law: self.law.clone(),
                right: self.right.clone(),
            });
        };
        if on < self.received_on {
            return Err(ExtensionError::BeforeReceipt {
                on,
                received_on: self.received_on,
            });
        }
        if on > respond_by {
            return Err(ExtensionError::TooLate { on, respond_by });
        }
        // The target belonged to the first period; without it the new date alone counts.
        Ok(Self {
            respond_by: Some(max),
            extended_on: Some(on),
            internal_target: None,
            ..self.clone()
        })
    }
}

/// Which clocks govern a subject whom several laws protect: those that end first (facts T21); of equals the first.
pub fn earliest(clocks: &[Clocks]) -> Option<&Clocks> {
    clocks
        .iter()
        .filter(|clock| clock.respond_by.is_some())
        .min_by_key(|clock| clock.respond_by)
}
