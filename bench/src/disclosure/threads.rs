//! Threads that each run one part, and what they cost: the kernel tells it in nanoseconds.

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// A thread with a runtime of its own.
pub(crate) struct Thread {
    pub(crate) handle: Handle,
    id: u32,
    _stop: oneshot::Sender<()>,
}

impl Thread {
    pub(crate) fn start(name: &str) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let id = std::fs::read_link("/proc/thread-self")
                    .ok()
                    .and_then(|link| link.file_name()?.to_str()?.parse::<u32>().ok());
                let _ = tell.send(id);
                runtime.block_on(async {
                    let _ = stopped.await;
                });
            })?;
        let id = told
            .recv()?
            .context("the kernel does not tell a thread's number")?;
        Ok(Self {
            handle,
            id,
            _stop: stop,
        })
    }

    /// Processor time so far.
    pub(crate) fn cpu_us(&self) -> anyhow::Result<f64> {
        run_us(&format!("/proc/self/task/{}/schedstat", self.id))
    }
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
