//! Reading all items of a collection, or those that changed since a moment where the service can be asked for them.

use domain::row::JsonValue;
use domain::sensitive::Sensitive;
use serde_json::Value;

use super::HttpConnector;
use super::config::{CollectionConfig, ListCall};
use super::find::Source;
use super::item::{id_text, member};
use super::pages::Pages;
use crate::connector::ConnectorError;
use crate::scan::{Batch, Key, MOST_BYTES, Mark, Position, Scan};

/// The place of the watermark in a scan's query.
pub(super) const SINCE: &str = "since";

impl HttpConnector {
    pub(super) async fn scan_items(&self, scan: &Scan) -> Result<Batch, ConnectorError> {
        let source = self.source(&scan.collection)?;
        let list = list(&source, scan.from.is_some())?;
        let from = scan.from.as_ref().map(Mark::url_text);
        let values: Vec<(String, String)> =
            (from.into_iter().map(|from| (SINCE.to_owned(), from))).collect();
        let mut pages = Pages::new(&self.service, &list, &source.config.id, &values)?;
        if let Some(position) = &scan.after {
            pages.go_on(position)?;
        }
        let mut batch = Batch::default();
        let mut bytes = 0;
        while batch.rows.len() < scan.limit && bytes < MOST_BYTES {
            let Some(page) = pages.next().await? else {
                break;
            };
            for item in page.items() {
                bytes += item.to_string().len();
                take(&mut batch, scan, &source, item)?;
            }
        }
        batch.next = pages.position();
        Ok(batch)
    }
}

/// The call that brings the items: the one for scans, else the list of everything. What speaks of the watermark is left out where
/// everything is wanted.
fn list(source: &Source<'_>, since: bool) -> Result<ListCall, ConnectorError> {
    let config: &CollectionConfig = source.config;
    let everything = || config.list.iter().find(|list| list.by.is_empty());
    let Some(list) = config.scan.as_ref().or_else(everything) else {
        return Err(ConnectorError::Drift {
            collection: source.key.clone(),
            reason: "its connection declares neither a `scan` nor a `list` without `by`".to_owned(),
        });
    };
    let mut list = list.clone();
    if !since {
        list.query
            .retain(|_, value| !value.contains(&format!("{{{SINCE}}}")));
    }
    Ok(list)
}

fn take(
    batch: &mut Batch,
    scan: &Scan,
    source: &Source<'_>,
    item: &Value,
) -> Result<(), ConnectorError> {
    // Without its id nobody could tell the item from others, and the answer may be about something else.
    if id_text(item, &source.config.id).is_none() {
        return Err(ConnectorError::Drift {
            collection: source.key.clone(),
            reason: format!("its items have no `{}`", source.config.id),
        });
    }
    let changed = scan.watermark.as_ref();
    let changed = changed.and_then(|field| member(item, field.as_ref()));
    if let Some(mark) = changed.and_then(Mark::of_json) {
        batch.newest = Some(match batch.newest.take() {
            Some(newest) => newest.later(mark),
            None => mark,
        });
    }
    let values = scan.fields.iter().map(|field| {
        let value = member(item, field.as_ref()).cloned();
        Sensitive::new(JsonValue(value.unwrap_or_default()))
    });
    batch.rows.push(values.collect());
    Ok(())
}

impl Pages<'_> {
    /// Where the next page is; `None` after the last one.
    fn position(&self) -> Option<Position> {
        self.next_text().map(|(kind, value)| {
            let keys = [kind.to_owned(), value].map(Key::Text);
            let digest = self.last_digest().map(|digest| Key::of_bytes(&digest));
            Position(Sensitive::new(keys.into_iter().chain(digest).collect()))
        })
    }

    fn go_on(&mut self, position: &Position) -> Result<(), ConnectorError> {
        match position.0.expose().as_slice() {
            [Key::Text(kind), Key::Text(value), rest @ ..] => {
                let digest = rest.first().and_then(|key| match key {
                    Key::Bytes(text) => crate::sql::cell::from_base64(text),
                    _ => None,
                });
                self.set_next(kind, value, digest.and_then(|bytes| bytes.try_into().ok()))
            }
            _ => self.set_next("", "", None),
        }
    }
}
