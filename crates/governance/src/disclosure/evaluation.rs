//! AuthZEN's searches, decisions without data: what each of several callers would get of a subject. Nothing opens, nothing enters the ledger;
//! that it was asked is recorded.

use std::collections::BTreeMap;

use domain::audit::{Action, Actor, NewRecord};
use domain::profile::AttributeKey;
use enforcement::json_filter::Effect;

use super::caller::{Caller, SubjectAsked};
use super::credential::KnownRecipient;
use super::pace;
use super::recipient::effects_for;
use crate::{Privity, Problem};

/// What each caller would get of a subject, in order; attributes that it would not get are not named. Each caller counts as a subject that the
/// asker asked about, since as much is decided.
///
/// # Errors
/// As [`super::disclose`].
pub async fn evaluate(
    p: &Privity,
    asker: &KnownRecipient,
    callers: &[Caller],
    subject: &SubjectAsked,
    attributes: &[AttributeKey],
) -> Result<Vec<BTreeMap<AttributeKey, Effect>>, Problem> {
    pace::admit_asker(p, asker, callers.len().max(1)).await?;
    let mut all = Vec::with_capacity(callers.len());
    for caller in callers {
        all.push(effects_for(p, caller, subject, attributes).await?);
    }
    let record = NewRecord::new(
        p.now(),
        Actor::Recipient(asker.recipient.clone()),
        Action::DisclosureEvaluated,
    );
    let record = match subject {
        SubjectAsked::Id(id) => record.with("subject", id.to_string()),
        SubjectAsked::Identifier(kind, _) => record.with("found_by", kind.0.clone()),
    };
    let record = asker.proven_by.named_in(record);
    let record = record.with("callers", callers.len());
    p.append(vec![record]).await?;
    Ok(all)
}
