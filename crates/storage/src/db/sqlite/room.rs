//! How much memory the writer may fill with pages. What one transaction of an import changes stays in memory until its commit, and an import
//! changes pages all over the tables; no other work needs as much, and a program that runs for months should not keep it.

use std::time::{Duration, Instant};

use super::super::Durable;

/// For a connection, in KiB.
pub(super) const ORDINARY_KIB: i64 = 32_000;
/// For the writer while work is under way that may wait for the disk.
const ROOMY_KIB: i64 = 128_000;
/// The first write so long after such work gives the memory back. An import writes many times a second, by turns with those who can't wait.
const KEPT: Duration = Duration::from_secs(10);

/// What the writer has.
#[derive(Default)]
pub(super) struct Room {
    /// When such work was done last; while there is room for it.
    last: Option<Instant>,
}

impl Room {
    /// Makes room before a commit, or gives it back.
    pub(super) fn prepare(&mut self, connection: &rusqlite::Connection, wanted: Durable) {
        if let Some(kib) = self.change(wanted, Instant::now()) {
            // SQLite takes a number of pages, or of KiB where it is negative. With less room than wanted, it writes all the same.
            let _ = connection.pragma_update(None, "cache_size", -kib);
        }
    }

    /// The size from now on, where it changes.
    fn change(&mut self, wanted: Durable, now: Instant) -> Option<i64> {
        match (wanted, self.last) {
            (Durable::Later, last) => {
                self.last = Some(now);
                last.is_none().then_some(ROOMY_KIB)
            }
            (Durable::Now, Some(last)) if now.duration_since(last) >= KEPT => {
                self.last = None;
                Some(ORDINARY_KIB)
            }
            (Durable::Now, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_for_an_import_and_given_back_after_it() {
        let (mut room, start) = (Room::default(), Instant::now());
        let mut at = |wanted, seconds| room.change(wanted, start + Duration::from_secs(seconds));
        assert_eq!(at(Durable::Now, 0), None);
        assert_eq!(at(Durable::Later, 1), Some(ROOMY_KIB));
        // Others take turns with it.
        assert_eq!(at(Durable::Now, 5), None);
        assert_eq!(at(Durable::Later, 6), None);
        assert_eq!(at(Durable::Now, 15), None);
        assert_eq!(at(Durable::Now, 16), Some(ORDINARY_KIB));
        assert_eq!(at(Durable::Now, 17), None);
        assert_eq!(at(Durable::Later, 18), Some(ROOMY_KIB));
    }
}
