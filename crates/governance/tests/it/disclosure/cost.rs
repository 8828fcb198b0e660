//! What a governed read of a recipient costs. `cargo test --release -p governance --test it disclosure::cost -- --ignored --nocapture`.

use std::time::Instant;

use futures_util::future::join_all;
use governance::disclosure::{
    Credential, CredentialTerms, Door, SubjectAsked, add_key, disclose, recipient_for,
};

use super::{caller, house, maya, write};

const CALLERS: usize = 256;
const READS: usize = 60;
const SUBJECTS: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; takes a minute"]
async fn governed_reads_a_second_on_sqlite() {
    let house = house(None).await;
    let mut ids = vec![maya(&house).await];
    for number in 1..SUBJECTS {
        let (number, email) = (format!("n{number}"), format!("c{number}@example.org"));
        let values = [
            ("customer_number", number.as_str()),
            ("email", email.as_str()),
            ("first_name", "Somebody"),
            ("state", "CA"),
        ];
        ids.push(write(&house, &values).await);
    }
    let terms = CredentialTerms::default();
    let (_, key) = add_key(&house.p, &"mill".into(), terms).await.unwrap();
    let attributes: Vec<_> = super::ALL.iter().map(|one| (*one).into()).collect();
    let before = cpu_seconds();
    let started = Instant::now();
    let all = (0..CALLERS).map(|number| {
        let (p, ids, attributes, key) = (
            house.p.clone(),
            ids.clone(),
            attributes.clone(),
            key.clone(),
        );
        tokio::spawn(async move {
            let purpose = caller("mill", "orders").purpose;
            for read in 0..READS {
                let credential = Credential::ApiKey(&key);
                let caller = recipient_for(&p, &credential, Some(&purpose), Door::ProfileApi)
                    .await
                    .unwrap();
                let id = ids[(number * READS + read * 7) % ids.len()];
                let granted = disclose(&p, &caller, &[SubjectAsked::Id(id)], &attributes)
                    .await
                    .unwrap();
                let profile = granted[0].profile().unwrap().unwrap();
                assert!(serde_json::to_string(&profile).unwrap().len() > 10);
            }
        })
    });
    for one in join_all(all).await {
        one.unwrap();
    }
    let (took, reads) = (started.elapsed().as_secs_f64(), (CALLERS * READS) as f64);
    println!(
        "{:.0} governed reads a second, {:.1} µs of CPU each",
        reads / took,
        (cpu_seconds() - before) / reads * 1e6
    );
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}
