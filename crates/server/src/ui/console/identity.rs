//! Who is who in the Console: the questions that the rules leave to an operator, one of them with both profiles side by side, and the
//! history of a subject, where every merge can be taken apart.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use domain::id::SubjectId;
use domain::identity::{MergeId, ReviewId, ReviewKind, ReviewState};
use governance::identity::{
    self, Comparison, DecidedBy, Decision, EventKind, EventLine, Page, ReviewLine, ReviewList,
    SubjectHistory,
};
use governance::profile::read::{ReleasedAttribute, Shown};
use governance::{Privity, Problem};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::super::{FormError, Frame, for_form, see, words};
use super::{Operator, short};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::{App, Shared};

/// Questions on one page of the list.
const PAGE: u32 = 50;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/console/identity", get(list))
        .route("/console/identity/reviews/{id}", get(page))
        .route("/console/identity/reviews/{id}/compare", post(compare))
        .route("/console/identity/reviews/{id}/decision", post(decide))
        .route("/console/subjects/{id}", get(history))
        .route("/console/identity/merges/{id}/split", post(split))
}

#[derive(Serialize)]
struct ListPage {
    title: &'static str,
    said: Option<&'static str>,
    lead: String,
    questions: Vec<Question>,
    next: Option<String>,
}

/// One question in the list.
#[derive(Serialize)]
struct Question {
    href: String,
    title: String,
    about: String,
    since: String,
}

#[derive(Serialize)]
struct ReviewPage {
    title: &'static str,
    heading: String,
    lead: String,
    path: String,
    error: Option<FormError>,
    answered: Option<String>,
    since: String,
    subjects: Vec<SubjectLink>,
    is_about_two: bool,
    compared: Option<Compared>,
}

#[derive(Serialize)]
struct SubjectLink {
    href: String,
    name: &'static str,
    short_id: String,
}

/// Both profiles, once she asked for them.
#[derive(Serialize)]
struct Compared {
    sides: Vec<Side>,
    rows: Vec<Row>,
    differ: String,
}

#[derive(Serialize)]
struct Side {
    name: &'static str,
    records: String,
}

#[derive(Serialize)]
struct Row {
    title: String,
    differs: bool,
    cells: Vec<Cell>,
}

/// What one side says of an attribute.
#[derive(Serialize)]
struct Cell {
    side: &'static str,
    value: Option<String>,
    detail: String,
    others: Vec<String>,
}

#[derive(Serialize)]
struct HistoryPage {
    title: &'static str,
    said: Option<&'static str>,
    error: Option<FormError>,
    id: String,
    lead: String,
    records: Vec<RecordLine>,
    events: Vec<Event>,
}

#[derive(Serialize)]
struct RecordLine {
    id: String,
    since: String,
    stands: bool,
    erased: bool,
}

#[derive(Serialize)]
struct Event {
    title: &'static str,
    tag: Option<&'static str>,
    about: String,
    why: String,
    split: Option<String>,
}

#[derive(Deserialize, Default)]
struct Asked {
    said: Option<String>,
    after: Option<String>,
}

const NAMES: [&str; 2] = ["First", "Second"];

/// `GET /console/identity`
async fn list(
    State(app): Shared,
    operator: Operator,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let after = asked.after.as_deref().map(review_id).transpose()?;
    let list = identity::reviews(&app.privity, Page { after, limit: PAGE }).await?;
    let said = match asked.said.as_deref() {
        Some("merge") => Some("They are one now. The subject’s history can take them apart again."),
        Some("keep_apart") => Some("They stay two, whatever they have in common."),
        Some("leave") => Some("It stays as it is, and is not asked again."),
        _ => None,
    };
    let page = ListPage {
        said,
        ..ListPage::of(&zone(&app.privity), &list)
    };
    Ok(app.pages.render(
        "console_identity.html",
        &Frame::for_operator(&app.privity, &operator.0.name),
        &page,
    ))
}

/// `GET /console/identity/reviews/{id}`
async fn page(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let line = identity::review(&app.privity, review_id(&id)?).await?;
    let page = ReviewPage::of(&zone(&app.privity), &line);
    Ok(show(&app, &operator, 200, &page))
}

/// `POST /console/identity/reviews/{id}/compare`: a recorded look, so it can't be a GET that a browser repeats by itself.
async fn compare(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = review_id(&id)?;
    let found = identity::compare(&app.privity, id, operator.0.id).await?;
    let page = ReviewPage {
        compared: Some(Compared::of(&found)),
        ..ReviewPage::of(&zone(&app.privity), &found.line)
    };
    let shown = show(&app, &operator, 200, &page);
    Ok(([(CACHE_CONTROL, "no-store")], shown).into_response())
}

/// `POST /console/identity/reviews/{id}/decision`
async fn decide(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let id = review_id(&id)?;
    let word = fields.text("decision").unwrap_or_default();
    let done = match Decision::from_text(word) {
        None => Err(Problem::invalid("decision", "choose one of the answers")),
        Some(decision) => identity::decide(&app.privity, id, decision, operator.0.id)
            .await
            .map(|_| decision),
    };
    match done {
        Ok(decision) => Ok(see(&format!("/console/identity?said={}", decision.text()))),
        Err(problem) => {
            let (error, status) = for_form(problem)?;
            let line = identity::review(&app.privity, id).await?;
            let page = ReviewPage {
                error: Some(error),
                ..ReviewPage::of(&zone(&app.privity), &line)
            };
            Ok(show(&app, &operator, status, &page))
        }
    }
}

/// `GET /console/subjects/{id}`
async fn history(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let said = match asked.said.as_deref() {
        Some("split") => Some("Taken apart. They stay two, whatever they have in common."),
        Some("still_one") => Some(
            "Taken apart. The two are still one by other merges; take those apart as well if they are mistakes, too.",
        ),
        _ => None,
    };
    let page = load_history(&app.privity, subject_id(&id)?).await?;
    let page = HistoryPage { said, ..page };
    Ok(show_history(&app, &operator, 200, &page))
}

/// `POST /console/identity/merges/{id}/split`
async fn split(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let merge: MergeId = id.parse().map_err(|_| Problem::not_found("merge"))?;
    let subject = subject_id(fields.text("subject").unwrap_or_default())?;
    match identity::split(&app.privity, merge, operator.0.id).await {
        Ok(split) => {
            let said = if split.still_one {
                "still_one"
            } else {
                "split"
            };
            Ok(see(&format!("/console/subjects/{subject}?said={said}")))
        }
        Err(problem) => {
            let (error, status) = for_form(problem)?;
            let page = HistoryPage {
                error: Some(error),
                ..load_history(&app.privity, subject).await?
            };
            Ok(show_history(&app, &operator, status, &page))
        }
    }
}

async fn load_history(privity: &Privity, id: SubjectId) -> Result<HistoryPage, Failure> {
    let history = identity::history(privity, id).await?;
    Ok(HistoryPage::of(&zone(privity), &history))
}

fn show(app: &App, operator: &Operator, status: u16, page: &ReviewPage) -> Response {
    let frame = Frame::for_operator(&app.privity, &operator.0.name);
    app.pages
        .render_with(status, "console_review.html", &frame, page)
}

fn show_history(app: &App, operator: &Operator, status: u16, page: &HistoryPage) -> Response {
    let frame = Frame::for_operator(&app.privity, &operator.0.name);
    app.pages
        .render_with(status, "console_subject.html", &frame, page)
}

fn zone(privity: &Privity) -> TimeZone {
    let law = privity.law().law(&privity.settings().business.default_law);
    law.map_or(TimeZone::UTC, |law| law.time_zone().clone())
}

fn review_id(text: &str) -> Result<ReviewId, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found("question about who is who"))
}

fn subject_id(text: &str) -> Result<SubjectId, Problem> {
    text.parse().map_err(|_| Problem::not_found("subject"))
}

/// What a question asks, in words.
fn heading(line: &ReviewLine) -> (String, String) {
    let kind = line.review.identifier.as_ref();
    let kind = kind.map_or_else(|| "identifier".to_owned(), |kind| words::label(&kind.0));
    let named = kind.to_lowercase();
    let (heading, lead) = match line.review.kind {
        ReviewKind::PossibleMatch => (
            "Same name, birth date and address".to_owned(),
            "Two subjects agree in all three. Are they one? No rule merges on that; a father and a son may share it all.".to_owned(),
        ),
        ReviewKind::Conflict => (
            format!("Something in common, but not the {named}"),
            format!("Two subjects have the same proven identifier, and each has a {named} of her own, of which nobody has two. Are they one?"),
        ),
        ReviewKind::Contested => (
            format!("One subject with more than one {named}"),
            "Nobody has two of these, but the records of this subject say different ones. Was one of her merges a mistake?".to_owned(),
        ),
        ReviewKind::Everybodys => (
            format!("{kind} of too many"),
            format!("More subjects have this subject’s {named} than one person’s could be: a till’s, a family’s, or a made-up one. It links nobody any more."),
        ),
    };
    (heading, lead)
}

impl ListPage {
    fn of(zone: &TimeZone, list: &ReviewList) -> Self {
        let question = |line: &ReviewLine| {
            let (title, _) = heading(line);
            let one = short(&line.one.to_string());
            let about = match line.other {
                Some(other) => format!("{one} and {}", short(&other.to_string())),
                None => one,
            };
            Question {
                href: format!("/console/identity/reviews/{}", line.review.id),
                title,
                about,
                since: words::moment(line.review.created_at, zone),
            }
        };
        let next = list.next.map(|id| format!("/console/identity?after={id}"));
        Self {
            title: "Who is who",
            said: None,
            lead: match list.open {
                0 => "Nothing waits for you.".to_owned(),
                open => format!(
                    "{} for you.",
                    words::count(open, "question waits", "questions wait")
                ),
            },
            questions: list.reviews.iter().map(question).collect(),
            next,
        }
    }
}

impl ReviewPage {
    fn of(zone: &TimeZone, line: &ReviewLine) -> Self {
        let (heading, lead) = heading(line);
        let subjects = [Some(line.one), line.other];
        let subjects = subjects.into_iter().flatten().zip(NAMES);
        let link = |(id, name): (SubjectId, &'static str)| SubjectLink {
            href: format!("/console/subjects/{id}"),
            name,
            short_id: short(&id.to_string()),
        };
        Self {
            title: "Who is who",
            heading,
            lead,
            path: format!("/console/identity/reviews/{}", line.review.id),
            error: None,
            answered: answered(zone, line),
            since: words::moment(line.review.created_at, zone),
            subjects: subjects.map(link).collect(),
            is_about_two: line.other.is_some(),
            compared: None,
        }
    }
}

fn answered(zone: &TimeZone, line: &ReviewLine) -> Option<String> {
    let how = match line.review.state {
        ReviewState::Open => return None,
        ReviewState::Merged => "The two were merged",
        ReviewState::KeptApart => "The two are kept apart",
        ReviewState::Seen => "It was left as it is",
        ReviewState::Settled => "It answered itself",
    };
    let by = line.decided_by.as_ref().map(|name| format!(" by {name}"));
    let at = line.decided_at.map(|at| words::moment(at, zone));
    let at = at.map(|at| format!(", {at}")).unwrap_or_default();
    Some(format!("{how}{}{at}.", by.unwrap_or_default()))
}

impl Compared {
    fn of(found: &Comparison) -> Self {
        let sides = || found.sides.iter().zip(NAMES);
        let differ = found.attributes.iter().filter(|one| one.differs).count() as u64;
        let rows = found.attributes.iter().map(|attribute| Row {
            title: attribute.title.clone(),
            differs: attribute.differs,
            cells: sides()
                .map(|(side, name)| cell(side, name, &attribute.key))
                .collect(),
        });
        Self {
            rows: rows.collect(),
            differ: match differ {
                0 => "Nothing that both have differs.".to_owned(),
                some => format!("{} differ.", words::count(some, "attribute", "attributes")),
            },
            sides: sides()
                .map(|(side, name)| Side {
                    name,
                    records: words::count(side.records.len() as u64, "record", "records"),
                })
                .collect(),
        }
    }
}

fn cell(side: &Shown, name: &'static str, key: &domain::profile::AttributeKey) -> Cell {
    let mut cell = Cell {
        side: name,
        value: None,
        detail: String::new(),
        others: Vec::new(),
    };
    match side.sources().attributes().get(key) {
        None => {}
        Some(ReleasedAttribute::Description(text)) => cell.value = Some(text.clone()),
        Some(ReleasedAttribute::Values(chosen, others)) => {
            let proven = if chosen.verified { ", proven" } else { "" };
            cell.value = Some(chosen.text());
            cell.detail = format!("{}{proven}", chosen.source);
            let others = others.iter().filter(|other| other.conflicts);
            cell.others = others
                .map(|other| format!("{} says {}", other.source, other.text()))
                .collect();
        }
    }
    cell
}

impl HistoryPage {
    fn of(zone: &TimeZone, history: &SubjectHistory) -> Self {
        let record = |record: &identity::MemberLine| RecordLine {
            id: record.id.to_string(),
            since: words::moment(record.created_at, zone),
            stands: record.id == history.canonical && history.records.len() > 1,
            erased: record.erased_at.is_some(),
        };
        let lead = match history.records.len() as u64 {
            1 => "One record, merged with no other.".to_owned(),
            many => format!("{many} records that are one subject’s."),
        };
        Self {
            title: "History of a subject",
            said: None,
            error: None,
            id: history.canonical.to_string(),
            lead,
            records: history.records.iter().map(record).collect(),
            events: history
                .events
                .iter()
                .rev()
                .map(|line| Event::of(zone, line))
                .collect(),
        }
    }
}

impl Event {
    fn of(zone: &TimeZone, line: &EventLine) -> Self {
        let (title, tag) = match line.kind {
            EventKind::Merged if line.stands => ("Merged", None),
            EventKind::Merged => ("Merged", Some("taken apart since")),
            EventKind::Split => ("Taken apart", None),
            EventKind::KeptApart => ("Kept apart", None),
        };
        let why = match &line.by {
            DecidedBy::Operator(id, name) => {
                format!("by {}", name.clone().unwrap_or_else(|| id.to_string()))
            }
            DecidedBy::Identifier(kind) => {
                format!(
                    "by rule: the same proven {}",
                    words::label(&kind.0).to_lowercase()
                )
            }
            DecidedBy::Rule => "by rule: too many have the identifier behind it".to_owned(),
        };
        let (one, other) = (line.one.to_string(), line.other.to_string());
        Self {
            title,
            tag,
            about: format!("{} and {}", short(&one), short(&other)),
            why: words::capital(&format!("{why}, {}.", words::moment(line.at, zone))),
            split: line
                .merge
                .filter(|_| line.stands)
                .map(|merge| merge.to_string()),
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use domain::data_map::IdentifierKind;
    use domain::identity::Review;
    use governance::identity::MemberLine;

    use super::*;
    use crate::ui::samples::{at, look};

    fn subject(number: u128) -> SubjectId {
        SubjectId::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn question(number: u128, kind: ReviewKind) -> ReviewLine {
        let two = identity::is_about_two(kind);
        let review = Review {
            id: ReviewId::from_uuid(uuid::Uuid::from_u128(number)),
            kind,
            one: subject(1),
            other: two.then(|| subject(2)),
            identifier: (kind != ReviewKind::PossibleMatch)
                .then(|| IdentifierKind("customer_number".to_owned())),
            state: ReviewState::Open,
            decided: None,
            created_at: at("2026-11-20T20:00:00Z"),
        };
        ReviewLine {
            one: subject(0x0192_f0c1_a5b2),
            other: two.then(|| subject(0x0192_f0c1_ffee)),
            review,
            decided_by: None,
            decided_at: None,
        }
    }

    pub(crate) fn list(is_empty: bool) -> impl Serialize {
        let all = (1..).zip(ReviewKind::ALL);
        let all: Vec<_> = all.map(|(number, kind)| question(number, kind)).collect();
        let list = ReviewList {
            next: (!is_empty).then(|| ReviewId::from_uuid(uuid::Uuid::from_u128(4))),
            open: if is_empty { 0 } else { 61 },
            reviews: if is_empty { Vec::new() } else { all },
        };
        ListPage {
            said: is_empty.then_some("They stay two, whatever they have in common."),
            ..ListPage::of(&look().zone, &list)
        }
    }

    fn said(side: &'static str, value: &str, detail: &str, others: &[&str]) -> Cell {
        Cell {
            side,
            value: (!value.is_empty()).then(|| value.to_owned()),
            detail: detail.to_owned(),
            others: others.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    pub(crate) fn review(is_compared: bool) -> impl Serialize {
        let page = ReviewPage::of(&look().zone, &question(1, ReviewKind::Conflict));
        let row = |title: &str, differs, cells: [Cell; 2]| Row {
            title: title.to_owned(),
            differs,
            cells: cells.into(),
        };
        let long = "maya.with.a.very.long.name.indeed.and.more@customers.example.org";
        let rows = vec![
            row(
                "Customer number",
                true,
                [
                    said("First", "1204", "shop, proven", &[]),
                    said("Second", "88-1", "crm, proven", &[]),
                ],
            ),
            row(
                "E-mail address",
                false,
                [
                    said("First", long, "shop, proven", &[]),
                    said(
                        "Second",
                        long,
                        "subject, proven",
                        &["crm says m@example.org"],
                    ),
                ],
            ),
            row(
                "First name",
                true,
                [
                    said("First", "Maya <b>", "shop", &[]),
                    said("Second", "M.", "crm", &[]),
                ],
            ),
            row(
                "Birth date",
                false,
                [
                    said("First", "1990-12-31", "shop", &[]),
                    said("Second", "", "", &[]),
                ],
            ),
        ];
        let sides = NAMES.map(|name| Side {
            name,
            records: "2 records".to_owned(),
        });
        let compared = Compared {
            sides: sides.into(),
            rows,
            differ: "2 attributes differ.".to_owned(),
        };
        ReviewPage {
            compared: is_compared.then_some(compared),
            ..page
        }
    }

    pub(crate) fn answered() -> impl Serialize {
        let mut line = question(1, ReviewKind::Everybodys);
        line.review.state = ReviewState::Seen;
        line.decided_by = Some("Robin".to_owned());
        line.decided_at = Some(at("2026-11-21T19:00:00Z"));
        let problem = Problem::conflict("this question was answered before by Robin");
        ReviewPage {
            error: Some(FormError::of(&problem)),
            ..ReviewPage::of(&look().zone, &line)
        }
    }

    pub(crate) fn history() -> impl Serialize {
        let record = |number, erased: bool| MemberLine {
            id: subject(number),
            created_at: at("2026-10-01T08:00:00Z"),
            erased_at: erased.then(|| at("2026-11-01T08:00:00Z")),
        };
        let event = |number, kind, by, stands| EventLine {
            kind,
            merge: Some(MergeId::from_uuid(uuid::Uuid::from_u128(number))),
            one: subject(0x0192_f0c1_a5b2),
            other: subject(0x0192_f0c1_ffee),
            by,
            at: at("2026-11-20T20:00:00Z"),
            stands,
        };
        let robin = DecidedBy::Operator(
            domain::id::OperatorId::from_uuid(uuid::Uuid::from_u128(7)),
            Some("Robin".to_owned()),
        );
        let email = DecidedBy::Identifier(IdentifierKind::email());
        let page = HistoryPage::of(
            &look().zone,
            &SubjectHistory {
                canonical: subject(0x0192_f0c1_a5b2),
                records: vec![
                    record(0x0192_f0c1_a5b2, false),
                    record(0x0192_f0c1_ffee, false),
                ],
                events: vec![
                    event(1, EventKind::Merged, email, true),
                    event(2, EventKind::Merged, robin.clone(), false),
                    event(2, EventKind::Split, robin.clone(), false),
                    event(3, EventKind::Split, DecidedBy::Rule, false),
                    event(4, EventKind::KeptApart, robin, false),
                ],
            },
        );
        HistoryPage {
            said: Some("Taken apart. They stay two, whatever they have in common."),
            ..page
        }
    }
}
