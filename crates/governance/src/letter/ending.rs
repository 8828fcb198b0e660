//! Letters that end a privacy request: the answer, the deletion, the opt-out, the refusal.
//!
//! Law: 11 CCR 7022(e)-(g), 7024, 7026(e), (g), 7050; Civ. Code 1798.130.

use std::collections::BTreeMap;

use domain::law::{Occasion, Reason};
use domain::privacy_request::{PrivacyRequest, RequestKind};
use jiff::civil::Date;

use super::{Draft, Sender, field, long};

/// Something kept although its deletion was asked for.
pub struct KeptLine {
    /// What it is, and how much of it.
    pub what: String,
    /// The facts.
    pub explanation: String,
    /// The code of law/reasons.yaml.
    pub code: String,
    /// The reason in words of the law, with its citation.
    pub basis: String,
}

/// A recipient that has not been told.
pub struct UntoldLine {
    /// Who.
    pub recipient: String,
    /// What stood in the way.
    pub facts: String,
}

/// The copy is ready. `since` is the day from which she asked to know.
pub fn package_ready(
    sender: &Sender<'_>,
    request: &PrivacyRequest,
    since: Option<Date>,
    days: u32,
    link: &str,
) -> Draft {
    let specific = request.kind == RequestKind::KnowSpecific;
    let files = if specific {
        "Everything is in it as JSON and CSV files as well."
    } else {
        "You asked for categories, so it holds no copy of the data itself; you can ask for one at any time."
    };
    let given = [
        ("period_covered", period(since)),
        (
            "categories_block",
            "It holds a page to read, which says in categories what we hold, where it came from, why we have it and who got it."
                .to_owned(),
        ),
        ("specific_pieces_file", files.to_owned()),
        (
            "withheld_identifiers_described",
            "Numbers that the law forbids us to send (such as card or ID numbers) are described, not shown."
                .to_owned(),
        ),
        (
            "confirm_match_link",
            format!("Whether such a number that we hold is the right one, we check with you if you write to us from here: {link}"),
        ),
        (
            "remainder_if_partial_denial",
            "If anything else could not be given, the page says what and why, and you have all the rest."
                .to_owned(),
        ),
    ];
    let reference = request.id;
    Draft::new(
        sender,
        "Your data is ready",
        &[Occasion::Answered],
        given,
        |said| {
            format!(
                "The answer to your request {reference} is ready. Fetch it here within {days} days: {link}\n\n{} {} {}\n\n{} {} {}",
                field(said, "period_covered"),
                field(said, "categories_block"),
                field(said, "specific_pieces_file"),
                field(said, "withheld_identifiers_described"),
                field(said, "confirm_match_link"),
                field(said, "remainder_if_partial_denial"),
            )
        },
    )
}

/// What an answer to a request to know covers (Civ. Code 1798.130(a)(2)(B), 11 CCR 7020(e)).
pub fn period(since: Option<Date>) -> String {
    since.map_or_else(
        || "It covers everything that we hold about you, however old it is.".to_owned(),
        |since| {
            format!(
                "As you asked, it covers what dates from {} or later; where we can't tell from when an entry is, you get it as well.",
                long(since)
            )
        },
    )
}

/// The end of a deletion.
pub fn deleted(
    sender: &Sender<'_>,
    reference: &str,
    kept: &[KeptLine],
    told: &[String],
    untold: &[UntoldLine],
    link: &str,
) -> Draft {
    let mut occasions = vec![Occasion::Deleted];
    occasions.extend((!kept.is_empty()).then_some(Occasion::Kept));
    occasions.extend((!untold.is_empty()).then_some(Occasion::Untold));
    let mut given = vec![
        (
            "complied",
            format!("We deleted what we held about you (request {reference})"),
        ),
        (
            "scope",
            "in every system that we searched, and read every place again to be sure".to_owned(),
        ),
        (
            "backups_deferred",
            "Backups are not touched until they are restored or expire; should one be restored, your deletion is repeated."
                .to_owned(),
        ),
        (
            "record_kept_statement",
            "As the law requires, we keep a record of this request itself.".to_owned(),
        ),
    ];
    given.extend(kept_fields(kept));
    given.push(("facts_giving_meaningful_understanding", facts(untold)));
    let told = told_words(told, untold.is_empty());
    Draft::new(sender, "Your data was deleted", &occasions, given, |said| {
        format!(
            "{}, {}.\n\n{}\n\n{told}{}\n\n{} {}\n\nThe whole account, step by step: {link}",
            field(said, "complied"),
            field(said, "scope"),
            kept_words(said),
            untold_words(field(said, "facts_giving_meaningful_understanding")),
            field(said, "backups_deferred"),
            field(said, "record_kept_statement"),
        )
    })
}

/// What 11 CCR 7022(f)-(g) wants said where something stays.
fn kept_fields(kept: &[KeptLine]) -> Vec<(&'static str, String)> {
    if kept.is_empty() {
        return Vec::new();
    }
    let is_blank = |line: &KeptLine| line.explanation.trim().is_empty();
    let basis = kept.iter().map(|line| {
        format!(
            "{}: {} ({}; code {})",
            line.what, line.explanation, line.basis, line.code
        )
    });
    let codes: Vec<&str> = kept.iter().map(|line| line.code.as_str()).collect();
    vec![
        (
            "detailed_basis",
            // A line without its facts makes the whole basis incomplete.
            if kept.iter().any(is_blank) {
                String::new()
            } else {
                bullets(basis)
            },
        ),
        (
            "exception_code",
            codes
                .iter()
                .find(|code| code.trim().is_empty())
                .or(codes.first())
                .copied()
                .unwrap_or_default()
                .to_owned(),
        ),
        (
            "deleted_remainder",
            "Everything else was deleted.".to_owned(),
        ),
        (
            "restricted_use_statement",
            "What stays will be used for that reason only, and for nothing else.".to_owned(),
        ),
        ("offer_opt_out_if_sell_share", OFFER.to_owned()),
    ]
}

/// 11 CCR 7022(g).
const OFFER: &str = "You can also tell us at any time not to sell or share your data, without giving a reason: the form for it asks for no proof.";

fn kept_words(said: &BTreeMap<&'static str, String>) -> String {
    if !said.contains_key("detailed_basis") {
        return "Nothing was kept.".to_owned();
    }
    format!(
        "Some of it has to stay:\n{}\n\n{} {} {}",
        field(said, "detailed_basis"),
        field(said, "deleted_remainder"),
        field(said, "restricted_use_statement"),
        field(said, "offer_opt_out_if_sell_share"),
    )
}

fn told_words(told: &[String], all: bool) -> String {
    match (told.is_empty(), all) {
        (true, true) => "Nobody else had it.".to_owned(),
        (true, false) => String::new(),
        (false, _) => format!("Whoever got it from us was told:\n{}", listed(told)),
    }
}

/// Empty when a line has no facts: a bare assertion is not enough (11 CCR 7022(b)(3)).
fn facts(untold: &[UntoldLine]) -> String {
    if untold.iter().any(|line| line.facts.trim().is_empty()) {
        return String::new();
    }
    let lines = untold
        .iter()
        .map(|line| format!("{}: {}", line.recipient, line.facts));
    bullets(lines)
}

fn untold_words(facts: &str) -> String {
    if facts.is_empty() {
        return String::new();
    }
    format!("\n\nWe could not reach everybody who got it from us, and this is why:\n{facts}")
}

/// The end of an opt-out.
pub fn opted_out(
    sender: &Sender<'_>,
    reference: &str,
    told: &[String],
    untold: &[UntoldLine],
    link: &str,
) -> Draft {
    let told = match (told.is_empty(), untold.is_empty()) {
        (true, true) => "Nobody had bought or shared it.".to_owned(),
        (true, false) => String::new(),
        (false, _) => format!(
            "We told those who had it to stop, and to pass this on:\n{}",
            listed(told)
        ),
    };
    let untold = untold_words(&facts(untold));
    let status = format!("Your opt-out {reference} took effect at once.");
    Draft::new(
        sender,
        "We no longer sell or share your data",
        &[Occasion::OptedOut],
        [("status_toggle_or_text", status)],
        |said| {
            format!(
                "{}\n\n{told}{untold}\n\nWe will not ask you to change your mind for at least twelve months. See it at any time: {link}",
                field(said, "status_toggle_or_text")
            )
        },
    )
}

/// A refusal of the whole, with a reason of law/reasons.yaml and the facts.
pub fn denied(
    sender: &Sender<'_>,
    kind: RequestKind,
    reference: &str,
    reason: &Reason,
    explanation: &str,
    link: &str,
) -> Draft {
    let title = if reason.citation.is_empty() {
        reason.title.clone()
    } else {
        format!("{} ({})", reason.title, reason.citation)
    };
    let redirect = (reason.reason == "service_provider_role").then_some(
        "We hold this data as a service provider of another business, so we can't act on your request ourselves; that business can.",
    );
    let mut given = vec![
        ("reasons", title),
        ("basis", explanation.to_owned()),
        ("detailed_basis", explanation.to_owned()),
        ("why_believed_fraudulent", explanation.to_owned()),
        ("exception_code", reason.reason.clone()),
    ];
    given.extend(remainder(kind));
    given.extend(redirect.map(|words| ("cannot_act_because_service_provider", words.to_owned())));
    let draft = Draft::new(
        sender,
        "About your privacy request",
        &[Occasion::Denied],
        given,
        |said| {
            let rest = [
                "deleted_remainder",
                "remainder",
                "restricted_use_statement",
                "offer_opt_out_if_sell_share",
                "cannot_act_because_service_provider",
            ];
            let rest: Vec<&str> = rest
                .iter()
                .map(|name| field(said, name))
                .filter(|words| !words.is_empty())
                .collect();
            let rest = if rest.is_empty() {
                String::new()
            } else {
                format!("\n\n{}", rest.join(" "))
            };
            format!(
                "We can't do what you asked in request {reference}. The reason: {} (code {}).\n\n{}{rest}\n\nDetails, and how to write to us: {link}",
                field(said, "reasons"),
                field(said, "exception_code"),
                field(said, "basis"),
            )
        },
    );
    Draft {
        reason: Some(reason.reason.clone()),
        ..draft
    }
}

/// What becomes of the part that is not denied: a refusal concerns the whole, since nothing has been touched yet.
fn remainder(kind: RequestKind) -> Vec<(&'static str, String)> {
    match kind {
        RequestKind::Delete => vec![
            (
                "deleted_remainder",
                "This concerns all of it: nothing was deleted.".to_owned(),
            ),
            (
                "restricted_use_statement",
                "Where an exception of the law is the reason, we use what it covers for that reason only.".to_owned(),
            ),
            ("offer_opt_out_if_sell_share", OFFER.to_owned()),
        ],
        RequestKind::KnowCategories | RequestKind::KnowSpecific => vec![(
            "remainder",
            "This concerns all of it: there is no part that we could give you instead.".to_owned(),
        )],
        RequestKind::OptOutSaleShare => Vec::new(),
    }
}

fn listed(lines: &[String]) -> String {
    bullets(lines.iter().cloned())
}

fn bullets(lines: impl IntoIterator<Item = String>) -> String {
    lines
        .into_iter()
        .map(|line| format!("  * {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
