//! What the laws that protect a subject say about choices, read from their rows once a day and then only looked at.

use std::sync::Arc;

use jiff::civil::Date;

use crate::law::{
    Amount, DueError, Law, LawBook, Row, Unit, add_calendar_days, add_months, add_years,
};

/// Key of a row or a right of law data, e.g. `ccpa.silence`: the citation of an answer.
pub(super) type RuleKey = Arc<str>;

/// An age and the row that it stands in.
#[derive(Clone, Debug)]
pub(super) struct AgeRule {
    pub(super) years: i64,
    pub(super) rule: RuleKey,
}

/// A wait and the row that it stands in.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    count: i64,
    unit: Unit,
    pub(super) rule: RuleKey,
}

impl Wait {
    /// The first day after the wait.
    pub(super) fn ends(&self, from: Date) -> Option<Date> {
        match self.unit {
            Unit::CalendarDays => add_calendar_days(from, self.count),
            Unit::Years => add_years(from, self.count),
            _ => add_months(from, self.count),
        }
        .ok()
    }
}

/// What a law says about sensitive data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sensitive {
    /// The subject may opt out.
    OptOut,
    /// Only with consent.
    OptIn,
    /// Only where strictly necessary, and never sold.
    NecessaryOnly,
}

/// What one law says about choices.
#[derive(Clone, Debug, Default)]
pub(super) struct LawTerms {
    pub(super) law: String,
    /// Below that age only a guardian's consent counts.
    pub(super) guardian: Option<AgeRule>,
    /// Below that age nothing is sold or shared without consent.
    pub(super) sale_by_consent: Option<AgeRule>,
    /// Below that age nothing is sold or shared at all.
    pub(super) sale_ban: Option<AgeRule>,
    pub(super) opt_out: Option<RuleKey>,
    pub(super) consent: Option<RuleKey>,
    pub(super) signal: Option<RuleKey>,
    pub(super) signal_and_consent: Option<RuleKey>,
    pub(super) signal_and_incentive: Option<RuleKey>,
    pub(super) two_steps: Option<RuleKey>,
    pub(super) sensitive: Option<(Sensitive, RuleKey)>,
    pub(super) location_sale_ban: Option<RuleKey>,
    pub(super) incentive: Option<RuleKey>,
    pub(super) without_notice: Option<RuleKey>,
    pub(super) silence: Option<Wait>,
    pub(super) silence_minor: Option<Wait>,
    pub(super) silence_incentive: Option<Wait>,
}

/// What all laws that protect a subject say about choices on one day. The strictest of them governs (facts T21).
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub(super) laws: Vec<LawTerms>,
}

/// The law beside the law of every state: below which age a guardian consents.
const FEDERAL_AGE: &str = "coppa.age_of_own_consent";

impl Terms {
    /// Reads the rows of these laws (keys or aliases) that hold on `day`. Without a law only what the business declares counts.
    ///
    /// # Errors
    /// An unknown law, or a row whose unit says no age and no wait.
    pub fn of(book: &LawBook, laws: &[&str], day: Date) -> Result<Self, DueError> {
        let read = |name: &&str| Reader::new(book, book.law(name)?, day).terms();
        let laws = laws.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { laws })
    }

    pub(super) fn first(&self, find: impl Fn(&LawTerms) -> Option<&RuleKey>) -> Option<RuleKey> {
        self.laws.iter().find_map(find).cloned()
    }
}

/// Reads the rows of one law on one day.
struct Reader<'a> {
    book: &'a LawBook,
    law: &'a Law,
    day: Date,
}

impl<'a> Reader<'a> {
    const fn new(book: &'a LawBook, law: &'a Law, day: Date) -> Self {
        Self { book, law, day }
    }

    fn terms(&self) -> Result<LawTerms, DueError> {
        let minors = self.age("minors")?;
        let is_ban = |row: &Row| row.text.clock == "sale_ban_ends";
        let (sale_ban, by_consent) = match self.row("minors") {
            Some(row) if is_ban(row) => (minors, None),
            _ => (None, minors),
        };
        Ok(LawTerms {
            law: self.law.key.clone(),
            guardian: self.guardian()?,
            sale_by_consent: self.age("age_of_opt_out")?.or(by_consent),
            sale_ban,
            opt_out: self.key("opt_out").or_else(|| self.right("opt_out")),
            consent: self.key("consent"),
            signal: self.key("signal"),
            signal_and_consent: self.key("signal_and_consent"),
            signal_and_incentive: self.key("signal_and_incentive"),
            two_steps: self.key("opt_in_steps"),
            sensitive: self.row("sensitive").map(sensitive),
            location_sale_ban: self.key("geolocation_sale"),
            incentive: self.key("incentive"),
            without_notice: self.key("collected_without_notice"),
            silence: self.wait("silence")?,
            silence_minor: self.wait("silence_minor")?,
            silence_incentive: self.wait("silence_incentive")?,
        })
    }

    /// The law's own age, else in the United States that of the federal law.
    fn guardian(&self) -> Result<Option<AgeRule>, DueError> {
        let own = self.age("age_of_own_opt_in")?;
        let own = own.map_or_else(|| self.age("age_of_own_consent"), |age| Ok(Some(age)))?;
        if own.is_some() || !self.law.jurisdiction.starts_with("US") {
            return Ok(own);
        }
        let federal = FEDERAL_AGE.split_once('.').and_then(|(law, name)| {
            let law = self.book.law(law).ok()?;
            Some((Self::new(self.book, law, self.day), name))
        });
        federal.map_or(Ok(None), |(reader, name)| reader.age(name))
    }

    fn row(&self, name: &str) -> Option<&'a Row> {
        let is_it = |row: &&Row| {
            row.text
                .rule
                .strip_prefix(&self.law.key)
                .and_then(|rest| rest.strip_prefix('.'))
                == Some(name)
                && row.is_valid_on(self.day)
        };
        self.law.rows.iter().find(is_it)
    }

    fn key(&self, name: &str) -> Option<RuleKey> {
        self.row(name).map(|row| row.text.rule.as_str().into())
    }

    fn right(&self, name: &str) -> Option<RuleKey> {
        let right = self.law.right(name).ok()?;
        Some(format!("{}.{}", self.law.key, right.right).into())
    }

    fn age(&self, name: &str) -> Result<Option<AgeRule>, DueError> {
        let Some(row) = self.row(name) else {
            return Ok(None);
        };
        let (Amount::Count(years), Unit::Years) = (row.amount, row.unit) else {
            return Err(row.wrong_unit("age"));
        };
        Ok(Some(AgeRule {
            years,
            rule: row.text.rule.as_str().into(),
        }))
    }

    fn wait(&self, name: &str) -> Result<Option<Wait>, DueError> {
        let Some(row) = self.row(name) else {
            return Ok(None);
        };
        let (Amount::Count(count), Unit::CalendarDays | Unit::Months | Unit::Years) =
            (row.amount, row.unit)
        else {
            return Err(row.wrong_unit("wait"));
        };
        Ok(Some(Wait {
            count,
            unit: row.unit,
            rule: row.text.rule.as_str().into(),
        }))
    }
}

/// An unknown word is read as the need for consent: the default is to withhold.
fn sensitive(row: &Row) -> (Sensitive, RuleKey) {
    let term = match row.text.value.to_string().as_str() {
        "notice_and_opt_out" => Sensitive::OptOut,
        "strictly_necessary_no_sale" => Sensitive::NecessaryOnly,
        _ => Sensitive::OptIn,
    };
    (term, row.text.rule.as_str().into())
}
