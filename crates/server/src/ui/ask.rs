//! Ask to know, ask to be forgotten: one form, few fields, no account (11 CCR 7020, 7060; Civ. Code 1798.130(a)).

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use domain::data_map::IdentifierKind;
use domain::privacy_request::{IntakeChannel, RequestKind};
use governance::privacy_request::intake::{self, Intake};
use governance::{Privity, Problem};
use jiff::civil::Date;
use serde::Serialize;

use super::{FormError, Frame, LawChoice, for_form, law_choices, see, words};
use crate::border::ClientAddress;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::{App, Shared, secret};

#[derive(Serialize)]
pub(super) struct AskPage {
    title: &'static str,
    lead: &'static str,
    path: &'static str,
    then: String,
    button: &'static str,
    kinds: Vec<KindChoice>,
    identifiers: Vec<IdentifierField>,
    identifiers_open: bool,
    laws: Vec<LawChoice>,
    numbers: Numbers,
    typed: Typed,
    error: Option<FormError>,
}

#[derive(Serialize)]
struct KindChoice {
    key: &'static str,
    title: &'static str,
    words: &'static str,
    chosen: bool,
}

#[derive(Serialize)]
struct IdentifierField {
    field: String,
    label: String,
    input: &'static str,
    autocomplete: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Numbers {
    who: u8,
    law: u8,
}

#[derive(Serialize, Default)]
struct Typed {
    email: String,
    name: String,
    since: String,
}

/// Which of the two forms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Know,
    Delete,
}

/// `GET /ask/know`
pub(super) async fn know(State(app): Shared) -> Response {
    show(&app, Wish::Know)
}

/// `GET /ask/delete`
pub(super) async fn delete(State(app): Shared) -> Response {
    show(&app, Wish::Delete)
}

/// `POST /ask/know`
pub(super) async fn send_know(
    State(app): Shared,
    client: ClientAddress,
    fields: Fields,
) -> Result<Response, Failure> {
    send(&app, Wish::Know, client, &fields).await
}

/// `POST /ask/delete`
pub(super) async fn send_delete(
    State(app): Shared,
    client: ClientAddress,
    fields: Fields,
) -> Result<Response, Failure> {
    send(&app, Wish::Delete, client, &fields).await
}

fn show(app: &App, wish: Wish) -> Response {
    app.pages.render(
        "ask.html",
        &Frame::of(&app.privity),
        &AskPage::of(&app.privity, wish, &Fields::default(), None),
    )
}

async fn send(
    app: &App,
    wish: Wish,
    client: ClientAddress,
    fields: &Fields,
) -> Result<Response, Failure> {
    let problem = match read(&app.privity, wish, client, fields) {
        Ok(intake) => match intake::receive(&app.privity, intake).await {
            Ok(received) => return Ok(see(&secret::tracker_path(&received.tracker))),
            Err(problem) => problem,
        },
        Err(problem) => problem,
    };
    let (error, status) = for_form(problem)?;
    let page = AskPage::of(&app.privity, wish, fields, Some(error));
    Ok(app
        .pages
        .render_with(status, "ask.html", &Frame::of(&app.privity), &page))
}

fn read(
    privity: &Privity,
    wish: Wish,
    client: ClientAddress,
    fields: &Fields,
) -> Result<Intake, Problem> {
    let email = fields.sensitive("email").ok_or_else(|| {
        Problem::invalid(
            "email",
            "type your e-mail address, so that we can find you and send you a code",
        )
    })?;
    let identifiers = identifier_kinds(privity).into_iter().filter_map(|kind| {
        let value = fields.sensitive(&field_name(&kind))?;
        Some((kind, value))
    });
    Ok(Intake::Identified {
        kind: chosen_kind(wish, fields)?,
        law: fields.text("law").map(str::to_owned),
        email,
        name: fields.sensitive("name"),
        identifiers: identifiers.collect(),
        language: privity.settings().business.language.clone(),
        channel: IntakeChannel::PrivacyCenter,
        since: since(wish, fields)?,
        verified_by: None,
        address: client.0,
    })
}

/// The day from which she wants to know, where she typed one (11 CCR 7020(e)).
fn since(wish: Wish, fields: &Fields) -> Result<Option<Date>, Problem> {
    let Some(text) = fields.text("since").filter(|_| wish == Wish::Know) else {
        return Ok(None);
    };
    let wrong = || {
        Problem::invalid(
            "since",
            "this is no day; type it like 2024-05-31, or leave it empty to get everything",
        )
    };
    text.parse().map(Some).ok().ok_or_else(wrong)
}

fn chosen_kind(wish: Wish, fields: &Fields) -> Result<RequestKind, Problem> {
    if wish == Wish::Delete {
        return Ok(RequestKind::Delete);
    }
    let kind = fields.text("kind").and_then(RequestKind::parse);
    let is_known = |kind: &RequestKind| {
        matches!(
            kind,
            RequestKind::KnowCategories | RequestKind::KnowSpecific
        )
    };
    kind.filter(is_known)
        .ok_or_else(|| Problem::invalid("kind", "choose what you would like to get"))
}

/// The identifiers beside the e-mail address by which a system of the business can find somebody.
pub(super) fn identifier_kinds(privity: &Privity) -> BTreeSet<IdentifierKind> {
    privity
        .identifier_kinds()
        .into_iter()
        .filter(|kind| *kind != IdentifierKind::email())
        .collect()
}

fn field_name(kind: &IdentifierKind) -> String {
    format!("id_{}", kind.0)
}

impl AskPage {
    fn of(privity: &Privity, wish: Wish, fields: &Fields, error: Option<FormError>) -> Self {
        let rights: &[&str] = if wish == Wish::Know {
            &["know_specific", "know_categories"]
        } else {
            &["delete"]
        };
        let identifiers: Vec<IdentifierField> = identifier_kinds(privity)
            .iter()
            .map(|kind| IdentifierField::of(kind, fields))
            .collect();
        let typed = Typed {
            email: fields.typed("email"),
            name: fields.typed("name"),
            since: fields.typed("since"),
        };
        let identifiers_open = identifiers.iter().any(|field| !field.value.is_empty());
        let minutes = privity.settings().verification.code_minutes;
        let laws = law_choices(privity, rights, fields.text("law"));
        let page = Self {
            identifiers,
            identifiers_open,
            laws,
            typed,
            error,
            ..Self::text(wish, minutes)
        };
        Self {
            kinds: if wish == Wish::Know {
                kinds(fields)
            } else {
                Vec::new()
            },
            ..page
        }
    }

    fn text(wish: Wish, minutes: u32) -> Self {
        let know = wish == Wish::Know;
        let after = if know {
            "We search every system we have and put your answer together: a page to read, and the data as files."
        } else {
            "We search every system we have, a person checks what goes and what the law makes us keep, and then it is erased. We search again to prove it, and tell everyone who got your data from us to delete it too."
        };
        Self {
            title: if know {
                "What do you know about me?"
            } else {
                "Forget me"
            },
            lead: if know {
                "You have a right to see what we hold about you, where it came from and who got it."
            } else {
                "You have a right to have your data deleted. It cannot be brought back afterwards."
            },
            path: if know { "/ask/know" } else { "/ask/delete" },
            then: format!(
                "We mail you a code that works for {minutes} minutes; you may try it several times and ask for another. {after} You can watch every step on your own page."
            ),
            button: if know {
                "Ask what you know about me"
            } else {
                "Ask to be forgotten"
            },
            kinds: Vec::new(),
            identifiers: Vec::new(),
            identifiers_open: false,
            laws: Vec::new(),
            numbers: if know {
                Numbers { who: 2, law: 3 }
            } else {
                Numbers { who: 1, law: 2 }
            },
            typed: Typed::default(),
            error: None,
        }
    }
}

fn kinds(fields: &Fields) -> Vec<KindChoice> {
    let chosen = fields
        .text("kind")
        .and_then(RequestKind::parse)
        .unwrap_or(RequestKind::KnowSpecific);
    let choice = |kind: RequestKind, title, words| KindChoice {
        key: kind.as_str(),
        title,
        words,
        chosen: kind == chosen,
    };
    vec![
        choice(
            RequestKind::KnowSpecific,
            "A copy of my data",
            "The data itself, with where it came from and who got it.",
        ),
        choice(
            RequestKind::KnowCategories,
            "Only what kinds of data you hold",
            "A short overview: kinds of data, sources, purposes, recipients.",
        ),
    ]
}

impl IdentifierField {
    fn of(kind: &IdentifierKind, fields: &Fields) -> Self {
        let is_phone = kind.0 == "phone";
        let field = field_name(kind);
        let value = fields.typed(&field);
        Self {
            label: words::label(&kind.0),
            input: if is_phone { "tel" } else { "text" },
            autocomplete: if is_phone { "tel" } else { "off" },
            value,
            field,
        }
    }
}

#[cfg(test)]
impl AskPage {
    pub(super) fn sample_know() -> Self {
        Self {
            kinds: kinds(&Fields::default()),
            laws: LawChoice::samples(),
            ..Self::text(Wish::Know, 30)
        }
    }

    pub(super) fn sample_delete_with_error() -> Self {
        let identifier = IdentifierField::of(
            &IdentifierKind("customer_number".to_owned()),
            &Fields::default(),
        );
        let error = Problem::invalid(
            "email",
            "this is no e-mail address; it looks like name@example.com",
        );
        let typed = Typed {
            email: "maria(at)example".to_owned(),
            name: "Maria \"<b>\" O'Hara".to_owned(),
            since: String::new(),
        };
        Self {
            identifiers: vec![identifier],
            laws: LawChoice::samples(),
            typed,
            error: Some(FormError::of(&error)),
            ..Self::text(Wish::Delete, 30)
        }
    }
}
