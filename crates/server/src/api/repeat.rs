//! The `Idempotency-Key` of a call; what it means is kept by `governance::privacy_request::repeat`.
//!
//! Source: draft-ietf-httpapi-idempotency-key-header-07.

use axum::http::HeaderMap;
use domain::sensitive::Sensitive;
use governance::Problem;

/// The longest key, as clients use a UUID.
const LONGEST: usize = 255;

/// The key of a call, with or without the quotes that the draft puts around it; `None` when it has none.
///
/// # Errors
/// `idempotency_key_invalid` for one that can't be compared: a call that meant to be safe must not pass for one without a key.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<Sensitive<String>>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let text = key.to_str().unwrap_or_default().trim_matches('"');
    if text.is_empty() || text.len() > LONGEST || keys.next().is_some() {
        return Err(Problem::new(
            "idempotency_key_invalid",
            400,
            format!(
                "send one `Idempotency-Key` of 1 to {LONGEST} visible ASCII characters; use a UUID"
            ),
        ));
    }
    Ok(Some(Sensitive::new(text.to_owned())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use axum::http::HeaderValue;

    use super::*;

    fn sent(keys: &[&[u8]]) -> HeaderMap {
        let headers = keys.iter().map(|key| {
            let value = HeaderValue::from_bytes(key).unwrap();
            ("idempotency-key".parse().unwrap(), value)
        });
        headers.collect()
    }

    #[test]
    fn a_key_is_the_same_with_and_without_quotes() {
        let (quoted, bare) = (key(&sent(&[b"\"8e03\""])), key(&sent(&[b"8e03"])));
        assert!(quoted.unwrap() == bare.unwrap());
        assert!(key(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn a_key_that_cannot_be_compared_is_refused_and_not_passed_over() {
        let long = [b'k'; LONGEST + 1];
        for keys in [
            &[&b""[..]][..],
            &[b"\"\""],
            &[b"caf\xe9"],
            &[&long],
            &[b"a", b"b"],
        ] {
            let refused = key(&sent(keys)).err().unwrap();
            assert_eq!(refused.code, "idempotency_key_invalid");
        }
    }
}
