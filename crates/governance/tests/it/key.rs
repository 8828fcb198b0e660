//! Keys are changed while programs run, cut off anywhere and finished later; what they opened before is dead in backups afterwards.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use domain::id::SubjectId;
use domain::privacy_request::RequestKind;
use domain::progress::Progress;
use domain::sensitive::Sensitive;
use domain::time::{Clock, FixedClock};
use enforcement::vault::{KeyRing, WrappedSubjectKey};
use governance::key::{self, KeyKind, Stage};
use governance::privacy_request::console;
use governance::settings::Settings;
use governance::{Privity, Problem};
use jiff::SignedDuration;
use storage::subject::{NewSubject, StoredKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{House, SeededRng, ask, open, open_with, sql};

const AT_ONCE: Duration = Duration::ZERO;

/// A database that holds profiles does not open without the schema of their attributes.
const PROFILE: &str = concat!(
    "profile: ",
    env!("CARGO_MANIFEST_DIR"),
    "/../../demo/profile.yaml\n"
);

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// Another program over the same database and key file.
async fn beside(house: &House) -> Privity {
    open(house.dir.path(), house.mailbox.port, &house.clock, PROFILE).await
}

/// Time goes by and the program says again what it holds, as a running one does.
async fn beat(house: &House, p: &Privity) {
    house.clock.advance(seconds(15));
    governance::operator::add(p, "Robin").await.unwrap();
}

fn subject(number: u128) -> SubjectId {
    SubjectId::from_uuid(uuid::Uuid::from_u128(number + 1))
}

/// Subjects whose keys the present epoch wraps, put into the database directly.
async fn plant(p: &Privity, dir: &Path, count: u128) {
    let ring = KeyRing::open(&dir.join("privity.key")).unwrap();
    let rng = SeededRng::new(77);
    let new: Vec<_> = (0..count)
        .map(|number| {
            let (_, wrapped) = ring.new_subject_key(subject(number), 1, &rng).unwrap();
            NewSubject {
                id: subject(number),
                key: StoredKey {
                    version: 1,
                    epoch: wrapped.epoch().unwrap(),
                    wrapped: wrapped.as_bytes().to_vec(),
                },
                created_at: p.now(),
            }
        })
        .collect();
    p.database()
        .write::<_, storage::Error, _>("plant", move |tx| storage::subject::insert_many(tx, &new))
        .await
        .unwrap();
}

async fn stages(p: &Privity) -> Vec<(KeyKind, u32, Stage)> {
    let status = key::status(p).await.unwrap();
    status
        .keys
        .into_iter()
        .map(|state| (state.kind, state.version, state.stage))
        .collect()
}

const INDEX: (KeyKind, u32, Stage) = (KeyKind::Index, 1, Stage::Present);

fn recorded(house: &House) -> Vec<String> {
    let db = house.dir.path().join("privity.db");
    let rows = sql(&db, "SELECT entry FROM audit_entry ORDER BY sequence");
    let of_keys = [
        "key_added",
        "key_promoted",
        "keys_rewrapped",
        "old_key_destroyed",
        "key_file_protected",
        "key_file_unprotected",
    ];
    rows.lines()
        .filter_map(|row| of_keys.iter().find(|action| row.contains(**action)))
        .map(|action| (*action).to_owned())
        .collect()
}

async fn who_asked(p: &Privity, id: domain::id::RequestId) -> Result<String, Problem> {
    let operator = governance::operator::add(p, "Robin").await.unwrap().0;
    let shown = console::reveal_requester(p, id, operator).await?;
    Ok(format!("{shown:?}"))
}

fn copy_database(from: &Path, to: &Path) {
    for end in ["", "-wal"] {
        let file = from.join(format!("privity.db{end}"));
        if file.exists() {
            std::fs::copy(file, to.join(format!("privity.db{end}"))).unwrap();
        }
    }
}

#[tokio::test]
async fn a_rotation_leaves_everything_readable_and_the_old_key_gone() {
    let house = House::new().await;
    let received = house.ask(RequestKind::Delete, "maya@example.org").await;
    plant(&house.p, house.dir.path(), 5_000).await;
    let rotated = key::rotate(&house.p, KeyKind::Epoch, AT_ONCE)
        .await
        .unwrap();
    assert_eq!((rotated.present, &rotated.destroyed[..]), (2, &[1][..]));
    assert_eq!(rotated.rewrapped.subjects, 5_000);
    assert!(rotated.rewrapped.privacy_requests >= 1);
    assert_eq!(rotated.rewrapped.unreadable, 0);

    let shown = who_asked(&house.p, received.id).await.unwrap();
    assert!(shown.contains("maya@example.org"));
    let again = beside(&house).await;
    assert!(who_asked(&again, received.id).await.is_ok());
    let ring = KeyRing::open(&house.dir.path().join("privity.key")).unwrap();
    assert!(ring.epoch_versions().older.is_empty());
    let stored = house
        .p
        .database()
        .read::<_, storage::Error, _>("read", |tx| storage::subject::walk_keys(tx, None, 9_999))
        .await
        .unwrap();
    assert_eq!(stored.len(), 5_000);
    for (id, key) in stored {
        let wrapped = WrappedSubjectKey::from_parts(key.version, key.wrapped);
        assert!(ring.unwrap_subject_key(id, &wrapped).is_ok());
    }
    assert_eq!(
        stages(&house.p).await,
        [
            (KeyKind::Epoch, 1, Stage::Destroyed),
            (KeyKind::Epoch, 2, Stage::Present),
            INDEX
        ]
    );
}

#[tokio::test]
async fn a_backup_from_before_a_rotation_is_dead_for_whoever_has_todays_key_file() {
    let house = House::new().await;
    let received = house.ask(RequestKind::Delete, "maya@example.org").await;
    let backup = tempfile::tempdir().unwrap();
    copy_database(house.dir.path(), backup.path());
    std::fs::copy(
        house.dir.path().join("map.yaml"),
        backup.path().join("map.yaml"),
    )
    .unwrap();
    crate::house::make_sources(backup.path());

    // Before: with the key file, the backup can be read.
    let keys = backup.path().join("privity.key");
    std::fs::copy(house.dir.path().join("privity.key"), &keys).unwrap();
    let restored = open(backup.path(), house.mailbox.port, &house.clock, PROFILE).await;
    assert!(who_asked(&restored, received.id).await.is_ok());
    restored.database().close().await;

    key::rotate(&house.p, KeyKind::Epoch, AT_ONCE)
        .await
        .unwrap();
    std::fs::copy(house.dir.path().join("privity.key"), &keys).unwrap();
    let restored = open(backup.path(), house.mailbox.port, &house.clock, PROFILE).await;
    let problem = who_asked(&restored, received.id).await.unwrap_err();
    assert_eq!(problem.code, "internal");
    assert!(
        who_asked(&house.p, received.id).await.is_ok(),
        "the original still opens"
    );
}

#[tokio::test]
async fn each_step_waits_until_every_running_program_is_ready() {
    let house = House::new().await;
    let (p, other) = (&house.p, beside(&house).await);
    beat(&house, &other).await;
    assert_eq!(key::add(p, KeyKind::Epoch).await.unwrap(), 2);
    let early = key::promote(p, KeyKind::Epoch, AT_ONCE).await.unwrap_err();
    assert!(
        early.title.contains("1 running programs have not loaded"),
        "{early}"
    );

    beat(&house, &other).await;
    assert_eq!(key::promote(p, KeyKind::Epoch, AT_ONCE).await.unwrap(), 2);
    key::rewrap(p, KeyKind::Epoch).await.unwrap();
    let early = key::destroy(p, KeyKind::Epoch, 1, AT_ONCE)
        .await
        .unwrap_err();
    assert!(
        early.title.contains("still write with an older key"),
        "{early}"
    );

    // It loads the key with one beat; what it wrapped just before has its time until the next.
    beat(&house, &other).await;
    assert!(key::destroy(p, KeyKind::Epoch, 1, AT_ONCE).await.is_err());
    beat(&house, &other).await;
    key::destroy(p, KeyKind::Epoch, 1, AT_ONCE).await.unwrap();
    assert!(ask(&other, RequestKind::Delete, "sam@example.org").await.id != subject_less());
    assert_eq!(
        recorded(&house),
        ["key_added", "key_promoted", "old_key_destroyed"]
    );
}

fn subject_less() -> domain::id::RequestId {
    domain::id::RequestId::from_uuid(uuid::Uuid::nil())
}

#[tokio::test]
async fn a_program_that_slept_through_a_rotation_writes_nothing_under_the_old_key() {
    let house = House::new().await;
    let sleeper = beside(&house).await;
    beat(&house, &sleeper).await;
    house.clock.advance(seconds(61));
    key::rotate(&house.p, KeyKind::Epoch, AT_ONCE)
        .await
        .unwrap();

    let asked =
        governance::privacy_request::intake::receive(&sleeper, delete("sam@example.org")).await;
    let problem = asked.err().unwrap();
    assert_eq!(problem.code, "not_possible_now");
    assert!(problem.title.contains("keys were changed"), "{problem}");
    let again = ask(&sleeper, RequestKind::Delete, "sam@example.org").await;
    assert!(
        who_asked(&house.p, again.id).await.is_ok(),
        "repeated, it is wrapped under the new key"
    );
}

fn delete(email: &str) -> governance::privacy_request::intake::Intake {
    governance::privacy_request::intake::Intake::Identified {
        kind: RequestKind::Delete,
        law: None,
        email: Sensitive::new(email.to_owned()),
        name: None,
        identifiers: Vec::new(),
        language: "en".to_owned(),
        channel: domain::privacy_request::IntakeChannel::PrivacyCenter,
        since: None,
        verified_by: None,
        address: None,
    }
}

#[tokio::test]
async fn a_key_that_rows_need_or_that_is_in_use_is_not_destroyed() {
    let house = House::new().await;
    let p = &house.p;
    plant(p, house.dir.path(), 3).await;
    let in_use = key::destroy(p, KeyKind::Epoch, 1, AT_ONCE)
        .await
        .unwrap_err();
    assert!(in_use.title.contains("in use"), "{in_use}");
    key::add(p, KeyKind::Epoch).await.unwrap();
    key::promote(p, KeyKind::Epoch, AT_ONCE).await.unwrap();
    let needed = key::destroy(p, KeyKind::Epoch, 1, AT_ONCE)
        .await
        .unwrap_err();
    assert!(needed.title.contains("needed by 3 rows"), "{needed}");
    assert!(key::destroy(p, KeyKind::Epoch, 7, AT_ONCE).await.is_err());
    assert_eq!(key::rewrap(p, KeyKind::Epoch).await.unwrap().subjects, 3);
    assert_eq!(
        key::rewrap(p, KeyKind::Epoch).await.unwrap().subjects,
        0,
        "nothing is left"
    );
    key::destroy(p, KeyKind::Epoch, 1, AT_ONCE).await.unwrap();
    let all = [
        "key_added",
        "key_promoted",
        "keys_rewrapped",
        "old_key_destroyed",
    ];
    assert_eq!(recorded(&house), all);
}

#[tokio::test]
async fn a_key_that_waits_can_be_given_up_and_its_number_is_free_again() {
    let house = House::new().await;
    let p = &house.p;
    assert_eq!(key::add(p, KeyKind::Index).await.unwrap(), 2);
    assert!(
        key::add(p, KeyKind::Index)
            .await
            .unwrap_err()
            .title
            .contains("pending")
    );
    key::destroy(p, KeyKind::Index, 2, AT_ONCE).await.unwrap();
    assert_eq!(key::add(p, KeyKind::Index).await.unwrap(), 2);
    let again = beside(&house).await;
    beat(&house, &again).await;
}

#[tokio::test]
async fn a_rotation_that_was_cut_off_after_any_step_is_finished_and_no_other_begun() {
    for steps in 1..=3 {
        let house = House::new().await;
        plant(&house.p, house.dir.path(), 10).await;
        key::add(&house.p, KeyKind::Epoch).await.unwrap();
        if steps > 1 {
            key::promote(&house.p, KeyKind::Epoch, AT_ONCE)
                .await
                .unwrap();
        }
        if steps > 2 {
            key::rewrap(&house.p, KeyKind::Epoch).await.unwrap();
        }
        // Another program, since the first one died; its word ends.
        house.clock.advance(seconds(61));
        let p = beside(&house).await;
        let rotated = key::rotate(&p, KeyKind::Epoch, AT_ONCE).await.unwrap();
        assert!(rotated.finished_earlier);
        assert_eq!(
            (rotated.present, &rotated.destroyed[..]),
            (2, &[1][..]),
            "{steps}"
        );
        let next = key::rotate(&p, KeyKind::Epoch, AT_ONCE).await.unwrap();
        assert_eq!((next.present, next.finished_earlier), (3, false));
    }
}

#[tokio::test]
async fn the_epoch_changes_by_itself_after_its_days_unless_that_is_off() {
    for (more, days, expected) in [("", 29, 1), ("", 30, 2), ("key_rotation_days: 0", 400, 1)] {
        let house = House::with(more).await;
        let received = house.ask(RequestKind::Delete, "maya@example.org").await;
        house.clock.advance(SignedDuration::from_hours(24 * days));
        governance::housekeeping::clear(&house.p).await.unwrap();
        let file = house.dir.path().join("privity.key");
        let keys = || KeyRing::open(&file).unwrap().epoch_versions();
        assert_eq!(keys().present, expected, "{days} days, {more}");
        // What it was writing at that moment is written by then; the old key goes with the next round.
        assert_eq!(keys().older.is_empty(), expected == 1);
        house.clock.advance(SignedDuration::from_hours(1));
        governance::housekeeping::clear(&house.p).await.unwrap();
        assert!(keys().older.is_empty());
        assert!(who_asked(&house.p, received.id).await.is_ok());
    }
}

#[tokio::test]
async fn two_machines_that_add_a_key_of_one_number_are_told_and_nothing_is_lost() {
    let house = House::new().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("privity.key");
    std::fs::copy(house.dir.path().join("privity.key"), &file).unwrap();
    let key_file = |dir: &Path| KeyRing::open(&dir.join("privity.key")).unwrap();
    let other = Settled::at(house.dir.path(), &file).start(&house).await;
    beat(&house, &house.p).await;
    key::add(&house.p, KeyKind::Epoch).await.unwrap();
    let refused = key::add(&other, KeyKind::Epoch).await.unwrap_err();
    assert!(
        refused.title.contains("another machine has added a key"),
        "{refused}"
    );

    // Somebody changes the file by hand all the same: it is not used.
    let rng = SeededRng::new(5);
    KeyRing::change(&file, enforcement::vault::KeyChange::AddEpoch, &rng).unwrap();
    let refused = Settled::at(house.dir.path(), &file).try_start(&house).await;
    let wrong = match refused {
        Ok(p) => governance::operator::add(&p, "Robin").await.err(),
        Err(problem) => Some(problem),
    };
    assert_eq!(wrong.unwrap().code, "wrong_key_file");
    assert_eq!(key_file(house.dir.path()).epoch_versions().pending, Some(2));

    // Copied from the machine where the key was added, it is.
    std::fs::copy(house.dir.path().join("privity.key"), &file).unwrap();
    let copied = Settled::at(house.dir.path(), &file).start(&house).await;
    assert!(governance::operator::add(&copied, "Robin").await.is_ok());
}

#[tokio::test]
async fn a_destroyed_key_that_comes_back_with_an_old_copy_of_the_key_file_is_shown() {
    let house = House::new().await;
    let file = house.dir.path().join("privity.key");
    key::add(&house.p, KeyKind::Epoch).await.unwrap();
    key::promote(&house.p, KeyKind::Epoch, AT_ONCE)
        .await
        .unwrap();
    let old = std::fs::read(&file).unwrap();
    key::rewrap(&house.p, KeyKind::Epoch).await.unwrap();
    key::destroy(&house.p, KeyKind::Epoch, 1, AT_ONCE)
        .await
        .unwrap();
    std::fs::write(&file, old).unwrap();
    let p = beside(&house).await;
    assert_eq!(stages(&p).await[0], (KeyKind::Epoch, 1, Stage::CameBack));
    let words = governance::doctor::check(&p).await;
    assert!(
        words
            .iter()
            .any(|finding| finding.what == "keys" && !finding.ok)
    );
}

#[tokio::test]
async fn an_old_copy_of_the_key_file_is_not_used_to_write() {
    let house = House::new().await;
    let file = house.dir.path().join("privity.key");
    let old = std::fs::read(&file).unwrap();
    key::rotate(&house.p, KeyKind::Epoch, AT_ONCE)
        .await
        .unwrap();
    std::fs::write(&file, old).unwrap();
    house.clock.advance(seconds(20));
    ask(&house.p, RequestKind::Delete, "sam@example.org").await;
    let p = beside(&house).await;
    let asked = governance::privacy_request::intake::receive(&p, delete("li@example.org")).await;
    let problem = asked.err().unwrap();
    assert_eq!(problem.code, "wrong_key_file");
    assert!(problem.title.contains("old copy"), "{problem}");
}

/// Settings with a key file and a key service of their own.
struct Settled {
    yaml: String,
}

impl Settled {
    fn at(dir: &Path, key_file: &Path) -> Self {
        let base = dir.display();
        Self {
            yaml: format!(
                "business: {{name: Hearth & Crumb, privacy_contact: privacy@hearth.example}}\nbase_url: https://privacy.hearth.example\nstorage: \"sqlite:{base}/privity.db\"\nkey_file: {}\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nmail: {{url: \"smtp://127.0.0.1:1\", tls: none, from: \"privacy@hearth.example\"}}\n{PROFILE}",
                key_file.display()
            ),
        }
    }

    fn with(mut self, more: &str) -> Self {
        self.yaml.push_str(more);
        self
    }

    fn settings(&self) -> Settings {
        serde_saphyr::from_str(&self.yaml).unwrap()
    }

    async fn try_start(&self, house: &House) -> Result<Privity, Problem> {
        let clock: Arc<dyn Clock> = house.clock.clone();
        governance::start(self.settings(), clock, governance::system_rng()).await
    }

    async fn start(&self, house: &House) -> Privity {
        self.try_start(house)
            .await
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    async fn protect(&self, house: &House) -> Result<String, Problem> {
        let clock: Arc<dyn Clock> = house.clock.clone();
        key::protect(&self.settings(), clock, governance::system_rng()).await
    }
}

#[tokio::test]
async fn a_key_file_is_sealed_under_a_service_used_changed_and_opened_again() {
    let house = House::new().await;
    let received = house.ask(RequestKind::Delete, "maya@example.org").await;
    let file = house.dir.path().join("privity.key");
    let wrap = house.dir.path().join("wrap.key");
    let plain = Settled::at(house.dir.path(), &file);
    let service = format!(
        "key_service: {{kind: local_file, path: {}}}\n",
        wrap.display()
    );
    let sealed = Settled::at(house.dir.path(), &file).with(&service);
    assert!(plain.protect(&house).await.is_err(), "no service is named");

    std::fs::write(&wrap, "").unwrap();
    std::fs::remove_file(&wrap).unwrap();
    assert!(
        sealed.try_start(&house).await.is_err(),
        "it is not sealed yet"
    );
    assert_eq!(sealed.protect(&house).await.unwrap(), "local_file");
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .contains("\"privity_key_file\": 3")
    );
    let refused = plain.try_start(&house).await.err().unwrap();
    assert!(refused.title.contains("local_file"), "{refused}");

    let p = sealed.start(&house).await;
    assert!(who_asked(&p, received.id).await.is_ok());
    house.clock.advance(seconds(61));
    key::rotate(&p, KeyKind::Epoch, AT_ONCE).await.unwrap();
    let p = sealed.start(&house).await;
    assert!(who_asked(&p, received.id).await.is_ok());

    let settings = sealed.settings();
    let clock: Arc<dyn Clock> = house.clock.clone();
    key::unprotect(&settings, clock, governance::system_rng())
        .await
        .unwrap();
    let p = plain.start(&house).await;
    assert!(who_asked(&p, received.id).await.is_ok());
    assert_eq!(
        recorded(&house),
        [
            "key_file_protected",
            "key_added",
            "key_promoted",
            "keys_rewrapped",
            "old_key_destroyed",
            "key_file_unprotected"
        ]
    );
}

#[tokio::test]
async fn a_key_file_whose_sealing_nobody_could_record_is_sealed_by_nobody() {
    let house = House::new().await;
    let file = house.dir.path().join("privity.key");
    let wrap = house.dir.path().join("wrap.key");
    let service = format!(
        "key_service: {{kind: local_file, path: {}}}\n",
        wrap.display()
    );
    let sealed = Settled::at(house.dir.path(), &file).with(&service);
    let before = std::fs::read(&file).unwrap();
    let mut elsewhere = sealed.settings();
    let nowhere = house.dir.path().join("no/such/folder/privity.db");
    elsewhere.storage = Sensitive::new(format!("sqlite:{}", nowhere.display()));
    let clock: Arc<dyn Clock> = house.clock.clone();
    let refused = key::protect(&elsewhere, clock, governance::system_rng()).await;
    assert!(refused.is_err());
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert!(!wrap.exists() && recorded(&house).is_empty());

    // Whoever seals it otherwise is seen by the next program.
    house.clock.advance(seconds(61));
    sealed.protect(&house).await.unwrap();
    let text = sql(
        &house.dir.path().join("privity.db"),
        "SELECT entry FROM audit_entry ORDER BY sequence DESC LIMIT 1",
    );
    assert!(text.contains("key_file_protected") && text.contains("local_file"));
    assert!(!text.contains(&wrap.display().to_string()));
}

#[tokio::test]
async fn a_service_that_is_down_stops_a_start_in_clear_words_and_not_a_running_program() {
    let house = House::new().await;
    let file = house.dir.path().join("privity.key");
    let wrap = house.dir.path().join("wrap.key");
    let local = format!(
        "key_service: {{kind: local_file, path: {}}}\n",
        wrap.display()
    );
    let sealed = Settled::at(house.dir.path(), &file).with(&local);
    sealed.protect(&house).await.unwrap();
    let p = sealed.start(&house).await;
    std::fs::remove_file(&wrap).unwrap();
    let missing = sealed.try_start(&house).await.err().unwrap();
    assert!(missing.title.contains("privity key protect"), "{missing}");
    house.clock.advance(seconds(300));
    ask(&p, RequestKind::Delete, "sam@example.org").await;

    // A service over the network, where nobody listens.
    let vaults = serde_json::json!({"privity_key_file": 3, "key_service": "vault_transit:transit/privity", "wrapped_key": "dmF1bHQ6djE6QUFBQQ==", "sealed": "AAAA"});
    let text = vaults.to_string();
    std::fs::write(&file, text).unwrap();
    let vault = "key_service: {kind: vault_transit, address: \"http://127.0.0.1:9\", key: privity, token: x, timeout_seconds: 1}\n";
    let down = Settled::at(house.dir.path(), &file)
        .with(vault)
        .try_start(&house)
        .await
        .err()
        .unwrap();
    assert_eq!((down.code, down.status), ("key_service_unavailable", 503));
    assert!(
        down.title.contains("vault_transit:transit/privity")
            && down.title.contains("does not answer"),
        "{down}"
    );
}

/// A transit engine that only turns texts around, and that can be down (closes) or slow (never answers).
struct Transit {
    port: u16,
    mood: Arc<AtomicU8>,
}

const UP: u8 = 0;
const DOWN: u8 = 1;
const SLOW: u8 = 2;

impl Transit {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(AtomicU8::new(UP));
        let now = Arc::clone(&mood);
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                match now.load(Ordering::SeqCst) {
                    UP => drop(tokio::spawn(turn_around(stream))),
                    DOWN => drop(stream),
                    _ => held.push(stream),
                }
            }
        });
        Self { port, mood }
    }

    fn is(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }
}

async fn turn_around(mut stream: tokio::net::TcpStream) {
    let mut request = Vec::new();
    let body = loop {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&request);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
        if let Some(Ok(body)) = body.map(serde_json::from_str::<serde_json::Value>) {
            break body;
        }
    };
    let data = match body["ciphertext"].as_str() {
        Some(wrapped) => serde_json::json!({"plaintext": wrapped.replace("vault:v1:", "")}),
        None => {
            let plain = body["plaintext"].as_str().unwrap();
            serde_json::json!({"ciphertext": format!("vault:v1:{plain}")})
        }
    };
    let answer = serde_json::json!({"data": data}).to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_while_the_service_is_down_or_slow_changes_nothing_and_goes_on_afterwards() {
    let (house, transit) = (House::new().await, Transit::start().await);
    let file = house.dir.path().join("privity.key");
    let service = format!(
        "key_service: {{kind: vault_transit, address: \"http://127.0.0.1:{}\", key: privity, token: x, timeout_seconds: 1}}\n",
        transit.port
    );
    let sealed = Settled::at(house.dir.path(), &file).with(&service);
    sealed.protect(&house).await.unwrap();
    house.clock.advance(seconds(61));
    let p = sealed.start(&house).await;
    let received = ask(&p, RequestKind::Delete, "maya@example.org").await;
    for (steps, mood) in [DOWN, SLOW, DOWN].into_iter().enumerate() {
        let before = std::fs::read(&file).unwrap();
        transit.is(mood);
        let problem = key::rotate(&p, KeyKind::Epoch, AT_ONCE).await.unwrap_err();
        assert_eq!(problem.code, "key_service_unavailable", "{problem}");
        assert_eq!(std::fs::read(&file).unwrap(), before, "{steps}");
        assert!(who_asked(&p, received.id).await.is_ok());
        let other = ask(&p, RequestKind::Delete, "sam@example.org").await;
        assert!(who_asked(&p, other.id).await.is_ok(), "work goes on");
        transit.is(UP);
        match steps {
            0 => drop(key::add(&p, KeyKind::Epoch).await.unwrap()),
            1 => drop(key::promote(&p, KeyKind::Epoch, AT_ONCE).await.unwrap()),
            _ => {
                let rotated = key::rotate(&p, KeyKind::Epoch, AT_ONCE).await.unwrap();
                assert_eq!((rotated.present, rotated.finished_earlier), (2, true));
            }
        }
    }
    let again = sealed.start(&house).await;
    assert!(who_asked(&again, received.id).await.is_ok());
}

const DIR: &str = "PRIVITY_KEY_CRASH_DIR";
const HOUR: &str = "PRIVITY_KEY_CRASH_HOUR";
const SUBJECTS: u128 = 12_000;

/// Rotates, telling its steps; killed by the test below.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by a_rotation_survives_kill_9_at_any_moment, which kills it"]
async fn rotation_for_the_crash_test() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let dir = Path::new(&dir);
    let told = |what: &str, done: u64, _: u64| {
        if what == "subjects looked at" {
            writeln!(std::io::stdout(), "looked at {done}").unwrap();
        }
    };
    let settings = Settled::at(dir, &dir.join("privity.key")).settings();
    // Those who were killed before have had their time.
    let hour: i64 = std::env::var(HOUR).unwrap().parse().unwrap();
    let start: jiff::Timestamp = "2026-11-03T00:00:00Z".parse().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::at(start + SignedDuration::from_hours(hour)));
    let p = governance::start_watched(
        settings,
        clock,
        governance::system_rng(),
        &Progress::new(told),
    )
    .await
    .unwrap();
    key::add(&p, KeyKind::Epoch).await.ok();
    writeln!(std::io::stdout(), "added").unwrap();
    key::promote(&p, KeyKind::Epoch, AT_ONCE).await.ok();
    writeln!(std::io::stdout(), "promoted").unwrap();
    key::rotate(&p, KeyKind::Epoch, AT_ONCE).await.unwrap();
    writeln!(std::io::stdout(), "rotated").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_survives_kill_9_at_any_moment() {
    let house = House::new().await;
    plant(&house.p, house.dir.path(), SUBJECTS).await;
    house.p.database().close().await;
    let ends = [
        "added",
        "promoted",
        "looked at 4000",
        "looked at 10000",
        "rotated",
    ];
    for (hour, end) in ends.into_iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "key::rotation_for_the_crash_test",
                "--ignored",
                "--nocapture",
            ])
            .env(DIR, house.dir.path())
            .env(HOUR, hour.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains(end)), "{end}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let clock = Arc::new(FixedClock::at("2026-11-04T18:00:00Z".parse().unwrap()));
    let p = open_with(
        house.dir.path(),
        "privity.db",
        1,
        &clock,
        governance::system_rng(),
        PROFILE,
    )
    .await;
    let ring = KeyRing::open(&house.dir.path().join("privity.key")).unwrap();
    let rows = p
        .database()
        .read::<_, storage::Error, _>("read", |tx| storage::subject::walk_keys(tx, None, 99_999))
        .await
        .unwrap();
    let mut epochs = BTreeMap::<u32, usize>::new();
    for (id, key) in rows {
        *epochs.entry(key.epoch).or_default() += 1;
        let wrapped = WrappedSubjectKey::from_parts(key.version, key.wrapped);
        assert!(ring.unwrap_subject_key(id, &wrapped).is_ok());
    }
    let present = ring.epoch_versions().present;
    assert_eq!(
        epochs,
        BTreeMap::from([(present, usize::try_from(SUBJECTS).unwrap())])
    );
    assert!(ring.epoch_versions().older.is_empty());
}
