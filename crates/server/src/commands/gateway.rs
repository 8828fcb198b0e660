//! `privity gateway`: looks at its routes, and proposes them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use gateway::learn::from_openapi;
use governance::Problem;
use serde_json::json;

use super::watch::Watch;
use super::{open, show};

/// Look at the routes of the gateway, and propose them.
#[derive(Subcommand)]
pub(super) enum GatewayCommand {
    /// Say what is wrong with the routes, with file and line.
    Check {
        /// A folder or file of routes, instead of the one in the settings.
        routes: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Propose a file of routes from a description of the business's own API. Read every line of it.
    Learn(Learn),
}

/// From what.
#[derive(Args)]
pub(super) struct Learn {
    /// An OpenAPI 3 document, JSON or YAML.
    #[arg(long, value_name = "FILE")]
    openapi: PathBuf,
    /// Where the API is, instead of what the document says.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
}

impl GatewayCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check { routes, json } => check(config, routes.as_deref(), json).await,
            Self::Learn(learn) => learn.run(config).await,
        }
    }
}

async fn check(config: &Path, routes: Option<&Path>, as_json: bool) -> anyhow::Result<ExitCode> {
    let privity = open(config, &Watch::new(as_json)).await?;
    let settings = privity.settings().gateway.as_ref();
    let Some(folder) = routes.or_else(|| settings.map(|settings| settings.routes.as_path())) else {
        return Err(not_set().into());
    };
    let checked = gateway::check_folder(&privity, folder)?;
    let ok = checked.is_ok();
    if as_json {
        let findings = checked.as_ref().err().map(|findings| &findings.0);
        show::json(&json!({"ok": ok, "routes": checked.as_ref().ok(), "findings": findings}))?;
    } else {
        match checked {
            Ok(routes) => show::text(&format!("{routes} routes, nothing wrong with them."))?,
            Err(findings) => show::text(&findings.to_string())?,
        }
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn not_set() -> Problem {
    Problem::new(
        "setup",
        500,
        "no gateway is set up; name the folder of its routes here, or set `gateway.routes`",
    )
}

impl Learn {
    async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let privity = open(config, &Watch::new(true)).await?;
        let schema = privity.schema().ok_or_else(|| {
            Problem::new(
                "no_profile_schema",
                409,
                "routes name attributes, and there is no schema of them here; set `profile` to its file",
            )
        })?;
        let document = std::fs::read_to_string(&self.openapi).map_err(|error| {
            let file = self.openapi.display();
            Problem::new("setup", 500, format!("cannot read `{file}`: {error}"))
        })?;
        let proposed = from_openapi(&document, schema, self.upstream.as_deref())
            .map_err(|error| Problem::new("unreadable", 400, error.to_string()))?;
        show::text(&proposed)?;
        Ok(ExitCode::SUCCESS)
    }
}
