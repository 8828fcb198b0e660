//! A section of a GPP string whose fields we know.

use std::fmt;

use jiff::Timestamp;

use super::bits::BitReader;
use super::check_text;
use super::error::{Fault, GppError};
use super::ids::Ids;
use super::layout::{Kind, Optional, SectionLayout, Text};
use super::section_id::SectionId;
use super::segment::{Segment, bits_of};
use super::value::Value;

/// A section with its fields. Text form: segments with `.` between them.
#[derive(Clone)]
pub struct Section {
    layout: &'static SectionLayout,
    core: Segment,
    more: Vec<More>,
}

/// A segment after the first one. They stay in the order in which they came.
#[derive(Clone, PartialEq, Eq)]
enum More {
    Known(Segment),
    /// Of a type that we do not know; passed on as it is.
    Opaque(String),
}

impl Section {
    /// A section of the newest version in which nothing is said yet; one that names a covered transaction says no.
    ///
    /// # Errors
    /// If we do not know the section's fields.
    pub fn blank(id: SectionId) -> Result<Self, GppError> {
        let unknown = GppError::UnknownSection { section: id };
        let layout = SectionLayout::of(id).ok_or(unknown.clone())?;
        let core = Segment::blank(layout.core.newest().ok_or(unknown)?);
        let version = layout.versions.first().copied().unwrap_or_default();
        let mut section = Self {
            layout,
            core: core.with_number(version),
            more: Vec::new(),
        };
        // Zero is no value of this field, and to claim a contract by saying nothing would be wrong.
        section
            .core
            .set("MspaCoveredTransaction", Value::Integer(2));
        Ok(section)
    }

    /// Reads the text of one section alone, as apps keep it (`IABGPP_8_String`).
    ///
    /// # Errors
    /// If it cannot be read or we do not know the section's fields.
    pub fn parse(id: SectionId, text: &str) -> Result<Self, GppError> {
        let layout = SectionLayout::of(id).ok_or(GppError::UnknownSection { section: id })?;
        check_text(text)?;
        Self::read(layout, text)
    }

    /// Reads a section's text.
    pub(super) fn read(layout: &'static SectionLayout, text: &str) -> Result<Self, GppError> {
        let section = layout.id;
        let mut texts = text.split('.');
        let core = texts.next().unwrap_or_default();
        check_version(layout, core)?;
        let core = Segment::read(section, &layout.core, core)?;
        let mut read = Self {
            layout,
            core,
            more: Vec::new(),
        };
        for text in texts {
            let more = read.read_more(text)?;
            read.more.push(more);
        }
        Ok(read)
    }

    fn read_more(&self, text: &str) -> Result<More, GppError> {
        let section = self.id();
        if self.core.layout.text == Text::Characters {
            return Err(GppError::Section {
                section,
                fault: Fault::GoesOn,
            });
        }
        let bits = bits_of(section, text)?;
        let Some(optional) = self.layout.more.iter().find(|optional| optional.is(&bits)) else {
            return Ok(More::Opaque(text.to_owned()));
        };
        let segment = Segment::read(section, &optional.form, text)?;
        if self
            .segments()
            .any(|other| other.layout.name == segment.layout.name)
        {
            return Err(GppError::Section {
                section,
                fault: Fault::Twice,
            });
        }
        Ok(More::Known(segment))
    }

    /// Which section it is.
    pub const fn id(&self) -> SectionId {
        self.layout.id
    }

    /// The version of the section's specification.
    pub fn version(&self) -> u64 {
        self.core.number()
    }

    /// All fields in the order in which they stand, each with its name in the client side API.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.segments().flat_map(Segment::fields)
    }

    /// The value of a field, e.g. of `SaleOptOut`; `None` where the section or this string has no such field.
    pub fn value(&self, field: &str) -> Option<&Value> {
        self.segments().find_map(|segment| segment.value(field))
    }

    /// A field that is a number.
    pub fn integer(&self, field: &str) -> Option<u64> {
        match self.value(field)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// A field that is a number for each item. One number alone counts as a list of one: states differ in how many they ask for.
    pub fn integers(&self, field: &str) -> Vec<u8> {
        match self.value(field) {
            Some(Value::Integers(numbers)) => numbers.clone(),
            Some(Value::Integer(number)) => u8::try_from(*number).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// A field that is yes or no.
    pub fn flag(&self, field: &str) -> Option<bool> {
        match self.value(field)? {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A field that is yes or no for each purpose, from the first on.
    pub fn flags(&self, field: &str) -> Option<&[bool]> {
        match self.value(field)? {
            Value::Flags(flags) => Some(flags),
            _ => None,
        }
    }

    /// A field that is letters.
    pub fn letters(&self, field: &str) -> Option<&str> {
        match self.value(field)? {
            Value::Letters(letters) => Some(letters),
            _ => None,
        }
    }

    /// A field that is a moment.
    pub fn time(&self, field: &str) -> Option<Timestamp> {
        match self.value(field)? {
            Value::Time(time) => Some(*time),
            _ => None,
        }
    }

    /// A field that is a set of vendors.
    pub fn ids(&self, field: &str) -> Option<&Ids> {
        match self.value(field)? {
            Value::Ids(ids) => Some(ids),
            _ => None,
        }
    }

    /// Puts a value into a field. The segment that the field is in is added when it is not there yet.
    ///
    /// # Errors
    /// If there is no such field, if the value does not fit into it, or if the field says what the section or segment is.
    pub fn set(&mut self, field: &str, value: Value) -> Result<(), GppError> {
        let section = self.id();
        let refused = GppError::NoSuchField { section };
        if first_name(&self.core) == Some(field) {
            return Err(refused);
        }
        if self.core.set(field, value.clone()) {
            return Ok(());
        }
        let holding = self
            .layout
            .more
            .iter()
            .find_map(|optional| optional.blank_with(field));
        let mut segment = holding.ok_or(refused.clone())?;
        let there = self.more.iter_mut().find_map(|more| match more {
            More::Known(there) if there.layout.name == segment.layout.name => Some(there),
            _ => None,
        });
        if let Some(there) = there {
            return if there.set(field, value) {
                Ok(())
            } else {
                Err(refused)
            };
        }
        if !segment.set(field, value) {
            return Err(refused);
        }
        self.more.push(More::Known(segment));
        Ok(())
    }

    pub(super) const fn layout(&self) -> &'static SectionLayout {
        self.layout
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        let more = self.more.iter().filter_map(|more| match more {
            More::Known(segment) => Some(segment),
            More::Opaque(_) => None,
        });
        std::iter::once(&self.core).chain(more)
    }
}

impl Optional {
    /// Whether these are the bits of such a segment.
    fn is(&self, bits: &[bool]) -> bool {
        let Some(number) = self.number else {
            return true;
        };
        let first = self.form.newest().and_then(|layout| layout.fields.first());
        let Some(Kind::Integer(width)) = first.map(|field| field.kind) else {
            return false;
        };
        BitReader::new(bits).integer(width) == Ok(number)
    }

    /// A blank segment of this kind, if the field is in it and is not the one that says what it is.
    fn blank_with(&self, field: &str) -> Option<Segment> {
        let segment = Segment::blank(self.form.newest()?);
        let segment = match self.number {
            Some(_) if first_name(&segment) == Some(field) => return None,
            Some(number) => segment.with_number(number),
            None => segment,
        };
        segment.value(field).is_some().then_some(segment)
    }
}

/// Refuses a version that we do not know before its fields are looked for where they may not be.
fn check_version(layout: &SectionLayout, core: &str) -> Result<(), GppError> {
    let section = layout.id;
    let first = layout
        .core
        .newest()
        .and_then(|layout| layout.fields.first());
    let version = match first.map(|field| field.kind) {
        Some(Kind::Integer(width)) => {
            let read = BitReader::new(&bits_of(section, core)?).integer(width);
            read.map_err(|fault| GppError::Section { section, fault })?
        }
        _ => match core.chars().next().and_then(|digit| digit.to_digit(10)) {
            Some(digit) => u64::from(digit),
            None => {
                return Err(GppError::Section {
                    section,
                    fault: Fault::Letter,
                });
            }
        },
    };
    if !layout.versions.contains(&version) {
        return Err(GppError::Version { section, version });
    }
    Ok(())
}

fn first_name(segment: &Segment) -> Option<&'static str> {
    segment.layout.fields.first().map(|field| field.name)
}

impl PartialEq for Section {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id() && self.core == other.core && self.more == other.more
    }
}

impl Eq for Section {}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.core.write())?;
        for more in &self.more {
            f.write_str(".")?;
            match more {
                More::Known(segment) => f.write_str(&segment.write())?,
                More::Opaque(text) => f.write_str(text)?,
            }
        }
        Ok(())
    }
}

/// Says which section it is and nothing of what somebody chose.
impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Section({})", self.id())
    }
}
