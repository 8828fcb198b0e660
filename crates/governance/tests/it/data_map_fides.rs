//! Fideslang files become a data map that the loader reads; what has no counterpart is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use domain::data_map::{CollectionKey, Relation, ValueKind};
use governance::data_map::{FileText, LoadedMap, import_fides, parse};

use crate::data_map::Words;

fn vector(name: &str) -> String {
    std::fs::read_to_string(format!(
        "{}/tests/vectors/fideslang/demo_resources/{name}",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap()
}

fn read(yaml: &str) -> LoadedMap {
    let files = vec![FileText {
        name: "imported.yaml".to_owned(),
        folder: "/".into(),
        text: yaml.to_owned(),
    }];
    parse(
        files,
        &|_| Some("postgresql://localhost/x".to_owned()),
        &Words::new(),
    )
    .unwrap_or_else(|findings| panic!("{findings}\n{yaml}"))
}

const SHOP: &str = r"
dataset:
  - fides_key: shop
    name: Shop
    fides_meta: {namespace: {schema: public}, after: [other]}
    collections:
      - name: customer
        fields:
          - name: id
            data_categories: [user.unique_id]
            fides_meta:
              primary_key: true
              data_type: integer
              references: [{dataset: shop, field: visit.customer_id, direction: to}]
          - name: email
            data_categories: [user.contact.email, user.unique_id]
            fides_meta: {identity: email, data_type: string, length: 120}
          - name: phone
            fides_meta: {identity: phone_number, masking_strategy_override: {strategy: null_rewrite}}
          - name: address_id
            fides_meta: {references: [{dataset: shop, field: address.id, direction: to}]}
          - name: profile
            fields:
              - {name: nick, data_categories: [user.name]}
      - name: orders
        fields:
          - name: customer_id
            fides_meta: {references: [{dataset: shop, field: customer.id, direction: from}, {dataset: crm, field: person.id}]}
      - name: visit
        fields:
          - {name: customer_id, fides_meta: {data_type: integer}}
      - name: address
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: street, data_categories: [user.contact.address.street], fides_meta: {return_all_elements: true}}
";

#[test]
fn the_demo_dataset_of_fideslang_is_imported() {
    // It names a category that Fideslang's own taxonomy dropped; everything else is read as it stands.
    let imported = import_fides("demo_dataset.yml", &vector("demo_dataset.yml")).unwrap();
    let yaml = imported
        .yaml
        .replace("user.contact.state", "user.contact.address.state");
    assert_ne!(yaml, imported.yaml);
    let loaded = read(&yaml);
    let users = &loaded.map.collections[&CollectionKey::new("demo_users_dataset", "users")];
    assert_eq!(users.title, "User information");
    assert_eq!(users.fields.len(), 6);
    assert_eq!(
        users.field(&"email".into()).unwrap().category.as_deref(),
        Some("user.contact.email")
    );
    assert_eq!(
        users.field(&"food_preference".into()).unwrap().category,
        None
    );
}

#[test]
fn systems_that_use_data_are_told_as_possible_recipients() {
    let imported = import_fides("demo_system.yml", &vector("demo_system.yml")).unwrap();
    read(&imported.yaml);
    let remarks = imported.remarks.join("\n");
    assert!(remarks.contains("system `demo_marketing_system`: the declaration `Collect data for marketing` was left out"), "{remarks}");
    assert!(
        remarks
            .contains("`system_type`, `administrating_department`, `ingress` has no counterpart"),
        "{remarks}"
    );
}

#[test]
fn keys_identities_types_and_references_keep_their_meaning() {
    let imported = import_fides("shop.yml", SHOP).unwrap();
    let loaded = read(&imported.yaml);
    let collection = |name: &str| &loaded.map.collections[&CollectionKey::new("shop", name)];
    let customer = collection("customer");
    assert_eq!(customer.schema.as_deref(), Some("public"));
    assert_eq!(customer.primary_key, ["id".into()]);
    let email = customer.field(&"email".into()).unwrap();
    assert_eq!(
        (
            email.kind,
            email.max_length,
            email.identity.as_ref().unwrap().kind.0.as_str()
        ),
        (ValueKind::Text, Some(120), "email")
    );
    assert_eq!(
        customer
            .field(&"phone".into())
            .unwrap()
            .identity
            .as_ref()
            .unwrap()
            .kind
            .0,
        "phone"
    );
    assert_eq!(
        customer
            .field(&"profile.nick".into())
            .unwrap()
            .category
            .as_deref(),
        Some("user.name")
    );
    let relation = |name: &str| {
        collection(name)
            .references
            .iter()
            .map(|reference| (reference.to.collection(), reference.relation))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        relation("orders"),
        [("customer", Relation::OwnedBy)],
        "`from` means that the row belongs to whom it points at"
    );
    assert_eq!(
        relation("customer"),
        [("address", Relation::Detail)],
        "`to` leads on from here"
    );
    assert_eq!(
        relation("visit"),
        [("customer", Relation::OwnedBy)],
        "`to` from a key stands at the one that points"
    );
}

#[test]
fn what_has_no_counterpart_is_told() {
    let imported = import_fides("shop.yml", SHOP).unwrap();
    let remarks = imported.remarks.join("\n");
    for words in [
        "dataset `shop`: `after` has no counterpart",
        "field `shop.address.street`: `return_all_elements` has no counterpart",
        "only the first of its categories was taken, not user.unique_id",
    ] {
        assert!(remarks.contains(words), "{words}:\n{remarks}");
    }
    assert!(imported.yaml.contains("# look: not in this file: - {fields: [customer_id], to: crm.person, to_fields: [id], relation: same_subject}"), "{}", imported.yaml);
}

#[test]
fn a_file_that_is_something_else_is_refused() {
    let findings = import_fides("x.yml", "organization:\n- fides_key: a\n")
        .unwrap_err()
        .to_string();
    assert!(
        findings.contains("neither `dataset` nor `system`"),
        "{findings}"
    );
}
