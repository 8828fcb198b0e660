//! Paths of routes: `/customers/{number}`, matched segment by segment after decoding, and written anew for the upstream.
//!
//! What could be read as another path by whoever stands behind us (dots, empty segments, encoded slashes) matches no route.

use std::fmt::Write as _;

/// A path with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Fixed(String),
    Parameter(String),
}

/// The values of a pattern's parameters in one call, decoded, in the pattern's order. They may be personal, so nothing prints them.
#[derive(Clone)]
pub(crate) struct Parameters(Vec<String>);

impl Pattern {
    /// Reads `/fixed/{name}`.
    ///
    /// # Errors
    /// What is wrong, in words that say what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("a path begins with `/`".to_owned());
        };
        let mut pattern = Self {
            segments: Vec::new(),
        };
        if rest.is_empty() {
            return Ok(pattern);
        }
        for part in rest.split('/') {
            let segment = segment(part)?;
            if let Segment::Parameter(name) = &segment
                && pattern.position(name).is_some()
            {
                return Err(format!("the parameter `{name}` stands in it twice"));
            }
            pattern.segments.push(segment);
        }
        Ok(pattern)
    }

    /// The parameters' values, if this path is one of the pattern.
    pub(crate) fn matches(&self, segments: &[String]) -> Option<Parameters> {
        if segments.len() != self.segments.len() {
            return None;
        }
        let mut values = Vec::new();
        for (segment, given) in self.segments.iter().zip(segments) {
            match segment {
                Segment::Fixed(fixed) if fixed == given => {}
                Segment::Fixed(_) => return None,
                Segment::Parameter(_) => values.push(given.clone()),
            }
        }
        Some(Parameters(values))
    }

    /// Which of the parameters has this name.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.parameters().position(|known| known == name)
    }

    /// The names of its parameters, in order.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Fixed(_) => None,
        })
    }

    /// The path with values in the place of its parameters, which are found by name in `from`.
    pub(crate) fn filled(&self, from: &Self, values: &Parameters) -> String {
        let mut path = String::with_capacity(64);
        for segment in &self.segments {
            path.push('/');
            match segment {
                Segment::Fixed(fixed) => encode(fixed, &mut path),
                Segment::Parameter(name) => {
                    let value = from.position(name).and_then(|at| values.get(at));
                    encode(value.unwrap_or_default(), &mut path);
                }
            }
        }
        if path.is_empty() {
            path.push('/');
        }
        path
    }

    /// Fixed segments come before parameters, so that `/customers/me` is no customer.
    pub(crate) fn rank(&self) -> Vec<bool> {
        let is_parameter = |segment: &Segment| matches!(segment, Segment::Parameter(_));
        self.segments.iter().map(is_parameter).collect()
    }

    /// The pattern with its parameters' names left out: two routes with the same one answer the same paths.
    pub(crate) fn skeleton(&self) -> String {
        let parts = self.segments.iter().map(|segment| match segment {
            Segment::Fixed(fixed) => format!("/{fixed}"),
            Segment::Parameter(_) => "/{}".to_owned(),
        });
        parts.collect()
    }
}

impl Parameters {
    pub(crate) fn get(&self, at: usize) -> Option<&str> {
        self.0.get(at).map(String::as_str)
    }
}

fn segment(part: &str) -> Result<Segment, String> {
    if part.is_empty() {
        return Err("it holds `//`, or ends with `/`; leave that out".to_owned());
    }
    if let Some(name) = part
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return if is_name {
            Ok(Segment::Parameter(name.to_owned()))
        } else {
            Err("a parameter is named with letters, digits and `_`, such as `{number}`".to_owned())
        };
    }
    if part.contains(['{', '}', '%', '?', '#', '\\', ';', '*']) || is_dots(part) {
        return Err(format!(
            "`{part}` can't stand in it; write plain names, and `{{name}}` for a parameter that is a whole segment"
        ));
    }
    Ok(Segment::Fixed(part.to_owned()))
}

/// The segments of a call's path, decoded. `None` for a path that readers could take for different ones.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    let rest = path.strip_prefix('/')?;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    rest.split('/').map(decoded).collect()
}

fn decoded(part: &str) -> Option<String> {
    let text = percent_decoded(part, false)?;
    let is_unclear = text.is_empty()
        || is_dots(&text)
        || text.chars().any(char::is_control)
        || text.contains(['/', '\\', ';']);
    (!is_unclear).then_some(text)
}

fn is_dots(text: &str) -> bool {
    text == "." || text == ".."
}

/// The text behind its percent signs; with `plus`, a plus is a space as in forms. `None` where it is no UTF-8 or the escapes are broken.
pub(crate) fn percent_decoded(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if plus => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Writes a text so that it is one segment of a path, or one name or value of a query.
pub(crate) fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            into.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn found(pattern: &str, path: &str) -> Option<Vec<String>> {
        let pattern = Pattern::parse(pattern).unwrap();
        Some(pattern.matches(&segments(path)?)?.0)
    }

    #[test]
    fn a_parameter_is_a_whole_segment_with_its_escapes_resolved() {
        assert_eq!(
            found("/customers/{email}", "/customers/maya%40example.org").unwrap(),
            ["maya@example.org"]
        );
        assert_eq!(found("/customers/{id}", "/customers/1/orders"), None);
        assert_eq!(found("/", "/").unwrap(), [""; 0]);
    }

    #[test]
    fn a_path_that_others_could_read_differently_matches_nothing() {
        for path in [
            "/a/..",
            "/a/%2e%2e",
            "/a/%2E",
            "/a/b%2fc",
            "/a/b%5Cc",
            "//a",
            "/a/",
            "/a/x;y=1",
            "/a/%00",
            "/a/%ff",
            "/a/%4",
            "/a/%zz",
            "a",
            "*",
        ] {
            assert_eq!(found("/a/{b}", path), None, "{path}");
        }
    }

    #[test]
    fn the_upstreams_path_is_written_from_the_decoded_values() {
        let from = Pattern::parse("/customers/{number}/orders/{order}").unwrap();
        let to = Pattern::parse("/api/{order}/of/{number}").unwrap();
        let values = from
            .matches(&segments("/customers/%41%20b/orders/x%3Fy").unwrap())
            .unwrap();
        assert_eq!(to.filled(&from, &values), "/api/x%3Fy/of/A%20b");
    }

    #[test]
    fn a_wrong_pattern_says_what_to_write() {
        for (pattern, words) in [
            ("customers", "begins with `/`"),
            ("/a//b", "`//`"),
            ("/a/", "ends with `/`"),
            ("/a/{}", "a parameter is named"),
            ("/a/{b c}", "a parameter is named"),
            ("/a/{b}.json", "whole segment"),
            ("/a/%41", "plain names"),
            ("/a/..", "plain names"),
            ("/{a}/{a}", "twice"),
        ] {
            let wrong = Pattern::parse(pattern).unwrap_err();
            assert!(wrong.contains(words), "{pattern}: {wrong}");
        }
    }
}
