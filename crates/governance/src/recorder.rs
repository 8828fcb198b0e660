//! Records that wait at the same time share one transaction: disclosures come by the thousand a second, each must be durable before
//! anything opens, and one commit serves all that wait for it (docs/decisions/003-audit-log.md).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::audit::{Appended, NewRecord};
use storage::ledger::{self, Noted};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::{Privity, Problem};

/// Callers in one transaction, at most: as many as SQLite commits together.
const GROUP: usize = 256;

/// Where so many came together in one transaction, the next one waits a moment for more of them: every commit costs a wait for the disk,
/// and each reader of SQLite the pages that it knew.
const MANY: usize = 8;
/// About as long as the disk takes.
const MOMENT: Duration = Duration::from_millis(3);

type Answer = Result<Vec<Appended>, Problem>;

/// Who waits for the next transaction, and whether somebody is writing one.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    is_served: bool,
}

struct Waiting {
    records: Vec<NewRecord>,
    /// What the ledger of disclosures is told of them.
    noted: Vec<Noted>,
    reply: oneshot::Sender<Answer>,
}

/// Whoever serves the queue. If its runtime ends before it does, the next caller sees to it.
struct Serving<'a>(Option<&'a Recorder>);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if let Some(recorder) = self.0 {
            let queue = recorder.0.lock();
            queue.unwrap_or_else(PoisonError::into_inner).is_served = false;
        }
    }
}

impl Recorder {
    /// Joins the queue; true when nobody serves it yet and the caller has to see to that.
    fn join(&self, waiting: Waiting) -> bool {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.push(waiting);
        !std::mem::replace(&mut queue.is_served, true)
    }

    fn is_full(&self) -> bool {
        let queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.len() >= GROUP
    }

    /// The next group; none, and then nobody serves the queue any more.
    fn next(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.waiting.is_empty() {
            queue.is_served = false;
            return None;
        }
        let size = queue.waiting.len().min(GROUP);
        let rest = queue.waiting.split_off(size);
        Some(std::mem::replace(&mut queue.waiting, rest))
    }
}

impl Privity {
    /// Appends records that come without a change of their own; answers when they are durable. A caller that goes away keeps nobody
    /// waiting: the queue is served by a task of its own.
    pub(crate) async fn append(&self, records: Vec<NewRecord>) -> Answer {
        self.append_noted(records, Vec::new()).await
    }

    /// [`Privity::append`], with what the ledger of disclosures is told of the records: both are durable together, or neither is.
    pub(crate) async fn append_noted(&self, records: Vec<NewRecord>, noted: Vec<Noted>) -> Answer {
        // A thread with a runtime of its own, like the worker's, is one caller: it has nobody to share with, and its runtime may end
        // while others wait.
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            return self.append_together(records, noted).await;
        }
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting {
            records,
            noted,
            reply,
        };
        if self.recorder().join(waiting) {
            let privity = self.clone();
            tokio::spawn(async move { privity.serve_recorder().await });
        }
        let gone = |_| {
            Err(Problem::internal(
                "recording this",
                &"the program is stopping",
            ))
        };
        answer.await.unwrap_or_else(gone)
    }

    async fn serve_recorder(&self) {
        let mut serving = Serving(Some(self.recorder()));
        let mut last = 0;
        loop {
            if last >= MANY && !self.recorder().is_full() {
                tokio::time::sleep(MOMENT).await;
            }
            let Some(group) = self.recorder().next() else {
                serving.0 = None;
                return;
            };
            last = group.len();
            let (records, noted) = joined(&group);
            match self.append_together(records, noted).await {
                Ok(appended) => answer_each(group, appended),
                Err(problem) if group.len() == 1 => fail(group, &problem),
                // One record that can't be written must not hold up the others.
                Err(_) => self.append_one_by_one(group).await,
            }
        }
    }

    async fn append_one_by_one(&self, group: Vec<Waiting>) {
        for one in group {
            let answer = self.append_together(one.records, one.noted).await;
            let _ = one.reply.send(answer);
        }
    }

    async fn append_together(&self, records: Vec<NewRecord>, noted: Vec<Noted>) -> Answer {
        self.hold_keys().await?;
        let log = self.log_name();
        let written = self.database().write_recorded("append records", move |tx| {
            let pending = storage::audit::append(tx, &log, records.clone())?;
            ledger::enter(tx, &pending, &noted)?;
            Ok(((), pending))
        });
        let written: Result<_, Problem> = written.await;
        written.map(|((), appended)| appended)
    }
}

/// The records of all, and what the ledger is told of them by their new places.
fn joined(group: &[Waiting]) -> (Vec<NewRecord>, Vec<Noted>) {
    let (mut records, mut noted) = (Vec::new(), Vec::new());
    for one in group {
        let moved = one.noted.iter().map(|note| Noted {
            record: note.record + records.len(),
            ..note.clone()
        });
        noted.extend(moved);
        records.extend(one.records.iter().cloned());
    }
    (records, noted)
}

/// A caller that has gone away doesn't need the answer.
fn answer_each(group: Vec<Waiting>, appended: Vec<Appended>) {
    let mut appended = appended.into_iter();
    for one in group {
        let own = appended.by_ref().take(one.records.len()).collect();
        let _ = one.reply.send(Ok(own));
    }
}

fn fail(group: Vec<Waiting>, problem: &Problem) {
    for one in group {
        let _ = one.reply.send(Err(problem.clone()));
    }
}
