//! Listens, speaks HTTP/1.1 with recipients, and looks every second whether the routes or its own certificate have changed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::exchange::exchange;
use crate::patient::Patient;
use crate::tls::{Fingerprint, Tls};
use crate::{Counted, Gateway, Reloaded};

/// A head has to be here by then.
const HEAD: Duration = Duration::from_secs(10);
/// Until the recipient takes more of an answer.
const TAKING: Duration = Duration::from_secs(30);
/// Of a call's head, in bytes.
const LARGEST_HEAD: usize = 32 * 1024;
const MOST_HEADERS: usize = 64;
const MOST_CONNECTIONS: usize = 10_000;
/// How long calls under way may take after the program was told to stop.
const LAST_CALLS: Duration = Duration::from_secs(10);

/// Serves the gateway on `listener` until `shutdown` says true; then calls under way are ended.
pub async fn serve(gateway: Arc<Gateway>, listener: TcpListener, shutdown: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut minute = interval(Duration::from_secs(60));
    minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = gateway.counts();
    let mut told = std::pin::pin!(stopped(shutdown.clone()));
    loop {
        tokio::select! {
            () = told.as_mut() => break,
            _ = tick.tick() => look_again(&gateway).await,
            _ = minute.tick() => {
                say_counts(&gateway, &mut said);
                keep_learnt(&gateway).await;
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                        // Dropping it closes the connection.
                        continue;
                    };
                    let (gateway, shutdown) = (Arc::clone(&gateway), shutdown.clone());
                    connections.spawn(async move {
                        connection(gateway, stream, shutdown).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::error!(cause = %error, "the gateway can't take a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_CALLS, ended).await;
}

/// Until the program is told to stop, or whoever could tell it is gone.
async fn stopped(mut shutdown: watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stopped| *stopped).await;
}

async fn look_again(gateway: &Arc<Gateway>) {
    let gateway = Arc::clone(gateway);
    let looked = tokio::task::spawn_blocking(move || {
        renew_certificate(&gateway);
        gateway.reload()
    });
    match looked.await {
        Ok(Reloaded::Swapped(routes)) => {
            tracing::info!(
                gateway.routes = routes,
                "routes of the gateway were read again"
            );
        }
        Ok(Reloaded::Kept(findings)) => {
            tracing::error!(
                "the routes of the gateway are wrong, those before stay in force:\n{findings}"
            );
        }
        Ok(Reloaded::Unchanged) | Err(_) => {}
    }
}

fn renew_certificate(gateway: &Gateway) {
    match gateway.tls().map(Tls::reload) {
        Some(Ok(true)) => tracing::info!("the gateway's certificate was read again"),
        Some(Err(problem)) => tracing::error!(
            cause = %problem,
            "the gateway's certificate can't be used, the one before stays in force"
        ),
        Some(Ok(false)) | None => {}
    }
}

/// Writes to the log what happened on routes that were called since the last time; all counts are from the start of the program.
fn say_counts(gateway: &Gateway, said: &mut Vec<Counted>) {
    let counts = gateway.counts();
    for counted in counts.iter().filter(|counted| !said.contains(counted)) {
        let outcomes = counted.outcomes.iter();
        let outcomes: Vec<String> = outcomes
            .map(|(outcome, count)| format!("{}={count}", outcome.text()))
            .collect();
        tracing::info!(gateway.route = %counted.route, gateway.outcomes = %outcomes.join(" "), "calls of a route so far");
    }
    *said = counts;
}

async fn keep_learnt(gateway: &Arc<Gateway>) {
    let gateway = Arc::clone(gateway);
    let written = tokio::task::spawn_blocking(move || gateway.write_learnt()).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(cause = %error, "what the gateway learnt can't be written beside its routes");
    }
}

async fn connection(gateway: Arc<Gateway>, stream: TcpStream, shutdown: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream, TAKING);
    let Some(tls) = gateway.tls() else {
        return speak(gateway, stream, None, shutdown).await;
    };
    match tokio::time::timeout(HEAD, tls.accept(stream)).await {
        Ok(Ok((stream, shown))) => speak(gateway, stream, shown, shutdown).await,
        // Told, since the caller sees a word of the protocol at most.
        Ok(Err(error)) => tracing::info!(cause = %error, "a handshake with the gateway failed"),
        Err(_) => tracing::debug!("a handshake with the gateway took too long"),
    }
}

async fn speak<S>(
    gateway: Arc<Gateway>,
    stream: S,
    shown: Option<Fingerprint>,
    shutdown: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(exchange(&gateway, shown, request).await) }
    });
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .half_close(false);
    let served = protocol.serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopped(shutdown) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(cause = %error, "a connection to the gateway ended early");
    }
}
