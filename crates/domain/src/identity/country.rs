//! How phone numbers are dialled in a country: what E.164 needs to know to write a national number in full.
//!
//! Facts of ITU-T E.164 and E.123 and of the national numbering plans, from memory. A table of our own: the libraries for phone
//! numbers carry the formats of every carrier and a regular-expression engine, and an identifier needs neither.

/// A country whose national numbers can be written in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166 code.
    code: &'static str,
    /// E.164 country code.
    pub(super) calling: &'static str,
    /// Dialled before a national number, and not part of it.
    pub(super) trunk: &'static str,
    /// Dialled before a foreign number.
    pub(super) international: &'static str,
    /// Shortest and longest national number, in digits.
    pub(super) digits: (usize, usize),
}

const fn country(
    code: &'static str,
    calling: &'static str,
    trunk: &'static str,
    international: &'static str,
    digits: (usize, usize),
) -> Country {
    Country {
        code,
        calling,
        trunk,
        international,
        digits,
    }
}

const COUNTRIES: [Country; 42] = [
    country("US", "1", "1", "011", (10, 10)),
    country("CA", "1", "1", "011", (10, 10)),
    country("PR", "1", "1", "011", (10, 10)),
    country("AR", "54", "0", "00", (10, 11)),
    country("AT", "43", "0", "00", (4, 13)),
    country("AU", "61", "0", "0011", (9, 9)),
    country("BE", "32", "0", "00", (8, 9)),
    country("BR", "55", "0", "00", (10, 11)),
    country("CH", "41", "0", "00", (9, 9)),
    country("CL", "56", "", "00", (9, 9)),
    country("CN", "86", "0", "00", (9, 11)),
    country("CO", "57", "", "00", (8, 10)),
    country("CZ", "420", "", "00", (9, 9)),
    country("DE", "49", "0", "00", (4, 13)),
    country("DK", "45", "", "00", (8, 8)),
    country("EE", "372", "", "00", (7, 8)),
    country("ES", "34", "", "00", (9, 9)),
    country("FI", "358", "0", "00", (5, 12)),
    country("FR", "33", "0", "00", (9, 9)),
    country("GB", "44", "0", "00", (9, 10)),
    country("GR", "30", "", "00", (10, 10)),
    country("HK", "852", "", "001", (8, 8)),
    country("IE", "353", "0", "00", (7, 10)),
    country("IL", "972", "0", "00", (8, 9)),
    country("IN", "91", "0", "00", (10, 10)),
    // Italy's leading 0 is part of the number.
    country("IT", "39", "", "00", (6, 11)),
    country("JP", "81", "0", "010", (9, 10)),
    country("KR", "82", "0", "00", (8, 10)),
    country("LU", "352", "", "00", (4, 11)),
    country("MX", "52", "", "00", (10, 10)),
    country("NL", "31", "0", "00", (9, 9)),
    country("NO", "47", "", "00", (8, 8)),
    country("NZ", "64", "0", "00", (8, 10)),
    country("PH", "63", "0", "00", (8, 10)),
    country("PL", "48", "", "00", (9, 9)),
    country("PT", "351", "", "00", (9, 9)),
    country("RO", "40", "0", "00", (9, 9)),
    country("SE", "46", "0", "00", (7, 10)),
    country("SG", "65", "", "000", (8, 8)),
    country("TR", "90", "0", "00", (10, 10)),
    country("UA", "380", "0", "00", (9, 9)),
    country("ZA", "27", "0", "00", (9, 9)),
];

impl Country {
    /// The country with an ISO 3166 code, e.g. `US`.
    pub fn of(code: &str) -> Option<Self> {
        COUNTRIES
            .into_iter()
            .find(|country| country.code.eq_ignore_ascii_case(code))
    }

    /// Its ISO 3166 code.
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// A country whose calling code a number in full begins with; `None` where this version knows none.
    pub(super) fn of_number(digits: &str) -> Option<Self> {
        COUNTRIES
            .into_iter()
            .find(|country| digits.starts_with(country.calling))
    }
}
