//! Published vectors of the parts that nobody outside sees: numbers, ranges, headers and the layouts themselves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde_json::{Value as Json, json};

use super::bits::{BitReader, push, push_fibonacci};
use super::error::Fault;
use super::ids::{Coding, Ids};
use super::layout::{Field, Form, Kind, SectionLayout, SegmentLayout, Text};
use super::value::Value;
use super::{Gpp, SectionId, read_header};

fn vectors(text: &str) -> Vec<Json> {
    serde_json::from_str(text).unwrap()
}

/// A text of `0` and `1`; `None` where another character is in it, which our bits cannot hold.
fn bits(text: &Json) -> Option<Vec<bool>> {
    let bit = |character| match character {
        '0' => Some(false),
        '1' => Some(true),
        _ => None,
    };
    text.as_str().unwrap().chars().map(bit).collect()
}

fn text(bits: &[bool]) -> Json {
    bits.iter()
        .map(|bit| if *bit { '1' } else { '0' })
        .collect::<String>()
        .into()
}

fn ids(list: &Json) -> Ids {
    let number = |id: &Json| NonZeroU16::new(u16::try_from(id.as_u64().unwrap()).unwrap());
    list.as_array()
        .unwrap()
        .iter()
        .map(|id| number(id).unwrap())
        .collect()
}

fn width(vector: &Json, place: usize) -> u8 {
    u8::try_from(vector["args"][place].as_u64().unwrap()).unwrap()
}

/// What we make of a vector: the text of bits, the decoded value, or `None` for an error.
fn encode(vector: &Json) -> Option<Json> {
    let value = &vector["args"][0];
    let mut out = Vec::new();
    match vector["encoder"].as_str().unwrap() {
        "BooleanEncoder" => Value::Flag(value.as_bool()?).write(Kind::Flag, &mut out),
        "FibonacciIntegerEncoder" => push_fibonacci(&mut out, u32::try_from(value.as_u64()?).ok()?),
        "FibonacciIntegerRangeEncoder" => ids(value).write_ranges(&mut out, Coding::Fibonacci),
        "FixedIntegerRangeEncoder" => ids(value).write_ranges(&mut out, Coding::Fixed),
        "FixedIntegerEncoder" => checked(
            Value::Integer(value.as_u64()?),
            Kind::Integer(width(vector, 1)),
            &mut out,
        )?,
        "FixedStringEncoder" => checked(
            Value::Letters(value.as_str()?.to_owned()),
            Kind::Letters(width(vector, 1)),
            &mut out,
        )?,
        "FixedBitfieldEncoder" => {
            let mut flags: Vec<bool> = serde_json::from_value(value.clone()).unwrap();
            flags.resize(flags.len().max(width(vector, 1).into()), false);
            checked(Value::Flags(flags), Kind::Bits(width(vector, 1)), &mut out)?;
        }
        "FixedIntegerListEncoder" => {
            let mut numbers: Vec<u8> = serde_json::from_value(value.clone()).unwrap();
            numbers.resize(numbers.len().max(width(vector, 2).into()), 0);
            let kind = Kind::Integers {
                width: width(vector, 1),
                count: width(vector, 2),
            };
            checked(Value::Integers(numbers), kind, &mut out)?;
        }
        other => panic!("{other}"),
    }
    Some(text(&out))
}

fn checked(value: Value, kind: Kind, out: &mut Vec<bool>) -> Option<()> {
    value.fits(kind, 0).then(|| value.write(kind, out))
}

fn decode(vector: &Json) -> Option<Json> {
    let bits = bits(&vector["args"][0])?;
    let reader = &mut BitReader::new(&bits);
    let whole = u8::try_from(bits.len()).unwrap();
    let decoded = match vector["encoder"].as_str().unwrap() {
        "BooleanEncoder" => reader.flag().ok()?.into(),
        "FibonacciIntegerEncoder" => reader.fibonacci().ok()?.into(),
        "FibonacciIntegerRangeEncoder" => numbers(Ids::read_ranges(reader, Coding::Fibonacci))?,
        "FixedIntegerRangeEncoder" => numbers(Ids::read_ranges(reader, Coding::Fixed))?,
        "FixedIntegerEncoder" => reader.integer(whole).ok()?.into(),
        "FixedStringEncoder" => match Value::read(Kind::Letters(whole / 6), reader, 0).ok()? {
            Value::Letters(letters) => letters.into(),
            _ => panic!(),
        },
        "FixedBitfieldEncoder" => json!(reader.take(bits.len()).ok()?),
        "FixedIntegerListEncoder" => {
            let (width, count) = (width(vector, 1), width(vector, 2));
            // Theirs fills a short list up; where a list ends our layouts end, so only whole ones are read.
            let mut filled = bits.clone();
            if bits.len() % usize::from(width) != 0 || bits.len() > usize::from(width * count) {
                return None;
            }
            filled.resize(usize::from(width * count), false);
            let kind = Kind::Integers { width, count };
            match Value::read(kind, &mut BitReader::new(&filled), 0).ok()? {
                Value::Integers(numbers) => json!(numbers),
                _ => panic!(),
            }
        }
        other => panic!("{other}"),
    };
    // Theirs are given exactly the bits of one value; ours stop behind it, and something is left over.
    let whole = vector["encoder"] == "FixedIntegerListEncoder" || reader.rest().is_empty();
    whole.then_some(decoded)
}

fn numbers(ids: Result<Ids, Fault>) -> Option<Json> {
    Some(json!(ids.ok()?.iter().collect::<Vec<_>>()))
}

#[test]
fn numbers_and_ranges_are_coded_as_in_the_published_cases() {
    let vectors = vectors(include_str!("../../tests/vectors/iab-gpp/primitives.json"));
    let mut agreed = 0;
    for vector in &vectors {
        let ours = if vector["op"] == "encode" {
            encode(vector)
        } else {
            decode(vector)
        };
        let expected = &vector["expected"];
        let expected = expected.get("error").is_none().then(|| expected.clone());
        assert_eq!(ours, expected, "{vector}");
        agreed += 1;
    }
    assert_eq!(agreed, 133);
}

#[test]
fn headers_are_read_and_written_as_in_the_generated_cases() {
    let vectors = vectors(include_str!(
        "../../tests/vectors/iab-gpp/generated-headers.json"
    ));
    assert_eq!(vectors.len(), 60);
    for vector in &vectors {
        let header = vector["header"].as_str().unwrap();
        let named: Vec<u64> = serde_json::from_value(vector["section_ids"].clone()).unwrap();
        let read: Vec<u64> = read_header(header).unwrap().iter().map(u64::from).collect();
        assert_eq!(read, named);
        let mut gpp = Gpp::default();
        for id in named {
            let id = SectionId(u16::try_from(id).unwrap());
            gpp.sections
                .insert(id, super::Content::Opaque("x".to_owned()));
        }
        assert_eq!(gpp.header(), header);
    }
}

/// The layouts by the library's name of the segment, each field once for each way in which it is coded.
fn layouts() -> BTreeMap<String, Vec<(String, String)>> {
    let mut layouts = BTreeMap::new();
    for section in SectionLayout::all() {
        let forms =
            std::iter::once(&section.core).chain(section.more.iter().map(|more| &more.form));
        for layout in forms
            .flat_map(each)
            .filter(|layout| layout.text != Text::Characters)
        {
            let state = layout.fields.first().unwrap().name;
            let shared = ["Gpc", "SensitiveDataConsent"].contains(&layout.name);
            let name = match (shared, state) {
                (true, _) => format!("Us{}{}", capital(section.name), layout.name),
                _ => layout.name.to_owned(),
            };
            let fields = layouts.entry(name).or_insert_with(Vec::new);
            for field in layout.fields.iter().map(described) {
                if !fields.contains(&field) {
                    fields.push(field);
                }
            }
        }
    }
    layouts
}

fn each(form: &Form) -> Vec<&'static SegmentLayout> {
    match form {
        // The short one is version 1's; the library has it only in code.
        Form::One(layout) | Form::ByLength { long: layout, .. } => vec![*layout],
        Form::ByFit(layouts) => layouts.iter().rev().collect(),
    }
}

fn capital(section: &str) -> String {
    let state = section.strip_prefix("us").unwrap();
    state[..1].to_uppercase() + &state[1..]
}

fn described(field: &Field) -> (String, String) {
    let kind = match field.kind {
        Kind::Integer(width) => format!("Int({width})"),
        Kind::Time => "Datetime(36)".to_owned(),
        Kind::Letters(count) => format!("String({count}*6)"),
        Kind::Flag => "Boolean(1)".to_owned(),
        Kind::Bits(count) => format!("Bitfield({count})"),
        Kind::CustomBits => "FlexibleBitfield".to_owned(),
        Kind::Integers { width, count } => format!("N-Bitfield({width},{count})"),
        Kind::Ids(Coding::Fixed) => "OptimizedFixedRange".to_owned(),
        Kind::Ids(Coding::Fibonacci) => "OptimizedFibonacciRange".to_owned(),
        Kind::Restrictions(Coding::Fixed) => "ArrayOfFixedIntegerRanges".to_owned(),
        Kind::Restrictions(Coding::Fibonacci) => "ArrayOfOptimizedFibonacciRanges".to_owned(),
        Kind::Digit | Kind::Mark => panic!(),
    };
    (field.name.to_owned(), kind)
}

#[test]
fn our_tables_have_the_fields_of_the_published_layouts() {
    let published: BTreeMap<String, Vec<(String, String)>> = serde_json::from_str(include_str!(
        "../../tests/vectors/iab-gpp/segment-layouts.json"
    ))
    .unwrap();
    let camel = |name: &str| -> String {
        let words = name
            .split('_')
            .map(|word| word[..1].to_owned() + &word[1..].to_lowercase());
        words.collect()
    };
    let mut ours = layouts();
    let header = vec![
        ("Id".to_owned(), "Int(6)".to_owned()),
        ("Version".to_owned(), "Int(6)".to_owned()),
        ("SectionIds".to_owned(), "FibonacciIntegerRange".to_owned()),
    ];
    ours.insert("HeaderV1Core".to_owned(), header);
    assert_eq!(published.len(), 47);
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        published.keys().collect::<Vec<_>>()
    );
    for (name, fields) in published {
        let fields: Vec<_> = fields
            .iter()
            .map(|(field, kind)| (camel(field), kind.clone()))
            .collect();
        assert_eq!(ours[&name], fields, "{name}");
    }
}

#[test]
fn every_item_of_a_list_has_a_meaning() {
    for section in SectionLayout::all() {
        let forms =
            std::iter::once(&section.core).chain(section.more.iter().map(|more| &more.form));
        for field in forms.flat_map(each).flat_map(|layout| layout.fields) {
            let meanings = match field.name {
                "SensitiveDataProcessing" => section.sensitive.len(),
                "KnownChildSensitiveDataConsents" => section.child.len(),
                _ => continue,
            };
            let items = match field.kind {
                Kind::Integers { count, .. } => usize::from(count),
                _ => 1,
            };
            assert_eq!(meanings, items, "{} of {}", field.name, section.name);
        }
    }
}

#[test]
fn a_number_in_fibonacci_coding_that_never_ends_is_refused() {
    let mut zeros = vec![false; 90_000];
    zeros.push(true);
    assert_eq!(BitReader::new(&zeros).fibonacci(), Err(Fault::TooLarge));
    assert_eq!(BitReader::new(&[true; 1]).fibonacci(), Err(Fault::Ends));
}

#[test]
fn a_range_of_all_vendors_is_one_range() {
    let mut bits = Vec::new();
    push(&mut bits, 4_095, 12);
    for _ in 0..4_095 {
        bits.push(true);
        push(&mut bits, 1, 16);
        push(&mut bits, 65_535, 16);
    }
    let ids = Ids::read_ranges(&mut BitReader::new(&bits), Coding::Fixed).unwrap();
    assert_eq!(ids.len(), 65_535);
    let mut again = Vec::new();
    ids.write_ranges(&mut again, Coding::Fixed);
    assert_eq!(again.len(), 12 + 33);
}

/// Found by the fuzzer: the layouts of one segment pad differently, and reading again took the other one.
#[test]
fn what_was_written_is_read_in_the_layout_that_it_was_written_in() {
    let text =
        "DBACOeA~A~BPSG_8APSG_8AAyACAEFGdCAKpAAAENAwACAAASG_8APADAAAAANGAA.QAAA.IAAA~BPDBASC";
    let (first, _) = Gpp::parse_readable(text).unwrap();
    let written = first.to_string();
    let (again, _) = Gpp::parse_readable(&written).unwrap();
    assert!(again == first);
    assert_eq!(again.to_string(), written);
}
