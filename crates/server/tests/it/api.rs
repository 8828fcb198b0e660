//! The API: who may call what, what it describes, and what a repeated call gets.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::office::{Answer, Office};

async fn call(
    office: &Office,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: Option<&Value>,
) -> Answer {
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let body = match body {
        Some(body) => {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    office.send(request.body(body).unwrap()).await
}

fn code(answer: &Answer) -> String {
    serde_json::from_str::<Value>(&answer.text)
        .ok()
        .and_then(|body| Some(body.get("code")?.as_str()?.to_owned()))
        .unwrap_or_else(|| "-".to_owned())
}

/// Every route of the description with its methods.
fn routes() -> Vec<(String, String)> {
    let description = serde_json::to_value(server::openapi()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let mut routes: Vec<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods
                .as_object()
                .unwrap()
                .keys()
                .map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    routes.sort();
    routes
}

/// A new route shows up here; whoever adds one reads who may call it.
#[tokio::test]
async fn every_route_is_closed_to_who_has_no_key() {
    let office = Office::open().await;
    let key = office.key().await;
    let mut table = String::new();
    for (method, path) in routes() {
        let real = path
            .replace("/tasks/{id}", "/tasks/tsk_00000000000000000000000000000000")
            .replace("{id}", "req_00000000000000000000000000000000");
        let none = call(&office, &method, &real, None, None).await;
        let wrong = call(&office, &method, &real, Some("wrong"), None).await;
        let operator = call(&office, &method, &real, Some(&key), None).await;
        assert_eq!(
            (none.status, wrong.status),
            (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED),
            "{method} {path}"
        );
        writeln!(
            table,
            "{method:4} {path:50} no key: {} {}; wrong key: {} {}; operator: {} {}",
            none.status.as_u16(),
            code(&none),
            wrong.status.as_u16(),
            code(&wrong),
            operator.status.as_u16(),
            code(&operator)
        )
        .unwrap();
    }
    insta::assert_snapshot!("route_by_key", table);
}

#[test]
fn the_committed_description_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let current = format!(
        "{}\n",
        serde_json::to_string_pretty(&server::openapi()).unwrap()
    );
    if std::env::var_os("PRIVITY_UPDATE").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/openapi.json is not current: run PRIVITY_UPDATE=1 cargo test -p server --test it description"
    );
}

#[tokio::test]
async fn a_verified_request_goes_on_without_a_code_and_a_repeated_call_makes_no_second_one() {
    let office = Office::open().await;
    let key = office.key().await;
    let body = json!({"kind": "delete", "email": "canary@api.example", "verified": true});
    let create = |body: Value, repeat: &'static str| {
        let request = Request::post("/api/v1/privacy-requests")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .header("idempotency-key", repeat);
        office.send(request.body(Body::from(body.to_string())).unwrap())
    };
    let first = create(body.clone(), "one").await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let again = create(body.clone(), "one").await;
    assert_eq!(
        (again.status, &again.text),
        (StatusCode::CREATED, &first.text)
    );
    assert_eq!(
        code(
            &create(
                json!({"kind": "delete", "email": "other@api.example"}),
                "one"
            )
            .await
        ),
        "idempotency_key_reused"
    );
    let list: Value = serde_json::from_str(
        &call(&office, "GET", "/api/v1/privacy-requests", Some(&key), None)
            .await
            .text,
    )
    .unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["state"], "verified");
    office.work().await;
    let detail = call(&office, "GET", &first.location, Some(&key), None).await;
    assert!(detail.text.contains("\"plan\"") && !detail.text.contains("canary@api.example"));
}

#[tokio::test]
async fn an_opt_out_over_the_api_refuses_proof_too() {
    let office = Office::open().await;
    let key = office.key().await;
    for extra in [json!({"verified": true}), json!({"name": "x"})] {
        let mut body = json!({"kind": "opt_out_sale_share", "email": "a@b.example"});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let answer = call(
            &office,
            "POST",
            "/api/v1/privacy-requests",
            Some(&key),
            Some(&body),
        )
        .await;
        assert_eq!(code(&answer), "identity_not_asked");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_told_without_repeating_it() {
    let office = Office::open().await;
    let key = office.key().await;
    let bodies = [
        json!({"kind": "delete", "canary_field": "x"}),
        json!({"kind": "canary_kind"}),
        json!({"kind": "delete", "email": {"canary": 1}}),
        json!({"kind": "delete", "email": "canary no address"}),
    ];
    for body in bodies {
        let answer = call(
            &office,
            "POST",
            "/api/v1/privacy-requests",
            Some(&key),
            Some(&body),
        )
        .await;
        assert!(answer.status.is_client_error(), "{body}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(!answer.text.contains("canary"), "{}", answer.text);
        let problem: Value = serde_json::from_str(&answer.text).unwrap();
        let page = problem["type"]
            .as_str()
            .unwrap()
            .trim_start_matches("http://office.test");
        assert_eq!(
            office.get(page).await.status,
            StatusCode::OK,
            "{page} explains it"
        );
        assert!(
            problem["trace_id"]
                .as_str()
                .is_some_and(|trace| trace.len() == 36)
        );
    }
}

#[tokio::test]
async fn a_callback_of_nobody_and_one_without_signature_are_refused() {
    let office = Office::open().await;
    for path in ["/callbacks/nobody", "/callbacks/mill"] {
        let answer = office
            .send(
                Request::post(path)
                    .header("content-type", "application/json")
                    .body(Body::from("{\"status\":\"done\"}"))
                    .unwrap(),
            )
            .await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
    }
    let large = office
        .send(
            Request::post("/callbacks/mill")
                .body(Body::from(vec![b'x'; 70_000]))
                .unwrap(),
        )
        .await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn machines_find_health_security_contact_and_description() {
    let office = Office::open().await;
    assert_eq!(office.get("/healthz").await.text, "{\"status\":\"ok\"}");
    let security = office.get("/.well-known/security.txt").await.text;
    assert!(
        security.contains("Contact: mailto:privacy@crumb.example")
            && security.contains("Expires: 2027-05-20T20:00:00Z"),
        "{security}"
    );
    assert!(
        office
            .get("/openapi.json")
            .await
            .text
            .contains("/api/v1/privacy-requests")
    );
}
