//! Who has it: everyone outside the business who gets customers' data, taken from the data map (Civ. Code 1798.110(c), 1798.115).

use axum::extract::State;
use axum::response::Response;
use domain::recipient::{Recipient, RecipientRole};
use governance::Privity;
use serde::Serialize;

use super::{Frame, words};
use crate::Shared;

#[derive(Serialize)]
pub(super) struct RecipientsPage {
    title: &'static str,
    recipients: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    title: String,
    how: &'static str,
    sold_or_shared: bool,
    purpose: String,
    categories: String,
}

/// `GET /recipients`
pub(super) async fn page(State(app): Shared) -> Response {
    app.pages.render(
        "recipients.html",
        &Frame::of(&app.privity),
        &RecipientsPage::of(&app.privity),
    )
}

impl RecipientsPage {
    fn of(privity: &Privity) -> Self {
        let outside = privity
            .map()
            .recipients
            .values()
            .filter(|recipient| recipient.effective_role() != RecipientRole::Internal);
        let mut recipients: Vec<Line> = outside
            .map(|recipient| Line::of(privity, recipient))
            .collect();
        // Who bought it comes first: that is what she came for.
        recipients.sort_by_key(|line| !line.sold_or_shared);
        Self {
            title: "Who gets your data",
            recipients,
        }
    }
}

impl Line {
    fn of(privity: &Privity, recipient: &Recipient) -> Self {
        let title = |key: &String| {
            privity
                .law()
                .category(key)
                .map_or_else(|| words::category(key), |category| category.title.clone())
        };
        Self {
            title: recipient.title.clone(),
            how: how(recipient),
            sold_or_shared: recipient.sold || recipient.shared,
            purpose: words::sentence(&recipient.purpose),
            categories: recipient
                .categories
                .iter()
                .map(title)
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

const fn how(recipient: &Recipient) -> &'static str {
    match (recipient.sold, recipient.shared, recipient.effective_role()) {
        (true, true, _) => "we sell it, and share it for advertising",
        (true, false, _) => "we sell it to them",
        (false, true, _) => "we share it for advertising",
        (false, false, RecipientRole::ServiceProvider | RecipientRole::Contractor) => {
            "works for us, may use it for that only"
        }
        (false, false, _) => "gets it to serve you",
    }
}

#[cfg(test)]
impl RecipientsPage {
    pub(super) fn sample() -> Self {
        let line = |title: &str, how, sold_or_shared, purpose: &str, categories: &str| Line {
            title: title.to_owned(),
            how,
            sold_or_shared,
            purpose: purpose.to_owned(),
            categories: categories.to_owned(),
        };
        Self {
            title: "Who gets your data",
            recipients: vec![
                line(
                    "Crumb Insights",
                    "we sell it to them",
                    true,
                    "Market research about home bakers.",
                    "E-mail address, purchase history",
                ),
                line(
                    "Parcel Post House",
                    "works for us, may use it for that only",
                    false,
                    "Brings your orders to your door.",
                    "Name, postal address, phone number",
                ),
            ],
        }
    }
}
