//! Answers as RFC 7644 wants them: resources with their version, lists, and errors with a `scimType`.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::scim::{Members, ScimError};
use governance::Problem;
use governance::profile::record::ShownRecord;
use serde_json::{Value, json};

use super::Call;
use super::resource::{location, resource};
use crate::failure::Failure;

/// The media type of RFC 7644 8.1.
pub(crate) const SCIM: &str = "application/scim+json";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// Why a call was refused.
pub(in crate::api) enum Refused {
    /// Something in the request is wrong.
    Request(ScimError),
    /// Another one has the name.
    Taken,
    /// Everything else.
    Problem(Problem),
}

impl Refused {
    pub(in crate::api) const fn taken() -> Self {
        Self::Taken
    }
}

impl From<ScimError> for Refused {
    fn from(error: ScimError) -> Self {
        Self::Request(error)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Request(refused) => {
                error(StatusCode::BAD_REQUEST, Some(refused.code), &refused.detail)
            }
            Self::Taken => error(
                StatusCode::CONFLICT,
                Some("uniqueness"),
                "there is a User with this `userName` already",
            ),
            Self::Problem(problem) if problem.code == "invalid_value" => error(
                StatusCode::BAD_REQUEST,
                Some("invalidValue"),
                &problem.title,
            ),
            Self::Problem(problem) => Failure(problem).into_response(),
        }
    }
}

/// An error of RFC 7644 3.12.
pub(crate) fn error(status: StatusCode, code: Option<&str>, detail: &str) -> Response {
    let mut body = json!({"schemas": [ERROR], "status": status.as_str(), "detail": detail});
    if let (Value::Object(members), Some(code)) = (&mut body, code) {
        members.insert("scimType".to_owned(), code.into());
    }
    answer(status, &body)
}

pub(super) fn created(call: &Call<'_>, record: &ShownRecord, wanted: &Members) -> Response {
    with_version(call, record, wanted, StatusCode::CREATED)
}

pub(super) fn one(call: &Call<'_>, record: &ShownRecord, wanted: &Members) -> Response {
    with_version(call, record, wanted, StatusCode::OK)
}

pub(in crate::api) fn gone() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

pub(super) fn not_modified(record: &ShownRecord) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    put(&mut response, ETAG, &version(record));
    response
}

/// A page of a list that has so many resources in all.
pub(in crate::api) fn list(total: u64, start: u64, resources: &[Value]) -> Response {
    let body = json!({"schemas": [LIST], "totalResults": total, "startIndex": start, "itemsPerPage": resources.len(), "Resources": resources});
    answer(StatusCode::OK, &body)
}

/// A list of what the discovery endpoints tell.
pub(super) fn plain_list(resources: &[Value]) -> Response {
    list(resources.len() as u64, 1, resources)
}

/// The version of a record, for `ETag` and `meta.version`.
pub(super) fn version(record: &ShownRecord) -> String {
    format!("W/\"{}\"", record.version)
}

/// The version that a client sends back.
pub(super) fn version_in(text: &str) -> Option<u64> {
    text.strip_prefix("W/\"")?.strip_suffix('"')?.parse().ok()
}

/// Whether the client has this version.
pub(super) fn unchanged(headers: &HeaderMap, record: &ShownRecord) -> bool {
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let ours = version(record);
    known.is_some_and(|known| known.split(',').any(|one| one.trim() == ours))
}

fn with_version(
    call: &Call<'_>,
    record: &ShownRecord,
    wanted: &Members,
    status: StatusCode,
) -> Response {
    let mut response = answer(status, &resource(call, record, wanted));
    put(&mut response, ETAG, &version(record));
    put(&mut response, LOCATION, &location(call, record));
    response
}

/// Adds a header.
pub(in crate::api) fn put(response: &mut Response, name: axum::http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

pub(in crate::api) fn answer(status: StatusCode, body: &Value) -> Response {
    let headers = [(CONTENT_TYPE, SCIM), (CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}
