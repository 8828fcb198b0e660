//! One version of the policies: how it differs from the one that decides, what it would change and for how many subjects, and the step that
//! lets it decide.

use axum::extract::{Path, State};
use axum::response::Response;
use domain::audit::Actor;
use governance::policy::{Activation, CellChange, Difference, Heads, Impact};
use governance::{Privity, Problem};
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Serialize;

use super::super::super::{FormError, for_form, see, words};
use super::super::{Operator, Titles, zone};
use super::{VersionLine, show};
use crate::Shared;
use crate::failure::Failure;
use crate::fields::Fields;

/// Rows of each table of the impact; the API has all.
const ROWS: usize = 200;

#[derive(Serialize)]
struct VersionPage {
    title: String,
    tab: &'static str,
    error: Option<FormError>,
    version: VersionLine,
    /// Another version decides, with which this one is compared.
    against: Option<u64>,
    is_active: bool,
    /// Of the version that decides: what is to follow it by itself.
    follows: Option<VersionLine>,
    is_shadow: bool,
    goes_back: bool,
    changes: Vec<Change>,
    impact: Option<ImpactWords>,
    /// Why nothing can be said about what it would change.
    why_not: Option<String>,
    zone: String,
    at: String,
}

#[derive(Serialize)]
struct Change {
    id: String,
    title: String,
    tag: &'static str,
    tone: &'static str,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Serialize)]
struct ImpactWords {
    summary: String,
    heads: Vec<HeadsLine>,
    cells: Vec<CellLine>,
    more: Option<String>,
}

#[derive(Serialize)]
struct HeadsLine {
    recipient: String,
    purpose: String,
    attribute: String,
    gained: u64,
    lost: u64,
    changed: u64,
}

#[derive(Serialize)]
struct CellLine {
    recipient: String,
    purpose: String,
    words: String,
    attributes: Vec<AttributeLine>,
}

#[derive(Serialize)]
struct AttributeLine {
    attribute: String,
    before: &'static str,
    after: &'static str,
    example: String,
}

/// `GET /console/policies/versions/{number}`
pub(super) async fn page(
    State(app): Shared,
    operator: Operator,
    Path(number): Path<u64>,
) -> Result<Response, Failure> {
    let page = load(&app.privity, number).await?;
    let template = "console_policy_version.html";
    Ok(show(&app, &operator, 200, template, &page))
}

/// `POST /console/policies/versions/{number}/activate`
pub(super) async fn activate(
    State(app): Shared,
    operator: Operator,
    Path(number): Path<u64>,
    fields: Fields,
) -> Result<Response, Failure> {
    let p = &app.privity;
    let done = match confirmed(p, number, &fields) {
        Ok((activation, at)) => {
            let by = Actor::Operator(operator.0.id);
            let done = p.activate_policies(activation, by).await;
            done.map(|()| at)
        }
        Err(problem) => Err(problem),
    };
    match done {
        Ok(None) => Ok(see("/console/policies?said=activated")),
        Ok(Some(_)) => Ok(see("/console/policies?said=scheduled")),
        Err(problem) => again(&app, &operator, number, problem, fields.typed("at")).await,
    }
}

/// `POST /console/policies/versions/{number}/shadow`
pub(super) async fn shadow(
    State(app): Shared,
    operator: Operator,
    Path(number): Path<u64>,
) -> Result<Response, Failure> {
    let by = Actor::Operator(operator.0.id);
    match app.privity.shadow_policies(Some(number), by).await {
        Ok(()) => Ok(see("/console/policies?said=shadow")),
        Err(problem) => again(&app, &operator, number, problem, String::new()).await,
    }
}

async fn again(
    app: &crate::App,
    operator: &Operator,
    number: u64,
    problem: Problem,
    at: String,
) -> Result<Response, Failure> {
    let (error, status) = for_form(problem)?;
    let page = VersionPage {
        error: Some(error),
        at,
        ..load(&app.privity, number).await?
    };
    let template = "console_policy_version.html";
    Ok(show(app, operator, status, template, &page))
}

/// From when on, once she said that she knows what it changes, and nothing else decides by now than what she compared it with.
fn confirmed(
    p: &Privity,
    number: u64,
    fields: &Fields,
) -> Result<(Activation, Option<Timestamp>), Problem> {
    if fields.text("confirm") != Some("yes") {
        return Err(Problem::invalid(
            "confirm",
            "say that you looked at what it changes",
        ));
    }
    let active = p.policies().map(|in_force| in_force.version);
    let against = fields.text("against").and_then(|text| text.parse().ok());
    if against != active {
        return Err(Problem::conflict(
            "another version decides by now; look again at what this one changes",
        ));
    }
    let activation = Activation::of(number).instead_of(active);
    let Some(typed) = fields.text("at") else {
        return Ok((activation, None));
    };
    let moment = typed.parse::<DateTime>().ok();
    let moment = moment.and_then(|moment| moment.to_zoned(zone(p)).ok());
    let moment = moment.map(|moment| moment.timestamp());
    let at = moment
        .ok_or_else(|| Problem::invalid("at", "this is no moment; write it as 2027-01-31T09:00"))?;
    Ok((activation.at(at), Some(at)))
}

async fn load(p: &Privity, number: u64) -> Result<VersionPage, Failure> {
    let versions = p.policy_versions().await?;
    let found = versions.iter().find(|version| version.number == number);
    let found = found.ok_or_else(|| Problem::not_found("version of the policies"))?;
    let operators = governance::operator::names(p).await?;
    let against = p.policies().map(|in_force| in_force.version);
    let against = against.filter(|active| *active != number);
    let titles = Titles(p);
    let (mut changes, mut impact, mut why_not) = (Vec::new(), None, None);
    if let Some(active) = against {
        changes = changed(p.policy_diff(active, Some(number)).await?);
        match p.policy_impact(Some(number)).await {
            Ok(found) => impact = Some(ImpactWords::of(&titles, &found)),
            // It no longer fits what the business declares: it can't be activated either, and says why.
            Err(problem) if problem.status < 500 => {
                why_not = Some(words::sentence(&problem.title));
            }
            Err(problem) => return Err(problem.into()),
        }
    }
    let zone = zone(p);
    let is_active = found.state == "active";
    let follows = versions.iter().find(|one| one.activates_at.is_some());
    Ok(VersionPage {
        title: format!("Version {number} of the policies"),
        tab: "",
        error: None,
        version: VersionLine::of(found, &operators, &zone),
        is_active,
        follows: follows
            .filter(|_| is_active)
            .map(|one| VersionLine::of(one, &operators, &zone)),
        is_shadow: found.state == "shadow",
        goes_back: found.state == "retired",
        against,
        changes,
        impact,
        why_not,
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        at: String::new(),
    })
}

fn changed(difference: Difference) -> Vec<Change> {
    let tagged = |tag, tone| {
        move |policy: governance::policy::ChangedPolicy| Change {
            id: policy.id,
            title: policy.title,
            tag,
            tone,
            before: policy.before,
            after: policy.after,
        }
    };
    let added = difference.added.into_iter().map(tagged("added", "good"));
    let removed = difference.removed.into_iter().map(tagged("removed", "bad"));
    let changed = difference
        .changed
        .into_iter()
        .map(tagged("changed", "warn"));
    added.chain(removed).chain(changed).collect()
}

impl ImpactWords {
    fn of(titles: &Titles<'_>, impact: &Impact) -> Self {
        let subjects = words::count(impact.subjects, "subject", "subjects");
        let mut summary = if impact.cells.is_empty() {
            format!("It changes nothing, whatever is known of anybody. {subjects} counted.")
        } else if impact.heads.is_empty() {
            format!("It changes answers, but for none of the {subjects} as they are now.")
        } else {
            format!("Of {subjects}:")
        };
        if impact.unknown > 0 {
            let unknown = words::count(impact.unknown, "subject", "subjects");
            summary.push_str(&format!(" Of {unknown} nothing could be said."));
        }
        if impact.outdated > 0 {
            let outdated = words::count(impact.outdated, "subject waits", "subjects wait");
            summary.push_str(&format!(
                " {outdated} to be worked out anew; look again in a moment."
            ));
        }
        let rows = impact.heads.len().max(impact.cells.len());
        let more = rows.saturating_sub(ROWS) as u64;
        Self {
            summary,
            heads: impact
                .heads
                .iter()
                .take(ROWS)
                .map(|heads| HeadsLine::of(titles, heads))
                .collect(),
            cells: impact
                .cells
                .iter()
                .take(ROWS)
                .map(|cell| CellLine::of(titles, cell))
                .collect(),
            more: (more > 0).then(|| words::count(more, "more row", "more rows")),
        }
    }
}

impl HeadsLine {
    fn of(titles: &Titles<'_>, heads: &Heads) -> Self {
        Self {
            recipient: titles.recipient(&heads.recipient.as_str().into()),
            purpose: titles.purpose(&heads.purpose.as_str().into()),
            attribute: titles.attribute(&heads.attribute),
            gained: heads.gained,
            lost: heads.lost,
            changed: heads.changed,
        }
    }
}

impl CellLine {
    fn of(titles: &Titles<'_>, cell: &CellChange) -> Self {
        let attributes = cell.attributes.iter().map(|change| AttributeLine {
            attribute: titles.attribute(&change.attribute),
            before: change.before,
            after: change.after,
            example: change.example.clone(),
        });
        Self {
            recipient: titles.recipient(&cell.recipient.as_str().into()),
            purpose: titles.purpose(&cell.purpose.as_str().into()),
            words: format!(
                "for {} of {}",
                words::number(cell.changed as u64),
                words::count(cell.inputs as u64, "input", "inputs")
            ),
            attributes: attributes.collect(),
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::super::samples::line;
    use super::*;

    pub(crate) fn version(is_active: bool) -> impl Serialize {
        let change = Change {
            id: "hearth.catalogue".to_owned(),
            title: "Paper Mill prints <b>\" OR 1=1".to_owned(),
            tag: "changed",
            tone: "warn",
            before: Some("permit (principal == Recipient::\"mill\", action, resource);".to_owned()),
            after: Some(
                "permit (principal == Recipient::\"mill\", action, resource)\nwhen { context.choice_allows };"
                    .to_owned(),
            ),
        };
        let heads = HeadsLine {
            recipient: "Paper Mill".to_owned(),
            purpose: "Printed catalogue".to_owned(),
            attribute: "E-mail address".to_owned(),
            gained: 0,
            lost: 12_430,
            changed: 7,
        };
        let cell = CellLine {
            recipient: "Paper Mill".to_owned(),
            purpose: "Printed catalogue".to_owned(),
            words: "for 12 of 96 inputs".to_owned(),
            attributes: vec![AttributeLine {
                attribute: "E-mail address".to_owned(),
                before: "keep",
                after: "withhold",
                example: "jurisdiction US-CA, age adult".to_owned(),
            }],
        };
        let impact = ImpactWords {
            summary: "Of 1,000,000 subjects:".to_owned(),
            heads: vec![heads],
            cells: vec![cell],
            more: Some("12 more rows".to_owned()),
        };
        let problem = Problem::invalid("confirm", "say that you looked at what it changes");
        VersionPage {
            title: "Version 3 of the policies".to_owned(),
            tab: "",
            error: (!is_active).then(|| FormError::of(&problem)),
            version: line(3, if is_active { "active" } else { "draft" }),
            against: (!is_active).then_some(2),
            is_active,
            follows: is_active.then(|| VersionLine {
                since: Some("decides from January 1, 2027, 12:00 am PST on".to_owned()),
                ..line(4, "draft")
            }),
            is_shadow: false,
            goes_back: false,
            changes: if is_active { Vec::new() } else { vec![change] },
            impact: (!is_active).then_some(impact),
            why_not: None,
            zone: "America/Los_Angeles".to_owned(),
            at: String::new(),
        }
    }
}
