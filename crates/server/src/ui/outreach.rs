//! The recipient's page: one link, no account; done, not found, or an exception with its reason (11 CCR 7022(b)-(c), 7026(f)).

use axum::extract::{Path, State};
use axum::response::Response;
use domain::outreach::{Answer, OutreachAction};
use domain::sensitive::Sensitive;
use governance::privacy_request::take_answer;
use governance::view::OutreachPage as View;
use governance::{Privity, Problem};
use serde::Serialize;

use super::{FormError, Frame, for_form, see, words};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::upload::Upload;
use crate::{App, Shared};

#[derive(Serialize)]
pub(super) struct OutreachPage {
    title: String,
    lead: String,
    path: String,
    recipient: String,
    answered: Option<&'static str>,
    identifiers: Vec<Identifier>,
    todo: &'static str,
    done_words: &'static str,
    due: Option<String>,
    received: String,
    law: String,
    reasons: Vec<ReasonChoice>,
    typed: Typed,
    error: Option<FormError>,
}

#[derive(Serialize)]
struct Identifier {
    label: String,
    value: String,
}

#[derive(Serialize)]
struct ReasonChoice {
    code: String,
    words: String,
}

#[derive(Serialize, Default)]
struct Typed {
    answer: String,
    reason: String,
    note: String,
}

/// `GET /outreach/{link}`
pub(super) async fn page(
    State(app): Shared,
    Path(link): Path<String>,
) -> Result<Response, Failure> {
    let page = load(&app, &link, Typed::default(), None).await?;
    Ok(app
        .pages
        .render("outreach.html", &Frame::of(&app.privity), &page))
}

/// `POST /outreach/{link}`
pub(super) async fn answer(
    State(app): Shared,
    Path(link): Path<String>,
    upload: Upload,
) -> Result<Response, Failure> {
    let Upload { fields, file } = upload;
    let secret = Sensitive::new(link.clone());
    let problem = match read(&fields) {
        Ok(answer) => match take_answer::answer(
            &app.privity,
            &secret,
            answer,
            fields.sensitive("note"),
            file,
        )
        .await
        {
            Ok(()) => return Ok(see(&own_path(&link))),
            Err(problem) => problem,
        },
        Err(problem) => problem,
    };
    let (error, status) = for_form(problem)?;
    let typed = Typed {
        answer: fields.typed("answer"),
        reason: fields.typed("reason"),
        note: fields.typed("note"),
    };
    let page = load(&app, &link, typed, Some(error)).await?;
    Ok(app
        .pages
        .render_with(status, "outreach.html", &Frame::of(&app.privity), &page))
}

fn read(fields: &Fields) -> Result<Answer, Problem> {
    match fields.text("answer") {
        Some("done") => Ok(Answer::Done),
        Some("not_found") => Ok(Answer::NotFound),
        Some("exception") => {
            let reason = fields.text("reason").ok_or_else(|| {
                Problem::invalid(
                    "reason",
                    "choose the reason for which you must keep something",
                )
            })?;
            Ok(Answer::Exception {
                reason: reason.to_owned(),
            })
        }
        _ => Err(Problem::invalid(
            "answer",
            "choose one of the three answers",
        )),
    }
}

async fn load(
    app: &App,
    link: &str,
    typed: Typed,
    error: Option<FormError>,
) -> Result<OutreachPage, Failure> {
    let view = take_answer::page(&app.privity, &Sensitive::new(link.to_owned())).await?;
    Ok(OutreachPage {
        typed,
        error,
        ..OutreachPage::of(&app.privity, own_path(link), view)
    })
}

fn own_path(link: &str) -> String {
    format!(
        "/outreach/{}",
        link.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
    )
}

impl OutreachPage {
    fn of(privity: &Privity, path: String, view: View) -> Self {
        let book = privity.law();
        let law = book.law(&view.law).map_or_else(
            |_| view.law.clone(),
            |law| format!("{} ({})", law.title, law.citation),
        );
        let choice = |reason: &domain::data_map::KeepReason| ReasonChoice {
            words: book.reason(&reason.code).map_or_else(
                || words::label(&reason.code),
                |found| format!("{} ({})", words::capital(&found.title), found.citation),
            ),
            code: reason.code.clone(),
        };
        let reasons = view.reasons.iter().map(choice).collect();
        Self::with_words(view, path, law, reasons)
    }

    fn with_words(view: View, path: String, law: String, reasons: Vec<ReasonChoice>) -> Self {
        let is_delete = view.action == OutreachAction::Delete;
        let business = &view.business;
        Self {
            title: if is_delete {
                format!("{business} asks you to delete a person’s data")
            } else {
                format!("{business} asks you to stop selling a person’s data")
            },
            lead: format!(
                "This data came to you from {business}, the person has used a legal right, and the law asks you to follow. It takes a minute; you need no account."
            ),
            path,
            recipient: view.recipient,
            answered: view.answer.as_ref().map(answered),
            identifiers: view
                .identifiers
                .into_iter()
                .map(|(kind, value)| Identifier {
                    label: words::label(&kind),
                    value,
                })
                .collect(),
            todo: words::action(view.action),
            done_words: if is_delete {
                "We deleted it, and told whoever got it from us."
            } else {
                "We stopped, and told whoever got it from us."
            },
            due: view.due.map(words::day),
            received: words::day(view.received_on),
            law,
            reasons,
            typed: Typed::default(),
            error: None,
        }
    }
}

const fn answered(answer: &Answer) -> &'static str {
    match answer {
        Answer::Done => "You answered: done.",
        Answer::NotFound => "You answered: not found.",
        Answer::Exception { .. } => "You answered: we must keep something.",
    }
}

#[cfg(test)]
impl OutreachPage {
    pub(super) fn sample(answer: Option<Answer>) -> Self {
        let view = View {
            business: "Crumb & Co.".to_owned(),
            recipient: "Crumb Insights".to_owned(),
            action: OutreachAction::Delete,
            law: "ccpa".to_owned(),
            due: Some(jiff::civil::date(2027, 1, 5)),
            received_on: jiff::civil::date(2026, 11, 21),
            identifiers: vec![("email".to_owned(), "maria@example.com".to_owned())],
            answer,
            reasons: Vec::new(),
        };
        let reason = ReasonChoice {
            code: "D8_legal_obligation".to_owned(),
            words: "A law makes us keep it (Civ. Code 1798.105(d)(8))".to_owned(),
        };
        Self::with_words(
            view,
            "/outreach/abc".to_owned(),
            "California Consumer Privacy Act (Civ. Code 1798.100)".to_owned(),
            vec![reason],
        )
    }
}
