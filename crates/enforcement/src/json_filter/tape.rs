//! What a body holds about subjects of whom nobody has decided yet, in the body's order: only what the shape names, never the rest.
//!
//! While a decision is awaited, whatever comes after it waits too, so that the answer keeps its order. Then it is played to the outlet.

use std::collections::VecDeque;

use domain::body_shape::{BodyShape, PlaceId};
use domain::sensitive::Sensitive;

use super::effect::Grants;
use super::fault::Fault;
use super::held::Held;
use super::outlet::Outlet;
use super::unescape::scalar;

/// A longer key finds nobody.
const MOST_KEY: usize = 512;

#[derive(Default)]
pub(super) struct Tape {
    events: Vec<Event>,
    /// What the events are about, one after the other.
    bytes: Held,
    needs: VecDeque<Need>,
    /// The object about a subject that is being read.
    subject: Option<Started>,
    /// Where the value that is being read begins.
    value: Option<usize>,
}

#[derive(Clone, Copy)]
struct Event {
    kind: Kind,
    place: PlaceId,
    /// Bytes that belong to it.
    length: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Null,
    Value,
    /// Name of a member that passes with all others; its value follows.
    Other,
    OtherValue,
    Subject,
    SubjectEnd,
}

/// A decision that is awaited.
struct Need {
    key: Sensitive<String>,
    /// Events and bytes of the object, to be left out where nothing may go out.
    events: usize,
    bytes: usize,
}

struct Started {
    place: PlaceId,
    event: usize,
    byte: usize,
    key: Option<Sensitive<String>>,
}

impl Tape {
    /// Whether what comes has to wait.
    #[inline]
    pub(super) fn is_recording(&self) -> bool {
        self.subject.is_some() || !self.needs.is_empty()
    }

    /// Memory that it takes.
    pub(super) const fn size(&self) -> usize {
        self.bytes.len() + self.events.len() * size_of::<Event>()
    }

    /// Keys of the subjects whose decisions are awaited, in order.
    pub(super) fn needs(&self) -> impl ExactSizeIterator<Item = &Sensitive<String>> {
        self.needs.iter().map(|need| &need.key)
    }

    pub(super) fn open(&mut self, place: PlaceId) {
        self.put(Kind::Open, place, 0);
    }

    pub(super) fn close(&mut self, place: PlaceId) {
        self.put(Kind::Close, place, 0);
    }

    pub(super) fn null(&mut self, place: PlaceId) {
        self.put(Kind::Null, place, 0);
    }

    pub(super) fn value(&mut self, place: PlaceId) {
        self.put(Kind::Value, place, 0);
        self.value = Some(self.bytes.len());
    }

    pub(super) fn other(&mut self, place: PlaceId, name: &[u8]) {
        self.bytes.extend(name);
        self.put(Kind::Other, place, name.len());
        self.put(Kind::OtherValue, place, 0);
        self.value = Some(self.bytes.len());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(super) fn value_end(&mut self, shape: &BodyShape) {
        self.set_length();
        let (Some(start), Some(event)) = (self.value.take(), self.events.last()) else {
            return;
        };
        if event.kind == Kind::Value && shape.place(event.place).is_key() {
            let raw = self.bytes.get(start..self.bytes.len());
            if let Some(subject) = &mut self.subject {
                subject.key = key(raw);
            }
        }
    }

    pub(super) fn subject(&mut self, place: PlaceId) {
        self.subject = Some(Started {
            place,
            event: self.events.len(),
            byte: self.bytes.len(),
            key: None,
        });
        self.put(Kind::Subject, place, 0);
    }

    /// The object is at its end. Whether a decision can be asked for; one without a key is forgotten.
    pub(super) fn subject_end(&mut self) -> bool {
        let Some(subject) = self.subject.take() else {
            return false;
        };
        self.put(Kind::SubjectEnd, subject.place, 0);
        let Some(key) = subject.key else {
            self.events.truncate(subject.event);
            self.bytes.truncate(subject.byte);
            return false;
        };
        self.needs.push_back(Need {
            key,
            events: self.events.len() - subject.event,
            bytes: self.bytes.len() - subject.byte,
        });
        true
    }

    /// Where the object about a subject stands that is being read, and how much of it is here.
    pub(super) fn open_subject(&self) -> Option<(PlaceId, usize)> {
        let subject = self.subject.as_ref()?;
        let events = self.events.len().saturating_sub(subject.event);
        let bytes = self.bytes.len().saturating_sub(subject.byte);
        Some((subject.place, bytes + events * size_of::<Event>()))
    }

    /// Plays everything whose decisions are here, and forgets it. A value that isn't at its end goes on in the outlet.
    pub(super) fn play(
        &mut self,
        outlet: &mut impl Outlet,
        grants: &[Option<&impl Grants>],
    ) -> Result<(), Fault> {
        if self.needs.len() != grants.len() {
            return Err(Fault::Unanswered {
                needed: self.needs.len(),
                given: grants.len(),
            });
        }
        if grants.is_empty() {
            return Ok(());
        }
        self.set_length();
        let last = self
            .subject
            .as_ref()
            .map_or(self.events.len(), |subject| subject.event);
        let (mut at, mut byte, mut grants) = (0, 0, grants.iter());
        while let Some(event) = self.events.get(at).copied().filter(|_| at < last) {
            if event.kind == Kind::Subject
                && let grants = grants.next().copied().flatten()
                && let Some((events, bytes)) = self.begin_subject(event.place, outlet, grants)?
            {
                at += events;
                byte += bytes;
                continue;
            }
            let bytes = self.bytes.get(byte..byte + event.length);
            let ends = at + 1 < self.events.len() || self.value.is_none();
            event.play(outlet, bytes, ends)?;
            at += 1;
            byte += event.length;
        }
        self.forget(at, byte);
        Ok(())
    }

    /// How much to pass over where nothing of her may go out.
    fn begin_subject(
        &mut self,
        place: PlaceId,
        outlet: &mut impl Outlet,
        grants: Option<&impl Grants>,
    ) -> Result<Option<(usize, usize)>, Fault> {
        let none = Fault::Unanswered {
            needed: 0,
            given: 1,
        };
        let need = self.needs.pop_front().ok_or(none)?;
        if let Some(grants) = grants {
            outlet.subject(place, grants);
            return Ok(None);
        }
        outlet.left_out(place)?;
        Ok(Some((need.events, need.bytes)))
    }

    fn forget(&mut self, events: usize, bytes: usize) {
        self.events.drain(..events.min(self.events.len()));
        self.bytes.take_off(bytes);
        match &mut self.subject {
            Some(subject) => {
                subject.event -= events;
                subject.byte -= bytes;
                self.value = self.value.map(|start| start - bytes);
            }
            None => self.value = None,
        }
    }

    fn put(&mut self, kind: Kind, place: PlaceId, length: usize) {
        self.events.push(Event {
            kind,
            place,
            length,
        });
    }

    /// Of the value that is being read, as far as it was.
    fn set_length(&mut self) {
        if let (Some(start), Some(event)) = (self.value, self.events.last_mut()) {
            event.length = self.bytes.len() - start;
        }
    }
}

impl Event {
    fn play(self, outlet: &mut impl Outlet, bytes: &[u8], ends: bool) -> Result<(), Fault> {
        match self.kind {
            Kind::Open => outlet.open(self.place)?,
            Kind::Close => outlet.close(),
            Kind::Null => outlet.null(self.place)?,
            Kind::Other => outlet.other(bytes),
            Kind::SubjectEnd => outlet.subject_end(),
            Kind::Subject => {}
            Kind::Value | Kind::OtherValue => {
                if self.kind == Kind::Value {
                    outlet.value(self.place)?;
                }
                outlet.bytes(bytes)?;
                if ends {
                    outlet.value_end()?;
                }
            }
        }
        Ok(())
    }
}

/// A text, or a whole number as it was written.
fn key(raw: &[u8]) -> Option<Sensitive<String>> {
    let is_key = match raw {
        [b'"', ..] => raw.len() <= MOST_KEY,
        [b'-', digits @ ..] | digits => digits.iter().all(u8::is_ascii_digit) && raw.len() <= 20,
    };
    scalar(raw).filter(|text| is_key && !text.expose().is_empty())
}
