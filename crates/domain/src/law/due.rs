//! Counting: from an event and a row to a date, with the row's citation beside it.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::calendar::days_between;
use super::row::{Amount, Start};
use super::{
    Calendar, CalendarError, Citation, Clocks, Law, LawBook, Received, Roll, Row, Unit,
    add_calendar_days, add_months, add_years,
};

/// A date that the law data doesn't give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DueError {
    /// No file describes the law.
    #[error("no law is called `{law}`; known laws: {}", known.join(", "))]
    UnknownLaw {
        /// What was asked for.
        law: String,
        /// All keys.
        known: Vec<String>,
    },
    /// The law has no such right.
    #[error("`{law}` has no right called `{right}`; its rights: {}", known.join(", "))]
    UnknownRight {
        /// The law's key.
        law: String,
        /// What was asked for.
        right: String,
        /// The law's rights.
        known: Vec<String>,
    },
    /// No row holds on that day.
    #[error("no row gives `{name}` under `{law}` on {on}; {}", starting(*from))]
    NotInForce {
        /// The law's key.
        law: String,
        /// The right or the rule.
        name: String,
        /// The day of the event.
        on: Date,
        /// First day after it on which a row holds.
        from: Option<Date>,
    },
    /// No row has that id.
    #[error("no row is called `{rule}`; `privity law show {law}` lists the rows of a law")]
    UnknownRule {
        /// What was asked for.
        rule: String,
        /// The law that the id names.
        law: String,
    },
    /// The row's unit doesn't lead to what was asked for.
    #[error("`{rule}` is a number of `{unit}`, from which no {wanted} follows")]
    WrongUnit {
        /// The row's id.
        rule: String,
        /// Its unit.
        unit: &'static str,
        /// `date`, `moment` or `number`.
        wanted: &'static str,
    },
    /// The law doesn't let the clock stand still.
    #[error("under `{law}` the clock of `{right}` never stands still while identity is checked")]
    NoSuspension {
        /// The law's key.
        law: String,
        /// The right's key.
        right: String,
    },
    /// The calendar doesn't know the days.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
}

fn starting(from: Option<Date>) -> String {
    from.map_or_else(
        || "no later row starts".to_owned(),
        |day| format!("the next one starts on {day}"),
    )
}

/// A date that one row gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDate {
    /// The date that counts, rolled if the row says so.
    pub date: Date,
    /// The date before rolling.
    pub nominal: Date,
    /// What it rests on.
    pub citation: Citation,
}

impl LawBook {
    /// All clocks of one right for a privacy request received then.
    ///
    /// `law` and `right` are keys or aliases, in any case. A right without a time limit gives clocks without dates.
    ///
    /// # Errors
    /// Unknown law or right, no row for that day, or a calendar that doesn't list a year the count reaches.
    pub fn due(&self, law: &str, right: &str, received: &Received) -> Result<Clocks, DueError> {
        let law = self.law(law)?;
        let right = law.right(right)?;
        let received_on = law.receipt_date(received);
        let mut clocks = Clocks::started(&law.key, &right.right, received_on);
        let mut later = None;
        for row in law.rows_of(right) {
            let Some(place) = clocks.place(&row.text.clock) else {
                continue;
            };
            if !row.is_valid_on(received_on) {
                later = first_start(later, row, received_on).or(later);
                continue;
            }
            *place = Some(self.count(law, row, received_on)?.0);
            clocks.rows.push(row.citation());
        }
        if clocks.rows.is_empty() {
            law.check_without_clock(right, received_on, later)?;
            clocks.rows.push(right.as_citation());
        }
        Ok(clocks)
    }

    /// The date that a row gives for an event on `from`, by the row that holds on that day.
    ///
    /// # Errors
    /// No such row on that day, a row that gives no date, or a calendar that doesn't list a year the count reaches.
    pub fn rule_date(&self, rule: &str, from: Date) -> Result<RuleDate, DueError> {
        self.rule_date_on(rule, from, from)
    }

    /// The date that a row gives for an event on `from`, by the row that holds on `on`: an age counts from a birth long before the law.
    ///
    /// # Errors
    /// No such row on that day, a row that gives no date, or a calendar that doesn't list a year the count reaches.
    pub fn rule_date_on(&self, rule: &str, from: Date, on: Date) -> Result<RuleDate, DueError> {
        let (law, row) = self.row(rule, on)?;
        let (date, nominal) = self.count(law, row, from)?;
        Ok(RuleDate {
            date,
            nominal,
            citation: row.citation(),
        })
    }

    /// The moment that a row of hours gives for an event at `from`.
    ///
    /// # Errors
    /// No such row on that day, or a row that doesn't count hours.
    pub fn rule_moment(&self, rule: &str, from: Timestamp) -> Result<Timestamp, DueError> {
        let law = self.law(rule.split_once('.').map_or(rule, |(law, _)| law))?;
        let day = law.receipt_date(&Received::At(from));
        let (_, row) = self.row(rule, day)?;
        let (Unit::Hours, Amount::Count(hours)) = (row.unit, row.amount) else {
            return Err(row.wrong_unit("moment"));
        };
        let after =
            SignedDuration::try_from_hours(hours).and_then(|hours| from.checked_add(hours).ok());
        after.ok_or(DueError::Calendar(CalendarError::OutOfRange(day)))
    }

    /// Where a rule stands that an answer names: the row with that id that holds on that day, or the right, as `ccpa.withdraw_consent`.
    pub fn citation(&self, rule: &str, on: Date) -> Option<Citation> {
        if let Ok((_, row)) = self.row(rule, on) {
            return Some(row.citation());
        }
        let (law, right) = rule.split_once('.')?;
        let rights = &self.laws.get(law)?.rights;
        let right = rights.iter().find(|known| known.right == right)?;
        Some(right.as_citation())
    }

    /// The number of a row on that day, e.g. how many privacy requests are free in twelve months.
    ///
    /// # Errors
    /// No such row on that day, or a row without a number.
    pub fn number(&self, rule: &str, on: Date) -> Result<i64, DueError> {
        let (_, row) = self.row(rule, on)?;
        let Amount::Count(number) = row.amount else {
            return Err(row.wrong_unit("number"));
        };
        Ok(number)
    }

    /// The same clocks after the subject was asked for proof on `asked` and gave it on `answered`, where the law lets the clock stand still.
    ///
    /// # Errors
    /// The law never lets the clock stand still (every law but the GDPR), or the calendar doesn't list a year the count reaches.
    pub fn suspend(
        &self,
        clocks: &Clocks,
        asked: Date,
        answered: Date,
    ) -> Result<Clocks, DueError> {
        let law = self.law(&clocks.law)?;
        let right = law.right(&clocks.right)?;
        let valid = |row: &&Row| row.is_valid_on(clocks.received_on);
        let rows: Vec<&Row> = law.rows_of(right).filter(valid).collect();
        let Some(permission) = rows.iter().find(|row| row.text.clock == "suspension") else {
            return Err(DueError::NoSuspension {
                law: law.key.clone(),
                right: right.right.clone(),
            });
        };
        let days = days_between(asked, answered).max(0);
        let mut moved = Clocks {
            rows: clocks.rows.clone(),
            ..clocks.clone()
        };
        for row in &rows {
            let is_moved = matches!(
                row.text.clock.as_str(),
                "respond_by" | "max_with_extension" | "internal_target"
            );
            let (true, Some(place)) = (is_moved, moved.place(&row.text.clock)) else {
                continue;
            };
            let nominal = self.count_nominal(law, row, clocks.received_on)?;
            let later = add_calendar_days(nominal, days)?;
            *place = Some(self.calendar_of(law, row)?.roll(later, row.text.roll)?);
        }
        if moved.extended_on.is_some() {
            moved.respond_by = moved.max_with_extension;
            moved.internal_target = None;
        }
        moved.rows.push(permission.citation());
        Ok(moved)
    }

    /// The row with that id that holds on that day, with its law.
    fn row(&self, rule: &str, on: Date) -> Result<(&Law, &Row), DueError> {
        let law_key = rule.split_once('.').map_or(rule, |(law, _)| law);
        let unknown = || DueError::UnknownRule {
            rule: rule.to_owned(),
            law: law_key.to_owned(),
        };
        let law = self.laws.get(law_key).ok_or_else(unknown)?;
        let versions: Vec<&Row> = law
            .rows
            .iter()
            .filter(|row| row.text.rule == rule)
            .collect();
        if versions.is_empty() {
            return Err(unknown());
        }
        let from = versions
            .iter()
            .fold(None, |later, row| first_start(later, row, on).or(later));
        let not_in_force = || DueError::NotInForce {
            law: law.key.clone(),
            name: rule.to_owned(),
            on,
            from,
        };
        versions
            .into_iter()
            .find(|row| row.is_valid_on(on))
            .map(|row| (law, row))
            .ok_or_else(not_in_force)
    }

    /// The date a row gives, rolled and before rolling.
    pub(super) fn count(&self, law: &Law, row: &Row, from: Date) -> Result<(Date, Date), DueError> {
        let nominal = self.count_nominal(law, row, from)?;
        // Without a roll the calendar isn't asked, so that a count in calendar days needs no listed year.
        if row.text.roll == Roll::None {
            return Ok((nominal, nominal));
        }
        Ok((
            self.calendar_of(law, row)?.roll(nominal, row.text.roll)?,
            nominal,
        ))
    }

    fn count_nominal(&self, law: &Law, row: &Row, event: Date) -> Result<Date, DueError> {
        let from = if row.start == Start::EndOfYear {
            end_of_year(event)
        } else {
            event
        };
        let count = match row.amount {
            Amount::Count(count) if row.start == Start::Back => -count,
            Amount::Count(count) => count,
            Amount::Date(date) => return Ok(date),
            Amount::MonthDay(month, day) => return Ok(day_of_next_year(event, month, day)?),
            Amount::Term => return Err(row.wrong_unit("date")),
        };
        let counted = match row.unit {
            Unit::CalendarDays => add_calendar_days(from, count),
            Unit::BusinessDays => self.calendar_of(law, row)?.add_business_days(from, count),
            Unit::Months => add_months(from, count),
            Unit::Years if row.text.counted_from == "birth_date" => birthday(from, count),
            Unit::Years => add_years(from, count),
            _ => return Err(row.wrong_unit("date")),
        };
        Ok(counted?)
    }

    fn calendar_of(&self, law: &Law, row: &Row) -> Result<&Calendar, DueError> {
        let key = row.text.calendar.as_ref().unwrap_or(&law.calendar);
        // Assembling has checked that every named calendar exists; the error only keeps this total.
        let missing = || DueError::UnknownRule {
            rule: row.text.rule.clone(),
            law: law.key.clone(),
        };
        self.calendars.get(key).ok_or_else(missing)
    }
}

impl Row {
    fn citation(&self) -> Citation {
        Citation {
            rule: self.text.rule.clone(),
            clock: self.text.clock.clone(),
            citation: self.text.citation.clone(),
            confidence: self.text.confidence,
            source: self.text.source.clone(),
        }
    }

    pub(crate) fn wrong_unit(&self, wanted: &'static str) -> DueError {
        DueError::WrongUnit {
            rule: self.text.rule.clone(),
            unit: self.unit.as_str(),
            wanted,
        }
    }
}

/// The row's first day if it lies after `on` and before the best found so far.
fn first_start(best: Option<Date>, row: &Row, on: Date) -> Option<Date> {
    let start = row.text.valid_from;
    (start > on && best.is_none_or(|best| start < best)).then_some(start)
}

fn end_of_year(day: Date) -> Date {
    day.last_of_year()
}

/// The birthday on which an age is reached. Who was born on 29 February reaches it on 1 March in other years: the protection of
/// a minor must not end a day early, while a deadline must not end a day late.
pub(crate) fn birthday(birth: Date, years: i64) -> Result<Date, CalendarError> {
    let day = add_years(birth, years)?;
    if day.day() == birth.day() {
        Ok(day)
    } else {
        add_calendar_days(day, 1)
    }
}

fn day_of_next_year(event: Date, month: i8, day: i8) -> Result<Date, CalendarError> {
    let first = add_calendar_days(event.last_of_year(), 1)?;
    let of_month =
        Date::new(first.year(), month, 1).map_err(|_| CalendarError::OutOfRange(event))?;
    add_calendar_days(of_month, i64::from(day.min(of_month.days_in_month())) - 1)
}
