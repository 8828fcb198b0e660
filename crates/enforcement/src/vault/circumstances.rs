//! Which law protects a subject and how old she is, as policies ask for it: read inside the vault whenever her facts are worked out, and
//! nothing that could be read comes out: a jurisdiction, and an age that only folds weigh.
//!
//! No permit is asked for, as for the tags of her identifiers: this is how the vault keeps what decisions rest on beside what it seals.
//! Decision: docs/decisions/014-facts-are-kept-with-the-profile.md.

use domain::consent::Age;
use domain::policy::jurisdiction_of;
use domain::profile::body::StoredValue;
use domain::profile::{AttributeNumber, AttributeRule, Preference, Schema};
use domain::sensitive::Sealed;
use jiff::Timestamp;

use super::age::age_from;
use super::seal::VaultError;
use super::segment::{SegmentPlace, stored};
use super::subject_key::SubjectKey;

/// What one record says of whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordCircumstances {
    /// The jurisdiction of law data; none when the record says nothing of where she lives.
    pub jurisdiction: Option<String>,
    /// Her age; where sources differ, the youngest.
    pub age: Age,
}

/// A value that counts so far, with its place in the order of trust.
type Best = Option<((usize, i64), String)>;

impl SubjectKey {
    /// What a record's segments say at `now`; those without such an attribute need not be given. Values whose time is over don't count.
    ///
    /// # Errors
    /// [`VaultError::Damaged`], [`VaultError::Profile`].
    pub fn circumstances<'a>(
        &self,
        schema: &Schema,
        segments: impl IntoIterator<Item = (SegmentPlace, &'a Sealed)>,
        now: Timestamp,
    ) -> Result<RecordCircumstances, VaultError> {
        let lives_in = schema.lives_in().unwrap_or_default();
        let birth_date = schema.birth_date().map(|rule| rule.number);
        let (mut age, mut country, mut region): (Age, Best, Best) = (Age::Unknown, None, None);
        for (place, sealed) in segments {
            let inside = self.decrypt_segment(&place, sealed)?;
            for value in stored(&place, &inside)? {
                let Some(rule) = counting(schema, &value, now) else {
                    continue;
                };
                let is = |number: Option<AttributeNumber>| number == Some(rule.number);
                if is(birth_date) && rule.sources.contains(&value.source) {
                    age = age.or_younger(age_from(value.text, now).unwrap_or(Age::Unknown));
                }
                if is(lives_in.country) {
                    prefer(&mut country, rule, &value);
                }
                if is(lives_in.region) {
                    prefer(&mut region, rule, &value);
                }
            }
        }
        let is_said = country.is_some() || region.is_some();
        let text = |best: &Best| best.as_ref().map(|(_, text)| text.clone());
        let default = schema
            .identity()
            .default_country
            .map(|country| country.code());
        let found = jurisdiction_of(text(&country).as_deref(), text(&region).as_deref(), default);
        Ok(RecordCircumstances {
            jurisdiction: is_said.then_some(found),
            age,
        })
    }
}

fn counting<'s>(
    schema: &'s Schema,
    value: &StoredValue<'_>,
    now: Timestamp,
) -> Option<&'s AttributeRule> {
    let rule = schema.attribute(value.attribute)?;
    let is_kept = rule.expires(value.observed_at).is_none_or(|end| end > now);
    is_kept.then_some(rule)
}

/// Takes a value that counts more than the one before.
fn prefer(best: &mut Best, rule: &AttributeRule, value: &StoredValue<'_>) {
    let age = -value.observed_at.as_microsecond();
    let order = match rule.prefer {
        Preference::Precedence => (rule.rank(value.source), age),
        Preference::Recency => (0, age),
    };
    if best.as_ref().is_none_or(|(known, _)| order < *known) {
        *best = Some((order, value.text.to_owned()));
    }
}
