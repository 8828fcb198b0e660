//! Policies in force: which table decides, and what is known of each subject when it does.
//!
//! Packs of laws and the business's own files are compiled at the start; without policies every recipient is denied.
//! Decisions: docs/decisions/012-policies-are-compiled.md, 014-facts-are-kept-with-the-profile.md.

mod board;
mod explain;
mod facts;
mod ground;
mod impact;
mod lifecycle;
mod load;
mod shadow;
mod trial;
mod views;
mod working;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use domain::id::SubjectId;
use domain::policy::{Configuration, SubjectFacts, Table};
use storage::Tx;

pub use facts::refresh_facts;
pub(crate) use facts::{facts_in, facts_of, outdate, outdate_all};
pub use load::PolicyFilesError;
pub(crate) use load::check_settings;

pub use ::policy::{PackProof, Proof, ProofError};
pub(crate) use board::reasons_for_subject;
pub use board::{Cases, DecidedCell, DecidedLine, DecidedMatrix, Deciding};
pub use explain::{Asked, Explanation, Hypothetical, Kind, Line, PolicyShown, Said, Who};
pub(crate) use ground::{Ground, take_ground};
pub use impact::{CellChange, Heads, Impact, compare};
pub(crate) use lifecycle::begin;
pub use lifecycle::{Activation, ChangedPolicy, Difference, Published, Version, keep_current};
pub(crate) use shadow::Watched;
pub use shadow::{Divergence, Shadow, ShadowReport};
pub use trial::{Checked, MatrixLine, TestFile, Tested, check_files, run_tests};
pub(crate) use views::keep_views;
pub use views::{AppliedViews, FilledViews, apply_views, check_views, fill_views, views_text};

use crate::{Privity, Problem};

/// Policies that decide: immutable, swapped whole.
#[derive(Debug)]
#[non_exhaustive]
pub struct InForce {
    /// The version that it is, counted from 1.
    pub version: u64,
    /// What decides.
    pub table: Table,
    /// What its policies may name.
    pub configuration: Configuration,
    /// A candidate that decides beside it: see [`InForce::observe`].
    pub shadow: Option<Shadow>,
    /// The version that is to be that candidate, whether it fits or not.
    candidate: Option<u64>,
}

/// The place of the policies in force.
#[derive(Default)]
pub(crate) struct Place(RwLock<Option<Arc<InForce>>>);

impl Place {
    fn put(&self, in_force: InForce) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *held = Some(Arc::new(in_force));
    }

    /// Nothing decides any more.
    fn clear(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn get(&self) -> Option<Arc<InForce>> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }
}

impl Privity {
    /// The policies in force; `None` when the settings name none, and then every recipient is denied.
    pub fn policies(&self) -> Option<Arc<InForce>> {
        self.parts.policies.get()
    }

    /// Whether facts are kept here: also while the policies that the settings name can't be brought into force, since other nodes decide on
    /// what is kept.
    pub(crate) fn keeps_facts(&self) -> bool {
        self.settings().policies.is_some()
    }

    /// What is known of a subject when a disclosure about her is decided; `None` without policies, a profile, or once she was forgotten.
    ///
    /// # Errors
    /// Our database doesn't answer.
    pub async fn subject_facts(&self, subject: SubjectId) -> Result<Option<SubjectFacts>, Problem> {
        let Some(in_force) = self.policies() else {
            return Ok(None);
        };
        let inside = self.clone();
        let one = BTreeSet::from([subject]);
        let read = move |tx: &mut Tx| facts_in(&inside, tx, &in_force, &one);
        let mut found = self.read_few("read facts of subject", read).await?;
        Ok(found.remove(&subject))
    }
}
