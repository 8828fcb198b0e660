//! What filtering a JSON body costs, next to a filter over serde_json's tree. Ignored: a figure is read, not asserted.
//! `cargo test --release -p enforcement --test it json_filter_cost -- --ignored --nocapture`
#![allow(clippy::print_stdout, reason = "figures for whoever asked for them")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use domain::body_shape::{BodyForm, BodyShape, PlaceUse};
use domain::profile::AttributeNumber;
use enforcement::RecordedPermit;
use enforcement::json_filter::{JsonFilter, Limits, Unaltered};
use serde_json::Value;

use crate::profile_cost::permit_for;

const ATTRIBUTES: u16 = 30;
/// Every second one may be seen.
const STEP: usize = 2;

/// About 2 KB: thirty attributes, an address, and members that nobody knows.
fn customer(id: usize) -> String {
    let mut body = format!("{{\"id\":{id}");
    for n in 1..=ATTRIBUTES {
        let value = match n % 5 {
            0 => format!("{}.{n:02}", 1_000 + id),
            1 => "true".to_owned(),
            2 => format!("{{\"city\":\"Köln\",\"zip\":\"506{n}\",\"since\":[2019,{n}]}}"),
            _ => format!("\"a value of some thirty bytes {n}\""),
        };
        write!(
            body,
            ",\"attribute_{n}\":{value},\"internal_{n}\":\"{n:x}-0000\""
        )
        .unwrap();
    }
    body + "}"
}

/// About 50 KB about one customer: most of it is her orders, which may not be seen, and her messages, which may.
fn one_customer() -> String {
    let order = |n: usize| {
        format!(
            "{{\"order\":{n},\"items\":[{{\"sku\":\"A-{n}\",\"price\":{n}.95,\"gift\":false}}],\"note\":\"leave it at the door, please\"}}"
        )
    };
    let message = |n: usize| {
        format!(
            "{{\"at\":\"2026-11-22T10:00:{:02}Z\",\"text\":\"thank you, this is message number {n} of a long list\"}}",
            n % 60
        )
    };
    let orders: Vec<_> = (0..220).map(order).collect();
    let messages: Vec<_> = (0..220).map(message).collect();
    let customer = customer(1);
    let open = customer.strip_suffix('}').unwrap();
    format!(
        "{open},\"orders\":[{}],\"attribute_31\":[{}]}}",
        orders.join(","),
        messages.join(",")
    )
}

fn customers() -> String {
    let customers: Vec<_> = (0..25).map(customer).collect();
    format!("{{\"total\":25,\"customers\":[{}]}}", customers.join(","))
}

fn shape(list: bool) -> Arc<BodyShape> {
    let before = if list { "$.customers[*]" } else { "$" };
    let attribute = |n| {
        (
            format!("{before}.attribute_{n}"),
            PlaceUse::Attribute(AttributeNumber(n)),
        )
    };
    let mut named: Vec<_> = (1..=ATTRIBUTES + 1).map(attribute).collect();
    named.push((format!("{before}.id"), PlaceUse::Passed));
    if list {
        named.push((
            before.to_owned(),
            PlaceUse::Subject {
                key: format!("{before}.id"),
            },
        ));
        named.push(("$.total".to_owned(), PlaceUse::Passed));
    }
    let named = named
        .iter()
        .map(|(path, place_use)| (path.as_str(), place_use.clone()));
    Arc::new(BodyShape::build(BodyForm::Json, named).unwrap())
}

fn streamed(shape: &Arc<BodyShape>, permit: &RecordedPermit, body: &[u8]) -> Vec<u8> {
    let alter = Arc::new(Unaltered);
    let mut filter = match shape.has_subjects() {
        true => JsonFilter::for_subjects(shape, alter, Limits::default()),
        false => JsonFilter::for_subject(shape, permit, alter, Limits::default()),
    };
    let mut rest = body;
    loop {
        let taken = filter.push(rest).unwrap();
        rest = &rest[taken..];
        let answers = vec![Some(permit); filter.needs().len()];
        filter.answer(&answers).unwrap();
        if rest.is_empty() {
            return filter.finish().unwrap().0.into_bytes();
        }
    }
}

fn by_tree(seen: &BTreeSet<String>, body: &[u8]) -> Vec<u8> {
    let mut tree: Value = serde_json::from_slice(body).unwrap();
    match tree.get_mut("customers").and_then(Value::as_array_mut) {
        Some(customers) => customers
            .iter_mut()
            .for_each(|customer| keep(seen, customer)),
        None => keep(seen, &mut tree),
    }
    serde_json::to_vec(&tree).unwrap()
}

fn keep(seen: &BTreeSet<String>, customer: &mut Value) {
    customer
        .as_object_mut()
        .unwrap()
        .retain(|name, _| seen.contains(name));
}

/// The best of many rounds, the two in turn, so that both have the same neighbours.
fn compare(what: &str, body: &str, list: bool) {
    let names: Vec<_> = (1..=ATTRIBUTES + 1)
        .step_by(STEP)
        .map(|n| format!("attribute_{n}"))
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let permit = permit_for(ATTRIBUTES + 1, &names);
    let seen = names
        .iter()
        .copied()
        .chain(["id"])
        .map(str::to_owned)
        .collect();
    let shape = shape(list);
    let body = body.as_bytes();
    let same = |one: &[u8], other: &[u8]| {
        serde_json::from_slice::<Value>(one).unwrap()
            == serde_json::from_slice::<Value>(other).unwrap()
    };
    assert!(same(
        &streamed(&shape, &permit, body),
        &by_tree(&seen, body)
    ));
    let rounds = 4_000_000 / body.len() as u32;
    let time = |work: &dyn Fn() -> Vec<u8>| {
        let start = Instant::now();
        for _ in 0..rounds {
            black_box(work());
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
    };
    let (mut stream, mut tree) = (f64::MAX, f64::MAX);
    for _ in 0..15 {
        stream = stream.min(time(&|| streamed(&shape, &permit, black_box(body))));
        tree = tree.min(time(&|| by_tree(&seen, black_box(body))));
    }
    let speed = |micros: f64| body.len() as f64 / micros;
    println!(
        "{what}, {} bytes: streaming {stream:.2} µs ({:.0} MB/s), tree {tree:.2} µs ({:.0} MB/s), {:.1} times",
        body.len(),
        speed(stream),
        speed(tree),
        tree / stream
    );
}

#[test]
#[ignore = "a figure, not a promise"]
fn bodies_of_three_kinds() {
    compare("a customer", &customer(1), false);
    compare("a customer with much", &one_customer(), false);
    compare("a list of 25 customers", &customers(), true);
}
