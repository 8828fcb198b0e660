//! How a value is altered where only a piece of it, or something coarser, may go out: what the schema says of the attribute decides. Whoever alters
//! values, in the vault or in a view of the business's own database, asks here, so that both show the same.

use super::{AttributeRule, Schema};
use crate::data_map::ValueKind;
use crate::disclosure::is_within;
use crate::identity::IdentifierRule;

/// One way of telling less than the whole value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Manner {
    /// `m***@example.org`.
    Email,
    /// `***1234`, of eight letters and digits or more.
    LastDigits,
    /// `M***`.
    FirstLetter,
    /// The first three characters of a postal code (45 CFR 164.514(b)(2)(i)(B)).
    PostalPrefix,
    /// The city of an address in one text.
    CityOfText,
    /// The city of an address that is a JSON document.
    CityOfDocument,
    /// The year of a day or moment.
    Year,
    /// As rough as its first digit: `300-399`.
    Step,
    /// Ten years of age; minors as one, and whoever is older than 89 (45 CFR 164.514(b)(2)(i)(C)).
    AgeBand,
}

/// How a piece of a value is shown; `None` where every piece would tell too much, and nothing goes out.
pub fn masked(rule: &AttributeRule) -> Option<Manner> {
    let identifier = rule.identifier.as_ref().map(|one| one.rule);
    let is = |above: &str| is_within(&rule.category, above);
    if identifier == Some(IdentifierRule::Email) || is("user.contact.email") {
        return Some(Manner::Email);
    }
    let is_number = identifier == Some(IdentifierRule::Phone)
        || is("user.contact.phone_number")
        || is("user.contact.fax_number")
        || is("user.financial")
        || is("user.payment")
        || rule.kind == ValueKind::Integer;
    if is_number {
        return Some(Manner::LastDigits);
    }
    (rule.kind == ValueKind::Text).then_some(Manner::FirstLetter)
}

/// What is coarser than a value; `None` where nothing is known to be, and nothing goes out.
pub fn coarser(schema: &Schema, rule: &AttributeRule) -> Option<Manner> {
    let birth_date = schema.birth_date();
    if birth_date.is_some_and(|birth_date| birth_date.number == rule.number) {
        return Some(Manner::AgeBand);
    }
    if is_within(&rule.category, "user.contact.address.postal_code") {
        return Some(Manner::PostalPrefix);
    }
    if is_within(&rule.category, "user.contact.address") {
        return match rule.kind {
            _ if rule.category == "user.contact.address.city" => None,
            ValueKind::Json => Some(Manner::CityOfDocument),
            _ => Some(Manner::CityOfText),
        };
    }
    match rule.kind {
        ValueKind::Date | ValueKind::Timestamp => Some(Manner::Year),
        ValueKind::Integer | ValueKind::Decimal => Some(Manner::Step),
        _ => None,
    }
}
