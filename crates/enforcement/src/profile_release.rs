//! A profile on its way out: what a recorded permit allows stays, what it describes becomes a description, the rest is gone.

use std::collections::{BTreeMap, BTreeSet};

use domain::data_map::ValueKind;
use domain::disclosure::AttributeName;
use domain::profile::{AttributeKey, AttributeNumber, AttributeRule, MergedProfile, Schema};
use domain::row::JsonValue;
use domain::sensitive::Sensitive;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::permit::{RecordedPermit, Verdict};
use crate::release::Released;

/// A profile that may be written out. Made by [`release_profile`] alone.
pub struct ReleasedProfile {
    attributes: BTreeMap<AttributeKey, Released>,
}

/// Passes a merged profile through a recorded permit. `described` are attributes that are held and whose values never leave, as
/// opening the segments found them. What the permit does not name, and what stands in another subject's record, is dropped.
pub fn release_profile(
    permit: &RecordedPermit,
    schema: &Schema,
    merged: &MergedProfile<'_>,
    described: &BTreeSet<AttributeNumber>,
) -> ReleasedProfile {
    let mut attributes = BTreeMap::new();
    for rule in schema.attributes() {
        let name = AttributeName::Profile(rule.number, rule.key.clone());
        let released = match permit.verdict(&name) {
            Some(Verdict::Allowed) => merged
                .get(&rule.number)
                .filter(|one| permit.covers(one.chosen.subject))
                .map(|one| Released::Value(json(rule, &one.chosen.value.value))),
            Some(Verdict::Described { text, .. }) => described
                .contains(&rule.number)
                .then(|| Released::Description(text.clone())),
            None => None,
        };
        attributes.extend(released.map(|released| (rule.key.clone(), released)));
    }
    ReleasedProfile { attributes }
}

/// The JSON value of a canonical text: numbers that JSON keeps exactly, booleans and documents as themselves, the rest as text.
fn json(rule: &AttributeRule, value: &Sensitive<String>) -> Sensitive<JsonValue> {
    let text = value.expose();
    let typed = match rule.kind {
        ValueKind::Integer => text.parse::<i64>().ok().map(Value::from),
        ValueKind::Boolean => text.parse::<bool>().ok().map(Value::from),
        ValueKind::Json => serde_json::from_str(text).ok(),
        _ => None,
    };
    Sensitive::new(JsonValue(
        typed.unwrap_or_else(|| Value::String(text.clone())),
    ))
}

impl ReleasedProfile {
    /// Its attributes by key.
    pub const fn attributes(&self) -> &BTreeMap<AttributeKey, Released> {
        &self.attributes
    }
}

impl Serialize for ReleasedProfile {
    /// An object of attributes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.attributes)
    }
}
