//! The governed read: a query is decided, the decision is in the audit log for good, and only then does anything open.
//!
//! Nobody else asks `enforcement::decide` (deny.toml and the types say so). Issue by issue more doors lead here; each hands
//! in a query and gets a recorded permit or a denial. Recipients come in by [`disclose`].

mod account;
mod by_recipient;
mod caller;
mod credential;
mod evaluation;
mod granted;
mod identity_provider;
mod ledger;
mod listing;
mod minimisation;
mod pace;
mod recipient;
mod shown;

use domain::audit::{Action, Actor, Appended, NewRecord};
use domain::data_map::IdentifierKind;
use domain::disclosure::{
    Attribute, Disclosure, DisclosureRecipient, ProfileFacts, ProfileQuery, Purpose, Query,
};
use domain::privacy_request::PrivacyRequest;
use domain::recipient::Recipient;
use domain::rng::new_id;
use enforcement::vault::{RequestKey, WrappedKey};
use enforcement::{Denial, Permit, RecordedPermit, decide, decide_profile};
use jiff::Timestamp;
use storage::privacy_request::StoredPrivacyRequest;

pub use account::{Account, Writing, account, holders};
pub use by_recipient::{RecipientUse, by_recipient};
pub use caller::{Caller, Door, ProvenBy, SubjectAsked, TokenClient};
pub use credential::{
    Credential, CredentialTerms, KnownCredential, KnownRecipient, add_certificate, add_key,
    caller_for, credentials, known_recipient, recipient_for, recipient_of, revoke,
};
pub use evaluation::evaluate;
pub use granted::{
    AttributeCounts, BodyCheck, BodyFilter, Change, Counts, Effect, Fault, FilteredJson, Granted,
    Limits, Refused, Released, ReleasedProfile,
};
pub(crate) use identity_provider::{
    look as look_at_identity_providers, providers as identity_providers,
};
pub(crate) use ledger::disclosed_to;
pub use ledger::{LedgerExport, LedgerLine, of_subject};
pub use listing::{MOST_LISTED, disclose_all, disclose_sharing, possible, readable};
pub use minimisation::{AsksForMore, Minimisation, minimise};
pub use pace::ListPace;
pub(crate) use pace::Pace;
pub(crate) use recipient::{Decisions, Foreseeing, Found, Undecided, find_for};
pub use recipient::{MOST_SUBJECTS, Question, disclose, disclose_each, disclose_listed};
pub(crate) use shown::Shown;

use crate::{Privity, Problem};

/// A recorded permit and the key that it opens with.
pub struct Opened {
    /// The permit.
    pub permit: RecordedPermit,
    /// The privacy request's key.
    pub key: RequestKey,
}

/// Decides one query and records it before anything opens.
pub(crate) async fn open(
    p: &Privity,
    stored: &StoredPrivacyRequest,
    wanted: &Wanted<'_>,
    actor: Actor,
) -> Result<Opened, Problem> {
    let (decision, record) = p.decide(&stored.request, wanted, actor);
    let mut appended = p.append(vec![record]).await?;
    let permit = decision.map_err(|denial| refused(&denial))?;
    let proof = appended
        .pop()
        .ok_or_else(|| Problem::internal("recording the disclosure", &"no record came back"))?;
    Ok(Opened {
        permit: recorded(permit, proof)?,
        key: request_key(p, stored)?,
    })
}

/// What is wanted, for whom and why.
pub(crate) struct Wanted<'a> {
    pub(crate) recipient: DisclosureRecipient,
    /// The recipient's own facts, when it is one of the data map.
    pub(crate) known: Option<&'a Recipient>,
    pub(crate) purpose: Purpose,
    pub(crate) attributes: Vec<Attribute>,
}

impl Privity {
    /// The decision, and the record that must be appended whatever it is.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place: whatever the decision is, its record comes with it"
    )]
    pub(crate) fn decide(
        &self,
        request: &PrivacyRequest,
        wanted: &Wanted<'_>,
        actor: Actor,
    ) -> (Result<Permit, Denial>, NewRecord) {
        let query = Query {
            id: new_id::<Disclosure>(self.rng(), self.now()),
            request: request.id,
            recipient: wanted.recipient.clone(),
            purpose: wanted.purpose,
            attributes: wanted.attributes.clone(),
        };
        let decision = decide(&query, &self.parts.deciding.facts(request, wanted.known));
        let record = match &decision {
            Ok(permit) => permit.new_record(self.now(), actor),
            Err(denial) => denial.new_record(self.now(), actor),
        };
        (decision, record)
    }
}

/// Decides a query about a profile and records it before anything opens. `found_by` is the kind of identifier by which she was found.
pub(crate) async fn open_profile(
    p: &Privity,
    query: &ProfileQuery,
    facts: &ProfileFacts,
    found_by: Option<&IdentifierKind>,
    actor: Actor,
) -> Result<RecordedPermit, Problem> {
    let (decision, mut record) = decide_about(p, query, facts, actor);
    if let Some(kind) = found_by {
        record = record.with("found_by", kind.0.clone());
    }
    let mut records = Vec::with_capacity(2);
    records.extend(names(&decision, p.now()));
    records.push(record);
    permitted(decision, &mut p.append(records).await?.into_iter())
}

/// The same for several subjects, whose records are appended together.
pub(crate) async fn open_profiles(
    p: &Privity,
    asked: &[(ProfileQuery, ProfileFacts)],
    actor: &Actor,
) -> Result<Vec<RecordedPermit>, Problem> {
    let decided = asked.iter();
    let decided = decided.map(|(query, facts)| decide_about(p, query, facts, actor.clone()));
    let (mut decisions, mut all) = (Vec::with_capacity(asked.len()), Vec::new());
    let now = p.now();
    for (decision, record) in decided {
        // Most of them are named alike.
        let names = names(&decision, now).filter(|names| !all.contains(names));
        all.extend(names);
        all.push(record);
        decisions.push(decision);
    }
    let mut appended = p.append(all).await?.into_iter();
    let decisions = decisions.into_iter();
    decisions
        .map(|decision| permitted(decision, &mut appended))
        .collect()
}

/// The list of the attributes that a record names by their hash, where the log doesn't hold it yet.
fn names(decision: &Result<Permit, Denial>, now: Timestamp) -> Option<NewRecord> {
    decision.as_ref().ok()?.names(now)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place for profiles: whatever the decision is, it is recorded before it is handed on"
)]
fn decide_about(
    p: &Privity,
    query: &ProfileQuery,
    facts: &ProfileFacts,
    actor: Actor,
) -> (Result<Permit, Denial>, NewRecord) {
    let decision = decide_profile(query, facts, p.parts.deciding.judgements());
    let record = match &decision {
        Ok(permit) => permit.new_record(p.now(), actor),
        Err(denial) => denial.new_record(p.now(), actor),
    };
    (decision, record)
}

/// Takes the proofs of a decision's own records from those of all.
fn permitted(
    decision: Result<Permit, Denial>,
    proofs: &mut impl Iterator<Item = Appended>,
) -> Result<RecordedPermit, Problem> {
    let missing = || Problem::internal("recording the disclosure", &"no record came back");
    let mut proof = proofs.next().ok_or_else(missing)?;
    let permit = decision.map_err(|denial| {
        Problem::new(
            "disclosure_denied",
            403,
            format!("{denial}; ask for other attributes, or for another purpose"),
        )
    })?;
    if proof.record().action == Action::AttributesNamed {
        permit
            .names_recorded(&proof)
            .map_err(|error| Problem::internal("recording the disclosure", &error))?;
        proof = proofs.next().ok_or_else(missing)?;
    }
    recorded(permit, proof)
}

/// A permit with the proof of its record.
pub(crate) fn recorded(permit: Permit, proof: Appended) -> Result<RecordedPermit, Problem> {
    permit
        .record(proof)
        .map_err(|error| Problem::internal("recording the disclosure", &error))
}

/// The key of a privacy request.
pub(crate) fn request_key(
    p: &Privity,
    stored: &StoredPrivacyRequest,
) -> Result<RequestKey, Problem> {
    let Some(wrapped) = &stored.wrapped_key else {
        return Err(Problem::conflict(
            "what this privacy request held was destroyed when its time was over",
        ));
    };
    p.keys()
        .unwrap_request_key(stored.request.id, &WrappedKey::from_bytes(wrapped.clone()))
        .map_err(|error| Problem::internal("opening this privacy request", &error))
}

fn refused(denial: &Denial) -> Problem {
    Problem::conflict(format!(
        "{denial}; look at where the privacy request stands"
    ))
}
