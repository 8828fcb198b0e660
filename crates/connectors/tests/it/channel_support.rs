//! What the tests of all channels need: a clock that stands still, an outreach, and words that hold no personal value.

use std::sync::Arc;

use connectors::{ChannelError, Notification, ReceivedAnswer, ReceivedData};
use domain::data_map::IdentifierKind;
use domain::id::{OutreachId, RequestId};
use domain::outreach::OutreachAction;
use domain::sensitive::Sensitive;
use domain::time::FixedClock;
use jiff::Timestamp;
use uuid::Uuid;

pub const EXTERNAL_ID: &str = "a7551968-d5d6-44b2-9831-815ac9017798";
pub const CALLBACK: &str = "https://shop.example/outreach/callback";

pub fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at(now()))
}

pub fn notification(action: OutreachAction) -> Notification {
    Notification {
        outreach: OutreachId::from_uuid(Uuid::from_u128(1)),
        request: RequestId::from_uuid(Uuid::from_u128(2)),
        external_id: EXTERNAL_ID.to_owned(),
        action,
        law: "ccpa".to_owned(),
        business: "Bread & Butter".to_owned(),
        identifiers: vec![
            (
                IdentifierKind::email(),
                Sensitive::new("Mia@Bakery.example".to_owned()),
            ),
            (
                IdentifierKind("customer_number".to_owned()),
                Sensitive::new("C-77<b>".to_owned()),
            ),
        ],
        received: vec![
            ReceivedData {
                attribute: Some("email".to_owned()),
                category: Some("user.contact.email".to_owned()),
                title: "E-mail <b>\naddress".to_owned(),
            },
            ReceivedData {
                attribute: None,
                category: Some("user.name".to_owned()),
                title: "Name".to_owned(),
            },
        ],
        due: Some("2026-12-05".parse().unwrap()),
        submitted_at: "2026-11-20T09:00:00Z".parse().unwrap(),
        answer_url: Sensitive::new(CALLBACK.to_owned()),
    }
}

pub fn received(headers: &[(&str, &str)], body: &[u8]) -> ReceivedAnswer {
    ReceivedAnswer {
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: Sensitive::new(body.to_vec()),
        url: CALLBACK.to_owned(),
        received_at: now(),
    }
}

/// The error's words and form; none of them may hold an identifier or a secret.
pub fn words(error: &ChannelError) -> String {
    let words = format!("{error} {error:?}");
    let lower = words.to_lowercase();
    assert!(
        !lower.contains("mia@")
            && !lower.contains("c-77")
            && !lower.contains("c2fvsbq")
            && !lower.contains("pass-word"),
        "{words}"
    );
    words
}
