//! AuthZEN 1.0 (OpenID Authorization API): others enforce reads, and ask here what a recipient may have of a subject.
//!
//! * subject `{"type": "recipient", "id": KEY}`: who will read. A recipient's key asks for itself; that of an application of the business
//!   (role `internal`) for any recipient.
//! * action: the key of the purpose.
//! * resource `{"type": "attribute", "id": KEY, "properties": {"subject": "sub_…"}}`, or `{"by": "email", "value": "…"}` in place of the id; or
//!   `{"type": "profile", "id": "sub_…", "properties": {"attributes": […]}}` for several.
//! * An attribute that goes out masked, coarser, as a token or without its value is a yes with the obligation `redact` for whoever says in
//!   `context.obligations` that it understands that, and a no for everybody else.
//!
//! Evaluations are disclosures: recorded, and entered in the ledger, before they are answered. Searches are decisions without data, and recorded as
//! such. Subjects are never searched for: nobody may list people here.

mod json;
mod message;
mod policy_point;
mod protocol;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};

use self::policy_point::PolicyPoint;
use super::recipient::Recipient;
use crate::failure::Failure;
use crate::{App, Shared};

/// Comes back as it was sent.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/access/v1/evaluation", post(evaluation))
        .route("/access/v1/evaluations", post(evaluations))
        .route("/access/v1/search/subject", post(search_subject))
        .route("/access/v1/search/resource", post(search_resource))
        .route("/access/v1/search/action", post(search_action))
        .route("/.well-known/authzen-configuration", get(configuration))
}

async fn configuration(State(app): Shared) -> Json<Value> {
    let base = &app.privity.settings().base_url;
    Json(json!({
        "policy_decision_point": base,
        "access_evaluation_endpoint": format!("{base}/access/v1/evaluation"),
        "access_evaluations_endpoint": format!("{base}/access/v1/evaluations"),
        "search_subject_endpoint": format!("{base}/access/v1/search/subject"),
        "search_resource_endpoint": format!("{base}/access/v1/search/resource"),
        "search_action_endpoint": format!("{base}/access/v1/search/action"),
    }))
}

async fn evaluation(
    State(app): Shared,
    recipient: Recipient,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let asked = message::read(kind(&headers), &body)?;
    let point = PolicyPoint::of(&app.privity, recipient.0);
    answer(
        &headers,
        &protocol::evaluation(&point, asked.object()).await?,
    )
}

async fn evaluations(
    State(app): Shared,
    recipient: Recipient,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let asked = message::read(kind(&headers), &body)?;
    let point = PolicyPoint::of(&app.privity, recipient.0);
    answer(
        &headers,
        &protocol::evaluations(&point, asked.object()).await?,
    )
}

async fn search_subject(
    State(app): Shared,
    recipient: Recipient,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let asked = message::read(kind(&headers), &body)?;
    let point = PolicyPoint::of(&app.privity, recipient.0);
    answer(
        &headers,
        &protocol::search_subject(&point, asked.object()).await?,
    )
}

async fn search_resource(
    State(app): Shared,
    recipient: Recipient,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let asked = message::read(kind(&headers), &body)?;
    let point = PolicyPoint::of(&app.privity, recipient.0);
    answer(
        &headers,
        &protocol::search_resource(&point, asked.object()).await?,
    )
}

async fn search_action(
    State(app): Shared,
    recipient: Recipient,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let asked = message::read(kind(&headers), &body)?;
    let point = PolicyPoint::of(&app.privity, recipient.0);
    answer(
        &headers,
        &protocol::search_action(&point, asked.object()).await?,
    )
}

fn kind(headers: &HeaderMap) -> &str {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    kind.unwrap_or_default()
}

fn answer(headers: &HeaderMap, body: &impl Serialize) -> Result<Response, Failure> {
    let body = serde_json::to_vec(body).map_err(|_| crate::failure::unexpected())?;
    let fixed = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    let mut response = (StatusCode::OK, fixed, body).into_response();
    if let Some(id) = headers.get(REQUEST_ID) {
        response.headers_mut().insert(REQUEST_ID, id.clone());
    }
    Ok(response)
}
