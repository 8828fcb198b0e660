//! A consent's record for others to read: as ISO/IEC TS 27560 in JSON-LD with DPV terms, and as a Kantara Consent Receipt 1.1.
//!
//! Both are written from the same [`Recorded`] data. Sources: DPVCG, *Consent Records and Receipts*, report of 15 February 2026, DPV 2.3;
//! Kantara Consent Receipt Specification 1.1.0. A record names a subject by an opaque id only.

mod iso27560;
mod kantara;

pub use iso27560::{Iso27560Record, RECEIPT_PROFILE, RECORD_PROFILE, iso_27560};
pub use kantara::{KantaraReceipt, kantara};

use serde::{Deserialize, Serialize};

use crate::consent::{ConsentEvent, How, Party, Standing};
use crate::notice::Way;
use crate::purpose_of_use::PurposeOfUse;

/// A party to a record: the business, or a recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalEntity {
    /// An id that stays: a key, or a web address.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its postal address.
    pub address: String,
    /// Where questions go: a desk or a name that the business publishes.
    pub contact: String,
    /// An e-mail address that it publishes.
    pub email: String,
    /// A telephone number that it publishes.
    pub phone: String,
    /// Its web address.
    pub url: String,
}

/// What the business says once, for all its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Business {
    /// Who it is.
    pub entity: LegalEntity,
    /// Its privacy policy.
    pub policy_url: String,
    /// Where a consent is withdrawn.
    pub withdraw_url: String,
    /// Where the data is kept: countries by ISO 3166.
    pub storage_locations: Vec<String>,
    /// The service that the consent is given in.
    pub service: String,
}

/// One consent with all that a record says about it.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// The choice.
    pub event: &'a ConsentEvent,
    /// How it stands when the record is written: what the fold says of the choice's own scope.
    pub standing: &'a Standing,
    /// What it is for.
    pub purpose: &'a PurposeOfUse,
    /// Who asked.
    pub business: &'a Business,
    /// Who gets the data.
    pub recipients: &'a [LegalEntity],
    /// How long the data is kept, in words or as an ISO 8601 duration.
    pub retention: &'a str,
    /// Whose law governs it, e.g. `US-CA`.
    pub jurisdiction: &'a str,
    /// The language of the record.
    pub language: &'a str,
}

/// The opaque id of whom a choice is for.
fn principal(party: &Party) -> String {
    match party {
        Party::Subject(id) => id.to_string(),
        Party::Pseudonym(tag) => format!("pseudonym:{tag}"),
        Party::Device(tag) => format!("device:{tag}"),
    }
}

/// How the choice reached the business, in words.
const fn method(how: How) -> &'static str {
    match how {
        How::Told(Way::Web) => "page on the web",
        How::Told(Way::App) => "app",
        How::Told(Way::Email) => "e-mail",
        How::Told(Way::Phone) => "call",
        How::Told(Way::Paper) => "form on paper",
        How::Told(Way::InPerson) => "face to face",
        How::Told(Way::Device) => "device",
        How::Api => "application of the business",
        How::Header => "opt-out preference signal",
        How::Imported => "received with data from elsewhere",
    }
}
