//! Thousands of choices at once, each in a call of its own: every one is answered, and none is lost or kept twice; on both engines.

use std::collections::BTreeSet;

use domain::audit::{Action, Actor};
use domain::consent::{Party, Tag};
use futures_util::future::join_all;
use governance::consent::Recorded;

use super::history::house_on;
use super::{count, house, no, records, secret, yes};
use crate::house::House;
use crate::server::{Engine, engine};

const CALLS: u32 = 4_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_calls_on_sqlite_loses_no_choice() {
    flood(&house().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_calls_on_postgresql_loses_no_choice() {
    let Some(store) = engine(Engine::Postgres) else {
        return;
    };
    let house = house_on(&store.url()).await;
    flood(&house).await;
    house.p.database().close().await;
}

async fn flood(house: &House) {
    let p = &house.p;
    let send = |number: u32| async move {
        let mut tag = [0; 16];
        tag[..4].copy_from_slice(&number.to_be_bytes());
        let party = Party::Device(Tag(tag));
        let choice = match number % 2 {
            0 => no(party, "sale"),
            _ => yes(party, "newsletter"),
        };
        let key = secret(&format!("call {number}"));
        let answer = p.record_consents(vec![choice], Actor::CommandLine, Some(&key));
        match answer.await.unwrap().remove(0) {
            Recorded::Kept { id, repeated, .. } => (id, repeated),
            Recorded::Refused(problem) => panic!("{problem}"),
        }
    };
    // A hundred impatient senders send theirs twice at once.
    let sent = (0..CALLS).chain(0..100).map(send);
    let answers = join_all(sent).await;
    let ids: BTreeSet<_> = answers.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len() as u64, u64::from(CALLS));
    let repeated = answers.iter().filter(|(_, repeated)| *repeated).count();
    assert_eq!(repeated, 100, "who sent twice was told so");
    assert_eq!(count(p).await, u64::from(CALLS));
    let named: Vec<_> = records(p, Action::ConsentRecorded)
        .await
        .into_iter()
        .flat_map(|record| record.details["consents"].as_array().unwrap().clone())
        .collect();
    let named: BTreeSet<_> = named.iter().map(|id| id.as_str().unwrap()).collect();
    let ids: BTreeSet<_> = ids.iter().map(ToString::to_string).collect();
    assert!(
        named.iter().copied().eq(ids.iter().map(String::as_str)),
        "each is in the audit log"
    );
}
