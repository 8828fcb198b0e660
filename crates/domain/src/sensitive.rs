//! Personal values and secrets, wrapped so that they cannot be printed, logged or serialised by accident.

use zeroize::Zeroize;

/// A personal value or a secret. Deliberately without `Debug`, `Display` and `Serialize`; wiped from memory when dropped.
///
/// Reading it takes a visible [`Sensitive::expose`], which clippy forbids in the crates that speak to the outside
/// (see their `clippy.toml`): there, only what a permit released may leave.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Deserialize)]
#[serde(transparent)]
pub struct Sensitive<T: Zeroize>(T);

impl<T: Zeroize> Sensitive<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Sensitive<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

/// Bytes that storage may hold: sealed by the vault, bound to their place. Only `enforcement` can open them.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Takes an envelope as the vault made it or as storage read it back.
    pub const fn from_envelope(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The envelope's bytes, for storage.
    pub fn envelope(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}
