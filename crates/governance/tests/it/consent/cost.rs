//! What recording and asking cost, checks and audit log included; run by hand:
//! `cargo test --release -p governance --test it consent::cost -- --ignored --nocapture`.
#![allow(clippy::print_stdout, reason = "figures for whoever asked for them")]

use std::time::Instant;

use domain::audit::Actor;
use domain::consent::{Party, Tag};
use domain::signal::Signal;
use futures_util::stream::{self, StreamExt as _};
use governance::consent::{Asked, NewChoice, Recorded};
use governance::signal::Sender;

use super::{house, no, secret, yes};

fn device(number: u64) -> Tag {
    let mut tag = [0; 16];
    // Spread over the whole table, as keyed hashes are.
    tag[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    tag[8..].copy_from_slice(&number.to_be_bytes());
    Tag(tag)
}

fn choice(number: u64) -> NewChoice {
    let party = Party::Device(device(number));
    if number.is_multiple_of(2) {
        yes(party, "newsletter")
    } else {
        no(party, "sale")
    }
}

async fn measure(what: &str, count: u64, work: impl Future<Output = ()>) {
    let start = Instant::now();
    work.await;
    let rate = f64::from(u32::try_from(count).unwrap()) / start.elapsed().as_secs_f64();
    println!("{what}: {rate:.0} a second");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn cost_of_recording_and_asking() {
    let house = house().await;
    let p = &house.p;
    let one = |number: u64| async move {
        let recorded = p
            .record_consents(vec![choice(number)], Actor::CommandLine, None)
            .await;
        assert!(matches!(recorded.unwrap()[0], Recorded::Kept { .. }));
    };
    measure(
        "one by one, 256 waiting",
        20_000,
        stream::iter(0..20_000).for_each_concurrent(256, one),
    )
    .await;
    let many = |call: u64| async move {
        let choices = (0..10_000)
            .map(|number| choice(1_000_000 + call * 10_000 + number))
            .collect();
        let key = secret(&format!("call {call}"));
        let recorded = p
            .record_consents(choices, Actor::CommandLine, Some(&key))
            .await
            .unwrap();
        assert!(
            recorded
                .iter()
                .all(|one| matches!(one, Recorded::Kept { .. }))
        );
    };
    measure(
        "by 10,000, 2 calls at once",
        200_000,
        stream::iter(0..20).for_each_concurrent(2, many),
    )
    .await;
    let ask = |number: u64| async move {
        let asked = Asked::of(Party::Device(device(number)));
        assert_eq!(p.standings(&asked).await.unwrap().len(), 4);
    };
    measure(
        "all purposes of a party",
        20_000,
        stream::iter(0..20_000).for_each_concurrent(4, ask),
    )
    .await;
    let again = |number: u64| async move {
        let sender = Sender {
            device: Some(device(number % 100)),
            ..Sender::default()
        };
        p.honour_signal(Signal::Gpc, &sender, "shop").await.unwrap();
    };
    measure(
        "signals, nearly all of them known",
        20_000,
        stream::iter(0..20_000).for_each_concurrent(4, again),
    )
    .await;
}
