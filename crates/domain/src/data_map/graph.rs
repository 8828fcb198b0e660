//! The graph that searches and erasures follow, derived from the data map: which look-ups lead into a collection, which
//! collections its rows lead on to, what must be looked at before a row may go, and in which order rows go.
//!
//! Pure: nothing here knows a value.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Collection, CollectionErasure, CollectionKey, DataMap, FieldName, IdentifierKind, Reference,
    Relation, SystemKey,
};
use crate::plan::Way;

/// The derived graph; node numbers are positions in [`SearchGraph::nodes`].
#[derive(Clone, Debug)]
pub struct SearchGraph {
    nodes: Vec<Node>,
    by_key: BTreeMap<CollectionKey, usize>,
}

/// A collection with its ways in and out.
#[derive(Clone, Debug)]
pub struct Node {
    /// The collection itself.
    pub collection: Collection,
    /// The look-ups by which a subject's rows are found here.
    pub ways: Vec<WayIn>,
    /// Where the rows found here lead.
    pub edges: Vec<Edge>,
    /// Rows elsewhere that, as long as they point at a row here, show that it is somebody else's too.
    pub guards: Vec<Pointer>,
    /// Rows elsewhere that may stay and point at a row here, so that it can be overwritten but not deleted.
    pub blockers: Vec<Pointer>,
    /// Fields here that foreign keys from elsewhere compare with: they hold things together and are never overwritten.
    pub pointed_at: BTreeSet<FieldName>,
    /// Fields by which rows here are told to point at rows that a search finds, or to be pointed at.
    pub compared: BTreeSet<FieldName>,
}

/// One look-up into a collection, and what feeds it.
#[derive(Clone, Debug)]
pub struct WayIn {
    /// The fields that are compared.
    pub way: Way,
    /// Set when the subject's own identifiers feed it.
    pub identity: Option<IdentifierKind>,
}

/// Values of `fields` here are looked up by way number `way` of node `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The fields here.
    pub fields: Vec<FieldName>,
    /// The node there.
    pub to: usize,
    /// Its way in.
    pub way: usize,
}

/// Rows of another collection of the same system that point at rows here.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pointer {
    /// The collection that points.
    pub from: CollectionKey,
    /// Pairs of (field there, field here).
    pub pairs: Vec<(FieldName, FieldName)>,
}

impl SearchGraph {
    /// Derives the graph. The map must have been validated: references to collections that aren't there are passed over.
    pub fn new(map: &DataMap) -> Self {
        Self::holding(map, &BTreeSet::new())
    }

    /// The same while these collections are held, besides those that the data map's own legal holds cover.
    pub fn holding(map: &DataMap, placed: &BTreeSet<CollectionKey>) -> Self {
        let by_key: BTreeMap<_, _> = map
            .collections
            .keys()
            .cloned()
            .enumerate()
            .map(|(number, key)| (key, number))
            .collect();
        let nodes = map
            .collections
            .values()
            .map(Node::with_identities)
            .collect();
        let mut graph = Self { nodes, by_key };
        for collection in map.collections.values() {
            for reference in &collection.references {
                graph.connect(collection, reference);
            }
        }
        let held: BTreeSet<_> = map
            .legal_holds
            .iter()
            .flat_map(|hold| &hold.covers)
            .chain(placed)
            .cloned()
            .collect();
        graph.guard_shared_rows(map);
        graph.block_rows_pointed_at(map, &held);
        graph.note_compared_fields();
        graph
    }

    /// All nodes, in the order of their keys.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of a collection.
    pub fn node(&self, key: &CollectionKey) -> Option<&Node> {
        self.number(key).and_then(|number| self.nodes.get(number))
    }

    /// The number of a collection's node.
    pub fn number(&self, key: &CollectionKey) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// Collections that no identity leads to, so that no subject's rows are ever found in them.
    pub fn unreachable(&self) -> BTreeSet<CollectionKey> {
        let mut reached: BTreeSet<usize> = BTreeSet::new();
        let mut open: Vec<usize> =
            self.numbers_where(|node| node.ways.iter().any(|way| way.identity.is_some()));
        while let Some(number) = open.pop() {
            if reached.insert(number) {
                open.extend(
                    self.nodes
                        .get(number)
                        .into_iter()
                        .flat_map(|node| node.edges.iter().map(|edge| edge.to)),
                );
            }
        }
        self.by_key
            .iter()
            .filter(|(_, number)| !reached.contains(number))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// The order in which the collections of one system are erased: rows that point before rows pointed at.
    /// Collections that point at each other in a circle share a group, which a connector erases as one.
    pub fn erase_order(&self, system: &SystemKey) -> Vec<Vec<CollectionKey>> {
        let members = self.numbers_where(|node| node.collection.system == *system);
        let mut pointed_at_by: BTreeMap<usize, Vec<usize>> =
            members.iter().map(|number| (*number, Vec::new())).collect();
        for &number in &members {
            for reference in self
                .nodes
                .get(number)
                .map_or(&[][..], |node| &node.collection.references)
            {
                let target = self
                    .number(&reference.to)
                    .filter(|target| *target != number);
                if let Some(pointers) = target.and_then(|target| pointed_at_by.get_mut(&target)) {
                    pointers.push(number);
                }
            }
            // Whether a row is somebody else's too is told by what still points, so what points goes first.
            let guards = self.nodes.get(number).map_or(&[][..], |node| &node.guards);
            let guarding: Vec<usize> = guards
                .iter()
                .filter_map(|guard| self.number(&guard.from))
                .filter(|from| *from != number)
                .collect();
            if let Some(pointers) = pointed_at_by.get_mut(&number) {
                pointers.extend(guarding);
            }
        }
        strongly_connected(&pointed_at_by)
            .into_iter()
            .map(|group| {
                group
                    .into_iter()
                    .filter_map(|number| self.nodes.get(number))
                    .map(|node| node.collection.key.clone())
                    .collect()
            })
            .collect()
    }

    fn numbers_where(&self, wanted: impl Fn(&Node) -> bool) -> Vec<usize> {
        self.nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| wanted(node))
            .map(|(number, _)| number)
            .collect()
    }

    fn connect(&mut self, collection: &Collection, reference: &Reference) {
        let (Some(here), Some(there)) = (self.number(&collection.key), self.number(&reference.to))
        else {
            return;
        };
        // What no foreign key holds together, such as an e-mail address that another system refers to, can be overwritten.
        if let Some(target) = self.nodes.get_mut(there).filter(|_| reference.enforced) {
            target
                .pointed_at
                .extend(reference.to_fields.iter().cloned());
        }
        let into_here = matches!(
            reference.relation,
            Relation::OwnedBy | Relation::SameSubject
        );
        // Whether a detail in another system is somebody else's too, no statement there can tell (`data-map check` reports it).
        let is_detail = reference.relation == Relation::Detail && self.share_a_system(here, there);
        let into_there = reference.relation == Relation::SameSubject || is_detail;
        if into_here {
            self.add_edge(there, &reference.to_fields, here, &reference.fields);
        }
        if into_there {
            self.add_edge(here, &reference.fields, there, &reference.to_fields);
        }
    }

    fn share_a_system(&self, one: usize, other: usize) -> bool {
        let system = |number: usize| self.nodes.get(number).map(|node| &node.collection.system);
        system(one) == system(other)
    }

    fn add_edge(&mut self, from: usize, fields: &[FieldName], to: usize, to_fields: &[FieldName]) {
        let Some(target) = self.nodes.get_mut(to) else {
            return;
        };
        let way = target.way_by(to_fields);
        let edge = Edge {
            fields: fields.to_vec(),
            to,
            way,
        };
        if let Some(source) = self.nodes.get_mut(from)
            && !source.edges.contains(&edge)
        {
            source.edges.push(edge);
        }
    }

    /// A row reached as a detail is somebody else's too while any row points at it as its detail; rows that
    /// belong to such a row share its fate, as far as they carry the fields that tell.
    fn guard_shared_rows(&mut self, map: &DataMap) {
        for collection in map.collections.values() {
            for reference in collection
                .references
                .iter()
                .filter(|reference| reference.relation == Relation::Detail)
            {
                let there = self
                    .number(&reference.to)
                    .and_then(|number| self.nodes.get_mut(number));
                if let Some(there) =
                    there.filter(|there| there.collection.system == collection.system)
                {
                    there.guards.push(Pointer::of(&collection.key, reference));
                }
            }
        }
        while self.inherit_guards() {}
    }

    /// Hands guards on to the rows that belong to a guarded row, one step down; whether anything was new.
    fn inherit_guards(&mut self) -> bool {
        let inherited: Vec<(usize, Vec<Pointer>)> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(number, node)| (number, self.inherited_guards(node)))
            .collect();
        let mut changed = false;
        for (number, guards) in inherited {
            let Some(node) = self.nodes.get_mut(number) else {
                continue;
            };
            for guard in guards {
                if !node.guards.contains(&guard) {
                    node.guards.push(guard);
                    changed = true;
                }
            }
        }
        changed
    }

    fn inherited_guards(&self, node: &Node) -> Vec<Pointer> {
        let owned = node
            .collection
            .references
            .iter()
            .filter(|reference| reference.relation == Relation::OwnedBy);
        let owners = owned.filter_map(|reference| Some((self.node(&reference.to)?, reference)));
        owners
            .filter(|(owner, _)| owner.collection.system == node.collection.system)
            .flat_map(|(owner, reference)| translate(&owner.guards, reference))
            .collect()
    }

    fn note_compared_fields(&mut self) {
        let searched: BTreeSet<CollectionKey> = self
            .nodes
            .iter()
            .filter(|node| !node.ways.is_empty())
            .map(|node| node.collection.key.clone())
            .collect();
        let pointers: Vec<(usize, Pointer)> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| !node.ways.is_empty())
            .flat_map(|(number, node)| {
                node.guards
                    .iter()
                    .chain(&node.blockers)
                    .map(move |pointer| (number, pointer.clone()))
            })
            .collect();
        for (number, pointer) in pointers {
            // Whoever points: rows that differ only in what they are pointed at by end differently.
            if let Some(here) = self.nodes.get_mut(number) {
                here.compared
                    .extend(pointer.pairs.iter().map(|(_, here)| here.clone()));
            }
            let from = self
                .number(&pointer.from)
                .filter(|_| searched.contains(&pointer.from));
            if let Some(there) = from.and_then(|number| self.nodes.get_mut(number)) {
                there
                    .compared
                    .extend(pointer.pairs.iter().map(|(there, _)| there.clone()));
            }
        }
    }

    /// What may stay and points at a row keeps that row from being deleted. Staying is catching: a row that can't be
    /// deleted keeps pointing itself, so this runs until nothing changes.
    fn block_rows_pointed_at(&mut self, map: &DataMap, held: &BTreeSet<CollectionKey>) {
        let unreachable = self.unreachable();
        loop {
            let mut changed = false;
            for collection in map.collections.values() {
                for reference in &collection.references {
                    let stays = reference.relation == Relation::Link
                        || self.may_stay(&collection.key, held, &unreachable);
                    changed |= stays && self.add_blocker(&collection.key, reference);
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn may_stay(
        &self,
        key: &CollectionKey,
        held: &BTreeSet<CollectionKey>,
        unreachable: &BTreeSet<CollectionKey>,
    ) -> bool {
        let Some(node) = self.node(key) else {
            return true;
        };
        held.contains(key)
            || unreachable.contains(key)
            || node.collection.erasure != CollectionErasure::Delete
            || node.collection.retention.is_some()
            || !node.guards.is_empty()
            || !node.blockers.is_empty()
    }

    fn add_blocker(&mut self, from: &CollectionKey, reference: &Reference) -> bool {
        let same_system = self.node(from).map(|node| node.collection.system.clone());
        let Some(target) = self
            .number(&reference.to)
            .and_then(|number| self.nodes.get_mut(number))
        else {
            return false;
        };
        let pointer = Pointer::of(from, reference);
        // A guard already keeps the row untouched, and another system can't refuse the deletion.
        if same_system.as_ref() != Some(&target.collection.system)
            || target.guards.contains(&pointer)
            || target.blockers.contains(&pointer)
        {
            return false;
        }
        target.blockers.push(pointer);
        true
    }
}

impl Node {
    fn with_identities(collection: &Collection) -> Self {
        let ways = collection
            .fields
            .iter()
            .filter_map(|field| {
                let identity = field.identity.as_ref()?;
                let way = Way {
                    fields: vec![field.name.clone()],
                    ignore_case: identity.ignore_case,
                };
                Some(WayIn {
                    way,
                    identity: Some(identity.kind.clone()),
                })
            })
            .collect();
        Self {
            collection: collection.clone(),
            ways,
            edges: Vec::new(),
            guards: Vec::new(),
            blockers: Vec::new(),
            pointed_at: BTreeSet::new(),
            compared: BTreeSet::new(),
        }
    }

    /// The number of the way in by these fields, made if it isn't there yet. A reference shares an identity's way when
    /// both compare exactly.
    fn way_by(&mut self, fields: &[FieldName]) -> usize {
        if let Some(number) = self
            .ways
            .iter()
            .position(|way| way.way.fields == fields && !way.way.ignore_case)
        {
            return number;
        }
        self.ways.push(WayIn {
            way: Way {
                fields: fields.to_vec(),
                ignore_case: false,
            },
            identity: None,
        });
        self.ways.len() - 1
    }

    /// Fields whose values a search must bring back: those of its ways (to tell whose row it is) and of its edges.
    pub fn searched_fields(&self) -> Vec<FieldName> {
        let mut fields: Vec<FieldName> = self
            .ways
            .iter()
            .flat_map(|way| way.way.fields.iter())
            .cloned()
            .collect();
        fields.extend(
            self.edges
                .iter()
                .flat_map(|edge| edge.fields.iter())
                .chain(&self.compared)
                .cloned(),
        );
        if self.ways.len() > 1 {
            fields.extend(self.collection.primary_key.iter().cloned());
        }
        let mut seen = BTreeSet::new();
        fields.retain(|field| seen.insert(field.clone()));
        fields
    }
}

impl Pointer {
    fn of(from: &CollectionKey, reference: &Reference) -> Self {
        let pairs = reference
            .fields
            .iter()
            .cloned()
            .zip(reference.to_fields.iter().cloned())
            .collect();
        Self {
            from: from.clone(),
            pairs,
        }
    }
}

/// The owner's guards in terms of the owned row's fields; a guard that compares a field which the owned row doesn't
/// carry can't be told and is left out (`data-map check` reports such collections).
fn translate(guards: &[Pointer], reference: &Reference) -> Vec<Pointer> {
    let here_for: BTreeMap<_, _> = reference.to_fields.iter().zip(&reference.fields).collect();
    guards
        .iter()
        .filter_map(|guard| {
            let pairs: Option<Vec<_>> = guard
                .pairs
                .iter()
                .map(|(there, owner)| {
                    here_for
                        .get(owner)
                        .map(|here| (there.clone(), (*here).clone()))
                })
                .collect();
            pairs.map(|pairs| Pointer {
                from: guard.from.clone(),
                pairs,
            })
        })
        .collect()
}

/// Tarjan's algorithm, without recursion: groups of nodes that reach each other, each group after all that it leads to.
fn strongly_connected(leads_to: &BTreeMap<usize, Vec<usize>>) -> Vec<Vec<usize>> {
    let mut state = Tarjan::default();
    for &start in leads_to.keys() {
        if !state.index.contains_key(&start) {
            state.visit(start, leads_to);
        }
    }
    state.groups
}

#[derive(Default)]
struct Tarjan {
    index: BTreeMap<usize, usize>,
    low: BTreeMap<usize, usize>,
    stack: Vec<usize>,
    groups: Vec<Vec<usize>>,
}

impl Tarjan {
    fn visit(&mut self, start: usize, leads_to: &BTreeMap<usize, Vec<usize>>) {
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        self.open(start);
        while let Some((node, next)) = path.pop() {
            match leads_to.get(&node).and_then(|targets| targets.get(next)) {
                Some(&target) => {
                    path.push((node, next + 1));
                    if !self.index.contains_key(&target) {
                        self.open(target);
                        path.push((target, 0));
                    } else if self.stack.contains(&target) {
                        self.lower(node, self.index.get(&target).copied());
                    }
                }
                None => {
                    self.close(node);
                    if let Some(&(parent, _)) = path.last() {
                        self.lower(parent, self.low.get(&node).copied());
                    }
                }
            }
        }
    }

    fn open(&mut self, node: usize) {
        let number = self.index.len();
        self.index.insert(node, number);
        self.low.insert(node, number);
        self.stack.push(node);
    }

    fn lower(&mut self, node: usize, to: Option<usize>) {
        if let (Some(low), Some(to)) = (self.low.get_mut(&node), to) {
            *low = (*low).min(to);
        }
    }

    fn close(&mut self, node: usize) {
        if self.low.get(&node) != self.index.get(&node) {
            return;
        }
        let from = self
            .stack
            .iter()
            .position(|open| *open == node)
            .unwrap_or(self.stack.len());
        let mut group = self.stack.split_off(from);
        group.sort_unstable();
        self.groups.push(group);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn rows_that_point_go_before_rows_pointed_at_and_circles_go_together() {
        // 0 customer is pointed at by 1 orders, which is pointed at by 2 items; 3 and 4 point at each other.
        let leads_to = BTreeMap::from([
            (0, vec![1]),
            (1, vec![2]),
            (2, vec![]),
            (3, vec![4]),
            (4, vec![3]),
        ]);
        let order = strongly_connected(&leads_to);
        let place = |node: usize| {
            order
                .iter()
                .position(|group| group.contains(&node))
                .unwrap()
        };
        assert!(place(2) < place(1) && place(1) < place(0));
        assert_eq!(order[place(3)], vec![3, 4]);
    }
}
