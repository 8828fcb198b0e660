//! The keys in memory of a running program, kept up to date with the key file, and what it says of them to other programs.
//!
//! A program says every few seconds which keys it has loaded and with which it still wraps, and stops writing when it could not say so
//! for a minute. So a key is promoted when every program knows it, and destroyed when none uses it any more, without restarting one.

use std::sync::{Arc, PoisonError, RwLock};

use domain::rng::{Rng, new_id};
use enforcement::vault::{KeyChange, KeyRing};
use jiff::{SignedDuration, Timestamp};
use storage::key_holder::KeyHolder;

use super::history::{self, Seen};
use super::source::{Source, Stamp, problem};
use crate::{Privity, Problem};

/// How often a program says what it holds.
const BEAT: SignedDuration = SignedDuration::from_secs(15);
/// How long a key file that can't be used is left alone.
const PAUSE: SignedDuration = SignedDuration::from_mins(2);
/// For how long its word holds.
const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// The code of a key file that doesn't fit.
const WRONG: &str = "wrong_key_file";

/// The keys, and what was said of them.
pub(crate) struct Held {
    id: String,
    source: Source,
    state: RwLock<State>,
    saying: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct State {
    ring: Arc<KeyRing>,
    stamp: Option<Stamp>,
    unusable: Option<Unusable>,
    said: Option<Said>,
}

/// A content of the key file that could not be used: said once, and tried again later, since a service that is down takes its time.
#[derive(Clone, Copy)]
struct Unusable {
    stamp: Option<Stamp>,
    again_at: Timestamp,
}

/// The keys to go on with.
struct Loaded {
    ring: Arc<KeyRing>,
    stamp: Option<Stamp>,
    unusable: Option<Unusable>,
}

impl State {
    fn as_it_is(&self) -> Loaded {
        Loaded {
            ring: self.ring.clone(),
            stamp: self.stamp,
            unusable: self.unusable,
        }
    }

    /// The same keys, without what the key file says now.
    fn without(&self, stamp: Option<Stamp>, problem: &Problem, now: Timestamp) -> Loaded {
        if self.unusable.is_none_or(|known| known.stamp != stamp) {
            tracing::warn!(cause = %problem, "the key file was changed and can't be used; the keys in memory go on");
        }
        Loaded {
            unusable: Some(Unusable {
                stamp,
                again_at: now.saturating_add(PAUSE).unwrap_or(Timestamp::MAX),
            }),
            ..self.as_it_is()
        }
    }
}

/// What was said last.
#[derive(Clone, Copy)]
struct Said {
    at: Timestamp,
    /// The keys in use then: something wrapped with them may still be on its way into the database.
    in_use: (u32, u32),
}

/// What the key file holds now.
enum Look {
    Same,
    New(Arc<KeyRing>, Option<Stamp>),
    Unreadable(Option<Stamp>, Problem),
}

impl Held {
    pub(crate) async fn open(
        source: Source,
        rng: &dyn Rng,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        // Before it is read, so that a change in between is seen as one.
        let stamp = source.stamp();
        let ring = source
            .open_or_create()
            .await
            .map_err(|error| problem(&error))?;
        let stamp = stamp.or_else(|| source.stamp());
        Ok(Self {
            id: new_id::<domain::id::Task>(rng, now).to_string(),
            source,
            state: RwLock::new(State {
                ring: Arc::new(ring),
                stamp,
                unusable: None,
                said: None,
            }),
            saying: tokio::sync::Mutex::new(()),
        })
    }

    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .ring
            .clone()
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Makes one change in the key file, and holds the new keys.
    pub(crate) async fn change(&self, change: KeyChange) -> Result<(), Problem> {
        let ring = self
            .source
            .change(change)
            .await
            .map_err(|error| problem(&error))?;
        let stamp = self.source.stamp();
        self.set(|state| {
            state.ring = Arc::new(ring);
            state.stamp = stamp;
        });
        Ok(())
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn snapshot(&self) -> State {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.said.is_some_and(|said| is_within(said.at, BEAT, now))
    }

    async fn look(&self, known: &State, kept: bool, now: Timestamp) -> Look {
        let stamp = self.source.stamp();
        let later = |unusable: Unusable| unusable.stamp == stamp && now < unusable.again_at;
        if stamp == known.stamp || (kept && known.unusable.is_some_and(later)) {
            return Look::Same;
        }
        match self.source.open().await {
            Ok(ring) if ring.key_check() == known.ring.key_check() => {
                Look::New(Arc::new(ring), stamp)
            }
            Ok(_) => Look::Unreadable(stamp, other_file()),
            Err(error) => Look::Unreadable(stamp, problem(&error)),
        }
    }
}

impl Privity {
    /// The keys as they are now. Ask again for each piece of work: they change while the program runs.
    pub(crate) fn keys(&self) -> Arc<KeyRing> {
        self.parts.keys.ring()
    }

    /// Says what this program holds, if it is time again; loads the key file anew when it has changed.
    ///
    /// # Errors
    /// Nothing may be written now: what this program held may not be in use any more.
    pub(crate) async fn hold_keys(&self) -> Result<(), Problem> {
        if self.parts.keys.is_fresh(self.now()) {
            return Ok(());
        }
        self.say_keys(false).await
    }

    /// The same at once, after a change of one's own.
    pub(crate) async fn say_keys(&self, at_once: bool) -> Result<(), Problem> {
        let held = &self.parts.keys;
        let _one_at_a_time = held.saying.lock().await;
        let now = self.now();
        if held.is_fresh(now) && !at_once {
            return Ok(());
        }
        let known = held.snapshot();
        let kept = known
            .said
            .is_some_and(|said| is_within(said.at, LEASE, now));
        let loaded = self.loaded(&known, kept, now).await?;
        let is_new = loaded.stamp != known.stamp || known.said.is_none() || at_once;
        let recorded = self.record_held(&known, &loaded.ring, is_new, now).await;
        let Loaded {
            ring,
            stamp,
            unusable,
        } = match recorded {
            // A running program goes on with what it knows to be right.
            Err(problem) if problem.code == WRONG && loaded.stamp != known.stamp && kept => {
                let kept_ring = known.without(loaded.stamp, &problem, now);
                self.record_held(&known, &known.ring, false, now).await?;
                kept_ring
            }
            recorded => {
                recorded?;
                loaded
            }
        };
        let (before, after) = (in_use(&known.ring), in_use(&ring));
        held.set(|state| {
            *state = State {
                ring,
                stamp,
                unusable,
                said: Some(Said {
                    at: now,
                    in_use: after,
                }),
            };
        });
        if !kept && before != after {
            return Err(Problem::conflict(
                "the keys were changed while this program was not looking; nothing was written, please repeat",
            ));
        }
        Ok(())
    }

    /// The keys to go on with: those of the key file, or those in memory where it can't be loaded.
    async fn loaded(&self, known: &State, kept: bool, now: Timestamp) -> Result<Loaded, Problem> {
        match self.parts.keys.look(known, kept, now).await {
            Look::Same => Ok(known.as_it_is()),
            Look::New(ring, stamp) => Ok(Loaded {
                ring,
                stamp,
                unusable: None,
            }),
            // What could not be said for a minute may be about keys that are gone.
            Look::Unreadable(_, problem) if !kept && known.said.is_some() => Err(problem),
            Look::Unreadable(stamp, problem) => Ok(known.without(stamp, &problem, now)),
        }
    }

    async fn record_held(
        &self,
        known: &State,
        ring: &KeyRing,
        is_new: bool,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let seen = Seen::of(ring, self.parts.keys.source.service());
        let present = in_use(ring);
        let before = known.said.map_or(present, |said| said.in_use);
        let newest = |versions: enforcement::vault::KeyVersions| {
            versions.pending.unwrap_or(versions.present)
        };
        let holder = KeyHolder {
            id: self.parts.keys.id.clone(),
            epoch_in_use: present.0.min(before.0),
            newest_epoch: newest(ring.epoch_versions()),
            index_in_use: present.1.min(before.1),
            newest_index: newest(ring.index_versions()),
            check: seen.newest(),
            until: now.saturating_add(LEASE).unwrap_or(Timestamp::MAX),
        };
        self.write_unheld("hold keys", move |tx| {
            let records = match is_new {
                true => history::observe(tx, &seen, now)?,
                false => Vec::new(),
            };
            storage::key_holder::hold(tx, &holder, now)?;
            Ok(((), records))
        })
        .await
        .map(drop)
    }

    /// Tells the others that this program ends.
    pub(crate) async fn let_go_of_keys(&self) {
        let id = self.parts.keys.id.clone();
        let told = self
            .parts
            .database
            .write("let go of keys", move |tx| {
                storage::key_holder::let_go(tx, &id)
            })
            .await;
        // Its word ends by itself within a minute.
        drop(told);
    }
}

fn in_use(ring: &KeyRing) -> (u32, u32) {
    (ring.epoch_versions().present, ring.index_versions().present)
}

fn is_within(since: Timestamp, time: SignedDuration, now: Timestamp) -> bool {
    now >= since && now.duration_since(since) < time
}

fn other_file() -> Problem {
    Problem::new(
        WRONG,
        500,
        "the key file belongs to another database; set `key_file` to the one that this database was made with",
    )
}
