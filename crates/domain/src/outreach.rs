//! Outreach: telling one recipient about one privacy request, and what it answered. Its answers are evidence, not trust.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data_map::RecipientKey;
use crate::id::{OutreachId, RequestId};
use crate::recipient::{ChannelKind, VerificationLevel};

/// One recipient told about one privacy request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outreach {
    /// Its id.
    pub id: OutreachId,
    /// The privacy request.
    pub request: RequestId,
    /// Who is told.
    pub recipient: RecipientKey,
    /// How.
    pub channel: ChannelKind,
    /// What it is to do.
    pub action: OutreachAction,
    /// How far it is proven.
    pub level: VerificationLevel,
    /// What it answered.
    pub answer: Option<Answer>,
    /// The id under which the recipient knows it (an OpenDSR `subject_request_id`).
    pub external_id: Option<String>,
    /// Reminders sent so far.
    pub reminders: u16,
    /// When the next reminder or escalation is due.
    pub next_reminder_at: Option<Timestamp>,
    /// When it first went out.
    pub sent_at: Option<Timestamp>,
    /// When the answer came.
    pub answered_at: Option<Timestamp>,
    /// Whether an operator has been called because nothing came.
    pub escalated: bool,
    /// Why the last attempt failed, in words for the operator.
    pub last_error: Option<String>,
}

impl Outreach {
    /// Whether it is proven as far as `required` asks, with an outcome that ends the matter.
    pub fn is_settled(&self, required: VerificationLevel) -> bool {
        match self.answer {
            // Whoever keeps data for a reason must at least have said so in a person's name.
            Some(Answer::Exception { .. }) => {
                self.level >= required.min(VerificationLevel::Attested)
            }
            Some(Answer::Done | Answer::NotFound) => self.level >= required,
            // A channel that can prove no more than delivery has no answer to give.
            None => required <= VerificationLevel::Acknowledged && self.level >= required,
        }
    }
}

/// What a recipient is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutreachAction {
    /// Erase what it holds about the subject, and pass it on.
    Delete,
    /// Stop selling and sharing, and pass it on.
    OptOut,
}

impl OutreachAction {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Delete, Self::OptOut];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::OptOut => "opt_out",
        }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// What a recipient answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It did what was asked.
    Done,
    /// It holds nothing about the subject.
    NotFound,
    /// It keeps something, for a reason of law/reasons.yaml.
    Exception {
        /// The reason's code.
        reason: String,
    },
}

impl Answer {
    /// The text forms of all kinds of answers.
    pub const WORDS: [&'static str; 3] = ["done", "not_found", "exception"];

    /// The text form of the kind of answer.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotFound => "not_found",
            Self::Exception { .. } => "exception",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_answer_has_its_word_in_the_list() {
        let exception = Answer::Exception {
            reason: String::new(),
        };
        let words = [Answer::Done, Answer::NotFound, exception].map(|answer| answer.as_str());
        assert_eq!(words, Answer::WORDS);
    }
}
