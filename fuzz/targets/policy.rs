//! Any text as policies: it is refused with words, or its table says what Cedar says.
//!
//! The first byte says what follows: `f` a file, `p` the condition of a permit, `n` that of a forbid beside a permit for everything, `s` that of
//! a forbid that goes beyond the fragment.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use domain::policy::{Configuration, PolicyAttribute, PolicyPurpose, PolicyRecipient};
use domain::profile::Sensitivity;
use domain::purpose_of_use::UseKind;
use domain::recipient::RecipientRole;
use libfuzzer_sys::fuzz_target;
use policy::{Origin, PolicyFile, compile};

/// Questions to Cedar for each input: it is slow, and inputs are many.
const QUESTIONS: usize = 48;

static CONFIGURATION: LazyLock<Configuration> = LazyLock::new(configuration);

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, Ok(text))) = bytes
        .split_first()
        .map(|(kind, rest)| (kind, std::str::from_utf8(rest)))
    else {
        return;
    };
    let text = match kind {
        b'f' => text.to_owned(),
        b'p' => annotated(
            "p",
            &format!("permit (principal, action, resource) when {{ {text}\n}};"),
        ),
        b'n' | b's' => {
            let slow = if *kind == b's' { "@slow(\"s\") " } else { "" };
            let all = annotated("p", "permit (principal, action, resource);");
            let none = annotated(
                "n",
                &format!("{slow}forbid (principal, action, resource) when {{ {text}\n}};"),
            );
            all + &none
        }
        _ => return,
    };
    let file = PolicyFile {
        name: "own.cedar".to_owned(),
        text,
        origin: Origin::Company,
    };
    match compile(&[file], &CONFIGURATION, None) {
        Err(faults) => assert!(!faults.0.is_empty(), "refused without a word"),
        Ok(compiled) => {
            if let Err(difference) = compiled.oracle.compare(&compiled.table, QUESTIONS) {
                panic!("{difference}");
            }
        }
    }
});

fn annotated(id: &str, rule: &str) -> String {
    format!(
        "@id(\"{id}\")\n@citation(\"c\")\n@title(\"t\")\n@reason_subject(\"s\")\n@reason_operator(\"o\")\n{rule}\n"
    )
}

fn configuration() -> Configuration {
    let attribute = |(key, category): (&str, &str)| PolicyAttribute {
        key: key.into(),
        category: category.to_owned(),
        sensitivity: Sensitivity::Basic,
    };
    let purpose = |(key, uses, recipient): (&str, &[UseKind], &str)| PolicyPurpose {
        key: key.into(),
        uses: uses.iter().copied().collect(),
        direct_marketing: key == "news",
        categories: ["user.name".to_owned(), "user.contact".to_owned()].into(),
        recipients: [recipient.into()].into(),
    };
    let recipient = |(key, role): (&str, RecipientRole)| PolicyRecipient {
        key: key.into(),
        role,
        contract_compliant: role != RecipientRole::ThirdParty,
        sold: role == RecipientRole::ThirdParty,
        shared: false,
        categories: BTreeSet::from(["user.contact.email".to_owned()]),
    };
    let categories = [
        "user",
        "user.name",
        "user.contact",
        "user.contact.email",
        "user.health",
    ];
    let mut categories: BTreeMap<_, _> = categories
        .into_iter()
        .map(|key| (key.to_owned(), None))
        .collect();
    categories.insert("user.health.allergy".to_owned(), Some("health".to_owned()));
    Configuration {
        attributes: [
            ("name", "user.name"),
            ("email", "user.contact.email"),
            ("allergies", "user.health.allergy"),
        ]
        .map(attribute)
        .into(),
        categories,
        purposes: [
            ("orders", [].as_slice(), "carrier"),
            (
                "ads",
                [UseKind::Sale, UseKind::Sharing].as_slice(),
                "broker",
            ),
            ("news", [].as_slice(), "shop"),
        ]
        .map(purpose)
        .into(),
        recipients: [
            ("shop", RecipientRole::Internal),
            ("carrier", RecipientRole::ServiceProvider),
            ("broker", RecipientRole::ThirdParty),
        ]
        .map(recipient)
        .into(),
        jurisdictions: ["EU", "US-CA", "US-VA"].map(str::to_owned).into(),
    }
}
