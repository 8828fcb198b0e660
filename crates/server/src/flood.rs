//! A limit on how often one network address sends choices. In memory: it protects the database from a flood, so it must not write to it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use governance::Problem;
use jiff::Timestamp;

use crate::border::ClientAddress;

/// Calls of one address in a minute. A household or an office behind one address stays below it.
const MOST: u32 = 300;
/// Addresses that are counted at once; with more, counting begins anew.
const ADDRESSES: usize = 100_000;
/// How long a window is; also what `Retry-After` says.
pub(crate) const SECONDS: i64 = 60;

/// Counts calls by address. An address is kept as a hash under a key that ends with the program.
#[derive(Default)]
pub(crate) struct Flood {
    hasher: RandomState,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    window: i64,
    calls: HashMap<u64, u32>,
}

impl Flood {
    /// Counts one more.
    ///
    /// # Errors
    /// Too many within the minute.
    pub(crate) fn admit(&self, client: &ClientAddress, now: Timestamp) -> Result<(), Problem> {
        let Some(address) = &client.0 else {
            return Ok(());
        };
        let address = self.hasher.hash_one(address);
        let window = now.as_second().div_euclid(SECONDS);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.window != window || counted.calls.len() >= ADDRESSES {
            counted.calls.clear();
            counted.window = window;
        }
        let calls = counted.calls.entry(address).or_default();
        *calls = calls.saturating_add(1);
        if *calls <= MOST {
            return Ok(());
        }
        Err(Problem::new(
            "too_many_requests",
            429,
            "too many choices came from your network within the minute; they are kept in your browser, please try again in a minute",
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_flood_from_one_address_is_stopped_and_nobody_elses_choices_are() {
        let flood = Flood::default();
        let now: Timestamp = "2026-11-22T12:00:30Z".parse().unwrap();
        let from = |address: &str| ClientAddress(Some(address.to_owned()));
        for _ in 0..MOST {
            assert!(flood.admit(&from("192.0.2.1"), now).is_ok());
        }
        assert_eq!(
            flood.admit(&from("192.0.2.1"), now).unwrap_err().status,
            429
        );
        assert!(flood.admit(&from("192.0.2.2"), now).is_ok());
        let later = "2026-11-22T12:01:00Z".parse().unwrap();
        assert!(flood.admit(&from("192.0.2.1"), later).is_ok());
    }
}
