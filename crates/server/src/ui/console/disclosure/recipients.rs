//! Recipients: what each asked for and got in a while, whoever it was about, and by what keys and certificates they are known.

use axum::extract::State;
use axum::response::Response;
use governance::Privity;
use governance::disclosure::{KnownCredential, RecipientUse, by_recipient, credentials};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::super::super::{FormError, for_form, words};
use super::super::{Operator, Titles, zone};
use super::{FormWords, days, sale, show, shown_days};
use crate::Shared;
use crate::failure::Failure;
use crate::fields::Fields;

#[derive(Serialize)]
struct RecipientsPage {
    title: &'static str,
    tab: &'static str,
    error: Option<FormError>,
    days: String,
    since: Option<String>,
    uses: Vec<Use>,
    credentials: Vec<CredentialLine>,
}

#[derive(Serialize)]
struct Use {
    recipient: String,
    purpose: String,
    got: Vec<FormWords>,
    withheld: Option<String>,
    times: u64,
    answered: u64,
    sale: Option<&'static str>,
    consideration: Option<String>,
}

/// A key or certificate, without what opens anything.
#[derive(Serialize)]
struct CredentialLine {
    id: String,
    recipient: String,
    kind: &'static str,
    purposes: String,
    state: String,
    tone: &'static str,
    made: String,
}

/// `GET /console/disclosures/recipients`
pub(super) async fn page(
    State(app): Shared,
    operator: Operator,
    fields: Fields,
) -> Result<Response, Failure> {
    let p = &app.privity;
    let listed = credentials(p).await?;
    let titles = Titles(p);
    let mut page = RecipientsPage {
        title: "Recipients",
        tab: "recipients",
        error: None,
        days: shown_days(&fields),
        since: None,
        uses: Vec::new(),
        credentials: listed
            .iter()
            .map(|one| CredentialLine::of(&titles, &zone(p), p.now(), one))
            .collect(),
    };
    let status = match asked(p, &fields).await {
        Ok((since, uses)) => {
            page.since = Some(words::day(since));
            page.uses = uses.iter().map(|one| Use::of(&titles, one)).collect();
            200
        }
        Err(problem) => {
            let (error, status) = for_form(problem)?;
            page.error = Some(error);
            status
        }
    };
    Ok(show(
        &app,
        &operator,
        status,
        "console_recipients.html",
        &page,
    ))
}

async fn asked(
    p: &Privity,
    fields: &Fields,
) -> Result<(jiff::civil::Date, Vec<RecipientUse>), governance::Problem> {
    by_recipient(p, days(fields)?).await
}

impl Use {
    fn of(titles: &Titles<'_>, one: &RecipientUse) -> Self {
        let names = |keys: &std::collections::BTreeSet<String>| {
            let titles = keys.iter().map(|key| titles.attribute(key));
            titles.collect::<Vec<_>>().join(", ")
        };
        let got = one.got.iter().map(|(form, keys)| FormWords {
            form: form.clone(),
            attributes: names(keys),
        });
        Self {
            recipient: titles.recipient(&one.recipient),
            purpose: titles.purpose(&one.purpose),
            got: got.collect(),
            withheld: (!one.withheld.is_empty()).then(|| names(&one.withheld)),
            times: one.times,
            answered: one.answered,
            sale: sale(one.sold, one.shared),
            consideration: one.consideration.clone(),
        }
    }
}

impl CredentialLine {
    fn of(titles: &Titles<'_>, zone: &TimeZone, now: Timestamp, one: &KnownCredential) -> Self {
        let moment = |at| words::moment(at, zone);
        let (state, tone) = match (one.revoked_at, one.ends_at) {
            (Some(at), _) => (format!("revoked {}", moment(at)), ""),
            (None, Some(at)) if at <= now => (format!("ended {}", moment(at)), ""),
            (None, Some(at)) => (format!("until {}", moment(at)), "good"),
            (None, None) => ("until it is revoked".to_owned(), "good"),
        };
        let purposes = one.purposes.as_ref().map_or_else(
            || "every purpose that policies allow".to_owned(),
            |keys| {
                let titles = keys.iter().map(|key| titles.purpose(key));
                titles.collect::<Vec<_>>().join(", ")
            },
        );
        Self {
            id: one.id.to_string(),
            recipient: titles.recipient(&one.recipient),
            kind: match one.kind {
                "certificate" => "certificate",
                _ => "key",
            },
            purposes,
            state,
            tone,
            made: moment(one.created_at),
        }
    }
}

#[cfg(test)]
pub(crate) fn sample(is_empty: bool) -> impl Serialize {
    let got = FormWords {
        form: "keep".to_owned(),
        attributes: "E-mail address, First name".to_owned(),
    };
    let used = Use {
        recipient: "Sweet Leads <b>\" OR 1=1".to_owned(),
        purpose: "Sale to brokers".to_owned(),
        got: vec![got],
        withheld: Some("Birth date".to_owned()),
        times: 1_204,
        answered: 1_100,
        sale: Some("sold"),
        consideration: Some("2 cents a line".to_owned()),
    };
    let line = CredentialLine {
        id: "crd_01935f2e7c1a70008000000000000001".to_owned(),
        recipient: "Paper Mill".to_owned(),
        kind: "key",
        purposes: "every purpose that policies allow".to_owned(),
        state: "until it is revoked".to_owned(),
        tone: "good",
        made: "November 20, 2026, 9:00 am PST".to_owned(),
    };
    RecipientsPage {
        title: "Recipients",
        tab: "recipients",
        error: None,
        days: "90".to_owned(),
        since: Some("August 24, 2026".to_owned()),
        uses: if is_empty { Vec::new() } else { vec![used] },
        credentials: if is_empty { Vec::new() } else { vec![line] },
    }
}
