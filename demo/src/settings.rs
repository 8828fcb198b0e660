//! The settings with which Privity runs for the demo's business, in the form of its configuration file.

use anyhow::Context as _;
use governance::settings::Settings;
use serde_json::json;

use crate::business::Business;

/// Settings for a Privity whose pages are at `base` (without a slash at the end); its own files go into the business's folder.
///
/// # Errors
/// The folder can't be made.
pub fn settings(business: &Business, base: &str) -> anyhow::Result<Settings> {
    let own = business.dir.join("privity");
    std::fs::create_dir_all(&own)
        .with_context(|| format!("the folder `{}` can't be made", own.display()))?;
    let settings = json!({
        "business": {
            "name": "Hearth & Crumb",
            "privacy_contact": "privacy@hearth-and-crumb.example",
            "privacy_policy": "https://hearth-and-crumb.example/privacy",
            "toll_free_number": "+1 555 010 0100",
            "website": "https://hearth-and-crumb.example",
            "postal_address": "12 Mill Lane, Petaluma, CA 94952",
            "data_locations": ["US"],
        },
        "base_url": base,
        "listen": base.trim_start_matches("http://"),
        "storage": format!("sqlite:{}", own.join("privity.db").display()),
        "key_file": own.join("privity.key"),
        "packages_dir": own.join("packages"),
        "data_map": business.data_map,
        "consent": business.consent,
        "policies": business.policies,
        "gateway": { "listen": "127.0.0.1:0", "routes": business.routes },
        "policy_packs": ["ccpa", "gdpr"],
        "profile": crate::vault::write_schema(&business.dir)?,
        "mail": { "url": business.mailbox.smtp, "tls": "none", "from": "Hearth & Crumb <privacy@hearth-and-crumb.example>" },
        // Whoever plays with the pages makes more privacy requests in an hour than anybody else does.
        "limits": { "requests_per_hour_per_address": 500, "body_bytes": 65_536 },
    });
    serde_json::from_value(settings)
        .context("the demo's settings don't fit this version of Privity")
}
