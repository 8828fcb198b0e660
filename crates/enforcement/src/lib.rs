//! The reference monitor: everything that stands between personal values and whoever wants them, in one small crate.
//!
//! **No decision and no record, no data.** [`decide`] is the only source of a [`Permit`]; a permit opens nothing until it becomes a
//! [`RecordedPermit`], which takes the proof that the audit log holds its record; opening the vault and releasing rows demand one.

pub mod decide;
pub mod evidence;
pub mod note;
pub mod permit;
pub mod release;
pub mod vault;

pub use decide::decide;
pub use permit::{Denial, DenialReason, NotRecorded, Permit, RecordedPermit};
pub use release::{Released, ReleasedRow, release};
