//! The plan: all systems are searched, what goes and what stays is shown with its reasons, and nothing is touched before
//! somebody (or a rule of the business) approves.
//!
//! Law: Cal. Civ. Code 1798.105(c)-(d), 1798.130(a)(2)(A) (one extension, told in time); 11 CCR 7021(b), 7022.

use std::collections::{BTreeMap, BTreeSet};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::{KeepReason, RecipientKey};
use domain::id::OperatorId;
use domain::id::RequestId;
use domain::law::{Clocks, Received};
use domain::outreach::{Outreach, OutreachAction};
use domain::plan::{DisclosedTo, Plan};
use domain::privacy_request::{Clock, PrivacyRequest, RequestKind, RequestState, Step, Waiting};
use domain::recipient::{ChannelKind, Recipient, RecipientRole, VerificationLevel};
use domain::rng::new_id;
use domain::sensitive::{Sealed, Sensitive};
use domain::task::{Task, TaskKind};
use enforcement::vault::Place;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use storage::Tx;
use storage::outreach::NewOutreach;
use storage::privacy_request::StoredPrivacyRequest;

use crate::claim::{Batch, Worker, end_step};
use crate::disclosure::disclosed_to;
use crate::legal_hold::Holds;
use crate::privacy_request::inform_recipients::link_tag;
use crate::privacy_request::{figures, know_limit, write_to_subject};
use crate::requester::EXPLANATION;
use crate::search::locate;
use crate::work::{Stop, Work, seal_located, task_ids};
use crate::{Privity, Problem, letter};

/// The task: searches all systems for a batch of subjects and makes their plans; what a rule approves goes on at once.
pub(crate) async fn make(p: &Privity, batch: &[Work], worker: &Worker) -> Result<Vec<Batch>, Stop> {
    let seeds = batch
        .iter()
        .map(|work| Ok(work.requester(p)?.seeds()))
        .collect::<Result<Vec<_>, Stop>>()?;
    let holds = Holds::of(p, batch).await?;
    let deletion = batch
        .iter()
        .any(|work| work.stored.request.kind == RequestKind::Delete);
    let found = locate(p, &seeds, deletion.then_some(&holds)).await?;
    let located: Vec<_> = found.iter().map(|found| &found.located).collect();
    let mut disclosed = disclosed_to(p, &located).await?.into_iter();
    let mut plans = Vec::with_capacity(batch.len());
    for (subject, (work, found)) in batch.iter().zip(&found).enumerate() {
        let sealed = seal_located(p, &work.key(p)?, work.id(), &found.located)?;
        let mut plan = figures::plan(p, work.stored.request.kind, found, subject, &holds);
        plan.disclosed = disclosed.next().unwrap_or_default();
        plans.push((work.id(), sealed, plan));
    }
    let (ids, owner, q) = (task_ids(batch), worker.name(), p.clone());
    let next = &[TaskKind::MakePackage, TaskKind::Erase, TaskKind::Confirm];
    let going_on = end_step(p, worker, "plan made", next, move |tx| {
        storage::task::finish(tx, &ids, &owner)?;
        record_plans(&q, tx, &plans)
    });
    Ok(going_on.await?)
}

fn record_plans(
    p: &Privity,
    tx: &mut Tx,
    plans: &[(RequestId, Sealed, Plan)],
) -> Result<Vec<NewRecord>, Problem> {
    let requests: Vec<RequestId> = plans.iter().map(|(id, ..)| *id).collect();
    // Read before the plans are stored: nothing has to be parsed that is at hand.
    let found = storage::privacy_request::get_many(tx, &requests)?;
    storage::privacy_request::save_plans(tx, plans, p.now())?;
    let mut made: BTreeMap<RequestId, &Plan> =
        plans.iter().map(|(id, _, plan)| (*id, plan)).collect();
    let mut records = Vec::new();
    let mut approved = Vec::new();
    for stored in found {
        // Withdrawn or denied while the search went on: nothing follows.
        if stored.request.state != RequestState::Verified {
            continue;
        }
        let Some(plan) = made.remove(&stored.request.id).cloned() else {
            continue;
        };
        records.push(plan_record(p, &stored.request, &plan));
        let by_rule = &p.settings().approval.automatic;
        if by_rule.contains(&stored.request.kind) && !know_limit::is_over(&stored) {
            records.push(
                NewRecord::new(p.now(), Actor::System, Action::Approved)
                    .for_request(stored.request.id)
                    .with("by", "rule"),
            );
            approved.push((stored, plan));
        } else {
            let waiting = PrivacyRequest {
                waiting: Some(Waiting::Approval),
                ..stored.request
            };
            storage::privacy_request::update(tx, &waiting, &stored.reasons, p.now())?;
        }
    }
    begin(p, tx, approved)?;
    Ok(records)
}

/// Begins the work on an approved plan; the caller has the records.
pub(crate) fn begin(
    p: &Privity,
    tx: &mut Tx,
    approved: Vec<(StoredPrivacyRequest, Plan)>,
) -> Result<(), Problem> {
    let mut begun = Begun::default();
    for (stored, plan) in approved {
        begun.begin(p, stored, &plan)?;
    }
    begun.store(p, tx)
}

/// The record of a plan: what was found, what goes and what stays, in numbers.
pub(crate) fn plan_record(p: &Privity, request: &PrivacyRequest, plan: &Plan) -> NewRecord {
    let found = plan
        .collections
        .iter()
        .filter(|collection| collection.rows > 0);
    let figures: serde_json::Map<String, serde_json::Value> = found
        .map(|collection| {
            let kept: Vec<_> = collection.kept.iter().map(|kept| serde_json::json!({ "rows": kept.rows, "reason": kept.reason.code })).collect();
            let figures = serde_json::json!({ "rows": collection.rows, "delete": collection.delete, "redact": collection.redact, "kept": kept });
            (collection.collection.to_string(), figures)
        })
        .collect();
    NewRecord::new(p.now(), Actor::System, Action::PlanMade)
        .for_request(request.id)
        .with("searched", plan.collections.len())
        .with("found", figures)
}

/// The work that follows approval, for a batch: state, tasks, outreach.
#[derive(Default)]
struct Begun {
    changed: Vec<(PrivacyRequest, Vec<String>)>,
    tasks: Vec<Task>,
    outreach: Vec<NewOutreach>,
}

impl Begun {
    fn begin(
        &mut self,
        p: &Privity,
        stored: StoredPrivacyRequest,
        plan: &Plan,
    ) -> Result<(), Problem> {
        let request = &stored.request;
        self.tasks.extend(self.steps(p, request, plan));
        self.tell_recipients(p, request, plan);
        self.tasks.extend(deadline(p, request));
        let state = request.state.after(Step::Approve)?;
        let waiting = (!plan.manual.is_empty()).then_some(Waiting::ManualWork);
        self.changed.push((
            PrivacyRequest {
                state,
                waiting,
                ..stored.request
            },
            know_limit::decided(stored.reasons),
        ));
        Ok(())
    }

    fn steps(&self, p: &Privity, request: &PrivacyRequest, plan: &Plan) -> Vec<Task> {
        let by_hand = plan.manual.iter().map(|system| Task {
            due: request.clock.due(),
            ..p.task(TaskKind::ManualWork, request.id, system.as_ref())
        });
        match request.kind {
            RequestKind::KnowCategories => vec![p.task(TaskKind::MakePackage, request.id, "")],
            RequestKind::KnowSpecific => by_hand
                .chain([p.task(TaskKind::MakePackage, request.id, "")])
                .collect(),
            RequestKind::OptOutSaleShare => Vec::new(),
            RequestKind::Delete => {
                let touched: BTreeSet<_> = plan
                    .collections
                    .iter()
                    .filter(|collection| collection.rows > 0)
                    .map(|collection| &collection.system)
                    .collect();
                let mut steps: Vec<Task> = touched
                    .into_iter()
                    .map(|system| p.task(TaskKind::Erase, request.id, system.as_ref()))
                    .chain(by_hand)
                    .collect();
                if steps.is_empty() {
                    steps.push(p.task(TaskKind::Confirm, request.id, ""));
                }
                steps
            }
        }
    }

    /// Those that the data map says get data, and those that the ledger says got hers.
    fn tell_recipients(&mut self, p: &Privity, request: &PrivacyRequest, plan: &Plan) {
        let known = p.map().recipients.values();
        let mut told: BTreeMap<_, _> = known
            .filter(|recipient| is_told(request.kind, recipient))
            .map(|recipient| (&recipient.key, recipient.channel))
            .collect();
        for one in &plan.disclosed {
            let recipient = p.map().recipients.get(&one.recipient);
            if got_it(request.kind, one, recipient) {
                // Whoever is gone from the data map is a task for an operator, who knows where to write.
                let channel = recipient.map_or(ChannelKind::Email, |recipient| recipient.channel);
                told.insert(&one.recipient, channel);
            }
        }
        for (recipient, channel) in told {
            let outreach = new_outreach(p, request, recipient, channel);
            self.tasks.push(p.task(
                TaskKind::SendOutreach,
                request.id,
                outreach.outreach.id.to_string(),
            ));
            self.outreach.push(outreach);
        }
    }

    fn store(self, p: &Privity, tx: &mut Tx) -> Result<(), Problem> {
        let changed: Vec<(&PrivacyRequest, &[String])> = self
            .changed
            .iter()
            .map(|(request, reasons)| (request, reasons.as_slice()))
            .collect();
        storage::privacy_request::update_many(tx, &changed, p.now())?;
        storage::outreach::insert_many(tx, &self.outreach, p.now())?;
        storage::task::insert_many(tx, &self.tasks, p.now())?;
        Ok(())
    }
}

/// A deletion is told to everybody outside who got data (11 CCR 7022(b)-(c)), an opt-out to those to whom it was sold or with whom it was shared (7026(f)).
fn is_told(kind: RequestKind, recipient: &Recipient) -> bool {
    match kind {
        RequestKind::Delete => recipient.role != RecipientRole::Internal,
        RequestKind::OptOutSaleShare => recipient.sold || recipient.shared,
        RequestKind::KnowCategories | RequestKind::KnowSpecific => false,
    }
}

/// The same by what went out: whether a recipient is inside, only the data map knows.
fn got_it(kind: RequestKind, disclosed: &DisclosedTo, recipient: Option<&Recipient>) -> bool {
    match kind {
        RequestKind::Delete => {
            recipient.is_none_or(|recipient| recipient.role != RecipientRole::Internal)
        }
        RequestKind::OptOutSaleShare => disclosed.sold || disclosed.shared,
        RequestKind::KnowCategories | RequestKind::KnowSpecific => false,
    }
}

fn new_outreach(
    p: &Privity,
    request: &PrivacyRequest,
    recipient: &RecipientKey,
    channel: ChannelKind,
) -> NewOutreach {
    let id = new_id(p.rng(), p.now());
    let outreach = Outreach {
        id,
        request: request.id,
        recipient: recipient.clone(),
        channel,
        action: if request.kind == RequestKind::Delete {
            OutreachAction::Delete
        } else {
            OutreachAction::OptOut
        },
        level: VerificationLevel::None,
        answer: None,
        external_id: Some(external_id(p)),
        reminders: 0,
        next_reminder_at: None,
        sent_at: None,
        answered_at: None,
        escalated: false,
        last_error: None,
    };
    NewOutreach {
        outreach,
        link_tag: Some(link_tag(p, id)),
        due: request.clock.due(),
    }
}

/// A lower-case UUID v4, as OpenDSR wants it for its `subject_request_id`.
fn external_id(p: &Privity) -> String {
    let mut bytes = [0u8; 16];
    p.rng().fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .hyphenated()
        .to_string()
}

/// On the last day but one the privacy request is closed as it then stands: never late because of others.
fn deadline(p: &Privity, request: &PrivacyRequest) -> Option<Task> {
    let day = request.clock.due()?.yesterday().ok()?;
    let run_at = day.to_zoned(TimeZone::UTC).ok()?.timestamp().max(p.now());
    Some(Task {
        run_at,
        ..p.task(TaskKind::Close, request.id, super::close::DEADLINE)
    })
}

/// An operator approves the plan.
pub async fn approve(p: &Privity, id: RequestId, operator: OperatorId) -> Result<(), Problem> {
    let q = p.clone();
    p.write("approve plan", move |tx| {
        let stored = existing(tx, id)?;
        let Some(plan) = stored.plan.clone() else {
            return Err(Problem::conflict(
                "there is no plan yet; the search is still going on or is stuck, see its tasks",
            ));
        };
        begin(&q, tx, vec![(stored, plan)])?;
        Ok((
            (),
            vec![
                NewRecord::new(q.now(), Actor::Operator(operator), Action::Approved)
                    .for_request(id)
                    .with("by", "operator"),
            ],
        ))
    })
    .await?;
    Ok(())
}

/// An operator refuses, with a reason of law/reasons.yaml and an explanation that the subject will read. She is told first:
/// a refusal that she never hears of is none.
pub async fn deny(
    p: &Privity,
    id: RequestId,
    operator: OperatorId,
    reason_code: &str,
    explanation: String,
) -> Result<(), Problem> {
    let Some(reason) = p.law().reason(reason_code) else {
        return Err(Problem::invalid(
            "reason_code",
            "this reason is not in law/reasons.yaml; choose one of its codes",
        ));
    };
    if explanation.trim().is_empty() {
        return Err(Problem::invalid(
            "explanation",
            "the law wants the facts behind a refusal; say them in a sentence or two",
        ));
    }
    let stored = p
        .read("read privacy request", move |tx| existing(tx, id))
        .await?;
    stored.request.state.after(Step::Deny)?;
    let (kind, reason, words) = (stored.request.kind, reason.clone(), explanation.clone());
    write_to_subject::send_now(
        p,
        &stored,
        Actor::Operator(operator),
        move |sender, link| letter::denied(sender, kind, &id.to_string(), &reason, &words, link),
    )
    .await?;
    let (code, now, facts) = (
        reason_code.to_owned(),
        p.now(),
        sealed_facts(p, &stored, explanation)?,
    );
    p.write("deny", move |tx| {
        let stored = existing(tx, id)?;
        let changed = PrivacyRequest {
            state: stored.request.state.after(Step::Deny)?,
            waiting: None,
            closed_at: Some(now),
            ..stored.request
        };
        storage::privacy_request::update(tx, &changed, std::slice::from_ref(&code), now)?;
        storage::privacy_request::save_confirmation(tx, id, &facts, now)?;
        storage::task::remove_ready(tx, id)?;
        let denied = NewRecord::new(now, Actor::Operator(operator), Action::Denied)
            .for_request(id)
            .with("reason", code.clone());
        let closed = NewRecord::new(now, Actor::System, Action::RequestClosed)
            .for_request(id)
            .with("state", changed.state.as_str());
        Ok(((), vec![denied, closed]))
    })
    .await?;
    Ok(())
}

/// The facts behind a refusal, sealed: the letter has told her, and an operator sees them by a recorded disclosure.
fn sealed_facts(
    p: &Privity,
    stored: &StoredPrivacyRequest,
    explanation: String,
) -> Result<serde_json::Value, Problem> {
    let place = Place {
        column: EXPLANATION,
        row: &stored.request.id.to_string(),
    };
    let sealed = crate::disclosure::request_key(p, stored)?
        .seal(p.rng(), &place, &Sensitive::new(explanation))
        .map_err(|error| Problem::internal("sealing this", &error))?;
    Ok(serde_json::json!({ "explanation": BASE64_STANDARD.encode(sealed.envelope()) }))
}

/// What [`sealed_facts`] made.
pub(crate) fn facts(stored: &StoredPrivacyRequest) -> Option<Sealed> {
    let text = stored.confirmation.as_ref()?.get("explanation")?.as_str()?;
    BASE64_STANDARD.decode(text).ok().map(Sealed::from_envelope)
}

/// An operator takes the one extension that the law allows; the subject is told why and until when, before it counts.
pub async fn extend(
    p: &Privity,
    id: RequestId,
    operator: OperatorId,
    reason: String,
) -> Result<Clock, Problem> {
    if reason.trim().is_empty() {
        return Err(Problem::invalid(
            "reason",
            "the law wants a reason for an extension; say it in a sentence",
        ));
    }
    let stored = p
        .read("read privacy request", move |tx| existing(tx, id))
        .await?;
    let until = extended_to(p, &stored.request)?;
    let words = reason.clone();
    write_to_subject::send_now(
        p,
        &stored,
        Actor::Operator(operator),
        move |sender, link| letter::extended(sender, &id.to_string(), &words, until, link),
    )
    .await?;
    let now = p.now();
    let (clock, _) = p
        .write("extend", move |tx| {
            let stored = existing(tx, id)?;
            let clock = Clock {
                extended_to: Some(until),
                ..stored.request.clock.clone()
            };
            storage::privacy_request::update(
                tx,
                &PrivacyRequest {
                    clock: clock.clone(),
                    ..stored.request
                },
                &stored.reasons,
                now,
            )?;
            let record = NewRecord::new(now, Actor::Operator(operator), Action::Extended)
                .for_request(id)
                .with("until", until.to_string());
            Ok((clock, vec![record]))
        })
        .await?;
    Ok(clock)
}

fn extended_to(p: &Privity, request: &PrivacyRequest) -> Result<Date, Problem> {
    if request.state.is_closed() {
        return Err(Problem::conflict(
            "this privacy request has ended; there is nothing to extend",
        ));
    }
    let refused = |error: &dyn std::fmt::Display| Problem::conflict(error.to_string());
    let mut clocks: Clocks = p
        .law()
        .due(
            &request.law,
            request.kind.as_str(),
            &Received::Date(request.clock.received_on),
        )
        .map_err(|error| refused(&error))?;
    clocks.extended_on = request.clock.extended_to;
    let zone = p
        .law()
        .law(&request.law)
        .map_or(TimeZone::UTC, |law| law.time_zone().clone());
    let extended = clocks
        .extend(p.now().to_zoned(zone).date())
        .map_err(|error| refused(&error))?;
    extended
        .respond_by
        .ok_or_else(|| Problem::conflict("the law gives no extension here"))
}

pub(crate) fn existing(tx: &mut Tx, id: RequestId) -> Result<StoredPrivacyRequest, Problem> {
    storage::privacy_request::get(tx, id)?.ok_or_else(|| Problem::not_found("privacy request"))
}

/// A reason in the words of law data.
pub(crate) fn in_words(p: &Privity, code: &str, explanation: Option<&str>) -> KeepReason {
    let title = p
        .law()
        .reason(code)
        .map_or_else(|| code.replace('_', " "), |reason| reason.title.clone());
    KeepReason {
        code: code.to_owned(),
        explanation: explanation.map_or(title, str::to_owned),
    }
}
