//! What is inside a sealed segment: the values of a profile as bytes, one form for one content.
//!
//! ```text
//! body    = version(1 byte: 1) base(signed varint, microseconds since 1970) count(varint) value*
//! value   = attribute(varint) source(varint) flags(1 byte: confidence * 2 + verified) later(varint) length(varint) text
//! ```
//! `base` is the earliest moment, `later` how many microseconds after it a value was observed. Values stand in the order of attribute
//! and source, none twice; varints are LEB128 in their shortest form, signed ones zigzag. So equal profiles have equal bytes, and a
//! body that reads back is the one that was written. A format of our own and not CBOR: names and times of thirty attributes cost five
//! bytes each instead of about thirty, and the reader is small enough to be tried with every input.

use jiff::Timestamp;

use super::Profile;
use super::key::{AttributeNumber, SourceNumber};
use super::value::{AttributeValue, Confidence, MAX_VALUE_BYTES};
use crate::sensitive::Sensitive;

/// The form described above.
const VERSION: u8 = 1;
/// An entry has at least this many bytes.
const SMALLEST: usize = 5;

/// One value inside a body. Deliberately without `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoredValue<'a> {
    /// Which attribute.
    pub attribute: AttributeNumber,
    /// Who said so.
    pub source: SourceNumber,
    /// When.
    pub observed_at: Timestamp,
    /// How sure.
    pub confidence: Confidence,
    /// Whether it was proven.
    pub verified: bool,
    /// The value's canonical text: a personal value, to be wrapped before it goes anywhere.
    pub text: &'a str,
}

impl StoredValue<'_> {
    /// The value on its own.
    pub fn to_value(self) -> AttributeValue {
        AttributeValue {
            value: Sensitive::new(self.text.to_owned()),
            source: self.source,
            observed_at: self.observed_at,
            confidence: self.confidence,
            verified: self.verified,
        }
    }
}

/// Bytes that are no body, or a value that does not fit into one. Says nothing about what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBody {
    /// Written by a later version.
    #[error(
        "this profile was written in the form {0}; this version of privity reads form 1, use a newer one"
    )]
    Version(u8),
    /// Cut short, or not in the one form.
    #[error("this profile is damaged: its bytes are not in the form that privity writes")]
    Malformed,
    /// A value that is longer than [`MAX_VALUE_BYTES`].
    #[error("attribute number {0} is longer than 1,048,576 bytes")]
    TooLong(u16),
}

/// The bytes of a profile's values. Wiped when dropped.
///
/// # Errors
/// [`InvalidBody::TooLong`].
pub fn encode(profile: &Profile) -> Result<Sensitive<Vec<u8>>, InvalidBody> {
    let moments = profile
        .values()
        .map(|(_, value)| value.observed_at.as_microsecond());
    let base = moments.min().unwrap_or(0);
    // All of it at once: a vector that grows would leave copies of values behind.
    let longest =
        |(_, value): (_, &AttributeValue)| 3 + 3 + 1 + 10 + 5 + value.value.expose().len();
    let mut bytes = Vec::with_capacity(1 + 10 + 5 + profile.values().map(longest).sum::<usize>());
    bytes.push(VERSION);
    write_varint(&mut bytes, zigzag(base));
    write_varint(&mut bytes, profile.values().len() as u64);
    for (attribute, value) in profile.values() {
        let text = value.value.expose().as_bytes();
        if text.len() > MAX_VALUE_BYTES {
            return Err(InvalidBody::TooLong(attribute.0));
        }
        write_varint(&mut bytes, attribute.0.into());
        write_varint(&mut bytes, value.source.0.into());
        bytes.push(value.confidence.as_percent() << 1 | u8::from(value.verified));
        write_varint(
            &mut bytes,
            value.observed_at.as_microsecond().abs_diff(base),
        );
        write_varint(&mut bytes, text.len() as u64);
        bytes.extend_from_slice(text);
    }
    Ok(Sensitive::new(bytes))
}

/// The values inside a body, borrowed from it. Everything is checked before anything is given.
///
/// # Errors
/// [`InvalidBody`] for every input that [`encode`] would not have written.
pub fn decode(bytes: &[u8]) -> Result<Vec<StoredValue<'_>>, InvalidBody> {
    let Some((version, rest)) = bytes.split_first() else {
        return Err(InvalidBody::Malformed);
    };
    if *version != VERSION {
        return Err(InvalidBody::Version(*version));
    }
    read_values(rest).ok_or(InvalidBody::Malformed)
}

fn read_values(mut rest: &[u8]) -> Option<Vec<StoredValue<'_>>> {
    let base = unzigzag(read_varint(&mut rest)?);
    let count = usize::try_from(read_varint(&mut rest)?).ok()?;
    // Whatever the count says, no more memory than the bytes can fill.
    let mut values: Vec<StoredValue<'_>> = Vec::with_capacity(count.min(rest.len() / SMALLEST));
    let mut earliest = false;
    for _ in 0..count {
        let (value, later) = read_value(&mut rest, base)?;
        let last = values.last().map(|last| (last.attribute, last.source));
        if last.is_some_and(|last| last >= (value.attribute, value.source)) {
            return None;
        }
        earliest |= later == 0;
        values.push(value);
    }
    let based = earliest || (count == 0 && base == 0);
    (based && rest.is_empty()).then_some(values)
}

fn read_value<'a>(rest: &mut &'a [u8], base: i64) -> Option<(StoredValue<'a>, u64)> {
    let attribute = AttributeNumber(u16::try_from(read_varint(rest)?).ok()?);
    let source = SourceNumber(u16::try_from(read_varint(rest)?).ok()?);
    let (flags, after) = rest.split_first()?;
    *rest = after;
    let later = read_varint(rest)?;
    let length = usize::try_from(read_varint(rest)?).ok()?;
    if length > MAX_VALUE_BYTES {
        return None;
    }
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    let value = StoredValue {
        attribute,
        source,
        observed_at: Timestamp::from_microsecond(base.checked_add_unsigned(later)?).ok()?,
        confidence: Confidence::percent(flags >> 1)?,
        verified: flags & 1 == 1,
        text: std::str::from_utf8(text).ok()?,
    };
    Some((value, later))
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

fn write_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// A varint in its shortest form; anything longer is refused, so that one number has one text.
fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return (part != 0 || shift == 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::id::SubjectId;

    fn subject() -> SubjectId {
        SubjectId::from_uuid(uuid::Uuid::from_u128(1))
    }

    fn value(source: u16, micros: i64, percent: u8, verified: bool, text: &str) -> AttributeValue {
        AttributeValue {
            value: text.to_owned().into(),
            source: SourceNumber(source),
            observed_at: Timestamp::from_microsecond(micros).unwrap(),
            confidence: Confidence::percent(percent).unwrap(),
            verified,
        }
    }

    fn profile(values: Vec<(u16, AttributeValue)>) -> Profile {
        let mut profile = Profile::new(subject());
        profile.extend(
            values
                .into_iter()
                .map(|(number, value)| (AttributeNumber(number), value)),
        );
        profile
    }

    /// Attribute, source, moment, percent, proven, text: profiles themselves cannot be printed when a test fails.
    type Row = (u16, u16, i64, u8, bool, String);

    fn any_rows() -> impl Strategy<Value = Vec<Row>> {
        let moment = prop_oneof![
            Just(0i64),
            Just(1_795_000_000_000_000),
            -1_000_000i64..1_000_000,
            any::<i32>().prop_map(|n| i64::from(n) * 1_000_000)
        ];
        let row = (
            any::<u16>(),
            any::<u16>(),
            moment,
            0u8..=100,
            any::<bool>(),
            ".{0,40}",
        );
        proptest::collection::vec(row, 0..20)
    }

    fn profile_of(rows: &[Row]) -> Profile {
        let values = rows.iter().map(|(number, source, at, sure, proven, text)| {
            (*number, value(*source, *at, *sure, *proven, text))
        });
        profile(values.collect())
    }

    /// Bytes that are nearly a body, so that the reader gets past its first checks.
    fn nearly_a_body() -> impl Strategy<Value = Vec<u8>> {
        let edits =
            proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 0..4);
        (any_rows(), edits).prop_map(|(rows, edits)| {
            let mut bytes = encode(&profile_of(&rows)).unwrap().expose().clone();
            for (at, byte, edit) in edits {
                let at = at.index(bytes.len().max(1));
                match edit {
                    0 if at < bytes.len() => bytes[at] = byte,
                    1 => bytes.truncate(at),
                    _ => bytes.insert(at.min(bytes.len()), byte),
                }
            }
            bytes
        })
    }

    /// What every reader must hold to, whatever it reads: no panic, and whatever it accepts it would have written.
    fn is_the_only_form(bytes: &[u8]) -> bool {
        let Ok(values) = decode(bytes) else {
            return true;
        };
        let mut again = Profile::new(subject());
        again.extend(
            values
                .iter()
                .map(|value| (value.attribute, value.to_value())),
        );
        encode(&again).is_ok_and(|encoded| encoded.expose() == bytes)
    }

    #[test]
    fn a_body_has_the_published_form() {
        let profile = profile(vec![
            (300, value(2, 1_000_001, 50, false, "\u{e9}")),
            (1, value(1, 1_000_000, 100, true, "ada")),
        ]);
        // version, base 1,000,000 zigzag 2,000,000, two values
        let expected = [
            &[1, 0x80, 0x89, 0x7a, 2][..],
            &[1, 1, 201, 0, 3, b'a', b'd', b'a'],
            &[0xac, 2, 2, 100, 1, 2, 0xc3, 0xa9],
        ]
        .concat();
        assert_eq!(*encode(&profile).unwrap().expose(), expected);
        assert_eq!(
            *encode(&Profile::new(subject())).unwrap().expose(),
            [1, 0, 0]
        );
    }

    #[test]
    fn a_number_or_an_order_in_another_form_is_refused() {
        for (bytes, why) in [
            (&[][..], "nothing"),
            (&[1], "no base"),
            (&[1, 2, 0], "a base without values"),
            (&[1, 0, 0, 0], "something after the end"),
            (&[1, 0x80, 0, 0], "a varint longer than it need be"),
            (&[1, 0, 1, 1, 1, 203, 0, 0], "101 percent"),
            (&[1, 0, 1, 1, 1, 2, 5, 0], "no value at the base"),
            (&[1, 0, 2, 1, 1, 2, 0, 0, 1, 1, 2, 0, 0], "one value twice"),
            (&[1, 0, 1, 1, 1, 2, 0, 1, 0xff], "no text"),
            (
                &[
                    1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
                ],
                "a count beyond its bytes",
            ),
            (
                &[1, 0, 1, 1, 1, 2, 0, 0xff, 0xff, 0xff, 0xff, 0x0f],
                "a length beyond its bytes",
            ),
        ] {
            assert!(decode(bytes).err() == Some(InvalidBody::Malformed), "{why}");
        }
        assert!(decode(&[2, 0, 0]).err() == Some(InvalidBody::Version(2)));
    }

    proptest! {
        #[test]
        fn a_profile_reads_back_as_itself(rows in any_rows()) {
            let profile = profile_of(&rows);
            let bytes = encode(&profile).unwrap();
            let mut again = Profile::new(subject());
            again.extend(decode(bytes.expose()).unwrap().into_iter().map(|value| (value.attribute, value.to_value())));
            prop_assert!(again == profile);
        }

        #[test]
        fn whatever_is_read_has_one_form(bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..80), nearly_a_body()]) {
            prop_assert!(is_the_only_form(&bytes));
        }
    }
}
