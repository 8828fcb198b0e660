//! Moments as source systems write them: which are surely before a cut-off, so that their row may go.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

/// A moment as a timestamp without zone, in UTC.
pub(crate) fn civil(moment: Timestamp) -> String {
    moment
        .to_zoned(jiff::tz::TimeZone::UTC)
        .datetime()
        .strftime("%Y-%m-%d %H:%M:%S%.6f")
        .to_string()
}

/// A moment's day, in UTC.
pub(crate) fn day(moment: Timestamp) -> String {
    moment.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// Reads a moment from text: a date, a date and time, or a timestamp with offset. A time without zone is taken as UTC.
/// The flag tells that only a day was given.
pub(crate) fn read(text: &str) -> Option<(Timestamp, bool)> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some((moment, false));
    }
    if text.len() == 10 {
        let day: Date = text.parse().ok()?;
        return Some((utc(day.to_datetime(jiff::civil::Time::midnight()))?, true));
    }
    utc(text.parse::<DateTime>().ok()?).map(|moment| (moment, false))
}

fn utc(moment: DateTime) -> Option<Timestamp> {
    moment
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// Reads a moment from a number: seconds, milliseconds or microseconds since 1970, told apart by their size.
pub(crate) fn from_number(number: f64) -> Option<Timestamp> {
    let seconds = match number.abs() {
        size if size >= 1e14 => number / 1e6,
        size if size >= 1e11 => number / 1e3,
        _ => number,
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cut-off doesn't depend on parts of a second, and a float saturates"
    )]
    let whole = seconds as i64;
    Timestamp::from_second(whole).ok()
}

/// Whether a text is surely before the cut-off. A day counts as a whole.
pub(crate) fn text_is_before(text: &str, from: Timestamp) -> bool {
    match read(text) {
        Some((moment, true)) => day(moment) < day(from),
        Some((moment, false)) => moment < from,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_cannot_be_read_is_not_before_anything() {
        let from: Timestamp = "2024-05-05T10:00:00Z".parse().unwrap();
        for (text, before) in [
            ("2024-05-05T09:59:59Z", true),
            ("2024-05-05 09:59:59", true),
            ("2024-05-05 10:00:00.000", false),
            ("2024-05-05", false),
            ("2024-05-04", true),
            ("2024-05-05T11:30:00+02:00", true),
            ("long ago", false),
            ("", false),
        ] {
            assert_eq!(text_is_before(text, from), before, "{text}");
        }
        assert_eq!(from_number(1.7e9), from_number(1.7e12));
    }
}
