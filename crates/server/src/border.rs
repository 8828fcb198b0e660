//! What every request passes on its way in and every answer on its way out: limits, time, panics, forged forms, headers and the log.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_LENGTH,
    CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, RETRY_AFTER, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt as _, StreamExt as _};
use governance::Problem;
use tracing::Instrument;

use crate::App;
use crate::failure::{self, Failure};
use crate::{api, flood, signal, upload};

/// How long a page may take; a package's download is not counted, only its start.
const LONGEST: Duration = Duration::from_secs(30);
/// A body over the limit is read and thrown away up to here, so that the browser shows our answer instead of a broken connection.
const DRAINED: usize = 64 << 20;

/// A thousand profiles in one call.
const LARGEST_BATCH: usize = 8 << 20;

/// Ties an answer to the lines of the log about it. Made by us: one from outside could carry a value into the log.
#[derive(Clone, Default)]
pub(crate) struct TraceId(pub(crate) String);

/// Puts the border around the routes. It is one layer: each costs every call as much as a look at a profile takes in memory.
pub(crate) fn guard(routes: Router<Arc<App>>, app: &Arc<App>) -> Router<Arc<App>> {
    let border = middleware::from_fn_with_state(app.clone(), pass);
    routes
        .fallback(async || Failure(Problem::not_found("page")))
        .method_not_allowed_fallback(async || {
            Failure(failure::refused(StatusCode::METHOD_NOT_ALLOWED))
        })
        .layer((border, DefaultBodyLimit::disable()))
}

/// The whole way of a request: it gets a number, is answered in time or refused, a failure gets its form, the answer its headers, the log a line.
///
/// The line has method, the route's pattern, status and time. The path itself can hold a token and the query a value: neither is logged.
async fn pass(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let trace = TraceId(app.privity.new_trace_id());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = tracing::info_span!("request", trace.id = %trace.0, http.method = %request.method(), http.route = %route);
    request.extensions_mut().insert(trace.clone());
    let uri = request.uri().clone();
    async move {
        let path = uri.path();
        let sharing = (path == SHARED).then(|| Sharing::of(&app, &request));
        let response = match &sharing {
            Some(sharing) if sharing.is_preflight() => StatusCode::NO_CONTENT.into_response(),
            _ => answer(&app, request, next).await,
        };
        let mut response = failure::show(&app, path, &trace, response);
        if let Some(sharing) = sharing {
            sharing.add_headers(&mut response);
        }
        add_headers(path, response.headers_mut());
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            http.status = response.status().as_u16(),
            duration_ms,
            "answered"
        );
        if let Ok(value) = HeaderValue::from_str(&trace.0) {
            let name = HeaderName::from_static("x-trace-id");
            response.headers_mut().insert(name, value);
        }
        response
    }
    .instrument(span)
    .await
}

/// Answers in time, whatever happens inside.
async fn answer(app: &App, request: Request, next: Next) -> Response {
    let answer = AssertUnwindSafe(admit(app, request, next)).catch_unwind();
    match tokio::time::timeout(LONGEST, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("a page panicked; the line before says where");
            Failure(failure::unexpected()).into_response()
        }
        Err(_) => Failure(Problem::new(
            "took_too_long",
            503,
            "this took too long; nothing was lost, please try again in a minute",
        ))
        .into_response(),
    }
}

/// Lets in what is not too large and was not forged, and honours the signal that came with it.
async fn admit(app: &App, request: Request, next: Next) -> Response {
    let mut request = match limit_body(app, request).await {
        Ok(request) => request,
        Err(failure) => return failure.into_response(),
    };
    if is_forged(app, &request) {
        return Failure(Problem::new(
            "cross_site",
            403,
            "this was sent from another site; open our page and send it from there",
        ))
        .into_response();
    }
    signal::honour(app, &mut request).await;
    next.run(request).await
}

/// Headers that keep scripts, frames, caches and referrers away from personal pages.
fn add_headers(path: &str, headers: &mut HeaderMap) {
    let is_asset = path.starts_with("/static/");
    let is_console = path.starts_with("/console");
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), browsing-topics=()"),
    );
    // A tracker's address holds a token, so nothing may be told where somebody came from. The Console's addresses hold none, and a form
    // sent from a page without referrer has the origin `null`, by which a forged form can't be told from a true one.
    headers.insert(
        REFERRER_POLICY,
        HeaderValue::from_static(if is_console {
            "same-origin"
        } else {
            "no-referrer"
        }),
    );
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static(if is_asset {
            "public, max-age=3600"
        } else {
            "no-store"
        }));
}

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Refuses bodies over the limit, by what the header says and by what really comes.
async fn limit_body(app: &App, request: Request) -> Result<Request, Failure> {
    let limit = if takes_file(&request) {
        upload::LARGEST_BODY
    } else if takes_profiles(&request) {
        LARGEST_BATCH.max(app.privity.settings().limits.body_bytes)
    } else if takes_many(&request) {
        api::LARGEST_BULK
    } else {
        app.privity.settings().limits.body_bytes
    };
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    let expected = announced.or_else(|| {
        request
            .body()
            .size_hint()
            .exact()
            .and_then(|size| usize::try_from(size).ok())
    });
    if expected.is_some_and(|size| size > limit) {
        drain(request.into_body()).await;
        return Err(Failure(failure::too_large()));
    }
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return Ok(Request::from_parts(parts, body));
    }
    match read(body, limit).await {
        Some(body) => Ok(Request::from_parts(parts, Body::from(body))),
        None => Err(Failure(failure::too_large())),
    }
}

fn takes_file(request: &Request) -> bool {
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    matches!(
        path,
        "/outreach/{link}" | "/console/tasks/{id}/complete" | "/api/v1/tasks/{id}/complete"
    )
}

fn takes_profiles(request: &Request) -> bool {
    let path = request.extensions().get::<MatchedPath>();
    path.is_some_and(|path| path.as_str() == "/api/v1/profiles")
}

fn takes_many(request: &Request) -> bool {
    let path = request.extensions().get::<MatchedPath>();
    path.is_some_and(|path| path.as_str() == "/api/v1/consents/bulk")
}

/// The whole body, or `None` when it is longer than `limit`; then the rest is read and thrown away.
async fn read(body: Body, limit: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.ok()?;
        if bytes.len() + chunk.len() > limit {
            drain_stream(chunks).await;
            return None;
        }
        bytes.extend_from_slice(&chunk);
    }
    Some(bytes)
}

async fn drain(body: Body) {
    drain_stream(body.into_data_stream()).await;
}

async fn drain_stream(mut chunks: axum::body::BodyDataStream) {
    let mut read = 0;
    while let Some(Ok(chunk)) = chunks.next().await {
        read += chunk.len();
        if read > DRAINED {
            return;
        }
    }
}

/// Whether another site made a browser send this form. Routes for machines carry no cookie, so there is nothing to forge.
fn is_forged(app: &App, request: &Request) -> bool {
    let path = request.uri().path();
    let is_for_machines = ["/api/", "/callbacks/", "/scim/", "/recipient/", "/access/"]
        .iter()
        .any(|start| path.starts_with(start));
    let is_form = request.method() == Method::POST && !is_for_machines;
    is_form
        && (path != SHARED || site(app, request.headers()).is_none())
        && !is_own(request.headers(), path.starts_with("/console"))
}

/// Browsers say where a form comes from (`Sec-Fetch-Site`; on plain HTTP only `Origin`). The Console, which has a cookie, demands one of the two.
fn is_own(headers: &HeaderMap, is_console: bool) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    match text(ORIGIN) {
        Some("null") | None => !is_console,
        Some(origin) => origin.split_once("://").map(|(_, host)| host) == text(HOST),
    }
}

/// The one address that the business's own sites may call from their pages. It reads no cookie.
const SHARED: &str = "/choices.json";

/// Lets the pages of the business's own sites read what [`SHARED`] answers (CORS), and those of no other site.
struct Sharing {
    site: Option<HeaderValue>,
    is_asking: bool,
}

impl Sharing {
    fn of(app: &App, request: &Request) -> Self {
        Self {
            site: site(app, request.headers()),
            is_asking: request.method() == Method::OPTIONS,
        }
    }

    /// Whether a browser asks first what it may ask.
    const fn is_preflight(&self) -> bool {
        self.is_asking && self.site.is_some()
    }

    fn add_headers(self, response: &mut Response) {
        let count = if self.is_preflight() { 4 } else { 1 };
        let is_flood = response.status() == StatusCode::TOO_MANY_REQUESTS;
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("origin"));
        if is_flood {
            headers.insert(RETRY_AFTER, HeaderValue::from(flood::SECONDS));
        }
        let Some(site) = self.site else {
            return;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, site);
        let fixed = [
            (ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after"),
            (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
            (ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
            (ACCESS_CONTROL_MAX_AGE, "86400"),
        ];
        let fixed = fixed.into_iter().take(count);
        headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    }
}

/// The site of the business that a page's request says it comes from.
fn site(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let sites = &app.privity.settings().sites;
    let is_ours = sites
        .iter()
        .any(|site| site.as_bytes() == origin.as_bytes());
    is_ours.then(|| origin.clone())
}

/// The network address that a rate limit counts by; `None` where nobody knows it.
pub(crate) struct ClientAddress(pub(crate) Option<String>);

impl FromRequestParts<Arc<App>> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let forwarded = || {
            parts
                .headers
                .get("x-forwarded-for")?
                .to_str()
                .ok()?
                .rsplit(',')
                .next()
                .map(|address| address.trim().to_owned())
        };
        let direct = || {
            parts
                .extensions
                .get::<ConnectInfo<SocketAddr>>()
                .map(|ConnectInfo(address)| address.ip().to_string())
        };
        Ok(Self(if app.behind_proxy {
            forwarded().or_else(direct)
        } else {
            direct()
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn a_form_of_another_site_is_forged_whatever_its_origin_says() {
        assert!(!is_own(
            &headers(&[
                ("sec-fetch-site", "cross-site"),
                ("origin", "http://a.example"),
                ("host", "a.example")
            ]),
            false
        ));
        assert!(!is_own(
            &headers(&[("origin", "http://evil.example"), ("host", "a.example")]),
            false
        ));
        assert!(!is_own(&headers(&[("sec-fetch-site", "same-site")]), false));
    }

    #[test]
    fn the_console_takes_no_form_that_does_not_say_where_it_comes_from() {
        assert!(!is_own(&headers(&[("host", "a.example")]), true));
        assert!(!is_own(
            &headers(&[("origin", "null"), ("host", "a.example")]),
            true
        ));
        assert!(is_own(
            &headers(&[
                ("origin", "http://a.example:8080"),
                ("host", "a.example:8080")
            ]),
            true
        ));
        assert!(
            is_own(&headers(&[("host", "a.example")]), false),
            "a tracker's link is all the right there is, so curl may use it"
        );
    }
}
