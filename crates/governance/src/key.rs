//! Keys are changed by and by: one is added, promoted when every program has loaded it, what the old one wrapped is wrapped again, and the
//! old one is destroyed, which is what makes old backups of the database forget.
//!
//! Decision: docs/decisions/004-vault.md. Law: 11 CCR 7022(d) (what is only in backups may wait until they are used next; here it need not).

mod held;
mod history;
mod reindex;
mod rewrap;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::rng::Rng;
use domain::time::Clock;
use enforcement::vault::{KeyChange, KeyVersions};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use storage::Tx;
use storage::key_holder::KeyHolder;

use crate::settings::Settings;
use crate::{Privity, Problem};

pub use history::KeyKind;
pub use rewrap::Rewrapped;

pub(crate) use held::Held;
pub(crate) use source::Source;

/// How long a change waits for the other programs: longer than the word of one that was killed holds.
pub const PATIENCE: Duration = Duration::from_secs(90);

const STILL_USED: &str = "still write with an older key; stop them if they hang";
const NOT_LOADED: &str =
    "have not loaded the new key yet; copy the key file to their machines, or stop them";

/// Where the keys stand.
#[derive(Clone, Debug, Serialize)]
pub struct KeyStatus {
    /// The key file.
    pub key_file: String,
    /// The key service that opens it, if one does.
    pub key_service: Option<String>,
    /// Programs that hold keys in memory and write with them.
    pub programs: usize,
    /// Every key that there is, and those that were destroyed.
    pub keys: Vec<KeyState>,
}

/// Where one key stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyState {
    /// Which of the keys.
    pub kind: KeyKind,
    /// Its number.
    pub version: u32,
    /// What it is used for now.
    pub stage: Stage,
    /// When it was added.
    pub added_at: Option<Timestamp>,
    /// When it became the present one.
    pub promoted_at: Option<Timestamp>,
    /// When it was destroyed.
    pub destroyed_at: Option<Timestamp>,
    /// How many rows need it.
    pub needed_by: u64,
}

/// What a key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// For nothing yet.
    Pending,
    /// For whatever is written now.
    Present,
    /// For reading only.
    Old,
    /// It is gone.
    Destroyed,
    /// It was destroyed, and came back with an old copy of the key file.
    CameBack,
}

impl Stage {
    /// In a word, as people read it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Present => "present",
            Self::Old => "old",
            Self::Destroyed => "destroyed",
            Self::CameBack => "came back",
        }
    }
}

/// What a rotation did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// The key that is present now.
    pub present: u32,
    /// Whether it finished one that had been cut off, instead of beginning a new one.
    pub finished_earlier: bool,
    /// What was wrapped again.
    pub rewrapped: Rewrapped,
    /// Keys that were destroyed.
    pub destroyed: Vec<u32>,
}

/// Where the keys stand. Passes over all subjects, to count what needs which key.
pub async fn status(p: &Privity) -> Result<KeyStatus, Problem> {
    let now = p.now();
    let (history, holders, counts) = p
        .read("read keys", move |tx| {
            let history = history::get(tx)?.unwrap_or_default();
            let holders = storage::key_holder::list(tx, now)?;
            Ok((history, holders, counts(tx, &KeyKind::ALL)?))
        })
        .await?;
    let source = p.parts.keys.source();
    let mut keys = Vec::new();
    for kind in KeyKind::ALL {
        let versions = versions(p, kind);
        let mut lives = history.of(kind).clone();
        let known = lives.keys().copied().collect::<Vec<_>>();
        let all = known.iter().chain(&versions.older);
        let all = all.chain([&versions.present]).chain(&versions.pending);
        for version in all.copied().collect::<std::collections::BTreeSet<u32>>() {
            let life = lives.remove(&version);
            let needed_by = counts.get(&(kind.text(), version)).copied();
            keys.push(state(
                kind,
                version,
                &versions,
                life,
                needed_by.unwrap_or(0),
            ));
        }
    }
    Ok(KeyStatus {
        key_file: source.path().display().to_string(),
        key_service: source.service().map(str::to_owned),
        programs: holders.len(),
        keys,
    })
}

fn state(
    kind: KeyKind,
    version: u32,
    versions: &KeyVersions,
    life: Option<history::Life>,
    needed_by: u64,
) -> KeyState {
    let destroyed_at = life.as_ref().and_then(|life| life.destroyed_at);
    let stage = if version == versions.present {
        Stage::Present
    } else if Some(version) == versions.pending {
        Stage::Pending
    } else if !versions.older.contains(&version) {
        Stage::Destroyed
    } else if destroyed_at.is_some() {
        Stage::CameBack
    } else {
        Stage::Old
    };
    KeyState {
        kind,
        version,
        stage,
        added_at: life.as_ref().map(|life| life.added_at),
        promoted_at: life.as_ref().and_then(|life| life.promoted_at),
        destroyed_at,
        needed_by,
    }
}

/// Adds a key that does nothing yet, and answers its number.
///
/// # Errors
/// A key waits already, or the key file can't be written.
pub async fn add(p: &Privity, kind: KeyKind) -> Result<u32, Problem> {
    // What is there before, so that the change is seen as one.
    p.hold_keys().await?;
    let newest = p.read("read keys", history::get).await?;
    let newest = newest.and_then(|history| history.of(kind).keys().next_back().copied());
    let versions = versions(p, kind);
    let own = versions.pending.unwrap_or(versions.present);
    if newest.is_some_and(|newest| newest > own) {
        return Err(Problem::conflict(
            "another machine has added a key; copy its key file to this one first",
        ));
    }
    p.parts.keys.change(kind.adding()).await?;
    let said = p.say_keys(true).await;
    let added = self::versions(p, kind).pending.unwrap_or(own);
    if let Err(problem) = said {
        // Somebody else's key of this number was first; ours has wrapped nothing.
        p.parts.keys.change(kind.destroying(added, 0)).await?;
        return Err(problem);
    }
    Ok(added)
}

/// Makes the key that waits the present one, once every program has loaded it.
///
/// # Errors
/// None waits, or some program has not loaded it after `patience`.
pub async fn promote(p: &Privity, kind: KeyKind, patience: Duration) -> Result<u32, Problem> {
    let Some(pending) = versions(p, kind).pending else {
        return Err(Problem::conflict(
            "no key waits to be promoted; add one first with `privity key add`",
        ));
    };
    let newest = history::Seen::of(&p.keys(), p.parts.keys.source().service()).newest();
    let knows = move |holder: &KeyHolder| holder.check == newest;
    wait_for(p, patience, NOT_LOADED, knows).await?;
    p.parts.keys.change(kind.promoting()).await?;
    p.say_keys(true).await?;
    Ok(pending)
}

/// Wraps again what older epochs wrap, or makes the tags of older index keys anew.
///
/// # Errors
/// The database can't be read or written; what was done stays done.
pub async fn rewrap(p: &Privity, kind: KeyKind) -> Result<Rewrapped, Problem> {
    match kind {
        KeyKind::Epoch => rewrap::all(p).await,
        KeyKind::Index => reindex::all(p).await,
    }
}

/// The number of the key that is in use.
pub fn present(p: &Privity, kind: KeyKind) -> u32 {
    versions(p, kind).present
}

/// Destroys an old key: what only it opens is gone, in every backup too. A key that still waits is given up the same way.
///
/// # Errors
/// It is in use, rows or programs still need it, or there is no such key.
pub async fn destroy(
    p: &Privity,
    kind: KeyKind,
    version: u32,
    patience: Duration,
) -> Result<(), Problem> {
    if version < versions(p, kind).present {
        let used = move |holder: &KeyHolder| kind.in_use(holder) > version;
        wait_for(p, patience, STILL_USED, used).await?;
    }
    let counted = p.read("count what needs a key", move |tx| counts(tx, &[kind]));
    let needed_by = counted.await?.get(&(kind.text(), version)).copied();
    let change = kind.destroying(version, needed_by.unwrap_or(0));
    p.parts.keys.change(change).await?;
    if version > versions(p, kind).present {
        let now = p.now();
        let given_up = move |tx: &mut Tx| Ok(((), history::give_up(tx, kind, version, now)?));
        p.write_unheld("give up a key", given_up).await?;
    }
    p.say_keys(true).await?;
    p.database().scrub().await?;
    Ok(())
}

/// All four steps, one after the other; a rotation that was cut off is finished first, and no new one begun.
///
/// # Errors
/// As the steps; run it again to go on.
pub async fn rotate(p: &Privity, kind: KeyKind, patience: Duration) -> Result<Rotated, Problem> {
    let before = versions(p, kind);
    let finished_earlier = before.pending.is_some() || !before.older.is_empty();
    if !finished_earlier {
        add(p, kind).await?;
    }
    if versions(p, kind).pending.is_some() {
        promote(p, kind, patience).await?;
    }
    finish(p, kind, finished_earlier, patience).await
}

/// The last two steps.
async fn finish(
    p: &Privity,
    kind: KeyKind,
    finished_earlier: bool,
    patience: Duration,
) -> Result<Rotated, Problem> {
    let now = versions(p, kind);
    let present = now.present;
    let used = move |holder: &KeyHolder| kind.in_use(holder) >= present;
    wait_for(p, patience, STILL_USED, used).await?;
    let rewrapped = rewrap(p, kind).await?;
    for old in &now.older {
        destroy(p, kind, *old, patience).await?;
    }
    Ok(Rotated {
        present,
        finished_earlier,
        rewrapped,
        destroyed: now.older,
    })
}

/// Rotates the epoch when its time is over, a step at a time and without waiting for anybody: what can't be done now is done in an hour.
/// The old key goes an hour after the change, when whatever this program was writing meanwhile is written.
pub(crate) async fn rotate_when_due(p: &Privity) -> Result<(), Problem> {
    let days = p.settings().key_rotation_days;
    if days == 0 {
        return Ok(());
    }
    let kind = KeyKind::Epoch;
    let now = versions(p, kind);
    let age = age_of(p, now.present).await?;
    if now.pending.is_some() {
        promote(p, kind, Duration::ZERO).await?;
    } else if !now.older.is_empty() {
        if age >= SETTLED {
            finish(p, kind, true, Duration::ZERO).await?;
        }
    } else if age >= SignedDuration::from_hours(24 * i64::from(days)) {
        add(p, kind).await?;
        promote(p, kind, Duration::ZERO).await?;
    }
    Ok(())
}

/// After this long, nothing that was wrapped before a change is still on its way into the database.
const SETTLED: SignedDuration = SignedDuration::from_mins(10);

/// How long ago an epoch was promoted.
async fn age_of(p: &Privity, epoch: u32) -> Result<SignedDuration, Problem> {
    let history = p.read("read keys", history::get).await?;
    let promoted_at = history
        .and_then(|history| history.epochs.get(&epoch).cloned())
        .and_then(|life| life.promoted_at);
    Ok(promoted_at.map_or(SignedDuration::ZERO, |at| p.now().duration_since(at)))
}

/// Seals the key file under the key service that the settings name; answers the service's name. The program need not run, but the
/// database has to take the record of it.
///
/// # Errors
/// The settings name none, it or the database does not answer, or the key file is sealed already; the key file is as before.
pub async fn protect(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<String, Problem> {
    let sealed = settings.clone();
    if sealed.key_service.is_none() {
        return Err(source::none_named());
    }
    let opening = Opening(clock.clone(), rng.clone());
    opening.is_seen(without_service(settings)).await?;
    let source = Source::to_protect(settings, clock, rng)?;
    let service = source.protect().await?.to_owned();
    opening.is_seen_or_later(sealed).await;
    Ok(service)
}

/// The way back: the key file opens by itself again.
///
/// # Errors
/// As [`protect`].
pub async fn unprotect(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<String, Problem> {
    let sealed = settings.clone();
    if sealed.key_service.is_none() {
        return Err(source::none_named());
    }
    let opening = Opening(clock.clone(), rng.clone());
    opening.is_seen(sealed).await?;
    let source = Source::of(settings, clock, rng)?;
    let service = source.unprotect().await?.to_owned();
    opening.is_seen_or_later(without_service(settings)).await;
    Ok(service)
}

fn without_service(settings: &Settings) -> Settings {
    Settings {
        key_service: None,
        ..settings.clone()
    }
}

/// A short run of the program, so that the history of keys, and with it the audit log, sees how the key file opens.
struct Opening(Arc<dyn Clock>, Arc<dyn Rng>);

impl Opening {
    async fn is_seen(&self, settings: Settings) -> Result<(), Problem> {
        let p = crate::start(settings, self.0.clone(), self.1.clone()).await?;
        let seen = p.hold_keys().await;
        p.let_go_of_keys().await;
        p.database().close().await;
        seen
    }

    async fn is_seen_or_later(&self, settings: Settings) {
        if let Err(problem) = self.is_seen(settings).await {
            tracing::warn!(cause = %problem, "the key file was changed; the audit log will say so when the program starts next");
        }
    }
}

/// Says that this program writes no more, so that the next one need not wait for its word to end.
pub async fn let_go(p: &Privity) {
    p.let_go_of_keys().await;
}

/// Whether the key file could be opened now, in words; a program that runs does not need it before it starts again.
pub(crate) async fn look(p: &Privity) -> Result<String, Problem> {
    let source = p.parts.keys.source();
    let opened = source.open().await;
    let epoch = opened
        .map_err(|error| source::problem(&error))?
        .epoch_versions();
    let history = p.read("read keys", history::get).await?.unwrap_or_default();
    let is_destroyed = |epoch: &&u32| {
        let life = history.epochs.get(epoch);
        life.is_some_and(|life| life.destroyed_at.is_some())
    };
    if let Some(old) = epoch.older.iter().find(is_destroyed) {
        return Err(Problem::conflict(format!(
            "epoch key {old} was destroyed and came back with an old copy of the key file, so that old backups can be read again; run `privity key destroy {old}`, and destroy that copy"
        )));
    }
    let service = source.service().unwrap_or("no key service");
    Ok(format!(
        "the key file opens ({service}); epoch {} wraps, {} older",
        epoch.present,
        epoch.older.len()
    ))
}

/// Waits until all other programs are ready, looking once a second.
async fn wait_for(
    p: &Privity,
    patience: Duration,
    otherwise: &str,
    is_ready: impl Fn(&KeyHolder) -> bool,
) -> Result<(), Problem> {
    let begun = tokio::time::Instant::now();
    loop {
        let (now, own) = (p.now(), p.parts.keys.id().to_owned());
        let holders = p
            .read("list who holds keys", move |tx| {
                Ok(storage::key_holder::list(tx, now)?)
            })
            .await?;
        let others = holders.iter().filter(|holder| holder.id != own);
        let waiting = others.filter(|holder| !is_ready(holder)).count();
        if waiting == 0 {
            return Ok(());
        }
        if begun.elapsed() >= patience {
            return Err(Problem::conflict(format!(
                "{waiting} running programs {otherwise}; then repeat"
            )));
        }
        p.progress().tell(
            "programs ready",
            (holders.len() - waiting) as u64,
            holders.len() as u64,
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn versions(p: &Privity, kind: KeyKind) -> KeyVersions {
    match kind {
        KeyKind::Epoch => p.keys().epoch_versions(),
        KeyKind::Index => p.keys().index_versions(),
    }
}

/// How many rows need which key.
fn counts(tx: &mut Tx, kinds: &[KeyKind]) -> Result<BTreeMap<(&'static str, u32), u64>, Problem> {
    let mut all = BTreeMap::new();
    let mut add = |kind: KeyKind, counts: Vec<(u32, u64)>| {
        for (version, count) in counts {
            *all.entry((kind.text(), version)).or_default() += count;
        }
    };
    for kind in kinds {
        match kind {
            KeyKind::Epoch => {
                add(*kind, storage::subject::count_by_epoch(tx)?);
                add(*kind, storage::wrapped_key::count_by_epoch(tx)?);
            }
            KeyKind::Index => {
                add(*kind, storage::identifier::count_by_key_version(tx)?);
                add(*kind, storage::source_record::count_by_key_version(tx)?);
            }
        }
    }
    Ok(all)
}

impl KeyKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Epoch, Self::Index];

    const fn adding(self) -> KeyChange {
        match self {
            Self::Epoch => KeyChange::AddEpoch,
            Self::Index => KeyChange::AddIndexKey,
        }
    }

    const fn promoting(self) -> KeyChange {
        match self {
            Self::Epoch => KeyChange::PromoteEpoch,
            Self::Index => KeyChange::PromoteIndexKey,
        }
    }

    const fn destroying(self, version: u32, needed_by: u64) -> KeyChange {
        match self {
            Self::Epoch => KeyChange::DestroyEpoch {
                epoch: version,
                still_wrapped: needed_by,
            },
            Self::Index => KeyChange::DestroyIndexKey {
                version,
                still_tagged: needed_by,
            },
        }
    }

    const fn in_use(self, holder: &KeyHolder) -> u32 {
        match self {
            Self::Epoch => holder.epoch_in_use,
            Self::Index => holder.index_in_use,
        }
    }
}
