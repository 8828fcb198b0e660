//! Blind index: a keyed hash of an identifier, so that an identifier can be found again without being kept.
//!
//! The suppression list and the limits on repeated requests use it. Without the key file, a copy of the database says
//! nothing about whose identifiers these are, not even to somebody who tries every address there is.

use aws_lc_rs::hmac;
use domain::data_map::IdentifierKind;
use domain::sensitive::Sensitive;

use super::key_ring::KeyRing;

/// Version of [`normalise`]; part of every tag, so that a changed rule can never match by accident.
const NORMALISATION: u8 = 1;

/// The key of one kind of identifier, ready to make tags: for whoever makes many.
pub struct BlindKey {
    kind: IdentifierKind,
    key: hmac::Key,
}

impl KeyRing {
    /// The tag of an identifier: the first 16 bytes of HMAC-SHA-256 under a key of its own for each kind.
    pub fn blind_tag(&self, kind: &IdentifierKind, value: &Sensitive<String>) -> [u8; 16] {
        self.blind_key(kind).tag(value)
    }

    /// The key behind [`KeyRing::blind_tag`].
    pub fn blind_key(&self, kind: &IdentifierKind) -> BlindKey {
        let derived = self.derived(&format!("blind index|{}", kind.0));
        BlindKey {
            kind: kind.clone(),
            key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_slice()),
        }
    }
}

impl BlindKey {
    /// The tag of an identifier, as [`KeyRing::blind_tag`] makes it.
    pub fn tag(&self, value: &Sensitive<String>) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[NORMALISATION]);
        context.update(normalise(&self.kind, value).expose().as_bytes());
        let tag = context.sign();
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }
}

/// One text for one identifier, however it was typed.
///
/// * `email`: trimmed, lower case. Not NFKC and not IDNA: an address typed with other code points for the same letters has
///   another tag, so both forms go on the list where a business has such customers.
/// * `phone`: digits only, without a leading `00`; ten digits are taken as a number of the North American plan.
/// * anything else: trimmed.
pub fn normalise(kind: &IdentifierKind, value: &Sensitive<String>) -> Sensitive<String> {
    let text = value.expose().trim();
    Sensitive::new(match kind.0.as_str() {
        "email" => text.to_lowercase(),
        "phone" => normalise_phone(text),
        _ => text.to_owned(),
    })
}

fn normalise_phone(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let international = text.trim_start().starts_with('+');
    match digits.strip_prefix("00") {
        Some(rest) if !international => rest.to_owned(),
        _ if digits.len() == 10 && !international => format!("1{digits}"),
        _ => digits,
    }
}
