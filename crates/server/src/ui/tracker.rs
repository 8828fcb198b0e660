//! The subject's own page: a tracker like a parcel's, with the legal date, what stays and why, and her answer to fetch.
//!
//! Law: 11 CCR 7021 (clocks), 7022(f) (what is kept must be explained), 7026(g) (a means to confirm that an opt-out was processed).

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use domain::data_map::KeepReason;
use domain::outreach::Answer;
use domain::privacy_request::{Clock, RequestKind, RequestState, Waiting};
use domain::sensitive::Sensitive;
use governance::consent::choices::may_choose;
use governance::privacy_request::categories::Recorded;
use governance::privacy_request::{access, tracker, verify};
use governance::view::{
    KeptLine, OutreachLine, PackageLine, Stage, SystemLine, Tracker, VerificationLine,
};
use governance::{Privity, Problem};
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{FormError, Frame, for_form, see, words};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::{App, Shared};

/// How often the page looks for news, in seconds.
const REFRESH: u16 = 8;

#[derive(Serialize)]
pub(super) struct TrackerPage {
    title: &'static str,
    path: String,
    id: String,
    kind: &'static str,
    heading: &'static str,
    lead: String,
    said: Option<&'static str>,
    error: Option<FormError>,
    code: Option<CodeForm>,
    package: Option<PackageWords>,
    stages: Vec<StageWords>,
    reasons_title: &'static str,
    reasons: Vec<ReasonWords>,
    kept: Vec<KeptWords>,
    clock: Option<ClockWords>,
    since: Option<String>,
    systems: Vec<SystemWords>,
    recipients: Vec<RecipientWords>,
    received: Vec<ReceivedWords>,
    regulator: Option<Regulator>,
    can_withdraw: bool,
    /// The address of the page where she chooses, once she has shown who she is.
    choices: Option<String>,
    refresh_seconds: Option<u16>,
}

#[derive(Serialize)]
struct CodeForm {
    words: String,
    resend_words: String,
}

#[derive(Serialize)]
struct PackageWords {
    words: String,
    size: String,
    available: bool,
}

#[derive(Serialize)]
struct StageWords {
    progress: &'static str,
    progress_words: &'static str,
    words: &'static str,
    when: Option<String>,
}

/// A reason with its facts and the law behind it.
#[derive(Serialize)]
pub(super) struct ReasonWords {
    title: String,
    explanation: String,
    citation: Option<String>,
}

#[derive(Serialize)]
struct KeptWords {
    title: String,
    system: String,
    rows: String,
    explanation: String,
    law: String,
}

/// A legal clock in words.
#[derive(Serialize)]
pub(super) struct ClockWords {
    title: &'static str,
    days: Option<String>,
    days_words: &'static str,
    tone: &'static str,
    date_words: String,
    rest: String,
}

#[derive(Serialize)]
struct SystemWords {
    title: String,
    words: &'static str,
    tone: &'static str,
    detail: Option<String>,
}

#[derive(Serialize)]
struct RecipientWords {
    title: String,
    tag: &'static str,
    tone: &'static str,
    words: String,
    proof: String,
    meter: Vec<bool>,
    got: String,
}

/// What one recipient got of her for one purpose.
#[derive(Serialize)]
struct ReceivedWords {
    title: String,
    tag: &'static str,
    tone: &'static str,
    purpose: String,
    what: String,
    when: String,
    reasons: Vec<String>,
}

/// Where one complains, from law/regulators.yaml.
#[derive(Clone, Serialize)]
pub(super) struct Regulator {
    pub(super) name: String,
    pub(super) url: Option<String>,
}

/// What the page before says has happened; only known words are shown.
#[derive(Deserialize, Default)]
pub(super) struct Said {
    said: Option<String>,
}

/// `GET /requests/{token}`
pub(super) async fn page(
    State(app): Shared,
    Path(token): Path<String>,
    Query(said): Query<Said>,
) -> Result<Response, Failure> {
    let page = load(&app, &token).await?;
    let page = TrackerPage {
        said: said.words(),
        ..page
    };
    Ok(app
        .pages
        .render("tracker.html", &Frame::of(&app.privity), &page))
}

/// `POST /requests/{token}/code`
pub(super) async fn confirm(
    State(app): Shared,
    Path(token): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let typed: String = fields
        .typed("code")
        .chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '-')
        .collect();
    let secret = Sensitive::new(token.clone());
    let problem = if typed.is_empty() {
        // Nothing typed is no try.
        Problem::invalid("code", "type the six digits from our mail")
    } else {
        match verify::confirm(&app.privity, &secret, &Sensitive::new(typed)).await {
            Ok(_) => return Ok(see(&format!("{}?said=verified", own_path(&token)))),
            Err(problem) => problem,
        }
    };
    again(&app, &token, problem).await
}

/// `POST /requests/{token}/resend`
pub(super) async fn resend(
    State(app): Shared,
    Path(token): Path<String>,
) -> Result<Response, Failure> {
    match verify::resend(&app.privity, &Sensitive::new(token.clone())).await {
        Ok(_) => Ok(see(&format!("{}?said=resent", own_path(&token)))),
        Err(problem) => again(&app, &token, problem).await,
    }
}

/// `POST /requests/{token}/withdraw`
pub(super) async fn withdraw(
    State(app): Shared,
    Path(token): Path<String>,
) -> Result<Response, Failure> {
    match tracker::withdraw(&app.privity, &Sensitive::new(token.clone())).await {
        Ok(()) => Ok(see(&own_path(&token))),
        Err(problem) => again(&app, &token, problem).await,
    }
}

/// `GET /requests/{token}/package`
pub(super) async fn package(
    State(app): Shared,
    Path(token): Path<String>,
) -> Result<Response, Failure> {
    let package = access::fetch(&app.privity, &Sensitive::new(token)).await?;
    let headers = [
        (CONTENT_TYPE, "application/zip".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}\"", package.name),
        ),
    ];
    Ok((headers, streamed(package.file)).into_response())
}

/// A file in pieces, so that a large package costs no memory.
fn streamed(file: impl AsyncRead + Unpin + Send + 'static) -> Body {
    let pieces = futures_util::stream::try_unfold(file, async |mut file| {
        let mut piece = vec![0; 64 << 10];
        let length = file.read(&mut piece).await?;
        piece.truncate(length);
        Ok::<_, std::io::Error>((length > 0).then_some((bytes::Bytes::from(piece), file)))
    });
    Body::from_stream(pieces)
}

/// The page again with the problem on it, where it belongs there.
async fn again(app: &App, token: &str, problem: Problem) -> Result<Response, Failure> {
    let (error, status) = if problem.status == 410 {
        (FormError::of(&problem), 410)
    } else {
        for_form(problem)?
    };
    let page = TrackerPage {
        error: Some(error),
        ..load(app, token).await?
    };
    Ok(app
        .pages
        .render_with(status, "tracker.html", &Frame::of(&app.privity), &page))
}

async fn load(app: &App, token: &str) -> Result<TrackerPage, Failure> {
    let view = tracker::view(&app.privity, &Sensitive::new(token.to_owned())).await?;
    let page = TrackerPage::of(&Look::of(&app.privity, &view.law), own_path(token), &view);
    let has_purposes = app.privity.purposes().iter().next().is_some();
    Ok(TrackerPage {
        choices: page.choices.filter(|_| has_purposes),
        ..page
    })
}

/// The page's own address; what isn't a token's letter is left out, since the rest is put into a header.
pub(super) fn own_path(token: &str) -> String {
    format!(
        "/requests/{}",
        token
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
    )
}

impl Said {
    fn words(&self) -> Option<&'static str> {
        match self.said.as_deref()? {
            "verified" => Some("Thank you. We know now that it is you, and go on."),
            "resent" => Some("Another code is on its way. Only the newest one works."),
            _ => None,
        }
    }
}

/// The title of a reason, and where it stands in the law.
type ReasonTitle<'a> = Box<dyn Fn(&KeepReason) -> (String, Option<String>) + 'a>;

/// What the words depend on beside the view: the moment, the law's time zone, the words of reasons.
pub(super) struct Look<'a> {
    pub(super) now: Timestamp,
    pub(super) zone: TimeZone,
    pub(super) reason: ReasonTitle<'a>,
    pub(super) category: Box<dyn Fn(&str) -> String + 'a>,
    pub(super) regulator: Option<Regulator>,
}

impl<'a> Look<'a> {
    pub(super) fn of(privity: &'a Privity, law: &str) -> Self {
        let book = privity.law();
        Self {
            now: privity.now(),
            zone: book
                .law(law)
                .map_or(TimeZone::UTC, |law| law.time_zone().clone()),
            reason: Box::new(|reason| match book.reason(&reason.code) {
                Some(found) => (
                    words::capital(&found.title),
                    Some(found.citation.clone()).filter(|text| !text.is_empty()),
                ),
                None => (words::label(&reason.code), None),
            }),
            category: Box::new(|key| {
                book.category(key)
                    .map_or_else(|| words::category(key), |category| category.title.clone())
            }),
            regulator: book.regulator(law).map(|regulator| Regulator {
                name: regulator.name.clone(),
                url: regulator.url.clone(),
            }),
        }
    }
}

impl TrackerPage {
    pub(super) fn of(look: &Look<'_>, path: String, view: &Tracker) -> Self {
        let (heading, lead) = heading(view);
        Self {
            title: words::kind(view.kind),
            id: view.id.to_string(),
            kind: words::kind(view.kind),
            heading,
            lead,
            said: None,
            error: None,
            code: view
                .verification
                .as_ref()
                .map(|line| CodeForm::of(look, line)),
            package: view
                .package
                .as_ref()
                .map(|line| PackageWords::of(look, line)),
            stages: view
                .stages
                .iter()
                .map(|stage| StageWords::of(look, stage))
                .collect(),
            reasons_title: match view.state {
                RequestState::Denied => "Why",
                RequestState::Verified => "Why a person decides",
                _ => "Why not all of it",
            },
            reasons: if view.kept.is_empty() {
                view.reasons
                    .iter()
                    .map(|reason| ReasonWords::of(look, reason))
                    .collect()
            } else {
                Vec::new()
            },
            kept: view
                .kept
                .iter()
                .map(|line| KeptWords::of(look, line))
                .collect(),
            since: view.since.map(words::day),
            clock: ClockWords::for_subject(&view.clock, view.kind, view.state, view.days_left),
            systems: view
                .systems
                .iter()
                .map(|line| SystemWords::of(line, view.kind))
                .collect(),
            recipients: view
                .recipients
                .iter()
                .map(|line| RecipientWords::of(look, line))
                .collect(),
            received: view
                .received
                .iter()
                .map(|line| ReceivedWords::of(look, line))
                .collect(),
            regulator: look.regulator.clone(),
            choices: may_choose(view.kind, view.state).then(|| format!("{path}/choices")),
            path,
            can_withdraw: matches!(view.state, RequestState::Received | RequestState::Verified),
            refresh_seconds: (!view.state.is_closed()).then_some(REFRESH),
        }
    }
}

impl ReceivedWords {
    fn of(look: &Look<'_>, line: &Recorded) -> Self {
        let (tag, tone) = match (line.sold, line.shared) {
            (true, true) => ("sold and shared for advertising", "warn"),
            (true, false) => ("sold", "warn"),
            (false, true) => ("shared for advertising", "warn"),
            (false, false) => ("not sold", ""),
        };
        let day = |at: Timestamp| words::day(at.to_zoned(look.zone.clone()).date());
        let (first, last) = (day(line.first_at), day(line.last_at));
        Self {
            title: line.recipient.clone(),
            tag,
            tone,
            purpose: line.purpose.clone(),
            what: line.attributes.join(", "),
            when: match (line.times, first == last) {
                (1, _) => format!("On {first}."),
                (times, true) => format!("{times} times, on {first}."),
                (times, false) => format!("{times} times, from {first} to {last}."),
            },
            reasons: line.reasons.clone(),
        }
    }
}

fn heading(view: &Tracker) -> (&'static str, String) {
    let (heading, lead) = match (view.state, view.kind) {
        (RequestState::Received, RequestKind::OptOutSaleShare)
        | (RequestState::Verified | RequestState::InProgress, RequestKind::OptOutSaleShare) => (
            "Done. Here is who we are telling, and by when.",
            "You are opted out from now on. Nothing more is needed from you.",
        ),
        (RequestState::Received, _) => (
            "One step is left: the code",
            "We mailed you a code of six digits. Nothing happens to your data before you type it here.",
        ),
        (RequestState::Verified, RequestKind::KnowCategories | RequestKind::KnowSpecific)
            if view.waiting == Some(Waiting::Approval) =>
        {
            (
                "A person decides about your request",
                "We found your data. Somebody looks at your request before you get the answer; we write to you either way.",
            )
        }
        (RequestState::Verified, _) if view.waiting == Some(Waiting::Approval) => (
            "A person is checking the plan",
            "We found your data. Somebody looks at what goes and what the law makes us keep, before anything is touched.",
        ),
        (RequestState::Verified, _) => (
            "We are looking for your data",
            "You have confirmed that it is you. Nothing more is needed from you.",
        ),
        (RequestState::InProgress, RequestKind::Delete) => (
            "We are forgetting you",
            "What goes is being erased, and whoever got it from us is told to do the same.",
        ),
        (RequestState::InProgress, _) => (
            "We are putting your answer together",
            "You get a mail when it is ready.",
        ),
        (RequestState::Fulfilled, RequestKind::Delete) => (
            "You are forgotten",
            "Your data is erased. We searched again, and it is gone. We keep a record of this privacy request, because the law asks for one.",
        ),
        (RequestState::Fulfilled, RequestKind::OptOutSaleShare) => (
            "Done. We stopped selling and sharing your data",
            "Everyone who had to be told has been told.",
        ),
        (RequestState::Fulfilled, _) => (
            "Your answer is ready",
            "Fetch it below while its link works.",
        ),
        (RequestState::PartlyFulfilled, _) => (
            "Done, but for what is listed here",
            "Below stands what was left out or kept, and why.",
        ),
        (RequestState::Denied, _) => (
            "We cannot do this",
            "Here is the reason, and what you can do about it.",
        ),
        (RequestState::Withdrawn, _) => (
            "You took this back",
            "Nothing has happened to your data. You can ask again at any time.",
        ),
        (RequestState::Expired, _) => (
            "This has ended",
            "No code was typed in time, so nothing has happened to your data. You can ask again at any time.",
        ),
    };
    (heading, lead.to_owned())
}

impl CodeForm {
    fn of(look: &Look<'_>, line: &VerificationLine) -> Self {
        let words = if !line.sent {
            "The mail is on its way; it can take a minute.".to_owned()
        } else if line.expires_at <= look.now {
            "The code that we sent has ended. Ask for another one below.".to_owned()
        } else if line.tries_left == 0 {
            "This code is used up. Ask for another one below.".to_owned()
        } else {
            format!(
                "It works until {}. You have {} left.",
                words::hour(line.expires_at, look.now, &look.zone),
                words::count(line.tries_left.into(), "try", "tries")
            )
        };
        let resend_words = if line.resend_from > look.now {
            format!(
                "possible from {}",
                words::hour(line.resend_from, look.now, &look.zone)
            )
        } else {
            "look into your spam folder first".to_owned()
        };
        Self {
            words,
            resend_words,
        }
    }
}

impl PackageWords {
    fn of(look: &Look<'_>, line: &PackageLine) -> Self {
        let until = words::moment(line.expires_at, &look.zone);
        let words = if line.available {
            format!(
                "A ZIP file with a page to read and your data as JSON and CSV files. You can download it until {until}."
            )
        } else if line.expires_at <= look.now {
            format!("The link ended on {until}. Ask again, and we make you a fresh copy.")
        } else {
            "It is being put together.".to_owned()
        };
        Self {
            words,
            size: words::size(line.size_bytes),
            available: line.available,
        }
    }
}

impl StageWords {
    fn of(look: &Look<'_>, stage: &Stage) -> Self {
        Self {
            progress: stage.progress,
            progress_words: words::progress(stage.progress),
            words: words::stage(stage.name, stage.progress),
            when: stage
                .at
                .filter(|_| stage.progress != "later")
                .map(|at| words::moment(at, &look.zone)),
        }
    }
}

impl ReasonWords {
    pub(super) fn of(look: &Look<'_>, reason: &KeepReason) -> Self {
        let (title, citation) = (look.reason)(reason);
        Self {
            title,
            explanation: words::sentence(&reason.explanation),
            citation,
        }
    }
}

impl KeptWords {
    fn of(look: &Look<'_>, line: &KeptLine) -> Self {
        let (title, citation) = (look.reason)(&line.reason);
        let citation = line.citation.clone().or(citation);
        Self {
            title: words::capital(&line.title),
            system: line.system.clone(),
            rows: words::count(line.rows, "record", "records"),
            explanation: words::sentence(&line.reason.explanation),
            law: citation.map_or_else(|| title.clone(), |citation| format!("{title} ({citation})")),
        }
    }
}

impl ClockWords {
    fn for_subject(
        clock: &Clock,
        kind: RequestKind,
        state: RequestState,
        days_left: Option<i32>,
    ) -> Option<Self> {
        let due = clock.due()?;
        if state.is_closed() {
            return None;
        }
        let verb = if kind == RequestKind::OptOutSaleShare {
            "Everyone must be told by"
        } else {
            "We must answer by"
        };
        let missed = "If we miss that day, we break the law, and you can complain below.";
        let extended = clock
            .extended_to
            .map_or("", |_| "We took the one extension that the law allows. ");
        let rest = format!(
            "{extended}We received it on {}. {missed}",
            words::day(clock.received_on)
        );
        Some(Self {
            title: "The legal clock",
            date_words: format!("{verb} {}.", words::day(due)),
            rest,
            ..Self::days(days_left)
        })
    }

    /// For an operator: with the rows of law behind the date.
    pub(super) fn for_operator(
        clock: &Clock,
        days_left: Option<i32>,
        citations: &[String],
    ) -> Option<Self> {
        let due = clock.due()?;
        let ack = clock
            .ack_by
            .map(|day| format!("Receipt confirmed by {}. ", words::day(day)))
            .unwrap_or_default();
        let extended = match (clock.extended_to, clock.max_with_extension) {
            (Some(_), _) => "Extended once; there is no second time. ".to_owned(),
            (None, Some(latest)) => format!("With an extension: {}. ", words::day(latest)),
            (None, None) => String::new(),
        };
        let rest = format!("{ack}{extended}By {}.", citations.join("; "));
        Some(Self {
            title: "Clock",
            date_words: format!("Answer by {}", words::day(due)),
            rest,
            ..Self::days(days_left)
        })
    }

    fn days(days_left: Option<i32>) -> Self {
        let (days, days_words, tone) = match days_left {
            None => (None, "", ""),
            Some(0) => (Some("0".to_owned()), "today is the last day", "bad"),
            Some(left @ ..0) => (
                Some(left.unsigned_abs().to_string()),
                if left == -1 { "day late" } else { "days late" },
                "bad",
            ),
            Some(1) => (Some("1".to_owned()), "day left", "warn"),
            Some(left) => (
                Some(left.to_string()),
                "days left",
                if left <= 7 { "warn" } else { "" },
            ),
        };
        Self {
            title: "",
            days,
            days_words,
            tone,
            date_words: String::new(),
            rest: String::new(),
        }
    }
}

impl SystemWords {
    fn of(line: &SystemLine, kind: RequestKind) -> Self {
        let (words, tone) = words::system(line.progress);
        let detail = match (line.rows, kind) {
            (0, _) => None,
            (rows, RequestKind::Delete) if line.erased + line.kept > 0 => Some(format!(
                "{} found, {} erased, {} kept",
                words::count(rows, "record", "records"),
                line.erased,
                line.kept
            )),
            (rows, _) => Some(format!("{} found", words::count(rows, "record", "records"))),
        };
        Self {
            title: line.title.clone(),
            words,
            tone,
            detail,
        }
    }
}

impl RecipientWords {
    fn of(look: &Look<'_>, line: &OutreachLine) -> Self {
        let (tag, tone) = words::answer(line.answer.as_ref(), line.settled, line.escalated);
        let categories: Vec<String> = line
            .categories
            .iter()
            .map(|key| (look.category)(key))
            .collect();
        let sold = if line.sold_or_shared {
            " We sold it to them, or shared it for advertising."
        } else {
            ""
        };
        Self {
            title: line.title.clone(),
            tag,
            tone,
            words: story(look, line),
            proof: format!("How sure we are: {}", lower(words::proof(line.level))),
            meter: words::meter(line.level),
            got: format!(
                "{} Why: {}{sold}",
                sentence_of(&categories),
                words::sentence(&line.purpose)
            ),
        }
    }
}

fn sentence_of(categories: &[String]) -> String {
    if categories.is_empty() {
        "Not recorded.".to_owned()
    } else {
        words::sentence(&categories.join(", "))
    }
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

/// What happened with one recipient, as one or two sentences.
fn story(look: &Look<'_>, line: &OutreachLine) -> String {
    let on = |at: Option<Timestamp>| {
        at.map(|at| format!(" on {}", short_day(at, look)))
            .unwrap_or_default()
    };
    match &line.answer {
        Some(Answer::Done) => format!(
            "Told{}, answered{}: it is done.",
            on(line.sent_at),
            on(line.answered_at)
        ),
        Some(Answer::NotFound) => format!(
            "Told{}, answered{}: they hold nothing about you.",
            on(line.sent_at),
            on(line.answered_at)
        ),
        Some(Answer::Exception { reason }) => {
            let (title, citation) = (look.reason)(&KeepReason {
                code: reason.clone(),
                explanation: String::new(),
            });
            let citation = citation
                .map(|citation| format!(" ({citation})"))
                .unwrap_or_default();
            format!(
                "Told{}, answered{}: they keep something. Their reason: {title}{citation}.",
                on(line.sent_at),
                on(line.answered_at)
            )
        }
        None if line.escalated => format!(
            "Told{}, reminded {}. They do not answer; a person is on it.",
            on(line.sent_at),
            words::count(line.reminders.into(), "time", "times")
        ),
        None if line.sent_at.is_some() && line.reminders > 0 => format!(
            "Told{}, reminded {}.",
            on(line.sent_at),
            words::count(line.reminders.into(), "time", "times")
        ),
        None if line.sent_at.is_some() => format!("Told{}.", on(line.sent_at)),
        None => "We are about to tell them.".to_owned(),
    }
}

fn short_day(at: Timestamp, look: &Look<'_>) -> String {
    let date: Date = at.to_zoned(look.zone.clone()).date();
    words::day(date)
}
