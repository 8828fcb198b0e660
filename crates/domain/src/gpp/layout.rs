//! How a section is laid out: which fields, in which order, how wide. The tables themselves are in `layout/us.rs` and `layout/tcf.rs`.

mod tcf;
mod us;

use super::bits::Padding;
use super::ids::Coding;
use super::meaning::{ChildProcessing, SensitiveCategory};
use super::section_id::SectionId;

/// One row of a table: a field of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name as the client side API says it, e.g. `SaleOptOut`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What is in a field and how wide it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number of so many bits.
    Integer(u8),
    /// Tenths of seconds since 1970 in 36 bits.
    Time,
    /// So many letters of six bits.
    Letters(u8),
    /// One bit.
    Flag,
    /// So many bits.
    Bits(u8),
    /// As many bits as the field `NumCustomPurposes` says.
    CustomBits,
    /// Several numbers of the same width.
    Integers { width: u8, count: u8 },
    /// A set of vendors.
    Ids(Coding),
    /// For purposes, what a publisher restricts for which vendors. May be missing at the end of a segment.
    Restrictions(Coding),
    /// One digit, as a character.
    Digit,
    /// `Y`, `N` or `-`, as a character.
    Mark,
}

/// The fields of one part of a section, and how bits become text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SegmentLayout {
    /// The library's name of it, for comparison with the published layouts.
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
    pub(super) text: Text,
}

/// How a segment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// Bits in base64url.
    Bits(Padding),
    /// One character a field.
    Characters,
}

/// A section of a GPP string.
#[derive(Debug)]
pub(super) struct SectionLayout {
    pub(super) id: SectionId,
    pub(super) name: &'static str,
    /// The versions that are laid out like this, the one to write first.
    pub(super) versions: &'static [u64],
    pub(super) core: Form,
    /// What can follow after a `.`.
    pub(super) more: &'static [Optional],
    /// What each item of `SensitiveDataProcessing` is about.
    pub(super) sensitive: &'static [&'static [SensitiveCategory]],
    /// What each item of `KnownChildSensitiveDataConsents` is about.
    pub(super) child: &'static [ChildProcessing],
}

/// Which layout a segment has, where its text does not say.
#[derive(Debug)]
pub(super) enum Form {
    /// There is one layout.
    One(&'static SegmentLayout),
    /// Up to so many bits it is the short one of version 1, else the long one: libraries write either with either version.
    ByLength {
        short: &'static SegmentLayout,
        up_to: usize,
        long: &'static SegmentLayout,
    },
    /// Whichever fits the bits; the first is written.
    ByFit(&'static [SegmentLayout]),
}

/// A segment that may follow the first one.
#[derive(Debug)]
pub(super) struct Optional {
    /// The number in its first field that tells it from others; `None` where it is known by its place alone.
    pub(super) number: Option<u64>,
    pub(super) form: Form,
}

impl SectionLayout {
    /// All of them, by number of the section.
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        tcf::SECTIONS.iter().chain(us::SECTIONS)
    }

    /// The one of this section.
    pub(super) fn of(id: SectionId) -> Option<&'static Self> {
        Self::all().find(|layout| layout.id == id)
    }
}

impl Form {
    /// The layout in which a new segment is written.
    pub(super) fn newest(&self) -> Option<&'static SegmentLayout> {
        match self {
            Self::One(layout) | Self::ByLength { long: layout, .. } => Some(layout),
            Self::ByFit(layouts) => layouts.first(),
        }
    }
}

const fn integer(name: &'static str, width: u8) -> Field {
    Field {
        name,
        kind: Kind::Integer(width),
    }
}

const fn integers(name: &'static str, width: u8, count: u8) -> Field {
    Field {
        name,
        kind: Kind::Integers { width, count },
    }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}
