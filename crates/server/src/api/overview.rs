//! What is open, late and waiting, in numbers.

use axum::Json;
use axum::extract::State;
use governance::privacy_request::console;
use serde::Serialize;
use utoipa::ToSchema;

use super::operator::Operator;
use crate::Shared;
use crate::failure::{Failure, ProblemBody};

/// What an operator sees first.
#[derive(Serialize, ToSchema)]
pub(super) struct Overview {
    /// Open privacy requests.
    open: u64,
    /// Open ones past their date.
    overdue: u64,
    /// Open ones due within 7 days.
    due_soon: u64,
    /// Waiting for an operator's approval.
    to_approve: u64,
    /// With a stuck task or work by hand to do.
    need_operator: u64,
}

/// Count what is open, late and waiting.
#[utoipa::path(get, path = "/api/v1/overview", tag = "privacy requests", security(("operator_key" = [])), responses((status = 200, body = Overview), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(app): Shared,
    _operator: Operator,
) -> Result<Json<Overview>, Failure> {
    let counts = console::overview(&app.privity).await?;
    Ok(Json(Overview {
        open: counts.open,
        overdue: counts.overdue,
        due_soon: counts.due_soon,
        to_approve: counts.to_approve,
        need_operator: counts.need_operator,
    }))
}
