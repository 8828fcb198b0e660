//! Consents: one by one, as visitors click, and in bulk, as an application hands over what it collected.

use anyhow::ensure;
use domain::audit::Actor;
use domain::consent::{By, How, Party, Scope};
use domain::id::SubjectId;
use domain::notice::Way;
use domain::sensitive::Sensitive;
use governance::Privity;
use governance::consent::{NewChoice, Recorded, Said};

use crate::callers::all_at_once;
use crate::house::failed;

/// Choices in one bulk call: as many as fit.
const CALL: usize = 10_000;

/// A choice of one party.
fn choice(party: Party) -> NewChoice {
    NewChoice {
        id: None,
        party,
        scope: Scope::purpose("marketing_email"),
        said: Said::OptedOut(None),
        by: By::Subject,
        how: How::Told(Way::Web),
        place: "shop".to_owned(),
        at: None,
        law: None,
    }
}

/// Whoever uses a device.
pub(crate) fn device(p: &Privity, number: u64) -> Party {
    Party::Device(p.device_tag(&Sensitive::new(format!("device-{number}"))))
}

/// Each party chooses in a call of its own, many of them at once.
pub(crate) async fn one_by_one(p: &Privity, parties: Vec<Party>) -> anyhow::Result<()> {
    let p = p.clone();
    let calls = parties.into_iter().map(move |party| {
        let p = p.clone();
        async move {
            let recorded = p.record_consents(vec![choice(party)], Actor::Subject, None);
            check(&recorded.await.map_err(failed)?)
        }
    });
    all_at_once(calls).await
}

/// All parties in calls as large as they may be, one after the other.
pub(crate) async fn in_bulk(p: &Privity, subjects: &[SubjectId], by: Actor) -> anyhow::Result<()> {
    for part in subjects.chunks(CALL) {
        let choices = part.iter().map(|id| choice(Party::Subject(*id))).collect();
        check(
            &p.record_consents(choices, by.clone(), None)
                .await
                .map_err(failed)?,
        )?;
    }
    Ok(())
}

fn check(answers: &[Recorded]) -> anyhow::Result<()> {
    let kept = |answer: &Recorded| {
        matches!(
            answer,
            Recorded::Kept {
                repeated: false,
                ..
            }
        )
    };
    ensure!(
        answers.iter().all(kept),
        "a choice was not kept: {answers:?}"
    );
    Ok(())
}
