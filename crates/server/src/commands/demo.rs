//! `privity demo`: a small business, one customer's story, and every page to look at.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use governance::Privity;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Show the whole story with a small business and one customer of it.
///
/// Starts a bakery shop with 10,000 invented customers on this machine (shop, customer relations, help desk, a service provider, a third
/// party that bought data, a mailbox), lets one customer ask, opt out and be forgotten, and stays up with links to every page.
#[derive(Args)]
pub(super) struct Demo {
    /// Play the story, check every claim, and end: exit code 0 if all of them hold.
    #[arg(long)]
    play_only: bool,
    /// The port of the Privacy Center, instead of a free one.
    #[arg(long)]
    port: Option<u16>,
    /// Keep databases, keys and evidence in this folder, instead of a temporary one.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl Demo {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let options = demo::Options {
            play_only: self.play_only,
            port: self.port,
            dir: self.dir,
        };
        demo::run(options, serve).await
    }
}

/// Serves pages and works until the demo ends with the process.
async fn serve(privity: Privity, listener: TcpListener) -> anyhow::Result<()> {
    let (_keep, shutdown) = watch::channel(false);
    crate::serve(privity, listener, shutdown).await
}
