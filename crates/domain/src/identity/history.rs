//! The history of merges and splits: every merge stands in it on its own, and a split takes exactly that one apart again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::resolve::IdentifierTag;
use crate::data_map::IdentifierKind;
use crate::id::{Id, Noun, OperatorId, SubjectId};

/// One merge of two subjects.
#[derive(Clone, Copy, Debug)]
pub struct MergeNoun;
impl Noun for MergeNoun {
    const PREFIX: &'static str = "mrg";
}
/// Id of a merge.
pub type MergeId = Id<MergeNoun>;

/// What happened to who is who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityEvent {
    /// Two subjects are one.
    Merged(Merge),
    /// A merge was taken apart.
    Split {
        /// Which one.
        merge: MergeId,
        /// Who took it apart. An operator's split also keeps the two apart from then on.
        by: Decided,
    },
    /// An operator looked at two subjects and says that they are two.
    KeptApart {
        /// One of them.
        one: SubjectId,
        /// The other.
        other: SubjectId,
        /// Who says so.
        by: OperatorId,
    },
}

/// Two subjects that are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// Its id.
    pub id: MergeId,
    /// One of them.
    pub one: SubjectId,
    /// The other.
    pub other: SubjectId,
    /// Why.
    pub reason: MergeReason,
}

/// Why two subjects are one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeReason {
    /// Both have this verified identifier.
    Identifier(IdentifierKind, IdentifierTag),
    /// An operator says so.
    Operator(OperatorId),
}

/// Who took a merge apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decided {
    /// An operator.
    Operator(OperatorId),
    /// The rules, because the identifier behind it turned out to be everybody's.
    Rule,
}

/// Merges and splits, checked.
#[derive(Clone, Debug, Default)]
pub struct History {
    merges: BTreeMap<MergeId, Merge>,
    split: BTreeMap<MergeId, Decided>,
    apart: BTreeSet<(SubjectId, SubjectId)>,
}

/// An event that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The id is taken by another merge.
    #[error("there is another merge `{0}` already; give this one an id of its own")]
    MergedTwice(MergeId),
    /// Both sides are the same subject.
    #[error("`{0}` cannot be merged with itself, or kept apart from itself")]
    WithItself(SubjectId),
    /// Nothing to take apart.
    #[error("there is no merge `{0}` to take apart")]
    UnknownMerge(MergeId),
    /// Taken apart already.
    #[error("the merge `{0}` was taken apart before")]
    SplitTwice(MergeId),
}

impl History {
    /// Takes events in the order in which they happened.
    ///
    /// # Errors
    /// [`HistoryError`] for the first that cannot be.
    pub fn of(events: impl IntoIterator<Item = IdentityEvent>) -> Result<Self, HistoryError> {
        let mut history = Self::default();
        events
            .into_iter()
            .try_for_each(|event| history.add(event))?;
        Ok(history)
    }

    /// Takes one more event.
    ///
    /// # Errors
    /// [`HistoryError`]; the history is as before.
    pub fn add(&mut self, event: IdentityEvent) -> Result<(), HistoryError> {
        match event {
            IdentityEvent::Merged(merge) => {
                if merge.one == merge.other {
                    return Err(HistoryError::WithItself(merge.one));
                }
                if self.merges.contains_key(&merge.id) {
                    return Err(HistoryError::MergedTwice(merge.id));
                }
                self.merges.insert(merge.id, merge);
            }
            IdentityEvent::Split { merge, by } => {
                let Some(known) = self.merges.get(&merge) else {
                    return Err(HistoryError::UnknownMerge(merge));
                };
                if self.split.contains_key(&merge) {
                    return Err(HistoryError::SplitTwice(merge));
                }
                if let Decided::Operator(_) = by {
                    self.apart.insert(pair(known.one, known.other));
                }
                self.split.insert(merge, by);
            }
            IdentityEvent::KeptApart { one, other, .. } => {
                if one == other {
                    return Err(HistoryError::WithItself(one));
                }
                self.apart.insert(pair(one, other));
            }
        }
        Ok(())
    }

    /// Merges that stand.
    pub fn standing(&self) -> impl Iterator<Item = &Merge> {
        self.merges
            .values()
            .filter(|merge| !self.split.contains_key(&merge.id))
    }

    /// Pairs that no rule may merge (again); the smaller id first.
    pub const fn kept_apart(&self) -> &BTreeSet<(SubjectId, SubjectId)> {
        &self.apart
    }

    /// Who is who by the history alone.
    pub fn groups(&self, subjects: impl IntoIterator<Item = SubjectId>) -> Groups {
        let mut joined = Joined::of(subjects);
        for merge in self.standing() {
            joined.join(merge.one, merge.other);
        }
        joined.groups()
    }
}

/// The same pair in one order.
pub(super) fn pair(one: SubjectId, other: SubjectId) -> (SubjectId, SubjectId) {
    if one <= other {
        (one, other)
    } else {
        (other, one)
    }
}

/// Who is who: the records of each subject, under the oldest of them, which is the canonical one.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Groups {
    members: BTreeMap<SubjectId, BTreeSet<SubjectId>>,
    canonical: BTreeMap<SubjectId, SubjectId>,
}

impl Groups {
    /// The canonical subject of a record; `None` for a record that was not asked about.
    pub fn canonical(&self, subject: SubjectId) -> Option<SubjectId> {
        self.canonical.get(&subject).copied()
    }

    /// The records of a canonical subject.
    pub fn members(&self, canonical: SubjectId) -> Option<&BTreeSet<SubjectId>> {
        self.members.get(&canonical)
    }

    /// Every canonical subject with its records.
    pub fn iter(&self) -> impl Iterator<Item = (SubjectId, &BTreeSet<SubjectId>)> {
        self.members
            .iter()
            .map(|(canonical, members)| (*canonical, members))
    }

    /// Whether two records are one subject's.
    pub fn same(&self, one: SubjectId, other: SubjectId) -> bool {
        self.canonical(one).is_some() && self.canonical(one) == self.canonical(other)
    }
}

/// Sets of subjects that are joined one pair at a time. The oldest subject of a set names it, so the order doesn't matter.
pub(super) struct Joined {
    above: BTreeMap<SubjectId, SubjectId>,
}

impl Joined {
    pub(super) fn of(subjects: impl IntoIterator<Item = SubjectId>) -> Self {
        Self {
            above: subjects
                .into_iter()
                .map(|subject| (subject, subject))
                .collect(),
        }
    }

    pub(super) fn knows(&self, subject: SubjectId) -> bool {
        self.above.contains_key(&subject)
    }

    pub(super) fn find(&mut self, subject: SubjectId) -> SubjectId {
        let mut top = subject;
        while let Some(above) = self.above.get(&top).copied().filter(|above| *above != top) {
            top = above;
        }
        // The whole path is shortened, so that a long chain of merges is walked once.
        let mut at = subject;
        while at != top {
            at = self.above.insert(at, top).unwrap_or(top);
        }
        top
    }

    /// Joins two sets; the name of the one that was swallowed, or `None` where they were one already or one of them is unknown.
    pub(super) fn join(
        &mut self,
        one: SubjectId,
        other: SubjectId,
    ) -> Option<(SubjectId, SubjectId)> {
        if !self.knows(one) || !self.knows(other) {
            return None;
        }
        let (stays, goes) = pair(self.find(one), self.find(other));
        if stays == goes {
            return None;
        }
        self.above.insert(goes, stays);
        Some((stays, goes))
    }

    pub(super) fn groups(mut self) -> Groups {
        let mut groups = Groups::default();
        let subjects: Vec<_> = self.above.keys().copied().collect();
        for subject in subjects {
            let canonical = self.find(subject);
            groups.members.entry(canonical).or_default().insert(subject);
            groups.canonical.insert(subject, canonical);
        }
        groups
    }
}
