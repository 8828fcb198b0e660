//! Bookmarks: where the reading of a source system goes on. A bookmark may hold the key of a row, which may be a customer number, so it is
//! sealed like any value; it is about nobody, goes back to the same source system and nowhere else, and so needs no permit.

use domain::rng::Rng;
use domain::sensitive::Sensitive;

use super::key_ring::KeyRing;
use super::open::{decrypt, unpadded_slice};
use super::seal::{VaultError, encrypt, joined, padded};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// There is one key for all bookmarks; it goes with the root.
const VERSION: u32 = 1;

impl KeyRing {
    /// Seals a bookmark for the reading that it belongs to; gives the envelope in base64.
    ///
    /// # Errors
    /// [`VaultError::TooLong`] above 4 GiB.
    pub fn seal_bookmark(
        &self,
        rng: &dyn Rng,
        reading: &str,
        text: &Sensitive<String>,
    ) -> Result<String, VaultError> {
        let mut body = padded(text.expose().as_bytes())?;
        let key = self.derived("bookmark");
        encrypt(&key, VERSION, rng, &data(reading), &mut body).map(|sealed| STANDARD.encode(sealed))
    }

    /// Opens what [`KeyRing::seal_bookmark`] sealed for this reading. `None` where it was changed or sealed under another root: the
    /// reading then begins anew, which costs time and loses nothing.
    pub fn open_bookmark(&self, reading: &str, sealed: &str) -> Option<Sensitive<String>> {
        let sealed = STANDARD.decode(sealed).ok()?;
        let body = decrypt(&self.derived("bookmark"), VERSION, &data(reading), &sealed)?;
        let text = String::from_utf8(unpadded_slice(&body)?.to_vec()).ok()?;
        Some(Sensitive::new(text))
    }
}

fn data(reading: &str) -> Vec<u8> {
    joined(b"privity bookmark v1", &[reading])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    struct Counting;
    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn a_bookmark_opens_only_for_its_own_reading_and_shows_nothing() {
        let ring = KeyRing::generate(&Counting);
        let text = Sensitive::new("customer 4711".to_owned());
        let sealed = ring
            .seal_bookmark(&Counting, "shop.customer", &text)
            .unwrap();
        assert!(!String::from_utf8_lossy(&STANDARD.decode(&sealed).unwrap()).contains("4711"));
        assert!(ring.open_bookmark("shop.customer", &sealed).unwrap() == text);
        assert!(ring.open_bookmark("crm.contact", &sealed).is_none());
        assert!(ring.open_bookmark("shop.customer", &sealed[4..]).is_none());
        assert!(ring.open_bookmark("shop.customer", "no base64").is_none());
    }
}
