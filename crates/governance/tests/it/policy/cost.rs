//! What keeping facts costs whoever records choices; run by hand:
//! `cargo test --release -p governance --test it policy::cost -- --ignored --nocapture`.
#![allow(clippy::print_stdout, reason = "figures for whoever asked for them")]

use std::time::Instant;

use domain::audit::Actor;
use domain::consent::Party;
use domain::id::SubjectId;
use futures_util::stream::{self, StreamExt as _};
use governance::consent::NewChoice;
use governance::policy::refresh_facts;

use super::{PURPOSES, SCHEMA, house};
use crate::consent::{NOTICES, no};
use crate::profile_house::{ProfileHouse, SHOP};

const SUBJECTS: usize = 10_000;

async fn subjects(house: &ProfileHouse) -> Vec<SubjectId> {
    let mut ids = Vec::new();
    for first in (0..SUBJECTS).step_by(1_000) {
        let texts: Vec<_> = (first..first + 1_000)
            .map(|number| (number.to_string(), format!("c{number}@example.org")))
            .collect();
        let records: Vec<_> = texts
            .iter()
            .map(|(number, email)| {
                vec![
                    ("customer_number", number.as_str()),
                    ("email", email.as_str()),
                    ("birth_date", "1990-05-20"),
                    ("country", "US"),
                    ("state", "CA"),
                ]
            })
            .collect();
        let records: Vec<_> = records.iter().map(Vec::as_slice).collect();
        ids.extend(
            house
                .write(SHOP, &records)
                .await
                .subjects
                .into_iter()
                .flatten(),
        );
    }
    ids
}

async fn figures(what: &str, house: &ProfileHouse) {
    let ids = subjects(house).await;
    let start = Instant::now();
    let done = refresh_facts(&house.p).await.unwrap();
    println!(
        "{what}: facts of {done} subjects worked out in {:?}",
        start.elapsed()
    );
    let choices =
        |purpose: &'static str| ids.iter().map(move |id| no(Party::Subject(*id), purpose));
    let start = Instant::now();
    for batch in choices("newsletter")
        .collect::<Vec<NewChoice>>()
        .chunks(10_000)
    {
        house
            .p
            .record_consents(batch.to_vec(), Actor::CommandLine, None)
            .await
            .unwrap();
    }
    println!("{what}: {:.0} choices a second in bulk", rate(start));
    let start = Instant::now();
    stream::iter(choices("sale"))
        .for_each_concurrent(256, async |choice| {
            house
                .p
                .record_consents(vec![choice], Actor::CommandLine, None)
                .await
                .unwrap();
        })
        .await;
    println!(
        "{what}: {:.0} choices a second one by one, 256 at once",
        rate(start)
    );
    let start = Instant::now();
    let done = refresh_facts(&house.p).await.unwrap();
    println!(
        "{what}: facts of {done} subjects worked out again in {:?}",
        start.elapsed()
    );
}

fn rate(start: Instant) -> f64 {
    f64::from(u32::try_from(SUBJECTS).unwrap()) / start.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn keeping_facts() {
    for _ in 0..2 {
        let files = [
            ("profile.yaml", SCHEMA),
            ("consent/purposes.yaml", PURPOSES),
            ("consent/notices.yaml", NOTICES),
        ];
        figures(
            "without policies",
            &ProfileHouse::with_files(None, &files).await,
        )
        .await;
        figures("with policies", &house(None).await).await;
    }
}
