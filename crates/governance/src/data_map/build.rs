//! From files to the map: every name that refers to something is looked up, every word that the law data defines is checked,
//! and all that is wrong is told at once.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;

use domain::data_map::{
    Collection, CollectionErasure, CollectionKey, Field, FieldErasure, FieldName, IdentifierKind,
    Identity, KeepReason, LegalHold, RecipientKey, Reference, RetentionRule, System, SystemKey,
    ValueKind,
};
use domain::recipient::{Recipient, ReminderRule, VerificationLevel};

use super::LoadedMap;
use super::connection::{ChannelConfig, Connection};
use super::file::{
    CollectionErasureText, CollectionText, DatasetText, FieldErasureText, FieldReferenceText,
    FieldText, LegalHoldText, MapFile, ReasonText, RecipientText, ReferenceText, RetentionText,
    SystemText,
};
use super::finding::{Finding, Place, SourceText};
use super::nearest::nearest;
use super::read::{Located, Mistake};
use super::tree::{Node, Span};
use super::vocabulary::Vocabulary;

/// One file that was read.
pub(super) struct Part {
    pub(super) source: SourceText,
    pub(super) folder: PathBuf,
    pub(super) file: MapFile,
    pub(super) tree: Node,
    /// Keys that had to be left out; what refers to them isn't missing.
    pub(super) left_out: BTreeSet<String>,
}

/// Puts the files together. Whatever is wrong is added to `findings`; the map is only good when nothing was.
pub(super) fn build(
    parts: Vec<Part>,
    vocabulary: &dyn Vocabulary,
    findings: &mut Vec<Finding>,
) -> LoadedMap {
    let mut builder = Builder {
        known: Known::of(&parts),
        categories: vocabulary.categories().into_iter().collect(),
        reasons: vocabulary.reason_codes().into_iter().collect(),
        loaded: LoadedMap::default(),
        findings,
    };
    for part in &parts {
        builder.add(part);
    }
    builder.loaded
}

/// All names that may be referred to.
struct Known {
    systems: BTreeSet<String>,
    /// The fields of each `dataset.collection`.
    collections: BTreeMap<String, BTreeSet<String>>,
    left_out: BTreeSet<String>,
}

impl Known {
    fn of(parts: &[Part]) -> Self {
        let mut known = Self {
            systems: BTreeSet::new(),
            collections: BTreeMap::new(),
            left_out: BTreeSet::new(),
        };
        for part in parts {
            known.left_out.extend(part.left_out.iter().cloned());
            known
                .systems
                .extend(part.file.systems.0.iter().map(|(key, _)| key.value.clone()));
            for (dataset, text) in &part.file.datasets.0 {
                for (collection, text) in &text.value.collections.0 {
                    let fields = text
                        .value
                        .fields
                        .0
                        .iter()
                        .map(|(name, _)| name.value.clone())
                        .collect();
                    known
                        .collections
                        .insert(format!("{}.{}", dataset.value, collection.value), fields);
                }
            }
        }
        known
    }

    /// `dataset.collection.field`, taken apart at the point that makes sense; both names may hold points.
    fn field<'a>(&self, path: &'a str) -> Option<(&'a str, &'a str)> {
        let splits = path.match_indices('.').map(|(at, _)| {
            (
                path.get(..at).unwrap_or_default(),
                path.get(at + 1..).unwrap_or_default(),
            )
        });
        splits.into_iter().find(|(collection, field)| {
            self.collections
                .get(*collection)
                .is_some_and(|fields| fields.contains(*field))
        })
    }

    /// Whether the name, or a part of it, was left out because something in it was wrong.
    fn was_left_out(&self, path: &str) -> bool {
        path.split('.').any(|name| self.left_out.contains(name))
    }
}

struct Builder<'a> {
    known: Known,
    categories: BTreeSet<&'a str>,
    reasons: BTreeSet<&'a str>,
    loaded: LoadedMap,
    findings: &'a mut Vec<Finding>,
}

impl Builder<'_> {
    fn add(&mut self, part: &Part) {
        for (key, text) in &part.file.systems.0 {
            self.add_system(part, key, text);
        }
        for (key, text) in &part.file.datasets.0 {
            self.add_dataset(part, key, &text.value);
        }
        for (key, text) in &part.file.recipients.0 {
            self.add_recipient(part, key, &text.value);
        }
        for hold in &part.file.legal_holds {
            self.add_legal_hold(part, hold);
        }
    }

    fn wrong(
        &mut self,
        part: &Part,
        about: &str,
        at: Span,
        message: String,
        what_to_do: impl Into<String>,
    ) {
        self.findings.push(part.source.finding(
            about,
            Mistake {
                at,
                message,
                what_to_do: what_to_do.into(),
            },
        ));
    }

    /// Notes where something stands; false when it stands somewhere else already.
    fn is_first(&mut self, part: &Part, about: &str, key: &Located<String>) -> bool {
        let place = part.source.place(about, key.at);
        let Some(first) = self.loaded.origin.places.get(about) else {
            self.loaded.origin.places.insert(about.to_owned(), place);
            return true;
        };
        let Place { file, line, .. } = first.clone();
        let message = format!(
            "`{}` is in the data map twice; the first is in {}:{line}",
            key.value,
            file.unwrap_or_default()
        );
        self.wrong(
            part,
            about,
            key.at,
            message,
            "remove one of them, or give it another name",
        );
        false
    }

    fn add_system(&mut self, part: &Part, key: &Located<String>, text: &Located<SystemText>) {
        if !self.is_first(part, &key.value, key) {
            return;
        }
        let node = part
            .tree
            .get("systems")
            .and_then(|systems| systems.get(&key.value))
            .and_then(|system| system.get("connection"));
        let Some(node) = node else { return };
        let connection = match Connection::read(node, &part.folder) {
            Ok(connection) => connection,
            Err(mistakes) => {
                return self.findings.extend(
                    mistakes
                        .into_iter()
                        .map(|mistake| part.source.finding(&key.value, mistake)),
                );
            }
        };
        let system = SystemKey::from(key.value.as_str());
        let title = text
            .value
            .title
            .clone()
            .unwrap_or_else(|| title_of(&key.value));
        self.loaded.map.systems.insert(
            system.clone(),
            System {
                key: system.clone(),
                title,
                kind: connection.kind(),
                sources: text.value.sources.clone(),
                purposes: text.value.purposes.clone(),
            },
        );
        self.loaded.connections.insert(system, connection);
    }

    fn add_dataset(&mut self, part: &Part, key: &Located<String>, text: &DatasetText) {
        if !self.is_first(part, &format!("dataset {}", key.value), key) {
            return;
        }
        if key.value.contains('.') {
            self.wrong(
                part,
                &key.value,
                key.at,
                format!(
                    "`{}` has a point in it, which separates a dataset from its collections",
                    key.value
                ),
                "write `_` instead",
            );
        }
        let system = &text.system;
        if !self.known.systems.contains(&system.value) && !self.known.was_left_out(&system.value) {
            let near = nearest(&system.value, self.known.systems.iter().map(String::as_str));
            let what_to_do = did_you_mean(near, "add it to `systems`, with its connection");
            self.wrong(
                part,
                &key.value,
                system.at,
                format!("no system is called `{}`", system.value),
                what_to_do,
            );
        }
        for (name, collection) in &text.collections.0 {
            let collection_key = CollectionKey::new(&key.value, &name.value);
            if self.is_first(part, collection_key.as_ref(), name) {
                let collection = self.collection(part, text, &collection_key, &collection.value);
                self.loaded
                    .map
                    .collections
                    .insert(collection_key, collection);
            }
        }
    }

    fn collection(
        &mut self,
        part: &Part,
        dataset: &DatasetText,
        key: &CollectionKey,
        text: &CollectionText,
    ) -> Collection {
        let system = SystemKey::from(dataset.system.value.as_str());
        let mut references = Vec::new();
        let mut fields = Vec::new();
        for (name, field) in &text.fields.0 {
            let about = format!("{key}.{}", name.value);
            self.loaded
                .origin
                .places
                .insert(about.clone(), part.source.place(about.as_str(), name.at));
            fields.push(self.field(part, key, &name.value, &field.value));
            let reference = field.value.references.as_ref();
            references.extend(reference.and_then(|reference| {
                self.field_reference(part, &about, &system, &name.value, &reference.value)
            }));
        }
        for reference in &text.references {
            references.extend(self.reference(part, key, &system, text, reference));
        }
        Collection {
            key: key.clone(),
            system,
            schema: dataset.schema.clone(),
            table: text
                .table
                .clone()
                .unwrap_or_else(|| key.collection().to_owned()),
            title: text
                .title
                .clone()
                .unwrap_or_else(|| title_of(key.collection())),
            primary_key: self.primary_key(part, key, text),
            erasure: self.collection_erasure(part, key, text.erasure.as_ref()),
            retention: text
                .retention
                .as_ref()
                .and_then(|retention| self.retention(part, key, text, retention)),
            fields,
            references,
        }
    }

    fn primary_key(
        &mut self,
        part: &Part,
        key: &CollectionKey,
        text: &CollectionText,
    ) -> Vec<FieldName> {
        let mut names: Vec<FieldName> = Vec::new();
        for name in &text.primary_key {
            self.expect_field(part, key, text, name, "primary_key");
            if names.iter().any(|known| known.as_ref() == name.value) {
                self.wrong(
                    part,
                    key.as_ref(),
                    name.at,
                    format!("`{}` stands twice in the primary key", name.value),
                    "name each field of the key once",
                );
            } else {
                names.push(name.value.as_str().into());
            }
        }
        names
    }

    fn expect_field(
        &mut self,
        part: &Part,
        key: &CollectionKey,
        text: &CollectionText,
        name: &Located<String>,
        what: &str,
    ) {
        let has = |wanted: &str| text.fields.0.iter().any(|(field, _)| field.value == wanted);
        if has(&name.value) || self.known.was_left_out(&name.value) {
            return;
        }
        let near = nearest(
            &name.value,
            text.fields.0.iter().map(|(field, _)| field.value.as_str()),
        );
        let message = format!(
            "`{what}` names `{}`, but `{key}` has no such field",
            name.value
        );
        self.wrong(
            part,
            key.as_ref(),
            name.at,
            message,
            did_you_mean(near, "add it to `fields`, or name another one"),
        );
    }

    fn field(&mut self, part: &Part, key: &CollectionKey, name: &str, text: &FieldText) -> Field {
        let about = format!("{key}.{name}");
        if let Some(category) = &text.category {
            self.expect_category(part, &about, category);
        }
        if let Some(confidence) = text.confidence {
            self.loaded
                .origin
                .confidence
                .insert((key.clone(), name.into()), confidence);
        }
        Field {
            name: name.into(),
            title: text.title.clone(),
            category: text
                .category
                .as_ref()
                .map(|category| category.value.clone()),
            kind: text.kind.map(ValueKind::from).unwrap_or_default(),
            nullable: text.nullable.unwrap_or(true),
            unique: text.unique,
            max_length: text.max_length,
            identity: self.identity(part, &about, text),
            erasure: text
                .erasure
                .as_ref()
                .map(|erasure| self.field_erasure(part, &about, text, erasure)),
        }
    }

    fn identity(&mut self, part: &Part, about: &str, text: &FieldText) -> Option<Identity> {
        let kind = text.kind.map(ValueKind::from).unwrap_or_default();
        let Some(identity) = &text.identity else {
            if let Some(ignore_case) = &text.ignore_case {
                self.wrong(
                    part,
                    about,
                    ignore_case.at,
                    "`ignore_case` only means something for a field with `identity`".to_owned(),
                    "add `identity:`, or remove it",
                );
            }
            return None;
        };
        if matches!(
            kind,
            ValueKind::Json | ValueKind::Bytes | ValueKind::Boolean | ValueKind::Other
        ) {
            let message = format!(
                "a field of type `{}` can't be searched by",
                serde_json::to_string(&kind)
                    .unwrap_or_default()
                    .trim_matches('"')
            );
            self.wrong(
                part,
                about,
                identity.at,
                message,
                "correct `type`, or remove `identity`",
            );
        }
        let default = identity.value == "email" && kind == ValueKind::Text;
        Some(Identity {
            kind: IdentifierKind(identity.value.clone()),
            ignore_case: text
                .ignore_case
                .as_ref()
                .map_or(default, |ignore_case| ignore_case.value),
        })
    }

    fn field_erasure(
        &mut self,
        part: &Part,
        about: &str,
        text: &FieldText,
        erasure: &Located<FieldErasureText>,
    ) -> FieldErasure {
        match &erasure.value {
            FieldErasureText::Null => {
                if text.nullable == Some(false) {
                    self.wrong(part, about, erasure.at, "the field is to be emptied, but `nullable: false` says that the source system refuses that".to_owned(), "write `erasure: redact` or `hash` instead");
                }
                FieldErasure::Null
            }
            FieldErasureText::Redact => FieldErasure::Redact,
            FieldErasureText::Hash => {
                if !matches!(
                    text.kind.map(ValueKind::from).unwrap_or_default(),
                    ValueKind::Text
                ) {
                    self.wrong(
                        part,
                        about,
                        erasure.at,
                        "only a field of type `text` can take a hash".to_owned(),
                        "write `erasure: redact` instead",
                    );
                }
                FieldErasure::Hash
            }
            FieldErasureText::Keep(reason) => FieldErasure::Keep(self.reason(part, about, reason)),
        }
    }

    fn collection_erasure(
        &mut self,
        part: &Part,
        key: &CollectionKey,
        text: Option<&CollectionErasureText>,
    ) -> CollectionErasure {
        match text {
            None | Some(CollectionErasureText::Delete) => CollectionErasure::Delete,
            Some(CollectionErasureText::Redact) => CollectionErasure::Redact,
            Some(CollectionErasureText::Keep(reason)) => {
                CollectionErasure::Keep(self.reason(part, key.as_ref(), reason))
            }
        }
    }

    fn retention(
        &mut self,
        part: &Part,
        key: &CollectionKey,
        text: &CollectionText,
        retention: &Located<RetentionText>,
    ) -> Option<RetentionRule> {
        let reason = self.reason(part, key.as_ref(), &retention.value.reason);
        let since = retention.value.since.as_ref();
        if let Some(since) = since {
            self.expect_field(part, key, text, since, "since");
            self.expect_date(part, key, text, since);
        }
        let Some(keep_for) = &retention.value.keep_for else {
            if let Some(since) = since {
                self.wrong(
                    part,
                    key.as_ref(),
                    since.at,
                    "`since` has no use without `keep_for`".to_owned(),
                    "add `keep_for: 7 years`, or remove `since` to keep every row",
                );
            }
            return Some(RetentionRule {
                keep_for: None,
                since: None,
                reason,
            });
        };
        if since.is_none() {
            self.wrong(
                part,
                key.as_ref(),
                retention.at,
                "`keep_for` needs `since`: the field from which the time counts".to_owned(),
                "add `since: FIELD`, a date of the row",
            );
        }
        let span = keep_for
            .value
            .parse::<jiff::Span>()
            .ok()
            .filter(|span| span.is_positive());
        if span.is_none() {
            self.wrong(
                part,
                key.as_ref(),
                keep_for.at,
                "this is not a length of time".to_owned(),
                "write it like `7 years`, `18 months` or `90 days`",
            );
        }
        Some(RetentionRule {
            keep_for: Some(span?),
            since: Some(since?.value.as_str().into()),
            reason,
        })
    }

    fn expect_date(
        &mut self,
        part: &Part,
        key: &CollectionKey,
        text: &CollectionText,
        since: &Located<String>,
    ) {
        let field = text
            .fields
            .0
            .iter()
            .find(|(name, _)| name.value == since.value);
        let kind =
            field.map(|(_, field)| field.value.kind.map(ValueKind::from).unwrap_or_default());
        if kind.is_some_and(|kind| {
            !matches!(
                kind,
                ValueKind::Date | ValueKind::Timestamp | ValueKind::Text
            )
        }) {
            let message = format!(
                "time can't be counted from `{}`: it isn't a date",
                since.value
            );
            self.wrong(
                part,
                key.as_ref(),
                since.at,
                message,
                "name a field of type `date` or `timestamp`",
            );
        }
    }

    fn reason(&mut self, part: &Part, about: &str, text: &ReasonText) -> KeepReason {
        if !self.reasons.contains(text.code.value.as_str()) {
            let near = nearest(&text.code.value, self.reasons.iter().copied());
            let message = format!("no reason for keeping data is called `{}`", text.code.value);
            self.wrong(
                part,
                about,
                text.code.at,
                message,
                did_you_mean(near, "see law/reasons.yaml for the codes"),
            );
        }
        KeepReason {
            code: text.code.value.clone(),
            explanation: text.explanation.clone(),
        }
    }

    fn expect_category(&mut self, part: &Part, about: &str, category: &Located<String>) {
        if self.categories.contains(category.value.as_str()) {
            return;
        }
        let near = nearest_category(&category.value, &self.categories);
        let message = format!("no data category is called `{}`", category.value);
        self.wrong(
            part,
            about,
            category.at,
            message,
            did_you_mean(near, "see law/categories.yaml for all of them"),
        );
    }

    fn field_reference(
        &mut self,
        part: &Part,
        about: &str,
        system: &SystemKey,
        name: &str,
        text: &FieldReferenceText,
    ) -> Option<Reference> {
        let Some((to, to_field)) = self.known.field(&text.to.value) else {
            self.nowhere(part, about, &text.to, true);
            return None;
        };
        let (dataset, collection) = to.split_once('.')?;
        let to = CollectionKey::new(dataset, collection);
        let enforced = text
            .enforced
            .unwrap_or_else(|| self.is_in(part, &to, system));
        Some(Reference {
            fields: vec![name.into()],
            to_fields: vec![to_field.into()],
            to,
            relation: text.relation.into(),
            enforced,
        })
    }

    fn reference(
        &mut self,
        part: &Part,
        key: &CollectionKey,
        system: &SystemKey,
        text: &CollectionText,
        reference: &Located<ReferenceText>,
    ) -> Option<Reference> {
        let ReferenceText {
            fields,
            to,
            to_fields,
            relation,
            enforced,
        } = &reference.value;
        fields
            .iter()
            .for_each(|field| self.expect_field(part, key, text, field, "fields"));
        if fields.len() != to_fields.value.len() || fields.is_empty() {
            let message = format!(
                "{} fields here refer to {} fields there",
                fields.len(),
                to_fields.value.len()
            );
            self.wrong(
                part,
                key.as_ref(),
                to_fields.at,
                message,
                "name as many in `to_fields` as in `fields`, in the same order",
            );
        }
        let Some(there) = self.known.collections.get(&to.value).cloned() else {
            self.nowhere(part, key.as_ref(), to, false);
            return None;
        };
        for field in to_fields
            .value
            .iter()
            .filter(|field| !there.contains(&field.value))
        {
            let path = format!("{}.{}", to.value, field.value);
            if !self.known.was_left_out(&path) {
                let near = nearest(&field.value, there.iter().map(String::as_str));
                self.wrong(
                    part,
                    key.as_ref(),
                    field.at,
                    format!("`{}` has no field `{}`", to.value, field.value),
                    did_you_mean(near, "add it there, or name another one"),
                );
            }
        }
        let (dataset, collection) = to.value.split_once('.')?;
        let to = CollectionKey::new(dataset, collection);
        let enforced = enforced.unwrap_or_else(|| self.is_in(part, &to, system));
        let names = |names: &[Located<String>]| {
            names
                .iter()
                .map(|name| name.value.as_str().into())
                .collect()
        };
        Some(Reference {
            fields: names(fields),
            to_fields: names(&to_fields.value),
            to,
            relation: (*relation).into(),
            enforced,
        })
    }

    /// Whether a collection lives in the system, as far as this file or those before it say.
    fn is_in(&self, part: &Part, key: &CollectionKey, system: &SystemKey) -> bool {
        let here = part
            .file
            .datasets
            .0
            .iter()
            .find(|(dataset, _)| dataset.value == key.dataset());
        let before = self
            .loaded
            .map
            .collections
            .get(key)
            .map(|collection| collection.system == *system);
        here.map(|(_, dataset)| dataset.value.system.value == system.as_ref())
            .or(before)
            .unwrap_or(false)
    }

    fn nowhere(&mut self, part: &Part, about: &str, to: &Located<String>, with_field: bool) {
        if self.known.was_left_out(&to.value) {
            return;
        }
        let paths: Vec<String> = match with_field {
            true => self
                .known
                .collections
                .iter()
                .flat_map(|(collection, fields)| {
                    fields
                        .iter()
                        .map(move |field| format!("{collection}.{field}"))
                })
                .collect(),
            false => self.known.collections.keys().cloned().collect(),
        };
        let form = if with_field {
            "write `dataset.collection.field` of a field that is in the data map"
        } else {
            "write `dataset.collection` of a collection that is in the data map"
        };
        let near = nearest(&to.value, paths.iter().map(String::as_str));
        self.wrong(
            part,
            about,
            to.at,
            format!(
                "the reference leads to `{}`, which is not in the data map",
                to.value
            ),
            did_you_mean(near, form),
        );
    }

    fn add_recipient(&mut self, part: &Part, key: &Located<String>, text: &RecipientText) {
        let about = format!("recipient {}", key.value);
        if !self.is_first(part, &about, key) {
            return;
        }
        text.categories
            .iter()
            .for_each(|category| self.expect_category(part, &about, category));
        if text.known_by.value.is_empty() {
            self.wrong(
                part,
                &about,
                text.known_by.at,
                "a recipient that knows subjects by nothing can't be told about one".to_owned(),
                "name identifiers, for instance `known_by: [email]`",
            );
        }
        let given = text.subjects_a_minute.as_ref();
        if let Some(none) = given.filter(|given| given.value == 0) {
            self.wrong(
                part,
                &about,
                none.at,
                "a recipient that may ask about 0 subjects a minute gets nothing at all".to_owned(),
                "write 1 or more, leave it out for 60000, or revoke its credentials",
            );
        }
        let node = part
            .tree
            .get("recipients")
            .and_then(|recipients| recipients.get(&key.value))
            .and_then(|recipient| recipient.get("channel"));
        let channel = match node.map(ChannelConfig::read) {
            Some(Ok(channel)) => channel,
            Some(Err(mistakes)) => {
                return self.findings.extend(
                    mistakes
                        .into_iter()
                        .map(|mistake| part.source.finding(&about, mistake)),
                );
            }
            None => return,
        };
        let recipient = recipient(key, text, &channel);
        self.loaded.channels.insert(recipient.key.clone(), channel);
        self.loaded
            .map
            .recipients
            .insert(recipient.key.clone(), recipient);
    }

    fn add_legal_hold(&mut self, part: &Part, hold: &Located<LegalHoldText>) {
        let text = &hold.value;
        let about = format!("legal hold {}", text.name);
        let reason = self.reason(part, &about, &text.reason);
        for covered in text
            .covers
            .iter()
            .filter(|covered| !self.known.collections.contains_key(&covered.value))
            .collect::<Vec<_>>()
        {
            let near = nearest(
                &covered.value,
                self.known.collections.keys().map(String::as_str),
            )
            .map(str::to_owned);
            let message = format!(
                "the legal hold covers `{}`, which is not in the data map",
                covered.value
            );
            self.wrong(
                part,
                &about,
                covered.at,
                message,
                did_you_mean(
                    near.as_deref(),
                    "write `dataset.collection` of a collection that is in the data map",
                ),
            );
        }
        let until = text
            .until
            .as_ref()
            .map(|until| (until, until.value.parse::<jiff::civil::Date>().ok()));
        if let Some((until, None)) = &until {
            self.wrong(
                part,
                &about,
                until.at,
                "this is not a date".to_owned(),
                "write it like `2027-01-31`",
            );
        }
        let covers = text
            .covers
            .iter()
            .filter_map(|covered| covered.value.split_once('.'))
            .map(|(dataset, collection)| CollectionKey::new(dataset, collection))
            .collect();
        self.loaded.map.legal_holds.push(LegalHold {
            name: text.name.clone(),
            reason,
            covers,
            until: until.and_then(|(_, date)| date),
        });
    }
}

fn recipient(key: &Located<String>, text: &RecipientText, channel: &ChannelConfig) -> Recipient {
    let reminders = text.reminders.as_ref().map(|reminders| ReminderRule {
        remind_after_days: reminders.remind_after_days.clone(),
        escalate_after_days: reminders.escalate_after_days,
    });
    Recipient {
        key: RecipientKey::from(key.value.as_str()),
        title: text.title.clone().unwrap_or_else(|| title_of(&key.value)),
        role: text.role.into(),
        contract_compliant: text.contract_compliant,
        categories: text
            .categories
            .iter()
            .map(|category| category.value.clone())
            .collect(),
        purpose: text.purpose.clone(),
        sold: text.sold,
        shared: text.shared,
        consideration: text.consideration.clone(),
        channel: channel.kind(),
        known_by: text
            .known_by
            .value
            .iter()
            .cloned()
            .map(IdentifierKind)
            .collect(),
        required_level: text
            .required_level
            .map_or(VerificationLevel::Attested, VerificationLevel::from),
        reminders: reminders.unwrap_or_default(),
        subjects_a_minute: text
            .subjects_a_minute
            .as_ref()
            .and_then(|given| NonZeroU32::new(given.value))
            .unwrap_or(Recipient::SUBJECTS_A_MINUTE),
    }
}

fn did_you_mean(near: Option<&str>, otherwise: &str) -> String {
    near.map_or_else(
        || otherwise.to_owned(),
        |near| format!("did you mean `{near}`? Otherwise {otherwise}"),
    )
}

/// The nearest category by spelling, or else one that ends alike: `contact.email` means `user.contact.email`.
fn nearest_category<'a>(wrong: &str, known: &BTreeSet<&'a str>) -> Option<&'a str> {
    let tail = wrong.rsplit('.').next().unwrap_or(wrong);
    let ends_alike = known.iter().copied().find(|category| {
        category.ends_with(&format!(".{wrong}")) || category.rsplit('.').next() == Some(tail)
    });
    nearest(wrong, known.iter().copied()).or(ends_alike)
}

/// `customer_address` and `CustomerAddress` read as `Customer address`.
fn title_of(key: &str) -> String {
    let words = super::describe::tokens(key).join(" ");
    let mut letters = words.chars();
    letters.next().map_or(words.clone(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
