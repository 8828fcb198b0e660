//! What a decision costs. Ignored: a figure is read, not asserted.
//! `cargo test --release -p policy --test it cost -- --ignored --nocapture`
#![allow(clippy::print_stdout, reason = "figures for whoever asked for them")]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use domain::policy::{
    AgeBand, Cell, ChoiceFacts, Configuration, Fact, PolicyAttribute, PolicyPurpose,
    PolicyRecipient, PurposeSlot, Question, Reasons, Seen, SubjectFacts,
};
use domain::profile::Sensitivity;
use domain::purpose_of_use::UseKind;
use domain::recipient::RecipientRole;
use jiff::Timestamp;
use policy::{Compiled, compile};

use crate::small::{annotated, file};

const CATEGORIES: usize = 9;
const RECIPIENTS: usize = 20;
const PURPOSES: usize = 8;

/// Thirty attributes in nine categories, twenty recipients, eight purposes, twelve jurisdictions.
fn configuration() -> Configuration {
    let category = |number: usize| format!("user.part_{}", number % CATEGORIES);
    let attribute = |number: usize| PolicyAttribute {
        key: format!("attribute_{number}").as_str().into(),
        category: category(number),
        sensitivity: Sensitivity::Basic,
    };
    let purpose = |number: usize| PolicyPurpose {
        key: format!("purpose_{number}").as_str().into(),
        uses: if number.is_multiple_of(3) {
            [UseKind::Sale, UseKind::Sharing].into()
        } else {
            BTreeSet::new()
        },
        direct_marketing: number % 3 == 1,
        categories: (0..CATEGORIES).map(category).collect(),
        recipients: BTreeSet::new(),
    };
    let recipient = |number: usize| PolicyRecipient {
        key: format!("recipient_{number}").as_str().into(),
        role: [
            RecipientRole::Internal,
            RecipientRole::ServiceProvider,
            RecipientRole::ThirdParty,
        ][number % 3],
        contract_compliant: number % 3 != 2,
        sold: false,
        shared: false,
        categories: BTreeSet::new(),
    };
    let sensitive = |number: usize| (number >= 6).then(|| "health".to_owned());
    let mut categories: std::collections::BTreeMap<_, _> = (0..CATEGORIES)
        .map(|number| (category(number), sensitive(number)))
        .collect();
    categories.insert("user".to_owned(), None);
    Configuration {
        attributes: (0..30).map(attribute).collect(),
        categories,
        purposes: (0..PURPOSES).map(purpose).collect(),
        recipients: (0..RECIPIENTS).map(recipient).collect(),
        jurisdictions: [
            "EU", "US-CA", "US-VA", "US-CO", "US-TX", "US-CT", "BR", "CA-QC", "JP", "IN",
        ]
        .map(str::to_owned)
        .into(),
    }
}

/// 160 permits, one for each recipient and purpose, and 40 forbids.
fn two_hundred() -> String {
    let mut text = String::new();
    for recipient in 0..RECIPIENTS {
        for purpose in 0..PURPOSES {
            let parts: Vec<_> = (0..3)
                .map(|more| {
                    format!(
                        "Category::\"user.part_{}\"",
                        (recipient + purpose * more) % CATEGORIES
                    )
                })
                .collect();
            let rule = format!(
                "permit (principal == Recipient::\"recipient_{recipient}\", action == Action::\"purpose_{purpose}\", resource) when {{ resource in [{}] && (context.choice_allows || context.consented) }};",
                parts.join(", ")
            );
            text.push_str(&annotated(&format!("permit-{recipient}-{purpose}"), &rule));
        }
    }
    let places = [
        "EU", "US-CA", "US-VA", "US-CO", "US-TX", "US-CT", "BR", "CA-QC", "JP", "IN",
    ];
    for number in 0..40 {
        let place = places[number % places.len()];
        let rule = match number % 4 {
            0 => format!(
                "forbid (principal, action in Action::\"sale\", resource) when {{ context.jurisdiction == \"{place}\" && (context.opted_out_of_sale || context.signal) }} unless {{ context.consented }};"
            ),
            1 => format!(
                "forbid (principal in Role::\"third_party\", action, resource) when {{ context.jurisdiction == \"{place}\" && context.age == \"under_13\" }} unless {{ context.consented }};"
            ),
            2 => format!(
                "forbid (principal, action, resource in SensitiveCategory::\"health\") when {{ context.jurisdiction == \"{place}\" && context.limited }};"
            ),
            _ => format!(
                "forbid (principal, action in Action::\"direct_marketing\", resource) when {{ context.jurisdiction == \"{place}\" && context.opted_out }};"
            ),
        };
        text.push_str(&annotated(&format!("forbid-{number}"), &rule));
    }
    text
}

/// Microseconds, the best of seven.
fn measure<T>(what: &str, rounds: u32, mut once: impl FnMut(u32) -> T) {
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        for round in 0..rounds {
            black_box(once(round));
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(rounds) * 1e6);
    }
    println!("{what}: {best:.3} µs");
}

/// Subjects of all kinds, so that no branch is learnt by heart.
fn subjects(house: &Compiled) -> Vec<SubjectFacts> {
    let layout = house.table.layout();
    (0..1_000usize)
        .map(|number| {
            let places = layout.jurisdictions();
            let mut facts = SubjectFacts::unknown(layout, 1)
                .living_in(layout, &places[number % places.len()])
                .aged(AgeBand::ALL[number / 7 % 5]);
            for (index, fact) in Fact::ALL.into_iter().enumerate() {
                facts = facts.with(fact, (number * 2_654_435_761) >> (index + 8) & 3 == 0);
            }
            for purpose in 0..PURPOSES {
                let allows = (number + purpose) % 3 != 0;
                let choice = ChoiceFacts {
                    allows,
                    consented: allows && number % 2 == 0,
                    opted_out: !allows,
                };
                facts = facts.choosing(PurposeSlot(purpose as u8), choice);
            }
            facts
        })
        .collect()
}

#[test]
#[ignore = "a figure, not a promise"]
fn thirty_attributes_under_two_hundred_policies() {
    let configuration = configuration();
    let files = [file(&two_hundred())];
    let start = Instant::now();
    let house = compile(&files, &configuration, None).unwrap_or_else(|faults| panic!("{faults}"));
    println!(
        "compile {} policies: {:.1} ms",
        house.table.policies().len(),
        start.elapsed().as_secs_f64() * 1e3
    );
    let start = Instant::now();
    let asked = house.oracle.compare(&house.table, 20_000);
    let asked = asked.unwrap_or_else(|difference| panic!("{difference}"));
    println!(
        "compare with Cedar, {asked} questions: {:.1} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
    let (table, subjects) = (&house.table, subjects(&house));
    let cells: Vec<Cell> = table.cells().collect();
    let wanted = table.layout().attributes();
    let question = |round: u32| Question {
        cell: cells[round as usize * 7 % cells.len()],
        facts: &subjects[round as usize % subjects.len()],
        on: Timestamp::UNIX_EPOCH,
        wanted: &wanted,
    };
    measure("decide thirty, compiled", 200_000, |round| {
        table.decide(&question(round))
    });
    let mut reasons = Reasons::new();
    measure("decide thirty with reasons, compiled", 200_000, |round| {
        table.decide_with_reasons(&question(round), &mut reasons)
    });
    let one = wanted.iter().next().unwrap();
    measure("decide thirty, Cedar asked thirty times", 20, |round| {
        let Question { cell, facts, .. } = question(round);
        let seen: Seen = facts.seen(cell, one);
        wanted
            .iter()
            .map(|slot| house.oracle.ask(cell, slot, seen).unwrap().release)
            .collect::<Vec<_>>()
    });
    let given: usize = (0..10_000)
        .map(|round| table.decide(&question(round)).released().len())
        .sum();
    println!(
        "released of thirty: {:.1} on average",
        given as f64 / 10_000.0
    );
}
