//! Who is who over the API: questions that the rules leave to an operator, merges, splits, and the history of a subject.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse, Response};
use domain::id::SubjectId;
use domain::identity::{MergeId, ReviewId, ReviewKind, ReviewState};
use governance::Problem;
use governance::identity::{self, DecidedBy, EventKind, EventLine, Page, ReviewLine};
use governance::profile::read::{ReleasedSources, Shown};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::Body;
use super::operator::Operator;
use super::words::{DecisionWord, EventKindWord, ReviewKindWord, ReviewStateWord};
use crate::Shared;
use crate::failure::{Failure, ProblemBody, no_content};

/// Which part of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Go on after this question, `next` of the answer before.
    after: Option<String>,
    /// At most this many; 200 is the most.
    limit: Option<u32>,
}

/// A question about who is who.
#[derive(Serialize, ToSchema)]
pub(super) struct IdentityReview {
    /// Its id, `rvw_…`.
    id: String,
    #[schema(value_type = ReviewKindWord)]
    kind: &'static str,
    #[schema(value_type = ReviewStateWord)]
    state: &'static str,
    /// The subject, `sub_…`, who stands for one side now.
    one: String,
    /// The subject who stands for the other side, where it is about two.
    other: Option<String>,
    /// The kind of identifier that it is about, e.g. `customer_number`.
    identifier: Option<String>,
    /// When it came up.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The operator who answered.
    decided_by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    decided_at: Option<Timestamp>,
}

/// A page of open questions.
#[derive(Serialize, ToSchema)]
pub(super) struct IdentityReviewList {
    items: Vec<IdentityReview>,
    /// How many are open in all.
    open: u64,
    /// Give it as `after` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A question with the profiles that it is about.
#[derive(ToSchema)]
#[schema(as = IdentityComparison)]
#[expect(
    dead_code,
    reason = "describes what is written out of the released profiles"
)]
pub(super) struct ComparisonView {
    review: IdentityReview,
    /// One profile, or two: what tells who somebody is, and nothing sensitive.
    sides: Vec<SideView>,
    /// Attributes of which both sides have one, and not the same.
    differ: Vec<String>,
}

/// One side of a comparison.
#[derive(ToSchema)]
#[schema(as = ComparedProfile)]
#[expect(
    dead_code,
    reason = "describes what is written out of a released profile"
)]
struct SideView {
    /// The subject, `sub_…`.
    id: String,
    /// Her records.
    records: Vec<String>,
    /// Attributes by key: the value that counts, where it is from, and in `others` what else is said.
    #[schema(value_type = std::collections::BTreeMap<String, Object>)]
    attributes: std::collections::BTreeMap<String, String>,
}

/// An operator's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDecision {
    #[schema(value_type = DecisionWord)]
    decision: String,
}

/// What came of an answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Decided {
    /// The merge, `mrg_…`, by which the two can be taken apart again.
    merge: Option<String>,
}

/// Two subjects.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TwoSubjects {
    /// One of them, `sub_…`, by any of her records.
    one: String,
    /// The other.
    other: String,
}

/// A merge.
#[derive(Serialize, ToSchema)]
pub(super) struct NewMerge {
    /// Its id, `mrg_…`.
    id: String,
}

/// What is left of a merge that was taken apart.
#[derive(Serialize, ToSchema)]
pub(super) struct SplitMerge {
    /// The two that it had made one.
    one: String,
    other: String,
    /// Whether other merges still make them one; the history names them.
    still_one: bool,
}

/// Who a subject is, without a value of hers.
#[derive(Serialize, ToSchema)]
pub(super) struct SubjectHistory {
    /// The record that stands for her, `sub_…`.
    id: String,
    /// Her records, the oldest first.
    records: Vec<SubjectRecord>,
    /// What happened, the oldest first.
    events: Vec<IdentityEvent>,
}

/// One record of a subject.
#[derive(Serialize, ToSchema)]
struct SubjectRecord {
    id: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    erased_at: Option<Timestamp>,
}

/// One thing that happened.
#[derive(Serialize, ToSchema)]
struct IdentityEvent {
    #[schema(value_type = EventKindWord)]
    kind: &'static str,
    /// Which merge, `mrg_…`; absent when two are kept apart.
    merge: Option<String>,
    one: String,
    other: String,
    /// The kind of identifier that both have, when a rule merged them.
    identifier: Option<String>,
    /// The operator who decided; absent when a rule did.
    operator: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Whether it is a merge that stands, and can be taken apart.
    stands: bool,
}

/// List open questions about who is who, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/identity/reviews", tag = "identity", security(("operator_key" = [])), params(ListQuery),
    responses((status = 200, body = IdentityReviewList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn reviews(
    State(app): Shared,
    _operator: Operator,
    Query(query): Query<ListQuery>,
) -> Result<Json<IdentityReviewList>, Failure> {
    let after = query.after.as_deref().map(review_id).transpose()?;
    let limit = query.limit.unwrap_or(50);
    let list = identity::reviews(&app.privity, Page { after, limit }).await?;
    Ok(Json(IdentityReviewList {
        items: list.reviews.iter().map(IdentityReview::of).collect(),
        open: list.open,
        next: list.next.map(|id| id.to_string()),
    }))
}

/// Show one question, answered or not, without a value of whom it is about.
#[utoipa::path(
    get, path = "/api/v1/identity/reviews/{id}", tag = "identity", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The question, `rvw_…`.")),
    responses((status = 200, body = IdentityReview), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn review(
    State(app): Shared,
    _operator: Operator,
    Path(id): Path<String>,
) -> Result<Json<IdentityReview>, Failure> {
    let line = identity::review(&app.privity, review_id(&id)?).await?;
    Ok(Json(IdentityReview::of(&line)))
}

/// Show the profiles of a question side by side: what tells who somebody is, and nothing sensitive. Each look is recorded with the
/// operator's name before anything is shown.
#[utoipa::path(
    post, path = "/api/v1/identity/reviews/{id}/compare", tag = "identity", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The question, `rvw_…`.")),
    responses((status = 200, body = ComparisonView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn compare(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let found = identity::compare(&app.privity, review_id(&id)?, operator.0.id).await?;
    let differ = found.attributes.iter().filter(|one| one.differs);
    let answer = Comparison {
        review: IdentityReview::of(&found.line),
        sides: found.sides.iter().map(Side::of).collect(),
        differ: differ.map(|one| one.key.to_string()).collect(),
    };
    let body = serde_json::to_vec(&answer).map_err(|_| crate::failure::unexpected())?;
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}

/// Answer a question. Of two operators who answer at once, one decides and the other is told.
#[utoipa::path(
    post, path = "/api/v1/identity/reviews/{id}/decision", tag = "identity", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The question, `rvw_…`.")),
    request_body = NewDecision,
    responses((status = 200, body = Decided), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn decide(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    body: Body<NewDecision>,
) -> Result<Json<Decided>, Failure> {
    let decision = identity::Decision::from_text(&body.value.decision)
        .ok_or_else(|| Problem::invalid("decision", "answer `merge`, `keep_apart` or `leave`"))?;
    let merge = identity::decide(&app.privity, review_id(&id)?, decision, operator.0.id).await?;
    Ok(Json(Decided {
        merge: merge.map(|id| id.to_string()),
    }))
}

/// Merge two subjects. No record changes by it, so that it can be taken apart again.
#[utoipa::path(
    post, path = "/api/v1/identity/merges", tag = "identity", security(("operator_key" = [])),
    request_body = TwoSubjects,
    responses((status = 201, body = NewMerge), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn merge(
    State(app): Shared,
    operator: Operator,
    body: Body<TwoSubjects>,
) -> Result<Response, Failure> {
    let (one, other) = body.value.ids()?;
    let id = identity::merge(&app.privity, one, other, operator.0.id).await?;
    let headers = [(LOCATION, format!("/api/v1/subjects/{one}/history"))];
    let merged = NewMerge { id: id.to_string() };
    Ok((StatusCode::CREATED, headers, Json(merged)).into_response())
}

/// Take one merge apart. No rule puts the two together again.
#[utoipa::path(
    post, path = "/api/v1/identity/merges/{id}/split", tag = "identity", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The merge, `mrg_…`.")),
    responses((status = 200, body = SplitMerge), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn split(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Json<SplitMerge>, Failure> {
    let id: MergeId = id.parse().map_err(|_| Problem::not_found("merge"))?;
    let split = identity::split(&app.privity, id, operator.0.id).await?;
    Ok(Json(SplitMerge {
        one: split.subjects.0.to_string(),
        other: split.subjects.1.to_string(),
        still_one: split.still_one,
    }))
}

/// Keep two subjects apart, whatever they have in common.
#[utoipa::path(
    post, path = "/api/v1/identity/kept-apart", tag = "identity", security(("operator_key" = [])),
    request_body = TwoSubjects,
    responses((status = 204, description = "They stay two."), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn keep_apart(
    State(app): Shared,
    operator: Operator,
    body: Body<TwoSubjects>,
) -> Result<Response, Failure> {
    let (one, other) = body.value.ids()?;
    identity::keep_apart(&app.privity, one, other, operator.0.id).await?;
    Ok(no_content())
}

/// Show the history of a subject: her records, and by what they became one.
#[utoipa::path(
    get, path = "/api/v1/subjects/{id}/history", tag = "identity", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The subject, `sub_…`, by any of her records.")),
    responses((status = 200, body = SubjectHistory), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn history(
    State(app): Shared,
    _operator: Operator,
    Path(id): Path<String>,
) -> Result<Json<SubjectHistory>, Failure> {
    let id: SubjectId = id.parse().map_err(|_| Problem::not_found("subject"))?;
    let history = identity::history(&app.privity, id).await?;
    let records = history.records.into_iter().map(|record| SubjectRecord {
        id: record.id.to_string(),
        created_at: record.created_at,
        erased_at: record.erased_at,
    });
    Ok(Json(SubjectHistory {
        id: history.canonical.to_string(),
        records: records.collect(),
        events: history.events.iter().map(IdentityEvent::of).collect(),
    }))
}

fn review_id(text: &str) -> Result<ReviewId, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found("question about who is who"))
}

impl TwoSubjects {
    fn ids(&self) -> Result<(SubjectId, SubjectId), Problem> {
        let id = |field, text: &str| {
            let wrong = "this is not a subject’s id; it begins with `sub_`";
            text.parse().map_err(|_| Problem::invalid(field, wrong))
        };
        Ok((id("one", &self.one)?, id("other", &self.other)?))
    }
}

impl IdentityReview {
    fn of(line: &ReviewLine) -> Self {
        let (kind, state): (ReviewKind, ReviewState) = (line.review.kind, line.review.state);
        Self {
            id: line.review.id.to_string(),
            kind: kind.text(),
            state: state.text(),
            one: line.one.to_string(),
            other: line.other.map(|id| id.to_string()),
            identifier: line.review.identifier.as_ref().map(|kind| kind.0.clone()),
            created_at: line.review.created_at,
            decided_by: line.decided_by.clone(),
            decided_at: line.decided_at,
        }
    }
}

impl IdentityEvent {
    fn of(line: &EventLine) -> Self {
        let kind: EventKind = line.kind;
        let (identifier, operator) = match &line.by {
            DecidedBy::Identifier(kind) => (Some(kind.0.clone()), None),
            DecidedBy::Operator(id, name) => {
                (None, Some(name.clone().unwrap_or_else(|| id.to_string())))
            }
            DecidedBy::Rule => (None, None),
        };
        Self {
            kind: kind.text(),
            merge: line.merge.map(|id| id.to_string()),
            one: line.one.to_string(),
            other: line.other.to_string(),
            identifier,
            operator,
            at: line.at,
            stands: line.stands,
        }
    }
}

#[derive(Serialize)]
struct Comparison<'a> {
    review: IdentityReview,
    sides: Vec<Side<'a>>,
    differ: Vec<String>,
}

#[derive(Serialize)]
struct Side<'a> {
    id: String,
    records: Vec<String>,
    attributes: &'a ReleasedSources,
}

impl<'a> Side<'a> {
    fn of(shown: &'a Shown) -> Self {
        Self {
            id: shown.subject.to_string(),
            records: shown.records.iter().map(ToString::to_string).collect(),
            attributes: shown.sources(),
        }
    }
}
