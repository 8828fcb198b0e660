//! Who calls: a credential in the headers becomes a recipient, and the purpose that it declares beside it.

use domain::purpose_of_use::PurposeKey;
use governance::Problem;
use governance::disclosure::{Caller, Credential, Door, recipient_for};
use hyper::HeaderMap;
use hyper::header::HeaderName;

use crate::Gateway;
use crate::answer::Refusal;
use crate::bearer::bearer;
use crate::tls::Fingerprint;

/// What the recipient declares to want the data for; a key that is for one purpose alone needs none.
const PURPOSE: &str = "x-privity-purpose";

/// Finds out who calls; `shown` is the certificate of the connection.
///
/// # Errors
/// One and the same 401 for every credential that doesn't hold.
pub(crate) async fn identify(
    gateway: &Gateway,
    shown: Option<Fingerprint>,
    headers: &HeaderMap,
    door: Door,
) -> Result<Caller, Refusal> {
    let (key, certificate) = (bearer(headers), gateway.certificate(shown, headers));
    let credential = match (&key, &certificate) {
        (Some(key), None) => Credential::Bearer(key),
        (None, Some(certificate)) => Credential::Certificate(certificate),
        // Of two, nobody knows which one counts.
        _ => return Err(unknown()),
    };
    let purpose = purpose(headers)?;
    let caller = recipient_for(&gateway.privity, &credential, purpose.as_ref(), door).await;
    caller.map_err(|problem| match problem.status {
        401 => unknown(),
        _ => problem.into(),
    })
}

fn purpose(headers: &HeaderMap) -> Result<Option<PurposeKey>, Refusal> {
    let mut values = headers.get_all(PURPOSE).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (value.to_str(), values.next()) {
        (Ok(purpose), None) => Ok(Some(PurposeKey::from(purpose))),
        _ => Err(unknown()),
    }
}

/// The SHA-256 of a certificate, in hexadecimal, once.
pub(crate) fn fingerprint(headers: &HeaderMap, name: &HeaderName) -> Option<Fingerprint> {
    let mut values = headers.get_all(name).iter();
    let text = values.next()?.to_str().ok()?;
    let is_hash = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_hash || values.next().is_some() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

fn unknown() -> Refusal {
    Problem::new(
        "sign_in_refused",
        401,
        "this call needs a recipient's key that is valid now and for this purpose; send it as `Authorization: Bearer KEY`, with its purpose as `X-Privity-Purpose`",
    )
    .into()
}
