//! Reading a whole log again, from its entries alone: every record in its place, every chain without a gap, one tree over all.

use super::append::{ChainHead, ChainHeads, LogState};
use super::hash::{Hash, leaf_hash};
use super::record::{InvalidRecord, Record};

/// A log that is read again, entry by entry. Needs memory for one chain head per privacy request and for the tree's edge.
#[derive(Debug)]
pub struct Replay {
    state: LogState,
    heads: ChainHeads,
}

/// The first entry that is not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The bytes are no record.
    #[error("entry {sequence} of the audit log was changed")]
    Record {
        /// Its place.
        sequence: u64,
        /// What is wrong.
        #[source]
        source: InvalidRecord,
    },
    /// It says that it belongs elsewhere.
    #[error(
        "entry {sequence} of the audit log belongs elsewhere: it was moved, or one before it is missing"
    )]
    Misplaced {
        /// Its place.
        sequence: u64,
    },
    /// Its privacy request's chain has a gap.
    #[error(
        "entry {sequence} of the audit log doesn't follow the record before it of the same privacy request"
    )]
    Gap {
        /// Its place.
        sequence: u64,
    },
}

impl Replay {
    /// Starts before the first entry of a log.
    pub fn of(log: impl Into<String>) -> Self {
        Self {
            state: LogState::empty(log),
            heads: ChainHeads::new(),
        }
    }

    /// Takes the next entry and gives its record and leaf hash.
    ///
    /// # Errors
    /// [`ReplayError`], with the place of the entry.
    pub fn next(&mut self, entry: &[u8]) -> Result<(Record, Hash), ReplayError> {
        let sequence = self.state.frontier.size();
        let record =
            Record::from_entry(entry).map_err(|source| ReplayError::Record { sequence, source })?;
        if record.sequence != sequence || record.log != self.state.log {
            return Err(ReplayError::Misplaced { sequence });
        }
        let leaf = leaf_hash(entry);
        if let Some(link) = record.request {
            let head = self.heads.get(&link.id).copied();
            if link.sequence != head.map_or(0, |head| head.records)
                || link.previous != head.map(|head| head.last)
            {
                return Err(ReplayError::Gap { sequence });
            }
            self.heads.insert(
                link.id,
                ChainHead {
                    records: link.sequence + 1,
                    last: leaf,
                },
            );
        }
        self.state.frontier.append(leaf, &mut Vec::new());
        Ok((record, leaf))
    }

    /// Where the log ends so far: to be compared with the stored end, and its root with a signed checkpoint.
    pub const fn state(&self) -> &LogState {
        &self.state
    }

    /// Where each chain ends so far.
    pub const fn heads(&self) -> &ChainHeads {
        &self.heads
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::super::{Action, Actor, NewRecord, append};
    use super::*;
    use crate::id::RequestId;

    fn entries(size: u64) -> (LogState, ChainHeads, Vec<Vec<u8>>) {
        let records = (0..size).map(|n| {
            let record = NewRecord::new(jiff::Timestamp::UNIX_EPOCH, Actor::System, Action::Erased)
                .with("rows", n);
            if n % 3 == 0 {
                record
            } else {
                record.for_request(RequestId::from_uuid(uuid::Uuid::from_u128(u128::from(
                    n % 3,
                ))))
            }
        });
        let pending = append(
            &LogState::empty("log"),
            &ChainHeads::new(),
            records.collect(),
        )
        .unwrap();
        let bytes = pending
            .entries()
            .iter()
            .map(|entry| entry.bytes.clone())
            .collect();
        (pending.state().clone(), pending.heads().clone(), bytes)
    }

    fn replay(entries: &[Vec<u8>]) -> Result<Replay, ReplayError> {
        let mut replay = Replay::of("log");
        entries
            .iter()
            .try_for_each(|entry| replay.next(entry).map(drop))?;
        Ok(replay)
    }

    #[test]
    fn a_whole_log_ends_where_it_ended_when_it_was_written() {
        let (state, heads, entries) = entries(700);
        let replay = replay(&entries).unwrap();
        assert_eq!((replay.state(), replay.heads()), (&state, &heads));
    }

    #[test]
    fn an_entry_of_another_log_is_misplaced() {
        let (_, _, entries) = entries(1);
        assert!(matches!(
            Replay::of("other").next(&entries[0]),
            Err(ReplayError::Misplaced { sequence: 0 })
        ));
    }

    #[test]
    fn a_record_that_names_another_one_before_it_leaves_a_gap() {
        let (_, _, entries) = entries(10);
        let mut record = Record::from_entry(&entries[4]).unwrap();
        record.request.as_mut().unwrap().previous = Some(leaf_hash(b"another"));
        let mut replay = replay(&entries[..4]).unwrap();
        let error = replay.next(&record.to_entry().unwrap()).unwrap_err();
        assert!(matches!(error, ReplayError::Gap { sequence: 4 }));
    }

    proptest! {
        #[test]
        fn every_edit_of_a_log_is_noticed(size in 4u64..80, at in any::<prop::sample::Index>(), edit in 0..4, byte in any::<prop::sample::Index>(), bit in 0u8..8) {
            let (state, _, mut entries) = entries(size);
            let at = at.index(entries.len() - 1);
            match edit {
                0 => { entries.remove(at); }
                1 => entries.swap(at, at + 1),
                2 => entries.insert(at, entries[at].clone()),
                _ => {
                    let byte = byte.index(entries[at].len());
                    entries[at][byte] ^= 1 << bit;
                }
            }
            // A changed byte can leave a valid record behind; then the root tells.
            let same = replay(&entries).is_ok_and(|replay| *replay.state() == state);
            prop_assert!(!same);
        }
    }
}
