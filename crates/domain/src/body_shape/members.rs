//! The members of an object that are known, found by name while a body streams by.
//!
//! A table that never changes, with a hash that reads at most sixteen bytes: names are a route's, so nobody outside can choose them to
//! collide, and a name in a body costs no more than the longest chain among them.

use super::PlaceId;

/// The members that an object's shape knows.
#[derive(Debug, Default)]
pub struct Members {
    entries: Vec<(Box<[u8]>, PlaceId)>,
    /// Index of an entry plus one, or 0; twice as many as entries at least, so that a search ends.
    slots: Vec<u16>,
    passes_others: bool,
}

/// A member that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number among the members of its object, from 0.
    pub number: usize,
    /// Where its value stands.
    pub place: PlaceId,
}

impl Members {
    pub(super) fn new(entries: Vec<(Box<[u8]>, PlaceId)>, passes_others: bool) -> Self {
        let mut slots = vec![0; (entries.len() * 2).next_power_of_two()];
        let mask = slots.len() - 1;
        for (number, (name, _)) in (1..).zip(&entries) {
            let mut at = hash(name) & mask;
            while slots.get(at).is_some_and(|taken| *taken != 0) {
                at = (at + 1) & mask;
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = number;
            }
        }
        Self {
            entries,
            slots,
            passes_others,
        }
    }

    /// The member of this name, byte for byte, its escapes resolved.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Member> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash(name) & mask;
        loop {
            let number = usize::from(*self.slots.get(at)?).checked_sub(1)?;
            let (known, place) = self.entries.get(number)?;
            if **known == *name {
                return Some(Member {
                    number,
                    place: *place,
                });
            }
            at = (at + 1) & mask;
        }
    }

    /// Whether members that have no place of their own pass as they are.
    #[inline]
    pub const fn passes_others(&self) -> bool {
        self.passes_others
    }

    /// How many there are.
    #[inline]
    pub const fn count(&self) -> usize {
        self.entries.len()
    }

    /// Their places.
    pub fn places(&self) -> impl Iterator<Item = PlaceId> {
        self.entries.iter().map(|(_, place)| *place)
    }
}

/// Both ends of the name and its length: names of one object that agree in all three are rare, and found by their bytes all the same.
#[inline]
fn hash(name: &[u8]) -> usize {
    let (head, tail) = match (name.first_chunk(), name.last_chunk()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => short_ends(name),
    };
    let mixed =
        (head ^ tail.rotate_left(29) ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as usize
}

/// Of a name of less than eight bytes.
#[inline]
fn short_ends(name: &[u8]) -> (u64, u64) {
    match (name.first_chunk(), name.last_chunk()) {
        (Some(head), Some(tail)) => (
            u32::from_le_bytes(*head).into(),
            u32::from_le_bytes(*tail).into(),
        ),
        _ => match name {
            [first, .., last] => (
                u64::from(*first) | u64::from(name.get(1).copied().unwrap_or(0)) << 8,
                (*last).into(),
            ),
            [only] => ((*only).into(), 0),
            [] => (0, 0),
        },
    }
}
