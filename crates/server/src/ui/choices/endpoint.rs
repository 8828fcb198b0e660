//! `/choices.json`: what the page script asks and sends, open to the business's own sites and to no other pages.
//!
//! The device's id comes in the body, is hashed at once and kept nowhere. No cookie is read, so that no site can speak for a visitor of another.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use domain::consent::Steps;
use domain::gpp::{Gpp, Section};
use domain::notice::{Shown, Text};
use domain::sensitive::Sensitive;
use governance::consent::choices::{
    Choices, Chosen, OfferedPurpose, SignalOf, Visitor, said, text_for,
};
use governance::consent::{Recorded, ShownNotice};
use governance::{Privity, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::words::Words;
use super::{Signalled, recipient_titles};
use crate::Shared;
use crate::border::ClientAddress;
use crate::failure::Failure;

/// The most choices in one call of a page.
const MOST_CHOICES: usize = 50;

/// What a page says of itself and its visitor's browser.
#[derive(Deserialize)]
pub(super) struct Page {
    site: Option<String>,
    lang: Option<String>,
    law: Option<String>,
    /// Whether the browser's signal is there, as the script sees it.
    #[serde(default)]
    gpc: bool,
    /// Whether it was there on an earlier page.
    #[serde(default)]
    mark: bool,
}

/// What a page sends.
#[derive(Deserialize)]
struct Sent {
    #[serde(flatten)]
    page: Page,
    device: Option<Sensitive<String>>,
    #[serde(default)]
    pseudonyms: Vec<Sensitive<String>>,
    #[serde(default)]
    choices: Vec<SentChoice>,
}

#[derive(Deserialize)]
struct SentChoice {
    id: String,
    purpose: String,
    recipient: Option<String>,
    yes: bool,
    #[serde(default)]
    steps: u8,
    shown: Option<Shown>,
}

/// What a page is told.
#[derive(Serialize)]
struct Told {
    language: &'static str,
    gpc: bool,
    sells: bool,
    ask: Vec<String>,
    purposes: Vec<ToldPurpose>,
    gpp: Value,
    link: Link,
    words: &'static Words,
    /// Ids of choices that need not be sent again: they are recorded, or never will be.
    settled: Vec<String>,
    /// Those of them that were refused, and why.
    refused: Vec<Refused>,
}

#[derive(Serialize)]
struct ToldPurpose {
    key: String,
    title: String,
    text: String,
    who: String,
    notice: Option<Text>,
    shown: Option<Shown>,
    says: &'static str,
    allowed: bool,
    reason: &'static str,
    chosen: Option<bool>,
    yes: bool,
    no: bool,
    twice: bool,
    /// Recipients for which it isn't allowed though it is for others.
    refused: Vec<String>,
}

#[derive(Serialize)]
struct Link {
    href: String,
    text: &'static str,
    /// The opt-out icon (11 CCR 7015(b)), where there is something to opt out of.
    icon: &'static str,
}

#[derive(Serialize)]
struct Refused {
    id: String,
    title: String,
}

/// `GET /choices.json`: what somebody without a device id is offered. The same for everybody who asks the same, so caches may keep it.
pub(super) async fn show(
    State(app): Shared,
    signal: Signalled,
    Query(page): Query<Page>,
) -> Result<Response, Failure> {
    let visitor = page.visitor(signal.0);
    let choices = app.privity.choices(&visitor).await?;
    let told = Told::of(&app.privity, &choices, page.language(), Outcome::default());
    let mut response = Json(told).into_response();
    let kept = HeaderValue::from_static("public, max-age=60");
    response.headers_mut().insert(CACHE_CONTROL, kept);
    // A browser that sends the header gets another answer than one that doesn't.
    let by_signal = HeaderValue::from_static(domain::signal::GPC_HEADER);
    response
        .headers_mut()
        .append(axum::http::header::VARY, by_signal);
    Ok(response)
}

/// `POST /choices.json`: what a device was offered and chose. Any content type, since a page that closes can send only plain text.
pub(super) async fn take(
    State(app): Shared,
    client: ClientAddress,
    signal: Signalled,
    body: Bytes,
) -> Result<Response, Failure> {
    app.flood.admit(&client, app.privity.now())?;
    let sent: Sent = serde_json::from_slice(&body).map_err(|_| unreadable())?;
    sent.check()?;
    let mut visitor = sent.page.visitor(signal.0);
    visitor.device = sent.device.clone();
    visitor.pseudonyms.clone_from(&sent.pseudonyms);
    let outcome = if sent.choices.is_empty() {
        Outcome::default()
    } else {
        let chosen = sent.choices.iter().map(SentChoice::chosen).collect();
        let recorded = app.privity.choose(&visitor, chosen).await?;
        Outcome::of(&sent.choices, recorded)
    };
    let choices = app.privity.choices(&visitor).await?;
    let told = Told::of(&app.privity, &choices, sent.page.language(), outcome);
    Ok(Json(told).into_response())
}

fn unreadable() -> Problem {
    Problem::new(
        "unreadable",
        400,
        "this can't be read as choices; send what /privity.js sends",
    )
}

impl Page {
    fn visitor(&self, has_header: bool) -> Visitor {
        Visitor {
            signal: match (self.gpc || has_header, self.mark) {
                (true, _) => SignalOf::ThisPage,
                (false, true) => SignalOf::EarlierPage,
                (false, false) => SignalOf::Nobody,
            },
            law: self.law.clone(),
            place: self.site.clone().unwrap_or_else(|| "site".to_owned()),
            ..Visitor::default()
        }
    }

    fn language(&self) -> &str {
        self.lang.as_deref().unwrap_or("en")
    }
}

impl Sent {
    fn check(&self) -> Result<(), Problem> {
        if self.choices.len() > MOST_CHOICES {
            return Err(Problem::invalid(
                "choices",
                format!("at most {MOST_CHOICES} choices fit in one call"),
            ));
        }
        Ok(())
    }
}

impl SentChoice {
    fn chosen(&self) -> Chosen {
        Chosen {
            id: Some(self.id.clone()),
            purpose: Some(self.purpose.clone().into()),
            recipient: self.recipient.clone().map(Into::into),
            yes: self.yes,
            steps: if self.steps == 2 {
                Steps::Two
            } else {
                Steps::One
            },
            shown: self.shown.clone().map(|shown| ShownNotice {
                notice: shown.notice,
                version: shown.version,
                language: shown.language,
                digest: Some(shown.digest),
            }),
            by_guardian: false,
        }
    }
}

/// What became of the choices of a call.
#[derive(Default)]
struct Outcome {
    settled: Vec<String>,
    refused: Vec<Refused>,
}

impl Outcome {
    fn of(sent: &[SentChoice], recorded: Vec<Recorded>) -> Self {
        let mut outcome = Self::default();
        for (choice, recorded) in sent.iter().zip(recorded) {
            if let Recorded::Refused(problem) = recorded {
                if problem.status >= 500 {
                    continue;
                }
                outcome.refused.push(Refused {
                    id: choice.id.clone(),
                    title: problem.title,
                });
            }
            outcome.settled.push(choice.id.clone());
        }
        outcome
    }
}

impl Told {
    fn of(privity: &Privity, choices: &Choices<'_>, language: &str, outcome: Outcome) -> Self {
        let words = Words::of(language);
        let offered = choices.purposes.iter();
        let asked = offered.clone().filter(|offered| offered.ask);
        let mut link = Link {
            href: format!("{}/choices", privity.settings().base_url),
            text: words.link,
            icon: "",
        };
        if offered
            .clone()
            .any(|offered| offered.without_choice.allowed && offered.no)
        {
            link.icon = OPT_OUT_ICON;
        }
        Self {
            language: words.language,
            gpc: choices.signal,
            sells: choices.sells,
            ask: asked
                .map(|offered| offered.purpose.key.as_ref().to_owned())
                .collect(),
            purposes: offered
                .map(|offered| ToldPurpose::of(privity, offered, language, words))
                .collect(),
            gpp: gpp(&choices.gpp),
            link,
            words,
            settled: outcome.settled,
            refused: outcome.refused,
        }
    }
}

impl ToldPurpose {
    fn of(privity: &Privity, offered: &OfferedPurpose<'_>, language: &str, words: &Words) -> Self {
        let purpose = offered.purpose;
        let notice = offered.yes.and_then(|notice| text_for(notice, language));
        let titles = recipient_titles(privity, purpose);
        let refused = offered
            .recipients
            .iter()
            .filter(|recipient| !recipient.standing.allowed);
        Self {
            key: purpose.key.as_ref().to_owned(),
            title: purpose.title.in_language(language).to_owned(),
            text: purpose.description.in_language(language).to_owned(),
            who: if titles.is_empty() {
                String::new()
            } else {
                format!("{} {}", words.who, titles.join(", "))
            },
            notice: notice.as_ref().map(|(text, _)| (*text).clone()),
            shown: notice.map(|(_, shown)| shown),
            says: words.standing(&offered.standing),
            allowed: offered.standing.allowed,
            reason: offered.standing.reason.as_str(),
            chosen: said(&offered.standing),
            yes: offered.yes.is_some(),
            no: offered.no,
            twice: offered.twice,
            refused: refused.map(|recipient| recipient.key.to_string()).collect(),
        }
    }
}

/// The string, and the sections taken apart as `getSection` answers them: one object for each part.
fn gpp(gpp: &Gpp) -> Value {
    let sections: Map<String, Value> = gpp
        .sections()
        .map(|(id, section)| (id.to_string(), parts(section)))
        .collect();
    let ids: Vec<u16> = gpp.section_ids().map(|id| id.0).collect();
    let apis: Vec<String> = gpp
        .section_ids()
        .map(|id| format!("{}:{id}", id.0))
        .collect();
    // The state's own section is in force where there is one; -1 says that none is.
    let applicable = ids.last().map_or(-1, |id| i32::from(*id));
    json!({"string": gpp.to_string(), "ids": ids, "applicable": [applicable], "apis": apis, "sections": sections})
}

fn parts(section: &Section) -> Value {
    let mut parts: Vec<Map<String, Value>> = vec![Map::new()];
    for (name, value) in section.fields() {
        if name.ends_with("SegmentType") {
            parts.push(Map::new());
        }
        if let Some(part) = parts.last_mut() {
            part.insert(name.to_owned(), json!(value));
        }
    }
    parts.into_iter().map(Value::Object).collect()
}

const OPT_OUT_ICON: &str = r##"<svg width="30" height="14" viewBox="0 0 30 14" role="img" aria-label="California Consumer Privacy Act (CCPA) Opt-Out Icon" focusable="false"><rect x=".6" y=".6" width="28.8" height="12.8" rx="6.4" fill="#fff" stroke="#06f" stroke-width="1.2"/><path d="M17.2.6h5.8a6.4 6.4 0 0 1 0 12.8h-9.3z" fill="#06f"/><path d="m5.6 7.2 2.5 2.5 4.6-5.6" fill="none" stroke="#06f" stroke-width="1.5" stroke-linecap="round"/><path d="m19.4 4.6 4.8 4.8m0-4.8-4.8 4.8" fill="none" stroke="#fff" stroke-width="1.5" stroke-linecap="round"/></svg> "##;
