//! From what a search counted to what the plan says of each collection: what goes, what stays, and why.
//!
//! Law: Cal. Civ. Code 1798.105(d) (exceptions), 11 CCR 7022(f) (delete the rest, explain what stays).

use std::collections::{BTreeMap, BTreeSet};

use domain::data_map::graph::Node;
use domain::data_map::{Collection, CollectionErasure, CollectionKey, KeepReason, SystemKind};
use domain::plan::{Kept, Plan, PlannedCollection};
use domain::privacy_request::RequestKind;
use domain::traversal::Counted;

use crate::Privity;
use crate::search::{Found, held};

/// The plan for one subject.
pub(crate) fn plan(p: &Privity, kind: RequestKind, found: &Found) -> Plan {
    let held = held(p);
    let searched = p.graph().nodes().iter().filter(|node| found.located.lookups.contains_key(&node.collection.key));
    let collections = searched.filter(|node| system_kind(p, node) != Some(SystemKind::Manual)).map(|node| planned(p, kind, node, found, &held)).collect();
    let manual = p.map().systems.values().filter(|system| system.kind == SystemKind::Manual).map(|system| system.key.clone());
    Plan { made_at: p.now(), collections, manual: manual.collect() }
}

fn system_kind(p: &Privity, node: &Node) -> Option<SystemKind> {
    p.map().systems.get(&node.collection.system).map(|system| system.kind)
}

fn planned(p: &Privity, kind: RequestKind, node: &Node, found: &Found, held: &BTreeSet<CollectionKey>) -> PlannedCollection {
    let key = &node.collection.key;
    let counted = found.counted.get(key).copied().unwrap_or_default();
    let mut planned = PlannedCollection {
        collection: key.clone(),
        system: node.collection.system.clone(),
        title: node.collection.title.clone(),
        rows: counted.rows,
        delete: 0,
        redact: 0,
        kept: Vec::new(),
        categories: node.collection.fields.iter().filter(|field| field.is_personal()).filter_map(|field| field.category.clone()).collect(),
    };
    if kind == RequestKind::Delete && counted.rows > 0 {
        decide(p, &mut planned, node, found, held, counted);
    }
    planned
}

fn decide(p: &Privity, planned: &mut PlannedCollection, node: &Node, found: &Found, held: &BTreeSet<CollectionKey>, counted: Counted) {
    if let Some(reason) = whole_reason(p, &node.collection, held) {
        planned.kept.push(Kept { rows: counted.rows, reason });
        return;
    }
    let shared = found.shared.get(&node.collection.key).copied().unwrap_or_default().min(counted.rows - counted.retained);
    if let Some(rule) = node.collection.retention.as_ref().filter(|_| counted.retained > 0) {
        planned.kept.push(Kept { rows: counted.retained, reason: rule.reason.clone() });
    }
    if shared > 0 {
        planned.kept.push(Kept { rows: shared, reason: belongs_to_somebody_else() });
    }
    let goes = counted.rows - counted.retained - shared;
    if node.collection.erasure == CollectionErasure::Delete && !is_held_by_own_rows(p, node, found, held) {
        planned.delete = goes;
    } else {
        planned.redact = goes;
    }
}

/// Why the whole collection stays, if it does.
fn whole_reason(p: &Privity, collection: &Collection, held: &BTreeSet<CollectionKey>) -> Option<KeepReason> {
    if held.contains(&collection.key) {
        return p.map().legal_holds.iter().find(|hold| hold.covers.contains(&collection.key)).map(|hold| hold.reason.clone());
    }
    match &collection.erasure {
        CollectionErasure::Keep(reason) => Some(reason.clone()),
        _ => None,
    }
}

/// Whether rows of the subject that stay point at her rows here, so that these can be overwritten but not deleted.
fn is_held_by_own_rows(p: &Privity, node: &Node, found: &Found, held: &BTreeSet<CollectionKey>) -> bool {
    node.blockers.iter().any(|pointer| {
        let counted = found.counted.get(&pointer.from).copied().unwrap_or_default();
        let from = p.graph().node(&pointer.from);
        let stays = from.is_some_and(|from| whole_reason(p, &from.collection, held).is_some() || from.collection.erasure == CollectionErasure::Redact);
        let points = from.is_some_and(|from| from.collection.references.iter().any(|reference| reference.to == node.collection.key && reference.relation != domain::data_map::Relation::Link));
        points && (counted.retained > 0 || (stays && counted.rows > 0))
    })
}

/// 1798.145: the rights of other people.
pub fn belongs_to_somebody_else() -> KeepReason {
    KeepReason { code: "X7_belongs_to_other_person".to_owned(), explanation: "somebody else's records refer to the same entry, so it is theirs as well".to_owned() }
}

/// Rows by data category, for an answer in categories.
pub fn rows_by_category(plan: &Plan) -> BTreeMap<String, u64> {
    let mut rows = BTreeMap::new();
    for collection in plan.collections.iter().filter(|collection| collection.rows > 0) {
        for category in &collection.categories {
            *rows.entry(category.clone()).or_default() += collection.rows;
        }
    }
    rows
}
