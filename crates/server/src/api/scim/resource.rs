//! A record as a resource: what its source says, at the places that the business maps.

use domain::data_map::ValueKind;
use domain::scim::{Members, Path};
use governance::profile::record::ShownRecord;
use serde_json::{Map, Value, json};

use super::Call;
use super::answer::version;

/// The schema of a User (RFC 7643 4.1).
pub(in crate::api) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// A record as a resource, with the members that are wanted.
pub(super) fn resource(call: &Call<'_>, record: &ShownRecord, wanted: &Members) -> Value {
    let mut members = Map::new();
    let mut schemas = vec![Value::from(USER)];
    let places = call.mapping.places.iter();
    for (place, rule) in places.filter(|(place, _)| wanted.want(place)) {
        let Some(value) = record.value(&rule.key) else {
            continue;
        };
        let value = match rule.kind {
            ValueKind::Boolean => Value::Bool(value.text() == "true"),
            _ => Value::String(value.text()),
        };
        let (attribute, _, _) = place.names();
        if attribute.starts_with("urn:") && !schemas.iter().any(|schema| schema == attribute) {
            schemas.push(attribute.into());
        }
        put(&mut members, place, value);
    }
    members.insert("schemas".to_owned(), schemas.into());
    members.insert("id".to_owned(), record.id.to_string().into());
    if !wanted.want_meta() {
        return Value::Object(members);
    }
    let meta = json!({
        "resourceType": "User",
        "created": record.created_at.to_string(),
        "lastModified": record.changed_at.to_string(),
        "version": version(record),
        "location": location(call, record),
    });
    members.insert("meta".to_owned(), meta);
    Value::Object(members)
}

/// Where a record is.
pub(super) fn location(call: &Call<'_>, record: &ShownRecord) -> String {
    let base = &call.app.privity.settings().base_url;
    format!("{base}/scim/v2/Users/{}", record.id)
}

/// Puts a value where it belongs.
pub(in crate::api) fn put(members: &mut Map<String, Value>, place: &Path, value: Value) {
    let (attribute, of_type, part) = place.names();
    if place.is_several() {
        let values = members
            .entry(attribute)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(values) = values {
            put_one_of_several(values, of_type, part.unwrap_or("value"), value);
        }
        return;
    }
    match part {
        None => drop(members.insert(attribute.to_owned(), value)),
        Some(part) => {
            let inner = members
                .entry(attribute)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                inner.insert(part.to_owned(), value);
            }
        }
    }
}

fn put_one_of_several(values: &mut Vec<Value>, of_type: Option<&str>, part: &str, value: Value) {
    let is_it = |one: &Value| one.get("type").and_then(Value::as_str) == of_type;
    let at = match values.iter().position(is_it) {
        Some(at) => at,
        None => {
            let mut one = Map::new();
            if let Some(of_type) = of_type {
                one.insert("type".to_owned(), of_type.into());
            }
            values.push(Value::Object(one));
            values.len() - 1
        }
    };
    if let Some(Value::Object(one)) = values.get_mut(at) {
        one.insert(part.to_owned(), value);
    }
}
