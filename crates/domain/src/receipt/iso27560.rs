//! The record as ISO/IEC TS 27560:2023 in JSON-LD, each field under the DPV term of the community report's table.

use serde::{Deserialize, Serialize};

use super::{LegalEntity, Recorded, method, principal};
use crate::consent::{Act, Reason, Steps};

/// What a business keeps.
pub const RECORD_PROFILE: &str = "https://w3id.org/dpv/schema/dpv-27560#record";
/// What a subject gets.
pub const RECEIPT_PROFILE: &str = "https://w3id.org/dpv/schema/dpv-27560#receipt";

/// A record. The names are those of its context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iso27560Record {
    /// Short names for the vocabularies.
    #[serde(rename = "@context")]
    pub context: Context,
    /// What it is.
    #[serde(rename = "@type")]
    pub kind: String,
    /// Schema version: the profile that it conforms to.
    #[serde(rename = "dct:conformsTo")]
    pub conforms_to: String,
    /// Record id, and receipt id where it is a receipt.
    #[serde(rename = "dct:identifier")]
    pub identifier: String,
    /// Language of the record.
    #[serde(rename = "dct:language")]
    pub language: String,
    /// Whom it is about, by an opaque id.
    #[serde(rename = "dpv:hasDataSubject")]
    pub data_subject: Identified,
    /// What was shown.
    #[serde(
        rename = "dpv:hasNotice",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub notice: Option<NoticeShown>,
    /// What it is for, and everything that is done for it.
    #[serde(rename = "dpv:hasProcess")]
    pub process: Process,
    /// What was chosen, and how it stands.
    #[serde(rename = "dpv:hasLegalBasis")]
    pub consent: ConsentState,
}

/// Short names for the vocabularies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// The Data Privacy Vocabulary.
    pub dpv: String,
    /// Dublin Core terms.
    pub dct: String,
}

/// Something with an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identified {
    /// What it is.
    #[serde(rename = "@type")]
    pub kind: String,
    /// Its id.
    #[serde(rename = "dct:identifier")]
    pub identifier: String,
}

/// What was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeShown {
    /// Always a consent notice.
    #[serde(rename = "@type")]
    pub kind: String,
    /// Key and version.
    #[serde(rename = "dct:identifier")]
    pub identifier: String,
    /// Language of the text.
    #[serde(rename = "dct:language")]
    pub language: String,
    /// SHA-256 of the exact text.
    #[serde(rename = "dpv:hasIdentifier")]
    pub digest: String,
}

/// What is done with the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// What it is.
    #[serde(rename = "@type")]
    pub kind: String,
    /// The purpose.
    #[serde(rename = "dpv:hasPurpose")]
    pub purpose: PurposeTerm,
    /// Data categories.
    #[serde(rename = "dpv:hasPersonalData")]
    pub personal_data: Vec<Identified>,
    /// The business.
    #[serde(rename = "dpv:hasDataController")]
    pub controllers: Vec<Entity>,
    /// Who gets the data.
    #[serde(rename = "dpv:hasRecipient")]
    pub recipients: Vec<Entity>,
    /// Where the data comes from.
    #[serde(rename = "dpv:hasDataSource")]
    pub source: String,
    /// Where and how long it is kept.
    #[serde(rename = "dpv:hasStorageCondition")]
    pub storage: Storage,
    /// Whose law governs it.
    #[serde(rename = "dpv:hasJurisdiction")]
    pub jurisdiction: String,
    /// The service.
    #[serde(rename = "dpv:hasService")]
    pub service: String,
}

/// The purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeTerm {
    /// Its DPV term, or `dpv:Purpose`.
    #[serde(rename = "@type")]
    pub kind: String,
    /// Its key.
    #[serde(rename = "dct:identifier")]
    pub identifier: String,
    /// Its name.
    #[serde(rename = "dct:title")]
    pub title: String,
    /// What happens.
    #[serde(rename = "dct:description")]
    pub description: String,
}

/// A party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entity {
    /// Its part: `dpv:DataController`, `dpv:Recipient`.
    #[serde(rename = "@type")]
    pub kind: String,
    /// Its id.
    #[serde(rename = "dct:identifier")]
    pub identifier: String,
    /// Its name.
    #[serde(rename = "dpv:hasName")]
    pub name: String,
    /// Its postal address.
    #[serde(rename = "dpv:hasAddress")]
    pub address: String,
    /// Where questions go: desk, e-mail address, telephone, web address.
    #[serde(rename = "dpv:hasContact")]
    pub contact: Vec<String>,
}

/// Where and how long data is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Countries.
    #[serde(rename = "dpv:hasLocation")]
    pub locations: Vec<String>,
    /// How long.
    #[serde(rename = "dpv:hasDuration")]
    pub duration: String,
}

/// What was chosen, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentState {
    /// The type of consent.
    #[serde(rename = "@type")]
    pub kind: String,
    /// When it was chosen.
    #[serde(rename = "dct:date")]
    pub date: String,
    /// Until when it is valid; `until withdrawn` when it doesn't end by itself.
    #[serde(rename = "dct:valid")]
    pub valid: String,
    /// Who recorded it.
    #[serde(rename = "dpv:isImplementedByEntity")]
    pub entity: String,
    /// The state.
    #[serde(rename = "dpv:hasConsentStatus")]
    pub status: String,
    /// Where it is withdrawn.
    #[serde(rename = "dpv:hasConsentControl")]
    pub control: Control,
}

/// Where something is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// What is done there.
    #[serde(rename = "@type")]
    pub kind: String,
    /// The page.
    #[serde(rename = "@id")]
    pub page: String,
}

/// Writes the record; `profile` is [`RECORD_PROFILE`] or [`RECEIPT_PROFILE`].
pub fn iso_27560(recorded: &Recorded<'_>, profile: &str) -> Iso27560Record {
    let event = recorded.event;
    let shown = event.act.shown().map(|shown| NoticeShown {
        kind: "dpv:ConsentNotice".to_owned(),
        identifier: format!("{}/{}", shown.notice, shown.version),
        language: shown.language.clone(),
        digest: format!("sha256:{}", shown.digest),
    });
    Iso27560Record {
        context: Context {
            dpv: "https://w3id.org/dpv#".to_owned(),
            dct: "http://purl.org/dc/terms/".to_owned(),
        },
        kind: if profile == RECEIPT_PROFILE {
            "dpv:ConsentReceipt".to_owned()
        } else {
            "dpv:ConsentRecord".to_owned()
        },
        conforms_to: profile.to_owned(),
        identifier: event.id.to_string(),
        language: recorded.language.to_owned(),
        data_subject: identified("dpv:DataSubject", principal(&event.party)),
        notice: shown,
        process: process(recorded),
        consent: consent(recorded),
    }
}

fn identified(kind: &str, identifier: String) -> Identified {
    Identified {
        kind: kind.to_owned(),
        identifier,
    }
}

fn process(recorded: &Recorded<'_>) -> Process {
    let purpose = recorded.purpose;
    let kind = if purpose.is_sensitive() {
        "dpv:SensitivePersonalData"
    } else {
        "dpv:PersonalData"
    };
    let term = purpose.dpv.as_deref().unwrap_or("Purpose");
    Process {
        kind: "dpv:Process".to_owned(),
        purpose: PurposeTerm {
            kind: format!("dpv:{term}"),
            identifier: purpose.key.to_string(),
            title: purpose.title.in_language(recorded.language).to_owned(),
            description: purpose
                .description
                .in_language(recorded.language)
                .to_owned(),
        },
        personal_data: purpose
            .categories
            .iter()
            .map(|category| identified(kind, category.clone()))
            .collect(),
        controllers: vec![entity("dpv:DataController", &recorded.business.entity)],
        recipients: recorded
            .recipients
            .iter()
            .map(|recipient| entity("dpv:Recipient", recipient))
            .collect(),
        source: method(recorded.event.how).to_owned(),
        storage: Storage {
            locations: recorded.business.storage_locations.clone(),
            duration: recorded.retention.to_owned(),
        },
        jurisdiction: recorded.jurisdiction.to_owned(),
        service: recorded.business.service.clone(),
    }
}

fn entity(kind: &str, entity: &LegalEntity) -> Entity {
    let contact = [&entity.contact, &entity.email, &entity.phone, &entity.url];
    Entity {
        kind: kind.to_owned(),
        identifier: entity.id.clone(),
        name: entity.name.clone(),
        address: entity.address.clone(),
        contact: contact
            .into_iter()
            .filter(|text| !text.is_empty())
            .cloned()
            .collect(),
    }
}

fn consent(recorded: &Recorded<'_>) -> ConsentState {
    let event = recorded.event;
    let ends = event.act.assent().and_then(|assent| assent.expires);
    let ends = recorded
        .standing
        .until
        .filter(|_| recorded.standing.allowed)
        .or(ends);
    let kind = match event.act.assent().map(|assent| assent.steps) {
        Some(Steps::Two) => "dpv:ExplicitlyExpressedConsent",
        Some(Steps::One) => "dpv:ExpressedConsent",
        None => "dpv:Consent",
    };
    ConsentState {
        kind: kind.to_owned(),
        date: event.at.to_string(),
        valid: ends.map_or_else(|| "until withdrawn".to_owned(), |end| end.to_string()),
        entity: recorded.business.entity.id.clone(),
        status: format!("dpv:{}", status(&event.act, recorded)),
        control: Control {
            kind: "dpv:WithdrawConsent".to_owned(),
            page: recorded.business.withdraw_url.clone(),
        },
    }
}

/// The DPV term of the state: of a yes as it stands now, of a no as it was said.
fn status(act: &Act, recorded: &Recorded<'_>) -> &'static str {
    match act {
        Act::Refused { .. } => "ConsentRefused",
        Act::Withdrawn { .. } | Act::OptedOut { .. } => "ConsentWithdrawn",
        Act::Given(_) | Act::OptedInAgain(_) if recorded.standing.allowed => match act {
            Act::OptedInAgain(_) => "RenewedConsentGiven",
            _ => "ConsentGiven",
        },
        Act::Given(_) | Act::OptedInAgain(_) => match recorded.standing.reason {
            Reason::Expired => "ConsentExpired",
            Reason::Refused | Reason::Withdrawn | Reason::OptedOut | Reason::Signal => {
                "ConsentWithdrawn"
            }
            _ => "ConsentInvalidated",
        },
    }
}
