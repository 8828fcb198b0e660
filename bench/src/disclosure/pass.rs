//! A proxy that passes everything on, on the same libraries as the gateway: what it costs is the price of standing between. With a floor, it
//! waits for a durable record before, as the gateway must.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::floor::Floor;
use crate::threads::Thread;

type Upstream = Client<HttpConnector, Empty<Bytes>>;

pub(crate) async fn start(
    thread: &Thread,
    upstream: SocketAddr,
    floor: Option<Floor>,
) -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    thread.handle.spawn(async move {
        let Ok(listener) = TcpListener::from_std(listener) else {
            return;
        };
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client: Upstream = Client::builder(TokioExecutor::new()).build(connector);
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (client, floor) = (client.clone(), floor.clone());
            let service =
                service_fn(move |request| pass(client.clone(), upstream, floor.clone(), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

async fn pass(
    client: Upstream,
    upstream: SocketAddr,
    floor: Option<Floor>,
    request: Request<Incoming>,
) -> anyhow::Result<Response<Incoming>> {
    if let Some(floor) = floor {
        floor.record().await?;
    }
    let mut asked = Request::new(Empty::new());
    let path = request.uri().path();
    *asked.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(upstream.to_string())
        .path_and_query(path)
        .build()?;
    Ok(client.request(asked).await?)
}
