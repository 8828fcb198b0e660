//! SCIM as an identity provider speaks it: the standard's own examples, what clients do in practice, and what they must not get.
#![allow(clippy::print_stdout, reason = "tells what did not run")]

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::office::{Answer, Office};

const SCHEMA: &str = r#"version: 1
sources:
  - { source: staff, number: 1, title: Identity provider, record: staff_number, proves: [staff_number, user_name] }
  - { source: shop, number: 2, title: Web shop, record: email }
attributes:
  - { attribute: staff_number, number: 1, title: Staff number, category: user.unique_id, sources: [staff], identifier: { rule: verbatim, unique: true } }
  - { attribute: user_name, number: 2, title: Account, category: user.unique_id, sources: [staff], identifier: { rule: verbatim } }
  - { attribute: email, number: 3, title: E-mail, category: user.contact.email, identifier: { rule: email, unique: true } }
  - { attribute: first_name, number: 4, title: First name, category: user.name.first }
  - { attribute: last_name, number: 5, title: Last name, category: user.name.last }
  - { attribute: active, number: 6, title: Has an account, kind: boolean, category: user.account, sources: [staff] }
  - { attribute: street, number: 7, title: Street, category: user.contact.address.street }
  - { attribute: city, number: 8, title: City, category: user.contact.address.city }
  - { attribute: company, number: 9, title: Company, category: user.contact.organization }
  - { attribute: points, number: 10, title: Points, kind: integer, category: user.account }
scim:
  source: staff
  attributes: { externalId: staff_number }
"#;

/// An office whose profiles are as this schema says, in this database.
async fn office(schema: &str, storage: &str) -> Office {
    let more = format!("storage: '{storage}'\nprofile: profile.yaml\n");
    Office::with(&[("profile.yaml", schema)], &more).await
}

/// An office on each engine that there is.
async fn on_each_engine(schema: &str, test: impl AsyncFn(&Office, &str)) {
    let on_sqlite = office(schema, "sqlite:privity.db").await;
    test(&on_sqlite, &on_sqlite.key().await).await;
    let Ok(server) = std::env::var("PRIVITY_TEST_POSTGRES") else {
        println!("did not run on PostgreSQL: PRIVITY_TEST_POSTGRES names no server");
        return;
    };
    let name = format!(
        "privity_scim_{}_{}",
        std::process::id(),
        NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    );
    psql(&server, &format!("CREATE DATABASE {name}"));
    let (front, _) = server.rsplit_once('/').unwrap();
    let office = office(schema, &format!("{front}/{name}?sslmode=disable")).await;
    test(&office, &office.key().await).await;
    office.privity.database().close().await;
    psql(&server, &format!("DROP DATABASE {name} WITH (FORCE)"));
}

static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn psql(url: &str, statement: &str) {
    let output = std::process::Command::new("psql")
        .args(["-X", "-q", "-c", statement, url])
        .output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A client of SCIM.
struct Client<'a> {
    office: &'a Office,
    key: &'a str,
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
            .uri(format!("/scim/v2{path}"))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/scim+json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.office.send(request.body(body).unwrap()).await
    }

    /// Makes a User and answers it.
    async fn make(&self, number: &str, name: &str) -> Value {
        let answer = self
            .call("POST", "/Users", Some(&person(number, name)))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        read(&answer)
    }

    async fn found(&self, filter: &str) -> Vec<String> {
        let answer = self
            .call("GET", &format!("/Users?filter={}", escaped(filter)), None)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let list = read(&answer);
        let resources = list["Resources"].as_array().unwrap();
        assert_eq!(list["totalResults"], resources.len());
        resources
            .iter()
            .map(|one| one["userName"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn person(number: &str, name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "externalId": number,
        "userName": name,
        "name": {"givenName": "Barbara", "familyName": "Jensen"},
        "emails": [{"value": format!("{name}@example.com"), "type": "work", "primary": true}, {"value": "babs@jensen.org", "type": "home"}],
        "nickName": "Babs",
    })
}

fn patch(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

fn read(answer: &Answer) -> Value {
    assert_eq!(
        answer.headers["content-type"], "application/scim+json",
        "{}",
        answer.text
    );
    serde_json::from_str(&answer.text).unwrap()
}

fn escaped(text: &str) -> String {
    crate::office::encoded(&[("x", text)]).split_off(2)
}

fn example(name: &str) -> Value {
    let path = format!(
        "{}/../domain/tests/vectors/scim/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Status, `scimType` and words of an error, in its whole form.
fn error(answer: &Answer) -> (u16, String) {
    let body = read(answer);
    assert_eq!(
        body["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:Error"])
    );
    assert_eq!(body["status"], answer.status.as_str());
    assert!(!body["detail"].as_str().unwrap().is_empty());
    (
        answer.status.as_u16(),
        body["scimType"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn a_user_is_made_read_changed_and_deleted() {
    on_each_engine(SCHEMA, async |office, key| {
        let client = Client { office, key };
        let answer = client
            .call("POST", "/Users", Some(&person("7", "bjensen")))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        let made = read(&answer);
        let id = made["id"].as_str().unwrap().to_owned();
        assert_eq!(
            answer.location,
            format!("http://office.test/scim/v2/Users/{id}")
        );
        assert_eq!(made["meta"]["location"], answer.location);
        assert_eq!(made["meta"]["resourceType"], "User");
        assert_eq!(
            made["meta"]["version"],
            answer.headers["etag"].to_str().unwrap()
        );
        assert_eq!(
            (&made["active"], &made["userName"]),
            (&json!(true), &json!("bjensen"))
        );
        assert_eq!(
            made["emails"],
            json!([{"type": "work", "value": "bjensen@example.com"}])
        );
        assert_eq!(
            made["name"],
            json!({"givenName": "Barbara", "familyName": "Jensen"})
        );
        assert!(
            made.get("nickName").is_none(),
            "what isn't mapped is not kept"
        );

        let path = format!("/Users/{id}");
        let shown = client.call("GET", &path, None).await;
        assert_eq!(read(&shown), made);
        let etag = shown.headers["etag"].to_str().unwrap().to_owned();
        let same = client
            .call_with("GET", &path, None, &[("if-none-match", &etag)])
            .await;
        assert_eq!(same.status, StatusCode::NOT_MODIFIED);

        let mut put = person("7", "babs");
        put.as_object_mut().unwrap().remove("name");
        let answer = client
            .call_with("PUT", &path, Some(&put), &[("if-match", &etag)])
            .await;
        let changed = read(&answer);
        assert_eq!(
            (&changed["userName"], changed.get("name")),
            (&json!("babs"), None)
        );
        assert_ne!(changed["meta"]["version"], made["meta"]["version"]);
        let late = client
            .call_with("PUT", &path, Some(&put), &[("if-match", &etag)])
            .await;
        assert_eq!(error(&late).0, 412);

        assert_eq!(
            client.call("DELETE", &path, None).await.status,
            StatusCode::NO_CONTENT
        );
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            let body = if method == "PATCH" {
                patch(json!([]))
            } else {
                put.clone()
            };
            let answer = client.call(method, &path, Some(&body)).await;
            assert_eq!(error(&answer), (404, String::new()), "{method}");
        }
        assert!(client.found("userName eq \"babs\"").await.is_empty());
        let again = client.make("7", "babs").await;
        assert_eq!(again["id"], id, "the same record comes back");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_change_one_version_at_once_one_is_refused_and_changes_nothing() {
    on_each_engine(SCHEMA, async |office, key| {
        let client = Client { office, key };
        let made = client.make("7", "bjensen").await;
        let path = format!("/Users/{}", made["id"].as_str().unwrap());
        let mut etag = made["meta"]["version"].as_str().unwrap().to_owned();
        for round in 0..12 {
            let mut whole = person("7", "bjensen");
            whole["name"]["givenName"] = json!(format!("Ada {round}"));
            let part = patch(json!([
                {"op": "replace", "path": "name.givenName", "value": format!("Bea {round}")},
                {"op": "replace", "path": "active", "value": round % 2 == 0},
            ]));
            let headers = [("if-match", etag.as_str())];
            let (put, patched) = tokio::join!(
                client.call_with("PUT", &path, Some(&whole), &headers),
                client.call_with("PATCH", &path, Some(&part), &headers),
            );
            let (won, lost, name) = if put.status == StatusCode::OK {
                (put, patched, format!("Ada {round}"))
            } else {
                (patched, put, format!("Bea {round}"))
            };
            assert_eq!((won.status, error(&lost).0), (StatusCode::OK, 412));
            let shown = client.call("GET", &path, None).await;
            assert_eq!(read(&shown), read(&won), "what was refused changed nothing");
            assert_eq!(read(&shown)["name"]["givenName"], name);
            etag = shown.headers["etag"].to_str().unwrap().to_owned();
        }
        let (headers, whole) = ([("if-match", etag.as_str())], person("7", "bjensen"));
        let (deleted, late) = tokio::join!(
            client.call_with("DELETE", &path, None, &headers),
            client.call_with("PUT", &path, Some(&whole), &headers),
        );
        let statuses = [deleted.status.as_u16(), late.status.as_u16()];
        assert!(
            matches!(statuses, [204, 404 | 412] | [412, 200]),
            "{statuses:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_make_one_user_at_once_one_does() {
    on_each_engine(SCHEMA, async |office, key| {
        let client = Client { office, key };
        for round in 0..12 {
            let name = format!("user{round}");
            let [one, other] = [1, 2].map(|of| {
                // By the record's key and by the name, and by the name alone.
                let number = if round % 2 == 0 {
                    round
                } else {
                    100 * of + round
                };
                person(&number.to_string(), &name)
            });
            let (one, other) = tokio::join!(
                client.call("POST", "/Users", Some(&one)),
                client.call("POST", "/Users", Some(&other)),
            );
            let mut statuses = [one.status.as_u16(), other.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [201, 409], "{round}");
            let found = client.found(&format!("userName eq \"{name}\"")).await;
            assert_eq!(found, [name]);
        }
    })
    .await;
}

#[tokio::test]
async fn filters_find_by_what_identifies_and_by_nothing_else() {
    on_each_engine(SCHEMA, async |office, key| {
        let client = Client { office, key };
        client.make("7", "bjensen").await;
        client.make("8", "zed").await;
        for filter in [
            "userName eq \"bjensen\"",
            "externalId eq \"7\"",
            "emails.value eq \"BJensen@example.com\"",
            "emails[type eq \"work\"].value eq \"bjensen@example.com\"",
        ] {
            assert_eq!(client.found(filter).await, ["bjensen"], "{filter}");
        }
        assert!(client.found("userName eq \"nobody\"").await.is_empty());
        for filter in ["name.familyName eq \"Jensen\"", "userName sw \"b\"", "userName eq \"b\" and active eq true", "nickName eq \"x\""] {
            let answer = client.call("GET", &format!("/Users?filter={}", escaped(filter)), None).await;
            assert_eq!(error(&answer), (400, "invalidFilter".to_owned()), "{filter}");
        }
        let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName eq \"zed\"", "startIndex": 1, "count": 10});
        let answer = client.call("POST", "/Users/.search", Some(&search)).await;
        assert_eq!(read(&answer)["Resources"][0]["userName"], "zed");
    })
    .await;
}

#[tokio::test]
async fn all_are_listed_a_page_at_a_time() {
    on_each_engine(SCHEMA, async |office, key| {
        let client = Client { office, key };
        for number in 0..5 {
            client
                .make(&number.to_string(), &format!("user{number}"))
                .await;
        }
        let mut seen = Vec::new();
        for start in [1, 3, 5] {
            let list = read(
                &client
                    .call("GET", &format!("/Users?startIndex={start}&count=2"), None)
                    .await,
            );
            assert_eq!(
                (&list["totalResults"], &list["startIndex"]),
                (&json!(5), &json!(start))
            );
            let page = list["Resources"].as_array().unwrap();
            assert_eq!(list["itemsPerPage"], page.len());
            seen.extend(
                page.iter()
                    .map(|one| one["userName"].as_str().unwrap().to_owned()),
            );
        }
        seen.sort();
        assert_eq!(seen, ["user0", "user1", "user2", "user3", "user4"]);
        let none = read(&client.call("GET", "/Users?count=0", None).await);
        assert_eq!(
            (&none["totalResults"], &none["Resources"]),
            (&json!(5), &json!([]))
        );
    })
    .await;
}

#[tokio::test]
async fn patches_as_clients_send_them_change_what_they_name() {
    on_each_engine(SCHEMA, async |office, key| {
        let client = Client { office, key };
        let id = client.make("7", "bjensen").await["id"].as_str().unwrap().to_owned();
        let path = format!("/Users/{id}");
        for (operations, at, expected) in [
            (json!([{"op": "Replace", "path": "active", "value": "False"}]), "/active", json!(false)),
            (json!([{"op": "replace", "value": {"active": true}}]), "/active", json!(true)),
            (json!([{"op": "remove", "path": "active"}]), "/active", json!(true)),
            (json!([{"op": "add", "path": "name.givenName", "value": "Ann"}]), "/name/givenName", json!("Ann")),
            (json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "ann@example.com"}]), "/emails/0/value", json!("ann@example.com")),
            (json!([{"op": "add", "path": "addresses", "value": [{"type": "work", "streetAddress": "1 Main", "locality": "Reno"}]}]), "/addresses/0/locality", json!("Reno")),
            (json!([{"op": "remove", "path": "emails"}]), "/emails", Value::Null),
            (json!([{"op": "replace", "path": "userName", "value": "ann"}]), "/userName", json!("ann")),
            (json!([{"op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization", "value": "Mill"}]), "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/organization", json!("Mill")),
        ] {
            let answer = client.call("PATCH", &path, Some(&patch(operations.clone()))).await;
            assert_eq!(answer.status, StatusCode::OK, "{operations} {}", answer.text);
            let changed = read(&answer);
            assert_eq!(changed.pointer(at).unwrap_or(&Value::Null), &expected, "{operations} {changed}");
        }
        let name = "rfc7644-3.5.2.3-patch_op-replace_user_work_address";
        let changed = read(&client.call("PATCH", &path, Some(&example(name))).await);
        assert_eq!(changed["addresses"][0]["streetAddress"], "911 Universal City Plaza");
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_told_by_the_codes_of_the_standard() {
    on_each_engine(SCHEMA, async |office, key| {
        let client = Client { office, key };
        let id = client.make("7", "bjensen").await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let path = format!("/Users/{id}");
        let taken = client
            .call("POST", "/Users", Some(&person("9", "bjensen")))
            .await;
        assert_eq!(error(&taken), (409, "uniqueness".to_owned()));
        client.make("8", "zed").await;
        let taken = client
            .call(
                "PATCH",
                &path,
                Some(&patch(
                    json!([{"op": "replace", "path": "userName", "value": "zed"}]),
                )),
            )
            .await;
        assert_eq!(error(&taken), (409, "uniqueness".to_owned()));
        let taken = client
            .call("POST", "/Users", Some(&person("7", "other")))
            .await;
        assert_eq!(error(&taken), (409, "uniqueness".to_owned()));
        for (operations, code) in [
            (json!([{"op": "remove"}]), "noTarget"),
            (json!([{"op": "remove", "path": "userName"}]), "mutability"),
            (
                json!([{"op": "replace", "path": "externalId", "value": "70"}]),
                "mutability",
            ),
            (
                json!([{"op": "replace", "path": "active", "value": "perhaps"}]),
                "invalidValue",
            ),
            (
                json!([{"op": "replace", "path": "a b", "value": "x"}]),
                "invalidPath",
            ),
        ] {
            let answer = client
                .call("PATCH", &path, Some(&patch(operations.clone())))
                .await;
            assert_eq!(error(&answer), (400, code.to_owned()), "{operations}");
        }
        let nameless = client
            .call("POST", "/Users", Some(&json!({"externalId": "10"})))
            .await;
        assert_eq!(error(&nameless), (400, "invalidValue".to_owned()));
        let keyless = client
            .call("POST", "/Users", Some(&json!({"userName": "nokey"})))
            .await;
        assert_eq!(error(&keyless), (400, "invalidValue".to_owned()));
        let nobody = Client {
            office,
            key: "wrong",
        };
        assert_eq!(error(&nobody.call("GET", &path, None).await).0, 401);
        assert_eq!(
            error(&client.call("GET", "/Users/sub_nonsense", None).await).0,
            404
        );
        assert_eq!(error(&client.call("GET", "/Groups", None).await).0, 404);
    })
    .await;
}

#[tokio::test]
async fn a_client_sees_its_own_record_and_nothing_that_others_say_of_the_same_person() {
    on_each_engine(SCHEMA, async |office, key| {
        let client = Client { office, key };
        let made = client.make("7", "bjensen").await;
        let shop = json!({"source": "shop", "records": [{"attributes": {"email": "bjensen@example.com", "first_name": "Planted", "points": 5, "city": "Elsewhere"}, "verified": {"email": true}}]});
        let request = Request::post("/api/v1/profiles")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json");
        let written = office.send(request.body(Body::from(shop.to_string())).unwrap()).await;
        assert_eq!(written.status, StatusCode::OK, "{}", written.text);
        let theirs: Value = serde_json::from_str(&written.text).unwrap();
        let shown = client.call("GET", &format!("/Users/{}", made["id"].as_str().unwrap()), None).await;
        assert_eq!(read(&shown), made);
        let other = theirs["subjects"][0].as_str().unwrap();
        assert_eq!(error(&client.call("GET", &format!("/Users/{other}"), None).await).0, 404);
        assert_eq!(client.found("emails.value eq \"bjensen@example.com\"").await, ["bjensen"]);
        let list = read(&client.call("GET", "/Users", None).await);
        assert_eq!(list["totalResults"], 1);
    })
    .await;
}

#[tokio::test]
async fn deleting_can_take_out_what_the_source_said() {
    let schema = SCHEMA.replace(
        "  source: staff\n  attributes",
        "  source: staff\n  on_delete: withdraw\n  attributes",
    );
    on_each_engine(&schema, async |office, key| {
        let client = Client { office, key };
        let id = client.make("7", "bjensen").await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(
            client
                .call("DELETE", &format!("/Users/{id}"), None)
                .await
                .status,
            StatusCode::NO_CONTENT
        );
        let request = Request::get(format!("/api/v1/profiles/{id}"))
            .header("authorization", format!("Bearer {key}"));
        let profile = office.send(request.body(Body::empty()).unwrap()).await;
        let profile: Value = serde_json::from_str(&profile.text).unwrap();
        let left: Vec<&String> = profile["attributes"].as_object().unwrap().keys().collect();
        assert_eq!(left, ["staff_number"]);
    })
    .await;
}

#[tokio::test]
async fn a_client_learns_what_is_kept_here() {
    let office = office(SCHEMA, "sqlite:privity.db").await;
    let key = office.key().await;
    let client = Client {
        office: &office,
        key: &key,
    };
    let provider = read(&client.call("GET", "/ServiceProviderConfig", None).await);
    assert_eq!(
        (
            &provider["patch"]["supported"],
            &provider["bulk"]["supported"]
        ),
        (&json!(true), &json!(false))
    );
    let types = read(&client.call("GET", "/ResourceTypes", None).await);
    assert_eq!(types["Resources"][0]["endpoint"], "/Users");
    let user = read(&client.call("GET", "/ResourceTypes/User", None).await);
    assert_eq!(
        user["schemaExtensions"][0]["schema"],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    );
    let schemas = read(&client.call("GET", "/Schemas", None).await);
    assert_eq!(schemas["totalResults"], 2);
    let schema = read(
        &client
            .call(
                "GET",
                "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
                None,
            )
            .await,
    );
    let names: Vec<&str> = schema["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert!(
        [
            "userName",
            "externalId",
            "active",
            "name",
            "emails",
            "addresses"
        ]
        .iter()
        .all(|name| names.contains(name)),
        "{names:?}"
    );
}
