//! Envoy's external authorisation over HTTP: may this recipient make this call, and which attributes may the application show it?
//!
//! Envoy sends the call's method, path and headers under a prefix, and passes the call on when the answer is 200. The application behind it
//! filters by itself, by the header that it gets. What was granted is recorded as a disclosure, since from here on nobody looks again.

use std::sync::Arc;

use governance::disclosure::Caller;
use hyper::Response;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;

use crate::Gateway;
use crate::answer::Refusal;
use crate::ask::Asking;
use crate::body::AnswerBody;
use crate::counts::Outcome;
use crate::exchange::{ask, locate, query};
use crate::route::{Route, Routes};

/// Names of attributes whose values may be shown, by commas.
const ATTRIBUTES: HeaderName = HeaderName::from_static("x-privity-attributes");
/// Who asks.
const RECIPIENT: HeaderName = HeaderName::from_static("x-privity-recipient");
/// What for.
const PURPOSE: HeaderName = HeaderName::from_static("x-privity-purpose");

/// Answers Envoy's question about a call of `path`.
///
/// # Errors
/// [`Refusal`], which Envoy hands on to the recipient; of a route whose subjects only the answer names nothing can be said here.
pub(crate) async fn check(
    gateway: &Gateway,
    routes: &Routes,
    caller: Caller,
    parts: &Parts,
    path: &str,
    at: &mut Option<Arc<Route>>,
) -> Result<Response<AnswerBody>, Refusal> {
    let (route, parameters) = locate(routes, &parts.method, path)?;
    *at = Some(Arc::clone(&route));
    let query = query(&route, parts)?;
    let said = [
        (RECIPIENT, caller.recipient.to_string()),
        (PURPOSE, caller.purpose.to_string()),
    ];
    let asking = Asking {
        privity: gateway.privity.clone(),
        caller,
        route: Arc::clone(&route),
        by: query.by,
    };
    let Some(granted) = ask(&asking, &parameters).await? else {
        let words = "only the answer of this address says whose data it is; send this call through the gateway itself";
        return Err(Refusal::new("disclosure_denied", 403, words).counted(Outcome::Denied));
    };
    let names: Vec<String> = granted.kept().map(|key| key.to_string()).collect();
    let mut response = Response::new(AnswerBody::empty());
    let headers = response.headers_mut();
    say(headers, ATTRIBUTES, &names.join(","));
    for (name, value) in said {
        say(headers, name, &value);
    }
    route.counts.add(Outcome::Served);
    Ok(response)
}

/// Keys are plain ASCII; one that isn't is left out, which shows less.
fn say(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
