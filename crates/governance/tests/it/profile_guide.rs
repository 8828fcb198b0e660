//! The guide's own examples: what an engineer copies out of docs/guides/profiles.md works.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use domain::audit::Actor;
use domain::id::OperatorId;
use domain::profile::AttributeKey;
use domain::sensitive::Sensitive;
use domain::time::{Clock, FixedClock};
use governance::profile::import::{Format, Import, import};
use governance::profile::record::Reader;
use governance::profile::{GivenRecord, GivenValue, sync, write};
use governance::settings::Settings;
use uuid::Uuid;

use crate::house::{SeededRng, sql};

const GUIDE: &str = include_str!("../../../../docs/guides/profiles.md");

const MAP: &str = "
systems:
  shop: {title: Online shop, connection: {kind: sqlite, path: shop.sqlite}}
datasets:
  shop:
    system: shop
    collections:
      customer:
        primary_key: [id]
        fields:
          id: {category: user.unique_id, type: integer, identity: customer_number, nullable: false}
          email: {category: user.contact.email, identity: email, nullable: false, unique: true}
          first_name: {category: user.name.first}
          last_name: {category: user.name.last}
          born: {category: user.demographic.date_of_birth, type: date}
          updated_at: {category: system.operations, type: timestamp}
";

/// The first block of the guide in this language.
fn block(language: &str) -> &'static str {
    let (_, rest) = GUIDE.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

async fn open(dir: &Path) -> governance::Privity {
    std::fs::write(dir.join("map.yaml"), MAP).unwrap();
    std::fs::write(dir.join("profile.yaml"), block("yaml")).unwrap();
    let base = dir.display();
    let yaml = format!(
        "business: {{name: Hearth & Crumb}}\nbase_url: https://privacy.hearth.example\nstorage: \"sqlite:{base}/privity.db\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nprofile: {base}/profile.yaml\nmail: {{url: \"smtp://127.0.0.1:9\", tls: none, from: \"privacy@hearth.example\"}}\n"
    );
    let settings: Settings = serde_saphyr::from_str(&yaml).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
    let started = governance::start(settings, clock, Arc::new(SeededRng::new(4_200))).await;
    started.unwrap_or_else(|problem| panic!("{problem}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_guide_shows_works() {
    let dir = tempfile::tempdir().unwrap();
    let p = open(dir.path()).await;
    let file = dir.path().join("customers.csv");
    std::fs::write(&file, block("csv")).unwrap();
    let wanted = Import {
        path: file,
        format: Format::Csv,
        source: "shop".to_owned(),
        columns: BTreeMap::from([("Customer".to_owned(), "customer_number".to_owned())]),
        observed_at: None,
        again: false,
    };
    let imported = import(&p, &wanted, Actor::CommandLine).await.unwrap();
    assert_eq!((imported.counts.new, imported.counts.refused), (2, 0));

    let shop = dir.path().join("shop.sqlite");
    sql(
        &shop,
        "CREATE TABLE customer (id INTEGER PRIMARY KEY, email TEXT, first_name TEXT, last_name TEXT, born DATE, updated_at TIMESTAMP); INSERT INTO customer VALUES (1204, 'maria@example.com', 'Maria', 'Lopez', '1990-12-31', '2026-11-01 10:00:00'), (1300, 'ann@example.com', 'Ann', NULL, NULL, '2026-11-01 10:00:00');",
    );
    let synced = sync(&p, None, false, &Actor::CommandLine).await.unwrap();
    let counts = &synced[0].counts;
    assert_eq!((counts.read, counts.new, counts.changed), (2, 1, 1));
    assert!(
        p.scim()
            .is_some_and(|scim| scim.named("userName").is_some())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_single_record_is_in_the_audit_log_and_shows_that_record_alone() {
    let dir = tempfile::tempdir().unwrap();
    let p = open(dir.path()).await;
    let schema = p.schema().unwrap().clone();
    let of = |key: &str| schema.source_of(key).unwrap();
    let record = |values: &[(&str, &str)]| GivenRecord {
        values: values
            .iter()
            .map(|(key, value)| {
                let rule = schema.attribute_of(key).unwrap();
                (
                    rule.number,
                    GivenValue::from(Sensitive::new((*value).to_owned())),
                )
            })
            .collect::<Vec<(_, GivenValue)>>(),
        observed_at: None,
    };
    let ours = record(&[
        ("staff_number", "7"),
        ("email", "ann@example.com"),
        ("active", "true"),
    ]);
    let theirs = record(&[
        ("customer_number", "9"),
        ("email", "ann@example.com"),
        ("first_name", "Ann"),
    ]);
    let ours = write(&p, of("staff"), vec![ours], Actor::CommandLine)
        .await
        .unwrap();
    let theirs = write(&p, of("shop"), vec![theirs], Actor::CommandLine)
        .await
        .unwrap();
    let (ours, theirs) = (ours.subjects[0].unwrap(), theirs.subjects[0].unwrap());
    let reader = Reader {
        p: &p,
        source: of("staff"),
        wanted: vec!["email".into(), "first_name".into()],
        operator: OperatorId::from_uuid(Uuid::from_u128(1)),
    };
    let before = looks(&p).await;
    let shown = reader.show(ours).await.unwrap();
    assert_eq!(looks(&p).await, before + 1);
    let text = |key: &str| {
        shown
            .value(&AttributeKey::from(key))
            .map(|value| value.text())
    };
    assert_eq!(text("email").as_deref(), Some("ann@example.com"));
    assert_eq!(
        text("first_name"),
        None,
        "the shop said it, and they are merged"
    );
    assert_eq!(reader.show(theirs).await.err().unwrap().code, "not_found");
}

async fn looks(p: &governance::Privity) -> usize {
    let entries = p.database().read("read log", |tx| {
        storage::audit::entries(tx, "privacy.hearth.example/audit", 0, 10_000)
    });
    let entries = entries
        .await
        .unwrap_or_else(|error: storage::Error| panic!("{error}"));
    let is_look =
        |record: &domain::audit::Record| record.action == domain::audit::Action::Disclosed;
    let records = entries
        .iter()
        .map(|entry| serde_json::from_slice(&entry.bytes).unwrap());
    records.filter(is_look).count()
}
