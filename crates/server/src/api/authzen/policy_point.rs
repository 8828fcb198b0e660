//! AuthZEN's questions as disclosures: who the subject, the action and the resource are here.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use domain::data_map::{IdentifierKind, RecipientKey};
use domain::profile::{AttributeKey, Schema};
use domain::purpose_of_use::PurposeKey;
use domain::recipient::RecipientRole;
use domain::sensitive::Sensitive;
use governance::disclosure::{
    Caller, Door, Effect, Granted, KnownRecipient, Question, SubjectAsked, disclose_each, evaluate,
};
use governance::{Privity, Problem};
use serde_json::{Value, json};

use super::json::Json;
use super::message::{Action, Entity, Evaluation, Members, malformed};
use super::protocol::{Answer, Decides};

/// What a caller that understands it says in `context.obligations`.
const REDACT: &str = "redact";

/// Attributes of profiles that one call names, at most: each may be answered with an obligation of its own, and what a call says once for all its
/// questions is named by each of them.
const MOST_NAMED: usize = 16_384;

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
struct Asked<'b> {
    place: usize,
    wanted: Wanted<'b>,
    understands: bool,
}

/// What it is about.
enum Wanted<'b> {
    Attribute(&'b str),
    Profile(Listed<'b>),
}

/// The attributes of a profile.
#[derive(Clone)]
enum Listed<'b> {
    All(Arc<[AttributeKey]>),
    /// Each once. What nobody declared is among them: whoever redacts has to withhold it.
    Named(Arc<[&'b str]>),
}

/// The attributes that a call's questions name.
#[derive(Default)]
struct Naming<'b> {
    count: usize,
    /// The list of the question before: one that a call gives for all its questions is read once.
    last: Option<(Json<'b>, Listed<'b>)>,
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
            asked_by: Some(self.known.recipient.clone()),
            ..caller
        })
    }

    fn asked<'b>(
        &self,
        place: usize,
        one: &Evaluation<'b>,
        naming: &mut Naming<'b>,
    ) -> Result<Option<(Common<'b>, Asked<'b>)>, Problem> {
        let resource = &one.resource;
        let known = match resource.kind {
            "attribute" => {
                let about = About::of(resource.properties);
                about.map(|about| (about, Wanted::Attribute(resource.id)))
            }
            "profile" => {
                let listed = naming.listed(resource.properties, self.privity.schema())?;
                listed.map(|listed| (About::Id(resource.id), Wanted::Profile(listed)))
            }
            _ => None,
        };
        Ok(known.map(|(about, wanted)| {
            let common = Common {
                kind: one.subject.kind,
                recipient: one.subject.id,
                purpose: one.action.name,
                about,
            };
            let asked = Asked {
                place,
                wanted,
                understands: understands(one.context),
            };
            (common, asked)
        }))
    }

    /// The key of an attribute that is declared; nothing is said of any other.
    fn declared(&self, key: &str) -> Option<AttributeKey> {
        let rule = self.privity.schema()?.attribute_of(key);
        rule.map(|rule| rule.key.clone())
    }

    /// What each of several callers would get, by attribute.
    async fn would_get(
        &self,
        callers: &[Caller],
        subject: &SubjectAsked,
        attributes: &[AttributeKey],
        context: Members<'_>,
    ) -> Result<Vec<Vec<AttributeKey>>, Problem> {
        let effects = evaluate(&self.privity, &self.known, callers, subject, attributes).await?;
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
        let text = |name: &str| properties.get(name).and_then(Json::text);
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

impl<'b> Naming<'b> {
    /// The attributes that a question about a profile is about; `None` while there are no profiles.
    fn listed(
        &mut self,
        properties: Members<'b>,
        schema: Option<&Arc<Schema>>,
    ) -> Result<Option<Listed<'b>>, Problem> {
        let named = properties.get("attributes");
        let listed = match named.and_then(|given| Some((given, given.list()?))) {
            None => schema.map(|schema| Listed::All(Arc::clone(schema.keys()))),
            Some((given, names)) => Some(match &self.last {
                Some((last, listed)) if last.is(given) => listed.clone(),
                _ => {
                    let mut known = HashSet::new();
                    let names = names.filter_map(Json::text);
                    let listed = Listed::Named(names.filter(|name| known.insert(*name)).collect());
                    self.last = Some((given, listed.clone()));
                    listed
                }
            }),
        };
        self.count += listed.as_ref().map_or(0, Listed::len);
        if self.count > MOST_NAMED {
            let todo = format!(
                "one call names at most {MOST_NAMED} attributes of profiles; ask in several"
            );
            return Err(malformed(&todo));
        }
        Ok(listed)
    }
}

impl Listed<'_> {
    fn len(&self) -> usize {
        match self {
            Self::All(keys) => keys.len(),
            Self::Named(names) => names.len(),
        }
    }

    /// Whether it is the very same list.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All(one), Self::All(other)) => Arc::ptr_eq(one, other),
            (Self::Named(one), Self::Named(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// Whom a search is about.
fn about(resource: &Entity<'_>) -> Option<SubjectAsked> {
    About::of(resource.properties)?.subject()
}

fn understands(context: Members<'_>) -> bool {
    let named = context.get("obligations").and_then(Json::list);
    named.is_some_and(|mut named| named.any(|one| one.text() == Some(REDACT)))
}

impl Decides for PolicyPoint {
    async fn decide(&self, asked: &[Evaluation<'_>]) -> Result<Vec<Answer>, Problem> {
        let mut naming = Naming::default();
        let mut groups: Vec<(Common<'_>, Vec<Asked<'_>>)> = Vec::new();
        for (place, one) in asked.iter().enumerate() {
            let Some((common, one)) = self.asked(place, one, &mut naming)? else {
                continue;
            };
            // Nearly always the group of the question before.
            let mut known = groups.iter_mut().rev();
            match known.find(|(other, _)| *other == common) {
                Some((_, group)) => group.push(one),
                None => groups.push((common, vec![one])),
            }
        }
        let mut answers = vec![Answer::default(); asked.len()];
        let mut questions = Vec::with_capacity(groups.len());
        let mut asked_in = Vec::with_capacity(groups.len());
        for (common, group) in groups {
            let caller = self.caller(common.kind, common.recipient, common.purpose);
            let (Some(caller), Some(subject)) = (caller, common.about.subject()) else {
                continue;
            };
            let mut attributes = Vec::with_capacity(group.len());
            let mut last = None;
            for one in &group {
                match &one.wanted {
                    Wanted::Attribute(key) => attributes.extend(self.declared(key)),
                    Wanted::Profile(listed) if last.is_some_and(|last| listed.is(last)) => {}
                    Wanted::Profile(listed) => {
                        match listed {
                            Listed::All(keys) => attributes.extend_from_slice(keys),
                            Listed::Named(names) => {
                                attributes
                                    .extend(names.iter().filter_map(|one| self.declared(one)));
                            }
                        }
                        last = Some(listed);
                    }
                }
            }
            questions.push(Question {
                caller,
                subject,
                attributes,
            });
            asked_in.push(group);
        }
        let granted = disclose_each(&self.privity, &questions).await?;
        for (group, granted) in asked_in.iter().zip(&granted) {
            for one in group {
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

impl Asked<'_> {
    fn answer(&self, granted: &Granted) -> Answer {
        match &self.wanted {
            Wanted::Attribute(key) => self.of_attribute(key, granted.effect_on(key)),
            Wanted::Profile(Listed::All(keys)) => {
                self.of_profile(keys.iter().map(AsRef::as_ref), granted)
            }
            Wanted::Profile(Listed::Named(names)) => {
                self.of_profile(names.iter().copied(), granted)
            }
        }
    }

    fn of_attribute(&self, key: &str, effect: Effect) -> Answer {
        let is_altered = !matches!(effect, Effect::Keep | Effect::Drop);
        let obligation = (is_altered && self.understands).then(|| obligation(key, effect));
        Answer {
            decision: effect == Effect::Keep || obligation.is_some(),
            context: obligation.map(|one| json!({"obligations": [one]})),
        }
    }

    /// Whoever can't redact may pass on nothing unless all of it goes out as it is.
    fn of_profile<'k>(&self, keys: impl Iterator<Item = &'k str>, granted: &Granted) -> Answer {
        let effects = keys.map(|key| (key, granted.effect_on(key)));
        let (kept, others): (Vec<_>, Vec<_>) =
            effects.partition(|(_, effect)| *effect == Effect::Keep);
        let goes_out = others.iter().any(|(_, effect)| *effect != Effect::Drop);
        let decision = if self.understands {
            goes_out || !kept.is_empty()
        } else {
            others.is_empty() && !kept.is_empty()
        };
        let obligations = others.iter();
        let obligations = obligations.map(|(key, effect)| obligation(key, *effect));
        let has_obligations = decision && !others.is_empty();
        Answer {
            decision,
            context: has_obligations
                .then(|| json!({"obligations": obligations.collect::<Vec<_>>()})),
        }
    }
}

/// What has to become of an attribute that doesn't go out as it is.
fn obligation(key: &str, effect: Effect) -> Value {
    use governance::disclosure::Change;
    let form = match effect {
        Effect::Keep => "keep",
        Effect::Drop => "withhold",
        Effect::Null => "null",
        Effect::Change(Change::Mask) => "mask",
        Effect::Change(Change::Generalise) => "generalise",
        Effect::Change(Change::Token) => "token",
    };
    json!({"id": REDACT, "attribute": key, "form": form})
}
