//! What a version would change before it decides: exactly, over every input that there can be, and for how many subjects.
//!
//! Heads are counted over the distinct vectors that are known of subjects, not over subjects, and decided over what a cell can tell apart of those,
//! so that ten million of them take no longer than what is different about them.

use std::collections::{BTreeMap, HashMap};

use domain::policy::{
    AttributeSet, AttributeSlot, Cell, Decision, Fact, Question, Release, Seen, SubjectFacts, Table,
};
use jiff::Timestamp;
use serde::Serialize;
use storage::Tx;

use super::facts::refresh_facts;
use super::lifecycle::needed;
use crate::{Privity, Problem};

/// What a version would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// The version that decides.
    pub active: u64,
    /// The version that would; none for the files as they are now.
    pub candidate: Option<u64>,
    /// Recipients and purposes whose answers can change at all.
    pub cells: Vec<CellChange>,
    /// For how many subjects which attribute would change.
    pub heads: Vec<Heads>,
    /// How many subjects were counted.
    pub subjects: u64,
    /// In how many ways they differ.
    pub vectors: usize,
    /// Of how many more nothing could be said: what is known of them is of another version of this program, or a record of theirs is damaged.
    pub unknown: u64,
    /// How many wait to be worked out anew, and were counted by what was known of them before, if at all.
    pub outdated: u64,
}

/// A recipient and a purpose whose answers can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CellChange {
    /// By whom.
    pub recipient: String,
    /// For what.
    pub purpose: String,
    /// How many different inputs there are.
    pub inputs: usize,
    /// For how many of them an answer changes.
    pub changed: usize,
    /// The attributes, each with the first input for which it changes.
    pub attributes: Vec<AttributeChange>,
}

/// An attribute whose form can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttributeChange {
    /// Its key.
    pub attribute: String,
    /// In which form it goes out now, in the example.
    pub before: &'static str,
    /// In which form it would.
    pub after: &'static str,
    /// The example: what is known.
    pub example: String,
    /// For how many inputs it changes.
    pub inputs: usize,
}

/// For how many subjects an attribute would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heads {
    /// By whom.
    pub recipient: String,
    /// For what.
    pub purpose: String,
    /// Which attribute.
    pub attribute: String,
    /// It would go out, and doesn't now.
    pub gained: u64,
    /// It goes out now, and would not.
    pub lost: u64,
    /// It would go out in another form.
    pub changed: u64,
}

impl Privity {
    /// What a version would change, or what the files as they are now would.
    ///
    /// # Errors
    /// No policies are in force; there is no such version; files that are wrong; our database doesn't answer.
    pub async fn policy_impact(&self, version: Option<u64>) -> Result<Impact, Problem> {
        let in_force = needed(self)?;
        let candidate = match version {
            Some(number) => self.table_of(&self.policy_version(number).await?).await?,
            None => self.files_as_they_are().await?,
        };
        refresh_facts(self).await?;
        let now = self.now();
        let read = move |tx: &mut Tx| {
            let counts = storage::subject_facts::counts(tx)?;
            let outdated = storage::subject_facts::count_due(tx, now)?;
            Ok((
                counts,
                outdated,
                storage::subject_facts::count_damaged(tx, now)?,
            ))
        };
        let (counts, outdated, damaged) = self.read("count facts", read).await?;
        let work = move || {
            let mut impact = compare(&in_force.table, &candidate, &counts, now);
            impact.active = in_force.version;
            impact.candidate = version;
            impact.outdated = outdated;
            impact.unknown += damaged;
            impact
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| Problem::internal("comparing policies", &error))
    }
}

/// Compares two tables of one layout over every input, and over `counts`: packed facts, each with the number of subjects of whom they are known.
pub fn compare(before: &Table, after: &Table, counts: &[(Vec<u8>, u64)], now: Timestamp) -> Impact {
    let cells: Vec<Cell> = after
        .cells()
        .filter(|cell| !before.decides_alike(after, *cell))
        .collect();
    let mut impact = Impact::default();
    let changed = cells.iter().filter_map(|cell| change(before, after, *cell));
    impact.cells = changed.collect();
    let mut known = Vec::with_capacity(counts.len());
    for (packed, subjects) in counts {
        let facts = SubjectFacts::unpack(packed, 0, None).ok();
        match facts.filter(|facts| facts.unusable(after.layout(), now).is_none()) {
            Some(facts) => known.push((facts, *subjects)),
            None => impact.unknown += subjects,
        }
    }
    impact.vectors = known.len();
    impact.subjects = known.iter().map(|(_, subjects)| subjects).sum();
    let each = cells
        .iter()
        .flat_map(|cell| heads(before, after, *cell, &known, now));
    impact.heads = each
        .map(|(place, counts)| named(after, place, counts))
        .collect();
    impact
}

/// For how many subjects the attributes of one cell would change, in the order of attributes.
///
/// Whoever the cell can't tell apart is counted together and decided once: what a subject chose for other purposes is most of what sets vectors apart.
fn heads(
    before: &Table,
    after: &Table,
    cell: Cell,
    known: &[(SubjectFacts, u64)],
    now: Timestamp,
) -> BTreeMap<(Cell, AttributeSlot), [u64; 3]> {
    let wanted = after.layout().attributes();
    let seen_by_both = before.seen_by_both(after, cell);
    let mut alike: HashMap<Seen, u64> = HashMap::new();
    let mut heads = BTreeMap::new();
    for (facts, subjects) in known {
        if let Some(seen) = seen_by_both(facts) {
            *alike.entry(seen).or_default() += subjects;
            continue;
        }
        let question = Question {
            cell,
            facts,
            on: now,
            wanted: &wanted,
        };
        let (was, is) = (before.decide(&question), after.decide(&question));
        count(cell, &was, &is, *subjects, &mut heads);
    }
    for (seen, subjects) in alike {
        let was = before.decide_seen(cell, seen, &wanted);
        let is = after.decide_seen(cell, seen, &wanted);
        count(cell, &was, &is, subjects, &mut heads);
    }
    heads
}

fn count(
    cell: Cell,
    was: &Decision,
    is: &Decision,
    subjects: u64,
    heads: &mut BTreeMap<(Cell, AttributeSlot), [u64; 3]>,
) {
    for slot in differing(was, is).iter() {
        let [gained, lost, changed] = heads.entry((cell, slot)).or_default();
        match (was.release(slot), is.release(slot)) {
            (Release::Withhold, _) => *gained += subjects,
            (_, Release::Withhold) => *lost += subjects,
            _ => *changed += subjects,
        }
    }
}

/// The attributes that two decisions give in different forms.
fn differing(was: &Decision, is: &Decision) -> AttributeSet {
    let forms = Release::ALL.into_iter();
    forms.fold(AttributeSet::EMPTY, |all, form| {
        let (was, is) = (was.released_as(form), is.released_as(form));
        all.or(&was.minus(&is)).or(&is.minus(&was))
    })
}

fn named(
    table: &Table,
    (cell, slot): (Cell, AttributeSlot),
    [gained, lost, changed]: [u64; 3],
) -> Heads {
    let (recipient, purpose) = cell_names(table, cell);
    Heads {
        recipient,
        purpose,
        attribute: attribute_name(table, slot),
        gained,
        lost,
        changed,
    }
}

/// A cell's recipient and purpose.
pub(super) fn cell_names(table: &Table, cell: Cell) -> (String, String) {
    let layout = table.layout();
    let recipient = layout.recipients().get(usize::from(cell.recipient.0));
    let purpose = layout.purposes().get(usize::from(cell.purpose.0));
    (
        recipient.map(ToString::to_string).unwrap_or_default(),
        purpose.map(ToString::to_string).unwrap_or_default(),
    )
}

pub(super) fn attribute_name(table: &Table, slot: AttributeSlot) -> String {
    let key = table.layout().attribute_key(slot);
    key.map(ToString::to_string).unwrap_or_default()
}

/// How one cell's answers change over all inputs; none when they don't.
fn change(before: &Table, after: &Table, cell: Cell) -> Option<CellChange> {
    let inputs = before.inputs(after, cell);
    let wanted = after.layout().attributes();
    let (mut changed, mut attributes) = (0, BTreeMap::new());
    for seen in &inputs {
        let was = before.decide_seen(cell, *seen, &wanted);
        let is = after.decide_seen(cell, *seen, &wanted);
        let differing = differing(&was, &is);
        changed += usize::from(!differing.is_empty());
        for slot in differing.iter() {
            let one = attributes.entry(slot).or_insert_with(|| AttributeChange {
                attribute: attribute_name(after, slot),
                before: was.release(slot).text(),
                after: is.release(slot).text(),
                example: in_words(after, *seen),
                inputs: 0,
            });
            one.inputs += 1;
        }
    }
    let (recipient, purpose) = cell_names(after, cell);
    (changed > 0).then(|| CellChange {
        recipient,
        purpose,
        inputs: inputs.len(),
        changed,
        attributes: attributes.into_values().collect(),
    })
}

/// What is known, e.g. `US-CA, adult, choice_allows`.
pub(super) fn in_words(table: &Table, seen: Seen) -> String {
    let place = seen
        .jurisdiction(table.layout())
        .map(|place| format!("jurisdiction {place}"));
    let age = seen.age().map(|age| format!("age {}", age.text()));
    let facts = Fact::ALL
        .into_iter()
        .filter(|fact| seen.is(*fact) == Some(true));
    let facts = facts.map(|fact| fact.text().to_owned());
    let words: Vec<_> = place.into_iter().chain(age).chain(facts).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests;
