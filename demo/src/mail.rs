//! Reads a mail as it came over the wire (RFC 5322, MIME): as much as the demo's mailbox needs to show it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A mail that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// To whom, by the envelope.
    pub to: String,
    /// The sender as it stands in the head.
    pub from: String,
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub text: String,
}

impl Mail {
    /// Reads a mail that was handed over for `to`.
    pub fn read(to: &str, raw: &str) -> Self {
        let (head, body) = split(raw);
        let header = |name: &str| decoded_words(&value_of(&head, name));
        Self {
            to: to.to_owned(),
            from: header("from"),
            subject: header("subject"),
            text: plain_text(&head, body),
        }
    }

    /// The code of six digits that stands on a line of its own.
    pub fn code(&self) -> Option<&str> {
        self.text
            .lines()
            .map(str::trim)
            .find(|line| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// The first link that begins with `start`.
    pub fn link(&self, start: &str) -> Option<&str> {
        let from = self.text.get(self.text.find(start)?..)?;
        from.split(|character: char| {
            character.is_whitespace() || matches!(character, '<' | '>' | '"')
        })
        .next()
    }
}

/// Head and body; folded lines of the head are put together.
fn split(raw: &str) -> (Vec<(String, String)>, &str) {
    let (head, body) = raw.split_once("\r\n\r\n").unwrap_or((raw, ""));
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let fields = unfolded
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    (fields.collect(), body)
}

fn value_of(head: &[(String, String)], name: &str) -> String {
    head.iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.clone())
        .unwrap_or_default()
}

fn plain_text(head: &[(String, String)], body: &str) -> String {
    let kind = value_of(head, "content-type");
    if let Some(boundary) = kind
        .to_ascii_lowercase()
        .starts_with("multipart/")
        .then(|| boundary(&kind))
        .flatten()
    {
        let delimiter = format!("--{boundary}");
        let parts = body
            .split(delimiter.as_str())
            .skip(1)
            .filter(|part| !part.starts_with("--"));
        let mut read = parts.map(|part| split(part.trim_start_matches("\r\n")));
        return read
            .find(|(head, _)| value_of(head, "content-type").starts_with("text/plain"))
            .map(|(head, body)| plain_text(&head, body))
            .unwrap_or_default();
    }
    let text = match value_of(head, "content-transfer-encoding")
        .to_ascii_lowercase()
        .as_str()
    {
        "base64" => BASE64_STANDARD
            .decode(body.split_whitespace().collect::<String>())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default(),
        "quoted-printable" => {
            String::from_utf8_lossy(&quoted_printable(&body.replace("=\r\n", ""), false))
                .into_owned()
        }
        _ => body.to_owned(),
    };
    text.replace("\r\n", "\n")
}

fn boundary(kind: &str) -> Option<String> {
    let from = kind.get(kind.find("boundary=")? + "boundary=".len()..)?;
    Some(
        from.trim_start_matches('"')
            .split(['"', ';', ' '])
            .next()?
            .to_owned(),
    )
}

/// Bytes of a text in which `=C3` stands for one; in a subject line `_` stands for a blank (RFC 2047).
fn quoted_printable(text: &str, is_word: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let hexadecimal = rest
            .get(1..3)
            .filter(|_| first == '=')
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let taken = match hexadecimal {
            Some(byte) => {
                bytes.push(byte);
                3
            }
            None => {
                let shown = if is_word && first == '_' { ' ' } else { first };
                bytes.extend_from_slice(shown.encode_utf8(&mut [0; 4]).as_bytes());
                first.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    bytes
}

/// A header's value with its encoded words (`=?utf-8?q?…?=`) as they are meant.
fn decoded_words(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, word)) = rest.split_once("=?") {
        let mut parts = word.splitn(4, '?');
        let (Some(_), Some(encoding), Some(content), Some(after)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            break;
        };
        let bytes = if encoding.eq_ignore_ascii_case("b") {
            BASE64_STANDARD.decode(content).unwrap_or_default()
        } else {
            quoted_printable(content, true)
        };
        // Blanks between two encoded words only separate them.
        text.push_str(if before.trim().is_empty() && !text.is_empty() {
            ""
        } else {
            before
        });
        text.push_str(&String::from_utf8_lossy(&bytes));
        rest = after.strip_prefix('=').unwrap_or(after);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn encoded_words_and_quoted_texts_are_read_as_they_are_meant() {
        let raw = "From: Desk <a@b.example>\r\nSubject: =?utf-8?q?Caf=C3=A9_?=\r\n =?utf-8?b?w6k=?= x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nIt=E2=80=99s a very =\r\nlong line\r\n\r\n    123456\r\n";
        let mail = Mail::read("x@y.example", raw);
        assert_eq!(mail.subject, "Café é x");
        assert_eq!(mail.text, "It’s a very long line\n\n    123456\n");
        assert_eq!(mail.code(), Some("123456"));
    }

    #[test]
    fn of_a_mail_in_two_forms_the_plain_one_is_shown() {
        let raw = "Content-Type: multipart/alternative;\r\n boundary=\"xyz\"\r\n\r\n--xyz\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGo to http://127.0.0.1:1/outreach/ab now\r\n--xyz\r\nContent-Type: text/html\r\n\r\n<p>no</p>\r\n--xyz--\r\n";
        let mail = Mail::read("x@y.example", raw);
        assert_eq!(
            mail.link("http://127.0.0.1:1/outreach/"),
            Some("http://127.0.0.1:1/outreach/ab")
        );
        assert!(!mail.text.contains("<p>"));
    }
}
