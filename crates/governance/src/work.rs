//! What a use case has in its hands while it works: a task, the privacy request behind it, and the permits that the claim recorded;
//! and the two ways in which it may stop short of its end.

use domain::audit::{Action, Actor, NewRecord};
use domain::disclosure::{DisclosureRecipient, Purpose};
use domain::id::RequestId;
use domain::privacy_request::Waiting;
use domain::sensitive::Sealed;
use domain::task::{Task, TaskKind};
use domain::traversal::Located;
use enforcement::RecordedPermit;
use enforcement::vault::{Place, RequestKey};
use jiff::{SignedDuration, Timestamp};
use storage::privacy_request::StoredPrivacyRequest;

use crate::deciding::own;
use crate::disclosure::{Wanted, request_key};
use crate::requester::{IDENTITY, MANIFEST, Requester};
use crate::search::SearchError;
use crate::{Privity, Problem};

/// A task with what it works on and what it may open.
pub(crate) struct Work {
    pub(crate) task: Task,
    pub(crate) stored: StoredPrivacyRequest,
    pub(crate) permits: Vec<RecordedPermit>,
}

/// Why a task did not come to its end.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// Trying again later can help.
    Later(String),
    /// It can't, without an operator.
    Never(String),
}

impl From<SearchError> for Stop {
    fn from(error: SearchError) -> Self {
        match &error {
            SearchError::Connector(connector) if connector.is_transient() => {
                Self::Later(error.to_string())
            }
            _ => Self::Never(error.to_string()),
        }
    }
}
impl From<connectors::ConnectorError> for Stop {
    fn from(error: connectors::ConnectorError) -> Self {
        SearchError::from(error).into()
    }
}
impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        if problem.status >= 500 {
            Self::Later(problem.title)
        } else {
            Self::Never(problem.title)
        }
    }
}
impl From<enforcement::vault::VaultError> for Stop {
    fn from(error: enforcement::vault::VaultError) -> Self {
        Self::Never(error.to_string())
    }
}

impl Work {
    /// The privacy request's id.
    pub(crate) const fn id(&self) -> RequestId {
        self.stored.request.id
    }

    /// The permit that the claim recorded.
    pub(crate) fn permit(&self) -> Result<&RecordedPermit, Stop> {
        self.permits.first().ok_or_else(|| Stop::Never("the decision allowed nothing to be opened; look at where the privacy request stands".to_owned()))
    }

    /// The permit for this purpose that the claim recorded.
    pub(crate) fn permit_to(&self, purpose: Purpose) -> Result<&RecordedPermit, Stop> {
        let found = self
            .permits
            .iter()
            .find(|permit| permit.permit().purpose() == Some(purpose));
        found.ok_or_else(|| Stop::Never("the decision allowed nothing of this to leave; look at where the privacy request stands".to_owned()))
    }

    pub(crate) fn key(&self, p: &Privity) -> Result<RequestKey, Stop> {
        Ok(request_key(p, &self.stored)?)
    }

    /// The subject as she named herself.
    pub(crate) fn requester(&self, p: &Privity) -> Result<Requester, Stop> {
        requester(&self.key(p)?, self.permit()?, &self.stored)
    }

    /// Where her rows are, as far as located.
    pub(crate) fn located(&self, p: &Privity) -> Result<Located, Stop> {
        located(&self.key(p)?, self.permit()?, &self.stored)
    }
}

/// Opens what the subject told us.
#[expect(
    clippy::disallowed_methods,
    reason = "read into a form that wipes itself"
)]
pub(crate) fn requester(
    key: &RequestKey,
    permit: &RecordedPermit,
    stored: &StoredPrivacyRequest,
) -> Result<Requester, Stop> {
    let Some(sealed) = &stored.identity else {
        return Ok(Requester::default());
    };
    let bytes = key.open(
        permit,
        &Place {
            column: IDENTITY,
            row: &stored.request.id.to_string(),
        },
        sealed,
    )?;
    read_json(bytes.expose())
}

/// Opens where her rows are.
#[expect(
    clippy::disallowed_methods,
    reason = "look-ups on their way to the connectors"
)]
pub(crate) fn located(
    key: &RequestKey,
    permit: &RecordedPermit,
    stored: &StoredPrivacyRequest,
) -> Result<Located, Stop> {
    let Some(sealed) = &stored.manifest else {
        return Ok(Located::default());
    };
    let bytes = key.open(
        permit,
        &Place {
            column: MANIFEST,
            row: &stored.request.id.to_string(),
        },
        sealed,
    )?;
    read_json(bytes.expose())
}

#[expect(
    clippy::map_err_ignore,
    reason = "a parser's error could quote what it read"
)]
fn read_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Stop> {
    serde_json::from_slice(bytes).map_err(|_| Stop::Never("what was sealed can't be read by this version of the program; start the version that wrote it".to_owned()))
}

/// Seals where her rows are.
pub(crate) fn seal_located(
    p: &Privity,
    key: &RequestKey,
    id: RequestId,
    located: &Located,
) -> Result<Sealed, Stop> {
    let bytes = serde_json::to_vec(located).map_err(|error| Stop::Never(error.to_string()))?;
    Ok(key.seal(
        p.rng(),
        &Place {
            column: MANIFEST,
            row: &id.to_string(),
        },
        &domain::sensitive::Sensitive::new(bytes),
    )?)
}

/// Writing to the subject at the address that she gave.
pub(crate) fn to_subject() -> Wanted<'static> {
    Wanted {
        recipient: DisclosureRecipient::Subject,
        known: None,
        purpose: Purpose::WriteToSubject,
        attributes: vec![own(IDENTITY, "user.contact.email", None)],
    }
}

/// The record of a task that calls an operator. The reason is for the Console, not for the log.
pub(crate) fn stuck_record(now: Timestamp, task: &Task) -> NewRecord {
    NewRecord::new(now, Actor::System, Action::TaskStuck)
        .for_request(task.request)
        .about(task.target.clone())
        .with("task", task.kind.as_str())
        .with("attempts", task.attempts)
}

/// Marks the privacy request as waiting for an operator.
pub(crate) fn call_operator(
    tx: &mut storage::Tx,
    request: RequestId,
    now: Timestamp,
) -> Result<(), Problem> {
    let Some(stored) = storage::privacy_request::get(tx, request)? else {
        return Ok(());
    };
    if stored.request.state.is_closed() || stored.request.waiting == Some(Waiting::Operator) {
        return Ok(());
    }
    let changed = domain::privacy_request::PrivacyRequest {
        waiting: Some(Waiting::Operator),
        ..stored.request
    };
    storage::privacy_request::update(tx, &changed, &stored.reasons, now)?;
    Ok(())
}

/// A moment later.
pub(crate) fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// The ids of a batch's tasks.
pub(crate) fn task_ids(batch: &[Work]) -> Vec<domain::id::TaskId> {
    batch.iter().map(|work| work.task.id).collect()
}

impl Privity {
    /// A fresh task.
    pub(crate) fn task(
        &self,
        kind: TaskKind,
        request: RequestId,
        target: impl Into<String>,
    ) -> Task {
        Task {
            id: domain::rng::new_id(self.rng(), self.now()),
            kind,
            request,
            target: target.into(),
            state: domain::task::TaskState::Ready,
            run_at: self.now(),
            attempts: 0,
            error: None,
            due: None,
        }
    }
}
