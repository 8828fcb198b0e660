//! How a map differs from the live systems: what was added, dropped or changed since it was written.

use std::collections::BTreeMap;

use connectors::{DescribedCollection, DescribedField, Description};
use domain::data_map::{Collection, Field, FieldErasure, SystemKey, SystemKind, ValueKind};

use super::Check;
use crate::data_map::describe::tokens;
use crate::data_map::finding::Severity;

pub(super) fn compare(check: &mut Check<'_>, live: &BTreeMap<SystemKey, Description>) {
    for (system, description) in live {
        let kind = check
            .loaded
            .map
            .systems
            .get(system)
            .map(|system| system.kind);
        // A service that can't describe itself tells nothing about what is missing.
        let says_nothing = description.collections.is_empty()
            && matches!(kind, Some(SystemKind::Http | SystemKind::Manual));
        if !says_nothing {
            compare_system(check, system, kind, description);
        }
    }
}

/// The collection as the system itself describes it. A map may name the connection's default schema, which the system doesn't.
pub(super) fn live_collection<'d>(
    description: &'d Description,
    collection: &Collection,
) -> Option<&'d DescribedCollection> {
    let named = |live: &&DescribedCollection| {
        live.table == collection.table && live.schema == collection.schema
    };
    let default =
        |live: &&DescribedCollection| live.table == collection.table && live.schema.is_none();
    let mut collections = description.collections.iter();
    collections.find(named).or_else(|| {
        description
            .collections
            .iter()
            .find(default)
            .filter(|_| collection.schema.is_some())
    })
}

fn compare_system(
    check: &mut Check<'_>,
    system: &SystemKey,
    kind: Option<SystemKind>,
    description: &Description,
) {
    let mapped = check.collections_of(system);
    for node in &mapped {
        match live_collection(description, &node.collection) {
            Some(live) => compare_collection(check, &node.collection, live, kind),
            None => dropped(check, &node.collection, description),
        }
    }
    let known: Vec<&DescribedCollection> = mapped
        .iter()
        .filter_map(|node| live_collection(description, &node.collection))
        .collect();
    for live in &description.collections {
        if !known.iter().any(|known| std::ptr::eq(*known, live)) {
            let name = live.schema.as_ref().map_or_else(
                || live.table.clone(),
                |schema| format!("{schema}.{}", live.table),
            );
            let personal = if live.fields.iter().any(looks_personal) {
                ", and by its columns it holds personal data"
            } else {
                ""
            };
            let message = format!(
                "`{system}` has a collection `{name}` that is not in the data map{personal}"
            );
            check.say(
                Severity::Warning,
                system.as_ref(),
                message,
                format!("add it; `privity data-map describe` on `{system}` drafts it"),
            );
        }
    }
}

fn dropped(check: &mut Check<'_>, collection: &Collection, description: &Description) {
    let elsewhere = description
        .collections
        .iter()
        .find(|live| live.table.eq_ignore_ascii_case(&collection.table));
    let hint = elsewhere.map(|live| match &live.schema {
        Some(schema) if Some(schema) != collection.schema.as_ref() => {
            format!("there is one in schema `{schema}`: correct `schema`")
        }
        _ => format!(
            "there is a `{}`: correct the spelling, or write `table: {}`",
            live.table, live.table
        ),
    });
    let message = format!(
        "`{}` is in the data map, but `{}` has no such collection",
        collection.key, collection.system
    );
    check.say(
        Severity::Error,
        collection.key.as_ref(),
        message,
        hint.unwrap_or_else(|| "remove it from the map, or grant the right to see it".to_owned()),
    );
}

fn looks_personal(field: &DescribedField) -> bool {
    tokens(&field.name).iter().any(|word| {
        ["email", "phone", "birth", "ssn", "password", "address"].contains(&word.as_str())
    })
}

fn compare_collection(
    check: &mut Check<'_>,
    collection: &Collection,
    live: &DescribedCollection,
    kind: Option<SystemKind>,
) {
    for field in &collection.fields {
        match live
            .fields
            .iter()
            .find(|column| column.name == field.name.as_ref())
        {
            Some(column) => compare_field(check, collection, field, column, kind),
            None => {
                let about = format!("{}.{}", collection.key, field.name);
                let message = format!(
                    "`{about}` is in the data map, but the live collection has no such field"
                );
                check.say(
                    Severity::Error,
                    &about,
                    message,
                    "remove it from the map, or correct its name",
                );
            }
        }
    }
    for column in live.fields.iter().filter(|column| {
        !collection
            .fields
            .iter()
            .any(|field| field.name.as_ref() == column.name)
    }) {
        let message = format!(
            "`{}` has a live field `{}` that is not in the data map: it is neither disclosed nor overwritten",
            collection.key, column.name
        );
        check.say(
            Severity::Warning,
            collection.key.as_ref(),
            message,
            format!("add `{}:` with its category to `fields`", column.name),
        );
    }
    compare_keys(check, collection, live);
}

fn compare_keys(check: &mut Check<'_>, collection: &Collection, live: &DescribedCollection) {
    let same_key = collection.primary_key.len() == live.primary_key.len()
        && collection
            .primary_key
            .iter()
            .all(|name| live.primary_key.iter().any(|own| own == name.as_ref()));
    if !same_key {
        let message = format!(
            "the live primary key of `{}` is [{}]",
            collection.key,
            live.primary_key.join(", ")
        );
        check.say(
            Severity::Warning,
            collection.key.as_ref(),
            message,
            format!("write `primary_key: [{}]`", live.primary_key.join(", ")),
        );
    }
    for reference in &live.references {
        let is_known = collection.references.iter().any(|known| {
            known
                .fields
                .iter()
                .map(AsRef::as_ref)
                .eq(reference.fields.iter().map(String::as_str))
        });
        if !is_known {
            let message = format!(
                "a live foreign key leads from `{}` ({}) to `{}`, which the data map doesn't know: an erasure could fail on it",
                collection.key,
                reference.fields.join(", "),
                reference.to_table
            );
            check.say(
                Severity::Warning,
                collection.key.as_ref(),
                message,
                "add it to `references`; `relation: link` if it isn't to be followed",
            );
        }
    }
}

fn compare_field(
    check: &mut Check<'_>,
    collection: &Collection,
    field: &Field,
    column: &DescribedField,
    kind: Option<SystemKind>,
) {
    let about = format!("{}.{}", collection.key, field.name);
    if !is_compatible(field.kind, column.kind, kind) {
        let message = format!(
            "`{about}` is `{}` in the data map, but the live type is `{}`",
            word(field.kind),
            column.declared_type
        );
        check.say(
            Severity::Warning,
            &about,
            message,
            format!("write `type: {}`", word(column.kind)),
        );
    }
    if matches!(kind, Some(SystemKind::Http)) {
        return;
    }
    if field.nullable && !column.nullable {
        let is_emptied = matches!(field.erasure, Some(FieldErasure::Null))
            || (field.erasure.is_none() && field.is_personal());
        let severity = if is_emptied {
            Severity::Error
        } else {
            Severity::Warning
        };
        check.say(
            severity,
            &about,
            format!("`{about}` may not be empty in the live system, but the data map says it may"),
            "write `nullable: false`, and another `erasure` than `null`",
        );
    }
    if let Some(longest) = column
        .max_length
        .filter(|longest| field.max_length.is_none_or(|mapped| mapped > *longest))
    {
        check.say(
            Severity::Warning,
            &about,
            format!("`{about}` takes at most {longest} characters in the live system"),
            format!("write `max_length: {longest}`"),
        );
    }
    if column.unique && !field.unique && field.is_personal() {
        check.say(
            Severity::Warning,
            &about,
            format!(
                "`{about}` must be unique in the live system, which an overwriting must respect"
            ),
            "write `unique: true`",
        );
    }
}

/// Whether both types are read the same way. SQLite keeps dates and documents as text.
fn is_compatible(mapped: ValueKind, live: ValueKind, system: Option<SystemKind>) -> bool {
    use ValueKind::{Boolean, Date, Decimal, Integer, Json, Other, Text, Timestamp, Uuid};
    let numbers = [Integer, Decimal, Boolean];
    let texts = [Text, Date, Timestamp, Uuid, Json, Other];
    let both = |kinds: &[ValueKind]| kinds.contains(&mapped) && kinds.contains(&live);
    let is_loose = matches!(system, Some(SystemKind::Sqlite | SystemKind::Http));
    mapped == live || both(&[Integer, Decimal]) || (is_loose && (both(&numbers) || both(&texts)))
}

fn word(kind: ValueKind) -> String {
    serde_json::to_string(&kind)
        .unwrap_or_default()
        .trim_matches('"')
        .to_owned()
}
