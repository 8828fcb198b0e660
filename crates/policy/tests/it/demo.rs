//! The demo's business as policies see it, read from its own files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use domain::law::{Category, CategoryFile};
use domain::policy::{Configuration, PolicyAttribute, PolicyPurpose, PolicyRecipient};
use domain::profile::{Schema, SchemaFile};
use domain::purpose_of_use::PurposeFile;
use domain::recipient::RecipientRole;
use policy::{Origin, PolicyFile, packs};
use serde::Deserialize;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[derive(Deserialize)]
struct RecipientFile {
    recipients: BTreeMap<String, RecipientText>,
}

#[derive(Deserialize)]
struct RecipientText {
    role: RecipientRole,
    #[serde(default)]
    contract_compliant: bool,
    #[serde(default)]
    sold: bool,
    #[serde(default)]
    shared: bool,
    categories: BTreeSet<String>,
}

#[derive(Deserialize)]
struct LawHead {
    jurisdiction: Option<String>,
}

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

fn yaml<T: serde::de::DeserializeOwned>(path: &str) -> T {
    serde_saphyr::from_str(&text(path)).unwrap()
}

pub(crate) fn categories() -> BTreeMap<String, Category> {
    let file: CategoryFile = yaml("law/categories.yaml");
    let all = file.categories.into_iter();
    all.map(|category| (category.category.clone(), category))
        .collect()
}

fn jurisdictions() -> BTreeSet<String> {
    let files = std::fs::read_dir(Path::new(ROOT).join("law")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let texts = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .map(|path| std::fs::read_to_string(path).unwrap());
    texts
        .filter_map(|text| serde_saphyr::from_str::<LawHead>(&text).ok()?.jurisdiction)
        .collect()
}

fn recipient(key: &str, text: RecipientText) -> PolicyRecipient {
    let declared = domain::recipient::Recipient {
        key: key.into(),
        title: String::new(),
        role: text.role,
        contract_compliant: text.contract_compliant,
        categories: text.categories,
        purpose: String::new(),
        sold: text.sold,
        shared: text.shared,
        consideration: None,
        channel: domain::recipient::ChannelKind::Email,
        known_by: Vec::new(),
        required_level: domain::recipient::VerificationLevel::Sent,
        reminders: domain::recipient::ReminderRule::default(),
        subjects_a_minute: domain::recipient::Recipient::SUBJECTS_A_MINUTE,
    };
    PolicyRecipient {
        key: declared.key.clone(),
        role: declared.effective_role(),
        contract_compliant: declared.contract_compliant,
        sold: declared.sold,
        shared: declared.shared,
        categories: declared.categories,
    }
}

/// The demo's files, and an application of its own beside the recipients outside.
pub(crate) fn configuration() -> Configuration {
    let categories = categories();
    let schema: SchemaFile = yaml("demo/profile.yaml");
    let schema = Schema::check("profile.yaml", &schema, &categories).unwrap();
    let purposes: PurposeFile = yaml("demo/consent/purposes.yaml");
    let file: RecipientFile = yaml("demo/data-map/recipients.yaml");
    let mut recipients: Vec<_> = file
        .recipients
        .into_iter()
        .map(|(key, text)| recipient(&key, text))
        .collect();
    recipients.push(PolicyRecipient {
        key: "shop_app".into(),
        role: RecipientRole::Internal,
        contract_compliant: false,
        sold: false,
        shared: false,
        categories: BTreeSet::new(),
    });
    Configuration {
        attributes: schema
            .attributes()
            .map(|rule| PolicyAttribute {
                key: rule.key.clone(),
                category: rule.category.clone(),
                sensitivity: rule.sensitivity,
            })
            .collect(),
        categories: categories
            .into_iter()
            .map(|(key, category)| (key, category.sensitive))
            .collect(),
        purposes: purposes
            .purposes
            .into_iter()
            .map(|(key, text)| PolicyPurpose {
                key: key.into(),
                uses: text.uses.into_iter().collect(),
                direct_marketing: text.dpv.is_some_and(|term| term.ends_with("Marketing")),
                categories: text.categories.into_iter().collect(),
                recipients: text
                    .recipients
                    .iter()
                    .map(|key| key.as_str().into())
                    .collect(),
            })
            .collect(),
        recipients,
        jurisdictions: jurisdictions().into_iter().collect(),
    }
}

/// All packs and the demo's own policies.
pub(crate) fn policies() -> Vec<PolicyFile> {
    let mut files: Vec<_> = packs().iter().map(policy::Pack::file).collect();
    files.push(PolicyFile {
        name: "company.cedar".to_owned(),
        text: text("demo/policies/company.cedar"),
        origin: Origin::Company,
    });
    files
}
