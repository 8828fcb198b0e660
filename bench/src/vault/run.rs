//! One engine: a million people come in, are looked up and changed, choose, and get new keys while they are read.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use bench::figure::{Against, Figures, Peer};
use bench::meter::{Cost, Meter};
use domain::audit::Actor;
use domain::id::{OperatorId, SubjectId};
use domain::profile::{AttributeNumber, SourceNumber};
use domain::sensitive::Sensitive;
use futures_util::{StreamExt as _, stream};
use governance::Privity;
use governance::profile::{GivenRecord, GivenValue, write};

use crate::house::{self, failed};
use crate::{consents, people};

/// Rounds of each series but the import; the median counts.
const ROUNDS: usize = 3;
/// Callers at once.
const CALLERS: usize = 256;

/// Where it runs.
pub(crate) struct Place<'a> {
    pub(crate) engine: &'static str,
    pub(crate) postgres: &'a str,
    pub(crate) meter: Meter,
    /// The file of people.
    pub(crate) people: &'a Path,
    pub(crate) profiles: u64,
    pub(crate) series: &'a str,
}

/// Runs everything on one engine.
pub(crate) async fn run(place: &Place<'_>, figures: &mut Figures) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let storage = storage(place, dir.path()).await?;
    let (p, operator) = house::start(dir.path(), &storage).await?;
    let mut bench = Bench { place, p, by: Actor::Operator(operator), figures };
    bench.import().await?;
    bench.series("attribute updates, each with its audit record", 6_000.0, 30_000, Kind::Update).await?;
    bench.series("consents one by one, by device", 6_000.0, 30_000, Kind::ConsentOfDevice).await?;
    Ok(())
}
#[derive(Clone, Copy)]
enum Kind { Update, ConsentOfDevice }

struct Bench<'a, 'p> {
    place: &'a Place<'p>,
    p: Privity,
    by: Actor,
    figures: &'a mut Figures,
}

impl Bench<'_, '_> {
    async fn import(&mut self) -> anyhow::Result<()> {
        say(&format!("{}: importing {} profiles", self.place.engine, self.place.profiles))?;
        let begin = self.place.meter.begin()?;
        let batches = stream::iter((0..self.place.profiles.div_ceil(1000)).map(|b| {
            let (p, by) = (self.p.clone(), self.by.clone());
            let last = self.place.profiles;
            tokio::spawn(async move {
                let records: Vec<_> = (b*1000..((b+1)*1000).min(last)).map(record).collect();
                write(&p, SourceNumber(1), records, by).await
            })
        })).buffer_unordered(4);
        let mut batches = std::pin::pin!(batches);
        let mut new = 0;
        while let Some(w) = batches.next().await { new += w?.map_err(failed)?.new; }
        ensure!(new == self.place.profiles, "{new}");
        let cost = self.place.meter.end(begin)?;
        let n = self.place.profiles as f64;
        println!("{} import: {:.0}/s, {:.1} us own, {:.1} us pg, peak {:.0} MiB", self.place.engine, n / cost.wall_seconds, cost.own_ms*1000.0/n, cost.postgres_ms*1000.0/n, cost.peak_mib);
        Ok(())
    }

    async fn series(&mut self, name: &str, aim: f64, count: u64, kind: Kind) -> anyhow::Result<()> {
        let count = count.min(self.place.profiles);
        for round in 0..ROUNDS as u64 {
            let begin = self.place.meter.begin()?;
            match kind {
                Kind::Update => {
                    let calls = stream::iter((0..count).map(|n| {
                        let (p, by) = (self.p.clone(), self.by.clone());
                        tokio::spawn(async move {
                            let r = GivenRecord { values: vec![
                                (AttributeNumber(1), Sensitive::new(people::customer_number(n * 7 % 1_000)).into()),
                                (AttributeNumber(17), Sensitive::new(format!("gold {round} {n}")).into())], observed_at: None };
                            write(&p, SourceNumber(1), vec![r], by).await
                        })
                    })).buffer_unordered(CALLERS);
                    let mut calls = std::pin::pin!(calls);
                    while let Some(w) = calls.next().await { w?.map_err(failed)?; }
                }
                Kind::ConsentOfDevice => {
                    let parties = (0..count).map(|n| consents::device(&self.p, round * count + n)).collect();
                    consents::one_by_one(&self.p, parties).await?;
                }
            }
            let cost = self.place.meter.end(begin)?;
            let n = count as f64;
            println!("{} {name}: {:.0}/s (aim {aim}), {:.1} us own, {:.1} us pg, {} tx", self.place.engine, n / cost.wall_seconds, cost.own_ms*1000.0/n, cost.postgres_ms*1000.0/n, cost.writes);
        }
        Ok(())
    }
}

fn record(number: u64) -> GivenRecord {
    let values = (0..30u64).map(|column| {
        let text = match column { 0 => people::customer_number(number), 1 => people::email(number), c => people::value(number, c) };
        (AttributeNumber(column as u16 + 1), GivenValue::from(Sensitive::new(text)))
    }).collect();
    GivenRecord { values, observed_at: None }
}

async fn storage(place: &Place<'_>, dir: &Path) -> anyhow::Result<String> {
    if place.engine == "SQLite" { return Ok(format!("sqlite:{}/privity.db", dir.display())); }
    let (client, c) = tokio_postgres::connect(&format!("{}/postgres", place.postgres), tokio_postgres::NoTls).await?;
    tokio::spawn(c);
    client.batch_execute("CREATE DATABASE vault").await?;
    Ok(format!("{}/vault", place.postgres))
}

fn say(words: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "== {words}")
}
