//! Policies for operators: who can get what, which versions there are, what one would change, why a decision is as it is.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::audit::Actor;
use domain::policy::{AgeBand, Fact};
use governance::Problem;
use governance::policy::{Activation, Asked, Hypothetical, Who};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::body::Body;
use super::operator::Operator;
use crate::Shared;
use crate::failure::{Failure, ProblemBody, no_content};

/// From when on a version decides, and instead of which one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Activate {
    /// A moment to come; now, if left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// The version that you compared it with, or take back: if another one decides by now, nothing changes. Any, if left out.
    #[serde(default)]
    instead_of: Option<u64>,
}

/// A decision to be explained: about a subject, or about somebody of whom only facts are given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainDecision {
    /// The recipient's key.
    recipient: String,
    /// The purpose's key.
    purpose: String,
    /// Keys of attributes; all if left out.
    #[serde(default)]
    attributes: Vec<String>,
    /// The subject, `sub_…`; that she was looked at is recorded.
    #[serde(default)]
    subject: Option<String>,
    /// Instead of a subject: what is known.
    #[serde(default)]
    facts: Option<GivenFacts>,
    /// The version of the policies; the active one if left out.
    #[serde(default)]
    version: Option<u64>,
    /// As it was at this moment: choices after it are not seen.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    on: Option<Timestamp>,
}

/// What is known of somebody who need not exist.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenFacts {
    /// Where she lives, e.g. `US-CA`; nobody knows if left out.
    #[serde(default)]
    jurisdiction: Option<String>,
    /// `under_13`, `13_to_15`, `16_17` or `adult`; nobody knows if left out.
    #[serde(default)]
    age: Option<String>,
    /// Facts that are so, e.g. `choice_allows`; all others are not.
    #[serde(default)]
    is: Vec<String>,
    /// Facts that nobody could find out.
    #[serde(default)]
    unknown: Vec<String>,
}

/// Who can get what by the policies in force, whoever it is about.
#[utoipa::path(get, path = "/api/v1/policies", tag = "policies", security(("operator_key" = [])), responses((status = 200, description = "`version`, and `items` with `recipient`, `purpose` and `attributes` by the fullest form in which each can go out.", body = Value), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn matrix(
    State(app): Shared,
    _operator: Operator,
) -> Result<Json<Value>, Failure> {
    let items = app.privity.policy_matrix()?;
    let version = app.privity.policies().map(|in_force| in_force.version);
    Ok(Json(json!({"version": version, "items": items})))
}

/// List the versions of the policies, the newest first.
#[utoipa::path(get, path = "/api/v1/policies/versions", tag = "policies", security(("operator_key" = [])), responses((status = 200, description = "`items` with `number`, `state` (`draft`, `shadow`, `active`, `retired`), `author`, `note`, `table_hash`, `published_at`, `activates_at`, `activated_at`.", body = Value), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn versions(
    State(app): Shared,
    _operator: Operator,
) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({"items": app.privity.policy_versions().await?})))
}

/// Let a version decide, now or from a moment on. An earlier version is activated the same way to go back to it.
#[utoipa::path(
    post, path = "/api/v1/policies/versions/{number}/activate", tag = "policies", security(("operator_key" = [])),
    params(("number" = u64, Path, description = "The version.")),
    request_body = Activate,
    responses((status = 204, description = "It decides, or will."), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn activate(
    State(app): Shared,
    operator: Operator,
    Path(number): Path<u64>,
    body: Body<Activate>,
) -> Result<Response, Failure> {
    let by = Actor::Operator(operator.0.id);
    let Activate { at, instead_of } = body.value;
    let activation = Activation::of(number).at(at).instead_of(instead_of);
    app.privity.activate_policies(activation, by).await?;
    Ok(no_content())
}

/// What a version would change: for which inputs, and for how many subjects.
#[utoipa::path(
    get, path = "/api/v1/policies/versions/{number}/impact", tag = "policies", security(("operator_key" = [])),
    params(("number" = u64, Path, description = "The version.")),
    responses((status = 200, description = "`cells` with the inputs for which an answer changes, `heads` with `gained`, `lost` and `changed` by recipient, purpose and attribute, `subjects`, `vectors`, `unknown`, and `outdated`: how many wait to be worked out anew, counted by what was known of them before.", body = Value), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn impact(
    State(app): Shared,
    _operator: Operator,
    Path(number): Path<u64>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(as_value(
        &app.privity.policy_impact(Some(number)).await?,
    )?))
}

/// What the version that decides beside the active one would have changed, as counted on this node.
#[utoipa::path(get, path = "/api/v1/policies/shadow", tag = "policies", security(("operator_key" = [])), responses((status = 200, description = "`version`, `decisions`, `divergences` by recipient, purpose, attribute and policy, `others`; null where no version is a shadow.", body = Value), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn shadow(
    State(app): Shared,
    _operator: Operator,
) -> Result<Json<Value>, Failure> {
    let in_force = app.privity.policies();
    let shadow = in_force
        .as_ref()
        .and_then(|in_force| in_force.shadow.as_ref());
    Ok(Json(as_value(
        &shadow.map(governance::policy::Shadow::report),
    )?))
}

/// Say why a decision is as it is: forbidden, a condition unmet, no policy, or the basis of what goes out.
#[utoipa::path(
    post, path = "/api/v1/policies/explain", tag = "policies", security(("operator_key" = [])),
    request_body = ExplainDecision,
    responses((status = 200, description = "`known` in words, and `lines`, one an attribute: `release`, `kind`, `policy`, `limited_by`, `conditions`, `missing`, `where_to_ask`, `said`, `for_operator`, `for_subject`.", body = Value), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn explain(
    State(app): Shared,
    operator: Operator,
    body: Body<ExplainDecision>,
) -> Result<Json<Value>, Failure> {
    let asked = asked(body.value)?;
    let by = Actor::Operator(operator.0.id);
    Ok(Json(as_value(
        &app.privity.explain_decision(&asked, by).await?,
    )?))
}

fn as_value(answer: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(answer)
        .map_err(|error| Problem::internal("writing an answer", &error).into())
}

fn asked(wanted: ExplainDecision) -> Result<Asked, Problem> {
    let who = match (wanted.subject, wanted.facts) {
        (Some(id), None) => Who::Subject(id.parse().map_err(|_| {
            Problem::invalid(
                "subject",
                "this is not a subject’s id; it begins with `sub_`",
            )
        })?),
        (None, facts) => Who::Hypothetical(hypothetical(facts)?),
        (Some(_), Some(_)) => {
            return Err(Problem::invalid(
                "facts",
                "send a subject or facts, not both",
            ));
        }
    };
    Ok(Asked {
        who,
        recipient: wanted.recipient.as_str().into(),
        purpose: wanted.purpose.as_str().into(),
        attributes: wanted
            .attributes
            .iter()
            .map(|key| key.as_str().into())
            .collect(),
        version: wanted.version,
        on: wanted.on,
    })
}

fn hypothetical(given: Option<GivenFacts>) -> Result<Hypothetical, Problem> {
    let Some(given) = given else {
        return Ok(Hypothetical::default());
    };
    let age = |text: &String| {
        let known = AgeBand::ALL.map(AgeBand::text).join(", ");
        AgeBand::parse(text)
            .ok_or_else(|| Problem::invalid("age", format!("choose one of {known}")))
    };
    let fact = |text: &String| {
        let known = Fact::ALL.map(Fact::text).join(", ");
        Fact::parse(text)
            .ok_or_else(|| Problem::invalid("facts", format!("a fact is one of {known}")))
    };
    Ok(Hypothetical {
        age: given.age.as_ref().map(age).transpose()?,
        is: given.is.iter().map(fact).collect::<Result<_, _>>()?,
        unknown: given.unknown.iter().map(fact).collect::<Result<_, _>>()?,
        jurisdiction: given.jurisdiction,
    })
}
