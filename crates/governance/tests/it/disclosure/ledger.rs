//! Who has what of whom: as the ledger tells it, for as long as it has to, and for whoever has to be told.

use std::collections::BTreeMap;

use domain::audit::{Action, Actor, Hash, NewRecord};
use domain::id::SubjectId;
use domain::privacy_request::RequestKind;
use governance::disclosure::{LedgerExport, LedgerLine, SubjectAsked, minimise, of_subject};
use governance::housekeeping;
use governance::privacy_request::intake::Received;
use governance::privacy_request::{plan, tracker};
use governance::profile::forget;
use jiff::SignedDuration;
use storage::ledger::{Noted, Sale};

use super::{ask, caller, maya, on_each_engine, write};
use crate::vault_house;

/// Who looks.
const BY: Actor = Actor::CommandLine;

fn told(lines: &[LedgerLine]) -> Vec<(&str, &str, u64)> {
    let lines = lines.iter();
    lines
        .map(|line| (line.recipient.as_ref(), line.purpose.as_ref(), line.times))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_about_any_of_her_records_learns_who_has_what() {
    on_each_engine(async |house| {
        let id = maya(house).await;
        let other = house
            .write(
                crate::profile_house::CRM,
                &[&[("customer_number", "1"), ("first_name", "May")]],
            )
            .await
            .subjects[0]
            .unwrap();
        let mill = caller("mill", "orders");
        for subject in [id, other, id] {
            let asked = [SubjectAsked::Id(subject)];
            ask(house, &mill, &asked, &["first_name", "email"]).await;
        }
        for subject in [id, other] {
            let lines = of_subject(&house.p, subject, BY).await.unwrap();
            assert_eq!(told(&lines), [("mill", "orders", 3)]);
            let first_name = vec!["first_name".to_owned()];
            let kept = BTreeMap::from([("keep".to_owned(), first_name)]);
            assert_eq!(lines[0].attributes, kept);
        }
        let nobody = SubjectId::from_uuid(uuid::Uuid::from_u128(7));
        assert_eq!(of_subject(&house.p, nobody, BY).await.unwrap(), []);
        let looks = house.records(Action::LedgerShown).await;
        let looks: Vec<_> = looks
            .iter()
            .map(|look| {
                (
                    look.details["subject"].clone(),
                    look.details["count"].clone(),
                )
            })
            .collect();
        let expected = [(id, 1), (other, 1), (nobody, 0)];
        let expected = expected.map(|(subject, count)| (subject.to_string().into(), count.into()));
        assert_eq!(looks, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_forgotten_keeps_her_rows_as_long_as_it_may_have_to_be_proven() {
    on_each_engine(async |house| {
        let id = maya(house).await;
        let asked = [SubjectAsked::Id(id)];
        ask(house, &caller("mill", "orders"), &asked, &["first_name"]).await;
        forget(&house.p, [id].into(), Actor::CommandLine)
            .await
            .unwrap();
        for (days, left) in [(0, 1), (700, 1), (100, 0)] {
            house.clock.advance(SignedDuration::from_hours(24 * days));
            housekeeping::clear(&house.p).await.unwrap();
            let lines = of_subject(&house.p, id, BY).await.unwrap();
            assert_eq!(lines.len(), left, "after {days} more days");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_each_line_once_and_no_value() {
    on_each_engine(async |house| {
        let mut ids = vec![maya(house).await];
        for number in 2..5 {
            let number = format!("{number}");
            ids.push(write(house, &[("customer_number", &number), ("first_name", "Jo")]).await);
        }
        let asked: Vec<_> = ids.iter().map(|id| SubjectAsked::Id(*id)).collect();
        ask(house, &caller("mill", "orders"), &asked, &["first_name"]).await;
        let mut export = LedgerExport::begin(&house.p, "jsonl", BY).await.unwrap();
        let lines = export.next_lines().await.unwrap();
        assert_eq!(export.next_lines().await.unwrap(), []);
        let recorded = house.records(Action::LedgerExported).await;
        assert_eq!(recorded.len(), 1);
        assert_eq!(recorded[0].details["form"], "jsonl");
        let mut found: Vec<_> = lines.iter().map(|line| line.subject).collect();
        found.sort();
        ids.sort();
        assert_eq!(found, ids);
        let text = serde_json::to_string(&lines).unwrap();
        assert!(!text.contains("Maya") && !text.contains('@'));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_names_what_nobody_needs() {
    on_each_engine(async |house| {
        let id = maya(house).await;
        let asked = [SubjectAsked::Id(id)];
        ask(
            house,
            &caller("mill", "orders"),
            &asked,
            &["first_name", "nuts"],
        )
        .await;
        ask(house, &caller("leads", "orders"), &asked, &["email"]).await;
        let found = minimise(&house.p, 30).await.unwrap();
        let never_asked: Vec<_> = found.never_asked.iter().map(AsRef::as_ref).collect();
        assert_eq!(
            never_asked,
            ["customer_number", "birth_date", "country", "state"]
        );
        let never_given: Vec<_> = found.never_given.iter().map(AsRef::as_ref).collect();
        assert_eq!(never_given, ["email", "nuts"]);
        let more: Vec<_> = found
            .asks_for_more
            .iter()
            .map(|one| (one.recipient.as_ref(), one.withheld.join(","), one.times))
            .collect();
        assert_eq!(
            more,
            [
                ("leads", "email".to_owned(), 1),
                ("mill", "nuts".to_owned(), 1)
            ]
        );
        assert!(found.unused_purposes.contains(&"newsletter".into()));
        assert!(!found.unused_purposes.contains(&"orders".into()));
        assert_eq!(found.unused_recipients, ["leads".into()]);
        house.clock.advance(SignedDuration::from_hours(24 * 40));
        let later = minimise(&house.p, 30).await.unwrap();
        assert_eq!(later.never_asked.len(), 7);
    })
    .await;
}

/// A row of the ledger about a recipient that the data map doesn't have any more.
async fn went_to_somebody_gone(p: &governance::Privity, subject: SubjectId, sold: bool) {
    went_to(p, subject, "old_vendor", "email", sold).await;
}

/// A row of the ledger: an attribute of a subject went to a recipient as it is.
async fn went_to(
    p: &governance::Privity,
    subject: SubjectId,
    recipient: &'static str,
    attribute: &'static str,
    sold: bool,
) {
    let at = p.now();
    let written = p.database().write_recorded("disclose", move |tx| {
        let record = NewRecord::new(at, Actor::System, Action::Disclosed);
        let log = "privacy.hearth.example/audit";
        let pending = storage::audit::append(tx, log, vec![record])?;
        let noted = Noted {
            record: 0,
            subject: Some(subject),
            recipient: recipient.into(),
            purpose: if sold { "sale" } else { "orders" }.into(),
            attributes: Hash::of(attribute.as_bytes()),
            written: Some(format!("{{\"keep\":[\"profile:{attribute}\"]}}")),
            sale: Sale {
                sold,
                shared: false,
                consideration: None,
            },
            at,
        };
        storage::ledger::enter(tx, &pending, &[noted])?;
        Ok::<_, storage::Error>(((), pending))
    });
    written.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_the_ledger_names_is_told_besides_those_of_the_data_map() {
    for (kind, sold, told) in [
        (RequestKind::OptOutSaleShare, true, 2),
        (RequestKind::OptOutSaleShare, false, 1),
    ] {
        let house = vault_house::VaultHouse::new(None).await;
        let (records, _) = house.fill().await;
        went_to_somebody_gone(&house.p, records[0], sold).await;
        let received = crate::house::ask(&house.p, kind, "maya@example.org").await;
        house.work().await;
        assert_eq!(house.count("outreach").await, told, "{kind:?} {sold}");
        let plan = house.detail(&received).await.plan.unwrap();
        assert_eq!(plan.disclosed.len(), 1);
        assert_eq!(plan.disclosed[0].recipient.as_ref(), "old_vendor");
        assert_eq!(plan.disclosed[0].sold, sold);
        assert!(plan.disclosed[0].attributes.contains("email"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_is_told_by_name_what_it_received_and_not_what_others_did() {
    let house = vault_house::VaultHouse::new(None).await;
    let (records, _) = house.fill().await;
    went_to(&house.p, records[0], "mill", "birth_date", false).await;
    went_to(&house.p, records[0], "leads", "tax_id", true).await;
    let received = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    let operator = house.operator().await;
    plan::approve(&house.p, received.id, operator)
        .await
        .unwrap();
    house.work().await;
    let told = |desk: &str| house.mailbox.to(desk).last().unwrap().text.clone();
    let (mill, leads) = (told("desk@mill.example"), told("desk@leads.example"));
    let title = |key: &str| {
        let schema = house.p.schema().unwrap();
        schema.attribute_of(key).unwrap().title.clone()
    };
    let by_records = |key: &str| format!("By our records you received: {}.", title(key));
    assert!(mill.contains(&by_records("birth_date")), "{mill}");
    assert!(
        mill.contains("What we give you may also have held"),
        "{mill}"
    );
    assert!(leads.contains(&by_records("tax_id")), "{leads}");
    assert!(!mill.contains(&title("tax_id")) && !leads.contains(&title("birth_date")));
    for value in ["1988-07-06", vault_house::SIGN] {
        assert!(!mill.contains(value) && !leads.contains(value), "{value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_is_told_of_what_was_sold_when_she_opts_out() {
    let house = vault_house::VaultHouse::new(None).await;
    let (records, _) = house.fill().await;
    went_to(&house.p, records[0], "mill", "birth_date", false).await;
    went_to(&house.p, records[0], "mill", "email", true).await;
    crate::house::ask(&house.p, RequestKind::OptOutSaleShare, "maya@example.org").await;
    house.work().await;
    let mails = house.mailbox.to("desk@mill.example");
    let told = &mails.last().unwrap().text;
    let schema = house.p.schema().unwrap();
    let title = |key: &str| schema.attribute_of(key).unwrap().title.clone();
    let expected = format!("By our records you received: {}.", title("email"));
    assert!(
        told.contains(&expected) && !told.contains(&title("birth_date")),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn her_access_package_says_who_received_what_and_whether_it_was_sold() {
    let house = vault_house::VaultHouse::new(None).await;
    let (records, _) = house.fill().await;
    went_to(&house.p, records[0], "mill", "birth_date", false).await;
    went_to_somebody_gone(&house.p, records[1], true).await;
    let received = house
        .ask_verified(RequestKind::KnowCategories, "maya@example.org")
        .await;
    let whole = crate::know::package_of(&house.p, &received).await;
    let title = |key: &str| {
        let schema = house.p.schema().unwrap();
        schema.attribute_of(key).unwrap().title.clone()
    };
    assert!(whole.contains("Who received it, by our records"), "{whole}");
    for line in [
        format!(
            "<dt>Paper Mill</dt><dd>orders: {} (1 times",
            title("birth_date")
        ),
        format!("<dt>old_vendor</dt><dd>sale: {} (1 times", title("email")),
    ] {
        assert!(whole.contains(&line), "{line}: {whole}");
    }
    assert_eq!(whole.matches("; sold)").count(), 1, "{whole}");

    // Her own page says the same; that of whoever only typed an address says nothing of it.
    let shown = async |received: &Received| {
        let view = tracker::view(&house.p, &received.tracker).await.unwrap();
        let lines = view.received.into_iter();
        lines
            .map(|line| (line.recipient, line.sold))
            .collect::<Vec<_>>()
    };
    let expected = [("Paper Mill", false), ("old_vendor", true)];
    let expected = expected.map(|(name, sold)| (name.to_owned(), sold));
    assert_eq!(shown(&received).await, expected);
    let opted_out =
        crate::house::ask(&house.p, RequestKind::OptOutSaleShare, "maya@example.org").await;
    house.work().await;
    assert_eq!(shown(&opted_out).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_out_while_two_were_one_is_told_of_both_when_they_are_two_again() {
    on_each_engine(async |house| {
        let p = &house.p;
        let robin = governance::operator::add(p, "Robin").await.unwrap().0;
        let one = write(house, &[("customer_number", "1"), ("first_name", "Maya")]).await;
        let other = write(house, &[("customer_number", "2"), ("first_name", "Mia")]).await;
        // The lower id stands for both while they are one.
        let (first, second) = (one.min(other), one.max(other));
        let mill = caller("mill", "orders");
        let ask_of = async |subject, attributes: &[&str]| {
            ask(house, &mill, &[SubjectAsked::Id(subject)], attributes).await;
        };
        let times_of = async |subject| {
            let lines = of_subject(p, subject, BY).await.unwrap();
            lines.iter().map(|line| line.times).collect::<Vec<_>>()
        };
        ask_of(second, &["first_name"]).await;
        assert!(times_of(first).await.is_empty());

        let merge = governance::identity::merge(p, one, other, robin).await;
        ask_of(one, &["first_name", "email"]).await;
        ask_of(other, &["first_name", "email"]).await;
        for subject in [one, other] {
            let times: u64 = times_of(subject).await.iter().sum();
            assert_eq!(times, 3);
        }

        governance::identity::split(p, merge.unwrap(), robin)
            .await
            .unwrap();
        assert_eq!(times_of(first).await, [2]);
        let mut told = times_of(second).await;
        told.sort_unstable();
        assert_eq!(told, [1, 2], "her own, and what went out of both");
    })
    .await;
}
