//! AuthZEN's messages: what is read of them, and when one is malformed. Members that nobody knows are passed over.

use std::borrow::Cow;
use std::fmt;

use governance::Problem;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// One question, as it stands in the body.
pub(super) struct Evaluation<'b> {
    pub(super) subject: Entity<'b>,
    pub(super) action: Action<'b>,
    pub(super) resource: Entity<'b>,
    pub(super) context: Members<'b>,
}

/// A subject or a resource.
pub(super) struct Entity<'b> {
    pub(super) kind: &'b str,
    /// Empty in a search for it.
    pub(super) id: &'b str,
    pub(super) properties: Members<'b>,
}

/// What is to be done.
pub(super) struct Action<'b> {
    pub(super) name: &'b str,
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "no purpose has properties; the standard's own scenario does"
        )
    )]
    pub(super) properties: Members<'b>,
}

/// A value of a body. Texts are borrowed from it: thirty questions are read faster than one tree of them is built.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'b> {
    Null,
    Flag(bool),
    Count(u64),
    /// Any other number; no member that we read holds one.
    Number,
    Text(Cow<'b, str>),
    List(Vec<Json<'b>>),
    Object(Object<'b>),
}

/// An object of a body, in the order of its members.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object<'b>(Vec<(Cow<'b, str>, Json<'b>)>);

/// An object that may be left out.
#[derive(Clone, Copy)]
pub(super) struct Members<'b>(Option<&'b Object<'b>>);

impl<'b> Members<'b> {
    pub(super) fn get(self, name: &str) -> Option<&'b Json<'b>> {
        self.0?.get(name)
    }
}

impl<'b> Object<'b> {
    /// A member by its name. Of two of one name the later counts.
    pub(super) fn get(&self, name: &str) -> Option<&Json<'b>> {
        let mut members = self.0.iter().rev();
        members.find_map(|(known, value)| (known == name).then_some(value))
    }
}

impl<'b> Json<'b> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) const fn count(&self) -> Option<u64> {
        match self {
            Self::Count(count) => Some(*count),
            _ => None,
        }
    }

    pub(super) const fn object(&self) -> Option<&Object<'b>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json<'de>, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_u64<E>(self, count: u64) -> Result<Json<'de>, E> {
        Ok(Json::Count(count))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    /// One with an escape in it.
    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Json::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some((name, value)) = members.next_entry()? {
            // Names of members are texts, by JSON's grammar.
            if let Json::Text(name) = name {
                all.push((name, value));
            }
        }
        Ok(Json::Object(Object(all)))
    }
}

/// A body as it came.
///
/// # Errors
/// 400 for what is no JSON object, under whatever name it comes.
pub(super) fn read<'b>(kind: &str, body: &'b [u8]) -> Result<Object<'b>, Problem> {
    if !kind.starts_with("application/json") {
        return Err(malformed("send `Content-Type: application/json`"));
    }
    match serde_json::from_slice(body) {
        Ok(Json::Object(members)) => Ok(members),
        _ => Err(malformed("the body isn't a JSON object")),
    }
}

impl<'b> Evaluation<'b> {
    /// By the value of each member, wherever it is found.
    pub(super) fn of(member: impl Fn(&str) -> Option<&'b Json<'b>>) -> Result<Self, Problem> {
        Ok(Self {
            subject: Entity::of(member("subject"), true)?,
            action: Action::of(member("action"))?,
            resource: Entity::of(member("resource"), true)?,
            context: object(member("context"))?,
        })
    }
}

impl<'b> Entity<'b> {
    /// In a search for it, it may lack its id, and one that is there says nothing.
    pub(super) fn of(given: Option<&'b Json<'b>>, has_id: bool) -> Result<Self, Problem> {
        let members = given.and_then(Json::object);
        let members = members
            .ok_or_else(|| malformed("`subject` and `resource` are objects with a `type`"))?;
        Ok(Self {
            kind: text(members, "type")?,
            id: if has_id { text(members, "id")? } else { "" },
            properties: object(members.get("properties"))?,
        })
    }
}

impl<'b> Action<'b> {
    pub(super) fn of(given: Option<&'b Json<'b>>) -> Result<Self, Problem> {
        let members = given.and_then(Json::object);
        let members = members.ok_or_else(|| malformed("`action` is an object with a `name`"))?;
        Ok(Self {
            name: text(members, "name")?,
            properties: object(members.get("properties"))?,
        })
    }
}

fn text<'b>(members: &'b Object<'b>, name: &str) -> Result<&'b str, Problem> {
    let found = members.get(name).and_then(Json::text);
    found.ok_or_else(|| {
        malformed("`type`, `id` and `name` are texts, and none of them may be left out")
    })
}

pub(super) fn object<'b>(given: Option<&'b Json<'b>>) -> Result<Members<'b>, Problem> {
    match given {
        None | Some(Json::Null) => Ok(Members(None)),
        Some(Json::Object(found)) => Ok(Members(Some(found))),
        Some(_) => Err(malformed(
            "`properties`, `context`, `options` and `page` are objects",
        )),
    }
}

pub(super) fn malformed(todo: &str) -> Problem {
    Problem::new(
        "unreadable",
        400,
        format!("{todo}; see the OpenID Authorization API 1.0"),
    )
}
