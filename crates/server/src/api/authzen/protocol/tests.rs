//! The protocol against the standard's own cases, decided by the standard's own rules.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
mod interop;

use super::super::message::read;
use super::*;

const JSON: &str = "application/json";

/// The certification scenario's own rules.
struct Fixture;

fn allows(
    subject: &str,
    role: Option<&str>,
    action: (&str, bool),
    resource: &str,
    status: Option<&str>,
) -> bool {
    let is_admin = role == Some("admin");
    match action.0 {
        "write" if status == Some("archived") => is_admin,
        "read" => resource == "record-1" && ["alice", "bob"].contains(&subject),
        "write" => resource == "record-1" && subject == "alice",
        "delete" => subject == "alice" && resource == "record-1" && action.1,
        _ => false,
    }
}

const SUBJECTS: [(&str, Option<&str>); 2] = [("alice", None), ("bob", Some("admin"))];
const RESOURCES: [(&str, &str); 2] = [("record-1", "active"), ("record-2", "archived")];

fn said<'b>(members: Members<'b>, name: &str) -> Option<&'b str> {
    members.get(name).and_then(Json::text)
}

impl Decides for Fixture {
    async fn decide(&self, asked: &[Evaluation<'_>]) -> Result<Vec<Answer>, Problem> {
        let answers = asked.iter().map(|one| Answer {
            decision: allows(
                one.subject.id,
                said(one.subject.properties, "role"),
                (
                    one.action.name,
                    one.action.properties.get("soft").and_then(Json::flag) == Some(true),
                ),
                one.resource.id,
                said(one.resource.properties, "status"),
            ),
            context: None,
        });
        Ok(answers.collect())
    }

    async fn subjects(
        &self,
        kind: &str,
        action: &Action<'_>,
        resource: &Entity<'_>,
        _: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        let status = said(resource.properties, "status");
        let found = SUBJECTS.iter().filter(|(id, role)| {
            kind == "user" && allows(id, *role, (action.name, false), resource.id, status)
        });
        Ok(found
            .map(|(id, _)| json!({"type": "user", "id": id}))
            .collect())
    }

    async fn resources(
        &self,
        subject: &Entity<'_>,
        action: &Action<'_>,
        resource: &Entity<'_>,
        _: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        let role = said(subject.properties, "role");
        let found = RESOURCES.iter().filter(|(id, status)| {
            resource.kind == "record"
                && allows(subject.id, role, (action.name, false), id, Some(status))
        });
        Ok(found
            .map(|(id, _)| json!({"type": "record", "id": id}))
            .collect())
    }

    async fn actions(
        &self,
        subject: &Entity<'_>,
        resource: &Entity<'_>,
        _: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        let (role, status) = (
            said(subject.properties, "role"),
            said(resource.properties, "status"),
        );
        let found = ["read", "write", "delete"].into_iter();
        let found =
            found.filter(|name| allows(subject.id, role, (name, false), resource.id, status));
        Ok(found.map(|name| json!({"name": name})).collect())
    }
}

fn written(answers: Answers) -> Value {
    serde_json::to_value(answers).unwrap()
}

async fn call(path: &str, kind: &str, body: &str) -> Result<Value, Problem> {
    call_to(&Fixture, path, kind, body).await
}

async fn call_to(
    point: &impl Decides,
    path: &str,
    kind: &str,
    body: &str,
) -> Result<Value, Problem> {
    let body = read(kind, body.as_bytes())?;
    let asked = body.object();
    match path {
        "/access/v1/evaluation" => evaluation(point, asked).await.map(written),
        "/access/v1/evaluations" => evaluations(point, asked).await.map(written),
        "/access/v1/search/subject" => search_subject(point, asked).await,
        "/access/v1/search/resource" => search_resource(point, asked).await,
        "/access/v1/search/action" => search_action(point, asked).await,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_case_of_the_certification_scenario_is_answered_as_it_says() {
    let text = include_str!("../../../../tests/vectors/authzen/certification-scenario-1_0.json");
    let scenario: Value = serde_json::from_str(text).unwrap();
    let mut ran = 0;
    for case in scenario["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let kind = case["content_type"].as_str().unwrap_or("application/json");
        let body = match case["request_raw"].as_str() {
            Some(raw) => raw.to_owned(),
            // The token of the page before.
            None if id == "c-4-5-2" => case["request"]
                .to_string()
                .replace("<next_token from previous response>", "1"),
            None => case["request"].to_string(),
        };
        let answer = call(case["path"].as_str().unwrap(), kind, &body).await;
        ran += 1;
        if case["expect_status"] == 400 {
            assert_eq!(answer.unwrap_err().status, 400, "{id}");
            continue;
        }
        let answer = answer.unwrap_or_else(|problem| panic!("{id}: {problem}"));
        check(id, case, &answer);
    }
    assert_eq!(ran, 54);
}

fn check(id: &str, case: &Value, answer: &Value) {
    let expected = &case["expect_body"];
    if let Some(evaluations) = expected["evaluations"].as_array() {
        let decisions = |all: &[Value]| {
            all.iter()
                .map(|one| one["decision"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            decisions(answer["evaluations"].as_array().unwrap()),
            decisions(evaluations),
            "{id}"
        );
    } else if !expected.is_null() {
        assert_eq!(answer, expected, "{id}");
    } else if id.starts_with("c-3") {
        let all = answer["evaluations"].as_array().unwrap();
        assert!(
            all.len() == 2 && all.iter().all(|one| one["decision"].is_boolean()),
            "{id}"
        );
    }
    for wanted in case["expect_results_superset_of"]
        .as_array()
        .into_iter()
        .flatten()
    {
        assert!(
            answer["results"].as_array().unwrap().contains(wanted),
            "{id}"
        );
    }
    match id {
        "c-4-5-1" => assert_eq!(
            (
                answer["results"].as_array().unwrap().len(),
                &answer["page"]["next_token"]
            ),
            (1, &json!("1"))
        ),
        "c-4-5-2" => assert_eq!(answer["page"]["next_token"], ""),
        _ => {}
    }
}

#[tokio::test]
async fn a_batch_ends_where_its_semantics_say() {
    let asked = |semantic: &str| {
        json!({
            "subject": {"type": "user", "id": "bob"}, "resource": {"type": "record", "id": "record-1"},
            "options": {"evaluations_semantic": semantic},
            "evaluations": [{"action": {"name": "read"}}, {"action": {"name": "write"}}, {"action": {"name": "read"}}],
        })
        .to_string()
    };
    for (semantic, count) in [
        ("execute_all", 3),
        ("deny_on_first_deny", 2),
        ("permit_on_first_permit", 1),
    ] {
        let answer = evaluations(
            &Fixture,
            read(JSON, asked(semantic).as_bytes()).unwrap().object(),
        )
        .await
        .map(written)
        .unwrap();
        assert_eq!(answer["evaluations"].as_array().unwrap().len(), count);
    }
    assert!(
        evaluations(
            &Fixture,
            read(JSON, asked("guess").as_bytes()).unwrap().object()
        )
        .await
        .is_err()
    );
}
