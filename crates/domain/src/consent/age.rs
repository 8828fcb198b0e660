//! How old a subject is, as far as the business knows: a birthday changes an answer at midnight where she lives (facts T20).

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::law::birthday;

/// A birth date, or the latest that is possible. A personal value: it has no text form, and `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BirthDate(Date);

impl BirthDate {
    /// A known birth date.
    pub const fn new(date: Date) -> Self {
        Self(date)
    }

    /// Somebody who is known to be a child of at least that many years on a day: taken for the youngest that she can be, so that
    /// protection doesn't end too early.
    pub fn at_least(years: i64, on: Date) -> Option<Self> {
        crate::law::add_years(on, -years).ok().map(Self)
    }

    /// The birthday on which she is that old; none where it lies beyond all calendars.
    pub(super) fn turns(self, years: i64) -> Option<Date> {
        birthday(self.0, years).ok()
    }
}

impl fmt::Debug for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BirthDate(..)")
    }
}

/// What the business knows of a subject's age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Nothing, and then nothing is assumed: the rules for minors ask for actual knowledge (Civ. Code 1798.120(c)). A business that
    /// looks away on purpose has to pass what it would have seen.
    Unknown,
    /// Her birth date.
    Born(BirthDate),
}

impl Age {
    /// What counts where two sources say something of one subject: the later birth date, so that protection doesn't end because one of
    /// them is wrong.
    #[must_use]
    pub fn or_younger(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, known) | (known, Self::Unknown) => known,
            (Self::Born(one), Self::Born(other)) => Self::Born(BirthDate(one.0.max(other.0))),
        }
    }

    /// The birthday on which she is that old; none when her age isn't known.
    pub(crate) fn turns(self, years: i64) -> Turns {
        match self {
            Self::Unknown => Turns::Unknown,
            Self::Born(birth) => birth.turns(years).map_or(Turns::Never, Turns::On),
        }
    }
}

/// When an age is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turns {
    /// Her age isn't known.
    Unknown,
    /// On this birthday, at midnight where she lives.
    On(Date),
    /// Not before the end of the calendar.
    Never,
}

impl Turns {
    /// Whether she is known to be younger on that day.
    pub(crate) fn is_younger_on(self, day: Date) -> bool {
        match self {
            Self::Unknown => false,
            Self::On(birthday) => day < birthday,
            Self::Never => true,
        }
    }

    /// The birthday itself, if it is known.
    pub(super) const fn day(self) -> Option<Date> {
        match self {
            Self::On(birthday) => Some(birthday),
            Self::Unknown | Self::Never => None,
        }
    }

    /// The moment at which she reaches it, if it lies after `on`.
    pub(crate) fn after(self, on: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let Self::On(birthday) = self else {
            return None;
        };
        start_of(birthday, zone).filter(|moment| *moment > on)
    }
}

/// The first moment of a day in a time zone.
pub(super) fn start_of(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    day.to_zoned(zone.clone())
        .ok()
        .map(|start| start.timestamp())
}

/// The day that it is at a moment in a time zone.
pub(crate) fn day_of(moment: Timestamp, zone: &TimeZone) -> Date {
    moment.to_zoned(zone.clone()).date()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_birth_date_is_never_printed() {
        let text = format!("{:?}", Age::Born(BirthDate::new(date(2012, 5, 20))));
        assert!(!text.contains("2012"), "{text}");
    }

    #[test]
    fn a_child_of_whom_only_a_band_is_known_counts_as_its_youngest() {
        let known = BirthDate::at_least(13, date(2026, 11, 22)).unwrap();
        assert_eq!(known.turns(16), Some(date(2029, 11, 22)));
    }

    #[test]
    fn of_two_birth_dates_the_later_one_counts_whoever_says_it() {
        let born = |day| Age::Born(BirthDate::new(day));
        let (child, adult) = (born(date(2014, 3, 1)), born(date(1990, 3, 1)));
        assert_eq!(
            (child.or_younger(adult), adult.or_younger(child)),
            (child, child)
        );
        assert_eq!(
            (
                child.or_younger(Age::Unknown),
                Age::Unknown.or_younger(child)
            ),
            (child, child)
        );
        assert_eq!(Age::Unknown.or_younger(Age::Unknown), Age::Unknown);
    }

    #[test]
    fn whose_age_is_unknown_is_not_known_to_be_younger() {
        assert!(!Age::Unknown.turns(13).is_younger_on(date(2026, 11, 22)));
    }
}
