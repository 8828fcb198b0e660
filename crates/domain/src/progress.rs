//! How far a long piece of work is, for whoever watches it. Counts alone travel here, never what is counted.

use std::fmt;
use std::sync::Arc;

type Told = dyn Fn(&str, u64, u64) + Send + Sync;

/// Somebody who watches; clones tell the same.
#[derive(Clone)]
pub struct Progress(Option<Arc<Told>>);

impl Progress {
    /// Nobody watches.
    pub const fn unwatched() -> Self {
        Self(None)
    }

    /// `told` hears what is counted (a plural noun, maybe with a system's key before it), how many are done, and of how many.
    pub fn new(told: impl Fn(&str, u64, u64) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    /// Tells how many are done, of how many.
    pub fn tell(&self, what: &str, done: u64, of: u64) {
        if let Some(told) = &self.0 {
            told(what, done, of);
        }
    }

    /// The same watcher, for a part of the work: `part` stands before what is counted.
    #[must_use]
    pub fn of_part(&self, part: &str) -> Self {
        let Some(told) = self.0.clone() else {
            return Self::unwatched();
        };
        let part = part.to_owned();
        Self::new(move |what, done, of| told(&format!("{part}: {what}"), done, of))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress").field(&self.0.is_some()).finish()
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::unwatched()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_part_says_which_part_it_is() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let progress = Progress::new(move |what, done, of| {
            heard.lock().unwrap().push(format!("{what} {done}/{of}"));
        });
        progress.of_part("shop").tell("tables", 1, 3);
        progress.tell("systems", 1, 1);
        Progress::unwatched().of_part("crm").tell("tables", 1, 1);
        assert_eq!(*told.lock().unwrap(), ["shop: tables 1/3", "systems 1/1"]);
    }
}
