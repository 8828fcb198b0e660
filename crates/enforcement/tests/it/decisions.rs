//! What is let out to whom, and that nothing else is.
#![allow(clippy::result_large_err, reason = "a denial is moved once")]

use std::collections::BTreeMap;

use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::IdentifierKind;
use domain::disclosure::{
    AttributeName, DisclosureRecipient, Facts, NeverDisclosed, OwnColumn, Purpose, Query,
    RecipientFacts, WithholdReason,
};
use domain::id::OperatorId;
use domain::privacy_request::{RequestKind, RequestState};
use domain::recipient::RecipientRole;
use domain::row::{FoundRow, JsonValue};
use domain::sensitive::Sensitive;
use enforcement::{DenialReason, decide, release};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use crate::log::{CONTACT, appended, attribute, facts, field, query, recorded, request};

fn access(attributes: Vec<domain::disclosure::Attribute>) -> Query {
    query(
        Purpose::GiveAccess,
        DisclosureRecipient::Subject,
        attributes,
    )
}

fn approved() -> Facts {
    facts(RequestKind::KnowSpecific, RequestState::InProgress)
}

fn email() -> domain::disclosure::Attribute {
    attribute(field("shop.customer.email"), "user.contact.email")
}

fn found(values: &[(&str, serde_json::Value)]) -> FoundRow {
    let values = values
        .iter()
        .map(|(name, value)| ((*name).into(), Sensitive::new(JsonValue(value.clone()))));
    FoundRow {
        collection: "shop.customer".into(),
        values: values.collect(),
    }
}

#[test]
fn a_subject_who_has_not_shown_who_she_is_gets_nothing() {
    for kind in RequestKind::ALL {
        for state in RequestState::ALL {
            let answer = decide(&access(vec![email()]), &facts(kind, state));
            let given = kind == RequestKind::KnowSpecific
                && matches!(
                    state,
                    RequestState::InProgress
                        | RequestState::Fulfilled
                        | RequestState::PartlyFulfilled
                );
            assert_eq!(answer.is_ok(), given, "{kind:?} {state:?}");
        }
    }
}

#[test]
fn who_asked_for_categories_gets_the_answer_made_of_them_and_nothing_from_a_source_system() {
    let facts = facts(RequestKind::KnowCategories, RequestState::Fulfilled);
    let answer = || {
        let content = OwnColumn {
            table: "access_package",
            column: "content",
        };
        attribute(AttributeName::Own(content), "user.contact.email")
    };
    assert!(decide(&access(vec![answer()]), &facts).is_ok());
    for attributes in [vec![email()], vec![answer(), email()]] {
        let denied = decide(&access(attributes), &facts);
        assert_eq!(denied.unwrap_err().reason(), DenialReason::WrongKind);
    }
}

#[test]
fn each_purpose_is_open_to_its_own_recipient_and_to_no_other() {
    let recipients = [
        DisclosureRecipient::Subject,
        DisclosureRecipient::SourceSystem("shop".into()),
        DisclosureRecipient::Recipient("mail_house".into(), RecipientRole::ServiceProvider),
        DisclosureRecipient::Operator(OperatorId::from_uuid(uuid::Uuid::from_u128(1))),
        DisclosureRecipient::Nobody,
    ];
    let mut open = Vec::new();
    for purpose in Purpose::ALL {
        for recipient in &recipients {
            let own = domain::disclosure::Attribute {
                identifier: Some(IdentifierKind::email()),
                ..attribute(AttributeName::Own(CONTACT), "user.contact.email")
            };
            let query = query(purpose, recipient.clone(), vec![own]);
            let anywhere = RequestKind::ALL
                .into_iter()
                .flat_map(|kind| RequestState::ALL.map(|state| (kind, state)));
            let answered = anywhere
                .filter(|(kind, state)| decide(&query, &told(facts(*kind, *state))).is_ok())
                .count();
            if answered > 0 {
                open.push((
                    purpose.text(),
                    recipient.to_string().split(':').next().unwrap().to_owned(),
                    answered,
                ));
            }
        }
    }
    let expected = [
        ("answer_request", "source_system", 8),
        ("give_access", "subject", 3),
        ("inform_recipient", "recipient", 4),
        ("write_to_subject", "subject", 32),
        ("verify_identity", "source_system", 4),
        ("show_operator", "operator", 32),
        // Three kinds in the four states after the code.
        ("know_who_may_consent", "nobody", 12),
    ];
    assert_eq!(
        open,
        expected.map(|(purpose, recipient, count)| (purpose, recipient.to_owned(), count))
    );
}

fn told(facts: Facts) -> Facts {
    let recipient = RecipientFacts {
        key: "mail_house".into(),
        role: RecipientRole::ServiceProvider,
        known_by: [IdentifierKind::email()].into(),
    };
    Facts {
        recipient: Some(recipient),
        ..facts
    }
}

#[test]
fn an_opt_out_shows_nobody_to_be_the_subject_and_a_code_does() {
    let asked = query(
        Purpose::KnowWhoMayConsent,
        DisclosureRecipient::Nobody,
        vec![attribute(AttributeName::Own(CONTACT), "user.contact.email")],
    );
    let answer = |kind, state| decide(&asked, &facts(kind, state)).map(drop);
    assert_eq!(answer(RequestKind::Delete, RequestState::Verified), Ok(()));
    let reason = |kind, state| answer(kind, state).unwrap_err().reason();
    let opt_out = reason(RequestKind::OptOutSaleShare, RequestState::Verified);
    assert_eq!(opt_out, DenialReason::WrongKind);
    for state in [
        RequestState::Received,
        RequestState::Denied,
        RequestState::Withdrawn,
    ] {
        assert_eq!(reason(RequestKind::Delete, state), DenialReason::WrongState);
    }
    let found = query(
        Purpose::KnowWhoMayConsent,
        DisclosureRecipient::Nobody,
        vec![email()],
    );
    let verified = facts(RequestKind::Delete, RequestState::Verified);
    assert!(
        decide(&found, &verified).is_err(),
        "what a source system holds stays there"
    );
}

#[test]
fn a_recipient_gets_only_the_identifiers_by_which_it_knows_the_subject() {
    let facts = told(facts(RequestKind::Delete, RequestState::InProgress));
    let mail_house =
        || DisclosureRecipient::Recipient("mail_house".into(), RecipientRole::ServiceProvider);
    let with = |kind: Option<&str>| domain::disclosure::Attribute {
        identifier: kind.map(|kind| IdentifierKind(kind.into())),
        ..email()
    };
    let phone = domain::disclosure::Attribute {
        name: field("shop.customer.phone"),
        category: Some("user.contact.phone_number".into()),
        ..with(Some("phone"))
    };
    let name = domain::disclosure::Attribute {
        name: field("shop.customer.name"),
        category: Some("user.name".into()),
        ..with(None)
    };
    let permit = decide(
        &query(
            Purpose::InformRecipient,
            mail_house(),
            vec![with(Some("email")), phone, name],
        ),
        &facts,
    )
    .unwrap();
    assert_eq!(
        permit
            .allowed()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["shop.customer.email"]
    );
    let reasons: Vec<_> = permit.withheld().iter().map(|one| one.reason).collect();
    assert_eq!(
        reasons,
        [
            WithholdReason::RecipientDoesNotKnowIt,
            WithholdReason::NotForThisPurpose
        ]
    );

    let other = DisclosureRecipient::Recipient("broker".into(), RecipientRole::ThirdParty);
    let denial = decide(
        &query(Purpose::InformRecipient, other, vec![with(Some("email"))]),
        &facts,
    )
    .unwrap_err();
    assert_eq!(denial.reason(), DenialReason::WrongRecipient);
}

#[test]
fn a_recipient_whose_role_changed_since_the_facts_were_loaded_gets_nothing() {
    let facts = told(facts(RequestKind::Delete, RequestState::InProgress));
    let promoted = DisclosureRecipient::Recipient("mail_house".into(), RecipientRole::ThirdParty);
    let known = domain::disclosure::Attribute {
        identifier: Some(IdentifierKind::email()),
        ..email()
    };
    let denial = decide(
        &query(Purpose::InformRecipient, promoted, vec![known]),
        &facts,
    )
    .unwrap_err();
    assert_eq!(denial.reason(), DenialReason::WrongRecipient);
}

#[test]
fn operators_and_letters_use_what_the_subject_gave_and_nothing_that_was_found() {
    let operator =
        || DisclosureRecipient::Operator(OperatorId::from_uuid(uuid::Uuid::from_u128(1)));
    let shop = || DisclosureRecipient::SourceSystem("shop".into());
    let given = || attribute(AttributeName::Own(CONTACT), "user.contact.email");
    let cases = [
        (Purpose::ShowOperator, operator(), RequestState::Verified),
        (
            Purpose::WriteToSubject,
            DisclosureRecipient::Subject,
            RequestState::Received,
        ),
        (Purpose::VerifyIdentity, shop(), RequestState::Received),
    ];
    for (purpose, recipient, state) in cases {
        let permit = decide(
            &query(purpose, recipient, vec![given(), email()]),
            &facts(RequestKind::Delete, state),
        )
        .unwrap();
        assert_eq!(
            permit
                .allowed()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["own:privacy_request.contact"]
        );
        assert_eq!(
            permit.withheld()[0].reason,
            WithholdReason::NotForThisPurpose
        );
    }
    let behaviour = attribute(AttributeName::Own(CONTACT), "user.behavior");
    let letter = query(
        Purpose::WriteToSubject,
        DisclosureRecipient::Subject,
        vec![behaviour],
    );
    assert!(decide(&letter, &facts(RequestKind::Delete, RequestState::Received)).is_err());
}

#[test]
fn an_attribute_without_a_known_category_is_withheld() {
    let unknown = attribute(field("shop.customer.shoe_size"), "user.shoe_size");
    let unsaid = domain::disclosure::Attribute {
        category: None,
        ..attribute(field("shop.customer.note"), "user")
    };
    let permit = decide(&access(vec![email(), unknown.clone(), unsaid]), &approved()).unwrap();
    let reasons: Vec<_> = permit.withheld().iter().map(|one| one.reason).collect();
    assert_eq!(
        reasons,
        [WithholdReason::UnknownCategory, WithholdReason::NoCategory]
    );
    let denial = decide(&access(vec![unknown]), &approved()).unwrap_err();
    assert_eq!(
        (denial.reason(), denial.withheld().len()),
        (DenialReason::NothingPermitted, 1)
    );
    assert_eq!(
        decide(&access(Vec::new()), &approved())
            .unwrap_err()
            .reason(),
        DenialReason::NothingPermitted
    );
}

#[test]
fn an_attribute_asked_for_twice_gets_the_stricter_answer() {
    let other_name = attribute(field("shop.customer.email"), "user.shoe_size");
    let denial = decide(&access(vec![email(), other_name]), &approved()).unwrap_err();
    assert_eq!(denial.reason(), DenialReason::NothingPermitted);
}

#[test]
fn facts_of_another_privacy_request_decide_nothing() {
    let mut facts = approved();
    facts.request.id = request(2);
    assert_eq!(
        decide(&access(vec![email()]), &facts).unwrap_err().reason(),
        DenialReason::OtherRequest
    );
}

#[test]
fn a_number_that_must_never_leave_is_described_to_the_subject_and_kept_from_everybody_else() {
    let number = || attribute(field("shop.customer.ssn"), "user.government_id.national");
    let permit = recorded(decide(&access(vec![email(), number()]), &approved()).unwrap());
    let row = found(&[
        ("email", json!("ada@example.com")),
        ("ssn", json!("078-05-1120")),
        ("shoe_size", json!(39)),
    ]);
    let released = release(&permit, row);
    assert_eq!(
        serde_json::to_value(&released).unwrap(),
        json!({"email": "ada@example.com", "ssn": "a government identification number"})
    );
    assert_eq!(
        released.text(&"ssn".into()),
        "a government identification number"
    );

    let own = domain::disclosure::Attribute {
        name: AttributeName::Own(CONTACT),
        ..number()
    };
    let operator = DisclosureRecipient::Operator(OperatorId::from_uuid(uuid::Uuid::from_u128(1)));
    let denial = decide(
        &query(Purpose::ShowOperator, operator, vec![own]),
        &approved(),
    )
    .unwrap_err();
    assert_eq!(denial.withheld()[0].reason, WithholdReason::NeverDisclosed);
    assert_eq!(
        denial.withheld()[0].citation.as_deref(),
        Some("11 CCR 7024(d)")
    );
}

#[test]
fn the_description_is_the_most_exact_one_that_law_data_has() {
    let rule = |category: &str, description: &str| NeverDisclosed {
        category: category.to_owned(),
        description: description.to_owned(),
        citation: String::new(),
    };
    let rules = [
        rule("user.government_id.national", "a Social Security number"),
        rule("user.government_id", "an id"),
        rule("user", "something"),
    ];
    let facts = Facts {
        never_disclosed: rules.into(),
        ..approved()
    };
    let number = attribute(field("shop.customer.ssn"), "user.government_id.national");
    let permit = recorded(decide(&access(vec![number]), &facts).unwrap());
    let released = release(&permit, found(&[("ssn", json!("078-05-1120"))]));
    assert_eq!(released.text(&"ssn".into()), "a Social Security number");
}

#[test]
fn an_empty_field_is_not_described_as_if_something_were_held() {
    let number = attribute(field("shop.customer.ssn"), "user.government_id.national");
    let permit = recorded(decide(&access(vec![number]), &approved()).unwrap());
    assert_eq!(
        serde_json::to_value(release(&permit, found(&[("ssn", json!(null))]))).unwrap(),
        json!({"ssn": null})
    );
}

#[test]
fn a_row_of_another_collection_is_released_empty() {
    let permit = recorded(decide(&access(vec![email()]), &approved()).unwrap());
    let row = FoundRow {
        collection: "crm.contact".into(),
        values: found(&[("email", json!("ada@example.com"))]).values,
    };
    assert!(release(&permit, row).fields().is_empty());
}

#[test]
fn a_permit_is_worth_nothing_with_the_record_of_another() {
    let now = Timestamp::UNIX_EPOCH;
    let permit = || decide(&access(vec![email()]), &approved()).unwrap();
    let (first, second) = (permit(), permit());
    assert_ne!(
        first.digest(),
        second.digest(),
        "the same question twice makes two permits"
    );
    let record = first.new_record(now, Actor::System);
    assert!(second.record(appended(record.clone())).is_err());
    assert!(
        first
            .record(appended(NewRecord {
                action: Action::DisclosureDenied,
                ..record.clone()
            }))
            .is_err()
    );
    let (third, digest) = {
        let third = permit();
        let digest = third.digest().to_string();
        (third, digest)
    };
    assert!(
        third
            .record(appended(
                NewRecord::new(now, Actor::System, Action::Disclosed)
                    .for_request(request(2))
                    .with("permit", digest)
            ))
            .is_err()
    );
    let fourth = permit();
    let record = fourth.new_record(now, Actor::System);
    assert_eq!(fourth.record(appended(record)).unwrap().sequence(), 0);
}

#[test]
fn the_record_of_a_disclosure_names_attributes_and_no_value() {
    let number = attribute(field("shop.customer.ssn"), "user.government_id.national");
    let unknown = attribute(field("shop.customer.shoe_size"), "user.shoe_size");
    let permit = decide(&access(vec![email(), number, unknown]), &approved()).unwrap();
    let record = permit.new_record(Timestamp::UNIX_EPOCH, Actor::Subject);
    let mut details: BTreeMap<_, _> = record.details.object().clone().into_iter().collect();
    assert_eq!(
        details.remove("permit").unwrap(),
        permit.digest().to_string()
    );
    assert!(
        details
            .remove("disclosure")
            .unwrap()
            .as_str()
            .unwrap()
            .starts_with("dsc_")
    );
    assert_eq!(
        json!(details),
        json!({
            "purpose": "give_access",
            "recipient": "subject",
            "allowed": ["shop.customer.email"],
            "described": ["shop.customer.ssn"],
            "withheld": {"unknown_category": ["shop.customer.shoe_size"]},
        })
    );
}

#[test]
fn a_permit_for_a_very_wide_query_still_fits_into_one_record() {
    let attributes = (0..5000)
        .map(|n| {
            attribute(
                field(&format!("shop.a_collection_with_a_long_name.field_{n}")),
                "user.behavior",
            )
        })
        .collect();
    let permit = decide(&access(attributes), &approved()).unwrap();
    assert_eq!(
        permit
            .new_record(Timestamp::UNIX_EPOCH, Actor::System)
            .details["allowed"],
        json!({"count": 5000})
    );
    recorded(permit);
}

proptest! {
    #[test]
    fn the_release_never_shows_a_field_that_was_not_asked_for_with_a_known_category(
        row in proptest::collection::btree_map("[a-f]", ".{1,8}", 0..6),
        asked in proptest::collection::btree_map("[a-f]", 0usize..5, 1..6),
    ) {
        let categories = ["user.contact.email", "user.behavior", "user.government_id.national", "user.shoe_size", "system.operations"];
        let attributes = asked.iter().map(|(name, category)| attribute(field(&format!("shop.customer.{name}")), categories[*category])).collect();
        let Ok(permit) = decide(&access(attributes), &approved()) else { return Ok(()) };
        let values: Vec<_> = row.iter().map(|(name, value)| (name.as_str(), json!(value))).collect();
        let released = serde_json::to_value(release(&recorded(permit), found(&values))).unwrap();
        for (name, value) in released.as_object().unwrap() {
            match asked.get(name).map(|category| categories[*category]) {
                Some("user.government_id.national") => prop_assert_eq!(value, "a government identification number"),
                Some("user.shoe_size") | None => prop_assert!(false, "{} was released", name),
                Some(_) => prop_assert_eq!(value, &row[name]),
            }
        }
    }
}
