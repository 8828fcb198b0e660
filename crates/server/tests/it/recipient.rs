//! Recipients over HTTP: profiles with a key of their own, and AuthZEN for whoever enforces elsewhere.
#![allow(
    clippy::disallowed_methods,
    reason = "tests call with the keys that recipients were given"
)]

use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::audit::Actor;
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::profile::SourceNumber;
use domain::sensitive::Sensitive;
use governance::Problem;
use governance::disclosure::{
    Caller, CredentialTerms, Door, add_key, disclose_all, disclose_sharing,
};
use governance::profile::{GivenRecord, GivenValue, write};
use serde_json::{Value, json};

use crate::office::{Answer, Office};

pub(crate) const SCHEMA: &str = "version: 1
sources:
  - { source: shop, number: 1, title: Shop, record: email, proves: [email] }
attributes:
  - { attribute: email, number: 1, title: E-mail, category: user.contact.email, identifier: { rule: email, unique: true } }
  - { attribute: first_name, number: 2, title: First name, category: user.name.first }
  - { attribute: last_name, number: 3, title: Last name, category: user.name.last }
";

pub(crate) const PURPOSES: &str = "purposes:
  catalogue:
    title: {en: Catalogue}
    description: {en: We send you a catalogue.}
    categories: [user.contact.email, user.name]
    choice: none
    recipients: [mill]
  letters:
    title: {en: Letters}
    description: {en: We write to you.}
    categories: [user.name]
    choice: none
";

pub(crate) const POLICIES: &str = r#"
@id("office.catalogue")
@citation("Contract with Paper Mill")
@title("Paper Mill writes to customers")
@reason_subject("So that the catalogue reaches you.")
@reason_operator("First names go to the printer.")
permit (principal == Recipient::"mill", action == Action::"catalogue", resource == Attribute::"first_name");

@id("office.address")
@citation("Contract with Paper Mill")
@title("Paper Mill sees whose address it is")
@reason_subject("So that the catalogue reaches you.")
@reason_operator("Only a mask goes to the printer.")
@release("mask")
permit (principal == Recipient::"mill", action == Action::"catalogue", resource == Attribute::"email");
"#;

pub(crate) async fn office() -> (Office, SubjectId, Sensitive<String>) {
    office_with(crate::office::MAP).await
}

async fn office_with(map: &str) -> (Office, SubjectId, Sensitive<String>) {
    let files = [
        ("map.yaml", map),
        ("profile.yaml", SCHEMA),
        ("consent/purposes.yaml", PURPOSES),
        ("consent/notices.yaml", "notices: []\n"),
        ("policies/company.cedar", POLICIES),
    ];
    let more = "profile: profile.yaml\nconsent: consent\npolicies: policies\n";
    let office = Office::with(&files, more).await;
    let p = &office.privity;
    let values = [(1, "maya@example.org"), (2, "Maya"), (3, "Lind")];
    let values = values.map(|(number, text)| {
        let number = domain::profile::AttributeNumber(number);
        (number, GivenValue::from(Sensitive::new(text.to_owned())))
    });
    let record = GivenRecord {
        values: values.into(),
        observed_at: None,
    };
    let written = write(p, SourceNumber(1), vec![record], Actor::CommandLine).await;
    let id = written.unwrap().subjects[0].unwrap();
    let terms = CredentialTerms::default();
    let (_, key) = add_key(p, &"mill".into(), terms).await.unwrap();
    (office, id, key)
}

async fn post(office: &Office, key: &Sensitive<String>, path: &str, body: &Value) -> Answer {
    let request = Request::post(path)
        .header("Authorization", format!("Bearer {}", key.expose()))
        .header("Content-Type", "application/json")
        .header("X-Request-ID", "7f3a");
    office
        .send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

pub(crate) async fn get(office: &Office, key: &str, path: &str) -> Answer {
    let request = Request::get(path).header("Authorization", format!("Bearer {key}"));
    office.send(request.body(Body::empty()).unwrap()).await
}

fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("{}", answer.text))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_gets_what_it_may_and_404_for_all_else() {
    let (office, id, key) = office().await;
    let all = "attributes=first_name,last_name,email,shoe_size";
    let path = format!("/recipient/v1/profiles/{id}?purpose=catalogue&{all}");
    let answer = get(&office, key.expose(), &path).await;
    let expected = json!({
        "subject": id.to_string(),
        "attributes": {"email": "m***@example.org", "first_name": "Maya"},
    });
    assert_eq!(body(&answer), expected);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let find = json!({"by": "email", "value": "Maya@example.org", "purpose": "catalogue", "attributes": ["first_name", "email"]});
    let found = post(&office, &key, "/recipient/v1/profiles/find", &find).await;
    assert_eq!(body(&found), expected);
    let nobody = SubjectId::from_uuid(uuid::Uuid::from_u128(7));
    let mut refusals = Vec::new();
    for path in [
        format!("/recipient/v1/profiles/{nobody}?purpose=catalogue&{all}"),
        format!("/recipient/v1/profiles/{id}?purpose=letters&{all}"),
        format!("/recipient/v1/profiles/{id}?purpose=catalogue&attributes=last_name"),
        format!("/recipient/v1/profiles/{id}?purpose=catalogue"),
        format!("/recipient/v1/profiles/{id}?purpose=odd&{all}"),
        "/recipient/v1/profiles/nonsense?purpose=catalogue".to_owned(),
    ] {
        let answer = get(&office, key.expose(), &path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        let mut problem = body(&answer);
        problem["trace_id"].take();
        refusals.push(problem);
    }
    assert!(refusals.iter().all(|one| *one == refusals[0]));
    for wrong in ["", "nothing", id.to_string().as_str()] {
        let answer = get(&office, wrong, &path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_answers_in_order_with_null_for_nobody() {
    let (office, id, key) = office().await;
    let asked = json!({
        "purpose": "catalogue",
        "attributes": ["first_name"],
        "subjects": [
            {"by": "email", "value": "nobody@example.org"},
            {"id": id.to_string()},
            {"by": "email", "value": "maya@example.org"},
        ],
    });
    let answer = post(&office, &key, "/recipient/v1/profiles/batch", &asked).await;
    let maya = json!({"subject": id.to_string(), "attributes": {"first_name": "Maya"}});
    assert_eq!(body(&answer), json!({"items": [null, maya, maya]}));
    let many: Vec<_> = (0..101).map(|_| json!({"id": id.to_string()})).collect();
    let many = json!({"purpose": "catalogue", "attributes": [], "subjects": many});
    let answer = post(&office, &key, "/recipient/v1/profiles/batch", &many).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn authzen_decides_a_batch_in_one_go_and_a_redaction_is_an_obligation() {
    let (office, id, key) = office().await;
    let attribute = |key: &str| json!({"resource": {"type": "attribute", "id": key, "properties": {"subject": id.to_string()}}});
    let mut asked = json!({
        "subject": {"type": "recipient", "id": "mill"},
        "action": {"name": "catalogue"},
        "evaluations": [attribute("first_name"), attribute("email"), attribute("last_name"), attribute("shoe_size")],
    });
    let decisions = |answer: &Value| -> Vec<bool> {
        let all = answer["evaluations"].as_array().unwrap().iter();
        all.map(|one| one["decision"].as_bool().unwrap()).collect()
    };
    let before = log_size(&office).await;
    let answer = post(&office, &key, "/access/v1/evaluations", &asked).await;
    assert_eq!(answer.headers["x-request-id"], "7f3a");
    assert_eq!(decisions(&body(&answer)), [true, false, false, false]);
    // The list of names, and one decision for all four.
    assert_eq!(log_size(&office).await - before, 2);
    asked["context"] = json!({"obligations": ["redact"]});
    let answer = body(&post(&office, &key, "/access/v1/evaluations", &asked).await);
    assert_eq!(decisions(&answer), [true, true, false, false]);
    let obligations = &answer["evaluations"][1]["context"]["obligations"];
    assert_eq!(
        *obligations,
        json!([{"id": "redact", "attribute": "email", "form": "mask"}])
    );
    // For itself alone.
    asked["subject"]["id"] = json!("somebody_else");
    let answer = body(&post(&office, &key, "/access/v1/evaluations", &asked).await);
    assert_eq!(decisions(&answer), [false; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn authzen_names_each_attribute_of_a_profile_once_and_a_call_names_so_many() {
    let (office, id, key) = office().await;
    let listing = |names: &[String], questions: usize| {
        json!({
            "subject": {"type": "recipient", "id": "mill"},
            "action": {"name": "catalogue"},
            "resource": {"type": "profile", "id": id.to_string(), "properties": {"attributes": names}},
            "context": {"obligations": ["redact"]},
            "evaluations": vec![json!({}); questions],
        })
    };
    let names = ["shoe_size", "first_name", "email", "shoe_size", "email"].map(str::to_owned);
    let asked = listing(&names, 2);
    let answer = body(&post(&office, &key, "/access/v1/evaluations", &asked).await);
    let withheld = json!({"id": "redact", "attribute": "shoe_size", "form": "withhold"});
    let masked = json!({"id": "redact", "attribute": "email", "form": "mask"});
    let one = json!({"decision": true, "context": {"obligations": [withheld, masked]}});
    assert_eq!(answer["evaluations"], json!([one, one]));

    let names: Vec<_> = (0..=64).map(|number| format!("shoe_{number}")).collect();
    let asked = listing(&names, 256);
    let refused = post(&office, &key, "/access/v1/evaluations", &asked).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let title = body(&refused)["title"].take();
    assert!(title.as_str().unwrap().contains("at most 16384"), "{title}");
    let asked = listing(&names[..64], 256);
    let answer = post(&office, &key, "/access/v1/evaluations", &asked).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn authzen_finds_attributes_recipients_and_purposes_and_never_people() {
    let (office, id, key) = office().await;
    let about = json!({"subject": id.to_string()});
    let mill = json!({"type": "recipient", "id": "mill"});
    let search = async |what: &str, asked: Value| {
        let path = format!("/access/v1/search/{what}");
        body(&post(&office, &key, &path, &asked).await)["results"].take()
    };
    let catalogue = json!({"name": "catalogue"});
    let resources = json!({"subject": mill, "action": catalogue, "resource": {"type": "attribute", "properties": about}});
    assert_eq!(
        search("resource", resources.clone()).await,
        json!([{"type": "attribute", "id": "first_name"}])
    );
    let first_name = json!({"type": "attribute", "id": "first_name", "properties": about});
    let subjects =
        json!({"subject": {"type": "recipient"}, "action": catalogue, "resource": first_name});
    assert_eq!(search("subject", subjects).await, json!([mill]));
    let actions = json!({"subject": mill, "resource": first_name});
    assert_eq!(
        search("action", actions).await,
        json!([{"name": "catalogue"}])
    );
    let people = json!({"subject": mill, "action": catalogue, "resource": {"type": "profile"}});
    assert_eq!(search("resource", people).await, json!([]));
    let configuration = get(&office, "", "/.well-known/authzen-configuration").await;
    let address = body(&configuration)["access_evaluation_endpoint"].clone();
    assert!(address.as_str().unwrap().ends_with("/access/v1/evaluation"));
}

pub(crate) async fn log_size(office: &Office) -> i64 {
    let database = office.privity.database();
    let counted = database.read("count records", |tx| {
        let row = tx.query_one("-- count\nSELECT COUNT(*) AS records FROM audit_entry", &[])?;
        Ok::<i64, Problem>(row.count("records")?)
    });
    counted.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_asks_about_too_many_in_a_minute_waits_and_is_recorded_once() {
    let map = crate::office::MAP.replace(
        "    known_by: [email]",
        "    known_by: [email]\n    subjects_a_minute: 3",
    );
    let (office, id, key) = office_with(&map).await;
    let one = format!("/recipient/v1/profiles/{id}?purpose=catalogue&attributes=first_name");
    let about = json!({"id": id.to_string()});
    let two =
        json!({"subjects": [about, about], "purpose": "catalogue", "attributes": ["first_name"]});
    let batch = async || post(&office, &key, "/recipient/v1/profiles/batch", &two).await;
    for _ in 0..2 {
        assert_eq!(batch().await.status, StatusCode::OK);
        // One is left, so that two don't fit and don't count.
        for _ in 0..2 {
            let refused = batch().await;
            assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(refused.headers["retry-after"], "60");
            assert_eq!(body(&refused)["code"], "too_many_subjects");
        }
        assert_eq!(
            get(&office, key.expose(), &one).await.status,
            StatusCode::OK
        );
        let over = get(&office, key.expose(), &one).await;
        assert_eq!(over.status, StatusCode::TOO_MANY_REQUESTS);
        office.clock.advance(jiff::SignedDuration::from_mins(1));
    }
    let stopped: Vec<_> = stops(&office).await.iter().map(Value::to_string).collect();
    assert_eq!(stopped.len(), 2, "one a minute: {stopped:?}");
    assert!(
        stopped[1].contains(r#""refused_since_last_record":2"#),
        "{stopped:?}"
    );
}

async fn stops(office: &Office) -> Vec<Value> {
    let database = office.privity.database();
    let read = database.read("read log", |tx| {
        let all = "-- all\nSELECT entry FROM audit_entry ORDER BY sequence";
        let rows = tx.query(all, &[])?;
        let entries = rows.iter().map(|row| Ok(row.bytes("entry")?.to_vec()));
        entries.collect::<Result<Vec<Vec<u8>>, Problem>>()
    });
    let log = read.await.unwrap().into_iter();
    let entries = log.map(|entry| serde_json::from_slice::<Value>(&entry).unwrap());
    let stopped = entries.filter(|entry| entry.to_string().contains("recipient_stopped"));
    stopped.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_asks_for_a_recipient_is_counted_and_recorded_as_itself() {
    let desk = "  desk:
    title: Desk
    role: internal
    categories: [user.contact.email]
    purpose: to enforce
    known_by: [email]
    channel: { kind: email, to: desk@shop.example }
    subjects_a_minute: 3
";
    let map = crate::office::MAP.replace(
        "    known_by: [email]",
        "    known_by: [email]\n    subjects_a_minute: 4",
    );
    let (office, id, mills) = office_with(&format!("{map}{desk}")).await;
    let (added, key) = add_key(&office.privity, &"desk".into(), CredentialTerms::default())
        .await
        .unwrap();
    let one = json!({
        "subject": {"type": "recipient", "id": "mill"},
        "action": {"name": "catalogue"},
        "resource": {"type": "attribute", "id": "first_name", "properties": {"subject": id.to_string()}},
    });
    let ask = async |key: &Sensitive<String>| {
        let answer = post(&office, key, "/access/v1/evaluation", &one).await;
        let status = answer.status;
        (status, body(&answer)["title"].take().to_string())
    };
    for _ in 0..3 {
        assert_eq!(ask(&key).await.0, StatusCode::OK);
    }
    let (status, title) = ask(&key).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(title.contains("`desk` may ask about 3"), "{title}");
    assert_eq!(
        ask(&mills).await.0,
        StatusCode::OK,
        "the fourth for the mill"
    );
    let (status, title) = ask(&mills).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(title.contains("`mill` may ask about 4"), "{title}");
    let stopped = stops(&office).await;
    let texts: Vec<_> = stopped.iter().map(Value::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains(r#""recipient":"desk""#), "{}", texts[0]);
    let credential = format!(r#""credential":"{added}""#);
    assert!(texts[0].contains(&credential), "{} {credential}", texts[0]);
    assert!(!texts[1].contains(&credential), "{}", texts[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_pace_does_not_tell_how_many_there_are() {
    let map = crate::office::MAP.replace(
        "    known_by: [email]",
        "    known_by: [email]\n    subjects_a_minute: 2001",
    );
    let (office, _, _) = office_with(&map).await;
    let p = &office.privity;
    let caller = Caller {
        recipient: "mill".into(),
        asked_by: None,
        purpose: "catalogue".into(),
        door: Door::Scim,
        proven_by: None,
    };
    let (keys, kind) = (["first_name".into()], IdentifierKind("email".to_owned()));
    let all = disclose_all(p, &caller, &keys).await.unwrap().unwrap();
    assert_eq!(all.len(), 1);
    let problem = disclose_all(p, &caller, &keys).await.err().unwrap();
    assert_eq!(problem.code, "too_many_subjects");
    let nobody = Sensitive::new("nobody@example.org".to_owned());
    let sharing = async || disclose_sharing(p, &caller, (&kind, &nobody), &keys).await;
    assert_eq!(sharing().await.unwrap().unwrap().len(), 1);
    assert_eq!(sharing().await.err().unwrap().code, "too_many_subjects");
}
