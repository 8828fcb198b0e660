//! How often somebody may ask to know: beyond the number that a law sets, an operator decides. Nothing is refused in silence.
//!
//! Law: Cal. Civ. Code 1798.130(b) (two in twelve months), as rows of law data. Counted by the address, of which only a keyed hash is
//! kept, and only where whoever asked has shown that it is hers.

use domain::data_map::IdentifierKind;
use domain::law::{DueError, Limit};
use domain::privacy_request::{PrivacyRequest, RequestKind, RequestState};
use domain::sensitive::Sensitive;
use storage::Tx;
use storage::privacy_request::StoredPrivacyRequest;

use crate::requester::Requester;
use crate::{Privity, Problem};

/// The code of law/reasons.yaml that a privacy request beyond the limit carries until an operator has decided.
pub(crate) const OVER_LIMIT: &str = "over_two_know_requests_12mo";

/// The keyed hash by which her requests to know are counted; none for kinds that no law counts.
pub(crate) fn tag(p: &Privity, kind: RequestKind, requester: &Requester) -> Option<Vec<u8>> {
    let counts = matches!(
        kind,
        RequestKind::KnowCategories | RequestKind::KnowSpecific
    );
    let email = requester.email.as_ref().filter(|_| counts)?;
    let email = Sensitive::new(email.clone());
    let tag = p.keys().blind_tag(&IdentifierKind::email(), &email);
    Some(tag.to_vec())
}

/// The reasons with which a privacy request goes on once its subject is verified: over the limit, or none.
pub(crate) fn reasons(
    p: &Privity,
    tx: &mut Tx,
    request: &PrivacyRequest,
    tag: Option<&[u8]>,
) -> Result<Vec<String>, Problem> {
    let (Some(tag), Some(limit)) = (tag, limit(p, request)?) else {
        return Ok(Vec::new());
    };
    let kinds: Vec<RequestKind> = RequestKind::ALL
        .into_iter()
        .filter(|kind| counts(p, request, &limit, *kind))
        .collect();
    let before =
        storage::privacy_request::count_of_identity(tx, tag, &kinds, limit.after, request.id)?;
    Ok(if before >= limit.most {
        vec![OVER_LIMIT.to_owned()]
    } else {
        Vec::new()
    })
}

/// The same for one that came in verified already.
pub(crate) fn mark(
    p: &Privity,
    tx: &mut Tx,
    request: &PrivacyRequest,
    tag: Option<&[u8]>,
) -> Result<(), Problem> {
    if request.state != RequestState::Verified {
        return Ok(());
    }
    let reasons = reasons(p, tx, request, tag)?;
    if !reasons.is_empty() {
        storage::privacy_request::update(tx, request, &reasons, p.now())?;
    }
    Ok(())
}

fn limit(p: &Privity, request: &PrivacyRequest) -> Result<Option<Limit>, Problem> {
    p.law()
        .limit(
            &request.law,
            request.kind.as_str(),
            request.clock.received_on,
        )
        .map_err(|error: DueError| Problem::internal("counting requests to know", &error))
}

/// Whether a kind is one of the rights that count together.
fn counts(p: &Privity, request: &PrivacyRequest, limit: &Limit, kind: RequestKind) -> bool {
    p.law()
        .law(&request.law)
        .and_then(|law| law.right(kind.as_str()))
        .is_ok_and(|right| limit.rights.contains(&right.right))
}

/// Whether it waits for an operator because of the limit.
pub(crate) fn is_over(stored: &StoredPrivacyRequest) -> bool {
    stored.reasons.iter().any(|code| code == OVER_LIMIT)
}

/// The reasons once an operator, or a rule, has approved: the limit no longer stands against it.
pub(crate) fn decided(mut reasons: Vec<String>) -> Vec<String> {
    reasons.retain(|code| code != OVER_LIMIT);
    reasons
}

/// What she is told at once, with the receipt.
pub(crate) fn notice(p: &Privity, stored: &StoredPrivacyRequest) -> Option<String> {
    if !is_over(stored) {
        return None;
    }
    let limit = limit(p, &stored.request).ok().flatten()?;
    Some(format!(
        "You have asked us this {} times already within the last twelve months, and the law does not oblige us to answer more often ({}). Your request is not refused: a person decides whether we answer it, and we write to you either way.",
        limit.most, limit.citation
    ))
}
