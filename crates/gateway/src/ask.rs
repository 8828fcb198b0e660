//! Asks for decisions on behalf of one call: about the subject that its path names, and about those whose keys turn up in a body.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::profile::AttributeKey;
use governance::disclosure::{Caller, Granted, SubjectAsked, disclose};
use governance::{Privity, Problem};

use crate::route::Route;

/// Who asks, and for what.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) privity: Privity,
    pub(crate) caller: Caller,
    pub(crate) route: Arc<Route>,
    /// By which attributes the query selects or sorts.
    pub(crate) by: BTreeSet<AttributeKey>,
}

impl Asking {
    /// What is granted of one subject.
    pub(crate) async fn about(&self, subject: SubjectAsked) -> Result<Granted, Problem> {
        let granted = self.disclose(&[subject]).await?.pop();
        granted.ok_or_else(|| Problem::internal("deciding this call", &"no decision came back"))
    }

    /// What is granted of each of many subjects. Nothing, where the query selects by what isn't granted of her: that she is in the
    /// answer, and where, would tell.
    pub(crate) async fn about_each(
        &self,
        subjects: &[SubjectAsked],
    ) -> Result<Vec<Option<Granted>>, Problem> {
        let granted = self.disclose(subjects).await?.into_iter();
        Ok(granted
            .map(|one| Some(one).filter(|one| !one.is_empty() && self.may_select(one)))
            .collect())
    }

    /// Whether the query selects and sorts only by what the recipient gets to see as it is.
    pub(crate) fn may_select(&self, granted: &Granted) -> bool {
        self.by.iter().all(|attribute| granted.keeps(attribute))
    }

    async fn disclose(&self, subjects: &[SubjectAsked]) -> Result<Vec<Granted>, Problem> {
        let asked = disclose(
            &self.privity,
            &self.caller,
            subjects,
            &self.route.attributes,
        );
        let granted = asked.await?;
        if granted.len() == subjects.len() {
            return Ok(granted);
        }
        Err(Problem::internal(
            "deciding this call",
            &"decisions are missing",
        ))
    }
}
