//! Who is who through HTTP: what operators see, over the API and in the Console, and that nothing of anybody is shown before it is recorded.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::office::{Answer, Office, log};

/// What nobody may find where it was not asked for.
const NAME: &str = "Zqmayaname";
const EMAIL: &str = "zqmaya@example.org";

struct Desk {
    office: Office,
    key: String,
}

impl Desk {
    async fn new() -> Self {
        let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/profile.yaml");
        let office = Office::with(&[], &format!("profile: {schema}\n")).await;
        let key = office.key().await;
        Self { office, key }
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.office.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        serde_json::from_str(&answer.text).unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let answer = self.call("POST", path, Some(body)).await;
        let said = serde_json::from_str(&answer.text).unwrap_or_default();
        (answer.status, said)
    }

    /// Two customers of the shop who have one e-mail address; the rules leave them to an operator.
    async fn two_who_claim_one_address(&self) -> (String, String) {
        let record = |number: &str, name: &str| {
            let attributes = json!({"customer_number": number, "email": EMAIL, "first_name": name});
            json!({ "attributes": attributes })
        };
        let records = [record("1", NAME), record("2", "Other")];
        let body = json!({"source": "shop", "records": records});
        let (status, written) = self.post("/api/v1/profiles", body).await;
        assert_eq!(status, StatusCode::OK, "{written}");
        let id = |at: usize| written["subjects"][at].as_str().unwrap().to_owned();
        (id(0), id(1))
    }
}

/// The first address on a page that begins so; slashes are escaped there.
fn address(page: &Answer, start: &str) -> String {
    let text = page.text.replace("&#x2f;", "/");
    let at = text.find(start).unwrap();
    text[at..]
        .chars()
        .take_while(|letter| *letter != '"')
        .collect()
}

fn tells_of_her(text: &str) -> bool {
    text.contains(NAME) || text.contains(EMAIL)
}

#[tokio::test]
async fn a_question_is_listed_compared_and_answered_over_the_api_and_taken_back() {
    let desk = Desk::new().await;
    let (one, other) = desk.two_who_claim_one_address().await;
    let list = desk.get("/api/v1/identity/reviews").await;
    assert_eq!(
        (list["open"].as_u64(), list["items"][0]["kind"].as_str()),
        (Some(1), Some("conflict"))
    );
    assert_eq!(list["items"][0]["identifier"], "customer_number");
    let path = format!(
        "/api/v1/identity/reviews/{}",
        list["items"][0]["id"].as_str().unwrap()
    );
    let alone = desk.get(&path).await;
    assert!(!tells_of_her(&alone.to_string()) && !tells_of_her(&list.to_string()));

    let (status, shown) = desk.post(&format!("{path}/compare"), json!({})).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    assert!(tells_of_her(&shown.to_string()));
    assert_eq!(shown["sides"].as_array().unwrap().len(), 2);
    assert_eq!(shown["differ"], json!(["customer_number", "first_name"]));

    let (status, refused) = desk
        .post(&format!("{path}/decision"), json!({"decision": "shrug"}))
        .await;
    assert_eq!(
        (status, refused["field"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("decision"))
    );
    let (status, decided) = desk
        .post(&format!("{path}/decision"), json!({"decision": "merge"}))
        .await;
    assert_eq!(status, StatusCode::OK, "{decided}");
    let (status, _) = desk
        .post(
            &format!("{path}/decision"),
            json!({"decision": "keep_apart"}),
        )
        .await;
    assert_eq!(status, StatusCode::CONFLICT, "it was answered");

    let history = desk.get(&format!("/api/v1/subjects/{other}/history")).await;
    assert_eq!(history["records"].as_array().unwrap().len(), 2);
    assert_eq!(
        (
            history["events"][0]["stands"].as_bool(),
            history["events"][0]["operator"].as_str()
        ),
        (Some(true), Some("Robin"))
    );
    let merge = decided["merge"].as_str().unwrap();
    assert_eq!(history["events"][0]["merge"], merge);
    let (status, split) = desk
        .post(&format!("/api/v1/identity/merges/{merge}/split"), json!({}))
        .await;
    assert_eq!(
        (status, split["still_one"].as_bool()),
        (StatusCode::OK, Some(false)),
        "{split}"
    );
    let (status, _) = desk
        .post(
            "/api/v1/identity/kept-apart",
            json!({"one": one, "other": other}),
        )
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, merged) = desk
        .post(
            "/api/v1/identity/merges",
            json!({"one": one, "other": other}),
        )
        .await;
    assert_eq!(
        status,
        StatusCode::CREATED,
        "she may change her mind: {merged}"
    );
    let (status, wrong) = desk
        .post(
            "/api/v1/identity/merges",
            json!({"one": one, "other": "sub_1"}),
        )
        .await;
    assert_eq!(
        (status, wrong["field"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("other"))
    );
    assert!(!tells_of_her(&log()), "nothing of her is in the log");
}

#[tokio::test]
async fn the_console_shows_both_profiles_only_when_asked_and_takes_merges_apart() {
    let desk = Desk::new().await;
    let (one, _) = desk.two_who_claim_one_address().await;
    let session = desk.office.session().await;
    let list = desk.office.get_as("/console/identity", &session).await;
    assert!(
        list.text
            .contains("Something in common, but not the customer number")
    );
    let path = address(&list, "/console/identity/reviews/");
    let page = desk.office.get_as(&path, &session).await;
    assert!(
        page.status == StatusCode::OK && !tells_of_her(&page.text) && !tells_of_her(&list.text)
    );

    let shown = desk
        .office
        .post(&format!("{path}/compare"), &session, &[])
        .await;
    assert!(tells_of_her(&shown.text) && shown.text.contains("recorded with your name"));
    assert_eq!(shown.headers["cache-control"], "no-store");
    let unanswered = desk
        .office
        .post(&format!("{path}/decision"), &session, &[("decision", "")])
        .await;
    assert_eq!(unanswered.status, StatusCode::UNPROCESSABLE_ENTITY);
    let decided = desk
        .office
        .post(
            &format!("{path}/decision"),
            &session,
            &[("decision", "merge")],
        )
        .await;
    assert_eq!(decided.location, "/console/identity?said=merge");
    let late = desk
        .office
        .post(
            &format!("{path}/decision"),
            &session,
            &[("decision", "leave")],
        )
        .await;
    assert!(
        late.status == StatusCode::CONFLICT && late.text.contains("answered before by Robin"),
        "{}",
        late.text
    );

    let history = desk
        .office
        .get_as(&format!("/console/subjects/{one}"), &session)
        .await;
    assert!(history.text.contains("2 records") && !tells_of_her(&history.text));
    let split = address(&history, "/console/identity/merges/");
    let apart = desk
        .office
        .post(&split, &session, &[("subject", &one)])
        .await;
    assert_eq!(
        apart.location,
        format!("/console/subjects/{one}?said=split")
    );
    let again = desk
        .office
        .post(&split, &session, &[("subject", &one)])
        .await;
    assert!(again.status == StatusCode::CONFLICT && again.text.contains("taken apart before"));
    assert!(!tells_of_her(&log()), "nothing of her is in the log");
}
