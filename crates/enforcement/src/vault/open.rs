//! Opening: only with a recorded permit that allows this attribute of this privacy request, and only where it was sealed.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use domain::disclosure::AttributeName;
use domain::sensitive::{Sealed, Sensitive};
use zeroize::Zeroizing;

use super::seal::{FORMAT, HEADER, Place, RequestKey, VaultError, cipher};
use crate::permit::{RecordedPermit, Verdict};

impl RequestKey {
    /// Opens a sealed value.
    ///
    /// # Errors
    /// [`VaultError::NotPermitted`] unless the permit allows the place's attribute and serves this key's privacy request;
    /// [`VaultError::Damaged`] when the bytes were changed or belong to another place.
    pub fn open(
        &self,
        permit: &RecordedPermit,
        place: &Place<'_>,
        sealed: &Sealed,
    ) -> Result<Sensitive<Vec<u8>>, VaultError> {
        let name = AttributeName::Own(place.column);
        if permit.request() != Some(self.request)
            || permit.verdict(&name) != Some(&Verdict::Allowed)
        {
            return Err(VaultError::NotPermitted(name.to_string()));
        }
        let opened = decrypt(
            &self.key,
            self.version,
            &self.associated_data(place),
            sealed.envelope(),
        );
        opened
            .and_then(|body| unpadded(&body))
            .ok_or_else(|| VaultError::Damaged(name.to_string()))
    }

    /// Opens a sealed text.
    ///
    /// # Errors
    /// As [`RequestKey::open`], and [`VaultError::NotText`].
    pub fn open_text(
        &self,
        permit: &RecordedPermit,
        place: &Place<'_>,
        sealed: &Sealed,
    ) -> Result<Sensitive<String>, VaultError> {
        let bytes = self.open(permit, place, sealed)?;
        let text = std::str::from_utf8(bytes.expose())
            .map_err(|_| VaultError::NotText(AttributeName::Own(place.column).to_string()))?;
        Ok(Sensitive::new(text.to_owned()))
    }
}

/// The body of an envelope; `None` when anything about it is not as it was sealed.
pub(crate) fn decrypt(
    key: &[u8; 32],
    key_version: u32,
    aad: &[u8],
    envelope: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (header, rest) = envelope.split_at_checked(HEADER)?;
    let (version, nonce) = header.strip_prefix(&[FORMAT])?.split_first_chunk::<4>()?;
    if u32::from_be_bytes(*version) != key_version {
        return None;
    }
    let nonce = Nonce::assume_unique_for_key(<[u8; NONCE_LEN]>::try_from(nonce).ok()?);
    let mut body = Zeroizing::new(rest.to_vec());
    let length = cipher(key)
        .ok()?
        .open_in_place(nonce, Aad::from(aad), &mut body)
        .ok()?
        .len();
    body.truncate(length);
    Some(body)
}

fn unpadded(body: &[u8]) -> Option<Sensitive<Vec<u8>>> {
    unpadded_slice(body).map(|value| Sensitive::new(value.to_vec()))
}

/// The value inside an opened body, without its length and its padding.
pub(crate) fn unpadded_slice(body: &[u8]) -> Option<&[u8]> {
    let (length, rest) = body.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    rest.get(..length)
}
