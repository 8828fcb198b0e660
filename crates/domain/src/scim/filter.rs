//! Whom a filter finds: one comparison with `eq` by something that finds a subject (RFC 7644 3.4.2.2).

use super::ScimError;
use super::path::Path;
use crate::sensitive::Sensitive;

/// A comparison.
pub struct Filter {
    /// What is compared.
    pub path: Path,
    /// With what.
    pub value: Sensitive<String>,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// `invalidFilter` for everything but `PATH eq "VALUE"`. Does not repeat the value.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        let only = || {
            ScimError::filter(
                "only one comparison with `eq` is understood, e.g. `userName eq \"ada\"` or `emails.value eq \"ada@example.com\"`",
            )
        };
        let text = text.trim();
        let at = outside_of_brackets(text).ok_or_else(only)?;
        let (path, rest) = (
            text.get(..at).ok_or_else(only)?,
            text.get(at..).ok_or_else(only)?,
        );
        let rest = rest.trim_start();
        let operator = rest.get(..2).ok_or_else(only)?;
        let value = rest.get(2..).unwrap_or_default();
        if !operator.eq_ignore_ascii_case("eq") || !value.starts_with(' ') {
            return Err(only());
        }
        // A string in a filter is written as in JSON.
        let value: String = serde_json::from_str(value.trim()).map_err(|_| only())?;
        Ok(Self {
            path: Path::parse(path)?,
            value: Sensitive::new(value),
        })
    }
}

/// Where the first space is that doesn't stand inside of `[…]`.
fn outside_of_brackets(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    text.char_indices().find_map(|(at, letter)| {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn one_comparison_with_eq_is_understood() {
        for (text, value) in [
            ("userName eq \"bjensen\"", "bjensen"),
            ("USERNAME EQ \"b j\"", "b j"),
            ("emails.value eq \"a\\\"b@example.com\"", "a\"b@example.com"),
            ("emails[type eq \"work\"].value eq \"x\"", "x"),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"J\"",
                "J",
            ),
        ] {
            let filter = Filter::parse(text).unwrap();
            assert_eq!(filter.value.expose(), value, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_without_being_repeated() {
        for text in [
            "",
            "userName",
            "userName sw \"planted\"",
            "userName eq planted",
            "userName eq \"planted\" and title pr",
            "not (userName eq \"planted\")",
            "userName eq \"planted",
            "emails[type eq \"work\" and value co \"@example.com\"]",
        ] {
            let error = Filter::parse(text).err().unwrap();
            assert_eq!(error.code, "invalidFilter", "{text}");
            assert!(!error.detail.contains("planted"));
        }
    }
}
