//! What a business sets: its name, its addresses, its rules. Read from privity.yaml and the environment by the server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use domain::consent::GuardianProof;
use domain::privacy_request::RequestKind;
use domain::sensitive::Sensitive;
use serde::Deserialize;

/// All settings.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The business.
    pub business: Business,
    /// The URL under which subjects and recipients reach us, without a slash at the end.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// The address to listen on.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// Our own database: `sqlite:PATH` or a PostgreSQL URL.
    #[serde(default = "default_storage")]
    pub storage: Sensitive<String>,
    /// The file that holds our keys; made on the first start. Keep it apart from the database and its backups.
    #[serde(default = "default_key_file")]
    pub key_file: PathBuf,
    /// What opens the key file; absent, it opens by itself.
    #[serde(default)]
    pub key_service: Option<KeyServiceSettings>,
    /// After how many days the key that wraps all others is changed by itself, so that older backups forget; 0 is never.
    #[serde(default = "default_key_rotation_days")]
    pub key_rotation_days: u32,
    /// Where sealed access packages lie until their links end.
    #[serde(default = "default_packages_dir")]
    pub packages_dir: PathBuf,
    /// The folder (or file) of the data map.
    pub data_map: PathBuf,
    /// The schema of attributes; without it there are no profiles.
    #[serde(default)]
    pub profile: Option<PathBuf>,
    /// A folder of law files that replaces the one built in.
    #[serde(default)]
    pub law: Option<PathBuf>,
    /// A folder with the business's purposes and notices; nobody is asked for consent without.
    #[serde(default)]
    pub consent: Option<PathBuf>,
    /// A folder with the business's own policies, `*.cedar`; without it every recipient is denied.
    #[serde(default)]
    pub policies: Option<PathBuf>,
    /// Packs of policies that ship and bind the business: `ccpa`, `gdpr`, `hipaa`.
    #[serde(default)]
    pub policy_packs: Vec<String>,
    /// Identity providers whose tokens (JWT) recipients may show in place of a key of ours.
    #[serde(default)]
    pub identity_providers: Vec<connectors::identity_provider::IdentityProviderConfig>,
    /// Origins of the business's own sites, e.g. `https://shop.example`: their pages may show choices and send them.
    #[serde(default)]
    pub sites: Vec<String>,
    /// How a parent or guardian can be shown to be one to your staff (11 CCR 7070(a)(2)): `signed_form`, `card_payment`, `call`, `video`, `in_person`,
    /// `government_id`. With none, no page takes a yes for a child.
    #[serde(default)]
    pub guardian_proofs: BTreeSet<GuardianProof>,
    /// The mail server.
    pub mail: connectors::email::SmtpConfig,
    /// The reverse proxy before the business's own APIs; without it there is none.
    #[serde(default)]
    pub gateway: Option<GatewaySettings>,
    /// Source systems in PostgreSQL in which recipients read through views that follow the policies.
    #[serde(default)]
    pub views: Vec<ViewSettings>,
    /// What needs no operator's approval.
    #[serde(default)]
    pub approval: Approval,
    /// Codes by e-mail.
    #[serde(default)]
    pub verification: Verification,
    /// Access packages.
    #[serde(default)]
    pub package: Package,
    /// Limits on what comes from outside.
    #[serde(default)]
    pub limits: Limits,
}

/// What opens the key file.
#[derive(Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum KeyServiceSettings {
    /// A key in a file of its own, on a medium of its own or handed over by systemd.
    LocalFile(LocalFile),
    /// The transit engine of HashiCorp Vault or OpenBao.
    VaultTransit(connectors::key_service::VaultTransitConfig),
    /// AWS KMS.
    AwsKms(connectors::key_service::AwsKmsConfig),
}

/// A key in a file of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalFile {
    /// The file.
    pub path: PathBuf,
}

/// The business that runs this.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Business {
    /// Its name.
    pub name: String,
    /// Where people write about privacy: an e-mail address or a URL.
    #[serde(default)]
    pub privacy_contact: Option<String>,
    /// Where its privacy policy stands; a letter that has to refer to it can't be sent without (11 CCR 7024(a)-(b)).
    #[serde(default)]
    pub privacy_policy: Option<String>,
    /// Its own web address; records of consent name it.
    #[serde(default)]
    pub website: Option<String>,
    /// Its postal address in one line; records of consent name it.
    #[serde(default)]
    pub postal_address: Option<String>,
    /// Countries in which it keeps data, by ISO 3166, e.g. `US`; records of consent name them.
    #[serde(default)]
    pub data_locations: Vec<String>,
    /// A number that people can call without charge (Cal. Civ. Code 1798.130(a)(1)).
    #[serde(default)]
    pub toll_free_number: Option<String>,
    /// Whether it deals with its customers online only, so that e-mail suffices for know, delete and correct.
    #[serde(default)]
    pub online_only: bool,
    /// The law that applies when the subject names none.
    #[serde(default = "default_law")]
    pub default_law: String,
    /// The language in which it speaks with its customers.
    #[serde(default = "default_language")]
    pub language: String,
}

/// The reverse proxy before the business's own APIs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// The address that it listens on, e.g. `0.0.0.0:8090`.
    pub listen: String,
    /// The folder (or file) of its routes.
    pub routes: PathBuf,
    /// The prefix of paths under which Envoy asks whether a call may pass (`ext_authz`), e.g. `/ext_authz`; it may not ask when left out.
    #[serde(default)]
    pub ext_authz: Option<String>,
    /// The header in which whatever ends TLS in front of the gateway tells the SHA-256 of the caller's certificate, in hexadecimal. Only where it
    /// takes that header away from everybody else; recipients are not known by certificates when left out.
    #[serde(default)]
    pub certificate_header: Option<String>,
    /// The gateway's own certificate in PEM form, then those that lead to its authority, where it ends TLS itself: recipients are known by the
    /// certificates that they show it. Both files are read again when they change.
    #[serde(default)]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key in PEM form.
    #[serde(default)]
    pub tls_key: Option<PathBuf>,
}

/// Views in one source system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewSettings {
    /// Key of the system in the data map.
    pub system: String,
    /// After so many seconds without a word from Privity the views show nothing.
    #[serde(default = "default_stale_after_seconds")]
    pub stale_after_seconds: u32,
    /// Roles of the database that are there already, by recipient; for every other recipient a role `privity_…` is made.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
}

/// Which privacy requests go on without an operator once they are verified.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approval {
    /// Kinds that are approved by rule.
    pub automatic: Vec<RequestKind>,
}

/// Codes by e-mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Verification {
    /// How long a code works.
    pub code_minutes: u32,
    /// How many tries a code has.
    pub tries: u32,
    /// How many codes are sent for one privacy request.
    pub sends: u32,
    /// How long to wait before another code.
    pub resend_seconds: u32,
    /// After how many days an unverified privacy request ends.
    pub expire_days: u32,
}

/// Access packages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Package {
    /// How long the link works.
    pub link_days: u32,
}

/// Limits on what comes from outside.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Privacy requests that one network address may start in an hour.
    pub requests_per_hour_per_address: u32,
    /// The largest form or body.
    pub body_bytes: usize,
}

/// Checks the origin of a site as browsers send it: scheme, host and port, nothing behind it.
///
/// # Errors
/// What is wrong, in words.
pub fn check_site(site: &str) -> Result<(), String> {
    let wrong = || {
        Err(format!(
            "`{site}` in `sites` is not an origin; write scheme and host and nothing behind them, e.g. `https://shop.example`"
        ))
    };
    let Some((scheme, host)) = site.split_once("://") else {
        return wrong();
    };
    let is_host =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte);
    let is_local = ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| {
        host == *local
            || host
                .strip_prefix(local)
                .is_some_and(|port| port.starts_with(':'))
    });
    let is_origin = !host.is_empty() && host.bytes().all(is_host);
    if is_origin && (scheme == "https" || (scheme == "http" && is_local)) {
        return Ok(());
    }
    wrong()
}

impl Default for Approval {
    fn default() -> Self {
        Self {
            automatic: vec![
                RequestKind::KnowCategories,
                RequestKind::KnowSpecific,
                RequestKind::OptOutSaleShare,
            ],
        }
    }
}
impl Default for Verification {
    fn default() -> Self {
        Self {
            code_minutes: 30,
            tries: 5,
            sends: 5,
            resend_seconds: 60,
            expire_days: 30,
        }
    }
}
impl Default for Package {
    fn default() -> Self {
        Self { link_days: 14 }
    }
}
impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_hour_per_address: 20,
            body_bytes: 65_536,
        }
    }
}

/// Long enough for a new version of this program to start in.
const fn default_stale_after_seconds() -> u32 {
    60
}

fn default_base_url() -> String {
    "http://127.0.0.1:8080".to_owned()
}
fn default_listen() -> String {
    "127.0.0.1:8080".to_owned()
}
fn default_storage() -> Sensitive<String> {
    Sensitive::new("sqlite:privity.db".to_owned())
}
fn default_key_file() -> PathBuf {
    "privity.key".into()
}
fn default_key_rotation_days() -> u32 {
    30
}
fn default_packages_dir() -> PathBuf {
    "packages".into()
}
fn default_law() -> String {
    "ccpa".to_owned()
}
fn default_language() -> String {
    "en".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_an_origin_and_encrypted_unless_it_is_this_machine() {
        for good in [
            "https://shop.example",
            "https://shop.example:8443",
            "http://localhost:8000",
            "http://127.0.0.1",
        ] {
            assert!(check_site(good).is_ok(), "{good}");
        }
        for bad in [
            "shop.example",
            "https://shop.example/",
            "http://shop.example",
            "https://",
            "https://Shop.example",
            "http://localhost.evil.example",
            "*",
        ] {
            assert!(check_site(bad).is_err(), "{bad}");
        }
    }
}
