//! How answers look on a terminal and in a pipe: text, tables, JSON.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use governance::Problem;
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
