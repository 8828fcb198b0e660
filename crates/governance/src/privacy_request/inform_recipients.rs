//! Telling recipients to delete or to stop: only by what each knows the subject, by the channel that it agreed to. Sent is never done.
//!
//! Law: Cal. Civ. Code 1798.105(c)(1), (3); 11 CCR 7022(b)-(c), 7026(f), 7052.

use std::collections::BTreeSet;

use connectors::{ChannelError, Delivery, Notification, ReceivedData};
use domain::audit::{Action, Actor, NewRecord, commit};
use domain::disclosure::{DisclosureRecipient, Purpose};
use domain::id::OutreachId;
use domain::outreach::{Answer, Outreach, OutreachAction};
use domain::plan::{DisclosedTo, Plan};
use domain::recipient::{ChannelKind, Recipient, VerificationLevel};
use domain::sensitive::Sensitive;
use domain::task::{Task, TaskKind};
use enforcement::vault::{SecretPurpose, token_tag};
use jiff::SignedDuration;
use storage::outreach::StoredOutreach;
use storage::privacy_request::StoredPrivacyRequest;

use crate::claim::Worker;
use crate::deciding::own;
use crate::disclosure::{Opened, Wanted, open};
use crate::privacy_request::close;
use crate::privacy_request::take_answer::check_reason;
use crate::requester::MANIFEST;
use crate::work::{Stop, Work, later, located};
use crate::{Privity, Problem, letter};

/// A recipient's machine is asked this often how far it is.
pub(super) const POLL: SignedDuration = SignedDuration::from_hours(6);

/// The task: tells one recipient after the other.
pub(crate) async fn send(p: &Privity, batch: &[Work], worker: &Worker) -> Result<(), Stop> {
    for work in batch {
        let told = Told::load(p, work).await?;
        if told.outreach.outreach.level >= VerificationLevel::Sent {
            // A crash came between telling and writing it down; the recipient knows it by the same id, so telling twice does no harm.
            tracing::debug!(outreach.id = %told.outreach.outreach.id, "told before");
        }
        let notification = notification(p, work, &told).await?;
        match channel(p, &told.recipient)?.send(&notification).await {
            Ok(delivery) => sent(p, work, &told, &delivery, worker).await?,
            Err(error) => return Err(failed(p, &told, &error).await),
        }
    }
    Ok(())
}

/// What a task of outreach works on.
/// An outreach and the recipient that it goes to.
pub(super) struct Told {
    pub(super) outreach: StoredOutreach,
    pub(super) recipient: Recipient,
}

impl Told {
    pub(super) async fn load(p: &Privity, work: &Work) -> Result<Self, Stop> {
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

pub(super) fn channel<'a>(
    p: &'a Privity,
    recipient: &Recipient,
) -> Result<&'a dyn connectors::Channel, Stop> {
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
pub(super) async fn open_identifiers(
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

pub(super) fn identifiers(
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

pub(super) async fn notification(
    p: &Privity,
    work: &Work,
    told: &Told,
) -> Result<Notification, Stop> {
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
    letter::complete_outreach(p.law(), request, told.recipient.effective_role(), &carried)
        .map_err(|lacking| Stop::Never(lacking.to_string()))?;
    Ok(Notification {
        outreach: outreach.id,
        request: request.id,
        external_id: outreach.external_id.clone().unwrap_or_default(),
        action: outreach.action,
        law: request.law.clone(),
        business: p.settings().business.name.clone(),
        identifiers,
        received: received(
            p,
            work.stored.plan.as_ref(),
            &told.recipient,
            outreach.action,
        ),
        due: told.outreach.due,
        submitted_at: request.received_at,
        answer_url: answer_url(p, outreach),
    })
}

/// What a recipient got of her by the ledger, and besides what the data map says that it gets. An opt-out is about what was sold or shared.
fn received(
    p: &Privity,
    plan: Option<&Plan>,
    recipient: &Recipient,
    action: OutreachAction,
) -> Vec<ReceivedData> {
    let concerned = |one: &&DisclosedTo| {
        one.recipient == recipient.key
            && (action == OutreachAction::Delete || one.sold || one.shared)
    };
    let disclosed = plan.into_iter().flat_map(|plan| &plan.disclosed);
    let keys = disclosed.filter(concerned).flat_map(|one| &one.attributes);
    let keys: BTreeSet<_> = keys.collect();
    let mut received: Vec<_> = keys.into_iter().map(|key| attribute(p, key)).collect();
    let known: BTreeSet<_> = received
        .iter()
        .filter_map(|one| one.category.clone())
        .collect();
    let others = recipient.categories.iter();
    let others = others.filter(|category| !known.contains(*category));
    received.extend(others.map(|category| ReceivedData {
        attribute: None,
        category: Some(category.clone()),
        title: super::categories::title(p, category),
    }));
    received
}

fn attribute(p: &Privity, key: &str) -> ReceivedData {
    let rule = p.schema().and_then(|schema| schema.attribute_of(key));
    ReceivedData {
        attribute: Some(key.to_owned()),
        category: rule.map(|rule| rule.category.clone()),
        title: rule.map_or_else(|| key.to_owned(), |rule| rule.title.clone()),
    }
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
pub(super) fn answer_url(p: &Privity, outreach: &Outreach) -> Sensitive<String> {
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
    worker: &Worker,
) -> Result<(), Stop> {
    let (id, task, owner, q, delivery) = (
        told.outreach.outreach.id,
        work.task.clone(),
        worker.name(),
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
pub(super) fn raised(outreach: Outreach, delivery: &Delivery, p: &Privity) -> Outreach {
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

pub(super) fn record(p: &Privity, outreach: &Outreach, actor: Actor, action: Action) -> NewRecord {
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

pub(super) async fn failed(p: &Privity, told: &Told, error: &ChannelError) -> Stop {
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
