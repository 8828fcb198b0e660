//! Key files that open only with a key service: what is on the disk is sealed, and the key to it is wrapped somewhere else.
//!
//! Form 3 of the key file: form 2's text, sealed under a key of its own, and that key wrapped by the service. One call when the
//! program starts, three for each change: open, wrap, and prove that what was wrapped can be opened. The service may be another
//! local file, on a medium of its own or handed over by systemd ([`LocalKeyService`]), or a network service
//! (docs/decisions/004-vault.md).

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::key_service::{KeyService, KeyServiceAnswer, KeyServiceError, Refusal};
use domain::rng::Rng;
use domain::sensitive::Sensitive;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key_file::{KeyFileError, Lock, form_of, read_private, replace, write_new};
use super::key_ring::{KeyRing, random_key};
use super::open::decrypt;
use super::rotation::KeyChange;
use super::seal::{encrypt, joined};

/// What the file's key is bound to in the service.
const BOUND_TO: &str = "privity key file v3";

/// Form 3: nothing in it is secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedContent {
    privity_key_file: u32,
    key_service: String,
    wrapped_key: String,
    sealed: String,
}

impl KeyRing {
    /// Makes new keys and writes them to `path`, sealed under a key that `service` wraps.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub async fn create_with(
        path: &Path,
        service: &dyn KeyService,
        rng: &dyn Rng,
    ) -> Result<Self, KeyFileError> {
        let ring = Self::generate(rng);
        let text = ring.to_sealed(path, service, rng).await?;
        write_new(path, &text, rng)?;
        Ok(ring)
    }

    /// Reads the keys from `path`, with the one call to `service` that a start takes.
    ///
    /// # Errors
    /// [`KeyFileError`], one variant for each thing that somebody can do about it.
    pub async fn open_with(path: &Path, service: &dyn KeyService) -> Result<Self, KeyFileError> {
        let damaged = || KeyFileError::Damaged(path.to_owned());
        let text = read_private(path)?;
        match form_of(&text).ok_or_else(damaged)?.privity_key_file {
            1 | 2 => return Err(KeyFileError::Unprotected(path.to_owned())),
            3 => {}
            form => {
                return Err(KeyFileError::Form {
                    path: path.to_owned(),
                    form,
                });
            }
        }
        let content: SealedContent = serde_json::from_str(&text).map_err(|_| damaged())?;
        if content.key_service != service.name() {
            return Err(KeyFileError::OtherService {
                path: path.to_owned(),
                service: content.key_service,
            });
        }
        let wrapped = STANDARD
            .decode(&content.wrapped_key)
            .map_err(|_| damaged())?;
        let sealed = STANDARD.decode(&content.sealed).map_err(|_| damaged())?;
        let key = service
            .unwrap(&wrapped, BOUND_TO)
            .await
            .map_err(|source| failed(path, source))?;
        let inside = decrypt(key.expose(), 1, &file_data(service), &sealed).ok_or_else(damaged)?;
        let inside = std::str::from_utf8(&inside).map_err(|_| damaged())?;
        Self::from_text(path, inside)
    }

    /// Makes one change in a key file of form 3, all or nothing.
    ///
    /// # Errors
    /// [`KeyFileError`]; the file is as before.
    pub async fn change_with(
        path: &Path,
        service: &dyn KeyService,
        change: KeyChange,
        rng: &dyn Rng,
    ) -> Result<Self, KeyFileError> {
        let lock = Lock::of(path)?;
        let mut ring = Self::open_with(lock.path(), service).await?;
        ring.apply(change, rng).map_err(KeyFileError::Rotation)?;
        let text = ring.to_sealed(path, service, rng).await?;
        replace(&lock, &text, rng)?;
        Ok(ring)
    }

    /// Seals a key file of form 1 or 2 under a key that `service` wraps: form 3, with the same keys in it.
    ///
    /// # Errors
    /// [`KeyFileError`]; the file is as before.
    pub async fn protect(
        path: &Path,
        service: &dyn KeyService,
        rng: &dyn Rng,
    ) -> Result<Self, KeyFileError> {
        let lock = Lock::of(path)?;
        let ring = Self::open(lock.path())?;
        let text = ring.to_sealed(path, service, rng).await?;
        replace(&lock, &text, rng)?;
        Ok(ring)
    }

    /// The way back: a key file of form 3 becomes one that opens without `service`.
    ///
    /// # Errors
    /// [`KeyFileError`]; the file is as before.
    pub async fn unprotect(
        path: &Path,
        service: &dyn KeyService,
        rng: &dyn Rng,
    ) -> Result<Self, KeyFileError> {
        let lock = Lock::of(path)?;
        let ring = Self::open_with(lock.path(), service).await?;
        replace(&lock, &ring.to_content(), rng)?;
        Ok(ring)
    }

    async fn to_sealed(
        &self,
        path: &Path,
        service: &dyn KeyService,
        rng: &dyn Rng,
    ) -> Result<Zeroizing<String>, KeyFileError> {
        let key = Sensitive::new(*random_key(rng));
        let wrapped = service
            .wrap(&key, BOUND_TO)
            .await
            .map_err(|source| failed(path, source))?;
        unwraps(path, service, &key, &wrapped).await?;
        let mut inside = Zeroizing::new(self.to_content().as_bytes().to_vec());
        let data = file_data(service);
        let sealed = encrypt(key.expose(), 1, rng, &data, &mut inside)
            .map_err(|_| KeyFileError::Damaged(path.to_owned()))?;
        let content = SealedContent {
            privity_key_file: 3,
            key_service: service.name().to_owned(),
            wrapped_key: STANDARD.encode(wrapped),
            sealed: STANDARD.encode(sealed),
        };
        serde_json::to_string_pretty(&content)
            .map(Zeroizing::new)
            .map_err(|_| KeyFileError::Damaged(path.to_owned()))
    }
}

/// A login that may wrap and not unwrap would leave a key file that nobody can open: better known before the old one is gone.
async fn unwraps(
    path: &Path,
    service: &dyn KeyService,
    key: &Sensitive<[u8; 32]>,
    wrapped: &[u8],
) -> Result<(), KeyFileError> {
    let again = service
        .unwrap(wrapped, BOUND_TO)
        .await
        .map_err(|source| failed(path, source))?;
    if again == *key {
        return Ok(());
    }
    let refusal = KeyServiceError::Unintelligible {
        name: service.name().to_owned(),
    };
    Err(failed(path, refusal))
}

fn failed(path: &Path, source: KeyServiceError) -> KeyFileError {
    KeyFileError::Service {
        path: path.to_owned(),
        source,
    }
}

fn file_data(service: &dyn KeyService) -> Vec<u8> {
    joined(b"privity sealed key file v1", &[service.name()])
}

/// The key service that is a file: a wrapping key on a medium of its own, or a credential of systemd.
pub struct LocalKeyService {
    key: Zeroizing<[u8; 32]>,
    rng: Box<dyn Rng>,
}

/// What stands in a local key service's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalContent {
    privity_wrapping_key: u32,
    key: Sensitive<String>,
}

impl LocalKeyService {
    /// Makes a new wrapping key and writes it to `path`, private and never over another file.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn create(path: &Path, rng: Box<dyn Rng>) -> Result<Self, KeyFileError> {
        let key = random_key(&*rng);
        let encoded = Zeroizing::new(STANDARD.encode(key.as_slice()));
        let text = format!(
            "{{\n  \"privity_wrapping_key\": 1,\n  \"key\": \"{}\"\n}}\n",
            *encoded
        );
        write_new(path, &Zeroizing::new(text), &*rng)?;
        Ok(Self { key, rng })
    }

    /// Reads the wrapping key from `path`.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn open(path: &Path, rng: Box<dyn Rng>) -> Result<Self, KeyFileError> {
        let text = read_private(path)?;
        let key = parse_local(&text).ok_or_else(|| KeyFileError::Damaged(PathBuf::from(path)))?;
        Ok(Self { key, rng })
    }

    fn wrap_now(
        &self,
        key: &Sensitive<[u8; 32]>,
        bound_to: &str,
    ) -> Result<Vec<u8>, KeyServiceError> {
        let mut body = Zeroizing::new(key.expose().to_vec());
        encrypt(&self.key, 1, &*self.rng, &local_data(bound_to), &mut body)
            .map_err(|_| self.refused())
    }

    fn unwrap_now(
        &self,
        wrapped: &[u8],
        bound_to: &str,
    ) -> Result<Sensitive<[u8; 32]>, KeyServiceError> {
        let body = decrypt(&self.key, 1, &local_data(bound_to), wrapped);
        let key = body.and_then(|body| <[u8; 32]>::try_from(body.as_slice()).ok());
        key.map(Sensitive::new).ok_or_else(|| self.refused())
    }

    fn refused(&self) -> KeyServiceError {
        KeyServiceError::Refused {
            name: self.name().to_owned(),
            refusal: Refusal::Wrapped,
        }
    }
}

impl KeyService for LocalKeyService {
    fn name(&self) -> &str {
        "local_file"
    }

    fn wrap<'a>(
        &'a self,
        key: &'a Sensitive<[u8; 32]>,
        bound_to: &'a str,
    ) -> KeyServiceAnswer<'a, Vec<u8>> {
        Box::pin(std::future::ready(self.wrap_now(key, bound_to)))
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        bound_to: &'a str,
    ) -> KeyServiceAnswer<'a, Sensitive<[u8; 32]>> {
        Box::pin(std::future::ready(self.unwrap_now(wrapped, bound_to)))
    }
}

fn local_data(bound_to: &str) -> Vec<u8> {
    joined(b"privity local key service v1", &[bound_to])
}

fn parse_local(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let content: LocalContent = serde_json::from_str(text).ok()?;
    let bytes = Zeroizing::new(STANDARD.decode(content.key.expose()).ok()?);
    let key = <[u8; 32]>::try_from(bytes.as_slice())
        .ok()
        .map(Zeroizing::new);
    key.filter(|_| content.privity_wrapping_key == 1)
}
