//! What recipients answer, on their page or by a signed callback: evidence, not trust, and nothing counts that can't be told to be theirs.
//!
//! Law: Cal. Civ. Code 1798.105(c)(3); 11 CCR 7022(c).

use connectors::{ChannelError, Delivery, Notification, ReceivedAnswer};
use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::{KeepReason, RecipientKey};
use domain::id::OutreachId;
use domain::outreach::{Answer, OutreachAction};
use domain::recipient::{ChannelKind, Recipient, VerificationLevel};
use domain::rng::new_id;
use domain::sensitive::Sensitive;
use enforcement::vault::{Place, TokenTag, token_tag};
use storage::Tx;
use storage::attachment::Attachment;
use storage::outreach::StoredOutreach;
use storage::privacy_request::StoredPrivacyRequest;

use crate::privacy_request::close;
use crate::privacy_request::inform_recipients::{
    answer_url, identifiers, open_identifiers, raised, record,
};
use crate::view::OutreachPage;
use crate::work::call_operator;
use crate::{Privity, Problem};

pub(crate) const NOTE: domain::disclosure::OwnColumn = domain::disclosure::OwnColumn {
    table: "outreach",
    column: "note",
};
pub(crate) const CONTENT: domain::disclosure::OwnColumn = domain::disclosure::OwnColumn {
    table: "attachment",
    column: "content",
};
/// Kinds of file that prove something; a file of any other kind is kept as bytes.
const MEDIA_TYPES: [&str; 16] = [
    "application/json",
    "application/msword",
    "application/pdf",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/xml",
    "application/zip",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "message/rfc822",
    "text/csv",
    "text/html",
    "text/plain",
];
pub(crate) const NAME: domain::disclosure::OwnColumn = domain::disclosure::OwnColumn {
    table: "attachment",
    column: "name",
};

/// What a recipient's privacy desk sees on its page. The identifiers are a disclosure to it, decided and recorded.
pub async fn page(p: &Privity, link: &Sensitive<String>) -> Result<OutreachPage, Problem> {
    let (outreach, stored) = by_link(p, link).await?;
    let Some(recipient) = p.map().recipients.get(&outreach.outreach.recipient) else {
        return Err(Problem::not_found("page"));
    };
    let identifiers = if outreach.outreach.answer.is_none() {
        shown(p, &stored, recipient).await?
    } else {
        Vec::new()
    };
    Ok(OutreachPage {
        business: p.settings().business.name.clone(),
        recipient: recipient.title.clone(),
        action: outreach.outreach.action,
        law: stored.request.law.clone(),
        due: outreach.due,
        received_on: stored.request.clock.received_on,
        identifiers,
        answer: outreach.outreach.answer.clone(),
        reasons: p
            .law()
            .exceptions()
            .map(|reason| KeepReason {
                code: reason.reason.clone(),
                explanation: reason.title.clone(),
            })
            .collect(),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the recipient's own identifiers for the subject, released to it by the recorded permit above"
)]
async fn shown(
    p: &Privity,
    stored: &StoredPrivacyRequest,
    recipient: &Recipient,
) -> Result<Vec<(String, String)>, Problem> {
    let opened = open_identifiers(
        p,
        stored,
        recipient,
        Actor::Recipient(recipient.key.clone()),
    )
    .await?;
    let identifiers = identifiers(&opened, stored, recipient)
        .map_err(|stop| Problem::internal("showing this page", &format!("{stop:?}")))?;
    Ok(identifiers
        .into_iter()
        .map(|(kind, value)| (kind.0, value.expose().clone()))
        .collect())
}

async fn by_link(
    p: &Privity,
    link: &Sensitive<String>,
) -> Result<(StoredOutreach, StoredPrivacyRequest), Problem> {
    let tag: TokenTag = token_tag(link);
    p.read("find by link", move |tx| {
        let outreach = storage::outreach::get_by_link_tag(tx, tag.as_bytes())?
            .ok_or_else(|| Problem::not_found("page"))?;
        let stored = super::plan::existing(tx, outreach.outreach.request)?;
        Ok((outreach, stored))
    })
    .await
}

/// A person at the recipient states the outcome on its page: attested.
pub async fn answer(
    p: &Privity,
    link: &Sensitive<String>,
    answer: Answer,
    note: Option<Sensitive<String>>,
    file: Option<(String, String, Sensitive<Vec<u8>>)>,
) -> Result<(), Problem> {
    check_reason(p, &answer)?;
    let (outreach, stored) = by_link(p, link).await?;
    let key = crate::disclosure::request_key(p, &stored)?;
    let id = outreach.outreach.id;
    let sealing = |error: enforcement::vault::VaultError| Problem::internal("sealing this", &error);
    let note = note
        .map(|note| {
            key.seal(
                p.rng(),
                &Place {
                    column: NOTE,
                    row: &id.to_string(),
                },
                &note,
            )
        })
        .transpose()
        .map_err(sealing)?;
    let file = file
        .map(|file| attachment(p, &key, &stored, Some(id), None, file))
        .transpose()?;
    let delivery = Delivery {
        level: VerificationLevel::Attested,
        answer: Some(answer),
        external_id: None,
    };
    let q = p.clone();
    p.write("recipient answered", move |tx| {
        let Some(stored) = storage::outreach::lock(tx, id)? else {
            return Err(Problem::not_found("page"));
        };
        if stored.outreach.answer.is_some() {
            return Err(Problem::conflict(
                "this was answered before; write to the business if the answer has changed",
            ));
        }
        let outreach = raised(stored.outreach, &delivery, &q);
        storage::outreach::update(tx, &outreach)?;
        if let Some(note) = &note {
            storage::outreach::save_note(tx, id, note)?;
        }
        if let Some((attachment, content)) = &file {
            storage::attachment::insert(tx, attachment, content)?;
        }
        close::when_ready(&q, tx, &[outreach.request].into())?;
        Ok((
            (),
            vec![
                record(
                    &q,
                    &outreach,
                    Actor::Recipient(outreach.recipient.clone()),
                    Action::OutreachAnswered,
                )
                .with("file", file.is_some()),
            ],
        ))
    })
    .await?;
    Ok(())
}

pub(super) fn check_reason(p: &Privity, answer: &Answer) -> Result<(), Problem> {
    match answer {
        Answer::Exception { reason }
            if !p.law().exceptions().any(|known| known.reason == *reason) =>
        {
            Err(Problem::invalid(
                "reason",
                "choose one of the reasons that the law knows",
            ))
        }
        _ => Ok(()),
    }
}

/// A sealed file that proves a step.
pub(crate) fn attachment(
    p: &Privity,
    key: &enforcement::vault::RequestKey,
    stored: &StoredPrivacyRequest,
    outreach: Option<OutreachId>,
    task: Option<domain::id::TaskId>,
    (name, media_type, content): (String, String, Sensitive<Vec<u8>>),
) -> Result<(Attachment, domain::sensitive::Sealed), Problem> {
    let id = new_id(p.rng(), p.now());
    let row = id.to_string();
    let sealing = |error: enforcement::vault::VaultError| Problem::internal("sealing this", &error);
    let sealed_name = key
        .seal(
            p.rng(),
            &Place {
                column: NAME,
                row: &row,
            },
            &Sensitive::new(name),
        )
        .map_err(sealing)?;
    let sealed = key
        .seal(
            p.rng(),
            &Place {
                column: CONTENT,
                row: &row,
            },
            &content,
        )
        .map_err(sealing)?;
    let size = size_of_content(&content);
    Ok((
        Attachment {
            id,
            request: stored.request.id,
            outreach,
            task,
            name: sealed_name,
            media_type: checked_media_type(&media_type),
            size,
            created_at: p.now(),
        },
        sealed,
    ))
}

/// One of the kinds of file that prove something; it is kept in the open, so no text of the sender's may be in it.
fn checked_media_type(given: &str) -> String {
    let given = given.split(';').next().unwrap_or_default().trim();
    let known = MEDIA_TYPES
        .iter()
        .find(|known| known.eq_ignore_ascii_case(given));
    known
        .copied()
        .unwrap_or("application/octet-stream")
        .to_owned()
}

#[expect(clippy::disallowed_methods, reason = "only its length")]
fn size_of_content(content: &Sensitive<Vec<u8>>) -> u64 {
    content.expose().len() as u64
}

/// A machine of the recipient answers with a signature: verified before anything is believed, then probed where it can be.
/// Answers by which channel it came, since each protocol has its own form of thanks.
pub async fn callback(
    p: &Privity,
    recipient: &RecipientKey,
    message: ReceivedAnswer,
) -> Result<ChannelKind, Problem> {
    let (Some(known), Some(channel)) = (
        p.map().recipients.get(recipient),
        p.channels().get(recipient),
    ) else {
        return Err(Problem::not_found("recipient"));
    };
    let verified = match channel.verify_answer(&message).await {
        Ok(verified) => verified,
        Err(error) => return refuse(p, known, &error).await,
    };
    if let Some(answer) = &verified.answer {
        check_reason(p, answer)?;
    }
    let external_id = verified.external_id.clone();
    let wanted = recipient.clone();
    let found = p
        .read("find outreach", move |tx| find(tx, &external_id, &wanted))
        .await?;
    let (outreach, stored) = found.ok_or_else(|| Problem::not_found("outreach"))?;
    let held = match &verified.answer {
        Some(Answer::Done | Answer::NotFound)
            if outreach.outreach.action == OutreachAction::Delete =>
        {
            probe_after_answer(p, known, channel.as_ref(), &outreach, &stored).await
        }
        _ => None,
    };
    let level = if held == Some(false) {
        VerificationLevel::Probed
    } else {
        verified.level
    };
    let delivery = Delivery {
        level,
        answer: verified.answer.clone(),
        external_id: None,
    };
    let hash = domain::audit::Hash(verified.body_hash).to_string();
    let (id, q) = (outreach.outreach.id, p.clone());
    p.write("recipient answered", move |tx| {
        let Some(stored) = storage::outreach::lock(tx, id)? else {
            return Err(Problem::not_found("outreach"));
        };
        let mut outreach = raised(stored.outreach, &delivery, &q);
        if held == Some(true) {
            outreach.last_error = Some(
                "it says that it is done, and still answers that it holds the data; ask it again"
                    .to_owned(),
            );
            outreach.answer = None;
            call_operator(tx, outreach.request, q.now())?;
        }
        storage::outreach::update(tx, &outreach)?;
        close::when_ready(&q, tx, &[outreach.request].into())?;
        Ok((
            (),
            vec![
                record(
                    &q,
                    &outreach,
                    Actor::Recipient(outreach.recipient.clone()),
                    Action::OutreachAnswered,
                )
                .with("signed_body", hash.clone())
                .with("still_held", held),
            ],
        ))
    })
    .await?;
    Ok(known.channel)
}

fn find(
    tx: &mut Tx,
    external_id: &str,
    recipient: &RecipientKey,
) -> Result<Option<(StoredOutreach, StoredPrivacyRequest)>, Problem> {
    let by_ours = external_id
        .parse::<OutreachId>()
        .ok()
        .map(|id| storage::outreach::get(tx, id))
        .transpose()?
        .flatten();
    let found = match by_ours {
        Some(found) => Some(found),
        None => storage::outreach::get_by_external_id(tx, external_id)?,
    };
    // Somebody else's outreach looks the same as one that does not exist.
    let Some(outreach) = found.filter(|found| found.outreach.recipient == *recipient) else {
        return Ok(None);
    };
    let stored = super::plan::existing(tx, outreach.outreach.request)?;
    Ok(Some((outreach, stored)))
}

async fn probe_after_answer(
    p: &Privity,
    recipient: &Recipient,
    channel: &dyn connectors::Channel,
    outreach: &StoredOutreach,
    stored: &StoredPrivacyRequest,
) -> Option<bool> {
    let opened = open_identifiers(p, stored, recipient, Actor::System)
        .await
        .ok()?;
    let identifiers = identifiers(&opened, stored, recipient).ok()?;
    let notification = Notification {
        outreach: outreach.outreach.id,
        request: stored.request.id,
        external_id: outreach.outreach.external_id.clone().unwrap_or_default(),
        action: outreach.outreach.action,
        law: stored.request.law.clone(),
        business: p.settings().business.name.clone(),
        identifiers,
        received: Vec::new(), // A probe asks whether anything is left, whatever it was.
        due: outreach.due,
        submitted_at: stored.request.received_at,
        answer_url: answer_url(p, &outreach.outreach),
    };
    channel.probe(&notification).await.ok()?
}

/// OpenDSR's security guidelines: 401 for an unknown domain or a bad certificate, 400 for a bad signature or body.
async fn refuse(
    p: &Privity,
    recipient: &Recipient,
    error: &ChannelError,
) -> Result<ChannelKind, Problem> {
    tracing::warn!(recipient = %recipient.key, cause = %error, "a callback was refused");
    let record = NewRecord::new(
        p.now(),
        Actor::Recipient(recipient.key.clone()),
        Action::OutreachRefused,
    )
    .about(recipient.key.as_ref());
    p.append(vec![record]).await?;
    let words = error.to_string();
    Err(match error {
        // It is the recipient's and says that it won't; the poll brings that before an operator.
        ChannelError::Refused { .. } => return Ok(recipient.channel),
        ChannelError::NotAuthentic { .. } => Problem::new("signature_refused", 401, words),
        ChannelError::Forged { .. } => Problem::new("signature_refused", 400, words),
        ChannelError::Unreadable { .. } => Problem::new("callback_unreadable", 400, words),
        ChannelError::Unreachable { .. } => Problem::new("callback_unverifiable", 503, words),
    })
}
