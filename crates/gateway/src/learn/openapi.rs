//! A file of routes from an OpenAPI 3 document: each operation that answers JSON, with the attributes that its schema's names look like.
//!
//! A proposal, for a person to look at: what matches nothing is listed as withheld, and a route whose subject nobody can tell says so.

use std::fmt::Write as _;

use domain::profile::Schema;
use serde_json::Value;

use super::matching::{Matching, plain};
use super::member;

/// A schema inside of a schema, at most so often.
const DEEPEST: usize = 12;
const MOST_PLACES: usize = 2_000;

/// A document from which nothing can be learnt.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// It can't be read.
    #[error("this is neither JSON nor YAML; name an OpenAPI 3 document")]
    Unreadable,
    /// It describes nothing.
    #[error("there are no `paths` in this document; name an OpenAPI 3 document")]
    NoPaths,
}

/// Proposes a file of routes for the API that a document describes; `upstream` is where it is, when the document doesn't say.
///
/// # Errors
/// [`LearnError`] when it is no OpenAPI document.
pub fn from_openapi(
    document: &str,
    schema: &Schema,
    upstream: Option<&str>,
) -> Result<String, LearnError> {
    let document: Value = serde_saphyr::from_str(document).map_err(|_| LearnError::Unreadable)?;
    let paths = document.get("paths").and_then(Value::as_object);
    let paths = paths.ok_or(LearnError::NoPaths)?;
    let server = document
        .pointer("/servers/0/url")
        .and_then(Value::as_str)
        .filter(|url| url.contains("://"));
    let learning = Learning {
        document: &document,
        matching: Matching::new(schema),
        schema,
        origin: upstream
            .or(server)
            .unwrap_or("https://REPLACE-ME")
            .trim_end_matches('/')
            .to_owned(),
    };
    let mut text = "# A proposal: read every line. What no line names is withheld, and lines that begin with `#` are no part of a route.\nroutes:\n".to_owned();
    for (path, item) in paths {
        for method in ["get", "post", "put", "patch"] {
            if let Some(operation) = item.get(method) {
                learning.route(path, method, item, operation, &mut text);
            }
        }
    }
    Ok(text)
}

struct Learning<'d> {
    document: &'d Value,
    matching: Matching<'d>,
    schema: &'d Schema,
    origin: String,
}

/// A value that a schema describes.
struct Described {
    path: String,
    kind: String,
}

impl Learning<'_> {
    fn route(&self, path: &str, method: &str, item: &Value, operation: &Value, text: &mut String) {
        let answer = self.places(self.answer_of(operation));
        let body = self.places(self.content_of(operation.get("requestBody")));
        let key = operation
            .get("operationId")
            .and_then(Value::as_str)
            .map_or_else(|| format!("{method}_{path}"), str::to_owned);
        let key = slug(&key);
        // Writing to a string can't fail.
        let _ = write!(
            text,
            "  {key}:\n    path: {}\n    methods: [{}]\n    upstream: {}\n",
            quoted(path),
            method.to_uppercase(),
            quoted(&format!("{}{path}", self.origin))
        );
        let subject = self.subject(path, text);
        text.push_str("    answer:\n");
        self.body(&answer, !subject, text);
        if method != "get" {
            text.push_str("    body:\n");
            self.body(&body, !subject, text);
        }
        self.query(item, operation, text);
    }

    /// The parameter that finds the subject; whether one was found.
    fn subject(&self, path: &str, text: &mut String) -> bool {
        let parameters = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        for name in parameters {
            let kinds = self
                .schema
                .attributes()
                .filter_map(|rule| rule.identifier.as_ref());
            let found = kinds
                .map(|identifier| identifier.kind.0.as_str())
                .find(|kind| {
                    let (kind, name) = (plain(kind), plain(name));
                    kind == name
                        || self.matching.attribute(&format!("$.{name}")).map(plain) == Some(kind)
                });
            if let Some(kind) = found {
                let _ = writeln!(
                    text,
                    "    subject: {{ parameter: {name}, identifier: {kind} }}"
                );
                return true;
            }
        }
        let first = path
            .split('/')
            .find_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let _ = match first {
            Some(name) => writeln!(
                text,
                "    # Whose data is it? Name the identifier that this parameter is, or remove the line.\n    # subject: {{ parameter: {name}, identifier: ... }}"
            ),
            None => writeln!(
                text,
                "    # Whose data is it? Name under `answer: subjects` the objects about a subject each, and her key in them."
            ),
        };
        false
    }

    fn body(&self, places: &[Described], asks_for_subjects: bool, text: &mut String) {
        let (known, unknown): (Vec<_>, Vec<_>) = places
            .iter()
            .map(|place| (place, self.matching.attribute(&place.path)))
            .partition(|(_, attribute)| attribute.is_some());
        if asks_for_subjects && let Some(list) = first_list(places) {
            let _ = writeln!(
                text,
                "      # subjects: {{ {}: {} }}",
                quoted(&list),
                quoted(&format!("{list}.id"))
            );
        }
        text.push_str(if known.is_empty() {
            "      attributes: {}\n"
        } else {
            "      attributes:\n"
        });
        for (place, attribute) in known {
            let _ = writeln!(
                text,
                "        {}: {}",
                quoted(&place.path),
                attribute.unwrap_or_default()
            );
        }
        if !unknown.is_empty() {
            text.push_str(
                "      # withheld, for nothing in the schema of attributes looks like it:\n",
            );
        }
        for (place, _) in unknown {
            let _ = writeln!(text, "      #   {} ({})", place.path, place.kind);
        }
    }

    fn query(&self, item: &Value, operation: &Value, text: &mut String) {
        let lists = [item.get("parameters"), operation.get("parameters")];
        let parameters = lists
            .into_iter()
            .flatten()
            .filter_map(Value::as_array)
            .flatten();
        let (mut passed, mut filter) = (Vec::new(), Vec::new());
        for parameter in parameters {
            let parameter = self.resolved(parameter);
            let is_query = parameter.get("in").and_then(Value::as_str) == Some("query");
            let Some(name) = parameter
                .get("name")
                .and_then(Value::as_str)
                .filter(|_| is_query)
            else {
                continue;
            };
            match self.matching.attribute(&format!("$.{name}")) {
                Some(attribute) => filter.push(format!("{}: {attribute}", quoted(name))),
                None => passed.push(name),
            }
        }
        if passed.is_empty() && filter.is_empty() {
            return;
        }
        text.push_str("    query:\n");
        if !filter.is_empty() {
            let _ = writeln!(text, "      filter: {{ {} }}", filter.join(", "));
        }
        if !passed.is_empty() {
            let names: Vec<String> = passed.iter().map(|name| quoted(name)).collect();
            let _ = writeln!(
                text,
                "      # Refused until somebody says that they tell nothing about a subject:\n      # passed: [{}]",
                names.join(", ")
            );
        }
    }

    fn answer_of<'v>(&'v self, operation: &'v Value) -> Option<&'v Value> {
        let responses = operation.get("responses")?.as_object()?;
        let good = responses.iter().find(|(status, _)| status.starts_with('2'));
        let good = good
            .map(|(_, response)| response)
            .or_else(|| responses.get("default"))?;
        self.content_of(Some(good))
    }

    fn content_of<'v>(&'v self, holder: Option<&'v Value>) -> Option<&'v Value> {
        let content = self.resolved(holder?).get("content")?.as_object()?;
        let json = content.iter().find(|(kind, _)| {
            crate::body::is_json(kind.split(';').next().unwrap_or_default().trim())
        });
        json?.1.get("schema")
    }

    fn places(&self, schema: Option<&Value>) -> Vec<Described> {
        let mut places = Vec::new();
        if let Some(schema) = schema {
            self.describe("$", schema, DEEPEST, &mut places);
        }
        places
    }

    fn describe(&self, path: &str, schema: &Value, depth: usize, places: &mut Vec<Described>) {
        if depth == 0 || places.len() >= MOST_PLACES {
            return;
        }
        let schema = self.resolved(schema);
        for all in ["allOf", "anyOf", "oneOf"] {
            for part in schema
                .get(all)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                self.describe(path, part, depth - 1, places);
            }
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, inner) in properties {
                self.describe(&member(path, name), inner, depth - 1, places);
            }
        } else if let Some(items) = schema.get("items") {
            self.describe(&format!("{path}[*]"), items, depth - 1, places);
        } else if let Some(kind) = kind(schema)
            && !places.iter().any(|known| known.path == path)
        {
            places.push(Described {
                path: path.to_owned(),
                kind,
            });
        }
    }

    /// What a reference points to, inside of the document.
    fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        let mut value = value;
        for _ in 0..DEEPEST {
            let Some(pointer) = value.get("$ref").and_then(Value::as_str) else {
                break;
            };
            let target = pointer
                .strip_prefix('#')
                .and_then(|at| self.document.pointer(at));
            let Some(target) = target else { break };
            value = target;
        }
        value
    }
}

fn kind(schema: &Value) -> Option<String> {
    let kind = schema.get("type")?;
    let kind = kind.as_str().or_else(|| kind.get(0)?.as_str())?;
    Some(
        schema
            .get("format")
            .and_then(Value::as_str)
            .unwrap_or(kind)
            .to_owned(),
    )
}

/// The element of the outermost list.
fn first_list(places: &[Described]) -> Option<String> {
    let lists = places.iter().filter_map(|place| {
        let at = place.path.find("[*]")?;
        place.path.get(..at + 3)
    });
    lists.min_by_key(|list| list.len()).map(str::to_owned)
}

fn slug(text: &str) -> String {
    let letters = text.chars().map(|letter| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '_'
        }
    });
    let slug: String = letters.collect();
    slug.split('_')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("_")
}

/// As YAML reads it back whatever is in it: JSON's texts are YAML's.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
