//! One part of a section, between two `.`: its fields in the order of its layout.

use super::bits::{BitReader, from_text, to_text};
use super::error::{Fault, GppError};
use super::layout::{Field, Form, Kind, SegmentLayout, Text};
use super::section_id::SectionId;
use super::value::Value;

/// The field that says how many custom purposes there are.
const CUSTOM_PURPOSES: &str = "NumCustomPurposes";

/// A segment with its values.
// INVARIANT: as many values as the layout has fields, and each fits its field.
#[derive(Clone)]
pub(super) struct Segment {
    pub(super) layout: &'static SegmentLayout,
    values: Vec<Value>,
    /// Bits after the last field, without the zeros at their end: a later version of the layout may know what they are, so they
    /// are written again.
    surplus: Vec<bool>,
}

impl Segment {
    /// A segment in which nothing is said yet.
    pub(super) fn blank(layout: &'static SegmentLayout) -> Self {
        let values = layout
            .fields
            .iter()
            .map(|field| Value::blank(field.kind))
            .collect();
        Self {
            layout,
            values,
            surplus: Vec::new(),
        }
    }

    /// Reads a segment in whichever layout it has.
    pub(super) fn read(section: SectionId, form: &Form, text: &str) -> Result<Self, GppError> {
        let layout = form.newest();
        if let Some(layout) = layout.filter(|layout| layout.text == Text::Characters) {
            return Self::read_characters(section, layout, text);
        }
        let bits = bits_of(section, text)?;
        match form {
            Form::One(layout) => Self::read_bits(section, layout, &bits),
            Form::ByLength { short, up_to, long } if bits.len() <= *up_to => {
                Ok(Self::read_bits(section, short, &bits)?.of_short(long))
            }
            Form::ByLength { long, .. } => Self::read_bits(section, long, &bits),
            Form::ByFit(layouts) => Self::read_fitting(section, layouts, text, &bits),
        }
    }

    fn read_bits(
        section: SectionId,
        layout: &'static SegmentLayout,
        bits: &[bool],
    ) -> Result<Self, GppError> {
        let mut reader = BitReader::new(bits);
        let mut values: Vec<Value> = Vec::with_capacity(layout.fields.len());
        for field in layout.fields {
            let custom = custom_purposes(layout, &values);
            let missing = matches!(field.kind, Kind::Restrictions(_)) && is_padding(&reader);
            let value = if missing {
                Ok(Value::blank(field.kind))
            } else {
                Value::read(field.kind, &mut reader, custom)
            };
            let name = field.name;
            values.push(value.map_err(|fault| GppError::Field {
                section,
                field: name,
                fault,
            })?);
        }
        let rest = reader.rest();
        let used = rest.iter().rposition(|bit| *bit).map_or(0, |last| last + 1);
        let surplus = rest.iter().take(used).copied().collect();
        Ok(Self {
            layout,
            values,
            surplus,
        })
    }

    /// Reads in each of several layouts. The one that would be written exactly like this is right, to the last letter of padding (so that
    /// what was written is read in the layout that it was written in); then one with the same bits; else the first that leaves nothing over.
    fn read_fitting(
        section: SectionId,
        layouts: &'static [SegmentLayout],
        text: &str,
        bits: &[bool],
    ) -> Result<Self, GppError> {
        let read = |layout| Self::read_bits(section, layout, bits);
        let (fitting, others): (Vec<_>, Vec<_>) = layouts.iter().map(read).partition(|read| {
            read.as_ref()
                .is_ok_and(|segment| segment.surplus.is_empty())
        });
        let fitting: Vec<Self> = fitting.into_iter().filter_map(Result::ok).collect();
        let exact = || fitting.iter().find(|segment| segment.write() == text);
        let alike = || {
            let mut all = fitting.iter();
            all.find(|segment| bits.starts_with(&segment.bits()))
        };
        if let Some(segment) = exact().or_else(alike).or(fitting.first()) {
            return Ok(segment.clone());
        }
        // Two layouts that both leave something over contradict each other about who may do what: neither is believed.
        let first = others.into_iter().next().and_then(Result::err);
        Err(first.unwrap_or(GppError::Section {
            section,
            fault: Fault::GoesOn,
        }))
    }

    fn read_characters(
        section: SectionId,
        layout: &'static SegmentLayout,
        text: &str,
    ) -> Result<Self, GppError> {
        let mut values = Vec::with_capacity(layout.fields.len());
        let mut characters = text.chars();
        for Field { name: field, kind } in layout.fields {
            let fault = |fault| GppError::Field {
                section,
                field,
                fault,
            };
            let character = characters.next().ok_or(fault(Fault::Ends))?;
            let value = match kind {
                Kind::Digit => Value::Integer(character.to_digit(10).unwrap_or_default().into()),
                _ => Value::Letters(character.to_string()),
            };
            if !value.fits(*kind, 0) {
                return Err(fault(Fault::Letter));
            }
            values.push(value);
        }
        if characters.next().is_some() {
            return Err(GppError::Section {
                section,
                fault: Fault::GoesOn,
            });
        }
        Ok(Self {
            layout,
            values,
            surplus: Vec::new(),
        })
    }

    /// A segment of the short layout. If it calls itself version 2, it is what a library forgot to write longer. Six bits of padding
    /// are no surplus: written again they would make the long layout of it.
    fn of_short(mut self, long: &'static SegmentLayout) -> Self {
        self.surplus.clear();
        if self.number() != 2 {
            return self;
        }
        for (value, field) in self.values.iter_mut().zip(long.fields) {
            if let (Value::Integers(numbers), Kind::Integers { count, .. }) = (value, field.kind) {
                numbers.resize(usize::from(count), 0);
            }
        }
        Self {
            layout: long,
            ..self
        }
    }

    /// The text of the segment.
    pub(super) fn write(&self) -> String {
        match self.layout.text {
            Text::Bits(padding) => to_text(self.bits(), padding),
            Text::Characters => self.values.iter().map(character).collect(),
        }
    }

    fn bits(&self) -> Vec<bool> {
        let mut bits = Vec::new();
        for (field, value) in self.layout.fields.iter().zip(&self.values) {
            value.write(field.kind, &mut bits);
        }
        bits.extend(&self.surplus);
        bits
    }

    /// All fields with their values.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let names = self.layout.fields.iter().map(|field| field.name);
        names.zip(&self.values)
    }

    /// The value of a field.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.fields()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// The number in the first field, which tells a version or a type.
    pub(super) fn number(&self) -> u64 {
        match self.values.first() {
            Some(Value::Integer(number)) => *number,
            _ => 0,
        }
    }

    /// Puts a number into the first field.
    pub(super) fn with_number(mut self, number: u64) -> Self {
        if let Some(first) = self.values.first_mut() {
            *first = Value::Integer(number);
        }
        self
    }

    /// Replaces a value, or says that there is no such field for it.
    pub(super) fn set(&mut self, name: &str, value: Value) -> bool {
        let custom = custom_purposes(self.layout, &self.values);
        let fields = self.layout.fields.iter().zip(&mut self.values);
        let Some((field, old)) = fields.into_iter().find(|(field, _)| field.name == name) else {
            return false;
        };
        if !value.fits(field.kind, custom) {
            return false;
        }
        *old = value;
        if name == CUSTOM_PURPOSES {
            self.resize_custom_flags();
        }
        true
    }

    fn resize_custom_flags(&mut self) {
        let custom = custom_purposes(self.layout, &self.values);
        for (field, value) in self.layout.fields.iter().zip(&mut self.values) {
            if let (Kind::CustomBits, Value::Flags(flags)) = (field.kind, value) {
                flags.resize(custom, false);
            }
        }
    }
}

/// Whether they say the same. Two codings of one segment are no difference.
impl PartialEq for Segment {
    fn eq(&self, other: &Self) -> bool {
        self.layout.name == other.layout.name
            && self.values == other.values
            && self.surplus == other.surplus
    }
}

impl Eq for Segment {}

/// The bits of a segment's text.
pub(super) fn bits_of(section: SectionId, text: &str) -> Result<Vec<bool>, GppError> {
    let fault = if text.is_empty() {
        Fault::Empty
    } else {
        Fault::Letter
    };
    let bits = from_text(text).filter(|bits| !bits.is_empty());
    bits.ok_or(GppError::Section { section, fault })
}

/// Whether nothing but the zeros are left that fill up a text.
fn is_padding(reader: &BitReader<'_>) -> bool {
    reader.rest().len() < 12 && !reader.rest().contains(&true)
}

fn custom_purposes(layout: &SegmentLayout, values: &[Value]) -> usize {
    let numbered = layout.fields.iter().zip(values);
    let mut counts = numbered.filter(|(field, _)| field.name == CUSTOM_PURPOSES);
    match counts.next() {
        Some((_, Value::Integer(count))) => usize::try_from(*count).unwrap_or_default(),
        _ => 0,
    }
}

fn character(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Letters(letters) => letters.clone(),
        _ => String::new(),
    }
}
