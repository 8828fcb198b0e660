//! `privity recipient`: by what recipients are known when they ask for data.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use governance::disclosure::{CredentialTerms, add_certificate, add_key, credentials, revoke};
use jiff::Timestamp;
use serde_json::json;

use super::watch::Watch;
use super::{open, show};
use crate::secret;

/// Let recipients ask for the data that policies allow them.
#[derive(Subcommand)]
pub(super) enum RecipientCommand {
    /// Keys and certificates of recipients.
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Add a key for a recipient of the data map and print it, once.
    Add {
        /// Key of the recipient in the data map.
        recipient: String,
        /// A purpose that it may be used for; repeat for more. Without any, for all that policies allow the recipient.
        #[arg(long = "purpose", value_name = "KEY")]
        purposes: Vec<String>,
        /// When it ends by itself, e.g. `2027-01-01T00:00:00Z`.
        #[arg(long, value_name = "MOMENT")]
        ends: Option<Timestamp>,
        /// Know the recipient by its client certificate instead: SHA-256 of it, in hexadecimal digits.
        #[arg(long, value_name = "FINGERPRINT")]
        certificate: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List all of them, revoked ones too. Nobody can list the keys themselves.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke one at once.
    Revoke {
        /// Its id, `crd_…`.
        id: String,
    },
}

impl RecipientCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let Self::Key(command) = self;
        match command {
            KeyCommand::Add {
                recipient,
                purposes,
                ends,
                certificate,
                json,
            } => {
                let privity = open(config, &Watch::new(json)).await?;
                let terms = CredentialTerms {
                    purposes: (!purposes.is_empty())
                        .then(|| purposes.iter().map(|key| key.as_str().into()).collect()),
                    ends_at: ends,
                };
                let recipient = recipient.as_str().into();
                if let Some(fingerprint) = certificate {
                    let fingerprint = fingerprint_of(&fingerprint)?;
                    let id = add_certificate(&privity, &recipient, terms, fingerprint).await?;
                    return added(&json!({"id": id, "recipient": recipient}), json, None);
                }
                let (id, key) = add_key(&privity, &recipient, terms).await?;
                let key = secret::printed_key(&key);
                let words = json!({"id": id, "recipient": recipient, "key": key});
                added(&words, json, Some(&key))
            }
            KeyCommand::List { json } => list(config, json).await,
            KeyCommand::Revoke { id } => {
                let privity = open(config, &Watch::new(false)).await?;
                let id = id
                    .parse()
                    .context("no id of a credential; `privity recipient key list` shows them")?;
                revoke(&privity, id).await?;
                show::aside(&format!("Revoked {id}; it opens nothing any more."));
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn fingerprint_of(text: &str) -> anyhow::Result<[u8; 32]> {
    let digits: String = text.chars().filter(|one| *one != ':').collect();
    let hash: domain::audit::Hash = digits.to_lowercase().parse().context(
        "a fingerprint is SHA-256 in 64 hexadecimal digits: `openssl x509 -fingerprint -sha256`",
    )?;
    Ok(hash.0)
}

fn added(words: &serde_json::Value, json: bool, key: Option<&str>) -> anyhow::Result<ExitCode> {
    let id = words.get("id").and_then(serde_json::Value::as_str);
    let id = id.unwrap_or_default();
    if json {
        show::json(words)?;
    } else if let Some(key) = key {
        show::aside(&format!("Added {id}. This key is shown this once:"));
        show::text(key)?;
    } else {
        show::aside(&format!("Added {id}."));
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(config: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let privity = open(config, &Watch::new(json)).await?;
    let all = credentials(&privity).await?;
    if json {
        let all = all.iter().map(|one| {
            json!({
                "id": one.id,
                "kind": one.kind,
                "recipient": one.recipient,
                "purposes": one.purposes,
                "ends_at": one.ends_at,
                "revoked_at": one.revoked_at,
                "created_at": one.created_at,
            })
        });
        show::json(&all.collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = all.iter().map(|one| {
        let purposes = one.purposes.as_ref().map_or_else(
            || "every purpose".to_owned(),
            |keys| {
                keys.iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            },
        );
        let ends = match (one.revoked_at, one.ends_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) => format!("until {at}"),
            (None, None) => "until revoked".to_owned(),
        };
        let (id, recipient) = (one.id.to_string(), one.recipient.to_string());
        vec![id, recipient, one.kind.to_owned(), purposes, ends]
    });
    show::table(
        &["Id", "Recipient", "Kind", "For", "Holds"],
        rows.collect(),
        "No recipient has a key yet; `privity recipient key add RECIPIENT` makes one.",
    )?;
    Ok(ExitCode::SUCCESS)
}
