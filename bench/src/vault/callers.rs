//! Callers of a web server: a task for each connection, on which the next call comes when the last one was answered.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

/// Callers at once.
pub(crate) const CALLERS: usize = 256;

/// All calls, by many callers at once.
pub(crate) async fn all_at_once<T, F>(
    calls: impl Iterator<Item = F> + Send + 'static,
) -> anyhow::Result<()>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let calls = Arc::new(Mutex::new(calls));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let calls = Arc::clone(&calls);
        callers.spawn(async move {
            loop {
                let next = calls.lock().unwrap_or_else(PoisonError::into_inner).next();
                match next {
                    Some(call) => call.await?,
                    None => return anyhow::Ok(()),
                };
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    Ok(())
}
