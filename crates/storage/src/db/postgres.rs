//! PostgreSQL and what speaks its protocol: a pool of connections; each transaction's closure runs on a blocking thread. Writes that
//! append to the audit log, which follow one another anyway, have a thread and a connection of their own and share commits.

mod copy;
mod session;
mod statement;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime,
};
use domain::audit::LogState;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use session::Runs;
pub(super) use session::Session;
use statement::connection_error;
use writer::{Message, Writer};

use super::dialect::Rewritten;
use super::target::Server;
use super::transaction::{Attempt, Connection, Failure, Tx};
use super::waiting::Pending;
use super::{Access, retry, tls};
use crate::error::Error;

/// For all but the recorded writes.
const CONNECTIONS: usize = 16;

/// What holds on every connection.
const SESSION: &str = "SET synchronous_commit = on; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off";

/// Recorded writes that may wait for the writer before callers have to wait for a place in the queue.
const QUEUE: usize = 1_024;
/// How long a transaction waits for a free connection.
const POOL_TIMEOUT: Duration = Duration::from_secs(30);

/// Tables from which keys and sealed bytes are deleted for good.
const SCRUBBED: [&str; 8] = [
    "privacy_request",
    "verification",
    "outreach",
    "attachment",
    "subject",
    "profile_segment",
    "identifier",
    "source_record",
];

pub(super) struct Postgres {
    connections: Connections,
    queue: mpsc::Sender<Message>,
}

/// Connections to one server, and the statements as it wants them.
struct Connections {
    target: String,
    pool: Pool,
    rewritten: Arc<Rewritten>,
}

impl Postgres {
    pub(super) async fn open(server: Server) -> Result<Self, Error> {
        let rewritten = Arc::new(Rewritten::for_postgres());
        let connections = Connections::new(&server, CONNECTIONS, Arc::clone(&rewritten))?;
        connections
            .session(Access::Read, Runs::Elsewhere(Handle::current()))
            .await
            .map_err(|failure| failure.error)?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (opened, answer) = oneshot::channel();
        let own = Connections::new(&server, 1, rewritten)?;
        let thread = std::thread::Builder::new().name("storage-writer".to_owned());
        // The writer's runtime may not be dropped on a thread of another one, so it is made where it ends.
        let started = thread.spawn(move || match Writer::new(own) {
            Ok(writer) => {
                let _ = opened.send(Ok(()));
                writer.serve(waiting);
            }
            Err(error) => drop(opened.send(Err(error))),
        });
        started.map_err(|error| connections.unreachable(error.to_string()))?;
        answer.await.unwrap_or(Err(Error::Closed))?;
        Ok(Self { connections, queue })
    }

    pub(super) fn target(&self) -> String {
        self.connections.target.clone()
    }

    /// A write that appends to the audit log, committed together with those that wait at the same time.
    pub(super) async fn write_together<T, E, F>(
        &self,
        name: &'static str,
        closure: F,
    ) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let pending = Pending::new(name, closure, reply);
        let message = Message::Transaction(Box::new(pending));
        if self.queue.send(message).await.is_err() {
            return Err(Error::Closed.into());
        }
        answer.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    pub(super) async fn run<T, E, F>(
        &self,
        name: &'static str,
        access: Access,
        mut closure: F,
    ) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let mut attempt = 1;
        loop {
            let outcome;
            (closure, outcome) = self.run_once(name, access, closure).await?;
            attempt += 1;
            match outcome {
                Attempt::Done(value) => return Ok(value),
                Attempt::Again(_) if attempt <= retry::ATTEMPTS => {
                    tokio::time::sleep(retry::pause(attempt)).await
                }
                Attempt::Failed(error) | Attempt::Again(error) => return Err(error),
            }
        }
    }

    /// One attempt. The closure goes to the blocking thread and comes back, so that it need not be shared between threads.
    async fn run_once<T, E, F>(
        &self,
        name: &'static str,
        access: Access,
        closure: F,
    ) -> Result<(F, Attempt<T, E>), E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let runs = Runs::Elsewhere(Handle::current());
        let session = match self.connections.session(access, runs).await {
            Ok(session) => session,
            Err(Failure {
                error,
                passing: true,
            }) => return Ok((closure, Attempt::Again(error.into()))),
            Err(Failure { error, .. }) => return Err(error.into()),
        };
        let work = move || {
            let mut tx = Tx::new(Connection::Postgres(Box::new(session)));
            let outcome = tx.attempt(name, &closure);
            let outcome = tx.end(name, outcome);
            (closure, outcome)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| {
            Error::Panicked {
                transaction: name.to_owned(),
            }
            .into()
        })
    }

    pub(super) async fn scrub(&self) -> Result<(), Error> {
        let Connections { pool, target, .. } = &self.connections;
        let client = pool.get().await.map_err(|_| Error::Closed)?;
        for table in SCRUBBED {
            let vacuum = client.batch_execute(&format!("VACUUM {table}")).await;
            vacuum.map_err(|error| statement::failure("scrub", "vacuum", target, &error).error)?;
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.connections.pool.close();
        let (reply, closed) = oneshot::channel();
        if self.queue.send(Message::Close(reply)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

impl Connections {
    fn new(server: &Server, most: usize, rewritten: Arc<Rewritten>) -> Result<Self, Error> {
        let tls = tls::connector(server)?;
        let config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(server.config.clone(), tls, config);
        // The server's default may be weaker; an acknowledged write of ours is on its disk. Rows are found by keys, whatever the values:
        // a plan for each statement and not for each run of it, since planning costs more than most of our reads; and by their index, since
        // a new table passes for a tiny one until the server has looked at it, and would be read whole for each row that is wanted.
        let durable = Hook::async_fn(|client, _| {
            Box::pin(async move {
                client
                    .batch_execute(SESSION)
                    .await
                    .map_err(HookError::Backend)
            })
        });
        let pool = Pool::builder(manager)
            .max_size(most)
            .wait_timeout(Some(POOL_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .post_create(durable)
            .build()
            .map_err(|error| Error::Unreachable {
                target: server.name.clone(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            target: server.name.clone(),
            pool,
            rewritten,
        })
    }

    async fn session(&self, access: Access, runs: Runs) -> Result<Session, Failure> {
        let lasting = |error| Failure {
            error,
            passing: false,
        };
        match self.pool.get().await {
            Ok(client) => Ok(Session::new(
                client,
                runs,
                access,
                Arc::clone(&self.rewritten),
                self.target.clone(),
            )),
            Err(
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)),
            ) => Err(connection_error(&self.target, &error)),
            Err(PoolError::Closed) => Err(lasting(Error::Closed)),
            Err(_) => {
                let reason = format!(
                    "all {CONNECTIONS} connections were in use for {} seconds",
                    POOL_TIMEOUT.as_secs()
                );
                Err(lasting(self.unreachable(reason)))
            }
        }
    }

    fn unreachable(&self, reason: String) -> Error {
        Error::Unreachable {
            target: self.target.clone(),
            reason,
        }
    }
}

impl Tx {
    /// The end of the log that this transaction holds already, as it was last told ([`Tx::holds_log`]): nobody else can have moved it.
    /// SQLite is asked again, which costs next to nothing there.
    pub(crate) fn held_log(&mut self, log: &str) -> Option<LogState> {
        let Connection::Postgres(session) = &mut self.connection else {
            return None;
        };
        session.log_end().clone().filter(|state| state.log == log)
    }

    /// To be told whenever the transaction has read the end of a log and holds it, or has moved it.
    pub(crate) fn holds_log(&mut self, state: &LogState) {
        if let Connection::Postgres(session) = &mut self.connection {
            *session.log_end() = Some(state.clone());
        }
    }

    /// Commits what is to be kept, rolls back the rest, and gives the connection back.
    fn end<T, E: From<Error>>(self, name: &'static str, outcome: Attempt<T, E>) -> Attempt<T, E> {
        let Connection::Postgres(session) = self.connection else {
            return outcome;
        };
        let Attempt::Done(value) = outcome else {
            session.roll_back();
            return outcome;
        };
        match session.commit(name) {
            Ok(()) => Attempt::Done(value),
            Err(Failure {
                error,
                passing: true,
            }) => Attempt::Again(error.into()),
            Err(Failure { error, .. }) => Attempt::Failed(error.into()),
        }
    }
}
