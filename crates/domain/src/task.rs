//! Tasks: durable steps of work, leased, idempotent, retried; a task that can't go on is stuck and calls an operator.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{RequestId, TaskId};

/// A durable step of work on one privacy request. There is at most one task of a kind, request and target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What is to be done.
    pub kind: TaskKind,
    /// For which privacy request.
    pub request: RequestId,
    /// What it is done to: the key of a system, the id of an outreach, or empty.
    pub target: String,
    /// Where it stands.
    pub state: TaskState,
    /// Not before.
    pub run_at: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// Why it is stuck or was last retried, in words for the operator; never holds values.
    pub error: Option<String>,
    /// For a task of a person: by when.
    pub due: Option<jiff::civil::Date>,
}

/// What a task does; each kind is a step of the way of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Mail a verification code.
    SendCode,
    /// Confirm receipt to the subject (11 CCR 7021(a)).
    Acknowledge,
    /// Search all systems and make the plan.
    Plan,
    /// Assemble the access package.
    MakePackage,
    /// Erase in one system (target).
    Erase,
    /// An operator does it by hand in one system (target) and attaches evidence.
    ManualWork,
    /// Stop sales and sharing.
    OptOut,
    /// Re-read every planned collection.
    Confirm,
    /// Tell one recipient (target: outreach id).
    SendOutreach,
    /// Ask a recipient's system how far it is (target: outreach id).
    PollOutreach,
    /// Remind a recipient or call an operator (target: outreach id).
    Remind,
    /// Tell the subject and close.
    Close,
    /// Remove an access package whose link has ended.
    RemovePackage,
}

impl TaskKind {
    /// All kinds, in the order in which a worker looks for them.
    pub const ALL: [Self; 13] = [
        Self::SendCode,
        Self::OptOut,
        Self::Acknowledge,
        Self::Plan,
        Self::MakePackage,
        Self::Erase,
        Self::Confirm,
        Self::SendOutreach,
        Self::PollOutreach,
        Self::Remind,
        Self::Close,
        Self::RemovePackage,
        Self::ManualWork,
    ];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendCode => "send_code",
            Self::Acknowledge => "acknowledge",
            Self::Plan => "plan",
            Self::MakePackage => "make_package",
            Self::Erase => "erase",
            Self::ManualWork => "manual_work",
            Self::OptOut => "opt_out",
            Self::Confirm => "confirm",
            Self::SendOutreach => "send_outreach",
            Self::PollOutreach => "poll_outreach",
            Self::Remind => "remind",
            Self::Close => "close",
            Self::RemovePackage => "remove_package",
        }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waits for a worker (or, for work by hand, for an operator).
    Ready,
    /// A worker has it for now.
    Leased,
    /// Done.
    Done,
    /// Can't go on without an operator.
    Stuck,
}

impl TaskState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Leased, Self::Done, Self::Stuck];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Stuck => "stuck",
        }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}
