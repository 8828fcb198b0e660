//! Callbacks: a recipient's machine says how far it is. Believed only when its signature holds (Standard Webhooks, OpenDSR 2.0).
//!
//! OpenDSR wants 202, since it takes what was said as received and no more (its security guidelines); Standard Webhooks takes any 2xx.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::data_map::RecipientKey;
use domain::recipient::ChannelKind;
use domain::sensitive::Sensitive;
use governance::ReceivedAnswer;
use governance::privacy_request::take_answer;

use crate::Shared;
use crate::failure::{Failure, no_content};

/// `POST /callbacks/{recipient}`
pub(super) async fn receive(
    State(app): Shared,
    Path(recipient): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let message = ReceivedAnswer {
        headers: headers.iter().filter_map(text).collect(),
        body: Sensitive::new(body.to_vec()),
        url: format!("{}{}", app.privity.settings().base_url, uri.path()),
        received_at: app.privity.now(),
    };
    let recipient = RecipientKey::from(recipient);
    let channel = take_answer::callback(&app.privity, &recipient, message).await?;
    Ok(match channel {
        ChannelKind::Opendsr => StatusCode::ACCEPTED.into_response(),
        ChannelKind::Webhook | ChannelKind::Email => no_content(),
    })
}
