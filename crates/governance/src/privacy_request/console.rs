//! What operators see: the list with days left, one privacy request with everything about it, and what needs them.

use std::collections::BTreeSet;

use domain::audit::{Action, Actor, NewRecord};
use domain::disclosure::{DisclosureRecipient, Purpose};
use domain::id::{OperatorId, RequestId, TaskId};
use domain::law::{Law, Received};
use domain::privacy_request::{PrivacyRequest, RequestState, Waiting};
use domain::task::{Task, TaskKind, TaskState};
use enforcement::vault::Place;
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use storage::Tx;
use storage::privacy_request::{DueDays, StoredPrivacyRequest};

use crate::deciding::own;
use crate::disclosure::{Opened, Wanted, open};
use crate::privacy_request::tracker::{self, Seen, days_left, look};
use crate::privacy_request::{attachment, confirm, intake, plan};
use crate::requester::{EXPLANATION, IDENTITY};
use crate::view::{ListedRequest, Overview, RecordLine, RequestDetail, TaskLine};
use crate::work::requester;
use crate::{Privity, Problem, legal_hold};

/// Which privacy requests a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<RequestState>,
    /// Only those not closed.
    pub open_only: bool,
    /// Only open ones past their date.
    pub overdue: bool,
    /// Only open ones due today or within the next 7 days; with `overdue`, those as well.
    pub due_soon: bool,
    /// Only open ones that wait for an operator's approval.
    pub to_approve: bool,
    /// Only open ones with a stuck task or work by hand.
    pub need_operator: bool,
    /// Behind this one.
    pub after: Option<RequestId>,
    /// At most this many.
    pub limit: u32,
}

/// The most privacy requests in one page.
const PAGE: u32 = 500;
/// An answer is due soon when so many days are left.
const SOON: i64 = 7;
/// Before every day on which anything was due.
const LONG_AGO: Date = date(1, 1, 1);

/// The figures of the Console's first page, each counted by the filter that lists them.
pub async fn overview(p: &Privity) -> Result<Overview, Problem> {
    let wanted = |filter: Filter| in_storage(p, &filter);
    let open = wanted(Filter {
        open_only: true,
        ..Filter::default()
    });
    let overdue = wanted(Filter {
        overdue: true,
        ..Filter::default()
    });
    let due_soon = wanted(Filter {
        due_soon: true,
        ..Filter::default()
    });
    let to_approve = wanted(Filter {
        to_approve: true,
        ..Filter::default()
    });
    let need_operator = wanted(Filter {
        need_operator: true,
        ..Filter::default()
    });
    p.read("count privacy requests", move |tx| {
        use storage::privacy_request::count;
        Ok(Overview {
            open: count(tx, &open)?,
            overdue: count(tx, &overdue)?,
            due_soon: count(tx, &due_soon)?,
            to_approve: count(tx, &to_approve)?,
            need_operator: count(tx, &need_operator)?,
        })
    })
    .await
}

/// How many tasks a worker could do now.
pub async fn tasks_due(p: &Privity) -> Result<u64, Problem> {
    let now = p.now();
    p.read("count due tasks", move |tx| {
        Ok(storage::workload::tasks_due(tx, now)?)
    })
    .await
}

/// The filter as storage applies it.
fn in_storage(p: &Privity, filter: &Filter) -> storage::privacy_request::Filter {
    let is_open = filter.open_only
        || filter.overdue
        || filter.due_soon
        || filter.to_approve
        || filter.need_operator;
    storage::privacy_request::Filter {
        state: filter.state,
        open: is_open,
        waiting: filter.to_approve.then_some(Waiting::Approval),
        need_operator: filter.need_operator,
        due: due_days(p, filter),
        id_contains: None,
    }
}

/// The days on which an answer is overdue or due soon, in the time zone of each law.
fn due_days(p: &Privity, filter: &Filter) -> Option<DueDays> {
    let days = |zone: TimeZone| {
        let today = p.now().to_zoned(zone).date();
        let soonest = if filter.overdue { LONG_AGO } else { today };
        let latest = if filter.due_soon {
            today.saturating_add(SOON.days())
        } else {
            today.yesterday().unwrap_or(today)
        };
        soonest..=latest
    };
    let by_law = |law: &Law| (law.key.clone(), days(law.time_zone().clone()));
    (filter.overdue || filter.due_soon).then(|| DueDays {
        by_law: p.law().laws().map(by_law).collect(),
        otherwise: days(TimeZone::UTC),
    })
}

/// The list, newest first.
pub async fn list(p: &Privity, filter: Filter) -> Result<Vec<ListedRequest>, Problem> {
    let q = p.clone();
    let wanted = in_storage(p, &filter);
    p.read("list privacy requests", move |tx| {
        let limit = filter.limit.clamp(1, PAGE);
        storage::privacy_request::list(tx, &wanted, filter.after, limit)?
            .iter()
            .map(|request| listed(&q, tx, request))
            .collect()
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
    let holds = legal_hold::on_request(p, &seen.stored).await?;
    let attachments = attachment::of_request(p, &seen).await?;
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
        holds,
        attachments,
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
        details: serde_json::Value::Object(record.details.object().clone()),
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
