//! Callers: so many calls over connections that are kept, each answer read to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::threads::Thread;

/// Callers at the same time: enough that our database commits many records together.
const CALLERS: u32 = 128;

/// A call.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) path: String,
    /// Sent by POST, as JSON; none for GET.
    pub(crate) body: Option<Bytes>,
    pub(crate) key: Option<String>,
}

impl Call {
    pub(crate) fn get(path: &str, key: Option<&str>) -> Self {
        Self {
            path: path.to_owned(),
            body: None,
            key: key.map(str::to_owned),
        }
    }

    fn request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        let request = Request::builder().uri(&self.path).header(HOST, "bench");
        let request = match &self.key {
            Some(key) => request.header(AUTHORIZATION, format!("Bearer {key}")),
            None => request,
        };
        Ok(match &self.body {
            None => request.body(Full::default())?,
            Some(body) => request
                .method(Method::POST)
                .header(CONTENT_TYPE, "application/json")
                .body(Full::new(body.clone()))?,
        })
    }
}

/// Makes `count` calls, in turn those of the list; every one has to be answered, with `least` bytes at least.
pub(crate) async fn call(
    thread: &Thread,
    address: SocketAddr,
    calls: &Arc<[Call]>,
    count: u32,
    least: usize,
) -> anyhow::Result<()> {
    let left = Arc::new(AtomicU32::new(count));
    let callers = CALLERS.min(count);
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let one = one(Arc::clone(&left), address, Arc::clone(calls), least);
            thread.handle.spawn(one)
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(())
}

async fn one(
    left: Arc<AtomicU32>,
    address: SocketAddr,
    calls: Arc<[Call]>,
    least: usize,
) -> anyhow::Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let took = |left: u32| left.checked_sub(1);
    while let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, took) {
        let call = calls.get(number as usize % calls.len());
        let call = call.context("there is nothing to call")?;
        sender.ready().await?;
        let response = sender.send_request(call.request()?).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.context("an answer broke off")?;
            bytes += frame.data_ref().map_or(0, Bytes::len);
        }
        anyhow::ensure!(
            status == StatusCode::OK && bytes >= least,
            "{} answered {status} with {bytes} bytes",
            call.path
        );
    }
    Ok(())
}
