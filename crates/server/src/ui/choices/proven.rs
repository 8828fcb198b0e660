//! The page of choices for somebody who has shown who she is: the subject of a privacy request, after the code, and a child's guardian with
//! the link that staff gave her. Both hold for the subject; the subject's hold for her browser too.
//!
//! Law: Civ. Code 1798.120(c); 11 CCR 7025(c)(1), 7070, 7071.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use domain::sensitive::Sensitive;
use governance::Problem;
use governance::consent::Recorded;
use governance::consent::choices::{Chosen, Proven, SignalOf};

use super::{Asked, Browser, ChoicesPage, Whose, chosen, confirm_path, known, saved};
use crate::border::ClientAddress;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::ui::tracker::own_path;
use crate::ui::{FormError, Frame, for_form, see};
use crate::{App, Shared};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/requests/{token}/choices",
            get(of_subject).post(send_of_subject),
        )
        .route("/choices/child/{token}", get(of_child).post(send_of_child))
}

/// A page that is open: who came, and whose choices it takes.
struct Open<'a> {
    app: &'a App,
    proven: Proven,
    whose: Whose<'a>,
}

/// `GET /requests/{token}/choices`
async fn of_subject(
    State(app): Shared,
    Path(token): Path<String>,
    browser: Browser,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let path = subjects_path(&token);
    let page = Open::of_subject(&app, token, &path).await?;
    page.render(&browser, &asked, None, 200).await
}

/// `POST /requests/{token}/choices`
async fn send_of_subject(
    State(app): Shared,
    Path(token): Path<String>,
    client: ClientAddress,
    browser: Browser,
    fields: Fields,
) -> Result<Response, Failure> {
    app.flood.admit(&client, app.privity.now())?;
    let path = subjects_path(&token);
    let page = Open::of_subject(&app, token, &path).await?;
    page.take(browser, &fields).await
}

/// `GET /choices/child/{token}`
async fn of_child(
    State(app): Shared,
    Path(token): Path<String>,
    browser: Browser,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let path = childs_path(&token);
    let page = Open::of_child(&app, token, &path).await?;
    page.render(&browser, &asked, None, 200).await
}

/// `POST /choices/child/{token}`
async fn send_of_child(
    State(app): Shared,
    Path(token): Path<String>,
    client: ClientAddress,
    browser: Browser,
    fields: Fields,
) -> Result<Response, Failure> {
    app.flood.admit(&client, app.privity.now())?;
    let path = childs_path(&token);
    let page = Open::of_child(&app, token, &path).await?;
    page.take(browser, &fields).await
}

impl<'a> Open<'a> {
    async fn of_subject(app: &'a App, token: String, path: &'a str) -> Result<Self, Problem> {
        let secret = Sensitive::new(token);
        let proven = app.privity.proven_by_request(&secret);
        Ok(Self {
            app,
            proven: proven.await?,
            whose: Whose {
                path,
                word: "subject",
            },
        })
    }

    async fn of_child(app: &'a App, token: String, path: &'a str) -> Result<Self, Problem> {
        let secret = Sensitive::new(token);
        let proven = app.privity.proven_guardian(&secret);
        Ok(Self {
            app,
            proven: proven.await?,
            whose: Whose {
                path,
                word: "guardian",
            },
        })
    }

    async fn render(
        &self,
        browser: &Browser,
        asked: &Asked,
        error: Option<FormError>,
        status: u16,
    ) -> Result<Response, Failure> {
        let privity = &self.app.privity;
        let choices = privity.choices_of(&self.proven, &browser.0).await?;
        let page = ChoicesPage {
            error,
            ..ChoicesPage::of(privity, &choices, asked, &self.whose)
        };
        let is_signal = browser.0.signal == SignalOf::ThisPage && !self.proven.is_guardian();
        let frame = Frame::of(privity).signalled(privity, is_signal);
        let pages = &self.app.pages;
        Ok(pages.render_with(status, "choices.html", &frame, &page))
    }

    async fn take(&self, browser: Browser, fields: &Fields) -> Result<Response, Failure> {
        let chosen = match chosen(fields, self.proven.is_guardian()) {
            Ok(chosen) => chosen,
            Err(problem) => return self.again(&browser, problem).await,
        };
        if chosen.yes && fields.text("twice").is_some() && fields.text("sure").is_none() {
            return Ok(see(&confirm_path(&self.whose, &chosen)));
        }
        self.keep(browser, chosen).await
    }

    async fn keep(&self, browser: Browser, chosen: Chosen) -> Result<Response, Failure> {
        let privity = &self.app.privity;
        let place = chosen.purpose.as_ref().map(|key| key.as_ref().to_owned());
        let (visitor, cookie) = if self.proven.is_guardian() {
            (browser.0, None)
        } else {
            known(privity, browser.0)
        };
        let recorded = privity
            .choose_for(&self.proven, &visitor, &[chosen])
            .await?;
        if let Some(Recorded::Refused(problem)) = recorded.into_iter().next() {
            return self.again(&Browser(visitor), problem).await;
        }
        Ok(saved(&self.whose, "", place, cookie))
    }

    /// The page once more, with what is wrong.
    async fn again(&self, browser: &Browser, problem: Problem) -> Result<Response, Failure> {
        let (error, status) = for_form(problem)?;
        let asked = Asked::default();
        self.render(browser, &asked, Some(error), status).await
    }
}

/// The page's own address.
fn subjects_path(token: &str) -> String {
    format!("{}/choices", own_path(token))
}

/// What isn't a link's letter is left out, since the rest is put into a header.
fn childs_path(token: &str) -> String {
    let is_letter = |letter: &char| letter.is_ascii_alphanumeric() || "._".contains(*letter);
    let token: String = token.chars().filter(is_letter).collect();
    format!("/choices/child/{token}")
}
