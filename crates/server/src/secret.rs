//! The few places where a secret of ours leaves for the person it was made for: the link to her page, the answer that holds it, an operator's session and key.

use domain::sensitive::Sensitive;

/// The path of a tracker, which goes to the subject alone.
#[expect(
    clippy::disallowed_methods,
    reason = "the link is the subject's own; it goes into her redirect and nowhere else"
)]
pub(crate) fn tracker_path(token: &Sensitive<String>) -> String {
    format!("/requests/{}", token.expose())
}

/// The address of a guardian's page, which goes to her alone.
#[expect(
    clippy::disallowed_methods,
    reason = "the operator who confirmed her hands it to her; it goes into the answer and nowhere else"
)]
pub(crate) fn guardian_url(base_url: &str, token: &Sensitive<String>) -> String {
    format!("{base_url}/choices/child/{}", token.expose())
}

/// The value of an operator's session cookie.
#[expect(
    clippy::disallowed_methods,
    reason = "the session is the operator's own; it goes into her cookie and nowhere else"
)]
pub(crate) fn session_cookie(session: &Sensitive<String>, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!(
        "{SESSION}={}; Path=/console; HttpOnly; SameSite=Strict{secure}",
        session.expose()
    )
}

/// An operator's key, printed once when it is made.
#[expect(
    clippy::disallowed_methods,
    reason = "the key is printed once, for the operator it was made for"
)]
pub(crate) fn printed_key(key: &Sensitive<String>) -> String {
    key.expose().clone()
}

/// The answer to whoever sent in a privacy request, with the subject's link.
#[expect(
    clippy::disallowed_methods,
    reason = "governance made or released it for this caller; it goes into the answer and nowhere else"
)]
pub(crate) fn answer(body: &Sensitive<Vec<u8>>) -> Vec<u8> {
    body.expose().clone()
}

/// What somebody wrote, on the page of the operator whom the recorded permit names.
#[expect(
    clippy::disallowed_methods,
    reason = "shown to the operator whom the recorded permit names, and to nobody else"
)]
pub(crate) fn shown_text(text: &Sensitive<String>) -> String {
    text.expose().clone()
}

/// The beginning of a file of text, at most so many characters.
#[expect(
    clippy::disallowed_methods,
    reason = "shown to the operator whom the recorded permit names, and to nobody else"
)]
pub(crate) fn shown_bytes(content: &Sensitive<Vec<u8>>, longest: usize) -> String {
    let text = String::from_utf8_lossy(content.expose());
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}

/// A file on its way to the operator who asked for it.
#[expect(
    clippy::disallowed_methods,
    reason = "sent to the operator whom the recorded permit names, and to nobody else"
)]
pub(crate) fn downloaded(content: &Sensitive<Vec<u8>>) -> Vec<u8> {
    content.expose().clone()
}

/// The cookie with the random number of a browser in which a choice was made. The page script of the business's sites reads the same one
/// where both are hosts of one domain, so that it is not kept from scripts. 400 days is the longest that browsers keep one.
#[expect(
    clippy::disallowed_methods,
    reason = "the number is the browser's own; it goes into its cookie and nowhere else"
)]
pub(crate) fn device_cookie(device: &Sensitive<String>, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!(
        "{DEVICE}={}; Path=/; Max-Age=34560000; SameSite=Lax{secure}",
        device.expose()
    )
}

/// The name of the cookie of a browser's choices.
pub(crate) const DEVICE: &str = "privity_device";
/// What it holds, alone or behind the number, when the browser sent a signal that has no record yet.
pub(crate) const MARK: &str = "signal";

/// The name of the session cookie.
pub(crate) const SESSION: &str = "privity_session";
