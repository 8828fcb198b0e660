//! Finding items: which list serves a look-up, which of its items really match, and whether somebody else's item points at one.

use std::collections::HashSet;
use std::sync::Arc;

use domain::data_map::graph::Pointer;
use domain::data_map::{Collection, CollectionKey, FieldName, ValueKind};
use domain::plan::{GuardSearch, Way, WaySearch};
use domain::row::JsonValue;
use domain::sensitive::Sensitive;
use serde_json::Value;

use super::HttpConnector;
use super::config::{CollectionConfig, ListCall};
use super::item::{Wanted, fingerprint, id_text, member, set_member, text};
use super::pages::Pages;
use crate::connector::ConnectorError;

/// A collection as the service has it: its calls, and what the data map says about it, where that is known.
#[derive(Clone)]
pub(super) struct Source<'a> {
    pub(super) key: CollectionKey,
    pub(super) config: &'a CollectionConfig,
    pub(super) collection: Option<Arc<Collection>>,
}

/// An item that matches.
pub(super) struct Found {
    pub(super) id: Sensitive<String>,
    pub(super) item: Sensitive<JsonValue>,
}

impl Found {
    pub(super) fn value(&self) -> &Value {
        &self.item.expose().0
    }
}

/// Items that match any of the look-ups, each once, a page at a time.
pub(super) struct Finder<'a> {
    connector: &'a HttpConnector,
    source: Source<'a>,
    wanted: Wanted,
    look_ups: std::vec::IntoIter<LookUp<'a>>,
    current: Option<(LookUp<'a>, Pages<'a>)>,
    seen: HashSet<[u8; 16]>,
}

/// One list to be read: with the values of one look-up, or everything.
struct LookUp<'a> {
    list: &'a ListCall,
    fields: Vec<FieldName>,
    values: Sensitive<Vec<String>>,
}

impl HttpConnector {
    /// The calls of a collection.
    pub(super) fn source(
        &self,
        collection: &Arc<Collection>,
    ) -> Result<Source<'_>, ConnectorError> {
        let config = self.collection_config(&collection.key, &collection.table)?;
        Ok(Source {
            key: collection.key.clone(),
            config,
            collection: Some(Arc::clone(collection)),
        })
    }

    fn collection_config(
        &self,
        key: &CollectionKey,
        name: &str,
    ) -> Result<&CollectionConfig, ConnectorError> {
        self.config.collections.get(name).ok_or_else(|| {
            let reason = format!(
                "the connection of `{}` declares no collection `{name}`",
                self.service.system()
            );
            ConnectorError::Drift {
                collection: key.clone(),
                reason,
            }
        })
    }

    /// Items that match any of the look-ups.
    pub(super) fn find<'a>(
        &'a self,
        source: Source<'a>,
        ways: &[WaySearch],
    ) -> Result<Finder<'a>, ConnectorError> {
        let mut look_ups = Vec::new();
        let mut everything = false;
        for search in ways
            .iter()
            .filter(|search| !search.values.expose().is_empty())
        {
            let list = list_for(&source, &search.way)?;
            if list.by.is_empty() {
                everything = true;
                continue;
            }
            let fields = search.way.fields.clone();
            look_ups.extend(search.values.expose().iter().map(|tuple| LookUp {
                list,
                fields: fields.clone(),
                values: Sensitive::new(tuple.clone()),
            }));
        }
        if let Some(list) = source
            .config
            .list
            .iter()
            .find(|list| list.by.is_empty())
            .filter(|_| everything)
        {
            look_ups = vec![LookUp {
                list,
                fields: Vec::new(),
                values: Sensitive::default(),
            }];
        }
        let wanted = Wanted::new(source.collection.as_deref(), ways);
        Ok(Finder {
            connector: self,
            source,
            wanted,
            look_ups: look_ups.into_iter(),
            current: None,
            seen: HashSet::new(),
        })
    }

    /// Ids of items that point at `item` as `pointer` says, those left out that match `except`.
    pub(super) async fn pointing(
        &self,
        pointer: &Pointer,
        from: Source<'_>,
        item: &Value,
        except: &[WaySearch],
    ) -> Result<Vec<Sensitive<String>>, ConnectorError> {
        let values: Option<Vec<String>> = pointer
            .pairs
            .iter()
            .map(|(_, here)| {
                member(item, here.as_ref()).and_then(|value| text(value, ValueKind::Other))
            })
            .collect();
        let Some(values) = values else {
            return Ok(Vec::new());
        };
        let way = Way {
            fields: pointer
                .pairs
                .iter()
                .map(|(there, _)| there.clone())
                .collect(),
            ignore_case: false,
        };
        let excepted = Wanted::new(from.collection.as_deref(), except);
        let mut finder = self.find(
            from,
            &[WaySearch {
                way,
                values: Sensitive::new(vec![values]),
            }],
        )?;
        let mut pointing = Vec::new();
        while let Some(found) = finder.next_page().await? {
            pointing.extend(
                found
                    .into_iter()
                    .filter(|found| !excepted.matches(found.value()))
                    .map(|found| found.id),
            );
        }
        Ok(pointing)
    }

    /// Whether somebody else's item points at `item`.
    pub(super) async fn is_shared(
        &self,
        guards: &[GuardSearch],
        item: &Value,
    ) -> Result<bool, ConnectorError> {
        for guard in guards {
            if !self
                .pointing(
                    &guard.pointer,
                    self.source(&guard.collection)?,
                    item,
                    &guard.except,
                )
                .await?
                .is_empty()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The collection that a pointer comes from: one of `known`, else by its name alone.
    pub(super) fn pointing_source<'a>(
        &'a self,
        pointer: &Pointer,
        known: &[Arc<Collection>],
    ) -> Result<Source<'a>, ConnectorError> {
        match known
            .iter()
            .find(|collection| collection.key == pointer.from)
        {
            Some(collection) => self.source(collection),
            None => {
                let config = self.collection_config(&pointer.from, pointer.from.collection())?;
                Ok(Source {
                    key: pointer.from.clone(),
                    config,
                    collection: None,
                })
            }
        }
    }
}

/// The list that serves a look-up: the one declared for exactly its fields, else the one that lists everything.
fn list_for<'a>(source: &Source<'a>, way: &Way) -> Result<&'a ListCall, ConnectorError> {
    let serves = |list: &&ListCall| {
        list.by.len() == way.fields.len()
            && way
                .fields
                .iter()
                .all(|field| list.by.iter().any(|by| by == field.as_ref()))
    };
    let exact = source
        .config
        .list
        .iter()
        .find(serves)
        .filter(|list| !list.by.is_empty());
    exact
        .or_else(|| source.config.list.iter().find(|list| list.by.is_empty()))
        .ok_or_else(|| {
            let fields: Vec<&str> = way.fields.iter().map(AsRef::as_ref).collect();
            ConnectorError::Drift {
                collection: source.key.clone(),
                reason: format!(
                    "its connection declares no `list` with `by: [{}]`",
                    fields.join(", ")
                ),
            }
        })
}

impl Finder<'_> {
    /// Matching items of the next page that has been read; `None` at the end.
    pub(super) async fn next_page(&mut self) -> Result<Option<Vec<Found>>, ConnectorError> {
        loop {
            let Some((look_up, mut pages)) = self
                .current
                .take()
                .map_or_else(|| self.begin(), |current| Ok(Some(current)))?
            else {
                return Ok(None);
            };
            let Some(page) = pages.next().await? else {
                continue;
            };
            let mut found = Vec::new();
            for item in page.items() {
                found.extend(self.accept(&look_up, item)?);
            }
            self.current = Some((look_up, pages));
            return Ok(Some(found));
        }
    }

    /// The item that `found_by` names for a found item.
    pub(super) fn found_by(&self, item: &Value) -> Option<(&Way, Vec<String>)> {
        self.wanted.found_by(item)
    }
}

impl<'a> Finder<'a> {
    fn begin(&mut self) -> Result<Option<(LookUp<'a>, Pages<'a>)>, ConnectorError> {
        let Some(look_up) = self.look_ups.next() else {
            return Ok(None);
        };
        let named = look_up.fields.iter().map(|field| field.as_ref().to_owned());
        let values: Vec<(String, String)> =
            named.zip(look_up.values.expose().iter().cloned()).collect();
        let pages = Pages::new(
            &self.connector.service,
            look_up.list,
            &self.source.config.id,
            &values,
        )?;
        Ok(Some((look_up, pages)))
    }

    /// The item, if it matches and has not been seen. Services search loosely; what they bring is compared again here, so
    /// that nobody else's item is taken for the subject's.
    fn accept(
        &mut self,
        look_up: &LookUp<'_>,
        item: &Value,
    ) -> Result<Option<Found>, ConnectorError> {
        let mut item = Sensitive::new(JsonValue(item.clone()));
        if look_up.list.scoped {
            let mut scoped = item.expose().0.clone();
            for (field, value) in look_up.fields.iter().zip(look_up.values.expose()) {
                if member(&scoped, field.as_ref()).is_none() {
                    set_member(&mut scoped, field.as_ref(), Value::String(value.clone()));
                }
            }
            item = Sensitive::new(JsonValue(scoped));
        }
        self.check_members(look_up, &item.expose().0)?;
        if !self.wanted.matches(&item.expose().0) {
            return Ok(None);
        }
        let Some(id) = id_text(&item.expose().0, &self.source.config.id) else {
            return Err(self.drift(&format!("its items have no `{}`", self.source.config.id)));
        };
        Ok(self.seen.insert(fingerprint(&id)).then(|| Found {
            id: Sensitive::new(id),
            item,
        }))
    }

    /// A list that was asked for by a field must show the field, or nothing could be compared. A list of everything may
    /// leave out what the data map calls nullable.
    fn check_members(&self, look_up: &LookUp<'_>, item: &Value) -> Result<(), ConnectorError> {
        for field in &look_up.fields {
            if member(item, field.as_ref()).is_none() {
                return Err(self.drift(&format!("its items have no `{field}`; if the list's path says whose they are, set `scoped: true`")));
            }
        }
        if !look_up.fields.is_empty() {
            return Ok(());
        }
        let Some(collection) = &self.source.collection else {
            return Ok(());
        };
        match self.wanted.fields().find(|name| {
            member(item, name.as_ref()).is_none()
                && collection.field(name).is_none_or(|field| !field.nullable)
        }) {
            Some(field) => Err(self.drift(&format!(
                "an item has no `{field}`; call the field nullable if that is right"
            ))),
            None => Ok(()),
        }
    }

    fn drift(&self, reason: &str) -> ConnectorError {
        ConnectorError::Drift {
            collection: self.source.key.clone(),
            reason: reason.to_owned(),
        }
    }
}
