//! Tells the story on the terminal, line by line, and counts which claims held.

use std::io::{IsTerminal as _, Write as _};

const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const SOFT: &str = "\x1b[2m";

/// Whoever tells.
pub(crate) struct Teller {
    is_colourful: bool,
    held: u32,
    failed: u32,
}

impl Teller {
    /// Colours are for terminals, and only where nobody said otherwise (no-color.org).
    pub(crate) fn new() -> Self {
        let is_colourful = std::io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            is_colourful,
            held: 0,
            failed: 0,
        }
    }

    /// A new part of the story.
    pub(crate) fn part(&self, title: &str) {
        self.write("");
        self.write(&self.painted(BOLD, title));
    }

    /// What happens.
    pub(crate) fn say(&self, words: &str) {
        self.write(&format!("    {words}"));
    }

    /// Something beside the story: a link, a figure.
    pub(crate) fn aside(&self, words: &str) {
        self.write(&self.painted(SOFT, &format!("      {words}")));
    }

    /// What is claimed, with what came of looking: nothing, or what was expected.
    pub(crate) fn claim(&mut self, words: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                self.held += 1;
                self.write(&format!("  {} {words}", self.painted(GREEN, "✓")));
            }
            Err(expected) => {
                self.failed += 1;
                self.write(&format!("  {} {words}", self.painted(RED, "✗")));
                self.write(&format!("      {expected}"));
            }
        }
    }

    /// Claims that held.
    pub(crate) const fn held(&self) -> u32 {
        self.held
    }

    /// Claims that did not.
    pub(crate) const fn failed(&self) -> u32 {
        self.failed
    }

    /// A link with its name.
    pub(crate) fn link(&self, name: &str, address: &str) {
        self.write(&format!("    {name:<26} {address}"));
    }

    fn painted(&self, colour: &str, words: &str) -> String {
        if self.is_colourful {
            format!("{colour}{words}\x1b[0m")
        } else {
            words.to_owned()
        }
    }

    fn write(&self, line: &str) {
        // A reader who closed the pipe wants no more lines; the story goes on for its exit code.
        drop(writeln!(std::io::stdout().lock(), "{line}"));
    }
}

/// Whether what was found is what was expected, in words if not.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("expected {expected:?}, found {found:?}"))
    }
}

/// Whether something is so, and what was expected if not.
pub(crate) fn that(is_so: bool, expected: &str) -> Result<(), String> {
    if is_so {
        Ok(())
    } else {
        Err(format!("expected: {expected}"))
    }
}
