//! What a readable map may still forget, and how it differs from the live system.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;

use connectors::{DescribedCollection, DescribedField, DescribedReference, Description};
use domain::data_map::{SystemKey, ValueKind};
use governance::data_map::{Finding, Severity, check};

use crate::data_map::read;

const MAP: &str = r"
systems: {shop: {connection: {kind: postgres, url: x}}}
datasets:
  shop:
    system: shop
    collections:
      customer:
        primary_key: [id]
        fields:
          id: {type: integer, category: user.unique_id, nullable: false, unique: true}
          email: {category: user.contact.email, identity: email, nullable: false}
";

fn findings(more: &str) -> Vec<Finding> {
    let text = format!("{MAP}{more}");
    check(
        &read(&[("map.yaml", &text)]).unwrap_or_else(|findings| panic!("{findings}")),
        None,
    )
}

#[track_caller]
fn expect(findings: &[Finding], severity: Severity, words: &str) {
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        findings
            .iter()
            .any(|finding| finding.severity == severity && finding.message.contains(words)),
        "{words} is not said:\n{}",
        told.join("\n")
    );
}

#[test]
fn a_map_that_forgets_nothing_has_no_findings() {
    assert_eq!(
        findings("")
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [""; 0]
    );
}

#[test]
fn personal_data_that_no_identifier_leads_to_is_told_with_its_place() {
    let found =
        findings("      newsletter:\n        fields:\n          name: {category: user.name}\n");
    expect(
        &found,
        Severity::Warning,
        "`shop.newsletter` holds personal data (`name`), but no identifier leads to it",
    );
    assert_eq!(
        (found[0].place.file.as_deref(), found[0].place.line),
        (Some("map.yaml"), 12)
    );
}

#[test]
fn a_map_without_any_identity_is_an_error() {
    let text = MAP.replace(" identity: email,", "");
    let found = check(&read(&[("map.yaml", &text)]).unwrap(), None);
    expect(&found, Severity::Error, "no field has an `identity`");
}

#[test]
fn a_field_without_category_is_told() {
    expect(
        &findings("          nickname: {}\n"),
        Severity::Warning,
        "`shop.customer.nickname` has no category",
    );
}

#[test]
fn rows_that_would_belong_to_two_subjects_are_told() {
    let found = findings(
        "      message:\n        fields:\n          sender: {type: integer, category: user.unique_id, references: {to: shop.customer.id, relation: owned_by}}\n          receiver: {type: integer, category: user.unique_id, references: {to: shop.customer.id, relation: owned_by}}\n",
    );
    expect(&found, Severity::Warning, "each row would be two subjects'");
}

#[test]
fn personal_data_in_the_key_of_a_row_that_may_stay_is_told() {
    let found = findings(
        "      phone:\n        primary_key: [customer, number]\n        erasure: redact\n        fields:\n          customer: {type: integer, category: user.unique_id, references: {to: shop.customer.id, relation: owned_by}}\n          number: {category: user.contact.phone_number}\n",
    );
    expect(
        &found,
        Severity::Warning,
        "`shop.phone.number` is part of a key and holds personal data",
    );
}

#[test]
fn children_of_a_shared_row_that_cannot_tell_are_told() {
    let found = findings(
        "          address: {type: integer, category: system.operations, references: {to: shop.address.id, relation: detail}}\n      address:\n        primary_key: [id]\n        fields:\n          id: {type: integer, category: system.operations}\n          code: {category: system.operations}\n          street: {category: user.contact.address.street}\n      doorbell:\n        fields:\n          address_code: {category: system.operations, references: {to: shop.address.code, relation: owned_by}}\n",
    );
    expect(
        &found,
        Severity::Warning,
        "they would go even when the shared row stays",
    );
}

#[test]
fn a_proof_that_the_channel_can_never_give_is_an_error() {
    let found = findings(
        "recipients:\n  broker: {role: third_party, categories: [user.contact.email], purpose: ads, known_by: [email, loyalty_number], required_level: signed, channel: {kind: email, to: privacy@example.com}}\n",
    );
    expect(
        &found,
        Severity::Error,
        "its channel reaches at most `attested`",
    );
    expect(
        &found,
        Severity::Warning,
        "knows subjects by `loyalty_number`",
    );
}

#[test]
fn a_recipient_that_may_ask_about_nobody_is_an_error() {
    let text = format!(
        "{MAP}recipients:\n  broker: {{role: third_party, categories: [user.contact.email], purpose: ads, known_by: [email], subjects_a_minute: 0, channel: {{kind: email, to: privacy@example.com}}}}\n"
    );
    let Err(refused) = read(&[("map.yaml", &text)]) else {
        panic!("a pace of 0 was taken");
    };
    let told = refused.to_string();
    assert!(told.contains("may ask about 0 subjects a minute"), "{told}");
    assert!(told.contains("write 1 or more"), "{told}");
}

fn column(name: &str, kind: ValueKind) -> DescribedField {
    DescribedField {
        name: name.to_owned(),
        declared_type: format!("{kind:?}").to_lowercase(),
        kind,
        nullable: false,
        unique: false,
        indexed: true,
        max_length: None,
        samples: Vec::new(),
    }
}

fn live(fields: Vec<DescribedField>) -> Description {
    let customer = DescribedCollection {
        schema: None,
        table: "customer".to_owned(),
        fields,
        primary_key: vec!["id".to_owned()],
        references: Vec::new(),
        rows: 50_000,
    };
    Description {
        collections: vec![customer],
    }
}

fn findings_against(live: Description) -> Vec<Finding> {
    check(
        &read(&[("map.yaml", MAP)]).unwrap(),
        Some(&BTreeMap::from([(SystemKey::from("shop"), live)])),
    )
}

#[test]
fn drift_is_told_both_ways() {
    let mut description = live(vec![
        column("id", ValueKind::Text),
        column("phone", ValueKind::Text),
    ]);
    let mut orders = description.collections[0].clone();
    orders.table = "orders".to_owned();
    description.collections.push(orders);
    description.collections[0]
        .references
        .push(DescribedReference {
            fields: vec!["phone".to_owned()],
            to_schema: None,
            to_table: "orders".to_owned(),
            to_fields: vec!["id".to_owned()],
            pointing_rows: 1,
            distinct_targets: 1,
        });
    let found = findings_against(description);
    expect(
        &found,
        Severity::Error,
        "`shop.customer.email` is in the data map, but the live collection has no such field",
    );
    expect(
        &found,
        Severity::Warning,
        "has a live field `phone` that is not in the data map",
    );
    expect(
        &found,
        Severity::Warning,
        "`shop` has a collection `orders` that is not in the data map",
    );
    expect(
        &found,
        Severity::Warning,
        "`shop.customer.id` is `integer` in the data map, but the live type is `text`",
    );
    expect(
        &found,
        Severity::Warning,
        "a live foreign key leads from `shop.customer` (phone) to `orders`",
    );
}

#[test]
fn a_table_that_was_dropped_is_an_error_and_a_moved_one_is_found() {
    let mut description = live(vec![]);
    description.collections[0].schema = Some("archive".to_owned());
    let found = findings_against(description);
    expect(
        &found,
        Severity::Error,
        "`shop.customer` is in the data map, but `shop` has no such collection",
    );
    assert!(found.iter().any(|finding| {
        finding
            .what_to_do
            .contains("there is one in schema `archive`")
    }));
}

#[test]
fn a_field_that_may_not_be_emptied_any_more_is_an_error() {
    let text = MAP.replace("identity: email, nullable: false", "identity: email");
    let loaded = read(&[("map.yaml", &text)]).unwrap();
    let description = live(vec![
        column("id", ValueKind::Integer),
        column("email", ValueKind::Text),
    ]);
    let found = check(
        &loaded,
        Some(&BTreeMap::from([(SystemKey::from("shop"), description)])),
    );
    expect(
        &found,
        Severity::Error,
        "may not be empty in the live system",
    );
}

#[test]
fn a_search_without_index_is_told_with_the_statement_that_helps() {
    let mut email = column("email", ValueKind::Text);
    email.indexed = false;
    let found = findings_against(live(vec![column("id", ValueKind::Integer), email]));
    expect(
        &found,
        Severity::Warning,
        "`shop.customer` (50000 rows) is searched by `email`",
    );
    assert!(found.iter().any(|finding| finding.what_to_do == "run: CREATE INDEX CONCURRENTLY \"customer_email\" ON \"customer\" (lower(\"email\"));"));
}

#[test]
fn the_example_of_the_guide_is_read_and_has_no_errors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/data-map.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let example = guide
        .split("```yaml\n")
        .nth(2)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let loaded = read(&[("guide.yaml", example)]).unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(
        (loaded.map.collections.len(), loaded.map.recipients.len()),
        (3, 1)
    );
    let found = check(&loaded, None);
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [""; 0]
    );
}
