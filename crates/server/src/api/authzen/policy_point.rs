//! AuthZEN's questions as disclosures: who the subject, the action and the resource are here.

use std::collections::BTreeMap;

use domain::data_map::{IdentifierKind, RecipientKey};
use domain::profile::AttributeKey;
use domain::purpose_of_use::PurposeKey;
use domain::recipient::RecipientRole;
use domain::sensitive::Sensitive;
use governance::disclosure::{
    Caller, Door, Effect, Granted, KnownRecipient, SubjectAsked, disclose, evaluate,
};
use governance::{Privity, Problem};
use serde_json::{Map, Value, json};

use super::message::{Action, Entity, Evaluation};
use super::protocol::{Answer, Decides};

/// What a caller that understands it says in `context.obligations`.
const REDACT: &str = "redact";

/// Decides for one caller.
pub(super) struct PolicyPoint {
    privity: Privity,
    known: KnownRecipient,
}

/// One question as we know it.
struct Asked {
    caller: Caller,
    subject: SubjectAsked,
    /// Tells the same subject again.
    name: Sensitive<String>,
    attributes: Vec<AttributeKey>,
    is_profile: bool,
    understands: bool,
}

impl PolicyPoint {
    pub(super) fn of(privity: &Privity, known: KnownRecipient) -> Self {
        Self {
            privity: privity.clone(),
            known,
        }
    }

    fn is_internal(&self) -> bool {
        let own = self.privity.map().recipients.get(&self.known.recipient);
        own.is_some_and(|own| own.role == RecipientRole::Internal)
    }

    fn caller(&self, subject: &Entity, action: &Action) -> Option<Caller> {
        if subject.kind != "recipient" {
            return None;
        }
        self.caller_for(&subject.id.as_str().into(), &action.name.as_str().into())
    }

    fn caller_for(&self, recipient: &RecipientKey, purpose: &PurposeKey) -> Option<Caller> {
        let caller = self.known.caller(Some(purpose), Door::AuthZen)?;
        if *recipient == self.known.recipient {
            return Some(caller);
        }
        let is_known = self.privity.map().recipients.contains_key(recipient);
        (self.is_internal() && is_known).then(|| Caller {
            recipient: recipient.clone(),
            ..caller
        })
    }

    fn asked(&self, one: &Evaluation) -> Option<Asked> {
        let (subject, name, attributes) = match one.resource.kind.as_str() {
            "attribute" => {
                let (subject, name) = about(&one.resource.properties)?;
                (subject, name, vec![one.resource.id.as_str().into()])
            }
            "profile" => {
                let id = one.resource.id.parse().ok()?;
                let named = one.resource.properties.get("attributes");
                let named = named.and_then(Value::as_array);
                let attributes = match named {
                    Some(named) => named
                        .iter()
                        .filter_map(Value::as_str)
                        .map(AttributeKey::from)
                        .collect(),
                    None => self.privity.schema()?.keys().to_vec(),
                };
                (
                    SubjectAsked::Id(id),
                    Sensitive::new(one.resource.id.clone()),
                    attributes,
                )
            }
            _ => return None,
        };
        Some(Asked {
            caller: self.caller(&one.subject, &one.action)?,
            subject,
            name,
            attributes,
            is_profile: one.resource.kind == "profile",
            understands: understands(&one.context),
        })
    }

    /// What each of several callers would get, by attribute.
    async fn would_get(
        &self,
        callers: &[Caller],
        subject: &SubjectAsked,
        attributes: &[AttributeKey],
        context: &Map<String, Value>,
    ) -> Result<Vec<Vec<AttributeKey>>, Problem> {
        let asker = &self.known.recipient;
        let effects = evaluate(&self.privity, asker, callers, subject, attributes).await?;
        let understands = understands(context);
        let given = |effects: BTreeMap<AttributeKey, Effect>| {
            let given = effects.into_iter();
            let given = given.filter(|(_, effect)| understands || *effect == Effect::Keep);
            given.map(|(key, _)| key).collect()
        };
        Ok(effects.into_iter().map(given).collect())
    }

    fn attributes_of(&self, resource: &Entity) -> Vec<AttributeKey> {
        let keys = self.privity.schema().map(|schema| schema.keys().to_vec());
        let all = keys.unwrap_or_default();
        if resource.id.is_empty() {
            return all;
        }
        all.into_iter()
            .filter(|key| resource.kind == "attribute" && key.as_ref() == resource.id)
            .collect()
    }
}

/// Whose attribute it is: `"subject": "sub_…"`, or `"by"` and `"value"`.
fn about(properties: &Map<String, Value>) -> Option<(SubjectAsked, Sensitive<String>)> {
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    if let Some(id) = text("subject") {
        let name = Sensitive::new(id.to_owned());
        return Some((SubjectAsked::Id(id.parse().ok()?), name));
    }
    let (by, value) = (text("by")?, text("value")?);
    let name = Sensitive::new(format!("{by} {value}"));
    let value = Sensitive::new(value.to_owned());
    Some((
        SubjectAsked::Identifier(IdentifierKind(by.to_owned()), value),
        name,
    ))
}

fn understands(context: &Map<String, Value>) -> bool {
    let named = context.get("obligations").and_then(Value::as_array);
    named.is_some_and(|named| named.iter().any(|one| one == REDACT))
}

/// Questions about one subject, by one caller: decided in one go.
#[derive(Default)]
struct Group {
    places: Vec<usize>,
    asked: Vec<Asked>,
}

impl Decides for PolicyPoint {
    async fn decide(&self, asked: &[Evaluation]) -> Result<Vec<Answer>, Problem> {
        let mut groups: BTreeMap<(RecipientKey, PurposeKey, Sensitive<String>), Group> =
            BTreeMap::new();
        for (place, one) in asked.iter().enumerate() {
            let Some(one) = self.asked(one) else { continue };
            let caller = &one.caller;
            let key = (
                caller.recipient.clone(),
                caller.purpose.clone(),
                one.name.clone(),
            );
            let group = groups.entry(key).or_default();
            group.places.push(place);
            group.asked.push(one);
        }
        let mut answers = vec![Answer::default(); asked.len()];
        for group in groups.into_values() {
            let Some(first) = group.asked.first() else {
                continue;
            };
            let attributes: Vec<_> = group
                .asked
                .iter()
                .flat_map(|one| one.attributes.clone())
                .collect();
            let subject = std::slice::from_ref(&first.subject);
            let granted = disclose(&self.privity, &first.caller, subject, &attributes).await?;
            let Some(granted) = granted.first() else {
                continue;
            };
            for (place, one) in group.places.iter().zip(&group.asked) {
                if let Some(slot) = answers.get_mut(*place) {
                    *slot = one.answer(granted);
                }
            }
        }
        Ok(answers)
    }

    async fn subjects(
        &self,
        kind: &str,
        action: &Action,
        resource: &Entity,
        context: &Map<String, Value>,
    ) -> Result<Vec<Value>, Problem> {
        let (Some((subject, _)), "recipient") = (about(&resource.properties), kind) else {
            return Ok(Vec::new());
        };
        let purpose = action.name.as_str().into();
        let known = self.privity.map().recipients.keys();
        let callers: Vec<_> = known
            .filter_map(|key| self.caller_for(key, &purpose))
            .collect();
        let attributes = self.attributes_of(resource);
        let given = self.would_get(&callers, &subject, &attributes, context);
        let given = callers.iter().zip(given.await?);
        let given = given.filter(|(_, keys)| !keys.is_empty());
        Ok(given
            .map(|(caller, _)| json!({"type": "recipient", "id": caller.recipient}))
            .collect())
    }

    async fn resources(
        &self,
        subject: &Entity,
        action: &Action,
        resource: &Entity,
        context: &Map<String, Value>,
    ) -> Result<Vec<Value>, Problem> {
        let caller = self.caller(subject, action);
        let (Some(caller), Some((about, _)), "attribute") =
            (caller, about(&resource.properties), resource.kind.as_str())
        else {
            return Ok(Vec::new());
        };
        let given = self
            .would_get(&[caller], &about, &self.attributes_of(resource), context)
            .await?;
        let keys = given.into_iter().flatten();
        Ok(keys
            .map(|key| json!({"type": "attribute", "id": key.to_string()}))
            .collect())
    }

    async fn actions(
        &self,
        subject: &Entity,
        resource: &Entity,
        context: &Map<String, Value>,
    ) -> Result<Vec<Value>, Problem> {
        let (Some((about, _)), "recipient") = (about(&resource.properties), subject.kind.as_str())
        else {
            return Ok(Vec::new());
        };
        let recipient = subject.id.as_str().into();
        let purposes = self.privity.purposes().iter();
        let callers: Vec<_> = purposes
            .filter_map(|one| self.caller_for(&recipient, &one.key))
            .collect();
        let attributes = self.attributes_of(resource);
        let given = self.would_get(&callers, &about, &attributes, context);
        let given = callers.iter().zip(given.await?);
        let given = given.filter(|(_, keys)| !keys.is_empty());
        Ok(given
            .map(|(caller, _)| json!({"name": caller.purpose.to_string()}))
            .collect())
    }
}

impl Asked {
    fn answer(&self, granted: &Granted) -> Answer {
        let effects = self.attributes.iter().map(|key| (key, granted.effect(key)));
        let effects: Vec<_> = effects.collect();
        let obligations: Vec<_> = effects
            .iter()
            .filter_map(|(key, effect)| self.obligation(key, *effect))
            .collect();
        let goes_out = |effect: &Effect| {
            *effect == Effect::Keep || (self.understands && *effect != Effect::Drop)
        };
        let decision = effects.iter().any(|(_, effect)| goes_out(effect));
        // Of a profile whoever can't redact may pass on nothing unless all of it goes out as it is.
        let decision = decision
            && (self.understands || effects.iter().all(|(_, effect)| *effect == Effect::Keep));
        let has_obligations = decision && !obligations.is_empty();
        Answer {
            decision,
            context: has_obligations.then(|| json!({"obligations": obligations})),
        }
    }

    /// What has to become of an attribute that doesn't go out as it is.
    fn obligation(&self, key: &AttributeKey, effect: Effect) -> Option<Value> {
        use governance::disclosure::Change;
        let form = match effect {
            Effect::Keep => return None,
            Effect::Drop if !self.is_profile => return None,
            Effect::Drop => "withhold",
            Effect::Null => "null",
            Effect::Change(Change::Mask) => "mask",
            Effect::Change(Change::Generalise) => "generalise",
            Effect::Change(Change::Token) => "token",
        };
        Some(json!({"id": REDACT, "attribute": key.to_string(), "form": form}))
    }
}
