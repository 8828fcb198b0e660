//! Changing keys without stopping: a new one is pending until every node has loaded it, then it is promoted, then what the old one
//! wrapped is wrapped again, then the old one is destroyed. Destroying it is what makes old backups of the database forget.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use domain::rng::Rng;
use zeroize::Zeroizing;

use super::key_ring::{KeyRing, random_key};

/// One change of the keys of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// A new epoch key, which wraps nothing yet.
    AddEpoch,
    /// The pending epoch key wraps from now on.
    PromoteEpoch,
    /// An epoch key goes for good.
    DestroyEpoch {
        /// Which one.
        epoch: u32,
        /// How many wrapped keys still name it, as storage counted them.
        still_wrapped: u64,
    },
    /// A new index key, which makes no tags yet.
    AddIndexKey,
    /// The pending index key makes tags from now on.
    PromoteIndexKey,
    /// An index key goes for good.
    DestroyIndexKey {
        /// Which one.
        version: u32,
        /// How many tags still are of it, as storage counted them.
        still_tagged: u64,
    },
}

/// Why the keys stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    /// Two at once would leave nodes behind.
    #[error("key {0} is pending already; promote or destroy it first")]
    Pending(u32),
    /// Nothing to promote.
    #[error("no key is pending; add one first, and restart every node so that each has loaded it")]
    NothingPending,
    /// No such key.
    #[error("there is no key {0} in the key file")]
    Unknown(u32),
    /// In use.
    #[error("key {0} is the one in use; add and promote a new one first")]
    InUse(u32),
    /// Something would be lost.
    #[error(
        "key {key} is still needed by {count} rows, which would be lost; wait until they are on the new key"
    )]
    StillReferred {
        /// Which one.
        key: u32,
        /// By how many rows.
        count: u64,
    },
}

/// Which versions of a key there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVersions {
    /// The one in use.
    pub present: u32,
    /// Older ones, which still read; the newest first.
    pub older: Vec<u32>,
    /// One that is not in use yet.
    pub pending: Option<u32>,
}

type Keys = BTreeMap<u32, Zeroizing<[u8; 32]>>;

impl KeyVersions {
    pub(super) fn of(keys: &Keys, present: u32) -> Self {
        Self {
            present,
            older: keys
                .range(..present)
                .rev()
                .map(|(version, _)| *version)
                .collect(),
            pending: pending(keys, present),
        }
    }
}

impl KeyRing {
    /// Which epochs there are.
    pub fn epoch_versions(&self) -> KeyVersions {
        KeyVersions::of(&self.epochs, self.wrapping)
    }

    /// Every epoch with what tells its key from another key of that number. It reveals no key.
    pub fn epoch_checks(&self) -> BTreeMap<u32, String> {
        checks(&self.epochs, "epoch")
    }

    /// The same of the index keys.
    pub fn index_checks(&self) -> BTreeMap<u32, String> {
        checks(&self.index_keys, "index")
    }

    /// Makes one change, in memory. [`KeyRing::change`] makes it in the key file.
    ///
    /// # Errors
    /// [`RotationError`]; nothing is changed.
    pub(super) fn apply(&mut self, change: KeyChange, rng: &dyn Rng) -> Result<(), RotationError> {
        match change {
            KeyChange::AddEpoch => add(&mut self.epochs, self.wrapping, rng),
            KeyChange::PromoteEpoch => promote(&self.epochs, &mut self.wrapping),
            KeyChange::DestroyEpoch {
                epoch,
                still_wrapped,
            } => destroy(&mut self.epochs, self.wrapping, epoch, still_wrapped),
            KeyChange::AddIndexKey => add(&mut self.index_keys, self.indexing, rng),
            KeyChange::PromoteIndexKey => promote(&self.index_keys, &mut self.indexing),
            KeyChange::DestroyIndexKey {
                version,
                still_tagged,
            } => destroy(&mut self.index_keys, self.indexing, version, still_tagged),
        }
    }
}

/// Sixteen hexadecimal digits each: two programs compare them to see whether they hold the same key.
fn checks(keys: &Keys, kind: &str) -> BTreeMap<u32, String> {
    let check = |(version, key): (&u32, &Zeroizing<[u8; 32]>)| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_slice());
        let tag = hmac::sign(
            &key,
            format!("privity key check v1|{kind}|{version}").as_bytes(),
        );
        let digits = tag
            .as_ref()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"));
        (*version, digits.collect())
    };
    keys.iter().map(check).collect()
}

fn pending(keys: &Keys, present: u32) -> Option<u32> {
    let (newest, _) = keys.last_key_value()?;
    (*newest > present).then_some(*newest)
}

fn add(keys: &mut Keys, present: u32, rng: &dyn Rng) -> Result<(), RotationError> {
    if let Some(pending) = pending(keys, present) {
        return Err(RotationError::Pending(pending));
    }
    keys.insert(present.saturating_add(1), random_key(rng));
    Ok(())
}

fn promote(keys: &Keys, present: &mut u32) -> Result<(), RotationError> {
    *present = pending(keys, *present).ok_or(RotationError::NothingPending)?;
    Ok(())
}

fn destroy(keys: &mut Keys, present: u32, key: u32, count: u64) -> Result<(), RotationError> {
    if !keys.contains_key(&key) {
        return Err(RotationError::Unknown(key));
    }
    if key == present {
        return Err(RotationError::InUse(key));
    }
    if count > 0 {
        return Err(RotationError::StillReferred { key, count });
    }
    keys.remove(&key);
    Ok(())
}
