//! PostgreSQL and what speaks its protocol: a pool of connections; each transaction's closure runs on a blocking thread.

mod session;
mod statement;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime,
};
use tokio::runtime::Handle;

pub(super) use session::Session;
use statement::connection_error;

use super::dialect::Rewritten;
use super::target::Server;
use super::transaction::{Attempt, Connection, Failure, Tx};
use super::{Access, retry, tls};
use crate::error::Error;

const CONNECTIONS: usize = 16;

/// What holds on every connection.
const SESSION: &str = "SET synchronous_commit = on; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off";

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
    name: String,
    pool: Pool,
    rewritten: Arc<Rewritten>,
}

impl Postgres {
    pub(super) async fn open(server: Server) -> Result<Self, Error> {
        let tls = tls::connector(&server)?;
        let config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(server.config, tls, config);
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
            .max_size(CONNECTIONS)
            .wait_timeout(Some(POOL_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .post_create(durable)
            .build()
            .map_err(|error| Error::Unreachable {
                target: server.name.clone(),
                reason: error.to_string(),
            })?;
        let postgres = Self {
            name: server.name,
            pool,
            rewritten: Arc::new(Rewritten::for_postgres()),
        };
        postgres
            .session(Access::Read)
            .await
            .map_err(|failure| failure.error)?;
        Ok(postgres)
    }

    pub(super) fn target(&self) -> String {
        self.name.clone()
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
        let session = match self.session(access).await {
            Ok(session) => session,
            Err(Failure {
                error,
                passing: true,
            }) => return Ok((closure, Attempt::Again(error.into()))),
            Err(Failure { error, .. }) => return Err(error.into()),
        };
        let work = move || {
            let mut tx = Tx::new(Connection::Postgres(session));
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

    async fn session(&self, access: Access) -> Result<Session, Failure> {
        let lasting = |error| Failure {
            error,
            passing: false,
        };
        match self.pool.get().await {
            Ok(client) => Ok(Session::new(
                client,
                Handle::current(),
                access,
                Arc::clone(&self.rewritten),
                self.name.clone(),
            )),
            Err(
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)),
            ) => Err(connection_error(&self.name, &error)),
            Err(PoolError::Closed) => Err(lasting(Error::Closed)),
            Err(_) => {
                let reason = format!(
                    "all {CONNECTIONS} connections were in use for {} seconds",
                    POOL_TIMEOUT.as_secs()
                );
                Err(lasting(Error::Unreachable {
                    target: self.name.clone(),
                    reason,
                }))
            }
        }
    }

    pub(super) async fn scrub(&self) -> Result<(), Error> {
        let client = self.pool.get().await.map_err(|_| Error::Closed)?;
        for table in SCRUBBED {
            let vacuum = client.batch_execute(&format!("VACUUM {table}")).await;
            vacuum
                .map_err(|error| statement::failure("scrub", "vacuum", &self.name, &error).error)?;
        }
        Ok(())
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }
}

impl Tx {
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
