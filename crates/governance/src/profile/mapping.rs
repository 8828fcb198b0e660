//! Which collection's fields are which attributes: `sync` in profile.yaml, checked against schema and data map when the program starts.

use std::sync::Arc;

use domain::data_map::{Collection, CollectionKey, DataMap, FieldName};
use domain::profile::{AttributeRule, Every, Overlap, Schema, SourceKey, SourceNumber, SyncText};

use super::schema::{LoadedSchema, SchemaError};
use crate::data_map::nearest::nearest;

/// A collection that a source is filled from.
#[derive(Clone)]
pub struct Mapping {
    /// The source whose records the rows are.
    pub source: SourceKey,
    pub(crate) number: SourceNumber,
    /// The collection.
    pub collection: Arc<Collection>,
    pub(crate) watermark: Option<FieldName>,
    pub(crate) overlap: Overlap,
    pub(crate) every: Option<Every>,
    /// Fields, and the attributes that they fill.
    pub(crate) fields: Vec<(FieldName, AttributeRule)>,
}

/// Checks what is written under `sync`.
///
/// # Errors
/// Everything that is wrong with it, each with its line.
pub(crate) fn mappings(loaded: &LoadedSchema, map: &DataMap) -> Result<Vec<Mapping>, SchemaError> {
    let mut faults = Vec::new();
    let mut mappings: Vec<Mapping> = Vec::new();
    for (entry, text) in loaded.sync.iter().enumerate() {
        let mut check = Check {
            loaded,
            map,
            entry,
            faults: &mut faults,
        };
        let Some(mapping) = check.mapping(text) else {
            continue;
        };
        let again = |known: &Mapping| {
            known.number == mapping.number && known.collection.key == mapping.collection.key
        };
        if mappings.iter().any(again) {
            check.fault(
                &text.source,
                "fills the same source from the same collection twice; remove one",
            );
        }
        mappings.push(mapping);
    }
    if faults.is_empty() {
        Ok(mappings)
    } else {
        Err(SchemaError::Wrong(faults))
    }
}

struct Check<'a> {
    loaded: &'a LoadedSchema,
    map: &'a DataMap,
    entry: usize,
    faults: &'a mut Vec<String>,
}

impl Check<'_> {
    fn mapping(&mut self, text: &SyncText) -> Option<Mapping> {
        let schema = &self.loaded.schema;
        let number = self.source(schema, &text.source);
        let collection = self.collection(text);
        let (number, collection) = number.zip(collection)?;
        let watermark = (text.watermark.as_deref()).and_then(|name| self.field(&collection, name));
        let mut fields = Vec::new();
        for (attribute, field) in &text.fields {
            let rule = self.attribute(schema, number, attribute);
            let field = self.field(&collection, field);
            fields.extend(field.zip(rule));
        }
        let source = schema.source(number)?;
        let record = source.record.and_then(|record| schema.attribute(record));
        match record {
            None => self.fault(&text.source, "can't be filled, since nothing says how its records are found again; set `record` of that source"),
            Some(record) if !text.fields.contains_key(record.key.as_ref()) => {
                let key = record.key.clone();
                self.fault("fields", &format!("leaves out `{key}`, by which records of this source are found again; name its field"));
            }
            Some(_) => {}
        }
        Some(Mapping {
            source: source.key.clone(),
            number,
            collection,
            watermark,
            overlap: text.overlap,
            every: text.every,
            fields,
        })
    }

    fn source(&mut self, schema: &Schema, key: &str) -> Option<SourceNumber> {
        let mut known = schema.sources();
        let found = known.find(|(_, source)| source.key.as_ref() == key);
        if found.is_none() {
            let keys = schema.sources().map(|(_, source)| source.key.as_ref());
            let nearest = meant(nearest(key, keys));
            self.fault(key, &format!("is no source of this schema{nearest}"));
        }
        found.map(|(number, _)| number)
    }

    fn collection(&mut self, text: &SyncText) -> Option<Arc<Collection>> {
        let map = self.map;
        let key = CollectionKey::from(text.collection.as_str());
        let Some(collection) = map.collections.get(&key) else {
            let keys = map.collections.keys().map(AsRef::as_ref);
            let nearest = meant(nearest(&text.collection, keys));
            self.fault(
                &text.collection,
                &format!("is no collection of the data map{nearest}"),
            );
            return None;
        };
        if let Some(system) = &text.system
            && collection.system.as_ref() != system.as_str()
        {
            let problem = format!(
                "is not where the data map has `{key}`, which is `{}`; correct it or leave it out",
                collection.system
            );
            self.fault(system, &problem);
        }
        if collection.primary_key.is_empty() {
            self.fault(&text.collection, "has no primary key in the data map, so that its rows can't be read a batch at a time; name the fields that tell its rows apart there");
        }
        Some(Arc::new(collection.clone()))
    }

    fn field(&mut self, collection: &Collection, name: &str) -> Option<FieldName> {
        let wanted = FieldName::from(name);
        if collection.field(&wanted).is_some() {
            return Some(wanted);
        }
        let known = collection.fields.iter().map(|field| field.name.as_ref());
        let nearest = meant(nearest(name, known));
        self.fault(
            name,
            &format!(
                "is no field of `{}` in the data map{nearest}",
                collection.key
            ),
        );
        None
    }

    fn attribute(
        &mut self,
        schema: &Schema,
        source: SourceNumber,
        key: &str,
    ) -> Option<AttributeRule> {
        let found = schema.attributes().find(|rule| rule.key.as_ref() == key);
        match found {
            None => {
                let known = schema.attributes().map(|rule| rule.key.as_ref());
                let nearest = meant(nearest(key, known));
                self.fault(key, &format!("is no attribute of this schema{nearest}"));
            }
            Some(rule) if !rule.sources.contains(&source) => self.fault(
                key,
                "does not come from this source; add the source to the attribute's `sources`, or leave the field out",
            ),
            Some(_) => return found.cloned(),
        }
        None
    }

    fn fault(&mut self, word: &str, problem: &str) {
        let line = line_of(&self.loaded.text, "sync:", self.entry, word);
        let name = &self.loaded.name;
        self.faults
            .push(format!("{name}:{line}: `{word}` {problem}"));
    }
}

pub(super) fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| {
        format!("; did you mean `{nearest}`?")
    })
}

/// The line of a word in one entry of a section; the entry's first where it isn't found.
pub(super) fn line_of(text: &str, section: &str, entry: usize, word: &str) -> usize {
    let is_top = |line: &str| line.starts_with(|first: char| first.is_ascii_alphabetic());
    let lines = || text.lines().enumerate();
    let start = lines().find(|(_, line)| line.starts_with(section));
    let start = start.map_or(0, |(number, _)| number);
    let inside = lines()
        .skip(start + 1)
        .take_while(|(_, line)| !is_top(line));
    let first = inside
        .clone()
        .filter(|(_, line)| line.trim_start().starts_with("- "))
        .filter(|(_, line)| line.contains("source:") || line.contains("collection:"))
        .nth(entry);
    let first = first.map_or(start, |(number, _)| number);
    let is_word = |letter: char| letter.is_alphanumeric() || "_.".contains(letter);
    let mut found = inside.skip_while(|(number, _)| *number < first);
    found
        .find(|(_, line)| {
            line.split(|letter| !is_word(letter))
                .any(|part| part == word)
        })
        .map_or(first, |(number, _)| number)
        + 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::profile::parse_schema;

    const SCHEMA: &str = "version: 1
sources:
  - { source: shop, number: 1, title: S, record: email }
  - { source: crm, number: 2, title: C }
attributes:
  - { attribute: email, number: 1, title: E, category: user.contact.email, identifier: { rule: email, unique: true } }
  - { attribute: city, number: 2, title: C, category: user.contact.address.city, sources: [crm] }
";

    fn checked(sync: &str) -> Result<Vec<Mapping>, String> {
        let law = crate::law::load(None).unwrap();
        let text = format!("{SCHEMA}sync:\n{sync}");
        let file: domain::profile::SchemaFile = serde_saphyr::from_str(&text).unwrap();
        let loaded = LoadedSchema {
            schema: parse_schema("profile.yaml", &text, &law).unwrap(),
            sync: file.sync,
            scim: None,
            name: "profile.yaml".to_owned(),
            text,
        };
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/data-map");
        let map = crate::data_map::load(folder.as_ref(), &|_| Some("x".to_owned()), &law);
        let map = map.unwrap_or_else(|error| panic!("{error}"));
        mappings(&loaded, &map.map).map_err(|error| error.to_string())
    }

    #[test]
    fn a_source_is_mapped_by_the_data_maps_own_names() {
        let mapped = checked("  - source: shop\n    system: shop\n    collection: shop.customer\n    watermark: customer_since\n    every: 10m\n    fields: { email: email }\n").unwrap();
        assert_eq!(mapped.len(), 1);
        assert_eq!(mapped.first().unwrap().every, Some(Every(600)));
    }

    #[test]
    fn every_fault_is_told_with_its_line_and_the_nearest_name() {
        let wrong = checked("  - source: shop\n    collection: shop.customer\n    watermark: customer_sinse\n    fields:\n      emial: email\n      city: email\n  - source: shopp\n    collection: shop.custommer\n    fields: { email: email }\n").err().unwrap();
        let lines: Vec<&str> = wrong.lines().collect();
        for (line, words) in [
            (
                11,
                "`customer_sinse` is no field of `shop.customer` in the data map; did you mean `customer_since`?",
            ),
            (
                13,
                "`emial` is no attribute of this schema; did you mean `email`?",
            ),
            (14, "`city` does not come from this source"),
            (12, "`fields` leaves out `email`"),
            (
                15,
                "`shopp` is no source of this schema; did you mean `shop`?",
            ),
            (
                16,
                "`shop.custommer` is no collection of the data map; did you mean `shop.customer`?",
            ),
        ] {
            let said = format!("profile.yaml:{line}: {words}");
            assert!(
                lines.iter().any(|found| found.starts_with(&said)),
                "{said}\n{wrong}"
            );
        }
        assert_eq!(lines.len(), 6, "{wrong}");
    }

    #[test]
    fn a_source_without_a_record_and_another_system_are_refused() {
        let wrong = checked("  - { source: crm, system: desk, collection: shop.customer, fields: { email: email } }\n").err().unwrap();
        assert!(
            wrong.contains("set `record` of that source") && wrong.contains("`desk` is not where"),
            "{wrong}"
        );
    }
}
