//! Requests to know: how often they must be answered, how far back they reach, and what is said when nobody showed who asks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io::Read;

use domain::id::OperatorId;
use domain::privacy_request::{IntakeChannel, RequestKind, RequestState, Waiting};
use domain::sensitive::Sensitive;
use domain::task::TaskState;
use governance::privacy_request::intake::{self, Intake, Received};
use governance::privacy_request::{access, console, plan, tracker};
use jiff::civil::Date;
use tokio::io::AsyncReadExt;

use crate::house::House;

const OVER: &str = "over_two_know_requests_12mo";

async fn operator(house: &House) -> OperatorId {
    governance::operator::add(&house.p, "Robin")
        .await
        .unwrap()
        .0
}

async fn state(house: &House, received: &Received) -> RequestState {
    tracker::view(&house.p, &received.tracker)
        .await
        .unwrap()
        .state
}

/// Asks to know from a day on, vouched for by an operator.
async fn ask_since(
    house: &House,
    kind: RequestKind,
    since: Option<&str>,
    operator: OperatorId,
) -> Result<Received, governance::Problem> {
    let since = since.map(|day| day.parse::<Date>().unwrap());
    let intake = Intake::Identified {
        kind,
        law: None,
        email: Sensitive::new("maya@example.org".to_owned()),
        name: None,
        identifiers: Vec::new(),
        language: "en".to_owned(),
        channel: IntakeChannel::Api,
        since,
        verified_by: Some(operator),
        address: None,
    };
    let received = intake::receive(&house.p, intake).await?;
    house.work().await;
    Ok(received)
}

/// Every file of the package, one after the other.
async fn package(house: &House, received: &Received) -> String {
    package_of(&house.p, received).await
}

pub(crate) async fn package_of(p: &governance::Privity, received: &Received) -> String {
    let mut bytes = Vec::new();
    let package = access::fetch(p, &received.tracker).await.unwrap();
    let mut file = package.file;
    file.read_to_end(&mut bytes).await.unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut whole = String::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        file.read_to_string(&mut whole).unwrap();
    }
    whole
}

#[tokio::test]
async fn a_third_request_to_know_within_a_year_goes_to_an_operator_and_the_subject_is_told() {
    let house = House::new().await;
    let operator = operator(&house).await;
    for (kind, email) in [
        (RequestKind::KnowSpecific, "maya@example.org"),
        (RequestKind::KnowCategories, "MAYA@Example.org"),
    ] {
        let answered = house.ask_verified(kind, email).await;
        assert_eq!(state(&house, &answered).await, RequestState::Fulfilled);
    }
    let third = house
        .ask_verified(RequestKind::KnowSpecific, "maya@example.org")
        .await;
    let detail = console::detail(&house.p, third.id).await.unwrap();
    assert_eq!(detail.listed.state, RequestState::Verified);
    assert_eq!(detail.listed.waiting, Some(Waiting::Approval));
    assert_eq!(detail.reasons[0].code, OVER);
    assert!(detail.possible.contains("approve") && detail.possible.contains("deny"));
    let told = house.mailbox.last().unwrap().text;
    assert!(
        told.contains("2 times already within the last twelve months")
            && told.contains("Civ. Code 1798.130(b)")
            && told.contains("not refused"),
        "{told}"
    );
    let view = tracker::view(&house.p, &third.tracker).await.unwrap();
    assert_eq!(view.reasons[0].code, OVER, "her page says it as well");
    plan::approve(&house.p, third.id, operator).await.unwrap();
    house.work().await;
    let view = tracker::view(&house.p, &third.tracker).await.unwrap();
    assert_eq!(view.state, RequestState::Fulfilled);
    assert!(view.reasons.is_empty(), "{:?}", view.reasons);
}

#[tokio::test]
async fn a_third_request_to_know_can_be_denied_for_that_reason_and_then_does_not_count() {
    let house = House::new().await;
    let operator = operator(&house).await;
    for _ in 0..2 {
        house
            .ask_verified(RequestKind::KnowCategories, "maya@example.org")
            .await;
    }
    let third = house
        .ask_verified(RequestKind::KnowCategories, "maya@example.org")
        .await;
    plan::deny(
        &house.p,
        third.id,
        operator,
        OVER,
        "you had two answers in September and October".to_owned(),
    )
    .await
    .unwrap();
    let told = house.mailbox.last().unwrap().text;
    assert!(
        told.contains("There were two such privacy requests"),
        "{told}"
    );
    assert!(told.contains("you had two answers"), "{told}");
    assert_eq!(state(&house, &third).await, RequestState::Denied);
    // A year after the second one, only the denied one lies within the window.
    house.clock.set("2027-11-02T18:00:00Z".parse().unwrap());
    let later = house
        .ask_verified(RequestKind::KnowCategories, "maya@example.org")
        .await;
    assert_eq!(state(&house, &later).await, RequestState::Fulfilled);
}

#[tokio::test]
async fn only_her_own_verified_requests_to_know_count() {
    let house = House::new().await;
    house
        .ask_verified(RequestKind::KnowSpecific, "maya@example.org")
        .await;
    // Somebody who types her address, other people, and other rights change nothing.
    for _ in 0..2 {
        house
            .ask(RequestKind::KnowSpecific, "maya@example.org")
            .await;
    }
    house
        .ask(RequestKind::OptOutSaleShare, "maya@example.org")
        .await;
    house.work().await;
    house
        .ask_verified(RequestKind::KnowSpecific, "sam@example.org")
        .await;
    house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    let second = house
        .ask_verified(RequestKind::KnowSpecific, "maya@example.org")
        .await;
    assert_eq!(state(&house, &second).await, RequestState::Fulfilled);
}

#[tokio::test]
async fn the_limit_holds_for_whom_an_operator_vouches_for_and_the_window_rolls() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let ask = async || {
        ask_since(&house, RequestKind::KnowCategories, None, operator)
            .await
            .unwrap()
    };
    let first = ask().await;
    house.clock.set("2027-08-03T18:00:00Z".parse().unwrap());
    let second = ask().await;
    let third = ask().await;
    assert_eq!(state(&house, &first).await, RequestState::Fulfilled);
    assert_eq!(state(&house, &second).await, RequestState::Fulfilled);
    assert_eq!(state(&house, &third).await, RequestState::Verified);
    tracker::withdraw(&house.p, &third.tracker).await.unwrap();
    // CA-INT-09: the oldest drops out.
    house.clock.set("2027-11-03T18:00:00Z".parse().unwrap());
    let fourth = ask().await;
    assert_eq!(state(&house, &fourth).await, RequestState::Fulfilled);
}

#[tokio::test]
async fn she_may_choose_how_far_back_the_answer_reaches() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let received = ask_since(
        &house,
        RequestKind::KnowSpecific,
        Some("2020-01-01"),
        operator,
    )
    .await
    .unwrap();
    let view = tracker::view(&house.p, &received.tracker).await.unwrap();
    assert_eq!(view.state, RequestState::Fulfilled);
    assert_eq!(view.since, Some("2020-01-01".parse().unwrap()));
    let whole = package(&house, &received).await;
    assert!(whole.contains("2026-05-06"), "the invoice since then");
    assert!(!whole.contains("2015-05-06"), "the older one");
    assert!(
        whole.contains("lovely rye") && whole.contains("2025-03-01"),
        "what no field dates is given"
    );
    for said in [
        "it covers what dates from 1 January 2020 or later",
        "1 more is older than the day from which you asked",
        "\"since\":\"2020-01-01\"",
    ] {
        assert!(whole.contains(said), "{said}");
    }
    let mail = house.mailbox.last().unwrap().text;
    assert!(mail.contains("1 January 2020"), "{mail}");
}

#[tokio::test]
async fn without_a_day_she_gets_everything_however_old() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let received = ask_since(&house, RequestKind::KnowSpecific, None, operator)
        .await
        .unwrap();
    let whole = package(&house, &received).await;
    assert!(whole.contains("2015-05-06") && whole.contains("2026-05-06"));
    assert!(whole.contains("It covers everything that we hold about you, however old it is."));
}

#[tokio::test]
async fn a_look_back_belongs_to_a_request_to_know_and_not_to_the_future() {
    let house = House::new().await;
    let operator = operator(&house).await;
    for (kind, day) in [
        (RequestKind::Delete, "2020-01-01"),
        (RequestKind::KnowSpecific, "2026-11-03"),
    ] {
        let refused = ask_since(&house, kind, Some(day), operator).await;
        assert_eq!(refused.err().unwrap().field, Some("since"), "{day}");
    }
}

#[tokio::test]
async fn whoever_did_not_show_who_she_is_is_told_so_when_it_ends() {
    let house = House::new().await;
    let waiting = house.ask(RequestKind::Delete, "maya@example.org").await;
    house.work().await;
    house
        .clock
        .advance(jiff::SignedDuration::from_hours(24 * 31));
    house.work().await;
    assert_eq!(state(&house, &waiting).await, RequestState::Expired);
    let told = house.mailbox.last().unwrap().text;
    for said in [
        "could not verify your identity",
        "to delete your data",
        "California Privacy Protection Agency",
    ] {
        assert!(told.contains(said), "{said}\n{told}");
    }
}

#[tokio::test]
async fn a_letter_that_lacks_what_the_law_demands_is_not_sent_and_calls_an_operator() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let waiting = house
        .ask(RequestKind::KnowSpecific, "maya@example.org")
        .await;
    house.work().await;
    let sent = house.mailbox.all().len();
    house
        .clock
        .advance(jiff::SignedDuration::from_hours(24 * 31));
    house.work().await;
    assert_eq!(house.mailbox.all().len(), sent, "nothing incomplete left");
    let detail = console::detail(&house.p, waiting.id).await.unwrap();
    assert_eq!(detail.listed.state, RequestState::Received);
    assert_eq!(detail.listed.waiting, Some(Waiting::Operator));
    let stuck = detail
        .tasks
        .iter()
        .find(|task| task.state == TaskState::Stuck)
        .unwrap();
    let why = stuck.error.as_deref().unwrap();
    for said in [
        "link_to_privacy_policy",
        "11 CCR 7024(a)-(b)",
        "set `business.privacy_policy`",
    ] {
        assert!(why.contains(said), "{why}");
    }
    // The business says in its own law folder that it refers to nothing; then the same task goes through.
    let folder = house.dir.path().join("law");
    std::fs::create_dir(&folder).unwrap();
    let rows = include_str!("../../../../law/messages.yaml");
    std::fs::write(
        folder.join("messages.yaml"),
        rows.replace(", link_to_privacy_policy]", "]"),
    )
    .unwrap();
    let more = format!("law: {}", folder.display());
    let p = crate::house::open(house.dir.path(), house.mailbox.port, &house.clock, &more).await;
    console::retry_task(&p, stuck.id, operator).await.unwrap();
    governance::worker::run_until_idle(&p).await.unwrap();
    assert_eq!(house.mailbox.all().len(), sent + 1);
    assert_eq!(
        tracker::view(&p, &waiting.tracker).await.unwrap().state,
        RequestState::Expired
    );
}

#[tokio::test]
async fn a_letter_of_an_operators_decision_that_lacks_something_changes_nothing() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let folder = house.dir.path().join("law");
    std::fs::create_dir(&folder).unwrap();
    let rows = include_str!("../../../../law/messages.yaml");
    std::fs::write(
        folder.join("messages.yaml"),
        rows.replace(
            "fields: [basis, remainder]",
            "fields: [basis, remainder, horoscope]",
        ),
    )
    .unwrap();
    let more = format!("law: {}", folder.display());
    let p = crate::house::open(house.dir.path(), house.mailbox.port, &house.clock, &more).await;
    let received = house
        .ask(RequestKind::KnowSpecific, "maya@example.org")
        .await;
    let problem = plan::deny(&p, received.id, operator, "fraudulent", "facts".to_owned())
        .await
        .unwrap_err();
    assert_eq!((problem.code, problem.status), ("letter_incomplete", 409));
    assert!(problem.title.contains("horoscope"), "{}", problem.title);
    assert_eq!(state(&house, &received).await, RequestState::Received);
}
