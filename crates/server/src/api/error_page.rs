//! What a problem's code means and what to do: the pages of docs/errors, inside the program.

use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use governance::Problem;

use crate::failure::Failure;

/// Every page by its code.
const PAGES: [(&str, &str); 55] = [
    (
        "body_too_large",
        include_str!("../../../../docs/errors/body_too_large.md"),
    ),
    (
        "callback_unreadable",
        include_str!("../../../../docs/errors/callback_unreadable.md"),
    ),
    (
        "callback_unverifiable",
        include_str!("../../../../docs/errors/callback_unverifiable.md"),
    ),
    (
        "code_expired",
        include_str!("../../../../docs/errors/code_expired.md"),
    ),
    (
        "code_locked",
        include_str!("../../../../docs/errors/code_locked.md"),
    ),
    (
        "code_wrong",
        include_str!("../../../../docs/errors/code_wrong.md"),
    ),
    (
        "consent_would_not_count",
        include_str!("../../../../docs/errors/consent_would_not_count.md"),
    ),
    (
        "cross_site",
        include_str!("../../../../docs/errors/cross_site.md"),
    ),
    (
        "database_unavailable",
        include_str!("../../../../docs/errors/database_unavailable.md"),
    ),
    (
        "disclosure_denied",
        include_str!("../../../../docs/errors/disclosure_denied.md"),
    ),
    (
        "evidence_refused",
        include_str!("../../../../docs/errors/evidence_refused.md"),
    ),
    (
        "guardian_link_ended",
        include_str!("../../../../docs/errors/guardian_link_ended.md"),
    ),
    (
        "guardian_not_confirmed",
        include_str!("../../../../docs/errors/guardian_not_confirmed.md"),
    ),
    (
        "guardian_proof_not_enabled",
        include_str!("../../../../docs/errors/guardian_proof_not_enabled.md"),
    ),
    (
        "idempotency_key_invalid",
        include_str!("../../../../docs/errors/idempotency_key_invalid.md"),
    ),
    (
        "idempotency_key_reused",
        include_str!("../../../../docs/errors/idempotency_key_reused.md"),
    ),
    (
        "identity_provider_unavailable",
        include_str!("../../../../docs/errors/identity_provider_unavailable.md"),
    ),
    (
        "identity_not_asked",
        include_str!("../../../../docs/errors/identity_not_asked.md"),
    ),
    (
        "internal",
        include_str!("../../../../docs/errors/internal.md"),
    ),
    (
        "invalid_value",
        include_str!("../../../../docs/errors/invalid_value.md"),
    ),
    (
        "key_missing",
        include_str!("../../../../docs/errors/key_missing.md"),
    ),
    (
        "key_service_unavailable",
        include_str!("../../../../docs/errors/key_service_unavailable.md"),
    ),
    (
        "key_wrong",
        include_str!("../../../../docs/errors/key_wrong.md"),
    ),
    (
        "letter_incomplete",
        include_str!("../../../../docs/errors/letter_incomplete.md"),
    ),
    (
        "mail_unavailable",
        include_str!("../../../../docs/errors/mail_unavailable.md"),
    ),
    (
        "method_not_allowed",
        include_str!("../../../../docs/errors/method_not_allowed.md"),
    ),
    (
        "no_policies",
        include_str!("../../../../docs/errors/no_policies.md"),
    ),
    (
        "no_profile_schema",
        include_str!("../../../../docs/errors/no_profile_schema.md"),
    ),
    (
        "not_found",
        include_str!("../../../../docs/errors/not_found.md"),
    ),
    (
        "not_possible_now",
        include_str!("../../../../docs/errors/not_possible_now.md"),
    ),
    (
        "package_expired",
        include_str!("../../../../docs/errors/package_expired.md"),
    ),
    (
        "package_not_ready",
        include_str!("../../../../docs/errors/package_not_ready.md"),
    ),
    (
        "policies_differ",
        include_str!("../../../../docs/errors/policies_differ.md"),
    ),
    (
        "policies_wrong",
        include_str!("../../../../docs/errors/policies_wrong.md"),
    ),
    (
        "query_refused",
        include_str!("../../../../docs/errors/query_refused.md"),
    ),
    (
        "resend_limit",
        include_str!("../../../../docs/errors/resend_limit.md"),
    ),
    (
        "resend_too_soon",
        include_str!("../../../../docs/errors/resend_too_soon.md"),
    ),
    ("setup", include_str!("../../../../docs/errors/setup.md")),
    (
        "sign_in_refused",
        include_str!("../../../../docs/errors/sign_in_refused.md"),
    ),
    (
        "signal_says_no",
        include_str!("../../../../docs/errors/signal_says_no.md"),
    ),
    (
        "signature_refused",
        include_str!("../../../../docs/errors/signature_refused.md"),
    ),
    (
        "source_unavailable",
        include_str!("../../../../docs/errors/source_unavailable.md"),
    ),
    (
        "too_many_choices",
        include_str!("../../../../docs/errors/too_many_choices.md"),
    ),
    (
        "too_many_requests",
        include_str!("../../../../docs/errors/too_many_requests.md"),
    ),
    (
        "too_many_sign_ins",
        include_str!("../../../../docs/errors/too_many_sign_ins.md"),
    ),
    (
        "too_many_subjects",
        include_str!("../../../../docs/errors/too_many_subjects.md"),
    ),
    (
        "took_too_long",
        include_str!("../../../../docs/errors/took_too_long.md"),
    ),
    (
        "unknown_subject",
        include_str!("../../../../docs/errors/unknown_subject.md"),
    ),
    (
        "unreadable",
        include_str!("../../../../docs/errors/unreadable.md"),
    ),
    (
        "upstream_answer_refused",
        include_str!("../../../../docs/errors/upstream_answer_refused.md"),
    ),
    (
        "upstream_failed",
        include_str!("../../../../docs/errors/upstream_failed.md"),
    ),
    (
        "value_too_long",
        include_str!("../../../../docs/errors/value_too_long.md"),
    ),
    (
        "write_refused",
        include_str!("../../../../docs/errors/write_refused.md"),
    ),
    (
        "wrong_content_type",
        include_str!("../../../../docs/errors/wrong_content_type.md"),
    ),
    (
        "wrong_key_file",
        include_str!("../../../../docs/errors/wrong_key_file.md"),
    ),
];

/// `GET /docs/errors/{code}`
pub(super) async fn show(Path(code): Path<String>) -> Result<Response, Failure> {
    let page = PAGES
        .iter()
        .find(|(name, _)| *name == code)
        .map(|(_, text)| *text);
    let text = page.ok_or_else(|| Failure(Problem::not_found("page about this code")))?;
    Ok(([(CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    fn sources(folder: &Path, found: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs")
                && path.file_name().is_none_or(|name| name != "error_page.rs")
            {
                found.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// Every code that `Problem::new`, `Refusal::new` or `Self::new` is called with, in governance, in the gateway and here.
    fn codes() -> BTreeSet<String> {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut text = String::new();
        sources(&crates.join("governance/src"), &mut text);
        sources(&crates.join("gateway/src"), &mut text);
        sources(&crates.join("server/src"), &mut text);
        let calls = text
            .split("Problem::new(")
            .skip(1)
            .chain(text.split("Refusal::new(").skip(1))
            .chain(text.split("Self::new(").skip(1));
        let quoted = calls.filter_map(|rest| {
            rest.trim_start()
                .strip_prefix('"')?
                .split('"')
                .next()
                .map(str::to_owned)
        });
        let is_code = |code: &String| {
            !code.is_empty()
                && code
                    .chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter == '_')
        };
        quoted.filter(is_code).collect()
    }

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let pages: BTreeSet<String> = PAGES.iter().map(|(code, _)| (*code).to_owned()).collect();
        let codes = codes();
        assert!(
            codes.len() > 20,
            "the search for codes finds too few: {codes:?}"
        );
        assert_eq!(
            codes.difference(&pages).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "these codes have no page in docs/errors"
        );
        assert_eq!(
            pages.difference(&codes).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "these pages are about codes that nobody answers"
        );
    }

    #[test]
    fn a_page_names_its_code_and_says_what_to_do() {
        for (code, text) in PAGES {
            assert!(
                text.contains(&format!("`{code}`")) && text.contains("**What to do:**"),
                "{code}"
            );
        }
    }
}
