//! What the work cost: processor time of our process and of PostgreSQL's, memory, and transactions of our own that wrote.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// The kernel tells processor time in hundredths of a second.
const TICK_MS: f64 = 10.0;

static WRITES: AtomicU64 = AtomicU64::new(0);

/// Counts the transactions that storage tells of, and shows warnings.
pub fn count_transactions() {
    let warnings = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(LevelFilter::WARN);
    let writes = Writes.with_filter(Targets::new().with_target("storage::db", LevelFilter::DEBUG));
    tracing_subscriber::registry()
        .with(warnings)
        .with(writes)
        .init();
}

struct Writes;

impl<S: tracing::Subscriber> Layer<S> for Writes {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut IsWrite);
    }
}

struct IsWrite;

impl Visit for IsWrite {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "transaction.access" && value == "write" {
            WRITES.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// What to measure besides this process.
#[derive(Clone, Copy)]
pub struct Meter {
    /// The postmaster.
    pub postgres_pid: u32,
    /// A thread that is nobody's cost but the benchmark's, such as the one that plays the mail server.
    pub own_thread: Option<u32>,
}

/// A reading.
#[derive(Clone, Copy)]
pub struct Reading {
    at: Instant,
    own_ms: f64,
    postgres_ms: f64,
    writes: u64,
}

/// What a piece of work cost.
#[derive(Clone, Copy)]
pub struct Cost {
    /// By the clock.
    pub wall_seconds: f64,
    /// Processor time of our process.
    pub own_ms: f64,
    /// Processor time of PostgreSQL's processes.
    pub postgres_ms: f64,
    /// Transactions of our own that wrote.
    pub writes: u64,
    /// The most memory that our process had.
    pub peak_mib: f64,
}

impl Meter {
    /// Begins to measure; the peak of memory starts anew.
    pub fn begin(self) -> anyhow::Result<Reading> {
        // 5: forget the peak of resident memory (proc(5), clear_refs).
        std::fs::write("/proc/self/clear_refs", "5").context("resetting the peak of memory")?;
        self.read()
    }

    /// What was used since.
    pub fn end(self, begin: Reading) -> anyhow::Result<Cost> {
        let end = self.read()?;
        Ok(Cost {
            wall_seconds: (end.at - begin.at).as_secs_f64(),
            own_ms: end.own_ms - begin.own_ms,
            postgres_ms: end.postgres_ms - begin.postgres_ms,
            writes: end.writes - begin.writes,
            peak_mib: peak_mib()?,
        })
    }

    fn read(self) -> anyhow::Result<Reading> {
        let own = ticks(Path::new("/proc/self/stat"), Times::Own)?;
        let not_ours = self.own_thread.map_or(Ok(0.0), |thread| {
            let stat = format!("/proc/self/task/{thread}/stat");
            ticks(Path::new(&stat), Times::Own)
        })?;
        Ok(Reading {
            at: Instant::now(),
            own_ms: (own - not_ours) * TICK_MS,
            postgres_ms: self.postgres_ticks()? * TICK_MS,
            writes: WRITES.load(Ordering::Relaxed),
        })
    }

    /// The postmaster, its children that live, and through it those that have ended.
    fn postgres_ticks(self) -> anyhow::Result<f64> {
        let mut sum = ticks(
            Path::new(&format!("/proc/{}/stat", self.postgres_pid)),
            Times::WithEndedChildren,
        )?;
        for child in children(self.postgres_pid)? {
            // It may end while we look.
            let stat = format!("/proc/{child}/stat");
            sum += ticks(Path::new(&stat), Times::Own).unwrap_or(0.0);
        }
        Ok(sum)
    }
}

/// The processes that a process started and that live.
pub fn children(of: u32) -> anyhow::Result<Vec<u32>> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc")?.filter_map(Result::ok) {
        if parent(&process.path().join("stat")) == Some(of) {
            let name = process.file_name();
            found.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
        }
    }
    Ok(found)
}

#[derive(Clone, Copy, PartialEq)]
enum Times {
    Own,
    WithEndedChildren,
}

/// The fields of proc(5)'s `stat` behind the name, from the state on.
fn fields(stat: &Path) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(stat).ok()?;
    Some(
        text.rsplit_once(')')?
            .1
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
    )
}

fn parent(stat: &Path) -> Option<u32> {
    fields(stat)?.get(1)?.parse().ok()
}

fn ticks(stat: &Path, times: Times) -> anyhow::Result<f64> {
    let fields = fields(stat).with_context(|| format!("`{}` can't be read", stat.display()))?;
    let last = if times == Times::Own { 13 } else { 15 };
    let times = fields
        .get(11..last)
        .context("a line of proc has too few fields")?;
    times.iter().map(|ticks| Ok(ticks.parse::<f64>()?)).sum()
}

fn peak_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1_024.0)
}
