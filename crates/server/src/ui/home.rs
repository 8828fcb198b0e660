//! The first page: plain questions, each a link. No wall, no account, nothing to read first (11 CCR 7004).

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::Frame;
use super::choices::Signalled;
use crate::Shared;

#[derive(Serialize)]
pub(super) struct HomePage {
    title: &'static str,
}

/// `GET /`
pub(super) async fn page(State(app): Shared, signal: Signalled) -> Response {
    app.pages.render(
        "home.html",
        &Frame::of(&app.privity).signalled(&app.privity, signal.0),
        &HomePage { title: "Your data" },
    )
}

#[cfg(test)]
impl HomePage {
    pub(super) const fn sample() -> Self {
        Self { title: "Your data" }
    }
}
