//! What must hold of every GPP string there can be: values survive, and damage ends in an error or in a string that stands.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::num::NonZeroU16;

use domain::gpp::{Gpp, Ids, MAX_LENGTH, Restriction, Section, SectionId, Value};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::gpp::{GPP_STRINGS, SECTION_STRINGS, lines};

/// Fields of segments that a blank section does not have yet.
const LATER_FIELDS: [&str; 16] = [
    "Gpc",
    "SensitiveDataProcessing",
    "VendorsDisclosed",
    "VendorsAllowed",
    "PublisherConsents",
    "PublisherLegitimateInterests",
    "NumCustomPurposes",
    "PublisherCustomConsents",
    "PublisherCustomLegitimateInterests",
    "DisclosedVendors",
    "PubPurposesExpressConsent",
    "PubPurposesImpliedConsent",
    "NumCustomPurposes",
    "CustomPurposesExpressConsent",
    "CustomPurposesImpliedConsent",
    "Gpc",
];

/// Values of every kind; the first that a field takes is put into it.
fn values() -> impl Strategy<Value = Vec<Value>> {
    let flags = prop::collection::vec(any::<bool>(), 63);
    let small = prop::collection::vec(0_u8..4, 16);
    let vendors = || prop_oneof![ids(1..=80, 1..=100), ids(0..=60, 1..=65_535), run_of_ids()];
    let restriction = (0_u8..64, 0_u8..4, vendors());
    let restrictions = prop::collection::vec(restriction, 0..4);
    let simple = (
        any::<u16>(),
        any::<bool>(),
        0_i64..1 << 36,
        "[A-Z]{2}",
        select(vec!["Y", "N", "-"]),
    );
    (simple, flags, small, vendors(), restrictions).prop_map(
        |((number, flag, tenths, letters, mark), flags, small, ids, all)| {
            let mut values = vec![
                Value::Flag(flag),
                Value::Time(Timestamp::from_millisecond(tenths * 100).unwrap()),
                Value::Letters(letters),
                Value::Letters(mark.to_owned()),
                Value::Ids(ids),
                Value::Restrictions(
                    all.into_iter()
                        .map(|(purpose, kind, vendors)| Restriction {
                            purpose,
                            kind,
                            vendors,
                        })
                        .collect(),
                ),
            ];
            values.extend(
                [12, 6, 2].map(|width| Value::Integer(u64::from(number) & ((1 << width) - 1))),
            );
            values.extend((0..=63).map(|count| Value::Flags(flags[..count].to_vec())));
            values.extend((1..=16).map(|count| Value::Integers(small[..count].to_vec())));
            values
        },
    )
}

fn ids(
    count: std::ops::RangeInclusive<usize>,
    among: std::ops::RangeInclusive<u16>,
) -> impl Strategy<Value = Ids> {
    let id = among.prop_map(|id| NonZeroU16::new(id).unwrap());
    prop::collection::vec(id, count).prop_map(|ids| ids.into_iter().collect())
}

fn run_of_ids() -> impl Strategy<Value = Ids> {
    let run = (1_u16..60_000, 1_u16..5_000);
    run.prop_map(|(first, count)| (first..first + count).filter_map(NonZeroU16::new).collect())
}

/// A section of every kind with something in every field.
fn full_section() -> impl Strategy<Value = Section> {
    let known: Vec<SectionId> = SectionId::known().collect();
    let section = select(known).prop_map(|id| Section::blank(id).unwrap());
    (section, prop::collection::vec(values(), 40)).prop_map(|(mut section, values)| {
        let blank: Vec<&str> = section.fields().map(|(name, _)| name).collect();
        let names = blank.iter().skip(1).chain(&LATER_FIELDS);
        let mut put = 0;
        for (name, values) in names.zip(values) {
            put += usize::from(
                values
                    .into_iter()
                    .any(|value| section.set(name, value).is_ok()),
            );
        }
        // Only the version is not ours to choose.
        assert!(put + 1 >= blank.len());
        section
    })
}

fn any_vector() -> impl Strategy<Value = String> {
    let mut texts: Vec<String> = lines(GPP_STRINGS)
        .iter()
        .map(|vector| vector["gpp_string"].as_str().unwrap().to_owned())
        .collect();
    for vector in lines(SECTION_STRINGS) {
        // Among sections whose header is easy to write.
        let header = match vector["section"].as_str().unwrap() {
            "UsNat" => "DBABLA",
            "UsCa" => "DBABBg",
            "TcfCaV1" => "DBABDA",
            "TcfEuV2" => "DBABMA",
            _ => continue,
        };
        texts.push(format!("{header}~{}", vector["string"].as_str().unwrap()));
    }
    select(texts)
}

/// One letter becomes another, goes, or is doubled; or the text ends there.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Drop(Index),
    Double(Index),
    Cut(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        6 => (any::<Index>(), 0_u8..6).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => any::<Index>().prop_map(Damage::Drop),
        1 => any::<Index>().prop_map(Damage::Double),
        1 => any::<Index>().prop_map(Damage::Cut),
    ]
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn damaged(mut text: Vec<u8>, damage: &Damage) -> Vec<u8> {
    if text.is_empty() {
        return text;
    }
    match damage {
        Damage::Flip(at, bit) => {
            let at = at.index(text.len());
            if let Some(value) = ALPHABET.iter().position(|letter| *letter == text[at]) {
                text[at] = ALPHABET[value ^ (1 << bit)];
            }
        }
        Damage::Drop(at) => {
            text.remove(at.index(text.len()));
        }
        Damage::Double(at) => {
            let at = at.index(text.len());
            text.insert(at, text[at]);
        }
        Damage::Cut(at) => text.truncate(at.index(text.len())),
    }
    text
}

/// Reads a text that may be anything. If it is a string, it must stand: written and read again it says the same.
fn stands(text: &str) {
    let Ok((gpp, unreadable)) = Gpp::parse_readable(text) else {
        assert!(Gpp::parse(text).is_err());
        return;
    };
    assert_eq!(Gpp::parse(text).is_err(), !unreadable.is_empty());
    let _ = gpp.opt_out_signal();
    let written = gpp.to_string();
    // What is written is at most a little longer, which can be too long where the text nearly was.
    if written.len() <= MAX_LENGTH {
        let (again, _) = Gpp::parse_readable(&written).unwrap();
        assert!(again == gpp, "{text} became {written}");
        assert_eq!(again.to_string(), written);
    }
}

/// So many cases, or as many times that as PRIVITY_FUZZ says, for a longer hunt.
fn cases(usual: u32) -> ProptestConfig {
    let times = std::env::var("PRIVITY_FUZZ")
        .ok()
        .and_then(|times| times.parse().ok());
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(usual.saturating_mul(times.unwrap_or(1)))
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_put_into_any_field_of_any_section_comes_out_again(section in full_section()) {
        let text = section.to_string();
        let read = Section::parse(section.id(), &text).unwrap();
        prop_assert!(read == section);
        prop_assert_eq!(read.to_string(), text);
        let values: Vec<_> = section.fields().collect();
        prop_assert_eq!(read.fields().collect::<Vec<_>>(), values);
    }
}

proptest! {
    #![proptest_config(cases(2_048))]

    #[test]
    fn damage_ends_in_an_error_or_in_a_string_that_stands(
        text in any_vector(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let text = damages.iter().fold(text.into_bytes(), damaged);
        stands(std::str::from_utf8(&text).unwrap());
    }

    #[test]
    fn noise_after_a_header_ends_in_an_error_or_in_a_string_that_stands(
        header in select(vec!["DBABLA", "DBABBg", "DBABDA", "DBABMA", "DBACNYA", "DBABTA", "DB"]),
        version in select(vec!["~B", "~C", "~1", "~", ""]),
        noise in "[A-Za-z0-9_.~-]{0,120}",
    ) {
        stands(&format!("{header}{version}{noise}"));
    }

    #[test]
    fn any_text_at_all_is_refused_or_stands(text in any::<String>()) {
        stands(&text);
    }
}

#[test]
fn every_beginning_of_every_vector_is_refused_or_stands() {
    for vector in lines(GPP_STRINGS) {
        let text = vector["gpp_string"].as_str().unwrap();
        for end in 0..text.len() {
            stands(&text[..end]);
        }
    }
}

#[test]
fn the_longest_string_of_the_largest_ranges_is_read_in_little_space() {
    // 4,095 ranges of all vendors in one set: 268 million numbers, if they were written out.
    let mut letters = "DBABMA~CPSG_8APSG_8AAAAAAENAAFgAAAAAAAAAAAAAAAAA".to_owned();
    letters.push_str(&"_".repeat(MAX_LENGTH - letters.len()));
    assert!(Gpp::parse(&letters).is_err());
    stands(&letters);
}
