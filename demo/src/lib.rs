//! A small business, complete, on this machine: what `privity demo` shows, and real input for tests.

pub mod business;
pub mod claim;
mod crm;
pub mod customer;
pub mod help_desk;
mod loopback;
mod mail;
pub mod mailbox;
pub mod parcel_post;
mod random;
pub mod settings;
mod shop;
pub mod shop_api;
mod story;
pub mod sweet_leads;
mod teller;
mod vault;
mod visitor;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use domain::progress::Progress;
use governance::Privity;
use tokio::net::TcpListener;

pub use crate::business::{Business, CUSTOMERS, start_business, start_business_watched};
pub use crate::loopback::Now;
pub use crate::mail::Mail;
pub use crate::shop::card_number;

use crate::story::Story;
use crate::teller::Teller;

/// The port that the demo takes when it is free and nothing else is said.
const PORT: u16 = 8080;

/// How the demo is to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// End after the story; else stay up until Ctrl-C.
    pub play_only: bool,
    /// Where Privity's pages are to be; a free port if left out.
    pub port: Option<u16>,
    /// An empty folder for the business's files, which stay there; a temporary one that is removed at the end if left out.
    pub dir: Option<PathBuf>,
    /// Whoever watches how the business's data is made.
    pub progress: Progress,
}

/// Starts the business and Privity, plays the story, and stays up unless told otherwise. `serve` serves Privity's pages on the
/// listener and runs its worker. Success means that every claim of the story held.
///
/// # Errors
/// Something could not be started.
pub async fn run<F, Fut>(options: Options, serve: F) -> anyhow::Result<ExitCode>
where
    F: FnOnce(Privity, TcpListener) -> Fut,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let started = Instant::now();
    let mut teller = Teller::new();
    // From the first moment on, so that whoever ends it early finds nothing left behind.
    let mut interrupted = tokio::spawn(interrupted());
    let (dir, _temporary) = folder(options.dir.as_deref())?;
    let clock = governance::system_clock();
    let now: Now = Arc::new(move || clock.now());
    let business = start_business_watched(&dir, CUSTOMERS, now, &options.progress).await?;
    let listener = listen(&options).await?;
    let base = format!("http://{}", listener.local_addr()?);
    let privity = governance::start(
        settings::settings(&business, &base)?,
        governance::system_clock(),
        governance::system_rng(),
    )
    .await?;
    let profiles = vault::fill(&privity, &business.people).await?;
    let (_, key) = governance::operator::add(&privity, "Robin").await?;
    let mut server = AbortOnDrop(tokio::spawn(serve(privity.clone(), listener)));
    teller.say(&format!(
        "Up after {:.1} seconds. Privacy Center: {base}  Mailbox: {}",
        started.elapsed().as_secs_f32(),
        business.mailbox.url
    ));
    teller.say(&format!(
        "{profiles} of its customers also have a profile in Privity’s own vault."
    ));
    let mut story = Story {
        business: &business,
        privity: &privity,
        key: key.expose(),
        base: &base,
        teller: &mut teller,
        links: Vec::new(),
    };
    let played = tokio::select! {
        played = story.play() => played,
        _ = &mut interrupted => return Ok(ExitCode::FAILURE),
        ended = &mut server.0 => Err(stopped(ended)),
    };
    let links = story.links;
    if let Err(error) = played {
        teller.claim("The story goes on to its end", Err(format!("{error:#}")));
    }
    let is_good = conclude(&teller, started);
    if !options.play_only {
        show_links(&teller, &business, &base, key.expose(), &links);
        stay(&mut interrupted, &mut server).await?;
    }
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Stays up until somebody ends it.
async fn stay(
    interrupted: &mut tokio::task::JoinHandle<()>,
    server: &mut AbortOnDrop,
) -> anyhow::Result<()> {
    tokio::select! {
        _ = interrupted => Ok(()),
        ended = &mut server.0 => Err(stopped(ended)),
    }
}

/// Ctrl-C, or the request to end that a service manager sends: then everything is cleaned up.
async fn interrupted() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => drop(pressed),
        () = terminated => {}
    }
}

fn stopped(ended: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Error {
    match ended {
        Ok(Err(error)) => error.context("Privity stopped"),
        _ => anyhow::anyhow!("Privity stopped without saying why; look at the log"),
    }
}

fn conclude(teller: &Teller, started: Instant) -> bool {
    teller.part(&match teller.failed() {
        0 => format!("Every one of {} claims held, looked up in the databases and at the vendors. {:.1} seconds.", teller.held(), started.elapsed().as_secs_f32()),
        failed => format!("{failed} of {} claims did not hold.", teller.held() + failed),
    });
    teller.failed() == 0
}

fn show_links(
    teller: &Teller,
    business: &Business,
    base: &str,
    key: &str,
    links: &[(String, String)],
) {
    teller.part("Look around; Ctrl-C ends it and removes everything");
    teller.link("Privacy Center", &format!("{base}/"));
    teller.link("Console", &format!("{base}/console"));
    teller.link("  the operator’s key", key);
    teller.link("Mailbox", &business.mailbox.url);
    links
        .iter()
        .for_each(|(name, address)| teller.link(name, address));
    teller.link("Help desk", &business.help_desk.url);
    teller.link("Parcel Post", &business.parcel_post.url);
    teller.link("Sweet Leads", &business.sweet_leads.url);
    teller.link("the business’s files", &business.dir.display().to_string());
}

/// The folder to work in; the temporary one lives as long as its guard.
fn folder(wanted: Option<&Path>) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    let Some(wanted) = wanted else {
        let temporary = tempfile::Builder::new()
            .prefix("privity-demo-")
            .tempdir()
            .context("no temporary folder can be made; name one with `--dir`")?;
        return Ok((temporary.path().to_owned(), Some(temporary)));
    };
    std::fs::create_dir_all(wanted).with_context(|| {
        format!(
            "the folder `{}` can't be made; choose another",
            wanted.display()
        )
    })?;
    let is_empty = std::fs::read_dir(wanted)?.next().is_none();
    anyhow::ensure!(
        is_empty,
        "the folder `{}` is not empty; choose an empty one",
        wanted.display()
    );
    Ok((wanted.to_owned(), None))
}

/// A port that was asked for has to be free; else the usual one or any.
async fn listen(options: &Options) -> anyhow::Result<TcpListener> {
    if let Some(port) = options.port {
        return TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("port {port} is taken; choose another with `--port`"));
    }
    if !options.play_only
        && let Ok(listener) = TcpListener::bind(("127.0.0.1", PORT)).await
    {
        return Ok(listener);
    }
    TcpListener::bind(("127.0.0.1", 0))
        .await
        .context("no port is free")
}

/// A server that ends with the demo.
struct AbortOnDrop(tokio::task::JoinHandle<anyhow::Result<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
