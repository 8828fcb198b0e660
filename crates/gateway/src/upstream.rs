//! The business's own API: asked in our name, with our credentials, for a plain and whole body; its answer goes no further than the filter.

use std::time::Duration;

use bytes::Bytes;
use governance::Problem;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::answer::{Refusal, put};
use crate::counts::Outcome;
use crate::route::pattern::Parameters;
use crate::route::{Route, Upstream};

const LONGEST_CONNECT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(30);

/// Calls upstreams over connections that are kept.
#[derive(Clone)]
pub(crate) struct Upstreams {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// What an upstream is asked.
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) parameters: Parameters,
    /// With its question mark, or empty.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// A body that was checked.
    pub(crate) body: Option<Bytes>,
}

impl Upstreams {
    /// With the machine's own root certificates.
    ///
    /// # Errors
    /// [`Problem`] when TLS can't be set up.
    pub(crate) fn new() -> Result<Self, Problem> {
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                Problem::new("setup", 500, format!("TLS can't be set up ({error})"))
            })?;
        // Without root certificates no upstream with TLS is trusted, and those on this machine need none.
        let config = match config.clone().with_native_roots() {
            Ok(config) => config.with_no_client_auth(),
            Err(_) => config
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth(),
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(LONGEST_CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self { client })
    }

    /// Asks, and waits for the head of the answer.
    ///
    /// # Errors
    /// [`Refusal`] when the upstream can't be reached, takes too long, or says no: its status, never its words.
    pub(crate) async fn ask(
        &self,
        route: &Route,
        upstream: &Upstream,
        sent: Sent,
    ) -> Result<Response<Incoming>, Refusal> {
        let request = request(route, upstream, sent)?;
        let answer = tokio::time::timeout(route.bounds.until_answer, self.client.request(request));
        let response = match answer.await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::warn!(gateway.route = %route.key, cause = %words(&error), "an upstream can't be reached");
                return Err(failed(
                    502,
                    "the system behind this address can't be reached; try again in a minute",
                ));
            }
            Err(_) => {
                tracing::warn!(gateway.route = %route.key, "an upstream took too long");
                return Err(failed(
                    504,
                    "the system behind this address took too long; try again in a minute",
                ));
            }
        };
        judge(route, response.status())?;
        Ok(response)
    }
}

/// The causes of an error; they hold addresses of machines at most.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    words
}

fn request(
    route: &Route,
    upstream: &Upstream,
    sent: Sent,
) -> Result<Request<Full<Bytes>>, Refusal> {
    let path = upstream.path.filled(&route.path, &sent.parameters) + &sent.query;
    let uri = Uri::builder()
        .scheme(upstream.scheme.clone())
        .authority(upstream.authority.clone())
        .path_and_query(path)
        .build()
        .map_err(|_| Refusal::new("unreadable", 400, "the address of this call is too long"))?;
    let has_body = sent.body.is_some();
    let mut request = Request::new(Full::new(sent.body.unwrap_or_default()));
    *request.method_mut() = sent.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = sent.headers;
    let headers = request.headers_mut();
    put(
        headers,
        header::ACCEPT,
        if route.answer.documents.is_empty() {
            "application/json"
        } else {
            "*/*"
        },
    );
    put(headers, header::ACCEPT_ENCODING, "identity");
    if has_body {
        put(headers, header::CONTENT_TYPE, "application/json");
    }
    if let Some((name, value)) = &upstream.authorization {
        headers.insert(name.clone(), value.clone());
    }
    Ok(request)
}

/// What goes on with a status. An answer in part, unchanged, or elsewhere was never asked for.
fn judge(route: &Route, status: StatusCode) -> Result<(), Refusal> {
    match status {
        StatusCode::PARTIAL_CONTENT | StatusCode::RESET_CONTENT => {}
        status if status.is_success() => return Ok(()),
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            return Err(Refusal::nothing_here().counted(Outcome::Served));
        }
        // Our own credentials were refused, not the recipient's.
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {}
        status if status.is_client_error() || status.is_server_error() => {
            tracing::warn!(gateway.route = %route.key, http.status = status.as_u16(), "an upstream said no");
            let title = "the system behind this address could not answer this call; what it said is not passed on";
            return Err(failed(status.as_u16(), title));
        }
        _ => {}
    }
    tracing::warn!(gateway.route = %route.key, http.status = status.as_u16(), "an upstream answered what nobody asked for");
    Err(failed(
        502,
        "the system behind this address did not answer as its route says; tell whoever runs this gateway",
    ))
}

fn failed(status: u16, title: &str) -> Refusal {
    Refusal::new("upstream_failed", status, title).counted(Outcome::UpstreamFailed)
}

/// Whether a header's value is one that nobody could smuggle a second one into.
pub(crate) fn is_single(headers: &HeaderMap, name: &header::HeaderName) -> bool {
    headers.get_all(name).iter().count() <= 1
}

/// The value of a header as text, without its parameters, in small letters.
pub(crate) fn bare(value: Option<&HeaderValue>) -> String {
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    text.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}
