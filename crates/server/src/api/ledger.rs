//! The ledger of disclosures for operators: who has what of a subject, and what is asked for without need. Ids, keys and counts, no value.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use domain::audit::Actor;
use futures_util::StreamExt as _;
use governance::Problem;
use governance::disclosure::{self, LedgerLine};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::operator::Operator;
use crate::Shared;
use crate::failure::{Failure, ProblemBody};
use crate::ledger_file::{LedgerFile, LedgerFormat};

/// Who has what of a subject.
#[derive(Serialize, ToSchema)]
pub(super) struct Disclosures {
    items: Vec<DisclosureLine>,
}

/// What went to one recipient for one purpose in one form.
#[derive(Serialize, ToSchema)]
struct DisclosureLine {
    /// The subject as she stood then, `sub_…`.
    subject: String,
    /// Key of the recipient.
    recipient: String,
    /// Key of the purpose.
    purpose: String,
    /// Keys of attributes by the form in which they went out: `keep`, `generalise`, `mask`, `token`, `null`.
    attributes: BTreeMap<String, Vec<String>>,
    /// When first.
    first_at: String,
    /// When last.
    last_at: String,
    /// How often.
    times: u64,
    /// Whether it was ever sold.
    sold: bool,
    /// Whether it was ever shared for advertising.
    shared: bool,
    /// What the business got for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    consideration: Option<String>,
    /// The audit log's record of the last time.
    last_sequence: u64,
}

impl From<LedgerLine> for DisclosureLine {
    fn from(line: LedgerLine) -> Self {
        Self {
            subject: line.subject.to_string(),
            recipient: line.recipient.to_string(),
            purpose: line.purpose.to_string(),
            attributes: line.attributes,
            first_at: line.first_at.to_string(),
            last_at: line.last_at.to_string(),
            times: line.times,
            sold: line.sold,
            shared: line.shared,
            consideration: line.consideration,
            last_sequence: line.last_sequence,
        }
    }
}

/// How far back.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Days {
    /// Days, today among them; 90 if left out.
    days: Option<u32>,
}

/// How the export is written.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Export {
    /// `jsonl`, one JSON object a line, or `parquet`; JSON Lines if left out.
    format: Option<String>,
}

/// Take the whole ledger away, as JSON Lines or Parquet: a line for each subject, recipient, purpose and set of attributes. Ids, keys, names
/// and counts, no value. An answer that breaks off is not whole. That it was taken is recorded.
#[utoipa::path(
    get, path = "/api/v1/disclosures", tag = "disclosures", security(("operator_key" = [])),
    params(Export),
    responses(
        (status = 200, description = "The lines, each as in `GET /api/v1/profiles/{id}/disclosures`.", content((String = "application/x-ndjson"), (String = "application/vnd.apache.parquet"))),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn export(
    State(app): Shared,
    operator: Operator,
    Query(asked): Query<Export>,
) -> Result<Response, Failure> {
    let format = asked.format.as_deref().unwrap_or("jsonl");
    let format = LedgerFormat::parse(format)
        .ok_or_else(|| Problem::invalid("format", "choose `jsonl` or `parquet`"))?;
    let mut file = LedgerFile::begin(&app.privity, format, Actor::Operator(operator.0.id)).await?;
    // The first piece before the answer begins, so that what is wrong from the start is a problem and not a broken file.
    let first = file.next().await?;
    let rest = futures_util::stream::try_unfold(file, async |mut file| {
        let piece = file.next().await?;
        Ok::<_, Problem>(piece.map(|piece| (piece, file)))
    });
    let first = futures_util::stream::iter(first.map(Ok));
    let body = Body::from_stream(first.chain(rest));
    Ok(([(CONTENT_TYPE, format.media_type())], body).into_response())
}

/// Show who has what of a subject, by the id of any of her records; also of one who was forgotten, as long as it may have to be proven.
/// That it was shown is recorded.
#[utoipa::path(
    get, path = "/api/v1/profiles/{id}/disclosures", tag = "disclosures", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The subject, `sub_…`.")),
    responses((status = 200, body = Disclosures), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn of_subject(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Json<Disclosures>, Failure> {
    let subject = id.parse().map_err(|_| Problem::not_found("profile"))?;
    let lines =
        disclosure::of_subject(&app.privity, subject, Actor::Operator(operator.0.id)).await?;
    Ok(Json(Disclosures {
        items: lines.into_iter().map(DisclosureLine::from).collect(),
    }))
}

/// Say which attributes nobody asks for, who asks for more than they get, and which purposes and recipients are not used.
#[utoipa::path(
    get, path = "/api/v1/disclosures/minimisation", tag = "disclosures", security(("operator_key" = [])),
    params(Days),
    responses((status = 200, body = Object), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn minimise(
    State(app): Shared,
    _: Operator,
    Query(asked): Query<Days>,
) -> Result<Json<disclosure::Minimisation>, Failure> {
    let days = asked.days.unwrap_or(90).clamp(1, 3_650);
    Ok(Json(disclosure::minimise(&app.privity, days).await?))
}
