//! The audit log: what happened, in the order it happened, in a form that nobody can change afterwards without being found out.
//!
//! A [`Record`] says one thing that was done. Its canonical bytes are one leaf of a Merkle tree (RFC 6962, C2SP tlog-tiles), and
//! records of one privacy request also name the record before them, so that the evidence for one request is provably without a gap.
//! Decision: docs/decisions/003-audit-log.md.

mod action;
mod actor;
mod append;
mod canonical;
mod commitment;
mod detail;
mod hash;
pub mod merkle;
mod record;
mod replay;
pub mod tile;

pub use action::Action;
pub use actor::Actor;
pub use append::{
    AppendError, Appended, ChainHead, ChainHeads, LogState, NewEntry, Pending, append,
};
pub use canonical::CanonicalError;
pub use commitment::commit;
pub use detail::{Detail, Details};
pub use hash::{Hash, InvalidHash, leaf_hash};
pub use record::{InvalidRecord, MAX_ENTRY_BYTES, NewRecord, Record, RequestLink};
pub use replay::{Replay, ReplayError};
