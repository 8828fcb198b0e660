//! Disclosures in the Console: who has what of a subject, what each recipient asked for and got, by what keys they ask, and what is collected
//! or asked for without need. Ids, names and counts; no value, and never a key.

mod recipients;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use domain::audit::Actor;
use domain::consent::Party;
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use governance::disclosure::{self, LedgerLine, Minimisation};
use governance::{Privity, Problem};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::super::{FormError, Frame, for_form, see, words};
use super::{Operator, Titles, zone};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::{App, Shared};

/// Days that are looked at unless somebody says otherwise, and at most.
const DAYS: (u32, u32) = (90, 3_650);

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/console/disclosures", get(page).post(find))
        .route("/console/disclosures/recipients", get(recipients::page))
        .route("/console/disclosures/minimisation", get(minimisation))
}

#[derive(Serialize)]
struct DisclosuresPage {
    title: &'static str,
    tab: &'static str,
    error: Option<FormError>,
    kinds: Vec<Kind>,
    found: Option<Found>,
}

/// What a subject can be found by.
#[derive(Serialize)]
struct Kind {
    key: String,
    words: String,
    chosen: bool,
}

#[derive(Serialize)]
struct Found {
    subject: String,
    lines: Vec<LineWords>,
}

/// What one recipient got of her for one purpose, in one form.
#[derive(Serialize)]
struct LineWords {
    recipient: String,
    purpose: String,
    forms: Vec<FormWords>,
    times: String,
    first: String,
    last: String,
    sale: Option<&'static str>,
    consideration: Option<String>,
    sequence: u64,
    why: Option<String>,
}

/// Attributes that went out in one form.
#[derive(Serialize)]
struct FormWords {
    form: String,
    attributes: String,
}

#[derive(Serialize)]
struct MinimisationPage {
    title: &'static str,
    tab: &'static str,
    error: Option<FormError>,
    days: String,
    found: Option<MinimisationWords>,
}

#[derive(Serialize)]
struct MinimisationWords {
    since: String,
    never_asked: Vec<String>,
    never_given: Vec<String>,
    asks_for_more: Vec<AsksForMore>,
    unused_purposes: Vec<String>,
    unused_recipients: Vec<String>,
}

#[derive(Serialize)]
struct AsksForMore {
    recipient: String,
    purpose: String,
    withheld: String,
    times: u64,
}

/// `GET /console/disclosures`
async fn page(State(app): Shared, operator: Operator, fields: Fields) -> Result<Response, Failure> {
    let p = &app.privity;
    let template = "console_disclosures.html";
    let Some(id) = fields.text("subject") else {
        let page = DisclosuresPage::of(p, "subject", None, None);
        return Ok(show(&app, &operator, 200, template, &page));
    };
    let subject: SubjectId = id.parse().map_err(|_| Problem::not_found("subject"))?;
    let lines = disclosure::of_subject(p, subject, Actor::Operator(operator.0.id)).await?;
    let found = Found::of(&Titles(p), &zone(p), subject, &lines);
    let page = DisclosuresPage::of(p, "subject", None, Some(found));
    Ok(show(&app, &operator, 200, template, &page))
}

/// `POST /console/disclosures`
async fn find(State(app): Shared, operator: Operator, fields: Fields) -> Result<Response, Failure> {
    match named(&app.privity, &fields).await {
        Ok(subject) => Ok(see(&format!("/console/disclosures?subject={subject}"))),
        Err(problem) => {
            let (error, status) = for_form(problem)?;
            let kind = fields.text("kind").unwrap_or_default();
            let page = DisclosuresPage::of(&app.privity, kind, Some(error), None);
            Ok(show(
                &app,
                &operator,
                status,
                "console_disclosures.html",
                &page,
            ))
        }
    }
}

/// `GET /console/disclosures/minimisation`
async fn minimisation(
    State(app): Shared,
    operator: Operator,
    fields: Fields,
) -> Result<Response, Failure> {
    let p = &app.privity;
    let asked = days(&fields);
    let found = match asked {
        Ok(days) => disclosure::minimise(p, days).await,
        Err(problem) => Err(problem),
    };
    let page = |found, error| MinimisationPage {
        title: "What nobody needs",
        tab: "minimisation",
        error,
        days: shown_days(&fields),
        found,
    };
    let (status, page) = match found {
        Ok(found) => {
            let found = MinimisationWords::of(&Titles(p), &found);
            (200, page(Some(found), None))
        }
        Err(problem) => {
            let (error, status) = for_form(problem)?;
            (status, page(None, Some(error)))
        }
    };
    let template = "console_minimisation.html";
    Ok(show(&app, &operator, status, template, &page))
}

fn days(fields: &Fields) -> Result<u32, Problem> {
    let (usual, most) = DAYS;
    let Some(typed) = fields.text("days") else {
        return Ok(usual);
    };
    let days = typed.parse().ok().filter(|days| (1..=most).contains(days));
    days.ok_or_else(|| Problem::invalid("days", format!("type a number of days, 1 to {most}")))
}

fn shown_days(fields: &Fields) -> String {
    let typed = fields.typed("days");
    if typed.is_empty() {
        DAYS.0.to_string()
    } else {
        typed
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

/// The subject that the form names.
async fn named(p: &Privity, fields: &Fields) -> Result<SubjectId, Problem> {
    let Some(value) = fields.sensitive("value") else {
        return Err(Problem::invalid(
            "value",
            "type what the subject is known by",
        ));
    };
    let kind = fields.text("kind").unwrap_or_default();
    if kind == "subject" {
        let id = fields.text("value").and_then(|id| id.parse().ok());
        return id.ok_or_else(|| {
            Problem::invalid("value", "this is not a subject’s id; it begins with `sub_`")
        });
    }
    let kind = IdentifierKind(kind.to_owned());
    if !p.identifier_kinds().contains(&kind) {
        return Err(Problem::invalid(
            "kind",
            "choose what the subject is known by",
        ));
    }
    match p.party_of(&kind, &value).await? {
        Party::Subject(id) => Ok(id),
        Party::Pseudonym(_) | Party::Device(_) => Err(Problem::invalid(
            "value",
            "nobody is known by this; check the spelling, or take a subject’s id",
        )),
    }
}

impl DisclosuresPage {
    fn of(p: &Privity, chosen: &str, error: Option<FormError>, found: Option<Found>) -> Self {
        let identifiers = p.identifier_kinds().into_iter();
        let identifiers = identifiers.map(|kind| {
            let words = words::label(&kind.0);
            (kind.0, words)
        });
        let fixed = [("subject".to_owned(), "Subject’s id".to_owned())];
        let kind = |(key, words): (String, String)| Kind {
            chosen: key == chosen,
            key,
            words,
        };
        Self {
            title: "Disclosures",
            tab: "subject",
            error,
            kinds: fixed.into_iter().chain(identifiers).map(kind).collect(),
            found,
        }
    }
}

impl Found {
    fn of(titles: &Titles<'_>, zone: &TimeZone, subject: SubjectId, lines: &[LedgerLine]) -> Self {
        let mut lines: Vec<&LedgerLine> = lines.iter().collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.last_at));
        Self {
            subject: subject.to_string(),
            lines: lines
                .into_iter()
                .map(|line| LineWords::of(titles, zone, line))
                .collect(),
        }
    }
}

impl LineWords {
    fn of(titles: &Titles<'_>, zone: &TimeZone, line: &LedgerLine) -> Self {
        let names = |keys: &[String]| {
            let titles = keys.iter().map(|key| titles.attribute(key));
            titles.collect::<Vec<_>>().join(", ")
        };
        let forms = line.attributes.iter();
        Self {
            recipient: titles.recipient(&line.recipient),
            purpose: titles.purpose(&line.purpose),
            forms: forms
                .map(|(form, keys)| FormWords {
                    form: form.clone(),
                    attributes: names(keys),
                })
                .collect(),
            times: words::count(line.times, "time", "times"),
            first: words::moment(line.first_at, zone),
            last: words::moment(line.last_at, zone),
            sale: sale(line.sold, line.shared),
            consideration: line.consideration.clone(),
            sequence: line.last_sequence,
            why: why(line),
        }
    }
}

/// Where the decision is explained as it would be now; none for keys that don't fit into an address.
fn why(line: &LedgerLine) -> Option<String> {
    let plain = |key: &str| {
        key.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    let (recipient, purpose) = (line.recipient.as_ref(), line.purpose.as_ref());
    (plain(recipient) && plain(purpose)).then(|| {
        format!(
            "/console/policies/explain?subject={}&recipient={recipient}&purpose={purpose}",
            line.subject
        )
    })
}

const fn sale(sold: bool, shared: bool) -> Option<&'static str> {
    match (sold, shared) {
        (true, true) => Some("sold and shared"),
        (true, false) => Some("sold"),
        (false, true) => Some("shared"),
        (false, false) => None,
    }
}

impl MinimisationWords {
    fn of(titles: &Titles<'_>, found: &Minimisation) -> Self {
        let attributes = |keys: &[domain::profile::AttributeKey]| {
            let keys = keys.iter();
            keys.map(|key| titles.attribute(key.as_ref())).collect()
        };
        let more = found.asks_for_more.iter().map(|one| AsksForMore {
            recipient: titles.recipient(&one.recipient),
            purpose: titles.purpose(&one.purpose),
            withheld: one
                .withheld
                .iter()
                .map(|key| titles.attribute(key))
                .collect::<Vec<_>>()
                .join(", "),
            times: one.times,
        });
        Self {
            since: words::day(found.since),
            never_asked: attributes(&found.never_asked),
            never_given: attributes(&found.never_given),
            asks_for_more: more.collect(),
            unused_purposes: found
                .unused_purposes
                .iter()
                .map(|key| titles.purpose(key))
                .collect(),
            unused_recipients: found
                .unused_recipients
                .iter()
                .map(|key| titles.recipient(key))
                .collect(),
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) use super::recipients::sample as recipients;

    pub(crate) fn disclosures(is_found: bool) -> impl Serialize {
        let line = |recipient: &str, sale| LineWords {
            recipient: recipient.to_owned(),
            purpose: "Sale to brokers".to_owned(),
            forms: vec![FormWords {
                form: "keep".to_owned(),
                attributes: "E-mail address, First name <b>\" OR 1=1".to_owned(),
            }],
            times: "1,204 times".to_owned(),
            first: "May 2, 2025, 9:00 am PDT".to_owned(),
            last: "November 20, 2026, 9:00 am PST".to_owned(),
            sale,
            consideration: sale.map(|_| "2 cents a line".to_owned()),
            sequence: 120_443,
            why: Some("/console/policies/explain?recipient=leads".to_owned()),
        };
        let found = Found {
            subject: "sub_01935f2e7c1a70008000000000000001".to_owned(),
            lines: vec![line("Sweet Leads", Some("sold")), line("Paper Mill", None)],
        };
        let kind = |key: &str, words: &str| Kind {
            key: key.to_owned(),
            words: words.to_owned(),
            chosen: key == "email",
        };
        let problem = Problem::invalid("value", "nobody is known by this");
        DisclosuresPage {
            title: "Disclosures",
            tab: "subject",
            error: (!is_found).then(|| FormError::of(&problem)),
            kinds: vec![kind("subject", "Subject’s id"), kind("email", "E-mail")],
            found: is_found.then_some(found),
        }
    }

    pub(crate) fn minimisation(is_clean: bool) -> impl Serialize {
        let texts = |texts: &[&str]| -> Vec<String> {
            if is_clean {
                return Vec::new();
            }
            texts.iter().map(|text| (*text).to_owned()).collect()
        };
        let more = AsksForMore {
            recipient: "Sweet Leads <b>\" OR 1=1".to_owned(),
            purpose: "Sale to brokers".to_owned(),
            withheld: "Birth date, Street".to_owned(),
            times: 1_204,
        };
        MinimisationPage {
            title: "What nobody needs",
            tab: "minimisation",
            error: None,
            days: "90".to_owned(),
            found: Some(MinimisationWords {
                since: "August 24, 2026".to_owned(),
                never_asked: texts(&["Tax number", "Shoe size"]),
                never_given: texts(&["Allergies"]),
                asks_for_more: if is_clean { Vec::new() } else { vec![more] },
                unused_purposes: texts(&["Market research"]),
                unused_recipients: texts(&["Bright Ads"]),
            }),
        }
    }
}
