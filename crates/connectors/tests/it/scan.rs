//! Reading whole collections in batches, and from a watermark on, on every engine and from an HTTP service.

use std::sync::Arc;

use connectors::http::{HttpConfig, HttpConnector};
use connectors::manual::{ManualConfig, ManualConnector};
use connectors::{Connector, ConnectorError, Mark, Position, Scan};
use domain::data_map::{Collection, FieldName, ValueKind};
use domain::profile::Overlap;
use serde_json::{Value, json};

use crate::engine::{Engine, engines};
use crate::http_desk::Desk;
use crate::http_server::serve;
use crate::shop::{collection, number, text};

/// A table whose rows changed in few moments, so that most watermarks are equal.
async fn build(engine: &Engine) -> Arc<Collection> {
    let moment = if engine.is_mysql() {
        "DATETIME(6)"
    } else {
        "TIMESTAMP"
    };
    engine
        .run(&format!(
            r#"CREATE TABLE "Member" ("Shop" VARCHAR(10) NOT NULL, number INTEGER NOT NULL, name VARCHAR(100), total DECIMAL(10,2),
               "changed at" {moment} NULL, version BIGINT NOT NULL, PRIMARY KEY ("Shop", number))"#
        ))
        .await;
    for row in 0..25 {
        let shop = ["a", "B", "c"][row % 3];
        let minute = row / 10;
        engine
            .run(&format!(
                r#"INSERT INTO "Member" VALUES ('{shop}', {row}, 'O''Name {row}', {row}.50, '2024-05-05 10:0{minute}:00.25', {row})"#
            ))
            .await;
    }
    engine
        .run(r#"INSERT INTO "Member" VALUES ('d', 99, NULL, NULL, NULL, 99)"#)
        .await;
    let mut changed = text("changed at");
    changed.kind = ValueKind::Timestamp;
    let fields = vec![
        text("Shop"),
        number("number"),
        text("name"),
        text("total"),
        changed,
        number("version"),
    ];
    Arc::new(collection(
        "Member",
        fields,
        &["Shop", "number"],
        Vec::new(),
    ))
}

fn scan(collection: &Arc<Collection>, limit: usize) -> Scan {
    Scan {
        collection: collection.clone(),
        fields: vec!["number".into(), "name".into(), "total".into()],
        watermark: Some("changed at".into()),
        from: None,
        beyond: false,
        until: None,
        after: None,
        limit,
    }
}

/// Reads to the end; gives the numbers in the order in which they came. Positions travel as the text that is saved.
async fn read(connector: &dyn Connector, mut scan: Scan) -> Vec<i64> {
    let mut numbers = Vec::new();
    for _ in 0..1_000 {
        let batch = connector.scan(&scan).await.unwrap();
        assert!(batch.rows.len() <= scan.limit);
        numbers.extend(
            batch
                .rows
                .iter()
                .map(|row| row[0].expose().0.as_i64().unwrap()),
        );
        let Some(next) = batch.next else {
            return numbers;
        };
        scan.after = Some(Position::from_text(&next.to_text()).unwrap());
    }
    panic!("the reading has no end");
}

async fn newest(connector: &dyn Connector, collection: &Arc<Collection>, field: &str) -> Mark {
    let mark = connector.newest(collection, &FieldName::from(field)).await;
    Mark::from_text(&mark.unwrap().unwrap().to_text()).unwrap()
}

fn sorted(mut numbers: Vec<i64>) -> Vec<i64> {
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn every_row_comes_once_whatever_the_size_of_a_batch() {
    for engine in engines().await {
        let members = build(&engine).await;
        let connector = engine.connector([&*members]);
        let all: Vec<i64> = (0..25).chain([99]).collect();
        for limit in [1, 4, 26, 1_000] {
            let numbers = read(&*connector, scan(&members, limit)).await;
            assert_eq!(sorted(numbers), all, "{limit} on {}", engine.name());
        }
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn rows_with_equal_watermarks_lose_nothing_at_the_border_of_two_batches() {
    for engine in engines().await {
        let members = build(&engine).await;
        let connector = engine.connector([&*members]);
        let newest = newest(&*connector, &members, "changed at").await;
        for limit in [1, 3, 7, 1_000] {
            let mut since = scan(&members, limit);
            since.from = Some(newest.earlier(Overlap::Time(60)));
            let numbers = read(&*connector, since.clone()).await;
            let name = engine.name();
            assert!(
                numbers[..10].iter().all(|number| (10..20).contains(number)),
                "{name}: the oldest first"
            );
            assert_eq!(
                sorted(numbers),
                (10..25).collect::<Vec<_>>(),
                "{limit} on {name}"
            );
            assert_eq!(connector.count(&since).await.unwrap(), Some(15), "{name}");
            let mut beyond = since.clone();
            beyond.beyond = true;
            assert_eq!(
                sorted(read(&*connector, beyond).await),
                (20..25).collect::<Vec<_>>(),
                "{name}"
            );
            since.until = Some(newest.earlier(Overlap::Time(1)));
            assert_eq!(
                sorted(read(&*connector, since).await),
                (10..20).collect::<Vec<_>>(),
                "{name}"
            );
        }
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn a_row_that_changed_meanwhile_comes_again_and_none_is_left_out() {
    for engine in engines().await {
        let members = build(&engine).await;
        let connector = engine.connector([&*members]);
        let newest = newest(&*connector, &members, "changed at").await;
        let mut since = scan(&members, 5);
        since.from = Some(newest.earlier(Overlap::Time(600)));
        let first = connector.scan(&since).await.unwrap();
        engine
            .run(r#"UPDATE "Member" SET "changed at" = '2024-05-05 10:30:00' WHERE number IN (0, 24); DELETE FROM "Member" WHERE number = 3"#)
            .await;
        since.after = first.next;
        let rest = read(&*connector, since).await;
        let first = first
            .rows
            .iter()
            .map(|row| row[0].expose().0.as_i64().unwrap());
        let mut seen = sorted(first.chain(rest.iter().copied()).collect());
        assert_eq!(rest.last(), Some(&24), "{}", engine.name());
        assert_eq!(rest.iter().filter(|number| **number == 24).count(), 1);
        seen.dedup();
        seen.retain(|number| *number != 3);
        let left: Vec<i64> = (0..25).filter(|number| *number != 3).collect();
        assert_eq!(seen, left, "{}", engine.name());
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn a_number_that_grows_is_a_watermark_too() {
    for engine in engines().await {
        let members = build(&engine).await;
        let connector = engine.connector([&*members]);
        let mut since = scan(&members, 2);
        since.watermark = Some("version".into());
        let newest = newest(&*connector, &members, "version").await;
        since.from = Some(newest.earlier(Overlap::Number(76)));
        assert_eq!(
            read(&*connector, since).await,
            [23, 24, 99],
            "{}",
            engine.name()
        );
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn values_come_as_an_export_brings_them() {
    for engine in engines().await {
        let members = build(&engine).await;
        let connector = engine.connector([&*members]);
        let batch = connector.scan(&scan(&members, 1_000)).await.unwrap();
        let row = |number: i64| {
            let row = batch.rows.iter().find(|row| row[0].expose().0 == number);
            row.unwrap()
                .iter()
                .map(|value| value.expose().0.clone())
                .collect::<Vec<_>>()
        };
        let total = if engine.is_sqlite() {
            json!(7.5)
        } else {
            json!("7.50")
        };
        assert_eq!(
            row(7),
            [json!(7), json!("O'Name 7"), total],
            "{}",
            engine.name()
        );
        assert_eq!(row(99), [json!(99), Value::Null, Value::Null]);
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn long_values_end_a_batch_early_and_lose_nothing() {
    for engine in engines().await {
        let (long, five_million) = match &engine {
            Engine::Sqlite { .. } => ("TEXT", "hex(zeroblob(2500000))"),
            Engine::Postgres { .. } => ("TEXT", "repeat('x', 5000000)"),
            Engine::Mysql { .. } => ("LONGTEXT", "repeat('x', 5000000)"),
        };
        engine
            .run(&format!(
                "CREATE TABLE story (number INTEGER NOT NULL PRIMARY KEY, words {long})"
            ))
            .await;
        for row in 0..6 {
            engine
                .run(&format!("INSERT INTO story VALUES ({row}, {five_million})"))
                .await;
        }
        let story = Arc::new(collection(
            "story",
            vec![number("number"), text("words")],
            &["number"],
            Vec::new(),
        ));
        let connector = engine.connector([&*story]);
        let mut whole = scan(&story, 1_000);
        whole.fields = vec!["number".into(), "words".into()];
        whole.watermark = None;
        let first = connector.scan(&whole).await.unwrap();
        assert_eq!(first.rows.len(), 4, "{}", engine.name());
        assert_eq!(read(&*connector, whole).await, [0, 1, 2, 3, 4, 5]);
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn what_cannot_be_followed_is_said_in_words() {
    for engine in engines().await {
        let members = build(&engine).await;
        let connector = engine.connector([&*members]);
        let drift = |error: Result<(), ConnectorError>| match error {
            Err(ConnectorError::Drift { reason, .. }) => reason,
            _ => panic!("not refused on {}", engine.name()),
        };
        let mut keyless = Collection::clone(&members);
        keyless.primary_key.clear();
        let outcome = connector.scan(&scan(&Arc::new(keyless), 5)).await.map(drop);
        assert!(drift(outcome).contains("no primary key"));
        let mut unknown = scan(&members, 5);
        unknown.fields = vec!["nickname".into()];
        let outcome = connector.scan(&unknown).await.map(drop);
        assert!(drift(outcome).contains("`nickname`"));
        engine
            .run(r#"CREATE TABLE flag (number INTEGER NOT NULL PRIMARY KEY, done BOOLEAN)"#)
            .await;
        let flag = Arc::new(collection(
            "flag",
            vec![number("number")],
            &["number"],
            Vec::new(),
        ));
        let outcome = connector.newest(&flag, &"done".into()).await.map(drop);
        assert!(drift(outcome).contains("can't be a watermark"));
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn an_empty_collection_has_no_watermark_and_no_rows() {
    for engine in engines().await {
        let members = build(&engine).await;
        engine.run(r#"DELETE FROM "Member""#).await;
        let connector = engine.connector([&*members]);
        let newest = connector.newest(&members, &"changed at".into()).await;
        assert!(newest.unwrap().is_none());
        assert!(read(&*connector, scan(&members, 5)).await.is_empty());
        engine.drop_database().await;
    }
}

#[tokio::test]
async fn a_system_worked_by_hand_cannot_be_followed() {
    let config = ManualConfig {
        operator: "Ola".to_owned(),
        due_days: 3,
        instructions: "Look into the folder".to_owned(),
    };
    let members = Arc::new(collection(
        "Member",
        vec![number("number")],
        &["number"],
        Vec::new(),
    ));
    let outcome = ManualConnector::new("shop".into(), config)
        .scan(&scan(&members, 5))
        .await;
    assert!(matches!(outcome, Err(ConnectorError::Refused { .. })));
}

/// A help desk whose tickets are read two at a time.
async fn desk(pagination: Value, path: &str, items: &str) -> (Arc<Desk>, HttpConnector) {
    let desk = Desk::new();
    let base = serve(desk.router()).await;
    let config: HttpConfig = serde_json::from_value(json!({
        "base_url": format!("{base}/api"),
        "auth": {"bearer": "the-token"},
        "collections": {"tickets": {"scan": {
            "path": path, "query": {"updated_since": "{since}"}, "items": items, "pagination": pagination,
        }}},
    }))
    .unwrap();
    (desk, HttpConnector::new("desk".into(), config).unwrap())
}

fn tickets(limit: usize) -> Scan {
    let fields = vec![number("id"), text("requester.email"), text("opened_at")];
    let tickets = Arc::new(collection("tickets", fields, &["id"], Vec::new()));
    Scan {
        fields: vec!["id".into(), "requester.email".into()],
        watermark: Some("opened_at".into()),
        ..scan(&tickets, limit)
    }
}

#[tokio::test]
async fn a_service_is_read_page_by_page_and_goes_on_where_it_stopped() {
    let by_page = json!({"page": {"parameter": "page"}});
    let by_offset = json!({"offset": {"parameter": "skip", "size": 2}});
    let by_cursor = json!({"cursor": {"parameter": "cursor", "next": "/meta/next"}});
    for (pagination, path, items) in [
        (by_page, "/tickets", "/data/items"),
        (by_offset, "/by-offset", ""),
        (by_cursor, "/by-cursor", "/items"),
    ] {
        let (desk, connector) = desk(pagination, path, items).await;
        let numbers = read(&connector, tickets(2)).await;
        assert_eq!(numbers, [1, 2, 3, 4, 5], "{path}");
        assert!(
            desk.calls()
                .iter()
                .all(|call| !call.contains("updated_since"))
        );
    }
}

#[tokio::test]
async fn a_service_is_asked_for_what_changed_since_the_newest_that_it_told() {
    let (desk, connector) = desk(
        json!({"page": {"parameter": "page"}}),
        "/tickets",
        "/data/items",
    )
    .await;
    let whole = connector.scan(&tickets(1_000)).await.unwrap();
    assert_eq!((whole.rows.len(), whole.next.is_none()), (5, true));
    let mut since = tickets(1_000);
    since.from = whole.newest.map(|mark| mark.earlier(Overlap::Time(300)));
    assert_eq!(read(&connector, since).await, [5]);
    let asked = "updated_since=2026-05-01T09%3A55%3A00Z";
    assert!(
        desk.calls().iter().any(|call| call.contains(asked)),
        "{:?}",
        desk.calls()
    );
}

#[tokio::test]
async fn a_service_that_goes_round_in_a_circle_is_refused_across_batches() {
    let (desk, connector) = desk(
        json!({"page": {"parameter": "page"}}),
        "/tickets",
        "/data/items",
    )
    .await;
    *desk.repeats.lock().unwrap() = true;
    let mut scan = tickets(2);
    scan.after = connector.scan(&scan).await.unwrap().next;
    let outcome = connector.scan(&scan).await;
    assert!(matches!(outcome, Err(ConnectorError::Failed { .. })));
}

#[tokio::test]
async fn a_saved_link_to_another_host_is_not_followed() {
    let (desk, connector) = desk(json!("link_header"), "/tickets", "/data/items").await;
    let position = r#"[{"text":"link"},{"text":"https://elsewhere.example/tickets"}]"#;
    let mut scan = tickets(2);
    scan.after = Position::from_text(&position.to_owned().into());
    assert!(scan.after.is_some() && connector.scan(&scan).await.is_err());
    assert!(desk.calls().is_empty());
}
