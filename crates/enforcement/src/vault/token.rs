//! Tags of secrets that people and programs show us: links, codes, API keys. The database holds the tags, never the secrets.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use domain::audit::Hash;
use domain::sensitive::Sensitive;

/// What the database keeps of a secret.
#[derive(Clone, Copy)]
pub struct TokenTag([u8; 32]);

/// The tag of a secret with 256 random bits (a link's token, an API key). It needs no key: nobody can guess the secret.
pub fn token_tag(secret: &Sensitive<String>) -> TokenTag {
    TokenTag(Hash::of(secret.expose().as_bytes()).0)
}

impl TokenTag {
    pub(crate) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As storage read it back; `None` when it isn't 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().map(Self).ok()
    }

    /// For storage, and to look a token up by.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are tags of the same secret, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}
