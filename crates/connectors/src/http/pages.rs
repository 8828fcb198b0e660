//! The pages of one list, pulled one at a time, so that only one is in memory.

use domain::row::JsonValue;
use domain::sensitive::Sensitive;
use reqwest::{Method, Url};
use serde_json::Value;

use super::config::{ListCall, ListMethod, Pagination};
use super::service::{Answered, Call, Service, page_digest};
use super::template::{fill_body, fill_path, fill_text};
use crate::connector::ConnectorError;

/// More pages than this mean that the service goes round in a circle.
const MOST_PAGES: u64 = 100_000;

/// The pages of one list, for the values of one look-up.
pub(super) struct Pages<'a> {
    service: &'a Service,
    list: &'a ListCall,
    id: &'a str,
    first: Url,
    body: Option<Sensitive<JsonValue>>,
    next: Next,
    asked: u64,
    last: Option<[u8; 32]>,
}

/// Which page comes next.
enum Next {
    Number(u64),
    Skip(u64),
    Mark(Option<String>),
    Link(Url),
    Nothing,
}

/// One page.
pub(super) struct Page {
    body: Sensitive<JsonValue>,
    items: String,
}

impl Page {
    /// Its items.
    pub(super) fn items(&self) -> &[Value] {
        self.body
            .expose()
            .0
            .pointer(&self.items)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }
}

impl<'a> Pages<'a> {
    /// `values` are the fields of the look-up with their values; none for a list of everything.
    pub(super) fn new(
        service: &'a Service,
        list: &'a ListCall,
        id: &'a str,
        values: &[(String, String)],
    ) -> Result<Self, ConnectorError> {
        let path = fill_path(&list.path, values)
            .map_err(|reason| service.failed("building a URL", &reason))?;
        let query = list
            .query
            .iter()
            .map(|(name, template)| (name.as_str(), fill_text(template, values, str::to_owned)));
        let first = service.url(&path, query)?;
        let next = match list.pagination {
            Pagination::Page { start, .. } => Next::Number(start),
            Pagination::Offset { .. } => Next::Skip(0),
            Pagination::Cursor { .. } => Next::Mark(None),
            Pagination::None | Pagination::LinkHeader => Next::Link(first.clone()),
        };
        let body = list
            .body
            .as_ref()
            .map(|body| Sensitive::new(JsonValue(fill_body(body, values))));
        Ok(Self {
            service,
            list,
            id,
            first,
            body,
            next,
            asked: 0,
            last: None,
        })
    }

    /// The next page; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Page>, ConnectorError> {
        let Some(url) = self.url() else {
            return Ok(None);
        };
        let method = if self.list.method == ListMethod::Post {
            Method::POST
        } else {
            Method::GET
        };
        let call = Call {
            what: format!("{method} {}", self.list.path),
            method,
            url,
            body: self.body.clone(),
        };
        let answer = self.service.call(&call).await?;
        let items = match answer.status {
            200..=299 => Some(self.items(&call, &answer)?),
            status if self.list.empty.contains(&status) => None,
            // Some services answer so after the last page.
            404 if self.asked > 0 => None,
            status => return Err(self.service.failed_call(
                &call,
                &format!(
                    "it answered {status}; if that means that nothing was found, name it in `empty`"
                ),
            )),
        };
        let Some((number, digest)) = items else {
            self.next = Next::Nothing;
            return Ok(None);
        };
        self.asked += 1;
        if number > 0 && (self.last == Some(digest) || self.asked > MOST_PAGES) {
            return Err(self.service.failed_call(
                &call,
                "it answers the same page again and again; check `pagination`",
            ));
        }
        self.last = Some(digest);
        self.next = self.following(&call, &answer, number)?;
        Ok(Some(Page {
            body: answer.body,
            items: self.list.items.clone(),
        }))
    }

    /// Which page comes next, as the kind of mark and its text; `None` after the last one.
    pub(super) fn next_text(&self) -> Option<(&'static str, String)> {
        match &self.next {
            Next::Number(number) => Some(("number", number.to_string())),
            Next::Skip(number) => Some(("skip", number.to_string())),
            Next::Mark(Some(mark)) => Some(("mark", mark.clone())),
            Next::Link(url) => Some(("link", url.to_string())),
            Next::Mark(None) | Next::Nothing => None,
        }
    }

    /// By what the page that was read last is recognised.
    pub(super) const fn last_digest(&self) -> Option<[u8; 32]> {
        self.last
    }

    /// Goes on where [`Pages::next_text`] said; a link that leads to another host is refused.
    pub(super) fn set_next(
        &mut self,
        kind: &str,
        text: &str,
        last: Option<[u8; 32]>,
    ) -> Result<(), ConnectorError> {
        let number = text.parse().ok();
        self.next = match (kind, number) {
            ("number", Some(number)) => Next::Number(number),
            ("skip", Some(number)) => Next::Skip(number),
            ("mark", _) => Next::Mark(Some(text.to_owned())),
            ("link", _) => Next::Link(self.service.follow(&self.first, text)?),
            _ => {
                let reason = "the place where it stopped can't be read";
                return Err(self.service.failed("going on", reason));
            }
        };
        self.asked = 1;
        self.last = last;
        Ok(())
    }

    fn items(&self, call: &Call, answer: &Answered) -> Result<(u64, [u8; 32]), ConnectorError> {
        match answer.body.expose().0.pointer(&self.list.items) {
            Some(Value::Array(items)) => Ok((
                u64::try_from(items.len()).unwrap_or(u64::MAX),
                page_digest(items, self.id),
            )),
            _ => Err(self.service.failed_call(
                call,
                &format!(
                    "its answer has no list at `{}`; check `items`",
                    self.list.items
                ),
            )),
        }
    }

    fn url(&self) -> Option<Url> {
        let with = |pairs: &[(&str, String)]| {
            let mut url = self.first.clone();
            if !pairs.is_empty() {
                url.query_pairs_mut().extend_pairs(pairs);
            }
            Some(url)
        };
        match (&self.next, &self.list.pagination) {
            (
                Next::Number(number),
                Pagination::Page {
                    parameter,
                    size_parameter,
                    size,
                    ..
                },
            ) => {
                let size = size_parameter
                    .as_deref()
                    .zip(*size)
                    .map(|(name, size)| (name, size.to_string()));
                with(
                    &[(parameter.as_str(), number.to_string())]
                        .into_iter()
                        .chain(size)
                        .collect::<Vec<_>>(),
                )
            }
            (
                Next::Skip(number),
                Pagination::Offset {
                    parameter,
                    size_parameter,
                    size,
                },
            ) => {
                let size = size_parameter
                    .as_deref()
                    .map(|name| (name, size.to_string()));
                with(
                    &[(parameter.as_str(), number.to_string())]
                        .into_iter()
                        .chain(size)
                        .collect::<Vec<_>>(),
                )
            }
            (Next::Mark(Some(mark)), Pagination::Cursor { parameter, .. }) => {
                with(&[(parameter.as_str(), mark.clone())])
            }
            (Next::Mark(None), _) => with(&[]),
            (Next::Link(url), _) => Some(url.clone()),
            _ => None,
        }
    }

    fn following(
        &self,
        call: &Call,
        answer: &Answered,
        number: u64,
    ) -> Result<Next, ConnectorError> {
        Ok(match (&self.next, &self.list.pagination) {
            (Next::Number(page), _) if number > 0 => Next::Number(page + 1),
            (Next::Skip(skipped), _) if number > 0 => Next::Skip(skipped + number),
            (_, Pagination::Cursor { next, .. }) => match answer.body.expose().0.pointer(next) {
                Some(Value::String(mark)) if mark.contains("://") || mark.starts_with('/') => {
                    Next::Link(self.service.follow(&call.url, mark)?)
                }
                Some(Value::String(mark)) if !mark.is_empty() => Next::Mark(Some(mark.clone())),
                Some(Value::Number(mark)) => Next::Mark(Some(mark.to_string())),
                _ => Next::Nothing,
            },
            (_, Pagination::LinkHeader) => match &answer.next {
                Some(link) => Next::Link(self.service.follow(&call.url, link)?),
                None => Next::Nothing,
            },
            _ => Next::Nothing,
        })
    }
}
