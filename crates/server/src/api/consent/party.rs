//! For whom a choice holds, as callers name it and as answers do.

use std::collections::BTreeMap;

use domain::consent::{Party, Tag};
use domain::data_map::IdentifierKind;
use domain::sensitive::Sensitive;
use governance::signal::Sender;
use governance::{Privity, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::StateQuery;

/// For whom a choice holds; exactly one of these.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PartyId {
    /// A known subject, `sub_…`.
    subject: Option<String>,
    /// One identifier by its kind, e.g. `{"email": "maria@example.com"}`. Kept as a keyed hash; held for the subject whose it is, else under its pseudonym.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    identifier: Option<BTreeMap<String, Sensitive<String>>>,
    /// The business's own pseudonymous id of somebody. Kept as a keyed hash.
    #[schema(value_type = Option<String>)]
    pseudonym: Option<Sensitive<String>>,
    /// The random id of a browser or device. Kept as a keyed hash.
    #[schema(value_type = Option<String>)]
    device: Option<Sensitive<String>>,
    /// A pseudonym by the hash that an answer told.
    pseudonym_tag: Option<String>,
    /// A device by the hash that an answer told.
    device_tag: Option<String>,
}

/// Whose browser it was, as far as the business knows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SenderBody {
    /// The random id of the browser or device. Kept as a keyed hash.
    #[schema(value_type = Option<String>)]
    device: Option<Sensitive<String>>,
    /// The business's own pseudonymous ids of whoever uses it. Kept as keyed hashes.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pseudonyms: Vec<Sensitive<String>>,
    /// Identifiers by their kind, e.g. `{"email": "maria@example.com"}`. Kept as keyed hashes.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    identifiers: BTreeMap<String, Sensitive<String>>,
    /// The subject, `sub_…`, when she is known.
    subject: Option<String>,
}

/// For whom a choice is kept: one of these opaque ids.
#[derive(Serialize, ToSchema)]
pub(super) struct PartyView {
    /// A known subject, `sub_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// The keyed hash of a pseudonym or an identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pseudonym_tag: Option<String>,
    /// The keyed hash of a device's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_tag: Option<String>,
}

/// The longest id of a device or a pseudonym, and the longest identifier.
const LONGEST: usize = 320;

/// A party by its opaque id, or an identifier by which it has to be looked up.
pub(super) enum Named {
    Party(Party),
    Identifier(IdentifierKind, Sensitive<String>),
}

impl PartyId {
    /// What it names.
    ///
    /// # Errors
    /// Nothing is named, or several things; an id isn't one; nobody is found by this kind of identifier.
    pub(super) fn named(&self, p: &Privity) -> Result<Named, Problem> {
        let mut named = Vec::new();
        if let Some(id) = self.subject.as_deref() {
            named.push(Named::Party(subject(id)?));
        }
        for (kind, value) in self.identifier.iter().flatten() {
            named.push(Named::Identifier(kind_of(p, kind)?, checked(value)?));
        }
        if let Some(pseudonym) = &self.pseudonym {
            named.push(Named::Party(Party::Pseudonym(pseudonym_tag(p, pseudonym)?)));
        }
        if let Some(device) = &self.device {
            named.push(Named::Party(Party::Device(p.device_tag(&checked(device)?))));
        }
        if let Some(text) = self.pseudonym_tag.as_deref() {
            named.push(Named::Party(Party::Pseudonym(tag(text)?)));
        }
        if let Some(text) = self.device_tag.as_deref() {
            named.push(Named::Party(Party::Device(tag(text)?)));
        }
        one(named)
    }

    /// The party that it names.
    ///
    /// # Errors
    /// As [`PartyId::named`]; our database doesn't answer.
    pub(super) async fn party(&self, p: &Privity) -> Result<Party, Problem> {
        match self.named(p)? {
            Named::Party(party) => Ok(party),
            Named::Identifier(kind, value) => p.party_of(&kind, &value).await,
        }
    }
}

impl SenderBody {
    /// Who sent it.
    ///
    /// # Errors
    /// An id isn't one; nobody is found by this kind of identifier.
    pub(super) async fn sender(&self, p: &Privity) -> Result<Sender, Problem> {
        let mut sender = Sender::default();
        if let Some(device) = &self.device {
            sender.device = Some(p.device_tag(&checked(device)?));
        }
        for pseudonym in &self.pseudonyms {
            sender.pseudonyms.push(pseudonym_tag(p, pseudonym)?);
        }
        let mut parties = Vec::new();
        for (kind, value) in &self.identifiers {
            let (kind, value) = (kind_of(p, kind)?, checked(value)?);
            sender.pseudonyms.push(p.pseudonym_tag(&kind, &value));
            parties.push(p.party_of(&kind, &value).await?);
        }
        parties.extend(self.subject.as_deref().map(subject).transpose()?);
        sender.subject = parties.into_iter().find_map(|party| match party {
            Party::Subject(id) => Some(id),
            Party::Pseudonym(_) | Party::Device(_) => None,
        });
        Ok(sender)
    }
}

impl PartyView {
    pub(super) fn of(party: &Party) -> Self {
        let text = |is: bool| {
            is.then(|| match party {
                Party::Subject(id) => id.to_string(),
                Party::Pseudonym(tag) | Party::Device(tag) => tag.to_string(),
            })
        };
        Self {
            subject: text(matches!(party, Party::Subject(_))),
            pseudonym_tag: text(matches!(party, Party::Pseudonym(_))),
            device_tag: text(matches!(party, Party::Device(_))),
        }
    }
}

/// The party that an address names.
pub(super) fn opaque(query: &StateQuery) -> Result<Party, Problem> {
    let named = [
        query.subject.as_deref().map(subject),
        query
            .pseudonym_tag
            .as_deref()
            .map(|text| tag(text).map(Party::Pseudonym)),
        query
            .device_tag
            .as_deref()
            .map(|text| tag(text).map(Party::Device)),
    ];
    one(named.into_iter().flatten().collect::<Result<_, _>>()?)
}

fn one<T>(mut named: Vec<T>) -> Result<T, Problem> {
    match (named.pop(), named.is_empty()) {
        (Some(party), true) => Ok(party),
        _ => Err(Problem::invalid(
            "party",
            "name exactly one: a subject, an identifier, a pseudonym or a device",
        )),
    }
}

fn subject(text: &str) -> Result<Party, Problem> {
    text.parse().map(Party::Subject).map_err(|_| {
        Problem::invalid(
            "subject",
            "this is not a subject’s id; it begins with `sub_`",
        )
    })
}

/// A keyed hash as an answer told it.
pub(super) fn tag(text: &str) -> Result<Tag, Problem> {
    text.parse()
        .map_err(|error: domain::consent::InvalidTag| Problem::invalid("party", error.to_string()))
}

fn pseudonym_tag(p: &Privity, pseudonym: &Sensitive<String>) -> Result<Tag, Problem> {
    let kind = IdentifierKind("pseudonym".to_owned());
    Ok(p.pseudonym_tag(&kind, &checked(pseudonym)?))
}

fn kind_of(p: &Privity, kind: &str) -> Result<IdentifierKind, Problem> {
    let kind = IdentifierKind(kind.to_owned());
    let known = p.party_kinds();
    if known.contains(&kind) {
        return Ok(kind);
    }
    let names: Vec<_> = known.iter().map(|kind| kind.0.as_str()).collect();
    Err(Problem::invalid(
        "identifier",
        format!(
            "nobody can be found by this kind of identifier here; known are: {}",
            names.join(", ")
        ),
    ))
}

#[expect(clippy::disallowed_methods, reason = "its length alone is looked at")]
fn checked(value: &Sensitive<String>) -> Result<Sensitive<String>, Problem> {
    let length = value.expose().trim().chars().count();
    if length == 0 || length > LONGEST {
        return Err(Problem::invalid(
            "party",
            format!("an id or identifier has 1 to {LONGEST} characters"),
        ));
    }
    Ok(value.clone())
}

/// The key of a site or an app; it is kept in the open.
pub(super) fn check_place(place: &str) -> Result<(), Problem> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    if !place.is_empty() && place.len() <= 100 && place.bytes().all(is_letter) {
        return Ok(());
    }
    Err(Problem::invalid(
        "place",
        domain::consent::InvalidConsent::Place.to_string(),
    ))
}
