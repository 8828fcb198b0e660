//! SCIM 2.0 (RFC 7643, RFC 7644) under `/scim/v2`: how an identity provider keeps its accounts' records in the profiles.
//!
//! A User of SCIM is a record of the source that `scim` in profile.yaml names: a client sees and changes what that source says, never what
//! others say of the same subject. Every look is decided and recorded like any look at a profile. Identifiers in a filter can stand in
//! the body (`POST /scim/v2/Users/.search`), where no log of a proxy keeps them.

pub(super) mod answer;
pub(super) mod discovery;
pub(super) mod resource;
pub(super) mod wanted;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::header::{IF_MATCH, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use domain::audit::Actor;
use domain::data_map::{IdentifierKind, ValueKind};
use domain::id::SubjectId;
use domain::profile::{AttributeRule, Confidence, loosely};
use domain::scim::{
    Changes, Filter, Members, OnDelete, Path, ScimError, patched, replaced, same_name,
};
use domain::sensitive::Sensitive;
use governance::Problem;
use governance::profile::record::{Reader, ShownRecord};
use governance::profile::{GivenRecord, GivenValue, ScimMapping, Sole, write_sole};
use serde_json::Value;

use self::answer::{Refused, created, gone, list, one, unchanged, version_in};
use self::discovery::Surface;
use self::wanted::Wanted;
use super::operator::Operator;
use crate::{App, Shared};

/// All routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/scim/v2/Users", get(find).post(create))
        .route("/scim/v2/Users/.search", post(search))
        .route("/scim/v2/.search", post(search))
        .route(
            "/scim/v2/Users/{id}",
            get(show).put(replace).patch(patch).delete(delete),
        )
        .route("/scim/v2/ServiceProviderConfig", get(discovery::provider))
        .route("/scim/v2/ResourceTypes", get(discovery::resource_types))
        .route("/scim/v2/ResourceTypes/{id}", get(discovery::resource_type))
        .route("/scim/v2/Schemas", get(discovery::schemas))
        .route("/scim/v2/Schemas/{id}", get(discovery::schema))
}

/// An error without a code of SCIM's own; a missing key says how to send one.
pub(super) fn error(status: StatusCode, detail: &str) -> Response {
    let mut response = answer::error(status, None, detail);
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer realm=\"privity\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    }
    response
}

/// The identifier that a name is; nobody else may have it.
pub(in crate::api) fn named(
    rule: &AttributeRule,
    name: &Sensitive<String>,
) -> Option<(IdentifierKind, Sensitive<String>)> {
    let used = rule.identifier.as_ref()?;
    Some((used.kind.clone(), name.clone()))
}

/// One call by one client.
struct Call<'a> {
    app: &'a App,
    mapping: &'a ScimMapping,
    operator: &'a Operator,
}

async fn find(
    State(app): Shared,
    operator: Operator,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refused> {
    Call::of(&app, &operator)?.find(wanted).await
}

async fn search(State(app): Shared, operator: Operator, body: Bytes) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    call.find(Wanted::of_search(read(&body)?)?).await
}

async fn create(
    State(app): Shared,
    operator: Operator,
    Query(wanted): Query<Wanted>,
    body: Bytes,
) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    let wanted = wanted.members()?;
    let mut changes = replaced(&call.mapping.paths(), &read(&body)?)?;
    let (place, rule) = call.user_name()?;
    let name = changes.get(place).cloned().flatten();
    let name = name.ok_or_else(|| ScimError::value("a User has a `userName`"))?;
    let key = call.mapping.places.iter();
    let key = key.filter(|(_, rule)| rule.number == call.mapping.record.number);
    let key = key.filter_map(|(place, rule)| Some((rule, changes.get(place)?.as_ref()?)));
    let mut deleted = None;
    for (rule, value) in key.chain([(rule, &name)]) {
        let found = call.records_saying(rule, value).await?;
        if found.iter().any(|record| call.exists(record)) {
            return Err(Refused::taken());
        }
        deleted = deleted.or_else(|| found.first().map(|record| record.id));
    }
    let sole = Sole {
        known: deleted,
        versions: None,
        name: named(rule, &name),
    };
    call.make_active(&mut changes);
    let id = call.write(changes, None, sole).await?;
    let record = call.reader().show(id).await?;
    Ok(created(&call, &record, &wanted))
}

async fn show(
    State(app): Shared,
    operator: Operator,
    UrlPath(id): UrlPath<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    let wanted = wanted.members()?;
    let record = call.record(&id).await?;
    if unchanged(&headers, &record) {
        return Ok(answer::not_modified(&record));
    }
    Ok(one(&call, &record, &wanted))
}

async fn replace(
    State(app): Shared,
    operator: Operator,
    UrlPath(id): UrlPath<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    let mut changes = replaced(&call.mapping.paths(), &read(&body)?)?;
    if !matches!(changes.get(&call.user_name()?.0), Some(Some(_))) {
        return Err(ScimError::value("a User has a `userName`").into());
    }
    call.make_active(&mut changes);
    let wanted = wanted.members()?;
    call.change(&id, (&headers, &wanted), changes).await
}

async fn patch(
    State(app): Shared,
    operator: Operator,
    UrlPath(id): UrlPath<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    let mut changes = patched(&call.mapping.paths(), &read(&body)?)?;
    if matches!(changes.get(&call.user_name()?.0), Some(None)) {
        return Err(ScimError::new("mutability", "a User keeps a `userName`").into());
    }
    // A record without `active` is one that was deleted, so its removal means its default.
    let removed = call
        .mapping
        .named("active")
        .is_some_and(|(place, _)| matches!(changes.get(place), Some(None)));
    if removed {
        call.make_active(&mut changes);
    }
    let wanted = wanted.members()?;
    call.change(&id, (&headers, &wanted), changes).await
}

async fn delete(
    State(app): Shared,
    operator: Operator,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let call = Call::of(&app, &operator)?;
    let record = call.record(&id).await?;
    let wanted = wanted_versions(&headers, &record)?;
    let places = call.mapping.places.iter();
    let is_key = |number| number == call.mapping.record.number;
    let active = call.mapping.named("active").map(|(place, _)| place);
    let going = places.filter(|(place, rule)| {
        !is_key(rule.number)
            && (call.mapping.on_delete == OnDelete::Withdraw || Some(place) == active)
    });
    let changes = going.map(|(place, _)| (place.clone(), None)).collect();
    let sole = Sole {
        known: Some(record.id),
        versions: wanted,
        name: None,
    };
    call.write(changes, Some(&record), sole).await?;
    Ok(gone())
}

impl<'a> Call<'a> {
    fn of(app: &'a App, operator: &'a Operator) -> Result<Self, Refused> {
        let mapping = app.privity.scim().ok_or_else(|| {
            Problem::new(
                "not_found",
                404,
                "SCIM is not set up here; write `scim` into profile.yaml",
            )
        })?;
        Ok(Self {
            app,
            mapping,
            operator,
        })
    }

    fn reader(&self) -> Reader<'_> {
        let wanted = self.mapping.places.iter().map(|(_, rule)| rule.key.clone());
        Reader {
            p: &self.app.privity,
            source: self.mapping.source,
            wanted: wanted.collect(),
            operator: self.operator.0.id,
        }
    }

    fn user_name(&self) -> Result<&(Path, AttributeRule), Refused> {
        let found = self.mapping.named("userName");
        found.ok_or_else(|| Refused::from(Problem::not_found("place for `userName`")))
    }

    /// Records with an identifier that were not deleted.
    async fn holders(
        &self,
        rule: &AttributeRule,
        value: &Sensitive<String>,
    ) -> Result<Vec<ShownRecord>, Problem> {
        Ok(self.existing(self.records_saying(rule, value).await?))
    }

    /// Records with an identifier, and nobody where it is none of its kind.
    async fn records_saying(
        &self,
        rule: &AttributeRule,
        value: &Sensitive<String>,
    ) -> Result<Vec<ShownRecord>, Problem> {
        let Some(used) = &rule.identifier else {
            return Ok(Vec::new());
        };
        match self.reader().find(&used.kind, value).await {
            Ok(found) => Ok(found),
            Err(problem) if problem.code == "invalid_value" => Ok(Vec::new()),
            Err(problem) => Err(problem),
        }
    }

    /// Those that were not deleted.
    fn existing(&self, mut records: Vec<ShownRecord>) -> Vec<ShownRecord> {
        records.retain(|record| self.exists(record));
        records
    }

    fn exists(&self, record: &ShownRecord) -> bool {
        let active = self.mapping.named("active");
        active.is_some_and(|(_, rule)| record.value(&rule.key).is_some())
    }

    async fn record(&self, id: &str) -> Result<ShownRecord, Refused> {
        let id: SubjectId = id.parse().map_err(|_| Problem::not_found("User"))?;
        let record = self.reader().show(id).await?;
        if self.exists(&record) {
            Ok(record)
        } else {
            Err(Problem::not_found("User").into())
        }
    }

    async fn find(&self, wanted: Wanted) -> Result<Response, Refused> {
        let members = wanted.members()?;
        let (start, count) = (wanted.start(), wanted.count());
        let Some(filter) = wanted.filter else {
            let (total, records) = self.reader().list(start - 1, count).await?;
            return Ok(self.listed(total, start, &self.existing(records), &members));
        };
        let filter = filter_of(&filter)?;
        let mut places = self.mapping.places.iter();
        let found =
            places.find(|(place, rule)| filter.path.covers(place) && rule.identifier.is_some());
        let (_, rule) = found.ok_or_else(|| {
            ScimError::filter("nobody is found by this; filter by `userName`, `externalId` or `emails.value`, as far as they are mapped to identifiers")
        })?;
        let mut records = self.holders(rule, &filter.value).await?;
        let total = records.len() as u64;
        let skipped = usize::try_from(start - 1).unwrap_or(usize::MAX);
        records.drain(..skipped.min(records.len()));
        records.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(self.listed(total, start, &records, &members))
    }

    fn listed(
        &self,
        total: u64,
        start: u64,
        records: &[ShownRecord],
        members: &Members,
    ) -> Response {
        let resources = records.iter();
        let resources = resources.map(|record| resource::resource(self, record, members));
        list(total, start, &resources.collect::<Vec<_>>())
    }

    /// How this door describes itself.
    fn surface(&self) -> Surface<'_> {
        Surface {
            root: format!("{}/scim/v2", self.app.privity.settings().base_url),
            places: self.mapping.places.iter().collect(),
            record: self.mapping.record.number,
            is_writable: true,
            sorts: false,
            description: "A record of one source in the profiles.",
            key: (
                "Operator key",
                "The key that `privity operator add NAME` printed, as a Bearer token.",
            ),
        }
    }

    fn make_active(&self, changes: &mut Changes) {
        if let Some((place, _)) = self.mapping.named("active") {
            let given = changes.entry(place.clone()).or_default();
            given.get_or_insert_with(|| Sensitive::new("true".to_owned()));
        }
    }

    async fn change(
        &self,
        id: &str,
        (headers, wanted): (&HeaderMap, &Members),
        changes: Changes,
    ) -> Result<Response, Refused> {
        let record = self.record(id).await?;
        let versions = wanted_versions(headers, &record)?;
        self.refuse_taken(&changes, &record).await?;
        let (place, rule) = self.user_name()?;
        let name = changes.get(place).cloned().flatten();
        let sole = Sole {
            known: Some(record.id),
            versions,
            name: name.and_then(|name| named(rule, &name)),
        };
        self.write(changes, Some(&record), sole).await?;
        let record = self.reader().show(record.id).await?;
        Ok(one(self, &record, wanted))
    }

    /// A new name must not be another one's.
    async fn refuse_taken(&self, changes: &Changes, record: &ShownRecord) -> Result<(), Refused> {
        let (place, rule) = self.user_name()?;
        let Some(Some(name)) = changes.get(place) else {
            return Ok(());
        };
        let others = self.holders(rule, name).await?;
        if others.iter().any(|other| other.id != record.id) {
            return Err(Refused::taken());
        }
        Ok(())
    }

    /// Writes what changes of a record, or a new one.
    async fn write(
        &self,
        changes: Changes,
        record: Option<&ShownRecord>,
        sole: Sole,
    ) -> Result<SubjectId, Refused> {
        let mut values = Vec::new();
        for (place, value) in changes {
            let Some(rule) = self.mapping.attribute(&place) else {
                continue;
            };
            if rule.number == self.mapping.record.number
                && let Some(record) = record
            {
                self.refuse_new_key(record, value.as_ref())?;
                continue;
            }
            let value = value.map(|value| match rule.kind {
                ValueKind::Boolean => loosely(rule.kind, &value),
                _ => value,
            });
            values.push((rule.number, given(value)));
        }
        if let Some(record) = record {
            let key = record.value(&self.mapping.record.key);
            let key = key.ok_or_else(|| Problem::not_found("User"))?;
            values.push((
                self.mapping.record.number,
                given(Some(Sensitive::new(key.text()))),
            ));
        }
        let record = GivenRecord {
            values,
            observed_at: None,
        };
        let actor = Actor::Operator(self.operator.0.id);
        let (p, source) = (&self.app.privity, self.mapping.source);
        let written = write_sole(p, source, record, sole, actor).await?;
        let written = written.ok_or_else(Refused::taken)?;
        if let Some((_, reason)) = written.refused.first() {
            return Err(ScimError::value(reason.to_string()).into());
        }
        let subject = written.subjects.first().copied().flatten();
        subject.ok_or_else(|| Refused::from(Problem::not_found("User")))
    }

    /// What a record is found by stays what it is.
    fn refuse_new_key(
        &self,
        record: &ShownRecord,
        value: Option<&Sensitive<String>>,
    ) -> Result<(), Refused> {
        let key = record.value(&self.mapping.record.key);
        let same = key
            .zip(value)
            .is_some_and(|(key, value)| same_name(&Sensitive::new(key.text()), value));
        if same {
            return Ok(());
        }
        let place = self.mapping.places.iter();
        let mut place = place.filter(|(_, rule)| rule.number == self.mapping.record.number);
        let place = place
            .next()
            .map(|(place, _)| place.to_string())
            .unwrap_or_default();
        Err(ScimError::new("mutability", format!("`{place}` is what this record is found by and can't change; map what never changes to the source's `record`")).into())
    }
}

pub(super) fn given(value: Option<Sensitive<String>>) -> GivenValue {
    GivenValue {
        value,
        verified: None,
        confidence: Confidence::FULL,
    }
}

/// The versions that `If-Match` names; none where it was not sent, or where any will do. Refuses what is known to be late already; what
/// comes in between is found by the write.
fn wanted_versions(headers: &HeaderMap, record: &ShownRecord) -> Result<Option<Vec<u64>>, Refused> {
    let Some(wanted) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let wanted = wanted
        .to_str()
        .unwrap_or_default()
        .split(',')
        .map(str::trim);
    if wanted.clone().any(|one| one == "*") {
        return Ok(None);
    }
    let versions: Vec<u64> = wanted.filter_map(version_in).collect();
    if versions.contains(&record.version) {
        return Ok(Some(versions));
    }
    Err(Problem::new(
        "not_possible_now",
        412,
        "the User was changed meanwhile; read it again and repeat",
    )
    .into())
}

pub(super) fn read(body: &Bytes) -> Result<Value, ScimError> {
    serde_json::from_slice(body).map_err(|_| ScimError::syntax("the body isn't JSON"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "read into a filter, which keeps the value wrapped"
)]
fn filter_of(text: &Sensitive<String>) -> Result<Filter, ScimError> {
    Filter::parse(text.expose())
}
