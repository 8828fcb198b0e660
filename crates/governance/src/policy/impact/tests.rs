#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]
use ::policy::{Origin, PolicyFile, compile};
use domain::policy::{
    ChoiceFacts, Configuration, Exception, PolicyAttribute, PolicyPurpose, PolicyRecipient,
};
use domain::profile::Sensitivity;
use domain::recipient::RecipientRole;

use super::*;

fn configuration() -> Configuration {
    let attribute = |key: &str| PolicyAttribute {
        key: key.into(),
        category: "user.name".to_owned(),
        sensitivity: Sensitivity::Basic,
    };
    let purpose = |number: usize| PolicyPurpose {
        key: format!("purpose_{number}").into(),
        uses: [].into(),
        direct_marketing: false,
        categories: ["user.name".to_owned()].into(),
        recipients: [].into(),
    };
    let recipient = |key: &str| PolicyRecipient {
        key: key.into(),
        role: RecipientRole::Internal,
        contract_compliant: true,
        sold: false,
        shared: false,
        categories: ["user.name".to_owned()].into(),
    };
    Configuration {
        attributes: ["name", "email"].map(attribute).into(),
        categories: [("user.name".to_owned(), None)].into(),
        purposes: (0..12).map(purpose).collect(),
        recipients: ["app", "mill"].map(recipient).into(),
        jurisdictions: ["US-CA", "EU"].map(str::to_owned).into(),
    }
}

fn table(when: &str) -> Table {
    let text = format!(
        "@id(\"a\") @citation(\"c\") @title(\"t\") @reason_subject(\"s\") @reason_operator(\"o\") permit (principal == Recipient::\"app\", action, resource) when {{ {when} }};"
    );
    let file = PolicyFile {
        name: "a.cedar".to_owned(),
        text,
        origin: Origin::Company,
    };
    compile(&[file], &configuration(), None)
        .unwrap_or_else(|faults| panic!("{faults}"))
        .table
}

/// Somebody who chose as the bits of a number say, in California or the Union.
fn somebody(table: &Table, number: u32) -> SubjectFacts {
    let layout = table.layout();
    let place = if number & 1 == 0 { "US-CA" } else { "EU" };
    let purposes = layout.purposes().iter().enumerate();
    let facts = SubjectFacts::unknown(layout, 0)
        .living_in(layout, place)
        .aged(domain::policy::AgeBand::Adult);
    let facts = Fact::ALL
        .into_iter()
        .fold(facts, |facts, fact| facts.with(fact, false));
    purposes.fold(facts, |facts, (at, key)| {
        let choice = ChoiceFacts {
            allows: number >> (at + 1) & 1 == 1,
            consented: false,
            opted_out: false,
        };
        facts.choosing(layout.purpose(key).unwrap(), choice)
    })
}

#[test]
fn heads_are_those_of_every_subject_asked_one_by_one() {
    let (before, after) = (
        table("context.choice_allows"),
        table("context.choice_allows && context.jurisdiction == \"EU\""),
    );
    let counts: Vec<_> = (0..64)
        .map(|number| (somebody(&before, number).pack(), u64::from(number) + 1))
        .collect();
    let impact = compare(&before, &after, &counts, Timestamp::UNIX_EPOCH);
    assert_eq!((impact.vectors, impact.subjects), (64, 64 * 65 / 2));
    // Whoever lives in California and allows the purpose loses both attributes.
    let lost = |at: u32| {
        (0..64u64)
            .filter(|number| number & 1 == 0 && number >> (at + 1) & 1 == 1)
            .map(|number| number + 1)
            .sum::<u64>()
    };
    for heads in &impact.heads {
        let at: u32 = heads
            .purpose
            .trim_start_matches("purpose_")
            .parse()
            .unwrap();
        assert_eq!(
            (heads.gained, heads.lost, heads.changed),
            (0, lost(at), 0),
            "{heads:?}"
        );
    }
    assert_eq!(
        impact.heads.len(),
        5 * 2,
        "64 numbers choose about five purposes"
    );
    assert_eq!(
        impact.cells.len(),
        12,
        "whoever chose so far, twelve purposes can change"
    );
    let cell = &impact.cells[0];
    // choice_allows or not, in each of four places: of the allowed only those in the Union keep it.
    assert_eq!((cell.inputs, cell.changed), (2 * 4, 3));
    assert!(
        cell.attributes[0].example.contains("choice_allows"),
        "{}",
        cell.attributes[0].example
    );
}

/// Subjects of all kinds, among them some with a choice about one attribute alone, or for one recipient alone.
fn anybody(table: &Table, number: u32) -> SubjectFacts {
    let layout = table.layout();
    let mixed = number.wrapping_mul(2_654_435_761);
    let is = |at: u32| mixed >> at & 1 == 1;
    let choice = |at: u32| ChoiceFacts {
        allows: is(at),
        consented: is(at + 1),
        opted_out: is(at + 2),
    };
    let facts = SubjectFacts::unknown(layout, 0)
        .living_in(layout, ["US-CA", "EU", "elsewhere"][number as usize % 3])
        .aged(domain::policy::AgeBand::ALL[number as usize % domain::policy::AgeBand::ALL.len()]);
    let known = Fact::ALL.into_iter().enumerate();
    let known = known.filter(|(at, _)| !is(31 - *at as u32 % 8));
    let facts = known.fold(facts, |facts, (at, fact)| facts.with(fact, is(at as u32)));
    let purposes = layout.purposes().iter().zip(0..);
    let facts = purposes.fold(facts, |facts, (key, at)| {
        facts.choosing(layout.purpose(key).unwrap(), choice(at))
    });
    if !number.is_multiple_of(4) {
        return facts;
    }
    let slot = layout.attribute("email").unwrap();
    facts.except(Exception {
        purpose: layout.purpose(&"purpose_1".into()).unwrap(),
        recipient: is(9).then(|| layout.recipient(&"app".into()).unwrap()),
        attributes: [slot].into_iter().collect(),
        choice: is(10).then(|| choice(11)),
    })
}

#[test]
fn counting_together_those_whom_a_cell_cannot_tell_apart_counts_the_same() {
    let (before, after) = (
        table("context.choice_allows && !context.signal"),
        table("(context.consented || context.jurisdiction == \"EU\") && !context.limited"),
    );
    let everybody: Vec<_> = (0..600).map(|number| anybody(&before, number)).collect();
    let counts: Vec<_> = everybody
        .iter()
        .zip(1..)
        .map(|(one, heads)| (one.pack(), heads))
        .collect();
    let impact = compare(&before, &after, &counts, Timestamp::UNIX_EPOCH);

    let wanted = after.layout().attributes();
    let mut expected: BTreeMap<_, [u64; 3]> = BTreeMap::new();
    for cell in after.cells() {
        for (facts, subjects) in everybody.iter().zip(1..) {
            let question = Question {
                cell,
                facts,
                on: Timestamp::UNIX_EPOCH,
                wanted: &wanted,
            };
            let (was, is) = (before.decide(&question), after.decide(&question));
            count(cell, &was, &is, subjects, &mut expected);
        }
    }
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(place, heads)| named(&after, place, heads))
        .collect();
    assert!(expected.iter().any(|one| one.gained > 0 && one.lost > 0));
    assert_eq!(impact.heads, expected);
}

#[test]
fn what_stays_the_same_changes_nobody() {
    let (before, after) = (
        table("context.choice_allows"),
        table("!(!context.choice_allows)"),
    );
    let counts = vec![(somebody(&before, 7).pack(), 1)];
    let impact = compare(&before, &after, &counts, Timestamp::UNIX_EPOCH);
    assert_eq!((impact.cells, impact.heads), (Vec::new(), Vec::new()));
}

#[test]
fn facts_of_another_program_are_counted_as_unknown() {
    let (before, after) = (table("context.choice_allows"), table("context.limited"));
    let impact = compare(&before, &after, &[(vec![9, 9], 5)], Timestamp::UNIX_EPOCH);
    assert_eq!((impact.unknown, impact.subjects), (5, 0));
}
