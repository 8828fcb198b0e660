//! Reads Fideslang's dataset and system files and writes them as a data map; what has no counterpart is told.
//!
//! Source: Fideslang's dataset and system resources, and `fides_meta` as Fides reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::describe::scalar;
use super::finding::{Finding, Findings, MAP_SECRETS, SourceText};
use super::read::Mistake;
use super::tree::{self, Node, Span, Value};

/// What became of Fideslang files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The data map.
    pub yaml: String,
    /// What has no counterpart, and what a person should look at.
    pub remarks: Vec<String>,
}

/// Writes a Fideslang file as a data map. `name` is the file's name for error messages.
///
/// # Errors
/// The text is no YAML, or holds neither datasets nor systems.
pub fn import_fides(name: &str, text: &str) -> Result<Imported, Findings> {
    let mut source = SourceText::new(name.to_owned(), text.to_owned());
    let wrong = |source: &SourceText, at: Span, message: &str, what_to_do: &str| -> Findings {
        let mistake = Mistake {
            at,
            message: message.to_owned(),
            what_to_do: what_to_do.to_owned(),
        };
        Findings(vec![source.finding("", mistake) as Finding])
    };
    let tree = tree::parse(text)
        .map_err(|error| wrong(&source, error.at, &error.message, "correct the line"))?;
    source.learn_secrets(&tree, &MAP_SECRETS);
    let mut import = Import::default();
    let datasets = items(tree.get("dataset"));
    let systems = items(tree.get("system"));
    if datasets.is_empty() && systems.is_empty() {
        return Err(wrong(
            &source,
            tree.at,
            "this file holds neither `dataset` nor `system`",
            "name a Fideslang file with a list under one of them",
        ));
    }
    import.no_counterpart("the file", &tree, &["dataset", "system"]);
    systems.iter().for_each(|system| import.system(system));
    datasets.iter().for_each(|dataset| import.dataset(dataset));
    import.turn_references();
    Ok(Imported {
        yaml: import.write(),
        remarks: import.remarks,
    })
}

#[derive(Default)]
struct Import {
    datasets: Vec<Dataset>,
    remarks: Vec<String>,
    /// References that have to stand at their other end: (dataset.collection, field) there → here.
    turned: Vec<((String, String), String)>,
}

struct Dataset {
    key: String,
    title: Option<String>,
    schema: Option<String>,
    collections: Vec<Collection>,
}

struct Collection {
    name: String,
    title: Option<String>,
    fields: Vec<Field>,
}

#[derive(Default)]
struct Field {
    name: String,
    title: Option<String>,
    category: Option<String>,
    kind: Option<&'static str>,
    identity: Option<String>,
    max_length: Option<String>,
    is_key: bool,
    erasure: Option<&'static str>,
    references: Vec<(String, &'static str)>,
}

fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

fn word(node: Option<&Node>) -> Option<String> {
    match &node?.value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Boolean(false) => true,
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        Value::Text(text) => text.is_empty(),
        _ => false,
    }
}

impl Import {
    fn no_counterpart(&mut self, place: &str, node: &Node, known: &[&str]) {
        let left: Vec<&str> = node
            .entries()
            .iter()
            .filter(|(key, value)| !known.contains(&key.text.as_str()) && !is_empty(value))
            .map(|(key, _)| key.text.as_str())
            .collect();
        if !left.is_empty() {
            self.remarks.push(format!(
                "{place}: {} has no counterpart and was left out",
                left.iter()
                    .map(|key| format!("`{key}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
    }

    /// Fideslang's systems are applications that use data; ours are where data lives.
    fn system(&mut self, node: &Node) {
        let key = word(node.get("fides_key")).unwrap_or_default();
        for declaration in items(node.get("privacy_declarations")) {
            let purpose = word(declaration.get("name"))
                .or_else(|| word(declaration.get("data_use")))
                .unwrap_or_default();
            self.remarks.push(format!("system `{key}`: the declaration `{purpose}` was left out; if that system gets data from you, write it as a recipient with this purpose"));
        }
        if items(node.get("privacy_declarations")).is_empty() {
            self.remarks.push(format!("system `{key}` was left out: it is an application that uses data; if it gets data from you, write it as a recipient"));
        }
        self.no_counterpart(
            &format!("system `{key}`"),
            node,
            &[
                "fides_key",
                "name",
                "description",
                "privacy_declarations",
                "organization_fides_key",
            ],
        );
    }

    fn dataset(&mut self, node: &Node) {
        let key = word(node.get("fides_key"))
            .unwrap_or_else(|| "dataset".to_owned())
            .replace('.', "_");
        let place = format!("dataset `{key}`");
        let namespace = node
            .get("fides_meta")
            .and_then(|meta| meta.get("namespace"));
        let schema = namespace.and_then(|namespace| {
            word(namespace.get("schema")).or_else(|| word(namespace.get("dataset_id")))
        });
        let inherited = items(node.get("data_categories"));
        let collections = items(node.get("collections"))
            .iter()
            .map(|collection| self.collection(&key, collection, inherited))
            .collect();
        self.no_counterpart(
            &place,
            node,
            &[
                "fides_key",
                "name",
                "description",
                "collections",
                "organization_fides_key",
                "data_categories",
                "fides_meta",
            ],
        );
        if let Some(meta) = node.get("fides_meta") {
            self.no_counterpart(&place, meta, &["namespace"]);
        }
        self.datasets.push(Dataset {
            title: word(node.get("name")),
            key,
            schema,
            collections,
        });
    }

    fn collection(&mut self, dataset: &str, node: &Node, inherited: &[Node]) -> Collection {
        let name = word(node.get("name")).unwrap_or_default();
        let place = format!("{dataset}.{name}");
        let own = items(node.get("data_categories"));
        let inherited = if own.is_empty() { inherited } else { own };
        let mut fields = Vec::new();
        for field in items(node.get("fields")) {
            self.field(&place, "", field, inherited, &mut fields);
        }
        self.no_counterpart(
            &format!("collection `{place}`"),
            node,
            &[
                "name",
                "description",
                "data_categories",
                "fields",
                "fides_meta",
                "fidesops_meta",
            ],
        );
        if let Some(meta) = meta(node) {
            self.no_counterpart(&format!("collection `{place}`"), meta, &[]);
        }
        Collection {
            name,
            title: word(node.get("description")),
            fields,
        }
    }

    /// A field, or for an object its fields, with names joined by points.
    fn field(
        &mut self,
        collection: &str,
        prefix: &str,
        node: &Node,
        inherited: &[Node],
        fields: &mut Vec<Field>,
    ) {
        let name = format!("{prefix}{}", word(node.get("name")).unwrap_or_default());
        let place = format!("field `{collection}.{name}`");
        self.no_counterpart(
            &place,
            node,
            &[
                "name",
                "description",
                "data_categories",
                "fields",
                "fides_meta",
                "fidesops_meta",
            ],
        );
        let below = items(node.get("fields"));
        let own = items(node.get("data_categories"));
        let categories = if own.is_empty() { inherited } else { own };
        if !below.is_empty() {
            return below.iter().for_each(|field| {
                self.field(collection, &format!("{name}."), field, categories, fields)
            });
        }
        if categories.len() > 1 {
            let others: Vec<String> = categories
                .iter()
                .skip(1)
                .filter_map(|category| word(Some(category)))
                .collect();
            self.remarks.push(format!(
                "{place}: only the first of its categories was taken, not {}",
                others.join(", ")
            ));
        }
        let mut field = Field {
            title: word(node.get("description")),
            category: word(categories.first()),
            name,
            ..Field::default()
        };
        if let Some(meta) = meta(node) {
            self.meta(collection, &place, meta, &mut field);
        }
        fields.push(field);
    }

    fn meta(&mut self, collection: &str, place: &str, meta: &Node, field: &mut Field) {
        field.is_key = matches!(
            meta.get("primary_key").map(|node| &node.value),
            Some(Value::Boolean(true))
        );
        field.identity = word(meta.get("identity")).map(|identity| {
            if identity == "phone_number" {
                "phone".to_owned()
            } else {
                identity
            }
        });
        field.max_length = word(meta.get("length"));
        if let Some(data_type) = word(meta.get("data_type")) {
            field.kind = kind(&data_type);
            if field.kind.is_none() {
                self.remarks.push(format!(
                    "{place}: the data type `{data_type}` is not known here; look at its `type`"
                ));
            }
        }
        if let Some(strategy) = meta
            .get("masking_strategy_override")
            .and_then(|node| word(node.get("strategy")))
        {
            field.erasure = masking(&strategy);
            if field.erasure.is_none() {
                self.remarks.push(format!("{place}: the masking strategy `{strategy}` has no counterpart; choose an `erasure`"));
            }
        }
        for reference in items(meta.get("references")) {
            self.reference(collection, place, reference, field);
        }
        self.no_counterpart(
            place,
            meta,
            &[
                "primary_key",
                "identity",
                "length",
                "data_type",
                "references",
                "masking_strategy_override",
            ],
        );
    }

    /// In Fides `from` means that values come from there to here, `to` the other way, and neither both ways.
    fn reference(&mut self, collection: &str, place: &str, reference: &Node, field: &mut Field) {
        let dataset = word(reference.get("dataset"))
            .unwrap_or_default()
            .replace('.', "_");
        let Some(path) = word(reference.get("field")) else {
            return self
                .remarks
                .push(format!("{place}: a reference without `field` was left out"));
        };
        let to = format!("{dataset}.{path}");
        match word(reference.get("direction")).as_deref() {
            Some("from") => field.references.push((to, "owned_by")),
            // From a key to whoever points at it: in a data map that stands at the one that points.
            Some("to") if field.is_key => {
                let (there, name) = path.split_once('.').unwrap_or((path.as_str(), ""));
                self.turned.push((
                    (format!("{dataset}.{there}"), name.to_owned()),
                    format!("{collection}.{}", field.name),
                ));
            }
            Some("to") => field.references.push((to, "detail")),
            _ => field.references.push((to, "same_subject")),
        }
    }

    fn turn_references(&mut self) {
        for ((collection, name), to) in std::mem::take(&mut self.turned) {
            let field = self.datasets.iter_mut().flat_map(|dataset| {
                dataset
                    .collections
                    .iter_mut()
                    .map(|own| (format!("{}.{}", dataset.key, own.name), own))
                    .collect::<Vec<_>>()
            });
            let field = field
                .filter(|(key, _)| *key == collection)
                .flat_map(|(_, own)| own.fields.iter_mut())
                .find(|field| field.name == name);
            match field {
                Some(field) if field.references.iter().any(|(known, _)| *known == to) => {}
                Some(field) => field.references.push((to, "owned_by")),
                None => self.remarks.push(format!("the reference from `{to}` to `{collection}.{name}` was left out: that field is not in this file")),
            }
        }
    }

    /// All fields of this import; references that lead out of it are commented out, or nothing could be read.
    fn has_field(&self, path: &str) -> bool {
        self.datasets.iter().any(|dataset| {
            dataset.collections.iter().any(|collection| {
                collection.fields.iter().any(|field| {
                    path == format!("{}.{}.{}", dataset.key, collection.name, field.name)
                })
            })
        })
    }

    fn write(&self) -> String {
        let mut text = "# From Fideslang. Complete the connections, and look at the relations: owned_by (this row is the other's),\n# same_subject, detail (the other is this row's), link (never followed).\n".to_owned();
        let titled: BTreeMap<&str, Option<&str>> = self
            .datasets
            .iter()
            .map(|dataset| (dataset.key.as_str(), dataset.title.as_deref()))
            .collect();
        text.push_str(if titled.is_empty() {
            "systems: {}\n"
        } else {
            "systems:\n"
        });
        for (key, title) in titled {
            let title = title
                .map(|title| format!("title: {}, ", scalar(title)))
                .unwrap_or_default();
            let variable = key
                .to_uppercase()
                .replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
            let _ = writeln!(
                text,
                "  {}: {{{title}connection: {{kind: postgres, url: \"${{{variable}_DATABASE_URL}}\"}}}}",
                scalar(key)
            );
        }
        text.push_str(if self.datasets.is_empty() {
            "\ndatasets: {}\n"
        } else {
            "\ndatasets:\n"
        });
        self.datasets
            .iter()
            .for_each(|dataset| self.write_dataset(&mut text, dataset));
        text
    }

    fn write_dataset(&self, text: &mut String, dataset: &Dataset) {
        let _ = writeln!(
            text,
            "  {}:\n    system: {}",
            scalar(&dataset.key),
            scalar(&dataset.key)
        );
        if let Some(schema) = &dataset.schema {
            let _ = writeln!(text, "    schema: {}", scalar(schema));
        }
        text.push_str(if dataset.collections.is_empty() {
            "    collections: {}\n"
        } else {
            "    collections:\n"
        });
        for collection in &dataset.collections {
            let _ = writeln!(text, "      {}:", scalar(&collection.name));
            if let Some(title) = &collection.title {
                let _ = writeln!(text, "        title: {}", scalar(title));
            }
            let key: Vec<String> = collection
                .fields
                .iter()
                .filter(|field| field.is_key)
                .map(|field| scalar(&field.name))
                .collect();
            if !key.is_empty() {
                let _ = writeln!(text, "        primary_key: [{}]", key.join(", "));
            }
            text.push_str(if collection.fields.is_empty() {
                "        fields: {}\n"
            } else {
                "        fields:\n"
            });
            collection
                .fields
                .iter()
                .for_each(|field| self.write_field(text, field));
            self.write_references(text, collection);
        }
    }

    fn write_field(&self, text: &mut String, field: &Field) {
        let mut parts = Vec::new();
        parts.extend(
            field
                .title
                .as_deref()
                .map(|title| format!("title: {}", scalar(title))),
        );
        parts.extend(
            field
                .category
                .as_deref()
                .map(|category| format!("category: {}", scalar(category))),
        );
        parts.extend(field.kind.map(|kind| format!("type: {kind}")));
        parts.extend(
            field
                .identity
                .as_deref()
                .map(|identity| format!("identity: {}", scalar(identity))),
        );
        parts.extend(
            field
                .max_length
                .as_deref()
                .map(|length| format!("max_length: {length}")),
        );
        parts.extend(field.erasure.map(|erasure| format!("erasure: {erasure}")));
        let missing = if field.category.is_none() {
            " # look: no category"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "          {}: {{{}}}{missing}",
            scalar(&field.name),
            parts.join(", ")
        );
    }

    fn write_references(&self, text: &mut String, collection: &Collection) {
        let all = || {
            collection.fields.iter().flat_map(|field| {
                field
                    .references
                    .iter()
                    .map(move |reference| (field, reference))
            })
        };
        let is_any_here = all().any(|(_, (to, _))| self.has_field(to));
        if is_any_here {
            text.push_str("        references:\n");
        }
        for (field, (to, relation)) in all() {
            let mut parts = to.splitn(3, '.');
            let (dataset, there, name) = (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            );
            let line = format!(
                "- {{fields: [{}], to: {}, to_fields: [{}], relation: {relation}}}",
                scalar(&field.name),
                scalar(&format!("{dataset}.{there}")),
                scalar(name)
            );
            let hidden = if self.has_field(to) {
                ""
            } else {
                "# look: not in this file: "
            };
            let _ = writeln!(text, "          {hidden}{line}");
        }
    }
}

fn meta(node: &Node) -> Option<&Node> {
    node.get("fides_meta").or_else(|| node.get("fidesops_meta"))
}

fn kind(data_type: &str) -> Option<&'static str> {
    match data_type {
        "string" | "object_id" => Some("text"),
        "integer" => Some("integer"),
        "float" => Some("decimal"),
        "boolean" => Some("boolean"),
        "object" => Some("json"),
        list if list.ends_with("[]") => Some("json"),
        _ => None,
    }
}

fn masking(strategy: &str) -> Option<&'static str> {
    match strategy {
        "null_rewrite" => Some("\"null\""),
        "string_rewrite" | "random_string_rewrite" => Some("redact"),
        "hash" | "hmac" => Some("hash"),
        _ => None,
    }
}
