//! One text for one identifier, however it was typed. The rules have a version, which is part of every tag, so that a changed rule
//! can never match by accident.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::country::Country;
use crate::sensitive::Sensitive;

/// Version of the rules of [`normalise`]. (Version 1 is the suppression list's, which knows neither NFKC nor countries.)
pub const NORMAL_VERSION: u8 = 2;

/// How an identifier is brought to one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierRule {
    /// Trimmed, one Unicode form (NFKC), lower case; the domain as DNS has it (IDNA, UTS 46).
    Email,
    /// E.164: `+` and the whole number in digits.
    Phone,
    /// As it is, trimmed: account numbers and whatever has rules of its own.
    Verbatim,
}

/// A text that is no identifier of its kind. Does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    /// Nothing in it.
    #[error("the identifier is empty")]
    Empty,
    /// Longer than any is.
    #[error("the identifier is longer than any of its kind can be")]
    TooLong,
    /// No address, or a domain that DNS cannot have.
    #[error("this is not an e-mail address; it should look like `name@example.com`")]
    Email,
    /// No phone number.
    #[error(
        "this is not a phone number; write it with `+` and the country's code, digits and nothing else"
    )]
    Phone,
    /// A national number, and nobody said of which country.
    #[error(
        "this phone number has no country; write it with `+`, or set `identity.default_country`"
    )]
    NoCountry,
}

/// One text for one identifier.
///
/// # Errors
/// [`InvalidIdentifier`], without the text. An identifier that is refused finds nobody and links nobody.
pub fn normalise(
    rule: IdentifierRule,
    text: &Sensitive<String>,
    default_country: Option<Country>,
) -> Result<Sensitive<String>, InvalidIdentifier> {
    let trimmed = text.expose().trim();
    if trimmed.is_empty() {
        return Err(InvalidIdentifier::Empty);
    }
    if trimmed.len() > 1024 {
        return Err(InvalidIdentifier::TooLong);
    }
    match rule {
        IdentifierRule::Email => email(trimmed),
        IdentifierRule::Phone => phone(trimmed, default_country),
        IdentifierRule::Verbatim => Ok(trimmed.to_owned()),
    }
    .map(Sensitive::new)
}

fn email(text: &str) -> Result<String, InvalidIdentifier> {
    // Lower case can leave NFKC again (İ), so it is taken twice; a test holds that once more changes nothing.
    let folded = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
    };
    let (local, domain) = folded
        .trim()
        .rsplit_once('@')
        .ok_or(InvalidIdentifier::Email)?;
    let odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '@';
    if local.is_empty() || local.len() > 64 || local.contains(odd) {
        return Err(InvalidIdentifier::Email);
    }
    let ascii = idna::domain_to_ascii_cow(
        domain.trim_end_matches('.').as_bytes(),
        idna::AsciiDenyList::URL,
    )
    .map_err(|_| InvalidIdentifier::Email)?;
    if ascii.is_empty()
        || ascii.len() > 253
        || ascii
            .split('.')
            .any(|label| label.is_empty() || label.len() > 63)
    {
        return Err(InvalidIdentifier::Email);
    }
    Ok(format!("{local}@{ascii}"))
}

fn phone(text: &str, default_country: Option<Country>) -> Result<String, InvalidIdentifier> {
    let folded = if text.is_ascii() {
        text.to_owned()
    } else {
        text.nfkc().collect()
    };
    // What people put between digits; anything else (letters, an extension) makes it a number of nobody alone.
    let written = folded.trim().replace("(0)", "");
    let known = |letter: char| {
        letter.is_ascii_digit()
            || letter.is_whitespace()
            || "+()-./\u{2010}\u{2011}\u{2012}\u{2013}".contains(letter)
    };
    let plus = written.starts_with('+') || written.starts_with("(+");
    if !written.chars().all(known) || written.matches('+').count() > usize::from(plus) {
        return Err(InvalidIdentifier::Phone);
    }
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    if plus {
        return in_full(&digits);
    }
    if let Some(country) = default_country {
        return match digits.strip_prefix(country.international) {
            Some(foreign) => in_full(foreign),
            None => national(&digits, country),
        };
    }
    match digits.strip_prefix("00") {
        Some(foreign) => in_full(foreign),
        None => Err(InvalidIdentifier::NoCountry),
    }
}

fn national(digits: &str, country: Country) -> Result<String, InvalidIdentifier> {
    let number = digits
        .strip_prefix(country.trunk)
        .filter(|rest| rest.len() >= country.digits.0)
        .unwrap_or(digits);
    if (country.digits.0..=country.digits.1).contains(&number.len()) {
        return in_full(&format!("{}{number}", country.calling));
    }
    // `49 170 1234567`, the plus forgotten: only if it is too long to be a national number.
    match digits.strip_prefix(country.calling) {
        Some(rest)
            if number.len() > country.digits.1
                && (country.digits.0..=country.digits.1).contains(&rest.len()) =>
        {
            in_full(digits)
        }
        _ => Err(InvalidIdentifier::Phone),
    }
}

fn in_full(digits: &str) -> Result<String, InvalidIdentifier> {
    let mut number = digits.to_owned();
    if let Some(country) = Country::of_number(digits) {
        // `+49 0170 …`: the trunk prefix does not belong there. In North America it is the country's code itself.
        let rest = digits.strip_prefix(country.calling).unwrap_or_default();
        let trunk = country.trunk == "0" && rest.starts_with('0');
        let rest = if trunk {
            rest.trim_start_matches('0')
        } else {
            rest
        };
        // No area code of the North American plan begins with 0 or 1.
        let no_area = country.calling == "1" && rest.starts_with(['0', '1']);
        if no_area || !(country.digits.0..=country.digits.1).contains(&rest.len()) {
            return Err(InvalidIdentifier::Phone);
        }
        number = format!("{}{rest}", country.calling);
    }
    if number.starts_with('0') || !(7..=15).contains(&number.len()) {
        return Err(InvalidIdentifier::Phone);
    }
    Ok(format!("+{number}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn one(rule: IdentifierRule, text: &str, country: &str) -> Result<String, InvalidIdentifier> {
        normalise(rule, &text.to_owned().into(), Country::of(country))
            .map(|text| text.expose().clone())
    }

    #[test]
    fn one_address_has_one_text_however_it_was_typed() {
        for (typed, normal) in [
            (" Ada@Example.COM ", "ada@example.com"),
            ("\u{ff21}da@example.com", "ada@example.com"),
            ("E\u{301}lodie@example.com", "\u{e9}lodie@example.com"),
            ("ada@B\u{fc}cher.example", "ada@xn--bcher-kva.example"),
            ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
            ("ada@example.com.", "ada@example.com"),
            ("\"a@b\"@example.com", ""),
            ("ada.b+shop@example.com", "ada.b+shop@example.com"),
        ] {
            assert_eq!(
                one(IdentifierRule::Email, typed, "").unwrap_or_default(),
                normal,
                "{typed}"
            );
        }
        for typed in [
            "ada",
            "@example.com",
            "ada@",
            "ada b@example.com",
            "ada@exa mple.com",
            "ada@.com",
            "ada@a..b",
            "ada@xn--zz--",
        ] {
            assert_eq!(
                one(IdentifierRule::Email, typed, ""),
                Err(InvalidIdentifier::Email),
                "{typed}"
            );
        }
    }

    #[test]
    fn one_phone_number_has_one_text_however_it_was_typed() {
        for (typed, country, normal) in [
            ("+1 (415) 555-0100", "DE", "+14155550100"),
            ("415.555.0100", "US", "+14155550100"),
            ("1 415 555 0100", "US", "+14155550100"),
            ("011 49 170 1234567", "US", "+491701234567"),
            ("0170 / 1234567", "DE", "+491701234567"),
            ("0049 170 1234567", "DE", "+491701234567"),
            ("0049 170 1234567", "", "+491701234567"),
            ("+49 (0)170 1234567", "US", "+491701234567"),
            ("+49 0170 1234567", "US", "+491701234567"),
            (
                "\u{ff0b}\u{ff14}\u{ff19} 170 1234567",
                "US",
                "+491701234567",
            ),
            ("020 7946 0958", "GB", "+442079460958"),
            ("06 1234 5678", "IT", "+390612345678"),
            ("612 345 678", "ES", "+34612345678"),
            ("+998 90 123 45 67", "", "+998901234567"),
        ] {
            assert_eq!(
                one(IdentifierRule::Phone, typed, country).as_deref(),
                Ok(normal),
                "{typed} in {country}"
            );
        }
        for (typed, country) in [
            ("555-0100", "US"),
            ("415 555 0100 x5", "US"),
            ("ask Bob", "US"),
            ("+1 415 555 01", ""),
            ("+0 415 555 0100", ""),
            ("++14155550100", ""),
            ("+1234567890123456", ""),
            ("2 415 555 0100", "US"),
        ] {
            assert_eq!(
                one(IdentifierRule::Phone, typed, country),
                Err(InvalidIdentifier::Phone),
                "{typed}"
            );
        }
        assert_eq!(
            one(IdentifierRule::Phone, "0170 1234567", ""),
            Err(InvalidIdentifier::NoCountry)
        );
    }

    #[test]
    fn account_numbers_are_left_alone_and_nothing_is_refused() {
        assert_eq!(
            one(IdentifierRule::Verbatim, " A-07 ", "").as_deref(),
            Ok("A-07")
        );
        assert_eq!(
            one(IdentifierRule::Verbatim, " ", ""),
            Err(InvalidIdentifier::Empty)
        );
        assert_eq!(
            one(IdentifierRule::Verbatim, &"7".repeat(2000), ""),
            Err(InvalidIdentifier::TooLong)
        );
    }

    proptest! {
        #[test]
        fn what_is_normal_stays_as_it_is(
            local in "[\\p{L}\\p{N}._+-]{1,20}", domain in "[\\p{L}a-z0-9-]{1,12}\\.[a-z]{2,5}", number in "\\+?[0-9 ()-]{4,18}",
            country in prop_oneof![Just("US"), Just("DE"), Just("IT"), Just("")],
        ) {
            for (rule, text) in [(IdentifierRule::Email, format!("{local}@{domain}")), (IdentifierRule::Phone, number)] {
                if let Ok(normal) = one(rule, &text, country) {
                    prop_assert_eq!(one(rule, &normal, country), Ok(normal));
                }
            }
        }

        #[test]
        fn no_text_is_too_odd_to_be_refused(text in ".{0,60}") {
            for rule in [IdentifierRule::Email, IdentifierRule::Phone, IdentifierRule::Verbatim] {
                drop(one(rule, &text, "US"));
            }
        }
    }
}
