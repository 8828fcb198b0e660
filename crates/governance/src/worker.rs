//! The worker: claims due tasks in batches, hands them to their use case, and settles what came of it.
//!
//! A claim decides and records at once what the tasks will have to open, so that a batch costs one transaction to begin and
//! one to end. A task that can't go on is stuck and calls an operator: no privacy request waits in silence.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::audit::{Action, Actor, NewRecord};
use domain::disclosure::{DisclosureRecipient, Purpose};
use domain::id::RequestId;
use domain::privacy_request::Waiting;
use domain::sensitive::Sealed;
use domain::task::{Task, TaskKind};
use domain::traversal::Located;
use enforcement::vault::{Place, RequestKey};
use enforcement::{Permit, RecordedPermit};
use jiff::{SignedDuration, Timestamp};
use storage::privacy_request::StoredPrivacyRequest;
use tokio::sync::watch;

use crate::deciding::own;
use crate::disclosure::{Wanted, recorded, request_key};
use crate::privacy_request::{
    access, close, confirm, delete, inform_recipients, opt_out, plan, verify, write_to_subject,
};
use crate::requester::{IDENTITY, MANIFEST, Requester};
use crate::search::SearchError;
use crate::{Privity, Problem};

/// After this many attempts a task calls an operator.
const ATTEMPTS: u32 = 8;
/// How long a worker has its tasks for itself before it must renew.
const LEASE: SignedDuration = SignedDuration::from_mins(10);
/// How often old things are removed.
const HOUSEKEEPING: SignedDuration = SignedDuration::from_hours(1);
/// How long the worker sleeps at most; a bell wakes it before.
const NAP: Duration = Duration::from_secs(5);

/// A task with what it works on and what it may open.
pub(crate) struct Work {
    pub(crate) task: Task,
    pub(crate) stored: StoredPrivacyRequest,
    permits: Vec<RecordedPermit>,
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

/// Works until told to stop.
pub async fn run(p: &Privity, mut shutdown: watch::Receiver<bool>) {
    let owner = p.owner();
    let mut running = tokio::task::JoinSet::new();
    let mut busy: BTreeSet<TaskKind> = BTreeSet::new();
    let mut cleared = Timestamp::MIN;
    while !*shutdown.borrow() {
        if later(cleared, HOUSEKEEPING) <= p.now() {
            cleared = p.now();
            if let Err(problem) = crate::housekeeping::clear(p).await {
                tracing::warn!(cause = %problem, "what has had its time could not be removed; it is tried again in an hour");
            }
        }
        let kinds = due_kinds(p).await.unwrap_or_default();
        for kind in kinds
            .into_iter()
            .filter(|kind| busy.insert(*kind))
            .collect::<Vec<_>>()
        {
            let (p, owner) = (p.clone(), owner.clone());
            running.spawn(async move { (kind, run_kind(&p, kind, &owner).await) });
        }
        tokio::select! {
            Some(done) = running.join_next(), if !running.is_empty() => {
                match done {
                    Ok((kind, _)) => drop(busy.remove(&kind)),
                    Err(error) => { tracing::error!(cause = %error, "a worker's task ended abruptly; its lease will end and it runs again"); busy.clear(); }
                }
            }
            () = p.parts.bell.notified() => {}
            () = tokio::time::sleep(NAP) => {}
            _ = shutdown.changed() => {}
        }
    }
    while running.join_next().await.is_some() {}
    let released = p
        .parts
        .database
        .write("release tasks", move |tx| {
            storage::task::release(tx, &owner)
        })
        .await;
    drop(released);
}

/// Runs what is due now, and what becomes due by it, until nothing is. Answers how many tasks were run.
pub async fn run_until_idle(p: &Privity) -> Result<u64, Problem> {
    let mut count = 0;
    while let Some((_, ran)) = run_next(p).await? {
        count += ran;
    }
    Ok(count)
}

/// Runs one batch of what is due now, and answers its kind and how many tasks it had; `None` when nothing is due.
pub async fn run_next(p: &Privity) -> Result<Option<(TaskKind, u64)>, Problem> {
    let owner = p.owner();
    for kind in due_kinds(p).await? {
        let ran = run_kind(p, kind, &owner).await?;
        if ran > 0 {
            return Ok(Some((kind, ran)));
        }
    }
    Ok(None)
}

async fn due_kinds(p: &Privity) -> Result<Vec<TaskKind>, Problem> {
    let now = p.now();
    let kinds = p
        .read("find due tasks", move |tx| {
            Ok(storage::task::claimable_kinds(tx, now)?)
        })
        .await?;
    Ok(kinds
        .into_iter()
        .filter(|kind| *kind != TaskKind::ManualWork)
        .collect())
}

/// One batch of one kind.
async fn run_kind(p: &Privity, kind: TaskKind, owner: &str) -> Result<u64, Problem> {
    let batch = claim(p, kind, owner).await?;
    let count = batch.len() as u64;
    if batch.is_empty() {
        return Ok(0);
    }
    let Err(stop) = leased(p, &batch, owner, work(p, kind, &batch, owner)).await else {
        return Ok(count);
    };
    if let [one] = &batch[..] {
        settle(p, one, owner, &stop).await?;
        return Ok(count);
    }
    // One odd privacy request must not hold up the others: each gets its own attempt.
    for one in &batch {
        if !is_still_ours(p, one).await? {
            continue;
        }
        if let Err(stop) = leased(
            p,
            std::slice::from_ref(one),
            owner,
            work(p, kind, std::slice::from_ref(one), owner),
        )
        .await
        {
            settle(p, one, owner, &stop).await?;
        }
    }
    Ok(count)
}

/// Letters and outreach end one by one: what was done before a batch stopped must not be done again.
async fn is_still_ours(p: &Privity, work: &Work) -> Result<bool, Problem> {
    let id = work.task.id;
    p.read("look whether a task is open", move |tx| {
        Ok(storage::task::get(tx, id)?
            .is_some_and(|task| task.state == domain::task::TaskState::Leased))
    })
    .await
}

async fn work(p: &Privity, kind: TaskKind, batch: &[Work], owner: &str) -> Result<(), Stop> {
    match kind {
        TaskKind::SendCode => verify::send_codes(p, batch, owner).await,
        TaskKind::Acknowledge => write_to_subject::acknowledge(p, batch, owner).await,
        TaskKind::Plan => plan::make(p, batch, owner).await,
        TaskKind::MakePackage => access::make(p, batch, owner).await,
        TaskKind::RemovePackage => access::remove(p, batch, owner).await,
        TaskKind::Erase => delete::erase(p, batch, owner).await,
        TaskKind::OptOut => opt_out::stop(p, batch, owner).await,
        TaskKind::Confirm => confirm::confirm(p, batch, owner).await,
        TaskKind::SendOutreach => inform_recipients::send(p, batch, owner).await,
        TaskKind::PollOutreach => inform_recipients::poll(p, batch, owner).await,
        TaskKind::Remind => inform_recipients::remind(p, batch, owner).await,
        TaskKind::Close => close::close(p, batch, owner).await,
        TaskKind::ManualWork => Ok(()),
    }
}

/// Keeps the lease alive while the work goes on.
async fn leased(
    p: &Privity,
    batch: &[Work],
    owner: &str,
    work: impl Future<Output = Result<(), Stop>>,
) -> Result<(), Stop> {
    let ids: Arc<[_]> = batch.iter().map(|work| work.task.id).collect();
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(Duration::from_secs(120)) => {
                let (ids, owner, until) = (Arc::clone(&ids), owner.to_owned(), later(p.now(), LEASE));
                let renewed = p.parts.database.write("renew lease", move |tx| storage::task::renew(tx, &ids, &owner, until)).await;
                if let Err(error) = renewed {
                    return Err(Stop::Later(format!("the lease was lost: {error}")));
                }
            }
        }
    }
}

struct Claimed {
    task: Task,
    stored: StoredPrivacyRequest,
    /// What was decided, in the order of the records; `None` for a denial.
    permits: Vec<Option<Permit>>,
}

async fn claim(p: &Privity, kind: TaskKind, owner: &str) -> Result<Vec<Work>, Problem> {
    let claim = storage::task::Claim {
        kind,
        same_target: kind == TaskKind::Erase,
        limit: batch_size(kind),
        now: p.now(),
        owner: owner.to_owned(),
        lease_until: later(p.now(), LEASE),
    };
    let q = p.clone();
    let (claimed, appended) = p
        .write("claim tasks", move |tx| {
            let tasks = storage::task::claim(tx, &claim)?;
            let requests: Vec<RequestId> = tasks.iter().map(|task| task.request).collect();
            let mut found = storage::privacy_request::get_many(tx, &requests)?.into_iter();
            let mut records = Vec::new();
            let mut claimed = Vec::new();
            for task in tasks {
                let Some(stored) = found.next() else { break };
                let permits = decide(&q, &task, &stored, &mut records);
                claimed.push(Claimed {
                    task,
                    stored,
                    permits,
                });
            }
            Ok((claimed, records))
        })
        .await?;
    let mut proofs = appended.into_iter();
    let mut batch = Vec::with_capacity(claimed.len());
    for Claimed {
        task,
        stored,
        permits,
    } in claimed
    {
        let mut opened = Vec::new();
        for (permit, proof) in permits.into_iter().zip(proofs.by_ref()) {
            opened.extend(permit.map(|permit| recorded(permit, proof)).transpose()?);
        }
        batch.push(Work {
            task,
            stored,
            permits: opened,
        });
    }
    Ok(batch)
}

const fn batch_size(kind: TaskKind) -> u32 {
    match kind {
        // One search, one transaction, one re-read serve them all.
        TaskKind::Plan | TaskKind::Erase | TaskKind::Confirm => 100,
        TaskKind::Close | TaskKind::Acknowledge | TaskKind::OptOut => 100,
        // Each of these waits for somebody else.
        _ => 4,
    }
}

/// What the task will have to open, decided now.
fn decide(
    p: &Privity,
    task: &Task,
    stored: &StoredPrivacyRequest,
    records: &mut Vec<NewRecord>,
) -> Vec<Option<Permit>> {
    let decide = |wanted: Wanted<'_>, records: &mut Vec<NewRecord>| {
        let (decision, record) = p.decide(&stored.request, &wanted, Actor::System);
        records.push(record);
        decision.ok()
    };
    wanted(p, task, stored)
        .into_iter()
        .map(|wanted| decide(wanted, records))
        .collect()
}

fn wanted(p: &Privity, task: &Task, stored: &StoredPrivacyRequest) -> Vec<Wanted<'static>> {
    match task.kind {
        TaskKind::SendCode | TaskKind::Acknowledge | TaskKind::Close => vec![to_subject()],
        TaskKind::Erase => vec![to_system(task.target.as_str().into())],
        TaskKind::Plan | TaskKind::OptOut => {
            p.connectors().keys().cloned().map(to_system).collect()
        }
        TaskKind::Confirm | TaskKind::MakePackage => stored
            .plan
            .as_ref()
            .map(domain::plan::Plan::systems)
            .unwrap_or_default()
            .into_iter()
            .map(to_system)
            .collect(),
        // These ask for each recipient by itself.
        TaskKind::SendOutreach
        | TaskKind::PollOutreach
        | TaskKind::Remind
        | TaskKind::RemovePackage
        | TaskKind::ManualWork => Vec::new(),
    }
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

/// Searching or erasing in one source system.
fn to_system(system: domain::data_map::SystemKey) -> Wanted<'static> {
    let attributes = vec![
        own(IDENTITY, "user.contact.email", None),
        own(MANIFEST, "user.unique_id", None),
    ];
    Wanted {
        recipient: DisclosureRecipient::SourceSystem(system),
        known: None,
        purpose: Purpose::AnswerRequest,
        attributes,
    }
}

/// What becomes of a task that did not come to its end.
async fn settle(p: &Privity, work: &Work, owner: &str, stop: &Stop) -> Result<(), Problem> {
    let task = work.task.clone();
    let (reason, stuck) = match stop {
        Stop::Later(reason) => (reason.clone(), task.attempts >= ATTEMPTS),
        Stop::Never(reason) => (reason.clone(), true),
    };
    tracing::warn!(task.kind = task.kind.as_str(), task.target, task.attempts, request.id = %task.request, stuck, reason, "a task did not come to its end");
    let (owner, now, run_at) = (
        owner.to_owned(),
        p.now(),
        later(p.now(), backoff(task.attempts)),
    );
    p.write("settle task", move |tx| {
        if !stuck {
            storage::task::retry_at(tx, task.id, &owner, run_at, Some(&reason))?;
            return Ok(((), Vec::new()));
        }
        storage::task::stick(tx, task.id, &owner, &reason)?;
        call_operator(tx, task.request, now)?;
        Ok(((), vec![stuck_record(now, &task)]))
    })
    .await?;
    Ok(())
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

/// 10 s, 20 s, 40 s, ... up to an hour.
fn backoff(attempts: u32) -> SignedDuration {
    SignedDuration::from_secs(10_i64.saturating_mul(1 << attempts.saturating_sub(1).min(9)))
        .min(SignedDuration::from_hours(1))
}

/// A moment later.
pub(crate) fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

impl Privity {
    /// A name for this worker, so that two of them never finish each other's tasks.
    fn owner(&self) -> String {
        domain::rng::new_id::<domain::id::Task>(self.rng(), self.now()).to_string()
    }

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

/// The ids of a batch's tasks.
pub(crate) fn task_ids(batch: &[Work]) -> Vec<domain::id::TaskId> {
    batch.iter().map(|work| work.task.id).collect()
}
