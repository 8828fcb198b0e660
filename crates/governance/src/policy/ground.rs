//! What facts rest on besides what is written: law data, purposes, notices, the schema. Where that changed since the last start, everything
//! is worked out anew.

use domain::audit::Hash;

use crate::{Privity, Problem};

/// Where the hash of it is kept.
const KEPT: &str = "facts_ground";

/// Outdates all facts when what they rest on is not what it was.
///
/// # Errors
/// Our database doesn't answer.
pub(crate) async fn take_ground(p: &Privity) -> Result<(), Problem> {
    let hash = hash(p);
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
        )
    });
    let book = &p.parts.consent;
    let text = format!(
        "1 {:?} {} {schema:?} {:?} {:?} {:?}",
        in_force.table.layout().mark(),
        p.settings().business.default_law,
        book.purposes(),
        book.notices(),
        p.law(),
    );
    Hash::of(text.as_bytes()).0.to_vec()
}
