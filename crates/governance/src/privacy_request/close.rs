//! The end of a privacy request: when everything was done and proven, or when its day has come; the subject is told what was
//! done, what stays and why.
//!
//! Law: 11 CCR 7022(e)-(g), 7026(g); the record is kept by 7101.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Actor, NewRecord};
use domain::id::RequestId;
use domain::outreach::Answer;
use domain::privacy_request::{PrivacyRequest, RequestKind, RequestState, Step, Waiting};
use domain::sensitive::Sealed;
use domain::task::{Task, TaskKind};
use domain::traversal::Located;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use storage::Tx;
use storage::outreach::StoredOutreach;
use storage::privacy_request::{Closing, Standing};
use storage::suppression::{Suppression, SuppressionReason};

use crate::claim::Worker;
use crate::privacy_request::{confirm, intake, last_letter, write_to_subject};
use crate::work::{Stop, Work, call_operator, seal_located};
use crate::{Privity, Problem};

/// Reason code: a recipient did not confirm in time.
const RECIPIENTS_SILENT: &str = "recipients_unconfirmed";
/// Target of the task that closes on the last day.
pub(crate) const DEADLINE: &str = "deadline";

/// Calls for closing whatever has nothing left to wait for, and says of the others what they wait for. Called under the requests' lock.
pub(crate) fn when_ready(
    p: &Privity,
    tx: &mut Tx,
    requests: &BTreeSet<RequestId>,
) -> Result<(), Problem> {
    let requests: Vec<RequestId> = requests.iter().copied().collect();
    let (mut closing, mut waiting) = (Vec::new(), Vec::new());
    for seen in look_at(p, tx, &requests)? {
        let request = &seen.stored.request;
        match seen.obstacle {
            _ if request.state != RequestState::InProgress => {}
            None => closing.push(p.task(TaskKind::Close, request.id, "")),
            // An operator who was called stays called until the stuck task is tried again.
            Some(_) if request.waiting == Some(Waiting::Operator) => {}
            Some(whom) if request.waiting == whom => {}
            Some(whom) => waiting.push((
                PrivacyRequest {
                    waiting: whom,
                    ..seen.stored.request
                },
                seen.stored.reasons,
            )),
        }
    }
    update(p, tx, &waiting)?;
    storage::task::insert_again(tx, &closing, p.now())?;
    Ok(())
}

fn update(
    p: &Privity,
    tx: &mut Tx,
    changed: &[(PrivacyRequest, Vec<String>)],
) -> Result<(), Problem> {
    let changed: Vec<(&PrivacyRequest, &[String])> = changed
        .iter()
        .map(|(request, reasons)| (request, reasons.as_slice()))
        .collect();
    storage::privacy_request::update_many(tx, &changed, p.now())?;
    Ok(())
}

/// How a privacy request stands just before it may be closed.
struct Seen {
    stored: Standing,
    outreach: Vec<StoredOutreach>,
    /// What keeps it from its end; inside, whom it waits for, if for anybody outside the program.
    obstacle: Option<Option<Waiting>>,
}

/// One read of each kind for the whole batch.
fn look_at(p: &Privity, tx: &mut Tx, requests: &[RequestId]) -> Result<Vec<Seen>, Problem> {
    let stored = storage::privacy_request::standings(tx, requests)?;
    let requests: Vec<RequestId> = stored.iter().map(|stored| stored.request.id).collect();
    let outreach = storage::outreach::of_requests(tx, &requests)?;
    let by_hand = storage::task::unfinished(tx, &requests, TaskKind::ManualWork)?;
    let mut erasing = vec![0; requests.len()];
    if stored
        .iter()
        .any(|stored| stored.request.kind == RequestKind::Delete)
    {
        for kind in [TaskKind::Erase, TaskKind::Confirm] {
            let open = storage::task::unfinished(tx, &requests, kind)?;
            erasing
                .iter_mut()
                .zip(open)
                .for_each(|(all, one)| *all += one);
        }
    }
    let working = by_hand.into_iter().zip(erasing);
    let seen = stored.into_iter().zip(outreach).zip(working);
    Ok(seen
        .map(|((stored, outreach), (by_hand, erasing))| Seen {
            obstacle: obstacle(p, &stored, &outreach, by_hand, erasing),
            stored,
            outreach,
        })
        .collect())
}

fn obstacle(
    p: &Privity,
    stored: &Standing,
    outreach: &[StoredOutreach],
    by_hand: u64,
    erasing: u64,
) -> Option<Option<Waiting>> {
    if by_hand > 0 {
        return Some(Some(Waiting::ManualWork));
    }
    let working = match stored.request.kind {
        RequestKind::Delete => erasing > 0 || !is_proven_gone(stored),
        RequestKind::KnowCategories | RequestKind::KnowSpecific => stored.package.is_none(),
        RequestKind::OptOutSaleShare => false,
    };
    if working {
        return Some(None);
    }
    let open = outreach.iter().any(|outreach| !is_settled(p, outreach));
    open.then_some(Some(Waiting::Recipients))
}

fn is_proven_gone(stored: &Standing) -> bool {
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
    /// Until when the access package can be fetched.
    package_until: Option<Timestamp>,
}

/// The task: tells the subject and closes; before the deadline only what is ready, on the deadline whatever can be.
pub(crate) async fn close(p: &Privity, batch: &[Work], worker: &Worker) -> Result<(), Stop> {
    let (q, ids) = (p.clone(), batch.iter().map(Work::id).collect::<Vec<_>>());
    let seen = p
        .read("look before closing", move |tx| look_at(&q, tx, &ids))
        .await?;
    let seen: BTreeMap<RequestId, Seen> = seen
        .into_iter()
        .map(|seen| (seen.stored.request.id, seen))
        .collect();
    // On the last day both tasks of a privacy request may be due; the one of the deadline closes whatever the other would.
    let last_day: BTreeSet<RequestId> = batch
        .iter()
        .filter(|work| work.task.target == DEADLINE)
        .map(Work::id)
        .collect();
    let chosen = |work: &&Work| work.task.target == DEADLINE || !last_day.contains(&work.id());
    let ending: Vec<_> = batch
        .iter()
        .map(|work| ending(p, work, seen.get(&work.id()).filter(|_| chosen(&work))))
        .collect();
    let ending = stream::iter(ending).buffered(write_to_subject::LETTERS_AT_ONCE);
    let ended: Vec<_> = ending.collect().await;
    let (mut endings, mut stop) = (Vec::with_capacity(ended.len()), Ok(()));
    for ending in ended {
        match ending {
            Ok(ending) => endings.push(ending),
            Err(why) => stop = Err(why),
        }
    }
    let (owner, q) = (worker.name(), p.clone());
    // Whoever was told is settled even when another letter of the batch was refused.
    p.write("close", move |tx| Ok(((), end(&q, tx, &endings, &owner)?)))
        .await?;
    stop
}

async fn ending(p: &Privity, work: &Work, seen: Option<&Seen>) -> Result<Ending, Stop> {
    let id = work.id();
    let nothing = Ending {
        task: work.task.clone(),
        id,
        step: None,
        reasons: Vec::new(),
        suppressions: Vec::new(),
        emptied: None,
        package_until: None,
    };
    match work.stored.request.state {
        RequestState::Received if work.task.target == "unverified" => {
            last_letter::tell_unverified(p, work).await?;
            Ok(Ending {
                step: Some(Step::Expire),
                ..nothing
            })
        }
        RequestState::InProgress if work.task.target != "unverified" => match seen {
            Some(seen) => finished(p, work, seen, nothing).await,
            None => Ok(nothing),
        },
        _ => Ok(nothing),
    }
}

async fn finished(p: &Privity, work: &Work, seen: &Seen, nothing: Ending) -> Result<Ending, Stop> {
    let id = work.id();
    let only_recipients_missing =
        seen.obstacle == Some(Some(Waiting::Recipients)) && work.task.target == DEADLINE;
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
        package_until: seen
            .stored
            .package
            .as_ref()
            .map(|package| package.expires_at),
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

/// Ends the batch in one transaction, and answers its records.
fn end(
    p: &Privity,
    tx: &mut Tx,
    endings: &[Ending],
    owner: &str,
) -> Result<Vec<NewRecord>, Problem> {
    let tasks: Vec<_> = endings.iter().map(|ending| ending.task.id).collect();
    storage::task::finish(tx, &tasks, owner)?;
    let ids = endings.iter().map(|ending| ending.id).collect();
    let open = storage::privacy_request::lock(tx, &ids)?.into_iter();
    let mut open: BTreeMap<_, _> = open.map(|request| (request.id, request)).collect();
    let (mut closed, mut changed, mut records) = (Vec::new(), Vec::new(), Vec::new());
    for ending in endings {
        let Some(step) = ending.step else {
            not_yet(p, tx, ending, open.get(&ending.id))?;
            continue;
        };
        let Some(request) = open.remove(&ending.id) else {
            continue;
        };
        let Ok(state) = request.state.after(step) else {
            continue;
        };
        records.extend(closing_records(p, ending, step, state));
        let request = PrivacyRequest {
            state,
            waiting: None,
            closed_at: Some(p.now()),
            ..request
        };
        changed.push(request);
        closed.push(ending);
    }
    let closings: Vec<_> = changed
        .iter()
        .zip(&closed)
        .map(|(changed, ending): (&PrivacyRequest, &&Ending)| Closing {
            changed,
            reasons: &ending.reasons,
            manifest: ending.emptied.as_ref(),
        })
        .collect();
    storage::privacy_request::close_many(tx, &closings, p.now())?;
    let suppressions: Vec<_> = closed
        .iter()
        .flat_map(|ending| ending.suppressions.iter().cloned())
        .collect();
    storage::suppression::insert_many(tx, &suppressions)?;
    forget_reminders(p, tx, &closed)?;
    Ok(records)
}

fn closing_records(
    p: &Privity,
    ending: &Ending,
    step: Step,
    state: RequestState,
) -> [NewRecord; 2] {
    let first = if step == Step::Expire {
        Action::VerificationExpired
    } else {
        Action::SubjectTold
    };
    let record = |action| NewRecord::new(p.now(), Actor::System, action).for_request(ending.id);
    [
        record(first),
        record(Action::RequestClosed)
            .with("state", state.as_str())
            .with("reasons", ending.reasons.clone()),
    ]
}

/// Nobody is reminded of what has ended. What is stuck stays, with its reason; so does the end of the package's link.
fn forget_reminders(p: &Privity, tx: &mut Tx, closed: &[&Ending]) -> Result<(), Problem> {
    let ids: Vec<RequestId> = closed.iter().map(|ending| ending.id).collect();
    let stuck = storage::task::stuck_among(tx, &ids)?;
    let over = || closed.iter().filter(|ending| !stuck.contains(&ending.id));
    let ids: Vec<RequestId> = over().map(|ending| ending.id).collect();
    storage::task::remove_ready_many(tx, &ids)?;
    let removal = |ending: &&Ending| {
        Some(Task {
            run_at: ending.package_until?,
            ..p.task(TaskKind::RemovePackage, ending.id, "")
        })
    };
    let removals: Vec<Task> = over().filter_map(removal).collect();
    storage::task::insert_again(tx, &removals, p.now())?;
    Ok(())
}

/// On the last day something of ours is still missing: an operator has to know today.
fn not_yet(
    p: &Privity,
    tx: &mut Tx,
    ending: &Ending,
    request: Option<&PrivacyRequest>,
) -> Result<(), Problem> {
    let open = request.is_some_and(|request| request.state == RequestState::InProgress);
    if ending.task.target == DEADLINE && open {
        call_operator(tx, ending.id, p.now())?;
    }
    Ok(())
}
