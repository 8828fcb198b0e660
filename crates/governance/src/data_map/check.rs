//! Looks at a map that could be read for what it forgets: data that no privacy request would find, rows that would go or stay
//! wrongly, searches that would be slow, and differences to the live systems.

mod drift;
mod index;

use std::collections::{BTreeMap, BTreeSet};

use connectors::Description;
use domain::data_map::graph::{Node, SearchGraph};
use domain::data_map::{
    Collection, CollectionErasure, CollectionKey, Field, FieldErasure, FieldName, Reference,
    Relation, SystemKey, SystemKind,
};
use domain::recipient::{ChannelKind, VerificationLevel};

use super::LoadedMap;
use super::finding::{Finding, Severity};

/// Everything worth saying about a map, the gravest first. With `live`, also how it differs from the systems as they are.
pub fn check(loaded: &LoadedMap, live: Option<&BTreeMap<SystemKey, Description>>) -> Vec<Finding> {
    let graph = SearchGraph::new(&loaded.map);
    let mut check = Check {
        loaded,
        graph: &graph,
        findings: Vec::new(),
    };
    check.identities();
    for node in graph.nodes() {
        check.fields(&node.collection);
        check.relations(&node.collection);
        check.keys_that_stay(node);
        check.guards(&node.collection);
    }
    check.recipients();
    if let Some(live) = live {
        drift::compare(&mut check, live);
        index::look_for_missing(&mut check, live);
    }
    let mut findings = check.findings;
    findings.sort_by(|a, b| {
        (a.severity, &a.place.file, a.place.line, &a.place.about).cmp(&(
            b.severity,
            &b.place.file,
            b.place.line,
            &b.place.about,
        ))
    });
    findings
}

struct Check<'a> {
    loaded: &'a LoadedMap,
    graph: &'a SearchGraph,
    findings: Vec<Finding>,
}

impl<'a> Check<'a> {
    fn say(
        &mut self,
        severity: Severity,
        about: &str,
        message: String,
        what_to_do: impl Into<String>,
    ) {
        self.findings.push(Finding {
            severity,
            place: self.loaded.place(about),
            message,
            what_to_do: what_to_do.into(),
        });
    }

    /// Collections that no identifier leads to are never searched.
    fn identities(&mut self) {
        let searched = |collection: &Collection| {
            self.loaded
                .map
                .systems
                .get(&collection.system)
                .is_none_or(|system| system.kind != SystemKind::Manual)
        };
        let collections: Vec<&Collection> = self
            .graph
            .nodes()
            .iter()
            .map(|node| &node.collection)
            .filter(|collection| searched(collection))
            .collect();
        let has_identity = collections.iter().any(|collection| {
            collection
                .fields
                .iter()
                .any(|field| field.identity.is_some())
        });
        if !has_identity && collections.iter().any(|collection| is_personal(collection)) {
            let what_to_do =
                "add `identity: email` to the field that holds subjects' e-mail addresses";
            return self.say(
                Severity::Error,
                "",
                "no field has an `identity`, so no subject can be found anywhere".to_owned(),
                what_to_do,
            );
        }
        let unreachable = self.graph.unreachable();
        for collection in collections
            .into_iter()
            .filter(|collection| unreachable.contains(&collection.key) && is_personal(collection))
        {
            let personal: Vec<&str> = collection
                .fields
                .iter()
                .filter(|field| field.is_personal())
                .map(|field| field.name.as_ref())
                .collect();
            let message = format!(
                "`{}` holds personal data ({}), but no identifier leads to it: nobody's rows are ever found here",
                collection.key,
                listed(&personal)
            );
            self.say(Severity::Warning, collection.key.as_ref(), message, "add an `identity`, or a reference with `relation: owned_by` to the collection that it belongs to; or correct the categories");
        }
    }

    fn fields(&mut self, collection: &Collection) {
        for field in collection
            .fields
            .iter()
            .filter(|field| field.category.is_none())
        {
            let about = format!("{}.{}", collection.key, field.name);
            let message = format!(
                "`{about}` has no category, so it counts as not personal: it is neither disclosed by category nor overwritten"
            );
            self.say(
                Severity::Warning,
                &about,
                message,
                "add `category:`; `system.operations` for what is not personal",
            );
        }
        let guessed: Vec<&str> = collection
            .fields
            .iter()
            .filter(|field| {
                self.confidence(collection, &field.name)
                    .is_some_and(|confidence| confidence < 0.7)
            })
            .map(|field| field.name.as_ref())
            .collect();
        if !guessed.is_empty() {
            let message = format!(
                "in `{}` categories were only guessed, with a confidence below 0.7: {}",
                collection.key,
                listed(&guessed)
            );
            self.say(
                Severity::Note,
                collection.key.as_ref(),
                message,
                "look at them, correct the category, and remove `confidence`",
            );
        }
    }

    fn confidence(&self, collection: &Collection, field: &FieldName) -> Option<f64> {
        self.loaded
            .origin
            .confidence
            .get(&(collection.key.clone(), field.clone()))
            .copied()
    }

    fn relations(&mut self, collection: &Collection) {
        let mut owners: BTreeMap<&CollectionKey, &Reference> = BTreeMap::new();
        for reference in &collection.references {
            let about = place_of(collection, reference);
            let Some(there) = self.loaded.map.collections.get(&reference.to) else {
                continue;
            };
            if reference.relation == Relation::OwnedBy
                && let Some(other) = owners.insert(&reference.to, reference)
            {
                let message = format!(
                    "rows of `{}` belong to `{}` both by {} and by {}: each row would be two subjects'",
                    collection.key,
                    reference.to,
                    names(&other.fields),
                    names(&reference.fields)
                );
                self.say(
                    Severity::Warning,
                    &about,
                    message,
                    "write `relation: link` at the one that doesn't mean the subject",
                );
            }
            if reference.relation == Relation::Detail && there.system != collection.system {
                let message = format!(
                    "`{}` is a detail of `{}`, but in another system, where nothing can tell whether it is somebody else's too: its rows are not searched",
                    there.key, collection.key
                );
                self.say(Severity::Error, &about, message, "write `relation: same_subject` if both are always about one subject, else `link`");
            }
            if reference.relation == Relation::Detail
                && there.fields.iter().any(|field| field.identity.is_some())
            {
                let message = format!(
                    "`{}` is a detail of `{}`, but has an identifier of its own: it may be somebody else's",
                    there.key, collection.key
                );
                self.say(Severity::Warning, &about, message, "write `relation: link`, or `same_subject` if both are always about one subject");
            }
            if reference.relation != Relation::Link {
                self.compare_kinds(collection, reference, there, &about);
            }
        }
    }

    fn compare_kinds(
        &mut self,
        collection: &Collection,
        reference: &Reference,
        there: &Collection,
        about: &str,
    ) {
        for (here, to) in reference.fields.iter().zip(&reference.to_fields) {
            let (Some(here), Some(to)) = (collection.field(here), there.field(to)) else {
                continue;
            };
            if here.kind != to.kind {
                let message = format!(
                    "`{}.{}` and `{}.{}` are compared, but have different types",
                    collection.key, here.name, there.key, to.name
                );
                self.say(
                    Severity::Warning,
                    about,
                    message,
                    "correct `type` if the source systems agree; values are compared as text",
                );
            }
        }
    }

    /// Keys aren't overwritten, or nothing would hold together: personal data in them stays with the row.
    fn keys_that_stay(&mut self, node: &Node) {
        let collection = &node.collection;
        let held = self
            .loaded
            .map
            .legal_holds
            .iter()
            .any(|hold| hold.covers.contains(&collection.key));
        let keeps_all = matches!(collection.erasure, CollectionErasure::Keep(_));
        let may_stay = held
            || collection.erasure != CollectionErasure::Delete
            || collection.retention.is_some()
            || !node.guards.is_empty()
            || !node.blockers.is_empty();
        if !may_stay || keeps_all {
            return;
        }
        let referring: BTreeSet<&FieldName> = collection
            .references
            .iter()
            .flat_map(|reference| &reference.fields)
            .collect();
        let is_key = |field: &Field| {
            collection.primary_key.contains(&field.name) || referring.contains(&field.name)
        };
        let is_number = |field: &Field| {
            field
                .category
                .as_deref()
                .is_some_and(|category| category.starts_with("user.unique_id"))
        };
        for field in collection.fields.iter().filter(|field| {
            is_key(field) && field.is_personal() && !is_number(field) && field.erasure.is_none()
        }) {
            let about = format!("{}.{}", collection.key, field.name);
            let message = format!(
                "`{about}` is part of a key and holds personal data, which stays when the row has to stay"
            );
            self.say(Severity::Warning, &about, message, "add `erasure: hash` (text) or `redact` if the source system lets the key change, or `erasure: {keep: ...}` with the reason");
        }
    }

    /// A shared row's children must carry what tells that it is shared.
    fn guards(&mut self, collection: &Collection) {
        for reference in collection
            .references
            .iter()
            .filter(|reference| reference.relation == Relation::OwnedBy)
        {
            let guards = self
                .graph
                .node(&reference.to)
                .map(|owner| owner.guards.as_slice())
                .unwrap_or_default();
            let aside = self
                .loaded
                .map
                .collections
                .get(&reference.to)
                .is_some_and(|owner| owner.system != collection.system);
            let carried = |field: &FieldName| !aside && reference.to_fields.contains(field);
            let Some(guard) = guards
                .iter()
                .find(|guard| !guard.pairs.iter().all(|(_, owner)| carried(owner)))
            else {
                continue;
            };
            let lacking: Vec<&str> = guard
                .pairs
                .iter()
                .map(|(_, owner)| owner)
                .filter(|owner| !carried(owner))
                .map(AsRef::as_ref)
                .collect();
            let message = format!(
                "rows of `{}` belong to rows of `{}`, which several subjects may share through `{}`; but they don't carry {} in the same system, so they would go even when the shared row stays",
                collection.key,
                reference.to,
                guard.from,
                listed(&lacking)
            );
            self.say(
                Severity::Warning,
                &place_of(collection, reference),
                message,
                "refer to those fields as well, or write `relation: link` and `erasure: redact`",
            );
        }
    }

    fn recipients(&mut self) {
        let kinds: BTreeSet<_> = self
            .loaded
            .map
            .collections
            .values()
            .flat_map(|collection| &collection.fields)
            .filter_map(|field| field.identity.as_ref())
            .map(|identity| identity.kind.clone())
            .collect();
        for recipient in self.loaded.map.recipients.values() {
            let about = format!("recipient {}", recipient.key);
            let strongest = match recipient.channel {
                ChannelKind::Email => VerificationLevel::Attested,
                ChannelKind::Opendsr | ChannelKind::Webhook => VerificationLevel::Probed,
            };
            if recipient.required_level > strongest {
                let message = format!(
                    "`{}` must prove an outreach up to `{}`, but its channel reaches at most `{}`: no privacy request could ever be fulfilled",
                    recipient.key,
                    recipient.required_level.as_str(),
                    strongest.as_str()
                );
                self.say(
                    Severity::Error,
                    &about,
                    message,
                    "lower `required_level`, or take another channel",
                );
            }
            for kind in recipient
                .known_by
                .iter()
                .filter(|kind| !kinds.contains(*kind) && kind.0 != "email")
            {
                let message = format!(
                    "`{}` knows subjects by `{}`, but no field of the map has that identity",
                    recipient.key, kind.0
                );
                self.say(
                    Severity::Warning,
                    &about,
                    message,
                    "add `identity` to the field that holds it, or correct `known_by`",
                );
            }
        }
    }

    fn collections_of(&self, system: &SystemKey) -> Vec<&'a Node> {
        let graph = self.graph;
        graph
            .nodes()
            .iter()
            .filter(|node| node.collection.system == *system)
            .collect()
    }
}

fn is_personal(collection: &Collection) -> bool {
    collection
        .fields
        .iter()
        .any(|field| field.is_personal() && !matches!(field.erasure, Some(FieldErasure::Keep(_))))
}

fn place_of(collection: &Collection, reference: &Reference) -> String {
    match reference.fields.as_slice() {
        [field] => format!("{}.{field}", collection.key),
        _ => collection.key.to_string(),
    }
}

fn names(fields: &[FieldName]) -> String {
    listed(&fields.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// Up to four names, and how many more.
fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(4)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = names.len().saturating_sub(4);
    if more == 0 {
        shown.join(", ")
    } else {
        format!("{} and {more} more", shown.join(", "))
    }
}
