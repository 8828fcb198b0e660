//! The pages: Privacy Center for subjects, a page without account for recipients, Console for operators. Server-rendered; each works without JavaScript.

mod ask;
mod choices;
mod console;
mod home;
mod opt_out;
mod outreach;
mod recipients;
mod tracker;
pub(crate) mod words;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use governance::{Privity, Problem};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, HtmlEscape, UndefinedBehavior};
use serde::Serialize;

use crate::App;
use crate::failure::{self, Failure};

/// All routes of the pages.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home::page))
        .route("/ask/know", get(ask::know).post(ask::send_know))
        .route("/ask/delete", get(ask::delete).post(ask::send_delete))
        .route("/opt-out", get(opt_out::page).post(opt_out::send))
        .route("/recipients", get(recipients::page))
        .route("/requests/{token}", get(tracker::page))
        .route("/requests/{token}/code", post(tracker::confirm))
        .route("/requests/{token}/resend", post(tracker::resend))
        .route("/requests/{token}/withdraw", post(tracker::withdraw))
        .route("/requests/{token}/package", get(tracker::package))
        .route(
            "/outreach/{link}",
            get(outreach::page).post(outreach::answer),
        )
        .route(
            "/static/style.css",
            get(async || {
                asset(
                    "text/css; charset=utf-8",
                    include_str!("../static/style.css"),
                )
            }),
        )
        .route(
            "/static/tracker.js",
            get(async || {
                asset(
                    "text/javascript; charset=utf-8",
                    include_str!("../static/tracker.js"),
                )
            }),
        )
        .route(
            "/static/favicon.svg",
            get(async || asset("image/svg+xml", include_str!("../static/favicon.svg"))),
        )
        .merge(choices::routes())
        .merge(console::routes())
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response()
}

/// Every built-in template by name.
const TEMPLATES: [(&str, &str); 30] = [
    ("parts.html", include_str!("../templates/parts.html")),
    ("base.html", include_str!("../templates/base.html")),
    ("home.html", include_str!("../templates/home.html")),
    ("ask.html", include_str!("../templates/ask.html")),
    ("choices.html", include_str!("../templates/choices.html")),
    ("opt_out.html", include_str!("../templates/opt_out.html")),
    (
        "recipients.html",
        include_str!("../templates/recipients.html"),
    ),
    ("tracker.html", include_str!("../templates/tracker.html")),
    ("outreach.html", include_str!("../templates/outreach.html")),
    ("failure.html", include_str!("../templates/failure.html")),
    (
        "console_base.html",
        include_str!("../templates/console_base.html"),
    ),
    (
        "console_sign_in.html",
        include_str!("../templates/console_sign_in.html"),
    ),
    (
        "console_overview.html",
        include_str!("../templates/console_overview.html"),
    ),
    (
        "console_rows.html",
        include_str!("../templates/console_rows.html"),
    ),
    (
        "console_list.html",
        include_str!("../templates/console_list.html"),
    ),
    (
        "console_consents.html",
        include_str!("../templates/console_consents.html"),
    ),
    (
        "console_holds.html",
        include_str!("../templates/console_holds.html"),
    ),
    (
        "console_identity.html",
        include_str!("../templates/console_identity.html"),
    ),
    (
        "console_review.html",
        include_str!("../templates/console_review.html"),
    ),
    (
        "console_subject.html",
        include_str!("../templates/console_subject.html"),
    ),
    (
        "console_request.html",
        include_str!("../templates/console_request.html"),
    ),
    (
        "console_policy_parts.html",
        include_str!("../templates/console_policy_parts.html"),
    ),
    (
        "console_policies.html",
        include_str!("../templates/console_policies.html"),
    ),
    (
        "console_policy_version.html",
        include_str!("../templates/console_policy_version.html"),
    ),
    (
        "console_policy_matrix.html",
        include_str!("../templates/console_policy_matrix.html"),
    ),
    (
        "console_policy_explain.html",
        include_str!("../templates/console_policy_explain.html"),
    ),
    (
        "console_disclosure_parts.html",
        include_str!("../templates/console_disclosure_parts.html"),
    ),
    (
        "console_disclosures.html",
        include_str!("../templates/console_disclosures.html"),
    ),
    (
        "console_recipients.html",
        include_str!("../templates/console_recipients.html"),
    ),
    (
        "console_minimisation.html",
        include_str!("../templates/console_minimisation.html"),
    ),
];

/// The templates, escaped by default.
pub(crate) struct Pages(Environment<'static>);

impl Pages {
    /// The built-in templates.
    pub(crate) fn built_in() -> Self {
        let mut environment = Environment::new();
        // A page that prints something it was not given is wrong; one that asks whether it was given is not.
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.add_filter("number", words::number);
        environment.add_filter("marked", marked);
        for (name, text) in TEMPLATES {
            if let Err(error) = environment.add_template(name, text) {
                tracing::error!(template = name, cause = %error, "a built-in template is wrong");
            }
        }
        Self(environment)
    }

    /// The built-in templates, with those of `folder` in the place of the ones of the same name.
    pub(crate) fn with_folder(folder: &Path) -> anyhow::Result<Self> {
        let mut pages = Self::built_in();
        let files = std::fs::read_dir(folder).with_context(|| {
            format!(
                "cannot read the templates' folder `{}`; check that it exists",
                folder.display()
            )
        })?;
        for file in files {
            let path = file?.path();
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            if !name.ends_with(".html") {
                continue;
            }
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read the template `{}`", path.display()))?;
            pages.0.add_template_owned(name, text).map_err(|error| {
                anyhow::anyhow!("the template `{}` is wrong: {error}", path.display())
            })?;
        }
        Ok(pages)
    }

    /// A page.
    pub(crate) fn render<P: Serialize>(&self, template: &str, frame: &Frame, page: &P) -> Response {
        match self.text(template, frame, page) {
            Ok(text) => Html(text).into_response(),
            // The error names the template and the line, and never a value.
            Err(error) => {
                tracing::error!(template, kind = ?error.kind(), line = error.line(), "a page can't be rendered");
                (StatusCode::INTERNAL_SERVER_ERROR, Html("<!doctype html><title>Error</title><p>This page failed on our side. Nothing was lost; please try again later.")).into_response()
            }
        }
    }

    /// A page with an error in its form.
    pub(crate) fn render_with<P: Serialize>(
        &self,
        status: u16,
        template: &str,
        frame: &Frame,
        page: &P,
    ) -> Response {
        let mut response = self.render(template, frame, page);
        if response.status() == StatusCode::OK {
            *response.status_mut() =
                StatusCode::from_u16(status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        }
        response
    }

    pub(crate) fn text<P: Serialize>(
        &self,
        template: &str,
        frame: &Frame,
        page: &P,
    ) -> Result<String, minijinja::Error> {
        let (frame, page) = (Value::from(Serde(frame)), Value::from(Serde(page)));
        self.0
            .get_template(template)?
            .render(minijinja::context! { frame, page })
    }
}

/// What stands between backticks in words that logs and commands show, too, set as code.
fn marked(words: &str) -> Value {
    let escaped = HtmlEscape(words).to_string();
    let parts: Vec<&str> = escaped.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return Value::from_safe_string(escaped);
    }
    let set = parts.iter().enumerate().map(|(at, part)| match at % 2 {
        0 => (*part).to_owned(),
        _ => format!("<span class=\"mono\">{part}</span>"),
    });
    Value::from_safe_string(set.collect())
}

/// What all pages show.
#[derive(Serialize)]
pub(crate) struct Frame {
    business: String,
    language: String,
    contact: Option<Contact>,
    operator: Option<String>,
    /// Whether her browser sent an opt-out preference signal that means something here.
    signal: bool,
}

/// Where a subject writes.
#[derive(Serialize)]
struct Contact {
    href: String,
    text: String,
}

impl Frame {
    /// The frame of the Privacy Center.
    pub(crate) fn of(privity: &Privity) -> Self {
        let business = &privity.settings().business;
        Self {
            business: business.name.clone(),
            language: "en".to_owned(),
            contact: business.privacy_contact.as_deref().map(Contact::of),
            operator: None,
            signal: false,
        }
    }

    /// Tells her that her browser's signal was honoured (11 CCR 7025(c)(6)), where the business sells or shares at all.
    pub(crate) fn signalled(self, privity: &Privity, signal: bool) -> Self {
        Self {
            signal: signal && privity.sells_or_shares(),
            ..self
        }
    }

    /// The frame of the Console.
    pub(crate) fn for_operator(privity: &Privity, name: &str) -> Self {
        Self {
            operator: Some(name.to_owned()),
            ..Self::of(privity)
        }
    }
}

impl Contact {
    fn of(contact: &str) -> Self {
        let is_address = contact.contains('@') && !contact.contains("://");
        Self {
            href: if is_address {
                format!("mailto:{contact}")
            } else {
                contact.to_owned()
            },
            text: contact.to_owned(),
        }
    }
}

/// What is wrong with a form, above it and beside the field.
#[derive(Serialize)]
pub(crate) struct FormError {
    field: Option<&'static str>,
    words: String,
}

impl FormError {
    pub(crate) fn of(problem: &Problem) -> Self {
        Self {
            field: problem.field,
            words: words::sentence(&problem.title),
        }
    }
}

/// Problems that belong beside a form; all others get a page of their own.
pub(crate) fn for_form(problem: Problem) -> Result<(FormError, u16), Failure> {
    if matches!(problem.status, 400 | 409 | 422 | 429) {
        Ok((FormError::of(&problem), problem.status))
    } else {
        Err(Failure(problem))
    }
}

/// On to a page of ours after a form (POST, redirect, GET), so that a reload sends nothing twice.
pub(crate) fn see(path: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(path) else {
        return Failure(failure::unexpected()).into_response();
    };
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

/// A law that a subject can choose by where she lives.
#[derive(Serialize)]
pub(crate) struct LawChoice {
    key: String,
    words: String,
    chosen: bool,
}

/// The laws that give a right, by the places where people live; the business's default is chosen at first.
pub(crate) fn law_choices(
    privity: &Privity,
    rights: &[&str],
    chosen: Option<&str>,
) -> Vec<LawChoice> {
    let default = privity.settings().business.default_law.clone();
    let chosen = chosen.unwrap_or(&default);
    let gives = |law: &&domain::law::Law| rights.iter().any(|right| law.right(right).is_ok());
    let laws: Vec<&domain::law::Law> = privity.law().laws().filter(gives).collect();
    let is_only = |law: &domain::law::Law| {
        laws.iter()
            .filter(|other| other.jurisdiction == law.jurisdiction)
            .count()
            == 1
    };
    let choice = |law: &&domain::law::Law| {
        let place = words::place(&law.jurisdiction)?;
        let words = if is_only(law) {
            place.to_owned()
        } else {
            format!("{place}: {}", law.title)
        };
        Some(LawChoice {
            key: law.key.clone(),
            words,
            chosen: law.key == chosen,
        })
    };
    let mut choices: Vec<LawChoice> = laws.iter().filter_map(choice).collect();
    choices.sort_by(|one, other| one.words.cmp(&other.words));
    let key = default.clone();
    choices.push(LawChoice {
        key,
        words: "Somewhere else (we apply our usual rules)".to_owned(),
        chosen: false,
    });
    choices
}

#[cfg(test)]
pub(crate) mod samples;
