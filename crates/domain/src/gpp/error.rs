//! Why a GPP string or a value for one is refused. An error names the section and the field, never the text: it is somebody's choice.

use super::section_id::SectionId;
use super::{MAX_LENGTH, MAX_SECTIONS};

/// Why a GPP string is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GppError {
    /// The string is longer than any real one.
    #[error("this GPP string has more than {MAX_LENGTH} characters; send a shorter one")]
    TooLong,
    /// A character that no GPP string has.
    #[error(
        "character {position} of this GPP string is none of letters, digits, `-`, `_`, `.` and `~`"
    )]
    Character {
        /// Counted from one.
        position: usize,
    },
    /// The part before the first `~`.
    #[error("the header of this GPP string {fault}")]
    Header {
        /// What is wrong with it.
        fault: Fault,
    },
    /// The header names another number of sections than follow.
    #[error(
        "the header of this GPP string names {named} sections, but {found} follow; at most {MAX_SECTIONS} are accepted"
    )]
    SectionCount {
        /// How many it names.
        named: usize,
        /// How many follow.
        found: usize,
    },
    /// A section of a version that we do not know, whose fields may stand elsewhere.
    #[error("section `{section}` is of version {version}, which is not known here")]
    Version {
        /// The section.
        section: SectionId,
        /// The version it says it is.
        version: u64,
    },
    /// A section that cannot be taken apart.
    #[error("section `{section}` {fault}")]
    Section {
        /// The section.
        section: SectionId,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A field that cannot be read.
    #[error("field `{field}` of section `{section}` {fault}")]
    Field {
        /// The section.
        section: SectionId,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A section whose fields we do not know.
    #[error("the fields of section `{section}` are not known here")]
    UnknownSection {
        /// The section.
        section: SectionId,
    },
    /// A section that holds no opt-outs.
    #[error("section `{section}` holds no opt-outs; name a section of the United States")]
    NotWritten {
        /// The section.
        section: SectionId,
    },
    /// A field that the section does not have, or that does not take this value.
    #[error("section `{section}` has no field of that name that takes this value")]
    NoSuchField {
        /// The section.
        section: SectionId,
    },
}

/// What is wrong with a part of a GPP string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bits are missing.
    #[error("ends too early")]
    Ends,
    /// A number is larger than there can be.
    #[error("holds a number that is too large")]
    TooLarge,
    /// A range that starts at zero or ends before it starts.
    #[error("holds a range that is none")]
    Range,
    /// A character of another alphabet.
    #[error("holds a character that it cannot have")]
    Letter,
    /// It is empty.
    #[error("is empty")]
    Empty,
    /// A part is there twice.
    #[error("holds a part twice")]
    Twice,
    /// It is no header of version 1.
    #[error("is not of type 3 and version 1")]
    NoHeader,
    /// It ends with bits that belong to nothing.
    #[error("goes on where it should end")]
    GoesOn,
}
