//! Records that wait at the same time share one transaction: disclosures come by the thousand a second, each must be durable before
//! anything opens, and one commit serves all that wait for it (docs/decisions/003-audit-log.md). What recipients ask is decided here, too,
//! for all that wait (docs/decisions/022-decided-together.md).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::audit::{Appended, NewRecord};
use storage::Tx;
use storage::ledger::{self, Noted};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::disclosure::{Decisions, Found, Undecided, find_for};
use crate::{Privity, Problem};

/// Callers in one transaction, at most: as many as SQLite commits together.
const GROUP: usize = 256;

/// Records in one transaction, at most, unless one caller alone has more: those who wait behind it should not wait for long.
const MOST_RECORDS: usize = 1024;

/// Where so many came together in one transaction, the next one waits a moment for more of them: every commit costs a wait for the disk,
/// and each reader of SQLite the pages that it knew.
const MANY: usize = 8;
/// About as long as the disk takes.
const MOMENT: Duration = Duration::from_millis(3);

/// What somebody wants recorded.
#[derive(Clone)]
enum Work {
    Records(Made),
    /// Decided before they are recorded.
    Decisions(Arc<Undecided>),
}

/// Records, and what the ledger of disclosures is told of them by their places among them.
#[derive(Clone, Default)]
struct Made {
    records: Vec<NewRecord>,
    noted: Vec<Noted>,
}

impl Work {
    fn count(&self) -> usize {
        match self {
            Self::Records(made) => made.records.len(),
            Self::Decisions(undecided) => undecided.count(),
        }
    }

    fn undecided(&self) -> Option<&Undecided> {
        match self {
            Self::Records(_) => None,
            Self::Decisions(undecided) => Some(undecided),
        }
    }
}

/// What came of it: the proofs of its records, and the decisions.
struct Done {
    appended: Vec<Appended>,
    decisions: Option<Decisions>,
}

type Answer = Result<Done, Problem>;

/// Who waits for the next transaction, and whether somebody is writing one.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    is_served: bool,
}

struct Waiting {
    work: Work,
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
        let mut records = 0;
        let fits = queue.waiting.iter().take(GROUP).take_while(|one| {
            let is_first = records == 0;
            records += one.work.count();
            is_first || records <= MOST_RECORDS
        });
        let size = fits.count();
        let rest = queue.waiting.split_off(size);
        Some(std::mem::replace(&mut queue.waiting, rest))
    }
}

impl Privity {
    /// Appends records that come without a change of their own; answers when they are durable. A caller that goes away keeps nobody
    /// waiting: the queue is served by a task of its own.
    pub(crate) async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>, Problem> {
        let made = Made {
            records,
            ..Made::default()
        };
        Ok(self.join(Work::Records(made)).await?.appended)
    }

    /// Decides what a recipient asks and appends its records, whatever the decisions are, with what the ledger of disclosures is told of them: both
    /// are durable together, or neither is.
    ///
    /// # Errors
    /// [`Problem`] when our database or the keys don't answer; then nothing is decided.
    pub(crate) async fn decide_and_append(
        &self,
        undecided: Arc<Undecided>,
    ) -> Result<(Decisions, Vec<Appended>), Problem> {
        if self.database().reads_few_here() {
            let works: Arc<[Work]> = [Work::Decisions(undecided)].into();
            let (made, mut parts) = self.make(works).await?;
            let decisions = parts.pop().and_then(|(decisions, _)| decisions);
            let done = self.join(Work::Records(made)).await?;
            return Ok((decisions.ok_or_else(nothing_came_back)?, done.appended));
        }
        let done = self.join(Work::Decisions(undecided)).await?;
        let decisions = done.decisions.ok_or_else(nothing_came_back)?;
        Ok((decisions, done.appended))
    }

    async fn join(&self, work: Work) -> Answer {
        // A thread with a runtime of its own, like the worker's, is one caller: it has nobody to share with, and its runtime may end
        // while others wait.
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            return self.append_one(work).await;
        }
        let (reply, answer) = oneshot::channel();
        if self.recorder().join(Waiting { work, reply }) {
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
            let (works, replies): (Vec<_>, Vec<_>) =
                group.into_iter().map(|one| (one.work, one.reply)).unzip();
            let works: Arc<[Work]> = works.into();
            match self.append_together(Arc::clone(&works)).await {
                Ok(done) => answer_each(replies, done),
                Err(problem) if replies.len() == 1 => fail(replies, &problem),
                // One that can't be written must not hold up the others.
                Err(_) => self.append_one_by_one(&works, replies).await,
            }
        }
    }

    async fn append_one_by_one(&self, works: &[Work], replies: Vec<oneshot::Sender<Answer>>) {
        for (work, reply) in works.iter().zip(replies) {
            // A caller that has gone away doesn't need the answer.
            let _ = reply.send(self.append_one(work.clone()).await);
        }
    }

    async fn append_one(&self, work: Work) -> Answer {
        let done = self.append_together([work].into()).await?;
        done.into_iter().next().ok_or_else(nothing_came_back)
    }

    async fn append_together(&self, works: Arc<[Work]>) -> Result<Vec<Done>, Problem> {
        self.hold_keys().await?;
        let (Made { records, noted }, parts) = self.make(works).await?;
        let log = self.log_name();
        let written = self.database().write_recorded("append records", move |tx| {
            let pending = storage::audit::append(tx, &log, records.clone())?;
            ledger::enter(tx, &pending, &noted)?;
            Ok(((), pending))
        });
        let written: Result<_, Problem> = written.await;
        let mut appended = written?.1.into_iter();
        let done = parts.into_iter().map(|(decisions, count)| Done {
            appended: appended.by_ref().take(count).collect(),
            decisions,
        });
        Ok(done.collect())
    }

    /// Decides what is to be decided, from one unchanging state of our database, and joins the records of all.
    async fn make(&self, works: Arc<[Work]>) -> Result<(Made, Vec<Part>), Problem> {
        if works.iter().all(|work| work.undecided().is_none()) {
            return Ok(joined(self, &works, Vec::new()));
        }
        let inside = self.clone();
        let make = move |tx: &mut Tx| {
            let undecided: Vec<_> = works.iter().filter_map(Work::undecided).collect();
            let found = find_for(&inside, tx, &undecided)?;
            Ok(joined(&inside, &works, found))
        };
        self.read_few("decide for recipients", make).await
    }
}

/// Of one caller among others: its decisions, and how many of the records are its own.
type Part = (Option<Decisions>, usize);

/// `found` is what was found for those that are to be decided, in their order.
fn joined(p: &Privity, works: &[Work], found: Vec<Vec<Found>>) -> (Made, Vec<Part>) {
    let Made {
        mut records,
        mut noted,
    } = Made::default();
    let mut found = found.into_iter();
    let parts = works.iter().map(|work| {
        let before = records.len();
        let decisions = match work {
            Work::Records(own) => {
                let moved = own.noted.iter().map(|note| Noted {
                    record: note.record + before,
                    ..note.clone()
                });
                noted.extend(moved);
                records.extend(own.records.iter().cloned());
                None
            }
            Work::Decisions(undecided) => {
                let found = found.next().unwrap_or_default();
                Some(undecided.decide(p, found, &mut records, &mut noted))
            }
        };
        (decisions, records.len() - before)
    });
    let parts = parts.collect();
    (Made { records, noted }, parts)
}

fn answer_each(replies: Vec<oneshot::Sender<Answer>>, done: Vec<Done>) {
    for (reply, done) in replies.into_iter().zip(done) {
        let _ = reply.send(Ok(done));
    }
}

fn fail(replies: Vec<oneshot::Sender<Answer>>, problem: &Problem) {
    for reply in replies {
        let _ = reply.send(Err(problem.clone()));
    }
}

fn nothing_came_back() -> Problem {
    Problem::internal("recording this", &"nothing came back")
}
