//! Scenarios of law/scenarios.yaml without a date, as far as use cases decide them. The table of all of them, which says where each
//! is proven or which issue will, stands in crates/domain/tests/it/scenarios.rs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io::Read;

use domain::data_map::IdentifierKind;
use domain::id::OperatorId;
use domain::outreach::Answer;
use domain::privacy_request::{IntakeChannel, PrivacyRequest, RequestKind, RequestState, Waiting};
use domain::sensitive::Sensitive;
use governance::letter::{self, Sender, UntoldLine};
use governance::privacy_request::intake::{self, Intake, Received};
use governance::privacy_request::{access, console, plan, take_answer, tracker};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::house::{House, MAP, make_sources, sql};

async fn operator(house: &House) -> OperatorId {
    governance::operator::add(&house.p, "Robin")
        .await
        .unwrap()
        .0
}

/// The scenario as the file has it, so that a changed one is looked at again.
fn scenario(id: &str) -> Value {
    let file: Value =
        serde_saphyr::from_str(include_str!("../../../../law/scenarios.yaml")).unwrap();
    let scenarios = file["scenarios"].as_array().unwrap();
    let found = scenarios.iter().find(|scenario| scenario["id"] == id);
    found.unwrap_or_else(|| panic!("{id}")).clone()
}

async fn receive(house: &House, intake: Intake) -> Received {
    intake::receive(&house.p, intake)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

/// Maya asks under a law; an operator has verified who she is.
fn vouched(kind: RequestKind, law: &str, operator: OperatorId) -> Intake {
    Intake::Identified {
        kind,
        law: Some(law.to_owned()),
        email: Sensitive::new("maya@example.org".to_owned()),
        name: None,
        identifiers: Vec::new(),
        language: "en".to_owned(),
        channel: IntakeChannel::Api,
        since: None,
        verified_by: Some(operator),
        address: None,
    }
}

fn opt_out(law: &str) -> Intake {
    Intake::OptOut {
        law: Some(law.to_owned()),
        locate: vec![(
            IdentifierKind::email(),
            Sensitive::new("maya@example.org".to_owned()),
        )],
        language: "en".to_owned(),
        channel: IntakeChannel::PrivacyCenter,
        address: None,
    }
}

async fn request(house: &House, received: &Received) -> PrivacyRequest {
    let detail = console::detail(&house.p, received.id).await.unwrap();
    PrivacyRequest {
        id: received.id,
        kind: detail.listed.kind,
        law: detail.listed.law,
        state: detail.listed.state,
        waiting: detail.listed.waiting,
        channel: detail.channel,
        language: "en".to_owned(),
        received_at: detail.received_at,
        clock: detail.clock,
        closed_at: None,
        version: 1,
    }
}

#[tokio::test]
async fn ca_clk_05_a_decision_sent_first_takes_the_place_of_the_receipt() {
    let given = scenario("CA-CLK-05");
    assert_eq!(given["given"]["type"], "delete");
    let house = House::new().await;
    let operator = operator(&house).await;
    let received = receive(&house, vouched(RequestKind::Delete, "ccpa", operator)).await;
    plan::deny(
        &house.p,
        received.id,
        operator,
        "fraudulent",
        "the facts".to_owned(),
    )
    .await
    .unwrap();
    // Past the day by which receipt would have had to be confirmed.
    house.clock.set("2026-11-18T18:00:00Z".parse().unwrap());
    house.work().await;
    let mails = house.mailbox.all();
    assert_eq!(mails.len(), 1, "the decision, and no receipt after it");
    assert!(mails[0].text.contains("We can't do what you asked"));
    let overview = console::overview(&house.p).await.unwrap();
    assert_eq!((overview.overdue, overview.need_operator), (0, 0));
}

#[tokio::test]
async fn ca_int_01_what_came_by_another_channel_is_taken_in_by_an_operator_and_the_log_says_how() {
    let given = scenario("CA-INT-01");
    assert_eq!(given["given"]["received"], "2026-11-02");
    let house = House::new().await;
    let operator = operator(&house).await;
    let Intake::Identified {
        kind,
        law,
        email,
        name,
        identifiers,
        language,
        since,
        address,
        ..
    } = vouched(RequestKind::Delete, "ccpa", operator)
    else {
        panic!()
    };
    let typed_in = Intake::Identified {
        channel: IntakeChannel::CommandLine,
        verified_by: None,
        kind,
        law,
        email,
        name,
        identifiers,
        language,
        since,
        address,
    };
    let received = receive(&house, typed_in).await;
    let detail = console::detail(&house.p, received.id).await.unwrap();
    assert_eq!(detail.clock.received_on.to_string(), "2026-11-02");
    assert_eq!(detail.channel, IntakeChannel::CommandLine);
    let first = serde_json::to_string(&detail.records[0]).unwrap();
    assert!(first.contains("command_line"), "{first}");
}

#[tokio::test]
async fn ca_ver_01_an_opt_out_holds_from_its_submission_on() {
    let given = scenario("CA-VER-01");
    assert_eq!(given["given"]["type"], "opt_out_sale_share");
    let house = House::new().await;
    let received = receive(&house, opt_out("ccpa")).await;
    // Before any task ran and any mail left.
    let detail = console::detail(&house.p, received.id).await.unwrap();
    assert_ne!(detail.listed.waiting, Some(Waiting::Verification));
    let actions: Vec<String> = detail
        .records
        .iter()
        .map(|record| format!("{:?}", record.action))
        .collect();
    assert!(
        actions.iter().any(|action| action.contains("opted_out")),
        "{actions:?}"
    );
    house.work().await;
    let codes = house.mailbox.all();
    assert!(
        codes.iter().all(|mail| !mail.subject.contains("code")),
        "no link or code has to be used"
    );
}

#[tokio::test]
async fn ca_ver_16_an_opt_out_is_denied_only_with_documented_facts_and_she_reads_them() {
    let given = scenario("CA-VER-16");
    assert_eq!(given["given"]["good_faith"], true);
    let house = House::new().await;
    let operator = operator(&house).await;
    let received = receive(&house, opt_out("ccpa")).await;
    let bare = plan::deny(
        &house.p,
        received.id,
        operator,
        "fraudulent",
        " ".to_owned(),
    )
    .await;
    assert_eq!(bare.unwrap_err().field, Some("explanation"));
    let facts = "four hundred requests came from one machine within a minute";
    plan::deny(
        &house.p,
        received.id,
        operator,
        "fraudulent",
        facts.to_owned(),
    )
    .await
    .unwrap();
    assert!(house.mailbox.last().unwrap().text.contains(facts));
    let detail = console::detail(&house.p, received.id).await.unwrap();
    assert_eq!(detail.listed.state, RequestState::Denied);
    assert_eq!(detail.reasons[0].code, "fraudulent");
}

#[tokio::test]
async fn ca_know_05_an_answer_in_categories_keeps_sales_and_disclosures_apart() {
    let given = scenario("CA-KNOW-05");
    assert_eq!(given["given"]["type"], "know_categories");
    let house = House::new().await;
    let operator = operator(&house).await;
    let received = receive(
        &house,
        vouched(RequestKind::KnowCategories, "ccpa", operator),
    )
    .await;
    house.work().await;
    let mut bytes = Vec::new();
    let package = access::fetch(&house.p, &received.tracker).await.unwrap();
    let mut file = package.file;
    file.read_to_end(&mut bytes).await.unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    let mut categories = archive.by_name("categories.json").unwrap();
    categories.read_to_string(&mut text).unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    let recipients = |list: &str| -> Vec<String> {
        let list = answer[list].as_array().unwrap().iter();
        list.map(|one| one["recipient"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(recipients("sold_or_shared"), ["Sweet Leads"]);
    assert_eq!(recipients("disclosed_for_business_purpose"), ["Paper Mill"]);
    assert!(!answer["held"].as_array().unwrap().is_empty());
    for list in ["sources", "purposes"] {
        assert!(answer[list].is_array(), "{list}");
    }
    assert!(
        answer["sold_or_shared"][0]["categories"]
            .as_array()
            .is_some_and(|categories| !categories.is_empty())
    );
}

#[tokio::test]
async fn ca_know_08_a_service_provider_says_that_it_can_not_act_because_it_is_one() {
    let given = scenario("CA-KNOW-08");
    assert_eq!(given["given"]["role"], "service_provider");
    let house = House::new().await;
    let operator = operator(&house).await;
    let received = receive(&house, vouched(RequestKind::KnowSpecific, "ccpa", operator)).await;
    plan::deny(
        &house.p,
        received.id,
        operator,
        "service_provider_role",
        "we print letters for the bakery; please ask the bakery".to_owned(),
    )
    .await
    .unwrap();
    let told = house.mailbox.last().unwrap().text;
    assert!(
        told.contains("as a service provider of another business")
            && told.contains("ask the bakery"),
        "{told}"
    );
}

#[tokio::test]
async fn ca_del_03_invoices_stay_for_tax_law_and_everything_else_goes() {
    let given = scenario("CA-DEL-03");
    assert_eq!(given["given"]["exception"], "D8_legal_obligation");
    let house = House::with("approval: {automatic: [delete]}").await;
    let operator = operator(&house).await;
    let received = receive(&house, vouched(RequestKind::Delete, "ccpa", operator)).await;
    house.work().await;
    for recipient in ["desk@mill.example", "desk@leads.example"] {
        answer(&house, recipient, Answer::Done).await;
    }
    house.work().await;
    let view = tracker::view(&house.p, &received.tracker).await.unwrap();
    assert_eq!(view.state, RequestState::PartlyFulfilled);
    let rows = |table: &str| {
        sql(
            &house.shop(),
            &format!("SELECT count(*) FROM {table} WHERE customer_id=1"),
        )
    };
    assert_eq!(
        (rows("orders"), rows("review")),
        ("0".to_owned(), "0".to_owned())
    );
    assert_eq!(rows("invoice"), "1", "the one that tax law wants");
    let told = house.mailbox.to("maya@example.org").pop().unwrap().text;
    for said in [
        "tax law wants invoices for seven years",
        "D8_legal_obligation",
        "Civ. Code 1798.105(d)(8)",
        "Everything else was deleted.",
        "will be used for that reason only",
    ] {
        assert!(told.contains(said), "{said}\n{told}");
    }
}

async fn answer(house: &House, recipient: &str, said: Answer) {
    let text = house.mailbox.to(recipient).pop().expect(recipient).text;
    let start = text.find("/outreach/").expect("a link") + "/outreach/".len();
    let token = text[start..].chars().take_while(char::is_ascii_hexdigit);
    let link = Sensitive::new(token.collect::<String>());
    take_answer::answer(&house.p, &link, said, None, None)
        .await
        .unwrap();
}

#[tokio::test]
async fn ca_del_07_who_can_not_be_told_is_explained_with_facts_or_the_letter_does_not_leave() {
    let given = scenario("CA-DEL-07");
    assert_eq!(given["given"]["claim"], "disproportionate_effort");
    let house = House::new().await;
    let operator = operator(&house).await;
    let received = receive(&house, vouched(RequestKind::Delete, "ccpa", operator)).await;
    let request = request(&house, &received).await;
    let sender = Sender {
        business: "Hearth & Crumb",
        contact: None,
        privacy_policy: None,
    };
    let told = vec!["Paper Mill".to_owned()];
    let letter = |untold: &[UntoldLine]| {
        letter::deleted(&sender, "req_1", &[], &told, untold, "https://x.example").complete(
            house.p.law(),
            &request,
            "2026-11-20".parse().unwrap(),
        )
    };
    let line = |facts: &str| UntoldLine {
        recipient: "3,900 former resellers".to_owned(),
        facts: facts.to_owned(),
    };
    let facts = "they closed before 2019, and no address of theirs works any more";
    assert!(letter(&[line(facts)]).is_ok());
    assert_eq!(
        letter(&[line(facts), line(" ")]).err().unwrap().field,
        "facts_giving_meaningful_understanding"
    );
}

#[tokio::test]
async fn ca_del_10_student_grades_stay_and_the_subject_hears_of_the_exception() {
    scenario("CA-DEL-10");
    let dir = tempfile::tempdir().unwrap();
    make_sources(dir.path());
    let map = MAP.replace(
        "        title: Reviews\n",
        "        title: Grades\n        erasure: {keep: {code: X4_student_grades, explanation: held for the Fresno school district}}\n",
    );
    assert_ne!(map, MAP);
    std::fs::write(dir.path().join("map.yaml"), map).unwrap();
    let house = House::at(dir, "approval: {automatic: [delete]}").await;
    let operator = operator(&house).await;
    let received = receive(&house, vouched(RequestKind::Delete, "ccpa", operator)).await;
    house.work().await;
    for recipient in ["desk@mill.example", "desk@leads.example"] {
        answer(&house, recipient, Answer::Done).await;
    }
    house.work().await;
    let view = tracker::view(&house.p, &received.tracker).await.unwrap();
    assert_eq!(view.state, RequestState::PartlyFulfilled);
    assert!(
        view.kept
            .iter()
            .any(|line| line.reason.code == "X4_student_grades")
    );
    let told = house.mailbox.to("maya@example.org").pop().unwrap().text;
    assert!(
        told.contains("X4_student_grades") && told.contains("Fresno school district"),
        "{told}"
    );
}

#[tokio::test]
async fn ca_opt_16_her_page_shows_at_any_time_that_the_opt_out_was_processed() {
    scenario("CA-OPT-16");
    let house = House::new().await;
    let received = receive(&house, opt_out("ccpa")).await;
    let stopped = async || {
        let view = tracker::view(&house.p, &received.tracker).await.unwrap();
        let stage = view
            .stages
            .into_iter()
            .find(|stage| stage.name == "stopped");
        stage.unwrap().progress
    };
    assert_eq!(stopped().await, "done", "at once");
    house.work().await;
    house.clock.set("2027-06-02T18:00:00Z".parse().unwrap());
    assert_eq!(stopped().await, "done", "and half a year later");
}

#[tokio::test]
async fn eu_06_an_objection_to_marketing_is_followed_without_weighing() {
    let given = scenario("EU-06");
    assert_eq!(given["given"]["type"], "object_marketing");
    let house = House::new().await;
    assert!(
        !house
            .p
            .law()
            .verification("gdpr", "object_marketing")
            .unwrap()
            .is_allowed(),
        "nobody has to prove anything for it"
    );
    let received = receive(&house, opt_out("gdpr")).await;
    house.work().await;
    let detail = console::detail(&house.p, received.id).await.unwrap();
    assert_eq!(detail.listed.law, "gdpr");
    assert_ne!(detail.listed.waiting, Some(Waiting::Approval));
    assert!(!house.mailbox.to("desk@leads.example").is_empty());
}

#[tokio::test]
async fn eu_07_an_erasure_ends_only_when_its_recipients_were_informed() {
    let given = scenario("EU-07");
    assert_eq!(given["given"]["recipients"].as_array().unwrap().len(), 2);
    let house = House::with("approval: {automatic: [delete]}").await;
    let operator = operator(&house).await;
    let received = receive(&house, vouched(RequestKind::Delete, "gdpr", operator)).await;
    house.work().await;
    let look = async || tracker::view(&house.p, &received.tracker).await.unwrap();
    let view = look().await;
    assert_eq!(view.state, RequestState::InProgress);
    assert_eq!(view.waiting, Some(Waiting::Recipients));
    let titles: Vec<&str> = view
        .recipients
        .iter()
        .map(|one| one.title.as_str())
        .collect();
    assert_eq!(titles, ["Sweet Leads", "Paper Mill"], "she sees who had it");
    for recipient in ["desk@mill.example", "desk@leads.example"] {
        assert!(!look().await.state.is_closed());
        answer(&house, recipient, Answer::Done).await;
        house.work().await;
    }
    assert!(look().await.state.is_closed());
}

#[tokio::test]
async fn us_ok_01_a_law_that_is_not_in_force_gives_no_right_yet() {
    let given = scenario("US-OK-01");
    assert_eq!(given["given"]["law_effective"], "2027-01-01");
    let house = House::new().await;
    let operator = operator(&house).await;
    let refused = intake::receive(&house.p, vouched(RequestKind::Delete, "okcdpa", operator)).await;
    let problem = refused.err().unwrap();
    assert_eq!(problem.field, Some("law"));
    assert!(problem.title.contains("2027-01-01"), "{}", problem.title);
    house.clock.set("2027-01-04T18:00:00Z".parse().unwrap());
    receive(&house, vouched(RequestKind::Delete, "okcdpa", operator)).await;
}
