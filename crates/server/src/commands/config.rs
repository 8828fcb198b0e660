//! `privity config`: a first file with every setting explained, and a check of what the settings mean.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use governance::Problem;
use serde::Serialize;

use super::show;
use crate::config::{self, Finding};

/// Write and check the settings.
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Write a first privity.yaml with every setting explained.
    Init(Init),
    /// Read the settings and say what they mean for the law and for safety. Exit code 1 if something is to be done.
    Check(Check),
}

/// Arguments of `privity config init`.
#[derive(Args)]
pub(super) struct Init {
    /// Where to; it must not exist yet.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Arguments of `privity config check`.
#[derive(Args)]
pub(super) struct Check {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct CheckView<'a> {
    ok: bool,
    findings: &'a [Finding],
}

impl ConfigCommand {
    pub(super) fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        match self {
            Self::Init(init) => init.run(config),
            Self::Check(check) => check.run(config),
        }
    }
}

impl Init {
    fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let path = self.file.unwrap_or_else(|| config.to_owned());
        let created = std::fs::File::create_new(&path)
            .and_then(|mut file| file.write_all(config::STARTER.as_bytes()));
        if let Err(error) = created {
            let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
            let words = if exists {
                "it exists already; name another file, or move it away".to_owned()
            } else {
                error.to_string()
            };
            return Err(Problem::new(
                "setup",
                500,
                format!("cannot write `{}`: {words}", path.display()),
            )
            .into());
        }
        show::text(&format!(
            "Wrote `{}`. Fill it in, then run `privity config check`.",
            path.display()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Check {
    fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let findings = config::check(&config::load(config)?);
        let ok = findings.iter().all(|finding| finding.ok);
        if self.json {
            show::json(&CheckView {
                ok,
                findings: &findings,
            })?;
        } else {
            show::table(
                &["", "rule", "finding"],
                findings.iter().map(row).collect(),
                "",
            )?;
        }
        Ok(if ok {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(1)
        })
    }
}

fn row(finding: &Finding) -> Vec<String> {
    let words = finding.what_to_do.map_or_else(
        || finding.words.clone(),
        |todo| format!("{}\n→ {todo}", finding.words),
    );
    vec![
        if finding.ok { "ok" } else { "TO DO" }.to_owned(),
        finding.rule.to_owned(),
        words,
    ]
}
