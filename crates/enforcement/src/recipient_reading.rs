//! A profile on its way to a recipient: opened, merged, altered and released in here, so that of what may go out only in part the whole
//! never leaves the vault.

use std::sync::Arc;

use domain::id::SubjectId;
use domain::profile::{AttributeRule, MergedProfile, Profile, Schema, merge};
use domain::row::JsonValue;
use domain::sensitive::{Sealed, Sensitive};
use jiff::Timestamp;
use serde_json::Value;

use crate::json_filter::Alter;
use crate::permit::{RecordedPermit, Verdict};
use crate::profile_release::{ReleasedProfile, json};
use crate::release::Released;
use crate::vault::{SegmentPlace, SubjectKey, VaultError};

/// What was opened for a recipient so far.
pub struct RecipientReading<'p> {
    permit: &'p RecordedPermit,
    schema: Arc<Schema>,
    profiles: Vec<Profile>,
}

impl<'p> RecipientReading<'p> {
    /// Nothing yet.
    pub const fn new(permit: &'p RecordedPermit, schema: Arc<Schema>) -> Self {
        Self {
            permit,
            schema,
            profiles: Vec::new(),
        }
    }

    /// Opens a segment.
    ///
    /// # Errors
    /// As [`SubjectKey::open_segment`].
    pub fn open(
        &mut self,
        key: &SubjectKey,
        place: &SegmentPlace,
        sealed: &Sealed,
    ) -> Result<(), VaultError> {
        let profile = key.open_for_recipient(self.permit, &self.schema, place, sealed)?;
        self.profiles.push(profile);
        Ok(())
    }

    /// What goes out.
    pub fn release(&self, alter: &dyn Alter, now: Timestamp) -> ReleasedProfile {
        let merged = merge(&self.schema, &self.profiles, now);
        let attributes = self.schema.attributes().filter_map(|rule| {
            let released = match self.permit.verdict_of(rule.number)? {
                Verdict::Allowed => self.value(&merged, rule).map(|value| json(rule, value))?,
                // Whether there is a value, it doesn't tell.
                Verdict::Null => Sensitive::new(JsonValue(Value::Null)),
                Verdict::Changed(change) => {
                    let value = self.value(&merged, rule)?;
                    let subject: Option<SubjectId> = self.permit.subject();
                    text(&alter.alter(subject, rule.number, *change, value)?)
                }
                Verdict::Described { .. } | Verdict::AgeOnly => return None,
            };
            Some((rule.key.clone(), Released::Value(released)))
        });
        ReleasedProfile::of(attributes.collect())
    }

    fn value<'m>(
        &self,
        merged: &'m MergedProfile<'m>,
        rule: &AttributeRule,
    ) -> Option<&'m Sensitive<String>> {
        let chosen = &merged.get(rule.number)?.chosen;
        let is_hers = self.permit.covers(chosen.subject);
        is_hers.then_some(&chosen.value.value)
    }
}

fn text(altered: &Sensitive<String>) -> Sensitive<JsonValue> {
    Sensitive::new(JsonValue(Value::String(altered.expose().clone())))
}
