//! What is known of subjects: how old they are, and whose an identifier is. The one place where consent asks their profiles.

use std::collections::{BTreeMap, BTreeSet};

use domain::consent::{Age, Party};
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::sensitive::Sensitive;

use crate::{Privity, Problem};

/// What is known of the ages of many subjects.
#[derive(Default)]
pub(super) struct Ages(BTreeMap<SubjectId, Age>);

impl Ages {
    /// The age of whom a choice is for. Of a device and a pseudonym nobody knows it.
    pub(super) fn of(&self, party: &Party) -> Age {
        match party {
            Party::Subject(id) => self.0.get(id).copied().unwrap_or(Age::Unknown),
            Party::Pseudonym(_) | Party::Device(_) => Age::Unknown,
        }
    }
}

/// Looks up ages. Profiles don't say them yet, so that every one is unknown.
pub(super) async fn ages_of(
    _p: &Privity,
    _subjects: &BTreeSet<SubjectId>,
) -> Result<Ages, Problem> {
    Ok(Ages::default())
}

/// The subject whose identifier it is. Profiles don't say it yet, so that nobody is known by one.
pub(super) async fn subject_of(
    _p: &Privity,
    _kind: &IdentifierKind,
    _identifier: &Sensitive<String>,
) -> Result<Option<SubjectId>, Problem> {
    Ok(None)
}
