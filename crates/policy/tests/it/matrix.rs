//! Who gets what in the demo: recipients × purposes × attributes × a handful of subjects, in one file that is read when a policy changes.

use std::fmt::Write as _;

use domain::policy::{AgeBand, Fact, Reasons, Release, Seen, Table, Why};
use policy::{Compiled, compile};

use crate::demo;

struct Subject {
    who: &'static str,
    facts: &'static [Fact],
    age: AgeBand,
    place: &'static str,
}

const SUBJECTS: [Subject; 7] = [
    Subject {
        who: "California, nothing said",
        facts: &[Fact::ChoiceAllows],
        age: AgeBand::Adult,
        place: "US-CA",
    },
    Subject {
        who: "California, opted out of sale",
        facts: &[Fact::OptedOut, Fact::OptedOutOfSale],
        age: AgeBand::Adult,
        place: "US-CA",
    },
    Subject {
        who: "California, 14 years old",
        facts: &[Fact::ChoiceAllows],
        age: AgeBand::From13To15,
        place: "US-CA",
    },
    Subject {
        who: "California, limited sensitive data",
        facts: &[Fact::ChoiceAllows, Fact::Consented, Fact::Limited],
        age: AgeBand::Adult,
        place: "US-CA",
    },
    Subject {
        who: "Union, consented to everything",
        facts: &[Fact::ChoiceAllows, Fact::Consented],
        age: AgeBand::Adult,
        place: "EU",
    },
    Subject {
        who: "Union, nothing said",
        facts: &[],
        age: AgeBand::Unknown,
        place: "EU",
    },
    Subject {
        who: "nobody knows where, a signal",
        facts: &[Fact::ChoiceAllows, Fact::Signal],
        age: AgeBand::Unknown,
        place: "unknown",
    },
];

fn reason(table: &Table, why: Why) -> String {
    let id = |number| table.policy(number).unwrap().id.clone();
    match why {
        Why::Allowed {
            permit,
            limited_by: Some(forbid),
            ..
        } => format!("{} limited by {}", id(permit), id(forbid)),
        Why::Allowed { permit, .. } => id(permit),
        Why::Forbidden { forbid, conditions } => {
            let conditions = table.conditions(conditions);
            let conditions: Vec<_> = conditions.iter().map(ToString::to_string).collect();
            format!("{}: {}", id(forbid), conditions.join(", "))
        }
        Why::Unmet { permit, .. } => format!("unmet {}", id(permit)),
        Why::NoPolicy => "no policy".to_owned(),
        other => format!("{other:?}"),
    }
}

fn matrix(house: &Compiled) -> String {
    let table = &house.table;
    let layout = table.layout();
    let wanted = layout.attributes();
    let mut text = String::new();
    let mut reasons = Reasons::new();
    for cell in table.cells() {
        let recipient = &layout.recipients()[usize::from(cell.recipient.0)];
        let purpose = &layout.purposes()[usize::from(cell.purpose.0)];
        for subject in &SUBJECTS {
            let seen = Seen::known(layout, subject.facts, subject.age, subject.place);
            let decision = table.decide_seen_with_reasons(cell, seen, &wanted, &mut reasons);
            if decision.released().is_empty() {
                continue;
            }
            let _ = writeln!(text, "{recipient} for {purpose}: {}", subject.who);
            for slot in wanted.iter() {
                let (release, key) = (decision.release(slot), layout.attribute_key(slot).unwrap());
                if release != Release::Withhold {
                    let why = reason(table, reasons.of(slot));
                    let _ = writeln!(text, "    {key} {release} ({why})");
                }
            }
        }
    }
    text
}

/// Why everything else is withheld, by recipient and purpose; attributes with the same reason share a line.
fn withheld(house: &Compiled) -> String {
    let table = &house.table;
    let layout = table.layout();
    let wanted = layout.attributes();
    let mut text = String::new();
    let mut reasons = Reasons::new();
    for cell in table.cells() {
        let recipient = &layout.recipients()[usize::from(cell.recipient.0)];
        let purpose = &layout.purposes()[usize::from(cell.purpose.0)];
        for subject in &SUBJECTS {
            let seen = Seen::known(layout, subject.facts, subject.age, subject.place);
            let decision = table.decide_seen_with_reasons(cell, seen, &wanted, &mut reasons);
            let mut counts = std::collections::BTreeMap::new();
            for slot in wanted.minus(&decision.released()).iter() {
                *counts.entry(reason(table, reasons.of(slot))).or_insert(0) += 1;
            }
            let counts: Vec<_> = counts
                .iter()
                .map(|(why, count)| format!("{count} × {why}"))
                .collect();
            let _ = writeln!(
                text,
                "{recipient} for {purpose}: {}\n    {}",
                subject.who,
                counts.join("\n    ")
            );
        }
    }
    text
}

#[test]
fn who_gets_what_in_the_demo() {
    let house = compile(&demo::policies(), &demo::configuration(), None);
    let house = house.unwrap_or_else(|faults| panic!("{faults}"));
    insta::assert_snapshot!("released", matrix(&house));
    insta::assert_snapshot!("withheld", withheld(&house));
}

#[test]
fn the_schema_of_the_demo() {
    insta::assert_snapshot!("schema", policy::cedar_schema(&demo::configuration()));
}

#[test]
fn the_demos_table_agrees_with_cedar() {
    let house = compile(&demo::policies(), &demo::configuration(), None);
    let house = house.unwrap_or_else(|faults| panic!("{faults}"));
    for cell in house.table.cells() {
        for subject in &SUBJECTS {
            let seen = Seen::known(
                house.table.layout(),
                subject.facts,
                subject.age,
                subject.place,
            );
            let compared = house.oracle.compare_input(&house.table, cell, seen);
            compared.unwrap_or_else(|difference| panic!("{difference}"));
        }
    }
}
