//! What machines look for at fixed places: health, and whom to tell of a security hole (RFC 9116).

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use governance::Problem;
use governance::privacy_request::console;
use jiff::ToSpan;
use serde_json::json;

use crate::Shared;
use crate::failure::Failure;

/// `GET /healthz`: whether our database answers.
pub(super) async fn health(State(app): Shared) -> Result<Response, Failure> {
    console::overview(&app.privity).await?;
    Ok(Json(json!({"status": "ok"})).into_response())
}

/// `GET /.well-known/security.txt`
pub(super) async fn security(State(app): Shared) -> Result<Response, Failure> {
    let settings = app.privity.settings();
    let Some(contact) = &settings.business.privacy_contact else {
        return Err(Failure(Problem::not_found("page")));
    };
    let contact = if contact.contains("://") {
        contact.clone()
    } else {
        format!("mailto:{contact}")
    };
    // RFC 9116, 2.5.5: less than a year ahead.
    let expires = app
        .privity
        .now()
        .checked_add((24 * 180).hours())
        .unwrap_or(app.privity.now())
        .strftime("%Y-%m-%dT%H:%M:%SZ");
    let text = format!(
        "Contact: {contact}\nExpires: {expires}\nPreferred-Languages: {}\nCanonical: {}/.well-known/security.txt\n",
        settings.business.language, settings.base_url
    );
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
