//! How often a right must be answered within a while, where a law says so (Civ. Code 1798.130(b)).

use jiff::civil::Date;

use super::row::Amount;
use super::{DueError, LawBook, Row};

/// The clock of the row that says how many privacy requests must be answered.
const NUMBER: &str = "requests_in_window";
/// The clock of the row that says since when they count.
const WINDOW: &str = "window_from";

/// So many privacy requests of one person must be answered within a while; beyond it an operator decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub most: u64,
    /// Those received after this day count, back from the new one (facts T15: the window rolls). On the day itself a year is over.
    pub after: Date,
    /// Keys of the rights that count together.
    pub rights: Vec<String>,
    /// Where it stands.
    pub citation: String,
}

impl LawBook {
    /// The limit for a privacy request received on that day; none where the law has no such rows. `law` and `right` are keys or aliases.
    ///
    /// # Errors
    /// Unknown law or right, or a date out of range.
    pub fn limit(
        &self,
        law: &str,
        right: &str,
        received_on: Date,
    ) -> Result<Option<Limit>, DueError> {
        let law = self.law(law)?;
        let right = law.right(right)?;
        let find = |clock: &str| {
            law.rows.iter().find(|row: &&Row| {
                row.text.clock == clock
                    && row.is_valid_on(received_on)
                    && row.text.rights.contains(&right.right)
            })
        };
        let (Some(number), Some(window)) = (find(NUMBER), find(WINDOW)) else {
            return Ok(None);
        };
        let Amount::Count(most) = number.amount else {
            return Ok(None);
        };
        Ok(Some(Limit {
            most: u64::try_from(most).unwrap_or(u64::MAX),
            after: self.count(law, window, received_on)?.0,
            rights: number.text.rights.clone(),
            citation: number.text.citation.clone(),
        }))
    }
}
