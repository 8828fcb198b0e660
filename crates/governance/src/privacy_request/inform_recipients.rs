//! Telling recipients to delete or to stop, and taking in what they answer: evidence, not trust. Sent is never done.
//!
//! Law: Cal. Civ. Code 1798.105(c)(1), (3); 11 CCR 7022(b)-(c), 7026(f), 7052.

use connectors::{ChannelError, Delivery, Notification, ReceivedAnswer};
use domain::audit::{Action, Actor, NewRecord, commit};
use domain::data_map::{KeepReason, RecipientKey};
use domain::disclosure::{DisclosureRecipient, Purpose};
use domain::id::OutreachId;
use domain::outreach::{Answer, Outreach, OutreachAction};
use domain::privacy_request::RequestState;
use domain::recipient::{ChannelKind, Recipient, VerificationLevel};
use domain::rng::new_id;
use domain::sensitive::Sensitive;
use domain::task::{Task, TaskKind};
use enforcement::vault::{Place, SecretPurpose, TokenTag, token_tag};
use jiff::SignedDuration;
use storage::Tx;
use storage::attachment::Attachment;
use storage::outreach::StoredOutreach;
use storage::privacy_request::StoredPrivacyRequest;

use crate::deciding::own;
use crate::disclosure::{Opened, Wanted, open};
use crate::privacy_request::close;
use crate::requester::MANIFEST;
use crate::view::OutreachPage;
use crate::work::{Stop, Work, call_operator, later, located};
use crate::{Privity, Problem, letter};

/// A recipient's machine is asked this often how far it is.
const POLL: SignedDuration = SignedDuration::from_hours(6);
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

/// The task: tells one recipient after the other.
pub(crate) async fn send(p: &Privity, batch: &[Work], owner: &str) -> Result<(), Stop> {
    for work in batch {
        let told = Told::load(p, work).await?;
        if told.outreach.outreach.level >= VerificationLevel::Sent {
            // A crash came between telling and writing it down; the recipient knows it by the same id, so telling twice does no harm.
            tracing::debug!(outreach.id = %told.outreach.outreach.id, "told before");
        }
        let notification = notification(p, work, &told).await?;
        match channel(p, &told.recipient)?.send(&notification).await {
            Ok(delivery) => sent(p, work, &told, &delivery, owner).await?,
            Err(error) => return Err(failed(p, &told, &error).await),
        }
    }
    Ok(())
}

/// What a task of outreach works on.
struct Told {
    outreach: StoredOutreach,
    recipient: Recipient,
}

impl Told {
    async fn load(p: &Privity, work: &Work) -> Result<Self, Stop> {
        let id: OutreachId = work
            .task
            .target
            .parse()
            .map_err(|error: domain::id::InvalidId| Stop::Never(error.to_string()))?;
        let outreach = p
            .read("read outreach", move |tx| {
                storage::outreach::get(tx, id)?.ok_or_else(|| Problem::not_found("outreach"))
            })
            .await?;
        let key = &outreach.outreach.recipient;
        let recipient = p.map().recipients.get(key).cloned().ok_or_else(|| Stop::Never(format!("`{key}` is no longer in the data map; put it back, or write to it yourself and record the answer")))?;
        Ok(Self {
            outreach,
            recipient,
        })
    }
}

fn channel<'a>(p: &'a Privity, recipient: &Recipient) -> Result<&'a dyn connectors::Channel, Stop> {
    p.channels()
        .get(&recipient.key)
        .map(AsRef::as_ref)
        .ok_or_else(|| {
            Stop::Never(format!(
                "`{}` has no channel in the data map; add one",
                recipient.key
            ))
        })
}

/// Opens, by a recorded permit, the identifiers by which this recipient knows the subject, and nothing else.
async fn open_identifiers(
    p: &Privity,
    stored: &StoredPrivacyRequest,
    recipient: &Recipient,
    actor: Actor,
) -> Result<Opened, Problem> {
    let attributes = recipient
        .known_by
        .iter()
        .map(|kind| own(MANIFEST, "user.unique_id", Some(kind.clone())))
        .collect();
    let wanted = Wanted {
        recipient: DisclosureRecipient::Recipient(
            recipient.key.clone(),
            recipient.effective_role(),
        ),
        known: Some(recipient),
        purpose: Purpose::InformRecipient,
        attributes,
    };
    open(p, stored, &wanted, actor).await
}

fn identifiers(
    opened: &Opened,
    stored: &StoredPrivacyRequest,
    recipient: &Recipient,
) -> Result<Vec<(domain::data_map::IdentifierKind, Sensitive<String>)>, Stop> {
    let mut located = located(&opened.key, &opened.permit, stored)?;
    let known = recipient
        .known_by
        .iter()
        .filter_map(|kind| Some((kind.clone(), located.identifiers.remove(kind)?)));
    Ok(known
        .flat_map(|(kind, values)| {
            values
                .into_iter()
                .map(move |value| (kind.clone(), Sensitive::new(value)))
        })
        .collect())
}

async fn notification(p: &Privity, work: &Work, told: &Told) -> Result<Notification, Stop> {
    let opened = open_identifiers(p, &work.stored, &told.recipient, Actor::System).await?;
    let identifiers = identifiers(&opened, &work.stored, &told.recipient)?;
    if identifiers.is_empty() {
        let kinds: Vec<&str> = told
            .recipient
            .known_by
            .iter()
            .map(|kind| kind.0.as_str())
            .collect();
        return Err(Stop::Never(format!(
            "`{}` knows subjects by {}, and none was given or found; ask the subject, or settle it with the recipient by hand",
            told.recipient.key,
            kinds.join(", ")
        )));
    }
    let (request, outreach) = (&work.stored.request, &told.outreach.outreach);
    let carried = carried(outreach.channel, told.outreach.due.is_some());
    letter::complete_outreach(
        p.law(),
        request,
        told.recipient.effective_role(),
        &carried,
    )
    .map_err(|lacking| Stop::Never(lacking.to_string()))?;
    Ok(Notification {
        outreach: outreach.id,
        request: request.id,
        external_id: outreach.external_id.clone().unwrap_or_default(),
        action: outreach.action,
        law: request.law.clone(),
        business: p.settings().business.name.clone(),
        identifiers,
        due: told.outreach.due,
        submitted_at: request.received_at,
        answer_url: answer_url(p, outreach),
    })
}

/// What each channel puts into its message, by the fields of law/messages.yaml. OpenDSR names the regulation and the day of receipt,
/// from which the deadline follows; it speaks to processors, and has no word for passing something on.
fn carried(channel: ChannelKind, has_due: bool) -> Vec<&'static str> {
    let mut fields = vec!["consumer_key", "action"];
    fields.extend(has_due.then_some("deadline"));
    fields.extend((channel != ChannelKind::Opendsr).then_some("pass_on_instruction"));
    fields
}

/// Where the answer goes: a person's to a page that its link opens, a machine's to the callback that its signature opens.
fn answer_url(p: &Privity, outreach: &Outreach) -> Sensitive<String> {
    let base = p.settings().base_url.trim_end_matches('/');
    Sensitive::new(match outreach.channel {
        ChannelKind::Email => format!("{base}/outreach/{}", link_token(p, outreach.id)),
        ChannelKind::Webhook | ChannelKind::Opendsr => {
            format!("{base}/callbacks/{}", outreach.recipient)
        }
    })
}

/// The secret in a recipient's link: a keyed hash of the outreach's id, so that a reminder carries the same link and nothing is stored.
fn link_token(p: &Privity, id: OutreachId) -> String {
    commit(
        &p.keys().secret(SecretPurpose::Link),
        "outreach",
        &Sensitive::new(id.to_string()),
    )
    .to_string()
}

/// What is stored of a recipient's link.
pub(crate) fn link_tag(p: &Privity, id: OutreachId) -> Vec<u8> {
    token_tag(&Sensitive::new(link_token(p, id)))
        .as_bytes()
        .to_vec()
}

async fn sent(
    p: &Privity,
    work: &Work,
    told: &Told,
    delivery: &Delivery,
    owner: &str,
) -> Result<(), Stop> {
    let (id, task, owner, q, delivery) = (
        told.outreach.outreach.id,
        work.task.clone(),
        owner.to_owned(),
        p.clone(),
        delivery.clone(),
    );
    let rule = told.recipient.reminders.clone();
    p.write("outreach sent", move |tx| {
        storage::task::finish(tx, &[task.id], &owner)?;
        let Some(stored) = storage::outreach::lock(tx, id)? else {
            return Ok(((), Vec::new()));
        };
        let mut outreach = raised(stored.outreach, &delivery, &q);
        outreach.sent_at = outreach.sent_at.or(Some(q.now()));
        outreach.last_error = None;
        let first = rule
            .remind_after_days
            .first()
            .copied()
            .unwrap_or(rule.escalate_after_days);
        outreach.next_reminder_at = Some(later(
            q.now(),
            SignedDuration::from_hours(24 * i64::from(first)),
        ));
        storage::outreach::update(tx, &outreach)?;
        let mut follow = vec![Task {
            run_at: outreach.next_reminder_at.unwrap_or(q.now()),
            ..q.task(TaskKind::Remind, outreach.request, id.to_string())
        }];
        if outreach.channel == ChannelKind::Opendsr {
            follow.push(Task {
                run_at: later(q.now(), POLL),
                ..q.task(TaskKind::PollOutreach, outreach.request, id.to_string())
            });
        }
        storage::task::insert_again(tx, &follow, q.now())?;
        close::when_ready(&q, tx, &[outreach.request].into())?;
        let record = record(&q, &outreach, Actor::System, Action::OutreachSent);
        Ok(((), vec![record]))
    })
    .await?;
    Ok(())
}

/// The outreach with what a delivery proves; proof never gets weaker.
fn raised(outreach: Outreach, delivery: &Delivery, p: &Privity) -> Outreach {
    // A reason that the law doesn't know is no answer, and it may be any text: it is not kept.
    let answer = delivery
        .answer
        .clone()
        .filter(|answer| check_reason(p, answer).is_ok());
    let answered = answer.is_some() && outreach.answer.is_none();
    Outreach {
        level: outreach.level.max(delivery.level),
        answer: outreach.answer.clone().or(answer),
        answered_at: if answered {
            Some(p.now())
        } else {
            outreach.answered_at
        },
        external_id: delivery.external_id.clone().or(outreach.external_id),
        ..outreach
    }
}

fn record(p: &Privity, outreach: &Outreach, actor: Actor, action: Action) -> NewRecord {
    NewRecord::new(p.now(), actor, action)
        .for_request(outreach.request)
        .about(outreach.recipient.as_ref())
        .with("outreach", outreach.id.to_string())
        .with("action", outreach.action.as_str())
        .with(
            "channel",
            serde_json::to_value(outreach.channel).unwrap_or_default(),
        )
        .with("level", outreach.level.as_str())
        .with("answer", outreach.answer.as_ref().map(Answer::as_str))
}

async fn failed(p: &Privity, told: &Told, error: &ChannelError) -> Stop {
    let (id, words) = (told.outreach.outreach.id, error.to_string());
    let kept = p
        .write("outreach failed", move |tx| {
            if let Some(stored) = storage::outreach::lock(tx, id)? {
                storage::outreach::update(
                    tx,
                    &Outreach {
                        last_error: Some(words.clone()),
                        ..stored.outreach
                    },
                )?;
            }
            Ok(((), Vec::new()))
        })
        .await;
    drop(kept);
    if error.is_transient() {
        Stop::Later(error.to_string())
    } else {
        Stop::Never(error.to_string())
    }
}

/// The task: asks a recipient's machine how far it is; when it says done, whether the data is gone.
pub(crate) async fn poll(p: &Privity, batch: &[Work], owner: &str) -> Result<(), Stop> {
    for work in batch {
        let told = Told::load(p, work).await?;
        let outreach = &told.outreach.outreach;
        let delivery = match channel(p, &told.recipient)?
            .poll(
                outreach.id,
                outreach.external_id.as_deref().unwrap_or_default(),
            )
            .await
        {
            Ok(delivery) => delivery,
            Err(error) => return Err(failed(p, &told, &error).await),
        };
        let probed = if delivery
            .as_ref()
            .is_some_and(|delivery| delivery.answer.is_some())
        {
            probe(p, work, &told).await
        } else {
            None
        };
        learned(p, work, outreach.id, delivery, probed, owner).await?;
    }
    Ok(())
}

/// Asks whether the data is gone; a question that fails proves nothing and stops nothing.
async fn probe(p: &Privity, work: &Work, told: &Told) -> Option<bool> {
    let notification = notification(p, work, told).await.ok()?;
    channel(p, &told.recipient)
        .ok()?
        .probe(&notification)
        .await
        .ok()?
}

async fn learned(
    p: &Privity,
    work: &Work,
    id: OutreachId,
    delivery: Option<Delivery>,
    held: Option<bool>,
    owner: &str,
) -> Result<(), Stop> {
    let (task, owner, q) = (work.task.clone(), owner.to_owned(), p.clone());
    p.write("outreach polled", move |tx| {
        let Some(stored) = storage::outreach::lock(tx, id)? else {
            return Ok(((), Vec::new()));
        };
        let before = stored.outreach.clone();
        let mut outreach = delivery.as_ref().map_or(before.clone(), |delivery| {
            raised(before.clone(), delivery, &q)
        });
        if held == Some(false) {
            outreach.level = VerificationLevel::Probed;
        }
        let open = outreach.answer.is_none() && work_goes_on(tx, &outreach)?;
        if open {
            storage::task::retry_at(tx, task.id, &owner, later(q.now(), POLL), None)?;
        } else {
            storage::task::finish(tx, &[task.id], &owner)?;
        }
        if outreach == before {
            return Ok(((), Vec::new()));
        }
        storage::outreach::update(tx, &outreach)?;
        close::when_ready(&q, tx, &[outreach.request].into())?;
        Ok((
            (),
            vec![record(
                &q,
                &outreach,
                Actor::Recipient(outreach.recipient.clone()),
                Action::OutreachAnswered,
            )],
        ))
    })
    .await?;
    Ok(())
}

fn work_goes_on(tx: &mut Tx, outreach: &Outreach) -> Result<bool, Problem> {
    Ok(super::plan::existing(tx, outreach.request)?.request.state == RequestState::InProgress)
}

/// The task: reminds a silent recipient, and at the end of the rule calls an operator.
pub(crate) async fn remind(p: &Privity, batch: &[Work], owner: &str) -> Result<(), Stop> {
    for work in batch {
        let told = Told::load(p, work).await?;
        let silent = !close::is_settled(p, &told.outreach)
            && work.stored.request.state == RequestState::InProgress;
        let mut reminded = false;
        if silent
            && usize::from(told.outreach.outreach.reminders)
                < told.recipient.reminders.remind_after_days.len()
        {
            let notification = notification(p, work, &told).await?;
            if let Err(error) = channel(p, &told.recipient)?.remind(&notification).await {
                return Err(failed(p, &told, &error).await);
            }
            reminded = true;
        }
        after_reminder(p, work, &told, silent, reminded, owner).await?;
    }
    Ok(())
}

async fn after_reminder(
    p: &Privity,
    work: &Work,
    told: &Told,
    silent: bool,
    reminded: bool,
    owner: &str,
) -> Result<(), Stop> {
    let (id, task, owner, q, rule) = (
        told.outreach.outreach.id,
        work.task.clone(),
        owner.to_owned(),
        p.clone(),
        told.recipient.reminders.clone(),
    );
    p.write("recipient reminded", move |tx| {
        let Some(stored) = storage::outreach::lock(tx, id)?.filter(|_| silent) else {
            storage::task::finish(tx, &[task.id], &owner)?;
            return Ok(((), Vec::new()));
        };
        let mut outreach = stored.outreach;
        if !reminded {
            outreach.escalated = true;
            outreach.next_reminder_at = None;
            storage::outreach::update(tx, &outreach)?;
            storage::task::finish(tx, &[task.id], &owner)?;
            call_operator(tx, outreach.request, q.now())?;
            return Ok((
                (),
                vec![record(
                    &q,
                    &outreach,
                    Actor::System,
                    Action::OutreachEscalated,
                )],
            ));
        }
        outreach.reminders += 1;
        let days = rule
            .remind_after_days
            .get(usize::from(outreach.reminders))
            .copied()
            .unwrap_or(rule.escalate_after_days);
        let since = outreach.sent_at.unwrap_or(q.now());
        let next = later(since, SignedDuration::from_hours(24 * i64::from(days)))
            .max(later(q.now(), SignedDuration::from_hours(1)));
        outreach.next_reminder_at = Some(next);
        storage::outreach::update(tx, &outreach)?;
        storage::task::retry_at(tx, task.id, &owner, next, None)?;
        Ok((
            (),
            vec![record(
                &q,
                &outreach,
                Actor::System,
                Action::OutreachReminded,
            )],
        ))
    })
    .await?;
    Ok(())
}

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

fn check_reason(p: &Privity, answer: &Answer) -> Result<(), Problem> {
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
    p.append("callback refused", vec![record]).await?;
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
