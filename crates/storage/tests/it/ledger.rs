//! The ledger of disclosures and the credentials of recipients, on both engines.

use std::collections::BTreeSet;

use domain::audit::{Action, Actor, Hash, NewRecord};
use domain::id::{CredentialId, SubjectId};
use jiff::SignedDuration;
use storage::credential::{CredentialKind, StoredCredential};
use storage::ledger::{Entry, Noted, Sale};
use storage::{Database, Error, audit, credential, ledger};
use uuid::Uuid;

use crate::place::on_each_engine;
use crate::sample::at;

const LOG: &str = "privity.test/audit";

fn subject(number: u128) -> SubjectId {
    SubjectId::from_uuid(Uuid::from_u128(number))
}

fn only(number: u128) -> BTreeSet<SubjectId> {
    [subject(number)].into()
}

/// What the subject's e-mail address, or its mask, did.
fn noted(record: usize, number: u128, form: &str, seconds: i64) -> Noted {
    Noted {
        record,
        subject: (number > 0).then(|| subject(number)),
        recipient: "mail_house".into(),
        purpose: "newsletter".into(),
        attributes: Hash::of(form.as_bytes()),
        written: Some(format!("{{\"{form}\":[\"profile:email\"]}}")),
        sale: Sale::default(),
        at: at(seconds),
    }
}

async fn enter(database: &Database, noted: Vec<Noted>) -> u64 {
    let written = database.write_recorded("disclose", move |tx| {
        let record = NewRecord::new(at(0), Actor::System, Action::Disclosed);
        let pending = audit::append(tx, LOG, vec![record; noted.len()])?;
        ledger::enter(tx, &pending, &noted)?;
        let last = pending.entries().last().map(|entry| entry.record.sequence);
        Ok::<_, Error>((last.unwrap_or(0), pending))
    });
    written.await.unwrap().0
}

async fn of(database: &Database, subjects: BTreeSet<SubjectId>) -> Vec<Entry> {
    database
        .read("list", move |tx| ledger::of_subjects(tx, &subjects))
        .await
        .unwrap()
}

#[tokio::test]
async fn disclosures_that_are_alike_are_one_row_with_when_how_often_and_the_last_record() {
    on_each_engine(async |database| {
        enter(
            database,
            vec![
                noted(0, 1, "keep", 1),
                noted(1, 2, "keep", 2),
                noted(2, 1, "keep", 3),
            ],
        )
        .await;
        let mut again = noted(0, 1, "keep", 90);
        again.sale = Sale {
            sold: true,
            shared: false,
            consideration: Some("USD 12 a month".to_owned()),
        };
        again.written = None;
        let last = enter(database, vec![again]).await;
        let after_sale = enter(database, vec![noted(0, 1, "mask", 91)]).await;
        let found = of(database, only(1)).await;
        assert_eq!(found.len(), 2);
        let kept = found
            .iter()
            .find(|one| one.names.contains_key("keep"))
            .unwrap();
        assert_eq!((kept.times, kept.last_sequence), (3, last));
        assert_eq!((kept.first_at, kept.last_at), (at(1), at(90)));
        assert!(kept.sale.sold && !kept.sale.shared);
        assert_eq!(kept.sale.consideration.as_deref(), Some("USD 12 a month"));
        assert_eq!(kept.names["keep"], ["profile:email"]);
        let masked = found
            .iter()
            .find(|one| one.names.contains_key("mask"))
            .unwrap();
        assert_eq!((masked.times, masked.last_sequence), (1, after_sale));
        assert_eq!(of(database, only(2)).await.len(), 1);
        assert_eq!(of(database, only(3)).await, []);
    })
    .await;
}

#[tokio::test]
async fn what_was_asked_in_vain_is_counted_and_is_nobodys_row() {
    on_each_engine(async |database| {
        enter(
            database,
            vec![
                noted(0, 0, "withheld", 1),
                noted(1, 0, "withheld", 2),
                noted(2, 1, "keep", 3),
            ],
        )
        .await;
        let since = at(0) - SignedDuration::from_hours(24);
        let asked = database
            .read("asked", move |tx| ledger::asked_since(tx, since))
            .await
            .unwrap();
        let counts: BTreeSet<_> = asked
            .iter()
            .map(|one| (one.names.keys().next().unwrap().as_str(), one.times))
            .collect();
        assert_eq!(counts, BTreeSet::from([("keep", 1), ("withheld", 2)]));
        let all = database
            .read("walk", |tx| ledger::walk(tx, None, 10))
            .await
            .unwrap();
        assert_eq!(all.len(), 1);
        let later = at(0) + SignedDuration::from_hours(48);
        let none = database
            .read("asked", move |tx| ledger::asked_since(tx, later))
            .await
            .unwrap();
        assert_eq!(none, []);
    })
    .await;
}

#[tokio::test]
async fn a_walk_over_the_ledger_meets_each_row_once() {
    on_each_engine(async |database| {
        let all: Vec<_> = (0..25)
            .map(|place| {
                let form = if place % 2 == 0 { "keep" } else { "mask" };
                noted(place, (place / 2 + 1) as u128, form, 1)
            })
            .collect();
        enter(database, all).await;
        let mut met = BTreeSet::new();
        let mut after = None;
        loop {
            let from = after.clone();
            let some = database
                .read("walk", move |tx| ledger::walk(tx, from.as_ref(), 4))
                .await
                .unwrap();
            let Some(last) = some.last() else { break };
            after = Some(ledger::place(last));
            for one in &some {
                assert!(met.insert(ledger::place(one)));
            }
        }
        assert_eq!(met.len(), 25);
    })
    .await;
}

#[tokio::test]
async fn a_split_takes_the_rows_along_and_forgetting_ends_them() {
    on_each_engine(async |database| {
        enter(
            database,
            vec![noted(0, 1, "keep", 1), noted(1, 3, "keep", 1)],
        )
        .await;
        let written = database.write("split", |tx| {
            ledger::copy(tx, subject(1), &[subject(2), subject(3)].into())?;
            ledger::end(tx, &only(1), at(100))
        });
        let ended: Result<u64, Error> = written.await;
        assert_eq!(ended.unwrap(), 1);
        assert_eq!(of(database, only(2)).await.len(), 1);
        assert_eq!(of(database, only(3)).await[0].times, 1);
        for (now, left) in [(99, 1), (100, 0)] {
            let since = at(0) - SignedDuration::from_hours(24);
            database
                .write("clear", move |tx| ledger::remove_ended(tx, at(now), since))
                .await
                .unwrap();
            assert_eq!(of(database, only(1)).await.len(), left);
        }
        assert_eq!(of(database, only(2)).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_credential_is_found_by_its_hash_until_somebody_else_asks_and_revoked_once() {
    on_each_engine(async |database| {
        let id = CredentialId::from_uuid(Uuid::from_u128(5));
        let stored = StoredCredential {
            id,
            kind: CredentialKind::ApiKey,
            tag: vec![7; 32],
            recipient: "mail_house".into(),
            purposes: Some(vec!["newsletter".into()]),
            ends_at: Some(at(50)),
            revoked_at: None,
            created_at: at(0),
        };
        let given = stored.clone();
        database
            .write("add", move |tx| credential::insert(tx, &given))
            .await
            .unwrap();
        let find = async |kind, byte: u8| {
            database
                .read("find", move |tx| {
                    credential::get_by_tag(tx, kind, &[byte; 32])
                })
                .await
                .unwrap()
        };
        assert_eq!(find(CredentialKind::ApiKey, 7).await, Some(stored));
        assert_eq!(find(CredentialKind::ApiKey, 8).await, None);
        assert_eq!(find(CredentialKind::Certificate, 7).await, None);
        for is_new in [true, false] {
            let revoked = database.write("revoke", move |tx| credential::revoke(tx, id, at(9)));
            assert_eq!(revoked.await.unwrap(), is_new);
        }
        let all = database.read("list", credential::list).await.unwrap();
        assert_eq!(all[0].revoked_at, Some(at(9)));
    })
    .await;
}
