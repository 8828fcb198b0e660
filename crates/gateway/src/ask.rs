//! Asks for decisions on behalf of one call: about the subject that its path names, and about those whose keys turn up in a body.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::profile::AttributeKey;
use governance::disclosure::{Caller, Granted, ListPace, SubjectAsked, disclose, disclose_listed};
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

    /// What is granted of each of many subjects that a body names.
    pub(crate) async fn about_each(
        &self,
        subjects: &[SubjectAsked],
    ) -> Result<Vec<Option<Granted>>, Problem> {
        Ok(self.selectable(self.disclose(subjects).await?))
    }

    /// The same of those in an answer.
    pub(crate) async fn about_listed(
        &self,
        list: &mut ListPace,
        subjects: &[SubjectAsked],
    ) -> Result<Vec<Option<Granted>>, Problem> {
        let (p, caller) = (&self.privity, &self.caller);
        let granted = disclose_listed(p, caller, list, subjects, &self.route.attributes);
        Ok(self.selectable(one_each(granted.await?, subjects)?))
    }

    /// Nothing, where the query selects by what isn't granted of a subject: that she is in the answer, and where, would tell.
    fn selectable(&self, granted: Vec<Granted>) -> Vec<Option<Granted>> {
        let granted = granted.into_iter();
        granted
            .map(|one| Some(one).filter(|one| !one.is_empty() && self.may_select(one)))
            .collect()
    }

    /// What the answer counts as: one about nobody whom the path names counts before it is known.
    pub(crate) async fn list_pace(&self, granted: Option<&Granted>) -> Result<ListPace, Problem> {
        match granted {
            Some(_) => Ok(ListPace::default()),
            None => ListPace::begin(&self.privity, &self.caller).await,
        }
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
        one_each(asked.await?, subjects)
    }
}

fn one_each(granted: Vec<Granted>, subjects: &[SubjectAsked]) -> Result<Vec<Granted>, Problem> {
    if granted.len() == subjects.len() {
        return Ok(granted);
    }
    Err(Problem::internal(
        "deciding this call",
        &"decisions are missing",
    ))
}
