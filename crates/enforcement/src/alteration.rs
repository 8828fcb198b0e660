//! What goes out in a value's place where policies allow no more than a piece of it, something coarser, or a token.
//!
//! What a value is, the schema says: its kind, its data category, the rule of its identifier. Whatever can't be altered so that less is told
//! is withheld. Coarser values follow the safe harbor of 45 CFR 164.514(b)(2)(i) where it has a rule (postal codes by three characters, ages
//! from 90 on as one).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::data_map::RecipientKey;
use domain::id::SubjectId;
use domain::profile::{AttributeNumber, AttributeRule, Manner, Schema, coarser, masked};
use domain::sensitive::Sensitive;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::sync::Arc;

use crate::json_filter::{Alter, Change};
use crate::vault::KeyRing;

/// Alters values for one recipient.
pub struct Alteration {
    schema: Arc<Schema>,
    tokens: hmac::Key,
    today: Date,
}

/// Characters of a number that a mask leaves, and how many there must be for that to tell little.
const LAST: usize = 4;
const LEAST_DIGITS: usize = 8;

impl KeyRing {
    /// Alters values for a recipient: tokens for one are the same each time, and tell nothing about those for another.
    pub fn alteration(
        &self,
        recipient: &RecipientKey,
        schema: &Arc<Schema>,
        on: Timestamp,
    ) -> Alteration {
        let key = self.derived(&format!("recipient tokens|{recipient}"));
        Alteration {
            schema: Arc::clone(schema),
            tokens: hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()),
            today: on.to_zoned(TimeZone::UTC).date(),
        }
    }
}

impl Alter for Alteration {
    fn alter(
        &self,
        subject: Option<SubjectId>,
        attribute: AttributeNumber,
        change: Change,
        value: &Sensitive<String>,
    ) -> Option<Sensitive<String>> {
        let rule = self.schema.attribute(attribute)?;
        let text = value.expose().trim();
        if text.is_empty() {
            return None;
        }
        match change {
            Change::Mask => self.shown(masked(rule)?, text),
            Change::Generalise => self.shown(coarser(&self.schema, rule)?, text),
            Change::Token => self.token(subject, rule, text),
        }
        .map(Sensitive::new)
    }
}

impl Alteration {
    /// What identifies is linked by its value, so that two records with one address meet. Of everything else equal values would tell who is
    /// alike, so the subject goes in as well.
    fn token(
        &self,
        subject: Option<SubjectId>,
        rule: &AttributeRule,
        text: &str,
    ) -> Option<String> {
        let mut said = hmac::Context::with_key(&self.tokens);
        said.update(b"privity token v1");
        said.update(&rule.number.0.to_be_bytes());
        if rule.identifier.is_none() && !rule.identifies {
            said.update(subject?.uuid().as_bytes());
        }
        said.update(text.as_bytes());
        let tag = said.sign();
        let half = tag.as_ref().get(..16)?;
        Some(format!("tok_{}", URL_SAFE_NO_PAD.encode(half)))
    }

    fn shown(&self, manner: Manner, text: &str) -> Option<String> {
        match manner {
            Manner::Email => masked_email(text),
            Manner::LastDigits => last_digits(text),
            Manner::FirstLetter => first_letter(text),
            Manner::PostalPrefix => first_three(text),
            Manner::CityOfText => city_of_text(text),
            Manner::CityOfDocument => city_of_document(text),
            Manner::Year => year(text),
            Manner::Step => step(text),
            Manner::AgeBand => self.age_band(text),
        }
    }

    /// Ten years each; minors and whoever is older than 89 as one.
    fn age_band(&self, text: &str) -> Option<String> {
        let born: Date = text.parse().ok()?;
        let had_birthday = (self.today.month(), self.today.day()) >= (born.month(), born.day());
        let years = self.today.year() - born.year() - i16::from(!had_birthday);
        match years {
            ..0 => None,
            0..18 => Some("0-17".to_owned()),
            18..20 => Some("18-19".to_owned()),
            20..90 => Some(format!("{}-{}", years / 10 * 10, years / 10 * 10 + 9)),
            90.. => Some("90+".to_owned()),
        }
    }
}

/// `m***@example.org`. Of a name of one letter none is left.
fn masked_email(text: &str) -> Option<String> {
    let (name, host) = text.rsplit_once('@')?;
    let mut letters = name.chars();
    let first = letters.next()?;
    let is_longer = letters.next().is_some();
    let shown = if is_longer {
        first.to_string()
    } else {
        String::new()
    };
    (!host.is_empty()).then(|| format!("{shown}***@{host}"))
}

/// `***1234`.
fn last_digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let hidden = digits.len().checked_sub(LAST)?;
    if digits.len() < LEAST_DIGITS {
        return None;
    }
    digits.get(hidden..).map(|shown| format!("***{shown}"))
}

/// `M***`.
fn first_letter(text: &str) -> Option<String> {
    let mut letters = text.chars();
    let first = letters.next()?;
    letters.next()?;
    Some(format!("{first}***"))
}

fn first_three(text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().filter(|one| one.is_alphanumeric()).collect();
    let (first, rest) = letters.split_at_checked(3)?;
    (!rest.is_empty()).then(|| format!("{}**", first.iter().collect::<String>()))
}

fn city_of_document(text: &str) -> Option<String> {
    let address: serde_json::Value = serde_json::from_str(text).ok()?;
    let names = ["city", "locality", "town"].into_iter();
    let mut found = names.filter_map(|name| address.get(name)?.as_str());
    found.next().map(str::to_owned)
}

/// The last part without a number, where there are three parts or more: with fewer nobody knows whether it names the street.
fn city_of_text(text: &str) -> Option<String> {
    let parts: Vec<_> = text.split([',', '\n']).map(str::trim).collect();
    let beyond_street = parts.get(1..).filter(|rest| rest.len() >= 2)?;
    let has_digit = |part: &str| part.chars().any(|one| one.is_numeric());
    let mut named = beyond_street.iter().rev();
    named
        .find(|part| !part.is_empty() && !has_digit(part) && part.chars().count() > 2)
        .map(|part| (*part).to_owned())
}

fn year(text: &str) -> Option<String> {
    let year = text.get(..4)?;
    let is_year = year.bytes().all(|byte| byte.is_ascii_digit()) && text.get(4..5)? == "-";
    is_year.then(|| year.to_owned())
}

/// As rough as its first digit: `300-399` for 342, `0-9` for 7.
fn step(text: &str) -> Option<String> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let number: u64 = whole.parse().ok()?;
    let digits = u32::try_from(number.to_string().len()).ok()?;
    let step = 10u64.checked_pow(digits.saturating_sub(1).max(1))?;
    let least = number / step * step;
    Some(format!("{least}-{}", least.checked_add(step - 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_a_piece_and_nothing_of_what_is_too_short() {
        assert_eq!(
            masked_email("maria@example.org").as_deref(),
            Some("m***@example.org")
        );
        assert_eq!(
            masked_email("m@example.org").as_deref(),
            Some("***@example.org")
        );
        assert_eq!(masked_email("nobody"), None);
        assert_eq!(last_digits("+1 415 555 0134").as_deref(), Some("***0134"));
        assert_eq!(last_digits("1234567"), None);
        assert_eq!(first_letter("Maria").as_deref(), Some("M***"));
        assert_eq!(first_letter("M"), None);
    }

    #[test]
    fn what_is_coarser_never_holds_the_value() {
        assert_eq!(year("1999-12-31").as_deref(), Some("1999"));
        assert_eq!(year("19991231"), None);
        for (exact, rough) in [
            ("342", "300-399"),
            ("7.50", "0-9"),
            ("10", "10-19"),
            ("19999.99", "10000-19999"),
        ] {
            assert_eq!(step(exact).as_deref(), Some(rough));
        }
        assert_eq!(step("-5"), None);
        assert_eq!(first_three("94103").as_deref(), Some("941**"));
        assert_eq!(first_three("941"), None);
    }
}
