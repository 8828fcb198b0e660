//! Recipients × purposes × attributes: in which form each goes out, for anybody at all, for one subject, or for chosen facts.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::Response;
use domain::audit::Actor;
use governance::policy::{DecidedCell, DecidedLine, MatrixLine, PolicyShown};
use governance::{Privity, Problem};
use serde::Serialize;

use super::super::super::{FormError, for_form, words};
use super::super::{Operator, Titles};
use super::show;
use super::who::{Choice, WhoForm, who};
use crate::Shared;
use crate::failure::Failure;
use crate::fields::Fields;

/// With so many recipients all tables are open.
const OPEN: usize = 3;

#[derive(Serialize)]
struct MatrixPage {
    title: &'static str,
    tab: &'static str,
    error: Option<FormError>,
    version: u64,
    anybody: bool,
    form: WhoForm,
    recipients: Vec<Choice>,
    lead: &'static str,
    groups: Vec<Group>,
}

/// A recipient's table.
#[derive(Serialize)]
struct Group {
    title: String,
    count: String,
    open: bool,
    purposes: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    attribute: String,
    cells: Vec<CellWords>,
}

#[derive(Default, Serialize)]
struct CellWords {
    purpose: String,
    /// None where no policy is about it.
    form: Option<&'static str>,
    tone: &'static str,
    kind: &'static str,
    policies: Vec<PolicyWords>,
    why: Option<String>,
}

#[derive(Serialize)]
struct PolicyWords {
    id: String,
    title: String,
    citation: String,
    role: &'static str,
}

/// `GET /console/policies/matrix`
pub(super) async fn page(
    State(app): Shared,
    operator: Operator,
    fields: Fields,
) -> Result<Response, Failure> {
    let template = "console_policy_matrix.html";
    match load(&app.privity, &operator, &fields).await {
        Ok(page) => Ok(show(&app, &operator, 200, template, &page)),
        Err(problem) => {
            let (error, status) = for_form(problem.0)?;
            let Some(page) = empty(&app.privity, &fields) else {
                return Ok(super::super::super::see("/console/policies"));
            };
            let page = MatrixPage {
                error: Some(error),
                ..page
            };
            Ok(show(&app, &operator, status, template, &page))
        }
    }
}

/// The page without tables; none without policies, which the page before says.
fn empty(privity: &Privity, fields: &Fields) -> Option<MatrixPage> {
    let in_force = privity.policies()?;
    let layout = in_force.table.layout();
    let chosen = fields.text("recipient");
    let titles = Titles(privity);
    let recipients = layout.recipients().iter();
    Some(MatrixPage {
        title: "Who gets what",
        tab: "matrix",
        error: None,
        version: in_force.version,
        anybody: fields.text("who").is_none_or(|who| who == "anybody"),
        form: WhoForm::of(privity, layout, fields),
        recipients: recipients
            .map(|key| Choice {
                code: key.to_string(),
                words: titles.recipient(key),
                chosen: chosen == Some(key.as_ref()),
            })
            .collect(),
        lead: "",
        groups: Vec::new(),
    })
}

async fn load(
    privity: &Privity,
    operator: &Operator,
    fields: &Fields,
) -> Result<MatrixPage, Failure> {
    let titles = Titles(privity);
    let chosen = fields.text("recipient");
    let is_wanted = |key: &str| chosen.is_none_or(|chosen| chosen == key);
    let page = empty(privity, fields);
    let is_anybody = page.as_ref().is_none_or(|page| page.anybody);
    let (lead, mut groups) = if is_anybody {
        let lines = privity.policy_matrix()?;
        let lines = lines.iter().filter(|line| is_wanted(&line.recipient));
        let lead =
            "The fullest form in which each attribute can go out at all, whoever it is about.";
        (lead, groups(lines.map(|line| plain(&titles, line))))
    } else {
        if fields.text("who") == Some("subject") && fields.text("subject").is_none() {
            let words = "type a subject’s id; it begins with `sub_`";
            return Err(Problem::invalid("subject", words).into());
        }
        let who = who(privity, fields)?;
        let by = Actor::Operator(operator.0.id);
        let matrix = privity.decided_matrix(&who, by).await?;
        let is_subject = matches!(who, governance::policy::Who::Subject(_));
        let lead = if is_subject {
            "What goes out of this subject’s data now. That you looked is recorded."
        } else {
            "What would go out of the data of somebody of whom this is known."
        };
        let asked = query(fields);
        let lines = matrix.lines.iter();
        let lines = lines.filter(|line| is_wanted(&line.recipient));
        (
            lead,
            groups(lines.map(|line| decided(&titles, line, &asked))),
        )
    };
    let count = groups.len();
    for group in &mut groups {
        group.open = count <= OPEN;
    }
    let page = page.ok_or_else(|| Problem::not_found("policies in force"))?;
    Ok(MatrixPage {
        lead,
        groups,
        ..page
    })
}

/// What was chosen, as a page that explains one cell takes it. Ids and codes alone.
fn query(fields: &Fields) -> String {
    let one = |name: &str| fields.text(name).map(|value| (name.to_owned(), value));
    let single = ["subject", "jurisdiction", "age"].into_iter();
    let many = ["is", "unknown"].into_iter();
    let many = many.flat_map(|name| {
        let values = fields.chosen(name).into_iter();
        values.map(move |value| (name.to_owned(), value))
    });
    let pairs = single.filter_map(one).chain(many);
    let pairs = pairs.filter(|(_, value)| value.bytes().all(is_plain));
    pairs
        .map(|(name, value)| format!("{name}={value}&"))
        .collect()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-".contains(&byte)
}

/// One line of a matrix with what its cells say, by attribute.
struct Told {
    recipient: String,
    purpose: String,
    cells: BTreeMap<String, CellWords>,
}

fn plain(titles: &Titles<'_>, line: &MatrixLine) -> Told {
    let cells = line.attributes.iter().map(|(key, form)| {
        let words = CellWords {
            form: Some(form),
            tone: tone(form),
            ..CellWords::default()
        };
        (titles.attribute(key), words)
    });
    Told {
        recipient: titles.recipient(&line.recipient.as_str().into()),
        purpose: titles.purpose(&line.purpose.as_str().into()),
        cells: cells.collect(),
    }
}

fn decided(titles: &Titles<'_>, line: &DecidedLine, asked: &str) -> Told {
    let cells = line.cells.iter();
    let cell = |cell: &DecidedCell| {
        let keys = [&line.recipient, &line.purpose, &cell.attribute];
        let can_link = keys.iter().all(|key| key.bytes().all(is_plain));
        let why = format!(
            "/console/policies/explain?{asked}recipient={}&purpose={}&attribute={}",
            line.recipient, line.purpose, cell.attribute
        );
        let words = CellWords {
            form: Some(cell.release),
            tone: tone(cell.release),
            kind: words::decided(cell.kind),
            policies: policies(cell),
            why: can_link.then_some(why),
            ..CellWords::default()
        };
        (titles.attribute(&cell.attribute), words)
    };
    Told {
        recipient: titles.recipient(&line.recipient.as_str().into()),
        purpose: titles.purpose(&line.purpose.as_str().into()),
        cells: cells.map(cell).collect(),
    }
}

fn policies(cell: &DecidedCell) -> Vec<PolicyWords> {
    let shown = |policy: &PolicyShown, role| PolicyWords {
        id: policy.id.clone(),
        title: policy.title.clone(),
        citation: policy.citation.clone(),
        role,
    };
    let decides = cell.policy.iter().map(|policy| shown(policy, ""));
    let limits = cell.limited_by.iter();
    let limits = limits.map(|policy| shown(policy, "No more than that: "));
    decides.chain(limits).collect()
}

const fn tone(form: &str) -> &'static str {
    match form.as_bytes() {
        b"keep" => "good",
        b"withhold" => "bad",
        _ => "warn",
    }
}

/// A table for each recipient: its attributes by its purposes.
fn groups(lines: impl Iterator<Item = Told>) -> Vec<Group> {
    let mut by_recipient: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    for line in lines {
        let recipient = line.recipient.clone();
        by_recipient.entry(recipient).or_default().push(line);
    }
    let group = |(title, mut told): (String, Vec<Told>)| {
        let attributes: BTreeSet<String> = told
            .iter()
            .flat_map(|line| line.cells.keys().cloned())
            .collect();
        let rows = attributes.into_iter().map(|attribute| Row {
            cells: told
                .iter_mut()
                .map(|line| CellWords {
                    purpose: line.purpose.clone(),
                    ..line.cells.remove(&attribute).unwrap_or_default()
                })
                .collect(),
            attribute,
        });
        let rows: Vec<Row> = rows.collect();
        Group {
            count: format!(
                "{}, {}",
                words::count(told.len() as u64, "purpose", "purposes"),
                words::count(rows.len() as u64, "attribute", "attributes")
            ),
            purposes: told.iter().map(|line| line.purpose.clone()).collect(),
            title,
            open: false,
            rows,
        }
    };
    by_recipient.into_iter().map(group).collect()
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn matrix(is_anybody: bool) -> impl Serialize {
        let cell = |form: Option<&'static str>, kind| CellWords {
            purpose: "Printed catalogue".to_owned(),
            form,
            tone: form.map_or("", tone),
            kind,
            policies: vec![PolicyWords {
                id: "hearth.catalogue".to_owned(),
                title: "Paper Mill prints it".to_owned(),
                citation: "Contract <b>\" OR 1=1".to_owned(),
                role: "",
            }],
            why: Some("/console/policies/explain?recipient=mill".to_owned()),
        };
        let row = |attribute: &str, one, other| Row {
            attribute: attribute.to_owned(),
            cells: vec![one, other],
        };
        let group = |title: &str, open| Group {
            title: title.to_owned(),
            count: "2 purposes, 3 attributes".to_owned(),
            open,
            purposes: vec!["Printed catalogue".to_owned(), "Sale to brokers".to_owned()],
            rows: vec![
                row(
                    "Birth date",
                    cell(Some("generalise"), "allowed"),
                    cell(None, ""),
                ),
                row(
                    "E-mail address",
                    cell(Some("withhold"), "forbidden"),
                    cell(Some("keep"), "allowed"),
                ),
                row(
                    "Street",
                    cell(Some("mask"), "allowed"),
                    cell(Some("withhold"), "not met"),
                ),
            ],
        };
        MatrixPage {
            title: "Who gets what",
            tab: "matrix",
            error: None,
            version: 2,
            anybody: is_anybody,
            form: super::super::who::sample(),
            recipients: vec![Choice {
                code: "mill".to_owned(),
                words: "Paper Mill".to_owned(),
                chosen: false,
            }],
            lead: "What would go out of the data of somebody of whom this is known.",
            groups: vec![
                group("Paper Mill <b>\" OR 1=1", true),
                group("Sweet Leads", false),
            ],
        }
    }
}
