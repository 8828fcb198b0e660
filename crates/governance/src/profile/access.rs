//! A subject's own copy of her profile, for the access package: decided for each subject, recorded, opened, and handed on as rows, one
//! for each source and moment. They pass the privacy request's own permit on their way out, like every other system's rows.
//!
//! Law: Cal. Civ. Code 1798.110(a), .130(a)(2)-(5); 11 CCR 7024(d) (what is only described).

use std::collections::{BTreeMap, BTreeSet};

use connectors::ConnectorError;
use domain::audit::Actor;
use domain::data_map::{CollectionKey, FieldName};
use domain::disclosure::{DisclosureRecipient, ProfileQuery, Purpose};
use domain::plan::Search;
use domain::profile::{AttributeNumber, AttributeRule, Profile, Schema, SourceNumber};
use domain::rng::new_id;
use domain::row::{FoundRow, JsonValue};
use domain::sensitive::Sensitive;
use enforcement::RecordedPermit;
use enforcement::json_value;
use jiff::Timestamp;
use serde_json::Value;

use super::read::{Held, held};
use super::seal::{place_of, subject_key};
use super::source_system::{OBSERVED, SOURCE, SUBJECT, failed, named_subjects};
use crate::disclosure::open_profile;
use crate::{Privity, Problem};

/// The subjects' rows, a page each. `request` is the permit of the privacy request, by which she is known to have shown who she is:
/// it is given for nothing less (`enforcement::decide`).
pub(crate) async fn export(
    p: &Privity,
    request: &RecordedPermit,
    search: &Search,
    page: &mut (dyn FnMut(Vec<FoundRow>) -> Result<(), ConnectorError> + Send),
) -> Result<(), ConnectorError> {
    let problem = |problem| failed("opening a profile", problem);
    let ids = named_subjects(search);
    let subjects = p.read("read profiles", move |tx| held(tx, &ids)).await;
    for subject in subjects.map_err(problem)? {
        let rows = rows(p, request, &search.collection.key, &subject).await;
        page(rows.map_err(problem)?)?;
    }
    Ok(())
}

async fn rows(
    p: &Privity,
    request: &RecordedPermit,
    collection: &CollectionKey,
    held: &Held,
) -> Result<Vec<FoundRow>, Problem> {
    let schema = p.needed_schema()?;
    let permit = permit(p, request, &schema, held).await?;
    let mut rows = Vec::new();
    for record in &held.records {
        let Some(stored) = &record.key else { continue };
        let key = subject_key(p, record.id, stored)?;
        let mut said = Said::default();
        for segment in held.segments.iter().filter(|one| one.subject == record.id) {
            let opened = key
                .open_segment(&permit, &schema, &place_of(segment), &segment.sealed)
                .map_err(|error| Problem::internal("opening a profile", &error))?;
            said.take(&schema, &opened.profile);
            said.describe(&schema, &opened.described);
        }
        rows.extend(said.rows(&schema, collection, &held.canonical.to_string()));
    }
    Ok(rows)
}

/// The decision about one subject's profile, recorded.
async fn permit(
    p: &Privity,
    request: &RecordedPermit,
    schema: &std::sync::Arc<Schema>,
    held: &Held,
) -> Result<RecordedPermit, Problem> {
    let query = ProfileQuery {
        id: new_id(p.rng(), p.now()),
        subject: held.canonical,
        recipient: DisclosureRecipient::Subject,
        purpose: Purpose::GiveAccess,
        attributes: std::sync::Arc::clone(schema.keys()),
    };
    let members = held.records.iter().map(|record| record.id).collect();
    let verified =
        request.request().is_some() && request.permit().purpose() == Some(Purpose::GiveAccess);
    let facts = p
        .parts
        .deciding
        .profile_facts(schema.clone(), held.canonical, members, verified);
    open_profile(p, &query, &facts, None, Actor::System).await
}

/// What one record says: by source and moment, and what is held without being said.
#[derive(Default)]
struct Said {
    values: BTreeMap<(SourceNumber, Timestamp), BTreeMap<FieldName, Sensitive<JsonValue>>>,
    described: BTreeSet<FieldName>,
}

impl Said {
    fn take(&mut self, schema: &Schema, profile: &Profile) {
        for (attribute, value) in profile.values() {
            let Some(rule) = schema.attribute(attribute) else {
                continue;
            };
            let of = (value.source, value.observed_at);
            let row = self.values.entry(of).or_default();
            row.insert(field(rule), json_value(rule, &value.value));
        }
    }

    fn describe(&mut self, schema: &Schema, described: &BTreeSet<AttributeNumber>) {
        let rules = described
            .iter()
            .filter_map(|number| schema.attribute(*number));
        self.described.extend(rules.map(field));
    }

    fn rows(mut self, schema: &Schema, collection: &CollectionKey, subject: &str) -> Vec<FoundRow> {
        if !self.described.is_empty() && self.values.is_empty() {
            let nobody = (SourceNumber(0), Timestamp::UNIX_EPOCH);
            self.values.insert(nobody, BTreeMap::new());
        }
        // Values that never leave stayed in the vault; the request's permit puts words in the place of what only says that they are held.
        if let Some(mut first) = self.values.first_entry() {
            let held = self.described.into_iter();
            first
                .get_mut()
                .extend(held.map(|field| (field, json(Value::Bool(true)))));
        }
        let said = self.values.into_iter();
        said.map(|((source, at), mut values)| {
            let title = schema.source(source).map(|source| source.title.clone());
            let title = title.map_or(Value::Null, Value::String);
            let at = schema
                .source(source)
                .map_or(Value::Null, |_| Value::String(at.to_string()));
            values.insert(SUBJECT.into(), json(Value::String(subject.to_owned())));
            values.insert(SOURCE.into(), json(title));
            values.insert(OBSERVED.into(), json(at));
            FoundRow {
                collection: collection.clone(),
                values,
            }
        })
        .collect()
    }
}

fn field(rule: &AttributeRule) -> FieldName {
    rule.key.as_ref().into()
}

fn json(value: Value) -> Sensitive<JsonValue> {
    Sensitive::new(JsonValue(value))
}
