//! Your choices: every purpose, what it does, where it stands and why, a no and a yes of one size, and a signal that is seen to be honoured.
//!
//! Nobody is asked who she is: choices hold for the browser, under a random number that is made with the first of them (11 CCR 7004, 7015,
//! 7025(c)(6), 7026(a)-(d), (h), 7028). A yes is for one purpose (Civ. Code 1798.140(h)), so that there is a no to all and no yes to all.

mod endpoint;
mod proven;
mod script;
mod words;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::HeaderValue;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use domain::consent::{Conflict, Standing, Steps};
use domain::purpose_of_use::PurposeOfUse;
use domain::sensitive::Sensitive;
use governance::consent::choices::{
    Choices, Chosen, OfferedPurpose, OfferedRecipient, SignalOf, Visitor, is_device, said, text_for,
};
use governance::consent::{Recorded, ShownNotice};
use governance::{Privity, Problem};
use serde::{Deserialize, Serialize};

pub(super) use self::words::Words;
use super::{FormError, Frame, for_form, see, words as page_words};
use crate::border::ClientAddress;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::secret::{self, DEVICE};
use crate::signal::SignalSeen;
use crate::{App, Shared};

/// The key of this place in records.
const PLACE: &str = "privacy_center";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/choices", get(page).post(send))
        .merge(proven::routes())
        .route("/choices.json", get(endpoint::show).post(endpoint::take))
        .route("/privity.js", get(script::script))
}

/// Whether the request came with a signal.
pub(super) struct Signalled(pub(super) bool);

impl<S: Send + Sync> FromRequestParts<S> for Signalled {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<SignalSeen>().is_some()))
    }
}

/// The browser that looks at the page: its number, if a choice was made in it, and its signal.
pub(super) struct Browser(Visitor);

impl FromRequestParts<Arc<App>> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let Signalled(signal) = Signalled::from_request_parts(parts, app).await?;
        let lines = parts.headers.get_all(COOKIE).iter();
        let cookies = lines.filter_map(|value| value.to_str().ok());
        let mut pairs = cookies
            .flat_map(|line| line.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='));
        let cookie = pairs.find(|(name, _)| *name == DEVICE);
        let (id, mark) = cookie.map_or(("", ""), |(_, value)| {
            value.split_once('-').unwrap_or(match value {
                secret::MARK => ("", value),
                id => (id, ""),
            })
        });
        let device = Some(Sensitive::new(id.to_owned())).filter(is_device);
        Ok(Self(Visitor {
            device,
            signal: match (signal, mark) {
                (true, _) => SignalOf::ThisPage,
                (false, secret::MARK) => SignalOf::EarlierPage,
                (false, _) => SignalOf::Nobody,
            },
            place: PLACE.to_owned(),
            ..Visitor::default()
        }))
    }
}

/// Whose choices a page takes, and where its forms go.
struct Whose<'a> {
    path: &'a str,
    word: &'static str,
}

/// The choices of a browser.
const BROWSER: Whose<'_> = Whose {
    path: "/choices",
    word: "browser",
};

#[derive(Serialize)]
pub(super) struct ChoicesPage {
    title: &'static str,
    /// Where its forms go.
    path: String,
    /// Whose choices these are: of this `browser`, of a `subject` who has shown who she is, or of a child by its `guardian`.
    whose: &'static str,
    /// How a guardian can be shown to be one; empty where the business has not enabled any way.
    proofs: String,
    /// Whether one no to all sales says more than was said already.
    stoppable: bool,
    for_child: bool,
    said: Option<&'static str>,
    error: Option<FormError>,
    purposes: Vec<Card>,
    fixed: Vec<Card>,
}

/// One purpose.
#[derive(Serialize)]
struct Card {
    key: String,
    title: String,
    text: String,
    state: Now,
    because: Vec<String>,
    uses: String,
    to: String,
    notice: Option<Notice>,
    choice: Choice,
    recipients: Vec<Line>,
}

/// One recipient of a purpose.
#[derive(Serialize)]
struct Line {
    key: String,
    title: String,
    state: Now,
    choice: Choice,
}

#[derive(Serialize)]
struct Now {
    words: &'static str,
    tone: &'static str,
    says: &'static str,
}

/// What can be pressed.
#[derive(Serialize, Clone, Copy)]
struct Choice {
    yes: bool,
    no: bool,
    /// What was said and still stands.
    said: Option<bool>,
    /// Whether a yes is to be confirmed now, and whether this is the confirmation.
    twice: bool,
    sure: bool,
}

/// What a yes rests on: shown beside it, and sent with it.
#[derive(Serialize)]
struct Notice {
    title: String,
    body: String,
    key: String,
    version: u32,
    language: String,
    digest: String,
}

#[derive(Deserialize, Default)]
struct Asked {
    said: Option<String>,
    /// `child`, when a parent or guardian chooses.
    #[serde(rename = "for")]
    whom: Option<String>,
    /// The purpose (and recipient, behind a colon) whose yes is to be confirmed.
    confirm: Option<String>,
}

impl Asked {
    fn is_for_child(&self) -> bool {
        self.whom.as_deref() == Some("child")
    }
}

/// `GET /choices`
async fn page(
    State(app): Shared,
    browser: Browser,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    render(&app, &browser, &asked, None, 200).await
}

async fn render(
    app: &App,
    browser: &Browser,
    asked: &Asked,
    error: Option<FormError>,
    status: u16,
) -> Result<Response, Failure> {
    let choices = app.privity.choices(&browser.0).await?;
    let page = ChoicesPage {
        error,
        ..ChoicesPage::of(&app.privity, &choices, asked, &BROWSER)
    };
    let frame =
        Frame::of(&app.privity).signalled(&app.privity, browser.0.signal == SignalOf::ThisPage);
    Ok(app.pages.render_with(status, "choices.html", &frame, &page))
}

/// `POST /choices`
async fn send(
    State(app): Shared,
    client: ClientAddress,
    browser: Browser,
    fields: Fields,
) -> Result<Response, Failure> {
    app.flood.admit(&client, app.privity.now())?;
    let is_for_child = fields.text("for") == Some("child");
    let whom = is_for_child.then(|| "child".to_owned());
    let chosen = match chosen(&fields, is_for_child) {
        Ok(chosen) => chosen,
        Err(problem) => return again(&app, &browser, whom, problem).await,
    };
    if chosen.yes && fields.text("twice").is_some() && fields.text("sure").is_none() {
        return Ok(see(&confirm_path(&BROWSER, &chosen)));
    }
    let (visitor, cookie) = known(&app.privity, browser.0);
    let place = chosen.purpose.as_ref().map(|key| key.as_ref().to_owned());
    let recorded = app.privity.choose(&visitor, vec![chosen]).await?;
    let browser = Browser(visitor);
    if let Some(Recorded::Refused(problem)) = recorded.into_iter().next() {
        return again(&app, &browser, whom, problem).await;
    }
    let whom = whom.map(|_| "&for=child").unwrap_or_default();
    Ok(saved(&BROWSER, whom, place, cookie))
}

/// On to the page again, which says that it was saved; with the browser's number, if it is new.
fn saved(whose: &Whose<'_>, whom: &str, place: Option<String>, cookie: Option<String>) -> Response {
    let place = place.map(|key| format!("#{key}")).unwrap_or_default();
    let mut response = see(&format!("{}?said=saved{whom}{place}", whose.path));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// The page once more, with what is wrong.
async fn again(
    app: &App,
    browser: &Browser,
    whom: Option<String>,
    problem: Problem,
) -> Result<Response, Failure> {
    let (error, status) = for_form(problem)?;
    let asked = Asked {
        whom,
        ..Asked::default()
    };
    render(app, browser, &asked, Some(error), status).await
}

/// A browser gets its number with the first choice in it, and the cookie in which it lies.
fn known(privity: &Privity, mut visitor: Visitor) -> (Visitor, Option<String>) {
    if visitor.device.is_some() {
        return (visitor, None);
    }
    let device = privity.new_device();
    let is_https = privity.settings().base_url.starts_with("https://");
    let cookie = secret::device_cookie(&device, is_https);
    visitor.device = Some(device);
    (visitor, Some(cookie))
}

fn confirm_path(whose: &Whose<'_>, chosen: &Chosen) -> String {
    let purpose = chosen.purpose.as_ref().map_or("", AsRef::as_ref);
    let recipient = chosen.recipient.as_ref();
    let recipient = recipient.map(|key| format!(":{key}")).unwrap_or_default();
    format!("{}?confirm={purpose}{recipient}#{purpose}", whose.path)
}

fn chosen(fields: &Fields, by_guardian: bool) -> Result<Chosen, Problem> {
    let yes = match fields.text("choice") {
        Some("yes") => true,
        Some("no") => false,
        _ => return Err(Problem::invalid("choice", "say yes or no")),
    };
    let key = |name: &'static str| match fields.text(name) {
        Some(key) if !is_key(key) => Err(Problem::invalid(name, "this is not one of the choices")),
        key => Ok(key.map(str::to_owned)),
    };
    Ok(Chosen {
        id: None,
        purpose: key("purpose")?.map(Into::into),
        recipient: key("recipient")?.map(Into::into),
        yes,
        steps: if fields.text("sure").is_some() {
            Steps::Two
        } else {
            Steps::One
        },
        shown: shown(fields),
        by_guardian,
    })
}

/// A key goes into the address of the next page, so it may hold nothing that an address gives a meaning to.
fn is_key(text: &str) -> bool {
    text.len() <= 100
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn shown(fields: &Fields) -> Option<ShownNotice> {
    Some(ShownNotice {
        notice: fields.text("notice")?.into(),
        version: fields.text("version")?.parse().ok()?,
        language: fields.text("language")?.to_owned(),
        digest: Some(serde_json::from_value(fields.text("digest")?.into()).ok()?),
    })
}

impl ChoicesPage {
    fn of(privity: &Privity, choices: &Choices<'_>, asked: &Asked, whose: &Whose<'_>) -> Self {
        let of = |offered| Card::of(privity, offered, asked);
        let (open, fixed): (Vec<_>, Vec<_>) = choices.purposes.iter().partition(|one| one.no);
        let is_open_sale = |offered: &&&OfferedPurpose<'_>| {
            let recipients = offered.recipients.iter();
            offered.purpose.is_sale_like()
                && (offered.standing.allowed || recipients.clone().any(|one| one.standing.allowed))
        };
        Self {
            title: "Your choices",
            path: whose.path.to_owned(),
            whose: whose.word,
            proofs: proofs(privity),
            stoppable: open.iter().find(is_open_sale).is_some(),
            for_child: asked.is_for_child(),
            said: (asked.said.as_deref() == Some("saved"))
                .then_some("Saved. It counts from now on."),
            error: None,
            purposes: open.into_iter().map(of).collect(),
            fixed: fixed.into_iter().map(of).collect(),
        }
    }
}

impl Card {
    fn of(privity: &Privity, offered: &OfferedPurpose<'_>, asked: &Asked) -> Self {
        let purpose = offered.purpose;
        let language = &privity.settings().business.language;
        let titles = recipient_titles(privity, purpose);
        let category = |key: &String| {
            let known = privity.law().category(key);
            known.map_or_else(|| page_words::category(key), |known| known.title.clone())
        };
        let lines = offered.recipients.iter().zip(&titles);
        let has_many = offered.recipients.len() > 1;
        Self {
            key: purpose.key.as_ref().to_owned(),
            title: purpose.title.in_language(language).to_owned(),
            text: purpose.description.in_language(language).to_owned(),
            state: Now::of(&offered.standing),
            because: because(privity, &offered.standing),
            uses: listed(purpose.categories.iter().map(category).collect()),
            to: listed(titles.clone()),
            notice: Notice::of(offered, language),
            choice: Choice::of(offered, &offered.standing, asked, purpose.key.as_ref()),
            recipients: lines
                .filter(|_| has_many && offered.no)
                .map(|(recipient, title)| Line::of(offered, recipient, title, asked))
                .collect(),
        }
    }
}

impl Line {
    fn of(
        offered: &OfferedPurpose<'_>,
        recipient: &OfferedRecipient<'_>,
        title: &str,
        asked: &Asked,
    ) -> Self {
        let place = format!("{}:{}", offered.purpose.key.as_ref(), recipient.key);
        Self {
            key: recipient.key.to_string(),
            title: title.to_owned(),
            state: Now::of(&recipient.standing),
            choice: Choice::of(offered, &recipient.standing, asked, &place),
        }
    }
}

impl Now {
    fn of(standing: &Standing) -> Self {
        let (words, tone) = page_words::used(standing.allowed);
        Self {
            words,
            tone,
            says: Words::of("en").standing(standing),
        }
    }
}

impl Choice {
    /// A yes for a child needs proof of who says it, which a browser can't give (11 CCR 7070(a)(2)); a no needs none.
    fn of(offered: &OfferedPurpose<'_>, standing: &Standing, asked: &Asked, place: &str) -> Self {
        Self {
            yes: offered.yes.is_some() && !asked.is_for_child(),
            no: offered.no,
            said: said(standing),
            twice: offered.twice,
            sure: asked.confirm.as_deref() == Some(place),
        }
    }
}

impl Notice {
    fn of(offered: &OfferedPurpose<'_>, language: &str) -> Option<Self> {
        let (text, shown) = text_for(offered.yes?, language)?;
        Some(Self {
            title: text.title.clone(),
            body: text.body.clone(),
            key: shown.notice.to_string(),
            version: shown.version,
            language: shown.language,
            digest: shown.digest.to_string(),
        })
    }
}

/// How a guardian can be shown to be one here, in words that follow `shown to be one`.
fn proofs(privity: &Privity) -> String {
    let all = privity.settings().guardian_proofs.iter();
    let mut words: Vec<_> = all
        .map(|proof| page_words::guardian_proof(*proof))
        .collect();
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{}, or {last}", words.join(", ")),
        last => last.unwrap_or_default().to_owned(),
    }
}

/// Since when, by which rule, until when: what stands behind a standing, a sentence each.
fn because(privity: &Privity, standing: &Standing) -> Vec<String> {
    let law = privity.law().law(&privity.settings().business.default_law);
    let zone = law.map_or(jiff::tz::TimeZone::UTC, |law| law.time_zone().clone());
    let day = |at: jiff::Timestamp| page_words::day(at.to_zoned(zone.clone()).date());
    let today = privity.now().to_zoned(zone.clone()).date();
    let citation = standing
        .rule
        .as_deref()
        .and_then(|rule| privity.law().citation(rule, today));
    let since = standing
        .since
        .filter(|_| standing.reason != domain::consent::Reason::Signal);
    let lines = [
        since.map(|at| format!("Since {}.", day(at))),
        standing.until.map(|at| format!("Until {}.", day(at))),
        standing.may_ask_again.as_ref().map(|again| {
            format!(
                "We do not ask you again before {}.",
                page_words::day(again.from)
            )
        }),
        standing.conflict.map(settled),
        citation.map(|found| format!("{}.", found.citation)),
    ];
    lines.into_iter().flatten().collect()
}

/// How a conflict between a signal and an earlier word is settled (11 CCR 7025(c)(3)-(4)).
fn settled(conflict: Conflict) -> String {
    match conflict {
        Conflict::EarlierConsent => "You had said yes here. While your browser sends the signal, we follow the signal; turn it off for this site if you would rather have your yes back.",
        Conflict::Incentive => "The signal also takes you out of this programme in this browser, until you say yes to it again.",
    }
    .to_owned()
}

/// The names of a purpose's recipients, in the order of their keys.
fn recipient_titles(privity: &Privity, purpose: &PurposeOfUse) -> Vec<String> {
    let recipients = &privity.map().recipients;
    let title = |key| {
        let known = recipients.get(key);
        known.map_or_else(|| format!("{key}"), |recipient| recipient.title.clone())
    };
    purpose.recipients.iter().map(title).collect()
}

/// A, B and C.
fn listed(mut names: Vec<String>) -> String {
    match names.pop() {
        Some(last) if !names.is_empty() => format!("{} and {last}", names.join(", ")),
        last => last.unwrap_or_default(),
    }
}

#[cfg(test)]
mod samples;
