//! Views in the business's own PostgreSQL show of each row what `disclose` gives, and nothing to anybody else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use domain::audit::{Action, Actor, Record};
use domain::consent::Party;
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::sensitive::Sensitive;
use domain::time::{Clock, FixedClock};
use enforcement::json_filter::{Change, Effect};
use governance::Privity;
use governance::disclosure::{Caller, Door, SubjectAsked, disclose};
use governance::identity::{merge, split};
use governance::policy::{
    Activation, FilledViews, apply_views, check_views, fill_views, views_text,
};
use governance::profile::{forget, sync};
use governance::settings::Settings;
use jiff::SignedDuration;

use super::PURPOSES;
use crate::consent::{NOTICES, keep, no, yes};
use crate::house::SeededRng;
use crate::server::{Engine, Store, engine};

const SCHEMA: &str = "version: 1
birth_date: born
lives_in: { country: country, region: state }
identity: { default_country: US }
sources:
  - { source: shop, number: 1, title: Shop, record: number, proves: [number, email] }
attributes:
  - { attribute: number, number: 1, title: Number, category: user.unique_id, identifier: { rule: verbatim, unique: true } }
  - { attribute: email, number: 2, title: E-mail, category: user.contact.email, identifier: { rule: email, unique: true } }
  - { attribute: first_name, number: 3, title: First name, category: user.name.first, identifies: true }
  - { attribute: born, number: 4, title: Birth date, kind: date, category: user.demographic.date_of_birth, identifies: true }
  - { attribute: country, number: 5, title: Country, category: user.contact.address.country }
  - { attribute: state, number: 6, title: State, category: user.contact.address.state }
  - { attribute: postal, number: 7, title: Postal code, category: user.contact.address.postal_code }
  - { attribute: address, number: 8, title: Address, category: user.contact.address.street }
  - { attribute: phone, number: 9, title: Phone, category: user.contact.phone_number }
  - { attribute: points, number: 10, title: Points, kind: integer, category: user.behavior.purchase_history }
  - { attribute: spent, number: 11, title: Spent, kind: decimal, category: user.behavior.purchase_history }
  - { attribute: since, number: 12, title: Customer since, kind: timestamp, category: user.behavior.purchase_history }
  - { attribute: place, number: 13, title: Place, kind: json, category: user.contact.address, sensitivity: unstructured }
sync:
  - source: shop
    collection: shop.buyer
    fields: { number: no, email: 'E-Mail \"x\"', first_name: first, born: born, country: country, state: state, postal: postal, address: address, phone: phone, points: points, spent: spent, since: since, place: place }
";

const MAP: &str = "
systems:
  shop: {title: Online shop, connection: CONNECTION}
  other: {title: Old shop, connection: {kind: sqlite, path: old.sqlite}}
datasets:
  shop:
    system: shop
    collections:
      buyer:
        table: 'Our \"buyers\"'
        primary_key: [no]
        fields:
          no: {category: user.unique_id, type: integer, nullable: false}
          'E-Mail \"x\"': {category: user.contact.email}
          first: {category: user.name.first}
          born: {category: user.demographic.date_of_birth, type: date}
          country: {category: user.contact.address.country}
          state: {category: user.contact.address.state}
          postal: {category: user.contact.address.postal_code}
          address: {category: user.contact.address.street}
          phone: {category: user.contact.phone_number}
          points: {category: user.behavior.purchase_history, type: integer}
          spent: {category: user.behavior.purchase_history, type: decimal}
          since: {category: user.behavior.purchase_history, type: timestamp}
          place: {category: user.contact.address, type: json}
          secret: {category: user.content}
recipients:
  mill: {title: Paper Mill, role: service_provider, contract_compliant: true, categories: [user.name, user.unique_id, user.contact, user.demographic, user.behavior], purpose: prints, known_by: [email], channel: {kind: email, to: desk@mill.example}}
  leads: {title: Sweet Leads, role: third_party, sold: true, categories: [user.name, user.contact, user.behavior], purpose: buys, known_by: [email], channel: {kind: email, to: desk@leads.example}}
";

const TABLE: &str = r#"CREATE TABLE "Our ""buyers""" (no integer PRIMARY KEY, "E-Mail ""x""" text, first text, born date, country text, state text, postal text,
    address text, phone varchar(40), points integer, spent numeric(12,2), since timestamptz, place jsonb, secret text);"#;

const ATTRIBUTES: [(&str, &str); 13] = [
    ("number", "no"),
    ("email", "E-Mail \"x\""),
    ("first_name", "first"),
    ("born", "born"),
    ("country", "country"),
    ("state", "state"),
    ("postal", "postal"),
    ("address", "address"),
    ("phone", "phone"),
    ("points", "points"),
    ("spent", "spent"),
    ("since", "since"),
    ("place", "place"),
];

/// Purposes that say for more than the usual ones what they are for, so that policies decide.
fn purposes() -> String {
    let more = "[user.contact, user.name, user.unique_id, user.demographic, user.behavior]";
    let usual = [
        "categories: [user.contact.email, user.name]",
        "categories: [user.contact.email]",
    ];
    let all = PURPOSES.replace(
        "    consent_lasts_months",
        "    recipients: [mill]\n    consent_lasts_months",
    );
    usual.iter().fold(all, |text, usual| {
        text.replace(usual, &format!("categories: {more}"))
    })
}

struct House {
    p: Privity,
    clock: Arc<FixedClock>,
    dir: tempfile::TempDir,
    shop: Store,
    /// Two roles of this house alone: those of a server are one for all databases.
    roles: [String; 2],
}

/// What one policy says besides what every policy has to say.
fn policy(id: &str, effect: &str) -> String {
    format!(
        "@id(\"{id}\")\n@citation(\"Contract\")\n@title(\"T\")\n@reason_subject(\"S\")\n@reason_operator(\"O\")\n{effect}\n"
    )
}

fn usual() -> String {
    policy(
        "hearth.letters",
        r#"permit (principal == Recipient::"mill", action == Action::"orders", resource) when { resource in [Category::"user.name", Category::"user.unique_id"] };"#,
    ) + &policy(
        "hearth.letters-part",
        r#"@release("mask") permit (principal == Recipient::"mill", action == Action::"orders", resource == Attribute::"email");"#,
    ) + &policy(
        "hearth.age",
        r#"@release("generalise") permit (principal == Recipient::"mill", action == Action::"orders", resource == Attribute::"born");"#,
    ) + &policy(
        "hearth.sale",
        r#"permit (principal == Recipient::"leads", action == Action::"sale", resource in Category::"user.contact.email") when { context.choice_allows };"#,
    ) + &policy(
        "hearth.news",
        r#"permit (principal == Recipient::"mill", action == Action::"newsletter", resource in Category::"user.contact.email") when { context.consented };"#,
    )
}

impl House {
    /// `None` where there is no PostgreSQL.
    async fn new(policies: &str) -> Option<Self> {
        Self::with_own(policies, None).await
    }

    async fn with_own(policies: &str, own: Option<&Store>) -> Option<Self> {
        let shop = engine(Engine::Postgres)?;
        let name = shop.run("SELECT current_database()");
        let roles = [format!("{name} the \"mill\""), format!("{name}_leads")];
        for role in &roles {
            shop.run(&format!("CREATE ROLE {}", quoted(role)));
        }
        shop.run(TABLE);
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("consent")).unwrap();
        std::fs::create_dir_all(dir.path().join("policies")).unwrap();
        for (file, text) in [
            (
                "map.yaml",
                MAP.replace("CONNECTION", &shop.connection()).as_str(),
            ),
            ("profile.yaml", SCHEMA),
            ("consent/purposes.yaml", &purposes()),
            ("consent/notices.yaml", NOTICES),
            ("policies/company.cedar", policies),
        ] {
            std::fs::write(dir.path().join(file), text).unwrap();
        }
        let clock = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
        let storage = own.map_or_else(
            || format!("sqlite:{}/privity.db", dir.path().display()),
            |own| format!("{}?sslmode=disable", own.url()),
        );
        let p = open(dir.path(), &storage, &roles, &clock).await;
        Some(Self {
            p,
            clock,
            dir,
            shop,
            roles,
        })
    }

    async fn fill(&self) -> FilledViews {
        fill_views(&self.p, "shop")
            .await
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Rows come to the table, profiles follow it, views are written and filled.
    async fn start(&self, rows: &str) {
        self.shop.run(rows);
        self.follow().await;
        apply_views(&self.p, "shop")
            .await
            .unwrap_or_else(|problem| panic!("{problem}"));
        self.fill().await;
    }

    async fn follow(&self) {
        sync(&self.p, None, true, &Actor::CommandLine)
            .await
            .unwrap_or_else(|problem| panic!("{problem}"));
    }

    async fn subject(&self, number: &str) -> SubjectId {
        let kind = IdentifierKind("number".to_owned());
        let asked = SubjectAsked::Identifier(kind, Sensitive::new(number.to_owned()));
        let granted = disclose(
            &self.p,
            &caller("mill", "orders"),
            &[asked],
            &["number".into()],
        )
        .await;
        granted.unwrap()[0]
            .subject()
            .expect("a subject that the mill may know of")
    }

    /// What a recipient reads.
    fn reads(&self, schema: &str, sql: &str) -> String {
        self.shop.run(&format!(
            "SET ROLE {}; SET search_path = {schema}; {sql}",
            quoted(self.role(schema))
        ))
    }

    /// Why a recipient can't.
    fn refused(&self, schema: &str, sql: &str) -> String {
        let script = format!("SET ROLE {}; {sql}", quoted(self.role(schema)));
        let mut psql = Command::new("psql");
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            &script,
            &self.shop.url(),
        ]);
        let output = psql.stdin(Stdio::null()).output().unwrap();
        assert!(
            !output.status.success(),
            "it was answered: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn role(&self, schema: &str) -> &str {
        &self.roles[usize::from(schema.contains("leads"))]
    }

    async fn drift(&self) -> Vec<String> {
        let found = check_views(&self.p, "shop")
            .await
            .unwrap_or_else(|problem| panic!("{problem}"));
        found.into_iter().map(|one| one.what).collect()
    }

    async fn disclosures(&self) -> Vec<Record> {
        let read = self.p.database().read("read log", |tx| {
            storage::audit::entries(tx, "privacy.hearth.example/audit", 0, 1_000_000)
        });
        let entries = read
            .await
            .unwrap_or_else(|error: storage::Error| panic!("{error}"));
        let records = entries
            .into_iter()
            .map(|entry| serde_json::from_slice::<Record>(&entry.bytes).unwrap());
        let by_view = |record: &Record| {
            record.action != Action::DisclosureDenied
                && record.details.get("door").and_then(|door| door.as_str()) == Some("postgres")
        };
        records.filter(by_view).collect()
    }

    /// New policies decide.
    async fn publish(&self, policies: &str) {
        std::fs::write(self.dir.path().join("policies/company.cedar"), policies).unwrap();
        let published = self
            .p
            .publish_policies("", Actor::CommandLine)
            .await
            .unwrap();
        self.p
            .activate_policies(Activation::of(published.number), Actor::CommandLine)
            .await
            .unwrap();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for role in &self.roles {
            let role = quoted(role);
            self.shop
                .run(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
        }
    }
}

async fn open(
    dir: &std::path::Path,
    storage: &str,
    roles: &[String; 2],
    clock: &Arc<FixedClock>,
) -> Privity {
    open_with(dir, storage, roles, clock, 4_711).await
}

async fn open_with(
    dir: &std::path::Path,
    storage: &str,
    [mill, leads]: &[String; 2],
    clock: &Arc<FixedClock>,
    seed: u64,
) -> Privity {
    let base = dir.display();
    let mill = mill.replace('"', "\\\"");
    let yaml = format!(
        "business: {{name: Hearth & Crumb}}\nbase_url: https://privacy.hearth.example\nstorage: \"{storage}\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nprofile: {base}/profile.yaml\nmail: {{url: \"smtp://127.0.0.1:9\", tls: none, from: \"privacy@hearth.example\"}}\nconsent: {base}/consent\npolicies: {base}/policies\npolicy_packs: [ccpa, gdpr]\nviews:\n  - {{system: shop, roles: {{mill: \"{mill}\", leads: {leads}}}}}\n  - {{system: other}}\n"
    );
    let settings: Settings = serde_saphyr::from_str(&yaml).unwrap();
    let clock: Arc<dyn Clock> = clock.clone();
    governance::start(settings, clock, Arc::new(SeededRng::new(seed)))
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn caller(recipient: &str, purpose: &str) -> Caller {
    Caller {
        asked_by: None,
        recipient: recipient.into(),
        purpose: purpose.into(),
        door: Door::ProfileApi,
        proven_by: None,
    }
}

const VIEW: &str = r#""Our ""buyers""""#;
const ORDERS: &str = "privity_mill__orders";
const SALE: &str = "privity_leads__sale";
const NEWS: &str = "privity_mill__newsletter";
const THREE: &str = r#"INSERT INTO "Our ""buyers""" (no, "E-Mail ""x""", first, born, country, state, secret) VALUES
    (1, 'maya@example.org', 'Maya', '1990-05-20', 'US', 'CA', 'rye'), (2, 'sam@example.org', 'Sam', '1985-01-02', 'US', 'CA', 'salt'), (3, 'kid@example.org', 'Kid', '2014-05-20', 'US', 'CA', 'milk')"#;

/// A generator that is the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.roll(all.len())]
    }
}

fn generated_policies(dice: &mut Dice) -> String {
    const RELEASES: [&str; 6] = ["keep", "generalise", "mask", "token", "null", "keep"];
    const LEAVES: [&str; 4] = ["mask", "generalise", "null", "withhold"];
    const ABOUT: [&str; 9] = [
        "resource in Category::\"user.contact\"",
        "resource == Attribute::\"born\"",
        "resource in [Category::\"user.name\", Category::\"user.unique_id\"]",
        "resource in Category::\"user.behavior\"",
        "resource == Attribute::\"email\"",
        "resource == Attribute::\"phone\"",
        "resource == Attribute::\"address\"",
        "resource in Category::\"user.contact.address\"",
        "true",
    ];
    const WHEN: [&str; 7] = [
        "true",
        "context.choice_allows",
        "context.age == \"adult\"",
        "context.jurisdiction == \"US-CA\"",
        "!context.opted_out_of_sale",
        "context.consented",
        "!context.opted_out",
    ];
    let mut text = String::new();
    for (recipient, purpose) in [
        ("mill", "orders"),
        ("leads", "sale"),
        ("mill", "newsletter"),
    ] {
        for number in 0..4 + dice.roll(4) {
            let id = format!("x.{recipient}-{purpose}-{number}");
            let (about, when) = (dice.of(&ABOUT), dice.of(&WHEN));
            let condition = format!(
                "(principal == Recipient::\"{recipient}\", action == Action::\"{purpose}\", resource) when {{ {about} }} when {{ {when} }};"
            );
            let effect = if dice.roll(4) == 0 {
                format!("@leaves(\"{}\") forbid {condition}", dice.of(&LEAVES))
            } else {
                format!("@release(\"{}\") permit {condition}", dice.of(&RELEASES))
            };
            text.push_str(&policy(&id, &effect));
        }
    }
    text
}

fn generated_rows(dice: &mut Dice, rows: usize) -> String {
    const FIRST: [&str; 7] = [
        "'Maya'",
        "'M'",
        "''",
        "NULL",
        "'  Ünï '",
        "'李 小龙'",
        "'O''Neil'",
    ];
    const BORN: [&str; 9] = [
        "'1990-05-20'",
        "'2014-05-20'",
        "'2007-12-01'",
        "'2000-02-29'",
        "'1930-01-01'",
        "'1937-03-03'",
        "'2008-02-01'",
        "NULL",
        "'1985-10-31'",
    ];
    const PLACE: [(&str, &str); 5] = [
        ("'US'", "'CA'"),
        ("'US'", "'NV'"),
        ("'DE'", "NULL"),
        ("NULL", "NULL"),
        ("'US'", "'California'"),
    ];
    const POSTAL: [&str; 6] = [
        "'94103'",
        "'941'",
        "'9 41-03'",
        "' 10115 '",
        "NULL",
        "'K1A 0B1'",
    ];
    const ADDRESS: [&str; 8] = [
        "'1 Rye Lane, Oakland, CA 94601'",
        "'Nur Straße'",
        "'a, b'",
        "'12 X, São Paulo, Brasil'",
        "E'x\\nFresno\\nUSA'",
        "'1 A, 2 B, 3 C'",
        "NULL",
        "'Rye Lane 1, St. John''s, NL'",
    ];
    const PHONE: [&str; 5] = [
        "'+1 415 555 0134'",
        "'12345'",
        "'(510) 555-0199 ext'",
        "NULL",
        "'5550134'",
    ];
    const POINTS: [&str; 6] = ["0", "7", "342", "-5", "123456789", "NULL"];
    const SPENT: [&str; 6] = ["7.50", "19999.99", "0.10", "-3.00", "NULL", "100"];
    const SINCE: [&str; 4] = [
        "'2020-01-02 03:04:05+00'",
        "'2021-06-30 23:59:59.5+02'",
        "NULL",
        "'1999-12-31 23:00:00-05'",
    ];
    const DOCUMENT: [&str; 6] = [
        r#"'{"city": "Oakland", "street": "1 Rye Lane"}'"#,
        r#"'{"city": 5, "town": "Fresno"}'"#,
        r#"'{"locality": "Köln"}'"#,
        "'[]'",
        "NULL",
        r#"'{"street": "x"}'"#,
    ];
    let mut sql = r#"INSERT INTO "Our ""buyers""" VALUES "#.to_owned();
    for number in 1..=rows {
        let name = *dice.of(&["maya", "m", "a.b-c", "x+y"]);
        let (country, state) = *dice.of(&PLACE);
        let comma = if number == 1 { "" } else { ", " };
        write!(
            sql,
            "{comma}({number}, '{name}{}@example.org', {}, {}, {country}, {state}, {}, {}, {}, {}, {}, {}, {}, 'secret')",
            if name == "m" && number < 2 { String::new() } else { number.to_string() },
            dice.of(&FIRST), dice.of(&BORN), dice.of(&POSTAL), dice.of(&ADDRESS), dice.of(&PHONE), dice.of(&POINTS), dice.of(&SPENT), dice.of(&SINCE), dice.of(&DOCUMENT),
        )
        .unwrap();
    }
    sql
}

/// Each row of a view by what `disclose` answers: text for text.
async fn compare(house: &House, rows: usize, whole: &str) -> usize {
    let columns: Vec<String> = ATTRIBUTES
        .iter()
        .map(|(key, column)| format!("'{key}', {}", quoted(column)))
        .collect();
    let mut shown = 0;
    for (recipient, purpose) in [
        ("mill", "orders"),
        ("leads", "sale"),
        ("mill", "newsletter"),
    ] {
        let schema = format!("privity_{recipient}__{purpose}");
        let there = house
            .shop
            .run(&format!("SELECT to_regnamespace('{schema}') IS NOT NULL"));
        let mut seen: BTreeMap<usize, BTreeMap<String, serde_json::Value>> = BTreeMap::new();
        if there == "t" {
            seen = one_by_one(house, &schema, rows, &columns);
        }
        let asked = |number: usize| {
            let kind = IdentifierKind("number".to_owned());
            SubjectAsked::Identifier(kind, Sensitive::new(number.to_string()))
        };
        let asked: Vec<_> = (1..=rows).map(asked).collect();
        let keys: Vec<_> = ATTRIBUTES.iter().map(|(key, _)| (*key).into()).collect();
        let all = disclose(&house.p, &caller(recipient, purpose), &asked, &keys)
            .await
            .unwrap();
        for (number, granted) in (1..=rows).zip(&all) {
            let row = seen.get(&number);
            assert_eq!(
                row.is_some(),
                !granted.is_empty(),
                "{schema} {number}\n{whole}"
            );
            let Some(row) = row else { continue };
            shown += 1;
            let profile = granted.profile().unwrap();
            let given: BTreeMap<String, serde_json::Value> = profile
                .map_or_else(BTreeMap::new, |profile| {
                    serde_json::from_value(serde_json::to_value(profile).unwrap()).unwrap()
                });
            for (key, _) in ATTRIBUTES {
                let effect = granted.effect(&key.into());
                let expected = given
                    .get(key)
                    .filter(|_| effect != Effect::Change(Change::Token));
                assert_eq!(
                    as_text(row.get(key)),
                    as_text(expected),
                    "{schema} {number} {key} {effect:?}\n{whole}"
                );
            }
        }
    }
    shown
}

/// What a view shows of each row: asked for with nothing else in the table.
fn one_by_one(
    house: &House,
    schema: &str,
    rows: usize,
    columns: &[String],
) -> BTreeMap<usize, BTreeMap<String, serde_json::Value>> {
    let mut script = String::new();
    for number in 1..=rows {
        writeln!(
            script,
            "BEGIN; DELETE FROM privity.\"visible_Our \"\"buyers\"\"\" WHERE key <> {number}; SET LOCAL ROLE {}; SELECT '{number}|' || json_build_object({})::text FROM {schema}.{VIEW}; ROLLBACK;",
            quoted(house.role(schema)),
            columns.join(", ")
        )
        .unwrap();
    }
    let read = house.shop.run(&script);
    let lines = read.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (number, row) = line.split_once('|').unwrap();
            (number.parse().unwrap(), serde_json::from_str(row).unwrap())
        })
        .collect()
}

/// Numbers, documents and texts as one text; what is blank is nothing.
fn as_text(value: Option<&serde_json::Value>) -> String {
    match value {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => match text.trim().parse::<jiff::Timestamp>() {
            Ok(moment) => moment.to_string(),
            Err(_) => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(
                    document @ (serde_json::Value::Object(_)
                    | serde_json::Value::Array(_)
                    | serde_json::Value::Number(_)),
                ) => as_text(Some(&document)),
                _ => text.trim().to_owned(),
            },
        },
        Some(serde_json::Value::Number(number)) => {
            let text = number.to_string();
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        }
        Some(other) => other.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_shows_of_each_row_what_disclose_gives_whatever_the_policies_are() {
    const ROWS: usize = 20;
    let mut shown = 0;
    for seed in 1..=3 {
        let mut dice = Dice(seed);
        let policies = generated_policies(&mut dice);
        let Some(house) = House::new(&policies).await else {
            return;
        };
        house.start(&generated_rows(&mut dice, ROWS)).await;
        let asked: Vec<SubjectId> = subjects(&house).await;
        for id in &asked {
            for purpose in ["sale", "newsletter"] {
                // A child can't consent for herself, and is refused.
                let choice = match dice.roll(3) {
                    0 => yes(Party::Subject(*id), purpose),
                    1 => no(Party::Subject(*id), purpose),
                    _ => continue,
                };
                drop(
                    house
                        .p
                        .record_consents(vec![choice], Actor::CommandLine, None)
                        .await
                        .unwrap(),
                );
            }
        }
        house.fill().await;
        shown += compare(&house, ROWS, &policies).await;
        // Other policies over the same people.
        let others = generated_policies(&mut dice);
        house.publish(&others).await;
        apply_views(&house.p, "shop").await.unwrap();
        house.fill().await;
        shown += compare(&house, ROWS, &others).await;
    }
    assert!(shown > 100, "{shown} rows were compared");
}

async fn subjects(house: &House) -> Vec<SubjectId> {
    let read = house
        .p
        .database()
        .read::<_, storage::Error, _>("subjects", |tx| {
            let rows = tx.query("-- subjects\nSELECT id FROM subject ORDER BY id", &[])?;
            rows.iter()
                .map(|row| row.id("id"))
                .collect::<Result<Vec<SubjectId>, _>>()
        });
    read.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_is_taken_away_and_a_yes_is_recorded_before_it_shows() {
    let Some(house) = House::new(&usual()).await else {
        return;
    };
    house.start(THREE).await;
    let emails = format!("SELECT \"E-Mail \"\"x\"\"\" FROM {VIEW} ORDER BY 1");
    assert_eq!(
        house.reads(SALE, &emails),
        "maya@example.org\nsam@example.org"
    );
    assert_eq!(house.reads(NEWS, &emails), "");
    assert_eq!(
        house.reads(
            ORDERS,
            &format!("SELECT no, \"E-Mail \"\"x\"\"\", first, born FROM {VIEW} ORDER BY 1")
        ),
        "1|m***@example.org|Maya|30-39\n2|s***@example.org|Sam|40-49\n3|k***@example.org|Kid|0-17"
    );
    // Three in `orders`, two in `sale`: each in the log, once.
    assert_eq!(house.disclosures().await.len(), 5);
    house.fill().await;
    assert_eq!(house.disclosures().await.len(), 5);
    let (maya, sam) = (house.subject("1").await, house.subject("2").await);
    house.clock.advance(SignedDuration::from_secs(1));
    keep(&house.p, no(Party::Subject(maya), "sale")).await;
    keep(&house.p, yes(Party::Subject(sam), "newsletter")).await;
    house.fill().await;
    assert_eq!(house.reads(SALE, &emails), "sam@example.org");
    assert_eq!(house.reads(NEWS, &emails), "sam@example.org");
    let records = house.disclosures().await;
    assert_eq!(records.len(), 6);
    let last = serde_json::to_value(records.last().unwrap())
        .unwrap()
        .to_string();
    assert!(
        last.contains("newsletter") && last.contains(&sam.to_string()) && !last.contains("sam@"),
        "{last}"
    );
    let ledger =
        governance::disclosure::of_subject(&house.p, sam, domain::audit::Actor::CommandLine)
            .await
            .unwrap();
    let news = ledger
        .iter()
        .find(|line| line.purpose.as_ref() == "newsletter")
        .unwrap();
    assert_eq!(
        (news.times, news.attributes["keep"].as_slice()),
        (1, ["email".to_owned()].as_slice())
    );
    assert!(
        ledger
            .iter()
            .any(|line| line.purpose.as_ref() == "sale" && line.sold)
    );
    // Her consent ends in two years; nobody has to take it away then.
    let until = "SELECT count(*) FROM privity.\"visible_Our \"\"buyers\"\"\" WHERE until BETWEEN now() + interval '1 day' AND now() + interval '25 months'";
    assert_ne!(house.shop.run(until), "0");
    // What is as it was is not written again.
    let places = "SELECT (SELECT string_agg(ctid::text, ' ' ORDER BY cell, key) FROM privity.\"visible_Our \"\"buyers\"\"\"), (SELECT string_agg(ctid::text, ' ' ORDER BY key) FROM privity.\"subject_Our \"\"buyers\"\"\")";
    let before = house.shop.run(places);
    house.fill().await;
    assert_eq!(house.shop.run(places), before);
    house.shop.run(
        "UPDATE privity.\"visible_Our \"\"buyers\"\"\" SET until = clock_timestamp() WHERE key = 2",
    );
    assert_eq!(house.reads(NEWS, &emails), "");
    house.clock.advance(SignedDuration::from_hours(24 * 800));
    house.fill().await;
    assert_eq!(house.reads(NEWS, &emails), "");
    // Forgotten here, whatever stays in the shop.
    assert_eq!(
        house.reads(ORDERS, &format!("SELECT count(*) FROM {VIEW} WHERE no = 1")),
        "1"
    );
    forget(&house.p, [maya].into(), Actor::CommandLine)
        .await
        .unwrap();
    house.fill().await;
    assert_eq!(
        house.reads(ORDERS, &format!("SELECT count(*) FROM {VIEW} WHERE no = 1")),
        "0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_nobody_knows_are_not_seen_and_a_silent_privity_empties_the_views() {
    let Some(house) = House::new(&usual()).await else {
        return;
    };
    house.start(THREE).await;
    let count = format!("SELECT count(*) FROM {VIEW}");
    house
        .shop
        .run("INSERT INTO \"Our \"\"buyers\"\"\" (no, first) VALUES (9, 'Jo')");
    let filled = house.fill().await;
    assert_eq!(
        (house.reads(ORDERS, &count).as_str(), filled.unknown),
        ("3", 1)
    );
    house.follow().await;
    assert_eq!(house.reads(ORDERS, &count), "3");
    house.fill().await;
    assert_eq!(house.reads(ORDERS, &count), "4");
    // A row that becomes somebody else's shows what is known of that one.
    house
        .shop
        .run("UPDATE \"Our \"\"buyers\"\"\" SET no = 77 WHERE no = 1");
    assert_eq!(house.reads(ORDERS, &count), "3");
    house
        .shop
        .run("UPDATE privity.state SET seen_at = seen_at - interval '61 seconds'");
    assert_eq!(house.reads(ORDERS, &count), "0");
    assert!(
        house
            .drift()
            .await
            .iter()
            .any(|what| what.contains("nothing was refreshed within 60 seconds"))
    );
    house.fill().await;
    assert_eq!(house.reads(ORDERS, &count), "3");
    // Views of another data map are never filled.
    house
        .shop
        .run("UPDATE privity.state SET mapping = 'another'");
    let problem = fill_views(&house.p, "shop").await.unwrap_err();
    assert!(
        problem.title.contains("privity policy postgres apply"),
        "{problem}"
    );
    apply_views(&house.p, "shop").await.unwrap();
    assert_eq!(house.reads(ORDERS, &count), "0");
    house.fill().await;
    assert_eq!(house.reads(ORDERS, &count), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn predicates_see_masked_values_only_and_nothing_is_reached_around_the_views() {
    let Some(house) = House::new(&usual()).await else {
        return;
    };
    house.start(THREE).await;
    let role = quoted(&house.roles[0]);
    let of = |sql: &str| {
        house.reads(
            ORDERS,
            &sql.replace("$v", VIEW)
                .replace("$e", "\"E-Mail \"\"x\"\"\""),
        )
    };
    assert_eq!(
        of("SELECT count(*) FROM $v WHERE $e = 'maya@example.org'"),
        "0"
    );
    assert_eq!(of("SELECT count(*) FROM $v WHERE $e LIKE 'm%'"), "1");
    assert_eq!(
        of(
            "SELECT count(*) FROM $v WHERE $e LIKE '%aya%' OR born = '1990-05-20' OR country IS NOT NULL"
        ),
        "0"
    );
    assert_eq!(
        of("SELECT string_agg(no::text, ',' ORDER BY country, $e) FROM $v"),
        "3,1,2"
    );
    assert_eq!(
        of("SELECT count(*) FROM $v a JOIN $v b ON a.born = b.born"),
        "3"
    );
    // Columns that no attribute maps are not there.
    assert!(
        house
            .refused(ORDERS, &format!("SELECT secret FROM {ORDERS}.{VIEW}"))
            .contains("does not exist")
    );
    // A function that tells whatever it is shown is shown nothing that the view hides.
    house.shop.run(&format!(
        "CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO {role}; CREATE FUNCTION evil.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN IF $1 ~ 'aya@|CA|1990-|rye' THEN RAISE EXCEPTION 'told'; END IF; RETURN true; END $$; \
         CREATE FUNCTION evil.left(text, integer) RETURNS text LANGUAGE sql AS 'SELECT $1'; CREATE FUNCTION evil.like(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'"
    ));
    assert_eq!(
        of(
            "SELECT count(*) FROM $v WHERE evil.tell($e) AND evil.tell(born) AND evil.tell(country) AND evil.tell(state) AND evil.tell($v::text)"
        ),
        "3"
    );
    assert!(
        house
            .refused(ORDERS, "SELECT evil.tell('maya@example.org')")
            .contains("told")
    );
    // The session's own functions take the place of none in the view.
    assert_eq!(
        house.reads(
            "evil, pg_catalog, privity_mill__orders",
            &format!("SELECT min(\"E-Mail \"\"x\"\"\") FROM {ORDERS}.{VIEW}")
        ),
        "k***@example.org"
    );
    let plan = of("EXPLAIN SELECT * FROM $v WHERE no = 1");
    assert!(!plan.contains("maya"), "{plan}");
    for table in [
        "\"Our \"\"buyers\"\"\"",
        "privity.state",
        "privity.released",
        "privity.\"subject_Our \"\"buyers\"\"\"",
        "privity.\"visible_Our \"\"buyers\"\"\"",
        "privity.vector",
    ] {
        assert!(
            house
                .refused(ORDERS, &format!("SELECT * FROM {table}"))
                .contains("permission denied"),
            "{table}"
        );
    }
    assert!(
        house
            .refused(ORDERS, &format!("SELECT * FROM {SALE}.{VIEW}"))
            .contains("permission denied")
    );
    assert!(
        house
            .refused(ORDERS, &format!("UPDATE {ORDERS}.{VIEW} SET first = 'x'"))
            .contains("cannot update view")
    );
    // Also where somebody grants by mistake, row security shows nothing.
    house.shop.run(&format!("GRANT USAGE ON SCHEMA privity TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA privity TO {role}"));
    assert_eq!(
        of(
            "SELECT (SELECT count(*) FROM privity.released) + (SELECT count(*) FROM privity.\"subject_Our \"\"buyers\"\"\") + (SELECT count(*) FROM privity.\"visible_Our \"\"buyers\"\"\")"
        ),
        "0"
    );
}

/// Adults alone in `orders`, and everybody's number in `newsletter`.
fn adults() -> String {
    usual().replace(
        "[Category::\"user.name\", Category::\"user.unique_id\"] };",
        "[Category::\"user.name\", Category::\"user.unique_id\"] } when { context.age == \"adult\" };",
    )
    .replace(
        "resource == Attribute::\"email\");",
        "resource == Attribute::\"email\") when { context.age == \"adult\" };",
    )
    .replace(
        "resource == Attribute::\"born\");",
        "resource == Attribute::\"born\") when { context.age == \"adult\" };",
    ) + &policy(
        "hearth.numbers",
        r#"permit (principal == Recipient::"mill", action == Action::"newsletter", resource in Category::"user.unique_id");"#,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_by_key_finds_an_index_that_knows_of_no_hidden_row() {
    let Some(house) = House::new(&adults()).await else {
        return;
    };
    house.start(THREE).await;
    let numbers = format!("SELECT string_agg(no::text, ',' ORDER BY no) FROM {VIEW}");
    assert_eq!(house.reads(ORDERS, &numbers), "1,2");
    assert_eq!(house.reads(NEWS, &numbers), "1,2,3");
    // So few rows are read one by one unless PostgreSQL is told not to.
    let by_index = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan;";
    let index = "Index Cond: (shown = ";
    let plans = [
        format!("EXPLAIN (COSTS OFF) SELECT * FROM {VIEW} WHERE no = 1"),
        format!("EXPLAIN (COSTS OFF) SELECT * FROM {VIEW} WHERE no IN (1, 2, 3)"),
        format!(
            "PREPARE one(integer) AS SELECT * FROM {VIEW} WHERE no = $1; EXPLAIN (COSTS OFF) EXECUTE one(1)"
        ),
        format!(
            "EXPLAIN (COSTS OFF) SELECT * FROM (VALUES (1), (2)) AS w(n), LATERAL (SELECT * FROM {VIEW} WHERE no = n OFFSET 0) AS v"
        ),
    ];
    for sql in plans {
        let plan = house.reads(ORDERS, &format!("{by_index} {sql}"));
        assert!(
            plan.contains(index) && plan.contains("Index Cond: (no = k.key)"),
            "{sql}\n{plan}"
        );
        assert!(!plan.contains("Seq Scan on \"Our"), "{sql}\n{plan}");
    }
    // The child that another cell sees, a row that nobody knows, and no row at all: the same to the last number, whatever the plan.
    house
        .shop
        .run("INSERT INTO \"Our \"\"buyers\"\"\" (no, first) VALUES (9, 'Jo')");
    for settings in [
        "",
        by_index,
        "SET enable_seqscan = off; SET enable_indexscan = off;",
        "SET enable_nestloop = off; SET enable_hashjoin = off;",
    ] {
        let measured = |number: &str| {
            let sql = format!(
                "{settings} EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM {VIEW} WHERE no = {number}"
            );
            house
                .reads(ORDERS, &sql)
                .replace(&format!("shown = {number})"), "shown = N)")
        };
        assert_eq!(measured("3"), measured("6"), "{settings}");
        assert_eq!(measured("9"), measured("6"), "{settings}");
        assert_ne!(measured("2"), measured("6"), "{settings}");
    }
    // What tells whatever it is shown is shown no hidden key, and no condition that isn't PostgreSQL's own goes below the barrier.
    let role = quoted(&house.roles[0]);
    house.shop.run(&format!(
        "CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO {role}; CREATE FUNCTION evil.tell(integer) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN IF $1 > 2 THEN RAISE EXCEPTION 'told'; END IF; RETURN true; END $$"
    ));
    for settings in ["", by_index] {
        let shown = house.reads(
            ORDERS,
            &format!("{settings} SELECT count(*) FROM {VIEW} WHERE evil.tell(no)"),
        );
        assert_eq!(shown, "2");
    }
    assert!(
        house
            .refused(
                NEWS,
                &format!("SELECT count(*) FROM {NEWS}.{VIEW} WHERE evil.tell(no)")
            )
            .contains("told")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgresql_guesses_of_a_look_up_rests_on_no_hidden_row() {
    let Some(house) = House::new(&adults()).await else {
        return;
    };
    // Children, whom `orders` doesn't show, stand close together; beyond them is nobody, and adults stand at both ends.
    let more = "INSERT INTO \"Our \"\"buyers\"\"\" (no, \"E-Mail \"\"x\"\"\", first, born, country, state)
        SELECT n, 'a' || n || '@example.org', 'Some', DATE '2019-01-01', 'US', 'CA' FROM generate_series(1000, 1199) AS n
        UNION ALL SELECT n, 'a' || n || '@example.org', 'Some', DATE '1980-01-01', 'US', 'CA' FROM generate_series(5000, 5019) AS n;";
    house.start(&format!("{THREE}; {more}")).await;
    house.shop.run("ANALYZE");
    let count = |schema| house.reads(schema, &format!("SELECT count(*) FROM {VIEW}"));
    assert_eq!(
        (count(ORDERS), count(NEWS)),
        ("22".to_owned(), "223".to_owned())
    );
    let guess = |schema: &str, condition: &str| {
        let plan = house.reads(
            schema,
            &format!("EXPLAIN SELECT * FROM {VIEW} WHERE no {condition}"),
        );
        plan.replace(condition, "")
    };
    let rows = |plan: &str| -> Vec<String> {
        let words = plan.split(|one: char| one == '(' || one.is_whitespace());
        let words = words.filter(|word| word.starts_with("rows=") || word.starts_with("cost="));
        words.map(str::to_owned).collect()
    };
    for (hidden, nobody) in [
        ("= 1100", "= 3100"),
        ("BETWEEN 1000 AND 1199", "BETWEEN 3000 AND 3199"),
        ("IN (1000, 1001, 1002)", "IN (3000, 3001, 3002)"),
    ] {
        let (one, other) = (guess(ORDERS, hidden), guess(ORDERS, nobody));
        assert_eq!(rows(&one), rows(&other), "{hidden}\n{one}\n{other}");
        assert!(!rows(&one).is_empty());
    }
    // Where they are shown, PostgreSQL does know them.
    let range = |range: &str| rows(&guess(NEWS, range));
    assert_ne!(
        range("BETWEEN 1000 AND 1199"),
        range("BETWEEN 3000 AND 3199")
    );
    // And nobody is told more than the views show.
    for sql in [
        "SELECT count(*) FROM pg_stats WHERE schemaname = 'privity'",
        "SELECT count(*) FROM pg_stats WHERE tablename LIKE '%buyers%' AND schemaname = 'public'",
    ] {
        assert_eq!(house.reads(ORDERS, sql), "0", "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_be_seen_no_more_is_gone_at_once_and_from_the_index_soon() {
    let Some(house) = House::new(&adults()).await else {
        return;
    };
    house.start(THREE).await;
    let rows = format!("SELECT no, first FROM {VIEW} ORDER BY first");
    assert_eq!(house.reads(ORDERS, &rows), "1|Maya\n2|Sam");
    // Lowered by other policies, and not yet looked at again: no key, and no row that would tell which one it was.
    house.shop.run(&format!(
        "UPDATE privity.released SET forms[2] = 0 WHERE cell = '{ORDERS}'"
    ));
    assert_eq!(house.reads(ORDERS, &rows), "");
    house.shop.run(&format!(
        "UPDATE privity.released SET forms[2] = 5 WHERE cell = '{ORDERS}' AND forms[4] = 5"
    ));
    assert_eq!(house.reads(ORDERS, &rows), "1|Maya\n2|Sam");
    // The number is withheld, and nothing else changes: the rows are there without it.
    let before = house.disclosures().await.len();
    house
        .publish(&adults().replacen(", Category::\"user.unique_id\"]", "]", 1))
        .await;
    house.fill().await;
    assert_eq!(house.reads(ORDERS, &rows), "|Maya\n|Sam");
    assert_eq!(house.disclosures().await.len(), before);
    let kept = |condition: &str| {
        house.shop.run(&format!(
            "SELECT count(*) FROM privity.\"visible_Our \"\"buyers\"\"\" WHERE {condition}"
        ))
    };
    assert_eq!(
        kept(&format!("cell = '{ORDERS}' AND shown IS NOT NULL")),
        "0"
    );
    assert_eq!(kept(&format!("cell = '{ORDERS}'")), "2");
    assert_eq!(kept(&format!("cell = '{NEWS}' AND shown = key")), "3");
    // And shown again, after it was recorded.
    house.publish(&adults()).await;
    house.fill().await;
    assert_eq!(house.reads(ORDERS, &rows), "1|Maya\n2|Sam");
    assert_eq!(house.disclosures().await.len(), before + 2);
    // A cell that gets nothing any more keeps no keys.
    house
        .publish(&adults().replace("\"orders\"", "\"newsletter\""))
        .await;
    house.fill().await;
    assert_eq!(kept(&format!("cell = '{ORDERS}'")), "0");
    // What is left of keys that nobody sees goes when all rows were looked at, however many there are.
    house.shop.run(&format!(
        "INSERT INTO privity.\"visible_Our \"\"buyers\"\"\" (cell, key, shown, vector) SELECT cell, n, n, 1 FROM generate_series(10000, 14500) AS n, (VALUES ('{ORDERS}'), ('{NEWS}')) AS c(cell)"
    ));
    assert_eq!(kept("key >= 10000"), "9002");
    house.fill().await;
    assert_eq!(kept("key >= 10000"), "0");
    assert_eq!(kept(&format!("cell = '{NEWS}'")), "3");
    // Nor does a cell keep any of a row that is gone.
    house
        .shop
        .run("DELETE FROM \"Our \"\"buyers\"\"\" WHERE no = 2");
    house.fill().await;
    assert_eq!(
        (kept("key = 2"), kept("key = 1")),
        ("0".to_owned(), "2".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_by_another_hand_is_found() {
    let Some(house) = House::new(&usual()).await else {
        return;
    };
    assert_eq!(house.drift().await, ["nothing was ever written there"]);
    house.start(THREE).await;
    assert_eq!(house.drift().await, [""; 0]);
    let (mill, view) = (quoted(&house.roles[0]), format!("{ORDERS}.{VIEW}"));
    let subject = "privity.\"subject_Our \"\"buyers\"\"\"";
    let changes = [
        (
            format!(
                "CREATE OR REPLACE VIEW {view} WITH (security_barrier) AS SELECT no, \"E-Mail \"\"x\"\"\", first, born::text, country, state, postal, address, phone::varchar, points, spent::numeric, since, place FROM \"Our \"\"buyers\"\"\""
            ),
            "is not what would be written now",
        ),
        (
            format!("ALTER VIEW {view} RESET (security_barrier)"),
            "is no security barrier",
        ),
        (
            format!("ALTER VIEW {view} SET (security_invoker)"),
            "is no security barrier",
        ),
        (
            format!("GRANT SELECT ON {view} TO PUBLIC"),
            "has grants other than SELECT",
        ),
        (
            format!("GRANT UPDATE ON {view} TO {mill}"),
            "has grants other than SELECT",
        ),
        (
            format!("GRANT CREATE ON SCHEMA {ORDERS} TO {mill}"),
            "are not USAGE",
        ),
        (
            format!("REVOKE SELECT ON {view} FROM {mill}"),
            "has grants other than SELECT",
        ),
        (format!("DROP VIEW {view}"), "is not there"),
        (
            format!("ALTER TABLE {subject} DISABLE ROW LEVEL SECURITY"),
            "row security",
        ),
        (
            "CREATE POLICY p ON privity.released USING (true)".to_owned(),
            "row security",
        ),
        (
            format!("CREATE VIEW {ORDERS}.mine AS SELECT 1"),
            "is none of ours",
        ),
        (
            format!("GRANT SELECT ON privity.released TO {mill}"),
            "others than its owner",
        ),
        (
            format!("GRANT SELECT ON \"Our \"\"buyers\"\"\" TO {mill}"),
            "may read the table",
        ),
        (
            format!("GRANT SELECT (first) ON \"Our \"\"buyers\"\"\" TO {mill}"),
            "may read the table",
        ),
        (
            format!("ALTER ROLE {mill} BYPASSRLS"),
            "passes row security",
        ),
        (
            format!("ALTER VIEW {view} OWNER TO {mill}"),
            "belongs to another role",
        ),
    ];
    for (change, says) in changes {
        house.shop.run(&format!("BEGIN; {change}; COMMIT"));
        let found = house.drift().await;
        assert!(
            found.iter().any(|what| what.contains(says)),
            "{change}: {found:?}"
        );
        repair(&house, &mill, &view, subject).await;
        assert_eq!(house.drift().await, [""; 0], "after {change}");
    }
    // The table itself.
    house
        .shop
        .run("ALTER TABLE \"Our \"\"buyers\"\"\" RENAME first TO given");
    let found = house.drift().await;
    assert!(
        found[0].contains("it has no field `first` any more"),
        "{found:?}"
    );
}

async fn repair(house: &House, mill: &str, view: &str, subject: &str) {
    house.shop.run(&format!(
        "DROP VIEW IF EXISTS {ORDERS}.mine; DROP VIEW IF EXISTS {view}; DROP POLICY IF EXISTS p ON privity.released; ALTER TABLE {subject} ENABLE ROW LEVEL SECURITY; \
         REVOKE ALL ON privity.released FROM {mill}; REVOKE ALL ON \"Our \"\"buyers\"\"\" FROM {mill}; REVOKE SELECT (first) ON \"Our \"\"buyers\"\"\" FROM {mill}; \
         REVOKE CREATE ON SCHEMA {ORDERS} FROM {mill}; ALTER ROLE {mill} NOBYPASSRLS"
    ));
    apply_views(&house.p, "shop")
        .await
        .unwrap_or_else(|problem| panic!("{problem}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_policies_take_away_at_once_and_show_more_only_after_it_was_recorded() {
    let Some(house) = House::new(&usual()).await else {
        return;
    };
    house.start(THREE).await;
    let row = format!(
        "SELECT no, \"E-Mail \"\"x\"\"\", first, born FROM {VIEW} WHERE no = 1 OR first = 'Maya' OR \"E-Mail \"\"x\"\"\" LIKE 'm%'"
    );
    let before = house.disclosures().await.len();
    // Less of one, more of another.
    house
        .publish(
            &usual()
                .replace("@release(\"mask\") permit", "@release(\"keep\") permit")
                .replace("Category::\"user.name\", ", ""),
        )
        .await;
    house.fill().await;
    assert_eq!(house.reads(ORDERS, &row), "1|maya@example.org||30-39");
    assert_eq!(house.disclosures().await.len(), before + 3);
    // And back: nothing has to be recorded for what is less, and the name is more again.
    house.publish(&usual()).await;
    house.fill().await;
    assert_eq!(house.reads(ORDERS, &row), "1|m***@example.org|Maya|30-39");
    assert_eq!(house.disclosures().await.len(), before + 6);
    // A recipient that gets nothing any more sees nothing, whether the views are written anew or not; and one that gets something now, only where there is a
    // view of it.
    let before = house.disclosures().await.len();
    house
        .publish(&usual().replace(
            "Recipient::\"leads\", action == Action::\"sale\"",
            "Recipient::\"leads\", action == Action::\"orders\"",
        ))
        .await;
    house.fill().await;
    assert_eq!(
        house.reads(SALE, &format!("SELECT count(*) FROM {VIEW}")),
        "0"
    );
    let drift = house.drift().await;
    let bought = "privity_leads__orders";
    for schema in [SALE, bought] {
        assert!(drift.iter().any(|what| what.contains(schema)), "{drift:?}");
    }
    assert_eq!(house.disclosures().await.len(), before);
    apply_views(&house.p, "shop").await.unwrap();
    let count = format!("SELECT count(*) FROM {VIEW}");
    assert_eq!(house.reads(bought, &count), "0");
    house.fill().await;
    assert_eq!(house.reads(bought, &count), "2");
    assert_eq!(house.disclosures().await.len(), before + 2);
    assert_eq!(house.drift().await, Vec::<String>::new());
    // Of the schema that went, no key stays.
    let parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'privity.\"visible_Our \"\"buyers\"\"\"'::regclass";
    assert_eq!(house.shop.run(parts), "3");
    assert_eq!(
        house
            .shop
            .run(&format!("SELECT to_regnamespace('{SALE}') IS NULL")),
        "t"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_about_somebody_else_by_now_is_recorded_anew() {
    let Some(house) = House::new(&usual()).await else {
        return;
    };
    house.start(THREE).await;
    let (maya, sam) = (house.subject("1").await, house.subject("2").await);
    let rows = format!("SELECT count(*) FROM {VIEW}");
    let before = house.disclosures().await.len();
    assert_eq!(house.reads(ORDERS, &rows), "3");
    let operator = governance::operator::add(&house.p, "Robin")
        .await
        .unwrap()
        .0;
    let merge = merge(&house.p, maya, sam, operator).await.unwrap();
    house.fill().await;
    assert_eq!(house.reads(ORDERS, &rows), "3");
    // The row of the one who is part of the other now: for orders, and for the sale.
    let merged = house.disclosures().await.len();
    assert_eq!(merged, before + 2);
    split(&house.p, merge, operator).await.unwrap();
    house.fill().await;
    assert_eq!(house.reads(ORDERS, &rows), "3");
    assert_eq!(house.disclosures().await.len(), merged + 2);
    house.fill().await;
    assert_eq!(house.disclosures().await.len(), merged + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_the_files_of_yesterday_lets_the_views_run_dry() {
    let Some(house) = House::new(&usual()).await else {
        return;
    };
    house.start(THREE).await;
    let sold = format!("SELECT count(*) FROM {VIEW}");
    assert_eq!(house.reads(SALE, &sold), "2");
    let purposes = house.dir.path().join("consent/purposes.yaml");
    let text = std::fs::read_to_string(&purposes).unwrap();
    std::fs::write(
        &purposes,
        text.replacen("title: {en: ", "title: {en: New ", 1),
    )
    .unwrap();
    let storage = format!("sqlite:{}/privity.db", house.dir.path().display());
    let new = open(house.dir.path(), &storage, &house.roles, &house.clock).await;
    // It keeps no facts, so that it doesn't see who withdrew.
    let maya = house.subject("1").await;
    house.clock.advance(SignedDuration::from_secs(1));
    keep(&house.p, no(Party::Subject(maya), "sale")).await;
    let seen = "SELECT seen_at FROM privity.state";
    let before = house.shop.run(seen);
    let problem = fill_views(&house.p, "shop").await.unwrap_err();
    assert!(problem.title.contains("restart it"), "{problem}");
    assert_eq!(
        house.shop.run(seen),
        before,
        "they are not said to be fresh"
    );
    fill_views(&new, "shop").await.unwrap();
    assert_eq!(house.reads(SALE, &sold), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_tokens_is_null_and_the_sql_says_so() {
    let policies = usual().replace("@release(\"mask\")", "@release(\"token\")");
    let Some(house) = House::new(&policies).await else {
        return;
    };
    let sql = views_text(&house.p, "shop").await.unwrap();
    let says = "-- \"E-Mail \"\"x\"\"\" of \"Our \"\"buyers\"\"\" is NULL wherever policies let out a token";
    let (_, orders) = sql.split_once("-- mill for orders\n").unwrap();
    assert!(orders.contains(says), "{sql}");
    assert_eq!(sql.matches("is NULL wherever").count(), 1, "{sql}");
    let applied = apply_views(&house.p, "shop").await.unwrap();
    let columns: Vec<_> = applied
        .tokens
        .iter()
        .map(|one| (one.schema.as_str(), one.column.as_str()))
        .collect();
    assert_eq!(columns, [(ORDERS, "E-Mail \"x\"")]);
    house.start(THREE).await;
    let emails = format!("SELECT count(*), count(\"E-Mail \"\"x\"\"\") FROM {VIEW}");
    assert_eq!(house.reads(ORDERS, &emails), "3|0");
    assert_eq!(house.reads(SALE, &emails), "2|2");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_over_one_postgresql_fill_the_same_views_and_record_each_disclosure_once() {
    let Some(own) = engine(Engine::Postgres) else {
        return;
    };
    let house = House::with_own(&usual(), Some(&own)).await.unwrap();
    let storage = format!("{}?sslmode=disable", own.url());
    let second = open_with(house.dir.path(), &storage, &house.roles, &house.clock, 815).await;
    house.shop.run(THREE);
    house.follow().await;
    apply_views(&house.p, "shop").await.unwrap();
    let both = async || {
        let (one, other) = tokio::join!(fill_views(&house.p, "shop"), fill_views(&second, "shop"));
        assert!(one.is_ok() || other.is_ok(), "nobody filled the views");
        for problem in [one.err(), other.err()].into_iter().flatten() {
            assert!(
                problem
                    .title
                    .contains("another process fills these views now"),
                "{problem}"
            );
        }
    };
    for _ in 0..4 {
        both().await;
        assert_eq!(house.disclosures().await.len(), 5);
    }
    let emails = format!("SELECT \"E-Mail \"\"x\"\"\" FROM {VIEW} ORDER BY 1");
    assert_eq!(
        house.reads(SALE, &emails),
        "maya@example.org\nsam@example.org"
    );
    // What one of them was told, the other one shows.
    let (maya, sam) = (house.subject("1").await, house.subject("2").await);
    house.clock.advance(SignedDuration::from_secs(1));
    keep(&second, no(Party::Subject(maya), "sale")).await;
    keep(&second, yes(Party::Subject(sam), "newsletter")).await;
    house.fill().await;
    assert_eq!(house.reads(SALE, &emails), "sam@example.org");
    assert_eq!(house.reads(NEWS, &emails), "sam@example.org");
    house.clock.advance(SignedDuration::from_secs(1));
    keep(&house.p, yes(Party::Subject(maya), "sale")).await;
    both().await;
    assert_eq!(
        house.reads(SALE, &emails),
        "maya@example.org\nsam@example.org"
    );
    assert_eq!(house.disclosures().await.len(), 7);
    // Whoever fills them elsewhere keeps everybody else from it until its connection ends.
    let mut elsewhere = Command::new("psql")
        .args(["-X", "-q", "-A", "-t", &house.shop.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut asks = elsewhere.stdin.take().unwrap();
    writeln!(asks, "SELECT pg_try_advisory_lock(1886546297, 17);").unwrap();
    let mut answer = [0; 1];
    elsewhere
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut answer)
        .unwrap();
    assert_eq!(&answer, b"t");
    let problem = fill_views(&second, "shop").await.unwrap_err();
    assert!(problem.title.contains("another process"), "{problem}");
    drop(asks);
    elsewhere.wait().unwrap();
    while fill_views(&second, "shop").await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    second.database().close().await;
    house.p.database().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_goes_by_itself_while_the_worker_runs() {
    let Some(house) = House::new(&usual()).await else {
        return;
    };
    house.start(THREE).await;
    let emails = format!("SELECT \"E-Mail \"\"x\"\"\" FROM {VIEW} ORDER BY 1");
    let (maya, sam) = (house.subject("1").await, house.subject("2").await);
    let (stop, shutdown) = tokio::sync::watch::channel(false);
    let p = house.p.clone();
    let working = tokio::spawn(async move { governance::worker::run(&p, shutdown).await });
    let shows = async |schema: &str, expected: &str| {
        while house.reads(schema, &emails) != expected {
            assert!(!working.is_finished(), "the worker ended");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    house.clock.advance(SignedDuration::from_secs(1));
    keep(&house.p, no(Party::Subject(maya), "sale")).await;
    shows(SALE, "sam@example.org").await;
    keep(&house.p, yes(Party::Subject(sam), "newsletter")).await;
    shows(NEWS, "sam@example.org").await;
    // The sign of life comes again.
    house
        .shop
        .run("UPDATE privity.state SET seen_at = seen_at - interval '61 seconds'");
    shows(SALE, "sam@example.org").await;
    // Other policies.
    house
        .publish(&usual().replace(
            "Recipient::\"leads\", action == Action::\"sale\"",
            "Recipient::\"leads\", action == Action::\"orders\"",
        ))
        .await;
    shows(SALE, "").await;
    stop.send(true).unwrap();
    working.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_hold_views_is_refused_in_words() {
    let Some(house) = House::new(&usual()).await else {
        return;
    };
    let words = async |system: &str| apply_views(&house.p, system).await.unwrap_err().title;
    assert!(words("other").await.contains("is no PostgreSQL database"));
    assert!(
        words("crm")
            .await
            .contains("add `- system: crm` under `views`")
    );
    let problem = fill_views(&house.p, "shop").await.unwrap_err();
    assert!(problem.title.contains("privity policy postgres apply"));
    // A key that takes different texts for equal tells nobody apart.
    house
        .shop
        .run("ALTER TABLE \"Our \"\"buyers\"\"\" ALTER no TYPE character(9)");
    assert!(
        words("shop")
            .await
            .contains("takes different texts for equal")
    );
    house.shop.run(&format!(
        "DROP TABLE \"Our \"\"buyers\"\"\"; {TABLE} DROP OWNED BY {}",
        quoted(&house.roles[1])
    ));
    house.shop.run(&format!(
        "ALTER ROLE {} RENAME TO {}",
        quoted(&house.roles[1]),
        quoted("nobody_here_x")
    ));
    let refused = words("shop").await;
    house.shop.run(&format!(
        "ALTER ROLE {} RENAME TO {}",
        quoted("nobody_here_x"),
        quoted(&house.roles[1])
    ));
    assert!(refused.contains("there is no role"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sql_is_the_same_each_time() {
    let Some(house) = House::new(&usual()).await else {
        return;
    };
    let sql = views_text(&house.p, "shop").await.unwrap();
    assert_eq!(sql, views_text(&house.p, "shop").await.unwrap());
    let [mill, leads] = &house.roles;
    let plain = sql
        .replace(&mill.replace('"', "\"\""), "MILL")
        .replace(leads.as_str(), "LEADS");
    insta::assert_snapshot!(plain);
    // It runs as it is printed.
    house.shop.run(&sql);
    house.shop.run(THREE);
    house.follow().await;
    house.fill().await;
    assert_eq!(
        house.reads(ORDERS, &format!("SELECT count(*) FROM {VIEW}")),
        "3"
    );
    assert_eq!(house.drift().await, [""; 0]);
}
