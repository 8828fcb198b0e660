//! Threads that each run one part, and what they cost: the kernel tells it in nanoseconds.

use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// A runtime of one worker, as the product's own with one core: what it costs is what all its threads cost.
pub(crate) struct Thread {
    pub(crate) handle: Handle,
    ids: Arc<Mutex<Vec<u32>>>,
    _stop: oneshot::Sender<()>,
}

impl Thread {
    pub(crate) fn start(name: &str) -> anyhow::Result<Self> {
        let ids = Arc::new(Mutex::new(Vec::new()));
        let started = Arc::clone(&ids);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            .on_thread_start(move || {
                if let (Some(id), Ok(mut ids)) = (own_id(), started.lock()) {
                    ids.push(id);
                }
            })
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name(format!("{name}'s end"))
            .spawn(move || {
                let _ = stopped.blocking_recv();
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            ids,
            _stop: stop,
        })
    }

    /// Processor time so far.
    pub(crate) fn cpu_us(&self) -> anyhow::Result<f64> {
        let ids = self.ids.lock();
        let ids = ids.map_err(|_| anyhow::anyhow!("a thread failed as it started"))?;
        let each = ids.iter();
        // A thread that ended took its figure with it; workers never end.
        let each = each.map(|id| run_us(&format!("/proc/self/task/{id}/schedstat")).unwrap_or(0.0));
        Ok(each.sum())
    }
}

fn own_id() -> Option<u32> {
    let link = std::fs::read_link("/proc/thread-self").ok()?;
    link.file_name()?.to_str()?.parse().ok()
}

/// Of the thread that asks.
pub(crate) fn own_cpu_us() -> anyhow::Result<f64> {
    run_us("/proc/thread-self/schedstat")
}

/// Of all threads of another process.
pub(crate) fn other_cpu_us(process: u32) -> anyhow::Result<f64> {
    cpu_us_of(&process.to_string())
}

/// Of all threads that are there now.
pub(crate) fn process_cpu_us() -> anyhow::Result<f64> {
    cpu_us_of("self")
}

fn cpu_us_of(process: &str) -> anyhow::Result<f64> {
    let mut all = 0.0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // One may end while we look.
        all += run_us(&task?.path().join("schedstat").display().to_string()).unwrap_or_default();
    }
    Ok(all)
}

fn run_us(path: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(path)?;
    let nanoseconds = text
        .split(' ')
        .next()
        .context("the kernel tells no processor time")?;
    Ok(nanoseconds.parse::<f64>()? / 1_000.0)
}
