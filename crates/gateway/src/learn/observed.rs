//! Notes the shapes of answers that pass by on a route that says `learn: true`: names of members and kinds of values, never a value.
//!
//! A name can be personal too, where an object is a map from addresses or numbers to something. So what doesn't look like a name that a
//! programmer chose is not kept, nor are the names of an object that has very many, and nothing is shown that fewer than three answers had.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Longer answers are not looked at.
const LONGEST: usize = 256 * 1024;
/// An object with more names is a map.
const MOST_NAMES: usize = 64;
const DEEPEST: usize = 16;
/// How many answers must have had a name before anybody sees it.
const FEWEST: u64 = 3;

/// What was seen of a route's answers.
#[derive(Debug, Default)]
pub(crate) struct Observed(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    answers: u64,
    root: Node,
}

/// What was seen at one place.
#[derive(Debug, Default)]
struct Node {
    times: u64,
    is_text: bool,
    is_number: bool,
    is_truth: bool,
    members: BTreeMap<String, Node>,
    /// Names that were not kept.
    has_others: bool,
    element: Option<Box<Node>>,
}

/// The bytes of one answer, until its end.
pub(crate) struct Sample {
    observed: Arc<Observed>,
    bytes: Vec<u8>,
    is_too_long: bool,
}

/// A place that was seen, for a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenPlace {
    /// `$.customers[*].email`
    pub(crate) path: String,
    /// `text`, `number`, `true or false`, or more of them.
    pub(crate) kind: String,
}

impl Observed {
    pub(crate) fn sample(self: &Arc<Self>) -> Sample {
        Sample {
            observed: Arc::clone(self),
            bytes: Vec::new(),
            is_too_long: false,
        }
    }

    fn note(&self, body: &[u8]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values = serde_json::Deserializer::from_slice(body);
        // One value, or one a line.
        while Look(&mut seen.root, 0).deserialize(&mut values).is_ok() {
            if values.end().is_ok() {
                break;
            }
        }
        seen.answers += 1;
    }

    /// How many answers were looked at, and the places with values that three of them had.
    pub(crate) fn places(&self) -> (u64, Vec<SeenPlace>) {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = Vec::new();
        seen.root.list("$", &mut places);
        (seen.answers, places)
    }
}

impl Sample {
    pub(crate) fn take(&mut self, piece: &[u8]) {
        self.is_too_long |= self.bytes.len() + piece.len() > LONGEST;
        if !self.is_too_long {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// The answer was whole.
    pub(crate) fn note(self) {
        if !self.is_too_long {
            self.observed.note(&self.bytes);
        }
    }
}

impl Node {
    fn list(&self, path: &str, places: &mut Vec<SeenPlace>) {
        if self.times < FEWEST {
            return;
        }
        let kinds = [
            (self.is_text, "text"),
            (self.is_number, "number"),
            (self.is_truth, "true or false"),
            (self.has_others, "other members"),
        ];
        let kinds: Vec<&str> = kinds
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, kind)| *kind)
            .collect();
        if !kinds.is_empty() {
            places.push(SeenPlace {
                path: path.to_owned(),
                kind: kinds.join(" or "),
            });
        }
        for (name, member) in &self.members {
            member.list(&super::member(path, name), places);
        }
        if let Some(element) = &self.element {
            element.list(&format!("{path}[*]"), places);
        }
    }

    fn member(&mut self, name: &str) -> Option<&mut Self> {
        let is_full = self.members.len() >= MOST_NAMES && !self.members.contains_key(name);
        if is_full {
            self.members.clear();
        }
        if is_full || self.has_others && self.members.is_empty() || !is_chosen(name) {
            self.has_others = true;
            return None;
        }
        Some(self.members.entry(name.to_owned()).or_default())
    }
}

/// Whether a programmer may have chosen the name: a word or a few, with hardly a number in it.
fn is_chosen(name: &str) -> bool {
    // JSON-LD and others have names such as `@id`; elsewhere a sign like that is part of an address.
    let rest = name.trim_start_matches(['@', '$', '_']);
    let is_plain = rest
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    let begins = rest.starts_with(|first: char| first.is_ascii_alphabetic());
    is_plain && begins && digits <= 2 && name.len() <= 40
}

/// Looks at one value.
struct Look<'n>(&'n mut Node, usize);

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.0.times += 1;
        self.0.is_truth = true;
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.number();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.number();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.number();
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.0.times += 1;
        self.0.is_text = true;
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.times += 1;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.0.times += 1;
        if self.1 >= DEEPEST {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let element = self.0.element.get_or_insert_default();
        while list.next_element_seed(Look(element, self.1 + 1))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        self.0.times += 1;
        while let Some(name) = object.next_key::<String>()? {
            match self.0.member(&name).filter(|_| self.1 < DEEPEST) {
                Some(member) => object.next_value_seed(Look(member, self.1 + 1))?,
                None => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl Look<'_> {
    fn number(self) {
        self.0.times += 1;
        self.0.is_number = true;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn seen(bodies: &[&str]) -> Vec<String> {
        let observed = Arc::new(Observed::default());
        for body in bodies {
            let mut sample = observed.sample();
            sample.take(body.as_bytes());
            sample.note();
        }
        let places = observed.places().1.into_iter();
        places
            .map(|place| format!("{} {}", place.path, place.kind))
            .collect()
    }

    #[test]
    fn names_and_kinds_are_noted_and_no_values() {
        let body =
            r#"{"email":"zqplanted@example.org","list":[{"n":1},{"n":"x","b":true}],"none":null}"#;
        let seen = seen(&[body; 3]);
        assert_eq!(
            seen,
            [
                "$.email text",
                "$.list[*].b true or false",
                "$.list[*].n text or number",
            ]
        );
    }

    #[test]
    fn a_map_from_personal_keys_is_noted_without_them() {
        let body =
            r#"{"by_mail":{"maya@example.org":1,"sam@localhost":2},"by_number":{"c_48213":2}}"#;
        assert_eq!(
            seen(&[body; 3]),
            ["$.by_mail other members", "$.by_number other members"]
        );
    }

    #[test]
    fn a_name_that_only_one_answer_had_is_not_shown() {
        assert_eq!(
            seen(&[r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":1,"maya":1}"#]),
            ["$.a number"]
        );
    }
}
