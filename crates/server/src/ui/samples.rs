//! Sample views, one for each face of each page; all of them are rendered in a test, and a browser checks the result.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;

use domain::data_map::KeepReason;
use domain::id::{Id, Noun};
use domain::outreach::{Answer, OutreachAction};
use domain::plan::{Kept, Plan, PlannedCollection};
use domain::privacy_request::{Clock, IntakeChannel, RequestKind, RequestState, Waiting};
use domain::recipient::{ChannelKind, RecipientRole, VerificationLevel};
use domain::task::{TaskKind, TaskState};
use governance::privacy_request::categories::Recorded;
use governance::view::*;
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use minijinja::value::{Serde, Value};

use super::tracker::{Look, Regulator, TrackerPage};
use super::{
    Contact, Frame, LawChoice, Pages, ask, choices, console, home, opt_out, outreach, recipients,
};

fn id<N: Noun>(number: u128) -> Id<N> {
    Id::from_uuid(uuid::Uuid::from_u128(
        0x0193_5f2e_7c1a_7000_8000_0000_0000_0000 + number,
    ))
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn look() -> Look<'static> {
    Look {
        now: at("2026-11-21T20:00:00Z"),
        zone: TimeZone::get("America/Los_Angeles").unwrap(),
        reason: Box::new(|_| {
            (
                "A law makes us keep it".to_owned(),
                Some("Civ. Code 1798.105(d)(8)".to_owned()),
            )
        }),
        category: Box::new(super::words::category),
        regulator: Some(Regulator {
            name: "California Privacy Protection Agency".to_owned(),
            url: Some("https://cppa.ca.gov/webapplications/complaint".to_owned()),
        }),
    }
}

fn clock() -> Clock {
    Clock {
        received_on: date(2026, 11, 21),
        ack_by: Some(date(2026, 12, 7)),
        respond_by: Some(date(2027, 1, 5)),
        max_with_extension: Some(date(2027, 2, 19)),
        extended_to: None,
    }
}

fn keep() -> KeepReason {
    KeepReason {
        code: "D8_legal_obligation".to_owned(),
        explanation: "tax law asks for invoices of the last 7 years".to_owned(),
    }
}

pub(super) fn listed() -> Vec<ListedRequest> {
    let line = |number, kind, state, waiting, days: i32, stuck| ListedRequest {
        id: id(number),
        kind,
        law: "ccpa".to_owned(),
        state,
        waiting,
        received_on: date(2026, 10, 5),
        due: Some(date(2026, 11, 19)),
        days_left: Some(days),
        stuck_tasks: stuck,
    };
    vec![
        line(
            0x1a2b_3c4d,
            RequestKind::Delete,
            RequestState::InProgress,
            Some(Waiting::Operator),
            -2,
            1,
        ),
        line(
            0x5e6f_7081,
            RequestKind::KnowSpecific,
            RequestState::Received,
            Some(Waiting::Verification),
            4,
            0,
        ),
        line(
            0x92a3_b4c5,
            RequestKind::Delete,
            RequestState::Verified,
            Some(Waiting::Approval),
            31,
            0,
        ),
        line(
            0xd6e7_f809,
            RequestKind::OptOutSaleShare,
            RequestState::InProgress,
            Some(Waiting::Recipients),
            12,
            0,
        ),
    ]
}

fn outreach_line(
    title: &str,
    level: VerificationLevel,
    answer: Option<Answer>,
    escalated: bool,
) -> OutreachLine {
    OutreachLine {
        id: id(7),
        recipient: "x".into(),
        title: title.to_owned(),
        role: RecipientRole::ThirdParty,
        sold_or_shared: title == "Crumb Insights",
        categories: BTreeSet::from([
            "user.contact.email".to_owned(),
            "user.behavior.purchase_history".to_owned(),
        ]),
        purpose: "market research about home bakers".to_owned(),
        channel: ChannelKind::Email,
        action: OutreachAction::Delete,
        level,
        required_level: VerificationLevel::Attested,
        settled: answer.is_some(),
        answered_at: answer.as_ref().map(|_| at("2026-11-23T18:00:00Z")),
        answer,
        sent_at: Some(at("2026-11-21T20:10:00Z")),
        reminders: 2,
        escalated,
        last_error: escalated
            .then(|| "`x` can't be reached: it answered 503; it is tried again".to_owned()),
    }
}

fn stages(names: &[(&'static str, &'static str)]) -> Vec<Stage> {
    names
        .iter()
        .map(|(name, progress)| Stage {
            name,
            progress,
            at: Some(at("2026-11-21T20:05:00Z")),
        })
        .collect()
}

fn system(title: &str, rows: u64, erased: u64, kept: u64, progress: &'static str) -> SystemLine {
    SystemLine {
        system: "shop".into(),
        title: title.to_owned(),
        rows,
        erased,
        kept,
        progress,
    }
}

fn tracker(kind: RequestKind, state: RequestState) -> Tracker {
    Tracker {
        id: id(0x1a2b_3c4d),
        kind,
        law: "ccpa".to_owned(),
        state,
        waiting: None,
        received_at: at("2026-11-21T20:00:00Z"),
        clock: clock(),
        days_left: Some(45),
        since: None,
        verification: None,
        stages: Vec::new(),
        systems: Vec::new(),
        recipients: Vec::new(),
        received: Vec::new(),
        kept: Vec::new(),
        reasons: Vec::new(),
        package: None,
    }
}

fn waiting_for_code() -> Tracker {
    let line = VerificationLine {
        expires_at: at("2026-11-21T20:30:00Z"),
        tries_left: 4,
        resend_from: at("2026-11-21T20:01:00Z"),
        sent: true,
    };
    let stages = stages(&[
        ("received", "done"),
        ("verified", "now"),
        ("searched", "later"),
        ("approved", "later"),
        ("erased", "later"),
        ("recipients_told", "later"),
        ("confirmed", "later"),
        ("closed", "later"),
    ]);
    Tracker {
        waiting: Some(Waiting::Verification),
        verification: Some(line),
        stages,
        ..tracker(RequestKind::Delete, RequestState::Received)
    }
}

fn under_way() -> Tracker {
    Tracker {
        stages: stages(&[
            ("received", "done"),
            ("verified", "done"),
            ("searched", "done"),
            ("approved", "done"),
            ("erased", "done"),
            ("recipients_told", "now"),
            ("confirmed", "failed"),
            ("closed", "later"),
        ]),
        systems: vec![
            system("Online shop", 48, 41, 7, "proven_gone"),
            system("Customer service desk", 3, 0, 0, "by_hand"),
            system("Newsletter", 0, 0, 0, "nothing_found"),
            system("Old till", 2, 0, 0, "failed"),
        ],
        recipients: vec![
            outreach_line(
                "Crumb Insights",
                VerificationLevel::Attested,
                Some(Answer::Done),
                false,
            ),
            outreach_line(
                "Parcel Post House",
                VerificationLevel::Signed,
                Some(Answer::Exception {
                    reason: "D8_legal_obligation".to_owned(),
                }),
                false,
            ),
            outreach_line("Bright Ads", VerificationLevel::Delivered, None, true),
        ],
        kept: vec![KeptLine {
            title: "Invoices".to_owned(),
            system: "Online shop".to_owned(),
            rows: 7,
            reason: keep(),
            citation: Some("Civ. Code 1798.105(d)(8)".to_owned()),
        }],
        ..tracker(RequestKind::Delete, RequestState::InProgress)
    }
}

fn recorded(recipient: &str, purpose: &str, times: u64, sold: bool) -> Recorded {
    let reason = "So that your parcel finds you.".to_owned();
    Recorded {
        recipient: recipient.to_owned(),
        purpose: purpose.to_owned(),
        attributes: vec!["E-mail".to_owned(), "First name".to_owned()],
        first_at: at("2025-05-02T20:00:00Z"),
        last_at: at("2026-11-20T20:00:00Z"),
        times,
        sold,
        shared: sold,
        reasons: if sold { Vec::new() } else { vec![reason] },
    }
}

fn opted_out() -> Tracker {
    Tracker {
        stages: stages(&[
            ("received", "done"),
            ("stopped", "done"),
            ("recipients_told", "now"),
            ("closed", "later"),
        ]),
        recipients: vec![outreach_line(
            "Crumb Insights",
            VerificationLevel::Sent,
            None,
            false,
        )],
        days_left: Some(5),
        ..tracker(RequestKind::OptOutSaleShare, RequestState::InProgress)
    }
}

fn copy_ready() -> Tracker {
    Tracker {
        stages: stages(&[
            ("received", "done"),
            ("verified", "done"),
            ("searched", "done"),
            ("package_ready", "done"),
            ("closed", "done"),
        ]),
        systems: vec![system("Online shop", 48, 0, 0, "found")],
        received: vec![
            recorded("Crumb Insights", "Sale to brokers", 1, true),
            recorded("Parcel Post House <b>\" OR 1=1", "Your orders", 41, false),
        ],
        package: Some(PackageLine {
            size_bytes: 183_200,
            expires_at: at("2026-12-05T20:00:00Z"),
            available: true,
        }),
        ..tracker(RequestKind::KnowSpecific, RequestState::Fulfilled)
    }
}

fn denied() -> Tracker {
    let reason = KeepReason {
        code: "unverified_identity".to_owned(),
        explanation: "the name and the address on the order are somebody else's".to_owned(),
    };
    Tracker {
        reasons: vec![reason],
        stages: stages(&[
            ("received", "done"),
            ("verified", "done"),
            ("closed", "failed"),
        ]),
        ..tracker(RequestKind::Delete, RequestState::Denied)
    }
}

fn task(kind: TaskKind, state: TaskState, target: &str, error: Option<&str>) -> TaskLine {
    let by_hand = kind == TaskKind::ManualWork;
    TaskLine {
        id: id(9),
        kind,
        target: target.to_owned(),
        state,
        attempts: 3,
        run_at: at("2026-11-21T21:00:00Z"),
        error: error.map(str::to_owned),
        due: by_hand.then(|| date(2026, 12, 1)),
        instructions: by_hand
            .then(|| "Look for her paper forms in the filing cabinet, and shred them.".to_owned()),
    }
}

fn planned(collection: &str, title: &str, rows: u64, delete: u64, kept: u64) -> PlannedCollection {
    PlannedCollection {
        collection: domain::data_map::CollectionKey::new("shop", collection),
        system: "shop".into(),
        title: title.to_owned(),
        rows,
        delete,
        redact: rows - delete - kept,
        kept: if kept > 0 {
            vec![Kept {
                rows: kept,
                reason: keep(),
            }]
        } else {
            Vec::new()
        },
        categories: BTreeSet::new(),
    }
}

/// A legal hold that an operator placed.
pub(super) fn held() -> HoldLine {
    HoldLine {
        id: Some(id(0x77)),
        name: "Recall of the rye flour".to_owned(),
        reason: KeepReason {
            code: "X8_legal_claims".to_owned(),
            explanation: "Needed to exercise or defend legal claims".to_owned(),
        },
        citation: Some("Civ. Code 1798.145(a)(5)".to_owned()),
        note: String::new(),
        covers: vec![
            ("shop.orders".into(), "Orders".to_owned()),
            ("shop.login".into(), "Logins".to_owned()),
        ],
        request: None,
        placed_by: Some("Robin".to_owned()),
        placed_at: Some(at("2026-11-20T20:00:00Z")),
        until: None,
        lifted_at: None,
        in_force: true,
    }
}

/// Legal holds of each kind.
pub(super) fn holds() -> Vec<HoldLine> {
    vec![
        HoldLine {
            id: None,
            name: "Tax audit of 2025".to_owned(),
            placed_by: None,
            placed_at: None,
            until: Some(date(2027, 6, 30)),
            ..held()
        },
        held(),
        HoldLine {
            name: "Smith <b>\" OR 1=1".to_owned(),
            note: "Ask legal <b>\" OR 1=1".to_owned(),
            request: Some(id(9)),
            ..held()
        },
        HoldLine {
            lifted_at: Some(at("2026-11-21T20:00:00Z")),
            in_force: false,
            ..held()
        },
    ]
}

pub(super) fn detail() -> RequestDetail {
    RequestDetail {
        listed: ListedRequest {
            state: RequestState::Verified,
            waiting: Some(Waiting::Approval),
            days_left: Some(6),
            ..listed().remove(0)
        },
        channel: IntakeChannel::PrivacyCenter,
        received_at: at("2026-11-21T20:00:00Z"),
        clock: clock(),
        citations: vec!["11 CCR 7021(a)".to_owned(), "11 CCR 7021(b)".to_owned()],
        plan: Some(Plan {
            made_at: at("2026-11-21T20:06:00Z"),
            collections: vec![
                planned("customer", "Customer records", 1, 0, 0),
                planned("orders", "Orders", 12, 5, 7),
                planned("login", "Logins", 35, 35, 0),
                planned("review", "Reviews", 0, 0, 0),
            ],
            manual: vec!["filing_cabinet".into()],
            disclosed: Vec::new(),
            held: BTreeSet::from(["shop.orders".into()]),
        }),
        holds: vec![
            HoldOnRequest {
                hold: held(),
                found: vec![("Orders".to_owned(), 12)],
                counted: true,
            },
            HoldOnRequest {
                hold: HoldLine {
                    name: "Smith <b>\" OR 1=1".to_owned(),
                    note: "Ask legal <b>\" OR 1=1".to_owned(),
                    ..held()
                },
                found: vec![("Logins".to_owned(), 35), ("Orders".to_owned(), 12)],
                counted: false,
            },
        ],
        attachments: vec![
            AttachmentLine {
                what: Attached::Note(id(7)),
                from: "Crumb Insights".to_owned(),
                media_type: "text/plain".to_owned(),
                size_bytes: None,
                at: at("2026-11-23T18:00:00Z"),
            },
            AttachmentLine {
                what: Attached::File(id(8)),
                from: "Filing cabinet".to_owned(),
                media_type: "application/pdf".to_owned(),
                size_bytes: Some(48_213),
                at: at("2026-11-24T18:00:00Z"),
            },
        ],
        residue: Some(Vec::new()),
        reasons: vec![keep()],
        tasks: vec![
            task(TaskKind::Plan, TaskState::Done, "", None),
            task(
                TaskKind::Erase,
                TaskState::Stuck,
                "Online shop",
                Some("the database refused the password; check `shop` in the data map"),
            ),
            task(
                TaskKind::ManualWork,
                TaskState::Ready,
                "Filing cabinet",
                None,
            ),
        ],
        outreach: vec![
            outreach_line(
                "Crumb Insights",
                VerificationLevel::Attested,
                Some(Answer::NotFound),
                false,
            ),
            outreach_line("Bright Ads", VerificationLevel::Sent, None, true),
        ],
        records: vec![RecordLine {
            sequence: 41,
            at: at("2026-11-21T20:06:00Z"),
            actor: "worker".to_owned(),
            action: "plan_made".to_owned(),
            details: serde_json::json!({"rows": 48}),
        }],
        possible: BTreeSet::from(["approve", "deny", "extend"]),
    }
}

impl LawChoice {
    pub(super) fn samples() -> Vec<Self> {
        let choice = |key: &str, words: &str, chosen| Self {
            key: key.to_owned(),
            words: words.to_owned(),
            chosen,
        };
        vec![
            choice("ccpa", "California (California Consumer Privacy Act)", true),
            choice(
                "gdpr",
                "European Union (General Data Protection Regulation)",
                false,
            ),
        ]
    }
}

fn frame(operator: Option<&str>) -> Frame {
    Frame {
        business: "Crumb & Co.".to_owned(),
        language: "en".to_owned(),
        contact: Some(Contact::of("privacy@crumb.example")),
        operator: operator.map(str::to_owned),
        signal: false,
    }
}

fn value<P: serde::Serialize>(page: P) -> Value {
    Value::from(Serde(page))
}

/// Every face of every page: file name and HTML.
fn all() -> Vec<(&'static str, String)> {
    let pages = Pages::built_in();
    let tracker = |view: &Tracker| TrackerPage::of(&look(), "/requests/0123abcd".to_owned(), view);
    let public = frame(None);
    let signalled = Frame {
        signal: true,
        ..frame(None)
    };
    let console = frame(Some("Robin"));
    let text = |template: &str, frame: &Frame, page: Value| {
        pages
            .text(template, frame, &page)
            .unwrap_or_else(|error| panic!("{template}: {error:#}"))
    };
    vec![
        (
            "home",
            text("home.html", &public, value(home::HomePage::sample())),
        ),
        (
            "ask_know",
            text("ask.html", &public, value(ask::AskPage::sample_know())),
        ),
        (
            "ask_delete_error",
            text(
                "ask.html",
                &public,
                value(ask::AskPage::sample_delete_with_error()),
            ),
        ),
        (
            "opt_out",
            text(
                "opt_out.html",
                &public,
                value(opt_out::OptOutPage::sample()),
            ),
        ),
        (
            "home_signal",
            text("home.html", &signalled, value(home::HomePage::sample())),
        ),
        (
            "choices",
            text(
                "choices.html",
                &public,
                value(choices::ChoicesPage::sample()),
            ),
        ),
        (
            "choices_said",
            text(
                "choices.html",
                &signalled,
                value(choices::ChoicesPage::sample_said()),
            ),
        ),
        (
            "choices_of_subject",
            text(
                "choices.html",
                &public,
                value(choices::ChoicesPage::sample_of_subject()),
            ),
        ),
        (
            "choices_of_guardian",
            text(
                "choices.html",
                &public,
                value(choices::ChoicesPage::sample_of_guardian()),
            ),
        ),
        (
            "choices_for_child_with_proofs",
            text(
                "choices.html",
                &public,
                value(choices::ChoicesPage::sample_for_child_with_proofs()),
            ),
        ),
        (
            "choices_for_child",
            text(
                "choices.html",
                &public,
                value(choices::ChoicesPage::sample_for_child()),
            ),
        ),
        (
            "recipients",
            text(
                "recipients.html",
                &public,
                value(recipients::RecipientsPage::sample()),
            ),
        ),
        (
            "tracker_code",
            text("tracker.html", &public, value(tracker(&waiting_for_code()))),
        ),
        (
            "tracker_under_way",
            text("tracker.html", &public, value(tracker(&under_way()))),
        ),
        (
            "tracker_opted_out",
            text("tracker.html", &public, value(tracker(&opted_out()))),
        ),
        (
            "tracker_copy_ready",
            text("tracker.html", &public, value(tracker(&copy_ready()))),
        ),
        (
            "tracker_denied",
            text("tracker.html", &public, value(tracker(&denied()))),
        ),
        (
            "outreach",
            text(
                "outreach.html",
                &public,
                value(outreach::OutreachPage::sample(None)),
            ),
        ),
        (
            "outreach_answered",
            text(
                "outreach.html",
                &public,
                value(outreach::OutreachPage::sample(Some(Answer::Done))),
            ),
        ),
        (
            "failure",
            text("failure.html", &public, value(crate::failure::sample())),
        ),
        (
            "console_sign_in",
            text(
                "console_sign_in.html",
                &public,
                value(console::samples::sign_in(true)),
            ),
        ),
        (
            "console_overview",
            text(
                "console_overview.html",
                &console,
                value(console::samples::overview(false)),
            ),
        ),
        (
            "console_overview_empty",
            text(
                "console_overview.html",
                &console,
                value(console::samples::overview(true)),
            ),
        ),
        (
            "console_list",
            text(
                "console_list.html",
                &console,
                value(console::samples::list(false)),
            ),
        ),
        (
            "console_list_empty",
            text(
                "console_list.html",
                &console,
                value(console::samples::list(true)),
            ),
        ),
        (
            "console_consents",
            text(
                "console_consents.html",
                &console,
                value(console::samples::consents(true)),
            ),
        ),
        (
            "console_consents_error",
            text(
                "console_consents.html",
                &console,
                value(console::samples::consents(false)),
            ),
        ),
        (
            "console_holds",
            text(
                "console_holds.html",
                &console,
                value(console::samples::holds(false)),
            ),
        ),
        (
            "console_holds_empty",
            text(
                "console_holds.html",
                &console,
                value(console::samples::holds(true)),
            ),
        ),
        (
            "console_identity",
            text(
                "console_identity.html",
                &console,
                value(console::samples::identity::list(false)),
            ),
        ),
        (
            "console_identity_empty",
            text(
                "console_identity.html",
                &console,
                value(console::samples::identity::list(true)),
            ),
        ),
        (
            "console_review",
            text(
                "console_review.html",
                &console,
                value(console::samples::identity::review(false)),
            ),
        ),
        (
            "console_review_compared",
            text(
                "console_review.html",
                &console,
                value(console::samples::identity::review(true)),
            ),
        ),
        (
            "console_review_answered",
            text(
                "console_review.html",
                &console,
                value(console::samples::identity::answered()),
            ),
        ),
        (
            "console_subject",
            text(
                "console_subject.html",
                &console,
                value(console::samples::identity::history()),
            ),
        ),
        (
            "console_policies",
            text(
                "console_policies.html",
                &console,
                value(console::samples::policy::policies(false)),
            ),
        ),
        (
            "console_policies_none",
            text(
                "console_policies.html",
                &console,
                value(console::samples::policy::policies(true)),
            ),
        ),
        (
            "console_policy_version",
            text(
                "console_policy_version.html",
                &console,
                value(console::samples::policy::version(false)),
            ),
        ),
        (
            "console_policy_version_active",
            text(
                "console_policy_version.html",
                &console,
                value(console::samples::policy::version(true)),
            ),
        ),
        (
            "console_policy_matrix",
            text(
                "console_policy_matrix.html",
                &console,
                value(console::samples::policy::matrix(false)),
            ),
        ),
        (
            "console_policy_matrix_anybody",
            text(
                "console_policy_matrix.html",
                &console,
                value(console::samples::policy::matrix(true)),
            ),
        ),
        (
            "console_policy_explain",
            text(
                "console_policy_explain.html",
                &console,
                value(console::samples::policy::explain(true)),
            ),
        ),
        (
            "console_policy_explain_error",
            text(
                "console_policy_explain.html",
                &console,
                value(console::samples::policy::explain(false)),
            ),
        ),
        (
            "console_disclosures",
            text(
                "console_disclosures.html",
                &console,
                value(console::samples::disclosure::disclosures(true)),
            ),
        ),
        (
            "console_disclosures_error",
            text(
                "console_disclosures.html",
                &console,
                value(console::samples::disclosure::disclosures(false)),
            ),
        ),
        (
            "console_recipients",
            text(
                "console_recipients.html",
                &console,
                value(console::samples::disclosure::recipients(false)),
            ),
        ),
        (
            "console_recipients_empty",
            text(
                "console_recipients.html",
                &console,
                value(console::samples::disclosure::recipients(true)),
            ),
        ),
        (
            "console_minimisation",
            text(
                "console_minimisation.html",
                &console,
                value(console::samples::disclosure::minimisation(false)),
            ),
        ),
        (
            "console_minimisation_clean",
            text(
                "console_minimisation.html",
                &console,
                value(console::samples::disclosure::minimisation(true)),
            ),
        ),
        (
            "console_request",
            text(
                "console_request.html",
                &console,
                value(console::samples::request(false)),
            ),
        ),
        (
            "console_request_revealed",
            text(
                "console_request.html",
                &console,
                value(console::samples::request(true)),
            ),
        ),
    ]
}

#[test]
fn every_page_renders_escaped_and_without_inline_script_or_style() {
    for (name, html) in all() {
        assert!(html.contains("</html>"), "{name} is not whole");
        assert!(
            !html.contains("<script>")
                && !html.contains(" style=\"")
                && !html.contains("javascript:"),
            "{name} has something inline that the policy of content forbids"
        );
        assert!(
            !html.contains(" onclick") && !html.contains("http-equiv=\"refresh\""),
            "{name} moves by itself"
        );
        assert!(
            html.contains("Crumb &amp; Co.") && !html.contains("Crumb & Co."),
            "{name} is not escaped"
        );
        assert!(
            !html.contains("<b>\" O"),
            "{name} shows what was typed as markup"
        );
    }
}

#[test]
fn words_between_backticks_are_set_as_code_and_stay_escaped() {
    let set = super::marked("`a<b>` goes out as `keep`").to_string();
    let code = "<span class=\"mono\">";
    assert_eq!(
        set,
        format!("{code}a&lt;b&gt;</span> goes out as {code}keep</span>")
    );
    assert_eq!(
        super::marked("one ` alone <i>").to_string(),
        "one ` alone &lt;i&gt;"
    );
    assert!(super::marked("`").is_safe());
}

#[test]
fn an_opt_out_asks_for_nothing_that_shows_who_she_is() {
    let (_, html) = all()
        .into_iter()
        .find(|(name, _)| *name == "opt_out")
        .unwrap();
    let names: Vec<&str> = html
        .split(" name=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| *name != "viewport" && *name != "referrer" && *name != "robots")
        .collect();
    assert_eq!(names, ["email", "phone", "law"]);
    assert!(!html.contains(" required"), "one click must be enough");
    assert_eq!(html.matches("<form").count(), 1);
}

#[test]
fn both_ways_out_of_a_choice_look_alike() {
    // 11 CCR 7004(a)(2): symmetry in choice. On the page where two ways stand beside each other, neither is smaller.
    let (_, html) = all()
        .into_iter()
        .find(|(name, _)| *name == "recipients")
        .unwrap();
    assert!(
        html.contains(r#"<a class="button" href="/opt-out">"#)
            && html.contains(r#"<a class="button" href="/ask/delete">"#)
    );
}

#[test]
fn yes_and_no_differ_in_nothing_but_their_word_and_neither_is_pressed_before_it_is_said() {
    let (_, html) = all()
        .into_iter()
        .find(|(name, _)| *name == "choices")
        .unwrap();
    let button = |word: &str| {
        format!(
            r#"<button class="plain" type="submit" name="choice" value="{}" aria-pressed="false">{word}</button>"#,
            word.to_lowercase()
        )
    };
    assert_eq!(html.matches(&button("No")).count(), 2);
    assert_eq!(html.matches(&button("Yes")).count(), 2);
    assert!(!html.contains(r#"aria-pressed="true""#) && !html.contains(" checked"));
}

#[test]
fn a_signal_is_seen_to_be_honoured_in_the_words_of_the_regulation() {
    for (name, html) in all() {
        let is_signalled = matches!(name, "home_signal" | "choices_said");
        assert_eq!(
            html.contains("Opt-Out Request Honored"),
            is_signalled,
            "{name}"
        );
    }
}

#[test]
fn sent_is_never_shown_as_done() {
    let (_, html) = all()
        .into_iter()
        .find(|(name, _)| *name == "tracker_opted_out")
        .unwrap();
    assert!(
        html.contains("Nothing proves yet that it arrived")
            || html.contains("nothing proves yet that it arrived"),
        "the level is not in words"
    );
    assert!(html.contains(r#"<span class="tag ">waiting</span>"#));
}

/// Writes all samples where the browser checks find them: `PRIVITY_SAMPLES=DIR cargo test -p server --lib samples`.
#[test]
fn all_pages_are_written_where_a_browser_can_check_them() {
    let Some(folder) = std::env::var_os("PRIVITY_SAMPLES") else {
        println!("the pages were not written: PRIVITY_SAMPLES names no folder");
        return;
    };
    let folder = std::path::PathBuf::from(folder);
    std::fs::create_dir_all(folder.join("static")).unwrap();
    std::fs::write(
        folder.join("static/style.css"),
        include_str!("../../static/style.css"),
    )
    .unwrap();
    std::fs::write(
        folder.join("static/favicon.svg"),
        include_str!("../../static/favicon.svg"),
    )
    .unwrap();
    for (name, html) in all() {
        std::fs::write(
            folder.join(format!("{name}.html")),
            html.replace("/static/", "static/"),
        )
        .unwrap();
    }
}
