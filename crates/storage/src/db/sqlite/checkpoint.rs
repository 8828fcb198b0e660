//! Moves what the log holds into the main file, beside the writer: for a long piece of work, whose transactions change pages all over the
//! tables, that is a tenth of the processor time and most of the waits for the disk.
//!
//! A pass moves what was there when it began. The writer goes on meanwhile, so that each pass leaves less than the one before; when little
//! is left the writer moves it itself, and begins the log anew.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BUSY_TIMEOUT, connect};

/// When pages are moved, and by whom. Numbers of pages in the log.
#[derive(Clone, Copy)]
struct Bounds {
    /// From here on they are moved.
    from: i64,
    /// So few that are left are moved by the writer itself.
    few: i64,
    /// Beyond so many the writer waits: they would take too long to read after a crash.
    most: i64,
}

const BOUNDS: Bounds = Bounds {
    from: 160_000,
    few: 8_000,
    most: 600_000,
};

/// The thread that moves pages; started when first needed.
pub(super) struct Checkpointer {
    bounds: Bounds,
    path: PathBuf,
    wake: Option<SyncSender<()>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Held by whoever moves pages.
    moving: Mutex<()>,
    is_running: AtomicBool,
    /// Pages in the log after the writer's last commit.
    pages: AtomicI64,
    /// Pages of the present log that are in the main file.
    moved: AtomicI64,
}

/// What the writer has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Todo {
    Nothing,
    /// Move the few pages that are left.
    MoveTheRest,
}

impl Checkpointer {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            bounds: BOUNDS,
            path,
            wake: None,
            state: Arc::default(),
        }
    }

    /// Counts the pages of each commit, in place of SQLite's own way to move them.
    pub(super) fn watch(&self, connection: &mut rusqlite::Connection) -> rusqlite::Result<()> {
        let state = Arc::clone(&self.state);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            state.pages.store(i64::from(pages), Ordering::Release);
            Ok(())
        }))
    }

    /// After a commit of a connection that is watched.
    pub(super) fn after_commit(&mut self) -> Todo {
        let pages = self.state.pages.load(Ordering::Acquire);
        if pages < self.bounds.from {
            return Todo::Nothing;
        }
        if self.state.is_running.load(Ordering::Acquire) {
            if pages < self.bounds.most {
                return Todo::Nothing;
            }
            // The pass under way ends first, and with it what it holds of SQLite's locks.
            drop(self.hold());
        }
        let left = pages - self.state.moved.load(Ordering::Acquire);
        if left <= self.bounds.few || pages >= self.bounds.most {
            self.state.moved.store(0, Ordering::Release);
            self.state.pages.store(0, Ordering::Release);
            return Todo::MoveTheRest;
        }
        self.wake();
        Todo::Nothing
    }

    /// Waits until nobody moves pages, and keeps it so.
    pub(super) fn hold(&self) -> MutexGuard<'_, ()> {
        let held = self.state.moving.lock();
        held.unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&mut self) {
        if self.wake.is_none() {
            let (wake, woken) = sync_channel(1);
            let (path, state) = (self.path.clone(), Arc::clone(&self.state));
            let thread = std::thread::Builder::new().name("storage-pages".to_owned());
            // Without it the writer moves them itself, later and all at once.
            if thread.spawn(move || serve(&path, &state, &woken)).is_err() {
                return;
            }
            self.wake = Some(wake);
        }
        self.state.is_running.store(true, Ordering::Release);
        let sent = self
            .wake
            .as_ref()
            .is_some_and(|wake| wake.try_send(()).is_ok());
        if !sent {
            self.state.is_running.store(false, Ordering::Release);
        }
    }
}

fn serve(path: &Path, state: &State, woken: &Receiver<()>) {
    let connection = connect(path, BUSY_TIMEOUT);
    while woken.recv().is_ok() {
        let held = state.moving.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(connection) = &connection {
            let pass = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                row.get::<_, i64>("checkpointed")
            });
            if let Ok(moved) = pass {
                state.moved.store(moved, Ordering::Release);
            }
        }
        drop(held);
        state.is_running.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use super::*;

    const SMALL: Bounds = Bounds {
        from: 60,
        few: 20,
        most: 400,
    };

    /// Writes `rounds` rows of a page each, as the writer does; the most pages that the log held.
    fn write(path: &Path, bounds: Bounds, rounds: usize) -> i64 {
        let mut writer = connect(path, Duration::ZERO).unwrap();
        writer
            .execute_batch(
                "PRAGMA synchronous = NORMAL; CREATE TABLE IF NOT EXISTS page (bytes BLOB)",
            )
            .unwrap();
        let mut checkpointer = Checkpointer {
            bounds,
            ..Checkpointer::new(path.to_owned())
        };
        checkpointer.watch(&mut writer).unwrap();
        let mut most = 0;
        for _ in 0..rounds {
            writer
                .execute("INSERT INTO page VALUES (randomblob(4000))", [])
                .unwrap();
            most = most.max(checkpointer.state.pages.load(Ordering::Acquire));
            if checkpointer.after_commit() == Todo::MoveTheRest {
                let moved = "PRAGMA wal_checkpoint(PASSIVE)";
                writer.query_row(moved, [], |_| Ok(())).unwrap();
            }
        }
        most
    }

    fn rows(path: &Path) -> i64 {
        let reader = connect(path, Duration::ZERO).unwrap();
        let count = reader.query_row("SELECT count(*) FROM page", [], |row| row.get(0));
        count.unwrap()
    }

    #[test]
    fn the_log_begins_anew_while_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        assert!(write(&path, SMALL, 3_000) < 3_000);
        assert_eq!(rows(&path), 3_000);
    }

    #[test]
    fn without_the_thread_the_writer_moves_all_at_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let never = Bounds {
            from: SMALL.most,
            ..SMALL
        };
        // A page, and those of the tree above it.
        assert!(write(&path, never, 3_000) < SMALL.most + 10);
        assert_eq!(rows(&path), 3_000);
    }

    #[test]
    fn nothing_is_lost_while_somebody_reads_an_old_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        write(&path, SMALL, 10);
        let reader = connect(&path, Duration::ZERO).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM page").unwrap();
        let most = write(&path, SMALL, 1_000);
        assert!(most > 1_000, "the log keeps what the reader needs");
        let seen = reader.query_row("SELECT count(*) FROM page", [], |row| row.get::<_, i64>(0));
        assert_eq!(seen.unwrap(), 10);
        reader.execute_batch("ROLLBACK").unwrap();
        write(&path, SMALL, 1_000);
        assert_eq!(rows(&path), 2_010);
    }
}
