//! Sample views of the choices: nothing said yet; and said, with a conflict, a confirmation, recipients and something wrong.

use domain::consent::{Conflict, Reason, Standing};
use governance::Problem;

use super::{Card, Choice, ChoicesPage, Line, Notice, Now, settled};
use crate::ui::FormError;

fn standing(reason: Reason, conflict: Option<Conflict>) -> Standing {
    Standing {
        allowed: matches!(reason, Reason::NotOptedOut | Reason::Consented),
        reason,
        rule: None,
        since: None,
        opposed: matches!(
            reason,
            Reason::OptedOut | Reason::Refused | Reason::Withdrawn | Reason::Signal
        ),
        until: None,
        may_ask_again: None,
        conflict,
    }
}

const OPEN: Choice = Choice {
    yes: true,
    no: true,
    said: None,
    twice: false,
    sure: false,
};

fn card(key: &str, title: &str, reason: Reason, choice: Choice) -> Card {
    Card {
        key: key.to_owned(),
        title: title.to_owned(),
        text: "Sweet Leads pays us for your e-mail address and for what you bought.".to_owned(),
        state: Now::of(&standing(reason, None)),
        because: vec!["Since November 21, 2026.".to_owned()],
        uses: "Contact email and Purchase history".to_owned(),
        to: "Sweet Leads".to_owned(),
        notice: Some(Notice {
            title: "May we sell your data to Sweet Leads?".to_owned(),
            body: "Sweet Leads sells it to advertisers. You can stop it here at any time."
                .to_owned(),
            key: "sale".to_owned(),
            version: 1,
            language: "en".to_owned(),
            digest: "0".repeat(64),
        }),
        choice,
        recipients: Vec::new(),
    }
}

fn line(key: &str, title: &str, reason: Reason, said: bool) -> Line {
    Line {
        key: key.to_owned(),
        title: title.to_owned(),
        state: Now::of(&standing(reason, None)),
        choice: Choice {
            said: Some(said),
            twice: true,
            ..OPEN
        },
    }
}

impl ChoicesPage {
    /// Before anything was said.
    pub(crate) fn sample() -> Self {
        let none = Choice {
            yes: false,
            no: false,
            ..OPEN
        };
        Self {
            title: "Your choices",
            path: "/choices".to_owned(),
            whose: "browser",
            proofs: String::new(),
            stoppable: true,
            for_child: false,
            said: None,
            error: None,
            purposes: vec![
                card(
                    "sale_to_brokers",
                    "Sale of your data",
                    Reason::NotOptedOut,
                    OPEN,
                ),
                card(
                    "personalisation",
                    "Recipes picked for you",
                    Reason::NoConsent,
                    OPEN,
                ),
            ],
            fixed: vec![card("fulfil_orders", "Your orders", Reason::NoChoice, none)],
        }
    }

    /// After a signal, a yes and a no, with a confirmation under way and something refused.
    pub(crate) fn sample_said() -> Self {
        let sold = Choice {
            yes: false,
            said: Some(false),
            ..OPEN
        };
        let mut stopped = card("sale_to_brokers", "Sale of your data", Reason::Signal, sold);
        stopped.state = Now::of(&standing(Reason::Signal, Some(Conflict::EarlierConsent)));
        stopped.because.push(settled(Conflict::EarlierConsent));
        let sure = Choice {
            said: Some(false),
            twice: true,
            sure: true,
            ..OPEN
        };
        let mut shared = card("sharing", "Advertising elsewhere", Reason::OptedOut, sure);
        shared.to = "Bright Ads and Crumb Insights".to_owned();
        shared.recipients = vec![
            line("bright_ads", "Bright Ads", Reason::Consented, true),
            line(
                "crumb_insights",
                "Crumb Insights <b>\" OR 1=1",
                Reason::OptedOut,
                false,
            ),
        ];
        let given = Choice {
            said: Some(true),
            ..OPEN
        };
        Self {
            stoppable: false,
            for_child: false,
            said: Some("Saved. It counts from now on."),
            error: Some(FormError::of(&Problem::invalid("choice", "say yes or no"))),
            purposes: vec![
                stopped,
                shared,
                card(
                    "personalisation",
                    "Recipes picked for you",
                    Reason::Consented,
                    given,
                ),
            ],
            ..Self::sample()
        }
    }

    /// A subject who has shown who she is, with a yes and a no.
    pub(crate) fn sample_of_subject() -> Self {
        Self {
            path: "/requests/abc/choices".to_owned(),
            whose: "subject",
            ..Self::sample_said()
        }
    }

    /// A guardian who was shown to be one: a yes can be said.
    pub(crate) fn sample_of_guardian() -> Self {
        let sale = card(
            "sale_to_brokers",
            "Sale of your data",
            Reason::GuardianNeeded,
            OPEN,
        );
        Self {
            path: "/choices/child/abc".to_owned(),
            whose: "guardian",
            purposes: vec![sale],
            ..Self::sample()
        }
    }

    /// A parent or guardian chooses in a browser, where the business has enabled ways to show that she is one.
    pub(crate) fn sample_for_child_with_proofs() -> Self {
        Self {
            proofs: "in a call with our trained staff, or face to face with our trained staff"
                .to_owned(),
            ..Self::sample_for_child()
        }
    }

    /// A parent or guardian chooses.
    pub(crate) fn sample_for_child() -> Self {
        let no = Choice { yes: false, ..OPEN };
        Self {
            for_child: true,
            purposes: vec![card(
                "sale_to_brokers",
                "Sale of your data",
                Reason::NotOptedOut,
                no,
            )],
            ..Self::sample()
        }
    }
}
