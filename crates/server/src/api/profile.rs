//! Profiles over the API: write them, find one by an identifier, look at one. Identifiers travel in bodies, never in addresses, which
//! stand in logs.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::audit::Actor;
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::profile::{Confidence, Schema};
use domain::sensitive::Sensitive;
use governance::privacy_request::repeat::Call;
use governance::profile::read::{self, ReleasedSources, Shown, Viewer, WantedAttributes};
use governance::profile::{Answer, GivenRecord, GivenValue, write, write_once};
use governance::{Privity, Problem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::operator::Operator;
use super::repeat;
use crate::Shared;
use crate::failure::{Failure, ProblemBody};

/// Records in one call, at most.
const MOST_RECORDS: usize = 1_000;

/// Records of one source.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProfiles {
    /// Key of the source in the schema, e.g. `shop`.
    source: String,
    /// The records, at most 1,000. A known one is found by the identifier that the schema names for the source, and changed.
    records: Vec<NewRecord>,
}

/// What the source says of one record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRecord {
    /// Values by attribute: texts, numbers, booleans, JSON documents; `null` takes out what the source said before; what is not named
    /// stays.
    #[schema(value_type = BTreeMap<String, Object>)]
    attributes: BTreeMap<String, GivenJson>,
    /// Of these, identifiers that were proven, e.g. by a code that was sent there; what the schema says of the source otherwise.
    #[serde(default)]
    verified: BTreeMap<String, bool>,
    /// How sure the source is of single values, in percent; 100 otherwise.
    #[serde(default)]
    confidence: BTreeMap<String, u8>,
    /// When the values were seen there; now otherwise.
    #[schema(value_type = Option<String>, format = DateTime)]
    observed_at: Option<Timestamp>,
}

/// A JSON value as the text that it becomes.
struct GivenJson(Option<Sensitive<String>>);

impl<'de> Deserialize<'de> for GivenJson {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        Ok(Self(text.map(Sensitive::new)))
    }
}

/// What came of the records.
#[derive(Serialize, ToSchema)]
pub(super) struct WrittenProfiles {
    /// New subjects.
    new: u64,
    /// Records that changed a subject.
    changed: u64,
    /// Records that said nothing new.
    unchanged: u64,
    /// Records that were refused; the others are stored.
    refused: Vec<RefusedRecord>,
    /// Whose each record is, `sub_…`, in the order given; `null` for those refused.
    subjects: Vec<Option<String>>,
}

/// A record that was refused.
#[derive(Serialize, ToSchema)]
struct RefusedRecord {
    /// Its place among those given, from 0.
    position: usize,
    /// Why; names attributes, never values.
    reason: String,
}

/// By what to find a profile.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindProfile {
    /// The kind of identifier in the schema, e.g. `email`.
    by: String,
    /// The identifier.
    #[schema(value_type = String, example = "maria@example.com")]
    value: Sensitive<String>,
    /// Which attributes; all but the sensitive ones otherwise.
    attributes: Option<Vec<String>>,
}

/// Profiles that were found.
#[derive(ToSchema)]
#[schema(as = FoundProfiles)]
#[expect(
    dead_code,
    reason = "describes what is written out of the released profiles"
)]
pub(super) struct FoundProfiles {
    items: Vec<ProfileView>,
}

/// A profile.
#[derive(ToSchema)]
#[schema(as = Profile)]
#[expect(
    dead_code,
    reason = "describes what is written out of a released profile"
)]
pub(super) struct ProfileView {
    /// The subject, `sub_…`.
    id: String,
    /// Her records; more than one when records were merged.
    records: Vec<String>,
    /// Attributes by key: the value that counts, where it is from, and in `others` what else is said.
    #[schema(value_type = BTreeMap<String, Object>)]
    attributes: BTreeMap<String, String>,
    /// What was withheld.
    withheld: Vec<WithheldAttribute>,
}

/// An attribute that was withheld.
#[derive(Serialize, ToSchema)]
struct WithheldAttribute {
    /// `profile:` and the attribute's key.
    attribute: String,
    /// Why, as a code.
    reason: String,
    /// The law behind it.
    citation: Option<String>,
}

/// Write profiles: new records become subjects, known ones change.
///
/// Each record is checked by itself, and a bad one does not keep the others out. With an `Idempotency-Key`, a repeated call gets the
/// first answer and writes nothing, for 24 hours.
#[utoipa::path(
    post, path = "/api/v1/profiles", tag = "profiles", security(("operator_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "A UUID of your choice.")),
    request_body = NewProfiles,
    responses((status = 200, body = WrittenProfiles), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn create(
    State(app): Shared,
    operator: Operator,
    headers: HeaderMap,
    body: Body<NewProfiles>,
) -> Result<Json<WrittenProfiles>, Failure> {
    let schema = schema(&app.privity)?;
    let new = body.value;
    let source = schema.source_of(&new.source).ok_or_else(|| {
        Problem::invalid(
            "source",
            "the schema has no such source; `privity profile schema` lists them",
        )
    })?;
    if new.records.len() > MOST_RECORDS {
        return Err(Problem::invalid("records", "send at most 1,000 records in one call").into());
    }
    let records: Vec<_> = new
        .records
        .into_iter()
        .map(|record| given(&schema, record))
        .collect::<Result<_, _>>()?;
    let actor = Actor::Operator(operator.0.id);
    let answer = match repeat::key(&headers)? {
        None => Answer::from(&write(&app.privity, source, records, actor).await?),
        Some(key) => {
            let call = Call {
                caller: operator.0.id,
                route: "POST /api/v1/profiles",
                key,
                body: body.bytes,
            };
            write_once(&app.privity, &call, source, records, actor).await?
        }
    };
    Ok(Json(WrittenProfiles::of(answer)))
}

/// Find profiles by an identifier. The look, and that nobody was found, is recorded before anything is shown.
#[utoipa::path(
    post, path = "/api/v1/profiles/find", tag = "profiles", security(("operator_key" = [])),
    request_body = FindProfile,
    responses((status = 200, body = FoundProfiles), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn find(
    State(app): Shared,
    operator: Operator,
    body: Body<FindProfile>,
) -> Result<Response, Failure> {
    let wanted = body
        .value
        .attributes
        .map_or(WantedAttributes::Plain, |keys| {
            WantedAttributes::These(keys.iter().map(|key| key.as_str().into()).collect())
        });
    let kind = IdentifierKind(body.value.by);
    let viewer = Viewer::Operator(operator.0.id);
    let actor = Actor::Operator(operator.0.id);
    let found = read::find(
        &app.privity,
        (&kind, &body.value.value),
        &wanted,
        viewer,
        &actor,
    );
    let found = found.await?;
    answer(&Items {
        items: found.iter().map(View::of).collect(),
    })
}

/// Show one profile, by the id of any of its records: everything but what is sensitive.
#[utoipa::path(
    get, path = "/api/v1/profiles/{id}", tag = "profiles", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The subject, `sub_…`.")),
    responses((status = 200, body = ProfileView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn show(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let subject: SubjectId = id.parse().map_err(|_| Problem::not_found("profile"))?;
    let viewer = Viewer::Operator(operator.0.id);
    let actor = Actor::Operator(operator.0.id);
    let shown = read::show(
        &app.privity,
        subject,
        &WantedAttributes::Plain,
        viewer,
        &actor,
    )
    .await?;
    answer(&View::of(&shown))
}

fn schema(privity: &Privity) -> Result<std::sync::Arc<Schema>, Problem> {
    privity.schema().cloned().ok_or_else(|| {
        Problem::new(
            "no_profile_schema",
            409,
            "there are no profiles here; write a schema of attributes and set `profile` to its file",
        )
    })
}

fn given(schema: &Schema, record: NewRecord) -> Result<GivenRecord, Problem> {
    let mut values = Vec::with_capacity(record.attributes.len());
    for (key, value) in record.attributes {
        let rule = schema.attribute_of(&key).ok_or_else(|| {
            Problem::invalid("attributes", "a record names an attribute that the schema does not have; `privity profile schema` lists them")
        })?;
        let confidence = record
            .confidence
            .get(&key)
            .map_or(Some(Confidence::FULL), |percent| {
                Confidence::percent(*percent)
            });
        let value = GivenValue {
            value: value.0,
            verified: record.verified.get(&key).copied(),
            confidence: confidence.ok_or_else(|| {
                Problem::invalid(
                    "confidence",
                    "how sure a source is goes from 0 to 100 percent",
                )
            })?,
        };
        values.push((rule.number, value));
    }
    Ok(GivenRecord {
        values,
        observed_at: record.observed_at,
    })
}

impl WrittenProfiles {
    fn of(answer: Answer) -> Self {
        let refused = answer.refused.into_iter().map(|one| RefusedRecord {
            position: one.position,
            reason: one.reason,
        });
        Self {
            new: answer.new,
            changed: answer.changed,
            unchanged: answer.unchanged,
            refused: refused.collect(),
            subjects: answer.subjects,
        }
    }
}

#[derive(Serialize)]
struct Items<'a> {
    items: Vec<View<'a>>,
}

#[derive(Serialize)]
struct View<'a> {
    id: String,
    records: Vec<String>,
    attributes: &'a ReleasedSources,
    withheld: Vec<WithheldAttribute>,
}

impl<'a> View<'a> {
    fn of(shown: &'a Shown) -> Self {
        let withheld = shown.withheld().iter().map(|one| WithheldAttribute {
            attribute: one.attribute.to_string(),
            reason: serde_json::to_value(one.reason)
                .ok()
                .and_then(|word| word.as_str().map(str::to_owned))
                .unwrap_or_default(),
            citation: one.citation.clone(),
        });
        Self {
            id: shown.subject.to_string(),
            records: shown.records.iter().map(ToString::to_string).collect(),
            attributes: shown.sources(),
            withheld: withheld.collect(),
        }
    }
}

/// A profile on its way out, which no cache may keep.
fn answer(view: &impl Serialize) -> Result<Response, Failure> {
    let body = serde_json::to_vec(view).map_err(|_| crate::failure::unexpected())?;
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}
