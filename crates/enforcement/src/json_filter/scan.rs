//! One JSON value read from its first byte to its last, in whatever pieces it comes: it is validated (RFC 8259), and nothing of it is kept.
//!
//! What is withheld and what is kept whole goes through here; only the shape's own objects and lists are walked. Memory: a bit for each
//! open list or object.

use super::fault::{Broken, Fault};
use super::text::Text;

/// One bit each in [`Scan::objects`].
pub(super) const MOST_DEPTH: u32 = 128;

/// How far into a value a chunk ended.
pub(super) struct Scan {
    state: State,
    text: Text,
    /// For each open list or object whether it is an object, the innermost lowest.
    objects: u128,
    depth: u32,
    most: u32,
    /// Whether a new line ends the value, and so can't stand in it.
    line: bool,
}

enum State {
    Value,
    FirstElement,
    FirstMember,
    Member,
    Name,
    Colon,
    Text,
    Number(Number),
    /// What is still to come of `true`, `false` or `null`.
    Word(&'static [u8]),
    After,
}

/// How reading goes on.
enum Way {
    On,
    /// With the next chunk.
    Wait,
    Ended,
}

#[derive(Clone, Copy)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Scan {
    pub(super) const fn new(line: bool) -> Self {
        Self {
            state: State::Value,
            text: Text::new(),
            objects: 0,
            depth: 0,
            most: 0,
            line,
        }
    }

    /// Begins with a value that may hold so many lists and objects inside of each other.
    pub(super) const fn begin(&mut self, most: u32) {
        self.state = State::Value;
        self.objects = 0;
        self.depth = 0;
        self.most = most;
    }

    /// Reads on from `at`: where it stopped, and whether the value is at its end. A number ends with the first byte that isn't its own.
    pub(super) fn read(&mut self, chunk: &[u8], mut at: usize) -> Result<(usize, bool), Broken> {
        loop {
            let way = match self.state {
                State::Text | State::Name => self.read_text(chunk, &mut at)?,
                State::Number(number) => self.read_number(number, chunk, &mut at)?,
                State::Word(left) => self.read_word(left, chunk, &mut at)?,
                _ => self.read_between(chunk, &mut at)?,
            };
            match way {
                Way::On => {}
                Way::Wait => return Ok((at, false)),
                Way::Ended => return Ok((at, true)),
            }
        }
    }

    #[inline]
    fn read_text(&mut self, chunk: &[u8], at: &mut usize) -> Result<Way, Broken> {
        let (stopped, closed) = self.text.read(chunk, *at)?;
        *at = stopped;
        if !closed {
            return Ok(Way::Wait);
        }
        if let State::Name = self.state {
            self.state = State::Colon;
            return Ok(Way::On);
        }
        Ok(self.end_value())
    }

    #[inline]
    fn read_number(&mut self, number: Number, chunk: &[u8], at: &mut usize) -> Result<Way, Broken> {
        let (stopped, number) = digits(number, chunk, *at);
        (*at, self.state) = (stopped, State::Number(number));
        if stopped == chunk.len() {
            return Ok(Way::Wait);
        }
        if !number.is_whole() {
            return Err(Fault::Syntax.at(stopped));
        }
        Ok(self.end_value())
    }

    fn read_word(
        &mut self,
        left: &'static [u8],
        chunk: &[u8],
        at: &mut usize,
    ) -> Result<Way, Broken> {
        let ahead = chunk.get(*at..).unwrap_or_default();
        let here = left.len().min(ahead.len());
        let (now, later) = left.split_at(here);
        if !ahead.starts_with(now) {
            return Err(Fault::Syntax.at(*at));
        }
        *at += here;
        if later.is_empty() {
            return Ok(self.end_value());
        }
        self.state = State::Word(later);
        Ok(Way::Wait)
    }

    /// Marks between names and values, and the first byte of a value.
    #[inline]
    fn read_between(&mut self, chunk: &[u8], at: &mut usize) -> Result<Way, Broken> {
        let Some(byte) = next(chunk, at, self.line)? else {
            return Ok(Way::Wait);
        };
        let closed = self.mark(byte).map_err(|fault| fault.at(*at))?;
        *at += 1;
        Ok(if closed { self.end_value() } else { Way::On })
    }

    /// Whether the body may end here: inside of a number that is whole.
    pub(super) const fn may_end(&self) -> bool {
        self.depth == 0 && matches!(self.state, State::Number(number) if number.is_whole())
    }

    /// A byte between names and values; whether it closes a list or an object.
    #[inline]
    fn mark(&mut self, byte: u8) -> Result<bool, Fault> {
        match (&self.state, byte) {
            (State::After, b',') => {
                self.state = if self.in_object() {
                    State::Member
                } else {
                    State::Value
                };
            }
            (State::After | State::FirstMember, b'}') if self.in_object() => {
                return Ok(self.close());
            }
            (State::After | State::FirstElement, b']') if !self.in_object() => {
                return Ok(self.close());
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::Member | State::FirstMember, b'"') => {
                self.text = Text::new();
                self.state = State::Name;
            }
            (State::Value | State::FirstElement, first) => self.value(first)?,
            _ => return Err(Fault::Syntax),
        }
        Ok(false)
    }

    #[inline]
    fn value(&mut self, first: u8) -> Result<(), Fault> {
        self.state = match first {
            b'"' => {
                self.text = Text::new();
                State::Text
            }
            b'{' => self.open(true, State::FirstMember)?,
            b'[' => self.open(false, State::FirstElement)?,
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Whole),
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            _ => return Err(Fault::Syntax),
        };
        Ok(())
    }

    fn open(&mut self, object: bool, next: State) -> Result<State, Fault> {
        if self.depth >= self.most {
            return Err(Fault::TooDeep { most: self.most });
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        Ok(next)
    }

    const fn close(&mut self) -> bool {
        self.depth -= 1;
        self.objects >>= 1;
        true
    }

    const fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    /// After a value, which may have been the outermost one.
    const fn end_value(&mut self) -> Way {
        self.state = State::After;
        if self.depth == 0 { Way::Ended } else { Way::On }
    }
}

/// The next byte that is no white space, and where it stands.
#[inline]
pub(super) fn next(chunk: &[u8], at: &mut usize, line: bool) -> Result<Option<u8>, Broken> {
    while let Some(&byte) = chunk.get(*at) {
        match byte {
            b' ' | b'\t' | b'\r' => {}
            b'\n' if !line => {}
            b'\n' => return Err(Fault::Syntax.at(*at)),
            _ => return Ok(Some(byte)),
        }
        *at += 1;
    }
    Ok(None)
}

/// Reads a number on: where it stopped, and what it was then. `Number::is_whole` says whether it may stop there.
#[inline]
fn digits(mut number: Number, chunk: &[u8], mut at: usize) -> (usize, Number) {
    while let Some(&byte) = chunk.get(at) {
        number = match (number, byte) {
            (Number::Minus, b'0') => Number::Zero,
            (Number::Minus, b'1'..=b'9') | (Number::Whole, b'0'..=b'9') => Number::Whole,
            (Number::Zero | Number::Whole, b'.') => Number::Point,
            (Number::Point | Number::Fraction, b'0'..=b'9') => Number::Fraction,
            (Number::Zero | Number::Whole | Number::Fraction, b'e' | b'E') => Number::E,
            (Number::E, b'+' | b'-') => Number::Sign,
            (Number::E | Number::Sign | Number::Exponent, b'0'..=b'9') => Number::Exponent,
            _ => break,
        };
        at += 1;
    }
    (at, number)
}

impl Number {
    const fn is_whole(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Whole | Self::Fraction | Self::Exponent
        )
    }
}
