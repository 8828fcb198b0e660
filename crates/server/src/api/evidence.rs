//! Evidence: one file for one privacy request, and the public key that verifies it offline.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use governance::evidence;
use serde::Serialize;
use utoipa::ToSchema;

use super::operator::Operator;
use super::privacy_request::request_id;
use crate::Shared;
use crate::failure::{Failure, ProblemBody};

/// The key that verifies evidence.
#[derive(Serialize, ToSchema)]
pub(super) struct VerifierKey {
    /// A C2SP note verifier key: `name+hash+base64`.
    key: String,
}

/// Export the evidence of a privacy request: every record of the audit log about it, with proofs.
#[utoipa::path(
    get, path = "/api/v1/privacy-requests/{id}/evidence", tag = "evidence", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The privacy request, `req_…`.")),
    responses((status = 200, description = "One file; `privity evidence verify FILE` checks it offline.", body = Object), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn export(
    State(app): Shared,
    _operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = request_id(&id)?;
    let file = evidence::export(&app.privity, id).await?;
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"evidence-{id}.json\""),
        ),
    ];
    Ok((headers, file).into_response())
}

/// The public key that verifies evidence.
#[utoipa::path(get, path = "/api/v1/evidence/key", tag = "evidence", security(("operator_key" = [])), responses((status = 200, body = VerifierKey), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn key(
    State(app): Shared,
    _operator: Operator,
) -> Result<Json<VerifierKey>, Failure> {
    Ok(Json(VerifierKey {
        key: evidence::public_key(&app.privity)?,
    }))
}
