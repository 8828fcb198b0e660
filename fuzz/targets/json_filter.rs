//! Any bytes as a JSON body: the filter refuses them, or it says what the same filter over serde_json's tree says; and however the body
//! is cut into pieces, it says the same.
//!
//! Input: `shape cut cut body`.
#![no_main]

use std::sync::{Arc, LazyLock};

use domain::body_shape::{BodyForm, BodyShape, PlaceUse};
use domain::profile::AttributeNumber;
use enforcement::RecordedPermit;
use enforcement::json_filter::{BodyCheck, Fault, JsonFilter, Limits, Unaltered};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

use crate::profiles::permit;

// The schema and the permits that the tests use.
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../crates/enforcement/tests/it/log.rs"]
mod log;
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../crates/enforcement/tests/it/profiles.rs"]
mod profiles;

/// What the tree's filter knows of a place. Attributes 1 and 3 are allowed.
enum Place {
    Kept,
    Gone,
    List(&'static Place),
    Object(&'static [(&'static str, Place)], Others),
    /// Who has a permit is found by the length of her key, under `id`.
    Subject(&'static Place),
}

#[derive(PartialEq)]
enum Others {
    Pass,
    Gone,
}

const CUSTOMER: Place = Place::Object(
    &[
        ("name", Place::Kept),
        ("email", Place::Gone),
        ("id", Place::Gone),
        (
            "phones",
            Place::List(&Place::Object(
                &[("number", Place::Kept), ("ssn", Place::Gone)],
                Others::Gone,
            )),
        ),
        (
            "card",
            Place::Object(&[("number", Place::Gone)], Others::Gone),
        ),
        ("meta", Place::Object(&[("by", Place::Gone)], Others::Pass)),
    ],
    Others::Gone,
);
const LIST: Place = Place::Object(
    &[
        ("customers", Place::List(&Place::Subject(&CUSTOMER))),
        ("total", Place::Kept),
    ],
    Others::Gone,
);

struct World {
    permit: RecordedPermit,
    shapes: [Arc<BodyShape>; 3],
}

static WORLD: LazyLock<World> = LazyLock::new(|| World {
    permit: permit(&[1], &["name", "phone"]),
    shapes: [
        shape(BodyForm::Json, "$", false),
        shape(BodyForm::Json, "$.customers[*]", true),
        shape(BodyForm::Lines, "$", true),
    ],
});

fn shape(form: BodyForm, customer: &str, is_subject: bool) -> Arc<BodyShape> {
    let attribute = |number| PlaceUse::Attribute(AttributeNumber(number));
    let mut named = vec![
        (format!("{customer}.name"), attribute(1)),
        (format!("{customer}.email"), attribute(2)),
        (format!("{customer}.id"), attribute(2)),
        (format!("{customer}.phones[*].number"), attribute(3)),
        (format!("{customer}.phones[*].ssn"), attribute(4)),
        (format!("{customer}.card.number"), attribute(4)),
        (format!("{customer}.meta.by"), attribute(2)),
        (format!("{customer}.meta.*"), PlaceUse::Passed),
    ];
    if is_subject {
        let key = format!("{customer}.id");
        named.push((customer.to_owned(), PlaceUse::Subject { key }));
    }
    if customer != "$" {
        named.push(("$.total".to_owned(), PlaceUse::Passed));
    }
    let named = named
        .iter()
        .map(|(path, place_use)| (path.as_str(), place_use.clone()));
    Arc::new(BodyShape::build(form, named).unwrap())
}

fuzz_target!(|bytes: &[u8]| {
    let [which, first, second, body @ ..] = bytes else {
        return;
    };
    let which = usize::from(*which) % 3;
    let whole = filtered(which, &[body]);
    let same = |pieces: &[&[u8]]| {
        assert!(
            filtered(which, pieces).ok() == whole.as_ref().ok().cloned(),
            "however it is cut"
        )
    };
    same(&body.chunks(1).collect::<Vec<_>>());
    let (head, tail) = body.split_at(usize::from(*first) % (body.len() + 1));
    let (middle, tail) = tail.split_at(usize::from(*second) % (tail.len() + 1));
    same(&[head, middle, tail]);
    match which {
        0 => compare(body, whole, &CUSTOMER),
        1 => compare(body, whole, &LIST),
        _ => compare_lines(body, whole),
    }
    check(which, body);
});

fn filtered(which: usize, pieces: &[&[u8]]) -> Result<Vec<u8>, Fault> {
    let world = &*WORLD;
    let limits = Limits {
        window: 2,
        hold_back: 16,
        ..Limits::default()
    };
    let (shape, alter) = (&world.shapes[which], Arc::new(Unaltered));
    let mut filter = match which {
        0 => JsonFilter::for_subject(shape, &world.permit, alter, limits),
        _ => JsonFilter::for_subjects(shape, alter, limits),
    };
    let mut out = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let taken = filter.push(rest).map_err(|refused| refused.fault)?;
            rest = &rest[taken..];
            if !rest.is_empty() {
                answer(&mut filter)?;
            }
            out.extend(filter.take().into_bytes());
        }
    }
    answer(&mut filter)?;
    let (last, _) = filter.finish().map_err(|refused| refused.fault)?;
    out.extend(last.into_bytes());
    Ok(out)
}

fn answer(filter: &mut JsonFilter) -> Result<(), Fault> {
    let answers: Vec<_> = filter
        .needs()
        .map(|key| is_known(key.expose()).then_some(&WORLD.permit))
        .collect();
    filter.answer(&answers).map_err(|refused| refused.fault)
}

fn is_known(key: &str) -> bool {
    key.len() % 3 != 0
}

/// What is written is checked without a panic, and what may be written may be seen.
fn check(which: usize, body: &[u8]) {
    let world = &*WORLD;
    let mut check = match which {
        0 => BodyCheck::for_subject(&world.shapes[0], &world.permit, Limits::default()),
        _ => BodyCheck::for_subjects(&world.shapes[which], Limits::default()),
    };
    let Ok(taken) = check.push(body) else {
        return;
    };
    let answers = vec![Some(&world.permit); check.needs().len()];
    let passed = taken == body.len() && check.answer(&answers).is_ok() && check.finish().is_ok();
    if let (0, true, Ok(tree)) = (which, passed, serde_json::from_slice::<Value>(body)) {
        let out = filtered(0, &[body])
            .ok()
            .map(|out| serde_json::from_slice::<Value>(&out).unwrap());
        assert!(out == Some(tree), "all of it may be seen");
    }
}

fn compare(body: &[u8], whole: Result<Vec<u8>, Fault>, place: &Place) {
    let is_json = std::str::from_utf8(body).is_ok()
        && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    match whole {
        Err(fault) => assert!(
            !is_json || is_of_its_own(&fault),
            "JSON is refused: {fault}"
        ),
        Ok(_) if !is_json => panic!("what is no JSON passed"),
        Ok(out) => {
            // Half characters and numbers beyond all bounds make no tree.
            let Ok(tree) = serde_json::from_slice::<Value>(body) else {
                return;
            };
            let out: Value = serde_json::from_slice(&out).unwrap();
            if let Ok(expected) = by_tree(&tree, place) {
                assert!(expected == Some(out), "the tree says otherwise");
            }
        }
    }
}

fn compare_lines(body: &[u8], whole: Result<Vec<u8>, Fault>) {
    let Ok(out) = whole else {
        return;
    };
    let trees: Result<Vec<Value>, _> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .map(serde_json::from_slice)
        .collect();
    let Ok(trees) = trees else {
        return;
    };
    let expected: Result<Vec<_>, Unsure> = trees
        .iter()
        .map(|tree| by_tree(tree, &Place::Subject(&CUSTOMER)))
        .collect();
    let lines: Vec<Value> = out
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    if let Ok(expected) = expected {
        assert!(
            expected.into_iter().flatten().eq(lines),
            "the tree says otherwise"
        );
    }
}

/// What JSON as such would allow.
fn is_of_its_own(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Misshapen
            | Fault::Duplicate { .. }
            | Fault::NameUnreadable
            | Fault::TooDeep { .. }
            | Fault::NameTooLong { .. }
    )
}

/// A number as a key that a tree has rounded.
struct Unsure;

fn by_tree(value: &Value, place: &Place) -> Result<Option<Value>, Unsure> {
    Ok(match (place, value) {
        (Place::Kept, value) => Some(value.clone()),
        (Place::Gone, _) => None,
        (_, Value::Null) if is_live(place) => Some(Value::Null),
        (Place::Subject(inner), Value::Object(members)) => match is_permitted(members.get("id"))? {
            true => by_tree(value, inner)?,
            false => None,
        },
        (Place::List(element), Value::Array(elements)) if is_live(place) => {
            let inner: Result<Vec<_>, Unsure> =
                elements.iter().map(|one| by_tree(one, element)).collect();
            Some(inner?.into_iter().flatten().collect())
        }
        (Place::Object(known, others), Value::Object(members)) if is_live(place) => {
            let mut inner = Map::new();
            for (name, value) in members {
                let value = match known.iter().find(|(known, _)| known == name) {
                    Some((_, place)) => by_tree(value, place)?,
                    None => Some(value.clone()).filter(|_| *others == Others::Pass),
                };
                inner.extend(value.map(|value| (name.clone(), value)));
            }
            Some(inner.into())
        }
        _ => None,
    })
}

fn is_permitted(key: Option<&Value>) -> Result<bool, Unsure> {
    match key {
        Some(Value::String(text)) if text.len() > 80 => Err(Unsure),
        Some(Value::String(text)) => Ok(!text.is_empty() && is_known(text)),
        Some(Value::Number(number)) if number.is_f64() => Err(Unsure),
        Some(Value::Number(number)) => Ok(is_known(&number.to_string())),
        _ => Ok(false),
    }
}

fn is_live(place: &Place) -> bool {
    match place {
        Place::Kept | Place::Subject(_) => true,
        Place::Gone => false,
        Place::List(element) => is_live(element),
        Place::Object(known, others) => {
            *others == Others::Pass || known.iter().any(|(_, place)| is_live(place))
        }
    }
}
