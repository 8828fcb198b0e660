//! The identity providers whose tokens recipients may show: what is configured is checked against the data map and the purposes.

use std::sync::Arc;

use connectors::identity_provider::{IdentityProviderConfig, IdentityProviders};
use domain::data_map::DataMap;

use crate::consent::ConsentBook;
use crate::{Privity, Problem};

/// An identity provider whose keys were read, or why they can't be.
pub(crate) struct KeysLooked {
    /// The issuer.
    pub(crate) issuer: Arc<str>,
    /// How many of its keys verify tokens, or what is wrong.
    pub(crate) keys: Result<usize, String>,
}

/// Checks and loads what privity.yaml says under `identity_providers`. Reads files and calls nobody.
///
/// # Errors
/// A wrong setting, and a recipient or purpose that nobody declared, with the issuer and client that it is about.
pub(crate) fn providers(
    configs: &[IdentityProviderConfig],
    map: &DataMap,
    consent: &ConsentBook,
) -> Result<IdentityProviders, Problem> {
    let wrong = |words: String| Problem::new("setup", 500, words);
    for config in configs {
        for (name, client) in &config.clients {
            let about = format!("`identity_providers`: `{}`: client `{name}`", config.issuer);
            if !map.recipients.contains_key(&client.recipient) {
                return Err(wrong(format!(
                    "{about}: the data map has no recipient `{}`; write it there first",
                    client.recipient
                )));
            }
            let mut purposes = client.purposes.iter();
            if let Some(unknown) = purposes.find(|key| consent.purposes().get(key).is_none()) {
                return Err(wrong(format!(
                    "{about}: nobody declared a purpose `{unknown}`; write it into purposes.yaml first"
                )));
            }
        }
    }
    IdentityProviders::new(configs).map_err(wrong)
}

/// Reads the keys of all identity providers now, for `doctor`.
pub(crate) async fn look(p: &Privity) -> Vec<KeysLooked> {
    let looked = p.parts.identity_providers.look(p.now()).await;
    let looked = looked.into_iter();
    looked
        .map(|(issuer, keys)| KeysLooked { issuer, keys })
        .collect()
}
