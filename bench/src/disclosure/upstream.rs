//! The upstream: three bodies that never change, as JSON and as documents.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::threads::Thread;

pub(crate) async fn start(thread: &Thread) -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let bodies = [one(1_900), one(48_000), list()].map(|body| Bytes::from(body.to_string()));
    thread.handle.spawn(async move {
        let Ok(listener) = TcpListener::from_std(listener) else {
            return;
        };
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let bodies = bodies.clone();
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let response = answer(&bodies, request.uri().path());
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

fn answer(bodies: &[Bytes; 3], path: &str) -> Response<Full<Bytes>> {
    let [small, large, list] = bodies;
    let body = match path.split('/').nth(2) {
        Some("2") => small,
        Some("50") => large,
        _ => list,
    };
    let kind = if path.starts_with("/documents") {
        "application/x-document"
    } else {
        "application/json"
    };
    let mut response = Response::new(Full::new(body.clone()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A customer of about so many bytes, half of whose attributes go out.
fn one(bytes: usize) -> Value {
    let mut customer = json!({"email": "maya.lopez@example.org", "first": "Maya", "last": "Lopez", "phone": "+1 555 010 0100", "number": "7"});
    let mut orders = Vec::new();
    while customer.to_string().len() + orders.len() * 110 < bytes {
        orders.push(json!({"note": "leave it at the back door, the dog is friendly", "internal": "margin 12.5, packed by Robin"}));
    }
    if let Some(members) = customer.as_object_mut() {
        members.insert("orders".to_owned(), Value::from(orders));
    }
    customer
}

fn list() -> Value {
    let customers: Vec<Value> = (0..25)
        .map(|number| {
            let mut customer = one(1_900);
            if let Some(members) = customer.as_object_mut() {
                members.insert("number".to_owned(), Value::from(number.to_string()));
            }
            customer
        })
        .collect();
    json!({ "customers": customers })
}
