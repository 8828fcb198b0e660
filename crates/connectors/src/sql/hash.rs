//! The keyed hash that takes a value's place where a column wants unique values: HMAC-SHA-256, the same on every engine, so
//! that equal values stay equal across source systems and nobody can tell which they were.

use aws_lc_rs::hmac;

/// What is written before the digits.
const PREFIX: &str = "erased-";

/// The engines hash blocks of this size; a longer key is hashed first (RFC 2104).
const BLOCK: usize = 64;

/// The shape of hashed values in a column of limited length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) prefix: &'static str,
    pub(crate) digits: usize,
}

/// `erased-` and as many digits as fit; in short columns less of the word rather than fewer than eight digits, since fewer
/// would soon collide.
pub(crate) fn shape(max_length: u32) -> Shape {
    let length = usize::try_from(max_length).unwrap_or(usize::MAX).max(2);
    let word = length.saturating_sub(8).clamp(1, PREFIX.len());
    let prefix = PREFIX.get(PREFIX.len() - word..).unwrap_or(PREFIX);
    Shape {
        prefix,
        digits: (length - word).min(64),
    }
}

impl Shape {
    /// A regular expression for values that have been hashed already.
    pub(crate) fn pattern(self) -> String {
        format!("^{}[0-9a-f]{{{}}}$", self.prefix, self.digits)
    }
}

/// The first digits of a value's HMAC-SHA-256.
pub(crate) fn digits(key: &[u8], text: &[u8], count: usize) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let mut digits = hex(tag.as_ref());
    digits.truncate(count);
    digits
}

/// The key's inner and outer block, for engines that know SHA-256 but not HMAC.
pub(crate) fn blocks(key: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let digest;
    let key = if key.len() > BLOCK {
        digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key);
        digest.as_ref()
    } else {
        key
    };
    let block = |pad: u8| {
        (0..BLOCK)
            .map(|place| key.get(place).copied().unwrap_or(0) ^ pad)
            .collect()
    };
    (block(0x36), block(0x5c))
}

/// Bytes as hexadecimal digits in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_its_column_and_keeps_enough_digits() {
        for length in [2, 5, 9, 10, 15, 39, 71, 4000] {
            let shape = shape(length);
            assert!(shape.prefix.len() + shape.digits <= usize::try_from(length).unwrap_or(0));
            assert!(shape.prefix.ends_with('-') && (length < 9 || shape.digits >= 8));
            assert_eq!(
                digits(b"key", b"ann@example.com", shape.digits).len(),
                shape.digits
            );
        }
        assert_eq!(
            shape(39),
            Shape {
                prefix: "erased-",
                digits: 32
            }
        );
    }

    #[test]
    fn the_blocks_make_the_same_hmac() {
        let digest = |bytes: &[u8]| {
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes)
                .as_ref()
                .to_vec()
        };
        for key in [&b"short"[..], &[7; 100]] {
            let (inner, outer) = blocks(key);
            let by_hand = digest(&[outer, digest(&[inner, b"text".to_vec()].concat())].concat());
            assert_eq!(
                hex(&by_hand),
                hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"text").as_ref())
            );
        }
    }
}
