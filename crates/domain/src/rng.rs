//! Randomness as an argument: the operating system's generator in production, a seeded one in tests.

use crate::id::{Id, Noun};
use crate::sensitive::Sensitive;

/// A source of random bytes.
pub trait Rng: Send + Sync {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// A fresh id whose time part is `now`, so that ids sort by creation.
pub fn new_id<N: Noun>(rng: &dyn Rng, now: jiff::Timestamp) -> Id<N> {
    let mut random = [0u8; 10];
    rng.fill(&mut random);
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    Id::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

/// A secret for a link or a key: 256 random bits as 64 hexadecimal digits.
pub fn new_token(rng: &dyn Rng) -> Sensitive<String> {
    let mut bytes = [0u8; 32];
    rng.fill(&mut bytes);
    Sensitive::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A code of six digits that a person types from a mail.
pub fn new_code(rng: &dyn Rng) -> Sensitive<String> {
    let mut bytes = [0u8; 8];
    rng.fill(&mut bytes);
    // 2^64 is so much larger than 10^6 that the bias of the remainder is below 10^-13.
    Sensitive::new(format!("{:06}", u64::from_be_bytes(bytes) % 1_000_000))
}
