//! The keys of one installation, in memory: what wraps request keys, hides identifiers, signs the audit log and guards links.
//!
//! They come from a key file (see [`super::key_file`]) that is kept apart from the database and from its backups.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use domain::id::RequestId;
use domain::rng::Rng;
use domain::sensitive::Sensitive;
use zeroize::Zeroizing;

use super::profile_index::DerivedKeys;
use super::seal::{RequestKey, VaultError, WrappedKey, joined};
use super::token::TokenTag;
use crate::note::{Checkpoint, NoteError, VerifierKey, sign_note};

/// Version of a request's key; grows when a key is replaced, which nothing does yet.
const REQUEST_KEY_VERSION: u32 = 1;

/// The keys of one installation. Wiped when dropped; has no `Debug`.
pub struct KeyRing {
    /// Keys that wrap the keys of privacy requests and subjects, by epoch.
    pub(crate) epochs: BTreeMap<u32, Zeroizing<[u8; 32]>>,
    /// The epoch that wraps; older ones only unwrap, a newer one waits to be promoted.
    pub(crate) wrapping: u32,
    /// Keys of the blind index of profiles, by version.
    pub(crate) index_keys: BTreeMap<u32, Zeroizing<[u8; 32]>>,
    /// The version that makes tags; older ones are only looked for, a newer one waits to be promoted.
    pub(crate) indexing: u32,
    /// Everything that is derived by name comes from this one.
    pub(crate) root: Zeroizing<[u8; 32]>,
    /// Seed of the key that signs checkpoints.
    pub(crate) log_seed: Zeroizing<[u8; 32]>,
    /// Keys that were derived from the index keys.
    pub(super) derived_index_keys: DerivedKeys,
}

/// What a derived secret is for; each use has its own, so that one that leaks opens nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretPurpose {
    /// Signing links that we send.
    Link,
    /// Signing webhooks and callbacks that we send or expect.
    Callback,
    /// Signing sessions and forms.
    Session,
    /// Keyed hashes that an erasure leaves in place of a value.
    ErasureHash,
}

impl SecretPurpose {
    const fn text(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Callback => "callback",
            Self::Session => "session",
            Self::ErasureHash => "erasure hash",
        }
    }
}

impl KeyRing {
    /// A new key ring that is in no file: for tests, and the first half of making a key file.
    pub fn generate(rng: &dyn Rng) -> Self {
        let (epochs, root) = (BTreeMap::from([(1, random_key(rng))]), random_key(rng));
        Self::of_first_form(epochs, root, random_key(rng))
    }

    /// Keys as the first form of the key file has them: the newest epoch wraps, and the index key follows from the root.
    pub(crate) fn of_first_form(
        epochs: BTreeMap<u32, Zeroizing<[u8; 32]>>,
        root: Zeroizing<[u8; 32]>,
        log_seed: Zeroizing<[u8; 32]>,
    ) -> Self {
        let wrapping = epochs.last_key_value().map_or(0, |(epoch, _)| *epoch);
        let mut ring = Self {
            epochs,
            wrapping,
            index_keys: BTreeMap::new(),
            indexing: 1,
            root,
            log_seed,
            derived_index_keys: DerivedKeys::default(),
        };
        ring.index_keys.insert(1, ring.derived("profile index"));
        ring
    }

    /// A fresh key for a privacy request, and the same wrapped for storage.
    ///
    /// # Errors
    /// [`VaultError`] only if the cipher fails.
    pub fn new_request_key(
        &self,
        request: RequestId,
        rng: &dyn Rng,
    ) -> Result<(RequestKey, WrappedKey), VaultError> {
        let key = random_key(rng);
        let wrapped = self.wrap(&wrapping_data(request), &key, rng)?;
        Ok((
            RequestKey {
                request,
                version: REQUEST_KEY_VERSION,
                key,
            },
            WrappedKey(wrapped),
        ))
    }

    /// The key of a privacy request, from what storage keeps.
    ///
    /// # Errors
    /// [`VaultError::UnknownEpoch`] or [`VaultError::WrongKeyFile`] when the key file isn't the one that wrapped it.
    pub fn unwrap_request_key(
        &self,
        request: RequestId,
        wrapped: &WrappedKey,
    ) -> Result<RequestKey, VaultError> {
        let data = wrapping_data(request);
        Ok(RequestKey {
            request,
            version: REQUEST_KEY_VERSION,
            key: self.unwrap(&data, &wrapped.0, VaultError::WrongKeyFile)?,
        })
    }

    /// A value that is kept in the database and says whether this key ring is the database's own. It reveals no key.
    pub fn key_check(&self) -> [u8; 16] {
        self.derived("key check")
            .first_chunk()
            .copied()
            .unwrap_or_default()
    }

    /// A secret for one use.
    pub fn secret(&self, purpose: SecretPurpose) -> Sensitive<[u8; 32]> {
        Sensitive::new(*self.derived(&format!("secret|{}", purpose.text())))
    }

    /// The tag of a code of few digits. Keyed, since a million codes are tried in no time, and bound to its privacy request.
    pub fn code_tag(&self, request: RequestId, code: &Sensitive<String>) -> TokenTag {
        let data = Zeroizing::new(joined(
            b"privity code v1",
            &[&request.to_string(), code.expose().trim()],
        ));
        self.keyed_tag("code", &data)
    }

    /// The tag of what a link says by itself, so that nobody but us can have written it. A key of its own: whoever may ask for the tags of
    /// identifiers gets none of these.
    pub fn link_tag(&self, said: &str) -> TokenTag {
        self.keyed_tag("link", &joined(b"privity link v1", &[said]))
    }

    fn keyed_tag(&self, purpose: &str, data: &[u8]) -> TokenTag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.derived(purpose).as_slice());
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&key, data).as_ref());
        TokenTag::new(tag)
    }

    /// The public key of the audit log, for whoever verifies evidence.
    ///
    /// # Errors
    /// [`NoteError::InvalidName`] when `origin` cannot name a key.
    pub fn log_verifier_key(&self, origin: &str) -> Result<VerifierKey, NoteError> {
        let pair = self.log_key_pair()?;
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| NoteError::InvalidKey)?;
        VerifierKey::new(origin, public)
    }

    /// Signs a checkpoint of the audit log as a C2SP note.
    ///
    /// # Errors
    /// [`NoteError`] when the origin cannot name a key.
    pub fn sign_checkpoint(&self, checkpoint: &Checkpoint) -> Result<String, NoteError> {
        let verifier = self.log_verifier_key(checkpoint.origin())?;
        sign_note(&checkpoint.to_text(), &verifier, &self.log_key_pair()?)
    }

    fn log_key_pair(&self) -> Result<Ed25519KeyPair, NoteError> {
        Ed25519KeyPair::from_seed_unchecked(self.log_seed.as_slice())
            .map_err(|_| NoteError::InvalidKey)
    }

    /// A key for one use: HMAC-SHA-256 of its name under the root.
    pub(crate) fn derived(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, self.root.as_slice());
        let tag = hmac::sign(&root, format!("privity key v1|{purpose}").as_bytes());
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(tag.as_ref());
        key
    }
}

pub(super) fn wrapping_data(request: RequestId) -> Vec<u8> {
    joined(
        b"privity request key v1",
        &[
            "privacy_request",
            &request.to_string(),
            &REQUEST_KEY_VERSION.to_string(),
        ],
    )
}

pub(super) fn random_key(rng: &dyn Rng) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    rng.fill(key.as_mut_slice());
    key
}
