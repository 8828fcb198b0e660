//! A collection read from end to end, or from a watermark on, a batch at a time, so that profiles can follow a source system.
//!
//! A batch goes on after the last row of the one before by (watermark, primary key), never by a count of rows, so that rows with equal
//! watermarks, and rows that come or go meanwhile, lose nothing at the border of two batches.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::data_map::{Collection, FieldName};
use domain::profile::Overlap;
use domain::row::JsonValue;
use domain::sensitive::Sensitive;
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// The bytes of a batch after which it ends early, so that long values don't fill the memory.
pub(crate) const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What is read of a collection.
#[derive(Clone)]
pub struct Scan {
    /// Where; its primary key orders rows that changed at the same moment.
    pub collection: Arc<Collection>,
    /// The fields to bring, in this order.
    pub fields: Vec<FieldName>,
    /// The field that every change of a row moves on: a moment or a number that grows.
    pub watermark: Option<FieldName>,
    /// Rows whose watermark is at least this, in its order; every row, in the order of the primary key, where nothing is said.
    pub from: Option<Mark>,
    /// Whether rows with exactly the watermark `from` are left out, since all of them were seen. A service may bring them nevertheless.
    pub beyond: bool,
    /// Rows whose watermark is at most this; looked at only together with `from`.
    pub until: Option<Mark>,
    /// Where the batch before ended.
    pub after: Option<Position>,
    /// Rows in a batch; a service that gives pages may go over it by less than a page.
    pub limit: usize,
}

/// Some rows of a collection.
#[derive(Default)]
pub struct Batch {
    /// The rows, each with its values in the order of the fields that were asked for.
    pub rows: Vec<Vec<Sensitive<JsonValue>>>,
    /// Where the next batch goes on; `None` at the end.
    pub next: Option<Position>,
    /// The greatest watermark among the rows, where the source can't be asked for it.
    pub newest: Option<Mark>,
}

/// A value of a watermark.
#[derive(Clone, PartialEq)]
pub struct Mark(pub(crate) Sensitive<Key>);

/// Where a batch ended. May hold a primary key, so it is kept sealed.
#[derive(Clone)]
pub struct Position(pub(crate) Sensitive<Vec<Key>>);

/// A value by which rows are ordered, as the engine gave it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Key {
    Text(String),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    /// In base64.
    Bytes(String),
}

impl Key {
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self::Bytes(STANDARD.encode(bytes))
    }
}

impl Zeroize for Key {
    fn zeroize(&mut self) {
        match self {
            Self::Text(text) | Self::Bytes(text) => text.zeroize(),
            Self::Integer(number) => number.zeroize(),
            Self::Unsigned(number) => number.zeroize(),
            Self::Float(number) => number.zeroize(),
        }
    }
}

impl Position {
    /// A text to seal and to read again with [`Position::from_text`].
    pub fn to_text(&self) -> Sensitive<String> {
        Sensitive::new(serde_json::to_string(self.0.expose()).unwrap_or_default())
    }

    /// Reads what [`Position::to_text`] wrote.
    pub fn from_text(text: &Sensitive<String>) -> Option<Self> {
        serde_json::from_str(text.expose())
            .ok()
            .map(|keys| Self(Sensitive::new(keys)))
    }
}

impl Mark {
    pub(crate) const fn new(key: Key) -> Self {
        Self(Sensitive::new(key))
    }

    /// A text to seal and to read again with [`Mark::from_text`].
    pub fn to_text(&self) -> Sensitive<String> {
        Sensitive::new(serde_json::to_string(self.0.expose()).unwrap_or_default())
    }

    /// Reads what [`Mark::to_text`] wrote.
    pub fn from_text(text: &Sensitive<String>) -> Option<Self> {
        serde_json::from_str(text.expose()).ok().map(Self::new)
    }

    /// A mark so much earlier: what was written before this mark and committed after it was read is found there.
    ///
    /// A moment keeps its way of being written, so that it compares as its column does; what is neither a moment nor a number stays.
    #[must_use]
    pub fn earlier(&self, overlap: Overlap) -> Self {
        Self::new(match self.0.expose() {
            Key::Text(text) => Key::Text(earlier_text(text, overlap)),
            Key::Integer(number) => Key::Integer(number.saturating_sub(units(*number, overlap))),
            Key::Unsigned(number) => {
                let size = i64::try_from(*number).unwrap_or(i64::MAX);
                Key::Unsigned(number.saturating_sub(units(size, overlap).unsigned_abs()))
            }
            other => other.clone(),
        })
    }

    /// This mark, or the present moment where it lies in the future: one row with a wrong date must not hide all later changes.
    #[must_use]
    pub fn no_later_than(&self, now: Timestamp) -> Self {
        match moment(self.0.expose()) {
            Some((moment, _)) if moment > now => {
                let ahead = moment.duration_since(now).as_secs().unsigned_abs();
                self.earlier(Overlap::Time(ahead.saturating_add(1)))
            }
            _ => self.clone(),
        }
    }

    /// Whether nothing can be committed any more with a watermark up to this one: it is a moment, and twice the overlap went by since. A
    /// time without zone may be that of any zone, a day lasts until its end. A counter never is.
    pub fn is_settled(&self, overlap: Overlap, now: Timestamp) -> bool {
        let Overlap::Time(seconds) = overlap else {
            return false;
        };
        let wait = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(2);
        let Some((moment, doubt)) = moment(self.0.expose()) else {
            return false;
        };
        let wait = SignedDuration::from_secs(wait.saturating_add(1)).saturating_add(doubt);
        moment
            .saturating_add(wait)
            .is_ok_and(|settled| settled <= now)
    }

    /// The later of two marks of one field: numbers as numbers, moments as moments, other texts letter by letter.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        if is_later(other.0.expose(), self.0.expose()) {
            other
        } else {
            self
        }
    }

    /// A JSON value as a mark; `None` where it is empty or none.
    pub(crate) fn of_json(value: &serde_json::Value) -> Option<Self> {
        let key = match value {
            serde_json::Value::String(text) if !text.is_empty() => Key::Text(text.clone()),
            serde_json::Value::Number(number) => number
                .as_i64()
                .map(Key::Integer)
                .or_else(|| number.as_u64().map(Key::Unsigned))
                .or_else(|| number.as_f64().map(Key::Float))?,
            _ => return None,
        };
        Some(Self::new(key))
    }

    /// As it stands in a URL.
    pub(crate) fn url_text(&self) -> String {
        match self.0.expose() {
            Key::Text(text) | Key::Bytes(text) => text.clone(),
            Key::Integer(number) => number.to_string(),
            Key::Unsigned(number) => number.to_string(),
            Key::Float(number) => number.to_string(),
        }
    }
}

/// The moment that a mark means, and how much later it may have been.
fn moment(key: &Key) -> Option<(Timestamp, SignedDuration)> {
    const ANY_ZONE: SignedDuration = SignedDuration::from_hours(14);
    const A_DAY: SignedDuration = SignedDuration::from_hours(24);
    let of_number = |number: i64| match number {
        100_000_000_000_000.. => Timestamp::from_microsecond(number).ok(),
        100_000_000_000.. => Timestamp::from_millisecond(number).ok(),
        1_000_000_000.. => Timestamp::from_second(number).ok(),
        _ => None,
    };
    match key {
        Key::Integer(number) => of_number(*number).map(|moment| (moment, SignedDuration::ZERO)),
        Key::Unsigned(number) => {
            of_number(i64::try_from(*number).ok()?).map(|moment| (moment, SignedDuration::ZERO))
        }
        Key::Text(text) => match text.parse::<Timestamp>() {
            Ok(moment) => Some((moment, SignedDuration::ZERO)),
            Err(_) => crate::sql::moment::read(text).map(|(moment, whole_day)| {
                let day = if whole_day {
                    A_DAY
                } else {
                    SignedDuration::ZERO
                };
                (moment, ANY_ZONE.saturating_add(day))
            }),
        },
        Key::Float(_) | Key::Bytes(_) => None,
    }
}

fn is_later(one: &Key, other: &Key) -> bool {
    match (one, other) {
        (Key::Text(one), Key::Text(other)) => {
            let moments = one
                .parse::<Timestamp>()
                .ok()
                .zip(other.parse::<Timestamp>().ok());
            moments.map_or(one > other, |(one, other)| one > other)
        }
        (Key::Integer(one), Key::Integer(other)) => one > other,
        (one, other) => number(one) > number(other),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "numbers of different kinds in one field are compared as well as can be"
)]
fn number(key: &Key) -> Option<f64> {
    match key {
        Key::Integer(number) => Some(*number as f64),
        Key::Unsigned(number) => Some(*number as f64),
        Key::Float(number) => Some(*number),
        Key::Text(text) | Key::Bytes(text) => text.parse().ok(),
    }
}

/// How much of a number's own units an overlap is. A number of the size of seconds, milliseconds or microseconds since 1970 is
/// taken for a moment, any other for a counter.
fn units(number: i64, overlap: Overlap) -> i64 {
    let seconds = match overlap {
        Overlap::Number(number) => return i64::try_from(number).unwrap_or(i64::MAX),
        Overlap::Time(seconds) => i64::try_from(seconds).unwrap_or(i64::MAX),
    };
    match number {
        100_000_000_000_000.. => seconds.saturating_mul(1_000_000),
        100_000_000_000.. => seconds.saturating_mul(1_000),
        1_000_000_000.. => seconds,
        _ if seconds == 0 => 0,
        _ => Overlap::COUNTER,
    }
}

fn earlier_text(text: &str, overlap: Overlap) -> String {
    let seconds = match overlap {
        Overlap::Number(number) => i64::try_from(number).unwrap_or(i64::MAX),
        Overlap::Time(seconds) => i64::try_from(seconds).unwrap_or(i64::MAX),
    };
    if let Ok(number) = text.parse::<i64>() {
        return number.saturating_sub(units(number, overlap)).to_string();
    }
    let back = SignedDuration::from_secs(seconds);
    moment_before(text, back)
        .or_else(|| day_before(text, back))
        .unwrap_or_else(|| text.to_owned())
}

/// `2024-05-05T10:00:00.5Z` with its seconds moved and the rest as it was.
fn moment_before(text: &str, back: SignedDuration) -> Option<String> {
    let (day, separator) = (text.get(..10)?, text.get(10..11)?);
    let (time, rest) = (text.get(11..19)?, text.get(19..)?);
    let moment: DateTime = format!("{day}T{time}").parse().ok()?;
    let moment = moment.checked_sub(back).ok()?;
    Some(format!(
        "{}{separator}{}{rest}",
        moment.strftime("%Y-%m-%d"),
        moment.strftime("%H:%M:%S")
    ))
}

fn day_before(text: &str, back: SignedDuration) -> Option<String> {
    if text.len() != 10 {
        return None;
    }
    let day: Date = text.parse().ok()?;
    let midnight = day.to_datetime(jiff::civil::Time::midnight());
    Some(midnight.checked_sub(back).ok()?.date().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn earlier(text: &str, overlap: Overlap) -> String {
        Mark::new(Key::Text(text.to_owned()))
            .earlier(overlap)
            .url_text()
    }

    #[test]
    fn an_earlier_moment_is_written_as_the_later_one_was() {
        let five_minutes = Overlap::Time(300);
        for (later, before) in [
            ("2024-03-01T00:04:59.25Z", "2024-02-29T23:59:59.25Z"),
            (
                "2024-01-01 00:00:00.000001+00",
                "2023-12-31 23:55:00.000001+00",
            ),
            ("2024-05-05 10:00:00", "2024-05-05 09:55:00"),
            ("2024-05-05", "2024-05-04"),
            ("1700000000", "1699999700"),
            ("infinity", "infinity"),
            ("v7", "v7"),
        ] {
            assert_eq!(earlier(later, five_minutes), before);
        }
        assert_eq!(earlier("2024-05-05", Overlap::Time(0)), "2024-05-05");
    }

    #[test]
    fn a_number_is_a_moment_by_its_size_and_a_counter_else() {
        let of = |number: i64, overlap| Mark::new(Key::Integer(number)).earlier(overlap).url_text();
        assert_eq!(of(1_700_000_000_000, Overlap::Time(300)), "1699999700000");
        assert_eq!(of(50_000, Overlap::Time(300)), "49000");
        assert_eq!(of(50_000, Overlap::Number(7)), "49993");
        assert_eq!(of(50_000, Overlap::Time(0)), "50000");
    }

    #[test]
    fn a_mark_is_settled_when_nothing_can_be_committed_before_it_any_more() {
        let five_minutes = Overlap::Time(300);
        let now: Timestamp = "2024-05-05T12:00:00Z".parse().unwrap();
        let settled =
            |text: &str| Mark::new(Key::Text(text.to_owned())).is_settled(five_minutes, now);
        assert!(settled("2024-05-05 11:49:00+00") && !settled("2024-05-05 11:51:00+00"));
        assert!(settled("2024-05-04 21:00:00") && !settled("2024-05-05 00:00:00"));
        assert!(settled("2024-05-03") && !settled("2024-05-04") && !settled("v7"));
        let number = |number| Mark::new(Key::Integer(number));
        assert!(number(1_600_000_000).is_settled(five_minutes, now));
        assert!(!number(50_000).is_settled(five_minutes, now));
        assert!(!number(1_600_000_000).is_settled(Overlap::Number(5), now));
    }

    #[test]
    fn a_mark_in_the_future_is_brought_back_to_the_present() {
        let now: Timestamp = "2024-05-05T12:00:00Z".parse().unwrap();
        let brought = |text: &str| {
            let mark = Mark::new(Key::Text(text.to_owned()));
            mark.no_later_than(now).url_text()
        };
        assert_eq!(
            brought("2099-01-01T00:00:00.5+00"),
            "2024-05-05T11:59:59.5+00"
        );
        assert_eq!(brought("2099-01-01 00:00:00"), "2024-05-05 11:59:59");
        assert_eq!(brought("2099-01-01"), "2024-05-05");
        assert_eq!(brought("2024-05-05T11:00:00Z"), "2024-05-05T11:00:00Z");
        let counter = Mark::new(Key::Integer(70));
        assert_eq!(counter.no_later_than(now).url_text(), "70");
    }

    #[test]
    fn the_later_of_two_marks_is_the_later_moment_whatever_its_zone() {
        let mark = |text: &str| Mark::new(Key::Text(text.to_owned()));
        let later = mark("2024-05-05T12:00:00+02:00").later(mark("2024-05-05T11:00:00Z"));
        assert_eq!(later.url_text(), "2024-05-05T11:00:00Z");
        let number = |number| Mark::new(Key::Integer(number));
        assert_eq!(number(9).later(number(10)).url_text(), "10");
    }

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let position = Position(Sensitive::new(vec![
            Key::Text("2024-05-05".to_owned()),
            Key::Unsigned(u64::MAX),
            Key::of_bytes(&[0, 255]),
        ]));
        let again = Position::from_text(&position.to_text()).unwrap();
        assert!(again.0.expose() == position.0.expose());
        assert!(Position::from_text(&Sensitive::new("{".to_owned())).is_none());
    }
}
