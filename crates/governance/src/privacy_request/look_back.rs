//! A subject may ask to know from a day on: rows that the data map can date, and that are older, are left out.
//!
//! Law: 11 CCR 7020(e) (she chooses how far back), Cal. Civ. Code 1798.130(a)(2)(B). In doubt she gets more: a row without a date, or with
//! one that can't be read, is given.

use domain::data_map::{Collection, FieldName, ValueKind};
use enforcement::ReleasedRow;
use jiff::civil::Date;

/// What is left out of one collection.
pub(crate) struct LookBack<'c> {
    field: &'c FieldName,
    before: Date,
}

impl<'c> LookBack<'c> {
    /// The rule for a collection; none where everything is asked for, or the data map doesn't say which field dates its rows
    /// (`retention.since`).
    pub(crate) fn of(collection: &'c Collection, since: Option<Date>) -> Option<Self> {
        let name = collection.retention.as_ref()?.since.as_ref()?;
        let field = collection.field(name)?;
        let before = match field.kind {
            ValueKind::Date => since?,
            // Where the clock of the source system stands is not known; a day earlier is older everywhere.
            ValueKind::Timestamp => since?.yesterday().ok()?,
            _ => return None,
        };
        Some(Self {
            field: &field.name,
            before,
        })
    }

    /// Whether a row is certainly older.
    pub(crate) fn leaves_out(&self, row: &ReleasedRow) -> bool {
        let text = row.text(self.field);
        let day = text.get(..10).and_then(|day| day.parse::<Date>().ok());
        day.is_some_and(|day| day < self.before)
    }
}
