//! What policies let which recipient have, in which form, what its record says, and that nothing else ever leaves.
#![allow(clippy::result_large_err, reason = "a denial is moved once")]

use std::sync::Arc;

use domain::audit::Actor;
use domain::body_shape::{BodyForm, BodyShape, PlaceUse};
use domain::disclosure::{Disclosure, RecipientQuery, RecipientQueryFacts};
use domain::policy::{
    Configuration, Conjunction, Effect, Fact, Layout, Policy, PolicyAttribute, PolicyPurpose,
    PolicyRecipient, Release, RuleDraft, SubjectFacts, Table, TableDraft,
};
use domain::profile::{AttributeKey, AttributeNumber, Segment};
use domain::recipient::RecipientRole;
use domain::rng::new_id;
use enforcement::json_filter::{JsonFilter, Limits, Unaltered};
use enforcement::vault::KeyRing;
use enforcement::{
    Denial, DenialReason, Permit, RecipientJudgements, RecipientReading, decide_recipient,
};
use jiff::Timestamp;
use serde_json::json;

use crate::log::{SeededRng, appended, recorded};
use crate::profiles::{part, place, schema, subject};

/// Which form of which attribute is permitted for the newsletter, whoever the subject is; the last only where it is known that no legal hold
/// keeps her data.
const PERMITS: [(&str, Release); 7] = [
    ("name", Release::Keep),
    ("email", Release::Mask),
    ("phone", Release::Token),
    ("ssn", Release::Keep),
    ("born", Release::Generalise),
    ("purchases", Release::Null),
    ("purchases", Release::Keep),
];

fn configuration() -> Configuration {
    let recipient = |key: &str| PolicyRecipient {
        key: key.into(),
        role: RecipientRole::ServiceProvider,
        contract_compliant: true,
        sold: false,
        shared: false,
        categories: Default::default(),
    };
    Configuration {
        attributes: schema()
            .attributes()
            .map(|rule| PolicyAttribute {
                key: rule.key.clone(),
                category: rule.category.clone(),
                sensitivity: rule.sensitivity,
            })
            .collect(),
        purposes: vec![PolicyPurpose {
            key: "newsletter".into(),
            uses: Default::default(),
            direct_marketing: true,
            categories: Default::default(),
            recipients: Default::default(),
        }],
        recipients: vec![recipient("mail_house"), recipient("other_house")],
        ..Configuration::default()
    }
}

fn table() -> Table {
    let layout = Arc::new(Layout::of(&configuration()).unwrap());
    let cells = ["mail_house", "other_house"].map(|key| layout.recipient(&key.into()).unwrap());
    let rules = cells.iter().flat_map(|recipient| {
        PERMITS.iter().enumerate().map(|(policy, (key, _))| {
            let condition = if policy == PERMITS.len() - 1 {
                Conjunction::fact(Fact::OnLegalHold, false)
            } else {
                Conjunction::default()
            };
            RuleDraft {
                recipient: *recipient,
                purpose: layout.purpose(&"newsletter".into()).unwrap(),
                policy,
                attributes: [layout.attribute(key).unwrap()].into_iter().collect(),
                conjunctions: vec![condition],
            }
        })
    });
    let rules = rules.collect();
    let policies = PERMITS.iter().enumerate();
    let policies = policies.map(|(number, (key, release))| Policy {
        id: format!("house.{number}"),
        file: "house.cedar".to_owned(),
        citation: "none".to_owned(),
        title: (*key).to_owned(),
        reason_subject: String::new(),
        reason_operator: String::new(),
        effect: Effect::Permit(*release),
    });
    TableDraft {
        policies: policies.collect(),
        layout,
        rules,
    }
    .build()
    .unwrap()
}

fn facts(table: &Table, members: &[u128]) -> RecipientQueryFacts {
    let of_profiles = crate::profiles::facts(&[1]);
    RecipientQueryFacts {
        members: members.iter().map(|number| subject(*number)).collect(),
        subject: SubjectFacts::unknown(table.layout(), 41),
        schema: of_profiles.schema,
        known_categories: of_profiles.known_categories,
        never_disclosed: of_profiles.never_disclosed,
        on: Timestamp::from_second(1_795_000_000).unwrap(),
    }
}

fn query(recipient: &str, attributes: &[&str]) -> RecipientQuery {
    static RNG: std::sync::LazyLock<SeededRng> = std::sync::LazyLock::new(|| SeededRng::new(90));
    RecipientQuery {
        id: new_id::<Disclosure>(&*RNG, Timestamp::UNIX_EPOCH),
        subject: Some(subject(1)),
        recipient: recipient.into(),
        role: RecipientRole::ServiceProvider,
        purpose: "newsletter".into(),
        attributes: attributes.iter().copied().map(AttributeKey::from).collect(),
    }
}

const ALL: [&str; 7] = [
    "name",
    "email",
    "phone",
    "ssn",
    "born",
    "purchases",
    "shoe_size",
];

fn ask(query: &RecipientQuery, facts: &RecipientQueryFacts) -> Result<Permit, Denial> {
    decide_recipient(query, facts, &table(), &RecipientJudgements::default())
}

#[test]
fn each_attribute_goes_out_in_the_form_that_policies_allow_and_what_never_leaves_stays() {
    let table = table();
    let facts = facts(&table, &[1]);
    let judgements = RecipientJudgements::default();
    let permit = decide_recipient(&query("mail_house", &ALL), &facts, &table, &judgements).unwrap();
    let (hash, set) = permit.attribute_set().unwrap();
    assert_eq!(
        serde_json::to_value(set).unwrap(),
        json!({
            "keep": ["profile:name"],
            "mask": ["profile:email"],
            "token": ["profile:phone"],
            "generalise": ["profile:born"],
            "null": ["profile:purchases"],
            "withheld": ["profile:ssn", "profile:shoe_size"],
        })
    );
    assert!(permit.changes_values() && permit.purpose().is_none());
    // Whoever else gets the same is named alike.
    let mut other = query("other_house", &ALL);
    other.subject = Some(subject(2));
    let of_other = crate::recipient_decisions::facts(&table, &[2]);
    let of_other = decide_recipient(&other, &of_other, &table, &judgements).unwrap();
    assert_eq!(of_other.attribute_set().unwrap().0, hash);
    assert_ne!(of_other.digest(), permit.digest());
}

#[test]
fn the_record_names_the_versions_that_reasons_follow_from_and_no_reason() {
    let table = table();
    let permit = ask(&query("mail_house", &ALL), &facts(&table, &[1])).unwrap();
    let record = permit.new_record(Timestamp::UNIX_EPOCH, Actor::Recipient("mail_house".into()));
    let said: std::collections::BTreeSet<_> = record.details.keys().cloned().collect();
    let said: Vec<_> = said.into_iter().collect();
    assert_eq!(
        said,
        [
            "attributes",
            "disclosure",
            "facts",
            "permit",
            "policies",
            "purpose_of_use",
            "recipient",
            "subject"
        ]
    );
    assert_eq!(record.details["policies"], table.hash().to_string());
    assert_eq!(record.details["facts"], 41);
    let denial = ask(&query("mail_house", &["ssn"]), &facts(&table, &[1])).unwrap_err();
    let record = denial.new_record(Timestamp::UNIX_EPOCH, Actor::System);
    assert_eq!(record.details["reason"], "nothing_permitted");
    assert!(record.details.contains_key("attributes") && !record.details.contains_key("permit"));
}

#[test]
fn whoever_is_not_known_is_denied_whatever_policies_permit() {
    let table = table();
    let reason = |query: &RecipientQuery, facts: &RecipientQueryFacts| {
        ask(query, facts)
            .map(drop)
            .map_err(|denial| denial.reason())
    };
    let name = query("mail_house", &["name"]);
    assert_eq!(reason(&name, &facts(&table, &[1])), Ok(()));
    let mut nobody = name.clone();
    nobody.subject = None;
    let unknown = Err(DenialReason::UnknownSubject);
    assert_eq!(reason(&nobody, &facts(&table, &[])), unknown);
    // Neither when the facts are those of another one, nor when she has no record.
    assert_eq!(reason(&nobody, &facts(&table, &[1])), unknown);
    assert_eq!(reason(&name, &facts(&table, &[2])), unknown);
    assert_eq!(reason(&name, &facts(&table, &[])), unknown);
    let nothing = Err(DenialReason::NothingPermitted);
    let mut elsewhere = name.clone();
    elsewhere.purpose = "profiling".into();
    assert_eq!(reason(&elsewhere, &facts(&table, &[1])), nothing);
    let stranger = query("stranger", &["name"]);
    assert_eq!(reason(&stranger, &facts(&table, &[1])), nothing);
}

#[test]
fn facts_whose_time_is_over_release_nothing() {
    let table = table();
    let mut facts = facts(&table, &[1]);
    facts.subject = facts.subject.until(Some(facts.on));
    let denial = ask(&query("mail_house", &ALL), &facts).unwrap_err();
    assert_eq!(denial.reason(), DenialReason::NothingPermitted);
    assert_eq!(denial.withheld().len(), ALL.len());
}

#[test]
fn a_profile_leaves_with_nothing_but_what_each_form_gives() {
    let rng = SeededRng::new(3);
    let keys = KeyRing::generate(&rng);
    let (key, _) = keys.new_subject_key(subject(1), 1, &rng).unwrap();
    let table = table();
    let facts = facts(&table, &[1]);
    let read = |recipient: &str| {
        let permit = recorded(ask(&query(recipient, &ALL), &facts).unwrap());
        let mut reading = RecipientReading::new(&permit, schema());
        for segment in [
            Segment::Core,
            Segment::Contact,
            Segment::Sensitive,
            Segment::Events,
        ] {
            let sealed = key
                .seal_segment(&rng, &place(segment), &part(subject(1), segment))
                .unwrap();
            reading.open(&key, &place(segment), &sealed).unwrap();
        }
        let alteration = keys.alteration(&recipient.into(), &schema(), facts.on);
        serde_json::to_value(reading.release(&alteration, facts.on)).unwrap()
    };
    let mut seen = read("mail_house");
    let token = seen["phone"].take();
    assert!(token.as_str().unwrap().starts_with("tok_"));
    assert_eq!(
        seen,
        json!({"name": "Ada Byron", "email": "A***@Example.com", "phone": null, "purchases": null})
    );
    assert_eq!(read("mail_house")["phone"], token, "the same each time");
    assert_ne!(read("other_house")["phone"], token, "another one elsewhere");
}

#[test]
fn a_body_leaves_with_the_same() {
    let keys = KeyRing::generate(&SeededRng::new(4));
    let table = table();
    let facts = facts(&table, &[1]);
    let permit = recorded(ask(&query("mail_house", &ALL), &facts).unwrap());
    let attribute = |number| PlaceUse::Attribute(AttributeNumber(number));
    let shape = Arc::new(
        BodyShape::build(
            BodyForm::Json,
            [
                ("$.name", attribute(1)),
                ("$.mail", attribute(2)),
                ("$.ssn", attribute(4)),
                ("$.bought", attribute(5)),
                ("$.born", attribute(6)),
            ],
        )
        .unwrap(),
    );
    let body = br#"{"name":"Ada","mail":"ada@example.org","ssn":"078","bought":[1],"born":"1985-12-10","x":1}"#;
    let filtered = |alter| {
        let mut filter = JsonFilter::for_subject(&shape, &permit, alter, Limits::default());
        filter.push(body).unwrap();
        String::from_utf8(filter.finish().unwrap().0.into_bytes()).unwrap()
    };
    let alteration = keys.alteration(&"mail_house".into(), &schema(), facts.on);
    assert_eq!(
        filtered(Arc::new(alteration)),
        r#"{"name":"Ada","mail":"a***@example.org","bought":null,"born":"40-49"}"#
    );
    assert_eq!(
        filtered(Arc::new(Unaltered)),
        r#"{"name":"Ada","bought":null}"#
    );
}

#[test]
fn a_permit_opens_only_with_its_own_record() {
    let table = table();
    let facts = facts(&table, &[1]);
    let decide = || ask(&query("mail_house", &ALL), &facts).unwrap();
    let (one, other) = (decide(), decide());
    let names = one.names(Timestamp::UNIX_EPOCH).unwrap();
    one.names_recorded(&appended(names)).unwrap();
    let of_other = other.new_record(Timestamp::UNIX_EPOCH, Actor::System);
    assert!(one.record(appended(of_other)).is_err());
}

#[test]
fn what_nobody_asked_for_is_not_permitted() {
    let table = table();
    let permit = ask(&query("mail_house", &["name"]), &facts(&table, &[1])).unwrap();
    let allowed: Vec<_> = permit.allowed().map(ToString::to_string).collect();
    assert_eq!(allowed, ["profile:name"]);
    assert_eq!(permit.segments(), [Segment::Core]);
}
