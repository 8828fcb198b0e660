//! Policies as a program of the business handles them, by the API, and as somebody does at a terminal: published, weighed, activated, taken back.

use std::path::Path;

use axum::body::Body;
use axum::http::{Method, Request};
use domain::audit::Actor;
use serde_json::{Value, json};

use crate::command_line::{json, run, said};
use crate::office::{Answer, Office};
use crate::policies_page::{CASES, publish};
use crate::recipient::office;

/// An operator's program.
struct Program<'a> {
    office: &'a Office,
    key: String,
}

impl Program<'_> {
    async fn of(office: &Office) -> Program<'_> {
        let key = office.key().await;
        Program { office, key }
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json");
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        self.office.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        serde_json::from_str(&answer.text).unwrap()
    }

    /// Its status, and the code of the problem if it is one.
    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.call(Method::POST, path, body).await;
        let value = serde_json::from_str(&answer.text).unwrap_or_default();
        (answer.status.as_u16(), value)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_weighs_a_version_lets_it_decide_and_takes_back_what_it_saw_and_nothing_else() {
    let (office, _, _) = office().await;
    let program = Program::of(&office).await;
    let matrix = program.get("/api/v1/policies").await;
    assert_eq!(matrix["version"], 1);
    assert_eq!(
        matrix["items"][0],
        json!({"recipient": "mill", "purpose": "catalogue", "attributes": {"email": "mask", "first_name": "keep"}})
    );
    publish(&office).await;
    let versions = program.get("/api/v1/policies/versions").await;
    let states = versions["items"].as_array().unwrap().iter();
    let states: Vec<_> = states
        .map(|one| (one["number"].clone(), one["state"].clone()))
        .collect();
    assert_eq!(
        states,
        [(json!(2), json!("draft")), (json!(1), json!("active"))]
    );
    let impact = program.get("/api/v1/policies/versions/2/impact").await;
    assert_eq!(
        impact["heads"],
        json!([{"recipient": "mill", "purpose": "catalogue", "attribute": "first_name", "gained": 0, "lost": 1, "changed": 0}])
    );
    assert_eq!(
        (&impact["subjects"], &impact["unknown"]),
        (&json!(1), &json!(0))
    );

    let (one, two) = (
        "/api/v1/policies/versions/1/activate",
        "/api/v1/policies/versions/2/activate",
    );
    for (path, body, status) in [
        (two, json!({"instead_of": 7}), 409),
        (
            two,
            json!({"instead_of": 1, "at": "2020-01-01T00:00:00Z"}),
            422,
        ),
        (two, json!({"insted_of": 1}), 400),
        ("/api/v1/policies/versions/9/activate", json!({}), 404),
    ] {
        let (refused, problem) = program.post(path, &body).await;
        assert_eq!(refused, status, "{body}: {problem}");
        assert_eq!(office.privity.policies().unwrap().version, 1, "{body}");
    }
    assert_eq!(program.post(two, &json!({"instead_of": 1})).await.0, 204);
    assert_eq!(office.privity.policies().unwrap().version, 2);
    // Whoever takes version 1 for the one that decides, takes nothing back.
    assert_eq!(program.post(one, &json!({"instead_of": 1})).await.0, 409);
    assert_eq!(program.post(one, &json!({"instead_of": 2})).await.0, 204);
    assert_eq!(office.privity.policies().unwrap().version, 1);
    let nobody = Program {
        office: &office,
        key: "nobody".to_owned(),
    };
    assert_eq!(nobody.post(two, &json!({})).await.0, 401);
    assert_eq!(office.privity.policies().unwrap().version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_asks_why_and_what_a_shadow_would_change() {
    let (office, id, _) = office().await;
    let program = Program::of(&office).await;
    let explain = "/api/v1/policies/explain";
    let asked =
        json!({"recipient": "mill", "purpose": "catalogue", "attributes": ["email", "last_name"]});
    let with = |key: &str, value: Value| {
        let mut asked = asked.clone();
        asked[key] = value;
        asked
    };
    for body in [asked.clone(), with("subject", json!(id.to_string()))] {
        let (status, why) = program.post(explain, &body).await;
        assert_eq!(status, 200, "{why}");
        let lines: Vec<_> = why["lines"].as_array().unwrap().iter().collect();
        assert_eq!(
            (&lines[0]["release"], &lines[0]["policy"]["id"]),
            (&json!("mask"), &json!("office.address")),
            "{why}"
        );
        assert_eq!(
            (&lines[1]["release"], &lines[1]["kind"]),
            (&json!("withhold"), &json!("no_policy")),
            "{why}"
        );
    }
    for (body, field) in [
        (with("subject", json!("maya")), "subject"),
        (with("facts", json!({"age": "old"})), "age"),
        (with("facts", json!({"is": ["rich"]})), "facts"),
        (with("recipient", json!("nobody")), "recipient"),
    ] {
        let (status, problem) = program.post(explain, &body).await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem.to_string().contains(field), "{problem}");
    }
    assert_eq!(program.get("/api/v1/policies/shadow").await, Value::Null);
    publish(&office).await;
    let shadow = office.privity.shadow_policies(Some(2), Actor::CommandLine);
    shadow.await.unwrap();
    let shadow = program.get("/api/v1/policies/shadow").await;
    assert_eq!(
        (&shadow["version"], &shadow["decisions"]),
        (&json!(2), &json!(0))
    );
}

fn words(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_at_a_terminal_publishes_weighs_activates_and_takes_back() {
    let (office, id, _) = office().await;
    let folder = office.folder();
    let active = || {
        let versions = json(folder, &["policy", "versions", "--json"]);
        let versions = versions.as_array().unwrap().iter();
        let active: Vec<_> = versions.filter(|one| one["state"] == "active").collect();
        assert_eq!(active.len(), 1);
        active[0]["number"].clone()
    };
    let checked = json(folder, &["policy", "check", "--json"]);
    assert_eq!(
        (&checked["ok"], &checked["policies"]),
        (&json!(true), &json!(2))
    );
    std::fs::write(folder.join("cases.yaml"), CASES).unwrap();
    let output = run(folder, &["policy", "test", "cases.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("1 answers as expected, 1 not."));
    let matrix = words(folder, &["policy", "matrix"]);
    assert!(matrix.contains("email (mask), first_name"), "{matrix}");
    let why = words(
        folder,
        &[
            "policy",
            "explain",
            "--subject",
            &id.to_string(),
            "--recipient",
            "mill",
            "--purpose",
            "catalogue",
        ],
    );
    assert!(
        why.contains("To her: So that the catalogue reaches you."),
        "{why}"
    );

    let company = folder.join("policies/company.cedar");
    let before = std::fs::read_to_string(&company).unwrap();
    std::fs::write(
        &company,
        before.replace("Action::\"catalogue\"", "Action::\"odd\""),
    )
    .unwrap();
    let wrong = refused(folder, &["policy", "publish"]);
    assert!(
        wrong.contains("company.cedar") && wrong.contains("odd"),
        "{wrong}"
    );
    std::fs::write(&company, crate::policies_page::NARROWER).unwrap();
    let published = words(folder, &["policy", "publish", "--note", "fewer names"]);
    assert!(
        published.contains("Version 2 is published and decides nothing yet"),
        "{published}"
    );
    let difference = words(folder, &["policy", "diff", "1", "2"]);
    assert!(
        difference.contains("- office.catalogue: Paper Mill writes to customers"),
        "{difference}"
    );
    let impact = json(folder, &["policy", "impact", "--version", "2", "--json"]);
    assert_eq!(impact["heads"][0]["lost"], 1, "{impact}");

    let other = refused(folder, &["policy", "activate", "2", "--instead-of", "7"]);
    assert!(other.contains("another version decides"), "{other}");
    assert_eq!(active(), 1);
    words(folder, &["policy", "activate", "2", "--instead-of", "1"]);
    assert_eq!(active(), 2);
    words(folder, &["policy", "rollback", "2"]);
    assert_eq!(active(), 1);
    // Somebody was faster: the second one does not bring the bad version back.
    let late = refused(folder, &["policy", "rollback", "2"]);
    assert!(late.contains("another version decides"), "{late}");
    assert_eq!(active(), 1);
    words(folder, &["policy", "shadow", "2"]);
    let ended = words(folder, &["policy", "shadow", "--end"]);
    assert!(ended.contains("No version decides beside"), "{ended}");
}
