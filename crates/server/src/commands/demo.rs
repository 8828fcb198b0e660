//! `privity demo`: a small business, one customer's story, and every page to look at.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use domain::progress::Progress;
use governance::Privity;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use super::watch::Watch;

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
        let watch = Watch::new(false);
        let made = Arc::new(Notify::new());
        let options = demo::Options {
            play_only: self.play_only,
            port: self.port,
            dir: self.dir,
            progress: until_made(watch.progress().clone(), made.clone()),
        };
        // The demo stays up; only the making of its data is watched.
        let watching = watch.over("making a small business", made.notified());
        let running = demo::run(options, serve);
        tokio::pin!(watching, running);
        tokio::select! {
            () = &mut watching => running.await,
            ended = &mut running => ended,
        }
    }
}

/// Tells on, and gives notice when all is made.
fn until_made(progress: Progress, made: Arc<Notify>) -> Progress {
    Progress::new(move |what, done, of| {
        progress.tell(what, done, of);
        if done == of {
            made.notify_one();
        }
    })
}

/// Serves pages and works until the demo ends with the process.
async fn serve(privity: Privity, listener: TcpListener) -> anyhow::Result<()> {
    let (_keep, shutdown) = watch::channel(false);
    crate::serve(privity, listener, shutdown).await
}
