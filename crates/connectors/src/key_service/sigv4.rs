//! AWS Signature Version 4, for calls whose path is `/` and that have no query: what KMS takes.
//!
//! Source: AWS, "Create a signed AWS API request" (IAM User Guide); known answers from AWS's published test suite.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use domain::sensitive::Sensitive;
use jiff::Timestamp;
use zeroize::Zeroizing;

/// Who signs.
pub(super) struct Credentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Sensitive<String>,
    pub(super) session_token: Option<Sensitive<String>>,
}

/// One call to be signed.
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// Names in lower case, in order, `x-amz-date` and `host` among them.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
    pub(super) at: Timestamp,
}

/// A moment as `x-amz-date` says it.
pub(super) fn amz_date(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

impl Call<'_> {
    /// The `Authorization` header.
    pub(super) fn authorization(&self, credentials: &Credentials) -> String {
        let signature =
            hex(hmac::sign(&self.signing_key(credentials), self.to_sign().as_bytes()).as_ref());
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
            credentials.access_key_id,
            self.scope(),
            self.signed_headers()
        )
    }

    fn to_sign(&self) -> String {
        let canonical = hex(digest(&SHA256, self.canonical().as_bytes()).as_ref());
        format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{canonical}",
            amz_date(self.at),
            self.scope()
        )
    }

    fn canonical(&self) -> Zeroizing<String> {
        let headers: String = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        let body = hex(digest(&SHA256, self.body).as_ref());
        Zeroizing::new(format!(
            "{}\n/\n\n{headers}\n{}\n{body}",
            self.method,
            self.signed_headers()
        ))
    }

    fn signed_headers(&self) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        names.join(";")
    }

    fn scope(&self) -> String {
        let day = self.at.strftime("%Y%m%d");
        format!("{day}/{}/{}/aws4_request", self.region, self.service)
    }

    fn signing_key(&self, credentials: &Credentials) -> hmac::Key {
        let secret = Zeroizing::new(format!("AWS4{}", credentials.secret_access_key.expose()));
        let day = self.at.strftime("%Y%m%d").to_string();
        let parts = [day.as_str(), self.region, self.service, "aws4_request"];
        let first = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        parts.iter().fold(first, |key, part| {
            hmac::Key::new(
                hmac::HMAC_SHA256,
                hmac::sign(&key, part.as_bytes()).as_ref(),
            )
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn credentials(session_token: Option<&str>) -> Credentials {
        Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Sensitive::new(
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            ),
            session_token: session_token.map(|token| Sensitive::new(token.to_owned())),
        }
    }

    fn signature(method: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
        let call = Call {
            method,
            region: "us-east-1",
            service: "service",
            headers,
            body,
            at: "2015-08-30T12:36:00Z".parse().unwrap(),
        };
        let header = call.authorization(&credentials(None));
        header.rsplit_once('=').unwrap().1.to_owned()
    }

    const HOST: (&str, &str) = ("host", "example.amazonaws.com");
    const DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");

    // get-vanilla, post-vanilla, get-vanilla-with-session-token and post-x-www-form-urlencoded of AWS's signing test suite.
    #[test]
    fn the_published_signatures_come_out() {
        assert_eq!(
            signature("GET", &[HOST, DATE], b""),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        assert_eq!(
            signature("POST", &[HOST, DATE], b""),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        assert_eq!(
            signature("GET", &[HOST, DATE, ("x-amz-security-token", token)], b""),
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
        );
        let hash = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
        let headers = [
            ("content-length", "13"),
            ("content-type", "application/x-www-form-urlencoded"),
            HOST,
            ("x-amz-content-sha256", hash),
            DATE,
        ];
        assert_eq!(
            signature("POST", &headers, b"Param1=value1"),
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"
        );
    }

    #[test]
    fn the_header_names_scope_and_signed_headers() {
        let call = Call {
            method: "GET",
            region: "us-east-1",
            service: "service",
            headers: &[HOST, DATE],
            body: b"",
            at: "2015-08-30T12:36:00Z".parse().unwrap(),
        };
        let header = call.authorization(&credentials(None));
        assert!(
            header.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature="
            ),
            "{header}"
        );
    }
}
