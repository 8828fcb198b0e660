//! Profiles for recipients: what policies and the subject's choices allow for the declared purpose, and nothing besides. Identifiers travel in
//! bodies, never in addresses, which stand in logs.
//!
//! Nothing to be had is 404, whatever the reason: there is no such subject, or nothing of her goes out.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use domain::data_map::IdentifierKind;
use domain::profile::AttributeKey;
use domain::sensitive::Sensitive;
use governance::disclosure::{Caller, Door, Granted, ReleasedProfile, SubjectAsked, disclose};
use governance::{Privity, Problem};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::Body;
use super::recipient::Recipient;
use crate::Shared;
use crate::failure::{Failure, ProblemBody};

/// Subjects in one call, at most.
const MOST: usize = 100;

/// Which attributes, and what for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Key of the purpose; the only one of the recipient's key if left out.
    purpose: Option<String>,
    /// Keys of attributes, separated by commas; none of them if left out.
    #[serde(default)]
    attributes: String,
}

/// By what to find a subject.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindForRecipient {
    /// The kind of identifier in the schema, e.g. `email`.
    by: String,
    /// The identifier.
    #[schema(value_type = String, example = "maria@example.com")]
    value: Sensitive<String>,
    /// Key of the purpose; the only one of the recipient's key if left out.
    purpose: Option<String>,
    /// Keys of attributes.
    attributes: Vec<String>,
}

/// Several subjects.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchForRecipient {
    /// About whom, at most 100.
    subjects: Vec<BatchSubject>,
    /// Key of the purpose; the only one of the recipient's key if left out.
    purpose: Option<String>,
    /// Keys of attributes.
    attributes: Vec<String>,
}

/// One of them: by her id, or by an identifier.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum BatchSubject {
    /// By the id of any of her records.
    Id {
        /// `sub_…`.
        id: String,
    },
    /// By an identifier.
    Identifier {
        /// The kind of identifier in the schema, e.g. `email`.
        by: String,
        /// The identifier.
        #[schema(value_type = String)]
        value: Sensitive<String>,
    },
}

/// What a recipient gets of one subject.
#[derive(ToSchema)]
#[schema(as = RecipientProfile)]
#[expect(
    dead_code,
    reason = "describes what is written out of a released profile"
)]
pub(super) struct RecipientProfileView {
    /// The subject, `sub_…`.
    subject: String,
    /// Values by attribute, some of them masked, coarser, or as tokens; what may not be had is not named.
    #[schema(value_type = BTreeMap<String, Object>)]
    attributes: BTreeMap<String, String>,
}

/// What it gets of each, in the order asked; `null` for nothing.
#[derive(ToSchema)]
#[schema(as = RecipientProfiles)]
#[expect(
    dead_code,
    reason = "describes what is written out of the released profiles"
)]
pub(super) struct RecipientProfilesView {
    items: Vec<Option<RecipientProfileView>>,
}

/// Get what you may have of a subject, by the id of any of her records.
#[utoipa::path(
    get, path = "/recipient/v1/profiles/{id}", tag = "disclosures", security(("recipient_key" = [])),
    params(("id" = String, Path, description = "The subject, `sub_…`."), Wanted),
    responses((status = 200, body = RecipientProfileView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn show(
    State(app): Shared,
    recipient: Recipient,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Failure> {
    let p = &app.privity;
    let caller = recipient
        .caller(p, wanted.purpose.as_deref(), Door::ProfileApi)
        .await?;
    let subject = SubjectAsked::Id(id.parse().map_err(|_| Problem::not_found("profile"))?);
    one(p, &caller, subject, wanted.attributes.split(',')).await
}

/// Get what you may have of a subject, by an identifier.
#[utoipa::path(
    post, path = "/recipient/v1/profiles/find", tag = "disclosures", security(("recipient_key" = [])),
    request_body = FindForRecipient,
    responses((status = 200, body = RecipientProfileView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn find(
    State(app): Shared,
    recipient: Recipient,
    body: Body<FindForRecipient>,
) -> Result<Response, Failure> {
    let (p, asked) = (&app.privity, body.value);
    let caller = recipient
        .caller(p, asked.purpose.as_deref(), Door::ProfileApi)
        .await?;
    let subject = SubjectAsked::Identifier(IdentifierKind(asked.by), asked.value);
    let attributes = asked.attributes.iter().map(String::as_str);
    one(p, &caller, subject, attributes).await
}

/// Get what you may have of several subjects. All are decided, and recorded, as one.
#[utoipa::path(
    post, path = "/recipient/v1/profiles/batch", tag = "disclosures", security(("recipient_key" = [])),
    request_body = BatchForRecipient,
    responses((status = 200, body = RecipientProfilesView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn batch(
    State(app): Shared,
    recipient: Recipient,
    body: Body<BatchForRecipient>,
) -> Result<Response, Failure> {
    let (p, asked) = (&app.privity, body.value);
    let caller = recipient
        .caller(p, asked.purpose.as_deref(), Door::ProfileApi)
        .await?;
    if asked.subjects.len() > MOST {
        return Err(Problem::invalid("subjects", "ask about at most 100 subjects at once").into());
    }
    let subjects = asked.subjects.into_iter().map(BatchSubject::asked);
    let subjects: Vec<_> = subjects.collect::<Result<_, _>>()?;
    let attributes = keys(asked.attributes.iter().map(String::as_str));
    let granted = disclose(p, &caller, &subjects, &attributes).await?;
    let released: Vec<_> = granted.iter().map(released).collect::<Result<_, _>>()?;
    let items = released.iter().map(|one| one.as_ref().map(View::of));
    answer(&Items {
        items: items.collect(),
    })
}

impl BatchSubject {
    fn asked(self) -> Result<SubjectAsked, Problem> {
        match self {
            Self::Id { id } => id.parse().map(SubjectAsked::Id).map_err(|_| {
                Problem::invalid(
                    "subjects",
                    "an id of a subject looks like `sub_` and 32 hexadecimal digits",
                )
            }),
            Self::Identifier { by, value } => {
                Ok(SubjectAsked::Identifier(IdentifierKind(by), value))
            }
        }
    }
}

async fn one<'k>(
    p: &Privity,
    caller: &Caller,
    subject: SubjectAsked,
    attributes: impl Iterator<Item = &'k str>,
) -> Result<Response, Failure> {
    let granted = disclose(p, caller, &[subject], &keys(attributes)).await?;
    let released = granted.first().map(released).transpose()?.flatten();
    let released = released.ok_or_else(|| Problem::not_found("profile"))?;
    answer(&View::of(&released))
}

fn keys<'k>(attributes: impl Iterator<Item = &'k str>) -> Vec<AttributeKey> {
    let named = attributes.map(str::trim).filter(|key| !key.is_empty());
    named.map(AttributeKey::from).collect()
}

type Released = (String, ReleasedProfile);

fn released(granted: &Granted) -> Result<Option<Released>, Problem> {
    let subject = granted.subject().map(|subject| subject.to_string());
    Ok(subject.zip(granted.profile()?))
}

#[derive(Serialize)]
struct Items<'a> {
    items: Vec<Option<View<'a>>>,
}

#[derive(Serialize)]
struct View<'a> {
    subject: &'a str,
    attributes: &'a ReleasedProfile,
}

impl<'a> View<'a> {
    fn of((subject, attributes): &'a Released) -> Self {
        Self {
            subject,
            attributes,
        }
    }
}

/// On its way out, and in no cache.
fn answer(view: &impl Serialize) -> Result<Response, Failure> {
    let body = serde_json::to_vec(view).map_err(|_| crate::failure::unexpected())?;
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}
