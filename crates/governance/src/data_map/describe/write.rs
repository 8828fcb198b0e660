//! Writes a draft as YAML, one line a column, with a comment wherever a person should look.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use connectors::{DescribedField, DescribedReference};
use domain::data_map::{Relation, SystemKey, SystemKind, ValueKind};

use super::category::About;
use super::relation::Decision;
use super::{DescribedSystem, Draft, Drafted};

/// Below this a person should look.
const SURE: f64 = 0.7;

pub(super) fn write(draft: &Draft<'_>, system: &DescribedSystem) -> String {
    let mut text = head(draft, system);
    let mut by_schema: BTreeMap<Option<&str>, Vec<&Drafted<'_>>> = BTreeMap::new();
    for drafted in &draft.collections {
        by_schema
            .entry(drafted.described.schema.as_deref())
            .or_default()
            .push(drafted);
    }
    text.push_str("\ndatasets:\n");
    if by_schema.is_empty() {
        text.push_str("  {}\n");
    }
    for (schema, collections) in by_schema {
        let _ = writeln!(
            text,
            "  {}:\n    system: {}",
            scalar(&dataset(&system.key, schema)),
            scalar(system.key.as_ref())
        );
        if let Some(schema) = schema {
            let _ = writeln!(text, "    schema: {}", scalar(schema));
        }
        text.push_str("    collections:\n");
        for drafted in collections {
            collection(&mut text, draft, drafted, &system.key);
        }
    }
    text
}

fn head(draft: &Draft<'_>, system: &DescribedSystem) -> String {
    let doubts = draft.collections.iter().map(Drafted::doubts).sum::<usize>();
    let connection = match system.kind {
        SystemKind::Sqlite => format!(
            "{{kind: sqlite, path: {}}}",
            scalar(&system.reached_by.replace('$', "$$"))
        ),
        SystemKind::Mysql => format!("{{kind: mysql, url: \"${{{}}}\"}}", system.reached_by),
        _ => format!("{{kind: postgres, url: \"${{{}}}\"}}", system.reached_by),
    };
    let tables = draft.collections.len();
    format!(
        "# A first draft, made by `privity data-map describe` from the live schema: {tables} collections.\n\
         # Categories and relations are suggestions. Look at the {doubts} places marked `look:` first, then remove `confidence`.\n\
         # relation: owned_by (this row is the other's), same_subject, detail (the other is this row's), link (never followed).\n\
         systems:\n  {key}:\n    connection: {connection}\n",
        key = scalar(system.key.as_ref()),
    )
}

/// Each schema is a dataset of its own; the connection's default schema has the system's name.
fn dataset(system: &SystemKey, schema: Option<&str>) -> String {
    let name = schema.map_or_else(|| system.to_string(), |schema| format!("{system}_{schema}"));
    name.replace('.', "_")
}

fn collection(text: &mut String, draft: &Draft<'_>, drafted: &Drafted<'_>, system: &SystemKey) {
    let described = drafted.described;
    let _ = writeln!(text, "      {}:", scalar(&described.table));
    if !described.primary_key.is_empty() {
        let key: Vec<String> = described
            .primary_key
            .iter()
            .map(|name| scalar(name))
            .collect();
        let _ = writeln!(text, "        primary_key: [{}]", key.join(", "));
    }
    if drafted.about == About::Organizations && drafted.identities.iter().any(Option::is_some) {
        text.push_str("        erasure: redact # look: an organisation's row stays when a person's address in it is forgotten\n");
    }
    text.push_str(if described.fields.is_empty() {
        "        fields: {}\n"
    } else {
        "        fields:\n"
    });
    for (number, described) in described.fields.iter().enumerate() {
        let single = drafted.single_reference(described);
        field(
            text,
            drafted,
            number,
            described,
            single.map(|(reference, decision, target)| {
                (
                    path(draft, system, target, reference),
                    decision,
                    drafted.is_declared(reference),
                )
            }),
        );
    }
    composite(text, draft, drafted, system);
}

fn field(
    text: &mut String,
    drafted: &Drafted<'_>,
    number: usize,
    described: &DescribedField,
    reference: Option<(String, &Decision, bool)>,
) {
    let Some(suggestion) = drafted.suggestions.get(number) else {
        return;
    };
    let identity = drafted.identities.get(number).copied().flatten();
    let mut parts = vec![
        format!("category: {}", suggestion.category),
        format!("confidence: {:.2}", suggestion.confidence),
        format!("type: {}", kind(described.kind)),
    ];
    if let Some(identity) = identity {
        parts.push(format!("identity: {identity}"));
        if identity == "email" {
            parts.push("ignore_case: true".to_owned());
        }
    }
    if !described.nullable {
        parts.push("nullable: false".to_owned());
    }
    if described.unique {
        parts.push("unique: true".to_owned());
    }
    parts.extend(
        described
            .max_length
            .map(|length| format!("max_length: {length}")),
    );
    let mut remarks = Vec::new();
    if suggestion.confidence < SURE {
        remarks.push("look: is the category right?".to_owned());
    }
    if suggestion.category == "user.contact.phone_number" && identity.is_none() {
        remarks.push("add `identity: phone` if no two persons share a number".to_owned());
    }
    if let Some((to, decision, is_declared)) = reference {
        let enforced = if is_declared { "" } else { ", enforced: false" };
        parts.push(format!(
            "references: {{to: {}, relation: {}{enforced}}}",
            scalar(&to),
            relation(decision.relation)
        ));
        remarks.push(if is_declared {
            remark(decision)
        } else {
            format!(
                "look: no foreign key, only the name says so; {}",
                decision.why
            )
        });
    }
    remarks.extend(
        drafted
            .leads_nowhere(described)
            .map(|table| format!("look: refers to `{table}`, which was not described")),
    );
    let comment = if remarks.is_empty() {
        String::new()
    } else {
        format!(" # {}", remarks.join("; "))
    };
    let _ = writeln!(
        text,
        "          {}: {{{}}}{comment}",
        scalar(&described.name),
        parts.join(", ")
    );
}

fn remark(decision: &Decision) -> String {
    if decision.is_doubtful {
        format!("look: {}", decision.why)
    } else {
        decision.why.to_owned()
    }
}

fn composite(text: &mut String, draft: &Draft<'_>, drafted: &Drafted<'_>, system: &SystemKey) {
    let mut lines = Vec::new();
    for ((reference, decision), target) in drafted
        .described
        .references
        .iter()
        .zip(&drafted.decisions)
        .zip(&drafted.targets)
    {
        let (Some(target), false) = (
            target.and_then(|target| draft.collections.get(target)),
            drafted.is_written_at_field(reference),
        ) else {
            continue;
        };
        let list = |names: &[String]| {
            names
                .iter()
                .map(|name| scalar(name))
                .collect::<Vec<_>>()
                .join(", ")
        };
        lines.push(format!(
            "          - {{fields: [{}], to: {}, to_fields: [{}], relation: {}}} # {}\n",
            list(&reference.fields),
            scalar(&collection_path(system, target)),
            list(&reference.to_fields),
            relation(decision.relation),
            remark(decision)
        ));
    }
    if !lines.is_empty() {
        let _ = write!(text, "        references:\n{}", lines.concat());
    }
}

fn collection_path(system: &SystemKey, target: &Drafted<'_>) -> String {
    format!(
        "{}.{}",
        dataset(system, target.described.schema.as_deref()),
        target.described.table
    )
}

fn path(
    draft: &Draft<'_>,
    system: &SystemKey,
    target: usize,
    reference: &DescribedReference,
) -> String {
    let collection = draft
        .collections
        .get(target)
        .map(|target| collection_path(system, target))
        .unwrap_or_default();
    format!(
        "{collection}.{}",
        reference
            .to_fields
            .first()
            .map(String::as_str)
            .unwrap_or_default()
    )
}

impl Drafted<'_> {
    /// The reference that can stand at the field itself: of that field alone, and the only one.
    fn single_reference(
        &self,
        field: &DescribedField,
    ) -> Option<(&DescribedReference, &Decision, usize)> {
        let references = self
            .described
            .references
            .iter()
            .zip(&self.decisions)
            .zip(&self.targets);
        let mut single = references.filter(|((reference, _), target)| {
            reference.fields == [field.name.clone()]
                && reference.to_fields.len() == 1
                && target.is_some()
        });
        let ((reference, decision), target) = single.next()?;
        target.map(|target| (reference, decision, target))
    }

    /// Whether a foreign key says so, not only a name.
    fn is_declared(&self, reference: &DescribedReference) -> bool {
        self.described
            .references
            .iter()
            .take(self.declared)
            .any(|declared| std::ptr::eq(declared, reference))
    }

    /// The table that a reference of this field leads to, when it isn't among those described.
    fn leads_nowhere(&self, field: &DescribedField) -> Option<&str> {
        let mut references = self.described.references.iter().zip(&self.targets);
        references
            .find(|(reference, target)| {
                target.is_none() && reference.fields.first() == Some(&field.name)
            })
            .map(|(reference, _)| reference.to_table.as_str())
    }

    fn is_written_at_field(&self, reference: &DescribedReference) -> bool {
        let field = self
            .described
            .fields
            .iter()
            .find(|field| reference.fields == [field.name.clone()]);
        field
            .and_then(|field| self.single_reference(field))
            .is_some_and(|(single, _, _)| std::ptr::eq(single, reference))
    }

    fn doubts(&self) -> usize {
        let declared = self.decisions.iter().take(self.declared);
        self.decisions.len() - declared.len()
            + self
                .suggestions
                .iter()
                .filter(|suggestion| suggestion.confidence < SURE)
                .count()
            + declared.filter(|decision| decision.is_doubtful).count()
    }
}

const fn kind(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Text => "text",
        ValueKind::Integer => "integer",
        ValueKind::Decimal => "decimal",
        ValueKind::Boolean => "boolean",
        ValueKind::Date => "date",
        ValueKind::Timestamp => "timestamp",
        ValueKind::Uuid => "uuid",
        ValueKind::Json => "json",
        ValueKind::Bytes => "bytes",
        ValueKind::Other => "other",
    }
}

const fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::OwnedBy => "owned_by",
        Relation::SameSubject => "same_subject",
        Relation::Detail => "detail",
        Relation::Link => "link",
    }
}

/// Words that YAML takes for something else than a text.
const NOT_TEXT: [&str; 11] = [
    "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf",
];

/// A text as a YAML scalar, quoted where it must be.
pub(in super::super) fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|letter: char| {
        letter.is_ascii_alphabetic() || letter == '_' || letter == '/' || letter == '.'
    }) && text
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "_-./".contains(letter))
        && !NOT_TEXT.contains(&text.to_lowercase().as_str())
        && text != "."
        && text != "..";
    if is_plain {
        text.to_owned()
    } else {
        serde_json::to_string(text).unwrap_or_default()
    }
}
