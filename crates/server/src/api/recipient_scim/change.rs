//! What a recipient writes by SCIM. Only those that `scim.writers` in profile.yaml names may, and each only what it may see: every attribute
//! that it sets or takes out has to be released to it as it is, for its purpose and this subject. Of somebody who is new nothing is known yet,
//! and policies decide on that.
//!
//! A recipient writes records of the source under `scim`, like the business's own systems, and nothing that other sources say. What it may
//! write was decided and recorded before, and so was what the answer shows.

use std::collections::BTreeMap;

use axum::extract::{Path as UrlPath, Query};
use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use domain::audit::Actor;
use domain::data_map::ValueKind;
use domain::id::SubjectId;
use domain::profile::{AttributeKey, AttributeNumber, AttributeRule, loosely};
use domain::scim::{Changes, Members, OnDelete, Path, ScimError, patched, replaced, same_name};
use domain::sensitive::Sensitive;
use governance::disclosure::{Account, Granted, Writing, account, holders};
use governance::profile::{GivenRecord, GivenValue, Refusal, Sole, names_forgotten, write_sole};
use governance::{Privity, Problem};
use serde_json::Value;

use super::{Call, User, names, nobody, shown};
use crate::api::scim::answer::{Refused, gone};
use crate::api::scim::wanted::Wanted;
use crate::api::scim::{given, named, read};

pub(super) async fn create(
    call: Call,
    Query(wanted): Query<Wanted>,
    body: Bytes,
) -> Result<Response, Refused> {
    call.needs_writer()?;
    let members = wanted.members()?;
    let writing = Writing::begin(call.privity(), &call.caller).await?;
    let mapping = call.mapping()?;
    let mut changes = replaced(&mapping.paths(), &read(&body)?)?;
    changes.retain(|_, value| value.is_some());
    let name = call.user_name(&changes)?;
    call.make_active(&mut changes)?;
    let key = call.value_of_key(&changes);
    let key = key.ok_or_else(|| ScimError::value("a User has what its record is found by"))?;
    let mut known = call.records_saying(&name).await?;
    known.extend(call.records_saying(&key).await?);
    let sole = |known: Option<(&SubjectId, &u64)>| Sole {
        known: known.map(|(record, _)| *record),
        versions: known.map(|(_, version)| vec![*version]),
        name: named(name.rule, &name.value),
    };
    let keys = call.keys(|_| true)?;
    let kept = match call.deleted(&writing, &known, &keys).await? {
        Some(granted) => keys
            .iter()
            .filter(|key| granted.keeps(key))
            .cloned()
            .collect(),
        None => {
            let asked = writing.kept_of_nobody(call.privity(), &call.caller, &keys);
            asked.await?
        }
    };
    call.refuse_forgotten(&name, &key).await?;
    call.refuse_unseen(&changes, |key| kept.contains(key))?;
    let id = call.write(changes, None, sole(known.first_key_value()));
    let id = id.await.map_err(|refused| match refused {
        // Who was deleted came back meanwhile.
        Refused::Problem(problem) if problem.status == 412 => Refused::taken(),
        refused => refused,
    });
    let id = id?;
    call.written(&writing, id, StatusCode::CREATED, &members)
        .await
}

pub(super) async fn replace(
    call: Call,
    UrlPath(id): UrlPath<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    call.needs_writer()?;
    let members = wanted.members()?;
    let known = call.known(&id).await?;
    let mut changes = replaced(&call.mapping()?.paths(), &read(&body)?)?;
    // What it does not see, a recipient doesn't take out by not naming it.
    let places = &call.mapping()?.places;
    let is_seen = |place: &Path| {
        let mut places = places.iter();
        places.any(|(other, rule)| other == place && known.granted.keeps(&rule.key))
    };
    changes.retain(|place, value| value.is_some() || is_seen(place));
    call.user_name(&changes)?;
    call.make_active(&mut changes)?;
    call.change(known, &headers, changes, &members).await
}

pub(super) async fn patch(
    call: Call,
    UrlPath(id): UrlPath<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    call.needs_writer()?;
    let members = wanted.members()?;
    let known = call.known(&id).await?;
    let mapping = call.mapping()?;
    let mut changes = patched(&mapping.paths(), &read(&body)?)?;
    let is_removed = |name: &str| {
        let place = mapping.named(name).map(|(place, _)| place);
        place.is_some_and(|place| matches!(changes.get(place), Some(None)))
    };
    if is_removed("userName") {
        return Err(ScimError::new("mutability", "a User keeps a `userName`").into());
    }
    if is_removed("active") {
        call.make_active(&mut changes)?;
    }
    call.change(known, &headers, changes, &members).await
}

pub(super) async fn delete(
    call: Call,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    call.needs_writer()?;
    let known = call.known(&id).await?;
    let mapping = call.mapping()?;
    let active = mapping.named("active").map(|(place, _)| place);
    let going = mapping.places.iter().filter(|(place, rule)| {
        rule.number != mapping.record.number
            && (mapping.on_delete == OnDelete::Withdraw || Some(place) == active)
    });
    let changes: Changes = going.map(|(place, _)| (place.clone(), None)).collect();
    call.refuse_unseen(&changes, |key| known.granted.keeps(key))?;
    let target = call.target(&known, &headers).await?;
    let sole = target.sole();
    call.write(changes, Some(&target), sole).await?;
    Ok(gone())
}

/// A User that is to be changed, as the caller may see it.
struct Known {
    user: User,
    granted: Granted,
    writing: Writing,
}

/// The record that is changed.
struct Target {
    account: Account,
    /// What it is found by.
    key: Sensitive<String>,
    /// Whether it has to be as it was seen.
    is_conditional: bool,
}

impl Target {
    /// The record as it has to be when it is written.
    fn sole(&self) -> Sole {
        let version = self.is_conditional.then_some(self.account.version);
        Sole {
            known: Some(self.account.record),
            versions: version.map(|version| vec![version]),
            name: None,
        }
    }
}

/// What is said of an attribute.
struct Said<'c> {
    rule: &'c AttributeRule,
    value: Sensitive<String>,
}

impl Call {
    /// Asked before anything else, so that no answer depends on a subject.
    fn needs_writer(&self) -> Result<(), Problem> {
        if self.is_writer()? {
            return Ok(());
        }
        Err(forbidden(
            "this recipient reads here and changes nothing; the business names those that may under `scim.writers` in profile.yaml",
        ))
    }

    async fn known(&self, id: &str) -> Result<Known, Problem> {
        let id = id.parse().map_err(|_| nobody())?;
        let writing = Writing::begin(self.privity(), &self.caller).await?;
        let granted = self.looked_up(&writing, id).await?;
        let granted = granted.ok_or_else(nobody)?;
        let user = self.user(&granted)?.ok_or_else(nobody)?;
        Ok(Known {
            user,
            granted,
            writing,
        })
    }

    /// All that the caller may have of a subject whom it writes about.
    async fn looked_up(
        &self,
        writing: &Writing,
        id: SubjectId,
    ) -> Result<Option<Granted>, Problem> {
        let keys = self.keys(|_| true)?;
        writing
            .disclose(self.privity(), &self.caller, id, &keys)
            .await
    }

    fn user_name<'c>(&'c self, changes: &Changes) -> Result<Said<'c>, Refused> {
        let found = self.mapping()?.named("userName");
        let (place, rule) = found.ok_or_else(|| Problem::not_found("place for `userName`"))?;
        let value = changes.get(place).cloned().flatten();
        let value = value.ok_or_else(|| ScimError::value("a User has a `userName`"))?;
        Ok(Said { rule, value })
    }

    fn value_of_key(&self, changes: &Changes) -> Option<Said<'_>> {
        let mapping = self.mapping().ok()?;
        let mut places = mapping.places.iter();
        let (place, rule) = places.find(|(_, rule)| rule.number == mapping.record.number)?;
        let value = changes.get(place).cloned().flatten()?;
        Some(Said { rule, value })
    }

    fn make_active(&self, changes: &mut Changes) -> Result<(), Problem> {
        if let Some((place, _)) = self.mapping()?.named("active") {
            let given = changes.entry(place.clone()).or_default();
            given.get_or_insert_with(|| Sensitive::new("true".to_owned()));
        }
        Ok(())
    }

    /// Each with its version.
    async fn records_saying(&self, said: &Said<'_>) -> Result<BTreeMap<SubjectId, u64>, Problem> {
        let Some(used) = &said.rule.identifier else {
            return Ok(BTreeMap::new());
        };
        let source = self.mapping()?.source;
        let found = holders(self.privity(), source, (&used.kind, &said.value)).await?;
        let found = found.into_iter();
        Ok(found.map(|one| (one.record, one.version)).collect())
    }

    /// The record that was deleted and comes back; refuses where one is there, or may be without the caller seeing it.
    async fn deleted(
        &self,
        writing: &Writing,
        records: &BTreeMap<SubjectId, u64>,
        keys: &[AttributeKey],
    ) -> Result<Option<Granted>, Refused> {
        let mut records = records.keys();
        let (only, other) = (records.next(), records.next());
        let Some(only) = only else {
            return Ok(None);
        };
        let granted = writing.disclose(self.privity(), &self.caller, *only, keys);
        let granted = granted.await?.filter(|_| other.is_none());
        let granted = granted.ok_or_else(Refused::taken)?;
        let mapping = self.mapping()?;
        let active = mapping.named("active").map(|(_, rule)| &rule.key);
        let sees_active = active.is_some_and(|key| granted.keeps(key));
        if !sees_active || self.user(&granted)?.is_some() {
            return Err(Refused::taken());
        }
        Ok(Some(granted))
    }

    /// Refuses what names somebody who was forgotten, before anything else is found wrong: as where a name is taken.
    async fn refuse_forgotten(&self, name: &Said<'_>, key: &Said<'_>) -> Result<(), Refused> {
        let value = |said: &Said<'_>| (said.rule.number, given(Some(said.value.clone())));
        let record = |values| GivenRecord {
            values,
            observed_at: None,
        };
        // By itself as well, should the name be none.
        let records = vec![
            record(vec![value(key)]),
            record(vec![value(name), value(key)]),
        ];
        if names_forgotten(self.privity(), self.mapping()?.source, records).await? {
            return Err(Refused::taken());
        }
        Ok(())
    }

    /// Refuses what the caller may not see as it is.
    fn refuse_unseen(
        &self,
        changes: &Changes,
        sees: impl Fn(&AttributeKey) -> bool,
    ) -> Result<(), Problem> {
        let mapping = self.mapping()?;
        for place in changes.keys() {
            let is_seen = mapping.attribute(place).is_some_and(|rule| sees(&rule.key));
            if !is_seen {
                return Err(forbidden(&format!(
                    "`{place}` may not be written, since it may not be seen as it is for this purpose; leave it out"
                )));
            }
        }
        Ok(())
    }

    async fn change(
        &self,
        known: Known,
        headers: &HeaderMap,
        changes: Changes,
        members: &Members,
    ) -> Result<Response, Refused> {
        self.refuse_unseen(&changes, |key| known.granted.keeps(key))?;
        let target = self.target(&known, headers).await?;
        // Before names are looked for: whose the new one is must not be told where none may be new.
        let mapping = self.mapping()?;
        for (place, value) in &changes {
            let rule = mapping.attribute(place);
            if rule.is_some_and(|rule| rule.number == mapping.record.number) {
                refuse_new_key(place, &target, value.as_ref())?;
            }
        }
        let mut sole = target.sole();
        if let Ok(name) = self.user_name(&changes) {
            let mut others = self.records_saying(&name).await?;
            others.remove(&target.account.record);
            if !others.is_empty() {
                return Err(Refused::taken());
            }
            sole.name = named(name.rule, &name.value);
        }
        self.write(changes, Some(&target), sole).await?;
        self.written(&known.writing, known.user.id, StatusCode::OK, members)
            .await
    }

    /// The record of the source that the caller sees, and means.
    async fn target(&self, known: &Known, headers: &HeaderMap) -> Result<Target, Refused> {
        let mapping = self.mapping()?;
        let mut places = mapping.places.iter();
        let place = places.find(|(_, rule)| rule.number == mapping.record.number);
        let key = place.and_then(|(place, _)| known.user.kept(place));
        let key = key.and_then(Value::as_str).map(str::to_owned);
        let used = mapping.record.identifier.as_ref();
        let (Some(key), Some(used)) = (key.map(Sensitive::new), used) else {
            return Err(no_record().into());
        };
        let whose = known.user.id;
        let said = (&used.kind, &key);
        let found = account(self.privity(), mapping.source, said, whose).await?;
        let account = found.ok_or_else(no_record)?;
        let is_conditional = self.is_as_wanted(known, headers).await?;
        Ok(Target {
            account,
            key,
            is_conditional,
        })
    }

    /// Whether `If-Match` names a version, which is looked at once more now that the record's own is known: so nothing comes in between.
    async fn is_as_wanted(&self, known: &Known, headers: &HeaderMap) -> Result<bool, Refused> {
        let Some(wanted) = headers.get(IF_MATCH) else {
            return Ok(false);
        };
        let wanted = wanted.to_str().unwrap_or_default();
        if wanted.split(',').any(|one| one.trim() == "*") {
            return Ok(false);
        }
        let again = self.looked_up(&known.writing, known.user.id).await?;
        let again = again.as_ref().map(|one| self.user(one)).transpose()?;
        let again = again.flatten().ok_or_else(nobody)?;
        if names(wanted, Some(&again.version()?)) {
            return Ok(true);
        }
        let words = "the User was changed meanwhile; read it again and repeat";
        Err(Problem::new("not_possible_now", 412, words).into())
    }

    /// Writes what changes of a record; a new one where there is none.
    async fn write(
        &self,
        changes: Changes,
        target: Option<&Target>,
        sole: Sole,
    ) -> Result<SubjectId, Refused> {
        let mapping = self.mapping()?;
        let mut values = Vec::new();
        for (place, value) in changes {
            let Some(rule) = mapping.attribute(&place) else {
                continue;
            };
            // It stays what it is.
            if target.is_some() && rule.number == mapping.record.number {
                continue;
            }
            let value = value.map(|value| match rule.kind {
                ValueKind::Boolean => loosely(rule.kind, &value),
                _ => value,
            });
            values.push((rule.number, given(value)));
        }
        if let Some(target) = target {
            let key = given(Some(target.key.clone()));
            values.push((mapping.record.number, key));
        }
        self.store(values, sole).await
    }

    async fn store(
        &self,
        values: Vec<(AttributeNumber, GivenValue)>,
        sole: Sole,
    ) -> Result<SubjectId, Refused> {
        let (p, source): (&Privity, _) = (self.privity(), self.mapping()?.source);
        let record = GivenRecord {
            values,
            observed_at: None,
        };
        let actor = Actor::Recipient(self.caller.recipient.clone());
        let written = write_sole(p, source, record, sole, actor).await?;
        let written = written.ok_or_else(Refused::taken)?;
        match written.refused.first() {
            // Who was forgotten is not told from who is there: the list is nobody's to try out.
            Some((_, Refusal::Suppressed(_))) => return Err(Refused::taken()),
            Some((_, reason)) => return Err(ScimError::value(reason.to_string()).into()),
            None => {}
        }
        let subject = written.subjects.first().copied().flatten();
        subject.ok_or_else(|| Refused::from(nobody()))
    }

    /// What the caller may see of it now; what it wrote may have changed that.
    async fn written(
        &self,
        writing: &Writing,
        id: SubjectId,
        status: StatusCode,
        members: &Members,
    ) -> Result<Response, Refused> {
        let granted = self.looked_up(writing, id).await?;
        let user = granted.as_ref().map(|one| self.user(one)).transpose()?;
        let user = user.flatten().unwrap_or(User {
            id,
            values: Vec::new(),
        });
        // All of it was asked for, whatever is shown.
        let resource = user.resource_of(self, members, true)?;
        Ok(shown(status, &resource, &HeaderMap::new()))
    }
}

/// What a record is found by stays what it is.
fn refuse_new_key(
    place: &Path,
    target: &Target,
    value: Option<&Sensitive<String>>,
) -> Result<(), ScimError> {
    if value.is_some_and(|value| same_name(&target.key, value)) {
        return Ok(());
    }
    let words = format!("`{place}` is what this record is found by and can't change");
    Err(ScimError::new("mutability", words))
}

fn no_record() -> Problem {
    forbidden(
        "of this subject there is no record that could be written by SCIM, or not one whose key may be seen",
    )
}

fn forbidden(words: &str) -> Problem {
    Problem::new("write_refused", 403, words)
}
