//! One round of filling views. What somebody may see no more is taken away first; what somebody may see in addition is decided, recorded and entered in
//! the ledger by [`disclose`], and only then shown; at the end the views are told that they are fresh.
//!
//! A round is bounded: a new version of the policies that shows a million people to somebody new must not hold up a withdrawal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connectors::ConnectorError;
use connectors::postgres::views::{
    Form, GENERALISE, KEEP, KeptRow, MASK, NULL, Released, SubjectRow, TOKEN, Vector, Views,
    ViewsRound,
};
use domain::audit::Hash;
use domain::id::SubjectId;
use domain::identity::IdentifierTag;
use domain::policy::{Release, SubjectFacts};
use domain::profile::{AttributeKey, AttributeNumber, Schema, SourceNumber};
use domain::sensitive::Sensitive;
use enforcement::json_filter::{Change, Effect};
use jiff::{SignedDuration, Timestamp};
use storage::{source_record, subject_facts};

use super::super::ground::{OTHER_GROUND, is_own};
use super::super::{InForce, facts_in, refresh_facts};
use super::{Planned, problem};
use crate::disclosure::{Caller, Door, Foreseeing, MOST_SUBJECTS, SubjectAsked, disclose};
use crate::profile::key_tags;
use crate::work::later;
use crate::{Privity, Problem};

/// Rows whose facts are read at once.
const AT_ONCE: u32 = 500;
/// Rows of each table in a round that are looked at for another reason than that something changed.
const IN_A_ROUND: u32 = 2_000;
/// Changes are read again for so long, since other nodes' clocks differ, and what they write commits later than they say.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// How often tables are searched for rows of whom nobody knows whose they are.
const SEARCH: SignedDuration = SignedDuration::from_secs(15);
/// How often every row is looked at, whether anything is known to have changed or not.
const REVIEW: SignedDuration = SignedDuration::from_hours(1);

/// What came of filling views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilledViews {
    /// Rows that were looked at.
    pub looked_at: u64,
    /// Disclosures that were recorded: one for each subject, recipient and purpose that sees more than before.
    pub disclosed: u64,
    /// Rows of whom nobody knows whose they are; they are shown to nobody.
    pub unknown: u64,
}

impl FilledViews {
    pub(super) const fn add(&mut self, other: &Self) {
        self.looked_at += other.looked_at;
        self.disclosed += other.disclosed;
        self.unknown += other.unknown;
    }
}

/// How far a walk over a table's rows is.
#[derive(Default)]
enum Walk {
    #[default]
    Ended,
    After(Option<Sensitive<String>>),
}

/// Where the next round goes on.
pub(super) struct Place {
    searched: Timestamp,
    reviewed: Timestamp,
    /// For each table.
    search: Vec<Walk>,
    review: Vec<Walk>,
    wants_search: bool,
    wants_review: bool,
    sweep: Vec<Walk>,
    /// Cells may have keys of rows that they see nothing of any more.
    wants_sweep: bool,
    /// Rows wait that may be shown more of.
    is_behind: bool,
}

impl Place {
    /// Rows are searched for at once.
    pub(super) const fn start() -> Self {
        Self {
            searched: Timestamp::MIN,
            reviewed: Timestamp::MIN,
            search: Vec::new(),
            review: Vec::new(),
            wants_search: false,
            wants_review: false,
            sweep: Vec::new(),
            wants_sweep: false,
            is_behind: true,
        }
    }

    /// Everything is looked at once.
    pub(super) fn whole() -> Self {
        Self {
            wants_search: true,
            wants_review: true,
            ..Self::start()
        }
    }

    pub(super) fn look_again(&mut self, now: Timestamp) {
        if later(self.searched, SEARCH) <= now && is_ended(&self.search) {
            (self.searched, self.wants_search) = (now, true);
        }
        if later(self.reviewed, REVIEW) <= now && is_ended(&self.review) {
            (self.reviewed, self.wants_review) = (now, true);
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        !self.wants_search
            && !self.wants_review
            && !self.wants_sweep
            && !self.is_behind
            && is_ended(&self.search)
            && is_ended(&self.review)
            && is_ended(&self.sweep)
    }

    fn begin(&mut self, tables: usize) {
        if std::mem::take(&mut self.wants_search) {
            self.search = start(tables);
        }
        if std::mem::take(&mut self.wants_review) {
            self.review = start(tables);
        }
        self.is_behind = false;
    }
}

fn start(tables: usize) -> Vec<Walk> {
    (0..tables).map(|_| Walk::After(None)).collect()
}

fn is_ended(walks: &[Walk]) -> bool {
    walks.iter().all(|walk| matches!(walk, Walk::Ended))
}

/// Fills what is due; `None` when somebody else does so now.
pub(super) async fn round(
    p: &Privity,
    planned: Planned,
    place: &mut Place,
) -> Result<Option<FilledViews>, Problem> {
    let begun = planned.postgres()?.begin_views(&planned.views).await;
    let Some(round) = begun.map_err(|error| problem(&error))? else {
        return Ok(None);
    };
    let state = round.state().await.map_err(|error| problem(&error))?;
    let Some(state) = state.filter(|state| state.mapping == planned.views.mapping) else {
        round.end().await.map_err(|error| problem(&error))?;
        return Err(Problem::conflict(
            "the views were never written, or for another data map or schema of attributes; run `privity policy postgres apply`",
        ));
    };
    let mut filling = Filling::new(p, planned, round, &state.written).await?;
    // Read before anything else: what is saved from here on is read again by the next round.
    let read_to = p.now();
    refresh_facts(p).await?;
    if !is_own(p).await? {
        // Who withdrew is found by facts that are kept: without them the views must not be told that they are fresh.
        filling.round.end().await.map_err(|error| problem(&error))?;
        return Err(Problem::conflict(OTHER_GROUND));
    }
    if state.policies != filling.policies {
        filling.decide_anew().await?;
        place.wants_sweep = true;
    }
    place.begin(filling.views.collections.len());
    filling.changes(state.read_to).await?;
    let fresh = filling.round.tell_fresh(read_to.as_microsecond()).await;
    fresh.map_err(|error| problem(&error))?;
    filling.catch_up(place).await?;
    filling.walk(place).await?;
    filling.sweep(place).await?;
    let filled = filling.filled;
    filling.round.end().await.map_err(|error| problem(&error))?;
    Ok(Some(filled))
}

/// What is decided for a cell, for each of the cells by its schema.
type Forms = BTreeMap<String, Vec<Form>>;

struct Filling {
    p: Privity,
    /// When the round began, by our clock; a little later than by the business's, so that nothing holds for too long.
    began: Timestamp,
    round: ViewsRound,
    views: Arc<Views>,
    sources: Vec<SourceNumber>,
    schema: Arc<Schema>,
    in_force: Arc<InForce>,
    attributes: Vec<AttributeKey>,
    /// Hash of the policies in force.
    policies: String,
    cells: Vec<Foreseen>,
    vectors: BTreeMap<i32, Vector>,
    /// The vectors that were decided by the policies in force, by the hash of the facts.
    current: BTreeMap<Vec<u8>, i32>,
    released: BTreeMap<i32, Forms>,
    filled: FilledViews,
}

/// A cell, and what decides for it.
struct Foreseen {
    schema: String,
    caller: Caller,
    foreseeing: Foreseeing,
}

/// What is known of whoever a row is about.
struct Known {
    record: SubjectId,
    canonical: SubjectId,
    facts: SubjectFacts,
}

impl Filling {
    async fn new(
        p: &Privity,
        planned: Planned,
        round: ViewsRound,
        written: &BTreeSet<String>,
    ) -> Result<Self, Problem> {
        let schema = p.needed_schema()?;
        // Nothing is disclosed to views that aren't there.
        let cells = planned.views.cells.iter();
        let cells = cells.filter(|cell| written.contains(&cell.schema));
        let cells = cells.map(|cell| {
            let caller = Caller {
                asked_by: None,
                recipient: cell.recipient.clone(),
                purpose: cell.purpose.clone(),
                door: Door::Postgres,
                proven_by: None,
            };
            Ok(Foreseen {
                schema: cell.schema.clone(),
                foreseeing: Foreseeing::new(p, &caller, &planned.attributes)?,
                caller,
            })
        });
        let cells = cells.collect::<Result<_, Problem>>()?;
        let vectors = round.vectors().await.map_err(|error| problem(&error))?;
        let mut released: BTreeMap<i32, Forms> = BTreeMap::new();
        for one in round.released().await.map_err(|error| problem(&error))? {
            released
                .entry(one.vector)
                .or_default()
                .insert(one.cell, one.forms);
        }
        let mut filling = Self {
            began: p.now(),
            p: p.clone(),
            round,
            views: planned.views,
            sources: planned.sources,
            schema,
            policies: planned.in_force.table.hash().to_string(),
            in_force: planned.in_force,
            attributes: planned.attributes,
            cells,
            vectors: vectors.into_iter().map(|one| (one.id, one)).collect(),
            current: BTreeMap::new(),
            released,
            filled: FilledViews::default(),
        };
        filling.index();
        Ok(filling)
    }

    fn index(&mut self) {
        let current = self
            .vectors
            .values()
            .filter(|one| one.policies == self.policies);
        self.current = current.map(|one| (one.facts.clone(), one.id)).collect();
    }

    /// What everybody with these facts gets, in each cell; cells without anything are left out.
    fn forms(&self, facts: &SubjectFacts) -> Forms {
        let cells = self.cells.iter();
        let forms = cells.map(|cell| {
            let effects = cell.foreseeing.effects(&self.p, facts);
            (cell.schema.clone(), as_forms(effects.into_iter()))
        });
        forms.filter(|(_, forms)| !forms.is_empty()).collect()
    }

    /// Other policies decide than those by which the views were filled. Whatever they release less of is taken away at once, for everybody; where they
    /// release more, rows are moved to new vectors one by one, each after its disclosure was recorded.
    async fn decide_anew(&mut self) -> Result<(), Problem> {
        let counts = self
            .p
            .read("list facts for views", |tx| Ok(subject_facts::counts(tx)?));
        let counts = counts.await?.into_iter();
        let known: BTreeMap<Vec<u8>, Vec<u8>> = counts
            .map(|(packed, _)| (Hash::of(&packed).0.to_vec(), packed))
            .collect();
        let mut named = BTreeSet::new();
        let mut vectors = std::mem::take(&mut self.vectors);
        for vector in vectors.values_mut() {
            let facts = known.get(&vector.facts);
            let facts = facts.and_then(|packed| SubjectFacts::unpack(packed, 0, None).ok());
            let new = facts.map(|facts| self.forms(&facts));
            let old = self.released.remove(&vector.id).unwrap_or_default();
            let left = new.as_ref().map_or_else(Forms::new, |new| meet(&old, new));
            // A row keeps the key that it was shown with until it is written anew.
            let keeps_keys = self.keeps_keys(&old, &left);
            let is_same = keeps_keys && new.is_some_and(|new| new == left);
            // Of several vectors with the same facts one is enough.
            vector.policies = if is_same && named.insert(vector.facts.clone()) {
                self.policies.clone()
            } else {
                format!("lowered {}", vector.id)
            };
            self.released.insert(vector.id, left);
        }
        self.vectors = vectors;
        self.index();
        let vectors: Vec<Vector> = self.vectors.values().cloned().collect();
        let released: Vec<Released> = self.released.iter().flat_map(rows).collect();
        let replaced = self
            .round
            .replace_vectors(&vectors, &released, &self.policies)
            .await;
        replaced.map_err(|error| problem(&error))
    }

    /// Whether every cell that still sees something sees each table's key wherever it saw it before.
    fn keeps_keys(&self, old: &Forms, left: &Forms) -> bool {
        let keys = self.views.collections.iter();
        let keys: Vec<usize> = keys
            .filter_map(|viewed| Some(usize::from(viewed.record_column()?.attribute.0)))
            .collect();
        left.iter().all(|(cell, left)| {
            let is_kept = |forms: &[Form], at: usize| forms.get(at) == Some(&KEEP);
            let old = old.get(cell).map_or(&[][..], Vec::as_slice);
            keys.iter()
                .all(|at| is_kept(left, *at) || !is_kept(old, *at))
        })
    }

    /// Whoever may have other facts than when the last round began.
    async fn changes(&mut self, read_to: Option<i64>) -> Result<(), Problem> {
        let since = read_to.and_then(|at| Timestamp::from_microsecond(at).ok());
        let Some(since) = since else {
            return Ok(());
        };
        let since = since.checked_sub(AGAIN).unwrap_or(Timestamp::MIN);
        let changed = self.p.read_few("find changed facts", move |tx| {
            Ok(subject_facts::changed_since(tx, since)?)
        });
        let changed: Vec<_> = changed.await?.iter().map(|id| id.uuid()).collect();
        for at in 0..self.views.collections.len() {
            for some in changed.chunks(AT_ONCE as usize) {
                let keys = self.round.keys_of_subjects(at, some).await;
                let keys = keys.map_err(|error| problem(&error))?;
                for some in keys.chunks(AT_ONCE as usize) {
                    self.look_at(at, some).await?;
                }
            }
        }
        Ok(())
    }

    /// Rows whose vectors were decided by other policies.
    async fn catch_up(&mut self, place: &mut Place) -> Result<(), Problem> {
        let current: BTreeSet<i32> = self.current.values().copied().collect();
        let lowered = self.vectors.keys().filter(|id| !current.contains(id));
        let lowered: Vec<i32> = lowered.copied().collect();
        if lowered.is_empty() {
            return Ok(());
        }
        for at in 0..self.views.collections.len() {
            let keys = self.round.keys_of_vectors(at, &lowered, IN_A_ROUND).await;
            let keys = keys.map_err(|error| problem(&error))?;
            place.is_behind |= !keys.is_empty();
            for some in keys.chunks(AT_ONCE as usize) {
                self.look_at(at, some).await?;
            }
        }
        if !place.is_behind {
            self.tidy().await?;
        }
        Ok(())
    }

    /// Rows of whom nobody knew whose they are, and once in a while all of them.
    async fn walk(&mut self, place: &mut Place) -> Result<(), Problem> {
        let was_searching = !is_ended(&place.search);
        for (at, walk) in place.search.iter_mut().enumerate() {
            let Walk::After(after) = walk else { continue };
            let keys = self
                .round
                .unknown_keys(at, after.as_ref(), IN_A_ROUND)
                .await;
            let keys = keys.map_err(|error| problem(&error))?;
            *walk = self.step(at, keys).await?;
        }
        let was_reviewing = !is_ended(&place.review);
        for (at, walk) in place.review.iter_mut().enumerate() {
            let Walk::After(after) = walk else { continue };
            let keys = self.round.known_keys(at, after.as_ref(), IN_A_ROUND).await;
            let keys = keys.map_err(|error| problem(&error))?;
            *walk = self.step(at, keys).await?;
        }
        if was_searching && is_ended(&place.search) {
            self.tidy().await?;
        }
        place.wants_sweep |= was_reviewing && is_ended(&place.review);
        Ok(())
    }

    /// Takes away what is left of keys where nothing is seen any more; when all rows have their new vectors.
    async fn sweep(&self, place: &mut Place) -> Result<(), Problem> {
        if place.wants_sweep && !place.is_behind {
            place.wants_sweep = false;
            place.sweep = start(self.views.collections.len());
        }
        for (at, walk) in place.sweep.iter_mut().enumerate() {
            let Walk::After(after) = walk else { continue };
            let last = self.round.sweep(at, after.as_ref(), IN_A_ROUND).await;
            let last = last.map_err(|error| problem(&error))?;
            *walk = last.map_or(Walk::Ended, |last| Walk::After(Some(last)));
        }
        Ok(())
    }

    async fn step(&mut self, at: usize, keys: Vec<Sensitive<String>>) -> Result<Walk, Problem> {
        for some in keys.chunks(AT_ONCE as usize) {
            self.look_at(at, some).await?;
        }
        let is_end = (keys.len() as u64) < u64::from(IN_A_ROUND);
        let last = keys.into_iter().next_back();
        Ok(match last {
            Some(last) if !is_end => Walk::After(Some(last)),
            _ => Walk::Ended,
        })
    }

    async fn tidy(&self) -> Result<(), Problem> {
        self.round.tidy().await.map_err(|error| problem(&error))
    }

    /// Shows of some rows what may be shown now.
    async fn look_at(&mut self, at: usize, keys: &[Sensitive<String>]) -> Result<(), Problem> {
        self.filled.looked_at += keys.len() as u64;
        let known = self.known(at, keys).await?;
        let kept = self.round.kept_of(at, keys).await;
        let kept = kept.map_err(|error| problem(&error))?;
        let kept: BTreeMap<&str, &KeptRow> =
            kept.iter().map(|one| (plain(&one.key), one)).collect();
        let mut changes = Changes::default();
        for (key, known) in keys.iter().zip(known) {
            let old = kept.get(plain(key)).copied();
            let Some(known) = known else {
                self.filled.unknown += 1;
                changes.gone.extend(old.map(|_| key.clone()));
                continue;
            };
            let vector = self.vector_for(&known.facts, &mut changes);
            // What was shown of somebody else whose row it was is nothing that was recorded of her.
            let hers = old.filter(|old| old.subject == known.canonical.uuid());
            let shown = hers
                .and_then(|old| self.released.get(&old.vector))
                .cloned()
                .unwrap_or_default();
            let new = self.released.get(&vector).cloned().unwrap_or_default();
            let grows = cells_that_grow(&shown, &new);
            let row = SubjectRow {
                key: key.clone(),
                subject: known.canonical.uuid(),
                vector,
                remaining: self.remaining(&known.facts),
            };
            if grows.is_empty() {
                changes.save.push(row);
                continue;
            }
            let is_anothers = old.is_some() && hers.is_none();
            if is_anothers || !cells_that_grow(&new, &shown).is_empty() {
                changes.gone.push(key.clone());
            }
            changes.more.push((row, known.record, grows));
        }
        self.write(at, changes).await
    }

    /// What holds longer than the facts do must not be shown; the length counts from the beginning of the round by the database's own clock.
    fn remaining(&self, facts: &SubjectFacts) -> Option<i64> {
        let until = facts.changes_at()?;
        Some(until.as_microsecond() - self.began.as_microsecond())
    }

    async fn write(&mut self, at: usize, changes: Changes) -> Result<(), Problem> {
        let failed = |error: ConnectorError| problem(&error);
        self.round.remove(at, &changes.gone).await.map_err(failed)?;
        if !changes.vectors.is_empty() {
            let added = self
                .round
                .add_vectors(&changes.vectors, &changes.released)
                .await;
            added.map_err(failed)?;
        }
        self.round.save(at, &changes.save).await.map_err(failed)?;
        let refused = self.disclose(&changes.more).await?;
        let more = changes.more.into_iter();
        let more = more.filter(|(_, record, _)| !refused.contains(record));
        let more: Vec<SubjectRow> = more.map(|(row, ..)| row).collect();
        self.round.save(at, &more).await.map_err(failed)
    }

    /// Records what becomes visible. Answers of whom something else was decided than was foreseen, since something changed meanwhile: they are looked
    /// at again by the next round.
    async fn disclose(
        &mut self,
        more: &[(SubjectRow, SubjectId, BTreeSet<String>)],
    ) -> Result<BTreeSet<SubjectId>, Problem> {
        let mut refused = BTreeSet::new();
        for cell in &self.cells {
            let concerned = more
                .iter()
                .filter(|(_, _, grows)| grows.contains(&cell.schema));
            let vectors: BTreeMap<SubjectId, i32> = concerned
                .map(|(row, record, _)| (*record, row.vector))
                .collect();
            let records: Vec<SubjectId> = vectors.keys().copied().collect();
            for some in records.chunks(MOST_SUBJECTS) {
                let asked: Vec<_> = some.iter().map(|id| SubjectAsked::Id(*id)).collect();
                let granted = disclose(&self.p, &cell.caller, &asked, &self.attributes).await?;
                self.filled.disclosed += granted.len() as u64;
                for (record, granted) in some.iter().zip(granted) {
                    let rules = self.attributes.iter();
                    let rules = rules.filter_map(|key| self.schema.attribute_of(key.as_ref()));
                    let effects = rules.map(|rule| (rule.number, granted.effect(&rule.key)));
                    let forms = as_forms(effects);
                    let vector = vectors
                        .get(record)
                        .and_then(|vector| self.released.get(vector));
                    if vector.and_then(|forms| forms.get(&cell.schema)) != Some(&forms) {
                        refused.insert(*record);
                    }
                }
            }
        }
        Ok(refused)
    }

    /// The vector of these facts under the policies in force, made where there is none.
    fn vector_for(&mut self, facts: &SubjectFacts, changes: &mut Changes) -> i32 {
        let hash = Hash::of(&facts.pack()).0.to_vec();
        if let Some(known) = self.current.get(&hash) {
            return *known;
        }
        let last = self.vectors.keys().next_back();
        let vector = Vector {
            id: last.map_or(1, |last| last.saturating_add(1)),
            facts: hash.clone(),
            policies: self.policies.clone(),
        };
        let forms = self.forms(facts);
        changes.released.extend(rows((&vector.id, &forms)));
        changes.vectors.push(vector.clone());
        self.current.insert(hash, vector.id);
        self.released.insert(vector.id, forms);
        let id = vector.id;
        self.vectors.insert(id, vector);
        id
    }

    /// Whom rows with these keys are about, and what is known of each.
    async fn known(
        &self,
        at: usize,
        keys: &[Sensitive<String>],
    ) -> Result<Vec<Option<Known>>, Problem> {
        let source = self.sources.get(at).copied();
        let source =
            source.ok_or_else(|| Problem::internal("filling views", &"a view has no source"))?;
        let tags: Arc<[Vec<IdentifierTag>]> = key_tags(&self.p, source, keys)?.into();
        let (inside, in_force) = (self.p.clone(), Arc::clone(&self.in_force));
        self.p
            .read("find subjects of rows", move |tx| {
                let all: BTreeSet<IdentifierTag> = tags.iter().flatten().copied().collect();
                let whose = source_record::find_many(tx, source, all)?;
                let ids: BTreeSet<SubjectId> = whose.values().copied().collect();
                let canonical = subject_facts::find(tx, &ids)?;
                let canonical: BTreeMap<_, _> = canonical
                    .into_iter()
                    .map(|one| (one.asked, one.canonical))
                    .collect();
                let facts = facts_in(&inside, tx, &in_force, &ids)?;
                let known = tags.iter().map(|tags| {
                    let mut found = tags.iter().filter_map(|tag| whose.get(tag));
                    let record = *found.next()?;
                    // Two tags of one key that lead to two people lead to nobody.
                    let is_one = found.all(|other| *other == record);
                    let known = Known {
                        record,
                        canonical: *canonical.get(&record)?,
                        facts: facts.get(&record)?.clone(),
                    };
                    is_one.then_some(known)
                });
                Ok(known.collect())
            })
            .await
    }
}

/// What a batch of rows comes to.
#[derive(Default)]
struct Changes {
    /// Taken away before anything else.
    gone: Vec<Sensitive<String>>,
    /// Made for the rows.
    vectors: Vec<Vector>,
    released: Vec<Released>,
    /// Rows of which nobody sees more than before.
    save: Vec<SubjectRow>,
    /// Rows of which somebody sees more: the record that they are about, and the cells.
    more: Vec<(SubjectRow, SubjectId, BTreeSet<String>)>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with the same key as the same database wrote it"
)]
fn plain(key: &Sensitive<String>) -> &str {
    key.expose()
}

fn rows<'f>((vector, forms): (&'f i32, &'f Forms)) -> impl Iterator<Item = Released> + 'f {
    forms.iter().map(|(cell, forms)| Released {
        cell: cell.clone(),
        vector: *vector,
        forms: forms.clone(),
    })
}

/// Forms by the number of the attribute; nothing where nothing is released.
fn as_forms(effects: impl Iterator<Item = (AttributeNumber, Effect)>) -> Vec<Form> {
    let mut forms = Vec::new();
    for (number, effect) in effects {
        let form = match effect {
            Effect::Drop => continue,
            Effect::Null => NULL,
            Effect::Change(Change::Token) => TOKEN,
            Effect::Change(Change::Mask) => MASK,
            Effect::Change(Change::Generalise) => GENERALISE,
            Effect::Keep => KEEP,
        };
        let at = usize::from(number.0);
        if forms.len() <= at {
            forms.resize(at + 1, 0);
        }
        if let Some(place) = forms.get_mut(at) {
            *place = form;
        }
    }
    forms
}

fn release(form: Form) -> Release {
    let found = usize::try_from(form)
        .ok()
        .and_then(|at| Release::ALL.get(at));
    found.copied().unwrap_or(Release::Withhold)
}

/// The cells in which something of `new` is more than what `old` gives.
fn cells_that_grow(old: &Forms, new: &Forms) -> BTreeSet<String> {
    let grows = |(cell, new): &(&String, &Vec<Form>)| {
        let old = old.get(*cell);
        let mut forms = new.iter().enumerate();
        forms.any(|(at, form)| {
            let before = old.and_then(|old| old.get(at)).copied().unwrap_or(0);
            !release(*form).is_within(release(before))
        })
    };
    new.iter()
        .filter(grows)
        .map(|(cell, _)| cell.clone())
        .collect()
}

/// What is part of both.
fn meet(one: &Forms, other: &Forms) -> Forms {
    let both = one.iter().filter_map(|(cell, forms)| {
        let others = other.get(cell)?;
        let mut met: Vec<Form> = forms
            .iter()
            .zip(others)
            .map(|(form, other)| Release::decide(&[release(*form)], &[release(*other)]) as Form)
            .collect();
        while met.last() == Some(&0) {
            met.pop();
        }
        (!met.is_empty()).then(|| (cell.clone(), met))
    });
    both.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(cell: &str, forms: &[Form]) -> Forms {
        [(cell.to_owned(), forms.to_vec())].into()
    }

    #[test]
    fn forms_are_the_releases_by_their_places() {
        for (form, is) in [
            (NULL, Release::Null),
            (TOKEN, Release::Token),
            (MASK, Release::Mask),
            (GENERALISE, Release::Generalise),
            (KEEP, Release::Keep),
        ] {
            assert_eq!(release(form), is);
        }
        assert_eq!(release(0), Release::Withhold);
        assert_eq!(release(99), Release::Withhold);
    }

    #[test]
    fn what_is_met_is_within_both_and_is_found_to_grow_from_neither() {
        for one in 0..=KEEP {
            for other in 0..=KEEP {
                let (a, b) = (forms("x", &[0, one]), forms("x", &[0, other]));
                let met = meet(&a, &b);
                assert!(cells_that_grow(&a, &met).is_empty());
                assert!(cells_that_grow(&b, &met).is_empty());
            }
        }
        assert_eq!(
            meet(&forms("x", &[KEEP]), &forms("x", &[KEEP])),
            forms("x", &[KEEP])
        );
        assert!(meet(&forms("x", &[KEEP]), &forms("y", &[KEEP])).is_empty());
    }

    #[test]
    fn a_mask_that_becomes_an_age_band_grows_and_a_null_does_not() {
        let mask = forms("x", &[MASK]);
        assert_eq!(cells_that_grow(&mask, &forms("x", &[GENERALISE])).len(), 1);
        assert!(cells_that_grow(&mask, &forms("x", &[NULL])).is_empty());
        assert_eq!(cells_that_grow(&Forms::new(), &mask).len(), 1);
    }
}
