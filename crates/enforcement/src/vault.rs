//! The vault: personal values of our own database are sealed under a key per privacy request, and opened with a recorded permit.
//!
//! Destroying a request's wrapped key makes everything that it sealed unreadable, in every backup too, once the keys that
//! wrapped it have been rotated away. Decision: docs/decisions/004-vault.md.

mod age;
mod blind_index;
mod bookmark;
mod circumstances;
mod key_file;
mod key_ring;
mod key_service;
mod open;
mod profile_index;
mod rotation;
mod seal;
mod segment;
mod stream;
mod subject_key;
mod token;

pub use blind_index::{BlindKey, normalise};
pub use circumstances::RecordCircumstances;
pub use key_file::KeyFileError;
pub use key_ring::{KeyRing, SecretPurpose};
pub use key_service::LocalKeyService;
pub use profile_index::{IndexKey, IndexKeys, RecordTags, SegmentTag};
pub use rotation::{KeyChange, KeyVersions, RotationError};
pub use seal::{Place, RequestKey, VaultError, WrappedKey};
pub use segment::{Amendment, OpenedSegment, SegmentPlace};
pub use stream::{OpeningReader, SealingWriter};
pub use subject_key::{SubjectKey, WrappedSubjectKey};
pub use token::{TokenTag, token_tag};
