//! What became of each key: when it was added, promoted and destroyed. Kept in the database, without the keys.
//!
//! Every program that opens the key file compares. So a change that was made just before a crash is still recorded, two machines
//! that made different keys of one number are told before either is used, and a destroyed key that comes back with an old copy of
//! the key file is noticed.

use std::collections::BTreeMap;

use domain::audit::{Action, Actor, NewRecord};
use enforcement::vault::KeyRing;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use storage::Tx;

use crate::Problem;

const NAME: &str = "key_history";

/// Which of the keys that are changed by and by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// It wraps the keys of subjects and privacy requests.
    Epoch,
    /// It makes the tags by which subjects are found.
    Index,
}

impl KeyKind {
    /// As the audit log names it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Index => "index",
        }
    }
}

/// What became of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Life {
    pub(crate) check: String,
    pub(crate) added_at: Timestamp,
    pub(crate) promoted_at: Option<Timestamp>,
    pub(crate) destroyed_at: Option<Timestamp>,
}

/// What became of all keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) epochs: BTreeMap<u32, Life>,
    pub(crate) index_keys: BTreeMap<u32, Life>,
    /// How the key file opened last; not known of databases from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opens: Option<Opens>,
}

/// How the key file opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Opens {
    ByItself,
    /// With the key service of this name.
    With(String),
}

/// What a key ring shows of its keys, and its key file of how it opens.
#[derive(Clone)]
pub(crate) struct Seen {
    epochs: (BTreeMap<u32, String>, u32),
    index_keys: (BTreeMap<u32, String>, u32),
    opens: Opens,
}

impl Seen {
    /// `service`: the name of the key service that opened the key file.
    pub(crate) fn of(ring: &KeyRing, service: Option<&str>) -> Self {
        Self {
            epochs: (ring.epoch_checks(), ring.epoch_versions().present),
            index_keys: (ring.index_checks(), ring.index_versions().present),
            opens: service.map_or(Opens::ByItself, |name| Opens::With(name.to_owned())),
        }
    }

    /// One text for the newest keys: equal where two programs hold the same.
    pub(crate) fn newest(&self) -> String {
        let newest = |keys: &BTreeMap<u32, String>| {
            let newest = keys.last_key_value();
            newest.map_or_else(String::new, |(version, check)| format!("{version}:{check}"))
        };
        format!("{} {}", newest(&self.epochs.0), newest(&self.index_keys.0))
    }
}

/// The history as it is stored.
pub(crate) fn get(tx: &mut Tx) -> Result<Option<History>, Problem> {
    let stored = storage::meta::get(tx, NAME)?;
    stored
        .map(|bytes| {
            serde_json::from_slice(&bytes)
                .map_err(|error| Problem::internal("reading what became of the keys", &error))
        })
        .transpose()
}

/// Adds what a key ring shows, and answers the records that say so.
pub(crate) fn observe(tx: &mut Tx, seen: &Seen, now: Timestamp) -> Result<Vec<NewRecord>, Problem> {
    let known = get(tx)?;
    let is_first = known.is_none();
    let mut history = known.clone().unwrap_or_default();
    let mut records = history.observe(seen, now)?;
    if known.as_ref() != Some(&history) {
        save(tx, &history)?;
    }
    if is_first {
        // Keys that were there before anything was recorded have no story to tell.
        records.clear();
    }
    Ok(records)
}

/// A key that never was promoted is given up; its number is free again.
pub(crate) fn give_up(
    tx: &mut Tx,
    kind: KeyKind,
    version: u32,
    now: Timestamp,
) -> Result<Vec<NewRecord>, Problem> {
    let mut history = get(tx)?.unwrap_or_default();
    let lives = match kind {
        KeyKind::Epoch => &mut history.epochs,
        KeyKind::Index => &mut history.index_keys,
    };
    if lives.remove(&version).is_none() {
        return Ok(Vec::new());
    }
    save(tx, &history)?;
    let record = NewRecord::new(now, Actor::System, Action::OldKeyDestroyed);
    Ok(vec![
        record.with("kind", kind.text()).with("version", version),
    ])
}

fn save(tx: &mut Tx, history: &History) -> Result<(), Problem> {
    let bytes = serde_json::to_vec(history)
        .map_err(|error| Problem::internal("recording the keys", &error))?;
    Ok(storage::meta::set(tx, NAME, &bytes)?)
}

impl History {
    fn observe(&mut self, seen: &Seen, now: Timestamp) -> Result<Vec<NewRecord>, Problem> {
        let mut records = observe_kind(&mut self.epochs, KeyKind::Epoch, &seen.epochs, now)?;
        records.extend(observe_kind(
            &mut self.index_keys,
            KeyKind::Index,
            &seen.index_keys,
            now,
        )?);
        records.extend(self.observe_opening(&seen.opens, now));
        Ok(records)
    }

    /// Sealing the key file, or no more, is a change like any other of the keys.
    fn observe_opening(&mut self, opens: &Opens, now: Timestamp) -> Option<NewRecord> {
        let before = self.opens.replace(opens.clone())?;
        if before == *opens {
            return None;
        }
        let (action, service) = match (before, opens) {
            (_, Opens::With(name)) => (Action::KeyFileProtected, name.clone()),
            (Opens::With(name), Opens::ByItself) => (Action::KeyFileUnprotected, name),
            (Opens::ByItself, Opens::ByItself) => return None,
        };
        Some(NewRecord::new(now, Actor::System, action).with("key_service", service))
    }

    pub(crate) const fn of(&self, kind: KeyKind) -> &BTreeMap<u32, Life> {
        match kind {
            KeyKind::Epoch => &self.epochs,
            KeyKind::Index => &self.index_keys,
        }
    }
}

fn observe_kind(
    lives: &mut BTreeMap<u32, Life>,
    kind: KeyKind,
    (checks, present): &(BTreeMap<u32, String>, u32),
    now: Timestamp,
) -> Result<Vec<NewRecord>, Problem> {
    let mut records = Vec::new();
    let mut record = |action, version: u32| {
        records.push(
            NewRecord::new(now, Actor::System, action)
                .with("kind", kind.text())
                .with("version", version),
        );
    };
    for (version, check) in checks {
        match lives.get(version) {
            Some(life) if life.check != *check => return Err(other_key(kind, *version)),
            Some(_) => {}
            None => {
                lives.insert(*version, Life::added(check, now));
                record(Action::KeyAdded, *version);
            }
        }
    }
    if is_old_copy(lives, checks, *present) {
        return Err(old_copy(kind));
    }
    for (version, life) in lives.iter_mut() {
        if version <= present && checks.contains_key(version) && life.promoted_at.is_none() {
            life.promoted_at = Some(now);
            record(Action::KeyPromoted, *version);
        }
        if version < present && !checks.contains_key(version) && life.destroyed_at.is_none() {
            life.destroyed_at = Some(now);
            record(Action::OldKeyDestroyed, *version);
        }
    }
    Ok(records)
}

/// Whether the key file is from before a change: what would be written under it now, nobody could read later.
fn is_old_copy(lives: &BTreeMap<u32, Life>, checks: &BTreeMap<u32, String>, present: u32) -> bool {
    lives.iter().any(|(version, life)| {
        let is_gone = *version == present && life.destroyed_at.is_some();
        let is_lacking =
            *version > present && life.promoted_at.is_some() && !checks.contains_key(version);
        is_gone || is_lacking
    })
}

fn old_copy(kind: KeyKind) -> Problem {
    let kind = kind.text();
    Problem::new(
        "wrong_key_file",
        500,
        format!(
            "the key file is an old copy: the {kind} key was changed since; copy the present key file to this machine"
        ),
    )
}

impl Life {
    fn added(check: &str, now: Timestamp) -> Self {
        Self {
            check: check.to_owned(),
            added_at: now,
            promoted_at: None,
            destroyed_at: None,
        }
    }
}

fn other_key(kind: KeyKind, version: u32) -> Problem {
    let kind = kind.text();
    Problem::new(
        "wrong_key_file",
        500,
        format!(
            "the key file has another {kind} key {version} than the one that was added first; add a key on one machine alone and copy its key file to the others"
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use super::*;

    fn seen(epochs: &[(u32, &str)], present: u32) -> Seen {
        let checks = epochs
            .iter()
            .map(|(version, check)| (*version, (*check).to_owned()));
        Seen {
            epochs: (checks.collect(), present),
            index_keys: (BTreeMap::from([(1, "i".to_owned())]), 1),
            opens: Opens::ByItself,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn actions(history: &mut History, seen: &Seen, second: i64) -> Vec<Action> {
        let records = history
            .observe(seen, at(second))
            .unwrap_or_else(|problem| panic!("{problem}"));
        records.into_iter().map(|record| record.action).collect()
    }

    #[test]
    fn each_change_is_recorded_once_whoever_sees_it_first() {
        let mut history = History::default();
        actions(&mut history, &seen(&[(1, "a")], 1), 1);
        let added = seen(&[(1, "a"), (2, "b")], 1);
        assert_eq!(actions(&mut history, &added, 2), [Action::KeyAdded]);
        assert!(actions(&mut history, &added, 3).is_empty());
        let promoted = seen(&[(1, "a"), (2, "b")], 2);
        assert_eq!(actions(&mut history, &promoted, 4), [Action::KeyPromoted]);
        let destroyed = seen(&[(2, "b")], 2);
        assert_eq!(
            actions(&mut history, &destroyed, 5),
            [Action::OldKeyDestroyed]
        );
        assert_eq!(history.epochs[&1].destroyed_at, Some(at(5)));
    }

    #[test]
    fn sealing_the_key_file_is_recorded_once_and_by_its_service_alone() {
        let mut history = History::default();
        let open = seen(&[(1, "a")], 1);
        let with = |name: &str| Seen {
            opens: Opens::With(name.to_owned()),
            ..open.clone()
        };
        // A database from before this was kept has no story to tell.
        actions(&mut history, &open, 1);
        let protected = with("local_file");
        assert_eq!(
            actions(&mut history, &protected, 2),
            [Action::KeyFileProtected]
        );
        assert!(actions(&mut history, &protected, 3).is_empty());
        let moved = history.observe(&with("aws_kms:key"), at(4)).unwrap();
        assert_eq!(moved[0].details["key_service"], "aws_kms:key");
        assert_eq!(
            actions(&mut history, &open, 5),
            [Action::KeyFileUnprotected]
        );
    }

    #[test]
    fn a_machine_that_has_not_heard_of_a_promotion_goes_on() {
        let mut history = History::default();
        actions(&mut history, &seen(&[(1, "a"), (2, "b")], 2), 1);
        let before = history.clone();
        assert!(actions(&mut history, &seen(&[(1, "a"), (2, "b")], 1), 2).is_empty());
        assert_eq!(history, before);
    }

    #[test]
    fn an_old_copy_of_the_key_file_is_refused() {
        let mut history = History::default();
        actions(&mut history, &seen(&[(1, "a")], 1), 1);
        actions(&mut history, &seen(&[(2, "b")], 2), 2);
        for old in [seen(&[(1, "a")], 1), seen(&[(1, "a"), (2, "b")], 1)] {
            let problem = history.clone().observe(&old, at(3)).unwrap_err();
            assert!(problem.title.contains("old copy"), "{problem}");
        }
        let came_back = seen(&[(1, "a"), (2, "b")], 2);
        assert!(actions(&mut history, &came_back, 4).is_empty());
    }

    #[test]
    fn two_keys_of_one_number_are_told_apart() {
        let mut history = History::default();
        actions(&mut history, &seen(&[(1, "a"), (2, "b")], 1), 1);
        let other = seen(&[(1, "a"), (2, "c")], 1);
        assert_eq!(
            history.observe(&other, at(2)).unwrap_err().code,
            "wrong_key_file"
        );
    }
}
