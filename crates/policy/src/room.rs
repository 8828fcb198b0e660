//! Room on the stack: Cedar reads and converts policies by recursion, some tens of kilobytes a level, and a thread of a server has two
//! megabytes. So a file is measured before Cedar sees it, and compiled on a stack that what is let through cannot exhaust.

use std::thread::{Builder, scope};

/// Reserved, not used: pages are taken as they are touched.
const STACK_BYTES: usize = 256 << 20;
/// Brackets within brackets.
const MOST_BRACKETS: usize = 48;
/// Operators, accesses and clauses in one policy, each of which may be a level.
const MOST_STEPS: usize = 1_000;

/// Runs `work` with room, and gives its result; none if no thread could be started.
pub(crate) fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    scope(|scope| {
        let thread = Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, work).ok()?;
        match thread.join() {
            Ok(result) => Some(result),
            Err(panicked) => std::panic::resume_unwind(panicked),
        }
    })
}

/// The offset at which a text is deeper or longer than may be compiled, and what to do.
pub(crate) fn too_deep(text: &str) -> Option<(usize, String)> {
    let (mut brackets, mut steps) = (0usize, 0usize);
    let mut rest = text;
    while let Some(found) = Token::first(rest) {
        let at = text.len() - rest.len();
        match found.kind {
            Kind::Open => brackets += 1,
            Kind::Close => brackets = brackets.saturating_sub(1),
            Kind::Step => steps += 1,
            Kind::End if brackets == 0 => steps = 0,
            Kind::End | Kind::Nothing => {}
        }
        if brackets > MOST_BRACKETS {
            return Some((
                at,
                format!(
                    "has brackets within brackets more than {MOST_BRACKETS} deep; say it more simply"
                ),
            ));
        }
        if steps > MOST_STEPS {
            return Some((
                at,
                format!(
                    "has a policy with more than {MOST_STEPS} operators; write it as several policies"
                ),
            ));
        }
        rest = rest.get(found.length..).unwrap_or_default();
    }
    None
}

#[derive(Clone, Copy)]
enum Kind {
    Open,
    Close,
    Step,
    End,
    Nothing,
}

#[derive(Clone, Copy)]
struct Token {
    kind: Kind,
    length: usize,
}

impl Token {
    /// The first token of a text: as coarse as it can be, and never longer than Cedar's own where that would hide something.
    fn first(text: &str) -> Option<Self> {
        let first = text.chars().next()?;
        let token = |kind, length| Self { kind, length };
        if text.starts_with("//") {
            let length = text.find(['\n', '\r']).unwrap_or(text.len());
            return Some(token(Kind::Nothing, length));
        }
        if text.starts_with("&&") || text.starts_with("||") {
            return Some(token(Kind::Step, 2));
        }
        Some(match first {
            '"' => token(Kind::Nothing, string_length(text)),
            '(' | '[' | '{' => token(Kind::Open, 1),
            ')' | ']' | '}' => token(Kind::Close, 1),
            '.' | '+' | '-' | '*' | '!' => token(Kind::Step, 1),
            ';' => token(Kind::End, 1),
            letter if letter.is_alphanumeric() || letter == '_' => {
                let end = |letter: char| !(letter.is_alphanumeric() || letter == '_');
                let length = text.find(end).unwrap_or(text.len());
                let word = text.get(..length).unwrap_or_default();
                let is_step = ["if", "when", "unless", "has", "like", "is", "in"].contains(&word);
                token(if is_step { Kind::Step } else { Kind::Nothing }, length)
            }
            other => token(Kind::Nothing, other.len_utf8()),
        })
    }
}

/// Up to and with the closing quotation mark.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !is_escaped => return at + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_texts_and_remarks_do_not_count() {
        let remark = format!("// {}\n", "(".repeat(100));
        let quoted = format!("\"{}\\\"{}\"", "(".repeat(100), "(".repeat(100));
        assert_eq!(too_deep(&format!("{remark}{quoted}(a)")), None);
        assert!(too_deep(&"(".repeat(49)).is_some());
    }

    #[test]
    fn the_operators_of_each_policy_count_apart() {
        let policy = format!("{};", "a && ".repeat(900));
        assert_eq!(too_deep(&policy.repeat(5)), None);
        assert!(too_deep(&"a && ".repeat(1_001)).is_some());
    }
}
