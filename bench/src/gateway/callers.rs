//! Callers: so many calls over connections that are kept, each answer read to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::threads::Thread;

/// Callers at the same time: enough that our database commits many records together.
const CALLERS: usize = 64;

pub(crate) async fn call(
    thread: &Thread,
    address: SocketAddr,
    path: &str,
    key: &str,
    calls: u32,
) -> anyhow::Result<()> {
    let left = Arc::new(AtomicU32::new(calls));
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let (left, path, key) = (Arc::clone(&left), path.to_owned(), format!("Bearer {key}"));
        callers.push(thread.handle.spawn(one(left, address, path, key)));
    }
    for caller in callers {
        caller.await??;
    }
    Ok(())
}

async fn one(
    left: Arc<AtomicU32>,
    address: SocketAddr,
    path: String,
    key: String,
) -> anyhow::Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let took = |left: u32| left.checked_sub(1);
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, took)
        .is_ok()
    {
        sender.ready().await?;
        let request = Request::get(&path)
            .header(HOST, "bench")
            .header(AUTHORIZATION, &key)
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        anyhow::ensure!(
            response.status() == StatusCode::OK,
            "{path} answered {}",
            response.status()
        );
        let mut body = response.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame
                .context("an answer broke off")?
                .data_ref()
                .map_or(0, Bytes::len);
        }
        anyhow::ensure!(bytes > 100, "{path} answered nothing");
    }
    Ok(())
}
