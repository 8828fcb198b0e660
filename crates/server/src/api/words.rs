//! The words of the domain in the API's description: taken from the domain's own lists, so that they can't differ from what is answered.

use std::borrow::Cow;
use std::marker::PhantomData;

use domain::identity::{ReviewKind, ReviewState};
use domain::outreach::{Answer, OutreachAction};
use domain::privacy_request::{IntakeChannel, RequestKind, RequestState, Waiting};
use domain::recipient::{ChannelKind, VerificationLevel};
use domain::task::{TaskKind, TaskState};
use governance::identity::{Decision, EventKind};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

pub(super) type KindWord = OneOf<RequestKind>;
pub(super) type StateWord = OneOf<RequestState>;
pub(super) type WaitingWord = OneOf<Waiting>;
pub(super) type IntakeChannelWord = OneOf<IntakeChannel>;
pub(super) type TaskKindWord = OneOf<TaskKind>;
pub(super) type TaskStateWord = OneOf<TaskState>;
pub(super) type ChannelWord = OneOf<ChannelKind>;
pub(super) type OutreachActionWord = OneOf<OutreachAction>;
pub(super) type LevelWord = OneOf<VerificationLevel>;
pub(super) type AnswerWord = OneOf<Answer>;
pub(super) type ReviewKindWord = OneOf<ReviewKind>;
pub(super) type ReviewStateWord = OneOf<ReviewState>;
pub(super) type DecisionWord = OneOf<Decision>;
pub(super) type EventKindWord = OneOf<EventKind>;

/// A text that is one of the words of `W`. Stands in the description only.
pub(super) struct OneOf<W>(PhantomData<W>);

/// Something of the domain with a fixed set of text forms.
pub(super) trait Words {
    /// Its name in the description.
    const NAME: &'static str;
    /// What it says.
    const MEANING: &'static str;
    /// All text forms.
    fn all() -> Vec<&'static str>;
}

impl<W: Words> PartialSchema for OneOf<W> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(W::MEANING))
            .enum_values(Some(W::all()))
            .into()
    }
}

impl<W: Words> ToSchema for OneOf<W> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(W::NAME)
    }
}

impl Words for RequestKind {
    const NAME: &'static str = "Kind";
    const MEANING: &'static str = "The right that is exercised: which categories of data, sources, purposes and recipients; a copy of the data itself; forget me; stop selling and sharing.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::as_str).to_vec()
    }
}

impl Words for RequestState {
    const NAME: &'static str = "State";
    const MEANING: &'static str =
        "Where a privacy request stands. The last five are the end of it.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::as_str).to_vec()
    }
}

impl Words for Waiting {
    const NAME: &'static str = "Waiting";
    const MEANING: &'static str = "What a privacy request waits for.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::as_str).to_vec()
    }
}

impl Words for IntakeChannel {
    const NAME: &'static str = "IntakeChannel";
    const MEANING: &'static str = "How a privacy request came in.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::as_str).to_vec()
    }
}

impl Words for TaskKind {
    const NAME: &'static str = "TaskKind";
    const MEANING: &'static str = "What a task does.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::as_str).to_vec()
    }
}

impl Words for TaskState {
    const NAME: &'static str = "TaskState";
    const MEANING: &'static str = "Where a task stands; a stuck one needs an operator.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::as_str).to_vec()
    }
}

impl Words for ChannelKind {
    const NAME: &'static str = "Channel";
    const MEANING: &'static str = "How a recipient is told.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::as_str).to_vec()
    }
}

impl Words for OutreachAction {
    const NAME: &'static str = "OutreachAction";
    const MEANING: &'static str = "What a recipient is to do.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::as_str).to_vec()
    }
}

impl Words for VerificationLevel {
    const NAME: &'static str = "VerificationLevel";
    const MEANING: &'static str =
        "How far an outreach is proven, the weakest first. Sent is never done.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::as_str).to_vec()
    }
}

impl Words for Answer {
    const NAME: &'static str = "Answer";
    const MEANING: &'static str = "What a recipient answered.";
    fn all() -> Vec<&'static str> {
        Self::WORDS.to_vec()
    }
}

impl Words for ReviewKind {
    const NAME: &'static str = "IdentityReviewKind";
    const MEANING: &'static str = "What an operator is asked: whether two who have the same name, birth date and address are one; whether two who share an identifier and differ in one of which nobody has two are one; whether one who has two of those is one; whose an identifier is that too many have.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::text).to_vec()
    }
}

impl Words for ReviewState {
    const NAME: &'static str = "IdentityReviewState";
    const MEANING: &'static str = "Whether it is answered, and how.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::text).to_vec()
    }
}

impl Words for Decision {
    const NAME: &'static str = "IdentityDecision";
    const MEANING: &'static str = "The two are one; the two are two; it may stay as it is.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::text).to_vec()
    }
}

impl Words for EventKind {
    const NAME: &'static str = "IdentityEventKind";
    const MEANING: &'static str =
        "What happened: two became one, a merge was taken apart, two are kept apart.";
    fn all() -> Vec<&'static str> {
        Self::ALL.map(Self::text).to_vec()
    }
}
