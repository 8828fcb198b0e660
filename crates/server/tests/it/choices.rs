//! Choices from the business's own pages and from the Privacy Center: who may send them, what is recorded, and what is kept of whoever chooses.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::consent::{Act, By, Party};
use domain::data_map::IdentifierKind;
use domain::sensitive::Sensitive;
use governance::consent::{Asked, StoredConsent};
use serde_json::{Value, json};

use crate::office::{Answer, Office, log};

const DEVICE: &str = "0123456789abcdef0123456789abcdef";
const SHOP: &str = "https://shop.example";

const PURPOSES: &str = r"
purposes:
  sell_addresses:
    title: { en: Sale of addresses, es: Venta de direcciones }
    description: { en: Paper Mill pays us for your address., es: Paper Mill nos paga por su dirección. }
    categories: [user.contact.email]
    uses: [sale]
    choice: opt_out
    recipients: [mill]
    notice: { key: sale, from_version: 1 }
  recommendations:
    title: { en: Recommendations <picked> }
    description: { en: We guess what you like. }
    categories: [user.behavior.purchase_history]
    choice: opt_in
    notice: { key: advice, from_version: 1 }
  orders:
    title: { en: Your orders }
    description: { en: We send what you order. }
    categories: [user.contact.email]
    choice: none
";

const NOTICES: &str = r"
notices:
  - { notice: choices, version: 1, kind: right_to_opt_out, published_from: 2025-01-01T00:00:00Z, purposes: [sell_addresses], told_by: [web], contains: [right, how_to_opt_out],
      texts: { en: { title: Your Privacy Choices, body: You may stop it here. } } }
  - { notice: sale, version: 1, kind: consent, published_from: 2025-01-01T00:00:00Z, purposes: [sell_addresses], told_by: [web],
      texts: { en: { title: May we sell it?, body: Paper Mill prints it on envelopes. }, es: { title: ¿Podemos venderla?, body: Paper Mill la imprime. } } }
  - { notice: advice, version: 1, kind: consent, published_from: 2025-01-01T00:00:00Z, purposes: [recommendations], told_by: [web],
      texts: { en: { title: May we guess?, body: We look at what you bought. } } }
";

/// An office with a site of its own, and choices about three purposes.
async fn shop() -> Office {
    let files = [
        ("consent/purposes.yaml", PURPOSES),
        ("consent/notices.yaml", NOTICES),
    ];
    Office::with(
        &files,
        "consent: consent\nsites: ['https://shop.example']\n",
    )
    .await
}

impl Office {
    async fn call(&self, origin: &str, body: &Value) -> Answer {
        let request = Request::post("/choices.json")
            .header("content-type", "text/plain;charset=UTF-8")
            .header("sec-fetch-site", "cross-site")
            .header("origin", origin);
        let body = Body::from(body.to_string());
        self.send(request.body(body).unwrap()).await
    }

    async fn tell(&self, body: Value) -> Value {
        let answer = self.call(SHOP, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        serde_json::from_str(&answer.text).unwrap()
    }

    async fn recorded(&self, device: &str) -> Vec<StoredConsent> {
        let tag = self.privity.device_tag(&Sensitive::new(device.to_owned()));
        let asked = Asked::of(Party::Device(tag));
        self.privity.consent_history(&asked).await.unwrap().own
    }
}

fn purpose<'t>(told: &'t Value, key: &str) -> &'t Value {
    let mut all = told["purposes"].as_array().unwrap().iter();
    all.find(|purpose| purpose["key"] == key).unwrap()
}

/// A choice as the script sends it, with what it was shown.
fn choice(told: &Value, id: &str, key: &str, yes: bool, steps: u8) -> Value {
    json!({"id": id, "purpose": key, "yes": yes, "steps": steps, "shown": purpose(told, key)["shown"]})
}

async fn offered(office: &Office) -> Value {
    let answer = office.get("/choices.json?site=shop").await;
    assert_eq!(answer.status, StatusCode::OK);
    serde_json::from_str(&answer.text).unwrap()
}

#[tokio::test]
async fn a_visitor_is_told_what_she_may_choose_and_nothing_is_kept_of_her() {
    let office = shop().await;
    let answer = office.get("/choices.json?site=shop&lang=es-MX").await;
    assert_eq!(answer.cookie, "");
    assert_eq!(answer.headers["cache-control"], "public, max-age=60");
    let told: Value = serde_json::from_str(&answer.text).unwrap();
    let sold = purpose(&told, "sell_addresses");
    assert_eq!(sold["title"], "Venta de direcciones");
    assert_eq!(sold["notice"]["title"], "¿Podemos venderla?");
    assert_eq!(sold["reason"], "not_opted_out");
    assert_eq!(told["ask"], json!(["recommendations"]));
    assert_eq!(told["words"]["no"], "No");
    assert_eq!(told["gpp"]["apis"], json!(["7:usnat", "8:usca"]));
    let parts = told["gpp"]["sections"]["usca"].as_array().unwrap();
    assert_eq!(
        (&parts[0]["SaleOptOut"], &parts[1]["Gpc"]),
        (&json!(2), &json!(false))
    );
}

#[tokio::test]
async fn pages_of_the_businesss_own_sites_are_answered_and_no_others() {
    let office = shop().await;
    let ours = office.call(SHOP, &json!({"site": "shop"})).await;
    assert_eq!(ours.headers["access-control-allow-origin"], SHOP);
    for origin in [
        "https://evil.example",
        "https://shop.example.evil.example",
        "null",
    ] {
        let theirs = office.call(origin, &json!({"site": "shop"})).await;
        assert_eq!(theirs.status, StatusCode::FORBIDDEN, "{origin}");
        assert!(!theirs.headers.contains_key("access-control-allow-origin"));
        let read = Request::get("/choices.json").header("origin", origin);
        let read = office.send(read.body(Body::empty()).unwrap()).await;
        assert!(!read.headers.contains_key("access-control-allow-origin"));
    }
    let preflight = |origin| {
        let request = Request::options("/choices.json").header("origin", origin);
        office.send(request.body(Body::empty()).unwrap())
    };
    assert_eq!(preflight(SHOP).await.status, StatusCode::NO_CONTENT);
    let refused = preflight("https://evil.example").await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_choice_that_is_sent_again_is_recorded_once() {
    let office = shop().await;
    let told = offered(&office).await;
    let no = choice(&told, "a", "sell_addresses", false, 1);
    let body = json!({"site": "shop", "device": DEVICE, "choices": [no]});
    for _ in 0..2 {
        let told = office.tell(body.clone()).await;
        assert_eq!(told["settled"], json!(["a"]));
        assert_eq!(purpose(&told, "sell_addresses")["reason"], "opted_out");
        assert_eq!(told["gpp"]["sections"]["usca"][0]["SaleOptOut"], 1);
    }
    let recorded = office.recorded(DEVICE).await;
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0].event.place, "shop");
    assert!(matches!(recorded[0].event.by, By::Subject));
}

#[tokio::test]
async fn a_yes_counts_with_the_text_that_was_shown_and_with_no_other() {
    let office = shop().await;
    let told = offered(&office).await;
    let mut other = choice(&told, "b", "recommendations", true, 1);
    other["shown"]["digest"] = json!("0".repeat(64));
    let right = choice(&told, "a", "recommendations", true, 1);
    let unknown = json!({"id": "c", "purpose": "world_peace", "yes": true});
    let told = office
        .tell(json!({"site": "shop", "device": DEVICE, "choices": [other, right, unknown]}))
        .await;
    assert_eq!(
        told["settled"],
        json!(["b", "a", "c"]),
        "none is sent again"
    );
    let refused = told["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!(purpose(&told, "recommendations")["reason"], "consented");
    assert_eq!(office.recorded(DEVICE).await.len(), 1);
}

#[tokio::test]
async fn one_step_does_not_lead_back_into_a_sale() {
    let office = shop().await;
    let told = offered(&office).await;
    let no = choice(&told, "a", "sell_addresses", false, 1);
    let one = choice(&told, "b", "sell_addresses", true, 1);
    let two = choice(&told, "c", "sell_addresses", true, 2);
    let send = |choice: &Value| {
        office.tell(json!({"site": "shop", "device": DEVICE, "choices": [choice]}))
    };
    send(&no).await;
    office.clock.advance(jiff::SignedDuration::from_secs(1));
    let told = send(&one).await;
    assert_eq!(told["refused"][0]["id"], "b");
    assert_eq!(purpose(&told, "sell_addresses")["allowed"], false);
    let told = send(&two).await;
    assert_eq!(
        purpose(&told, "sell_addresses")["reason"],
        "consented_again"
    );
    let last = office.recorded(DEVICE).await.pop().unwrap().event;
    assert!(matches!(last.act, Act::OptedInAgain(_)));
}

#[tokio::test]
async fn a_signal_counts_whoever_tells_of_it_and_is_recorded_for_a_known_device_once() {
    let office = shop().await;
    let header = Request::get("/choices.json?site=shop").header("sec-gpc", "1");
    let answer = office.send(header.body(Body::empty()).unwrap()).await;
    let told: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(purpose(&told, "sell_addresses")["reason"], "signal");
    assert!(
        answer
            .headers
            .get_all("vary")
            .iter()
            .any(|name| name == "sec-gpc")
    );
    let told = office.tell(json!({"site": "shop", "gpc": true})).await;
    assert_eq!(
        (&told["gpc"], &told["gpp"]["sections"]["usnat"][1]["Gpc"]),
        (&json!(true), &json!(true))
    );
    for _ in 0..2 {
        office
            .tell(json!({"site": "shop", "gpc": true, "device": DEVICE}))
            .await;
    }
    let recorded = office.recorded(DEVICE).await;
    assert_eq!(recorded.len(), 1);
    assert!(matches!(recorded[0].event.by, By::Signal { .. }));
}

#[tokio::test]
async fn no_yes_is_taken_while_the_signal_says_no_and_an_earlier_one_does_not_count() {
    let office = shop().await;
    let told = offered(&office).await;
    let yes = |id| choice(&told, id, "sell_addresses", true, 2);
    let body = json!({"site": "shop", "device": DEVICE, "choices": [yes("a")]});
    assert_eq!(
        purpose(&office.tell(body).await, "sell_addresses")["reason"],
        "consented"
    );
    office.clock.advance(jiff::SignedDuration::from_secs(1));
    let body = json!({"site": "shop", "device": DEVICE, "gpc": true, "choices": [yes("b")]});
    let told = office.tell(body).await;
    assert_eq!(told["refused"][0]["id"], "b");
    let sold = purpose(&told, "sell_addresses");
    assert_eq!(
        (&sold["reason"], &sold["yes"]),
        (&json!("signal"), &json!(false))
    );
    assert!(
        sold["says"]
            .as_str()
            .unwrap()
            .contains("You said yes before")
    );
}

#[tokio::test]
async fn a_mark_of_an_earlier_signal_becomes_an_opt_out_of_the_device_and_a_later_yes_survives_its_repetition()
 {
    let office = shop().await;
    let told = offered(&office).await;
    let other = choice(&told, "a", "recommendations", true, 1);
    let body = json!({"site": "shop", "device": DEVICE, "mark": true, "choices": [other]});
    let told = office.tell(body).await;
    assert_eq!(purpose(&told, "sell_addresses")["reason"], "signal");
    office.clock.advance(jiff::SignedDuration::from_secs(1));
    let yes = choice(&told, "b", "sell_addresses", true, 2);
    let body = json!({"site": "shop", "device": DEVICE, "mark": true, "choices": [yes]});
    for _ in 0..2 {
        let told = office.tell(body.clone()).await;
        assert_eq!(
            purpose(&told, "sell_addresses")["reason"],
            "consented_again"
        );
    }
}

#[tokio::test]
async fn a_no_on_a_device_holds_for_the_businesss_own_id_of_whoever_uses_it() {
    let office = shop().await;
    let told = offered(&office).await;
    let no = choice(&told, "a", "sell_addresses", false, 1);
    let own = "customer-4711";
    office
        .tell(json!({"site": "shop", "device": DEVICE, "pseudonyms": [own], "choices": [no]}))
        .await;
    let kind = IdentifierKind("pseudonym".to_owned());
    let tag = office
        .privity
        .pseudonym_tag(&kind, &Sensitive::new(own.to_owned()));
    let standings = office
        .privity
        .standings(&Asked::of(Party::Pseudonym(tag)))
        .await
        .unwrap();
    let sold = standings
        .iter()
        .find(|one| one.purpose.as_ref() == "sell_addresses");
    assert!(!sold.unwrap().standing.allowed);
}

#[tokio::test]
async fn neither_a_device_nor_an_own_id_of_the_business_is_in_any_file_or_log() {
    let office = shop().await;
    let told = offered(&office).await;
    let no = choice(&told, "a", "sell_addresses", false, 1);
    let (device, own) = ("feedfacefeedfacefeedfacefeedface", "customer-planted-4712");
    office
        .tell(json!({"site": "shop", "device": device, "pseudonyms": [own], "choices": [no]}))
        .await;
    let device_page = office
        .post(
            "/choices",
            &format!("privity_device={device}"),
            &[("purpose", "recommendations"), ("choice", "no")],
        )
        .await;
    assert_eq!(device_page.status, StatusCode::SEE_OTHER);
    office.privity.database().close().await;
    let bytes = office.bytes();
    for planted in [device, own] {
        let is_there = bytes
            .windows(planted.len())
            .any(|window| window == planted.as_bytes());
        assert!(!is_there && !log().contains(planted), "{planted}");
    }
}

#[tokio::test]
async fn what_is_no_choice_is_refused_in_words_that_say_what_to_send() {
    let office = shop().await;
    let cases = [
        (
            json!({"site": "shop", "device": "me@example.com"}),
            "device",
        ),
        (json!({"site": "shop <b>"}), "site"),
        (json!({"site": "shop", "law": "moon_act"}), "law"),
        (
            json!({"site": "shop", "pseudonyms": vec!["x"; 6]}),
            "pseudonyms",
        ),
        (
            json!({"site": "shop", "choices": [{"id": "a", "purpose": "orders", "yes": false}]}),
            "device",
        ),
    ];
    for (body, field) in cases {
        let answer = office.call(SHOP, &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let problem: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(problem["field"], field, "{body}");
        assert!(!answer.text.contains("me@example.com") && !answer.text.contains("moon_act"));
    }
    let many: Vec<Value> = (0..51)
        .map(|id| json!({"id": id.to_string(), "purpose": "x", "yes": false}))
        .collect();
    let answer = office
        .call(SHOP, &json!({"device": DEVICE, "choices": many}))
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = office.call(SHOP, &json!("no object")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_flood_is_told_when_to_come_again() {
    let mut office = shop().await;
    office.stand_behind_proxy();
    let knock = |address: &'static str| {
        let request = Request::post("/choices.json")
            .header("origin", SHOP)
            .header("x-forwarded-for", address);
        office.send(request.body(Body::from("{}")).unwrap())
    };
    for _ in 0..300 {
        assert_eq!(knock("192.0.2.1").await.status, StatusCode::OK);
    }
    let refused = knock("192.0.2.1").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers["retry-after"], "60");
    assert_eq!(
        refused.headers["access-control-expose-headers"],
        "retry-after"
    );
    assert_eq!(knock("192.0.2.2").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_script_is_for_every_page_and_lies_in_caches_for_an_hour() {
    let office = shop().await;
    let first = office.get("/privity.js").await;
    assert_eq!(first.headers["cache-control"], "public, max-age=3600");
    assert_eq!(
        first.headers["cross-origin-resource-policy"],
        "cross-origin"
    );
    let again = Request::get("/privity.js").header("if-none-match", &first.headers["etag"]);
    let again = office.send(again.body(Body::empty()).unwrap()).await;
    assert_eq!(
        (again.status, again.text.as_str()),
        (StatusCode::NOT_MODIFIED, "")
    );
}

#[tokio::test]
async fn a_page_of_the_center_gives_a_browser_its_number_with_the_first_choice_and_never_another() {
    let office = shop().await;
    assert_eq!(office.get("/choices").await.cookie, "");
    let no = [("purpose", "sell_addresses"), ("choice", "no")];
    let answer = office.post("/choices", "", &no).await;
    assert_eq!(answer.location, "/choices?said=saved#sell_addresses");
    assert!(answer.cookie.contains("SameSite=Lax") && answer.cookie.starts_with("privity_device="));
    let cookie = answer.cookie.split(';').next().unwrap().to_owned();
    let page = office.get_as("/choices", &cookie).await.text;
    assert!(page.contains("because you opted out"), "{page}");
    assert!(page.contains("Recommendations &lt;picked&gt;"));
    let again = office.post("/choices", &cookie, &no).await;
    assert_eq!(again.cookie, "");
    let device = cookie.split_once('=').unwrap().1;
    assert_eq!(office.recorded(device).await.len(), 2);
}

#[tokio::test]
async fn a_signal_is_seen_to_be_honoured_on_every_page_where_she_might_look() {
    let office = shop().await;
    for path in ["/", "/choices", "/opt-out"] {
        let request = Request::get(path).header("sec-gpc", "1");
        let answer = office.send(request.body(Body::empty()).unwrap()).await;
        assert!(answer.text.contains("Opt-Out Request Honored"), "{path}");
        assert!(
            !office
                .get(path)
                .await
                .text
                .contains("Opt-Out Request Honored"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_guardians_no_counts_without_proof_and_her_yes_is_not_taken() {
    let office = shop().await;
    let answer = |choice| {
        [
            ("purpose", "recommendations"),
            ("choice", choice),
            ("for", "child"),
        ]
    };
    let no = office.post("/choices", "", &answer("no")).await;
    assert_eq!(no.location, "/choices?said=saved&for=child#recommendations");
    let cookie = no.cookie.split(';').next().unwrap().to_owned();
    let recorded = office.recorded(cookie.split_once('=').unwrap().1).await;
    assert!(matches!(recorded[0].event.by, By::Guardian { proof: None }));
    let yes = office.post("/choices", &cookie, &answer("yes")).await;
    assert_eq!(yes.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_operator_finds_what_a_browser_chose_and_takes_its_records_away() {
    let office = shop().await;
    let told = offered(&office).await;
    let no = choice(&told, "a", "sell_addresses", false, 1);
    let yes = choice(&told, "b", "recommendations", true, 1);
    office
        .tell(json!({"site": "shop", "device": DEVICE, "choices": [no, yes]}))
        .await;
    let session = office.session().await;
    let sought = [("kind", "device"), ("value", DEVICE)];
    let found = office.post("/console/consents", &session, &sought).await;
    assert!(!found.location.contains(DEVICE), "an address holds no id");
    let looked = |office: &Office| {
        let shown = b"\"consent_shown\"".as_slice();
        let bytes = office.bytes();
        bytes.windows(shown.len()).any(|window| window == shown)
    };
    assert!(!looked(&office));
    let page = office.get_as(&found.location, &session).await.text;
    assert!(looked(&office), "that she looked is in the audit log");
    assert!(page.contains("opted out") && page.contains("Sale of addresses"));
    assert!(page.contains("because you said yes") && page.contains("advice, version 1, en"));
    let links = page
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    let exports: Vec<String> = links
        .filter(|link| link.contains("/record"))
        .map(|link| link.replace("&amp;", "&"))
        .collect();
    assert_eq!(
        exports.len(),
        5,
        "two records, one receipt, and all of each form"
    );
    for export in &exports {
        let file = office.get_as(export, &session).await;
        assert_eq!(file.status, StatusCode::OK, "{export}: {}", file.text);
        assert!(
            file.headers["content-disposition"]
                .to_str()
                .unwrap()
                .starts_with("attachment")
        );
        let _: Value = serde_json::from_str(&file.text).unwrap();
    }
    let nobody = office
        .get_as("/console/consents?of=device:x", &session)
        .await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let wrong = [("kind", "subject"), ("value", "Maria")];
    let wrong = office.post("/console/consents", &session, &wrong).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!wrong.text.contains("Maria"));
}
