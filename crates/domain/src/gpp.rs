//! IAB Global Privacy Platform (GPP) strings: what a browser or an app says about a subject's choices, read, written, and put in our words.
//!
//! `header~section~section…`: the header names the sections, each section is fields in bits. Our own codec, because the published ones
//! read too little or can be made to eat all memory. Forgiving about what real software does wrong (padding, layouts under the wrong
//! version, sections nobody knows yet, which are passed on), strict about size. Opt-out preference signals: 11 CCR 7025 and the
//! like laws of eleven more states.
//!
//! Source: IAB Global Privacy Platform, Consent String Specification and Sections (CC BY 3.0); test vectors with their sources in
//! `tests/vectors/iab-gpp`.

mod bits;
mod choices;
mod error;
mod ids;
mod json;
mod layout;
mod meaning;
mod section;
mod section_id;
mod segment;
mod signal;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bits::{BitReader, Padding, from_text, push, to_text};
use ids::Coding;
use layout::SectionLayout;

pub use choices::{Choice, Choices, Mspa, Offer};
pub use error::{Fault, GppError};
pub use ids::Ids;
pub use meaning::{ChildProcessing, SensitiveCategory};
pub use section::Section;
pub use section_id::SectionId;
pub use signal::{OptOutSignal, SectionSignal, Stated};
pub use value::{Restriction, Value};

/// The longest string that is read. The longest in use, European consent with restrictions for each of about a thousand vendors, are
/// a few thousand characters, and HTTP servers refuse header fields of more than eight.
pub const MAX_LENGTH: usize = 16_384;

/// How many sections a string may have; the IAB has given out 27 numbers.
pub const MAX_SECTIONS: usize = 100;

/// The header's first two fields: that it is a header, and its version.
const HEADER: [u64; 2] = [3, 1];

/// A GPP string taken apart.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Gpp {
    sections: BTreeMap<SectionId, Content>,
}

#[derive(Clone, PartialEq, Eq)]
enum Content {
    Fields(Section),
    /// Text that is passed on as it came.
    Opaque(String),
}

impl Gpp {
    /// Reads a GPP string. The empty string has no sections.
    ///
    /// # Errors
    /// If anything in it cannot be read, except sections and segments that we do not know at all.
    pub fn parse(text: &str) -> Result<Self, GppError> {
        let (gpp, unreadable) = Self::parse_readable(text)?;
        match unreadable.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(gpp),
        }
    }

    /// Reads what can be read: a section that cannot is passed on like one we do not know, and said in the list. For signals that must
    /// be honoured: garbage in one section is no reason to overlook an opt-out in another.
    ///
    /// # Errors
    /// If the string as a whole or its header cannot be read.
    pub fn parse_readable(text: &str) -> Result<(Self, Vec<GppError>), GppError> {
        check_text(text)?;
        let mut gpp = Self::default();
        let mut unreadable = Vec::new();
        if text.is_empty() {
            return Ok((gpp, unreadable));
        }
        let mut texts = text.split('~');
        let ids = read_header(texts.next().unwrap_or_default())?;
        let (named, found) = (ids.len(), texts.clone().count());
        if named != found || named > MAX_SECTIONS {
            return Err(GppError::SectionCount { named, found });
        }
        for (section, text) in ids.iter().map(SectionId).zip(texts) {
            if text.is_empty() {
                let fault = Fault::Empty;
                return Err(GppError::Section { section, fault });
            }
            let content = read_section(section, text).unwrap_or_else(|error| {
                unreadable.push(error);
                Content::Opaque(text.to_owned())
            });
            gpp.sections.insert(section, content);
        }
        Ok((gpp, unreadable))
    }

    /// The sections whose fields we know, by number.
    pub fn sections(&self) -> impl Iterator<Item = (SectionId, &Section)> {
        self.sections
            .iter()
            .filter_map(|(id, content)| match content {
                Content::Fields(section) => Some((*id, section)),
                Content::Opaque(_) => None,
            })
    }

    /// One section.
    pub fn section(&self, id: SectionId) -> Option<&Section> {
        match self.sections.get(&id)? {
            Content::Fields(section) => Some(section),
            Content::Opaque(_) => None,
        }
    }

    /// The numbers of all sections, also of those that are only passed on.
    pub fn section_ids(&self) -> impl Iterator<Item = SectionId> + '_ {
        self.sections.keys().copied()
    }

    /// Adds a section or replaces the one of the same number.
    pub fn insert(&mut self, section: Section) {
        self.sections.insert(section.id(), Content::Fields(section));
    }

    /// Takes a section away, whether we know its fields or not.
    pub fn remove(&mut self, id: SectionId) {
        self.sections.remove(&id);
    }

    /// Whether there is no section at all.
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    fn header(&self) -> String {
        let numbers = self.sections.keys().filter_map(|id| id.0.try_into().ok());
        let mut bits = Vec::new();
        for number in HEADER {
            push(&mut bits, number, 6);
        }
        numbers
            .collect::<Ids>()
            .write_ranges(&mut bits, Coding::Fibonacci);
        to_text(bits, Padding::Byte)
    }
}

fn check_text(text: &str) -> Result<(), GppError> {
    if text.len() > MAX_LENGTH {
        return Err(GppError::TooLong);
    }
    let known = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.~".contains(&letter);
    match text.bytes().position(|letter| !known(letter)) {
        Some(before) => Err(GppError::Character {
            position: before + 1,
        }),
        None => Ok(()),
    }
}

fn read_header(text: &str) -> Result<Ids, GppError> {
    let refused = |fault| GppError::Header { fault };
    let bits = from_text(text).ok_or(refused(Fault::Letter))?;
    let mut reader = BitReader::new(&bits);
    for expected in HEADER {
        if reader.integer(6).map_err(refused)? != expected {
            return Err(refused(Fault::NoHeader));
        }
    }
    let ids = Ids::read_ranges(&mut reader, Coding::Fibonacci).map_err(refused)?;
    if reader.rest().contains(&true) {
        return Err(refused(Fault::GoesOn));
    }
    Ok(ids)
}

fn read_section(id: SectionId, text: &str) -> Result<Content, GppError> {
    match SectionLayout::of(id) {
        Some(layout) => Section::read(layout, text).map(Content::Fields),
        None => Ok(Content::Opaque(text.to_owned())),
    }
}

impl FromStr for Gpp {
    type Err = GppError;

    fn from_str(text: &str) -> Result<Self, GppError> {
        Self::parse(text)
    }
}

/// The string as the IAB's libraries write it.
impl fmt::Display for Gpp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.header())?;
        for content in self.sections.values() {
            match content {
                Content::Fields(section) => write!(f, "~{section}")?,
                Content::Opaque(text) => write!(f, "~{text}")?,
            }
        }
        Ok(())
    }
}

/// Says which sections there are and nothing of what somebody chose.
impl fmt::Debug for Gpp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.sections.keys()).finish()
    }
}
