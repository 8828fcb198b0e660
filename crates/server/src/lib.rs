//! The two doors of the house and the front desk: REST API, Privacy Center, Console, command line and configuration.
//!
//! Every route parses, calls one use case of `governance`, and renders. Nothing here decides.

mod api;
mod border;
pub mod commands;
pub mod config;
mod failure;
mod fields;
mod flood;
mod ledger_file;
mod memory;
mod secret;
mod signal;
mod ui;
mod upload;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use governance::Privity;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use api::openapi;

use crate::ui::Pages;

/// How the pages are served, beside what `privity.yaml` says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A folder with templates that take the place of the built-in ones of the same name.
    pub templates: Option<PathBuf>,
    /// Whether a reverse proxy in front of us names the client in the last address of `X-Forwarded-For`.
    pub behind_proxy: bool,
}

/// What every route may use.
pub(crate) struct App {
    pub(crate) privity: Privity,
    pub(crate) pages: Pages,
    pub(crate) behind_proxy: bool,
    pub(crate) flood: flood::Flood,
}

/// How a route reaches it.
pub(crate) type Shared = axum::extract::State<Arc<App>>;

/// All routes, with the built-in pages.
pub fn router(privity: Privity) -> Router {
    assemble(privity, Pages::built_in(), false)
}

/// All routes.
///
/// # Errors
/// A template of the business's own can't be read or is wrong; the error names file and line.
pub fn router_with(privity: Privity, options: &Options) -> anyhow::Result<Router> {
    let pages = match &options.templates {
        Some(folder) => Pages::with_folder(folder)?,
        None => Pages::built_in(),
    };
    Ok(assemble(privity, pages, options.behind_proxy))
}

fn assemble(privity: Privity, pages: Pages, behind_proxy: bool) -> Router {
    let app = Arc::new(App {
        privity,
        pages,
        behind_proxy,
        flood: flood::Flood::default(),
    });
    let routes = ui::routes().merge(api::routes());
    border::guard(routes, &app).with_state(app)
}

/// Serves all routes on `listener` and works off the tasks, until `shutdown` says true.
///
/// # Errors
/// The listener fails, or the worker can't go on.
pub async fn serve(
    privity: Privity,
    listener: TcpListener,
    shutdown: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let router = router(privity.clone());
    serve_router(privity, router, listener, shutdown).await
}

/// As [`serve`], with a router made by [`router_with`].
///
/// # Errors
/// The listener fails, or the worker can't go on.
pub async fn serve_router(
    privity: Privity,
    router: Router,
    listener: TcpListener,
    shutdown: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut stop = shutdown.clone();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let pages = axum::serve(listener, service).with_graceful_shutdown(async move {
        // A closed channel means that whoever could have stopped us is gone.
        let _ = stop.wait_for(|stopped| *stopped).await;
    });
    let thread = governance::worker::Thread::start()?;
    let worker = thread.spawn(async move { governance::worker::run(&privity, shutdown).await });
    let (served, worked) = tokio::join!(pages.into_future(), worker);
    served?;
    Ok(worked?)
}
