//! Values of fields: read from bits, written to bits, and checked before they are put into a section.

use jiff::Timestamp;

use super::bits::{BitReader, push};
use super::error::Fault;
use super::ids::{Coding, Ids};
use super::layout::Kind;

/// The largest time that 36 bits hold, in tenths of seconds.
const LAST_TIME: i64 = (1 << 36) - 1;

/// What stands in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Integer(u64),
    /// Yes or no.
    Flag(bool),
    /// A moment, exact to a tenth of a second.
    Time(Timestamp),
    /// Letters, such as a language or a country; `Y`, `N` or `-` in the US Privacy string.
    Letters(String),
    /// Yes or no for each purpose, from the first on.
    Flags(Vec<bool>),
    /// A number for each item.
    Integers(Vec<u8>),
    /// Vendors.
    Ids(Ids),
    /// What a publisher restricts.
    Restrictions(Vec<Restriction>),
}

/// What a publisher restricts for some vendors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// The purpose, 0 to 63.
    pub purpose: u8,
    /// 0 not allowed, 1 consent required, 2 legitimate interest required.
    pub kind: u8,
    /// For whom.
    pub vendors: Ids,
}

impl Value {
    /// Reads a field. `custom` is how many custom purposes there are.
    pub(super) fn read(kind: Kind, bits: &mut BitReader<'_>, custom: usize) -> Result<Self, Fault> {
        Ok(match kind {
            Kind::Integer(width) => Self::Integer(bits.integer(width)?),
            Kind::Time => Self::Time(time(bits.integer(36)?)?),
            Kind::Letters(count) => Self::Letters(read_letters(bits, count)?),
            Kind::Flag => Self::Flag(bits.flag()?),
            Kind::Bits(count) => Self::Flags(bits.take(usize::from(count))?.to_vec()),
            Kind::CustomBits => Self::Flags(bits.take(custom)?.to_vec()),
            Kind::Integers { width, count } => {
                let numbers = (0..count).map(|_| small(bits, width));
                Self::Integers(numbers.collect::<Result<_, _>>()?)
            }
            Kind::Ids(coding) => Self::Ids(Ids::read_shorter(bits, coding)?),
            Kind::Restrictions(coding) => Self::Restrictions(read_restrictions(bits, coding)?),
            Kind::Digit | Kind::Mark => return Err(Fault::Letter),
        })
    }

    /// Writes a field. What does not belong into it is not written, see [`Value::fits`].
    pub(super) fn write(&self, kind: Kind, bits: &mut Vec<bool>) {
        match (kind, self) {
            (Kind::Integer(width), Self::Integer(number)) => push(bits, *number, width),
            (Kind::Time, Self::Time(time)) => push(bits, tenths(*time).unwrap_or_default(), 36),
            (Kind::Letters(count), Self::Letters(letters)) => write_letters(bits, letters, count),
            (Kind::Flag, Self::Flag(flag)) => bits.push(*flag),
            (Kind::Bits(_) | Kind::CustomBits, Self::Flags(flags)) => bits.extend(flags),
            (Kind::Integers { width, .. }, Self::Integers(numbers)) => {
                for number in numbers {
                    push(bits, u64::from(*number), width);
                }
            }
            (Kind::Ids(coding), Self::Ids(ids)) => ids.write_shorter(bits, coding),
            (Kind::Restrictions(coding), Self::Restrictions(all)) => {
                write_restrictions(bits, all, coding);
            }
            _ => (),
        }
    }

    /// Whether the value can stand in such a field.
    pub(super) fn fits(&self, kind: Kind, custom: usize) -> bool {
        match (kind, self) {
            (Kind::Integer(width), Self::Integer(number)) => number >> width == 0,
            (Kind::Time, Self::Time(time)) => tenths(*time).is_some(),
            (Kind::Letters(count), Self::Letters(letters)) => {
                letters.len() <= usize::from(count)
                    && letters.bytes().all(|letter| letter.is_ascii_alphabetic())
            }
            (Kind::Flag, Self::Flag(_)) => true,
            (Kind::Bits(count), Self::Flags(flags)) => flags.len() == usize::from(count),
            (Kind::CustomBits, Self::Flags(flags)) => flags.len() == custom,
            (Kind::Integers { width, count }, Self::Integers(numbers)) => {
                numbers.len() == usize::from(count)
                    && numbers
                        .iter()
                        .all(|number| u64::from(*number) >> width == 0)
            }
            (Kind::Ids(_), Self::Ids(_)) => true,
            (Kind::Restrictions(_), Self::Restrictions(all)) => {
                all.len() <= 0xfff && all.iter().all(Restriction::is_writable)
            }
            (Kind::Digit, Self::Integer(number)) => (1..=9).contains(number),
            (Kind::Mark, Self::Letters(mark)) => matches!(mark.as_str(), "Y" | "N" | "-"),
            _ => false,
        }
    }

    /// What stands in a field that nobody has said anything about.
    pub(super) fn blank(kind: Kind) -> Self {
        match kind {
            Kind::Integer(_) | Kind::Digit => Self::Integer(0),
            Kind::Time => Self::Time(Timestamp::UNIX_EPOCH),
            Kind::Letters(count) => Self::Letters("A".repeat(usize::from(count))),
            Kind::Flag => Self::Flag(false),
            Kind::Bits(count) => Self::Flags(vec![false; usize::from(count)]),
            Kind::CustomBits => Self::Flags(Vec::new()),
            Kind::Integers { count, .. } => Self::Integers(vec![0; usize::from(count)]),
            Kind::Ids(_) => Self::Ids(Ids::default()),
            Kind::Restrictions(_) => Self::Restrictions(Vec::new()),
            Kind::Mark => Self::Letters("-".to_owned()),
        }
    }
}

impl Restriction {
    fn is_writable(&self) -> bool {
        self.purpose < 64 && self.kind < 4 && self.vendors.fits_ranges()
    }
}

fn time(tenths: u64) -> Result<Timestamp, Fault> {
    let milliseconds = i64::try_from(tenths)
        .ok()
        .and_then(|tenths| tenths.checked_mul(100));
    let time = milliseconds.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
    time.ok_or(Fault::TooLarge)
}

fn tenths(time: Timestamp) -> Option<u64> {
    let tenths = time.as_millisecond().div_euclid(100);
    (tenths <= LAST_TIME)
        .then(|| u64::try_from(tenths).ok())
        .flatten()
}

fn small(bits: &mut BitReader<'_>, width: u8) -> Result<u8, Fault> {
    u8::try_from(bits.integer(width)?).map_err(|_| Fault::TooLarge)
}

/// Letters count from `A`; 63 is a blank, which only fills up.
fn read_letters(bits: &mut BitReader<'_>, count: u8) -> Result<String, Fault> {
    let mut letters = String::new();
    for _ in 0..count {
        match small(bits, 6)? {
            63 => (),
            place if (place + b'A').is_ascii_alphabetic() => {
                letters.push(char::from(place + b'A'));
            }
            _ => return Err(Fault::Letter),
        }
    }
    Ok(letters)
}

fn write_letters(bits: &mut Vec<bool>, letters: &str, count: u8) {
    let filled = letters.bytes().map(|letter| letter.saturating_sub(b'A'));
    for place in filled.chain(std::iter::repeat(63)).take(usize::from(count)) {
        push(bits, u64::from(place), 6);
    }
}

fn read_restrictions(bits: &mut BitReader<'_>, coding: Coding) -> Result<Vec<Restriction>, Fault> {
    let count = bits.integer(12)?;
    let one = |_| {
        Ok(Restriction {
            purpose: small(bits, 6)?,
            kind: small(bits, 2)?,
            vendors: match coding {
                Coding::Fixed => Ids::read_ranges(bits, coding)?,
                Coding::Fibonacci => Ids::read_shorter(bits, coding)?,
            },
        })
    };
    (0..count).map(one).collect()
}

fn write_restrictions(bits: &mut Vec<bool>, all: &[Restriction], coding: Coding) {
    push(bits, u64::try_from(all.len()).unwrap_or_default(), 12);
    for restriction in all {
        push(bits, u64::from(restriction.purpose), 6);
        push(bits, u64::from(restriction.kind), 2);
        match coding {
            Coding::Fixed => restriction.vendors.write_ranges(bits, coding),
            Coding::Fibonacci => restriction.vendors.write_shorter(bits, coding),
        }
    }
}
