//! A JSON body of the business's own API on its way to a recipient: what a recorded permit allows passes, byte for byte; the rest is gone.
//!
//! # How it works
//! A body comes in pieces and leaves in pieces, whatever its length; it is never a tree. A walk follows it along the route's
//! [`BodyShape`]: objects and lists that the shape knows are read member by member, every other value is only scanned. All of it is
//! validated, what is withheld as well: RFC 8259, UTF-8, how deep it is nested. Members that the shape doesn't know are withheld; so are
//! objects and lists of which nothing could be seen, since an empty one tells that there is something. A member that the shape knows may
//! stand in its object once, however its name is escaped. Kept values pass byte for byte, numbers of any size included; what stands
//! between them is written anew, without white space.
//!
//! # Subjects inside of a body
//! Where the shape names subjects ([`domain::body_shape::PlaceUse::Subject`]), the data of each waits until her key was read and her
//! decision is here. [`JsonFilter::needs`] lists whose decisions are awaited, [`JsonFilter::answer`] takes them, in order. Ask after each
//! chunk, or only when [`JsonFilter::push`] takes less than it was given: then it waits for decisions and goes on after them. Whoever has
//! no permit is left out whole, and so is an object without a key.
//!
//! # Memory
//! What waits for decisions is bounded ([`Limits::element`], [`Limits::window_bytes`]), and so is a value that is read to be changed
//! ([`Limits::value`]), a name, and the nesting. Over a bound the body is refused. The output is the caller's to drain after each chunk.
//!
//! # When a body is refused
//! A fault may show after part of the body has left: what JSON is wrong ahead nobody knows. What left is then worth nothing. INVARIANT:
//! whoever sends it ends the connection without ending the body (HTTP/1.1: close before the last chunk; HTTP/2: reset the stream), so
//! that the recipient sees that it is broken; it never ends such a body in good order. While [`JsonFilter::has_released`] says no,
//! nothing has left, and an error can be answered instead: [`Limits::hold_back`] keeps bodies up to that size until their end was seen.
//!
//! # Writes
//! [`BodyCheck`] follows a request's body the same way and changes nothing: what its sender may not see as it is, it may not write, nor
//! what the shape doesn't know. Forward the bytes that were checked, after the check is finished, never before.

mod check;
mod counts;
mod effect;
mod fault;
mod held;
mod outlet;
mod scan;
mod tape;
mod text;
mod unescape;
mod walk;
mod write;

use std::fmt;
use std::sync::Arc;

use domain::body_shape::BodyShape;
use domain::sensitive::Sensitive;

use crate::permit::RecordedPermit;
use check::Checker;
use effect::{Effects, Grants};
use walk::Walk;
use write::Writer;

pub use counts::{AttributeCounts, Counts};
pub use effect::{Alter, Change, Effect, Unaltered};
pub use fault::{Fault, Refused};

/// Of the output, before it is known how much of a chunk passes.
const MOST_RESERVED: usize = 64 * 1024;

/// Bounds on what a body may ask of the filter. Bytes, unless a field says otherwise.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Lists and objects inside of each other; 128 at most.
    pub depth: u32,
    /// A member's name in an object of the shape.
    pub name: usize,
    /// A value that is read to be changed.
    pub value: usize,
    /// What is kept of one subject while her decision is awaited.
    pub element: usize,
    /// Subjects who wait for decisions at once.
    pub window: usize,
    /// What is kept while decisions are awaited, before no more is taken.
    pub window_bytes: usize,
    /// Output that is kept until the end of the body was seen. Beyond it, the body leaves as it comes.
    pub hold_back: usize,
    /// The whole body; `None` for as long as it is.
    pub body: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 128,
            name: 4096,
            value: 64 * 1024,
            element: 1024 * 1024,
            window: 64,
            window_bytes: 256 * 1024,
            hold_back: 64 * 1024,
            body: None,
        }
    }
}

/// Filters one body.
pub struct JsonFilter {
    walk: Walk<Writer>,
    hold_back: usize,
    released: bool,
}

/// JSON, or the next piece of it, that may be sent to the recipient whose permits it passed. Made by [`JsonFilter`] alone.
pub struct FilteredJson {
    bytes: Vec<u8>,
}

impl JsonFilter {
    /// For a body about one subject, through her permit; nothing waits. Where the shape names further subjects inside, each of those
    /// needs her own.
    pub fn for_subject(
        shape: &Arc<BodyShape>,
        permit: &RecordedPermit,
        alter: Arc<dyn Alter>,
        limits: Limits,
    ) -> Self {
        Self::new(shape, Effects::of(shape, permit), alter, limits)
    }

    /// For a body about the subjects whose keys are in it. Attributes outside of their objects are withheld.
    pub fn for_subjects(shape: &Arc<BodyShape>, alter: Arc<dyn Alter>, limits: Limits) -> Self {
        Self::new(shape, Effects::none(shape), alter, limits)
    }

    fn new(shape: &Arc<BodyShape>, outer: Effects, alter: Arc<dyn Alter>, limits: Limits) -> Self {
        let writer = Writer::new(shape, alter, limits.value, outer);
        Self {
            hold_back: limits.hold_back,
            walk: Walk::new(Arc::clone(shape), limits, writer),
            released: false,
        }
    }

    /// Takes what comes of the body; how many bytes of it were taken. Less than all: [`Self::answer`] the needs, then push the rest.
    ///
    /// # Errors
    /// The body is refused, once and for all; see the module for what to do.
    pub fn push(&mut self, chunk: &[u8]) -> Result<usize, Refused> {
        self.walk.outlet.out.reserve(chunk.len().min(MOST_RESERVED));
        self.walk.push(chunk)
    }

    /// Keys of the subjects whose decisions are awaited, in the order in which to answer.
    pub fn needs(&self) -> impl ExactSizeIterator<Item = &Sensitive<String>> {
        self.walk.tape().needs()
    }

    /// Takes the decisions: for each need, in order, the permit about the subject with that key, or `None`.
    ///
    /// INVARIANT: the filter can't know whose key it read; whoever answers has looked up the subject by it.
    ///
    /// # Errors
    /// More or fewer answers than needs, or a body of which nothing is left.
    pub fn answer(&mut self, permits: &[Option<&RecordedPermit>]) -> Result<(), Refused> {
        self.answer_with(permits)
    }

    fn answer_with(&mut self, grants: &[Option<&impl Grants>]) -> Result<(), Refused> {
        self.walk.answer(grants)
    }

    /// What may leave by now. Empty after a refusal.
    pub fn take(&mut self) -> FilteredJson {
        let failed = self.walk.has_failed();
        let out = &mut self.walk.outlet.out;
        let held_back = !self.released && out.len() <= self.hold_back;
        if held_back || failed {
            return FilteredJson { bytes: Vec::new() };
        }
        self.released = true;
        FilteredJson {
            bytes: std::mem::take(out),
        }
    }

    /// Whether anything has left, so that a refusal can no longer be answered with an error.
    pub const fn has_released(&self) -> bool {
        self.released
    }

    /// What became of the body so far.
    pub const fn counts(&self) -> &Counts {
        &self.walk.outlet.counts
    }

    /// The body is at its end: the rest of what may leave.
    ///
    /// # Errors
    /// It ends too early, or decisions are still awaited.
    pub fn finish(mut self) -> Result<(FilteredJson, Counts), Refused> {
        self.walk.finish()?;
        let Writer { out, counts, .. } = self.walk.outlet;
        Ok((FilteredJson { bytes: out }, counts))
    }
}

impl FilteredJson {
    /// The bytes, for whoever sends them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, for whoever sends them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether there is nothing to send.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl fmt::Debug for FilteredJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilteredJson({} bytes)", self.bytes.len())
    }
}

/// Checks one body that a recipient wants to write.
pub struct BodyCheck {
    walk: Walk<Checker>,
}

impl BodyCheck {
    /// For a body about one subject, by what the permit lets the sender see of her.
    pub fn for_subject(shape: &Arc<BodyShape>, permit: &RecordedPermit, limits: Limits) -> Self {
        Self::new(shape, Effects::of(shape, permit), limits)
    }

    /// For a body about the subjects whose keys are in it.
    pub fn for_subjects(shape: &Arc<BodyShape>, limits: Limits) -> Self {
        Self::new(shape, Effects::none(shape), limits)
    }

    fn new(shape: &Arc<BodyShape>, outer: Effects, limits: Limits) -> Self {
        let checker = Checker::new(shape, outer);
        Self {
            walk: Walk::new(Arc::clone(shape), limits, checker),
        }
    }

    /// As [`JsonFilter::push`].
    ///
    /// # Errors
    /// What may not be written, by its path in the shape; what is no JSON.
    pub fn push(&mut self, chunk: &[u8]) -> Result<usize, Refused> {
        self.walk.push(chunk)
    }

    /// As [`JsonFilter::needs`].
    pub fn needs(&self) -> impl ExactSizeIterator<Item = &Sensitive<String>> {
        self.walk.tape().needs()
    }

    /// As [`JsonFilter::answer`].
    ///
    /// # Errors
    /// What may not be written of these subjects, or one of whom nothing may.
    pub fn answer(&mut self, permits: &[Option<&RecordedPermit>]) -> Result<(), Refused> {
        self.walk.answer(permits)
    }

    /// The body is at its end, and may be written.
    ///
    /// # Errors
    /// It ends too early, or decisions are still awaited.
    pub fn finish(mut self) -> Result<(), Refused> {
        self.walk.finish()
    }
}

#[cfg(test)]
mod tests;
