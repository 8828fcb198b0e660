//! Legal holds in the Console: what is held and why, a form to place one, a button to lift one and words for what that means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use domain::data_map::{CollectionKey, KeepReason};
use governance::legal_hold::{self, LegalHoldId, Place};
use governance::view::HoldLine;
use governance::{Privity, Problem};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::super::{FormError, Frame, for_form, see, words};
use super::Operator;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::{App, Shared};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/console/legal-holds", get(page).post(place))
        .route("/console/legal-holds/{id}/lift", post(lift))
}

#[derive(Serialize)]
struct HoldsPage {
    title: &'static str,
    said: Option<&'static str>,
    error: Option<FormError>,
    in_force: Vec<Line>,
    ended: Vec<Line>,
    reasons: Vec<Choice>,
    systems: Vec<System>,
    typed: Typed,
}

#[derive(Serialize)]
struct Line {
    id: Option<String>,
    name: String,
    state: &'static str,
    tone: &'static str,
    reason: String,
    citation: Option<String>,
    covers: String,
    request: Option<String>,
    until: String,
    note: String,
    origin: String,
}

#[derive(Serialize)]
struct Choice {
    code: String,
    words: String,
    chosen: bool,
}

/// The collections of one system; open when one of them is chosen.
#[derive(Serialize)]
struct System {
    title: String,
    count: String,
    open: bool,
    collections: Vec<Choice>,
}

/// What was typed, to be shown again.
#[derive(Default, Serialize)]
struct Typed {
    name: String,
    reason_code: String,
    covers: BTreeSet<String>,
    request: String,
    until: String,
    note: String,
}

#[derive(Deserialize, Default)]
struct Asked {
    said: Option<String>,
    /// The privacy request from whose page she came.
    request: Option<String>,
}

/// `GET /console/legal-holds`
async fn page(
    State(app): Shared,
    operator: Operator,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let said = match asked.said.as_deref() {
        Some("placed") => Some("Placed. It counts from now on."),
        Some("lifted") => Some(
            "Lifted. What closed privacy requests left because of it stays until its deletion is asked for again.",
        ),
        _ => None,
    };
    let typed = Typed {
        request: asked.request.unwrap_or_default(),
        ..Typed::default()
    };
    let page = load(&app.privity, typed).await?;
    Ok(show(&app, &operator, 200, &HoldsPage { said, ..page }))
}

/// `POST /console/legal-holds`
async fn place(
    State(app): Shared,
    operator: Operator,
    fields: Fields,
) -> Result<Response, Failure> {
    let placed = match wanted(&fields) {
        Ok(wanted) => legal_hold::place(&app.privity, operator.0.id, wanted).await,
        Err(problem) => Err(problem),
    };
    match placed {
        Ok(_) => Ok(see("/console/legal-holds?said=placed")),
        Err(problem) => again(&app, &operator, problem, Typed::of(&fields)).await,
    }
}

/// `POST /console/legal-holds/{id}/lift`
async fn lift(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: LegalHoldId = id.parse().map_err(|_| Problem::not_found("legal hold"))?;
    match legal_hold::lift(&app.privity, id, operator.0.id).await {
        Ok(()) => Ok(see("/console/legal-holds?said=lifted")),
        Err(problem) => again(&app, &operator, problem, Typed::default()).await,
    }
}

/// The page once more, with what is wrong and what was typed.
async fn again(
    app: &App,
    operator: &Operator,
    problem: Problem,
    typed: Typed,
) -> Result<Response, Failure> {
    let (error, status) = for_form(problem)?;
    let page = HoldsPage {
        error: Some(error),
        ..load(&app.privity, typed).await?
    };
    Ok(show(app, operator, status, &page))
}

fn show(app: &App, operator: &Operator, status: u16, page: &HoldsPage) -> Response {
    app.pages.render_with(
        status,
        "console_holds.html",
        &Frame::for_operator(&app.privity, &operator.0.name),
        page,
    )
}

fn wanted(fields: &Fields) -> Result<Place, Problem> {
    let request = fields.text("request").map(str::parse).transpose();
    let until = fields.text("until").map(str::parse).transpose();
    Ok(Place {
        name: fields.typed("name"),
        reason_code: fields.typed("reason_code"),
        note: fields.typed("note"),
        covers: fields
            .chosen("covers")
            .into_iter()
            .map(CollectionKey::from)
            .collect(),
        request: request.map_err(|_| {
            Problem::invalid(
                "request",
                "this is not a privacy request’s id; copy it from its page, where it begins with `req_`",
            )
        })?,
        until: until.map_err(|_| {
            Problem::invalid("until", "this is not a day; write it as 2027-01-31")
        })?,
    })
}

async fn load(privity: &Privity, typed: Typed) -> Result<HoldsPage, Failure> {
    let lines = legal_hold::list(privity).await?;
    let (collections, reasons) = legal_hold::choices(privity);
    let system = |key: &CollectionKey| {
        let collection = privity.map().collections.get(key);
        let system = collection.and_then(|known| privity.map().systems.get(&known.system));
        system.map_or_else(String::new, |system| system.title.clone())
    };
    let collections = collections
        .into_iter()
        .map(|(key, title)| (system(&key), key, title));
    Ok(HoldsPage::of(
        &super::zone(privity),
        &lines,
        collections.collect(),
        reasons,
        typed,
    ))
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        Self {
            name: fields.typed("name"),
            reason_code: fields.typed("reason_code"),
            covers: fields
                .chosen("covers")
                .into_iter()
                .map(str::to_owned)
                .collect(),
            request: fields.typed("request"),
            until: fields.typed("until"),
            note: fields.typed("note"),
        }
    }
}

impl HoldsPage {
    /// `collections` with the title of their system and their own.
    fn of(
        zone: &TimeZone,
        lines: &[HoldLine],
        collections: Vec<(String, CollectionKey, String)>,
        reasons: Vec<KeepReason>,
        typed: Typed,
    ) -> Self {
        let (in_force, ended): (Vec<&HoldLine>, Vec<&HoldLine>) =
            lines.iter().partition(|line| line.in_force);
        Self {
            title: "Legal holds",
            said: None,
            error: None,
            in_force: in_force
                .into_iter()
                .map(|line| Line::of(zone, line))
                .collect(),
            ended: ended.into_iter().map(|line| Line::of(zone, line)).collect(),
            reasons: reasons
                .into_iter()
                .map(|reason| Choice {
                    chosen: reason.code == typed.reason_code,
                    words: words::capital(&reason.explanation),
                    code: reason.code,
                })
                .collect(),
            systems: systems(collections, &typed.covers),
            typed,
        }
    }
}

fn systems(
    collections: Vec<(String, CollectionKey, String)>,
    chosen: &BTreeSet<String>,
) -> Vec<System> {
    let mut systems: BTreeMap<String, Vec<Choice>> = BTreeMap::new();
    for (system, key, title) in collections {
        let code = key.to_string();
        systems.entry(system).or_default().push(Choice {
            chosen: chosen.contains(&code),
            words: title,
            code,
        });
    }
    let only = systems.len() == 1;
    let system = |(title, collections): (String, Vec<Choice>)| System {
        title,
        count: words::count(collections.len() as u64, "collection", "collections"),
        open: only || collections.iter().any(|collection| collection.chosen),
        collections,
    };
    systems.into_iter().map(system).collect()
}

impl Line {
    fn of(zone: &TimeZone, line: &HoldLine) -> Self {
        let (state, tone) = match (line.in_force, line.lifted_at) {
            (true, _) => ("in force", "warn"),
            (false, Some(_)) => ("lifted", ""),
            (false, None) => ("over", ""),
        };
        let titles: Vec<&str> = line
            .covers
            .iter()
            .map(|(_, title)| title.as_str())
            .collect();
        let until = line
            .until
            .map(|until| format!(", until {}", words::day(until)));
        Self {
            // Only one that was placed here and still holds can be lifted here.
            id: line.id.filter(|_| line.in_force).map(|id| id.to_string()),
            name: line.name.clone(),
            state,
            tone,
            reason: words::sentence(&line.reason.explanation),
            citation: line.citation.clone(),
            covers: titles.join(", "),
            request: line.request.map(|request| request.to_string()),
            until: until.unwrap_or_default(),
            note: line.note.clone(),
            origin: origin(zone, line),
        }
    }
}

fn origin(zone: &TimeZone, line: &HoldLine) -> String {
    let Some(placed_at) = line.placed_at else {
        return "The data map names it; change it there.".to_owned();
    };
    let who = line.placed_by.as_deref().unwrap_or("an operator");
    let lifted = line
        .lifted_at
        .map(|at| format!(", lifted {}", words::moment(at, zone)));
    format!(
        "Placed by {who}, {}{}.",
        words::moment(placed_at, zone),
        lifted.unwrap_or_default()
    )
}

#[cfg(test)]
pub(super) fn sample(is_empty: bool) -> impl Serialize {
    use crate::ui::samples;
    let collections = [
        ("Online shop", "shop.orders", "Orders"),
        ("Online shop", "shop.invoice", "Invoices"),
        ("Customer care", "crm.call", "Calls & letters"),
    ];
    let collections = collections
        .map(|(system, key, title)| (system.to_owned(), key.into(), title.to_owned()))
        .into();
    let reasons = vec![samples::held().reason];
    let (lines, typed) = if is_empty {
        (Vec::new(), Typed::default())
    } else {
        let typed = Typed {
            name: "Recall <b>\" OR 1=1".to_owned(),
            covers: ["shop.orders".to_owned()].into(),
            request: "req_1".to_owned(),
            ..Typed::default()
        };
        (samples::holds(), typed)
    };
    let page = HoldsPage::of(&samples::look().zone, &lines, collections, reasons, typed);
    let problem = Problem::invalid(
        "request",
        "this is not a privacy request’s id; copy it from its page, where it begins with `req_`",
    );
    HoldsPage {
        error: (!is_empty).then(|| FormError::of(&problem)),
        ..page
    }
}
