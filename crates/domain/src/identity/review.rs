//! What the rules leave to an operator: possible matches, links that were not made, identifiers that too many have.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data_map::IdentifierKind;
use crate::id::{Id, Noun, OperatorId, SubjectId};

/// One question to an operator.
#[derive(Clone, Copy, Debug)]
pub struct ReviewNoun;
impl Noun for ReviewNoun {
    const PREFIX: &'static str = "rvw";
}
/// Id of a question to an operator.
pub type ReviewId = Id<ReviewNoun>;

/// A question about who is who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// What is asked.
    pub kind: ReviewKind,
    /// One subject.
    pub one: SubjectId,
    /// The other, where it is about two.
    pub other: Option<SubjectId>,
    /// The kind of identifier that it is about.
    pub identifier: Option<IdentifierKind>,
    /// Whether it is answered.
    pub state: ReviewState,
    /// Who answered, and when.
    pub decided: Option<(OperatorId, Timestamp)>,
    /// When it came up.
    pub created_at: Timestamp,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewKind {
    /// Two subjects have the same name, birth date and address: are they one?
    PossibleMatch,
    /// Two records share an identifier and differ in one of which nobody has two: are they one?
    Conflict,
    /// A subject has two different identifiers of a kind of which nobody has two: is she one?
    Contested,
    /// Too many have this subject's identifier for it to link anybody: whose is it?
    Everybodys,
}

/// Whether a question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Not yet.
    Open,
    /// An operator merged the two.
    Merged,
    /// An operator keeps them apart.
    KeptApart,
    /// An operator saw it and leaves it as it is.
    Seen,
    /// It answered itself: the two became one by rule, or what was asked about is not so any more.
    Settled,
}

impl ReviewKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::PossibleMatch,
        Self::Conflict,
        Self::Contested,
        Self::Everybodys,
    ];

    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::PossibleMatch => "possible_match",
            Self::Conflict => "conflict",
            Self::Contested => "contested",
            Self::Everybodys => "everybodys",
        }
    }

    /// The kind with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.text() == text)
    }
}

impl ReviewState {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Merged,
        Self::KeptApart,
        Self::Seen,
        Self::Settled,
    ];

    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Merged => "merged",
            Self::KeptApart => "kept_apart",
            Self::Seen => "seen",
            Self::Settled => "settled",
        }
    }

    /// The state with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.text() == text)
    }
}
