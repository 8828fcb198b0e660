//! Wraps again, under the present epoch, what older epochs wrap: in steps, while reads and writes go on. A step that was cut off
//! changed nothing, and whoever begins anew passes over what is done.

use domain::audit::{Action, Actor, NewRecord};
use domain::id::SubjectId;
use enforcement::vault::{KeyRing, VaultError, WrappedKey, WrappedSubjectKey};
use serde::Serialize;
use storage::subject::{Rewrapped as RewrappedSubject, StoredKey};
use storage::wrapped_key::{Owner, WrappedRow};

use crate::{Privity, Problem};

/// Keys in one transaction: few enough that nobody waits long for the one writer.
const STEP: u32 = 2_000;

/// How many keys were wrapped again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rewrapped {
    /// Of subjects.
    pub subjects: u64,
    /// Of privacy requests, and of answers that are remembered for a repeated call.
    pub privacy_requests: u64,
    /// Keys that could not be opened: damaged, or of an epoch that the key file does not have.
    pub unreadable: u64,
}

/// Wraps everything under the present epoch.
pub(crate) async fn all(p: &Privity) -> Result<Rewrapped, Problem> {
    let mut done = Rewrapped::default();
    subjects(p, &mut done).await?;
    for owner in Owner::ALL {
        privacy_requests(p, owner, &mut done).await?;
    }
    if done.subjects + done.privacy_requests > 0 {
        let record = NewRecord::new(p.now(), Actor::System, Action::KeysRewrapped)
            .with("kind", "epoch")
            .with("version", p.keys().epoch_versions().present)
            .with("subjects", done.subjects)
            .with("privacy_requests", done.privacy_requests);
        p.append(vec![record]).await?;
    }
    Ok(done)
}

async fn subjects(p: &Privity, done: &mut Rewrapped) -> Result<(), Problem> {
    let (mut after, mut seen) = (None, 0);
    let counted = p.read("count keys", |tx| Ok(storage::subject::count_by_epoch(tx)?));
    let all = counted.await?.iter().map(|(_, keys)| keys).sum();
    loop {
        let page = p
            .read("walk keys", move |tx| {
                Ok(storage::subject::walk_keys(tx, after, STEP)?)
            })
            .await?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after = Some(*last);
        seen += page.len() as u64;
        let keys = p.keys();
        let changed = pick(page.iter().map(|one| subject(&keys, one, p)), done);
        if !changed.is_empty() {
            let (saved, _) = p
                .write_silently("rewrap subjects", move |tx| {
                    Ok((
                        storage::subject::save_wrapped_keys(tx, &changed)?,
                        Vec::new(),
                    ))
                })
                .await?;
            done.subjects += saved;
        }
        p.progress().tell("subjects looked at", seen, all);
    }
}

fn subject(
    keys: &KeyRing,
    (id, stored): &(SubjectId, StoredKey),
    p: &Privity,
) -> Result<Option<RewrappedSubject>, VaultError> {
    let wrapped = WrappedSubjectKey::from_parts(stored.version, stored.wrapped.clone());
    let again = keys.rewrap_subject_key(*id, &wrapped, p.rng())?;
    Ok(again.map(|again| RewrappedSubject {
        subject: *id,
        expected: stored.wrapped.clone(),
        epoch: again.epoch().unwrap_or_default(),
        wrapped: again.as_bytes().to_vec(),
    }))
}

async fn privacy_requests(p: &Privity, owner: Owner, done: &mut Rewrapped) -> Result<(), Problem> {
    let mut after: Option<WrappedRow> = None;
    loop {
        let (keys, from) = (p.keys(), after.clone());
        let present = keys.epoch_versions().present;
        let page = p
            .read("list old keys", move |tx| {
                let from = from.as_ref();
                Ok(storage::wrapped_key::of_other_epochs(
                    tx, owner, present, from, STEP,
                )?)
            })
            .await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.clone());
        let changed = pick(
            page.into_iter().map(|row| privacy_request(&keys, row, p)),
            done,
        );
        let (saved, _) = p
            .write_silently("rewrap privacy requests", move |tx| {
                Ok((storage::wrapped_key::save(tx, owner, &changed)?, Vec::new()))
            })
            .await?;
        done.privacy_requests += saved;
    }
}

fn privacy_request(
    keys: &KeyRing,
    row: WrappedRow,
    p: &Privity,
) -> Result<Option<(WrappedRow, Vec<u8>)>, VaultError> {
    let wrapped = WrappedKey::from_bytes(row.wrapped.clone());
    let again = keys.rewrap_request_key(row.request, &wrapped, p.rng())?;
    Ok(again.map(|again| (row, again.as_bytes().to_vec())))
}

/// One damaged key must not keep all others on the old epoch.
fn pick<T>(
    tried: impl Iterator<Item = Result<Option<T>, VaultError>>,
    done: &mut Rewrapped,
) -> Vec<T> {
    let mut changed = Vec::new();
    for one in tried {
        match one {
            Ok(one) => changed.extend(one),
            Err(_) => done.unreadable += 1,
        }
    }
    changed
}
