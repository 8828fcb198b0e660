//! The way of a deletion, of a copy and of an opt-out, whole.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io::Read;

use domain::id::OperatorId;
use domain::outreach::Answer;
use domain::privacy_request::{RequestKind, RequestState, Waiting};
use domain::sensitive::Sensitive;
use governance::privacy_request::{access, console, plan, take_answer, tracker, verify};
use tokio::io::AsyncReadExt;

use crate::house::{House, sql};

async fn operator(house: &House) -> OperatorId {
    governance::operator::add(&house.p, "Robin")
        .await
        .unwrap()
        .0
}

/// The link in a recipient's mail.
fn link(house: &House, address: &str) -> Sensitive<String> {
    let text = house
        .mailbox
        .to(address)
        .pop()
        .expect("a mail to the recipient")
        .text;
    let start = text.find("/outreach/").expect("a link") + "/outreach/".len();
    Sensitive::new(
        text[start..]
            .chars()
            .take_while(char::is_ascii_hexdigit)
            .collect(),
    )
}

#[tokio::test]
async fn a_customer_is_forgotten_and_it_is_proven() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let others = |house: &House| {
        sql(
            &house.shop(),
            "SELECT * FROM customer WHERE customer_id<>1; SELECT * FROM orders WHERE customer_id<>1; SELECT * FROM order_item WHERE order_id>=20; SELECT * FROM invoice WHERE customer_id<>1; SELECT * FROM review WHERE customer_id<>1; SELECT * FROM address;",
        )
    };
    let before = others(&house);

    let received = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    let detail = console::detail(&house.p, received.id).await.unwrap();
    assert_eq!(
        (detail.listed.state, detail.listed.waiting),
        (RequestState::Verified, Some(Waiting::Approval))
    );
    let plan = detail.plan.expect("a plan");
    let figures: Vec<_> = plan
        .collections
        .iter()
        .filter(|c| c.rows > 0)
        .map(|c| {
            (
                c.collection.to_string(),
                c.rows,
                c.delete,
                c.redact,
                c.kept
                    .iter()
                    .map(|kept| (kept.rows, kept.reason.code.clone()))
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    insta::assert_json_snapshot!("plan of a deletion", figures);
    assert!(
        sql(
            &house.shop(),
            "SELECT count(*) FROM orders WHERE customer_id=1"
        ) == "2",
        "nothing is touched before approval"
    );

    plan::approve(&house.p, received.id, operator)
        .await
        .unwrap();
    house.work().await;
    assert_eq!(
        sql(
            &house.shop(),
            "SELECT count(*) FROM orders WHERE customer_id=1; SELECT count(*) FROM review WHERE customer_id=1; SELECT count(*) FROM order_item WHERE order_id IN (10,11);"
        ),
        "0\n0\n0"
    );
    assert_eq!(
        sql(
            &house.shop(),
            "SELECT invoice_id FROM invoice WHERE customer_id=1"
        ),
        "100",
        "only the invoice that tax law wants stays"
    );
    assert_eq!(
        sql(
            &house.shop(),
            "SELECT email LIKE 'erased-%', name, phone, card_number FROM customer WHERE customer_id=1"
        ),
        "1|[erased]||",
        "her record holds up the invoice and says nothing"
    );
    assert_eq!(
        sql(
            &house.crm(),
            "SELECT count(*) FROM contact WHERE shop_number=1; SELECT count(*) FROM call WHERE contact_id='c-1'"
        ),
        "0\n0"
    );
    assert_eq!(others(&house), before, "nobody else's rows changed");

    let waiting = console::detail(&house.p, received.id).await.unwrap();
    assert_eq!(
        (
            waiting.listed.state,
            waiting.listed.waiting,
            waiting.residue.map(|residue| residue.len())
        ),
        (RequestState::InProgress, Some(Waiting::Recipients), Some(0)),
        "sent is never done"
    );
    for desk in ["desk@mill.example", "desk@leads.example"] {
        take_answer::answer(&house.p, &link(&house, desk), Answer::Done, None, None)
            .await
            .unwrap();
    }
    house.work().await;
    let closed = console::detail(&house.p, received.id).await.unwrap();
    assert_eq!(
        closed.listed.state,
        RequestState::PartlyFulfilled,
        "{:?}",
        closed.tasks
    );
    assert_eq!(
        closed
            .reasons
            .iter()
            .map(|reason| reason.code.as_str())
            .collect::<Vec<_>>(),
        ["D8_legal_obligation", "X7_belongs_to_other_person"]
    );
    assert!(
        house
            .mailbox
            .to("maya@example.org")
            .pop()
            .unwrap()
            .text
            .contains("tax law"),
        "she is told what stays and why"
    );

    let evidence = governance::evidence::export(&house.p, received.id)
        .await
        .unwrap();
    let key = governance::evidence::public_key(&house.p).unwrap();
    governance::evidence::verify(&evidence, Some(&key)).unwrap();
    let text = String::from_utf8(evidence).unwrap();
    assert!(
        governance::evidence::verify(
            text.replacen("\"sequence\": 1", "\"sequence\": 2", 1)
                .as_bytes(),
            Some(&key)
        )
        .is_err()
    );
}

#[tokio::test]
async fn a_copy_holds_what_is_held_and_only_describes_what_must_not_leave() {
    let house = House::new().await;
    let received = house
        .ask_verified(RequestKind::KnowSpecific, "MAYA@example.org")
        .await;
    let tracker = tracker::view(&house.p, &received.tracker).await.unwrap();
    assert_eq!(
        tracker.state,
        RequestState::Fulfilled,
        "{:?}",
        console::detail(&house.p, received.id).await.unwrap().tasks
    );
    let on_disk = std::fs::read_dir(house.dir.path().join("packages"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let sealed = std::fs::read(on_disk).unwrap();
    assert!(
        !sealed
            .windows(4)
            .any(|bytes| bytes == b"Maya" || bytes == b"PK\x03\x04"),
        "a package never lies in the open"
    );

    let mut bytes = Vec::new();
    access::fetch(&house.p, &received.tracker)
        .await
        .unwrap()
        .file
        .read_to_end(&mut bytes)
        .await
        .unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut whole = String::new();
    for index in 0..archive.len() {
        archive
            .by_index(index)
            .unwrap()
            .read_to_string(&mut whole)
            .unwrap();
    }
    for expected in [
        "Maya Okafor",
        "ring twice",
        "for Ada",
        "lovely rye",
        "furious about letters",
        "1 Rye Lane",
    ] {
        assert!(whole.contains(expected), "{expected}");
    }
    for forbidden in [
        "4111111111111111",
        "Sam",
        "for Maya",
        "too salty",
        "leave it at the door",
    ] {
        assert!(!whole.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test]
async fn an_opt_out_takes_effect_at_once_and_tells_who_bought() {
    let house = House::new().await;
    let received = house
        .ask(RequestKind::OptOutSaleShare, "maya@example.org")
        .await;
    house.work().await;
    let tracker = tracker::view(&house.p, &received.tracker).await.unwrap();
    assert_eq!(
        tracker
            .recipients
            .iter()
            .map(|line| line.recipient.to_string())
            .collect::<Vec<_>>(),
        ["leads"],
        "only who bought is told"
    );
    assert!(
        house.mailbox.to("desk@leads.example")[0]
            .text
            .contains("customer_number")
            || house.mailbox.to("desk@leads.example")[0].text.contains('1')
    );
    take_answer::answer(
        &house.p,
        &link(&house, "desk@leads.example"),
        Answer::Done,
        None,
        None,
    )
    .await
    .unwrap();
    house.work().await;
    assert_eq!(
        tracker::view(&house.p, &received.tracker)
            .await
            .unwrap()
            .state,
        RequestState::Fulfilled
    );
    assert_eq!(
        received.clock.respond_by,
        Some("2026-11-24".parse().unwrap())
    );
}

#[tokio::test]
async fn a_code_tried_a_thousand_times_never_opens_and_another_one_does() {
    let house = House::new().await;
    let received = house.ask(RequestKind::Delete, "maya@example.org").await;
    house.work().await;
    let right = house.code();
    let mut codes = std::collections::BTreeMap::new();
    for attempt in 0..1_000 {
        let wrong = Sensitive::new(format!("{attempt:06}"));
        let outcome = verify::confirm(&house.p, &received.tracker, &wrong).await;
        *codes.entry(outcome.unwrap_err().code).or_insert(0) += 1;
    }
    assert_eq!(codes, [("code_locked", 996), ("code_wrong", 4)].into());
    assert_eq!(
        verify::confirm(&house.p, &received.tracker, &right)
            .await
            .unwrap_err()
            .code,
        "code_locked"
    );
    assert_eq!(
        verify::resend(&house.p, &received.tracker)
            .await
            .unwrap_err()
            .code,
        "resend_too_soon"
    );
    house.clock.advance(jiff::SignedDuration::from_mins(2));
    verify::resend(&house.p, &received.tracker).await.unwrap();
    house.work().await;
    assert_eq!(
        verify::confirm(&house.p, &received.tracker, &house.code())
            .await
            .unwrap(),
        verify::Outcome::Verified
    );
    assert_eq!(
        verify::confirm(&house.p, &received.tracker, &right)
            .await
            .unwrap(),
        verify::Outcome::AlreadyVerified,
        "a form sent twice does no harm"
    );
}

#[tokio::test]
async fn an_unreachable_system_calls_the_operator_and_loses_nothing() {
    let house = House::new().await;
    let received = house.ask(RequestKind::Delete, "maya@example.org").await;
    house.work().await;
    verify::confirm(&house.p, &received.tracker, &house.code())
        .await
        .unwrap();
    let away = house.dir.path().join("away");
    std::fs::rename(house.crm(), &away).unwrap();
    for _ in 0..12 {
        house.work().await;
        house.clock.advance(jiff::SignedDuration::from_hours(2));
    }
    let operator = operator(&house).await;
    let detail = console::detail(&house.p, received.id).await.unwrap();
    assert_eq!(detail.listed.waiting, Some(Waiting::Operator));
    let stuck = detail
        .tasks
        .iter()
        .find(|task| task.state == domain::task::TaskState::Stuck)
        .expect("a stuck task");
    assert!(stuck.error.as_ref().unwrap().contains("crm"), "{stuck:?}");
    assert_eq!(
        sql(
            &house.shop(),
            "SELECT count(*) FROM orders WHERE customer_id=1"
        ),
        "2"
    );
    std::fs::rename(&away, house.crm()).unwrap();
    console::retry_task(&house.p, stuck.id, operator)
        .await
        .unwrap();
    house.work().await;
    assert_eq!(
        console::detail(&house.p, received.id)
            .await
            .unwrap()
            .listed
            .waiting,
        Some(Waiting::Approval)
    );
}

#[tokio::test]
async fn a_closed_request_is_kept_for_two_years_and_then_forgotten_itself() {
    let house = House::new().await;
    let received = house
        .ask_verified(RequestKind::KnowCategories, "maya@example.org")
        .await;
    assert_eq!(governance::housekeeping::clear(&house.p).await.unwrap(), 0);
    house.clock.set("2028-11-01T18:00:00Z".parse().unwrap());
    assert_eq!(
        governance::housekeeping::clear(&house.p).await.unwrap(),
        0,
        "11 CCR 7101 wants 24 months"
    );
    house.clock.set("2028-11-03T18:00:00Z".parse().unwrap());
    assert_eq!(governance::housekeeping::clear(&house.p).await.unwrap(), 1);
    assert_eq!(
        tracker::view(&house.p, &received.tracker)
            .await
            .unwrap_err()
            .code,
        "not_found"
    );
}

#[tokio::test]
async fn an_unverified_request_ends_by_itself_and_one_can_be_taken_back() {
    let house = House::new().await;
    let waiting = house.ask(RequestKind::Delete, "maya@example.org").await;
    let taken_back = house.ask(RequestKind::Delete, "maya@example.org").await;
    house.work().await;
    tracker::withdraw(&house.p, &taken_back.tracker)
        .await
        .unwrap();
    house
        .clock
        .advance(jiff::SignedDuration::from_hours(24 * 31));
    house.work().await;
    assert_eq!(
        tracker::view(&house.p, &waiting.tracker)
            .await
            .unwrap()
            .state,
        RequestState::Expired
    );
    assert_eq!(
        tracker::view(&house.p, &taken_back.tracker)
            .await
            .unwrap()
            .state,
        RequestState::Withdrawn
    );
}

#[tokio::test]
async fn a_silent_recipient_is_reminded_then_an_operator_is_called_and_the_deadline_holds() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let received = house
        .ask_verified(RequestKind::Delete, "sam@example.org")
        .await;
    plan::approve(&house.p, received.id, operator)
        .await
        .unwrap();
    house.work().await;
    for _ in 0..12 {
        house.clock.advance(jiff::SignedDuration::from_hours(24));
        house.work().await;
    }
    let detail = console::detail(&house.p, received.id).await.unwrap();
    assert_eq!(detail.listed.waiting, Some(Waiting::Operator));
    assert!(
        detail
            .outreach
            .iter()
            .all(|line| line.reminders == 2 && line.escalated && !line.settled),
        "{:?}",
        detail.outreach
    );
    assert_eq!(house.mailbox.to("desk@mill.example").len(), 3);
    house.clock.set("2026-12-16T18:00:00Z".parse().unwrap());
    house.work().await;
    let closed = console::detail(&house.p, received.id).await.unwrap();
    assert_eq!(
        closed.listed.state,
        RequestState::PartlyFulfilled,
        "it is not late because of others"
    );
    assert!(
        closed
            .reasons
            .iter()
            .any(|reason| reason.code == "recipients_unconfirmed")
    );
    take_answer::answer(
        &house.p,
        &link(&house, "desk@mill.example"),
        Answer::NotFound,
        None,
        None,
    )
    .await
    .unwrap();
    let answered = console::detail(&house.p, received.id).await.unwrap();
    assert!(
        answered.outreach.iter().any(|line| line.settled),
        "a late answer still counts"
    );
}

#[tokio::test]
async fn a_denial_needs_a_reason_of_the_law_and_reaches_the_subject_with_an_offer() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let received = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    assert_eq!(
        plan::deny(&house.p, received.id, operator, "because", "no".to_owned())
            .await
            .unwrap_err()
            .field,
        Some("reason_code")
    );
    plan::deny(
        &house.p,
        received.id,
        operator,
        "fraudulent",
        "the address was used by somebody else".to_owned(),
    )
    .await
    .unwrap();
    assert!(
        house
            .mailbox
            .last()
            .unwrap()
            .text
            .contains("not to sell or share"),
        "7022(g): a denial offers the opt-out"
    );
    assert_eq!(
        plan::approve(&house.p, received.id, operator)
            .await
            .unwrap_err()
            .code,
        "not_possible_now"
    );
    house.work().await;
    assert_eq!(
        sql(
            &house.shop(),
            "SELECT count(*) FROM orders WHERE customer_id=1"
        ),
        "2"
    );
}

#[tokio::test]
async fn an_extension_is_told_in_time_once_and_never_for_an_opt_out() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let received = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    let clock = plan::extend(
        &house.p,
        received.id,
        operator,
        "fourteen systems".to_owned(),
    )
    .await
    .unwrap();
    assert_eq!(clock.due(), Some("2027-01-31".parse().unwrap()));
    assert!(
        house
            .mailbox
            .last()
            .unwrap()
            .text
            .contains("31 January 2027")
    );
    assert!(
        plan::extend(&house.p, received.id, operator, "again".to_owned())
            .await
            .is_err()
    );
    let opt_out = house
        .ask(RequestKind::OptOutSaleShare, "maya@example.org")
        .await;
    assert!(
        plan::extend(&house.p, opt_out.id, operator, "slow".to_owned())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_record_that_says_nothing_does_not_keep_an_address_alive() {
    let house = House::with("approval: {automatic: [delete]}").await;
    // Nobody else lives there any more.
    sql(
        &house.shop(),
        "UPDATE customer SET address_id=NULL WHERE customer_id=2",
    );
    let received = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    let plan = console::detail(&house.p, received.id)
        .await
        .unwrap()
        .plan
        .unwrap();
    let address = plan
        .collections
        .iter()
        .find(|collection| collection.collection == "shop.address".into())
        .unwrap();
    assert_eq!(
        (address.rows, address.delete, address.kept.len()),
        (1, 1, 0),
        "the plan says so"
    );
    assert_eq!(
        sql(
            &house.shop(),
            "SELECT count(*) FROM address WHERE address_id=1"
        ),
        "0"
    );
    assert_eq!(
        sql(
            &house.shop(),
            "SELECT name, address_id FROM customer WHERE customer_id=1"
        ),
        "[erased]|"
    );
}

#[tokio::test]
async fn a_mail_that_is_refused_does_not_make_another_be_sent_twice() {
    let house = House::new().await;
    let mut asked = Vec::new();
    for email in ["maya@example.org", "refused@example.org", "sam@example.org"] {
        asked.push(house.ask(RequestKind::Delete, email).await);
    }
    house.work().await;
    assert_eq!(
        [
            house.mailbox.to("maya@example.org").len(),
            house.mailbox.to("sam@example.org").len()
        ],
        [1, 1],
        "all three went out in one batch, and each once"
    );
    let refused = console::detail(&house.p, asked[1].id).await.unwrap();
    assert_eq!(
        refused.listed.waiting,
        Some(Waiting::Operator),
        "{:?}",
        refused.tasks
    );
    assert_eq!(
        verify::confirm(
            &house.p,
            &asked[2].tracker,
            &house.code_for("sam@example.org")
        )
        .await
        .unwrap(),
        verify::Outcome::Verified
    );
}
