//! Consent for sites and apps: record choices, ask how they stand, export their records, pass signals on.
//!
//! Identifiers come in bodies only and are kept as keyed hashes; addresses hold opaque ids. Law: 11 CCR 7025, 7026; GDPR Art. 7.

mod party;
mod sent;
mod told;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::audit::Actor;
use domain::consent::{ConsentId, GuardianProof};
use domain::sensitive::Sensitive;
use domain::signal::Signal;
use governance::consent::{Asked, RecordForm, Recorded, WantedRecord};
use governance::signal::{Sender, signals_in};
use governance::{Privity, Problem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use self::party::{PartyId, PartyView, SenderBody};
use self::sent::NewConsent;
use self::told::ConsentState;
use super::body::Body;
use super::operator::Operator;
use super::repeat;
use crate::Shared;
use crate::failure::{Failure, ProblemBody, no_content};

/// The largest body of many choices: 10,000 of them with everything that one can say.
pub(crate) const LARGEST_BULK: usize = 16 << 20;

/// A choice that is recorded.
#[derive(Serialize, ToSchema)]
pub(super) struct RecordedConsent {
    /// Its id, `cns_…`.
    id: String,
    /// For whom it is kept: an opaque id, which addresses may hold.
    party: PartyView,
    /// Whether an earlier call had recorded it already.
    repeated: bool,
}

/// Somebody who was shown to be a child's parent or guardian.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGuardian {
    /// The child.
    child: PartyId,
    /// How it was shown: one of the `guardian_proofs` in the settings.
    #[schema(value_type = String)]
    proof: GuardianProof,
}

/// Where a guardian says yes for her child.
#[derive(Serialize, ToSchema)]
pub(super) struct ConfirmedGuardian {
    /// The address of her page: a secret, for her alone.
    url: String,
    /// Until when it works.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// Many choices.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewConsents {
    /// At most 10,000, each judged by itself.
    #[schema(value_type = Vec<NewConsent>)]
    items: Vec<Box<RawValue>>,
}

/// What became of many choices.
#[derive(Serialize, ToSchema)]
pub(super) struct RecordedConsents {
    /// How many were recorded now.
    recorded: usize,
    /// How many an earlier call had recorded already.
    repeated: usize,
    /// How many were refused.
    refused: usize,
    /// What became of each, in the order sent.
    items: Vec<RecordedItem>,
}

/// What became of one choice of many.
#[derive(Serialize, ToSchema)]
struct RecordedItem {
    /// `recorded`, `repeated` or `refused`.
    status: &'static str,
    /// Its id, `cns_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ItemProblem>,
}

/// Why one choice of many was refused.
#[derive(Serialize, ToSchema)]
struct ItemProblem {
    /// A stable code, explained at `/docs/errors/CODE`.
    code: &'static str,
    /// What is wrong and what to do.
    title: String,
    /// The field that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

/// Of whom is asked, by opaque ids.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StateQuery {
    /// A subject, `sub_…`.
    subject: Option<String>,
    /// A pseudonym: 32 hexadecimal digits, as recording it answered.
    pseudonym_tag: Option<String>,
    /// A device: 32 hexadecimal digits, as recording it answered.
    device_tag: Option<String>,
    /// The device that asks for a subject or a pseudonym: a no under it counts, though nobody linked the two yet.
    asking_device_tag: Option<String>,
    /// The law that protects her, e.g. `ccpa`; the business's default otherwise.
    law: Option<String>,
}

/// Of whom is asked, by an identifier.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindConsents {
    /// Whose choices.
    party: PartyId,
    /// The device that asks for her: a no under it counts, though nobody linked the two yet.
    #[schema(value_type = Option<String>)]
    asking_device: Option<Sensitive<String>>,
    /// The law that protects her, e.g. `ccpa`; the business's default otherwise.
    law: Option<String>,
}

/// Which record is wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RecordQuery {
    /// `iso27560` (JSON-LD with DPV terms) or `kantara` (a receipt, of a consent only); `iso27560` otherwise.
    form: Option<String>,
    /// BCP 47; the business's language otherwise.
    language: Option<String>,
    /// For a no to every purpose of a sort: of which purpose the record speaks.
    purpose: Option<String>,
    /// The law that protects her; the business's default otherwise.
    law: Option<String>,
}

/// Signals that a browser sent to a site or an app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSignal {
    /// Whether the request had `Sec-GPC: 1`, or the page `navigator.globalPrivacyControl`.
    #[serde(default)]
    gpc: bool,
    /// A GPP string, as `__gpp()` or a bid request has it.
    gpp: Option<String>,
    /// Whose browser it was, as far as the business knows. What is named together is linked.
    #[serde(flatten)]
    sender: SenderBody,
    /// Where: the key of a site or an app, e.g. `shop`.
    place: String,
}

/// What became of signals.
#[derive(Serialize, ToSchema)]
pub(super) struct HonouredSignal {
    /// Whether an opt-out stands now because of it. A business that sells and shares nothing has nothing to stop.
    honoured: bool,
    /// How many opt-outs were recorded now; 0 when they stood already.
    recorded: usize,
}

/// Record one choice. Sent again with its own `id` or with the same `Idempotency-Key`, it is recorded once.
#[utoipa::path(
    post, path = "/api/v1/consents", tag = "consents", security(("operator_key" = [])),
    request_body = NewConsent,
    params(("Idempotency-Key" = Option<String>, Header, description = "A UUID; the same choice with it is recorded once, for good.")),
    responses((status = 201, body = RecordedConsent), (status = 200, description = "An earlier call recorded it.", body = RecordedConsent), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn create(
    State(app): Shared,
    operator: Operator,
    headers: HeaderMap,
    body: Body<NewConsent>,
) -> Result<Response, Failure> {
    let key = repeat::key(&headers)?;
    let (choice, unclaimed) = body.value.look_up(&app.privity).await?;
    let party = PartyView::of(&choice.party);
    let by = Actor::Operator(operator.0.id);
    let recorded = app.privity.record_consents(vec![choice], by, key.as_ref());
    let recorded = recorded.await?.pop();
    app.privity.link_chosen(&unclaimed).await?;
    match recorded {
        Some(Recorded::Kept { id, repeated }) => {
            let status = if repeated {
                StatusCode::OK
            } else {
                StatusCode::CREATED
            };
            let recorded = RecordedConsent {
                id: id.to_string(),
                party,
                repeated,
            };
            Ok((status, Json(recorded)).into_response())
        }
        Some(Recorded::Refused(problem)) => Err(Failure(problem)),
        None => Err(Failure(crate::failure::unexpected())),
    }
}

/// Record many choices. Each is judged by itself; those that are right are recorded though others are refused. A call that broke off may be
/// sent again: with an `Idempotency-Key`, or an `id` in each choice, nothing is recorded twice.
#[utoipa::path(
    post, path = "/api/v1/consents/bulk", tag = "consents", security(("operator_key" = [])),
    request_body = NewConsents,
    params(("Idempotency-Key" = Option<String>, Header, description = "A UUID; the same choices in the same order with it are recorded once, for good.")),
    responses((status = 200, body = RecordedConsents), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn create_many(
    State(app): Shared,
    operator: Operator,
    headers: HeaderMap,
    body: Body<NewConsents>,
) -> Result<Json<RecordedConsents>, Failure> {
    let key = repeat::key(&headers)?;
    let read = sent::read_many(&app.privity, &body.value.items).await?;
    let sent::ReadMany {
        choices,
        refused,
        unclaimed,
    } = read;
    let by = Actor::Operator(operator.0.id);
    let positions = choices
        .iter()
        .map(|(position, _)| *position)
        .collect::<Vec<_>>();
    let choices = choices.into_iter().map(|(_, choice)| choice).collect();
    let recorded = app
        .privity
        .record_consents(choices, by, key.as_ref())
        .await?;
    app.privity.link_chosen(&unclaimed).await?;
    let mut items: Vec<_> = positions.into_iter().zip(recorded).chain(refused).collect();
    items.sort_by_key(|(position, _)| *position);
    let items: Vec<_> = items
        .into_iter()
        .map(|(_, item)| RecordedItem::of(item))
        .collect();
    let count = |status| items.iter().filter(|item| item.status == status).count();
    Ok(Json(RecordedConsents {
        recorded: count("recorded"),
        repeated: count("repeated"),
        refused: count("refused"),
        items,
    }))
}

/// How every purpose stands for somebody, and what she chose. A party of whom nothing is recorded has a standing like any other.
#[utoipa::path(get, path = "/api/v1/consents", tag = "consents", security(("operator_key" = [])), params(StateQuery), responses((status = 200, body = ConsentState), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(app): Shared,
    _operator: Operator,
    Query(query): Query<StateQuery>,
) -> Result<Json<ConsentState>, Failure> {
    let tag = |tag: &Option<String>| tag.as_deref().map(party::tag).transpose();
    let device = tag(&query.asking_device_tag)?;
    let asked = Asked {
        device,
        law: query.law.clone(),
        ..Asked::of(party::opaque(&query)?)
    };
    state(&app.privity, &asked).await
}

/// The same by an identifier, which an address must not hold.
#[utoipa::path(post, path = "/api/v1/consents/find", tag = "consents", security(("operator_key" = [])), request_body = FindConsents, responses((status = 200, body = ConsentState), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn find(
    State(app): Shared,
    _operator: Operator,
    body: Body<FindConsents>,
) -> Result<Json<ConsentState>, Failure> {
    let find = body.value;
    let device = find.asking_device.as_ref();
    let asked = Asked {
        device: device.map(|device| app.privity.device_tag(device)),
        law: find.law,
        ..Asked::of(find.party.party(&app.privity).await?)
    };
    state(&app.privity, &asked).await
}

async fn state(p: &Privity, asked: &Asked) -> Result<Json<ConsentState>, Failure> {
    let (standings, history) = (p.standings(asked).await?, p.consent_history(asked).await?);
    Ok(Json(ConsentState::of(&asked.party, standings, &history)))
}

/// The record of one choice, for whoever asks to see it. The export is recorded.
#[utoipa::path(
    get, path = "/api/v1/consents/{id}/record", tag = "consents", security(("operator_key" = [])),
    params(("id" = String, Path, description = "The choice, `cns_…`."), RecordQuery),
    responses((status = 200, description = "ISO/IEC TS 27560 in JSON-LD, or a Kantara Consent Receipt 1.1.", body = Object), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn record(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    Query(query): Query<RecordQuery>,
) -> Result<Json<serde_json::Value>, Failure> {
    let id: ConsentId = id.parse().map_err(|_| Problem::not_found("choice"))?;
    let form = query.form.as_deref().unwrap_or("iso27560");
    let form = RecordForm::parse(form).ok_or_else(|| {
        Problem::invalid(
            "form",
            "this form is not written here; take `iso27560` or `kantara`",
        )
    })?;
    let wanted = WantedRecord {
        form,
        language: query.language,
        purpose: query.purpose.map(Into::into),
        law: query.law,
    };
    let by = Actor::Operator(operator.0.id);
    Ok(Json(app.privity.consent_record(id, &wanted, by).await?))
}

/// Pass on the opt-out preference signals of a browser. They hold for its device, its pseudonyms and, when known, the subject; what stands already
/// isn't written again, so send them as often as they come.
#[utoipa::path(post, path = "/api/v1/signals", tag = "consents", security(("operator_key" = [])), request_body = NewSignal, responses((status = 200, body = HonouredSignal), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn signal(
    State(app): Shared,
    operator: Operator,
    body: Body<NewSignal>,
) -> Result<Json<HonouredSignal>, Failure> {
    let sent = body.value;
    let sender = sent.sender.sender(&app.privity).await?;
    named(&sender)?;
    party::check_place(&sent.place)?;
    let mut signals = sent
        .gpp
        .as_deref()
        .map(signals_in)
        .transpose()?
        .unwrap_or_default();
    if sent.gpc && !signals.contains(&Signal::Gpc) {
        signals.push(Signal::Gpc);
    }
    let by = Actor::Operator(operator.0.id);
    let honoured = app
        .privity
        .honour_signals(&signals, &sender, &sent.place, by)
        .await?;
    Ok(Json(HonouredSignal {
        honoured: honoured.is_meant && !signals.is_empty(),
        recorded: honoured.recorded,
    }))
}

/// Say that a device, pseudonyms and a subject belong together, e.g. when she signs in: every no under one of them then holds for the others, those of
/// before too.
#[utoipa::path(post, path = "/api/v1/party-links", tag = "consents", security(("operator_key" = [])), request_body = SenderBody, responses((status = 204, description = "They are linked."), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn link(
    State(app): Shared,
    _operator: Operator,
    body: Body<SenderBody>,
) -> Result<Response, Failure> {
    let sender = body.value.sender(&app.privity).await?;
    named(&sender)?;
    app.privity.link_parties(&sender).await?;
    Ok(no_content())
}

/// Say that staff were shown that somebody is a child's parent or guardian, and get the address of a page where she can say yes for the child. It
/// holds for 24 hours; give it to her alone.
#[utoipa::path(post, path = "/api/v1/guardians", tag = "consents", security(("operator_key" = [])), request_body = NewGuardian, responses((status = 201, body = ConfirmedGuardian), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn confirm_guardian(
    State(app): Shared,
    operator: Operator,
    body: Body<NewGuardian>,
) -> Result<Response, Failure> {
    let child = body.value.child.party(&app.privity).await?;
    let by = Actor::Operator(operator.0.id);
    let link = app.privity.confirm_guardian(&child, body.value.proof, by);
    let link = link.await?;
    let confirmed = ConfirmedGuardian {
        url: crate::secret::guardian_url(&app.privity.settings().base_url, &link.token),
        until: link.until,
    };
    Ok((StatusCode::CREATED, Json(confirmed)).into_response())
}

fn named(sender: &Sender) -> Result<(), Problem> {
    if *sender == Sender::default() {
        return Err(Problem::invalid(
            "device",
            "name a device, a pseudonym, an identifier or a subject",
        ));
    }
    Ok(())
}

impl RecordedItem {
    fn of(recorded: Recorded) -> Self {
        match recorded {
            Recorded::Kept { id, repeated } => Self {
                status: if repeated { "repeated" } else { "recorded" },
                id: Some(id.to_string()),
                problem: None,
            },
            Recorded::Refused(problem) => Self {
                status: "refused",
                id: None,
                problem: Some(ItemProblem {
                    code: problem.code,
                    title: problem.title,
                    field: problem.field,
                }),
            },
        }
    }
}
