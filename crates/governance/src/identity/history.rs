//! The history of a subject: her records, by what they became one, and what was taken apart.

use std::collections::BTreeSet;

use domain::data_map::IdentifierKind;
use domain::id::{OperatorId, SubjectId};
use domain::identity::{Decided, IdentityEvent, MergeId, MergeReason};
use jiff::Timestamp;
use storage::identity::StoredEvent;
use storage::operator::Operator;
use storage::{identity, operator, subject};

use crate::{Privity, Problem};

/// Everything that is known of who a subject is; no value of hers.
#[derive(Clone, Debug)]
pub struct SubjectHistory {
    /// The record that stands for her.
    pub canonical: SubjectId,
    /// Her records, the oldest first.
    pub records: Vec<MemberLine>,
    /// What happened, the oldest first.
    pub events: Vec<EventLine>,
}

/// One record of a subject.
#[derive(Clone, Debug)]
pub struct MemberLine {
    /// Its id.
    pub id: SubjectId,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was erased.
    pub erased_at: Option<Timestamp>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct EventLine {
    /// What.
    pub kind: EventKind,
    /// Which merge; `None` when two are kept apart.
    pub merge: Option<MergeId>,
    /// One record.
    pub one: SubjectId,
    /// The other.
    pub other: SubjectId,
    /// Why, or by whom.
    pub by: DecidedBy,
    /// When.
    pub at: Timestamp,
    /// Whether it is a merge that stands.
    pub stands: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Two became one.
    Merged,
    /// A merge was taken apart.
    Split,
    /// Two are kept apart.
    KeptApart,
}

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecidedBy {
    /// An operator, with the name that we have for her.
    Operator(OperatorId, Option<String>),
    /// The rules: both have a verified identifier of this kind.
    Identifier(IdentifierKind),
    /// The rules: too many have the identifier behind it.
    Rule,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Merged, Self::Split, Self::KeptApart];

    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Merged => "merged",
            Self::Split => "split",
            Self::KeptApart => "kept_apart",
        }
    }
}

/// The history of a subject, whichever of her records is named.
///
/// # Errors
/// 404 when there is no such subject.
pub async fn history(p: &Privity, id: SubjectId) -> Result<SubjectHistory, Problem> {
    p.read("read history of subject", move |tx| {
        let found = subject::get_many(tx, &[id].into())?.pop();
        let found = found.ok_or_else(|| Problem::not_found("subject"))?;
        let canonical = found.stands_for();
        let mut members = subject::members(tx, &[canonical].into())?;
        members.sort_by_key(|member| member.id);
        let ids: BTreeSet<_> = members.iter().map(|member| member.id).collect();
        let events = identity::events_of(tx, &ids)?;
        let operators = operator::list(tx)?;
        let records = members.into_iter().map(|member| MemberLine {
            id: member.id,
            created_at: member.created_at,
            erased_at: member.erased_at,
        });
        Ok(SubjectHistory {
            canonical,
            records: records.collect(),
            events: lines(&events, &operators),
        })
    })
    .await
}

fn lines(events: &[StoredEvent], operators: &[Operator]) -> Vec<EventLine> {
    let split: BTreeSet<MergeId> = events
        .iter()
        .filter_map(|stored| match stored.event {
            IdentityEvent::Split { merge, .. } => Some(merge),
            _ => None,
        })
        .collect();
    let mut lines: Vec<_> = events
        .iter()
        .map(|stored| line(stored, &split, operators))
        .collect();
    lines.sort_by_key(|line| line.at);
    lines
}

fn line(stored: &StoredEvent, split: &BTreeSet<MergeId>, operators: &[Operator]) -> EventLine {
    let operator = |id: OperatorId| {
        let known = operators.iter().find(|operator| operator.id == id);
        DecidedBy::Operator(id, known.map(|operator| operator.name.clone()))
    };
    let (kind, merge, by) = match &stored.event {
        IdentityEvent::Merged(merge) => {
            let by = match &merge.reason {
                MergeReason::Identifier(kind, _) => DecidedBy::Identifier(kind.clone()),
                MergeReason::Operator(id) => operator(*id),
            };
            (EventKind::Merged, Some(merge.id), by)
        }
        IdentityEvent::Split { merge, by } => {
            let by = match by {
                Decided::Operator(id) => operator(*id),
                Decided::Rule => DecidedBy::Rule,
            };
            (EventKind::Split, Some(*merge), by)
        }
        IdentityEvent::KeptApart { by, .. } => (EventKind::KeptApart, None, operator(*by)),
    };
    EventLine {
        stands: kind == EventKind::Merged && merge.is_some_and(|merge| !split.contains(&merge)),
        kind,
        merge,
        one: stored.subjects.0,
        other: stored.subjects.1,
        by,
        at: stored.at,
    }
}
