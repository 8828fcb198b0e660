//! Who is imported: a file of made-up people, thirty attributes each, values of 8 to 39 bytes.

use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Attributes in the order of the file's columns, as in profile.yaml.
pub(crate) const ATTRIBUTES: [&str; 30] = [
    "customer_number",
    "email",
    "first_name",
    "last_name",
    "language",
    "street",
    "city",
    "region",
    "postal_code",
    "country",
    "company",
    "job_title",
    "website",
    "delivery_note",
    "billing_street",
    "billing_city",
    "tier",
    "joined_on",
    "last_seen_on",
    "device",
    "browser",
    "campaign",
    "favourite_shop",
    "shoe_size",
    "colour",
    "newsletter",
    "referrer",
    "loyalty_note",
    "support_note",
    "agent_note",
];

/// The letters that values are made of.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz 01234";

/// Writes `count` people as CSV.
pub(crate) fn write_csv(to: &Path, count: u64) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(to)?);
    writeln!(out, "{}", ATTRIBUTES.join(","))?;
    for number in 0..count {
        write!(out, "{},{}", customer_number(number), email(number))?;
        for column in 2..ATTRIBUTES.len() as u64 {
            write!(out, ",{}", value(number, column))?;
        }
        writeln!(out)?;
    }
    Ok(out.flush()?)
}

/// The key that the shop has for somebody.
pub(crate) fn customer_number(number: u64) -> String {
    format!("hc-{number:010}")
}

/// Her address.
pub(crate) fn email(number: u64) -> String {
    format!("customer.{number:07}@example.net")
}

/// What stands in one column of hers: looks random, and is the same on every run.
pub(crate) fn value(number: u64, column: u64) -> String {
    let mut state = number.wrapping_mul(64).wrapping_add(column);
    let mut next = || {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let length = 8 + next() % 32;
    // A value begins and ends with a letter, so that nothing trims it.
    let letters = (0..length).map(|place| {
        let letter = (next() % 32) as usize;
        let letter = if place == 0 || place == length - 1 {
            letter % 26
        } else {
            letter
        };
        LETTERS.get(letter).copied().map_or('x', char::from)
    });
    letters.collect()
}
