//! The search for subjects' rows through all source systems: from identifiers, along references, until nothing new turns up.
//!
//! Pure: it says what to look up next and takes in what was found; whoever drives it speaks to the connectors. It serves a
//! batch of subjects in one pass, so that a hundred privacy requests cost a source system as many statements as one.
//!
//! INVARIANT: every look-up value is searched at most once per subject and collection, so that circles of references end.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data_map::graph::{Node, SearchGraph};
use crate::data_map::{CollectionKey, FieldName, IdentifierKind, ValueKind};
use crate::plan::{Cutoff, LocatedRow, Search, Way, WaySearch};
use crate::row::{Tuple, canonical};
use crate::sensitive::Sensitive;

/// The identifiers that a search starts from.
pub type Seeds = BTreeMap<IdentifierKind, Sensitive<Vec<String>>>;

/// Where a subject's rows are: for each collection the look-ups that find them. It is sealed before anything is erased,
/// so that whatever happens midway no trail is lost.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Located {
    /// Look-ups by collection.
    pub lookups: BTreeMap<CollectionKey, Vec<Lookup>>,
}

/// One look-up of one subject in one collection.
#[derive(Clone, Serialize, Deserialize)]
pub struct Lookup {
    /// The fields.
    pub way: Way,
    /// The values.
    pub values: BTreeSet<Tuple>,
}

/// Rows counted for one subject in one collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// All rows.
    pub rows: u64,
    /// Those that a retention rule keeps.
    pub retained: u64,
}

/// A row came back that matches none of the values that were looked for; nothing is concluded from it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{collection}` returned a row that none of the look-ups explains; check the field types and `ignore_case` of its identity fields in the data map")]
pub struct Unattributed {
    /// Where.
    pub collection: CollectionKey,
}

/// A search for a batch of subjects, in progress.
pub struct Traversal<'g> {
    graph: &'g SearchGraph,
    subjects: Vec<BTreeMap<usize, Found>>,
    retention: BTreeMap<CollectionKey, Cutoff>,
}

/// What one subject has in one collection so far.
struct Found {
    searched: Vec<BTreeSet<Tuple>>,
    pending: Vec<BTreeSet<Tuple>>,
    counted: Counted,
    /// Fingerprints of rows already counted, kept only where two look-ups can find the same row.
    rows: HashSet<[u8; 16]>,
}

impl Found {
    fn new(node: &Node) -> Self {
        Self { searched: vec![BTreeSet::new(); node.ways.len()], pending: vec![BTreeSet::new(); node.ways.len()], counted: Counted::default(), rows: HashSet::new() }
    }

    fn look_up(&mut self, way: usize, value: Tuple) {
        let known = self.searched.get(way).is_some_and(|searched| searched.contains(&value));
        if let Some(pending) = self.pending.get_mut(way).filter(|_| !known) {
            pending.insert(value);
        }
    }
}

/// A search under way: which subject asked for which value.
pub struct Wave {
    /// What to look up.
    pub search: Search,
    node: usize,
    ways: Vec<usize>,
    asked: Vec<HashMap<Tuple, Vec<usize>>>,
}

impl<'g> Traversal<'g> {
    /// Starts a search for subjects known by `seeds`, in the order given. `retention` says which rows must stay.
    pub fn start(graph: &'g SearchGraph, seeds: &[Seeds], retention: BTreeMap<CollectionKey, Cutoff>) -> Self {
        let subjects = seeds.iter().map(|seeds| Self::seeded(graph, seeds)).collect();
        Self { graph, subjects, retention }
    }

    fn seeded(graph: &SearchGraph, seeds: &Seeds) -> BTreeMap<usize, Found> {
        let mut subject = BTreeMap::new();
        for (number, node) in graph.nodes().iter().enumerate() {
            for (way_number, way) in node.ways.iter().enumerate() {
                let values = way.identity.as_ref().and_then(|kind| seeds.get(kind));
                for value in values.map_or(&[][..], |values| values.expose()) {
                    let found = subject.entry(number).or_insert_with(|| Found::new(node));
                    found.look_up(way_number, spelled(node, &way.way, std::slice::from_ref(value)));
                }
            }
        }
        subject
    }

    /// The next look-ups in one collection for all subjects, or `None` when nothing is left to look for.
    pub fn next_wave(&mut self) -> Option<Wave> {
        let number = self.subjects.iter().flat_map(|subject| subject.iter()).find(|(_, found)| found.pending.iter().any(|pending| !pending.is_empty())).map(|(number, _)| *number)?;
        let node = self.graph.nodes().get(number)?;
        let mut wave = Wave { search: self.search(node), node: number, ways: Vec::new(), asked: Vec::new() };
        for (way_number, way) in node.ways.iter().enumerate() {
            let asked = self.take_pending(number, way_number);
            if asked.is_empty() {
                continue;
            }
            let mut values: Vec<Tuple> = asked.keys().cloned().collect();
            values.sort_unstable();
            wave.search.ways.push(WaySearch { way: way.way.clone(), values: Sensitive::new(values) });
            wave.ways.push(way_number);
            wave.asked.push(asked);
        }
        Some(wave)
    }

    fn search(&self, node: &Node) -> Search {
        Search {
            collection: Arc::new(node.collection.clone()),
            ways: Vec::new(),
            select: node.searched_fields(),
            // Rows that lead nowhere and can be found in one way only need to be counted, not carried.
            grouped: node.edges.is_empty() && node.ways.len() == 1,
            retained: self.retention.get(&node.collection.key).cloned(),
            guards: Vec::new(),
        }
    }

    fn take_pending(&mut self, number: usize, way: usize) -> HashMap<Tuple, Vec<usize>> {
        let mut asked: HashMap<Tuple, Vec<usize>> = HashMap::new();
        for (subject_number, subject) in self.subjects.iter_mut().enumerate() {
            let Some(found) = subject.get_mut(&number) else { continue };
            let (Some(pending), Some(searched)) = (found.pending.get_mut(way), found.searched.get_mut(way)) else { continue };
            for value in std::mem::take(pending) {
                asked.entry(value.clone()).or_default().push(subject_number);
                searched.insert(value);
            }
        }
        asked
    }

    /// Takes in rows that the wave's search found; may be called several times for one wave.
    pub fn take(&mut self, wave: &Wave, rows: Vec<LocatedRow>) -> Result<(), Unattributed> {
        let Some(node) = self.graph.nodes().get(wave.node) else { return Ok(()) };
        let columns = Columns::of(node, &wave.search.select);
        for row in rows {
            let subjects = wave.subjects_of(&columns, &row);
            if subjects.is_empty() {
                return Err(Unattributed { collection: node.collection.key.clone() });
            }
            for subject in subjects {
                self.count(subject, wave, &columns, &row);
            }
        }
        Ok(())
    }

    fn count(&mut self, subject: usize, wave: &Wave, columns: &Columns, row: &LocatedRow) {
        let graph = self.graph;
        let (Some(node), Some(found)) = (graph.nodes().get(wave.node), self.subjects.get_mut(subject)) else { return };
        let here = found.entry(wave.node).or_insert_with(|| Found::new(node));
        if node.ways.len() > 1 && !here.rows.insert(fingerprint(row)) {
            return;
        }
        here.counted.rows += row.rows;
        here.counted.retained += if row.retained { row.rows } else { 0 };
        for (edge, places) in node.edges.iter().zip(&columns.edges) {
            let (Some(values), Some(there)) = (texts(row, places), graph.nodes().get(edge.to)) else { continue };
            let Some(way) = there.ways.get(edge.way) else { continue };
            let value = spelled(there, &way.way, &values);
            found.entry(edge.to).or_insert_with(|| Found::new(there)).look_up(edge.way, value);
        }
    }

    /// The result: for each subject where the rows are and how many.
    pub fn finish(self) -> Vec<(Located, BTreeMap<CollectionKey, Counted>)> {
        let graph = self.graph;
        self.subjects.into_iter().map(|subject| Self::located(graph, subject)).collect()
    }

    fn located(graph: &SearchGraph, subject: BTreeMap<usize, Found>) -> (Located, BTreeMap<CollectionKey, Counted>) {
        let mut located = Located::default();
        let mut counted = BTreeMap::new();
        for (number, found) in subject {
            let Some(node) = graph.nodes().get(number) else { continue };
            let lookups = node.ways.iter().zip(found.searched).filter(|(_, values)| !values.is_empty());
            let lookups = lookups.map(|(way, values)| Lookup { way: way.way.clone(), values }).collect();
            located.lookups.insert(node.collection.key.clone(), lookups);
            counted.insert(node.collection.key.clone(), found.counted);
        }
        (located, counted)
    }
}

impl Wave {
    fn subjects_of(&self, columns: &Columns, row: &LocatedRow) -> BTreeSet<usize> {
        let mut subjects = BTreeSet::new();
        for (way_number, asked) in self.ways.iter().zip(&self.asked) {
            let Some((places, ignore_case)) = columns.ways.get(*way_number) else { continue };
            let Some(mut value) = texts(row, places) else { continue };
            if *ignore_case {
                value.iter_mut().for_each(|text| *text = text.to_lowercase());
            }
            subjects.extend(asked.get(&value).into_iter().flatten().copied());
        }
        subjects
    }
}

/// Where the fields of ways and edges stand in a row.
struct Columns {
    ways: Vec<(Vec<usize>, bool)>,
    edges: Vec<Vec<usize>>,
}

impl Columns {
    fn of(node: &Node, select: &[FieldName]) -> Self {
        let places = |fields: &[FieldName]| fields.iter().filter_map(|field| select.iter().position(|selected| selected == field)).collect::<Vec<_>>();
        Self { ways: node.ways.iter().map(|way| (places(&way.way.fields), way.way.ignore_case)).collect(), edges: node.edges.iter().map(|edge| places(&edge.fields)).collect() }
    }
}

/// The texts at these places, or `None` when one of them is empty: an empty value refers to nothing.
fn texts(row: &LocatedRow, places: &[usize]) -> Option<Tuple> {
    places.iter().map(|place| row.values.get(*place).and_then(|value| value.as_ref()).map(|text| text.expose().clone())).collect()
}

/// A value in the spelling in which the collection is asked for it.
fn spelled(node: &Node, way: &Way, values: &[String]) -> Tuple {
    let kinds = way.fields.iter().map(|name| node.collection.field(name).map_or(ValueKind::Text, |field| field.kind));
    let texts = values.iter().zip(kinds).map(|(value, kind)| canonical(kind, value));
    if way.ignore_case { texts.map(|text| text.to_lowercase()).collect() } else { texts.collect() }
}

fn fingerprint(row: &LocatedRow) -> [u8; 16] {
    let mut hash = Sha256::new();
    for value in &row.values {
        let text = value.as_ref().map(|text| text.expose().as_bytes());
        hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        hash.update(text.unwrap_or_default());
    }
    let mut print = [0u8; 16];
    print.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    print
}
