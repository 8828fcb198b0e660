//! What a client can learn of us (RFC 7644 4): what is supported, which resources there are, and which of their attributes are kept here.

use std::collections::BTreeMap;

use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::data_map::ValueKind;
use domain::profile::{AttributeNumber, AttributeRule};
use domain::scim::Path;
use governance::Problem;
use governance::profile::record::MOST;
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
    Ok(call.surface().provider())
}

pub(super) async fn resource_types(
    State(app): Shared,
    operator: Operator,
) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    Ok(call.surface().resource_types())
}

pub(super) async fn resource_type(
    State(app): Shared,
    operator: Operator,
    UrlPath(id): UrlPath<String>,
) -> Result<Response, Refused> {
    Call::of(&app, &operator)?.surface().resource_type(&id)
}

pub(super) async fn schemas(State(app): Shared, operator: Operator) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    Ok(call.surface().schemas())
}

pub(super) async fn schema(
    State(app): Shared,
    operator: Operator,
    UrlPath(id): UrlPath<String>,
) -> Result<Response, Refused> {
    Call::of(&app, &operator)?.surface().schema(&id)
}

/// One door as it is described to whoever stands before it.
pub(in crate::api) struct Surface<'a> {
    /// Its address.
    pub(in crate::api) root: String,
    /// What may stand in its resources.
    pub(in crate::api) places: Vec<&'a (Path, AttributeRule)>,
    /// What a resource is found by and keeps.
    pub(in crate::api) record: AttributeNumber,
    /// Whether resources may be written.
    pub(in crate::api) is_writable: bool,
    /// Whether lists are sorted.
    pub(in crate::api) sorts: bool,
    /// What a User is.
    pub(in crate::api) description: &'static str,
    /// How callers show who they are, in two words and in a sentence.
    pub(in crate::api) key: (&'static str, &'static str),
}

type Places<'a> = Vec<&'a (Path, AttributeRule)>;

impl Surface<'_> {
    pub(in crate::api) fn provider(&self) -> Response {
        let (name, words) = self.key;
        let body = json!({
            "schemas": [CONFIG],
            "patch": {"supported": self.is_writable},
            "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": true, "maxResults": MOST},
            "changePassword": {"supported": false},
            "sort": {"supported": self.sorts},
            "etag": {"supported": true},
            "authenticationSchemes": [{"type": "oauthbearertoken", "name": name, "description": words, "primary": true}],
            "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{}/ServiceProviderConfig", self.root)},
        });
        answer(StatusCode::OK, &body)
    }

    pub(in crate::api) fn resource_types(&self) -> Response {
        plain_list(&[self.user_type()])
    }

    pub(in crate::api) fn resource_type(&self, id: &str) -> Result<Response, Refused> {
        if id != "User" {
            return Err(Problem::not_found("resource type").into());
        }
        Ok(answer(StatusCode::OK, &self.user_type()))
    }

    pub(in crate::api) fn schemas(&self) -> Response {
        let schemas = self.by_schema();
        let described = schemas.iter();
        let described: Vec<Value> = described
            .map(|(id, places)| self.described(id, places))
            .collect();
        plain_list(&described)
    }

    pub(in crate::api) fn schema(&self, id: &str) -> Result<Response, Refused> {
        let schemas = self.by_schema();
        let places = schemas
            .get(id)
            .ok_or_else(|| Problem::not_found("schema"))?;
        Ok(answer(StatusCode::OK, &self.described(id, places)))
    }

    fn user_type(&self) -> Value {
        let extensions = self.by_schema().into_keys();
        let extensions = extensions
            .filter(|schema| schema != USER)
            .map(|schema| json!({"schema": schema, "required": false}));
        json!({
            "schemas": [RESOURCE_TYPE],
            "id": "User",
            "name": "User",
            "endpoint": "/Users",
            "description": self.description,
            "schema": USER,
            "schemaExtensions": extensions.collect::<Vec<_>>(),
            "meta": {"resourceType": "ResourceType", "location": format!("{}/ResourceTypes/User", self.root)},
        })
    }

    /// The places by their schema; that of a User is there in any case.
    fn by_schema(&self) -> BTreeMap<String, Places<'_>> {
        let mut schemas = BTreeMap::from([(USER.to_owned(), Places::new())]);
        for place in &self.places {
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

    fn described(&self, id: &str, places: &Places<'_>) -> Value {
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
                (None, _) => attributes.push(self.simple(name, rule)),
                (Some(part), Some(known)) => self.add_part(known, part, rule),
                (Some(part), None) => {
                    let mut whole = json!({"name": name, "type": "complex", "multiValued": place.is_several(), "description": name, "required": false, "mutability": self.mutability(), "returned": "default", "uniqueness": "none", "subAttributes": []});
                    if place.is_several() {
                        self.add_type(&mut whole, &types_of(places, attribute));
                    }
                    self.add_part(&mut whole, part, rule);
                    attributes.push(whole);
                }
            }
        }
        let name = id.rsplit(':').next().unwrap_or_default();
        json!({"schemas": [SCHEMA], "id": id, "name": name, "description": "What is kept here of it.", "attributes": attributes, "meta": {"resourceType": "Schema", "location": format!("{}/Schemas/{id}", self.root)}})
    }

    fn simple(&self, name: &str, rule: &AttributeRule) -> Value {
        let is_name = name.eq_ignore_ascii_case("userName");
        let kind = if rule.kind == ValueKind::Boolean {
            "boolean"
        } else {
            "string"
        };
        let is_key = rule.number == self.record;
        let mutability = if is_key && self.is_writable {
            "immutable"
        } else {
            self.mutability()
        };
        // A record without `active` is one that was deleted, so that whoever leaves it out gets its default.
        let is_required =
            self.is_writable && (is_name || is_key || name.eq_ignore_ascii_case("active"));
        let unique = if is_name { "server" } else { "none" };
        json!({"name": name, "type": kind, "multiValued": false, "description": rule.title, "required": is_required, "caseExact": false, "mutability": mutability, "returned": "default", "uniqueness": unique})
    }

    fn add_type(&self, whole: &mut Value, types: &[&str]) {
        let described = json!({"name": "type", "type": "string", "multiValued": false, "description": "Which one.", "required": false, "caseExact": false, "canonicalValues": types, "mutability": self.mutability(), "returned": "default", "uniqueness": "none"});
        if let Some(parts) = whole.get_mut("subAttributes").and_then(Value::as_array_mut) {
            parts.push(described);
        }
    }

    fn add_part(&self, whole: &mut Value, part: &str, rule: &AttributeRule) {
        let Some(parts) = whole.get_mut("subAttributes").and_then(Value::as_array_mut) else {
            return;
        };
        if parts
            .iter()
            .all(|known| known.get("name").is_none_or(|known| known != part))
        {
            parts.push(self.simple(part, rule));
        }
    }

    const fn mutability(&self) -> &'static str {
        if self.is_writable {
            "readWrite"
        } else {
            "readOnly"
        }
    }
}

/// The types of several values that are kept here.
fn types_of<'p>(places: &Places<'p>, attribute: &str) -> Vec<&'p str> {
    let same = places.iter().map(|(place, _)| place.names());
    let same = same.filter(|(name, ..)| *name == attribute);
    let mut types: Vec<_> = same.filter_map(|(_, of_type, _)| of_type).collect();
    types.dedup();
    types
}
