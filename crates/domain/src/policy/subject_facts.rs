//! What is known of one subject, in a few words: worked out when something is written, read at every decision.
//!
//! Three words hold her choices, a bit for each purpose; what she chose about one recipient or some attributes is an exception beside them.
//! A cell reads its bits by shifting the three words by its purpose, and lets the exceptions that name its recipient, or none, go
//! before. Nothing here is a personal value.

use jiff::Timestamp;

use super::attribute_set::{AttributeSet, AttributeSlot};
use super::fact::{AgeBand, Conjunction, Fact};
use super::layout::{Layout, LayoutMark, PurposeSlot, RecipientSlot, jurisdiction_bit};
use super::table::Cell;
use crate::consent::{Reason, Standing};

/// What is known of a subject. What was never set is unknown, and then nothing is released that depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectFacts {
    layout: LayoutMark,
    version: u64,
    until: Option<Timestamp>,
    jurisdiction: Option<u8>,
    age: Option<AgeBand>,
    is: u16,
    known: u16,
    chosen: u64,
    allows: u64,
    consented: u64,
    opted_out: u64,
    exceptions: Vec<Exception>,
}

/// What a subject chose about one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChoiceFacts {
    /// The use is allowed: [`Fact::ChoiceAllows`].
    pub allows: bool,
    /// By consent: [`Fact::Consented`].
    pub consented: bool,
    /// Somebody said no: [`Fact::OptedOut`].
    pub opted_out: bool,
}

/// What she chose about one recipient, or some attributes, where it differs from what she chose about the purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// For this purpose.
    pub purpose: PurposeSlot,
    /// By this recipient; none for all of them.
    pub recipient: Option<RecipientSlot>,
    /// These attributes; [`AttributeSet::ALL`] for all of them.
    pub attributes: AttributeSet,
    /// What she chose; none when that is unknown.
    pub choice: Option<ChoiceFacts>,
}

/// Why facts cannot be decided on: nothing is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// They changed by themselves since they were worked out: a consent ended or a birthday came.
    Outdated,
    /// They were written under a layout that this table does not know.
    OtherLayout,
}

/// What a cell sees of a subject: the facts that are so, and those that are not. What is in neither is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    pub(super) yes: u128,
    pub(super) no: u128,
}

impl From<&Standing> for ChoiceFacts {
    fn from(standing: &Standing) -> Self {
        let consented = matches!(standing.reason, Reason::Consented | Reason::ConsentedAgain);
        Self {
            allows: standing.allowed,
            consented: standing.allowed && consented,
            opted_out: standing.opposed,
        }
    }
}

impl SubjectFacts {
    /// Facts of whom nothing is known yet. The version counts up with every change of a subject's facts.
    pub const fn unknown(layout: &Layout, version: u64) -> Self {
        Self {
            layout: layout.mark(),
            version,
            until: None,
            jurisdiction: None,
            age: None,
            is: 0,
            known: 0,
            chosen: 0,
            allows: 0,
            consented: 0,
            opted_out: 0,
            exceptions: Vec::new(),
        }
    }

    /// With the jurisdiction that protects her: a name of law data, or [`super::UNKNOWN`]. What the layout doesn't name is [`super::OTHER`].
    #[must_use]
    pub fn living_in(mut self, layout: &Layout, jurisdiction: &str) -> Self {
        self.jurisdiction = Some(layout.jurisdiction(jurisdiction));
        self
    }

    /// With her age.
    #[must_use]
    pub const fn aged(mut self, age: AgeBand) -> Self {
        self.age = Some(age);
        self
    }

    /// With a fact about herself. A fact of a purpose is set by [`SubjectFacts::choosing`], and is left alone here.
    #[must_use]
    pub const fn with(mut self, fact: Fact, is: bool) -> Self {
        if fact.is_of_purpose() {
            return self;
        }
        let bit = 1u16 << fact as u32;
        self.known |= bit;
        self.is = if is { self.is | bit } else { self.is & !bit };
        self
    }

    /// With what she chose about a purpose.
    #[must_use]
    pub const fn choosing(mut self, purpose: PurposeSlot, choice: ChoiceFacts) -> Self {
        let Some(bit) = 1u64.checked_shl(purpose.0 as u32) else {
            return self;
        };
        self.chosen |= bit;
        self.allows = put(self.allows, bit, choice.allows);
        self.consented = put(self.consented, bit, choice.consented);
        self.opted_out = put(self.opted_out, bit, choice.opted_out);
        self
    }

    /// With what she chose about a recipient or some attributes. Of several that name one attribute the last counts, so the wider ones
    /// come first.
    #[must_use]
    pub fn except(mut self, exception: Exception) -> Self {
        self.exceptions.push(exception);
        self
    }

    /// With the moment at which they change by themselves; none where nothing ends.
    #[must_use]
    pub const fn until(mut self, until: Option<Timestamp>) -> Self {
        self.until = until;
        self
    }

    /// With another version.
    #[must_use]
    pub const fn numbered(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// Under which layout they were written.
    pub const fn layout(&self) -> LayoutMark {
        self.layout
    }

    /// The canonical bytes of what is known, without version and moment: the same knowledge has the same bytes.
    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(PACKED);
        bytes.extend_from_slice(&self.layout.0.to_be_bytes());
        bytes.push(self.jurisdiction.unwrap_or(NONE));
        bytes.push(self.age.map_or(NONE, |age| age as u8));
        for half in [self.is, self.known] {
            bytes.extend_from_slice(&half.to_be_bytes());
        }
        for word in [self.chosen, self.allows, self.consented, self.opted_out] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        for exception in &self.exceptions {
            exception.pack(&mut bytes);
        }
        bytes
    }

    /// Reads them again.
    ///
    /// # Errors
    /// [`NotFacts`]: of another version of this program, or damaged. Nothing is released on them.
    pub fn unpack(bytes: &[u8], version: u64, until: Option<Timestamp>) -> Result<Self, NotFacts> {
        let mut rest = bytes;
        if take::<1>(&mut rest)? != [PACKED] {
            return Err(NotFacts);
        }
        let layout = LayoutMark(u64::from_be_bytes(take(&mut rest)?));
        let [jurisdiction] = take(&mut rest)?;
        let [age] = take(&mut rest)?;
        let age = match age {
            NONE => None,
            at => Some(*AgeBand::ALL.get(usize::from(at)).ok_or(NotFacts)?),
        };
        let mut half = || Ok(u16::from_be_bytes(take(&mut rest)?));
        let (is, known) = (half()?, half()?);
        let mut word = || Ok(u64::from_be_bytes(take(&mut rest)?));
        let (chosen, allows) = (word()?, word()?);
        let (consented, opted_out) = (word()?, word()?);
        let mut exceptions = Vec::new();
        while !rest.is_empty() {
            exceptions.push(Exception::unpack(&mut rest)?);
        }
        Ok(Self {
            layout,
            version,
            until,
            jurisdiction: (jurisdiction != NONE).then_some(jurisdiction),
            age,
            is,
            known,
            chosen,
            allows,
            consented,
            opted_out,
            exceptions,
        })
    }

    /// Their version.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// When they change by themselves.
    pub const fn changes_at(&self) -> Option<Timestamp> {
        self.until
    }

    /// Why they cannot be decided on at a moment, where they can't.
    pub fn unusable(&self, layout: &Layout, on: Timestamp) -> Option<Unusable> {
        if self.until.is_some_and(|until| on >= until) {
            return Some(Unusable::Outdated);
        }
        (!layout.understands(self.layout)).then_some(Unusable::OtherLayout)
    }

    /// What a cell sees of her where one attribute is concerned.
    pub fn seen(&self, cell: Cell, attribute: AttributeSlot) -> Seen {
        let mut seen = None;
        let one: AttributeSet = [attribute].into_iter().collect();
        self.each_part(cell, &one, |part_seen, part| {
            if part.contains(attribute) {
                seen = Some(part_seen);
            }
        });
        seen.unwrap_or(Seen { yes: 0, no: 0 })
    }

    /// What a cell sees for every attribute, where no exception sets some apart.
    pub(super) fn seen_as_one(&self, cell: Cell) -> Option<Seen> {
        let is_one = self.exceptions.is_empty();
        is_one.then(|| self.sees(self.choice(cell.purpose)))
    }

    /// Calls `decide` with the attributes that share one choice, and what the cell sees for them: once, unless an exception names some.
    pub(super) fn each_part(
        &self,
        cell: Cell,
        wanted: &AttributeSet,
        mut decide: impl FnMut(Seen, &AttributeSet),
    ) {
        if self.exceptions.is_empty() {
            return decide(self.sees(self.choice(cell.purpose)), wanted);
        }
        let mut rest = *wanted;
        for exception in self.exceptions.iter().rev() {
            let part = rest.and(&exception.attributes);
            if exception.is_about(cell) && !part.is_empty() {
                decide(self.sees(exception.choice), &part);
                rest = rest.minus(&part);
            }
        }
        if !rest.is_empty() {
            decide(self.sees(self.choice(cell.purpose)), &rest);
        }
    }

    const fn choice(&self, purpose: PurposeSlot) -> Option<ChoiceFacts> {
        let at = purpose.0 as u32;
        if at >= u64::BITS || self.chosen >> at & 1 == 0 {
            return None;
        }
        Some(ChoiceFacts {
            allows: self.allows >> at & 1 == 1,
            consented: self.consented >> at & 1 == 1,
            opted_out: self.opted_out >> at & 1 == 1,
        })
    }

    fn sees(&self, choice: Option<ChoiceFacts>) -> Seen {
        let mut yes = u128::from(self.is);
        let mut no = u128::from(self.known & !self.is);
        if let Some(age) = self.age {
            yes |= age.bit();
            no |= AgeBand::MASK & !age.bit();
        }
        if let Some(place) = self.jurisdiction {
            yes |= jurisdiction_bit(place);
            no |= ALL_JURISDICTIONS & !jurisdiction_bit(place);
        }
        if let Some(choice) = choice {
            let bits = choice.bits();
            yes |= bits;
            no |= ChoiceFacts::MASK & !bits;
        }
        Seen { yes, no }
    }
}

const ALL_JURISDICTIONS: u128 = u128::MAX << super::fact::JURISDICTION_SHIFT;

const fn put(word: u64, bit: u64, is: bool) -> u64 {
    if is { word | bit } else { word & !bit }
}

impl ChoiceFacts {
    const MASK: u128 = Fact::ChoiceAllows.bit() | Fact::Consented.bit() | Fact::OptedOut.bit();

    const fn bits(self) -> u128 {
        (if self.allows {
            Fact::ChoiceAllows.bit()
        } else {
            0
        }) | (if self.consented {
            Fact::Consented.bit()
        } else {
            0
        }) | (if self.opted_out {
            Fact::OptedOut.bit()
        } else {
            0
        })
    }
}

/// The version of the packed form.
const PACKED: u8 = 1;
/// Stands for what is unknown.
const NONE: u8 = u8::MAX;

/// Bytes that are no packed facts of this version of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are no packed facts of this version; they are worked out anew")]
pub struct NotFacts;

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], NotFacts> {
    let (first, others) = rest.split_first_chunk::<N>().ok_or(NotFacts)?;
    *rest = others;
    Ok(*first)
}

impl Exception {
    /// Purpose, recipient, choice, which words of the attributes are not empty, and those.
    fn pack(&self, to: &mut Vec<u8>) {
        let recipient = self.recipient.map_or(u16::MAX, |recipient| recipient.0);
        let choice = self.choice.map_or(0, |choice| {
            let flags = [choice.allows, choice.consented, choice.opted_out];
            let bits = flags.iter().zip(1u8..);
            bits.fold(1, |all, (is, bit)| all | u8::from(*is) << bit)
        });
        to.push(self.purpose.0);
        to.extend_from_slice(&recipient.to_be_bytes());
        to.push(choice);
        let words = self.attributes.0.iter().zip(0u8..);
        to.push(words.fold(0, |all, (word, bit)| all | u8::from(*word != 0) << bit));
        for word in self.attributes.0.iter().filter(|word| **word != 0) {
            to.extend_from_slice(&word.to_be_bytes());
        }
    }

    fn unpack(rest: &mut &[u8]) -> Result<Self, NotFacts> {
        let [purpose] = take(rest)?;
        let recipient = u16::from_be_bytes(take(rest)?);
        let [choice] = take(rest)?;
        let [there] = take(rest)?;
        let mut attributes = AttributeSet::EMPTY;
        for (bit, word) in attributes.0.iter_mut().enumerate() {
            if there >> bit & 1 == 1 {
                *word = u64::from_be_bytes(take(rest)?);
            }
        }
        let flag = |bit: u8| choice >> bit & 1 == 1;
        Ok(Self {
            purpose: PurposeSlot(purpose),
            recipient: (recipient != u16::MAX).then_some(RecipientSlot(recipient)),
            attributes,
            choice: flag(0).then_some(ChoiceFacts {
                allows: flag(1),
                consented: flag(2),
                opted_out: flag(3),
            }),
        })
    }

    fn is_about(&self, cell: Cell) -> bool {
        self.purpose == cell.purpose
            && self
                .recipient
                .is_none_or(|recipient| recipient == cell.recipient)
    }
}

impl Seen {
    /// Everything known: these facts are so and all others are not.
    pub fn known(layout: &Layout, facts: &[Fact], age: AgeBand, jurisdiction: &str) -> Self {
        let is = facts.iter().fold(0, |bits, fact| bits | fact.bit());
        let yes = is | age.bit() | jurisdiction_bit(layout.jurisdiction(jurisdiction));
        Self { yes, no: !yes }
    }

    /// One that fulfils a conjunction, and those that fail in one of its conditions alone.
    pub(super) fn around(one: &Conjunction, places: u128) -> Vec<Self> {
        let facts = u128::from(u16::MAX);
        let flips = (0..super::fact::AGE_SHIFT).map(|bit| 1u128 << bit);
        let flips = flips.filter(|bit| one.bits() & facts & bit != 0);
        let mut found = vec![Self::of_bits(one.must & facts, one.must_not, places)];
        found
            .extend(flips.map(|bit| Self::of_bits((one.must & facts) ^ bit, one.must_not, places)));
        for group in [AgeBand::MASK, places] {
            if one.must_not & group != 0 {
                let other = (one.must_not & !group) | (group & !one.must_not);
                found.push(Self::of_bits(one.must & facts, other, places));
            }
        }
        found
    }

    /// Nothing is so, and neither age nor place was found out to be anything.
    pub(super) fn around_nothing(places: u128) -> Self {
        Self::of_bits(0, 0, places)
    }

    /// These facts, the first age and the first place that are not ruled out.
    fn of_bits(facts: u128, ruled_out: u128, places: u128) -> Self {
        let first = |group: u128| {
            let open = group & !ruled_out;
            let open = if open == 0 { group } else { open };
            open & open.wrapping_neg()
        };
        let yes = facts | first(AgeBand::MASK) | first(places);
        Self { yes, no: !yes }
    }

    /// Whether a fact is so; none when that is unknown.
    pub const fn is(&self, fact: Fact) -> Option<bool> {
        let (yes, no) = (self.yes & fact.bit() != 0, self.no & fact.bit() != 0);
        if yes == no { None } else { Some(yes) }
    }

    /// Her age; none where not even [`AgeBand::Unknown`] was found out.
    pub fn age(&self) -> Option<AgeBand> {
        let mut bands = AgeBand::ALL.into_iter();
        bands.find(|band| self.yes & band.bit() != 0)
    }

    /// Her jurisdiction; none where not even [`super::UNKNOWN`] was found out.
    pub fn jurisdiction<'l>(&self, layout: &'l Layout) -> Option<&'l str> {
        let mut places = (0u8..).zip(layout.jurisdictions());
        let found = places.find(|(place, _)| self.yes & jurisdiction_bit(*place) != 0);
        found.map(|(_, name)| name.as_str())
    }

    /// Whether all conditions surely hold: what a permit asks for.
    #[inline]
    pub(super) const fn surely(self, all: &Conjunction) -> bool {
        all.must & !self.yes == 0 && all.must_not & !self.no == 0
    }

    /// Whether all conditions may hold: what a forbid asks for.
    #[inline]
    pub(super) const fn possibly(self, all: &Conjunction) -> bool {
        all.must & self.no == 0 && all.must_not & self.yes == 0
    }

    /// The conditions that do not surely hold.
    pub(super) const fn missing(self, all: &Conjunction) -> Conjunction {
        Conjunction {
            must: all.must & !self.yes,
            must_not: all.must_not & !self.no,
        }
    }
}
