//! The interop scenarios of the working group: todos of five people, the routes before them, and records of which some may be seen.

use super::*;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/authzen");

fn read_vectors(file: &str) -> Value {
    let text = std::fs::read_to_string(format!("{VECTORS}/{file}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Asks every case of a list as it stands, and counts them.
async fn ask(point: &impl Decides, path: &str, cases: &Value) -> usize {
    let cases = cases.as_array().unwrap();
    for case in cases {
        let answer = call_to(point, path, JSON, &case["request"].to_string()).await;
        let answer = answer.unwrap_or_else(|problem| panic!("{case}: {problem}"));
        let expected = &case["expected"];
        match path {
            "/access/v1/evaluation" => assert_eq!(&answer["decision"], expected, "{case}"),
            "/access/v1/evaluations" => assert_eq!(&answer["evaluations"], expected, "{case}"),
            _ => assert_eq!(&answer, expected, "{case}"),
        }
    }
    cases.len()
}

/// Answers decisions and no searches, by a rule.
struct ByRule<R>(R);

impl<R: Fn(&Evaluation<'_>) -> bool> Decides for ByRule<R> {
    async fn decide(&self, asked: &[Evaluation<'_>]) -> Result<Vec<Answer>, Problem> {
        let answers = asked.iter().map(|one| Answer {
            decision: (self.0)(one),
            context: None,
        });
        Ok(answers.collect())
    }

    async fn subjects(
        &self,
        _: &str,
        _: &Action<'_>,
        _: &Entity<'_>,
        _: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        panic!("nobody searches here")
    }

    async fn resources(
        &self,
        _: &Entity<'_>,
        _: &Action<'_>,
        _: &Entity<'_>,
        _: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        panic!("nobody searches here")
    }

    async fn actions(
        &self,
        _: &Entity<'_>,
        _: &Entity<'_>,
        _: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        panic!("nobody searches here")
    }
}

/// Who somebody is, by her address or by her id at the identity provider: name, whether she may do everything, whether she may do
/// something with what is hers.
fn person(id: &str) -> (&'static str, bool, bool) {
    let known = [
        ("rick@the-citadel.com", "CiRmZDA2", true, true),
        ("morty@the-citadel.com", "CiRmZDE2", false, true),
        ("summer@the-smiths.com", "CiRmZDI2", false, true),
        ("beth@the-smiths.com", "CiRmZDM2", false, false),
        ("jerry@the-smiths.com", "CiRmZDQ2", false, false),
    ];
    let mut known = known.into_iter();
    let found = known.find(|(address, start, ..)| id == *address || id.starts_with(start));
    let (address, _, is_admin, is_editor) = found.unwrap();
    (address, is_admin, is_editor)
}

/// Whose a todo is: as it says, or as the store of todos has it, which drafts of the standard left to the decider.
fn owner<'b>(todo: &Entity<'b>) -> &'b str {
    let stored = match todo.id.get(34..) {
        Some("91") => "morty@the-citadel.com",
        Some("92") => "rick@the-citadel.com",
        Some("93") => "summer@the-smiths.com",
        Some("94") => "beth@the-smiths.com",
        _ => "jerry@the-smiths.com",
    };
    let said = said(todo.properties, "ownerID");
    assert!(said.is_none_or(|said| said == stored));
    said.unwrap_or(stored)
}

fn may_do_with_todos(asked: &Evaluation<'_>) -> bool {
    let (address, is_admin, is_editor) = person(asked.subject.id);
    match asked.action.name {
        "can_read_user" | "can_read_todos" => true,
        "can_create_todo" => is_editor,
        "can_update_todo" | "can_delete_todo" => {
            is_admin || is_editor && owner(&asked.resource) == address
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn todos_are_decided_in_every_form_that_the_standard_had() {
    let point = ByRule(may_do_with_todos);
    let mut asked = 0;
    for (file, list) in [
        ("decisions.json", "decisions"),
        ("decisions-authorization-api-1_0-00.json", "evaluation"),
        ("decisions-authorization-api-1_0-01.json", "evaluation"),
        ("decisions-authorization-api-1_0-02.json", "evaluation"),
    ] {
        let cases = read_vectors(&format!("interop-todo/{file}"));
        asked += ask(&point, "/access/v1/evaluation", &cases[list]).await;
    }
    let last = read_vectors("interop-todo/decisions-authorization-api-1_0-02.json");
    asked += ask(&point, "/access/v1/evaluations", &last["evaluations"]).await;
    assert_eq!(asked, 163);
}

#[tokio::test]
async fn a_gateway_asks_about_routes() {
    let point = ByRule(|asked: &Evaluation<'_>| {
        assert_eq!(asked.resource.kind, "route");
        let (_, _, is_editor) = person(asked.subject.id);
        asked.action.name == "GET" || is_editor
    });
    let cases = read_vectors("interop-gateway/decisions.json");
    assert_eq!(
        ask(&point, "/access/v1/evaluation", &cases["evaluation"]).await,
        25
    );
}

/// Records of departments. Managers see all and edit those of their own department, others see those of theirs; whoever owns one may do
/// everything with it.
struct Records {
    users: Vec<Value>,
    records: Vec<Value>,
}

impl Records {
    fn read(users: &str, records: &str) -> Self {
        let list = |file| match read_vectors(file) {
            Value::Array(items) => items,
            other => panic!("{other}"),
        };
        Self {
            users: list(users),
            records: list(records),
        }
    }

    fn allows(&self, user: &Value, action: &str, record: &Value) -> bool {
        let is_owner = record["owner"] == user["id"];
        let is_manager = user["role"] == "manager";
        let is_colleague = record["department"] == user["department"];
        match action {
            "view" => is_owner || is_manager || is_colleague,
            "edit" => is_owner || is_manager && is_colleague,
            "delete" => is_owner,
            other => panic!("{other}"),
        }
    }

    fn user(&self, id: &str) -> &Value {
        let mut users = self.users.iter();
        users.find(|user| user["id"] == id).unwrap()
    }

    /// Ids of records are numbers in one scenario and texts in the other.
    fn record(&self, id: &str) -> &Value {
        let mut records = self.records.iter();
        records.find(|record| id_of(record) == id).unwrap()
    }
}

fn id_of(record: &Value) -> String {
    let id = &record["id"];
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

impl Decides for Records {
    async fn decide(&self, _: &[Evaluation<'_>]) -> Result<Vec<Answer>, Problem> {
        panic!("everybody searches here")
    }

    async fn subjects(
        &self,
        _: &str,
        action: &Action<'_>,
        resource: &Entity<'_>,
        _: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        let record = self.record(resource.id);
        let users = self.users.iter();
        let users = users.filter(|user| self.allows(user, action.name, record));
        Ok(users
            .map(|user| json!({"type": "user", "id": user["id"]}))
            .collect())
    }

    async fn resources(
        &self,
        subject: &Entity<'_>,
        action: &Action<'_>,
        _: &Entity<'_>,
        _: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        let user = self.user(subject.id);
        let records = self.records.iter();
        let records = records.filter(|record| self.allows(user, action.name, record));
        Ok(records
            .map(|record| json!({"type": "record", "id": id_of(record)}))
            .collect())
    }

    async fn actions(
        &self,
        subject: &Entity<'_>,
        resource: &Entity<'_>,
        _: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        let (user, record) = (self.user(subject.id), self.record(resource.id));
        let actions = ["view", "edit", "delete"].into_iter();
        let actions = actions.filter(|action| self.allows(user, action, record));
        Ok(actions.map(|name| json!({"name": name})).collect())
    }
}

#[tokio::test]
async fn subjects_resources_and_actions_are_found() {
    let point = Records::read("interop-search/users.json", "interop-search/records.json");
    for (kind, count) in [("subject", 60), ("resource", 18), ("action", 120)] {
        let cases = read_vectors(&format!("interop-search/{kind}-results.json"));
        let path = format!("/access/v1/search/{kind}");
        assert_eq!(
            ask(&point, &path, &cases["evaluation"]).await,
            count,
            "{kind}"
        );
    }
}

/// An identity provider asks for the records of somebody who signs in.
#[tokio::test]
async fn records_are_found_for_an_identity_provider() {
    let point = Records::read("interop-search/users.json", "interop-idp/records.json");
    let cases = read_vectors("interop-idp/results.json");
    assert_eq!(
        ask(&point, "/access/v1/search/resource", &cases["search"]).await,
        6
    );
}
