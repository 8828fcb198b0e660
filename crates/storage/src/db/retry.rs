//! How often and after which pause a transaction that another one got in the way of is tried again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Attempts in all, the first one included.
pub(super) const ATTEMPTS: u32 = 5;

/// The pause before attempt `next` (2, 3, …): doubling from 10 ms, each between half and all of it, so that two rivals part.
pub(super) fn pause(next: u32) -> Duration {
    let most = 10_000_u64 << next.saturating_sub(2).min(6);
    // The standard library's random hash keys are all the randomness a pause needs; nothing secret hangs on it.
    let random = RandomState::new().build_hasher().finish();
    Duration::from_micros(most / 2 + random % (most / 2))
}

/// Rests before attempt `next` on a thread of our own, which nothing else waits for.
#[expect(
    clippy::disallowed_methods,
    reason = "another program's lock sends no event, and the thread belongs to storage alone"
)]
pub(super) fn rest(next: u32) {
    std::thread::sleep(pause(next));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_short() {
        assert!(pause(2) <= Duration::from_millis(10));
        assert!(pause(5) >= Duration::from_millis(40));
        assert!(pause(u32::MAX) <= Duration::from_secs(1));
    }
}
