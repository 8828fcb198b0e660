//! A YAML text as a tree in which every value knows its place, so that whatever is wrong with it can be pointed at.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// Where something stands in a file: line and column from 1, length in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// How many characters.
    pub length: u32,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) at: Span,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map and its place.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) at: Span,
}

/// What is wrong with the text's syntax, and where.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) at: Span,
    pub(super) message: String,
}

/// Reads a text as one YAML document; an empty text is an empty map.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    let nothing = || Node {
        value: Value::Map(Vec::new()),
        at: Span {
            line: 1,
            column: 1,
            length: 0,
        },
    };
    let node = serde_saphyr::from_str_with_options::<Option<Node>>(text, options)
        .map_err(|error| SyntaxError::new(&error))?;
    Ok(node.unwrap_or_else(nothing))
}

impl SyntaxError {
    fn new(error: &serde_saphyr::Error) -> Self {
        let at = error.location().map(Span::from).unwrap_or(Span {
            line: 1,
            column: 1,
            length: 0,
        });
        let text = error.without_snippet().to_string();
        let first = text.lines().next().unwrap_or_default();
        // The place is told separately, and what stood there may be a secret: only the parser's own words are kept.
        let words = first
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .split(['`', '"', '\''])
            .next()
            .unwrap_or_default()
            .trim_end_matches([':', ' ']);
        Self {
            at,
            message: format!("this is not valid YAML: {words}"),
        }
    }
}

impl From<serde_saphyr::Location> for Span {
    fn from(location: serde_saphyr::Location) -> Self {
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            line: number(location.line()),
            column: number(location.column()),
            length: number(location.span().len()),
        }
    }
}

impl Node {
    /// The value of a key, where this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The key itself and its value.
    pub(super) fn entry(&self, key: &str) -> Option<(&Key, &Node)> {
        self.entries()
            .iter()
            .find(|(found, _)| found.text == key)
            .map(|(key, node)| (key, node))
    }

    /// Takes out keys that stand twice in one map, all but the first, and tells both places.
    pub(super) fn take_repeated(&mut self) -> Vec<(Span, Key)> {
        let mut repeated = Vec::new();
        match &mut self.value {
            Value::List(items) => items
                .iter_mut()
                .for_each(|item| repeated.extend(item.take_repeated())),
            Value::Map(entries) => {
                let mut seen: BTreeMap<String, Span> = BTreeMap::new();
                entries.retain(|(key, _)| match seen.get(&key.text) {
                    Some(first) => {
                        repeated.push((*first, key.clone()));
                        false
                    }
                    None => seen.insert(key.text.clone(), key.at).is_none(),
                });
                entries
                    .iter_mut()
                    .for_each(|(_, node)| repeated.extend(node.take_repeated()));
            }
            _ => {}
        }
        repeated
    }

    /// The entries of a map; none where this is something else.
    pub(super) fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// What it is, in a word of everyday language.
    pub(super) const fn sort(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Boolean(_) => "`true` or `false`",
            Value::Integer(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            value: spanned.value,
            at: spanned.referenced.into(),
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Integer))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let at = key.referenced.into();
            map.push((
                Key {
                    text: key.value,
                    at,
                },
                entries.next_value()?,
            ));
        }
        Ok(Value::Map(map))
    }
}
