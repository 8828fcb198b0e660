//! The decision about a profile without a privacy request behind it: which of her attributes may a subject or an operator see?
//!
//! Closed wherever it does not know. What recipients may have is not decided here yet: it depends on consent and contracts, and
//! the policy language brings both (docs/decisions/004-vault.md). Until then every recipient is denied.

use domain::disclosure::{
    AttributeName, DisclosureRecipient, ProfileFacts, ProfileQuery, Purpose, Withheld,
    WithholdReason,
};
use domain::profile::{AttributeKey, AttributeNumber, AttributeRule, Sensitivity};

use crate::decide::strictest_rule;
use crate::permit::{Denial, DenialReason, Permit, Verdict, Verdicts};

/// Decides a query about a profile. Attributes that may not go out are withheld, one by one and with a reason.
///
/// # Errors
/// [`Denial`] when purpose and recipient don't go together, the facts are those of another subject, or nothing is left to permit.
pub fn decide_profile(query: &ProfileQuery, facts: &ProfileFacts) -> Result<Permit, Denial> {
    if let Err(reason) = check_purpose(query, facts) {
        return Err(Denial::for_profile(query, reason, Vec::new()));
    }
    let mut verdicts = Verdicts::new();
    let mut withheld = Vec::new();
    for key in &query.attributes {
        let rule = facts.schema.attribute_of(key.as_ref());
        let name = name(key, rule);
        match judge(rule, query, facts) {
            Ok(verdict) => drop(verdicts.insert(name, verdict)),
            Err((reason, citation)) => withheld.push(Withheld {
                attribute: name,
                reason,
                citation,
            }),
        }
    }
    if verdicts.is_empty() {
        return Err(Denial::for_profile(
            query,
            DenialReason::NothingPermitted,
            withheld,
        ));
    }
    Ok(Permit::for_profile(query, facts, verdicts, withheld))
}

fn check_purpose(query: &ProfileQuery, facts: &ProfileFacts) -> Result<(), DenialReason> {
    if facts.subject != query.subject || !facts.members.contains(&query.subject) {
        return Err(DenialReason::OtherSubject);
    }
    match (query.purpose, &query.recipient) {
        (Purpose::GiveAccess, DisclosureRecipient::Subject) if facts.subject_verified => Ok(()),
        (Purpose::GiveAccess, DisclosureRecipient::Subject) => Err(DenialReason::NotVerified),
        (Purpose::ShowOperator, DisclosureRecipient::Operator(_)) => Ok(()),
        _ => Err(DenialReason::WrongRecipient),
    }
}

/// The schema's name of an attribute; number 0 is nobody's.
fn name(key: &AttributeKey, rule: Option<&AttributeRule>) -> AttributeName {
    let number = rule.map_or(AttributeNumber(0), |rule| rule.number);
    AttributeName::Profile(number, key.clone())
}

type Refusal = (WithholdReason, Option<String>);

/// One attribute: declared, of a known category, open to the operator's role, and not of a kind that never leaves.
fn judge(
    rule: Option<&AttributeRule>,
    query: &ProfileQuery,
    facts: &ProfileFacts,
) -> Result<Verdict, Refusal> {
    let Some(rule) = rule else {
        return Err((WithholdReason::UnknownAttribute, None));
    };
    if !facts.known_categories.contains(&rule.category) {
        return Err((WithholdReason::UnknownCategory, None));
    }
    let operator = query.purpose == Purpose::ShowOperator;
    if operator && rule.sensitivity == Sensitivity::Sensitive && !facts.operator_sees_sensitive {
        return Err((WithholdReason::SensitiveForRole, None));
    }
    match strictest_rule(&rule.category, &facts.never_disclosed) {
        None => Ok(Verdict::Allowed),
        Some(never) if query.purpose == Purpose::GiveAccess => Ok(Verdict::Described {
            text: never.description.clone(),
            citation: never.citation.clone(),
        }),
        Some(never) => Err((WithholdReason::NeverDisclosed, Some(never.citation.clone()))),
    }
}
