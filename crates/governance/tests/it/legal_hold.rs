//! Legal holds placed by operators: what they keep, from whom, when they count, and what lifting one does not do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;

use domain::id::{OperatorId, RequestId};
use domain::outreach::Answer;
use domain::privacy_request::{RequestKind, RequestState, Waiting};
use domain::sensitive::Sensitive;
use domain::task::TaskKind;
use governance::legal_hold::{self, LegalHoldId, Place};
use governance::privacy_request::{console, plan, take_answer};
use governance::view::RequestDetail;

use crate::house::{House, sql};

async fn operator(house: &House) -> OperatorId {
    governance::operator::add(&house.p, "Robin")
        .await
        .unwrap()
        .0
}

fn of(covers: &[&str]) -> Place {
    Place {
        name: "Recall of the rye flour".to_owned(),
        reason_code: "X8_legal_claims".to_owned(),
        note: "Ask legal before lifting".to_owned(),
        covers: covers.iter().map(|key| (*key).into()).collect(),
        request: None,
        until: None,
    }
}

async fn place(house: &House, operator: OperatorId, wanted: Place) -> LegalHoldId {
    legal_hold::place(&house.p, operator, wanted)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

async fn approve(house: &House, id: RequestId, operator: OperatorId) {
    plan::approve(&house.p, id, operator).await.unwrap();
}

async fn detail(house: &House, id: RequestId) -> RequestDetail {
    console::detail(&house.p, id).await.unwrap()
}

/// Rows found, deleted, overwritten and kept, with the codes why.
fn figures(detail: &RequestDetail, key: &str) -> (u64, u64, u64, Vec<(u64, String)>) {
    let plan = detail.plan.as_ref().unwrap();
    let planned = plan
        .collections
        .iter()
        .find(|planned| planned.collection == key.into())
        .unwrap();
    let kept = planned.kept.iter();
    (
        planned.rows,
        planned.delete,
        planned.redact,
        kept.map(|kept| (kept.rows, kept.reason.code.clone()))
            .collect(),
    )
}

fn claims(rows: u64) -> Vec<(u64, String)> {
    vec![(rows, "X8_legal_claims".to_owned())]
}

/// All recipients say that they are done, whatever they were told.
async fn settle(house: &House) {
    for desk in ["desk@mill.example", "desk@leads.example"] {
        for mail in house.mailbox.to(desk) {
            let start = mail.text.find("/outreach/").expect("a link") + "/outreach/".len();
            let link = mail.text[start..]
                .chars()
                .take_while(char::is_ascii_hexdigit);
            let link = Sensitive::new(link.collect());
            // Answered before, when it belongs to an earlier privacy request.
            let _ = take_answer::answer(&house.p, &link, Answer::Done, None, None).await;
        }
    }
    house.work().await;
}

fn maya_has(house: &House, table: &str) -> String {
    sql(
        &house.shop(),
        &format!("SELECT count(*) FROM {table} WHERE customer_id=1"),
    )
}

#[tokio::test]
async fn what_is_held_when_the_plan_is_made_is_planned_to_stay() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let hold = place(&house, operator, of(&["shop.orders"])).await;
    let asked = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    let planned = detail(&house, asked.id).await;
    assert_eq!(figures(&planned, "shop.orders"), (2, 0, 0, claims(2)));
    assert_eq!(figures(&planned, "shop.review"), (1, 1, 0, vec![]));
    assert_eq!(planned.holds.len(), 1);
    let on = &planned.holds[0];
    assert_eq!(
        (on.hold.id, on.counted, on.found.clone()),
        (Some(hold), true, vec![("Orders".to_owned(), 2)])
    );
    approve(&house, asked.id, operator).await;
    house.work().await;
    assert_eq!(
        (maya_has(&house, "orders"), maya_has(&house, "review")),
        ("2".to_owned(), "0".to_owned())
    );
    assert_eq!(
        sql(&house.shop(), "SELECT note FROM orders WHERE order_id=10"),
        "ring twice",
        "a held row is not touched at all"
    );
}

#[tokio::test]
async fn a_hold_placed_after_approval_stops_the_erasure_and_is_no_residue() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let asked = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    approve(&house, asked.id, operator).await;
    assert_eq!(
        figures(&detail(&house, asked.id).await, "shop.orders"),
        (2, 2, 0, vec![])
    );
    place(&house, operator, of(&["shop.orders", "crm.call"])).await;
    let waiting = detail(&house, asked.id).await;
    assert!(
        waiting.holds.len() == 1 && !waiting.holds[0].counted,
        "the plan is older than the hold, and the Console says so"
    );
    house.work().await;

    assert_eq!(maya_has(&house, "orders"), "2");
    assert_eq!(
        sql(&house.crm(), "SELECT summary FROM call WHERE call_id=1"),
        "furious about letters"
    );
    assert_eq!(maya_has(&house, "review"), "0", "the rest goes");
    let erased = detail(&house, asked.id).await;
    assert_eq!(
        (
            erased.residue.clone().map(|residue| residue.len()),
            erased.listed.waiting
        ),
        (Some(0), Some(Waiting::Recipients)),
        "{:?}",
        erased.tasks
    );
    assert_eq!(figures(&erased, "shop.orders"), (2, 0, 0, claims(2)));
    assert_eq!(figures(&erased, "crm.call"), (1, 0, 0, claims(1)));
    assert_eq!(
        figures(&erased, "crm.contact"),
        (1, 0, 1, vec![]),
        "the held call needs its contact, which says nothing any more"
    );
    assert!(erased.holds[0].counted);

    settle(&house).await;
    let closed = detail(&house, asked.id).await;
    assert_eq!(closed.listed.state, RequestState::PartlyFulfilled);
    assert!(
        closed
            .reasons
            .iter()
            .any(|reason| reason.code == "X8_legal_claims")
    );
    let told = house.mailbox.to("maya@example.org").pop().unwrap().text;
    assert!(
        told.contains("legal claims") && !told.contains("rye flour"),
        "she reads the law's reason and not the hold's name: {told}"
    );
    let evidence = governance::evidence::export(&house.p, asked.id)
        .await
        .unwrap();
    let key = governance::evidence::public_key(&house.p).unwrap();
    governance::evidence::verify(&evidence, Some(&key)).unwrap();
    let replanned = |record: &governance::view::RecordLine| {
        record.action == "plan_made" && record.details["because"] == "legal_hold"
    };
    assert_eq!(
        closed.records.iter().filter(|each| replanned(each)).count(),
        1
    );
}

#[tokio::test]
async fn a_hold_for_one_subject_keeps_hers_alone_in_a_shared_pass() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let maya = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    let sam = house
        .ask_verified(RequestKind::Delete, "sam@example.org")
        .await;
    let hold = Place {
        request: Some(maya.id),
        ..of(&["shop.orders", "shop.review"])
    };
    place(&house, operator, hold).await;
    approve(&house, maya.id, operator).await;
    approve(&house, sam.id, operator).await;
    house.work().await;
    assert_eq!(
        sql(
            &house.shop(),
            "SELECT order_id FROM orders WHERE customer_id IN (1,2); SELECT review_id FROM review; SELECT customer_id FROM customer WHERE customer_id=2 AND name<>'[erased]'"
        ),
        "10\n11\n1",
        "hers stay, his go"
    );
    assert_eq!(
        figures(&detail(&house, sam.id).await, "shop.orders"),
        (1, 1, 0, vec![])
    );
    assert_eq!(detail(&house, sam.id).await.holds.len(), 0);
    for id in [maya.id, sam.id] {
        let residue = detail(&house, id).await.residue;
        assert_eq!(residue.map(|residue| residue.len()), Some(0));
    }
}

#[tokio::test]
async fn a_hold_for_one_subject_holds_against_her_other_privacy_requests() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let first = house
        .ask_verified(RequestKind::KnowSpecific, "maya@example.org")
        .await;
    let hold = Place {
        request: Some(first.id),
        ..of(&["shop.orders"])
    };
    place(&house, operator, hold).await;
    let second = house
        .ask_verified(RequestKind::Delete, "MAYA@example.org")
        .await;
    assert_eq!(
        figures(&detail(&house, second.id).await, "shop.orders"),
        (2, 0, 0, claims(2))
    );
    let records = detail(&house, first.id).await.records;
    let actions: Vec<&str> = records
        .iter()
        .map(|record| record.action.as_str())
        .collect();
    assert!(actions.contains(&"legal_hold_placed") && actions.contains(&"disclosed"));
}

#[tokio::test]
async fn lifting_lets_go_what_is_still_to_be_erased_and_wakes_nothing_that_was_closed() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let hold = place(&house, operator, of(&["shop.orders"])).await;
    let maya = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    approve(&house, maya.id, operator).await;
    house.work().await;
    settle(&house).await;
    let closed = detail(&house, maya.id).await.listed.state;
    assert_eq!(closed, RequestState::PartlyFulfilled);
    let sam = house
        .ask_verified(RequestKind::Delete, "sam@example.org")
        .await;
    approve(&house, sam.id, operator).await;

    legal_hold::lift(&house.p, hold, operator).await.unwrap();
    house.work().await;
    assert_eq!(
        sql(
            &house.shop(),
            "SELECT customer_id, count(*) FROM orders GROUP BY 1 ORDER BY 1"
        ),
        "1|2\n3|1",
        "his order goes as nothing holds it any more; hers wait until she or an operator asks again"
    );
    assert_eq!(
        figures(&detail(&house, sam.id).await, "shop.orders"),
        (1, 1, 0, vec![])
    );
    assert_eq!(
        legal_hold::lift(&house.p, hold, operator)
            .await
            .unwrap_err()
            .status,
        409
    );
    let lines = legal_hold::list(&house.p).await.unwrap();
    assert!(lines.len() == 1 && !lines[0].in_force && lines[0].lifted_at.is_some());
}

#[tokio::test]
async fn a_hold_counts_from_where_the_erasure_had_come() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let asked = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    approve(&house, asked.id, operator).await;
    let shop_is_done = || maya_has(&house, "orders") == "0";
    let crm_is_done = || {
        sql(
            &house.crm(),
            "SELECT count(*) FROM contact WHERE shop_number=1",
        ) == "0"
    };
    // Tasks of one kind share a target in each pass, so one system is done before the other.
    while !shop_is_done() && !crm_is_done() {
        let ran = governance::worker::run_next(&house.p).await.unwrap();
        assert!(ran.is_some(), "nothing is erased");
    }
    place(
        &house,
        operator,
        of(&["shop.orders", "shop.review", "crm.contact", "crm.call"]),
    )
    .await;
    let (shop_went, crm_went) = (shop_is_done(), crm_is_done());
    assert!(shop_went != crm_went);
    house.work().await;
    let erased = detail(&house, asked.id).await;
    assert_eq!(erased.residue.clone().map(|residue| residue.len()), Some(0));
    let (gone, stays) = if shop_went {
        (["shop.orders", "shop.review"], ["crm.contact", "crm.call"])
    } else {
        (["crm.contact", "crm.call"], ["shop.orders", "shop.review"])
    };
    for key in gone {
        let (rows, delete, _, kept) = figures(&erased, key);
        assert_eq!((rows, kept), (delete, vec![]), "{key} is not called kept");
    }
    for key in stays {
        let (rows, _, _, kept) = figures(&erased, key);
        assert_eq!(kept, claims(rows), "{key}");
    }
    assert_eq!((shop_is_done(), crm_is_done()), (shop_went, crm_went));
}

#[tokio::test]
async fn a_hold_placed_before_the_re_read_keeps_what_is_left() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let asked = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    approve(&house, asked.id, operator).await;
    loop {
        let ran = governance::worker::run_next(&house.p).await.unwrap();
        let (kind, _) = ran.expect("an erasure");
        let open = detail(&house, asked.id).await.tasks;
        let erasing = open.iter().any(|task| {
            task.kind == TaskKind::Erase && task.state != domain::task::TaskState::Done
        });
        if kind == TaskKind::Erase && !erasing {
            break;
        }
    }
    // The shop's own program writes her order again, and legal wants it.
    sql(
        &house.shop(),
        "INSERT INTO orders VALUES (12,1,'2026-11-02','late')",
    );
    place(&house, operator, of(&["shop.orders"])).await;
    house.work().await;
    let confirmed = detail(&house, asked.id).await;
    assert_eq!(
        confirmed.residue.clone().map(|residue| residue.len()),
        Some(0)
    );
    assert_eq!(figures(&confirmed, "shop.orders"), (2, 1, 0, claims(1)));
    assert_eq!(maya_has(&house, "orders"), "1");
}

#[tokio::test]
async fn a_hold_ends_after_its_last_day_in_the_place_of_the_law() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let hold = Place {
        until: Some("2026-11-03".parse().unwrap()),
        ..of(&["shop.orders"])
    };
    place(&house, operator, hold).await;
    let in_force = async || legal_hold::list(&house.p).await.unwrap()[0].in_force;
    house.clock.set("2026-11-04T07:59:00Z".parse().unwrap());
    assert!(in_force().await, "it is still the 3rd in California");
    house.clock.set("2026-11-04T08:00:00Z".parse().unwrap());
    assert!(!in_force().await);
    let asked = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    assert_eq!(
        figures(&detail(&house, asked.id).await, "shop.orders"),
        (2, 2, 0, vec![])
    );
}

#[tokio::test]
async fn a_hold_that_is_over_is_forgotten_as_long_after_as_a_privacy_request() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let hold = place(&house, operator, of(&["shop.orders"])).await;
    place(&house, operator, of(&["crm.call"])).await;
    legal_hold::lift(&house.p, hold, operator).await.unwrap();
    for (months, left) in [(23, 2), (25, 1)] {
        let day = jiff::SignedDuration::from_hours(months * 731);
        house
            .clock
            .set("2026-11-02T18:00:00Z".parse::<jiff::Timestamp>().unwrap() + day);
        governance::housekeeping::clear(&house.p).await.unwrap();
        let holds = legal_hold::list(&house.p).await.unwrap();
        assert_eq!(holds.len(), left, "after {months} months");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_field_named() {
    let house = House::new().await;
    let operator = operator(&house).await;
    let good = of(&["shop.orders"]);
    let opted_out = house
        .ask(RequestKind::OptOutSaleShare, "maya@example.org")
        .await;
    let wrong = [
        (
            "name",
            Place {
                name: "  ".to_owned(),
                ..good.clone()
            },
        ),
        (
            "name",
            Place {
                name: "maya@example.org".to_owned(),
                ..good.clone()
            },
        ),
        (
            "note",
            Place {
                note: "of maya@example.org".to_owned(),
                ..good.clone()
            },
        ),
        (
            "reason_code",
            Place {
                reason_code: "because".to_owned(),
                ..good.clone()
            },
        ),
        (
            "reason_code",
            Place {
                reason_code: "fraudulent".to_owned(),
                ..good.clone()
            },
        ),
        (
            "covers",
            Place {
                covers: BTreeSet::new(),
                ..good.clone()
            },
        ),
        (
            "covers",
            Place {
                covers: ["shop.secret".into()].into(),
                ..good.clone()
            },
        ),
        (
            "until",
            Place {
                until: Some("2026-11-01".parse().unwrap()),
                ..good.clone()
            },
        ),
        (
            "request",
            Place {
                request: Some(RequestId::from_uuid(uuid::Uuid::nil())),
                ..good.clone()
            },
        ),
    ];
    for (field, wanted) in wrong {
        let problem = legal_hold::place(&house.p, operator, wanted)
            .await
            .unwrap_err();
        assert_eq!(
            (problem.status, problem.field),
            (422, Some(field)),
            "{problem}"
        );
        assert!(!problem.title.contains("maya"));
    }
    assert_eq!(legal_hold::list(&house.p).await.unwrap().len(), 0);
    let of_opt_out = Place {
        request: Some(opted_out.id),
        ..good
    };
    assert!(
        legal_hold::place(&house.p, operator, of_opt_out)
            .await
            .is_ok(),
        "an opt-out that names an address tells whose data it is"
    );
}
