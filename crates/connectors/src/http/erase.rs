//! Erasing items one by one, and looking afterwards what remains. HTTP has no transactions: an erasure that breaks off is
//! repeated, and finds the rest.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use domain::data_map::graph::Pointer;
use domain::data_map::{Collection, CollectionKey, FieldName, ValueKind};
use domain::plan::{EraseStep, Erased, Erasure, Redaction, Way};
use domain::row::{JsonValue, Tuple};
use domain::sensitive::Sensitive;
use reqwest::Method;
use serde_json::{Number, Value};

use super::HttpConnector;
use super::config::{ItemCall, ItemMethod};
use super::find::{Found, Source};
use super::item::{Wanted, fingerprint, is_retained, member, set_member, text};
use super::service::Call;
use super::template::{fill_path, place_values};
use crate::connector::{ConnectorError, Remaining};
use crate::sql::hash;

/// What is to happen to one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It goes.
    Delete,
    /// It stays with its personal members overwritten.
    Redact,
    /// A rule keeps it; what the data map demands even then is overwritten.
    Retain,
    /// It is somebody else's too, or a legal hold keeps it.
    Leave,
}

/// An item with its fate, and who points at it.
struct Target {
    found: Found,
    fate: Fate,
    guarded_by: Vec<Place>,
    blocked_by: Vec<Place>,
}

/// An item's place: its collection and the digest of its id.
type Place = (CollectionKey, [u8; 16]);

impl HttpConnector {
    pub(super) async fn erase_all(
        &self,
        erasure: &Erasure,
    ) -> Result<Vec<(CollectionKey, Erased)>, ConnectorError> {
        let known: Vec<Arc<Collection>> = erasure
            .groups
            .iter()
            .flatten()
            .map(|step| Arc::clone(&step.collection))
            .collect();
        let key = erasure.hash_key.expose();
        let mut done = Vec::new();
        for group in &erasure.groups {
            for (step, targets) in group.iter().zip(self.targets(group, &known).await?) {
                let mut erased = Erased::default();
                for target in &targets {
                    self.carry_out(step, target, key, &mut erased).await?;
                }
                done.push((step.collection.key.clone(), erased));
            }
        }
        Ok(done)
    }

    /// What a re-read finds and no reason keeps.
    pub(super) async fn remaining(
        &self,
        steps: &[EraseStep],
    ) -> Result<Vec<Remaining>, ConnectorError> {
        let known: Vec<Arc<Collection>> = steps
            .iter()
            .map(|step| Arc::clone(&step.collection))
            .collect();
        let mut remaining = Vec::new();
        for step in steps {
            let mut counted: BTreeMap<(Way, Tuple), u64> = BTreeMap::new();
            let mut finder = self.find(self.source(&step.collection)?, &step.ways)?;
            while let Some(page) = finder.next_page().await? {
                for found in page {
                    let Some((way, tuple)) = finder.found_by(found.value()) else {
                        continue;
                    };
                    let found_by = (way.clone(), tuple);
                    if self.is_residue(step, &known, found).await? {
                        *counted.entry(found_by).or_default() += 1;
                    }
                }
            }
            let collection = &step.collection.key;
            remaining.extend(counted.into_iter().map(|((way, tuple), rows)| Remaining {
                collection: collection.clone(),
                found_by: (way, Sensitive::new(tuple)),
                rows,
            }));
        }
        Ok(remaining)
    }

    async fn is_residue(
        &self,
        step: &EraseStep,
        known: &[Arc<Collection>],
        found: Found,
    ) -> Result<bool, ConnectorError> {
        let source = self.source(&step.collection)?;
        let target = self.target(step, known, found).await?;
        let fate = match step_fate(&target) {
            Fate::Leave => return Ok(false),
            fate => fate,
        };
        let Some(current) = self.reread(&source, &target.found).await? else {
            return Ok(false);
        };
        Ok(match fate {
            Fate::Delete => !source
                .config
                .erase
                .as_ref()
                .is_some_and(|call| is_overwritten_by(call, step, &current.expose().0)),
            _ => redactions(step, fate)
                .iter()
                .any(|(name, redaction)| !is_in_place(&current.expose().0, step, name, redaction)),
        })
    }

    /// The item itself, as far as the declaration says where it is; `None` when it is gone although a list still shows it.
    async fn reread(
        &self,
        source: &Source<'_>,
        found: &Found,
    ) -> Result<Option<Sensitive<JsonValue>>, ConnectorError> {
        let Some(path) = &source.config.get else {
            return Ok(Some(found.item.clone()));
        };
        let call = self.item_call(Method::GET, path, &found.id, None)?;
        let answer = self.service.call(&call).await?;
        match answer.status {
            404 | 410 => Ok(None),
            200..=299 => match unwrapped(&answer.body.expose().0, &source.config.id) {
                Some(item) => Ok(Some(Sensitive::new(JsonValue(item.clone())))),
                None => Err(self.service.failed_call(&call, "its answer is not an item")),
            },
            status => Err(self
                .service
                .failed_call(&call, &format!("it answered {status}"))),
        }
    }

    /// The items of a group of steps, with their fates: those that stay keep what they point at from being deleted.
    async fn targets(
        &self,
        group: &[EraseStep],
        known: &[Arc<Collection>],
    ) -> Result<Vec<Vec<Target>>, ConnectorError> {
        let mut targets = Vec::with_capacity(group.len());
        for step in group {
            let mut of_step = Vec::new();
            let mut finder = self.find(self.source(&step.collection)?, &step.ways)?;
            while let Some(page) = finder.next_page().await? {
                for found in page {
                    let mut target = self.target(step, known, found).await?;
                    if !self.needs_item(step, target.fate)? {
                        target.found.item = Sensitive::default();
                    }
                    of_step.push(target);
                }
            }
            targets.push(of_step);
        }
        settle(group, &mut targets);
        Ok(targets)
    }

    /// Whether more than the id is needed to carry out a fate; else the item is dropped, so that a long list costs little memory.
    fn needs_item(&self, step: &EraseStep, fate: Fate) -> Result<bool, ConnectorError> {
        let by_id_alone =
            |call: &ItemCall| call.method == ItemMethod::Delete && call.body.is_none();
        Ok(match fate {
            Fate::Delete => {
                !step.blockers.is_empty()
                    || !self
                        .source(&step.collection)?
                        .config
                        .erase
                        .as_ref()
                        .is_some_and(by_id_alone)
            }
            Fate::Redact => true,
            Fate::Retain => !step.retained_redactions.is_empty(),
            Fate::Leave => false,
        })
    }

    async fn target(
        &self,
        step: &EraseStep,
        known: &[Arc<Collection>],
        found: Found,
    ) -> Result<Target, ConnectorError> {
        let retained = step
            .retained
            .as_ref()
            .is_some_and(|cutoff| is_retained(found.value(), cutoff));
        let spared = Wanted::new(Some(&*step.collection), &step.spared).matches(found.value());
        let fate = match (retained, step.delete) {
            _ if spared => Fate::Leave,
            (true, _) => Fate::Retain,
            (false, true) => Fate::Delete,
            (false, false) => Fate::Redact,
        };
        let guarded_by = self.places(&step.guards, known, &found).await?;
        let blocked_by = self.places(&step.blockers, known, &found).await?;
        Ok(Target {
            found,
            fate,
            guarded_by,
            blocked_by,
        })
    }

    async fn places(
        &self,
        pointers: &[Pointer],
        known: &[Arc<Collection>],
        found: &Found,
    ) -> Result<Vec<Place>, ConnectorError> {
        let mut places = Vec::new();
        for pointer in pointers {
            let ids = self
                .pointing(
                    pointer,
                    self.pointing_source(pointer, known)?,
                    found.value(),
                    &[],
                )
                .await?;
            places.extend(
                ids.iter()
                    .map(|id| (pointer.from.clone(), fingerprint(id.expose()))),
            );
        }
        Ok(places)
    }

    async fn carry_out(
        &self,
        step: &EraseStep,
        target: &Target,
        key: &[u8],
        erased: &mut Erased,
    ) -> Result<(), ConnectorError> {
        let config = self.source(&step.collection)?.config;
        let lacks = |call: &str| {
            let reason = format!(
                "its connection declares no `{call}` call, which the data map's erasure needs"
            );
            ConnectorError::Drift {
                collection: step.collection.key.clone(),
                reason,
            }
        };
        let item = target.found.value();
        if target.fate == Fate::Delete {
            let call = config.erase.as_ref().ok_or_else(|| lacks("erase"))?;
            if is_overwritten_by(call, step, item) {
                return Ok(());
            }
            let changed = self
                .change(
                    call,
                    &target.found,
                    new_values(item, step, &step.redactions, key),
                )
                .await?;
            let count = if call.method == ItemMethod::Delete {
                &mut erased.deleted
            } else {
                &mut erased.redacted
            };
            *count += u64::from(changed);
            return Ok(());
        }
        let redactions = redactions(step, target.fate);
        if redactions
            .iter()
            .all(|(name, redaction)| is_in_place(item, step, name, redaction))
        {
            return Ok(());
        }
        let call = config.correct.as_ref().ok_or_else(|| lacks("correct"))?;
        erased.redacted += u64::from(
            self.change(call, &target.found, new_values(item, step, redactions, key))
                .await?,
        );
        Ok(())
    }

    /// Changes one item; says whether it was still there.
    pub(super) async fn change(
        &self,
        declared: &ItemCall,
        found: &Found,
        values: Value,
    ) -> Result<bool, ConnectorError> {
        // PUT replaces an item, so the rest of it has to go along.
        let values = if declared.method == ItemMethod::Put {
            merged(found.value().clone(), &values)
        } else {
            values
        };
        let body = match (&declared.body, declared.method) {
            (Some(template), _) => Some(place_values(template, &values)),
            (None, ItemMethod::Delete) => None,
            (None, _) => Some(values),
        };
        let call = self.item_call(method(declared.method), &declared.path, &found.id, body)?;
        let answer = self.service.call(&call).await?;
        if !declared.ok.contains(&answer.status) {
            return Err(self.service.failed_call(
                &call,
                &format!("it answered {}, which is not in `ok`", answer.status),
            ));
        }
        Ok(!matches!(answer.status, 404 | 410))
    }

    fn item_call(
        &self,
        method: Method,
        path: &str,
        id: &Sensitive<String>,
        body: Option<Value>,
    ) -> Result<Call, ConnectorError> {
        let what = format!("{method} {path}");
        let path = fill_path(path, &[("id".to_owned(), id.expose().clone())])
            .map_err(|reason| self.service.failed("building a URL", &reason))?;
        let url = self.service.url(&path, std::iter::empty())?;
        Ok(Call {
            what,
            method,
            url,
            body: body.map(|body| Sensitive::new(JsonValue(body))),
        })
    }
}

/// Items pointed at only by items that go, go as well; one that stays makes others stay, until nothing changes any more.
fn settle(group: &[EraseStep], targets: &mut [Vec<Target>]) {
    loop {
        let places = |fates: &[Fate]| -> HashSet<Place> {
            let of_step = |(step, targets): (&EraseStep, &Vec<Target>)| {
                let chosen = targets
                    .iter()
                    .filter(|target| fates.contains(&target.fate))
                    .map(|target| {
                        (
                            step.collection.key.clone(),
                            fingerprint(target.found.id.expose()),
                        )
                    });
                chosen.collect::<Vec<_>>()
            };
            group.iter().zip(targets.iter()).flat_map(of_step).collect()
        };
        let (ours, going) = (
            places(&[Fate::Delete, Fate::Redact, Fate::Retain]),
            places(&[Fate::Delete]),
        );
        let mut changed = false;
        for target in targets.iter_mut().flatten() {
            let fate = match target.fate {
                Fate::Leave => Fate::Leave,
                _ if target.guarded_by.iter().any(|place| !ours.contains(place)) => Fate::Leave,
                Fate::Delete if target.blocked_by.iter().any(|place| !going.contains(place)) => {
                    Fate::Redact
                }
                fate => fate,
            };
            changed |= std::mem::replace(&mut target.fate, fate) != fate;
        }
        if !changed {
            return;
        }
    }
}

/// The fate of a single item at the re-read, when whatever points at it is there to stay.
fn step_fate(target: &Target) -> Fate {
    match target.fate {
        _ if !target.guarded_by.is_empty() => Fate::Leave,
        Fate::Delete if !target.blocked_by.is_empty() => Fate::Redact,
        fate => fate,
    }
}

const fn method(method: ItemMethod) -> Method {
    match method {
        ItemMethod::Delete => Method::DELETE,
        ItemMethod::Patch => Method::PATCH,
        ItemMethod::Put => Method::PUT,
        ItemMethod::Post => Method::POST,
    }
}

fn redactions(step: &EraseStep, fate: Fate) -> &[(FieldName, Redaction)] {
    match fate {
        Fate::Redact => &step.redactions,
        Fate::Retain => &step.retained_redactions,
        Fate::Delete | Fate::Leave => &[],
    }
}

fn kind(step: &EraseStep, name: &FieldName) -> ValueKind {
    step.collection
        .field(name)
        .map_or(ValueKind::Text, |field| field.kind)
}

/// An object of the members to be overwritten, with their new values.
fn new_values(
    item: &Value,
    step: &EraseStep,
    redactions: &[(FieldName, Redaction)],
    key: &[u8],
) -> Value {
    let mut values = Value::Object(serde_json::Map::new());
    for (name, redaction) in redactions {
        let new = match redaction {
            Redaction::Null => Value::Null,
            Redaction::Fixed(fixed) => typed(kind(step, name), fixed),
            Redaction::Hash(_) if is_in_place(item, step, name, redaction) => {
                member(item, name.as_ref()).cloned().unwrap_or_default()
            }
            Redaction::Hash(longest) => {
                let old = Sensitive::new(
                    member(item, name.as_ref())
                        .and_then(|value| text(value, kind(step, name)))
                        .unwrap_or_default(),
                );
                Value::String(keyed_hash(key, old.expose(), *longest))
            }
        };
        set_member(&mut values, name.as_ref(), new);
    }
    values
}

/// The same hash as in databases, so that equal values stay equal across systems.
fn keyed_hash(key: &[u8], value: &str, longest: u32) -> String {
    let shape = hash::shape(longest);
    format!(
        "{}{}",
        shape.prefix,
        hash::digits(key, value.as_bytes(), shape.digits)
    )
}

fn is_hashed(text: &str, longest: u32) -> bool {
    let shape = hash::shape(longest);
    text.strip_prefix(shape.prefix).is_some_and(|digits| {
        digits.len() == shape.digits && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// A text as JSON of the member's type.
fn typed(kind: ValueKind, text: &str) -> Value {
    let typed = match kind {
        ValueKind::Integer => text.parse::<i64>().ok().map(Value::from),
        ValueKind::Decimal => text
            .parse::<f64>()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::Number),
        ValueKind::Boolean => text.parse::<bool>().ok().map(Value::Bool),
        ValueKind::Json => serde_json::from_str(text).ok(),
        _ => None,
    };
    typed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Whether a member has been overwritten already.
fn is_in_place(item: &Value, step: &EraseStep, name: &FieldName, redaction: &Redaction) -> bool {
    let current = member(item, name.as_ref()).unwrap_or(&Value::Null);
    match redaction {
        Redaction::Null => current.is_null(),
        Redaction::Fixed(fixed) => {
            let kind = kind(step, name);
            *current == typed(kind, fixed) || text(current, kind) == text(&typed(kind, fixed), kind)
        }
        Redaction::Hash(longest) => {
            current.is_null()
                || current
                    .as_str()
                    .is_some_and(|text| is_hashed(text, *longest))
        }
    }
}

/// The item in the answer to a GET: the answer itself, or its only member (`{"ticket": {…}}`).
fn unwrapped<'a>(answer: &'a Value, id: &str) -> Option<&'a Value> {
    let members = answer.as_object()?;
    let inner = members.values().next().filter(|_| members.len() == 1);
    [Some(answer), inner]
        .into_iter()
        .flatten()
        .find(|item| member(item, id).is_some())
}

/// Whether an erasing call that overwrites instead of deleting has done its work: the item agrees with the declared body, or
/// with the plan's redactions.
fn is_overwritten_by(call: &ItemCall, step: &EraseStep, item: &Value) -> bool {
    if call.method == ItemMethod::Delete {
        return false;
    }
    let redacted = !step.redactions.is_empty()
        && step
            .redactions
            .iter()
            .all(|(name, redaction)| is_in_place(item, step, name, redaction));
    let Some(body @ Value::Object(members)) = &call.body else {
        return redacted;
    };
    let wrapped = members
        .values()
        .next()
        .filter(|inner| members.len() == 1 && inner.is_object());
    redacted || agrees(item, body) || wrapped.is_some_and(|inner| agrees(item, inner))
}

fn agrees(item: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(members) => members
            .iter()
            .all(|(name, wanted)| agrees(item.get(name).unwrap_or(&Value::Null), wanted)),
        other => item == other,
    }
}

fn merged(mut item: Value, new: &Value) -> Value {
    match (&mut item, new) {
        (Value::Object(members), Value::Object(new)) => {
            for (name, value) in new {
                let old = members.remove(name).unwrap_or_default();
                members.insert(
                    name.clone(),
                    if value.is_object() {
                        merged(old, value)
                    } else {
                        value.clone()
                    },
                );
            }
            item
        }
        _ => new.clone(),
    }
}
