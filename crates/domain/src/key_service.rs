//! A key service keeps the one key that everything else hangs from, where our own files and our own database are not.
//!
//! It is asked once when the program starts and once for each change of the key file, never for a record: a call costs
//! milliseconds, and a profile must not. The local key file is one; HashiCorp Vault or OpenBao transit and AWS KMS are others.

use std::future::Future;
use std::pin::Pin;

use crate::sensitive::Sensitive;

/// What a key service answers, later. The layer that has a runtime waits for it; nothing here does.
pub type KeyServiceAnswer<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, KeyServiceError>> + Send + 'a>>;

/// Wraps and unwraps one key of 32 bytes.
pub trait KeyService: Send + Sync {
    /// Which service and which key in it, without secrets, e.g. `aws_kms:arn:…` or `local_file`. It is written beside the wrapped
    /// key, so that opening with another service says so.
    fn name(&self) -> &str;

    /// Wraps a key. `bound_to` is not secret and has to be the same again when it is unwrapped (transit's associated data, KMS's
    /// encryption context).
    fn wrap<'a>(
        &'a self,
        key: &'a Sensitive<[u8; 32]>,
        bound_to: &'a str,
    ) -> KeyServiceAnswer<'a, Vec<u8>>;

    /// Unwraps what [`KeyService::wrap`] gave.
    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        bound_to: &'a str,
    ) -> KeyServiceAnswer<'a, Sensitive<[u8; 32]>>;
}

/// Why a key service gave no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyServiceError {
    /// Down, slow, or not reached: worth another try.
    #[error(
        "the key service `{name}` does not answer; try again, and see whether it is up and may be reached from here"
    )]
    Unavailable {
        /// Which one.
        name: String,
        /// What went wrong on the way.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// It answered no.
    #[error("the key service `{name}` refuses {refusal}")]
    Refused {
        /// Which one.
        name: String,
        /// What it refuses.
        refusal: Refusal,
    },
    /// What answers there is no such service.
    #[error(
        "the key service `{name}` gives an answer that cannot be understood; see whether its address leads to it, and not to a proxy or to something else"
    )]
    Unintelligible {
        /// Which one.
        name: String,
    },
}

/// What a key service says no to: each is put right somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Who we are, or what we may.
    #[error(
        "our login; see whether it is right and has not ended, and whether it may encrypt and decrypt with this key"
    )]
    Login,
    /// The key in the service.
    #[error(
        "to use this key; see whether there is one of this name, whether it is enabled, and whether it is made for encryption"
    )]
    Key,
    /// What is to be unwrapped.
    #[error(
        "to unwrap this; it was wrapped with another key or was changed, so see whether the key file belongs to this service"
    )]
    Wrapped,
}
