//! What appending to the log computes, without writing anything: storage writes the outcome in one transaction.

use std::collections::BTreeMap;

use super::hash::{Hash, leaf_hash};
use super::merkle::{Frontier, SubtreeHash};
use super::record::{InvalidRecord, NewRecord, Record, RequestLink};
use crate::id::RequestId;

/// Where a log ends: its name and the tree's right edge. Stored with the log, one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// The log's name, which is the origin of its checkpoints.
    pub log: String,
    /// The tree so far.
    pub frontier: Frontier,
}

impl LogState {
    /// A log without records.
    pub fn empty(log: impl Into<String>) -> Self {
        Self {
            log: log.into(),
            frontier: Frontier::default(),
        }
    }
}

/// Where the chain of one privacy request ends. Stored per privacy request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// How many records it has.
    pub records: u64,
    /// Leaf hash of the last one.
    pub last: Hash,
}

/// Chain heads by privacy request.
pub type ChainHeads = BTreeMap<RequestId, ChainHead>;

/// One entry to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// The record in its place.
    pub record: Record,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
    /// Its leaf hash.
    pub leaf: Hash,
}

/// Everything that storage has to write, in one transaction, to append a batch.
#[derive(Debug, PartialEq, Eq)]
pub struct Pending {
    state: LogState,
    heads: ChainHeads,
    entries: Vec<NewEntry>,
    subtrees: Vec<SubtreeHash>,
}

/// A record that cannot be appended.
#[derive(Debug, thiserror::Error)]
#[error("record {position} of this batch cannot be appended to the audit log")]
pub struct AppendError {
    /// Which one of the batch, from 0.
    pub position: usize,
    /// Why.
    #[source]
    pub source: InvalidRecord,
}

/// Places `records` at the end of the log. `heads` holds the chain head of every privacy request named in the batch that has
/// records already; a missing one starts a new chain.
///
/// # Errors
/// [`AppendError`] when a record has no canonical form; nothing of the batch is appended then.
pub fn append(
    state: &LogState,
    heads: &ChainHeads,
    records: Vec<NewRecord>,
) -> Result<Pending, AppendError> {
    let mut pending = Pending {
        state: state.clone(),
        heads: ChainHeads::new(),
        entries: Vec::with_capacity(records.len()),
        subtrees: Vec::new(),
    };
    for (position, record) in records.into_iter().enumerate() {
        pending
            .push(heads, record)
            .map_err(|source| AppendError { position, source })?;
    }
    Ok(pending)
}

impl Pending {
    fn push(&mut self, heads: &ChainHeads, new: NewRecord) -> Result<(), InvalidRecord> {
        let head = new
            .request
            .and_then(|id| self.heads.get(&id).or_else(|| heads.get(&id)).copied());
        let request = new.request.map(|id| RequestLink {
            id,
            sequence: head.map_or(0, |head| head.records),
            previous: head.map(|head| head.last),
        });
        let NewRecord {
            at,
            actor,
            action,
            subject_of,
            details,
            ..
        } = new;
        let log = self.state.log.clone();
        let record = Record {
            v: 1,
            log,
            sequence: self.state.frontier.size(),
            at,
            actor,
            action,
            request,
            subject_of,
            details,
        };
        let bytes = record.to_entry()?;
        let leaf = leaf_hash(&bytes);
        self.state.frontier.append(leaf, &mut self.subtrees);
        if let Some(link) = request {
            self.heads.insert(
                link.id,
                ChainHead {
                    records: link.sequence + 1,
                    last: leaf,
                },
            );
        }
        self.entries.push(NewEntry {
            record,
            bytes,
            leaf,
        });
        Ok(())
    }

    /// The log's end after the batch.
    pub const fn state(&self) -> &LogState {
        &self.state
    }

    /// The chain heads that the batch changed.
    pub const fn heads(&self) -> &ChainHeads {
        &self.heads
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[NewEntry] {
        &self.entries
    }

    /// Hashes of the full tiles (levels 8, 16, 24, ...) that the batch completed.
    pub fn subtrees(&self) -> &[SubtreeHash] {
        &self.subtrees
    }

    /// Proof, one for each record in order, that it is in the log for good. A permit is released by the one that names it.
    ///
    /// INVARIANT: called after the transaction that wrote the batch was committed durably, and nowhere but in `storage`
    /// (clippy's disallowed-methods says so everywhere else).
    pub fn durable(self) -> Vec<Appended> {
        self.entries
            .into_iter()
            .map(|entry| Appended {
                record: entry.record,
                leaf: entry.leaf,
            })
            .collect()
    }
}

/// Proof that a record is in the log for good. Cannot be copied, so that one record releases one permit.
#[derive(Debug, PartialEq, Eq)]
pub struct Appended {
    record: Record,
    leaf: Hash,
}

impl Appended {
    /// The record as it was appended.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Its leaf hash.
    pub const fn leaf(&self) -> Hash {
        self.leaf
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::super::{Action, Actor};
    use super::*;

    fn request(number: u128) -> RequestId {
        RequestId::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn new_record(of: Option<u128>) -> NewRecord {
        let record = NewRecord::new(jiff::Timestamp::UNIX_EPOCH, Actor::System, Action::Erased)
            .with("rows", 1);
        of.map_or(record.clone(), |number| record.for_request(request(number)))
    }

    #[test]
    fn a_log_appended_in_pieces_equals_one_appended_at_once() {
        let records: Vec<_> = (0..700)
            .map(|n| new_record((n % 3 > 0).then_some(n % 3)))
            .collect();
        let at_once = append(&LogState::empty("log"), &ChainHeads::new(), records.clone()).unwrap();
        let (mut state, mut heads) = (LogState::empty("log"), ChainHeads::new());
        let (mut entries, mut subtrees) = (Vec::new(), Vec::new());
        for piece in records.chunks(37) {
            let pending = append(&state, &heads, piece.to_vec()).unwrap();
            heads.extend(pending.heads().clone());
            entries.extend_from_slice(pending.entries());
            subtrees.extend_from_slice(pending.subtrees());
            state = pending.state().clone();
        }
        assert_eq!(
            (&state, &entries[..], &subtrees[..]),
            (at_once.state(), at_once.entries(), at_once.subtrees())
        );
        assert_eq!(&heads, at_once.heads());
        assert_eq!(
            subtrees
                .iter()
                .map(|subtree| (subtree.level, subtree.index))
                .collect::<Vec<_>>(),
            [(8, 0), (8, 1)]
        );
    }

    #[test]
    fn records_of_one_privacy_request_are_chained_and_others_are_not() {
        let batch = vec![
            new_record(Some(1)),
            new_record(None),
            new_record(Some(2)),
            new_record(Some(1)),
        ];
        let pending = append(&LogState::empty("log"), &ChainHeads::new(), batch).unwrap();
        let links: Vec<_> = pending
            .entries()
            .iter()
            .map(|entry| entry.record.request)
            .collect();
        assert_eq!(links[0].unwrap().previous, None);
        assert_eq!(links[1], None);
        assert_eq!(links[2].unwrap().sequence, 0);
        assert_eq!(
            links[3].unwrap(),
            RequestLink {
                id: request(1),
                sequence: 1,
                previous: Some(pending.entries()[0].leaf)
            }
        );
        assert_eq!(
            pending
                .entries()
                .iter()
                .map(|entry| entry.record.sequence)
                .collect::<Vec<_>>(),
            [0, 1, 2, 3]
        );
    }

    #[test]
    fn a_record_that_cannot_be_written_is_named_by_its_position() {
        let bad = new_record(None).with("share", 0.5);
        let error = append(
            &LogState::empty("log"),
            &ChainHeads::new(),
            vec![new_record(None), bad],
        )
        .unwrap_err();
        assert_eq!(error.position, 1);
    }
}
