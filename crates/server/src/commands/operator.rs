//! `privity operator`: who may work in the Console and over the API.

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::watch::Watch;
use super::{open, show};
use crate::secret;

/// Add the people who work in the Console.
#[derive(Subcommand)]
pub(super) enum OperatorCommand {
    /// Add an operator and print her key, once. The key opens the Console and the API; keep it like a password.
    Add {
        /// Her name, as the audit log and the Console show it.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl OperatorCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let Self::Add { name, json } = self;
        let privity = open(config, &Watch::new(json)).await?;
        let (id, key) = governance::operator::add(&privity, &name).await?;
        let key = secret::printed_key(&key);
        if json {
            show::json(&json!({"id": id, "name": name, "key": key}))?;
        } else {
            show::aside(&format!(
                "Added {name} ({id}). This key opens {}/console; it is shown this once:",
                privity.settings().base_url
            ));
            show::text(&key)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
