//! Claiming tasks: each is leased to one worker, and what it will have to open is decided and recorded in the same transaction.
//!
//! A worker that ends a step claims in that very transaction what the step made due. So a step costs one commit, where to end
//! it, to look for work and to begin the next one would cost three.

use domain::audit::{Actor, Appended, NewRecord};
use domain::disclosure::{DisclosureRecipient, Purpose};
use domain::id::RequestId;
use domain::task::{Task, TaskKind};
use enforcement::Permit;
use jiff::SignedDuration;
use storage::Tx;
use storage::privacy_request::StoredPrivacyRequest;

use crate::deciding::own;
use crate::disclosure::{Wanted, recorded};
use crate::privacy_request::access;
use crate::requester::{IDENTITY, MANIFEST};
use crate::work::{Work, later, to_subject};
use crate::{Privity, Problem};

/// How long a worker has its tasks for itself before it must renew.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_mins(10);

/// Whoever works tasks off.
#[derive(Clone)]
pub(crate) struct Worker {
    name: String,
    goes_on: bool,
}

impl Worker {
    /// One that goes on with what its own steps make due.
    pub(crate) fn new(p: &Privity) -> Self {
        // A name of its own, so that two of them never finish each other's tasks.
        let name = domain::rng::new_id::<domain::id::Task>(p.rng(), p.now()).to_string();
        Self {
            name,
            goes_on: true,
        }
    }

    /// One that stops after each step.
    pub(crate) fn stepwise(p: &Privity) -> Self {
        Self {
            goes_on: false,
            ..Self::new(p)
        }
    }

    /// The name in which it holds its tasks.
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }
}

/// Tasks of one kind that are worked on together.
pub(crate) type Batch = Vec<Work>;

/// Claims a batch of each of these kinds, as far as any is due.
pub(crate) async fn claim(
    p: &Privity,
    worker: &Worker,
    kinds: Vec<TaskKind>,
) -> Result<Vec<Batch>, Problem> {
    let (q, worker) = (p.clone(), worker.clone());
    let (claimed, appended) = p
        .write("claim tasks", move |tx| {
            let mut records = Vec::new();
            let claimed = lease_all(&q, tx, &worker, &kinds, &mut records)?;
            Ok((claimed, records))
        })
        .await?;
    batches(claimed, appended)
}

/// Ends a step: makes its changes, and has what they make due of the kinds `next` claimed.
pub(crate) async fn end_step(
    p: &Privity,
    worker: &Worker,
    name: &'static str,
    next: &'static [TaskKind],
    change: impl Fn(&mut Tx) -> Result<Vec<NewRecord>, Problem> + Send + 'static,
) -> Result<Vec<Batch>, Problem> {
    let (q, worker) = (p.clone(), worker.clone());
    let next = if worker.goes_on { next } else { &[] };
    let ((claimed, before), mut appended) = p
        .write(name, move |tx| {
            let mut records = change(tx)?;
            let before = records.len();
            let claimed = lease_all(&q, tx, &worker, next, &mut records)?;
            Ok(((claimed, before), records))
        })
        .await?;
    batches(claimed, appended.split_off(before.min(appended.len())))
}

/// A leased task before its records are durable.
struct Leased {
    task: Task,
    stored: StoredPrivacyRequest,
    /// What was decided, in the order of the records; `None` for a denial.
    permits: Vec<Option<Permit>>,
}

fn lease_all(
    p: &Privity,
    tx: &mut Tx,
    worker: &Worker,
    kinds: &[TaskKind],
    records: &mut Vec<NewRecord>,
) -> Result<Vec<Vec<Leased>>, Problem> {
    kinds
        .iter()
        .map(|kind| lease(p, tx, worker, *kind, records))
        .collect()
}

fn lease(
    p: &Privity,
    tx: &mut Tx,
    worker: &Worker,
    kind: TaskKind,
    records: &mut Vec<NewRecord>,
) -> Result<Vec<Leased>, Problem> {
    let claim = storage::task::Claim {
        kind,
        same_target: kind == TaskKind::Erase,
        limit: batch_size(kind),
        now: p.now(),
        owner: worker.name(),
        lease_until: later(p.now(), LEASE),
    };
    let tasks = storage::task::claim(tx, &claim)?;
    let requests: Vec<RequestId> = tasks.iter().map(|task| task.request).collect();
    let found = storage::privacy_request::get_many(tx, &requests)?;
    let leased = tasks.into_iter().zip(found).map(|(task, stored)| Leased {
        permits: decide(p, &task, &stored, records),
        task,
        stored,
    });
    Ok(leased.collect())
}

const fn batch_size(kind: TaskKind) -> u32 {
    match kind {
        // One search, one transaction, one re-read serve them all. How long a source system is locked depends on rows, not on this:
        // connectors end a transaction after a few thousand.
        TaskKind::Plan | TaskKind::Erase | TaskKind::Confirm => 250,
        TaskKind::Close | TaskKind::Acknowledge | TaskKind::OptOut => 250,
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
    let decide = |wanted: Wanted<'_>| {
        let (decision, record) = p.decide(&stored.request, &wanted, Actor::System);
        records.push(record);
        decision.ok()
    };
    wanted(p, task, stored).into_iter().map(decide).collect()
}

fn wanted(p: &Privity, task: &Task, stored: &StoredPrivacyRequest) -> Vec<Wanted<'static>> {
    match task.kind {
        TaskKind::SendCode | TaskKind::Acknowledge | TaskKind::Close => vec![to_subject()],
        TaskKind::Erase => vec![to_system(task.target.as_str().into())],
        TaskKind::Plan | TaskKind::OptOut => {
            p.connectors().keys().cloned().map(to_system).collect()
        }
        TaskKind::Confirm => searched(stored).map(to_system).collect(),
        TaskKind::MakePackage => searched(stored)
            .map(to_system)
            .chain(access::wanted(p, stored))
            .collect(),
        // These ask for each recipient by itself.
        TaskKind::SendOutreach
        | TaskKind::PollOutreach
        | TaskKind::Remind
        | TaskKind::RemovePackage
        | TaskKind::ManualWork => Vec::new(),
    }
}

fn searched(stored: &StoredPrivacyRequest) -> impl Iterator<Item = domain::data_map::SystemKey> {
    let plan = stored.plan.as_ref();
    plan.map(domain::plan::Plan::systems)
        .unwrap_or_default()
        .into_iter()
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

/// Hands each task the permits of its records, which are durable now.
fn batches(leased: Vec<Vec<Leased>>, appended: Vec<Appended>) -> Result<Vec<Batch>, Problem> {
    let mut proofs = appended.into_iter();
    let mut work = |leased: Leased| {
        let mut permits = Vec::with_capacity(leased.permits.len());
        for (permit, proof) in leased.permits.into_iter().zip(proofs.by_ref()) {
            permits.extend(permit.map(|permit| recorded(permit, proof)).transpose()?);
        }
        Ok(Work {
            task: leased.task,
            stored: leased.stored,
            permits,
        })
    };
    leased
        .into_iter()
        .filter(|leased| !leased.is_empty())
        .map(|leased| leased.into_iter().map(&mut work).collect())
        .collect()
}
