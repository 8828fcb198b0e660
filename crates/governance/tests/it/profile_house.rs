//! A house with profiles: the demo's schema, and our own database on SQLite or on PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "tests"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::audit::{Action, Actor, Record};
use domain::data_map::IdentifierKind;
use domain::id::OperatorId;
use domain::profile::SourceNumber;
use domain::progress::Progress;
use domain::rng::Rng;
use domain::sensitive::Sensitive;
use domain::time::{Clock, FixedClock};
use governance::Privity;
use governance::profile::read::{Viewer, WantedAttributes, find};
use governance::profile::{GivenRecord, GivenValue, Written, write};
use governance::settings::Settings;
use jiff::SignedDuration;
use storage::{Error, Row};

use crate::house::{MAP, SeededRng};
use crate::server::{Engine, Store, engine};

/// The business's web shop, sales notes, help desk, and the subject herself.
pub(crate) const SHOP: SourceNumber = SourceNumber(1);
pub(crate) const CRM: SourceNumber = SourceNumber(2);
pub(crate) const HELP_DESK: SourceNumber = SourceNumber(3);
pub(crate) const SUBJECT: SourceNumber = SourceNumber(4);

pub(crate) struct ProfileHouse {
    pub(crate) p: Privity,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) dir: tempfile::TempDir,
    store: Option<Store>,
}

static SEED: AtomicU64 = AtomicU64::new(900_000);

/// Runs a test on SQLite, and on PostgreSQL where there is one.
pub(crate) async fn on_each_engine(test: impl AsyncFn(&ProfileHouse)) {
    test(&ProfileHouse::new(None).await).await;
    if let Some(store) = engine(Engine::Postgres) {
        test(&ProfileHouse::new(Some(store)).await).await;
    }
}

pub(crate) fn schema_file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/profile.yaml")
}

/// Opens (again) what lies in a folder.
pub(crate) async fn open(dir: &Path, storage: &str, clock: &Arc<FixedClock>) -> Privity {
    let seed = SEED.fetch_add(1_000_003, Ordering::Relaxed);
    let rng = Arc::new(SeededRng::new(seed));
    open_with(dir, storage, clock, rng, &Progress::unwatched()).await
}

/// The same with other randomness, watched.
pub(crate) async fn open_with(
    dir: &Path,
    storage: &str,
    clock: &Arc<FixedClock>,
    rng: Arc<dyn Rng>,
    progress: &Progress,
) -> Privity {
    let base = dir.display();
    // A test may bring a schema of its own.
    let own = dir.join("profile.yaml");
    let schema = if own.exists() { own } else { schema_file() };
    let consent = dir.join("consent");
    let consent = if consent.exists() {
        format!("consent: {}\n", consent.display())
    } else {
        String::new()
    };
    let policies = dir.join("policies");
    let policies = if policies.exists() {
        format!(
            "policies: {}\npolicy_packs: [ccpa, gdpr]\n",
            policies.display()
        )
    } else {
        String::new()
    };
    let yaml = format!(
        "business: {{name: Hearth & Crumb}}\nbase_url: https://privacy.hearth.example\nstorage: \"{storage}\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nprofile: {}\nmail: {{url: \"smtp://127.0.0.1:9\", tls: none, from: \"privacy@hearth.example\"}}\n{consent}{policies}",
        schema.display()
    );
    let settings: Settings = serde_saphyr::from_str(&yaml).unwrap();
    let clock: Arc<dyn Clock> = clock.clone();
    governance::start_watched(settings, clock, rng, progress)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

impl ProfileHouse {
    pub(crate) async fn new(store: Option<Store>) -> Self {
        Self::with_schema(store, None).await
    }

    /// A house with a schema of its own.
    pub(crate) async fn with_schema(store: Option<Store>, schema: Option<&str>) -> Self {
        let schema = schema.map(|schema| ("profile.yaml", schema));
        Self::with_files(store, schema.as_slice()).await
    }

    /// A house with files of its own: `profile.yaml`, and a folder `consent`.
    pub(crate) async fn with_files(store: Option<Store>, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::write(dir.path().join("map.yaml"), MAP).unwrap();
        let clock = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
        let p = open(dir.path(), &url(dir.path(), store.as_ref()), &clock).await;
        Self {
            p,
            clock,
            dir,
            store,
        }
    }

    /// Another handle on the same database, as a second node has it.
    pub(crate) async fn second(&self) -> Privity {
        open(
            self.dir.path(),
            &url(self.dir.path(), self.store.as_ref()),
            &self.clock,
        )
        .await
    }

    pub(crate) fn storage(&self) -> String {
        url(self.dir.path(), self.store.as_ref())
    }

    pub(crate) async fn write(&self, source: SourceNumber, records: &[&[(&str, &str)]]) -> Written {
        let records = records.iter().map(|values| self.record(values)).collect();
        self.write_given(source, records).await
    }

    pub(crate) async fn write_given(
        &self,
        source: SourceNumber,
        records: Vec<GivenRecord>,
    ) -> Written {
        // Whoever comes later is younger.
        self.clock.advance(SignedDuration::from_millis(1));
        write(&self.p, source, records, Actor::CommandLine)
            .await
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// A record as a source gives it; an empty value takes out what was there.
    pub(crate) fn record(&self, values: &[(&str, &str)]) -> GivenRecord {
        let schema = self.p.schema().unwrap();
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
            observed_at: None,
        }
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> u64 {
        let sql = format!("-- count\nSELECT COUNT(*) AS rows_there FROM {table}");
        let row = self
            .p
            .database()
            .read("count", move |tx| tx.query_one(&sql, &[]));
        row.await
            .and_then(|row: Row| row.count("rows_there"))
            .unwrap()
    }

    /// The records of the audit log with this action.
    pub(crate) async fn records(&self, action: Action) -> Vec<Record> {
        let log = "privacy.hearth.example/audit";
        let entries = self.p.database().read("read log", move |tx| {
            storage::audit::entries(tx, log, 0, 1_000_000)
        });
        let entries = entries
            .await
            .unwrap_or_else(|error: Error| panic!("{error}"));
        let records = entries
            .into_iter()
            .map(|entry| serde_json::from_slice::<Record>(&entry.bytes).unwrap());
        records.filter(|record| record.action == action).collect()
    }

    /// What a record names by its hash, as the log lists it.
    pub(crate) async fn listed(&self, record: &Record) -> domain::audit::Details {
        let lists = self.records(Action::AttributesNamed).await.into_iter();
        let named = &record.details["attributes"];
        let mut lists = lists.filter(|list| list.details["attributes"] == *named);
        lists.next().unwrap().details.as_ref().clone()
    }

    /// Everything that our database holds, as its own files or as a dump, and the key file's neighbours.
    pub(crate) async fn everything_stored(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(store) = &self.store {
            for table in [
                "subject",
                "profile_segment",
                "identifier",
                "source_record",
                "identity_event",
                "identity_review",
                "profile_import",
                "audit_entry",
                "meta",
            ] {
                let columns = store.run(&format!("SELECT string_agg(CASE WHEN data_type = 'bytea' THEN 'encode(' || column_name || ', ''escape'')' ELSE column_name || '::text' END, ', ') FROM information_schema.columns WHERE table_name = '{table}'"));
                bytes.extend(
                    store
                        .run(&format!("SELECT {columns} FROM {table}"))
                        .into_bytes(),
                );
            }
        }
        for end in ["", "-wal", "-shm"] {
            bytes.extend(
                std::fs::read(self.dir.path().join(format!("privity.db{end}"))).unwrap_or_default(),
            );
        }
        bytes
    }
}

pub(crate) fn url(dir: &Path, store: Option<&Store>) -> String {
    store.map_or_else(
        || format!("sqlite:{}/privity.db", dir.display()),
        |store| format!("{}?sslmode=disable", store.url()),
    )
}

/// Whether `bytes` hold a text in the plain.
pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Whether exactly one subject has the address of a customer, and opens.
pub(crate) async fn is_found(p: &Privity, number: u64) -> bool {
    let operator = OperatorId::from_uuid(uuid::Uuid::from_u128(7));
    let email = Sensitive::new(format!("customer{number}@example.org"));
    let found = find(
        p,
        (&IdentifierKind::email(), &email),
        &WantedAttributes::Plain,
        Viewer::Operator(operator),
        &Actor::Operator(operator),
    )
    .await
    .unwrap_or_else(|problem| panic!("{problem}"));
    let [one] = found.as_slice() else {
        return false;
    };
    let shown = serde_json::to_value(one.profile()).unwrap();
    shown["first_name"] == format!("First{number}")
}
