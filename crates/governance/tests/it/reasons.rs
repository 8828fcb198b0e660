//! The reason that a plan gives for what stays is that of what really holds it.
#![allow(clippy::unwrap_used, reason = "tests")]

use domain::privacy_request::RequestKind;
use governance::privacy_request::console;

use crate::house::{House, sql};

/// Wishes and invoices both point at an address; rules keep young ones of both, and only the invoice is young.
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
          id: {category: user.unique_id, type: integer}
          email: {category: user.contact.email, identity: email, nullable: false, unique: true}
      town:
        primary_key: [id]
        fields: {id: {category: system.operations, type: integer}, name: {category: user.contact.address.city}}
      address:
        primary_key: [id]
        fields:
          id: {category: system.operations, type: integer}
          line: {category: user.contact.address.street}
          town: {category: system.operations, type: integer, nullable: false, references: {to: shop.town.id, relation: detail}}
      wish:
        primary_key: [id]
        retention: {keep_for: 1 year, since: made_on, reason: {code: D1_transaction, explanation: wishes are kept for a year}}
        fields:
          id: {category: system.operations, type: integer}
          customer: {category: user.unique_id, type: integer, references: {to: shop.customer.id, relation: owned_by}}
          address: {category: system.operations, type: integer, nullable: false, references: {to: shop.address.id, relation: detail}}
          made_on: {category: system.operations, type: date}
      invoice:
        primary_key: [id]
        retention: {keep_for: 7 years, since: made_on, reason: {code: D8_legal_obligation, explanation: tax law wants invoices for seven years}}
        fields:
          id: {category: system.operations, type: integer}
          customer: {category: user.unique_id, type: integer, references: {to: shop.customer.id, relation: owned_by}}
          address: {category: system.operations, type: integer, nullable: false, references: {to: shop.address.id, relation: detail}}
          made_on: {category: system.operations, type: date}
";

const SHOP: &str = "
CREATE TABLE town (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE address (id INTEGER PRIMARY KEY, line TEXT, town INTEGER NOT NULL REFERENCES town);
CREATE TABLE customer (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE);
CREATE TABLE wish (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customer, address INTEGER NOT NULL REFERENCES address, made_on TEXT);
CREATE TABLE invoice (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customer, address INTEGER NOT NULL REFERENCES address, made_on TEXT);
INSERT INTO town VALUES (1, 'Oakland');
INSERT INTO address VALUES (1, '1 Rye Lane', 1);
INSERT INTO customer VALUES (1, 'maya@example.org');
INSERT INTO wish VALUES (1, 1, 1, '2019-01-01');
INSERT INTO invoice VALUES (1, 1, 1, '2026-05-06');
";

#[tokio::test]
async fn a_detail_stays_for_the_reason_of_the_row_that_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    sql(&dir.path().join("shop.sqlite"), SHOP);
    std::fs::write(dir.path().join("map.yaml"), MAP).unwrap();
    let house = House::at(dir, "").await;
    let received = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    let detail = console::detail(&house.p, received.id).await.unwrap();
    let plan = detail.plan.unwrap();
    let kept = |name: &str| {
        let mut planned = plan.collections.iter();
        let planned = planned
            .find(|planned| planned.collection.to_string() == name)
            .unwrap();
        let kept = planned.kept.iter();
        kept.map(|kept| (kept.rows, kept.reason.code.clone()))
            .collect::<Vec<_>>()
    };
    let tax = || vec![(1, "D8_legal_obligation".to_owned())];
    assert_eq!(kept("shop.wish"), [], "old wishes go");
    assert_eq!(kept("shop.invoice"), tax());
    assert_eq!(kept("shop.address"), tax(), "held by the invoice alone");
    assert_eq!(kept("shop.town"), tax(), "held by the address that is held");
}
