//! A house whose shop and CRM are in SQLite and whose customers are in the vault as well, on SQLite or on PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::audit::{Action, Actor, Record};
use domain::id::{OperatorId, SubjectId};
use domain::outreach::Answer;
use domain::privacy_request::RequestKind;
use domain::profile::SourceNumber;
use domain::rng::Rng;
use domain::sensitive::Sensitive;
use domain::time::{Clock, FixedClock};
use governance::Privity;
use governance::privacy_request::{console, intake::Received, take_answer, verify};
use governance::profile::{GivenRecord, GivenValue, Written, write};
use governance::settings::Settings;
use governance::view::RequestDetail;
use storage::profile_segment::{self, StoredSegment};
use storage::subject::{self, StoredSubject};
use storage::{Error, Row};

use crate::house::{MAP, SeededRng, ask, code_in, mailbox::Mailbox, make_sources};
use crate::profile_house::schema_file;
use crate::server::{Engine, Store, engine};

pub(crate) const SHOP: SourceNumber = SourceNumber(1);
pub(crate) const CRM: SourceNumber = SourceNumber(2);
pub(crate) const HELP_DESK: SourceNumber = SourceNumber(3);

/// A value planted in Maya's profile; nothing else has it.
pub(crate) const SIGN: &str = "zqplanted";

pub(crate) struct VaultHouse {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) p: Privity,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) mailbox: Mailbox,
    store: Option<Store>,
}

static SEED: AtomicU64 = AtomicU64::new(77_000_000);

/// Runs a test on SQLite, and on PostgreSQL where there is one.
pub(crate) async fn on_each_engine(test: impl AsyncFn(&VaultHouse)) {
    test(&VaultHouse::new(None).await).await;
    if let Some(store) = engine(Engine::Postgres) {
        test(&VaultHouse::new(Some(store)).await).await;
    }
}

/// Opens (again) what lies in a folder.
pub(crate) async fn open(dir: &Path, storage: &str, port: u16, clock: &Arc<FixedClock>) -> Privity {
    let base = dir.display();
    let schema = schema_file();
    let yaml = format!(
        "business: {{name: Hearth & Crumb, privacy_contact: privacy@hearth.example}}\nbase_url: https://privacy.hearth.example\nstorage: \"{storage}\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nprofile: {}\nmail: {{url: \"smtp://127.0.0.1:{port}\", tls: none, from: \"privacy@hearth.example\"}}\n",
        schema.display()
    );
    let settings: Settings = serde_saphyr::from_str(&yaml).unwrap();
    let seed = SEED.fetch_add(1_000_003, Ordering::Relaxed) + u64::from(std::process::id());
    let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(seed));
    let clock: Arc<dyn Clock> = clock.clone();
    governance::start(settings, clock, rng)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

pub(crate) fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()))
}

impl VaultHouse {
    pub(crate) async fn new(store: Option<Store>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        make_sources(dir.path());
        std::fs::write(dir.path().join("map.yaml"), MAP).unwrap();
        let (mailbox, clock) = (Mailbox::start().await, clock());
        let p = open(
            dir.path(),
            &url(dir.path(), store.as_ref()),
            mailbox.port,
            &clock,
        )
        .await;
        Self {
            dir,
            p,
            clock,
            mailbox,
            store,
        }
    }

    pub(crate) async fn reopened(&self) -> Privity {
        open(
            self.dir.path(),
            &url(self.dir.path(), self.store.as_ref()),
            self.mailbox.port,
            &self.clock,
        )
        .await
    }

    pub(crate) async fn operator(&self) -> OperatorId {
        governance::operator::add(&self.p, "Robin").await.unwrap().0
    }

    pub(crate) async fn write(&self, source: SourceNumber, values: &[(&str, &str)]) -> Written {
        write_record(&self.p, source, values).await
    }

    pub(crate) async fn write_all(
        &self,
        source: SourceNumber,
        records: &[&[(&str, &str)]],
    ) -> Written {
        let records = records
            .iter()
            .map(|values| record(&self.p, values))
            .collect();
        write(&self.p, source, records, Actor::CommandLine)
            .await
            .unwrap()
    }

    /// Maya, as the shop, the sales team and the help desk know her, and Sam. Answers Maya's records and Sam's.
    pub(crate) async fn fill(&self) -> (Vec<SubjectId>, SubjectId) {
        fill(&self.p).await
    }

    pub(crate) async fn work(&self) {
        governance::worker::run_until_idle(&self.p).await.unwrap();
    }

    /// Asks and shows who she is.
    pub(crate) async fn ask_verified(&self, kind: RequestKind, email: &str) -> Received {
        let received = ask(&self.p, kind, email).await;
        self.work().await;
        let code = code_in(
            &self
                .mailbox
                .to(email)
                .last()
                .expect("a mail with a code")
                .text,
        );
        verify::confirm(&self.p, &received.tracker, &code)
            .await
            .unwrap();
        self.work().await;
        received
    }

    /// Every recipient answers that it is done.
    pub(crate) async fn recipients_answer(&self) {
        for desk in ["desk@mill.example", "desk@leads.example"] {
            for mail in self.mailbox.to(desk) {
                let Some((_, rest)) = mail.text.split_once("/outreach/") else {
                    continue;
                };
                let link = rest.chars().take_while(char::is_ascii_hexdigit).collect();
                let link = Sensitive::new(link);
                // Answered before, when it belongs to an earlier privacy request.
                let _ = take_answer::answer(&self.p, &link, Answer::Done, None, None).await;
            }
        }
        self.work().await;
    }

    pub(crate) async fn detail(&self, received: &Received) -> RequestDetail {
        console::detail(&self.p, received.id).await.unwrap()
    }

    pub(crate) async fn stored(
        &self,
        ids: &[SubjectId],
    ) -> (Vec<StoredSubject>, Vec<StoredSegment>) {
        stored(&self.p, ids).await
    }

    pub(crate) async fn count(&self, table: &str) -> u64 {
        count(&self.p, table).await
    }

    pub(crate) const fn is_postgres(&self) -> bool {
        self.store.is_some()
    }

    /// Runs statements on our own database behind the program's back.
    pub(crate) fn tamper(&self, statements: &str) {
        match &self.store {
            Some(store) => drop(store.run(statements)),
            None => drop(crate::house::sql(
                &self.dir.path().join("privity.db"),
                statements,
            )),
        }
    }

    /// What a record names by its hash, as the log lists it.
    pub(crate) async fn listed(&self, record: &Record) -> domain::audit::Details {
        let lists = self.records(Action::AttributesNamed).await.into_iter();
        let named = &record.details["attributes"];
        let mut lists = lists.filter(|list| list.details["attributes"] == *named);
        lists.next().unwrap().details.as_ref().clone()
    }

    /// The records of the audit log with this action.
    pub(crate) async fn records(&self, action: Action) -> Vec<Record> {
        let entries = self.p.database().read("read log", move |tx| {
            storage::audit::entries(tx, "privacy.hearth.example/audit", 0, 1_000_000)
        });
        let entries = entries
            .await
            .unwrap_or_else(|error: Error| panic!("{error}"));
        let records = entries
            .into_iter()
            .map(|entry| serde_json::from_slice::<Record>(&entry.bytes).unwrap());
        records.filter(|record| record.action == action).collect()
    }

    /// Everything that our database holds, as its own files or as PostgreSQL's own dump.
    pub(crate) fn everything_stored(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(store) = &self.store {
            let dump = std::process::Command::new("pg_dump")
                .arg(store.url())
                .output()
                .unwrap();
            assert!(
                dump.status.success(),
                "{}",
                String::from_utf8_lossy(&dump.stderr)
            );
            bytes.extend(dump.stdout);
        }
        for end in ["", "-wal", "-shm"] {
            let file = self.dir.path().join(format!("privity.db{end}"));
            bytes.extend(std::fs::read(file).unwrap_or_default());
        }
        bytes
    }

    /// Whether our database holds these bytes: as they are, or as PostgreSQL dumps them.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let stored = self.everything_stored();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let found = |needle: &[u8]| stored.windows(needle.len()).any(|window| window == needle);
        found(bytes) || found(hex.as_bytes())
    }
}

pub(crate) async fn write_record(
    p: &Privity,
    source: SourceNumber,
    values: &[(&str, &str)],
) -> Written {
    let record = record(p, values);
    let written = write(p, source, vec![record], Actor::CommandLine)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"));
    assert!(written.refused.is_empty(), "{:?}", written.refused);
    written
}

pub(crate) async fn fill(p: &Privity) -> (Vec<SubjectId>, SubjectId) {
    let first = format!("{SIGN} Maya");
    let shop: &[(&str, &str)] = &[
        ("customer_number", "1"),
        ("email", "maya@example.org"),
        ("phone", "+1 510 555 0001"),
        ("first_name", &first),
        ("last_name", "Okafor"),
        ("birth_date", "1988-07-06"),
        ("street", "1 Rye Lane"),
        ("postal_code", "94601"),
        ("card_number", "zqplanted4111"),
        ("tax_id", "zqplanted-078-05"),
        ("purchases", "[{\"what\":\"zqplanted rye\"}]"),
    ];
    let crm: &[(&str, &str)] = &[
        ("customer_number", "1"),
        ("email", "maya.okafor@work.example"),
        ("sales_rep", "zqplanted Ada"),
    ];
    let desk: &[(&str, &str)] = &[
        ("email", "maya@example.org"),
        ("allergies", "zqplanted nuts"),
    ];
    let sam: &[(&str, &str)] = &[
        ("customer_number", "2"),
        ("email", "sam@example.org"),
        ("first_name", "Sam"),
    ];
    let mut maya = Vec::new();
    for (source, values) in [(SHOP, shop), (CRM, crm), (HELP_DESK, desk)] {
        maya.extend(write_record(p, source, values).await.subjects);
    }
    let sam = write_record(p, SHOP, sam).await.subjects[0].unwrap();
    (maya.into_iter().flatten().collect(), sam)
}

pub(crate) async fn stored(
    p: &Privity,
    ids: &[SubjectId],
) -> (Vec<StoredSubject>, Vec<StoredSegment>) {
    let ids: BTreeSet<SubjectId> = ids.iter().copied().collect();
    let read = p.database().read("read stored", move |tx| {
        Ok::<_, Error>((
            subject::get_many(tx, &ids)?,
            profile_segment::of_subjects(tx, &ids)?,
        ))
    });
    read.await.unwrap()
}

/// How many rows a table has.
pub(crate) async fn count(p: &Privity, table: &str) -> u64 {
    let sql = format!("-- count\nSELECT COUNT(*) AS rows_there FROM {table}");
    let read = p
        .database()
        .read("count", move |tx| tx.query_one(&sql, &[]));
    read.await
        .and_then(|row: Row| row.count("rows_there"))
        .unwrap()
}

fn url(dir: &Path, store: Option<&Store>) -> String {
    store.map_or_else(
        || format!("sqlite:{}/privity.db", dir.display()),
        |store| format!("{}?sslmode=disable", store.url()),
    )
}

fn record(p: &Privity, values: &[(&str, &str)]) -> GivenRecord {
    let schema = p.schema().unwrap();
    let values = values.iter().map(|(key, value)| {
        let number = schema
            .attribute_of(key)
            .unwrap_or_else(|| panic!("{key}"))
            .number;
        (
            number,
            GivenValue::from(Sensitive::new((*value).to_owned())),
        )
    });
    GivenRecord {
        values: values.collect(),
        observed_at: Some("2026-03-04T05:06:07Z".parse().unwrap()),
    }
}
