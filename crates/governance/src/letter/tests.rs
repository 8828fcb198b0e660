//! Every letter under every law, whole and with each of its fields taken away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::collections::BTreeSet;

use domain::law::{ReasonKind, Received};
use domain::privacy_request::{Clock, IntakeChannel, RequestKind, RequestState};
use domain::recipient::RecipientRole;

use super::*;

const SENDER: Sender<'static> = Sender {
    business: "Hearth & Crumb",
    contact: Some("privacy@hearth.example"),
    privacy_policy: Some("https://hearth.example/privacy"),
};
const LINK: &str = "https://privacy.hearth.example/requests/abc";
/// Rows that no message of this version has to carry, and the issue that will send it.
const LATER: [(&str, u8); 11] = [
    ("correct_done", 3),
    ("correct_denied", 3),
    ("processor_correct_notice", 3),
    ("processor_limit_notice", 3),
    ("processor_admt_notice", 4),
    ("minor_opt_in_done", 3),
    ("state_appeal_denied", 3),
    ("notice_at_collection", 3),
    ("notice_financial_incentive", 3),
    ("notice_right_to_limit", 3),
    ("notice_right_to_opt_out", 3),
];

fn book() -> LawBook {
    crate::law::load(None).unwrap()
}

/// All laws of the book are in force on this day.
fn today() -> Date {
    "2028-06-01".parse().unwrap()
}

/// One privacy request for each law and kind that can be asked for.
fn requests(book: &LawBook) -> Vec<PrivacyRequest> {
    let mut requests = Vec::new();
    for law in book.laws() {
        for kind in RequestKind::ALL {
            let Ok(clocks) = book.due(&law.key, kind.as_str(), &Received::Date(today())) else {
                continue;
            };
            requests.push(PrivacyRequest {
                id: domain::id::RequestId::from_uuid(uuid::Uuid::nil()),
                kind,
                law: clocks.law.clone(),
                state: RequestState::Verified,
                waiting: None,
                channel: IntakeChannel::Api,
                language: "en".to_owned(),
                received_at: "2028-06-01T12:00:00Z".parse().unwrap(),
                clock: Clock {
                    received_on: clocks.received_on,
                    ack_by: clocks.ack_by,
                    respond_by: clocks.respond_by,
                    max_with_extension: clocks.max_with_extension,
                    extended_to: None,
                },
                closed_at: None,
                version: 1,
            });
        }
    }
    requests
}

/// Every letter that can be sent about it.
fn drafts(book: &LawBook, request: &PrivacyRequest) -> Vec<Draft> {
    let (kind, reference) = (request.kind, request.id.to_string());
    let mut drafts = vec![receipt(
        &SENDER,
        kind,
        &reference,
        &request.clock,
        Some("A person decides."),
        LINK,
    )];
    if kind.needs_verification() {
        drafts.push(code(&SENDER, request, "123456", 30, LINK));
        drafts.push(unverified(&SENDER, request));
    }
    if let Some(until) = request.clock.max_with_extension {
        drafts.push(extended(
            &SENDER,
            &reference,
            "fourteen systems",
            until,
            LINK,
        ));
    }
    let denials = book.reasons().iter();
    let denials = denials.filter(|reason| reason.kind == ReasonKind::Denial);
    drafts
        .extend(denials.map(|reason| denied(&SENDER, kind, &reference, reason, "the facts", LINK)));
    drafts.extend(last(request));
    drafts
}

fn last(request: &PrivacyRequest) -> Vec<Draft> {
    let reference = request.id.to_string();
    let told = vec!["Flour & Co".to_owned()];
    let untold = [UntoldLine {
        recipient: "Salt & Co".to_owned(),
        facts: "their server is gone".to_owned(),
    }];
    let kept = [KeptLine {
        what: "Invoices (2)".to_owned(),
        explanation: "tax law wants them for seven years".to_owned(),
        code: "D8_legal_obligation".to_owned(),
        basis: "A law obliges us to keep it, Civ. Code 1798.105(d)(8)".to_owned(),
    }];
    match request.kind {
        RequestKind::Delete => vec![
            deleted(&SENDER, &reference, &[], &[], &[], LINK),
            deleted(&SENDER, &reference, &kept, &told, &[], LINK),
            deleted(&SENDER, &reference, &kept, &told, &untold, LINK),
            deleted(&SENDER, &reference, &[], &[], &untold, LINK),
        ],
        RequestKind::OptOutSaleShare => vec![
            opted_out(&SENDER, &reference, &[], &[], LINK),
            opted_out(&SENDER, &reference, &told, &untold, LINK),
        ],
        RequestKind::KnowCategories | RequestKind::KnowSpecific => vec![
            package_ready(&SENDER, request, None, 14, LINK),
            package_ready(&SENDER, request, Some(today()), 14, LINK),
        ],
    }
}

fn demanded<'b>(book: &'b LawBook, request: &PrivacyRequest, draft: &Draft) -> Vec<&'b Message> {
    book.messages_for(
        &request.law,
        request.kind.as_str(),
        draft.reason.as_deref(),
        &draft.occasions,
    )
}

#[test]
fn every_letter_under_every_law_holds_what_the_law_demands() {
    let book = book();
    let requests = requests(&book);
    assert!(requests.len() > 80, "{}", requests.len());
    let (mut letters, mut carried) = (0, BTreeSet::new());
    for request in &requests {
        for draft in drafts(&book, request) {
            carried.extend(
                demanded(&book, request, &draft)
                    .iter()
                    .map(|m| m.message.clone()),
            );
            let title = draft.title;
            draft
                .complete(&book, request, today())
                .unwrap_or_else(|lacking| {
                    panic!("{} {:?} `{title}`: {lacking}", request.law, request.kind)
                });
            letters += 1;
        }
        for role in [RecipientRole::ServiceProvider, RecipientRole::ThirdParty] {
            let fields = ["consumer_key", "action", "deadline", "pass_on_instruction"];
            complete_outreach(&book, request, role, &fields).unwrap();
        }
    }
    assert!(letters > 500, "{letters}");
    // A row that is new, or that no letter carries any more, shows here.
    let told = [Occasion::ProcessorTold, Occasion::ThirdPartyTold];
    let expected: BTreeSet<String> = book
        .messages()
        .iter()
        .filter(|message| !LATER.iter().any(|(key, _)| *key == message.message))
        .filter(|message| !message.occasions.iter().any(|one| told.contains(one)))
        .map(|message| message.message.clone())
        .collect();
    assert_eq!(carried, expected);
}

#[test]
fn a_row_is_either_sent_now_or_named_with_its_issue() {
    let book = book();
    for message in book.messages() {
        let later = LATER.iter().any(|(key, _)| *key == message.message);
        assert_eq!(
            message.occasions.is_empty(),
            later,
            "`{}` needs either occasions or a place in the table of later issues",
            message.message
        );
    }
}

#[test]
fn a_letter_without_one_of_its_fields_is_never_made() {
    let book = book();
    let mut refused = 0;
    for request in requests(&book) {
        for draft in drafts(&book, &request) {
            let fields: BTreeSet<String> = demanded(&book, &request, &draft)
                .iter()
                .flat_map(|message| message.fields.clone())
                .collect();
            // What is made from law data and settings is taken away there, in the tests below.
            let made = ["how_to_appeal", "complaint_to_authority", "judicial_remedy"];
            for field in fields
                .iter()
                .filter(|field| !made.contains(&field.as_str()))
            {
                for change in [
                    None,
                    Some(String::new()),
                    Some(" \n".to_owned()),
                    Some("not in the text".to_owned()),
                ] {
                    let mut draft = draft.clone();
                    let key = *draft
                        .given
                        .keys()
                        .find(|key| **key == field.as_str())
                        .unwrap();
                    match change {
                        None => drop(draft.given.remove(key)),
                        Some(words) => drop(draft.given.insert(key, words)),
                    }
                    let lacking = draft.complete(&book, &request, today()).err();
                    assert_eq!(&lacking.expect(field).field, field);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}

fn of(book: &LawBook, law: &str, kind: RequestKind) -> PrivacyRequest {
    let mut requests = requests(book).into_iter();
    requests
        .find(|request| request.law == law && request.kind == kind)
        .unwrap()
}

#[test]
fn an_operator_reads_which_field_is_missing_by_which_law_and_what_to_do() {
    let book = book();
    let request = of(&book, "ccpa", RequestKind::KnowCategories);
    let sender = Sender {
        privacy_policy: None,
        ..SENDER
    };
    let lacking = unverified(&sender, &request)
        .complete(&book, &request, today())
        .err()
        .unwrap();
    assert_eq!(
        lacking.to_string(),
        "what was to be sent lacks `link_to_privacy_policy`, which 11 CCR 7024(a)-(b) demands (`unverified_know` in law/messages.yaml): set `business.privacy_policy` and try again"
    );
    let delete = of(&book, "ccpa", RequestKind::Delete);
    assert!(
        unverified(&sender, &delete)
            .complete(&book, &delete, today())
            .is_ok()
    );
}

#[test]
fn a_refusal_says_how_to_appeal_where_the_law_gives_an_appeal() {
    let book = book();
    let reason = book.reason("fraudulent").unwrap();
    let request = of(&book, "vcdpa", RequestKind::Delete);
    let refusal = |sender: &Sender<'_>, request: &PrivacyRequest| {
        denied(sender, request.kind, "req_1", reason, "the facts", LINK).complete(
            &book,
            request,
            today(),
        )
    };
    let letter = refusal(&SENDER, &request).ok().unwrap();
    let text = letter.text.expose();
    assert!(
        text.contains("You can appeal against this: write to privacy@hearth.example"),
        "{text}"
    );
    assert!(text.contains("We answer within 60 days."), "{text}");
    assert!(text.contains("Attorney General of Virginia"), "{text}");
    let silent = Sender {
        contact: None,
        ..SENDER
    };
    assert_eq!(
        refusal(&silent, &request).err().unwrap().field,
        "how_to_appeal"
    );
    let utah = of(&book, "ucpa", RequestKind::Delete);
    let letter = refusal(&silent, &utah).ok().unwrap();
    assert!(!letter.text.expose().contains("appeal"));
}

#[test]
fn a_refusal_under_the_gdpr_names_the_authority_and_the_court() {
    let book = book();
    let reason = book.reason("manifestly_unfounded").unwrap();
    let request = of(&book, "gdpr", RequestKind::KnowSpecific);
    let letter = denied(&SENDER, request.kind, "req_1", reason, "the facts", LINK)
        .complete(&book, &request, today())
        .ok()
        .unwrap();
    let text = letter.text.expose();
    assert!(
        text.contains("authority for data protection where you live"),
        "{text}"
    );
    assert!(text.contains("You can go to court."), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let shipped = include_str!("../../../../law/regulators.yaml");
    let moved = shipped
        .replace("[ca_shine, ca_breach, ", "[ca_shine, ")
        .replace("laws: [gdpr]", "laws: [ca_breach]");
    std::fs::write(folder.path().join("regulators.yaml"), moved).unwrap();
    let without = crate::law::load(Some(folder.path())).unwrap();
    let lacking = denied(&SENDER, request.kind, "req_1", reason, "the facts", LINK)
        .complete(&without, &request, today())
        .err()
        .unwrap();
    assert_eq!(lacking.field, "complaint_to_authority");
    assert!(lacking.to_string().contains("law/regulators.yaml"));
}

#[test]
fn a_third_party_that_is_not_told_to_pass_it_on_is_not_told() {
    let book = book();
    let request = of(&book, "ccpa", RequestKind::OptOutSaleShare);
    let fields = ["consumer_key", "action", "deadline"];
    let third = complete_outreach(&book, &request, RecipientRole::ThirdParty, &fields);
    assert_eq!(third.unwrap_err().field, "pass_on_instruction");
    let request = of(&book, "ccpa", RequestKind::Delete);
    let processor = RecipientRole::ServiceProvider;
    assert!(complete_outreach(&book, &request, processor, &fields).is_ok());
    assert_eq!(
        complete_outreach(&book, &request, processor, &["consumer_key", "action"])
            .unwrap_err()
            .field,
        "deadline"
    );
}

#[test]
fn a_recipient_that_was_not_reached_is_never_said_to_be_told() {
    let request = of(&book(), "ccpa", RequestKind::Delete);
    let draft = last(&request).remove(3);
    assert!(!draft.body.contains("was told"), "{}", draft.body);
    assert!(draft.body.contains("Salt & Co: their server is gone"));
}
