//! The end of a privacy request: when everything was done and proven, or when its day has come; the subject is told what was
//! done, what stays and why.
//!
//! Law: 11 CCR 7022(e)-(g), 7026(g); the record is kept by 7101.

use std::collections::BTreeSet;

use domain::audit::{Action, Actor, NewRecord};
use domain::id::RequestId;
use domain::outreach::Answer;
use domain::privacy_request::{PrivacyRequest, RequestKind, RequestState, Step, Waiting};
use domain::sensitive::Sealed;
use domain::task::{Task, TaskKind, TaskState};
use domain::traversal::Located;
use futures_util::{StreamExt as _, stream};
use storage::Tx;
use storage::outreach::StoredOutreach;
use storage::privacy_request::StoredPrivacyRequest;
use storage::suppression::{Suppression, SuppressionReason};

use crate::privacy_request::{confirm, intake, last_letter, write_to_subject};
use crate::worker::{Stop, Work, call_operator, seal_located};
use crate::{Privity, Problem};

/// Reason code: a recipient did not confirm in time.
const RECIPIENTS_SILENT: &str = "recipients_unconfirmed";

/// Calls for closing whatever has nothing left to wait for, and says of the others what they wait for. Called under the requests' lock.
pub(crate) fn when_ready(
    p: &Privity,
    tx: &mut Tx,
    requests: &BTreeSet<RequestId>,
) -> Result<(), Problem> {
    let requests: Vec<RequestId> = requests.iter().copied().collect();
    let mut closing = Vec::new();
    for stored in storage::privacy_request::get_many(tx, &requests)? {
        if stored.request.state != RequestState::InProgress {
            continue;
        }
        let outreach = storage::outreach::of_request(tx, stored.request.id)?;
        match obstacle(p, tx, &stored, &outreach)? {
            None => closing.push(p.task(TaskKind::Close, stored.request.id, "")),
            Some(waiting) => wait(p, tx, &stored, waiting)?,
        }
    }
    storage::task::insert_again(tx, &closing, p.now())?;
    Ok(())
}

fn wait(
    p: &Privity,
    tx: &mut Tx,
    stored: &StoredPrivacyRequest,
    waiting: Option<Waiting>,
) -> Result<(), Problem> {
    // An operator who was called stays called until the stuck task is tried again.
    if stored.request.waiting == waiting || stored.request.waiting == Some(Waiting::Operator) {
        return Ok(());
    }
    storage::privacy_request::update(
        tx,
        &PrivacyRequest {
            waiting,
            ..stored.request.clone()
        },
        &stored.reasons,
        p.now(),
    )?;
    Ok(())
}

/// What keeps a privacy request from its end; inside, whom it waits for, if for anybody outside the program.
fn obstacle(
    p: &Privity,
    tx: &mut Tx,
    stored: &StoredPrivacyRequest,
    outreach: &[StoredOutreach],
) -> Result<Option<Option<Waiting>>, Problem> {
    let id = stored.request.id;
    if count(tx, id, TaskKind::ManualWork)? > 0 {
        return Ok(Some(Some(Waiting::ManualWork)));
    }
    let working = match stored.request.kind {
        RequestKind::Delete => {
            count(tx, id, TaskKind::Erase)? + count(tx, id, TaskKind::Confirm)? > 0
                || !is_proven_gone(stored)
        }
        RequestKind::KnowCategories | RequestKind::KnowSpecific => stored.package.is_none(),
        RequestKind::OptOutSaleShare => false,
    };
    if working {
        return Ok(Some(None));
    }
    let open = outreach.iter().any(|outreach| !is_settled(p, outreach));
    Ok(open.then_some(Some(Waiting::Recipients)))
}

fn count(tx: &mut Tx, id: RequestId, kind: TaskKind) -> Result<u64, Problem> {
    Ok(storage::task::unfinished(tx, &[id], kind)?
        .into_iter()
        .sum())
}

fn is_proven_gone(stored: &StoredPrivacyRequest) -> bool {
    confirm::stored(stored.confirmation.as_ref())
        .is_some_and(|confirmation| confirmation.residue.is_empty())
}

/// Whether a recipient's matter has ended; one that left the data map no longer holds anything up.
pub(crate) fn is_settled(p: &Privity, stored: &StoredOutreach) -> bool {
    p.map()
        .recipients
        .get(&stored.outreach.recipient)
        .is_none_or(|recipient| stored.outreach.is_settled(recipient.required_level))
}

/// How one privacy request ends.
struct Ending {
    task: Task,
    id: RequestId,
    step: Option<Step>,
    reasons: Vec<String>,
    suppressions: Vec<Suppression>,
    /// The located keys, emptied: they have done their work.
    emptied: Option<Sealed>,
}

/// The task: tells the subject and closes; before the deadline only what is ready, on the deadline whatever can be.
pub(crate) async fn close(p: &Privity, batch: &[Work], owner: &str) -> Result<(), Stop> {
    let seen = look(p, batch).await?;
    let works = batch.iter().zip(&seen);
    let ending: Vec<_> = works.map(|(work, seen)| ending(p, work, seen)).collect();
    let ending = stream::iter(ending).buffered(write_to_subject::LETTERS_AT_ONCE);
    let ended: Vec<_> = ending.collect().await;
    let (mut endings, mut stop) = (Vec::with_capacity(ended.len()), Ok(()));
    for ending in ended {
        match ending {
            Ok(ending) => endings.push(ending),
            Err(why) => stop = Err(why),
        }
    }
    let (owner, q) = (owner.to_owned(), p.clone());
    // Whoever was told is settled even when another letter of the batch was refused.
    p.write("close", move |tx| {
        let mut records = Vec::new();
        for ending in &endings {
            end(&q, tx, ending, &owner, &mut records)?;
        }
        Ok(((), records))
    })
    .await?;
    stop
}

/// How a privacy request stands just before it is closed.
struct Seen {
    outreach: Vec<StoredOutreach>,
    obstacle: Option<Option<Waiting>>,
}

/// One read for the batch.
async fn look(p: &Privity, batch: &[Work]) -> Result<Vec<Seen>, Problem> {
    let (q, ids) = (p.clone(), batch.iter().map(Work::id).collect::<Vec<_>>());
    p.read("look before closing", move |tx| {
        let stored = storage::privacy_request::get_many(tx, &ids)?;
        let seen = stored.iter().map(|stored| {
            let outreach = storage::outreach::of_request(tx, stored.request.id)?;
            let obstacle = obstacle(&q, tx, stored, &outreach)?;
            Ok(Seen { outreach, obstacle })
        });
        seen.collect()
    })
    .await
}

async fn ending(p: &Privity, work: &Work, seen: &Seen) -> Result<Ending, Stop> {
    let id = work.id();
    let nothing = Ending {
        task: work.task.clone(),
        id,
        step: None,
        reasons: Vec::new(),
        suppressions: Vec::new(),
        emptied: None,
    };
    match work.stored.request.state {
        RequestState::Received if work.task.target == "unverified" => {
            last_letter::tell_unverified(p, work).await?;
            Ok(Ending {
                step: Some(Step::Expire),
                ..nothing
            })
        }
        RequestState::InProgress if work.task.target != "unverified" => {
            finished(p, work, seen, nothing).await
        }
        _ => Ok(nothing),
    }
}

async fn finished(p: &Privity, work: &Work, seen: &Seen, nothing: Ending) -> Result<Ending, Stop> {
    let id = work.id();
    let only_recipients_missing =
        seen.obstacle == Some(Some(Waiting::Recipients)) && work.task.target == "deadline";
    if seen.obstacle.is_some() && !only_recipients_missing {
        return Ok(nothing);
    }
    let reasons = reasons(p, work, &seen.outreach);
    let requester = work.requester(p)?;
    last_letter::tell(p, work, &requester, &seen.outreach).await?;
    let step = if reasons.is_empty() {
        Step::Fulfil
    } else {
        Step::FulfilPartly
    };
    let deleted = work.stored.request.kind == RequestKind::Delete;
    let suppressions = if deleted {
        intake::suppressions(p, &requester, id, SuppressionReason::Deleted)
    } else {
        Vec::new()
    };
    // An opt-out or a deletion that recipients have not answered still needs to know by what they know her.
    let emptied = if only_recipients_missing {
        None
    } else {
        Some(seal_located(p, &work.key(p)?, id, &Located::default())?)
    };
    Ok(Ending {
        step: Some(step),
        reasons,
        suppressions,
        emptied,
        ..nothing
    })
}

/// Why it is only partly fulfilled: what stays, what recipients keep, who is silent.
fn reasons(p: &Privity, work: &Work, outreach: &[StoredOutreach]) -> Vec<String> {
    let kept = work
        .stored
        .plan
        .iter()
        .flat_map(|plan| plan.reasons())
        .map(|reason| reason.code);
    let exceptions = outreach
        .iter()
        .filter_map(|outreach| match &outreach.outreach.answer {
            Some(Answer::Exception { reason }) => Some(reason.clone()),
            _ => None,
        });
    let silent = outreach
        .iter()
        .any(|outreach| !is_settled(p, outreach))
        .then(|| RECIPIENTS_SILENT.to_owned());
    kept.chain(exceptions)
        .chain(silent)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn end(
    p: &Privity,
    tx: &mut Tx,
    ending: &Ending,
    owner: &str,
    records: &mut Vec<NewRecord>,
) -> Result<(), Problem> {
    let stored = super::plan::existing(tx, ending.id)?;
    storage::task::finish(tx, &[ending.task.id], owner)?;
    let Some(step) = ending.step else {
        return not_yet(p, tx, ending, &stored);
    };
    let Ok(state) = stored.request.state.after(step) else {
        return Ok(());
    };
    let changed = PrivacyRequest {
        state,
        waiting: None,
        closed_at: Some(p.now()),
        ..stored.request
    };
    storage::privacy_request::update(tx, &changed, &ending.reasons, p.now())?;
    storage::suppression::insert_many(tx, &ending.suppressions)?;
    if let (Some(emptied), Some(plan)) = (&ending.emptied, &stored.plan) {
        storage::privacy_request::save_plan(tx, ending.id, emptied, plan, p.now())?;
    }
    if step == Step::Expire {
        records.push(
            NewRecord::new(p.now(), Actor::System, Action::VerificationExpired)
                .for_request(ending.id),
        );
    } else {
        records.push(
            NewRecord::new(p.now(), Actor::System, Action::SubjectTold).for_request(ending.id),
        );
    }
    forget_reminders(p, tx, ending.id, stored.package.as_ref())?;
    records.push(
        NewRecord::new(p.now(), Actor::System, Action::RequestClosed)
            .for_request(ending.id)
            .with("state", state.as_str())
            .with("reasons", ending.reasons.clone()),
    );
    Ok(())
}

/// Nobody is reminded of what has ended. What is stuck stays, with its reason; so does the end of the package's link.
fn forget_reminders(
    p: &Privity,
    tx: &mut Tx,
    id: RequestId,
    package: Option<&storage::privacy_request::Package>,
) -> Result<(), Problem> {
    if storage::task::of_request(tx, id)?
        .iter()
        .any(|task| task.state == TaskState::Stuck)
    {
        return Ok(());
    }
    storage::task::remove_ready(tx, id)?;
    let removal: Vec<Task> = package
        .map(|package| Task {
            run_at: package.expires_at,
            ..p.task(TaskKind::RemovePackage, id, "")
        })
        .into_iter()
        .collect();
    storage::task::insert_again(tx, &removal, p.now())?;
    Ok(())
}

/// On the last day something of ours is still missing: an operator has to know today.
fn not_yet(
    p: &Privity,
    tx: &mut Tx,
    ending: &Ending,
    stored: &StoredPrivacyRequest,
) -> Result<(), Problem> {
    if ending.task.target == "deadline" && stored.request.state == RequestState::InProgress {
        call_operator(tx, ending.id, p.now())?;
    }
    Ok(())
}
