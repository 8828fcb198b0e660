//! Law as data: rights, clocks, verification and reasons are dated, cited rows; this file only counts what the rows say.
//!
//! INVARIANT: no legal number stands in code. A date that no row supports is an error, never a guess.

pub mod calendar;
pub mod category;
mod check;
pub mod clocks;
pub mod reason;
pub mod row;

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use calendar::{
    Calendar, CalendarError, CalendarFile, add_calendar_days, add_months, add_years,
};
pub use category::{Category, CategoryFile, CategoryTerm, NeverDisclose};
pub use check::{Fault, Faults, JurisdictionFile, LawParts, LawText};
pub use clocks::{Citation, Clocks, ExtensionError, InvalidReceived, Received, earliest};
pub use reason::{Message, MessageFile, Reason, ReasonFile, ReasonKind, Source, SourceFile};
pub use row::{Confidence, Roll, Row, RowText, Unit, Value};

use calendar::days_between;
use row::{Amount, Start};

/// How sure the business must be of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// Asking for proof of identity is forbidden.
    Forbidden,
    /// To a reasonable degree of certainty.
    Reasonable,
    /// Reasonable or reasonably high, by the sensitivity of the data and the harm of a mistake.
    ReasonableOrHigh,
    /// To a reasonably high degree of certainty.
    ReasonablyHigh,
}

impl Verification {
    /// Whether identity may be asked for at all.
    pub const fn is_allowed(self) -> bool {
        !matches!(self, Self::Forbidden)
    }
}

/// One right under one law.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// Its key, e.g. `know_specific`.
    pub right: String,
    /// Plain words.
    pub title: String,
    /// Other names under which it is found, such as another law's key for the same wish.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// How sure the business must be of who asks.
    pub verification: Verification,
    /// Where it stands.
    #[serde(default)]
    pub citation: String,
    /// How far it was checked.
    pub confidence: Confidence,
    /// Keys of `sources.yaml`.
    #[serde(default)]
    pub source: Option<String>,
}

/// One law: its rights and its rows.
#[derive(Clone, Debug)]
pub struct Law {
    /// Its key, e.g. `ccpa`.
    pub key: String,
    /// Other names under which it is found.
    pub aliases: Vec<String>,
    /// Its name.
    pub title: String,
    /// Where it stands.
    pub citation: String,
    /// Whose law it is, e.g. `US-CA`.
    pub jurisdiction: String,
    /// The file it comes from.
    pub file: String,
    /// Its rights.
    pub rights: Vec<Right>,
    /// Its rows.
    pub rows: Vec<Row>,
    time_zone: TimeZone,
    calendar: String,
}

/// All law data, checked.
#[derive(Clone, Debug)]
pub struct LawBook {
    laws: BTreeMap<String, Law>,
    calendars: BTreeMap<String, Calendar>,
    categories: BTreeMap<String, Category>,
    ccpa_categories: BTreeMap<String, CategoryTerm>,
    sensitive_categories: BTreeMap<String, CategoryTerm>,
    reasons: Vec<Reason>,
    messages: Vec<Message>,
    sources: Vec<Source>,
}

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
        moved.rows.push(permission.citation());
        Ok(moved)
    }

    /// A law by key or alias, in any case; `-` reads as `_`.
    ///
    /// # Errors
    /// No law is called that; the error lists all.
    pub fn law(&self, name: &str) -> Result<&Law, DueError> {
        let key = normal(name);
        let found = self
            .laws
            .get(&key)
            .or_else(|| self.laws.values().find(|law| law.aliases.contains(&key)));
        found.ok_or_else(|| DueError::UnknownLaw {
            law: name.to_owned(),
            known: self.laws.keys().cloned().collect(),
        })
    }

    /// All laws by key.
    pub fn laws(&self) -> impl Iterator<Item = &Law> {
        self.laws.values()
    }

    /// How sure the business must be of who asks.
    ///
    /// # Errors
    /// Unknown law or right.
    pub fn verification(&self, law: &str, right: &str) -> Result<Verification, DueError> {
        Ok(self.law(law)?.right(right)?.verification)
    }

    /// A calendar by key, e.g. `CA-MIN`.
    pub fn calendar(&self, key: &str) -> Option<&Calendar> {
        self.calendars.get(key)
    }

    /// The exceptions for which data may be kept, and the cases that a deletion doesn't reach.
    pub fn exceptions(&self) -> impl Iterator<Item = &Reason> {
        let is_exception =
            |kind| matches!(kind, ReasonKind::DeletionException | ReasonKind::OutOfReach);
        self.reasons
            .iter()
            .filter(move |reason| is_exception(reason.kind))
    }

    /// All reasons: exceptions, denials and the buckets of the metrics.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// A reason by its code.
    pub fn reason(&self, code: &str) -> Option<&Reason> {
        self.reasons.iter().find(|reason| reason.reason == code)
    }

    /// What a message must contain.
    pub fn message(&self, key: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.message == key)
    }

    /// All messages whose content the law prescribes.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// What a row may name as its source.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Whether the taxonomy has that data category, exactly so written.
    pub fn is_known_category(&self, key: &str) -> bool {
        self.categories.contains_key(key)
    }

    /// All data categories by key.
    pub fn categories(&self) -> impl Iterator<Item = &Category> {
        self.categories.values()
    }

    /// A data category, or for a key that the taxonomy lacks its nearest parent (`user.contact.email.work`: `user.contact.email`).
    pub fn category(&self, key: &str) -> Option<&Category> {
        category::nearest(key, |key| self.categories.get(key))
    }

    /// Letters A to L of Civ. Code 1798.140(v)(1) for a data category; empty if it is unknown or no personal information.
    pub fn ccpa_categories(&self, key: &str) -> &[String] {
        self.category(key).map_or(&[], |category| &category.ccpa)
    }

    /// The words of a letter of Civ. Code 1798.140(v)(1).
    pub fn ccpa_category(&self, letter: &str) -> Option<&CategoryTerm> {
        self.ccpa_categories.get(letter)
    }

    /// The words of a key of sensitive personal information.
    pub fn sensitive_category(&self, key: &str) -> Option<&CategoryTerm> {
        self.sensitive_categories.get(key)
    }

    /// Where it stands that a value of this data category is described and never shown, if it stands anywhere. What lies under such
    /// a category is withheld with it.
    pub fn never_disclosed(&self, key: &str) -> Option<&str> {
        let find = |key| self.categories.get(key)?.never_disclose.as_ref();
        category::nearest(key, find).map(|reason| reason.citation.as_str())
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
    fn count(&self, law: &Law, row: &Row, from: Date) -> Result<(Date, Date), DueError> {
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

impl Law {
    /// A right by key or alias, in any case; `-` reads as `_`.
    ///
    /// # Errors
    /// The law has no such right; the error lists all.
    pub fn right(&self, name: &str) -> Result<&Right, DueError> {
        let key = normal(name);
        let exact = self.rights.iter().find(|right| right.right == key);
        let found = exact.or_else(|| {
            self.rights
                .iter()
                .find(|right| right.aliases.contains(&key))
        });
        let known = || {
            self.rights
                .iter()
                .map(|right| right.right.clone())
                .collect()
        };
        found.ok_or_else(|| DueError::UnknownRight {
            law: self.key.clone(),
            right: name.to_owned(),
            known: known(),
        })
    }

    /// The local date of receipt in the law's jurisdiction (facts T13).
    pub fn receipt_date(&self, received: &Received) -> Date {
        match received {
            Received::Date(date) => *date,
            Received::At(moment) => moment.to_zoned(self.time_zone.clone()).date(),
        }
    }

    /// The law's time zone, e.g. `America/Los_Angeles`.
    pub fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// The calendar that its business days use.
    pub fn calendar(&self) -> &str {
        &self.calendar
    }

    /// The rows that count from receipt of a privacy request for that right.
    fn rows_of(&self, right: &Right) -> impl Iterator<Item = &Row> {
        let rows = self.rows.iter().filter(|row| row.is_counted_from_receipt());
        rows.filter(|row| row.text.rights.contains(&right.right))
    }

    /// A right that has rows, of which none holds on that day, gives an error instead of silence.
    fn check_without_clock(
        &self,
        right: &Right,
        on: Date,
        from: Option<Date>,
    ) -> Result<(), DueError> {
        let has_clock = self.rows_of(right).any(|row| !row.is_valid_on(on));
        if !has_clock {
            return Ok(());
        }
        Err(DueError::NotInForce {
            law: self.key.clone(),
            name: right.right.clone(),
            on,
            from,
        })
    }
}

impl Right {
    fn as_citation(&self) -> Citation {
        Citation {
            rule: self.right.clone(),
            clock: "right".to_owned(),
            citation: self.citation.clone(),
            confidence: self.confidence,
            source: self.source.clone(),
        }
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

    fn wrong_unit(&self, wanted: &'static str) -> DueError {
        DueError::WrongUnit {
            rule: self.text.rule.clone(),
            unit: self.unit.as_str(),
            wanted,
        }
    }
}

/// Keys are compared in lower case with `_`.
fn normal(name: &str) -> String {
    name.trim().to_lowercase().replace('-', "_")
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
fn birthday(birth: Date, years: i64) -> Result<Date, CalendarError> {
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
