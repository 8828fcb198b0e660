//! What we write to subjects: plain words, every fact that the law wants in them, one link.
//!
//! Law: 11 CCR 7021(a) (receipt), 7022 (deletion), 7024 (access), 7026 (opt-out); mandatory fields in law/messages.yaml.

use domain::privacy_request::{Clock, PrivacyRequest, RequestKind};
use domain::sensitive::Sensitive;
use jiff::civil::Date;

/// A letter before it has an address.
pub struct Letter {
    /// The subject line; never holds anything personal.
    pub subject: String,
    /// The text.
    pub text: Sensitive<String>,
}

/// What all letters name.
pub struct Sender<'a> {
    /// The business.
    pub business: &'a str,
    /// How to reach it.
    pub contact: Option<&'a str>,
}

/// The code that shows who asks. It also confirms receipt and says how we verify.
pub fn code(
    sender: &Sender<'_>,
    request: &PrivacyRequest,
    code: &str,
    minutes: u32,
    link: &str,
) -> Letter {
    let due = request.clock.due().map_or_else(String::new, |due| {
        format!(" We will answer by {}.", long(due))
    });
    letter(
        sender,
        "Your code",
        &format!(
            "On {received} you (or somebody who typed your address) asked {business} {asked}. The reference is {reference}.{due}\n\nTo show that it is you, type this code on the page of your request:\n\n    {code}\n\nIt works for {minutes} minutes, and you may try it several times. Your request: {link}\n\nIf this was not you, do nothing: without the code nothing happens.",
            business = sender.business,
            asked = asked(request.kind),
            received = long(request.clock.received_on),
            reference = request.id,
        ),
    )
}

/// Receipt, and what happens next.
pub fn receipt(
    sender: &Sender<'_>,
    kind: RequestKind,
    reference: &str,
    clock: &Clock,
    link: &str,
) -> Letter {
    let due = clock.due().map_or_else(String::new, |due| {
        format!(
            " The law gives us until {} to answer; we mean to be faster.",
            long(due)
        )
    });
    letter(
        sender,
        "We have your privacy request",
        &format!(
            "We received your request {asked} on {received}. Its reference is {reference}.\n\n{verified}{due}\n\nYou can follow every step here: {link}",
            asked = asked(kind),
            received = long(clock.received_on),
            verified = if kind.needs_verification() {
                "You showed that it is you with the code that we mailed you; nothing else is needed."
            } else {
                "We ask for no proof of who you are."
            },
        ),
    )
}

/// The copy is ready.
pub fn package_ready(sender: &Sender<'_>, reference: &str, days: u32, link: &str) -> Letter {
    letter(
        sender,
        "Your data is ready",
        &format!(
            "The answer to your request {reference} is ready. Fetch it here within {days} days: {link}\n\nIt holds a page to read, and everything as JSON and CSV files. Numbers that the law forbids us to send (such as card or ID numbers) are described, not shown."
        ),
    )
}

/// The end of a deletion.
pub fn deleted(
    sender: &Sender<'_>,
    reference: &str,
    kept: &[String],
    recipients: &[String],
    link: &str,
) -> Letter {
    let kept = if kept.is_empty() {
        "Nothing was kept.".to_owned()
    } else {
        format!(
            "Some of it has to stay, and will be used for nothing else:\n{}",
            bullets(kept)
        )
    };
    let told = if recipients.is_empty() {
        "Nobody else had it.".to_owned()
    } else {
        format!("Whoever got it from us was told:\n{}", bullets(recipients))
    };
    letter(
        sender,
        "Your data was deleted",
        &format!(
            "We deleted what we held about you (request {reference}), and read every place again to be sure.\n\n{kept}\n\n{told}\n\nBackups are not touched until they are restored or expire; should one be restored, your deletion is repeated. As the law requires, we keep a record of this request itself.\n\nThe whole account, step by step: {link}"
        ),
    )
}

/// The end of an opt-out.
pub fn opted_out(
    sender: &Sender<'_>,
    reference: &str,
    recipients: &[String],
    link: &str,
) -> Letter {
    let told = if recipients.is_empty() {
        "Nobody had bought or shared it.".to_owned()
    } else {
        format!(
            "We told those who had it to stop, and to pass this on:\n{}",
            bullets(recipients)
        )
    };
    letter(
        sender,
        "We no longer sell or share your data",
        &format!(
            "Your opt-out {reference} took effect at once.\n\n{told}\n\nWe will not ask you to change your mind for at least twelve months. See it at any time: {link}"
        ),
    )
}

/// A refusal.
pub fn denied(
    sender: &Sender<'_>,
    kind: RequestKind,
    reference: &str,
    reason: &str,
    explanation: &str,
    link: &str,
) -> Letter {
    let offer = if kind == RequestKind::Delete {
        "\n\nWhatever becomes of this request: you can tell us at any time not to sell or share your data, without giving a reason."
    } else {
        ""
    };
    letter(
        sender,
        "About your privacy request",
        &format!(
            "We can't do what you asked in request {reference}. The reason: {reason}.\n\n{explanation}{offer}\n\nDetails, and how to write to us: {link}"
        ),
    )
}

/// More time.
pub fn extended(
    sender: &Sender<'_>,
    reference: &str,
    reason: &str,
    until: Date,
    link: &str,
) -> Letter {
    letter(
        sender,
        "We need more time",
        &format!(
            "Your request {reference} takes longer than we hoped. The reason: {reason}. We will answer by {}, which is as long as the law allows.\n\nFollow it here: {link}",
            long(until)
        ),
    )
}

fn letter(sender: &Sender<'_>, subject: &str, body: &str) -> Letter {
    let contact = sender
        .contact
        .map_or_else(String::new, |contact| format!("\nQuestions? {contact}"));
    Letter {
        subject: format!("{}: {subject}", sender.business),
        text: Sensitive::new(format!(
            "Hello,\n\n{body}\n\n{}{contact}\n",
            sender.business
        )),
    }
}

const fn asked(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::KnowCategories => "to say what kinds of data it has about you",
        RequestKind::KnowSpecific => "for a copy of your data",
        RequestKind::Delete => "to delete your data",
        RequestKind::OptOutSaleShare => "not to sell or share your data",
    }
}

fn bullets(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("  * {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A date as people write it.
pub fn long(date: Date) -> String {
    date.strftime("%-d %B %Y").to_string()
}
