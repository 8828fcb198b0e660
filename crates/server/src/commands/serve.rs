//! `privity serve`: pages, API and work, until the terminal or the system says stop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use gateway::Gateway;
use governance::{Privity, Problem};
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
        let gateway = listen_for_gateway(&privity).await?;
        let (stop, shutdown) = watch::channel(false);
        tokio::spawn(async move {
            told_to_stop().await;
            stop.send_replace(true);
        });
        let gateway = gateway.map(|(gateway, listener)| {
            tokio::spawn(gateway::serve(gateway, listener, shutdown.clone()))
        });
        let served = serve_router(privity, router, listener, shutdown).await;
        if let Some(gateway) = gateway {
            // It ends by the same word, or with the program.
            let _ = gateway.await;
        }
        served?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The gateway and its listener, where the settings have one.
async fn listen_for_gateway(
    privity: &Privity,
) -> anyhow::Result<Option<(Arc<Gateway>, TcpListener)>> {
    let Some(settings) = privity.settings().gateway.clone() else {
        return Ok(None);
    };
    let gateway = Gateway::open(privity.clone(), governance::system_rng())?;
    let listener = TcpListener::bind(&settings.listen)
        .await
        .map_err(|error| cannot_listen(&settings.listen, &error))?;
    let local = listener
        .local_addr()
        .context("cannot tell the address that the gateway listens on")?;
    let routes = gateway.routes().len();
    let scheme = match settings.tls_certificate {
        Some(_) => "https",
        None => "http",
    };
    show::aside(&format!(
        "Gateway         {scheme}://{local}/ ({routes} routes)"
    ));
    Ok(Some((Arc::new(gateway), listener)))
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
