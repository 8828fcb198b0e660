//! Recognises what values are by their form: e-mail addresses, cards, IP addresses, IBANs, social security numbers, phones.

use domain::sensitive::Sensitive;

use super::category::Suggestion;

/// A form of values and the category that it tells.
struct Form {
    fits: fn(&str) -> bool,
    category: &'static str,
    confidence: f64,
}

/// From the surest form to the vaguest.
const FORMS: &[Form] = &[
    Form {
        fits: is_email,
        category: "user.contact.email",
        confidence: 0.99,
    },
    Form {
        fits: is_iban,
        category: "user.financial.bank_account",
        confidence: 0.99,
    },
    Form {
        fits: is_ip,
        category: "user.device.ip_address",
        confidence: 0.97,
    },
    Form {
        fits: is_card,
        category: "user.financial.credit_card",
        confidence: 0.96,
    },
    Form {
        fits: is_ssn,
        category: "user.government_id.national_identification_number",
        confidence: 0.93,
    },
    Form {
        fits: is_phone,
        category: "user.contact.phone_number",
        confidence: 0.9,
    },
];

/// The category that at least four of five of the values show by their form, if there are three or more.
pub(super) fn recognize(samples: &[Sensitive<String>]) -> Option<Suggestion> {
    let values: Vec<&str> = samples
        .iter()
        .map(read)
        .filter(|value| !value.is_empty())
        .collect();
    let found = FORMS.iter().find(|form| {
        values.len() >= 3
            && values.iter().filter(|value| (form.fits)(value)).count() * 5 >= values.len() * 4
    });
    found.map(|form| Suggestion {
        category: form.category,
        confidence: form.confidence,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "only the form of the value is looked at, here; a category leaves"
)]
fn read(sample: &Sensitive<String>) -> &str {
    sample.expose().trim()
}

fn is_email(value: &str) -> bool {
    let Some((local, domain)) = value.split_once('@') else {
        return false;
    };
    !local.is_empty()
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !domain.contains('@')
        && !value.contains(char::is_whitespace)
}

fn is_ip(value: &str) -> bool {
    value.parse::<std::net::IpAddr>().is_ok()
}

/// ISO 13616: country, two check digits, and a remainder of 1 by 97.
fn is_iban(value: &str) -> bool {
    let letters: Vec<char> = value
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    let starts = letters.iter().take(4).enumerate().all(|(place, letter)| {
        if place < 2 {
            letter.is_ascii_uppercase()
        } else {
            letter.is_ascii_digit()
        }
    });
    if !(15..=34).contains(&letters.len())
        || !starts
        || !letters.iter().all(char::is_ascii_alphanumeric)
    {
        return false;
    }
    let turned = letters.iter().skip(4).chain(letters.iter().take(4));
    turned
        .filter_map(|letter| letter.to_digit(36))
        .fold(0u32, |rest, digit| {
            (rest * if digit > 9 { 100 } else { 10 } + digit) % 97
        })
        == 1
}

/// ISO/IEC 7812: 13 to 19 digits whose Luhn sum is a multiple of ten.
fn is_card(value: &str) -> bool {
    let Some(digits) = digits(value, " -") else {
        return false;
    };
    (13..=19).contains(&digits.len()) && luhn(&digits)
}

fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            if place % 2 == 1 {
                doubled(*digit)
            } else {
                *digit
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn is_ssn(value: &str) -> bool {
    let parts: Vec<usize> = value.split('-').map(str::len).collect();
    parts == [3, 2, 4] && digits(value, "-").is_some()
}

fn is_phone(value: &str) -> bool {
    let marked = value.starts_with('+') || value.contains(['-', '(', ' ']);
    let is_date = value.len() >= 10 && value.get(4..5) == Some("-") && value.get(7..8) == Some("-");
    marked
        && !is_date
        && digits(value.trim_start_matches('+'), " -().")
            .is_some_and(|digits| (7..=15).contains(&digits.len()))
}

/// The digits of a value that holds nothing else but these marks.
fn digits(value: &str, marks: &str) -> Option<Vec<u32>> {
    value
        .chars()
        .filter(|letter| !marks.contains(*letter))
        .map(|letter| letter.to_digit(10))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(values: [&str; 3]) -> Option<&'static str> {
        recognize(&values.map(|value| Sensitive::new(value.to_owned())))
            .map(|suggestion| suggestion.category)
    }

    #[test]
    fn values_are_recognized_by_their_form() {
        assert_eq!(
            category(["a@example.com", "b.c@example.org", "d+e@mail.example.net"]),
            Some("user.contact.email")
        );
        assert_eq!(
            category(["4111 1111 1111 1111", "5500005555555559", "340000000000009"]),
            Some("user.financial.credit_card")
        );
        assert_eq!(
            category(["192.0.2.1", "2001:db8::1", "198.51.100.7"]),
            Some("user.device.ip_address")
        );
        assert_eq!(
            category([
                "DE89 3704 0044 0532 0130 00",
                "GB82WEST12345698765432",
                "FR1420041010050500013M02606"
            ]),
            Some("user.financial.bank_account")
        );
        assert_eq!(
            category(["078-05-1120", "219-09-9999", "457-55-5462"]),
            Some("user.government_id.national_identification_number")
        );
        assert_eq!(
            category(["+1 (403) 262-3443", "697-555-0142", "+49 30 901820"]),
            Some("user.contact.phone_number")
        );
    }

    #[test]
    fn dates_numbers_and_words_are_not_taken_for_somebody() {
        assert_eq!(category(["2026-11-21", "2025-01-02", "1999-12-31"]), None);
        assert_eq!(category(["1234567", "7654321", "1111111"]), None);
        assert_eq!(category(["red", "green", "blue"]), None);
        assert_eq!(
            category(["DE00370400440532013000", "GB00WEST12345698765432", "x"]),
            None
        );
    }
}
