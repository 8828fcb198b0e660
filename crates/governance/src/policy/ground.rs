//! What facts rest on besides what is written: law data, purposes, notices, the schema. Where that changed since the last start, everything
//! is worked out anew, by whoever has the new ground: a node that still has another one keeps nothing of what it works out.

use std::sync::{PoisonError, RwLock};

use domain::audit::Hash;
use storage::Tx;

use crate::{Privity, Problem};

/// Where the hash of it is kept.
const KEPT: &str = "facts_ground";

/// The hash of a node's own ground; none before it was taken.
#[derive(Default)]
pub(crate) struct Ground(RwLock<Vec<u8>>);

/// Whether facts that this node works out may be kept: what they rest on here is what it is in the database. To be asked after their rows are
/// held, so that whoever takes another ground comes before or after.
///
/// # Errors
/// Our database doesn't answer.
pub(super) fn is_taken(p: &Privity, tx: &mut Tx) -> Result<bool, Problem> {
    let own = p.parts.ground.0.read();
    let own = own.unwrap_or_else(PoisonError::into_inner).clone();
    Ok(storage::meta::get(tx, KEPT)? == Some(own))
}

/// What to do about a node whose facts aren't kept.
pub(super) const OTHER_GROUND: &str = "law data, purposes, notices, the data map or profile.yaml are others by now than this program started with, so that nothing of what it works out is kept; restart it with the new files";

/// The same by itself.
///
/// # Errors
/// Our database doesn't answer.
pub(super) async fn is_own(p: &Privity) -> Result<bool, Problem> {
    let inside = p.clone();
    p.read_few("read ground of facts", move |tx| is_taken(&inside, tx))
        .await
}

/// Outdates all facts when what they rest on is not what it was.
///
/// # Errors
/// Our database doesn't answer.
pub(crate) async fn take_ground(p: &Privity) -> Result<(), Problem> {
    let hash = hash(p);
    let own = p.parts.ground.0.write();
    own.unwrap_or_else(PoisonError::into_inner)
        .clone_from(&hash);
    let expected = hash.clone();
    let known = p.read_few("read ground of facts", move |tx| {
        Ok(storage::meta::get(tx, KEPT)?.as_ref() == Some(&expected))
    });
    if known.await? {
        return Ok(());
    }
    let has_policies = p.policies().is_some();
    p.write_silently("take ground of facts", move |tx| {
        storage::meta::set(tx, KEPT, &hash)?;
        if has_policies {
            storage::subject_facts::outdate_all(tx)?;
        }
        Ok(((), Vec::new()))
    })
    .await?;
    Ok(())
}

/// Without policies nothing keeps facts current, so that their ground is none.
fn hash(p: &Privity) -> Vec<u8> {
    let Some(in_force) = p.policies() else {
        return Vec::new();
    };
    let schema = p.schema().map(|schema| {
        (
            schema.lives_in(),
            schema.birth_date().map(|rule| rule.number),
            schema.identity().default_country,
            schema.describing().collect::<Vec<_>>(),
        )
    });
    let book = &p.parts.consent;
    let text = format!(
        "2 {:?} {} {schema:?} {:?} {:?} {:?} {:?}",
        in_force.table.layout().mark(),
        p.settings().business.default_law,
        book.purposes(),
        book.notices(),
        p.law(),
        p.map().legal_holds,
    );
    Hash::of(text.as_bytes()).0.to_vec()
}
