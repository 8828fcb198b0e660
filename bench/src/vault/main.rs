//! Measures the vault on both engines, and fails unless what was written can be read back.
//!
//! Started by `bench/vault`; what is measured and how is said in docs/guides/benchmarks.md.

mod callers;
mod consents;
mod cores;
mod house;
mod people;
mod run;

use std::path::PathBuf;

use anyhow::Context as _;
use bench::figure::Figures;
use bench::meter::Meter;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `bench/vault` hands on.
#[derive(Parser)]
struct Arguments {
    /// A superuser's URL on a throwaway PostgreSQL server, without the database: postgresql://name@host:port
    #[arg(long)]
    postgres: String,
    /// The process id of that server's postmaster, whose processor time is counted.
    #[arg(long)]
    postgres_pid: u32,
    /// How many profiles.
    #[arg(long, default_value_t = 1_000_000)]
    profiles: u64,
    /// Only this engine: sqlite or postgres.
    #[arg(long)]
    engine: Option<String>,
    /// Only series whose name holds this; the import always runs.
    #[arg(long, default_value = "")]
    series: String,
    /// Where the figures are written.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Earlier figures to show beside the new ones.
    #[arg(long)]
    before: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    bench::meter::count_transactions();
    let mut figures = Figures::new(arguments.before.as_deref());
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("people.csv");
    people::write_csv(&file, arguments.profiles)?;
    for engine in ["SQLite", "PostgreSQL"] {
        let wanted = arguments.engine.as_deref();
        if wanted.is_some_and(|wanted| {
            !engine.eq_ignore_ascii_case(wanted) && !engine.to_ascii_lowercase().starts_with(wanted)
        }) {
            continue;
        }
        let place = run::Place {
            engine,
            postgres: &arguments.postgres,
            meter: Meter {
                postgres_pid: arguments.postgres_pid,
                own_thread: None,
            },
            people: &file,
            profiles: arguments.profiles,
            series: &arguments.series,
        };
        run::run(&place, &mut figures)
            .await
            .with_context(|| format!("on {engine}"))?;
    }
    figures.print()?;
    match &arguments.out {
        Some(out) => figures.save(out),
        None => Ok(()),
    }
}
