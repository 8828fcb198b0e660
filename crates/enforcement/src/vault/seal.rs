//! Sealing: AES-256-GCM under the privacy request's own key, bound to the place where the bytes are kept.
//!
//! Envelope: `[1 format][4 key version][12 nonce][ciphertext][16 tag]`. The plaintext is padded to steps of 64 bytes, so that
//! the length of a name says little.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use domain::disclosure::OwnColumn;
use domain::id::RequestId;
use domain::profile::body::InvalidBody;
use domain::rng::Rng;
use domain::sensitive::{Sealed, Sensitive};
use zeroize::{Zeroize, Zeroizing};

/// AES-256-GCM with a random nonce. A key seals a few hundred values in its life; the limit is 2^32.
pub(crate) const FORMAT: u8 = 1;
/// Format, key version, nonce.
pub(crate) const HEADER: usize = 1 + 4 + NONCE_LEN;
/// Sealed texts grow in steps of this many bytes.
const STEP: usize = 64;

/// The key of one privacy request, in memory for as long as it is needed.
pub struct RequestKey {
    pub(crate) request: RequestId,
    pub(crate) version: u32,
    pub(crate) key: Zeroizing<[u8; 32]>,
}

/// A request's key as storage keeps it: sealed under the key ring. Deleting it is what forgets the request's values.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey(pub(crate) Vec<u8>);

/// Where sealed bytes are kept. They open nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Table and column.
    pub column: OwnColumn,
    /// The row's id.
    pub row: &'a str,
}

/// Why something could not be sealed or opened. Says nothing about what is inside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// A key of the wrong length reached the cipher; cannot happen with keys that the key ring made.
    #[error("the cipher refused the key")]
    Cipher,
    /// Too long to count in 32 bits.
    #[error("this value is too long to be sealed; the limit is 4 GiB")]
    TooLong,
    /// The permit doesn't allow this attribute, or serves another privacy request.
    #[error("the permit does not allow `{0}` of this privacy request to be opened")]
    NotPermitted(String),
    /// Cut short, of a form that this version does not know, changed, moved from another place, or sealed under another key.
    #[error(
        "`{0}` cannot be opened: the sealed bytes were changed, moved or sealed under another key"
    )]
    Damaged(String),
    /// Wrapped under a key that the key ring doesn't hold.
    #[error(
        "the key file has no key for epoch {0}; restore the key file that belongs to this database"
    )]
    UnknownEpoch(u32),
    /// The wrapped key does not open.
    #[error(
        "the key of this privacy request cannot be unwrapped; it was changed, or the key file belongs to another database"
    )]
    WrongKeyFile,
    /// The wrapped key of a subject does not open.
    #[error(
        "the key of this subject cannot be unwrapped; it was changed, belongs to another subject, or the key file belongs to another database"
    )]
    WrongSubjectKey,
    /// Key, values and permit have to be about one subject.
    #[error("this key, these values and this permit are not about the same subject")]
    WrongSubject,
    /// What was sealed is whole, and this version cannot read it, or a value doesn't fit.
    #[error(transparent)]
    Profile(#[from] InvalidBody),
    /// Opened bytes that are no text.
    #[error("`{0}` does not hold a text")]
    NotText(String),
}

impl WrappedKey {
    /// As storage read it back.
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// For storage.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl RequestKey {
    /// Seals a value for the place where it will be kept.
    ///
    /// # Errors
    /// [`VaultError::TooLong`] above 4 GiB.
    pub fn seal<T: AsRef<[u8]> + Zeroize>(
        &self,
        rng: &dyn Rng,
        place: &Place<'_>,
        value: &Sensitive<T>,
    ) -> Result<Sealed, VaultError> {
        let mut body = padded(value.expose().as_ref())?;
        let aad = self.associated_data(place);
        encrypt(&self.key, self.version, rng, &aad, &mut body).map(Sealed::from_envelope)
    }

    /// What binds an envelope to its request and its place; each part behind its length, so that none can borrow from the next.
    pub(crate) fn associated_data(&self, place: &Place<'_>) -> Vec<u8> {
        let request = self.request.to_string();
        joined(
            b"privity seal v1",
            &[&request, place.column.table, place.row, place.column.column],
        )
    }
}

pub(crate) fn joined(prefix: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut bytes = prefix.to_vec();
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// Encrypts `body` into an envelope. `body` is wiped.
pub(crate) fn encrypt(
    key: &[u8; 32],
    key_version: u32,
    rng: &dyn Rng,
    aad: &[u8],
    body: &mut Zeroizing<Vec<u8>>,
) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill(&mut nonce);
    let cipher = cipher(key)?;
    // Encrypted in place, so that the plaintext's bytes are overwritten, not copied.
    let tag = cipher
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad),
            body.as_mut_slice(),
        )
        .map_err(|_| VaultError::Cipher)?;
    let mut envelope = Vec::with_capacity(HEADER + body.len() + tag.as_ref().len());
    envelope.push(FORMAT);
    envelope.extend(key_version.to_be_bytes());
    envelope.extend(nonce);
    envelope.extend_from_slice(body);
    envelope.extend_from_slice(tag.as_ref());
    Ok(envelope)
}

pub(crate) fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(|_| VaultError::Cipher)
}

/// Four bytes of length, the value, zeros up to the next step.
pub(crate) fn padded(value: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let length = u32::try_from(value.len()).map_err(|_| VaultError::TooLong)?;
    let full = (4 + value.len()).next_multiple_of(STEP);
    let mut body = Zeroizing::new(Vec::with_capacity(full));
    body.extend(length.to_be_bytes());
    body.extend_from_slice(value);
    body.resize(full, 0);
    Ok(body)
}
