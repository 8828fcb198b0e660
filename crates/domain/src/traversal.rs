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
use crate::fate::{Links, Note, Print, Rows};
use crate::plan::{Cutoff, GuardSearch, LocatedRow, Search, Way, WaySearch};
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
    /// The subject's identifiers, as given and as found in her rows: by these recipients know her.
    #[serde(default)]
    pub identifiers: BTreeMap<IdentifierKind, BTreeSet<String>>,
}

impl Located {
    /// Adds what a later search found; nothing is ever forgotten, since rows that are gone still name the trail to others.
    pub fn extend(&mut self, later: Self) {
        for (collection, lookups) in later.lookups {
            let known = self.lookups.entry(collection).or_default();
            for lookup in lookups {
                match known.iter_mut().find(|known| known.way == lookup.way) {
                    Some(known) => known.values.extend(lookup.values),
                    None => known.push(lookup),
                }
            }
        }
        for (kind, values) in later.identifiers {
            self.identifiers.entry(kind).or_default().extend(values);
        }
    }
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
#[error(
    "`{collection}` returned a row that none of the look-ups explains; check the field types and `ignore_case` of its identity fields in the data map"
)]
pub struct Unattributed {
    /// Where.
    pub collection: CollectionKey,
}

/// A search for a batch of subjects, in progress.
pub struct Traversal<'g> {
    graph: &'g SearchGraph,
    subjects: Vec<BTreeMap<usize, Found>>,
    identifiers: Vec<BTreeMap<IdentifierKind, BTreeSet<String>>>,
    retention: BTreeMap<CollectionKey, Cutoff>,
    /// Set when the rows themselves are remembered, to tell what becomes of each.
    noted: Option<(Links, Rows)>,
}

/// What one subject has in one collection so far.
struct Found {
    searched: Vec<BTreeSet<Tuple>>,
    pending: Vec<BTreeSet<Tuple>>,
    counted: Counted,
    /// Fingerprints of rows already counted, kept only where two look-ups can find the same row.
    rows: HashSet<Print>,
}

impl Found {
    fn new(node: &Node) -> Self {
        Self {
            searched: vec![BTreeSet::new(); node.ways.len()],
            pending: vec![BTreeSet::new(); node.ways.len()],
            counted: Counted::default(),
            rows: HashSet::new(),
        }
    }

    fn look_up(&mut self, way: usize, value: Tuple) {
        let known = self
            .searched
            .get(way)
            .is_some_and(|searched| searched.contains(&value));
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
    pub fn start(
        graph: &'g SearchGraph,
        seeds: &[Seeds],
        retention: BTreeMap<CollectionKey, Cutoff>,
    ) -> Self {
        let subjects = seeds
            .iter()
            .map(|seeds| Self::seeded(graph, seeds))
            .collect();
        let identifiers = seeds
            .iter()
            .map(|seeds| {
                seeds
                    .iter()
                    .map(|(kind, values)| (kind.clone(), values.expose().iter().cloned().collect()))
                    .collect()
            })
            .collect();
        Self {
            graph,
            subjects,
            identifiers,
            retention,
            noted: None,
        }
    }

    /// Starts a search from what was located before, in the order given: it counts what of it is still there, and what is new.
    pub fn resume(
        graph: &'g SearchGraph,
        located: &[Located],
        retention: BTreeMap<CollectionKey, Cutoff>,
    ) -> Self {
        Self {
            graph,
            subjects: located
                .iter()
                .map(|located| Self::known(graph, located))
                .collect(),
            identifiers: located
                .iter()
                .map(|located| located.identifiers.clone())
                .collect(),
            retention,
            noted: None,
        }
    }

    /// The look-ups of an earlier search, to be made again.
    fn known(graph: &SearchGraph, located: &Located) -> BTreeMap<usize, Found> {
        let mut subject = BTreeMap::new();
        for (collection, lookups) in &located.lookups {
            let number = graph.number(collection);
            let Some((number, node)) =
                number.and_then(|number| Some((number, graph.nodes().get(number)?)))
            else {
                continue;
            };
            let found = subject.entry(number).or_insert_with(|| Found::new(node));
            for lookup in lookups {
                if let Some(way) = node.ways.iter().position(|way| way.way == lookup.way) {
                    lookup
                        .values
                        .iter()
                        .for_each(|value| found.look_up(way, value.clone()));
                }
            }
        }
        subject
    }

    /// Remembers of each row what points at what, as far as it matters to what becomes of it: a deletion needs it.
    #[must_use]
    pub fn remembering_rows(mut self) -> Self {
        self.noted = Some((Links::new(self.graph), Rows::default()));
        self
    }

    fn seeded(graph: &SearchGraph, seeds: &Seeds) -> BTreeMap<usize, Found> {
        let mut subject = BTreeMap::new();
        for (number, node) in graph.nodes().iter().enumerate() {
            for (way_number, way) in node.ways.iter().enumerate() {
                let values = way.identity.as_ref().and_then(|kind| seeds.get(kind));
                for value in values.map_or(&[][..], |values| values.expose()) {
                    let found = subject.entry(number).or_insert_with(|| Found::new(node));
                    found.look_up(
                        way_number,
                        spelled(node, &way.way, std::slice::from_ref(value)),
                    );
                }
            }
        }
        subject
    }

    /// The next look-ups in one collection for all subjects, or `None` when nothing is left to look for.
    pub fn next_wave(&mut self) -> Option<Wave> {
        let number = self
            .subjects
            .iter()
            .flat_map(|subject| subject.iter())
            .find(|(_, found)| found.pending.iter().any(|pending| !pending.is_empty()))
            .map(|(number, _)| *number)?;
        let node = self.graph.nodes().get(number)?;
        let mut wave = Wave {
            search: self.search(node),
            node: number,
            ways: Vec::new(),
            asked: Vec::new(),
        };
        for (way_number, way) in node.ways.iter().enumerate() {
            let asked = self.take_pending(number, way_number);
            wave.ask(way_number, way.way.clone(), asked);
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
            let Some(found) = subject.get_mut(&number) else {
                continue;
            };
            let (Some(pending), Some(searched)) =
                (found.pending.get_mut(way), found.searched.get_mut(way))
            else {
                continue;
            };
            for value in std::mem::take(pending) {
                asked.entry(value.clone()).or_default().push(subject_number);
                searched.insert(value);
            }
        }
        asked
    }

    /// Takes in rows that the wave's search found; may be called several times for one wave.
    pub fn take(&mut self, wave: &Wave, rows: Vec<LocatedRow>) -> Result<(), Unattributed> {
        let Some(node) = self.graph.nodes().get(wave.node) else {
            return Ok(());
        };
        let columns = Columns::of(node, &wave.search.select);
        for row in rows {
            let subjects = wave.subjects_of(&columns, &row);
            if subjects.is_empty() {
                return Err(Unattributed {
                    collection: node.collection.key.clone(),
                });
            }
            for subject in subjects {
                self.count(subject, wave, &columns, &row);
            }
        }
        Ok(())
    }

    fn count(&mut self, subject: usize, wave: &Wave, columns: &Columns, row: &LocatedRow) {
        let graph = self.graph;
        let (Some(node), Some(found)) =
            (graph.nodes().get(wave.node), self.subjects.get_mut(subject))
        else {
            return;
        };
        let here = found.entry(wave.node).or_insert_with(|| Found::new(node));
        if node.ways.len() > 1 && !here.rows.insert(fingerprint(row)) {
            return;
        }
        if let Some((links, rows)) = self
            .noted
            .as_mut()
            .filter(|(links, _)| links.concern(wave.node))
        {
            let there = |fields: &[FieldName]| print_of(row, &places(&wave.search.select, fields));
            let here = links.here(wave.node).map(there).collect();
            let pointing = links.there(wave.node).map(there).collect();
            rows.note(Note {
                subject,
                node: wave.node,
                row: fingerprint(row),
                rows: row.rows,
                retained: row.retained,
                here,
                there: pointing,
            });
        }
        here.counted.rows += row.rows;
        here.counted.retained += if row.retained { row.rows } else { 0 };
        for (way, (places, _)) in node.ways.iter().zip(&columns.ways) {
            if let (Some(kind), Some(values), Some(known)) = (
                &way.identity,
                texts(row, places),
                self.identifiers.get_mut(subject),
            ) {
                known.entry(kind.clone()).or_default().extend(values);
            }
        }
        for (edge, places) in node.edges.iter().zip(&columns.edges) {
            let (Some(values), Some(there)) = (texts(row, places), graph.nodes().get(edge.to))
            else {
                continue;
            };
            let Some(way) = there.ways.get(edge.way) else {
                continue;
            };
            let value = spelled(there, &way.way, &values);
            found
                .entry(edge.to)
                .or_insert_with(|| Found::new(there))
                .look_up(edge.way, value);
        }
    }

    /// The rows that were remembered.
    pub fn remembered(&mut self) -> Option<(Links, Rows)> {
        self.noted.take()
    }

    /// The result: for each subject where the rows are and how many.
    pub fn finish(self) -> Vec<(Located, BTreeMap<CollectionKey, Counted>)> {
        let graph = self.graph;
        let results = self.subjects.into_iter().zip(self.identifiers);
        results
            .map(|(subject, identifiers)| {
                let (mut located, counted) = Self::located(graph, subject);
                located.identifiers = identifiers;
                (located, counted)
            })
            .collect()
    }

    fn located(
        graph: &SearchGraph,
        subject: BTreeMap<usize, Found>,
    ) -> (Located, BTreeMap<CollectionKey, Counted>) {
        let mut located = Located::default();
        let mut counted = BTreeMap::new();
        for (number, found) in subject {
            let Some(node) = graph.nodes().get(number) else {
                continue;
            };
            let lookups = node
                .ways
                .iter()
                .zip(found.searched)
                .filter(|(_, values)| !values.is_empty());
            let lookups = lookups
                .map(|(way, values)| Lookup {
                    way: way.way.clone(),
                    values,
                })
                .collect();
            located.lookups.insert(node.collection.key.clone(), lookups);
            counted.insert(node.collection.key.clone(), found.counted);
        }
        (located, counted)
    }
}

impl Wave {
    /// A look at rows already located in one collection, for the subjects in the order given: used to tell which of them
    /// somebody else's rows point at as well. `None` when no subject has a look-up there.
    pub fn again(
        graph: &SearchGraph,
        collection: &CollectionKey,
        located: &[&Located],
        guards: Vec<GuardSearch>,
    ) -> Option<Self> {
        let number = graph.number(collection)?;
        let node = graph.nodes().get(number)?;
        let search = Search {
            collection: Arc::new(node.collection.clone()),
            ways: Vec::new(),
            select: node.searched_fields(),
            grouped: false,
            retained: None,
            guards,
        };
        let mut wave = Self {
            search,
            node: number,
            ways: Vec::new(),
            asked: Vec::new(),
        };
        for (way_number, way) in node.ways.iter().enumerate() {
            let mut asked: HashMap<Tuple, Vec<usize>> = HashMap::new();
            for (subject, located) in located.iter().enumerate() {
                let lookups = located
                    .lookups
                    .get(collection)
                    .into_iter()
                    .flatten()
                    .filter(|lookup| lookup.way == way.way);
                lookups
                    .flat_map(|lookup| &lookup.values)
                    .for_each(|value| asked.entry(value.clone()).or_default().push(subject));
            }
            wave.ask(way_number, way.way.clone(), asked);
        }
        (!wave.ways.is_empty()).then_some(wave)
    }

    /// Those of these rows at which somebody else's rows point.
    pub fn pointed_at(&self, rows: &[LocatedRow]) -> Vec<(usize, Print)> {
        rows.iter()
            .filter(|row| row.shared)
            .map(|row| (self.node, fingerprint(row)))
            .collect()
    }

    fn ask(&mut self, way_number: usize, way: Way, asked: HashMap<Tuple, Vec<usize>>) {
        if asked.is_empty() {
            return;
        }
        let mut values: Vec<Tuple> = asked.keys().cloned().collect();
        values.sort_unstable();
        self.search.ways.push(WaySearch {
            way,
            values: Sensitive::new(values),
        });
        self.ways.push(way_number);
        self.asked.push(asked);
    }

    fn subjects_of(&self, columns: &Columns, row: &LocatedRow) -> BTreeSet<usize> {
        let mut subjects = BTreeSet::new();
        for (way_number, asked) in self.ways.iter().zip(&self.asked) {
            let Some((places, ignore_case)) = columns.ways.get(*way_number) else {
                continue;
            };
            let Some(mut value) = texts(row, places) else {
                continue;
            };
            if *ignore_case {
                value
                    .iter_mut()
                    .for_each(|text| *text = text.to_lowercase());
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
        Self {
            ways: node
                .ways
                .iter()
                .map(|way| (places(select, &way.way.fields), way.way.ignore_case))
                .collect(),
            edges: node
                .edges
                .iter()
                .map(|edge| places(select, &edge.fields))
                .collect(),
        }
    }
}

fn places(select: &[FieldName], fields: &[FieldName]) -> Vec<usize> {
    fields
        .iter()
        .filter_map(|field| select.iter().position(|selected| selected == field))
        .collect()
}

/// The texts at these places, or `None` when one of them is empty: an empty value refers to nothing.
fn texts(row: &LocatedRow, places: &[usize]) -> Option<Tuple> {
    places
        .iter()
        .map(|place| {
            row.values
                .get(*place)
                .and_then(|value| value.as_ref())
                .map(|text| text.expose().clone())
        })
        .collect()
}

/// A value in the spelling in which the collection is asked for it.
fn spelled(node: &Node, way: &Way, values: &[String]) -> Tuple {
    let kinds = way.fields.iter().map(|name| {
        node.collection
            .field(name)
            .map_or(ValueKind::Text, |field| field.kind)
    });
    let texts = values
        .iter()
        .zip(kinds)
        .map(|(value, kind)| canonical(kind, value));
    if way.ignore_case {
        texts.map(|text| text.to_lowercase()).collect()
    } else {
        texts.collect()
    }
}

fn fingerprint(row: &LocatedRow) -> Print {
    print(
        row.values
            .iter()
            .map(|value| value.as_ref().map(|text| text.expose().as_bytes())),
    )
}

/// A fingerprint of the values at these places, or `None` when one of them is empty.
fn print_of(row: &LocatedRow, places: &[usize]) -> Option<Print> {
    let values = texts(row, places)?;
    Some(print(values.iter().map(|value| Some(value.as_bytes()))))
}

fn print<'v>(values: impl Iterator<Item = Option<&'v [u8]>>) -> Print {
    let mut hash = Sha256::new();
    for value in values {
        hash.update(
            value
                .map_or(u64::MAX, |text| text.len() as u64)
                .to_be_bytes(),
        );
        hash.update(value.unwrap_or_default());
    }
    let mut print = [0u8; 16];
    print
        .iter_mut()
        .zip(hash.finalize())
        .for_each(|(to, from)| *to = from);
    print
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::data_map::{
        Collection, CollectionErasure, DataMap, Field, Identity, Reference, Relation,
    };

    type Table = Vec<BTreeMap<String, Option<String>>>;

    fn field(name: &str, identity: bool) -> Field {
        Field {
            name: name.into(),
            title: None,
            category: Some("user.unique_id".to_owned()),
            kind: ValueKind::Text,
            nullable: true,
            unique: false,
            max_length: None,
            identity: identity.then(|| Identity {
                kind: IdentifierKind::email(),
                ignore_case: true,
            }),
            erasure: None,
        }
    }

    fn collection(key: &str, fields: &[&str], references: Vec<Reference>) -> Collection {
        Collection {
            key: key.into(),
            system: "shop".into(),
            schema: None,
            table: key.to_owned(),
            title: key.to_owned(),
            fields: fields
                .iter()
                .map(|name| field(name, *name == "email"))
                .collect(),
            primary_key: vec!["id".into()],
            references,
            erasure: CollectionErasure::Delete,
            retention: None,
        }
    }

    fn reference(fields: &[&str], to: &str, to_fields: &[&str], relation: Relation) -> Reference {
        let names = |names: &[&str]| names.iter().map(|name| FieldName::from(*name)).collect();
        Reference {
            fields: names(fields),
            to: to.into(),
            to_fields: names(to_fields),
            relation,
            enforced: true,
        }
    }

    fn rows(table: &[&[(&str, &str)]]) -> Table {
        table
            .iter()
            .map(|row| {
                row.iter()
                    .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
                    .collect()
            })
            .collect()
    }

    /// Answers a search as a source system would.
    fn answer(tables: &BTreeMap<&str, Table>, search: &Search) -> Vec<LocatedRow> {
        let table = &tables[search.collection.key.as_ref()];
        let matches = |row: &BTreeMap<String, Option<String>>| {
            search.ways.iter().any(|way| {
                let value: Option<Tuple> = way
                    .way
                    .fields
                    .iter()
                    .map(|field| row.get(field.as_ref()).cloned().flatten())
                    .collect();
                let value = value.map(|value| {
                    value
                        .into_iter()
                        .map(|text| {
                            if way.way.ignore_case {
                                text.to_lowercase()
                            } else {
                                text
                            }
                        })
                        .collect::<Tuple>()
                });
                value.is_some_and(|value| way.values.expose().contains(&value))
            })
        };
        table
            .iter()
            .filter(|row| matches(row))
            .map(|row| LocatedRow {
                values: search
                    .select
                    .iter()
                    .map(|field| {
                        row.get(field.as_ref())
                            .cloned()
                            .flatten()
                            .map(Sensitive::new)
                    })
                    .collect(),
                rows: 1,
                retained: false,
                shared: false,
            })
            .collect()
    }

    fn traverse(
        map: &DataMap,
        tables: &BTreeMap<&str, Table>,
        emails: &[&str],
    ) -> Vec<BTreeMap<String, u64>> {
        let graph = SearchGraph::new(map);
        let seeds: Vec<Seeds> = emails
            .iter()
            .map(|email| {
                Seeds::from([(
                    IdentifierKind::email(),
                    Sensitive::new(vec![(*email).to_owned()]),
                )])
            })
            .collect();
        let mut traversal = Traversal::start(&graph, &seeds, BTreeMap::new());
        let mut waves = 0;
        while let Some(wave) = traversal.next_wave() {
            let found = answer(tables, &wave.search);
            traversal.take(&wave, found).unwrap();
            waves += 1;
            assert!(waves < 100, "the search must end");
        }
        let results = traversal.finish().into_iter();
        results
            .map(|(_, counted)| {
                counted
                    .into_iter()
                    .filter(|(_, counted)| counted.rows > 0)
                    .map(|(key, counted)| (key.to_string(), counted.rows))
                    .collect()
            })
            .collect()
    }

    fn shop() -> (DataMap, BTreeMap<&'static str, Table>) {
        let collections = [
            collection(
                "shop.customer",
                &["id", "email", "best_order"],
                vec![reference(
                    &["best_order"],
                    "shop.orders",
                    &["id"],
                    Relation::Link,
                )],
            ),
            collection(
                "shop.orders",
                &["id", "customer", "address", "previous"],
                vec![
                    reference(&["customer"], "shop.customer", &["id"], Relation::OwnedBy),
                    reference(&["address"], "shop.address", &["id"], Relation::Detail),
                    reference(&["previous"], "shop.orders", &["id"], Relation::SameSubject),
                ],
            ),
            collection(
                "shop.item",
                &["order_id", "line"],
                vec![reference(
                    &["order_id"],
                    "shop.orders",
                    &["id"],
                    Relation::OwnedBy,
                )],
            ),
            collection("shop.address", &["id"], vec![]),
        ];
        let map = DataMap {
            collections: collections
                .into_iter()
                .map(|collection| (collection.key.clone(), collection))
                .collect(),
            ..DataMap::default()
        };
        let tables = BTreeMap::from([
            (
                "shop.customer",
                rows(&[
                    &[
                        ("id", "1"),
                        ("email", "Ana@Example.org"),
                        ("best_order", "12"),
                    ],
                    &[("id", "2"), ("email", "bo@example.org")],
                ]),
            ),
            (
                "shop.orders",
                rows(&[
                    &[
                        ("id", "10"),
                        ("customer", "1"),
                        ("address", "7"),
                        ("previous", "11"),
                    ],
                    &[("id", "11"), ("customer", "1"), ("previous", "10")],
                    &[("id", "12"), ("customer", "2"), ("address", "7")],
                ]),
            ),
            (
                "shop.item",
                rows(&[
                    &[("order_id", "10"), ("line", "1")],
                    &[("order_id", "10"), ("line", "2")],
                    &[("order_id", "12"), ("line", "1")],
                ]),
            ),
            ("shop.address", rows(&[&[("id", "7")], &[("id", "8")]])),
        ]);
        (map, tables)
    }

    #[test]
    fn each_subject_of_a_batch_gets_her_rows_and_nobody_elses() {
        let (map, tables) = shop();
        let counts = traverse(
            &map,
            &tables,
            &["ana@example.org", "bo@example.org", "nobody@example.org"],
        );
        let ana = BTreeMap::from([
            ("shop.address".to_owned(), 1),
            ("shop.customer".to_owned(), 1),
            ("shop.item".to_owned(), 2),
            ("shop.orders".to_owned(), 2),
        ]);
        let bo = BTreeMap::from([
            ("shop.address".to_owned(), 1),
            ("shop.customer".to_owned(), 1),
            ("shop.item".to_owned(), 1),
            ("shop.orders".to_owned(), 1),
        ]);
        assert_eq!(counts, vec![ana, bo, BTreeMap::new()]);
    }

    #[test]
    fn a_row_that_no_look_up_explains_stops_the_search() {
        let (map, _) = shop();
        let graph = SearchGraph::new(&map);
        let seeds = [Seeds::from([(
            IdentifierKind::email(),
            Sensitive::new(vec!["ana@example.org".to_owned()]),
        )])];
        let mut traversal = Traversal::start(&graph, &seeds, BTreeMap::new());
        let wave = traversal.next_wave().unwrap();
        let stranger = wave
            .search
            .select
            .iter()
            .map(|_| Some(Sensitive::new("stranger".to_owned())))
            .collect();
        let stranger = LocatedRow {
            values: stranger,
            rows: 1,
            retained: false,
            shared: false,
        };
        assert!(traversal.take(&wave, vec![stranger]).is_err());
    }

    #[test]
    fn a_shared_row_is_guarded_and_a_row_pointed_at_by_strangers_is_blocked() {
        let (map, _) = shop();
        let graph = SearchGraph::new(&map);
        let node = |key: &str| graph.node(&key.into()).unwrap().clone();
        assert_eq!(node("shop.address").guards[0].from, "shop.orders".into());
        assert_eq!(node("shop.orders").blockers[0].from, "shop.customer".into());
        assert!(graph.unreachable().is_empty());
    }
}
