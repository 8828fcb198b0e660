//! One privacy request in the Console: the plan with counts before anything happens, the tasks, the outreach, the decisions and their evidence.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use domain::id::{OutreachId, RequestId, TaskId};
use domain::law::ReasonKind;
use domain::plan::{Plan, PlannedCollection, Residue};
use domain::privacy_request::RequestKind;
use domain::task::{TaskKind, TaskState};
use governance::privacy_request::attachment::AttachmentId;
use governance::privacy_request::{attachment, console, manual, plan};
use governance::view::{
    Attached, AttachmentLine, HoldOnRequest, OutreachLine, RecordLine, RequestDetail, TaskLine,
};
use governance::{Privity, Problem, evidence};
use serde::{Deserialize, Serialize};

use super::super::tracker::{ClockWords, Look, ReasonWords};
use super::super::{FormError, Frame, for_form, see, words};
use super::Operator;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::upload::Upload;
use crate::{App, Shared, secret};

/// A longer text is cut on the page; the file itself has all of it.
const LONGEST_TEXT: usize = 20_000;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/console/requests/{id}", get(page))
        .route("/console/requests/{id}/approve", post(approve))
        .route("/console/requests/{id}/deny", post(deny))
        .route("/console/requests/{id}/extend", post(extend))
        .route("/console/requests/{id}/reveal", post(reveal))
        .route("/console/requests/{id}/evidence", get(download))
        .route("/console/outreach/{id}/note", post(read_note))
        .route("/console/attachments/{id}/read", post(read_file))
        .route("/console/attachments/{id}/file", post(download_file))
        .route("/console/tasks/{id}/retry", post(retry))
        .route("/console/tasks/{id}/complete", post(complete))
}

#[derive(Serialize)]
struct RequestPage {
    title: &'static str,
    path: String,
    id: String,
    kind: &'static str,
    state: &'static str,
    state_tone: &'static str,
    lead: String,
    said: Option<&'static str>,
    error: Option<FormError>,
    revealed: Vec<Labelled>,
    opened: Option<OpenedWords>,
    erases: bool,
    plan: Option<PlanWords>,
    no_plan: &'static str,
    residue: Option<ResidueWords>,
    can_approve: bool,
    can_deny: bool,
    can_extend: bool,
    approve_words: String,
    extend_words: String,
    denials: Vec<Choice>,
    manual: Vec<Work>,
    tasks: Vec<Task>,
    clock: Option<ClockWords>,
    facts: Vec<Labelled>,
    reasons: Vec<ReasonWords>,
    holds: Vec<Hold>,
    can_hold: bool,
    outreach: Vec<Outreach>,
    attachments: Vec<Attachment>,
    records_words: String,
    records: Vec<Record>,
}

#[derive(Serialize)]
struct Labelled {
    label: String,
    value: String,
}

/// A note or a file that she asked to read.
#[derive(Serialize)]
struct OpenedWords {
    title: String,
    name: Option<String>,
    text: Option<String>,
}

/// A legal hold that keeps something of this privacy request.
#[derive(Serialize)]
struct Hold {
    name: String,
    reason: String,
    citation: Option<String>,
    found: String,
    counted: &'static str,
    note: String,
}

/// A sealed note or file; `read` and `file` are where it is opened.
#[derive(Serialize)]
struct Attachment {
    from: String,
    detail: String,
    read: String,
    read_words: &'static str,
    file: Option<String>,
}

#[derive(Serialize)]
struct Choice {
    code: String,
    words: String,
}

#[derive(Serialize)]
struct PlanWords {
    words: String,
    lines: Vec<PlanLine>,
    empty: String,
    empty_count: usize,
    manual: String,
}

#[derive(Serialize)]
struct PlanLine {
    title: String,
    system: String,
    rows: u64,
    delete: u64,
    redact: u64,
    stays: u64,
    kept: Vec<String>,
}

#[derive(Serialize)]
struct ResidueWords {
    words: String,
    lines: String,
    tone: &'static str,
}

#[derive(Serialize)]
struct Work {
    id: String,
    target: String,
    instructions: String,
    due: Option<String>,
}

#[derive(Serialize)]
struct Task {
    id: String,
    words: String,
    state: &'static str,
    tone: &'static str,
    detail: Option<String>,
    error: Option<String>,
    can_retry: bool,
}

#[derive(Serialize)]
struct Outreach {
    title: String,
    tag: &'static str,
    tone: &'static str,
    proof: String,
    meter: Vec<bool>,
    detail: String,
    error: Option<String>,
}

#[derive(Serialize)]
struct Record {
    sequence: u64,
    when: String,
    who: String,
    action: String,
}

#[derive(Deserialize, Default)]
struct Said {
    said: Option<String>,
}

/// `GET /console/requests/{id}`
async fn page(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    Query(said): Query<Said>,
) -> Result<Response, Failure> {
    let page = load(&app, request_id(&id)?).await?;
    Ok(show(
        &app,
        &operator,
        200,
        &RequestPage {
            said: said.words(),
            ..page
        },
    ))
}

/// `POST /console/requests/{id}/approve`
async fn approve(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = request_id(&id)?;
    let done = plan::approve(&app.privity, id, operator.0.id).await;
    after(&app, &operator, id, done, "approved").await
}

/// `POST /console/requests/{id}/deny`
async fn deny(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let id = request_id(&id)?;
    let done = match (fields.text("reason"), fields.text("explanation")) {
        (None, _) => Err(Problem::invalid(
            "reason",
            "choose the reason that the law knows",
        )),
        (_, None) => Err(Problem::invalid(
            "explanation",
            "write the facts in words that the subject will read; the law asks for them",
        )),
        (Some(reason), Some(explanation)) => {
            plan::deny(
                &app.privity,
                id,
                operator.0.id,
                reason,
                explanation.to_owned(),
            )
            .await
        }
    };
    after(&app, &operator, id, done, "denied").await
}

/// `POST /console/requests/{id}/extend`
async fn extend(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let id = request_id(&id)?;
    let done = match fields.text("reason") {
        None => Err(Problem::invalid(
            "reason",
            "say why you need more time; the subject is told",
        )),
        Some(reason) => plan::extend(&app.privity, id, operator.0.id, reason.to_owned())
            .await
            .map(|_| ()),
    };
    after(&app, &operator, id, done, "extended").await
}

/// `POST /console/requests/{id}/reveal`: a recorded look, so it can't be a GET that a browser repeats by itself.
async fn reveal(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = request_id(&id)?;
    let values = console::reveal_requester(&app.privity, id, operator.0.id).await?;
    let revealed = values
        .into_iter()
        .map(|(kind, value)| Labelled {
            label: words::label(&kind),
            value,
        })
        .collect();
    let page = RequestPage {
        revealed,
        ..load(&app, id).await?
    };
    Ok(show(&app, &operator, 200, &page))
}

/// `POST /console/outreach/{id}/note`: a recorded look, as [`reveal`].
async fn read_note(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: OutreachId = id.parse().map_err(|_| Problem::not_found("note"))?;
    let note = attachment::open_note(&app.privity, id, operator.0.id).await?;
    let opened = OpenedWords {
        title: "What the recipient wrote".to_owned(),
        name: None,
        text: Some(secret::shown_text(&note.text)),
    };
    let page = RequestPage {
        opened: Some(opened),
        ..load(&app, note.request).await?
    };
    Ok(show(&app, &operator, 200, &page))
}

/// `POST /console/attachments/{id}/read`: its name, and its text if it is one.
async fn read_file(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let file = attachment::open_file(&app.privity, file_id(&id)?, operator.0.id).await?;
    let is_text = file.media_type == "text/plain";
    let opened = OpenedWords {
        title: "The file".to_owned(),
        name: Some(secret::shown_text(&file.name)),
        text: is_text.then(|| secret::shown_bytes(&file.content, LONGEST_TEXT)),
    };
    let page = RequestPage {
        opened: Some(opened),
        ..load(&app, file.request).await?
    };
    Ok(show(&app, &operator, 200, &page))
}

/// `POST /console/attachments/{id}/file`: the file as it came, to be kept and never shown by the browser itself.
async fn download_file(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = file_id(&id)?;
    let file = attachment::open_file(&app.privity, id, operator.0.id).await?;
    let (kind, ending) = safe(&file.media_type);
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{id}.{ending}\""),
        ),
    ];
    Ok((headers, secret::downloaded(&file.content)).into_response())
}

/// A media type under which no browser runs anything, and an ending for the file; its own name may tell whose it is.
fn safe(media_type: &str) -> (&'static str, &'static str) {
    match media_type {
        "application/pdf" => ("application/pdf", "pdf"),
        "image/gif" => ("image/gif", "gif"),
        "image/jpeg" => ("image/jpeg", "jpg"),
        "image/png" => ("image/png", "png"),
        "image/webp" => ("image/webp", "webp"),
        "text/csv" => ("text/csv; charset=utf-8", "csv"),
        "text/plain" => ("text/plain; charset=utf-8", "txt"),
        "application/json" => ("application/json", "json"),
        "application/zip" => ("application/zip", "zip"),
        _ => ("application/octet-stream", "bin"),
    }
}

fn file_id(text: &str) -> Result<AttachmentId, Problem> {
    text.parse().map_err(|_| Problem::not_found("file"))
}

/// `GET /console/requests/{id}/evidence`
async fn download(
    State(app): Shared,
    _operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = request_id(&id)?;
    let file = evidence::export(&app.privity, id).await?;
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"evidence-{id}.json\""),
        ),
    ];
    Ok((headers, file).into_response())
}

/// `POST /console/tasks/{id}/retry`
async fn retry(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let request = request_id(fields.text("request").unwrap_or_default())?;
    let done = console::retry_task(&app.privity, task_id(&id)?, operator.0.id).await;
    after(&app, &operator, request, done, "retried").await
}

/// `POST /console/tasks/{id}/complete`
async fn complete(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    upload: Upload,
) -> Result<Response, Failure> {
    let Upload { fields, file } = upload;
    let request = request_id(fields.text("request").unwrap_or_default())?;
    let task = task_id(&id)?;
    let done = match (
        fields
            .text("found_rows")
            .and_then(|rows| rows.parse::<u64>().ok()),
        fields.sensitive("note"),
    ) {
        (None, _) => Err(Problem::invalid(
            "found_rows",
            "type how many records you found, 0 if none",
        )),
        (_, None) => Err(Problem::invalid(
            "note",
            "write what you did; it is the evidence",
        )),
        (Some(rows), Some(note)) => {
            manual::complete(&app.privity, task, operator.0.id, rows, note, file).await
        }
    };
    after(&app, &operator, request, done, "completed").await
}

/// Back to the page: by redirect when it worked, with the problem on it when it didn't.
async fn after(
    app: &App,
    operator: &Operator,
    id: RequestId,
    done: Result<(), Problem>,
    said: &str,
) -> Result<Response, Failure> {
    let Err(problem) = done else {
        return Ok(see(&format!("/console/requests/{id}?said={said}")));
    };
    let (error, status) = for_form(problem)?;
    let page = RequestPage {
        error: Some(error),
        ..load(app, id).await?
    };
    Ok(show(app, operator, status, &page))
}

fn show(app: &App, operator: &Operator, status: u16, page: &RequestPage) -> Response {
    app.pages.render_with(
        status,
        "console_request.html",
        &Frame::for_operator(&app.privity, &operator.0.name),
        page,
    )
}

async fn load(app: &App, id: RequestId) -> Result<RequestPage, Failure> {
    let detail = console::detail(&app.privity, id).await?;
    let denials = denials(&app.privity);
    let look = Look::of(&app.privity, &detail.listed.law);
    Ok(RequestPage {
        denials,
        ..RequestPage::of(&look, &detail)
    })
}

fn request_id(text: &str) -> Result<RequestId, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found("privacy request"))
}

fn task_id(text: &str) -> Result<TaskId, Problem> {
    text.parse().map_err(|_| Problem::not_found("task"))
}

fn denials(privity: &Privity) -> Vec<Choice> {
    let reasons = privity
        .law()
        .reasons()
        .iter()
        .filter(|reason| reason.kind == ReasonKind::Denial);
    reasons
        .map(|reason| Choice {
            code: reason.reason.clone(),
            words: words::capital(&reason.title),
        })
        .collect()
}

impl Said {
    fn words(&self) -> Option<&'static str> {
        Some(match self.said.as_deref()? {
            "approved" => "Approved. The work has begun.",
            "denied" => "Denied. The subject is told, with the reason.",
            "extended" => "Extended. The subject is told, with the reason.",
            "retried" => "The task is tried again now.",
            "completed" => "Your work is recorded.",
            _ => return None,
        })
    }
}

impl RequestPage {
    fn of(look: &Look<'_>, detail: &RequestDetail) -> Self {
        let listed = &detail.listed;
        let (state, state_tone) = words::state(listed.state);
        let erases = listed.kind == RequestKind::Delete;
        Self {
            title: words::right(listed.kind),
            path: format!("/console/requests/{}", listed.id),
            id: listed.id.to_string(),
            kind: words::right(listed.kind),
            state,
            state_tone,
            lead: lead(detail),
            said: None,
            error: None,
            revealed: Vec::new(),
            opened: None,
            erases,
            plan: detail
                .plan
                .as_ref()
                .map(|plan| PlanWords::of(look, plan, erases)),
            no_plan: if listed.kind.needs_verification() {
                "It is made once the subject has shown who she is."
            } else {
                "An opt-out needs no search: sales stop and recipients are told."
            },
            residue: detail.residue.as_deref().map(ResidueWords::of),
            can_approve: detail.possible.contains("approve"),
            can_deny: detail.possible.contains("deny"),
            can_extend: detail.possible.contains("extend"),
            approve_words: approve_words(detail),
            extend_words: detail
                .clock
                .max_with_extension
                .map(|latest| {
                    format!(
                        "The clock moves to {}. The law allows that once.",
                        words::day(latest)
                    )
                })
                .unwrap_or_default(),
            denials: Vec::new(),
            manual: detail
                .tasks
                .iter()
                .filter(|task| is_by_hand(task))
                .map(Work::of)
                .collect(),
            tasks: detail
                .tasks
                .iter()
                .map(|task| Task::of(look, task))
                .collect(),
            clock: if listed.state.is_closed() {
                None
            } else {
                ClockWords::for_operator(&detail.clock, listed.days_left, &detail.citations)
            },
            facts: facts(look, detail),
            reasons: detail
                .reasons
                .iter()
                .map(|reason| ReasonWords::of(look, reason))
                .collect(),
            holds: detail
                .holds
                .iter()
                .map(|on| Hold::of(on, listed.state.is_closed()))
                .collect(),
            can_hold: listed.kind != RequestKind::OptOutSaleShare,
            attachments: detail
                .attachments
                .iter()
                .map(|line| Attachment::of(look, line))
                .collect(),
            outreach: detail
                .outreach
                .iter()
                .map(|line| Outreach::of(look, line))
                .collect(),
            records_words: format!(
                "{} in the audit log",
                words::count(
                    u64::try_from(detail.records.len()).unwrap_or(0),
                    "record",
                    "records"
                )
            ),
            records: detail
                .records
                .iter()
                .map(|record| Record::of(look, record))
                .collect(),
        }
    }
}

fn lead(detail: &RequestDetail) -> String {
    match (detail.listed.waiting, detail.listed.state.is_closed()) {
        (_, true) => "Closed.".to_owned(),
        (Some(_), _) => format!("Waits for {}.", words::waiting(detail.listed.waiting)),
        (None, _) => "Under way; nothing is needed from you.".to_owned(),
    }
}

fn approve_words(detail: &RequestDetail) -> String {
    let Some(plan) = &detail.plan else {
        return "Approving lets the work begin.".to_owned();
    };
    if detail.listed.kind != RequestKind::Delete {
        return format!(
            "Approving puts a copy of {} together.",
            words::count(plan.rows(), "row", "rows")
        );
    }
    let gone: u64 = plan
        .collections
        .iter()
        .map(|collection| collection.delete + collection.redact)
        .sum();
    let later = if detail.holds.iter().all(|on| on.counted) {
        ""
    } else {
        " Legal holds placed since keep what they cover."
    };
    format!(
        "Approving erases {}. It cannot be undone.{later}",
        words::count(gone, "row", "rows")
    )
}

fn facts(look: &Look<'_>, detail: &RequestDetail) -> Vec<Labelled> {
    let fact = |label: &str, value: String| Labelled {
        label: label.to_owned(),
        value,
    };
    vec![
        fact("Received", words::moment(detail.received_at, &look.zone)),
        fact("By way of", words::channel(detail.channel).to_owned()),
        fact("Law", detail.listed.law.to_uppercase()),
    ]
}

impl PlanWords {
    fn of(look: &Look<'_>, plan: &Plan, erases: bool) -> Self {
        let (found, empty): (Vec<&PlannedCollection>, Vec<&PlannedCollection>) = plan
            .collections
            .iter()
            .partition(|collection| collection.rows > 0);
        let systems = u64::try_from(plan.systems().len()).unwrap_or(0);
        let rows = words::count(plan.rows(), "row", "rows");
        let made = words::moment(plan.made_at, &look.zone);
        let nothing = if erases {
            " Nothing has been touched to find this out."
        } else {
            ""
        };
        Self {
            words: format!(
                "{rows} in {}, as of {made}.{nothing}",
                words::count(systems, "system", "systems")
            ),
            lines: found
                .into_iter()
                .map(|collection| PlanLine::of(look, collection))
                .collect(),
            empty_count: empty.len(),
            empty: empty
                .iter()
                .map(|collection| collection.title.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            manual: plan
                .manual
                .iter()
                .map(|system| words::label(system.as_ref()))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

impl PlanLine {
    fn of(look: &Look<'_>, collection: &PlannedCollection) -> Self {
        let kept = collection.kept.iter().map(|kept| {
            let (title, citation) = (look.reason)(&kept.reason);
            let citation = citation
                .map(|citation| format!(" ({citation})"))
                .unwrap_or_default();
            format!(
                "{} stay: {title}{citation}. {}",
                kept.rows,
                words::sentence(&kept.reason.explanation)
            )
        });
        Self {
            title: collection.title.clone(),
            system: format!("{} in {}", collection.collection, collection.system),
            rows: collection.rows,
            delete: collection.delete,
            redact: collection.redact,
            stays: collection.kept.iter().map(|kept| kept.rows).sum(),
            kept: kept.collect(),
        }
    }
}

impl ResidueWords {
    fn of(residue: &[Residue]) -> Self {
        if residue.is_empty() {
            return Self {
                words: "Searched again: nothing is left but what the plan keeps.".to_owned(),
                lines: String::new(),
                tone: "",
            };
        }
        let rows: u64 = residue.iter().map(|line| line.rows).sum();
        let lines: Vec<String> = residue
            .iter()
            .map(|line| format!("{}: {}", line.collection, line.rows))
            .collect();
        Self {
            words: format!(
                "Searched again: {} left.",
                words::count(rows, "row is", "rows are")
            ),
            lines: lines.join(", "),
            tone: "bad",
        }
    }
}

fn is_by_hand(task: &TaskLine) -> bool {
    task.kind == TaskKind::ManualWork && task.state != TaskState::Done
}

impl Work {
    fn of(task: &TaskLine) -> Self {
        Self {
            id: task.id.to_string(),
            target: task.target.clone(),
            instructions: task.instructions.clone().unwrap_or_else(|| {
                "Search this system by hand and do what the privacy request asks.".to_owned()
            }),
            due: task.due.map(words::day),
        }
    }
}

impl Task {
    fn of(look: &Look<'_>, task: &TaskLine) -> Self {
        let (state, tone) = words::task_state(task.state);
        let target = if task.target.is_empty() {
            String::new()
        } else {
            format!(": {}", task.target)
        };
        let attempts =
            (task.attempts > 1).then(|| words::count(task.attempts.into(), "attempt", "attempts"));
        let next = (task.state == TaskState::Ready && task.run_at > look.now)
            .then(|| format!("from {}", words::moment(task.run_at, &look.zone)));
        let detail: Vec<String> = [attempts, next].into_iter().flatten().collect();
        Self {
            id: task.id.to_string(),
            words: format!("{}{target}", words::task(task.kind)),
            state,
            tone,
            detail: (!detail.is_empty()).then(|| detail.join(", ")),
            error: task.error.as_deref().map(words::sentence),
            can_retry: task.state == TaskState::Stuck,
        }
    }
}

impl Hold {
    fn of(on: &HoldOnRequest, is_closed: bool) -> Self {
        let found = on.found.iter();
        let found: Vec<String> = found
            .map(|(title, rows)| format!("{title}: {}", words::count(*rows, "row", "rows")))
            .collect();
        Self {
            name: on.hold.name.clone(),
            reason: words::sentence(&on.hold.reason.explanation),
            citation: on.hold.citation.clone(),
            found: found.join(", "),
            counted: match (on.counted, is_closed) {
                (true, _) => "The plan’s figures take it into account.",
                (false, false) => {
                    "Not in the plan’s figures yet: it counts at the moment of erasing."
                }
                (false, true) => {
                    "It came when this was over: it keeps nothing here, and counts if she asks again."
                }
            },
            note: on.hold.note.clone(),
        }
    }
}

impl Attachment {
    fn of(look: &Look<'_>, line: &AttachmentLine) -> Self {
        let kind = match line.what {
            Attached::Note(_) => "Note",
            Attached::File(_) => words::media_type(&line.media_type),
        };
        let size = line
            .size_bytes
            .map(|bytes| format!(", {}", words::size(bytes)))
            .unwrap_or_default();
        let (read, file) = match line.what {
            Attached::Note(id) => (format!("/console/outreach/{id}/note"), None),
            Attached::File(id) => {
                let path = format!("/console/attachments/{id}");
                (format!("{path}/read"), Some(format!("{path}/file")))
            }
        };
        let is_text = line.media_type == "text/plain";
        Self {
            from: line.from.clone(),
            detail: format!("{kind}{size}, {}", words::moment(line.at, &look.zone)),
            read,
            read_words: if is_text { "Read" } else { "Show its name" },
            file,
        }
    }
}

impl Outreach {
    fn of(look: &Look<'_>, line: &OutreachLine) -> Self {
        let (tag, tone) = words::answer(line.answer.as_ref(), line.settled, line.escalated);
        let sent = line
            .sent_at
            .map(|at| format!(", told {}", words::moment(at, &look.zone)))
            .unwrap_or_default();
        let answered = line
            .answered_at
            .map(|at| format!(", answered {}", words::moment(at, &look.zone)))
            .unwrap_or_default();
        let reminders = if line.reminders > 0 {
            format!(
                ", {}",
                words::count(line.reminders.into(), "reminder", "reminders")
            )
        } else {
            String::new()
        };
        let sold = if line.sold_or_shared {
            ", sold or shared"
        } else {
            ""
        };
        Self {
            title: line.title.clone(),
            tag,
            tone,
            proof: format!(
                "{} Proven: {}; needed: {}.",
                words::proof(line.level),
                line.level.as_str(),
                line.required_level.as_str()
            ),
            meter: words::meter(line.level),
            detail: format!(
                "{}{sold}, by {}{sent}{answered}{reminders}",
                words::capital(words::role(line.role)),
                words::told_by(line.channel)
            ),
            error: line.last_error.as_deref().map(words::sentence),
        }
    }
}

impl Record {
    fn of(look: &Look<'_>, record: &RecordLine) -> Self {
        Self {
            sequence: record.sequence,
            when: words::moment(record.at, &look.zone),
            who: record.actor.clone(),
            action: words::capital(&record.action.replace('_', " ")),
        }
    }
}

#[cfg(test)]
pub(super) fn sample(reveal: bool) -> impl Serialize {
    use crate::ui::samples;
    let look = samples::look();
    let page = RequestPage::of(&look, &samples::detail());
    let denial = Choice {
        code: "unverified_identity".to_owned(),
        words: "Identity could not be verified".to_owned(),
    };
    let opened = OpenedWords {
        title: "The file".to_owned(),
        name: Some("proof <b>of\" OR 1=1.txt".to_owned()),
        text: Some("deleted on Monday\nby the night shift".to_owned()),
    };
    let revealed = if reveal {
        vec![Labelled {
            label: "E-mail address".to_owned(),
            value: "maria@example.com".to_owned(),
        }]
    } else {
        Vec::new()
    };
    RequestPage {
        denials: vec![denial],
        revealed,
        opened: reveal.then_some(opened),
        ..page
    }
}
