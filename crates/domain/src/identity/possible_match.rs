//! Possible matches: the same name, birth date and address make an operator look, and never merge by themselves.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::sensitive::Sensitive;

/// The kind under which tags of possible matches are kept; no identifier may be called so.
pub const POSSIBLE_MATCH_KIND: &str = "possible_match";

/// One text for one name, birth date and address, of which the vault makes a tag; `None` unless all three say something, since two
/// of them are shared by too many. Case, accents, punctuation and the order of a name's parts don't count.
pub fn possible_match_text(
    name: &Sensitive<String>,
    birth_date: jiff::civil::Date,
    address: &Sensitive<String>,
) -> Option<Sensitive<String>> {
    let mut names = words(name.expose());
    names.sort_unstable();
    let places = words(address.expose());
    if names.is_empty() || places.is_empty() {
        return None;
    }
    Some(Sensitive::new(format!(
        "{}|{birth_date}|{}",
        names.join(" "),
        places.join(" ")
    )))
}

fn words(text: &str) -> Vec<String> {
    let folded = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        let letters = text.nfkd().filter(|letter| !is_combining_mark(*letter));
        letters.flat_map(char::to_lowercase).collect()
    };
    folded
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn text(name: &str, born: &str, address: &str) -> Option<String> {
        let made = possible_match_text(
            &name.to_owned().into(),
            born.parse().unwrap(),
            &address.to_owned().into(),
        );
        made.map(|text| text.expose().clone())
    }

    #[test]
    fn the_same_person_written_twice_has_one_text() {
        let one = text(
            "\u{c9}lodie Durand",
            "1990-12-31",
            "1 Main St., Springfield",
        );
        assert_eq!(
            one,
            text("DURAND, Elodie", "1990-12-31", "1 main st Springfield")
        );
        assert_ne!(
            one,
            text("Durand Elodie", "1990-12-30", "1 main st Springfield")
        );
        assert_ne!(
            one,
            text("Durand Elodie", "1990-12-31", "2 main st Springfield")
        );
        assert_eq!(text("-", "1990-12-31", "1 Main St"), None);
    }
}
