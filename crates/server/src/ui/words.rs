//! The words of the pages for everything that the program counts in codes: one table a noun, plain language, no double negatives.
//!
//! Law: 11 CCR 7003 (plain language), 7004 (no confusing elements).

use domain::consent::{Act, GuardianProof};
use domain::outreach::{Answer, OutreachAction};
use domain::policy::{AgeBand, Fact};
use domain::privacy_request::{IntakeChannel, RequestKind, RequestState, Waiting};
use domain::recipient::{ChannelKind, RecipientRole, VerificationLevel};
use domain::task::{TaskKind, TaskState};
use governance::policy::Kind;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// What a privacy request asks, as its subject says it.
pub(crate) const fn kind(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::KnowCategories => "What kinds of data you hold about me",
        RequestKind::KnowSpecific => "What you know about me",
        RequestKind::Delete => "Forget me",
        RequestKind::OptOutSaleShare => "Stop selling my data",
    }
}

/// What a privacy request asks, as an operator says it.
pub(crate) const fn right(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::KnowCategories => "Know: categories",
        RequestKind::KnowSpecific => "Know: copy of the data",
        RequestKind::Delete => "Delete",
        RequestKind::OptOutSaleShare => "Opt out of sale and sharing",
    }
}

/// Where it stands, and the colour of that.
pub(crate) const fn state(state: RequestState) -> (&'static str, &'static str) {
    match state {
        RequestState::Received => ("Received", ""),
        RequestState::Verified => ("Verified", ""),
        RequestState::InProgress => ("In progress", ""),
        RequestState::Fulfilled => ("Fulfilled", "good"),
        RequestState::PartlyFulfilled => ("Partly fulfilled", "good"),
        RequestState::Denied => ("Denied", "warn"),
        RequestState::Withdrawn => ("Withdrawn", ""),
        RequestState::Expired => ("Expired", ""),
    }
}

/// For whom or what it waits.
pub(crate) const fn waiting(waiting: Option<Waiting>) -> &'static str {
    match waiting {
        None => "",
        Some(Waiting::Verification) => "the subject’s code",
        Some(Waiting::Approval) => "an operator’s approval",
        Some(Waiting::ManualWork) => "work by hand",
        Some(Waiting::Recipients) => "recipients’ answers",
        Some(Waiting::Operator) => "an operator: a task is stuck",
    }
}

/// A fact that policies ask for, as a sentence about the subject.
pub(crate) const fn fact(fact: Fact) -> &'static str {
    match fact {
        Fact::ChoiceAllows => "Her choice, or her silence where that is enough, allows the purpose",
        Fact::Consented => "She consented to the purpose",
        Fact::OptedOut => "She opted out of the purpose, refused, withdrew or objects",
        Fact::OptedOutOfSale => "She opted out of all sale and sharing",
        Fact::OptedOutOfTargetedAdvertising => "She opted out of targeted advertising",
        Fact::Signal => "Her browser’s opt-out signal counts",
        Fact::Limited => "She limited the use of sensitive data",
        Fact::OnLegalHold => "A legal hold keeps her data",
        Fact::Restricted => "Her data may only be stored for now",
    }
}

/// How old a subject is, as far as laws divide it.
pub(crate) const fn age_band(band: AgeBand) -> &'static str {
    match band {
        AgeBand::Unknown => "Nobody knows",
        AgeBand::Under13 => "Under 13",
        AgeBand::From13To15 => "13 to 15",
        AgeBand::From16To17 => "16 or 17",
        AgeBand::Adult => "18 or older",
    }
}

/// Which way a decision went.
pub(crate) const fn decided(kind: Kind) -> &'static str {
    match kind {
        Kind::Allowed => "allowed",
        Kind::Forbidden => "forbidden",
        Kind::Unmet => "condition not met",
        Kind::NoPolicy => "no policy",
        Kind::Unusable => "not known well enough",
    }
}

/// Whether data are used for a purpose, and the colour of that.
pub(crate) const fn used(allowed: bool) -> (&'static str, &'static str) {
    if allowed {
        ("used", "warn")
    } else {
        ("not used", "good")
    }
}

/// What was chosen, and the colour of that.
pub(crate) const fn act(act: &Act) -> (&'static str, &'static str) {
    match act {
        Act::Given(_) => ("yes", "warn"),
        Act::OptedInAgain(_) => ("yes, after a no", "warn"),
        Act::Refused { .. } => ("no", "good"),
        Act::Withdrawn { .. } => ("yes taken back", "good"),
        Act::OptedOut { .. } => ("opted out", "good"),
    }
}

/// How it came in.
pub(crate) const fn channel(channel: IntakeChannel) -> &'static str {
    match channel {
        IntakeChannel::PrivacyCenter => "Privacy Center",
        IntakeChannel::Api => "API",
        IntakeChannel::CommandLine => "Command line",
    }
}

/// How a recipient is told.
pub(crate) const fn told_by(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Webhook => "signed webhook",
        ChannelKind::Opendsr => "OpenDSR",
        ChannelKind::Email => "e-mail with a page to answer on",
    }
}

/// What a recipient is.
pub(crate) const fn role(role: RecipientRole) -> &'static str {
    match role {
        RecipientRole::Internal => "part of the business",
        RecipientRole::ServiceProvider => "service provider",
        RecipientRole::Contractor => "contractor",
        RecipientRole::ThirdParty => "third party",
    }
}

/// What a recipient is asked.
pub(crate) const fn action(action: OutreachAction) -> &'static str {
    match action {
        OutreachAction::Delete => {
            "Delete what you hold about this person, and tell whoever got it from you to do the same."
        }
        OutreachAction::OptOut => {
            "Stop selling and sharing this person’s data, and tell whoever got it from you to do the same."
        }
    }
}

/// What a task does.
pub(crate) const fn task(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::SendCode => "Mail the code",
        TaskKind::Acknowledge => "Confirm receipt",
        TaskKind::Plan => "Search all systems and make the plan",
        TaskKind::MakePackage => "Put the copy together",
        TaskKind::Erase => "Erase",
        TaskKind::ManualWork => "Work by hand",
        TaskKind::OptOut => "Stop sales and sharing",
        TaskKind::Confirm => "Search again to prove it is gone",
        TaskKind::SendOutreach => "Tell a recipient",
        TaskKind::PollOutreach => "Ask a recipient how far it is",
        TaskKind::Remind => "Remind a recipient",
        TaskKind::Close => "Tell the subject and close",
        TaskKind::RemovePackage => "Remove the copy after its link has ended",
    }
}

/// Where a task stands, and the colour of that.
pub(crate) const fn task_state(state: TaskState) -> (&'static str, &'static str) {
    match state {
        TaskState::Ready => ("to do", ""),
        TaskState::Leased => ("running", ""),
        TaskState::Done => ("done", "good"),
        TaskState::Stuck => ("stuck", "bad"),
    }
}

/// How far an outreach is proven, for people.
pub(crate) const fn proof(level: VerificationLevel) -> &'static str {
    match level {
        VerificationLevel::None => "Not told yet.",
        VerificationLevel::Sent => "We sent it. Nothing proves yet that it arrived.",
        VerificationLevel::Delivered => "Their system took our message. Nobody has answered yet.",
        VerificationLevel::Acknowledged => "They confirmed that they have it.",
        VerificationLevel::Attested => "A person there stated the outcome.",
        VerificationLevel::Signed => "Their system signed the outcome, and the signature is right.",
        VerificationLevel::Probed => {
            "We asked their system again afterwards, and the data was gone."
        }
    }
}

/// The steps of [`VerificationLevel`] that have been reached, without `none`.
pub(crate) fn meter(reached: VerificationLevel) -> Vec<bool> {
    use VerificationLevel::{Acknowledged, Attested, Delivered, Probed, Sent, Signed};
    [Sent, Delivered, Acknowledged, Attested, Signed, Probed]
        .into_iter()
        .map(|level| level <= reached)
        .collect()
}

/// What a recipient answered, and the colour of that.
pub(crate) const fn answer(
    answer: Option<&Answer>,
    settled: bool,
    escalated: bool,
) -> (&'static str, &'static str) {
    match answer {
        Some(Answer::Done) => ("done", "good"),
        Some(Answer::NotFound) => ("holds nothing", "good"),
        Some(Answer::Exception { .. }) => ("keeps something", "warn"),
        None if settled => ("told", "good"),
        None if escalated => ("silent", "bad"),
        None => ("waiting", ""),
    }
}

/// A stage of the tracker in words, by its name and progress (see `governance::view::Stage`).
pub(crate) fn stage(name: &str, progress: &str) -> &'static str {
    match (name, progress) {
        ("received", _) => "We received it",
        ("verified", "done") => "You confirmed that it is you",
        ("verified", "failed") => "No code came in time",
        ("verified", _) => "You confirm that it is you",
        ("searched", "done") => "We searched every system",
        ("searched", "now") => "We are searching every system",
        ("searched", "failed") => "A search is stuck; a person is on it",
        ("searched", _) => "We search every system",
        ("approved", "done") => "The plan was approved",
        ("approved", "now") => "A person is checking the plan",
        ("approved", "failed") => "The plan was refused",
        ("approved", _) => "The plan is checked",
        ("erased", "done") => "Your data was erased",
        ("erased", "now") => "We are erasing your data",
        ("erased", "failed") => "An erasure is stuck; a person is on it",
        ("erased", _) => "Your data is erased",
        ("confirmed", "done") => "We searched again: it is gone",
        ("confirmed", "now") => "We are searching again, to prove that it is gone",
        ("confirmed", "failed") => "Something was still there; a person is on it",
        ("confirmed", _) => "We search again, to prove that it is gone",
        ("recipients_told", "done") => "Everyone who had to be told has been told",
        ("recipients_told", "now") => "We are telling everyone who got your data",
        ("recipients_told", "failed") => "Somebody does not answer; a person is on it",
        ("recipients_told", _) => "Everyone who got your data is told",
        ("package_ready", "done") => "Your copy is ready",
        ("package_ready", "now") => "We are putting your copy together",
        ("package_ready", "failed") => "Your copy is stuck; a person is on it",
        ("package_ready", _) => "You get your copy",
        ("stopped", "done") => "We stopped selling and sharing your data",
        ("stopped", "failed") => "Stopping is stuck; a person is on it",
        ("stopped", _) => "We stop selling and sharing your data",
        ("closed", "done") => "Finished",
        ("closed", "failed") => "Ended without being done",
        ("closed", _) => "You get the result by mail",
        _ => "A further step",
    }
}

/// The progress of a stage, for those who don't see its colour.
pub(crate) fn progress(progress: &str) -> &'static str {
    match progress {
        "done" => "done",
        "now" => "under way",
        "failed" => "needs attention",
        _ => "to come",
    }
}

/// A system in the tracker (see `governance::view::SystemLine`), and the colour of that.
pub(crate) fn system(progress: &str) -> (&'static str, &'static str) {
    match progress {
        "searching" => ("searching", ""),
        "found" => ("found", ""),
        "nothing_found" => ("nothing found", "good"),
        "erasing" => ("erasing", ""),
        "erased" => ("erased", "good"),
        "proven_gone" => ("proven gone", "good"),
        "residue" => ("something is left", "bad"),
        "by_hand" => ("a person does it by hand", "warn"),
        "failed" => ("stuck; a person is on it", "bad"),
        _ => ("under way", ""),
    }
}

/// An identifier's label: `customer_number` is Customer number.
/// How somebody is shown to be a child's parent or guardian (11 CCR 7070(a)(2)).
pub(crate) const fn guardian_proof(proof: GuardianProof) -> &'static str {
    match proof {
        GuardianProof::SignedForm => {
            "by a form that you sign under penalty of perjury and send back"
        }
        GuardianProof::CardPayment => "by a card payment that you are told of",
        GuardianProof::Call => "in a call with our trained staff",
        GuardianProof::Video => "in a video call with our trained staff",
        GuardianProof::InPerson => "face to face with our trained staff",
        GuardianProof::GovernmentId => "by an identity document that we check and then delete",
    }
}

pub(crate) fn label(key: &str) -> String {
    match key {
        "email" => "E-mail address".to_owned(),
        "phone" => "Phone number".to_owned(),
        other => capital(&other.replace(['_', '.'], " ")),
    }
}

/// A data category without its taxonomy: `user.contact.email` is contact email.
pub(crate) fn category(key: &str) -> String {
    key.strip_prefix("user.")
        .unwrap_or(key)
        .replace(['_', '.'], " ")
}

/// Where people live under a law.
pub(crate) fn place(jurisdiction: &str) -> Option<&'static str> {
    Some(match jurisdiction {
        "US-AL" => "Alabama",
        "US-CA" => "California",
        "US-CO" => "Colorado",
        "US-CT" => "Connecticut",
        "US-DE" => "Delaware",
        "US-FL" => "Florida",
        "US-IA" => "Iowa",
        "US-IN" => "Indiana",
        "US-KY" => "Kentucky",
        "US-LA" => "Louisiana",
        "US-MD" => "Maryland",
        "US-MN" => "Minnesota",
        "US-MT" => "Montana",
        "US-NE" => "Nebraska",
        "US-NH" => "New Hampshire",
        "US-NJ" => "New Jersey",
        "US-OK" => "Oklahoma",
        "US-OR" => "Oregon",
        "US-RI" => "Rhode Island",
        "US-TN" => "Tennessee",
        "US-TX" => "Texas",
        "US-UT" => "Utah",
        "US-VA" => "Virginia",
        "US-VT" => "Vermont",
        "EU" => "European Union",
        _ => return None,
    })
}

/// January 5, 2027.
pub(crate) fn day(date: Date) -> String {
    date.strftime("%B %-d, %Y").to_string()
}

/// January 5, 2027, 3:04 pm PST.
pub(crate) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%B %-d, %Y, %-I:%M %P %Z")
        .to_string()
}

/// 3:04 pm PST, with the day only where it is another one.
pub(crate) fn hour(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, now): (Zoned, Zoned) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let pattern = if at.date() == now.date() {
        "%-I:%M %P %Z"
    } else {
        "%B %-d, %-I:%M %P %Z"
    };
    at.strftime(pattern).to_string()
}

/// 1 row, 2 rows, 1,204 rows.
pub(crate) fn count(of: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(of), if of == 1 { one } else { many })
}

/// 12, 1,204, 1,000,000.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What kind of file it is.
pub(crate) fn media_type(media_type: &str) -> &'static str {
    match media_type {
        "application/pdf" => "PDF",
        "application/zip" => "ZIP archive",
        "application/json" | "application/xml" | "text/csv" => "Data file",
        "message/rfc822" => "E-mail",
        "text/plain" | "text/html" => "Text",
        kind if kind.starts_with("image/") => "Picture",
        kind if kind.starts_with("application/vnd.") || kind == "application/msword" => "Document",
        _ => "File",
    }
}

/// 1.2 MB.
pub(crate) fn size(bytes: u64) -> String {
    let (divisor, unit) = match bytes {
        0..1_000 => return format!("{bytes} bytes"),
        1_000..1_000_000 => (100, "kB"),
        1_000_000..1_000_000_000 => (100_000, "MB"),
        _ => (100_000_000, "GB"),
    };
    let tenths = bytes / divisor;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A message of the program (lower case, no full stop) as a sentence.
pub(crate) fn sentence(message: &str) -> String {
    let text = unquoted(&capital(message.trim()));
    if text.ends_with(['.', '!', '?']) {
        text
    } else {
        format!("{text}.")
    }
}

/// Names that the program puts in backticks, in quotation marks.
fn unquoted(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.fold(String::new(), |mut whole, (number, part)| {
        whole.push_str(if number == 0 {
            ""
        } else if number % 2 == 1 {
            "“"
        } else {
            "”"
        });
        whole.push_str(part);
        whole
    })
}

/// The first letter in upper case.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_by_people() {
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(1_250), "1.2 kB");
        assert_eq!(size(48_300_000), "48.3 MB");
    }

    #[test]
    fn numbers_are_read_by_people() {
        let read = [0, 12, 999, 1_204, 12_430, 1_000_000].map(number);
        assert_eq!(read, ["0", "12", "999", "1,204", "12,430", "1,000,000"]);
        assert_eq!(count(1, "row", "rows"), "1 row");
        assert_eq!(count(1_204, "row", "rows"), "1,204 rows");
    }

    #[test]
    fn a_message_of_the_program_becomes_a_sentence() {
        assert_eq!(
            sentence("the code is wrong; 4 tries are left"),
            "The code is wrong; 4 tries are left."
        );
        assert_eq!(sentence("look at `shop` again"), "Look at “shop” again.");
    }

    #[test]
    fn the_meter_shows_no_step_that_is_not_reached() {
        assert_eq!(meter(VerificationLevel::None), [false; 6]);
        assert_eq!(
            meter(VerificationLevel::Acknowledged),
            [true, true, true, false, false, false]
        );
    }
}
