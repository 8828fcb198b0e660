//! Privacy requests over the API: take one in, list, look, decide.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::data_map::{IdentifierKind, KeepReason};
use domain::id::RequestId;
use domain::outreach::Answer;
use domain::privacy_request::{self as request, IntakeChannel, RequestKind, RequestState};
use domain::sensitive::Sensitive;
use governance::privacy_request::console::{self, Filter};
use governance::privacy_request::intake::{self, Intake, Received};
use governance::privacy_request::plan;
use governance::privacy_request::repeat::{Call, Reply, receive_once};
use governance::view::{ListedRequest, OutreachLine, RequestDetail, TaskLine};
use governance::{Privity, Problem};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::Body;
use super::operator::Operator;
use super::repeat;
use super::words::{
    AnswerWord, ChannelWord, IntakeChannelWord, KindWord, LevelWord, OutreachActionWord, StateWord,
    TaskKindWord, TaskStateWord, WaitingWord,
};
use crate::border::ClientAddress;
use crate::failure::{Failure, ProblemBody, no_content};
use crate::{App, Shared, secret};

/// A privacy request that comes in through a system of the business.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPrivacyRequest {
    #[schema(value_type = KindWord)]
    kind: RequestKind,
    /// The law that she invokes, e.g. `ccpa`; the business's default otherwise.
    law: Option<String>,
    /// Where to write to her. Needed for every kind but an opt-out; there it only helps to find her.
    #[schema(value_type = Option<String>, example = "maria@example.com")]
    email: Option<Sensitive<String>>,
    /// How to address her. Refused for an opt-out.
    #[schema(value_type = Option<String>)]
    name: Option<Sensitive<String>>,
    /// Other identifiers by which the data map finds subjects, e.g. `{"customer_number": "1204"}`.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    identifiers: BTreeMap<String, Sensitive<String>>,
    /// For a request to know: the day from which she wants to know; everything otherwise (11 CCR 7020(e)).
    #[schema(value_type = Option<String>, format = Date)]
    since: Option<Date>,
    /// BCP 47; the business's language otherwise.
    language: Option<String>,
    /// The business's own sign-in has verified her, so that no code is mailed. Recorded with the operator's name. Refused for an opt-out.
    #[serde(default)]
    verified: bool,
}

/// The time limits that the law sets; last permitted days.
#[derive(Serialize, ToSchema)]
struct Clock {
    /// The day of receipt where the law applies.
    #[schema(value_type = String, format = Date)]
    received_on: Date,
    /// Receipt must be confirmed by.
    #[schema(value_type = Option<String>, format = Date)]
    ack_by: Option<Date>,
    /// It must be answered by.
    #[schema(value_type = Option<String>, format = Date)]
    respond_by: Option<Date>,
    /// With the one extension that the law allows.
    #[schema(value_type = Option<String>, format = Date)]
    max_with_extension: Option<Date>,
    /// Set once extended.
    #[schema(value_type = Option<String>, format = Date)]
    extended_to: Option<Date>,
}

/// What came in.
#[derive(Serialize, ToSchema)]
struct ReceivedPrivacyRequest {
    /// The reference, `req_…`.
    id: String,
    /// The subject's own page. Whoever has this address can see the privacy request: give it to her alone, and log it nowhere.
    tracker_url: String,
    clock: Clock,
}

/// A privacy request in a list.
#[derive(Serialize, ToSchema)]
struct PrivacyRequest {
    /// Its id, `req_…`.
    id: String,
    #[schema(value_type = KindWord)]
    kind: RequestKind,
    /// The law, e.g. `ccpa`.
    law: String,
    #[schema(value_type = StateWord)]
    state: &'static str,
    #[schema(value_type = Option<WaitingWord>)]
    waiting: Option<&'static str>,
    /// When it came in.
    #[schema(value_type = String, format = Date)]
    received_on: Date,
    /// By when it must be answered.
    #[schema(value_type = Option<String>, format = Date)]
    due: Option<Date>,
    /// Days until then; negative when late.
    days_left: Option<i32>,
    /// Tasks that call for an operator.
    stuck_tasks: u64,
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct PrivacyRequestList {
    items: Vec<PrivacyRequest>,
    /// Pass as `after` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Everything about one privacy request, but for personal values.
#[derive(Serialize, ToSchema)]
pub(super) struct PrivacyRequestDetail {
    #[serde(flatten)]
    listed: PrivacyRequest,
    #[schema(value_type = IntakeChannelWord)]
    channel: &'static str,
    /// When it came in.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    clock: Clock,
    /// The rows of law behind the clock.
    citations: Vec<String>,
    /// What was found and what happens to it; absent before the search.
    plan: Option<Plan>,
    /// What a re-read still found; empty when nothing was left, absent before it.
    residue: Option<Vec<Residue>>,
    /// Why it was denied or only partly fulfilled.
    reasons: Vec<Reason>,
    tasks: Vec<Task>,
    outreach: Vec<Outreach>,
    /// Its records in the audit log.
    records: Vec<Record>,
    /// What an operator can do now: `approve`, `deny`, `extend`.
    possible: Vec<&'static str>,
}

/// What will happen to a subject's rows.
#[derive(Serialize, ToSchema)]
struct Plan {
    #[schema(value_type = String, format = DateTime)]
    made_at: Timestamp,
    collections: Vec<PlannedCollection>,
    /// Systems that people search by hand.
    manual: Vec<String>,
}

/// One collection of a plan.
#[derive(Serialize, ToSchema)]
struct PlannedCollection {
    /// `dataset.collection`.
    collection: String,
    system: String,
    title: String,
    /// Rows of the subject.
    rows: u64,
    /// Rows that are deleted.
    delete: u64,
    /// Rows that stay with their personal fields overwritten.
    redact: u64,
    /// Rows that stay, and why.
    kept: Vec<Kept>,
    /// Data categories of its fields.
    categories: Vec<String>,
}

/// Rows that stay.
#[derive(Serialize, ToSchema)]
struct Kept {
    rows: u64,
    reason: Reason,
}

/// Why something stays or is refused.
#[derive(Serialize, ToSchema)]
struct Reason {
    /// A reason code of the law data, e.g. `D8_legal_obligation`.
    code: String,
    /// The facts, in words for the subject.
    explanation: String,
}

/// Rows that a re-read still found and no reason keeps.
#[derive(Serialize, ToSchema)]
struct Residue {
    collection: String,
    rows: u64,
}

/// A durable step of work.
#[derive(Serialize, ToSchema)]
struct Task {
    /// Its id, `tsk_…`.
    id: String,
    #[schema(value_type = TaskKindWord)]
    kind: &'static str,
    /// The system or recipient that it is about.
    target: String,
    #[schema(value_type = TaskStateWord)]
    state: &'static str,
    attempts: u32,
    /// Why it is stuck or was retried.
    error: Option<String>,
    /// For work by hand: by when.
    #[schema(value_type = Option<String>, format = Date)]
    due: Option<Date>,
    /// For work by hand: what is to be done.
    instructions: Option<String>,
}

/// One recipient told, and what it answered.
#[derive(Serialize, ToSchema)]
struct Outreach {
    /// Its id, `out_…`.
    id: String,
    recipient: String,
    title: String,
    #[schema(value_type = ChannelWord)]
    channel: &'static str,
    #[schema(value_type = OutreachActionWord)]
    action: &'static str,
    /// How far it is proven.
    #[schema(value_type = LevelWord)]
    level: &'static str,
    /// How far it must be proven.
    #[schema(value_type = LevelWord)]
    required_level: &'static str,
    /// Whether the matter has ended.
    settled: bool,
    #[schema(value_type = Option<AnswerWord>)]
    answer: Option<&'static str>,
    /// The reason of an exception.
    reason: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    answered_at: Option<Timestamp>,
    reminders: u16,
    /// Whether an operator was called because it is silent.
    escalated: bool,
    /// Why the last attempt failed.
    last_error: Option<String>,
}

/// One record of the audit log.
#[derive(Serialize, ToSchema)]
struct Record {
    /// Its place in the log.
    sequence: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    actor: String,
    action: String,
    /// Ids, counts and codes; never a personal value.
    #[schema(value_type = Object)]
    details: serde_json::Value,
}

/// Which privacy requests to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only those in this state.
    #[param(value_type = Option<StateWord>, inline)]
    state: Option<String>,
    /// Only those that are not closed.
    #[serde(default)]
    open: bool,
    /// Only open ones past their date.
    #[serde(default)]
    overdue: bool,
    /// Only open ones due today or within the next 7 days; with `overdue`, late ones too.
    #[serde(default)]
    due_soon: bool,
    /// Only those that wait for an operator's approval.
    #[serde(default)]
    to_approve: bool,
    /// Only those with a stuck task or work by hand.
    #[serde(default)]
    need_operator: bool,
    /// `next` of the page before.
    after: Option<String>,
    /// At most this many, 1 to 200; 50 otherwise.
    limit: Option<u32>,
}

/// A refusal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Denial {
    /// A denial reason of the law data, e.g. `unverified_identity`.
    reason: String,
    /// The facts, in words that the subject will read.
    explanation: String,
}

/// More time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Extension {
    /// Why, in words that the subject will read.
    reason: String,
}

/// Who asked.
#[derive(Serialize, ToSchema)]
pub(super) struct Requester {
    /// Name and identifiers by kind, each as often as it was given.
    values: Vec<RequesterValue>,
}

/// One value that the requester gave.
#[derive(Serialize, ToSchema)]
struct RequesterValue {
    /// `name`, `email`, or another kind of identifier.
    kind: String,
    value: String,
}

/// Take in a privacy request.
///
/// With an `Idempotency-Key`, a repeated call gets the first answer instead of a second privacy request, for 24 hours.
#[utoipa::path(
    post, path = "/api/v1/privacy-requests", tag = "privacy requests", security(("operator_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "A UUID of your choice.")),
    request_body = NewPrivacyRequest,
    responses((status = 201, body = ReceivedPrivacyRequest), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn create(
    State(app): Shared,
    operator: Operator,
    client: ClientAddress,
    headers: HeaderMap,
    body: Body<NewPrivacyRequest>,
) -> Result<Response, Failure> {
    let intake = read(&app.privity, &operator, client, body.value)?;
    let answer = match repeat::key(&headers)? {
        None => first_answer(&app, &intake::receive(&app.privity, intake).await?)?,
        Some(key) => {
            let call = Call {
                caller: operator.0.id,
                route: "POST /api/v1/privacy-requests",
                key,
                body: body.bytes,
            };
            let first = |received: &Received| first_answer(&app, received);
            receive_once(&app.privity, &call, intake, first).await?
        }
    };
    Ok(created(&answer))
}

fn first_answer(app: &App, received: &Received) -> Result<Reply, Problem> {
    let answer = ReceivedPrivacyRequest {
        id: received.id.to_string(),
        tracker_url: format!(
            "{}{}",
            app.privity.settings().base_url,
            secret::tracker_path(&received.tracker)
        ),
        clock: Clock::of(&received.clock),
    };
    let body = serde_json::to_vec(&answer).map_err(|_| crate::failure::unexpected())?;
    Ok(Reply {
        request: received.id,
        status: StatusCode::CREATED.as_u16(),
        body: Sensitive::new(body),
    })
}

fn created(answer: &Reply) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::CREATED);
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (
            LOCATION,
            format!("/api/v1/privacy-requests/{}", answer.request),
        ),
    ];
    (status, headers, secret::answer(&answer.body)).into_response()
}

fn read(
    privity: &Privity,
    operator: &Operator,
    client: ClientAddress,
    new: NewPrivacyRequest,
) -> Result<Intake, Problem> {
    let language = new
        .language
        .unwrap_or_else(|| privity.settings().business.language.clone());
    let identifiers: Vec<(IdentifierKind, Sensitive<String>)> = new
        .identifiers
        .into_iter()
        .map(|(kind, value)| (IdentifierKind(kind), value))
        .collect();
    let kind = new.kind;
    if kind == RequestKind::OptOutSaleShare {
        if new.verified || new.name.is_some() {
            return Err(Problem::new(
                "identity_not_asked",
                400,
                "an opt-out needs no proof of who somebody is: send `email` or `identifiers` so that we find her, and neither `name` nor `verified`",
            ));
        }
        if new.since.is_some() {
            return Err(Problem::invalid(
                "since",
                "only a request to know has a day from which on; leave it out here",
            ));
        }
        let email = new.email.map(|email| (IdentifierKind::email(), email));
        return Ok(Intake::OptOut {
            law: new.law,
            locate: email.into_iter().chain(identifiers).collect(),
            language,
            channel: IntakeChannel::Api,
            address: client.0,
        });
    }
    let email = new.email.ok_or_else(|| {
        Problem::invalid("email", "send `email`, the address that the answer goes to")
    })?;
    let verified_by = new.verified.then_some(operator.0.id);
    Ok(Intake::Identified {
        kind,
        law: new.law,
        email,
        name: new.name,
        identifiers,
        language,
        channel: IntakeChannel::Api,
        since: new.since,
        verified_by,
        address: client.0,
    })
}

/// List privacy requests.
#[utoipa::path(
    get, path = "/api/v1/privacy-requests", tag = "privacy requests", security(("operator_key" = [])), params(ListQuery),
    responses((status = 200, body = PrivacyRequestList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn list(
    State(app): Shared,
    _operator: Operator,
    Query(query): Query<ListQuery>,
) -> Result<Json<PrivacyRequestList>, Failure> {
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    // One more than a page tells whether there is another.
    let mut found = console::list(&app.privity, filter(&query, limit + 1)?).await?;
    let is_last = found.len() <= limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| !is_last)
        .map(|last| last.id.to_string());
    Ok(Json(PrivacyRequestList {
        items: found.iter().map(PrivacyRequest::of).collect(),
        next,
    }))
}

fn filter(query: &ListQuery, limit: u32) -> Result<Filter, Problem> {
    let state = match query.state.as_deref() {
        None => None,
        Some(text) => Some(RequestState::parse(text).ok_or_else(|| {
            Problem::invalid(
                "state",
                "no privacy request can be in that state; the states are in /openapi.json",
            )
        })?),
    };
    let after = query
        .after
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|_| Problem::invalid("after", "pass `next` of the page before"))?;
    Ok(Filter {
        state,
        open_only: query.open,
        overdue: query.overdue,
        due_soon: query.due_soon,
        to_approve: query.to_approve,
        need_operator: query.need_operator,
        after,
        limit,
    })
}

/// Show a privacy request.
#[utoipa::path(
    get, path = "/api/v1/privacy-requests/{id}", tag = "privacy requests", security(("operator_key" = [])),
    params(("id" = String, Path, description = "`req_…`")),
    responses((status = 200, body = PrivacyRequestDetail), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn show(
    State(app): Shared,
    _operator: Operator,
    Path(id): Path<String>,
) -> Result<Json<PrivacyRequestDetail>, Failure> {
    let detail = console::detail(&app.privity, request_id(&id)?).await?;
    Ok(Json(PrivacyRequestDetail::of(detail)))
}

/// Approve the plan: the work begins, and an erasure can't be undone.
#[utoipa::path(
    post, path = "/api/v1/privacy-requests/{id}/approve", tag = "privacy requests", security(("operator_key" = [])),
    params(("id" = String, Path, description = "`req_…`")),
    responses((status = 204, description = "Approved."), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn approve(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    plan::approve(&app.privity, request_id(&id)?, operator.0.id).await?;
    Ok(no_content())
}

/// Deny it, with a reason that the law knows and the facts.
#[utoipa::path(
    post, path = "/api/v1/privacy-requests/{id}/deny", tag = "privacy requests", security(("operator_key" = [])),
    params(("id" = String, Path, description = "`req_…`")), request_body = Denial,
    responses((status = 204, description = "Denied; the subject is told."), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn deny(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    body: Body<Denial>,
) -> Result<Response, Failure> {
    plan::deny(
        &app.privity,
        request_id(&id)?,
        operator.0.id,
        &body.value.reason,
        body.value.explanation,
    )
    .await?;
    Ok(no_content())
}

/// Take more time, once, within what the law allows.
#[utoipa::path(
    post, path = "/api/v1/privacy-requests/{id}/extend", tag = "privacy requests", security(("operator_key" = [])),
    params(("id" = String, Path, description = "`req_…`")), request_body = Extension,
    responses((status = 200, body = Clock), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn extend(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    body: Body<Extension>,
) -> Result<Response, Failure> {
    let clock = plan::extend(
        &app.privity,
        request_id(&id)?,
        operator.0.id,
        body.value.reason,
    )
    .await?;
    Ok(Json(Clock::of(&clock)).into_response())
}

/// Show who asked. Recorded in the audit log with the operator's name.
#[utoipa::path(
    post, path = "/api/v1/privacy-requests/{id}/requester", tag = "privacy requests", security(("operator_key" = [])),
    params(("id" = String, Path, description = "`req_…`")),
    responses((status = 200, body = Requester), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn reveal(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Json<Requester>, Failure> {
    let values = console::reveal_requester(&app.privity, request_id(&id)?, operator.0.id).await?;
    Ok(Json(Requester {
        values: values
            .into_iter()
            .map(|(kind, value)| RequesterValue { kind, value })
            .collect(),
    }))
}

/// Reads an id; what isn't one looks like one that does not exist.
pub(super) fn request_id(text: &str) -> Result<RequestId, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found("privacy request"))
}

impl Clock {
    const fn of(clock: &request::Clock) -> Self {
        Self {
            received_on: clock.received_on,
            ack_by: clock.ack_by,
            respond_by: clock.respond_by,
            max_with_extension: clock.max_with_extension,
            extended_to: clock.extended_to,
        }
    }
}

impl PrivacyRequest {
    fn of(listed: &ListedRequest) -> Self {
        Self {
            id: listed.id.to_string(),
            kind: listed.kind,
            law: listed.law.clone(),
            state: listed.state.as_str(),
            waiting: listed.waiting.map(request::Waiting::as_str),
            received_on: listed.received_on,
            due: listed.due,
            days_left: listed.days_left,
            stuck_tasks: listed.stuck_tasks,
        }
    }
}

impl PrivacyRequestDetail {
    fn of(detail: RequestDetail) -> Self {
        Self {
            listed: PrivacyRequest::of(&detail.listed),
            channel: detail.channel.as_str(),
            received_at: detail.received_at,
            clock: Clock::of(&detail.clock),
            citations: detail.citations,
            plan: detail.plan.map(Plan::of),
            residue: detail.residue.map(|residue| {
                residue
                    .into_iter()
                    .map(|line| Residue {
                        collection: line.collection.to_string(),
                        rows: line.rows,
                    })
                    .collect()
            }),
            reasons: detail.reasons.into_iter().map(Reason::of).collect(),
            tasks: detail.tasks.into_iter().map(Task::of).collect(),
            outreach: detail.outreach.into_iter().map(Outreach::of).collect(),
            records: detail
                .records
                .into_iter()
                .map(|record| Record {
                    sequence: record.sequence,
                    at: record.at,
                    actor: record.actor,
                    action: record.action,
                    details: record.details,
                })
                .collect(),
            possible: detail.possible.into_iter().collect(),
        }
    }
}

impl Plan {
    fn of(plan: domain::plan::Plan) -> Self {
        let collection = |planned: domain::plan::PlannedCollection| PlannedCollection {
            collection: planned.collection.to_string(),
            system: planned.system.to_string(),
            title: planned.title,
            rows: planned.rows,
            delete: planned.delete,
            redact: planned.redact,
            kept: planned
                .kept
                .into_iter()
                .map(|kept| Kept {
                    rows: kept.rows,
                    reason: Reason::of(kept.reason),
                })
                .collect(),
            categories: planned.categories.into_iter().collect(),
        };
        Self {
            made_at: plan.made_at,
            collections: plan.collections.into_iter().map(collection).collect(),
            manual: plan.manual.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Reason {
    fn of(reason: KeepReason) -> Self {
        Self {
            code: reason.code,
            explanation: reason.explanation,
        }
    }
}

impl Task {
    fn of(task: TaskLine) -> Self {
        Self {
            id: task.id.to_string(),
            kind: task.kind.as_str(),
            target: task.target,
            state: task.state.as_str(),
            attempts: task.attempts,
            error: task.error,
            due: task.due,
            instructions: task.instructions,
        }
    }
}

impl Outreach {
    fn of(line: OutreachLine) -> Self {
        Self {
            id: line.id.to_string(),
            recipient: line.recipient.to_string(),
            title: line.title,
            channel: line.channel.as_str(),
            action: line.action.as_str(),
            level: line.level.as_str(),
            required_level: line.required_level.as_str(),
            settled: line.settled,
            answer: line.answer.as_ref().map(Answer::as_str),
            reason: line.answer.and_then(|answer| {
                if let Answer::Exception { reason } = answer {
                    Some(reason)
                } else {
                    None
                }
            }),
            sent_at: line.sent_at,
            answered_at: line.answered_at,
            reminders: line.reminders,
            escalated: line.escalated,
            last_error: line.last_error,
        }
    }
}
