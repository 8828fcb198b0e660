//! Measures what the gateway costs: an answer that is passed on, one that is decided and recorded as well, and one that is filtered too.
//!
//! Started by `bench/gateway`; what is measured and how is said in docs/guides/benchmarks.md. Upstream, proxies and callers each run on a
//! thread of their own, whose processor time the kernel tells in nanoseconds; what else the program used is our own database.

mod callers;
mod house;
mod pass;
mod threads;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;

use bench::figure::{Against, Figures};
use clap::Parser;

use house::House;
use threads::Thread;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `bench/gateway` hands on.
#[derive(Parser)]
struct Arguments {
    /// How many calls in each series.
    #[arg(long, default_value_t = 20_000)]
    calls: u32,
    /// Where the figures are written.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Earlier figures to show beside the new ones.
    #[arg(long)]
    before: Option<PathBuf>,
}

/// Rounds of which the median counts, since others use the machine too.
const ROUNDS: usize = 5;

/// What runs where.
struct Stage {
    upstream: Thread,
    callers: Thread,
    proxy: Thread,
    passing: SocketAddr,
    gateway: SocketAddr,
    house: House,
}

/// What a call cost, in µs of processor time.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// Of the thread that stands between.
    own: f64,
    /// With our database.
    all: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut figures = Figures::new(arguments.before.as_deref());
    let stage = Stage::set().await?;
    for (size, name, aim) in [
        ("2", "2 KB", 10.0),
        ("50", "50 KB", 60.0),
        ("list", "50 KB, a list of 25", 60.0),
    ] {
        let [passed, recorded, filtered] = stage.measure(size, arguments.calls).await?;
        add(&mut figures, name, "passed on", passed);
        let of = "decided, recorded and filtered";
        add(&mut figures, name, of, filtered);
        // A list has no subject in its path, and so no document.
        if size != "list" {
            add(
                &mut figures,
                name,
                "decided and recorded, passed on",
                recorded,
            );
            let filter = filtered.own - recorded.own;
            figures.add(
                format!("{name}, the filter alone"),
                filter,
                UNIT,
                Against::default(),
            );
        }
        let aim = Against {
            aim: Some(aim),
            ..Against::default()
        };
        let more = filtered.own - passed.own;
        figures.add(
            format!("{name}, more than passed on: the proxy's thread"),
            more,
            UNIT,
            aim,
        );
    }
    figures.print()?;
    match &arguments.out {
        Some(out) => figures.save(out),
        None => Ok(()),
    }
}

const UNIT: &str = "µs of CPU";

fn add(figures: &mut Figures, name: &str, what: &str, cost: Cost) {
    let none = Against::default();
    figures.add(
        format!("{name}, {what}: the proxy's thread"),
        cost.own,
        UNIT,
        none,
    );
    figures.add(
        format!("{name}, {what}: with our database"),
        cost.all,
        UNIT,
        none,
    );
}

impl Stage {
    async fn set() -> anyhow::Result<Self> {
        let upstream = Thread::start("upstream")?;
        let callers = Thread::start("callers")?;
        let proxy = Thread::start("proxy")?;
        let address = upstream::start(&upstream).await?;
        let house = House::start(address).await?;
        Ok(Self {
            passing: pass::start(&proxy, address).await?,
            gateway: house.serve(&proxy).await?,
            upstream,
            callers,
            proxy,
            house,
        })
    }

    /// What a call costs that is passed on; decided, recorded and passed on as a document; decided, recorded and filtered.
    async fn measure(&self, size: &str, calls: u32) -> anyhow::Result<[Cost; 3]> {
        let series = [
            (self.passing, format!("/plain/{size}")),
            (self.gateway, format!("/documents/{size}/7")),
            (self.gateway, format!("/customers/{size}/7")),
        ];
        let mut costs: [Vec<Cost>; 3] = Default::default();
        for _ in 0..ROUNDS {
            for ((address, path), costs) in series.iter().zip(&mut costs) {
                costs.push(self.cost(*address, path, calls).await?);
            }
        }
        Ok(costs.map(|costs| Cost {
            own: median(costs.iter().map(|cost| cost.own).collect()),
            all: median(costs.iter().map(|cost| cost.all).collect()),
        }))
    }

    async fn cost(&self, address: SocketAddr, path: &str, calls: u32) -> anyhow::Result<Cost> {
        let before = self.reading()?;
        callers::call(&self.callers, address, path, &self.house.key, calls).await?;
        let after = self.reading()?;
        Ok(Cost {
            own: (after.own - before.own) / f64::from(calls),
            all: (after.all - before.all) / f64::from(calls),
        })
    }

    /// What was used so far; callers and upstream are nobody's cost.
    fn reading(&self) -> anyhow::Result<Cost> {
        let others = self.callers.cpu_us()? + self.upstream.cpu_us()?;
        Ok(Cost {
            own: self.proxy.cpu_us()?,
            all: threads::process_cpu_us()? - others,
        })
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
