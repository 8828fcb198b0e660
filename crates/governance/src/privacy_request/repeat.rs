//! Repeated calls: a call with an `Idempotency-Key` makes one privacy request, however often and wherever it comes in again.
//!
//! Source: draft-ietf-httpapi-idempotency-key-header-07. The first answer holds the subject's own link, so it is kept sealed, under a
//! key that goes with it after a day, and giving it again is a recorded disclosure.

use domain::audit::{Actor, Hash};
use domain::data_map::IdentifierKind;
use domain::disclosure::{DisclosureRecipient, OwnColumn, Purpose};
use domain::id::{OperatorId, RequestId};
use domain::sensitive::Sensitive;
use enforcement::vault::Place;
use jiff::SignedDuration;
use storage::idempotency::Answered;
use storage::privacy_request::StoredPrivacyRequest;

use crate::deciding::own;
use crate::disclosure::{Wanted, open};
use crate::privacy_request::intake::{self, Intake, Received};
use crate::privacy_request::plan;
use crate::work::later;
use crate::{Privity, Problem};

/// How long an answer is remembered.
pub(crate) const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// Where it is kept.
const RESPONSE: OwnColumn = OwnColumn {
    table: "idempotency",
    column: "response",
};

/// A call that came with a key.
pub struct Call {
    /// Who calls.
    pub caller: OperatorId,
    /// What is called, e.g. `POST /api/v1/privacy-requests`.
    pub route: &'static str,
    /// The key, as the caller chose it.
    pub key: Sensitive<String>,
    /// The body, as it came.
    pub body: Sensitive<Vec<u8>>,
}

/// What a call is answered: the first time and every time after.
pub struct Reply {
    /// The privacy request.
    pub request: RequestId,
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Sensitive<Vec<u8>>,
}

/// Takes in a privacy request, unless the same call already did; then it gives the first answer. `answer` makes that first answer.
///
/// # Errors
/// As [`intake::receive`], and `idempotency_key_reused` when the key came before with another body. A call that fails is not
/// remembered and may be repeated.
pub async fn receive_once(
    p: &Privity,
    call: &Call,
    intake: Intake,
    answer: impl FnOnce(&Received) -> Result<Reply, Problem>,
) -> Result<Reply, Problem> {
    let (tag, body_tag) = tags(p, call);
    if let Some(before) = find(p, tag).await? {
        return again(p, call, before, body_tag).await;
    }
    let prepared = intake::admit(p, intake).await?;
    let received = prepared.received();
    let answer = answer(&received)?;
    let answered = sealed(p, &received, &answer, tag, body_tag)?;
    let now = p.now();
    let (is_first, _) = p
        .write("receive privacy request once", move |tx| {
            if !storage::idempotency::insert(tx, &answered, now)? {
                return Ok((false, Vec::new()));
            }
            let records = prepared.insert(tx)?;
            Ok((true, records))
        })
        .await?;
    if is_first {
        return Ok(answer);
    }
    let before = find(p, tag).await?.ok_or_else(|| {
        Problem::internal("answering a repeated call", &"its first answer is gone")
    })?;
    again(p, call, before, body_tag).await
}

pub(crate) type Tag = [u8; 16];

/// Keyed hashes, since a body names a subject and a key may: who reads the database can't try out which.
#[expect(clippy::disallowed_methods, reason = "into keyed hashes")]
pub(crate) fn tags(p: &Privity, call: &Call) -> (Tag, Tag) {
    let tag = |kind: &str, text: String| {
        p.keys()
            .blind_tag(&IdentifierKind(kind.to_owned()), &Sensitive::new(text))
    };
    let scoped = format!("{}\n{}\n{}", call.route, call.caller, call.key.expose());
    let body = Hash::of(call.body.expose()).to_string();
    (
        tag("idempotency_key", scoped),
        tag("idempotency_body", body),
    )
}

async fn find(p: &Privity, tag: Tag) -> Result<Option<Answered>, Problem> {
    let now = p.now();
    p.read("find repeated call", move |tx| {
        Ok(storage::idempotency::get(tx, &tag, now)?)
    })
    .await
}

fn sealed(
    p: &Privity,
    received: &Received,
    answer: &Reply,
    tag: Tag,
    body_tag: Tag,
) -> Result<Answered, Problem> {
    let failed = |error| Problem::internal("sealing this", &error);
    // Not the privacy request's key: an opt-out may be closed, and its key destroyed, before a broken connection is repeated.
    let (key, wrapped) = p
        .keys()
        .new_request_key(received.id, p.rng())
        .map_err(failed)?;
    let place = Place {
        column: RESPONSE,
        row: &received.id.to_string(),
    };
    Ok(Answered {
        tag: tag.to_vec(),
        body_tag: body_tag.to_vec(),
        request: received.id,
        status: answer.status,
        wrapped_key: wrapped.as_bytes().to_vec(),
        response: key.seal(p.rng(), &place, &answer.body).map_err(failed)?,
        expires_at: later(p.now(), REMEMBERED),
    })
}

/// The first answer, for the caller who had it before.
async fn again(
    p: &Privity,
    call: &Call,
    before: Answered,
    body_tag: Tag,
) -> Result<Reply, Problem> {
    if before.body_tag != body_tag {
        return Err(Problem::new(
            "idempotency_key_reused",
            422,
            "this `Idempotency-Key` came before with another body; use a new key for a new privacy request",
        ));
    }
    let id = before.request;
    let stored = p
        .read("read privacy request", move |tx| plan::existing(tx, id))
        .await?;
    let under_its_key = StoredPrivacyRequest {
        wrapped_key: Some(before.wrapped_key),
        ..stored
    };
    let wanted = Wanted {
        recipient: DisclosureRecipient::Operator(call.caller),
        known: None,
        purpose: Purpose::ShowOperator,
        attributes: vec![own(RESPONSE, "user.unique_id", None)],
    };
    let opened = open(p, &under_its_key, &wanted, Actor::Operator(call.caller)).await?;
    let place = Place {
        column: RESPONSE,
        row: &id.to_string(),
    };
    let body = opened
        .key
        .open(&opened.permit, &place, &before.response)
        .map_err(|error| Problem::internal("answering a repeated call", &error))?;
    Ok(Reply {
        request: id,
        status: before.status,
        body,
    })
}
