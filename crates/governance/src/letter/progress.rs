//! Letters while a privacy request is under way: the code, the receipt, more time, and its end when nobody showed who asks.
//!
//! Law: 11 CCR 7021(a)-(b), 7022(a), 7024(a)-(b).

use std::collections::BTreeMap;

use domain::law::Occasion;
use domain::privacy_request::{Clock, PrivacyRequest, RequestKind};
use jiff::civil::Date;

use super::{Draft, Sender, field, long};

/// The code that shows who asks. It also confirms receipt and says how we verify.
pub fn code(
    sender: &Sender<'_>,
    request: &PrivacyRequest,
    code: &str,
    minutes: u32,
    link: &str,
) -> Draft {
    let verified = "To show that it is you, type this code on the page of your request:".to_owned();
    let given = receipt_fields(
        request.kind,
        &request.id.to_string(),
        &request.clock,
        verified,
    );
    Draft::new(sender, "Your code", &[Occasion::Receipt], given, |said| {
        let due = due_words(said, " We will answer by ", ".");
        format!(
            "On {received} you (or somebody who typed your address) asked {business} {asked}. The reference is {reference}.{due}\n\n{verified}\n\n    {code}\n\nIt works for {minutes} minutes, and you may try it several times. Your request: {link}\n\nIf this was not you, do nothing: without the code nothing happens.",
            business = sender.business,
            asked = field(said, "request_type"),
            received = field(said, "received_on"),
            reference = field(said, "case_ref"),
            verified = field(said, "how_verified_in_general"),
        )
    })
}

/// Receipt, and what happens next; `notice` is what else she must know at once.
pub fn receipt(
    sender: &Sender<'_>,
    kind: RequestKind,
    reference: &str,
    clock: &Clock,
    notice: Option<&str>,
    link: &str,
) -> Draft {
    let verified = if kind.needs_verification() {
        "You showed that it is you with the code that we mailed you; nothing else is needed."
    } else {
        "We ask for no proof of who you are."
    };
    let given = receipt_fields(kind, reference, clock, verified.to_owned());
    let notice = notice.map_or_else(String::new, |notice| format!("\n\n{notice}"));
    Draft::new(
        sender,
        "We have your privacy request",
        &[Occasion::Receipt],
        given,
        |said| {
            let due = due_words(
                said,
                " The law gives us until ",
                " to answer; we mean to be faster.",
            );
            format!(
                "We received your request {asked} on {received}. Its reference is {reference}.\n\n{verified}{due}{notice}\n\nYou can follow every step here: {link}",
                asked = field(said, "request_type"),
                received = field(said, "received_on"),
                reference = field(said, "case_ref"),
                verified = field(said, "how_verified_in_general"),
            )
        },
    )
}

fn receipt_fields(
    kind: RequestKind,
    reference: &str,
    clock: &Clock,
    verified: String,
) -> [(&'static str, String); 5] {
    [
        ("request_type", asked(kind).to_owned()),
        ("received_on", long(clock.received_on)),
        ("how_verified_in_general", verified),
        (
            "expected_response_date",
            clock.due().map(long).unwrap_or_default(),
        ),
        ("case_ref", reference.to_owned()),
    ]
}

fn due_words(said: &BTreeMap<&'static str, String>, before: &str, after: &str) -> String {
    match field(said, "expected_response_date") {
        "" => String::new(),
        date => format!("{before}{date}{after}"),
    }
}

/// Nobody typed the code, so nothing could be done.
pub fn unverified(sender: &Sender<'_>, request: &PrivacyRequest) -> Draft {
    let know = matches!(
        request.kind,
        RequestKind::KnowCategories | RequestKind::KnowSpecific
    );
    let evaluated = if know {
        "We also looked whether we may at least tell you the categories of data that we hold. For that, too, we have to know who asks."
    } else {
        "We also looked whether a part of it can be done without knowing who asks; none can. To stop the sale and sharing of your data you need to prove nothing: the form for it asks for no code."
    };
    let policy = sender.privacy_policy.filter(|_| know).unwrap_or_default();
    let given = [
        (
            "statement_identity_not_verified",
            "We could not verify your identity: the code that we mailed was not typed in time."
                .to_owned(),
        ),
        ("what_was_evaluated_instead", evaluated.to_owned()),
        ("link_to_privacy_policy", policy.to_owned()),
    ];
    Draft::new(
        sender,
        "Your privacy request has ended",
        &[Occasion::Unverified],
        given,
        |said| {
            let policy = match field(said, "link_to_privacy_policy") {
                "" => String::new(),
                link => format!(
                    " What kinds of data we collect in general stands in our privacy policy: {link}"
                ),
            };
            format!(
                "On {received} somebody who gave your address asked us {asked} (request {reference}). {statement} So we have to refuse it, and nothing was done.\n\n{evaluated}{policy}\n\nIf it was you, ask again at any time; it costs nothing.",
                received = long(request.clock.received_on),
                asked = asked(request.kind),
                reference = request.id,
                statement = field(said, "statement_identity_not_verified"),
                evaluated = field(said, "what_was_evaluated_instead"),
            )
        },
    )
}

/// More time.
pub fn extended(
    sender: &Sender<'_>,
    reference: &str,
    reason: &str,
    until: Date,
    link: &str,
) -> Draft {
    let given = [("reason", reason.to_owned()), ("new_due_date", long(until))];
    Draft::new(
        sender,
        "We need more time",
        &[Occasion::Extended],
        given,
        |said| {
            format!(
                "Your request {reference} takes longer than we hoped. The reason: {}. We will answer by {}, which is as long as the law allows.\n\nFollow it here: {link}",
                field(said, "reason"),
                field(said, "new_due_date"),
            )
        },
    )
}

const fn asked(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::KnowCategories => "to say what kinds of data it has about you",
        RequestKind::KnowSpecific => "for a copy of your data",
        RequestKind::Delete => "to delete your data",
        RequestKind::OptOutSaleShare => "not to sell or share your data",
    }
}
