//! The main job on real databases in PostgreSQL and MariaDB, with maps that nobody has reviewed: know and delete for three
//! customers each, read again to zero residue, and checked by searching every column of every table for what was hers.
//!
//! `PRIVITY_PYTHON` names a Python that has psycopg and PyMySQL (`./test` makes one); `python3` where it isn't set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use domain::data_map::{SystemKey, SystemKind};
use domain::id::OperatorId;
use domain::privacy_request::{RequestKind, RequestState};
use governance::data_map::{
    DescribedSystem, FileText, LoadedMap, Severity, check, connect, parse, suggest,
};
use governance::privacy_request::console;

use crate::data_map::Words;
use crate::house::{House, sql};
use crate::real_data::folder;
use crate::real_deletion::{ADVENTUREWORKS, CHINOOK, Case, answer, fill, three_persons, unpacked};
use crate::server::{Engine, Store, engine};

/// Reads the whole database through Python's own drivers: for each table the number of rows and a hash over all of them,
/// and where any of the given values stands, alone or as words of a longer text.
const LOOK: &str = r#"
import hashlib, json, re, sys
from urllib.parse import urlparse
url, values = json.load(sys.stdin)
if url.startswith('mysql'):
    import pymysql
    u = urlparse(url)
    database = pymysql.connect(host=u.hostname, port=u.port, user=u.username, password=u.password or '', database=u.path[1:], charset='utf8mb4')
    cursor, quote, schema = database.cursor(), '`', u.path[1:]
else:
    import psycopg
    database = psycopg.connect(url)
    cursor, quote, schema = database.cursor(), '"', 'public'
cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'", (schema,))
seen, found = {}, []
hers = re.compile(r'(?<![\w.])(?:' + '|'.join(map(re.escape, values)) + r')(?![\w])')
for (table,) in cursor.fetchall():
    cursor.execute(f'SELECT * FROM {quote}{table}{quote}')
    rows, whole = 0, 0
    for row in cursor:
        rows += 1
        whole ^= int.from_bytes(hashlib.sha256(repr(row).encode()).digest()[:8], 'big')
        for column, value in zip(cursor.description, row):
            text = value.decode('utf-8', 'replace') if isinstance(value, (bytes, bytearray)) else str(value)
            if hers.search(text): found.append(f'{table}.{column[0]}')
    seen[table] = [rows, whole % 2**53]
print(json.dumps([seen, found]))
"#;

fn python() -> String {
    std::env::var("PRIVITY_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Whether Python has this database's driver, else why the test doesn't run.
fn can_load(engine: Engine) -> bool {
    let driver = match engine {
        Engine::Postgres => "psycopg",
        Engine::Mariadb => "pymysql",
    };
    let tried = Command::new(python())
        .args(["-c", &format!("import {driver}")])
        .stderr(Stdio::null())
        .status();
    let has = tried.is_ok_and(|status| status.success());
    if !has {
        println!(
            "did not run: `{}` can't import `{driver}`, with which the real sample databases are loaded; install it, or set PRIVITY_PYTHON to a Python that has it",
            python()
        );
    }
    has
}

/// What a database holds: rows and hash by table.
type Seen = BTreeMap<String, (u64, u64)>;

fn look(store: &Store, values: &[String]) -> (Seen, Vec<String>) {
    let mut child = Command::new(python())
        .args(["-c", LOOK])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &(store.url(), values)).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "Python could not read the database"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn load(folder: &Path, case: &Case, store: &Store) {
    let output = Command::new(python())
        .arg(folder.join("load.py"))
        .arg(folder.join(format!("{}.sqlite", case.name)))
        .arg(store.url())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn read(yaml: &str) -> LoadedMap {
    let file = FileText {
        name: "draft.yaml".to_owned(),
        folder: "/".into(),
        text: yaml.to_owned(),
    };
    parse(vec![file], &|_| None, &Words::new()).unwrap_or_else(|findings| panic!("{findings}"))
}

/// The map that `describe` suggests; its check against the live database finds no error.
async fn describe(name: &str, store: &Store) -> String {
    let system = SystemKey::from(name);
    let bare = read(&format!(
        "systems:\n  {name}: {{connection: {}}}\n",
        store.connection()
    ));
    let description = connect(&bare).unwrap()[&system].describe().await.unwrap();
    let kind = match store.engine {
        Engine::Postgres => SystemKind::Postgres,
        Engine::Mariadb => SystemKind::Mysql,
    };
    let drafted = suggest(
        &description,
        &DescribedSystem {
            key: system.clone(),
            kind,
            reached_by: "SAMPLE_URL".to_owned(),
        },
        &Words::new(),
    );
    let yaml = drafted.replace("${SAMPLE_URL}", &format!("{}?sslmode=disable", store.url()));
    assert_ne!(yaml, drafted, "the connection names the variable");
    let live = BTreeMap::from([(system, description)]);
    let errors: Vec<String> = check(&read(&yaml), Some(&live))
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors, [""; 0], "{yaml}");
    yaml
}

/// A house over a copy of a real database on a server. The copy in SQLite stays as it came, to be asked what is hers.
struct Sample {
    house: House,
    store: Store,
    operator: OperatorId,
    original: std::path::PathBuf,
}

impl Sample {
    async fn new(case: &Case, on: Engine) -> Option<Self> {
        let folder = folder()?;
        let store = engine(on)?;
        if !can_load(on) {
            return None;
        }
        load(&folder, case, &store);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("map.yaml"),
            describe(case.name, &store).await,
        )
        .unwrap();
        let house = House::at(dir, "approval: {automatic: [know_specific, delete]}").await;
        let operator = governance::operator::add(&house.p, "Robin")
            .await
            .unwrap()
            .0;
        Some(Self {
            house,
            store,
            operator,
            original: folder.join(format!("{}.sqlite", case.name)),
        })
    }

    async fn know_and_delete(&self, case: &Case, email: &str) {
        let hers: Vec<String> = sql(&self.original, &fill(case.hers, email))
            .lines()
            .filter(|value| value.len() > 4)
            .map(str::to_owned)
            .collect();
        let rows: u64 = sql(&self.original, &fill(case.rows, email))
            .parse()
            .unwrap();
        assert!(!hers.is_empty() && rows > 2, "{email}");
        let (before, found) = look(&self.store, &hers);
        assert!(!found.is_empty(), "what is hers is there to begin with");

        let (_, tracker) =
            answer(&self.house, self.operator, RequestKind::KnowSpecific, email).await;
        let copy = unpacked(&self.house, &tracker).await;
        assert!(
            hers.iter().any(|value| copy.contains(value.as_str())),
            "her copy holds what is hers"
        );

        let (id, _) = answer(&self.house, self.operator, RequestKind::Delete, email).await;
        let detail = console::detail(&self.house.p, id).await.unwrap();
        assert!(
            matches!(
                detail.listed.state,
                RequestState::Fulfilled | RequestState::PartlyFulfilled
            ),
            "{:?}",
            detail.tasks
        );
        assert_eq!(detail.residue.map(|residue| residue.len()), Some(0));
        let plan = detail.plan.unwrap();
        assert_eq!(
            plan.rows(),
            rows,
            "{:?}",
            plan.collections
                .iter()
                .filter(|collection| collection.rows > 0)
                .map(|collection| (collection.collection.to_string(), collection.rows))
                .collect::<Vec<_>>()
        );

        let (after, found) = look(&self.store, &hers);
        assert_eq!(found, [""; 0], "values of hers are still in the database");
        assert!(
            case.untouched
                .iter()
                .all(|table| before[*table] == after[*table]),
            "a table that holds nothing of hers has changed"
        );
        let count = |seen: &Seen| seen.values().map(|(rows, _)| rows).sum::<u64>();
        let deleted: u64 = plan
            .collections
            .iter()
            .map(|collection| collection.delete)
            .sum();
        assert_eq!(
            count(&before) - count(&after),
            deleted,
            "exactly the planned rows are gone"
        );
        let planned: Vec<&str> = plan
            .collections
            .iter()
            .filter(|collection| collection.rows > 0)
            .map(|collection| collection.collection.collection())
            .collect();
        let changed: Vec<&String> = before
            .iter()
            .filter(|(table, seen)| after.get(*table) != Some(seen))
            .map(|(table, _)| table)
            .collect();
        assert!(
            changed
                .iter()
                .all(|table| planned.contains(&table.as_str())),
            "{changed:?} changed, {planned:?} was planned"
        );
    }
}

async fn music_shop(on: Engine) {
    let Some(sample) = Sample::new(&CHINOOK, on).await else {
        return;
    };
    for email in CHINOOK.emails {
        sample.know_and_delete(&CHINOOK, email).await;
    }
}

async fn bicycle_maker(on: Engine) {
    let Some(sample) = Sample::new(&ADVENTUREWORKS, on).await else {
        return;
    };
    for email in three_persons(&sample.original) {
        sample.know_and_delete(&ADVENTUREWORKS, &email).await;
    }
}

#[tokio::test]
async fn three_customers_of_the_music_shop_are_forgotten_in_postgresql() {
    music_shop(Engine::Postgres).await;
}

#[tokio::test]
async fn three_customers_of_the_music_shop_are_forgotten_in_mariadb() {
    music_shop(Engine::Mariadb).await;
}

#[tokio::test]
async fn three_persons_of_the_bicycle_maker_are_forgotten_in_postgresql() {
    bicycle_maker(Engine::Postgres).await;
}

#[tokio::test]
async fn three_persons_of_the_bicycle_maker_are_forgotten_in_mariadb() {
    bicycle_maker(Engine::Mariadb).await;
}
