//! `privity policy compile postgres` and `privity policy postgres`: views in the business's own database that follow the policies.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use governance::policy::{apply_views, check_views, fill_views, views_text};
use serde_json::json;

use super::watch::Watch;
use super::{open, show};

/// What policies can be compiled to.
#[derive(Subcommand)]
pub(super) enum CompileCommand {
    /// Print the SQL of views for each recipient and purpose, as `privity policy postgres apply` would run it.
    Postgres(System),
}

/// What can be done with views.
#[derive(Subcommand)]
pub(super) enum PostgresCommand {
    /// Write the views, all or none; they are empty until they are filled.
    Apply(System),
    /// Fill the views with what is known now, once; `privity serve` does so all the time.
    Refresh(Checked),
    /// Say what in the database is not as it would be written. Exit code 1 if something is.
    Check(Checked),
}

/// Which system.
#[derive(Args)]
pub(super) struct System {
    /// Its key in the data map; `views` in the settings names it, too.
    #[arg(long, value_name = "KEY")]
    system: String,
}

/// Which system, and how to answer.
#[derive(Args)]
pub(super) struct Checked {
    #[command(flatten)]
    of: System,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl CompileCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let Self::Postgres(System { system }) = self;
        let privity = open(config, &Watch::new(false)).await?;
        let sql = views_text(&privity, &system).await?;
        show::text(sql.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl PostgresCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        match self {
            Self::Apply(System { system }) => {
                let privity = open(config, &Watch::new(false)).await?;
                let applied = apply_views(&privity, &system).await?;
                show::text(&format!(
                    "{} views are written. Next: `privity policy postgres refresh --system {system}`, or let `privity serve` fill them.\nGrant each recipient's role to its logins: GRANT privity_… TO …",
                    applied.written
                ))?;
                let columns = applied.tokens.iter();
                let columns =
                    columns.map(|one| format!("`{}.{}.{}`", one.schema, one.view, one.column));
                let columns: Vec<String> = columns.collect();
                if !columns.is_empty() {
                    show::text(&format!(
                        "NULL wherever policies let out a token, since the key that makes tokens doesn't belong in that database: {}.\nWhoever needs tokens asks the Profile API or the gateway.",
                        columns.join(", ")
                    ))?;
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Refresh(checked) => refresh(config, checked).await,
            Self::Check(checked) => check(config, checked).await,
        }
    }
}

async fn refresh(config: &Path, checked: Checked) -> anyhow::Result<ExitCode> {
    let privity = open(config, &Watch::new(checked.json)).await?;
    let filled = fill_views(&privity, &checked.of.system).await?;
    if checked.json {
        show::json(
            &json!({"looked_at": filled.looked_at, "disclosed": filled.disclosed, "unknown": filled.unknown}),
        )?;
    } else {
        show::text(&format!(
            "{} rows were looked at; {} disclosures were recorded before they became visible; of {} rows nobody knows whose they are, and nobody sees them.",
            filled.looked_at, filled.disclosed, filled.unknown
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(config: &Path, checked: Checked) -> anyhow::Result<ExitCode> {
    let privity = open(config, &Watch::new(checked.json)).await?;
    let found = check_views(&privity, &checked.of.system).await?;
    if checked.json {
        let all: Vec<_> = found
            .iter()
            .map(|one| json!({"what": one.what, "todo": one.todo}))
            .collect();
        show::json(&json!({"ok": found.is_empty(), "differences": all}))?;
    } else if found.is_empty() {
        show::text(
            "Views, grants and row security are as they would be written, and the views are fresh.",
        )?;
    } else {
        let lines: Vec<String> = found
            .iter()
            .map(|one| format!("{}; {}", one.what, one.todo))
            .collect();
        show::text(&lines.join("\n"))?;
    }
    Ok(ExitCode::from(u8::from(!found.is_empty())))
}
