//! From paths to a shape: a tree that grows path by path, checked as it grows, then laid out flat in the order of a walk.

use super::members::Members;
use super::path::{Step, parse, spelled};
use super::{BodyForm, BodyShape, Place, PlaceId, PlaceKind, PlaceUse, ShapeError, ValueUse};
use crate::profile::AttributeNumber;

/// Far above what a route names, far below what a walk could feel.
const MOST_PLACES: usize = 4096;

/// A place while the shape grows.
#[derive(Default)]
struct Draft {
    kind: Kind,
    /// The path that was the first to lead here.
    named_by: String,
    is_subject: bool,
    is_key: bool,
}

#[derive(Default)]
enum Kind {
    #[default]
    Open,
    Object {
        /// In the order of the paths, which is that of most bodies.
        members: Vec<(String, Draft)>,
        /// The path with `.*`.
        others: Option<String>,
    },
    List(Box<Draft>),
    Value(Value),
}

#[derive(Clone, Copy)]
enum Value {
    Attribute(AttributeNumber),
    Passed,
    KeyOnly,
}

pub(super) fn build<'a>(
    form: BodyForm,
    named: impl IntoIterator<Item = (&'a str, PlaceUse)>,
) -> Result<BodyShape, Vec<ShapeError>> {
    let mut root = Draft::default();
    let (mut errors, mut subjects) = (Vec::new(), Vec::new());
    for (path, place_use) in named {
        let outcome = match place_use {
            PlaceUse::Attribute(number) => root.put(path, Value::Attribute(number)),
            PlaceUse::Passed => root.put(path, Value::Passed),
            PlaceUse::Subject { key } => {
                subjects.push((path, key));
                Ok(())
            }
        };
        errors.extend(outcome.err());
    }
    for (path, key) in subjects {
        errors.extend(root.put_subject(path, &key).err());
    }
    root.check(&mut Vec::new(), None, &mut errors);
    if matches!(root.kind, Kind::Open) && errors.is_empty() {
        errors.push(ShapeError::Empty);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut shape = BodyShape {
        form,
        places: Vec::new(),
        attributes: Vec::new(),
    };
    root.lay_out(&mut Vec::new(), &mut shape);
    if shape.places.len() > MOST_PLACES {
        return Err(vec![ShapeError::TooLarge { most: MOST_PLACES }]);
    }
    Ok(shape)
}

impl Draft {
    fn put(&mut self, path: &str, value: Value) -> Result<(), ShapeError> {
        let steps = parse(path)?;
        let Some((Step::OtherMembers, way)) = steps.split_last() else {
            return self.follow(path, &steps)?.set(path, value);
        };
        let place = self.follow(path, way)?;
        if !matches!(value, Value::Passed) {
            return Err(ShapeError::AllMembers {
                path: path.to_owned(),
            });
        }
        let (_, others) = place.as_object(path, way)?;
        if others.replace(path.to_owned()).is_some() {
            return Err(twice(path));
        }
        Ok(())
    }

    /// The place at the end of the steps, made on the way where it isn't there.
    fn follow(&mut self, path: &str, steps: &[Step]) -> Result<&mut Self, ShapeError> {
        let mut place = self;
        for (taken, step) in steps.iter().enumerate() {
            let way = steps.get(..taken).unwrap_or_default();
            place = match step {
                Step::Member(name) => place.member(path, way, name)?,
                Step::Elements => place.elements(path, way)?,
                // Reading a path leaves it at the end alone, and whoever follows has taken it off.
                Step::OtherMembers => {
                    return Err(ShapeError::AllMembers {
                        path: path.to_owned(),
                    });
                }
            };
        }
        if place.named_by.is_empty() {
            path.clone_into(&mut place.named_by);
        }
        Ok(place)
    }

    fn member(&mut self, path: &str, way: &[Step], name: &str) -> Result<&mut Self, ShapeError> {
        let (members, _) = self.as_object(path, way)?;
        let known = members.iter().position(|(known, _)| known == name);
        let at = known.unwrap_or(members.len());
        if known.is_none() {
            members.push((name.to_owned(), Self::default()));
        }
        // There is one at `at`: it was found or made.
        members
            .get_mut(at)
            .map(|(_, place)| place)
            .ok_or(ShapeError::Empty)
    }

    #[expect(
        clippy::type_complexity,
        reason = "the two parts of an object, borrowed"
    )]
    fn as_object(
        &mut self,
        path: &str,
        way: &[Step],
    ) -> Result<(&mut Vec<(String, Self)>, &mut Option<String>), ShapeError> {
        self.open(path, || Kind::Object {
            members: Vec::new(),
            others: None,
        });
        match &mut self.kind {
            Kind::Object { members, others } => Ok((members, others)),
            Kind::Value(_) => Err(shadowed(path, &self.named_by)),
            Kind::List(_) | Kind::Open => Err(contradictory(path, &self.named_by, way)),
        }
    }

    fn elements(&mut self, path: &str, way: &[Step]) -> Result<&mut Self, ShapeError> {
        self.open(path, || Kind::List(Box::default()));
        match &mut self.kind {
            Kind::List(element) => Ok(element),
            Kind::Value(_) => Err(shadowed(path, &self.named_by)),
            Kind::Object { .. } | Kind::Open => Err(contradictory(path, &self.named_by, way)),
        }
    }

    fn open(&mut self, path: &str, kind: impl FnOnce() -> Kind) {
        if matches!(self.kind, Kind::Open) {
            self.kind = kind();
            path.clone_into(&mut self.named_by);
        }
    }

    fn set(&mut self, path: &str, value: Value) -> Result<(), ShapeError> {
        match self.kind {
            Kind::Open => {
                self.kind = Kind::Value(value);
                Ok(())
            }
            Kind::Value(_) => Err(twice(path)),
            Kind::Object { .. } | Kind::List(_) => Err(shadowed(&self.named_by, path)),
        }
    }

    fn put_subject(&mut self, path: &str, key: &str) -> Result<(), ShapeError> {
        let (steps, key_steps) = (parse(path)?, parse(key)?);
        let outside = || ShapeError::KeyOutside {
            key: key.to_owned(),
            path: path.to_owned(),
        };
        let inner = key_steps.strip_prefix(steps.as_slice());
        let inner = inner
            .filter(|inner| !inner.is_empty())
            .ok_or_else(outside)?;
        if !inner.iter().all(|step| matches!(step, Step::Member(_))) {
            return Err(outside());
        }
        let place = self.follow(path, &steps)?;
        if !place.holds_attribute() || !matches!(place.kind, Kind::Object { .. }) {
            return Err(ShapeError::EmptySubject {
                path: path.to_owned(),
            });
        }
        if std::mem::replace(&mut place.is_subject, true) {
            return Err(twice(path));
        }
        self.follow(key, &key_steps)?.set_key(key, outside)
    }

    fn set_key(
        &mut self,
        key: &str,
        outside: impl FnOnce() -> ShapeError,
    ) -> Result<(), ShapeError> {
        match self.kind {
            Kind::Open => self.kind = Kind::Value(Value::KeyOnly),
            Kind::Value(_) => {}
            Kind::Object { .. } | Kind::List(_) => return Err(outside()),
        }
        if std::mem::replace(&mut self.is_key, true) {
            return Err(twice(key));
        }
        Ok(())
    }

    fn holds_attribute(&self) -> bool {
        match &self.kind {
            Kind::Value(value) => matches!(value, Value::Attribute(_)),
            Kind::List(element) => element.holds_attribute(),
            Kind::Object { members, .. } => {
                members.iter().any(|(_, place)| place.holds_attribute())
            }
            Kind::Open => false,
        }
    }

    /// What can only be seen of the whole: subjects within subjects, and paths that add nothing to `.*`.
    fn check(&self, way: &mut Vec<Step>, subject: Option<&str>, errors: &mut Vec<ShapeError>) {
        let here = spelled(way);
        if let (true, Some(outer)) = (self.is_subject, subject) {
            errors.push(ShapeError::SubjectInside {
                inner: here.clone(),
                outer: outer.to_owned(),
            });
        }
        let subject = if self.is_subject {
            Some(here.as_str())
        } else {
            subject
        };
        match &self.kind {
            Kind::Open | Kind::Value(_) => {}
            Kind::List(element) => {
                way.push(Step::Elements);
                element.check(way, subject, errors);
                way.pop();
            }
            Kind::Object { members, others } => {
                for (name, place) in members {
                    way.push(Step::Member(name.clone()));
                    if let (Some(all), Kind::Value(Value::Passed)) = (others, &place.kind) {
                        errors.push(ShapeError::AddsNothing {
                            path: spelled(way),
                            all: all.clone(),
                        });
                    }
                    place.check(way, subject, errors);
                    way.pop();
                }
            }
        }
    }

    /// Puts the place and all inside of it behind what is laid out.
    fn lay_out(self, way: &mut Vec<Step>, shape: &mut BodyShape) -> PlaceId {
        let id = PlaceId(u32::try_from(shape.places.len()).unwrap_or(u32::MAX));
        shape.places.push(Place {
            path: spelled(way),
            written: written(way.last()),
            is_subject: self.is_subject,
            is_key: self.is_key,
            ..Place::unknown()
        });
        let kind = match self.kind {
            Kind::Open => PlaceKind::Value(ValueUse::KeyOnly),
            Kind::Value(value) => PlaceKind::Value(value.in_shape(shape)),
            Kind::List(element) => {
                way.push(Step::Elements);
                let element = element.lay_out(way, shape);
                way.pop();
                PlaceKind::List(element)
            }
            Kind::Object { members, others } => {
                let mut entries = Vec::with_capacity(members.len());
                for (name, mut place) in members {
                    place.pass_key_with(&others);
                    way.push(Step::Member(name.clone()));
                    entries.push((name.into_bytes().into(), place.lay_out(way, shape)));
                    way.pop();
                }
                PlaceKind::Object(Members::new(entries, others.is_some()))
            }
        };
        shape.close(id, kind, self.is_subject);
        id
    }

    /// A key that nothing else names is one of the members that `.*` passes.
    fn pass_key_with(&mut self, others: &Option<String>) {
        if let (Kind::Value(value @ Value::KeyOnly), Some(_)) = (&mut self.kind, others) {
            *value = Value::Passed;
        }
    }
}

impl Value {
    fn in_shape(self, shape: &mut BodyShape) -> ValueUse {
        match self {
            Self::Passed => ValueUse::Passed,
            Self::KeyOnly => ValueUse::KeyOnly,
            Self::Attribute(number) => {
                let known = shape.attributes.iter().position(|known| *known == number);
                if known.is_none() {
                    shape.attributes.push(number);
                }
                ValueUse::Attribute(known.unwrap_or(shape.attributes.len() - 1))
            }
        }
    }
}

impl BodyShape {
    /// Ends a place, when all inside of it is laid out.
    fn close(&mut self, id: PlaceId, kind: PlaceKind, is_subject: bool) {
        let inside = self.places.get(id.index()..).unwrap_or_default();
        let has_subjects = is_subject || inside.iter().any(|place| place.has_subjects);
        let end = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        if let Some(place) = self.places.get_mut(id.index()) {
            (place.kind, place.end, place.has_subjects) = (kind, end, has_subjects);
        }
    }
}

/// What is written before the value that a step leads to: the comma is left out where nothing stands before.
fn written(step: Option<&Step>) -> Vec<u8> {
    match step {
        Some(Step::Member(name)) => {
            let name = serde_json::Value::from(name.as_str());
            format!(",{name}:").into_bytes()
        }
        _ => vec![b','],
    }
}

fn twice(path: &str) -> ShapeError {
    ShapeError::Twice {
        path: path.to_owned(),
    }
}

fn shadowed(inner: &str, outer: &str) -> ShapeError {
    ShapeError::Shadowed {
        inner: inner.to_owned(),
        outer: outer.to_owned(),
    }
}

fn contradictory(path: &str, other: &str, way: &[Step]) -> ShapeError {
    ShapeError::Contradictory {
        path: path.to_owned(),
        other: other.to_owned(),
        place: spelled(way),
    }
}
