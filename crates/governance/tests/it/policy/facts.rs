//! What is known of a subject follows from everything that was chosen by her and under what is linked to her.

use domain::consent::{By, Party, Scope};
use domain::policy::{Fact, Release};
use domain::purpose_of_use::UseKind;
use domain::signal::Signal;
use governance::Privity;
use governance::consent::{NewChoice, Said};
use governance::policy::refresh_facts;
use governance::profile::forget;

use super::{fact, facts, house, on_each_engine, release, write};
use crate::consent::{keep, no, yes};
use crate::profile_house::ProfileHouse;
use crate::server::{Engine, engine};

#[tokio::test(flavor = "multi_thread")]
async fn who_chose_nothing_has_what_the_purposes_say() {
    on_each_engine(async |house| {
        let id = write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        assert_eq!(fact(house, id, Fact::ChoiceAllows).await, Some(true));
        for never in [
            Fact::Consented,
            Fact::OptedOut,
            Fact::OptedOutOfSale,
            Fact::Signal,
            Fact::Limited,
        ] {
            assert_eq!(fact(house, id, never).await, Some(false), "{never:?}");
        }
        assert_eq!(
            release(house, id, "mill", "orders", "first_name").await,
            Release::Keep
        );
        assert_eq!(
            release(house, id, "mill", "orders", "email").await,
            Release::Withhold
        );
        assert_eq!(
            release(house, id, "leads", "orders", "first_name").await,
            Release::Withhold
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opt_out_of_everything_sold_is_known_and_withholds() {
    on_each_engine(async |house| {
        let id = write(
            house,
            &[
                ("customer_number", "1"),
                ("email", "maya@example.org"),
                ("birth_date", "1990-05-20"),
                ("country", "US"),
                ("state", "CA"),
            ],
        )
        .await;
        assert_eq!(
            release(house, id, "leads", "sale", "email").await,
            Release::Keep
        );
        let out = NewChoice {
            scope: Scope::every([UseKind::Sale, UseKind::Sharing]),
            said: Said::OptedOut(None),
            ..no(Party::Subject(id), "sale")
        };
        keep(&house.p, out).await;
        assert_eq!(fact(house, id, Fact::OptedOutOfSale).await, Some(true));
        assert_eq!(fact(house, id, Fact::Signal).await, Some(false));
        assert_eq!(
            release(house, id, "leads", "sale", "email").await,
            Release::Withhold
        );
        assert_eq!(
            release(house, id, "mill", "orders", "first_name").await,
            Release::Keep
        );
        house.clock.advance(jiff::SignedDuration::from_secs(1));
        // A later consent to this sale lifts the opt-out for it, and for nothing else.
        keep(&house.p, yes(Party::Subject(id), "sale")).await;
        assert_eq!(fact(house, id, Fact::Consented).await, Some(true));
        assert_eq!(
            release(house, id, "leads", "sale", "email").await,
            Release::Keep
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_under_an_identifier_counts_for_whoever_carries_it() {
    on_each_engine(async |house| {
        let p = &house.p;
        let kind = domain::data_map::IdentifierKind("email".to_owned());
        let value = crate::consent::secret("maya@example.org");
        let pseudonym = p.party_of(&kind, &value).await.unwrap();
        let signal = NewChoice {
            scope: Scope::every([
                UseKind::Sale,
                UseKind::Sharing,
                UseKind::TargetedAdvertising,
            ]),
            said: Said::OptedOut(None),
            by: By::Signal {
                signal: Signal::Gpc,
                device: None,
            },
            ..no(pseudonym, "sale")
        };
        keep(p, signal).await;
        let id = write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        assert_eq!(fact(house, id, Fact::Signal).await, Some(true));
        assert_eq!(fact(house, id, Fact::ChoiceAllows).await, Some(false));
        assert_eq!(
            release(house, id, "leads", "sale", "email").await,
            Release::Withhold
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_for_an_attribute_stays_with_it() {
    on_each_engine(async |house| {
        let id = write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        let mut narrow = no(Party::Subject(id), "sale");
        narrow.scope.attributes.insert("email".into());
        keep(&house.p, narrow).await;
        let in_force = house.p.policies().unwrap();
        let facts = facts(house, id).await;
        let allows = |attribute| {
            super::seen(&in_force, &facts, "leads", "sale", attribute).is(Fact::ChoiceAllows)
        };
        assert_eq!(allows("email"), Some(false));
        assert_eq!(allows("first_name"), Some(true));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_forgotten_and_whoever_never_was_have_no_facts() {
    on_each_engine(async |house| {
        let p = &house.p;
        let id = write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        let never = domain::id::SubjectId::from_uuid(uuid::Uuid::from_u128(7));
        assert_eq!(p.subject_facts(never).await.unwrap(), None);
        forget(p, [id].into(), domain::audit::Actor::CommandLine)
            .await
            .unwrap();
        assert_eq!(p.subject_facts(id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_that_does_not_count_does_not_lift_an_opt_out() {
    on_each_engine(async |house| {
        let values = [
            ("customer_number", "1"),
            ("email", "maya@example.org"),
            ("birth_date", "1990-05-20"),
            ("country", "US"),
            ("state", "CA"),
        ];
        let id = write(house, &values).await;
        let second = jiff::SignedDuration::from_secs(1);
        keep(&house.p, no(Party::Subject(id), "sale")).await;
        assert_eq!(fact(house, id, Fact::OptedOut).await, Some(true));
        house.clock.advance(second);
        let mut brief = yes(Party::Subject(id), "sale");
        if let Said::Given(yes) = &mut brief.said {
            yes.expires = Some(house.p.now() + second);
        }
        keep(&house.p, brief).await;
        house.clock.advance(second + second);
        assert_eq!(fact(house, id, Fact::ChoiceAllows).await, Some(false));
        assert_eq!(fact(house, id, Fact::OptedOut).await, Some(true));
        house.clock.advance(second);
        keep(&house.p, yes(Party::Subject(id), "sale")).await;
        assert_eq!(fact(house, id, Fact::OptedOut).await, Some(false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_denies_whom_it_is_about_and_nobody_else() {
    on_each_engine(async |house| {
        let p = &house.p;
        let mut all = Vec::new();
        for number in ["1", "2", "3"] {
            let values = [
                ("customer_number", number),
                ("birth_date", "1990-05-20"),
                ("country", "US"),
                ("state", "CA"),
            ];
            all.push(write(house, &values).await);
        }
        let [one, damaged, other] = all[..] else {
            unreachable!()
        };
        assert_eq!(refresh_facts(p).await.unwrap(), 3);
        let damage = |id: domain::id::SubjectId| {
            let bytes = id.uuid().as_bytes().to_vec();
            p.database()
                .write::<_, storage::Error, _>("damage", move |tx| {
                    let all = "-- read\nSELECT segment, sealed FROM profile_segment WHERE subject_id = ?1";
                    for row in tx.query(all, &[bytes.clone().into()])? {
                        let mut sealed = row.bytes("sealed")?.to_vec();
                        if let Some(last) = sealed.last_mut() {
                            *last ^= 1;
                        }
                        let sql = "-- damage\nUPDATE profile_segment SET sealed = ?3 WHERE subject_id = ?1 AND segment = ?2";
                        let segment = row.text("segment")?.to_owned();
                        tx.execute(sql, &[bytes.clone().into(), segment.into(), sealed.into()])?;
                    }
                    storage::subject_facts::outdate_all(tx)
                })
        };
        damage(damaged).await.unwrap();
        assert_eq!(refresh_facts(p).await.unwrap(), 3);
        assert_eq!(refresh_facts(p).await.unwrap(), 0, "not tried at each look");
        assert_eq!(p.subject_facts(damaged).await.unwrap(), None);
        for id in [one, other] {
            assert!(p.subject_facts(id).await.unwrap().is_some());
        }
        // The same changes back once more: what is whole again is taken up by itself.
        let impact = p.policy_impact(Some(1)).await.unwrap();
        assert_eq!(impact.subjects, 2, "she isn't counted by what was known of her");
        damage(damaged).await.unwrap();
        house.clock.advance(jiff::SignedDuration::from_hours(2));
        refresh_facts(p).await.unwrap();
        assert!(p.subject_facts(damaged).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_rests_on_what_was_keeps_nothing_of_what_it_works_out() {
    on_each_engine(async |house| {
        let values = [("customer_number", "1"), ("email", "maya@example.org")];
        let id = write(house, &values).await;
        assert_eq!(refresh_facts(&house.p).await.unwrap(), 1);
        let purposes = house.dir.path().join("consent/purposes.yaml");
        let text = std::fs::read_to_string(&purposes).unwrap();
        let asked = text.replacen("choice: opt_out", "choice: opt_in", 1);
        assert_ne!(text, asked);
        std::fs::write(&purposes, asked).unwrap();
        // A command, or a node with the new files.
        let new = house.second().await;
        assert_eq!(refresh_facts(&house.p).await.unwrap(), 0);
        let impact = house.p.policy_impact(Some(1)).await.unwrap();
        assert_eq!((impact.subjects, impact.outdated), (1, 1), "it says so");
        assert_eq!(refresh_facts(&new).await.unwrap(), 1);
        let facts = new.subject_facts(id).await.unwrap().unwrap();
        let in_force = new.policies().unwrap();
        let seen = super::seen(&in_force, &facts, "leads", "sale", "email");
        assert_eq!(seen.is(Fact::ChoiceAllows), Some(false));
    })
    .await;
}

/// In PostgreSQL, where two write at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_for_everybody_waits_for_nobody_who_works_out_what_was() {
    let Some(store) = engine(Engine::Postgres) else {
        return;
    };
    let house = house(Some(store)).await;
    let second = house.second().await;
    refresh_facts(&second).await.unwrap();
    write(&house, &[("customer_number", "1")]).await;
    let (held, is_held) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let database = house.p.database().clone();
    let outdating = tokio::spawn(async move {
        database
            .write::<_, storage::Error, _>("outdate", move |tx| {
                storage::subject_facts::outdate_all(tx)?;
                held.send(()).unwrap();
                may_go_on.lock().unwrap().recv().unwrap();
                Ok(())
            })
            .await
    });
    tokio::task::spawn_blocking(move || is_held.recv().unwrap())
        .await
        .unwrap();
    assert_eq!(refresh_facts(&second).await.unwrap(), 0);
    go_on.send(()).unwrap();
    outdating.await.unwrap().unwrap();
    assert_eq!(refresh_facts(&second).await.unwrap(), 1);
}

/// Keeps a choice while somebody else is in the middle of a write; answers once both are done.
async fn keep_beside(
    house: &ProfileHouse,
    second: &Privity,
    other: impl Fn(&mut storage::Tx) -> Result<(), storage::Error> + Send + Sync + 'static,
    choice: NewChoice,
) {
    let (held, is_held) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let database = house.p.database().clone();
    let writing = tokio::spawn(async move {
        database
            .write("write beside", move |tx| {
                other(tx)?;
                held.send(()).unwrap();
                may_go_on.lock().unwrap().recv().unwrap();
                Ok::<_, storage::Error>(())
            })
            .await
    });
    tokio::task::spawn_blocking(move || is_held.recv().unwrap())
        .await
        .unwrap();
    let second = second.clone();
    let keeping = tokio::spawn(async move { keep(&second, choice).await });
    let waits = || {
        house.p.database().read("look", |tx| {
            let sql = "-- look\nSELECT COUNT(*) AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            tx.query_one(sql, &[])?.count::<u64>("waiting")
        })
    };
    while waits().await.unwrap() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    go_on.send(()).unwrap();
    writing.await.unwrap().unwrap();
    keeping.await.unwrap();
}

/// In PostgreSQL, where two write at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_choice_reaches_whom_it_is_about_while_records_are_merged_and_devices_linked() {
    let Some(store) = engine(Engine::Postgres) else {
        return;
    };
    let house = house(Some(store)).await;
    let mut all = Vec::new();
    for number in ["1", "2", "3"] {
        all.push(write(&house, &[("customer_number", number)]).await);
    }
    let [merged, stands, linked] = all[..] else {
        unreachable!()
    };
    refresh_facts(&house.p).await.unwrap();
    // Another node, since one node writes one after the other; it has written before, so that nothing else waits than what is meant.
    let second = house.second().await;
    let anybody = Party::Device(domain::consent::Tag([9; 16]));
    keep(&second, no(anybody, "sale")).await;
    // What is outdated by whoever merges is worked out already when the choice is written: only the choice outdates whoever stands now.
    let merge = move |tx: &mut storage::Tx| {
        storage::subject::set_canonical(tx, &[(merged, Some(stands))])?;
        storage::subject_facts::outdate_rows(tx, &[merged].into())
    };
    keep_beside(&house, &second, merge, no(Party::Subject(merged), "sale")).await;
    assert_eq!(refresh_facts(&house.p).await.unwrap(), 2);
    assert_eq!(fact(&house, stands, Fact::OptedOut).await, Some(true));
    let device = Party::Device(domain::consent::Tag([7; 16]));
    let link = [(device.clone(), Party::Subject(linked))].into();
    let now = house.p.now();
    let linking = move |tx: &mut storage::Tx| {
        // As whoever links does: it holds the end of the audit log.
        tx.execute("-- hold log\nUPDATE audit_log SET size = size", &[])?;
        storage::party_link::insert_many(tx, &link, now).map(drop)
    };
    keep_beside(&house, &second, linking, no(device, "sale")).await;
    assert_eq!(refresh_facts(&house.p).await.unwrap(), 1);
    assert_eq!(fact(&house, linked, Fact::OptedOut).await, Some(true));
}
