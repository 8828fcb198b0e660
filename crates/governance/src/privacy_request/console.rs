//! What operators see: the list with days left, one privacy request with everything about it, and what needs them.

use std::collections::BTreeSet;

use domain::audit::{Action, Actor, NewRecord};
use domain::disclosure::{DisclosureRecipient, Purpose};
use domain::id::{OperatorId, RequestId, TaskId};
use domain::law::Received;
use domain::privacy_request::{PrivacyRequest, RequestState, Waiting};
use domain::task::{Task, TaskKind, TaskState};
use enforcement::vault::Place;
use storage::Tx;
use storage::privacy_request::StoredPrivacyRequest;

use crate::deciding::own;
use crate::disclosure::{Opened, Wanted, open};
use crate::privacy_request::tracker::{self, Seen, days_left, look};
use crate::privacy_request::{confirm, intake, plan};
use crate::requester::{EXPLANATION, IDENTITY};
use crate::view::{ListedRequest, Overview, RecordLine, RequestDetail, TaskLine};
use crate::worker::requester;
use crate::{Privity, Problem};

/// Which privacy requests a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<RequestState>,
    /// Only those not closed.
    pub open_only: bool,
    /// Only those past their date.
    pub overdue: bool,
    /// Only those that wait for an operator.
    pub need_operator: bool,
    /// Behind this one.
    pub after: Option<RequestId>,
    /// At most this many.
    pub limit: u32,
}

/// Open privacy requests are read in pages of this many.
const PAGE: u32 = 500;

/// The figures of the Console's first page.
pub async fn overview(p: &Privity) -> Result<Overview, Problem> {
    let open = all_open(p).await?;
    let count = |wanted: &dyn Fn(&ListedRequest) -> bool| {
        open.iter().filter(|listed| wanted(listed)).count() as u64
    };
    Ok(Overview {
        open: open.len() as u64,
        overdue: count(&|listed| listed.days_left.is_some_and(|days| days < 0)),
        due_soon: count(&|listed| listed.days_left.is_some_and(|days| (0..=7).contains(&days))),
        to_approve: count(&|listed| listed.waiting == Some(Waiting::Approval)),
        need_operator: count(&needs_operator),
    })
}

async fn all_open(p: &Privity) -> Result<Vec<ListedRequest>, Problem> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = list(
            p,
            Filter {
                open_only: true,
                after,
                limit: PAGE,
                ..Filter::default()
            },
        )
        .await?;
        after = page.last().map(|listed| listed.id);
        let last = page.len() < PAGE as usize;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

fn needs_operator(listed: &ListedRequest) -> bool {
    listed.stuck_tasks > 0
        || matches!(
            listed.waiting,
            Some(Waiting::Operator | Waiting::ManualWork)
        )
}

/// The list, newest first.
pub async fn list(p: &Privity, filter: Filter) -> Result<Vec<ListedRequest>, Problem> {
    let q = p.clone();
    p.read("list privacy requests", move |tx| {
        let wanted = storage::privacy_request::Filter {
            state: filter.state,
            open: filter.open_only || filter.overdue || filter.need_operator,
            due_before: None,
            id_contains: None,
        };
        let found =
            storage::privacy_request::list(tx, &wanted, filter.after, filter.limit.clamp(1, PAGE))?;
        let listed = found
            .iter()
            .map(|request| listed(&q, tx, request))
            .collect::<Result<Vec<_>, Problem>>()?;
        let fits = |listed: &ListedRequest| {
            (!filter.overdue || listed.days_left.is_some_and(|days| days < 0))
                && (!filter.need_operator || needs_operator(listed))
        };
        Ok(listed.into_iter().filter(fits).collect())
    })
    .await
}

fn listed(p: &Privity, tx: &mut Tx, request: &PrivacyRequest) -> Result<ListedRequest, Problem> {
    let stuck = if request.state.is_closed() {
        0
    } else {
        storage::task::of_request(tx, request.id)?
            .iter()
            .filter(|task| task.state == TaskState::Stuck)
            .count()
    };
    Ok(line(p, request, stuck as u64))
}

fn line(p: &Privity, request: &PrivacyRequest, stuck_tasks: u64) -> ListedRequest {
    ListedRequest {
        id: request.id,
        kind: request.kind,
        law: request.law.clone(),
        state: request.state,
        waiting: request.waiting,
        received_on: request.clock.received_on,
        due: request.clock.due(),
        days_left: days_left(p, request),
        stuck_tasks,
    }
}

/// Everything about one privacy request, but for personal values.
pub async fn detail(p: &Privity, id: RequestId) -> Result<RequestDetail, Problem> {
    let stored = p
        .read("read privacy request", move |tx| plan::existing(tx, id))
        .await?;
    let seen = look(p, stored).await?;
    let request = &seen.stored.request;
    let stuck = seen
        .tasks
        .iter()
        .filter(|task| task.state == TaskState::Stuck)
        .count() as u64;
    Ok(RequestDetail {
        listed: line(p, request, stuck),
        channel: request.channel,
        received_at: request.received_at,
        clock: request.clock.clone(),
        citations: citations(p, request),
        plan: seen.stored.plan.clone(),
        residue: confirm::stored(seen.stored.confirmation.as_ref())
            .map(|confirmation| confirmation.residue),
        reasons: tracker::reasons(p, &seen.stored),
        tasks: seen
            .tasks
            .iter()
            .map(|task| task_line(p, &seen, task))
            .collect(),
        outreach: tracker::recipients(p, &seen),
        records: seen.records.iter().map(record_line).collect(),
        possible: possible(p, &seen),
    })
}

fn citations(p: &Privity, request: &PrivacyRequest) -> Vec<String> {
    let clocks = p.law().due(
        &request.law,
        request.kind.as_str(),
        &Received::Date(request.clock.received_on),
    );
    clocks
        .map(|clocks| {
            clocks
                .rows
                .iter()
                .map(|row| {
                    format!(
                        "{}: {} ({})",
                        row.clock,
                        row.citation,
                        row.confidence.as_str().replace('_', " ")
                    )
                })
                .collect()
        })
        .unwrap_or_default()
}

fn task_line(p: &Privity, seen: &Seen, task: &Task) -> TaskLine {
    let outreach = seen
        .outreach
        .iter()
        .find(|outreach| outreach.outreach.id.to_string() == task.target);
    let recipient = outreach
        .and_then(|outreach| p.map().recipients.get(&outreach.outreach.recipient))
        .map(|recipient| recipient.title.clone());
    let system = p
        .map()
        .systems
        .get(&task.target.as_str().into())
        .map(|system| system.title.clone());
    TaskLine {
        id: task.id,
        kind: task.kind,
        target: recipient.or(system).unwrap_or_else(|| task.target.clone()),
        state: task.state,
        attempts: task.attempts,
        run_at: task.run_at,
        error: task.error.clone(),
        due: task.due,
        instructions: (task.kind == TaskKind::ManualWork)
            .then(|| p.instructions(&task.target))
            .flatten(),
    }
}

fn record_line(record: &domain::audit::Record) -> RecordLine {
    RecordLine {
        sequence: record.sequence,
        at: record.at,
        actor: record.actor.to_string(),
        action: record.action.to_string(),
        details: serde_json::Value::Object(record.details.clone()),
    }
}

fn possible(p: &Privity, seen: &Seen) -> BTreeSet<&'static str> {
    let request = &seen.stored.request;
    let mut possible = BTreeSet::new();
    if request.state == RequestState::Verified && seen.stored.plan.is_some() {
        possible.insert("approve");
    }
    if matches!(
        request.state,
        RequestState::Received | RequestState::Verified
    ) {
        possible.insert("deny");
    }
    let within = days_left(p, request).is_some_and(|days| days >= 0);
    if request.clock.max_with_extension.is_some() && request.clock.extended_to.is_none() && within {
        possible.insert("extend");
    }
    possible
}

/// Shows an operator who asked, as a recorded disclosure.
pub async fn reveal_requester(
    p: &Privity,
    id: RequestId,
    operator: OperatorId,
) -> Result<Vec<(String, String)>, Problem> {
    let stored = p
        .read("read privacy request", move |tx| plan::existing(tx, id))
        .await?;
    let mut attributes = vec![own(IDENTITY, "user.contact.email", None)];
    attributes.extend(plan::facts(&stored).map(|_| own(EXPLANATION, "user.content", None)));
    let wanted = Wanted {
        recipient: DisclosureRecipient::Operator(operator),
        known: None,
        purpose: Purpose::ShowOperator,
        attributes,
    };
    let opened = open(p, &stored, &wanted, Actor::Operator(operator)).await?;
    let requester = requester(&opened.key, &opened.permit, &stored)
        .map_err(|stop| Problem::internal("showing who asked", &format!("{stop:?}")))?;
    let name = requester
        .name
        .iter()
        .map(|name| ("name".to_owned(), name.clone()));
    Ok(name
        .chain(intake::named_values(&requester).into_iter().map(plain))
        .chain(explanation(&opened, &stored)?)
        .collect())
}

/// The facts that were given for a refusal.
fn explanation(
    opened: &Opened,
    stored: &StoredPrivacyRequest,
) -> Result<Option<(String, String)>, Problem> {
    let Some(sealed) = plan::facts(stored) else {
        return Ok(None);
    };
    let place = Place {
        column: EXPLANATION,
        row: &stored.request.id.to_string(),
    };
    let text = opened
        .key
        .open_text(&opened.permit, &place, &sealed)
        .map_err(|error| Problem::internal("showing why it was denied", &error))?;
    Ok(Some(plain((
        domain::data_map::IdentifierKind("explanation".to_owned()),
        text,
    ))))
}

#[expect(
    clippy::disallowed_methods,
    reason = "shown to the operator whom the recorded permit names"
)]
fn plain(
    (kind, value): (
        domain::data_map::IdentifierKind,
        domain::sensitive::Sensitive<String>,
    ),
) -> (String, String) {
    (kind.0, value.expose().clone())
}

/// An operator lets a stuck task try again.
pub async fn retry_task(p: &Privity, id: TaskId, operator: OperatorId) -> Result<(), Problem> {
    let now = p.now();
    p.write("retry task", move |tx| {
        let task = storage::task::get(tx, id)?.ok_or_else(|| Problem::not_found("task"))?;
        if task.state != TaskState::Stuck {
            return Err(Problem::conflict(
                "this task is not stuck; it goes on by itself",
            ));
        }
        storage::task::unstick(tx, id, now)?;
        let stored = plan::existing(tx, task.request)?;
        if stored.request.waiting == Some(Waiting::Operator) {
            storage::privacy_request::update(
                tx,
                &PrivacyRequest {
                    waiting: None,
                    ..stored.request
                },
                &stored.reasons,
                now,
            )?;
        }
        let record = NewRecord::new(now, Actor::Operator(operator), Action::TaskRetried)
            .for_request(task.request)
            .about(task.target.clone())
            .with("task", task.kind.as_str());
        Ok(((), vec![record]))
    })
    .await?;
    Ok(())
}
