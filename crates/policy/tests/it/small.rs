//! A small configuration for tests that write their own policies.

use std::collections::BTreeMap;

use domain::policy::{Configuration, PolicyAttribute, PolicyPurpose, PolicyRecipient};
use domain::profile::Sensitivity;
use domain::purpose_of_use::UseKind;
use domain::recipient::RecipientRole;
use policy::{Origin, PolicyFile};

pub(crate) fn configuration() -> Configuration {
    let attribute = |key: &str, category: &str, sensitivity| PolicyAttribute {
        key: key.into(),
        category: category.to_owned(),
        sensitivity,
    };
    let purpose =
        |key: &str, uses: &[UseKind], direct_marketing, recipients: &[&str]| PolicyPurpose {
            key: key.into(),
            uses: uses.iter().copied().collect(),
            direct_marketing,
            categories: ["user.name".to_owned(), "user.contact".to_owned()].into(),
            recipients: recipients.iter().map(|key| (*key).into()).collect(),
        };
    let recipient = |key: &str, role, sold| PolicyRecipient {
        key: key.into(),
        role,
        contract_compliant: role != RecipientRole::ThirdParty,
        sold,
        shared: false,
        categories: ["user.contact.email".to_owned()].into(),
    };
    let categories = [
        ("user", None),
        ("user.name", None),
        ("user.contact", None),
        ("user.contact.email", None),
        ("user.health", Some("health")),
        ("user.health.allergy", None),
    ];
    let categories: BTreeMap<_, _> = categories
        .into_iter()
        .map(|(key, kind)| (key.to_owned(), kind.map(str::to_owned)))
        .collect();
    Configuration {
        attributes: vec![
            attribute("name", "user.name", Sensitivity::Basic),
            attribute("email", "user.contact.email", Sensitivity::Basic),
            attribute("allergies", "user.health.allergy", Sensitivity::Sensitive),
            attribute("diary", "user", Sensitivity::Unstructured),
        ],
        categories,
        purposes: vec![
            purpose("orders", &[], false, &["carrier"]),
            purpose(
                "ads",
                &[UseKind::Sale, UseKind::Sharing],
                false,
                &["broker"],
            ),
            purpose("news", &[], true, &[]),
        ],
        recipients: vec![
            recipient("shop", RecipientRole::Internal, false),
            recipient("carrier", RecipientRole::ServiceProvider, false),
            recipient("broker", RecipientRole::ThirdParty, true),
        ],
        jurisdictions: ["EU", "US-CA", "US-VA"].map(str::to_owned).into(),
    }
}

pub(crate) fn file(text: &str) -> PolicyFile {
    PolicyFile {
        name: "own.cedar".to_owned(),
        text: text.to_owned(),
        origin: Origin::Company,
    }
}

/// A policy with all annotations.
pub(crate) fn annotated(id: &str, rule: &str) -> String {
    format!(
        "@id(\"{id}\")\n@citation(\"c\")\n@title(\"t\")\n@reason_subject(\"s\")\n@reason_operator(\"o\")\n{rule}\n"
    )
}
