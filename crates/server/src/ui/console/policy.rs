//! Policies in the Console: which version decides and whether its cases hold, the versions before and after it, who gets what, and why.
//!
//! Each page rests on the use case that API and command line call, too; whoever may sign in may do here what a key may do there.

mod explain;
mod matrix;
mod version;
mod who;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use domain::audit::Actor;
use governance::Privity;
use governance::policy::{Cases, Deciding, Shadow, ShadowReport, Version};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::super::{FormError, Frame, for_form, see, words};
use super::{Operator, Titles};
use crate::failure::Failure;
use crate::{App, Shared};

/// Divergences of a shadow that the page shows; the API has all.
const DIVERGENCES: usize = 50;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/console/policies", get(page))
        .route("/console/policies/matrix", get(matrix::page))
        .route("/console/policies/explain", get(explain::page))
        .route("/console/policies/shadow/end", post(end_shadow))
        .route("/console/policies/versions/{number}", get(version::page))
        .route(
            "/console/policies/versions/{number}/activate",
            post(version::activate),
        )
        .route(
            "/console/policies/versions/{number}/shadow",
            post(version::shadow),
        )
}

#[derive(Serialize)]
struct PoliciesPage {
    title: &'static str,
    tab: &'static str,
    said: Option<&'static str>,
    error: Option<FormError>,
    /// Why nothing decides.
    denied: Option<String>,
    now: Option<Now>,
    shadow: Option<ShadowWords>,
    versions: Vec<VersionLine>,
}

/// The version that decides.
#[derive(Serialize)]
struct Now {
    version: u64,
    packs: Vec<String>,
    count: String,
    policies: Vec<PolicyLine>,
    cases: CasesWords,
}

#[derive(Serialize)]
struct PolicyLine {
    id: String,
    title: String,
    citation: String,
}

#[derive(Serialize)]
struct CasesWords {
    words: String,
    tone: &'static str,
    failed: Vec<String>,
    untried: Vec<String>,
}

#[derive(Serialize)]
struct ShadowWords {
    version: u64,
    words: String,
    lines: Vec<Divergence>,
    more: Option<String>,
}

#[derive(Serialize)]
struct Divergence {
    recipient: String,
    purpose: String,
    attribute: String,
    now: &'static str,
    would: &'static str,
    policy: String,
    times: u64,
}

/// A version as lists and its own page show it.
#[derive(Serialize)]
struct VersionLine {
    number: u64,
    state: &'static str,
    tone: &'static str,
    author: String,
    note: String,
    hash: String,
    published: String,
    since: Option<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Said {
    said: Option<String>,
}

/// `GET /console/policies`
async fn page(
    State(app): Shared,
    operator: Operator,
    Query(said): Query<Said>,
) -> Result<Response, Failure> {
    let page = PoliciesPage {
        said: said.words(),
        ..load(&app.privity).await?
    };
    Ok(show(&app, &operator, 200, "console_policies.html", &page))
}

/// `POST /console/policies/shadow/end`
async fn end_shadow(State(app): Shared, operator: Operator) -> Result<Response, Failure> {
    let by = Actor::Operator(operator.0.id);
    match app.privity.shadow_policies(None, by).await {
        Ok(()) => Ok(see("/console/policies?said=shadow-ended")),
        Err(problem) => {
            let (error, status) = for_form(problem)?;
            let page = PoliciesPage {
                error: Some(error),
                ..load(&app.privity).await?
            };
            Ok(show(
                &app,
                &operator,
                status,
                "console_policies.html",
                &page,
            ))
        }
    }
}

fn show<P: Serialize>(
    app: &App,
    operator: &Operator,
    status: u16,
    template: &str,
    page: &P,
) -> Response {
    let frame = Frame::for_operator(&app.privity, &operator.0.name);
    app.pages.render_with(status, template, &frame, page)
}

async fn load(privity: &Privity) -> Result<PoliciesPage, Failure> {
    let versions = privity.policy_versions().await?;
    let operators = governance::operator::names(privity).await?;
    let zone = super::zone(privity);
    let (now, denied) = match privity.deciding_policies().await {
        Ok(deciding) => (Some(Now::of(deciding)), None),
        Err(problem) if problem.code == "no_policies" => {
            (None, Some(words::sentence(&problem.title)))
        }
        Err(problem) => return Err(problem.into()),
    };
    let in_force = privity.policies();
    let shadow = in_force
        .as_ref()
        .and_then(|in_force| in_force.shadow.as_ref());
    let titles = Titles(privity);
    let lines = versions.iter();
    Ok(PoliciesPage {
        title: "Policies",
        tab: "now",
        said: None,
        error: None,
        denied,
        now,
        shadow: shadow.map(|shadow| ShadowWords::of(&titles, &Shadow::report(shadow))),
        versions: lines
            .map(|version| VersionLine::of(version, &operators, &zone))
            .collect(),
    })
}

impl Said {
    fn words(&self) -> Option<&'static str> {
        match self.said.as_deref()? {
            "activated" => Some("It decides. Every node follows within a second."),
            "scheduled" => Some("It will decide from that moment on."),
            "shadow" => Some(
                "It decides beside the active version now; what it would change is counted below.",
            ),
            "shadow-ended" => Some("No version decides beside the active one any more."),
            _ => None,
        }
    }
}

impl Now {
    fn of(deciding: Deciding) -> Self {
        let count = deciding.policies.len() as u64;
        let policies = deciding.policies.into_iter();
        Self {
            version: deciding.version,
            packs: deciding.packs,
            count: words::count(count, "policy", "policies"),
            policies: policies
                .map(|policy| PolicyLine {
                    id: policy.id,
                    title: policy.title,
                    citation: policy.citation,
                })
                .collect(),
            cases: CasesWords::of(deciding.cases),
        }
    }
}

impl CasesWords {
    fn of(cases: Option<Cases>) -> Self {
        let plain = |words: &str, tone| Self {
            words: words.to_owned(),
            tone,
            failed: Vec::new(),
            untried: Vec::new(),
        };
        match cases {
            None => plain(
                "There are no cases beside your policies. Write some, so that a change which nobody meant is noticed.",
                "warn",
            ),
            Some(Cases::Unreadable(why)) => plain(&words::sentence(&why), "bad"),
            Some(Cases::Asked(tested)) => {
                let passed = words::count(tested.passed as u64, "question", "questions");
                let failed = tested.failed.len() as u64;
                let (words, tone) = if failed == 0 {
                    (
                        format!("{passed} came out as expected, and none otherwise."),
                        "good",
                    )
                } else {
                    let cases = words::count(failed, "case fails", "cases fail");
                    (format!("{cases}; {passed} came out as expected."), "bad")
                };
                Self {
                    words,
                    tone,
                    failed: tested.failed,
                    untried: tested.untried,
                }
            }
        }
    }
}

impl ShadowWords {
    fn of(titles: &Titles<'_>, report: &ShadowReport) -> Self {
        let decisions = words::count(report.decisions, "decision", "decisions");
        let line = |divergence: &governance::policy::Divergence| Divergence {
            recipient: titles.recipient(&divergence.recipient.as_str().into()),
            purpose: titles.purpose(&divergence.purpose.as_str().into()),
            attribute: titles.attribute(&divergence.attribute),
            now: divergence.now,
            would: divergence.would,
            policy: divergence.policy.clone().unwrap_or_default(),
            times: divergence.times,
        };
        let lines = report.divergences.iter().take(DIVERGENCES);
        let more = report.divergences.len().saturating_sub(DIVERGENCES) as u64 + report.others;
        Self {
            version: report.version,
            words: format!("{decisions} seen by this node since it began to look."),
            lines: lines.map(line).collect(),
            more: (more > 0).then(|| words::count(more, "more divergence", "more divergences")),
        }
    }
}

impl VersionLine {
    fn of(version: &Version, operators: &Names, zone: &TimeZone) -> Self {
        let (state, tone) = state(version.state);
        let moment = |at| words::moment(at, zone);
        let since = match (version.activates_at, version.activated_at) {
            (Some(at), _) => Some(format!("decides from {} on", moment(at))),
            (None, Some(at)) => Some(format!("decided from {} on", moment(at))),
            (None, None) => None,
        };
        Self {
            number: version.number,
            state,
            tone,
            author: author(&version.author, operators),
            note: version.note.clone(),
            hash: version.table_hash.clone(),
            published: moment(version.published_at),
            since,
        }
    }
}

/// Names of operators by their ids.
type Names = std::collections::BTreeMap<domain::id::OperatorId, String>;

fn state(state: &str) -> (&'static str, &'static str) {
    match state {
        "active" => ("decides", "good"),
        "shadow" => ("decides beside it", "warn"),
        "retired" => ("decided before", ""),
        _ => ("draft", ""),
    }
}

fn author(text: &str, operators: &Names) -> String {
    match text.parse() {
        Ok(Actor::Operator(id)) => operators
            .get(&id)
            .cloned()
            .unwrap_or_else(|| "an operator".to_owned()),
        Ok(Actor::CommandLine) => "the command line".to_owned(),
        Ok(Actor::System) => "the program, at its start".to_owned(),
        Ok(Actor::Subject | Actor::Recipient(_)) | Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) use super::explain::samples::*;
    pub(crate) use super::matrix::samples::*;
    pub(crate) use super::version::samples::*;

    pub(super) fn line(number: u64, name: &str) -> VersionLine {
        let (state, tone) = state(name);
        VersionLine {
            number,
            state,
            tone,
            author: "Robin <b>\" OR 1=1".to_owned(),
            note: "Reviewed by legal, ticket 4711".to_owned(),
            hash: "9f2c".repeat(16),
            published: "November 20, 2026, 9:00 am PST".to_owned(),
            since: Some("decided from November 21, 2026, 9:00 am PST on".to_owned()),
        }
    }

    pub(crate) fn policies(is_empty: bool) -> impl Serialize {
        let policy = PolicyLine {
            id: "hearth.catalogue".to_owned(),
            title: "Paper Mill prints and sends the catalogue".to_owned(),
            citation: "Contract <b>\" OR 1=1".to_owned(),
        };
        let divergence = Divergence {
            recipient: "Sweet Leads".to_owned(),
            purpose: "Sale to brokers".to_owned(),
            attribute: "E-mail address".to_owned(),
            now: "keep",
            would: "withhold",
            policy: "ccpa.opt-out-of-sale".to_owned(),
            times: 1_204,
        };
        let now = Now {
            version: 2,
            packs: vec!["ccpa".to_owned(), "gdpr".to_owned()],
            count: "1 policy".to_owned(),
            policies: vec![policy],
            cases: CasesWords {
                words: "1 case fails; 30 questions came out as expected.".to_owned(),
                tone: "bad",
                failed: vec!["nothing is sold: `email` goes out as `keep`".to_owned()],
                untried: vec!["hearth.legal".to_owned()],
            },
        };
        PoliciesPage {
            title: "Policies",
            tab: "now",
            said: None,
            error: None,
            denied: is_empty
                .then(|| "There are no policies here, and every recipient is denied.".to_owned()),
            now: (!is_empty).then_some(now),
            shadow: (!is_empty).then(|| ShadowWords {
                version: 3,
                words: "120,000 decisions seen by this node since it began to look.".to_owned(),
                lines: vec![divergence],
                more: Some("3 more divergences".to_owned()),
            }),
            versions: if is_empty {
                Vec::new()
            } else {
                vec![line(3, "shadow"), line(2, "active"), line(1, "retired")]
            },
        }
    }
}
