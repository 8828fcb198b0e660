//! One dated, cited number or term of a law, as a lawyer writes it in `law/*.yaml` and as the rules read it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// How far a row was checked against its source; ordered from strongest to weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The statute's or regulation's text was seen, or quoted verbatim by the source.
    Verified,
    /// Seen in the California regulations of 29 March 2023; paragraph letters may have moved in 2026.
    #[serde(rename = "verified_2023_text")]
    Verified2023Text,
    /// Written from memory; to be checked before anybody relies on it.
    Memory,
    /// Written from memory with material doubt; needs a lawyer's check.
    MemoryUncertain,
}

impl Confidence {
    /// Whether no source was seen for the row.
    pub const fn is_from_memory(self) -> bool {
        matches!(self, Self::Memory | Self::MemoryUncertain)
    }

    /// The word used in the files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Verified2023Text => "verified_2023_text",
            Self::Memory => "memory",
            Self::MemoryUncertain => "memory_uncertain",
        }
    }
}

/// What to do with a date that falls on a day that is not a working day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Roll {
    /// The date stays where it is.
    #[default]
    None,
    /// It moves to the next working day (Regulation 1182/71, Article 3(4)).
    NextWorkingDay,
    /// It moves back to the working day before it (for targets of our own that must never be late).
    PreviousWorkingDay,
}

/// What a row's value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Every day counts; the day of the event is day 0.
    CalendarDays,
    /// Only working days of the row's calendar count; the day of the event is day 0.
    BusinessDays,
    /// Same day of a later month, or that month's last day.
    Months,
    /// Same day of a later year, or 28 February.
    Years,
    /// Hours of the clock on the wall, weekends included.
    Hours,
    /// The value is itself the date.
    Date,
    /// The value is a `MM-DD` in the year after the event's.
    DayOfNextYear,
    /// Privacy requests, e.g. free ones in twelve months.
    Requests,
    /// People, e.g. a threshold for telling an authority.
    Persons,
    /// United States dollars.
    Usd,
    /// Data points that have to match.
    DataPoints,
    /// Feet.
    Feet,
    /// Words of a text.
    Words,
    /// Percent.
    Percent,
    /// The value is a word, not a number.
    Term,
}

/// Every unit with its word in the files.
const UNITS: [(&str, Unit); 15] = [
    ("calendar_days", Unit::CalendarDays),
    ("business_days", Unit::BusinessDays),
    ("months", Unit::Months),
    ("years", Unit::Years),
    ("hours", Unit::Hours),
    ("date", Unit::Date),
    ("day_of_next_year", Unit::DayOfNextYear),
    ("requests", Unit::Requests),
    ("persons", Unit::Persons),
    ("usd", Unit::Usd),
    ("data_points", Unit::DataPoints),
    ("feet", Unit::Feet),
    ("words", Unit::Words),
    ("percent", Unit::Percent),
    ("term", Unit::Term),
];

impl Unit {
    /// The unit that a file names, if it is one.
    pub fn parse(word: &str) -> Option<Self> {
        UNITS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, unit)| *unit)
    }

    /// The word used in the files.
    pub fn as_str(self) -> &'static str {
        UNITS
            .iter()
            .find(|(_, unit)| *unit == self)
            .map_or("", |(word, _)| word)
    }

    /// All words that a file may use, for an error message.
    pub fn words() -> Vec<&'static str> {
        UNITS.iter().map(|(word, _)| *word).collect()
    }
}

/// A value as written: a number, or a date, day or term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Number(i64),
    /// Anything else.
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A row as a file holds it, not yet checked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RowText {
    /// Stable id, `<law>.<name>`; several rows may share it when their validity doesn't overlap.
    pub rule: String,
    /// The rights it belongs to; none for a duty that no subject asks for.
    #[serde(default)]
    pub rights: Vec<String>,
    /// What the value makes: `ack_by`, `respond_by`, `max_with_extension`, `internal_target`, `no_reask_before`, or another name.
    pub clock: String,
    /// The number, date, day or term.
    pub value: Value,
    /// One of [`Unit::words`].
    pub unit: String,
    /// The event it counts from; `end_of_year_of_…` counts from that year's 31 December, `back_from_…` counts backwards.
    pub counted_from: String,
    /// Calendar of working days when it isn't the law's own.
    #[serde(default)]
    pub calendar: Option<String>,
    /// What happens on a day that is not a working day.
    #[serde(default)]
    pub roll: Roll,
    /// First day on which the row holds.
    pub valid_from: Date,
    /// Last day on which it holds; none while it does.
    #[serde(default)]
    pub valid_to: Option<Date>,
    /// Statute, regulation, or the house rule behind it.
    #[serde(default)]
    pub citation: String,
    /// How far it was checked.
    pub confidence: Confidence,
    /// Keys of `sources.yaml`, comma-separated; needed unless it is from memory.
    #[serde(default)]
    pub source: Option<String>,
    /// When somebody last looked at it.
    pub reviewed_on: Date,
    /// A remark for the next reader.
    #[serde(default)]
    pub note: Option<String>,
}

/// What a row's value is, once its unit is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// So many of the unit.
    Count(i64),
    /// A fixed date.
    Date(Date),
    /// A month and a day in the following year.
    MonthDay(i8, i8),
    /// Only a word.
    Term,
}

/// Where counting starts and which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Event,
    EndOfYear,
    Back,
}

/// A checked row.
#[derive(Clone, Debug)]
pub struct Row {
    /// The row as written.
    pub text: RowText,
    /// Its unit.
    pub unit: Unit,
    pub(crate) amount: Amount,
    pub(crate) start: Start,
}

impl Row {
    /// Whether the row holds on that day.
    pub fn is_valid_on(&self, day: Date) -> bool {
        self.text.valid_from <= day && self.text.valid_to.is_none_or(|last| day <= last)
    }

    /// Whether some day lies in the validity of both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let ends_before =
            |a: &Self, b: &Self| a.text.valid_to.is_some_and(|last| last < b.text.valid_from);
        !ends_before(self, other) && !ends_before(other, self)
    }

    pub(crate) fn is_counted_from_receipt(&self) -> bool {
        self.text.counted_from == "receipt"
    }
}

/// Splits `counted_from` into the way of counting and the event.
pub(crate) fn parse_start(counted_from: &str) -> Start {
    if counted_from.starts_with("end_of_year_of_") {
        Start::EndOfYear
    } else if counted_from.starts_with("back_from_") {
        Start::Back
    } else {
        Start::Event
    }
}

/// Reads a value by its unit; the error says what the unit wants.
pub(crate) fn parse_amount(value: &Value, unit: Unit) -> Result<Amount, &'static str> {
    match (unit, value) {
        (Unit::Term, Value::Text(_)) => Ok(Amount::Term),
        (Unit::Term, Value::Number(_)) => Err("a word"),
        (Unit::Date, Value::Text(text)) => text
            .parse()
            .map(Amount::Date)
            .map_err(|_| "a date like 2027-01-31"),
        (Unit::Date, Value::Number(_)) => Err("a date like 2027-01-31"),
        (Unit::DayOfNextYear, Value::Text(text)) => {
            parse_month_day(text).ok_or("a month and day like \"01-31\"")
        }
        (Unit::DayOfNextYear, Value::Number(_)) => Err("a month and day like \"01-31\""),
        (_, Value::Number(number)) if *number >= 0 => Ok(Amount::Count(*number)),
        _ => Err("a whole number that is not negative"),
    }
}

fn parse_month_day(text: &str) -> Option<Amount> {
    let (month, day) = text.split_once('-')?;
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    // A leap year, so that 29 February is accepted here and clamped when a year is known.
    Date::new(2028, month, day).ok()?;
    Some(Amount::MonthDay(month, day))
}
