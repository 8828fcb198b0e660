//! The data map of a generated business, as a file. JSON is YAML.

use domain::data_map::Relation;
use serde_json::{Map, Value, json};

use super::model::{Field, Kind, Model, System, Table};
use super::spec::{ErasureSpec, FieldStrategy};

/// The file, with the connection of each system.
pub(crate) fn map(model: &Model, main: &Value, aside: &Value) -> String {
    let dataset = |system: System| {
        let tables = model.tables.iter().filter(|table| table.system == system);
        tables
            .map(|table| (table.key.clone(), collection(model, table)))
            .collect::<Map<String, Value>>()
    };
    json!({
        "systems": {"main": {"title": "Main", "connection": main}, "aside": {"title": "Aside", "connection": aside}},
        "datasets": {"main": {"system": "main", "collections": dataset(System::Main)}, "aside": {"system": "aside", "collections": dataset(System::Aside)}},
    })
    .to_string()
}

/// The name by which the plan knows a table.
pub(crate) fn collection_key(table: &Table) -> String {
    format!(
        "{}.{}",
        if table.system == System::Main {
            "main"
        } else {
            "aside"
        },
        table.key
    )
}

fn reason() -> Value {
    json!({"code": "D8_legal_obligation", "explanation": "the law wants it"})
}

fn collection(model: &Model, table: &Table) -> Value {
    let names = |fields: &[usize], of: &Table| {
        fields
            .iter()
            .map(|field| of.fields[*field].name.clone())
            .collect::<Vec<_>>()
    };
    let references: Vec<Value> = table
        .references
        .iter()
        .map(|reference| {
            let there = &model.tables[reference.to];
            json!({"fields": names(&reference.fields, table), "to": collection_key(there), "to_fields": names(&reference.to_fields, there), "relation": relation(reference.relation), "enforced": reference.enforced})
        })
        .collect();
    let fields: Map<String, Value> = table
        .fields
        .iter()
        .map(|field| (field.name.clone(), field_entry(field)))
        .collect();
    let mut entry = json!({"table": table.name, "primary_key": names(&table.primary_key, table), "fields": fields, "references": references});
    match table.erasure {
        ErasureSpec::Delete => {}
        ErasureSpec::Redact => entry["erasure"] = json!("redact"),
        ErasureSpec::Keep => entry["erasure"] = json!({"keep": reason()}),
        ErasureSpec::Retain => {
            entry["retention"] = json!({"keep_for": "7 years", "since": table.fields[table.since.unwrap()].name, "reason": reason()})
        }
    }
    entry
}

fn field_entry(field: &Field) -> Value {
    let kind = match field.kind {
        Kind::Integer => "integer",
        Kind::Text => "text",
        Kind::Date => "date",
    };
    let category = if field.identity {
        "user.contact.email"
    } else if field.personal {
        "user.content"
    } else {
        "system.operations"
    };
    let mut entry = json!({"type": kind, "nullable": field.nullable, "unique": field.unique, "category": category});
    if let Some(length) = field.max_length {
        entry["max_length"] = json!(length);
    }
    if field.identity {
        entry["identity"] = json!("email");
    }
    match field.strategy {
        FieldStrategy::Unsaid => {}
        FieldStrategy::Null => entry["erasure"] = json!("null"),
        FieldStrategy::Redact => entry["erasure"] = json!("redact"),
        FieldStrategy::Hash => entry["erasure"] = json!("hash"),
        FieldStrategy::Keep => entry["erasure"] = json!({"keep": reason()}),
    }
    entry
}

const fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::OwnedBy => "owned_by",
        Relation::SameSubject => "same_subject",
        Relation::Detail => "detail",
        Relation::Link => "link",
    }
}
