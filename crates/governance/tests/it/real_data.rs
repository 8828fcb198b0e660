//! The main job on real databases: a map that nobody has reviewed finds all rows of a subject and none of anybody else's.
//!
//! `PRIVITY_REAL_DATA` names the folder with `chinook.sqlite` and `adventureworks.sqlite`; `../shared/data` beside the workspace
//! where it isn't set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use connectors::Description;
use domain::data_map::graph::SearchGraph;
use domain::data_map::{CollectionKey, IdentifierKind, SystemKey, SystemKind};
use domain::sensitive::Sensitive;
use domain::traversal::Traversal;
use governance::data_map::{
    DescribedSystem, FileText, LoadedMap, Severity, check, connect, parse, suggest,
};

use crate::data_map::Words;

/// The folder with the databases, or why the test doesn't run.
pub(crate) fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("PRIVITY_REAL_DATA").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"))
    });
    let is_there =
        folder.join("chinook.sqlite").is_file() && folder.join("adventureworks.sqlite").is_file();
    if !is_there {
        println!(
            "not run: {} holds no real sample databases; set PRIVITY_REAL_DATA to a folder that does",
            folder.display()
        );
    }
    is_there.then_some(folder)
}

/// A database described, and the map that nobody has reviewed.
pub(crate) struct Described {
    pub(crate) loaded: LoadedMap,
    pub(crate) yaml: String,
    live: BTreeMap<SystemKey, Description>,
}

pub(crate) async fn describe(folder: &Path, name: &str) -> Described {
    let path = folder.join(format!("{name}.sqlite"));
    let system = SystemKey::from(name);
    let connection = format!(
        "systems:\n  {name}: {{connection: {{kind: sqlite, path: {}}}}}\n",
        path.display()
    );
    let bare = read(connection);
    let connector = connect(&bare).unwrap().remove(&system).unwrap();
    let description = connector.describe().await.unwrap();
    let described = DescribedSystem {
        key: system.clone(),
        kind: SystemKind::Sqlite,
        reached_by: path.display().to_string(),
    };
    let yaml = suggest(&description, &described, &Words::new());
    Described {
        loaded: read(yaml.clone()),
        yaml,
        live: BTreeMap::from([(system, description)]),
    }
}

fn read(yaml: String) -> LoadedMap {
    let files = vec![FileText {
        name: "draft.yaml".to_owned(),
        folder: PathBuf::from("/"),
        text: yaml,
    }];
    parse(files, &|_| None, &Words::new()).unwrap_or_else(|findings| panic!("{findings}"))
}

/// How many rows of the subject with this e-mail address are in each collection, by the map.
async fn rows_by_map(described: &Described, email: &str) -> BTreeMap<String, u64> {
    let graph = SearchGraph::new(&described.loaded.map);
    let connectors = connect(&described.loaded).unwrap();
    let seeds = BTreeMap::from([(
        IdentifierKind::email(),
        Sensitive::new(vec![email.to_owned()]),
    )]);
    let mut traversal = Traversal::start(&graph, &[seeds], BTreeMap::new());
    while let Some(wave) = traversal.next_wave() {
        let connector = &connectors[&wave.search.collection.system];
        connector
            .locate(&wave.search, &mut |rows| {
                traversal
                    .take(&wave, rows)
                    .map_err(|error| connectors::ConnectorError::Interrupted(error.to_string()))
            })
            .await
            .unwrap();
    }
    let (_, counted) = traversal.finish().remove(0);
    counted
        .into_iter()
        .filter(|(_, counted)| counted.rows > 0)
        .map(|(key, counted)| (key.collection().to_owned(), counted.rows))
        .collect()
}

/// How many rows hand-written SQL finds; each statement takes the e-mail address.
fn rows_by_sql(
    folder: &Path,
    name: &str,
    statements: &[(&str, &str)],
    email: &str,
) -> BTreeMap<String, u64> {
    let sql: Vec<&str> = statements.iter().map(|(_, sql)| *sql).collect();
    let counts = ask(folder, name, &sql, &[email]);
    let rows = statements
        .iter()
        .zip(counts)
        .map(|((table, _), count)| ((*table).to_owned(), count.as_u64().unwrap()));
    rows.filter(|(_, rows)| *rows > 0).collect()
}

/// The first value that each statement gives, asked through Python's own SQLite: governance has no database driver, and what
/// checks a connector shouldn't be that connector.
fn ask(folder: &Path, name: &str, statements: &[&str], values: &[&str]) -> Vec<serde_json::Value> {
    const SCRIPT: &str = "import json, sqlite3, sys\n\
        path, statements, values = json.load(sys.stdin)\n\
        database = sqlite3.connect('file:' + path + '?mode=ro', uri=True)\n\
        print(json.dumps([database.execute(statement, values).fetchone()[0] for statement in statements]))";
    let path = folder.join(format!("{name}.sqlite"));
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(python.stdin.take().unwrap(), &(path, statements, values)).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "Python could not ask the database");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn errors(described: &Described) -> Vec<String> {
    let findings = check(&described.loaded, Some(&described.live));
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(ToString::to_string)
        .collect()
}

const CHINOOK: &[(&str, &str)] = &[
    ("Customer", "SELECT count(*) FROM Customer WHERE Email = ?1"),
    (
        "Invoice",
        "SELECT count(*) FROM Invoice WHERE CustomerId IN (SELECT CustomerId FROM Customer WHERE Email = ?1)",
    ),
    (
        "InvoiceLine",
        "SELECT count(*) FROM InvoiceLine JOIN Invoice USING (InvoiceId) JOIN Customer USING (CustomerId) WHERE Customer.Email = ?1",
    ),
];

#[tokio::test]
async fn a_customer_of_the_music_shop_is_found_whole_and_alone_without_review() {
    let Some(folder) = folder() else { return };
    let described = describe(&folder, "chinook").await;
    assert_eq!(errors(&described), [""; 0], "{}", described.yaml);
    for email in [
        "luisg@embraer.com.br",
        "leonekohler@surfeu.de",
        "puja_srivastava@yahoo.in",
    ] {
        let found = rows_by_map(&described, email).await;
        assert_eq!(
            found,
            rows_by_sql(&folder, "chinook", CHINOOK, email),
            "{}",
            described.yaml
        );
        assert_eq!(found.len(), 3);
    }
}

#[tokio::test]
async fn an_employee_of_the_music_shop_does_not_lead_to_customers() {
    let Some(folder) = folder() else { return };
    let described = describe(&folder, "chinook").await;
    let found = rows_by_map(&described, "jane@chinookcorp.com").await;
    assert_eq!(found, BTreeMap::from([("Employee".to_owned(), 1)]));
}

/// Who has this e-mail address.
const WHO: &str = "(SELECT business_entity_id FROM email_address WHERE email_address = ?1)";

fn adventureworks() -> Vec<(&'static str, String)> {
    let by =
        |table: &str, column: &str| format!("SELECT count(*) FROM {table} WHERE {column} IN {WHO}");
    let mut statements: Vec<(&str, String)> = [
        "business_entity",
        "email_address",
        "person_phone",
        "password",
        "business_entity_address",
        "person_credit_card",
        "employee",
        "employee_pay_history",
        "job_candidate",
        "sales_person",
    ]
    .into_iter()
    .map(|table| (table, by(table, "business_entity_id")))
    .collect();
    statements.push(("customer", by("customer", "person_id")));
    statements.push((
        "business_entity_contact",
        by("business_entity_contact", "person_id"),
    ));
    statements.push(("address", format!("SELECT count(*) FROM address WHERE address_id IN (SELECT address_id FROM business_entity_address WHERE business_entity_id IN {WHO})")));
    statements.push(("credit_card", format!("SELECT count(*) FROM credit_card WHERE credit_card_id IN (SELECT credit_card_id FROM person_credit_card WHERE business_entity_id IN {WHO})")));
    statements.push((
        "product_review",
        "SELECT count(*) FROM product_review WHERE email_address = ?1".to_owned(),
    ));
    statements
}

#[tokio::test]
async fn a_person_of_the_bicycle_maker_is_found_whole_and_alone_without_review() {
    let Some(folder) = folder() else { return };
    let described = describe(&folder, "adventureworks").await;
    assert_eq!(errors(&described), [""; 0], "{}", described.yaml);
    let statements = adventureworks();
    let statements: Vec<(&str, &str)> = statements
        .iter()
        .map(|(table, sql)| (*table, sql.as_str()))
        .collect();
    // A customer with a card, a store's contact, an employee who sells, one with a résumé, one who only wrote a review.
    for email in picked(&folder) {
        let found = rows_by_map(&described, &email).await;
        assert_eq!(
            found,
            rows_by_sql(&folder, "adventureworks", &statements, &email),
            "{email}\n{}",
            described.yaml
        );
        assert!(!found.is_empty(), "{email}");
    }
}

fn picked(folder: &Path) -> Vec<String> {
    let of = |table: &str, column: &str| {
        format!(
            "SELECT min(email_address) FROM email_address WHERE business_entity_id IN (SELECT {column} FROM {table})"
        )
    };
    let statements = [
        of("person_credit_card", "business_entity_id"),
        of("business_entity_contact", "person_id"),
        of("sales_person", "business_entity_id"),
        of("job_candidate", "business_entity_id"),
        of("customer", "person_id"),
        "SELECT min(email_address) FROM product_review".to_owned(),
    ];
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    ask(folder, "adventureworks", &statements, &[])
        .iter()
        .map(|email| email.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn choices_organisations_and_products_are_never_searched() {
    let Some(folder) = folder() else { return };
    for (name, never) in [
        (
            "chinook",
            &[
                "Track",
                "Playlist",
                "PlaylistTrack",
                "Album",
                "Artist",
                "Genre",
                "MediaType",
            ][..],
        ),
        (
            "adventureworks",
            &[
                "address_type",
                "contact_type",
                "phone_number_type",
                "state_province",
                "country_region",
                "sales_territory",
                "store",
            ][..],
        ),
    ] {
        let described = describe(&folder, name).await;
        let unreachable = SearchGraph::new(&described.loaded.map).unreachable();
        for table in never {
            assert!(
                unreachable.contains(&CollectionKey::new(name, table)),
                "{table}"
            );
        }
    }
}
