//! `privity serve`: pages, API and work, until the terminal or the system says stop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use governance::Problem;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::watch::Watch;
use super::{open, show};
use crate::{Options, router_with, serve_router};

/// Serve Privacy Center, Console and API, and work off the tasks.
#[derive(Args)]
pub(super) struct Serve {
    /// The address to listen on, instead of the one in the settings.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// A folder with templates of your own; one named like a built-in template takes its place.
    #[arg(long, env = "PRIVITY_TEMPLATES", value_name = "FOLDER")]
    templates: Option<PathBuf>,
    /// A reverse proxy stands in front: count rate limits by the last address of X-Forwarded-For. Set it only if that is so.
    #[arg(long, env = "PRIVITY_BEHIND_PROXY")]
    behind_proxy: bool,
    /// Write the log as JSON.
    #[arg(long, env = "PRIVITY_LOG_JSON")]
    pub(super) log_json: bool,
}

impl Serve {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let privity = open(config, &Watch::new(false)).await?;
        let router = router_with(
            privity.clone(),
            &Options {
                templates: self.templates,
                behind_proxy: self.behind_proxy,
            },
        )?;
        let address = self
            .listen
            .unwrap_or_else(|| privity.settings().listen.clone());
        let listener = TcpListener::bind(&address)
            .await
            .map_err(|error| cannot_listen(&address, &error))?;
        let local = listener
            .local_addr()
            .context("cannot tell the address that it listens on")?;
        show::aside(&format!(
            "Privacy Center  http://{local}/\nConsole         http://{local}/console\nAPI             http://{local}/openapi.json\nStop with Ctrl+C."
        ));
        let (stop, shutdown) = watch::channel(false);
        tokio::spawn(async move {
            told_to_stop().await;
            stop.send_replace(true);
        });
        serve_router(privity, router, listener, shutdown).await?;
        Ok(ExitCode::SUCCESS)
    }
}

fn cannot_listen(address: &str, error: &std::io::Error) -> Problem {
    Problem::new(
        "setup",
        500,
        format!(
            "cannot listen on `{address}` ({error}); choose another with `listen` in the settings or --listen"
        ),
    )
}

/// Ctrl+C, or what a service manager sends.
async fn told_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        let Ok(mut terminate) = terminate else {
            let _ = interrupt.await;
            return;
        };
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _ = interrupt.await;
    }
}
