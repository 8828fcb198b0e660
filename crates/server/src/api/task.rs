//! Tasks that need a person: try a stuck one again, say that work by hand is done.

use axum::extract::{Path, State};
use axum::response::Response;
use domain::id::TaskId;
use governance::Problem;
use governance::privacy_request::{console, manual};
use utoipa::ToSchema;

use super::operator::Operator;
use crate::Shared;
use crate::failure::{Failure, ProblemBody, no_content};
use crate::upload::Upload;

/// What was done by hand.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form for OpenAPI; the form itself is read by `upload`"
)]
pub(super) struct WorkDone {
    /// How many records were found; 0 if none.
    found_rows: u64,
    /// What was done; kept sealed, as evidence.
    note: String,
    /// A file that shows it, up to 10 MB.
    #[schema(value_type = Option<String>, format = Binary)]
    file: Option<Vec<u8>>,
}

/// Try a stuck task again.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/retry", tag = "tasks", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The task, `tsk_…`.")),
    responses((status = 204, description = "It runs again now."), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn retry(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    console::retry_task(&app.privity, task_id(&id)?, operator.0.id).await?;
    Ok(no_content())
}

/// Say that work by hand is done, with its evidence.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/complete", tag = "tasks", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The task, `tsk_…`.")),
    request_body(content = WorkDone, content_type = "multipart/form-data"),
    responses((status = 204, description = "It is recorded."), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn complete(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    upload: Upload,
) -> Result<Response, Failure> {
    let Upload { fields, file } = upload;
    let task = task_id(&id)?;
    let rows = fields
        .text("found_rows")
        .and_then(|rows| rows.parse().ok())
        .ok_or_else(|| {
            Problem::invalid("found_rows", "send how many records were found, 0 if none")
        })?;
    let note = fields
        .sensitive("note")
        .ok_or_else(|| Problem::invalid("note", "send what was done; it is the evidence"))?;
    manual::complete(&app.privity, task, operator.0.id, rows, note, file).await?;
    Ok(no_content())
}

fn task_id(text: &str) -> Result<TaskId, Problem> {
    text.parse().map_err(|_| Problem::not_found("task"))
}
