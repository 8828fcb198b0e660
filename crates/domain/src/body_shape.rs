//! What a route knows of a JSON body: which places hold which attributes, which are structure that passes, and whose data it is.
//!
//! It stands in `domain` because the gateway reads it from its routes, and what enforces it (`enforcement::json_filter`) is closed to the
//! gateway. It is built and checked once, from paths such as `$.customer.email`; a body is then walked along it member by member. What
//! no path names is unknown, and unknown is withheld.

mod build;
mod members;
mod path;

use crate::profile::AttributeNumber;

pub use members::{Member, Members};

/// What a path of a shape says of the place that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceUse {
    /// The whole value there is this attribute.
    Attribute(AttributeNumber),
    /// It says nothing about a subject, and passes as it is: a count, a page number, a link.
    Passed,
    /// The object there is about one subject, who is found by the value at `key`.
    Subject {
        /// Path of her key, inside of the object: `$.customers[*].id`.
        key: String,
    },
}

/// How values stand in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    /// One JSON value (RFC 8259).
    Json,
    /// One JSON value a line (NDJSON, JSON Lines); paths begin at each line's value.
    Lines,
}

/// What is known of a body. Made by [`BodyShape::build`] alone.
#[derive(Debug)]
pub struct BodyShape {
    form: BodyForm,
    /// In the order of a walk: what is inside of a place follows it.
    places: Vec<Place>,
    /// Each attribute once.
    attributes: Vec<AttributeNumber>,
}

/// A place of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceId(u32);

/// What is known of one place.
#[derive(Debug)]
pub struct Place {
    kind: PlaceKind,
    path: String,
    /// A comma, and what stands before the value: `,"email":`, or nothing more in a list.
    written: Vec<u8>,
    /// Where the places inside of it end.
    end: u32,
    is_subject: bool,
    is_key: bool,
    has_subjects: bool,
}

/// What may stand at a place.
#[derive(Debug)]
pub enum PlaceKind {
    /// An object with members that are known.
    Object(Members),
    /// A list; the place of each of its elements.
    List(PlaceId),
    /// A value that stays whole.
    Value(ValueUse),
}

/// What a whole value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueUse {
    /// An attribute: its place in [`BodyShape::attributes`].
    Attribute(usize),
    /// What passes.
    Passed,
    /// Nothing that is passed on: it is read to find the subject.
    KeyOnly,
}

/// Why a shape can't be built; each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A path that can't be read.
    #[error("`{path}` can't be read as a path: {reason}")]
    Unreadable {
        /// As it was written.
        path: String,
        /// What is wrong, and what to write instead.
        reason: &'static str,
    },
    /// The same place is named twice.
    #[error("`{path}` is named twice; say once what it is")]
    Twice {
        /// The path.
        path: String,
    },
    /// One path lies inside of a value that another one takes whole.
    #[error(
        "`{inner}` lies inside of `{outer}`, which is taken as a whole; leave out one of the two"
    )]
    Shadowed {
        /// The path inside.
        inner: String,
        /// The path around it.
        outer: String,
    },
    /// Two paths take the same place for different things.
    #[error(
        "`{path}` and `{other}` disagree: one takes `{place}` for an object, the other for a list; correct the one that is wrong"
    )]
    Contradictory {
        /// One path.
        path: String,
        /// The other one.
        other: String,
        /// Where they part.
        place: String,
    },
    /// A path that adds nothing to `.*`.
    #[error("`{path}` is already passed by `{all}`; leave it out")]
    AddsNothing {
        /// The path.
        path: String,
        /// The path that ends with `.*`.
        all: String,
    },
    /// `.*` that is something else than passed.
    #[error("`{path}` can only be passed; for an attribute name the object itself, without `.*`")]
    AllMembers {
        /// The path.
        path: String,
    },
    /// A subject at a place that is no object, or that no path leads into.
    #[error(
        "`{path}` is named as a subject, and no attribute is inside of it; name her attributes, such as `{path}.email`"
    )]
    EmptySubject {
        /// Path of the subject.
        path: String,
    },
    /// A subject inside of another one.
    #[error(
        "the subject `{inner}` is inside of the subject `{outer}`; a body is filtered by one of them only: leave out one"
    )]
    SubjectInside {
        /// Path of the inner one.
        inner: String,
        /// Path of the outer one.
        outer: String,
    },
    /// A key that isn't inside of its subject.
    #[error(
        "`{key}` can't be the key of the subject `{path}`: write the path of a member inside of her object, not through a list"
    )]
    KeyOutside {
        /// Path of the key.
        key: String,
        /// Path of the subject.
        path: String,
    },
    /// Nothing is named.
    #[error(
        "no place of the body is named, so that nothing could ever pass; name an attribute, such as `$.email`"
    )]
    Empty,
    /// More than a shape can hold.
    #[error("the shape has more than {most} places; split the route")]
    TooLarge {
        /// The limit.
        most: usize,
    },
}

impl BodyShape {
    /// Builds a shape of what each path names, and checks it.
    ///
    /// A path is `$`, then steps: `.name` or `['any name']` for a member, `[*]` for every element of a list; at its end `.*` for every
    /// member that has no path of its own.
    ///
    /// # Errors
    /// Every path that can't be read, contradicts or shadows another one, or names nothing.
    pub fn build<'a>(
        form: BodyForm,
        named: impl IntoIterator<Item = (&'a str, PlaceUse)>,
    ) -> Result<Self, Vec<ShapeError>> {
        build::build(form, named)
    }

    /// How values stand in the body.
    pub const fn form(&self) -> BodyForm {
        self.form
    }

    /// Where a body begins; of lines, where each line begins.
    #[inline]
    pub const fn root(&self) -> PlaceId {
        PlaceId(0)
    }

    /// What is known of a place; of another shape's place nothing is.
    #[inline]
    pub fn place(&self, id: PlaceId) -> &Place {
        static UNKNOWN: Place = Place::unknown();
        self.places.get(id.0 as usize).unwrap_or(&UNKNOWN)
    }

    /// A place and all that is inside of it, outermost first.
    pub fn inside(&self, id: PlaceId) -> impl DoubleEndedIterator<Item = (PlaceId, &Place)> {
        let (start, end) = (id.0, self.place(id).end);
        let places = self.places.get(start as usize..end as usize);
        (start..end).map(PlaceId).zip(places.unwrap_or_default())
    }

    /// How many places there are; they are numbered from 0.
    pub const fn size(&self) -> usize {
        self.places.len()
    }

    /// Each attribute that the shape names, once.
    pub fn attributes(&self) -> &[AttributeNumber] {
        &self.attributes
    }

    /// Whether decisions are needed for subjects whose keys are in the body.
    pub fn has_subjects(&self) -> bool {
        self.place(self.root()).has_subjects
    }
}

impl PlaceId {
    /// Its number, below [`BodyShape::size`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Place {
    const fn unknown() -> Self {
        Self {
            kind: PlaceKind::Value(ValueUse::KeyOnly),
            path: String::new(),
            written: Vec::new(),
            end: 0,
            is_subject: false,
            is_key: false,
            has_subjects: false,
        }
    }

    /// What may stand there.
    #[inline]
    pub const fn kind(&self) -> &PlaceKind {
        &self.kind
    }

    /// Its path, in one spelling.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is written before its value: a comma, and the member's name in JSON with a colon.
    #[inline]
    pub fn written(&self) -> &[u8] {
        &self.written
    }

    /// Whether the object there is about a subject of its own.
    #[inline]
    pub const fn is_subject(&self) -> bool {
        self.is_subject
    }

    /// Whether the value there finds the subject around it.
    #[inline]
    pub const fn is_key(&self) -> bool {
        self.is_key
    }

    /// Whether it is, or holds, objects about subjects of their own.
    #[inline]
    pub const fn has_subjects(&self) -> bool {
        self.has_subjects
    }
}

#[cfg(test)]
mod tests;
