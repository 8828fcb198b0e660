//! `privity consent`: check purposes and notices, and write the records of what somebody chose.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::audit::Actor;
use domain::consent::{Party, Tag};
use domain::id::SubjectId;
use governance::consent::{RecordForm, WantedRecord};
use governance::{Problem, consent, data_map, law};
use serde_json::json;

use super::watch::Watch;
use super::{open, show};
use crate::config as settings;

/// Check purposes and notices, and export what was chosen.
#[derive(Subcommand)]
pub(super) enum ConsentCommand {
    /// Check the purposes and notices that the setting `consent` names, and list them. Exit code 1 if something is wrong.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the records of everything that a party chose, one JSON a line. The export is recorded.
    Export(Export),
}

/// Arguments of `privity consent export`. Parties are named by opaque ids, so that no identifier gets into the shell's history.
#[derive(Args)]
#[group(id = "party", required = true, multiple = false)]
pub(super) struct Export {
    /// A subject, `sub_…`.
    #[arg(long, value_name = "ID", group = "party")]
    subject: Option<SubjectId>,
    /// A pseudonym: 32 hexadecimal digits, as the API answered when it was recorded.
    #[arg(long, value_name = "TAG", group = "party")]
    pseudonym: Option<Tag>,
    /// A device: 32 hexadecimal digits.
    #[arg(long, value_name = "TAG", group = "party")]
    device: Option<Tag>,
    /// `iso27560` (JSON-LD with DPV terms) or `kantara` (receipts, of consents only).
    #[arg(long, default_value = "iso27560", value_parser = form)]
    form: RecordForm,
    /// BCP 47; the business's language otherwise.
    #[arg(long)]
    language: Option<String>,
    /// The law that protects her; the business's default otherwise.
    #[arg(long)]
    law: Option<String>,
    /// Where to; standard output if left out.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn form(text: &str) -> Result<RecordForm, String> {
    RecordForm::parse(text).ok_or_else(|| "take `iso27560` or `kantara`".to_owned())
}

impl ConsentCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check { json } => check(config, json),
            Self::Export(export) => export.run(config).await,
        }
    }
}

fn check(config: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let settings = settings::load(config)?;
    let Some(folder) = &settings.consent else {
        return Err(Problem::conflict(
            "the setting `consent` names no folder; write purposes.yaml and notices.yaml into one, and name it",
        )
        .into());
    };
    let setup = |error: &dyn std::fmt::Display| Problem::new("setup", 500, error.to_string());
    let law = law::load(settings.law.as_deref()).map_err(|error| setup(&error))?;
    let environment = |name: &str| std::env::var(name).ok();
    let loaded = data_map::load(&settings.data_map, &environment, &law);
    let loaded = loaded.map_err(|error| setup(&error))?;
    match consent::load(folder, &loaded.map, &law) {
        Ok(book) if as_json => show::json(&json!({"ok": true, "purposes": keys(&book)}))?,
        Ok(book) => list(&book)?,
        Err(error) => {
            if as_json {
                show::json(&json!({"ok": false, "why": error.to_string()}))?;
            } else {
                show::text(&error.to_string())?;
            }
            return Ok(ExitCode::from(1));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn keys(book: &consent::ConsentBook) -> Vec<String> {
    book.purposes()
        .iter()
        .map(|purpose| purpose.key.to_string())
        .collect()
}

fn list(book: &consent::ConsentBook) -> anyhow::Result<()> {
    let row = |purpose: &domain::purpose_of_use::PurposeOfUse| {
        let explained = book.notices().iter();
        let versions = explained
            .filter(|notice| notice.purposes.contains(&purpose.key))
            .map(|notice| format!("{}/{}", notice.key, notice.version));
        let recipients = purpose.recipients.iter().map(ToString::to_string);
        let choice = match purpose.choice {
            domain::purpose_of_use::Choice::None => "none",
            domain::purpose_of_use::Choice::OptOut => "opt out",
            domain::purpose_of_use::Choice::OptIn => "opt in",
        };
        vec![
            purpose.key.to_string(),
            choice.to_owned(),
            recipients.collect::<Vec<_>>().join(", "),
            versions.collect::<Vec<_>>().join(", "),
        ]
    };
    let rows = book.purposes().iter().map(row).collect();
    show::table(
        &["purpose", "choice", "recipients", "explained in"],
        rows,
        "no purposes",
    )
}

impl Export {
    async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let subject = self.subject.map(Party::Subject);
        let pseudonym = self.pseudonym.map(Party::Pseudonym);
        let party = subject.or(pseudonym).or(self.device.map(Party::Device));
        let party = party.context("name a subject, a pseudonym or a device")?;
        let privity = open(config, &Watch::new(false)).await?;
        let wanted = WantedRecord {
            form: self.form,
            language: self.language,
            purpose: None,
            law: self.law,
        };
        let records = privity
            .consent_records(&party, &wanted, Actor::CommandLine)
            .await?;
        let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
        let text = lines.join("\n");
        let Some(out) = &self.out else {
            show::text(&text)?;
            return Ok(ExitCode::SUCCESS);
        };
        std::fs::write(out, format!("{text}\n")).map_err(|error| {
            let words = format!(
                "cannot write `{}` ({error}); choose another file",
                out.display()
            );
            Problem::new("setup", 500, words)
        })?;
        show::aside(&format!(
            "Wrote {} records to `{}`.",
            records.len(),
            out.display()
        ));
        Ok(ExitCode::SUCCESS)
    }
}
