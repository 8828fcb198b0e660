//! From a country and a region as somebody wrote them to the jurisdiction of law data that protects her.
//!
//! ISO 3166-1 and 3166-2:US, with the English names that people write. What is not understood is nowhere known, and then every pack protects.

use super::fact::UNKNOWN;

/// The jurisdiction of whoever lives there, e.g. `US-CA` or `EU`; [`UNKNOWN`] where it is not said or not understood. Where no country is said,
/// `default_country` is taken with a region of it.
pub fn jurisdiction_of(
    country: Option<&str>,
    region: Option<&str>,
    default_country: Option<&str>,
) -> String {
    let is_said = |text: &&str| !text.trim().is_empty();
    let (country, region) = (country.filter(is_said), region.filter(is_said));
    let country = country.or_else(|| default_country.filter(|_| region.is_some()));
    let Some(country) = country.and_then(country_code) else {
        return UNKNOWN.to_owned();
    };
    match country.as_str() {
        "US" => match region.and_then(state_code) {
            Some(state) => format!("US-{state}"),
            None => UNKNOWN.to_owned(),
        },
        code if UNION.iter().any(|(member, _)| *member == code) => "EU".to_owned(),
        _ => country,
    }
}

fn country_code(text: &str) -> Option<String> {
    let text = text.trim();
    let is = |name: &str| name.eq_ignore_ascii_case(text);
    if [
        "USA",
        "U.S.",
        "U.S.A.",
        "United States",
        "United States of America",
    ]
    .into_iter()
    .any(is)
    {
        return Some("US".to_owned());
    }
    if let Some((code, _)) = UNION.iter().find(|(_, name)| is(name)) {
        return Some((*code).to_owned());
    }
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_code.then(|| text.to_ascii_uppercase())
}

fn state_code(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let text = text.strip_prefix("US-").unwrap_or(text);
    let found = STATES
        .iter()
        .find(|(code, name)| code.eq_ignore_ascii_case(text) || name.eq_ignore_ascii_case(text));
    found.map(|(code, _)| *code)
}

/// Where the GDPR holds: the Union and, by the EEA agreement, three more.
const UNION: [(&str, &str); 30] = [
    ("AT", "Austria"),
    ("BE", "Belgium"),
    ("BG", "Bulgaria"),
    ("CY", "Cyprus"),
    ("CZ", "Czechia"),
    ("DE", "Germany"),
    ("DK", "Denmark"),
    ("EE", "Estonia"),
    ("ES", "Spain"),
    ("FI", "Finland"),
    ("FR", "France"),
    ("GR", "Greece"),
    ("HR", "Croatia"),
    ("HU", "Hungary"),
    ("IE", "Ireland"),
    ("IS", "Iceland"),
    ("IT", "Italy"),
    ("LI", "Liechtenstein"),
    ("LT", "Lithuania"),
    ("LU", "Luxembourg"),
    ("LV", "Latvia"),
    ("MT", "Malta"),
    ("NL", "Netherlands"),
    ("NO", "Norway"),
    ("PL", "Poland"),
    ("PT", "Portugal"),
    ("RO", "Romania"),
    ("SE", "Sweden"),
    ("SI", "Slovenia"),
    ("SK", "Slovakia"),
];

const STATES: [(&str, &str); 51] = [
    ("AL", "Alabama"),
    ("AK", "Alaska"),
    ("AZ", "Arizona"),
    ("AR", "Arkansas"),
    ("CA", "California"),
    ("CO", "Colorado"),
    ("CT", "Connecticut"),
    ("DE", "Delaware"),
    ("DC", "District of Columbia"),
    ("FL", "Florida"),
    ("GA", "Georgia"),
    ("HI", "Hawaii"),
    ("ID", "Idaho"),
    ("IL", "Illinois"),
    ("IN", "Indiana"),
    ("IA", "Iowa"),
    ("KS", "Kansas"),
    ("KY", "Kentucky"),
    ("LA", "Louisiana"),
    ("ME", "Maine"),
    ("MD", "Maryland"),
    ("MA", "Massachusetts"),
    ("MI", "Michigan"),
    ("MN", "Minnesota"),
    ("MS", "Mississippi"),
    ("MO", "Missouri"),
    ("MT", "Montana"),
    ("NE", "Nebraska"),
    ("NV", "Nevada"),
    ("NH", "New Hampshire"),
    ("NJ", "New Jersey"),
    ("NM", "New Mexico"),
    ("NY", "New York"),
    ("NC", "North Carolina"),
    ("ND", "North Dakota"),
    ("OH", "Ohio"),
    ("OK", "Oklahoma"),
    ("OR", "Oregon"),
    ("PA", "Pennsylvania"),
    ("RI", "Rhode Island"),
    ("SC", "South Carolina"),
    ("SD", "South Dakota"),
    ("TN", "Tennessee"),
    ("TX", "Texas"),
    ("UT", "Utah"),
    ("VT", "Vermont"),
    ("VA", "Virginia"),
    ("WA", "Washington"),
    ("WV", "West Virginia"),
    ("WI", "Wisconsin"),
    ("WY", "Wyoming"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_finds_the_law_that_protects_them() {
        let of = |country, region| jurisdiction_of(country, region, Some("US"));
        for (country, region, found) in [
            (Some("US"), Some("CA"), "US-CA"),
            (Some("United States"), Some("california"), "US-CA"),
            (None, Some("Texas"), "US-TX"),
            (Some("US"), None, "unknown"),
            (Some("US"), Some("Petaluma"), "unknown"),
            (Some("Germany"), Some("CA"), "EU"),
            (Some("no"), None, "EU"),
            (Some("GB"), None, "GB"),
            (Some("Atlantis"), None, "unknown"),
            (None, None, "unknown"),
            (Some(" "), Some(""), "unknown"),
        ] {
            assert_eq!(of(country, region), found, "{country:?} {region:?}");
        }
        assert_eq!(jurisdiction_of(None, Some("CA"), None), "unknown");
    }
}
