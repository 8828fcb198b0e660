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
    let ask = |call: Call| {
        post(move |app: Shared, recipient, headers, body| {
            call.answer(app, recipient, headers, body)
        })
    };
    Router::new()
        .route("/access/v1/evaluation", ask(Call::Evaluation))
        .route("/access/v1/evaluations", ask(Call::Evaluations))
        .route("/access/v1/search/subject", ask(Call::SearchSubject))
        .route("/access/v1/search/resource", ask(Call::SearchResource))
        .route("/access/v1/search/action", ask(Call::SearchAction))
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

/// What is asked.
#[derive(Clone, Copy)]
enum Call {
    Evaluation,
    Evaluations,
    SearchSubject,
    SearchResource,
    SearchAction,
}

impl Call {
    async fn answer(
        self,
        State(app): Shared,
        recipient: Recipient,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Failure> {
        let body = message::read(kind(&headers), &body)?;
        let (asked, point) = (body.object(), PolicyPoint::of(&app.privity, recipient.0));
        match self {
            Self::Evaluation => said(&headers, &protocol::evaluation(&point, asked).await?),
            Self::Evaluations => said(&headers, &protocol::evaluations(&point, asked).await?),
            Self::SearchSubject => said(&headers, &protocol::search_subject(&point, asked).await?),
            Self::SearchResource => {
                said(&headers, &protocol::search_resource(&point, asked).await?)
            }
            Self::SearchAction => said(&headers, &protocol::search_action(&point, asked).await?),
        }
    }
}

fn kind(headers: &HeaderMap) -> &str {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    kind.unwrap_or_default()
}

fn said(headers: &HeaderMap, body: &impl Serialize) -> Result<Response, Failure> {
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
