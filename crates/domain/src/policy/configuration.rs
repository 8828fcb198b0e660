//! What policies are about: the business's attributes, purposes and recipients, as far as a policy may look at them.

use std::collections::{BTreeMap, BTreeSet};

use crate::data_map::RecipientKey;
use crate::disclosure::is_within;
use crate::law::Category;
use crate::profile::{AttributeKey, AttributeRule, Schema, Sensitivity};
use crate::purpose_of_use::{PurposeBook, PurposeKey, PurposeOfUse, UseKind};
use crate::recipient::{Recipient, RecipientRole};

/// Everything that a policy may name.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// Attributes of a profile.
    pub attributes: Vec<PolicyAttribute>,
    /// Data categories by key, each with the key of the sensitive personal information that it is, where it is.
    pub categories: BTreeMap<String, Option<String>>,
    /// Purposes of use.
    pub purposes: Vec<PolicyPurpose>,
    /// Recipients.
    pub recipients: Vec<PolicyRecipient>,
    /// Jurisdictions that law data knows, e.g. `US-CA`; not [`super::UNKNOWN`] and [`super::OTHER`].
    pub jurisdictions: Vec<String>,
}

/// An attribute, as policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyAttribute {
    /// Its key.
    pub key: AttributeKey,
    /// Its data category.
    pub category: String,
    /// How carefully it is kept.
    pub sensitivity: Sensitivity,
}

/// A purpose of use, as policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyPurpose {
    /// Its key.
    pub key: PurposeKey,
    /// What the law looks at in it.
    pub uses: BTreeSet<UseKind>,
    /// Whether it is direct marketing (GDPR Art. 21(2)), by its term in the Data Privacy Vocabulary.
    pub direct_marketing: bool,
    /// Data categories that the business declares for it.
    pub categories: BTreeSet<String>,
    /// Recipients that the business declares for it.
    pub recipients: BTreeSet<RecipientKey>,
}

/// A recipient, as policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRecipient {
    /// Its key.
    pub key: RecipientKey,
    /// Its effective role (11 CCR 7051(c)).
    pub role: RecipientRole,
    /// Whether its contract has every term that the law asks for.
    pub contract_compliant: bool,
    /// Whether data is sold to it.
    pub sold: bool,
    /// Whether data is shared with it for cross-context behavioural advertising.
    pub shared: bool,
    /// Data categories that the business declares for it.
    pub categories: BTreeSet<String>,
}

impl Configuration {
    /// Gathers what the business declared and law data knows.
    pub fn of<'r>(
        schema: &Schema,
        categories: &BTreeMap<String, Category>,
        purposes: &PurposeBook,
        recipients: impl IntoIterator<Item = &'r Recipient>,
        jurisdictions: impl IntoIterator<Item = String>,
    ) -> Self {
        let jurisdictions: BTreeSet<_> = jurisdictions.into_iter().collect();
        Self {
            attributes: schema.attributes().map(PolicyAttribute::of).collect(),
            categories: categories
                .iter()
                .map(|(key, category)| (key.clone(), category.sensitive.clone()))
                .collect(),
            purposes: purposes.iter().map(PolicyPurpose::of).collect(),
            recipients: recipients.into_iter().map(PolicyRecipient::of).collect(),
            jurisdictions: jurisdictions.into_iter().collect(),
        }
    }

    /// The key of the sensitive personal information that a category is, its own or that of the nearest category above it.
    pub fn sensitive_kind(&self, category: &str) -> Option<&str> {
        let mut at = Some(category);
        while let Some(key) = at {
            if let Some(Some(kind)) = self.categories.get(key) {
                return Some(kind);
            }
            at = parent(key);
        }
        None
    }
}

/// The category above: `user.contact` for `user.contact.email`.
fn parent(category: &str) -> Option<&str> {
    category.rsplit_once('.').map(|(above, _)| above)
}

impl PolicyAttribute {
    fn of(rule: &AttributeRule) -> Self {
        Self {
            key: rule.key.clone(),
            category: rule.category.clone(),
            sensitivity: rule.sensitivity,
        }
    }
}

impl PolicyPurpose {
    fn of(purpose: &PurposeOfUse) -> Self {
        let is_marketing = |term: &String| term.ends_with("Marketing");
        Self {
            key: purpose.key.clone(),
            uses: purpose.uses.clone(),
            direct_marketing: purpose.dpv.as_ref().is_some_and(is_marketing),
            categories: purpose.categories.clone(),
            recipients: purpose.recipients.clone(),
        }
    }

    /// Whether the business declares an attribute's category, or one above it, for the purpose (11 CCR 7002; GDPR Art. 5(1)(b)).
    pub fn declares(&self, attribute: &PolicyAttribute) -> bool {
        covers(&self.categories, attribute)
    }
}

impl PolicyRecipient {
    fn of(recipient: &Recipient) -> Self {
        Self {
            key: recipient.key.clone(),
            role: recipient.effective_role(),
            contract_compliant: recipient.contract_compliant,
            sold: recipient.sold,
            shared: recipient.shared,
            categories: recipient.categories.clone(),
        }
    }

    /// Whether the business declares an attribute's category, or one above it, for the recipient.
    pub fn declares(&self, attribute: &PolicyAttribute) -> bool {
        covers(&self.categories, attribute)
    }
}

fn covers(categories: &BTreeSet<String>, attribute: &PolicyAttribute) -> bool {
    let category = attribute.category.as_str();
    categories.iter().any(|above| is_within(category, above))
}
