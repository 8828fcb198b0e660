//! One item of an HTTP service: members addressed by dot paths, values in canonical text, and comparison with look-ups.

use aws_lc_rs::digest;
use domain::data_map::{Collection, FieldName, ValueKind};
use domain::plan::{Cutoff, Way, WaySearch};
use domain::row::{Tuple, canonical};
use domain::sensitive::Sensitive;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// The member at a dot path (`requester.email`); a member whose own name has the dots comes first.
pub(super) fn member<'a>(item: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(value) = item.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(at, _)| {
        let (first, rest) = (path.get(..at)?, path.get(at + 1..)?);
        item.get(first).and_then(|inner| member(inner, rest))
    })
}

/// Sets the member at a dot path, making the objects on the way.
pub(super) fn set_member(item: &mut Value, path: &str, value: Value) {
    if !item.is_object() {
        *item = Value::Object(Map::new());
    }
    let Value::Object(members) = item else { return };
    match path.split_once('.') {
        Some((first, rest)) if !members.contains_key(path) => {
            set_member(members.entry(first).or_insert(Value::Null), rest, value)
        }
        _ => drop(members.insert(path.to_owned(), value)),
    }
}

/// A value's canonical text; `None` where it is empty.
pub(super) fn text(value: &Value, kind: ValueKind) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(canonical(kind, text)),
        Value::Number(number) => Some(canonical(
            if kind == ValueKind::Text {
                ValueKind::Decimal
            } else {
                kind
            },
            &number.to_string(),
        )),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

/// The text of a member that identifies an item, in a path or a set.
pub(super) fn id_text(item: &Value, id: &str) -> Option<String> {
    match member(item, id)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A short digest by which an item is recognised without keeping its id.
pub(super) fn fingerprint(id: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short
        .iter_mut()
        .zip(digest::digest(&digest::SHA256, id.as_bytes()).as_ref())
        .for_each(|(to, from)| *to = *from);
    short
}

/// The look-ups of a search, made ready to compare items with.
pub(super) struct Wanted {
    ways: Vec<WantedWay>,
}

struct WantedWay {
    way: Way,
    kinds: Vec<ValueKind>,
    /// Sorted, in lower case where case is ignored.
    tuples: Sensitive<Vec<Tuple>>,
}

impl Wanted {
    /// Kinds of values are taken from `collection`, where it is known.
    pub(super) fn new(collection: Option<&Collection>, ways: &[WaySearch]) -> Self {
        Self {
            ways: ways
                .iter()
                .map(|search| WantedWay::new(collection, search))
                .collect(),
        }
    }

    /// The first look-up that the item matches, with the values as compared.
    pub(super) fn found_by(&self, item: &Value) -> Option<(&Way, Tuple)> {
        self.ways
            .iter()
            .find_map(|wanted| wanted.matching(item).map(|tuple| (&wanted.way, tuple)))
    }

    /// All fields that are compared.
    pub(super) fn fields(&self) -> impl Iterator<Item = &FieldName> {
        self.ways.iter().flat_map(|wanted| &wanted.way.fields)
    }

    /// Whether the item matches any look-up.
    pub(super) fn matches(&self, item: &Value) -> bool {
        self.found_by(item).is_some()
    }
}

impl WantedWay {
    fn new(collection: Option<&Collection>, search: &WaySearch) -> Self {
        let kind = |name: &FieldName| {
            collection
                .and_then(|collection| collection.field(name))
                .map_or(ValueKind::Other, |field| field.kind)
        };
        let mut wanted = Self {
            way: search.way.clone(),
            kinds: search.way.fields.iter().map(kind).collect(),
            tuples: Sensitive::default(),
        };
        let mut tuples: Vec<Tuple> = search
            .values
            .expose()
            .iter()
            .map(|tuple| wanted.comparable(tuple.iter().map(String::as_str)))
            .collect();
        tuples.sort_unstable();
        wanted.tuples = Sensitive::new(tuples);
        wanted
    }

    fn comparable<'a>(&self, values: impl Iterator<Item = &'a str>) -> Tuple {
        let one_case = |text: String| {
            if self.way.ignore_case {
                text.to_lowercase()
            } else {
                text
            }
        };
        values
            .zip(&self.kinds)
            .map(|(value, kind)| one_case(canonical(*kind, value)))
            .collect()
    }

    fn matching(&self, item: &Value) -> Option<Tuple> {
        let texts: Option<Vec<String>> = self
            .way
            .fields
            .iter()
            .zip(&self.kinds)
            .map(|(field, kind)| member(item, field.as_ref()).and_then(|value| text(value, *kind)))
            .collect();
        let tuple = self.comparable(texts?.iter().map(String::as_str));
        self.tuples
            .expose()
            .binary_search(&tuple)
            .is_ok()
            .then_some(tuple)
    }
}

/// Whether a retention rule keeps the item. What can't be read as a moment must stay.
pub(super) fn is_retained(item: &Value, cutoff: &Cutoff) -> bool {
    let Some((field, _)) = &cutoff.since else {
        return true;
    };
    member(item, field.as_ref())
        .and_then(moment)
        .is_none_or(|moment| moment >= cutoff.from)
}

/// Reads RFC 3339, a civil date (counted to its end, so that nothing goes a day early) or seconds or milliseconds since 1970.
fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => {
            let number = number
                .as_i64()
                .or_else(|| number.as_f64().map(|seconds| seconds as i64))?;
            if number.abs() > 100_000_000_000 {
                Timestamp::from_millisecond(number).ok()
            } else {
                Timestamp::from_second(number).ok()
            }
        }
        Value::String(text) => {
            let text = text.trim();
            let civil = || text.parse::<DateTime>().ok().filter(|_| text.len() > 10);
            let end_of_day = || text.parse::<Date>().ok().map(|date| date.at(23, 59, 59, 0));
            text.parse().ok().or_else(|| {
                civil()
                    .or_else(end_of_day)?
                    .to_zoned(TimeZone::UTC)
                    .ok()
                    .map(|zoned| zoned.timestamp())
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use serde_json::json;

    use super::*;

    fn wanted(fields: &[&str], ignore_case: bool, tuples: &[&[&str]]) -> Wanted {
        let way = Way {
            fields: fields.iter().map(|field| FieldName::from(*field)).collect(),
            ignore_case,
        };
        let values = tuples
            .iter()
            .map(|tuple| tuple.iter().map(|value| (*value).to_owned()).collect())
            .collect();
        Wanted::new(
            None,
            &[WaySearch {
                way,
                values: Sensitive::new(values),
            }],
        )
    }

    #[test]
    fn members_are_reached_by_dot_paths_and_by_names_with_dots() {
        let item = json!({"requester": {"email": "a@b.example", "x.y": {"z": 1}}, "a.b": 2});
        assert_eq!(
            member(&item, "requester.email"),
            Some(&json!("a@b.example"))
        );
        assert_eq!(member(&item, "requester.x.y.z"), Some(&json!(1)));
        assert_eq!(member(&item, "a.b"), Some(&json!(2)));
        assert_eq!(member(&item, "requester.phone"), None);
    }

    #[test]
    fn setting_a_member_keeps_its_neighbours() {
        let mut item = json!({"requester": {"email": "a", "name": "b"}});
        set_member(&mut item, "requester.email", Value::Null);
        set_member(&mut item, "notes.text", json!("x"));
        assert_eq!(
            item,
            json!({"requester": {"email": null, "name": "b"}, "notes": {"text": "x"}})
        );
    }

    #[test]
    fn an_item_matches_only_when_all_fields_of_one_look_up_do() {
        let both = wanted(&["shop", "number"], false, &[&["1", "7"], &["2", "8"]]);
        assert!(both.matches(&json!({"shop": 1, "number": "7"})));
        assert!(!both.matches(&json!({"shop": 1, "number": "8"})));
        assert!(!both.matches(&json!({"shop": 1, "number": null})));
    }

    #[test]
    fn case_counts_unless_the_look_up_ignores_it() {
        let item = json!({"email": "Mia@Bakery.Example"});
        assert!(wanted(&["email"], true, &[&["mia@bakery.EXAMPLE"]]).matches(&item));
        assert!(!wanted(&["email"], false, &[&["mia@bakery.example"]]).matches(&item));
    }

    #[test]
    fn what_can_not_be_read_as_a_moment_must_stay() {
        let from: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
        let cutoff = Cutoff {
            since: Some(("at".into(), ValueKind::Timestamp)),
            from,
        };
        let stays = |at: Value| is_retained(&json!({ "at": at }), &cutoff);
        assert!(
            stays(json!("2026-01-10T00:00:00Z"))
                && stays(json!(1_800_000_000))
                && stays(json!("2026-01-10"))
                && stays(json!("soon"))
                && stays(Value::Null)
        );
        assert!(
            !stays(json!("2026-01-09T23:00:00+00:00"))
                && !stays(json!(1_700_000_000))
                && !stays(json!(1_700_000_000_000_u64))
                && !stays(json!("2026-01-09"))
        );
        assert!(!stays(json!("2026-01-09 12:00:00")) && stays(json!("2026-01-10 12:00:00")));
    }
}
