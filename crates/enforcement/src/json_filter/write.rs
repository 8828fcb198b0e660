//! Writes a body again with what may be seen of it. Kept values pass byte for byte; what stands between them is written anew.

use std::sync::Arc;

use domain::body_shape::{BodyForm, BodyShape, Place, PlaceId, PlaceKind, ValueUse};

use super::counts::{AttributeCounts, Counts};
use super::effect::{Alter, Change, Effect, Effects, Grants};
use super::fault::Fault;
use super::held::Held;
use super::outlet::Outlet;
use super::unescape::scalar;

pub(super) struct Writer {
    shape: Arc<BodyShape>,
    alter: Arc<dyn Alter>,
    most_value: usize,
    /// Those of the permit that the whole body has, and of the subject whose data is being written.
    outer: Effects,
    hers: Effects,
    in_subject: bool,
    pub(super) out: Vec<u8>,
    /// What closes each list and object that was written, the innermost last.
    closing: Vec<u8>,
    /// Whether nothing stands yet in the innermost one.
    first: bool,
    /// Lists and objects that are open and of which nothing is written.
    muted: u32,
    sink: Sink,
    held: Held,
    pub(super) counts: Counts,
}

/// Where the bytes of a value go.
#[derive(Clone, Copy)]
enum Sink {
    Nowhere,
    Out,
    /// They are read, to be changed at their end.
    Held(PlaceId, usize, Change),
}

impl Writer {
    pub(super) fn new(
        shape: &Arc<BodyShape>,
        alter: Arc<dyn Alter>,
        most_value: usize,
        outer: Effects,
    ) -> Self {
        Self {
            shape: Arc::clone(shape),
            alter,
            most_value,
            outer,
            hers: Effects::default(),
            in_subject: false,
            out: Vec::new(),
            closing: Vec::new(),
            first: true,
            muted: 0,
            sink: Sink::Nowhere,
            held: Held::default(),
            counts: Counts::new(shape.attributes()),
        }
    }

    #[inline]
    fn effects(&self) -> &Effects {
        if self.in_subject {
            &self.hers
        } else {
            &self.outer
        }
    }

    fn is_outermost(&self) -> bool {
        self.closing.is_empty()
    }

    /// Of lines, one is left out; of a single value nothing would be left to send.
    fn without_outermost(&self) -> Result<(), Fault> {
        if self.is_outermost() && self.shape.form() == BodyForm::Json {
            return Err(Fault::SubjectWithheld);
        }
        Ok(())
    }

    fn value_of(&mut self, id: PlaceId, attribute: usize) -> Result<Sink, Fault> {
        let effect = if self.muted > 0 {
            Effect::Drop
        } else {
            self.effects().effect(attribute)
        };
        match effect {
            Effect::Keep => {
                self.count(attribute, |counts| &mut counts.kept);
                write_before(&mut self.out, &mut self.first, self.shape.place(id));
                Ok(Sink::Out)
            }
            Effect::Drop => {
                self.count(attribute, |counts| &mut counts.withheld);
                self.without_outermost()?;
                Ok(Sink::Nowhere)
            }
            Effect::Null => {
                self.count(attribute, |counts| &mut counts.nulled);
                self.put(id, b"null");
                Ok(Sink::Nowhere)
            }
            Effect::Change(change) => {
                self.held.truncate(0);
                Ok(Sink::Held(id, attribute, change))
            }
        }
    }

    /// The end of a value that was read to be changed.
    fn put_changed(&mut self, id: PlaceId, attribute: usize, change: Change) -> Result<(), Fault> {
        let raw = self.held.get(0..self.held.len());
        // There is nothing to be seen of it, and saying otherwise would be false.
        let changed = if raw == b"null" {
            Some(b"null".to_vec())
        } else {
            let number = self.shape.attributes().get(attribute);
            let subject = self.effects().subject();
            let changed = scalar(raw)
                .zip(number)
                .and_then(|(value, number)| self.alter.alter(subject, *number, change, &value));
            changed.and_then(|text| serde_json::to_vec(text.expose()).ok())
        };
        let Some(changed) = changed else {
            self.count(attribute, |counts| &mut counts.withheld);
            return self.without_outermost();
        };
        self.put(id, &changed);
        self.count(attribute, |counts| match change {
            Change::Mask => &mut counts.masked,
            Change::Generalise => &mut counts.generalised,
            Change::Token => &mut counts.tokenised,
        });
        Ok(())
    }

    fn put(&mut self, id: PlaceId, value: &[u8]) {
        write_before(&mut self.out, &mut self.first, self.shape.place(id));
        self.out.extend_from_slice(value);
        self.end_outermost();
    }

    /// After each value that was written: a line is at its end.
    #[inline]
    fn end_outermost(&mut self) {
        if self.is_outermost() {
            self.first = true;
            if self.shape.form() == BodyForm::Lines {
                self.out.push(b'\n');
            }
        }
    }

    #[inline]
    fn count(&mut self, attribute: usize, which: impl FnOnce(&mut AttributeCounts) -> &mut u64) {
        if let Some(counts) = self.counts.attributes.get_mut(attribute) {
            *which(counts) += 1;
        }
    }
}

#[inline]
fn write_before(out: &mut Vec<u8>, first: &mut bool, place: &Place) {
    let written = place.written().get(usize::from(*first)..);
    out.extend_from_slice(written.unwrap_or_default());
    *first = false;
}

impl Outlet for Writer {
    fn open(&mut self, id: PlaceId) -> Result<(), Fault> {
        if self.muted > 0 || !(self.is_outermost() || self.effects().is_live(id)) {
            self.muted += 1;
            return Ok(());
        }
        let place = self.shape.place(id);
        write_before(&mut self.out, &mut self.first, place);
        let (opening, closing) = match place.kind() {
            PlaceKind::List(_) => (b'[', b']'),
            PlaceKind::Object(_) | PlaceKind::Value(_) => (b'{', b'}'),
        };
        self.out.push(opening);
        self.closing.push(closing);
        self.first = true;
        Ok(())
    }

    fn close(&mut self) {
        if self.muted > 0 {
            self.muted -= 1;
            return;
        }
        self.out.extend(self.closing.pop());
        self.first = false;
        self.end_outermost();
    }

    fn null(&mut self, id: PlaceId) -> Result<(), Fault> {
        if self.muted == 0 && (self.is_outermost() || self.effects().is_live(id)) {
            self.put(id, b"null");
        }
        Ok(())
    }

    #[inline]
    fn value(&mut self, id: PlaceId) -> Result<(), Fault> {
        self.sink = match *self.shape.place(id).kind() {
            PlaceKind::Value(ValueUse::Attribute(attribute)) => self.value_of(id, attribute)?,
            PlaceKind::Value(ValueUse::Passed) if self.muted == 0 => {
                write_before(&mut self.out, &mut self.first, self.shape.place(id));
                Sink::Out
            }
            _ => Sink::Nowhere,
        };
        Ok(())
    }

    fn other(&mut self, name: &[u8]) {
        self.sink = Sink::Nowhere;
        if self.muted > 0 {
            return;
        }
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b"\":");
        self.sink = Sink::Out;
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match self.sink {
            Sink::Nowhere => {}
            Sink::Out => self.out.extend_from_slice(bytes),
            Sink::Held(id, ..) => {
                if self.held.len() + bytes.len() > self.most_value {
                    return Err(Fault::ValueTooLong {
                        path: self.shape.place(id).path().to_owned(),
                        most: self.most_value,
                    });
                }
                self.held.extend(bytes);
            }
        }
        Ok(())
    }

    #[inline]
    fn value_end(&mut self) -> Result<(), Fault> {
        match self.sink {
            Sink::Nowhere => Ok(()),
            Sink::Out => {
                self.end_outermost();
                Ok(())
            }
            Sink::Held(id, attribute, change) => self.put_changed(id, attribute, change),
        }
    }

    fn subject(&mut self, id: PlaceId, grants: &impl Grants) {
        self.hers.set(&self.shape, id, grants);
        self.in_subject = true;
        self.counts.subjects += 1;
    }

    fn subject_end(&mut self) {
        self.in_subject = false;
    }

    fn left_out(&mut self, _: PlaceId) -> Result<(), Fault> {
        self.counts.subjects_left_out += 1;
        self.without_outermost()
    }

    fn unknown(&mut self, _: PlaceId) -> Result<(), Fault> {
        self.counts.unknown_members += 1;
        Ok(())
    }

    fn misshapen(&mut self, _: PlaceId) -> Result<(), Fault> {
        self.counts.misshapen += 1;
        Ok(())
    }
}
