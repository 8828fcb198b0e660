//! Where each attribute, purpose, recipient and jurisdiction has its bit. A later layout only adds, so that facts which were written under an
//! earlier one stay readable; what it adds is unknown to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::attribute_set::{AttributeSet, AttributeSlot, MOST_ATTRIBUTES};
use super::configuration::Configuration;
use super::fact::{Conjunction, JURISDICTION_SHIFT, MOST_JURISDICTIONS, OTHER, UNKNOWN};
use crate::audit::Hash;
use crate::data_map::RecipientKey;
use crate::profile::AttributeKey;
use crate::purpose_of_use::PurposeKey;

/// Purposes that fit: one word of each kind of choice in a subject's facts.
const MOST_PURPOSES: usize = 64;
const MOST_RECIPIENTS: usize = 4096;

/// Place of a purpose of use in a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PurposeSlot(pub u8);

/// Place of a recipient in a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecipientSlot(pub u16);

/// Tells layouts apart: the first eight bytes of the SHA-256 over all that is in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LayoutMark(pub u64);

/// Where everything that a table decides about has its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    attributes: Places<AttributeKey>,
    purposes: Places<PurposeKey>,
    recipients: Places<RecipientKey>,
    jurisdictions: Places<String>,
    mark: LayoutMark,
    earlier: Vec<LayoutMark>,
}

/// A layout as it is kept: its keys by place, and the marks of those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptLayout {
    attributes: Vec<AttributeKey>,
    purposes: Vec<PurposeKey>,
    recipients: Vec<RecipientKey>,
    jurisdictions: Vec<String>,
    earlier: Vec<LayoutMark>,
}

impl From<&Layout> for KeptLayout {
    fn from(layout: &Layout) -> Self {
        Self {
            attributes: layout.attributes.keys.clone(),
            purposes: layout.purposes.keys.clone(),
            recipients: layout.recipients.keys.clone(),
            jurisdictions: layout.jurisdictions.keys.clone(),
            earlier: layout.earlier.clone(),
        }
    }
}

impl KeptLayout {
    /// The layout again.
    ///
    /// # Errors
    /// More than fits: it was not one of ours.
    pub fn layout(self) -> Result<Layout, LayoutError> {
        let mut layout = Layout::empty();
        layout.attributes.add(self.attributes);
        layout.purposes.add(self.purposes);
        layout.recipients.add(self.recipients);
        layout.jurisdictions.add(self.jurisdictions);
        layout.earlier = self.earlier;
        layout.check()?;
        layout.mark = layout.worked_out_mark();
        Ok(layout)
    }
}

/// Keys by place and places by key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Places<K> {
    keys: Vec<K>,
    by_key: BTreeMap<K, usize>,
}

/// Something that does not fit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Too many of one thing.
    #[error(
        "policies can tell at most {most} {what} apart, and there are {count}; retire what is not used"
    )]
    TooMany {
        /// Which, in words.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
}

impl Layout {
    /// The first layout for a configuration.
    ///
    /// # Errors
    /// More attributes (512), purposes (64), recipients (4,096) or jurisdictions (102) than fit.
    pub fn of(configuration: &Configuration) -> Result<Self, LayoutError> {
        let mut first = Self::empty().after(configuration)?;
        first.earlier.clear();
        Ok(first)
    }

    /// Of nothing.
    pub(super) const fn empty() -> Self {
        Self {
            attributes: Places::new(),
            purposes: Places::new(),
            recipients: Places::new(),
            jurisdictions: Places::new(),
            mark: LayoutMark(0),
            earlier: Vec::new(),
        }
    }

    /// The layout for a changed configuration: what this one knows keeps its place, also if it is gone.
    ///
    /// # Errors
    /// As for [`Layout::of`], those that are gone counted in.
    pub fn after(&self, configuration: &Configuration) -> Result<Self, LayoutError> {
        let mut next = self.clone();
        let unnamed = [UNKNOWN, OTHER].map(str::to_owned);
        next.jurisdictions.add(unnamed);
        let named = configuration.jurisdictions.iter().cloned();
        next.jurisdictions.add(named);
        let attributes = configuration.attributes.iter();
        next.attributes.add(attributes.map(|one| one.key.clone()));
        let purposes = configuration.purposes.iter();
        next.purposes.add(purposes.map(|one| one.key.clone()));
        let recipients = configuration.recipients.iter();
        next.recipients.add(recipients.map(|one| one.key.clone()));
        next.check()?;
        next.mark = next.worked_out_mark();
        if next.mark != self.mark {
            next.earlier.push(self.mark);
        }
        Ok(next)
    }

    fn check(&self) -> Result<(), LayoutError> {
        let counts = [
            ("attributes", self.attributes.keys.len(), MOST_ATTRIBUTES),
            ("purposes", self.purposes.keys.len(), MOST_PURPOSES),
            ("recipients", self.recipients.keys.len(), MOST_RECIPIENTS),
            (
                "jurisdictions",
                self.jurisdictions.keys.len(),
                MOST_JURISDICTIONS,
            ),
        ];
        let too_many = counts.into_iter().find(|(_, count, most)| count > most);
        too_many.map_or(Ok(()), |(what, count, most)| {
            Err(LayoutError::TooMany { what, count, most })
        })
    }

    fn worked_out_mark(&self) -> LayoutMark {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        let [a, b, c, d, e, f, g, h, ..] = Hash::of(&bytes).0;
        LayoutMark(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The canonical bytes: each list with its length, each key with its length.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        self.attributes.write(to);
        self.purposes.write(to);
        self.recipients.write(to);
        self.jurisdictions.write(to);
    }

    /// What tells it apart from others.
    pub const fn mark(&self) -> LayoutMark {
        self.mark
    }

    /// Whether facts that were written under a layout can be read by this one.
    pub fn understands(&self, mark: LayoutMark) -> bool {
        mark == self.mark || self.earlier.contains(&mark)
    }

    /// The place of an attribute.
    pub fn attribute(&self, key: &str) -> Option<AttributeSlot> {
        let place = self.attributes.by_key.get(key)?;
        u16::try_from(*place).ok().map(AttributeSlot)
    }

    /// The attribute at a place.
    pub fn attribute_key(&self, slot: AttributeSlot) -> Option<&AttributeKey> {
        self.attributes.keys.get(usize::from(slot.0))
    }

    /// Every attribute.
    pub fn attributes(&self) -> AttributeSet {
        AttributeSet::first(self.attributes.keys.len())
    }

    /// The place of a purpose of use.
    pub fn purpose(&self, key: &PurposeKey) -> Option<PurposeSlot> {
        let place = self.purposes.by_key.get(key)?;
        u8::try_from(*place).ok().map(PurposeSlot)
    }

    /// Every purpose of use, by place.
    pub fn purposes(&self) -> &[PurposeKey] {
        &self.purposes.keys
    }

    /// The place of a recipient.
    pub fn recipient(&self, key: &RecipientKey) -> Option<RecipientSlot> {
        let place = self.recipients.by_key.get(key)?;
        u16::try_from(*place).ok().map(RecipientSlot)
    }

    /// Every recipient, by place.
    pub fn recipients(&self) -> &[RecipientKey] {
        &self.recipients.keys
    }

    /// Every jurisdiction, by place, [`UNKNOWN`] and [`OTHER`] first.
    pub fn jurisdictions(&self) -> &[String] {
        &self.jurisdictions.keys
    }

    /// Asks that the jurisdiction is one for which `is_in` says so.
    pub fn jurisdiction_where(&self, is_in: impl Fn(&str) -> bool) -> Conjunction {
        let others = (0u8..).zip(&self.jurisdictions.keys);
        let others = others.filter(|(_, name)| !is_in(name));
        Conjunction {
            must: 0,
            must_not: others.fold(0, |bits, (place, _)| bits | jurisdiction_bit(place)),
        }
    }

    /// The place of a jurisdiction; that of [`OTHER`] for one that law data does not name.
    pub(super) fn jurisdiction(&self, name: &str) -> u8 {
        let place = self.jurisdictions.by_key.get(name);
        place
            .and_then(|place| u8::try_from(*place).ok())
            .unwrap_or(1)
    }

    /// The bits of all jurisdictions.
    pub(super) fn jurisdiction_bits(&self) -> u128 {
        self.jurisdiction_where(|_| false).must_not
    }
}

pub(super) const fn jurisdiction_bit(place: u8) -> u128 {
    1u128 << (JURISDICTION_SHIFT + place as u32)
}

impl<K: Ord + Clone + AsRef<str>> Places<K> {
    const fn new() -> Self {
        Self {
            keys: Vec::new(),
            by_key: BTreeMap::new(),
        }
    }

    fn add(&mut self, keys: impl IntoIterator<Item = K>) {
        for key in keys {
            if !self.by_key.contains_key(&key) {
                self.by_key.insert(key.clone(), self.keys.len());
                self.keys.push(key);
            }
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        write_number(to, self.keys.len());
        for key in &self.keys {
            write_text(to, key.as_ref());
        }
    }
}

/// A number as eight bytes, the highest first.
pub(super) fn write_number(to: &mut Vec<u8>, number: usize) {
    to.extend_from_slice(&(number as u64).to_be_bytes());
}

/// A text after its length.
pub(super) fn write_text(to: &mut Vec<u8>, text: &str) {
    write_number(to, text.len());
    to.extend_from_slice(text.as_bytes());
}
