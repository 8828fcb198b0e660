//! How old subjects are, as far as the business knows: the one place where consent asks their profiles.

use std::collections::{BTreeMap, BTreeSet};

use domain::consent::{Age, Party};
use domain::id::SubjectId;

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
