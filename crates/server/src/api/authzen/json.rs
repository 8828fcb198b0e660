//! A body as it stands, without a tree of it: all its values in one row, texts borrowed. Thirty questions are read this way in a third of
//! the time that a tree of them takes to be built and taken down.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON object that was read, with everything in it.
pub(super) struct Body<'b>(Vec<Node<'b>>);

/// A value, or the beginning of one that holds others: those follow it, and it knows how many nodes they are.
#[derive(Clone, Debug, PartialEq)]
enum Node<'b> {
    Null,
    Flag(bool),
    Count(u64),
    /// Any other number; no member that we read holds one.
    Number,
    Text(Cow<'b, str>),
    List(usize),
    /// Names and values by turns.
    Object(usize),
}

/// A value of a body: its own node, and after it those within.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Json<'b> {
    node: &'b Node<'b>,
    within: &'b [Node<'b>],
}

/// The members of an object, in their order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Object<'b>(&'b [Node<'b>]);

/// Values that stand beside each other.
#[derive(Clone, Copy)]
pub(super) struct Items<'b>(&'b [Node<'b>]);

impl<'b> Body<'b> {
    /// A whole body.
    ///
    /// # Errors
    /// It is no JSON, or no object.
    pub(super) fn read(body: &'b [u8]) -> Result<Self, NoObject> {
        // A value with what stands around it has seldom fewer bytes.
        let mut nodes = Vec::with_capacity(body.len() / 8);
        let mut reader = serde_json::Deserializer::from_slice(body);
        let reading = Reading(&mut nodes).deserialize(&mut reader);
        reading.and_then(|()| reader.end()).map_err(|_| NoObject)?;
        match nodes.first() {
            Some(Node::Object(_)) => Ok(Self(nodes)),
            _ => Err(NoObject),
        }
    }

    pub(super) fn object(&self) -> Object<'_> {
        Object(self.0.get(1..).unwrap_or_default())
    }
}

/// Why a body can't be read; where, would be part of it.
pub(super) struct NoObject;

impl<'b> Object<'b> {
    /// A member by its name. Of two of one name the later counts.
    pub(super) fn get(self, name: &str) -> Option<Json<'b>> {
        let mut items = Items(self.0);
        let mut found = None;
        while let (Some(known), Some(value)) = (items.next(), items.next()) {
            if known.text() == Some(name) {
                found = Some(value);
            }
        }
        found
    }
}

impl<'b> Iterator for Items<'b> {
    type Item = Json<'b>;

    fn next(&mut self) -> Option<Json<'b>> {
        let (node, others) = self.0.split_first()?;
        let (within, rest) = others.split_at_checked(node.within())?;
        self.0 = rest;
        Some(Json { node, within })
    }
}

impl Node<'_> {
    const fn within(&self) -> usize {
        match self {
            Self::List(within) | Self::Object(within) => *within,
            _ => 0,
        }
    }
}

impl<'b> Json<'b> {
    /// Whether it stands at the same place of a body.
    pub(super) fn is(self, other: Self) -> bool {
        std::ptr::eq(self.node, other.node)
    }

    pub(super) const fn is_null(self) -> bool {
        matches!(self.node, Node::Null)
    }

    pub(super) fn text(self) -> Option<&'b str> {
        match self.node {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(super) const fn flag(self) -> Option<bool> {
        match self.node {
            Node::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) const fn list(self) -> Option<Items<'b>> {
        match self.node {
            Node::List(_) => Some(Items(self.within)),
            _ => None,
        }
    }

    pub(super) const fn count(self) -> Option<u64> {
        match self.node {
            Node::Count(count) => Some(*count),
            _ => None,
        }
    }

    pub(super) const fn object(self) -> Option<Object<'b>> {
        match self.node {
            Node::Object(_) => Some(Object(self.within)),
            _ => None,
        }
    }
}

/// Puts a value, with those in it, at the end of the row.
struct Reading<'r, 'b>(&'r mut Vec<Node<'b>>);

impl<'b> Reading<'_, 'b> {
    fn put(self, node: Node<'b>) {
        self.0.push(node);
    }

    /// What holds others is put before them, and told afterwards how many they are.
    fn put_around<E>(
        self,
        node: impl FnOnce(usize) -> Node<'b>,
        read: impl FnOnce(&mut Vec<Node<'b>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let at = self.0.len();
        self.0.push(Node::Null);
        read(self.0)?;
        let within = self.0.len() - at - 1;
        if let Some(slot) = self.0.get_mut(at) {
            *slot = node(within);
        }
        Ok(())
    }
}

impl<'b> DeserializeSeed<'b> for Reading<'_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for Reading<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.put(Node::Null);
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.put(Node::Flag(flag));
        Ok(())
    }

    fn visit_u64<E>(self, count: u64) -> Result<(), E> {
        self.put(Node::Count(count));
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.put(Node::Number);
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.put(Node::Number);
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'b str) -> Result<(), E> {
        self.put(Node::Text(Cow::Borrowed(text)));
        Ok(())
    }

    /// One with an escape in it.
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.put(Node::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut items: A) -> Result<(), A::Error> {
        self.put_around(Node::List, |nodes| {
            while items.next_element_seed(Reading(nodes))?.is_some() {}
            Ok(())
        })
    }

    fn visit_map<A: MapAccess<'b>>(self, mut members: A) -> Result<(), A::Error> {
        self.put_around(Node::Object, |nodes| {
            while members.next_key_seed(Reading(nodes))?.is_some() {
                members.next_value_seed(Reading(nodes))?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn texts_with_escapes_and_members_that_come_twice_are_read_as_json_says() {
        let body = br#"{"a": "x\u0041", "b": [1, -1, 1.5, null, true, {"a": {}}], "a": "later"}"#;
        let read = Body::read(body).ok().unwrap();
        let read = read.object();
        assert_eq!(read.get("a").unwrap().text(), Some("later"));
        let items: Vec<_> = read.get("b").unwrap().list().unwrap().collect();
        let counts: Vec<_> = items.iter().map(|one| one.count()).collect();
        assert_eq!(counts, [Some(1), None, None, None, None, None]);
        let others = items.get(3).zip(items.get(4)).zip(items.get(5));
        let ((null, flag), object) = others.unwrap();
        assert!(null.is_null() && !flag.is_null());
        assert_eq!(flag.flag(), Some(true));
        let inner = object.object().unwrap().get("a").unwrap();
        assert_eq!(inner.object(), Some(Object(&[])));
        assert!(inner.list().is_none() && inner.text().is_none());
    }

    #[test]
    fn only_one_whole_object_is_a_body() {
        for wrong in [
            "[]",
            "{",
            "{\"a\": 1} x",
            "\"text\"",
            "",
            "{1: 2}",
            "{\"a\": }",
        ] {
            assert!(Body::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(Body::read(format!("{{\"a\": {deep}}}").as_bytes()).is_err());
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,3}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// What was read, as a tree; numbers that no member of ours holds are nothing.
    fn tree(read: Json<'_>) -> Value {
        if let Some(items) = read.list() {
            return items.map(tree).collect();
        }
        if let Some(Object(nodes)) = read.object() {
            let all: Vec<_> = Items(nodes).collect();
            let members = all.chunks_exact(2).filter_map(|pair| {
                let [name, value] = pair else { return None };
                Some((name.text()?.to_owned(), tree(*value)))
            });
            return Value::Object(members.collect());
        }
        let text = read.text().map(Value::from);
        text.or_else(|| read.count().map(Value::from))
            .or_else(|| read.flag().map(Value::from))
            .unwrap_or(Value::Null)
    }

    fn without_numbers(mut whole: Value) -> Value {
        match &mut whole {
            Value::Number(number) if number.as_u64().is_none() => return Value::Null,
            Value::Array(items) => items
                .iter_mut()
                .for_each(|one| *one = without_numbers(one.take())),
            Value::Object(members) => members
                .values_mut()
                .for_each(|one| *one = without_numbers(one.take())),
            _ => {}
        }
        whole
    }

    proptest! {
        /// Read in one row or as a tree, a body says the same, at every place of it.
        #[test]
        fn a_row_says_what_a_tree_says(members in prop::collection::btree_map(".{0,3}", json(), 0..6)) {
            let whole = Value::Object(members.into_iter().collect());
            let body = whole.to_string();
            let read = Body::read(body.as_bytes()).ok().unwrap();
            for (name, value) in whole.as_object().unwrap() {
                let found = read.object().get(name).unwrap();
                prop_assert_eq!(tree(found), without_numbers(value.clone()));
            }
        }
    }
}
