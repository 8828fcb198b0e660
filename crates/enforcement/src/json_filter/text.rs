//! A JSON text read to its closing quote, from wherever the last chunk ended: escapes and UTF-8 are validated, nothing is kept.

use super::fault::{Broken, Fault};

/// How far into a text a chunk ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    state: State,
    escaped: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Plain,
    Escape,
    /// Hexadecimal digits that are still to come.
    Hex(u8),
    /// Bytes of a character that are still to come, and where the next one lies.
    Character {
        left: u8,
        low: u8,
        high: u8,
    },
}

impl Text {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Plain,
            escaped: false,
        }
    }

    /// Whether an escape was seen.
    pub(super) const fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// Reads on from `at`: where it stopped, and whether the closing quote is behind.
    #[inline]
    pub(super) fn read(&mut self, chunk: &[u8], mut at: usize) -> Result<(usize, bool), Broken> {
        loop {
            if let State::Plain = self.state {
                at = plain(chunk, at);
            }
            let Some(&byte) = chunk.get(at) else {
                return Ok((at, false));
            };
            self.state = match self.state {
                State::Plain => match byte {
                    b'"' => return Ok((at + 1, true)),
                    b'\\' => State::Escape,
                    0..=0x1f => return Err(Fault::ControlCharacter.at(at)),
                    lead => character(lead).ok_or_else(|| Fault::NotUtf8.at(at))?,
                },
                State::Escape => {
                    self.escaped = true;
                    escape(byte).ok_or_else(|| Fault::Syntax.at(at))?
                }
                State::Hex(left) if byte.is_ascii_hexdigit() => match left {
                    1 => State::Plain,
                    _ => State::Hex(left - 1),
                },
                State::Hex(_) => return Err(Fault::Syntax.at(at)),
                State::Character { left, low, high } if (low..=high).contains(&byte) => {
                    match left {
                        1 => State::Plain,
                        _ => continued(left - 1, 0x80, 0xbf),
                    }
                }
                State::Character { .. } => return Err(Fault::NotUtf8.at(at)),
            };
            at += 1;
        }
    }
}

const fn escape(byte: u8) -> Option<State> {
    match byte {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(State::Plain),
        b'u' => Some(State::Hex(4)),
        _ => None,
    }
}

/// What follows the first byte of a character of several bytes (RFC 3629, section 4).
const fn character(lead: u8) -> Option<State> {
    Some(match lead {
        0xc2..=0xdf => continued(1, 0x80, 0xbf),
        0xe0 => continued(2, 0xa0, 0xbf),
        0xe1..=0xec | 0xee..=0xef => continued(2, 0x80, 0xbf),
        0xed => continued(2, 0x80, 0x9f),
        0xf0 => continued(3, 0x90, 0xbf),
        0xf1..=0xf3 => continued(3, 0x80, 0xbf),
        0xf4 => continued(3, 0x80, 0x8f),
        _ => return None,
    })
}

const fn continued(left: u8, low: u8, high: u8) -> State {
    State::Character { left, low, high }
}

/// The index of the next byte that is more than itself: a quote, a backslash, a control character or part of a longer character.
#[inline]
fn plain(chunk: &[u8], at: usize) -> usize {
    let mut rest = chunk.get(at..).unwrap_or_default();
    while let Some((eight, after)) = rest.split_first_chunk() {
        let found = special(u64::from_le_bytes(*eight));
        if found != 0 {
            return chunk.len() - rest.len() + (found.trailing_zeros() / 8) as usize;
        }
        rest = after;
    }
    let ahead = rest.iter().position(|byte| is_special(*byte));
    chunk.len() - rest.len() + ahead.unwrap_or(rest.len())
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x80..)
}

/// Eight bytes at once: the lowest bit that is set is the highest one of the first special byte. Bits above it may be wrong, since a
/// borrow goes upwards only.
#[inline]
const fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    (is_quote | is_backslash | is_control | word) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_wherever_it_stands() {
        for byte in 0..=255u8 {
            for place in 0..24 {
                let mut bytes = [b'a'; 24];
                bytes[place] = byte;
                let expected = if is_special(byte) { place } else { 24 };
                assert_eq!(plain(&bytes, 0), expected, "byte {byte} at {place}");
                // What follows must not hide it.
                if let Some(next) = bytes.get_mut(place + 1) {
                    *next = b'"';
                    assert_eq!(
                        plain(&bytes, 0),
                        if is_special(byte) { place } else { place + 1 }
                    );
                }
            }
        }
    }

    #[test]
    fn a_text_is_valid_exactly_when_it_is_utf8() {
        for first in 0x80..=255u8 {
            for second in (0..=255u8).filter(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
                for tail in [&b""[..], b"\x80", b"\x80\x80", b"\xbf\xbf\xbf", b"a"] {
                    let mut bytes = vec![first, second];
                    bytes.extend_from_slice(tail);
                    let valid = std::str::from_utf8(&bytes).is_ok();
                    bytes.push(b'"');
                    let read = Text::new().read(&bytes, 0);
                    assert_eq!(read.is_ok(), valid, "{bytes:x?}");
                }
            }
        }
    }
}
