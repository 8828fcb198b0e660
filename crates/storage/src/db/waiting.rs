//! Transactions in a writer's queue: each is run together with those that wait beside it, and answered after their commit.

use tokio::sync::oneshot;

use super::transaction::{Attempt, Tx};
use crate::error::Error;

/// A transaction in the queue, its closure's types hidden.
pub(super) trait Waiting: Send {
    /// Runs the closure and keeps its result.
    fn run(&mut self, tx: &mut Tx) -> Ran;
    /// Tells the caller: the closure's own result when the commit held, else the commit's error.
    fn answer(self: Box<Self>, commit: Result<(), Error>);
}

/// What a closure's run came to.
pub(super) enum Ran {
    Done,
    Failed,
    /// Failed, but another run may succeed.
    Again,
}

pub(super) struct Pending<F, T, E> {
    name: &'static str,
    closure: F,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Pending<F, T, E> {
    pub(super) const fn new(
        name: &'static str,
        closure: F,
        reply: oneshot::Sender<Result<T, E>>,
    ) -> Self {
        Self {
            name,
            closure,
            result: None,
            reply,
        }
    }
}

impl<F, T, E> Waiting for Pending<F, T, E>
where
    F: Fn(&mut Tx) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, tx: &mut Tx) -> Ran {
        let (ran, result) = match tx.attempt(self.name, &self.closure) {
            Attempt::Done(value) => (Ran::Done, Ok(value)),
            Attempt::Failed(error) => (Ran::Failed, Err(error)),
            Attempt::Again(error) => (Ran::Again, Err(error)),
        };
        self.result = Some(result);
        ran
    }

    fn answer(self: Box<Self>, commit: Result<(), Error>) {
        let Self {
            name,
            closure,
            result,
            reply,
        } = *self;
        // While the caller still holds what it shares with the closure: freeing a large batch is not the writer's work.
        drop(closure);
        let result = match commit {
            Ok(()) => result.unwrap_or_else(|| Err(Error::Closed.into())),
            Err(error) => Err(of(name, error).into()),
        };
        // A caller that has gone away doesn't need the answer.
        let _ = reply.send(result);
    }
}

/// What went wrong for a group went wrong for each member by its own name.
fn of(name: &str, error: Error) -> Error {
    let transaction = name.to_owned();
    match error {
        Error::CommitUnknown { .. } => Error::CommitUnknown { transaction },
        Error::Busy { .. } => Error::Busy { transaction },
        other => other,
    }
}
