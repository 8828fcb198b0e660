//! The key or token in `Authorization: Bearer KEY` (RFC 6750, section 2.1), read the same way at every door.

use domain::sensitive::Sensitive;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// What came as `Bearer`. `None` without one, and with two: of those, nobody knows which one counts. The scheme's name may be in capitals
/// or not (RFC 9110, section 11.1).
pub fn bearer(headers: &HeaderMap) -> Option<Sensitive<String>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    let key = key.trim();
    let is_key = scheme.eq_ignore_ascii_case("bearer") && !key.is_empty();
    is_key.then(|| Sensitive::new(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn read(values: &[&'static str]) -> Option<Sensitive<String>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        bearer(&headers)
    }

    #[test]
    fn a_key_is_read_whatever_the_case_of_its_scheme() {
        let one = Some(Sensitive::new("one".to_owned()));
        for value in ["Bearer one", "bearer one", "BEARER   one "] {
            assert!(read(&[value]) == one, "{value}");
        }
        assert!(read(&["Bearer two"]) != one);
    }

    #[test]
    fn no_key_an_empty_one_another_scheme_and_two_keys_are_none() {
        for values in [
            &[][..],
            &["Bearer"],
            &["Bearer  "],
            &["Basic one"],
            &["one"],
            &["Bearer one", "Bearer one"],
        ] {
            assert!(read(values).is_none(), "{values:?}");
        }
    }
}
