//! `GET /privity.js`: the page script, sent without its comments.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

const SOURCE: &str = include_str!("../../../static/privity.js");

/// What is sent, and its tag: the same text has the same tag on every machine of the same version.
static SENT: LazyLock<(String, String)> = LazyLock::new(|| {
    let text = stripped(SOURCE);
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    (text, format!("\"{:016x}\"", hasher.finish()))
});

/// `GET /privity.js`. An hour in caches: a new version reaches every page within it.
pub(super) async fn script(headers: HeaderMap) -> Response {
    let (text, tag) = &*SENT;
    let is_known = headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        text.as_str().into_response()
    };
    let fixed = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (CACHE_CONTROL, "public, max-age=3600"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(ETAG, tag);
    }
    response
}

/// The source without indentation, empty lines and lines that are comments. Comments stand on lines of their own.
fn stripped(source: &str) -> String {
    let lines = source.lines().map(str::trim);
    let kept: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .collect();
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::{Cursor, Write};

    use super::*;

    #[test]
    fn the_script_is_smaller_than_six_kilobytes_compressed() {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated);
        archive.start_file("privity.js", options).unwrap();
        archive.write_all(SENT.0.as_bytes()).unwrap();
        // Deflated as gzip does it; the archive's frame is larger than gzip's.
        let size = archive.finish().unwrap().into_inner().len();
        assert!(size < 6_000, "{size} bytes");
    }

    #[test]
    fn what_is_sent_has_no_comments_and_all_of_the_code() {
        assert!(!SENT.0.contains("\n//") && !SENT.0.contains("\n\n"));
        assert!(SENT.0.starts_with("(() => {") && SENT.0.ends_with("})();"));
    }

    #[test]
    fn the_signal_is_read_before_anything_else() {
        let second = SENT.0.lines().nth(2).unwrap();
        assert_eq!(second, "const signal = !!navigator.globalPrivacyControl;");
    }
}
