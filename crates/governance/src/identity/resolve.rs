//! Resolution in one transaction: everything that shares an identifier or a merge with what was touched is read, the pure rules
//! ([`domain::identity::resolve`]) say who is who, and merges, withdrawn merges and questions to operators are stored with their records.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::{
    Decided, History, IdentityEvent, Merge, MergeReason, POSSIBLE_MATCH_KIND, Resolution, resolve,
};
use domain::profile::Schema;
use domain::rng::new_id;
use enforcement::vault::IndexKeys;
use storage::identifier::StoredIdentifier;
use storage::identity::StoredEvent;
use storage::subject::{self, StoredSubject};
use storage::{Tx, identifier, identity};

use super::gather::{Key, gather};
use super::review;
use crate::profile::Seed;
use crate::{Privity, Problem};

/// What a batch changes of the tags that records are compared by.
#[derive(Default)]
pub(crate) struct Moved<'b> {
    /// Tags that are new, or gone.
    pub(crate) seeds: Vec<Seed<'b>>,
    /// Tags of new subjects, which are yet to be stored.
    pub(crate) new: Vec<&'b StoredIdentifier>,
    /// Known subjects whose tags changed.
    pub(crate) subjects: BTreeSet<SubjectId>,
}

/// Stores the tags of new subjects, and resolves whoever has one of all these tags together with somebody else. Most new tags are nobody
/// else's, and cost one look each.
pub(crate) fn link(
    p: &Privity,
    tx: &mut Tx,
    schema: &Schema,
    keys: &IndexKeys,
    moved: Moved<'_>,
) -> Result<Vec<NewRecord>, Problem> {
    let Moved {
        mut seeds,
        new,
        subjects,
    } = moved;
    seeds.retain(|(kind, _, _)| counts(schema, kind));
    // In the order in which they are stored.
    seeds.sort_unstable_by_key(|(kind, tag, subject)| (*tag, *kind, *subject));
    seeds.dedup();
    if seeds.is_empty() {
        identifier::insert_of_new(tx, new)?;
        return Ok(Vec::new());
    }
    // From here on one after another: of two transactions that bring the same identifier, the second sees what the first one stored.
    storage::audit::hold(tx, &p.log_name())?;
    // Looked for before the new ones are stored: of most tags nothing is found, and no row has to be read to say whose it is.
    let mut shared = identifier::shared(tx, &seeds)?;
    shared.extend(shared_among(&seeds, &new));
    identifier::insert_of_new(tx, new)?;
    let mut touched = Touched::default();
    for (kind, tag, subject) in seeds {
        let is_shared = !shared.is_empty() && shared.contains(&(kind.clone(), tag));
        if is_shared {
            touched.tags.insert((kind.clone(), tag));
        }
        if is_shared || subjects.contains(&subject) {
            touched.subjects.insert(subject);
        }
    }
    if touched.subjects.is_empty() {
        return Ok(Vec::new());
    }
    settle(p, tx, schema, keys, touched)
}

/// Tags of new subjects that another one of the batch has, too, or had. Equal tags stand together in `seeds`, and all that counts of
/// `new` is among them.
fn shared_among(seeds: &[Seed<'_>], new: &[&StoredIdentifier]) -> BTreeSet<Key> {
    let pairs = seeds.iter().zip(seeds.iter().skip(1));
    let twice: BTreeSet<_> = pairs
        .filter(|(one, other)| (one.0, one.1) == (other.0, other.1))
        .map(|(one, _)| (one.0, one.1))
        .collect();
    if twice.is_empty() {
        return BTreeSet::new();
    }
    let new = new.iter().map(|one| (&one.kind, one.tag));
    new.filter(|tag| twice.contains(tag))
        .map(|(kind, tag)| (kind.clone(), tag))
        .collect()
}

/// Whether tags of a kind say anything of who is who.
fn counts(schema: &Schema, kind: &IdentifierKind) -> bool {
    let known = schema.identity().kinds.get(kind);
    let known = known.is_some_and(|rule| rule.unique || rule.one_per_subject);
    known || kind.0 == POSSIBLE_MATCH_KIND
}

/// Where a resolution begins.
#[derive(Clone, Default)]
pub(crate) struct Touched {
    pub(crate) tags: BTreeSet<Key>,
    pub(crate) subjects: BTreeSet<SubjectId>,
}

impl Touched {
    fn halves(self) -> [Self; 2] {
        let mut first = self.subjects;
        let middle = first.iter().nth(first.len() / 2).copied();
        let second = middle.map_or_else(BTreeSet::new, |middle| first.split_off(&middle));
        [first, second].map(|subjects| Self {
            subjects,
            tags: self.tags.clone(),
        })
    }
}

/// Resolves everything that hangs together with what was touched. The caller holds the log.
pub(crate) fn settle(
    p: &Privity,
    tx: &mut Tx,
    schema: &Schema,
    keys: &IndexKeys,
    touched: Touched,
) -> Result<Vec<NewRecord>, Problem> {
    let gathered = gather(p, tx, schema, keys, touched.clone())?;
    if gathered.is_cut && touched.subjects.len() > 1 {
        // Some of them are too many together; the others must not go without.
        let mut written = Vec::new();
        for half in touched.halves() {
            written.extend(settle(p, tx, schema, keys, half)?);
        }
        return Ok(written);
    }
    let events = gathered.events.iter().map(|stored| stored.event.clone());
    let history =
        History::of(events).map_err(|error| Problem::internal("reading who is who", &error))?;
    let records: Vec<_> = gathered.records.values().cloned().collect();
    let resolution = resolve(schema.identity(), &records, &history);
    let mut written = Vec::new();
    store_merges(p, tx, &resolution, &mut written)?;
    store_withdrawn(p, tx, &resolution, &history, &mut written)?;
    store_canonical(p, tx, &resolution, &gathered.subjects)?;
    if !gathered.is_cut {
        let known = gathered.subjects.keys().copied().collect();
        review::store(p, tx, &resolution, &records, &known)?;
    }
    Ok(written)
}

fn store_merges(
    p: &Privity,
    tx: &mut Tx,
    resolution: &Resolution,
    written: &mut Vec<NewRecord>,
) -> Result<(), Problem> {
    let now = p.now();
    let mut events = Vec::with_capacity(resolution.new_merges.len());
    for link in &resolution.new_merges {
        let merge = Merge {
            id: new_id(p.rng(), now),
            one: link.one,
            other: link.other,
            reason: MergeReason::Identifier(link.kind.clone(), link.tag),
        };
        written.push(
            NewRecord::new(now, Actor::System, Action::SubjectsMerged)
                .with("merge", merge.id.to_string())
                .with("one", link.one.to_string())
                .with("other", link.other.to_string())
                .with("identifier", link.kind.0.clone()),
        );
        events.push(StoredEvent {
            id: new_id(p.rng(), now),
            subjects: (link.one, link.other),
            event: IdentityEvent::Merged(merge),
            at: now,
        });
    }
    Ok(identity::insert_events(tx, &events)?)
}

fn store_withdrawn(
    p: &Privity,
    tx: &mut Tx,
    resolution: &Resolution,
    history: &History,
    written: &mut Vec<NewRecord>,
) -> Result<(), Problem> {
    let now = p.now();
    let standing: BTreeMap<_, _> = history.standing().map(|merge| (merge.id, merge)).collect();
    let mut events = Vec::new();
    for id in &resolution.withdrawn {
        let Some(merge) = standing.get(id) else {
            continue;
        };
        written.push(
            NewRecord::new(now, Actor::System, Action::MergeSplit)
                .with("merge", id.to_string())
                .with("one", merge.one.to_string())
                .with("other", merge.other.to_string())
                .with("reason", "identifier_of_too_many"),
        );
        events.push(StoredEvent {
            id: new_id(p.rng(), now),
            subjects: (merge.one, merge.other),
            event: IdentityEvent::Split {
                merge: *id,
                by: Decided::Rule,
            },
            at: now,
        });
    }
    Ok(identity::insert_events(tx, &events)?)
}

fn store_canonical(
    p: &Privity,
    tx: &mut Tx,
    resolution: &Resolution,
    subjects: &BTreeMap<SubjectId, StoredSubject>,
) -> Result<(), Problem> {
    let mut changes = Vec::new();
    for (id, stored) in subjects {
        let Some(canonical) = resolution.groups.canonical(*id) else {
            continue;
        };
        let wanted = (canonical != *id).then_some(canonical);
        if stored.canonical != wanted {
            changes.push((*id, wanted));
        }
    }
    subject::set_canonical(tx, &changes)?;
    if !changes.is_empty() && p.keeps_facts() {
        // Whoever stood for them, whoever does now, and they themselves.
        let before = changes.iter().filter_map(|(id, _)| subjects.get(id));
        let before = before.map(StoredSubject::stands_for);
        let now = changes.iter().flat_map(|(id, wanted)| [Some(*id), *wanted]);
        let rows = before.chain(now.flatten()).collect();
        storage::subject_facts::outdate_rows(tx, &rows)?;
    }
    Ok(())
}
