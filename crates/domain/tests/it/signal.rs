//! `Sec-GPC` and `/.well-known/gpc.json` by every case of the vectors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;

use domain::consent::{Act, By, ConsentId, Party};
use domain::purpose_of_use::UseKind;
use domain::signal::{GpcFile, Signal, Support, is_gpc_on, read_gpc_file};
use jiff::civil::date;
use serde_json::Value;
use uuid::Uuid;

use crate::consent::fixture::{PHONE, at, subject};

fn cases() -> Value {
    serde_json::from_str(include_str!("../vectors/gpc/cases.json")).unwrap()
}

#[test]
fn every_header_of_the_vectors_is_read_as_they_say() {
    let cases = cases();
    let headers = cases["header"].as_array().unwrap();
    for case in headers {
        let values: Vec<&[u8]> = case["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_str().unwrap().as_bytes())
            .collect();
        let expected = match &case["gpc"] {
            Value::Bool(on) => *on,
            // Two cases explain their answer, which is the first word.
            Value::String(words) => words.starts_with("True"),
            other => panic!("{other}"),
        };
        assert_eq!(is_gpc_on(values), expected, "{case}");
    }
    assert_eq!(headers.len(), 9);
}

#[test]
fn nothing_but_blanks_around_a_one_is_a_one() {
    for (value, on) in [
        (" 1", true),
        ("\t1 \t", true),
        ("", false),
        ("  ", false),
        ("1\n", false),
        ("\u{a0}1", false),
        ("11", false),
    ] {
        assert_eq!(is_gpc_on([value.as_bytes()]), on, "{value:?}");
    }
    assert!(!is_gpc_on([b"\xff".as_slice()]));
}

#[test]
fn every_file_of_the_vectors_is_read_as_they_say() {
    let cases = cases();
    let files = cases["well_known"].as_array().unwrap();
    for case in files {
        let kind = case["content_type"].as_str().unwrap_or("application/json");
        let body = case
            .get("body")
            .map_or_else(|| "<html>".to_owned(), Value::to_string);
        let expected = match &case["support"] {
            Value::Bool(true) => Support::Yes,
            Value::Bool(false) => Support::No,
            _ => Support::Unknown,
        };
        assert_eq!(read_gpc_file(kind, body.as_bytes()), expected, "{case}");
    }
    assert_eq!(files.len(), 6);
}

#[test]
fn our_own_file_says_that_the_signal_is_honoured_and_since_when() {
    let file = GpcFile {
        gpc: true,
        last_update: date(2026, 11, 21),
    };
    assert_eq!(file.text(), r#"{"gpc":true,"lastUpdate":"2026-11-21"}"#);
    assert_eq!(serde_json::to_string(&file).unwrap(), file.text());
    assert_eq!(
        read_gpc_file("application/json; charset=utf-8", file.text().as_bytes()),
        Support::Yes
    );
}

#[test]
fn a_signal_opts_out_the_device_its_pseudonyms_and_the_known_subject() {
    let parties = [Party::Device(PHONE), Party::Pseudonym(PHONE), subject()];
    let mut ids = (1..).map(|id| ConsentId::from_uuid(Uuid::from_u128(id)));
    let events = Signal::Gpc.opt_outs(
        parties.clone(),
        Some(PHONE),
        at("2026-11-02"),
        "shop",
        || ids.next().unwrap(),
    );
    let whom: Vec<Party> = events.iter().map(|event| event.party.clone()).collect();
    assert_eq!(whom, parties);
    let distinct: BTreeSet<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(distinct.len(), 3);
    for event in events {
        assert!(matches!(event.act, Act::OptedOut { shown: None }));
        assert!(matches!(
            event.by,
            By::Signal {
                signal: Signal::Gpc,
                device: Some(PHONE)
            }
        ));
    }
    assert!(Signal::Gpc.uses().iter().all(|kind| kind.is_sale_like()));
    let limited = Signal::Gpp {
        section: 8,
        uses: [UseKind::Sensitive].into(),
    };
    assert_eq!(limited.uses(), [UseKind::Sensitive].into());
}
