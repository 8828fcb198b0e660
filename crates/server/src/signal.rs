//! Opt-out preference signals on any request: `Sec-GPC: 1` from a browser whose device has a number is honoured before the page is made, so that
//! the page can say so; and `/.well-known/gpc.json`, by which browsers learn that it is.
//!
//! Without a number there is nobody to keep a choice for: the signal then holds for what this one answer does, and nothing is kept.
//! Law: 11 CCR 7025(b)-(c). Global Privacy Control, W3C editor's draft of 3 April 2026.

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use domain::consent::Tag;
use domain::sensitive::Sensitive;
use domain::signal::{GPC_HEADER, Signal, is_gpc_on};
use governance::signal::Sender;

use crate::secret::DEVICE;
use crate::{App, Shared};

/// The key of this place in records.
const PLACE: &str = "privacy_center";

/// A request came with a signal; every route finds it among the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignalSeen {
    /// The device that sent it, if it has a number.
    pub(crate) device: Option<Tag>,
    /// Whether an opt-out stands for the device because of it. `false` where there is no number, where nothing is sold or shared, and when our database
    /// couldn't take it now; the browser sends it again with its next request.
    pub(crate) stands: bool,
}

/// Honours the signal of a request on its way in.
pub(crate) async fn honour(app: &App, request: &mut Request) {
    let headers = request.headers();
    let lines = headers.get_all(GPC_HEADER).iter();
    // What belongs to a page comes with it, and says nothing that the page didn't say.
    let is_page = !request.uri().path().starts_with("/static/");
    if is_page && is_gpc_on(lines.map(HeaderValue::as_bytes)) {
        let device = number(headers).map(|number| app.privity.device_tag(&number));
        let stands = match device {
            Some(device) => stands(app, device).await,
            None => false,
        };
        request
            .extensions_mut()
            .insert(SignalSeen { device, stands });
    }
}

async fn stands(app: &App, device: Tag) -> bool {
    let sender = Sender {
        device: Some(device),
        ..Sender::default()
    };
    match app.privity.honour_signal(Signal::Gpc, &sender, PLACE).await {
        Ok(honoured) => honoured.is_meant,
        Err(problem) => {
            tracing::error!(
                problem.code = problem.code,
                "a signal could not be recorded now"
            );
            false
        }
    }
}

/// The number in the device's cookie. Anything that doesn't look like one of ours is nobody's.
fn number(headers: &HeaderMap) -> Option<Sensitive<String>> {
    let lines = headers.get_all(COOKIE).iter();
    let mut cookies = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='));
    let (_, value) = cookies.find(|(name, _)| *name == DEVICE)?;
    let number = value.split('-').next().unwrap_or_default();
    let is_number = number.parse::<Tag>().is_ok();
    is_number.then(|| Sensitive::new(number.to_owned()))
}

/// `GET /.well-known/gpc.json`
pub(crate) async fn gpc_file(State(app): Shared) -> Response {
    let kind = [(CONTENT_TYPE, "application/json")];
    (kind, app.privity.gpc_file().text()).into_response()
}
