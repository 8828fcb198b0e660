//! The record as a Kantara Consent Receipt 1.1.0 (2017, frozen 2019): plain JSON for tools that know nothing newer.

use serde::{Deserialize, Serialize};

use super::{LegalEntity, Recorded, method, principal};

/// The version that every receipt names.
const VERSION: &str = "KI-CR-v1.1.0";

/// A receipt. The names are the specification's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KantaraReceipt {
    /// Of the specification: `KI-CR-v1.1.0`.
    pub version: String,
    /// Whose law governs it.
    pub jurisdiction: String,
    /// Seconds since 1970.
    pub consent_timestamp: i64,
    /// How the choice was collected.
    pub collection_method: String,
    /// Id of the consent.
    #[serde(rename = "consentReceiptID")]
    pub consent_receipt_id: String,
    /// The language that was shown.
    pub language: String,
    /// Opaque id of the subject.
    pub pii_principal_id: String,
    /// Who asked.
    pub pii_controllers: Vec<Controller>,
    /// The privacy policy.
    pub policy_url: String,
    /// What for.
    pub services: Vec<Service>,
    /// Whether sensitive data is used.
    pub sensitive: bool,
    /// Which.
    pub spi_cat: Vec<String>,
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Controller {
    /// Its name.
    pub pii_controller: String,
    /// Where questions go.
    pub contact: String,
    /// Its postal address.
    pub address: Address,
    /// Its e-mail address.
    pub email: String,
    /// Its telephone number.
    pub phone: String,
    /// Its web address.
    pub pii_controller_url: String,
}

/// A postal address in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// The line.
    pub street_address: String,
}

/// A service and its purposes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub service: String,
    /// Its purposes.
    pub purposes: Vec<Purpose>,
}

/// One purpose of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Purpose {
    /// Its name.
    pub purpose: String,
    /// Its categories: the key, and the DPV term where there is one.
    pub purpose_category: Vec<String>,
    /// How consent was expressed.
    pub consent_type: String,
    /// Data categories.
    pub pii_category: Vec<String>,
    /// Whether the service can't be had without it.
    pub primary_purpose: bool,
    /// When the consent ends, and how.
    pub termination: String,
    /// Whether somebody else gets the data.
    pub third_party_disclosure: bool,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub third_party_name: Option<String>,
}

/// Writes the receipt of a consent; none for a no, of which the specification knows no receipt.
pub fn kantara(recorded: &Recorded<'_>) -> Option<KantaraReceipt> {
    let assent = recorded.event.act.assent()?;
    let business = recorded.business;
    let purpose = recorded.purpose;
    Some(KantaraReceipt {
        version: VERSION.to_owned(),
        jurisdiction: recorded.jurisdiction.to_owned(),
        consent_timestamp: recorded.event.at.as_second().max(0),
        collection_method: method(recorded.event.how).to_owned(),
        consent_receipt_id: recorded.event.id.to_string(),
        language: assent.shown.language.clone(),
        pii_principal_id: principal(&recorded.event.party),
        pii_controllers: vec![controller(&business.entity)],
        policy_url: business.policy_url.clone(),
        services: vec![Service {
            service: business.service.clone(),
            purposes: vec![purpose_of(recorded)],
        }],
        sensitive: purpose.is_sensitive(),
        spi_cat: purpose.sensitive.iter().cloned().collect(),
    })
}

fn controller(entity: &LegalEntity) -> Controller {
    Controller {
        pii_controller: entity.name.clone(),
        contact: entity.contact.clone(),
        address: Address {
            street_address: entity.address.clone(),
        },
        email: entity.email.clone(),
        phone: entity.phone.clone(),
        pii_controller_url: entity.url.clone(),
    }
}

fn purpose_of(recorded: &Recorded<'_>) -> Purpose {
    let purpose = recorded.purpose;
    let names: Vec<&str> = recorded
        .recipients
        .iter()
        .map(|recipient| recipient.name.as_str())
        .collect();
    let ends = recorded
        .standing
        .until
        .filter(|_| recorded.standing.allowed);
    let withdrawn = format!("when withdrawn at {}", recorded.business.withdraw_url);
    Purpose {
        purpose: purpose.title.in_language(recorded.language).to_owned(),
        purpose_category: std::iter::once(purpose.key.to_string())
            .chain(purpose.dpv.clone())
            .collect(),
        consent_type: "EXPLICIT".to_owned(),
        pii_category: purpose.categories.iter().cloned().collect(),
        primary_purpose: false,
        termination: ends.map_or_else(|| withdrawn.clone(), |end| format!("{end}, or {withdrawn}")),
        third_party_disclosure: !names.is_empty(),
        third_party_name: (!names.is_empty()).then(|| names.join(", ")),
    }
}
