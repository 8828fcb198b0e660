//! Working days: calendars list the years they know and refuse to count beyond them, because a guessed holiday is a missed deadline.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Span;
use jiff::civil::{Date, Weekday};
use serde::Deserialize;

use super::row::{Confidence, Roll};

/// The file `calendars.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarFile {
    /// All calendars.
    pub calendars: Vec<CalendarText>,
}

/// One calendar as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarText {
    /// Its key, e.g. `CA-MIN`.
    pub calendar: String,
    /// What it is, in a few words.
    pub title: String,
    /// Days of the week that count: `mon`, `tue`, ...
    pub working_days: Vec<String>,
    /// The rule behind the list.
    #[serde(default)]
    pub citation: String,
    /// How far the list was checked.
    pub confidence: Confidence,
    /// Keys of `sources.yaml`.
    #[serde(default)]
    pub source: Option<String>,
    /// When somebody last looked at it.
    pub reviewed_on: Date,
    /// Known years, each with the days that don't count although their weekday does.
    pub years: BTreeMap<i16, Vec<Date>>,
    /// A remark for the next reader.
    #[serde(default)]
    pub note: Option<String>,
}

/// A checked calendar of working days.
#[derive(Clone, Debug)]
pub struct Calendar {
    key: String,
    weekdays: BTreeSet<i8>,
    years: BTreeSet<i16>,
    holidays: BTreeSet<Date>,
}

/// A count that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// The count leaves the years that the calendar lists.
    #[error(
        "calendar `{calendar}` lists the years {first} to {last} and this count reaches {year}; add {year} to `law/calendars.yaml`"
    )]
    UnknownYear {
        /// The calendar's key.
        calendar: String,
        /// The year that is missing.
        year: i16,
        /// First year listed.
        first: i16,
        /// Last year listed.
        last: i16,
    },
    /// The count leaves the range of dates.
    #[error("counting from `{0}` leaves the range of dates")]
    OutOfRange(Date),
}

impl Calendar {
    /// Takes a calendar as written; the error says which word or date is wrong.
    pub(crate) fn from_text(text: &CalendarText) -> Result<Self, String> {
        let mut weekdays = BTreeSet::new();
        for word in &text.working_days {
            let Some(weekday) = parse_weekday(word) else {
                return Err(format!(
                    "`{word}` is not a day of the week; use mon, tue, wed, thu, fri, sat or sun"
                ));
            };
            weekdays.insert(weekday.to_monday_zero_offset());
        }
        if weekdays.is_empty() || text.years.is_empty() {
            return Err("a calendar needs at least one working day and one year".to_owned());
        }
        let misplaced =
            |(year, days): (&i16, &Vec<Date>)| days.iter().find(|day| day.year() != *year).copied();
        if let Some(day) = text.years.iter().find_map(misplaced) {
            return Err(format!("`{day}` is listed under another year"));
        }
        Ok(Self {
            key: text.calendar.clone(),
            weekdays,
            years: text.years.keys().copied().collect(),
            holidays: text.years.values().flatten().copied().collect(),
        })
    }

    /// The calendar's key, e.g. `CA-MIN`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Days of one year that are listed as not counting; none if the year is unknown.
    pub fn holidays_in(&self, year: i16) -> Option<Vec<Date>> {
        self.years.contains(&year).then(|| {
            self.holidays
                .iter()
                .filter(|day| day.year() == year)
                .copied()
                .collect()
        })
    }

    /// Whether the day counts as a working day.
    ///
    /// # Errors
    /// The year is not listed.
    pub fn is_working_day(&self, day: Date) -> Result<bool, CalendarError> {
        if !self.years.contains(&day.year()) {
            return Err(self.unknown_year(day.year()));
        }
        let weekday = day.weekday().to_monday_zero_offset();
        Ok(self.weekdays.contains(&weekday) && !self.holidays.contains(&day))
    }

    /// The `count`th working day after `from`, which is day 0 whether it is a working day or not.
    ///
    /// # Errors
    /// The count leaves the listed years.
    pub fn add_business_days(&self, from: Date, count: i64) -> Result<Date, CalendarError> {
        let mut day = from;
        let mut left = count;
        while left > 0 {
            day = add_calendar_days(day, 1)?;
            if self.is_working_day(day)? {
                left -= 1;
            }
        }
        Ok(day)
    }

    /// Moves a date off a day that is not a working day, as `roll` says.
    ///
    /// # Errors
    /// The search leaves the listed years.
    pub fn roll(&self, date: Date, roll: Roll) -> Result<Date, CalendarError> {
        let step = match roll {
            Roll::None => return Ok(date),
            Roll::NextWorkingDay => 1,
            Roll::PreviousWorkingDay => -1,
        };
        let mut day = date;
        while !self.is_working_day(day)? {
            day = add_calendar_days(day, step)?;
        }
        Ok(day)
    }

    fn unknown_year(&self, year: i16) -> CalendarError {
        CalendarError::UnknownYear {
            calendar: self.key.clone(),
            year,
            first: self.years.first().copied().unwrap_or(year),
            last: self.years.last().copied().unwrap_or(year),
        }
    }
}

/// `from` plus so many days (negative: minus), weekends and holidays included; never rolled.
///
/// # Errors
/// The result leaves the range of dates.
pub fn add_calendar_days(from: Date, days: i64) -> Result<Date, CalendarError> {
    add(from, Span::new().try_days(days))
}

/// The same day of the month so many months later (negative: earlier); that month's last day where the day is missing.
///
/// # Errors
/// The result leaves the range of dates.
pub fn add_months(from: Date, months: i64) -> Result<Date, CalendarError> {
    add(from, Span::new().try_months(months))
}

/// The same day so many years later (negative: earlier); 28 February where 29 February is missing.
///
/// # Errors
/// The result leaves the range of dates.
pub fn add_years(from: Date, years: i64) -> Result<Date, CalendarError> {
    add(from, Span::new().try_years(years))
}

fn add(from: Date, span: Result<Span, jiff::Error>) -> Result<Date, CalendarError> {
    span.and_then(|span| from.checked_add(span))
        .map_err(|_| CalendarError::OutOfRange(from))
}

/// How many days `to` lies after `from` (negative: before).
pub(crate) fn days_between(from: Date, to: Date) -> i64 {
    // A difference of dates is a whole number of days by construction; 0 stands for the error that cannot occur.
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

fn parse_weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => return None,
    })
}
