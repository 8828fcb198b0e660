//! Rate limits that hold across restarts and processes: how often something happened for one hash in one window of time.

use jiff::{SignedDuration, Timestamp};

use crate::db::Tx;
use crate::error::Error;

/// Counts one more and answers how many there are in the present window, this one included.
///
/// `name` says what is limited (`intake_by_address`), `tag` is a keyed hash of whom, and windows of `length` follow one another from
/// 1970 on.
pub fn count(
    tx: &mut Tx,
    name: &str,
    tag: &[u8],
    now: Timestamp,
    length: SignedDuration,
) -> Result<u32, Error> {
    let sql = "-- count rate_limit
        INSERT INTO rate_limit (name, tag, window_start, hits) VALUES (?1, ?2, ?3, 1)
        ON CONFLICT (name, tag, window_start) DO UPDATE SET hits = rate_limit.hits + 1
        RETURNING hits";
    tx.query_one(
        sql,
        &[name.into(), tag.into(), window_start(now, length).into()],
    )?
    .count("hits")
}

/// Removes windows that began before `before`, and answers how many.
pub fn remove_before(tx: &mut Tx, before: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "-- remove old rate_limit\nDELETE FROM rate_limit WHERE window_start < ?1",
        &[before.into()],
    )
}

fn window_start(now: Timestamp, length: SignedDuration) -> i64 {
    let length = i64::try_from(length.as_micros()).unwrap_or(i64::MAX).max(1);
    now.as_microsecond().div_euclid(length) * length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_one_another_without_overlap() {
        let hour = SignedDuration::from_hours(1);
        let at = |micros| {
            window_start(
                Timestamp::from_microsecond(micros).unwrap_or_default(),
                hour,
            )
        };
        assert_eq!(
            (at(0), at(3_599_999_999), at(3_600_000_000)),
            (0, 0, 3_600_000_000)
        );
        assert_eq!(at(-1), -3_600_000_000);
    }
}
