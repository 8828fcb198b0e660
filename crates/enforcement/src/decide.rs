//! The decision: may these attributes go to this recipient for this purpose? Pure, and closed wherever it does not know.
//!
//! Each purpose has one small rule below; a policy language takes their place in a later step (docs/decisions/004-vault.md).
//! Law: 11 CCR 7024(a), (d) (what an unverified subject and what nobody may be given), 7060 (verification), 7022(b)-(c), 7026(f).

use domain::disclosure::{
    Attribute, AttributeName, DisclosureRecipient, Facts, NeverDisclosed, Purpose, Query, Withheld,
    WithholdReason, is_within,
};
use domain::privacy_request::{RequestKind, RequestState};

use crate::permit::{Denial, DenialReason, Permit, Verdict, Verdicts};

/// Decides a query. Attributes that may not go out are withheld, one by one and with a reason, and the rest is permitted.
///
/// # Errors
/// [`Denial`] when the purpose, the recipient and the state of the privacy request don't go together, or nothing is left to permit.
#[expect(
    clippy::result_large_err,
    reason = "a denial is as frequent as a permit and is moved once"
)]
pub fn decide(query: &Query, facts: &Facts) -> Result<Permit, Denial> {
    if let Err(reason) = check_purpose(query, facts) {
        return Err(Denial::new(query, reason, Vec::new()));
    }
    let mut verdicts = Verdicts::new();
    let mut withheld = Vec::new();
    for attribute in &query.attributes {
        match judge(attribute, query, facts) {
            Ok(verdict) => drop(verdicts.insert(attribute.name.clone(), verdict)),
            Err((reason, citation)) => withheld.push(Withheld {
                attribute: attribute.name.clone(),
                reason,
                citation,
            }),
        }
    }
    // Asked for twice, once with a category that may not leave: the stricter answer counts.
    withheld
        .iter()
        .for_each(|stricter| drop(verdicts.remove(&stricter.attribute)));
    if verdicts.is_empty() {
        return Err(Denial::new(query, DenialReason::NothingPermitted, withheld));
    }
    Ok(Permit::new(query, verdicts, withheld))
}

/// Whether the purpose is open to this recipient, for this kind of privacy request, where it stands.
fn check_purpose(query: &Query, facts: &Facts) -> Result<(), DenialReason> {
    use DisclosureRecipient::{Nobody, Operator, Recipient, SourceSystem, Subject};
    if facts.request.id != query.request {
        return Err(DenialReason::OtherRequest);
    }
    match (query.purpose, &query.recipient) {
        (Purpose::AnswerRequest, SourceSystem(_)) => {
            in_state(facts, &[RequestState::Verified, RequestState::InProgress])
        }
        (Purpose::VerifyIdentity, SourceSystem(_)) => in_state(facts, &[RequestState::Received]),
        (Purpose::GiveAccess, Subject) => may_give_access(query, facts),
        (Purpose::WriteToSubject, Subject) => Ok(()),
        (Purpose::InformRecipient, Recipient(..)) => may_inform(query, facts),
        (Purpose::ShowOperator, Operator(_)) => Ok(()),
        (Purpose::KnowWhoMayConsent, Nobody) => may_choose(facts),
        _ => Err(DenialReason::WrongRecipient),
    }
}

fn in_state(facts: &Facts, states: &[RequestState]) -> Result<(), DenialReason> {
    if states.contains(&facts.request.state) {
        Ok(())
    } else {
        Err(DenialReason::WrongState)
    }
}

/// Only who asked for the specific pieces, has shown who she is, and was approved. An opt-out becomes `verified` without
/// anybody having shown anything, so the kind is asked as well as the state. Who asked for categories gets the answer that was made of
/// them, and nothing that a source system holds.
fn may_give_access(query: &Query, facts: &Facts) -> Result<(), DenialReason> {
    let answer = |attribute: &Attribute| matches!(&attribute.name, AttributeName::Own(column) if column.table == "access_package");
    let may = match facts.request.kind {
        RequestKind::KnowSpecific => true,
        RequestKind::KnowCategories => query.attributes.iter().all(answer),
        RequestKind::Delete | RequestKind::OptOutSaleShare => false,
    };
    if !may {
        return Err(DenialReason::WrongKind);
    }
    in_state(
        facts,
        &[
            RequestState::InProgress,
            RequestState::Fulfilled,
            RequestState::PartlyFulfilled,
        ],
    )
}

/// Whoever has shown, for a privacy request, that an address is hers may choose for whom it belongs to. Nobody is asked to for an opt-out.
fn may_choose(facts: &Facts) -> Result<(), DenialReason> {
    if facts.request.kind == RequestKind::OptOutSaleShare {
        return Err(DenialReason::WrongKind);
    }
    in_state(
        facts,
        &[
            RequestState::Verified,
            RequestState::InProgress,
            RequestState::Fulfilled,
            RequestState::PartlyFulfilled,
        ],
    )
}

/// Recipients are told of deletions and of opt-outs, and only the one that the facts were loaded for.
fn may_inform(query: &Query, facts: &Facts) -> Result<(), DenialReason> {
    let (DisclosureRecipient::Recipient(key, role), Some(recipient)) =
        (&query.recipient, &facts.recipient)
    else {
        return Err(DenialReason::WrongRecipient);
    };
    if recipient.key != *key || recipient.role != *role {
        return Err(DenialReason::WrongRecipient);
    }
    if !matches!(
        facts.request.kind,
        RequestKind::Delete | RequestKind::OptOutSaleShare
    ) {
        return Err(DenialReason::WrongKind);
    }
    in_state(
        facts,
        &[RequestState::InProgress, RequestState::PartlyFulfilled],
    )
}

type Refusal = (WithholdReason, Option<String>);

/// One attribute: known, useful for the purpose, and not of a kind that never leaves.
fn judge(attribute: &Attribute, query: &Query, facts: &Facts) -> Result<Verdict, Refusal> {
    let Some(category) = attribute.category.as_deref() else {
        return Err((WithholdReason::NoCategory, None));
    };
    if !facts.known_categories.contains(category) {
        return Err((WithholdReason::UnknownCategory, None));
    }
    check_use(attribute, category, query, facts).map_err(|reason| (reason, None))?;
    // The business searches its own systems by whatever they keep; there nothing leaves the house.
    if matches!(query.recipient, DisclosureRecipient::SourceSystem(_)) {
        return Ok(Verdict::Allowed);
    }
    match strictest_rule(category, &facts.never_disclosed) {
        None => Ok(Verdict::Allowed),
        Some(rule) if query.purpose == Purpose::GiveAccess => Ok(Verdict::Described {
            text: rule.description.clone(),
            citation: rule.citation.clone(),
        }),
        Some(rule) => Err((WithholdReason::NeverDisclosed, Some(rule.citation.clone()))),
    }
}

/// The rule that says most exactly what is held: `user.government_id.passport_number` before `user.government_id`.
pub(crate) fn strictest_rule<'a>(
    category: &str,
    rules: &'a [NeverDisclosed],
) -> Option<&'a NeverDisclosed> {
    let covering = rules.iter().filter(|rule| rule.covers(category));
    covering.max_by_key(|rule| rule.category.len())
}

/// Whether the purpose has a use for the attribute.
fn check_use(
    attribute: &Attribute,
    category: &str,
    query: &Query,
    facts: &Facts,
) -> Result<(), WithholdReason> {
    let own = matches!(attribute.name, AttributeName::Own(_));
    let useful = match query.purpose {
        Purpose::GiveAccess | Purpose::AnswerRequest => true,
        // What the subject told us in the request itself; never what a source system holds.
        Purpose::ShowOperator | Purpose::VerifyIdentity => own,
        // At the address that she gave, never at one that was found.
        Purpose::WriteToSubject => {
            own && WRITING.iter().any(|ancestor| is_within(category, ancestor))
        }
        Purpose::InformRecipient => return known_to_recipient(attribute, facts),
        // The address that she has shown to be hers.
        Purpose::KnowWhoMayConsent => own && is_within(category, "user.contact"),
    };
    if useful {
        Ok(())
    } else {
        Err(WithholdReason::NotForThisPurpose)
    }
}

/// Categories that a letter needs: where to, and to whom.
const WRITING: [&str; 3] = ["user.contact", "user.name", "user.preference"];

fn known_to_recipient(attribute: &Attribute, facts: &Facts) -> Result<(), WithholdReason> {
    let Some(identifier) = &attribute.identifier else {
        return Err(WithholdReason::NotForThisPurpose);
    };
    match &facts.recipient {
        Some(recipient) if recipient.known_by.contains(identifier) => Ok(()),
        _ => Err(WithholdReason::RecipientDoesNotKnowIt),
    }
}
