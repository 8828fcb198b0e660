//! The letter with which a privacy request ends: what was done, what stays and why, who was told and who could not be.
//!
//! Law: 11 CCR 7022(a), (e)-(g), 7024(a)-(b), 7026(g); the fields that each must carry are rows of law/messages.yaml.

use domain::plan::{Kept, PlannedCollection};
use domain::privacy_request::RequestKind;
use storage::outreach::StoredOutreach;

use crate::Privity;
use crate::letter::{self, KeptLine, UntoldLine};
use crate::privacy_request::write_to_subject::{self, Undelivered};
use crate::requester::Requester;
use crate::work::{Stop, Work};

/// Tells her how it ended.
pub(crate) async fn tell(
    p: &Privity,
    work: &Work,
    requester: &Requester,
    outreach: &[StoredOutreach],
) -> Result<(), Stop> {
    let sender = write_to_subject::sender(p);
    let link = write_to_subject::tracker_link(p, requester);
    let request = &work.stored.request;
    let reference = request.id.to_string();
    let (told, untold) = recipients(p, outreach);
    let draft = match request.kind {
        RequestKind::Delete => {
            let kept = kept(p, work);
            letter::deleted(&sender, &reference, &kept, &told, &untold, &link)
        }
        RequestKind::OptOutSaleShare => {
            letter::opted_out(&sender, &reference, &told, &untold, &link)
        }
        RequestKind::KnowCategories | RequestKind::KnowSpecific => {
            let days = p.settings().package.link_days;
            letter::package_ready(&sender, request, work.stored.look_back, days, &link)
        }
    };
    write_to_subject::send(p, work, requester, draft).await
}

/// Tells whoever gave the address that nobody showed who asks. An address that takes no mail holds nothing up: then nobody was
/// ever reached by it.
pub(crate) async fn tell_unverified(p: &Privity, work: &Work) -> Result<(), Stop> {
    let requester = work.requester(p)?;
    let draft = letter::unverified(&write_to_subject::sender(p), &work.stored.request);
    match write_to_subject::try_send(p, work, &requester, draft).await {
        Ok(()) => Ok(()),
        Err(Undelivered::Refused(_)) => {
            tracing::info!(request.id = %work.id(), "the address of an unverified privacy request takes no mail; it ends without a letter");
            Ok(())
        }
        Err(other) => Err(other.into()),
    }
}

/// Who was told, and who was not.
fn recipients(p: &Privity, outreach: &[StoredOutreach]) -> (Vec<String>, Vec<UntoldLine>) {
    let title = |stored: &StoredOutreach| {
        let key = &stored.outreach.recipient;
        let known = p.map().recipients.get(key);
        known.map_or_else(|| key.to_string(), |recipient| recipient.title.clone())
    };
    let (told, untold): (Vec<_>, Vec<_>) = outreach
        .iter()
        .partition(|stored| stored.outreach.sent_at.is_some());
    let untold = untold.into_iter().map(|stored| UntoldLine {
        recipient: title(stored),
        facts: "our message did not get through to them, although we tried again and again; one of us goes on with it by hand"
            .to_owned(),
    });
    (told.into_iter().map(title).collect(), untold.collect())
}

fn kept(p: &Privity, work: &Work) -> Vec<KeptLine> {
    let collections = work.stored.plan.iter().flat_map(|plan| &plan.collections);
    collections
        .flat_map(|collection| {
            collection
                .kept
                .iter()
                .map(move |kept| kept_line(p, collection, kept))
        })
        .collect()
}

fn kept_line(p: &Privity, collection: &PlannedCollection, kept: &Kept) -> KeptLine {
    let basis = p.law().reason(&kept.reason.code).map_or_else(
        || "a rule of ours".to_owned(),
        |reason| format!("{}, {}", reason.title, reason.citation),
    );
    KeptLine {
        what: format!("{} ({})", collection.title, kept.rows),
        explanation: kept.reason.explanation.clone(),
        code: kept.reason.code.clone(),
        basis,
    }
}
