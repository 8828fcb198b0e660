//! Bits of a GPP string: base64url as the IAB uses it (six bits a letter, no padding character) and the numbers written in them.
//!
//! Source: IAB Global Privacy Platform, Consent String Specification (CC BY 3.0).

use super::error::Fault;

/// How many zero bits are added before a segment becomes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// To whole bytes, then to whole letters: what the IAB's libraries write, and readers that expect whole letters accept.
    Byte,
    /// To 24 bits, as ordinary base64 does: the TCF of the EU.
    Quantum,
}

/// The bits of a base64url text, or `None` where another character is in it.
pub(super) fn from_text(text: &str) -> Option<Vec<bool>> {
    let mut bits = Vec::with_capacity(text.len() * 6);
    for letter in text.bytes() {
        push(&mut bits, u64::from(value(letter)?), 6);
    }
    Some(bits)
}

/// The base64url text of bits.
pub(super) fn to_text(mut bits: Vec<bool>, padding: Padding) -> String {
    let steps: &[usize] = match padding {
        Padding::Byte => &[8, 6],
        Padding::Quantum => &[24],
    };
    for step in steps {
        bits.resize(bits.len().next_multiple_of(*step), false);
    }
    bits.chunks(6).map(|six| letter(number(six))).collect()
}

/// Appends the lowest `width` bits of a number, the highest of them first.
pub(super) fn push(bits: &mut Vec<bool>, number: u64, width: u8) {
    bits.extend((0..width).rev().map(|place| number >> place & 1 == 1));
}

/// Appends a number from one upwards in Fibonacci coding: the sum of the Fibonacci numbers whose bits are set, ended by a second one.
pub(super) fn push_fibonacci(bits: &mut Vec<bool>, number: u32) {
    let mut numbers = fibonacci_numbers()
        .take_while(|fibonacci| *fibonacci <= number)
        .collect::<Vec<_>>();
    let mut rest = number;
    let mut places = Vec::with_capacity(numbers.len());
    while let Some(fibonacci) = numbers.pop() {
        places.push(rest >= fibonacci);
        if rest >= fibonacci {
            rest -= fibonacci;
        }
    }
    bits.extend(places.into_iter().rev());
    bits.push(true);
}

/// Reads bits from the first to the last.
pub(super) struct BitReader<'a> {
    rest: &'a [bool],
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bits: &'a [bool]) -> Self {
        Self { rest: bits }
    }

    /// What has not been read yet.
    pub(super) const fn rest(&self) -> &'a [bool] {
        self.rest
    }

    /// The next `count` bits.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [bool], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Fault::Ends)?;
        self.rest = rest;
        Ok(taken)
    }

    /// One bit.
    pub(super) fn flag(&mut self) -> Result<bool, Fault> {
        Ok(self.take(1)?.contains(&true))
    }

    /// A number of `width` bits, the highest first.
    pub(super) fn integer(&mut self, width: u8) -> Result<u64, Fault> {
        Ok(number(self.take(usize::from(width))?))
    }

    /// A number of at most sixteen bits.
    pub(super) fn short(&mut self, width: u8) -> Result<u16, Fault> {
        u16::try_from(self.integer(width)?).map_err(|_| Fault::TooLarge)
    }

    /// A number in Fibonacci coding. Larger ones than 65,535 are refused, so a long run of bits cannot overflow anything.
    pub(super) fn fibonacci(&mut self) -> Result<u16, Fault> {
        let mut sum = 0_u32;
        let mut before = false;
        for fibonacci in fibonacci_numbers() {
            let bit = self.flag()?;
            if bit && before {
                return u16::try_from(sum).map_err(|_| Fault::TooLarge);
            }
            if bit {
                sum = sum.saturating_add(fibonacci);
            }
            before = bit;
        }
        Err(Fault::TooLarge)
    }
}

/// 1, 2, 3, 5, 8 … as far as sixteen bits can need them, and one more for the bit that ends a number.
fn fibonacci_numbers() -> impl Iterator<Item = u32> {
    let step = |(here, next): &(u32, u32)| Some((*next, here + next));
    std::iter::successors(Some((1, 2)), step)
        .map(|(here, _)| here)
        .take(25)
}

fn number(bits: &[bool]) -> u64 {
    bits.iter()
        .fold(0, |number, bit| number << 1 | u64::from(*bit))
}

const fn value(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

fn letter(value: u64) -> char {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = usize::try_from(value).unwrap_or_default();
    ALPHABET.get(place).copied().map_or('A', char::from)
}
