//! What sealing and opening a profile costs. Ignored: a figure is read, not asserted.
//! `cargo test --release -p enforcement --test it profile_cost -- --ignored --nocapture`
#![allow(clippy::print_stdout, reason = "figures for whoever asked for them")]

use std::hint::black_box;
use std::time::Instant;

use domain::data_map::IdentifierKind;
use domain::disclosure::{DisclosureRecipient, ProfileFacts, Purpose};
use domain::profile::{AttributeNumber, Profile, Schema, SchemaFile, Segment};
use domain::rng::Rng;
use enforcement::vault::KeyRing;
use enforcement::{Judgements, RecordedPermit, decide_profile, release_profile};
use jiff::Timestamp;

use crate::log::recorded;
use crate::profiles::{facts, place, query, subject, value};

/// The generator that a program would use.
struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

fn wide_schema(width: u16) -> Schema {
    let attributes: Vec<_> = (1..=width)
        .map(|n| serde_json::json!({"attribute": format!("attribute_{n}"), "number": n, "title": "A", "category": "user.name"}))
        .collect();
    let file: SchemaFile = serde_json::from_value(serde_json::json!({
        "version": 1,
        "sources": [{"source": "crm", "number": 1, "title": "C"}],
        "attributes": attributes,
    }))
    .unwrap();
    let category =
        serde_json::from_str("{\"category\": \"user.name\", \"title\": \"Name\"}").unwrap();
    Schema::check(
        "profile.yaml",
        &file,
        &[("user.name".to_owned(), category)].into(),
    )
    .unwrap()
}

/// A recorded permit to see these of so many attributes.
pub(crate) fn permit_for(width: u16, names: &[&str]) -> RecordedPermit {
    let query = query(Purpose::GiveAccess, DisclosureRecipient::Subject, names);
    let facts = ProfileFacts {
        schema: wide_schema(width).into(),
        ..facts(&[1])
    };
    recorded(decide_profile(&query, &facts, &Judgements::default()).unwrap())
}

fn measure<T>(what: &str, mut once: impl FnMut() -> T) {
    const ROUNDS: u32 = 20_000;
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(once());
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(ROUNDS) * 1e6);
    }
    println!("{what}: {best:.2} µs");
}

#[test]
#[ignore = "a figure, not a promise"]
fn a_profile_of_thirty_attributes() {
    let rng = SystemRng;
    let keys = KeyRing::generate(&rng);
    let schema = wide_schema(30);
    let (key, wrapped) = keys.new_subject_key(subject(1), 1, &rng).unwrap();
    let mut profile = Profile::new(subject(1));
    for number in 1..=30 {
        profile.set(
            AttributeNumber(number),
            value("a value of twenty-nine bytes."),
        );
    }
    let names: Vec<_> = (1..=30).map(|n| format!("attribute_{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let query = query(Purpose::GiveAccess, DisclosureRecipient::Subject, &names);
    let facts = ProfileFacts {
        schema: schema.clone().into(),
        ..facts(&[1])
    };
    let permit = recorded(decide_profile(&query, &facts, &Judgements::default()).unwrap());
    let sealed = key
        .seal_segment(&rng, &place(Segment::Core), &profile)
        .unwrap();
    println!(
        "sealed: {} bytes, wrapped key: {} bytes",
        sealed.envelope().len(),
        wrapped.as_bytes().len()
    );
    let open = || {
        let key = keys.unwrap_subject_key(subject(1), &wrapped).unwrap();
        key.open_segment(&permit, &schema, &place(Segment::Core), &sealed)
            .unwrap()
            .profile
    };
    measure("unwrap the key and open all thirty", open);
    measure("seal thirty", || {
        key.seal_segment(&rng, &place(Segment::Core), &profile)
            .unwrap()
    });
    measure("make and wrap a key", || {
        keys.new_subject_key(subject(1), 1, &rng).unwrap()
    });
    measure("decide thirty", || {
        decide_profile(&query, &facts, &Judgements::default()).unwrap()
    });
    let opened = [open()];
    measure("merge thirty", || {
        domain::profile::merge(&schema, &opened, Timestamp::UNIX_EPOCH)
            .attributes()
            .len()
    });
    let merged = domain::profile::merge(&schema, &opened, Timestamp::UNIX_EPOCH);
    measure("release and write thirty as JSON", || {
        serde_json::to_string(&release_profile(
            &permit,
            &schema,
            &merged,
            &Default::default(),
        ))
        .unwrap()
    });
    let index = keys.index_key(1, &IdentifierKind::email()).unwrap();
    let normal = "ada@example.com".to_owned().into();
    measure("blind tag", || index.tag(&normal));
    measure("normalise an e-mail address", || {
        domain::identity::normalise(
            domain::identity::IdentifierRule::Email,
            &"Ada@Example.com".to_owned().into(),
            None,
        )
        .is_ok()
    });
}
