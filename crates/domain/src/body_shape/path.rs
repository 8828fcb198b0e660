//! Paths as routes write them: `$.customer.email`, `$.customers[*].id`, `$['e-mail']`, `$.meta.*`.
//!
//! A small part of JSONPath (RFC 9535): what can be followed while a body streams by, and says the same for every body.

use std::fmt::Write;

use super::ShapeError;

/// Deeper than any body that people design.
const MOST_STEPS: usize = 32;

/// One step on the way into a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `.name`, `['name']`
    Member(String),
    /// `[*]`
    Elements,
    /// `.*`, at the end alone.
    OtherMembers,
}

/// Reads a path.
pub(super) fn parse(path: &str) -> Result<Vec<Step>, ShapeError> {
    let unreadable = |reason| ShapeError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let mut rest = path
        .strip_prefix('$')
        .ok_or_else(|| unreadable("it begins with `$`, the whole body"))?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.last() == Some(&Step::OtherMembers) {
            return Err(unreadable("`.*` is its end; name the members instead"));
        }
        if steps.len() == MOST_STEPS {
            return Err(unreadable(
                "it has more than 32 steps; name a place further out",
            ));
        }
        let (step, after) = step(rest).map_err(unreadable)?;
        steps.push(step);
        rest = after;
    }
    Ok(steps)
}

/// A path in one spelling.
pub(super) fn spelled(steps: &[Step]) -> String {
    let mut path = "$".to_owned();
    for step in steps {
        match step {
            Step::Elements => path.push_str("[*]"),
            Step::OtherMembers => path.push_str(".*"),
            Step::Member(name) if is_plain(name) => {
                let _ = write!(path, ".{name}");
            }
            Step::Member(name) => {
                let name = name.replace('\\', "\\\\").replace('\'', "\\'");
                let _ = write!(path, "['{name}']");
            }
        }
    }
    path
}

type Read<'a> = Result<(Step, &'a str), &'static str>;

fn step(rest: &str) -> Read<'_> {
    if rest.starts_with("..") {
        return Err("`..` names no one place; write the way to it");
    }
    if let Some(after) = rest.strip_prefix(".*") {
        return Ok((Step::OtherMembers, after));
    }
    if let Some(after) = rest.strip_prefix("[*]") {
        return Ok((Step::Elements, after));
    }
    if let Some(quoted) = rest.strip_prefix("['") {
        return quoted_name(quoted);
    }
    match rest.strip_prefix('.') {
        Some(named) => plain_name(named),
        None if rest.starts_with('[') => {
            Err("only `[*]` and `['name']` stand in brackets; write `[*]` for a list's elements")
        }
        None => Err("a step begins with `.` or `[`"),
    }
}

fn plain_name(named: &str) -> Read<'_> {
    let length = named.find(['.', '[']).unwrap_or(named.len());
    let (name, after) = named.split_at(length);
    if !is_plain(name) {
        return Err(
            "a name with other characters than letters, digits, `_` and `-` is written as `['name']`",
        );
    }
    Ok((Step::Member(name.to_owned()), after))
}

fn quoted_name(quoted: &str) -> Read<'_> {
    let mut name = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' => {
                let after = quoted
                    .get(at + 1..)
                    .and_then(|after| after.strip_prefix(']'));
                let after = after.ok_or("`]` has to follow the quoted name")?;
                return Ok((Step::Member(name), after));
            }
            '\\' => match characters.next() {
                Some((_, escaped @ ('\'' | '\\'))) => name.push(escaped),
                _ => return Err("in a quoted name only `\\'` and `\\\\` are escapes"),
            },
            other => name.push(other),
        }
    }
    Err("the quoted name doesn't end; write `']` behind it")
}

fn is_plain(name: &str) -> bool {
    let plain = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    !name.is_empty() && name.chars().all(plain)
}
