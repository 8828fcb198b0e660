//! The decision about a profile without a privacy request behind it: which of her attributes may a subject or an operator see, and which
//! may the rules on who consents look at?
//!
//! Closed wherever it does not know. What recipients may have is not decided here yet: it depends on consent and contracts, and
//! the policy language brings both (docs/decisions/004-vault.md). Until then every recipient is denied.

use domain::disclosure::{DisclosureRecipient, ProfileFacts, ProfileQuery, Purpose};

use crate::judgement::Judgements;
use crate::permit::{Denial, DenialReason, Permit};

/// Decides a query about a profile. Attributes that may not go out are withheld, one by one and with a reason. What was judged of the same
/// attributes before, for whomever, is in `judgements`.
///
/// # Errors
/// [`Denial`] when purpose and recipient don't go together, the facts are those of another subject, or nothing is left to permit.
#[expect(
    clippy::result_large_err,
    reason = "a denial is as frequent as a permit and is moved once"
)]
pub fn decide_profile(
    query: &ProfileQuery,
    facts: &ProfileFacts,
    judgements: &Judgements,
) -> Result<Permit, Denial> {
    if let Err(reason) = check_purpose(query, facts) {
        return Err(Denial::for_profile(query, reason, Vec::new()));
    }
    let judgement = judgements.of(query, facts);
    if judgement.verdicts.is_empty() {
        return Err(Denial::for_profile(
            query,
            DenialReason::NothingPermitted,
            judgement.withheld.clone(),
        ));
    }
    Ok(Permit::for_profile(query, facts, judgement))
}

fn check_purpose(query: &ProfileQuery, facts: &ProfileFacts) -> Result<(), DenialReason> {
    if facts.subject != query.subject || !facts.members.contains(&query.subject) {
        return Err(DenialReason::OtherSubject);
    }
    match (query.purpose, &query.recipient) {
        (Purpose::GiveAccess, DisclosureRecipient::Subject) if facts.subject_verified => Ok(()),
        (Purpose::GiveAccess, DisclosureRecipient::Subject) => Err(DenialReason::NotVerified),
        (Purpose::ShowOperator, DisclosureRecipient::Operator(_))
        | (Purpose::KnowWhoMayConsent, DisclosureRecipient::Nobody) => Ok(()),
        _ => Err(DenialReason::WrongRecipient),
    }
}
