//! A small shop whose schema has what makes erasing hard, its data map, and the way from an e-mail address to an erasure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connectors::{Connector, ConnectorError, Remaining};
use domain::data_map::graph::SearchGraph;
use domain::data_map::*;
use domain::plan::{
    Cutoff, EraseStep, Erased, Erasure, LocatedRow, Search, WaySearch, redactions,
    retained_redactions,
};
use domain::sensitive::Sensitive;
use domain::traversal::{Counted, Located, Traversal};
use jiff::Timestamp;

use crate::engine::Engine;

/// A name that gets out of every quote that isn't closed.
pub const WILD: &str = "Robert'); DROP TABLE customer;--` \" \\";

/// Tables of the shop, in standard quotes: composite keys, chains, a shared place, a circle, a self-reference, blockers.
const TABLES: &str = r#"
CREATE TABLE employee (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(100), manager INTEGER, FOREIGN KEY (manager) REFERENCES employee (id));
CREATE TABLE customer (id INTEGER NOT NULL PRIMARY KEY, "E-Mail" VARCHAR(120) NOT NULL UNIQUE, "fullName" VARCHAR(200), born DATE,
  helper INTEGER, main_address INTEGER, FOREIGN KEY (helper) REFERENCES employee (id));
CREATE TABLE address (id INTEGER NOT NULL PRIMARY KEY, customer INTEGER NOT NULL, street VARCHAR(200), FOREIGN KEY (customer) REFERENCES customer (id));
CREATE TABLE place (id INTEGER NOT NULL PRIMARY KEY, street VARCHAR(200));
CREATE TABLE "Order" (region CHAR(2) NOT NULL, number INTEGER NOT NULL, customer INTEGER NOT NULL, place INTEGER, placed TIMESTAMP NULL, total DECIMAL(10,2), note VARCHAR(200),
  PRIMARY KEY (region, number), FOREIGN KEY (customer) REFERENCES customer (id), FOREIGN KEY (place) REFERENCES place (id));
CREATE TABLE "Order Line" (region CHAR(2) NOT NULL, number INTEGER NOT NULL, line INTEGER NOT NULL, product VARCHAR(50), engraving VARCHAR(100),
  PRIMARY KEY (region, number, line), FOREIGN KEY (region, number) REFERENCES "Order" (region, number));
CREATE TABLE invoice (id INTEGER NOT NULL PRIMARY KEY, customer INTEGER NOT NULL, issued DATE, name VARCHAR(100), FOREIGN KEY (customer) REFERENCES customer (id));
CREATE TABLE remark (id INTEGER NOT NULL PRIMARY KEY, customer INTEGER NOT NULL, reply_to INTEGER, words VARCHAR(200),
  FOREIGN KEY (customer) REFERENCES customer (id), FOREIGN KEY (reply_to) REFERENCES remark (id));
CREATE INDEX order_customer ON "Order" (customer);
CREATE INDEX address_customer ON address (customer);
CREATE INDEX remark_customer ON remark (customer);
CREATE INDEX remark_reply ON remark (reply_to);
"#;

const ROWS: &str = r#"
INSERT INTO employee VALUES (1, 'Boss', NULL), (2, 'Eve', 1);
INSERT INTO customer VALUES
  (1, 'ann@example.com', 'Ann Ng', '1980-01-02', 2, NULL), (2, 'bob@example.com', 'Bob', NULL, 2, NULL), (3, 'ANNA@example.com', 'Anna', NULL, NULL, NULL),
  (4, 'Élodie@Example.fr', 'Élodie Дмитрий 王小明', NULL, NULL, NULL), (5, 'elodie@example.fr', 'No accent', NULL, NULL, NULL),
  (6, 'o''brien\\"x"; DROP TABLE customer;--@example.com', 'Quote', NULL, NULL, NULL), (7, 'dan@example.com', 'Dan', NULL, NULL, NULL);
INSERT INTO address VALUES (11, 1, 'Main 1'), (12, 1, 'Main 2'), (21, 2, 'Side 1'), (41, 4, 'Rue 1'), (71, 7, 'Dan 1');
UPDATE customer SET main_address = 11 WHERE id = 1;
UPDATE customer SET main_address = 21 WHERE id = 2;
UPDATE customer SET main_address = 71 WHERE id = 7;
INSERT INTO place VALUES (101, 'Shared square'), (102, 'Ann alone');
INSERT INTO "Order" VALUES ('us', 1, 1, 101, '2024-01-05 10:00:00', 10.50, 'gift for Ann'), ('us', 2, 1, 102, NULL, 20, NULL),
  ('eu', 1, 2, 101, '2024-01-06 10:00:00', 30.00, 'Bob''s'), ('eu', 2, 4, NULL, NULL, NULL, NULL);
INSERT INTO "Order Line" VALUES ('us', 1, 1, 'flour', 'Ann'), ('us', 1, 2, 'salt', NULL), ('us', 2, 1, 'flour', NULL), ('eu', 1, 1, 'salt', 'Bob'), ('eu', 2, 1, 'oil', NULL);
INSERT INTO invoice VALUES (1, 2, '2015-01-01', 'Bob old'), (2, 2, '2025-06-01', 'Bob new'), (3, 1, '2015-01-01', 'Ann old'), (4, 4, NULL, 'Élodie undated');
INSERT INTO remark VALUES (1, 1, NULL, 'Ann first'), (2, 1, 1, 'Ann to herself'), (3, 1, NULL, 'Ann asks'), (4, 2, 3, 'Bob answers Ann'), (5, 1, 4, 'Ann thanks');
"#;

/// Makes the shop.
pub async fn build(engine: &Engine) {
    // MySQL's own comparison takes `É` and `e` for the same, so that they could not both be there.
    let timestamp = if engine.is_mysql() {
        TABLES
            .replace("TIMESTAMP NULL", "DATETIME NULL")
            .replace("NOT NULL UNIQUE", "NOT NULL")
    } else {
        TABLES.to_owned()
    };
    // SQLite takes the circle's second key from the start, and only so.
    let circle = if engine.is_sqlite() {
        timestamp.replace("REFERENCES employee (id));\nCREATE TABLE address", "REFERENCES employee (id), FOREIGN KEY (main_address) REFERENCES address (id));\nCREATE TABLE address")
    } else {
        timestamp
    };
    engine.run(&circle).await;
    // Only MySQL reads a backslash as an escape.
    engine
        .run(&if engine.is_mysql() {
            ROWS.to_owned()
        } else {
            ROWS.replace("\\\\", "\\")
        })
        .await;
    if !engine.is_sqlite() {
        engine.run("ALTER TABLE customer ADD CONSTRAINT main FOREIGN KEY (main_address) REFERENCES address (id)").await;
    }
}

fn field(name: &str, kind: ValueKind, personal: bool) -> Field {
    let category = personal.then(|| "user.name".to_owned());
    Field {
        name: name.into(),
        title: None,
        category,
        kind,
        nullable: true,
        unique: false,
        max_length: None,
        identity: None,
        erasure: None,
    }
}

pub fn text(name: &str) -> Field {
    field(name, ValueKind::Text, true)
}

pub fn number(name: &str) -> Field {
    field(name, ValueKind::Integer, false)
}

pub fn collection(
    table: &str,
    fields: Vec<Field>,
    key: &[&str],
    references: Vec<Reference>,
) -> Collection {
    Collection {
        key: CollectionKey::new("shop", table),
        system: "shop".into(),
        schema: None,
        table: table.to_owned(),
        title: table.to_owned(),
        fields,
        primary_key: key.iter().map(|name| FieldName::from(*name)).collect(),
        references,
        erasure: CollectionErasure::Delete,
        retention: None,
    }
}

pub fn reference(fields: &[&str], to: &str, to_fields: &[&str], relation: Relation) -> Reference {
    let names = |names: &[&str]| names.iter().map(|name| FieldName::from(*name)).collect();
    Reference {
        fields: names(fields),
        to: CollectionKey::new("shop", to),
        to_fields: names(to_fields),
        relation,
        enforced: true,
    }
}

pub fn email(name: &str) -> Field {
    let identity = Some(Identity {
        kind: IdentifierKind::email(),
        ignore_case: true,
    });
    Field {
        identity,
        unique: true,
        nullable: false,
        max_length: Some(120),
        ..text(name)
    }
}

/// The shop's data map.
pub fn map() -> DataMap {
    use Relation::{Detail, Link, OwnedBy};
    let keep = KeepReason {
        code: "D8_legal_obligation".to_owned(),
        explanation: "tax".to_owned(),
    };
    let mut invoice = collection(
        "invoice",
        vec![
            number("id"),
            number("customer"),
            field("issued", ValueKind::Date, false),
            text("name"),
        ],
        &["id"],
        vec![reference(&["customer"], "customer", &["id"], OwnedBy)],
    );
    invoice.retention = Some(RetentionRule {
        keep_for: None,
        since: None,
        reason: keep,
    });
    let mut employee = collection(
        "employee",
        vec![number("id"), text("name"), number("manager")],
        &["id"],
        vec![reference(&["manager"], "employee", &["id"], Link)],
    );
    employee.erasure = CollectionErasure::Redact;
    let collections = [
        employee,
        invoice,
        collection(
            "customer",
            vec![
                number("id"),
                email("E-Mail"),
                text("fullName"),
                field("born", ValueKind::Date, true),
                number("helper"),
                number("main_address"),
            ],
            &["id"],
            vec![
                reference(&["helper"], "employee", &["id"], Link),
                reference(&["main_address"], "address", &["id"], Detail),
            ],
        ),
        collection(
            "address",
            vec![number("id"), number("customer"), text("street")],
            &["id"],
            vec![reference(&["customer"], "customer", &["id"], OwnedBy)],
        ),
        collection("place", vec![number("id"), text("street")], &["id"], vec![]),
        collection(
            "Order",
            vec![
                text("region"),
                number("number"),
                number("customer"),
                number("place"),
                field("placed", ValueKind::Timestamp, false),
                field("total", ValueKind::Decimal, false),
                text("note"),
            ],
            &["region", "number"],
            vec![
                reference(&["customer"], "customer", &["id"], OwnedBy),
                reference(&["place"], "place", &["id"], Detail),
            ],
        ),
        collection(
            "Order Line",
            vec![
                text("region"),
                number("number"),
                number("line"),
                field("product", ValueKind::Text, false),
                text("engraving"),
            ],
            &["region", "number", "line"],
            vec![reference(
                &["region", "number"],
                "Order",
                &["region", "number"],
                OwnedBy,
            )],
        ),
        collection(
            "remark",
            vec![
                number("id"),
                number("customer"),
                number("reply_to"),
                text("words"),
            ],
            &["id"],
            vec![
                reference(&["customer"], "customer", &["id"], OwnedBy),
                reference(&["reply_to"], "remark", &["id"], Link),
            ],
        ),
    ];
    map_of(collections)
}

pub fn map_of(collections: impl IntoIterator<Item = Collection>) -> DataMap {
    DataMap {
        collections: collections
            .into_iter()
            .map(|collection| (collection.key.clone(), collection))
            .collect(),
        ..DataMap::default()
    }
}

/// Ten years back from 2025-11-21, for invoices.
pub fn cutoffs() -> BTreeMap<CollectionKey, Cutoff> {
    let from: Timestamp = "2015-11-21T00:00:00Z".parse().unwrap();
    BTreeMap::from([(
        CollectionKey::new("shop", "invoice"),
        Cutoff {
            since: Some(("issued".into(), ValueKind::Date)),
            from,
        },
    )])
}

/// Everything that is to be done for some subjects.
pub struct Found {
    pub located: Vec<Located>,
    pub counted: Vec<BTreeMap<CollectionKey, Counted>>,
}

/// Finds subjects' rows by their e-mail addresses.
pub async fn find(
    connector: &dyn Connector,
    graph: &SearchGraph,
    emails: &[&str],
) -> Result<Found, ConnectorError> {
    let seeds: Vec<_> = emails
        .iter()
        .map(|email| {
            BTreeMap::from([(
                IdentifierKind::email(),
                Sensitive::new(vec![(*email).to_owned()]),
            )])
        })
        .collect();
    let mut traversal = Traversal::start(graph, &seeds, cutoffs());
    while let Some(wave) = traversal.next_wave() {
        let mut take = |rows: Vec<LocatedRow>| {
            traversal
                .take(&wave, rows)
                .map_err(|error| ConnectorError::Interrupted(error.to_string()))
        };
        connector.locate(&wave.search, &mut take).await?;
    }
    let (located, counted) = traversal.finish().into_iter().unzip();
    Ok(Found { located, counted })
}

impl Found {
    pub fn rows(&self, table: &str) -> u64 {
        self.counted
            .iter()
            .filter_map(|counted| counted.get(&CollectionKey::new("shop", table)))
            .map(|counted| counted.rows)
            .sum()
    }

    /// The look-ups of all subjects in one collection.
    pub fn ways(&self, key: &CollectionKey) -> Vec<WaySearch> {
        let mut ways: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for lookup in self
            .located
            .iter()
            .filter_map(|located| located.lookups.get(key))
            .flatten()
        {
            ways.entry(lookup.way.clone())
                .or_default()
                .extend(lookup.values.iter().cloned());
        }
        ways.into_iter()
            .map(|(way, values)| WaySearch {
                way,
                values: Sensitive::new(values.into_iter().collect()),
            })
            .collect()
    }

    pub fn search(&self, graph: &SearchGraph, table: &str) -> Search {
        let key = CollectionKey::new("shop", table);
        let collection = Arc::new(graph.node(&key).unwrap().collection.clone());
        let select = collection
            .fields
            .iter()
            .map(|field| field.name.clone())
            .collect();
        Search {
            ways: self.ways(&key),
            collection,
            select,
            grouped: false,
            retained: None,
            guards: Vec::new(),
        }
    }

    /// The erasure of all that was found.
    pub fn erasure(&self, graph: &SearchGraph) -> Erasure {
        let step = |key: &CollectionKey| {
            let node = graph.node(key)?;
            let ways = self.ways(key);
            let pointed_at: BTreeSet<FieldName> = graph
                .nodes()
                .iter()
                .flat_map(|node| &node.collection.references)
                .filter(|reference| reference.to == *key)
                .flat_map(|reference| reference.to_fields.clone())
                .collect();
            (!ways.is_empty()).then(|| EraseStep {
                collection: Arc::new(node.collection.clone()),
                ways,
                delete: node.collection.erasure == CollectionErasure::Delete,
                redactions: redactions(&node.collection, &pointed_at),
                retained: cutoffs().remove(key),
                retained_redactions: retained_redactions(&node.collection, &pointed_at),
                guards: node.guards.clone(),
                blockers: node.blockers.clone(),
                spared: Vec::new(),
            })
        };
        let groups = graph
            .erase_order(&"shop".into())
            .iter()
            .map(|group| group.iter().filter_map(step).collect())
            .collect();
        Erasure {
            groups,
            hash_key: Sensitive::new(b"a key of thirty-two bytes length".to_vec()),
            rows: 100,
        }
    }
}

pub async fn remaining(connector: &dyn Connector, erasure: &Erasure) -> Vec<String> {
    let steps: Vec<_> = erasure.groups.iter().flatten().cloned().collect();
    let word = |remaining: Remaining| {
        format!(
            "{} {:?} {}",
            remaining.collection,
            remaining.found_by.1.expose(),
            remaining.rows
        )
    };
    connector
        .confirm_absent(&steps)
        .await
        .unwrap()
        .into_iter()
        .map(word)
        .collect()
}

pub fn done(outcome: &[(CollectionKey, Erased)], table: &str) -> (u64, u64) {
    outcome
        .iter()
        .find(|(key, _)| *key == CollectionKey::new("shop", table))
        .map_or((0, 0), |(_, erased)| (erased.deleted, erased.redacted))
}
