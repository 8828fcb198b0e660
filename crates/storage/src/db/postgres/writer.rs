//! The writer thread: takes the recorded writes that wait, runs each in a savepoint of one transaction on its own connection, commits all
//! with one fsync, then answers them (docs/decisions/002-two-engines-one-sql.md).
//!
//! Each of them holds the audit log's one row until its commit, so that beside one another they would only wait: for one fsync each.
//!
//! Locks. A member keeps its row locks until the group commits, the log's row among them, while later members take theirs. Alone, a
//! recorded write takes the log last and so never closes a ring; a group can: another program's write holds a row and waits for the
//! log, which an earlier member holds, and a later member wants that row. Nor is a ring with an ordinary write ([`super::Postgres::run`])
//! impossible, which takes two rows in the other order than two members do. Both need the same row at the same moment, and PostgreSQL
//! finds them (after `deadlock_timeout`, a second): if it ends the other one's statement, that one tries again. If it ends the member's,
//! the member is undone, whereby it waits for nobody any more; the others commit and let go of all, and it runs again alone. Members of
//! one program never wait for each other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use super::session::Runs;
use super::{Connections, Session};
use crate::db::transaction::{Connection, Failure, Tx};
use crate::db::waiting::{Ran, Waiting};
use crate::db::{Access, Durable, retry};
use crate::error::Error;

/// Transactions in one commit, at most. PostgreSQL keeps 64 of a transaction's savepoints at hand; with more, every other session has to
/// look them up. And 64 already make the fsync the smallest part.
const GROUP: usize = 64;

/// After this time no further member joins: the first ones wait for their answer, and to share an fsync would gain nothing any more.
const LONGEST: Duration = Duration::from_millis(500);

pub(super) enum Message {
    Transaction(Box<dyn Waiting>),
    Close(oneshot::Sender<()>),
}

/// The thread's own runtime and connection: what PostgreSQL answers wakes nobody else.
pub(super) struct Writer {
    connections: Connections,
    runtime: Arc<Runtime>,
}

impl Writer {
    pub(super) fn new(connections: Connections) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| connections.unreachable(error.to_string()))?;
        Ok(Self {
            connections,
            runtime: Arc::new(runtime),
        })
    }

    /// The thread's whole life: until every sender is gone or someone closes.
    pub(super) fn serve(self, mut queue: mpsc::Receiver<Message>) {
        let mut messages = Vec::with_capacity(GROUP);
        while queue.blocking_recv_many(&mut messages, GROUP) > 0 {
            let (mut waiting, mut close) = (VecDeque::new(), None);
            for message in messages.drain(..) {
                match message {
                    Message::Transaction(member) => waiting.push_back(member),
                    Message::Close(reply) => close = Some(reply),
                }
            }
            self.write(waiting);
            if let Some(reply) = close {
                drop(self);
                let _ = reply.send(());
                return;
            }
        }
    }

    fn write(&self, mut waiting: VecDeque<Box<dyn Waiting>>) {
        while waiting.len() > 1 {
            let again = self.commit_together(&mut waiting);
            self.run_one_by_one(again);
        }
        self.run_one_by_one(waiting);
    }

    /// Runs and commits those in front, and answers each whose end is certain. The others are given back, with nothing of theirs kept.
    fn commit_together(
        &self,
        waiting: &mut VecDeque<Box<dyn Waiting>>,
    ) -> VecDeque<Box<dyn Waiting>> {
        let Ok(session) = self.session() else {
            // One by one, each of them tries harder and says what is wrong.
            return std::mem::take(waiting);
        };
        let mut tx = Tx::new(Connection::Postgres(Box::new(session.of_members())));
        let mut group = Group::default();
        let start = Instant::now();
        while start.elapsed() < LONGEST
            && let Some(member) = waiting.pop_front()
        {
            if group.run(&mut tx, member).is_err() {
                if let Connection::Postgres(session) = tx.connection {
                    session.roll_back();
                }
                tracing::warn!(
                    group.size = group.len(),
                    "recorded writes that shared a transaction lost it; each runs again alone"
                );
                return group.all();
            }
        }
        match tx.connection {
            Connection::Postgres(session) => group.answer(session.commit("group commit")),
            Connection::Sqlite(_) => group.all(),
        }
    }

    /// As any other transaction: in one of its own, again after a passing fault.
    fn run_one_by_one(&self, members: VecDeque<Box<dyn Waiting>>) {
        let mut unreachable = None;
        for mut member in members {
            // Where the server can't be reached, they need not find that out one after another.
            let outcome = unreachable
                .clone()
                .map_or_else(|| self.run_alone(&mut *member), Err);
            unreachable = outcome.clone().err().filter(is_unreachable);
            member.answer(outcome);
        }
    }

    fn run_alone(&self, member: &mut dyn Waiting) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            let outcome = self.try_alone(member);
            attempt += 1;
            match outcome {
                Ok(Ran::Again) | Err(Failure { passing: true, .. })
                    if attempt <= retry::ATTEMPTS =>
                {
                    retry::rest(attempt);
                }
                Ok(_) => return Ok(()),
                Err(failure) => return Err(failure.error),
            }
        }
    }

    /// Nobody else is in the transaction, so that it needs no savepoint.
    fn try_alone(&self, member: &mut dyn Waiting) -> Result<Ran, Failure> {
        let mut tx = Tx::new(Connection::Postgres(Box::new(self.session()?)));
        let ran = member.run(&mut tx);
        let Connection::Postgres(session) = tx.connection else {
            return Ok(ran);
        };
        match ran {
            Ran::Done => session.commit("group commit")?,
            Ran::Failed | Ran::Again => session.roll_back(),
        }
        Ok(ran)
    }

    fn session(&self) -> Result<Session, Failure> {
        let runs = Runs::Here(Arc::clone(&self.runtime));
        let session = self.connections.session(Access::Write(Durable::Now), runs);
        self.runtime.block_on(session)
    }
}

/// The members of one transaction, by what their runs came to.
#[derive(Default)]
struct Group {
    done: VecDeque<Box<dyn Waiting>>,
    failed: VecDeque<Box<dyn Waiting>>,
    again: VecDeque<Box<dyn Waiting>>,
}

impl Group {
    /// # Errors
    /// The whole transaction is lost.
    fn run(&mut self, tx: &mut Tx, mut member: Box<dyn Waiting>) -> Result<(), Failure> {
        let ran = member.run(tx);
        let place = match ran {
            Ran::Done => &mut self.done,
            Ran::Failed => &mut self.failed,
            Ran::Again => &mut self.again,
        };
        place.push_back(member);
        let Connection::Postgres(session) = &mut tx.connection else {
            return Ok(());
        };
        if matches!(ran, Ran::Done) {
            session.keep_member();
            return Ok(());
        }
        session.undo_member()
    }

    /// A commit that the server refused for a passing reason kept nothing. When it failed otherwise, only those that were to be kept are
    /// concerned; what the others met is no longer true, so that they have to look again.
    fn answer(mut self, commit: Result<(), Failure>) -> VecDeque<Box<dyn Waiting>> {
        let commit = match commit {
            Ok(()) => {
                self.done.append(&mut self.failed);
                Ok(())
            }
            Err(Failure { passing: true, .. }) => return self.all(),
            Err(failure) => Err(failure.error),
        };
        for member in std::mem::take(&mut self.done) {
            member.answer(commit.clone());
        }
        self.all()
    }

    fn len(&self) -> usize {
        self.done.len() + self.failed.len() + self.again.len()
    }

    fn all(mut self) -> VecDeque<Box<dyn Waiting>> {
        self.done.append(&mut self.failed);
        self.done.append(&mut self.again);
        self.done
    }
}

const fn is_unreachable(error: &Error) -> bool {
    matches!(
        error,
        Error::Unreachable { .. } | Error::WrongPassword { .. } | Error::NoSuchDatabase { .. }
    )
}
