//! What a re-read still finds, added up by the look-up values that found it.

use std::collections::BTreeMap;

use domain::data_map::CollectionKey;
use domain::plan::{EraseStep, LocatedRow, Way, WaySearch};
use domain::row::Tuple;
use domain::sensitive::Sensitive;

use crate::Remaining;

/// Rows that remain, while they are counted.
#[derive(Default)]
pub(crate) struct Remainder(BTreeMap<(CollectionKey, Way, Sensitive<Tuple>), u64>);

impl Remainder {
    /// Takes in a group of rows that one look-up found.
    pub(crate) fn add(&mut self, step: &EraseStep, way: &WaySearch, group: Option<LocatedRow>) {
        let Some(group) = group else { return };
        let values = group.values.into_iter().flatten().map(|value| {
            if way.way.ignore_case {
                value.expose().to_lowercase()
            } else {
                value.expose().clone()
            }
        });
        *self
            .0
            .entry((
                step.collection.key.clone(),
                way.way.clone(),
                Sensitive::new(values.collect()),
            ))
            .or_default() += group.rows;
    }

    pub(crate) fn finish(self) -> Vec<Remaining> {
        self.0
            .into_iter()
            .map(|((collection, way, values), rows)| Remaining {
                collection,
                found_by: (way, values),
                rows,
            })
            .collect()
    }
}
