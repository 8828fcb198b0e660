//! What the subject sees of her privacy request: a tracker like a parcel's. Whoever holds the link's secret sees it, and
//! nothing on it is a personal value.

use std::collections::BTreeMap;

use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::SystemKey;
use domain::plan::{Plan, PlannedCollection};
use domain::privacy_request::{PrivacyRequest, RequestKind, RequestState, Step};
use domain::sensitive::Sensitive;
use domain::task::{Task, TaskKind, TaskState};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use storage::outreach::StoredOutreach;
use storage::privacy_request::StoredPrivacyRequest;
use storage::verification::Verification;

use crate::consent::choices::may_choose;
use crate::privacy_request::categories::{Recorded, recorded};
use crate::privacy_request::confirm::{self, Confirmation};
use crate::privacy_request::{close, plan, verify};
use crate::view::{
    KeptLine, OutreachLine, PackageLine, Stage, SystemLine, Tracker, VerificationLine,
};
use crate::{Privity, Problem};

/// Everything that views are made of, from one unchanging state of the database.
pub(crate) struct Seen {
    pub(crate) stored: StoredPrivacyRequest,
    pub(crate) tasks: Vec<Task>,
    pub(crate) outreach: Vec<StoredOutreach>,
    pub(crate) verification: Option<Verification>,
    pub(crate) records: Vec<domain::audit::Record>,
}

pub(crate) async fn look(p: &Privity, stored: StoredPrivacyRequest) -> Result<Seen, Problem> {
    let (id, log) = (stored.request.id, p.log_name());
    p.read("look at privacy request", move |tx| {
        let entries = storage::audit::of_request(tx, &log, id)?;
        Ok(Seen {
            stored: plan::existing(tx, id)?,
            tasks: storage::task::of_request(tx, id)?,
            outreach: storage::outreach::of_request(tx, id)?,
            verification: storage::verification::get(tx, id)?,
            records: entries
                .iter()
                .filter_map(|entry| domain::audit::Record::from_entry(&entry.bytes).ok())
                .collect(),
        })
    })
    .await
}

/// The tracker.
pub async fn view(p: &Privity, tracker: &Sensitive<String>) -> Result<Tracker, Problem> {
    let seen = look(p, verify::by_tracker(p, tracker).await?).await?;
    let request = &seen.stored.request;
    Ok(Tracker {
        id: request.id,
        kind: request.kind,
        law: request.law.clone(),
        state: request.state,
        waiting: request.waiting,
        received_at: request.received_at,
        clock: request.clock.clone(),
        days_left: days_left(p, request),
        since: seen.stored.look_back,
        verification: verification(p, &seen),
        stages: stages(&seen),
        systems: systems(p, &seen),
        recipients: recipients(p, &seen),
        received: received(p, &seen),
        kept: kept(p, &seen),
        reasons: reasons(p, &seen.stored),
        package: package(p, &seen.stored),
    })
}

/// To whom data of hers went by the ledger, once she has shown who she is: whoever only typed an address learns nothing about it.
fn received(p: &Privity, seen: &Seen) -> Vec<Recorded> {
    let request = &seen.stored.request;
    if !may_choose(request.kind, request.state) {
        return Vec::new();
    }
    let plan = seen.stored.plan.iter();
    let disclosed = plan.flat_map(|plan| &plan.disclosed);
    disclosed.map(|one| recorded(p, one)).collect()
}

/// The subject takes it back, as long as nothing has been touched.
pub async fn withdraw(p: &Privity, tracker: &Sensitive<String>) -> Result<(), Problem> {
    let (id, now) = (verify::by_tracker(p, tracker).await?.request.id, p.now());
    p.write("withdraw", move |tx| {
        let stored = plan::existing(tx, id)?;
        let state = stored.request.state.after(Step::Withdraw).map_err(|_| Problem::conflict("work on it has begun, so it can't be taken back any more; write to us if something is wrong"))?;
        let changed = PrivacyRequest { state, waiting: None, closed_at: Some(now), ..stored.request };
        storage::privacy_request::update(tx, &changed, &stored.reasons, now)?;
        storage::task::remove_ready(tx, id)?;
        let withdrawn = NewRecord::new(now, Actor::Subject, Action::Withdrawn).for_request(id);
        let closed = NewRecord::new(now, Actor::System, Action::RequestClosed).for_request(id).with("state", state.as_str());
        Ok(((), vec![withdrawn, closed]))
    })
    .await?;
    Ok(())
}

/// Days until it must be answered, in the time zone of its law; negative when late.
pub(crate) fn days_left(p: &Privity, request: &PrivacyRequest) -> Option<i32> {
    let due = request.clock.due().filter(|_| !request.state.is_closed())?;
    let zone = p
        .law()
        .law(&request.law)
        .map_or(TimeZone::UTC, |law| law.time_zone().clone());
    let today = p.now().to_zoned(zone).date();
    Some(today.until(due).map_or(0, |span| span.get_days()))
}

fn verification(p: &Privity, seen: &Seen) -> Option<VerificationLine> {
    if seen.stored.request.state != RequestState::Received {
        return None;
    }
    let settings = &p.settings().verification;
    Some(match &seen.verification {
        Some(sent) => VerificationLine {
            expires_at: sent.expires_at,
            tries_left: settings.tries.saturating_sub(sent.tries),
            resend_from: sent.next_send_at,
            sent: true,
        },
        None => VerificationLine {
            expires_at: p.now(),
            tries_left: settings.tries,
            resend_from: p.now(),
            sent: false,
        },
    })
}

/// The stages of its kind, each done, under way or to come.
fn stages(seen: &Seen) -> Vec<Stage> {
    let names: &[(&'static str, &[Action])] = match seen.stored.request.kind {
        RequestKind::Delete => &[
            ("received", &[Action::RequestReceived]),
            ("verified", &[Action::Verified]),
            ("searched", &[Action::PlanMade]),
            ("approved", &[Action::Approved]),
            ("erased", &[Action::Erased]),
            ("confirmed", &[Action::Confirmed]),
            ("recipients_told", &[]),
            ("closed", &[Action::RequestClosed]),
        ],
        RequestKind::OptOutSaleShare => &[
            ("received", &[Action::RequestReceived]),
            ("stopped", &[Action::OptedOut]),
            ("recipients_told", &[]),
            ("closed", &[Action::RequestClosed]),
        ],
        RequestKind::KnowCategories | RequestKind::KnowSpecific => &[
            ("received", &[Action::RequestReceived]),
            ("verified", &[Action::Verified]),
            ("searched", &[Action::PlanMade]),
            ("package_ready", &[Action::PackageMade]),
            ("closed", &[Action::RequestClosed]),
        ],
    };
    let mut open = false;
    let stuck = seen.tasks.iter().any(|task| task.state == TaskState::Stuck);
    let closed = seen.stored.request.state.is_closed();
    names
        .iter()
        .map(|(name, actions)| {
            let at = if *name == "recipients_told" {
                recipients_told(seen)
            } else {
                happened(seen, actions)
            };
            let progress = match (at, open) {
                (Some(_), _) => "done",
                (None, false) if closed => "later",
                (None, false) => {
                    open = true;
                    if stuck { "failed" } else { "now" }
                }
                (None, true) => "later",
            };
            Stage { name, progress, at }
        })
        .collect()
}

fn happened(seen: &Seen, actions: &[Action]) -> Option<Timestamp> {
    // Nothing to erase and nothing to show for it is as good as erased.
    let nothing_found = actions == [Action::Erased]
        && seen
            .stored
            .plan
            .as_ref()
            .is_some_and(|plan| plan.rows() == 0);
    let wanted = if nothing_found {
        &[Action::Confirmed][..]
    } else {
        actions
    };
    seen.records
        .iter()
        .rev()
        .find(|record| wanted.contains(&record.action))
        .map(|record| record.at)
}

fn recipients_told(seen: &Seen) -> Option<Timestamp> {
    let approved = happened(seen, &[Action::Approved])?;
    let told: Option<Vec<Timestamp>> = seen
        .outreach
        .iter()
        .map(|outreach| outreach.outreach.sent_at)
        .collect();
    told.map(|told| told.into_iter().max().unwrap_or(approved))
}

fn systems(p: &Privity, seen: &Seen) -> Vec<SystemLine> {
    let Some(plan) = &seen.stored.plan else {
        return Vec::new();
    };
    let mut by_system: BTreeMap<&SystemKey, Vec<&PlannedCollection>> = BTreeMap::new();
    for collection in &plan.collections {
        by_system
            .entry(&collection.system)
            .or_default()
            .push(collection);
    }
    for system in &plan.manual {
        by_system.entry(system).or_default();
    }
    let confirmation = confirm::stored(seen.stored.confirmation.as_ref());
    by_system
        .into_iter()
        .map(|(system, collections)| {
            system_line(p, seen, plan, system, &collections, confirmation.as_ref())
        })
        .collect()
}

fn system_line(
    p: &Privity,
    seen: &Seen,
    plan: &Plan,
    system: &SystemKey,
    collections: &[&PlannedCollection],
    confirmation: Option<&Confirmation>,
) -> SystemLine {
    let rows = collections.iter().map(|collection| collection.rows).sum();
    let task = seen
        .tasks
        .iter()
        .find(|task| task.kind == TaskKind::Erase && task.target == system.as_ref());
    let residue = confirmation.is_some_and(|confirmation| {
        confirmation.residue.iter().any(|residue| {
            collections
                .iter()
                .any(|collection| collection.collection == residue.collection)
        })
    });
    let progress = match (task.map(|task| task.state), confirmation) {
        _ if plan.manual.contains(system) => "by_hand",
        _ if rows == 0 => "nothing_found",
        (Some(TaskState::Stuck), _) => "failed",
        _ if residue => "residue",
        (Some(TaskState::Done), Some(_)) => "proven_gone",
        (Some(TaskState::Done), None) => "erased",
        (Some(_), _) => "erasing",
        (None, _) => "found",
    };
    let erased = if matches!(progress, "erased" | "proven_gone") {
        collections
            .iter()
            .map(|collection| collection.delete + collection.redact)
            .sum()
    } else {
        0
    };
    SystemLine {
        system: system.clone(),
        title: p
            .map()
            .systems
            .get(system)
            .map_or_else(|| system.to_string(), |known| known.title.clone()),
        rows,
        erased,
        kept: collections
            .iter()
            .flat_map(|collection| &collection.kept)
            .map(|kept| kept.rows)
            .sum(),
        progress,
    }
}

pub(crate) fn recipients(p: &Privity, seen: &Seen) -> Vec<OutreachLine> {
    let known = seen
        .outreach
        .iter()
        .filter_map(|stored| Some((stored, p.map().recipients.get(&stored.outreach.recipient)?)));
    known
        .map(|(stored, recipient)| OutreachLine {
            id: stored.outreach.id,
            recipient: recipient.key.clone(),
            title: recipient.title.clone(),
            role: recipient.effective_role(),
            sold_or_shared: recipient.sold || recipient.shared,
            categories: recipient
                .categories
                .iter()
                .map(|category| {
                    p.law()
                        .category(category)
                        .map_or_else(|| category.clone(), |known| known.title.clone())
                })
                .collect(),
            purpose: recipient.purpose.clone(),
            channel: stored.outreach.channel,
            action: stored.outreach.action,
            level: stored.outreach.level,
            required_level: recipient.required_level,
            settled: close::is_settled(p, stored),
            answer: stored.outreach.answer.clone(),
            sent_at: stored.outreach.sent_at,
            answered_at: stored.outreach.answered_at,
            reminders: stored.outreach.reminders,
            escalated: stored.outreach.escalated,
            last_error: stored.outreach.last_error.clone(),
        })
        .collect()
}

fn kept(p: &Privity, seen: &Seen) -> Vec<KeptLine> {
    let collections = seen.stored.plan.iter().flat_map(|plan| &plan.collections);
    let lines = collections
        .flat_map(|collection| collection.kept.iter().map(move |kept| (collection, kept)));
    lines
        .map(|(collection, kept)| KeptLine {
            title: collection.title.clone(),
            system: p.map().systems.get(&collection.system).map_or_else(
                || collection.system.to_string(),
                |system| system.title.clone(),
            ),
            rows: kept.rows,
            reason: kept.reason.clone(),
            citation: p
                .law()
                .reason(&kept.reason.code)
                .map(|reason| reason.citation.clone()),
        })
        .collect()
}

/// Why it was denied or only partly fulfilled, in words of the law and of the data map. The facts behind a refusal stand in
/// the letter about it.
pub(crate) fn reasons(
    p: &Privity,
    stored: &StoredPrivacyRequest,
) -> Vec<domain::data_map::KeepReason> {
    let planned = stored
        .plan
        .iter()
        .flat_map(Plan::reasons)
        .collect::<Vec<_>>();
    let words = |code: &String| {
        planned
            .iter()
            .find(|reason| reason.code == *code)
            .map(|reason| reason.explanation.as_str())
    };
    stored
        .reasons
        .iter()
        .map(|code| plan::in_words(p, code, words(code)))
        .collect()
}

fn package(p: &Privity, stored: &StoredPrivacyRequest) -> Option<PackageLine> {
    let package = stored.package.as_ref()?;
    Some(PackageLine {
        size_bytes: package.size,
        expires_at: package.expires_at,
        available: package.expires_at > p.now(),
    })
}
