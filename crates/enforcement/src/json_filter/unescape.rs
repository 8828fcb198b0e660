//! A JSON text, already validated, as the text that it means.

use domain::sensitive::Sensitive;

/// Appends what the inside of a text means. `None` when an escape is half of a surrogate pair: readers differ in what they take that for.
pub(super) fn unescape(raw: &[u8], into: &mut Vec<u8>) -> Option<()> {
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at_checked(at)?;
        into.extend_from_slice(before);
        rest = one(escape, into)?;
    }
    into.extend_from_slice(rest);
    Some(())
}

/// A value as the text that it means: a text, a number or a truth value. `None` for lists, objects, `null`, and half characters.
pub(super) fn scalar(raw: &[u8]) -> Option<Sensitive<String>> {
    let text = match raw {
        [b'"', inside @ .., b'"'] => {
            // No escape is shorter than what it means, so that this never grows.
            let mut text = Vec::with_capacity(inside.len());
            unescape(inside, &mut text)?;
            text
        }
        [b'-' | b'0'..=b'9' | b't' | b'f', ..] => raw.to_vec(),
        _ => return None,
    };
    String::from_utf8(text).ok().map(Sensitive::new)
}

fn one<'a>(escape: &'a [u8], into: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (two, rest) = escape.split_first_chunk::<2>()?;
    let [_, kind] = *two;
    let byte = match kind {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return character(rest, into),
        same => same,
    };
    into.push(byte);
    Some(rest)
}

fn character<'a>(digits: &'a [u8], into: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (first, rest) = unit(digits)?;
    let (code, rest) = match first {
        0xd800..=0xdbff => {
            let (second, rest) = unit(rest.strip_prefix(b"\\u")?)?;
            let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            (0x1_0000 + ((first - 0xd800) << 10) + low, rest)
        }
        code => (code, rest),
    };
    let character = char::from_u32(code)?;
    into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(rest)
}

fn unit(digits: &[u8]) -> Option<(u32, &[u8])> {
    let (four, rest) = digits.split_first_chunk::<4>()?;
    let four = std::str::from_utf8(four).ok()?;
    Some((u32::from_str_radix(four, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::scalar;

    #[test]
    fn a_text_means_what_serde_json_reads() {
        for raw in [
            r#""""#,
            r#""plain""#,
            r#""\u0065mail""#,
            r#""a\"b\\c\/d\b\f\n\r\te""#,
            r#""\ud83d\ude00 \u00E9 é""#,
            r#""\u0000""#,
        ] {
            let expected: String = serde_json::from_str(raw).unwrap();
            assert!(
                *scalar(raw.as_bytes()).unwrap().expose() == expected,
                "{raw}"
            );
        }
        for raw in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83d\u0041""#,
            r#""\ud83dx""#,
        ] {
            assert!(serde_json::from_str::<String>(raw).is_err());
            assert!(scalar(raw.as_bytes()).is_none(), "{raw}");
        }
    }

    #[test]
    fn only_one_value_is_read() {
        for raw in ["null", "[1]", "{}"] {
            assert!(scalar(raw.as_bytes()).is_none());
        }
        assert!(scalar(b"-1.50e3").unwrap().expose() == "-1.50e3");
        assert!(scalar(b"true").unwrap().expose() == "true");
    }
}
