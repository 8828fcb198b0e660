//! Before a choice is recorded: whether it is about something that exists, and whether what was shown is what was published.

use super::{Act, By, ConsentEvent, Matter, Party};
use crate::notice::{NotShown, NoticeBook, NoticeKey};
use crate::purpose_of_use::{Choice, PurposeBook, PurposeKey, PurposeOfUse};

/// Longest key of a place, in bytes.
const LONGEST_PLACE: usize = 100;

/// A choice that can't be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConsent {
    /// No such purpose.
    #[error("no purpose is called `{0}`; the purposes endpoint lists them")]
    UnknownPurpose(PurposeKey),
    /// A consent to everything of a sort.
    #[error("a consent names its purpose; send one choice for each purpose")]
    NotParticular,
    /// There is nothing to choose.
    #[error("the purpose `{0}` leaves no choice, so nothing is recorded for it")]
    NoChoice(PurposeKey),
    /// The purpose has no such recipient.
    #[error("the purpose `{purpose}` has no recipient called `{recipient}`")]
    UnknownRecipient {
        /// The purpose.
        purpose: PurposeKey,
        /// The recipient.
        recipient: String,
    },
    /// What is said to have been shown wasn't published.
    #[error(transparent)]
    NotShown(#[from] NotShown),
    /// The notice is about something else.
    #[error("notice `{notice}` version {version} does not explain the purpose `{purpose}`")]
    NotExplained {
        /// The notice.
        notice: NoticeKey,
        /// Its version.
        version: u32,
        /// The purpose.
        purpose: PurposeKey,
    },
    /// A signal said yes, or refused.
    #[error("a signal only ever opts out")]
    SignalSaysMore,
    /// The conflict with a signal is settled by known subjects only.
    #[error("only a known subject can consent in the face of a signal (11 CCR 7025(c)(3))")]
    UnknownInFaceOfSignal,
    /// A consent that ends before it begins.
    #[error("a consent ends after it is given; send a later `expires` or none")]
    EndsBeforeItBegins,
    /// The place isn't a key.
    #[error(
        "`place` is the key of a site, an app or a desk: letters, digits, `_`, `-`, `.`, `/`, at most 100"
    )]
    Place,
}

impl ConsentEvent {
    /// Checks it against what the business declares and has published. A no is refused for nothing but a purpose or place that doesn't exist: what was
    /// shown is taken as it is told.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(
        &self,
        purposes: &PurposeBook,
        notices: &NoticeBook,
    ) -> Result<(), InvalidConsent> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
        if self.place.is_empty()
            || self.place.len() > LONGEST_PLACE
            || !self.place.bytes().all(is_letter)
        {
            return Err(InvalidConsent::Place);
        }
        let purpose = self.purpose(purposes)?;
        if matches!(self.by, By::Signal { .. }) && !matches!(self.act, Act::OptedOut { .. }) {
            return Err(InvalidConsent::SignalSaysMore);
        }
        if self.act.assent().is_none() {
            return Ok(());
        }
        let purpose = purpose.ok_or(InvalidConsent::NotParticular)?;
        self.check_yes(purpose, notices)
    }

    /// The purpose that it names, if it names one.
    fn purpose<'p>(
        &self,
        purposes: &'p PurposeBook,
    ) -> Result<Option<&'p PurposeOfUse>, InvalidConsent> {
        let Matter::Purpose(key) = &self.scope.of else {
            return Ok(None);
        };
        let purpose = purposes
            .get(key)
            .ok_or_else(|| InvalidConsent::UnknownPurpose(key.clone()))?;
        Ok(Some(purpose))
    }

    fn check_yes(
        &self,
        purpose: &PurposeOfUse,
        notices: &NoticeBook,
    ) -> Result<(), InvalidConsent> {
        let Some(assent) = self.act.assent() else {
            return Ok(());
        };
        let is_free = |choice: &Choice| *choice == Choice::None;
        if is_free(&purpose.choice) && purpose.choice_under.values().all(is_free) {
            return Err(InvalidConsent::NoChoice(purpose.key.clone()));
        }
        let recipient = self.scope.recipient.as_ref();
        if let Some(recipient) = recipient.filter(|key| !purpose.recipients.contains(*key)) {
            return Err(InvalidConsent::UnknownRecipient {
                purpose: purpose.key.clone(),
                recipient: recipient.to_string(),
            });
        }
        let notice = notices.prove(&assent.shown, self.at)?;
        if !notice.purposes.contains(&purpose.key) {
            return Err(InvalidConsent::NotExplained {
                notice: notice.key.clone(),
                version: notice.version,
                purpose: purpose.key.clone(),
            });
        }
        if assent.despite_signal_of.is_some() && !matches!(self.party, Party::Subject(_)) {
            return Err(InvalidConsent::UnknownInFaceOfSignal);
        }
        if assent.expires.is_some_and(|end| end <= self.at) {
            return Err(InvalidConsent::EndsBeforeItBegins);
        }
        Ok(())
    }
}
