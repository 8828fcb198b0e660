//! Several records of one subject seen as one: which value counts, and every other value beside it, so that a conflict is shown
//! and not settled in silence.
//!
//! Which value counts follows from the schema and the values alone, never from the order in which records came in.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::Profile;
use super::key::AttributeNumber;
use super::schema::{AttributeRule, Preference, Schema};
use super::value::AttributeValue;
use crate::id::SubjectId;

/// One value, and whose record it stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The record.
    pub subject: SubjectId,
    /// The value.
    pub value: &'a AttributeValue,
}

/// One attribute of a subject over all of her records.
#[derive(Clone, PartialEq, Eq)]
pub struct Merged<'a> {
    /// What counts.
    pub chosen: Candidate<'a>,
    /// What else is there, best first; some of it may say the same.
    pub others: Vec<Candidate<'a>>,
}

/// A subject's profile over all of her records, by attribute.
#[derive(Clone, PartialEq, Eq)]
pub struct MergedProfile<'a>(Vec<(AttributeNumber, Merged<'a>)>);

impl<'a> MergedProfile<'a> {
    /// One attribute.
    pub fn get(&self, attribute: AttributeNumber) -> Option<&Merged<'a>> {
        let found = self
            .0
            .binary_search_by_key(&attribute, |(number, _)| *number);
        self.0.get(found.ok()?).map(|(_, merged)| merged)
    }

    /// Attributes of which anything is known, by number.
    pub fn attributes(&self) -> impl ExactSizeIterator<Item = (AttributeNumber, &Merged<'a>)> {
        self.0.iter().map(|(number, merged)| (*number, merged))
    }
}

impl<'a> Merged<'a> {
    /// Candidates that say something else than what counts.
    pub fn conflicts(&self) -> impl Iterator<Item = &Candidate<'a>> {
        let chosen = &self.chosen.value.value;
        self.others
            .iter()
            .filter(move |other| other.value.value != *chosen)
    }
}

/// Merges the records of one subject as they are `now`: values whose time is over and attributes that the schema no longer knows
/// don't count.
pub fn merge<'a>(
    schema: &Schema,
    profiles: impl IntoIterator<Item = &'a Profile>,
    now: Timestamp,
) -> MergedProfile<'a> {
    let mut candidates: Vec<(AttributeNumber, Candidate<'a>)> = Vec::new();
    for profile in profiles {
        let subject = profile.subject();
        let values = profile.values();
        candidates
            .extend(values.map(|(attribute, value)| (attribute, Candidate { subject, value })));
    }
    // One record's segments hold different attributes, each in order, so that there is little to do.
    candidates.sort_by_key(|(attribute, _)| *attribute);
    let mut merged = Vec::with_capacity(candidates.len());
    let of_each = candidates.chunk_by(|(one, _), (other, _)| one == other);
    merged.extend(of_each.filter_map(|candidates| {
        let (number, _) = candidates.first()?;
        let rule = schema.attribute(*number)?;
        let all = candidates.iter().map(|(_, candidate)| *candidate);
        Some((*number, best_first(rule, all, now)?))
    }));
    MergedProfile(merged)
}

fn best_first<'a>(
    rule: &AttributeRule,
    candidates: impl Iterator<Item = Candidate<'a>>,
    now: Timestamp,
) -> Option<Merged<'a>> {
    let mut kept = candidates.filter(|one| {
        rule.expires(one.value.observed_at)
            .is_none_or(|end| end > now)
    });
    let chosen = kept.next()?;
    let mut others: Vec<_> = kept.collect();
    if others.is_empty() {
        return Some(Merged { chosen, others });
    }
    others.push(chosen);
    // The whole order, down to the text and the record, so that nothing is left to chance.
    others.sort_by(|one, other| order(rule, one).cmp(&order(rule, other)));
    others.dedup();
    let chosen = others.remove(0);
    Some(Merged { chosen, others })
}

type Order<'a> = (
    usize,
    Reverse<Timestamp>,
    usize,
    Reverse<bool>,
    Reverse<u8>,
    &'a str,
    SubjectId,
    u16,
);

/// Smaller is better.
fn order<'a>(rule: &AttributeRule, candidate: &Candidate<'a>) -> Order<'a> {
    let value = candidate.value;
    let rank = rule.rank(value.source);
    let (first, last) = match rule.prefer {
        Preference::Precedence => (rank, 0),
        Preference::Recency => (0, rank),
    };
    (
        first,
        Reverse(value.observed_at),
        last,
        Reverse(value.verified),
        Reverse(value.confidence.as_percent()),
        value.value.expose(),
        candidate.subject,
        value.source.0,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::super::{Confidence, SchemaFile, SourceNumber};
    use super::*;
    use crate::law::Category;

    fn schema() -> Schema {
        let category: Category =
            serde_saphyr::from_str("{ category: user.name, title: Name }").unwrap();
        let file: SchemaFile = serde_saphyr::from_str(
            r"
version: 1
sources: [{ source: crm, number: 1, title: C }, { source: shop, number: 2, title: S }]
attributes:
  - { attribute: name, number: 1, title: N, category: user.name, sources: [crm, shop] }
  - { attribute: mood, number: 2, title: M, category: user.name, prefer: recency, retention: { keep_for: 1 day, because: moods pass } }
",
        )
        .unwrap();
        Schema::check(
            "profile.yaml",
            &file,
            &[("user.name".to_owned(), category)].into(),
        )
        .unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn record(number: u128, values: &[(u16, u16, i64, &str)]) -> Profile {
        let mut profile = Profile::new(SubjectId::from_uuid(uuid::Uuid::from_u128(number)));
        profile.extend(values.iter().map(|(attribute, source, second, text)| {
            let value = AttributeValue {
                value: (*text).to_owned().into(),
                source: SourceNumber(*source),
                observed_at: at(*second),
                confidence: Confidence::FULL,
                verified: false,
            };
            (AttributeNumber(*attribute), value)
        }));
        profile
    }

    const NAME: AttributeNumber = AttributeNumber(1);
    const MOOD: AttributeNumber = AttributeNumber(2);

    #[test]
    fn the_trusted_source_counts_and_the_conflict_is_shown() {
        let records = [
            record(1, &[(1, 2, 900, "Ada B."), (1, 1, 100, "Ada")]),
            record(2, &[(1, 2, 950, "Ada")]),
        ];
        let schema = schema();
        let merged = merge(&schema, &records, at(1000));
        let name = merged.get(NAME).unwrap();
        assert_eq!(name.chosen.value.value.expose(), "Ada");
        assert_eq!(name.chosen.value.source, SourceNumber(1));
        assert_eq!(name.others.len(), 2);
        let conflicts: Vec<_> = name
            .conflicts()
            .map(|other| other.value.value.expose().as_str())
            .collect();
        assert_eq!(conflicts, ["Ada B."]);
    }

    #[test]
    fn where_the_schema_prefers_it_the_newest_counts_until_its_time_is_over() {
        let records = [
            record(1, &[(2, 1, 100, "calm"), (2, 2, 200, "glad")]),
            record(2, &[(9, 1, 1, "unknown")]),
        ];
        let schema = schema();
        let merged = merge(&schema, &records, at(300));
        assert_eq!(
            merged.get(MOOD).unwrap().chosen.value.value.expose(),
            "glad"
        );
        assert_eq!(
            merged.attributes().len(),
            1,
            "an attribute that the schema does not know is not part of it"
        );
        let later = merge(&schema, &records, at(86_400 + 200));
        assert_eq!(later.attributes().len(), 0);
    }

    #[test]
    fn a_source_that_is_not_declared_comes_last() {
        let records = [record(1, &[(1, 7, 900, "Bob"), (1, 2, 100, "Ada")])];
        assert_eq!(
            merge(&schema(), &records, at(1000))
                .get(NAME)
                .unwrap()
                .chosen
                .value
                .value
                .expose(),
            "Ada"
        );
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            (values, order) in proptest::collection::vec((1u128..5, 1u16..3, 1u16..4, 0i64..4, "[ab]{1,2}"), 1..12)
                .prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
        ) {
            let schema = schema();
            // One record a value, so that the order is that of the values, whoever's they are.
            let records = |values: &[(u128, u16, u16, i64, String)]| -> Vec<Profile> {
                values.iter().map(|(subject, attribute, source, second, text)| record(*subject, &[(*attribute, *source, *second, text)])).collect()
            };
            let (one, other) = (records(&values), records(&order));
            prop_assert!(merge(&schema, &one, at(10)) == merge(&schema, &other, at(10)));
        }
    }
}
