//! Records of consent against the Kantara schema and the field table of ISO/IEC TS 27560.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use domain::consent::{ConsentEvent, Standing};
use domain::receipt::{
    Business, Iso27560Record, KantaraReceipt, LegalEntity, RECEIPT_PROFILE, RECORD_PROFILE,
    Recorded, iso_27560, kantara,
};
use serde_json::Value;

use crate::consent::fixture::{PHONE, by_guardian, gpc, person, purpose, refused, withdrawn, yes};

fn entity(id: &str) -> LegalEntity {
    LegalEntity {
        id: id.to_owned(),
        name: format!("The {id}"),
        address: "1 Mill Lane, Fresno".to_owned(),
        contact: "Privacy desk".to_owned(),
        email: format!("privacy@{id}.example"),
        phone: "+1 559 555 0100".to_owned(),
        url: format!("https://{id}.example"),
    }
}

fn business() -> Business {
    Business {
        entity: entity("shop"),
        policy_url: "https://shop.example/privacy".to_owned(),
        withdraw_url: "https://shop.example/choices".to_owned(),
        storage_locations: vec!["US".to_owned()],
        service: "Shop".to_owned(),
    }
}

fn recorded<T>(
    event: &ConsentEvent,
    history: &[ConsentEvent],
    key: &str,
    on: &str,
    recipients: &[LegalEntity],
    read: impl FnOnce(&Recorded<'_>) -> T,
) -> T {
    let standing: Standing = person(&["ccpa"]).ask(history, key, on);
    read(&Recorded {
        event,
        standing: &standing,
        purpose: purpose(key),
        business: &business(),
        recipients,
        retention: "P2Y",
        jurisdiction: "US-CA",
        language: "en",
    })
}

fn both(event: &ConsentEvent, key: &str) -> (Value, Option<Value>) {
    let history = [event.clone()];
    recorded(
        event,
        &history,
        key,
        "2026-11-02",
        &[entity("mill")],
        |recorded| {
            let iso = serde_json::to_value(iso_27560(recorded, RECORD_PROFILE)).unwrap();
            (
                iso,
                kantara(recorded).map(|receipt| serde_json::to_value(receipt).unwrap()),
            )
        },
    )
}

/// Whether a value keeps what the schema's words ask of it; what it doesn't is told.
fn check(schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let is_kind = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64(),
        None => true,
        Some(other) => panic!("the schema has a type that this check doesn't know: {other}"),
    };
    if !is_kind {
        faults.push(format!("{at} is not {}", schema["type"]));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            faults.push(format!("{at} lacks {name}"));
        }
    }
    if let Some(least) = schema["minimum"].as_i64()
        && value.as_i64().is_some_and(|number| number < least)
    {
        faults.push(format!("{at} is below {least}"));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        faults.push(format!("{at} is none of {allowed:?}"));
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(member) = value.get(name) {
            check(inner, member, &format!("{at}.{name}"), faults);
        }
    }
    for item in value.as_array().into_iter().flatten() {
        check(&schema["items"], item, &format!("{at}[]"), faults);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = |choice: &&Value| {
            let mut inner = Vec::new();
            check(choice, value, at, &mut inner);
            inner.is_empty()
        };
        let fitting = choices.iter().filter(fits).count();
        if fitting != 1 {
            faults.push(format!("{at} fits {fitting} of the choices instead of one"));
        }
    }
}

fn schema() -> Value {
    let text = include_str!(
        "../vectors/kantara-consent-receipt/CR_v1_1/kantara-consent-receipt-v1_1-schema.json"
    );
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    serde_json::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap()
}

fn faults(receipt: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(&schema(), receipt, "receipt", &mut faults);
    faults
}

#[test]
fn a_kantara_receipt_keeps_the_schema_and_reads_back() {
    for (key, recipients) in [
        ("marketing_email", 1),
        ("infer_health", 0),
        ("train_ad_model", 2),
    ] {
        let event = yes(key, "2026-11-01");
        let history = [event.clone()];
        let parties: Vec<_> = (0..recipients)
            .map(|number| entity(&format!("mill{number}")))
            .collect();
        let receipt = recorded(&event, &history, key, "2026-11-02", &parties, |recorded| {
            kantara(recorded).unwrap()
        });
        let json = serde_json::to_value(&receipt).unwrap();
        assert_eq!(faults(&json), [""; 0], "{key}");
        assert_eq!(
            serde_json::from_value::<KantaraReceipt>(json).unwrap(),
            receipt
        );
        assert_eq!(receipt.sensitive, key == "infer_health");
        assert_eq!(
            receipt.services[0].purposes[0].third_party_disclosure,
            recipients > 0
        );
    }
}

#[test]
fn the_check_accepts_the_published_example_and_refuses_a_broken_one() {
    let text = include_str!(
        "../vectors/kantara-consent-receipt/CR_v1_1/kantara-consent-receipt-v1_1-example.json"
    );
    let example: Value = serde_json::from_str(text).unwrap();
    assert_eq!(faults(&example), [""; 0]);
    let mut broken = example.clone();
    broken["services"][0]["purposes"][0]
        .as_object_mut()
        .unwrap()
        .remove("thirdPartyName");
    assert_eq!(faults(&broken).len(), 1);
    broken["consentTimestamp"] = Value::from("yesterday");
    broken.as_object_mut().unwrap().remove("policyUrl");
    assert_eq!(faults(&broken).len(), 3);
    // What others write is read too, as far as it says what ours says.
    assert!(
        serde_json::from_value::<KantaraReceipt>(example).is_err(),
        "it has no web address of the controller"
    );
}

/// Where each mandatory field of the table is in a record.
const PLACES: [(&str, &str); 27] = [
    ("schema version", "/dct:conformsTo"),
    ("record id", "/dct:identifier"),
    ("receipt id", "/dct:identifier"),
    ("pii principal id", "/dpv:hasDataSubject/dct:identifier"),
    ("privacy notice", "/dpv:hasNotice/dct:identifier"),
    ("language", "/dct:language"),
    ("purpose", "/dpv:hasProcess/dpv:hasPurpose/dct:identifier"),
    ("pii information", "/dpv:hasProcess/dpv:hasPersonalData/0"),
    ("pii controllers", "/dpv:hasProcess/dpv:hasDataController/0"),
    (
        "storage locations",
        "/dpv:hasProcess/dpv:hasStorageCondition/dpv:hasLocation/0",
    ),
    (
        "retention period",
        "/dpv:hasProcess/dpv:hasStorageCondition/dpv:hasDuration",
    ),
    ("jurisdiction", "/dpv:hasProcess/dpv:hasJurisdiction"),
    (
        "recipient third parties",
        "/dpv:hasProcess/dpv:hasRecipient/0",
    ),
    (
        "withdrawal method",
        "/dpv:hasLegalBasis/dpv:hasConsentControl/@id",
    ),
    (
        "pii type",
        "/dpv:hasProcess/dpv:hasPersonalData/0/dct:identifier",
    ),
    (
        "party id",
        "/dpv:hasProcess/dpv:hasDataController/0/dct:identifier",
    ),
    (
        "party address",
        "/dpv:hasProcess/dpv:hasDataController/0/dpv:hasAddress",
    ),
    (
        "party name",
        "/dpv:hasProcess/dpv:hasDataController/0/dpv:hasName",
    ),
    (
        "party contact",
        "/dpv:hasProcess/dpv:hasDataController/0/dpv:hasContact/0",
    ),
    (
        "party type",
        "/dpv:hasProcess/dpv:hasDataController/0/@type",
    ),
    ("event time", "/dpv:hasLegalBasis/dct:date"),
    ("validity duration", "/dpv:hasLegalBasis/dct:valid"),
    ("entity id", "/dpv:hasLegalBasis/dpv:isImplementedByEntity"),
    ("event type", "/dpv:hasLegalBasis/@type"),
    ("event state", "/dpv:hasLegalBasis/dpv:hasConsentStatus"),
    ("collection method", "/dpv:hasProcess/dpv:hasDataSource"),
    ("service", "/dpv:hasProcess/dpv:hasService"),
];

#[test]
fn an_iso_27560_record_has_every_mandatory_field_under_a_term_of_the_table() {
    let table: Value =
        serde_json::from_str(include_str!("../vectors/dpv/iso-27560-mapping.json")).unwrap();
    let (record, _) = both(&yes("marketing_email", "2026-11-01"), "marketing_email");
    let mut mandatory = 0;
    for row in table.as_array().unwrap() {
        let field = row["field"].as_str().unwrap();
        let place = PLACES
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, place)| *place);
        if row["iso"] == "Mandatory" {
            mandatory += 1;
            let place = place.unwrap_or_else(|| panic!("no place for `{field}`"));
            let value = record
                .pointer(place)
                .unwrap_or_else(|| panic!("`{field}` is missing at {place}"));
            assert!(!value.is_null() && value != "", "{field}");
        }
        let Some(place) = place else { continue };
        // The path names one of the row's own relations, where the table gives one that is a term.
        let relations = row["dpv_relation"].as_str().unwrap();
        let terms: Vec<&str> = relations
            .split(", ")
            .filter(|term| term.starts_with("dpv:") || term.starts_with("dct:"))
            .collect();
        let is_used = terms
            .iter()
            .any(|term| place.contains(term.trim_end_matches(" etc.")));
        assert!(
            is_used || terms.is_empty() || field == "party type",
            "{field}: {relations}"
        );
    }
    assert_eq!(mandatory, 25);
}

#[test]
fn an_iso_27560_record_reads_back_and_its_words_are_terms() {
    let lists = [
        include_str!("../vectors/dpv/consent_status.csv"),
        include_str!("../vectors/dpv/consent_types.csv"),
        include_str!("../vectors/dpv/consent_controls.csv"),
        include_str!("../vectors/dpv/purposes.csv"),
    ];
    let terms: Vec<&str> = lists
        .iter()
        .flat_map(|list| list.lines())
        .filter_map(|line| line.split(',').next())
        .collect();
    for event in [
        yes("marketing_email", "2026-11-01"),
        by_guardian(yes("marketing_email", "2026-11-01"), None),
    ] {
        let (json, _) = both(&event, "marketing_email");
        let record: Iso27560Record = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&record).unwrap(), json);
        for word in [
            &record.consent.status,
            &record.consent.kind,
            &record.consent.control.kind,
            &record.process.purpose.kind,
        ] {
            let term = word.strip_prefix("dpv:").unwrap();
            assert!(terms.contains(&term), "{term} is no term of the lists");
        }
    }
    let event = yes("marketing_email", "2026-11-01");
    let receipt = recorded(
        &event,
        std::slice::from_ref(&event),
        "marketing_email",
        "2026-11-02",
        &[],
        |recorded| iso_27560(recorded, RECEIPT_PROFILE),
    );
    assert_eq!(
        (receipt.kind.as_str(), receipt.conforms_to.as_str()),
        ("dpv:ConsentReceipt", RECEIPT_PROFILE)
    );
}

#[test]
fn the_state_of_a_record_is_how_the_choice_stands() {
    let state = |event: &ConsentEvent, later: &[ConsentEvent], on: &str| {
        let history: Vec<_> = [event.clone()]
            .into_iter()
            .chain(later.iter().cloned())
            .collect();
        recorded(event, &history, "train_ad_model", on, &[], |recorded| {
            iso_27560(recorded, RECORD_PROFILE).consent.status
        })
    };
    let given = yes("train_ad_model", "2026-01-01");
    assert_eq!(state(&given, &[], "2026-02-01"), "dpv:ConsentGiven");
    let no = withdrawn("train_ad_model", "2026-03-01");
    assert_eq!(
        state(&given, std::slice::from_ref(&no), "2026-04-01"),
        "dpv:ConsentWithdrawn"
    );
    assert_eq!(state(&no, &[], "2026-04-01"), "dpv:ConsentWithdrawn");
    assert_eq!(
        state(&refused("train_ad_model", "2026-03-01"), &[], "2026-04-01"),
        "dpv:ConsentRefused"
    );
    let mut short = given;
    if let domain::consent::Act::Given(assent) = &mut short.act {
        assent.expires = Some("2026-02-01T00:00:00Z".parse().unwrap());
    }
    assert_eq!(state(&short, &[], "2026-04-01"), "dpv:ConsentExpired");
}

#[test]
fn a_no_has_a_record_and_no_kantara_receipt() {
    let (record, receipt) = both(&gpc(PHONE, "2026-11-01")[0], "sell_purchases");
    assert!(receipt.is_none() && record.get("dpv:hasNotice").is_none());
    assert_eq!(
        record["dpv:hasDataSubject"]["dct:identifier"],
        format!("device:{PHONE}")
    );
}
