//! An independent opinion, by going over all rows again and again: whose each row is, and what an erasure must do to it.

use std::collections::{BTreeMap, BTreeSet};

use domain::data_map::Relation;

use super::model::{Model, Reference, Table, email};
use super::spec::{ErasureSpec, FieldStrategy};

/// A row: table and place.
pub(crate) type At = (usize, usize);

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Deleted,
    /// Stays, its personal fields overwritten.
    Redacted,
    /// Stays, since a rule or the map says so; overwritten only where a field says so.
    Kept,
    /// Stays as it is, since it is a detail of something that stays.
    Shared,
}

/// A subject's rows.
pub(crate) fn rows_of(model: &Model, subject: usize) -> BTreeSet<At> {
    let mut found = BTreeSet::new();
    let wanted = email(subject).to_lowercase();
    for (number, table) in model.tables.iter().enumerate() {
        for (field, _) in table
            .fields
            .iter()
            .enumerate()
            .filter(|(_, field)| field.identity)
        {
            found.extend(
                (0..table.rows.len())
                    .filter(|place| {
                        table.rows[*place][field]
                            .as_ref()
                            .is_some_and(|value| value.to_lowercase() == wanted)
                    })
                    .map(|place| (number, place)),
            );
        }
    }
    loop {
        let before = found.len();
        for (from, table) in model.tables.iter().enumerate() {
            for reference in &table.references {
                for (pointing, pointed) in pairs(model, from, reference) {
                    let down = matches!(
                        reference.relation,
                        Relation::OwnedBy | Relation::SameSubject
                    ) && found.contains(&pointed);
                    let up = matches!(reference.relation, Relation::Detail | Relation::SameSubject)
                        && found.contains(&pointing);
                    if down || up {
                        found.extend(
                            [pointing, pointed]
                                .into_iter()
                                .filter(|at| (down && *at == pointing) || (up && *at == pointed)),
                        );
                    }
                }
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// Which row points at which by a reference.
fn pairs(model: &Model, from: usize, reference: &Reference) -> Vec<(At, At)> {
    let (here, there) = (&model.tables[from], &model.tables[reference.to]);
    let mut pairs = Vec::new();
    for (place, row) in here.rows.iter().enumerate() {
        let value: Option<Vec<&String>> = reference
            .fields
            .iter()
            .map(|field| row[*field].as_ref())
            .collect();
        let Some(value) = value else { continue };
        let matches = |target: &[Option<String>]| {
            reference
                .to_fields
                .iter()
                .zip(&value)
                .all(|(field, value)| target[*field].as_ref() == Some(*value))
        };
        pairs.extend(
            there
                .rows
                .iter()
                .enumerate()
                .filter(|(_, target)| matches(target))
                .map(|(target, _)| ((from, place), (reference.to, target))),
        );
    }
    pairs
}

/// What becomes of the rows of subjects who are forgotten together.
pub(crate) fn fates(model: &Model, forgotten: &[usize]) -> BTreeMap<At, Fate> {
    let hers: BTreeSet<At> = forgotten
        .iter()
        .flat_map(|subject| rows_of(model, *subject))
        .collect();
    let mut fates: BTreeMap<At, Fate> = hers.iter().map(|at| (*at, own_fate(model, *at))).collect();
    let pointers: Vec<(At, At, &Reference)> = model
        .tables
        .iter()
        .enumerate()
        .flat_map(|(from, table)| {
            table
                .references
                .iter()
                .filter(|reference| model.tables[reference.to].system == table.system)
                .flat_map(move |reference| {
                    pairs(model, from, reference)
                        .into_iter()
                        .map(move |(pointing, pointed)| (pointing, pointed, reference))
                })
        })
        .collect();
    // Details of something that stays, and what belongs to such.
    let mut guarded: BTreeSet<At> = BTreeSet::new();
    loop {
        let before = (fates.clone(), guarded.len());
        for (pointing, pointed, reference) in &pointers {
            let holds = pointing != pointed
                && fates
                    .get(pointing)
                    .is_none_or(|fate| still_points(&model.tables[pointing.0], reference, *fate));
            if holds && reference.relation == Relation::Detail {
                guarded.insert(*pointed);
            }
            if reference.relation == Relation::OwnedBy && guarded.contains(pointed) {
                guarded.insert(*pointing);
            }
            if holds && fates.get(pointed) == Some(&Fate::Deleted) {
                fates.insert(*pointed, Fate::Redacted);
            }
        }
        for (at, fate) in &mut fates {
            // Not even what the map wants overwritten in rows that stay is touched in somebody else's.
            if guarded.contains(at) {
                *fate = Fate::Shared;
            }
        }
        if (fates.clone(), guarded.len()) == before {
            return fates;
        }
    }
}

fn still_points(table: &Table, reference: &Reference, fate: Fate) -> bool {
    let mut fields = reference.fields.iter();
    fate != Fate::Deleted && !fields.any(|field| is_overwritten(table, *field, fate))
}

/// Whether a field of a row that stays is overwritten.
pub(crate) fn is_overwritten(table: &Table, place: usize, fate: Fate) -> bool {
    let field = &table.fields[place];
    let demanded = matches!(
        field.strategy,
        FieldStrategy::Null | FieldStrategy::Redact | FieldStrategy::Hash
    );
    match fate {
        Fate::Deleted | Fate::Shared => false,
        Fate::Kept => demanded && table.erasure == ErasureSpec::Retain,
        Fate::Redacted if field.strategy == FieldStrategy::Keep => false,
        // A row that is overwritten lets go of its details.
        Fate::Redacted => demanded || field.personal || leads_to_detail(table, place),
    }
}

/// Whether the field is a reference to a detail of the row.
pub(crate) fn leads_to_detail(table: &Table, field: usize) -> bool {
    let mut references = table
        .references
        .iter()
        .filter(|reference| reference.fields.contains(&field));
    references.any(|reference| reference.relation == Relation::Detail)
}

fn own_fate(model: &Model, (table, place): At) -> Fate {
    let table = &model.tables[table];
    match table.erasure {
        ErasureSpec::Delete => Fate::Deleted,
        ErasureSpec::Redact => Fate::Redacted,
        ErasureSpec::Keep => Fate::Kept,
        // A row without a date stays.
        ErasureSpec::Retain
            if table.rows[place][table.since.unwrap()]
                .as_deref()
                .is_none_or(|day| day >= "2019-11-02") =>
        {
            Fate::Kept
        }
        ErasureSpec::Retain => Fate::Deleted,
    }
}
