//! Which place in a SCIM resource is which attribute: `scim` in profile.yaml with the usual places, checked when the program starts.

use std::collections::BTreeSet;

use domain::data_map::{DataMap, RecipientKey, ValueKind};
use domain::profile::{AttributeRule, Schema, SourceNumber};
use domain::scim::{DEFAULTS, OnDelete, Path};

use super::mapping::{line_of, meant};
use super::schema::{LoadedSchema, SchemaError};
use crate::data_map::nearest::nearest;

/// How SCIM clients fill profiles.
#[derive(Clone)]
pub struct ScimMapping {
    /// The source whose records they keep.
    pub source: SourceNumber,
    /// What becomes of a record that they delete.
    pub on_delete: OnDelete,
    /// Recipients that may write records of the source, as far as they may see what they write.
    pub writers: BTreeSet<RecipientKey>,
    /// Places and their attributes.
    pub places: Vec<(Path, AttributeRule)>,
    /// The attribute by which a record of the source is found again.
    pub record: AttributeRule,
}

impl ScimMapping {
    /// All places.
    pub fn paths(&self) -> Vec<Path> {
        self.places.iter().map(|(path, _)| path.clone()).collect()
    }

    /// The attribute at a place.
    pub fn attribute(&self, path: &Path) -> Option<&AttributeRule> {
        let mut places = self.places.iter();
        places
            .find(|(place, _)| place == path)
            .map(|(_, rule)| rule)
    }

    /// The attribute and the place that a text names, e.g. `userName`.
    pub fn named(&self, text: &str) -> Option<&(Path, AttributeRule)> {
        let wanted = Path::parse(text).ok()?;
        self.places.iter().find(|(place, _)| wanted.covers(place))
    }
}

/// Checks what is written under `scim`; `None` where nothing is.
///
/// # Errors
/// Everything that is wrong with it, each with its line.
pub(crate) fn scim_mapping(
    loaded: &LoadedSchema,
    map: &DataMap,
) -> Result<Option<ScimMapping>, SchemaError> {
    let Some(text) = &loaded.scim else {
        return Ok(None);
    };
    let mut check = Check {
        loaded,
        faults: Vec::new(),
        places: Vec::new(),
    };
    let schema = &loaded.schema;
    let Some(source) = schema.source_of(&text.source) else {
        let keys = schema.sources().map(|(_, source)| source.key.as_ref());
        let nearest = meant(nearest(&text.source, keys));
        check.fault(
            &text.source,
            &format!("is no source of this schema{nearest}"),
        );
        return Err(SchemaError::Wrong(check.faults));
    };
    for (path, key) in &text.attributes {
        check.written(source, path, key);
    }
    check.add_defaults(schema, source);
    for writer in &text.writers {
        check.writer(writer, map);
    }
    let record = schema.source(source).and_then(|source| source.record);
    let record = record.and_then(|record| schema.attribute(record));
    check.whole(&text.source, record);
    match record {
        Some(record) if check.faults.is_empty() => Ok(Some(ScimMapping {
            source,
            on_delete: text.on_delete,
            writers: text.writers.clone(),
            places: check.places,
            record: record.clone(),
        })),
        _ => Err(SchemaError::Wrong(check.faults)),
    }
}

struct Check<'a> {
    loaded: &'a LoadedSchema,
    faults: Vec<String>,
    places: Vec<(Path, AttributeRule)>,
}

impl Check<'_> {
    fn written(&mut self, source: SourceNumber, path: &str, key: &str) {
        let schema = &self.loaded.schema;
        let rule = schema.attribute_of(key);
        let taken = self.places.iter().any(|(_, rule)| rule.key.as_ref() == key);
        match (Path::parse(path), rule) {
            (Err(error), _) => self.fault(path, &format!("is no place in a resource: {error}")),
            (_, None) => {
                let known = schema.attributes().map(|rule| rule.key.as_ref());
                let nearest = meant(nearest(key, known));
                self.fault(key, &format!("is no attribute of this schema{nearest}"));
            }
            (_, Some(rule)) if !rule.sources.contains(&source) => self.fault(
                key,
                "does not come from this source; add the source to the attribute's `sources`, or leave it out",
            ),
            (_, Some(_)) if taken => self.fault(key, "stands at two places; each attribute has one"),
            (Ok(path), Some(rule)) => self.places.push((path, rule.clone())),
        }
    }

    fn writer(&mut self, writer: &RecipientKey, map: &DataMap) {
        if !map.recipients.contains_key(writer) {
            let known = map.recipients.keys().map(AsRef::as_ref);
            let nearest = meant(nearest(writer.as_ref(), known));
            let problem = format!("is no recipient of the data map{nearest}");
            self.fault(writer.as_ref(), &problem);
        }
    }

    fn add_defaults(&mut self, schema: &Schema, source: SourceNumber) {
        // Who has no names of their own signs in by what the record is found by.
        let record = schema.source(source).and_then(|source| source.record);
        let record = record.and_then(|record| schema.attribute(record));
        for (path, keys) in DEFAULTS {
            let Ok(path) = Path::parse(path) else {
                continue;
            };
            let known = keys.iter().filter_map(|key| schema.attribute_of(key));
            let known = known.chain(record.filter(|_| keys.first() == Some(&"user_name")));
            let free = |rule: &&AttributeRule| {
                rule.sources.contains(&source)
                    && !self
                        .places
                        .iter()
                        .any(|(_, other)| other.number == rule.number)
            };
            let place_taken = self.places.iter().any(|(other, _)| other.covers(&path));
            let found = known.filter(|_| !place_taken).find(free).cloned();
            self.places.extend(found.map(|rule| (path, rule)));
        }
    }

    /// What every client needs.
    fn whole(&mut self, source: &str, record: Option<&AttributeRule>) {
        let at = |text: &str| {
            let wanted = Path::parse(text).ok();
            let mut places = self.places.iter();
            places
                .find(|(place, _)| wanted.as_ref().is_some_and(|wanted| wanted.covers(place)))
                .map(|(_, rule)| rule.clone())
        };
        let (name, active) = (at("userName"), at("active"));
        if name.is_none_or(|rule| rule.identifier.is_none()) {
            self.fault("scim", "has no attribute for `userName` that finds a subject; map one that has an `identifier`");
        }
        if active.is_none_or(|rule| rule.kind != ValueKind::Boolean) {
            self.fault("scim", "has no attribute for `active`; declare one of `kind: boolean` that comes from this source");
        }
        match record {
            None => self.fault(source, "can't be filled, since nothing says how its records are found again; set `record` of that source"),
            Some(record) if !self.places.iter().any(|(_, rule)| rule.number == record.number) => {
                let key = record.key.clone();
                self.fault("scim", &format!("leaves out `{key}`, by which records of this source are found again; give it a place, best `externalId`"));
            }
            Some(_) => {}
        }
    }

    fn fault(&mut self, word: &str, problem: &str) {
        let line = line_of(&self.loaded.text, "scim:", 0, word);
        let name = &self.loaded.name;
        self.faults
            .push(format!("{name}:{line}: `{word}` {problem}"));
    }
}
