//! Which attributes of a profile a decision lets whom see, and what the record says of it.

use domain::audit::{Action, Actor, NewRecord};
use domain::disclosure::{DisclosureRecipient, Purpose, WithholdReason};
use domain::profile::merge;
use domain::recipient::RecipientRole;
use enforcement::vault::KeyRing;
use enforcement::{DenialReason, Judgements, Permit, decide_profile, release_profile};
use jiff::Timestamp;
use serde_json::json;

use crate::log::{SeededRng, appended, contact_permit, recorded, request};
use crate::profiles::{facts, operator, part, permit, place, query, schema, subject};
use domain::profile::Segment;

#[test]
fn only_the_verified_subject_and_operators_see_a_profile() {
    let ask = |purpose, recipient| {
        decide_profile(
            &query(purpose, recipient, &["email"]),
            &facts(&[1]),
            &Judgements::default(),
        )
        .map(drop)
        .map_err(|denial| denial.reason())
    };
    assert_eq!(
        ask(Purpose::GiveAccess, DisclosureRecipient::Subject),
        Ok(())
    );
    assert_eq!(ask(Purpose::ShowOperator, operator()), Ok(()));
    let mut open = 0;
    for purpose in Purpose::ALL {
        for recipient in [
            DisclosureRecipient::Subject,
            operator(),
            DisclosureRecipient::SourceSystem("shop".into()),
            DisclosureRecipient::Recipient("mail_house".into(), RecipientRole::ServiceProvider),
            DisclosureRecipient::Nobody,
        ] {
            open += usize::from(ask(purpose, recipient).is_ok());
        }
    }
    assert_eq!(open, 2, "these two and nothing else");
    let mut unproven = facts(&[1]);
    unproven.subject_verified = false;
    let access = query(
        Purpose::GiveAccess,
        DisclosureRecipient::Subject,
        &["email"],
    );
    assert_eq!(
        decide_profile(&access, &unproven, &Judgements::default())
            .unwrap_err()
            .reason(),
        DenialReason::NotVerified
    );
    assert_eq!(
        decide_profile(&access, &facts(&[2, 1]), &Judgements::default())
            .unwrap_err()
            .reason(),
        DenialReason::OtherSubject
    );
}

#[test]
fn what_is_sensitive_undeclared_or_never_leaves_is_withheld_with_its_reason() {
    let show = |sees_sensitive| {
        let mut facts = facts(&[1]);
        facts.operator_sees_sensitive = sees_sensitive;
        let permit = decide_profile(
            &query(
                Purpose::ShowOperator,
                operator(),
                &["email", "ssn", "shoe_size"],
            ),
            &facts,
            &Judgements::default(),
        )
        .unwrap();
        permit
            .withheld()
            .iter()
            .map(|one| one.reason)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        show(false),
        [
            WithholdReason::SensitiveForRole,
            WithholdReason::UnknownAttribute
        ]
    );
    assert_eq!(
        show(true),
        [
            WithholdReason::NeverDisclosed,
            WithholdReason::UnknownAttribute
        ]
    );
    let mut unknown = facts(&[1]);
    unknown.known_categories = std::collections::BTreeSet::new().into();
    let denial = decide_profile(
        &query(Purpose::ShowOperator, operator(), &["email"]),
        &unknown,
        &Judgements::default(),
    )
    .unwrap_err();
    assert_eq!(
        (denial.reason(), denial.withheld()[0].reason),
        (
            DenialReason::NothingPermitted,
            WithholdReason::UnknownCategory
        )
    );
}

#[test]
fn a_profile_goes_out_as_its_permit_says_and_a_number_that_never_leaves_is_described() {
    let rng = SeededRng::new(4);
    let (key, _) = KeyRing::generate(&rng)
        .new_subject_key(subject(1), 1, &rng)
        .unwrap();
    let permit = permit(&[1], &["name", "email", "ssn", "purchases"]);
    let (mut profiles, mut described) = (Vec::new(), std::collections::BTreeSet::new());
    for segment in [
        Segment::Core,
        Segment::Contact,
        Segment::Sensitive,
        Segment::Events,
    ] {
        let sealed = key
            .seal_segment(&rng, &place(segment), &part(subject(1), segment))
            .unwrap();
        let opened = key
            .open_segment(&permit, &schema(), &place(segment), &sealed)
            .unwrap();
        profiles.push(opened.profile);
        described.extend(opened.described);
    }
    let merged = merge(&schema(), &profiles, Timestamp::UNIX_EPOCH);
    let released = release_profile(&permit, &schema(), &merged, &described);
    assert_eq!(
        serde_json::to_value(&released).unwrap(),
        json!({"name": "Ada Byron", "email": "Ada@Example.com", "ssn": "a government identification number", "purchases": [{"item": "teapot"}]})
    );
    // Somebody else's record among hers, by a mistake of whoever merged them, stays inside.
    let strangers = [part(subject(2), Segment::Contact)];
    let mistaken = merge(&schema(), &strangers, Timestamp::UNIX_EPOCH);
    let released = release_profile(&permit, &schema(), &mistaken, &Default::default());
    assert_eq!(released.attributes().len(), 0);
}

#[test]
fn the_record_names_the_subject_and_attributes_and_serves_no_other_permit() {
    let made = || {
        decide_profile(
            &query(
                Purpose::GiveAccess,
                DisclosureRecipient::Subject,
                &["email", "ssn", "shoe_size"],
            ),
            &facts(&[1, 2]),
            &Judgements::default(),
        )
        .unwrap()
    };
    let permit = made();
    let record = permit.new_record(Timestamp::UNIX_EPOCH, Actor::Subject);
    assert!(record.request.is_none() && record.action == Action::Disclosed);
    assert_eq!(record.details["subject"], subject(1).to_string());
    let names = permit.names(Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(names.action, Action::AttributesNamed);
    assert_eq!(names.details["attributes"], record.details["attributes"]);
    assert_eq!(
        (&names.details["allowed"], &names.details["described"]),
        (&json!(["profile:email"]), &json!(["profile:ssn"]))
    );
    assert!(
        made().record(appended(record.clone())).is_err(),
        "another permit's record"
    );
    let elsewhere = NewRecord {
        request: Some(request(1)),
        ..record
    };
    assert!(
        permit.record(appended(elsewhere)).is_err(),
        "a record in a privacy request's chain"
    );
    let recorded = recorded(made());
    assert_eq!(
        (recorded.subject(), recorded.request()),
        (Some(subject(1)), None)
    );
    assert!(recorded.covers(subject(2)) && !recorded.covers(subject(3)));
    assert_eq!(contact_permit().subject(), None);
    // The members are part of the digest: the same question over other records is another permit.
    let asked = query(
        Purpose::GiveAccess,
        DisclosureRecipient::Subject,
        &["email"],
    );
    let digest = |members: &[u128]| {
        decide_profile(&asked, &facts(members), &Judgements::default())
            .unwrap()
            .digest()
    };
    assert_ne!(digest(&[1, 2]), digest(&[1, 3]));
}

#[test]
fn attributes_are_listed_once_for_all_permits_that_name_them_and_before_any_of_them_opens() {
    let (judgements, facts) = (Judgements::default(), facts(&[1, 2]));
    let made = |attributes: &[&str]| {
        let asked = query(
            Purpose::GiveAccess,
            DisclosureRecipient::Subject,
            attributes,
        );
        decide_profile(&asked, &facts, &judgements).unwrap()
    };
    let own = |permit: &Permit| appended(permit.new_record(Timestamp::UNIX_EPOCH, Actor::Subject));
    let listing = |permit: &Permit| permit.names(Timestamp::UNIX_EPOCH);
    let unlisted = made(&["email"]);
    let proof = own(&unlisted);
    assert!(
        unlisted.record(proof).is_err(),
        "nobody can say what it names"
    );
    let (first, other) = (made(&["email"]), made(&["email", "ssn"]));
    let (listed, of_other) = (listing(&first).unwrap(), listing(&other).unwrap());
    assert_ne!(listed.details["attributes"], of_other.details["attributes"]);
    assert!(
        first.names_recorded(&appended(of_other)).is_err(),
        "the list of others"
    );
    assert!(first.names_recorded(&own(&first)).is_err(), "no list");
    first.names_recorded(&appended(listed)).unwrap();
    assert!(listing(&first).is_none() && listing(&made(&["email"])).is_none());
    let proof = own(&first);
    assert!(first.record(proof).is_ok());
    let second = made(&["email"]);
    let proof = own(&second);
    assert!(
        second.record(proof).is_ok(),
        "listed for all that ask alike"
    );
    let proof = own(&other);
    assert!(
        other.record(proof).is_err(),
        "of others nothing is listed yet"
    );
}

#[test]
fn for_who_may_consent_the_birth_date_is_read_and_nothing_comes_out() {
    let all = query(
        Purpose::KnowWhoMayConsent,
        DisclosureRecipient::Nobody,
        &["born", "email", "ssn", "shoe_size"],
    );
    let permit = decide_profile(&all, &facts(&[1]), &Judgements::default()).unwrap();
    let names = |names: Vec<String>| names.join(" ");
    assert_eq!(
        names(permit.allowed().map(ToString::to_string).collect()),
        ""
    );
    assert_eq!(
        names(permit.described().map(ToString::to_string).collect()),
        ""
    );
    assert_eq!(
        names(permit.age_only().map(ToString::to_string).collect()),
        "profile:born"
    );
    let reasons: Vec<_> = permit.withheld().iter().map(|one| one.reason).collect();
    assert_eq!(
        reasons,
        [
            WithholdReason::NotForThisPurpose,
            WithholdReason::NotForThisPurpose,
            WithholdReason::UnknownAttribute
        ]
    );
    let record = permit.new_record(Timestamp::UNIX_EPOCH, Actor::System);
    let listed = permit.names(Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(listed.details["age_only"], json!(["profile:born"]));
    assert_eq!(record.details["recipient"], json!("nobody"));
    assert_eq!(listed.details["allowed"], json!([]));
    for recipient in [DisclosureRecipient::Subject, operator()] {
        let asked = query(Purpose::KnowWhoMayConsent, recipient, &["born"]);
        let denied = decide_profile(&asked, &facts(&[1]), &Judgements::default()).unwrap_err();
        assert_eq!(denied.reason(), DenialReason::WrongRecipient);
    }
}
