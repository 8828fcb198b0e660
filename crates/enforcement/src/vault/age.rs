//! How old a subject is: her birth date is read inside the vault, for a permit that lets nothing out, and what comes out has no text form.
//!
//! Law: Civ. Code 1798.120(c) (whom a guardian consents for, and who opts in to sale herself).

use domain::consent::{Age, BirthDate};
use domain::disclosure::AttributeName;
use domain::profile::{AttributeRule, Schema};
use domain::sensitive::Sealed;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::seal::VaultError;
use super::segment::{SegmentPlace, stored};
use super::subject_key::SubjectKey;
use crate::permit::{RecordedPermit, Verdict};

impl SubjectKey {
    /// The age by the birth dates that the sources of one segment state at `now`; where they differ, the youngest. Unknown when none is
    /// stated, when its time is over, when its source is no longer one of the attribute's, and when it is no day of the past.
    ///
    /// # Errors
    /// [`VaultError::WrongSubject`] when the permit is about another subject; [`VaultError::NotPermitted`] when it is not one for who may
    /// consent; [`VaultError::Damaged`], [`VaultError::Profile`].
    pub fn age(
        &self,
        permit: &RecordedPermit,
        schema: &Schema,
        place: &SegmentPlace,
        sealed: &Sealed,
        now: Timestamp,
    ) -> Result<Age, VaultError> {
        if !permit.covers(self.subject) {
            return Err(VaultError::WrongSubject);
        }
        let rule = permitted(permit, schema)?;
        let inside = self.decrypt_segment(place, sealed)?;
        let said = stored(place, &inside)?.into_iter().filter(|value| {
            let is_kept = rule.expires(value.observed_at).is_none_or(|end| end > now);
            value.attribute == rule.number && rule.sources.contains(&value.source) && is_kept
        });
        let ages = said.filter_map(|value| age_from(value.text, now));
        Ok(ages.fold(Age::Unknown, Age::or_younger))
    }
}

/// The attribute that the permit lets the vault look at.
fn permitted<'s>(
    permit: &RecordedPermit,
    schema: &'s Schema,
) -> Result<&'s AttributeRule, VaultError> {
    let rule = schema.birth_date();
    let rule = rule.ok_or_else(|| VaultError::NotPermitted("profile:birth_date".to_owned()))?;
    let name = AttributeName::Profile(rule.number, rule.key.clone());
    match permit.verdict(&name) {
        Some(Verdict::AgeOnly) => Ok(rule),
        _ => Err(VaultError::NotPermitted(name.to_string())),
    }
}

/// Somewhere on earth it is tomorrow; whoever was born after that was not born yet, and somebody mistyped.
pub(super) fn age_from(text: &str, now: Timestamp) -> Option<Age> {
    let born: Date = text.parse().ok()?;
    let today = now.to_zoned(TimeZone::UTC).date();
    let is_past = born <= today.saturating_add(1.day());
    is_past.then(|| Age::Born(BirthDate::new(born)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_day_of_the_past_is_a_birth_date() {
        let now = Timestamp::from_second(1_793_642_400).unwrap_or_default();
        for nothing in ["", "soon", "2026-13-01", "2099-01-01", "1 May 2012"] {
            assert!(age_from(nothing, now).is_none(), "{nothing}");
        }
        assert!(age_from("2012-05-01", now).is_some());
    }
}
