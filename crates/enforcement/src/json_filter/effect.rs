//! What becomes of each attribute under a permit, laid over a shape: worked out once for each subject, looked up for each value.

use domain::body_shape::{BodyShape, Place, PlaceId, PlaceKind, ValueUse};
use domain::id::SubjectId;
use domain::profile::AttributeNumber;
use domain::sensitive::Sensitive;

use crate::permit::RecordedPermit;

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is left out, with its name.
    Drop,
    /// `null` stands in its place.
    Null,
    /// Something is said of it.
    Change(Change),
    /// It passes byte for byte.
    Keep,
}

/// What is said of a value in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Part of it: `m***@example.org`.
    Mask,
    /// Something wider: a city for an address, an age band for a birth date.
    Generalise,
    /// A text that stands for it, and is the same each time.
    Token,
}

/// Changes values that may not go out as they are.
pub trait Alter: Send + Sync {
    /// What stands in place of a text, number or truth value of a subject's. `None` withholds it.
    fn alter(
        &self,
        subject: Option<SubjectId>,
        attribute: AttributeNumber,
        change: Change,
        value: &Sensitive<String>,
    ) -> Option<Sensitive<String>>;
}

/// Changes nothing: whatever would have to be changed is withheld.
pub struct Unaltered;

impl Alter for Unaltered {
    fn alter(
        &self,
        _: Option<SubjectId>,
        _: AttributeNumber,
        _: Change,
        _: &Sensitive<String>,
    ) -> Option<Sensitive<String>> {
        None
    }
}

/// What says which effect an attribute has: the one seam between the filter and decisions.
pub(super) trait Grants {
    /// The effect on an attribute; `Drop` for whatever isn't named.
    fn effect(&self, number: AttributeNumber) -> Effect;
    /// Whose data it is.
    fn subject(&self) -> Option<SubjectId>;
}

impl Grants for RecordedPermit {
    fn effect(&self, number: AttributeNumber) -> Effect {
        self.effect_on(number)
    }

    fn subject(&self) -> Option<SubjectId> {
        Self::subject(self)
    }
}

/// Effects by the shape's own numbers. Those that were never set let nothing be seen.
#[derive(Default)]
pub(super) struct Effects {
    attributes: Vec<Effect>,
    /// For each place whether anything inside of it may be seen. An object that could only ever be empty would tell that it is there.
    live: Vec<bool>,
    subject: Option<SubjectId>,
}

/// Without a permit.
struct Nothing;

impl Grants for Nothing {
    fn effect(&self, _: AttributeNumber) -> Effect {
        Effect::Drop
    }

    fn subject(&self) -> Option<SubjectId> {
        None
    }
}

impl Effects {
    /// Without a permit: what passes for everybody.
    pub(super) fn none(shape: &BodyShape) -> Self {
        Self::of(shape, &Nothing)
    }

    pub(super) fn of(shape: &BodyShape, grants: &impl Grants) -> Self {
        let mut effects = Self::default();
        effects.set(shape, shape.root(), grants);
        effects
    }

    /// Those of one subject, for the places inside of hers.
    pub(super) fn set(&mut self, shape: &BodyShape, place: PlaceId, grants: &impl Grants) {
        let numbers = shape.attributes().iter();
        self.subject = grants.subject();
        self.attributes.clear();
        self.attributes
            .extend(numbers.map(|number| grants.effect(*number)));
        self.live.resize(shape.size(), false);
        for (id, place) in shape.inside(place).rev() {
            let live = self.shows(place);
            if let Some(slot) = self.live.get_mut(id.index()) {
                *slot = live;
            }
        }
    }

    #[inline]
    pub(super) fn effect(&self, attribute: usize) -> Effect {
        self.attributes
            .get(attribute)
            .copied()
            .unwrap_or(Effect::Drop)
    }

    /// Whose they are.
    pub(super) const fn subject(&self) -> Option<SubjectId> {
        self.subject
    }

    #[inline]
    pub(super) fn is_live(&self, place: PlaceId) -> bool {
        self.live.get(place.index()).copied().unwrap_or(false)
    }

    fn shows(&self, place: &Place) -> bool {
        match place.kind() {
            PlaceKind::Value(ValueUse::Attribute(attribute)) => {
                self.effect(*attribute) != Effect::Drop
            }
            PlaceKind::Value(ValueUse::Passed) => true,
            PlaceKind::Value(ValueUse::KeyOnly) => false,
            PlaceKind::List(element) => place.has_subjects() || self.is_live(*element),
            PlaceKind::Object(members) => {
                place.has_subjects()
                    || members.passes_others()
                    || members.places().any(|member| self.is_live(member))
            }
        }
    }
}
