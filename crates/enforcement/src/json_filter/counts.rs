//! What became of a body, in numbers: for the record of the disclosure and for metrics. Names of unknown members are data, and not here.

use domain::profile::AttributeNumber;

/// Counts of one body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By attribute, in the order of the shape; those that didn't occur with zeros.
    pub attributes: Vec<AttributeCounts>,
    /// Members that the shape doesn't know, withheld.
    pub unknown_members: u64,
    /// Values of another kind than the shape says, withheld.
    pub misshapen: u64,
    /// Objects about a subject that went out through her permit.
    pub subjects: u64,
    /// Objects about a subject that were left out: nothing of her may go out, or nobody can tell who she is.
    pub subjects_left_out: u64,
}

/// Values of one attribute, by what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeCounts {
    /// Its number.
    pub attribute: AttributeNumber,
    /// Passed as they were.
    pub kept: u64,
    /// Replaced by `null`.
    pub nulled: u64,
    /// Masked.
    pub masked: u64,
    /// Said more widely.
    pub generalised: u64,
    /// Replaced by a token.
    pub tokenised: u64,
    /// Left out.
    pub withheld: u64,
}

impl Counts {
    pub(super) fn new(attributes: &[AttributeNumber]) -> Self {
        let zeros = attributes.iter().map(|attribute| AttributeCounts {
            attribute: *attribute,
            kept: 0,
            nulled: 0,
            masked: 0,
            generalised: 0,
            tokenised: 0,
            withheld: 0,
        });
        Self {
            attributes: zeros.collect(),
            ..Self::default()
        }
    }
}
