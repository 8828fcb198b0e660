//! Reading a data map: what a newcomer writes is understood, and every mistake is shown with its place and a way out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::PathBuf;

use domain::data_map::{
    CollectionErasure, CollectionKey, FieldErasure, Relation, SystemKey, ValueKind,
};
use domain::recipient::{ChannelKind, VerificationLevel};
use governance::data_map::{Connection, FileText, Findings, LoadedMap, Vocabulary, parse};

/// The words of Fideslang's taxonomy and the reasons of Civ. Code 1798.105(d).
pub(crate) struct Words(Vec<String>);

impl Words {
    pub(crate) fn new() -> Self {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/vectors/fideslang/data_files/data_categories.json"
        );
        let file: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let categories = file["data_category"].as_array().unwrap();
        Self(
            categories
                .iter()
                .map(|category| category["fides_key"].as_str().unwrap().to_owned())
                .collect(),
        )
    }
}

impl Vocabulary for Words {
    fn categories(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }

    fn reason_codes(&self) -> Vec<&str> {
        vec![
            "D1_transaction",
            "D2_security_integrity",
            "D8_legal_obligation",
            "X8_legal_claims",
        ]
    }
}

fn environment(name: &str) -> Option<String> {
    match name {
        "SHOP_DATABASE_URL" => Some("postgresql://privity:hunter2@db.example.com/shop".to_owned()),
        "MAIL_HOUSE_SECRET" => Some("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned()),
        _ => None,
    }
}

pub(crate) fn read(texts: &[(&str, &str)]) -> Result<LoadedMap, Findings> {
    let files = texts.iter().map(|(name, text)| FileText {
        name: (*name).to_owned(),
        folder: PathBuf::from("/maps"),
        text: (*text).to_owned(),
    });
    parse(files.collect(), &environment, &Words::new())
}

/// The findings of one file that has mistakes, as they are printed.
fn mistakes(text: &str) -> String {
    let Err(findings) = read(&[("map.yaml", text)]) else {
        panic!("the map was taken for good")
    };
    findings.to_string()
}

const SHOP: &str = r#"
systems:
  shop:
    title: Online shop
    sources: [consumer_directly]
    purposes: [to take and deliver orders]
    connection: {kind: postgres, url: "${SHOP_DATABASE_URL}"}
datasets:
  shop:
    system: shop
    schema: public
    collections:
      customer:
        title: Customer records
        primary_key: [customer_id]
        fields:
          customer_id: {category: user.unique_id, type: integer, identity: customer_number, nullable: false}
          email: {category: user.contact.email, identity: email, nullable: false, unique: true, max_length: 120}
          name: {category: user.name, erasure: hash}
          support_rep_id: {type: integer, category: system.operations, references: {to: shop.employee.employee_id, relation: link}}
      employee:
        primary_key: [employee_id]
        fields:
          employee_id: {type: integer, category: system.operations}
      CustomerOrder:
        table: orders
        primary_key: [order_id]
        erasure: redact
        retention:
          keep_for: 7 years
          since: ordered_on
          reason: {code: D8_legal_obligation, explanation: Tax law wants invoices for seven years.}
        fields:
          order_id: {type: integer, category: system.operations}
          ordered_on: {type: date, category: system.operations}
          region: {category: user.contact.address.state, erasure: null}
          customer_id: {type: integer, category: user.unique_id}
          note: {category: user.content.private, erasure: {keep: {code: D1_transaction, explanation: The parcel is under way.}}}
        references:
          - {fields: [customer_id], to: shop.customer, to_fields: [customer_id], relation: owned_by}
legal_holds:
  - {name: Case 7, reason: {code: X8_legal_claims, explanation: A court asked for it.}, covers: [shop.CustomerOrder], until: 2027-01-31}
"#;

const MAIL_HOUSE: &str = r#"
recipients:
  mail_house:
    title: Mail house
    role: service_provider
    contract_compliant: true
    categories: [user.contact.address]
    purpose: To print and post our catalogue
    known_by: [email]
    required_level: signed
    channel: {kind: webhook, url: https://mail.example.com/privacy, secrets: ["${MAIL_HOUSE_SECRET}"]}
    reminders: {remind_after_days: [5], escalate_after_days: 9}
"#;

#[test]
fn a_whole_map_is_read_from_several_files() {
    let loaded = read(&[("shop.yaml", SHOP), ("recipients.yaml", MAIL_HOUSE)]).unwrap();
    let shop = SystemKey::from("shop");
    assert!(matches!(loaded.connections[&shop], Connection::Postgres(_)));
    assert_eq!(
        (
            loaded.map.systems[&shop].title.as_str(),
            loaded.map.systems[&shop].sources.len()
        ),
        ("Online shop", 1)
    );
    let customer = &loaded.map.collections[&CollectionKey::new("shop", "customer")];
    assert_eq!(customer.schema.as_deref(), Some("public"));
    let email = customer.field(&"email".into()).unwrap();
    assert!(
        email.identity.as_ref().unwrap().ignore_case,
        "case is ignored in e-mail addresses unless the map says otherwise"
    );
    assert_eq!(
        (email.kind, email.nullable, email.unique, email.max_length),
        (ValueKind::Text, false, true, Some(120))
    );
    assert_eq!(customer.references[0].relation, Relation::Link);
    assert!(customer.references[0].enforced);
    let order = &loaded.map.collections[&CollectionKey::new("shop", "CustomerOrder")];
    assert_eq!(
        (order.table.as_str(), order.title.as_str(), &order.erasure),
        ("orders", "Customer order", &CollectionErasure::Redact)
    );
    assert_eq!(
        order
            .retention
            .as_ref()
            .unwrap()
            .keep_for
            .unwrap()
            .get_years(),
        7
    );
    assert_eq!(
        order.field(&"region".into()).unwrap().erasure,
        Some(FieldErasure::Null)
    );
    assert!(matches!(
        order.field(&"note".into()).unwrap().erasure,
        Some(FieldErasure::Keep(_))
    ));
    assert_eq!(
        order
            .fields
            .iter()
            .map(|field| field.name.as_ref())
            .collect::<Vec<_>>(),
        ["order_id", "ordered_on", "region", "customer_id", "note"]
    );
    assert_eq!(
        loaded.map.legal_holds[0].until,
        Some(jiff::civil::date(2027, 1, 31))
    );
    let mail_house = loaded.map.recipients.values().next().unwrap();
    assert_eq!(
        (
            mail_house.channel,
            mail_house.required_level,
            mail_house.reminders.escalate_after_days
        ),
        (ChannelKind::Webhook, VerificationLevel::Signed, 9)
    );
}

#[test]
fn all_mistakes_are_told_at_once_with_line_caret_and_way_out() {
    let text = r"
systems:
  shop: {connection: {kind: sqlite, path: shop.sqlite}}
datasets:
  shop:
    system: shpo
    colections: {}
    collections:
      customer:
        primary_key: [customer_nr]
        retention: {keep_for: 7 yeers, reason: {code: D9_because, explanation: x}}
        fields:
          customer_id: {category: user.unique, type: integer}
          email: {catgory: user.contact.email, nullable: maybe}
          phone: {category: contact.phone_number}
          rep: {references: {to: shop.employee.id}}
      visit:
        fields:
          customer: {category: system.operations, references: {to: shop.custmer.customer_id, relation: owned_by}}
";
    let told = mistakes(text);
    insta::assert_snapshot!("all_mistakes", told);
}

#[test]
fn a_caret_stands_under_the_word_that_is_wrong() {
    let told = mistakes("datasets:\n  shop:\n    sytem: shop\n");
    assert!(told.contains("--> map.yaml:3:5\n"), "{told}");
    assert!(told.contains("3 |     sytem: shop\n"), "{told}");
    assert!(told.contains("|     ^^^^^\n"), "{told}");
    assert!(told.contains("did you mean `system`?"), "{told}");
}

#[test]
fn broken_yaml_is_told_with_its_line() {
    let told = mistakes("systems:\n  shop:\n    connection: {kind: sqlite, path: x\n  crm: y\n");
    assert!(
        told.contains("not valid YAML") && told.contains("map.yaml:"),
        "{told}"
    );
}

#[test]
fn the_same_name_in_two_files_is_refused_naming_both_places() {
    let again = "systems:\n  shop:\n    connection: {kind: sqlite, path: x.sqlite}\n";
    let Err(findings) = read(&[("a.yaml", SHOP), ("b.yaml", again)]) else {
        panic!("two systems with one name")
    };
    let told = findings.to_string();
    assert!(
        told.contains("`shop` is in the data map twice; the first is in a.yaml:3"),
        "{told}"
    );
    assert!(told.contains("--> b.yaml:2:3"), "{told}");
}

#[test]
fn the_same_key_twice_in_one_map_is_refused_naming_both_lines() {
    let told = mistakes(
        "datasets:\n  shop:\n    system: a\n    collections:\n      customer:\n        primary_key: [a]\n        primary_key: [b]\n        fields: {a: {}, b: {}}\nsystems: {a: {connection: {kind: sqlite, path: x}}}\n",
    );
    assert!(
        told.contains("`primary_key` stands here twice; the first is in line 6"),
        "{told}"
    );
    assert_eq!(told.matches("error:").count(), 1, "{told}");
}

#[test]
fn an_unset_variable_is_named_and_no_secret_is_ever_shown() {
    let text = "systems:\n  shop: {connection: {kind: postgres, url: \"postgres://app:hunter2@db/${UNSET_NAME}\", ulr: hunter2, pool: hunter3}}\n  crm:\n    connection:\n      kind: postgres\n      url: hunter2\n      pool: hunter4\n";
    let told = mistakes(text);
    assert!(
        told.contains("the environment variable `UNSET_NAME` is not set"),
        "{told}"
    );
    assert!(told.contains("`ulr` is not known here"), "{told}");
    assert!(told.contains("must be a whole number"), "{told}");
    assert!(told.contains("kind: postgres"), "{told}");
    assert!(!told.contains("hunter") && !told.contains("app:"), "{told}");
}

#[test]
fn no_secret_is_shown_when_the_file_is_no_yaml() {
    let told = mistakes(
        "systems:\n  shop:\n    connection: {kind: postgres, url: \"postgres://app:hunter2@db/x\n",
    );
    assert!(!told.contains("hunter"), "{told}");
}

#[test]
fn a_value_with_variables_keeps_what_stands_around_them() {
    let text = "systems:\n  shop: {connection: {kind: sqlite, path: \"$${HOME}/${SHOP_DATABASE_URL}$x\"}}\n";
    let loaded = read(&[("map.yaml", text)]).unwrap();
    let Connection::Sqlite(config) = &loaded.connections[&SystemKey::from("shop")] else {
        panic!("not SQLite")
    };
    assert_eq!(
        config.path.to_str().unwrap(),
        "/maps/${HOME}/postgresql://privity:hunter2@db.example.com/shop$x"
    );
}

#[test]
fn a_sqlite_file_is_looked_for_beside_the_map() {
    let loaded = read(&[(
        "map.yaml",
        "systems:\n  shop: {connection: {kind: sqlite, path: data/shop.sqlite}}\n",
    )])
    .unwrap();
    let Connection::Sqlite(config) = &loaded.connections[&SystemKey::from("shop")] else {
        panic!("not SQLite")
    };
    assert_eq!(config.path, PathBuf::from("/maps/data/shop.sqlite"));
}

#[test]
fn references_need_as_many_fields_there_as_here() {
    let text = SHOP.replace(
        "to_fields: [customer_id], relation",
        "to_fields: [customer_id, email], relation",
    );
    assert!(mistakes(&text).contains("1 fields here refer to 2 fields there"));
}

#[test]
fn a_retention_without_the_field_to_count_from_is_refused() {
    let text = SHOP.replace("          since: ordered_on\n", "");
    assert!(mistakes(&text).contains("`keep_for` needs `since`"));
    let text = SHOP.replace("since: ordered_on", "since: order_id");
    assert!(mistakes(&text).contains("time can't be counted from `order_id`"));
}

#[test]
fn a_field_that_must_not_be_empty_cannot_be_emptied() {
    let text = SHOP.replace("erasure: null}", "erasure: null, nullable: false}");
    assert!(mistakes(&text).contains("`nullable: false` says that the source system refuses that"));
}

#[test]
fn a_missing_relation_is_told_with_the_choices() {
    let text = SHOP.replace(", relation: link", "");
    let told = mistakes(&text);
    assert!(
        told.contains("add `relation: owned_by | same_subject | detail | link` here"),
        "{told}"
    );
    assert_eq!(
        told.matches("error:").count(),
        1,
        "what was left out is not reported as missing elsewhere:\n{told}"
    );
}

#[test]
fn the_schema_for_editors_is_current() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/data-map.schema.json"
    );
    let current = governance::data_map::json_schema();
    if std::env::var_os("PRIVITY_UPDATE").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == current,
        "run this test with PRIVITY_UPDATE=1, or `privity data-map schema > docs/data-map.schema.json`"
    );
}
