//! Consents in the Console: how every purpose stands for somebody and why, everything that was chosen, and its records to take away.
//!
//! What finds her is sent in a body and hashed; addresses hold opaque ids. A business has to be able to show what was chosen, when, how and
//! on which words (11 CCR 7101; GDPR Art. 7(1)). Every look and every export is in the audit log.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::audit::Actor;
use domain::consent::{By, ConsentEvent, ConsentId, How, Matter, Party};
use domain::data_map::IdentifierKind;
use governance::consent::{History, PurposeStanding, RecordForm, StoredConsent, WantedRecord};
use governance::{Privity, Problem};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::choices::Words;
use super::super::{FormError, Frame, for_form, see, words};
use super::Operator;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::{App, Shared};

/// The kind under which a page's own id of somebody is hashed, as `/choices.json` and the API do.
const PSEUDONYM: &str = "pseudonym";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/console/consents", get(page).post(find))
        .route("/console/consents/records", get(records))
        .route("/console/consents/{id}/record", get(record))
}

#[derive(Serialize)]
struct ConsentsPage {
    title: &'static str,
    error: Option<FormError>,
    kinds: Vec<Kind>,
    found: Option<Found>,
}

/// What somebody can be found by.
#[derive(Serialize)]
struct Kind {
    key: String,
    words: String,
    chosen: bool,
}

#[derive(Serialize)]
struct Found {
    of: String,
    who: &'static str,
    purposes: Vec<PurposeLine>,
    choices: Vec<ChoiceLine>,
    linked: usize,
}

#[derive(Serialize)]
struct PurposeLine {
    title: String,
    state: &'static str,
    tone: &'static str,
    says: &'static str,
    since: Option<String>,
    again: Option<String>,
    citation: Option<String>,
    /// Recipients for which it stands otherwise.
    but: Vec<String>,
}

#[derive(Serialize)]
struct ChoiceLine {
    id: String,
    at: String,
    what: String,
    said: &'static str,
    tone: &'static str,
    by: String,
    how: &'static str,
    place: String,
    shown: Option<String>,
    /// Under which id, where it isn't the one that was asked about.
    under: Option<&'static str>,
    is_yes: bool,
}

#[derive(Deserialize, Default)]
struct Asking {
    of: Option<String>,
    form: Option<String>,
}

/// `GET /console/consents`
async fn page(
    State(app): Shared,
    operator: Operator,
    Query(asking): Query<Asking>,
) -> Result<Response, Failure> {
    let found = match asking.of.as_deref() {
        Some(of) => Some(look(&app.privity, &party(of)?, &operator).await?),
        None => None,
    };
    let page = ConsentsPage::of(&app.privity, "subject", None, found);
    Ok(show(&app, &operator, 200, &page))
}

/// `POST /console/consents`
async fn find(State(app): Shared, operator: Operator, fields: Fields) -> Result<Response, Failure> {
    match named(&app.privity, &fields).await {
        Ok(party) => Ok(see(&format!("/console/consents?of={}", text(&party)))),
        Err(problem) => {
            let (error, status) = for_form(problem)?;
            let chosen = fields.text("kind").unwrap_or_default();
            let page = ConsentsPage::of(&app.privity, chosen, Some(error), None);
            Ok(show(&app, &operator, status, &page))
        }
    }
}

/// `GET /console/consents/records`
async fn records(
    State(app): Shared,
    operator: Operator,
    Query(asking): Query<Asking>,
) -> Result<Response, Failure> {
    let party = party(asking.of.as_deref().unwrap_or_default())?;
    let by = Actor::Operator(operator.0.id);
    let wanted = wanted(asking.form.as_deref())?;
    let records = app.privity.consent_records(&party, &wanted, by).await?;
    Ok(file("consents", &Value::Array(records)))
}

/// `GET /console/consents/{id}/record`
async fn record(
    State(app): Shared,
    operator: Operator,
    Path(id): Path<String>,
    Query(asking): Query<Asking>,
) -> Result<Response, Failure> {
    let id: ConsentId = id.parse().map_err(|_| Problem::not_found("choice"))?;
    let by = Actor::Operator(operator.0.id);
    let wanted = wanted(asking.form.as_deref())?;
    let record = app.privity.consent_record(id, &wanted, by).await?;
    Ok(file(&id.to_string(), &record))
}

fn show(app: &App, operator: &Operator, status: u16, page: &ConsentsPage) -> Response {
    let frame = Frame::for_operator(&app.privity, &operator.0.name);
    app.pages
        .render_with(status, "console_consents.html", &frame, page)
}

fn file(name: &str, content: &Value) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.json\""),
        ),
    ];
    (headers, format!("{content:#}")).into_response()
}

fn wanted(form: Option<&str>) -> Result<WantedRecord, Problem> {
    let form = RecordForm::parse(form.unwrap_or("iso27560"));
    Ok(WantedRecord {
        form: form.ok_or_else(|| Problem::not_found("form of a record"))?,
        language: None,
        purpose: None,
        law: None,
    })
}

/// Whom the form names.
async fn named(privity: &Privity, fields: &Fields) -> Result<Party, Problem> {
    let Some(value) = fields.sensitive("value") else {
        return Err(Problem::invalid(
            "value",
            "type what the person or device is known by",
        ));
    };
    match fields.text("kind").unwrap_or_default() {
        "subject" => fields
            .text("value")
            .and_then(|id| id.parse().ok())
            .map(Party::Subject)
            .ok_or_else(|| {
                Problem::invalid("value", "this is not a subject’s id; it begins with `sub_`")
            }),
        "device" => Ok(Party::Device(privity.device_tag(&value))),
        PSEUDONYM => {
            let kind = IdentifierKind(PSEUDONYM.to_owned());
            Ok(Party::Pseudonym(privity.pseudonym_tag(&kind, &value)))
        }
        other => {
            let kind = IdentifierKind(other.to_owned());
            if !privity.identifier_kinds().contains(&kind) {
                return Err(Problem::invalid(
                    "kind",
                    "choose what the person or device is known by",
                ));
            }
            privity.party_of(&kind, &value).await
        }
    }
}

/// A party as an address holds it. None of its forms says who it is.
fn text(party: &Party) -> String {
    match party {
        Party::Subject(id) => format!("subject:{id}"),
        Party::Pseudonym(tag) => format!("pseudonym:{tag}"),
        Party::Device(tag) => format!("device:{tag}"),
    }
}

fn party(text: &str) -> Result<Party, Problem> {
    let found = match text.split_once(':') {
        Some(("subject", id)) => id.parse().ok().map(Party::Subject),
        Some(("pseudonym", tag)) => tag.parse().ok().map(Party::Pseudonym),
        Some(("device", tag)) => tag.parse().ok().map(Party::Device),
        _ => None,
    };
    found.ok_or_else(|| Problem::not_found("person or device"))
}

async fn look(privity: &Privity, party: &Party, operator: &Operator) -> Result<Found, Problem> {
    let by = Actor::Operator(operator.0.id);
    let (standings, history) = privity.look_at_consents(party, by).await?;
    let zone = super::zone(privity);
    let titles = Titles(privity);
    Ok(Found::of(&titles, &zone, party, &standings, &history))
}

/// Names of purposes, recipients and attributes, in the business's language.
pub(super) struct Titles<'p>(pub(super) &'p Privity);

impl Titles<'_> {
    pub(super) fn purpose(&self, key: &domain::purpose_of_use::PurposeKey) -> String {
        let language = &self.0.settings().business.language;
        let known = self.0.purposes().get(key);
        known.map_or_else(
            || key.as_ref().to_owned(),
            |purpose| purpose.title.in_language(language).to_owned(),
        )
    }

    pub(super) fn recipient(&self, key: &domain::data_map::RecipientKey) -> String {
        let known = self.0.map().recipients.get(key);
        known.map_or_else(|| key.to_string(), |recipient| recipient.title.clone())
    }

    pub(super) fn attribute(&self, key: &str) -> String {
        let schema = self.0.schema();
        let known = schema.and_then(|schema| schema.attribute_of(key));
        known.map_or_else(|| key.to_owned(), |rule| rule.title.clone())
    }
}

impl ConsentsPage {
    fn of(privity: &Privity, chosen: &str, error: Option<FormError>, found: Option<Found>) -> Self {
        let identifiers = privity.identifier_kinds().into_iter().map(|kind| {
            let words = words::label(&kind.0);
            (kind.0, words)
        });
        let fixed = [
            ("subject", "Subject’s id"),
            ("device", "Number of a browser or device"),
            (PSEUDONYM, "Your own pseudonymous id"),
        ];
        let fixed = fixed.map(|(key, words)| (key.to_owned(), words.to_owned()));
        let kind = |(key, words): (String, String)| Kind {
            chosen: key == chosen,
            key,
            words,
        };
        Self {
            title: "Consents",
            error,
            kinds: fixed.into_iter().chain(identifiers).map(kind).collect(),
            found,
        }
    }
}

impl Found {
    fn of(
        titles: &Titles<'_>,
        zone: &TimeZone,
        party: &Party,
        standings: &[PurposeStanding],
        history: &History,
    ) -> Self {
        let linked = history.linked.values().flatten();
        let mut stored: Vec<(&StoredConsent, bool)> = history
            .own
            .iter()
            .map(|stored| (stored, true))
            .chain(linked.map(|stored| (stored, false)))
            .collect();
        stored.sort_by_key(|(stored, _)| std::cmp::Reverse(stored.event.at));
        Self {
            of: text(party),
            who: who(party),
            purposes: standings
                .iter()
                .map(|one| PurposeLine::of(titles, zone, one))
                .collect(),
            choices: stored
                .into_iter()
                .map(|(stored, is_own)| ChoiceLine::of(titles, zone, &stored.event, is_own))
                .collect(),
            linked: history.linked.len(),
        }
    }
}

const fn who(party: &Party) -> &'static str {
    match party {
        Party::Subject(_) => "a known subject",
        Party::Pseudonym(_) => "somebody under a pseudonym",
        Party::Device(_) => "a browser or device",
    }
}

impl PurposeLine {
    fn of(titles: &Titles<'_>, zone: &TimeZone, one: &PurposeStanding) -> Self {
        let standing = &one.standing;
        let day = |at: jiff::Timestamp| words::day(at.to_zoned(zone.clone()).date());
        let other = one
            .recipients
            .iter()
            .filter(|recipient| recipient.standing.allowed != standing.allowed);
        let (state, tone) = words::used(standing.allowed);
        Self {
            title: titles.purpose(&one.purpose),
            state,
            tone,
            says: Words::of("en").standing(standing),
            since: standing.since.map(day),
            again: standing
                .may_ask_again
                .as_ref()
                .map(|again| words::day(again.from)),
            citation: one.citation.clone(),
            but: other
                .map(|recipient| titles.recipient(&recipient.recipient))
                .collect(),
        }
    }
}

impl ChoiceLine {
    fn of(titles: &Titles<'_>, zone: &TimeZone, event: &ConsentEvent, is_own: bool) -> Self {
        let (said, tone) = words::act(&event.act);
        let shown = event.act.shown().map(|shown| {
            format!(
                "{}, version {}, {}",
                shown.notice, shown.version, shown.language
            )
        });
        Self {
            id: event.id.to_string(),
            at: words::moment(event.at, zone),
            what: what(titles, event),
            said,
            tone,
            by: by(&event.by),
            how: how(event.how),
            place: event.place.clone(),
            shown,
            under: (!is_own).then(|| who(&event.party)),
            is_yes: event.act.assent().is_some(),
        }
    }
}

fn what(titles: &Titles<'_>, event: &ConsentEvent) -> String {
    let of = match &event.scope.of {
        Matter::Purpose(key) => titles.purpose(key),
        Matter::Every(_) => {
            "Everything that is sold, shared or used for targeted advertising".to_owned()
        }
    };
    match &event.scope.recipient {
        Some(recipient) => format!("{of}, for {}", titles.recipient(recipient)),
        None => of,
    }
}

fn by(by: &By) -> String {
    match by {
        By::Subject => "herself",
        By::Guardian { proof: Some(_) } => "a parent or guardian, who was shown to be one",
        By::Guardian { proof: None } => "a parent or guardian",
        By::Agent {
            power_of_attorney: true,
        } => "an agent with a power of attorney",
        By::Agent { .. } => "an agent",
        By::Signal { .. } => "her browser’s signal",
    }
    .to_owned()
}

const fn how(how: How) -> &'static str {
    match how {
        How::Told(way) => way.as_str(),
        How::Api => "api",
        How::Header => "header",
        How::Imported => "imported",
    }
}

#[cfg(test)]
pub(super) fn sample(is_found: bool) -> impl Serialize {
    let kind = |key: &str, words: &str, chosen| Kind {
        key: key.to_owned(),
        words: words.to_owned(),
        chosen,
    };
    let purpose = |title: &str, is_used| {
        let (state, tone) = words::used(is_used);
        PurposeLine {
            title: title.to_owned(),
            state,
            tone,
            says: "Now: not used, because you opted out.",
            since: Some("November 21, 2026".to_owned()),
            again: Some("November 21, 2027".to_owned()),
            citation: Some("Civ. Code 1798.120(a)".to_owned()),
            but: vec!["Crumb <b>\" OR 1=1".to_owned()],
        }
    };
    let (said, tone) = words::act(&domain::consent::Act::OptedOut { shown: None });
    let choice = |by: &str, under| ChoiceLine {
        id: "cns_0193_5f2e".to_owned(),
        at: "November 21, 2026, 12:00 pm PST".to_owned(),
        what: "Sale of your data, for Sweet Leads".to_owned(),
        said,
        tone,
        by: by.to_owned(),
        how: "web",
        place: "shop".to_owned(),
        shown: Some("sale, version 1, en".to_owned()),
        under,
        is_yes: true,
    };
    let found = Found {
        of: format!("device:{}", "0".repeat(32)),
        who: "a browser or device",
        purposes: vec![
            purpose("Sale of your data", false),
            purpose("Newsletter", true),
        ],
        choices: vec![
            choice("herself", None),
            choice("her browser’s signal", Some("a known subject")),
        ],
        linked: 1,
    };
    let problem = Problem::invalid("value", "this is not a subject’s id; it begins with `sub_`");
    ConsentsPage {
        title: "Consents",
        error: (!is_found).then(|| FormError::of(&problem)),
        kinds: vec![
            kind("subject", "Subject’s id", true),
            kind("email", "E-mail address", false),
        ],
        found: is_found.then_some(found),
    }
}
