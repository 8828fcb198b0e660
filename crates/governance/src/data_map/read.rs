//! From a tree to the shapes of [`super::file`]: unlike serde's own readers it doesn't stop at the first mistake, names the
//! place of each, suggests the nearest known key, and never repeats a value.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{self, Display};

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::nearest::nearest;
use super::tree::{Key, Node, Span, Value};

/// The name by which [`Located`] asks a reader for the place of a value.
const LOCATED: &str = "privity::located";

/// A value and where it stands.
#[derive(Clone, Debug, Default)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub at: Span,
}

/// Something wrong with the shape of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub at: Span,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub what_to_do: String,
}

/// What a tree holds, as far as it has the right shape, and everything that hasn't.
pub(super) struct Reading<T> {
    /// Missing when nothing sensible is left.
    pub(super) value: Option<T>,
    pub(super) mistakes: Vec<Mistake>,
    /// Keys whose values had to be left out; what refers to them is not missing.
    pub(super) left_out: BTreeSet<String>,
}

/// Reads as much as has the right shape: what hasn't is noted and left out, and the rest is read again.
pub(super) fn read<T: DeserializeOwned>(node: &Node) -> Reading<T> {
    let notes = Notes::default();
    let value = loop {
        let error = match T::deserialize(Reader {
            node,
            notes: &notes,
        }) {
            Ok(value) => break Some(value),
            Err(error) => error,
        };
        let at = error.at.unwrap_or(node.at);
        // A key that is missing because it was left out needs no second word.
        if !notes.explain(at, &error) {
            notes.note(Mistake {
                at: error.pointed.unwrap_or(at),
                message: error.message.into(),
                what_to_do: error.what_to_do.into(),
            });
        }
        let is_new = notes.skipped.borrow_mut().insert(at);
        if !is_new || at == node.at {
            break None;
        }
    };
    let mut mistakes = notes.noted.take();
    mistakes.sort_by_key(|mistake| mistake.at);
    Reading {
        value,
        mistakes,
        left_out: notes.left_out.take(),
    }
}

fn push_new(mistakes: &mut Vec<Mistake>, mistake: Mistake) {
    if !mistakes.contains(&mistake) {
        mistakes.push(mistake);
    }
}

/// What is remembered from one reading to the next.
#[derive(Default)]
struct Notes {
    /// Places of values to leave out.
    skipped: RefCell<BTreeSet<Span>>,
    left_out: RefCell<BTreeSet<String>>,
    noted: RefCell<Vec<Mistake>>,
    /// Keys left out, by the place of the map that they are in.
    gaps: RefCell<BTreeSet<(Span, String)>>,
}

impl Notes {
    fn explain(&self, at: Span, error: &ReadError) -> bool {
        error
            .missing
            .as_ref()
            .is_some_and(|key| self.gaps.borrow().contains(&(at, key.to_string())))
    }

    fn note(&self, mistake: Mistake) {
        push_new(&mut self.noted.borrow_mut(), mistake);
    }
}

/// A mistake on its way up to whoever knows its place.
#[derive(Debug)]
struct ReadError {
    /// The place of the value to leave out.
    at: Option<Span>,
    /// The place to point at, where it is another one.
    pointed: Option<Span>,
    /// A key that the map at that place has and nobody knows.
    unknown: Option<Box<str>>,
    missing: Option<Box<str>>,
    message: Box<str>,
    what_to_do: Box<str>,
}

impl ReadError {
    fn new(message: String, what_to_do: String) -> Self {
        Self {
            at: None,
            pointed: None,
            unknown: None,
            missing: None,
            message: message.into(),
            what_to_do: what_to_do.into(),
        }
    }

    /// Gives the mistake its place, unless it has one already.
    fn placed(mut self, node: &Node) -> Self {
        if self.at.is_some() {
            return self;
        }
        let unknown = self.unknown.as_deref().and_then(|key| node.entry(key));
        self.at = Some(unknown.map_or(node.at, |(_, value)| value.at));
        self.pointed = unknown.map(|(key, _)| key.at);
        self
    }
}

impl Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

/// What was found, without the value itself: it may be a secret.
fn found(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "`true` or `false`",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "a text",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq => "a list",
        Unexpected::Map | Unexpected::NewtypeStruct | Unexpected::StructVariant => "a map",
        _ => "something else",
    }
}

/// What was expected, without Rust's own names.
fn expected(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    if text.starts_with("struct ")
        || text.starts_with("internally tagged")
        || text.starts_with("tuple ")
    {
        return "a map".to_owned();
    }
    match text.as_str() {
        "a string" | "a borrowed string" => "a text".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" => "a list".to_owned(),
        "unit variant" => "nothing below it".to_owned(),
        number
            if number.starts_with(['u', 'i'])
                && number
                    .get(1..)
                    .is_some_and(|bits| bits == "size" || bits.parse::<u8>().is_ok()) =>
        {
            "a whole number".to_owned()
        }
        number if number.starts_with("a nonzero") => "a whole number above 0".to_owned(),
        other if other.starts_with("enum ") || other.starts_with("variant ") => {
            "one of the known words".to_owned()
        }
        other => other.to_owned(),
    }
}

fn choices(known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    quoted.join(", ")
}

fn suggestion(wrong: &str, known: &[&str]) -> String {
    let listed = format!("known here: {}", choices(known));
    nearest(wrong, known.iter().copied()).map_or(listed, |near| {
        format!(
            "did you mean `{near}`? {}",
            format_args!("known here: {}", choices(known))
        )
    })
}

/// What to write for a key that is missing, for those of which a newcomer can't know it.
fn hint(key: &str) -> &'static str {
    match key {
        "relation" => "owned_by | same_subject | detail | link",
        "role" => "internal | service_provider | contractor | third_party",
        "code" => "D8_legal_obligation | ... (a code of law/reasons.yaml)",
        "explanation" => "the facts, in words that the subject will read",
        "to" => "dataset.collection.field",
        _ => "...",
    }
}

impl de::Error for ReadError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string(), "correct it".to_owned())
    }

    fn invalid_type(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(
            format!(
                "{} stands here, but it must be {}",
                found(&unexpected),
                expected(wanted)
            ),
            format!("write {} here", expected(wanted)),
        )
    }

    fn invalid_value(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(
            format!(
                "{} stands here that can't be used; it must be {}",
                found(&unexpected),
                expected(wanted)
            ),
            format!("write {} here", expected(wanted)),
        )
    }

    fn invalid_length(length: usize, wanted: &dyn Expected) -> Self {
        Self::new(
            format!("{length} entries stand here, but there must be {wanted}"),
            "add or remove entries".to_owned(),
        )
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(
            "this word is not known here".to_owned(),
            suggestion(variant, known),
        )
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self {
            unknown: Some(field.into()),
            ..Self::new(
                format!("`{field}` is not known here"),
                suggestion(field, known),
            )
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            missing: Some(field.into()),
            ..Self::new(
                format!("`{field}` is missing"),
                format!("add `{field}: {}` here", hint(field)),
            )
        }
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
struct Reader<'n> {
    node: &'n Node,
    notes: &'n Notes,
}

impl<'n> Reader<'n> {
    fn at(self, node: &'n Node) -> Self {
        Self { node, ..self }
    }

    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Integer(value) => match u64::try_from(*value) {
                Ok(positive) => visitor.visit_u64(positive),
                Err(_) => visitor.visit_i64(*value),
            },
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_str(value),
            Value::List(items) => visitor.visit_seq(Items {
                reader: self,
                items: items.iter(),
            }),
            Value::Map(entries) => visitor.visit_map(Entries {
                reader: self,
                entries: entries.iter(),
                value: None,
                known: None,
            }),
        }
    }

    /// A text; numbers and `true` are taken for what was written where a text is wanted.
    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Integer(value) => visitor.visit_string(value.to_string()),
            Value::Float(value) => visitor.visit_string(value.to_string()),
            Value::Boolean(value) => visitor.visit_string(value.to_string()),
            _ => self.any(visitor),
        }
    }

    fn map<'de, V: Visitor<'de>>(
        self,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Map(entries) => visitor.visit_map(Entries {
                reader: self,
                entries: entries.iter(),
                value: None,
                known: Some(known),
            }),
            // `customer:` with nothing below it means a map without entries.
            Value::Null => visitor.visit_map(Entries {
                reader: self,
                entries: [].iter(),
                value: None,
                known: Some(known),
            }),
            _ => Err(de::Error::invalid_type(self.unexpected(), &"a map")),
        }
    }

    fn unexpected(self) -> Unexpected<'static> {
        match &self.node.value {
            Value::Null => Unexpected::Unit,
            Value::Boolean(value) => Unexpected::Bool(*value),
            Value::Integer(value) => Unexpected::Signed(*value),
            Value::Float(value) => Unexpected::Float(*value),
            Value::Text(_) => Unexpected::Str(""),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.any(visitor).map_err(|error| error.placed(self.node))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.text(visitor).map_err(|error| error.placed(self.node))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if matches!(self.node.value, Value::Null) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name != LOCATED {
            return visitor.visit_newtype_struct(self);
        }
        let Span {
            line,
            column,
            length,
        } = self.node.at;
        visitor.visit_seq(Located4 {
            numbers: [line, column, length].into_iter(),
            reader: Some(self),
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.map(fields, visitor)
            .map_err(|error| error.placed(self.node))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Null => visitor.visit_map(MapDeserializer::<_, ReadError>::new(
                std::iter::empty::<(&str, &str)>(),
            )),
            _ => self.any(visitor).map_err(|error| error.placed(self.node)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Null => visitor.visit_seq(SeqDeserializer::<_, ReadError>::new(
                std::iter::empty::<&str>(),
            )),
            _ => self.any(visitor).map_err(|error| error.placed(self.node)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let choice = match &self.node.value {
            Value::Text(word) => Ok(Choice {
                word,
                below: None,
                reader: self,
            }),
            // In YAML a bare `null` is no text; where it is one of the choices it means that choice.
            Value::Null if variants.contains(&"null") => Ok(Choice {
                word: "null",
                below: None,
                reader: self,
            }),
            Value::Map(entries) => match entries.as_slice() {
                [(key, below)] => Ok(Choice {
                    word: &key.text,
                    below: Some(below),
                    reader: self,
                }),
                _ => Err(ReadError::new(
                    "there must be exactly one word here".to_owned(),
                    format!("choose one of {}", choices(variants)),
                )),
            },
            _ => Err(ReadError::new(
                format!(
                    "{} stands here, but it must be one of {}",
                    self.node.sort(),
                    choices(variants)
                ),
                format!("choose one of {}", choices(variants)),
            )),
        };
        choice
            .and_then(|choice| visitor.visit_enum(choice))
            .map_err(|error| error.placed(self.node))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Items<'n> {
    reader: Reader<'n>,
    items: std::slice::Iter<'n, Node>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let skipped = self.reader.notes.skipped.borrow().clone();
        let Some(item) = self.items.by_ref().find(|item| !skipped.contains(&item.at)) else {
            return Ok(None);
        };
        seed.deserialize(self.reader.at(item))
            .map(Some)
            .map_err(|error| error.placed(item))
    }
}

struct Entries<'n> {
    reader: Reader<'n>,
    entries: std::slice::Iter<'n, (Key, Node)>,
    value: Option<&'n Node>,
    known: Option<&'static [&'static str]>,
}

impl Entries<'_> {
    /// Whether an entry is read. What isn't is noted.
    fn is_read(&self, key: &Key, node: &Node) -> bool {
        let notes = self.reader.notes;
        if notes.skipped.borrow().contains(&node.at) {
            notes.left_out.borrow_mut().insert(key.text.clone());
            notes
                .gaps
                .borrow_mut()
                .insert((self.reader.node.at, key.text.clone()));
            return false;
        }
        let (Some(known), false) = (self.known, key.text.starts_with("x-")) else {
            return self.known.is_none();
        };
        let is_known = known.contains(&key.text.as_str());
        if !is_known {
            notes.note(Mistake {
                at: key.at,
                message: format!("`{}` is not known here", key.text),
                what_to_do: suggestion(&key.text, known),
            });
        }
        is_known
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        while let Some((key, node)) = self.entries.next() {
            if !self.is_read(key, node) {
                continue;
            }
            self.value = Some(node);
            let key = Node {
                value: Value::Text(key.text.clone()),
                at: key.at,
            };
            return seed
                .deserialize(Reader {
                    node: &key,
                    notes: self.reader.notes,
                })
                .map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ReadError> {
        let node = self.value.take().ok_or_else(|| {
            ReadError::new("a value is missing".to_owned(), "write one".to_owned())
        })?;
        seed.deserialize(self.reader.at(node))
            .map_err(|error| error.placed(node))
    }
}

/// One of several words, with what stands below it.
struct Choice<'n> {
    word: &'n str,
    below: Option<&'n Node>,
    reader: Reader<'n>,
}

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ReadError> {
        let word: StrDeserializer<'_, ReadError> = self.word.into_deserializer();
        seed.deserialize(word).map(|value| (value, self))
    }
}

impl<'n> Choice<'n> {
    fn below(&self) -> Result<Reader<'n>, ReadError> {
        let below = self.below.ok_or_else(|| {
            ReadError::new(
                format!("`{}` says too little by itself", self.word),
                format!("write `{}:` with its entries below it", self.word),
            )
        })?;
        Ok(self.reader.at(below))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        match self.below {
            None => Ok(()),
            Some(below) if matches!(below.value, Value::Null) => Ok(()),
            Some(_) => Err(ReadError::new(
                format!("`{}` takes nothing below it", self.word),
                format!("write only `{}`", self.word),
            )),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(self.below()?)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.below()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.below()?.deserialize_struct("", fields, visitor)
    }
}

/// Hands a value over together with its place.
struct Located4<'n> {
    numbers: std::array::IntoIter<u32, 3>,
    reader: Option<Reader<'n>>,
}

impl<'de> SeqAccess<'de> for Located4<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        if let Some(number) = self.numbers.next() {
            return seed.deserialize(number.into_deserializer()).map(Some);
        }
        self.reader
            .take()
            .map(|reader| {
                seed.deserialize(reader)
                    .map_err(|error| error.placed(reader.node))
            })
            .transpose()
    }
}

impl<'de, T: de::Deserialize<'de>> de::Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(LOCATED, LocatedVisitor(std::marker::PhantomData))
    }
}

struct LocatedVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: de::Deserialize<'de>> Visitor<'de> for LocatedVisitor<T> {
    type Value = Located<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Located<T>, A::Error> {
        let missing = || de::Error::custom("a value without a place");
        let line = parts.next_element()?.ok_or_else(missing)?;
        let column = parts.next_element()?.ok_or_else(missing)?;
        let length = parts.next_element()?.ok_or_else(missing)?;
        let value = parts.next_element()?.ok_or_else(missing)?;
        Ok(Located {
            value,
            at: Span {
                line,
                column,
                length,
            },
        })
    }
}
