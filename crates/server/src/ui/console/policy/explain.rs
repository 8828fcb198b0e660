//! Why a decision is as it is: about a subject or about chosen facts, in words, with what is missing and where it can be asked for.

use axum::extract::State;
use axum::response::Response;
use domain::audit::Actor;
use governance::policy::{Asked, Explanation, Line, PolicyShown};
use governance::{Privity, Problem};
use serde::Serialize;

use super::super::super::{FormError, for_form, words};
use super::super::{Operator, Titles};
use super::show;
use super::who::{Choice, WhoForm, who};
use crate::Shared;
use crate::failure::Failure;
use crate::fields::Fields;

#[derive(Serialize)]
struct ExplainPage {
    title: &'static str,
    tab: &'static str,
    error: Option<FormError>,
    form: WhoForm,
    recipients: Vec<Choice>,
    purposes: Vec<Choice>,
    attributes: Vec<Choice>,
    version: String,
    found: Option<Found>,
}

#[derive(Serialize)]
struct Found {
    heading: String,
    version: u64,
    facts_version: Option<u64>,
    known: String,
    lines: Vec<LineWords>,
}

#[derive(Serialize)]
struct LineWords {
    attribute: String,
    release: &'static str,
    tone: &'static str,
    kind: &'static str,
    why: String,
    for_subject: String,
    policy: Option<PolicyWords>,
    limited_by: Option<PolicyWords>,
    missing: Vec<String>,
    where_to_ask: Option<String>,
}

#[derive(Serialize)]
struct PolicyWords {
    id: String,
    title: String,
    citation: String,
}

/// `GET /console/policies/explain`
pub(super) async fn page(
    State(app): Shared,
    operator: Operator,
    fields: Fields,
) -> Result<Response, Failure> {
    let p = &app.privity;
    let Some(page) = form(p, &fields) else {
        return Ok(super::super::super::see("/console/policies"));
    };
    let template = "console_policy_explain.html";
    if fields.text("recipient").is_none() {
        return Ok(show(&app, &operator, 200, template, &page));
    }
    match explained(p, &operator, &fields).await {
        Ok(found) => {
            let found = Some(Found::of(&Titles(p), &found));
            let page = ExplainPage { found, ..page };
            Ok(show(&app, &operator, 200, template, &page))
        }
        Err(problem) => {
            let (error, status) = if problem.status == 404 {
                let words = "nobody is known by this id";
                (FormError::of(&Problem::invalid("subject", words)), 404)
            } else {
                for_form(problem)?
            };
            let page = ExplainPage {
                error: Some(error),
                ..page
            };
            Ok(show(&app, &operator, status, template, &page))
        }
    }
}

async fn explained(
    p: &Privity,
    operator: &Operator,
    fields: &Fields,
) -> Result<Explanation, Problem> {
    let version = fields.text("version").map(str::parse).transpose();
    let attribute = fields.text("attribute");
    let asked = Asked {
        who: who(p, fields)?,
        recipient: fields.typed("recipient").as_str().into(),
        purpose: fields.typed("purpose").as_str().into(),
        attributes: attribute.map(Into::into).into_iter().collect(),
        version: version.map_err(|_| {
            Problem::invalid("version", "this is no number of a version, such as 2")
        })?,
        on: None,
    };
    let by = Actor::Operator(operator.0.id);
    p.explain_decision(&asked, by).await
}

/// The form as it was filled in; none without policies, which the page before says.
fn form(p: &Privity, fields: &Fields) -> Option<ExplainPage> {
    let in_force = p.policies()?;
    let layout = in_force.table.layout();
    let titles = Titles(p);
    let choice = |name: &str, code: &str, words: String| Choice {
        chosen: fields.text(name) == Some(code),
        code: code.to_owned(),
        words,
    };
    let attributes = layout.attributes();
    let attributes = attributes
        .iter()
        .filter_map(|slot| layout.attribute_key(slot));
    Some(ExplainPage {
        title: "Why",
        tab: "explain",
        error: None,
        form: WhoForm::of(p, layout, fields),
        recipients: layout
            .recipients()
            .iter()
            .map(|key| choice("recipient", key.as_ref(), titles.recipient(key)))
            .collect(),
        purposes: layout
            .purposes()
            .iter()
            .map(|key| choice("purpose", key.as_ref(), titles.purpose(key)))
            .collect(),
        attributes: attributes
            .map(|key| choice("attribute", key.as_ref(), titles.attribute(key.as_ref())))
            .collect(),
        version: fields.typed("version"),
        found: None,
    })
}

impl Found {
    fn of(titles: &Titles<'_>, found: &Explanation) -> Self {
        Self {
            heading: format!(
                "{} for “{}”",
                titles.recipient(&found.recipient.as_str().into()),
                titles.purpose(&found.purpose.as_str().into())
            ),
            version: found.version,
            facts_version: found.facts_version,
            known: found.known.clone(),
            lines: found
                .lines
                .iter()
                .map(|line| LineWords::of(titles, line))
                .collect(),
        }
    }
}

impl LineWords {
    fn of(titles: &Titles<'_>, line: &Line) -> Self {
        Self {
            attribute: titles.attribute(&line.attribute),
            release: line.release,
            tone: match line.release {
                "keep" => "good",
                "withhold" => "bad",
                _ => "warn",
            },
            kind: words::decided(line.kind),
            why: words::sentence(&line.for_operator),
            for_subject: line.for_subject.clone(),
            policy: line.policy.as_ref().map(PolicyWords::of),
            limited_by: line.limited_by.as_ref().map(PolicyWords::of),
            missing: line.missing.clone(),
            where_to_ask: line.where_to_ask.as_deref().map(words::sentence),
        }
    }
}

impl PolicyWords {
    fn of(policy: &PolicyShown) -> Self {
        Self {
            id: policy.id.clone(),
            title: policy.title.clone(),
            citation: policy.citation.clone(),
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn explain(is_found: bool) -> impl Serialize {
        let choice = |code: &str, words: &str| Choice {
            code: code.to_owned(),
            words: words.to_owned(),
            chosen: is_found,
        };
        let policy = || PolicyWords {
            id: "ccpa.opt-out-of-sale".to_owned(),
            title: "No sale after an opt-out".to_owned(),
            citation: "Civ. Code 1798.120(a) <b>\" OR 1=1".to_owned(),
        };
        let line = |attribute: &str, release, tone, kind| {
            LineWords {
            attribute: attribute.to_owned(),
            release,
            tone,
            kind,
            why: "Forbidden: `ccpa.opt-out-of-sale` (Civ. Code 1798.120(a)): she opted out; because: opted_out_of_sale.".to_owned(),
            for_subject: "You told us not to sell your data.".to_owned(),
            policy: Some(policy()),
            limited_by: None,
            missing: Vec::new(),
            where_to_ask: None,
        }
        };
        let unmet = LineWords {
            missing: vec!["consented".to_owned()],
            where_to_ask: Some(
                "Ask her with the notice `sale`, version 1 or later, on the page of choices."
                    .to_owned(),
            ),
            limited_by: Some(policy()),
            ..line("Birth date", "withhold", "bad", "not met")
        };
        let found = Found {
            heading: "Sweet Leads for “Sale to brokers”".to_owned(),
            version: 2,
            facts_version: Some(7),
            known: "jurisdiction US-CA, age adult, opted_out_of_sale".to_owned(),
            lines: vec![
                line("E-mail address", "withhold", "bad", "forbidden"),
                unmet,
            ],
        };
        let problem = Problem::invalid(
            "subject",
            "this is not a subject’s id; it begins with `sub_`",
        );
        ExplainPage {
            title: "Why",
            tab: "explain",
            error: (!is_found).then(|| FormError::of(&problem)),
            form: super::super::who::sample(),
            recipients: vec![choice("leads", "Sweet Leads")],
            purposes: vec![choice("sale", "Sale to brokers")],
            attributes: vec![choice("email", "E-mail address")],
            version: String::new(),
            found: is_found.then_some(found),
        }
    }
}
