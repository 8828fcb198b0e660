//! The worker: claims due tasks in batches, hands them to their use case, and settles what came of it.
//!
//! A claim decides and records at once what the tasks will have to open, so that a batch costs one transaction to begin and
//! one to end. A task that can't go on is stuck and calls an operator: no privacy request waits in silence.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::audit::{Actor, NewRecord};
use domain::disclosure::{DisclosureRecipient, Purpose};
use domain::id::RequestId;
use domain::task::{Task, TaskKind};
use enforcement::Permit;
use jiff::{SignedDuration, Timestamp};
use storage::privacy_request::StoredPrivacyRequest;
use tokio::sync::watch;

use crate::deciding::own;
use crate::disclosure::{Wanted, recorded};
use crate::privacy_request::{
    access, close, confirm, delete, follow_up, inform_recipients, opt_out, plan, verify,
    write_to_subject,
};
use crate::requester::{IDENTITY, MANIFEST};
use crate::work::{Stop, Work, call_operator, later, stuck_record, to_subject};
use crate::{Privity, Problem};

/// After this many attempts a task calls an operator.
const ATTEMPTS: u32 = 8;
/// How long a worker has its tasks for itself before it must renew.
const LEASE: SignedDuration = SignedDuration::from_mins(10);
/// How often old things are removed.
const HOUSEKEEPING: SignedDuration = SignedDuration::from_hours(1);
/// How long the worker sleeps at most; a bell wakes it before.
const NAP: Duration = Duration::from_secs(5);

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
        TaskKind::PollOutreach => follow_up::poll(p, batch, owner).await,
        TaskKind::Remind => follow_up::remind(p, batch, owner).await,
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

/// 10 s, 20 s, 40 s, ... up to an hour.
fn backoff(attempts: u32) -> SignedDuration {
    SignedDuration::from_secs(10_i64.saturating_mul(1 << attempts.saturating_sub(1).min(9)))
        .min(SignedDuration::from_hours(1))
}

impl Privity {
    /// A name for this worker, so that two of them never finish each other's tasks.
    fn owner(&self) -> String {
        domain::rng::new_id::<domain::id::Task>(self.rng(), self.now()).to_string()
    }
}
