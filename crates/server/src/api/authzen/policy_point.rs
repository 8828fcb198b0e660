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
use serde_json::{Value, json};

use super::message::{Action, Entity, Evaluation, Members};
use super::protocol::{Answer, Decides};

/// What a caller that understands it says in `context.obligations`.
const REDACT: &str = "redact";

/// Decides for one caller.
pub(super) struct PolicyPoint {
    privity: Privity,
    known: KnownRecipient,
}

/// Who asks what for about whom: questions that have all of this in common are decided in one go. Borrowed from the body, and never shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Common<'b> {
    kind: &'b str,
    recipient: &'b str,
    purpose: &'b str,
    about: About<'b>,
}

/// Whose attribute it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About<'b> {
    /// `"subject": "sub_…"`
    Id(&'b str),
    /// `"by"` and `"value"`
    Identifier(&'b str, &'b str),
}

/// One question as we know it.
struct Asked {
    place: usize,
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

    fn caller(&self, kind: &str, recipient: &str, purpose: &str) -> Option<Caller> {
        if kind != "recipient" {
            return None;
        }
        self.caller_for(&recipient.into(), &purpose.into())
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

    fn asked<'b>(&self, place: usize, one: &Evaluation<'b>) -> Option<(Common<'b>, Asked)> {
        let resource = &one.resource;
        let (about, attributes) = match resource.kind {
            "attribute" => (About::of(resource.properties)?, vec![resource.id.into()]),
            "profile" => {
                let named = resource.properties.get("attributes");
                let attributes = match named.and_then(Value::as_array) {
                    Some(named) => named
                        .iter()
                        .filter_map(Value::as_str)
                        .map(AttributeKey::from)
                        .collect(),
                    None => self.privity.schema()?.keys().to_vec(),
                };
                (About::Id(resource.id), attributes)
            }
            _ => return None,
        };
        let common = Common {
            kind: one.subject.kind,
            recipient: one.subject.id,
            purpose: one.action.name,
            about,
        };
        let asked = Asked {
            place,
            attributes,
            is_profile: resource.kind == "profile",
            understands: understands(one.context),
        };
        Some((common, asked))
    }

    /// What each of several callers would get, by attribute.
    async fn would_get(
        &self,
        callers: &[Caller],
        subject: &SubjectAsked,
        attributes: &[AttributeKey],
        context: Members<'_>,
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

    fn attributes_of(&self, resource: &Entity<'_>) -> Vec<AttributeKey> {
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

impl<'b> About<'b> {
    fn of(properties: Members<'b>) -> Option<Self> {
        let text = |name: &str| properties.get(name).and_then(Value::as_str);
        match text("subject") {
            Some(id) => Some(Self::Id(id)),
            None => Some(Self::Identifier(text("by")?, text("value")?)),
        }
    }

    fn subject(self) -> Option<SubjectAsked> {
        Some(match self {
            Self::Id(id) => SubjectAsked::Id(id.parse().ok()?),
            Self::Identifier(by, value) => SubjectAsked::Identifier(
                IdentifierKind(by.to_owned()),
                Sensitive::new(value.to_owned()),
            ),
        })
    }
}

/// Whom a search is about.
fn about(resource: &Entity<'_>) -> Option<SubjectAsked> {
    About::of(resource.properties)?.subject()
}

fn understands(context: Members<'_>) -> bool {
    let named = context.get("obligations").and_then(Value::as_array);
    named.is_some_and(|named| named.iter().any(|one| one == REDACT))
}

impl Decides for PolicyPoint {
    async fn decide(&self, asked: &[Evaluation<'_>]) -> Result<Vec<Answer>, Problem> {
        let mut groups: BTreeMap<Common<'_>, Vec<Asked>> = BTreeMap::new();
        for (place, one) in asked.iter().enumerate() {
            if let Some((common, one)) = self.asked(place, one) {
                groups.entry(common).or_default().push(one);
            }
        }
        let mut answers = vec![Answer::default(); asked.len()];
        for (common, group) in groups {
            let caller = self.caller(common.kind, common.recipient, common.purpose);
            let (Some(caller), Some(subject)) = (caller, common.about.subject()) else {
                continue;
            };
            let attributes = group.iter().flat_map(|one| one.attributes.iter().cloned());
            let attributes: Vec<_> = attributes.collect();
            let granted = disclose(&self.privity, &caller, &[subject], &attributes).await?;
            let Some(granted) = granted.first() else {
                continue;
            };
            for one in &group {
                if let Some(slot) = answers.get_mut(one.place) {
                    *slot = one.answer(granted);
                }
            }
        }
        Ok(answers)
    }

    async fn subjects(
        &self,
        kind: &str,
        action: &Action<'_>,
        resource: &Entity<'_>,
        context: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        let (Some(subject), "recipient") = (about(resource), kind) else {
            return Ok(Vec::new());
        };
        let purpose = action.name.into();
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
        subject: &Entity<'_>,
        action: &Action<'_>,
        resource: &Entity<'_>,
        context: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        let caller = self.caller(subject.kind, subject.id, action.name);
        let (Some(caller), Some(about), "attribute") = (caller, about(resource), resource.kind)
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
        subject: &Entity<'_>,
        resource: &Entity<'_>,
        context: Members<'_>,
    ) -> Result<Vec<Value>, Problem> {
        let (Some(about), "recipient") = (about(resource), subject.kind) else {
            return Ok(Vec::new());
        };
        let recipient = subject.id.into();
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
