//! Measures privacy requests end to end on a shop in PostgreSQL, and fails unless every one of them was answered right.
//!
//! Started by `bench/privacy_requests`; what is measured and how is said in docs/guides/benchmarks.md.

mod house;
mod mailbox;
mod run;
mod shop;

use std::path::PathBuf;

use anyhow::Context as _;
use bench::figure::Figures;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `bench/privacy_requests` hands on.
#[derive(Parser)]
struct Arguments {
    /// A superuser's URL on a throwaway PostgreSQL server, without the database: postgresql://name@host:port
    #[arg(long)]
    postgres: String,
    /// The process id of that server's postmaster, whose processor time is counted.
    #[arg(long)]
    postgres_pid: u32,
    /// Sizes of the shop.
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000])]
    customers: Vec<u64>,
    /// Privacy requests of each kind, each way.
    #[arg(long, default_value_t = 1_000)]
    requests: u64,
    /// A tenth of the rows that the largest subject has; 0 leaves her out.
    #[arg(long, default_value_t = 100_000)]
    whale: u64,
    /// Only series whose name holds this, e.g. `delete, in batches`: to look closer at one of them.
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
    let mailbox = mailbox::Mailbox::start()?;
    let mut figures = Figures::new(arguments.before.as_deref());
    for (place, customers) in arguments.customers.iter().enumerate() {
        let whale = if place == 0 { arguments.whale } else { 0 };
        let plan = run::Plan {
            customers: *customers,
            requests: arguments.requests,
            whale,
            series: &arguments.series,
        };
        let place = run::Place {
            postgres: &arguments.postgres,
            postgres_pid: arguments.postgres_pid,
            mailbox: &mailbox,
        };
        run::run(&place, &plan, &mut figures)
            .await
            .with_context(|| format!("with {customers} customers"))?;
    }
    figures.print()?;
    match &arguments.out {
        Some(out) => figures.save(out),
        None => Ok(()),
    }
}
