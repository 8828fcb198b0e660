//! Drives the search for subjects' rows through the connectors, and turns what it found into the steps of an erasure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connectors::ConnectorError;
use domain::data_map::graph::{Node, Pointer, SearchGraph};
use domain::data_map::{
    CollectionErasure, CollectionKey, FieldName, RetentionRule, SystemKey, SystemKind,
};
use domain::fate::{Outside, Print, Tally, tally};
use domain::plan::{
    Cutoff, EraseStep, GuardSearch, Search, WaySearch, deletes_rows, redactions,
    retained_redactions,
};
use domain::row::Tuple;
use domain::sensitive::Sensitive;
use domain::traversal::{Counted, Located, Seeds, Traversal, Unattributed, Wave};
use jiff::Timestamp;

use crate::Privity;
use crate::legal_hold::Holds;

/// What a search found for one subject.
pub(crate) struct Found {
    /// Where her rows are.
    pub(crate) located: Located,
    /// How many there are.
    pub(crate) counted: BTreeMap<CollectionKey, Counted>,
    /// What becomes of them, in collections whose rows point at others or are pointed at; only where it was asked for.
    pub(crate) fates: BTreeMap<CollectionKey, Tally>,
}

/// Why a search could not be finished. Nothing is concluded from half a search.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A source system did not answer as it should.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// A row that can't be told to be anybody's.
    #[error(transparent)]
    Unattributed(#[from] Unattributed),
    /// The data map names a system that no connector reaches.
    #[error("no connector reaches `{0}`; add its connection to the data map")]
    NoConnector(SystemKey),
}

/// Searches all systems for a batch of subjects, in one pass; with `holds`, for a deletion, also tells what becomes of each row.
pub(crate) async fn locate(
    p: &Privity,
    seeds: &[Seeds],
    holds: Option<&Holds>,
) -> Result<Vec<Found>, SearchError> {
    let graph = holds.map_or(p.graph(), Holds::graph);
    let traversal = Traversal::start(graph, seeds, cutoffs(graph, p.now()));
    follow(p, traversal, holds).await
}

/// The same from what was located before: what of it is still there, what is new, and what becomes of each row now.
pub(crate) async fn look_again(
    p: &Privity,
    located: &[Located],
    holds: &Holds,
) -> Result<Vec<Found>, SearchError> {
    let graph = holds.graph();
    let traversal = Traversal::resume(graph, located, cutoffs(graph, p.now()));
    follow(p, traversal, Some(holds)).await
}

async fn follow(
    p: &Privity,
    mut traversal: Traversal<'_>,
    holds: Option<&Holds>,
) -> Result<Vec<Found>, SearchError> {
    if holds.is_some() {
        traversal = traversal.remembering_rows();
    }
    while let Some(wave) = traversal.next_wave() {
        if is_manual(p, &wave.search.collection.system) {
            continue;
        }
        let mut stray = None;
        let taken = p
            .connector(&wave.search.collection.system)?
            .locate(&wave.search, &mut |rows| {
                traversal
                    .take(&wave, rows)
                    .map_err(|error| interrupt(&mut stray, error))
            })
            .await;
        stray.map_or(Ok(()), Err)?;
        taken?;
    }
    let remembered = traversal.remembered();
    let found = traversal.finish();
    let mut fates = std::collections::HashMap::new();
    if let (Some((links, rows)), Some(holds)) = (remembered, holds) {
        let located: Vec<&Located> = found.iter().map(|(located, _)| located).collect();
        let graph = holds.graph();
        let outside = outside(p, graph, &located).await?;
        let stays = |subject: usize, key: &CollectionKey| {
            holds.reason(subject, key).is_some()
                || graph.node(key).is_some_and(|node| {
                    matches!(node.collection.erasure, CollectionErasure::Keep(_))
                })
        };
        fates = tally(graph, &links, &rows, &outside, &stays);
    }
    let found = found.into_iter().enumerate();
    Ok(found
        .map(|(subject, (located, counted))| Found {
            located,
            counted,
            fates: fates.remove(&subject).unwrap_or_default(),
        })
        .collect())
}

fn interrupt(stray: &mut Option<Unattributed>, error: Unattributed) -> ConnectorError {
    let interrupted = ConnectorError::Interrupted(error.to_string());
    *stray = Some(error);
    interrupted
}

/// Which of the rows that were located rows of nobody in the batch point at.
async fn outside(
    p: &Privity,
    graph: &SearchGraph,
    located: &[&Located],
) -> Result<Outside, SearchError> {
    let mut outside = Outside::default();
    for node in graph.nodes() {
        outside
            .guarded
            .extend(pointed_at(p, graph, node, &node.guards, located).await?);
        outside
            .blocked
            .extend(pointed_at(p, graph, node, &node.blockers, located).await?);
    }
    Ok(outside)
}

async fn pointed_at(
    p: &Privity,
    graph: &SearchGraph,
    node: &Node,
    pointers: &[Pointer],
    located: &[&Located],
) -> Result<Vec<(usize, Print)>, SearchError> {
    let mut found = Vec::new();
    let guards: Vec<GuardSearch> = pointers
        .iter()
        .filter_map(|pointer| guard_search(graph, pointer, located))
        .collect();
    let wave = Wave::again(graph, &node.collection.key, located, guards)
        .filter(|wave| !wave.search.guards.is_empty() && !is_manual(p, &node.collection.system));
    if let Some(wave) = wave {
        p.connector(&node.collection.system)?
            .locate(&wave.search, &mut |rows| {
                found.extend(wave.pointed_at(&rows));
                Ok(())
            })
            .await?;
    }
    Ok(found)
}

/// Rows that point here, but for those that the batch's own look-ups find: they go as well.
fn guard_search(
    graph: &SearchGraph,
    pointer: &Pointer,
    located: &[&Located],
) -> Option<GuardSearch> {
    let node = graph.node(&pointer.from)?;
    Some(GuardSearch {
        pointer: pointer.clone(),
        collection: Arc::new(node.collection.clone()),
        except: union(node, located),
    })
}

/// The look-ups of all these subjects in one collection, as one.
pub(crate) fn union(node: &Node, located: &[&Located]) -> Vec<WaySearch> {
    let mut ways = Vec::new();
    for way in &node.ways {
        let lookups = located
            .iter()
            .filter_map(|located| located.lookups.get(&node.collection.key))
            .flatten()
            .filter(|lookup| lookup.way == way.way);
        let values: BTreeSet<&Tuple> = lookups.flat_map(|lookup| &lookup.values).collect();
        if !values.is_empty() {
            ways.push(WaySearch {
                way: way.way.clone(),
                values: Sensitive::new(values.into_iter().cloned().collect()),
            });
        }
    }
    ways
}

/// All fields of one subject's rows in one collection.
pub(crate) fn everything(node: &Node, located: &Located) -> Option<Search> {
    let ways = union(node, &[located]);
    let select: Vec<FieldName> = node
        .collection
        .fields
        .iter()
        .map(|field| field.name.clone())
        .collect();
    (!ways.is_empty()).then(|| Search {
        collection: Arc::new(node.collection.clone()),
        ways,
        select,
        grouped: false,
        retained: None,
        guards: Vec::new(),
    })
}

/// The steps that erase these subjects' rows in one system, in order.
pub(crate) fn erase_steps(
    p: &Privity,
    system: &SystemKey,
    located: &[&Located],
    holds: &Holds,
) -> Vec<Vec<EraseStep>> {
    let graph = holds.graph();
    let order = graph.erase_order(system).into_iter();
    order
        .map(|group| {
            let nodes = group.iter().filter_map(|key| graph.node(key));
            nodes
                .filter_map(|node| erase_step(node, located, holds, p.now()))
                .collect::<Vec<_>>()
        })
        .filter(|group| !group.is_empty())
        .collect()
}

fn erase_step(
    node: &Node,
    located: &[&Located],
    holds: &Holds,
    now: Timestamp,
) -> Option<EraseStep> {
    let (held, free): (Vec<_>, Vec<_>) = located
        .iter()
        .enumerate()
        .partition(|(subject, _)| holds.reason(*subject, &node.collection.key).is_some());
    let of = |some: &[(usize, &&Located)]| {
        let some: Vec<&Located> = some.iter().map(|(_, located)| **located).collect();
        union(node, &some)
    };
    let ways = of(&free);
    if ways.is_empty() || matches!(node.collection.erasure, CollectionErasure::Keep(_)) {
        return None;
    }
    let retained = node
        .collection
        .retention
        .as_ref()
        .map(|rule| cutoff(node, rule, now));
    Some(EraseStep {
        collection: Arc::new(node.collection.clone()),
        ways,
        delete: deletes_rows(&node.collection),
        redactions: redactions(&node.collection, &node.pointed_at),
        retained_redactions: if retained.is_some() {
            retained_redactions(&node.collection, &node.pointed_at)
        } else {
            Vec::new()
        },
        retained,
        guards: node.guards.clone(),
        blockers: node.blockers.clone(),
        spared: of(&held),
    })
}

fn cutoffs(graph: &SearchGraph, now: Timestamp) -> BTreeMap<CollectionKey, Cutoff> {
    let ruled = graph
        .nodes()
        .iter()
        .filter_map(|node| Some((node, node.collection.retention.as_ref()?)));
    ruled
        .map(|(node, rule)| (node.collection.key.clone(), cutoff(node, rule, now)))
        .collect()
}

fn cutoff(node: &Node, rule: &RetentionRule, now: Timestamp) -> Cutoff {
    let since = rule
        .since
        .as_ref()
        .and_then(|name| node.collection.field(name))
        .map(|field| (field.name.clone(), field.kind));
    let from = rule
        .keep_for
        .and_then(|span| now.to_zoned(jiff::tz::TimeZone::UTC).checked_sub(span).ok());
    // A rule whose time can't be reckoned keeps every row: when in doubt nothing is erased that must stay.
    Cutoff {
        since: since.filter(|_| from.is_some()),
        from: from.map_or(Timestamp::MIN, |from| from.timestamp()),
    }
}

fn is_manual(p: &Privity, system: &SystemKey) -> bool {
    p.map()
        .systems
        .get(system)
        .is_some_and(|system| system.kind == SystemKind::Manual)
}
