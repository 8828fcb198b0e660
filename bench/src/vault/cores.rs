//! Work on one core alone, as on a machine that has no other: for figures that say what one core does.

use std::process::Command;

use anyhow::{Context as _, ensure};

/// Does this with every thread of ours on one core, and one thread for tasks, as there is one where there is one core.
pub(crate) async fn on_one(
    work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").context("reading our status")?;
    let mut lines = status.lines();
    let allowed = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let allowed = allowed.context("the kernel does not say which cores are allowed")?;
    let last = allowed.rsplit([',', '-']).next().unwrap_or(allowed);
    allow(last.trim())?;
    let done = tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let task = runtime.spawn(work);
        runtime.block_on(task)?
    });
    let done = done.await?;
    allow(allowed.trim())?;
    done
}

/// By util-linux, which every Debian has: the threads that there are, and those that they start.
fn allow(cores: &str) -> anyhow::Result<()> {
    let own = std::process::id().to_string();
    let done = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", cores, &own])
        .output();
    let done = done.context("running taskset; install util-linux")?;
    ensure!(
        done.status.success(),
        "taskset: {}",
        String::from_utf8_lossy(&done.stderr).trim()
    );
    Ok(())
}
