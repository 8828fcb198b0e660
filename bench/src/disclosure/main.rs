//! Measures what stands between data and whoever asks for it: the decision, the governed read, the gateway, AuthZEN, the views of PostgreSQL.
//!
//! Started by `bench/disclosure`; what is measured and how is said in docs/guides/benchmarks.md. What is compared is compared in this one run; each
//! part runs on threads of its own, whose processor time the kernel tells in nanoseconds.

mod authzen;
mod callers;
mod decision;
mod floor;
mod gateway;
mod gateway_house;
mod house;
mod pass;
mod peer;
mod reads;
mod threads;
mod upstream;
mod views;
mod world;

use std::path::PathBuf;

use anyhow::Context as _;
use bench::figure::Figures;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `bench/disclosure` hands on.
#[derive(Parser)]
struct Arguments {
    /// A superuser's URL on a throwaway PostgreSQL server, without the database: postgresql://name@host:port
    #[arg(long)]
    postgres: String,
    /// The process id of that server's postmaster, whose processor time is counted.
    #[arg(long)]
    postgres_pid: u32,
    /// regorus as bench/peers builds it.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// nginx.
    #[arg(long)]
    nginx: Option<PathBuf>,
    /// Cerbos.
    #[arg(long)]
    cerbos: Option<PathBuf>,
    /// How many calls in each series.
    #[arg(long, default_value_t = 20_000)]
    calls: u32,
    /// How many profiles are there to be read.
    #[arg(long, default_value_t = 50_000)]
    profiles: usize,
    /// Only parts whose name holds this: decision, reads, gateway, authzen, views.
    #[arg(long, default_value = "")]
    part: String,
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
    let mut figures = Figures::new(arguments.before.as_deref());
    measure(&arguments, &mut figures).await?;
    figures.print()?;
    match &arguments.out {
        Some(out) => figures.save(out),
        None => Ok(()),
    }
}

async fn measure(arguments: &Arguments, figures: &mut Figures) -> anyhow::Result<()> {
    let wants = |part: &str| part.contains(&arguments.part);
    if wants("decision") {
        decision::measure(arguments.peers.as_deref(), figures).context("deciding")?;
    }
    if wants("reads") {
        reads_on_each_engine(arguments, figures).await?;
    }
    if wants("gateway") {
        let measured = gateway::measure(arguments.nginx.as_deref(), arguments.calls, figures);
        measured.await.context("the gateway")?;
    }
    if wants("authzen") {
        let measured = authzen::measure(arguments.cerbos.as_deref(), arguments.calls, figures);
        measured.await.context("AuthZEN")?;
    }
    if wants("views") {
        let measured = views::measure(
            &arguments.postgres,
            arguments.profiles,
            arguments.calls,
            figures,
        );
        measured.await.context("the views")?;
    }
    Ok(())
}

async fn reads_on_each_engine(arguments: &Arguments, figures: &mut Figures) -> anyhow::Result<()> {
    let postgres = format!("{}/bench_disclosure", arguments.postgres);
    for (engine, storage) in [("SQLite", None), ("PostgreSQL", Some(postgres.as_str()))] {
        let place = reads::Place {
            engine,
            storage,
            postmaster: storage.map(|_| arguments.postgres_pid),
            profiles: arguments.profiles,
            reads: arguments.calls,
        };
        if storage.is_some() {
            make_database(&arguments.postgres).await?;
        }
        let measured = reads::measure(&place, figures).await;
        measured.with_context(|| format!("reads on {engine}"))?;
    }
    Ok(())
}

async fn make_database(postgres: &str) -> anyhow::Result<()> {
    let url = format!("{postgres}/postgres");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    client
        .batch_execute("create database bench_disclosure")
        .await?;
    drop(client);
    Ok(connection.await??)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
