//! Locating, exporting and correcting a subject's items.

use std::collections::{BTreeMap, BTreeSet};

use domain::data_map::{Collection, FieldName};
use domain::plan::{LocatedRow, Search};
use domain::row::{FoundRow, JsonValue};
use domain::sensitive::Sensitive;
use serde_json::Value;

use super::HttpConnector;
use super::find::Found;
use super::item::{is_retained, member, set_member, text};
use crate::connector::ConnectorError;

/// Groups that are kept before they are handed on; a group may then come twice, which its receiver adds up.
const MOST_GROUPS: usize = 10_000;

type Values = Vec<Option<String>>;
type LocatedPage<'a> = &'a mut (dyn FnMut(Vec<LocatedRow>) -> Result<(), ConnectorError> + Send);
type ExportedPage<'a> = &'a mut (dyn FnMut(Vec<FoundRow>) -> Result<(), ConnectorError> + Send);

impl HttpConnector {
    pub(super) async fn locate_items(
        &self,
        search: &Search,
        page: LocatedPage<'_>,
    ) -> Result<(), ConnectorError> {
        let mut groups: BTreeMap<(Values, bool, bool), u64> = BTreeMap::new();
        let mut finder = self.find(self.source(&search.collection)?, &search.ways)?;
        while let Some(found) = finder.next_page().await? {
            let mut rows = Vec::with_capacity(if search.grouped { 0 } else { found.len() });
            for found in found {
                let values = selected(search, found.value())?;
                let retained = search
                    .retained
                    .as_ref()
                    .is_some_and(|cutoff| is_retained(found.value(), cutoff));
                let shared = self.is_shared(&search.guards, found.value()).await?;
                if search.grouped {
                    *groups.entry((values, retained, shared)).or_default() += 1;
                } else {
                    rows.push(located(values, 1, retained, shared));
                }
            }
            if groups.len() >= MOST_GROUPS {
                page(flush(&mut groups))?;
            }
            if !rows.is_empty() {
                page(rows)?;
            }
        }
        if groups.is_empty() {
            Ok(())
        } else {
            page(flush(&mut groups))
        }
    }

    pub(super) async fn export_items(
        &self,
        search: &Search,
        page: ExportedPage<'_>,
    ) -> Result<(), ConnectorError> {
        let mut finder = self.find(self.source(&search.collection)?, &search.ways)?;
        while let Some(found) = finder.next_page().await? {
            let rows: Result<Vec<FoundRow>, ConnectorError> = found
                .iter()
                .map(|found| exported(&search.collection, found))
                .collect();
            let rows = rows?;
            if !rows.is_empty() {
                page(rows)?;
            }
        }
        Ok(())
    }

    pub(super) async fn correct_items(
        &self,
        search: &Search,
        new: &[(FieldName, Sensitive<JsonValue>)],
    ) -> Result<u64, ConnectorError> {
        let source = self.source(&search.collection)?;
        let Some(call) = &source.config.correct else {
            let reason = "its connection declares no `correct` call".to_owned();
            return Err(ConnectorError::Drift {
                collection: search.collection.key.clone(),
                reason,
            });
        };
        let mut values = Value::Object(serde_json::Map::new());
        new.iter().for_each(|(name, value)| {
            set_member(&mut values, name.as_ref(), value.expose().0.clone())
        });
        let mut corrected = 0;
        // All are found before the first is changed: a change may move items from page to page.
        for found in self.all(search).await? {
            corrected += u64::from(self.change(call, &found, values.clone()).await?);
        }
        Ok(corrected)
    }

    async fn all(&self, search: &Search) -> Result<Vec<Found>, ConnectorError> {
        let mut finder = self.find(self.source(&search.collection)?, &search.ways)?;
        let mut all = Vec::new();
        while let Some(found) = finder.next_page().await? {
            all.extend(found);
        }
        Ok(all)
    }
}

fn located(values: Values, rows: u64, retained: bool, shared: bool) -> LocatedRow {
    LocatedRow {
        values: values
            .into_iter()
            .map(|value| value.map(Sensitive::new))
            .collect(),
        rows,
        retained,
        shared,
    }
}

fn flush(groups: &mut BTreeMap<(Values, bool, bool), u64>) -> Vec<LocatedRow> {
    std::mem::take(groups)
        .into_iter()
        .map(|((values, retained, shared), rows)| located(values, rows, retained, shared))
        .collect()
}

/// Canonical texts of the selected fields.
fn selected(search: &Search, item: &Value) -> Result<Values, ConnectorError> {
    let value = |name: &FieldName| {
        let kind = search
            .collection
            .field(name)
            .map(|field| field.kind)
            .unwrap_or_default();
        present(&search.collection, name, item)
            .map(|value| value.and_then(|value| text(value, kind)))
    };
    search.select.iter().map(value).collect()
}

fn exported(collection: &Collection, found: &Found) -> Result<FoundRow, ConnectorError> {
    let names: BTreeSet<&FieldName> = collection.fields.iter().map(|field| &field.name).collect();
    let value = |name: &FieldName| {
        let value = present(collection, name, found.value())?
            .cloned()
            .unwrap_or_default();
        Ok((name.clone(), Sensitive::new(JsonValue(value))))
    };
    let values: Result<BTreeMap<_, _>, ConnectorError> = names.into_iter().map(value).collect();
    Ok(FoundRow {
        collection: collection.key.clone(),
        values: values?,
    })
}

/// A member of an item. JSON services often leave out what is empty; where the data map says that a field always has a
/// value, its absence means that the service has changed.
fn present<'a>(
    collection: &Collection,
    name: &FieldName,
    item: &'a Value,
) -> Result<Option<&'a Value>, ConnectorError> {
    match (member(item, name.as_ref()), collection.field(name)) {
        (None, Some(field)) if !field.nullable => {
            let reason =
                format!("an item has no `{name}`; call the field nullable if that is right");
            Err(ConnectorError::Drift {
                collection: collection.key.clone(),
                reason,
            })
        }
        (value, _) => Ok(value),
    }
}
