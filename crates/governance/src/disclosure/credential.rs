//! By what recipients are known: API keys of 256 random bits, shown once, kept as a hash; certificates; tokens of the business's identity provider.
//!
//! Every credential that doesn't hold is refused alike: unknown, revoked, ended, or not for this purpose.

use std::sync::Arc;

use connectors::identity_provider::TokenError;
use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::RecipientKey;
use domain::id::CredentialId;
use domain::purpose_of_use::PurposeKey;
use domain::rng::{new_id, new_token};
use domain::sensitive::Sensitive;
use enforcement::vault::token_tag;
use jiff::{SignedDuration, Timestamp};
use storage::credential::{CredentialKind, StoredCredential};

use super::caller::{Caller, Door, ProvenBy, TokenClient};
use crate::{Privity, Problem};

/// Refused credentials of the whole installation within a minute after which everybody waits.
const REFUSALS_A_MINUTE: u32 = 300;

/// By what a recipient shows who it is.
pub enum Credential<'a> {
    /// What came as `Bearer`: an API key, or a token of an identity provider.
    Bearer(&'a Sensitive<String>),
    /// The SHA-256 of the client's certificate, as whoever ended TLS saw it.
    Certificate(&'a [u8; 32]),
}

/// A credential as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCredential {
    /// Its id.
    pub id: CredentialId,
    /// `api_key` or `certificate`.
    pub kind: &'static str,
    /// Whose.
    pub recipient: RecipientKey,
    /// The only purposes that it may be used for; `None` for all.
    pub purposes: Option<Vec<PurposeKey>>,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a new credential may be used for.
#[derive(Clone, Debug, Default)]
pub struct CredentialTerms {
    /// The only purposes; `None` for all.
    pub purposes: Option<Vec<PurposeKey>>,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
}

/// The recipient that shows a credential which names its one purpose itself.
///
/// # Errors
/// One and the same 401 whatever is wrong with it; 429 when too many were refused.
pub async fn recipient_of(p: &Privity, credential: &Credential<'_>) -> Result<Caller, Problem> {
    recipient_for(p, credential, None, Door::Gateway).await
}

/// The recipient that shows a credential, with the purpose that it declares beside it; without one, the only purpose that the credential is
/// for.
///
/// # Errors
/// As [`recipient_of`].
pub async fn recipient_for(
    p: &Privity,
    credential: &Credential<'_>,
    purpose: Option<&PurposeKey>,
    door: Door,
) -> Result<Caller, Problem> {
    let known = known_recipient(p, credential).await?;
    caller_for(p, &known, purpose, door).await
}

/// The caller that a known recipient is for a purpose that it declares.
///
/// # Errors
/// As [`recipient_of`], when its credential is not for that.
pub async fn caller_for(
    p: &Privity,
    known: &KnownRecipient,
    purpose: Option<&PurposeKey>,
    door: Door,
) -> Result<Caller, Problem> {
    match known.caller(purpose, door) {
        Some(caller) => Ok(caller),
        None => Err(refuse(p).await?),
    }
}

/// A recipient that showed a credential, before it says what it wants data for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRecipient {
    /// Who.
    pub recipient: RecipientKey,
    /// The only purposes that the credential is for; `None` for all.
    pub purposes: Option<Vec<PurposeKey>>,
    /// What proved who it is.
    pub proven_by: ProvenBy,
}

impl KnownRecipient {
    /// The caller for a purpose that it declares; without one, for the only purpose that its credential is for. `None` where it is not for that.
    pub fn caller(&self, declared: Option<&PurposeKey>, door: Door) -> Option<Caller> {
        let purpose = match (declared, self.purposes.as_deref()) {
            (Some(declared), None) => declared,
            (Some(declared), Some(allowed)) => allowed.iter().find(|one| *one == declared)?,
            (None, Some([only])) => only,
            (None, _) => return None,
        };
        Some(Caller {
            recipient: self.recipient.clone(),
            asked_by: None,
            purpose: purpose.clone(),
            door,
            proven_by: Some(self.proven_by.clone()),
        })
    }
}

/// The recipient that shows a credential.
///
/// # Errors
/// As [`recipient_of`].
pub async fn known_recipient(
    p: &Privity,
    credential: &Credential<'_>,
) -> Result<KnownRecipient, Problem> {
    if let Credential::Bearer(text) = credential
        && p.parts.identity_providers.may_know(text)
    {
        return by_token(p, text).await;
    }
    let (kind, tag) = match credential {
        Credential::Bearer(key) => (CredentialKind::ApiKey, *token_tag(key).as_bytes()),
        Credential::Certificate(fingerprint) => (CredentialKind::Certificate, **fingerprint),
    };
    let shown = &p.parts.shown;
    let found = match shown.get((kind, tag)) {
        Ok(found) => Some(found),
        Err(looking) => {
            let found = p.read_few("find credential", move |tx| {
                Ok(storage::credential::get_by_tag(tx, kind, &tag)?)
            });
            let found = found.await?;
            if let Some(found) = &found {
                shown.put((kind, tag), &looking, found);
            }
            found
        }
    };
    let now = p.now();
    let found = found.filter(|one| holds(one, now));
    match found.filter(|one| p.map().recipients.contains_key(&one.recipient)) {
        Some(one) => Ok(KnownRecipient {
            recipient: one.recipient,
            purposes: one.purposes,
            proven_by: ProvenBy::Credential(one.id),
        }),
        None => Err(refuse(p).await?),
    }
}

/// The recipient whose client of an identity provider showed this token. Whatever is wrong with it is told to our log alone, and nothing of it.
async fn by_token(p: &Privity, text: &Sensitive<String>) -> Result<KnownRecipient, Problem> {
    match p.parts.identity_providers.verify(text, p.now()).await {
        Ok(client) => Ok(KnownRecipient {
            recipient: client.recipient,
            purposes: Some(client.purposes),
            proven_by: ProvenBy::Token(Arc::new(TokenClient {
                issuer: client.issuer,
                client: client.client,
            })),
        }),
        Err(TokenError::Refused(why)) => {
            tracing::debug!(why, "a token was refused");
            Err(refuse(p).await?)
        }
        Err(TokenError::NoKeys(_)) => Err(match refuse(p).await? {
            refused if refused.status == 401 => Problem::new(
                "identity_provider_unavailable",
                503,
                "the keys of the identity provider can't be had, so its tokens show nothing; try again in a minute, or use a key of ours",
            ),
            waiting => waiting,
        }),
    }
}

fn holds(credential: &StoredCredential, now: Timestamp) -> bool {
    credential.revoked_at.is_none() && credential.ends_at.is_none_or(|end| now < end)
}

/// Counted for all together: whoever tries keys has many addresses.
async fn refuse(p: &Privity) -> Result<Problem, Problem> {
    let now = p.now();
    let refusals = p
        .write_silently("refuse credential", move |tx| {
            let minute = SignedDuration::from_mins(1);
            let refusals = storage::rate_limit::count(tx, "credential", b"all", now, minute)?;
            Ok((refusals, Vec::new()))
        })
        .await?
        .0;
    if refusals > REFUSALS_A_MINUTE {
        return Ok(Problem::new(
            "too_many_sign_ins",
            429,
            "too many credentials were refused; wait a minute and try again",
        ));
    }
    Ok(Problem::new(
        "sign_in_refused",
        401,
        "this needs a recipient's key that is valid now and for this purpose; ask the business for one",
    ))
}

/// Adds an API key for a recipient and answers it; it can't be shown again.
///
/// # Errors
/// A recipient or purpose that nobody declared.
pub async fn add_key(
    p: &Privity,
    recipient: &RecipientKey,
    terms: CredentialTerms,
) -> Result<(CredentialId, Sensitive<String>), Problem> {
    let key = new_token(p.rng());
    let tag = *token_tag(&key).as_bytes();
    let id = add(p, recipient, terms, (CredentialKind::ApiKey, tag)).await?;
    Ok((id, key))
}

/// Adds the fingerprint of a certificate that a recipient shows.
///
/// # Errors
/// As [`add_key`], and a fingerprint that is known already.
pub async fn add_certificate(
    p: &Privity,
    recipient: &RecipientKey,
    terms: CredentialTerms,
    fingerprint: [u8; 32],
) -> Result<CredentialId, Problem> {
    add(
        p,
        recipient,
        terms,
        (CredentialKind::Certificate, fingerprint),
    )
    .await
}

async fn add(
    p: &Privity,
    recipient: &RecipientKey,
    terms: CredentialTerms,
    (kind, tag): (CredentialKind, [u8; 32]),
) -> Result<CredentialId, Problem> {
    check(p, recipient, &terms)?;
    let (id, now) = (new_id(p.rng(), p.now()), p.now());
    let stored = StoredCredential {
        id,
        kind,
        tag: tag.to_vec(),
        recipient: recipient.clone(),
        purposes: terms.purposes,
        ends_at: terms.ends_at,
        revoked_at: None,
        created_at: now,
    };
    let record = NewRecord::new(now, Actor::CommandLine, Action::CredentialAdded)
        .about(recipient.to_string())
        .with("credential", id.to_string())
        .with("kind", kind.text());
    let added = p.write_silently("add credential", move |tx| {
        storage::credential::insert(tx, &stored)?;
        Ok(((), vec![record.clone()]))
    });
    added.await?;
    Ok(id)
}

fn check(p: &Privity, recipient: &RecipientKey, terms: &CredentialTerms) -> Result<(), Problem> {
    if !p.map().recipients.contains_key(recipient) {
        return Err(Problem::invalid(
            "recipient",
            format!("the data map has no recipient `{recipient}`; write it there first"),
        ));
    }
    let purposes = terms.purposes.iter().flatten();
    for purpose in purposes {
        if p.purposes().get(purpose).is_none() {
            return Err(Problem::invalid(
                "purposes",
                format!("nobody declared a purpose `{purpose}`; write it into purposes.yaml first"),
            ));
        }
    }
    if terms.ends_at.is_some_and(|end| end <= p.now()) {
        return Err(Problem::invalid(
            "ends_at",
            "this moment is over; choose a later one",
        ));
    }
    Ok(())
}

/// All credentials, oldest first.
///
/// # Errors
/// Our database doesn't answer.
pub async fn credentials(p: &Privity) -> Result<Vec<KnownCredential>, Problem> {
    let all = p.read("list credentials", |tx| Ok(storage::credential::list(tx)?));
    let known = all.await?.into_iter().map(|one| KnownCredential {
        id: one.id,
        kind: one.kind.text(),
        recipient: one.recipient,
        purposes: one.purposes,
        ends_at: one.ends_at,
        revoked_at: one.revoked_at,
        created_at: one.created_at,
    });
    Ok(known.collect())
}

/// Revokes a credential: from now on it opens nothing, on every node.
///
/// # Errors
/// There is none, or it was revoked before.
pub async fn revoke(p: &Privity, id: CredentialId) -> Result<(), Problem> {
    let now = p.now();
    let record = NewRecord::new(now, Actor::CommandLine, Action::CredentialRevoked)
        .with("credential", id.to_string());
    let revoked = p.write_silently("revoke credential", move |tx| {
        if storage::credential::revoke(tx, id, now)? {
            return Ok((true, vec![record.clone()]));
        }
        Ok((false, Vec::new()))
    });
    let is_revoked = revoked.await?.0;
    // After the commit: what was looked up before it is forgotten, and what is looked up from now on is revoked.
    p.parts.shown.forget();
    if is_revoked {
        return Ok(());
    }
    Err(Problem::not_found("credential that still holds"))
}
