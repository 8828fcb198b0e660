//! JSON bodies through real permits: decided, recorded, and about the subject whose data it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::body_shape::{BodyForm, BodyShape, PlaceUse};
use domain::disclosure::{DisclosureRecipient, ProfileQuery, Purpose};
use domain::profile::AttributeNumber;
use enforcement::json_filter::{BodyCheck, Fault, JsonFilter, Limits, Unaltered};
use enforcement::{Judgements, RecordedPermit, decide_profile};

use crate::log::{contact_permit, recorded};
use crate::profiles::{facts, permit, query, subject};

fn shape(named: &[(&str, PlaceUse)]) -> Arc<BodyShape> {
    Arc::new(BodyShape::build(BodyForm::Json, named.iter().cloned()).unwrap())
}

fn attribute(number: u16) -> PlaceUse {
    PlaceUse::Attribute(AttributeNumber(number))
}

fn customer() -> Arc<BodyShape> {
    shape(&[
        ("$.name", attribute(1)),
        ("$.email", attribute(2)),
        ("$.ssn", attribute(4)),
    ])
}

const BODY: &str = r#"{"id":1,"name":"Ada","email":"ada@example.com","ssn":"078-05-1120"}"#;

fn filtered(permit: &RecordedPermit, body: &str) -> String {
    let mut filter =
        JsonFilter::for_subject(&customer(), permit, Arc::new(Unaltered), Limits::default());
    filter.push(body.as_bytes()).unwrap();
    let (json, _) = filter.finish().unwrap();
    String::from_utf8(json.into_bytes()).unwrap()
}

#[test]
fn what_a_permit_does_not_name_stays_behind() {
    assert_eq!(
        filtered(&permit(&[1], &["name"]), BODY),
        r#"{"name":"Ada"}"#
    );
    assert_eq!(
        filtered(&permit(&[1], &["email", "name"]), BODY),
        r#"{"name":"Ada","email":"ada@example.com"}"#
    );
}

#[test]
fn what_a_permit_only_describes_stays_behind() {
    assert_eq!(
        filtered(&permit(&[1], &["name", "ssn"]), BODY),
        r#"{"name":"Ada"}"#
    );
}

#[test]
fn a_permit_for_a_privacy_request_says_nothing_of_a_body() {
    assert_eq!(filtered(&contact_permit(), BODY), "{}");
}

#[test]
fn a_birth_date_that_is_read_for_age_alone_stays_behind() {
    let shape = shape(&[("$.born", attribute(6)), ("$.page", PlaceUse::Passed)]);
    let query = query(
        Purpose::KnowWhoMayConsent,
        DisclosureRecipient::Nobody,
        &["born"],
    );
    let permit = decide_profile(&query, &facts(&[1]), &Judgements::default()).unwrap();
    let mut filter = JsonFilter::for_subject(
        &shape,
        &recorded(permit),
        Arc::new(Unaltered),
        Limits::default(),
    );
    filter.push(br#"{"born":"1815-12-10","page":1}"#).unwrap();
    assert!(filter.finish().unwrap().0.as_bytes() == br#"{"page":1}"#);
}

fn about(number: u128, attributes: &[&str]) -> RecordedPermit {
    let query = ProfileQuery {
        subject: subject(number),
        ..query(
            Purpose::GiveAccess,
            DisclosureRecipient::Subject,
            attributes,
        )
    };
    recorded(decide_profile(&query, &facts(&[number]), &Judgements::default()).unwrap())
}

#[test]
fn each_subject_of_a_list_needs_her_own_permit() {
    let shape = shape(&[
        (
            "$.customers[*]",
            PlaceUse::Subject {
                key: "$.customers[*].id".to_owned(),
            },
        ),
        ("$.customers[*].name", attribute(1)),
        ("$.customers[*].email", attribute(2)),
        ("$.next", PlaceUse::Passed),
    ]);
    let permits: BTreeMap<_, _> = [("a", about(1, &["name"])), ("b", about(2, &["email"]))].into();
    let body = r#"{"customers":[
        {"name":"A","email":"a@","id":"a"},{"id":"c","name":"C"},{"id":"b","name":"B","email":"b@"}
    ],"next":"/customers?page=2"}"#;
    let mut filter = JsonFilter::for_subjects(&shape, Arc::new(Unaltered), Limits::default());
    for chunk in body.as_bytes().chunks(5) {
        assert_eq!(filter.push(chunk).unwrap(), chunk.len());
    }
    let answers: Vec<_> = filter
        .needs()
        .map(|key| permits.get(key.expose().as_str()))
        .collect();
    filter.answer(&answers).unwrap();
    let (json, counts) = filter.finish().unwrap();
    assert_eq!(
        String::from_utf8(json.into_bytes()).unwrap(),
        r#"{"customers":[{"name":"A"},{"email":"b@"}],"next":"/customers?page=2"}"#
    );
    assert_eq!((counts.subjects, counts.subjects_left_out), (2, 1));
}

#[test]
fn a_write_needs_what_a_read_needs() {
    let of = |permit: &RecordedPermit, body: &str| {
        let mut check = BodyCheck::for_subject(&customer(), permit, Limits::default());
        check
            .push(body.as_bytes())
            .and_then(|_| check.finish())
            .map_err(|refused| refused.fault)
    };
    let named = permit(&[1], &["name"]);
    assert_eq!(of(&named, r#"{"name":"Ada King"}"#), Ok(()));
    let email = Fault::NotWritable {
        attribute: AttributeNumber(2),
        path: "$.email".to_owned(),
    };
    assert_eq!(of(&named, r#"{"name":"Ada King","email":"x"}"#), Err(email));
}
