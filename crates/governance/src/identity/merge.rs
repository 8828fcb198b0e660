//! An operator's word on who is who: two subjects are one, a merge was a mistake, two that look alike are two.
//!
//! Each is one transaction with its records: the subjects are held, then the log's end, so that imports and other operators come
//! before or after and never between; then everything that hangs together is resolved anew by the pure rules. No record of a source
//! changes, so that every merge can be taken apart again.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::audit::{Action, Actor, NewRecord};
use domain::id::{OperatorId, SubjectId};
use domain::identity::{
    Decided, History, IdentityEvent, Merge, MergeId, MergeReason, Review, ReviewId, ReviewState,
};
use domain::profile::Schema;
use domain::rng::new_id;
use enforcement::vault::IndexKeys;
use storage::identity::StoredEvent;
use storage::subject::StoredSubject;
use storage::{Tx, identity, subject};

use super::resolve::{Touched, settle};
use super::review::still_open;
use crate::{Privity, Problem};

/// Says that two subjects are one, and answers the merge, by which they can be taken apart again.
///
/// # Errors
/// 404 when one of them is not there; 409 when one was erased, or they are one already.
pub async fn merge(
    p: &Privity,
    one: SubjectId,
    other: SubjectId,
    operator: OperatorId,
) -> Result<MergeId, Problem> {
    let word = Word::of(p, operator, None)?;
    let write = move |tx: &mut Tx| word.merge(tx, one, other);
    Ok(p.write_silently("merge subjects", write).await?.0)
}

/// What is left when a merge was taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The two that it had made one.
    pub subjects: (SubjectId, SubjectId),
    /// Whether other merges still make them one; those are in her history, and stand until somebody takes them apart as well.
    pub still_one: bool,
}

/// Takes one merge apart, and no rule puts the two together again.
///
/// # Errors
/// 404 when there is no such merge; 409 when it was taken apart before.
pub async fn split(p: &Privity, merge: MergeId, operator: OperatorId) -> Result<Split, Problem> {
    let word = Word::of(p, operator, None)?;
    let write = move |tx: &mut Tx| word.split(tx, merge);
    Ok(p.write_silently("split merge", write).await?.0)
}

/// Says that two subjects are two, whatever they have in common. Saying it again changes nothing.
///
/// # Errors
/// 404 when one of them is not there; 409 when one was erased, or they are one by a merge that stands.
pub async fn keep_apart(
    p: &Privity,
    one: SubjectId,
    other: SubjectId,
    operator: OperatorId,
) -> Result<(), Problem> {
    let word = Word::of(p, operator, None)?;
    let write = move |tx: &mut Tx| word.keep_apart(tx, one, other);
    p.write_silently("keep subjects apart", write).await?;
    Ok(())
}

/// An operator's word, with everything that it takes to resolve what hangs on it.
pub(super) struct Word {
    p: Privity,
    schema: Arc<Schema>,
    keys: IndexKeys,
    operator: OperatorId,
    /// The question that it answers.
    review: Option<ReviewId>,
}

type Done<T> = Result<(T, Vec<NewRecord>), Problem>;

impl Word {
    pub(super) fn of(
        p: &Privity,
        operator: OperatorId,
        review: Option<ReviewId>,
    ) -> Result<Self, Problem> {
        let schema = p.needed_schema()?;
        Ok(Self {
            keys: p.keys().index_keys(&schema),
            p: p.clone(),
            schema,
            operator,
            review,
        })
    }

    pub(super) fn merge(&self, tx: &mut Tx, one: SubjectId, other: SubjectId) -> Done<MergeId> {
        let canonical = self.hold(tx, one, other)?;
        if canonical.0 == canonical.1 {
            return Err(Problem::conflict(
                "these two are one already; the history of either says by which merge",
            ));
        }
        let merge = Merge {
            id: new_id(self.p.rng(), self.p.now()),
            one: one.min(other),
            other: one.max(other),
            reason: MergeReason::Operator(self.operator),
        };
        let id = merge.id;
        self.answer(tx, canonical, ReviewState::Merged)?;
        let record = self.record(Action::SubjectsMerged, (one, other), Some(id));
        let records = self.add(tx, (one, other), IdentityEvent::Merged(merge), record)?;
        Ok((id, records))
    }

    pub(super) fn split(&self, tx: &mut Tx, id: MergeId) -> Done<Split> {
        let found = identity::merge(tx, id)?;
        let (merge, _) = found.ok_or_else(|| Problem::not_found("merge"))?;
        let subjects = (merge.one, merge.other);
        self.hold(tx, merge.one, merge.other)?;
        // Read again, now that nobody else can take it apart.
        if !identity::merge(tx, id)?.is_some_and(|(_, stands)| stands) {
            return Err(Problem::conflict("this merge was taken apart before"));
        }
        let event = IdentityEvent::Split {
            merge: id,
            by: Decided::Operator(self.operator),
        };
        let record = self.record(Action::MergeSplit, subjects, Some(id));
        let before = stored(tx, subjects)?.0.stands_for();
        let records = self.add(tx, subjects, event, record)?;
        let now = stored(tx, subjects)?;
        let apart = [now.0.stands_for(), now.1.stands_for()].into_iter();
        let apart = apart.filter(|subject| *subject != before).collect();
        // What went out while they were one was about each of them.
        storage::ledger::copy(tx, before, &apart)?;
        let still_one = now.0.stands_for() == now.1.stands_for();
        let split = Split {
            subjects,
            still_one,
        };
        Ok((split, records))
    }

    pub(super) fn keep_apart(&self, tx: &mut Tx, one: SubjectId, other: SubjectId) -> Done<()> {
        let canonical = self.hold(tx, one, other)?;
        if canonical.0 == canonical.1 {
            return Err(Problem::conflict(
                "these two are one now; take the merge that made them one apart, and they stay apart",
            ));
        }
        self.answer(tx, canonical, ReviewState::KeptApart)?;
        let history = identity::events_of(tx, &[one].into())?;
        let history = History::of(history.into_iter().map(|stored| stored.event));
        let history = history.map_err(|error| Problem::internal("reading who is who", &error))?;
        if history
            .kept_apart()
            .contains(&(one.min(other), one.max(other)))
        {
            return Ok(((), Vec::new()));
        }
        let event = IdentityEvent::KeptApart {
            one: one.min(other),
            other: one.max(other),
            by: self.operator,
        };
        let record = self.record(Action::KeptApart, (one, other), None);
        Ok(((), self.add(tx, (one, other), event, record)?))
    }

    /// Holds two subjects, and then the log: the order in which imports do. Answers who stands for each.
    fn hold(
        &self,
        tx: &mut Tx,
        one: SubjectId,
        other: SubjectId,
    ) -> Result<(SubjectId, SubjectId), Problem> {
        if one == other {
            return Err(Problem::invalid("other", "name two different subjects"));
        }
        let alive = subject::hold(tx, &[one, other].into())?;
        storage::audit::hold(tx, &self.p.log_name())?;
        // Only now nobody else can answer it.
        if let Some(review) = self.review {
            still_open(tx, review)?;
        }
        let now = stored(tx, (one, other))?;
        if alive.len() < 2 {
            return Err(Problem::conflict(
                "one of these subjects was erased; nothing of hers is left that could be anybody’s",
            ));
        }
        Ok((now.0.stands_for(), now.1.stands_for()))
    }

    /// Answers every open question about these two, whichever of their records it names.
    fn answer(
        &self,
        tx: &mut Tx,
        canonical: (SubjectId, SubjectId),
        state: ReviewState,
    ) -> Result<(), Problem> {
        let members = subject::members(tx, &[canonical.0, canonical.1].into())?;
        let whose = |id: SubjectId| {
            let member = members.iter().find(|member| member.id == id);
            member.map(StoredSubject::stands_for)
        };
        let ids: BTreeSet<_> = members.iter().map(|member| member.id).collect();
        let open = identity::open_reviews_between(tx, &ids)?;
        let of_both = open.iter().filter(|review| {
            let other = review.other.and_then(whose);
            other.is_some() && whose(review.one) != other
        });
        let answered: Vec<_> = of_both.map(|review| review.id).collect();
        identity::close_reviews(tx, &answered, state, Some((self.operator, self.p.now())))?;
        Ok(())
    }

    fn record(
        &self,
        action: Action,
        subjects: (SubjectId, SubjectId),
        merge: Option<MergeId>,
    ) -> NewRecord {
        let (one, other) = (subjects.0.min(subjects.1), subjects.0.max(subjects.1));
        NewRecord::new(self.p.now(), Actor::Operator(self.operator), action)
            .with("merge", merge.map(|id| id.to_string()))
            .with("one", one.to_string())
            .with("other", other.to_string())
            .with("review", self.review.map(|id| id.to_string()))
    }

    /// The record of a question that was looked at and left as it is.
    pub(super) fn seen(&self, review: &Review) -> NewRecord {
        NewRecord::new(
            self.p.now(),
            Actor::Operator(self.operator),
            Action::IdentityReviewed,
        )
        .with("review", review.id.to_string())
        .with("kind", review.kind.text())
        .with("one", review.one.to_string())
        .with("other", review.other.map(|id| id.to_string()))
    }

    /// Adds an event and resolves what hangs on it.
    fn add(
        &self,
        tx: &mut Tx,
        subjects: (SubjectId, SubjectId),
        event: IdentityEvent,
        record: NewRecord,
    ) -> Result<Vec<NewRecord>, Problem> {
        let now = self.p.now();
        let stored = StoredEvent {
            id: new_id(self.p.rng(), now),
            subjects: (subjects.0.min(subjects.1), subjects.0.max(subjects.1)),
            event,
            at: now,
        };
        identity::insert_events(tx, &[stored])?;
        let touched = Touched {
            subjects: [subjects.0, subjects.1].into(),
            ..Touched::default()
        };
        let mut records = vec![record];
        records.extend(settle(&self.p, tx, &self.schema, &self.keys, touched)?);
        Ok(records)
    }
}

fn stored(
    tx: &mut Tx,
    subjects: (SubjectId, SubjectId),
) -> Result<(StoredSubject, StoredSubject), Problem> {
    let found = subject::get_many(tx, &[subjects.0, subjects.1].into())?;
    let one = |id: SubjectId| {
        let found = found.iter().find(|subject| subject.id == id);
        found.cloned().ok_or_else(|| Problem::not_found("subject"))
    };
    Ok((one(subjects.0)?, one(subjects.1)?))
}
