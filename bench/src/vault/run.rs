//! One engine: people come in by the million, are looked up and changed, choose, and get new keys while they are read.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bench::figure::{Against, Figures, Peer};
use bench::meter::{Cost, Meter};
use domain::audit::Actor;
use domain::data_map::IdentifierKind;
use domain::id::{OperatorId, SubjectId};
use domain::profile::{AttributeNumber, SourceNumber};
use domain::sensitive::Sensitive;
use futures_util::{StreamExt as _, stream};
use governance::Privity;
use governance::key::{self, KeyKind};
use governance::profile::import::{Format, Import, import};
use governance::profile::read::{Viewer, WantedAttributes, find};
use governance::profile::{GivenRecord, write};

use crate::callers::{CALLERS, all_at_once};
use crate::house::{self, failed};
use crate::{consents, cores, people};

/// Rounds of each series but the import and the rotation; the median counts.
const ROUNDS: u64 = 3;
/// Calls in a round.
const CALLS: u64 = 30_000;
/// How long other programs would have to load a key that was added; there are none.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// A series: calls that do the same, many of them at once.
#[derive(Clone, Copy, PartialEq)]
enum Series {
    LookUp,
    LookUpOnOneCore,
    Update,
    ConsentOfDevice,
    ConsentOfSubject,
    BulkConsents,
}

/// What a series is held against.
struct Aims {
    /// Calls a second.
    a_second: Option<f64>,
    /// µs of CPU that the peer needs.
    peer_us: Option<Peer>,
    /// Calls a second of the peer.
    peer_a_second: Option<Peer>,
}

impl Series {
    const ALL: [Self; 6] = [
        Self::LookUp,
        Self::LookUpOnOneCore,
        Self::Update,
        Self::ConsentOfDevice,
        Self::ConsentOfSubject,
        Self::BulkConsents,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::LookUp => "look-ups by e-mail, 30 attributes opened",
            Self::LookUpOnOneCore => "look-ups by e-mail, 30 attributes opened, on one core",
            Self::Update => "updates of an attribute",
            Self::ConsentOfDevice => "consents one by one, of devices",
            Self::ConsentOfSubject => "consents one by one, of subjects",
            Self::BulkConsents => "consents in bulk, of subjects",
        }
    }

    fn aims(self, engine: &str) -> Aims {
        let sqlite = engine == "SQLite";
        let none = Aims {
            a_second: None,
            peer_us: None,
            peer_a_second: None,
        };
        match self {
            Self::LookUp | Self::LookUpOnOneCore => Aims {
                a_second: (sqlite && self == Self::LookUpOnOneCore).then_some(15_000.0),
                peer_us: Some(if sqlite {
                    Peer(215.0, 256.0)
                } else {
                    Peer(364.0, 404.0)
                }),
                ..none
            },
            Self::Update => Aims {
                a_second: sqlite.then_some(6_000.0),
                ..none
            },
            Self::ConsentOfDevice | Self::ConsentOfSubject => Aims {
                a_second: sqlite.then_some(6_000.0),
                peer_us: Some(Peer(11_000.0, 15_000.0)),
                peer_a_second: Some(Peer(67.0, 49.0)),
            },
            Self::BulkConsents => Aims {
                a_second: sqlite.then_some(30_000.0),
                ..none
            },
        }
    }
}

/// Runs everything on one engine.
pub(crate) async fn run(place: &Place<'_>, figures: &mut Figures) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let storage = storage(place, dir.path()).await?;
    let (p, operator) = house::start(dir.path(), &storage).await?;
    let bench = Bench { place, p, operator };
    bench.import(dir.path(), figures).await?;
    let subjects = bench.subjects().await?;
    for series in Series::ALL {
        // Where PostgreSQL's processes run is not ours to say.
        let is_possible = series != Series::LookUpOnOneCore || place.engine == "SQLite";
        if is_possible && series.name().contains(place.series) {
            bench.rounds(series, &subjects, figures).await?;
        }
    }
    if "rotation".contains(place.series) {
        bench.rotate(figures).await?;
    }
    Ok(())
}

struct Bench<'a> {
    place: &'a Place<'a>,
    p: Privity,
    operator: OperatorId,
}

impl Bench<'_> {
    async fn import(&self, dir: &Path, figures: &mut Figures) -> anyhow::Result<()> {
        let count = self.place.profiles;
        self.say(&format!("importing {count} profiles"))?;
        let before = size(self.place, dir).await?;
        let begin = self.place.meter.begin()?;
        let wanted = Import {
            path: self.place.people.to_owned(),
            format: Format::Csv,
            source: "shop".to_owned(),
            columns: std::collections::BTreeMap::new(),
            observed_at: None,
            again: false,
        };
        let by = Actor::Operator(self.operator);
        let imported = import(&self.p, &wanted, by).await.map_err(failed)?;
        let cost = self.place.meter.end(begin)?;
        ensure!(
            imported.counts.new == count,
            "{} of {count} profiles are new",
            imported.counts.new
        );
        self.p.database().scrub().await?;
        let bytes = (size(self.place, dir).await? - before) / count as f64;
        let least = |aim| Against {
            aim: Some(aim),
            more_is_better: true,
            ..Against::default()
        };
        let most = |aim| Against {
            aim,
            ..Against::default()
        };
        let rate = count as f64 / cost.wall_seconds;
        self.add(
            figures,
            "profiles imported",
            rate,
            "a second",
            least(20_000.0),
        );
        let against = Against {
            peer: Some(Peer(1_100.0, 2_300.0)),
            ..most(None)
        };
        self.add(
            figures,
            "CPU of an imported profile",
            us(&cost, count),
            "µs",
            against,
        );
        self.add(
            figures,
            "a profile with its key, identifiers and share of the log",
            bytes,
            "bytes",
            most(Some(1_300.0)),
        );
        self.add(
            figures,
            "peak memory of the import",
            cost.peak_mib,
            "MiB",
            most(None),
        );
        Ok(())
    }

    /// Some of those imported, found by what the file says of them, and held against it.
    async fn subjects(&self) -> anyhow::Result<Vec<SubjectId>> {
        let numbers: Vec<u64> = (0..CALLS.min(self.place.profiles))
            .map(|place| self.number(place))
            .collect();
        let mut subjects = Vec::with_capacity(numbers.len());
        let looked_up = stream::iter(numbers.clone())
            .map(|number| look_up(self.p.clone(), self.operator, number))
            .buffered(CALLERS);
        let mut looked_up = std::pin::pin!(looked_up);
        for number in numbers {
            let (subject, text) = looked_up.next().await.context("a look-up is missing")??;
            let expected = people::value(number, 7);
            ensure!(
                text.contains(&expected),
                "a profile does not hold what was imported"
            );
            subjects.push(subject);
        }
        let different: BTreeSet<_> = subjects.iter().collect();
        ensure!(
            different.len() == subjects.len(),
            "two customers are one subject"
        );
        Ok(subjects)
    }

    /// Spread over all profiles, so that neither cache nor page is always the same.
    fn number(&self, place: u64) -> u64 {
        place.wrapping_mul(7_919) % self.place.profiles
    }

    async fn rounds(
        &self,
        series: Series,
        subjects: &[SubjectId],
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let mut costs = Vec::new();
        let calls = subjects.len() as u64;
        for round in 0..ROUNDS {
            self.say(&format!(
                "{}: round {} of {ROUNDS}",
                series.name(),
                round + 1
            ))?;
            let begin = self.place.meter.begin()?;
            if series == Series::LookUpOnOneCore {
                cores::on_one(self.look_ups(round, calls)).await?;
            } else {
                self.calls(series, round, subjects).await?;
            }
            costs.push(self.place.meter.end(begin)?);
        }
        let rate = median(costs.iter().map(|cost| calls as f64 / cost.wall_seconds));
        let cpu = median(costs.iter().map(|cost| us(cost, calls)));
        let aims = series.aims(self.place.engine);
        let more = |aim, peer| Against {
            aim,
            peer,
            more_is_better: true,
        };
        let name = series.name();
        self.add(
            figures,
            name,
            rate,
            "a second",
            more(aims.a_second, aims.peer_a_second),
        );
        let against = Against {
            peer: aims.peer_us,
            ..Against::default()
        };
        self.add(figures, &format!("{name}, CPU"), cpu, "µs", against);
        Ok(())
    }

    async fn calls(
        &self,
        series: Series,
        round: u64,
        subjects: &[SubjectId],
    ) -> anyhow::Result<()> {
        let by = Actor::Operator(self.operator);
        let count = subjects.len() as u64;
        match series {
            Series::LookUp | Series::LookUpOnOneCore => self.look_ups(round, count).await,
            Series::Update => {
                let numbers: Vec<_> = (0..count).map(|place| self.number(place)).collect();
                let p = self.p.clone();
                let updates = numbers.into_iter().map(move |number| {
                    let (p, by) = (p.clone(), by.clone());
                    async move {
                        let written = write(&p, SourceNumber(1), vec![update(number, round)], by);
                        let changed = written.await.map_err(failed)?.changed;
                        ensure!(changed == 1, "an update changed nothing");
                        Ok(())
                    }
                });
                all_at_once(updates).await
            }
            Series::ConsentOfDevice => {
                let devices =
                    (0..count).map(|place| consents::device(&self.p, round * count + place));
                consents::one_by_one(&self.p, devices.collect()).await
            }
            Series::ConsentOfSubject => {
                let parties = subjects
                    .iter()
                    .map(|id| domain::consent::Party::Subject(*id));
                consents::one_by_one(&self.p, parties.collect()).await
            }
            Series::BulkConsents => consents::in_bulk(&self.p, subjects, by).await,
        }
    }

    fn look_ups(&self, round: u64, count: u64) -> impl Future<Output = anyhow::Result<()>> + use<> {
        let numbers = (0..count).map(|place| self.number(place + round * count));
        let numbers: Vec<_> = numbers.collect();
        let (p, operator) = (self.p.clone(), self.operator);
        let calls = numbers.into_iter();
        all_at_once(calls.map(move |number| look_up(p.clone(), operator, number)))
    }

    /// A new epoch for every key, while profiles are read without a pause.
    async fn rotate(&self, figures: &mut Figures) -> anyhow::Result<()> {
        self.say("rotating the keys while profiles are read")?;
        let stop = Arc::new(AtomicBool::new(false));
        let reading = {
            let (p, operator, stop) = (self.p.clone(), self.operator, Arc::clone(&stop));
            let profiles = self.place.profiles;
            tokio::spawn(async move {
                let mut read = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    let number = read.wrapping_mul(104_729) % profiles;
                    look_up(p.clone(), operator, number).await?;
                    read += 1;
                }
                anyhow::Ok(read)
            })
        };
        let begin = self.place.meter.begin()?;
        key::rotate(&self.p, KeyKind::Epoch, PATIENCE)
            .await
            .map_err(failed)?;
        let cost = self.place.meter.end(begin)?;
        stop.store(true, Ordering::Relaxed);
        let read = reading.await??;
        ensure!(read > 0, "nobody could read while keys were rotated");
        look_up(self.p.clone(), self.operator, 0).await?;
        let count = self.place.profiles as f64;
        let none = Against::default;
        self.add(
            figures,
            "rotation of the keys of all profiles",
            cost.wall_seconds,
            "s",
            none(),
        );
        self.add(
            figures,
            "keys rotated",
            count / cost.wall_seconds,
            "a second",
            none(),
        );
        self.add(
            figures,
            "look-ups answered meanwhile, one after the other",
            read as f64 / cost.wall_seconds,
            "a second",
            none(),
        );
        Ok(())
    }

    fn add(&self, figures: &mut Figures, name: &str, value: f64, unit: &str, against: Against) {
        figures.add(
            format!("{}: {name}", self.place.engine),
            value,
            unit,
            against,
        );
    }

    fn say(&self, words: &str) -> std::io::Result<()> {
        writeln!(std::io::stdout(), "== {}: {words}", self.place.engine)
    }
}

/// One operator's look: decided, recorded durably, opened.
async fn look_up(
    p: Privity,
    operator: OperatorId,
    number: u64,
) -> anyhow::Result<(SubjectId, String)> {
    let kind = IdentifierKind("email".to_owned());
    let email = Sensitive::new(people::email(number));
    let by = Actor::Operator(operator);
    let viewer = Viewer::Operator(operator);
    let found = find(&p, (&kind, &email), &WantedAttributes::All, viewer, &by);
    let found = found.await.map_err(failed)?;
    let [one] = found.as_slice() else {
        anyhow::bail!("{} subjects have one address", found.len());
    };
    let text = serde_json::to_string(one.profile())?;
    Ok((one.subject, text))
}

fn update(number: u64, round: u64) -> GivenRecord {
    let key = Sensitive::new(people::customer_number(number));
    let tier = Sensitive::new(format!("gold since round {round}"));
    GivenRecord {
        values: vec![
            (AttributeNumber(1), key.into()),
            (AttributeNumber(17), tier.into()),
        ],
        observed_at: None,
    }
}

/// µs of CPU for each of so many.
fn us(cost: &Cost, count: u64) -> f64 {
    (cost.own_ms + cost.postgres_ms) * 1_000.0 / count as f64
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

async fn storage(place: &Place<'_>, dir: &Path) -> anyhow::Result<String> {
    if place.engine == "SQLite" {
        return Ok(format!("sqlite:{}/privity.db", dir.display()));
    }
    client(place, "postgres")
        .await?
        .batch_execute("CREATE DATABASE vault")
        .await?;
    Ok(format!("{}/vault", place.postgres))
}

/// Bytes of the database on the disk.
async fn size(place: &Place<'_>, dir: &Path) -> anyhow::Result<f64> {
    if place.engine == "SQLite" {
        return Ok(std::fs::metadata(dir.join("privity.db"))?.len() as f64);
    }
    let sql = "SELECT pg_database_size('vault')";
    let bytes: i64 = client(place, "vault")
        .await?
        .query_one(sql, &[])
        .await?
        .get(0);
    Ok(bytes as f64)
}

async fn client(place: &Place<'_>, database: &str) -> anyhow::Result<tokio_postgres::Client> {
    let url = format!("{}/{database}", place.postgres);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
