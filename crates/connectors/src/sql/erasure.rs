//! The order of an erasure: children first, circles as one, in one transaction or in bounded pieces.

use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::data_map::graph::Pointer;
use domain::data_map::{CollectionKey, FieldName};
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
        for part in parts(step) {
            for ways in self.chunks(step) {
                if let Some(statement) = self.scope(step, &ways).change(part, None)? {
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
            Part::Retained | Part::Ruled | Part::Redacted => erased.redacted += rows,
            Part::Deleted | Part::Candidates | Part::Leaves => erased.deleted += rows,
        }
    }

    /// How many values one statement takes: MySQL knows 65,535 parameters, and a value takes up to three a field.
    fn chunks(&self, step: &EraseStep) -> Vec<Vec<domain::plan::WaySearch>> {
        chunks(&step.ways, values_at_once(self.dialect, &step.ways))
    }

    fn scope<'s>(&'s self, step: &'s EraseStep, ways: &'s [domain::plan::WaySearch]) -> Scope<'s> {
        Scope {
            tables: self.tables,
            step,
            ways,
            hash_key: self.erasure.hash_key.expose(),
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
        for ways in self.chunks(step) {
            for _ in 0..self.most_pieces() {
                let Some(statement) = self.scope(step, &ways).change(part, Some(PIECE))? else {
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
        let key = step.collection.key.clone();
        let Some(statement) = self.scope(step, ways).row_ids(Part::Leaves, Some(PIECE))? else {
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
            let statement = self.scope(step, ways).change_rows(Part::Leaves, &rows)?;
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
    /// points at anything that goes, once what stays has been overwritten.
    async fn circle(&mut self, group: &[EraseStep]) -> Result<(), ConnectorError> {
        let settled = self.settle(group).await?;
        for step in group {
            let key = &step.collection.key;
            self.overwrite(step, Part::Retained, settled.ruled.get(key))
                .await?;
            let stay = without(settled.ours.get(key), settled.going.get(key));
            self.overwrite(step, Part::Redacted, Some(&stay)).await?;
        }
        let mut going = settled.going;
        going.retain(|_, rows| !rows.is_empty());
        if going.is_empty() {
            return Ok(());
        }
        let counts = self.session.delete_together(&going).await?;
        for (key, rows) in going.keys().zip(counts) {
            self.count(key, Part::Deleted, rows);
        }
        Ok(())
    }

    async fn overwrite(
        &mut self,
        step: &EraseStep,
        part: Part,
        rows: Option<&RowIds>,
    ) -> Result<(), ConnectorError> {
        let redactions = match part {
            Part::Retained => &step.retained_redactions,
            _ => &step.redactions,
        };
        let Some(rows) = rows.filter(|rows| !rows.is_empty() && !redactions.is_empty()) else {
            return Ok(());
        };
        let statement = self.scope(step, &step.ways).change_rows(part, rows)?;
        let change = Change {
            collection: step.collection.key.clone(),
            statement,
        };
        let counts = self.session.run(vec![change]).await?;
        self.count(&step.collection.key, part, counts.into_iter().sum());
        Ok(())
    }

    /// Tells what becomes of a circle's rows before any of them is touched: overwriting a row may take away the very fields
    /// by which it, or another, is found.
    async fn settle(&mut self, group: &[EraseStep]) -> Result<Settled, ConnectorError> {
        let mut settled = Settled::default();
        for step in group {
            let key = &step.collection.key;
            let ours = self.named(step, Part::Candidates).await?;
            if step.delete {
                settled.going.insert(key.clone(), ours.clone());
            }
            settled.ours.insert(key.clone(), ours);
            if step.retained.is_some() && !step.retained_redactions.is_empty() {
                let ruled = self.named(step, Part::Ruled).await?;
                settled.ruled.insert(key.clone(), ruled);
            }
        }
        loop {
            let before = settled.size();
            for step in group {
                self.settle_step(group, step, &mut settled).await?;
            }
            if settled.size() == before {
                return Ok(settled);
            }
        }
    }

    /// Takes out what others' rows share, and from what goes what something that stays points at.
    async fn settle_step(
        &mut self,
        group: &[EraseStep],
        step: &EraseStep,
        settled: &mut Settled,
    ) -> Result<(), ConnectorError> {
        let key = &step.collection.key;
        let of = |rows: &Doomed| rows.get(key).cloned().unwrap_or_default();
        let ruled = self
            .unpointed(group, step, &step.guards, of(&settled.ruled), settled)
            .await?;
        let ours = self
            .unpointed(group, step, &step.guards, of(&settled.ours), settled)
            .await?;
        let pointers = [step.guards.as_slice(), &step.blockers].concat();
        let going = self
            .unpointed(group, step, &pointers, of(&settled.going), settled)
            .await?;
        settled.ruled.insert(key.clone(), ruled);
        settled.ours.insert(key.clone(), ours);
        settled.going.insert(key.clone(), going);
        Ok(())
    }

    /// Those of the rows at which nothing points that stays and goes on pointing.
    async fn unpointed(
        &mut self,
        group: &[EraseStep],
        step: &EraseStep,
        pointers: &[Pointer],
        rows: RowIds,
        settled: &Settled,
    ) -> Result<RowIds, ConnectorError> {
        if rows.is_empty() || pointers.is_empty() {
            return Ok(rows);
        }
        let ours_and_ruled = settled.ours_and_ruled();
        let when = |wanted: LetsGo| {
            let chosen = pointers
                .iter()
                .filter(|pointer| lets_go(group, pointer) == wanted);
            chosen.cloned().collect::<Vec<_>>()
        };
        let statement = self.scope(step, &step.ways).unpointed(
            &rows,
            &[
                (when(LetsGo::Never), &settled.going),
                (when(LetsGo::Redacted), &settled.ours),
                (when(LetsGo::Always), &ours_and_ruled),
            ],
        )?;
        let change = Change {
            collection: step.collection.key.clone(),
            statement,
        };
        self.session.row_ids(change).await
    }

    async fn named(&mut self, step: &EraseStep, part: Part) -> Result<RowIds, ConnectorError> {
        let mut rows = RowIds::new();
        let mut seen = BTreeSet::new();
        for ways in self.chunks(step) {
            let Some(statement) = self.scope(step, &ways).row_ids(part, None)? else {
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
}

/// What becomes of a circle's rows.
#[derive(Default)]
struct Settled {
    /// Rows that go, or stay and are overwritten.
    ours: Doomed,
    /// Those of them that go.
    going: Doomed,
    /// Rows that a rule keeps, of which what the data map demands is overwritten.
    ruled: Doomed,
}

impl Settled {
    /// Rows only ever leave, so that an equal number means that nothing changed.
    fn size(&self) -> usize {
        let all = [&self.ours, &self.going, &self.ruled];
        all.iter()
            .flat_map(|rows| rows.values().map(Vec::len))
            .sum()
    }

    fn ours_and_ruled(&self) -> Doomed {
        let mut both = self.ours.clone();
        for (key, rows) in &self.ruled {
            both.entry(key.clone()).or_default().extend(rows.clone());
        }
        both
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

/// When a row of a circle no longer points.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LetsGo {
    /// Only when it goes itself.
    Never,
    /// Also when it is overwritten.
    Redacted,
    /// Even when a rule keeps it, since the data map demands that the field is overwritten.
    Always,
}

fn lets_go(group: &[EraseStep], pointer: &Pointer) -> LetsGo {
    let Some(from) = group
        .iter()
        .find(|step| step.collection.key == pointer.from)
    else {
        return LetsGo::Never;
    };
    let overwrites = |redactions: &[(FieldName, Redaction)]| {
        let mut fields = redactions.iter().map(|(field, _)| field);
        fields.any(|field| pointer.pairs.iter().any(|(there, _)| there == field))
    };
    match (
        overwrites(&from.redactions),
        overwrites(&from.retained_redactions),
    ) {
        (_, true) => LetsGo::Always,
        (true, false) => LetsGo::Redacted,
        (false, false) => LetsGo::Never,
    }
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
            leaf.blockers.push(Pointer {
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
