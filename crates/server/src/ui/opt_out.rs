//! Stop selling: one page, one click, no proof of identity, an answer at once (11 CCR 7004, 7026(d), 7060(b); Civ. Code 1798.135(c)).

use axum::extract::State;
use axum::response::Response;
use domain::data_map::IdentifierKind;
use domain::privacy_request::IntakeChannel;
use governance::privacy_request::intake::{self, Intake};
use governance::{Privity, Problem};
use serde::Serialize;

use super::choices::Signalled;
use super::{FormError, Frame, LawChoice, ask, for_form, law_choices, see};
use crate::border::ClientAddress;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::{Shared, secret};

/// All that an opt-out may carry: what finds her in the records, and where she lives.
const TAKEN: [&str; 3] = ["email", "phone", "law"];

#[derive(Serialize)]
pub(super) struct OptOutPage {
    title: &'static str,
    optional: bool,
    has_phone: bool,
    laws: Vec<LawChoice>,
    recipients: String,
    typed: Typed,
    error: Option<FormError>,
}

#[derive(Serialize, Default)]
struct Typed {
    email: String,
    phone: String,
}

/// `GET /opt-out`
pub(super) async fn page(State(app): Shared, signal: Signalled) -> Response {
    app.pages.render(
        "opt_out.html",
        &Frame::of(&app.privity).signalled(&app.privity, signal.0),
        &OptOutPage::of(&app.privity, &Fields::default(), None),
    )
}

/// `POST /opt-out`
pub(super) async fn send(
    State(app): Shared,
    client: ClientAddress,
    fields: Fields,
) -> Result<Response, Failure> {
    refuse_identity(&fields)?;
    let problem = match intake::receive(&app.privity, read(&app.privity, client, &fields)).await {
        Ok(received) => return Ok(see(&secret::tracker_path(&received.tracker))),
        Err(problem) => problem,
    };
    let (error, status) = for_form(problem)?;
    let page = OptOutPage::of(&app.privity, &fields, Some(error));
    Ok(app
        .pages
        .render_with(status, "opt_out.html", &Frame::of(&app.privity), &page))
}

/// An opt-out must not ask who she is, so the form can't even carry it.
pub(crate) fn refuse_identity(fields: &Fields) -> Result<(), Problem> {
    if fields.names().iter().all(|name| TAKEN.contains(name)) {
        return Ok(());
    }
    Err(Problem::new(
        "identity_not_asked",
        400,
        "stopping the sale of data needs no proof of who you are: send an e-mail address or a phone number so that we find you, and nothing else",
    ))
}

fn read(privity: &Privity, client: ClientAddress, fields: &Fields) -> Intake {
    let phone = IdentifierKind("phone".to_owned());
    let locate = [(IdentifierKind::email(), "email"), (phone, "phone")];
    Intake::OptOut {
        law: fields.text("law").map(str::to_owned),
        locate: locate
            .into_iter()
            .filter_map(|(kind, name)| Some((kind, fields.sensitive(name)?)))
            .collect(),
        language: privity.settings().business.language.clone(),
        channel: IntakeChannel::PrivacyCenter,
        address: client.0,
    }
}

impl OptOutPage {
    fn of(privity: &Privity, fields: &Fields, error: Option<FormError>) -> Self {
        let has_phone = ask::identifier_kinds(privity)
            .iter()
            .any(|kind| kind.0 == "phone");
        let sold = privity
            .map()
            .recipients
            .values()
            .filter(|recipient| recipient.sold || recipient.shared);
        Self {
            title: "Stop selling my data",
            optional: has_phone,
            has_phone,
            laws: law_choices(privity, &["opt_out_sale_share"], fields.text("law")),
            recipients: listed(sold.map(|recipient| recipient.title.clone()).collect()),
            typed: Typed {
                email: fields.typed("email"),
                phone: fields.typed("phone"),
            },
            error,
        }
    }
}

/// A, B and C; empty when there are too many to read.
fn listed(mut names: Vec<String>) -> String {
    if names.len() > 4 {
        return String::new();
    }
    match names.pop() {
        Some(last) if !names.is_empty() => format!("{} and {last}", names.join(", ")),
        Some(only) => only,
        None => String::new(),
    }
}

#[cfg(test)]
impl OptOutPage {
    pub(super) fn sample() -> Self {
        let recipients = listed(vec!["Bright Ads".to_owned(), "Crumb Insights".to_owned()]);
        Self {
            title: "Stop selling my data",
            optional: true,
            has_phone: true,
            laws: LawChoice::samples(),
            recipients,
            typed: Typed::default(),
            error: None,
        }
    }
}
