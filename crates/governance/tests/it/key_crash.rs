//! Keys change while another program imports and reads, and whoever changes them is killed again and again: everybody is found and opens
//! all the while, and in the end nothing is left under an old key; on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::progress::Progress;
use domain::time::FixedClock;
use enforcement::vault::{KeyRing, KeyVersions};
use governance::key::{self, KeyKind};
use governance::profile::{GivenRecord, Written};
use jiff::{SignedDuration, Timestamp};
use storage::{Error, identifier, source_record, subject};

use crate::profile_house::{ProfileHouse, SHOP, is_found, on_each_engine, open_with};

const DIR: &str = "PRIVITY_ROTATION_DIR";
const STORAGE: &str = "PRIVITY_ROTATION_STORAGE";
const KIND: &str = "PRIVITY_ROTATION_KIND";
const NOW: &str = "PRIVITY_ROTATION_NOW";

/// Customers before the first change: several steps of either rotation.
const CROWD: u32 = 2_400;
/// Customers that come in one write meanwhile.
const MORE: u32 = 15;
/// Said at the end of the rotation, by whoever ends it and by all who come later.
const ROTATED: &str = "rotated";
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_the_epoch_killed_anywhere_loses_nobody_while_others_import_and_read() {
    let ends = ["added", "promoted", "looked at 2000"];
    endures(KeyKind::Epoch, &ends).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_the_index_key_killed_anywhere_loses_nobody_while_others_import_and_read() {
    let ends = [
        "added",
        "promoted",
        "looked at 800",
        "looked at 2000",
        "looked at all",
    ];
    endures(KeyKind::Index, &ends).await;
}

/// One rotation, killed when it has said each of these, and then let end.
async fn endures(kind: KeyKind, ends: &[&str]) {
    on_each_engine(async |house| {
        let mut count = 0;
        while count < CROWD {
            assert_eq!(import(house, count..count + 400).await.new, 400);
            count += 400;
        }
        for end in ends.iter().chain(&[ROTATED]) {
            // Those who were killed before have had their time, and this program has said what it holds all the while.
            for _ in 0..6 {
                house.clock.advance(SignedDuration::from_secs(15));
                count = import_and_read(house, count).await;
            }
            let mut child = start_rotation(house, kind);
            let end = (*end).to_owned();
            let killed = tokio::task::spawn_blocking(move || kill_after(&mut child, &end));
            while !killed.is_finished() {
                house.clock.advance(SignedDuration::from_secs(15));
                count = import_and_read(house, count).await;
            }
            killed.await.unwrap();
        }
        everything_is_whole(house, kind, count).await;
    })
    .await;
}

fn records(house: &ProfileHouse, numbers: std::ops::Range<u32>) -> Vec<GivenRecord> {
    numbers
        .map(|number| {
            house.record(&[
                ("customer_number", &format!("c{number}")),
                ("email", &format!("customer{number}@example.org")),
                ("first_name", &format!("First{number}")),
            ])
        })
        .collect()
}

async fn import(house: &ProfileHouse, numbers: std::ops::Range<u32>) -> Written {
    let records = records(house, numbers);
    let written = house.write_given(SHOP, records).await;
    assert!(written.refused.is_empty());
    written
}

/// Some new customers, and some old ones once more; answers how many there are then.
async fn import_and_read(house: &ProfileHouse, count: u32) -> u32 {
    let someone = count * 7 % CROWD;
    let known = someone..(someone + MORE).min(CROWD);
    let (new, again) = tokio::join!(
        import(house, count..count + MORE),
        is_found(&house.p, someone.into())
    );
    assert_eq!(new.new, u64::from(MORE));
    assert!(again, "customer {someone}, between the steps");
    let again = import(house, known.clone()).await;
    assert_eq!(again.unchanged, u64::from(known.end - known.start));
    assert!(
        is_found(&house.p, count.into()).await,
        "customer {count}, just imported"
    );
    count + MORE
}

async fn everything_is_whole(house: &ProfileHouse, kind: KeyKind, count: u32) {
    let now = versions(house.dir.path(), kind);
    let ends = (now.present, now.pending, now.older);
    assert_eq!(ends, (2, None, Vec::new()), "one rotation, and all of it");
    let read = house.p.database().read("count", move |tx| {
        Ok::<_, Error>(match kind {
            KeyKind::Epoch => vec![subject::count_by_epoch(tx)?],
            KeyKind::Index => vec![
                identifier::count_by_key_version(tx)?,
                source_record::count_by_key_version(tx)?,
            ],
        })
    });
    for counted in read.await.unwrap() {
        let versions: Vec<u32> = counted.iter().map(|(version, _)| *version).collect();
        assert_eq!(versions, [2], "{counted:?}");
    }
    let all = u64::from(count);
    let rows = (
        house.count("subject").await,
        house.count("source_record").await,
        house.count("identifier").await,
    );
    assert_eq!(rows, (all, all, 2 * all), "nobody twice");

    let fresh = house.second().await;
    for number in (0..CROWD).step_by(23).chain(CROWD..count) {
        assert!(is_found(&fresh, number.into()).await, "customer {number}");
    }
    for start in (0..count).step_by(400) {
        let again = import(house, start..(start + 400).min(count)).await;
        assert_eq!((again.new, again.changed), (0, 0), "known again");
    }
}

fn versions(dir: &Path, kind: KeyKind) -> KeyVersions {
    let ring = KeyRing::open(&dir.join("privity.key")).unwrap();
    match kind {
        KeyKind::Epoch => ring.epoch_versions(),
        KeyKind::Index => ring.index_versions(),
    }
}

fn start_rotation(house: &ProfileHouse, kind: KeyKind) -> std::process::Child {
    use domain::time::Clock as _;
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "key_crash::rotation_that_is_killed",
            "--nocapture",
            "--ignored",
        ])
        .env(DIR, house.dir.path())
        .env(STORAGE, house.storage())
        .env(KIND, kind.text())
        .env(NOW, house.clock.now().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills it some way into what comes after a line, unless it has ended before.
fn kill_after(child: &mut std::process::Child, end: &str) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.any(|line| {
        let line = line.unwrap();
        line.contains(end) || line.ends_with(ROTATED)
    });
    assert!(said, "it never said `{end}`");
    let until = Instant::now() + Duration::from_micros(end.len() as u64 * 7_919 % 9_000);
    while Instant::now() < until && child.try_wait().unwrap().is_none() {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Begins a rotation, or goes on with one, telling its steps.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the tests above, which kill it"]
async fn rotation_that_is_killed() {
    let (Ok(dir), Ok(storage)) = (std::env::var(DIR), std::env::var(STORAGE)) else {
        return;
    };
    let dir = Path::new(&dir);
    let kind = std::env::var(KIND).unwrap();
    let kind = KeyKind::ALL.into_iter().find(|one| one.text() == kind);
    let kind = kind.unwrap();
    let now: Timestamp = std::env::var(NOW).unwrap().parse().unwrap();
    let say = |what: &str| writeln!(std::io::stdout(), "{what}").unwrap();
    let told = move |what: &str, done: u64, of: u64| {
        if what == "subjects looked at" {
            say(&format!("looked at {done}"));
            if done >= of {
                say("looked at all");
            }
        }
    };
    let clock = Arc::new(FixedClock::at(now));
    let rng = governance::system_rng();
    let p = open_with(dir, &storage, &clock, rng, &Progress::new(told)).await;
    let found = versions(dir, kind);
    if found.pending.is_none() && found.older.is_empty() {
        // Whoever was to be killed may have ended before: the one rotation is done, and a second would begin here.
        if found.present > 1 {
            return say(ROTATED);
        }
        key::add(&p, kind).await.unwrap();
    }
    say("added");
    if versions(dir, kind).pending.is_some() {
        key::promote(&p, kind, PATIENCE).await.unwrap();
    }
    say("promoted");
    key::rotate(&p, kind, PATIENCE).await.unwrap();
    say(ROTATED);
}
