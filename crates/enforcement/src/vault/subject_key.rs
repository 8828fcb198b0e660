//! The key of one subject: everything in her profile is sealed under it, and deleting it is what forgets her.
//!
//! Wrapped for storage under the newest epoch key: `[1 format][4 epoch][12 nonce][32 key, sealed][16 tag]`, bound to the subject and
//! the version of her key.

use domain::id::SubjectId;
use domain::rng::Rng;
use zeroize::Zeroizing;

use super::key_ring::{KeyRing, random_key};
use super::open::decrypt;
use super::seal::{VaultError, WrappedKey, encrypt};

/// The key of one subject, in memory for as long as it is needed.
pub struct SubjectKey {
    pub(crate) subject: SubjectId,
    pub(crate) version: u32,
    pub(crate) key: Zeroizing<[u8; 32]>,
}

/// A subject's key as storage keeps it, with its version beside it.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedSubjectKey {
    /// Grows when the subject gets a new key.
    pub version: u32,
    wrapped: Vec<u8>,
}

impl WrappedSubjectKey {
    /// As storage read it back.
    pub const fn from_parts(version: u32, wrapped: Vec<u8>) -> Self {
        Self { version, wrapped }
    }

    /// For storage.
    pub fn as_bytes(&self) -> &[u8] {
        &self.wrapped
    }

    /// The epoch that wrapped it: for storage, so that what an old epoch still wraps can be found. `None` when it was cut short.
    pub fn epoch(&self) -> Option<u32> {
        epoch_of(&self.wrapped)
    }
}

impl SubjectKey {
    /// Whose key it is.
    pub const fn subject(&self) -> SubjectId {
        self.subject
    }

    /// Its version.
    pub const fn version(&self) -> u32 {
        self.version
    }
}

impl KeyRing {
    /// A fresh key for a subject, and the same wrapped for storage. The first version is 1; a subject who gets a new key, since the
    /// old one may be known to somebody, gets the next.
    ///
    /// # Errors
    /// [`VaultError`] only if the cipher fails.
    pub fn new_subject_key(
        &self,
        subject: SubjectId,
        version: u32,
        rng: &dyn Rng,
    ) -> Result<(SubjectKey, WrappedSubjectKey), VaultError> {
        let key = random_key(rng);
        let wrapped = self.wrap(&wrapping_data(subject, version), &key, rng)?;
        let opened = SubjectKey {
            subject,
            version,
            key,
        };
        Ok((opened, WrappedSubjectKey { version, wrapped }))
    }

    /// The key of a subject, from what storage keeps.
    ///
    /// # Errors
    /// [`VaultError::UnknownEpoch`] when the key file has no such epoch (any more), [`VaultError::WrongSubjectKey`] when the bytes were
    /// changed, or belong to another subject, version or database.
    pub fn unwrap_subject_key(
        &self,
        subject: SubjectId,
        wrapped: &WrappedSubjectKey,
    ) -> Result<SubjectKey, VaultError> {
        let data = wrapping_data(subject, wrapped.version);
        Ok(SubjectKey {
            subject,
            version: wrapped.version,
            key: self.unwrap(&data, &wrapped.wrapped, VaultError::WrongSubjectKey)?,
        })
    }

    /// The same key wrapped under the newest epoch; `None` when it is already. What it sealed stays as it is.
    ///
    /// # Errors
    /// As [`KeyRing::unwrap_subject_key`].
    pub fn rewrap_subject_key(
        &self,
        subject: SubjectId,
        wrapped: &WrappedSubjectKey,
        rng: &dyn Rng,
    ) -> Result<Option<WrappedSubjectKey>, VaultError> {
        if wrapped.epoch() >= Some(self.wrapping) {
            return Ok(None);
        }
        let opened = self.unwrap_subject_key(subject, wrapped)?;
        let again = self.wrap(&wrapping_data(subject, wrapped.version), &opened.key, rng)?;
        Ok(Some(WrappedSubjectKey {
            version: wrapped.version,
            wrapped: again,
        }))
    }

    /// The key of a privacy request wrapped under the newest epoch; `None` when it is already.
    ///
    /// # Errors
    /// As [`KeyRing::unwrap_request_key`].
    pub fn rewrap_request_key(
        &self,
        request: domain::id::RequestId,
        wrapped: &WrappedKey,
        rng: &dyn Rng,
    ) -> Result<Option<WrappedKey>, VaultError> {
        if epoch_of(&wrapped.0) >= Some(self.wrapping) {
            return Ok(None);
        }
        let opened = self.unwrap_request_key(request, wrapped)?;
        let data = super::key_ring::wrapping_data(request);
        self.wrap(&data, &opened.key, rng).map(WrappedKey).map(Some)
    }

    /// Wraps a key under the newest epoch.
    pub(super) fn wrap(
        &self,
        data: &[u8],
        key: &Zeroizing<[u8; 32]>,
        rng: &dyn Rng,
    ) -> Result<Vec<u8>, VaultError> {
        let wrapping = self
            .epochs
            .get(&self.wrapping)
            .ok_or(VaultError::UnknownEpoch(self.wrapping))?;
        let mut body = Zeroizing::new(key.to_vec());
        encrypt(wrapping, self.wrapping, rng, data, &mut body)
    }

    pub(super) fn unwrap(
        &self,
        data: &[u8],
        wrapped: &[u8],
        wrong: VaultError,
    ) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let Some(epoch) = epoch_of(wrapped) else {
            return Err(wrong);
        };
        let wrapping = self
            .epochs
            .get(&epoch)
            .ok_or(VaultError::UnknownEpoch(epoch))?;
        let Some(body) = decrypt(wrapping, epoch, data, wrapped) else {
            return Err(wrong);
        };
        <[u8; 32]>::try_from(body.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| wrong)
    }
}

/// The key version in an envelope's head, which is the epoch where the envelope holds a key.
pub(super) fn epoch_of(envelope: &[u8]) -> Option<u32> {
    let bytes = envelope.get(1..5)?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}

/// Fixed widths, so that no part can borrow from the next.
fn wrapping_data(subject: SubjectId, version: u32) -> Vec<u8> {
    let mut data = b"privity subject key v1".to_vec();
    data.extend_from_slice(subject.uuid().as_bytes());
    data.extend_from_slice(&version.to_be_bytes());
    data
}
