//! A JSON body. What is wrong with it is told by line and column, since the parser's own words repeat what was sent.

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use domain::sensitive::Sensitive;
use governance::Problem;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// What a JSON body says, and its bytes for comparing a repeated call.
pub(super) struct Body<T> {
    pub(super) value: T,
    pub(super) bytes: Sensitive<Vec<u8>>,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let kind = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if !kind.starts_with("application/json") {
            return Err(Failure(Problem::new(
                "wrong_content_type",
                415,
                "this takes JSON: send `Content-Type: application/json`",
            )));
        }
        let bytes = bytes::Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Failure(crate::failure::refused(rejection.status())))?;
        let value = serde_json::from_slice(&bytes).map_err(|error| Failure(unreadable(&error)))?;
        Ok(Self {
            value,
            bytes: Sensitive::new(bytes.to_vec()),
        })
    }
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let wrong = match error.classify() {
        serde_json::error::Category::Data => {
            "has a field that is unknown, missing or of another type"
        }
        _ => "isn't JSON",
    };
    Problem::new(
        "unreadable",
        400,
        format!(
            "the body {wrong} (line {}, column {}); compare it with /openapi.json",
            error.line(),
            error.column()
        ),
    )
}
