//! What is wrong with a data map, where, and what to do about it: pointing at the line as a compiler does, never showing a secret.

use std::fmt;

use serde::Serialize;

use super::read::Mistake;
use super::tree::{Node, Span, Value};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The map can't be used, or an erasure by it would miss or hit the wrong rows.
    Error,
    /// A person should look.
    Warning,
    /// Worth knowing.
    Note,
}

/// Something wrong with a data map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub what_to_do: String,
}

/// Where in the files, as far as it can be said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// What it is about: `dataset.collection`, `dataset.collection.field`, a system, ...; empty for a file as a whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line from 1; 0 where unknown.
    pub line: u32,
    /// Column from 1; 0 where unknown.
    pub column: u32,
    /// The line itself and how many characters of it are meant. Secrets in it are covered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
}

/// A line of a file and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// The line.
    pub line: String,
    /// How many characters from the column on are meant.
    pub length: u32,
}

/// Everything wrong with the files of a data map; at least one finding is an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", DisplayAll(.0))]
pub struct Findings(pub Vec<Finding>);

struct DisplayAll<'a>(&'a [Finding]);

impl fmt::Display for DisplayAll<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.0.iter().enumerate() {
            let gap = if number == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)?;
        let margin = self.place.line.to_string().len();
        match (&self.place.file, self.place.line) {
            (Some(file), 0) => write!(f, "\n{:margin$}--> {file}", "")?,
            (Some(file), line) => {
                write!(f, "\n{:margin$}--> {file}:{line}:{}", "", self.place.column)?
            }
            (None, _) => {}
        }
        if let Some(excerpt) = &self.place.excerpt {
            let indent = to_usize(self.place.column.saturating_sub(1));
            let carets = "^".repeat(to_usize(excerpt.length.max(1)));
            write!(
                f,
                "\n{:margin$} |\n{} | {}\n{:margin$} | {:indent$}{carets}",
                "", self.place.line, excerpt.line, "", ""
            )?;
        }
        write!(f, "\n{:margin$} = {}", "", self.what_to_do)
    }
}

/// A file's name and text, with the places of its secrets.
#[derive(Clone, Debug)]
pub struct SourceText {
    pub(super) name: String,
    text: String,
    secrets: Vec<Span>,
    /// Set while nobody knows where the secrets are, because the text couldn't be parsed.
    unparsed: bool,
}

/// Where a file may hold secrets: below this key of each entry of this part.
pub type SecretPlace = (&'static str, &'static str);

/// Where a data map may.
pub(super) const MAP_SECRETS: [SecretPlace; 2] =
    [("systems", "connection"), ("recipients", "channel")];

/// Words in a line that may hold a secret.
const SECRET_WORDS: [&str; 12] = [
    "url",
    "password",
    "passwd",
    "secret",
    "token",
    "key",
    "bearer",
    "auth",
    "user",
    "header",
    "certificate",
    "://",
];

impl SourceText {
    /// A text whose secrets nobody knows yet.
    pub(super) const fn new(name: String, text: String) -> Self {
        Self {
            name,
            text,
            secrets: Vec::new(),
            unparsed: true,
        }
    }

    /// The text itself.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Learns from the tree where connections and channels stand; their values are never shown.
    pub(super) fn learn_secrets(&mut self, tree: &Node, places: &[SecretPlace]) {
        self.unparsed = false;
        for (part, secret) in places {
            let entries = tree.get(part).map(Node::entries).unwrap_or_default();
            entries
                .iter()
                .filter_map(|(_, node)| node.get(secret))
                .for_each(|node| cover(node, &mut self.secrets));
        }
    }

    /// A mistake as a finding.
    pub fn finding(&self, about: &str, mistake: Mistake) -> Finding {
        Finding {
            severity: Severity::Error,
            place: self.place(about, mistake.at),
            message: mistake.message,
            what_to_do: mistake.what_to_do,
        }
    }

    /// The place of a span, with its line.
    pub(super) fn place(&self, about: impl Into<String>, at: Span) -> Place {
        Place {
            about: about.into(),
            file: Some(self.name.clone()),
            line: at.line,
            column: at.column,
            excerpt: self.excerpt(at),
        }
    }

    fn excerpt(&self, at: Span) -> Option<Excerpt> {
        let number = to_usize(at.line.checked_sub(1)?);
        let line = self.text.lines().nth(number)?;
        let shown = if self.unparsed {
            cover_by_words(line)
        } else {
            self.cover_known(at.line, line)
        };
        let length = u32::try_from(shown.trim_end().chars().count()).unwrap_or(u32::MAX);
        let rest = (length + 1).saturating_sub(at.column).max(1);
        Some(Excerpt {
            line: shown,
            length: at.length.clamp(1, rest),
        })
    }

    fn cover_known(&self, number: u32, line: &str) -> String {
        let start = self.start_of(number);
        let is_secret = |place: usize| {
            self.secrets.iter().any(|secret| {
                let from = self.start_of(secret.line) + to_usize(secret.column.saturating_sub(1));
                (from..from + to_usize(secret.length)).contains(&place)
            })
        };
        line.chars()
            .enumerate()
            .map(|(place, letter)| {
                if is_secret(start + place) && !letter.is_whitespace() {
                    '•'
                } else {
                    letter
                }
            })
            .collect()
    }

    /// How many characters stand before a line.
    fn start_of(&self, number: u32) -> usize {
        self.text
            .split_inclusive('\n')
            .take(to_usize(number.saturating_sub(1)))
            .map(|line| line.chars().count())
            .sum()
    }
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Notes the places of all texts and numbers below a node, but for its `kind`.
fn cover(node: &Node, secrets: &mut Vec<Span>) {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .filter(|(key, _)| key.text != "kind")
            .for_each(|(_, node)| cover(node, secrets)),
        Value::List(items) => items.iter().for_each(|item| cover(item, secrets)),
        Value::Null | Value::Boolean(_) => {}
        _ => secrets.push(node.at),
    }
}

/// A line that nobody could parse: what follows its first colon is covered when a word in it speaks of secrets.
fn cover_by_words(line: &str) -> String {
    let lower = line.to_lowercase();
    if !SECRET_WORDS.iter().any(|word| lower.contains(word)) {
        return line.to_owned();
    }
    let kept = line.find(':').map_or(0, |colon| colon + 1);
    let (shown, covered) = line.split_at(kept);
    shown
        .chars()
        .chain(covered.chars().map(|letter| {
            if letter.is_whitespace() {
                letter
            } else {
                '•'
            }
        }))
        .collect()
}
