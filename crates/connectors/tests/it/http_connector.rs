//! The HTTP connector against a help desk that behaves as badly as real ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use connectors::http::{HttpConfig, HttpConnector};
use connectors::{Connector, ConnectorError};
use domain::data_map::graph::Pointer;
use domain::data_map::{Collection, CollectionErasure, CollectionKey, Field, FieldName, ValueKind};
use domain::plan::{
    Cutoff, EraseStep, Erased, Erasure, GuardSearch, LocatedRow, Redaction, Search, Way, WaySearch,
};
use domain::row::{FoundRow, JsonValue};
use domain::sensitive::Sensitive;
use serde_json::{Value, json};

use crate::http_desk::{Desk, Fault};
use crate::http_server::{Authority, serve, serve_tls};

fn config(base: &str) -> Value {
    json!({
        "base_url": format!("{base}/api"),
        "auth": {"bearer": "the-token"},
        "timeout_seconds": 1,
        "retries": 2,
        "retry_wait_milliseconds": 1,
        "max_page_bytes": 1_000_000,
        "check": "/me",
        "collections": {
            "tickets": {
                "list": [
                    {"by": ["requester.email"], "path": "/tickets", "query": {"email": "{requester.email}"}, "items": "/data/items",
                     "pagination": {"page": {"parameter": "page", "size_parameter": "per_page", "size": 100}}},
                    {"by": ["customer_id"], "path": "/customers/{customer_id}/tickets", "pagination": "link_header", "scoped": true}
                ],
                "get": "/tickets/{id}",
                "erase": {"method": "DELETE", "path": "/tickets/{id}"},
                "correct": {"method": "PATCH", "path": "/tickets/{id}", "body": {"ticket": "{values}"}},
                "describe": {"sample": {"path": "/tickets?email=", "items": "/data/items"}}
            },
            "comments": {
                "list": {"by": ["ticket_id"], "path": "/comments", "query": {"ticket_id": "{ticket_id}"}},
                "erase": {"method": "DELETE", "path": "/comments/{id}"}
            }
        }
    })
}

fn connector(config: Value) -> HttpConnector {
    let config: HttpConfig = serde_json::from_value(config).unwrap();
    HttpConnector::new("desk".into(), config).unwrap()
}

async fn desk() -> (Arc<Desk>, HttpConnector) {
    let desk = Desk::new();
    let base = serve(desk.router()).await;
    (Arc::clone(&desk), connector(config(&base)))
}

fn field(name: &str, kind: ValueKind, nullable: bool) -> Field {
    Field {
        name: name.into(),
        title: None,
        category: Some("user".to_owned()),
        kind,
        nullable,
        unique: false,
        max_length: None,
        identity: None,
        erasure: None,
    }
}

fn collection(name: &str, fields: Vec<Field>) -> Arc<Collection> {
    Arc::new(Collection {
        key: CollectionKey::new("desk", name),
        system: "desk".into(),
        schema: None,
        table: name.to_owned(),
        title: name.to_owned(),
        fields,
        primary_key: vec!["id".into()],
        references: Vec::new(),
        erasure: CollectionErasure::Delete,
        retention: None,
    })
}

fn tickets() -> Arc<Collection> {
    collection(
        "tickets",
        vec![
            field("id", ValueKind::Integer, false),
            field("requester.email", ValueKind::Text, false),
            field("requester.name", ValueKind::Text, true),
            field("customer_id", ValueKind::Integer, true),
            field("subject", ValueKind::Text, true),
            field("opened_at", ValueKind::Timestamp, false),
        ],
    )
}

fn comments() -> Arc<Collection> {
    collection(
        "comments",
        vec![
            field("id", ValueKind::Text, false),
            field("ticket_id", ValueKind::Integer, false),
            field("text", ValueKind::Text, true),
        ],
    )
}

fn by(fields: &[&str], ignore_case: bool, tuples: &[&[&str]]) -> WaySearch {
    let way = Way {
        fields: fields.iter().map(|field| FieldName::from(*field)).collect(),
        ignore_case,
    };
    WaySearch {
        way,
        values: Sensitive::new(
            tuples
                .iter()
                .map(|tuple| tuple.iter().map(|value| (*value).to_owned()).collect())
                .collect(),
        ),
    }
}

fn by_email() -> WaySearch {
    by(&["requester.email"], true, &[&["mia@bakery.example"]])
}

fn search(ways: Vec<WaySearch>, select: &[&str]) -> Search {
    Search {
        collection: tickets(),
        ways,
        select: select.iter().map(|field| FieldName::from(*field)).collect(),
        grouped: false,
        retained: None,
        guards: Vec::new(),
    }
}

async fn locate(
    connector: &HttpConnector,
    search: &Search,
) -> Result<Vec<LocatedRow>, ConnectorError> {
    let mut rows = Vec::new();
    connector
        .locate(search, &mut |page: Vec<LocatedRow>| {
            rows.extend(page);
            Ok(())
        })
        .await?;
    Ok(rows)
}

fn texts(rows: &[LocatedRow]) -> Vec<String> {
    let mut texts: Vec<String> = rows
        .iter()
        .map(|row| {
            row.values
                .iter()
                .map(|value| value.as_ref().map_or("-", |value| value.expose().as_str()))
                .collect::<Vec<_>>()
                .join("|")
        })
        .collect();
    texts.sort();
    texts
}

fn step(collection: Arc<Collection>, ways: Vec<WaySearch>) -> EraseStep {
    EraseStep {
        collection,
        ways,
        delete: true,
        redactions: Vec::new(),
        retained: None,
        retained_redactions: Vec::new(),
        guards: Vec::new(),
        blockers: Vec::new(),
        spared: Vec::new(),
    }
}

fn erasure(steps: Vec<EraseStep>) -> Erasure {
    Erasure {
        groups: steps.into_iter().map(|step| vec![step]).collect(),
        hash_key: Sensitive::new(vec![7; 32]),
        rows: 3,
    }
}

fn cutoff() -> Cutoff {
    Cutoff {
        since: Some(("opened_at".into(), ValueKind::Timestamp)),
        from: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

fn reference_from_comments() -> Pointer {
    Pointer {
        from: CollectionKey::new("desk", "comments"),
        pairs: vec![("ticket_id".into(), "id".into())],
    }
}

/// The error's words and form; none of them may hold what was looked for.
fn words(error: &ConnectorError) -> String {
    let words = format!("{error} {error:?}");
    assert!(
        !words.to_lowercase().contains("mia") && !words.contains("the-token"),
        "{words}"
    );
    words
}

#[tokio::test]
async fn a_loose_search_finds_only_the_subjects_items_and_each_once() {
    let (_, connector) = desk().await;
    let found = locate(
        &connector,
        &search(
            vec![by_email(), by(&["customer_id"], false, &[&["7"]])],
            &["id", "requester.email"],
        ),
    )
    .await
    .unwrap();
    assert_eq!(
        texts(&found),
        [
            "1|mia@bakery.example",
            "3|Mia@Bakery.Example",
            "5|mia@bakery.example"
        ]
    );
}

#[tokio::test]
async fn case_counts_where_the_data_map_says_so() {
    let (_, connector) = desk().await;
    let exact = by(&["requester.email"], false, &[&["mia@bakery.example"]]);
    assert_eq!(
        texts(
            &locate(&connector, &search(vec![exact], &["id"]))
                .await
                .unwrap()
        ),
        ["1", "5"]
    );
}

#[tokio::test]
async fn a_path_that_says_whose_items_it_lists_lends_them_the_value() {
    let (_, connector) = desk().await;
    let found = locate(
        &connector,
        &search(
            vec![by(&["customer_id"], false, &[&["7"]])],
            &["id", "customer_id"],
        ),
    )
    .await
    .unwrap();
    assert_eq!(texts(&found), ["1|7", "3|7", "5|7"]);
}

#[tokio::test]
async fn groups_come_with_their_number_and_say_what_must_stay() {
    let (_, connector) = desk().await;
    let grouped = Search {
        grouped: true,
        retained: Some(cutoff()),
        ..search(vec![by_email()], &["customer_id"])
    };
    let mut groups: Vec<(u64, bool)> = locate(&connector, &grouped)
        .await
        .unwrap()
        .iter()
        .map(|row| (row.rows, row.retained))
        .collect();
    groups.sort_unstable();
    assert_eq!(groups, [(1, true), (2, false)]);
}

#[tokio::test]
async fn an_item_that_somebody_else_points_at_is_shared() {
    let (_, connector) = desk().await;
    let guard = |except| GuardSearch {
        pointer: reference_from_comments(),
        collection: comments(),
        except,
    };
    let guarded = |except| Search {
        guards: vec![guard(except)],
        ..search(vec![by_email()], &["id"])
    };
    let shared: Vec<bool> = locate(&connector, &guarded(Vec::new()))
        .await
        .unwrap()
        .iter()
        .map(|row| row.shared)
        .collect();
    assert_eq!(shared, [true, false, false]);
    let own = by(&["ticket_id"], false, &[&["1"]]);
    assert!(
        locate(&connector, &guarded(vec![own]))
            .await
            .unwrap()
            .iter()
            .all(|row| !row.shared)
    );
}

#[tokio::test]
async fn values_reach_the_service_encoded_and_nothing_else_of_the_url_changes() {
    let (desk, connector) = desk().await;
    for value in [
        "a&email=b#c?d/../e",
        "\"; DROP TABLE tickets; --",
        "{{7*7}}",
    ] {
        locate(
            &connector,
            &search(vec![by(&["requester.email"], true, &[&[value]])], &["id"]),
        )
        .await
        .unwrap();
    }
    let calls = desk.calls();
    assert!(
        calls
            .iter()
            .all(|call| call.starts_with("GET /api/tickets?email=")
                && call.matches('&').count() == 2),
        "{calls:?}"
    );
    let up = locate(
        &connector,
        &search(vec![by(&["customer_id"], false, &[&[".."]])], &["id"]),
    )
    .await;
    assert!(words(&up.err().unwrap()).contains("{customer_id}"));
    assert_eq!(desk.calls().len(), calls.len());
}

#[tokio::test]
async fn an_export_has_all_fields_of_the_data_map() {
    let (_, connector) = desk().await;
    let mut rows: Vec<FoundRow> = Vec::new();
    connector
        .export(&search(vec![by_email()], &[]), &mut |page: Vec<
            FoundRow,
        >| {
            rows.extend(page);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(rows.len(), 3);
    let names: BTreeSet<&str> = rows[0].values.keys().map(AsRef::as_ref).collect();
    assert_eq!(
        names,
        BTreeSet::from([
            "id",
            "requester.email",
            "requester.name",
            "customer_id",
            "subject",
            "opened_at"
        ])
    );
    assert_eq!(
        rows[0].values[&FieldName::from("requester.email")]
            .expose()
            .0,
        json!("mia@bakery.example")
    );
}

#[tokio::test]
async fn a_page_that_can_not_be_taken_stops_the_search() {
    let (desk, connector) = desk().await;
    let full = |_: Vec<LocatedRow>| Err(ConnectorError::Interrupted("the disk is full".to_owned()));
    let error = connector
        .locate(&search(vec![by_email()], &["id"]), &mut { full })
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the disk is full");
    assert_eq!(desk.calls().len(), 1);
}

#[tokio::test]
async fn a_member_that_is_gone_is_drift_unless_it_may_be_empty() {
    let (desk, connector) = desk().await;
    desk.tickets.lock().unwrap()[0]
        .as_object_mut()
        .unwrap()
        .remove("subject");
    assert_eq!(
        texts(
            &locate(&connector, &search(vec![by_email()], &["subject"]))
                .await
                .unwrap()
        ),
        ["-", "Order 3", "Order 5"]
    );
    desk.tickets.lock().unwrap()[0]
        .as_object_mut()
        .unwrap()
        .remove("opened_at");
    let error = locate(&connector, &search(vec![by_email()], &["opened_at"]))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, ConnectorError::Drift { .. }) && words(&error).contains("`opened_at`"));
}

#[tokio::test]
async fn a_list_that_hides_what_it_was_asked_by_is_refused() {
    let desk = Desk::new();
    let mut config = config(&serve(desk.router()).await);
    config["collections"]["tickets"]["list"][1]["scoped"] = json!(false);
    let error = locate(
        &connector(config),
        &search(vec![by(&["customer_id"], false, &[&["7"]])], &["id"]),
    )
    .await
    .err()
    .unwrap();
    assert!(matches!(error, ConnectorError::Drift { .. }) && words(&error).contains("scoped"));
}

#[tokio::test]
async fn a_look_up_that_no_list_serves_is_drift_unless_everything_can_be_listed() {
    let desk = Desk::new();
    let base = serve(desk.router()).await;
    let by_subject = || search(vec![by(&["subject"], false, &[&["Order 4"]])], &["id"]);
    let error = locate(&connector(config(&base)), &by_subject())
        .await
        .err()
        .unwrap();
    assert!(words(&error).contains("by: [subject]"));
    let mut everything = config(&base);
    let lists = everything["collections"]["tickets"]["list"]
        .as_array_mut()
        .unwrap();
    lists.push(json!({"path": "/tickets", "items": "/data/items", "pagination": {"page": {"parameter": "page"}}}));
    assert_eq!(
        texts(&locate(&connector(everything), &by_subject()).await.unwrap()),
        ["4"]
    );
}

#[tokio::test]
async fn a_mistyped_path_does_not_look_like_a_subject_without_data() {
    let desk = Desk::new();
    let mut config = config(&serve(desk.router()).await);
    config["collections"]["tickets"]["list"][0]["path"] = json!("/tickest");
    let error = locate(
        &connector(config.clone()),
        &search(vec![by_email()], &["id"]),
    )
    .await
    .err()
    .unwrap();
    assert!(words(&error).contains("`empty`"));
    config["collections"]["tickets"]["list"][0]["empty"] = json!([404]);
    assert!(
        locate(&connector(config), &search(vec![by_email()], &["id"]))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn cursors_and_offsets_are_followed_to_the_end() {
    let desk = Desk::new();
    let base = serve(desk.router()).await;
    let lists = [
        json!({"by": ["requester.email"], "path": "/by-cursor", "query": {"email": "{requester.email}"}, "items": "/items", "pagination": {"cursor": {"parameter": "cursor", "next": "/meta/next"}}}),
        json!({"by": ["requester.email"], "path": "/by-offset", "query": {"email": "{requester.email}"}, "pagination": {"offset": {"parameter": "skip", "size_parameter": "take", "size": 50}}}),
    ];
    for list in lists {
        let mut config = config(&base);
        config["collections"]["tickets"]["list"] = list;
        assert_eq!(
            texts(
                &locate(&connector(config), &search(vec![by_email()], &["id"]))
                    .await
                    .unwrap()
            ),
            ["1", "3", "5"]
        );
    }
}

#[tokio::test]
async fn a_service_that_repeats_a_page_is_refused() {
    let (desk, connector) = desk().await;
    *desk.repeats.lock().unwrap() = true;
    let error = locate(&connector, &search(vec![by_email()], &["id"]))
        .await
        .err()
        .unwrap();
    assert!(words(&error).contains("again and again"));
    assert_eq!(desk.calls().len(), 2);
}

#[tokio::test]
async fn a_link_to_another_host_is_not_followed() {
    let (own, other) = (Desk::new(), Desk::new());
    let (base, elsewhere) = (serve(own.router()).await, serve(other.router()).await);
    let mut config = config(&base);
    let list = &mut config["collections"]["tickets"]["list"][1];
    list["query"] = json!({"lead_to": format!("{elsewhere}/api/tickets")});
    let error = locate(
        &connector(config),
        &search(vec![by(&["customer_id"], false, &[&["7"]])], &["id"]),
    )
    .await
    .err()
    .unwrap();
    assert!(words(&error).contains("another host"));
    assert!(other.calls().is_empty());
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let ((own, connector), other) = (desk().await, Desk::new());
    own.fail(
        0,
        Fault::Redirect(format!("{}/api/tickets", serve(other.router()).await)),
    );
    let error = locate(&connector, &search(vec![by_email()], &["id"]))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, ConnectorError::Refused { .. }) && words(&error).contains("base_url"));
    assert!(other.calls().is_empty());
}

#[tokio::test]
async fn a_redirected_deletion_counts_for_nothing() {
    let (desk, connector) = desk().await;
    desk.fail(4, Fault::Redirect("/api/me".to_owned()));
    let error = connector
        .erase(&erasure(vec![step(tickets(), vec![by_email()])]))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectorError::Refused { .. }),
        "{}",
        words(&error)
    );
    assert!(!desk.calls().iter().any(|call| call.ends_with("/me")));
}

#[tokio::test]
async fn too_many_calls_and_failures_are_tried_again_and_other_refusals_are_not() {
    let (desk, connector) = desk().await;
    desk.fail(0, Fault::Status(429, Some("0")));
    desk.fail(1, Fault::Status(503, None));
    assert_eq!(
        locate(&connector, &search(vec![by_email()], &["id"]))
            .await
            .unwrap()
            .len(),
        3
    );
    let before = desk.calls().len();
    desk.fail(before, Fault::Status(400, None));
    let error = locate(&connector, &search(vec![by_email()], &["id"]))
        .await
        .err()
        .unwrap();
    assert!(!error.is_transient() && words(&error).contains("400"));
    assert_eq!(desk.calls().len(), before + 1);
}

#[tokio::test]
async fn a_service_that_stays_down_or_wants_a_long_pause_is_asked_later() {
    let (desk, connector) = desk().await;
    (0..3).for_each(|call| desk.fail(call, Fault::Status(502, None)));
    desk.fail(3, Fault::Status(429, Some("3600")));
    for calls in [3, 4] {
        let error = locate(&connector, &search(vec![by_email()], &["id"]))
            .await
            .err()
            .unwrap();
        assert!(error.is_transient(), "{}", words(&error));
        assert_eq!(desk.calls().len(), calls);
    }
}

#[tokio::test]
async fn a_time_out_amid_pages_loses_nothing_when_it_is_tried_later() {
    let desk = Desk::new();
    let mut config = config(&serve(desk.router()).await);
    config["retries"] = json!(0);
    let connector = connector(config);
    desk.fail(1, Fault::Hang);
    let error = locate(&connector, &search(vec![by_email()], &["id"]))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, ConnectorError::TimedOut { .. }) && error.is_transient(),
        "{}",
        words(&error)
    );
    assert_eq!(
        texts(
            &locate(&connector, &search(vec![by_email()], &["id"]))
                .await
                .unwrap()
        ),
        ["1", "3", "5"]
    );
}

#[tokio::test]
async fn an_endless_answer_and_one_that_is_no_json_are_dropped() {
    let (desk, connector) = desk().await;
    desk.fail(0, Fault::Endless);
    desk.fail(1, Fault::Html);
    let error = locate(&connector, &search(vec![by_email()], &["id"]))
        .await
        .err()
        .unwrap();
    assert!(words(&error).contains("max_page_bytes"));
    let error = locate(&connector, &search(vec![by_email()], &["id"]))
        .await
        .err()
        .unwrap();
    assert!(words(&error).contains("not JSON"));
}

#[tokio::test]
async fn wrong_credentials_are_told_without_repeating_them() {
    let desk = Desk::new();
    let mut config = config(&serve(desk.router()).await);
    config["auth"] = json!({"basic": {"username": "mia", "password": "the-token-2"}});
    let error = locate(&connector(config), &search(vec![by_email()], &["id"]))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, ConnectorError::Refused { .. }) && words(&error).contains("401"));
}

#[tokio::test]
async fn a_token_is_fetched_once_and_renewed_when_it_is_no_longer_taken() {
    let desk = Desk::new();
    let base = serve(desk.router()).await;
    let mut config = config(&base);
    config["auth"] = json!({"oauth_client_credentials": {"token_url": format!("{base}/api/token"), "client_id": "privity", "client_secret": "s3cret&", "scope": "tickets"}});
    let connector = connector(config);
    desk.tokens.lock().unwrap().push_back("first".to_owned());
    assert_eq!(
        locate(&connector, &search(vec![by_email()], &["id"]))
            .await
            .unwrap()
            .len(),
        3
    );
    desk.tokens.lock().unwrap()[0] = "second".to_owned();
    assert_eq!(
        locate(&connector, &search(vec![by_email()], &["id"]))
            .await
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        desk.calls()
            .iter()
            .filter(|call| call.starts_with("POST /api/token"))
            .count(),
        2
    );
}

#[tokio::test]
async fn only_a_certificate_of_a_trusted_authority_is_taken() {
    let (desk, authority) = (Desk::new(), Authority::new());
    let base = serve_tls(desk.router(), authority.acceptor()).await;
    let mut config = config(&base);
    config["retries"] = json!(0);
    let error = connector(config.clone()).check().await.unwrap_err();
    assert!(
        matches!(error, ConnectorError::Unreachable { .. })
            && words(&error).contains("certificate")
    );
    config["trusted_ca"] = json!(Authority::new().pem());
    assert!(connector(config.clone()).check().await.is_err());
    config["trusted_ca"] = json!(authority.pem());
    assert!(
        connector(config)
            .check()
            .await
            .unwrap()
            .contains("takes our credentials")
    );
}

#[tokio::test]
async fn an_erasure_takes_the_subjects_items_only_and_finds_nothing_the_second_time() {
    let (desk, connector) = desk().await;
    let erasure = erasure(vec![step(tickets(), vec![by_email()])]);
    let done = connector.erase(&erasure).await.unwrap();
    assert_eq!(
        done,
        [(
            CollectionKey::new("desk", "tickets"),
            Erased {
                deleted: 3,
                redacted: 0
            }
        )]
    );
    assert_eq!(desk.ids(), [2, 4]);
    assert_eq!(
        connector.erase(&erasure).await.unwrap()[0].1,
        Erased::default()
    );
    assert!(
        connector
            .confirm_absent(&erasure.groups[0])
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn an_item_that_is_gone_already_is_no_error() {
    let (desk, connector) = desk().await;
    // Three pages are read, then ticket 1 is deleted under our hands.
    desk.fail(3, Fault::Status(404, None));
    desk.fail(4, Fault::Status(410, None));
    let done = connector
        .erase(&erasure(vec![step(tickets(), vec![by_email()])]))
        .await
        .unwrap();
    assert_eq!(
        done[0].1,
        Erased {
            deleted: 1,
            redacted: 0
        }
    );
}

#[tokio::test]
async fn an_erasure_that_breaks_off_is_finished_the_next_time() {
    let (desk, connector) = desk().await;
    (4..8).for_each(|call| desk.fail(call, Fault::Status(500, None)));
    let erasure = erasure(vec![step(tickets(), vec![by_email()])]);
    assert!(connector.erase(&erasure).await.unwrap_err().is_transient());
    assert_eq!(desk.ids().len(), 4);
    connector.erase(&erasure).await.unwrap();
    assert_eq!(desk.ids(), [2, 4]);
}

#[tokio::test]
async fn a_deletion_that_is_only_pretended_is_residue() {
    let (desk, connector) = desk().await;
    *desk.pretends.lock().unwrap() = true;
    let erasure = erasure(vec![step(tickets(), vec![by_email()])]);
    connector.erase(&erasure).await.unwrap();
    let remaining = connector.confirm_absent(&erasure.groups[0]).await.unwrap();
    assert_eq!(
        remaining
            .iter()
            .map(|remaining| remaining.rows)
            .collect::<Vec<_>>(),
        [3]
    );
    assert!(remaining[0].found_by.1.expose() == &["mia@bakery.example"]);
}

#[tokio::test]
async fn what_a_rule_keeps_stays_and_is_no_residue() {
    let (desk, connector) = desk().await;
    let kept = EraseStep {
        retained: Some(cutoff()),
        ..step(tickets(), vec![by_email()])
    };
    let done = connector.erase(&erasure(vec![kept.clone()])).await.unwrap();
    assert_eq!(done[0].1.deleted, 2);
    assert_eq!(desk.ids(), [2, 4, 5]);
    assert!(connector.confirm_absent(&[kept]).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_legal_hold_keeps_for_somebody_stays_and_is_no_residue() {
    let (desk, connector) = desk().await;
    let before = desk.ids();
    let spared = EraseStep {
        spared: vec![by(&["id"], false, &[&["1"]])],
        ..step(tickets(), vec![by_email()])
    };
    let free = connector
        .confirm_absent(std::slice::from_ref(&spared))
        .await
        .unwrap();
    assert!(!free.is_empty());
    connector
        .erase(&erasure(vec![spared.clone()]))
        .await
        .unwrap();
    assert!(desk.ids().contains(&1) && desk.ids().len() < before.len());
    assert!(
        connector
            .confirm_absent(&[spared])
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn what_cannot_be_deleted_is_redacted_once() {
    let (desk, connector) = desk().await;
    let redactions = vec![
        ("requester.name".into(), Redaction::Null),
        ("subject".into(), Redaction::Fixed("[erased]".to_owned())),
        ("requester.email".into(), Redaction::Hash(39)),
    ];
    let ways = vec![by_email(), by(&["customer_id"], false, &[&["7"]])];
    let blocked = EraseStep {
        redactions,
        blockers: vec![reference_from_comments()],
        ..step(tickets(), ways)
    };
    let done = connector
        .erase(&erasure(vec![blocked.clone()]))
        .await
        .unwrap();
    assert_eq!(
        done[0].1,
        Erased {
            deleted: 2,
            redacted: 1
        }
    );
    let ticket = desk.tickets.lock().unwrap()[0].clone();
    let email = ticket["requester"]["email"].as_str().unwrap();
    assert!(
        email.starts_with("erased-")
            && email.len() == 39
            && ticket["subject"] == "[erased]"
            && ticket["requester"]["name"].is_null()
    );
    assert_eq!(ticket["opened_at"], "2024-01-01T10:00:00Z");
    assert_eq!(
        connector
            .erase(&erasure(vec![blocked.clone()]))
            .await
            .unwrap()[0]
            .1,
        Erased::default()
    );
    assert!(
        connector
            .confirm_absent(&[blocked])
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn what_somebody_else_points_at_stays_untouched_until_the_pointer_goes() {
    let (desk, connector) = desk().await;
    let guarded = EraseStep {
        guards: vec![reference_from_comments()],
        ..step(tickets(), vec![by_email()])
    };
    let done = connector
        .erase(&erasure(vec![guarded.clone()]))
        .await
        .unwrap();
    assert_eq!((done[0].1.deleted, desk.ids()), (2, vec![1, 2, 4]));
    let own_comments = step(comments(), vec![by(&["ticket_id"], false, &[&["1"]])]);
    let both = Erasure {
        groups: vec![vec![own_comments, guarded]],
        ..erasure(Vec::new())
    };
    let done: Vec<u64> = connector
        .erase(&both)
        .await
        .unwrap()
        .iter()
        .map(|(_, erased)| erased.deleted)
        .collect();
    assert_eq!((done, desk.ids()), (vec![1, 1], vec![2, 4]));
    assert_eq!(desk.comments.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_correction_changes_the_subjects_items_and_no_others() {
    let (desk, connector) = desk().await;
    let new = [(
        "requester.name".into(),
        Sensitive::new(JsonValue(json!("Mia Baker"))),
    )];
    assert_eq!(
        connector
            .correct(&search(vec![by_email()], &[]), &new)
            .await
            .unwrap(),
        3
    );
    let named = |desk: &Desk| {
        desk.tickets
            .lock()
            .unwrap()
            .iter()
            .filter(|ticket| ticket["requester"]["name"] == "Mia Baker")
            .map(|ticket| ticket["id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(named(&desk), [1, 3, 5]);
}

#[tokio::test]
async fn a_sample_tells_the_members_and_their_kinds() {
    let (_, connector) = desk().await;
    let unasked = connector.describe().await.unwrap();
    let mut fields = unasked
        .collections
        .iter()
        .flat_map(|collection| &collection.fields);
    assert!(fields.all(|field| field.samples.is_empty()));
    let connector = connector.with_samples(true);
    let description = connector.describe().await.unwrap();
    let tickets = description
        .collections
        .iter()
        .find(|collection| collection.table == "tickets")
        .unwrap();
    let kind = |name: &str| {
        tickets
            .fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.kind)
    };
    assert_eq!(kind("requester.email"), Some(ValueKind::Text));
    assert_eq!(kind("opened_at"), Some(ValueKind::Timestamp));
    assert_eq!(kind("id"), Some(ValueKind::Integer));
    assert_eq!(tickets.primary_key, ["id"]);
    assert!(
        tickets
            .fields
            .iter()
            .any(|field| field.name == "requester.email"
                && field.indexed
                && !field.samples.is_empty())
    );
}

#[tokio::test]
async fn an_openapi_document_tells_the_members_and_their_kinds() {
    let desk = Desk::new();
    let mut config = config(&serve(desk.router()).await);
    config["collections"]["tickets"]["describe"] =
        json!({"openapi": {"path": "/openapi.json", "schema": "/components/schemas/Ticket"}});
    let description = connector(config).describe().await.unwrap();
    let tickets = description
        .collections
        .iter()
        .find(|collection| collection.table == "tickets")
        .unwrap();
    let field = |name: &str| {
        tickets
            .fields
            .iter()
            .find(|field| field.name == name)
            .unwrap()
    };
    assert_eq!(
        (field("opened_at").kind, field("opened_at").nullable),
        (ValueKind::Timestamp, true)
    );
    assert_eq!(
        (
            field("requester.email").max_length,
            field("requester.email").nullable
        ),
        (Some(200), false)
    );
    assert!(field("requester.name").nullable && field("tags").kind == ValueKind::Json);
}

#[tokio::test]
async fn declarations_that_cannot_work_are_refused_in_words() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut config = config("http://127.0.0.1:9");
        change(&mut config);
        match serde_json::from_value::<HttpConfig>(config) {
            Err(error) => error.to_string(),
            Ok(config) => HttpConnector::new("desk".into(), config)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default(),
        }
    };
    assert_eq!(refused(&|_| ()), "");
    assert!(
        refused(&|config| config["base_url"] = json!("http://desk.example/api"))
            .contains("allow_insecure")
    );
    assert!(refused(&|config| config["base_ur"] = json!("x")).contains("base_ur"));
    assert!(
        refused(&|config| config["collections"]["comments"]["list"]["pat"] = json!("x"))
            .contains("pat")
    );
    assert!(
        refused(&|config| config["collections"]["tickets"]["erase"]["path"] = json!("/tickets"))
            .contains("more than one item")
    );
    assert!(
        refused(
            &|config| config["collections"]["comments"]["list"]["path"] =
                json!("/comments/{email}")
        )
        .contains("{email}")
    );
    assert!(
        refused(&|config| config["collections"]["comments"]["list"]["query"] = json!({}))
            .contains("doesn't use")
    );
    assert!(
        refused(&|config| config["collections"]["comments"]["list"]["items"] = json!("data"))
            .contains("JSON pointer")
    );
    assert!(
        refused(&|config| config["trusted_ca"] =
            json!("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"))
        .contains("trusted_ca")
    );
}
