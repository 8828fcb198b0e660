//! Whole profiles read by a recipient, each decided, recorded durably and opened: in process, and over HTTP as JSON.

use std::sync::Arc;
use std::time::Instant;

use bench::figure::{Against, Figures, Peer};
use domain::profile::AttributeKey;
use domain::purpose_of_use::PurposeKey;
use futures_util::future::try_join_all;
use governance::disclosure::{Credential, Door, SubjectAsked, disclose, recipient_for};

use crate::callers::{self, Call};
use crate::house::House;
use crate::threads::{Thread, other_cpu_us, process_cpu_us};
use crate::{median, world};

const ROUNDS: usize = 5;
/// Readers at the same time, in process.
const READERS: usize = 256;

/// A profile read by e-mail over HTTP by Databunker, µs of CPU and reads a second (measured.md).
const DATABUNKER: Databunker = Databunker {
    us: Peer(215.0, 256.0),
    a_second: Peer(3_600.0, 3_200.0),
};
/// The same with its data in PostgreSQL.
const DATABUNKER_POSTGRES: Databunker = Databunker {
    us: Peer(364.0, 404.0),
    a_second: Peer(350.0, 180.0),
};

struct Databunker {
    us: Peer,
    a_second: Peer,
}

/// Where it is measured.
pub(crate) struct Place<'a> {
    pub(crate) engine: &'static str,
    /// A database of its own; SQLite if left out.
    pub(crate) storage: Option<&'a str>,
    /// The postmaster, whose processes count too.
    pub(crate) postmaster: Option<u32>,
    pub(crate) profiles: usize,
    pub(crate) reads: u32,
}

pub(crate) async fn measure(place: &Place<'_>, figures: &mut Figures) -> anyhow::Result<()> {
    let house = House::start(place.storage, place.profiles).await?;
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (before, start) = (cpu_us(place)?, Instant::now());
        in_process(&house, place.reads).await?;
        rates.push(f64::from(place.reads) / start.elapsed().as_secs_f64());
        costs.push((cpu_us(place)? - before) / f64::from(place.reads));
    }
    let engine = place.engine;
    let is_own = place.storage.is_none();
    let more = |aim| Against {
        aim,
        peer: None,
        more_is_better: true,
    };
    let rate = median(rates);
    let aim = is_own.then_some(8_000.0);
    figures.add(
        format!("{engine}: governed reads of whole profiles, in process"),
        rate,
        "a second",
        more(aim),
    );
    let cost = median(costs);
    let budget = Against {
        aim: is_own.then_some(50.0),
        ..Against::default()
    };
    figures.add(
        format!("{engine}: a governed read, in process"),
        cost,
        "µs of CPU",
        budget,
    );
    over_http(place, &house, figures).await?;
    house.stop();
    Ok(())
}

async fn in_process(house: &House, reads: u32) -> anyhow::Result<()> {
    let purpose = PurposeKey::from(world::purpose(world::READS_FOR).as_str());
    let attributes: Vec<AttributeKey> = (0..world::ATTRIBUTES)
        .map(|one| world::attribute(one).as_str().into())
        .collect();
    let attributes: Arc<[AttributeKey]> = attributes.into();
    let readers = (0..READERS).map(|reader| {
        let (privity, key) = (house.privity.clone(), house.key.clone());
        let (purpose, attributes) = (purpose.clone(), Arc::clone(&attributes));
        let ids: Vec<_> = (reader..reads as usize)
            .step_by(READERS)
            .filter_map(|read| house.subjects.get(read * 7 % house.subjects.len()))
            .copied()
            .collect();
        tokio::spawn(async move {
            for id in ids {
                let shown = Credential::Bearer(&key);
                let caller =
                    recipient_for(&privity, &shown, Some(&purpose), Door::ProfileApi).await?;
                let granted =
                    disclose(&privity, &caller, &[SubjectAsked::Id(id)], &attributes).await?;
                let profile = granted.first().map(|granted| granted.profile());
                let profile = profile.transpose()?.flatten();
                let written = serde_json::to_string(&profile)?;
                anyhow::ensure!(written.len() > 500, "a profile was withheld");
            }
            anyhow::Ok(())
        })
    });
    for read in try_join_all(readers).await? {
        read?;
    }
    Ok(())
}

async fn over_http(place: &Place<'_>, house: &House, figures: &mut Figures) -> anyhow::Result<()> {
    let (door, people) = (Thread::start("door")?, Thread::start("people")?);
    let address = house.serve(&door).await?;
    let attributes: Vec<_> = (0..world::ATTRIBUTES).map(world::attribute).collect();
    let attributes = attributes.join(",");
    let ids = house.subjects.iter().step_by(7);
    let calls: Arc<[Call]> = ids
        .map(|id| {
            let path = format!("/recipient/v1/profiles/{id}?attributes={attributes}");
            Call::get(&path, Some(house.key.expose()))
        })
        .collect();
    let (mut rates, mut costs, mut doors) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (all, own, theirs) = (cpu_us(place)?, door.cpu_us()?, people.cpu_us()?);
        let start = Instant::now();
        callers::call(&people, address, &calls, place.reads, 500).await?;
        let reads = f64::from(place.reads);
        rates.push(reads / start.elapsed().as_secs_f64());
        let used = cpu_us(place)? - all - (people.cpu_us()? - theirs);
        costs.push(used / reads);
        doors.push((door.cpu_us()? - own) / reads);
    }
    let engine = place.engine;
    let databunker = match place.storage {
        None => DATABUNKER,
        Some(_) => DATABUNKER_POSTGRES,
    };
    let against = Against {
        aim: None,
        peer: Some(databunker.a_second),
        more_is_better: true,
    };
    figures.add(
        format!("{engine}: governed reads over HTTP, callers on the same cores"),
        median(rates),
        "a second",
        against,
    );
    let against = Against {
        aim: place.storage.is_none().then_some(80.0),
        peer: Some(databunker.us),
        more_is_better: false,
    };
    figures.add(
        format!("{engine}: a governed read over HTTP"),
        median(costs),
        "µs of CPU",
        against,
    );
    figures.add(
        format!("{engine}: of that the thread that answers"),
        median(doors),
        "µs of CPU",
        Against::default(),
    );
    Ok(())
}

/// Of this program, and of PostgreSQL where it keeps our state.
fn cpu_us(place: &Place<'_>) -> anyhow::Result<f64> {
    let theirs = place.postmaster.map_or(Ok(0.0), postgres_cpu_us)?;
    Ok(process_cpu_us()? + theirs)
}

/// Of the postmaster and its children that live; connections are kept, so that none ends between two readings.
fn postgres_cpu_us(postmaster: u32) -> anyhow::Result<f64> {
    let mut all = other_cpu_us(postmaster)?;
    for child in bench::meter::children(postmaster)? {
        all += other_cpu_us(child).unwrap_or_default();
    }
    Ok(all)
}
