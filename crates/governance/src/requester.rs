//! What a subject told us about herself when she asked: sealed under the privacy request's own key from the first moment.

use std::collections::BTreeMap;

use domain::data_map::IdentifierKind;
use domain::disclosure::OwnColumn;
use domain::sensitive::Sensitive;
use domain::traversal::Seeds;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// Where it is kept.
pub(crate) const IDENTITY: OwnColumn = OwnColumn {
    table: "privacy_request",
    column: "identity",
};
/// Where the look-ups that find her rows are kept.
pub(crate) const MANIFEST: OwnColumn = OwnColumn {
    table: "privacy_request",
    column: "manifest",
};
/// Where the facts behind a refusal are kept: words of an operator, which may name her.
pub(crate) const EXPLANATION: OwnColumn = OwnColumn {
    table: "privacy_request",
    column: "confirmation",
};

/// The subject as she named herself.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Requester {
    /// Where to write to her; an opt-out may come without.
    pub(crate) email: Option<String>,
    /// How to address her.
    pub(crate) name: Option<String>,
    /// Other identifiers that she gave.
    pub(crate) identifiers: BTreeMap<IdentifierKind, Vec<String>>,
    /// The secret of her tracker's link, so that mails can repeat it.
    pub(crate) tracker: String,
    /// Random bytes in hexadecimal, for commitments in the audit log.
    pub(crate) salt: String,
}

impl Zeroize for Requester {
    fn zeroize(&mut self) {
        self.email.zeroize();
        self.name.zeroize();
        self.tracker.zeroize();
        self.salt.zeroize();
        for (_, values) in std::mem::take(&mut self.identifiers) {
            values.into_iter().for_each(|mut value| value.zeroize());
        }
    }
}

impl Requester {
    /// The identifiers that a search starts from.
    pub(crate) fn seeds(&self) -> Seeds {
        let mut values: BTreeMap<IdentifierKind, Vec<String>> = self.identifiers.clone();
        if let Some(email) = &self.email {
            values
                .entry(IdentifierKind::email())
                .or_default()
                .push(email.clone());
        }
        values
            .into_iter()
            .map(|(kind, values)| (kind, Sensitive::new(values)))
            .collect()
    }

    /// The bytes to be sealed.
    pub(crate) fn to_bytes(&self) -> Sensitive<Vec<u8>> {
        Sensitive::new(serde_json::to_vec(self).unwrap_or_default())
    }
}
