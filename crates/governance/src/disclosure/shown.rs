//! Credentials that were shown and found good a moment ago: a recipient that asks a thousand times a second is looked up once in it. What is
//! revoked here is forgotten here at once, and on every other node within that second; what ends by itself is checked every time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use storage::credential::{CredentialKind, StoredCredential};

/// For so long a credential that was found is taken to be there still.
const MOMENT: Duration = Duration::from_secs(1);
/// Credentials that are remembered: more than a business has recipients.
const MOST: usize = 4_096;

type Tag = (CredentialKind, [u8; 32]);

/// What was found, and when. Only what is in the database is kept: whoever tries keys fills nothing.
#[derive(Default)]
pub(crate) struct Shown(Mutex<Held>);

#[derive(Default)]
struct Held {
    found: HashMap<Tag, (Instant, StoredCredential)>,
    /// How often everything was forgotten.
    forgotten: u64,
}

/// A look-up that begins: what it finds is kept unless something was revoked meanwhile.
pub(super) struct Looking {
    since: Instant,
    forgotten: u64,
}

impl Shown {
    /// What was found a moment ago, or a look-up that has to be made.
    pub(super) fn get(&self, tag: Tag) -> Result<StoredCredential, Looking> {
        let held = self.lock();
        let found = held.found.get(&tag);
        let fresh = found.filter(|(since, _)| since.elapsed() < MOMENT);
        fresh
            .map(|(_, found)| found.clone())
            .ok_or_else(|| Looking {
                since: Instant::now(),
                forgotten: held.forgotten,
            })
    }

    pub(super) fn put(&self, tag: Tag, looking: &Looking, found: &StoredCredential) {
        let mut held = self.lock();
        if held.forgotten != looking.forgotten {
            return;
        }
        if held.found.len() >= MOST {
            held.found.clear();
        }
        held.found.insert(tag, (looking.since, found.clone()));
    }

    /// Called after a credential was revoked for good.
    pub(super) fn forget(&self) {
        let mut held = self.lock();
        held.found.clear();
        held.forgotten += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
