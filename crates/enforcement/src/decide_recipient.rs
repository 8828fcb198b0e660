//! The decision for recipients: which of a subject's attributes may this recipient have for this purpose, and in which form? The compiled
//! policies say; what never leaves stays, whatever they say.
//!
//! Closed wherever it does not know: the recipient, the purpose, the attribute, the subject, or whether her facts are still so. Law behind
//! the default: 11 CCR 7002, GDPR Art. 5(1)(b)-(c); what never leaves: 11 CCR 7024(d).

use domain::disclosure::{RecipientQuery, RecipientQueryFacts};
use domain::policy::{Decision, Question, Table};

use crate::permit::{Decider, Denial, DenialReason, Permit};
use crate::recipient_judgement::RecipientJudgements;

/// Decides what a recipient asks. A subject whom nobody knows is decided as well, and denied: neither the answer nor the work may tell her
/// from one of whom nothing goes out.
///
/// # Errors
/// [`Denial`] when every attribute is withheld, or there is no such subject.
#[expect(
    clippy::result_large_err,
    reason = "a denial is as frequent as a permit and is moved once"
)]
pub fn decide_recipient(
    query: &RecipientQuery,
    facts: &RecipientQueryFacts,
    table: &Table,
    judgements: &RecipientJudgements,
) -> Result<Permit, Denial> {
    let asked = judgements.asked(query, facts, table);
    let decider = Decider {
        policies: table.hash(),
        facts: facts.subject.version(),
    };
    let decided = asked.judgement(&decide(query, facts, table, asked.wanted()));
    let known = query.subject;
    let known = known.filter(|subject| facts.members.contains(subject));
    let reason = match known {
        Some(subject) if !decided.verdicts.is_empty() => {
            let members = &facts.members;
            let permit = Permit::for_recipient(query, subject, members, decider, decided);
            return Ok(permit);
        }
        Some(_) => DenialReason::NothingPermitted,
        None => DenialReason::UnknownSubject,
    };
    let nothing = asked.judgement(&Decision::NOTHING);
    Err(Denial::for_recipient(query, reason, decider, nothing))
}

fn decide(
    query: &RecipientQuery,
    facts: &RecipientQueryFacts,
    table: &Table,
    wanted: &domain::policy::AttributeSet,
) -> Decision {
    let Some(cell) = table.cell(&query.recipient, &query.purpose) else {
        return Decision::NOTHING;
    };
    table.decide(&Question {
        cell,
        facts: &facts.subject,
        on: facts.on,
        wanted,
    })
}
