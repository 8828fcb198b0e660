//! What a person at a terminal sees of work that takes longer than two seconds: a bar with counts, or a spinner while nothing is counted.
//!
//! It goes to standard error, and nowhere when that is no terminal or the answer is JSON for a program.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use domain::progress::Progress;
use indicatif::{HumanFloatCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Whoever waits less sees nothing.
const PATIENCE: Duration = Duration::from_secs(2);
const BEAT: Duration = Duration::from_millis(120);

const COUNTED: &str = "{spinner} {msg}: {bar:28} {human_pos} of {human_len} {prefix}{rate}";
const UNCOUNTED: &str = "{spinner} {msg}";

/// One line of progress for all that a command does.
pub(super) struct Watch {
    bar: ProgressBar,
    progress: Progress,
    patience: Duration,
    terminal: fn() -> ProgressDrawTarget,
}

impl Watch {
    /// `for_program` is what `--json` says.
    pub(super) fn new(for_program: bool) -> Self {
        if for_program {
            Self::on(ProgressDrawTarget::hidden, PATIENCE)
        } else {
            Self::on(ProgressDrawTarget::stderr, PATIENCE)
        }
    }

    fn on(terminal: fn() -> ProgressDrawTarget, patience: Duration) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let told = bar.clone();
        let counted = style(COUNTED);
        let progress = Progress::new(move |what, done, of| {
            if told.length().is_none() {
                told.set_style(counted.clone());
            }
            told.set_length(of);
            told.set_prefix(what.to_owned());
            told.set_position(done);
        });
        Self {
            bar,
            progress,
            patience,
            terminal,
        }
    }

    /// For whoever counts.
    pub(super) const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Does the work, and shows how far it is once it has taken long enough.
    pub(super) async fn over<T>(&self, words: &'static str, work: impl Future<Output = T>) -> T {
        self.bar.reset();
        self.bar.unset_length();
        self.bar.set_style(style(UNCOUNTED));
        self.bar.set_message(words);
        let mut work = pin!(work);
        if let Ok(done) = tokio::time::timeout(self.patience, &mut work).await {
            return done;
        }
        self.bar.set_draw_target((self.terminal)());
        self.bar.enable_steady_tick(BEAT);
        let done = work.await;
        self.bar.finish_and_clear();
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
        done
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .with_key("rate", rate)
}

/// How many a second, where that is worth a word.
fn rate(state: &ProgressState, text: &mut dyn fmt::Write) {
    let rate = state.per_sec();
    if rate >= 100.0 {
        // What can't be drawn is not drawn.
        let _drawn = write!(text, ", {} a second", HumanFloatCount(rate.round()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io;
    use std::sync::Mutex;

    use indicatif::TermLike;

    use super::*;

    /// Everything that was drawn on the terminal of these tests.
    static DRAWN: Mutex<String> = Mutex::new(String::new());

    #[derive(Debug)]
    struct Terminal;

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            DRAWN.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Work that tells its counts once it is watched, and ends when they were drawn.
    async fn counted_work(progress: Progress) {
        tokio::task::yield_now().await;
        progress.tell("tables read", 1_200, 4_000);
        while !DRAWN.lock().unwrap().contains("tables read") {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn long_work_shows_what_it_counts_and_of_how_many() {
        let terminal = || ProgressDrawTarget::term_like(Box::new(Terminal));
        let watch = Watch::on(terminal, Duration::ZERO);
        let work = counted_work(watch.progress().clone());
        watch.over("describing the live schema", work).await;
        let drawn = DRAWN.lock().unwrap().clone();
        assert!(drawn.contains("describing the live schema"), "{drawn}");
        assert!(drawn.contains("1,200 of 4,000 tables read"), "{drawn}");
    }

    #[tokio::test]
    async fn a_program_that_wants_json_is_shown_nothing() {
        let watch = Watch {
            patience: Duration::ZERO,
            ..Watch::new(true)
        };
        let progress = watch.progress().clone();
        let work = async {
            tokio::task::yield_now().await;
            progress.tell("tables read", 1, 2);
            watch.bar.is_hidden()
        };
        assert!(watch.over("describing the live schema", work).await);
    }
}
