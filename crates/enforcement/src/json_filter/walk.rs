//! Follows a body along its shape, in whatever pieces it comes: the shape's own objects and lists are walked, every other value is scanned.
//!
//! Memory: the open objects and lists of the shape, a member's name that a chunk cut in two, and the tape.

use std::sync::Arc;

use domain::body_shape::{BodyForm, BodyShape, Member, PlaceId, PlaceKind};

use super::Limits;
use super::effect::Grants;
use super::fault::{Broken, Fault, Refused};
use super::outlet::Outlet;
use super::scan::{MOST_DEPTH, Scan, next};
use super::tape::Tape;
use super::text::Text;
use super::unescape::unescape;

pub(super) struct Walk<O> {
    shape: Arc<BodyShape>,
    limits: Limits,
    line: bool,
    step: Step,
    /// Where the value that comes next stands.
    here: Here,
    frames: Vec<Frame>,
    /// Which members were there, a bit each, of every open object.
    seen: Vec<u64>,
    text: Text,
    /// The inside of a name that a chunk cut in two.
    name: Vec<u8>,
    /// A name without its escapes.
    spelled: Vec<u8>,
    scan: Scan,
    tape: Tape,
    pub(super) outlet: O,
    /// Bytes of the body that were taken.
    read: u64,
    refused: Option<Refused>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Before the value, or the next line's value.
    Start,
    Value,
    FirstElement,
    FirstMember,
    Member,
    Name,
    Colon,
    After,
    /// Inside of a value that is scanned.
    Inside,
    /// After the value, or a line's value.
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Known(PlaceId),
    /// A member that passes with all others.
    Other,
    Unknown,
}

/// An open object or list of the shape.
struct Frame {
    place: PlaceId,
    /// Of a list, where its elements stand.
    element: Option<PlaceId>,
    /// Where its part of `seen` begins.
    seen: usize,
}

impl<O: Outlet> Walk<O> {
    pub(super) fn new(shape: Arc<BodyShape>, limits: Limits, outlet: O) -> Self {
        let line = shape.form() == BodyForm::Lines;
        Self {
            here: Here::Known(shape.root()),
            shape,
            limits,
            line,
            step: Step::Start,
            frames: Vec::with_capacity(8),
            seen: Vec::with_capacity(8),
            text: Text::new(),
            name: Vec::new(),
            spelled: Vec::new(),
            scan: Scan::new(line),
            tape: Tape::default(),
            outlet,
            read: 0,
            refused: None,
        }
    }

    /// Takes what comes of the body; how much of it was taken. Less than all: decisions have to come first.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<usize, Refused> {
        if let Some(refused) = &self.refused {
            return Err(refused.clone());
        }
        let taken = self.run(chunk).map_err(|broken| self.refuse(broken))?;
        self.read += taken as u64;
        Ok(taken)
    }

    pub(super) const fn tape(&self) -> &Tape {
        &self.tape
    }

    pub(super) const fn has_failed(&self) -> bool {
        self.refused.is_some()
    }

    /// Writes what waited for these decisions, one for each need.
    pub(super) fn answer(&mut self, grants: &[Option<&impl Grants>]) -> Result<(), Refused> {
        if let Some(refused) = &self.refused {
            return Err(refused.clone());
        }
        let played = self.tape.play(&mut self.outlet, grants);
        played.map_err(|fault| self.refuse(fault.at(0)))
    }

    /// The body is at its end.
    pub(super) fn finish(&mut self) -> Result<(), Refused> {
        if let Some(refused) = &self.refused {
            return Err(refused.clone());
        }
        self.end().map_err(|fault| self.refuse(fault.at(0)))
    }

    #[cold]
    fn refuse(&mut self, broken: Broken) -> Refused {
        let refused = Refused {
            fault: broken.fault,
            at: self.read + broken.at as u64,
        };
        self.refused = Some(refused.clone());
        refused
    }

    fn end(&mut self) -> Result<(), Fault> {
        let in_number = self.step == Step::Inside && self.frames.is_empty() && self.scan.may_end();
        if in_number {
            self.value_end()?;
        } else if !(self.step == Step::End || (self.step == Step::Start && self.line)) {
            return Err(Fault::Truncated);
        }
        match self.tape.needs().len() {
            0 => Ok(()),
            needed => Err(Fault::Unanswered { needed, given: 0 }),
        }
    }

    fn run(&mut self, chunk: &[u8]) -> Result<usize, Broken> {
        if let Some(most) = self.limits.body
            && self.read + chunk.len() as u64 > most
        {
            return Err(Fault::TooLong { most }.at(0));
        }
        let mut at = 0;
        while at < chunk.len() && !self.must_wait() {
            at = self.go_on(chunk, at)?;
        }
        Ok(at)
    }

    fn must_wait(&self) -> bool {
        let needs = self.tape.needs().len();
        needs > 0 && (needs >= self.limits.window || self.tape.size() >= self.limits.window_bytes)
    }

    #[inline]
    fn go_on(&mut self, chunk: &[u8], at: usize) -> Result<usize, Broken> {
        match self.step {
            Step::Start => self.start(chunk, at),
            Step::Value | Step::FirstElement => self.value(chunk, at),
            Step::FirstMember | Step::Member => self.member(chunk, at),
            Step::Name => self.name(chunk, at),
            Step::Colon => self.colon(chunk, at),
            Step::After => self.after(chunk, at),
            Step::Inside => self.inside(chunk, at),
            Step::End => self.after_all(chunk, at),
        }
    }

    fn start(&mut self, chunk: &[u8], mut at: usize) -> Result<usize, Broken> {
        let Some(first) = next(chunk, &mut at, false)? else {
            return Ok(at);
        };
        if first == 0xef && self.read == 0 && at == 0 {
            return Err(Fault::ByteOrderMark.at(at));
        }
        self.step = Step::Value;
        self.here = Here::Known(self.shape.root());
        Ok(at)
    }

    fn value(&mut self, chunk: &[u8], mut at: usize) -> Result<usize, Broken> {
        let Some(first) = next(chunk, &mut at, self.line)? else {
            return Ok(at);
        };
        if first == b']' && self.step == Step::FirstElement {
            return self.close(at);
        }
        let Here::Known(id) = self.here else {
            return self.scan(chunk, at);
        };
        let element = match (self.shape.place(id).kind(), first) {
            (PlaceKind::Value(_), _) => {
                self.begin_value(id).map_err(|fault| fault.at(at))?;
                return self.scan(chunk, at);
            }
            (PlaceKind::Object(_), b'{') => None,
            (PlaceKind::List(element), b'[') => Some(*element),
            (PlaceKind::Object(_) | PlaceKind::List(_), _) => {
                self.instead(id, first).map_err(|fault| fault.at(at))?;
                return self.scan(chunk, at);
            }
        };
        self.open(id, element).map_err(|fault| fault.at(at))?;
        Ok(at + 1)
    }

    /// Another value than the object or list that belongs there: `null` stays, everything else is withheld.
    fn instead(&mut self, id: PlaceId, first: u8) -> Result<(), Fault> {
        self.here = Here::Unknown;
        match first {
            b'n' if self.tape.is_recording() => self.tape.null(id),
            b'n' => self.outlet.null(id)?,
            b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' => {
                if self.frames.is_empty() && !self.line {
                    return Err(Fault::Misshapen);
                }
                self.outlet.misshapen(id)?;
                if self.shape.place(id).is_subject() {
                    self.outlet.left_out(id)?;
                }
            }
            _ => return Err(Fault::Syntax),
        }
        self.grown()
    }

    fn open(&mut self, id: PlaceId, element: Option<PlaceId>) -> Result<(), Fault> {
        let most = self.limits.depth.min(MOST_DEPTH);
        if self.frames.len() >= most as usize {
            return Err(Fault::TooDeep { most });
        }
        let place = self.shape.place(id);
        let members = match place.kind() {
            PlaceKind::Object(members) => members.count(),
            _ => 0,
        };
        self.frames.push(Frame {
            place: id,
            element,
            seen: self.seen.len(),
        });
        self.seen.resize(self.seen.len() + members.div_ceil(64), 0);
        self.here = element.map_or(Here::Unknown, Here::Known);
        self.step = if element.is_some() {
            Step::FirstElement
        } else {
            Step::FirstMember
        };
        if place.is_subject() {
            self.tape.subject(id);
        }
        if self.tape.is_recording() {
            self.tape.open(id);
            return self.grown();
        }
        self.outlet.open(id)
    }

    fn close(&mut self, at: usize) -> Result<usize, Broken> {
        if let Some(frame) = self.frames.pop() {
            self.seen.truncate(frame.seen);
            if self.tape.is_recording() {
                self.tape.close(frame.place);
            } else {
                self.outlet.close();
            }
            if self.shape.place(frame.place).is_subject() && !self.tape.subject_end() {
                self.outlet
                    .left_out(frame.place)
                    .map_err(|fault| fault.at(at))?;
            }
        }
        self.after_value();
        Ok(at + 1)
    }

    const fn after_value(&mut self) {
        self.step = if self.frames.is_empty() {
            Step::End
        } else {
            Step::After
        };
    }

    #[inline]
    fn after(&mut self, chunk: &[u8], mut at: usize) -> Result<usize, Broken> {
        let Some(byte) = next(chunk, &mut at, self.line)? else {
            return Ok(at);
        };
        let element = self.frames.last().and_then(|frame| frame.element);
        match (byte, element) {
            (b',', Some(element)) => {
                self.here = Here::Known(element);
                self.step = Step::Value;
                Ok(at + 1)
            }
            (b',', None) => {
                self.step = Step::Member;
                self.member(chunk, at + 1)
            }
            (b']', Some(_)) | (b'}', None) => self.close(at),
            _ => Err(Fault::Syntax.at(at)),
        }
    }

    #[inline]
    fn member(&mut self, chunk: &[u8], mut at: usize) -> Result<usize, Broken> {
        let Some(byte) = next(chunk, &mut at, self.line)? else {
            return Ok(at);
        };
        match byte {
            b'"' => {
                self.text = Text::new();
                self.name.clear();
                self.step = Step::Name;
                self.name(chunk, at + 1)
            }
            b'}' if self.step == Step::FirstMember => self.close(at),
            _ => Err(Fault::Syntax.at(at)),
        }
    }

    #[inline]
    fn name(&mut self, chunk: &[u8], at: usize) -> Result<usize, Broken> {
        let (stopped, closed) = self.text.read(chunk, at)?;
        let piece = chunk
            .get(at..stopped - usize::from(closed))
            .unwrap_or_default();
        if self.name.len() + piece.len() > self.limits.name {
            let most = self.limits.name;
            return Err(Fault::NameTooLong { most }.at(at));
        }
        if closed && self.name.is_empty() {
            self.look_up(piece).map_err(|fault| fault.at(stopped))?;
        } else {
            self.name.extend_from_slice(piece);
            if !closed {
                return Ok(stopped);
            }
            let name = std::mem::take(&mut self.name);
            self.look_up(&name).map_err(|fault| fault.at(stopped))?;
            self.name = name;
        }
        self.step = Step::Colon;
        self.colon(chunk, stopped)
    }

    #[inline]
    fn colon(&mut self, chunk: &[u8], mut at: usize) -> Result<usize, Broken> {
        match next(chunk, &mut at, self.line)? {
            None => Ok(at),
            Some(b':') => {
                self.step = Step::Value;
                self.value(chunk, at + 1)
            }
            Some(_) => Err(Fault::Syntax.at(at)),
        }
    }

    /// Where the value of a member stands, by the inside of its name as it was written.
    #[inline]
    fn look_up(&mut self, raw: &[u8]) -> Result<(), Fault> {
        let Some(frame) = self.frames.last() else {
            return Err(Fault::Syntax);
        };
        let PlaceKind::Object(members) = self.shape.place(frame.place).kind() else {
            return Err(Fault::Syntax);
        };
        let found = if self.text.is_escaped() {
            self.spelled.clear();
            unescape(raw, &mut self.spelled).ok_or(Fault::NameUnreadable)?;
            members.find(&self.spelled)
        } else {
            members.find(raw)
        };
        let Some(Member { number, place }) = found else {
            let (object, passes) = (frame.place, members.passes_others());
            return self.unknown(object, passes, raw);
        };
        let seen = self.seen.get_mut(frame.seen + number / 64);
        let bit = 1 << (number % 64);
        if seen.as_ref().is_none_or(|seen| **seen & bit != 0) {
            return Err(Fault::Duplicate {
                path: self.shape.place(place).path().to_owned(),
            });
        }
        if let Some(seen) = seen {
            *seen |= bit;
        }
        self.here = Here::Known(place);
        Ok(())
    }

    fn unknown(&mut self, object: PlaceId, passes: bool, raw: &[u8]) -> Result<(), Fault> {
        if !passes {
            self.here = Here::Unknown;
            return self.outlet.unknown(object);
        }
        self.here = Here::Other;
        if self.tape.is_recording() {
            self.tape.other(object, raw);
            return self.grown();
        }
        self.outlet.other(raw);
        Ok(())
    }

    #[inline]
    fn begin_value(&mut self, id: PlaceId) -> Result<(), Fault> {
        if self.tape.is_recording() {
            self.tape.value(id);
            return self.grown();
        }
        self.outlet.value(id)
    }

    #[inline]
    fn scan(&mut self, chunk: &[u8], at: usize) -> Result<usize, Broken> {
        let most = self.limits.depth.min(MOST_DEPTH);
        self.scan
            .begin(most.saturating_sub(u32::try_from(self.frames.len()).unwrap_or(most)));
        self.step = Step::Inside;
        self.inside(chunk, at)
    }

    #[inline]
    fn inside(&mut self, chunk: &[u8], at: usize) -> Result<usize, Broken> {
        let (stopped, ended) = self.scan.read(chunk, at)?;
        if self.here != Here::Unknown {
            let bytes = chunk.get(at..stopped).unwrap_or_default();
            self.bytes(bytes).map_err(|fault| fault.at(at))?;
        }
        if ended {
            self.value_end().map_err(|fault| fault.at(at))?;
        }
        Ok(stopped)
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.tape.is_recording() {
            self.tape.bytes(bytes);
            return self.grown();
        }
        self.outlet.bytes(bytes)
    }

    #[inline]
    fn value_end(&mut self) -> Result<(), Fault> {
        self.after_value();
        if self.here == Here::Unknown {
            return Ok(());
        }
        if self.tape.is_recording() {
            self.tape.value_end(&self.shape);
            return Ok(());
        }
        self.outlet.value_end()
    }

    /// The data of one subject is bounded.
    fn grown(&self) -> Result<(), Fault> {
        match self.tape.open_subject() {
            Some((place, size)) if size > self.limits.element => Err(Fault::ElementTooLarge {
                path: self.shape.place(place).path().to_owned(),
                most: self.limits.element,
            }),
            _ => Ok(()),
        }
    }

    /// Nothing but white space, and of lines the next one.
    fn after_all(&mut self, chunk: &[u8], at: usize) -> Result<usize, Broken> {
        match chunk.get(at) {
            Some(b'\n') if self.line => self.step = Step::Start,
            Some(b' ' | b'\t' | b'\r' | b'\n') => {}
            Some(_) => return Err(Fault::Trailing.at(at)),
            None => return Ok(at),
        }
        Ok(at + 1)
    }
}
