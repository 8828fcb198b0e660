//! Which section of a GPP string: the number that the IAB gave it.

use std::fmt;

use super::layout::SectionLayout;

/// A section's number. Text form: its name in the client side API (`usca`), or the number where we know no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionId(pub u16);

impl SectionId {
    /// TCF of the European Union, version 2.
    pub const TCF_EU: Self = Self(2);
    /// TCF of Canada.
    pub const TCF_CA: Self = Self(5);
    /// The US Privacy string of 2020, four characters.
    pub const USP: Self = Self(6);
    /// The national section of the United States.
    pub const US_NATIONAL: Self = Self(7);
    /// California.
    pub const US_CALIFORNIA: Self = Self(8);

    /// The name in the client side API, e.g. `usca`; `None` for a section that is only passed on here.
    pub fn name(self) -> Option<&'static str> {
        SectionLayout::of(self).map(|layout| layout.name)
    }

    /// The section with this name in the client side API.
    pub fn named(name: &str) -> Option<Self> {
        SectionLayout::all()
            .find(|layout| layout.name == name)
            .map(|layout| layout.id)
    }

    /// All sections that are read and written here, by number.
    pub fn known() -> impl Iterator<Item = Self> {
        SectionLayout::all().map(|layout| layout.id)
    }

    /// Whether it is one of the sections of the United States, which carry opt-outs.
    pub fn is_us(self) -> bool {
        self.name().is_some_and(|name| name.starts_with("us"))
    }
}

impl fmt::Display for SectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}
