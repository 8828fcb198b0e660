//! What a client can learn of us (RFC 7644 4): what is supported, which resources there are, and which of their attributes are kept here.

use std::collections::BTreeMap;

use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::data_map::ValueKind;
use domain::profile::AttributeRule;
use domain::scim::Path;
use governance::Problem;
use governance::profile::ScimMapping;
use serde_json::{Value, json};

use super::Call;
use super::answer::{Refused, answer, plain_list};
use super::resource::USER;
use crate::Shared;
use crate::api::operator::Operator;

const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

pub(super) async fn provider(State(app): Shared, operator: Operator) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    let base = &call.app.privity.settings().base_url;
    let body = json!({
        "schemas": [CONFIG],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": governance::profile::record::MOST},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": true},
        "authenticationSchemes": [{"type": "oauthbearertoken", "name": "Operator key", "description": "The key that `privity operator add NAME` printed, as a Bearer token.", "primary": true}],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/scim/v2/ServiceProviderConfig")},
    });
    Ok(answer(StatusCode::OK, &body))
}

pub(super) async fn resource_types(
    State(app): Shared,
    operator: Operator,
) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    Ok(plain_list(&[user_type(&call)]))
}

pub(super) async fn resource_type(
    State(app): Shared,
    operator: Operator,
    UrlPath(id): UrlPath<String>,
) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    if id != "User" {
        return Err(Problem::not_found("resource type").into());
    }
    Ok(answer(StatusCode::OK, &user_type(&call)))
}

fn user_type(call: &Call<'_>) -> Value {
    let base = &call.app.privity.settings().base_url;
    let extensions = schemas_of(call.mapping)
        .into_keys()
        .filter(|schema| schema != USER)
        .map(|schema| json!({"schema": schema, "required": false}));
    json!({
        "schemas": [RESOURCE_TYPE],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "description": "A record of one source in the profiles.",
        "schema": USER,
        "schemaExtensions": extensions.collect::<Vec<_>>(),
        "meta": {"resourceType": "ResourceType", "location": format!("{base}/scim/v2/ResourceTypes/User")},
    })
}

pub(super) async fn schemas(State(app): Shared, operator: Operator) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    let schemas = schemas_of(call.mapping);
    let described: Vec<Value> = schemas
        .iter()
        .map(|(id, places)| described(&call, id, places))
        .collect();
    Ok(plain_list(&described))
}

pub(super) async fn schema(
    State(app): Shared,
    operator: Operator,
    UrlPath(id): UrlPath<String>,
) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    let schemas = schemas_of(call.mapping);
    let places = schemas
        .get(&id)
        .ok_or_else(|| Problem::not_found("schema"))?;
    Ok(answer(StatusCode::OK, &described(&call, &id, places)))
}

type Places<'a> = Vec<&'a (Path, AttributeRule)>;

/// The mapped places by their schema.
fn schemas_of(mapping: &ScimMapping) -> BTreeMap<String, Places<'_>> {
    let mut schemas: BTreeMap<String, Places<'_>> = BTreeMap::new();
    for place in &mapping.places {
        let (attribute, ..) = place.0.names();
        let schema = if attribute.starts_with("urn:") {
            attribute
        } else {
            USER
        };
        schemas.entry(schema.to_owned()).or_default().push(place);
    }
    schemas
}

fn described(call: &Call<'_>, id: &str, places: &Places<'_>) -> Value {
    let mut attributes: Vec<Value> = Vec::new();
    for (place, rule) in places {
        let (attribute, _, part) = place.names();
        let name = if attribute.starts_with("urn:") {
            part.unwrap_or_default()
        } else {
            attribute
        };
        let part = part.filter(|_| !attribute.starts_with("urn:"));
        let known = attributes
            .iter_mut()
            .find(|known| known.get("name").is_some_and(|known| known == name));
        match (part, known) {
            (None, _) => attributes.push(simple(name, rule)),
            (Some(part), Some(known)) => add_part(known, part, rule),
            (Some(part), None) => {
                let mut whole = json!({"name": name, "type": "complex", "multiValued": place.is_several(), "description": name, "required": false, "mutability": "readWrite", "returned": "default", "uniqueness": "none", "subAttributes": []});
                if place.is_several() {
                    add_type(&mut whole);
                }
                add_part(&mut whole, part, rule);
                attributes.push(whole);
            }
        }
    }
    let base = &call.app.privity.settings().base_url;
    let name = id.rsplit(':').next().unwrap_or_default();
    json!({"schemas": [SCHEMA], "id": id, "name": name, "description": "What is kept here of it.", "attributes": attributes, "meta": {"resourceType": "Schema", "location": format!("{base}/scim/v2/Schemas/{id}")}})
}

fn simple(name: &str, rule: &AttributeRule) -> Value {
    let is_name = name.eq_ignore_ascii_case("userName");
    let kind = if rule.kind == ValueKind::Boolean {
        "boolean"
    } else {
        "string"
    };
    let unique = if is_name { "server" } else { "none" };
    json!({"name": name, "type": kind, "multiValued": false, "description": rule.title, "required": is_name, "caseExact": false, "mutability": "readWrite", "returned": "default", "uniqueness": unique})
}

fn add_type(whole: &mut Value) {
    let described = json!({"name": "type", "type": "string", "multiValued": false, "description": "Which one.", "required": false, "caseExact": false, "mutability": "readWrite", "returned": "default", "uniqueness": "none"});
    if let Some(parts) = whole.get_mut("subAttributes").and_then(Value::as_array_mut) {
        parts.push(described);
    }
}

fn add_part(whole: &mut Value, part: &str, rule: &AttributeRule) {
    let Some(parts) = whole.get_mut("subAttributes").and_then(Value::as_array_mut) else {
        return;
    };
    if parts
        .iter()
        .all(|known| known.get("name").is_none_or(|known| known != part))
    {
        parts.push(simple(part, rule));
    }
}
