//! The filter once more, as simply as it can be said: over a tree, paths compared step by step, no trie and no state.

use super::*;

/// A value of a body, with the text that it was written as.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) raw: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Null,
    /// What it means as a text, and whether it can be a key; none for half a character.
    Scalar(Option<String>, bool),
    List(Vec<Node>),
    /// Name, the inside of the name as it was written, value.
    Object(Vec<(String, String, Node)>),
}

/// A path: names, `[*]`, and `*` at its end.
pub(super) type Way = Vec<&'static str>;

/// What a shape says, path by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) places: Vec<(Way, PlaceUse)>,
    /// Subjects and their keys.
    pub(super) subjects: Vec<(Way, Way)>,
}

/// What is left of a body, or why nothing is.
pub(super) struct Model<'a> {
    pub(super) said: &'a Said,
    pub(super) permits: Permits<'a>,
}

impl Model<'_> {
    /// The body as it leaves; `None` where it is refused.
    pub(super) fn filter(&self, body: &Node, outer: &Granted) -> Option<String> {
        let is_value = self.exact(&[]).is_some();
        let fits = match body.kind {
            Kind::Null => true,
            Kind::List(_) => is_value || self.is_list(&[]),
            Kind::Object(_) => is_value || !self.is_list(&[]),
            Kind::Scalar(..) => is_value,
        };
        self.value(body, &mut Vec::new(), outer).filter(|_| fits)
    }

    fn value(&self, node: &Node, way: &mut Way, grants: &Granted) -> Option<String> {
        if let Some(place_use) = self.exact(way) {
            return match place_use {
                PlaceUse::Attribute(number) => attribute(node, *number, grants),
                _ => Some(node.raw.clone()),
            };
        }
        if self.said.subjects.iter().any(|(_, key)| key == way) {
            return None;
        }
        let subject = self
            .said
            .subjects
            .iter()
            .find(|(subject, _)| subject == way);
        let grants = match (subject, &node.kind) {
            (Some((_, key)), Kind::Object(_)) => {
                (self.permits)(&key_of(node, key.get(way.len()..).unwrap())?)?
            }
            _ => grants,
        };
        if !way.is_empty() && !self.is_live(way, grants) {
            return None;
        }
        match &node.kind {
            Kind::Null => Some("null".to_owned()),
            Kind::List(elements) if self.is_list(way) => {
                let inner = elements
                    .iter()
                    .filter_map(|element| self.step(element, way, "[*]", grants));
                Some(format!("[{}]", inner.collect::<Vec<_>>().join(",")))
            }
            Kind::Object(members) if !self.is_list(way) => {
                let inner = members
                    .iter()
                    .filter_map(|member| self.member(member, way, grants));
                Some(format!("{{{}}}", inner.collect::<Vec<_>>().join(",")))
            }
            _ => None,
        }
    }

    fn step(
        &self,
        node: &Node,
        way: &mut Way,
        step: &'static str,
        grants: &Granted,
    ) -> Option<String> {
        way.push(step);
        let value = self.value(node, way, grants);
        way.pop();
        value
    }

    fn member(
        &self,
        (name, raw, node): &(String, String, Node),
        way: &mut Way,
        grants: &Granted,
    ) -> Option<String> {
        let passes = self
            .said
            .places
            .iter()
            .any(|(path, _)| path.split_last() == Some((&"*", way)));
        let known = self.paths().find_map(|path| {
            let next = path
                .strip_prefix(way.as_slice())?
                .first()
                .filter(|next| *next == name)?;
            Some(*next)
        });
        match known {
            Some(known) => {
                let mut inner = way.clone();
                inner.push(known);
                let is_bare_key = self.exact(&inner).is_none()
                    && self.said.subjects.iter().any(|(_, key)| *key == inner);
                if is_bare_key && passes {
                    return Some(format!("{}:{}", serde_json::Value::from(known), node.raw));
                }
                let value = self.step(node, way, known, grants)?;
                Some(format!("{}:{value}", serde_json::Value::from(known)))
            }
            None if passes => Some(format!("\"{raw}\":{}", node.raw)),
            None => None,
        }
    }

    fn exact(&self, way: &[&str]) -> Option<&PlaceUse> {
        let found = self.said.places.iter().find(|(path, _)| path == way);
        found.map(|(_, place_use)| place_use)
    }

    fn paths(&self) -> impl Iterator<Item = &Way> {
        let keys = self.said.subjects.iter().map(|(_, key)| key);
        self.said.places.iter().map(|(path, _)| path).chain(keys)
    }

    fn is_list(&self, way: &[&str]) -> bool {
        self.paths().any(|path| {
            path.strip_prefix(way)
                .is_some_and(|rest| rest.first() == Some(&"[*]"))
        })
    }

    fn is_live(&self, way: &[&str], grants: &Granted) -> bool {
        let seen = |place_use: &PlaceUse| match place_use {
            PlaceUse::Attribute(number) => grants.effect(*number) != Effect::Drop,
            _ => true,
        };
        let mut places = self.said.places.iter();
        places.any(|(path, place_use)| path.starts_with(way) && seen(place_use))
            || self
                .said
                .subjects
                .iter()
                .any(|(subject, _)| subject.starts_with(way))
            || self
                .said
                .subjects
                .iter()
                .any(|(_, key)| self.passes_key(key, way))
    }

    /// A key that passes with the others of its object is there to be seen.
    fn passes_key(&self, key: &Way, way: &[&str]) -> bool {
        let others = key
            .split_last()
            .map(|(_, object)| [object, &["*"]].concat());
        key.starts_with(way) && others.is_some_and(|others| self.exact(&others).is_some())
    }
}

fn attribute(node: &Node, number: AttributeNumber, grants: &Granted) -> Option<String> {
    match (grants.effect(number), &node.kind) {
        (Effect::Keep, _) => Some(node.raw.clone()),
        (Effect::Drop, _) => None,
        (Effect::Null, _) | (Effect::Change(_), Kind::Null) => Some("null".to_owned()),
        (Effect::Change(change), Kind::Scalar(Some(text), _)) => {
            let said = Spoken.alter(None, number, change, &Sensitive::new(text.clone()))?;
            Some(serde_json::to_string(said.expose()).unwrap())
        }
        (Effect::Change(_), _) => None,
    }
}

fn key_of(node: &Node, way: &[&str]) -> Option<String> {
    match (&node.kind, way) {
        (Kind::Scalar(text, true), []) => text.clone().filter(|text| !text.is_empty()),
        (Kind::Object(members), [name, rest @ ..]) => {
            let (_, _, inner) = members.iter().find(|(known, ..)| known == name)?;
            key_of(inner, rest)
        }
        _ => None,
    }
}
