//! What we write to subjects: plain words, every fact that the law wants in them, one link.
//!
//! A draft names the fields that it carries; it becomes a letter only when every field that law/messages.yaml demands for its law,
//! right and occasion stands in its text. Nothing but a letter can be mailed, so an incomplete one never leaves.
//! Law: 11 CCR 7021(a) (receipt), 7022 (deletion), 7024 (access), 7026 (opt-out); GDPR Art. 12(3)-(4).

mod ending;
mod progress;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use domain::law::{LawBook, Message, Occasion};
use domain::privacy_request::PrivacyRequest;
use domain::recipient::RecipientRole;
use domain::sensitive::Sensitive;
use jiff::civil::Date;

pub use ending::{KeptLine, UntoldLine, deleted, denied, opted_out, package_ready, period};
pub use progress::{code, extended, receipt, unverified};

/// A letter before it has an address, with everything in it that the law demands.
pub struct Letter {
    /// The subject line; never holds anything personal.
    pub(crate) subject: String,
    /// The text.
    pub(crate) text: Sensitive<String>,
}

/// What all letters name.
pub struct Sender<'a> {
    /// The business.
    pub business: &'a str,
    /// How to reach it.
    pub contact: Option<&'a str>,
    /// Where its privacy policy stands.
    pub privacy_policy: Option<&'a str>,
}

/// What is about to be written must not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "what was to be sent lacks `{field}`, which {citation} demands (`{message}` in law/messages.yaml): {}",
    remedy(field)
)]
pub struct Lacking {
    /// The row of law/messages.yaml.
    pub message: String,
    /// The field that is absent or empty.
    pub field: String,
    /// Where it stands.
    pub citation: String,
}

/// What an operator can do about a field that is missing.
fn remedy(field: &str) -> &'static str {
    match field {
        "link_to_privacy_policy" => "set `business.privacy_policy` and try again",
        "how_to_appeal" => "set `business.privacy_contact` and try again",
        "complaint_to_authority" => {
            "name the authority of this law in law/regulators.yaml and try again"
        }
        "expected_response_date" | "deadline" => {
            "the law data gives no date for this right; correct the rows of the law and try again"
        }
        "consumer_key" => {
            "no identifier is known by which the recipient knows her; settle it with the recipient by hand"
        }
        _ => {
            "this version writes no such words; correct the row, or do this step by hand and say so in the answer"
        }
    }
}

/// A letter as it is composed: words, and the fields that stand in them.
#[cfg_attr(test, derive(Clone))]
pub struct Draft {
    title: &'static str,
    body: String,
    /// The end: who writes, how to answer.
    signature: String,
    occasions: Vec<Occasion>,
    /// The code for which something is denied.
    reason: Option<String>,
    given: BTreeMap<&'static str, String>,
    contact: Option<String>,
    business: String,
}

impl Draft {
    fn new(
        sender: &Sender<'_>,
        title: &'static str,
        occasions: &[Occasion],
        given: impl IntoIterator<Item = (&'static str, String)>,
        body: impl FnOnce(&BTreeMap<&'static str, String>) -> String,
    ) -> Self {
        let given: BTreeMap<&'static str, String> = given.into_iter().collect();
        let contact = sender
            .contact
            .map_or_else(String::new, |contact| format!("\nQuestions? {contact}"));
        Self {
            title,
            body: body(&given),
            signature: format!("{}{contact}", sender.business),
            occasions: occasions.to_vec(),
            reason: None,
            given,
            contact: sender.contact.map(str::to_owned),
            business: sender.business.to_owned(),
        }
    }

    /// The letter about that privacy request, if nothing is missing in it.
    ///
    /// # Errors
    /// A field that the law demands is absent, empty, or does not stand in the text.
    pub fn complete(
        mut self,
        book: &LawBook,
        request: &PrivacyRequest,
        today: Date,
    ) -> Result<Letter, Lacking> {
        let occasions = self.occasions.clone();
        let reason = self.reason.clone();
        let demanded = book.messages_for(
            &request.law,
            request.kind.as_str(),
            reason.as_deref(),
            &occasions,
        );
        self.say_what_she_can_do(book, request, &demanded, today);
        let carried: Vec<&str> = self.carried().collect();
        complete(&demanded, &carried)?;
        Ok(Letter {
            subject: format!("{}: {}", self.business, self.title),
            text: Sensitive::new(format!("Hello,\n\n{}\n\n{}\n", self.body, self.signature)),
        })
    }

    /// The fields that are not empty and stand in the text.
    fn carried(&self) -> impl Iterator<Item = &'static str> {
        self.given
            .iter()
            .filter(|(_, words)| !words.trim().is_empty() && self.body.contains(words.as_str()))
            .map(|(field, _)| *field)
    }

    /// Whoever gets less than she asked for learns what she can do about it: what the law demands in its words, and a complaint anyway.
    fn say_what_she_can_do(
        &mut self,
        book: &LawBook,
        request: &PrivacyRequest,
        demanded: &[&Message],
        today: Date,
    ) {
        let refuses = [Occasion::Denied, Occasion::Kept, Occasion::Unverified];
        if !self
            .occasions
            .iter()
            .any(|occasion| refuses.contains(occasion))
        {
            return;
        }
        let demands = |field: &str| {
            demanded
                .iter()
                .any(|message| message.fields.iter().any(|known| known == field))
        };
        let mut said = Vec::new();
        if demands("how_to_appeal") {
            said.extend(
                self.appeal(book, request, today)
                    .map(|words| ("how_to_appeal", words)),
            );
        }
        if demands("judicial_remedy") {
            said.push(("judicial_remedy", "You can go to court.".to_owned()));
        }
        said.extend(complaint(book, &request.law).map(|words| ("complaint_to_authority", words)));
        let words: Vec<&str> = said.iter().map(|(_, words)| words.as_str()).collect();
        if !words.is_empty() {
            self.body = format!("{}\n\n{}", self.body, words.join(" "));
        }
        self.given.extend(said);
    }

    fn appeal(&self, book: &LawBook, request: &PrivacyRequest, today: Date) -> Option<String> {
        let contact = self.contact.as_deref()?;
        let within = appeal_period(book, &request.law, today)
            .map_or_else(String::new, |period| format!(" We answer within {period}."));
        Some(format!(
            "You can appeal against this: write to {contact}, name the reference {}, and say what you think is wrong.{within}",
            request.id
        ))
    }
}

/// A message is whole when it carries every field of every row that governs it.
fn complete(demanded: &[&Message], carried: &[&str]) -> Result<(), Lacking> {
    let lacking = demanded.iter().find_map(|message| {
        let field = message.missing(carried).first().copied()?;
        Some(Lacking {
            message: message.message.clone(),
            field: field.to_owned(),
            citation: message.citation.clone(),
        })
    });
    lacking.map_or(Ok(()), Err)
}

/// Whether what a recipient is told holds all that the law demands; `carried` are the fields that its channel puts into it.
///
/// # Errors
/// A field is missing.
pub fn complete_outreach(
    book: &LawBook,
    request: &PrivacyRequest,
    role: RecipientRole,
    carried: &[&str],
) -> Result<(), Lacking> {
    let occasion = match role {
        RecipientRole::ThirdParty => Occasion::ThirdPartyTold,
        RecipientRole::Internal | RecipientRole::ServiceProvider | RecipientRole::Contractor => {
            Occasion::ProcessorTold
        }
    };
    let demanded = book.messages_for(&request.law, request.kind.as_str(), None, &[occasion]);
    complete(&demanded, carried)
}

fn complaint(book: &LawBook, law: &str) -> Option<String> {
    let regulator = book.regulator(law)?;
    let url = regulator
        .url
        .as_ref()
        .map_or_else(|| ".".to_owned(), |url| format!(": {url}"));
    Some(format!(
        "You can complain to the {}, free of charge{url}",
        regulator.name
    ))
}

/// `45 days`, from the row of law data; none while the law has no such row in force.
fn appeal_period(book: &LawBook, law: &str, today: Date) -> Option<String> {
    let rule = format!("{law}.appeal");
    let law = book.law(law).ok()?;
    let row = law
        .rows
        .iter()
        .find(|row| row.text.rule == rule && row.is_valid_on(today))?;
    let unit = row.unit.as_str().replace("calendar_", "").replace('_', " ");
    Some(format!("{} {unit}", row.text.value))
}

fn field<'s>(said: &'s BTreeMap<&'static str, String>, name: &str) -> &'s str {
    said.get(name).map_or("", String::as_str)
}

/// A date as people write it.
pub fn long(date: Date) -> String {
    date.strftime("%-d %B %Y").to_string()
}
