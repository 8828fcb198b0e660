//! What it costs to decide about thirty attributes, in process: by the compiled table, with a reason for each, by Cedar, by regorus. All have
//! to say the same, or there are no figures.

#![expect(
    clippy::indexing_slicing,
    reason = "places in lists of a length that is known here"
)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use bench::figure::{Against, Figures, Peer};
use domain::policy::{AgeBand, ChoiceFacts, Fact, Question, Reasons, Release, SubjectFacts};
use governance::policy::compare;
use jiff::Timestamp;
use policy::{Compiled, compile};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::threads::own_cpu_us;
use crate::{median, world};

/// Subjects of all kinds, so that no branch is learnt by heart.
const SUBJECTS: usize = 1_000;
/// Those that slow engines are asked about.
const SLOW: usize = 300;
const ROUNDS: usize = 7;
const DECISIONS: usize = 400_000;

/// What regorus needs and says.
#[derive(Deserialize)]
struct Regorus {
    us: f64,
    answers: Vec<BTreeSet<String>>,
}

/// One question of the series: who, what for, and about whom.
#[derive(Clone, Copy)]
struct Asked {
    recipient: usize,
    purpose: usize,
    subject: usize,
}

fn asked(number: usize) -> Asked {
    Asked {
        recipient: number * 7 % world::RECIPIENTS,
        purpose: number * 3 % world::PURPOSES,
        subject: number % SUBJECTS,
    }
}

pub(crate) fn measure(peers: Option<&Path>, figures: &mut Figures) -> anyhow::Result<()> {
    let compiled = compile(&[world::cedar_file()], &world::configuration(), None);
    let compiled = compiled.map_err(|faults| anyhow::anyhow!("{faults}"))?;
    let subjects: Vec<_> = (0..SUBJECTS).map(|one| subject(&compiled, one)).collect();
    let table = &compiled.table;
    let wanted = table.layout().attributes();
    let question = |number: usize| {
        let one = asked(number);
        let recipient = world::recipient(one.recipient);
        let purpose = world::purpose(one.purpose);
        let cell = table.cell(&recipient.as_str().into(), &purpose.as_str().into());
        Ok(Question {
            cell: cell.context("the table lacks a recipient or a purpose")?,
            facts: &subjects[one.subject],
            on: Timestamp::UNIX_EPOCH,
            wanted: &wanted,
        })
    };
    let questions = (0..SUBJECTS * 8).map(question);
    let questions: Vec<_> = questions.collect::<anyhow::Result<_>>()?;
    let each = |once: &mut dyn FnMut(&Question<'_>)| -> anyhow::Result<f64> {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let start = own_cpu_us()?;
            for question in questions.iter().cycle().take(DECISIONS) {
                once(question);
            }
            rounds.push((own_cpu_us()? - start) / DECISIONS as f64);
        }
        Ok(median(rounds))
    };
    let plain = each(&mut |question| {
        black_box(table.decide(question));
    })?;
    let mut reasons = Reasons::new();
    let reasoned = each(&mut |question| {
        black_box(table.decide_with_reasons(question, &mut reasons));
    })?;
    let (cedar, by_cedar) = by_cedar(&compiled, &questions)?;
    let own: Vec<BTreeSet<String>> = questions
        .iter()
        .take(SLOW)
        .map(|question| names(&compiled, question))
        .collect();
    anyhow::ensure!(own == by_cedar, "Cedar decides otherwise than the table");
    let regorus = peers
        .map(|peers| by_regorus(peers, &compiled, &subjects))
        .transpose()?;
    if let Some(regorus) = &regorus {
        anyhow::ensure!(
            own == regorus.answers,
            "regorus decides otherwise than the table"
        );
    }
    let against = |aim, peer| Against {
        aim,
        peer,
        more_is_better: false,
    };
    let peer = regorus.as_ref().map(|one| Peer(one.us, cedar));
    figures.add(
        "thirty attributes decided, compiled".to_owned(),
        plain,
        US,
        against(None, peer),
    );
    figures.add(
        "thirty attributes decided, with reasons".to_owned(),
        reasoned,
        US,
        against(Some(0.2), peer),
    );
    figures.add(
        "thirty attributes decided, Cedar asked thirty times".to_owned(),
        cedar,
        US,
        Against::default(),
    );
    if let Some(regorus) = regorus {
        figures.add(
            "thirty attributes decided, regorus's bytecode machine".to_owned(),
            regorus.us,
            US,
            Against::default(),
        );
    }
    impact(&compiled, figures)
}

/// Facts that differ, and of how many subjects each is known: ten million in all.
const VECTORS: usize = 50_000;
const EACH: u64 = 200;

/// What a change of the policies would change, exactly and for how many of ten million subjects: signals no longer count against a sale.
fn impact(before: &Compiled, figures: &mut Figures) -> anyhow::Result<()> {
    let mut file = world::cedar_file();
    file.text = file.text.replace(" || context.signal)", ")");
    let layout = before.table.layout();
    let after = compile(&[file], &world::configuration(), Some(layout));
    let after = after.map_err(|faults| anyhow::anyhow!("{faults}"))?;
    let counts: Vec<_> = (0..VECTORS)
        .map(|number| (subject(before, number).pack(), EACH))
        .collect();
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let start = std::time::Instant::now();
        let impact = compare(&before.table, &after.table, &counts, Timestamp::UNIX_EPOCH);
        rounds.push(start.elapsed().as_secs_f64());
        anyhow::ensure!(
            impact.subjects == VECTORS as u64 * EACH && !impact.heads.is_empty(),
            "nobody would gain"
        );
    }
    let against = Against {
        aim: Some(1.0),
        ..Against::default()
    };
    figures.add(
        format!("impact of a change, exact, on 10,000,000 subjects in {VECTORS} ways"),
        median(rounds),
        "s by the clock",
        against,
    );
    Ok(())
}

const US: &str = "µs of CPU";

fn subject(compiled: &Compiled, number: usize) -> SubjectFacts {
    let layout = compiled.table.layout();
    let places = layout.jurisdictions();
    let mut facts = SubjectFacts::unknown(layout, 1)
        .living_in(layout, &places[number % places.len()])
        .aged(AgeBand::ALL[number / 7 % AgeBand::ALL.len()]);
    for (index, fact) in Fact::ALL.into_iter().enumerate() {
        facts = facts.with(fact, is(number, index));
    }
    for purpose in 0..world::PURPOSES {
        let choice = choice(number, purpose);
        let slot = layout.purpose(&world::purpose(purpose).as_str().into());
        facts = slot.map_or(facts.clone(), |slot| facts.clone().choosing(slot, choice));
    }
    facts
}

const fn is(subject: usize, fact: usize) -> bool {
    subject.wrapping_mul(2_654_435_761) >> (fact + 8) & 3 == 0
}

const fn choice(subject: usize, purpose: usize) -> ChoiceFacts {
    let allows = !(subject + purpose).is_multiple_of(3);
    ChoiceFacts {
        allows,
        consented: allows && (subject / 5).is_multiple_of(2),
        opted_out: !allows,
    }
}

/// The attributes that go out.
fn names(compiled: &Compiled, question: &Question<'_>) -> BTreeSet<String> {
    let released = compiled.table.decide(question).released();
    let layout = compiled.table.layout();
    let keys = released
        .iter()
        .filter_map(|slot| layout.attribute_key(slot));
    keys.map(ToString::to_string).collect()
}

fn by_cedar(
    compiled: &Compiled,
    questions: &[Question<'_>],
) -> anyhow::Result<(f64, Vec<BTreeSet<String>>)> {
    let layout = compiled.table.layout();
    let mut answers = Vec::new();
    let mut costs = Vec::new();
    for question in questions.iter().take(SLOW) {
        let mut given = BTreeSet::new();
        let start = std::time::Instant::now();
        for slot in question.wanted.iter() {
            let seen = question.facts.seen(question.cell, slot);
            let answer = compiled.oracle.ask(question.cell, slot, seen)?;
            if answer.release == Release::Keep {
                given.extend(layout.attribute_key(slot).map(ToString::to_string));
            }
        }
        costs.push(start.elapsed().as_secs_f64() * 1e6);
        answers.push(given);
    }
    Ok((median(costs), answers))
}

fn by_regorus(
    peers: &Path,
    compiled: &Compiled,
    subjects: &[SubjectFacts],
) -> anyhow::Result<Regorus> {
    let folder = tempfile::tempdir()?;
    let questions: Vec<_> = (0..SLOW)
        .map(|number| told(compiled, asked(number), subjects))
        .collect();
    std::fs::write(folder.path().join("policy.rego"), world::rego())?;
    let data = world::rego_data().to_string();
    std::fs::write(folder.path().join("data.json"), data)?;
    let questions = Value::from(questions).to_string();
    std::fs::write(folder.path().join("questions.json"), questions)?;
    let output = Command::new(peers).arg(folder.path()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "regorus: {said}");
    serde_json::from_slice(&output.stdout).context("what regorus says can't be read")
}

/// A question with all its facts.
fn told(compiled: &Compiled, asked: Asked, subjects: &[SubjectFacts]) -> Value {
    let mut told = world::told(asked.recipient, asked.purpose);
    let places = compiled.table.layout().jurisdictions();
    let number = asked.subject % subjects.len();
    let choice = choice(number, asked.purpose);
    if let Some(members) = told.as_object_mut() {
        for (index, fact) in Fact::ALL.into_iter().enumerate() {
            members.insert(fact.text().to_owned(), json!(is(number, index)));
        }
        for (name, is) in [
            (Fact::ChoiceAllows, choice.allows),
            (Fact::Consented, choice.consented),
            (Fact::OptedOut, choice.opted_out),
        ] {
            members.insert(name.text().to_owned(), json!(is));
        }
        members.insert(
            "jurisdiction".to_owned(),
            json!(places[number % places.len()]),
        );
        let age = AgeBand::ALL[number / 7 % AgeBand::ALL.len()];
        members.insert("age".to_owned(), json!(age.text()));
    }
    told
}
