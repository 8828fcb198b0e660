//! What a business says about SCIM under `scim` in profile.yaml.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::data_map::RecipientKey;

/// Settings as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScimText {
    /// The source whose records the clients keep.
    pub source: String,
    /// Which place in a resource is which attribute; [`DEFAULTS`] say the rest.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// What becomes of a record that a client deletes.
    #[serde(default)]
    pub on_delete: OnDelete,
    /// Recipients that may write records of the source, as far as they may see what they write.
    #[serde(default)]
    pub writers: BTreeSet<RecipientKey>,
}

/// What becomes of a record that a client deletes. Nobody is erased by it: that takes a privacy request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// It is not active and not shown any more; its values stay in the profile, and the same client can bring it back.
    #[default]
    Deactivate,
    /// Everything that this source said is taken out of the profile, but for the identifier that the record is found by.
    Withdraw,
}

/// Places and the attributes that they are where a business says nothing else: the first that its schema has.
pub const DEFAULTS: [(&str, &[&str]); 16] = [
    ("userName", &["user_name"]),
    ("externalId", &["external_id", "customer_number"]),
    ("active", &["active"]),
    ("displayName", &["display_name", "full_name", "name"]),
    ("name.givenName", &["first_name", "given_name"]),
    ("name.familyName", &["last_name", "family_name"]),
    ("emails[type eq \"work\"].value", &["email"]),
    ("phoneNumbers[type eq \"work\"].value", &["phone"]),
    ("addresses[type eq \"work\"].streetAddress", &["street"]),
    ("addresses[type eq \"work\"].locality", &["city"]),
    ("addresses[type eq \"work\"].region", &["state"]),
    ("addresses[type eq \"work\"].postalCode", &["postal_code"]),
    ("addresses[type eq \"work\"].country", &["country"]),
    ("preferredLanguage", &["language"]),
    ("title", &["job_title"]),
    (
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization",
        &["company"],
    ),
];
