//! Consent: choices are recorded with what was shown, and answered from their whole history whenever somebody wants to know.
//!
//! What may be chosen is in two files of the business ([`load`]); what a history allows is decided by `domain::consent::standing` and nowhere
//! else. Nothing runs at night: a consent that has ended and a birthday show when the history is read.
//! Law: Civ. Code 1798.120, 1798.121, 1798.135(c), 1798.140(h); 11 CCR 7025-7028, 7070-7072; GDPR Art. 7.

mod age;
pub mod choices;
mod export;
mod forgotten;
mod guardian;
mod known;
mod link;
mod load;
mod record;
mod standing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::consent::{Facts, Tag, Terms};
use domain::data_map::IdentifierKind;
use domain::law::{DueError, LawBook};
use domain::notice::{NoticeBook, NoticeKind};
use domain::purpose_of_use::PurposeBook;
use domain::sensitive::Sensitive;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

pub use export::{RecordForm, WantedRecord};
pub(crate) use forgotten::keep_noes;
pub use guardian::GuardianLink;
pub(crate) use known::link_holders;
pub(crate) use link::{Carried, CarriedKeys, MOST_SUBJECTS, link_carried};
pub use load::{ConsentFilesError, load};
pub use record::{MOST_CHOICES, NewChoice, Recorded, Said, ShownNotice, Yes};
pub(crate) use record::{record_of, unknown_subject};
pub(crate) use standing::read_histories;
pub use standing::{Asked, History, PurposeStanding, RecipientStanding};
pub use storage::consent::StoredConsent;

use crate::{Privity, Problem};

/// The kinds under which devices, and the business's own ids of somebody, are hashed.
const DEVICE: &str = "consent_device";
const PSEUDONYM: &str = "pseudonym";

/// Laws and days whose terms are kept ready; older ones are read again when they are asked for.
const TERMS_KEPT: usize = 64;

/// What the business declares and has published, and what the laws say about it.
#[derive(Default)]
pub struct ConsentBook {
    purposes: PurposeBook,
    notices: NoticeBook,
    terms: Mutex<BTreeMap<(String, Date), Arc<Terms>>>,
}

impl ConsentBook {
    fn new(purposes: PurposeBook, notices: NoticeBook) -> Self {
        Self {
            purposes,
            notices,
            terms: Mutex::default(),
        }
    }

    /// What the business does with data, as it declares it.
    pub const fn purposes(&self) -> &PurposeBook {
        &self.purposes
    }

    /// The notices that it has published.
    pub const fn notices(&self) -> &NoticeBook {
        &self.notices
    }

    /// What a law says about choices on a day. Reading it takes longer than most answers, so it is read once a day.
    fn terms(&self, book: &LawBook, law: &str, day: Date) -> Result<Arc<Terms>, DueError> {
        let place = (law.to_owned(), day);
        let mut kept = self.terms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(terms) = kept.get(&place) {
            return Ok(terms.clone());
        }
        let terms = Arc::new(Terms::of(book, &[law], day)?);
        if kept.len() >= TERMS_KEPT {
            kept.clear();
        }
        kept.insert(place, terms.clone());
        Ok(terms)
    }
}

/// What an answer under one law at one moment rests on.
pub(crate) struct Ground {
    terms: Arc<Terms>,
    pub(crate) time_zone: TimeZone,
    pub(crate) on: Timestamp,
    collected_without_notice: bool,
}

impl Ground {
    pub(crate) fn facts(&self, age: domain::consent::Age) -> Facts<'_> {
        Facts {
            age,
            time_zone: &self.time_zone,
            terms: &self.terms,
            collected_without_notice: self.collected_without_notice,
        }
    }
}

impl Privity {
    /// What the business does with data, as it declares it; empty when the setting `consent` names no folder.
    pub fn purposes(&self) -> &PurposeBook {
        self.parts.consent.purposes()
    }

    /// The notices that the business has published, in all their versions.
    pub fn notices(&self) -> &NoticeBook {
        self.parts.consent.notices()
    }

    /// The keyed hash under which a device's choices are kept; `device` is the random id in its cookie or app, which is kept nowhere.
    pub fn device_tag(&self, device: &Sensitive<String>) -> Tag {
        self.pseudonym_tag(&IdentifierKind(DEVICE.to_owned()), device)
    }

    /// The keyed hash under which the choices of somebody who isn't known as a subject are kept, by an identifier of hers.
    pub fn pseudonym_tag(&self, kind: &IdentifierKind, identifier: &Sensitive<String>) -> Tag {
        Tag(self.keys().blind_tag(kind, identifier))
    }

    /// Whether anything is sold or shared, by the purposes or by the data map. Without it a signal asks for nothing (11 CCR 7025(c)(1)).
    pub fn sells_or_shares(&self) -> bool {
        let mut recipients = self.map().recipients.values();
        self.purposes().sells_or_shares()
            || recipients.any(|recipient| recipient.sold || recipient.shared)
    }

    pub(crate) fn ground(&self, law: Option<&str>, on: Timestamp) -> Result<Ground, Problem> {
        let name = law.unwrap_or(&self.settings().business.default_law);
        let unknown = |_: DueError| {
            let known: Vec<_> = self.law().laws().map(|law| law.key.as_str()).collect();
            // What was sent as a law is not repeated: it may be anything.
            Problem::invalid(
                "law",
                format!(
                    "this law is not known here; known laws: {}",
                    known.join(", ")
                ),
            )
        };
        let law = self.law().law(name).map_err(unknown)?;
        let day = on.to_zoned(law.time_zone().clone()).date();
        let terms = self.parts.consent.terms(self.law(), &law.key, day);
        let posted = self.notices().was_posted(NoticeKind::RightToOptOut, on);
        Ok(Ground {
            terms: terms.map_err(|error| Problem::internal("reading the law", &error))?,
            time_zone: law.time_zone().clone(),
            on,
            collected_without_notice: self.purposes().sells_or_shares() && !posted,
        })
    }
}
