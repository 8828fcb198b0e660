//! The order of an erasure: children first, circles as one, in one transaction or in bounded pieces.

use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::data_map::CollectionKey;
use domain::plan::{EraseStep, Erased, Erasure, Redaction};

use super::lookup::chunks;
use super::predicate::{Doomed, RowIds};
use super::statement::{Part, Scope, parts};
use super::table::{Places, Tables, place};
use super::{Dialect, Statement};
use crate::ConnectorError;

/// Rows that one transaction may take, so that no lock is held long.
pub(crate) const PIECE: usize = 5_000;

/// One statement, and the collection that it changes.
pub(crate) struct Change {
    pub(crate) collection: CollectionKey,
    pub(crate) statement: Statement,
}

/// A connection in which an erasure runs. Dropped in the middle of a transaction, it leaves nothing of it.
#[async_trait]
pub(crate) trait Session: Send {
    async fn begin(&mut self) -> Result<(), ConnectorError>;
    async fn commit(&mut self) -> Result<(), ConnectorError>;
    /// Runs the changes in order and says how many rows each touched.
    async fn run(&mut self, changes: Vec<Change>) -> Result<Vec<u64>, ConnectorError>;
    async fn row_ids(&mut self, change: Change) -> Result<RowIds, ConnectorError>;
    /// Deletes rows that point at each other.
    async fn delete_together(&mut self, doomed: &Doomed) -> Result<Vec<u64>, ConnectorError>;
}

/// The tables that an erasure's steps speak of; `known` says where those are that have no step.
pub(crate) fn places_of_steps<'a>(
    steps: impl Iterator<Item = &'a EraseStep>,
    known: &Places,
) -> Places {
    let mut places = Places::new();
    for step in steps {
        places.insert(step.collection.key.clone(), place(&step.collection));
        for pointer in step.guards.iter().chain(&step.blockers) {
            let guess = || {
                (
                    step.collection.schema.clone(),
                    pointer.from.collection().to_owned(),
                )
            };
            places
                .entry(pointer.from.clone())
                .or_insert_with(|| known.get(&pointer.from).cloned().unwrap_or_else(guess));
        }
    }
    places
}

/// Carries an erasure out.
pub(crate) struct Eraser<'a, S> {
    pub(crate) session: &'a mut S,
    pub(crate) tables: &'a Tables,
    pub(crate) erasure: &'a Erasure,
    pub(crate) dialect: Dialect,
    pub(crate) done: Vec<(CollectionKey, Erased)>,
    waiting: Vec<(Part, Change)>,
}

impl<'a, S: Session> Eraser<'a, S> {
    pub(crate) fn new(
        session: &'a mut S,
        tables: &'a Tables,
        erasure: &'a Erasure,
        dialect: Dialect,
    ) -> Self {
        let steps = erasure.groups.iter().flatten();
        let done = steps
            .map(|step| (step.collection.key.clone(), Erased::default()))
            .collect();
        Self {
            session,
            tables,
            erasure,
            dialect,
            done,
            waiting: Vec::new(),
        }
    }

    /// Everything in one transaction when the rows are few, else in pieces.
    pub(crate) async fn erase(mut self) -> Result<Vec<(CollectionKey, Erased)>, ConnectorError> {
        if usize::try_from(self.erasure.rows).is_ok_and(|rows| rows <= PIECE) {
            self.at_once().await?
        } else {
            self.in_pieces().await?
        }
        Ok(self.done)
    }

    async fn at_once(&mut self) -> Result<(), ConnectorError> {
        let erasure = self.erasure;
        self.session.begin().await?;
        for group in &erasure.groups {
            if is_circle(group) {
                self.flush().await?;
                self.circle(group).await?;
            } else {
                group.iter().try_for_each(|step| self.enqueue(step))?;
            }
        }
        self.flush().await?;
        self.session.commit().await
    }

    fn enqueue(&mut self, step: &EraseStep) -> Result<(), ConnectorError> {
        let none = Doomed::new();
        for part in parts(step) {
            for ways in self.chunks(step) {
                if let Some(statement) = self.scope(step, &ways, &none).change(part, None)? {
                    self.waiting.push((
                        part,
                        Change {
                            collection: step.collection.key.clone(),
                            statement,
                        },
                    ));
                }
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        let (parts, changes): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().unzip();
        if changes.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = changes
            .iter()
            .map(|change| change.collection.clone())
            .collect();
        let counts = self.session.run(changes).await?;
        for ((part, key), rows) in parts.into_iter().zip(keys).zip(counts) {
            self.count(&key, part, rows);
        }
        Ok(())
    }

    fn count(&mut self, key: &CollectionKey, part: Part, rows: u64) {
        let Some((_, erased)) = self.done.iter_mut().find(|(known, _)| known == key) else {
            return;
        };
        match part {
            Part::Retained | Part::Redacted => erased.redacted += rows,
            Part::Deleted | Part::Candidates | Part::Leaves => erased.deleted += rows,
        }
    }

    /// How many values one statement takes: MySQL knows 65,535 parameters, and a value takes up to three a field.
    fn chunks(&self, step: &EraseStep) -> Vec<Vec<domain::plan::WaySearch>> {
        chunks(&step.ways, values_at_once(self.dialect, &step.ways))
    }

    fn scope<'s>(
        &'s self,
        step: &'s EraseStep,
        ways: &'s [domain::plan::WaySearch],
        doomed: &'s Doomed,
    ) -> Scope<'s> {
        Scope {
            tables: self.tables,
            step,
            ways,
            hash_key: self.erasure.hash_key.expose(),
            doomed,
        }
    }

    async fn in_pieces(&mut self) -> Result<(), ConnectorError> {
        let erasure = self.erasure;
        for group in &erasure.groups {
            if is_circle(group) {
                self.leaves(group).await?;
                self.session.begin().await?;
                self.circle(group).await?;
                self.session.commit().await?;
                continue;
            }
            for step in group {
                for part in parts(step) {
                    self.step_in_pieces(step, part).await?;
                }
            }
        }
        Ok(())
    }

    async fn step_in_pieces(&mut self, step: &EraseStep, part: Part) -> Result<(), ConnectorError> {
        let none = Doomed::new();
        for ways in self.chunks(step) {
            for _ in 0..self.most_pieces() {
                let Some(statement) = self.scope(step, &ways, &none).change(part, Some(PIECE))?
                else {
                    break;
                };
                self.session.begin().await?;
                let change = Change {
                    collection: step.collection.key.clone(),
                    statement,
                };
                let rows = self.session.run(vec![change]).await?.into_iter().sum();
                self.session.commit().await?;
                self.count(&step.collection.key, part, rows);
                if rows == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Rows that something sets back while they are overwritten must not keep us for ever; the re-read reports them.
    fn most_pieces(&self) -> u64 {
        4 * (self.erasure.rows / PIECE as u64 + 4)
    }

    /// Takes from a circle, piece by piece, the rows that nothing in it points at, so that only its core is left.
    async fn leaves(&mut self, group: &[EraseStep]) -> Result<(), ConnectorError> {
        let steps: Vec<EraseStep> = group
            .iter()
            .filter(|step| step.delete)
            .map(|step| leaf_step(step, group))
            .collect();
        for _ in 0..self.most_pieces() {
            let mut gone = 0;
            for step in &steps {
                for ways in self.chunks(step) {
                    gone += self.leaf_piece(step, &ways).await?;
                }
            }
            if gone == 0 {
                break;
            }
        }
        Ok(())
    }

    async fn leaf_piece(
        &mut self,
        step: &EraseStep,
        ways: &[domain::plan::WaySearch],
    ) -> Result<u64, ConnectorError> {
        let none = Doomed::new();
        let key = step.collection.key.clone();
        let Some(statement) = self
            .scope(step, ways, &none)
            .row_ids(Part::Leaves, Some(PIECE))?
        else {
            return Ok(0);
        };
        self.session.begin().await?;
        let rows = self
            .session
            .row_ids(Change {
                collection: key.clone(),
                statement,
            })
            .await?;
        let mut gone = 0;
        if !rows.is_empty() {
            let statement = self
                .scope(step, ways, &none)
                .change_rows(Part::Leaves, &rows)?;
            gone = self
                .session
                .run(vec![Change {
                    collection: key.clone(),
                    statement,
                }])
                .await?
                .into_iter()
                .sum();
        }
        self.session.commit().await?;
        self.count(&key, Part::Leaves, gone);
        Ok(gone)
    }

    /// Erases collections whose rows point at each other. Which rows go is the largest set in which nothing that stays
    /// points at anything that goes.
    async fn circle(&mut self, group: &[EraseStep]) -> Result<(), ConnectorError> {
        self.turn(group).await?;
        // Rows that were overwritten have let go of their details, which can go now.
        let mut deleted = u64::from(group.iter().any(lets_go));
        while deleted > 0 {
            deleted = self.turn(group).await?;
        }
        Ok(())
    }

    /// Overwrites and deletes what it can as things stand; answers how many rows were deleted.
    async fn turn(&mut self, group: &[EraseStep]) -> Result<u64, ConnectorError> {
        let candidates = self.candidates(group).await?;
        let doomed = self.doomed(group, candidates.clone()).await?;
        for step in group {
            let stay = without(
                candidates.get(&step.collection.key),
                doomed.get(&step.collection.key),
            );
            self.redact_in_circle(step, &doomed, &stay).await?;
        }
        let going: Doomed = doomed
            .into_iter()
            .filter(|(_, rows)| !rows.is_empty())
            .collect();
        if going.is_empty() {
            return Ok(0);
        }
        let counts = self.session.delete_together(&going).await?;
        for (key, rows) in going.keys().zip(&counts) {
            self.count(key, Part::Deleted, *rows);
        }
        Ok(counts.iter().sum())
    }

    async fn candidates(&mut self, group: &[EraseStep]) -> Result<Doomed, ConnectorError> {
        let none = Doomed::new();
        let mut candidates = Doomed::new();
        for step in group.iter().filter(|step| step.delete) {
            let rows = self.named(step, Part::Candidates, &none).await?;
            candidates.insert(step.collection.key.clone(), rows);
        }
        Ok(candidates)
    }

    async fn named(
        &mut self,
        step: &EraseStep,
        part: Part,
        doomed: &Doomed,
    ) -> Result<RowIds, ConnectorError> {
        let mut rows = RowIds::new();
        let mut seen = BTreeSet::new();
        for ways in self.chunks(step) {
            let Some(statement) = self.scope(step, &ways, doomed).row_ids(part, None)? else {
                continue;
            };
            let found = self
                .session
                .row_ids(Change {
                    collection: step.collection.key.clone(),
                    statement,
                })
                .await?;
            rows.extend(
                found
                    .into_iter()
                    .filter(|row| seen.insert(fingerprint(row))),
            );
        }
        Ok(rows)
    }

    async fn doomed(
        &mut self,
        group: &[EraseStep],
        mut doomed: Doomed,
    ) -> Result<Doomed, ConnectorError> {
        loop {
            let mut changed = false;
            for step in group
                .iter()
                .filter(|step| step.delete && !(step.guards.is_empty() && step.blockers.is_empty()))
            {
                let key = &step.collection.key;
                let Some(rows) = doomed.get(key).filter(|rows| !rows.is_empty()) else {
                    continue;
                };
                let before = rows.len();
                let statement = self.scope(step, &step.ways, &doomed).unpointed(rows)?;
                let rows = self
                    .session
                    .row_ids(Change {
                        collection: key.clone(),
                        statement,
                    })
                    .await?;
                changed |= rows.len() != before;
                doomed.insert(key.clone(), rows);
            }
            if !changed {
                return Ok(doomed);
            }
        }
    }

    async fn redact_in_circle(
        &mut self,
        step: &EraseStep,
        doomed: &Doomed,
        stay: &RowIds,
    ) -> Result<(), ConnectorError> {
        for part in parts(step)
            .into_iter()
            .filter(|part| *part != Part::Deleted)
        {
            if part == Part::Redacted && step.delete && stay.is_empty() {
                continue;
            }
            let rows = self.named(step, part, doomed).await?;
            if rows.is_empty() {
                continue;
            }
            let statement = self
                .scope(step, &step.ways, doomed)
                .change_rows(part, &rows)?;
            let counts = self
                .session
                .run(vec![Change {
                    collection: step.collection.key.clone(),
                    statement,
                }])
                .await?;
            self.count(&step.collection.key, part, counts.into_iter().sum());
        }
        Ok(())
    }
}

/// How many values one statement takes.
pub(crate) fn values_at_once(dialect: Dialect, ways: &[domain::plan::WaySearch]) -> usize {
    let fields = ways
        .iter()
        .map(|way| way.way.fields.len())
        .max()
        .unwrap_or(1)
        .max(1);
    match dialect {
        Dialect::Mysql => (4_096 / fields).max(1),
        Dialect::Postgres | Dialect::Sqlite => 200_000,
    }
}

/// Whether steps must go as one: several collections, or rows that point at rows of the same collection.
fn is_circle(group: &[EraseStep]) -> bool {
    let points_at_itself = |step: &EraseStep| {
        let key = &step.collection.key;
        step.collection
            .references
            .iter()
            .any(|reference| reference.to == *key)
            || step
                .guards
                .iter()
                .chain(&step.blockers)
                .any(|pointer| pointer.from == *key)
    };
    group.len() > 1 || group.iter().any(points_at_itself)
}

/// Whether overwriting a row empties a field by which it points at something.
fn lets_go(step: &EraseStep) -> bool {
    let emptied = step
        .redactions
        .iter()
        .filter(|(_, redaction)| *redaction == Redaction::Null);
    let mut references = step.collection.references.iter();
    let emptied: Vec<_> = emptied.map(|(field, _)| field).collect();
    references.any(|reference| emptied.iter().any(|field| reference.fields.contains(field)))
}

/// The step with every pointer from within its circle as a blocker.
fn leaf_step(step: &EraseStep, group: &[EraseStep]) -> EraseStep {
    let mut leaf = step.clone();
    for other in group {
        for reference in other
            .collection
            .references
            .iter()
            .filter(|reference| reference.to == step.collection.key)
        {
            let pairs = reference
                .fields
                .iter()
                .cloned()
                .zip(reference.to_fields.iter().cloned())
                .collect();
            leaf.blockers.push(domain::data_map::graph::Pointer {
                from: other.collection.key.clone(),
                pairs,
            });
        }
    }
    leaf
}

fn without(rows: Option<&RowIds>, gone: Option<&RowIds>) -> RowIds {
    let gone: BTreeSet<_> = gone
        .into_iter()
        .flatten()
        .map(|row| fingerprint(row))
        .collect();
    rows.into_iter()
        .flatten()
        .filter(|row| !gone.contains(&fingerprint(row)))
        .cloned()
        .collect()
}

fn fingerprint(row: &[super::Parameter]) -> Vec<(u8, Vec<u8>)> {
    use super::Parameter;
    let print = |id: &Parameter| match id {
        Parameter::Text(text) => (0, text.as_bytes().to_vec()),
        Parameter::Bytes(bytes) => (1, bytes.clone()),
        Parameter::Integer(number) => (2, number.to_be_bytes().to_vec()),
        Parameter::Unsigned(number) => (3, number.to_be_bytes().to_vec()),
        Parameter::Float(number) => (4, number.to_be_bytes().to_vec()),
        Parameter::Texts(_) | Parameter::Blobs(_) => (5, Vec::new()),
    };
    row.iter().map(print).collect()
}
