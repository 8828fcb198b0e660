//! How answers look on a terminal and in a pipe: tables, JSON, a spinner for what takes longer than two seconds.

use std::io::{ErrorKind, Write as _};
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use governance::Problem;
use indicatif::ProgressBar;
use serde::Serialize;

/// Prints a text.
pub(super) fn text(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
        // Whoever reads the first lines only (`| head`) has what they wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the answer"),
    }
}

/// Prints JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    text(&serde_json::to_string_pretty(value).context("cannot write the answer as JSON")?)
}

/// Prints a table, or the words for none.
pub(super) fn table(head: &[&str], rows: Vec<Vec<String>>, none: &str) -> anyhow::Result<()> {
    if rows.is_empty() {
        return text(none);
    }
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head);
    table.add_rows(rows);
    text(&table.to_string())
}

/// Says something to the person at the terminal, beside the answer.
pub(super) fn aside(words: &str) {
    // Nobody can be told when standard error itself is closed.
    let _ = writeln!(std::io::stderr().lock(), "{words}");
}

/// One line for what went wrong; a problem's code leads to its page.
pub(super) fn failure(error: &anyhow::Error) {
    match error.downcast_ref::<Problem>() {
        Some(problem) => aside(&format!("privity: {} [{}]", problem.title, problem.code)),
        None => aside(&format!("privity: {error:#}")),
    }
}

/// Waits, and shows a spinner when it takes longer than two seconds. Not on a pipe: there it is hidden by itself.
pub(super) async fn while_waiting<T>(words: &'static str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(Duration::from_secs(2), &mut work).await {
        return done;
    }
    let spinner = ProgressBar::new_spinner().with_message(words);
    spinner.enable_steady_tick(Duration::from_millis(120));
    let done = work.await;
    spinner.finish_and_clear();
    done
}
