//! What is recorded and what is refused, and what a history answers as time goes by.

use std::collections::BTreeSet;

use domain::audit::{Action, Actor};
use domain::consent::{By, GuardianProof, How, Party, Reason, Scope, Steps};
use domain::id::SubjectId;
use domain::purpose_of_use::UseKind;
use futures_util::future::join_all;
use governance::consent::{Asked, NewChoice, RecordForm, Recorded, Said, WantedRecord, Yes};
use jiff::SignedDuration;
use storage::consent::StoredConsent;
use uuid::Uuid;

use super::{
    LAPTOP, PHONE, ask, choice, count, device, house, keep, no, reason, record, records, refusal,
    secret, shown, subject, yes,
};

const DAY: SignedDuration = SignedDuration::from_hours(24);

#[tokio::test]
async fn a_withdrawal_takes_what_a_consent_gave_and_time_takes_it_too() {
    let house = house().await;
    let p = &house.p;
    assert_eq!(reason(p, device(), "newsletter").await, Reason::NoConsent);
    keep(p, yes(device(), "newsletter")).await;
    let stands = ask(p, device(), "newsletter").await;
    assert!(stands.allowed && stands.until.is_some());
    house.clock.advance(DAY);
    keep(p, no(device(), "newsletter")).await;
    assert_eq!(reason(p, device(), "newsletter").await, Reason::Withdrawn);
    house.clock.advance(DAY);
    keep(p, yes(device(), "newsletter")).await;
    assert_eq!(
        reason(p, device(), "newsletter").await,
        Reason::ConsentedAgain
    );
    house.clock.advance(DAY * 740);
    assert_eq!(reason(p, device(), "newsletter").await, Reason::Expired);
    assert_eq!(count(p).await, 3, "nothing was ever changed");
}

#[tokio::test]
async fn after_a_no_to_sale_nobody_is_asked_for_twelve_months() {
    let house = house().await;
    let p = &house.p;
    assert_eq!(reason(p, device(), "sale").await, Reason::NotOptedOut);
    keep(p, no(device(), "sale")).await;
    let stands = ask(p, device(), "sale").await;
    let again = stands.may_ask_again.unwrap();
    assert_eq!(again.from.to_string(), "2027-11-02");
    let all = p.standings(&Asked::of(device())).await.unwrap();
    let sale = all
        .iter()
        .find(|one| one.purpose.as_ref() == "sale")
        .unwrap();
    assert!(sale.citation.is_some());
    assert_eq!(sale.recipients.len(), 1);
    assert!(!sale.recipients[0].standing.allowed);
    assert_eq!(all.len(), 4);
}

#[tokio::test]
async fn each_choice_of_a_call_is_judged_by_itself() {
    let house = house().await;
    let p = &house.p;
    let nobody = Party::Subject(SubjectId::from_uuid(Uuid::from_u128(404)));
    let with = |change: fn(&mut NewChoice)| {
        let mut new = yes(device(), "sale");
        change(&mut new);
        new
    };
    let said = |version, steps| {
        Said::Given(Yes {
            shown: shown("newsletter", version),
            steps,
            despite_signal_of: None,
            expires: None,
        })
    };
    let cases: Vec<(NewChoice, &str, Option<&str>)> = vec![
        (yes(device(), "sale"), "", None),
        (
            choice(device(), "pigeons", Said::Refused(None)),
            "no purpose is called `pigeons`",
            Some("purpose"),
        ),
        (yes(device(), "orders"), "leaves no choice", Some("purpose")),
        (
            choice(device(), "newsletter", said(9, Steps::Two)),
            "published as version 9",
            Some("shown"),
        ),
        (
            choice(device(), "newsletter", said(1, Steps::Two)),
            "no longer says what happens",
            Some("act"),
        ),
        (
            choice(device(), "sale", said(2, Steps::Two)),
            "does not explain",
            Some("shown"),
        ),
        (
            with(|new| {
                new.by = By::Agent {
                    power_of_attorney: false,
                }
            }),
            "power of attorney",
            Some("act"),
        ),
        (
            with(|new| new.by = By::Guardian { proof: None }),
            "a guardian consents for a child only",
            Some("act"),
        ),
        (
            with(|new| new.scope = Scope::every([UseKind::Sale])),
            "names its purpose",
            Some("purpose"),
        ),
        (
            with(|new| new.place = "a@b.example".to_owned()),
            "is the key of a site",
            Some("place"),
        ),
        (
            with(|new| new.scope.recipient = Some("mill".into())),
            "no recipient called `mill`",
            Some("recipient"),
        ),
        (
            with(|new| new.at = Some("2031-01-01T00:00:00Z".parse().unwrap())),
            "still to come",
            Some("at"),
        ),
        (
            with(|new| new.law = Some("moon_act".to_owned())),
            "not known here",
            Some("law"),
        ),
        (
            with(|new| {
                if let Said::Given(yes) = &mut new.said {
                    yes.steps = Steps::One
                }
            }),
            "in one step",
            Some("act"),
        ),
        (
            no(nobody.clone(), "sale"),
            "no such subject",
            Some("subject"),
        ),
        (no(device(), "newsletter"), "", None),
    ];
    let answers = record(p, cases.iter().map(|(new, ..)| new.clone()).collect()).await;
    for ((_, words, field), answer) in cases.iter().zip(&answers) {
        match answer {
            Recorded::Kept { repeated, .. } => assert!(field.is_none() && !repeated, "{words}"),
            Recorded::Refused(problem) => {
                assert!(problem.title.contains(words), "{words}: {problem}");
                assert_eq!(problem.field, *field, "{problem}");
            }
        }
    }
    assert_eq!(count(p).await, 2);
}

#[tokio::test]
async fn a_no_needs_nothing_that_a_yes_needs() {
    let house = house().await;
    let p = &house.p;
    let mut by_agent = no(device(), "newsletter");
    by_agent.by = By::Agent {
        power_of_attorney: false,
    };
    let mut by_guardian = no(device(), "newsletter");
    by_guardian.by = By::Guardian { proof: None };
    let never_published = choice(
        device(),
        "sale",
        Said::OptedOut(Some(shown("my-mail@me.example", 7))),
    );
    for new in [by_agent, by_guardian, never_published] {
        keep(p, new).await;
    }
    let history = p.consent_history(&Asked::of(device())).await.unwrap();
    assert!(
        history
            .own
            .iter()
            .all(|kept| kept.event.act.shown().is_none()),
        "what was never published isn't kept"
    );
}

#[tokio::test]
async fn what_comes_from_elsewhere_is_kept_as_evidence_though_it_counts_no_more() {
    let house = house().await;
    let p = &house.p;
    let old = Said::Given(Yes {
        shown: shown("newsletter", 1),
        steps: Steps::One,
        despite_signal_of: None,
        expires: None,
    });
    let imported = NewChoice {
        how: How::Imported,
        at: Some("2024-06-01T10:00:00.123456789Z".parse().unwrap()),
        ..choice(device(), "newsletter", old)
    };
    keep(p, imported).await;
    assert_eq!(reason(p, device(), "newsletter").await, Reason::OldNotice);
    let kept = &p.consent_history(&Asked::of(device())).await.unwrap().own[0];
    assert_eq!(kept.event.at.to_string(), "2024-06-01T10:00:00.123456Z");
    assert_eq!(kept.recorded_at, p.now());
}

#[tokio::test]
async fn a_guardian_with_proof_consents_for_whom_no_age_is_known_and_the_proof_is_kept() {
    let house = house().await;
    let p = &house.p;
    let child = Party::Subject(subject(p, 7).await);
    let mut new = yes(child.clone(), "sale");
    new.by = By::Guardian {
        proof: Some(GuardianProof::Video),
    };
    keep(p, new).await;
    assert!(ask(p, child, "sale").await.allowed);
}

#[tokio::test]
async fn a_call_that_is_repeated_is_recorded_once_and_a_changed_one_is_told_so() {
    let house = house().await;
    let p = &house.p;
    let send = |choices: Vec<NewChoice>, key: &'static str| async move {
        p.record_consents(choices, Actor::CommandLine, Some(&secret(key)))
            .await
            .unwrap()
    };
    let call = || {
        vec![
            yes(device(), "newsletter"),
            no(device(), "pigeons"),
            no(device(), "sale"),
        ]
    };
    let first = send(call(), "k1").await;
    house.clock.advance(DAY);
    let second = send(call(), "k1").await;
    for (first, second) in first.iter().zip(&second) {
        match (first, second) {
            (
                Recorded::Kept {
                    id,
                    repeated: false,
                },
                Recorded::Kept {
                    id: again,
                    repeated: true,
                },
            ) => assert_eq!(id, again),
            (Recorded::Refused(problem), Recorded::Refused(again)) => assert_eq!(problem, again),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(count(p).await, 2);
    let changed = send(vec![no(device(), "newsletter")], "k1").await;
    assert!(
        matches!(&changed[0], Recorded::Refused(problem) if problem.code == "idempotency_key_reused"),
        "{changed:?}"
    );
    send(call(), "k2").await;
    assert_eq!(count(p).await, 4);
    assert_eq!(
        records(p, Action::ConsentRecorded).await.len(),
        2,
        "a repeated call does nothing that needs a record"
    );
}

#[tokio::test]
async fn an_id_of_the_callers_own_is_one_choice_even_twice_in_one_call() {
    let house = house().await;
    let p = &house.p;
    let with_id = |id: &str, purpose: &str| NewChoice {
        id: Some(id.to_owned()),
        ..no(device(), purpose)
    };
    let answers = record(
        p,
        vec![
            with_id("a", "sale"),
            with_id("a", "sale"),
            with_id("a", "newsletter"),
            with_id("b", "sale"),
        ],
    )
    .await;
    let is_repeated = |answer: &Recorded| match answer {
        Recorded::Kept { repeated, .. } => Some(*repeated),
        Recorded::Refused(_) => None,
    };
    assert_eq!(
        answers.iter().map(is_repeated).collect::<Vec<_>>(),
        [Some(false), Some(true), None, Some(false)]
    );
    assert_eq!(count(p).await, 2);
    // Visitors can't meet each other's ids, and neither can operators and visitors.
    let by_visitor = |party| {
        p.record_consents(
            vec![NewChoice {
                id: Some("a".to_owned()),
                ..no(party, "sale")
            }],
            Actor::Subject,
            None,
        )
    };
    for party in [device(), Party::Device(LAPTOP)] {
        assert_eq!(
            is_repeated(&by_visitor(party).await.unwrap()[0]),
            Some(false)
        );
    }
    assert_eq!(
        is_repeated(&by_visitor(device()).await.unwrap()[0]),
        Some(true)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_call_many_times_at_once_is_recorded_once() {
    let house = house().await;
    let p = &house.p;
    let key = secret("once");
    let calls = (0..40).map(|_| {
        p.record_consents(
            vec![yes(device(), "newsletter"), no(device(), "sale")],
            Actor::CommandLine,
            Some(&key),
        )
    });
    let answers: Vec<_> = join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let new = answers.iter().flatten().filter(|answer| {
        matches!(
            answer,
            Recorded::Kept {
                repeated: false,
                ..
            }
        )
    });
    assert_eq!(new.count(), 2);
    let ids: BTreeSet<_> = answers
        .iter()
        .flatten()
        .map(|answer| {
            format!("{answer:?}")
                .replace("true", "")
                .replace("false", "")
        })
        .collect();
    assert_eq!(ids.len(), 2, "all are told the same ids");
    assert_eq!(count(p).await, 2);
}

#[tokio::test]
async fn the_audit_log_names_each_choice_and_finds_out_a_row_that_was_changed() {
    let house = house().await;
    let p = &house.p;
    let choices: Vec<_> = (0..2_500_u32).map(|_| no(device(), "sale")).collect();
    record(p, choices).await;
    let records = records(p, Action::ConsentRecorded).await;
    assert_eq!(records.len(), 3, "one for each thousand");
    let mut named = 0;
    for record in &records {
        let ids: Vec<_> = record.details["consents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap().parse().unwrap())
            .collect();
        named += ids.len();
        assert_eq!(record.details["counts"]["withdrawn"], ids.len());
        let order = ids.clone();
        let mut stored: Vec<StoredConsent> = p
            .database()
            .read("get", move |tx| storage::consent::get_many(tx, &ids))
            .await
            .unwrap();
        stored.sort_by_key(|one| order.iter().position(|id| *id == one.event.id));
        let digest = storage::consent::digest(&stored).unwrap().to_string();
        assert_eq!(record.details["rows"], digest.as_str());
        stored[7].event.place = "elsewhere".to_owned();
        assert_ne!(
            storage::consent::digest(&stored).unwrap().to_string(),
            digest
        );
    }
    assert_eq!(named, 2_500);
}

#[tokio::test]
async fn of_an_id_that_came_twice_in_a_call_the_first_choice_is_kept_and_counted() {
    let house = house().await;
    let p = &house.p;
    let named = |choice: NewChoice| NewChoice {
        id: Some("one".to_owned()),
        ..choice
    };
    let first = named(no(device(), "sale"));
    let other = named(choice(device(), "sale", Said::Refused(None)));
    let recorded = p.record_consents(vec![first, other], Actor::CommandLine, None);
    let recorded = recorded.await.unwrap();
    assert!(matches!(
        recorded[0],
        Recorded::Kept {
            repeated: false,
            ..
        }
    ));
    assert!(
        matches!(&recorded[1], Recorded::Refused(problem) if problem.code == "idempotency_key_reused")
    );
    let records = records(p, Action::ConsentRecorded).await;
    assert_eq!(
        records[0].details["counts"],
        serde_json::json!({"withdrawn": 1})
    );
}

#[tokio::test]
async fn a_large_call_answers_in_the_order_given_whichever_parts_of_it_are_refused() {
    for kept in [
        [true, true, true],
        [false, true, false],
        [true, false, true],
        [true, false, false],
        [false, false, true],
        [false, false, false],
    ] {
        let house = house().await;
        let p = &house.p;
        // The first part fills a transaction.
        let kept = kept.into_iter().zip([5_000, 1_000, 1_000]);
        let part = |(is_kept, size)| {
            let right = no(device(), "sale");
            let wrong = choice(device(), "pigeons", Said::Refused(None));
            vec![if is_kept { right } else { wrong }; size]
        };
        let choices: Vec<_> = kept.clone().flat_map(part).collect();
        let key = secret("large");
        let call = async || {
            let recorded = p.record_consents(choices.clone(), Actor::CommandLine, Some(&key));
            recorded.await.unwrap()
        };
        let first = call().await;
        let answered = first.iter().map(|one| matches!(one, Recorded::Kept { .. }));
        let expected = kept.flat_map(|(is_kept, size)| vec![is_kept; size]);
        let expected: Vec<_> = expected.collect();
        assert!(answered.eq(expected.iter().copied()));
        let right = expected.iter().filter(|is_kept| **is_kept).count() as u64;
        assert_eq!(count(p).await, right);
        let repeated = call().await;
        let ids = |answers: &[Recorded]| -> Vec<_> {
            let ids = answers.iter().map(|one| match one {
                Recorded::Kept { id, .. } => Some(*id),
                Recorded::Refused(_) => None,
            });
            ids.collect()
        };
        assert_eq!(ids(&repeated), ids(&first));
        assert_eq!(count(p).await, right);
    }
}

#[tokio::test]
async fn a_call_takes_so_many_choices_and_no_more() {
    let house = house().await;
    let choices = vec![no(device(), "sale"); 10_001];
    let problem = house
        .p
        .record_consents(choices, Actor::CommandLine, None)
        .await
        .unwrap_err();
    assert_eq!((problem.status, count(&house.p).await), (413, 0));
}

#[tokio::test]
async fn neither_database_nor_log_holds_an_identifier() {
    let house = house().await;
    let p = &house.p;
    let email = secret("furious.maya@example.com");
    let tag = p.pseudonym_tag(&domain::data_map::IdentifierKind::email(), &email);
    let cookie = p.device_tag(&secret("cookie-of-mayas-phone"));
    assert_ne!(cookie, PHONE);
    keep(p, no(Party::Pseudonym(tag), "sale")).await;
    let key = secret("key-with-maya-in-it");
    p.record_consents(
        vec![no(Party::Device(cookie), "sale")],
        Actor::Subject,
        Some(&key),
    )
    .await
    .unwrap();
    let problem = refusal(
        p,
        NewChoice {
            place: "maya's phone".to_owned(),
            ..no(Party::Device(cookie), "sale")
        },
    )
    .await;
    assert!(!format!("{problem:?}").contains("maya"));
    p.database().close().await;
    for file in std::fs::read_dir(house.dir.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file()
            && path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("privity.db")
        {
            let bytes = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            assert!(
                !text.contains("maya") && !text.contains("cookie-of"),
                "{}",
                path.display()
            );
        }
    }
}

#[tokio::test]
async fn an_opt_out_by_the_form_is_a_choice_like_any_other_and_recorded_once() {
    let house = house().await;
    let p = &house.p;
    let sql = "INSERT INTO customer (customer_id, email, name) VALUES (77, 'opting@out.example', 'Opting Out')";
    crate::house::sql(&house.shop(), sql);
    let received = house
        .ask(
            domain::privacy_request::RequestKind::OptOutSaleShare,
            "Opting@out.example",
        )
        .await;
    house.work().await;
    let party = |kind: &str, value: &str| {
        let kind = domain::data_map::IdentifierKind(kind.to_owned());
        Party::Pseudonym(p.pseudonym_tag(&kind, &secret(value)))
    };
    for known in [
        party("email", "opting@out.example"),
        party("customer_number", "77"),
    ] {
        assert_eq!(reason(p, known, "sale").await, Reason::OptedOut);
    }
    let records = records(p, Action::ConsentRecorded).await;
    assert_eq!(records.len(), 1);
    assert_eq!(
        records[0].request.map(|link| link.id),
        Some(received.id),
        "it is part of the evidence"
    );
    let told = count(p).await;
    house.work().await;
    assert_eq!(count(p).await, told);
}

#[tokio::test]
async fn records_are_written_in_both_forms_and_every_export_is_recorded() {
    let house = house().await;
    let p = &house.p;
    let id = keep(p, yes(device(), "newsletter")).await;
    let out = keep(
        p,
        NewChoice {
            scope: Scope::every([UseKind::Sale]),
            ..no(device(), "sale")
        },
    )
    .await;
    let wanted = |form| WantedRecord {
        form,
        language: None,
        purpose: None,
        law: None,
    };
    let iso = p
        .consent_record(id, &wanted(RecordForm::Iso27560), Actor::CommandLine)
        .await
        .unwrap();
    assert_eq!(iso["dct:identifier"], id.to_string());
    assert_eq!(iso["dpv:hasNotice"]["dct:identifier"], "newsletter/2");
    assert_eq!(
        iso["dpv:hasLegalBasis"]["dpv:hasConsentStatus"],
        "dpv:ConsentGiven"
    );
    let kantara = p
        .consent_record(id, &wanted(RecordForm::Kantara), Actor::CommandLine)
        .await
        .unwrap();
    assert_eq!(kantara["consentReceiptID"], id.to_string());
    let no_receipt = p
        .consent_record(out, &wanted(RecordForm::Kantara), Actor::CommandLine)
        .await;
    assert_eq!(no_receipt.unwrap_err().status, 409);
    let all = p
        .consent_records(&device(), &wanted(RecordForm::Iso27560), Actor::CommandLine)
        .await
        .unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(records(p, Action::ConsentExported).await.len(), 3);
    let operator = domain::id::OperatorId::from_uuid(Uuid::from_u128(7));
    let (standings, history) = p
        .look_at_consents(&device(), Actor::Operator(operator))
        .await
        .unwrap();
    assert_eq!((standings.is_empty(), history.own.len()), (false, 2));
    let looks = records(p, Action::ConsentShown).await;
    let named = looks[0].details["consents"].as_array().unwrap();
    assert!(looks.len() == 1 && looks[0].actor == Actor::Operator(operator));
    assert!(named.contains(&id.to_string().into()) && looks[0].details["count"] == 2);
    let nobody = domain::consent::ConsentId::from_uuid(Uuid::from_u128(1));
    let missing = p
        .consent_record(nobody, &wanted(RecordForm::Kantara), Actor::CommandLine)
        .await;
    assert_eq!(missing.unwrap_err().status, 404);
}
