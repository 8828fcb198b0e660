//! Fields that searches and erasures compare, but that no index helps to find: with the statement that makes one.

use std::collections::{BTreeMap, BTreeSet};

use connectors::{DescribedCollection, Description};
use domain::data_map::graph::Node;
use domain::data_map::{Collection, FieldName, SystemKey, SystemKind, ValueKind};

use super::drift::live_collection;
use super::{Check, names};
use crate::data_map::finding::Severity;

/// Smaller collections are read through faster than an index is worth.
const FEW_ROWS: u64 = 1_000;

pub(super) fn look_for_missing(check: &mut Check<'_>, live: &BTreeMap<SystemKey, Description>) {
    let mut said: BTreeSet<(String, Vec<FieldName>, bool)> = BTreeSet::new();
    let unreachable = check.graph.unreachable();
    for (system, description) in live {
        let kind = check
            .loaded
            .map
            .systems
            .get(system)
            .map(|system| system.kind);
        if !matches!(
            kind,
            Some(SystemKind::Sqlite | SystemKind::Postgres | SystemKind::Mysql)
        ) {
            continue;
        }
        // What no identifier leads to is never searched, nor erased.
        let nodes = check
            .collections_of(system)
            .into_iter()
            .filter(|node| !unreachable.contains(&node.collection.key))
            .collect::<Vec<_>>();
        for node in nodes {
            for (collection, fields, ignores_case) in looked_up(check, node) {
                let Some(live) =
                    live_collection(description, &collection).filter(|live| live.rows >= FEW_ROWS)
                else {
                    continue;
                };
                let is_new =
                    said.insert((collection.key.to_string(), fields.clone(), ignores_case));
                if is_new {
                    look(check, kind, &collection, live, &fields, ignores_case);
                }
            }
        }
    }
}

/// What is compared with values: the ways into a collection, and the fields by which others point at its rows.
fn looked_up(check: &Check<'_>, node: &Node) -> Vec<(Collection, Vec<FieldName>, bool)> {
    let ways = node.ways.iter().map(|way| {
        (
            node.collection.clone(),
            way.way.fields.clone(),
            way.way.ignore_case,
        )
    });
    let pointers = node
        .guards
        .iter()
        .chain(&node.blockers)
        .filter_map(|pointer| {
            let from = check.graph.node(&pointer.from)?;
            Some((
                from.collection.clone(),
                pointer
                    .pairs
                    .iter()
                    .map(|(there, _)| there.clone())
                    .collect(),
                false,
            ))
        });
    ways.chain(pointers).collect()
}

fn look(
    check: &mut Check<'_>,
    kind: Option<SystemKind>,
    collection: &Collection,
    live: &DescribedCollection,
    fields: &[FieldName],
    ignores_case: bool,
) {
    let is_indexed = live
        .fields
        .iter()
        .any(|column| column.indexed && fields.iter().any(|field| field.as_ref() == column.name));
    // MySQL's usual collations ignore case themselves, so that a plain index serves.
    let needs_lower = ignores_case && kind != Some(SystemKind::Mysql);
    if is_indexed && !needs_lower {
        return;
    }
    let about = fields.first().map_or_else(
        || collection.key.to_string(),
        |field| format!("{}.{field}", collection.key),
    );
    let statement = statement(kind, collection, live, fields, needs_lower);
    if is_indexed {
        let message = format!(
            "`{}` is searched by {} without regard to case, which its plain index doesn't serve",
            collection.key,
            names(fields)
        );
        return check.say(
            Severity::Note,
            &about,
            message,
            format!("unless there is one already, run: {statement}"),
        );
    }
    let message = format!(
        "`{}` ({} rows) is searched by {}, for which it has no index: each search reads all of it",
        collection.key,
        live.rows,
        names(fields)
    );
    check.say(
        Severity::Warning,
        &about,
        message,
        format!("run: {statement}"),
    );
}

/// The statement that makes the index which the connector's comparison can use (docs/guides/connectors.md).
fn statement(
    kind: Option<SystemKind>,
    collection: &Collection,
    live: &DescribedCollection,
    fields: &[FieldName],
    ignores_case: bool,
) -> String {
    let quote = if kind == Some(SystemKind::Mysql) {
        '`'
    } else {
        '"'
    };
    let quoted = |name: &str| {
        format!(
            "{quote}{}{quote}",
            name.replace(quote, &format!("{quote}{quote}"))
        )
    };
    let table = collection.schema.as_ref().map_or_else(
        || quoted(&collection.table),
        |schema| format!("{}.{}", quoted(schema), quoted(&collection.table)),
    );
    let column = |field: &FieldName| match kind {
        Some(SystemKind::Postgres) if ignores_case => format!("lower({})", quoted(field.as_ref())),
        Some(SystemKind::Sqlite) if ignores_case => {
            format!("{} COLLATE NOCASE", quoted(field.as_ref()))
        }
        // MySQL takes long texts into an index only by their beginning.
        Some(SystemKind::Mysql) if is_long(live, field) => {
            format!("{}(191)", quoted(field.as_ref()))
        }
        _ => quoted(field.as_ref()),
    };
    let columns: Vec<String> = fields.iter().map(column).collect();
    let joined: Vec<&str> = fields.iter().map(AsRef::as_ref).collect();
    let index = format!("{}_{}", collection.table, joined.join("_"))
        .to_lowercase()
        .replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    let concurrently = if kind == Some(SystemKind::Postgres) {
        "CONCURRENTLY "
    } else {
        ""
    };
    format!(
        "CREATE INDEX {concurrently}{} ON {table} ({});",
        quoted(&index),
        columns.join(", ")
    )
}

fn is_long(live: &DescribedCollection, field: &FieldName) -> bool {
    let column = live
        .fields
        .iter()
        .find(|column| column.name == field.as_ref());
    column.is_some_and(|column| {
        column.kind == ValueKind::Text && column.max_length.is_none_or(|length| length > 191)
    })
}
