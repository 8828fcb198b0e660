//! One size of the shop: everybody asks, everything is measured, and in the end everything is counted.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::ensure;
use domain::privacy_request::RequestKind;
use governance::privacy_request::intake::Received;

use crate::house::House;
use crate::mailbox::Mailbox;
use crate::shop::{ROWS_EACH, Shop};
use bench::figure::{Against, Figures, Peer};
use bench::meter::{Cost, Meter};

/// Where it runs.
pub(crate) struct Place<'a> {
    /// The server's URL without a database.
    pub(crate) postgres: &'a str,
    /// Its postmaster.
    pub(crate) postgres_pid: u32,
    /// Where mail goes.
    pub(crate) mailbox: &'a Mailbox,
}

/// How much of it runs.
pub(crate) struct Plan<'a> {
    pub(crate) customers: u64,
    /// Of each kind, each way.
    pub(crate) requests: u64,
    /// A tenth of the largest subject's rows.
    pub(crate) whale: u64,
    /// A part of the names of the series that run.
    pub(crate) series: &'a str,
}

/// How the privacy requests come.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Alone,
    Batch,
}

/// What one round of a series came to.
struct Outcome {
    cost: Cost,
    /// Milliseconds from asking until the subject was told, by privacy request, in order of size.
    times_ms: Vec<f64>,
}

/// Runs everything over one shop.
pub(crate) async fn run(
    place: &Place<'_>,
    plan: &Plan<'_>,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    say(&format!("making a shop of {} customers", plan.customers))?;
    let shop = Shop::make(place.postgres, plan.customers).await?;
    let dir = tempfile::tempdir()?;
    let house = House::start(dir.path(), &shop.url, place.mailbox.port).await?;
    let bench = Bench {
        house,
        shop,
        meter: Meter {
            postgres_pid: place.postgres_pid,
            own_thread: Some(place.mailbox.thread),
        },
        mailbox: place.mailbox,
    };
    bench.all(plan, figures).await
}

struct Bench<'a> {
    house: House,
    shop: Shop,
    meter: Meter,
    mailbox: &'a Mailbox,
}

impl Bench<'_> {
    async fn all(&self, plan: &Plan<'_>, figures: &mut Figures) -> anyhow::Result<()> {
        let chosen = choose(plan);
        ensure!(
            chosen.len() as u64 == wanted(plan),
            "the shop is too small for {} privacy requests of each kind",
            plan.requests
        );
        let (warm, chosen) = chosen.split_at(WARM as usize);
        let series = series(plan, chosen);
        let deleted = series.iter().filter(|one| one.kind == RequestKind::Delete);
        let deleted = deleted.flat_map(|one| one.rounds.iter().flatten());
        let gone: Vec<i64> = deleted.chain(warm).copied().collect();
        ensure!(
            self.shop.rows_of(&gone).await? == gone.len() as u64 * ROWS_EACH,
            "the shop is not as it was meant"
        );
        let others = self.shop.others(&gone).await?;

        // The first ones prepare statements and read catalogues; a program that runs for months does that once.
        self.series(RequestKind::Delete, Way::Alone, warm).await?;
        let mut outcomes: Vec<Vec<Outcome>> = series.iter().map(|_| Vec::new()).collect();
        for round in 0..ROUNDS {
            for (one, outcomes) in series.iter().zip(&mut outcomes) {
                let who = one.rounds.get(round).map_or(&[][..], Vec::as_slice);
                say(&format!(
                    "{}: round {} of {ROUNDS}, {} privacy requests",
                    one.name,
                    round + 1,
                    who.len()
                ))?;
                outcomes.push(self.series(one.kind, one.way, who).await?);
            }
        }
        for (one, outcomes) in series.iter().zip(&outcomes) {
            report(figures, one, outcomes);
        }
        say("counting what is left")?;
        self.shop.check_erased(&gone, &others).await?;
        if plan.whale > 0 {
            self.whale(plan.whale, figures, &gone, &others).await
        } else {
            Ok(())
        }
    }

    /// A series of privacy requests, measured and checked.
    async fn series(&self, kind: RequestKind, way: Way, who: &[i64]) -> anyhow::Result<Outcome> {
        let (mails, begin) = (self.mailbox.taken(), self.meter.begin()?);
        let (received, mut times_ms) = if way == Way::Alone {
            self.alone(kind, who).await?
        } else {
            (self.together(kind, who).await?, Vec::new())
        };
        let cost = self.meter.end(begin)?;
        let mails = self.mailbox.taken() - mails;
        ensure!(
            mails == 2 * who.len() as u64,
            "{mails} mails left instead of two for each privacy request"
        );

        let begun = received
            .iter()
            .map(|(_, begun)| *begun)
            .fold(f64::INFINITY, f64::min);
        let mut asked = Vec::with_capacity(received.len());
        for ((received, _), customer) in received.into_iter().zip(who) {
            let closed = self.house.check_fulfilled(received.id, ROWS_EACH).await?;
            if way == Way::Batch {
                times_ms.push(closed - begun);
            }
            asked.push((received, *customer));
        }
        if kind == RequestKind::KnowSpecific {
            self.house.check_packages(&asked, ROWS_EACH).await?;
        }
        times_ms.sort_by(f64::total_cmp);
        Ok(Outcome { cost, times_ms })
    }

    async fn alone(
        &self,
        kind: RequestKind,
        who: &[i64],
    ) -> anyhow::Result<(Vec<(Received, f64)>, Vec<f64>)> {
        let (mut received, mut times_ms) = (Vec::new(), Vec::new());
        for customer in who {
            let begin = Instant::now();
            received.push((self.house.ask(kind, *customer).await?, now_ms()));
            self.house.work().await?;
            times_ms.push(begin.elapsed().as_secs_f64() * 1_000.0);
        }
        Ok((received, times_ms))
    }

    async fn together(
        &self,
        kind: RequestKind,
        who: &[i64],
    ) -> anyhow::Result<Vec<(Received, f64)>> {
        let begun = now_ms();
        let received = self.house.ask_all(kind, who).await?;
        self.house.work().await?;
        Ok(received
            .into_iter()
            .map(|received| (received, begun))
            .collect())
    }

    /// One subject with a million rows: her package, then her erasure.
    async fn whale(
        &self,
        scale: u64,
        figures: &mut Figures,
        gone: &[i64],
        others: &[(i64, String)],
    ) -> anyhow::Result<()> {
        let number = i64::try_from(self.shop.add_whale(scale).await?)?;
        let rows = scale * 10 + 2;
        say(&format!("one subject with {rows} rows"))?;
        let begin = self.meter.begin()?;
        let received = self.house.ask(RequestKind::KnowSpecific, number).await?;
        self.house.work().await?;
        let cost = self.meter.end(begin)?;
        self.house.check_fulfilled(received.id, rows).await?;
        let name = |what: &str| format!("a subject with {} rows: {what}", scale * 10);
        figures.add(
            name("access package, peak memory"),
            cost.peak_mib,
            "MiB",
            Against {
                aim: Some(256.0),
                ..Against::default()
            },
        );
        figures.add(
            name("access package"),
            cost.wall_seconds,
            "s",
            Against::default(),
        );
        figures.add(
            name("access package, CPU, ours and PostgreSQL's"),
            (cost.own_ms + cost.postgres_ms) / 1_000.0,
            "s of CPU",
            Against::default(),
        );
        figures.add(
            name("access package, size"),
            self.house.package_mib(&received).await?,
            "MiB",
            Against::default(),
        );

        let (cost, longest_ms) = self.erase_whale(number, rows).await?;
        figures.add(
            name("erasure, peak memory"),
            cost.peak_mib,
            "MiB",
            Against {
                aim: Some(256.0),
                ..Against::default()
            },
        );
        figures.add(name("erasure"), cost.wall_seconds, "s", Against::default());
        figures.add(
            name("erasure, CPU, ours and PostgreSQL's"),
            (cost.own_ms + cost.postgres_ms) / 1_000.0,
            "s of CPU",
            Against::default(),
        );
        figures.add(
            name("erasure, longest transaction in the shop"),
            longest_ms,
            "ms",
            Against::default(),
        );
        self.shop.check_erased(gone, others).await
    }

    /// Erases her while somebody watches how long transactions last.
    async fn erase_whale(&self, number: i64, rows: u64) -> anyhow::Result<(Cost, f64)> {
        let begin = self.meter.begin()?;
        let over = Arc::new(AtomicBool::new(false));
        let watch = self.watch(Arc::clone(&over));
        let erase = async {
            let received = self.house.ask(RequestKind::Delete, number).await?;
            let worked = self.house.work().await;
            over.store(true, Ordering::Relaxed);
            worked.map(|()| received)
        };
        let (received, longest_ms) = tokio::try_join!(erase, watch)?;
        let cost = self.meter.end(begin)?;
        self.house.check_fulfilled(received.id, rows).await?;
        Ok((cost, longest_ms))
    }

    async fn watch(&self, over: Arc<AtomicBool>) -> anyhow::Result<f64> {
        let mut longest = 0.0_f64;
        while !over.load(Ordering::Relaxed) {
            longest = longest.max(self.shop.oldest_transaction_ms().await?);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Ok(longest)
    }
}

/// Privacy requests of one kind that come in one way, by these customers, round by round.
struct Series {
    name: String,
    kind: RequestKind,
    way: Way,
    rounds: Vec<Vec<i64>>,
}

/// The series take turns, a round each, and the median round counts: a neighbour on the same machine can triple the processor time
/// of half a minute.
const ROUNDS: usize = 3;

/// The series that run, each with customers of its own. One at a time they share the privacy requests among their rounds; in
/// batches each round has all of them, since that is what a batch is about.
fn series(plan: &Plan<'_>, chosen: &[i64]) -> Vec<Series> {
    let ways = [
        (RequestKind::KnowSpecific, Way::Alone),
        (RequestKind::KnowSpecific, Way::Batch),
        (RequestKind::Delete, Way::Alone),
        (RequestKind::Delete, Way::Batch),
    ];
    let mut left = chosen;
    let all = ways.iter().map(|(kind, way)| {
        let all = rounds(plan, *way).into_iter().map(|size| {
            let (round, rest) = left.split_at(size.min(left.len()));
            left = rest;
            round.to_vec()
        });
        Series {
            name: format!(
                "{}, {}, {} customers",
                in_words(*kind),
                way.in_words(),
                plan.customers
            ),
            kind: *kind,
            way: *way,
            rounds: all.collect(),
        }
    });
    all.filter(|one| one.name.contains(plan.series)).collect()
}

impl Way {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Alone => "one at a time",
            Self::Batch => "in batches",
        }
    }
}

/// How many privacy requests each round has.
fn rounds(plan: &Plan<'_>, way: Way) -> Vec<usize> {
    let (requests, rounds) = (plan.requests as usize, ROUNDS);
    match way {
        Way::Alone => (0..rounds)
            .map(|round| (requests + round) / rounds)
            .collect(),
        Way::Batch => vec![requests; rounds],
    }
}

/// Privacy requests before the clock runs.
const WARM: u64 = 20;

/// Customers who ask, the first ones included.
fn wanted(plan: &Plan<'_>) -> u64 {
    let of = |way| rounds(plan, way).into_iter().sum::<usize>() as u64;
    WARM + 2 * (of(Way::Alone) + of(Way::Batch))
}

/// Customers evenly spread over the shop, in an order that spreads each series over it too.
fn choose(plan: &Plan<'_>) -> Vec<i64> {
    let wanted = wanted(plan);
    let step = (plan.customers / wanted).max(1);
    let numbers = (1..=plan.customers).step_by(usize::try_from(step).unwrap_or(1));
    let mut chosen: Vec<i64> = numbers
        .take(usize::try_from(wanted).unwrap_or(0))
        .filter_map(|number| i64::try_from(number).ok())
        .collect();
    // Multiplied by an odd constant the numbers lie as if shuffled, the same on every run.
    chosen.sort_by_key(|number| number.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15));
    chosen
}

fn report(figures: &mut Figures, series: &Series, rounds: &[Outcome]) {
    let name = &series.name;
    let aims = aims(series.kind, series.way);
    let each = |of: &dyn Fn(&Cost) -> f64| {
        let sizes = series.rounds.iter().map(|who| who.len() as f64);
        median(
            rounds
                .iter()
                .zip(sizes)
                .map(|(round, size)| of(&round.cost) / size),
        )
    };
    let times = |part: f64| median(rounds.iter().map(|round| percentile(&round.times_ms, part)));
    let mut add = |what: &str, value: f64, unit: &str, against: Against| {
        figures.add(format!("{name}: {what}"), value, unit, against)
    };
    add(
        "requests a second",
        1.0 / each(&|cost| cost.wall_seconds),
        "1/s",
        Against {
            peer: Some(aims.rate),
            more_is_better: true,
            ..Against::default()
        },
    );
    add(
        "p50",
        times(0.50),
        "ms",
        Against {
            peer: aims.median_ms,
            ..Against::default()
        },
    );
    add("p99", times(0.99), "ms", Against::default());
    add(
        "CPU, ours",
        each(&|cost| cost.own_ms),
        "ms of CPU",
        Against::default(),
    );
    add(
        "CPU, PostgreSQL's",
        each(&|cost| cost.postgres_ms),
        "ms of CPU",
        Against::default(),
    );
    add(
        "CPU, both",
        each(&|cost| cost.own_ms + cost.postgres_ms),
        "ms of CPU",
        Against {
            aim: Some(aims.cpu_ms),
            peer: Some(aims.cpu_peer),
            ..Against::default()
        },
    );
    add(
        "transactions of our own",
        each(&|cost| cost.writes as f64),
        "a request",
        Against {
            aim: aims.writes,
            peer: Some(aims.writes_peer),
            ..Against::default()
        },
    );
    add(
        "peak memory",
        rounds
            .iter()
            .map(|round| round.cost.peak_mib)
            .fold(0.0, f64::max),
        "MiB",
        Against {
            aim: Some(200.0),
            peer: Some(Peer(771.0, 771.0)),
            ..Against::default()
        },
    );
}

/// What the figures are held against: our budgets, and Fides 2.78 as measured on the same shape at 100,000 customers.
struct Aims {
    cpu_ms: f64,
    writes: Option<f64>,
    rate: Peer,
    cpu_peer: Peer,
    writes_peer: Peer,
    median_ms: Option<Peer>,
}

fn aims(kind: RequestKind, way: Way) -> Aims {
    let delete = kind == RequestKind::Delete;
    Aims {
        cpu_ms: if !delete {
            10.0
        } else if way == Way::Alone {
            20.0
        } else {
            2.0
        },
        writes: delete.then_some(if way == Way::Alone { 12.0 } else { 2.0 }),
        rate: if delete {
            Peer(0.6, 0.5)
        } else {
            Peer(1.2, 1.0)
        },
        cpu_peer: if delete {
            Peer(2_100.0, 2_700.0)
        } else {
            Peer(900.0, 1_200.0)
        },
        writes_peer: if delete {
            Peer(501.0, 501.0)
        } else {
            Peer(240.0, 240.0)
        },
        median_ms: (delete && way == Way::Alone).then_some(Peer(2_200.0, 2_200.0)),
    }
}

const fn in_words(kind: RequestKind) -> &'static str {
    if matches!(kind, RequestKind::Delete) {
        "delete"
    } else {
        "access"
    }
}

/// The middle one.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    percentile(&sorted, 0.5)
}

/// The value below which this part of them lies.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
}

fn now_ms() -> f64 {
    governance::system_clock().now().as_microsecond() as f64 / 1_000.0
}

fn say(what: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "== {what}")
}
