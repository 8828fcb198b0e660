//! SCIM 2.0 (RFC 7643, RFC 7644) for recipients, under `/recipient/scim/v2`: each User is a subject, with what policies and her choices let this recipient
//! have for its purpose, and nothing besides.
//!
//! Every User that an answer rests on was decided and recorded before. Filter, order and count are worked out on what goes out as it is, and on
//! nothing else, so that they tell what the resources themselves tell. An attribute that this recipient can never have as it is, is refused in a
//! filter or order. A subject who is unknown and one of whom nothing goes out are the same 404. Writes: `recipient_scim/change.rs`.

mod change;

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path as UrlPath, Query};
use axum::http::header::{ETAG, IF_NONE_MATCH, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use domain::data_map::ValueKind;
use domain::id::SubjectId;
use domain::profile::{AttributeKey, AttributeRule, IdentifierUse};
use domain::scim::{Condition, Members, Order, Path, ScimError};
use domain::sensitive::Sensitive;
use governance::disclosure::{
    Caller, Door, Granted, MOST_LISTED, Released, SubjectAsked, disclose, disclose_all,
    disclose_sharing, possible, readable,
};
use governance::profile::ScimMapping;
use governance::{Privity, Problem};
use serde_json::{Map, Value, json};

use super::recipient::Recipient;
use super::scim::answer::{Refused, answer, list, put as put_header};
use super::scim::discovery::Surface;
use super::scim::read;
use super::scim::resource::{USER, put};
use super::scim::wanted::Wanted;
use crate::App;
use crate::failure::Failure;

/// What the recipient declares to want the data for, as at the gateway.
const PURPOSE: &str = "x-privity-purpose";

/// All routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/recipient/scim/v2/Users", get(find).post(change::create))
        .route("/recipient/scim/v2/Users/.search", post(search))
        .route("/recipient/scim/v2/.search", post(search))
        .route(
            "/recipient/scim/v2/Users/{id}",
            get(show)
                .put(change::replace)
                .patch(change::patch)
                .delete(change::delete),
        )
        .route("/recipient/scim/v2/ServiceProviderConfig", get(provider))
        .route("/recipient/scim/v2/ResourceTypes", get(resource_types))
        .route("/recipient/scim/v2/ResourceTypes/{id}", get(resource_type))
        .route("/recipient/scim/v2/Schemas", get(schemas))
        .route("/recipient/scim/v2/Schemas/{id}", get(schema))
}

/// One call by one recipient for one purpose.
struct Call {
    app: Arc<App>,
    caller: Caller,
}

impl FromRequestParts<Arc<App>> for Call {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let recipient = Recipient::from_request_parts(parts, app).await?;
        let mut declared = parts.headers.get_all(PURPOSE).iter();
        // Of two, or of one that can't be read, nobody knows what for.
        let purpose = match (declared.next(), declared.next()) {
            (None, _) => None,
            (Some(one), None) => Some(one.to_str().unwrap_or_default()),
            (Some(_), Some(_)) => Some(""),
        };
        let caller = recipient.caller(&app.privity, purpose, Door::Scim).await?;
        if app.privity.scim().is_none() {
            let words = "SCIM is not set up here; write `scim` into profile.yaml";
            return Err(Problem::new("not_found", 404, words).into());
        }
        Ok(Self {
            app: Arc::clone(app),
            caller,
        })
    }
}

async fn show(
    call: Call,
    UrlPath(id): UrlPath<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let members = wanted.members()?;
    let user = call.one(&id, |place| members.want(place)).await?;
    let resource = user.resource(&call, &members)?;
    Ok(shown(StatusCode::OK, &resource, &headers))
}

async fn find(call: Call, Query(wanted): Query<Wanted>) -> Result<Response, Refused> {
    call.find(&wanted).await
}

async fn search(call: Call, body: Bytes) -> Result<Response, Refused> {
    let wanted = Wanted::of_search(read(&body)?)?;
    call.find(&wanted).await
}

async fn provider(call: Call) -> Result<Response, Refused> {
    Ok(call.surface()?.provider())
}

async fn resource_types(call: Call) -> Result<Response, Refused> {
    Ok(call.surface()?.resource_types())
}

async fn resource_type(call: Call, UrlPath(id): UrlPath<String>) -> Result<Response, Refused> {
    call.surface()?.resource_type(&id)
}

async fn schemas(call: Call) -> Result<Response, Refused> {
    Ok(call.surface()?.schemas())
}

async fn schema(call: Call, UrlPath(id): UrlPath<String>) -> Result<Response, Refused> {
    call.surface()?.schema(&id)
}

/// What a recipient gets of one subject.
struct User {
    id: SubjectId,
    values: Vec<ShownValue>,
}

/// What stands at a place.
struct ShownValue {
    place: Path,
    value: Value,
    /// Whether it is as it was.
    is_kept: bool,
}

impl Call {
    fn privity(&self) -> &Privity {
        &self.app.privity
    }

    fn mapping(&self) -> Result<&ScimMapping, Problem> {
        let mapping = self.privity().scim();
        mapping.ok_or_else(|| Problem::not_found("SCIM"))
    }

    fn root(&self) -> String {
        format!("{}/recipient/scim/v2", self.privity().settings().base_url)
    }

    /// Whether this recipient keeps accounts. To it a User is an account, as to the business's own systems; to others a subject.
    fn is_writer(&self) -> Result<bool, Problem> {
        Ok(self.mapping()?.writers.contains(&self.caller.recipient))
    }

    fn surface(&self) -> Result<Surface<'_>, Problem> {
        let possible = possible(self.privity(), &self.caller)?;
        let mapping = self.mapping()?;
        let places = mapping.places.iter();
        let places = places.filter(|(_, rule)| possible.contains(&rule.key));
        Ok(Surface {
            root: self.root(),
            places: places.collect(),
            record: mapping.record.number,
            is_writable: self.is_writer()?,
            sorts: true,
            description: "A subject, with what this recipient may have of her for its purpose.",
            key: (
                "Recipient key",
                "The key that `privity recipient key add` printed, or a token of the business's identity provider, as a Bearer token; with several purposes, one of them in `X-Privity-Purpose`.",
            ),
        })
    }

    /// The attributes at the places that are wanted, and what tells a writer that there is an account.
    fn keys(&self, wants: impl Fn(&Path) -> bool) -> Result<Vec<AttributeKey>, Problem> {
        let (mapping, is_writer) = (self.mapping()?, self.is_writer()?);
        let active = mapping.named("active").filter(|_| is_writer);
        let active = active.map(|(_, rule)| rule.number);
        let wanted = mapping.places.iter();
        let wanted = wanted.filter(|(place, rule)| wants(place) || Some(rule.number) == active);
        Ok(wanted.map(|(_, rule)| rule.key.clone()).collect())
    }

    /// One User.
    async fn one(&self, id: &str, wants: impl Fn(&Path) -> bool) -> Result<User, Problem> {
        let granted = self.granted_one(id, wants).await?;
        let user = granted.as_ref().map(|one| self.user(one)).transpose()?;
        user.flatten().ok_or_else(nobody)
    }

    async fn granted_one(
        &self,
        id: &str,
        wants: impl Fn(&Path) -> bool,
    ) -> Result<Option<Granted>, Problem> {
        let id: SubjectId = id.parse().map_err(|_| nobody())?;
        let (keys, asked) = (self.keys(wants)?, [SubjectAsked::Id(id)]);
        let granted = disclose(self.privity(), &self.caller, &asked, &keys).await?;
        Ok(granted.into_iter().next())
    }

    /// What was granted of one subject; `None` when nothing goes out, and for a writer when she has no account that it may see.
    fn user(&self, granted: &Granted) -> Result<Option<User>, Problem> {
        let (Some(id), Some(released)) = (granted.subject(), granted.profile()?) else {
            return Ok(None);
        };
        let mapping = self.mapping()?;
        let mut values = Vec::new();
        for (place, rule) in &mapping.places {
            let mut all = released.attributes();
            let found = all.find(|(key, _)| **key == rule.key);
            let value = found.and_then(|(_, value)| value_of(rule, value));
            values.extend(value.map(|value| ShownValue {
                place: place.clone(),
                value,
                is_kept: granted.keeps(&rule.key),
            }));
        }
        let user = User { id, values };
        let is_there = !user.values.is_empty() && (!self.is_writer()? || user.is_account(mapping));
        Ok(is_there.then_some(user))
    }

    async fn find(&self, wanted: &Wanted) -> Result<Response, Refused> {
        let members = wanted.members()?;
        let condition = wanted.filter.as_ref().map(condition_of).transpose()?;
        let order = wanted.sort_by.as_deref();
        let order = order.map(|by| Order::parse(by, wanted.sort_order.as_deref()));
        let order = order.transpose()?;
        let looked_at = self.looked_at(condition.as_ref(), order.as_ref())?;
        let is_looked_at = |place: &Path| looked_at.iter().any(|one| looks_at(one, place));
        let keys = self.keys(|place| members.want(place) || is_looked_at(place))?;
        let mut users = Vec::new();
        for granted in self.granted(condition.as_ref(), &keys).await? {
            if let Some(user) = self.user(&granted)? {
                let seen = user.as_it_is();
                if condition.as_ref().is_none_or(|one| one.matches(&seen)) {
                    users.push((seen, user));
                }
            }
        }
        users.sort_by(|(one, a), (other, b)| {
            let by_order = order.as_ref().map(|order| order.compare(one, other));
            let by_order = by_order.unwrap_or(Ordering::Equal);
            by_order.then_with(|| a.id.cmp(&b.id))
        });
        let skipped = usize::try_from(wanted.start() - 1).unwrap_or(usize::MAX);
        let count = usize::try_from(wanted.count()).unwrap_or(usize::MAX);
        let page = users.iter().skip(skipped).take(count);
        let page = page.map(|(_, user)| user.resource(self, &members));
        let page: Vec<Value> = page.collect::<Result<_, _>>()?;
        Ok(list(users.len() as u64, wanted.start(), &page))
    }

    /// The places that filter and order look at, if this recipient can ever have what stands there as it is.
    fn looked_at(
        &self,
        condition: Option<&Condition>,
        order: Option<&Order>,
    ) -> Result<Vec<Path>, Refused> {
        let readable = readable(self.privity(), &self.caller)?;
        let places = &self.mapping()?.places;
        let is_readable = |path: &Path| {
            let mut there = places.iter().filter(|(place, _)| looks_at(path, place));
            path.is_id() || there.any(|(_, rule)| readable.contains(&rule.key))
        };
        let mut looked_at = condition.map(Condition::places).unwrap_or_default();
        if !looked_at.iter().all(is_readable) {
            return Err(ScimError::filter("the filter names what isn't there or may not be read for this purpose; filter by what you may have as it is").into());
        }
        if let Some(order) = order {
            if !is_readable(&order.by) {
                return Err(ScimError::path("`sortBy` names what isn't there or may not be read for this purpose; sort by what you may have as it is").into());
            }
            looked_at.push(order.by.clone());
        }
        Ok(looked_at)
    }

    /// Whoever a list is made of: the one whom the filter names, or everybody.
    async fn granted(
        &self,
        condition: Option<&Condition>,
        keys: &[AttributeKey],
    ) -> Result<Vec<Granted>, Refused> {
        let p = self.privity();
        let all = match condition.and_then(|condition| self.named(condition)) {
            Some((rule, text)) => {
                disclose_sharing(p, &self.caller, (&rule.kind, text), keys).await?
            }
            None => disclose_all(p, &self.caller, keys).await?,
        };
        all.ok_or_else(|| {
            let words = format!("there are more than {MOST_LISTED} subjects to look at; filter by what finds one, e.g. `userName eq \"ada\"`");
            ScimError::new("tooMany", words).into()
        })
    }

    /// The identifier that a filter names: whoever fulfils it has that.
    fn named<'c>(
        &'c self,
        condition: &'c Condition,
    ) -> Option<(&'c IdentifierUse, &'c Sensitive<String>)> {
        let places = &self.mapping().ok()?.places;
        let mut named = condition.equalities().into_iter();
        named.find_map(|(path, text)| {
            let mut covered = places.iter().filter(|(place, _)| path.covers(place));
            match (covered.next(), covered.next()) {
                (Some((_, rule)), None) => Some((rule.identifier.as_ref()?, text)),
                _ => None,
            }
        })
    }
}

impl User {
    /// The resource, with the members that are wanted, of which there may be no more here.
    fn resource(&self, call: &Call, members: &Members) -> Result<Value, Problem> {
        let mut places = call.mapping()?.places.iter();
        let is_whole = places.all(|(place, _)| members.want(place));
        self.resource_of(call, members, is_whole)
    }

    /// The same. A version is told of whoever was asked for whole and of nobody else, so that one state has one version (RFC 7644 3.14):
    /// what isn't asked for isn't disclosed, not by a version either.
    fn resource_of(
        &self,
        call: &Call,
        members: &Members,
        is_whole: bool,
    ) -> Result<Value, Problem> {
        let values = self.values.iter();
        let mut resource = written(values.filter(|one| members.want(&one.place)));
        resource.insert("id".to_owned(), self.id.to_string().into());
        if members.want_meta() {
            let location = format!("{}/Users/{}", call.root(), self.id);
            let mut meta = json!({"resourceType": "User", "location": location});
            if let Value::Object(meta) = &mut meta
                && is_whole
            {
                meta.insert("version".to_owned(), self.version()?.into());
            }
            resource.insert("meta".to_owned(), meta);
        }
        Ok(Value::Object(resource))
    }

    /// Of what goes out alone: when something else of her was changed is not theirs to know.
    fn version(&self) -> Result<String, Problem> {
        let mut whole = written(self.values.iter());
        whole.insert("id".to_owned(), self.id.to_string().into());
        version(&whole)
    }

    /// What filter and order look at: what goes out as it is.
    fn as_it_is(&self) -> Value {
        let mut seen = written(self.values.iter().filter(|one| one.is_kept));
        seen.insert("id".to_owned(), self.id.to_string().into());
        Value::Object(seen)
    }

    /// What stands at a place, if it is as it was.
    fn kept(&self, place: &Path) -> Option<&Value> {
        let mut values = self.values.iter();
        let found = values.find(|one| one.is_kept && one.place == *place);
        found.map(|one| &one.value)
    }

    fn is_account(&self, mapping: &ScimMapping) -> bool {
        let active = mapping.named("active");
        active.is_some_and(|(place, _)| self.kept(place).is_some())
    }
}

fn nobody() -> Problem {
    Problem::not_found("User")
}

/// Whether a path in a filter or order means what stands at a place.
fn looks_at(path: &Path, place: &Path) -> bool {
    path.covers(place) || path.is_type_of(place)
}

fn version(resource: &Map<String, Value>) -> Result<String, Problem> {
    let text = serde_json::to_string(resource);
    let text = text.map_err(|error| Problem::internal("writing a User", &error))?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Ok(format!("W/\"{:016x}\"", hasher.finish()))
}

fn written<'v>(values: impl Iterator<Item = &'v ShownValue>) -> Map<String, Value> {
    let mut members = Map::new();
    let mut schemas = vec![Value::from(USER)];
    for one in values {
        let (attribute, ..) = one.place.names();
        if attribute.starts_with("urn:") && !schemas.iter().any(|schema| schema == attribute) {
            schemas.push(attribute.into());
        }
        put(&mut members, &one.place, one.value.clone());
    }
    members.insert("schemas".to_owned(), schemas.into());
    members
}

/// A value as SCIM has it; what goes out without its value isn't there.
fn value_of(rule: &AttributeRule, released: &Released) -> Option<Value> {
    match serde_json::to_value(released).ok()? {
        Value::Null => None,
        Value::Bool(truth) => Some(truth.into()),
        Value::String(text) if rule.kind == ValueKind::Boolean => {
            let truth = text.parse().ok();
            Some(truth.map_or(Value::String(text), Value::Bool))
        }
        Value::String(text) => Some(text.into()),
        other => Some(other.to_string().into()),
    }
}

/// A resource on its way out, with its version and address; nothing but these where the caller has it.
fn shown(status: StatusCode, resource: &Value, headers: &HeaderMap) -> Response {
    let meta = |name: &str| {
        let meta = resource.get("meta")?;
        meta.get(name)?.as_str()
    };
    let (version, location) = (meta("version"), meta("location"));
    let known = headers.get(IF_NONE_MATCH);
    let known = known.and_then(|value| value.to_str().ok());
    let is_known = status == StatusCode::OK && known.is_some_and(|known| names(known, version));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        answer(status, resource)
    };
    for (name, value) in [(ETAG, version), (LOCATION, location)] {
        if let Some(value) = value {
            put_header(&mut response, name, value);
        }
    }
    response
}

/// Whether a list of versions names this one.
fn names(list: &str, version: Option<&str>) -> bool {
    list.split(',').any(|one| Some(one.trim()) == version)
}

#[expect(
    clippy::disallowed_methods,
    reason = "read into a filter, which keeps its values wrapped"
)]
fn condition_of(text: &Sensitive<String>) -> Result<Condition, ScimError> {
    Condition::parse(text.expose())
}
