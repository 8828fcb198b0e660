//! The whole life of one call: identify → locate → ask → forward → filter → answer.

use std::sync::Arc;

use domain::body_shape::BodyForm;
use governance::disclosure::{Door, Granted, ListPace};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};

use crate::Gateway;
use crate::answer::{Refusal, keep_private, put, refused};
use crate::ask::Asking;
use crate::body::{self, AnswerBody, Begun, BodyFault, Filtering, Source};
use crate::caller::identify;
use crate::counts::Outcome;
use crate::ext_authz;
use crate::query::Query;
use crate::route::pattern::Parameters;
use crate::route::{Found, Route, Routes};
use crate::tls::Fingerprint;
use crate::upstream::{Sent, bare, is_single};

/// Answers one call over a connection on which this certificate was shown.
pub(crate) async fn exchange(
    gateway: &Gateway,
    shown: Option<Fingerprint>,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let started = std::time::Instant::now();
    let trace_id = gateway.trace_id();
    let method = request.method().clone();
    // Whoever sends a body in pieces could have announced a length as well (RFC 9112, section 6.1).
    let ends = request.headers().contains_key(header::TRANSFER_ENCODING);
    let mut at = None;
    let mut response = match carry(gateway, shown, request, &mut at).await {
        Ok(response) => response,
        Err(refusal) => {
            if let (Some(route), Some(outcome)) = (&at, refusal.outcome) {
                route.counts.add(outcome);
            }
            refused(&refusal, gateway.base_url(), &trace_id)
        }
    };
    keep_private(response.headers_mut(), &trace_id);
    if ends {
        put(response.headers_mut(), header::CONNECTION, "close");
    }
    tracing::info!(
        trace.id = %trace_id,
        http.method = %method,
        http.route = at.as_ref().map_or("unmatched", |route| route.written.as_str()),
        http.status = response.status().as_u16(),
        duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered at the gateway"
    );
    response
}

async fn carry(
    gateway: &Gateway,
    shown: Option<Fingerprint>,
    request: Request<Incoming>,
    at: &mut Option<Arc<Route>>,
) -> Result<Response<AnswerBody>, Refusal> {
    let (parts, body) = request.into_parts();
    check_framing(&parts)?;
    let routes = gateway.routes();
    if let Some(path) = gateway.asked_by_envoy(parts.uri.path()) {
        // The connection is Envoy's, and its certificate says nothing of whom it asks for.
        let caller = identify(gateway, None, &parts.headers, Door::ExtAuthz).await?;
        return ext_authz::check(gateway, &routes, caller, &parts, path, at).await;
    }
    let caller = identify(gateway, shown, &parts.headers, Door::Gateway).await?;
    let (route, parameters) = locate(&routes, &parts.method, parts.uri.path())?;
    *at = Some(Arc::clone(&route));
    let query = query(&route, &parts)?;
    let asking = Asking {
        privity: gateway.privity.clone(),
        caller,
        route: Arc::clone(&route),
        by: query.by,
    };
    let granted = ask(&asking, &parameters).await?;
    let body = write(&asking, &parts, body, granted.as_ref()).await?;
    let sent = Sent {
        headers: route.headers_to_upstream(&parts.headers),
        method: parts.method,
        parameters,
        query: query.text,
        body,
    };
    forward(gateway, asking, granted.as_ref(), sent).await
}

/// A call that could be read as two is none.
fn check_framing(parts: &Parts) -> Result<(), Refusal> {
    let headers = &parts.headers;
    let is_both = headers.contains_key(header::TRANSFER_ENCODING)
        && headers.contains_key(header::CONTENT_LENGTH);
    let is_single = [
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::HOST,
    ]
    .iter()
    .all(|name| is_single(headers, name));
    if is_both || !is_single {
        let words = "this call says in two ways where it ends or for whom it is; send one length and one host";
        return Err(Refusal::new("unreadable", 400, words).last());
    }
    // In HTTP/1.0 an answer that is broken off looks like one that has ended.
    if parts.version != Version::HTTP_11 {
        return Err(Refusal::new("unreadable", 505, "this gateway speaks HTTP/1.1").last());
    }
    if parts.uri.authority().is_some() || parts.headers.contains_key(header::UPGRADE) {
        let words = "this gateway is no proxy of yours and changes no protocols; ask for a path";
        return Err(Refusal::new("unreadable", 400, words).last());
    }
    Ok(())
}

pub(crate) fn locate(
    routes: &Routes,
    method: &Method,
    path: &str,
) -> Result<(Arc<Route>, Parameters), Refusal> {
    match routes.find(method, path) {
        Found::Route(route, parameters) => Ok((Arc::clone(route), parameters)),
        Found::Nothing => Err(Refusal::nothing_here()),
        Found::OtherMethods(methods) => {
            let methods: Vec<&str> = methods.into_iter().map(Method::as_str).collect();
            let words = "this address does not take this method";
            Err(Refusal {
                allow: Some(methods.join(", ")),
                ..Refusal::new("method_not_allowed", 405, words)
            })
        }
    }
}

pub(crate) fn query(route: &Route, parts: &Parts) -> Result<Query, Refusal> {
    route.query.read(parts.uri.query()).map_err(|error| {
        Refusal::new("query_refused", 400, error.to_string()).counted(Outcome::QueryRefused)
    })
}

/// What is granted of the subject whom the path names; before anything is asked of the upstream.
pub(crate) async fn ask(
    asking: &Asking,
    parameters: &Parameters,
) -> Result<Option<Granted>, Refusal> {
    let Some(subject) = asking.route.subject_in(parameters) else {
        return Ok(None);
    };
    let granted = asking.about(subject).await?;
    if granted.is_empty() {
        return Err(Refusal::nothing_here().counted(Outcome::Denied));
    }
    if !asking.may_select(&granted) {
        let words = "this query selects or sorts by what you may not see; leave that parameter out";
        return Err(Refusal::new("query_refused", 403, words).counted(Outcome::QueryRefused));
    }
    Ok(Some(granted))
}

/// The body that goes on, when one is written.
async fn write(
    asking: &Asking,
    parts: &Parts,
    body: Incoming,
    granted: Option<&Granted>,
) -> Result<Option<bytes::Bytes>, Refusal> {
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    let Some(rule) = asking.route.body.as_ref().filter(|_| !is_read) else {
        if hyper::body::Body::is_end_stream(&body) {
            return Ok(None);
        }
        let words = "this call has a body, and its method has none; leave it out";
        return Err(Refusal::new("unreadable", 400, words).last());
    };
    let is_encoded = parts.headers.contains_key(header::CONTENT_ENCODING);
    if is_encoded || !body::fits(&parts.headers, rule.shape.form()) {
        let words = "this route takes JSON in UTF-8, as it is; send it as `application/json`";
        return Err(Refusal::new("wrong_content_type", 415, words)
            .counted(Outcome::WriteRefused)
            .last());
    }
    body::checked(rule, body, granted, asking).await.map(Some)
}

async fn forward(
    gateway: &Gateway,
    asking: Asking,
    granted: Option<&Granted>,
    sent: Sent,
) -> Result<Response<AnswerBody>, Refusal> {
    let route = Arc::clone(&asking.route);
    let Some(upstream) = &route.upstream else {
        return Err(Refusal::nothing_here());
    };
    let Ok(call) = Arc::clone(&route.calls).try_acquire_owned() else {
        let words = "too many calls of this address are under way; try again in a moment";
        return Err(Refusal::new("too_many_requests", 503, words).counted(Outcome::Overloaded));
    };
    // Counted before anything is asked of the upstream.
    let list = asking.list_pace(granted).await?;
    let is_head = sent.method == Method::HEAD;
    let answer = gateway.upstreams.ask(&route, upstream, sent).await?;
    let (head, body) = answer.into_parts();
    let mut headers = route.headers_to_recipient(&head.headers);
    let body = if head.status == StatusCode::NO_CONTENT {
        AnswerBody::empty()
    } else if let Some(kind) = document_kind(&route, &head.headers, granted)? {
        headers.insert(header::CONTENT_TYPE, kind);
        let source = source(&route, &head.headers, body, call)?;
        if is_head {
            AnswerBody::empty()
        } else {
            let document = body::document(source).await;
            document.map_err(|fault| unusable(&route, &fault))?
        }
    } else {
        check_json(&route, &head.headers)?;
        put(
            &mut headers,
            header::CONTENT_TYPE,
            kind_of(route.answer.shape.form()),
        );
        let source = source(&route, &head.headers, body, call)?;
        if is_head {
            AnswerBody::empty()
        } else {
            filter(source, granted, asking, list).await?
        }
    };
    route.counts.add(Outcome::Served);
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn source(
    route: &Arc<Route>,
    headers: &HeaderMap,
    body: Incoming,
    call: tokio::sync::OwnedSemaphorePermit,
) -> Result<Source, Refusal> {
    Source::new(route, headers, body, call).map_err(|fault| unusable(route, &fault))
}

async fn filter(
    source: Source,
    granted: Option<&Granted>,
    asking: Asking,
    list: ListPace,
) -> Result<AnswerBody, Refusal> {
    let route = Arc::clone(&asking.route);
    match Filtering::new(source, granted, asking, list).begin().await {
        Ok(Begun::Whole(bytes)) => Ok(AnswerBody::Whole(Some(bytes))),
        Ok(Begun::Partly(first, rest)) => Ok(body::stream(first, rest)),
        Err(BodyFault::Asking(problem)) => Err(problem.into()),
        Err(fault) => Err(unusable(&route, &fault)),
    }
}

/// The content type of an answer that is no JSON and is granted as a whole.
fn document_kind(
    route: &Route,
    headers: &HeaderMap,
    granted: Option<&Granted>,
) -> Result<Option<header::HeaderValue>, Refusal> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(None);
    };
    let Some(attribute) = route.answer.documents.get(&bare(Some(value))) else {
        return Ok(None);
    };
    if granted.is_some_and(|granted| granted.keeps(attribute)) {
        return Ok(Some(value.clone()));
    }
    Err(Refusal::nothing_here().counted(Outcome::Denied))
}

fn check_json(route: &Route, headers: &HeaderMap) -> Result<(), Refusal> {
    if body::fits(headers, route.answer.shape.form()) {
        return Ok(());
    }
    tracing::warn!(gateway.route = %route.key, "an upstream answered with something else than its route says; correct `answer`, or name its content type under `documents`");
    Err(withheld())
}

fn unusable(route: &Route, fault: &BodyFault) -> Refusal {
    tracing::warn!(gateway.route = %route.key, cause = %fault, "an answer was refused before any of it left");
    // A body about one subject of whom it says nothing that may go out.
    if let BodyFault::Refused(refused) = fault
        && refused.fault == governance::disclosure::Fault::SubjectWithheld
    {
        return Refusal::nothing_here().counted(Outcome::Denied);
    }
    withheld()
}

fn withheld() -> Refusal {
    let words = "the system behind this address answered what this gateway can't check, and so nothing of it is passed on; tell whoever runs it";
    Refusal::new("upstream_answer_refused", 502, words).counted(Outcome::BodyRefused)
}

const fn kind_of(form: BodyForm) -> &'static str {
    match form {
        BodyForm::Json => "application/json",
        BodyForm::Lines => "application/x-ndjson",
    }
}
