//! Legal holds: what is held and why; place one, lift one.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use domain::data_map::CollectionKey;
use governance::Problem;
use governance::legal_hold::{self, LegalHoldId, Place};
use governance::view::HoldLine;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::operator::Operator;
use crate::Shared;
use crate::failure::{Failure, ProblemBody, no_content};

/// A legal hold to be placed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLegalHold {
    /// Its name, for operators; no personal data, it is kept in the open.
    name: String,
    /// The code of an exception in law/reasons.yaml, e.g. `X8_legal_claims`; the subject reads its title.
    reason_code: String,
    /// What operators should know; no personal data.
    #[serde(default)]
    note: String,
    /// The collections of the data map whose rows stay, e.g. `shop.orders`.
    covers: BTreeSet<String>,
    /// Only the rows of this privacy request's subject, `req_…`; everybody's otherwise. Her identifiers are looked up for it, which is recorded.
    privacy_request: Option<String>,
    /// The last day on which it holds; until it is lifted otherwise.
    #[schema(value_type = Option<String>, format = Date)]
    until: Option<Date>,
}

/// A legal hold.
#[derive(Serialize, ToSchema)]
struct LegalHold {
    /// Its id, `hld_…`; absent when the data map names it, where it is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    /// The code in law/reasons.yaml.
    reason_code: String,
    /// The reason in the words that the subject reads.
    reason: String,
    /// The law behind it.
    citation: Option<String>,
    note: String,
    /// The collections whose rows stay.
    covers: Vec<String>,
    /// Only the rows of this privacy request's subject.
    privacy_request: Option<String>,
    /// The operator who placed it.
    placed_by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    placed_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = Date)]
    until: Option<Date>,
    #[schema(value_type = Option<String>, format = DateTime)]
    lifted_at: Option<Timestamp>,
    /// Whether it holds today.
    in_force: bool,
}

/// All legal holds.
#[derive(Serialize, ToSchema)]
pub(super) struct LegalHoldList {
    items: Vec<LegalHold>,
}

/// What was placed.
#[derive(Serialize, ToSchema)]
pub(super) struct PlacedLegalHold {
    /// Its id, `hld_…`.
    id: String,
}

/// List all legal holds, those that are over too.
#[utoipa::path(get, path = "/api/v1/legal-holds", tag = "legal holds", security(("operator_key" = [])), responses((status = 200, body = LegalHoldList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(app): Shared,
    _operator: Operator,
) -> Result<Json<LegalHoldList>, Failure> {
    let lines = legal_hold::list(&app.privity).await?;
    Ok(Json(LegalHoldList {
        items: lines.into_iter().map(LegalHold::of).collect(),
    }))
}

/// Place a legal hold. It counts from now on, also for what was planned before.
#[utoipa::path(
    post, path = "/api/v1/legal-holds", tag = "legal holds", security(("operator_key" = [])),
    request_body = NewLegalHold,
    responses((status = 201, body = PlacedLegalHold), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn place(
    State(app): Shared,
    operator: Operator,
    body: Body<NewLegalHold>,
) -> Result<Response, Failure> {
    let new = body.value;
    let request = new.privacy_request.as_deref().map(str::parse).transpose();
    let wanted = Place {
        name: new.name,
        reason_code: new.reason_code,
        note: new.note,
        covers: new
            .covers
            .iter()
            .map(|key| CollectionKey::from(key.as_str()))
            .collect(),
        request: request.map_err(|_| {
            Problem::invalid(
                "privacy_request",
                "this is not a privacy request’s id; it begins with `req_`",
            )
        })?,
        until: new.until,
    };
    let id = legal_hold::place(&app.privity, operator.0.id, wanted).await?;
    let placed = PlacedLegalHold { id: id.to_string() };
    let headers = [(LOCATION, "/api/v1/legal-holds")];
    Ok((StatusCode::CREATED, headers, Json(placed)).into_response())
}

/// Lift a legal hold. Open privacy requests then erase what it kept; closed ones stay as they are until the deletion is asked for again.
#[utoipa::path(
    post, path = "/api/v1/legal-holds/{id}/lift", tag = "legal holds", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The legal hold, `hld_…`.")),
    responses((status = 204, description = "It holds no more."), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn lift(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: LegalHoldId = id.parse().map_err(|_| Problem::not_found("legal hold"))?;
    legal_hold::lift(&app.privity, id, operator.0.id).await?;
    Ok(no_content())
}

impl LegalHold {
    fn of(line: HoldLine) -> Self {
        let covers = line.covers.iter();
        Self {
            id: line.id.map(|id| id.to_string()),
            name: line.name,
            reason_code: line.reason.code,
            reason: line.reason.explanation,
            citation: line.citation,
            note: line.note,
            covers: covers.map(|(key, _)| key.to_string()).collect(),
            privacy_request: line.request.map(|request| request.to_string()),
            placed_by: line.placed_by,
            placed_at: line.placed_at,
            until: line.until,
            lifted_at: line.lifted_at,
            in_force: line.in_force,
        }
    }
}
