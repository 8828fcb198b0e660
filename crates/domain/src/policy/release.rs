//! In which form the value of an attribute goes out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// In which form a value goes out. Two orders: the derived one ranks forms by how useful they are, and picks among several that are allowed;
/// [`Release::is_within`] says what is surely part of what, and is what a limit is measured by. A token, a masked and a generalised value each
/// tell something that the others don't, so that none of the three is within another: to limit a token to a generalised value would
/// give away what the permit did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// Nothing: the attribute is not in the answer.
    Withhold,
    /// The attribute is in the answer, without a value.
    Null,
    /// A token that stands for the value, the same for the same recipient: it links, and says nothing.
    Token,
    /// A piece of the value, e.g. the last four digits of a card.
    Mask,
    /// Something coarser: an age band for a birth date, a city for an address.
    Generalise,
    /// The value.
    Keep,
}

impl Release {
    /// All of them, from that which gives least.
    pub const ALL: [Self; 6] = [
        Self::Withhold,
        Self::Null,
        Self::Token,
        Self::Mask,
        Self::Generalise,
        Self::Keep,
    ];

    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Withhold => "withhold",
            Self::Null => "null",
            Self::Token => "token",
            Self::Mask => "mask",
            Self::Generalise => "generalise",
            Self::Keep => "keep",
        }
    }

    /// Reads the stable text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|release| release.text() == text)
    }

    /// Whether whoever gets `most` learns all that this form tells.
    pub const fn is_within(self, most: Self) -> bool {
        match (self, most) {
            (Self::Withhold, _) | (_, Self::Keep) => true,
            (Self::Null, most) => !matches!(most, Self::Withhold),
            (own, most) => own as u8 == most as u8,
        }
    }

    /// The answer where these permits and forbids hold: of the forms within a permit's, those that are within what every forbid leaves; of
    /// them the one that ranks highest. This is the meaning; a table works out the same on whole sets.
    pub fn decide(permits: &[Self], forbids: &[Self]) -> Self {
        let is_left = |form: &Self| {
            permits.iter().any(|most| form.is_within(*most))
                && forbids.iter().all(|left| form.is_within(*left))
        };
        let left = Self::ALL.into_iter().filter(is_left);
        left.max().unwrap_or(Self::Withhold)
    }

    /// The bits of the forms, other than [`Release::Withhold`], that are within this one.
    pub(super) const fn levels_within(self) -> u8 {
        match self {
            Self::Withhold => 0,
            Self::Null => 0b1,
            Self::Token => 0b11,
            Self::Mask => 0b101,
            Self::Generalise => 0b1001,
            Self::Keep => 0b11111,
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_limit_leaves_is_never_more_than_permit_and_limit_give() {
        for permit in Release::ALL {
            for left in Release::ALL {
                let answer = Release::decide(&[permit], &[left]);
                assert!(answer.is_within(permit) && answer.is_within(left));
            }
        }
        assert_eq!(
            Release::decide(&[Release::Token], &[Release::Generalise]),
            Release::Null
        );
        assert_eq!(
            Release::decide(&[Release::Keep], &[Release::Mask]),
            Release::Mask
        );
    }

    #[test]
    fn of_several_permits_the_one_that_gives_most_counts_and_two_partial_ones_make_no_whole() {
        assert_eq!(
            Release::decide(&[Release::Token, Release::Mask], &[]),
            Release::Mask
        );
        assert_eq!(
            Release::decide(&[Release::Token, Release::Mask], &[Release::Token]),
            Release::Token
        );
        assert_eq!(Release::decide(&[], &[]), Release::Withhold);
    }

    #[test]
    fn the_bits_say_what_is_within_what() {
        for most in Release::ALL {
            for (level, form) in Release::ALL.into_iter().skip(1).enumerate() {
                let bit = most.levels_within() >> level & 1 == 1;
                assert_eq!(bit, form.is_within(most), "{form} within {most}");
            }
        }
    }

    #[test]
    fn each_text_reads_back() {
        for release in Release::ALL {
            assert_eq!(Release::parse(release.text()), Some(release));
        }
    }
}
