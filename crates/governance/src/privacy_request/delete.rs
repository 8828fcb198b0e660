//! Erasing in one source system, for a batch of privacy requests in one pass: in reference order, in one transaction where
//! that is short, every step repeatable.
//!
//! Where the rows are was sealed and stored before (docs/decisions/007): whatever was erased already, the trail to the rest is known.
//! Law: Cal. Civ. Code 1798.105(c); 11 CCR 7022(b).

use std::collections::BTreeSet;

use connectors::ConnectorError;
use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::{CollectionKey, SystemKey};
use domain::id::RequestId;
use domain::plan::{Erased, Erasure, Plan};
use domain::sensitive::Sensitive;
use domain::task::TaskKind;
use domain::traversal::Located;
use enforcement::vault::SecretPurpose;
use storage::Tx;

use crate::claim::{Batch, Worker, end_step};
use crate::legal_hold::{Minded, mind};
use crate::profile;
use crate::search::{erase_steps, locate};
use crate::work::{Stop, Work, seal_located, task_ids};
use crate::{Privity, Problem};

/// The task: erases the batch's rows in one system, the tasks' target.
pub(crate) async fn erase(
    p: &Privity,
    batch: &[Work],
    worker: &Worker,
) -> Result<Vec<Batch>, Stop> {
    let Some(system) = batch
        .first()
        .map(|work| SystemKey::from(work.task.target.as_str()))
    else {
        return Ok(Vec::new());
    };
    let located = batch
        .iter()
        .map(|work| work.located(p))
        .collect::<Result<Vec<_>, Stop>>()?;
    let minded = mind(p, batch, located).await?;
    let erasure = erasure(p, &system, &minded);
    if profile::is_vault(&system) {
        profile::suppress(p, to_be_forgotten(batch, &minded)).await?;
    }
    let connector = p.connector(&system)?;
    let erased = match connector.erase(&erasure).await {
        Err(ConnectorError::Moved { collection }) => {
            locate_again(p, batch, &minded).await?;
            return Err(Stop::Later(format!(
                "new rows came up in `{collection}` while it was being erased; they were located and it is erased again"
            )));
        }
        outcome => outcome?,
    };
    let records = batch
        .iter()
        .zip(&minded.plans)
        .map(|(work, plan)| record(p, &system, work.id(), plan.as_ref(), batch.len(), &erased))
        .collect::<Vec<_>>();
    let (ids, requests, owner, q) = (
        task_ids(batch),
        batch.iter().map(Work::id).collect::<BTreeSet<_>>(),
        worker.name(),
        p.clone(),
    );
    let going_on = end_step(p, worker, "erased", &[TaskKind::Confirm], move |tx| {
        storage::privacy_request::lock(tx, &requests)?;
        storage::task::finish(tx, &ids, &owner)?;
        confirm_what_is_erased(&q, tx, &requests)?;
        Ok(records.clone())
    });
    Ok(going_on.await?)
}

/// Whoever's profile no legal hold keeps.
fn to_be_forgotten<'m>(batch: &[Work], minded: &'m Minded) -> Vec<(RequestId, &'m Located)> {
    let located = batch.iter().zip(&minded.located).enumerate();
    located
        .filter(|(place, _)| !profile::is_held(&|key| minded.holds.reason(*place, key).is_some()))
        .map(|(_, (work, located))| (work.id(), located))
        .collect()
}

fn erasure(p: &Privity, system: &SystemKey, minded: &Minded) -> Erasure {
    let plans = minded.plans.iter().flatten();
    let with_rows: BTreeSet<&CollectionKey> = plans
        .clone()
        .flat_map(|plan| {
            plan.collections
                .iter()
                .filter(|collection| collection.rows > 0)
                .map(|collection| &collection.collection)
        })
        .collect();
    let located: Vec<&Located> = minded.located.iter().collect();
    let mut groups = erase_steps(p, system, &located, &minded.holds);
    groups
        .iter_mut()
        .for_each(|group| group.retain(|step| with_rows.contains(&step.collection.key)));
    groups.retain(|group| !group.is_empty());
    let rows = plans
        .flat_map(|plan| &plan.collections)
        .filter(|collection| collection.system == *system)
        .map(|collection| collection.rows)
        .sum();
    Erasure {
        groups,
        hash_key: hash_key(p),
        rows,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "our own key, handed to the connector that hashes with it"
)]
fn hash_key(p: &Privity) -> Sensitive<Vec<u8>> {
    Sensitive::new(
        p.keys()
            .secret(SecretPurpose::ErasureHash)
            .expose()
            .to_vec(),
    )
}

/// Searches again and adds what is new to what was known; nothing that was known is forgotten.
async fn locate_again(p: &Privity, batch: &[Work], minded: &Minded) -> Result<(), Stop> {
    let seeds = batch
        .iter()
        .map(|work| Ok(work.requester(p)?.seeds()))
        .collect::<Result<Vec<_>, Stop>>()?;
    let found = locate(p, &seeds, Some(&minded.holds)).await?;
    let mut plans = Vec::with_capacity(batch.len());
    let known = minded.located.iter().zip(&minded.plans);
    for (subject, ((work, (located, planned)), found)) in
        batch.iter().zip(known).zip(found).enumerate()
    {
        let mut all = located.clone();
        let kind = work.stored.request.kind;
        let later = super::figures::plan(p, kind, &found, subject, &minded.holds);
        let mut plan = planned.clone().unwrap_or_else(|| later.clone());
        widen(&mut plan, later);
        all.extend(found.located);
        plans.push((
            work.id(),
            seal_located(p, &work.key(p)?, work.id(), &all)?,
            plan,
        ));
    }
    p.write("located again", move |tx| {
        storage::privacy_request::save_plans(
            tx,
            &plans,
            plans
                .first()
                .map_or(jiff::Timestamp::UNIX_EPOCH, |(_, _, plan)| plan.made_at),
        )?;
        Ok(((), Vec::new()))
    })
    .await?;
    Ok(())
}

/// The larger figure of two searches counts: what was seen once must be shown to be gone.
fn widen(plan: &mut Plan, later: Plan) {
    plan.held.extend(later.held);
    for new in later.collections {
        match plan
            .collections
            .iter_mut()
            .find(|known| known.collection == new.collection)
        {
            Some(known) if known.rows < new.rows => *known = new,
            Some(_) => {}
            None => plan.collections.push(new),
        }
    }
}

fn record(
    p: &Privity,
    system: &SystemKey,
    request: RequestId,
    plan: Option<&Plan>,
    batch: usize,
    erased: &[(CollectionKey, Erased)],
) -> NewRecord {
    let planned: serde_json::Map<String, serde_json::Value> = plan
        .iter()
        .flat_map(|plan| &plan.collections)
        .filter(|collection| collection.system == *system && collection.rows > 0)
        .map(|collection| {
            (
                collection.collection.to_string(),
                serde_json::json!({ "delete": collection.delete, "redact": collection.redact }),
            )
        })
        .collect();
    let done: serde_json::Map<String, serde_json::Value> = erased
        .iter()
        .map(|(key, erased)| {
            (
                key.to_string(),
                serde_json::json!({ "deleted": erased.deleted, "redacted": erased.redacted }),
            )
        })
        .collect();
    NewRecord::new(p.now(), Actor::System, Action::Erased)
        .for_request(request)
        .about(system.as_ref())
        .with("planned", planned)
        // What the system's pass did, for all privacy requests that shared it.
        .with(
            "pass",
            serde_json::json!({ "privacy_requests": batch, "collections": done }),
        )
}

/// Whoever finishes the last erasure of a privacy request calls for the re-read. Called under the lock of the requests.
pub(crate) fn confirm_what_is_erased(
    p: &Privity,
    tx: &mut Tx,
    requests: &BTreeSet<RequestId>,
) -> Result<(), Problem> {
    let requests: Vec<RequestId> = requests.iter().copied().collect();
    let erasing = storage::task::unfinished(tx, &requests, TaskKind::Erase)?;
    let by_hand = storage::task::unfinished(tx, &requests, TaskKind::ManualWork)?;
    let done = requests
        .iter()
        .zip(erasing.iter().zip(&by_hand))
        .filter(|(_, (erasing, by_hand))| **erasing + **by_hand == 0);
    let confirm: Vec<_> = done
        .map(|(request, _)| p.task(TaskKind::Confirm, *request, ""))
        .collect();
    storage::task::insert_again(tx, &confirm, p.now())?;
    Ok(())
}
