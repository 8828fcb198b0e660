//! Sets of attributes as bits: what rules are about and decisions answer.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Words of a set.
pub(super) const WORDS: usize = 8;

/// Attributes that a layout can hold.
pub(super) const MOST_ATTRIBUTES: usize = WORDS * 64;

/// Place of an attribute in a [`super::Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttributeSlot(pub u16);

/// A set of attributes by their slots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AttributeSet(pub(super) [u64; WORDS]);

impl AttributeSet {
    /// No attribute.
    pub const EMPTY: Self = Self([0; WORDS]);
    /// Every attribute that there can be.
    pub const ALL: Self = Self([u64::MAX; WORDS]);

    /// The first `count` slots.
    pub fn first(count: usize) -> Self {
        (0..count.min(MOST_ATTRIBUTES))
            .filter_map(|slot| u16::try_from(slot).ok().map(AttributeSlot))
            .collect()
    }

    /// Puts an attribute in; one beyond the last possible slot is ignored.
    pub fn insert(&mut self, slot: AttributeSlot) {
        if let Some(word) = self.0.get_mut(usize::from(slot.0 / 64)) {
            *word |= 1 << (slot.0 % 64);
        }
    }

    /// Whether an attribute is in.
    pub fn contains(&self, slot: AttributeSlot) -> bool {
        let word = self.0.get(usize::from(slot.0 / 64));
        word.is_some_and(|word| word >> (slot.0 % 64) & 1 == 1)
    }

    /// Whether nothing is in.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many are in.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one & other)
    }

    /// What is in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one | other)
    }

    /// What is in this and not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one & !other)
    }

    /// The slots, in order.
    pub fn iter(&self) -> impl Iterator<Item = AttributeSlot> + '_ {
        self.0
            .iter()
            .zip(0u16..)
            .flat_map(|(word, index)| bits(*word).map(move |bit| AttributeSlot(index * 64 + bit)))
    }

    fn zip(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let mut joined = *self;
        for (word, other) in joined.0.iter_mut().zip(&other.0) {
            *word = join(*word, *other);
        }
        joined
    }
}

/// As many words of a set as a table has attributes for: one for most businesses, and then a set is a number in a register.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Words<const W: usize>(pub(super) [u64; W]);

impl<const W: usize> Words<W> {
    pub(super) const EMPTY: Self = Self([0; W]);

    #[inline]
    pub(super) fn of(set: &AttributeSet) -> Self {
        set.0
            .first_chunk()
            .map_or(Self::EMPTY, |words| Self(*words))
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    #[inline]
    pub(super) fn and(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one & other)
    }

    #[inline]
    pub(super) fn or(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one | other)
    }

    #[inline]
    pub(super) fn minus(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one & !other)
    }

    /// All of it, or nothing.
    #[inline]
    pub(super) fn only_if(&self, is: bool) -> Self {
        let mask = 0u64.wrapping_sub(u64::from(is));
        self.zip(self, |one, _| one & mask)
    }

    #[inline]
    fn zip(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let mut joined = *self;
        for (word, other) in joined.0.iter_mut().zip(&other.0) {
            *word = join(*word, *other);
        }
        joined
    }

    /// The set, with nothing beyond these words.
    #[inline]
    pub(super) fn set(&self) -> AttributeSet {
        let mut set = AttributeSet::EMPTY;
        for (to, from) in set.0.iter_mut().zip(&self.0) {
            *to = *from;
        }
        set
    }
}

/// The set bits of a word, in order.
pub(super) fn bits(mut word: u64) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        if word == 0 {
            return None;
        }
        let bit = word.trailing_zeros();
        word &= word - 1;
        u16::try_from(bit).ok()
    })
}

impl FromIterator<AttributeSlot> for AttributeSet {
    fn from_iter<I: IntoIterator<Item = AttributeSlot>>(slots: I) -> Self {
        let mut set = Self::EMPTY;
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

impl fmt::Debug for AttributeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(|slot| slot.0))
            .finish()
    }
}
