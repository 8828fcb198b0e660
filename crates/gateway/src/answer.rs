//! What we say ourselves: a problem as RFC 9457 with a stable code, never a word of the upstream's, never a value.

use std::fmt;

use bytes::Bytes;
use governance::Problem;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use crate::body::AnswerBody;
use crate::counts::Outcome;

/// A call that is answered by us.
pub(crate) struct Refusal {
    pub(crate) problem: Problem,
    /// What is counted at the route, where one was found.
    pub(crate) outcome: Option<Outcome>,
    /// Methods that the path has, when it hasn't this one.
    pub(crate) allow: Option<String>,
    /// Whether the connection ends with the answer: nobody knows what else is on it.
    pub(crate) ends: bool,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, status: u16, title: impl Into<String>) -> Self {
        Self::from(Problem::new(code, status, title))
    }

    pub(crate) fn counted(self, outcome: Outcome) -> Self {
        Self {
            outcome: Some(outcome),
            ..self
        }
    }

    /// After which the connection ends.
    pub(crate) fn last(self) -> Self {
        Self { ends: true, ..self }
    }

    /// What a recipient hears of a subject whom nobody knows, and of one of whom it may know nothing: word for word the same.
    pub(crate) fn nothing_here() -> Self {
        Self::new(
            "not_found",
            404,
            "there is nothing here for you; check the address, or whether this purpose covers what you ask for",
        )
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            outcome: is_over_pace(&problem).then_some(Outcome::OverPace),
            problem,
            allow: None,
            ends: false,
        }
    }
}

/// Whether the recipient asked about more subjects than it may in a minute.
pub(crate) fn is_over_pace(problem: &Problem) -> bool {
    problem.code == "too_many_subjects"
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({})", self.problem.code)
    }
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    trace_id: &'a str,
}

/// The answer to a call that is refused.
pub(crate) fn refused(refusal: &Refusal, base_url: &str, trace_id: &str) -> Response<AnswerBody> {
    let problem = &refusal.problem;
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = ProblemBody {
        kind: format!("{base_url}/docs/errors/{}", problem.code),
        title: &problem.title,
        status: status.as_u16(),
        code: problem.code,
        trace_id,
    };
    // It has no maps and no floats, so it can be written.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let mut response = Response::new(AnswerBody::Whole(Some(Bytes::from(body))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    put(headers, header::CONTENT_TYPE, "application/problem+json");
    match status {
        StatusCode::UNAUTHORIZED => put(headers, header::WWW_AUTHENTICATE, "Bearer"),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            put(headers, header::RETRY_AFTER, "1");
        }
        _ => {}
    }
    if let Some(seconds) = problem.wait_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = refusal
        .allow
        .as_deref()
        .and_then(|allow| allow.parse().ok())
    {
        headers.insert(header::ALLOW, allow);
    }
    if refusal.ends {
        put(headers, header::CONNECTION, "close");
    }
    response
}

/// What every answer says to caches, whoever it came from: it is one recipient's, for one purpose, and of this moment.
pub(crate) fn keep_private(headers: &mut HeaderMap, trace_id: &str) {
    put(headers, header::CACHE_CONTROL, "private, no-store");
    put(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if let Ok(value) = HeaderValue::from_str(trace_id) {
        headers.insert("x-trace-id", value);
    }
}

pub(crate) fn put(headers: &mut HeaderMap, name: header::HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
