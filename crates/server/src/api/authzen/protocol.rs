//! The protocol, whoever decides: defaults of a batch, its semantics, searches by page.

use governance::Problem;
use serde::Serialize;
use serde_json::{Value, json};

use super::json::{Json, Object};
use super::message::{Action, Entity, Evaluation, Members, malformed, object};

/// Questions in one call, at most.
const MOST: usize = 256;

/// Who decides.
pub(super) trait Decides {
    /// One answer for each question, in order.
    async fn decide(&self, asked: &[Evaluation<'_>]) -> Result<Vec<Answer>, Problem>;
    /// Subjects of a type that may.
    async fn subjects(
        &self,
        kind: &str,
        action: &Action<'_>,
        resource: &Entity<'_>,
        context: Members<'_>,
    ) -> Result<Vec<Value>, Problem>;
    /// Resources of a type.
    async fn resources(
        &self,
        subject: &Entity<'_>,
        action: &Action<'_>,
        resource: &Entity<'_>,
        context: Members<'_>,
    ) -> Result<Vec<Value>, Problem>;
    /// Actions.
    async fn actions(
        &self,
        subject: &Entity<'_>,
        resource: &Entity<'_>,
        context: Members<'_>,
    ) -> Result<Vec<Value>, Problem>;
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Answer {
    pub(super) decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<Value>,
}

/// What is answered to a call with one question or with several.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Answers {
    One(Answer),
    Several { evaluations: Vec<Answer> },
}

pub(super) async fn evaluation(
    point: &impl Decides,
    asked: Object<'_>,
) -> Result<Answers, Problem> {
    let question = Evaluation::of(|name| asked.get(name))?;
    let answers = point.decide(&[question]).await?;
    Ok(Answers::One(answers.into_iter().next().unwrap_or_default()))
}

pub(super) async fn evaluations(
    point: &impl Decides,
    asked: Object<'_>,
) -> Result<Answers, Problem> {
    let Some(given) = asked.get("evaluations") else {
        return evaluation(point, asked).await;
    };
    let items = given.list();
    let count = items.map(Iterator::count);
    let (Some(items), Some(count @ ..=MOST)) = (items, count) else {
        return Err(malformed("`evaluations` is a list of at most 256 objects"));
    };
    if count == 0 {
        return evaluation(point, asked).await;
    }
    let until = Until::of(object(asked.get("options"))?)?;
    // All are decided in one go, however many are answered.
    let mut known = Vec::with_capacity(count);
    let mut is_known = Vec::with_capacity(count);
    for item in items {
        let question = question(asked, item);
        is_known.push(question.is_ok());
        known.extend(question);
    }
    let mut decided = point.decide(&known).await?.into_iter();
    let answers = is_known.into_iter().map(|is_known| {
        let answer = if is_known { decided.next() } else { None };
        answer.unwrap_or_else(incomplete)
    });
    let mut evaluations: Vec<_> = answers.collect();
    if let Some(last) = evaluations.iter().position(|answer| until.ends_at(answer)) {
        evaluations.truncate(last + 1);
    }
    Ok(Answers::Several { evaluations })
}

fn incomplete() -> Answer {
    Answer {
        decision: false,
        context: Some(
            json!({"error": {"status": 400, "message": "a subject, an action or a resource is missing"}}),
        ),
    }
}

/// What an item doesn't say, the whole call says for all.
fn question<'b>(defaults: Object<'b>, item: Json<'b>) -> Result<Evaluation<'b>, Problem> {
    let own = item
        .object()
        .ok_or_else(|| malformed("an evaluation is an object"))?;
    Evaluation::of(|name| own.get(name).or_else(|| defaults.get(name)))
}

/// After which answer no more are given.
#[derive(Clone, Copy)]
enum Until {
    End,
    FirstNo,
    FirstYes,
}

impl Until {
    fn of(options: Members<'_>) -> Result<Self, Problem> {
        match options.get("evaluations_semantic").map(Json::text) {
            None | Some(Some("execute_all")) => Ok(Self::End),
            Some(Some("deny_on_first_deny")) => Ok(Self::FirstNo),
            Some(Some("permit_on_first_permit")) => Ok(Self::FirstYes),
            Some(_) => Err(malformed(
                "`evaluations_semantic` is `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`",
            )),
        }
    }

    const fn ends_at(self, answer: &Answer) -> bool {
        match self {
            Self::End => false,
            Self::FirstNo => !answer.decision,
            Self::FirstYes => answer.decision,
        }
    }
}

pub(super) async fn search_subject(
    point: &impl Decides,
    asked: Object<'_>,
) -> Result<Value, Problem> {
    let page = Page::of(asked)?;
    let (subject, action) = (
        Entity::of(asked.get("subject"), false)?,
        Action::of(asked.get("action"))?,
    );
    let resource = Entity::of(asked.get("resource"), true)?;
    let context = object(asked.get("context"))?;
    Ok(page.answer(
        point
            .subjects(subject.kind, &action, &resource, context)
            .await?,
    ))
}

pub(super) async fn search_resource(
    point: &impl Decides,
    asked: Object<'_>,
) -> Result<Value, Problem> {
    let page = Page::of(asked)?;
    let (subject, action) = (
        Entity::of(asked.get("subject"), true)?,
        Action::of(asked.get("action"))?,
    );
    let resource = Entity::of(asked.get("resource"), false)?;
    let context = object(asked.get("context"))?;
    Ok(page.answer(
        point
            .resources(&subject, &action, &resource, context)
            .await?,
    ))
}

pub(super) async fn search_action(
    point: &impl Decides,
    asked: Object<'_>,
) -> Result<Value, Problem> {
    let page = Page::of(asked)?;
    let subject = Entity::of(asked.get("subject"), true)?;
    let resource = Entity::of(asked.get("resource"), true)?;
    let context = object(asked.get("context"))?;
    Ok(page.answer(point.actions(&subject, &resource, context).await?))
}

/// Which of the results are wanted. The token is the place to go on at.
struct Page {
    is_asked: bool,
    first: usize,
    most: usize,
}

impl Page {
    fn of(asked: Object<'_>) -> Result<Self, Problem> {
        let page = object(asked.get("page"))?;
        let first = match page.get("token").map(Json::text) {
            None | Some(Some("")) => Some(0),
            Some(token) => token.and_then(|token| token.parse().ok()),
        };
        let most = match page.get("limit").map(Json::count) {
            None => Some(usize::MAX),
            Some(limit) => limit.and_then(|limit| usize::try_from(limit).ok()),
        };
        let wrong = || malformed("`page` has a `limit` above 0 and the `token` of the page before");
        Ok(Self {
            is_asked: asked.get("page").is_some(),
            first: first.ok_or_else(wrong)?,
            most: most.filter(|most| *most > 0).ok_or_else(wrong)?,
        })
    }

    fn answer(&self, all: Vec<Value>) -> Value {
        let total = all.len();
        let results: Vec<_> = all.into_iter().skip(self.first).take(self.most).collect();
        if !self.is_asked {
            return json!({"results": results});
        }
        let next = self.first.saturating_add(results.len());
        let next_token = if next < total {
            next.to_string()
        } else {
            String::new()
        };
        let page = json!({"next_token": next_token, "count": results.len(), "total": total});
        json!({"results": results, "page": page})
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )]
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
        let body = read(kind, body.as_bytes())?;
        let asked = body.object();
        match path {
            "/access/v1/evaluation" => evaluation(&Fixture, asked).await.map(written),
            "/access/v1/evaluations" => evaluations(&Fixture, asked).await.map(written),
            "/access/v1/search/subject" => search_subject(&Fixture, asked).await,
            "/access/v1/search/resource" => search_resource(&Fixture, asked).await,
            "/access/v1/search/action" => search_action(&Fixture, asked).await,
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn every_case_of_the_certification_scenario_is_answered_as_it_says() {
        let text = include_str!("../../../tests/vectors/authzen/certification-scenario-1_0.json");
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
}
