//! Profiles that follow source systems: what is read, what is left out, what goes wrong, and that nothing is lost or written twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::audit::{Action, Actor};
use domain::progress::Progress;
use domain::rng::Rng;
use domain::time::{Clock, FixedClock};
use governance::profile::{Synced, sync};
use governance::settings::Settings;
use governance::{Privity, Problem};
use jiff::SignedDuration;
use storage::{Error, Row};

use crate::house::{SeededRng, sql};
use crate::profile_house::{holds, url};
use crate::server::{Engine, Store, engine};

const SCHEMA: &str = "version: 1
sources:
  - { source: shop, number: 1, title: Web shop, record: email, proves: [email] }
attributes:
  - { attribute: email, number: 1, title: E-mail, category: user.contact.email, identifier: { rule: email, unique: true } }
  - { attribute: name, number: 2, title: Name, category: user.name }
  - { attribute: born, number: 3, title: Born, kind: date, category: user.demographic.date_of_birth }
  - { attribute: newsletter, number: 4, title: Newsletter, kind: boolean, category: user.privacy_preferences }
sync:
  - source: shop
    collection: shop.member
    watermark: changed_at
    every: 10m
    fields: { email: mail, name: name, born: born, newsletter: newsletter }
";

const MAP: &str = "
systems:
  shop: {title: Online shop, connection: CONNECTION}
datasets:
  shop:
    system: shop
    collections:
      member:
        primary_key: [mail]
        fields:
          mail: {category: user.contact.email, identity: email, nullable: false, unique: true}
          name: {category: user.name}
          born: {category: user.demographic.date_of_birth, type: text}
          newsletter: {category: user.privacy_preferences, type: boolean}
          changed_at: {category: system.operations, type: timestamp}
";

/// A house whose profiles follow a shop's table of members.
struct Followed {
    p: Privity,
    clock: Arc<FixedClock>,
    dir: tempfile::TempDir,
    own: Option<Store>,
    shop: Option<Store>,
}

static SEED: AtomicU64 = AtomicU64::new(7_000_000);
const START: &str = "2026-11-02T18:00:00Z";

/// Runs a test with our database and the shop on SQLite, on PostgreSQL, and with the shop on MariaDB, where there are servers.
async fn on_each_engine(test: impl AsyncFn(&Followed)) {
    test(&Followed::new(None, None).await).await;
    if let Some(own) = engine(Engine::Postgres) {
        test(&Followed::new(Some(own), engine(Engine::Postgres)).await).await;
    }
    if let Some(shop) = engine(Engine::Mariadb) {
        test(&Followed::new(None, Some(shop)).await).await;
    }
}

impl Followed {
    async fn new(own: Option<Store>, shop: Option<Store>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let connection = shop.as_ref().map_or_else(
            || "{kind: sqlite, path: shop.sqlite}".to_owned(),
            Store::connection,
        );
        std::fs::write(
            dir.path().join("map.yaml"),
            MAP.replace("CONNECTION", &connection),
        )
        .unwrap();
        std::fs::write(dir.path().join("profile.yaml"), SCHEMA).unwrap();
        let clock = Arc::new(FixedClock::at(START.parse().unwrap()));
        let storage = url(dir.path(), own.as_ref());
        let p = open(dir.path(), &storage, &clock, &Progress::unwatched()).await;
        let followed = Self {
            p: p.unwrap(),
            clock,
            dir,
            own,
            shop,
        };
        let moment = match followed.shop.as_ref().map(|shop| shop.engine) {
            Some(Engine::Postgres) => "TIMESTAMPTZ",
            Some(Engine::Mariadb) => "DATETIME(6)",
            None => "TEXT",
        };
        followed.run(&format!(
            "CREATE TABLE member (mail VARCHAR(80) NOT NULL PRIMARY KEY, name VARCHAR(80), born VARCHAR(20), newsletter BOOLEAN, changed_at {moment}); CREATE INDEX changed ON member (changed_at);"
        ));
        followed
    }

    /// Statements in the shop.
    fn run(&self, statements: &str) -> String {
        match &self.shop {
            Some(shop) => shop.run(statements),
            None => sql(&self.dir.path().join("shop.sqlite"), statements),
        }
    }

    /// Members with these numbers, who changed at this moment.
    fn members(&self, numbers: std::ops::Range<u32>, at: &str) {
        let (at, no) = (self.moment(at), self.no());
        for chunk in numbers.collect::<Vec<_>>().chunks(1_000) {
            let mut rows = String::new();
            for number in chunk {
                let comma = if rows.is_empty() { "" } else { ", " };
                write!(rows, "{comma}('member{number:05}@example.org', 'Member Number {number}', '1980-01-02', {no}, '{at}')").unwrap();
            }
            self.run(&format!("INSERT INTO member VALUES {rows};"));
        }
    }

    fn no(&self) -> &'static str {
        match self.shop {
            Some(_) => "false",
            None => "0",
        }
    }

    /// As this engine writes a moment.
    fn moment(&self, at: &str) -> String {
        match self.shop.as_ref().map(|shop| shop.engine) {
            Some(Engine::Mariadb) => at.replace('T', " ").trim_end_matches('Z').to_owned(),
            _ => at.to_owned(),
        }
    }

    fn change(&self, number: u32, name: &str, at: &str) {
        let at = self.moment(at);
        self.run(&format!(
            "UPDATE member SET name = '{name}', changed_at = '{at}' WHERE mail = 'member{number:05}@example.org';"
        ));
    }

    async fn sync(&self, whole: bool) -> Synced {
        let synced = sync(&self.p, Some("shop"), whole, &Actor::CommandLine).await;
        let mut synced = synced.unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(synced.len(), 1);
        synced.remove(0)
    }

    /// Another handle on the same database, as a second node has it, or with other settings.
    async fn second(&self, progress: &Progress) -> Privity {
        let storage = url(self.dir.path(), self.own.as_ref());
        open(self.dir.path(), &storage, &self.clock, progress)
            .await
            .unwrap()
    }

    async fn count(&self, table: &str) -> u64 {
        let sql = format!("-- count\nSELECT COUNT(*) AS rows_there FROM {table}");
        let row = self
            .p
            .database()
            .read("count", move |tx| tx.query_one(&sql, &[]));
        row.await
            .and_then(|row: Row| row.count("rows_there"))
            .unwrap_or_else(|error: Error| panic!("{error}"))
    }
}

async fn open(
    dir: &Path,
    storage: &str,
    clock: &Arc<FixedClock>,
    progress: &Progress,
) -> Result<Privity, Problem> {
    let base = dir.display();
    let yaml = format!(
        "business: {{name: Hearth & Crumb}}\nbase_url: https://privacy.hearth.example\nstorage: \"{storage}\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nprofile: {base}/profile.yaml\nmail: {{url: \"smtp://127.0.0.1:9\", tls: none, from: \"privacy@hearth.example\"}}\n"
    );
    let settings: Settings = serde_saphyr::from_str(&yaml).unwrap();
    let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(SEED.fetch_add(1_000_003, Ordering::Relaxed)));
    let clock: Arc<dyn Clock> = clock.clone();
    governance::start_watched(settings, clock, rng, progress).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_read_again() {
    on_each_engine(async |house| {
        house.members(0..2_500, "2026-10-01T10:00:00Z");
        let first = house.sync(false).await;
        assert!(first.whole && first.finished);
        assert_eq!((first.counts.read, first.counts.new), (2_500, 2_500));
        // The newest watermark is a month old: nothing can be committed before it any more.
        let second = house.sync(false).await;
        assert_eq!((second.whole, second.counts.read), (false, 0));

        house.change(7, "Ann", "2026-11-02T17:59:00Z");
        house.change(8, "Bob", "2026-11-02T17:58:00Z");
        house.members(9_000..9_001, "2026-11-02T17:59:30Z");
        let third = house.sync(false).await;
        assert_eq!(
            (third.counts.read, third.counts.new, third.counts.changed),
            (3, 1, 2)
        );
        // What was written before the last mark and committed late is found in the overlap.
        house.members(9_001..9_002, "2026-11-02T17:57:00Z");
        let fourth = house.sync(false).await;
        assert_eq!((fourth.counts.new, fourth.counts.changed), (1, 0));
        assert_eq!(fourth.counts.read, fourth.counts.unchanged + 1);
        assert_eq!(house.count("subject").await, 2_502);
        // One wrong date must not hide what changes from now on.
        house.members(9_002..9_003, "2099-01-01T00:00:00Z");
        assert_eq!(house.sync(false).await.counts.new, 1);
        house.members(9_003..9_004, "2026-11-02T17:59:50Z");
        assert_eq!(house.sync(false).await.counts.new, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_refused_with_their_place_and_without_their_values() {
    on_each_engine(async |house| {
        house.members(0..3, "2026-10-01T10:00:00Z");
        let (at, no) = (house.moment("2026-10-01T10:00:00Z"), house.no());
        house.run(&format!(
            "INSERT INTO member VALUES ('nobody', 'Planted Secret', '1980-01-02', {no}, '{at}'), ('zed@example.org', 'Planted Secret', 'soon it was', {no}, '{at}'), ('zoe@example.org', NULL, '', NULL, NULL);"
        ));
        let synced = house.sync(false).await;
        assert_eq!((synced.counts.read, synced.counts.new), (6, 4));
        assert_eq!(synced.counts.refused_in_all(), 2);
        let said = format!("{synced:?}");
        assert!(!said.contains("nobody") && !said.contains("soon") && !said.contains("Secret"), "{said}");
        let places: Vec<u64> = synced.refused_at.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [4, 5]);
        assert!(synced.counts.refused.keys().any(|reason| reason.contains("`born`")), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_reading_tells_how_many_profiles_no_row_is_about() {
    on_each_engine(async |house| {
        house.members(0..10, "2026-10-01T10:00:00Z");
        house.sync(false).await;
        house.run("DELETE FROM member WHERE mail < 'member00003'; ");
        let changed = house.sync(false).await;
        assert_eq!((changed.counts.read, changed.unseen), (0, None));
        let whole = house.sync(true).await;
        assert_eq!((whole.counts.unchanged, whole.unseen), (7, Some(3)));
        assert_eq!(house.count("subject").await, 10, "nothing is deleted");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_mapped_later_is_read_of_all_rows() {
    on_each_engine(async |house| {
        let path = house.dir.path().join("profile.yaml");
        let without = SCHEMA.replace(", newsletter: newsletter", "");
        std::fs::write(&path, without).unwrap();
        house.members(0..20, "2026-10-01T10:00:00Z");
        let before = house.second(&Progress::unwatched()).await;
        sync(&before, None, false, &Actor::CommandLine)
            .await
            .unwrap();
        std::fs::write(&path, SCHEMA).unwrap();
        let synced = house.sync(false).await;
        assert_eq!((synced.whole, synced.counts.changed), (true, 20));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_do_not_both_read() {
    on_each_engine(async |house| {
        house.members(0..3_000, "2026-10-01T10:00:00Z");
        let other = house.second(&Progress::unwatched()).await;
        let one = sync(&house.p, None, false, &Actor::CommandLine);
        let two = sync(&other, None, false, &Actor::CommandLine);
        let (one, two) = tokio::join!(one, two);
        let (done, refused) = match (one, two) {
            (Ok(done), Err(refused)) | (Err(refused), Ok(done)) => (done, refused),
            (one, two) => panic!("{} {}", one.is_ok(), two.is_ok()),
        };
        assert_eq!(done[0].counts.new, 3_000);
        assert_eq!(refused.code, "not_possible_now");
        assert!(
            refused.title.contains("another process fills `shop`"),
            "{refused}"
        );
        assert_eq!(house.count("subject").await, 3_000);
        assert_eq!(house.sync(false).await.counts.read, 0, "it is free again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_is_said_in_words_and_what_was_read_is_kept() {
    let house = Followed::new(None, None).await;
    house.members(0..5, "2026-10-01T10:00:00Z");
    house.run("ALTER TABLE member RENAME COLUMN born TO birthday;");
    let refused = sync(&house.p, None, false, &Actor::CommandLine).await;
    let refused = refused.err().unwrap();
    assert_eq!(refused.code, "source_unavailable");
    assert!(
        refused.title.contains("`born`") && refused.title.contains("`privity data-map check`"),
        "{refused}"
    );
    house.run("ALTER TABLE member RENAME COLUMN birthday TO born;");
    assert_eq!(house.sync(false).await.counts.new, 5);
    let refused = sync(&house.p, Some("crm"), false, &Actor::CommandLine).await;
    assert!(
        refused
            .err()
            .unwrap()
            .title
            .contains("no collection fills the source `crm`")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_followed_beside_the_tasks() {
    let house = Followed::new(None, None).await;
    house.members(0..5, "2026-10-01T10:00:00Z");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let p = house.p.clone();
    let worker = tokio::spawn(async move { governance::worker::run(&p, stopped).await });
    let waiting = async {
        while house.count("subject").await < 5 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await;
    waited.expect("the worker follows what is due");
    stop.send(true).unwrap();
    worker.await.unwrap();
}

#[tokio::test]
async fn a_wrong_mapping_stops_the_start_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let map = MAP.replace("CONNECTION", "{kind: sqlite, path: shop.sqlite}");
    std::fs::write(dir.path().join("map.yaml"), map).unwrap();
    let wrong = SCHEMA.replace("name: name", "name: nam");
    std::fs::write(dir.path().join("profile.yaml"), wrong).unwrap();
    let clock = Arc::new(FixedClock::at(START.parse().unwrap()));
    let storage = url(dir.path(), None);
    let refused = open(dir.path(), &storage, &clock, &Progress::unwatched()).await;
    let refused = refused.err().unwrap();
    assert!(refused.title.contains("profile.yaml:14: `nam` is no field of `shop.member` in the data map; did you mean `name`?"), "{refused}");
}

const DIR: &str = "PRIVITY_SYNC_CRASH_DIR";
const STORAGE: &str = "PRIVITY_SYNC_CRASH_STORAGE";
const MEMBERS: u32 = 12_000;

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_it_goes_on_where_it_stopped_and_writes_nothing_twice() {
    on_each_engine(async |house| {
        house.members(0..MEMBERS, "2026-10-01T10:00:00Z");
        let read = read_until_killed(house);
        assert!(read < u64::from(MEMBERS), "it was killed before its end");
        let planted = b"member00001@example.org";
        let stored = crate::profile_sync::stored(house);
        assert!(
            !holds(&stored, std::str::from_utf8(planted).unwrap())
                && !holds(&stored, "Member Number")
        );

        let early = sync(&house.p, None, false, &Actor::CommandLine).await;
        let early = early.err().unwrap();
        assert!(early.title.contains("if that one was killed"), "{early}");
        house.clock.advance(SignedDuration::from_secs(61));
        let done_before = house.count("subject").await;
        assert!(done_before >= read);
        let told = Arc::new(AtomicU64::new(u64::MAX));
        let hear = told.clone();
        let progress = Progress::new(move |what, done, of| {
            if what == "rows read" {
                assert_eq!(of, u64::from(MEMBERS));
                hear.fetch_min(done, Ordering::SeqCst);
            }
        });
        let p = house.second(&progress).await;
        let synced = sync(&p, None, false, &Actor::CommandLine).await.unwrap();
        assert!(
            told.load(Ordering::SeqCst) > done_before,
            "what was done is not read again"
        );
        assert_eq!(synced[0].counts.read, u64::from(MEMBERS));
        assert_eq!(synced[0].counts.new, u64::from(MEMBERS));
        assert_eq!(house.count("subject").await, u64::from(MEMBERS));
        assert_eq!(house.count("source_record").await, u64::from(MEMBERS));
        assert_eq!(house.sync(true).await.counts.unchanged, u64::from(MEMBERS));
    })
    .await;
}

/// What our database holds, in its own files or as a dump.
fn stored(house: &Followed) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(own) = &house.own {
        for table in [
            "profile_import",
            "audit_entry",
            "source_record",
            "identifier",
        ] {
            let columns = own.run(&format!("SELECT string_agg(CASE WHEN data_type = 'bytea' THEN 'encode(' || column_name || ', ''escape'')' ELSE column_name || '::text' END, ', ') FROM information_schema.columns WHERE table_name = '{table}'"));
            bytes.extend(
                own.run(&format!("SELECT {columns} FROM {table}"))
                    .into_bytes(),
            );
        }
    }
    for end in ["", "-wal"] {
        let file = house.dir.path().join(format!("privity.db{end}"));
        bytes.extend(std::fs::read(file).unwrap_or_default());
    }
    bytes
}

/// Starts this test binary again as the one that reads, kills it in the middle, and answers how many rows it had told of.
fn read_until_killed(house: &Followed) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "profile_sync::reader_for_the_crash_test",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(DIR, house.dir.path())
        .env(STORAGE, url(house.dir.path(), house.own.as_ref()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut read = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((_, number)) = line.split_once("rows read ") else {
            continue;
        };
        read = number.trim().parse().unwrap();
        if read >= 3_000 {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    read
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by after_kill_9_it_goes_on_where_it_stopped_and_writes_nothing_twice, which kills it"]
async fn reader_for_the_crash_test() {
    let (Ok(dir), Ok(storage)) = (std::env::var(DIR), std::env::var(STORAGE)) else {
        return;
    };
    let clock = Arc::new(FixedClock::at(START.parse().unwrap()));
    let progress = Progress::new(|what, done, _| {
        if what == "rows read" {
            writeln!(std::io::stdout(), "rows read {done}").unwrap();
        }
    });
    let p = open(Path::new(&dir), &storage, &clock, &progress)
        .await
        .unwrap();
    sync(&p, None, false, &Actor::CommandLine).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_batch_is_in_the_audit_log() {
    let house = Followed::new(None, None).await;
    house.members(0..2_500, "2026-10-01T10:00:00Z");
    house.sync(false).await;
    let entries = house.p.database().read("read log", |tx| {
        storage::audit::entries(tx, "privacy.hearth.example/audit", 0, 1_000)
    });
    let entries = entries
        .await
        .unwrap_or_else(|error: Error| panic!("{error}"));
    let written = entries.iter().filter(|entry| {
        let record: domain::audit::Record = serde_json::from_slice(&entry.bytes).unwrap();
        record.action == Action::ProfilesWritten
    });
    assert_eq!(written.count(), 3);
}
