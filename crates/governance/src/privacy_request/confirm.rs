//! The re-read: every collection that was searched is read again, by every value that ever led there. What remains without a
//! reason is residue; a privacy request with residue is not fulfilled.

use std::collections::{BTreeMap, BTreeSet};

use connectors::Remaining;
use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::{CollectionKey, SystemKey, SystemKind};
use domain::id::RequestId;
use domain::plan::Residue;
use domain::task::TaskKind;
use domain::traversal::Located;
use serde::{Deserialize, Serialize};
use storage::Tx;

use crate::claim::{Batch, Worker, end_step};
use crate::legal_hold::{Minded, mind};
use crate::privacy_request::close;
use crate::search::erase_steps;
use crate::work::{Stop, Work, call_operator, stuck_record, task_ids};
use crate::{Privity, Problem};

/// Residue is erased again this many times before an operator is called.
const ROUNDS: u32 = 3;

/// What the last re-read found; kept with the privacy request. Counts and names, no values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confirmation {
    /// Collections read.
    pub(crate) collections: u64,
    /// What remained.
    pub(crate) residue: Vec<Residue>,
    /// How often it was read.
    pub(crate) rounds: u32,
    /// When, in microseconds.
    pub(crate) at: i64,
}

/// The confirmation that is stored with a privacy request, if there is one.
pub(crate) fn stored(confirmation: Option<&serde_json::Value>) -> Option<Confirmation> {
    confirmation.and_then(|json| serde_json::from_value(json.clone()).ok())
}

/// The task: reads again for a batch of privacy requests, one pass over each system.
pub(crate) async fn confirm(
    p: &Privity,
    batch: &[Work],
    worker: &Worker,
) -> Result<Vec<Batch>, Stop> {
    let Minded { holds, located, .. } = mind(p, batch, located(p, batch)?).await?;
    let mut residue: Vec<BTreeMap<CollectionKey, u64>> = vec![BTreeMap::new(); batch.len()];
    let mut read = 0;
    for system in p
        .map()
        .systems
        .values()
        .filter(|system| system.kind != SystemKind::Manual)
    {
        let steps: Vec<_> =
            erase_steps(p, &system.key, &located.iter().collect::<Vec<_>>(), &holds)
                .into_iter()
                .flatten()
                .collect();
        if steps.is_empty() {
            continue;
        }
        read += steps.len() as u64;
        for remaining in p.connector(&system.key)?.confirm_absent(&steps).await? {
            attribute(&located, &remaining, &mut residue);
        }
    }
    store(p, batch, residue, read, worker).await
}

/// What was never searched (nothing was found anywhere) needs no permit and has no look-ups.
fn located(p: &Privity, batch: &[Work]) -> Result<Vec<Located>, Stop> {
    let searched = |work: &Work| {
        work.stored
            .plan
            .as_ref()
            .is_some_and(|plan| plan.rows() > 0)
    };
    batch
        .iter()
        .map(|work| {
            if searched(work) {
                work.located(p)
            } else {
                Ok(Located::default())
            }
        })
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with what led there, to tell whose it is"
)]
fn attribute(
    located: &[Located],
    remaining: &Remaining,
    residue: &mut [BTreeMap<CollectionKey, u64>],
) {
    let (way, value) = &remaining.found_by;
    for (located, residue) in located.iter().zip(residue) {
        let lookups = located
            .lookups
            .get(&remaining.collection)
            .into_iter()
            .flatten();
        if lookups
            .filter(|lookup| lookup.way == *way)
            .any(|lookup| lookup.values.contains(value.expose()))
        {
            *residue.entry(remaining.collection.clone()).or_default() += remaining.rows;
        }
    }
}

/// One privacy request after the re-read.
struct Read {
    id: RequestId,
    task: domain::task::Task,
    confirmation: Confirmation,
    /// Systems to erase in again.
    again: Vec<SystemKey>,
}

async fn store(
    p: &Privity,
    batch: &[Work],
    residue: Vec<BTreeMap<CollectionKey, u64>>,
    read: u64,
    worker: &Worker,
) -> Result<Vec<Batch>, Stop> {
    let reads: Vec<Read> = batch
        .iter()
        .zip(residue)
        .map(|(work, residue)| after_reading(p, work, residue, read))
        .collect();
    let (ids, owner, q) = (task_ids(batch), worker.name(), p.clone());
    let next = &[TaskKind::Erase, TaskKind::Close];
    let going_on = end_step(p, worker, "confirmed", next, move |tx| {
        let requests: BTreeSet<RequestId> = reads.iter().map(|read| read.id).collect();
        storage::privacy_request::lock(tx, &requests)?;
        let confirmations: Vec<_> = reads
            .iter()
            .map(|read| {
                (
                    read.id,
                    serde_json::to_value(&read.confirmation).unwrap_or_default(),
                )
            })
            .collect();
        storage::privacy_request::save_confirmations(tx, &confirmations, q.now())?;
        let mut records = Vec::new();
        let finished: Vec<_> = reads
            .iter()
            .zip(&ids)
            .filter(|(read, _)| !is_hopeless(read))
            .map(|(_, id)| *id)
            .collect();
        storage::task::finish(tx, &finished, &owner)?;
        for read in &reads {
            records.push(record(&q, read));
            follow_up(&q, tx, read, &owner, &mut records)?;
        }
        close::when_ready(&q, tx, &requests)?;
        Ok(records)
    });
    Ok(going_on.await?)
}

fn after_reading(
    p: &Privity,
    work: &Work,
    residue: BTreeMap<CollectionKey, u64>,
    collections: u64,
) -> Read {
    let rounds = stored(work.stored.confirmation.as_ref()).map_or(0, |before| before.rounds) + 1;
    let again: BTreeSet<SystemKey> = residue
        .keys()
        .filter_map(|key| p.map().collections.get(key))
        .map(|collection| collection.system.clone())
        .collect();
    let residue = residue
        .into_iter()
        .map(|(collection, rows)| Residue { collection, rows })
        .collect();
    Read {
        id: work.id(),
        task: work.task.clone(),
        confirmation: Confirmation {
            collections,
            residue,
            rounds,
            at: p.now().as_microsecond(),
        },
        again: again.into_iter().collect(),
    }
}

fn is_hopeless(read: &Read) -> bool {
    !read.again.is_empty() && read.confirmation.rounds >= ROUNDS
}

fn record(p: &Privity, read: &Read) -> NewRecord {
    let action = if read.confirmation.residue.is_empty() {
        Action::Confirmed
    } else {
        Action::ResidueFound
    };
    let residue: serde_json::Map<String, serde_json::Value> = read
        .confirmation
        .residue
        .iter()
        .map(|residue| (residue.collection.to_string(), residue.rows.into()))
        .collect();
    NewRecord::new(p.now(), Actor::System, action)
        .for_request(read.id)
        .with("collections_read", read.confirmation.collections)
        .with("residue", residue)
        .with("round", read.confirmation.rounds)
}

/// Residue is erased again; when that does not help, an operator is called.
fn follow_up(
    p: &Privity,
    tx: &mut Tx,
    read: &Read,
    owner: &str,
    records: &mut Vec<NewRecord>,
) -> Result<(), Problem> {
    if is_hopeless(read) {
        let left: Vec<String> = read
            .confirmation
            .residue
            .iter()
            .map(|residue| format!("{} in `{}`", residue.rows, residue.collection))
            .collect();
        let error = format!(
            "rows still remain after {ROUNDS} erasures: {}; look for what writes or restores them, and at the rights of our account there, then try again",
            left.join(", ")
        );
        storage::task::stick(tx, read.task.id, owner, &error)?;
        call_operator(tx, read.id, p.now())?;
        records.push(stuck_record(p.now(), &read.task));
        return Ok(());
    }
    let again: Vec<_> = read
        .again
        .iter()
        .map(|system| p.task(TaskKind::Erase, read.id, system.as_ref()))
        .collect();
    storage::task::insert_again(tx, &again, p.now())?;
    Ok(())
}
