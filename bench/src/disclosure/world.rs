//! What everything but the gateway is measured with: thirty attributes in nine categories, twenty recipients, eight purposes, 160 permits and 40
//! forbids; once as our configuration and Cedar, once as Rego, once as Cerbos's policies, so that all decide the same.

#![expect(
    clippy::indexing_slicing,
    reason = "places in lists of a length that is written beside them"
)]

use std::fmt::Write as _;

use domain::policy::{Configuration, PolicyAttribute, PolicyPurpose, PolicyRecipient};
use domain::profile::Sensitivity;
use domain::purpose_of_use::UseKind;
use domain::recipient::RecipientRole;
use policy::{Origin, PolicyFile};
use serde_json::{Value, json};

pub(crate) const ATTRIBUTES: usize = 30;
pub(crate) const RECIPIENTS: usize = 20;
pub(crate) const PURPOSES: usize = 8;
const CATEGORIES: [&str; 9] = [
    "user.unique_id",
    "user.name",
    "user.contact.email",
    "user.contact.address",
    "user.account",
    "user.behavior",
    "user.device",
    "user.content",
    "user.workplace",
];
/// As law data names them.
const PLACES: [&str; 10] = [
    "EU", "US-CA", "US-VA", "US-CO", "US-TX", "US-CT", "US-UT", "US-OR", "US-MT", "US-NJ",
];
/// Who may have everything for purpose 1, beside what the others may: whole profiles are read by it.
pub(crate) const READER: usize = 0;
pub(crate) const READS_FOR: usize = 1;

pub(crate) fn attribute(number: usize) -> String {
    format!("attribute_{number}")
}

pub(crate) fn recipient(number: usize) -> String {
    format!("recipient_{number}")
}

pub(crate) fn purpose(number: usize) -> String {
    format!("purpose_{number}")
}

pub(crate) const fn category(attribute: usize) -> &'static str {
    CATEGORIES[attribute % CATEGORIES.len()]
}

const fn is_sale(purpose: usize) -> bool {
    purpose.is_multiple_of(3)
}

const fn is_marketing(purpose: usize) -> bool {
    purpose % 3 == 1
}

const fn role(recipient: usize) -> RecipientRole {
    match recipient % 3 {
        0 => RecipientRole::Internal,
        1 => RecipientRole::ServiceProvider,
        _ => RecipientRole::ThirdParty,
    }
}

/// The categories that a recipient may have for a purpose.
fn permitted(recipient: usize, purpose: usize) -> Vec<&'static str> {
    if (recipient, purpose) == (READER, READS_FOR) {
        return CATEGORIES.to_vec();
    }
    let of = |more: usize| CATEGORIES[(recipient + purpose * more) % CATEGORIES.len()];
    let mut all: Vec<_> = (0..3).map(of).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What a forbid looks at.
enum Forbid {
    /// Sale, of whoever opted out or sends a signal, unless she consented.
    Sale,
    /// Third parties, of children, unless there is consent.
    Child,
    /// One category, of whoever limited it.
    Limited,
    /// Direct marketing, of whoever opted out.
    Marketing,
}

fn forbids() -> impl Iterator<Item = (usize, &'static str, Forbid)> {
    (0..40).map(|number| {
        let kind = match number % 4 {
            0 => Forbid::Sale,
            1 => Forbid::Child,
            2 => Forbid::Limited,
            _ => Forbid::Marketing,
        };
        (number, PLACES[number % PLACES.len()], kind)
    })
}

pub(crate) fn configuration() -> Configuration {
    let purpose = |number: usize| PolicyPurpose {
        key: purpose(number).as_str().into(),
        uses: if is_sale(number) {
            [UseKind::Sale, UseKind::Sharing].into()
        } else {
            [].into()
        },
        direct_marketing: is_marketing(number),
        categories: CATEGORIES.iter().map(|one| (*one).to_owned()).collect(),
        recipients: (0..RECIPIENTS)
            .map(|one| recipient(one).as_str().into())
            .collect(),
    };
    let recipient = |number: usize| PolicyRecipient {
        key: recipient(number).as_str().into(),
        role: role(number),
        contract_compliant: role(number) != RecipientRole::ThirdParty,
        sold: false,
        shared: false,
        categories: CATEGORIES.iter().map(|one| (*one).to_owned()).collect(),
    };
    let attribute = |number: usize| PolicyAttribute {
        key: attribute(number).as_str().into(),
        category: category(number).to_owned(),
        sensitivity: Sensitivity::Basic,
    };
    let above = ["user", "user.contact"].map(str::to_owned);
    let categories = CATEGORIES.iter().map(|one| (*one).to_owned()).chain(above);
    Configuration {
        attributes: (0..ATTRIBUTES).map(attribute).collect(),
        categories: categories.map(|one| (one, None)).collect(),
        purposes: (0..PURPOSES).map(purpose).collect(),
        recipients: (0..RECIPIENTS).map(recipient).collect(),
        jurisdictions: PLACES.map(str::to_owned).into(),
    }
}

pub(crate) fn cedar_file() -> PolicyFile {
    PolicyFile {
        name: "company.cedar".to_owned(),
        text: cedar(),
        origin: Origin::Company,
    }
}

/// The policies in Cedar.
pub(crate) fn cedar() -> String {
    let mut text = String::new();
    let mut add = |id: &str, rule: &str| {
        let says = "@citation(\"a benchmark\")\n@title(\"Nobody's\")\n@reason_subject(\"None.\")\n@reason_operator(\"None.\")";
        let _ = writeln!(text, "@id(\"{id}\")\n{says}\n{rule}\n");
    };
    for of in 0..RECIPIENTS {
        for to in 0..PURPOSES {
            let parts: Vec<_> = permitted(of, to)
                .iter()
                .map(|one| format!("Category::\"{one}\""))
                .collect();
            add(
                &format!("permit-{of}-{to}"),
                &format!(
                    "permit (principal == Recipient::\"{}\", action == Action::\"{}\", resource) when {{ resource in [{}] && (context.choice_allows || context.consented) }};",
                    recipient(of),
                    purpose(to),
                    parts.join(", ")
                ),
            );
        }
    }
    for (number, place, kind) in forbids() {
        let here = format!("context.jurisdiction == \"{place}\"");
        let rule = match kind {
            Forbid::Sale => format!(
                "forbid (principal, action in Action::\"sale\", resource) when {{ {here} && (context.opted_out_of_sale || context.signal) }} unless {{ context.consented }};"
            ),
            Forbid::Child => format!(
                "forbid (principal in Role::\"third_party\", action, resource) when {{ {here} && context.age == \"under_13\" }} unless {{ context.consented }};"
            ),
            Forbid::Limited => format!(
                "forbid (principal, action, resource in Category::\"user.content\") when {{ {here} && context.limited }};"
            ),
            Forbid::Marketing => format!(
                "forbid (principal, action in Action::\"direct_marketing\", resource) when {{ {here} && context.opted_out }};"
            ),
        };
        add(&format!("forbid-{number}"), &rule);
    }
    text
}

/// The same in Rego: `data.privity.allowed` is the set of attributes that go out.
pub(crate) fn rego() -> String {
    let mut text = String::from("package privity\nimport rego.v1\n\n");
    let mut add = |what: &str, conditions: &[String]| {
        let _ = writeln!(
            text,
            "{what} contains attribute if {{\n  {}\n}}",
            conditions.join("\n  ")
        );
    };
    for of in 0..RECIPIENTS {
        for to in 0..PURPOSES {
            for category in permitted(of, to) {
                for fact in ["choice_allows", "consented"] {
                    let conditions = [
                        format!("input.recipient == \"{}\"", recipient(of)),
                        format!("input.purpose == \"{}\"", purpose(to)),
                        format!("input.{fact}"),
                        format!("some attribute in data.by_category[\"{category}\"]"),
                    ];
                    add("permitted", &conditions);
                }
            }
        }
    }
    for (_, place, kind) in forbids() {
        let here = format!("input.jurisdiction == \"{place}\"");
        let all = "some attribute in data.all".to_owned();
        let not_consented = "not input.consented".to_owned();
        match kind {
            Forbid::Sale => {
                for fact in ["opted_out_of_sale", "signal"] {
                    let (sale, fact) = ("input.is_sale".to_owned(), format!("input.{fact}"));
                    let conditions = [sale, here.clone(), fact, not_consented.clone(), all.clone()];
                    add("forbidden", &conditions);
                }
            }
            Forbid::Child => {
                let third = "input.is_third_party".to_owned();
                let child = "input.age == \"under_13\"".to_owned();
                add("forbidden", &[third, here, child, not_consented, all]);
            }
            Forbid::Limited => {
                let own = "some attribute in data.by_category[\"user.content\"]".to_owned();
                add("forbidden", &[here, "input.limited".to_owned(), own]);
            }
            Forbid::Marketing => {
                let (own, out) = (
                    "input.is_marketing".to_owned(),
                    "input.opted_out".to_owned(),
                );
                add("forbidden", &[own, here, out, all]);
            }
        }
    }
    text.push_str("\nallowed := permitted - forbidden\n");
    text
}

/// What the Rego rules look up.
pub(crate) fn rego_data() -> Value {
    let of = |wanted: &str| -> Vec<String> {
        let own = (0..ATTRIBUTES).filter(|one| category(*one) == wanted);
        own.map(attribute).collect()
    };
    let by_category: serde_json::Map<_, _> = CATEGORIES
        .iter()
        .map(|one| ((*one).to_owned(), json!(of(one))))
        .collect();
    let all: Vec<_> = (0..ATTRIBUTES).map(attribute).collect();
    json!({ "by_category": by_category, "all": all })
}

/// What Rego and Cerbos are told of recipient and purpose, which Cedar has from the configuration.
pub(crate) fn told(recipient_number: usize, purpose_number: usize) -> Value {
    json!({
        "recipient": recipient(recipient_number),
        "purpose": purpose(purpose_number),
        "is_sale": is_sale(purpose_number),
        "is_marketing": is_marketing(purpose_number),
        "is_third_party": role(recipient_number) == RecipientRole::ThirdParty,
    })
}

/// The same for Cerbos, as it is fastest there: a kind of resource for each purpose, a role for each recipient and an action for each
/// attribute are looked up, and only the rest are conditions. With all of them as conditions it takes seventeen times as long.
pub(crate) fn cerbos() -> Vec<Value> {
    (0..PURPOSES).map(cerbos_for).collect()
}

fn cerbos_for(to: usize) -> Value {
    let named = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
        let own = (0..ATTRIBUTES).filter(|one| wanted(category(*one)));
        own.map(attribute).collect()
    };
    let all = || vec!["*".to_owned()];
    let mut rules = Vec::new();
    for of in 0..RECIPIENTS {
        let categories = permitted(of, to);
        rules.push(json!({
            "actions": named(&|one| categories.contains(&one)), "effect": "EFFECT_ALLOW", "roles": [recipient(of)],
            "condition": {"match": {"expr": "R.attr.choice_allows || R.attr.consented"}},
        }));
    }
    for (_, place, kind) in forbids() {
        let here = format!("R.attr.jurisdiction == \"{place}\"");
        let (what, actions) = match kind {
            Forbid::Sale => (
                "R.attr.is_sale && (R.attr.opted_out_of_sale || R.attr.signal) && !R.attr.consented",
                all(),
            ),
            Forbid::Child => (
                "R.attr.is_third_party && R.attr.age == \"under_13\" && !R.attr.consented",
                all(),
            ),
            Forbid::Limited => ("R.attr.limited", named(&|one| one == "user.content")),
            Forbid::Marketing => ("R.attr.is_marketing && R.attr.opted_out", all()),
        };
        rules.push(json!({
            "actions": actions, "effect": "EFFECT_DENY", "roles": ["*"],
            "condition": {"match": {"expr": format!("{here} && {what}")}},
        }));
    }
    json!({
        "apiVersion": "api.cerbos.dev/v1",
        "resourcePolicy": {"resource": purpose(to), "version": "default", "rules": rules},
    })
}

/// profile.yaml: the first attribute finds a subject.
pub(crate) fn profile_yaml() -> String {
    let mut text = String::from(
        "version: 1\nlives_in: { country: attribute_3, region: attribute_4 }\nidentity: { default_country: US }\nsources:\n  - { source: shop, number: 1, title: Shop, record: attribute_0, proves: [attribute_0] }\nattributes:\n",
    );
    for number in 0..ATTRIBUTES {
        let identifier = if number == 0 {
            ", identifier: { rule: verbatim, unique: true }"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "  - {{ attribute: {}, number: {}, title: Attribute {number}, category: {}{identifier} }}",
            attribute(number),
            number + 1,
            category(number)
        );
    }
    text
}

/// map.yaml.
pub(crate) fn map_yaml() -> String {
    let mut text = String::from(
        "systems:\n  shop: { title: Shop, sources: [consumer_directly], purposes: [orders], connection: { kind: manual, operator: Desk, instructions: look it up, due_days: 3 } }\nrecipients:\n",
    );
    for number in 0..RECIPIENTS {
        let (role, contract) = match role(number) {
            RecipientRole::Internal => ("internal", ""),
            RecipientRole::ServiceProvider => ("service_provider", ", contract_compliant: true"),
            _ => ("third_party", ""),
        };
        let _ = writeln!(
            text,
            "  {}: {{ title: Recipient {number}, role: {role}{contract}, categories: [{}], purpose: a benchmark, known_by: [email], required_level: delivered, subjects_a_minute: 1000000000, channel: {{ kind: email, to: privacy@recipient-{number}.example }} }}",
            recipient(number),
            CATEGORIES.join(", ")
        );
    }
    text
}

/// consent/purposes.yaml.
pub(crate) fn purposes_yaml() -> String {
    let mut text = String::from("purposes:\n");
    for number in 0..PURPOSES {
        let uses = if is_sale(number) {
            ", uses: [sale, sharing]"
        } else {
            ""
        };
        let dpv = if is_marketing(number) {
            ", dpv: DirectMarketing"
        } else {
            ""
        };
        let recipients: Vec<_> = (0..RECIPIENTS).map(recipient).collect();
        let _ = writeln!(
            text,
            "  {}: {{ title: {{ en: Purpose {number} }}, description: {{ en: A benchmark. }}, categories: [{}], choice: opt_out, collected_by: [web], recipients: [{}]{uses}{dpv} }}",
            purpose(number),
            CATEGORIES.join(", "),
            recipients.join(", ")
        );
    }
    text
}
