//! The facts that a policy may ask for: a finite vocabulary, so that every condition is a mask and every reachable input can be counted.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::consent::{Age, Turns, day_of};

/// The jurisdiction of a subject of whom nobody knows where she lives.
pub const UNKNOWN: &str = "unknown";
/// The jurisdiction of a subject who lives where law data names no law.
pub const OTHER: &str = "other";

/// Where ages begin among the bits; below are the yes-or-no facts.
pub(super) const AGE_SHIFT: u32 = 16;
/// Where jurisdictions begin among the bits.
pub(super) const JURISDICTION_SHIFT: u32 = 24;
/// Jurisdictions that fit, the two unnamed ones included.
pub(super) const MOST_JURISDICTIONS: usize = 104;

/// A fact that is so or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// What the subject chose, or may still choose, allows the use: [`crate::consent::Standing::allowed`] of the cell.
    ChoiceAllows,
    /// She, or who may do so for her, consented to it.
    Consented,
    /// She opted out of it, refused it, withdrew her consent or objects to it.
    OptedOut,
    /// She opted out of sale and sharing, by whatever way (Civ. Code 1798.120).
    OptedOutOfSale,
    /// She opted out of targeted advertising, as the other states call it.
    OptedOutOfTargetedAdvertising,
    /// An opt-out preference signal counts for her (11 CCR 7025).
    Signal,
    /// She limited the use of her sensitive data (Civ. Code 1798.121).
    Limited,
    /// A legal hold keeps her data.
    OnLegalHold,
    /// Her data may only be stored while something is looked into (GDPR Art. 18).
    Restricted,
}

impl Fact {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::ChoiceAllows,
        Self::Consented,
        Self::OptedOut,
        Self::OptedOutOfSale,
        Self::OptedOutOfTargetedAdvertising,
        Self::Signal,
        Self::Limited,
        Self::OnLegalHold,
        Self::Restricted,
    ];

    /// Its name in policies and answers.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ChoiceAllows => "choice_allows",
            Self::Consented => "consented",
            Self::OptedOut => "opted_out",
            Self::OptedOutOfSale => "opted_out_of_sale",
            Self::OptedOutOfTargetedAdvertising => "opted_out_of_targeted_advertising",
            Self::Signal => "signal",
            Self::Limited => "limited",
            Self::OnLegalHold => "on_legal_hold",
            Self::Restricted => "restricted",
        }
    }

    /// Reads its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.text() == text)
    }

    /// Whether it is one fact for each purpose, and not one for the subject.
    pub const fn is_of_purpose(self) -> bool {
        matches!(self, Self::ChoiceAllows | Self::Consented | Self::OptedOut)
    }

    pub(super) const fn bit(self) -> u128 {
        1 << self as u32
    }
}

/// What is known of a subject's age, as the laws divide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AgeBand {
    /// Nothing.
    #[serde(rename = "unknown")]
    Unknown,
    /// Below 13.
    #[serde(rename = "under_13")]
    Under13,
    /// 13, 14 or 15.
    #[serde(rename = "13_to_15")]
    From13To15,
    /// 16 or 17.
    #[serde(rename = "16_17")]
    From16To17,
    /// 18 or older.
    #[serde(rename = "adult")]
    Adult,
}

impl AgeBand {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Unknown,
        Self::Under13,
        Self::From13To15,
        Self::From16To17,
        Self::Adult,
    ];
    pub(super) const MASK: u128 = 0b1_1111 << AGE_SHIFT;

    /// Its name in policies and answers.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Under13 => "under_13",
            Self::From13To15 => "13_to_15",
            Self::From16To17 => "16_17",
            Self::Adult => "adult",
        }
    }

    /// Reads its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|band| band.text() == text)
    }

    /// The years that she has at least, as far as is known.
    pub const fn least_years(self) -> i64 {
        match self {
            Self::Unknown | Self::Under13 => 0,
            Self::From13To15 => 13,
            Self::From16To17 => 16,
            Self::Adult => 18,
        }
    }

    pub(super) const fn bit(self) -> u128 {
        1 << (AGE_SHIFT + self as u32)
    }

    /// The band of an age at a moment, and when the next one begins, at midnight where she lives; none for who is of age or of whom
    /// nobody knows it.
    pub fn of(age: Age, on: Timestamp, zone: &TimeZone) -> (Self, Option<Timestamp>) {
        let steps = [
            (Self::Under13, 13),
            (Self::From13To15, 16),
            (Self::From16To17, 18),
        ];
        let today = day_of(on, zone);
        for (band, years) in steps {
            match age.turns(years) {
                Turns::Unknown => return (Self::Unknown, None),
                turns if turns.is_younger_on(today) => return (band, turns.after(on, zone)),
                _ => {}
            }
        }
        (Self::Adult, None)
    }
}

/// Facts that must be so and facts that must not; ages and jurisdictions are one bit each, of which a subject has one. Fulfilled when all
/// hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Conjunction {
    pub(super) must: u128,
    pub(super) must_not: u128,
}

impl Conjunction {
    /// Asks for nothing.
    pub const TRUE: Self = Self {
        must: 0,
        must_not: 0,
    };

    /// Asks that a fact is so, or is not.
    pub const fn fact(fact: Fact, is: bool) -> Self {
        if is {
            Self {
                must: fact.bit(),
                must_not: 0,
            }
        } else {
            Self {
                must: 0,
                must_not: fact.bit(),
            }
        }
    }

    /// Asks that the age is one of these.
    pub fn age(one_of: &[AgeBand]) -> Self {
        let any = one_of.iter().fold(0, |bits, band| bits | band.bit());
        Self {
            must: 0,
            must_not: AgeBand::MASK & !any,
        }
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            must: self.must | other.must,
            must_not: self.must_not | other.must_not,
        }
    }

    /// Whether a fact must be so and must not.
    pub const fn contradicts_itself(&self) -> bool {
        self.must & self.must_not != 0
    }

    /// Whether whoever fulfils `other` fulfils this.
    pub const fn is_implied_by(&self, other: &Self) -> bool {
        self.must & !other.must == 0 && self.must_not & !other.must_not == 0
    }

    /// Whether nobody can fulfil it, given all jurisdictions of the layout.
    pub(super) const fn is_impossible(&self, jurisdictions: u128) -> bool {
        let no_age = self.must_not & AgeBand::MASK == AgeBand::MASK;
        let nowhere = self.must_not & jurisdictions == jurisdictions;
        self.contradicts_itself() || no_age || nowhere
    }

    /// Every bit that it looks at.
    pub(super) const fn bits(&self) -> u128 {
        self.must | self.must_not
    }
}

/// One condition of a conjunction, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "about")]
pub enum Condition {
    /// A fact is so, or is not.
    Fact {
        /// Which one.
        fact: Fact,
        /// Whether it has to be so.
        is: bool,
    },
    /// The age is one of these.
    Age {
        /// The bands.
        one_of: Vec<AgeBand>,
    },
    /// The jurisdiction is one of these.
    Jurisdiction {
        /// Their names.
        one_of: Vec<String>,
    },
    /// The jurisdiction is none of these.
    NotJurisdiction {
        /// Their names.
        none_of: Vec<String>,
    },
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact { fact, is: true } => f.write_str(fact.text()),
            Self::Fact { fact, is: false } => write!(f, "not {}", fact.text()),
            Self::Age { one_of } => {
                let bands: Vec<_> = one_of.iter().map(|band| band.text()).collect();
                write!(f, "age {}", bands.join(" or "))
            }
            Self::Jurisdiction { one_of } => write!(f, "jurisdiction {}", one_of.join(" or ")),
            Self::NotJurisdiction { none_of } => {
                write!(f, "jurisdiction other than {}", none_of.join(", "))
            }
        }
    }
}
