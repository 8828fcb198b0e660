//! The Console: sign in with a key, see what is due first, and open any number into the privacy requests behind it.

mod consent;
mod disclosure;
mod hold;
mod identity;
mod policy;
mod request;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use domain::id::RequestId;
use domain::sensitive::Sensitive;
use governance::privacy_request::console::{self, Filter};
use governance::view::{ListedRequest, Overview, SignedIn};
use governance::{Privity, Problem, operator};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{FormError, Frame, for_form, see, words};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::secret::{self, SESSION};
use crate::{App, Shared};
use consent::Titles;

/// Privacy requests on one page of the list.
const PAGE: usize = 50;
/// How many are looked through at most to fill a page of a filter that storage doesn't know.
const LOOKED_THROUGH: u32 = 5_000;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/console", get(overview))
        .route("/console/sign-in", get(sign_in).post(send_key))
        .route("/console/sign-out", post(sign_out))
        .route("/console/requests", get(list))
        .merge(consent::routes())
        .merge(disclosure::routes())
        .merge(hold::routes())
        .merge(identity::routes())
        .merge(policy::routes())
        .merge(request::routes())
}

/// Where the business is at home: days and hours of its own pages are read there.
fn zone(privity: &Privity) -> TimeZone {
    let law = privity.law().law(&privity.settings().business.default_law);
    law.map_or(TimeZone::UTC, |law| law.time_zone().clone())
}

/// The operator whose session came with the request; without one she is sent to sign in.
pub(super) struct Operator(pub(super) SignedIn);

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let Some(session) = session(&parts.headers) else {
            return Err(see("/console/sign-in"));
        };
        match operator::by_session(&app.privity, &session).await {
            Ok(Some(signed_in)) => Ok(Self(signed_in)),
            Ok(None) => Err(see("/console/sign-in")),
            Err(problem) => Err(Failure(problem).into_response()),
        }
    }
}

fn session(headers: &HeaderMap) -> Option<Sensitive<String>> {
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut sessions = cookies
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(name, _)| *name == SESSION);
    sessions
        .next()
        .map(|(_, value)| Sensitive::new(value.to_owned()))
}

#[derive(Serialize)]
pub(super) struct SignInPage {
    title: &'static str,
    error: Option<FormError>,
}

#[derive(Serialize)]
pub(super) struct OverviewPage {
    title: &'static str,
    heading: String,
    numbers: Vec<Number>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Number {
    count: u64,
    words: &'static str,
    href: String,
    tone: &'static str,
}

#[derive(Serialize)]
pub(super) struct ListPage {
    title: &'static str,
    filters: Vec<FilterLink>,
    caption: &'static str,
    rows: Vec<Row>,
    empty: &'static str,
    next: Option<String>,
}

#[derive(Serialize)]
struct FilterLink {
    href: String,
    words: &'static str,
    chosen: bool,
}

/// One privacy request in a table.
#[derive(Serialize)]
struct Row {
    id: String,
    short_id: String,
    kind: &'static str,
    state: &'static str,
    state_tone: &'static str,
    waiting: &'static str,
    stuck: Option<String>,
    received: String,
    due: String,
    left: String,
    left_tone: &'static str,
}

/// `GET /console/sign-in`
async fn sign_in(State(app): Shared) -> Response {
    app.pages.render(
        "console_sign_in.html",
        &Frame::of(&app.privity),
        &SignInPage {
            title: "Sign in",
            error: None,
        },
    )
}

/// `POST /console/sign-in`
async fn send_key(State(app): Shared, fields: Fields) -> Result<Response, Failure> {
    let key = fields.sensitive("key").unwrap_or_default();
    match operator::sign_in(&app.privity, &key).await {
        Ok((_, session)) => {
            let is_https = app.privity.settings().base_url.starts_with("https://");
            Ok(with_cookie(
                see("/console"),
                &secret::session_cookie(&session, is_https),
            ))
        }
        Err(problem) => {
            let (error, status) = if problem.status == 401 {
                (FormError::of(&problem), 401)
            } else {
                for_form(problem)?
            };
            let page = SignInPage {
                title: "Sign in",
                error: Some(error),
            };
            Ok(app.pages.render_with(
                status,
                "console_sign_in.html",
                &Frame::of(&app.privity),
                &page,
            ))
        }
    }
}

/// `POST /console/sign-out`
async fn sign_out(State(app): Shared, headers: HeaderMap) -> Result<Response, Failure> {
    if let Some(session) = session(&headers) {
        operator::sign_out(&app.privity, &session).await?;
    }
    Ok(with_cookie(
        see("/console/sign-in"),
        &format!("{SESSION}=; Path=/console; Max-Age=0; HttpOnly; SameSite=Strict"),
    ))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    response
}

/// `GET /console`
async fn overview(State(app): Shared, operator: Operator) -> Result<Response, Failure> {
    let numbers = console::overview(&app.privity).await?;
    let mut open = find(&app.privity, Show::Open, None, usize::MAX).await?.0;
    open.sort_by_key(|request| (request.due.is_none(), request.due));
    open.truncate(10);
    let mut page = OverviewPage::of(&operator.0.name, &numbers, &open);
    if app.privity.schema().is_some() {
        let questions = governance::identity::count_open(&app.privity).await?;
        page.numbers.push(Number::of_questions(questions));
    }
    Ok(app.pages.render(
        "console_overview.html",
        &Frame::for_operator(&app.privity, &operator.0.name),
        &page,
    ))
}

/// Which part of the list is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Show {
    /// Those that are not closed.
    #[default]
    Open,
    /// Open and past their date.
    Overdue,
    /// Open and due within 7 days.
    DueSoon,
    /// Waiting for an operator's approval.
    ToApprove,
    /// With a stuck task or work by hand.
    NeedOperator,
    /// All, closed ones too.
    All,
}

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    show: Show,
    after: Option<String>,
}

/// `GET /console/requests`
async fn list(
    State(app): Shared,
    operator: Operator,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    let after = query
        .after
        .as_deref()
        .map(str::parse::<RequestId>)
        .transpose()
        .map_err(|_| Problem::not_found("page of the list"))?;
    let (found, next) = find(&app.privity, query.show, after, PAGE).await?;
    let page = ListPage::of(query.show, &found, next);
    Ok(app.pages.render(
        "console_list.html",
        &Frame::for_operator(&app.privity, &operator.0.name),
        &page,
    ))
}

/// The next privacy requests that a filter lets through, and where the list goes on.
pub(crate) async fn find(
    privity: &Privity,
    show: Show,
    after: Option<RequestId>,
    wanted: usize,
) -> Result<(Vec<ListedRequest>, Option<RequestId>), Problem> {
    let mut found: Vec<ListedRequest> = Vec::new();
    let mut after = after;
    let mut looked_at = 0;
    while looked_at < LOOKED_THROUGH {
        let part = console::list(privity, show.filter(after)).await?;
        let is_last = part.len() < STEP as usize;
        looked_at += STEP;
        for request in part {
            after = Some(request.id);
            if found.len() == wanted {
                return Ok((found.clone(), found.last().map(|last| last.id)));
            }
            found.push(request);
        }
        if is_last {
            break;
        }
    }
    Ok((found, None))
}

/// Privacy requests that are read at once.
const STEP: u32 = 200;

impl Show {
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Open, "open", "Open"),
        (Self::Overdue, "overdue", "Overdue"),
        (Self::DueSoon, "due_soon", "Due within 7 days"),
        (Self::ToApprove, "to_approve", "To approve"),
        (Self::NeedOperator, "need_operator", "Need an operator"),
        (Self::All, "all", "All"),
    ];

    fn filter(self, after: Option<RequestId>) -> Filter {
        Filter {
            state: None,
            open_only: self != Self::All,
            overdue: self == Self::Overdue,
            due_soon: self == Self::DueSoon,
            to_approve: self == Self::ToApprove,
            need_operator: self == Self::NeedOperator,
            after,
            limit: STEP,
        }
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Open => ("Open privacy requests", "Nothing is open."),
            Self::Overdue => ("Past their date", "Nothing is late."),
            Self::DueSoon => ("Due within 7 days", "Nothing is due within 7 days."),
            Self::ToApprove => (
                "Waiting for an operator’s approval",
                "Nothing waits for your approval.",
            ),
            Self::NeedOperator => (
                "With a stuck task or work by hand",
                "Nothing is stuck, and nothing is to be done by hand.",
            ),
            Self::All => ("All privacy requests", "There are no privacy requests yet."),
        }
    }
}

impl OverviewPage {
    fn of(operator: &str, overview: &Overview, first: &[ListedRequest]) -> Self {
        let number = |count, words, show: &str, tone: &'static str| Number {
            count,
            words,
            href: format!("/console/requests?show={show}"),
            tone: if count > 0 { tone } else { "" },
        };
        Self {
            title: "Overview",
            heading: format!(
                "Hello {operator}. {}",
                if overview.overdue > 0 {
                    "Something is late."
                } else {
                    "Nothing is late."
                }
            ),
            numbers: vec![
                number(overview.overdue, "overdue", "overdue", "bad"),
                number(overview.due_soon, "due within 7 days", "due_soon", "warn"),
                number(overview.to_approve, "to approve", "to_approve", "warn"),
                number(
                    overview.need_operator,
                    "need an operator",
                    "need_operator",
                    "bad",
                ),
                number(overview.open, "open", "open", ""),
            ],
            rows: first.iter().map(Row::of).collect(),
        }
    }
}

impl Number {
    fn of_questions(count: u64) -> Self {
        Self {
            count,
            words: "to answer: who is who",
            href: "/console/identity".to_owned(),
            tone: if count > 0 { "warn" } else { "" },
        }
    }
}

impl ListPage {
    fn of(show: Show, found: &[ListedRequest], next: Option<RequestId>) -> Self {
        let (caption, empty) = show.words();
        let key = Show::ALL
            .iter()
            .find(|(each, _, _)| *each == show)
            .map_or("open", |(_, key, _)| key);
        Self {
            title: "Privacy requests",
            filters: Show::ALL
                .iter()
                .map(|(each, key, words)| FilterLink {
                    href: format!("/console/requests?show={key}"),
                    words,
                    chosen: *each == show,
                })
                .collect(),
            caption,
            rows: found.iter().map(Row::of).collect(),
            empty,
            next: next.map(|after| format!("/console/requests?show={key}&after={after}")),
        }
    }
}

impl Row {
    fn of(request: &ListedRequest) -> Self {
        let (state, state_tone) = words::state(request.state);
        let (left, left_tone) = left(request);
        let id = request.id.to_string();
        Self {
            short_id: short(&id),
            id,
            kind: words::right(request.kind),
            state,
            state_tone,
            waiting: words::waiting(request.waiting),
            stuck: (request.stuck_tasks > 0).then(|| format!("{} stuck", request.stuck_tasks)),
            received: words::day(request.received_on),
            due: request.due.map(words::day).unwrap_or_default(),
            left,
            left_tone,
        }
    }
}

/// The end of an id, which differs; the beginning is the time.
fn short(id: &str) -> String {
    let end: String = id
        .chars()
        .rev()
        .take(8)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    format!("…{end}")
}

fn left(request: &ListedRequest) -> (String, &'static str) {
    match request.days_left {
        None => (
            if request.state.is_closed() {
                "closed"
            } else {
                "no clock"
            }
            .to_owned(),
            "",
        ),
        Some(days @ ..0) => (
            format!(
                "{} late",
                words::count(days.unsigned_abs().into(), "day", "days")
            ),
            "bad",
        ),
        Some(0) => ("today".to_owned(), "bad"),
        Some(days) => (
            words::count(days.unsigned_abs().into(), "day", "days"),
            if days <= 7 { "warn" } else { "good" },
        ),
    }
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;
    use crate::ui::samples;

    pub(crate) fn sign_in(wrong: bool) -> impl Serialize {
        let problem = Problem::new(
            "key_wrong",
            401,
            "this key isn't known; look at what `privity operator add` printed",
        );
        SignInPage {
            title: "Sign in",
            error: wrong.then(|| FormError::of(&problem)),
        }
    }

    pub(crate) fn overview(is_empty: bool) -> impl Serialize {
        let counts = if is_empty {
            Overview {
                open: 0,
                overdue: 0,
                due_soon: 0,
                to_approve: 0,
                need_operator: 0,
            }
        } else {
            Overview {
                open: 40,
                overdue: 2,
                due_soon: 5,
                to_approve: 3,
                need_operator: 1,
            }
        };
        let listed = if is_empty {
            Vec::new()
        } else {
            samples::listed()
        };
        let mut page = OverviewPage::of("Robin", &counts, &listed);
        page.numbers.push(Number::of_questions(2));
        page
    }

    pub(crate) fn list(is_empty: bool) -> impl Serialize {
        let found = if is_empty {
            Vec::new()
        } else {
            samples::listed()
        };
        let next = found.last().map(|last| last.id);
        ListPage::of(Show::Open, &found, next)
    }

    pub(crate) fn consents(is_found: bool) -> impl Serialize {
        consent::sample(is_found)
    }

    pub(crate) fn holds(is_empty: bool) -> impl Serialize {
        hold::sample(is_empty)
    }

    pub(crate) use super::disclosure::samples as disclosure;
    pub(crate) use super::identity::samples as identity;
    pub(crate) use super::policy::samples as policy;

    pub(crate) fn request(reveal: bool) -> impl Serialize {
        request::sample(reveal)
    }
}
