//! From what a search counted to what the plan says of each collection: what goes, what stays, and why.
//!
//! Law: Cal. Civ. Code 1798.105(d) (exceptions), 11 CCR 7022(f) (delete the rest, explain what stays).

use std::collections::{BTreeMap, BTreeSet};

use domain::data_map::graph::Node;
use domain::data_map::{Collection, CollectionErasure, CollectionKey, KeepReason, SystemKind};
use domain::fate::Tally;
use domain::plan::{Kept, Plan, PlannedCollection};
use domain::privacy_request::RequestKind;
use domain::traversal::Counted;

use crate::Privity;
use crate::legal_hold::Holds;
use crate::search::Found;

/// The plan for one subject, by her place in the batch whose holds these are.
pub(crate) fn plan(
    p: &Privity,
    kind: RequestKind,
    found: &Found,
    subject: usize,
    holds: &Holds,
) -> Plan {
    let held = |key: &CollectionKey| holds.reason(subject, key);
    let searched = p
        .graph()
        .nodes()
        .iter()
        .filter(|node| found.located.lookups.contains_key(&node.collection.key));
    let collections: Vec<PlannedCollection> = searched
        .filter(|node| system_kind(p, node) != Some(SystemKind::Manual))
        .map(|node| planned(p, kind, node, found, &held))
        .collect();
    let of_deletion = collections
        .iter()
        .filter(|planned| kind == RequestKind::Delete && planned.rows > 0)
        .map(|planned| &planned.collection);
    let minded = of_deletion.filter(|key| held(key).is_some());
    let manual = p
        .map()
        .systems
        .values()
        .filter(|system| system.kind == SystemKind::Manual)
        .map(|system| system.key.clone());
    Plan {
        made_at: p.now(),
        held: minded.cloned().collect(),
        collections,
        manual: manual.collect(),
        disclosed: Vec::new(),
    }
}

/// Why the subject's rows in a collection are held, if they are.
type Held<'a> = dyn Fn(&CollectionKey) -> Option<&'a KeepReason> + 'a;

fn system_kind(p: &Privity, node: &Node) -> Option<SystemKind> {
    p.map()
        .systems
        .get(&node.collection.system)
        .map(|system| system.kind)
}

fn planned(
    p: &Privity,
    kind: RequestKind,
    node: &Node,
    found: &Found,
    held: &Held<'_>,
) -> PlannedCollection {
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
        categories: node
            .collection
            .fields
            .iter()
            .filter(|field| field.is_personal())
            .filter_map(|field| field.category.clone())
            .collect(),
    };
    if kind == RequestKind::Delete && counted.rows > 0 {
        decide(p, &mut planned, node, found, held, counted);
    }
    planned
}

fn decide(
    p: &Privity,
    planned: &mut PlannedCollection,
    node: &Node,
    found: &Found,
    held: &Held<'_>,
    counted: Counted,
) {
    if let Some(reason) = whole_reason(&node.collection, held) {
        planned.kept.push(Kept {
            rows: counted.rows,
            reason,
        });
        return;
    }
    let tally = found
        .fates
        .get(&node.collection.key)
        .copied()
        .unwrap_or_else(|| of_itself(&node.collection, counted));
    if let Some(rule) = node
        .collection
        .retention
        .as_ref()
        .filter(|_| tally.kept > 0)
    {
        planned.kept.push(Kept {
            rows: tally.kept,
            reason: rule.reason.clone(),
        });
    }
    if tally.attached > 0 {
        planned.kept.push(Kept {
            rows: tally.attached,
            reason: belongs_to_what_stays(p, node, found, held),
        });
    }
    if tally.shared > 0 {
        planned.kept.push(Kept {
            rows: tally.shared,
            reason: belongs_to_somebody_else(),
        });
    }
    (planned.delete, planned.redact) = (tally.delete, tally.redact);
}

/// What becomes of rows that nothing points at and that point at nothing.
fn of_itself(collection: &Collection, counted: Counted) -> Tally {
    let goes = counted.rows - counted.retained;
    let tally = Tally {
        kept: counted.retained,
        ..Tally::default()
    };
    if collection.erasure == CollectionErasure::Delete {
        Tally {
            delete: goes,
            ..tally
        }
    } else {
        Tally {
            redact: goes,
            ..tally
        }
    }
}

/// Why all her rows in the collection stay, if they do.
fn whole_reason(collection: &Collection, held: &Held<'_>) -> Option<KeepReason> {
    match (held(&collection.key), &collection.erasure) {
        (Some(reason), _) | (None, CollectionErasure::Keep(reason)) => Some(reason.clone()),
        _ => None,
    }
}

/// Why a detail of something of hers that stays, stays: for the reason of what points at it and really stays.
fn belongs_to_what_stays(p: &Privity, node: &Node, found: &Found, held: &Held<'_>) -> KeepReason {
    let mut seen = BTreeSet::from([node.collection.key.clone()]);
    reason_of_what_points_here(p, node, found, held, &mut seen).unwrap_or_else(|| KeepReason {
        explanation: "another record refers to an entry that has to stay, and this is part of it"
            .to_owned(),
        ..belongs_to_somebody_else()
    })
}

fn reason_of_what_points_here(
    p: &Privity,
    node: &Node,
    found: &Found,
    held: &Held<'_>,
    seen: &mut BTreeSet<CollectionKey>,
) -> Option<KeepReason> {
    let pointers = node.guards.iter().chain(&node.blockers);
    let pointing: Vec<&Node> = pointers
        .filter_map(|pointer| p.graph().node(&pointer.from))
        .filter(|from| seen.insert(from.collection.key.clone()))
        .collect();
    let direct = pointing
        .iter()
        .find_map(|from| stays_for(from, found, held));
    // What points here may itself be a detail of something that stays.
    direct.or_else(|| {
        let mut details = pointing.iter().filter(|from| {
            let fate = found.fates.get(&from.collection.key);
            fate.is_some_and(|tally| tally.attached > 0)
        });
        details.find_map(|from| reason_of_what_points_here(p, from, found, held, seen))
    })
}

/// Why rows of hers in this collection stay, if any do.
fn stays_for(node: &Node, found: &Found, held: &Held<'_>) -> Option<KeepReason> {
    let key = &node.collection.key;
    let counted = found.counted.get(key).filter(|counted| counted.rows > 0)?;
    let kept = found
        .fates
        .get(key)
        .map_or(counted.retained, |tally| tally.kept);
    let retention = node.collection.retention.as_ref().filter(|_| kept > 0);
    whole_reason(&node.collection, held).or_else(|| Some(retention?.reason.clone()))
}

/// 1798.145: the rights of other people.
pub fn belongs_to_somebody_else() -> KeepReason {
    KeepReason {
        code: "X7_belongs_to_other_person".to_owned(),
        explanation: "somebody else's records refer to the same entry, so it is theirs as well"
            .to_owned(),
    }
}

/// Rows by data category, for an answer in categories.
pub fn rows_by_category(plan: &Plan) -> BTreeMap<String, u64> {
    let mut rows = BTreeMap::new();
    for collection in plan
        .collections
        .iter()
        .filter(|collection| collection.rows > 0)
    {
        for category in &collection.categories {
            *rows.entry(category.clone()).or_default() += collection.rows;
        }
    }
    rows
}
