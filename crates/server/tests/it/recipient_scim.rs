//! SCIM for recipients: what they may have of each subject, recorded; filters, order and counts that tell no more; writes within what is seen.
#![allow(
    clippy::disallowed_methods,
    reason = "tests call with the keys that recipients were given"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use domain::audit::Actor;
use domain::id::SubjectId;
use domain::profile::{AttributeNumber, SourceNumber};
use domain::sensitive::Sensitive;
use governance::disclosure::{CredentialTerms, add_key};
use governance::profile::{GivenRecord, GivenValue, write};
use serde_json::{Value, json};

use crate::office::{Answer, Office, encoded};
use crate::recipient::log_size;

const SCHEMA: &str = r#"version: 1
birth_date: birth_date
sources:
  - { source: staff, number: 1, title: Accounts, record: account }
  - { source: shop, number: 2, title: Shop, record: email }
attributes:
  - { attribute: account, number: 1, title: Account, category: user.unique_id, identifier: { rule: verbatim } }
  - { attribute: email, number: 2, title: E-mail, category: user.contact.email, identifier: { rule: email } }
  - { attribute: first_name, number: 3, title: First name, category: user.name.first }
  - { attribute: last_name, number: 4, title: Last name, category: user.name.last }
  - { attribute: city, number: 5, title: City, category: user.contact.address.city }
  - { attribute: birth_date, number: 6, title: Birth date, kind: date, category: user.demographic.date_of_birth }
  - { attribute: active, number: 7, title: Has an account, kind: boolean, category: user.account }
scim:
  source: staff
  WRITERS
  attributes:
    userName: account
    'urn:example:params:scim:schemas:born:1.0:User:on': birth_date
"#;

const PURPOSES: &str = "purposes:
  directory:
    title: {en: Directory}
    description: {en: Who is who.}
    categories: [user]
    choice: none
    recipients: [mill]
  letters:
    title: {en: Letters}
    description: {en: We write to you.}
    categories: [user.name]
    choice: none
";

/// Attributes by number, with the places that they have.
const PLACES: [(u16, &str, &str); 7] = [
    (1, "account", "userName"),
    (2, "email", "emails.value"),
    (3, "first_name", "name.givenName"),
    (4, "last_name", "name.familyName"),
    (5, "city", "addresses.locality"),
    (
        6,
        "birth_date",
        "urn:example:params:scim:schemas:born:1.0:User:on",
    ),
    (7, "active", "active"),
];

/// A permit for an attribute, of whoever is an adult or is not known to be, or of everybody.
fn permit(number: usize, attribute: &str, form: &str, when: &str) -> String {
    format!(
        "@id(\"office.p{number}\")\n@citation(\"Contract\")\n@title(\"Directory\")\n@reason_subject(\"Who is who.\")\n@reason_operator(\"Who is who.\")\n@release(\"{form}\")\npermit (principal == Recipient::\"mill\", action == Action::\"directory\", resource == Attribute::\"{attribute}\"){when};\n"
    )
}

const ADULTS: &str = "\nwhen { context.least_age >= 18 }";
const OTHERS: &str = "\nunless { context.least_age >= 18 }";

async fn office(policies: &str, writers: &str) -> (Office, Sensitive<String>) {
    office_of_map(&SCHEMA.replace("WRITERS", writers), policies, None).await
}

/// One where the mill writes.
async fn office_of(schema: &str, policies: &str) -> (Office, Sensitive<String>) {
    office_of_map(schema, policies, None).await
}

async fn office_of_map(
    schema: &str,
    policies: &str,
    map: Option<&str>,
) -> (Office, Sensitive<String>) {
    let schema = schema.replace("WRITERS", "writers: [mill]");
    let mut files = vec![
        ("profile.yaml", schema.as_str()),
        ("consent/purposes.yaml", PURPOSES),
        ("consent/notices.yaml", "notices: []\n"),
        ("policies/company.cedar", policies),
    ];
    files.extend(map.map(|map| ("map.yaml", map)));
    let more = "profile: profile.yaml\nconsent: consent\npolicies: policies\n";
    let office = Office::with(&files, more).await;
    let terms = CredentialTerms::default();
    let added = add_key(&office.privity, &"mill".into(), terms).await;
    (office, added.unwrap().1)
}

/// Policies that let everything out as it is, but for these attributes in another form.
fn all_but(others: &[(&str, &str)]) -> String {
    let mut policies = String::new();
    for (number, (_, attribute, _)) in PLACES.iter().enumerate() {
        let other = others.iter().find(|(key, _)| key == attribute);
        let form = other.map_or("keep", |(_, form)| *form);
        if form != "withhold" {
            policies.push_str(&permit(number, attribute, form, ""));
        }
    }
    policies
}

async fn add(office: &Office, source: u16, values: &[(u16, &str)]) -> SubjectId {
    let given = |text: &str| GivenValue::from(Sensitive::new(text.to_owned()));
    let values = values.iter();
    let values = values.map(|(number, text)| (AttributeNumber(*number), given(text)));
    let record = GivenRecord {
        values: values.collect(),
        observed_at: None,
    };
    let source = SourceNumber(source);
    let written = write(&office.privity, source, vec![record], Actor::CommandLine);
    written.await.unwrap().subjects[0].unwrap()
}

async fn add_person(office: &Office, name: &str, born: &str) -> SubjectId {
    let email = format!("{name}@example.org");
    let values = [
        (1, name),
        (2, &email),
        (3, name),
        (4, "Lind"),
        (5, "Oslo"),
        (6, born),
        (7, "true"),
    ];
    add(office, 1, &values).await
}

/// A recipient with its key.
struct Client<'a> {
    office: &'a Office,
    key: &'a Sensitive<String>,
}

impl Client<'_> {
    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.call_with(method, path, body, &[]).await
    }

    async fn call_with(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("/recipient/scim/v2{path}"))
            .header("authorization", format!("Bearer {}", self.key.expose()))
            .header("x-privity-purpose", "directory");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.office.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/scim+json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        serde_json::from_str(&answer.text).unwrap()
    }

    /// Names of whoever is in a list, and what it says of how many there are.
    async fn names(&self, wanted: &[(&str, &str)]) -> (Vec<String>, u64) {
        let list = self.get(&format!("/Users?{}", encoded(wanted))).await;
        let resources = list["Resources"].as_array().unwrap();
        let name = |one: &Value| one["userName"].as_str().unwrap_or("-").to_owned();
        (
            resources.iter().map(name).collect(),
            list["totalResults"].as_u64().unwrap(),
        )
    }

    async fn refused(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let answer = self.call(method, path, body).await;
        assert_eq!(
            answer.headers["content-type"], "application/scim+json",
            "{}",
            answer.text
        );
        let body: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(body["status"], answer.status.as_str());
        let code = body["scimType"].as_str().unwrap_or_default().to_owned();
        (answer.status.as_u16(), code)
    }
}

fn patch(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_holds_what_was_released_and_nothing_else() {
    let (office, key) = office(
        &all_but(&[
            ("email", "mask"),
            ("last_name", "withhold"),
            ("birth_date", "generalise"),
            ("city", "null"),
        ]),
        "",
    )
    .await;
    let maya = add_person(&office, "maya", "1990-12-31").await;
    let client = Client {
        office: &office,
        key: &key,
    };
    let path = format!("/Users/{maya}");
    let user = client.get(&path).await;
    let version = user["meta"]["version"].as_str().unwrap().to_owned();
    assert_eq!(
        user,
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:example:params:scim:schemas:born:1.0:User"],
            "id": maya.to_string(),
            "userName": "maya",
            "active": true,
            "name": {"givenName": "maya"},
            "emails": [{"type": "work", "value": "m***@example.org"}],
            "urn:example:params:scim:schemas:born:1.0:User": {"on": "30-39"},
            "meta": {"resourceType": "User", "location": format!("http://office.test/recipient/scim/v2/Users/{maya}"), "version": version},
        })
    );
    let only = client
        .get(&format!("{path}?attributes=name,emails.value"))
        .await;
    assert_eq!(
        only,
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": maya.to_string(), "name": {"givenName": "maya"}, "emails": [{"type": "work", "value": "m***@example.org"}]})
    );
    let without = client
        .get(&format!("{path}?excludedAttributes=name,meta,emails"))
        .await;
    assert!(
        without["name"].is_null() && without["meta"].is_null() && without["userName"] == "maya"
    );
    let again = client
        .call_with("GET", &path, None, &[("if-none-match", &version)])
        .await;
    assert_eq!(
        (again.status, again.text.as_str()),
        (StatusCode::NOT_MODIFIED, "")
    );
    // Of a part no version is told, since it would be another one.
    let part = client
        .call("GET", &format!("{path}?attributes=userName,meta"), None)
        .await;
    assert_eq!(
        (part.status, part.headers.get("etag")),
        (StatusCode::OK, None)
    );
    let part: Value = serde_json::from_str(&part.text).unwrap();
    assert_eq!(part["meta"]["resourceType"], "User");
    assert!(part["meta"]["version"].is_null(), "{part}");
    let listed = client.get("/Users?excludedAttributes=name").await;
    assert!(listed["Resources"][0]["meta"]["version"].is_null());
    let listed = client.get("/Users").await;
    assert_eq!(listed["Resources"][0]["meta"]["version"], *version);
    // What was withheld or changed is not even described, nor what is told of nobody.
    let schemas = client.get("/Schemas").await.to_string();
    assert!(
        schemas.contains("givenName")
            && !schemas.contains("familyName")
            && !schemas.contains("readWrite")
    );
    assert_eq!(
        client.get("/ServiceProviderConfig").await["patch"]["supported"],
        false
    );
    assert_eq!(
        client.get("/ResourceTypes/User").await["endpoint"],
        "/Users"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_subject_and_one_of_whom_nothing_goes_out_are_answered_alike() {
    let policies = permit(1, "account", "keep", ADULTS);
    let (office, key) = office(&policies, "").await;
    let child = add_person(&office, "noa", "2015-01-01").await;
    let client = Client {
        office: &office,
        key: &key,
    };
    let nobody = SubjectId::from_uuid(uuid::Uuid::from_u128(7));
    let mut answers = Vec::new();
    for path in [
        format!("/Users/{nobody}"),
        format!("/Users/{child}"),
        format!("/Users/{child}?attributes=emails"),
        "/Users/nonsense".to_owned(),
    ] {
        let answer = client.call("GET", &path, None).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        answers.push(answer.text);
    }
    assert!(answers.iter().all(|one| *one == answers[0]), "{answers:?}");
    assert_eq!(
        client.names(&[("filter", "userName eq \"noa\"")]).await,
        client.names(&[("filter", "userName eq \"ada\"")]).await
    );
    assert_eq!(client.names(&[]).await, (Vec::new(), 0));
    for (header, value) in [
        ("authorization", "Bearer nothing"),
        ("x-privity-purpose", "sale"),
    ] {
        let mut request = Request::get("/recipient/scim/v2/Users")
            .header("authorization", format!("Bearer {}", key.expose()));
        request
            .headers_mut()
            .unwrap()
            .insert(header, value.parse().unwrap());
        let answer = office.send(request.body(Body::empty()).unwrap()).await;
        let expected = if header == "authorization" {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::OK
        };
        assert_eq!(answer.status, expected, "{}", answer.text);
        assert!(!answer.text.contains("noa"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_sorted_and_counted_by_what_goes_out_and_recorded_one_by_one() {
    let permits = all_but(&[
        ("email", "mask"),
        ("last_name", "withhold"),
        ("city", "withhold"),
    ]);
    let of_adults = permit(90, "city", "keep", ADULTS);
    let of_others = permit(91, "city", "mask", OTHERS);
    let forbid = permit(92, "birth_date", "keep", "").replace("permit (", "forbid (");
    let forbid = forbid.replace("@release(\"keep\")\n", "");
    let (office, key) = office(&format!("{permits}{of_adults}{of_others}{forbid}"), "").await;
    for (name, born) in [
        ("maya", "1990-12-31"),
        ("Bea", "2014-01-01"),
        ("ada", "1980-01-01"),
    ] {
        add_person(&office, name, born).await;
    }
    let client = Client {
        office: &office,
        key: &key,
    };
    let names = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let before = log_size(&office).await;
    assert_eq!(
        client.names(&[("sortBy", "userName")]).await,
        (names(&["ada", "Bea", "maya"]), 3)
    );
    // A record for each subject, and two lists of names, since of children other attributes go out.
    assert_eq!(log_size(&office).await - before, 5);
    assert_eq!(
        client
            .names(&[
                ("sortBy", "userName"),
                ("sortOrder", "descending"),
                ("startIndex", "2"),
                ("count", "1")
            ])
            .await,
        (names(&["Bea"]), 3)
    );
    assert_eq!(client.names(&[("count", "0")]).await, (Vec::new(), 3));
    assert_eq!(
        client
            .names(&[
                ("filter", "name.givenName sw \"m\" or userName eq \"bea\""),
                ("sortBy", "userName")
            ])
            .await,
        (names(&["Bea", "maya"]), 2)
    );
    let before = log_size(&office).await;
    assert_eq!(
        client
            .names(&[("filter", "userName eq \"maya\" and active eq true")])
            .await,
        (names(&["maya"]), 1)
    );
    // Whoever is named by an identifier is the only one who is looked at.
    assert!(log_size(&office).await - before <= 2);
    // Of children the city goes out in part, and nothing is found by the whole of it.
    assert_eq!(
        client
            .names(&[
                ("filter", "addresses.locality eq \"oslo\""),
                ("sortBy", "userName")
            ])
            .await,
        (names(&["ada", "maya"]), 2)
    );
    assert_eq!(
        client
            .names(&[("filter", "not (addresses.locality eq \"oslo\")")])
            .await,
        (names(&["Bea"]), 1)
    );
    let part = [("filter", "addresses.locality sw \"o*\"")];
    assert_eq!(client.names(&part).await, (Vec::new(), 0));
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName eq \"ada\"", "attributes": ["userName"]});
    for path in ["/Users/.search", "/.search"] {
        let answer = client.call("POST", path, Some(&search)).await;
        let list: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(list["Resources"][0]["userName"], "ada", "{}", answer.text);
        assert!(list["Resources"][0]["name"].is_null());
    }
    for (wanted, code) in [
        (
            ("filter", "emails.value eq \"maya@example.org\""),
            "invalidFilter",
        ),
        (("filter", "name.familyName pr"), "invalidFilter"),
        (
            (
                "filter",
                "userName pr and not (emails[type eq \"work\" and value co \"m\"])",
            ),
            "invalidFilter",
        ),
        (("filter", "meta.created pr"), "invalidFilter"),
        (("filter", "nickName pr"), "invalidFilter"),
        (("filter", "userName eq"), "invalidFilter"),
        (("sortBy", "emails.value"), "invalidPath"),
        (("sortBy", "name.familyName"), "invalidPath"),
        // Permitted, and forbidden of everybody.
        (
            ("sortBy", "urn:example:params:scim:schemas:born:1.0:User:on"),
            "invalidPath",
        ),
    ] {
        let refused = client
            .refused("GET", &format!("/Users?{}", encoded(&[wanted])), None)
            .await;
        assert_eq!(refused, (400, code.to_owned()), "{wanted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_named_as_a_writer_changes_nothing() {
    let (office, key) = office(&all_but(&[]), "").await;
    let maya = add_person(&office, "maya", "1990-12-31").await;
    let client = Client {
        office: &office,
        key: &key,
    };
    let path = format!("/Users/{maya}");
    let nobody = format!("/Users/{}", SubjectId::from_uuid(uuid::Uuid::from_u128(7)));
    let body = json!({"userName": "noa"});
    for (method, path) in [
        ("POST", "/Users"),
        ("PUT", &path),
        ("PATCH", &path),
        ("DELETE", &path),
        ("PUT", &nobody),
        ("DELETE", &nobody),
    ] {
        let refused = client.refused(method, path, Some(&body)).await;
        assert_eq!(refused, (403, String::new()), "{method} {path}");
    }
    assert_eq!(client.names(&[]).await, (vec!["maya".to_owned()], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_writes_what_it_sees_as_it_is_and_nothing_else() {
    let (office, key) = office(
        &all_but(&[("email", "mask"), ("last_name", "withhold")]),
        "writers: [mill]",
    )
    .await;
    let maya = add_person(&office, "maya", "1990-12-31").await;
    // Somebody without an account is no User to a writer.
    let customer = add(&office, 2, &[(2, "noa@example.org"), (3, "Noa")]).await;
    let client = Client {
        office: &office,
        key: &key,
    };
    let path = format!("/Users/{maya}");
    let set =
        |path: &str, value: &str| patch(json!([{"op": "replace", "path": path, "value": value}]));
    let changed = client
        .call("PATCH", &path, Some(&set("name.givenName", "Mona")))
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let user: Value = serde_json::from_str(&changed.text).unwrap();
    assert_eq!(user["name"], json!({"givenName": "Mona"}));
    for (place, value) in [
        ("emails[type eq \"work\"].value", "mine@example.org"),
        ("name.familyName", "Mine"),
    ] {
        assert_eq!(
            client
                .refused("PATCH", &path, Some(&set(place, value)))
                .await,
            (403, String::new()),
            "{place}"
        );
        let removal = patch(json!([{"op": "remove", "path": place}]));
        assert_eq!(
            client.refused("PATCH", &path, Some(&removal)).await,
            (403, String::new()),
            "{place}"
        );
    }
    let whole = json!({"userName": "maya", "name": {"familyName": "Mine"}});
    assert_eq!(client.refused("PUT", &path, Some(&whole)).await.0, 403);
    let other = json!({"userName": "else"});
    assert_eq!(
        client.refused("PUT", &path, Some(&other)).await,
        (400, "mutability".to_owned())
    );
    assert_eq!(
        client
            .refused("POST", "/Users", Some(&json!({"userName": "maya"})))
            .await,
        (409, "uniqueness".to_owned())
    );
    let version = user["meta"]["version"].as_str().unwrap();
    let late = client
        .call_with(
            "PATCH",
            &path,
            Some(&set("name.givenName", "Late")),
            &[("if-match", "W/\"0\"")],
        )
        .await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
    let part = format!("{path}?attributes=name");
    let renamed = client
        .call_with(
            "PATCH",
            &part,
            Some(&set("name.givenName", "Mona")),
            &[("if-match", version)],
        )
        .await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.text);
    let part = format!("{path}?attributes=meta");
    let renamed = client
        .call_with(
            "PATCH",
            &part,
            Some(&set("name.givenName", "Mo")),
            &[("if-match", version)],
        )
        .await;
    let etag = renamed.headers["etag"].to_str().unwrap().to_owned();
    let now = client.get(&path).await;
    assert_eq!(now["meta"]["version"], *etag, "one state has one version");
    let version = etag.as_str();
    let whole = json!({"userName": "maya", "name": {"givenName": "Mia"}});
    let replaced = client
        .call_with("PUT", &path, Some(&whole), &[("if-match", version)])
        .await;
    assert_eq!(replaced.status, StatusCode::OK, "{}", replaced.text);
    let user: Value = serde_json::from_str(&replaced.text).unwrap();
    // The city was seen and not named; the address stays, though it was not named either: it is not seen as it is.
    assert!(user["addresses"].is_null(), "{user}");
    assert_eq!(user["emails"][0]["value"], "m***@example.org");
    let made = client
        .call(
            "POST",
            "/Users",
            Some(&json!({"userName": "ada", "name": {"givenName": "Ada"}})),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made: Value = serde_json::from_str(&made.text).unwrap();
    assert_eq!(
        (&made["active"], &made["userName"]),
        (&json!(true), &json!("ada"))
    );
    let refused = json!({"userName": "eve", "emails": [{"value": "eve@example.org"}]});
    assert_eq!(
        client.refused("POST", "/Users", Some(&refused)).await.0,
        403
    );
    let own = format!("/Users/{}", made["id"].as_str().unwrap());
    assert_eq!(
        client.call("DELETE", &own, None).await.status,
        StatusCode::NO_CONTENT
    );
    for gone in [own, format!("/Users/{customer}")] {
        assert_eq!(client.refused("GET", &gone, None).await.0, 404);
        assert_eq!(
            client
                .refused("PATCH", &gone, Some(&set("name.givenName", "X")))
                .await
                .0,
            404
        );
        assert_eq!(client.refused("DELETE", &gone, None).await.0, 404);
    }
    assert_eq!(client.names(&[]).await, (vec!["maya".to_owned()], 1));
    // Whoever was deleted comes back with the same name.
    let back = client
        .call("POST", "/Users", Some(&json!({"userName": "ada"})))
        .await;
    assert_eq!(back.status, StatusCode::CREATED, "{}", back.text);
    assert_eq!(
        serde_json::from_str::<Value>(&back.text).unwrap()["id"],
        made["id"]
    );
    let log = crate::office::log();
    assert!(!log.contains("Mona") && !log.contains("maya@example.org"));
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "`mil` is no recipient of the data map; did you mean `mill`?")]
async fn a_writer_that_the_data_map_does_not_know_is_told_at_the_start() {
    office("", "writers: [mil]").await;
}

/// The same office, where accounts are found by their address.
async fn office_by_email(policies: &str) -> (Office, Sensitive<String>) {
    let schema = SCHEMA
        .replace("record: account", "record: email")
        .replace("userName: account", "userName: email")
        .replace("rule: email }", "rule: email, unique: true }");
    office_of(&schema, policies).await
}

/// Somebody has herself forgotten, by the pages.
async fn forget_her(office: &Office) {
    use crate::deletion::{HER, ask, only_request};
    let tracker = ask(office).await;
    office.work().await;
    let code = office.code(HER);
    let confirmed = office
        .post(&format!("{tracker}/code"), "", &[("code", &code)])
        .await;
    assert_eq!(confirmed.status, StatusCode::SEE_OTHER);
    office.work().await;
    let session = office.session().await;
    let id = only_request(office, &session).await;
    let path = format!("/console/requests/{id}/approve");
    let approved = office.post(&path, &session, &[]).await;
    assert_eq!(approved.status, StatusCode::SEE_OTHER, "{}", approved.text);
    office.work().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_forgotten_is_answered_like_one_that_is_taken() {
    let permits = all_but(&[("last_name", "withhold")]);
    let (office, key) = office_by_email(&permits).await;
    let her = crate::deletion::HER;
    let of_her = [(2, her), (3, "Maria"), (7, "true")];
    let forgotten = add(&office, 1, &of_her).await;
    let taken = "taken@example.org";
    add(&office, 1, &[(2, taken), (3, "Tao"), (7, "true")]).await;
    let mine = add(&office, 1, &[(2, "mine@example.org"), (7, "true")]).await;
    let client = Client {
        office: &office,
        key: &key,
    };
    forget_her(&office).await;
    let answers = async |method: &str, path: &str, name: &str| {
        let mut told = Vec::new();
        for body in [
            json!({"userName": name}),
            json!({"userName": name, "name": {"givenName": "New"}}),
            json!({"userName": name, "name": {"familyName": "Unseen"}}),
            json!({"userName": name, "urn:example:params:scim:schemas:born:1.0:User": {"on": "soon"}}),
        ] {
            let answer = client.call(method, path, Some(&body)).await;
            told.push((answer.status, answer.text));
        }
        told
    };
    let created = answers("POST", "/Users", her).await;
    assert_eq!(created, answers("POST", "/Users", taken).await);
    for (status, text) in &created {
        assert_eq!(*status, StatusCode::CONFLICT, "{text}");
        assert!(text.contains("uniqueness"), "{text}");
    }
    // Whoever is gone is nobody, and no record is renamed to her.
    for path in [format!("/Users/{forgotten}"), format!("/Users/{mine}")] {
        let put = answers("PUT", &path, her).await;
        assert_eq!(put, answers("PUT", &path, taken).await, "{path}");
        let set = |name: &str| patch(json!([{"op": "replace", "path": "userName", "value": name}]));
        let to_her = client.call("PATCH", &path, Some(&set(her))).await;
        let to_taken = client.call("PATCH", &path, Some(&set(taken))).await;
        assert_eq!(
            (to_her.status, to_her.text),
            (to_taken.status, to_taken.text),
            "{path}"
        );
    }
    // At the business's own door it stays what it is.
    let own = office.key().await;
    let mut request =
        Request::post("/scim/v2/Users").header("authorization", format!("Bearer {own}"));
    request = request.header("content-type", "application/scim+json");
    let body = json!({"userName": her}).to_string();
    let answer = office.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    assert!(answer.text.contains("suppression list"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_make_the_same_user_at_once_one_does() {
    // By the record's own key, by a name that is none, and somebody who comes back.
    for (record, name) in [("account", "account"), ("email", "account")] {
        let schema = SCHEMA
            .replace("record: account", &format!("record: {record}"))
            .replace("userName: account", &format!("userName: {name}"));
        let (office, key) = office_of(&schema, &all_but(&[])).await;
        let client = Client {
            office: &office,
            key: &key,
        };
        for round in ["made", "back"] {
            let calls: Vec<_> = (0..16)
                .map(|number| {
                    let email = format!("ada{number}@example.org");
                    let body =
                        json!({"userName": "ada", "emails": [{"type": "work", "value": email}]});
                    let request = Request::post("/recipient/scim/v2/Users")
                        .header("authorization", format!("Bearer {}", key.expose()))
                        .header("x-privity-purpose", "directory");
                    let request = request.body(Body::from(body.to_string())).unwrap();
                    let router = office.router.clone();
                    tokio::spawn(async move {
                        let answer = tower::ServiceExt::oneshot(router, request).await.unwrap();
                        let status = answer.status();
                        let body = axum::body::to_bytes(answer.into_body(), 1 << 20)
                            .await
                            .unwrap();
                        (status, String::from_utf8_lossy(&body).into_owned())
                    })
                })
                .collect();
            let mut made = 0;
            for call in calls {
                let (status, text) = call.await.unwrap();
                made += u32::from(status == StatusCode::CREATED);
                let is_told = status == StatusCode::CONFLICT && text.contains("uniqueness");
                assert!(status == StatusCode::CREATED || is_told, "{status} {text}");
            }
            assert_eq!(made, 1, "{round} by {record}");
            let (names, count) = client.names(&[("filter", "active eq true")]).await;
            assert_eq!((names.len(), count), (1, 1), "{round} by {record}");
            let list = client.get("/Users").await;
            let id = list["Resources"][0]["id"].as_str().unwrap().to_owned();
            let gone = client.call("DELETE", &format!("/Users/{id}"), None).await;
            assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_counts_once_and_none_is_done_that_is_answered_429() {
    let map = crate::office::MAP.replace(
        "    known_by: [email]",
        "    known_by: [email]\n    subjects_a_minute: 4",
    );
    let (office, key) = office_of_map(SCHEMA, &all_but(&[]), Some(&map)).await;
    let maya = add_person(&office, "maya", "1990-12-31").await;
    let client = Client {
        office: &office,
        key: &key,
    };
    let path = format!("/Users/{maya}");
    let version = client.get(&path).await["meta"]["version"].clone();
    let set =
        |value: &str| patch(json!([{"op": "replace", "path": "name.givenName", "value": value}]));
    let matching = [("if-match", version.as_str().unwrap())];
    let changed = client
        .call_with("PATCH", &path, Some(&set("Mona")), &matching)
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let whole = json!({"userName": "maya", "name": {"givenName": "Mia"}});
    let replaced = client.call("PUT", &path, Some(&whole)).await;
    assert_eq!(replaced.status, StatusCode::OK, "{}", replaced.text);
    let ada = json!({"userName": "ada"});
    let made = client.call("POST", "/Users", Some(&ada)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made: Value = serde_json::from_str(&made.text).unwrap();
    let own = format!("/Users/{}", made["id"].as_str().unwrap());
    for (method, path, body) in [
        ("PATCH", &path, Some(set("Late"))),
        ("PUT", &path, Some(json!({"userName": "maya"}))),
        ("DELETE", &own, None),
        (
            "POST",
            &"/Users".to_owned(),
            Some(json!({"userName": "eve"})),
        ),
    ] {
        let over = client.call(method, path, body.as_ref()).await;
        assert_eq!(over.status, StatusCode::TOO_MANY_REQUESTS, "{method}");
    }
    office.clock.advance(jiff::SignedDuration::from_mins(1));
    assert_eq!(client.get(&path).await["name"]["givenName"], "Mia");
    assert_eq!(client.get(&own).await["userName"], "ada");
    let named = [("filter", "userName eq \"eve\"")];
    assert_eq!(client.names(&named).await.1, 0);
    let gone = client.call("DELETE", &own, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text);
}

/// Repeatable choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % count
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Forms in which the values of one person may go out, by attribute: to adults, and to others.
type Forms = BTreeMap<&'static str, (&'static str, &'static str)>;

fn any_forms(choices: &mut Choices) -> Forms {
    let forms = ["keep", "keep", "mask", "generalise", "null", "withhold"];
    let of = |(_, attribute, _): &(u16, &'static str, &'static str)| {
        (*attribute, (choices.one_of(&forms), choices.one_of(&forms)))
    };
    PLACES.iter().map(of).collect()
}

fn policies_of(forms: &Forms) -> String {
    let mut policies = String::new();
    for (number, (attribute, (adult, other))) in forms.iter().enumerate() {
        for (at, (form, when)) in [(adult, ADULTS), (other, OTHERS)].into_iter().enumerate() {
            if *form != "withhold" {
                policies.push_str(&permit(number * 2 + at, attribute, form, when));
            }
        }
    }
    policies
}

/// Values of which the first letter, the domain and the decade are the same, so that what is made of them is.
fn values_of(attribute: &str, of: char, is_adult: bool) -> Vec<String> {
    let all: &[&str] = match attribute {
        "account" => &["aaa", "bbb", "ccc"],
        "email" => &["aya@example.org", "ila@example.org", "ona@example.org"],
        "first_name" => &["aya", "ila", "ona"],
        "last_name" => &["und", "ist", "amm"],
        "city" => &["slo", "rme", "nna"],
        "birth_date" if is_adult => {
            return ["1990-01-02", "1991-03-04", "1992-05-06"]
                .map(str::to_owned)
                .to_vec();
        }
        "birth_date" => {
            return ["2012-01-02", "2012-03-04", "2012-05-06"]
                .map(str::to_owned)
                .to_vec();
        }
        _ => return ["true", "false"].map(str::to_owned).to_vec(),
    };
    all.iter().map(|rest| format!("{of}{rest}")).collect()
}

/// Two people who are the same to the recipient.
fn alike(choices: &mut Choices, forms: &Forms, number: usize) -> [Vec<(u16, String)>; 2] {
    let is_adult = choices.below(2) == 0;
    let of = choices.one_of(&['m', 'n']);
    let mut both = [Vec::new(), Vec::new()];
    for (at, attribute, _) in PLACES {
        let (adult, other) = forms[attribute];
        let form = if is_adult { adult } else { other };
        let mut values = values_of(attribute, of, is_adult);
        if attribute == "account" {
            // By this a record is found again.
            values
                .iter_mut()
                .for_each(|value| value.push_str(&number.to_string()));
        }
        let first = choices.below(values.len());
        let second = if form == "keep" {
            first
        } else {
            choices.below(values.len())
        };
        let is_free = form == "withhold" && !["account", "birth_date"].contains(&attribute);
        for (person, value) in both.iter_mut().zip([first, second]) {
            if !is_free || choices.below(4) != 0 {
                person.push((at, values[value].clone()));
            }
        }
    }
    both
}

/// Everything that somebody who is curious would ask.
fn questions(choices: &mut Choices, ids: &[SubjectId]) -> Vec<String> {
    let mut questions = vec!["/Users".to_owned(), "/Schemas".to_owned()];
    questions.extend(ids.iter().map(|id| format!("/Users/{id}")));
    for (_, attribute, place) in PLACES {
        for order in ["ascending", "descending"] {
            let sorted = [
                ("sortBy", place),
                ("sortOrder", order),
                ("count", "2"),
                ("startIndex", choices.one_of(&["1", "2", "3"])),
            ];
            questions.push(format!("/Users?{}", encoded(&sorted)));
        }
        let of = choices.one_of(&['m', 'n']);
        let mut filters = vec![format!("not ({place} pr)")];
        for value in values_of(attribute, of, choices.below(2) == 0) {
            let operator = choices.one_of(&["eq", "ne", "co", "sw", "ew", "gt", "le"]);
            let written = if attribute == "active" {
                value
            } else {
                format!("\"{value}\"")
            };
            let operator = if attribute == "active" {
                "eq"
            } else {
                operator
            };
            filters.push(format!("{place} eq {written}"));
            filters.push(format!("{place} {operator} {written}"));
        }
        for filter in filters {
            let mut query = String::from("/Users?");
            write!(
                query,
                "{}",
                encoded(&[
                    ("filter", &filter),
                    (
                        "attributes",
                        choices.one_of(&["userName", "id", "name,emails", "active"])
                    )
                ])
            )
            .unwrap();
            questions.push(query);
        }
    }
    questions
}

#[tokio::test(flavor = "multi_thread")]
async fn populations_that_differ_in_what_is_not_released_are_not_told_apart() {
    let (mut found, mut refused) = (0, 0);
    for seed in 0..8 {
        let choices = &mut Choices(seed * 7919 + 17);
        let forms = any_forms(choices);
        let people: Vec<_> = (0..5)
            .map(|number| alike(choices, &forms, number))
            .collect();
        let mut told: Vec<Vec<(String, u16, String)>> = Vec::new();
        let mut asked = Vec::new();
        for population in 0..2 {
            let (office, key) = office(&policies_of(&forms), "").await;
            let mut ids = Vec::new();
            for person in &people {
                let values = person[population].iter();
                let values: Vec<_> = values
                    .map(|(number, text)| (*number, text.as_str()))
                    .collect();
                ids.push(add(&office, 1, &values).await);
            }
            if asked.is_empty() {
                asked = questions(choices, &ids);
            }
            let client = Client {
                office: &office,
                key: &key,
            };
            let mut answers = Vec::new();
            for question in &asked {
                let answer = client.call("GET", question, None).await;
                found += usize::from(answer.text.contains("\"id\""));
                refused += usize::from(answer.status == StatusCode::BAD_REQUEST);
                let etag = answer
                    .headers
                    .get("etag")
                    .map(|etag| etag.to_str().unwrap().to_owned());
                answers.push((
                    format!("{question} {etag:?}"),
                    answer.status.as_u16(),
                    answer.text,
                ));
            }
            told.push(answers);
        }
        // Ids are the same as well, since randomness is repeatable: whoever differs, differs in a value.
        for (one, other) in told[0].iter().zip(&told[1]) {
            assert_eq!(one, other, "seed {seed}: {forms:?}");
        }
    }
    assert!(
        found > 150 && refused > 20,
        "{found} found, {refused} refused"
    );
}
