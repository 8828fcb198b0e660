//! Checks a body that is to be written: a recipient may not write what it may not see. Nothing is changed; it is refused, or it stands.

use std::sync::Arc;

use domain::body_shape::{BodyShape, Place, PlaceId, PlaceKind, ValueUse};

use super::effect::{Effect, Effects, Grants};
use super::fault::Fault;
use super::outlet::Outlet;

pub(super) struct Checker {
    shape: Arc<BodyShape>,
    outer: Effects,
    hers: Effects,
    in_subject: bool,
}

impl Checker {
    pub(super) fn new(shape: &Arc<BodyShape>, outer: Effects) -> Self {
        Self {
            shape: Arc::clone(shape),
            outer,
            hers: Effects::default(),
            in_subject: false,
        }
    }

    const fn effects(&self) -> &Effects {
        if self.in_subject {
            &self.hers
        } else {
            &self.outer
        }
    }

    /// A place and all that is inside of it.
    fn whole(&self, id: PlaceId) -> Result<(), Fault> {
        let mut inside = self.shape.inside(id);
        inside.try_for_each(|(_, place)| self.one(place))
    }

    fn one(&self, place: &Place) -> Result<(), Fault> {
        let PlaceKind::Value(ValueUse::Attribute(attribute)) = *place.kind() else {
            return Ok(());
        };
        let number = self.shape.attributes().get(attribute).copied();
        match number.filter(|_| self.effects().effect(attribute) != Effect::Keep) {
            None => Ok(()),
            Some(attribute) => Err(Fault::NotWritable {
                attribute,
                path: place.path().to_owned(),
            }),
        }
    }

    fn path(&self, place: PlaceId) -> String {
        self.shape.place(place).path().to_owned()
    }
}

impl Outlet for Checker {
    /// A list that is written takes the place of the one that is there, with all that stands in its elements. An object of which nothing
    /// may be seen isn't there for whoever writes it.
    fn open(&mut self, id: PlaceId) -> Result<(), Fault> {
        let place = self.shape.place(id);
        let is_list = matches!(place.kind(), PlaceKind::List(_));
        let replaces = is_list && !place.has_subjects();
        if replaces || !self.effects().is_live(id) {
            return self.whole(id);
        }
        Ok(())
    }

    fn close(&mut self) {}

    /// `null` erases all that is inside.
    fn null(&mut self, id: PlaceId) -> Result<(), Fault> {
        self.whole(id)
    }

    fn value(&mut self, id: PlaceId) -> Result<(), Fault> {
        self.one(self.shape.place(id))
    }

    fn other(&mut self, _: &[u8]) {}

    fn bytes(&mut self, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    fn value_end(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn subject(&mut self, place: PlaceId, grants: &impl Grants) {
        self.hers.set(&self.shape, place, grants);
        self.in_subject = true;
    }

    fn subject_end(&mut self) {
        self.in_subject = false;
    }

    fn left_out(&mut self, _: PlaceId) -> Result<(), Fault> {
        Err(Fault::SubjectWithheld)
    }

    fn unknown(&mut self, within: PlaceId) -> Result<(), Fault> {
        Err(Fault::UnknownMember {
            path: self.path(within),
        })
    }

    fn misshapen(&mut self, place: PlaceId) -> Result<(), Fault> {
        Err(Fault::MisshapenAt {
            path: self.path(place),
        })
    }
}
