//! The worker: claims due tasks in batches, hands them to their use case, and settles what came of it.
//!
//! A batch costs one transaction to end, in which the next one begins (`claim.rs`). A task that can't go on is stuck and
//! calls an operator: no privacy request waits in silence.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::task::TaskKind;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::claim::{Batch, LEASE, Worker, claim};
use crate::privacy_request::{
    access, close, confirm, delete, follow_up, inform_recipients, opt_out, plan, verify,
    write_to_subject,
};
use crate::work::{Stop, Work, call_operator, later, stuck_record};
use crate::{Privity, Problem};

/// After this many attempts a task calls an operator.
const ATTEMPTS: u32 = 8;
/// How often old things are removed.
const HOUSEKEEPING: SignedDuration = SignedDuration::from_hours(1);
/// How long the worker sleeps at most; a bell wakes it before.
const NAP: Duration = Duration::from_secs(5);

/// A thread for the worker alone.
///
/// The steps of a privacy request wait for one another: for a database, the mail server, the disk. On the threads that serve pages
/// each answer would wake yet another thread, which was more than half of what a deletion cost (docs/decisions/010).
pub struct Thread {
    runtime: tokio::runtime::Handle,
    _lives: oneshot::Sender<()>,
}

impl Thread {
    /// Starts it; it ends when this is dropped.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (lives, ended) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("worker".to_owned())
            .spawn(move || drop(runtime.block_on(ended)))?;
        Ok(Self {
            runtime: handle,
            _lives: lives,
        })
    }

    /// Lets this thread do something.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(work)
    }
}

/// Works until told to stop.
pub async fn run(p: &Privity, mut shutdown: watch::Receiver<bool>) {
    let worker = Worker::new(p);
    let mut running = JoinSet::new();
    let mut busy: BTreeMap<TaskKind, u32> = BTreeMap::new();
    let mut cleared = Timestamp::MIN;
    let (mut looked, mut following) = (Timestamp::MIN, None);
    let current = tokio::spawn(crate::policy::keep_current(p.clone(), shutdown.clone()));
    let views = tokio::spawn(crate::policy::keep_views(p.clone(), shutdown.clone()));
    while !*shutdown.borrow() {
        if let Err(problem) = p.hold_keys().await {
            tracing::warn!(cause = %problem, "which keys are in use here could not be said");
        }
        if later(cleared, HOUSEKEEPING) <= p.now() {
            cleared = p.now();
            if let Err(problem) = crate::housekeeping::clear(p).await {
                tracing::warn!(cause = %problem, "what has had its time could not be removed; it is tried again in an hour");
            }
        }
        if crate::profile::is_time(looked, p.now()) && is_free(&following) {
            looked = p.now();
            following = follow_sources(p, &shutdown);
        }
        let due = claim_due(p, &worker, |kind| !busy.contains_key(&kind)).await;
        for batch in due.unwrap_or_default() {
            begin(p, &worker, batch, &mut running, &mut busy);
        }
        tokio::select! {
            Some(ended) = running.join_next(), if !running.is_empty() => match ended {
                Ok((kind, next)) => {
                    no_longer_busy(&mut busy, kind);
                    for batch in next {
                        begin(p, &worker, batch, &mut running, &mut busy);
                    }
                }
                Err(error) => {
                    tracing::error!(cause = %error, "a worker's task ended abruptly; its lease will end and it runs again");
                    busy.clear();
                }
            },
            () = p.parts.bell.notified() => {}
            () = tokio::time::sleep(NAP) => {}
            _ = shutdown.changed() => {}
        }
    }
    while running.join_next().await.is_some() {}
    if let Some(following) = following {
        drop(following.await);
    }
    drop(current.await);
    drop(views.await);
    release(p, &worker).await;
    p.let_go_of_keys().await;
}

fn is_free(following: &Option<tokio::task::JoinHandle<()>>) -> bool {
    following
        .as_ref()
        .is_none_or(|following| following.is_finished())
}

/// Follows source systems whose time has come, beside the tasks; `None` where none is ever due.
fn follow_sources(
    p: &Privity,
    shutdown: &watch::Receiver<bool>,
) -> Option<tokio::task::JoinHandle<()>> {
    if p.mappings().iter().all(|mapping| mapping.every.is_none()) {
        return None;
    }
    let (p, shutdown) = (p.clone(), shutdown.clone());
    Some(tokio::spawn(async move {
        crate::profile::follow_due(&p, &shutdown).await;
    }))
}

/// One batch on its way; a kind has one batch at a time, but for those that follow from another.
fn begin(
    p: &Privity,
    worker: &Worker,
    batch: Batch,
    running: &mut JoinSet<(TaskKind, Vec<Batch>)>,
    busy: &mut BTreeMap<TaskKind, u32>,
) {
    let Some(kind) = batch.first().map(|work| work.task.kind) else {
        return;
    };
    *busy.entry(kind).or_default() += 1;
    let (p, worker) = (p.clone(), worker.clone());
    running.spawn(async move {
        let next = run_batch(&p, kind, &batch, &worker).await;
        (kind, next.unwrap_or_default())
    });
}

fn no_longer_busy(busy: &mut BTreeMap<TaskKind, u32>, kind: TaskKind) {
    if let Some(batches) = busy.get_mut(&kind) {
        *batches = batches.saturating_sub(1);
    }
    busy.retain(|_, batches| *batches > 0);
}

/// Gives back what was claimed and not begun.
async fn release(p: &Privity, worker: &Worker) {
    let owner = worker.name();
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
    let worker = Worker::new(p);
    let ran = until_idle(p, &worker).await;
    if ran.is_err() {
        release(p, &worker).await;
    }
    ran
}

async fn until_idle(p: &Privity, worker: &Worker) -> Result<u64, Problem> {
    let mut count = 0;
    let mut batches: VecDeque<Batch> = VecDeque::new();
    loop {
        if batches.is_empty() {
            batches.extend(claim_due(p, worker, |_| true).await?);
        }
        let Some(batch) = batches.pop_front() else {
            return Ok(count);
        };
        let Some(kind) = batch.first().map(|work| work.task.kind) else {
            continue;
        };
        count += batch.len() as u64;
        batches.extend(run_batch(p, kind, &batch, worker).await?);
    }
}

/// Runs one batch of what is due now, and answers its kind and how many tasks it had; `None` when nothing is due.
pub async fn run_next(p: &Privity) -> Result<Option<(TaskKind, u64)>, Problem> {
    let worker = Worker::stepwise(p);
    for kind in due_kinds(p).await? {
        if let Some(batch) = claim(p, &worker, vec![kind]).await?.pop() {
            run_batch(p, kind, &batch, &worker).await?;
            return Ok(Some((kind, batch.len() as u64)));
        }
    }
    Ok(None)
}

/// A batch of each kind that has tasks due and is `free`, claimed.
async fn claim_due(
    p: &Privity,
    worker: &Worker,
    free: impl Fn(TaskKind) -> bool,
) -> Result<Vec<Batch>, Problem> {
    let mut kinds = due_kinds(p).await?;
    kinds.retain(|kind| free(*kind));
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    claim(p, worker, kinds).await
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

/// Runs one batch of one kind, and answers what it made due and claimed.
async fn run_batch(
    p: &Privity,
    kind: TaskKind,
    batch: &[Work],
    worker: &Worker,
) -> Result<Vec<Batch>, Problem> {
    let stop = match leased(p, batch, worker, work(p, kind, batch, worker)).await {
        Ok(next) => return Ok(next),
        Err(stop) => stop,
    };
    if let [one] = batch {
        settle(p, one, worker, &stop).await?;
        return Ok(Vec::new());
    }
    // One odd privacy request must not hold up the others: each gets its own attempt.
    let mut next = Vec::new();
    for one in batch {
        if !is_still_ours(p, one).await? {
            continue;
        }
        let alone = std::slice::from_ref(one);
        match leased(p, alone, worker, work(p, kind, alone, worker)).await {
            Ok(made_due) => next.extend(made_due),
            Err(stop) => settle(p, one, worker, &stop).await?,
        }
    }
    Ok(next)
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

async fn work(
    p: &Privity,
    kind: TaskKind,
    batch: &[Work],
    worker: &Worker,
) -> Result<Vec<Batch>, Stop> {
    match kind {
        TaskKind::Plan => return plan::make(p, batch, worker).await,
        TaskKind::MakePackage => return access::make(p, batch, worker).await,
        TaskKind::Erase => return delete::erase(p, batch, worker).await,
        TaskKind::Confirm => return confirm::confirm(p, batch, worker).await,
        TaskKind::OptOut => return opt_out::stop(p, batch, worker).await,
        TaskKind::SendCode => verify::send_codes(p, batch, worker).await?,
        TaskKind::Acknowledge => write_to_subject::acknowledge(p, batch, worker).await?,
        TaskKind::RemovePackage => access::remove(p, batch, worker).await?,
        TaskKind::SendOutreach => inform_recipients::send(p, batch, worker).await?,
        TaskKind::PollOutreach => follow_up::poll(p, batch, worker).await?,
        TaskKind::Remind => follow_up::remind(p, batch, worker).await?,
        TaskKind::Close => close::close(p, batch, worker).await?,
        TaskKind::ManualWork => {}
    }
    Ok(Vec::new())
}

/// Keeps the lease alive while the work goes on.
async fn leased<T>(
    p: &Privity,
    batch: &[Work],
    worker: &Worker,
    work: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    let ids: Arc<[_]> = batch.iter().map(|work| work.task.id).collect();
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(Duration::from_secs(120)) => {
                let (ids, owner, until) = (Arc::clone(&ids), worker.name(), later(p.now(), LEASE));
                let renewed = p.parts.database.write("renew lease", move |tx| storage::task::renew(tx, &ids, &owner, until)).await;
                if let Err(error) = renewed {
                    return Err(Stop::Later(format!("the lease was lost: {error}")));
                }
            }
        }
    }
}

/// What becomes of a task that did not come to its end.
async fn settle(p: &Privity, work: &Work, worker: &Worker, stop: &Stop) -> Result<(), Problem> {
    let task = work.task.clone();
    let (reason, stuck) = match stop {
        Stop::Later(reason) => (reason.clone(), task.attempts >= ATTEMPTS),
        Stop::Never(reason) => (reason.clone(), true),
    };
    tracing::warn!(task.kind = task.kind.as_str(), task.target, task.attempts, request.id = %task.request, stuck, reason, "a task did not come to its end");
    let (owner, now, run_at) = (
        worker.name(),
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
