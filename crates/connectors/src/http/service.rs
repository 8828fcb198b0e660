//! Calls to one HTTP service: signed in, paced, repeated when that can help, bounded in time and size.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::data_map::SystemKey;
use domain::row::JsonValue;
use domain::sensitive::Sensitive;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER,
};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use super::config::{Auth, HttpConfig};
use super::outbound::{CallError, Destinations, percent_encode, read};
use crate::connector::ConnectorError;

/// The longest that we wait for a service that says when to come back; beyond it the task is put off.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// One HTTP service with our credentials for it.
pub(super) struct Service {
    system: SystemKey,
    client: Client,
    reading: Client,
    base: Url,
    auth: Option<Auth>,
    headers: HeaderMap,
    destinations: Destinations,
    retries: u32,
    retry_wait: Duration,
    max_bytes: usize,
    gap: Duration,
    next_call: Mutex<Option<Instant>>,
    token: Mutex<Option<Token>>,
}

struct Token {
    value: Sensitive<String>,
    until: Instant,
}

/// One call. `what` names it in errors: the method and the path as declared, without values.
pub(super) struct Call {
    pub(super) what: String,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Sensitive<JsonValue>>,
}

/// What the service answered.
pub(super) struct Answered {
    pub(super) status: u16,
    /// The JSON body; null where there is none.
    pub(super) body: Sensitive<JsonValue>,
    /// The next page, where a `Link` header names one.
    pub(super) next: Option<String>,
}

/// What one attempt came to.
enum Attempt {
    Answered(Answered),
    Again {
        after: Option<Duration>,
        error: ConnectorError,
    },
}

impl Service {
    /// Refuses a configuration that can't work.
    pub(super) fn new(system: SystemKey, config: &HttpConfig) -> Result<Self, ConnectorError> {
        let wrong = |reason: String| ConnectorError::Failed {
            system: system.clone(),
            doing: "reading its configuration",
            reason,
        };
        let destinations = Destinations::Own {
            allow_insecure: config.allow_insecure,
        };
        let base = destinations
            .parse(&config.base_url)
            .map_err(|reason| wrong(format!("`base_url`: {reason}")))?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err(wrong("`base_url` must end with its path".to_owned()));
        }
        if let Some(Auth::OauthClientCredentials { token_url, .. }) = &config.auth {
            destinations
                .parse(token_url)
                .map_err(|reason| wrong(format!("`token_url`: {reason}")))?;
        }
        let timeout = Duration::from_secs(u64::from(config.timeout_seconds.get()));
        let client = destinations
            .client(timeout, config.trusted_ca.as_deref())
            .map_err(&wrong)?;
        let reading = destinations
            .reading_client(timeout, config.trusted_ca.as_deref())
            .map_err(&wrong)?;
        Ok(Self {
            client,
            reading,
            base,
            headers: headers(config).map_err(&wrong)?,
            auth: config.auth.clone(),
            destinations,
            retries: config.retries,
            retry_wait: Duration::from_millis(config.retry_wait_milliseconds),
            max_bytes: config.max_page_bytes,
            gap: config
                .rate_limit_per_second
                .map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get()),
            next_call: Mutex::new(None),
            token: Mutex::new(None),
            system,
        })
    }

    pub(super) const fn system(&self) -> &SystemKey {
        &self.system
    }

    /// The service's origin, for people.
    pub(super) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// The URL of a path below the base, with parameters.
    pub(super) fn url<'a>(
        &self,
        path: &str,
        query: impl Iterator<Item = (&'a str, String)>,
    ) -> Result<Url, ConnectorError> {
        let mut text = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        for (name, value) in query {
            text.push(if text.contains('?') { '&' } else { '?' });
            text.push_str(&format!(
                "{}={}",
                percent_encode(name),
                percent_encode(&value)
            ));
        }
        self.within(&text)
    }

    /// Reads a URL that the service itself gave, absolute or relative to `from`; refuses one that leads to another host.
    pub(super) fn follow(&self, from: &Url, link: &str) -> Result<Url, ConnectorError> {
        let joined = from
            .join(link)
            .map_err(|_| self.failed("following a page's link", "it isn't a URL"))?;
        self.within(joined.as_str())
    }

    fn within(&self, text: &str) -> Result<Url, ConnectorError> {
        let url =
            Url::parse(text).map_err(|_| self.failed("building a URL", "a path is not valid"))?;
        if url.origin() != self.base.origin() {
            return Err(self.failed(
                "building a URL",
                "it would lead to another host than `base_url`",
            ));
        }
        self.destinations
            .check(&url)
            .map_err(|reason| self.failed("building a URL", &reason))?;
        Ok(url)
    }

    /// Makes the call, again where that can help. Answers below 500 come back as they are, except 401, 403, 429 and redirects.
    pub(super) async fn call(&self, call: &Call) -> Result<Answered, ConnectorError> {
        let mut tried = 0;
        let mut renewed = false;
        loop {
            let (after, error) = match self.attempt(call).await? {
                Attempt::Answered(answer)
                    if answer.status == 401 && !renewed && self.forget_token().await =>
                {
                    renewed = true;
                    continue;
                }
                Attempt::Answered(answer) => return self.permitted(call, answer),
                Attempt::Again { after, error } => (after, error),
            };
            let wait = after
                .unwrap_or_else(|| self.retry_wait.saturating_mul(2_u32.saturating_pow(tried)));
            if tried >= self.retries || after.is_some_and(|after| after > LONGEST_WAIT) {
                return Err(error);
            }
            sleep(wait.min(LONGEST_WAIT)).await;
            tried += 1;
        }
    }

    /// A GET of a path that is declared, query included.
    pub(super) async fn get(&self, path: &str) -> Result<Answered, ConnectorError> {
        let what = format!("GET {}", path.split('?').next().unwrap_or_default());
        self.call(&Call {
            what,
            method: Method::GET,
            url: self.url(path, std::iter::empty())?,
            body: None,
        })
        .await
    }

    async fn attempt(&self, call: &Call) -> Result<Attempt, ConnectorError> {
        self.keep_pace().await;
        let mut request = self.signed_in(call).await?;
        if let Some(body) = &call.body {
            let bytes = serde_json::to_vec(&body.expose().0)
                .map_err(|_| self.failed("writing a body", "it can't be written as JSON"))?;
            request = request.header(CONTENT_TYPE, "application/json").body(bytes);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                return Ok(Attempt::Again {
                    after: None,
                    error: self.not_answered(call, &error.into()),
                });
            }
        };
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS
            || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
        {
            let after = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.trim().parse().ok())
                .map(Duration::from_secs);
            let reason = format!("`{}` answered {}", call.what, status.as_u16());
            return Ok(Attempt::Again {
                after,
                error: ConnectorError::Unreachable {
                    system: self.system.clone(),
                    reason,
                },
            });
        }
        let next = next_link(response.headers());
        match read(response, self.max_bytes).await {
            Ok(bytes) => Ok(Attempt::Answered(Answered { status: status.as_u16(), body: self.json(call, status, &bytes)?, next })),
            Err(CallError::TooLarge) => Err(self.failed_call(call, "its answer is larger than `max_page_bytes`; ask for smaller pages or raise the limit")),
            Err(error) => Ok(Attempt::Again { after: None, error: self.not_answered(call, &error) }),
        }
    }

    fn permitted(&self, call: &Call, answer: Answered) -> Result<Answered, ConnectorError> {
        let refused = |why: &str| {
            Err(ConnectorError::Refused {
                system: self.system.clone(),
                reason: format!("`{}` {why}", call.what),
            })
        };
        match answer.status {
            401 => refused("answered 401; check the credentials"),
            403 => refused("answered 403; give our credentials the right to make this call"),
            300..=399 => {
                refused("redirects to another host; set `base_url` to where the service is")
            }
            _ => Ok(answer),
        }
    }

    fn json(
        &self,
        call: &Call,
        status: StatusCode,
        bytes: &Sensitive<Vec<u8>>,
    ) -> Result<Sensitive<JsonValue>, ConnectorError> {
        if bytes.expose().iter().all(u8::is_ascii_whitespace) {
            return Ok(Sensitive::default());
        }
        match serde_json::from_slice(bytes.expose()) {
            Ok(value) => Ok(Sensitive::new(JsonValue(value))),
            // What stands in an error page is nothing to us, and what a deletion prints neither.
            Err(_) if !status.is_success() || call.method != Method::GET => {
                Ok(Sensitive::default())
            }
            Err(_) => Err(self.failed_call(call, "its answer is not JSON")),
        }
    }

    fn not_answered(&self, call: &Call, error: &CallError) -> ConnectorError {
        let reason = format!("`{}`: {}", call.what, error.reason(self.max_bytes));
        match error {
            CallError::TimedOut => ConnectorError::TimedOut {
                system: self.system.clone(),
                reason,
            },
            _ => ConnectorError::Unreachable {
                system: self.system.clone(),
                reason,
            },
        }
    }

    pub(super) fn failed(&self, doing: &'static str, reason: &str) -> ConnectorError {
        ConnectorError::Failed {
            system: self.system.clone(),
            doing,
            reason: reason.to_owned(),
        }
    }

    pub(super) fn failed_call(&self, call: &Call, reason: &str) -> ConnectorError {
        self.failed("calling the service", &format!("`{}`: {reason}", call.what))
    }

    /// Waits for this call's turn.
    async fn keep_pace(&self) {
        if self.gap.is_zero() {
            return;
        }
        let mut next_call = self.next_call.lock().await;
        let turn = next_call.unwrap_or_else(Instant::now).max(Instant::now());
        *next_call = Some(turn + self.gap);
        drop(next_call);
        sleep_until(turn).await;
    }

    /// The request with our headers and credentials.
    async fn signed_in(&self, call: &Call) -> Result<RequestBuilder, ConnectorError> {
        let client = if call.method == Method::GET {
            &self.reading
        } else {
            &self.client
        };
        let mut url = call.url.clone();
        let credential = match &self.auth {
            None => None,
            Some(Auth::Query { name, value }) => {
                url.query_pairs_mut().append_pair(name, value.expose());
                None
            }
            Some(Auth::Header { name, value }) => Some((name.as_str(), value.clone())),
            Some(Auth::Bearer(token)) => Some((AUTHORIZATION.as_str(), bearer(token))),
            Some(Auth::Basic { username, password }) => {
                Some((AUTHORIZATION.as_str(), basic(username, password.expose())))
            }
            Some(Auth::OauthClientCredentials {
                token_url,
                client_id,
                client_secret,
                scope,
            }) => {
                let token = self
                    .token(token_url, client_id, client_secret, scope.as_deref())
                    .await?;
                Some((AUTHORIZATION.as_str(), bearer(&token)))
            }
        };
        let request = client
            .request(call.method.clone(), url)
            .headers(self.headers.clone());
        match credential {
            None => Ok(request),
            Some((name, value)) => Ok(request.header(name, self.secret(&value)?)),
        }
    }

    fn secret(&self, text: &Sensitive<String>) -> Result<HeaderValue, ConnectorError> {
        let mut value = HeaderValue::from_str(text.expose()).map_err(|_| {
            self.failed(
                "signing in",
                "the credentials hold a character that no header may hold",
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    async fn token(
        &self,
        url: &str,
        id: &str,
        secret: &Sensitive<String>,
        scope: Option<&str>,
    ) -> Result<Sensitive<String>, ConnectorError> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.value.clone());
        }
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(scope.map(|scope| ("scope", scope)));
        let unreachable = |error: CallError| ConnectorError::Unreachable {
            system: self.system.clone(),
            reason: format!("`token_url`: {}", error.reason(self.max_bytes)),
        };
        // RFC 6749 section 2.3.1: both are form-encoded before they go into the header.
        let credentials = basic(&percent_encode(id), &percent_encode(secret.expose()));
        let request = self
            .client
            .post(url)
            .header(AUTHORIZATION, self.secret(&credentials)?)
            .form(&form);
        let response = request
            .send()
            .await
            .map_err(|error| unreachable(error.into()))?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(unreachable(CallError::Unreachable(format!(
                "answered {}",
                status.as_u16()
            ))));
        }
        if !status.is_success() {
            let reason = format!(
                "`token_url` answered {}; check `client_id`, `client_secret` and `scope`",
                status.as_u16()
            );
            return Err(ConnectorError::Refused {
                system: self.system.clone(),
                reason,
            });
        }
        let body = read(response, 64 * 1024).await.map_err(unreachable)?;
        let answer: TokenAnswer = serde_json::from_slice(body.expose()).map_err(|_| {
            self.failed(
                "signing in",
                "`token_url` answered without an `access_token`",
            )
        })?;
        let lifetime = Duration::from_secs(
            answer
                .expires_in
                .unwrap_or(300)
                .saturating_sub(30)
                .min(86_400),
        );
        *kept = Some(Token {
            value: answer.access_token.clone(),
            until: Instant::now() + lifetime,
        });
        Ok(answer.access_token)
    }

    /// Drops a token that the service no longer takes. Says whether there was one.
    async fn forget_token(&self) -> bool {
        self.token.lock().await.take().is_some()
    }
}

#[derive(serde::Deserialize)]
struct TokenAnswer {
    access_token: Sensitive<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

fn bearer(token: &Sensitive<String>) -> Sensitive<String> {
    Sensitive::new(format!("Bearer {}", token.expose()))
}

fn basic(name: &str, password: &str) -> Sensitive<String> {
    let pair = Sensitive::new(format!("{name}:{password}"));
    Sensitive::new(format!("Basic {}", BASE64_STANDARD.encode(pair.expose())))
}

fn headers(config: &HttpConfig) -> Result<HeaderMap, String> {
    let mut headers =
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    for (name, value) in &config.headers {
        let wrong = || format!("`{name}` is not a header with a valid name and value");
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?,
            HeaderValue::from_str(value).map_err(|_| wrong())?,
        );
    }
    if let Some(Auth::Header { name, .. }) = &config.auth {
        HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`{name}` is not a valid header name"))?;
    }
    Ok(headers)
}

/// The target with `rel="next"` of `Link` headers (RFC 8288).
fn next_link(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(LINK)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(next_target)
}

fn next_target(links: &str) -> Option<String> {
    // Each link begins with `<`; a comma may stand in a target as well.
    links
        .split('<')
        .filter_map(|link| link.split_once('>'))
        .find_map(|(target, parameters)| {
            let is_next = parameters
                .split([';', ','])
                .filter_map(|parameter| parameter.trim().split_once('='))
                .any(|(name, value)| {
                    name.trim().eq_ignore_ascii_case("rel")
                        && value
                            .trim()
                            .trim_matches('"')
                            .split_ascii_whitespace()
                            .any(|relation| relation.eq_ignore_ascii_case("next"))
                });
            is_next.then(|| target.to_owned())
        })
}

/// SHA-256 of the ids of a page, to notice a service that answers the same page again and again.
pub(super) fn page_digest(items: &[Value], id: &str) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for item in items {
        context.update(
            super::item::id_text(item, id)
                .unwrap_or_default()
                .as_bytes(),
        );
        context.update(&[0]);
    }
    let mut hash = [0; 32];
    hash.iter_mut()
        .zip(context.finish().as_ref())
        .for_each(|(to, from)| *to = *from);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_other_links() {
        let links = "<https://a.example/?page=1>; rel=\"prev\", <https://a.example/?ids=1,2&page=3>; title=x; rel=\"last next\"";
        assert_eq!(
            next_target(links).as_deref(),
            Some("https://a.example/?ids=1,2&page=3")
        );
        assert_eq!(next_target("<https://a.example/?page=1>; rel=prev"), None);
    }
}
