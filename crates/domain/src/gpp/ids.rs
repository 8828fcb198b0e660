//! Sets of numbers in a GPP string (vendors, sections), kept as ranges: a range of 65,000 vendors costs no more than one vendor.
//!
//! Source: IAB Consent String Specification (CC BY 3.0) and Transparency and Consent String with Global Vendor List Format v2.

use std::fmt;
use std::num::NonZeroU16;

use super::bits::{BitReader, push, push_fibonacci};
use super::error::Fault;

/// As many ranges as twelve bits can announce.
const MOST_RANGES: usize = 0xfff;

/// How the ranges of a set are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Two numbers of sixteen bits.
    Fixed,
    /// Distances from the last number, in Fibonacci coding.
    Fibonacci,
}

/// A set of numbers from 1 to 65,535.
// INVARIANT: first <= last in each range; the ranges ascend and neither touch nor overlap.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ids(Vec<(u16, u16)>);

impl Ids {
    /// Whether the number is in the set.
    pub fn contains(&self, id: u16) -> bool {
        let range = self.0.partition_point(|(_, last)| *last < id);
        self.0.get(range).is_some_and(|(first, _)| *first <= id)
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        let lengths = self
            .0
            .iter()
            .map(|(first, last)| usize::from(last - first) + 1);
        lengths.sum()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the set has few enough ranges to be written as ranges.
    pub(super) const fn fits_ranges(&self) -> bool {
        self.0.len() <= MOST_RANGES
    }

    fn largest(&self) -> u16 {
        self.0.last().map_or(0, |(_, last)| *last)
    }

    /// A set from ranges in any order.
    fn of(mut ranges: Vec<(u16, u16)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// Reads a list of ranges.
    pub(super) fn read_ranges(bits: &mut BitReader<'_>, coding: Coding) -> Result<Self, Fault> {
        let mut ranges = Vec::new();
        let mut before = 0;
        for _ in 0..bits.integer(12)? {
            let (first, last) = match coding {
                Coding::Fixed => fixed_range(bits)?,
                Coding::Fibonacci => fibonacci_range(bits, before)?,
            };
            if first == 0 || last < first {
                return Err(Fault::Range);
            }
            before = last;
            ranges.push((first, last));
        }
        Ok(Self::of(ranges))
    }

    /// Reads a largest number and then either one bit for each number up to it, or ranges.
    pub(super) fn read_shorter(bits: &mut BitReader<'_>, coding: Coding) -> Result<Self, Fault> {
        let largest = bits.short(16)?;
        if bits.flag()? {
            let ids = Self::read_ranges(bits, coding)?;
            return if ids.largest() <= largest {
                Ok(ids)
            } else {
                Err(Fault::TooLarge)
            };
        }
        let set = bits.take(usize::from(largest))?;
        let numbered = (1..=largest).zip(set);
        Ok(Self::of(
            numbered
                .filter(|(_, bit)| **bit)
                .map(|(id, _)| (id, id))
                .collect(),
        ))
    }

    /// Writes a list of ranges, see [`Ids::fits_ranges`].
    pub(super) fn write_ranges(&self, bits: &mut Vec<bool>, coding: Coding) {
        push(bits, u64::try_from(self.0.len()).unwrap_or_default(), 12);
        let mut before = 0;
        for (first, last) in &self.0 {
            bits.push(first != last);
            match coding {
                Coding::Fixed => push(bits, u64::from(*first), 16),
                Coding::Fibonacci => push_fibonacci(bits, u32::from(first - before)),
            }
            match coding {
                _ if first == last => (),
                Coding::Fixed => push(bits, u64::from(*last), 16),
                Coding::Fibonacci => push_fibonacci(bits, u32::from(last - first)),
            }
            before = *last;
        }
    }

    /// Writes the set as ranges or as one bit a number, whichever is shorter; ranges when both are equal.
    pub(super) fn write_shorter(&self, bits: &mut Vec<bool>, coding: Coding) {
        let mut ranges = Vec::new();
        self.write_ranges(&mut ranges, coding);
        push(bits, u64::from(self.largest()), 16);
        let as_ranges = ranges.len() <= usize::from(self.largest()) && self.fits_ranges();
        bits.push(as_ranges);
        if as_ranges {
            bits.append(&mut ranges);
        } else {
            let mut before = 0;
            for (first, last) in &self.0 {
                bits.extend((before + 1..*first).map(|_| false));
                bits.extend((*first..=*last).map(|_| true));
                before = *last;
            }
        }
    }
}

fn fixed_range(bits: &mut BitReader<'_>) -> Result<(u16, u16), Fault> {
    let several = bits.flag()?;
    let first = bits.short(16)?;
    let last = if several { bits.short(16)? } else { first };
    Ok((first, last))
}

fn fibonacci_range(bits: &mut BitReader<'_>, before: u16) -> Result<(u16, u16), Fault> {
    let several = bits.flag()?;
    let first = before
        .checked_add(bits.fibonacci()?)
        .ok_or(Fault::TooLarge)?;
    let more = if several { bits.fibonacci()? } else { 0 };
    Ok((first, first.checked_add(more).ok_or(Fault::TooLarge)?))
}

impl FromIterator<NonZeroU16> for Ids {
    fn from_iter<T: IntoIterator<Item = NonZeroU16>>(ids: T) -> Self {
        Self::of(ids.into_iter().map(|id| (id.get(), id.get())).collect())
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ids", self.len())
    }
}
