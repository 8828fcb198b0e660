//! What an HTTP service's items look like: from its OpenAPI document, or from a sample of them.

use std::collections::BTreeMap;

use domain::data_map::ValueKind;
use domain::sensitive::Sensitive;
use serde_json::Value;

use super::HttpConnector;
use super::config::{CollectionConfig, DescribeConfig};
use crate::connector::{ConnectorError, DescribedCollection, DescribedField, Description};

/// Values kept of a field to guess its category by.
const MOST_SAMPLES: usize = 20;

/// Deeper objects are described as one JSON field.
const DEEPEST: usize = 4;

impl HttpConnector {
    pub(super) async fn describe_all(&self) -> Result<Description, ConnectorError> {
        let mut collections = Vec::new();
        for (name, config) in &self.config.collections {
            let (mut fields, rows) = self.describe_fields(config).await?;
            if !self.with_samples {
                fields.values_mut().for_each(|seen| seen.samples.clear());
            }
            collections.push(DescribedCollection {
                schema: None,
                table: name.clone(),
                fields: fields
                    .into_iter()
                    .map(|(name, seen)| described(config, name, seen))
                    .collect(),
                primary_key: vec![config.id.clone()],
                references: Vec::new(),
                rows,
            });
        }
        Ok(Description { collections })
    }

    async fn describe_fields(
        &self,
        config: &CollectionConfig,
    ) -> Result<(BTreeMap<String, Seen>, u64), ConnectorError> {
        let mut fields = BTreeMap::new();
        let mut rows = 0;
        match &config.describe {
            Some(DescribeConfig::Openapi { path, schema }) => {
                let document = self.successful(path).await?;
                let Some(root) = document.expose().0.pointer(schema) else {
                    return Err(self
                        .service
                        .failed("describing", &format!("`{path}` has nothing at `{schema}`")));
                };
                read_schema(&document.expose().0, root, "", 0, true, &mut fields);
            }
            Some(DescribeConfig::Sample { path, items }) => {
                let answer = self.successful(path).await?;
                let Some(list) = answer.expose().0.pointer(items).and_then(Value::as_array) else {
                    return Err(self.service.failed(
                        "describing",
                        &format!("the sample has no list at `{items}`"),
                    ));
                };
                list.iter()
                    .for_each(|item| read_item(item, "", 0, &mut fields));
                rows = u64::try_from(list.len()).unwrap_or(u64::MAX);
                let everywhere = list.len();
                fields
                    .values_mut()
                    .for_each(|seen| seen.nullable |= seen.times < everywhere);
            }
            None => {}
        }
        // What the declaration itself names is there in any case.
        for name in std::iter::once(&config.id).chain(config.list.iter().flat_map(|list| &list.by))
        {
            fields.entry(name.clone()).or_default();
        }
        Ok((fields, rows))
    }

    async fn successful(
        &self,
        path: &str,
    ) -> Result<Sensitive<domain::row::JsonValue>, ConnectorError> {
        let answer = self.service.get(path).await?;
        match answer.status {
            200..=299 => Ok(answer.body),
            status => Err(self.service.failed(
                "describing",
                &format!(
                    "`GET {}` answered {status}",
                    path.split('?').next().unwrap_or_default()
                ),
            )),
        }
    }

    pub(super) async fn check_reachable(&self) -> Result<String, ConnectorError> {
        let sample = self
            .config
            .collections
            .values()
            .find_map(|config| match &config.describe {
                Some(
                    DescribeConfig::Sample { path, .. } | DescribeConfig::Openapi { path, .. },
                ) => Some(path.as_str()),
                None => None,
            });
        let path = self.config.check.as_deref().or(sample).unwrap_or("/");
        let answer = self.service.get(path).await?;
        let origin = self.service.origin();
        match answer.status {
            200..=299 => Ok(format!("{origin} answers and takes our credentials")),
            status if self.config.check.is_none() && sample.is_none() => Ok(format!(
                "{origin} answers ({status}); set `check` to a path that only takes our credentials"
            )),
            status => Err(self.service.failed(
                "checking",
                &format!(
                    "`GET {}` answered {status}",
                    path.split('?').next().unwrap_or_default()
                ),
            )),
        }
    }
}

/// What has been seen of one field.
#[derive(Default)]
struct Seen {
    kind: Option<ValueKind>,
    declared: Option<String>,
    nullable: bool,
    times: usize,
    max_length: Option<u32>,
    samples: Vec<Sensitive<String>>,
}

fn described(config: &CollectionConfig, name: String, seen: Seen) -> DescribedField {
    let is_id = name == config.id;
    let kind = seen.kind.unwrap_or_default();
    DescribedField {
        declared_type: seen.declared.unwrap_or_else(|| json_type(kind).to_owned()),
        kind,
        nullable: seen.nullable && !is_id,
        unique: is_id,
        indexed: is_id || config.list.iter().any(|list| list.by.contains(&name)),
        max_length: seen.max_length,
        samples: seen.samples,
        name,
    }
}

const fn json_type(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Integer => "integer",
        ValueKind::Decimal => "number",
        ValueKind::Boolean => "boolean",
        ValueKind::Json => "object",
        _ => "string",
    }
}

fn read_item(item: &Value, prefix: &str, depth: usize, fields: &mut BTreeMap<String, Seen>) {
    let Value::Object(members) = item else { return };
    for (name, value) in members {
        let path = format!("{prefix}{name}");
        if value.is_object() && depth < DEEPEST {
            read_item(value, &format!("{path}."), depth + 1, fields);
            continue;
        }
        let seen = fields.entry(path).or_default();
        seen.times += 1;
        if value.is_null() {
            seen.nullable = true;
            continue;
        }
        seen.kind = Some(
            seen.kind
                .map_or_else(|| kind_of(value), |kind| common(kind, kind_of(value))),
        );
        if let (Value::String(_) | Value::Number(_), true) =
            (value, seen.samples.len() < MOST_SAMPLES)
        {
            seen.samples.push(Sensitive::new(
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
            ));
        }
    }
}

fn kind_of(value: &Value) -> ValueKind {
    match value {
        Value::Bool(_) => ValueKind::Boolean,
        Value::Number(number) if number.is_f64() => ValueKind::Decimal,
        Value::Number(_) => ValueKind::Integer,
        Value::Array(_) | Value::Object(_) => ValueKind::Json,
        Value::Null => ValueKind::Text,
        Value::String(text) if text.len() == 36 && uuid::Uuid::try_parse(text).is_ok() => {
            ValueKind::Uuid
        }
        Value::String(text) if text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok() => {
            ValueKind::Date
        }
        Value::String(text)
            if text.len() > 10
                && (text.parse::<jiff::Timestamp>().is_ok()
                    || text.parse::<jiff::civil::DateTime>().is_ok()) =>
        {
            ValueKind::Timestamp
        }
        Value::String(_) => ValueKind::Text,
    }
}

/// The kind that holds values of both.
const fn common(a: ValueKind, b: ValueKind) -> ValueKind {
    use ValueKind::{Boolean, Date, Decimal, Integer, Json, Text, Timestamp, Uuid};
    match (a, b) {
        (Integer, Integer) => Integer,
        (Integer | Decimal, Integer | Decimal) => Decimal,
        (Boolean, Boolean) => Boolean,
        (Date, Date) => Date,
        (Timestamp, Timestamp) => Timestamp,
        (Uuid, Uuid) => Uuid,
        (Json, Json) => Json,
        _ => Text,
    }
}

/// Reads a JSON Schema's properties; `$ref` within the document and `allOf` are followed.
fn read_schema(
    document: &Value,
    schema: &Value,
    prefix: &str,
    depth: usize,
    required: bool,
    fields: &mut BTreeMap<String, Seen>,
) {
    let schema = resolved(document, schema);
    for part in schema
        .get("allOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|_| depth < DEEPEST)
    {
        read_schema(document, part, prefix, depth + 1, required, fields);
    }
    let always: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, property) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let property = resolved(document, property);
        let path = format!("{prefix}{name}");
        let required = required && always.contains(&name.as_str());
        if property.get("properties").is_some() && depth < DEEPEST {
            read_schema(
                document,
                property,
                &format!("{path}."),
                depth + 1,
                required,
                fields,
            );
            continue;
        }
        fields.insert(path, declared(property, required));
    }
}

fn declared(property: &Value, required: bool) -> Seen {
    // OpenAPI 3.1 says `type: [string, null]`, 3.0 says `nullable: true`.
    let types: Vec<&str> = match property.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => Vec::new(),
    };
    let nullable = types.contains(&"null")
        || property
            .get("nullable")
            .and_then(Value::as_bool)
            .unwrap_or(false);
    let declared = types
        .into_iter()
        .find(|name| *name != "null")
        .unwrap_or("string");
    let format = property.get("format").and_then(Value::as_str);
    let kind = match (declared, format) {
        ("integer", _) => ValueKind::Integer,
        ("number", _) => ValueKind::Decimal,
        ("boolean", _) => ValueKind::Boolean,
        ("object" | "array", _) => ValueKind::Json,
        (_, Some("uuid")) => ValueKind::Uuid,
        (_, Some("date")) => ValueKind::Date,
        (_, Some("date-time")) => ValueKind::Timestamp,
        (_, Some("byte" | "binary")) => ValueKind::Bytes,
        _ => ValueKind::Text,
    };
    let max_length = property
        .get("maxLength")
        .and_then(Value::as_u64)
        .and_then(|length| u32::try_from(length).ok());
    let declared = format.map_or_else(
        || declared.to_owned(),
        |format| format!("{declared} ({format})"),
    );
    Seen {
        kind: Some(kind),
        declared: Some(declared),
        nullable: nullable || !required,
        max_length,
        ..Seen::default()
    }
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..8 {
        let target = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.strip_prefix('#'))
            .and_then(|pointer| document.pointer(pointer));
        let Some(target) = target else { break };
        schema = target;
    }
    schema
}
