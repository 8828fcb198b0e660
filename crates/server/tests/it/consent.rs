//! Consent over HTTP: choices recorded one by one and in thousands, asked for, exported, and stopped by signals.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::office::{Answer, Office, log};

const PURPOSES: &str = r#"
purposes:
  newsletter:
    title: {en: Newsletter}
    description: {en: We write to you.}
    categories: [user.contact.email]
    choice: opt_in
    notice: {key: newsletter, from_version: 1}
  sale:
    title: {en: Sale}
    description: {en: Paper Mill pays us for your address.}
    categories: [user.contact.email]
    uses: [sale]
    choice: opt_out
    recipients: [mill]
"#;
const NOTICES: &str = r#"
notices:
  - {notice: newsletter, version: 1, kind: consent, published_from: 2025-01-01T00:00:00Z, purposes: [newsletter], told_by: [web], texts: {en: {title: News, body: We write weekly.}}}
  - {notice: choices, version: 1, kind: right_to_opt_out, published_from: 2025-03-04T00:00:00Z, purposes: [sale], told_by: [web], contains: [right, how_to_opt_out], texts: {en: {title: Your Privacy Choices, body: Say no here.}}}
"#;

async fn office() -> (Office, String) {
    let files = [
        ("consent/purposes.yaml", PURPOSES),
        ("consent/notices.yaml", NOTICES),
    ];
    let office = Office::with(
        &files,
        "consent: consent\nsites: ['https://shop.example']\n",
    )
    .await;
    let key = office.key().await;
    (office, key)
}

async fn call(
    office: &Office,
    key: &str,
    request: axum::http::request::Builder,
    body: Option<&Value>,
) -> Answer {
    let request = request
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json");
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    office.send(request.body(body).unwrap()).await
}

async fn post(office: &Office, key: &str, path: &str, body: &Value) -> Answer {
    call(office, key, Request::post(path), Some(body)).await
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("{}", answer.text))
}

fn no(device: &str) -> Value {
    json!({"party": {"device": device}, "purpose": "sale", "choice": "withdrawn", "place": "shop"})
}

fn yes(party: Value) -> Value {
    json!({"party": party, "purpose": "newsletter", "choice": "given", "place": "shop", "how": "web",
        "shown": {"notice": "newsletter", "version": 1, "language": "en"}})
}

#[tokio::test]
async fn a_consent_is_recorded_asked_for_by_an_opaque_id_and_withdrawn_with_less() {
    let (office, key) = office().await;
    let email = json!({"identifier": {"email": "canary@consent.example"}});
    let created = post(&office, &key, "/api/v1/consents", &yes(email.clone())).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let created = json_of(&created);
    let tag = created["party"]["pseudonym_tag"].as_str().unwrap();
    let ask = || {
        call(
            &office,
            &key,
            Request::get(format!("/api/v1/consents?pseudonym_tag={tag}")),
            None,
        )
    };
    let state = json_of(&ask().await);
    assert_eq!(state["purposes"][0]["purpose"], "newsletter");
    assert_eq!(
        (
            &state["purposes"][0]["allowed"],
            &state["purposes"][0]["reason"]
        ),
        (&json!(true), &json!("consented"))
    );
    assert_eq!(state["choices"][0]["id"], created["id"]);
    let no =
        json!({"party": email, "purpose": "newsletter", "choice": "withdrawn", "place": "shop"});
    assert_eq!(
        post(&office, &key, "/api/v1/consents", &no).await.status,
        StatusCode::CREATED
    );
    let found = post(
        &office,
        &key,
        "/api/v1/consents/find",
        &json!({"party": {"identifier": {"email": " Canary@Consent.example "}}}),
    )
    .await;
    assert_eq!(json_of(&found)["purposes"][0]["reason"], "withdrawn");
    let record = call(
        &office,
        &key,
        Request::get(format!(
            "/api/v1/consents/{}/record?form=kantara",
            created["id"].as_str().unwrap()
        )),
        None,
    )
    .await;
    assert_eq!(json_of(&record)["consentReceiptID"], created["id"]);
    let iso = call(
        &office,
        &key,
        Request::get(format!(
            "/api/v1/consents/{}/record",
            created["id"].as_str().unwrap()
        )),
        None,
    )
    .await;
    assert_eq!(
        json_of(&iso)["dpv:hasLegalBasis"]["dpv:hasConsentStatus"],
        "dpv:ConsentWithdrawn"
    );
    assert!(
        !log().contains("canary@consent"),
        "the log holds no identifier"
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_by_field_and_repeats_no_identifier() {
    let (office, key) = office().await;
    let wrong = |change: &dyn Fn(&mut Value)| {
        let mut body = yes(json!({"device": "canary-device"}));
        change(&mut body);
        body
    };
    let cases = [
        (wrong(&|body| body["shown"] = Value::Null), "shown"),
        (wrong(&|body| body["purpose"] = json!("pigeons")), "purpose"),
        (wrong(&|body| body["every"] = json!(["sale"])), "purpose"),
        (wrong(&|body| body["party"] = json!({})), "party"),
        (
            wrong(&|body| body["party"] = json!({"device": "canary", "pseudonym": "canary"})),
            "party",
        ),
        (
            wrong(&|body| {
                body["party"] = json!({"subject": "sub_00000000000000000000000000000001"})
            }),
            "subject",
        ),
        (
            wrong(&|body| body["party"] = json!({"identifier": {"shoe": "canary"}})),
            "identifier",
        ),
        (wrong(&|body| body["by"] = json!("agent")), "act"),
        (
            wrong(&|body| body["place"] = json!("the canary's place")),
            "place",
        ),
    ];
    for (body, field) in cases {
        let answer = post(&office, &key, "/api/v1/consents", &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(json_of(&answer)["field"], field, "{}", answer.text);
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_at_once_are_each_judged_and_a_repeated_call_doubles_nothing() {
    let (office, key) = office().await;
    let mut items: Vec<Value> = (0..3_000)
        .map(|number| no(&format!("device {number}")))
        .collect();
    items[7] = json!({"party": {"device": "x"}, "colour": "red"});
    items[8]["purpose"] = json!("pigeons");
    let send = || {
        let request = Request::post("/api/v1/consents/bulk")
            .header("idempotency-key", "8e03978e-40d5-43dd-bc93-6894a57f9324");
        let body = json!({"items": items});
        let (office, key) = (&office, &key);
        async move { json_of(&call(office, key, request, Some(&body)).await) }
    };
    let answers = join_all((0..3).map(|_| send())).await;
    let recorded: u64 = answers
        .iter()
        .map(|answer| answer["recorded"].as_u64().unwrap())
        .sum();
    assert_eq!(recorded, 2_998);
    for answer in &answers {
        assert_eq!(answer["refused"], 2);
        assert_eq!(
            (
                &answer["items"][7]["problem"]["code"],
                &answer["items"][8]["problem"]["field"]
            ),
            (&json!("unreadable"), &json!("purpose"))
        );
        assert_eq!(
            answer["items"][2_999]["id"],
            answers[0]["items"][2_999]["id"]
        );
    }
    let many = json!({"items": vec![json!({}); 10_001]});
    let refused = post(&office, &key, "/api/v1/consents/bulk", &many).await;
    assert_eq!(
        (refused.status, json_of(&refused)["code"].as_str().unwrap()),
        (StatusCode::PAYLOAD_TOO_LARGE, "too_many_choices")
    );
}

#[tokio::test]
async fn a_signal_passed_on_by_a_site_stops_sales_under_every_name() {
    let (office, key) = office().await;
    let signal = json!({"gpc": true, "device": "phone", "identifiers": {"email": "canary@signal.example"}, "place": "shop"});
    let first = json_of(&post(&office, &key, "/api/v1/signals", &signal).await);
    assert_eq!(
        (&first["honoured"], &first["recorded"]),
        (&json!(true), &json!(2))
    );
    let again = json_of(&post(&office, &key, "/api/v1/signals", &signal).await);
    assert_eq!(
        (&again["honoured"], &again["recorded"]),
        (&json!(true), &json!(0))
    );
    for party in [
        json!({"device": "phone"}),
        json!({"identifier": {"email": "canary@signal.example"}}),
    ] {
        let state = json_of(
            &post(
                &office,
                &key,
                "/api/v1/consents/find",
                &json!({"party": party}),
            )
            .await,
        );
        assert_eq!(state["purposes"][1]["reason"], "signal");
    }
    let link = json!({"device": "tablet", "identifiers": {"email": "canary@signal.example"}});
    assert_eq!(
        post(&office, &key, "/api/v1/party-links", &link)
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    let state = json_of(
        &post(
            &office,
            &key,
            "/api/v1/consents/find",
            &json!({"party": {"device": "tablet"}}),
        )
        .await,
    );
    assert_eq!(state["purposes"][1]["reason"], "signal");
    let nothing = post(
        &office,
        &key,
        "/api/v1/signals",
        &json!({"gpc": true, "place": "shop"}),
    )
    .await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    let garbage = post(
        &office,
        &key,
        "/api/v1/signals",
        &json!({"gpp": "canary~~", "device": "phone", "place": "shop"}),
    )
    .await;
    assert_eq!(json_of(&garbage)["field"], "gpp");
    assert!(!garbage.text.contains("canary"));
}

#[tokio::test]
async fn a_browser_with_a_number_is_heard_on_any_page_and_one_without_is_not_given_one() {
    let (office, key) = office().await;
    let number = "0123456789abcdef0123456789abcdef";
    let visit = |cookie: String, signal: &'static str| {
        let request = Request::get("/")
            .header("cookie", cookie)
            .header("sec-gpc", signal);
        office.send(request.body(Body::empty()).unwrap())
    };
    let reason = async || {
        let find = json!({"party": {"device": number}});
        json_of(&post(&office, &key, "/api/v1/consents/find", &find).await)["purposes"][1]["reason"]
            .clone()
    };
    visit(format!("other=1; privity_device={number}"), "0").await;
    assert_eq!(reason().await, "not_opted_out");
    for _ in 0..3 {
        let page = visit(format!("other=1; privity_device={number}-signal"), "1").await;
        assert_eq!((page.status, page.cookie.as_str()), (StatusCode::OK, ""));
    }
    assert_eq!(reason().await, "signal");
    let find = json!({"party": {"device": number}});
    let state = json_of(&post(&office, &key, "/api/v1/consents/find", &find).await);
    assert_eq!(
        state["choices"].as_array().unwrap().len(),
        1,
        "written once"
    );
    for cookie in ["", "privity_device=", "privity_device=canary-of-somebody"] {
        assert_eq!(visit(cookie.to_owned(), "1").await.cookie, "");
    }
    assert!(!log().contains(number) && !log().contains("canary-of-somebody"));
}

#[tokio::test]
async fn browsers_learn_that_the_signal_is_honoured() {
    let (office, _) = office().await;
    let file = office.get("/.well-known/gpc.json").await;
    assert_eq!(file.text, r#"{"gpc":true,"lastUpdate":"2025-03-04"}"#);
    assert_eq!(file.headers["content-type"], "application/json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_single_choices_waits_and_loses_none() {
    let (office, key) = office().await;
    let answers = join_all((0..600).map(|number| {
        let (office, key) = (&office, &key);
        async move {
            post(
                office,
                key,
                "/api/v1/consents",
                &no(&format!("flood {number}")),
            )
            .await
            .status
        }
    }))
    .await;
    assert!(answers.iter().all(|status| *status == StatusCode::CREATED));
    let last = json!({"party": {"device": "flood 599"}});
    let state = json_of(&post(&office, &key, "/api/v1/consents/find", &last).await);
    assert_eq!(state["choices"].as_array().unwrap().len(), 1);
}

/// As if the disk of our own database had no room for more pages than these.
async fn limit_pages(office: &Office, pages: u32) {
    let limited = office.privity.database().write("limit", move |tx| {
        tx.query(&format!("PRAGMA max_page_count = {pages}"), &[])?;
        Ok::<_, governance::Problem>(())
    });
    limited.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_choices_are_refused_with_a_time_to_come_again_and_none_is_lost() {
    let (office, key) = office().await;
    limit_pages(&office, 1).await;
    let mut refused = Vec::new();
    for round in 0..30 {
        let answers = join_all((0..200).map(|number| {
            let (office, key, device) = (&office, &key, format!("{round} {number}"));
            async move {
                let answer = post(office, key, "/api/v1/consents", &no(&device)).await;
                (device, answer)
            }
        }))
        .await;
        for (device, answer) in answers {
            if answer.status == StatusCode::CREATED {
                continue;
            }
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers["retry-after"], "60");
            refused.push(device);
        }
        if !refused.is_empty() {
            break;
        }
    }
    assert!(!refused.is_empty(), "the disk is full some day");
    limit_pages(&office, 1_073_741_823).await;
    for device in &refused {
        let find = json!({"party": {"device": device}});
        let state = json_of(&post(&office, &key, "/api/v1/consents/find", &find).await);
        assert_eq!(state["choices"], json!([]), "nothing half done");
        let again = post(&office, &key, "/api/v1/consents", &no(device)).await;
        assert_eq!(again.status, StatusCode::CREATED);
    }
}
