//! What went wrong, as a page or as RFC 9457 problem+json: a stable code, what to do, a trace id; never a value, never a chain of causes.

use axum::Json;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use governance::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::border::TraceId;
use crate::ui::{Frame, words};

/// A problem on its way out; [`show`] gives it its form.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

/// A problem as the API answers it (RFC 9457, `application/problem+json`).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// A page that explains the code.
    #[serde(rename = "type")]
    kind: String,
    /// What is wrong and what to do.
    title: String,
    /// The HTTP status.
    status: u16,
    /// Stable code in snake_case.
    code: String,
    /// The field that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Quote this when you ask for help; our log has it too.
    trace_id: String,
}

#[derive(Serialize)]
struct FailurePage {
    title: &'static str,
    words: String,
    todo: &'static str,
    code: &'static str,
    trace_id: String,
    back: Back,
}

#[derive(Serialize)]
struct Back {
    href: &'static str,
    words: &'static str,
}

/// Gives a failed answer its form: SCIM's own under `/scim` and `/recipient/scim`, JSON under `/api` and `/callbacks`, a page elsewhere.
pub(crate) fn show(app: &App, path: &str, trace: &TraceId, response: Response) -> Response {
    let Some(problem) = problem_of(&response) else {
        return response;
    };
    let is_scim = ["/scim/", "/recipient/scim/"];
    let mut response = if is_scim.iter().any(|start| path.starts_with(start)) {
        crate::api::scim_error(status_of(&problem), &problem.title)
    } else if is_for_machines(path) {
        as_json(app, &problem, trace)
    } else {
        as_page(app, path, &problem, trace)
    };
    let is_pause = response.status() == StatusCode::SERVICE_UNAVAILABLE;
    let seconds = problem.wait_seconds;
    if let Some(seconds) = seconds.or(is_pause.then_some(PAUSE_SECONDS)) {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What every 503 says in words: again in a minute.
const PAUSE_SECONDS: u32 = 60;

/// The problem that a route attached, or one for what the framework refused by itself.
fn problem_of(response: &Response) -> Option<Problem> {
    if let Some(problem) = response.extensions().get::<Problem>() {
        return Some(problem.clone());
    }
    let status = response.status();
    let is_ours = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"));
    if status.as_u16() < 400 || is_ours {
        return None;
    }
    Some(refused(status))
}

/// What the framework refuses before a route sees it, in words.
pub(crate) fn refused(status: StatusCode) -> Problem {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            "method_not_allowed",
            405,
            "this address doesn't take that method; the API's description is at /openapi.json",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            "wrong_content_type",
            415,
            "this content type isn't read here; send application/json, or a form as the page sends it",
        ),
        StatusCode::NOT_FOUND => Problem::not_found("page"),
        status if status.is_server_error() => unexpected(),
        _ => Problem::new(
            "unreadable",
            400,
            "this can't be read; compare it with /openapi.json, or fill in the page's form again",
        ),
    }
}

/// More than we take.
pub(crate) fn too_large() -> Problem {
    Problem::new(
        "body_too_large",
        413,
        "this is larger than we take; shorten the text, or send a smaller file",
    )
}

/// A fault of ours that nobody foresaw.
pub(crate) fn unexpected() -> Problem {
    Problem::new(
        "internal",
        500,
        "something failed on our side; nothing was lost, please try again later",
    )
}

fn is_for_machines(path: &str) -> bool {
    [
        "/api/",
        "/callbacks/",
        "/recipient/",
        "/access/",
        "/openapi.json",
        "/healthz",
        "/choices.json",
    ]
    .iter()
    .any(|start| path.starts_with(start))
}

fn as_json(app: &App, problem: &Problem, trace: &TraceId) -> Response {
    let body = ProblemBody {
        kind: format!(
            "{}/docs/errors/{}",
            app.privity.settings().base_url,
            problem.code
        ),
        title: problem.title.clone(),
        status: problem.status,
        code: problem.code.to_owned(),
        field: problem.field.map(str::to_owned),
        trace_id: trace.0.clone(),
    };
    let mut response = (status_of(problem), Json(body)).into_response();
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if problem.status == 401 {
        response.headers_mut().insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"privity\""),
        );
    }
    response
}

fn as_page(app: &App, path: &str, problem: &Problem, trace: &TraceId) -> Response {
    let (title, todo) = heading(problem);
    let is_console = path == "/console" || path.starts_with("/console/");
    let back = if is_console {
        Back {
            href: "/console",
            words: "To the Console",
        }
    } else {
        Back {
            href: "/",
            words: "To the first page",
        }
    };
    let page = FailurePage {
        title,
        words: words::sentence(&problem.title),
        todo,
        code: problem.code,
        trace_id: trace.0.clone(),
        back,
    };
    let mut response = app
        .pages
        .render("failure.html", &Frame::of(&app.privity), &page);
    *response.status_mut() = status_of(problem);
    response
}

fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn heading(problem: &Problem) -> (&'static str, &'static str) {
    match problem.status {
        404 | 410 => (
            "There is nothing at this address",
            "If you came from a mail, open its link again, whole: some programs cut it in two.",
        ),
        403 => (
            "That was not sent from our own page",
            "Open the page again and repeat it there.",
        ),
        413 => ("That is too much for us", ""),
        429 => (
            "One moment, please",
            "This slows down machines that guess. It does not close anything.",
        ),
        500.. => (
            "That failed, and it is our fault",
            "We keep what we have already received.",
        ),
        _ => ("That did not work", ""),
    }
}

/// An answer with no body to speak of.
pub(crate) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

#[cfg(test)]
impl FailurePage {
    pub(crate) fn sample() -> Self {
        Self {
            title: "There is nothing at this address",
            words: "There is no privacy request here; check the address, or start again from the first page.".to_owned(),
            todo: "If you came from a mail, open its link again, whole: some programs cut it in two.",
            code: "not_found",
            trace_id: "0f0e0d0c-0b0a-4908-8706-050403020100".to_owned(),
            back: Back { href: "/", words: "To the first page" },
        }
    }
}

#[cfg(test)]
pub(crate) fn sample() -> impl Serialize {
    FailurePage::sample()
}
