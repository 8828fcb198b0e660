//! The small nouns on both engines.

use std::collections::BTreeSet;

use domain::sensitive::Sealed;
use jiff::SignedDuration;
use storage::attachment::{self, Attachment, AttachmentId};
use storage::legal_hold::{self, LegalHold, LegalHoldId};
use storage::operator::{self, Operator};
use storage::suppression::{self, Suppression, SuppressionReason};
use storage::verification::{self, Verification};
use storage::{Error, meta, privacy_request, rate_limit, session};
use uuid::Uuid;

use crate::place::on_each_engine;
use crate::sample::{at, insert_requests, operator_id, outreach_id, request_id, sealed, task_id};

#[tokio::test(flavor = "multi_thread")]
async fn tries_made_at_once_each_count_and_one_code_verifies_once() {
    on_each_engine(async |database| {
        insert_requests(database, 1).await;
        let first = Verification {
            request: request_id(0),
            code_tag: b"tag".to_vec(),
            expires_at: at(600),
            tries: 0,
            sends: 1,
            next_send_at: at(60),
            verified_at: None,
        };
        let stored = first.clone();
        database
            .write("save", move |tx| verification::save(tx, &stored))
            .await
            .unwrap();
        let tries =
            (0..50).map(|_| database.write("try", |tx| verification::count_try(tx, request_id(0))));
        let counts: Result<BTreeSet<u32>, Error> = futures_util::future::join_all(tries)
            .await
            .into_iter()
            .collect();
        assert_eq!(counts.unwrap(), (1..=50).collect());

        let resent = Verification {
            code_tag: b"other".to_vec(),
            sends: 2,
            ..first
        };
        let stored = resent.clone();
        database
            .write("resend", move |tx| verification::save(tx, &stored))
            .await
            .unwrap();
        assert_eq!(
            database
                .read("get", |tx| verification::get(tx, request_id(0)))
                .await,
            Ok::<_, Error>(Some(resent))
        );
        let verify = || {
            database.write("verify", |tx| {
                verification::mark_verified(tx, request_id(0), at(5))
            })
        };
        assert_eq!(
            (verify().await, verify().await),
            (Ok::<_, Error>(true), Ok(false))
        );
        let nobody: Result<u32, Error> = database
            .write("try", |tx| verification::count_try(tx, request_id(7)))
            .await;
        assert!(matches!(nobody, Err(Error::NotFound { .. })));
    })
    .await;
}

#[tokio::test]
async fn attachments_go_with_the_key() {
    on_each_engine(async |database| {
        insert_requests(database, 1).await;
        let attachment = Attachment {
            id: AttachmentId::from_uuid(Uuid::from_u128(1)),
            request: request_id(0),
            outreach: Some(outreach_id(2)),
            task: Some(task_id(3)),
            name: sealed("name"),
            media_type: "application/pdf".to_owned(),
            size: 70_000,
            created_at: at(1),
        };
        let content = Sealed::from_envelope((0..70_000_u32).flat_map(u32::to_be_bytes).collect());
        let (stored, body, id) = (attachment.clone(), content.clone(), attachment.id);
        database
            .write("insert", move |tx| attachment::insert(tx, &stored, &body))
            .await
            .unwrap();
        let (found, opened) = database
            .read("get", move |tx| attachment::get(tx, id))
            .await
            .unwrap()
            .unwrap();
        assert!(opened == content && found.name == attachment.name);
        assert_eq!(
            (found.outreach, found.task, found.size, found.created_at),
            (attachment.outreach, attachment.task, 70_000, at(1))
        );
        let listed = || {
            database.read("list", |tx| {
                attachment::of_request(tx, request_id(0)).map(|all| all.len())
            })
        };
        assert_eq!(listed().await, Ok(1));
        database
            .write("destroy", |tx| {
                privacy_request::destroy_keys(tx, &[request_id(0)], at(2))
            })
            .await
            .unwrap();
        assert_eq!(listed().await, Ok(0));
    })
    .await;
}

#[tokio::test]
async fn an_operator_who_is_shut_out_is_out_at_once() {
    on_each_engine(async |database| {
        let operator = Operator {
            id: operator_id(1),
            name: "Privacy desk".to_owned(),
            role: "privacy".to_owned(),
            key_tag: b"key".to_vec(),
            disabled_at: None,
            created_at: at(0),
        };
        let stored = operator.clone();
        database
            .write::<_, Error, _>("add", move |tx| {
                operator::insert(tx, &stored)?;
                session::insert(tx, b"old", stored.id, at(10))?;
                session::insert(tx, b"session", stored.id, at(60))
            })
            .await
            .unwrap();
        let by_session = |tag: &'static [u8], now| {
            database.read("session", move |tx| session::operator(tx, tag, at(now)))
        };
        assert_eq!(by_session(b"session", 59).await, Ok(Some(operator.clone())));
        assert_eq!(by_session(b"session", 60).await, Ok(None));
        assert_eq!(by_session(b"other", 1).await, Ok(None));
        assert_eq!(
            database
                .write("expired", |tx| session::remove_expired(tx, at(10)))
                .await,
            Ok::<_, Error>(1)
        );
        assert_eq!(
            database
                .read("key", |tx| operator::get_by_key_tag(tx, b"key"))
                .await,
            Ok(Some(operator.clone()))
        );

        let disable = || {
            database.write("disable", |tx| {
                operator::disable(tx, operator_id(1), at(20))
            })
        };
        assert_eq!(
            (disable().await, disable().await),
            (Ok::<_, Error>(true), Ok(false))
        );
        assert_eq!(by_session(b"session", 30).await, Ok(None));
        assert_eq!(
            database
                .read("key", |tx| operator::get_by_key_tag(tx, b"key"))
                .await,
            Ok(None)
        );
        let shut_out = Operator {
            disabled_at: Some(at(20)),
            ..operator
        };
        assert_eq!(
            database.read("list", operator::list).await,
            Ok(vec![shut_out.clone()])
        );
        assert_eq!(
            database
                .read("get", |tx| operator::get(tx, operator_id(1)))
                .await,
            Ok(Some(shut_out))
        );
        database
            .write("remove", |tx| session::remove(tx, b"none"))
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_identifier_can_be_suppressed_for_two_reasons_and_freed_of_one() {
    on_each_engine(async |database| {
        insert_requests(database, 2).await;
        let entry = |reason, request| Suppression {
            kind: "email".to_owned(),
            tag: b"tag".to_vec(),
            reason,
            request: request_id(request),
            created_at: at(1),
        };
        let (deleted, opted_out) = (
            entry(SuppressionReason::Deleted, 0),
            entry(SuppressionReason::OptedOut, 1),
        );
        let both = vec![deleted.clone(), opted_out.clone()];
        let insert = || {
            let both = both.clone();
            database.write("insert", move |tx| suppression::insert_many(tx, &both))
        };
        assert_eq!((insert().await, insert().await), (Ok::<_, Error>(2), Ok(0)));
        let find = |kind: &'static str| {
            database.read("find", move |tx| suppression::find(tx, kind, b"tag"))
        };
        assert_eq!(find("email").await, Ok(vec![deleted.clone(), opted_out]));
        assert_eq!(find("phone").await, Ok(vec![]));
        let opted_in = database
            .write("remove", |tx| {
                suppression::remove(tx, "email", b"tag", SuppressionReason::OptedOut)
            })
            .await;
        assert_eq!(
            (opted_in, find("email").await),
            (Ok::<_, Error>(true), Ok(vec![deleted]))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_counts_everyone_and_begins_anew() {
    on_each_engine(async |database| {
        let count = |seconds| {
            database.write("count", move |tx| {
                rate_limit::count(
                    tx,
                    "intake",
                    b"tag",
                    at(seconds),
                    SignedDuration::from_mins(1),
                )
            })
        };
        let counts: Result<BTreeSet<u32>, Error> =
            futures_util::future::join_all((0..40).map(count))
                .await
                .into_iter()
                .collect();
        assert_eq!(counts.unwrap(), (1..=40).collect());
        assert_eq!(count(60).await, Ok(1));
        assert_eq!(
            database
                .write("other", |tx| rate_limit::count(
                    tx,
                    "intake",
                    b"other",
                    at(0),
                    SignedDuration::from_mins(1)
                ))
                .await,
            Ok(1)
        );
        assert_eq!(
            database
                .write("remove", |tx| rate_limit::remove_before(
                    tx,
                    at(60).round(jiff::Unit::Minute).unwrap()
                ))
                .await,
            Ok::<_, Error>(2)
        );
    })
    .await;
}

#[tokio::test]
async fn a_legal_hold_is_in_force_until_its_day_or_until_lifted() {
    on_each_engine(async |database| {
        let hold = |number: u128, request, until: &str| LegalHold {
            id: LegalHoldId::from_uuid(Uuid::from_u128(number)),
            name: "Recall of 2026".to_owned(),
            reason_code: "legal_claims".to_owned(),
            note: String::new(),
            covers: BTreeSet::from(["shop.orders".into()]),
            request,
            subject_tags: request.map(|_| "0f".repeat(16)).into_iter().collect(),
            placed_by: operator_id(1),
            placed_at: at(0),
            until: until.parse().ok(),
            lifted_at: None,
        };
        let holds = [
            hold(1, None, ""),
            hold(2, Some(request_id(5)), ""),
            hold(3, None, "2026-11-10"),
        ];
        let stored = holds.clone();
        database
            .write::<_, Error, _>("place", move |tx| {
                stored
                    .iter()
                    .try_for_each(|hold| legal_hold::insert(tx, hold))
            })
            .await
            .unwrap();
        let in_force = async |day: &str| {
            let today = day.parse().unwrap();
            let found = database
                .read("in force", move |tx| legal_hold::in_force(tx, today))
                .await;
            found
                .unwrap()
                .into_iter()
                .map(|hold: LegalHold| hold.id.uuid().as_u128())
                .collect::<Vec<_>>()
        };
        assert_eq!(in_force("2026-11-10").await, [1, 2, 3]);
        assert_eq!(in_force("2026-11-11").await, [1, 2]);
        let second = LegalHoldId::from_uuid(Uuid::from_u128(2));
        let found = database
            .read("get", move |tx| legal_hold::get(tx, second))
            .await;
        assert_eq!(found, Ok::<_, Error>(Some(holds[1].clone())));
        let lift = || {
            database.write("lift", |tx| {
                legal_hold::lift(tx, LegalHoldId::from_uuid(Uuid::from_u128(1)), at(9))
            })
        };
        assert_eq!(
            (lift().await, lift().await),
            (Ok::<_, Error>(true), Ok(false))
        );
        assert_eq!(in_force("2026-11-11").await, [2]);
        let all = database.read("list", legal_hold::list).await.unwrap();
        assert_eq!(all[0], holds[2]);
        assert_eq!(
            all[2],
            LegalHold {
                lifted_at: Some(at(9)),
                ..holds[0].clone()
            }
        );
        let removed = database
            .write("remove", |tx| {
                legal_hold::remove_ended_before(tx, at(10), "2026-11-10".parse().unwrap())
            })
            .await;
        assert_eq!(removed, Ok::<_, Error>(1));
        let left = database.read("list", legal_hold::list).await.unwrap();
        assert_eq!(left, [holds[2].clone(), holds[1].clone()]);
    })
    .await;
}

#[tokio::test]
async fn the_first_value_of_meta_stays_unless_it_is_set() {
    on_each_engine(async |database| {
        let first = |value: &'static [u8]| {
            database.write("first", move |tx| {
                meta::get_or_insert(tx, meta::KEY_CHECK, value)
            })
        };
        assert_eq!(
            (first(b"a").await, first(b"b").await),
            (Ok::<_, Error>(b"a".to_vec()), Ok(b"a".to_vec()))
        );
        database
            .write("set", |tx| meta::set(tx, meta::KEY_CHECK, b"c"))
            .await
            .unwrap();
        assert_eq!(
            database
                .read("get", |tx| meta::get(tx, meta::KEY_CHECK))
                .await,
            Ok(Some(b"c".to_vec()))
        );
        assert_eq!(
            database
                .read("get", |tx| meta::get(tx, meta::CREATED_AT))
                .await,
            Ok(None)
        );
    })
    .await;
}
