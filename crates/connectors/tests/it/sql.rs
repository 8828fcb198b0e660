//! Every operation on every engine.

use std::sync::Arc;

use connectors::sqlite::{SqliteConfig, SqliteConnector};
use connectors::{Connector, ConnectorError};
use domain::data_map::graph::SearchGraph;
use domain::data_map::{Collection, CollectionKey, FieldName, Relation, ValueKind};
use domain::plan::{
    EraseStep, Erasure, GuardSearch, LocatedRow, Redaction, Search, Way, WaySearch,
};
use domain::row::JsonValue;
use domain::sensitive::Sensitive;

use crate::engine::{Holder, engines};
use crate::shop::{WILD, build, collection, done, find, map, number, reference, remaining, text};

#[tokio::test]
async fn a_subject_is_found_through_composite_keys_chains_and_circles() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let found = find(&*connector, &graph, &["Ann@Example.COM"])
            .await
            .unwrap();
        for (table, rows) in [
            ("customer", 1),
            ("address", 2),
            ("Order", 2),
            ("Order Line", 3),
            ("place", 2),
            ("invoice", 1),
            ("remark", 4),
            ("employee", 0),
        ] {
            assert_eq!(found.rows(table), rows, "{table} on {}", engine.name());
        }
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn an_erased_subject_leaves_only_what_others_point_at() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let erasure = find(&*connector, &graph, &["ann@example.com"])
            .await
            .unwrap()
            .erasure(&graph);
        assert!(!remaining(&*connector, &erasure).await.is_empty());
        let outcome = connector.erase(&erasure).await.unwrap();
        let name = engine.name();
        // Bob's remark answers Ann's third: hers stays, emptied, and keeps her customer row.
        assert_eq!(
            engine
                .rows("SELECT id, customer, reply_to, words FROM remark ORDER BY id")
                .await,
            ["3|1|-|-", "4|2|3|Bob answers Ann"],
            "{name}"
        );
        assert_eq!(done(&outcome, "remark"), (3, 1), "{name}");
        assert_eq!(
            engine
                .rows("SELECT id, \"fullName\", born FROM customer WHERE id = 1")
                .await,
            ["1|-|-"],
            "{name}"
        );
        let hashed = engine
            .rows("SELECT \"E-Mail\" FROM customer WHERE id = 1")
            .await;
        assert!(
            hashed[0].starts_with("erased-") && hashed[0].len() == 71,
            "{name}: {hashed:?}"
        );
        assert_eq!(
            engine.rows("SELECT id FROM place ORDER BY id").await,
            ["101"],
            "{name}: the shared place stays"
        );
        assert_eq!(
            engine.rows("SELECT street FROM place").await,
            ["Shared square"],
            "{name}"
        );
        assert_eq!(
            engine
                .rows("SELECT region, number FROM \"Order\" ORDER BY region, number")
                .await,
            ["eu|1", "eu|2"],
            "{name}"
        );
        assert_eq!(engine.count("\"Order Line\"").await, 2, "{name}");
        assert_eq!(
            engine.rows("SELECT id FROM invoice ORDER BY id").await,
            ["1", "2", "4"],
            "{name}"
        );
        assert_eq!(
            remaining(&*connector, &erasure).await,
            Vec::<String>::new(),
            "{name}"
        );
        let again = connector.erase(&erasure).await.unwrap();
        assert!(
            again
                .iter()
                .all(|(_, erased)| erased.deleted + erased.redacted == 0),
            "{name}: {again:?}"
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn rows_in_a_circle_go_together() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let erasure = find(&*connector, &graph, &["dan@example.com"])
            .await
            .unwrap()
            .erasure(&graph);
        let outcome = connector.erase(&erasure).await.unwrap();
        assert_eq!(
            (done(&outcome, "customer"), done(&outcome, "address")),
            ((1, 0), (1, 0)),
            "{}",
            engine.name()
        );
        assert_eq!(engine.count("customer").await, 6);
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn the_keyed_hash_is_the_same_on_every_engine() {
    let mut hashes = std::collections::BTreeSet::new();
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let erasure = find(&*connector, &graph, &["ann@example.com"])
            .await
            .unwrap()
            .erasure(&graph);
        connector.erase(&erasure).await.unwrap();
        hashes.insert(
            engine
                .rows("SELECT \"E-Mail\" FROM customer WHERE id = 1")
                .await,
        );
        engine.drop_database().await;
    }
    assert_eq!(hashes.len(), 1, "{hashes:?}");
}

#[tokio::test]
async fn retained_rows_stay_and_keep_what_they_point_at() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let found = find(
            &*connector,
            &graph,
            &["bob@example.com", "élodie@example.fr"],
        )
        .await
        .unwrap();
        let retained: Vec<u64> = found
            .counted
            .iter()
            .map(|counted| counted[&CollectionKey::new("shop", "invoice")].retained)
            .collect();
        assert_eq!(
            retained,
            [1, 1],
            "{}: a new invoice, and one without a date",
            engine.name()
        );
        connector.erase(&found.erasure(&graph)).await.unwrap();
        assert_eq!(
            engine
                .rows("SELECT id, name FROM invoice ORDER BY id")
                .await,
            ["2|Bob new", "3|Ann old", "4|Élodie undated"],
            "{}",
            engine.name()
        );
        assert_eq!(
            engine
                .rows("SELECT id, \"fullName\" FROM customer WHERE id IN (2, 4) ORDER BY id")
                .await,
            ["2|-", "4|-"],
            "{}",
            engine.name()
        );
        assert_eq!(
            remaining(&*connector, &found.erasure(&graph)).await,
            Vec::<String>::new(),
            "{}",
            engine.name()
        );
        engine.drop_database().await;
    }
}

/// Texts that engines like to take for each other.
const TWINS: [&str; 34] = [
    "ann",
    "Ann",
    "ANN",
    "ann ",
    " ann",
    "änn",
    "ÄNN",
    "a\u{308}nn",
    "strasse",
    "straße",
    "STRASSE",
    "ΟΔΥΣΣΕΥΣ",
    "οδυσσευς",
    "дмитрий",
    "ДМИТРИЙ",
    "王小明",
    "王小朋",
    "😀",
    "😁",
    "o'brien",
    "o\"brien",
    "o\\brien",
    "'; DROP TABLE twins; --",
    "%",
    "_",
    "a%",
    "\u{212a}elvin",
    "kelvin",
    "KELVIN",
    "",
    "null",
    "42",
    "042",
    "${jndi}",
];

#[tokio::test]
async fn a_look_up_finds_exactly_the_equal_texts() {
    for engine in engines().await {
        let column = if engine.is_mysql() {
            "VARCHAR(100)"
        } else {
            "VARCHAR(100) COLLATE \"C\""
        };
        let column = if engine.is_sqlite() {
            "VARCHAR(100) COLLATE NOCASE"
        } else {
            column
        };
        engine.run(&format!("CREATE TABLE twins (id INTEGER NOT NULL PRIMARY KEY, name {column}); CREATE INDEX twins_name ON twins (name);")).await;
        for (id, text) in TWINS.iter().enumerate() {
            let text = text.replace('\'', "''");
            let text = if engine.is_mysql() {
                text.replace('\\', "\\\\")
            } else {
                text
            };
            engine
                .run_as_is(&format!("INSERT INTO twins VALUES ({id}, '{text}')"))
                .await;
        }
        let twins = Arc::new(collection(
            "twins",
            vec![number("id"), text("name")],
            &["id"],
            vec![],
        ));
        let connector = engine.connector([]);
        for ignore_case in [false, true] {
            for wanted in TWINS {
                let spelled = if ignore_case {
                    wanted.to_lowercase()
                } else {
                    wanted.to_owned()
                };
                let found = ids(
                    &*connector,
                    &twins,
                    vec![way(&["name"], ignore_case, &[&[&spelled]])],
                )
                .await;
                let equal = |text: &&str| {
                    if ignore_case {
                        text.to_lowercase() == spelled
                    } else {
                        **text == spelled
                    }
                };
                let expected: Vec<String> = TWINS
                    .iter()
                    .enumerate()
                    .filter(|(_, text)| equal(text))
                    .map(|(id, _)| id.to_string())
                    .collect();
                assert_eq!(
                    found,
                    expected,
                    "{}: `{wanted}`, ignoring case: {ignore_case}",
                    engine.name()
                );
            }
        }
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn look_ups_fit_the_columns_real_types() {
    for engine in engines().await {
        build(&engine).await;
        let orders = Arc::new(map().collections[&CollectionKey::new("shop", "Order")].clone());
        let connector = engine.connector([]);
        let by_number = |values: &[&[&str]]| vec![way(&["number"], false, values)];
        assert_eq!(
            pages(
                &*connector,
                &orders,
                by_number(&[&["1"], &["abc"], &["99999999999999999999"]])
            )
            .await
            .len(),
            2,
            "{}",
            engine.name()
        );
        assert!(
            pages(&*connector, &orders, by_number(&[&["abc"]]))
                .await
                .is_empty()
        );
        assert!(pages(&*connector, &orders, by_number(&[])).await.is_empty());
        assert_eq!(
            pages(
                &*connector,
                &orders,
                vec![way(&["total"], false, &[&["30"], &["10.5"]])]
            )
            .await
            .len(),
            2,
            "{}",
            engine.name()
        );
        let pairs = way(
            &["region", "number"],
            false,
            &[
                &["us", "1"],
                &["eu", "2"],
                &["us", "9"],
                &["xx", "1"],
                &["us", "x"],
            ],
        );
        let both = pages(
            &*connector,
            &orders,
            vec![pairs, way(&["customer"], false, &[&["1"]])],
        )
        .await;
        let keys: Vec<String> = both
            .iter()
            .map(|row| text_of(row, 0) + &text_of(row, 1))
            .collect();
        assert_eq!(
            keys.iter().collect::<std::collections::BTreeSet<_>>().len(),
            3,
            "{}: {keys:?}",
            engine.name()
        );
        assert_eq!(
            keys.len(),
            3,
            "{}: a row that two look-ups find is one row",
            engine.name()
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn somebody_elses_pointer_makes_a_row_shared() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let found = find(&*connector, &graph, &["ann@example.com"])
            .await
            .unwrap();
        let mut search = found.search(&graph, "place");
        let node = graph.node(&CollectionKey::new("shop", "place")).unwrap();
        let orders = Arc::new(map.collections[&CollectionKey::new("shop", "Order")].clone());
        search.guards = node
            .guards
            .iter()
            .map(|pointer| GuardSearch {
                pointer: pointer.clone(),
                collection: orders.clone(),
                except: found.ways(&orders.key),
            })
            .collect();
        let rows = located(&*connector, &search).await;
        let shared: std::collections::BTreeMap<String, bool> = rows
            .iter()
            .map(|row| (text_of(row, 0), row.shared))
            .collect();
        assert_eq!(
            shared,
            std::collections::BTreeMap::from([("101".to_owned(), true), ("102".to_owned(), false)]),
            "{}",
            engine.name()
        );
        search.grouped = true;
        search.select = vec!["street".into()];
        assert_eq!(
            located(&*connector, &search)
                .await
                .iter()
                .map(|row| row.rows)
                .sum::<u64>(),
            2,
            "{}",
            engine.name()
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn an_export_carries_every_mapped_field_exactly() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let found = find(&*connector, &graph, &["ann@example.com"])
            .await
            .unwrap();
        let mut rows = Vec::new();
        let mut take = |page: Vec<domain::row::FoundRow>| {
            rows.extend(page);
            Ok(())
        };
        connector
            .export(&found.search(&graph, "Order"), &mut take)
            .await
            .unwrap();
        let value = |field: &str| {
            rows.iter()
                .find(|row| row.values[&"number".into()].expose().0 == 1)
                .unwrap()
                .values[&field.into()]
                .expose()
                .0
                .clone()
        };
        assert_eq!(rows.len(), 2, "{}", engine.name());
        assert_eq!(rows[0].values.len(), 7);
        assert_eq!(value("customer"), serde_json::json!(1));
        assert_eq!(value("note"), serde_json::json!("gift for Ann"));
        let total = value("total");
        assert!(
            total == serde_json::json!("10.50")
                || (engine.is_sqlite() && total == serde_json::json!(10.5)),
            "{}: {total}",
            engine.name()
        );
        assert!(
            value("placed").as_str().unwrap().starts_with("2024-01-05"),
            "{}",
            engine.name()
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn a_correction_changes_the_subjects_rows_only() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let found = find(&*connector, &graph, &["ann@example.com"])
            .await
            .unwrap();
        let json = |value: serde_json::Value| Sensitive::new(JsonValue(value));
        let values = [
            (
                "fullName".into(),
                json("Änn'); DROP TABLE customer;--".into()),
            ),
            ("born".into(), json("1981-02-03".into())),
            ("helper".into(), json(serde_json::Value::Null)),
        ];
        assert_eq!(
            connector
                .correct(&found.search(&graph, "customer"), &values)
                .await
                .unwrap(),
            1,
            "{}",
            engine.name()
        );
        assert_eq!(
            engine
                .rows("SELECT \"fullName\", born, helper FROM customer WHERE id = 1")
                .await,
            ["Änn'); DROP TABLE customer;--|1981-02-03|-"],
            "{}",
            engine.name()
        );
        assert_eq!(
            engine
                .rows("SELECT \"fullName\" FROM customer WHERE id = 2")
                .await,
            ["Bob"]
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn a_table_and_a_field_may_have_any_name() {
    for engine in engines().await {
        build(&engine).await;
        let quoted = if engine.is_mysql() {
            format!("`{}`", WILD.replace('`', "``"))
        } else {
            format!("\"{}\"", WILD.replace('"', "\"\""))
        };
        let create = format!(
            "CREATE TABLE {quoted} ({quoted} VARCHAR(100), id INTEGER NOT NULL PRIMARY KEY)"
        );
        let insert = format!("INSERT INTO {quoted} VALUES ('ann', 1), ('bob', 2)");
        for sql in [create, insert] {
            engine.run_as_is(&sql).await;
        }
        let wild = Arc::new(collection(
            WILD,
            vec![number("id"), text(WILD)],
            &["id"],
            vec![],
        ));
        let connector = engine.connector([]);
        let described = connector.describe().await.unwrap();
        assert!(
            described
                .collections
                .iter()
                .any(|described| described.table == WILD && described.fields[0].name == WILD),
            "{}",
            engine.name()
        );
        let ways = vec![way(&[WILD], false, &[&["ann"]])];
        assert_eq!(
            ids(&*connector, &wild, ways.clone()).await,
            ["1"],
            "{}",
            engine.name()
        );
        let erasure = erasure_of(&wild, ways, vec![], true);
        assert_eq!(
            connector.erase(&erasure).await.unwrap()[0].1.deleted,
            1,
            "{}",
            engine.name()
        );
        assert_eq!(
            ids(
                &*connector,
                &wild,
                vec![way(&["id"], false, &[&["1"], &["2"]])]
            )
            .await,
            ["2"],
            "{}",
            engine.name()
        );
        assert_eq!(engine.count("customer").await, 7);
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn every_redaction_is_done_once_and_recognised() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let customers = Arc::new(map.collections[&CollectionKey::new("shop", "customer")].clone());
        let connector = engine.connector(map.collections.values());
        let redactions = vec![
            ("E-Mail".into(), Redaction::Hash(20)),
            ("fullName".into(), Redaction::Fixed("[erased]".to_owned())),
            ("born".into(), Redaction::Fixed("1900-01-01".to_owned())),
            ("helper".into(), Redaction::Null),
        ];
        let erasure = erasure_of(
            &customers,
            vec![way(&["id"], false, &[&["1"], &["2"]])],
            redactions,
            false,
        );
        assert_eq!(remaining(&*connector, &erasure).await.len(), 2);
        assert_eq!(
            done(&connector.erase(&erasure).await.unwrap(), "customer"),
            (0, 2),
            "{}",
            engine.name()
        );
        let row = engine
            .rows("SELECT \"E-Mail\", \"fullName\", born, helper FROM customer WHERE id = 1")
            .await
            .remove(0);
        assert!(
            row.starts_with("erased-")
                && row.ends_with("|[erased]|1900-01-01|-")
                && row.len() == 20 + 22,
            "{}: {row}",
            engine.name()
        );
        assert_eq!(
            remaining(&*connector, &erasure).await,
            Vec::<String>::new(),
            "{}",
            engine.name()
        );
        assert_eq!(
            done(&connector.erase(&erasure).await.unwrap(), "customer"),
            (0, 0),
            "{}",
            engine.name()
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn a_row_that_a_legal_hold_keeps_for_somebody_stays_by_whatever_look_up_it_is_found() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let remarks = Arc::new(map.collections[&CollectionKey::new("shop", "remark")].clone());
        let connector = engine.connector(map.collections.values());
        let all = engine
            .rows("SELECT id, customer, reply_to FROM remark ORDER BY id")
            .await;
        // Everything of customer 1 goes but what answers remark 4 and remark 3, which is held. Most rows answer nothing.
        let mut erasure = erasure_of(
            &remarks,
            vec![way(&["customer"], false, &[&["1"]])],
            vec![],
            true,
        );
        erasure.groups[0][0].spared = vec![
            way(&["reply_to"], false, &[&["4"]]),
            way(&["id"], false, &[&["3"]]),
        ];
        let of_hers = |row: &&String| row.split('|').nth(1) == Some("1");
        let held = |row: &&String| row.starts_with("3|") || row.ends_with("|4");
        let left: Vec<String> = all
            .iter()
            .filter(|row| !of_hers(row) || held(row))
            .cloned()
            .collect();
        assert!(left.len() < all.len() && all.iter().filter(of_hers).any(|row| held(&row)));
        let before = remaining(&*connector, &erasure).await;
        assert!(!before.is_empty(), "{}", engine.name());
        connector.erase(&erasure).await.unwrap();
        assert_eq!(
            engine
                .rows("SELECT id, customer, reply_to FROM remark ORDER BY id")
                .await,
            left,
            "{}",
            engine.name()
        );
        assert_eq!(
            remaining(&*connector, &erasure).await,
            Vec::<String>::new(),
            "{}",
            engine.name()
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn a_subject_with_200_000_rows_goes_in_pieces() {
    for engine in engines().await {
        let series = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200010) SELECT i, CASE WHEN i <= 200000 THEN 1 ELSE 2 END, NULL FROM n";
        engine.run("CREATE TABLE visit (id INTEGER NOT NULL PRIMARY KEY, customer INTEGER, before INTEGER)".replace("before", "\"before\"").as_str()).await;
        let insert = if engine.is_mysql() {
            "SET SESSION max_recursive_iterations = 1000000; "
        } else {
            ""
        };
        engine
            .run(&format!("{insert}INSERT INTO visit {series}"))
            .await;
        engine
            .run("CREATE INDEX visit_customer ON visit (customer)")
            .await;
        let visits = Arc::new(collection(
            "visit",
            vec![number("id"), number("customer"), number("before")],
            &["id"],
            vec![],
        ));
        let connector = engine.connector([]);
        let ways = vec![way(&["customer"], false, &[&["1"]])];
        let mut pages = Vec::new();
        let mut count = |page: Vec<LocatedRow>| {
            pages.push(page.len());
            Ok(())
        };
        connector
            .locate(&search_of(&visits, ways.clone()), &mut count)
            .await
            .unwrap();
        assert!(
            pages.iter().all(|rows| *rows <= 1_000) && pages.iter().sum::<usize>() == 200_000,
            "{}",
            engine.name()
        );
        let erasure = Erasure {
            rows: 200_000,
            ..erasure_of(&visits, ways, vec![], true)
        };
        assert_eq!(
            done(&connector.erase(&erasure).await.unwrap(), "visit"),
            (200_000, 0),
            "{}",
            engine.name()
        );
        assert_eq!(engine.count("visit").await, 10);
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn rows_that_answer_each_other_go_in_pieces_too() {
    for engine in engines().await {
        engine.run("CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, customer INTEGER, parent INTEGER, FOREIGN KEY (parent) REFERENCES note (id))").await;
        engine
            .run("CREATE INDEX note_customer ON note (customer)")
            .await;
        engine
            .run("CREATE INDEX note_parent ON note (parent)")
            .await;
        engine.run("INSERT INTO note WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, 1, CASE WHEN i % 3 = 1 THEN NULL ELSE i - 1 END FROM n").await;
        engine.run("UPDATE note SET parent = 3 WHERE id = 1").await;
        engine
            .run("INSERT INTO note VALUES (1000, 2, 899), (1001, 2, NULL)")
            .await;
        let reference = reference(&["parent"], "note", &["id"], Relation::Link);
        let pointer = domain::data_map::graph::Pointer {
            from: CollectionKey::new("shop", "note"),
            pairs: vec![("parent".into(), "id".into())],
        };
        let notes = Arc::new(collection(
            "note",
            vec![number("id"), number("customer"), number("parent")],
            &["id"],
            vec![reference],
        ));
        let connector = engine.connector([&*notes]);
        let mut erasure = erasure_of(
            &notes,
            vec![way(&["customer"], false, &[&["1"]])],
            vec![],
            true,
        );
        erasure.groups[0][0].blockers.push(pointer);
        erasure.rows = 1_000_000;
        connector.erase(&erasure).await.unwrap();
        assert_eq!(
            engine.rows("SELECT id FROM note ORDER BY id").await,
            ["898", "899", "1000", "1001"],
            "{}: what somebody else answers stays, with what it answers",
            engine.name()
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn rows_that_came_up_since_are_told_and_nothing_is_done() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let erasure = find(&*connector, &graph, &["ann@example.com"])
            .await
            .unwrap()
            .erasure(&graph);
        engine
            .run("INSERT INTO \"Order\" VALUES ('us', 9, 1, NULL, NULL, NULL, NULL)")
            .await;
        engine
            .run("INSERT INTO \"Order Line\" VALUES ('us', 9, 1, 'rye', NULL)")
            .await;
        let outcome = connector.erase(&erasure).await;
        assert!(
            matches!(&outcome, Err(ConnectorError::Moved { collection }) if collection.collection() == "Order"),
            "{}: {outcome:?}",
            engine.name()
        );
        assert_eq!(
            (
                engine.count("\"Order Line\"").await,
                engine.count("\"Order\"").await
            ),
            (6, 5),
            "{}: all or nothing",
            engine.name()
        );
        assert_eq!(
            engine
                .rows("SELECT \"fullName\" FROM customer WHERE id = 1")
                .await,
            ["Ann Ng"]
        );
        let erasure = find(&*connector, &graph, &["ann@example.com"])
            .await
            .unwrap()
            .erasure(&graph);
        connector.erase(&erasure).await.unwrap();
        assert_eq!(engine.count("\"Order\"").await, 2, "{}", engine.name());
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn a_table_outside_of_the_map_that_points_in_is_named() {
    for engine in engines().await {
        build(&engine).await;
        engine.run("CREATE TABLE gift (id INTEGER NOT NULL PRIMARY KEY, place INTEGER, FOREIGN KEY (place) REFERENCES place (id))").await;
        engine.run("INSERT INTO gift VALUES (1, 102)").await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let erasure = find(&*connector, &graph, &["ann@example.com"])
            .await
            .unwrap()
            .erasure(&graph);
        let error = connector.erase(&erasure).await.unwrap_err();
        assert!(
            matches!(error, ConnectorError::Drift { .. }) && error.to_string().contains("`gift`"),
            "{}: {error}",
            engine.name()
        );
        assert_eq!(engine.count("\"Order\"").await, 4, "{}", engine.name());
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn a_dropped_field_or_table_is_drift() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let erasure = find(&*connector, &graph, &["bob@example.com"])
            .await
            .unwrap()
            .erasure(&graph);
        engine
            .run("ALTER TABLE customer DROP COLUMN \"fullName\"")
            .await;
        let error = connector.erase(&erasure).await.unwrap_err();
        assert!(
            matches!(error, ConnectorError::Drift { .. }) && error.to_string().contains("fullName"),
            "{}: {error}",
            engine.name()
        );
        engine.run("DROP TABLE \"Order Line\"").await;
        let error = find(&*connector, &graph, &["bob@example.com"])
            .await
            .err()
            .unwrap();
        assert!(
            matches!(error, ConnectorError::Drift { .. })
                && error.to_string().contains("Order Line"),
            "{}: {error}",
            engine.name()
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn a_description_tells_keys_references_and_figures() {
    for engine in engines().await {
        build(&engine).await;
        let described = engine.connector([]).describe().await.unwrap();
        let name = engine.name();
        let table = |name: &str| {
            described
                .collections
                .iter()
                .find(|collection| collection.table == name)
                .unwrap()
        };
        assert_eq!(described.collections.len(), 8, "{name}");
        let lines = table("Order Line");
        assert_eq!(
            (
                lines.primary_key.as_slice(),
                lines.rows,
                lines.schema.clone()
            ),
            (
                &["region".to_owned(), "number".into(), "line".into()][..],
                5,
                None
            ),
            "{name}"
        );
        let reference = &lines.references[0];
        assert_eq!(
            (
                reference.fields.as_slice(),
                reference.to_table.as_str(),
                reference.to_fields.as_slice()
            ),
            (
                &["region".to_owned(), "number".into()][..],
                "Order",
                &["region".to_owned(), "number".into()][..]
            ),
            "{name}"
        );
        assert_eq!(
            (reference.pointing_rows, reference.distinct_targets),
            (5, 4),
            "{name}"
        );
        let helper = table("customer")
            .references
            .iter()
            .find(|reference| reference.to_table == "employee")
            .unwrap();
        assert_eq!(
            (helper.pointing_rows, helper.distinct_targets),
            (2, 1),
            "{name}"
        );
        let field = |table_name: &str, field: &str| {
            table(table_name)
                .fields
                .iter()
                .find(|known| known.name == field)
                .unwrap()
                .clone()
        };
        let email = field("customer", "E-Mail");
        assert_eq!(
            (email.kind, email.nullable, email.max_length),
            (ValueKind::Text, false, Some(120)),
            "{name}"
        );
        // MySQL takes two of the seven addresses for the same.
        assert!(
            email.samples.len() >= 6
                && email
                    .samples
                    .iter()
                    .any(|sample| sample.expose() == "ann@example.com"),
            "{name}"
        );
        assert!(engine.is_mysql() || email.unique, "{name}");
        assert_eq!(
            (
                field("customer", "id").unique,
                field("Order", "customer").indexed,
                field("Order", "note").indexed
            ),
            (true, true, false),
            "{name}"
        );
        assert_eq!(
            (
                field("Order", "total").kind,
                field("customer", "born").kind,
                field("Order", "placed").kind
            ),
            (ValueKind::Decimal, ValueKind::Date, ValueKind::Timestamp),
            "{name}"
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn a_lock_of_somebody_else_ends_in_time_and_nothing_is_done() {
    for engine in engines().await {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector(map.collections.values());
        let erasure = find(&*connector, &graph, &["ann@example.com"])
            .await
            .unwrap()
            .erasure(&graph);
        let holder = Holder::lock(&engine).await;
        let error = connector.erase(&erasure).await.unwrap_err();
        assert!(
            matches!(error, ConnectorError::TimedOut { .. }) && error.is_transient(),
            "{}: {error}",
            engine.name()
        );
        holder.release().await;
        assert_eq!(
            engine.count("\"Order Line\"").await,
            5,
            "{}: all or nothing",
            engine.name()
        );
        connector.erase(&erasure).await.unwrap();
        assert_eq!(
            remaining(&*connector, &erasure).await,
            Vec::<String>::new(),
            "{}",
            engine.name()
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn an_erasure_dropped_midway_leaves_nothing_of_its_transaction() {
    for engine in engines()
        .await
        .into_iter()
        .filter(|engine| !engine.is_sqlite())
    {
        build(&engine).await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let patient = engine.patient_connector(map.collections.values());
        let erasure = find(&*patient, &graph, &["ann@example.com"])
            .await
            .unwrap()
            .erasure(&graph);
        let holder = Holder::lock(&engine).await;
        tokio::select! {
            outcome = patient.erase(&erasure) => panic!("it can't have ended: {outcome:?}"),
            () = engine.until_somebody_waits() => {}
        }
        holder.release().await;
        drop(patient);
        let connector = engine.connector(map.collections.values());
        // The server may still be undoing it, for which another erasure waits.
        let outcome = loop {
            match connector.erase(&erasure).await {
                Err(error) if error.is_transient() => {}
                outcome => break outcome.unwrap(),
            }
        };
        assert_eq!(
            done(&outcome, "Order Line"),
            (3, 0),
            "{}: all was still there",
            engine.name()
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn every_fault_of_a_connection_says_what_to_do_and_no_secret() {
    for engine in engines().await {
        build(&engine).await;
        let words = engine.connector([]).check().await.unwrap();
        assert!(
            words.contains(engine.name()) && words.contains("read"),
            "{words}"
        );
        if engine.is_sqlite() {
            let missing = SqliteConfig {
                path: engine.path().with_file_name("none.sqlite"),
                busy_timeout_seconds: None,
            };
            let error = SqliteConnector::new("shop".into(), missing)
                .check()
                .await
                .unwrap_err();
            assert!(
                matches!(error, ConnectorError::Unreachable { .. })
                    && error.to_string().contains("none.sqlite"),
                "{error}"
            );
            std::fs::write(
                engine.path().with_file_name("text.sqlite"),
                "this is no database, whatever its name says, but a text of some length",
            )
            .unwrap();
            let text = SqliteConfig {
                path: engine.path().with_file_name("text.sqlite"),
                busy_timeout_seconds: None,
            };
            let error = SqliteConnector::new("shop".into(), text)
                .check()
                .await
                .unwrap_err();
            assert!(matches!(error, ConnectorError::Refused { .. }), "{error}");
            continue;
        }
        let nobody = engine
            .connector_as(Some(("nobody_here", "tops3cret")), [])
            .check()
            .await
            .unwrap_err();
        assert!(
            matches!(nobody, ConnectorError::Refused { .. })
                && !nobody.to_string().contains("tops3cret"),
            "{nobody}"
        );
        let url = engine.url(Some(("nobody_here", "tops3cret")));
        let (login, _) = url.split_once('@').unwrap();
        for (wrong, refused) in [
            (format!("{login}@127.0.0.1:1/shop"), false),
            ("tops3cret".to_owned(), true),
            (format!("{url}?sslmode=sometimes"), true),
        ] {
            let error = engine.connector_to(&wrong).check().await.unwrap_err();
            assert_eq!(
                matches!(error, ConnectorError::Refused { .. }),
                refused,
                "{error}"
            );
            assert!(!error.to_string().contains("tops3cret"), "{error}");
        }
        let missing = engine
            .connector_to(&format!("{}_gone", engine.url(None)))
            .check()
            .await
            .unwrap_err();
        assert!(
            matches!(missing, ConnectorError::Refused { .. }),
            "{missing}"
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn an_account_that_may_only_read_locates_and_is_refused_to_erase() {
    for engine in engines()
        .await
        .into_iter()
        .filter(|engine| !engine.is_sqlite())
    {
        build(&engine).await;
        let account = engine.reader().await;
        let map = map();
        let graph = SearchGraph::new(&map);
        let connector = engine.connector_as(Some((&account, "read0nly")), map.collections.values());
        let found = find(&*connector, &graph, &["ann@example.com"])
            .await
            .unwrap();
        let error = connector.erase(&found.erasure(&graph)).await.unwrap_err();
        assert!(
            matches!(error, ConnectorError::Refused { .. })
                && error.to_string().contains("least-privilege"),
            "{}: {error}",
            engine.name()
        );
        engine.drop_reader(&account).await;
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn what_a_constraint_forbids_is_told_without_the_value() {
    for engine in engines().await {
        engine.run("CREATE TABLE person (id INTEGER NOT NULL PRIMARY KEY, email VARCHAR(50), UNIQUE (email))").await;
        engine
            .run("INSERT INTO person VALUES (1, 'secret@example.com'), (2, 'taken')")
            .await;
        let people = Arc::new(collection(
            "person",
            vec![number("id"), text("email")],
            &["id"],
            vec![],
        ));
        let connector = engine.connector([]);
        let redactions = vec![("email".into(), Redaction::Fixed("taken".to_owned()))];
        let erasure = erasure_of(
            &people,
            vec![way(&["id"], false, &[&["1"]])],
            redactions,
            false,
        );
        let error = connector.erase(&erasure).await.unwrap_err();
        assert!(
            matches!(error, ConnectorError::Failed { .. })
                && !error.to_string().contains("taken")
                && !error.to_string().contains("secret"),
            "{}: {error}",
            engine.name()
        );
        assert_eq!(
            engine.rows("SELECT email FROM person WHERE id = 1").await,
            ["secret@example.com"]
        );
        engine.drop_database().await;
    }
}

fn way(fields: &[&str], ignore_case: bool, values: &[&[&str]]) -> WaySearch {
    let way = Way {
        fields: fields.iter().map(|field| FieldName::from(*field)).collect(),
        ignore_case,
    };
    WaySearch {
        way,
        values: Sensitive::new(
            values
                .iter()
                .map(|tuple| tuple.iter().map(|text| (*text).to_owned()).collect())
                .collect(),
        ),
    }
}

fn search_of(collection: &Arc<Collection>, ways: Vec<WaySearch>) -> Search {
    let select = collection
        .fields
        .iter()
        .map(|field| field.name.clone())
        .collect();
    Search {
        collection: collection.clone(),
        ways,
        select,
        grouped: false,
        retained: None,
        guards: Vec::new(),
    }
}

async fn located(connector: &dyn Connector, search: &Search) -> Vec<LocatedRow> {
    let mut rows = Vec::new();
    let mut take = |page| {
        rows.extend::<Vec<LocatedRow>>(page);
        Ok(())
    };
    connector.locate(search, &mut take).await.unwrap();
    rows
}

async fn pages(
    connector: &dyn Connector,
    collection: &Arc<Collection>,
    ways: Vec<WaySearch>,
) -> Vec<LocatedRow> {
    located(connector, &search_of(collection, ways)).await
}

/// The first fields of the rows found, which are their numbers, in order.
async fn ids(
    connector: &dyn Connector,
    collection: &Arc<Collection>,
    ways: Vec<WaySearch>,
) -> Vec<String> {
    let mut ids: Vec<String> = pages(connector, collection, ways)
        .await
        .iter()
        .map(|row| text_of(row, 0))
        .collect();
    ids.sort_by_key(|id| id.parse::<u32>().unwrap());
    ids
}

fn text_of(row: &LocatedRow, place: usize) -> String {
    row.values[place].as_ref().unwrap().expose().clone()
}

fn erasure_of(
    collection: &Arc<Collection>,
    ways: Vec<WaySearch>,
    redactions: Vec<(FieldName, Redaction)>,
    delete: bool,
) -> Erasure {
    let step = EraseStep {
        collection: collection.clone(),
        ways,
        delete,
        redactions,
        retained: None,
        retained_redactions: vec![],
        guards: vec![],
        blockers: vec![],
        spared: vec![],
    };
    Erasure {
        groups: vec![vec![step]],
        hash_key: Sensitive::new(vec![7; 32]),
        rows: 10,
    }
}
