//! How far before its last mark a synchronisation begins again, so that changes that were committed late aren't missed.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// How much is read again. Written as a time (`5m`, `1h`, `0s`), or as a number in the watermark's own units where that is a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Seconds.
    Time(u64),
    /// So many of a counter.
    Number(u64),
}

impl Overlap {
    /// What is read again of a counter where only a time was said: transactions draw their numbers before they commit.
    pub const COUNTER: i64 = 1_000;
}

impl Default for Overlap {
    fn default() -> Self {
        Self::Time(300)
    }
}

/// Reads `90s`, `5m`, `2h` or `1d` as seconds.
pub fn seconds(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds)
}

impl<'de> Deserialize<'de> for Overlap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeOrNumber;
        impl Visitor<'_> for TimeOrNumber {
            type Value = Overlap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as `5m` or `1h`, or a number of a counter")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Overlap, E> {
                Ok(Overlap::Number(number))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Overlap, E> {
                u64::try_from(number)
                    .map(Overlap::Number)
                    .map_err(|_| E::custom("an overlap can't be below 0"))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Overlap, E> {
                let unreadable = || {
                    E::custom(format!(
                        "`{text}` is no time; write e.g. `90s`, `5m` or `1h`"
                    ))
                };
                seconds(text).map(Overlap::Time).ok_or_else(unreadable)
            }
        }
        deserializer.deserialize_any(TimeOrNumber)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_overlap_is_a_time_or_a_number() {
        let read = |text: &str| serde_saphyr::from_str::<Overlap>(text);
        assert_eq!(read("5m").unwrap(), Overlap::Time(300));
        assert_eq!(read("0s").unwrap(), Overlap::Time(0));
        assert_eq!(read("2 h").unwrap(), Overlap::Time(7_200));
        assert_eq!(read("300").unwrap(), Overlap::Number(300));
        assert!(read("soon").is_err() && read("-1").is_err() && read("5y").is_err());
    }
}
