//! Privacy requests on both engines.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Actor, NewRecord};
use domain::id::RequestId;
use domain::plan::Plan;
use domain::privacy_request::{PrivacyRequest, RequestState, Waiting};
use domain::task::{Task, TaskKind, TaskState};
use storage::privacy_request::{self, DueDays, Filter, Package};
use storage::{Database, Error, Tx};

use crate::place::on_each_engine;
use crate::sample::{at, insert_requests, new_request, request, request_id, sealed, task};

async fn list(database: &Database, filter: Filter, after: Option<u32>) -> Vec<RequestId> {
    let found = database
        .read("list", move |tx| {
            privacy_request::list(tx, &filter, after.map(request_id), 3)
        })
        .await
        .unwrap();
    found
        .into_iter()
        .map(|request: PrivacyRequest| request.id)
        .collect()
}

#[tokio::test]
async fn a_privacy_request_reads_back_as_it_was_stored() {
    on_each_engine(async |database| {
        insert_requests(database, 2).await;
        database
            .read::<_, Error, _>("get", |tx| {
                let stored = privacy_request::get(tx, request_id(1))?.unwrap();
                assert_eq!(stored.request, request(1));
                assert_eq!(
                    (stored.jurisdiction.as_str(), stored.created_at),
                    ("US-CA", at(1))
                );
                assert_eq!(
                    stored.wrapped_key.as_deref(),
                    Some("wrapped key 1".as_bytes())
                );
                assert!(
                    stored.identity == Some(sealed("identity"))
                        && stored.plan.is_none()
                        && stored.reasons.is_empty()
                );
                assert_eq!(
                    privacy_request::get_by_tracker_tag(tx, b"tracker 1")?
                        .unwrap()
                        .request,
                    request(1)
                );
                assert!(privacy_request::get_by_tracker_tag(tx, b"tracker 9")?.is_none());
                assert!(privacy_request::get(tx, request_id(9))?.is_none());
                let many =
                    privacy_request::get_many(tx, &[request_id(1), request_id(9), request_id(0)])?;
                assert_eq!(
                    many.into_iter()
                        .map(|stored| stored.request.id)
                        .collect::<Vec<_>>(),
                    [request_id(1), request_id(0)]
                );
                Ok(())
            })
            .await
            .unwrap();
        let again = database
            .write("again", |tx| privacy_request::insert(tx, &new_request(1)))
            .await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_change_of_an_outdated_copy_is_refused() {
    on_each_engine(async |database| {
        insert_requests(database, 2).await;
        let verified = PrivacyRequest {
            state: RequestState::Verified,
            waiting: Some(Waiting::Approval),
            ..request(0)
        };
        let change = move |tx: &mut Tx| privacy_request::update(tx, &verified, &[], at(2));
        let now = database.write("verify", change.clone()).await.unwrap();
        assert_eq!(now.version, 2);
        assert_eq!(
            database.write("verify again", change).await,
            Err(Error::Changed {
                statement: "update privacy_request".to_owned()
            })
        );

        let denied = PrivacyRequest {
            state: RequestState::Denied,
            waiting: None,
            closed_at: Some(at(3)),
            ..now
        };
        let outdated = PrivacyRequest {
            version: 7,
            ..request(1)
        };
        let both = {
            let denied = denied.clone();
            move |tx: &mut Tx| {
                privacy_request::update_many(
                    tx,
                    &[(&denied, &["fraud".to_owned()]), (&outdated, &[])],
                    at(3),
                )
            }
        };
        assert!(matches!(
            database.write("both", both).await,
            Err(Error::Changed { .. })
        ));
        let alone =
            move |tx: &mut Tx| privacy_request::update(tx, &denied, &["fraud".to_owned()], at(3));
        let denied = database.write("deny", alone).await.unwrap();
        let stored = database
            .read("get", |tx| privacy_request::get(tx, request_id(0)))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (stored.request, stored.reasons, stored.updated_at),
            (denied, vec!["fraud".to_owned()], at(3))
        );
    })
    .await;
}

#[tokio::test]
async fn lists_go_page_by_page_and_filter() {
    on_each_engine(async |database| {
        insert_requests(database, 7).await;
        database
            .write::<_, Error, _>("change", |tx| {
                let closed = PrivacyRequest {
                    state: RequestState::Withdrawn,
                    closed_at: Some(at(5)),
                    ..request(6)
                };
                privacy_request::update(tx, &closed, &[], at(5))?;
                let mut extended = PrivacyRequest {
                    state: RequestState::Verified,
                    ..request(2)
                };
                extended.clock.extended_to = extended.clock.max_with_extension;
                privacy_request::update(tx, &extended, &[], at(5)).map(|_| ())
            })
            .await
            .unwrap();
        let ids = |numbers: &[u32]| numbers.iter().copied().map(request_id).collect::<Vec<_>>();
        assert_eq!(
            list(database, Filter::default(), None).await,
            ids(&[6, 5, 4])
        );
        assert_eq!(
            list(database, Filter::default(), Some(4)).await,
            ids(&[3, 2, 1])
        );
        assert_eq!(
            list(
                database,
                Filter {
                    open: true,
                    ..Filter::default()
                },
                None
            )
            .await,
            ids(&[5, 4, 3])
        );
        assert_eq!(
            list(
                database,
                Filter {
                    state: Some(RequestState::Verified),
                    ..Filter::default()
                },
                None
            )
            .await,
            ids(&[2])
        );
        let day = |text: &str| text.parse::<jiff::civil::Date>().unwrap();
        let due = |from: &str, until: &str, otherwise: &str| DueDays {
            by_law: BTreeMap::from([
                ("ccpa".to_owned(), day(from)..=day(until)),
                ("vcdpa".to_owned(), day("2000-01-01")..=day("2000-01-01")),
            ]),
            otherwise: day(otherwise)..=day(otherwise),
        };
        let open_and_due = |due| Filter {
            due: Some(due),
            open: true,
            ..Filter::default()
        };
        let fits = open_and_due(due("2026-12-01", "2026-12-17", "2000-01-01"));
        assert_eq!(list(database, fits, Some(4)).await, ids(&[3, 1, 0]));
        for (from, until) in [("2026-12-18", "2027-01-30"), ("2026-11-01", "2026-12-16")] {
            let days = due(from, until, "2026-12-17");
            assert!(list(database, open_and_due(days), None).await.is_empty());
        }
        let other_law = DueDays {
            by_law: BTreeMap::new(),
            ..due("2000-01-01", "2000-01-01", "2027-01-31")
        };
        assert_eq!(
            list(database, open_and_due(other_law), None).await,
            ids(&[2])
        );
        assert_eq!(
            list(
                database,
                Filter {
                    id_contains: Some("_0000".to_owned()),
                    ..Filter::default()
                },
                Some(1)
            )
            .await,
            ids(&[0])
        );
        for injected in ["%", "' OR 1=1 --", "!_", "req%3"] {
            assert!(
                list(
                    database,
                    Filter {
                        id_contains: Some(injected.to_owned()),
                        ..Filter::default()
                    },
                    None
                )
                .await
                .is_empty(),
                "{injected}"
            );
        }
        let due = database
            .read("due", |tx| {
                privacy_request::due_within(tx, "2027-02-01".parse().unwrap(), 10)
            })
            .await
            .unwrap();
        assert_eq!(
            due.iter()
                .map(|request: &PrivacyRequest| request.id)
                .collect::<Vec<_>>(),
            ids(&[0, 1, 3, 4, 5, 2])
        );
        let counts = database
            .read("count", privacy_request::counts_by_state)
            .await;
        assert_eq!(
            counts,
            Ok(vec![
                (RequestState::Received, 5),
                (RequestState::Verified, 1),
                (RequestState::Withdrawn, 1)
            ])
        );
    })
    .await;
}

#[tokio::test]
async fn a_destroyed_key_takes_everything_sealed_with_it_and_leaves_the_record() {
    on_each_engine(async |database| {
        insert_requests(database, 1).await;
        let id = request_id(0);
        let plan = Plan {
            held: std::collections::BTreeSet::new(),
            made_at: at(2),
            collections: Vec::new(),
            manual: vec!["archive".into()],
            disclosed: Vec::new(),
        };
        let package = Package {
            path: "packages/x".to_owned(),
            tag: b"package".to_vec(),
            expires_at: at(90),
            size: 1 << 40,
        };
        let (plan_stored, package_stored) = (plan.clone(), package.clone());
        let found = serde_json::json!({"residue": []});
        let confirmation = found.clone();
        database
            .write::<_, Error, _>("save", move |tx| {
                let made = [(id, sealed("manifest"), plan_stored.clone())];
                privacy_request::save_plans(tx, &made, at(2))?;
                privacy_request::save_confirmation(tx, id, &confirmation, at(3))?;
                privacy_request::save_package(tx, id, Some(&package_stored), at(4))
            })
            .await
            .unwrap();
        let stored = database
            .read("get", |tx| {
                privacy_request::get_by_package_tag(tx, b"package")
            })
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (stored.plan, stored.confirmation, stored.package),
            (Some(plan.clone()), Some(found), Some(package))
        );
        assert!(stored.manifest == Some(sealed("manifest")));

        database
            .write::<_, Error, _>("destroy", move |tx| {
                privacy_request::save_package(tx, id, None, at(5))?;
                privacy_request::destroy_keys(tx, &[id], at(5))
            })
            .await
            .unwrap();
        database.scrub().await.unwrap();
        let stored = database
            .read("get", move |tx| privacy_request::get(tx, id))
            .await
            .unwrap()
            .unwrap();
        assert!(
            stored.wrapped_key.is_none()
                && stored.identity.is_none()
                && stored.manifest.is_none()
                && stored.package.is_none()
        );
        assert_eq!((stored.plan, stored.request), (Some(plan), request(0)));
        let missing = database
            .write("missing", |tx| {
                privacy_request::destroy_keys(tx, &[request_id(9)], at(5))
            })
            .await;
        assert!(matches!(missing, Err(Error::NotFound { .. })));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_under_the_lock_of_a_request_follow_one_another() {
    on_each_engine(async |database| {
        insert_requests(database, 1).await;
        let add = |_| {
            database.write::<_, Error, _>("add under lock", |tx| {
                let held = privacy_request::lock(tx, &BTreeSet::from([request_id(0)]))?.remove(0);
                privacy_request::update(tx, &held, &[], at(9)).map(|_| ())
            })
        };
        let results = futures_util::future::join_all((0..40).map(add)).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let stored = database
            .read("get", |tx| privacy_request::get(tx, request_id(0)))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stored.request.version, 41);
    })
    .await;
}

#[tokio::test]
async fn a_privacy_request_whose_retention_ended_goes_with_all_that_hangs_on_it() {
    on_each_engine(async |database| {
        insert_requests(database, 3).await;
        database
            .write::<_, Error, _>("close", |tx| {
                for number in 0..3 {
                    let closed = PrivacyRequest {
                        state: RequestState::Fulfilled,
                        closed_at: Some(at(i64::from(number) * 10)),
                        ..request(number)
                    };
                    privacy_request::update(tx, &closed, &[], at(0))?;
                    let task = crate::sample::task(number, TaskKind::Close, number, "", at(0));
                    storage::task::insert_many(tx, &[task], at(0))?;
                    storage::audit::append(
                        tx,
                        "log",
                        vec![
                            NewRecord::new(at(0), Actor::System, Action::RequestClosed)
                                .for_request(request_id(number)),
                        ],
                    )?;
                }
                Ok(())
            })
            .await
            .unwrap();
        let removed = database.write::<_, Error, _>("remove", |tx| {
            let ended = privacy_request::closed_before(tx, at(20), 10)?;
            privacy_request::remove_many(tx, &ended)?;
            Ok(ended)
        });
        assert_eq!(removed.await, Ok(vec![request_id(0), request_id(1)]));
        assert_eq!(
            list(database, Filter::default(), None).await,
            [request_id(2)]
        );
        let chain = database
            .read("chain", |tx| {
                storage::audit::of_request(tx, "log", request_id(0))
            })
            .await
            .unwrap();
        assert_eq!(chain.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn those_that_need_an_operator_are_listed_and_counted_alike() {
    on_each_engine(async |database| {
        insert_requests(database, 5).await;
        database
            .write::<_, Error, _>("change", |tx| {
                let waiting = |number, waiting| PrivacyRequest {
                    waiting: Some(waiting),
                    ..request(number)
                };
                let stuck = Task {
                    state: TaskState::Stuck,
                    ..task(1, TaskKind::Erase, 3, "shop", at(0))
                };
                let ready = task(2, TaskKind::Erase, 4, "shop", at(0));
                storage::task::insert_many(tx, &[stuck, ready], at(0))?;
                privacy_request::update(tx, &waiting(0, Waiting::Operator), &[], at(5))?;
                privacy_request::update(tx, &waiting(1, Waiting::ManualWork), &[], at(5))?;
                privacy_request::update(tx, &waiting(2, Waiting::Approval), &[], at(5)).map(|_| ())
            })
            .await
            .unwrap();
        let ids = |numbers: &[u32]| numbers.iter().copied().map(request_id).collect::<Vec<_>>();
        let need_operator = Filter {
            need_operator: true,
            ..Filter::default()
        };
        let to_approve = Filter {
            waiting: Some(Waiting::Approval),
            ..Filter::default()
        };
        for (filter, expected) in [(need_operator, ids(&[3, 1, 0])), (to_approve, ids(&[2]))] {
            let counted = filter.clone();
            let count = database
                .read::<_, Error, _>("count", move |tx| privacy_request::count(tx, &counted))
                .await;
            assert_eq!(count, Ok(expected.len() as u64));
            assert_eq!(list(database, filter, None).await, expected);
        }
    })
    .await;
}
